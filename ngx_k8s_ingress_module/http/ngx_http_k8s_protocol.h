
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_PROTOCOL_H_INCLUDED_
#define _NGX_HTTP_K8S_PROTOCOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


/*
 * Protocols of backends (ngx_http_k8s_protocol.c), NGX_K8S_BACKEND_*: what is
 * said of one is written for the proxy module, and goes to the module of the
 * protocol, as far as that has a directive for it.
 */

/* the URL of each, for the upstream; at configuration time */
ngx_int_t ngx_http_k8s_protocol_urls(ngx_conf_t *cf,
    ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *upstream);

/* adds the directive that passes to backends of the protocol; NGX_ERROR: no
   memory */
ngx_int_t ngx_http_k8s_protocol_pass(ngx_http_k8s_loc_conf_t *klcf,
    ngx_pool_t *pool, ngx_array_t *tokens, ngx_uint_t protocol);

/*
 * Adds the parameters that FastCGI has by itself, but for those that tokens
 * say: to tokens with headers, as what a location says of either is all that it
 * has.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_protocol_params(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t protocol);

/* makes tokens of the proxy module those of the protocol's; NGX_ERROR: no
   memory */
ngx_int_t ngx_http_k8s_protocol_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t protocol);

/* whether a directive is one that the latter makes */
ngx_uint_t ngx_http_k8s_protocol_directive(ngx_str_t *name);

/* which module serves it: NGX_HTTP_K8S_MODULE_* */
ngx_uint_t ngx_http_k8s_protocol_module(ngx_uint_t protocol);


#endif /* _NGX_HTTP_K8S_PROTOCOL_H_INCLUDED_ */
