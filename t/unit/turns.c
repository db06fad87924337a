
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * However large an object is, and however many there are, the watcher works on
 * it in pieces: how many there are of each case, and the CPU time of the
 * longest one.  UNIT_RECORDS says how many objects, paths and endpoints.
 */


#include "k8s_secret.h"

#include <malloc.h>
#include <time.h>


static char        *text;
static ngx_uint_t   number;
static uint64_t     began, worst;
static ngx_uint_t   most;                /* records of paths that went */


static void
start(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    began = (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static void
stop(void)
{
    uint64_t  t;

    t = began;
    start();
    worst = ngx_max(worst, began - t);
}


/* all that is marked; how many pieces */

static ngx_uint_t
pieces(k8s_t *k, const char *what)
{
    ngx_int_t   rc;
    ngx_uint_t  n, at, before, after;
    uint64_t    was;

    worst = 0;
    most = 0;
    at = 0;
    n = 0;

    do {
        was = worst;
        before = k->table->counts[NGX_K8S_INDEX_PATHS];

        start();
        rc = ngx_k8s_compile_run(k->compile, 0);
        stop();

        after = k->table->counts[NGX_K8S_INDEX_PATHS];
        most = ngx_max(most, before - ngx_min(before, after));

        if (worst > was) {
            at = n;
        }

        n++;

        ngx_k8s_writer_publish(k->writer);

    } while (rc == NGX_AGAIN);

    printf("# %s: %u pieces, the longest is number %u, %u us\n", what,
           (unsigned) n, (unsigned) at, (unsigned) worst);

    return n;
}


/* what the store has begun with "rc"; how many pieces */

static ngx_uint_t
stored(k8s_t *k, ngx_int_t rc, const char *what)
{
    ngx_uint_t  n;

    stop();

    for (n = 1; rc == NGX_AGAIN; n++) {
        start();
        rc = ngx_k8s_store_work(k->store);
        stop();
    }

    if (what) {
        printf("# %s: %u pieces, the longest %u us\n", what, (unsigned) n,
               (unsigned) worst);
    }

    return n;
}


static ngx_uint_t
put(k8s_t *k, const char *what)
{
    ngx_k8s_object_t  *object;

    object = k8s_object(text);

    worst = 0;
    start();

    return stored(k, ngx_k8s_store_put(k->store, object), what);
}


static ngx_uint_t
gone(k8s_t *k, const char *name)
{
    char        what[64];
    ngx_str_t   ns, s, uid;

    ns = k8s_str("a");
    s = k8s_str(name);
    ngx_str_null(&uid);

    sprintf(what, "%s: gone", name);

    worst = 0;
    start();

    return stored(k, ngx_k8s_store_delete(k->store, NGX_K8S_INGRESS, &ns, &s,
                                          &uid), what);
}


static void
setup(k8s_t *k)
{
    k8s_conf(k);
    k->size = (size_t) number * 4096 + 64 * 1024 * 1024;
}


static void
put_service(k8s_t *k, ngx_uint_t n)
{
    sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
            "'namespace':'a','name':'svc-%u'},'spec':{'ports':[{'name':"
            "'http','port':80,'targetPort':3000}]}}", (unsigned) n);
    put(k, NULL);
}


static void
put_ingress(k8s_t *k, ngx_uint_t n, ngx_uint_t service)
{
    sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'a','name':'ingress-%u',"
            "'creationTimestamp':'2026-01-01T00:%02u:%02uZ'},'spec':{'rules':["
            "{'host':'h%u.example.com','http':{'paths':[{'path':'/',"
            "'pathType':'Prefix','backend':{'service':{'name':'svc-%u',"
            "'port':{'number':80}}}}]}}]}}", (unsigned) n,
            (unsigned) (n / 60 * 7 % 60), (unsigned) (n % 60), (unsigned) n,
            (unsigned) service);
    put(k, NULL);
}


/* slice s of n endpoints */

static void
put_slice(k8s_t *k, ngx_uint_t s, ngx_uint_t n, ngx_uint_t zone)
{
    char        *p;
    ngx_uint_t   i;

    p = text + sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
                "'EndpointSlice','metadata':{'namespace':'a','name':"
            "'many-%u','labels':{'kubernetes.io/service-name':'svc-0'}},"
            "'addressType':'IPv4','ports':[{'name':'http','port':3000}],"
            "'endpoints':[", (unsigned) s);

    for (i = 0; i < 1000 && s * 1000 + i < n; i++) {
        p += sprintf(p, "%s{'addresses':['10.%u.%u.%u'],'zone':'z%u',"
                     "'targetRef':{'kind':'Pod','name':'pod-%u-%u'}}",
                     i ? "," : "", (unsigned) (s * 7 % 251),
                     (unsigned) i / 250 + 4 * (unsigned) (s / 251),
                     (unsigned) i % 250, (unsigned) (i + zone) % 3,
                     (unsigned) s, (unsigned) i);
    }

    sprintf(p, "]}");
    put(k, NULL);
}


static void
put_slices(k8s_t *k, ngx_uint_t n)
{
    ngx_uint_t  s;

    for (s = 0; s * 1000 < n; s++) {
        put_slice(k, s, n, 0);
    }
}


/* the record of port 80 of a/svc-0 */

static ngx_k8s_service_rec_t *
service(k8s_t *k)
{
    u_char             buf[64];
    size_t             len;
    ngx_uint_t         i;
    ngx_str_t         *names[4];

    static ngx_str_t  parts[] = {
        ngx_string("a"), ngx_string("svc-0"), ngx_string("80"),
        ngx_string("TCP")
    };

    for (i = 0; i < 4; i++) {
        names[i] = &parts[i];
    }

    len = ngx_k8s_key_names(buf, 4, names);

    return ngx_k8s_table_find(ngx_k8s_writer_table(k->writer),
                              NGX_K8S_INDEX_SERVICE, buf, len, NULL);
}


/* slices that change with every piece: none of their endpoints is missing */

static void
test_changing(ngx_uint_t n)
{
    k8s_t                   k;
    ngx_uint_t              i, least, made;
    ngx_k8s_service_rec_t  *rec, *was;

    setup(&k);
    k8s_open(&k);
    put_service(&k, 0);
    put_ingress(&k, 0, 0);
    put_slices(&k, n);

    ngx_k8s_compile_synced(k.compile);
    (void) pieces(&k, "slices");

    was = service(&k);
    least = was->usable;
    made = 0;

    for (i = 0; i < 300; i++) {
        put_slice(&k, i * 7 % (n / 1000), n, i);

        (void) ngx_k8s_compile_run(k.compile, 0);
        ngx_k8s_writer_publish(k.writer);

        rec = service(&k);
        made += (rec != was);
        was = rec;
        least = ngx_min(least, rec->usable);
    }

    ok(least == n, "slices that change: %u endpoints served", (unsigned) least);
    ok(made > 3, "slices that change: %u records", (unsigned) made);

    k8s_close(&k);
}


static void
test_endpoints(ngx_uint_t n)
{
    char        buf[64];
    k8s_t       k;
    ngx_uint_t  m;

    setup(&k);
    k8s_open(&k);
    put_service(&k, 0);
    put_ingress(&k, 0, 0);

    ngx_k8s_compile_synced(k.compile);
    (void) pieces(&k, "one Service");

    put_slices(&k, n);
    sprintf(buf, "a Service with %u endpoints", (unsigned) n);
    m = pieces(&k, buf);
    ok(m > n / 1024, "endpoints: in %u pieces", (unsigned) m);

    sprintf(buf, "usable %u ", (unsigned) n);
    ok(k8s_has(&k, buf), "all endpoints are served");

    k8s_delete(&k, NGX_K8S_SERVICE, "a", "svc-0");
    (void) pieces(&k, "the Service is gone");
    ok(!k8s_has(&k, buf), "none is served");

    k8s_close(&k);
}


/* all Ingresses on one host; older ones come later, and have its one path */

static void
put_same(k8s_t *k, ngx_uint_t n)
{
    sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'a','name':'same-%u',"
            "'creationTimestamp':'20%02u-01-01T00:%02u:%02uZ'},'spec':{"
            "'tls':[{'hosts':['same.test'],'secretName':'same'}],"
            "'rules':[{'host':'same.test','http':{'paths':[{'path':'/',"
            "'pathType':'Prefix','backend':{'service':{'name':'svc-0',"
            "'port':{'number':80}}}}]}}]}}", (unsigned) n,
            (unsigned) (99 - n / 3600), (unsigned) (59 - n / 60 % 60),
            (unsigned) (59 - n % 60));
    put(k, NULL);
}


static void
test_same(void)
{
    k8s_t       k;
    EVP_PKEY   *key;
    ngx_uint_t  i, n;

    setup(&k);
    k8s_open(&k);
    put_service(&k, 0);

    key = EVP_EC_gen("P-256");

    for (i = 0; i < number; i++) {
        put_same(&k, i);
    }

    ngx_k8s_compile_synced(k.compile);
    (void) pieces(&k, "all Ingresses for one path");

    k8s_secret(&k, "a", "same", key, key, "DNS:same.test", 365);
    n = pieces(&k, "its Secret comes");
    ok(n > number + number / 512, "users of a Secret: in %u pieces",
       (unsigned) n);

    put_same(&k, number);
    n = pieces(&k, "an older one comes");
    ok(n > number + number / 256, "those that lose: in %u pieces",
       (unsigned) n);

    k8s_delete(&k, NGX_K8S_SECRET, "a", "same");
    k8s_delete(&k, NGX_K8S_SERVICE, "a", "svc-0");
    n = pieces(&k, "Secret and Service go");
    ok(n > number + number / 256, "users of both: in %u pieces", (unsigned) n);

    EVP_PKEY_free(key);
    k8s_close(&k);
}


/* two Ingresses of one host, which each of their many tls entries lists */

static void
put_listed(k8s_t *k, const char *name, char age, ngx_uint_t n)
{
    char        *p;
    ngx_uint_t   i;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'a','name':'%s',"
            "'creationTimestamp':'2026-01-01T00:00:0%cZ'},'spec':{'rules':[{"
            "'host':'listed.test','http':{'paths':[{'path':'/%s','pathType':"
            "'Exact','backend':{'service':{'name':'s','port':{'number':80"
            "}}}}]}}],'tls':[", name, age, name);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'hosts':['listed.test'],'secretName':'%s%u'}",
                     i ? "," : "", name, (unsigned) i);
    }

    sprintf(p, "]}}");
    put(k, "many tls entries");
}


static void
test_listed(ngx_uint_t n)
{
    char         name[32], has[64];
    k8s_t        k;
    EVP_PKEY    *key;
    ngx_uint_t   m;

    setup(&k);
    k8s_open(&k);

    key = EVP_EC_gen("P-256");

    put_listed(&k, "old", '1', n);
    put_listed(&k, "new", '2', n);

    ngx_k8s_compile_synced(k.compile);
    m = pieces(&k, "all tls entries list one host");
    ok(m > n / 256, "tls entries: in %u pieces", (unsigned) m);

    sprintf(name, "old%u", (unsigned) n - 1);
    k8s_secret(&k, "a", name, key, key, "DNS:listed.test", 365);
    m = pieces(&k, "the Secret of the last one comes");
    ok(m > n / 256, "a Secret: in %u pieces", (unsigned) m);

    sprintf(has, "  certificate a/%s\n", name);
    ok(k8s_has(&k, has), "it is served");

    k8s_secret(&k, "a", "new0", key, key, "DNS:listed.test", 365);
    (void) pieces(&k, "a Secret of the younger one comes");
    ok(k8s_has(&k, has), "it is not served");
    ok(k8s_has(&k, "has the certificate of Ingress a/old, which is older"),
       "and this is said");

    k8s_delete(&k, NGX_K8S_INGRESS, "a", "old");
    (void) pieces(&k, "the older one is gone");
    ok(k8s_has(&k, "  certificate a/new0\n"), "the other one's is served");

    EVP_PKEY_free(key);
    k8s_close(&k);
}


/* many hosts below a wildcard host whose TLS they have */

static void
test_below(void)
{
    char        *p;
    k8s_t        k;
    ngx_uint_t   i;

    setup(&k);
    k8s_open(&k);

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'a','name':'below'},'spec':{"
            "'rules':[");

    for (i = 0; i < number; i++) {
        p += sprintf(p, "%s{'host':'h%u.below.test'}", i ? "," : "",
                     (unsigned) i);
    }

    sprintf(p, "]}}");
    put(&k, NULL);

    ngx_k8s_compile_synced(k.compile);
    (void) pieces(&k, "many hosts below a wildcard");

    sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'a','name':'above'},'spec':{'rules':[{"
            "'host':'*.below.test'}],'tls':[{'hosts':['*.below.test']}]}}");
    put(&k, NULL);

    i = pieces(&k, "which gets TLS");
    ok(i > number + number / 512, "in %u pieces", (unsigned) i);

    k8s_delete(&k, NGX_K8S_INGRESS, "a", "above");
    i = pieces(&k, "and goes");
    ok(i > number + number / 512, "in %u pieces", (unsigned) i);

    k8s_close(&k);
}


/* one Service of all Ingresses; limits; the clock */

static void
test_users(void)
{
    k8s_t       k;
    ngx_uint_t  i, n;

    setup(&k);
    k.conf.limit_routes = number - 10;
    k8s_open(&k);

    put_service(&k, 0);

    for (i = 0; i < number; i++) {
        put_ingress(&k, i, 0);
    }

    ngx_k8s_compile_synced(k.compile);
    (void) pieces(&k, "all Ingresses for the first time");

    k8s_delete(&k, NGX_K8S_SERVICE, "a", "svc-0");
    n = pieces(&k, "a Service of all Ingresses is gone");
    ok(n > number + number / 512, "all Ingresses are told: in %u pieces",
       (unsigned) n);

    k8s_delete(&k, NGX_K8S_INGRESS, "a", "ingress-0");
    n = pieces(&k, "an Ingress of a namespace with a limit is gone");
    ok(n > number / 256, "the namespace: in %u pieces", (unsigned) n);

    k8s_run(&k);
    ok(k.table->counts[NGX_K8S_INDEX_HOST] == number - 10,
       "the limit is used up");

    /* in the midst of a walk */

    k8s_delete(&k, NGX_K8S_INGRESS, "a", "ingress-1");

    for (i = 0; i < 10; i++) {
        (void) ngx_k8s_compile_run(k.compile, 0);
    }

    k8s_delete(&k, NGX_K8S_INGRESS, "a", "ingress-2");
    put_ingress(&k, 0, 0);
    put_ingress(&k, 3, 1);

    k8s_run(&k);
    ok(k.table->counts[NGX_K8S_INDEX_HOST] == number - 10,
       "the limit is used up once more");

    k8s_close(&k);
}


/* one Ingress, each of its paths has a Service of its own */

static void
put_paths(k8s_t *k, const char *service)
{
    char        *p;
    ngx_uint_t   i;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'a','name':'paths'},'spec':{"
            "'rules':[{'host':'paths.test','http':{'paths':[");

    for (i = 0; i < number; i++) {
        p += sprintf(p, "%s{'path':'/p%u','pathType':'Exact','backend':{"
                     "'service':{'name':'%s%u','port':{'number':80}}}}",
                     i ? "," : "", (unsigned) i, service, (unsigned) i);
    }

    sprintf(p, "]}}]}}");
    put(k, "paths");
}


/* until the problems of the Ingress are in the making */

static ngx_uint_t
halfway(k8s_t *k)
{
    ngx_str_t         ns, name;
    ngx_int_t         rc;
    ngx_k8s_entry_t  *entry;

    ns = k8s_str("a");
    name = k8s_str("paths");

    do {
        rc = ngx_k8s_compile_run(k->compile, 0);
        entry = ngx_k8s_entry_find(k->store, NGX_K8S_INGRESS, &ns, &name);
    } while (rc == NGX_AGAIN && !entry->making);

    return entry->making;
}


/* what changes while the problems of an Ingress are in the making */

static void
test_halfway(void)
{
    k8s_t  k;

    setup(&k);
    k8s_open(&k);
    ngx_k8s_compile_synced(k.compile);

    put_paths(&k, "s");
    ok(halfway(&k), "problems are in the making");

    sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
            "'namespace':'a','name':'s0'},'spec':{'ports':[{'port':80}]}}");
    put(&k, NULL);
    ok(k8s_has(&k, "Service a/s0 has no endpoint"), "a Service comes");
    ok(!strstr((char *) k.dump.data, "no Service a/s0\n"), "it is there");

    put_paths(&k, "t");
    ok(halfway(&k), "of a new version");
    put_paths(&k, "u");
    ok(k8s_has(&k, "no Service a/u0"), "another version comes");
    ok(!strstr((char *) k.dump.data, "no Service a/t0"), "the last one");

    put_paths(&k, "v");
    ok(halfway(&k), "of one more");
    k8s_delete(&k, NGX_K8S_INGRESS, "a", "paths");
    ok(!k8s_has(&k, "no Service"), "nothing is said of what is gone");
    ok(k.table->counts[NGX_K8S_INDEX_PROBLEM] == 0, "no record");

    put_paths(&k, "w");
    ok(halfway(&k), "when all ends");
    k8s_close(&k);
}


static void
test_paths(void)
{
    k8s_t        k;
    ngx_uint_t   i, n;

    setup(&k);
    k8s_open(&k);

    put_paths(&k, "s");

    ngx_k8s_compile_synced(k.compile);
    n = pieces(&k, "an Ingress with many paths");
    ok(n > number / 100, "paths: in %u pieces", (unsigned) n);

    sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
            "'namespace':'a','name':'s1'},'spec':{'ports':[{'port':80}]}}");
    put(&k, NULL);
    n = pieces(&k, "a Service of it");
    ok(n > number / 512, "problems: in %u pieces", (unsigned) n);

    for (i = 0; i < number; i++) {
        sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
                "'namespace':'a','name':'s%u'},'spec':{'clusterIP':'10.0.0.1',"
                "'ports':[{'port':80}]}}", (unsigned) i);
        put(&k, NULL);
        sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
                "'EndpointSlice','metadata':{'namespace':'a','name':"
                "'s%u','labels':{'kubernetes.io/service-name':'s%u'}},"
                "'addressType':'IPv4','ports':[{'port':3000}],"
                "'endpoints':[{'addresses':['10.0.0.1']}]}", (unsigned) i,
                (unsigned) i);
        put(&k, NULL);
    }

    (void) pieces(&k, "all Services of it are good");

    k8s_delete(&k, NGX_K8S_INGRESS, "a", "paths");
    (void) pieces(&k, "it is gone");
    ok(most <= 64, "%u records of paths go in a piece", (unsigned) most);

    k8s_close(&k);
}


/* hosts whose change waits for room: which of them wait is known */

static void
put_grown(k8s_t *k, ngx_uint_t n, ngx_uint_t paths)
{
    char        *p;
    ngx_uint_t   i;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'a','name':'g%u'},'spec':{"
            "'rules':[{'host':'g%u.test','http':{'paths':[", (unsigned) n,
            (unsigned) n);

    for (i = 0; i < paths; i++) {
        p += sprintf(p, "%s{'path':'/%u','pathType':'Exact','backend':{"
                     "'service':{'name':'s','port':{'number':80}}}}",
                     i ? "," : "", (unsigned) i);
    }

    sprintf(p, "]}}]}}");
    put(k, NULL);
}


static void
test_waiting(void)
{
    char             name[16];
    k8s_t            k;
    ngx_uint_t       i, n, all, bad;
    ngx_k8s_node_t  *node;

    k8s_conf(&k);
    k.size = 4 * 1024 * 1024;
    k8s_open(&k);
    ngx_k8s_compile_synced(k.compile);

    for (all = 0; all < 1200; all++) {
        put_grown(&k, all, 1);
    }

    k8s_run(&k);

    for (i = 0; i < all; i++) {
        put_grown(&k, i, 40);
    }

    (void) pieces(&k, "hosts that grow in a full zone");

    n = 0;
    bad = 0;

    for (node = ngx_k8s_node_from(k.store, NGX_K8S_NODE_HOST, 0);
         node;
         node = (ngx_k8s_node_t *)
                ngx_rbtree_next(&k.store->nodes[NGX_K8S_NODE_HOST],
                                &node->node))
    {
        if (node->need || node->later) {
            n++;
            bad += !node->waits;
        }
    }

    ok(n > 256 && bad == 0, "%u of them wait for room", (unsigned) n);

    for (i = 0; i < all; i++) {
        sprintf(name, "g%u", (unsigned) i);
        k8s_delete(&k, NGX_K8S_INGRESS, "a", name);
    }

    i = pieces(&k, "all go");
    ok(i > n / 256, "those that wait are tried in %u pieces", (unsigned) i);
    ok(k.table->counts[NGX_K8S_INDEX_HOST] <= 1, "none is left");

    k8s_close(&k);
}


/* a Service with many ports, of each of which there are paths */

static void
test_ports(ngx_uint_t n)
{
    char        *p;
    k8s_t        k;
    ngx_uint_t   i, m;

    setup(&k);
    k8s_open(&k);

    p = text + sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
            "'namespace':'a','name':'s'},'spec':{'ports':[");

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'port':%u,'name':'p%u'}", i ? "," : "",
                     (unsigned) i + 1, (unsigned) i);
    }

    sprintf(p, "]}}");
    put(&k, NULL);

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'a','name':'ports'},'spec':{"
            "'rules':[{'host':'ports.test','http':{'paths':[");

    for (i = 0; i < n * 4; i++) {
        p += sprintf(p, "%s{'path':'/%u','pathType':'Exact','backend':{"
                     "'service':{'name':'s','port':{'name':'p%u'}}}}",
                     i ? "," : "", (unsigned) i, (unsigned) (i % n));
    }

    sprintf(p, "]}}]}}");
    put(&k, NULL);

    ngx_k8s_compile_synced(k.compile);
    m = pieces(&k, "a Service with many ports");
    ok(m > n * n / 65536, "ports: in %u pieces", (unsigned) m);
    ok(k.table->counts[NGX_K8S_INDEX_SERVICE] == n, "each has its record");

    k8s_delete(&k, NGX_K8S_SERVICE, "a", "s");
    m = pieces(&k, "it goes");
    ok(m > n * 4 / 512, "ports that go: in %u pieces", (unsigned) m);

    k8s_close(&k);
}


static ngx_uint_t  wants;


static void
want(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t wanted)
{
    wants++;
}


/* one Ingress with many hosts, and with many Secrets */

static void
test_hosts(void)
{
    char        *p;
    k8s_t        k;
    ngx_uint_t   i;

    setup(&k);
    k.events.want = want;
    k8s_open(&k);

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'a','name':'hosts'},'spec':{"
            "'rules':[");

    for (i = 0; i < number; i++) {
        p += sprintf(p, "%s{'host':'h%u.test','http':{'paths':[{'path':'/',"
                     "'pathType':'Exact','backend':{"
                     "'service':{'name':'s','port':{'number':80}}}}]}}",
                     i ? "," : "", (unsigned) i);
    }

    sprintf(p, "]}}");
    i = put(&k, "many hosts");
    ok(i > number / 64, "many hosts: in %u pieces", (unsigned) i);

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'a','name':'tls'},'spec':{"
            "'defaultBackend':{'service':{'name':'s','port':{'number':80}}},"
            "'tls':[");

    for (i = 0; i < number; i++) {
        p += sprintf(p, "%s{'hosts':['h%u.test'],'secretName':'t%u'}",
                     i ? "," : "", (unsigned) i, (unsigned) i);
    }

    sprintf(p, "]}}");
    i = put(&k, "many Secrets");
    ok(i > number / 64, "many Secrets: in %u pieces", (unsigned) i);
    ok(wants == number, "all are wanted");

    wants = 0;
    worst = 0;
    start();
    ngx_k8s_store_ask(k.store, NGX_K8S_SECRET);
    i = stored(&k, NGX_AGAIN, "Secrets: asked for once more");
    ok(wants == number && i > number / 128, "in %u pieces", (unsigned) i);

    ngx_k8s_compile_synced(k.compile);
    (void) pieces(&k, "many hosts and Secrets");

    worst = 0;
    start();
    ngx_k8s_compile_clock(k.compile, ngx_time() + 1);
    stop();
    printf("# the clock takes %u us\n", (unsigned) worst);
    i = pieces(&k, "after the clock");
    ok(i > number / 1024, "dates: in %u pieces", (unsigned) i);

    i = gone(&k, "tls");
    ok(i > number / 64, "many Secrets: gone in %u pieces", (unsigned) i);

    i = gone(&k, "hosts");
    ok(i > number / 64, "many hosts: gone in %u pieces", (unsigned) i);

    (void) pieces(&k, "all is gone");

    k8s_close(&k);
}


static void
put_alias(k8s_t *k, ngx_uint_t n, ngx_uint_t hosts, ngx_uint_t host,
    const char *alias)
{
    char        *p;
    ngx_uint_t   i;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                       "'Ingress','metadata':{'namespace':'a','name':'i%05u',"
                       "'creationTimestamp':'2026-01-01T00:00:00Z',"
                       "'annotations':{'nginx.ingress.kubernetes.io/"
                       "server-alias':'%s'}},'spec':{'rules':[",
                       (unsigned) n, alias);

    for (i = 0; i < hosts; i++) {
        p += sprintf(p, "%s{'host':'h%u.test','http':{'paths':[{'path':'/%u',"
                     "'pathType':'Exact','backend':{'service':{'name':'s',"
                     "'port':{'number':80}}}}]}}", i ? "," : "",
                     (unsigned) (host + i), (unsigned) n);
    }

    sprintf(p, "]}}");

    k8s_put(k, text);
}


/* aliases that all Ingresses of some hosts want, and each one of its own */

static void
test_aliases(ngx_uint_t n, ngx_uint_t hosts, const char *what)
{
    char        alias[64];
    k8s_t       k;
    ngx_uint_t  i;

    setup(&k);
    k8s_open(&k);

    for (i = 0; i < n; i++) {
        sprintf(alias, what, (unsigned) i);
        put_alias(&k, i, hosts ? hosts : 1, hosts ? 0 : i, alias);
    }

    ngx_k8s_compile_synced(k.compile);
    printf("# %u Ingresses with an alias each, %s, %u hosts\n", (unsigned) n,
           what, (unsigned) hosts);
    (void) pieces(&k, "aliases come");

    /* the oldest of one second has the greatest name */

    put_alias(&k, 0, hosts ? hosts : 1, 0, "z.test");
    i = pieces(&k, "the youngest has another one");
    ok(i < 200 + n / 100, "which is said of few, in %u pieces", (unsigned) i);

    put_alias(&k, 0, hosts ? hosts : 1, 0, "");
    i = pieces(&k, "the youngest has none");
    ok(i < 200 + n / 100, "which is said of few, in %u pieces", (unsigned) i);

    k8s_close(&k);
}


/* an Ingress with n paths of host "h", expressions or a canary of them */

static void
put_record(k8s_t *k, const char *name, ngx_uint_t n, const char *annotations)
{
    char        *p;
    ngx_uint_t   i;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                       "'Ingress','metadata':{'namespace':'a','name':'%s',"
                       "'annotations':{%s},'creationTimestamp':"
                       "'2026-01-01T00:00:00Z'},'spec':{'rules':[{'host':'h',"
                       "'http':{'paths':[", name, annotations);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'path':'/x%u%s','pathType':'"
                     "ImplementationSpecific','backend':{'service':{'name':"
                     "'%s','port':{'number':80}}}}", i ? "," : "",
                     (unsigned) i, i < n / 4 ? "[0-9]*" : "", name);
    }

    sprintf(p, "]}}]}}");

    k8s_put(k, text);
}


#define ANNOTATION  "'nginx.ingress.kubernetes.io/"
#define CANARY      ANNOTATION "canary':'true'," ANNOTATION                   \
                    "canary-weight':'1'," ANNOTATION "canary-by-cookie':'c'," \
                    ANNOTATION "canary-by-header':'x'"


/* a record with as many expressions and canaries as there may be */

static void
test_canaries(ngx_uint_t n)
{
    char        name[8];
    k8s_t       k;
    ngx_uint_t  i;

    setup(&k);
    k.size = 64 * 1024 * 1024;
    k8s_open(&k);

    put_record(&k, "main", 999, ANNOTATION "use-regex':'true'");

    for (i = 0; i < n; i++) {
        sprintf(name, "c%u", (unsigned) i);
        put_record(&k, name, 999, CANARY);
    }

    ngx_k8s_compile_synced(k.compile);
    (void) pieces(&k, "999 expressions with canaries");

    put_record(&k, "c0", 998, CANARY);
    (void) pieces(&k, "one canary of them is gone");

    put_record(&k, "c0", 999, CANARY "," ANNOTATION
               "canary-by-header-pattern':'a'");
    (void) pieces(&k, "a canary has a pattern");

    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    /* as the watcher does */

    (void) mallopt(M_MXFAST, 0);

    number = getenv("UNIT_RECORDS") ? (ngx_uint_t) atoi(getenv("UNIT_RECORDS"))
                                     : unit_rounds(5000);
    text = malloc(ngx_max(number, 10000) * 512 + 1024 * 1024);

    test_endpoints(5000);
    test_endpoints(ngx_max(number, 10000));
    test_changing(unit_rounds(20000));
    test_users();
    test_same();
    test_listed(ngx_max(number, 10000));
    test_below();
    test_paths();
    test_ports(2500);
    test_waiting();
    test_halfway();
    test_hosts();
    test_canaries(2);
    test_aliases(unit_rounds(5000), 1, "x%u.test");
    test_aliases(unit_rounds(1000), 8, "x.test");
    test_aliases(unit_rounds(5000), 0, "x.test");

    free(text);

    return done();
}
