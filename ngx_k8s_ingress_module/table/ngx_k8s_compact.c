
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Room in one piece.  Where enough granules are free, but none of the free
 * extents is large enough, the records between some of them are copied to
 * others, as an update does it: readers see the one or the other.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>


#define NGX_K8S_COMPACT_LOOK  8192   /* records looked at in one go */


/* from "start" to "end", granules; what is not free there are records */

typedef struct {
    uint32_t                 start;
    uint32_t                 end;
    uint32_t                 records;    /* granules of records in it */
} ngx_k8s_window_t;


static ngx_uint_t ngx_k8s_compact_find(ngx_k8s_writer_t *w, uint32_t len,
    ngx_k8s_window_t *best);
static ngx_uint_t ngx_k8s_compact_move(ngx_k8s_writer_t *w,
    ngx_k8s_window_t *window);
static uint32_t ngx_k8s_compact_record(ngx_k8s_writer_t *w, uint32_t start,
    uint32_t *slot);


ngx_uint_t
ngx_k8s_writer_compact(ngx_k8s_writer_t *w, uint32_t len)
{
    ngx_k8s_window_t  window;

    /* where it was no use, it is none before something is free */

    if (w->futile == w->table->version) {
        return 0;
    }

    if (ngx_k8s_compact_find(w, len, &window)
        && ngx_k8s_compact_move(w, &window))
    {
        return 1;
    }

    w->futile = w->table->version;

    return 0;
}


/*
 * Of the stretches that begin with a free extent and have "len" granules the
 * one with the fewest in records.  "at" goes over each record once.
 */

static ngx_uint_t
ngx_k8s_compact_find(ngx_k8s_writer_t *w, uint32_t len, ngx_k8s_window_t *best)
{
    uint32_t           at, size, slot, records;
    ngx_uint_t         n;
    ngx_k8s_extent_t  *first, *ahead;

    best->start = 0;
    best->end = 0;
    best->records = (uint32_t) -1;

    first = ngx_k8s_alloc_from(&w->alloc, w->compact);
    if (first == NULL) {
        first = ngx_k8s_alloc_from(&w->alloc, 0);
    }

    ahead = first;
    at = first ? first->start : 0;
    records = 0;

    for (n = 0; first && n < NGX_K8S_COMPACT_LOOK; /* void */ ) {

        if (at - first->start >= len) {

            if (records < best->records) {
                best->start = first->start;
                best->end = at;
                best->records = records;
            }

            /* it begins with the next free extent */

            size = first->start + first->len;
            first = ngx_k8s_alloc_from(&w->alloc, size);

            if (first == NULL) {
                break;
            }

            if (first->start >= at) {
                at = first->start;
                ahead = first;
                records = 0;

            } else {
                records -= first->start - size;
            }

            continue;
        }

        if (ahead && ahead->start == at) {
            at += ahead->len;
            ahead = ngx_k8s_alloc_from(&w->alloc, at);
            continue;
        }

        n++;
        size = ngx_k8s_compact_record(w, at, &slot);

        if (size == 0) {
            first = ahead;
            at = first ? first->start : 0;
            records = 0;
            continue;
        }

        at += size;
        records += size;
    }

    w->compact = first ? first->start : 0;

    return best->records <= w->alloc.free;
}


/* what is free in the window is not for the copies */

static ngx_uint_t
ngx_k8s_compact_move(ngx_k8s_writer_t *w, ngx_k8s_window_t *window)
{
    uint32_t           at, n, len, start;
    ngx_uint_t         moved;
    ngx_k8s_extent_t  *e, *held;
    ngx_k8s_record_t  *rec;

    held = NULL;
    moved = 0;

    for (e = ngx_k8s_alloc_from(&w->alloc, window->start);
         e && e->start < window->end;
         e = ngx_k8s_alloc_from(&w->alloc, window->start))
    {
        ngx_k8s_alloc_hold(&w->alloc, e);
        e->next = held;
        held = e;
    }

    at = window->start;

    while (at < window->end) {

        for (e = held; e && e->start != at; e = e->next) { /* void */ }

        if (e) {
            at += e->len;
            continue;
        }

        len = ngx_k8s_compact_record(w, at, &n);
        e = len ? ngx_k8s_extent_new(&w->alloc) : NULL;

        if (e == NULL) {
            break;
        }

        start = ngx_k8s_alloc(&w->alloc, len);

        if (start == 0) {
            ngx_k8s_extent_drop(&w->alloc, e);
            break;
        }

        rec = ngx_k8s_at(w->table, (size_t) start * NGX_K8S_GRANULE);
        ngx_memcpy(rec, ngx_k8s_at(w->table, (size_t) at * NGX_K8S_GRANULE),
                   len * NGX_K8S_GRANULE);

        e->start = at;
        e->len = len;

        ngx_k8s_writer_show(w, ngx_k8s_slot(w->table, n), start);
        ngx_k8s_writer_retire(w, e);

        at += len;
        moved = 1;
    }

    while (held) {
        e = held;
        held = e->next;
        ngx_k8s_free(&w->alloc, e);
    }

    return moved && at >= window->end;
}


/* the length of the record that begins there, and its slot; 0: there is none */

static uint32_t
ngx_k8s_compact_record(ngx_k8s_writer_t *w, uint32_t start, uint32_t *slot)
{
    ngx_k8s_slot_t    *s;
    ngx_k8s_record_t  *rec;

    rec = ngx_k8s_record(w->table, start);

    /* it may be a chunk of slots, or what waits for pins */

    if (rec == NULL || rec->type >= NGX_K8S_INDEXES
        || rec->key.len > NGX_K8S_KEY_MAX || rec->key.offset > rec->size
        || rec->key.len > rec->size - rec->key.offset
        || ngx_k8s_table_find(w->table, rec->type,
                              ngx_k8s_record_at(rec, rec->key.offset),
                              rec->key.len, slot)
           != rec)
    {
        return 0;
    }

    s = ngx_k8s_slot(w->table, *slot);

    return (s && s->record == start) ? rec->size / NGX_K8S_GRANULE : 0;
}
