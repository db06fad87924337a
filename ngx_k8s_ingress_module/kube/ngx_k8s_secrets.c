
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Of all Secrets name and version are known from a watch of their metadata;
 * the content of the wanted ones is fetched, again when the version changes,
 * and handed to the sink: none is kept here.
 */


#include <ngx_k8s_client.h>


#define NGX_K8S_SECRETS_PARALLEL     8
#define NGX_K8S_SECRETS_ENVELOPE     65536


typedef struct {
    ngx_str_node_t           node;       /* "namespace/name" */
    ngx_queue_t              queue;      /* of waiting */
    ngx_k8s_call_t          *call;
    ngx_k8s_secrets_t       *secrets;
    size_t                   ns;         /* length of the namespace */
    uint32_t                 mark;       /* list in which it was seen */
    unsigned                 known:1;    /* it exists */
    unsigned                 wanted:1;
    unsigned                 waiting:1;  /* in the queue */
    unsigned                 fetched:1;  /* fed since it was wanted */
    unsigned                 again:1;    /* changed while it was fetched */
    size_t                   version;    /* lengths */
    size_t                   fed;
    u_char                   versions[2][NGX_K8S_VERSION_MAX];
    u_char                   data[1];
} ngx_k8s_secret_node_t;


struct ngx_k8s_secrets_s {
    ngx_k8s_client_t        *client;
    void                    *reserved[2];
    ngx_int_t                ident;      /* event ident must be after 3
                                            pointers as in ngx_connection_t */
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              waiting;
    ngx_event_t              timer;      /* after a failure */
    ngx_uint_t               calls;      /* that run */
    ngx_uint_t               missing;
    ngx_uint_t               attempts;
    ngx_msec_t               failed;
    uint32_t                 mark;
    unsigned                 trouble:1;
};


static ngx_k8s_secret_node_t *ngx_k8s_secrets_node(ngx_k8s_secrets_t *secrets,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t create);
static void ngx_k8s_secrets_release(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n);
static ngx_uint_t ngx_k8s_secrets_current(ngx_k8s_secret_node_t *n);
static void ngx_k8s_secrets_drop(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n);
static void ngx_k8s_secrets_lost(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n);
static void ngx_k8s_secrets_queue(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n);
static void ngx_k8s_secrets_timer(ngx_event_t *ev);
static void ngx_k8s_secrets_run(ngx_k8s_secrets_t *secrets);
static ngx_int_t ngx_k8s_secrets_fetch(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n);
static ngx_int_t ngx_k8s_secrets_body(ngx_k8s_call_t *call);
static void ngx_k8s_secrets_done(ngx_k8s_call_t *call);
static void ngx_k8s_secrets_take(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n, ngx_k8s_call_t *call);
static void ngx_k8s_secrets_retry(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n, ngx_k8s_call_t *call);
static void ngx_k8s_secrets_answered(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n);
static void ngx_k8s_secrets_feed(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n, ngx_uint_t op, u_char *text, size_t len);
static void ngx_k8s_secrets_feed_name(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n, ngx_uint_t op, ngx_uint_t code);
static ngx_k8s_reflector_t *ngx_k8s_secrets_scope(ngx_k8s_secrets_t *secrets,
    ngx_str_t *ns);
static ngx_k8s_secret_node_t *ngx_k8s_secrets_first(ngx_k8s_secrets_t *secrets);


ngx_k8s_secrets_t *
ngx_k8s_secrets_create(ngx_k8s_client_t *client)
{
    ngx_k8s_secrets_t  *secrets;

    secrets = ngx_pcalloc(client->pool, sizeof(ngx_k8s_secrets_t));
    if (secrets == NULL) {
        return NULL;
    }

    secrets->client = client;
    secrets->ident = -1;

    ngx_rbtree_init(&secrets->tree, &secrets->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&secrets->waiting);

    secrets->timer.handler = ngx_k8s_secrets_timer;
    secrets->timer.data = secrets;
    secrets->timer.log = client->log;
    secrets->timer.cancelable = 1;

    return secrets;
}


/* cancels what runs */

void
ngx_k8s_secrets_stop(ngx_k8s_secrets_t *secrets)
{
    ngx_rbtree_node_t      *node;
    ngx_k8s_secret_node_t  *n;

    if (secrets->timer.timer_set) {
        ngx_del_timer(&secrets->timer);
    }

    if (secrets->tree.root == &secrets->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(secrets->tree.root, &secrets->sentinel);
         node;
         node = ngx_rbtree_next(&secrets->tree, node))
    {
        n = (ngx_k8s_secret_node_t *) node;

        if (n->call) {
            ngx_k8s_call_cancel(n->call);
            n->call = NULL;
            secrets->calls--;
        }
    }
}


void
ngx_k8s_secrets_destroy(ngx_k8s_secrets_t *secrets)
{
    ngx_k8s_secret_node_t  *n;

    ngx_k8s_secrets_stop(secrets);

    while ((n = ngx_k8s_secrets_first(secrets)) != NULL) {
        ngx_k8s_secrets_drop(secrets, n);
    }
}


void
ngx_k8s_secrets_want(ngx_k8s_secrets_t *secrets, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t wanted)
{
    ngx_k8s_reflector_t    *r;
    ngx_k8s_secret_node_t  *n;

    n = ngx_k8s_secrets_node(secrets, ns, name, wanted);
    if (n == NULL) {

        if (wanted) {
            ngx_k8s_client_feed(secrets->client, NGX_K8S_FEED_LOST,
                                NGX_K8S_SECRET, ns, NULL, 0);
        }

        return;
    }

    if (!wanted) {
        if (n->wanted && !n->fetched) {
            secrets->missing--;
        }

        n->wanted = 0;
        n->fetched = 0;
        n->fed = 0;

        ngx_k8s_secrets_release(secrets, n);
        ngx_k8s_client_report(secrets->client, NGX_K8S_SECRET);
        return;
    }

    if (!n->wanted || n->fetched) {
        n->wanted = 1;
        n->fetched = 0;
        n->fed = 0;
        secrets->missing++;
    }

    /* as long as the first list is not complete, the answer is not known */

    r = ngx_k8s_secrets_scope(secrets, ns);

    if (n->known) {
        if (r && r->synced) {
            ngx_k8s_secrets_queue(secrets, n);
        }

    } else if (r == NULL || r->state != NGX_K8S_SYNC_WAITING) {
        ngx_k8s_secrets_lost(secrets, n);
    }

    ngx_k8s_client_report(secrets->client, NGX_K8S_SECRET);
}


void
ngx_k8s_secrets_begin(ngx_k8s_secrets_t *secrets, ngx_str_t *scope)
{
    ngx_k8s_reflector_t  *r;

    r = ngx_k8s_secrets_scope(secrets, scope);

    if (r) {
        r->mark = ++secrets->mark;
    }
}


void
ngx_k8s_secrets_seen(ngx_k8s_secrets_t *secrets, ngx_str_t *scope,
    ngx_k8s_event_t *event)
{
    ngx_k8s_reflector_t    *r;
    ngx_k8s_secret_node_t  *n;

    if (event->name.len == 0) {
        return;
    }

    n = ngx_k8s_secrets_node(secrets, &event->namespace, &event->name, 1);
    if (n == NULL) {
        ngx_k8s_client_feed(secrets->client, NGX_K8S_FEED_LOST,
                            NGX_K8S_SECRET, scope, NULL, 0);
        return;
    }

    r = ngx_k8s_secrets_scope(secrets, scope);

    if (r) {
        n->mark = r->mark;
    }

    n->known = 1;
    n->version = event->version.len;
    ngx_memcpy(n->versions[0], event->version.data, event->version.len);

    /* contents are fed only after the list's END, which would end them */

    if (n->wanted && r && r->synced && !ngx_k8s_secrets_current(n)) {
        ngx_k8s_secrets_queue(secrets, n);
    }
}


void
ngx_k8s_secrets_gone(ngx_k8s_secrets_t *secrets, ngx_k8s_event_t *event)
{
    ngx_k8s_secret_node_t  *n;

    n = ngx_k8s_secrets_node(secrets, &event->namespace, &event->name, 0);

    if (n && n->known) {
        n->known = 0;

        if (n->wanted) {
            ngx_k8s_secrets_lost(secrets, n);
        }

        ngx_k8s_secrets_release(secrets, n);
    }
}


void
ngx_k8s_secrets_end(ngx_k8s_secrets_t *secrets, ngx_str_t *scope)
{
    ngx_k8s_reflector_t    *r;
    ngx_rbtree_node_t      *node, *next;
    ngx_k8s_secret_node_t  *n;

    r = ngx_k8s_secrets_scope(secrets, scope);

    if (r == NULL) {
        return;
    }

    if (!r->synced) {
        r->synced = 1;

        ngx_k8s_client_feed(secrets->client, NGX_K8S_FEED_BEGIN,
                            NGX_K8S_SECRET, scope, NULL, 0);
        ngx_k8s_client_feed(secrets->client, NGX_K8S_FEED_END,
                            NGX_K8S_SECRET, scope, NULL, 0);
    }

    if (secrets->tree.root == &secrets->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(secrets->tree.root, &secrets->sentinel);
         node;
         node = next)
    {
        next = ngx_rbtree_next(&secrets->tree, node);
        n = (ngx_k8s_secret_node_t *) node;

        if (scope->len
            && (n->ns != scope->len
                || ngx_memcmp(n->data, scope->data, scope->len) != 0))
        {
            continue;
        }

        if (n->known && n->mark == r->mark) {

            if (n->wanted && !ngx_k8s_secrets_current(n)) {
                ngx_k8s_secrets_queue(secrets, n);
            }

            continue;
        }

        n->known = 0;

        if (n->wanted) {
            ngx_k8s_secrets_lost(secrets, n);
        }

        ngx_k8s_secrets_release(secrets, n);
    }
}


/* none may be read: nobody is to wait for one that was not fetched */

void
ngx_k8s_secrets_refused(ngx_k8s_secrets_t *secrets)
{
    ngx_rbtree_node_t      *node;
    ngx_k8s_secret_node_t  *n;

    if (secrets->missing == 0) {
        return;
    }

    for (node = ngx_rbtree_min(secrets->tree.root, &secrets->sentinel);
         node;
         node = ngx_rbtree_next(&secrets->tree, node))
    {
        n = (ngx_k8s_secret_node_t *) node;

        if (n->wanted && !n->fetched && !n->known) {
            ngx_k8s_secrets_lost(secrets, n);
        }
    }
}


/* whether what was fed is the version that exists */

static ngx_uint_t
ngx_k8s_secrets_current(ngx_k8s_secret_node_t *n)
{
    return n->fetched && n->version && n->version == n->fed
           && ngx_memcmp(n->versions[0], n->versions[1], n->fed) == 0;
}


ngx_uint_t
ngx_k8s_secrets_missing(ngx_k8s_secrets_t *secrets)
{
    return secrets->missing;
}


static ngx_k8s_secret_node_t *
ngx_k8s_secrets_node(ngx_k8s_secrets_t *secrets, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t create)
{
    size_t                  len;
    u_char                  key[512];
    uint32_t                hash;
    ngx_str_t               id;
    ngx_k8s_secret_node_t  *n;

    len = ns->len + 1 + name->len;

    if (len > sizeof(key)) {
        return NULL;
    }

    ngx_sprintf(key, "%V/%V", ns, name);
    hash = ngx_crc32_long(key, len);

    id.data = key;
    id.len = len;

    n = (ngx_k8s_secret_node_t *)
            ngx_str_rbtree_lookup(&secrets->tree, &id, hash);

    if (n || !create) {
        return n;
    }

    n = ngx_calloc(offsetof(ngx_k8s_secret_node_t, data) + len,
                   secrets->client->log);
    if (n == NULL) {
        return NULL;
    }

    ngx_memcpy(n->data, key, len);

    n->node.node.key = hash;
    n->node.str.data = n->data;
    n->node.str.len = len;
    n->secrets = secrets;
    n->ns = ns->len;

    ngx_rbtree_insert(&secrets->tree, &n->node.node);

    return n;
}


/* frees a node that nobody needs */

static void
ngx_k8s_secrets_release(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n)
{
    if (n->wanted) {
        return;
    }

    if (n->waiting) {
        ngx_queue_remove(&n->queue);
        n->waiting = 0;
    }

    if (n->call) {
        ngx_k8s_call_cancel(n->call);
        n->call = NULL;
        secrets->calls--;
        ngx_k8s_secrets_run(secrets);
    }

    n->again = 0;

    if (!n->known) {
        ngx_k8s_secrets_drop(secrets, n);
    }
}


static void
ngx_k8s_secrets_drop(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n)
{
    if (n->waiting) {
        ngx_queue_remove(&n->queue);
    }

    ngx_rbtree_delete(&secrets->tree, &n->node.node);
    ngx_free(n);
}


/* a wanted one does not exist, or can't be read: that is fed as its end */

static void
ngx_k8s_secrets_lost(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n)
{
    if (n->waiting) {
        ngx_queue_remove(&n->queue);
        n->waiting = 0;
    }

    if (n->call) {
        ngx_k8s_call_cancel(n->call);
        n->call = NULL;
        secrets->calls--;
    }

    n->again = 0;
    n->fed = 0;

    ngx_k8s_secrets_feed_name(secrets, n, NGX_K8S_FEED_DELETE, 0);
    ngx_k8s_secrets_answered(secrets, n);
}


static void
ngx_k8s_secrets_queue(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n)
{
    if (n->call) {
        n->again = 1;
        return;
    }

    if (!n->waiting) {
        n->waiting = 1;
        ngx_queue_insert_tail(&secrets->waiting, &n->queue);
    }

    ngx_k8s_secrets_run(secrets);
}


static void
ngx_k8s_secrets_timer(ngx_event_t *ev)
{
    ngx_k8s_sink_t     *sink;
    ngx_k8s_secrets_t  *secrets;

    secrets = ev->data;
    sink = secrets->client->sink;

    sink->enter(sink->data);
    ngx_k8s_secrets_run(secrets);
    sink->leave(sink->data);
}


static void
ngx_k8s_secrets_run(ngx_k8s_secrets_t *secrets)
{
    ngx_queue_t            *q;
    ngx_k8s_secret_node_t  *n;

    if (secrets->timer.timer_set || secrets->client->closed
        || !secrets->client->ready)
    {
        return;
    }

    while (secrets->calls < NGX_K8S_SECRETS_PARALLEL
           && !ngx_queue_empty(&secrets->waiting))
    {
        q = ngx_queue_head(&secrets->waiting);
        n = ngx_queue_data(q, ngx_k8s_secret_node_t, queue);

        if (ngx_k8s_secrets_fetch(secrets, n) != NGX_OK) {
            ngx_add_timer(&secrets->timer, 1000);
            return;
        }

        ngx_queue_remove(q);
        n->waiting = 0;
        n->again = 0;
        secrets->calls++;
    }
}


static ngx_int_t
ngx_k8s_secrets_fetch(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n)
{
    char              *url;
    ngx_str_t          ns, name;
    ngx_k8s_call_t    *call;
    ngx_k8s_query_t    query;
    ngx_k8s_client_t  *client;

    client = secrets->client;

    ns.data = n->data;
    ns.len = n->ns;
    name.data = n->data + n->ns + 1;
    name.len = n->node.str.len - n->ns - 1;

    ngx_memzero(&query, sizeof(ngx_k8s_query_t));

    url = ngx_k8s_api_url(&client->base, NGX_K8S_SECRET, &ns, &name, &query,
                          client->log);

    call = ngx_k8s_client_call(client, url, "Accept: application/json");
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->data = n;
    call->body = ngx_k8s_secrets_body;
    call->done = ngx_k8s_secrets_done;
    call->secret = 1;
    call->limit = client->conf->object_max + NGX_K8S_SECRETS_ENVELOPE;

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
ngx_k8s_secrets_body(ngx_k8s_call_t *call)
{
    ngx_k8s_secret_node_t  *n;

    n = call->data;

    ngx_k8s_client_up(n->secrets->client);

    return NGX_OK;
}


static void
ngx_k8s_secrets_done(ngx_k8s_call_t *call)
{
    ngx_k8s_client_t       *client;
    ngx_k8s_secrets_t      *secrets;
    ngx_k8s_secret_node_t  *n;

    n = call->data;
    n->call = NULL;

    secrets = n->secrets;
    secrets->calls--;
    client = secrets->client;

    if (call->overflow
        || (call->code == CURLE_OK && call->status == 200
            && (size_t) (call->last - call->pos) > client->conf->object_max))
    {
        /* what was served stays */

        ngx_k8s_secrets_feed_name(secrets, n, NGX_K8S_FEED_KEEP,
                                  NGX_K8S_PROBLEM_OBJECT_TOO_LARGE);
        n->fed = n->version;
        ngx_memcpy(n->versions[1], n->versions[0], n->version);
        ngx_k8s_secrets_answered(secrets, n);

    } else if (call->code == CURLE_OK && call->status == 200) {
        ngx_k8s_secrets_take(secrets, n, call);

    } else if (call->code == CURLE_OK
               && (call->status == 404 || call->status == 403))
    {
        if (call->status == 403) {
            ngx_log_error(NGX_LOG_ERR, client->log, 0,
                          "secret \"%V\" cannot be read, the API server "
                          "answered 403: allow \"get\" of secrets in its "
                          "namespace", &n->node.str);
        }

        ngx_k8s_secrets_lost(secrets, n);

    } else {
        ngx_k8s_secrets_retry(secrets, n, call);
    }

    if (n->again && n->wanted) {
        n->again = 0;
        ngx_k8s_secrets_queue(secrets, n);
    }

    ngx_k8s_secrets_run(secrets);
    ngx_k8s_client_report(client, NGX_K8S_SECRET);
}


static void
ngx_k8s_secrets_take(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n,
    ngx_k8s_call_t *call)
{
    size_t            len;
    u_char           *text;
    ngx_k8s_event_t   event;

    len = call->last - call->pos;

    text = ngx_alloc(len ? len : 1, secrets->client->log);
    if (text == NULL) {
        ngx_k8s_secrets_retry(secrets, n, call);
        return;
    }

    ngx_k8s_api_metadata(call->pos, call->last, &event);

    n->fed = event.version.len;
    ngx_memcpy(n->versions[1], event.version.data, event.version.len);

    secrets->attempts = 0;

    if (secrets->trouble) {
        secrets->trouble = 0;
        ngx_log_error(NGX_LOG_NOTICE, secrets->client->log, 0,
                      "secrets: fetched again");
    }

    ngx_memcpy(text, call->pos, len);

    ngx_k8s_secrets_feed(secrets, n, NGX_K8S_FEED_OBJECT, text, len);
    ngx_k8s_secrets_answered(secrets, n);
}


static void
ngx_k8s_secrets_retry(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n,
    ngx_k8s_call_t *call)
{
    ngx_msec_t         delay;
    ngx_k8s_client_t  *client;

    client = secrets->client;

    if (call->status == 0) {
        ngx_k8s_client_down(client, call);

    } else if (!secrets->trouble) {
        secrets->trouble = 1;

        if (call->code != CURLE_OK) {
            ngx_log_error(NGX_LOG_ERR, client->log, 0,
                          "secret \"%V\" cannot be fetched, the answer broke "
                          "off: %s", &n->node.str,
                          call->error[0] ? call->error
                                         : curl_easy_strerror(call->code));

        } else {
            ngx_log_error(NGX_LOG_ERR, client->log, 0,
                          "secret \"%V\" cannot be fetched, the API server "
                          "answered %l", &n->node.str, call->status);
        }
    }

    if (call->status == 401) {
        (void) ngx_k8s_credentials_refresh(&client->credentials, 1);
    }

    delay = ngx_k8s_client_backoff(client, &secrets->attempts,
                                   &secrets->failed, 5000);
    delay = ngx_max(delay, 1000 * ngx_min(call->retry_after, 300));

    if (!secrets->timer.timer_set) {
        ngx_add_timer(&secrets->timer, delay);
    }

    n->again = 0;
    ngx_k8s_secrets_queue(secrets, n);
}


static void
ngx_k8s_secrets_answered(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n)
{
    if (n->wanted && !n->fetched) {
        n->fetched = 1;
        secrets->missing--;
    }
}


static void
ngx_k8s_secrets_feed(ngx_k8s_secrets_t *secrets, ngx_k8s_secret_node_t *n,
    ngx_uint_t op, u_char *text, size_t len)
{
    ngx_str_t             ns, scope;
    ngx_k8s_reflector_t  *r;

    ns.data = n->data;
    ns.len = n->ns;

    ngx_str_null(&scope);

    r = ngx_k8s_secrets_scope(secrets, &ns);

    ngx_k8s_client_feed(secrets->client, op, NGX_K8S_SECRET,
                        r ? &r->scope : &scope, text, len);
}


static void
ngx_k8s_secrets_feed_name(ngx_k8s_secrets_t *secrets,
    ngx_k8s_secret_node_t *n, ngx_uint_t op, ngx_uint_t code)
{
    ngx_str_t             ns, name, scope;
    ngx_k8s_reflector_t  *r;

    ns.data = n->data;
    ns.len = n->ns;
    name.data = n->data + n->ns + 1;
    name.len = n->node.str.len - n->ns - 1;

    ngx_str_null(&scope);

    r = ngx_k8s_secrets_scope(secrets, &ns);

    ngx_k8s_client_feed_name(secrets->client, op, NGX_K8S_SECRET,
                             r ? &r->scope : &scope, &ns, &name, code);
}


static ngx_k8s_reflector_t *
ngx_k8s_secrets_scope(ngx_k8s_secrets_t *secrets, ngx_str_t *ns)
{
    ngx_uint_t            i;
    ngx_k8s_reflector_t  *r;

    r = secrets->client->reflectors.elts;

    for (i = 0; i < secrets->client->reflectors.nelts; i++) {
        if (r[i].metadata
            && (r[i].scope.len == 0
                || (r[i].scope.len == ns->len
                    && ngx_memcmp(r[i].scope.data, ns->data, ns->len) == 0)))
        {
            return &r[i];
        }
    }

    return NULL;
}


static ngx_k8s_secret_node_t *
ngx_k8s_secrets_first(ngx_k8s_secrets_t *secrets)
{
    if (secrets->tree.root == &secrets->sentinel) {
        return NULL;
    }

    return (ngx_k8s_secret_node_t *)
               ngx_rbtree_min(secrets->tree.root, &secrets->sentinel);
}
