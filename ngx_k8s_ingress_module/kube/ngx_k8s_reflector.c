
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_client.h>


/* bytes of a list that are cut in one turn of the event loop */
#define NGX_K8S_REFLECTOR_SLICE      65536
/* the same of a watch, whose lines are only looked for */
#define NGX_K8S_REFLECTOR_LINES      524288
/* bytes at the sink from which on the next page waits, and for how long */
#define NGX_K8S_REFLECTOR_BACKLOG    1048576
#define NGX_K8S_REFLECTOR_PAUSE      10
/* bytes of an answer that is no list or watch */
#define NGX_K8S_REFLECTOR_ANSWER     65536
/* of a watch, over the time asked for */
#define NGX_K8S_REFLECTOR_MARGIN     30000
#define NGX_K8S_REFLECTOR_RETRY_MAX  300
#define NGX_K8S_REFLECTOR_BROKEN     5000
#define NGX_K8S_REFLECTOR_OVERSIZED  64


typedef struct {
    ngx_queue_t              queue;
    size_t                   ns;         /* lengths */
    size_t                   name;
    u_char                   data[1];
} ngx_k8s_oversized_t;


static void ngx_k8s_reflector_timer(ngx_event_t *ev);
static void ngx_k8s_reflector_next(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_request(ngx_k8s_reflector_t *r);
static char *ngx_k8s_reflector_accept(ngx_k8s_reflector_t *r);
static ngx_int_t ngx_k8s_reflector_body(ngx_k8s_call_t *call);
static ngx_int_t ngx_k8s_reflector_lines(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call);
static void ngx_k8s_reflector_event(ngx_k8s_reflector_t *r, u_char *p,
    u_char *last);
static void ngx_k8s_reflector_bookmark(ngx_k8s_reflector_t *r,
    ngx_k8s_event_t *event);
static ngx_int_t ngx_k8s_reflector_items(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call);
static void ngx_k8s_reflector_done(ngx_k8s_call_t *call);
static void ngx_k8s_reflector_listed(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_probed(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call);
static void ngx_k8s_reflector_closed(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_refused(ngx_k8s_reflector_t *r, ngx_uint_t code,
    ngx_k8s_status_t *st, ngx_uint_t after);
static void ngx_k8s_reflector_expired(ngx_k8s_reflector_t *r,
    ngx_k8s_status_t *st);
static void ngx_k8s_reflector_broken(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call);
static void ngx_k8s_reflector_retry(ngx_k8s_reflector_t *r, ngx_msec_t max,
    ngx_msec_t least);
static void ngx_k8s_reflector_begin(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_end(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_abort(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_object(ngx_k8s_reflector_t *r, ngx_uint_t op,
    ngx_k8s_event_t *event);
static void ngx_k8s_reflector_oversized(ngx_k8s_reflector_t *r, u_char *p,
    u_char *last);
static void ngx_k8s_reflector_fits(ngx_k8s_reflector_t *r,
    ngx_k8s_event_t *event);
static void ngx_k8s_reflector_version(ngx_k8s_reflector_t *r,
    ngx_str_t *version);
static void ngx_k8s_reflector_token(ngx_k8s_reflector_t *r, ngx_str_t *token);
static void ngx_k8s_reflector_well(ngx_k8s_reflector_t *r);
static void ngx_cdecl ngx_k8s_reflector_reason(ngx_k8s_reflector_t *r,
    const char *fmt, ...);


void
ngx_k8s_reflector_init(ngx_k8s_reflector_t *r, ngx_k8s_client_t *client,
    ngx_uint_t kind, ngx_str_t *scope)
{
    ngx_memzero(r, sizeof(ngx_k8s_reflector_t));

    r->client = client;
    r->info = &ngx_k8s_kinds[kind];
    r->ident = -1;
    r->kind = kind;
    r->scope = *scope;
    r->metadata = (kind == NGX_K8S_SECRET);
    r->relist = 1;
    r->state = NGX_K8S_SYNC_WAITING;
    r->version.data = r->buffer;

    ngx_queue_init(&r->oversized);

    r->timer.handler = ngx_k8s_reflector_timer;
    r->timer.data = r;
    r->timer.log = client->log;
    r->timer.cancelable = 1;

    ngx_k8s_reflector_reason(r, "it has not been listed yet");
}


void
ngx_k8s_reflector_schedule(ngx_k8s_reflector_t *r, ngx_msec_t delay)
{
    if (r->client->closed) {
        return;
    }

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    ngx_add_timer(&r->timer, ngx_max(delay, 1));
}


void
ngx_k8s_reflector_stop(ngx_k8s_reflector_t *r)
{
    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    if (r->call) {
        ngx_k8s_call_cancel(r->call);
        r->call = NULL;
    }

    if (r->cutting) {
        ngx_k8s_list_cutter_done(&r->cutter);
        r->cutting = 0;
    }

    if (r->token.data) {
        ngx_free(r->token.data);
        ngx_str_null(&r->token);
    }

    ngx_k8s_reflector_fits(r, NULL);

    r->connected = 0;
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
        ngx_k8s_call_cancel(r->call);
        r->call = NULL;
        r->connected = 0;

        ngx_k8s_reflector_reason(r, "the API server sent nothing for %M ms",
                                 ngx_current_msec - r->started);

        if (r->initial) {
            ngx_k8s_reflector_reason(r, "the end of the initial events has "
                                     "not come within %M ms",
                                     ngx_current_msec - r->started);

            if (++r->misses >= 3) {
                r->once = 1;
            }
        }

        if (r->step == NGX_K8S_STEP_WATCH) {
            r->check = 1;
        }

        ngx_k8s_reflector_retry(r, 0, 0);
    }

    sink->leave(sink->data);
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

    if (r->begun && r->step == NGX_K8S_STEP_LIST && r->token.len) {

        if (sink->backlog(sink->data) > NGX_K8S_REFLECTOR_BACKLOG) {
            ngx_k8s_reflector_schedule(r, NGX_K8S_REFLECTOR_PAUSE);
            return;
        }

    } else if (r->relist) {
        r->step = (r->plain || r->once) ? NGX_K8S_STEP_LIST
                                        : NGX_K8S_STEP_STREAM;

    } else if (r->check) {
        r->step = NGX_K8S_STEP_PROBE;

    } else {
        r->step = NGX_K8S_STEP_WATCH;
    }

    ngx_k8s_reflector_request(r);
}


static void
ngx_k8s_reflector_request(ngx_k8s_reflector_t *r)
{
    char                   *url;
    ngx_str_t               name;
    ngx_msec_t              time, guard;
    ngx_k8s_call_t         *call;
    ngx_k8s_query_t         query;
    ngx_k8s_source_conf_t  *conf;

    conf = r->client->conf;

    ngx_str_null(&name);
    ngx_memzero(&query, sizeof(ngx_k8s_query_t));

    time = conf->watch_timeout
           + (ngx_msec_t) ngx_random() % (conf->watch_timeout + 1);
    guard = conf->list_timeout;

    if (r->metadata) {
        ngx_str_set(&query.fields, "type!=helm.sh/release.v1,"
                                   "type!=kubernetes.io/service-account-token");
    }

    switch (r->step) {

    case NGX_K8S_STEP_STREAM:
        query.watch = 1;
        query.initial = 1;
        query.not_older = 1;
        query.version = r->version;
        query.timeout = time / 1000 + 1;
        r->lists++;
        break;

    case NGX_K8S_STEP_LIST:
        query.limit = r->full ? 0 : conf->page;

        if (r->token.len) {
            query.token = r->token;
            break;
        }

        query.version = r->version;
        query.not_older = (r->version.len != 0);
        r->lists++;
        break;

    case NGX_K8S_STEP_PROBE:
        query.limit = 1;
        break;

    default: /* NGX_K8S_STEP_WATCH */
        query.watch = 1;
        query.version = r->version;
        query.timeout = time / 1000 + 1;
        guard = time + NGX_K8S_REFLECTOR_MARGIN;
        r->watches++;
        break;
    }

    r->scanned = 0;
    r->events = 0;
    r->skip = 0;
    r->ended = 0;
    r->initial = (r->step == NGX_K8S_STEP_STREAM);
    r->unreachable = 0;
    r->started = ngx_current_msec;

    if (r->cutting) {
        ngx_k8s_list_cutter_done(&r->cutter);
        r->cutting = 0;
    }

    if (r->step == NGX_K8S_STEP_LIST) {

        if (ngx_k8s_list_cutter_init(&r->cutter, conf->object_max) != NGX_OK) {
            goto failed;
        }

        r->cutting = 1;
    }

    url = ngx_k8s_api_url(&r->client->base, r->kind, &r->scope, &name, &query,
                          r->client->log);

    call = ngx_k8s_client_call(r->client, url, ngx_k8s_reflector_accept(r));
    if (call == NULL) {
        goto failed;
    }

    call->data = r;
    call->body = ngx_k8s_reflector_body;
    call->done = ngx_k8s_reflector_done;

    if (ngx_k8s_call_start(call) != NGX_OK) {
        ngx_k8s_call_cancel(call);
        goto failed;
    }

    r->call = call;
    ngx_k8s_reflector_schedule(r, guard);

    return;

failed:

    ngx_k8s_reflector_reason(r, "there is not enough memory for a request");
    ngx_k8s_reflector_retry(r, 0, 0);
}


static char *
ngx_k8s_reflector_accept(ngx_k8s_reflector_t *r)
{
    if (r->step == NGX_K8S_STEP_PROBE
        || (r->metadata && r->step == NGX_K8S_STEP_LIST))
    {
        return "Accept: application/json;as=PartialObjectMetadataList;"
               "g=meta.k8s.io;v=v1,application/json";
    }

    if (r->metadata) {
        return "Accept: application/json;as=PartialObjectMetadata;"
               "g=meta.k8s.io;v=v1,application/json";
    }

    return "Accept: application/json";
}


static ngx_int_t
ngx_k8s_reflector_body(ngx_k8s_call_t *call)
{
    ngx_k8s_reflector_t  *r;

    r = call->data;

    ngx_k8s_client_up(r->client);

    if (call->status != 200 || r->step == NGX_K8S_STEP_PROBE) {

        /* it is read when it is complete */

        if (call->last - call->pos > NGX_K8S_REFLECTOR_ANSWER) {
            call->last = call->pos + NGX_K8S_REFLECTOR_ANSWER;
        }

        return NGX_OK;
    }

    if (r->step == NGX_K8S_STEP_LIST || r->initial) {
        ngx_add_timer(&r->timer, r->client->conf->list_timeout);
    }

    if (r->step == NGX_K8S_STEP_LIST) {
        return ngx_k8s_reflector_items(r, call);
    }

    if (!r->connected) {
        r->connected = 1;

        if (r->step == NGX_K8S_STEP_WATCH) {
            r->state = NGX_K8S_SYNC_LISTED;
            ngx_k8s_reflector_well(r);
        }

        ngx_k8s_client_report(r->client, r->kind);
    }

    return ngx_k8s_reflector_lines(r, call);
}


/* an event is a line */

static ngx_int_t
ngx_k8s_reflector_lines(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call)
{
    u_char  *p, *lf;
    size_t   n, done;

    done = 0;

    while (done < NGX_K8S_REFLECTOR_LINES) {
        n = call->last - call->pos;

        if (n == 0) {
            return NGX_OK;
        }

        p = call->pos;
        lf = memchr(p + r->scanned, LF, n - r->scanned);

        if (lf == NULL) {

            if (!r->skip
                && n > r->client->conf->object_max + NGX_MAX_ERROR_STR)
            {
                ngx_k8s_reflector_oversized(r, p, call->last);
                r->skip = 1;
            }

            if (r->skip) {
                call->pos = call->last;
                n = 0;
            }

            r->scanned = n;
            return NGX_OK;
        }

        call->pos = lf + 1;
        r->scanned = 0;
        done += lf + 1 - p;

        if (r->skip) {
            r->skip = 0;
            continue;
        }

        if (lf != p) {
            ngx_k8s_reflector_event(r, p, lf);
        }

        if (call->canceled) {
            return NGX_OK;
        }
    }

    return NGX_AGAIN;
}


static void
ngx_k8s_reflector_event(ngx_k8s_reflector_t *r, u_char *p, u_char *last)
{
    ngx_k8s_event_t    event;
    ngx_k8s_status_t   st;

    if (ngx_k8s_api_event(p, last, &event) != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, r->client->log, 0,
                      "an event of %V is not readable and left out",
                      &r->info->plural);
        r->errors++;
        return;
    }

    r->events++;

    switch (event.type) {

    case NGX_K8S_EVENT_BOOKMARK:
        ngx_k8s_reflector_bookmark(r, &event);
        return;

    case NGX_K8S_EVENT_ERROR:
        ngx_k8s_api_status(event.object.data, event.object.len, &st);

        ngx_k8s_call_cancel(r->call);
        r->call = NULL;
        r->connected = 0;

        ngx_k8s_reflector_refused(r, st.code ? st.code : 500, &st, 0);
        return;
    }

    /* what was known already, once more and late, is not news */

    if (!r->initial && ngx_k8s_api_older(&event.version, &r->version)) {
        ngx_log_debug2(NGX_LOG_DEBUG_CORE, r->client->log, 0,
                       "k8s old event: %V %V", &r->info->plural,
                       &event.version);
        return;
    }

    if (r->initial && !r->begun) {
        ngx_k8s_reflector_begin(r);
    }

    if (event.object.len > r->client->conf->object_max) {
        ngx_k8s_reflector_oversized(r, p, last);

    } else {
        ngx_k8s_reflector_object(r, event.type == NGX_K8S_EVENT_DELETED
                                    ? NGX_K8S_FEED_DELETE
                                    : NGX_K8S_FEED_OBJECT, &event);
    }

    if (!r->initial) {
        ngx_k8s_reflector_version(r, &event.version);
    }
}


static void
ngx_k8s_reflector_bookmark(ngx_k8s_reflector_t *r, ngx_k8s_event_t *event)
{
    if (event->version.len == 0) {
        return;
    }

    if (!r->initial) {

        if (!ngx_k8s_api_older(&event->version, &r->version)) {
            ngx_k8s_reflector_version(r, &event->version);
        }

        return;
    }

    if (!ngx_k8s_api_initial_end(&event->object)) {
        return;
    }

    /* the stream goes on as a watch */

    r->step = NGX_K8S_STEP_WATCH;
    r->initial = 0;
    r->version.len = 0;
    r->watches++;

    ngx_k8s_reflector_version(r, &event->version);
    ngx_k8s_reflector_end(r);

    /* the server ends it before that */

    ngx_k8s_reflector_schedule(r, 2 * r->client->conf->watch_timeout
                                  + NGX_K8S_REFLECTOR_MARGIN);
}


static ngx_int_t
ngx_k8s_reflector_items(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call)
{
    u_char           *p, *start, *last;
    ngx_int_t         rc;
    ngx_k8s_event_t   event;

    start = call->pos;
    last = ngx_min(call->last, start + NGX_K8S_REFLECTOR_SLICE);

    if (!r->begun) {
        ngx_k8s_reflector_begin(r);
    }

    while (call->pos < last && !r->ended) {
        p = call->pos;
        rc = ngx_k8s_list_cutter_feed(&r->cutter, &p, last);
        call->pos = p;

        switch (rc) {

        case NGX_OK:
            event.object.data = r->cutter.buf;
            event.object.len = r->cutter.len;

            ngx_k8s_api_metadata(r->cutter.buf, r->cutter.buf + r->cutter.len,
                                 &event);
            ngx_k8s_reflector_object(r, NGX_K8S_FEED_OBJECT, &event);
            break;

        case NGX_DECLINED:
            ngx_k8s_reflector_oversized(r, r->cutter.buf,
                                        r->cutter.buf + r->cutter.len);
            break;

        case NGX_DONE:
            r->ended = 1;
            call->pos = call->last;
            return NGX_OK;

        case NGX_AGAIN:
            break;

        default:
            ngx_k8s_call_cancel(call);
            r->call = NULL;

            ngx_k8s_reflector_reason(r, "the API server's list is broken");
            ngx_k8s_reflector_abort(r);
            ngx_k8s_reflector_retry(r, 0, 0);
            return NGX_OK;
        }
    }

    if (r->ended) {
        call->pos = call->last;
    }

    return call->pos < call->last ? NGX_AGAIN : NGX_OK;
}


static void
ngx_k8s_reflector_done(ngx_k8s_call_t *call)
{
    ngx_k8s_status_t      st;
    ngx_k8s_reflector_t  *r;

    r = call->data;
    r->call = NULL;
    r->connected = 0;

    if (call->status && call->status != 200) {
        ngx_k8s_api_status(call->pos, call->last - call->pos, &st);
        ngx_k8s_reflector_refused(r, call->status, &st, call->retry_after);
        return;
    }

    if (call->code != CURLE_OK || call->status == 0
        || (r->step == NGX_K8S_STEP_LIST && !r->ended))
    {
        ngx_k8s_reflector_broken(r, call);
        return;
    }

    switch (r->step) {

    case NGX_K8S_STEP_LIST:
        ngx_k8s_reflector_listed(r);
        break;

    case NGX_K8S_STEP_PROBE:
        ngx_k8s_reflector_probed(r, call);
        break;

    default:
        ngx_k8s_reflector_closed(r);
        break;
    }
}


/* a page is complete */

static void
ngx_k8s_reflector_listed(ngx_k8s_reflector_t *r)
{
    u_char           *last;
    ngx_str_t         meta, token;
    ngx_k8s_event_t   event;

    last = r->cutter.rest + r->cutter.rest_len;

    ngx_k8s_api_metadata(r->cutter.rest, last, &event);
    ngx_str_null(&token);

    if (ngx_k8s_json_member(r->cutter.rest, last, "metadata", &meta) == NGX_OK
        && meta.len && meta.data[0] == '{'
        && ngx_k8s_json_member(meta.data, meta.data + meta.len, "continue",
                               &token) == NGX_OK
        && token.len > 2 && token.data[0] == '"')
    {
        token.data++;
        token.len -= 2;

    } else {
        token.len = 0;
    }

    if (event.version.len == 0) {
        ngx_k8s_reflector_reason(r, "the API server's list has no "
                                 "resourceVersion");
        ngx_k8s_reflector_abort(r);
        ngx_k8s_reflector_retry(r, 0, 0);
        return;
    }

    ngx_k8s_reflector_token(r, &token);

    if (token.len && r->token.len == 0) {
        ngx_k8s_reflector_reason(r, "there is not enough memory");
        ngx_k8s_reflector_abort(r);
        ngx_k8s_reflector_retry(r, 0, 0);
        return;
    }

    ngx_k8s_list_cutter_done(&r->cutter);
    r->cutting = 0;

    if (r->token.len == 0) {
        r->version.len = 0;
        ngx_k8s_reflector_version(r, &event.version);
        ngx_k8s_reflector_end(r);
    }

    ngx_k8s_reflector_schedule(r, 0);
}


/*
 * A restored etcd makes versions go backwards, and a watch from a version of
 * the future is silent.
 */

static void
ngx_k8s_reflector_probed(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call)
{
    ngx_k8s_event_t  event;

    ngx_k8s_api_metadata(call->pos, call->last, &event);

    r->check = 0;

    if (ngx_k8s_api_older(&event.version, &r->version)) {
        ngx_log_error(NGX_LOG_WARN, r->client->log, 0,
                      "resource version of %V went back from %V to %V: it is "
                      "listed anew", &r->info->plural, &r->version,
                      &event.version);

        r->relist = 1;
        r->version.len = 0;
    }

    ngx_k8s_reflector_schedule(r, 0);
}


/* a watch has ended in good order */

static void
ngx_k8s_reflector_closed(ngx_k8s_reflector_t *r)
{
    if (r->initial) {
        ngx_k8s_reflector_reason(r, "the stream ended before the end of the "
                                 "initial events");
        ngx_k8s_reflector_abort(r);

        if (++r->misses >= 3) {
            r->once = 1;
        }

        ngx_k8s_reflector_retry(r, 0, 0);
        return;
    }

    if (r->events == 0 && ngx_current_msec - r->started < 1000) {

        if (++r->shorts >= 2) {
            r->shorts = 0;
            r->relist = 1;
        }

        ngx_k8s_reflector_reason(r, "very short watch: it was closed at once");
        ngx_k8s_reflector_retry(r, 0, 0);
        return;
    }

    r->shorts = 0;

    ngx_k8s_client_report(r->client, r->kind);
    ngx_k8s_reflector_schedule(r, ngx_random() % 50);
}


/* an HTTP status other than 200, or an event of type ERROR */

static void
ngx_k8s_reflector_refused(ngx_k8s_reflector_t *r, ngx_uint_t code,
    ngx_k8s_status_t *st, ngx_uint_t after)
{
    ngx_str_t   message;
    ngx_uint_t  changed;

    message.data = st->message;
    message.len = st->len;

    after = ngx_min(ngx_max(after, st->retry_after),
                    NGX_K8S_REFLECTOR_RETRY_MAX);

    if (code == 410 || st->expired || st->too_large) {
        ngx_k8s_reflector_expired(r, st);
        return;
    }

    ngx_k8s_reflector_reason(r, "the API server answered %ui%s%V", code,
                             st->len ? ": " : "", &message);

    if (r->trouble != code && code != 400 && code != 422) {
        r->trouble = code;
        ngx_log_error((code == 429 ? NGX_LOG_NOTICE : NGX_LOG_ERR),
                      r->client->log, 0, "%V%s%V: %*s", &r->info->plural,
                      r->scope.len ? " in " : "", &r->scope, r->reason_len,
                      r->reason);
    }

    switch (code) {

    case 401:
        changed = ngx_k8s_credentials_refresh(&r->client->credentials, 1);

        if (changed || !r->renewed) {
            r->renewed = 1;
            r->errors++;
            ngx_k8s_reflector_abort(r);
            ngx_k8s_client_report(r->client, r->kind);
            ngx_k8s_reflector_schedule(r, changed ? 0 : 200);
            return;
        }

        break;

    case 403:
    case 404:
        r->state = NGX_K8S_SYNC_REFUSED;

        if (r->metadata) {
            ngx_k8s_secrets_refused(r->client->secrets);
        }

        break;

    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        if (r->step == NGX_K8S_STEP_STREAM && code != 429
            && ++r->misses >= 5)
        {
            r->once = 1;
        }

        break;

    default:
        if (r->step == NGX_K8S_STEP_STREAM) {
            ngx_log_error(NGX_LOG_INFO, r->client->log, 0,
                          "%V: the API server has no streaming lists (%ui)",
                          &r->info->plural, code);

            r->plain = 1;
            ngx_k8s_reflector_abort(r);
            ngx_k8s_reflector_schedule(r, 0);
            return;
        }

        if (r->step == NGX_K8S_STEP_PROBE) {
            r->check = 0;

        } else {
            r->relist = 1;
            r->version.len = 0;
            ngx_k8s_reflector_abort(r);
        }
    }

    ngx_k8s_reflector_retry(r, 0, after * 1000);
}


static void
ngx_k8s_reflector_expired(ngx_k8s_reflector_t *r, ngx_k8s_status_t *st)
{
    ngx_uint_t  any;

    any = (r->version.len == 0);

    ngx_k8s_reflector_reason(r, st->too_large
                                ? "the API server does not know this "
                                  "resource version yet"
                                : "the resource version has expired");

    switch (r->step) {

    case NGX_K8S_STEP_PROBE:
        r->check = 0;
        break;

    case NGX_K8S_STEP_LIST:
        if (r->token.len) {
            r->full = 1;
        }

        r->version.len = 0;
        break;

    case NGX_K8S_STEP_STREAM:
        r->version.len = 0;
        break;

    default: /* NGX_K8S_STEP_WATCH */
        r->relist = 1;

        if (st->too_large) {
            r->version.len = 0;
        }
    }

    ngx_k8s_reflector_abort(r);

    if (r->attempts < 2 && !any) {
        r->attempts++;
        r->failed = ngx_current_msec;
        r->errors++;
        ngx_k8s_client_report(r->client, r->kind);
        ngx_k8s_reflector_schedule(r, 0);
        return;
    }

    ngx_k8s_reflector_retry(r, 0, 0);
}


/* no answer, or not the end of it */

static void
ngx_k8s_reflector_broken(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call)
{
    ngx_uint_t  changed;

    ngx_k8s_reflector_reason(r, "the connection to the API server failed: %s",
                             call->error[0] ? call->error
                                            : curl_easy_strerror(call->code));

    if (!r->relist) {
        r->check = 1;
    }

    changed = 0;

    switch (call->code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
        changed = ngx_k8s_credentials_refresh(&r->client->credentials, 1);
        break;

    default:
        break;
    }

    if (call->status == 0) {
        ngx_k8s_client_down(r->client, call);
        r->unreachable = 1;

    } else if (r->initial && ++r->misses >= 3) {
        r->once = 1;
    }

    if (r->attempts == 0
        && (changed || (call->status && !r->initial
                        && ngx_current_msec - r->started > 1000)))
    {
        r->attempts = 1;
        r->failed = ngx_current_msec;
        r->errors++;
        ngx_k8s_reflector_abort(r);
        ngx_k8s_client_report(r->client, r->kind);
        ngx_k8s_reflector_schedule(r, ngx_random() % 100);
        return;
    }

    ngx_k8s_reflector_retry(r, NGX_K8S_REFLECTOR_BROKEN, 0);
}


static void
ngx_k8s_reflector_retry(ngx_k8s_reflector_t *r, ngx_msec_t max,
    ngx_msec_t least)
{
    ngx_msec_t  delay;

    r->errors++;

    delay = ngx_k8s_client_backoff(r->client, &r->attempts, &r->failed, max);

    /* a list goes on with the page that failed */

    if (!(r->begun && r->step == NGX_K8S_STEP_LIST && r->token.len
          && r->attempts < 5))
    {
        ngx_k8s_reflector_abort(r);
    }

    if (r->cutting) {
        ngx_k8s_list_cutter_done(&r->cutter);
        r->cutting = 0;
    }

    ngx_k8s_client_report(r->client, r->kind);
    ngx_k8s_reflector_schedule(r, ngx_max(delay, least));
}


static void
ngx_k8s_reflector_begin(ngx_k8s_reflector_t *r)
{
    r->begun = 1;

    ngx_k8s_reflector_fits(r, NULL);

    if (r->metadata) {
        ngx_k8s_secrets_begin(r->client->secrets, &r->scope);
        return;
    }

    ngx_k8s_client_feed(r->client, NGX_K8S_FEED_BEGIN, r->kind, &r->scope,
                        NULL, 0);
}


static void
ngx_k8s_reflector_end(ngx_k8s_reflector_t *r)
{
    if (!r->begun) {
        ngx_k8s_reflector_begin(r);
    }

    r->begun = 0;
    r->relist = 0;
    r->check = 0;
    r->once = 0;
    r->full = 0;
    r->misses = 0;
    r->state = NGX_K8S_SYNC_LISTED;

    if (r->metadata) {
        ngx_k8s_secrets_end(r->client->secrets, &r->scope);

    } else {
        ngx_k8s_client_feed(r->client, NGX_K8S_FEED_END, r->kind, &r->scope,
                            NULL, 0);
    }

    ngx_k8s_reflector_well(r);
    ngx_k8s_client_report(r->client, r->kind);
}


static void
ngx_k8s_reflector_abort(ngx_k8s_reflector_t *r)
{
    ngx_str_t  none;

    ngx_str_null(&none);
    ngx_k8s_reflector_token(r, &none);

    if (!r->begun) {
        return;
    }

    r->begun = 0;

    if (!r->metadata) {
        ngx_k8s_client_feed(r->client, NGX_K8S_FEED_ABORT, r->kind, &r->scope,
                            NULL, 0);
    }
}


static void
ngx_k8s_reflector_object(ngx_k8s_reflector_t *r, ngx_uint_t op,
    ngx_k8s_event_t *event)
{
    u_char  *text;

    if (r->metadata) {

        if (op == NGX_K8S_FEED_DELETE) {
            ngx_k8s_secrets_gone(r->client->secrets, event);

        } else {
            ngx_k8s_secrets_seen(r->client->secrets, &r->scope, event);
        }

        return;
    }

    ngx_k8s_reflector_fits(r, event);

    text = ngx_alloc(event->object.len, r->client->log);

    if (text == NULL) {

        /* a hole would stay: all is listed again */

        r->relist = 1;
        r->version.len = 0;
        return;
    }

    ngx_memcpy(text, event->object.data, event->object.len);

    ngx_k8s_client_feed(r->client, op, r->kind, &r->scope, text,
                        event->object.len);
}


/* only the beginning may be there: what names the object is looked for */

static void
ngx_k8s_reflector_oversized(ngx_k8s_reflector_t *r, u_char *p, u_char *last)
{
    u_char               *s, *e;
    ngx_str_t             name, ns;
    ngx_uint_t            i;
    ngx_k8s_oversized_t  *o;

    static const struct {
        char    *key;
        size_t   len;
    } keys[] = {
        { "\"name\":\"", 8 },
        { "\"namespace\":\"", 13 }
    };

    ngx_str_t   *values[] = { &name, &ns };

    last = ngx_min(last, p + 65536);

    for (i = 0; i < 2; i++) {
        ngx_str_null(values[i]);

        s = ngx_strnstr(p, keys[i].key, last - p);

        if (s) {
            s += keys[i].len;
            e = ngx_strlchr(s, last, '"');

            if (e && e - s <= 253) {
                values[i]->data = s;
                values[i]->len = e - s;
            }
        }
    }

    /* it is remembered, so that its problem can end */

    if (r->noversized >= NGX_K8S_REFLECTOR_OVERSIZED) {
        return;
    }

    o = ngx_alloc(sizeof(ngx_k8s_oversized_t) + ns.len + name.len,
                  r->client->log);
    if (o == NULL) {
        return;
    }

    o->ns = ns.len;
    o->name = name.len;
    ngx_memcpy(ngx_cpymem(o->data, ns.data, ns.len), name.data, name.len);

    ngx_queue_insert_tail(&r->oversized, &o->queue);
    r->noversized++;

    ngx_k8s_client_problem(r->client, r->kind, &ns, &name,
                           NGX_K8S_PROBLEM_OBJECT_TOO_LARGE,
                           "the object is larger than the limit and left out");
}


/* ends the problem of an object, or all of them (NULL) */

static void
ngx_k8s_reflector_fits(ngx_k8s_reflector_t *r, ngx_k8s_event_t *event)
{
    ngx_str_t             ns, name;
    ngx_queue_t          *q, *next;
    ngx_k8s_oversized_t  *o;

    for (q = ngx_queue_head(&r->oversized);
         q != ngx_queue_sentinel(&r->oversized);
         q = next)
    {
        next = ngx_queue_next(q);
        o = ngx_queue_data(q, ngx_k8s_oversized_t, queue);

        ns.len = o->ns;
        ns.data = o->data;
        name.len = o->name;
        name.data = o->data + o->ns;

        if (event
            && (ns.len != event->namespace.len || name.len != event->name.len
                || ngx_strncmp(ns.data, event->namespace.data, ns.len) != 0
                || ngx_strncmp(name.data, event->name.data, name.len) != 0))
        {
            continue;
        }

        ngx_k8s_client_problem(r->client, r->kind, &ns, &name, -1, "");

        ngx_queue_remove(q);
        ngx_free(o);
        r->noversized--;
    }
}


static void
ngx_k8s_reflector_version(ngx_k8s_reflector_t *r, ngx_str_t *version)
{
    if (version->len == 0 || version->len > NGX_K8S_VERSION_MAX) {
        return;
    }

    ngx_memcpy(r->buffer, version->data, version->len);
    r->version.len = version->len;
}


static void
ngx_k8s_reflector_token(ngx_k8s_reflector_t *r, ngx_str_t *token)
{
    if (r->token.data) {
        ngx_free(r->token.data);
        ngx_str_null(&r->token);
    }

    if (token->len == 0) {
        return;
    }

    r->token.data = ngx_alloc(token->len, r->client->log);

    if (r->token.data) {
        ngx_memcpy(r->token.data, token->data, token->len);
        r->token.len = token->len;
    }
}


static void
ngx_k8s_reflector_well(ngx_k8s_reflector_t *r)
{
    r->renewed = 0;
    r->reason_len = 0;

    if (r->trouble) {
        r->trouble = 0;
        ngx_log_error(NGX_LOG_NOTICE, r->client->log, 0,
                      "%V%s%V: watched again", &r->info->plural,
                      r->scope.len ? " in " : "", &r->scope);
    }
}


static void ngx_cdecl
ngx_k8s_reflector_reason(ngx_k8s_reflector_t *r, const char *fmt, ...)
{
    u_char   *last;
    va_list   args;

    va_start(args, fmt);
    last = ngx_vslprintf(r->reason, r->reason + NGX_K8S_REASON_MAX, fmt, args);
    va_end(args);

    r->reason_len = last - r->reason;
}
