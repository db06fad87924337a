
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_AFFINITY_H_INCLUDED_
#define _NGX_HTTP_K8S_AFFINITY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_k8s_router.h>


/*
 * Affinity of clients by a cookie (ngx_http_k8s_affinity.c).  Its value is that
 * of ingress-nginx: a key, "|", and which Service has given it.
 */

/*
 * The backend that has the client already, the primary or a canary, of a route
 * whose primary has affinity, under the route's pin; NULL: none has.
 */
ngx_k8s_backend_rec_t *ngx_http_k8s_affinity_backend(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_route_t *route);

/* reads the key of a request for the Service, under the route's pin */
void ngx_http_k8s_affinity(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_service_rec_t *service);

/*
 * In peer.init: makes the key of upstream-hash-by, of a Service that has it and
 * no affinity.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_affinity_hash(ngx_http_request_t *r,
    ngx_http_k8s_hop_t *hop);

/* sets the cookie in the header of the answer, where there is a new one;
   NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_affinity_cookie(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_AFFINITY_H_INCLUDED_ */
