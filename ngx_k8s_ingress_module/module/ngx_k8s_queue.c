
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What a source has fed, in order, until it is in the store.  Feeding only
 * appends; the work is done in slices.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_watcher.h>


#define NGX_K8S_QUEUE_PARSE          16384  /* bytes between two looks at the
                                               clock */
#define NGX_K8S_QUEUE_DELETE         64     /* objects, the same */
#define NGX_K8S_QUEUE_JSON           1024   /* weight of a parsed document */


static ngx_int_t ngx_k8s_queue_item(ngx_k8s_watcher_t *w,
    ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_queue_text(ngx_k8s_watcher_t *w,
    ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_queue_json(ngx_k8s_watcher_t *w,
    ngx_k8s_item_t *item);
static void ngx_k8s_queue_put(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item,
    ngx_k8s_object_t *object);
static void ngx_k8s_queue_refuse(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item,
    ngx_k8s_problem_t *problem);
static void ngx_k8s_queue_delete(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_queue_identity(ngx_k8s_feed_t *feed,
    ngx_k8s_identity_t *id);
static ngx_int_t ngx_k8s_queue_member(json_t *json, char *name, u_char *buf,
    size_t size, ngx_str_t *s);
static void ngx_k8s_queue_item_free(ngx_k8s_watcher_t *w,
    ngx_k8s_item_t *item);


void
ngx_k8s_queue_feed(void *data, ngx_k8s_feed_t *feed)
{
    ngx_k8s_watcher_t *w = data;

    u_char          *p;
    ngx_k8s_item_t  *item;

    item = ngx_alloc(sizeof(ngx_k8s_item_t) + feed->scope.len
                     + feed->origin.len, w->log);

    if (item == NULL) {

        if (feed->text) {
            ngx_free(feed->text);
        }

        if (feed->json) {
            json_decref(feed->json);
        }

        return;
    }

    item->feed = *feed;
    item->weight = feed->text ? feed->len : NGX_K8S_QUEUE_JSON;

    p = (u_char *) item + sizeof(ngx_k8s_item_t);

    item->feed.scope.data = p;
    p = ngx_cpymem(p, feed->scope.data, feed->scope.len);

    item->feed.origin.data = p;
    ngx_memcpy(p, feed->origin.data, feed->origin.len);

    w->backlog += item->weight;

    ngx_queue_insert_tail(&w->items, &item->queue);

    ngx_k8s_watcher_post(w);
}


size_t
ngx_k8s_queue_backlog(void *data)
{
    ngx_k8s_watcher_t *w = data;

    return w->backlog;
}


ngx_int_t
ngx_k8s_queue_run(ngx_k8s_watcher_t *w, uint64_t until)
{
    ngx_queue_t     *q;
    ngx_k8s_item_t  *item;

    while (!ngx_queue_empty(&w->items)) {

        q = ngx_queue_head(&w->items);
        item = ngx_queue_data(q, ngx_k8s_item_t, queue);

        if (ngx_k8s_queue_item(w, item) != NGX_AGAIN) {
            ngx_queue_remove(q);
            ngx_k8s_queue_item_free(w, item);
        }

        if (ngx_k8s_watcher_usec() >= until) {
            return ngx_queue_empty(&w->items) ? NGX_OK : NGX_AGAIN;
        }
    }

    return NGX_OK;
}


void
ngx_k8s_queue_free(ngx_k8s_watcher_t *w)
{
    ngx_queue_t     *q;
    ngx_k8s_item_t  *item;

    if (w->parsing) {
        ngx_k8s_parser_cancel(&w->parser);
        w->parsing = 0;
    }

    while (!ngx_queue_empty(&w->items)) {
        q = ngx_queue_head(&w->items);
        ngx_queue_remove(q);

        item = ngx_queue_data(q, ngx_k8s_item_t, queue);
        ngx_k8s_queue_item_free(w, item);
    }
}


static void
ngx_k8s_queue_item_free(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item)
{
    w->backlog -= item->weight;

    if (item->feed.text) {

        if (item->feed.kind == NGX_K8S_SECRET) {
            ngx_explicit_memzero(item->feed.text, item->feed.len);
        }

        ngx_free(item->feed.text);
    }

    if (item->feed.json) {
        json_decref(item->feed.json);
    }

    ngx_free(item);
}


/* NGX_AGAIN: there is more to do for this item */

static ngx_int_t
ngx_k8s_queue_item(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item)
{
    ngx_k8s_feed_t  *feed;

    feed = &item->feed;

    if (feed->kind >= NGX_K8S_KINDS) {
        return NGX_OK;
    }

    switch (feed->op) {

    case NGX_K8S_FEED_BEGIN:
        ngx_k8s_store_begin(w->store, feed->kind, &feed->scope);
        return NGX_OK;

    case NGX_K8S_FEED_OBJECT:
        return feed->text ? ngx_k8s_queue_text(w, item)
                          : ngx_k8s_queue_json(w, item);

    case NGX_K8S_FEED_DELETE:
        ngx_k8s_queue_delete(w, item);
        return NGX_OK;

    case NGX_K8S_FEED_END:

        if (ngx_k8s_store_end(w->store, feed->kind, &feed->scope,
                              NGX_K8S_QUEUE_DELETE)
            == NGX_AGAIN)
        {
            return NGX_AGAIN;
        }

        ngx_k8s_sync_listed(w, feed->kind, &feed->scope);
        return NGX_OK;

    default: /* NGX_K8S_FEED_ABORT */
        ngx_k8s_store_abort(w->store, feed->kind, &feed->scope);
        return NGX_OK;
    }
}


static ngx_int_t
ngx_k8s_queue_text(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item)
{
    ngx_int_t        rc;
    ngx_k8s_feed_t  *feed;

    feed = &item->feed;

    if (!w->parsing) {

        rc = ngx_k8s_parser_init(&w->parser, feed->kind, feed->text, feed->len,
                                 w->log);

        if (rc == NGX_DECLINED) {
            ngx_k8s_queue_refuse(w, item, &w->parser.problem);
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            goto failed;
        }

        w->parsing = 1;
    }

    rc = ngx_k8s_parser_run(&w->parser, NGX_K8S_QUEUE_PARSE);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    w->parsing = 0;

    if (rc == NGX_OK) {
        ngx_k8s_queue_put(w, item, w->parser.object);
        w->parser.object = NULL;

    } else if (rc == NGX_DECLINED) {
        ngx_k8s_queue_refuse(w, item, &w->parser.problem);
    }

    ngx_k8s_parser_cancel(&w->parser);

    if (rc != NGX_ERROR) {
        return NGX_OK;
    }

failed:

    ngx_log_error(NGX_LOG_CRIT, w->log, 0,
                  "%V: no memory for an object of %uz bytes, it is left out",
                  &w->block->zone_name, feed->len);

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_queue_json(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item)
{
    ngx_pool_t         *pool;
    ngx_k8s_object_t   *object;
    ngx_k8s_problem_t   problem;

    if (item->feed.json == NULL) {
        return NGX_OK;
    }

    pool = ngx_create_pool(1024, w->log);
    if (pool == NULL) {
        return NGX_OK;
    }

    ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));

    object = ngx_k8s_object_from_json(item->feed.kind, item->feed.json, pool,
                                      &problem, w->log);

    if (object) {
        ngx_k8s_queue_put(w, item, object);

    } else {
        ngx_k8s_queue_refuse(w, item, &problem);
    }

    ngx_destroy_pool(pool);

    return NGX_OK;
}


static void
ngx_k8s_queue_put(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item,
    ngx_k8s_object_t *object)
{
    ngx_str_t        ns, name;
    ngx_uint_t       kind;
    ngx_k8s_feed_t  *feed;

    feed = &item->feed;
    kind = object->kind;

    if (feed->origin.len) {
        object->origin.data = ngx_pstrdup(object->pool, &feed->origin);

        if (object->origin.data == NULL) {
            ngx_k8s_object_free(object);
            return;
        }

        object->origin.len = feed->origin.len;
        object->document = feed->document;
    }

    ns = object->namespace;
    name = object->name;

    ngx_k8s_refused_end(w, &ngx_k8s_kinds[kind].name, &ns, &name);
    ngx_k8s_sync_came(w, kind, &ns, &name);

    /* the object is the store's from now on, or has been freed */

    if (ngx_k8s_store_put(w->store, object) != NGX_OK) {
        ngx_log_error(NGX_LOG_CRIT, w->log, 0,
                      "%V: no memory to keep an object, it is left out",
                      &w->block->zone_name);
        return;
    }

    w->sync_changed = 1;
}


/* the last good version stays in the store */

static void
ngx_k8s_queue_refuse(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item,
    ngx_k8s_problem_t *problem)
{
    ngx_str_t            kind, empty;
    ngx_k8s_feed_t      *feed;
    ngx_k8s_identity_t   id;

    feed = &item->feed;
    kind = ngx_k8s_kinds[feed->kind].name;

    if (ngx_k8s_queue_identity(feed, &id) == NGX_OK) {

        ngx_log_error(NGX_LOG_WARN, w->log, 0,
                      "%V: %V \"%V/%V\" is refused: %V",
                      &w->block->zone_name, &kind, &id.ns, &id.name,
                      &problem->message);

        ngx_k8s_store_keep(w->store, feed->kind, &id.ns, &id.name);
        ngx_k8s_refused_add(w, &kind, &id.ns, &id.name, problem);
        ngx_k8s_sync_came(w, feed->kind, &id.ns, &id.name);

        return;
    }

    ngx_log_error(NGX_LOG_WARN, w->log, 0,
                  "%V: a nameless %V%s%V is refused: %V",
                  &w->block->zone_name, &kind, feed->origin.len ? " in " : "",
                  &feed->origin, &problem->message);

    if (feed->origin.len) {
        ngx_str_set(&kind, "File");
        ngx_str_null(&empty);
        ngx_k8s_refused_add(w, &kind, &empty, &feed->origin, problem);
    }
}


static void
ngx_k8s_queue_delete(ngx_k8s_watcher_t *w, ngx_k8s_item_t *item)
{
    ngx_k8s_feed_t      *feed;
    ngx_k8s_identity_t   id;

    feed = &item->feed;

    if (ngx_k8s_queue_identity(feed, &id) != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, w->log, 0,
                      "%V: a deleted %V without a name",
                      &w->block->zone_name, &ngx_k8s_kinds[feed->kind].name);
        return;
    }

    ngx_k8s_refused_end(w, &ngx_k8s_kinds[feed->kind].name, &id.ns, &id.name);
    ngx_k8s_sync_came(w, feed->kind, &id.ns, &id.name);

    ngx_k8s_store_delete(w->store, feed->kind, &id.ns, &id.name, &id.uid);

    w->sync_changed = 1;
}


/* names of what was fed; NGX_DECLINED when it has no usable ones */

static ngx_int_t
ngx_k8s_queue_identity(ngx_k8s_feed_t *feed, ngx_k8s_identity_t *id)
{
    json_t     *root, *metadata;
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   s;

    root = NULL;

    if (feed->text) {

        if (ngx_k8s_json_member(feed->text, feed->text + feed->len, "metadata",
                                &s)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        root = json_loadb((char *) s.data, s.len, 0, NULL);
        metadata = root;

    } else {
        metadata = json_object_get(feed->json, "metadata");
    }

    p = id->buf;

    if (ngx_k8s_queue_member(metadata, "namespace", p, 64, &id->ns) != NGX_OK
        || ngx_k8s_queue_member(metadata, "name", p + 64, 256, &id->name)
           != NGX_OK
        || ngx_k8s_queue_member(metadata, "uid", p + 320, 128, &id->uid)
           != NGX_OK
        || id->name.len == 0)
    {
        rc = NGX_DECLINED;

    } else {
        rc = NGX_OK;
    }

    json_decref(root);

    return rc;
}


/* a string of an object, empty when there is none */

static ngx_int_t
ngx_k8s_queue_member(json_t *json, char *name, u_char *buf, size_t size,
    ngx_str_t *s)
{
    json_t  *value;

    s->data = buf;
    s->len = 0;

    value = json_object_get(json, name);

    if (value == NULL || json_is_null(value)) {
        return NGX_OK;
    }

    if (!json_is_string(value) || json_string_length(value) > size) {
        return NGX_DECLINED;
    }

    s->len = json_string_length(value);
    ngx_memcpy(buf, json_string_value(value), s->len);

    return NGX_OK;
}
