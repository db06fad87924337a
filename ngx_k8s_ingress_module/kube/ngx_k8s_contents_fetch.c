
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Contents that are fetched: some at a time, and once more after a while what
 * was refused or failed.
 */


#include <ngx_k8s_contents.h>


#define NGX_K8S_CONTENTS_PARALLEL    8
#define NGX_K8S_CONTENTS_ENVELOPE    65536


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
static ngx_str_t *ngx_k8s_contents_scope(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);


/* it is not fetched any more, which makes room for one that waits */

void
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


/* a wanted one does not exist, or can't be read: that is fed as its end */

void
ngx_k8s_contents_lost(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n,
    ngx_uint_t code)
{
    ngx_k8s_contents_cancel(contents, n);

    n->denied = 0;
    n->fed = 0;

    ngx_k8s_contents_feed_name(contents, n, NGX_K8S_FEED_DELETE, code);
    ngx_k8s_contents_answered(contents, n);
}


void
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


void
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

void
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


void
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

ngx_k8s_reflector_t *
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

ngx_uint_t
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
