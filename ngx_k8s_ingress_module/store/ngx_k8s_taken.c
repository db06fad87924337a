
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
static ngx_k8s_ingress_class_t *ngx_k8s_class_find(ngx_k8s_store_t *store,
    ngx_str_t *name);
static ngx_uint_t ngx_k8s_class_default(ngx_k8s_store_t *store);
static ngx_uint_t ngx_k8s_class_ours(ngx_k8s_store_t *store,
    ngx_k8s_ingress_class_t *class);


/* keys of a class whose ConfigMap is not known: all may be there */

static ngx_keyval_t  ngx_k8s_class_unread_key = {
    ngx_string(""), ngx_string("\177is not known")
};

static ngx_array_t  ngx_k8s_class_unread = {
    &ngx_k8s_class_unread_key, 1, sizeof(ngx_keyval_t), 1, NULL
};


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


ngx_int_t
ngx_k8s_attach_ingress(ngx_k8s_store_t *store, ngx_k8s_object_t *object,
    ngx_k8s_attach_t *attach)
{
    ngx_str_t                *name;
    ngx_uint_t                annotation;
    ngx_k8s_ingress_t        *ing;
    ngx_k8s_ingress_class_t  *class;

    ing = (ngx_k8s_ingress_t *) object;
    attach->own = 1;

    if (!ngx_k8s_store_selects(store, &object->namespace)) {
        attach->state = NGX_K8S_STATE_OTHER_NAMESPACE;
        return NGX_OK;
    }

    if (ing->no_class) {
        attach->state = NGX_K8S_STATE_INVALID_CLASS;
        attach->why = NGX_K8S_PROBLEM_INVALID_FIELD;
        return NGX_OK;
    }

    name = ngx_k8s_class_named(store, ing, &annotation);

    if (name == NULL) {
        attach->state = NGX_K8S_STATE_NO_CLASS;

        if (!store->conf.without_class && ngx_k8s_class_default(store)) {
            attach->why = NGX_K8S_PROBLEM_CLASS_MISSING;
        }

        attach->taken = store->conf.without_class;
        return NGX_OK;
    }

    attach->state = NGX_K8S_STATE_OTHER_CLASS;

    if (annotation && ngx_k8s_str_eq(name, &store->conf.class_name)) {
        attach->taken = 1;
        return NGX_OK;
    }

    class = ngx_k8s_class_find(store, name);

    if (annotation) {

        /* other controllers take names that no IngressClass has */

        if (class && ngx_k8s_class_ours(store, class)) {
            attach->state = NGX_K8S_STATE_NO_CLASS;
            attach->why = NGX_K8S_PROBLEM_CLASS_MISSING;
        }

        return NGX_OK;
    }

    if (class == NULL) {
        attach->state = NGX_K8S_STATE_UNKNOWN_CLASS;
        attach->why = NGX_K8S_PROBLEM_CLASS_NOT_FOUND;
        return NGX_OK;
    }

    attach->taken = ngx_k8s_class_ours(store, class)
                    || (store->conf.class_by_name
                        && ngx_k8s_str_eq(name, &store->conf.class_name));

    return NGX_OK;
}


ngx_array_t *
ngx_k8s_class_config(ngx_k8s_store_t *store, ngx_k8s_object_t *object,
    ngx_uint_t *unknown)
{
    ngx_str_t                *name;
    ngx_uint_t                annotation;
    ngx_k8s_node_t           *node;
    ngx_k8s_entry_t          *entry;
    ngx_k8s_ingress_class_t  *class;

    *unknown = 0;

    if (object->kind != NGX_K8S_INGRESS) {
        return NULL;
    }

    name = ngx_k8s_class_named(store, (ngx_k8s_ingress_t *) object,
                               &annotation);

    class = name ? ngx_k8s_class_find(store, name) : NULL;

    if (class == NULL || !ngx_k8s_class_ours(store, class)) {
        return NULL;
    }

    if (class->unread) {
        return &ngx_k8s_class_unread;
    }

    if (class->config.len == 0) {
        return NULL;
    }

    entry = ngx_k8s_entry_find(store, NGX_K8S_CONFIG_MAP,
                               &class->config_namespace, &class->config);

    if (entry) {
        return ((ngx_k8s_config_map_t *) entry->object)->data;
    }

    node = ngx_k8s_node_find(store, NGX_K8S_NODE_CONFIG,
                             &class->config_namespace, &class->config);

    *unknown = (node && !node->answered);

    return NULL;
}


ngx_uint_t
ngx_k8s_store_config(ngx_k8s_store_t *store, ngx_str_t *ns, ngx_str_t *name)
{
    ngx_str_t  own_ns, own;

    if (store->conf.config_map.len == 0) {
        return 0;
    }

    ngx_k8s_object_split(&store->conf.config_map, &own_ns, &own);

    return ngx_k8s_str_eq(&own_ns, ns) && ngx_k8s_str_eq(&own, name);
}


ngx_uint_t
ngx_k8s_store_guards(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_queue_t     *q;
    ngx_k8s_link_t  *link;
    ngx_k8s_node_t  *node;

    if (kind != NGX_K8S_CONFIG_MAP) {
        return 0;
    }

    if (ngx_k8s_store_config(store, ns, name)) {
        return 1;
    }

    node = ngx_k8s_node_find(store, NGX_K8S_NODE_CONFIG, ns, name);

    if (node == NULL) {
        return 0;
    }

    for (q = ngx_queue_head(&node->links[NGX_K8S_ROLE_USER]);
         q != ngx_queue_sentinel(&node->links[NGX_K8S_ROLE_USER]);
         q = ngx_queue_next(q))
    {
        if (q == &node->cursor) {
            continue;
        }

        link = ngx_queue_data(q, ngx_k8s_link_t, queue);

        if (link->entry->kind == NGX_K8S_INGRESS_CLASS) {
            return 1;
        }
    }

    return 0;
}


ngx_k8s_node_t *
ngx_k8s_store_unknown(ngx_k8s_store_t *store, ngx_k8s_node_t *last)
{
    ngx_rbtree_t       *tree;
    ngx_k8s_node_t     *node;
    ngx_rbtree_node_t  *n;

    tree = &store->nodes[NGX_K8S_NODE_CONFIG];

    if (last) {
        n = ngx_rbtree_next(tree, &last->node);

    } else {
        n = (tree->root == tree->sentinel) ? NULL
            : ngx_rbtree_min(tree->root, tree->sentinel);
    }

    for ( /* void */ ; n; n = ngx_rbtree_next(tree, n)) {
        node = (ngx_k8s_node_t *) n;

        if (!node->answered && node->nusers + node->pins
            && ngx_k8s_store_guards(store, NGX_K8S_CONFIG_MAP,
                                    &node->namespace, &node->name))
        {
            return node;
        }
    }

    return NULL;
}


void
ngx_k8s_class_changed(ngx_k8s_store_t *store, ngx_k8s_ingress_class_t *class)
{
    ngx_k8s_node_t   *node;
    ngx_k8s_entry_t  *entry;

    store->conf.gate.stamp++;

    entry = ngx_k8s_entry_find(store, NGX_K8S_INGRESS_CLASS,
                               &class->object.namespace, &class->object.name);
    if (entry) {
        ngx_k8s_entry_mark(store, entry);
    }

    if (class->config.len == 0) {
        return;
    }

    node = ngx_k8s_node_find(store, NGX_K8S_NODE_CONFIG,
                             &class->config_namespace, &class->config);
    if (node) {
        ngx_k8s_node_mark(store, node);
    }
}


void
ngx_k8s_classes_turn(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    ngx_str_t        none;
    ngx_queue_t     *q;
    ngx_k8s_link_t  *link;
    ngx_k8s_node_t  *class;

    ngx_str_null(&none);

    for (q = ngx_queue_head(&node->links[NGX_K8S_ROLE_USER]);
         q != ngx_queue_sentinel(&node->links[NGX_K8S_ROLE_USER]);
         q = ngx_queue_next(q))
    {
        if (q == &node->cursor) {
            continue;
        }

        link = ngx_queue_data(q, ngx_k8s_link_t, queue);

        if (link->entry->kind != NGX_K8S_INGRESS_CLASS) {
            continue;
        }

        store->conf.gate.stamp++;

        class = ngx_k8s_node_find(store, NGX_K8S_NODE_CLASS, &none,
                                  &link->entry->object->name);
        if (class) {
            ngx_k8s_node_turn(store, class);
        }
    }
}
