
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


static ngx_k8s_entry_t *ngx_k8s_entry_make(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object);
static ngx_uint_t ngx_k8s_store_meant(ngx_k8s_store_t *store,
    ngx_str_t *name);
static ngx_uint_t ngx_k8s_store_unwanted(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object);
static void ngx_k8s_store_answer(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);
static ngx_int_t ngx_k8s_store_change(ngx_k8s_store_t *store);
static ngx_int_t ngx_k8s_store_finish(ngx_k8s_store_t *store);
static ngx_int_t ngx_k8s_store_drop(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry);
static void ngx_k8s_store_forget(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);
static ngx_uint_t ngx_k8s_store_listing(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object);
static ngx_uint_t ngx_k8s_version_older(ngx_str_t *one, ngx_str_t *two);
static void ngx_k8s_store_same(ngx_k8s_object_t *old,
    ngx_k8s_object_t *object);
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

    store->unwanted = ngx_k8s_store_forget;

    ngx_k8s_entries_init(store);
    ngx_k8s_nodes_init(store);
    ngx_k8s_reported_init(store);

    ngx_queue_init(&store->sweeps);
    ngx_queue_init(&store->freed);

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
    store->events.report = NULL;

    ngx_k8s_reported_unplace(store);

    if (ngx_k8s_store_finish(store) != NGX_OK) {
        ngx_k8s_change_cancel(store);
    }

    while (!ngx_queue_empty(&store->sweeps)) {
        sweep = ngx_queue_data(ngx_queue_head(&store->sweeps),
                               ngx_k8s_sweep_t, queue);
        ngx_k8s_store_abort(store, sweep->kind, &sweep->scope);
    }

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        while (!ngx_queue_empty(&store->all[i])) {
            entry = ngx_queue_data(ngx_queue_head(&store->all[i]),
                                   ngx_k8s_entry_t, queue);

            (void) ngx_k8s_store_drop(store, entry);
            (void) ngx_k8s_store_finish(store);
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

    while (ngx_k8s_objects_free(&store->freed, NGX_MAX_INT32_VALUE)
           == NGX_AGAIN)
    {
        /* void */
    }

    if (store->words) {
        ngx_free(store->words);
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
    entry->fresh = 1;
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


/* whether a ConfigMap of that name is likely to be meant for the controller */

static ngx_uint_t
ngx_k8s_store_meant(ngx_k8s_store_t *store, ngx_str_t *name)
{
    ngx_str_t  ns, own;

    if (store->conf.config_map.len == 0) {
        return ngx_k8s_name_config(name);
    }

    ngx_k8s_object_split(&store->conf.config_map, &ns, &own);

    return ngx_k8s_str_eq(&own, name);
}


/* of some kinds only what something names is kept, and what something seems to
   have been meant to name */

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

            return (node == NULL || node->nusers + node->pins == 0)
                   && !(object->kind == NGX_K8S_CONFIG_MAP
                        && ngx_k8s_store_meant(store, &object->name));
        }
    }

    return 0;
}


/* it is known now whether it is there, which models of a class wait for */

static void
ngx_k8s_store_answer(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_node_t  *node;

    node = ngx_k8s_node_answer(store, kind, ns, name);

    if (node && node->type == NGX_K8S_NODE_CONFIG) {
        ngx_k8s_classes_turn(store, node);
    }
}


/* another version comes; NGX_AGAIN: work() goes on with it */

ngx_int_t
ngx_k8s_store_put(ngx_k8s_store_t *store, ngx_k8s_object_t *object)
{
    ngx_k8s_entry_t   *entry;
    ngx_k8s_object_t  *old;

    object->freed = &store->freed;

    if (ngx_k8s_store_finish(store) != NGX_OK) {
        ngx_k8s_object_free(object);
        return NGX_ERROR;
    }

    entry = ngx_k8s_entry_find(store, object->kind, &object->namespace,
                               &object->name);

    if (ngx_k8s_store_unwanted(store, object)) {
        ngx_k8s_object_free(object);
        return NGX_OK;
    }

    ngx_k8s_store_answer(store, object->kind, &object->namespace,
                         &object->name);

    if (entry == NULL) {
        entry = ngx_k8s_entry_make(store, object);
        if (entry == NULL) {
            ngx_k8s_object_free(object);
            return NGX_ERROR;
        }

    } else {
        old = entry->object;

        if (!ngx_k8s_store_listing(store, object)
            && ngx_k8s_str_eq(&old->uid, &object->uid)
            && ngx_k8s_version_older(&object->version, &old->version))
        {
            ngx_k8s_object_free(object);
            return NGX_OK;
        }

        if (ngx_k8s_object_same(old, object)) {
            entry->mark = store->mark;
            entry->sent = 0;
            ngx_k8s_store_same(old, object);
            ngx_k8s_entry_report(store, entry);
            ngx_k8s_object_free(object);
            return NGX_OK;
        }
    }

    entry->mark = store->mark;

    ngx_k8s_change_begin(store, entry, object);

    return ngx_k8s_store_change(store);
}


/* a change that cannot be made for lack of memory is given up */

static ngx_int_t
ngx_k8s_store_change(ngx_k8s_store_t *store)
{
    ngx_int_t  rc;

    rc = ngx_k8s_change_piece(store);

    if (rc == NGX_ERROR) {
        ngx_k8s_change_cancel(store);
    }

    return rc;
}


/* for a caller that does not call work() until it is done */

static ngx_int_t
ngx_k8s_store_finish(ngx_k8s_store_t *store)
{
    while (store->change.entry) {
        if (ngx_k8s_change_piece(store) == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_store_work(ngx_k8s_store_t *store)
{
    ngx_int_t  rc;

    /* a walk meets what a change has linked */

    if (store->change.entry == NULL) {

        if (ngx_k8s_nodes_walk(store) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        return ngx_k8s_objects_free(&store->freed, NGX_K8S_CHANGE_PIECE);
    }

    /* one that is shown already, or settle() has begun, is tried again */

    if (ngx_k8s_change_shown(store)) {
        rc = ngx_k8s_change_piece(store);
        return (rc == NGX_ERROR) ? NGX_DECLINED : rc;
    }

    return ngx_k8s_store_change(store);
}


ngx_uint_t
ngx_k8s_store_busy(ngx_k8s_store_t *store)
{
    return store->change.entry || !ngx_queue_empty(&store->freed)
           || ngx_k8s_nodes_walking(store);
}


ngx_int_t
ngx_k8s_store_delete(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *uid)
{
    ngx_k8s_entry_t  *entry;

    if (ngx_k8s_store_finish(store) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_k8s_store_answer(store, kind, ns, name);

    entry = ngx_k8s_entry_find(store, kind, ns, name);

    if (entry == NULL) {
        return NGX_OK;
    }

    if (uid->len && entry->object->uid.len
        && !ngx_k8s_str_eq(uid, &entry->object->uid))
    {
        return NGX_OK;
    }

    return ngx_k8s_store_drop(store, entry);
}


static ngx_int_t
ngx_k8s_store_drop(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    ngx_k8s_change_begin(store, entry, NULL);

    return ngx_k8s_change_piece(store);
}


/* in the midst of a change; such objects link nothing */

static void
ngx_k8s_store_forget(ngx_k8s_store_t *store, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_entry_t  *entry;

    entry = ngx_k8s_entry_find(store, kind, ns, name);

    if (entry) {
        ngx_k8s_entry_gone(store, entry);
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

    /* of a ConfigMap without a last version it is not known what it says */

    if (entry || kind != NGX_K8S_CONFIG_MAP) {
        ngx_k8s_store_answer(store, kind, ns, name);
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

    while (budget) {

        if (store->change.entry) {

            if (ngx_k8s_change_step(store, &budget) != NGX_OK) {
                return NGX_AGAIN;
            }

            continue;
        }

        budget--;

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

        ngx_k8s_change_begin(store, entry, NULL);
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


/* nothing is asked for anew; the status may be another one */

static void
ngx_k8s_store_same(ngx_k8s_object_t *old, ngx_k8s_object_t *object)
{
    u_char     *p;
    ngx_str_t  *version;

    ngx_memcpy(old->status, object->status, NGX_K8S_DIGEST);

    version = &object->version;

    if (version->len > old->version.len) {
        p = ngx_pnalloc(old->pool, version->len);
        if (p == NULL) {
            return;
        }

        old->version.data = p;
    }

    ngx_memcpy(old->version.data, version->data, version->len);
    old->version.len = version->len;
}
