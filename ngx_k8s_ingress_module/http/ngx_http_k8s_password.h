
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_PASSWORD_H_INCLUDED_
#define _NGX_HTTP_K8S_PASSWORD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_hasher.h>
#include <ngx_http_k8s_profile.h>


/*
 * Passwords: auth-type (ngx_http_k8s_password.c).  In any worker.  What takes
 * long is compared in a thread; a request waits for it.
 */

struct ngx_http_k8s_password_s {
    ngx_str_t                challenge;  /* WWW-Authenticate; of a digest empty,
                                            as each has its own */
};


/* of a request, in its pool */

struct ngx_http_k8s_password_ctx_s {
    ngx_http_k8s_waiter_t    waiter;
    ngx_http_request_t      *request;
    ngx_int_t                rc;         /* once it does not wait: NGX_OK, or
                                            the status of the answer */
    ngx_uint_t               stale;      /* only the nonce was not good */
};


/* what holds for a profile, whose settings are known: profile->password, NULL
   where no password is asked for */
ngx_int_t ngx_http_k8s_password_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/* whether a routed request needs one: 1 or 0 */
ngx_uint_t ngx_http_k8s_password_wanted(ngx_http_k8s_ctx_t *ctx);

/*
 * Where it is wanted: NGX_OK: it is right; NGX_DONE: the request is suspended,
 * and its phases run again; or the status of the answer: 401, 503 when it
 * cannot be known, or not now, 500.
 */
ngx_int_t ngx_http_k8s_password(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);

/* whether the users of the Secret that settings name are not known */
ngx_uint_t ngx_http_k8s_password_closed(ngx_k8s_block_t *block,
    ngx_k8s_settings_t *settings);

/* the challenge of an answer; the request goes on without what the client has
   said; NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_password_challenge(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
ngx_int_t ngx_http_k8s_password_passed(ngx_http_request_t *r);


#endif /* _NGX_HTTP_K8S_PASSWORD_H_INCLUDED_ */
