
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_client.h>


/* bytes of a list that are cut in one turn of the event loop */
#define NGX_K8S_REFLECTOR_SLICE      32768
/* the same of a watch, whose lines are only looked for */
#define NGX_K8S_REFLECTOR_LINES      32768


static void ngx_k8s_reflector_event(ngx_k8s_reflector_t *r, u_char *p,
    u_char *last);
static void ngx_k8s_reflector_bookmark(ngx_k8s_reflector_t *r,
    ngx_k8s_event_t *event);
static void ngx_k8s_reflector_begin(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_object(ngx_k8s_reflector_t *r, ngx_uint_t op,
    ngx_k8s_event_t *event);
static void ngx_k8s_reflector_oversized(ngx_k8s_reflector_t *r, u_char *p,
    u_char *last, ngx_uint_t line);


/* an event is a line */

ngx_int_t
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
                ngx_k8s_reflector_oversized(r, p, call->last, 1);
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

    ngx_k8s_reflector_object(r, event.type == NGX_K8S_EVENT_DELETED
                                ? NGX_K8S_FEED_DELETE
                                : NGX_K8S_FEED_OBJECT, &event);

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

    ngx_k8s_reflector_schedule(r, ngx_k8s_reflector_guard(r));
}


ngx_int_t
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
                                        r->cutter.buf + r->cutter.len, 0);
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
            ngx_k8s_reflector_trouble(r, NGX_LOG_ERR, NGX_K8S_TROUBLE_ODD);
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
ngx_k8s_reflector_begin(ngx_k8s_reflector_t *r)
{
    r->begun = 1;

    if (r->metadata) {
        ngx_k8s_secrets_begin(r->client->secrets, &r->scope);
        return;
    }

    ngx_k8s_client_feed(r->client, NGX_K8S_FEED_BEGIN, r->kind, &r->scope,
                        NULL, 0);
}


void
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
    r->overdue = 0;
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


void
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

    if (event->object.len > r->client->conf->object_max
        || op == NGX_K8S_FEED_KEEP)
    {
        ngx_k8s_client_feed_name(r->client, op == NGX_K8S_FEED_DELETE
                                            ? op : NGX_K8S_FEED_KEEP,
                                 r->kind, &r->scope, &event->namespace,
                                 &event->name,
                                 NGX_K8S_PROBLEM_OBJECT_TOO_LARGE);
        return;
    }

    text = ngx_alloc(event->object.len, r->client->log);

    if (text == NULL) {
        ngx_k8s_client_feed(r->client, NGX_K8S_FEED_LOST, r->kind, &r->scope,
                            NULL, 0);
        return;
    }

    ngx_memcpy(text, event->object.data, event->object.len);

    ngx_k8s_client_feed(r->client, op, r->kind, &r->scope, text,
                        event->object.len);
}


/* only the beginning of an event's line, or of an object, is there */

static void
ngx_k8s_reflector_oversized(ngx_k8s_reflector_t *r, u_char *p, u_char *last,
    ngx_uint_t line)
{
    ngx_k8s_event_t  event;

    if (ngx_k8s_api_head(p, last, line, &event) != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, r->client->log, 0,
                      "one of the %V is larger than \"object_max\" and left "
                      "out, its name is not known", &r->info->plural);
        r->errors++;
        return;
    }

    if (line && r->initial && !r->begun) {
        ngx_k8s_reflector_begin(r);
    }

    ngx_k8s_reflector_object(r, line && event.type == NGX_K8S_EVENT_DELETED
                                ? NGX_K8S_FEED_DELETE : NGX_K8S_FEED_KEEP,
                             &event);
}


void
ngx_k8s_reflector_version(ngx_k8s_reflector_t *r, ngx_str_t *version)
{
    ngx_k8s_client_t  *client;

    if (version->len == 0 || version->len > NGX_K8S_VERSION_MAX) {
        return;
    }

    ngx_memcpy(r->buffer, version->data, version->len);
    r->version.len = version->len;

    client = r->client;

    if (!ngx_k8s_api_older(version, &client->newest)) {
        client->newest.data = client->buffer;
        client->newest.len = version->len;
        ngx_memcpy(client->buffer, version->data, version->len);
    }
}


void
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
