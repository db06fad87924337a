
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_SERVER_H_INCLUDED_
#define _NGX_HTTP_K8S_SERVER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_k8s_router.h>


/*
 * Server-snippets.  What they say for the paths of a host is in the profiles of
 * these (ngx_http_k8s_snippet_profile.c).  Here is what a server does by
 * itself, as nginx does it: "set", "if", "return" and "rewrite" before a path
 * is chosen, and "location", which competes with the paths of Ingresses
 * (ngx_http_k8s_server.c) and has a profile of its own
 * (ngx_http_k8s_server_profile.c).
 */

/* a location, in the pool of the profile whose server has it */

typedef struct {
    ngx_uint_t               kind;       /* NGX_K8S_SNIPPET_PREFIX, ... */
    ngx_str_t                path;
    ngx_str_t                text;       /* what is in it */
    ngx_uint_t               config;     /* it is the ConfigMap's */
    ngx_http_k8s_profile_t  *profile;    /* held; NULL: it is not yet made */
    ngx_uint_t               within;     /* its base is whose server has it, and
                                            is not held by it */
} ngx_http_k8s_place_t;

struct ngx_http_k8s_server_s {
    ngx_http_k8s_program_t   program;
    ngx_http_k8s_place_t     self;       /* for what the program answers */
    ngx_array_t              places;     /* ngx_http_k8s_place_t */
};


/* profile->server, from settings; NULL where they have nothing for it */
ngx_int_t ngx_http_k8s_server_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/*
 * The profile of a location over a base, with settings of its server; as
 * ngx_http_k8s_profile_create(), the pool is a temporary one.
 */
ngx_http_k8s_profile_t *ngx_http_k8s_server_place(
    ngx_http_k8s_loc_conf_t *klcf, ngx_http_k8s_profile_t *base,
    ngx_k8s_settings_t *settings, ngx_str_t *text, ngx_pool_t *pool,
    ngx_str_t *error);

/* in the watcher, of settings: NGX_DECLINED: nginx refuses one of its
   locations, *error says why; NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_server_check(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_k8s_settings_t *settings,
    ngx_pool_t *pool, ngx_str_t *error);


/* of a host, NULL: none, the slot of a policy with a server-snippet, or 0;
   under the caller's pin */
uint32_t ngx_http_k8s_server_slot(ngx_k8s_table_t *table,
    ngx_k8s_host_t *host);

/* ngx_http_k8s_ssl_client_check() by the policy of a host, NGX_OK without one;
   NGX_AGAIN: its record has gone; under the caller's pin */
ngx_int_t ngx_http_k8s_server_client(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_host_t *host);

/* the row of what the records of hosts and routes say */
ngx_k8s_row_t *ngx_http_k8s_server_row(void);

/*
 * What servers do to a request with a route, which may change with its URI; of
 * one whose URI was rewritten in a location, by locations alone.  NGX_DECLINED:
 * it goes that way, over the base; NGX_DONE: a location takes it; NGX_AGAIN:
 * the record of the policy has gone; else the status of the answer, NGX_OK or
 * NGX_ERROR where it was sent.  Under the caller's pin.
 */
ngx_int_t ngx_http_k8s_server(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);

/*
 * The location of a name, for the request: NGX_OK; NGX_DECLINED: its server has
 * none; NGX_ERROR: it cannot be had.  Needs no pin.
 */
ngx_int_t ngx_http_k8s_server_named(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_str_t *name);


#endif /* _NGX_HTTP_K8S_SERVER_H_INCLUDED_ */
