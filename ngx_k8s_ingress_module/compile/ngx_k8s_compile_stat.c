
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Statistics of endpoints: by what they are the same ones, and how those that
 * no record has any more are given back.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static uint64_t ngx_k8s_identity_part(uint64_t h, ngx_str_t *part);


void
ngx_k8s_compile_service_remove(ngx_k8s_compile_t *c, uint32_t slot)
{
    uint32_t                *stats;
    ngx_uint_t               i, n;
    ngx_k8s_service_rec_t   *rec;
    ngx_k8s_endpoint_rec_t  *ep;

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_SERVICE, slot);

    n = rec ? rec->endpoints.n : 0;
    ep = n ? ngx_k8s_record_at(rec, rec->endpoints.offset) : NULL;
    stats = n ? ngx_palloc(c->pool, n * sizeof(uint32_t)) : NULL;

    for (i = 0; i < n; i++) {
        if (stats) {
            stats[i] = ep[i].stat;

        } else {
            ngx_k8s_writer_stat_put(c->writer, ep[i].stat);
        }
    }

    if (stats) {
        ngx_k8s_compile_spend(c, stats, n);
    }

    ngx_k8s_writer_remove(c->writer, slot);
}


void
ngx_k8s_compile_spend(ngx_k8s_compile_t *c, uint32_t *stats, ngx_uint_t n)
{
    ngx_uint_t        i;
    ngx_k8s_spent_t  *spent;

    spent = NULL;

    if ((ngx_int_t) n > c->slice) {
        spent = ngx_alloc(sizeof(ngx_k8s_spent_t) + n * sizeof(uint32_t),
                          c->log);
    }

    if (spent) {
        spent->n = n;
        ngx_memcpy(spent->stats, stats, n * sizeof(uint32_t));
        ngx_queue_insert_tail(&c->spent, &spent->queue);
        return;
    }

    for (i = 0; i < n; i++) {
        ngx_k8s_writer_stat_put(c->writer, stats[i]);
    }
}


ngx_int_t
ngx_k8s_compile_spent(ngx_k8s_compile_t *c)
{
    ngx_int_t         n;
    ngx_queue_t      *q;
    ngx_k8s_spent_t  *spent;

    if (ngx_queue_empty(&c->spent)) {
        return NGX_DONE;
    }

    q = ngx_queue_head(&c->spent);
    spent = ngx_queue_data(q, ngx_k8s_spent_t, queue);

    for (n = 0; spent->n && n < c->slice; n++) {
        ngx_k8s_writer_stat_put(c->writer, spent->stats[--spent->n]);
    }

    if (spent->n == 0) {
        ngx_queue_remove(q);
        ngx_free(spent);
    }

    return NGX_OK;
}


/* FNV-1a over what makes an endpoint the same one: first its Service */

uint64_t
ngx_k8s_identity_service(ngx_k8s_port_t *port, ngx_k8s_service_t *svc)
{
    uint64_t   h;
    ngx_str_t  empty;

    ngx_str_null(&empty);

    h = 0xcbf29ce484222325ULL;

    if (svc->object.uid.len) {
        h = ngx_k8s_identity_part(h, &svc->object.uid);
        return ngx_k8s_identity_part(h, &empty);
    }

    h = ngx_k8s_identity_part(h, &port->node->namespace);

    return ngx_k8s_identity_part(h, &port->node->name);
}


uint64_t
ngx_k8s_identity(uint64_t h, ngx_k8s_endpoint_rec_t *ep,
    ngx_str_t *target)
{
    u_char     tail[4];
    ngx_str_t  s;

    tail[0] = (u_char) (ep->port >> 8);
    tail[1] = (u_char) ep->port;
    tail[2] = (u_char) ep->family;
    tail[3] = 0;

    h = ngx_k8s_identity_part(h, target);

    s.data = ep->addr;
    s.len = 16;
    h = ngx_k8s_identity_part(h, &s);

    s.data = tail;
    s.len = 4;
    h = ngx_k8s_identity_part(h, &s);

    return h ? h : 1;
}


static uint64_t
ngx_k8s_identity_part(uint64_t h, ngx_str_t *part)
{
    size_t  i;

    for (i = 0; i < part->len; i++) {
        h = (h ^ part->data[i]) * 0x100000001b3ULL;
    }

    return (h ^ '/') * 0x100000001b3ULL;
}
