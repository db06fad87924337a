
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_ROUTE_H_INCLUDED_
#define _NGX_HTTP_K8S_ROUTE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_k8s_router.h>


/*
 * Routing step (ngx_http_k8s_route.c): decides once for a main request, under
 * one pin.  Sets r->loc_conf to the profile.  NGX_DECLINED when the request is
 * to be proxied, else a status for ngx_http_finalize_request().
 */
ngx_int_t ngx_http_k8s_route(ngx_http_request_t *r,
    ngx_http_k8s_loc_conf_t *klcf);

/* the same once more, by another URI; nobody has let it through there */
ngx_int_t ngx_http_k8s_reroute(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx);


/*
 * What its route says of a request (ngx_http_k8s_action.c): its policy, then
 * its action, as a redirect, a status or a backend.  Under the route's pin.
 * NGX_DECLINED: it goes on behind the gate; NGX_AGAIN: what the host's record
 * leads to has just gone, as a new record leads elsewhere, and nothing may be
 * served without its policy; else the status of the answer.
 */
ngx_int_t ngx_http_k8s_act(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_t *route);


/*
 * What a request says of itself (ngx_http_k8s_host.c).  set_host() makes the
 * host of an absolute target, which the request has, its Host; NGX_ERROR: no
 * memory.  host_valid(): whether its Host, which it has, is one for others than
 * nginx, too.  no_h2c() drops an Upgrade, which it has, to "h2c"; NGX_ERROR: no
 * memory.
 */
ngx_int_t ngx_http_k8s_set_host(ngx_http_request_t *r);
ngx_uint_t ngx_http_k8s_host_valid(ngx_http_request_t *r);
ngx_int_t ngx_http_k8s_no_h2c(ngx_http_request_t *r);


/*
 * Redirects (ngx_http_k8s_redirect.c): set the Location header and return the
 * status, or 500 without memory.  The first goes to the same URI with a slash;
 * the last one is what the route's action says, under the pin of the route.
 */
ngx_int_t ngx_http_k8s_add_slash(ngx_http_request_t *r);
/* with the port where a block listens for it, NULL: without one */
ngx_int_t ngx_http_k8s_to_https(ngx_http_request_t *r, ngx_uint_t status,
    ngx_uint_t keep_slash, ngx_k8s_block_t *block);
/* to a path of the same host, which may have variables; status 302 */
ngx_int_t ngx_http_k8s_to_path(ngx_http_request_t *r, ngx_str_t *path);
/* to the host of the action, with scheme, port and http-redirect-code */
ngx_int_t ngx_http_k8s_to_twin(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_route_t *route);
/* to a URL as it is written */
ngx_int_t ngx_http_k8s_redirect_to(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *url);
ngx_int_t ngx_http_k8s_redirect(ngx_http_request_t *r, ngx_k8s_route_t *route);

/* no-tls-redirect-locations, of a profile whose settings are known */
ngx_int_t ngx_http_k8s_redirect_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/* a list with commas as an array of ngx_str_t; whether the path of the rule
   that took a request begins with one of them */
ngx_int_t ngx_http_k8s_prefixes(ngx_pool_t *pool, ngx_str_t *list,
    ngx_array_t **prefixes);
ngx_uint_t ngx_http_k8s_prefixed(ngx_http_k8s_ctx_t *ctx,
    ngx_array_t *prefixes);


#endif /* _NGX_HTTP_K8S_ROUTE_H_INCLUDED_ */
