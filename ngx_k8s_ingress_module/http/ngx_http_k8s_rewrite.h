
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_REWRITE_H_INCLUDED_
#define _NGX_HTTP_K8S_REWRITE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_template.h>
#include <ngx_k8s_router.h>


/*
 * Templates of a profile, and what rewrite-target makes of a request
 * (ngx_http_k8s_rewrite.c).
 */

struct ngx_http_k8s_templates_s {
    ngx_http_k8s_template_t  vhost;      /* upstream-vhost */
    ngx_http_k8s_template_t  target;     /* rewrite-target */
    ngx_http_k8s_template_t  prefix;     /* x-forwarded-prefix */
    ngx_http_k8s_template_t  away;       /* temporal-redirect, or else
                                            permanent-redirect */
    ngx_http_k8s_template_t  hash;       /* upstream-hash-by */
    unsigned                 redirect:1; /* the target is a URL */
};

/* those of a profile, whose settings are known */
ngx_int_t ngx_http_k8s_rewrite_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/*
 * Makes the URI that rewrite-target says, ctx->uri, and X-Forwarded-Prefix.
 * Under the route's pin.  NGX_DECLINED, 500, or 302: ctx->uri is a URL.
 */
ngx_int_t ngx_http_k8s_rewrite(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_route_t *route);

/* makes of a URL, with its arguments, what the rewrite module redirects to:
   unescaped, and behind "mark" the arguments of the request, 0: without them;
   NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_rewrite_location(ngx_http_request_t *r, ngx_str_t *url,
    u_char mark);

/* makes ctx->uri that of the request, and sends ctx->prefix with it; once.
   NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_rewritten(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_REWRITE_H_INCLUDED_ */
