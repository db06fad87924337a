
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
#include <ngx_k8s_router.h>


/*
 * What objects have nginx write with captures and variables
 * (ngx_http_k8s_rewrite.c).
 */

typedef struct {
    ngx_str_t               *text;       /* that was matched */
    int                     *captures;
    ngx_int_t                n;          /* of them; 0: $1 to $9 are empty */
    unsigned                 quote:1;    /* they are escaped as arguments; has
                                            to be set where n is not 0 */
} ngx_http_k8s_captures_t;


#define NGX_HTTP_K8S_TEMPLATE_MAX    32768   /* bytes that a text may become */

/*
 * A text with $1, $name and ${name}, taken apart once: a variable that nginx
 * does not know is empty; a "$" that no name follows is one.  Lives as long as
 * its text and pool.  NGX_ERROR: no memory.
 */

typedef struct {
    ngx_str_t                text;
    ngx_array_t             *pieces;     /* NULL: itself, without any "$" */
    unsigned                 sane:1;     /* itself, good as a header */
} ngx_http_k8s_template_t;

ngx_int_t ngx_http_k8s_template_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_http_k8s_template_t *t);

/* notes what variables without a name in nginx's hash are made by; at
   postconfiguration */
void ngx_http_k8s_template_init(ngx_conf_t *cf);

/* the same of a snippet: a variable that nginx does not know is one that the
   request has by "set"; in a worker */
ngx_int_t ngx_http_k8s_template_own(ngx_pool_t *pool, ngx_str_t *text,
    ngx_http_k8s_template_t *t);
/* of such a text, NGX_DECLINED: it has a variable that is none, *name */
ngx_int_t ngx_http_k8s_template_unknown(ngx_http_k8s_template_t *t,
    ngx_uint_t *next, ngx_str_t *name);

/* the text of a request, in r->pool, or the template's own */
ngx_int_t ngx_http_k8s_template_run(ngx_http_request_t *r,
    ngx_http_k8s_template_t *t, ngx_http_k8s_captures_t *captures,
    ngx_str_t *value);
/* for a header: one with control characters is escaped as a URI is */
ngx_int_t ngx_http_k8s_template_run_header(ngx_http_request_t *r,
    ngx_http_k8s_template_t *t, ngx_http_k8s_captures_t *captures,
    ngx_str_t *value);
/* for a key: its parts one by one, each with its length, so that none is taken
   for what is in another one; NGX_DECLINED: no variable has a value */
ngx_int_t ngx_http_k8s_template_key(ngx_http_request_t *r,
    ngx_http_k8s_template_t *t, ngx_str_t *key);
/* both steps, for what is needed once */
ngx_int_t ngx_http_k8s_template_header(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value);


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
 * NGX_DECLINED: one of them, by row, has a variable that neither nginx nor the
 * block's http-snippet has, by known(),
 * *error says which, as in ngx_http_k8s_profile_build(); NGX_ERROR: no memory.
 */
typedef ngx_uint_t (*ngx_http_k8s_known_pt)(ngx_k8s_block_t *block,
    ngx_str_t *name);

ngx_int_t ngx_http_k8s_rewrite_check(ngx_pool_t *pool, ngx_k8s_block_t *block,
    ngx_http_k8s_known_pt known, ngx_str_t *values, ngx_str_t *error);

/* compile's conf.variable() */
ngx_uint_t ngx_http_k8s_variable_known(ngx_str_t *name);
/* one that nginx does not find by its name, NULL: it does, or there is none */
ngx_http_variable_t *ngx_http_k8s_variable_hidden(ngx_str_t *name);
/* makes *name, in any case, what nginx calls that of ingress-nginx; 0: it is no
   variable, but that text */
ngx_uint_t ngx_http_k8s_variable_called(ngx_str_t *name);

/*
 * Makes the URI that rewrite-target says, ctx->uri, and X-Forwarded-Prefix.
 * Under the route's pin.  NGX_DECLINED, 500, or 302: ctx->uri is a URL.
 */
ngx_int_t ngx_http_k8s_rewrite(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_route_t *route);

/* makes ctx->uri that of the request, and sends ctx->prefix with it; once.
   NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_rewritten(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_REWRITE_H_INCLUDED_ */
