
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_client.h>


/* bytes of a list that are cut in one turn of the event loop */
#define NGX_K8S_REFLECTOR_SLICE      32768
/* the same of a watch, whose lines are only looked for */
#define NGX_K8S_REFLECTOR_LINES      32768


static ngx_int_t ngx_k8s_reflector_event(ngx_k8s_reflector_t *r, u_char *p,
    u_char *last, ngx_k8s_status_t *st);
static ngx_int_t ngx_k8s_reflector_bookmark(ngx_k8s_reflector_t *r,
    ngx_k8s_event_t *event);
static void ngx_k8s_reflector_change(ngx_k8s_reflector_t *r,
    ngx_k8s_event_t *event);

static void ngx_k8s_reflector_plain_begin(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_plain_object(ngx_k8s_reflector_t *r,
    ngx_uint_t op, ngx_k8s_event_t *event);
static void ngx_k8s_reflector_plain_end(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_plain_abort(ngx_k8s_reflector_t *r);
static void ngx_k8s_reflector_plain_refused(ngx_k8s_reflector_t *r);


ngx_k8s_reflector_ops_t  ngx_k8s_reflector_plain = {
    "Accept: application/json",
    "Accept: application/json",
    ngx_k8s_reflector_plain_begin,
    ngx_k8s_reflector_plain_object,
    ngx_k8s_reflector_plain_end,
    ngx_k8s_reflector_plain_abort,
    ngx_k8s_reflector_plain_refused
};


/* an event is a line; of one that is too large only what names it is kept */

ngx_int_t
ngx_k8s_reflector_lines(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call,
    ngx_k8s_status_t *st)
{
    u_char     *p, *lf;
    size_t      n, done;
    ngx_int_t   rc;

    done = 0;

    while (done < NGX_K8S_REFLECTOR_LINES) {
        p = call->pos;
        n = ngx_min((size_t) (call->last - p),
                    r->scanned + NGX_K8S_REFLECTOR_LINES);

        if (n == 0) {
            return NGX_OK;
        }

        if (r->scanned == 0 && r->read == NGX_K8S_READ_ALL) {
            ngx_k8s_json_names_init(&r->names, 1);
        }

        lf = memchr(p + r->scanned, LF, n - r->scanned);

        ngx_k8s_json_names_feed(&r->names, p + r->scanned, lf ? lf : p + n);

        if (lf == NULL) {

            if (n > r->client->conf->object_max + NGX_MAX_ERROR_STR) {
                r->read = NGX_K8S_READ_NEXT;
            }

            if (r->read == NGX_K8S_READ_NEXT) {
                call->pos = p + n;
                n = 0;
            }

            r->scanned = n;
            return call->pos + n < call->last ? NGX_AGAIN : NGX_OK;
        }

        call->pos = lf + 1;
        r->scanned = 0;
        done += lf + 1 - p;

        if (r->read == NGX_K8S_READ_NEXT) {
            r->read = NGX_K8S_READ_ALL;
            p = NULL;

        } else if (lf == p || (lf == p + 1 && *p == CR)) {
            continue;
        }

        rc = ngx_k8s_reflector_event(r, p, lf, st);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_AGAIN;
}


/* p is NULL: the line was not kept.  NGX_OK; or NGX_DONE, NGX_DECLINED, as
   above */

static ngx_int_t
ngx_k8s_reflector_event(ngx_k8s_reflector_t *r, u_char *p, u_char *last,
    ngx_k8s_status_t *st)
{
    ngx_int_t        rc;
    ngx_k8s_event_t  event;

    rc = ngx_k8s_api_event(&r->names, p, last, &event);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, r->client->log, 0,
                      "an event of %V %s", &r->info->plural,
                      rc == NGX_DECLINED ? "has an unknown type, it is left out"
                                         : "cannot be read");
        r->errors++;

        if (rc == NGX_ERROR) {
            ngx_k8s_client_feed(r->client, NGX_K8S_FEED_LOST, r->kind,
                                &r->scope, NULL, 0);
        }

        return NGX_OK;
    }

    r->events++;

    switch (event.type) {

    case NGX_K8S_EVENT_BOOKMARK:
        return ngx_k8s_reflector_bookmark(r, &event);

    case NGX_K8S_EVENT_ERROR:
        ngx_k8s_api_status(event.object.data, event.object.len, st);
        return NGX_DECLINED;
    }

    ngx_k8s_reflector_change(r, &event);

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_reflector_bookmark(ngx_k8s_reflector_t *r, ngx_k8s_event_t *event)
{
    if (event->version.len == 0) {
        return NGX_OK;
    }

    if (r->phase == NGX_K8S_PHASE_WATCH) {

        if (!ngx_k8s_api_older(&event->version, &r->version)) {
            ngx_k8s_reflector_version(r, &event->version);
        }

        return NGX_OK;
    }

    if (!ngx_k8s_api_initial_end(&event->object)) {
        return NGX_OK;
    }

    r->version.len = 0;
    ngx_k8s_reflector_version(r, &event->version);

    return NGX_DONE;
}


/* the version of a list is that of its end */

static void
ngx_k8s_reflector_change(ngx_k8s_reflector_t *r, ngx_k8s_event_t *event)
{
    ngx_uint_t  op;

    if (r->phase == NGX_K8S_PHASE_STREAM) {
        ngx_k8s_reflector_begin(r);

    } else if (ngx_k8s_api_older(&event->version, &r->version)) {

        /* what was known already, once more and late, is not news */

        ngx_log_debug2(NGX_LOG_DEBUG_CORE, r->client->log, 0,
                       "k8s old event: %V %V", &r->info->plural,
                       &event->version);
        return;
    }

    op = (event->type == NGX_K8S_EVENT_DELETED) ? NGX_K8S_FEED_DELETE
         : (event->object.len == 0
            || event->object.len > r->client->conf->object_max)
         ? NGX_K8S_FEED_KEEP : NGX_K8S_FEED_OBJECT;

    r->ops->object(r, op, event);

    if (r->phase == NGX_K8S_PHASE_WATCH) {
        ngx_k8s_reflector_version(r, &event->version);
    }
}


ngx_int_t
ngx_k8s_reflector_items(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call)
{
    u_char           *p, *start, *last;
    ngx_int_t         rc;
    ngx_k8s_event_t   event;

    start = call->pos;
    last = ngx_min(call->last, start + NGX_K8S_REFLECTOR_SLICE);

    ngx_k8s_reflector_begin(r);

    while (call->pos < last && r->read == NGX_K8S_READ_ALL) {
        p = call->pos;
        rc = ngx_k8s_list_cutter_feed(&r->cutter, &p, last);
        call->pos = p;

        switch (rc) {

        case NGX_OK:
            event.object.data = r->cutter.buf;
            event.object.len = r->cutter.len;

            ngx_k8s_api_names(&r->cutter.names, &event);
            r->ops->object(r, NGX_K8S_FEED_OBJECT, &event);
            break;

        case NGX_DECLINED:
            ngx_str_null(&event.object);

            ngx_k8s_api_names(&r->cutter.names, &event);
            r->ops->object(r, NGX_K8S_FEED_KEEP, &event);
            break;

        case NGX_DONE:
            r->read = NGX_K8S_READ_NONE;
            break;

        case NGX_AGAIN:
            break;

        default:
            return NGX_ERROR;
        }
    }

    if (r->read == NGX_K8S_READ_NONE) {
        call->pos = call->last;
    }

    return call->pos < call->last ? NGX_AGAIN : NGX_OK;
}


static void
ngx_k8s_reflector_plain_begin(ngx_k8s_reflector_t *r)
{
    ngx_k8s_client_feed(r->client, NGX_K8S_FEED_BEGIN, r->kind, &r->scope,
                        NULL, 0);
}


static void
ngx_k8s_reflector_plain_object(ngx_k8s_reflector_t *r, ngx_uint_t op,
    ngx_k8s_event_t *event)
{
    size_t   len;
    u_char  *text;

    len = event->object.len;

    if (op == NGX_K8S_FEED_KEEP || len == 0
        || len > r->client->conf->object_max)
    {
        ngx_k8s_client_feed_name(r->client, op, r->kind, &r->scope,
                                 &event->namespace, &event->name,
                                 NGX_K8S_PROBLEM_OBJECT_TOO_LARGE);
        return;
    }

    text = ngx_alloc(len, r->client->log);

    if (text == NULL) {
        op = NGX_K8S_FEED_LOST;
        len = 0;

    } else {
        ngx_memcpy(text, event->object.data, len);
    }

    ngx_k8s_client_feed(r->client, op, r->kind, &r->scope, text, len);
}


static void
ngx_k8s_reflector_plain_end(ngx_k8s_reflector_t *r)
{
    ngx_k8s_client_feed(r->client, NGX_K8S_FEED_END, r->kind, &r->scope,
                        NULL, 0);
}


static void
ngx_k8s_reflector_plain_abort(ngx_k8s_reflector_t *r)
{
    ngx_k8s_client_feed(r->client, NGX_K8S_FEED_ABORT, r->kind, &r->scope,
                        NULL, 0);
}


/* what was listed stays in force */

static void
ngx_k8s_reflector_plain_refused(ngx_k8s_reflector_t *r)
{
    /* void */
}
