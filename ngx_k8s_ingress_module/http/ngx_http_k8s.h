
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The request side.  Runs in every worker and only reads the table, under
 * pins that end with the turn of the event loop.  What a request needs later
 * is copied into its pool: ngx_http_k8s_ctx_t.
 */


#ifndef _NGX_HTTP_K8S_H_INCLUDED_
#define _NGX_HTTP_K8S_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_block.h>
#include <ngx_k8s_policy.h>


/*
 * Configuration of a server or location with k8s_ingress_pass; lives with the
 * cycle.  A server without locations of its own switches to the profile in the
 * SERVER_REWRITE phase; all others are "late": in the REWRITE phase.
 */

#define NGX_HTTP_K8S_MODULE_PROXY    0
#define NGX_HTTP_K8S_MODULE_GRPC     1
#define NGX_HTTP_K8S_MODULE_FASTCGI  2
#define NGX_HTTP_K8S_MODULE_HTTP2    3   /* the proxy module's other half */
#define NGX_HTTP_K8S_MODULES         4   /* that ask backends */

typedef struct ngx_http_k8s_loc_conf_s  ngx_http_k8s_loc_conf_t;
typedef struct ngx_http_k8s_plan_s      ngx_http_k8s_plan_t;
typedef struct ngx_http_k8s_policies_s  ngx_http_k8s_policies_t;
typedef struct ngx_http_k8s_profile_s   ngx_http_k8s_profile_t;
typedef struct ngx_http_k8s_ssl_keys_s  ngx_http_k8s_ssl_keys_t;
typedef struct ngx_http_k8s_hasher_s    ngx_http_k8s_hasher_t;

struct ngx_http_k8s_loc_conf_s {
    ngx_k8s_block_t         *block;      /* NULL: no pass here */
    ngx_str_t                name;       /* as written in k8s_ingress_pass */
    ngx_http_conf_ctx_t      ctx;        /* of the server or location */
    ngx_str_t                urls[NGX_K8S_BACKENDS];  /* by protocol, where
                                            profiles pass to */
    ngx_http_k8s_profile_t  *builtin;    /* without a ConfigMap */
    ngx_http_conf_ctx_t     *parents[NGX_HTTP_K8S_MODULES];  /* over it, for
                                            profiles of another module than the
                                            proxy's; NULL: nginx has none */
    void                   **health_conf; /* the same, not logged */
    u_char                  *words;      /* those of nginx.conf, a copy */
    ngx_http_k8s_ssl_keys_t *ssl;        /* the same of TLS; NULL: none, or the
                                            pass stands in a location */
    void                   **error_conf; /* the location of error pages over
                                            the builtin; */
    ngx_http_handler_pt      error;      /* in it the proxy's handler */
    void                   **auth_conf;  /* the location of requests to auth
                                            servers over the builtin */
    ngx_http_k8s_loc_conf_t *outer;      /* of an if block: where it stands */
    ngx_table_elt_t          server;     /* stands for a header not sent */
    uint64_t                 protocol;   /* key of connections to backends */
    ngx_http_k8s_plan_t     *plan;       /* of a profile: of requests to
                                            backends; NULL: they are nginx's */
    ngx_flag_t               pass;
    unsigned                 late:1;
    unsigned                 location:1; /* the pass stands in a location */
    unsigned                 builder:1;  /* of a profile: request_builder */
    unsigned                 unbuffered:1; /* of a profile: bodies are passed
                                            on while they are read */

    /* of the worker */
    ngx_http_k8s_policies_t *policies;
    ngx_http_k8s_profile_t  *base;       /* without a policy */
    ngx_atomic_uint_t        global;     /* of which it is made: table->global
                                            of that time */
    ngx_http_k8s_profile_t  *trial;      /* of the watcher: a base to be, or
                                            NULL */
};


/* a pass, remembered until postconfiguration */

typedef struct {
    ngx_http_k8s_loc_conf_t *conf;
    ngx_http_conf_ctx_t     *ctx;        /* of the server or location */
    u_char                  *file;
    ngx_uint_t               line;
} ngx_http_k8s_pass_t;

/* variables that nginx finds by an index alone */
#define NGX_HTTP_K8S_HIDDEN          4

/* random bytes of request ids to come; of one process */

#define NGX_HTTP_K8S_ID_LEN          16
#define NGX_HTTP_K8S_IDS             64

typedef struct {
    ngx_uint_t               n;          /* the first so many are unused */
    ngx_pid_t                pid;        /* that asked for them */
    u_char                   bytes[NGX_HTTP_K8S_IDS][NGX_HTTP_K8S_ID_LEN];
} ngx_http_k8s_ids_t;


typedef struct {
    ngx_array_t              passes;     /* ngx_http_k8s_pass_t */
    ngx_http_handler_pt      rewrite;    /* the rewrite module's, or NULL */
    ngx_http_handler_pt      realip;     /* the realip module's, or NULL */
    ngx_http_handler_pt      log;        /* the log module's */
    ngx_int_t                client_id;  /* index of $http_x_request_id */
    ngx_int_t                request_id; /* index of $request_id */
    ngx_int_t                forwarded_for; /* of $http_x_forwarded_for */
    ngx_int_t                remote_user; /* of $remote_user */
    ngx_http_variable_t     *hidden[NGX_HTTP_K8S_HIDDEN];  /* see
                                            ngx_http_k8s_template_init(); NULL:
                                            not there */
    ngx_http_k8s_ids_t       ids;
    ngx_http_k8s_hasher_t   *hasher;     /* of the worker, NULL: not made */
    ngx_uint_t               mirrors;    /* of the worker, in flight, with */
    size_t                   mirrors_memory;  /* bytes of bodies in memory */
    off_t                    mirrors_files;   /* and in files */
    ngx_uint_t               mirrors_failed;  /* of those since the last one
                                            that was logged, at */
    time_t                   mirrors_told;
    ngx_event_t              check;      /* of the worker, see
                                            ngx_http_k8s_base_init() */
    ngx_connection_t         dummy;      /* what the timer's log asks for */
} ngx_http_k8s_main_conf_t;


extern ngx_module_t  ngx_http_k8s_module;


/* handlers of phases (ngx_http_k8s_phases.c); at postconfiguration */
ngx_int_t ngx_http_k8s_phases_init(ngx_conf_t *cf);

/*
 * Headers of answers (ngx_http_k8s_headers.c): the filter, at
 * postconfiguration; and what it adds by a profile, whose settings are known.
 */
void ngx_http_k8s_headers_init(void);
ngx_int_t ngx_http_k8s_headers_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/*
 * What compile's conf.running() is for a block (ngx_http_k8s_running.c), by the
 * configuration of all of its passes.  In the watcher.
 */
ngx_int_t ngx_http_k8s_running(ngx_k8s_block_t *block, ngx_k8s_row_t *row,
    ngx_str_t *value);

/*
 * Headers (ngx_http_k8s_header.c), which are not copied.  One of the answer is
 * set in place of others of its name, or beside them; NULL: no memory.  One of
 * the request, for the backend, in place of all that came, with an empty value
 * none; name is read for its time.  input() does the same with a copy, with
 * "replace" only where one has come; an empty one may end with "*".  The next
 * one of a name, in any case, of a list that is read from its first part on;
 * NULL: there are no more.
 */
ngx_table_elt_t *ngx_http_k8s_header_set(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);
ngx_table_elt_t *ngx_http_k8s_header_add(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);
ngx_table_elt_t *ngx_http_k8s_header_next(ngx_list_part_t **part,
    ngx_uint_t *i, ngx_str_t *name);
ngx_int_t ngx_http_k8s_header_sent(ngx_http_request_t *r, ngx_table_elt_t *name,
    ngx_str_t *value);
ngx_int_t ngx_http_k8s_header_input(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value, ngx_uint_t replace);


#endif /* _NGX_HTTP_K8S_H_INCLUDED_ */
