
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What holds for a route: one table of rows, from which all of it is read, and
 * docs/defaults.md is made.  A row feeds a directive of nginx (a token of the
 * profile, see http/), or a field of ngx_k8s_settings_t, which our own code
 * reads, or both.  Pure; any process.
 */


#ifndef _NGX_K8S_POLICY_H_INCLUDED_
#define _NGX_K8S_POLICY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The API that made a route: each has a base of its own, so that a default of
 * ingress-nginx's does not reach a route of the Gateway API.
 */

#define NGX_K8S_API_INGRESS          0x0001
#define NGX_K8S_API_GATEWAY          0x0002


/* what code of ours reads; strings are the rows' or in the caller's pool */

typedef struct {
    ngx_uint_t               ssl_redirect;  /* of hosts with a certificate */
    ngx_uint_t               redirect_code; /* to https */
    ngx_str_t                no_redirect;   /* prefixes of paths which are not
                                               redirected, with commas */
    ngx_uint_t               hsts;
    ngx_uint_t               hsts_max_age;  /* seconds */
    ngx_uint_t               hsts_subdomains;
    ngx_uint_t               hsts_preload;
    ngx_uint_t               server_tokens;

    ngx_uint_t               keepalive_connections;  /* of a worker */
    ngx_uint_t               keepalive_requests;
    ngx_msec_t               keepalive_timeout;
    ngx_msec_t               keepalive_time;

    ngx_uint_t               ssl_protocols; /* NGX_SSL_TLSv1_2, ... */
    ngx_str_t                ssl_ciphers;
    ngx_uint_t               ssl_session_cache;
    size_t                   ssl_session_cache_size;
    ngx_msec_t               ssl_session_timeout;
    ngx_uint_t               ssl_session_tickets;
    size_t                   ssl_buffer_size;
} ngx_k8s_settings_t;


/* how a value is written; decode stores it, NGX_ERROR: it is none */

typedef struct {
    char                    *text;       /* "a number" */
    ngx_int_t              (*decode)(ngx_str_t *value, void *field);
} ngx_k8s_grammar_t;

extern ngx_k8s_grammar_t  ngx_k8s_grammar_flag;       /* ngx_uint_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_switch;     /* ngx_uint_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_number;     /* ngx_uint_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_seconds;    /* ngx_msec_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_time;       /* ngx_msec_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_size;       /* size_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_text;       /* ngx_str_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_protocols;  /* ngx_uint_t, a mask */


typedef struct {
    ngx_str_t                key;        /* of the ConfigMap; empty: it cannot
                                            be set there */
    ngx_k8s_grammar_t       *grammar;    /* NULL without a key */
    ngx_str_t                value;      /* the default */
    ngx_uint_t               apis;       /* NGX_K8S_API_*: it holds for these */
    ngx_str_t                directive;  /* "proxy_connect_timeout"; empty: it
                                            is no token */
    ngx_str_t                argument;   /* separated by blanks; %V is the
                                            value, ${key} that of another row,
                                            "" an empty argument */
    size_t                   offset;     /* in ngx_k8s_settings_t */
    ngx_str_t                note;       /* for the documentation */
} ngx_k8s_row_t;

#define NGX_K8S_NO_FIELD             ((size_t) -1)

/* all of them; ends with a row whose note.data is NULL; those of one directive
   follow each other */
extern ngx_k8s_row_t  ngx_k8s_rows[];


/*
 * The base of an API: sets all fields that rows of this API feed, zeroes the
 * others.  NGX_ERROR: a row has a default that its grammar does not know.
 */
ngx_int_t ngx_k8s_policy_base(ngx_k8s_settings_t *settings, ngx_uint_t api);

/* 1 when a row feeds the directive */
ngx_uint_t ngx_k8s_policy_directive(ngx_str_t *name);

/*
 * Tokens: an array of ngx_array_t * of ngx_str_t, a directive and its arguments
 * each.  add() appends one, from a text with its arguments separated by blanks
 * ("" is an empty one); tokens() appends those of the base of an API.  All of
 * it is copied to the pool, each string with a final zero.  NGX_ERROR: no
 * memory, or a bad row.
 */
ngx_int_t ngx_k8s_tokens_add(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_str_t *directive, ngx_str_t *arguments);
ngx_int_t ngx_k8s_policy_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t api);


#endif /* _NGX_K8S_POLICY_H_INCLUDED_ */
