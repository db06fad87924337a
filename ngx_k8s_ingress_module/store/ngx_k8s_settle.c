
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Ingresses are taken, or left, as what that depends on changes: the users of a
 * node one after the other.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


static ngx_int_t ngx_k8s_store_turn(ngx_k8s_store_t *store,
    ngx_k8s_node_t *node);
static ngx_k8s_node_t *ngx_k8s_store_turning(ngx_k8s_store_t *store);


/*
 * One user of a node that has changed, the one after the cursor.  Those that
 * come meanwhile are met again at the end, and are then as they should be.
 */

static ngx_int_t
ngx_k8s_store_turn(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    ngx_queue_t     *q;
    ngx_k8s_link_t  *link;

    q = ngx_queue_next(&node->cursor);
    ngx_queue_remove(&node->cursor);

    if (q == ngx_queue_sentinel(&node->links[NGX_K8S_ROLE_USER])) {
        ngx_queue_remove(&node->dirty);
        node->queued = 0;

        ngx_k8s_node_check(store, node);

        return NGX_OK;
    }

    ngx_queue_insert_after(q, &node->cursor);

    link = ngx_queue_data(q, ngx_k8s_link_t, queue);

    ngx_k8s_change_begin(store, link->entry, link->entry->object);

    return ngx_k8s_change_piece(store);
}


/* a node whose users are to be attached anew */

static ngx_k8s_node_t *
ngx_k8s_store_turning(ngx_k8s_store_t *store)
{
    ngx_uint_t    type;
    ngx_queue_t  *q;

    for (type = 0; type < NGX_K8S_NODES; type++) {

        if (ngx_k8s_node_rows[type].attach
            && !ngx_queue_empty(&store->dirty[type]))
        {
            q = ngx_queue_head(&store->dirty[type]);
            return ngx_queue_data(q, ngx_k8s_node_t, dirty);
        }
    }

    return NULL;
}


/* the change that is under way is ended before the next one begins */

ngx_int_t
ngx_k8s_store_settle(ngx_k8s_store_t *store, ngx_uint_t n)
{
    ngx_int_t        rc;
    ngx_k8s_node_t  *node;

    for ( ;; ) {
        node = ngx_k8s_store_turning(store);

        if (node == NULL && !ngx_k8s_change_shown(store)
            && !ngx_k8s_nodes_walking(store))
        {
            return NGX_OK;
        }

        if (n-- == 0) {
            return NGX_AGAIN;
        }

        if (store->change.entry) {
            rc = ngx_k8s_change_piece(store);

        } else if (ngx_k8s_nodes_walk(store) == NGX_AGAIN) {
            continue;

        } else {
            rc = ngx_k8s_store_turn(store, node);
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }
    }
}


void
ngx_k8s_store_refused(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_uint_t refused)
{
    if (kind != NGX_K8S_INGRESS_CLASS || store->no_classes == (refused != 0)) {
        return;
    }

    store->no_classes = (refused != 0);

    ngx_k8s_nodes_turn(store, NGX_K8S_NODE_CLASS);
}


ngx_int_t
ngx_k8s_store_gate(ngx_k8s_store_t *store, ngx_k8s_gate_t *gate)
{
    ngx_str_t        words;
    ngx_k8s_gate_t  *old;

    old = &store->conf.gate;

    if (ngx_k8s_gate_same(old, gate)) {
        return NGX_OK;
    }

    words.len = gate->words.len;
    words.data = NULL;

    if (words.len) {
        words.data = ngx_alloc(words.len, store->log);
        if (words.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(words.data, gate->words.data, words.len);
    }

    if (store->words) {
        ngx_free(store->words);
    }

    store->words = words.data;

    old->risk = gate->risk;
    old->snippets = gate->snippets;
    old->foreign = gate->foreign;
    old->cluster = gate->cluster;
    old->words = words;
    old->stamp++;

    ngx_k8s_nodes_turn(store, NGX_K8S_NODE_CLASS);

    return NGX_OK;
}
