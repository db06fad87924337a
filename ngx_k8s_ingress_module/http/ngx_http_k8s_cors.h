
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_CORS_H_INCLUDED_
#define _NGX_HTTP_K8S_CORS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>


/*
 * Cross-origin requests, as "enable-cors" and what belongs to it says
 * (ngx_http_k8s_cors.c).  In any worker.
 */

/* from the settings of a profile, once: profile->cors, NULL where it is off */
ngx_int_t ngx_http_k8s_cors_create(ngx_http_k8s_profile_t *profile);

/*
 * Of a request whose profile has it: notes in ctx->origin whether it is
 * allowed, in ctx->by_origin whether another one may not be.  1 when it is a
 * preflight, which is answered with 204.
 */
ngx_uint_t ngx_http_k8s_cors(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx);

/* headers of the answer to a request that is allowed, over the backend's own,
   and Vary, of one that is not, too, where only some origins are */
ngx_int_t ngx_http_k8s_cors_headers(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_CORS_H_INCLUDED_ */
