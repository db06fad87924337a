
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * However many records there are, no step of the writer takes long: CPU time of
 * each call that a turn of the watcher makes, in microseconds.  UNIT_RECORDS
 * says how many records.
 */


#include "unit_table.h"
#include <ngx_k8s_snapshot.h>

#include <time.h>


static uint64_t  began, worst;


static uint64_t
cpu(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static void
start(void)
{
    began = cpu();
}


static void
stop(void)
{
    worst = ngx_max(worst, cpu() - began);
}


static void
told(const char *what)
{
    printf("# %s: %u us at most\n", what, (unsigned) worst);
    worst = 0;
}


static void
publish(ngx_k8s_writer_t *w, const char *what)
{
    ngx_uint_t  n;

    n = 0;

    do {
        start();
        ngx_k8s_writer_publish(w);
        stop();
        n++;
    } while (ngx_k8s_writer_retired(w) && n < 100000);

    ok(ngx_k8s_writer_retired(w) == 0, "%s, published %u times", what,
       (unsigned) n);
    told(what);
}


/* a new writer checks the largest record in pieces; bad: one that is damaged */

static void
largest(ngx_uint_t bad)
{
    uint32_t           slot;
    ngx_int_t          rc;
    ngx_uint_t         n, slices;
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;
    ngx_k8s_record_t  *rec;
    ngx_k8s_builder_t  b;

    table = unit_table(64 * 1024 * 1024);
    ngx_k8s_builder_init(&b, &unit_log);

    w = ngx_k8s_writer_open(table, -1, &unit_log);
    n = (ngx_k8s_writer_largest(w) - 4096) / sizeof(ngx_k8s_endpoint_rec_t);
    slot = unit_service(w, &b, "largest", n, 1, 1);
    rec = ngx_k8s_slot_record(table, NGX_K8S_INDEX_SERVICE, slot);

    ok(rec && rec->size > 2 * 1024 * 1024, "%u endpoints", (unsigned) n);

    if (bad) {
        ((u_char *) rec)[rec->size - 1] ^= 1;
    }

    ngx_k8s_writer_publish(w);
    ngx_k8s_writer_close(w);

    w = ngx_k8s_writer_begin(table, -1, &unit_log);
    slices = 0;

    do {
        start();
        rc = ngx_k8s_writer_continue(w, 32);
        stop();
        slices++;
    } while (rc == NGX_AGAIN);

    ok(rc == NGX_OK && slices > n * sizeof(ngx_k8s_endpoint_rec_t) / 200000,
       "taken over in %u slices", (unsigned) slices);
    told("slices of a large record");

    ok((ngx_k8s_slot_record(table, NGX_K8S_INDEX_SERVICE, slot) != NULL)
       == !bad, "it is %s", bad ? "dropped" : "kept");

    ngx_k8s_writer_close(w);
    ngx_k8s_builder_done(&b);
    munmap(table, 64 * 1024 * 1024);
}


int
main(void)
{
    char                   host[32];
    size_t                 size, room;
    void                  *rec;
    uint32_t               i, n, *slots;
    uint64_t               cursor;
    ngx_int_t              rc;
    ngx_uint_t             slices, bad, seen;
    ngx_k8s_view_t         view;
    ngx_k8s_table_t       *table;
    ngx_k8s_writer_t      *w;
    ngx_k8s_builder_t      b;
    ngx_k8s_capture_t     *c;
    ngx_k8s_snapshot_id_t  id;

    unit_init();

    n = getenv("UNIT_RECORDS") ? atoi(getenv("UNIT_RECORDS")) : 50000;
    size = (size_t) n * 1024 + 16 * 1024 * 1024;

    table = unit_table(size);
    slots = calloc(n, sizeof(uint32_t));
    ngx_k8s_builder_init(&b, &unit_log);
    ngx_memzero(&id, sizeof(id));

    w = ngx_k8s_writer_open(table, -1, &unit_log);
    bad = 0;

    for (i = 0; i < n; i++) {
        sprintf(host, "h%u.test", i);

        start();
        slots[i] = (i & 7) ? unit_rule(w, &b, host, "/", 1)
                           : unit_service(w, &b, host, 4, i + 1, 1);
        stop();

        bad += (slots[i] == 0);

        if (i % 50 == 0) {
            start();
            ngx_k8s_writer_publish(w);
            stop();
        }
    }

    ok(bad == 0, "%u records", (unsigned) n);
    told("puts");

    /* as many gaps as there can be, all at once under one pin */

    ngx_k8s_view_init(&view, table, 1);
    ngx_k8s_view_pin(&view);

    for (i = 0; i < n; i += 2) {
        start();
        ngx_k8s_writer_remove(w, slots[i]);
        stop();

        if (i % 100 == 0) {
            start();
            ngx_k8s_writer_publish(w);
            stop();
        }
    }

    told("removes");

    ngx_k8s_view_unpin(&view);
    publish(w, "what many pins have held");

    room = ngx_k8s_writer_room(w);

    start();
    c = ngx_k8s_capture_begin(w, &id, NGX_K8S_SNAPSHOT_KEYS, &unit_log);
    stop();
    told("begin of a snapshot");

    do {
        start();
        rc = ngx_k8s_capture_run(c, 65536);
        stop();
    } while (rc == NGX_AGAIN);

    ok(rc == NGX_OK, "a snapshot");
    told("its slices");

    start();
    ngx_k8s_capture_free(c);
    stop();
    told("its end");

    start();
    ngx_k8s_writer_close(w);
    stop();

    /* no turn: the watcher ends; the pool of all extents goes at once */

    printf("# close: %u us\n", (unsigned) worst);
    worst = 0;

    /* all is taken over by a new writer */

    start();
    w = ngx_k8s_writer_begin(table, -1, &unit_log);
    stop();
    told("begin");

    slices = 0;
    seen = 0;

    do {
        start();
        rc = ngx_k8s_writer_continue(w, 32);
        stop();
        slices++;
    } while (rc == NGX_AGAIN);

    ok(rc == NGX_OK, "taken over in %u slices", (unsigned) slices);
    told("slices");

    publish(w, "gaps");
    ok(ngx_k8s_writer_room(w) == room, "no bytes are lost");

    /* a walk costs what it meets, and not what else there is */

    cursor = 0;

    do {
        start();
        rec = ngx_k8s_table_next(table, NGX_K8S_INDEX_SERVICE, &cursor);
        stop();
        seen += (rec != NULL);
    } while (rec);

    cursor = 0;

    start();
    seen += (ngx_k8s_table_next(table, NGX_K8S_INDEX_SYNC, &cursor) != NULL);
    stop();

    ok(seen == table->counts[NGX_K8S_INDEX_SERVICE],
       "a walk meets each record once");
    told("walks");

    /* slots wait for a sweep of the counters as well */

    for (i = 0; i < 500; i++) {
        start();
        ngx_k8s_writer_publish(w);
        stop();
    }

    told("sweeps");

    bad = 0;

    for (i = 0; i < n; i += 2) {
        sprintf(host, "g%u.test", i);

        start();
        bad += unit_rule(w, &b, host, "/", 1) == 0;
        stop();
    }

    ok(bad == 0 && table->nslots <= n + 1, "slots are used anew");
    told("puts into gaps");

    ngx_k8s_writer_close(w);
    ngx_k8s_builder_done(&b);
    free(slots);

    largest(0);
    largest(1);

    return done();
}
