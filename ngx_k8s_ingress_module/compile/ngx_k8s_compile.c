
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is marked, in the order in which it settles with the least work:
 * Secrets before the hosts that use them, hosts before problems, removals
 * last.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_clock.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_table_set.h>


#define NGX_K8S_COMPILE_POOL   16384
#define NGX_K8S_COMPILE_WALK   256    /* objects in one item of work */
#define NGX_K8S_COMPILE_AGES   1024   /* certificates */


/* a type of node; free: of what is kept on it, when all ends */

typedef struct {
    ngx_uint_t               type;       /* NGX_K8S_NODE_* */
    ngx_int_t              (*compile)(ngx_k8s_compile_t *c,
                                ngx_k8s_node_t *node);
    void                   (*free)(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
} ngx_k8s_compile_node_t;


static void ngx_k8s_compile_unqueue(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_defaults(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_pin(ngx_k8s_compile_t *c, ngx_uint_t type,
    ngx_str_t *value, ngx_k8s_node_t **node);
static ngx_int_t ngx_k8s_compile_start(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_ages(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_step(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_node(ngx_k8s_compile_t *c,
    ngx_k8s_compile_node_t *row, ngx_k8s_node_t *node);
static ngx_int_t ngx_k8s_compile_walk(ngx_k8s_compile_t *c);


/* in the order of work */

static ngx_k8s_compile_node_t  ngx_k8s_compile_nodes[] = {

    { NGX_K8S_NODE_CONFIG,
      ngx_k8s_compile_config,
      ngx_k8s_compile_named_free },

    { NGX_K8S_NODE_SECRET,
      ngx_k8s_compile_secret,
      ngx_k8s_compile_secret_free },

    { NGX_K8S_NODE_SERVICE,
      ngx_k8s_compile_service,
      ngx_k8s_compile_service_free },

    { NGX_K8S_NODE_NAMESPACE,
      ngx_k8s_compile_namespace,
      ngx_k8s_compile_namespace_free },

    { NGX_K8S_NODE_HOST,
      ngx_k8s_compile_host,
      ngx_k8s_compile_host_free },

    { 0, NULL, NULL }
};


ngx_k8s_compile_t *
ngx_k8s_compile_create(ngx_k8s_compile_conf_t *conf, ngx_k8s_store_t *store,
    ngx_k8s_writer_t *writer, ngx_log_t *log)
{
    ngx_k8s_compile_t  *c;

    c = ngx_calloc(sizeof(ngx_k8s_compile_t), log);
    if (c == NULL) {
        return NULL;
    }

    c->conf = *conf;
    c->store = store;
    c->writer = writer;
    c->table = ngx_k8s_writer_table(writer);
    c->log = log;
    c->slice = NGX_K8S_SLICE;
    c->now = ngx_time();

    if (c->conf.problems == 0) {
        c->conf.problems = NGX_K8S_PROBLEM_RECORDS;
    }

    ngx_rbtree_init(&c->shares, &c->sentinel, ngx_str_rbtree_insert_value);

    store->unlink = ngx_k8s_compile_unlink;

    ngx_k8s_compile_policies_init(c);
    ngx_k8s_exprs_init(c);
    ngx_rbtree_init(&c->left, &c->left_sentinel, ngx_k8s_compile_left_insert);
    c->passed = NGX_K8S_NEVER;

    ngx_queue_init(&c->unsaid);
    ngx_queue_init(&c->doomed);
    ngx_queue_init(&c->lent);
    ngx_queue_init(&c->relent);
    ngx_queue_init(&c->asked);
    ngx_queue_init(&c->told);
    ngx_queue_init(&c->marking);
    ngx_queue_init(&c->spent);
    ngx_queue_init(&c->shed);
    ngx_queue_init(&c->roomless);
    ngx_queue_init(&c->tried);
    ngx_queue_init(&c->extras);

    if (ngx_k8s_builder_init(&c->builder, log) != NGX_OK) {
        ngx_free(c);
        return NULL;
    }

    c->pool = ngx_create_pool(NGX_K8S_COMPILE_POOL, log);
    c->saying.pool = ngx_create_pool(NGX_K8S_COMPILE_POOL, log);

    if (c->pool == NULL || c->saying.pool == NULL
        || ngx_k8s_compile_defaults(c) != NGX_OK) {
        ngx_k8s_compile_destroy(c);
        return NULL;
    }

    return c;
}


/* pins what the configuration names */

static ngx_int_t
ngx_k8s_compile_defaults(ngx_k8s_compile_t *c)
{
    u_char     *p, *last, *slash, *colon;
    ngx_str_t   none, *value;

    ngx_str_null(&none);

    c->root = ngx_k8s_node_host_get(c->store, 0, NGX_K8S_CLASS_HTTP, &none);
    if (c->root == NULL) {
        return NGX_ERROR;
    }

    ngx_k8s_node_pin(c->store, c->root);
    ngx_k8s_node_mark(c->store, c->root);

    if (ngx_k8s_compile_pin(c, NGX_K8S_NODE_SECRET,
                            &c->conf.default_certificate, &c->secret)
        != NGX_OK
        || ngx_k8s_compile_pin(c, NGX_K8S_NODE_CONFIG, &c->conf.config_map,
                               &c->config)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    value = &c->conf.default_backend;
    p = value->data;
    last = p + value->len;
    slash = value->len ? ngx_strlchr(p, last, '/') : NULL;

    if (slash) {
        c->default_namespace.data = p;
        c->default_namespace.len = slash - p;

        colon = ngx_strlchr(slash, last, ':');

        c->default_service.data = slash + 1;
        c->default_service.len = (colon ? colon : last) - slash - 1;

        if (colon) {
            c->default_port.data = colon + 1;
            c->default_port.len = last - colon - 1;
        }
    }

    return NGX_OK;
}


/* what "namespace/name" of a directive names; NULL when it is empty */

static ngx_int_t
ngx_k8s_compile_pin(ngx_k8s_compile_t *c, ngx_uint_t type, ngx_str_t *value,
    ngx_k8s_node_t **node)
{
    u_char     *last, *slash;
    ngx_str_t   ns, name;

    if (value->len == 0) {
        return NGX_OK;
    }

    last = value->data + value->len;
    slash = ngx_strlchr(value->data, last, '/');

    ns.data = value->data;
    ns.len = slash - ns.data;
    name.data = slash + 1;
    name.len = last - name.data;

    *node = ngx_k8s_node_get(c->store, type, &ns, &name);
    if (*node == NULL) {
        return NGX_ERROR;
    }

    ngx_k8s_node_pin(c->store, *node);
    ngx_k8s_node_mark(c->store, *node);

    return NGX_OK;
}


void
ngx_k8s_compile_destroy(ngx_k8s_compile_t *c)
{
    ngx_rbtree_t            *tree;
    ngx_k8s_node_t          *node;
    ngx_k8s_store_t         *store;
    ngx_rbtree_node_t       *n;
    ngx_k8s_compile_node_t  *row;

    store = c->store;

    ngx_k8s_compile_unqueue(c);

    for (row = ngx_k8s_compile_nodes; row->compile; row++) {
        tree = &store->nodes[row->type];

        if (tree->root == &store->sentinel) {
            continue;
        }

        for (n = ngx_rbtree_min(tree->root, &store->sentinel);
             n;
             n = ngx_rbtree_next(tree, n))
        {
            node = (ngx_k8s_node_t *) n;

            if (node->data == NULL) {
                continue;
            }

            row->free(c, node);
        }
    }

    if (c->serving) {
        ngx_k8s_serving_free(c->serving);
    }

    ngx_k8s_compile_config_free(c);
    ngx_k8s_compile_policies_free(c);
    ngx_k8s_exprs_free(c);
    ngx_k8s_compile_shares_free(c);
    ngx_k8s_builder_done(&c->builder);

    if (c->rules) {
        ngx_free(c->rules);
    }

    if (c->saying.pool) {
        ngx_destroy_pool(c->saying.pool);
    }

    if (c->pool) {
        ngx_destroy_pool(c->pool);
    }

    store->unlink = NULL;

    ngx_free(c);
}


static void
ngx_k8s_compile_unqueue(ngx_k8s_compile_t *c)
{
    ngx_queue_t      *q;
    ngx_k8s_left_t   *left;
    ngx_k8s_node_t   *node;
    ngx_k8s_shed_t   *shed;
    ngx_k8s_extra_t  *extra;
    ngx_k8s_entry_t  *entry;

    while (c->left.root != &c->left_sentinel) {
        left = (ngx_k8s_left_t *) c->left.root;
        ngx_k8s_compile_unleave(c, left->entry);
    }

    while (!ngx_queue_empty(&c->unsaid)) {
        q = ngx_queue_head(&c->unsaid);
        entry = ngx_queue_data(q, ngx_k8s_entry_t, unsaid);
        ngx_queue_remove(q);
        entry->silent = 0;
    }

    while (!ngx_queue_empty(&c->asked)) {
        q = ngx_queue_head(&c->asked);
        node = ngx_queue_data(q, ngx_k8s_node_t, ask);
        ngx_queue_remove(q);
        node->asked = 0;
    }

    while (!ngx_queue_empty(&c->told)) {
        q = ngx_queue_head(&c->told);
        ngx_k8s_compile_told(c, ngx_queue_data(q, ngx_k8s_node_t, told));
    }

    while (!ngx_queue_empty(&c->marking)) {
        q = ngx_queue_head(&c->marking);
        entry = ngx_queue_data(q, ngx_k8s_entry_t, hosts);
        ngx_queue_remove(q);
        entry->marking = 0;
    }

    while (!ngx_queue_empty(&c->spent)) {
        q = ngx_queue_head(&c->spent);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_k8s_spent_t, queue));
    }

    ngx_queue_add(&c->roomless, &c->tried);

    while (!ngx_queue_empty(&c->roomless)) {
        q = ngx_queue_head(&c->roomless);
        ngx_queue_remove(q);
        node = ngx_queue_data(q, ngx_k8s_node_t, wait);
        node->waits = 0;
    }

    while (!ngx_queue_empty(&c->shed)) {
        q = ngx_queue_head(&c->shed);
        shed = ngx_queue_data(q, ngx_k8s_shed_t, queue);
        ngx_queue_remove(q);
        ngx_free(shed->shards);
        ngx_free(shed);
    }

    while (!ngx_queue_empty(&c->extras)) {
        q = ngx_queue_head(&c->extras);
        extra = ngx_queue_data(q, ngx_k8s_extra_t, queue);
        ngx_queue_remove(q);
        ngx_free(extra);
    }
}


void
ngx_k8s_compile_synced(ngx_k8s_compile_t *c)
{
    c->synced = 1;
}


void
ngx_k8s_compile_clock(ngx_k8s_compile_t *c, time_t now)
{
    c->now = now;

    if (c->certified) {
        (void) ngx_k8s_compile_default_certificate(c);
    }

    c->aging = 1;
    c->age = 0;
}


/* looks at the dates of certificates, some at a time */

static ngx_int_t
ngx_k8s_compile_ages(ngx_k8s_compile_t *c)
{
    ngx_uint_t          n;
    ngx_k8s_node_t     *node;
    ngx_rbtree_t       *tree;
    ngx_rbtree_node_t  *next;

    tree = &c->store->nodes[NGX_K8S_NODE_SECRET];
    node = ngx_k8s_node_from(c->store, NGX_K8S_NODE_SECRET, c->age);

    for (n = 0; node; n++) {

        /* those of one key together */

        if (n >= NGX_K8S_COMPILE_AGES && node->node.key >= c->age) {
            c->age = node->node.key;
            return NGX_OK;
        }

        ngx_k8s_compile_secret_age(c, node);

        c->age = (uint64_t) node->node.key + 1;

        next = ngx_rbtree_next(tree, &node->node);
        node = (ngx_k8s_node_t *) next;
    }

    c->aging = 0;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_compile_run(ngx_k8s_compile_t *c, ngx_uint_t usec)
{
    uint64_t   end;
    ngx_int_t  rc;

    if (!c->synced) {
        return NGX_OK;
    }

    end = ngx_k8s_usec() + usec;

    do {
        rc = ngx_k8s_compile_step(c);

        ngx_reset_pool(c->pool);

    } while (rc == NGX_OK && ngx_k8s_usec() < end);

    /* until all was looked at once those of a predecessor stay */

    if (c->swept) {
        ngx_k8s_table_set_states(c->table, c->store->states, NGX_K8S_STATES);
    }

    switch (rc) {

    case NGX_OK:
        return NGX_AGAIN;

    case NGX_DONE:
        return NGX_OK;

    default: /* NGX_ERROR */
        return NGX_ERROR;
    }
}


/* one item of work: NGX_OK, NGX_DONE when nothing is left, NGX_ERROR */

static ngx_int_t
ngx_k8s_compile_step(ngx_k8s_compile_t *c)
{
    ngx_int_t                rc;
    ngx_queue_t             *q;
    ngx_k8s_node_t          *node;
    ngx_k8s_store_t         *store;
    ngx_k8s_entry_t         *entry;
    ngx_k8s_compile_node_t  *row;

    store = c->store;

    c->budget = NGX_K8S_BUDGET * c->slice;
    c->builds = NGX_K8S_BUILDS;

    rc = ngx_k8s_store_settle(store, 1);

    if (rc != NGX_OK) {
        return (rc == NGX_AGAIN) ? NGX_OK : NGX_ERROR;
    }

    if (!c->started) {
        return ngx_k8s_compile_start(c);
    }

    if (ngx_k8s_compile_marks(c) == NGX_OK
        || ngx_k8s_compile_shed(c) == NGX_OK
        || ngx_k8s_compile_spent(c) == NGX_OK)
    {
        return NGX_OK;
    }

    if (c->walking) {
        return ngx_k8s_compile_walk(c);
    }

    for (row = ngx_k8s_compile_nodes; row->compile; row++) {
        if (!ngx_queue_empty(&store->dirty[row->type])) {
            q = ngx_queue_head(&store->dirty[row->type]);
            node = ngx_queue_data(q, ngx_k8s_node_t, dirty);
            return ngx_k8s_compile_node(c, row, node);
        }
    }

    if (ngx_k8s_compile_unstick(c) == NGX_OK
        || ngx_k8s_compile_admit(c) == NGX_OK
        || ngx_k8s_compile_exprs(c) == NGX_OK
        || ngx_k8s_compile_alias_lent(c) == NGX_OK
        || ngx_k8s_compile_doomed(c) == NGX_OK)
    {
        return NGX_OK;
    }

    if (c->aging) {
        return ngx_k8s_compile_ages(c);
    }

    if (!ngx_queue_empty(&store->changed)) {
        q = ngx_queue_head(&store->changed);
        entry = ngx_queue_data(q, ngx_k8s_entry_t, dirty);
        return ngx_k8s_compile_entry(c, entry);
    }

    if (ngx_k8s_compile_unsaid(c) == NGX_OK) {
        return NGX_OK;
    }

    if (!c->swept) {
        return ngx_k8s_compile_sweep(c);
    }

    return NGX_DONE;
}


/* a node leaves its queue when its work is done; others come in between */

static ngx_int_t
ngx_k8s_compile_node(ngx_k8s_compile_t *c, ngx_k8s_compile_node_t *row,
    ngx_k8s_node_t *node)
{
    ngx_int_t  rc;

    ngx_queue_remove(&node->dirty);
    node->queued = 0;

    rc = row->compile(c, node);

    if (rc != NGX_OK) {
        ngx_k8s_compile_resume(c, node);
        return (rc == NGX_AGAIN) ? NGX_OK : NGX_ERROR;
    }

    ngx_k8s_node_check(c->store, node);

    return NGX_OK;
}


/*
 * All hosts once, those of the oldest Ingresses first, so that in a zone that
 * is too small the youngest are left out.  In slices: there may be very many.
 */

static ngx_int_t
ngx_k8s_compile_start(ngx_k8s_compile_t *c)
{
    ngx_int_t         budget;
    ngx_k8s_link_t   *link;
    ngx_k8s_node_t   *node;
    ngx_k8s_entry_t  *entry;
    ngx_k8s_store_t  *store;

    store = c->store;

    if (!c->certified) {
        c->certified = 1;
        store->walk = ngx_k8s_entry_oldest(store);

        return ngx_k8s_compile_default_certificate(c);
    }

    /* nothing else goes through an entry's links so far; the store sets
       entry->next with each change of them */

    for (budget = c->slice; store->walk && budget > 0; budget--) {
        entry = store->walk;
        link = entry->next;

        if (link == NULL) {
            store->walk = ngx_k8s_entry_younger(store, entry);
            continue;
        }

        entry->next = link->next;
        node = link->node;

        if (node->type == NGX_K8S_NODE_HOST && node->queued && !node->ordered)
        {
            ngx_queue_remove(&node->dirty);
            ngx_queue_insert_tail(&store->dirty[NGX_K8S_NODE_HOST],
                                  &node->dirty);
            node->ordered = 1;
        }
    }

    c->started = (store->walk == NULL);

    return NGX_OK;
}


/* says anew what is wrong with all that routes, some at a time */

static ngx_int_t
ngx_k8s_compile_walk(ngx_k8s_compile_t *c)
{
    ngx_uint_t        n;
    ngx_k8s_store_t  *store;

    store = c->store;

    for (n = 0; store->walk && n < NGX_K8S_COMPILE_WALK; n++) {
        ngx_k8s_entry_mark(store, store->walk);
        store->walk = ngx_k8s_entry_younger(store, store->walk);
    }

    c->walking = (store->walk != NULL);

    return NGX_OK;
}
