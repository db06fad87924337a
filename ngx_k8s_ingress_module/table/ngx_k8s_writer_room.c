
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Room for records: what is free, what growth leaves of it, and how more of it
 * is had.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>


#define NGX_K8S_TAKE_MOVES   4     /* goes of compaction for one record */


uint32_t
ngx_k8s_writer_take(ngx_k8s_writer_t *w, uint32_t len, size_t need,
    size_t keep, ngx_uint_t chunk)
{
    size_t      was, room;
    uint32_t    start;
    ngx_uint_t  n;

    room = ngx_max(len, need);

    for (n = 0; /* void */ ; n++) {

        for ( ;; ) {

            if (w->alloc.free >= room) {
                start = chunk ? ngx_k8s_alloc_end(&w->alloc, len, keep)
                              : ngx_k8s_alloc(&w->alloc, len, keep);

                if (start) {
                    return start;
                }

                w->wanted = ngx_max(w->wanted, len + keep);
            }

            /* growth can wait until it is released */

            if (need <= len) {
                w->held = 0;
            }

            if (w->retired == NULL && w->lost_slots.first == 0) {
                break;
            }

            was = w->nretired;

            ngx_k8s_writer_collect(w);

            if (w->nretired == was && !w->behind) {
                break;
            }
        }

        if (w->alloc.free < room || n == NGX_K8S_TAKE_MOVES
            || !ngx_k8s_writer_compact(w))
        {
            break;
        }
    }

    need = ngx_max(room, len + keep);

    if (w->alloc.free + w->nretired >= need) {
        w->later = 1;
        w->sought = ngx_max(w->sought, need);
    }

    if (w->alloc.free < room) {
        w->missing = room - w->alloc.free;

    } else {

        /* what has moved is free again soon */

        w->missing = w->moving ? 1 : len;
    }

    w->missing *= NGX_K8S_GRANULE;

    return 0;
}


void
ngx_k8s_writer_publish(ngx_k8s_writer_t *w)
{
    ngx_k8s_table_t  *table;

    table = w->table;

    ngx_k8s_writer_collect(w);
    (void) ngx_k8s_writer_compact(w);

    table->used = (w->total - w->alloc.free - w->nretired) * NGX_K8S_GRANULE;
    table->unreclaimed = w->nretired * NGX_K8S_GRANULE;
    table->largest = (size_t) ngx_k8s_alloc_largest(&w->alloc)
                     * NGX_K8S_GRANULE;
}


size_t
ngx_k8s_writer_cost(size_t len)
{
    return ngx_k8s_granules(len) * NGX_K8S_GRANULE;
}


size_t
ngx_k8s_writer_room(ngx_k8s_writer_t *w)
{
    size_t  floor;

    floor = ngx_k8s_writer_floor(w);

    if (w->alloc.free < floor) {
        return 0;
    }

    return (w->alloc.free - floor) * NGX_K8S_GRANULE;
}


/* what growth leaves: the reserve, and what problems may still take */

size_t
ngx_k8s_writer_floor(ngx_k8s_writer_t *w)
{
    return w->reserve + (w->share > w->problems ? w->share - w->problems : 0);
}


size_t
ngx_k8s_writer_largest(ngx_k8s_writer_t *w)
{
    return w->largest * NGX_K8S_GRANULE;
}


size_t
ngx_k8s_writer_problems(ngx_k8s_writer_t *w)
{
    return (w->share > w->problems ? w->share - w->problems : 0)
           * NGX_K8S_GRANULE;
}


size_t
ngx_k8s_writer_taken(ngx_k8s_writer_t *w)
{
    return w->taken * NGX_K8S_GRANULE;
}


size_t
ngx_k8s_writer_missing(ngx_k8s_writer_t *w)
{
    return w->missing;
}


ngx_uint_t
ngx_k8s_writer_later(ngx_k8s_writer_t *w)
{
    return w->later;
}


ngx_int_t
ngx_k8s_writer_seek(ngx_k8s_writer_t *w)
{
    ngx_k8s_writer_collect(w);

    if (ngx_k8s_writer_compact(w) || w->behind) {
        return NGX_AGAIN;
    }

    if (w->wanted == 0 && w->alloc.free >= w->sought) {
        w->sought = 0;
        return NGX_OK;
    }

    /* what is put in pieces stands in the way until it is shown */

    if (w->nretired || w->placed) {
        return NGX_BUSY;
    }

    w->sought = 0;

    return NGX_DECLINED;
}
