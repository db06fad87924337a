
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Of some kinds (Secrets, ConfigMaps) only name and version of all objects are
 * known, from a watch of their metadata; the content of the wanted ones is
 * fetched, again when the version changes, and fed: none is kept here.  This is
 * the one place that knows what is wanted of a server, by kind, namespace and
 * name.
 */


#include <ngx_k8s_client.h>


#define NGX_K8S_CONTENTS_PARALLEL    8
#define NGX_K8S_CONTENTS_ENVELOPE    65536
#define NGX_K8S_CONTENTS_KEY         512


typedef struct {
    ngx_uint_t               kind;
    ngx_str_t                fields;     /* fieldSelector of their watch */
    ngx_uint_t               lazy;       /* which begins with the first that is
                                            wanted: it needs no right before */
} ngx_k8s_contents_kind_t;


typedef struct {
    ngx_str_node_t           node;       /* "plural/namespace/name" */
    ngx_queue_t              queue;      /* of waiting, or denied */
    ngx_k8s_call_t          *call;
    ngx_k8s_contents_t      *contents;
    ngx_uint_t               kind;
    ngx_str_t                ns;         /* in data, as the name */
    ngx_str_t                name;
    uint32_t                 mark;       /* list in which it was seen */
    unsigned                 known:1;    /* it exists */
    unsigned                 wanted:1;
    unsigned                 waiting:1;  /* in a queue */
    unsigned                 denied:1;   /* it may not be read */
    unsigned                 fetched:1;  /* fed since it was wanted */
    unsigned                 again:1;    /* changed while it was fetched */
    size_t                   version;    /* lengths */
    size_t                   fed;
    u_char                   versions[2][NGX_K8S_VERSION_MAX];
    u_char                   data[1];
} ngx_k8s_content_t;


struct ngx_k8s_contents_s {
    ngx_k8s_client_t        *client;
    void                    *reserved[2];
    ngx_int_t                ident;      /* event ident must be after 3
                                            pointers as in ngx_connection_t */
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              waiting;
    ngx_queue_t              denied;     /* asked again by a timer */
    ngx_event_t              timer;      /* after a failure */
    ngx_event_t              again;      /* for those denied */
    ngx_uint_t               calls;      /* that run */
    ngx_uint_t               attempts;
    ngx_msec_t               failed;
    ngx_uint_t               denials;    /* as attempts, of those denied */
    ngx_msec_t               refused;
    uint32_t                 mark;
    unsigned                 trouble:1;
};


static void ngx_k8s_contents_wake(ngx_k8s_reflector_t *r);
static void ngx_k8s_contents_begin(ngx_k8s_reflector_t *r);
static void ngx_k8s_contents_object(ngx_k8s_reflector_t *r, ngx_uint_t op,
    ngx_k8s_event_t *event);
static void ngx_k8s_contents_end(ngx_k8s_reflector_t *r);
static void ngx_k8s_contents_abort(ngx_k8s_reflector_t *r);
static void ngx_k8s_contents_refused(ngx_k8s_reflector_t *r);

static ngx_k8s_content_t *ngx_k8s_contents_find(ngx_k8s_contents_t *contents,
    ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name, ngx_uint_t create);
static ngx_k8s_content_t *ngx_k8s_contents_next(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static ngx_uint_t ngx_k8s_contents_current(ngx_k8s_content_t *n);
static void ngx_k8s_contents_release(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static void ngx_k8s_contents_cancel(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static void ngx_k8s_contents_drop(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static void ngx_k8s_contents_forget(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static void ngx_k8s_contents_lost(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n, ngx_uint_t code);
static void ngx_k8s_contents_queue(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static void ngx_k8s_contents_timer(ngx_event_t *ev);
static void ngx_k8s_contents_again(ngx_event_t *ev);
static void ngx_k8s_contents_run(ngx_k8s_contents_t *contents);
static ngx_int_t ngx_k8s_contents_fetch(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static ngx_int_t ngx_k8s_contents_body(ngx_k8s_call_t *call);
static void ngx_k8s_contents_done(ngx_k8s_call_t *call);
static void ngx_k8s_contents_take(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n, ngx_k8s_call_t *call);
static void ngx_k8s_contents_keep(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n, ngx_uint_t code);
static void ngx_k8s_contents_deny(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static void ngx_k8s_contents_retry(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n, ngx_k8s_call_t *call);
static void ngx_k8s_contents_trouble(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n, ngx_k8s_call_t *call);
static void ngx_k8s_contents_answered(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static void ngx_k8s_contents_feed_name(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n, ngx_uint_t op, ngx_uint_t code);
static ngx_str_t *ngx_k8s_contents_scope(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static ngx_k8s_reflector_t *ngx_k8s_contents_reflector(
    ngx_k8s_contents_t *contents, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name);
static ngx_uint_t ngx_k8s_contents_covers(ngx_k8s_reflector_t *r,
    ngx_str_t *ns, ngx_str_t *name);


#define ngx_k8s_contents_eq(one, two)                                         \
    ((one)->len == (two)->len                                                 \
     && ngx_memcmp((one)->data, (two)->data, (one)->len) == 0)


/* releases of Helm and tokens are many, large and never referenced */

static ngx_k8s_contents_kind_t  ngx_k8s_contents_kinds[] = {
    { NGX_K8S_SECRET,
      ngx_string("type!=helm.sh/release.v1,"
                 "type!=kubernetes.io/service-account-token"),
      0 },

    { NGX_K8S_CONFIG_MAP,
      ngx_string(""),
      1 }
};


ngx_k8s_reflector_ops_t  ngx_k8s_contents_ops = {
    "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
    "application/json",
    "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
    "application/json",
    ngx_k8s_contents_begin,
    ngx_k8s_contents_object,
    ngx_k8s_contents_end,
    ngx_k8s_contents_abort,
    ngx_k8s_contents_refused
};


ngx_str_t *
ngx_k8s_contents_fields(ngx_uint_t kind, ngx_uint_t *lazy)
{
    ngx_uint_t  i, n;

    n = sizeof(ngx_k8s_contents_kinds) / sizeof(ngx_k8s_contents_kind_t);

    for (i = 0; i < n; i++) {
        if (ngx_k8s_contents_kinds[i].kind == kind) {
            *lazy = ngx_k8s_contents_kinds[i].lazy;
            return &ngx_k8s_contents_kinds[i].fields;
        }
    }

    return NULL;
}


void
ngx_k8s_contents_idle(ngx_k8s_reflector_t *r)
{
    if (r->client->missing[r->kind]) {
        ngx_k8s_contents_wake(r);
        return;
    }

    r->state = NGX_K8S_SYNC_LISTED;
    r->connected = 1;
    r->reason_len = 0;

    ngx_k8s_client_feed(r->client, NGX_K8S_FEED_END, r->kind, &r->scope, NULL,
                        0);
    ngx_k8s_client_report(r->client, r->kind);
}


ngx_k8s_contents_t *
ngx_k8s_contents_create(ngx_k8s_client_t *client)
{
    ngx_k8s_contents_t  *contents;

    contents = ngx_pcalloc(client->pool, sizeof(ngx_k8s_contents_t));
    if (contents == NULL) {
        return NULL;
    }

    contents->client = client;
    contents->ident = -1;

    ngx_rbtree_init(&contents->tree, &contents->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&contents->waiting);
    ngx_queue_init(&contents->denied);

    contents->timer.handler = ngx_k8s_contents_timer;
    contents->timer.data = contents;
    contents->timer.log = client->log;
    contents->timer.cancelable = 1;

    contents->again.handler = ngx_k8s_contents_again;
    contents->again.data = contents;
    contents->again.log = client->log;
    contents->again.cancelable = 1;

    return contents;
}


void
ngx_k8s_contents_stop(ngx_k8s_contents_t *contents)
{
    ngx_k8s_content_t  *n;

    if (contents->timer.timer_set) {
        ngx_del_timer(&contents->timer);
    }

    if (contents->again.timer_set) {
        ngx_del_timer(&contents->again);
    }

    for (n = ngx_k8s_contents_next(contents, NULL);
         n;
         n = ngx_k8s_contents_next(contents, n))
    {
        if (n->call) {
            ngx_k8s_call_cancel(n->call);
            n->call = NULL;
            contents->calls--;
        }
    }
}


void
ngx_k8s_contents_destroy(ngx_k8s_contents_t *contents)
{
    ngx_k8s_content_t  *n;

    ngx_k8s_contents_stop(contents);

    while ((n = ngx_k8s_contents_next(contents, NULL)) != NULL) {
        ngx_k8s_contents_drop(contents, n);
    }
}


void
ngx_k8s_contents_want(ngx_k8s_contents_t *contents, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t wanted)
{
    ngx_k8s_client_t     *client;
    ngx_k8s_content_t    *n;
    ngx_k8s_reflector_t  *r;

    client = contents->client;

    n = ngx_k8s_contents_find(contents, kind, ns, name, wanted);

    if (n == NULL) {

        if (wanted) {
            ngx_k8s_client_feed(client, NGX_K8S_FEED_LOST, kind, ns, NULL, 0);
        }

        return;
    }

    if (!wanted) {
        if (n->wanted && !n->fetched) {
            client->missing[kind]--;
        }

        /* what was said of it goes, too */

        if (n->fetched) {
            ngx_k8s_contents_feed_name(contents, n, NGX_K8S_FEED_DELETE, 0);
        }

        n->wanted = 0;
        n->fetched = 0;
        n->denied = 0;
        n->fed = 0;

        ngx_k8s_contents_release(contents, n);
        ngx_k8s_client_report(client, kind);
        return;
    }

    if (!n->wanted || n->fetched) {
        n->wanted = 1;
        n->fetched = 0;
        n->fed = 0;
        client->missing[kind]++;
    }

    /* as long as the first list is not complete, the answer is not known */

    if (n->known) {
        ngx_k8s_contents_queue(contents, n);

    } else {
        r = ngx_k8s_contents_reflector(contents, kind, ns, name);

        if (r && r->idle && r->state != NGX_K8S_SYNC_WAITING) {
            ngx_k8s_contents_wake(r);
        }

        if (r == NULL || r->state != NGX_K8S_SYNC_WAITING) {
            ngx_k8s_contents_lost(contents, n,
                                  (r && r->state == NGX_K8S_SYNC_REFUSED)
                                  ? NGX_K8S_PROBLEM_OBJECT_FORBIDDEN : 0);
        }
    }

    ngx_k8s_client_report(client, kind);
}


/* something that it is for is wanted */

static void
ngx_k8s_contents_wake(ngx_k8s_reflector_t *r)
{
    r->idle = 0;
    r->connected = 0;
    r->state = NGX_K8S_SYNC_WAITING;

    ngx_k8s_reflector_reason(r, "it is not listed yet");

    ngx_k8s_reflector_schedule(r, 0);
}


static void
ngx_k8s_contents_begin(ngx_k8s_reflector_t *r)
{
    r->mark = ++r->client->contents->mark;
}


static void
ngx_k8s_contents_object(ngx_k8s_reflector_t *r, ngx_uint_t op,
    ngx_k8s_event_t *event)
{
    ngx_k8s_content_t   *n;
    ngx_k8s_contents_t  *contents;

    contents = r->client->contents;

    if (event->name.len == 0
        || !ngx_k8s_contents_covers(r, &event->namespace, &event->name))
    {
        return;
    }

    n = ngx_k8s_contents_find(contents, r->kind, &event->namespace,
                              &event->name, op != NGX_K8S_FEED_DELETE);

    if (op == NGX_K8S_FEED_DELETE) {

        if (n && n->known) {
            ngx_k8s_contents_forget(contents, n);
        }

        return;
    }

    if (n == NULL) {
        ngx_k8s_client_feed(r->client, NGX_K8S_FEED_LOST, r->kind, &r->scope,
                            NULL, 0);
        return;
    }

    n->mark = r->mark;
    n->known = 1;
    n->version = event->version.len;
    ngx_memcpy(n->versions[0], event->version.data, event->version.len);

    if (n->wanted && !ngx_k8s_contents_current(n)) {
        ngx_k8s_contents_queue(contents, n);
    }
}


/* there was no BEGIN, so this withdraws nothing: each one that goes is fed */

static void
ngx_k8s_contents_end(ngx_k8s_reflector_t *r)
{
    ngx_k8s_content_t   *n, *next;
    ngx_k8s_contents_t  *contents;

    contents = r->client->contents;

    ngx_k8s_client_feed(r->client, NGX_K8S_FEED_END, r->kind, &r->scope, NULL,
                        0);

    for (n = ngx_k8s_contents_next(contents, NULL); n; n = next) {
        next = ngx_k8s_contents_next(contents, n);

        if (n->kind == r->kind
            && !(n->known && n->mark == r->mark)
            && ngx_k8s_contents_covers(r, &n->ns, &n->name))
        {
            ngx_k8s_contents_forget(contents, n);
        }
    }
}


/* what was known stays */

static void
ngx_k8s_contents_abort(ngx_k8s_reflector_t *r)
{
    /* void */
}


/* none may be read: nobody is to wait for one that was not fetched */

static void
ngx_k8s_contents_refused(ngx_k8s_reflector_t *r)
{
    ngx_k8s_content_t   *n;
    ngx_k8s_contents_t  *contents;

    contents = r->client->contents;

    if (r->client->missing[r->kind] == 0) {
        return;
    }

    for (n = ngx_k8s_contents_next(contents, NULL);
         n;
         n = ngx_k8s_contents_next(contents, n))
    {
        if (n->kind == r->kind && n->wanted && !n->fetched && !n->known
            && ngx_k8s_contents_covers(r, &n->ns, &n->name))
        {
            ngx_k8s_contents_lost(contents, n,
                                  NGX_K8S_PROBLEM_OBJECT_FORBIDDEN);
        }
    }
}


static ngx_k8s_content_t *
ngx_k8s_contents_find(ngx_k8s_contents_t *contents, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t create)
{
    size_t              len;
    u_char             *p, key[NGX_K8S_CONTENTS_KEY];
    uint32_t            hash;
    ngx_str_t           id, *plural;
    ngx_k8s_content_t  *n;

    plural = &ngx_k8s_kinds[kind].plural;
    len = plural->len + 1 + ns->len + 1 + name->len;

    if (len > NGX_K8S_CONTENTS_KEY) {
        return NULL;
    }

    (void) ngx_sprintf(key, "%V/%V/%V", plural, ns, name);
    hash = ngx_crc32_long(key, len);

    id.data = key;
    id.len = len;

    n = (ngx_k8s_content_t *) ngx_str_rbtree_lookup(&contents->tree, &id,
                                                    hash);

    if (n || !create) {
        return n;
    }

    n = ngx_calloc(offsetof(ngx_k8s_content_t, data) + len,
                   contents->client->log);
    if (n == NULL) {
        return NULL;
    }

    ngx_memcpy(n->data, key, len);

    p = n->data + plural->len + 1;

    n->ns.data = p;
    n->ns.len = ns->len;
    n->name.data = p + ns->len + 1;
    n->name.len = name->len;

    n->node.node.key = hash;
    n->node.str.data = n->data;
    n->node.str.len = len;
    n->contents = contents;
    n->kind = kind;

    ngx_rbtree_insert(&contents->tree, &n->node.node);

    return n;
}


/* the first one (n is NULL), or that after n */

static ngx_k8s_content_t *
ngx_k8s_contents_next(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    if (n) {
        return (ngx_k8s_content_t *) ngx_rbtree_next(&contents->tree,
                                                     &n->node.node);
    }

    if (contents->tree.root == &contents->sentinel) {
        return NULL;
    }

    return (ngx_k8s_content_t *) ngx_rbtree_min(contents->tree.root,
                                                &contents->sentinel);
}


/* whether what was fed is the version that exists */

static ngx_uint_t
ngx_k8s_contents_current(ngx_k8s_content_t *n)
{
    return n->fetched && n->version && n->version == n->fed
           && ngx_memcmp(n->versions[0], n->versions[1], n->fed) == 0;
}


/* frees one that nobody needs */

static void
ngx_k8s_contents_release(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    if (n->wanted) {
        return;
    }

    ngx_k8s_contents_cancel(contents, n);

    if (!n->known) {
        ngx_k8s_contents_drop(contents, n);
    }
}


/* it is not fetched any more, which makes room for one that waits */

static void
ngx_k8s_contents_cancel(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    n->again = 0;

    if (n->waiting) {
        ngx_queue_remove(&n->queue);
        n->waiting = 0;
    }

    if (n->call) {
        ngx_k8s_call_cancel(n->call);
        n->call = NULL;
        contents->calls--;

        ngx_k8s_contents_run(contents);
    }
}


static void
ngx_k8s_contents_drop(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    if (n->waiting) {
        ngx_queue_remove(&n->queue);
    }

    ngx_rbtree_delete(&contents->tree, &n->node.node);
    ngx_free(n);
}


/* the object has gone */

static void
ngx_k8s_contents_forget(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    n->known = 0;

    if (n->wanted) {
        ngx_k8s_contents_lost(contents, n, 0);
    }

    ngx_k8s_contents_release(contents, n);
}


/* a wanted one does not exist, or can't be read: that is fed as its end */

static void
ngx_k8s_contents_lost(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n,
    ngx_uint_t code)
{
    ngx_k8s_contents_cancel(contents, n);

    n->denied = 0;
    n->fed = 0;

    ngx_k8s_contents_feed_name(contents, n, NGX_K8S_FEED_DELETE, code);
    ngx_k8s_contents_answered(contents, n);
}


static void
ngx_k8s_contents_queue(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    if (n->call) {
        n->again = 1;
        return;
    }

    /* one that was denied waits elsewhere */

    if (n->waiting) {
        ngx_queue_remove(&n->queue);
    }

    n->waiting = 1;
    ngx_queue_insert_tail(&contents->waiting, &n->queue);

    ngx_k8s_contents_run(contents);
}


static void
ngx_k8s_contents_timer(ngx_event_t *ev)
{
    ngx_k8s_sink_t      *sink;
    ngx_k8s_contents_t  *contents;

    contents = ev->data;
    sink = contents->client->sink;

    sink->enter(sink->data);
    ngx_k8s_contents_run(contents);
    sink->leave(sink->data);
}


/* rights may have been given meanwhile */

static void
ngx_k8s_contents_again(ngx_event_t *ev)
{
    ngx_k8s_sink_t      *sink;
    ngx_k8s_contents_t  *contents;

    contents = ev->data;
    sink = contents->client->sink;

    if (!ngx_queue_empty(&contents->denied)) {
        ngx_queue_add(&contents->waiting, &contents->denied);
        ngx_queue_init(&contents->denied);
    }

    sink->enter(sink->data);
    ngx_k8s_contents_run(contents);
    sink->leave(sink->data);
}


static void
ngx_k8s_contents_run(ngx_k8s_contents_t *contents)
{
    ngx_queue_t        *q;
    ngx_k8s_content_t  *n;

    if (contents->timer.timer_set || contents->client->closed
        || !contents->client->ready)
    {
        return;
    }

    while (contents->calls < NGX_K8S_CONTENTS_PARALLEL
           && !ngx_queue_empty(&contents->waiting))
    {
        q = ngx_queue_head(&contents->waiting);
        n = ngx_queue_data(q, ngx_k8s_content_t, queue);

        if (ngx_k8s_contents_fetch(contents, n) != NGX_OK) {
            ngx_add_timer(&contents->timer, 1000);
            return;
        }

        ngx_queue_remove(q);
        n->waiting = 0;
        n->again = 0;
        contents->calls++;
    }
}


static ngx_int_t
ngx_k8s_contents_fetch(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    ngx_k8s_call_t     *call;
    ngx_k8s_client_t   *client;
    ngx_k8s_request_t   req;

    client = contents->client;

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));

    req.kind = n->kind;
    req.namespace = n->ns;
    req.name = n->name;
    req.accept = "Accept: application/json";

    call = ngx_k8s_client_call(client, &req);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->data = n;
    call->body = ngx_k8s_contents_body;
    call->done = ngx_k8s_contents_done;
    call->secret = 1;
    call->limit = client->conf->object_max + NGX_K8S_CONTENTS_ENVELOPE;

    if (curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS,
                         (long) client->conf->list_timeout) != CURLE_OK
        || ngx_k8s_call_start(call) != NGX_OK)
    {
        ngx_k8s_call_cancel(call);
        return NGX_ERROR;
    }

    n->call = call;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_contents_body(ngx_k8s_call_t *call)
{
    ngx_k8s_content_t  *n;

    n = call->data;

    ngx_k8s_client_up(n->contents->client);

    return NGX_OK;
}


static void
ngx_k8s_contents_done(ngx_k8s_call_t *call)
{
    ngx_uint_t           whole;
    ngx_k8s_client_t    *client;
    ngx_k8s_content_t   *n;
    ngx_k8s_contents_t  *contents;

    n = call->data;
    n->call = NULL;

    contents = n->contents;
    contents->calls--;
    client = contents->client;

    whole = (call->code == CURLE_OK && call->status);

    if (call->overflow
        || (whole && call->status == 200
            && (size_t) (call->last - call->pos) > client->conf->object_max))
    {
        ngx_k8s_contents_keep(contents, n, NGX_K8S_PROBLEM_OBJECT_TOO_LARGE);

    } else if (whole && call->status == 200) {
        ngx_k8s_contents_take(contents, n, call);

    } else if (whole && call->status == 403 && n->known) {
        ngx_k8s_contents_deny(contents, n);

    } else if (whole && (call->status == 404 || call->status == 403)) {
        ngx_k8s_contents_lost(contents, n, 0);

    } else {
        ngx_k8s_contents_retry(contents, n, call);
    }

    if (n->again && n->wanted) {
        n->again = 0;
        ngx_k8s_contents_queue(contents, n);
    }

    ngx_k8s_contents_run(contents);
    ngx_k8s_client_report(client, n->kind);
}


static void
ngx_k8s_contents_take(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n,
    ngx_k8s_call_t *call)
{
    size_t            len;
    u_char           *text;
    ngx_k8s_event_t   event;

    len = call->last - call->pos;

    text = ngx_alloc(len ? len : 1, contents->client->log);
    if (text == NULL) {
        ngx_k8s_contents_retry(contents, n, call);
        return;
    }

    ngx_k8s_api_metadata(call->pos, call->last, &event);

    n->denied = 0;
    n->fed = event.version.len;
    ngx_memcpy(n->versions[1], event.version.data, event.version.len);

    contents->attempts = 0;

    if (contents->trouble) {
        contents->trouble = 0;
        ngx_log_error(NGX_LOG_NOTICE, contents->client->log, 0,
                      "%V: fetched again", &ngx_k8s_kinds[n->kind].plural);
    }

    ngx_memcpy(text, call->pos, len);

    ngx_k8s_client_feed(contents->client, NGX_K8S_FEED_OBJECT, n->kind,
                        ngx_k8s_contents_scope(contents, n), text, len);
    ngx_k8s_contents_answered(contents, n);
}


/* it is there and cannot be had: what is known of it stays */

static void
ngx_k8s_contents_keep(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n,
    ngx_uint_t code)
{
    ngx_k8s_contents_feed_name(contents, n, NGX_K8S_FEED_KEEP, code);

    n->fed = n->version;
    ngx_memcpy(n->versions[1], n->versions[0], n->version);

    ngx_k8s_contents_answered(contents, n);
}


/* it is asked for again by itself, and keeps no other one waiting */

static void
ngx_k8s_contents_deny(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    ngx_k8s_client_t  *client;

    client = contents->client;

    if (!n->denied) {
        n->denied = 1;
        ngx_log_error(NGX_LOG_ERR, client->log, 0,
                      "\"%V\" cannot be read, the API server answered 403: "
                      "allow \"get\" of %V in its namespace",
                      &n->node.str, &ngx_k8s_kinds[n->kind].plural);
    }

    ngx_k8s_contents_keep(contents, n, NGX_K8S_PROBLEM_OBJECT_FORBIDDEN);

    n->waiting = 1;
    ngx_queue_insert_tail(&contents->denied, &n->queue);

    if (!contents->again.timer_set) {
        ngx_add_timer(&contents->again,
                      ngx_k8s_client_backoff(client, &contents->denials,
                                             &contents->refused, 0));
    }
}


static void
ngx_k8s_contents_retry(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n,
    ngx_k8s_call_t *call)
{
    ngx_msec_t         delay;
    ngx_k8s_client_t  *client;

    client = contents->client;

    if (call->status == 0) {
        ngx_k8s_client_down(client, call);

    } else if (!contents->trouble) {
        contents->trouble = 1;
        ngx_k8s_contents_trouble(contents, n, call);
    }

    if (call->status == 401) {
        (void) ngx_k8s_credentials_refresh(&client->credentials, 1);
    }

    delay = ngx_k8s_client_backoff(client, &contents->attempts,
                                   &contents->failed, 5000);
    delay = ngx_max(delay, 1000 * ngx_min(call->retry_after, 300));

    if (!contents->timer.timer_set) {
        ngx_add_timer(&contents->timer, delay);
    }

    n->again = 0;
    ngx_k8s_contents_queue(contents, n);
}


static void
ngx_k8s_contents_trouble(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n,
    ngx_k8s_call_t *call)
{
    if (call->code == CURLE_OK) {
        ngx_log_error(NGX_LOG_ERR, contents->client->log, 0,
                      "\"%V\" cannot be fetched, the API server answered %l",
                      &n->node.str, call->status);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, contents->client->log, 0,
                  "\"%V\" cannot be fetched, the answer broke off: %s",
                  &n->node.str, call->error[0] ? call->error
                                : curl_easy_strerror(call->code));
}


static void
ngx_k8s_contents_answered(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    if (n->wanted && !n->fetched) {
        n->fetched = 1;
        contents->client->missing[n->kind]--;
    }
}


static void
ngx_k8s_contents_feed_name(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n, ngx_uint_t op, ngx_uint_t code)
{
    ngx_k8s_client_feed_name(contents->client, op, n->kind,
                             ngx_k8s_contents_scope(contents, n), &n->ns,
                             &n->name, code);
}


static ngx_str_t *
ngx_k8s_contents_scope(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n)
{
    ngx_k8s_reflector_t  *r;

    static ngx_str_t  all = ngx_null_string;

    r = ngx_k8s_contents_reflector(contents, n->kind, &n->ns, &n->name);

    return r ? &r->scope : &all;
}


/* that which says whether an object is there; NULL: it is not read */

static ngx_k8s_reflector_t *
ngx_k8s_contents_reflector(ngx_k8s_contents_t *contents, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name)
{
    ngx_uint_t            i;
    ngx_k8s_reflector_t  *r;

    r = contents->client->reflectors.elts;

    for (i = 0; i < contents->client->reflectors.nelts; i++) {
        if (r[i].kind == kind && ngx_k8s_contents_covers(&r[i], ns, name)) {
            return &r[i];
        }
    }

    return NULL;
}


/* one that is read by itself is of no other reflector */

static ngx_uint_t
ngx_k8s_contents_covers(ngx_k8s_reflector_t *r, ngx_str_t *ns, ngx_str_t *name)
{
    ngx_k8s_source_only_t  *only;

    only = &r->client->conf->only[r->kind];

    if (only->name.len
        && ngx_k8s_contents_eq(&only->name, name)
        && ngx_k8s_contents_eq(&only->namespace, ns))
    {
        return r->name.len != 0;
    }

    return r->name.len == 0
           && (r->scope.len == 0 || ngx_k8s_contents_eq(&r->scope, ns));
}
