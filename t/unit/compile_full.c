
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A zone that is full: what one namespace asks for keeps no update and no
 * removal of another one out, and the youngest are left out.
 */


#include "k8s_secret.h"


static char       text[4 * 1024 * 1024];
static EVP_PKEY  *ec;


/* Ingress "name" of ns: n paths "/p<first>" and on, each of "pad" digits */

static void
ingress(k8s_t *k, char *ns, char *name, char *host, char *date, int first,
    int n, int pad)
{
    int    i;
    char  *p;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'%s','name':'%s',"
            "'creationTimestamp':'%sT00:00:00Z'},'spec':{'rules':[{'host':"
            "'%s','http':{'paths':[", ns, name, date, host);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'path':'/p%0*d','pathType':'Prefix','backend':{"
                     "'service':{'name':'svc','port':{'number':80}}}}",
                     i ? "," : "", pad, first + i);
    }

    sprintf(p, "]}}]}}");
    k8s_put(k, text);
}


/* n paths on a host with a certificate */

static void
tls(k8s_t *k, char *ns, char *secret, char *host, int n)
{
    int    i;
    char  *p;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'%s','name':'%s',"
            "'creationTimestamp':'2025-01-01T00:00:00Z'},'spec':{'tls':[{"
            "'hosts':['%s'],'secretName':'%s'}],'rules':[{'host':'%s','http':"
            "{'paths':[", ns, secret, host, secret, host);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'path':'/p%d','pathType':'Prefix','backend':{"
                     "'service':{'name':'svc','port':{'number':80}}}}",
                     i ? "," : "", i);
    }

    sprintf(p, "]}}]}}");
    k8s_put(k, text);
}


static void
service(k8s_t *k, char *ns)
{
    sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
            "'namespace':'%s','name':'svc'},'spec':{'ports':[{'name':'http',"
            "'port':80,'targetPort':3000}]}}", ns);
    k8s_put(k, text);
}


/* n endpoints of Service svc, 10.<net>.0.1 and on */

static void
slice(k8s_t *k, char *ns, int net, int n)
{
    int    i;
    char  *p;

    p = text + sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
            "'EndpointSlice','metadata':{'namespace':'%s','name':'svc-1',"
            "'labels':{'kubernetes.io/service-name':'svc'}},'addressType':"
            "'IPv4','ports':[{'name':'http','port':3000}],'endpoints':[", ns);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'addresses':['10.%d.%d.%d']}", i ? "," : "", net,
                     i / 200, 1 + i % 200);
    }

    sprintf(p, "]}");
    k8s_put(k, text);
}


static uint32_t
filler(k8s_t *k, int id, size_t len)
{
    char               *p;
    uint32_t            n;
    ngx_k8s_policy_t   *rec;

    rec = calloc(1, len + 64);
    p = (char *) (rec + 1);

    rec->header.type = NGX_K8S_INDEX_POLICY;
    rec->header.key.offset = sizeof(ngx_k8s_policy_t);
    rec->header.key.len = 8;
    sprintf(p, "%07d", id);

    n = ngx_k8s_writer_put(k->writer, &rec->header, len, NGX_K8S_WRITE_OBJECT);

    free(rec);

    return n;
}


/* fills the zone up to "room" free bytes */

static void
fill(k8s_t *k, size_t room)
{
    size_t  free;

    static int  id;

    while ((free = ngx_k8s_writer_room(k->writer)) > room + 32768) {
        if (filler(k, id++, 16384) == 0) {
            break;
        }
    }

    while ((free = ngx_k8s_writer_room(k->writer)) > room + 256) {
        if (filler(k, id++, ngx_min(free - room, 16384)) == 0) {
            break;
        }
    }

    ngx_k8s_writer_publish(k->writer);
}


static void
start(k8s_t *k)
{
    k8s_conf(k);
    k->size = 8448 * 1024;
    k8s_open(k);
    service(k, "good");
    service(k, "evil");
}


/* the problems of one namespace, of the longest sort, in a full zone */

static void
problems(void)
{
    int          i, j;
    char        *p, pad[1001];
    k8s_t        k;
    ngx_uint_t   said;

    start(&k);
    ingress(&k, "good", "ok", "good.test", "2025-01-01", 0, 1, 1);
    slice(&k, "good", 1, 50);
    k8s_run(&k);

    memset(pad, 'x', 1000);
    pad[1000] = '\0';

    for (i = 0; i < 300; i++) {
        p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                "'Ingress','metadata':{'namespace':'evil','name':'e%d',"
                "'creationTimestamp':'2026-01-01T00:00:00Z'},'spec':{'rules':["
                "{'host':'evil%d.test','http':{'paths':[", i, i % 150);

        for (j = 0; j < 64; j++) {
            p += sprintf(p, "%s{'path':'/%d%s//','pathType':'Prefix',"
                         "'backend':{'service':{'name':'none','port':{"
                         "'number':80}}}}", j ? "," : "", j, pad);
        }

        sprintf(p, "]}}]}}");
        k8s_put(&k, text);
    }

    k8s_run(&k);

    ok(k8s_has(&k, "problem Ingress evil/"), "problems of one namespace");
    ok(ngx_k8s_writer_problems(k.writer) > k.size / 100,
       "leave room to others");

    fill(&k, 0);
    said = k.table->counts[NGX_K8S_INDEX_PROBLEM];

    slice(&k, "good", 2, 50);
    ok(k8s_has(&k, "endpoint 10.2.0.50"), "endpoints of another are replaced");
    ok(!k8s_has(&k, "endpoint 10.1.0."), "all of them");

    sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'third','name':'bad'},'spec':{'rules':[{"
            "'host':'bad..test'}]}}");
    k8s_put(&k, text);
    ok(k8s_has(&k, "problem Ingress third/bad"), "a problem of a third one");
    ok(k.table->counts[NGX_K8S_INDEX_PROBLEM] == said + 1, "and it is one");

    for (i = 0; i < 300; i++) {
        sprintf(pad, "e%d", i);
        k8s_delete(&k, NGX_K8S_INGRESS, "evil", pad);
    }

    ok(!k8s_has(&k, "evil/e"), "none is left");
    ok(k.table->problems_dropped == 0, "nor counted");

    k8s_close(&k);
}


/* growth of a Service in a full zone: its own first, then another one's */

static void
endpoints(void)
{
    k8s_t     k;
    size_t    used;
    uint32_t  nstats;

    start(&k);
    ingress(&k, "good", "ok", "good.test", "2025-01-01", 0, 1, 1);
    ingress(&k, "evil", "ok", "evil.test", "2025-01-01", 0, 1, 1);
    slice(&k, "good", 1, 50);
    slice(&k, "evil", 1, 1);
    k8s_run(&k);
    nstats = k.table->nstats;

    slice(&k, "evil", 3, 20000);
    k8s_run(&k);
    ok(k.table->nstats < nstats + 16,
       "a record that is too large takes no statistics: %u, then %u",
       (unsigned) nstats, (unsigned) k.table->nstats);

    slice(&k, "evil", 1, 1);
    k8s_run(&k);
    fill(&k, 0);
    used = k.table->used;

    slice(&k, "evil", 3, 5000);
    k8s_run(&k);
    ok(k.table->used < used + 1024, "growth has no part of the reserve");
    ok(k8s_has(&k, "endpoint 10.3.0.1 ") && !k8s_has(&k, "10.3.0.200 "),
       "the first endpoints are served");
    ok(k8s_has(&k, "of its endpoints are left out"), "and it is said");

    slice(&k, "good", 2, 50);
    ok(k8s_has(&k, "endpoint 10.2.0.50") && !k8s_has(&k, "endpoint 10.1.0."),
       "endpoints of another namespace are replaced");

    slice(&k, "good", 4, 0);
    k8s_run(&k);
    ingress(&k, "evil", "more", "more.test", "2025-01-01", 0, 10, 1);
    ok(!k8s_has(&k, "endpoint 10.2.0."), "all of them end");

    slice(&k, "good", 5, 50);
    ok(k8s_has(&k, "service good/svc:80 flags 0 number 80 usable 50 ")
       && k8s_has(&k, "endpoint 10.5.0.50 "),
       "and as many come again");

    k8s_close(&k);
}


/* a Secret that has gone is gone, whatever waits for room */

static void
secrets(void)
{
    k8s_t       k;
    ngx_uint_t  certs;

    start(&k);
    ingress(&k, "good", "ok", "good.test", "2025-01-01", 0, 1, 1);
    slice(&k, "good", 1, 50);

    tls(&k, "third", "rotates", "one.test", 1);
    k8s_secret(&k, "third", "rotates", ec, ec, "DNS:one.test", 100);
    tls(&k, "third", "goes", "two.test", 1);
    k8s_secret(&k, "third", "goes", ec, ec, "DNS:two.test", 100);
    k8s_run(&k);
    ok(k8s_has(&k, "  certificate third/goes\n"), "a certificate");
    certs = k.table->counts[NGX_K8S_INDEX_CERTIFICATE];

    fill(&k, 0);
    slice(&k, "good", 2, 500);
    ok(k8s_has(&k, "endpoints are left out"), "an update waits for room");

    k8s_secret(&k, "third", "rotates", ec, ec, "DNS:one.test,DNS:new.test",
               100);
    ok(k8s_has(&k, "  name \"new.test\"\n"), "another one rotates");

    tls(&k, "third", "goes", "two.test", 200);
    ok(k8s_has(&k, "bytes are missing for a change of host \"two.test\""),
       "a host waits for room");

    k8s_delete(&k, NGX_K8S_SECRET, "third", "goes");
    k8s_run(&k);
    ok(k.table->counts[NGX_K8S_INDEX_CERTIFICATE] == certs - 1,
       "its Secret goes, and so does the certificate");
    ok(k8s_has(&k, "host 0 \"two.test\" flags 8 longest 1\n  prefix "),
       "also for the host that waits");

    tls(&k, "fourth", "other", "three.test", 1);
    k8s_secret(&k, "fourth", "other", ec, ec, "DNS:two.test", 100);
    k8s_run(&k);
    ok(!k8s_has(&k, "  certificate fourth/other\n"),
       "which has no other one in its place");

    k8s_close(&k);
}


/* what has gone is gone, also from a host that waits for room */

static void
removals(void)
{
    k8s_t  k;

    start(&k);
    ingress(&k, "good", "stays", "shared.test", "2025-01-01", 0, 1, 1);
    ingress(&k, "good", "goes", "shared.test", "2025-01-02", 1, 1, 1);
    ingress(&k, "evil", "grows", "shared.test", "2025-01-03", 2, 1, 1);
    k8s_run(&k);
    fill(&k, 0);

    ingress(&k, "evil", "grows", "shared.test", "2025-01-03", 2, 100, 1);
    ok(k8s_has(&k, "host \"shared.test\", which is served as it was")
       && k8s_has(&k, " of evil/grows to "), "an edit has no room");

    k8s_delete(&k, NGX_K8S_INGRESS, "good", "goes");
    ok(!k8s_has(&k, " of good/goes to "), "what is deleted goes");
    ok(k8s_has(&k, " of good/stays to "), "what was not edited stays");
    ok(k8s_has(&k, "\"/p2\" of evil/grows to ")
       && !k8s_has(&k, "\"/p3\" of evil/grows to "),
       "the edited one is as it was");

    ingress(&k, "good", "stays", "shared.test", "2025-01-01", 7, 1, 1);
    ok(k8s_has(&k, "\"/p7\" of good/stays to ")
       && !k8s_has(&k, "\"/p0\" of good/stays to "),
       "another edit beside it has room");

    fill(&k, 0);
    ingress(&k, "good", "stays", "shared.test", "2025-01-01", 7, 1, 50);
    ok(k8s_has(&k, "\"/p7\" of good/stays to "), "but not if it grows");

    ingress(&k, "third", "old", "shared.test", "2024-01-01", 9, 1, 1);
    ingress(&k, "evil", "root", "shared.test", "2025-01-04", 8, 1, 1);
    k8s_delete(&k, NGX_K8S_INGRESS, "evil", "grows");
    ok(!k8s_has(&k, " of evil/grows to "), "what is deleted goes again");

    k8s_close(&k);
}


/* what it had taken from a younger one has no room at first */

static void
uncovered(void)
{
    k8s_t  k;

    start(&k);
    ingress(&k, "good", "stays", "shared.test", "2025-01-01", 0, 1, 1);
    ingress(&k, "good", "goes", "shared.test", "2025-01-02", 1, 1, 1);
    ingress(&k, "evil", "covers", "shared.test", "2025-01-03", 2, 50, 1);
    ingress(&k, "evil", "covered", "shared.test", "2025-01-04", 2, 50, 1);
    ingress(&k, "good", "young", "shared.test", "2025-01-05", 100, 1, 1);
    k8s_run(&k);
    fill(&k, 0);

    k8s_delete(&k, NGX_K8S_INGRESS, "evil", "covers");
    k8s_delete(&k, NGX_K8S_INGRESS, "good", "goes");
    ok(!k8s_has(&k, " of good/goes to ") && !k8s_has(&k, " of evil/covers to "),
       "what is deleted goes, whatever comes in its place");
    ok(k8s_has(&k, " of good/stays to ") && k8s_has(&k, " of good/young to "),
       "what does not stays");

    k8s_run(&k);
    ok(k8s_has(&k, " of evil/covered to "), "what comes does when it fits");

    k8s_close(&k);
}


/* n turns without an event: how many of them changed the version */

static ngx_uint_t
idle(k8s_t *k, ngx_uint_t n)
{
    ngx_uint_t         moved;
    ngx_atomic_uint_t  version;

    for (moved = 0; n; n--) {
        version = k->table->version;

        (void) ngx_k8s_compile_run(k->compile, 1000);
        ngx_k8s_writer_publish(k->writer);

        moved += (k->table->version != version);
    }

    return moved;
}


/* what cannot be while readers hold all that is free is when they do not */

static void
readers(void)
{
    int             i;
    char            name[64];
    k8s_t           k;
    size_t          was;
    ngx_k8s_view_t  view;

    start(&k);
    ingress(&k, "good", "stays", "shared.test", "2025-01-01", 0, 1, 1);
    ingress(&k, "good", "goes", "shared.test", "2025-01-02", 1, 1, 1);
    ingress(&k, "good", "too", "old.test", "2025-01-02", 1, 20, 1);
    tls(&k, "third", "rotates", "one.test", 1);
    k8s_secret(&k, "third", "rotates", ec, ec, "DNS:one.test", 100);
    slice(&k, "good", 1, 4000);
    k8s_run(&k);
    fill(&k, 0);

    ngx_k8s_view_init(&view, k.table, 1);
    ngx_k8s_view_pin(&view);

    for (i = 0; i < 8; i++) {
        slice(&k, "good", 2 + i, 4000);
        k8s_run(&k);
    }

    do {
        was = k.table->unreclaimed;
        sprintf(name, "DNS:one.test,DNS:n%04d.test", i++);
        k8s_secret(&k, "third", "rotates", ec, ec, name, 100);
        k8s_run(&k);
    } while (k.table->unreclaimed > was && i < 5000);

    k8s_delete(&k, NGX_K8S_INGRESS, "good", "goes");
    k8s_delete(&k, NGX_K8S_INGRESS, "good", "too");
    k8s_secret(&k, "third", "rotates", ec, ec, "DNS:one.test,DNS:new.test",
               100);
    k8s_run(&k);
    ok(k8s_has(&k, "rule \"shared.test\" \"/p1\" of good/goes to ")
       && !k8s_has(&k, "endpoint 10.9.0.1 ")
       && !k8s_has(&k, "  name \"new.test\"\n"), "what has no room waits");
    ok(!k8s_has(&k, " of good/too to "), "what needs none does not");
    ok(idle(&k, 200) < 3, "without any work");

    ngx_k8s_view_unpin(&view);
    k8s_run(&k);
    ok(!k8s_has(&k, " of good/goes to ") && k8s_has(&k, " of good/stays to "),
       "then it is done");
    ok(k8s_has(&k, "endpoint 10.9.0.1 ") && k8s_has(&k, "endpoint 10.9.19.200 ")
       && !k8s_has(&k, "endpoints are left out"), "all endpoints");
    ok(k8s_has(&k, "  name \"new.test\"\n"), "and the certificate");

    k8s_close(&k);
}


static ngx_uint_t
served(k8s_t *k, char *host)
{
    char  line[64];

    sprintf(line, "host 0 \"%s\"", host);

    return k8s_has(k, line);
}


/* a retry that cannot succeed is made once */

static void
retries(void)
{
    k8s_t       k;
    size_t      room;
    ngx_uint_t  moved, out;

    moved = 0;
    out = 0;

    for (room = 0; room < 40000; room += 2500) {
        start(&k);
        ingress(&k, "good", "old", "shared.test", "2025-01-01", 0, 2000, 1);
        k8s_run(&k);
        fill(&k, room);

        ingress(&k, "evil", "young", "shared.test", "2026-01-01", 5000, 100,
                1);
        k8s_run(&k);

        out += k8s_has(&k, "Ingress evil/young");
        moved += idle(&k, 200);

        k8s_close(&k);
    }

    ok(out > 4, "%u times it does not fit", (unsigned) out);
    ok(moved == 0, "no version without an event");

    start(&k);
    ingress(&k, "good", "old", "shared.test", "2025-01-01", 0, 40, 6800);
    ingress(&k, "evil", "new", "shared.test", "2026-01-01", 5000, 14, 6800);
    ingress(&k, "evil", "also", "other.test", "2026-01-02", 5000, 14, 6800);
    k8s_run(&k);
    ok(k8s_has(&k, "a host with all its paths is larger than"),
       "a host that is too large for the zone");
    ok(idle(&k, 200) == 0, "no version without an event");
    ok(!k8s_has(&k, " of evil/new to ") && served(&k, "other.test"),
       "left out, a younger one that fits is served");

    ingress(&k, "good", "old", "shared.test", "2025-01-01", 0, 3, 6800);
    ok(k8s_has(&k, " of evil/new to ") && !k8s_has(&k, "is larger than"),
       "it fits when another one on the host is smaller");

    ingress(&k, "third", "huge", "huge.test", "2025-01-01", 0, 52, 16000);
    ingress(&k, "third", "small", "huge.test", "2025-01-02", 5000, 10, 500);
    ok(!k8s_has(&k, " of third/huge to ")
       && k8s_has(&k, " of third/small to ") && idle(&k, 200) == 0,
       "what alone is too large keeps no younger one out");

    k8s_close(&k);
}


/* the youngest that does not fit is left out, as of now */

static void
age(void)
{
    k8s_t  k;
    char   name[32], date[32];
    int    i, n, first;

    start(&k);
    ingress(&k, "good", "old", "old.test", "2025-01-01", 0, 10, 1);
    k8s_run(&k);
    fill(&k, 20000);

    ingress(&k, "evil", "young", "young.test", "2026-01-01", 0, 300, 1);
    k8s_run(&k);
    ok(!served(&k, "young.test"), "one that is too large is left out");

    ingress(&k, "evil", "young", "young.test", "2026-01-01", 0, 1, 1);
    ok(served(&k, "young.test"), "edited, it is served");

    ingress(&k, "evil", "large", "large.test", "2026-01-02", 0, 300, 1);
    ingress(&k, "evil", "small", "small.test", "2026-01-03", 0, 1, 1);
    ok(!served(&k, "large.test") && served(&k, "small.test"),
       "one that fits is served beside an older that does not");

    fill(&k, 4000);
    ingress(&k, "evil", "older", "older.test", "2026-02-01", 0, 12, 100);
    k8s_run(&k);
    ok(!served(&k, "older.test"), "left out");

    k8s_delete(&k, NGX_K8S_INGRESS, "good", "old");
    ingress(&k, "evil", "newer", "newer.test", "2026-02-02", 0, 12, 100);
    ok(served(&k, "older.test") && !served(&k, "newer.test"),
       "the older has the room that appears with a younger");

    k8s_close(&k);

    start(&k);
    k8s_run(&k);
    fill(&k, 60000);

    for (i = 0; i < 300; i++) {
        n = i * 7 % 300;
        sprintf(name, "n%d", n);
        sprintf(date, "2026-%02d-%02d", 1 + n / 25, 1 + n % 25);
        ingress(&k, "good", name, name, date, 0, 1, 1);
    }

    for (first = 0; first < 300; first++) {
        sprintf(name, "n%d", first);

        if (!served(&k, name)) {
            break;
        }
    }

    for (n = 0, i = first; i < 300; i++) {
        sprintf(name, "n%d", i);
        n += served(&k, name);
    }

    ok(first > 20 && first < 200 && n == 0,
       "of many that come at once the first %d of 300 are served", first);

    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    ec = EVP_EC_gen("P-256");

    problems();
    endpoints();
    secrets();
    removals();
    uncovered();
    readers();
    retries();
    age();

    EVP_PKEY_free(ec);

    return done();
}
