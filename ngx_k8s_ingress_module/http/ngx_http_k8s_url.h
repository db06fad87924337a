
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_URL_H_INCLUDED_
#define _NGX_HTTP_K8S_URL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>
#include <ngx_http_k8s_template.h>


/*
 * URLs of servers that tenants name, beside their Services: auth-url and
 * mirror-target (ngx_http_k8s_url.c).  In any worker.
 */

typedef struct {
    ngx_http_k8s_template_t  host;       /* with a port or without */
    ngx_http_k8s_template_t  uri;        /* begins with a slash */
    unsigned                 ssl:1;
} ngx_http_k8s_url_t;

/*
 * Of a text that ngx_k8s_grammar_auth_url has taken; "none" is its URI where it
 * has no path.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_url(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *none,
    ngx_http_k8s_url_t *url);

/* those of a request: its host with a port or without, and its URI, escaped
   where that need be; NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_url_host(ngx_http_request_t *r, ngx_http_k8s_url_t *url,
    ngx_str_t *host);
ngx_int_t ngx_http_k8s_url_uri(ngx_http_request_t *r, ngx_http_k8s_url_t *url,
    ngx_str_t *uri);

/* such a host, as ngx_parse_url() has it without looking it up; NGX_DECLINED:
   it is none, u->err may say why */
ngx_int_t ngx_http_k8s_url_parse(ngx_pool_t *pool, ngx_http_k8s_url_t *url,
    ngx_str_t *host, ngx_url_t *u);

/* whether tenants may not name an address: 1 or 0 */
ngx_uint_t ngx_http_k8s_url_refused(ngx_k8s_block_t *block,
    struct sockaddr *sockaddr);


#endif /* _NGX_HTTP_K8S_URL_H_INCLUDED_ */
