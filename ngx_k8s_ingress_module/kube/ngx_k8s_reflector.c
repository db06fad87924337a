
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_client.h>


/* bytes at the sink from which on the next page waits, and for how long */
#define NGX_K8S_REFLECTOR_BACKLOG    1048576
#define NGX_K8S_REFLECTOR_PAUSE      10
/* bytes of an answer that is no list or watch */
#define NGX_K8S_REFLECTOR_ANSWER     65536
/* of a watch, over the time asked for */
#define NGX_K8S_REFLECTOR_MARGIN     30000
/* doublings of list_time */
#define NGX_K8S_REFLECTOR_DOUBLE     3


static void ngx_k8s_reflector_timer(ngx_event_t *ev);
static void ngx_k8s_reflector_silent(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_late(ngx_k8s_reflector_t *r);
static ngx_msec_t ngx_k8s_reflector_patience(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_next(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_request(ngx_k8s_reflector_t *r);
static ngx_msec_t ngx_k8s_reflector_query(ngx_k8s_reflector_t *r,
    ngx_k8s_query_t *query);
static ngx_msec_t ngx_k8s_reflector_guard(ngx_k8s_reflector_t *r);
static ngx_int_t ngx_k8s_reflector_body(ngx_k8s_call_t *call);
static ngx_int_t ngx_k8s_reflector_stream(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call);
static void ngx_k8s_reflector_done(ngx_k8s_call_t *call);


ngx_int_t
ngx_k8s_reflector_init(ngx_k8s_reflector_t *r, ngx_k8s_client_t *client,
    ngx_uint_t kind, ngx_str_t *scope, ngx_str_t *name)
{
    u_char      *p;
    ngx_str_t   *fields;
    ngx_uint_t   lazy;

    ngx_memzero(r, sizeof(ngx_k8s_reflector_t));

    r->client = client;
    r->info = &ngx_k8s_kinds[kind];
    r->ident = -1;
    r->kind = kind;
    r->scope = *scope;
    r->state = NGX_K8S_SYNC_WAITING;
    r->version.data = r->buffer;

    fields = ngx_k8s_contents_fields(kind, &lazy);

    if (fields) {
        r->fields = *fields;
        r->ops = &ngx_k8s_contents_ops;
        r->idle = (lazy && name == NULL);

    } else {
        r->ops = &ngx_k8s_reflector_plain;
    }

    r->timer.handler = ngx_k8s_reflector_timer;
    r->timer.data = r;
    r->timer.log = client->log;
    r->timer.cancelable = 1;

    ngx_k8s_reflector_reason(r, "it is not listed yet");

    if (name == NULL) {
        return NGX_OK;
    }

    r->name = *name;

    /* a right to this object alone (resourceNames) is enough then */

    p = ngx_pnalloc(client->pool, sizeof("metadata.name=,") - 1 + name->len
                                  + r->fields.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    r->fields.len = ngx_sprintf(p, "metadata.name=%V%s%V", name,
                                r->fields.len ? "," : "", &r->fields)
                    - p;
    r->fields.data = p;

    return NGX_OK;
}


void
ngx_k8s_reflector_stop(ngx_k8s_reflector_t *r)
{
    ngx_str_t  none;

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    ngx_k8s_reflector_cancel(r);
    ngx_k8s_reflector_uncut(r);

    ngx_str_null(&none);
    ngx_k8s_reflector_token(r, &none);
}


void
ngx_k8s_reflector_relist(ngx_k8s_reflector_t *r)
{
    ngx_k8s_reflector_cancel(r);
    ngx_k8s_reflector_abort(r);
    ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_LIST);

    ngx_k8s_reflector_reason(r, "a change was lost");
    ngx_k8s_reflector_retry(r, NGX_K8S_REFLECTOR_BROKEN, 0);
}


static void
ngx_k8s_reflector_timer(ngx_event_t *ev)
{
    ngx_k8s_sink_t       *sink;
    ngx_k8s_reflector_t  *r;

    r = ev->data;
    sink = r->client->sink;

    sink->enter(sink->data);

    if (r->call == NULL) {
        ngx_k8s_reflector_next(r);

    } else {
        ngx_k8s_reflector_cancel(r);

        /* nginx may fire a timer that was moved by less than that */

        if ((r->phase == NGX_K8S_PHASE_STREAM
             || r->phase == NGX_K8S_PHASE_PAGES)
            && ngx_k8s_reflector_patience(r) <= NGX_TIMER_LAZY_DELAY)
        {
            ngx_k8s_reflector_late(r);

        } else {
            ngx_k8s_reflector_silent(r);
        }
    }

    sink->leave(sink->data);
}


/* no byte has come for too long, or no end of a watch */

static void
ngx_k8s_reflector_silent(ngx_k8s_reflector_t *r)
{
    ngx_k8s_reflector_reason(r, "the API server sent nothing for %M ms",
                             ngx_current_msec - r->started);

    if (r->phase == NGX_K8S_PHASE_STREAM) {
        ngx_k8s_reflector_reason(r, "the end of the initial events has "
                                 "not come within %M ms",
                                 ngx_current_msec - r->started);
    }

    ngx_k8s_reflector_trouble(r, NGX_LOG_ERR, NGX_K8S_TROUBLE_SILENT);
    ngx_k8s_reflector_missed(r, 3);

    if (r->phase == NGX_K8S_PHASE_WATCH) {
        ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_PROBE);
    }

    /* a dead connection is not to be used again */

    r->fresh = 1;
    ngx_k8s_client_silent(r->client, r->client->conf->list_timeout);

    ngx_k8s_reflector_retry(r, NGX_K8S_REFLECTOR_BROKEN, 0);
}


/*
 * Bytes come, but no end of the list.  The next one has twice the time: it may
 * be a large one over a slow line.
 */

static void
ngx_k8s_reflector_late(ngx_k8s_reflector_t *r)
{
    ngx_k8s_reflector_reason(r, "the list has not ended within %M ms, raise "
                             "\"list_time\" if the line is slow",
                             ngx_current_msec - r->listing);
    ngx_k8s_reflector_trouble(r, NGX_LOG_ERR, NGX_K8S_TROUBLE_LATE);

    ngx_k8s_reflector_missed(r, 3);

    r->overdue++;
    r->fresh = 1;

    ngx_k8s_reflector_abort(r);
    ngx_k8s_reflector_retry(r, NGX_K8S_REFLECTOR_BROKEN, 0);
}


/* how long the next byte of a list may take: 0, its time is over */

static ngx_msec_t
ngx_k8s_reflector_patience(ngx_k8s_reflector_t *r)
{
    ngx_msec_t              spent, limit;
    ngx_k8s_source_conf_t  *conf;

    conf = r->client->conf;

    limit = conf->list_time << ngx_min(r->overdue, NGX_K8S_REFLECTOR_DOUBLE);
    spent = ngx_current_msec - r->listing;

    return spent < limit ? ngx_min(limit - spent, conf->list_timeout) : 0;
}


static void
ngx_k8s_reflector_next(ngx_k8s_reflector_t *r)
{
    ngx_k8s_sink_t    *sink;
    ngx_k8s_client_t  *client;

    client = r->client;
    sink = client->sink;

    if (!client->ready) {
        return;
    }

    switch (r->phase) {

    case NGX_K8S_PHASE_LIST:
        ngx_k8s_reflector_enter(r, r->how == NGX_K8S_LIST_STREAM
                                   ? NGX_K8S_PHASE_STREAM
                                   : NGX_K8S_PHASE_PAGES);
        r->listing = ngx_current_msec;
        r->lists++;
        break;

    case NGX_K8S_PHASE_PAGES:

        if (sink->backlog(sink->data) > NGX_K8S_REFLECTOR_BACKLOG) {
            ngx_k8s_reflector_schedule(r, NGX_K8S_REFLECTOR_PAUSE);
            return;
        }

        if (ngx_k8s_reflector_patience(r) == 0) {
            ngx_k8s_reflector_late(r);
            return;
        }

        break;

    case NGX_K8S_PHASE_WATCH:
        r->watches++;
        break;
    }

    ngx_k8s_reflector_request(r);
}


static void
ngx_k8s_reflector_request(ngx_k8s_reflector_t *r)
{
    ngx_msec_t          guard;
    ngx_k8s_call_t     *call;
    ngx_k8s_request_t   req;

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));

    req.kind = r->kind;
    req.namespace = r->scope;
    req.accept = (r->phase == NGX_K8S_PHASE_PROBE)
                 ? ngx_k8s_contents_ops.page
                 : (r->phase == NGX_K8S_PHASE_PAGES) ? r->ops->page
                                                     : r->ops->watch;

    guard = ngx_k8s_reflector_query(r, &req.query);

    r->scanned = 0;
    r->events = 0;
    r->read = NGX_K8S_READ_ALL;
    r->started = ngx_current_msec;

    ngx_k8s_reflector_uncut(r);

    if (r->phase == NGX_K8S_PHASE_PAGES) {
        ngx_k8s_list_cutter_init(&r->cutter, r->client->conf->object_max);
    }

    call = ngx_k8s_client_call(r->client, &req);
    if (call == NULL) {
        goto failed;
    }

    call->data = r;
    call->body = ngx_k8s_reflector_body;
    call->done = ngx_k8s_reflector_done;

    if ((r->fresh && curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, 1L)
                     != CURLE_OK)
        || ngx_k8s_call_start(call) != NGX_OK)
    {
        ngx_k8s_call_cancel(call);
        goto failed;
    }

    r->fresh = 0;
    r->call = call;
    ngx_k8s_reflector_schedule(r, guard);

    return;

failed:

    ngx_k8s_reflector_reason(r, "there is not enough memory for a request");
    ngx_k8s_reflector_retry(r, 0, 0);
}


/* what is asked for in this phase; returns how long the answer may take */

static ngx_msec_t
ngx_k8s_reflector_query(ngx_k8s_reflector_t *r, ngx_k8s_query_t *query)
{
    ngx_msec_t              time;
    ngx_k8s_source_conf_t  *conf;

    conf = r->client->conf;

    time = conf->watch_timeout
           + (ngx_msec_t) ngx_random() % (conf->watch_timeout + 1);

    query->fields = r->fields;

    switch (r->phase) {

    case NGX_K8S_PHASE_STREAM:
        query->watch = 1;
        query->initial = 1;
        query->not_older = 1;
        query->version = r->version;
        query->timeout = time / 1000 + 1;

        return ngx_k8s_reflector_patience(r);

    case NGX_K8S_PHASE_PAGES:
        query->limit = (r->how == NGX_K8S_LIST_WHOLE) ? 0 : conf->page;

        if (r->token.len) {
            query->token = r->token;

        } else {
            query->version = r->version;
            query->not_older = (r->version.len != 0);
        }

        return ngx_k8s_reflector_patience(r);

    case NGX_K8S_PHASE_PROBE:
        query->limit = 1;

        return conf->list_timeout;

    default: /* NGX_K8S_PHASE_WATCH */
        query->watch = 1;
        query->version = r->version;
        query->timeout = time / 1000 + 1;

        return ngx_k8s_reflector_guard(r);
    }
}


/* longest time of a watch, which the server ends before that */

static ngx_msec_t
ngx_k8s_reflector_guard(ngx_k8s_reflector_t *r)
{
    return 2 * r->client->conf->watch_timeout + NGX_K8S_REFLECTOR_MARGIN;
}


static ngx_int_t
ngx_k8s_reflector_body(ngx_k8s_call_t *call)
{
    ngx_int_t             rc;
    ngx_k8s_reflector_t  *r;

    r = call->data;

    ngx_k8s_client_up(r->client);

    if (call->status != 200 || r->phase == NGX_K8S_PHASE_PROBE) {

        /* it is read when it is complete */

        if (call->last - call->pos > NGX_K8S_REFLECTOR_ANSWER) {
            call->last = call->pos + NGX_K8S_REFLECTOR_ANSWER;
        }

        return NGX_OK;
    }

    if (r->phase != NGX_K8S_PHASE_WATCH) {
        ngx_add_timer(&r->timer, ngx_max(ngx_k8s_reflector_patience(r), 1));
    }

    if (r->phase != NGX_K8S_PHASE_PAGES) {
        return ngx_k8s_reflector_stream(r, call);
    }

    rc = ngx_k8s_reflector_items(r, call);

    if (rc == NGX_ERROR) {
        ngx_k8s_reflector_cancel(r);
        ngx_k8s_reflector_odd(r, "the API server's list is broken");
    }

    return rc;
}


static ngx_int_t
ngx_k8s_reflector_stream(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call)
{
    ngx_int_t         rc;
    ngx_k8s_status_t  st;

    if (!r->connected) {
        r->connected = 1;

        if (r->phase == NGX_K8S_PHASE_WATCH) {
            r->state = NGX_K8S_SYNC_LISTED;
            ngx_k8s_reflector_well(r);
        }

        ngx_k8s_client_report(r->client, r->kind);
    }

    rc = ngx_k8s_reflector_lines(r, call, &st);

    switch (rc) {

    case NGX_DONE:

        /* the stream goes on as a watch; the server ends it before that */

        r->watches++;
        ngx_k8s_reflector_end(r);
        ngx_k8s_reflector_schedule(r, ngx_k8s_reflector_guard(r));

        return NGX_AGAIN;

    case NGX_DECLINED:
        ngx_k8s_reflector_cancel(r);
        ngx_k8s_reflector_refused(r, st.code ? st.code : 500, &st, 0);

        return NGX_OK;
    }

    return rc;
}


static void
ngx_k8s_reflector_done(ngx_k8s_call_t *call)
{
    ngx_k8s_status_t      st;
    ngx_k8s_reflector_t  *r;

    r = call->data;

    if (r->connected
        && ngx_current_msec - r->started > NGX_K8S_REFLECTOR_WELL)
    {
        r->attempts = 0;
    }

    r->call = NULL;
    r->connected = 0;

    if (call->status && call->status != 200) {
        ngx_k8s_api_status(call->pos, call->last - call->pos, &st);
        ngx_k8s_reflector_refused(r, call->status, &st, call->retry_after);
        return;
    }

    if (call->code != CURLE_OK || call->status == 0
        || (r->phase == NGX_K8S_PHASE_PAGES && r->read != NGX_K8S_READ_NONE))
    {
        ngx_k8s_reflector_broken(r, call);
        return;
    }

    switch (r->phase) {

    case NGX_K8S_PHASE_PAGES:
        ngx_k8s_reflector_listed(r);
        break;

    case NGX_K8S_PHASE_PROBE:
        ngx_k8s_reflector_probed(r, call);
        break;

    default:
        ngx_k8s_reflector_closed(r);
        break;
    }
}
