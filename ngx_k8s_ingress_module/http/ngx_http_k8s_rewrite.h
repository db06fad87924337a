
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_REWRITE_H_INCLUDED_
#define _NGX_HTTP_K8S_REWRITE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_k8s_router.h>


/*
 * What objects have nginx write with captures and variables
 * (ngx_http_k8s_rewrite.c).
 */

typedef struct {
    ngx_str_t               *text;       /* that was matched */
    int                     *captures;
    ngx_int_t                n;          /* of them; 0: $1 to $9 are empty */
} ngx_http_k8s_captures_t;


#define NGX_HTTP_K8S_TEMPLATE_MAX    32768   /* bytes that a text may become */

/*
 * A text with its $1, $name and ${name} replaced, in r->pool, or itself when it
 * has none.  A variable that nginx does not know is empty; a "$" that no name
 * follows is one.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_template(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value);
/* the same for a header: one with control characters is escaped as a URI is */
ngx_int_t ngx_http_k8s_template_header(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value);

/*
 * Makes the URI that rewrite-target says, ctx->uri, and X-Forwarded-Prefix.
 * Under the route's pin.  NGX_DECLINED, or 500.
 */
ngx_int_t ngx_http_k8s_rewrite(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_route_t *route);

/* makes ctx->uri that of the request; once */
void ngx_http_k8s_rewritten(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_REWRITE_H_INCLUDED_ */
