
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What nginx refuses of a policy, as problems. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


ngx_int_t
ngx_k8s_compile_policy_notes(ngx_array_t *a, ngx_k8s_policy_state_t *policy,
    ngx_uint_t code, ngx_uint_t closed, ngx_str_t *before, char *after)
{
    ngx_uint_t  i;

    for (i = 0; i < policy->n; i++) {

        if (policy->values[i].refused
            && ngx_k8s_compile_policy_note(a, &policy->values[i], code, closed,
                                           before, after)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_compile_policy_note(ngx_array_t *a, ngx_k8s_policy_value_t *value,
    ngx_uint_t code, ngx_uint_t closed, ngx_str_t *before, char *after)
{
    u_char      buf[NGX_K8S_BUILD_ERROR];
    ngx_str_t   field, text;
    ngx_uint_t  closes;

    field.data = ngx_pnalloc(a->pool, before->len + value->row->name.len
                                      + ngx_strlen(after));
    if (field.data == NULL) {
        return NGX_ERROR;
    }

    field.len = ngx_sprintf(field.data, "%V%V%s", before, &value->row->name,
                            after)
                - field.data;

    closes = ngx_k8s_policy_closes(value);

    text.data = buf;
    text.len = ngx_snprintf(buf, sizeof(buf), "nginx refuses \"%*s\"%s, so %s: "
                            "%s", ngx_min(value->value.len, 128),
                            value->value.data,
                            value->value.len > 128 ? "..." : "",
                            closes ? "all paths under it answer 503"
                                   : "it is as if it were not there",
                            value->refused)
               - buf;

    return ngx_k8s_compile_advise(a, closes ? closed : code, NULL, &field,
                                  &text, NULL);
}
