
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which Ingresses are taken: by class, and by the labels of their namespace.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>
#include <ngx_k8s_selector.h>


static ngx_uint_t ngx_k8s_store_selects(ngx_k8s_store_t *store, ngx_str_t *ns);
static ngx_int_t ngx_k8s_store_attach(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry);
static ngx_int_t ngx_k8s_store_turn(ngx_k8s_store_t *store,
    ngx_k8s_node_t *node);
static ngx_k8s_ingress_class_t *ngx_k8s_class_find(ngx_k8s_store_t *store,
    ngx_str_t *name);
static ngx_uint_t ngx_k8s_class_default(ngx_k8s_store_t *store);
static ngx_uint_t ngx_k8s_class_ours(ngx_k8s_store_t *store,
    ngx_k8s_ingress_class_t *class);


/* a Namespace that is not there meets no selector */

static ngx_uint_t
ngx_k8s_store_selects(ngx_k8s_store_t *store, ngx_str_t *ns)
{
    ngx_str_t         none;
    ngx_k8s_entry_t  *entry;

    if (store->conf.selector == NULL) {
        return 1;
    }

    ngx_str_null(&none);

    entry = ngx_k8s_entry_find(store, NGX_K8S_NAMESPACE, &none, ns);

    return entry
           && ngx_k8s_selector_match(store->conf.selector,
                               entry->object->labels);
}


ngx_str_t *
ngx_k8s_class_named(ngx_k8s_store_t *store, ngx_k8s_ingress_t *ing,
    ngx_uint_t *annotation)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    *annotation = 0;

    if (ing->class_name.data && !store->no_classes) {
        return &ing->class_name;
    }

    if (ing->object.annotations == NULL) {
        return NULL;
    }

    kv = ing->object.annotations->elts;

    for (i = 0; i < ing->object.annotations->nelts; i++) {

        if (kv[i].key.len == sizeof(NGX_K8S_CLASS_ANNOTATION) - 1
            && ngx_strncmp(kv[i].key.data, NGX_K8S_CLASS_ANNOTATION,
                           kv[i].key.len)
               == 0)
        {
            *annotation = 1;
            return &kv[i].value;
        }
    }

    return NULL;
}


static ngx_k8s_ingress_class_t *
ngx_k8s_class_find(ngx_k8s_store_t *store, ngx_str_t *name)
{
    ngx_str_t         none;
    ngx_k8s_entry_t  *entry;

    ngx_str_null(&none);

    entry = ngx_k8s_entry_find(store, NGX_K8S_INGRESS_CLASS, &none, name);

    return entry ? (ngx_k8s_ingress_class_t *) entry->object : NULL;
}


/* whether a class of this controller is the default one */

static ngx_uint_t
ngx_k8s_class_default(ngx_k8s_store_t *store)
{
    ngx_queue_t              *q;
    ngx_k8s_entry_t          *entry;
    ngx_k8s_ingress_class_t  *class;

    for (q = ngx_queue_head(&store->all[NGX_K8S_INGRESS_CLASS]);
         q != ngx_queue_sentinel(&store->all[NGX_K8S_INGRESS_CLASS]);
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_k8s_entry_t, queue);
        class = (ngx_k8s_ingress_class_t *) entry->object;

        if (class && class->is_default && ngx_k8s_class_ours(store, class)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_k8s_class_ours(ngx_k8s_store_t *store, ngx_k8s_ingress_class_t *class)
{
    return ngx_k8s_str_eq(&class->controller, &store->conf.controller);
}


void
ngx_k8s_attach_ingress(ngx_k8s_store_t *store, ngx_k8s_object_t *object,
    ngx_k8s_attach_t *attach)
{
    ngx_str_t                *name;
    ngx_uint_t                annotation;
    ngx_k8s_ingress_t        *ing;
    ngx_k8s_ingress_class_t  *class;

    ing = (ngx_k8s_ingress_t *) object;

    if (!ngx_k8s_store_selects(store, &object->namespace)) {
        return;
    }

    if (ing->no_class) {
        attach->why = NGX_K8S_PROBLEM_INVALID_FIELD;
        return;
    }

    name = ngx_k8s_class_named(store, ing, &annotation);

    if (name == NULL) {
        if (!store->conf.without_class && ngx_k8s_class_default(store)) {
            attach->why = NGX_K8S_PROBLEM_CLASS_MISSING;
        }

        attach->taken = store->conf.without_class;
        return;
    }

    if (annotation && ngx_k8s_str_eq(name, &store->conf.class_name)) {
        attach->taken = 1;
        return;
    }

    class = ngx_k8s_class_find(store, name);

    if (annotation) {

        /* other controllers take names that no IngressClass has */

        if (class && ngx_k8s_class_ours(store, class)) {
            attach->why = NGX_K8S_PROBLEM_CLASS_MISSING;
        }

        return;
    }

    if (class == NULL) {
        attach->why = NGX_K8S_PROBLEM_CLASS_NOT_FOUND;
        return;
    }

    attach->taken = ngx_k8s_class_ours(store, class)
                    || (store->conf.class_by_name
                        && ngx_k8s_str_eq(name, &store->conf.class_name));
}


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
    ngx_k8s_link_t      *links;
    ngx_k8s_attach_t     attach;
    ngx_k8s_kind_row_t  *row;

    row = &ngx_k8s_kind_rows[entry->kind];

    ngx_memzero(&attach, sizeof(ngx_k8s_attach_t));

    row->attach(store, entry->object, &attach);

    if (attach.taken && entry->model == NULL) {
        entry->model = row->model(entry->object);
        if (entry->model == NULL) {
            return NGX_ERROR;
        }
    }

    if (attach.taken != entry->taken) {

        if (ngx_k8s_links_make(store, entry, entry->object,
                               attach.taken ? entry->model : NULL, &links)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_k8s_links_drop(store, entry->links);
        entry->links = links;
    }

    if (attach.taken != entry->taken || attach.why != entry->why) {
        ngx_k8s_entry_mark(store, entry);
    }

    entry->taken = attach.taken;
    entry->why = attach.why;

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
