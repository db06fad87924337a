
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Room in one piece.  Free granules come together in one extent, the largest,
 * and of these a part is kept that holds a copy of any record.  The record
 * behind that extent is copied to its start, as an update does it: readers see
 * the one or the other.  So the extent goes up through the heap, takes in what
 * is free on its way, and grows.  Where it can go no further, at the end of the
 * heap or at a chunk of slots, it is filled with records from elsewhere, and
 * what these leave is the next one.
 *
 * That ends with all that is free in one extent, as no record is larger than
 * what is kept.  It is done only as long as more is needed, some records in a
 * publish, and goes on when pins have moved on from these.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>


#define NGX_K8S_COMPACT_MOVE    4096  /* granules moved in one go */
#define NGX_K8S_COMPACT_LOOK    64    /* extents looked at in one go */
#define NGX_K8S_COMPACT_VAIN    4     /* heaps moved in vain, then it ends */


static ngx_uint_t ngx_k8s_compact_fill(ngx_k8s_writer_t *w,
    ngx_k8s_extent_t *hole);
static uint32_t ngx_k8s_compact_move(ngx_k8s_writer_t *w,
    ngx_k8s_extent_t *hole, uint32_t at);
static uint32_t ngx_k8s_compact_record(ngx_k8s_writer_t *w, uint32_t start,
    uint32_t *slot);


ngx_uint_t
ngx_k8s_writer_compact(ngx_k8s_writer_t *w)
{
    size_t             wanted;
    ngx_k8s_extent_t  *hole;

    /* what has moved is free first */

    if (w->moving) {
        return 0;
    }

    if (w->wanted > w->alloc.free) {
        w->wanted = 0;
    }

    hole = ngx_k8s_alloc_top(&w->alloc);
    wanted = ngx_max(w->wanted, 2 * w->largest);

    if (hole == NULL || hole->len >= wanted) {
        w->wanted = 0;
        w->vain = 0;
        return 0;
    }

    if (w->alloc.free < wanted || w->vain > NGX_K8S_COMPACT_VAIN * w->total) {
        return 0;
    }

    if (w->fill) {
        hole = ngx_k8s_alloc_from(&w->alloc, w->fill);

        if (hole && ngx_k8s_compact_fill(w, hole)) {
            return 1;
        }

        w->fill = 0;
        hole = ngx_k8s_alloc_top(&w->alloc);
    }

    if (ngx_k8s_compact_move(w, hole, hole->start + hole->len)) {
        return 1;
    }

    w->compact = hole->start + hole->len;

    return ngx_k8s_compact_fill(w, hole);
}


/* with records from behind another extent, which grows by that */

static ngx_uint_t
ngx_k8s_compact_fill(ngx_k8s_writer_t *w, ngx_k8s_extent_t *hole)
{
    uint32_t           end, to;
    ngx_uint_t         n;
    ngx_k8s_extent_t  *e;

    for (n = 0; n < NGX_K8S_COMPACT_LOOK; n++) {

        e = ngx_k8s_alloc_from(&w->alloc, w->compact);

        if (e == NULL) {
            w->compact = 0;
            continue;
        }

        w->compact = e->start;

        if (e != hole) {
            end = hole->start + hole->len;
            to = ngx_k8s_compact_move(w, hole, e->start + e->len);

            if (to) {
                w->fill = (to < end) ? to : 0;
                return 1;
            }
        }

        w->compact = e->start + e->len;
    }

    return 0;
}


/*
 * Copies what begins at "at" to the start of the extent, as much as that holds
 * and one go allows: the place behind the copies, 0: there are none.
 */

static uint32_t
ngx_k8s_compact_move(ngx_k8s_writer_t *w, ngx_k8s_extent_t *hole, uint32_t at)
{
    uint32_t           n, len, left, start, stop, to;
    ngx_k8s_extent_t  *e, *gap;
    ngx_k8s_record_t  *rec;

    to = 0;
    left = hole->len;
    stop = hole->start;
    gap = ngx_k8s_alloc_from(&w->alloc, at);

    while (left && at != stop
           && w->moving < ngx_min(NGX_K8S_COMPACT_MOVE, w->reserve / 8))
    {
        if (gap && gap->start == at) {
            at += gap->len;
            gap = ngx_k8s_alloc_from(&w->alloc, at);
            continue;
        }

        len = ngx_k8s_compact_record(w, at, &n);

        if (len == 0 || len > left) {
            break;
        }

        e = ngx_k8s_extent_new(&w->alloc);
        if (e == NULL) {
            break;
        }

        left -= len;
        start = ngx_k8s_alloc_cut(&w->alloc, hole, len);
        to = start + len;

        rec = ngx_k8s_at(w->table, (size_t) start * NGX_K8S_GRANULE);
        ngx_memcpy(rec, ngx_k8s_at(w->table, (size_t) at * NGX_K8S_GRANULE),
                   len * NGX_K8S_GRANULE);

        e->start = at;
        e->len = len;
        e->moved = 1;

        ngx_k8s_writer_show(w, ngx_k8s_slot(w->table, n), start);
        ngx_k8s_writer_retire(w, e);

        w->moving += len;
        w->vain += len;
        at += len;
    }

    return to;
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
