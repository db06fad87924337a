
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_SNIPPET_H_INCLUDED_
#define _NGX_HTTP_K8S_SNIPPET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_access.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_template.h>
#include <ngx_k8s_snippet.h>


/*
 * Snippets of a profile.  Directives of nginx are tokens of it
 * (ngx_http_k8s_snippet.c); "set", "if", "return", "rewrite" and what is said
 * of headers (ngx_http_k8s_snippet_profile.c) are a program that code of ours
 * runs (ngx_http_k8s_program.c), with what a request has (ngx_http_k8s_run.c).
 * Values with variables in tokens are those of $k8s_set_header_0 and on, behind
 * the ones of the base, as nginx cannot get new variables while it runs.
 */

typedef struct {
    ngx_k8s_snippet_effect_e kind;
    ngx_uint_t               end;        /* of "if": the op behind its block */
    ngx_str_t                name;       /* of a variable or header, or a
                                            regular expression */
    ngx_uint_t               key;        /* hash of a variable's name */
    ngx_http_k8s_template_t  left;       /* of a condition; of rewrite what is
                                            behind "?" */
    ngx_http_k8s_template_t  value;
    ngx_uint_t               op;         /* NGX_K8S_SNIPPET_TRUE, ... */
    ngx_uint_t               regex;      /* NGX_HTTP_K8S_REGEX_* */
    ngx_uint_t               status;     /* of return; of rewrite 301, 302, or
                                            0 */
    unsigned                 not:1;
    unsigned                 last:1;     /* of rewrite */
    unsigned                 stop:1;     /* "break" */
    unsigned                 text:1;     /* return has one */
    unsigned                 args:1;     /* of rewrite: there is a "?", */
    unsigned                 noargs:1;   /* and one at the end */
    unsigned                 replace:1;  /* only where the header has come */
} ngx_http_k8s_op_t;

struct ngx_http_k8s_program_s {
    ngx_array_t              ops;        /* ngx_http_k8s_op_t */
    unsigned                 answers:1;  /* it may answer, or lead elsewhere */
};


/* what a request has of programs; in its pool */

#define NGX_HTTP_K8S_SETS            16  /* variables that one may set */
#define NGX_HTTP_K8S_CYCLES          10  /* how often it may be routed anew */

typedef struct {
    ngx_str_t                name;
    ngx_str_t                value;
} ngx_http_k8s_set_t;

struct ngx_http_k8s_run_s {
    ngx_http_k8s_captures_t  captures;   /* of the last expression */
    int                      matched[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_str_t                text;       /* in which it was */
    ngx_int_t                target;     /* captures of rewrite-target, */
    int                      targets[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_str_t                path;       /* the URI then */
    ngx_uint_t               cycles;
    ngx_uint_t               internal;   /* a server-snippet has rewritten it */
    ngx_uint_t               nsets;
    ngx_http_k8s_set_t       sets[NGX_HTTP_K8S_SETS];
    u_char                  *taken;      /* by op: its "if" was true */
};


/*
 * What the snippets in settings are for a profile, without a program where they
 * have none: profile->program, ->rules, ->texts.  After the settings, before
 * all that reads these.
 */
ngx_int_t ngx_http_k8s_snippet_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/* appends to a program what is in no location of a snippet, and sets what else
   the profile has of it; of no profile, NULL, "set", "if", "return", "rewrite"
   and "break" alone.  NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_snippet_ops(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool, ngx_http_k8s_program_t *program, ngx_k8s_snippet_t *s);

/*
 * Their tokens, in place of what is there: those of a base, of a delta over
 * that with "base", which are the tokens of the base, and of requests to auth
 * servers.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_snippet_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings);
ngx_int_t ngx_http_k8s_snippet_delta(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings, ngx_array_t *base);
ngx_int_t ngx_http_k8s_snippet_auth(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings);
/* the text that counts for those */
ngx_str_t *ngx_http_k8s_snippet_asking(ngx_k8s_settings_t *settings);
/* parameters of FastCGI that a ConfigMap says, a text as that of headers; of
   another protocol an empty one */
ngx_str_t *ngx_http_k8s_snippet_params(ngx_k8s_settings_t *settings);
/* whether a delta has headers, or such parameters, of its own for backends */
ngx_uint_t ngx_http_k8s_snippet_headers(ngx_pool_t *pool,
    ngx_k8s_settings_t *settings);

/* values with variables of a profile's tokens: profile->texts, ->auth_texts */
ngx_int_t ngx_http_k8s_snippet_values(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/* one of the texts of settings, and all of them read: without a text there are
   no statements; whether a text has variables */

/* in the order in which their values have numbers, so that those of a base have
   the same in all that are over it; of the last two one counts */

#define NGX_HTTP_K8S_SERVER_CONFIG   0
#define NGX_HTTP_K8S_LOCATION_TEXT   1
#define NGX_HTTP_K8S_SERVER_TEXT     2
#define NGX_HTTP_K8S_OWN_TEXT        3
#define NGX_HTTP_K8S_GLOBAL_AUTH     4
#define NGX_HTTP_K8S_OWN_AUTH        5
#define NGX_HTTP_K8S_SNIPPET_TEXTS   6

#define ngx_http_k8s_snippet_server(i)                                        \
    ((i) == NGX_HTTP_K8S_SERVER_CONFIG || (i) == NGX_HTTP_K8S_SERVER_TEXT)

ngx_str_t *ngx_http_k8s_snippet_text(ngx_k8s_settings_t *settings,
    ngx_uint_t i);
ngx_int_t ngx_http_k8s_snippet_read(ngx_pool_t *pool,
    ngx_k8s_settings_t *settings, ngx_k8s_snippet_t *s);
ngx_uint_t ngx_http_k8s_snippet_varies(ngx_str_t *text);

/* headers of the answer that a statement says (ngx_http_k8s_headers.c); cond:
   the op of its "if" and one, or 0 */
ngx_int_t ngx_http_k8s_headers_snippet(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool, ngx_k8s_statement_t *st, ngx_uint_t cond);

/*
 * In the watcher: NGX_DECLINED: snippets of values, over settings of their base
 * and its tables, have variables or expressions that cannot be had, *error says
 * which; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_snippet_check(ngx_pool_t *pool,
    ngx_k8s_settings_t *base, ngx_array_t *maps, ngx_str_t *values,
    ngx_str_t *error);

/*
 * Runs a program for a request that has got there: NGX_DECLINED: it goes on;
 * NGX_AGAIN: it is to be routed anew, by its new URI; else the status of the
 * answer, which may be NGX_OK, as it was sent.
 */
ngx_int_t ngx_http_k8s_program(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_program_t *program);

/* what a request has; made with the first call; NULL: no memory */
ngx_http_k8s_run_t *ngx_http_k8s_run(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);

/* the value of a variable that was set, or an empty one; the captures that
   rewrite-target has, for what comes behind the program */
void ngx_http_k8s_run_get(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);
ngx_int_t ngx_http_k8s_run_target(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_captures_t *captures);
void ngx_http_k8s_run_rewritten(ngx_http_k8s_ctx_t *ctx);

/* of a request, for templates: those of its run, or none */
ngx_http_k8s_captures_t *ngx_http_k8s_run_captures(ngx_http_k8s_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_SNIPPET_H_INCLUDED_ */
