
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_DIGEST_H_INCLUDED_
#define _NGX_HTTP_K8S_DIGEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>


/*
 * Digest authentication (RFC 7616) with MD5, which is what htdigest files have,
 * and the quality "auth" (ngx_http_k8s_digest.c).  A nonce is of this instance
 * of nginx, good for five minutes, and each count of it once.  In any worker.
 */

/*
 * Whether the client of a request is one of the users, the bytes of a record of
 * NGX_K8S_DATA_DIGESTS: NGX_OK, NGX_HTTP_UNAUTHORIZED, or
 * NGX_HTTP_INTERNAL_SERVER_ERROR.  *stale is set to 1 where only the nonce was
 * not good.
 */
ngx_int_t ngx_http_k8s_digest(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_str_t *users, ngx_uint_t *stale);

/* a challenge with a new nonce, in the request's pool; NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_digest_challenge(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_uint_t stale, ngx_str_t *value);


#endif /* _NGX_HTTP_K8S_DIGEST_H_INCLUDED_ */
