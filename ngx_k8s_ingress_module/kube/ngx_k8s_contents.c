
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


#include <ngx_k8s_contents.h>


#define NGX_K8S_CONTENTS_KEY         512


typedef struct {
    ngx_uint_t               kind;
    ngx_str_t                fields;     /* fieldSelector of their watch */
    ngx_uint_t               lazy;       /* which begins with the first that is
                                            wanted: it needs no right before */
} ngx_k8s_contents_kind_t;


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
static void ngx_k8s_contents_drop(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
static void ngx_k8s_contents_forget(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);


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
    r->nameless = 0;
}


static void
ngx_k8s_contents_object(ngx_k8s_reflector_t *r, ngx_uint_t op,
    ngx_k8s_event_t *event)
{
    ngx_k8s_content_t   *n;
    ngx_k8s_contents_t  *contents;

    contents = r->client->contents;

    if (event->name.len == 0) {
        ngx_log_error(NGX_LOG_WARN, r->client->log, 0,
                      "one of the %V has no name", &r->info->plural);

        if (op == NGX_K8S_FEED_DELETE) {
            ngx_k8s_client_feed(r->client, NGX_K8S_FEED_LOST, r->kind,
                                &r->scope, NULL, 0);
        }

        r->nameless = 1;
        return;
    }

    if (!ngx_k8s_contents_covers(r, &event->namespace, &event->name)) {
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


/*
 * There was no BEGIN, so this withdraws nothing: each one that goes is fed.
 * Where something had no name those that seem to have gone are fetched, which
 * tells.
 */

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
            if (r->nameless && n->wanted) {
                ngx_k8s_contents_queue(contents, n);
                continue;
            }

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
