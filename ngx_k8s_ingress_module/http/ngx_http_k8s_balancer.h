
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_BALANCER_H_INCLUDED_
#define _NGX_HTTP_K8S_BALANCER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>


/*
 * Balancer (ngx_http_k8s_balancer.c): one upstream for each block with a pass,
 * made at postconfiguration; all profiles' proxy_pass name it.  The second
 * call for a block gives the same name.
 */
ngx_int_t ngx_http_k8s_upstream_add(ngx_conf_t *cf, ngx_k8s_block_t *block,
    ngx_str_t *name);

/* per worker: pools are made, and emptied at the end or when told to quit;
   harmless when called twice */
ngx_int_t ngx_http_k8s_balancer_init(ngx_k8s_block_t *block,
    ngx_cycle_t *cycle);
void ngx_http_k8s_balancer_done(ngx_k8s_block_t *block);


/* makes the request's upstream skip interim answers (1xx); in peer.init */
void ngx_http_k8s_interim(ngx_http_request_t *r, ngx_http_k8s_hop_t *hop);


/* in a worker: what holds for idle connections from now on */
void ngx_http_k8s_balancer_settings(ngx_k8s_block_t *block,
    ngx_k8s_settings_t *settings);


#endif /* _NGX_HTTP_K8S_BALANCER_H_INCLUDED_ */
