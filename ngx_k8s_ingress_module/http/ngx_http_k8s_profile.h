
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_PROFILE_H_INCLUDED_
#define _NGX_HTTP_K8S_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>
#include <ngx_k8s_policy.h>


/*
 * Profiles (ngx_http_k8s_profile.c): location configurations from tokens, which
 * are as ngx_k8s_tokens_add() makes them; "parent" is a merged server or
 * location configuration.  At configuration time, and at run time in any
 * worker, where it takes some 10 to 60 us.  Directives that are not known to be
 * safe are refused; at run time also what would need an entry in a registry of
 * nginx's (variables, upstreams, zones, files), which is left as it was.
 *
 * On an error the result is NULL, nothing is logged, and error says what is
 * wrong: its "data" has room for NGX_HTTP_K8S_PROFILE_ERROR bytes.  Empty:
 * there is no memory.
 */

#define NGX_HTTP_K8S_PROFILE_ERROR   512

/* lives as long as the pool */
void **ngx_http_k8s_profile_build(ngx_cycle_t *cycle, ngx_pool_t *pool,
    ngx_http_conf_ctx_t *parent, ngx_array_t *tokens, ngx_str_t *error);


/* of a base's maps; as ngx_http_k8s_tables_get() */
typedef ngx_int_t (*ngx_http_k8s_lookup_pt)(ngx_http_request_t *r,
    ngx_array_t *maps, ngx_str_t *name, ngx_str_t *value);

typedef struct ngx_http_k8s_access_s   ngx_http_k8s_access_t;
typedef struct ngx_http_k8s_auth_s     ngx_http_k8s_auth_t;
typedef struct ngx_http_k8s_cors_s     ngx_http_k8s_cors_t;
typedef struct ngx_http_k8s_error_s    ngx_http_k8s_error_t;
typedef struct ngx_http_k8s_limit_s    ngx_http_k8s_limit_t;
typedef struct ngx_http_k8s_log_s      ngx_http_k8s_log_t;
typedef struct ngx_http_k8s_mirror_s   ngx_http_k8s_mirror_t;
typedef struct ngx_http_k8s_password_s ngx_http_k8s_password_t;
typedef struct ngx_http_k8s_program_s  ngx_http_k8s_program_t;
typedef struct ngx_http_k8s_server_s   ngx_http_k8s_server_t;
typedef struct ngx_http_k8s_templates_s  ngx_http_k8s_templates_t;

/*
 * Of one worker, with a pool of its own, or of the cycle without one; counted
 * by reference.
 */

struct ngx_http_k8s_profile_s {
    ngx_http_conf_ctx_t      ctx;        /* with it, for those over it */
    void                   **loc_conf;
    ngx_pool_t              *pool;
    ngx_uint_t               refs;
    ngx_http_k8s_profile_t  *base;       /* over which it is, held; or NULL */
    uint64_t                 protocol;   /* of its connections to backends */
    ngx_str_t               *values;     /* of a base, by row; NULL: none */
    ngx_k8s_settings_t      *settings;   /* NULL: not set */
    ngx_http_k8s_access_t   *access;     /* NULL: everybody passes */
    ngx_http_k8s_auth_t     *auth;       /* NULL: no auth server is asked */
    ngx_http_k8s_password_t *password;   /* NULL: none is asked for */
    ngx_http_k8s_limit_t    *limit;      /* NULL: no limits of clients */
    ngx_http_k8s_cors_t     *cors;       /* NULL: not enabled */
    ngx_http_k8s_mirror_t   *mirror;     /* NULL: there is none */
    ngx_http_k8s_templates_t *templates; /* NULL: neither upstream-vhost nor
                                            rewrite-target */
    ngx_array_t             *no_redirect; /* ngx_str_t: prefixes of paths */
    ngx_array_t             *no_auth;    /* of a base: the same */
    ngx_http_k8s_log_t      *log;        /* of a base */
    ngx_str_t                hsts;       /* header's value; empty: none */
    ngx_array_t             *headers;    /* ngx_http_k8s_answer_header_t; NULL:
                                            none */
    ngx_array_t             *more;       /* the same of snippets: those that
                                            replace others, */
    ngx_array_t             *adds;       /* and that stand beside them */
    ngx_http_k8s_program_t  *program;    /* of snippets; NULL: none */
    ngx_http_k8s_server_t   *server;     /* of server-snippet, of a base and of
                                            what all paths of a host are over;
                                            NULL: none */
    ngx_uint_t               typed;      /* texts of snippets have a type */
    ngx_array_t             *texts;      /* of them: values with variables in
                                            tokens, */
    ngx_array_t             *auth_texts; /* and in those of "asking";
                                            ngx_http_k8s_template_t */
    ngx_array_t             *rules;      /* ngx_http_k8s_rule_t; NULL: none */
    ngx_array_t             *pages;      /* of error_page in snippets, NULL:
                                            none; ngx_http_k8s_page_t */
    ngx_array_t             *set_headers;  /* of a base: values of headers to
                                            the backend, with variables;
                                            ngx_http_k8s_template_t */
    ngx_uint_t               denied;     /* its routes are closed; or they may
                                            be: */
#define NGX_HTTP_K8S_DENIED_ASK      2   /* it names a Secret */
    ngx_http_k8s_profile_t  *h2c;        /* the location for backends that are
                                            asked by HTTP/2; NULL: not made */
    ngx_http_k8s_error_t    *error;      /* pages of errors; NULL: none */
    ngx_http_k8s_profile_t  *parents[NGX_HTTP_K8S_MODULES];  /* of a base: over
                                            which those of another module are;
                                            NULL: not yet made */
    ngx_http_k8s_profile_t  *page;       /* of a base: the location of error
                                            pages; NULL: that of the cycle */
    ngx_http_k8s_profile_t  *asking;     /* the location of requests to auth
                                            servers; NULL: that of the base, or
                                            of the cycle */
    ngx_array_t             *maps;       /* of a base: variables of
                                            http-snippet; NULL: none; */
    ngx_http_k8s_lookup_pt   lookup;     /* and what looks them up */
    ngx_array_t             *proxies;    /* of a base: ngx_cidr_t, or NULL */
    ngx_str_t                forwarded_for;   /* of a base: names of headers, */
    ngx_str_t                forwarded_host;  /* as variables have them */
    ngx_event_t              release;
};

/* the caller has one reference; tokens are copied */
ngx_http_k8s_profile_t *ngx_http_k8s_profile_create(
    ngx_http_conf_ctx_t *parent, ngx_array_t *tokens, ngx_str_t *error);

/*
 * Headers to backends and auth servers that a ConfigMap says
 * (ngx_http_k8s_set_headers.c): their tokens, and the values for the variables
 * in these, ngx_http_k8s_template_t, which live as long as the text and the
 * pool; *values is NULL before, and stays so where there are none.
 */
ngx_int_t ngx_http_k8s_set_headers_tokens(ngx_pool_t *pool,
    ngx_array_t *tokens, ngx_str_t *text);
ngx_int_t ngx_http_k8s_set_headers_values(ngx_pool_t *pool, ngx_str_t *text,
    ngx_array_t **values);
/* the variables themselves, of which each has an index; those that the values
   of a base leave are for values of snippets */
#define NGX_HTTP_K8S_SET_HEADER      "k8s_set_header_%ui"

ngx_int_t ngx_http_k8s_set_headers_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_k8s_set_headers_index(ngx_conf_t *cf);

/*
 * Another location over a base, which holds it.  *other stays NULL where nginx
 * refuses it: the one of the cycle serves then.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_profile_beside(ngx_http_k8s_profile_t *base,
    ngx_http_k8s_profile_t **other, ngx_array_t *tokens);

/* makes it that of a request, whose reference is *of; NULL: none before */
void ngx_http_k8s_profile_use(ngx_http_k8s_profile_t **of,
    ngx_http_k8s_profile_t *profile, ngx_http_request_t *r);

/* a reference for the time of a pool; NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_profile_hold(ngx_pool_t *pool,
    ngx_http_k8s_profile_t *profile);

/*
 * Gives a reference back.  The last one frees the profile in the next turn of
 * the event loop: nginx reads the configuration of a request after its pool
 * was destroyed.
 */
void ngx_http_k8s_profile_release(ngx_http_k8s_profile_t *profile);


/*
 * The key of connections to backends that tokens make: a hash of the first
 * one, which is the directive that passes, with its scheme.
 */
uint64_t ngx_http_k8s_profile_protocol(ngx_array_t *tokens);

/*
 * Plans of requests to backends (ngx_http_k8s_plan.c): gives a merged
 * location that passes by the proxy module one, and a handler of its own;
 * parent is what it was merged with.  At configuration time and at run time;
 * lives as long as cf->pool.  NGX_DECLINED: nginx makes its requests.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_plan(ngx_conf_t *cf, void **parent, void **loc_conf);


/*
 * Registries (ngx_http_k8s_registry.c): what setters of directives can add to,
 * and must not once requests run.  "begin" notes how they are and makes them
 * safe to add to; "end" takes back what was added.  NGX_DECLINED: something
 * was, *what names it.
 */

typedef struct {
    ngx_list_part_t         *last;
    ngx_uint_t               nelts;
} ngx_http_k8s_list_mark_t;

typedef struct {
    ngx_cycle_t             *cycle;
    ngx_http_conf_ctx_t     *ctx;
    ngx_hash_keys_arrays_t   keys;
    ngx_uint_t               variables;
    ngx_uint_t               prefix_variables;
    ngx_uint_t               ncaptures;
    ngx_uint_t               upstreams;
    ngx_uint_t               paths;
    ngx_http_k8s_list_mark_t files;
    ngx_http_k8s_list_mark_t zones;
} ngx_http_k8s_registry_t;

ngx_int_t ngx_http_k8s_registry_begin(ngx_http_k8s_registry_t *registry,
    ngx_cycle_t *cycle, ngx_http_conf_ctx_t *ctx, ngx_pool_t *temp_pool);
ngx_int_t ngx_http_k8s_registry_end(ngx_http_k8s_registry_t *registry,
    char **what);

/* a directive of locations and its module, NULL when there is none */
ngx_command_t *ngx_http_k8s_profile_command(ngx_cycle_t *cycle,
    ngx_str_t *name, ngx_module_t **module);

/* groups that a regular expression of a profile may have */
#define NGX_HTTP_K8S_CAPTURES        9

/* makes room for their captures in all requests; at postconfiguration */
void ngx_http_k8s_registry_captures(ngx_conf_t *cf);


/*
 * Warns of what ingress-nginx's defaults shadow (ngx_http_k8s_shadow.c): parent
 * and profile are merged, file and line those of the pass.
 */
ngx_int_t ngx_http_k8s_shadow(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    void **profile, u_char *file, ngx_uint_t line);


#endif /* _NGX_HTTP_K8S_PROFILE_H_INCLUDED_ */
