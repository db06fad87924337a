
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_ACCESS_H_INCLUDED_
#define _NGX_HTTP_K8S_ACCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>


/*
 * Who may pass, by the client's address and by headers of the request
 * (ngx_http_k8s_access.c).  In any worker.
 */

/* of "allow" and "deny" in snippets; the first one that has the address counts,
   behind the lists of annotations */

typedef struct {
    ngx_cidr_t               cidr;       /* AF_UNSPEC: all */
    ngx_uint_t               deny;
} ngx_http_k8s_rule_t;


/* from the settings of a profile, once: profile->access, NULL where everybody
   passes; lists that are those of its base are not read again */
ngx_int_t ngx_http_k8s_access_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/* whether they have a list of addresses that is not for everybody, but
   block-cidrs; 1 or 0 */
ngx_uint_t ngx_http_k8s_access_listed(ngx_k8s_settings_t *settings);

/*
 * Whether keys of the ConfigMap refuse a request by its headers, whatever its
 * route is: 1 or 0; and by its address.  ctx->profile is set.
 */
ngx_uint_t ngx_http_k8s_access_blocked(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
ngx_uint_t ngx_http_k8s_access_blocked_address(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);

/*
 * Whether lists let a routed request through: NGX_OK: one has its address;
 * NGX_DECLINED: none is against it; or 403, which is logged unless it may pass
 * by any other way.
 */
ngx_int_t ngx_http_k8s_access(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_uint_t any);

/* NGX_DECLINED: one of the values of rows is none that can be read, *error says
   what is wrong; as conf.build() of compile */
ngx_int_t ngx_http_k8s_access_check(ngx_str_t *values, ngx_str_t *error);


#endif /* _NGX_HTTP_K8S_ACCESS_H_INCLUDED_ */
