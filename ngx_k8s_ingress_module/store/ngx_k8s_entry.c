
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Entries: one for each object, by name and by age.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>
#include <ngx_k8s_tree.h>


static void ngx_k8s_entry_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_entry_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static void ngx_k8s_entry_age_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_entry_age_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);


void
ngx_k8s_entries_init(ngx_k8s_store_t *store)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        ngx_rbtree_init(&store->objects[i], &store->sentinel,
                        ngx_k8s_entry_insert);
        ngx_queue_init(&store->all[i]);
    }

    ngx_rbtree_init(&store->ages, &store->sentinel, ngx_k8s_entry_age_insert);

    ngx_queue_init(&store->changed);
}


static void
ngx_k8s_entry_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_entry_cmp);
}


static ngx_int_t
ngx_k8s_entry_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    ngx_k8s_object_t  *n, *t;

    n = ((ngx_k8s_entry_t *) one)->object;
    t = ((ngx_k8s_entry_t *) two)->object;

    return ngx_k8s_name_cmp(&n->namespace, &n->name, &t->namespace, &t->name);
}


ngx_k8s_entry_t *
ngx_k8s_entry_find(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_entry_t   key;
    ngx_k8s_object_t  object;

    object.namespace = *ns;
    object.name = *name;

    key.node.key = ngx_k8s_name_hash(ns, name);
    key.object = &object;

    return (ngx_k8s_entry_t *) ngx_k8s_tree_find(&store->objects[kind],
                                                 &key.node, ngx_k8s_entry_cmp);
}


static void
ngx_k8s_entry_age_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_entry_age_cmp);
}


static ngx_int_t
ngx_k8s_entry_age_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    ngx_k8s_entry_t  *n, *t;

    n = ngx_rbtree_data(one, ngx_k8s_entry_t, age);
    t = ngx_rbtree_data(two, ngx_k8s_entry_t, age);

    return ngx_k8s_age_cmp(n->object, t->object);
}


ngx_k8s_entry_t *
ngx_k8s_entry_oldest(ngx_k8s_store_t *store)
{
    ngx_rbtree_node_t  *node;

    if (store->ages.root == &store->sentinel) {
        return NULL;
    }

    node = ngx_rbtree_min(store->ages.root, &store->sentinel);

    return ngx_rbtree_data(node, ngx_k8s_entry_t, age);
}


ngx_k8s_entry_t *
ngx_k8s_entry_younger(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    ngx_rbtree_node_t  *node;

    node = ngx_rbtree_next(&store->ages, &entry->age);

    return node ? ngx_rbtree_data(node, ngx_k8s_entry_t, age) : NULL;
}


void
ngx_k8s_entry_age_delete(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    if (store->walk == entry) {
        store->walk = ngx_k8s_entry_younger(store, entry);
    }

    ngx_rbtree_delete(&store->ages, &entry->age);
}


void
ngx_k8s_entry_state(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_uint_t state)
{
    store->states[entry->state]--;
    store->states[state]++;

    if (entry->state != state) {
        ngx_k8s_entry_report(store, entry);
    }

    entry->state = state;
}


void
ngx_k8s_entry_attached(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_attach_t *attach)
{
    if (!attach->taken || !entry->taken) {
        ngx_k8s_entry_state(store, entry,
                            attach->taken ? NGX_K8S_STATE_PENDING
                                          : attach->state);
    }

    entry->taken = attach->taken;
    entry->why = attach->why;
}


void
ngx_k8s_entry_mark(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    entry->again = entry->making;

    if (!entry->queued) {
        entry->queued = 1;
        ngx_queue_insert_tail(&store->changed, &entry->dirty);
    }
}


void
ngx_k8s_entry_free(ngx_k8s_entry_t *entry)
{
    ngx_free(entry);
}
