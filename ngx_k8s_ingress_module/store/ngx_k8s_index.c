
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Nodes: what objects name, and whom a change of it is of concern to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


/* what a node is found by: a host by the first three, others by the rest */

typedef struct {
    uint32_t                 route_set;
    uint32_t                 class;
    ngx_str_t               *name;
    ngx_str_t               *namespace;
} ngx_k8s_node_key_t;


static void ngx_k8s_node_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_node_cmp(ngx_k8s_node_key_t *key,
    ngx_k8s_node_t *node);
static ngx_rbtree_key_t ngx_k8s_node_hash(ngx_k8s_node_key_t *key);
static ngx_k8s_node_t *ngx_k8s_node_find_key(ngx_k8s_store_t *store,
    ngx_uint_t type, ngx_k8s_node_key_t *key);
static ngx_k8s_node_t *ngx_k8s_node_get_key(ngx_k8s_store_t *store,
    ngx_uint_t type, ngx_k8s_node_key_t *key);


/* kind; work, parts, attach, want */

ngx_k8s_node_row_t  ngx_k8s_node_rows[NGX_K8S_NODES] = {
    { -1,                     1, 0, 0, 0 },   /* NGX_K8S_NODE_HOST */
    { NGX_K8S_SERVICE,        1, 1, 0, 0 },   /* NGX_K8S_NODE_SERVICE */
    { NGX_K8S_SECRET,         1, 0, 0, 1 },   /* NGX_K8S_NODE_SECRET */
    { NGX_K8S_INGRESS_CLASS,  0, 0, 1, 0 },   /* NGX_K8S_NODE_CLASS */
    { -1,                     1, 0, 0, 0 },   /* NGX_K8S_NODE_NAMESPACE */
    { NGX_K8S_NAMESPACE,      0, 0, 1, 0 },   /* NGX_K8S_NODE_LABELS */
    { NGX_K8S_CONFIG_MAP,     1, 0, 0, 1 }    /* NGX_K8S_NODE_CONFIG */
};


static ngx_str_t  ngx_k8s_no_name = ngx_null_string;


ngx_int_t
ngx_k8s_name_cmp(ngx_str_t *ns, ngx_str_t *name, ngx_str_t *ns2,
    ngx_str_t *name2)
{
    ngx_int_t  rc;

    rc = ngx_k8s_str_cmp(ns, ns2);

    return rc ? rc : ngx_k8s_str_cmp(name, name2);
}


uint32_t
ngx_k8s_name_hash(ngx_str_t *ns, ngx_str_t *name)
{
    return ngx_murmur_hash2(name->data, name->len)
           + 31 * ngx_murmur_hash2(ns->data, ns->len);
}


void
ngx_k8s_nodes_init(ngx_k8s_store_t *store)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_NODES; i++) {
        ngx_rbtree_init(&store->nodes[i], &store->sentinel,
                        ngx_k8s_node_insert);
        ngx_queue_init(&store->dirty[i]);
    }
}


static void
ngx_k8s_node_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_node_t      *n;
    ngx_rbtree_node_t  **p;
    ngx_k8s_node_key_t   key;

    n = (ngx_k8s_node_t *) node;

    key.route_set = n->route_set;
    key.class = n->class;
    key.name = &n->name;
    key.namespace = &n->namespace;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            p = (ngx_k8s_node_cmp(&key, (ngx_k8s_node_t *) temp) < 0)
                ? &temp->left : &temp->right;
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


static ngx_int_t
ngx_k8s_node_cmp(ngx_k8s_node_key_t *key, ngx_k8s_node_t *node)
{
    if (key->route_set != node->route_set) {
        return (key->route_set < node->route_set) ? -1 : 1;
    }

    if (key->class != node->class) {
        return (key->class < node->class) ? -1 : 1;
    }

    return ngx_k8s_name_cmp(key->namespace, key->name, &node->namespace,
                            &node->name);
}


static ngx_rbtree_key_t
ngx_k8s_node_hash(ngx_k8s_node_key_t *key)
{
    uint32_t  hash;

    hash = ngx_k8s_name_hash(key->namespace, key->name);

    return hash ^ ((key->class << 24 | key->route_set) * 0x9e3779b1);
}


static ngx_k8s_node_t *
ngx_k8s_node_find_key(ngx_k8s_store_t *store, ngx_uint_t type,
    ngx_k8s_node_key_t *key)
{
    ngx_int_t           rc;
    ngx_rbtree_key_t    hash;
    ngx_rbtree_node_t  *n;

    hash = ngx_k8s_node_hash(key);
    n = store->nodes[type].root;

    while (n != &store->sentinel) {

        if (hash != n->key) {
            n = (hash < n->key) ? n->left : n->right;
            continue;
        }

        rc = ngx_k8s_node_cmp(key, (ngx_k8s_node_t *) n);

        if (rc == 0) {
            return (ngx_k8s_node_t *) n;
        }

        n = (rc < 0) ? n->left : n->right;
    }

    return NULL;
}


ngx_k8s_node_t *
ngx_k8s_node_find(ngx_k8s_store_t *store, ngx_uint_t type, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_node_key_t  key;

    key.route_set = 0;
    key.class = 0;
    key.name = name;
    key.namespace = ns;

    return ngx_k8s_node_find_key(store, type, &key);
}


ngx_k8s_node_t *
ngx_k8s_node_host_find(ngx_k8s_store_t *store, uint32_t route_set,
    ngx_uint_t class, ngx_str_t *name)
{
    ngx_k8s_node_key_t  key;

    key.route_set = route_set;
    key.class = class;
    key.name = name;
    key.namespace = &ngx_k8s_no_name;

    return ngx_k8s_node_find_key(store, NGX_K8S_NODE_HOST, &key);
}


ngx_k8s_node_t *
ngx_k8s_node_from(ngx_k8s_store_t *store, ngx_uint_t type, uint64_t key)
{
    ngx_rbtree_node_t  *n, *found;

    n = store->nodes[type].root;
    found = NULL;

    while (n != &store->sentinel) {

        if (n->key < key) {
            n = n->right;

        } else {
            found = n;
            n = n->left;
        }
    }

    return (ngx_k8s_node_t *) found;
}


ngx_k8s_node_t *
ngx_k8s_node_get(ngx_k8s_store_t *store, ngx_uint_t type, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_node_key_t  key;

    key.route_set = 0;
    key.class = 0;
    key.name = name;
    key.namespace = ns;

    return ngx_k8s_node_get_key(store, type, &key);
}


ngx_k8s_node_t *
ngx_k8s_node_host_get(ngx_k8s_store_t *store, uint32_t route_set,
    ngx_uint_t class, ngx_str_t *name)
{
    ngx_k8s_node_key_t  key;

    key.route_set = route_set;
    key.class = class;
    key.name = name;
    key.namespace = &ngx_k8s_no_name;

    return ngx_k8s_node_get_key(store, NGX_K8S_NODE_HOST, &key);
}


static ngx_k8s_node_t *
ngx_k8s_node_get_key(ngx_k8s_store_t *store, ngx_uint_t type,
    ngx_k8s_node_key_t *key)
{
    u_char          *p;
    ngx_str_t       *ns, *name;
    ngx_uint_t       i;
    ngx_k8s_node_t  *node;

    node = ngx_k8s_node_find_key(store, type, key);
    if (node) {
        return node;
    }

    ns = key->namespace;
    name = key->name;

    node = ngx_alloc(sizeof(ngx_k8s_node_t) + ns->len + 1 + name->len,
                     store->log);
    if (node == NULL) {
        return NULL;
    }

    ngx_memzero(node, sizeof(ngx_k8s_node_t));

    p = (u_char *) node + sizeof(ngx_k8s_node_t);

    node->namespace.len = ns->len;
    node->namespace.data = p;
    p = ngx_cpymem(p, ns->data, ns->len);

    /* see ngx_k8s_host_shown() */

    *p++ = '*';

    node->name.len = name->len;
    node->name.data = p;
    ngx_memcpy(p, name->data, name->len);

    node->type = type;
    node->route_set = key->route_set;
    node->class = key->class;
    node->node.key = ngx_k8s_node_hash(key);

    for (i = 0; i < NGX_K8S_ROLES; i++) {
        ngx_queue_init(&node->links[i]);
    }

    ngx_rbtree_insert(&store->nodes[type], &node->node);

    return node;
}


void
ngx_k8s_node_mark(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    node->marked = 1;

    if (node->queued || !ngx_k8s_node_rows[node->type].work) {
        return;
    }

    node->queued = 1;
    ngx_queue_insert_tail(&store->dirty[node->type], &node->dirty);
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


void
ngx_k8s_node_check(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    ngx_uint_t  i;

    if (node->queued || node->pins || node->held || node->data) {
        return;
    }

    for (i = 0; i < NGX_K8S_ROLES; i++) {
        if (!ngx_queue_empty(&node->links[i])) {
            return;
        }
    }

    ngx_rbtree_delete(&store->nodes[node->type], &node->node);
    ngx_free(node);
}


void
ngx_k8s_node_pin(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    node->pins++;

    if (node->pins + node->nusers == 1) {
        ngx_k8s_node_want(store, node, 1);
    }
}


void
ngx_k8s_node_unpin(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    node->pins--;

    if (node->pins + node->nusers == 0) {
        ngx_k8s_node_want(store, node, 0);
    }
}


/*
 * What nobody names any more is not kept.  A source writes the names into JSON
 * and URLs: what no object can be called is not asked for.
 */

void
ngx_k8s_node_want(ngx_k8s_store_t *store, ngx_k8s_node_t *node,
    ngx_uint_t wanted)
{
    ngx_k8s_node_row_t  *row;

    row = &ngx_k8s_node_rows[node->type];

    if (!row->want || store->events.want == NULL
        || !ngx_k8s_object_named(&node->namespace, &node->name))
    {
        return;
    }

    store->events.want(store->events.data, row->kind, &node->namespace,
                       &node->name, wanted);

    if (!wanted) {
        store->unwanted(store, row->kind, &node->namespace, &node->name);
    }
}
