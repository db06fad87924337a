
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The writer without memory of its own: what is removed meanwhile is gone for
 * readers at once, and comes back into use when there is memory again.
 */


#include "unit_table.h"


#define RECORDS  2000


void *__real_ngx_pcalloc(ngx_pool_t *pool, size_t size);
void *__wrap_ngx_pcalloc(ngx_pool_t *pool, size_t size);


static ngx_uint_t  none, refused;


void *
__wrap_ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    if (none) {
        refused++;
        return NULL;
    }

    return __real_ngx_pcalloc(pool, size);
}


static uint32_t
put(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, ngx_uint_t i)
{
    char  name[32];

    sprintf(name, "n%u", (unsigned) i);

    return (i & 1) ? unit_service(w, b, name, 2, i + 1, NGX_K8S_WRITE_OBJECT)
                   : unit_rule(w, b, name, "/", NGX_K8S_WRITE_OBJECT);
}


static ngx_uint_t
seen(ngx_k8s_table_t *table, uint32_t slot)
{
    return ngx_k8s_slot_record(table, NGX_K8S_INDEX_RULE, slot) != NULL
           || ngx_k8s_slot_record(table, NGX_K8S_INDEX_SERVICE, slot) != NULL;
}


static void
gone(ngx_k8s_writer_t *w, uint32_t slot)
{
    uint32_t                 i;
    ngx_k8s_endpoint_rec_t  *endpoint;
    ngx_k8s_service_rec_t   *service;

    service = ngx_k8s_slot_record(ngx_k8s_writer_table(w),
                                  NGX_K8S_INDEX_SERVICE, slot);

    if (service) {
        endpoint = ngx_k8s_record_at(service, service->endpoints.offset);

        for (i = 0; i < service->endpoints.n; i++) {
            ngx_k8s_writer_stat_put(w, endpoint[i].stat);
        }
    }

    ngx_k8s_writer_remove(w, slot);
}


int
main(void)
{
    size_t             used;
    uint32_t           slots[RECORDS], nslots, nstats;
    ngx_uint_t         i, n, bad;
    ngx_k8s_view_t     view;
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;
    ngx_k8s_builder_t  b;

    unit_init();

    table = unit_table(4 * 1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);
    ngx_k8s_builder_init(&b, &unit_log);
    ngx_k8s_view_init(&view, table, 1);

    for (i = 0; i < RECORDS; i++) {
        slots[i] = put(w, &b, i);
    }

    ngx_k8s_writer_publish(w);
    used = table->used;
    nslots = table->nslots;
    nstats = table->nstats;

    /* so many are removed that what was kept of earlier ones is used up */

    ngx_k8s_view_pin(&view);
    none = 1;

    for (i = 0; i < RECORDS; i++) {
        gone(w, slots[i]);
    }

    ngx_k8s_writer_publish(w);

    ok(refused > RECORDS / 2, "no memory, %u times", (unsigned) refused);

    bad = 0;

    for (i = 0; i < RECORDS; i++) {
        bad += seen(table, slots[i]);
    }

    ok(bad == 0 && table->counts[NGX_K8S_INDEX_RULE] == 0
       && table->counts[NGX_K8S_INDEX_SERVICE] == 0,
       "what was removed is gone for readers");

    unit_log.log_level = NGX_LOG_EMERG;
    ok(put(w, &b, 0) == 0, "nothing is put");
    unit_log.log_level = NGX_LOG_WARN;

    none = 0;

    ngx_k8s_writer_publish(w);
    ok(ngx_k8s_writer_retired(w) > RECORDS * 100, "it is retired later");

    ngx_k8s_view_unpin(&view);

    for (n = 0; n < 1000; n++) {
        ngx_k8s_writer_publish(w);
    }

    ok(ngx_k8s_writer_retired(w) == 0, "and free when no pin is left");

    for (i = 0; i < RECORDS; i++) {
        slots[i] = put(w, &b, i);
        bad += (slots[i] == 0);
    }

    ngx_k8s_writer_publish(w);

    ok(bad == 0 && table->used == used, "all bytes are there: %u, %u",
       (unsigned) table->used, (unsigned) used);
    ok(table->nslots == nslots, "all slots");
    ok(table->nstats == nstats, "all statistics");

    /* a successor finds what there was no memory for */

    none = 1;

    for (i = 0; i < RECORDS; i++) {
        gone(w, slots[i]);
    }

    ngx_k8s_writer_close(w);
    none = 0;

    w = ngx_k8s_writer_open(table, -1, &unit_log);

    for (n = 0; n < 1000; n++) {
        ngx_k8s_writer_publish(w);
    }

    for (i = 0; i < RECORDS; i++) {
        bad += (put(w, &b, i) == 0);
    }

    ngx_k8s_writer_publish(w);

    ok(bad == 0 && table->used == used && table->nslots == nslots
       && table->nstats == nstats, "and so does a successor");

    ngx_k8s_writer_close(w);
    ngx_k8s_builder_done(&b);

    return done();
}
