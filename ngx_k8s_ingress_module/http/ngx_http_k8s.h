
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
#include <ngx_k8s_module.h>


/*
 * Router (ngx_k8s_router.c, pure): which match takes (route set, host, path)?
 */

typedef struct {
    uint32_t                 route_set;
    ngx_str_t                host;       /* lower case, no port, no last dot */
    ngx_str_t                path;       /* decoded, normalised, no query */
    ngx_str_t                method;
    /* value of a request header (lower-case name) or query argument; NULL in
       tests without predicates.  NGX_OK and *value, or NGX_DECLINED */
    ngx_int_t              (*value)(void *data, ngx_uint_t what,
                                ngx_str_t *name, ngx_str_t *value);
    /* regular expression matched against text: NGX_OK or NGX_DECLINED */
    ngx_int_t              (*regex)(void *data, ngx_str_t *pattern,
                                ngx_str_t *text);
    void                    *data;
} ngx_k8s_route_key_t;

typedef struct {
    ngx_k8s_host_t          *host;       /* decided; NULL: no such host */
    uint32_t                 host_slot;
    ngx_k8s_path_t          *path;       /* NULL: the host's fallback */
    ngx_k8s_match_t         *match;      /* NULL: nothing matches */
    ngx_k8s_action_t        *action;     /* of match */
} ngx_k8s_route_t;

/* valid under the caller's pin; NGX_OK with route->match, or NGX_DECLINED */
ngx_int_t ngx_k8s_route(ngx_k8s_table_t *table, ngx_k8s_route_key_t *key,
    ngx_k8s_route_t *route);

/* host record for a name: exact, wildcard, none (""); NULL; for SNI as well */
ngx_k8s_host_t *ngx_k8s_route_host(ngx_k8s_table_t *table, uint32_t route_set,
    ngx_str_t *name, uint32_t *slot);

/* a Host or SNI as sent, to the form of the table: lower case, without port
   and one trailing dot; NGX_DECLINED when it does not fit in buf (256) */
ngx_int_t ngx_k8s_route_host_name(u_char *buf, ngx_str_t *sent,
    ngx_str_t *name);


/*
 * Request context, in the main request's pool; subrequests and internal
 * redirects find it through r->main (ngx_http_k8s_ctx()).
 */

typedef struct {
    ngx_k8s_block_t         *block;
    uint32_t                 rule;       /* slot and generation of the rule */
    uint32_t                 rule_generation;
    uint32_t                 service;    /* slot and generation */
    uint32_t                 service_generation;
    ngx_uint_t               flags;      /* NGX_K8S_MATCH_* */
    ngx_uint_t               status;     /* answered by us: 301, 308, 404, ...;
                                            0: proxied */
    ngx_str_t                host;       /* of the rule, "" catch-all */
    ngx_str_t                path;       /* of the rule, as written */
    ngx_str_t                namespace;
    ngx_str_t                ingress;
    ngx_str_t                service_name;
    ngx_str_t                service_port;
    ngx_str_t                upstream_name;  /* ns-service-port */
    ngx_str_t                request_id;
    unsigned                 routed:1;
    unsigned                 counted:1;
    unsigned                 health:1;   /* answered /healthz: not logged */
} ngx_http_k8s_ctx_t;


typedef struct {
    ngx_k8s_block_t         *block;      /* NULL: no pass here */
    ngx_str_t                name;       /* as written in k8s_ingress_pass */
    void                   **loc_conf;   /* the built-in profile */
    ngx_flag_t               pass;
} ngx_http_k8s_loc_conf_t;


extern ngx_module_t  ngx_http_k8s_module;


ngx_http_k8s_ctx_t *ngx_http_k8s_ctx(ngx_http_request_t *r);

/* preconfiguration: variables; postconfiguration: phases, profile, filter */
ngx_int_t ngx_http_k8s_add_variables(ngx_conf_t *cf);


/*
 * Profiles (ngx_http_k8s_profile.c): a location configuration from tokens.
 * "settings" is an array of ngx_array_t * of ngx_str_t (directive, arguments),
 * parent is a merged server configuration.  At configuration time.
 */
void **ngx_http_k8s_profile(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    ngx_array_t *settings);


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
    ngx_str_t                argument;   /* format with one %V, as "%Vs" */
    ngx_str_t                note;
} ngx_http_k8s_default_t;

extern ngx_http_k8s_default_t  ngx_http_k8s_defaults[];


/*
 * Balancer and pool (ngx_http_k8s_balancer.c, ngx_http_k8s_pool.c): one
 * upstream for each block, named by ngx_http_k8s_upstream_name(), made at
 * configuration time; all profiles' proxy_pass name it.
 */
ngx_int_t ngx_http_k8s_upstream_add(ngx_conf_t *cf, ngx_k8s_block_t *block,
    ngx_str_t *name);

/* per worker: pools are made, and emptied at the end or when told to quit */
ngx_int_t ngx_http_k8s_balancer_init(ngx_k8s_block_t *block,
    ngx_cycle_t *cycle);
void ngx_http_k8s_balancer_done(ngx_k8s_block_t *block);


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
