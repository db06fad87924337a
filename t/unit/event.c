
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which problems have Events where there are more than are kept.
 */


#include <unit.h>
#include <ngx_k8s_report.h>


#define ITEMS  2000


typedef struct {
    ngx_k8s_problem_rec_t    rec;
    ngx_k8s_problem_item_t   item;
    char                     text[32];
} problem_t;


static ngx_k8s_report_t  report;


static void
str(problem_t *p, ngx_k8s_str_t *s, size_t offset, size_t len)
{
    s->offset = offsetof(problem_t, text) + offset;
    s->len = len;
}


/* with a note of its own */

static ngx_k8s_problem_rec_t *
problem(ngx_uint_t n)
{
    int               len;
    static problem_t  p;

    ngx_memzero(&p, sizeof(problem_t));

    len = sprintf(p.text, "Ingressnsi%u", (unsigned) n);

    str(&p, &p.rec.kind, 0, 7);
    str(&p, &p.rec.namespace, 7, 2);
    str(&p, &p.rec.name, 9, len - 9);

    p.rec.items.offset = offsetof(problem_t, item);
    p.rec.items.n = 1;

    p.item.code = NGX_K8S_PROBLEM_WRITE_REFUSED;
    p.item.severity = NGX_K8S_SEVERITY_NOTE + 1;

    return &p.rec;
}


/* those that are due are taken by the server: their number */

static ngx_uint_t
sent(void)
{
    ngx_uint_t               n;
    ngx_k8s_report_item_t   *item;
    ngx_k8s_report_write_t   w;

    ngx_memzero(&w, sizeof(ngx_k8s_report_write_t));

    for (n = 0; !ngx_queue_empty(&report.due); n++) {
        item = ngx_queue_data(ngx_queue_head(&report.due),
                              ngx_k8s_report_item_t, queue);

        ngx_queue_remove(&item->queue);
        item->due = 0;
        item->flying = 1;

        w.item = item;
        w.ask.status = 201;

        ngx_k8s_report_events_sent(&report, &w, 0);
    }

    return n;
}


static void
room(void)
{
    ngx_uint_t  i, n;

    /* one that stands, and many that come and go after it */

    ngx_k8s_report_events_told(&report, NULL, problem(0));
    n = sent();

    for (i = 1; i < 3 * ITEMS; i++) {
        ngx_k8s_report_events_told(&report, NULL, problem(i));
        n += sent();
        ngx_k8s_report_events_told(&report, problem(i), NULL);
    }

    ok(n == 3 * ITEMS && report.nitems == ITEMS,
       "one that stands keeps no others from Events: %u, %u are kept",
       (unsigned) n, (unsigned) report.nitems);

    /* so do those that go before they are sent */

    for (i = 0; i < ITEMS; i++) {
        ngx_k8s_report_events_told(&report, NULL, problem(10000 + i));
        ngx_k8s_report_events_told(&report, problem(10000 + i), NULL);
    }

    ok(sent() == 0, "of one that is gone none is sent");

    ngx_k8s_report_events_told(&report, NULL, problem(1));
    ok(sent() == 1, "nor do they keep another one from it");

    /* one that comes back is not told at once, and renewed as all are */

    ngx_current_msec += 60000;
    ngx_k8s_report_events_told(&report, problem(1), NULL);
    ngx_k8s_report_events_told(&report, NULL, problem(1));
    ok(sent() == 0, "one that comes back soon is not told again");

    ngx_current_msec += 3000000;
    ngx_k8s_report_events_look(&report);
    ok(sent() == 2, "those that stand are renewed");

    for (i = 0; i < ITEMS; i++) {
        ngx_current_msec += 60000;
        ngx_k8s_report_events_look(&report);
        (void) sent();
    }

    ok(report.nitems == 2, "those that are gone are forgotten: %u",
       (unsigned) report.nitems);

    ngx_k8s_report_events_done(&report);
    ok(report.nitems == 0, "at the end there is none");
}


int
main(void)
{
    unit_init();
    ngx_current_msec = 1000;

    report.log = &unit_log;

    ngx_k8s_report_events_init(&report);

    room();

    return done();
}
