
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Free extents of the table's heap.  All of this is the watcher's private
 * memory; lengths and places are in granules.
 */


#ifndef _NGX_K8S_ALLOC_H_INCLUDED_
#define _NGX_K8S_ALLOC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_k8s_extent_s  ngx_k8s_extent_t;

/* an extent: free, or retired and waiting for pins */

struct ngx_k8s_extent_s {
    ngx_rbtree_node_t        place;      /* key: start */
    ngx_rbtree_node_t        fit;        /* key: len */
    uint32_t                 start;
    uint32_t                 len;        /* 0: only slot or stat */
    ngx_k8s_extent_t        *next;       /* of the retired, or the spare */
    ngx_atomic_uint_t        version;    /* when it was retired */
    uint32_t                 slot;       /* retired with it, or 0 */
    uint32_t                 stat;
    unsigned                 limbo:1;    /* all that a new writer found */
    unsigned                 moved:1;    /* its record has another place */
};


typedef struct {
    ngx_rbtree_t             places;
    ngx_rbtree_t             fits;
    ngx_rbtree_node_t        sentinel;
    ngx_pool_t              *pool;       /* of extents, and of what else the
                                            writer has many of */
    ngx_k8s_extent_t        *spare;
    size_t                   free;       /* granules in all extents */
    ngx_log_t               *log;
} ngx_k8s_alloc_t;


/* NGX_OK, NGX_ERROR: no memory; done also after that, frees all extents */
ngx_int_t ngx_k8s_alloc_init(ngx_k8s_alloc_t *a, ngx_log_t *log);
void ngx_k8s_alloc_done(ngx_k8s_alloc_t *a);

/* an extent's node, zeroed, not yet in any tree; NULL without memory */
ngx_k8s_extent_t *ngx_k8s_extent_new(ngx_k8s_alloc_t *a);
void ngx_k8s_extent_drop(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e);

/*
 * Takes len granules from the smallest extent that has them; 0: none has, or
 * the largest one would have less than "keep" then.
 */
uint32_t ngx_k8s_alloc(ngx_k8s_alloc_t *a, uint32_t len, uint32_t keep);

/* the same, from the end of the last extent if that can be */
uint32_t ngx_k8s_alloc_end(ngx_k8s_alloc_t *a, uint32_t len, uint32_t keep);

/* takes the first len granules of an extent, which may end with that */
uint32_t ngx_k8s_alloc_cut(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e,
    uint32_t len);

/* the first free extent at "start" or after it, NULL: none */
ngx_k8s_extent_t *ngx_k8s_alloc_from(ngx_k8s_alloc_t *a, uint32_t start);

/* the largest free extent, NULL: none */
ngx_k8s_extent_t *ngx_k8s_alloc_top(ngx_k8s_alloc_t *a);

/* gives e->start, e->len back, joined with its neighbours; takes e over */
void ngx_k8s_free(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e);

/* granules of the largest extent */
uint32_t ngx_k8s_alloc_largest(ngx_k8s_alloc_t *a);


#endif /* _NGX_K8S_ALLOC_H_INCLUDED_ */
