
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A change of an entry, in pieces: its model, its links, then what is seen of
 * it.  However large the object is, a piece is small.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


/* of a model that is made anew */
#define NGX_K8S_CHANGE_POOL  2048


static ngx_int_t ngx_k8s_change_attach(ngx_k8s_store_t *store,
    ngx_uint_t *next);
static ngx_int_t ngx_k8s_change_model(ngx_k8s_store_t *store, ngx_uint_t *n);
static void ngx_k8s_change_end(ngx_k8s_store_t *store);
static ngx_uint_t ngx_k8s_change_stale(ngx_k8s_store_t *store,
    ngx_k8s_model_t *model);
static void ngx_k8s_change_remade(ngx_k8s_entry_t *entry,
    ngx_k8s_model_t *model);
static void ngx_k8s_change_linked(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry, ngx_k8s_change_t *change);
static void ngx_k8s_change_version(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry, ngx_k8s_object_t *object,
    ngx_k8s_model_t *model);
static void ngx_k8s_change_touch(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object);
static void ngx_k8s_change_free(ngx_k8s_object_t *object,
    ngx_k8s_model_t *model);


void
ngx_k8s_change_begin(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_object_t *object)
{
    ngx_k8s_change_t  *change;

    change = &store->change;

    ngx_memzero(change, sizeof(ngx_k8s_change_t));

    change->entry = entry;
    change->object = object;
    change->stage = object ? NGX_K8S_CHANGE_ATTACH : NGX_K8S_CHANGE_DROP;

    change->maker.object = object;
    change->maker.gate = &store->conf.gate;

    if (object == entry->object && !ngx_k8s_change_stale(store, entry->model))
    {
        change->attach.model = entry->model;
    }

    store->stamp++;
}


ngx_int_t
ngx_k8s_change_piece(ngx_k8s_store_t *store)
{
    ngx_uint_t  n;

    n = NGX_K8S_CHANGE_PIECE;

    return ngx_k8s_change_step(store, &n);
}


ngx_int_t
ngx_k8s_change_step(ngx_k8s_store_t *store, ngx_uint_t *n)
{
    ngx_int_t          rc;
    ngx_uint_t         next;
    ngx_k8s_change_t  *change;

    change = &store->change;

    for ( ;; ) {
        next = change->stage + 1;

        switch (change->stage) {

        case NGX_K8S_CHANGE_ATTACH:
            rc = ngx_k8s_change_attach(store, &next);
            break;

        case NGX_K8S_CHANGE_MODEL:
            rc = ngx_k8s_change_model(store, n);
            next = NGX_K8S_CHANGE_ATTACH;
            break;

        case NGX_K8S_CHANGE_LINKS:
            rc = ngx_k8s_links_make(&change->links, n);
            break;

        case NGX_K8S_CHANGE_PLACE:
            rc = ngx_k8s_links_place(&change->links, n);
            break;

        case NGX_K8S_CHANGE_DROP:
            rc = ngx_k8s_links_drop(store, &change->entry->links, n);
            break;

        default: /* NGX_K8S_CHANGE_END */
            ngx_k8s_change_end(store);
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        change->stage = next;
    }
}


/* once more when its model is made, which may have been needed for it */

static ngx_int_t
ngx_k8s_change_attach(ngx_k8s_store_t *store, ngx_uint_t *next)
{
    ngx_int_t          rc;
    ngx_k8s_entry_t   *entry;
    ngx_k8s_attach_t  *attach;
    ngx_k8s_change_t  *change;

    change = &store->change;
    entry = change->entry;
    attach = &change->attach;

    rc = ngx_k8s_attach(store, change->object, attach);

    if (rc == NGX_AGAIN) {
        *next = NGX_K8S_CHANGE_MODEL;
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (change->object == entry->object && !entry->fresh
        && attach->taken == entry->taken
        && (!attach->taken
            || (attach->model == entry->model
                && ngx_k8s_attach_same(attach->hosts, entry->attached))))
    {
        ngx_k8s_attach_free(attach->hosts);
        attach->hosts = NULL;

        change->same = 1;
        *next = NGX_K8S_CHANGE_END;

        return NGX_OK;
    }

    ngx_k8s_links_begin(&change->links, store, entry, change->object, attach);
    *next = NGX_K8S_CHANGE_LINKS;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_change_model(ngx_k8s_store_t *store, ngx_uint_t *n)
{
    ngx_int_t          rc;
    ngx_uint_t         unknown;
    ngx_pool_t        *pool;
    ngx_k8s_change_t  *change;

    change = &store->change;

    if (change->maker.pool == NULL) {
        pool = change->object->pool;

        if (change->object == change->entry->object && change->entry->model) {
            pool = ngx_create_pool(NGX_K8S_CHANGE_POOL, store->log);
            if (pool == NULL) {
                return NGX_ERROR;
            }
        }

        change->maker.pool = pool;
        change->gate = store->conf.gate.stamp;
    }

    change->maker.keys = ngx_k8s_class_config(store, change->object, &unknown);
    change->maker.unknown = unknown;

    rc = ngx_k8s_kind_rows[change->entry->kind].model(&change->maker, n);

    if (rc == NGX_OK) {
        change->attach.model = change->maker.model;
        change->attach.model->gate = change->gate;
        ngx_k8s_maker_done(&change->maker);
    }

    return rc;
}


void
ngx_k8s_change_cancel(ngx_k8s_store_t *store)
{
    ngx_k8s_entry_t   *entry;
    ngx_k8s_change_t  *change;

    change = &store->change;
    entry = change->entry;

    ngx_k8s_maker_done(&change->maker);
    ngx_k8s_links_cancel(&change->links);
    ngx_k8s_attach_free(change->attach.hosts);

    change->entry = NULL;

    if (change->object != entry->object) {
        ngx_k8s_change_free(change->object, change->attach.model);
        return;
    }

    if (entry->model == NULL) {
        entry->model = change->attach.model;

    } else if (change->maker.pool && entry->model != change->attach.model) {
        ngx_destroy_pool(change->maker.pool);
    }

    if (entry->fresh) {
        ngx_k8s_entry_gone(store, entry);
    }
}


ngx_uint_t
ngx_k8s_change_shown(ngx_k8s_store_t *store)
{
    ngx_k8s_entry_t   *entry;
    ngx_k8s_change_t  *change;

    change = &store->change;
    entry = change->entry;

    return entry
           && (change->stage >= NGX_K8S_CHANGE_PLACE
               || (change->object == entry->object && !entry->fresh));
}


/* all links are as they are to be */

static void
ngx_k8s_change_end(ngx_k8s_store_t *store)
{
    ngx_k8s_entry_t   *entry;
    ngx_k8s_attach_t  *attach;
    ngx_k8s_change_t  *change;

    change = &store->change;
    entry = change->entry;
    attach = &change->attach;

    change->entry = NULL;

    if (change->object == NULL) {
        ngx_k8s_entry_gone(store, entry);
        return;
    }

    if (!change->same) {
        ngx_k8s_change_linked(store, entry, change);

    } else if (attach->why != entry->why) {
        ngx_k8s_entry_mark(store, entry);
    }

    if (ngx_k8s_kind_rows[entry->kind].attach) {
        ngx_k8s_entry_attached(store, entry, attach);
    }

    if (change->object == entry->object && !entry->fresh) {
        ngx_k8s_change_remade(entry, attach->model);

    } else {
        ngx_k8s_change_version(store, entry, change->object, attach->model);
    }

    /* the gate has changed in the midst of it */

    if (attach->taken && ngx_k8s_change_stale(store, entry->model)) {
        ngx_k8s_nodes_turn(store, NGX_K8S_NODE_CLASS);
    }
}


/* whether a model has been made by another gate */

static ngx_uint_t
ngx_k8s_change_stale(ngx_k8s_store_t *store, ngx_k8s_model_t *model)
{
    return model && model->gate != store->conf.gate.stamp;
}


/* the same object has a model, or another one */

static void
ngx_k8s_change_remade(ngx_k8s_entry_t *entry, ngx_k8s_model_t *model)
{
    ngx_k8s_model_t  *old;

    old = entry->model;

    if (model == NULL || model == old) {
        return;
    }

    entry->model = model;
    entry->edited = 1;

    if (old) {
        entry->object->refs++;
        ngx_k8s_model_release(old);
    }
}


static void
ngx_k8s_change_linked(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_change_t *change)
{
    ngx_k8s_attach_free(entry->attached);

    entry->links = change->links.placed;
    entry->next = entry->links;
    entry->attached = change->attach.hosts;
    entry->making = 0;

    if (change->object->problems || entry->taken || entry->why
        || change->attach.taken || change->attach.why
        || entry->kind == NGX_K8S_CONFIG_MAP)
    {
        ngx_k8s_entry_mark(store, entry);
    }
}


static void
ngx_k8s_change_version(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_object_t *object, ngx_k8s_model_t *model)
{
    ngx_uint_t         aged;
    ngx_k8s_model_t   *old_model;
    ngx_k8s_object_t  *old;

    old = entry->object;
    old_model = entry->model;

    aged = (ngx_k8s_kind_rows[object->kind].model
            && ngx_k8s_age_cmp(old, object) != 0);

    if (aged) {
        ngx_k8s_entry_age_delete(store, entry);
    }

    entry->object = object;
    entry->model = model;
    entry->edited = 1;
    entry->fresh = 0;
    entry->sent = 0;

    ngx_k8s_entry_report(store, entry);

    if (aged) {
        ngx_rbtree_insert(&store->ages, &entry->age);
    }

    ngx_k8s_change_touch(store, object);

    if (old == object) {
        return;
    }

    if (old->problems && !object->problems) {
        ngx_k8s_entry_mark(store, entry);
    }

    ngx_k8s_change_free(old, old_model);
}


/* marks the nodes that an object stands behind */

static void
ngx_k8s_change_touch(ngx_k8s_store_t *store, ngx_k8s_object_t *object)
{
    ngx_str_t            none;
    ngx_uint_t           type;
    ngx_k8s_node_t      *node;
    ngx_k8s_node_row_t  *row;

    ngx_str_null(&none);

    if (object->kind == NGX_K8S_INGRESS_CLASS) {
        ngx_k8s_class_changed(store, (ngx_k8s_ingress_class_t *) object);
    }

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

        if (node && type == NGX_K8S_NODE_CONFIG) {
            ngx_k8s_classes_turn(store, node);
        }

        node = row->attach ? ngx_k8s_node_find(store, type, &none, &none)
                           : NULL;
        if (node) {
            ngx_k8s_node_turn(store, node);
        }
    }
}


void
ngx_k8s_entry_gone(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
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

    /* a class that has gone takes nothing any more */
    ngx_k8s_change_touch(store, object);

    ngx_k8s_attach_free(entry->attached);
    ngx_k8s_reported_gone(entry);

    entry->next = NULL;
    entry->object = NULL;
    entry->model = NULL;
    entry->attached = NULL;
    entry->taken = 0;
    ngx_k8s_change_free(object, model);

    if (entry->problem || entry->full || entry->silent || entry->marking) {
        ngx_k8s_entry_mark(store, entry);
    }

    if (!entry->queued) {
        ngx_k8s_entry_free(entry);
    }
}


/* a model may be read on, and the object with it */

static void
ngx_k8s_change_free(ngx_k8s_object_t *object, ngx_k8s_model_t *model)
{
    if (model) {
        ngx_k8s_model_release(model);

    } else {
        ngx_k8s_object_free(object);
    }
}
