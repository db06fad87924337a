
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_FORWARDED_H_INCLUDED_
#define _NGX_HTTP_K8S_FORWARDED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>


/*
 * What proxies before us say of the client, where keys trust them
 * (ngx_http_k8s_forwarded.c).  Its address is found by the realip module, with
 * the base's configuration instead of nginx.conf's; only for a pass that stands
 * in a server, as a location is not known so early.
 */

/* whether it finds the address with these settings */
#define ngx_http_k8s_forwarded_wanted(settings)                               \
    ((settings)->forwarded || (settings)->real_ip                             \
     || (settings)->proxy_protocol)

/* notes the client of a request, and whether it is a proxy */
void ngx_http_k8s_forwarded_note(ngx_http_request_t *r,
    ngx_k8s_block_t *block);

/* with the PROXY protocol and forwarded headers: the header that it reads; of
   the request, before it runs */
ngx_int_t ngx_http_k8s_forwarded_proxy(ngx_http_request_t *r,
    ngx_http_k8s_profile_t *base);

/* directives of realip, of a base with these settings */
ngx_int_t ngx_http_k8s_forwarded_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings);

/* whether those of a request are trusted; ctx: its context, or NULL */
#define ngx_http_k8s_forwarded_trusted(ctx)                                   \
    ((ctx) && (ctx)->profile && (ctx)->profile->settings->forwarded)

/* names of headers as variables have them, empty: that of X-Forwarded-For; of a
   base with its settings */
ngx_int_t ngx_http_k8s_forwarded_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/*
 * X-Forwarded-Proto, -Port, or the first of -Host.  NGX_DECLINED: it has not
 * come, or is not trusted.
 */
ngx_int_t ngx_http_k8s_forwarded_proto(ngx_http_request_t *r,
    ngx_http_variable_value_t *v);
ngx_int_t ngx_http_k8s_forwarded_port(ngx_http_request_t *r,
    ngx_http_variable_value_t *v);
ngx_int_t ngx_http_k8s_forwarded_host(ngx_http_request_t *r,
    ngx_http_variable_value_t *v);

/* whether the client's scheme is "http", and nothing else */
ngx_uint_t ngx_http_k8s_forwarded_http(ngx_http_request_t *r);

/* variables: X-Forwarded-For that is sent; what came, data is the offset of the
   name in the profile */
ngx_int_t ngx_http_k8s_forwarded_for_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_k8s_forwarded_came_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


#endif /* _NGX_HTTP_K8S_FORWARDED_H_INCLUDED_ */
