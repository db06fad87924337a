
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Statistics by identity: given out, counted by reference and taken back by
 * the watcher.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>


static uint32_t ngx_k8s_stat_number(ngx_k8s_writer_t *w);


ngx_k8s_stat_node_t *
ngx_k8s_stat_find(ngx_k8s_writer_t *w, uint64_t identity)
{
    ngx_rbtree_node_t  *node;

    node = w->refs.root;

    while (node != &w->sentinel) {

        if (node->key == identity) {
            return (ngx_k8s_stat_node_t *) node;
        }

        node = (identity < node->key) ? node->left : node->right;
    }

    return NULL;
}


ngx_k8s_stat_node_t *
ngx_k8s_stat_add(ngx_k8s_writer_t *w, uint64_t identity, uint32_t stat)
{
    ngx_k8s_stat_node_t  *node;

    node = w->spare;

    if (node) {
        w->spare = (ngx_k8s_stat_node_t *) node->node.left;

    } else {
        node = ngx_pcalloc(w->alloc.pool, sizeof(ngx_k8s_stat_node_t));
        if (node == NULL) {
            return NULL;
        }
    }

    node->node.key = identity;
    node->stat = stat;
    node->refs = 0;

    ngx_rbtree_insert(&w->refs, &node->node);

    return node;
}


uint32_t
ngx_k8s_writer_stat_get(ngx_k8s_writer_t *w, uint64_t identity)
{
    uint32_t              n;
    ngx_k8s_stat_t       *stat;
    ngx_k8s_stat_node_t  *node;

    if (identity == 0) {
        return 0;
    }

    node = ngx_k8s_stat_find(w, identity);

    if (node) {
        node->refs++;
        return node->stat;
    }

    n = ngx_k8s_stat_number(w);
    if (n == 0) {
        return 0;
    }

    node = ngx_k8s_stat_add(w, identity, n);

    if (node == NULL) {
        ngx_k8s_chain_put(w, &w->stats, n);
        return 0;
    }

    node->refs = 1;

    stat = ngx_k8s_stat(w->table, n);

    ngx_memzero(stat, sizeof(ngx_k8s_stat_t));
    ngx_k8s_store(&stat->identity, identity);

    return n;
}


static uint32_t
ngx_k8s_stat_number(ngx_k8s_writer_t *w)
{
    size_t            size;
    uint32_t          n, start, granules;
    ngx_k8s_table_t  *table;

    n = ngx_k8s_chain_take(w, &w->stats);

    if (n) {
        return n;
    }

    table = w->table;
    n = table->nstats;

    if (n / NGX_K8S_CHUNK_STATS >= NGX_K8S_CHUNKS) {
        return 0;
    }

    if (table->stats[n / NGX_K8S_CHUNK_STATS] == 0) {

        /* a chunk stays one for ever: first what waits for pins */

        if (w->retired) {
            ngx_k8s_writer_collect(w);

            n = ngx_k8s_chain_take(w, &w->stats);

            if (n) {
                return n;
            }

            n = table->nstats;
        }

        size = NGX_K8S_CHUNK_STATS * sizeof(ngx_k8s_stat_t);

        granules = ngx_k8s_granules(size);

        start = ngx_k8s_writer_take(w, granules,
                                    ngx_k8s_writer_floor(w) + granules,
                                    2 * w->largest, 1);
        if (start == 0) {
            return 0;
        }

        ngx_memzero(ngx_k8s_at(table, (size_t) start * NGX_K8S_GRANULE), size);

        ngx_k8s_store(&table->stats[n / NGX_K8S_CHUNK_STATS], start);
    }

    ngx_k8s_store(&table->nstats, n + 1);

    return n;
}


void
ngx_k8s_writer_stat_put(ngx_k8s_writer_t *w, uint32_t n)
{
    ngx_k8s_stat_t       *stat;
    ngx_k8s_extent_t     *e;
    ngx_k8s_stat_node_t  *node;

    stat = ngx_k8s_stat(w->table, n);

    if (stat == NULL || stat->identity == 0) {
        return;
    }

    node = ngx_k8s_stat_find(w, stat->identity);

    if (node == NULL || node->stat != n || --node->refs) {
        return;
    }

    ngx_rbtree_delete(&w->refs, &node->node);

    node->node.left = (ngx_rbtree_node_t *) w->spare;
    w->spare = node;

    ngx_k8s_store(&stat->identity, 0);

    e = ngx_k8s_extent_new(&w->alloc);

    if (e) {
        e->stat = n;
        ngx_k8s_writer_retire(w, e);

    } else {
        ngx_k8s_chain_put(w, &w->lost_stats, n);
    }
}
