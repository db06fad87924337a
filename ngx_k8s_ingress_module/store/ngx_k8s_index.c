
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Nodes: what objects name, and whom a change of it is of concern to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>
#include <ngx_k8s_tree.h>


static void ngx_k8s_node_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_node_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static ngx_k8s_node_t *ngx_k8s_node_look(ngx_k8s_store_t *store,
    ngx_k8s_node_t *key);
static ngx_k8s_node_t *ngx_k8s_node_make(ngx_k8s_store_t *store,
    ngx_k8s_node_t *key);
static ngx_uint_t ngx_k8s_node_wants(ngx_k8s_store_t *store,
    ngx_k8s_node_t *node);
static void ngx_k8s_node_key(ngx_k8s_node_t *key, ngx_uint_t type,
    ngx_str_t *ns, ngx_str_t *name);
static void ngx_k8s_node_host_key(ngx_k8s_node_t *key, uint32_t route_set,
    ngx_uint_t class, ngx_str_t *name);


/* kind; work, parts, attach, want */

ngx_k8s_node_row_t  ngx_k8s_node_rows[NGX_K8S_NODES] = {
    { -1,                     1, 0, 0, 0 },   /* NGX_K8S_NODE_HOST */
    { NGX_K8S_SERVICE,        1, 1, 0, 0 },   /* NGX_K8S_NODE_SERVICE */
    { NGX_K8S_SECRET,         1, 0, 0, 1 },   /* NGX_K8S_NODE_SECRET */
    { NGX_K8S_INGRESS_CLASS,  0, 0, 1, 0 },   /* NGX_K8S_NODE_CLASS */
    { -1,                     1, 0, 0, 0 },   /* NGX_K8S_NODE_NAMESPACE */
    { NGX_K8S_NAMESPACE,      0, 0, 1, 0 },   /* NGX_K8S_NODE_LABELS */
    { NGX_K8S_CONFIG_MAP,     1, 1, 0, 1 }    /* NGX_K8S_NODE_CONFIG */
};


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
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_node_cmp);
}


/* a host by set, class and name, others by namespace and name */

static ngx_int_t
ngx_k8s_node_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    ngx_k8s_node_t  *n, *t;

    n = (ngx_k8s_node_t *) one;
    t = (ngx_k8s_node_t *) two;

    if (n->route_set != t->route_set) {
        return (n->route_set < t->route_set) ? -1 : 1;
    }

    if (n->class != t->class) {
        return (n->class < t->class) ? -1 : 1;
    }

    return ngx_k8s_name_cmp(&n->namespace, &n->name, &t->namespace, &t->name);
}


/* the node with this key, NULL: there is none */

static ngx_k8s_node_t *
ngx_k8s_node_look(ngx_k8s_store_t *store, ngx_k8s_node_t *key)
{
    return (ngx_k8s_node_t *) ngx_k8s_tree_find(&store->nodes[key->type],
                                                &key->node, ngx_k8s_node_cmp);
}


ngx_k8s_node_t *
ngx_k8s_node_find(ngx_k8s_store_t *store, ngx_uint_t type, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_node_t  key;

    ngx_k8s_node_key(&key, type, ns, name);

    return ngx_k8s_node_look(store, &key);
}


ngx_k8s_node_t *
ngx_k8s_node_host_find(ngx_k8s_store_t *store, uint32_t route_set,
    ngx_uint_t class, ngx_str_t *name)
{
    ngx_k8s_node_t  key;

    ngx_k8s_node_host_key(&key, route_set, class, name);

    return ngx_k8s_node_look(store, &key);
}


ngx_k8s_node_t *
ngx_k8s_node_get(ngx_k8s_store_t *store, ngx_uint_t type, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_node_t  key;

    ngx_k8s_node_key(&key, type, ns, name);

    return ngx_k8s_node_make(store, &key);
}


ngx_k8s_node_t *
ngx_k8s_node_host_get(ngx_k8s_store_t *store, uint32_t route_set,
    ngx_uint_t class, ngx_str_t *name)
{
    ngx_k8s_node_t  key;

    ngx_k8s_node_host_key(&key, route_set, class, name);

    return ngx_k8s_node_make(store, &key);
}


/* as look(), and makes it where there is none; NULL: no memory */

static ngx_k8s_node_t *
ngx_k8s_node_make(ngx_k8s_store_t *store, ngx_k8s_node_t *key)
{
    u_char          *p;
    ngx_uint_t       i;
    ngx_k8s_node_t  *node;

    node = ngx_k8s_node_look(store, key);
    if (node) {
        return node;
    }

    node = ngx_alloc(sizeof(ngx_k8s_node_t) + key->namespace.len + 1
                     + key->name.len, store->log);
    if (node == NULL) {
        return NULL;
    }

    *node = *key;

    p = (u_char *) node + sizeof(ngx_k8s_node_t);

    node->namespace.data = p;
    p = ngx_cpymem(p, key->namespace.data, key->namespace.len);

    /* see ngx_k8s_host_shown() */

    *p++ = '*';

    node->name.data = p;
    ngx_memcpy(p, key->name.data, key->name.len);

    node->answered = !ngx_k8s_node_wants(store, node);

    for (i = 0; i < NGX_K8S_ROLES; i++) {
        ngx_queue_init(&node->links[i]);
    }

    ngx_rbtree_insert(&store->nodes[node->type], &node->node);

    return node;
}


/* a node as it is at first, but for its links; its names are the caller's */

static void
ngx_k8s_node_key(ngx_k8s_node_t *key, ngx_uint_t type, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_memzero(key, sizeof(ngx_k8s_node_t));

    key->type = type;
    key->namespace = *ns;
    key->name = *name;
    key->node.key = ngx_k8s_name_hash(ns, name);
}


static void
ngx_k8s_node_host_key(ngx_k8s_node_t *key, uint32_t route_set,
    ngx_uint_t class, ngx_str_t *name)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    ngx_k8s_node_key(key, NGX_K8S_NODE_HOST, &none, name);

    key->route_set = route_set;
    key->class = class;
    key->node.key ^= (uint32_t) ((class << 24 | route_set) * 0x9e3779b1);
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


ngx_int_t
ngx_k8s_node_named(ngx_k8s_row_t *row)
{
    if (row->flags & NGX_K8S_ROW_HEADERS) {
        return NGX_K8S_NODE_CONFIG;
    }

    return (row->flags & NGX_K8S_ROW_SECRET) ? NGX_K8S_NODE_SECRET : -1;
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

    if (node->waits) {
        ngx_queue_remove(&node->wait);
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

    if (!ngx_k8s_node_wants(store, node)) {
        return;
    }

    row = &ngx_k8s_node_rows[node->type];

    store->events.want(store->events.data, row->kind, &node->namespace,
                       &node->name, wanted);

    if (!wanted) {

        if (node->asked && !node->late) {
            ngx_queue_remove(&node->ask);
        }

        node->answered = 0;
        node->asked = 0;
        node->late = 0;
        store->unwanted(store, row->kind, &node->namespace, &node->name);
    }
}


static ngx_uint_t
ngx_k8s_node_wants(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    return ngx_k8s_node_rows[node->type].want && store->events.want
           && ngx_k8s_object_named(&node->namespace, &node->name);
}


ngx_k8s_node_t *
ngx_k8s_node_answer(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_uint_t           type;
    ngx_k8s_node_t      *node;
    ngx_k8s_node_row_t  *row;

    for (type = 0; type < NGX_K8S_NODES; type++) {
        row = &ngx_k8s_node_rows[type];

        if (!row->want || row->kind != (ngx_int_t) kind) {
            continue;
        }

        node = ngx_k8s_node_find(store, type, ns, name);

        if (node && !node->answered) {
            node->answered = 1;
            ngx_k8s_node_mark(store, node);

            return node;
        }
    }

    return NULL;
}
