
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_REGEX_H_INCLUDED_
#define _NGX_HTTP_K8S_REGEX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Regular expressions of objects (ngx_http_k8s_regex.c).  Each process compiles
 * one when it first meets it, and keeps those that were used last,
 * NGX_HTTP_K8S_REGEXES at most, until it ends.  How much an expression may try
 * is bounded, whatever it and the text are.
 */

#define NGX_HTTP_K8S_REGEXES         8192
#define NGX_HTTP_K8S_REGEX_MAX       1024    /* bytes of one */
#define NGX_HTTP_K8S_REGEX_CODE      8192    /* that it may compile to */
#define NGX_HTTP_K8S_REGEX_TRIES     10000   /* PCRE's match limit, and */
#define NGX_HTTP_K8S_REGEX_HEAP      4096    /* that of its memory, in KB */

#define NGX_HTTP_K8S_REGEX_CASELESS  0x0001
#define NGX_HTTP_K8S_REGEX_ANCHORED  0x0002  /* "^" stands before it */

#define NGX_HTTP_K8S_REGEX_SIZE      30      /* of captures: 10 of them */


/*
 * Matches a text.  The number of captures that were filled in, the whole match
 * among them, or 0 when there is none; NGX_ERROR: it is none that compiles, it
 * tried too often, or there is no memory.
 */
ngx_int_t ngx_http_k8s_regex(ngx_str_t *pattern, ngx_uint_t flags,
    ngx_str_t *text, int *captures, ngx_log_t *log);

/*
 * Compiles that of a path and keeps nothing.  NGX_DECLINED: *error says what is
 * wrong, in its data, of NGX_MAX_CONF_ERRSTR bytes; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_regex_check(ngx_str_t *pattern, ngx_str_t *error,
    ngx_log_t *log);


#endif /* _NGX_HTTP_K8S_REGEX_H_INCLUDED_ */
