
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_queue.h>
#include <ngx_k8s_clock.h>
#include <ngx_k8s_index.h>


#define NGX_K8S_QUEUE_WRITE          256    /* elements written at once */
#define NGX_K8S_QUEUE_PARSE          16384  /* bytes between two looks at the
                                               clock */
#define NGX_K8S_QUEUE_DELETE         64     /* objects and links, the same */


/* one allocation, with scope and origin behind it */

typedef struct {
    ngx_queue_t              queue;
    ngx_k8s_feed_t           feed;
} ngx_k8s_queue_item_t;


/* names taken from an object that is not parsed */

typedef struct {
    ngx_str_t                ns;
    ngx_str_t                name;
    ngx_str_t                uid;
    u_char                   buf[64 + 256 + 128];
} ngx_k8s_identity_t;


/* why an object cannot be had, with the room for its remedy */

typedef struct {
    ngx_k8s_problem_t        problem;
    u_char                   remedy[256];
} ngx_k8s_queue_reason_t;


static void ngx_k8s_queue_lose(ngx_k8s_queue_t *q, ngx_uint_t kind);
static ngx_int_t ngx_k8s_queue_item(ngx_k8s_queue_t *q,
    ngx_k8s_queue_item_t *item);
static ngx_int_t ngx_k8s_queue_object(ngx_k8s_queue_t *q,
    ngx_k8s_feed_t *feed);
static ngx_int_t ngx_k8s_queue_put(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed,
    ngx_k8s_object_t *object);
static ngx_int_t ngx_k8s_queue_stored(ngx_k8s_queue_t *q,
    ngx_k8s_feed_t *feed, ngx_int_t rc);
static void ngx_k8s_queue_problem(ngx_k8s_feed_t *feed,
    ngx_k8s_queue_reason_t *reason);
static void ngx_k8s_queue_keep(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed,
    ngx_k8s_parser_t *parser, ngx_k8s_problem_t *problem);
static ngx_int_t ngx_k8s_queue_write(ngx_k8s_queue_t *q);
static void ngx_k8s_queue_written(ngx_k8s_queue_t *q,
    ngx_k8s_object_t *object, u_char **text);
static void ngx_k8s_queue_last(ngx_k8s_queue_t *q, ngx_uint_t kind,
    ngx_k8s_identity_t *id);
static void ngx_k8s_queue_secret(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed,
    ngx_k8s_identity_t *id);
static ngx_int_t ngx_k8s_queue_delete(ngx_k8s_queue_t *q,
    ngx_k8s_feed_t *feed);
static ngx_int_t ngx_k8s_queue_identity(ngx_k8s_feed_t *feed,
    ngx_k8s_identity_t *id);
static ngx_int_t ngx_k8s_queue_member(ngx_str_t *object, char *name,
    u_char *buf, size_t size, ngx_str_t *s);
static void ngx_k8s_queue_text_free(ngx_k8s_feed_t *feed);
static void ngx_k8s_queue_item_free(ngx_k8s_queue_t *q,
    ngx_k8s_queue_item_t *item);


void
ngx_k8s_queue_init(ngx_k8s_queue_t *q, ngx_k8s_queue_events_t *events,
    ngx_k8s_store_t *store, ngx_str_t *name, ngx_log_t *log)
{
    ngx_memzero(q, sizeof(ngx_k8s_queue_t));

    q->events = events;
    q->store = store;
    q->name = *name;
    q->log = log;

    ngx_queue_init(&q->items);
}


void
ngx_k8s_queue_feed(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed)
{
    u_char                *p;
    ngx_queue_t           *after;
    ngx_k8s_queue_item_t  *item;

    if (feed->op == NGX_K8S_FEED_LOST) {
        ngx_k8s_queue_lose(q, feed->kind);
        return;
    }

    item = ngx_alloc(sizeof(ngx_k8s_queue_item_t) + feed->scope.len
                     + feed->origin.len, q->log);

    if (item == NULL) {
        ngx_k8s_queue_text_free(feed);
        ngx_k8s_queue_lose(q, feed->kind);
        return;
    }

    item->feed = *feed;

    if (feed->op == NGX_K8S_FEED_END && (q->lost & (1 << feed->kind))) {
        item->feed.op = NGX_K8S_FEED_ABORT;
    }

    p = (u_char *) item + sizeof(ngx_k8s_queue_item_t);

    item->feed.scope.data = p;
    p = ngx_cpymem(p, feed->scope.data, feed->scope.len);

    item->feed.origin.data = p;
    ngx_memcpy(p, feed->origin.data, feed->origin.len);

    q->backlog += feed->len;
    q->nitems[feed->kind]++;

    /* what is recalled stands before the end of the list that asks for it */

    after = feed->recalled ? ngx_queue_head(&q->items)
                           : ngx_queue_last(&q->items);

    ngx_queue_insert_after(after, &item->queue);

    q->events->post(q->events->data);
}


/* a list that was fed so far may lack what has been lost */

static void
ngx_k8s_queue_lose(ngx_k8s_queue_t *q, ngx_uint_t kind)
{
    ngx_queue_t           *next;
    ngx_k8s_queue_item_t  *item;

    q->lost |= 1 << kind;

    for (next = ngx_queue_head(&q->items);
         next != ngx_queue_sentinel(&q->items);
         next = ngx_queue_next(next))
    {
        item = ngx_queue_data(next, ngx_k8s_queue_item_t, queue);

        if (item->feed.kind == kind && item->feed.op == NGX_K8S_FEED_END) {
            item->feed.op = NGX_K8S_FEED_ABORT;
        }
    }

    q->events->post(q->events->data);
}


/* an item is done when all that it has begun in the store is */

ngx_int_t
ngx_k8s_queue_run(ngx_k8s_queue_t *q, uint64_t until)
{
    ngx_int_t              rc;
    ngx_queue_t           *first;
    ngx_k8s_queue_item_t  *item;

    for ( ;; ) {
        rc = ngx_k8s_store_work(q->store);

        if (rc == NGX_DECLINED) {
            return NGX_ERROR;
        }

        if (rc != NGX_AGAIN) {

            if (ngx_queue_empty(&q->items)) {
                return NGX_OK;
            }

            first = ngx_queue_head(&q->items);
            item = ngx_queue_data(first, ngx_k8s_queue_item_t, queue);

            if (q->storing) {
                ngx_k8s_queue_stored(q, &item->feed, rc);

            } else {

                if (q->writing.object == NULL) {
                    rc = ngx_k8s_queue_item(q, item);
                }

                if (rc != NGX_AGAIN && q->writing.object) {
                    rc = ngx_k8s_queue_write(q);
                }
            }

            if (rc != NGX_AGAIN) {
                ngx_k8s_queue_item_free(q, item);
            }
        }

        if (ngx_k8s_usec() >= until) {
            return (ngx_queue_empty(&q->items) && !ngx_k8s_store_busy(q->store))
                   ? NGX_OK : NGX_AGAIN;
        }
    }
}


void
ngx_k8s_queue_done(ngx_k8s_queue_t *q)
{
    ngx_queue_t  *first;

    if (q->parsing) {
        ngx_k8s_parser_cancel(&q->parser);
        q->parsing = 0;
    }

    while (!ngx_queue_empty(&q->items)) {
        first = ngx_queue_head(&q->items);
        ngx_k8s_queue_item_free(q, ngx_queue_data(first, ngx_k8s_queue_item_t,
                                                  queue));
    }

    ngx_k8s_write_end(&q->writing);

    q->lost = 0;
    q->storing = 0;
}


static void
ngx_k8s_queue_item_free(ngx_k8s_queue_t *q, ngx_k8s_queue_item_t *item)
{
    ngx_queue_remove(&item->queue);

    q->backlog -= item->feed.len;
    q->nitems[item->feed.kind]--;

    ngx_k8s_queue_text_free(&item->feed);
    ngx_free(item);
}


static void
ngx_k8s_queue_text_free(ngx_k8s_feed_t *feed)
{
    if (feed->text == NULL) {
        return;
    }

    if (ngx_k8s_kinds[feed->kind].secret) {
        ngx_explicit_memzero(feed->text, feed->len);
    }

    ngx_free(feed->text);
}


/* NGX_AGAIN: there is more to do for this item */

static ngx_int_t
ngx_k8s_queue_item(ngx_k8s_queue_t *q, ngx_k8s_queue_item_t *item)
{
    ngx_k8s_feed_t          *feed;
    ngx_k8s_queue_reason_t   reason;

    feed = &item->feed;

    switch (feed->op) {

    case NGX_K8S_FEED_BEGIN:

        q->events->listed(q->events->data, feed->kind, &feed->scope, 0);

        if (ngx_k8s_store_begin(q->store, feed->kind, &feed->scope) != NGX_OK) {
            ngx_k8s_queue_lose(q, feed->kind);
        }

        return NGX_OK;

    case NGX_K8S_FEED_OBJECT:
        return ngx_k8s_queue_object(q, feed);

    case NGX_K8S_FEED_KEEP:
        ngx_k8s_queue_problem(feed, &reason);
        ngx_k8s_queue_keep(q, feed, NULL, &reason.problem);
        return NGX_OK;

    case NGX_K8S_FEED_DELETE:
        return ngx_k8s_queue_delete(q, feed);

    case NGX_K8S_FEED_END:

        if (ngx_k8s_store_end(q->store, feed->kind, &feed->scope,
                              NGX_K8S_QUEUE_DELETE)
            == NGX_AGAIN)
        {
            return NGX_AGAIN;
        }

        q->events->listed(q->events->data, feed->kind, &feed->scope, 1);
        return NGX_OK;

    default: /* NGX_K8S_FEED_ABORT */
        ngx_k8s_store_abort(q->store, feed->kind, &feed->scope);
        return NGX_OK;
    }
}


static ngx_int_t
ngx_k8s_queue_object(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    if (!q->parsing) {
        rc = ngx_k8s_parser_init(&q->parser, feed->kind, feed->text, feed->len,
                                 q->log);
    }

    if (rc == NGX_OK) {
        rc = ngx_k8s_parser_run(&q->parser, NGX_K8S_QUEUE_PARSE);
    }

    q->parsing = (rc == NGX_AGAIN);

    switch (rc) {

    case NGX_AGAIN:
        return NGX_AGAIN;

    case NGX_OK:
        rc = ngx_k8s_queue_put(q, feed, q->parser.object);
        q->parser.object = NULL;
        break;

    case NGX_DECLINED:
        ngx_k8s_queue_keep(q, feed, &q->parser, &q->parser.problem);
        break;

    default: /* NGX_ERROR */
        ngx_k8s_queue_lose(q, feed->kind);
    }

    ngx_k8s_parser_cancel(&q->parser);

    return rc;
}


static ngx_int_t
ngx_k8s_queue_put(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed,
    ngx_k8s_object_t *object)
{
    u_char      *text;
    ngx_str_t   *kind;
    ngx_uint_t   kept;

    kind = &ngx_k8s_kinds[object->kind].name;
    kept = feed->kept;

    if (feed->origin.len) {
        object->origin.data = ngx_pstrdup(object->pool, &feed->origin);

        if (object->origin.data == NULL) {
            ngx_k8s_object_free(object);
            ngx_k8s_queue_lose(q, feed->kind);
            return NGX_OK;
        }

        object->origin.len = feed->origin.len;
        object->document = feed->document;
    }

    object->kept = (feed->kept && ngx_k8s_kinds[object->kind].secret);

    /* what was said of one that is recalled stays */

    if (!kept || (feed->origin.len && !feed->recalled)) {
        q->events->refused(q->events->data, kind, &object->namespace,
                           &object->name, NULL);
    }

    /* of a server a successor may have no right to read them, or no answer */

    if (object->kind == NGX_K8S_INGRESS_CLASS && feed->origin.len == 0) {
        text = ngx_k8s_object_write(object);
        ngx_k8s_queue_written(q, object, &text);
        free(text);

    } else {

        if (feed->origin.len == 0
            && ngx_k8s_store_guards(q->store, object->kind,
                                    &object->namespace, &object->name))
        {
            kept = 1;
        }

        q->events->kept(q->events->data, object->kind, &object->namespace,
                        &object->name, kept ? feed : NULL);
    }

    /* the object is the store's from now on, or has been freed */

    return ngx_k8s_queue_stored(q, feed, ngx_k8s_store_put(q->store, object));
}


/* what the store says to a change: NGX_AGAIN: it is not done yet */

static ngx_int_t
ngx_k8s_queue_stored(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed, ngx_int_t rc)
{
    q->storing = (rc == NGX_AGAIN);

    if (rc == NGX_ERROR) {
        ngx_k8s_queue_lose(q, feed->kind);

    } else if (rc == NGX_OK) {
        q->events->changed(q->events->data);
    }

    return rc;
}


/* why an object cannot be had as it is now */

static void
ngx_k8s_queue_problem(ngx_k8s_feed_t *feed, ngx_k8s_queue_reason_t *reason)
{
    u_char              *p, *last;
    ngx_k8s_kind_t      *kind;
    ngx_k8s_problem_t   *problem;
    ngx_k8s_identity_t   id;

    kind = &ngx_k8s_kinds[feed->kind];
    problem = &reason->problem;

    ngx_memzero(problem, sizeof(ngx_k8s_problem_t));
    problem->code = feed->code;

    if (feed->code == NGX_K8S_PROBLEM_FILE_INVALID) {
        ngx_str_set(&problem->message, "no file has it any more, but one that "
                                       "cannot be read may: what it said last "
                                       "holds");
        return;
    }

    if (feed->code != NGX_K8S_PROBLEM_OBJECT_FORBIDDEN) {
        ngx_str_set(&problem->message, "the object is larger than "
                                       "\"object_max\" and left out");
        return;
    }

    ngx_str_set(&problem->message, "the API server does not allow the object "
                                   "to be read");

    if (ngx_k8s_queue_identity(feed, &id) != NGX_OK) {
        return;
    }

    p = reason->remedy;
    last = p + sizeof(reason->remedy);

    problem->remedy.data = p;
    problem->remedy.len = ngx_slprintf(p, last, "Add the rule {apiGroups: "
                                       "[\"%V\"], resources: [%V], verbs: "
                                       "[get, list, watch]} to a Role of the "
                                       "namespace \"%V\" that nginx's "
                                       "ServiceAccount is bound to.",
                                       &kind->group, &kind->plural, &id.ns)
                          - p;
}


/* the last good version stays in the store; parser: which may know the names
   of what it has refused, or NULL */

static void
ngx_k8s_queue_keep(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed,
    ngx_k8s_parser_t *parser, ngx_k8s_problem_t *problem)
{
    ngx_int_t            rc;
    ngx_str_t            kind, empty;
    ngx_k8s_identity_t   id;

    kind = ngx_k8s_kinds[feed->kind].name;

    if (parser && parser->name.len) {
        id.ns = parser->namespace;
        id.name = parser->name;
        rc = NGX_OK;

    } else {
        rc = ngx_k8s_queue_identity(feed, &id);
    }

    if (rc == NGX_ERROR) {
        ngx_k8s_queue_lose(q, feed->kind);
        return;
    }

    if (rc == NGX_OK) {

        ngx_k8s_store_keep(q->store, feed->kind, &id.ns, &id.name);

        /* what may not be read, and never was, is as if it was not there;
           keys of a ConfigMap may protect, so of one nothing is known */

        if (problem->code == NGX_K8S_PROBLEM_OBJECT_FORBIDDEN
            && feed->kind != NGX_K8S_CONFIG_MAP
            && ngx_k8s_store_get(q->store, feed->kind, &id.ns, &id.name)
               == NULL)
        {
            ngx_str_null(&empty);
            (void) ngx_k8s_store_delete(q->store, feed->kind, &id.ns, &id.name,
                                        &empty);
        }

        q->events->refused(q->events->data, &kind, &id.ns, &id.name, problem);

        if (ngx_k8s_kinds[feed->kind].secret) {
            ngx_k8s_queue_secret(q, feed, &id);

        } else if (!feed->recalled) {
            ngx_k8s_queue_last(q, feed->kind, &id);
        }

        return;
    }

    ngx_log_error(NGX_LOG_WARN, q->log, 0,
                  "%V: a nameless %V%s%V is refused: %V", &q->name, &kind,
                  feed->origin.len ? " in " : "", &feed->origin,
                  &problem->message);

    if (feed->origin.len) {
        ngx_str_set(&kind, "File");
        ngx_str_null(&empty);
        q->events->refused(q->events->data, &kind, &empty, &feed->origin,
                           problem);
        return;
    }

    /* it may be any: the list that goes on withdraws nothing */

    ngx_k8s_store_abort(q->store, feed->kind, &feed->scope);
}


/*
 * The version that is in the store is to outlive this watcher.  It is written
 * once, however often a worse one comes.
 */

static void
ngx_k8s_queue_last(ngx_k8s_queue_t *q, ngx_uint_t kind, ngx_k8s_identity_t *id)
{
    ngx_k8s_object_t  *object;

    object = ngx_k8s_store_get(q->store, kind, &id->ns, &id->name);

    if (object == NULL) {
        q->events->recall(q->events->data, kind, &id->ns, &id->name);

    } else if (!q->events->is_kept(q->events->data, kind, &id->ns, &id->name)) {
        ngx_k8s_write_begin(&q->writing, object);
    }
}


/* a piece of it: the object is there as long as nothing else is worked on */

static ngx_int_t
ngx_k8s_queue_write(ngx_k8s_queue_t *q)
{
    ngx_int_t          rc;
    ngx_k8s_object_t  *object;

    object = q->writing.object;

    rc = ngx_k8s_write_run(&q->writing, NGX_K8S_QUEUE_WRITE);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ngx_k8s_queue_written(q, object, &q->writing.text);

    ngx_k8s_write_end(&q->writing);

    return NGX_OK;
}


static void
ngx_k8s_queue_written(ngx_k8s_queue_t *q, ngx_k8s_object_t *object,
    u_char **text)
{
    ngx_k8s_feed_t  feed;

    if (*text == NULL) {
        ngx_k8s_queue_lose(q, object->kind);
        return;
    }

    ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));

    feed.op = NGX_K8S_FEED_OBJECT;
    feed.kind = object->kind;
    feed.origin = object->origin;
    feed.document = object->document;
    feed.text = *text;
    feed.len = ngx_strlen(*text);

    q->events->kept(q->events->data, object->kind, &object->namespace,
                    &object->name, &feed);

    *text = feed.text;
}


/*
 * A Secret whose content cannot be had is there all the same, without any: the
 * certificate that a predecessor has made of it goes on.
 */

static void
ngx_k8s_queue_secret(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed,
    ngx_k8s_identity_t *id)
{
    json_t             *json;
    ngx_pool_t         *pool;
    ngx_k8s_object_t   *object;
    ngx_k8s_problem_t   problem;

    if (ngx_k8s_store_get(q->store, feed->kind, &id->ns, &id->name)) {
        return;
    }

    object = NULL;
    pool = ngx_create_pool(512, q->log);

    json = json_pack("{s:{s:s%, s:s%}}", "metadata",
                     "namespace", id->ns.data, id->ns.len,
                     "name", id->name.data, id->name.len);

    if (pool && json) {
        object = ngx_k8s_object_from_json(feed->kind, json, pool, &problem,
                                          q->log);
    }

    if (object) {
        object->kept = 1;
    }

    if (object == NULL || ngx_k8s_store_put(q->store, object) != NGX_OK) {
        ngx_k8s_queue_lose(q, feed->kind);
    }

    json_decref(json);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


/* what may not be read is as if it was not there, and that is said; of a
   ConfigMap it is kept what was known */

static ngx_int_t
ngx_k8s_queue_delete(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed)
{
    ngx_uint_t               forbidden;
    ngx_k8s_identity_t       id;
    ngx_k8s_queue_reason_t   reason;

    if (ngx_k8s_queue_identity(feed, &id) != NGX_OK) {
        ngx_k8s_queue_lose(q, feed->kind);
        return NGX_OK;
    }

    ngx_k8s_queue_problem(feed, &reason);

    forbidden = (feed->code == NGX_K8S_PROBLEM_OBJECT_FORBIDDEN);

    if (forbidden && feed->kind == NGX_K8S_CONFIG_MAP) {
        ngx_k8s_queue_keep(q, feed, NULL, &reason.problem);
        return NGX_OK;
    }

    q->events->refused(q->events->data, &ngx_k8s_kinds[feed->kind].name,
                       &id.ns, &id.name, forbidden ? &reason.problem : NULL);
    q->events->kept(q->events->data, feed->kind, &id.ns, &id.name, NULL);

    return ngx_k8s_queue_stored(q, feed,
                                ngx_k8s_store_delete(q->store, feed->kind,
                                                     &id.ns, &id.name,
                                                     &id.uid));
}


/* names of what was fed; NGX_DECLINED when it has no usable ones, NGX_ERROR
   without memory */

static ngx_int_t
ngx_k8s_queue_identity(ngx_k8s_feed_t *feed, ngx_k8s_identity_t *id)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   metadata;

    if (ngx_k8s_json_member(feed->text, feed->text + feed->len, "metadata",
                            &metadata)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    p = id->buf;

    rc = ngx_k8s_queue_member(&metadata, "namespace", p, 64, &id->ns);

    if (rc == NGX_OK) {
        rc = ngx_k8s_queue_member(&metadata, "name", p + 64, 256, &id->name);
    }

    if (rc == NGX_OK) {
        rc = ngx_k8s_queue_member(&metadata, "uid", p + 320, 128, &id->uid);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return id->name.len ? NGX_OK : NGX_DECLINED;
}


/* a string of an object, empty when there is none; errors as above */

static ngx_int_t
ngx_k8s_queue_member(ngx_str_t *object, char *name, u_char *buf, size_t size,
    ngx_str_t *s)
{
    size_t         len;
    json_t        *value;
    ngx_int_t      rc;
    ngx_str_t      text;
    json_error_t   error;

    s->data = buf;
    s->len = 0;

    rc = ngx_k8s_json_member(object->data, object->data + object->len, name,
                             &text);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_DECLINED;
    }

    /* a byte of it is written in six at most */

    if (text.len > 6 * size + 2) {
        return NGX_DECLINED;
    }

    value = json_loadb((char *) text.data, text.len,
                       JSON_DECODE_ANY|JSON_ALLOW_NUL, &error);

    if (value == NULL) {
        return ngx_k8s_json_no_memory(&error, text.data, text.len)
               ? NGX_ERROR : NGX_DECLINED;
    }

    rc = NGX_OK;
    len = json_string_length(value);

    if (json_is_string(value) && len <= size) {
        s->len = len;
        ngx_memcpy(buf, json_string_value(value), len);

    } else if (!json_is_null(value)) {
        rc = NGX_DECLINED;
    }

    json_decref(value);

    return rc;
}
