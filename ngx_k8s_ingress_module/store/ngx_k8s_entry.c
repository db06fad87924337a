
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Entries: one for each object, by name and by age.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


static void ngx_k8s_entry_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_k8s_entry_age_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);


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
    ngx_int_t           rc;
    ngx_k8s_object_t   *n, *t;
    ngx_rbtree_node_t **p;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            n = ((ngx_k8s_entry_t *) node)->object;
            t = ((ngx_k8s_entry_t *) temp)->object;

            rc = ngx_k8s_name_cmp(&n->namespace, &n->name,
                                  &t->namespace, &t->name);

            p = (rc < 0) ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


ngx_k8s_entry_t *
ngx_k8s_entry_find(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_int_t           rc;
    ngx_rbtree_key_t    key;
    ngx_k8s_entry_t    *entry;
    ngx_rbtree_node_t  *n;

    key = ngx_k8s_name_hash(ns, name);
    n = store->objects[kind].root;

    while (n != &store->sentinel) {

        if (key != n->key) {
            n = (key < n->key) ? n->left : n->right;
            continue;
        }

        entry = (ngx_k8s_entry_t *) n;

        rc = ngx_k8s_name_cmp(ns, name, &entry->object->namespace,
                              &entry->object->name);

        if (rc == 0) {
            return entry;
        }

        n = (rc < 0) ? n->left : n->right;
    }

    return NULL;
}


static void
ngx_k8s_entry_age_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_entry_t     *n, *t;
    ngx_rbtree_node_t  **p;

    n = ngx_rbtree_data(node, ngx_k8s_entry_t, age);

    for ( ;; ) {
        t = ngx_rbtree_data(temp, ngx_k8s_entry_t, age);

        p = (ngx_k8s_age_cmp(n->object, t->object) < 0) ? &temp->left
                                                        : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
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
