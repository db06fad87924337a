
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
#include <ngx_k8s_router.h>


/*
 * Configuration of a server or location with k8s_ingress_pass; lives with the
 * cycle.  A server without locations of its own switches to the profile in the
 * SERVER_REWRITE phase; all others are "late": in the REWRITE phase.
 */

typedef struct ngx_http_k8s_loc_conf_s  ngx_http_k8s_loc_conf_t;

struct ngx_http_k8s_loc_conf_s {
    ngx_k8s_block_t         *block;      /* NULL: no pass here */
    ngx_str_t                name;       /* as written in k8s_ingress_pass */
    void                   **loc_conf;   /* the built-in profile */
    void                   **health_conf; /* the same, not logged */
    ngx_http_k8s_loc_conf_t *outer;      /* of an if block: where it stands */
    ngx_str_t                hsts;       /* header's value; empty: none */
    ngx_table_elt_t          server;     /* stands for a header not sent */
    ngx_uint_t               redirect_code; /* to https; 0: no redirects */
    ngx_flag_t               pass;
    unsigned                 late:1;
    unsigned                 location:1; /* the pass stands in a location */
    unsigned                 server_header:1; /* leave it as it is */
};


/*
 * Request context, in the main request's pool; subrequests and internal
 * redirects find it through r->main (ngx_http_k8s_ctx()).
 */

typedef struct {
    ngx_k8s_block_t         *block;
    ngx_http_k8s_loc_conf_t *conf;       /* the pass that routed it */
    uint32_t                 rule;       /* slot and generation of the rule */
    uint32_t                 rule_generation;
    uint32_t                 service;    /* slot and generation */
    uint32_t                 service_generation;
    ngx_uint_t               flags;      /* NGX_K8S_MATCH_* */
    ngx_uint_t               status;     /* answered by us: 301, 308, 404, ...;
                                            0: proxied */
    ngx_k8s_rule_rec_t      *names;      /* a copy, for variables, or NULL */

    /* nginx's own, see ngx_http_k8s_interim() */
    ngx_int_t              (*process_header)(ngx_http_request_t *r);
    ngx_int_t              (*reinit_request)(ngx_http_request_t *r);
    ngx_uint_t               interim;

    unsigned                 routed:1;
    unsigned                 no_service:1; /* no rule, or none for it */
    unsigned                 counted:1;
    unsigned                 health:1;   /* answered /healthz: not logged */
    unsigned                 asked:1;    /* a variable was, before routing */
} ngx_http_k8s_ctx_t;


/* a pass, remembered until postconfiguration */

typedef struct {
    ngx_http_k8s_loc_conf_t *conf;
    ngx_http_conf_ctx_t     *ctx;        /* of the server or location */
    u_char                  *file;
    ngx_uint_t               line;
} ngx_http_k8s_pass_t;

typedef struct {
    ngx_array_t              passes;     /* ngx_http_k8s_pass_t */
    ngx_http_handler_pt      rewrite;    /* the rewrite module's, or NULL */
    ngx_int_t                client_id;  /* index of $http_x_request_id */
    ngx_int_t                request_id; /* index of $request_id */
} ngx_http_k8s_main_conf_t;


extern ngx_module_t  ngx_http_k8s_module;


/* the request's context, NULL before any; its making, once a main request */
ngx_http_k8s_ctx_t *ngx_http_k8s_ctx(ngx_http_request_t *r);
ngx_http_k8s_ctx_t *ngx_http_k8s_ctx_create(ngx_http_request_t *r);


/*
 * Routing step (ngx_http_k8s_route.c): decides once for a main request, under
 * one pin.  Sets r->loc_conf to the profile.  NGX_DECLINED when the request is
 * to be proxied, else a status for ngx_http_finalize_request().
 */
ngx_int_t ngx_http_k8s_route(ngx_http_request_t *r,
    ngx_http_k8s_loc_conf_t *klcf);


/*
 * Variables (ngx_http_k8s_variables.c), one row each; docs are made of them.
 * add: at preconfiguration; index: at postconfiguration, what they are made
 * of; reset: forgets what was cached before routing.
 */

typedef struct {
    ngx_str_t                name;
    ngx_http_get_variable_pt handler;
    uintptr_t                data;
    ngx_uint_t               flags;
    ngx_str_t                note;
} ngx_http_k8s_variable_t;

extern ngx_http_k8s_variable_t  ngx_http_k8s_variables[];

ngx_int_t ngx_http_k8s_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_k8s_index_variables(ngx_conf_t *cf,
    ngx_http_k8s_main_conf_t *kmcf);
void ngx_http_k8s_reset_variables(ngx_http_request_t *r);


/*
 * Profiles (ngx_http_k8s_profile.c): a location configuration from tokens.
 * "settings" is an array of ngx_array_t * of ngx_str_t (directive, arguments),
 * parent is a merged server or location configuration.  At configuration time;
 * NULL on error, logged.
 */
void **ngx_http_k8s_profile(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    ngx_array_t *settings);

/* a directive of locations and its module, NULL when there is none */
ngx_command_t *ngx_http_k8s_profile_command(ngx_conf_t *cf, ngx_str_t *name,
    ngx_module_t **module);

/*
 * Warns of what ingress-nginx's defaults shadow (ngx_http_k8s_shadow.c): parent
 * and profile are merged, file and line those of the pass.
 */
ngx_int_t ngx_http_k8s_shadow(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    void **profile, u_char *file, ngx_uint_t line);


/*
 * Defaults (ngx_http_k8s_defaults.c): one row for each ConfigMap key with a
 * default of ingress-nginx and what it feeds; docs/defaults.md is made of it.
 */

typedef struct {
    ngx_str_t                key;        /* "proxy-connect-timeout"; empty: not
                                            settable there */
    ngx_str_t                value;      /* ingress-nginx's default, "5" */
    ngx_str_t                directive;  /* "proxy_connect_timeout", or empty:
                                            read by our code */
    ngx_str_t                argument;   /* separated by blanks; %V is the
                                            value, ${key} that of another row,
                                            "" an empty argument */
    ngx_str_t                note;
} ngx_http_k8s_default_t;

extern ngx_http_k8s_default_t  ngx_http_k8s_defaults[];

/* value of a key; its number, and whether it is "true" */
ngx_str_t *ngx_http_k8s_default(char *key);
ngx_int_t ngx_http_k8s_default_number(char *key);
ngx_uint_t ngx_http_k8s_default_flag(char *key);

/* settings of the built-in profile; NULL on error */
ngx_array_t *ngx_http_k8s_settings(ngx_conf_t *cf, ngx_k8s_block_t *block,
    ngx_str_t *upstream);

/* adds one setting, its arguments separated by blanks, "" is an empty one */
ngx_int_t ngx_http_k8s_settings_add(ngx_conf_t *cf, ngx_array_t *settings,
    ngx_str_t *directive, ngx_str_t *arguments);


/*
 * Balancer (ngx_http_k8s_balancer.c): one upstream for each block with a pass,
 * made at postconfiguration; all profiles' proxy_pass name it.  The second
 * call for a block gives the same name.
 */
ngx_int_t ngx_http_k8s_upstream_add(ngx_conf_t *cf, ngx_k8s_block_t *block,
    ngx_str_t *name);

/* per worker: pools are made, and emptied at the end or when told to quit;
   harmless when called twice */
ngx_int_t ngx_http_k8s_balancer_init(ngx_k8s_block_t *block,
    ngx_cycle_t *cycle);
void ngx_http_k8s_balancer_done(ngx_k8s_block_t *block);


/* makes the request's upstream skip interim answers (1xx); in peer.init */
void ngx_http_k8s_interim(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx);


/*
 * An endpoint, out of the table: copied into requests and the pool
 * (ngx_http_k8s_endpoint.c).  All that takes a table is called under a pin.
 */

typedef struct {
    u_char                   addr[16];
    uint16_t                 port;       /* host byte order */
    uint8_t                  family;     /* 4 or 6 */
    uint8_t                  reserved;
    uint32_t                 stat;       /* number, see identity */
    uint64_t                 identity;   /* of the statistics slot, or 0 */
} ngx_http_k8s_endpoint_t;

#define ngx_http_k8s_endpoint_eq(a, b)                                        \
    ((a)->port == (b)->port && (a)->family == (b)->family                     \
     && (a)->identity == (b)->identity                                        \
     && ngx_memcmp((a)->addr, (b)->addr, 16) == 0)

/*
 * Returns its statistics, or NULL: it has none, or table is NULL.  A record
 * that is in the table no more goes without: its number may be another's.
 */
ngx_k8s_stat_t *ngx_http_k8s_endpoint_copy(ngx_k8s_table_t *table,
    ngx_k8s_endpoint_rec_t *rec, ngx_http_k8s_endpoint_t *ep);

/* tells the endpoints of a Service apart; the same with statistics and
   without */
uint32_t ngx_http_k8s_endpoint_hash(ngx_http_k8s_endpoint_t *ep);

/*
 * Text of an IPv4 endpoint, returns its length; and of a port, returns its end:
 * as ngx_sock_ntop() and ngx_sprintf(), at a tenth of the cost, since every
 * request needs them.
 */
size_t ngx_http_k8s_endpoint_text(u_char *text, ngx_http_k8s_endpoint_t *ep);
u_char *ngx_http_k8s_port_text(u_char *text, in_port_t port);

/* 1 when a connection to it failed, in any worker, a moment ago */
ngx_uint_t ngx_http_k8s_endpoint_refused(ngx_k8s_stat_t *stat);

/* counts a try, unless the number has gone to another endpoint meanwhile;
   refused: there was no connection */
void ngx_http_k8s_endpoint_note(ngx_k8s_table_t *table,
    ngx_http_k8s_endpoint_t *ep, ngx_uint_t failed, ngx_uint_t refused);

/* NGX_OK when the endpoint takes new requests of the service; under a pin */
ngx_int_t ngx_http_k8s_endpoint_usable(ngx_k8s_table_t *table,
    uint32_t service, uint32_t generation, ngx_http_k8s_endpoint_t *ep);


/*
 * Pool of idle connections (ngx_http_k8s_pool.c): private memory of a worker,
 * one for each block.  A connection belongs to one endpoint (address and
 * identity, so that an address that moved to another pod finds nothing) and
 * one protocol key, which is made of the policy, never of pointers.
 */

typedef struct {
    ngx_uint_t               connections;
    ngx_uint_t               requests;
    ngx_msec_t               timeout;
    ngx_msec_t               time;

    ngx_k8s_block_t         *block;
    ngx_queue_t              idle;       /* last used first */
    ngx_queue_t              free;
    ngx_queue_t             *buckets;
    ngx_uint_t               n;          /* idle ones */
    ngx_uint_t               version;    /* of the table, when last swept */
    ngx_event_t              sweep;
    ngx_connection_t         dummy;      /* what the timer's log asks for */
} ngx_http_k8s_pool_t;

typedef struct {
    ngx_http_k8s_endpoint_t  endpoint;
    uint32_t                 protocol;   /* key */
    uint32_t                 service;    /* slot and generation by which it */
    uint32_t                 generation; /* was chosen */
} ngx_http_k8s_pool_key_t;

ngx_int_t ngx_http_k8s_pool_init(ngx_http_k8s_pool_t *pool,
    ngx_k8s_block_t *block, ngx_cycle_t *cycle);
void ngx_http_k8s_pool_done(ngx_http_k8s_pool_t *pool);

/* an idle connection, taken out; with "peek" one that its peer has not closed;
   NULL when there is none */
ngx_connection_t *ngx_http_k8s_pool_get(ngx_http_k8s_pool_t *pool,
    ngx_http_k8s_pool_key_t *key, ngx_uint_t peek);

/* keeps c, idle for at most timeout; NGX_DECLINED: the caller keeps it */
ngx_int_t ngx_http_k8s_pool_put(ngx_http_k8s_pool_t *pool,
    ngx_http_k8s_pool_key_t *key, ngx_connection_t *c, ngx_msec_t timeout);

/*
 * The backend's "Keep-Alive: timeout=N" shortens the idle time, by a margin
 * for the way: its FIN must not cross with our request.
 */
ngx_msec_t ngx_http_k8s_pool_idle_time(ngx_http_upstream_t *u,
    ngx_msec_t timeout);


/*
 * TLS (ngx_http_k8s_ssl.c): certificates by SNI.  pass() is called by each
 * k8s_ingress_pass while it is parsed, before or after the name is stored in
 * the location's configuration; server() for a server with k8s_ingress_pass,
 * whatever its listeners, at postconfiguration; the others as above.
 */
ngx_int_t ngx_http_k8s_ssl_pass(ngx_conf_t *cf);
ngx_int_t ngx_http_k8s_ssl_server(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_k8s_block_t *block);
ngx_int_t ngx_http_k8s_ssl_init(ngx_k8s_block_t *block, ngx_cycle_t *cycle);
void ngx_http_k8s_ssl_done(ngx_k8s_block_t *block);


#endif /* _NGX_HTTP_K8S_H_INCLUDED_ */
