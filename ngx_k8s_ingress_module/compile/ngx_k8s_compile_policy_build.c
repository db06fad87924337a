
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What nginx takes of a policy: its profile is built before its record is
 * written, and where nginx refuses, value by value.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_int_t ngx_k8s_compile_policy_call(ngx_k8s_compile_t *c,
    ngx_uint_t base, ngx_str_t *values, ngx_str_t *error);
static ngx_uint_t ngx_k8s_compile_policy_blocks(ngx_str_t *values);
static ngx_int_t ngx_k8s_compile_policy_try(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t base, ngx_str_t *values);
static ngx_int_t ngx_k8s_compile_policy_built(ngx_k8s_policy_state_t *policy);
static u_char *ngx_k8s_compile_policy_error(ngx_k8s_compile_t *c,
    ngx_str_t *error);


ngx_int_t
ngx_k8s_compile_policy_build(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t base)
{
    u_char       buf[NGX_K8S_BUILD_ERROR];
    ngx_int_t    rc;
    ngx_str_t    error, *values, *text;
    ngx_uint_t   i, n;

    if (c->builds <= 0) {
        return NGX_AGAIN;
    }

    values = ngx_pcalloc(c->pool, ngx_k8s_nrows * sizeof(ngx_str_t));
    if (values == NULL) {
        return NGX_ERROR;
    }

    if (policy->trying && policy->over == c->keys.stamp) {
        return ngx_k8s_compile_policy_try(c, policy, base, values);
    }

    policy->trying = 0;
    n = 0;

    for (i = 0; c->conf.build && i < policy->n; i++) {
        text = &values[policy->values[i].row - ngx_k8s_rows];

        if (ngx_k8s_compile_named_text(c, policy, &policy->values[i], text)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }

        n += ngx_k8s_row_built(policy->values[i].row, text);
    }

    if (n == 0 && (!base || c->conf.build == NULL)) {
        policy->built = 1;
        return NGX_OK;
    }

    error.data = buf;

    rc = ngx_k8s_compile_policy_call(c, base, values, &error);

    if (rc == NGX_DECLINED) {
        policy->trying = 1;
        policy->next = 0;
        policy->over = c->keys.stamp;

        ngx_memzero(values, ngx_k8s_nrows * sizeof(ngx_str_t));

        return ngx_k8s_compile_policy_try(c, policy, base, values);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < policy->n; i++) {

        if (policy->values[i].refused) {
            ngx_free(policy->values[i].refused);
            policy->values[i].refused = NULL;
            policy->changed = 1;
        }
    }

    return ngx_k8s_compile_policy_built(policy);
}


static ngx_int_t
ngx_k8s_compile_policy_call(ngx_k8s_compile_t *c, ngx_uint_t base,
    ngx_str_t *values, ngx_str_t *error)
{
    c->builds -= 1 + ngx_k8s_compile_policy_blocks(values);
    error->len = 0;

    return c->conf.build(c->conf.data, base, values, error);
}


/* of server-snippets, of which each location has a profile: as many at most */

static ngx_uint_t
ngx_k8s_compile_policy_blocks(ngx_str_t *values)
{
    size_t      n;
    ngx_uint_t  i, blocks;

    blocks = 0;

    for (i = 0; i < ngx_k8s_nrows; i++) {

        if (ngx_k8s_rows[i].grammar != &ngx_k8s_grammar_snippet_server) {
            continue;
        }

        for (n = 0; n < values[i].len; n++) {
            blocks += (values[i].data[n] == '{');
        }
    }

    return blocks;
}


/* one value after the other, over those that nginx does not see: those stay
   that can be had with those before; a worker tries in the same order */

static ngx_int_t
ngx_k8s_compile_policy_try(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t base, ngx_str_t *values)
{
    u_char                  *refused, buf[NGX_K8S_BUILD_ERROR];
    ngx_int_t                rc;
    ngx_str_t                error, *text;
    ngx_uint_t               i;
    ngx_k8s_policy_value_t  *value;

    error.data = buf;

    for (i = 0; i < policy->n; i++) {

        value = &policy->values[i];
        text = &values[value->row - ngx_k8s_rows];

        if (ngx_k8s_compile_named_text(c, policy, value, text) == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (ngx_k8s_row_built(value->row, text)) {
            ngx_str_null(text);
        }
    }

    for (i = 0; i < policy->n; i++) {

        value = &policy->values[i];
        text = &values[value->row - ngx_k8s_rows];

        if (text->data) {
            continue;
        }

        if (ngx_k8s_compile_named_text(c, policy, value, text) == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (!ngx_k8s_row_built(value->row, text)) {
            continue;
        }

        if (i < policy->next) {

            if (value->refused) {
                ngx_str_null(text);
            }

            continue;
        }

        if (c->builds <= 0) {
            policy->next = i;
            return NGX_AGAIN;
        }

        refused = NULL;

        rc = ngx_k8s_compile_policy_call(c, base, values, &error);

        if (rc == NGX_DECLINED) {
            ngx_str_null(text);
            refused = ngx_k8s_compile_policy_error(c, &error);
        }

        if (rc == NGX_ERROR || (rc == NGX_DECLINED && refused == NULL)) {
            return NGX_ERROR;
        }

        policy->changed |= ((refused != NULL) != (value->refused != NULL));

        if (value->refused) {
            ngx_free(value->refused);
        }

        value->refused = refused;
        policy->next = i + 1;
    }

    /* the last one that was built is the base */

    if (base) {

        if (c->builds <= 0) {
            return NGX_AGAIN;
        }

        if (ngx_k8s_compile_policy_call(c, base, values, &error) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_compile_policy_built(policy);
}


static ngx_int_t
ngx_k8s_compile_policy_built(ngx_k8s_policy_state_t *policy)
{
    ngx_int_t  rc;

    rc = policy->changed ? NGX_DONE : NGX_OK;

    policy->built = 1;
    policy->trying = 0;
    policy->changed = 0;

    return rc;
}


static u_char *
ngx_k8s_compile_policy_error(ngx_k8s_compile_t *c, ngx_str_t *error)
{
    u_char  *p;

    p = ngx_alloc(error->len + 1, c->log);

    if (p) {
        *ngx_cpymem(p, error->data, error->len) = '\0';
    }

    return p;
}
