
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The status of Ingresses.
 *
 * One is written over the version of the Ingress that it was looked at, so that
 * none is written over what is not known here: where another one has been
 * quicker the server says 409, and the version that is meant comes by the
 * watch.  What we have written ourselves comes back the same way, and is told
 * by its digest.  One that somebody else writes again and again is put right
 * once in a minute.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>
#include <ngx_k8s_report.h>


/* milliseconds: of a request; between two of one status */

#define NGX_K8S_STATUS_TIME          10000
#define NGX_K8S_STATUS_HOLD          60000


static ngx_k8s_entry_t *ngx_k8s_report_look(ngx_k8s_report_t *r);
static ngx_uint_t ngx_k8s_report_wanted(ngx_k8s_report_t *r,
    ngx_k8s_entry_t *entry);
static ngx_uint_t ngx_k8s_report_plain(ngx_str_t *s);
static ngx_int_t ngx_k8s_report_write(ngx_k8s_report_t *r,
    ngx_k8s_report_write_t *w, ngx_k8s_entry_t *entry);


ngx_int_t
ngx_k8s_report_status_send(ngx_k8s_report_t *r, ngx_k8s_report_write_t *w)
{
    ngx_k8s_entry_t  *entry;

    entry = ngx_k8s_report_look(r);

    if (entry) {
        return ngx_k8s_report_write(r, w, entry);
    }

    return ngx_queue_empty(&r->store->reported) ? NGX_DECLINED : NGX_AGAIN;
}


/* the next one whose status is to be written; NULL: none of those looked at */

static ngx_k8s_entry_t *
ngx_k8s_report_look(ngx_k8s_report_t *r)
{
    ngx_uint_t        n;
    ngx_k8s_entry_t  *entry;

    for (n = 0; n < NGX_K8S_REPORT_LOOKS; n++) {

        entry = ngx_k8s_reported_next(r->store);

        if (entry == NULL) {
            return NULL;
        }

        if (!ngx_k8s_report_wanted(r, entry)) {
            continue;
        }

        if (entry->stamp == r->stamp
            && ngx_current_msec - entry->written < NGX_K8S_STATUS_HOLD)
        {
            ngx_k8s_reported_park(r->store, entry);
            continue;
        }

        return entry;
    }

    return NULL;
}


/* what is left out, for room or a limit, is not served */

static ngx_uint_t
ngx_k8s_report_wanted(ngx_k8s_report_t *r, ngx_k8s_entry_t *entry)
{
    return entry->taken
           && (entry->state == NGX_K8S_STATE_SERVED
               || entry->state == NGX_K8S_STATE_NO_ROUTE)
           && !entry->sent
           && entry->object->version.len
           && ngx_memcmp(entry->object->status, r->digest, NGX_K8S_DIGEST)
              != 0
           && (!r->ending
               || ngx_memcmp(entry->object->status, r->ours, NGX_K8S_DIGEST)
                  == 0)
           && ngx_k8s_report_plain(&entry->object->uid)
           && ngx_k8s_report_plain(&entry->object->version);
}


/* whether it needs no escape */

static ngx_uint_t
ngx_k8s_report_plain(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] > 0x7e
            || s->data[i] == '"' || s->data[i] == '\\')
        {
            return 0;
        }
    }

    return s->len != 0;
}


static ngx_int_t
ngx_k8s_report_write(ngx_k8s_report_t *r, ngx_k8s_report_write_t *w,
    ngx_k8s_entry_t *entry)
{
    size_t              len;
    u_char             *p;
    ngx_int_t           rc;
    ngx_k8s_object_t   *object;
    ngx_k8s_request_t   req;

    object = entry->object;

    len = sizeof("{\"metadata\":{\"uid\":\"\",\"resourceVersion\":\"\"},"
                 "\"status\":}")
          + object->uid.len + object->version.len + r->status.len;

    p = ngx_alloc(len, r->log);
    if (p == NULL) {
        ngx_k8s_entry_report(r->store, entry);
        return NGX_ERROR;
    }

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));

    req.method = "PATCH";
    req.kind = NGX_K8S_INGRESS;
    req.namespace = object->namespace;
    req.name = object->name;
    ngx_str_set(&req.subresource, "status");
    req.accept = "Accept: application/json;as=PartialObjectMetadata;"
                 "g=meta.k8s.io;v=v1,application/json";
    req.type = "Content-Type: application/merge-patch+json";

    req.body.data = p;
    req.body.len = ngx_sprintf(p, "{\"metadata\":{\"uid\":\"%V\","
                               "\"resourceVersion\":\"%V\"},\"status\":%V}",
                               &object->uid, &object->version, &r->status)
                   - p;

    rc = r->source->ask(r->source, &req, NGX_K8S_STATUS_TIME, &w->ask);

    ngx_free(p);

    if (rc != NGX_OK) {
        ngx_k8s_entry_report(r->store, entry);
        return NGX_ERROR;
    }

    w->item = NULL;
    w->stamp = r->stamp;

    w->ns.len = object->namespace.len;
    w->ns.data = w->buffer;
    w->name.len = object->name.len;
    w->name.data = ngx_cpymem(w->buffer, object->namespace.data, w->ns.len);
    ngx_memcpy(w->name.data, object->name.data, w->name.len);

    entry->sent = 1;

    return NGX_OK;
}


void
ngx_k8s_report_status_sent(ngx_k8s_report_t *r, ngx_k8s_report_write_t *w,
    ngx_uint_t again)
{
    ngx_k8s_entry_t  *entry;

    entry = ngx_k8s_entry_find(r->store, NGX_K8S_INGRESS, &w->ns, &w->name);

    if (entry == NULL) {
        return;
    }

    /* one that was refused is parked as if it were written */

    if (w->ask.status == 200 || again == NGX_K8S_REPORT_LATER) {
        entry->written = ngx_current_msec;
        entry->stamp = w->stamp;
        entry->sent = 0;

    } else if (again) {
        entry->sent = 0;
    }

    /* else it is left alone until another version has come, or that it has */

    ngx_k8s_entry_report(r->store, entry);
}


void
ngx_k8s_report_status_look(ngx_k8s_report_t *r)
{
    ngx_k8s_entry_t  *entry;

    for ( ;; ) {
        entry = ngx_k8s_reported_parked(r->store);

        if (entry == NULL
            || (entry->stamp == r->stamp
                && ngx_current_msec - entry->written < NGX_K8S_STATUS_HOLD))
        {
            return;
        }

        ngx_k8s_reported_gone(entry);
        ngx_k8s_entry_report(r->store, entry);
    }
}


ngx_int_t
ngx_k8s_report_status_end(ngx_k8s_report_t *r)
{
    u_char            *text;
    ngx_k8s_digest_t   digest;

    static ngx_str_t   empty = ngx_string("{\"loadBalancer\":{}}");
    static ngx_str_t   none = ngx_string("{\"loadBalancer\":{\"ingress\":"
                                         "null}}");

    text = ngx_alloc(none.len, r->log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(r->ours, r->digest, NGX_K8S_DIGEST);

    ngx_k8s_digest_init(&digest);
    ngx_k8s_digest_add(&digest, empty.data, empty.len);

    if (ngx_k8s_digest_final(&digest, r->digest) != NGX_OK) {
        ngx_free(text);
        return NGX_ERROR;
    }

    ngx_memcpy(text, none.data, none.len);

    ngx_free(r->status.data);
    r->status.data = text;
    r->status.len = none.len;
    r->stamp++;

    ngx_k8s_reported_on(r->store, 1);

    return NGX_OK;
}


ngx_uint_t
ngx_k8s_report_status_ended(ngx_k8s_report_t *r)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_REPORT_PARALLEL; i++) {
        if (r->writes[i].ask.call) {
            return 0;
        }
    }

    return !r->store->reporting && ngx_queue_empty(&r->store->reported);
}
