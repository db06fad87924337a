
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_TEMPLATE_H_INCLUDED_
#define _NGX_HTTP_K8S_TEMPLATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_block.h>


/*
 * What objects have nginx write with captures and variables
 * (ngx_http_k8s_template.c).
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


/*
 * Of values by row, those that are templates.  NGX_DECLINED: one has a variable
 * that neither nginx nor the block's http-snippet has, by known(), and *error
 * says which, as in ngx_http_k8s_profile_build(); NGX_ERROR: no memory.
 */
typedef ngx_uint_t (*ngx_http_k8s_known_pt)(ngx_k8s_block_t *block,
    ngx_str_t *name);

ngx_int_t ngx_http_k8s_template_check(ngx_pool_t *pool, ngx_k8s_block_t *block,
    ngx_http_k8s_known_pt known, ngx_str_t *values, ngx_str_t *error);

/* compile's conf.variable() */
ngx_uint_t ngx_http_k8s_variable_known(ngx_str_t *name);
/* one that nginx does not find by its name, NULL: it does, or there is none */
ngx_http_variable_t *ngx_http_k8s_variable_hidden(ngx_str_t *name);
/* the value that such a one has for a request */
void ngx_http_k8s_variable_make(ngx_http_request_t *r, ngx_http_variable_t *var,
    ngx_http_variable_value_t *v);
/* makes *name, in any case, what nginx calls that of ingress-nginx; 0: it is no
   variable, but that text */
ngx_uint_t ngx_http_k8s_variable_called(ngx_str_t *name);


#endif /* _NGX_HTTP_K8S_TEMPLATE_H_INCLUDED_ */
