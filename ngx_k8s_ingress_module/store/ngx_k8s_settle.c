
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


static ngx_int_t ngx_k8s_store_attach(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry);
static ngx_int_t ngx_k8s_store_turn(ngx_k8s_store_t *store,
    ngx_k8s_node_t *node);


void
ngx_k8s_node_turn(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    if (node->queued) {
        ngx_queue_remove(&node->cursor);

    } else {
        node->queued = 1;
        ngx_queue_insert_tail(&store->dirty[node->type], &node->dirty);
    }

    ngx_queue_insert_head(&node->links[NGX_K8S_ROLE_USER], &node->cursor);
}


static ngx_int_t
ngx_k8s_store_attach(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    ngx_uint_t         same;
    ngx_k8s_link_t    *links;
    ngx_k8s_attach_t   attach;

    ngx_memzero(&attach, sizeof(ngx_k8s_attach_t));
    attach.model = entry->model;

    if (ngx_k8s_attach(store, entry->object, &attach) != NGX_OK) {
        entry->model = attach.model;
        return NGX_ERROR;
    }

    entry->model = attach.model;

    same = (attach.taken == entry->taken
            && (!attach.taken
                || ngx_k8s_attach_same(attach.hosts, entry->attached)));

    if (same) {
        ngx_k8s_attach_free(attach.hosts);

    } else {

        if (ngx_k8s_links_make(store, entry, entry->object, &attach, &links)
            != NGX_OK)
        {
            ngx_k8s_attach_free(attach.hosts);
            return NGX_ERROR;
        }

        ngx_k8s_links_drop(store, entry->links);
        ngx_k8s_attach_free(entry->attached);

        entry->links = links;
        entry->next = links;
        entry->attached = attach.hosts;
        entry->making = 0;
    }

    if (!same || attach.why != entry->why) {
        ngx_k8s_entry_mark(store, entry);
    }

    ngx_k8s_entry_attached(store, entry, &attach);

    return NGX_OK;
}


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

    if (ngx_k8s_store_attach(store, link->entry) != NGX_OK) {
        ngx_queue_remove(&node->cursor);
        ngx_queue_insert_before(q, &node->cursor);

        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_store_settle(ngx_k8s_store_t *store, ngx_uint_t n)
{
    ngx_uint_t    type;
    ngx_queue_t  *q;

    for (type = 0; type < NGX_K8S_NODES; type++) {

        if (!ngx_k8s_node_rows[type].attach) {
            continue;
        }

        while (!ngx_queue_empty(&store->dirty[type])) {

            if (n-- == 0) {
                return NGX_AGAIN;
            }

            q = ngx_queue_head(&store->dirty[type]);

            if (ngx_k8s_store_turn(store, ngx_queue_data(q, ngx_k8s_node_t,
                                                         dirty))
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


void
ngx_k8s_store_refused(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_uint_t refused)
{
    ngx_rbtree_t       *tree;
    ngx_rbtree_node_t  *node;

    if (kind != NGX_K8S_INGRESS_CLASS || store->no_classes == (refused != 0)) {
        return;
    }

    store->no_classes = (refused != 0);

    tree = &store->nodes[NGX_K8S_NODE_CLASS];

    if (tree->root == tree->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(tree->root, tree->sentinel);
         node;
         node = ngx_rbtree_next(tree, node))
    {
        ngx_k8s_node_turn(store, (ngx_k8s_node_t *) node);
    }
}
