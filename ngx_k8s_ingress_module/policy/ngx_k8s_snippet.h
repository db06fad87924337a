
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Snippets: directives of nginx that annotations and keys have as a text.  It
 * is read by nginx's lexical rules, statement by statement, against a table of
 * what can be had; none of it ever becomes a text of a configuration.  The
 * watcher reads one to say what is wrong with it, a worker the same text again
 * for what is to be done: what one leaves out, the other leaves out too.  Pure;
 * any process.
 */


#ifndef _NGX_K8S_SNIPPET_H_INCLUDED_
#define _NGX_K8S_SNIPPET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


#define NGX_K8S_SNIPPET_BYTES        4096
#define NGX_K8S_SNIPPET_STATEMENTS   64
#define NGX_K8S_SNIPPET_WORDS        32   /* of a statement */
#define NGX_K8S_SNIPPET_HTTP_BYTES   16384 /* of http-snippet */
#define NGX_K8S_SNIPPET_ENTRIES      512  /* of all its tables */
#define NGX_K8S_SNIPPET_ERRORS       3    /* that are said */
#define NGX_K8S_SNIPPET_REGEX_MAX    1024 /* bytes of an expression */


/* where a statement stands; of a directive, where it may */

#define NGX_K8S_SNIPPET_LOCATION     0x01 /* configuration-, location-snippet */
#define NGX_K8S_SNIPPET_SERVER       0x02 /* server-snippet */
#define NGX_K8S_SNIPPET_INNER        0x04 /* a location of it */
#define NGX_K8S_SNIPPET_AUTH         0x08 /* auth-snippet */
#define NGX_K8S_SNIPPET_LIF          0x10 /* "if" in each of them */
#define NGX_K8S_SNIPPET_SIF          0x20
#define NGX_K8S_SNIPPET_IIF          0x40
#define NGX_K8S_SNIPPET_EACH         0x80 /* of a directive: each path of an
                                            Ingress has its own, so that of a
                                            server is for its locations */
#define NGX_K8S_SNIPPET_HTTP         0x100 /* http-snippet */


/* what a directive does */

typedef enum {
    NGX_K8S_SNIPPET_REFUSED = 0,         /* it is not read */
    NGX_K8S_SNIPPET_NOTHING,
    NGX_K8S_SNIPPET_TOKEN,               /* one of a profile */
    NGX_K8S_SNIPPET_SET_HEADER,          /* of a request to a backend */
    NGX_K8S_SNIPPET_ADD_HEADER,
    NGX_K8S_SNIPPET_MORE_SET,            /* headers-more's, by code of ours */
    NGX_K8S_SNIPPET_MORE_CLEAR,
    NGX_K8S_SNIPPET_MORE_INPUT,
    NGX_K8S_SNIPPET_MORE_DROP,
    NGX_K8S_SNIPPET_ALLOW,
    NGX_K8S_SNIPPET_DENY,
    NGX_K8S_SNIPPET_SATISFY,
    NGX_K8S_SNIPPET_IF,
    NGX_K8S_SNIPPET_IN,                  /* location */
    NGX_K8S_SNIPPET_SET,
    NGX_K8S_SNIPPET_REWRITE,
    NGX_K8S_SNIPPET_RETURN,
    NGX_K8S_SNIPPET_BREAK,
    NGX_K8S_SNIPPET_INTERNAL,
    NGX_K8S_SNIPPET_ERROR_PAGE,
    NGX_K8S_SNIPPET_MAP,
    NGX_K8S_SNIPPET_GEO,
    NGX_K8S_SNIPPET_ENTRY                /* of one of these two */
} ngx_k8s_snippet_effect_e;


typedef struct ngx_k8s_directive_s  ngx_k8s_directive_t;

/* NULL, or what is wrong with the words, in "%s" of the name */
typedef char *(*ngx_k8s_directive_pt)(ngx_str_t *word, ngx_uint_t n);

struct ngx_k8s_directive_s {
    ngx_str_t                name;       /* of a refused one it may end with
                                            "*" */
    ngx_k8s_snippet_effect_e effect;
    ngx_uint_t               contexts;
    ngx_uint_t               min;        /* of its arguments */
    ngx_uint_t               max;
    ngx_k8s_grammar_t       *grammar;    /* of each of them, or NULL */
    ngx_k8s_directive_pt     check;      /* or NULL */
    ngx_uint_t               flags;
};

#define NGX_K8S_SNIPPET_VARIABLES    0x01 /* arguments may have some */
#define NGX_K8S_SNIPPET_GUARDS       0x02 /* it may refuse requests */
#define NGX_K8S_SNIPPET_CONTROLS     0x04 /* or decide whether others do */

/* ends with a row without a name */
extern ngx_k8s_directive_t  ngx_k8s_directives_read[];
extern ngx_k8s_directive_t  ngx_k8s_directives_refused[];


typedef struct {
    ngx_k8s_directive_t     *directive;
    ngx_str_t               *words;      /* its arguments, with a final zero
                                            each; in the pool */
    ngx_uint_t               n;
    ngx_uint_t               line;       /* from 1 */
    ngx_uint_t               end;        /* of a block: the number of the
                                            statement behind it */
    ngx_str_t                text;       /* of a block: what is in it, of the
                                            text that was read */
} ngx_k8s_statement_t;

typedef struct {
    ngx_array_t              statements; /* ngx_k8s_statement_t */
    ngx_array_t              errors;     /* ngx_str_t; the first ones */
    ngx_uint_t               nerrors;
    unsigned                 guards:1;   /* it may refuse requests */
    unsigned                 closes:1;   /* and what is wrong is a part of that:
                                            nothing may pass */
} ngx_k8s_snippet_t;


/*
 * Reads a text that stands in a context: NGX_K8S_SNIPPET_LOCATION, _SERVER,
 * _INNER, _AUTH, _HTTP; what is wrong is left out.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_snippet(ngx_k8s_snippet_t *s, ngx_pool_t *pool,
    ngx_uint_t context, ngx_str_t *text);

/* writes what is wrong with it; returns the end */
u_char *ngx_k8s_snippet_why(u_char *buf, size_t size, ngx_k8s_snippet_t *s);

/* the context of values of a grammar; 0: they are no snippets */
ngx_uint_t ngx_k8s_snippet_context(ngx_k8s_grammar_t *grammar);

/* whether a value that cannot be had has to close its routes: that of a row
   that closes, but for snippets that refuse nobody */
ngx_uint_t ngx_k8s_value_closes(ngx_k8s_row_t *row, ngx_str_t *value);

/* whether a directive is one of profiles by snippets */
ngx_uint_t ngx_k8s_snippet_token(ngx_str_t *name);

/* of a condition: its operator; the words are those of "if" */

#define NGX_K8S_SNIPPET_TRUE         0   /* a variable alone */
#define NGX_K8S_SNIPPET_EQUAL        1
#define NGX_K8S_SNIPPET_MATCH        2

typedef struct {
    ngx_uint_t               op;         /* NGX_K8S_SNIPPET_TRUE, ... */
    ngx_str_t                variable;   /* with its "$" */
    ngx_str_t                value;
    unsigned                 not:1;
    unsigned                 caseless:1;
} ngx_k8s_condition_t;

/* NULL, or what is wrong */
char *ngx_k8s_snippet_condition(ngx_str_t *word, ngx_uint_t n,
    ngx_k8s_condition_t *condition);

/* of allow and deny; NGX_ERROR: it is no address, range or "all", for which
   the family is AF_UNSPEC */
ngx_int_t ngx_k8s_snippet_cidr(ngx_str_t *word, ngx_cidr_t *cidr);

/* "Name: value" of headers-more; NGX_ERROR: it is none */
ngx_int_t ngx_k8s_snippet_header(ngx_str_t *word, ngx_str_t *name,
    ngx_str_t *value);

/* a status of return, or 0; whether a text is a URL to rewrite and return */
ngx_uint_t ngx_k8s_snippet_status(ngx_str_t *word);
ngx_uint_t ngx_k8s_snippet_url(ngx_str_t *word);

/* NULL, or what is wrong with an entry of map, or of geo */
char *ngx_k8s_snippet_entry(ngx_uint_t geo, ngx_str_t *word, ngx_uint_t n);

/* of an entry of map, its key or expression in *pattern: 0: it is the former;
   1: the latter, 2: of any case */
ngx_uint_t ngx_k8s_snippet_pattern(ngx_str_t *word, ngx_str_t *pattern);

/* the arguments of error_page behind its n statuses: *over is the status of the
   answer, 0: as it comes, -1: that of the error; NGX_ERROR: they are none */
ngx_int_t ngx_k8s_snippet_page(ngx_str_t *word, ngx_uint_t words,
    ngx_uint_t *n, ngx_int_t *over);

/* of a location: how its path is compared, or that it is known by a name, which
   begins with "@"; NGX_ERROR: it has none */

#define NGX_K8S_SNIPPET_PREFIX       0
#define NGX_K8S_SNIPPET_FIRST        1   /* the same, without expressions */
#define NGX_K8S_SNIPPET_EXACT        2
#define NGX_K8S_SNIPPET_REGEX        3
#define NGX_K8S_SNIPPET_REGEX_ANY    4   /* of any case */
#define NGX_K8S_SNIPPET_NAMED        5

ngx_int_t ngx_k8s_snippet_place(ngx_str_t *word, ngx_uint_t n,
    ngx_uint_t *kind, ngx_str_t *path);


/*
 * Words of a text (ngx_k8s_snippet_lexer.c).  next() reads those of a
 * statement, and returns what ends it: ';', '{', '}' or 0 at the end of the
 * text.  NGX_DECLINED: there is no statement there, "error" says why;
 * NGX_ERROR: no memory.
 */

typedef struct {
    u_char                  *pos;
    u_char                  *last;
    ngx_uint_t               lines;
    ngx_pool_t              *pool;
    ngx_uint_t               line;       /* of the first word */
    ngx_uint_t               n;
    char                    *error;
    ngx_str_t                words[NGX_K8S_SNIPPET_WORDS];
} ngx_k8s_lexer_t;

void ngx_k8s_lexer_init(ngx_k8s_lexer_t *lexer, ngx_pool_t *pool,
    ngx_str_t *text);
ngx_int_t ngx_k8s_lexer_next(ngx_k8s_lexer_t *lexer);


#endif /* _NGX_K8S_SNIPPET_H_INCLUDED_ */
