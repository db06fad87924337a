
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


ngx_int_t
ngx_k8s_variable_next(ngx_str_t *text, ngx_str_t *name)
{
    u_char  *p, *last;

    last = text->data + text->len;

    while ((p = ngx_strlchr(text->data, last, '$')) != NULL) {

        if (p + 1 < last && p[1] >= '1' && p[1] <= '9') {
            text->data = p + 2;
            continue;
        }

        text->data = p;

        if (ngx_k8s_variable(&text->data, last, name)) {
            text->len = last - text->data;
            return NGX_OK;
        }

        text->data++;
    }

    return NGX_DONE;
}


ngx_uint_t
ngx_k8s_variable(u_char **pos, u_char *last, ngx_str_t *name)
{
    u_char  *p, *end;

    p = *pos + 1;
    end = last;

    if (p < last && *p == '{') {
        p++;
        end = ngx_strlchr(p, last, '}');

        if (end == NULL) {
            return 0;
        }
    }

    name->data = p;

    while (p < end
           && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
               || (*p >= '0' && *p <= '9') || *p == '_'))
    {
        p++;
    }

    name->len = p - name->data;

    if (name->len == 0 || (end != last && p != end)) {
        return 0;
    }

    *pos = p + (end != last);

    return 1;
}
