
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_forwarded.h>


static ngx_int_t ngx_http_k8s_forwarded_name(ngx_pool_t *pool,
    ngx_str_t *header, ngx_str_t *name);
static ngx_int_t ngx_http_k8s_forwarded_header(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *name);
static ngx_int_t ngx_http_k8s_forwarded(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *name);


/* nginx knows X-Forwarded-For by its name: it needs none */
static ngx_str_t  ngx_http_k8s_x_forwarded_for = ngx_null_string;
static ngx_str_t  ngx_http_k8s_x_forwarded_host =
                                           ngx_string("x_forwarded_host");
static ngx_str_t  ngx_http_k8s_x_forwarded_port =
                                           ngx_string("x_forwarded_port");
static ngx_str_t  ngx_http_k8s_x_forwarded_proto =
                                           ngx_string("x_forwarded_proto");


ngx_int_t
ngx_http_k8s_forwarded_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings)
{
    ngx_str_t  list, item;

    static ngx_str_t  header = ngx_string("real_ip_header");
    static ngx_str_t  recursive = ngx_string("real_ip_recursive");
    static ngx_str_t  from = ngx_string("set_real_ip_from");
    static ngx_str_t  on = ngx_string("on");

    if (!settings->forwarded && !settings->real_ip) {
        return NGX_OK;
    }

    if (ngx_k8s_tokens_add(pool, tokens, &header, &settings->forwarded_for)
        != NGX_OK
        || ngx_k8s_tokens_add(pool, tokens, &recursive, &on) != NGX_OK)
    {
        return NGX_ERROR;
    }

    list = settings->real_ip_cidrs;

    while (ngx_k8s_item(&list, &item) == NGX_OK) {
        if (item.len
            && ngx_k8s_tokens_add(pool, tokens, &from, &item) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_forwarded_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool)
{
    if (ngx_http_k8s_forwarded_name(pool, &profile->settings->forwarded_for,
                                    &profile->forwarded_for)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_k8s_forwarded_name(pool,
                                       &profile->settings->forwarded_host,
                                       &profile->forwarded_host);
}


static ngx_int_t
ngx_http_k8s_forwarded_name(ngx_pool_t *pool, ngx_str_t *header,
    ngx_str_t *name)
{
    size_t  i;

    static ngx_str_t  known = ngx_string("X-Forwarded-For");

    ngx_str_null(name);

    if (header->len == known.len
        && ngx_strncasecmp(header->data, known.data, known.len) == 0)
    {
        return NGX_OK;
    }

    name->len = header->len;
    name->data = ngx_pnalloc(pool, header->len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < header->len; i++) {
        name->data[i] = (header->data[i] == '-') ? '_'
                                                 : ngx_tolower(header->data[i]);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_forwarded_proto(ngx_http_request_t *r,
    ngx_http_variable_value_t *v)
{
    return ngx_http_k8s_forwarded_trusted(ngx_http_k8s_ctx(r))
           ? ngx_http_k8s_forwarded(r, v, &ngx_http_k8s_x_forwarded_proto)
           : NGX_DECLINED;
}


ngx_int_t
ngx_http_k8s_forwarded_port(ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    return ngx_http_k8s_forwarded_trusted(ngx_http_k8s_ctx(r))
           ? ngx_http_k8s_forwarded(r, v, &ngx_http_k8s_x_forwarded_port)
           : NGX_DECLINED;
}


ngx_int_t
ngx_http_k8s_forwarded_host(ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    u_char     *p;
    ngx_int_t   rc;

    if (!ngx_http_k8s_forwarded_trusted(ngx_http_k8s_ctx(r))) {
        return NGX_DECLINED;
    }

    rc = ngx_http_k8s_forwarded(r, v, &ngx_http_k8s_x_forwarded_host);

    if (rc == NGX_OK) {
        p = ngx_strlchr(v->data, v->data + v->len, ',');

        if (p) {
            v->len = p - v->data;
        }
    }

    return rc;
}


ngx_uint_t
ngx_http_k8s_forwarded_http(ngx_http_request_t *r)
{
    ngx_http_variable_value_t  v;

    if (ngx_http_k8s_forwarded_proto(r, &v) == NGX_OK) {
        return v.len == sizeof("http") - 1
               && ngx_strncmp(v.data, "http", v.len) == 0;
    }

#if (NGX_HTTP_SSL)
    return r->connection->ssl == NULL;
#else
    return 1;
#endif
}


ngx_int_t
ngx_http_k8s_forwarded_for_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char              *p;
    ngx_str_t           *peer;
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx(r);
    peer = &r->connection->addr_text;
    v->len = 0;

    if (ngx_http_k8s_forwarded_trusted(ctx)
        && ctx->profile->settings->full_forwarded)
    {
        if (ctx->peer.len) {
            peer = &ctx->peer;
        }

        if (ngx_http_k8s_forwarded(r, v, &ngx_http_k8s_x_forwarded_for)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    if (v->len == 0) {
        v->len = peer->len;
        v->data = peer->data;

        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, v->len + sizeof(", ") - 1 + peer->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    data = ngx_sprintf(p, "%v, %V", v, peer) - p;

    v->len = data;
    v->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_forwarded_came_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_k8s_ctx_t      *ctx;
    ngx_http_k8s_profile_t  *base;

    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || ctx->profile == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    base = ctx->profile->base ? ctx->profile->base : ctx->profile;

    return ngx_http_k8s_forwarded_header(r, v,
                                         (ngx_str_t *) ((u_char *) base
                                                        + data));
}


/* a name with underscores, where they are let through, is the same */

static ngx_int_t
ngx_http_k8s_forwarded_header(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *name)
{
    ngx_http_variable_value_t  *value;
    ngx_http_k8s_main_conf_t   *kmcf;

    if (name->len == 0) {
        kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

        value = ngx_http_get_indexed_variable(r, kmcf->forwarded_for);
        if (value == NULL) {
            return NGX_ERROR;
        }

        *v = *value;

        return NGX_OK;
    }

    return ngx_http_variable_unknown_header(r, v, name,
                                            &r->headers_in.headers.part, 0);
}


static ngx_int_t
ngx_http_k8s_forwarded(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    ngx_str_t *name)
{
    v->not_found = 0;

    if (ngx_http_k8s_forwarded_header(r->main, v, name) != NGX_OK) {
        return NGX_ERROR;
    }

    return v->not_found ? NGX_DECLINED : NGX_OK;
}
