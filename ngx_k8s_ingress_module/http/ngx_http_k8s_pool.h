
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_POOL_H_INCLUDED_
#define _NGX_HTTP_K8S_POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_block.h>
#include <ngx_k8s_peer.h>


/*
 * Pool of idle connections (ngx_http_k8s_pool.c): private memory of a worker,
 * one for each block.  A connection belongs to one endpoint (address and
 * identity, so that an address that moved to another pod finds nothing) and
 * one protocol key, which is made of the policy, never of pointers.  Those to
 * auth servers have no Service, and stay when the table changes.
 */

typedef struct {
    ngx_uint_t               connections;
    ngx_uint_t               requests;
    ngx_msec_t               timeout;
    ngx_msec_t               time;

    ngx_k8s_block_t         *block;
    ngx_queue_t              idle;       /* last used first */
    ngx_queue_t              free;
    ngx_queue_t             *buckets;    /* NULL: not in a worker */
    ngx_uint_t               n;          /* idle ones */
    ngx_uint_t               version;    /* of the table, when last swept */
    ngx_event_t              sweep;
    ngx_connection_t         dummy;      /* what the timer's log asks for */
} ngx_http_k8s_pool_t;

typedef struct {
    ngx_k8s_peer_t           peer;
    uint64_t                 protocol;   /* hash of what the policy says of
                                            connections */
} ngx_http_k8s_pool_key_t;

ngx_int_t ngx_http_k8s_pool_init(ngx_http_k8s_pool_t *pool,
    ngx_k8s_block_t *block, ngx_cycle_t *cycle);
void ngx_http_k8s_pool_done(ngx_http_k8s_pool_t *pool);

/* so many idle connections at most; at configuration time as well */
void ngx_http_k8s_pool_limit(ngx_http_k8s_pool_t *pool, ngx_uint_t n);

/*
 * An idle connection, taken out, and the address of its endpoint; with "peek"
 * one that its peer has not closed.  NULL when there is none.
 */
ngx_connection_t *ngx_http_k8s_pool_get(ngx_http_k8s_pool_t *pool,
    ngx_http_k8s_pool_key_t *key, ngx_uint_t peek, ngx_k8s_address_t *address);

/* keeps c, idle for at most timeout; NGX_DECLINED: the caller keeps it */
ngx_int_t ngx_http_k8s_pool_put(ngx_http_k8s_pool_t *pool,
    ngx_http_k8s_pool_key_t *key, ngx_k8s_address_t *address,
    ngx_connection_t *c, ngx_msec_t timeout);

/* how many there are of the key */
ngx_uint_t ngx_http_k8s_pool_count(ngx_http_k8s_pool_t *pool,
    ngx_http_k8s_pool_key_t *key);

/*
 * How long the connection of a request, c or NULL, may wait for another one, at
 * most "timeout"; 0: it may not, as it has failed, or has had so many requests,
 * or so much time.  The backend's "Keep-Alive: timeout=N" shortens it, by a
 * margin for the way: its FIN must not cross with our request.
 */
ngx_msec_t ngx_http_k8s_pool_keep(ngx_http_upstream_t *u, ngx_connection_t *c,
    ngx_uint_t state, ngx_uint_t requests, ngx_msec_t time,
    ngx_msec_t timeout);

#if (NGX_HTTP_SSL)
/* of peers: sessions are not kept, connections are */
ngx_int_t ngx_http_k8s_set_session(ngx_peer_connection_t *pc, void *data);
void ngx_http_k8s_save_session(ngx_peer_connection_t *pc, void *data);
#endif


#endif /* _NGX_HTTP_K8S_POOL_H_INCLUDED_ */
