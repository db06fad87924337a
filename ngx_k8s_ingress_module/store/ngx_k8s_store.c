
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


static ngx_k8s_entry_t *ngx_k8s_entry_make(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object);
static ngx_uint_t ngx_k8s_store_unwanted(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object);
static ngx_int_t ngx_k8s_store_change(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry, ngx_k8s_object_t *object);
static void ngx_k8s_store_touch(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object);
static void ngx_k8s_store_drop(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry);
static void ngx_k8s_store_free(ngx_k8s_object_t *object,
    ngx_k8s_model_t *model);
static ngx_uint_t ngx_k8s_store_listing(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object);
static ngx_uint_t ngx_k8s_version_older(ngx_str_t *one, ngx_str_t *two);
static void ngx_k8s_store_version(ngx_k8s_object_t *object,
    ngx_str_t *version);
static ngx_k8s_sweep_t *ngx_k8s_store_sweep(ngx_k8s_store_t *store,
    ngx_uint_t kind, ngx_str_t *scope);


ngx_k8s_store_t *
ngx_k8s_store_create(ngx_k8s_class_conf_t *conf,
    ngx_k8s_store_events_t *events, ngx_log_t *log)
{
    ngx_k8s_store_t  *store;

    store = ngx_calloc(sizeof(ngx_k8s_store_t), log);
    if (store == NULL) {
        return NULL;
    }

    store->conf = *conf;
    store->log = log;

    if (events) {
        store->events = *events;
    }

    store->unwanted = ngx_k8s_store_delete;

    ngx_k8s_entries_init(store);
    ngx_k8s_nodes_init(store);

    ngx_queue_init(&store->sweeps);

    return store;
}


void
ngx_k8s_store_destroy(ngx_k8s_store_t *store)
{
    ngx_uint_t          i;
    ngx_queue_t        *q;
    ngx_k8s_node_t     *node;
    ngx_k8s_sweep_t    *sweep;
    ngx_k8s_entry_t    *entry;
    ngx_rbtree_node_t  *n;

    store->events.want = NULL;

    while (!ngx_queue_empty(&store->sweeps)) {
        sweep = ngx_queue_data(ngx_queue_head(&store->sweeps),
                               ngx_k8s_sweep_t, queue);
        ngx_k8s_store_abort(store, sweep->kind, &sweep->scope);
    }

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        while (!ngx_queue_empty(&store->all[i])) {
            entry = ngx_queue_data(ngx_queue_head(&store->all[i]),
                                   ngx_k8s_entry_t, queue);
            ngx_k8s_store_drop(store, entry);
        }
    }

    while (!ngx_queue_empty(&store->changed)) {
        q = ngx_queue_head(&store->changed);
        entry = ngx_queue_data(q, ngx_k8s_entry_t, dirty);
        ngx_queue_remove(q);
        entry->queued = 0;
        ngx_k8s_entry_free(entry);
    }

    for (i = 0; i < NGX_K8S_NODES; i++) {
        while (store->nodes[i].root != &store->sentinel) {
            n = store->nodes[i].root;
            node = (ngx_k8s_node_t *) n;
            ngx_rbtree_delete(&store->nodes[i], n);
            ngx_free(node);
        }
    }

    ngx_free(store);
}


static ngx_k8s_entry_t *
ngx_k8s_entry_make(ngx_k8s_store_t *store, ngx_k8s_object_t *object)
{
    ngx_k8s_entry_t  *entry;

    entry = ngx_calloc(sizeof(ngx_k8s_entry_t), store->log);
    if (entry == NULL) {
        return NULL;
    }

    entry->kind = object->kind;
    entry->object = object;
    entry->node.key = ngx_k8s_name_hash(&object->namespace, &object->name);

    ngx_rbtree_insert(&store->objects[object->kind], &entry->node);
    ngx_queue_insert_tail(&store->all[object->kind], &entry->queue);
    store->counts[object->kind]++;

    if (ngx_k8s_kind_rows[object->kind].model) {
        ngx_rbtree_insert(&store->ages, &entry->age);
        store->states[entry->state]++;
    }

    return entry;
}


/* of some kinds only what something names is kept */

static ngx_uint_t
ngx_k8s_store_unwanted(ngx_k8s_store_t *store, ngx_k8s_object_t *object)
{
    ngx_uint_t           type;
    ngx_k8s_node_t      *node;
    ngx_k8s_node_row_t  *row;

    for (type = 0; type < NGX_K8S_NODES && store->events.want; type++) {
        row = &ngx_k8s_node_rows[type];

        if (row->want && row->kind == (ngx_int_t) object->kind) {
            node = ngx_k8s_node_find(store, type, &object->namespace,
                                     &object->name);

            return node == NULL || node->nusers + node->pins == 0;
        }
    }

    return 0;
}


ngx_int_t
ngx_k8s_store_put(ngx_k8s_store_t *store, ngx_k8s_object_t *object)
{
    ngx_k8s_entry_t   *entry;
    ngx_k8s_model_t   *model;
    ngx_k8s_object_t  *old;

    entry = ngx_k8s_entry_find(store, object->kind, &object->namespace,
                               &object->name);

    if (ngx_k8s_store_unwanted(store, object)) {
        ngx_k8s_object_free(object);
        return NGX_OK;
    }

    if (entry == NULL) {
        entry = ngx_k8s_entry_make(store, object);
        if (entry == NULL) {
            ngx_k8s_object_free(object);
            return NGX_ERROR;
        }

        entry->mark = store->mark;

        if (ngx_k8s_store_change(store, entry, object) != NGX_OK) {
            ngx_k8s_store_drop(store, entry);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    old = entry->object;
    model = entry->model;

    if (!ngx_k8s_store_listing(store, object)
        && ngx_k8s_str_eq(&old->uid, &object->uid)
        && ngx_k8s_version_older(&object->version, &old->version))
    {
        ngx_k8s_object_free(object);
        return NGX_OK;
    }

    entry->mark = store->mark;

    if (ngx_k8s_object_same(old, object)) {
        ngx_k8s_store_version(old, &object->version);
        ngx_k8s_object_free(object);
        return NGX_OK;
    }

    if (ngx_k8s_store_change(store, entry, object) != NGX_OK) {
        ngx_k8s_object_free(object);
        return NGX_ERROR;
    }

    if (old->problems && !object->problems) {
        ngx_k8s_entry_mark(store, entry);
    }

    ngx_k8s_store_free(old, model);

    return NGX_OK;
}


/* a model may be read on, and the object with it */

static void
ngx_k8s_store_free(ngx_k8s_object_t *object, ngx_k8s_model_t *model)
{
    if (model) {
        ngx_k8s_model_release(model);

    } else {
        ngx_k8s_object_free(object);
    }
}


/* makes "object" the version of an entry and marks what it touches */

static ngx_int_t
ngx_k8s_store_change(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_object_t *object)
{
    ngx_uint_t         aged;
    ngx_k8s_link_t    *links;
    ngx_k8s_attach_t   attach;

    ngx_memzero(&attach, sizeof(ngx_k8s_attach_t));

    if (ngx_k8s_attach(store, object, &attach) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_k8s_links_make(store, entry, object, &attach, &links) != NGX_OK) {
        ngx_k8s_attach_free(attach.hosts);
        return NGX_ERROR;
    }

    ngx_k8s_links_drop(store, entry->links);
    ngx_k8s_attach_free(entry->attached);

    entry->links = links;
    entry->next = links;
    entry->attached = attach.hosts;
    entry->making = 0;

    if (object->problems || entry->taken || entry->why || attach.taken
        || attach.why)
    {
        ngx_k8s_entry_mark(store, entry);
    }

    if (ngx_k8s_kind_rows[object->kind].attach) {
        ngx_k8s_entry_attached(store, entry, &attach);
    }

    entry->edited = 1;
    entry->model = attach.model;

    aged = (ngx_k8s_kind_rows[object->kind].model
            && ngx_k8s_age_cmp(entry->object, object) != 0);

    if (aged) {
        ngx_k8s_entry_age_delete(store, entry);
    }

    entry->object = object;

    if (aged) {
        ngx_rbtree_insert(&store->ages, &entry->age);
    }

    ngx_k8s_store_touch(store, object);

    return NGX_OK;
}


/* marks the nodes that an object stands behind */

static void
ngx_k8s_store_touch(ngx_k8s_store_t *store, ngx_k8s_object_t *object)
{
    ngx_str_t            none;
    ngx_uint_t           type;
    ngx_k8s_node_t      *node;
    ngx_k8s_node_row_t  *row;

    ngx_str_null(&none);

    for (type = 0; type < NGX_K8S_NODES; type++) {
        row = &ngx_k8s_node_rows[type];

        if (row->kind != (ngx_int_t) object->kind) {
            continue;
        }

        node = ngx_k8s_node_find(store, type, &object->namespace,
                                 &object->name);

        if (node && row->attach) {
            ngx_k8s_node_turn(store, node);

        } else if (node) {
            ngx_k8s_node_mark(store, node);
        }

        node = row->attach ? ngx_k8s_node_find(store, type, &none, &none)
                           : NULL;
        if (node) {
            ngx_k8s_node_turn(store, node);
        }
    }
}


void
ngx_k8s_store_delete(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *uid)
{
    ngx_k8s_entry_t  *entry;

    entry = ngx_k8s_entry_find(store, kind, ns, name);

    if (entry == NULL) {
        return;
    }

    if (uid->len && entry->object->uid.len
        && !ngx_k8s_str_eq(uid, &entry->object->uid))
    {
        return;
    }

    ngx_k8s_store_drop(store, entry);
}


static void
ngx_k8s_store_drop(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    ngx_k8s_model_t   *model;
    ngx_k8s_object_t  *object;

    object = entry->object;
    model = entry->model;

    ngx_rbtree_delete(&store->objects[entry->kind], &entry->node);
    ngx_queue_remove(&entry->queue);
    store->counts[entry->kind]--;

    if (ngx_k8s_kind_rows[entry->kind].model) {
        ngx_k8s_entry_age_delete(store, entry);
        store->states[entry->state]--;
    }

    store->stamp++;
    ngx_k8s_links_drop(store, entry->links);
    ngx_k8s_attach_free(entry->attached);
    entry->links = NULL;
    entry->next = NULL;
    entry->attached = NULL;

    /* a class that has gone takes nothing any more */
    ngx_k8s_store_touch(store, object);

    entry->object = NULL;
    entry->model = NULL;
    entry->taken = 0;
    ngx_k8s_store_free(object, model);

    if (entry->problem || entry->full || entry->silent || entry->marking) {
        ngx_k8s_entry_mark(store, entry);
    }

    if (!entry->queued) {
        ngx_k8s_entry_free(entry);
    }
}


static ngx_k8s_sweep_t *
ngx_k8s_store_sweep(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *scope)
{
    ngx_queue_t      *q;
    ngx_k8s_sweep_t  *sweep;

    for (q = ngx_queue_head(&store->sweeps);
         q != ngx_queue_sentinel(&store->sweeps);
         q = ngx_queue_next(q))
    {
        sweep = ngx_queue_data(q, ngx_k8s_sweep_t, queue);

        if (sweep->kind == kind && ngx_k8s_str_eq(&sweep->scope, scope)) {
            return sweep;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_k8s_store_listing(ngx_k8s_store_t *store, ngx_k8s_object_t *object)
{
    ngx_queue_t      *q;
    ngx_k8s_sweep_t  *sweep;

    for (q = ngx_queue_head(&store->sweeps);
         q != ngx_queue_sentinel(&store->sweeps);
         q = ngx_queue_next(q))
    {
        sweep = ngx_queue_data(q, ngx_k8s_sweep_t, queue);

        if (sweep->kind == object->kind
            && (sweep->scope.len == 0
                || ngx_k8s_str_eq(&sweep->scope, &object->namespace)))
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_k8s_store_keep(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_entry_t  *entry;

    entry = ngx_k8s_entry_find(store, kind, ns, name);

    if (entry) {
        entry->mark = store->mark;
    }
}


ngx_int_t
ngx_k8s_store_begin(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *scope)
{
    ngx_k8s_sweep_t  *sweep;

    ngx_k8s_store_abort(store, kind, scope);

    store->mark++;

    sweep = ngx_calloc(sizeof(ngx_k8s_sweep_t) + scope->len, store->log);
    if (sweep == NULL) {
        return NGX_ERROR;
    }

    sweep->kind = kind;
    sweep->mark = store->mark;
    sweep->scope.len = scope->len;
    sweep->scope.data = (u_char *) sweep + sizeof(ngx_k8s_sweep_t);
    ngx_memcpy(sweep->scope.data, scope->data, scope->len);

    ngx_queue_insert_tail(&store->sweeps, &sweep->queue);

    return NGX_OK;
}


ngx_int_t
ngx_k8s_store_end(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *scope,
    ngx_uint_t budget)
{
    ngx_queue_t      *q;
    ngx_k8s_sweep_t  *sweep;
    ngx_k8s_entry_t  *entry;

    sweep = ngx_k8s_store_sweep(store, kind, scope);

    if (sweep == NULL) {
        return NGX_OK;
    }

    if (!sweep->placed) {
        sweep->placed = 1;
        ngx_queue_insert_head(&store->all[kind], &sweep->cursor.queue);
    }

    while (budget--) {
        q = ngx_queue_next(&sweep->cursor.queue);

        if (q == ngx_queue_sentinel(&store->all[kind])) {
            ngx_k8s_store_abort(store, kind, scope);
            return NGX_OK;
        }

        ngx_queue_remove(&sweep->cursor.queue);
        ngx_queue_insert_after(q, &sweep->cursor.queue);

        entry = ngx_queue_data(q, ngx_k8s_entry_t, queue);

        if (entry->object == NULL || (int32_t) (entry->mark - sweep->mark) >= 0
            || (sweep->scope.len
                && !ngx_k8s_str_eq(&sweep->scope, &entry->object->namespace)))
        {
            continue;
        }

        ngx_k8s_store_drop(store, entry);
    }

    return NGX_AGAIN;
}


void
ngx_k8s_store_abort(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *scope)
{
    ngx_k8s_sweep_t  *sweep;

    sweep = ngx_k8s_store_sweep(store, kind, scope);

    if (sweep == NULL) {
        return;
    }

    if (sweep->placed) {
        ngx_queue_remove(&sweep->cursor.queue);
    }

    ngx_queue_remove(&sweep->queue);
    ngx_free(sweep);
}


ngx_k8s_object_t *
ngx_k8s_store_get(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_entry_t  *entry;

    entry = ngx_k8s_entry_find(store, kind, ns, name);

    return entry ? entry->object : NULL;
}


ngx_str_t *
ngx_k8s_store_config(ngx_k8s_store_t *store, ngx_str_t *ns, ngx_str_t *name,
    ngx_str_t *key)
{
    ngx_k8s_object_t  *object;

    object = ngx_k8s_store_get(store, NGX_K8S_CONFIG_MAP, ns, name);

    return object ? ngx_k8s_config_map_value((ngx_k8s_config_map_t *) object,
                                             key)
                  : NULL;
}


ngx_uint_t
ngx_k8s_store_count(ngx_k8s_store_t *store, ngx_uint_t kind)
{
    return store->counts[kind];
}


/* resource versions are decimal numbers; others are of unknown age */

static ngx_uint_t
ngx_k8s_version_older(ngx_str_t *one, ngx_str_t *two)
{
    ngx_uint_t  i;

    if (one->len == 0 || two->len == 0) {
        return 0;
    }

    for (i = 0; i < one->len; i++) {
        if (one->data[i] < '0' || one->data[i] > '9') {
            return 0;
        }
    }

    for (i = 0; i < two->len; i++) {
        if (two->data[i] < '0' || two->data[i] > '9') {
            return 0;
        }
    }

    if (one->len != two->len) {
        return one->len < two->len;
    }

    return ngx_memcmp(one->data, two->data, one->len) < 0;
}


static void
ngx_k8s_store_version(ngx_k8s_object_t *object, ngx_str_t *version)
{
    u_char  *p;

    if (version->len > object->version.len) {
        p = ngx_pnalloc(object->pool, version->len);
        if (p == NULL) {
            return;
        }

        object->version.data = p;
    }

    ngx_memcpy(object->version.data, version->data, version->len);
    object->version.len = version->len;
}
