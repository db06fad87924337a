
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_template.h>


static ngx_int_t ngx_http_k8s_set_header_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_set_header_token(ngx_pool_t *pool,
    ngx_array_t *tokens, ngx_str_t *name, ngx_str_t *value);


static ngx_uint_t
ngx_http_k8s_set_header_varies(ngx_str_t *value)
{
    return ngx_strlchr(value->data, value->data + value->len, '$') != NULL;
}


/*
 * nginx cannot get new variables while it runs: a value that has some is that
 * of a variable with an index, which looks them up by name.
 */

ngx_int_t
ngx_http_k8s_set_headers_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_str_t *text)
{
    u_char      buf[sizeof(NGX_HTTP_K8S_SET_HEADER) + NGX_INT_T_LEN];
    ngx_str_t   rest, name, value;
    ngx_uint_t  n;

    rest = *text;
    n = 0;

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {

        if (ngx_http_k8s_set_header_varies(&value)) {

            if (n == NGX_K8S_HEADERS_VARIABLES) {
                continue;
            }

            value.data = buf;
            value.len = ngx_sprintf(buf, "$" NGX_HTTP_K8S_SET_HEADER, n++)
                        - buf;
        }

        if (ngx_http_k8s_set_header_token(pool, tokens, &name, &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_set_header_token(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_str_t *name, ngx_str_t *value)
{
    u_char       *p;
    ngx_str_t    *arg;
    ngx_array_t  *args, **token;

    static ngx_str_t  directive = ngx_string("proxy_set_header");

    args = ngx_array_create(pool, 3, sizeof(ngx_str_t));
    p = ngx_pnalloc(pool, name->len + 1 + value->len + 1);
    token = ngx_array_push(tokens);

    if (args == NULL || p == NULL || token == NULL) {
        return NGX_ERROR;
    }

    /* of three elements: there is room for them */

    arg = ngx_array_push(args);
    *arg = directive;

    arg = ngx_array_push(args);
    arg->data = p;
    arg->len = name->len;
    p = ngx_cpymem(p, name->data, name->len);
    *p++ = '\0';

    arg = ngx_array_push(args);
    arg->data = p;
    arg->len = value->len;
    *ngx_cpymem(p, value->data, value->len) = '\0';

    *token = args;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_set_headers_values(ngx_pool_t *pool, ngx_str_t *text,
    ngx_array_t **values)
{
    ngx_str_t                 rest, name, value;
    ngx_http_k8s_template_t  *t;

    rest = *text;

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {

        if (!ngx_http_k8s_set_header_varies(&value)) {
            continue;
        }

        if (*values == NULL) {
            *values = ngx_array_create(pool, 4,
                                       sizeof(ngx_http_k8s_template_t));
            if (*values == NULL) {
                return NGX_ERROR;
            }
        }

        t = ngx_array_push(*values);

        if (t == NULL
            || ngx_http_k8s_template_compile(pool, &value, t) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_set_headers_variables(ngx_conf_t *cf)
{
    u_char                buf[sizeof(NGX_HTTP_K8S_SET_HEADER) + NGX_INT_T_LEN];
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_http_variable_t  *var;

    name.data = buf;

    for (i = 0; i < NGX_K8S_HEADERS_VARIABLES; i++) {

        name.len = ngx_sprintf(buf, NGX_HTTP_K8S_SET_HEADER, i) - buf;

        /* found by index alone: nginx's hash has little room left; requests
           to auth servers have the same variables as those to backends */

        var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOHASH
                                               |NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_k8s_set_header_variable;
        var->data = i;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_set_headers_index(ngx_conf_t *cf)
{
    u_char      buf[sizeof(NGX_HTTP_K8S_SET_HEADER) + NGX_INT_T_LEN];
    ngx_str_t   name;
    ngx_uint_t  i;

    name.data = buf;

    for (i = 0; i < NGX_K8S_HEADERS_VARIABLES; i++) {

        name.len = ngx_sprintf(buf, NGX_HTTP_K8S_SET_HEADER, i) - buf;

        if (ngx_http_get_variable_index(cf, &name) == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_set_header_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                 value;
    ngx_uint_t                n;
    ngx_array_t              *values, *texts;
    ngx_http_k8s_ctx_t       *ctx;
    ngx_http_k8s_profile_t   *base;
    ngx_http_k8s_template_t  *t;

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = 0;
    v->data = (u_char *) "";

    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || !ctx->routed) {
        return NGX_OK;
    }

    base = ctx->profile->base ? ctx->profile->base : ctx->profile;

    if (ctx->auth && r == ctx->auth->request) {
        values = ctx->auth->auth->set_headers;
        texts = ctx->profile->auth_texts;

    } else {
        values = base->set_headers;
        texts = ctx->profile->texts;
    }

    n = values ? ngx_min(values->nelts, NGX_K8S_HEADERS_VARIABLES) : 0;

    if (data >= n) {
        data -= n;
        values = texts;
    }

    if (values == NULL || data >= values->nelts) {
        return NGX_OK;
    }

    t = values->elts;

    if (ngx_http_k8s_template_run_header(r->main, &t[data],
                                         ngx_http_k8s_run_captures(ctx),
                                         &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    v->len = value.len;
    v->data = value.data;

    return NGX_OK;
}
