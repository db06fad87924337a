
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Last good versions in the table: what a successor finds of them, that they
 * go with what they are of, that a Secret's content is never among them, and
 * that all of them together stay within their share.
 */


#include "unit_table.h"
#include <ngx_k8s_kept.h>


#define MB  (1024 * 1024)


static ngx_k8s_table_t   *table;
static ngx_k8s_writer_t  *writer;
static ngx_k8s_kept_t     kept;

static ngx_k8s_source_conf_t  conf;


/* another watcher on the same table */

static void
next(void)
{
    ngx_str_t  name = ngx_string("zone");

    if (writer) {
        ngx_k8s_kept_done(&kept);
        ngx_k8s_writer_publish(writer);
        ngx_k8s_writer_close(writer);
    }

    writer = ngx_k8s_writer_open(table, -1, &unit_log);
    ngx_k8s_writer_publish(writer);

    if (ngx_k8s_kept_init(&kept, table, writer, &name, &unit_log) != NGX_OK) {
        printf("Bail out! no memory\n");
        exit(1);
    }
}


static void
put(ngx_uint_t kind, char *name, char *text, size_t len)
{
    ngx_str_t       ns, n;
    ngx_k8s_feed_t  feed;

    ngx_str_set(&ns, "ns");
    n = unit_str(name);

    ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));

    ngx_str_set(&feed.origin, "a/b.yaml");
    feed.document = 3;
    if (text) {
        feed.text = malloc(len);
        memcpy(feed.text, text, len);
        feed.len = len;
    }

    ngx_k8s_kept_object(&kept, kind, &ns, &n, text ? &feed : NULL);

    free(feed.text);
}


static ngx_uint_t
kept_has(ngx_uint_t kind, char *name)
{
    ngx_str_t  ns, n;

    ngx_str_set(&ns, "ns");
    n = unit_str(name);

    return ngx_k8s_kept_has(&kept, kind, &ns, &n);
}


/* turns until there is nothing to do */

static void
run(ngx_uint_t listed)
{
    while (ngx_k8s_kept_run(&kept, listed) == NGX_AGAIN) { /* void */ }

    ngx_k8s_writer_publish(writer);
}


/* all that a successor would get, in the order of their texts */

static char *
all(void)
{
    char            *p;
    ngx_uint_t       i, n;
    uint64_t         cursor;
    ngx_k8s_feed_t   feed, feeds[16];

    static char  out[4096];

    cursor = 0;
    n = 0;

    while (ngx_k8s_kept_next(&kept, &conf, &cursor, &feed) == NGX_OK
           && n < 16) {

        for (i = n++; i && ngx_memn2cmp(feeds[i - 1].text, feed.text,
                                        feeds[i - 1].len, feed.len) > 0; i--)
        {
            feeds[i] = feeds[i - 1];
        }

        feeds[i] = feed;
    }

    p = out;
    *p = '\0';

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s %.*s#%u %.*s|",
                     ngx_k8s_kinds[feeds[i].kind].name.data,
                     (int) feeds[i].origin.len, feeds[i].origin.data,
                     (unsigned) feeds[i].document,
                     (int) ngx_min(feeds[i].len, 100), feeds[i].text);

        if (!feeds[i].kept || feeds[i].op != NGX_K8S_FEED_OBJECT) {
            p += sprintf(p, "not kept ");
        }

        ngx_free(feeds[i].text);
    }

    return out;
}


#define is(s)  (strcmp(all(), s) == 0 || !printf("# %s\n", all()))


static void
successors(void)
{
    put(NGX_K8S_INGRESS, "i", "{i}", 3);
    put(NGX_K8S_SECRET, "s", "{\"data\":{\"tls.key\":\"x\"}}", 24);
    ok(is(""), "nothing is written before the writer has its memory");
    run(0);

#define SECRET  "Secret a/b.yaml#3 {\"metadata\":{\"namespace\":\"ns\"," \
                "\"name\":\"s\"}}|"

    ok(is(SECRET "Ingress a/b.yaml#3 {i}|"), "written; of a Secret its name");

    put(NGX_K8S_INGRESS, "i", "{j}", 3);
    put(NGX_K8S_SERVICE, "i", "{v}", 3);
    run(1);
    ok(is(SECRET "Ingress a/b.yaml#3 {j}|Service a/b.yaml#3 {v}|"),
       "a later version, and one of another kind");

    next();
    ok(is(SECRET "Ingress a/b.yaml#3 {j}|Service a/b.yaml#3 {v}|"),
       "a successor has them");

    put(NGX_K8S_INGRESS, "i", "{j}", 3);
    run(0);
    ok(is(SECRET "Ingress a/b.yaml#3 {j}|Service a/b.yaml#3 {v}|"),
       "nothing goes before all is listed");
    run(1);
    ok(is("Ingress a/b.yaml#3 {j}|"), "then what it does not keep goes");

    put(NGX_K8S_INGRESS, "i", NULL, 0);
    put(NGX_K8S_INGRESS, "none", NULL, 0);
    run(1);
    ok(is(""), "what is good goes");

    put(NGX_K8S_INGRESS, "i", "{k}", 3);
    put(NGX_K8S_INGRESS, "i", NULL, 0);
    put(NGX_K8S_SERVICE, "i", "{w}", 3);
    put(NGX_K8S_SERVICE, "i", NULL, 0);
    put(NGX_K8S_SERVICE, "i", "{x}", 3);
    ok(!kept_has(NGX_K8S_INGRESS, "i") && kept_has(NGX_K8S_SERVICE, "i")
       && !kept_has(NGX_K8S_SERVICE, "j"), "it is known what is kept");
    run(1);
    ok(is("Service a/b.yaml#3 {x}|"), "the last word counts");

    next();
    run(1);
    ok(is(""), "a successor that keeps none");
}


/* a successor that does not read all that its predecessor has read */

static void
unread(void)
{
    ngx_str_t    names[2];
    ngx_array_t  namespaces;

    put(NGX_K8S_INGRESS, "i", "{i}", 3);
    put(NGX_K8S_INGRESS_CLASS, "c", "{c}", 3);
    run(1);

    names[0] = unit_str("n");
    names[1] = unit_str("ms");

    namespaces.elts = names;
    namespaces.nelts = 2;

    conf.namespaces = &namespaces;
    next();
    ok(is("IngressClass a/b.yaml#3 {c}|"), "a namespace that is not read");

    names[1] = unit_str("ns");
    ok(is("IngressClass a/b.yaml#3 {c}|Ingress a/b.yaml#3 {i}|"),
       "one that is");

    conf.namespaces = NULL;
    conf.skip = 1 << NGX_K8S_INGRESS_CLASS;
    ok(is("Ingress a/b.yaml#3 {i}|"), "a kind that is not read");

    conf.skip = 0;
    run(1);
    ok(is(""), "what was not taken goes");
}


static void
bounds(void)
{
    char        *text, name[16];
    size_t       taken;
    ngx_uint_t   i;

    text = malloc(MB);
    memset(text, 'x', MB);

    /* the zone has 8 MB */

    put(NGX_K8S_INGRESS, "large", text, MB);
    run(1);
    ok(is(""), "one that is larger than the share");

    put(NGX_K8S_INGRESS, "grown", "{g}", 3);
    run(1);
    put(NGX_K8S_INGRESS, "grown", NULL, 0);
    put(NGX_K8S_INGRESS, "grown", text, MB);
    run(1);
    ok(is("") && kept.bytes == 0, "nor an older version in its place");
    put(NGX_K8S_INGRESS, "grown", NULL, 0);

    for (i = 0; i < 200; i++) {
        sprintf(name, "n%03u", (unsigned) i);
        put(NGX_K8S_INGRESS, name, text, 8192);
    }

    taken = ngx_k8s_writer_taken(writer);
    run(1);
    taken = ngx_k8s_writer_taken(writer) - taken;

    ok(taken > 8 * MB / NGX_K8S_KEPT_SHARE / 2
       && taken <= 8 * MB / NGX_K8S_KEPT_SHARE && kept.bytes == taken,
       "all of them have their share: %u bytes", (unsigned) taken);

    ok(ngx_k8s_kept_run(&kept, 1) == NGX_OK, "what has no room waits for none");

    for (i = 0; i < 200; i++) {
        sprintf(name, "n%03u", (unsigned) i);
        put(NGX_K8S_INGRESS, name, NULL, 0);
    }

    run(1);
    ok(is("") && kept.bytes == 0, "and give it back");

    free(text);
}


/* whether the only one that a successor would get has this text */

static ngx_uint_t
whole(char *text, size_t len)
{
    uint64_t        cursor;
    ngx_uint_t      same;
    ngx_k8s_feed_t  feed;

    cursor = 0;

    if (ngx_k8s_kept_next(&kept, &conf, &cursor, &feed) != NGX_OK) {
        return text == NULL;
    }

    same = (text && feed.len == len && memcmp(feed.text, text, len) == 0);

    ngx_free(feed.text);

    return same;
}


static void
begin(ngx_uint_t n)
{
    while (n--) {
        (void) ngx_k8s_kept_run(&kept, 1);
    }
}


/* a large one is written in pieces: the version before is there, or it is */

static void
pieces(void)
{
    char        *one, *two;
    size_t       used;
    ngx_uint_t   n, bad, placed;

    ngx_k8s_writer_publish(writer);
    used = table->used;

    one = malloc(MB / 4);
    two = malloc(MB / 4);

    for (n = 0; n < MB / 4; n++) {
        one[n] = n % 251;
        two[n] = n % 241;
    }

    put(NGX_K8S_INGRESS, "large", one, MB / 4);

    placed = 0;

    for (n = 1, bad = 0; ngx_k8s_kept_run(&kept, 1) == NGX_AGAIN; n++) {
        bad += (kept.building && !whole(NULL, 0));
        placed += (kept.builder.place != NULL);
        ngx_k8s_writer_publish(writer);
    }

    ok(n > 8 && placed > 3 && bad == 0 && whole(one, MB / 4),
       "in %u pieces, of %u of them in the zone", (unsigned) n,
       (unsigned) placed);

    put(NGX_K8S_INGRESS, "large", two, MB / 4);
    (void) ngx_k8s_kept_run(&kept, 1);
    (void) ngx_k8s_kept_run(&kept, 1);
    ok(kept.building && whole(one, MB / 4), "the one before so long");
    run(1);
    ok(whole(two, MB / 4), "then the other one");

    for (n = 1; n < 8; n++) {
        put(NGX_K8S_INGRESS, "large", one, MB / 4);
        begin(n);
        put(NGX_K8S_INGRESS, "large", two, MB / 5);
        run(1);
        ok(whole(two, MB / 5), "another version behind piece %u", (unsigned) n);

        put(NGX_K8S_INGRESS, "large", one, MB / 4);
        begin(n);
        put(NGX_K8S_INGRESS, "large", NULL, 0);
        run(1);
        ngx_k8s_writer_publish(writer);
        ok(whole(NULL, 0) && kept.bytes == 0 && table->used == used,
           "it goes meanwhile");

        put(NGX_K8S_INGRESS, "large", one, MB / 4);
        begin(n);
        next();
        ok(whole(NULL, 0) && table->used == used, "the watcher goes meanwhile");
    }

    free(one);
    free(two);
}


int
main(int argc, char **argv)
{
    unit_init();
    unit_log.log_level = NGX_LOG_ERR;

    table = unit_table(8 * MB);
    next();

    successors();
    unread();
    pieces();
    bounds();

    ngx_k8s_kept_done(&kept);
    ngx_k8s_kept_done(&kept);
    ngx_k8s_writer_close(writer);

    return done();
}
