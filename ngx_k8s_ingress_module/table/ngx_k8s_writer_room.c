
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


uint32_t
ngx_k8s_writer_take(ngx_k8s_writer_t *w, uint32_t len, size_t need)
{
    size_t      was, room;
    uint32_t    start;
    ngx_uint_t  tried, moved;

    room = ngx_max(len, need);
    tried = 0;
    moved = 0;

    for ( ;; ) {

        if (w->alloc.free >= room) {
            start = ngx_k8s_alloc(&w->alloc, len);

            if (start) {
                return start;
            }
        }

        /* growth can wait until it is released */

        if (need <= len) {
            w->held = 0;
        }

        if (w->retired || w->lost_slots.first) {
            was = w->nretired;

            ngx_k8s_writer_publish(w);

            if (w->nretired != was || w->behind) {
                continue;
            }
        }

        if (tried || w->alloc.free < room) {
            break;
        }

        tried = 1;
        moved = ngx_k8s_writer_compact(w, len);

        if (!moved) {
            break;
        }
    }

    if (w->alloc.free < room) {
        w->missing = room - w->alloc.free;

    } else {
        w->missing = moved ? 1 : len - ngx_k8s_alloc_largest(&w->alloc);
    }

    w->missing *= NGX_K8S_GRANULE;

    return 0;
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
    return ngx_min(w->reserve * NGX_K8S_GRANULE, NGX_K8S_RECORD_MAX);
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
