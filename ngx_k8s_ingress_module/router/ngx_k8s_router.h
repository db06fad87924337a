
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The router: which match takes (route sets, class, listener, host, path)?
 * Pure: it reads a table under the caller's pin and needs no running nginx.
 *
 * A request belongs to one or more route sets, in an order.  Its host is looked
 * for in steps from the most specific name to the least: the name itself, the
 * wildcards above it, the host without name.  At each step the sets are asked
 * in their order, and the first match wins.  A set of which a host was found is
 * not asked for less specific ones, but where that host falls through.  When
 * nothing matches, the first fallback of the hosts that were met takes the
 * request.  So an earlier set can have a part of the paths of a host, and the
 * next one goes on having the rest.  An alias is the host that it stands for;
 * after the wildcards come regular expressions for names.
 */


#ifndef _NGX_K8S_ROUTER_H_INCLUDED_
#define _NGX_K8S_ROUTER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>


#define NGX_K8S_ROUTE_SETS_MAX       32  /* of one request, those after it are
                                            not asked */

typedef struct {
    uint32_t                *sets;       /* route sets, in order */
    ngx_uint_t               nsets;
    ngx_uint_t               class;      /* NGX_K8S_CLASS_* */
    uint32_t                 listener;   /* slot; matches of other ones are
                                            skipped; 0: there is none */
    ngx_str_t                host;       /* lower case, no port, no last dot */
    ngx_str_t                path;       /* decoded, normalised, no query */
    ngx_str_t                method;
    /* value of a request header (lower-case name), query argument or cookie;
       NULL in tests without predicates.  NGX_OK and *value, or NGX_DECLINED */
    ngx_int_t              (*value)(void *data, ngx_uint_t what,
                                ngx_str_t *name, ngx_str_t *value);
    /* regular expression matched against a text, at the beginning of a path
       (NGX_K8S_PREDICATE_PATH), or anywhere in a value or in the name of a host
       (NGX_K8S_PREDICATE_HOST): NGX_OK, NGX_DECLINED, or NGX_ERROR, which ends
       the search, but that for a host */
    ngx_int_t              (*regex)(void *data, ngx_uint_t what,
                                ngx_str_t *pattern, ngx_str_t *text);
    void                    *data;
} ngx_k8s_route_key_t;

typedef struct {
    ngx_k8s_host_t          *host;       /* decided; NULL: no such host */
    ngx_k8s_host_t          *named;      /* the same, or the alias of it that
                                            was asked for: its TLS counts */
    ngx_k8s_host_t          *record;     /* what the rest lies in: the host
                                            record, or a shard of it */
    ngx_k8s_path_t          *path;       /* NULL: the host's fallback */
    ngx_k8s_match_t         *match;      /* NULL: nothing matches */
    ngx_k8s_action_t        *action;     /* of match */
} ngx_k8s_route_t;

/*
 * Valid under the caller's pin.  NGX_OK: route->match is what takes the
 * request.  NGX_DECLINED: nothing does, route->host is the most specific host
 * or NULL; the caller answers from the catch-all default.  NGX_ERROR: a regular
 * expression gave up, so it is not known what does.
 */
ngx_int_t ngx_k8s_route(ngx_k8s_table_t *table, ngx_k8s_route_key_t *key,
    ngx_k8s_route_t *route);

/*
 * The backend of route->action, which is of kind BACKENDS, that a random number
 * draws by weight; NULL: it has none.
 */
ngx_k8s_backend_rec_t *ngx_k8s_route_backend(ngx_k8s_route_t *route,
    uint32_t random);

/*
 * A canary, or the backend in its place: the last one of the action where that
 * has no endpoints, so that it answers, or where the canary has none.
 */
ngx_k8s_backend_rec_t *ngx_k8s_route_canary(ngx_k8s_table_t *table,
    ngx_k8s_route_t *route, ngx_k8s_backend_rec_t *canary);

/* the Service of a backend, or NULL and the status that answers instead */
ngx_k8s_service_rec_t *ngx_k8s_route_service(ngx_k8s_table_t *table,
    ngx_k8s_backend_rec_t *backend, ngx_uint_t *status);

/* who gets copies of the request: the first of *n, or NULL with 0 */
ngx_k8s_mirror_rec_t *ngx_k8s_route_mirrors(ngx_k8s_route_t *route,
    ngx_uint_t *n);

/* host record of a set for a name: exact, wildcard, none (""); NULL; for SNI
   as well; of an alias its own */
ngx_k8s_host_t *ngx_k8s_route_host(ngx_k8s_table_t *table, uint32_t route_set,
    ngx_uint_t class, ngx_str_t *name, uint32_t *slot);

/*
 * The host that takes the name of a key, as ngx_k8s_route() finds it, be it the
 * one that an alias stands for, which is in *named; NULL: none does.
 */
ngx_k8s_host_t *ngx_k8s_route_taken(ngx_k8s_table_t *table,
    uint32_t route_set, ngx_k8s_route_key_t *key, ngx_k8s_host_t **named);

#define NGX_K8S_HOST_MAX             256

/* a Host or SNI as sent, to the form of the table: lower case, without port
   and one trailing dot; NGX_DECLINED when it does not fit in buf, which has
   NGX_K8S_HOST_MAX bytes */
ngx_int_t ngx_k8s_route_host_name(u_char *buf, ngx_str_t *sent,
    ngx_str_t *name);


#endif /* _NGX_K8S_ROUTER_H_INCLUDED_ */
