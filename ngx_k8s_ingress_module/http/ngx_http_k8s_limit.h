
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_LIMIT_H_INCLUDED_
#define _NGX_HTTP_K8S_LIMIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>


/*
 * Limits of requests and connections of one client to the paths of an Ingress
 * (ngx_http_k8s_limit.c), counted by all workers together.  In any worker.
 */

/* from the settings of a profile, once: profile->limit, NULL: no limits */
ngx_int_t ngx_http_k8s_limit_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/* counts a routed request: NGX_DECLINED, or the status of the answer */
ngx_int_t ngx_http_k8s_limit(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_LIMIT_H_INCLUDED_ */
