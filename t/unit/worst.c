
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The worst objects that the size limit lets in, of each kind: how many pieces
 * the watcher makes of each on its way from the source to the table and back,
 * and the CPU time of the longest one in microseconds, the least of some runs,
 * as what disturbs one does not disturb all.  UNIT_BYTES says how large the
 * objects are, UNIT_RUNS how many runs.
 */


#include "k8s.h"
#include <ngx_k8s_clock.h>
#include <ngx_k8s_kept.h>
#include <ngx_k8s_queue.h>

#include <malloc.h>
#include <time.h>


#define STAGES  10

typedef struct {
    ngx_uint_t   kind;
    const char  *what;
    const char  *head;
    const char  *element;                /* with its number, twice */
    const char  *tail;
    ngx_uint_t   max;                    /* elements, 0: that fit */
} worst_t;

#define ALL   NGX_K8S_PARSER_ELEMENTS
#define MANY  (NGX_K8S_PARSER_VALUES - 64)
#define LONG  (NGX_K8S_PARSER_STRING - 64)
#define NOTED (NGX_K8S_PARSER_ANNOTATIONS - 64)


static const char  *stages[STAGES] = {
    "read", "compile", "again", "edited", "compile", "gone", "compile",
    "taken over", "kept", "saved"
};


#define INGRESS(annotations, spec)                                            \
    "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"Ingress\","          \
    "\"metadata\":{\"namespace\":\"a\",\"name\":\"w\",\"annotations\":{"      \
    annotations "}},\"spec\":{" spec

#define ANNOTATED                                                             \
    "{\"spec\":{" ROUTES "},\"metadata\":{\"namespace\":\"a\","              \
    "\"name\":\"w\",\"annotations\":{"

#define OTHER(spec)                                                           \
    "{\"metadata\":{\"namespace\":\"a\",\"name\":\"w\"}," spec

#define BACKEND                                                               \
    "\"backend\":{\"service\":{\"name\":\"s\",\"port\":{\"number\":1}}}"

#define ROUTES                                                                \
    "\"rules\":[{\"host\":\"w.test\",\"http\":{\"paths\":[{\"path\":\"/\","   \
    "\"pathType\":\"Exact\"," BACKEND "}]}}]"

#define PREFIX  "nginx.ingress.kubernetes.io/"


static worst_t  worst[] = {

    { NGX_K8S_INGRESS, "paths of a host",
      INGRESS("", "\"rules\":[{\"host\":\"w.test\",\"http\":{\"paths\":["),
      "{\"path\":\"/%x\",\"pathType\":\"Exact\"," BACKEND "}",
      "]}}]}}", ALL },

    { NGX_K8S_INGRESS, "one path, again and again",
      INGRESS("", "\"rules\":[{\"host\":\"w.test\",\"http\":{\"paths\":["),
      "{\"path\":\"/\",\"pathType\":\"Exact\"," BACKEND "}",
      "]}}]}}", ALL },

    { NGX_K8S_INGRESS, "paths that are none",
      INGRESS("", "\"rules\":[{\"host\":\"w.test\",\"http\":{\"paths\":["),
      "{}",
      "]}}]}}", ALL },

    { NGX_K8S_INGRESS, "ports of one Service",
      INGRESS("", "\"rules\":[{\"host\":\"w.test\",\"http\":{\"paths\":["),
      "{\"path\":\"/%x\",\"pathType\":\"Exact\",\"backend\":{\"service\":{"
      "\"name\":\"s\",\"port\":{\"name\":\"%x\"}}}}",
      "]}}]}}", 0 },

    { NGX_K8S_INGRESS, "Services",
      INGRESS("", "\"rules\":[{\"host\":\"w.test\",\"http\":{\"paths\":["),
      "{\"path\":\"/%x\",\"pathType\":\"Exact\",\"backend\":{\"service\":{"
      "\"name\":\"%x\",\"port\":{\"number\":1}}}}",
      "]}}]}}", 0 },

    { NGX_K8S_INGRESS, "hosts",
      INGRESS("", "\"rules\":["), "{\"host\":\"%x.w.test\"}", "]}}", ALL },

    { NGX_K8S_INGRESS, "hosts with TLS",
      INGRESS("", "\"tls\":[{\"hosts\":[\"w.test\"]}],\"rules\":["),
      "{\"host\":\"%x.w.test\"}", "]}}", ALL },

    { NGX_K8S_INGRESS, "rules without a host",
      INGRESS("", "\"rules\":["), "{}", "]}}", ALL },

    { NGX_K8S_INGRESS, "tls entries",
      INGRESS("", ROUTES ",\"tls\":["), "{}", "]}}", ALL },

    { NGX_K8S_INGRESS, "Secrets",
      INGRESS("", ROUTES ",\"tls\":["), "{\"secretName\":\"%x\"}",
      "]}}", ALL },

    { NGX_K8S_INGRESS, "hosts of a tls entry",
      INGRESS("", ROUTES ",\"tls\":[{\"hosts\":["), "\"%x.w.test\"",
      "]}]}}", MANY },

    { NGX_K8S_INGRESS, "unknown annotations",
      ANNOTATED,
      "\"" PREFIX "%x\":\"1\"", "}}}", NOTED / 34 },

    { NGX_K8S_INGRESS, "annotations of others",
      ANNOTATED,
      "\"%x\":\"1\"", "}}}", MANY },

    { NGX_K8S_INGRESS, "a long annotation",
      ANNOTATED "\"" PREFIX "whitelist-source-range\":\"1.1.1.1",
      "10.0.0.0/8", "\"}}}", NOTED / 11 },

    { NGX_K8S_INGRESS, "too long an annotation",
      ANNOTATED "\"" PREFIX "whitelist-source-range\":\"1.1.1.1",
      "10.0.0.0/8", "\"}}}", LONG / 11 },

    { NGX_K8S_INGRESS, "a long list of an unknown field",
      INGRESS("", ROUTES ",\"x\":["), "1", "]}}", MANY },

    { NGX_K8S_INGRESS, "unknown fields",
      INGRESS("", ROUTES ",\"x\":1"), "\"%x\":1", "}}", MANY },

    { NGX_K8S_INGRESS, "a long name",
      "{\"metadata\":{\"name\":\"", "a", "\"}}", LONG },

    { NGX_K8S_INGRESS, "a long status",
      INGRESS("", ROUTES "},\"status\":{\"x\":["), "1", "]}}", 0 },

    { NGX_K8S_INGRESS, "lists in lists",
      INGRESS("", ROUTES ",\"x\":["), "[[[[[[[[[[[[[1]]]]]]]]]]]]]",
      "]}}", MANY / 15 },

    { NGX_K8S_INGRESS, "broken at its end",
      INGRESS("", "\"rules\":["), "{\"host\":\"%x.w.test\"}", "", 0 },

    { NGX_K8S_INGRESS_CLASS, "annotations of a class",
      "{\"metadata\":{\"name\":\"w\",\"annotations\":{", "\"%x\":\"1\"",
      "}},\"spec\":{\"controller\":\"k8s.io/ingress-nginx\"}}", MANY },

    { NGX_K8S_SERVICE, "ports of a Service",
      OTHER("\"spec\":{\"ports\":["), "{\"port\":1}", "]}}", MANY / 2 },

    { NGX_K8S_SERVICE, "named ports",
      OTHER("\"spec\":{\"ports\":["), "{\"port\":1,\"name\":\"%x\"}",
      "]}}", MANY / 3 },

    { NGX_K8S_SERVICE, "external addresses",
      OTHER("\"spec\":{\"ports\":[{\"port\":1}],\"externalIPs\":["),
      "\"\"", "]}}", MANY },

    { NGX_K8S_ENDPOINT_SLICE, "endpoints",
      OTHER("\"addressType\":\"IPv4\",\"ports\":[{\"port\":1}],"
            "\"endpoints\":["), "{\"addresses\":[\"10.0.0.1\"]}", "]}", ALL },

    { NGX_K8S_ENDPOINT_SLICE, "empty endpoints",
      OTHER("\"addressType\":\"IPv4\",\"ports\":[{\"port\":1}],"
            "\"endpoints\":["), "{}", "]}", ALL },

    { NGX_K8S_ENDPOINT_SLICE, "addresses of an endpoint",
      OTHER("\"addressType\":\"IPv4\",\"ports\":[{\"port\":1}],"
            "\"endpoints\":[{\"addresses\":["), "\"1\"", "]}]}", MANY },

    { NGX_K8S_ENDPOINT_SLICE, "ports of a slice",
      OTHER("\"addressType\":\"IPv4\",\"endpoints\":[],\"ports\":["),
      "{\"port\":1,\"name\":\"%x\"}", "]}", MANY / 3 },

    { NGX_K8S_SECRET, "keys of a Secret",
      OTHER("\"data\":{"), "\"%x\":\"\"", "}}", MANY },

    { NGX_K8S_SECRET, "a long value of a Secret",
      OTHER("\"data\":{\"x\":\"AAAA"), "AAAA", "\"}}", LONG / 4 },

    { NGX_K8S_SECRET, "long values of a Secret",
      OTHER("\"data\":{"), NULL, "}}", 0 },

    { NGX_K8S_CONFIG_MAP, "keys of a ConfigMap",
      OTHER("\"data\":{"), "\"%x\":\"\"", "}}", MANY },

    { NGX_K8S_CONFIG_MAP, "a long value of a ConfigMap",
      OTHER("\"data\":{\"x\":\"AAAA"), "AAAA", "\"}}", LONG / 4 },

    { NGX_K8S_SECRET, "too many keys",
      OTHER("\"data\":{"), "\"%x\":\"\"", "}}", 0 },

    { NGX_K8S_SECRET, "too long a value",
      OTHER("\"data\":{\"x\":\"AAAA"), "AAAA", "\"}}", 0 },

    { NGX_K8S_CONFIG_MAP, "a long value with escapes",
      OTHER("\"data\":{\"x\":\"AAAA"), "A\\n", "\"}}",
      NGX_K8S_PARSER_ESCAPED / 3 - 16 },

    { NGX_K8S_INGRESS, "its names at the end",
      "{\"spec\":{\"x\":[", "1", "]},\"metadata\":{\"namespace\":\"a\","
      "\"name\":\"w\"}}", 0 },

    { NGX_K8S_NAMESPACE, "labels of a Namespace",
      "{\"metadata\":{\"name\":\"w\",\"labels\":{", "\"%x\":\"\"",
      "}}}", MANY },

    { 0, NULL, NULL, NULL, NULL, 0 }
};


static size_t                    size;
static uint64_t                  longest;
static ngx_uint_t                refused, elements;
static ngx_k8s_queue_t           queue;
static ngx_k8s_kept_t            kept;


static void
on_post(void *data)
{
    /* void */
}


static void
on_listed(void *data, ngx_uint_t kind, ngx_str_t *scope, ngx_uint_t ends)
{
    /* void */
}


static void
on_refused(void *data, ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_k8s_problem_t *problem)
{
    refused |= (problem != NULL);
}


static void
on_kept(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_k8s_feed_t *feed)
{
    (void) ngx_k8s_kept_object(&kept, kind, ns, name, feed);
}


static ngx_uint_t
on_is_kept(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name)
{
    return 0;
}


static void
on_recall(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name)
{
    /* there is no predecessor */
}


static ngx_k8s_queue_events_t  events = {
    NULL, on_post, on_post, on_listed, on_kept, on_is_kept, on_recall,
    on_refused
};


static uint64_t
cpu(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* the text of one, of "size" bytes at most; edited: an element less */

static char *
text_of(worst_t *w, ngx_uint_t edited)
{
    char        *text, *p, *last, buf[256];
    size_t       n, max;
    ngx_uint_t   i;

    text = malloc(size + 4096);
    p = text + sprintf(text, "%s", w->head);
    last = text + size - strlen(w->tail);
    max = (w->max ? w->max : size) - edited;

    if (w->element == NULL) {

        /* two that are as long as one may be, or as fits */

        for (i = 0; i < 2; i++) {
            p += sprintf(p, "%s\"%u\":\"", i ? "," : "", (unsigned) i);
            n = ngx_min(size / 2 - 64, NGX_K8S_PARSER_DATA * 2 / 3 - 4) & ~3;
            memset(p, 'A', n);
            p += n;
            *p++ = '"';
        }

        last = text;
    }

    for (i = 0; p < last && i < max; i++) {
        n = sprintf(buf, w->element, (unsigned) i, (unsigned) i);

        if (p + n + 1 > last - (edited ? 256 : 0)) {
            break;
        }

        /* what is no string of its own is the rest of one */

        if (w->element[0] != 'A' && w->element[0] != 'a'
            && p[-1] != '[' && p[-1] != '{')
        {
            *p++ = ',';
        }

        memcpy(p, buf, n);
        p += n;
    }

    strcpy(p, w->tail);
    elements = i;

    return text;
}


static void
feed(ngx_uint_t op, ngx_uint_t kind, const char *text)
{
    ngx_k8s_feed_t  f;

    ngx_memzero(&f, sizeof(ngx_k8s_feed_t));

    f.op = op;
    f.kind = kind;
    f.len = strlen(text);
    f.text = malloc(f.len);
    ngx_memcpy(f.text, text, f.len);

    ngx_k8s_queue_feed(&queue, &f);
}


static ngx_uint_t
drain(void)
{
    uint64_t    t;
    ngx_int_t   rc;
    ngx_uint_t  n;

    longest = 0;
    n = 0;

    do {
        t = cpu();
        rc = ngx_k8s_queue_run(&queue, 0);
        longest = ngx_max(longest, cpu() - t);
        n++;
    } while (rc == NGX_AGAIN || ngx_k8s_store_busy(queue.store));

    return n;
}


static ngx_uint_t
compile(k8s_t *k)
{
    uint64_t    t;
    ngx_int_t   rc;
    ngx_uint_t  n;

    longest = 0;
    n = 0;

    do {
        t = cpu();
        rc = ngx_k8s_compile_run(k->compile, 0);
        longest = ngx_max(longest, cpu() - t);

        t = cpu();
        ngx_k8s_writer_publish(k->writer);
        longest = ngx_max(longest, cpu() - t);
        n++;

    } while (rc == NGX_AGAIN || ngx_k8s_writer_behind(k->writer));

    return n;
}


static ngx_uint_t
saved(k8s_t *k)
{
    uint64_t    t;
    ngx_int_t   rc;
    ngx_uint_t  n;

    longest = 0;
    n = 0;

    do {
        t = cpu();
        rc = ngx_k8s_kept_run(&kept, 0);
        ngx_k8s_writer_publish(k->writer);
        longest = ngx_max(longest, cpu() - t);
        n++;
    } while (rc == NGX_AGAIN);

    return n;
}


/* a new watcher takes the table over, and finds no object */

static ngx_uint_t
taken_over(k8s_t *k)
{
    uint64_t    t;
    ngx_int_t   rc;
    ngx_uint_t  n;

    k8s_end(k);

    longest = 0;
    n = 0;

    k->writer = ngx_k8s_writer_begin(k->table, -1, &unit_log);

    do {
        t = cpu();
        rc = ngx_k8s_writer_continue(k->writer, 32);
        longest = ngx_max(longest, cpu() - t);
        n++;
    } while (rc == NGX_AGAIN);

    ngx_k8s_writer_close(k->writer);

    return n;
}


/* Services that are there: one of one port, one of many */

static void
others(k8s_t *k, worst_t *w)
{
    feed(NGX_K8S_FEED_OBJECT, NGX_K8S_SERVICE,
         "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s\"},\"spec\":{"
         "\"ports\":[{\"port\":1}]}}");

    if (w->kind == NGX_K8S_SERVICE) {
        feed(NGX_K8S_FEED_OBJECT, NGX_K8S_INGRESS,
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"i\"},\"spec\":{"
             "\"rules\":[{\"host\":\"w.test\",\"http\":{\"paths\":["
             "{\"path\":\"/\",\"pathType\":\"Exact\",\"backend\":{"
             "\"service\":{\"name\":\"w\",\"port\":{\"number\":2}}}}]}}]}}");
    }

    (void) drain();
    ngx_k8s_compile_synced(k->compile);
    (void) compile(k);
}


static void
run(worst_t *w, ngx_uint_t *n, uint64_t *least)
{
    char        *text, *edited;
    k8s_t        k;
    ngx_str_t    name;
    ngx_uint_t   i;
    uint64_t     us[STAGES];

    k8s_conf(&k);
    k.size = 16 * size + 64 * 1024 * 1024;
    k8s_open(&k);

    ngx_str_set(&name, "zone");
    ngx_k8s_queue_init(&queue, &events, k.store, &name, &unit_log);
    ngx_k8s_kept_init(&kept, k.table, k.writer, &name, &unit_log);

    others(&k, w);

    text = text_of(w, 0);
    edited = text_of(w, 1);

    feed(NGX_K8S_FEED_OBJECT, w->kind, text);
    n[0] = drain();
    us[0] = longest;

    n[1] = compile(&k);
    us[1] = longest;

    feed(NGX_K8S_FEED_OBJECT, w->kind, text);
    n[2] = drain();
    us[2] = longest;

    feed(NGX_K8S_FEED_OBJECT, w->kind, edited);
    n[3] = drain();
    us[3] = longest;

    n[4] = compile(&k);
    us[4] = longest;

    /* what it was is written for a successor */

    i = refused;
    feed(NGX_K8S_FEED_KEEP, w->kind, text);
    n[8] = drain();
    us[8] = longest;
    refused = i;

    n[9] = saved(&k);
    us[9] = longest;

    feed(NGX_K8S_FEED_DELETE, w->kind, w->kind == NGX_K8S_INGRESS_CLASS
                                       || w->kind == NGX_K8S_NAMESPACE
                                       ? "{\"metadata\":{\"name\":\"w\"}}"
                                       : "{\"metadata\":{\"namespace\":\"a\","
                                         "\"name\":\"w\"}}");
    n[5] = drain();
    us[5] = longest;

    n[6] = compile(&k);
    us[6] = longest;

    feed(NGX_K8S_FEED_OBJECT, w->kind, text);
    (void) drain();
    (void) compile(&k);

    ngx_k8s_queue_done(&queue);
    ngx_k8s_kept_done(&kept);

    n[7] = taken_over(&k);
    us[7] = longest;

    free(k.zone);
    free(text);
    free(edited);

    for (i = 0; i < STAGES; i++) {
        least[i] = ngx_min(least[i], us[i]);
    }
}


int
main(void)
{
    worst_t     *w;
    uint64_t     us[STAGES];
    ngx_uint_t   i, runs, n[STAGES];

    unit_init();

    /* as the watcher does */

    (void) mallopt(M_MXFAST, 0);
    unit_log.log_level = NGX_LOG_ERR;

    size = getenv("UNIT_BYTES") ? atoi(getenv("UNIT_BYTES")) : 256 * 1024;
    runs = getenv("UNIT_RUNS") ? atoi(getenv("UNIT_RUNS")) : 1;

    printf("# %-32s", "longest piece, microseconds");

    for (i = 0; i < STAGES; i++) {
        printf(" %10s", stages[i]);
    }

    printf("\n");

    for (w = worst; w->what; w++) {

        if (getenv("UNIT_ONLY") && !strstr(w->what, getenv("UNIT_ONLY"))) {
            continue;
        }

        for (i = 0; i < STAGES; i++) {
            us[i] = NGX_MAX_INT32_VALUE;
        }

        refused = 0;

        for (i = 0; i < runs; i++) {
            run(w, n, us);
        }

        printf("# %-32s", w->what);

        for (i = 0; i < STAGES; i++) {
            printf(" %10u", (unsigned) us[i]);
        }

        printf("\n# %-32s", "  pieces");

        for (i = 0; i < STAGES; i++) {
            printf(" %10u", (unsigned) n[i]);
        }

        printf("\n");

        ok(w->kind != NGX_K8S_INGRESS || w->max != ALL || refused
           || n[0] > elements / 64,
           "%s: %u of them, read in %u pieces%s", w->what, (unsigned) elements,
           (unsigned) n[0], refused ? ", and refused" : "");
    }

    return done();
}
