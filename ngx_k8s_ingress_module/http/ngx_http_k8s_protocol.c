
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_protocol.h>
#include <ngx_k8s_policy.h>


#define NGX_HTTP_K8S_PROXY           0
#define NGX_HTTP_K8S_GRPC            1


typedef struct {
    ngx_str_t                directive;
    char                    *scheme;
    ngx_uint_t               module;     /* NGX_HTTP_K8S_PROXY, ... */
} ngx_http_k8s_protocol_t;


static ngx_array_t *ngx_http_k8s_protocol_token(ngx_pool_t *pool,
    ngx_array_t *args, ngx_uint_t module);
static ngx_uint_t ngx_http_k8s_protocol_listed(ngx_str_t *list,
    ngx_str_t *name);


/* by NGX_K8S_BACKEND_* */

static ngx_http_k8s_protocol_t  ngx_http_k8s_protocols[] = {
    { ngx_string("proxy_pass"), "http://", NGX_HTTP_K8S_PROXY },
    { ngx_string("proxy_pass"), "https://", NGX_HTTP_K8S_PROXY },
    { ngx_string("proxy_pass"), "$scheme://", NGX_HTTP_K8S_PROXY },
    { ngx_string("grpc_pass"), "grpc://", NGX_HTTP_K8S_GRPC },
    { ngx_string("grpc_pass"), "grpcs://", NGX_HTTP_K8S_GRPC }
};


static ngx_str_t  ngx_http_k8s_proxy_prefix = ngx_string("proxy_");
static ngx_str_t  ngx_http_k8s_proxy_header = ngx_string("proxy_set_header");


/* of the proxy module, what others have as well */

static ngx_str_t  ngx_http_k8s_grpc_directives[] = {
    ngx_string("connect_timeout"),
    ngx_string("send_timeout"),
    ngx_string("read_timeout"),
    ngx_string("next_upstream"),
    ngx_string("next_upstream_timeout"),
    ngx_string("next_upstream_tries"),
    ngx_string("intercept_errors"),
    ngx_string("set_header"),
    ngx_string("hide_header"),
    ngx_string("pass_header"),
    ngx_string("ignore_headers"),
    ngx_null_string
};


/* of connections, which HTTP/2 does not have */

static ngx_str_t  ngx_http_k8s_hop_headers[] = {
    ngx_string("Connection"),
    ngx_string("Upgrade"),
    ngx_null_string
};


ngx_int_t
ngx_http_k8s_protocol_urls(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf,
    ngx_str_t *upstream)
{
    char        *scheme;
    ngx_str_t   *url;
    ngx_uint_t   i;

    for (i = 0; i < NGX_K8S_BACKENDS; i++) {

        scheme = ngx_http_k8s_protocols[i].scheme;
        url = &klcf->urls[i];

        url->len = ngx_strlen(scheme) + upstream->len;
        url->data = ngx_pnalloc(cf->pool, url->len);

        if (url->data == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_sprintf(url->data, "%s%V", scheme, upstream);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_protocol_pass(ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool,
    ngx_array_t *tokens, ngx_uint_t protocol)
{
    return ngx_k8s_tokens_add(pool, tokens,
                              &ngx_http_k8s_protocols[protocol].directive,
                              &klcf->urls[protocol]);
}


ngx_int_t
ngx_http_k8s_protocol_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t protocol)
{
    ngx_str_t     *name, *prefix;
    ngx_uint_t     i, n, module;
    ngx_array_t  **args;

    module = ngx_http_k8s_protocols[protocol].module;

    if (module == NGX_HTTP_K8S_PROXY) {
        return NGX_OK;
    }

    args = tokens->elts;
    prefix = &ngx_http_k8s_proxy_prefix;
    n = 0;

    for (i = 0; i < tokens->nelts; i++) {

        name = args[i]->elts;

        if (name->len <= prefix->len
            || ngx_strncmp(name->data, prefix->data, prefix->len) != 0)
        {
            args[n++] = args[i];
            continue;
        }

        args[n] = ngx_http_k8s_protocol_token(pool, args[i], module);

        if (args[n] == NULL) {
            return NGX_ERROR;
        }

        n += (args[n]->nelts != 0);
    }

    tokens->nelts = n;

    return NGX_OK;
}


/* an empty array: there is none; NULL: no memory */

static ngx_array_t *
ngx_http_k8s_protocol_token(ngx_pool_t *pool, ngx_array_t *args,
    ngx_uint_t module)
{
    u_char       *p;
    ngx_str_t    *arg, *name, suffix;
    ngx_uint_t    i;
    ngx_array_t  *token;

    arg = args->elts;

    token = ngx_array_create(pool, args->nelts, sizeof(ngx_str_t));
    if (token == NULL) {
        return NULL;
    }

    suffix.len = arg->len - ngx_http_k8s_proxy_prefix.len;
    suffix.data = arg->data + ngx_http_k8s_proxy_prefix.len;

    if (!ngx_http_k8s_protocol_listed(ngx_http_k8s_grpc_directives, &suffix)
        || (arg->len == ngx_http_k8s_proxy_header.len
            && ngx_strncmp(arg->data, ngx_http_k8s_proxy_header.data, arg->len)
               == 0
            && ngx_http_k8s_protocol_listed(ngx_http_k8s_hop_headers,
                                            &arg[1])))
    {
        return token;
    }

    p = ngx_pnalloc(pool, sizeof("grpc_") + suffix.len);
    if (p == NULL) {
        return NULL;
    }

    /* of as many elements: there is room for them */

    name = ngx_array_push_n(token, args->nelts);

    name->data = p;
    name->len = ngx_sprintf(p, "grpc_%V%Z", &suffix) - p - 1;

    for (i = 1; i < args->nelts; i++) {
        name[i] = arg[i];
    }

    return token;
}


static ngx_uint_t
ngx_http_k8s_protocol_listed(ngx_str_t *list, ngx_str_t *name)
{
    for ( /* void */ ; list->len; list++) {

        if (list->len == name->len
            && ngx_strncasecmp(list->data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_k8s_protocol_directive(ngx_str_t *name)
{
    ngx_str_t  suffix;

    static ngx_str_t  prefix = ngx_string("grpc_");

    if (name->len <= prefix.len
        || ngx_strncmp(name->data, prefix.data, prefix.len) != 0)
    {
        return 0;
    }

    suffix.len = name->len - prefix.len;
    suffix.data = name->data + prefix.len;

    return ngx_http_k8s_protocol_listed(ngx_http_k8s_grpc_directives, &suffix);
}


ngx_uint_t
ngx_http_k8s_protocol_proxied(ngx_uint_t protocol)
{
    return ngx_http_k8s_protocols[protocol].module == NGX_HTTP_K8S_PROXY;
}
