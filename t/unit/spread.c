
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Affinity and hashes: whom of the objects that lead to a Service its record
 * follows, points of endpoints, which keys lead where, and how many move.
 */


#include <ngx_k8s_compile_state.h>
#include "k8s.h"
#include <ngx_md5.h>
#include <ngx_k8s_ewma.h>
#include <ngx_k8s_peer.h>


#define INGRESS(name, time, annotations, svc)                                 \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','annotations':{" annotations "},"      \
    "'creationTimestamp':'2026-01-01T00:00:" time "Z'},'spec':{'rules':[{"    \
    "'host':'" name ".test','http':{'paths':[{'path':'/','pathType':'Prefix'," \
    "'backend':{'service':{'name':'" svc "','port':{'number':80}}}}]}}]}}"

#define CANARY_OF(name, host, time, annotations, svc)                         \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','annotations':{" annotations "},"      \
    "'creationTimestamp':'2026-01-01T00:00:" time "Z'},'spec':{'rules':[{"    \
    "'host':'" host "','http':{'paths':[{'path':'/','pathType':'Prefix',"     \
    "'backend':{'service':{'name':'" svc "','port':{'number':80}}}}]}}]}}"

#define OURS        "'nginx.ingress.kubernetes.io/"
#define COOKIE      OURS "affinity':'cookie'"
#define PERSISTENT  COOKIE "," OURS "affinity-mode':'persistent'"
#define HASH(text)  OURS "upstream-hash-by':'" text "'"
#define KEYS        20000


static void
put_service(k8s_t *k, char *ns, char *name)
{
    char  text[512];

    sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
            "'namespace':'%s','name':'%s'},'spec':{'ports':[{'port':80,"
            "'targetPort':3000}]}}", ns, name);
    k8s_put(k, text);
}


/* a slice with the endpoints 10.245.1.11 and on, but for one; 0: all */

static void
put_endpoints(k8s_t *k, char *ns, char *name, ngx_uint_t n, ngx_uint_t but)
{
    char        *p, *text;
    ngx_uint_t   i, at;

    text = malloc(512 + n * 64);

    p = text + sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
                       "'EndpointSlice','metadata':{'namespace':'%s','name':"
                       "'%s','labels':{'kubernetes.io/service-name':'%s'}},"
                       "'addressType':'IPv4','ports':[{'port':3000,'protocol':"
                       "'TCP'}],'endpoints':[", ns, name, name);

    for (i = 1; i <= n; i++) {
        at = 256 + 10 + i;

        if (i != but) {
            p += sprintf(p, "%s{'addresses':['10.245.%u.%u'],'conditions':{"
                         "'ready':true}}", p[-1] == '[' ? "" : ",",
                         (unsigned) at >> 8, (unsigned) at & 255);
        }
    }

    sprintf(p, "]}");
    k8s_put(k, text);
    free(text);
}


static ngx_k8s_service_rec_t *
service(k8s_t *k, char *ns, char *name, uint32_t *slot)
{
    u_char     buf[NGX_K8S_KEY_MAX];
    size_t     len;
    ngx_str_t  s[4], *names[4];

    s[0] = k8s_str(ns);
    s[1] = k8s_str(name);
    s[2] = k8s_str("80");
    s[3] = k8s_str("TCP");
    names[0] = &s[0];
    names[1] = &s[1];
    names[2] = &s[2];
    names[3] = &s[3];

    len = ngx_k8s_key_names(buf, 4, names);

    return ngx_k8s_table_find(k->table, NGX_K8S_INDEX_SERVICE, buf, len, slot);
}


/* one choice, for a cookie's key, another one's, or none; what comes out */

static ngx_k8s_choice_t      choice;
static ngx_k8s_choice_key_t  key;
static ngx_k8s_copies_t      copies;
static ngx_k8s_cursors_t     cursors;


static ngx_k8s_service_rec_t *
begin(k8s_t *k, char *ns, char *name, char *text, ngx_uint_t change)
{
    uint32_t                slot;
    ngx_str_t               s;
    ngx_k8s_service_rec_t  *rec;

    rec = service(k, ns, name, &slot);

    ngx_memzero(&key, sizeof(ngx_k8s_choice_key_t));

    key.change = change;

    if (text && rec->affinity) {
        s = k8s_str(text);
        ngx_k8s_choice_cookie(&key, rec, &s);

    } else if (text) {
        key.hash = ngx_k8s_ring_hash((u_char *) text, strlen(text));
    }

    ngx_k8s_copies_take(&copies, rec);
    ngx_k8s_choice_init(&choice, slot, ngx_k8s_slot(k->table, slot)->generation,
                        &copies, &key);

    return rec;
}


/* the number of the next endpoint, from 1 */

static ngx_uint_t
next(k8s_t *k)
{
    ngx_k8s_peer_t  peer;

    if (ngx_k8s_choose(&choice, k->table, &cursors, &peer) != NGX_OK) {
        return 0;
    }

    return peer.addr[2] * 256 + peer.addr[3] - 256 - 10;
}


static ngx_uint_t
goes(k8s_t *k, char *name, char *text)
{
    begin(k, "d", name, text, 0);

    return next(k);
}


/* what ingress-nginx did with two endpoints, and what its cookies had */

static void
test_recorded(void)
{
    k8s_t                   k;
    u_char                  digest[16], hex[33];
    ngx_str_t               s;
    ngx_uint_t              i;
    ngx_k8s_service_rec_t  *rec;

    static struct {
        char        *key;
        ngx_uint_t   endpoint;
    } keys[] = {
        { "1795249845.961.109465.674779", 1 },
        { "1795249844.192.109464.795223", 1 },
        { "1795249844.099.109464.700848", 2 },
        { "1795249844.003.109465.741972", 1 },
        { "1795249844.102.109465.765312", 2 },
        { "1795249844.147.109464.178522", 1 },
        { "1795249844.148.109464.304054", 2 },
        { "1795249826.844.109465.394052", 1 },
        { "1795249825.043.109464.620750", 2 },
        { "1795249826.843.109465.317450", 1 },
        { "1795249842.109.109464.486252", 2 },
        { "made-up", 2 },
        { "adam", 2 },
        { "zoe", 1 },
        { "", 2 },
        { "/one", 2 },
        { "/two?x=1", 2 }
    };

    k8s_conf(&k);
    k8s_open(&k);

    put_service(&k, "d", "a");
    put_service(&k, "d", "h");
    put_endpoints(&k, "d", "a", 2, 0);
    put_endpoints(&k, "d", "h", 2, 0);
    k8s_put(&k, INGRESS("i", "00", COOKIE, "a"));
    k8s_put(&k, INGRESS("j", "00", HASH("$arg_k"), "h"));
    k8s_run(&k);

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        ok(goes(&k, "a", keys[i].key) == keys[i].endpoint
           && goes(&k, "h", keys[i].key) == keys[i].endpoint,
           "\"%s\" goes to %u", keys[i].key, (unsigned) keys[i].endpoint);
    }

    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'g-affinity-mode-persistent','name':'p',"
            "'annotations':{" PERSISTENT "}},'spec':{'rules':[{'host':'p',"
            "'http':{'paths':[{'path':'/','pathType':'Prefix','backend':{"
            "'service':{'name':'a','port':{'number':80}}}}]}}]}}");
    put_service(&k, "g-affinity-mode-persistent", "a");
    put_endpoints(&k, "g-affinity-mode-persistent", "a", 2, 0);
    k8s_run(&k);

    rec = begin(&k, "g-affinity-mode-persistent", "a",
                "d83e5489d72738db2bb36232ae9301ea", 0);
    *ngx_hex_dump(hex, rec->digest, 16) = '\0';
    ok(strcmp((char *) hex, "7941f99e3fe9d506a004147679fa1d0d") == 0,
       "the Service of a cookie: %s", hex);
    ok(next(&k) == 2 && !key.fresh, "an endpoint of a cookie");

    begin(&k, "g-affinity-mode-persistent", "a",
          "3d05b45ce32fc622772b79f0256f71d5", 0);
    ok(next(&k) == 1 && !key.fresh, "the other one");

    begin(&k, "g-affinity-mode-persistent", "a",
          "3d05b45de32fc622772b79f0256f71d5", 0);
    i = next(&k);
    ok(i && key.fresh, "one that is none is replaced");
    ok(ngx_memcmp(key.text, i == 1 ? "3d05b45ce32fc622772b79f0256f71d5"
                                   : "d83e5489d72738db2bb36232ae9301ea", 32)
       == 0, "by that of the endpoint");

    s = k8s_str("d83e");
    ngx_memzero(&key, sizeof(key));
    ngx_k8s_choice_cookie(&key, rec, &s);
    ok(!key.keyed, "a short one");

    s = k8s_str("g83e5489d72738db2bb36232ae9301ea");
    ngx_k8s_choice_cookie(&key, rec, &s);
    ok(!key.keyed, "one with another letter");

    ngx_k8s_endpoint_digest(rec, ngx_k8s_record_at(rec, rec->endpoints.offset),
                            digest);
    *ngx_hex_dump(hex, digest, 16) = '\0';
    ok(strcmp((char *) hex, "3d05b45ce32fc622772b79f0256f71d5") == 0,
       "an endpoint's");

    k8s_close(&k);
}


static char *
name_of(ngx_uint_t i)
{
    static char  name[32];

    sprintf(name, "/items/%u", (unsigned) i);

    return name;
}


/* how many keys go elsewhere when one of 20 endpoints goes, and comes back */

static void
test_moved(void)
{
    k8s_t       k;
    ngx_uint_t  i, at, moved, wrong, most, counts[21];

    static uint8_t  was[KEYS];

    k8s_conf(&k);
    k8s_open(&k);

    put_service(&k, "d", "h");
    put_endpoints(&k, "d", "h", 20, 0);
    k8s_put(&k, INGRESS("j", "00", HASH("$request_uri"), "h"));
    k8s_run(&k);

    ngx_memzero(counts, sizeof(counts));

    for (i = 0; i < KEYS; i++) {
        was[i] = goes(&k, "h", name_of(i));
        counts[was[i]]++;
    }

    most = 0;

    for (i = 1; i <= 20; i++) {
        most = ngx_max(most, counts[i]);
    }

    ok(counts[0] == 0 && most < KEYS / 20 * 13 / 10,
       "the most that one of 20 has is %u of %u", (unsigned) most, KEYS);

    put_endpoints(&k, "d", "h", 20, 7);
    k8s_run(&k);

    moved = 0;
    wrong = 0;

    for (i = 0; i < KEYS; i++) {
        at = goes(&k, "h", name_of(i));
        moved += (at != was[i]);
        wrong += (at != was[i] && was[i] != 7) || at == 7;
    }

    ok(moved <= KEYS / 20 * 13 / 10 && moved == counts[7],
       "%u of %u move when one goes", (unsigned) moved, KEYS);
    ok(wrong == 0, "only those that it had");

    put_endpoints(&k, "d", "h", 20, 0);
    k8s_run(&k);

    for (i = 0, moved = 0; i < KEYS; i++) {
        moved += (goes(&k, "h", name_of(i)) != was[i]);
    }

    ok(moved == 0, "and are back with it");

    put_endpoints(&k, "d", "h", 21, 0);
    k8s_run(&k);

    for (i = 0, moved = 0, wrong = 0; i < KEYS; i++) {
        at = goes(&k, "h", name_of(i));
        moved += (at != was[i]);
        wrong += (at != was[i] && at != 21);
    }

    ok(wrong == 0 && moved && moved < KEYS / 21 * 13 / 10,
       "%u move to one that comes", (unsigned) moved);

    k8s_close(&k);
}


/* new clients by the arcs of the ring, or evenly; chi-square, 19 degrees */

static void
test_new(void)
{
    k8s_t                    k;
    double                   chi, even, arcs[20];
    ngx_uint_t               i, n, wrong, counts[20];
    ngx_k8s_point_t         *p;
    ngx_k8s_service_rec_t   *rec;

    k8s_conf(&k);
    k8s_open(&k);

    put_service(&k, "d", "a");
    put_service(&k, "d", "p");
    put_endpoints(&k, "d", "a", 20, 0);
    put_endpoints(&k, "d", "p", 20, 0);
    k8s_put(&k, INGRESS("i", "00", COOKIE, "a"));
    k8s_put(&k, INGRESS("j", "00", PERSISTENT, "p"));
    k8s_run(&k);

    rec = service(&k, "d", "a", NULL);
    p = ngx_k8s_record_at(rec, rec->points.offset);
    n = rec->points.n;
    ok(n == 20 * 160, "%u points", (unsigned) n);

    ngx_memzero(arcs, sizeof(arcs));

    for (i = 0, wrong = 0; i < n; i++) {
        wrong += (i && p[i - 1].hash > p[i].hash);
        arcs[p[i].endpoint] += (uint32_t) (p[i].hash
                                           - p[i ? i - 1 : n - 1].hash)
                               / 4294967296.0;
    }

    ok(wrong == 0, "sorted");

    ngx_memzero(counts, sizeof(counts));

    for (i = 0; i < KEYS; i++) {
        n = goes(&k, "a", NULL);
        counts[n - 1]++;

        if (i % 100 == 0) {
            char  text[33];

            ngx_memcpy(text, key.text, 32);
            text[32] = '\0';
            ok(key.fresh && goes(&k, "a", text) == n, "%s leads back", text);
        }
    }

    chi = 0;

    for (i = 0; i < 20; i++) {
        even = KEYS * arcs[i];
        chi += (counts[i] - even) * (counts[i] - even) / even;
    }

    ok(chi < 43.8, "balanced: chi-square %.1f", chi);

    ngx_memzero(counts, sizeof(counts));

    for (i = 0; i < KEYS; i++) {
        counts[goes(&k, "p", NULL) - 1]++;
    }

    chi = 0;

    for (i = 0; i < 20; i++) {
        even = KEYS / 20;
        chi += (counts[i] - even) * (counts[i] - even) / even;
    }

    ok(chi < 43.8, "persistent: chi-square %.1f", chi);

    k8s_close(&k);
}


static void
test_subset(void)
{
    k8s_t       k;
    double      chi;
    ngx_uint_t  i, n, first, counts[21];

    k8s_conf(&k);
    k8s_open(&k);

    put_service(&k, "d", "h");
    put_endpoints(&k, "d", "h", 20, 0);
    k8s_put(&k, INGRESS("j", "00", HASH("$arg_k") "," OURS
            "upstream-hash-by-subset':'true'," OURS
            "upstream-hash-by-subset-size':'4'", "h"));
    k8s_run(&k);

    ngx_memzero(counts, sizeof(counts));

    for (i = 0; i < 4000; i++) {
        counts[goes(&k, "h", "adam")]++;
    }

    for (i = 1, n = 0, chi = 0; i <= 20; i++) {
        n += (counts[i] != 0);
        chi += counts[i] ? (counts[i] - 1000.0) * (counts[i] - 1000.0) / 1000
                         : 0;
    }

    ok(n == 4 && chi < 16.3, "four of them, chi-square %.1f", chi);

    begin(&k, "d", "h", "adam", 0);

    for (i = 0, n = 0; i < 20; i++) {
        first = next(&k);
        n += (i < 4) ? counts[first] != 0 : counts[first] == 0;
        counts[first] = counts[first] ? counts[first] : 1;
    }

    ok(n == 20, "tries: all of the subset, then others: %u", (unsigned) n);

    k8s_close(&k);
}


static void
test_tries(void)
{
    k8s_t       k;
    ngx_uint_t  i, n, first, seen;

    k8s_conf(&k);
    k8s_open(&k);

    put_service(&k, "d", "a");
    put_service(&k, "d", "h");
    put_endpoints(&k, "d", "a", 5, 0);
    put_endpoints(&k, "d", "h", 5, 0);
    k8s_put(&k, INGRESS("i", "00", COOKIE, "a"));
    k8s_put(&k, INGRESS("j", "00", HASH("$arg_k"), "h"));
    k8s_run(&k);

    begin(&k, "d", "h", "adam", 0);

    for (i = 0, seen = 0; i < 5; i++) {
        seen |= 1 << next(&k);
    }

    ok(seen == 0x3e, "a hash: each endpoint once");
    ok(next(&k) == goes(&k, "h", "adam"), "then the first one again");

    begin(&k, "d", "a", "adam", 0);
    first = next(&k);
    ok(first == goes(&k, "h", "adam"), "a cookie and a hash lead to the same");

    begin(&k, "d", "a", "adam", 0);

    for (i = 0, n = 0; i < 5; i++) {
        n += (next(&k) == first);
    }

    ok(n == 5 && !ngx_k8s_choice_untried(&choice) && !key.fresh,
       "a client stays where it is");

    begin(&k, "d", "a", "adam", 1);
    n = next(&k);
    ok(n == first && !key.fresh && ngx_k8s_choice_untried(&choice),
       "with change-on-failure at first");
    n = next(&k);
    ok(n != first && key.fresh, "and goes when that has failed");

    begin(&k, "d", "a", NULL, 0);
    first = next(&k);
    n = next(&k);
    ok(n != first && key.fresh, "so does a new one in any case");

    k8s_close(&k);
}


/* the oldest that says something, of each kind; and canaries */

static void
test_objects(void)
{
    k8s_t                   k;
    uint32_t                was;
    ngx_uint_t              n;
    ngx_k8s_service_rec_t  *rec;

    k8s_conf(&k);
    k8s_open(&k);

    put_service(&k, "d", "a");
    put_service(&k, "d", "b");
    put_endpoints(&k, "d", "a", 2, 0);
    put_endpoints(&k, "d", "b", 2, 0);

    k8s_put(&k, INGRESS("plain", "00", "", "a"));
    k8s_run(&k);
    rec = service(&k, "d", "a", NULL);
    ok(!rec->affinity && rec->points.n == 0, "nothing is said");

    k8s_put(&k, INGRESS("two", "02", PERSISTENT "," HASH("$uri"), "a"));
    ok(k8s_has(&k, "affinity 2 \"INGRESSCOOKIE\" hash \"$uri\" 0 balance 0 "
               "points 2\n"), "the only one");

    k8s_put(&k, INGRESS("one", "01", COOKIE "," OURS
                        "session-cookie-name':'one'", "a"));
    ok(k8s_has(&k, "affinity 1 \"one\" hash \"$uri\" 0 balance 0 points 320\n"),
       "an older one, which says less");

    k8s_put(&k, INGRESS("one", "01", COOKIE "," OURS
                        "session-cookie-name':'other'", "a"));
    ok(k8s_has(&k, "affinity 1 \"other\" hash"), "says something else");

    k8s_put(&k, INGRESS("one", "01", "", "a"));
    ok(k8s_has(&k, "affinity 2 \"INGRESSCOOKIE\" hash"), "and nothing");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "two");
    ok(!k8s_has(&k, "affinity"), "nobody");

    /* canaries */

    k8s_put(&k, INGRESS("one", "01", COOKIE, "a"));
    k8s_put(&k, CANARY_OF("c", "one.test", "03", OURS "canary':'true'," OURS
                          "canary-weight':'10'," PERSISTENT, "b"));
    k8s_run(&k);
    rec = service(&k, "d", "b", NULL);
    ok(rec->affinity == 1 && rec->points.n == 320,
       "a canary has that of its primary");

    k8s_put(&k, CANARY_OF("c", "one.test", "03", OURS "canary':'true'," OURS
                          "canary-weight':'10'," OURS
                          "affinity-canary-behavior':'legacy'," HASH("$uri"),
                          "b"));
    k8s_run(&k);
    rec = service(&k, "d", "b", NULL);
    ok(rec->affinity == 0 && rec->hash_by.len == 4,
       "a legacy one has none, but a hash of its own");
    ok(!k8s_has(&k, "the primary decides it"), "which is no note");

    k8s_put(&k, CANARY_OF("c", "one.test", "03", OURS "canary':'true'," OURS
                          "canary-weight':'10'", "b"));
    k8s_run(&k);
    rec = service(&k, "d", "b", NULL);
    ok(rec->affinity == 1, "it has it again");

    k8s_put(&k, INGRESS("one", "01", "", "a"));
    k8s_run(&k);
    rec = service(&k, "d", "b", NULL);
    ok(rec->affinity == 0, "the primary has none any more");

    k8s_put(&k, INGRESS("one", "01", PERSISTENT, "a"));
    k8s_run(&k);
    rec = service(&k, "d", "b", NULL);
    ok(rec->affinity == 2, "or another one");

    /* another watcher compiles the one that says nothing before the others */

    rec = service(&k, "d", "a", &was);
    ok(rec->affinity == 2, "before another watcher");

    k8s_end(&k);
    k8s_open(&k);
    put_service(&k, "d", "a");
    put_endpoints(&k, "d", "a", 2, 0);
    k8s_put(&k, INGRESS("plain", "00", "", "a"));
    ngx_k8s_compile_synced(k.compile);

    n = 0;

    while (service(&k, "d", "a", NULL)->affinity == 2
           && ngx_k8s_compile_run(k.compile, 1) == NGX_AGAIN)
    {
        n += (k.compile->sweep == 0);
        ngx_k8s_writer_publish(k.writer);
    }

    ok(n && k.compile->sweep, "what was said holds until all is compiled");

    k8s_run(&k);
    ok(service(&k, "d", "a", NULL)->affinity == 0, "and not longer");

    k8s_close(&k);
}


/* ten endpoints, of which one is slow, one more comes, and the slow one is fast
   again */

static void
test_fast(void)
{
    k8s_t             k;
    double            w, d;
    ngx_uint_t        i, n, slow, bad, counts[12];
    ngx_atomic_t      word;
    ngx_k8s_peer_t    peer;

    word = 0;
    ngx_k8s_ewma_add(&word, 1000, 80);
    ok(ngx_k8s_ewma_score(word, 1000) == 80 * 64, "the first answer");

    /* e to the power of -0.0007 for each 7 milliseconds */

    for (i = 0, bad = 0, w = 80 * 64; i < 60000; i += 7, w *= 0.999300245) {
        d = ngx_k8s_ewma_score(word, 1001 + i) - w;
        bad += (d > 80 * 64 / 100.0 || d < -80 * 64 / 100.0);
    }

    ok(bad == 0 && ngx_k8s_ewma_score(word, 1001 + 200000) == 0,
       "decays: %u of it are wrong", (unsigned) bad);
    ok(ngx_k8s_ewma_score(word, 900) == 80 * 64, "an earlier clock");

    ngx_k8s_ewma_add(&word, 1001 + 6931, 0);
    i = ngx_k8s_ewma_score(word, 1001 + 6931);
    ok(i > 39 * 64 && i < 41 * 64, "half of it: %u", (unsigned) i);

    k8s_conf(&k);
    k8s_open(&k);

    put_service(&k, "d", "e");
    put_endpoints(&k, "d", "e", 10, 0);
    k8s_put(&k, INGRESS("j", "00", OURS "load-balance':'ewma'", "e"));
    ok(k8s_has(&k, "balance 2 points 0\n"), "a record");

    ngx_current_msec = 100000;
    ngx_memzero(counts, sizeof(counts));

    for (i = 0, slow = 0; i < 20000; i++) {

        if (i == 10000) {
            put_endpoints(&k, "d", "e", 11, 0);
            k8s_run(&k);
        }

        begin(&k, "d", "e", NULL, 0);
        ngx_k8s_choose(&choice, k.table, &cursors, &peer);

        n = peer.addr[2] * 256 + peer.addr[3] - 256 - 10;
        counts[n]++;

        ngx_k8s_peer_took(k.table, &peer, n == 3 ? 300 : 20);
        ngx_current_msec += 10;
    }

    ok(choice.timed, "times count");
    ok(counts[3] < 20000 / 10 / 5, "a slow one gets %u of 20000",
       (unsigned) counts[3]);

    for (i = 1, bad = 0; i <= 10; i++) {
        bad += (i != 3 && (counts[i] < 1500 || counts[i] > 2700));
    }

    ok(bad == 0 && counts[11] > 500 && counts[11] < 1600,
       "the others their share, a new one %u of 10000", (unsigned) counts[11]);

    for (i = 0, slow = 0; i < 10000; i++) {
        begin(&k, "d", "e", NULL, 0);
        ngx_k8s_choose(&choice, k.table, &cursors, &peer);
        n = peer.addr[2] * 256 + peer.addr[3] - 256 - 10;
        slow += (n == 3);
        ngx_k8s_peer_took(k.table, &peer, 20);
        ngx_current_msec += 10;
    }

    ok(slow > 300, "it comes back: %u of 10000", (unsigned) slow);

    begin(&k, "d", "e", NULL, 0);

    for (i = 0, n = 0; i < 11; i++) {
        n |= 1 << next(&k);
    }

    ok(n == 0xffe, "each try another one");

    k8s_close(&k);
}


static void
test_many(void)
{
    k8s_t                   k;
    ngx_uint_t              i, wrong;
    ngx_k8s_point_t        *p;
    ngx_k8s_service_rec_t  *rec;

    k8s_conf(&k);
    k.size = 64 * 1024 * 1024;
    k8s_open(&k);

    put_service(&k, "d", "h");
    put_endpoints(&k, "d", "h", 1024, 0);
    k8s_put(&k, INGRESS("j", "00", HASH("$arg_k"), "h"));
    k8s_run(&k);

    ok(service(&k, "d", "h", NULL)->points.n == 1024 * 160, "of 1,024");

    put_endpoints(&k, "d", "h", 5000, 0);
    k8s_run(&k);

    rec = service(&k, "d", "h", NULL);
    p = ngx_k8s_record_at(rec, rec->points.offset);
    wrong = 0;

    for (i = 1; i < rec->points.n; i++) {
        wrong += (p[i - 1].hash > p[i].hash);
    }

    ok(rec->points.n == 5000 * 16 && wrong == 0, "of 5,000: %u points",
       (unsigned) rec->points.n);
    ok(ngx_k8s_ring_find(p, rec->points.n, p[777].hash) == 777
       && ngx_k8s_ring_find(p, rec->points.n, p[777].hash + 1) == 778
       && ngx_k8s_ring_find(p, rec->points.n, p[777].hash - 1) == 777,
       "a point takes what is before it");
    ok(ngx_k8s_ring_find(p, rec->points.n, p[rec->points.n - 1].hash + 1) == 0
       && ngx_k8s_ring_find(p, rec->points.n, 0) == 0, "and the first one the "
       "rest");
    ok(rec->header.size < 1000000, "%u bytes", (unsigned) rec->header.size);

    k8s_close(&k);
}


static void
test_text(void)
{
    u_char                  text[NGX_K8S_ENDPOINT_LEN];
    ngx_k8s_endpoint_rec_t  e;

    ngx_memzero(&e, sizeof(e));
    e.family = 6;
    e.port = 65535;
    e.addr[0] = 0xfd;
    e.addr[15] = 1;

    text[ngx_k8s_endpoint_text(text, &e)] = '\0';
    ok(strcmp((char *) text, "[fd00::1]:65535") == 0, "%s", text);

    ngx_memset(e.addr, 0xaa, 16);
    ok(ngx_k8s_endpoint_text(text, &e) == 47, "the longest one has room");
}


/* addresses whose points are all at one place, as their digests begin with the
   same bits, take more pieces, not longer ones */

#define CHOSEN  4096

static ngx_uint_t
pieces(ngx_uint_t chosen)
{
    k8s_t        k;
    char        *p, *text, address[64];
    u_char       digest[16];
    ngx_md5_t    md5;
    ngx_uint_t   i, n, x;

    k8s_conf(&k);
    k.size = 64 * 1024 * 1024;
    k8s_open(&k);

    put_service(&k, "d", "p");
    k8s_put(&k, INGRESS("i", "00", COOKIE, "p"));
    text = malloc(512 + CHOSEN * 80);

    p = text + sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
                       "'EndpointSlice','metadata':{'namespace':'d','name':"
                       "'p','labels':{'kubernetes.io/service-name':'p'}},"
                       "'addressType':'IPv6','ports':[{'port':3000,'protocol':"
                       "'TCP'}],'endpoints':[");

    for (i = 0, x = 0; i < CHOSEN; x++) {

        n = sprintf(address, "[fd00::%x:%x]:3000",
                    (unsigned) (4096 + x / 60000),
                    (unsigned) (1 + x % 60000));

        ngx_md5_init(&md5);
        ngx_md5_update(&md5, "d-p-80", 6);
        ngx_md5_update(&md5, address, n);
        ngx_md5_final(digest, &md5);

        if (chosen && (digest[0] || digest[1] & 0xc0)) {
            continue;
        }

        p += sprintf(p, "%s{'addresses':['%.*s'],'conditions':{'ready':true}}",
                     i++ ? "," : "", (int) (n - 7), address + 1);
    }

    sprintf(p, "]}");
    k8s_put(&k, text);
    free(text);

    k8s_run(&k);

    k8s_put(&k, INGRESS("i", "00", PERSISTENT, "p"));
    n = 0;

    do {
        i = ngx_k8s_compile_run(k.compile, 0);
        ngx_k8s_writer_publish(k.writer);
        n++;
    } while ((ngx_int_t) i == NGX_AGAIN);

    k8s_close(&k);

    return n;
}


static void
test_chosen(void)
{
    ngx_uint_t  ordinary, chosen;

    if (getenv("UNIT_SHORT")) {
        return;
    }

    ordinary = pieces(0);
    chosen = pieces(1);

    ok(chosen > ordinary + 1, "chosen addresses: %u pieces instead of %u",
       (unsigned) chosen, (unsigned) ordinary);
}


int
main(void)
{
    unit_init();

    test_recorded();
    test_moved();
    test_new();
    test_subset();
    test_tries();
    test_objects();
    test_fast();
    test_many();
    test_text();
    test_chosen();

    ngx_k8s_cursors_free(&cursors);

    return done();
}
