
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Entries whose status is to be looked at, as their object, their state or what
 * is to be written has changed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


void
ngx_k8s_reported_init(ngx_k8s_store_t *store)
{
    ngx_queue_init(&store->reported);
    ngx_queue_init(&store->parked);
}


void
ngx_k8s_entry_report(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    if (!store->reports || entry->reported || entry->kind != NGX_K8S_INGRESS) {
        return;
    }

    entry->reported = 1;
    ngx_queue_insert_tail(&store->reported, &entry->report);

    if (store->events.report) {
        store->events.report(store->events.data);
    }
}


void
ngx_k8s_reported_on(ngx_k8s_store_t *store, ngx_uint_t on)
{
    ngx_k8s_entry_t  *entry;

    ngx_k8s_reported_unplace(store);

    store->reports = on;

    if (on) {
        ngx_queue_insert_head(&store->all[NGX_K8S_INGRESS],
                              &store->reporter.queue);
        store->reporting = 1;
        return;
    }

    while ((entry = ngx_k8s_reported_next(store)) != NULL) { /* void */ }

    while ((entry = ngx_k8s_reported_parked(store)) != NULL) {
        ngx_k8s_reported_gone(entry);
    }
}


ngx_int_t
ngx_k8s_reported_walk(ngx_k8s_store_t *store, ngx_uint_t n)
{
    ngx_queue_t      *q, *all;
    ngx_k8s_entry_t  *entry;

    if (!store->reporting) {
        return NGX_OK;
    }

    all = &store->all[NGX_K8S_INGRESS];
    q = ngx_queue_next(&store->reporter.queue);

    ngx_queue_remove(&store->reporter.queue);

    for ( /* void */ ; n && q != ngx_queue_sentinel(all); n--) {
        entry = ngx_queue_data(q, ngx_k8s_entry_t, queue);
        q = ngx_queue_next(q);

        /* places of lists that go on have no object */

        if (entry->object) {
            ngx_k8s_entry_report(store, entry);
        }
    }

    if (q == ngx_queue_sentinel(all)) {
        store->reporting = 0;
        return NGX_OK;
    }

    ngx_queue_insert_before(q, &store->reporter.queue);

    return NGX_AGAIN;
}


ngx_k8s_entry_t *
ngx_k8s_reported_next(ngx_k8s_store_t *store)
{
    ngx_k8s_entry_t  *entry;

    if (ngx_queue_empty(&store->reported)) {
        return NULL;
    }

    entry = ngx_queue_data(ngx_queue_head(&store->reported), ngx_k8s_entry_t,
                           report);

    ngx_k8s_reported_gone(entry);

    return entry;
}


void
ngx_k8s_reported_park(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    entry->reported = 1;
    ngx_queue_insert_tail(&store->parked, &entry->report);
}


ngx_k8s_entry_t *
ngx_k8s_reported_parked(ngx_k8s_store_t *store)
{
    if (ngx_queue_empty(&store->parked)) {
        return NULL;
    }

    return ngx_queue_data(ngx_queue_head(&store->parked), ngx_k8s_entry_t,
                          report);
}


void
ngx_k8s_reported_gone(ngx_k8s_entry_t *entry)
{
    if (entry->reported) {
        ngx_queue_remove(&entry->report);
        entry->reported = 0;
    }
}


void
ngx_k8s_reported_unplace(ngx_k8s_store_t *store)
{
    if (store->reporting) {
        ngx_queue_remove(&store->reporter.queue);
        store->reporting = 0;
    }
}
