
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The queue between a source and the store when memory fails: whichever
 * allocation it is, nothing is lost in silence, nothing that is there goes,
 * and a new list mends all.  All calls of ngx_alloc() come here first.
 */


#include "k8s.h"
#include <ngx_k8s_queue.h>
#include <ngx_k8s_refused.h>


void *__real_ngx_alloc(size_t size, ngx_log_t *log);
void *__wrap_ngx_alloc(size_t size, ngx_log_t *log);


static ngx_uint_t                allocs;   /* so far */
static ngx_uint_t                fails;    /* number of the one that fails */
static ngx_uint_t                failed;

static ngx_k8s_store_t          *store;
static ngx_k8s_queue_t           queue;
static ngx_k8s_refused_t         refused;
static ngx_uint_t                listed;   /* lists that are in the store */
static ngx_uint_t                shown;    /* problems, by "show" */
static char                      kept[512];
static ngx_uint_t                keeps;    /* calls that keep something */
static const char               *former;   /* what a predecessor has kept */
static ngx_uint_t                recalls;
static ngx_uint_t                gone;     /* what it had, at a list's end */


void *
__wrap_ngx_alloc(size_t size, ngx_log_t *log)
{
    if (++allocs == fails) {
        failed = 1;
        return NULL;
    }

    return __real_ngx_alloc(size, log);
}


static ngx_uint_t has(const char *name);


static void
on_post(void *data)
{
    /* void */
}


static void
on_listed(void *data, ngx_uint_t kind, ngx_str_t *scope, ngx_uint_t ends)
{
    if (ends) {
        listed++;
        gone = !has("a");
        ngx_k8s_refused_end(&refused, &ngx_k8s_kinds[kind].name, scope);

    } else {
        ngx_k8s_refused_begin(&refused, &ngx_k8s_kinds[kind].name, scope);
    }
}


static void
on_refused(void *data, ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_k8s_problem_t *problem)
{
    ngx_k8s_refused_object(&refused, kind, ns, name, problem);
}


static void
on_kept(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_k8s_feed_t *feed)
{
    if (feed) {
        keeps++;
        snprintf(kept, sizeof(kept), "%.*s %.*s", (int) name->len, name->data,
                 (int) feed->len, feed->text);

    } else if (strncmp(kept, (char *) name->data, name->len) == 0) {
        kept[0] = '\0';
    }
}


static ngx_uint_t
on_is_kept(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name)
{
    return kept[0] && strncmp(kept, (char *) name->data, name->len) == 0;
}


static void
on_recall(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name)
{
    ngx_k8s_feed_t  f;

    recalls++;

    if (former == NULL) {
        return;
    }

    ngx_memzero(&f, sizeof(ngx_k8s_feed_t));

    f.op = NGX_K8S_FEED_OBJECT;
    f.kind = kind;
    f.kept = 1;
    f.recalled = 1;
    f.document = 3;
    f.text = (u_char *) strdup(former);
    f.len = strlen(former);
    ngx_str_set(&f.origin, "f.yaml");

    ngx_k8s_queue_feed(&queue, &f);
}


static void
on_show(void *data, ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t n, ngx_k8s_problem_t *problems)
{
    shown = n;
}


static ngx_k8s_queue_events_t    events = {
    NULL, on_post, on_post, on_listed, on_kept, on_is_kept, on_recall,
    on_refused
};

static ngx_k8s_refused_events_t  refused_events = { NULL, on_show };


static void
begin(void)
{
    ngx_str_t  name;

    static ngx_k8s_class_conf_t    class;
    static ngx_k8s_store_events_t  none;

    ngx_str_set(&name, "zone");

    store = ngx_k8s_store_create(&class, &none, &unit_log);
    ngx_k8s_queue_init(&queue, &events, store, &name, &unit_log);
    ngx_k8s_refused_init(&refused, &refused_events, 4, &name, &unit_log);
    listed = 0;
}


static void
end(void)
{
    ngx_k8s_queue_done(&queue);
    ngx_k8s_refused_done(&refused);
    ngx_k8s_store_destroy(store);
}


static void
feed(ngx_uint_t op, const char *text)
{
    ngx_k8s_feed_t  f;

    ngx_memzero(&f, sizeof(ngx_k8s_feed_t));

    f.op = op;
    f.kind = NGX_K8S_SERVICE;
    f.code = NGX_K8S_PROBLEM_OBJECT_TOO_LARGE;

    if (text) {
        f.len = strlen(text);
        f.text = malloc(f.len);
        ngx_memcpy(f.text, text, f.len);
    }

    ngx_k8s_queue_feed(&queue, &f);
}


static void
service(ngx_uint_t op, const char *name)
{
    char  text[256];

    snprintf(text, sizeof(text), "{\"metadata\":{\"namespace\":\"n\","
             "\"name\":\"%s\",\"uid\":\"u\"},\"spec\":{\"ports\":[{\"port\":80}"
             "]}}", name);

    feed(op, text);
}


static void
run(void)
{
    while (ngx_k8s_queue_run(&queue, 0) == NGX_AGAIN) { /* void */ }
}


static ngx_uint_t
has(const char *name)
{
    ngx_str_t  ns, s;

    ngx_str_set(&ns, "n");
    s = k8s_str(name);

    return ngx_k8s_store_get(store, NGX_K8S_SERVICE, &ns, &s) != NULL;
}


/* a list of "a" and "b"; then "a" and "c", which are there, are listed and "c"
   comes as an event; then "b", which is not, is deleted by an event */

static void
script(ngx_uint_t from)
{
    switch (from) {

    case 0:
        feed(NGX_K8S_FEED_BEGIN, NULL);
        service(NGX_K8S_FEED_OBJECT, "a");
        service(NGX_K8S_FEED_OBJECT, "b");
        feed(NGX_K8S_FEED_END, NULL);
        break;

    case 1:
        feed(NGX_K8S_FEED_BEGIN, NULL);
        service(NGX_K8S_FEED_OBJECT, "a");
        service(NGX_K8S_FEED_OBJECT, "b");
        service(NGX_K8S_FEED_OBJECT, "c");
        feed(NGX_K8S_FEED_END, NULL);
        break;

    default:
        service(NGX_K8S_FEED_DELETE, "b");
        service(NGX_K8S_FEED_OBJECT, "d");
    }
}


static void
any_allocation(void)
{
    ngx_uint_t  n, step, silent, gone, left, bits;

    silent = 0;
    gone = 0;
    left = 0;
    bits = 0;

    for (step = 0; step < 3; step++) {

        for (n = 1; /* void */ ; n++) {

            begin();

            if (step) {
                script(0);
                run();
            }

            allocs = 0;
            failed = 0;
            fails = n;

            script(step);
            run();

            fails = 0;

            if (!failed) {
                end();
                break;
            }

            /* what was there and still is has not gone */

            if (step && !has("a")) {
                gone++;
            }

            if (queue.lost) {
                bits++;

            } else if (!has("a") || has("b") == (step == 2)
                       || has("c") != (step == 1) || has("d") != (step == 2))
            {
                silent++;
            }

            /* the list that follows */

            queue.lost = 0;
            listed = 0;

            feed(NGX_K8S_FEED_BEGIN, NULL);
            service(NGX_K8S_FEED_OBJECT, "a");
            feed(NGX_K8S_FEED_END, NULL);
            run();

            if (listed != 1 || !has("a") || has("b") || has("c") || has("d")
                || queue.lost)
            {
                left++;
            }

            end();
        }

        ok(n > 2, "step %u: %u allocations have failed, one by one",
           (unsigned) step, (unsigned) n - 1);
    }

    ok(bits > 10, "%u of them are known as lost changes", (unsigned) bits);
    ok(silent == 0, "no change was lost in silence");
    ok(gone == 0, "nothing that was there has gone");
    ok(left == 0, "a new list mends it");
}


/* what is kept of a server is written in pieces, and nothing comes between */

static void
writing(void)
{
    char        *text, *p;
    ngx_uint_t   i, n;

    text = malloc(64 * 1024);

    p = text + sprintf(text, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
                       "\"big\"},\"spec\":{\"ports\":[");

    for (i = 0; i < 1000; i++) {
        p += sprintf(p, "%s{\"name\":\"p%u\",\"port\":%u}", i ? "," : "",
                     (unsigned) i, (unsigned) i + 1);
    }

    sprintf(p, "]}}");

    begin();
    kept[0] = '\0';
    keeps = 0;

    feed(NGX_K8S_FEED_OBJECT, text);
    run();

    feed(NGX_K8S_FEED_KEEP, text);
    service(NGX_K8S_FEED_DELETE, "big");

    for (n = 0; keeps == 0 && n < 100; n++) {
        (void) ngx_k8s_queue_run(&queue, 0);
    }

    ok(n == 4, "it is written in %u pieces", (unsigned) n);
    ok(has("big"), "while it is there");
    run();
    ok(!has("big") && kept[0] == '\0', "then it goes");

    feed(NGX_K8S_FEED_OBJECT, text);
    run();
    feed(NGX_K8S_FEED_KEEP, text);
    (void) ngx_k8s_queue_run(&queue, 0);
    ok(queue.writing.object != NULL, "one in the making");

    end();
    free(text);
}


/* classes of a server are kept, as those who come next may not list them */

static void
classes(void)
{
    ngx_k8s_feed_t  f;

    static char  text[] = "{\"metadata\":{\"name\":\"c\",\"resourceVersion\":"
                          "\"7\"},\"spec\":{\"controller\":\"x\"}}";

    begin();
    kept[0] = '\0';

    ngx_memzero(&f, sizeof(ngx_k8s_feed_t));

    f.op = NGX_K8S_FEED_OBJECT;
    f.kind = NGX_K8S_INGRESS_CLASS;
    f.len = sizeof(text) - 1;
    f.text = malloc(f.len);
    ngx_memcpy(f.text, text, f.len);

    ngx_k8s_queue_feed(&queue, &f);
    run();
    ok(strcmp(kept, "c {\"metadata\":{\"name\":\"c\"},\"spec\":{"
              "\"controller\":\"x\"}}") == 0, "a class is kept: %s", kept);

    f.op = NGX_K8S_FEED_DELETE;
    f.text = malloc(f.len);
    ngx_memcpy(f.text, text, f.len);

    ngx_k8s_queue_feed(&queue, &f);
    run();
    ok(kept[0] == '\0', "until it goes");

    end();
}


static void
lost_lists(void)
{
    begin();

    script(0);
    run();
    ok(listed == 1 && has("a") && has("b"), "a list");

    /* the end is in the queue already when something is lost */

    feed(NGX_K8S_FEED_BEGIN, NULL);
    service(NGX_K8S_FEED_OBJECT, "a");
    feed(NGX_K8S_FEED_END, NULL);
    feed(NGX_K8S_FEED_LOST, NULL);
    run();
    ok(has("b") && listed == 1, "a list in the queue withdraws nothing");

    feed(NGX_K8S_FEED_BEGIN, NULL);
    service(NGX_K8S_FEED_OBJECT, "a");
    feed(NGX_K8S_FEED_END, NULL);
    run();
    ok(has("b") && listed == 1, "nor does one that comes before the new one");

    ok(queue.lost == 1 << NGX_K8S_SERVICE, "the kind is known");
    queue.lost = 0;

    feed(NGX_K8S_FEED_BEGIN, NULL);
    service(NGX_K8S_FEED_OBJECT, "a");
    feed(NGX_K8S_FEED_END, NULL);
    run();
    ok(has("a") && !has("b") && listed == 2, "the new one does");

    feed(NGX_K8S_FEED_DELETE, "{\"metadata\":{}}");
    run();
    ok(queue.lost == 1 << NGX_K8S_SERVICE,
       "a deletion that names nothing is a lost one");

    end();
}


static void
last_good(void)
{
    ngx_str_t  scope;

    ngx_str_null(&scope);

    begin();

    script(0);
    run();

    /* too large in a list, and unreadable as an event */

    feed(NGX_K8S_FEED_BEGIN, NULL);
    service(NGX_K8S_FEED_KEEP, "a");
    feed(NGX_K8S_FEED_OBJECT, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
         "\"b\"},\"spec\":");
    feed(NGX_K8S_FEED_END, NULL);
    run();
    ok(has("a") && has("b"), "what cannot be had stays as it was");
    ok(refused.n == 2, "both are problems");

    /* another list names one of them only */

    feed(NGX_K8S_FEED_BEGIN, NULL);
    service(NGX_K8S_FEED_KEEP, "a");
    feed(NGX_K8S_FEED_END, NULL);
    run();
    ok(has("a") && !has("b"), "until a list does not name it");
    ok(refused.n == 1 && shown == 0, "and so does its problem");

    service(NGX_K8S_FEED_OBJECT, "a");
    run();
    ok(refused.n == 0, "a good version ends the problem");

    service(NGX_K8S_FEED_KEEP, "a");
    service(NGX_K8S_FEED_KEEP, "never");
    run();
    ok(has("a") && !has("never") && refused.n == 2,
       "without a good version there is a problem alone");

    service(NGX_K8S_FEED_DELETE, "a");
    service(NGX_K8S_FEED_DELETE, "never");
    run();
    ok(!has("a") && refused.n == 0, "a deletion ends both");

    /* a tenant's strings may hold anything */

#define NUL  "{\"metadata\":{\"namespace\":\"n\",\"name\":\"a\"," \
             "\"annotations\":{\"k\":\"\\u0000\"}}"

    service(NGX_K8S_FEED_OBJECT, "a");
    feed(NGX_K8S_FEED_BEGIN, NULL);
    feed(NGX_K8S_FEED_KEEP, NUL "}");
    feed(NGX_K8S_FEED_END, NULL);
    run();
    ok(has("a") && refused.n == 1, "one with a null byte keeps its name");

    feed(NGX_K8S_FEED_DELETE, NUL "}");
    run();
    ok(!has("a") && refused.n == 0 && !queue.lost, "and is deleted by it");

    end();
}


static ngx_uint_t  allowed;


static void *
scarce(size_t size)
{
    return allowed && allowed-- ? malloc(size) : NULL;
}


/* without memory what is to be kept is not taken for nameless */

static void
nameless(void)
{
    ngx_uint_t  n, gone;

    gone = 0;

    for (n = 0; n < 20; n++) {
        begin();
        script(0);
        run();

        feed(NGX_K8S_FEED_BEGIN, NULL);
        service(NGX_K8S_FEED_KEEP, "a");
        feed(NGX_K8S_FEED_END, NULL);

        allowed = n;
        json_set_alloc_funcs(scarce, free);
        run();
        json_set_alloc_funcs(malloc, free);

        gone += !has("a");
        end();
    }

    ok(gone == 0, "what is to be kept is kept without memory");
}


/* what is kept of an object is enough for a successor */

static void
successor(void)
{
    char            text[512];
    ngx_str_t       ns, name;
    ngx_k8s_feed_t  f;

    begin();
    kept[0] = '\0';
    keeps = 0;
    service(NGX_K8S_FEED_OBJECT, "a");
    service(NGX_K8S_FEED_KEEP, "a");
    run();
    ok(strncmp(kept, "a {\"metadata\":{\"name\":\"a\",", 24) == 0,
       "a last good version is kept: %s", kept);

    service(NGX_K8S_FEED_KEEP, "a");
    feed(NGX_K8S_FEED_OBJECT, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
         "\"a\"},\"spec\":");
    run();
    ok(keeps == 1 && kept[0] == 'a',
       "and not written again for each that cannot be had");

    snprintf(text, sizeof(text), "%s", kept + 2);

    service(NGX_K8S_FEED_OBJECT, "a");
    run();
    ok(kept[0] == '\0', "a good one is not");
    end();

    begin();
    kept[0] = '\0';
    feed(NGX_K8S_FEED_OBJECT, text);
    feed(NGX_K8S_FEED_BEGIN, NULL);
    service(NGX_K8S_FEED_KEEP, "a");
    feed(NGX_K8S_FEED_END, NULL);
    run();
    ok(has("a") && kept[0] == 'a', "the next one has and keeps it");
    end();

    begin();
    kept[0] = '\0';
    feed(NGX_K8S_FEED_OBJECT, text);
    feed(NGX_K8S_FEED_BEGIN, NULL);
    feed(NGX_K8S_FEED_END, NULL);
    run();
    ok(!has("a"), "unless its list has none of it");
    end();

    /* what a predecessor had of a file that can be read, but is too much */

    begin();
    kept[0] = '\0';
    former = text;
    recalls = 0;
    gone = 1;
    feed(NGX_K8S_FEED_BEGIN, NULL);
    service(NGX_K8S_FEED_KEEP, "a");
    feed(NGX_K8S_FEED_END, NULL);
    run();
    ok(has("a") && kept[0] == 'a' && recalls == 1, "it is recalled, and kept");
    ok(!gone, "before the end of the list");
    ok(shown == 1 && refused.n == 1, "what is said of it stays");
    end();

    begin();
    former = "{\"metadata\":{\"namespace\":\"n\",\"name\":\"a\"},"
             "\"spec\":";
    recalls = 0;
    service(NGX_K8S_FEED_KEEP, "a");
    run();
    ok(!has("a") && recalls == 1, "one that cannot be read is recalled once");
    former = NULL;
    end();

    /* a Secret's content cannot be had, and nobody has had it before */

    begin();
    kept[0] = '\0';

    ngx_memzero(&f, sizeof(ngx_k8s_feed_t));
    f.op = NGX_K8S_FEED_KEEP;
    f.kind = NGX_K8S_SECRET;
    f.code = NGX_K8S_PROBLEM_OBJECT_TOO_LARGE;
    f.text = (u_char *) strdup("{\"metadata\":{\"namespace\":\"n\",\"name\":"
                               "\"s\"}}");
    f.len = strlen((char *) f.text);
    ngx_k8s_queue_feed(&queue, &f);
    run();

    ngx_str_set(&ns, "n");
    ngx_str_set(&name, "s");

    ok(ngx_k8s_store_get(store, NGX_K8S_SECRET, &ns, &name)
       && kept[0] == '\0' && queue.lost == 0,
       "a Secret is there, without content");
    end();
}


int
main(void)
{
    unit_init();
    unit_log.log_level = NGX_LOG_ALERT;

    any_allocation();
    lost_lists();
    classes();
    writing();
    last_good();
    nameless();
    successor();

    return done();
}
