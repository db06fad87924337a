
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is done to all nodes of a type, some at a time: nodes come and go
 * meanwhile.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


static void ngx_k8s_nodes_ask(ngx_k8s_store_t *store, ngx_uint_t type);
static ngx_k8s_walk_t *ngx_k8s_walk_first(ngx_k8s_store_t *store,
    ngx_uint_t *type);
static void ngx_k8s_walk_node(ngx_k8s_store_t *store, ngx_k8s_walk_t *walk,
    ngx_k8s_node_t *node);


static void
ngx_k8s_nodes_ask(ngx_k8s_store_t *store, ngx_uint_t type)
{
    store->walks[type].ask = 1;
    store->walks[type].key = 0;
}


void
ngx_k8s_nodes_turn(ngx_k8s_store_t *store, ngx_uint_t type)
{
    store->walks[type].turn = 1;
    store->walks[type].key = 0;
}


static ngx_k8s_walk_t *
ngx_k8s_walk_first(ngx_k8s_store_t *store, ngx_uint_t *type)
{
    ngx_k8s_walk_t  *walk;

    for (*type = 0; *type < NGX_K8S_NODES; (*type)++) {
        walk = &store->walks[*type];

        if (walk->ask || walk->turn) {
            return walk;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_k8s_nodes_walking(ngx_k8s_store_t *store)
{
    ngx_uint_t  type;

    return ngx_k8s_walk_first(store, &type) != NULL;
}


ngx_int_t
ngx_k8s_nodes_walk(ngx_k8s_store_t *store)
{
    ngx_uint_t          type, n;
    ngx_k8s_node_t     *node;
    ngx_k8s_walk_t     *walk;
    ngx_rbtree_node_t  *next;

    walk = ngx_k8s_walk_first(store, &type);

    if (walk == NULL) {
        return NGX_OK;
    }

    node = ngx_k8s_node_from(store, type, walk->key);

    for (n = 0; node; n++) {

        /* those of one key together */

        if (n >= NGX_K8S_CHANGE_PIECE && node->node.key >= walk->key) {
            walk->key = node->node.key;
            return NGX_AGAIN;
        }

        ngx_k8s_walk_node(store, walk, node);

        walk->key = (uint64_t) node->node.key + 1;

        next = ngx_rbtree_next(&store->nodes[type], &node->node);
        node = (ngx_k8s_node_t *) next;
    }

    walk->ask = 0;
    walk->turn = 0;

    return NGX_AGAIN;
}


static void
ngx_k8s_walk_node(ngx_k8s_store_t *store, ngx_k8s_walk_t *walk,
    ngx_k8s_node_t *node)
{
    if (walk->turn) {
        ngx_k8s_node_turn(store, node);
    }

    if (walk->ask && node->nusers + node->pins
        && ngx_k8s_object_named(&node->namespace, &node->name))
    {
        store->events.want(store->events.data,
                           ngx_k8s_node_rows[node->type].kind,
                           &node->namespace, &node->name, 1);
    }
}


void
ngx_k8s_store_ask(ngx_k8s_store_t *store, ngx_uint_t kind)
{
    ngx_uint_t  type;

    for (type = 0; type < NGX_K8S_NODES; type++) {
        if (ngx_k8s_node_rows[type].want
            && ngx_k8s_node_rows[type].kind == (ngx_int_t) kind)
        {
            ngx_k8s_nodes_ask(store, type);
        }
    }
}
