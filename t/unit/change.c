
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A version of a large object, while it is in the making: what is seen is the
 * one before, or this one, whatever comes in between, also where there is no
 * memory.
 */


#include "k8s.h"


#define HOSTS    300

#define CLASS(controller)                                                     \
    "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass','metadata':{" \
    "'name':'c'},'spec':{'controller':'" controller "'}}"


void *__real_ngx_alloc(size_t size, ngx_log_t *log);
void *__wrap_ngx_alloc(size_t size, ngx_log_t *log);
void *__real_ngx_calloc(size_t size, ngx_log_t *log);
void *__wrap_ngx_calloc(size_t size, ngx_log_t *log);


static ngx_uint_t  allocs, fails;
static ngx_uint_t  hosts = HOSTS;   /* of large() */
static char        text[HOSTS * 256];


void *
__wrap_ngx_alloc(size_t size, ngx_log_t *log)
{
    return (++allocs == fails) ? NULL : __real_ngx_alloc(size, log);
}


void *
__wrap_ngx_calloc(size_t size, ngx_log_t *log)
{
    return (++allocs == fails) ? NULL : __real_ngx_calloc(size, log);
}


/* not in the order of their names; Secrets and Services of their own */

static ngx_k8s_object_t *
large(const char *version, const char *class)
{
    char        *p;
    ngx_uint_t   i;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                       "'Ingress','metadata':{'namespace':'n','name':'large'},"
                       "'spec':{%s'tls':[{'hosts':['*.%s.test'],"
                       "'secretName':'%s'}],'rules':[", class, version,
                       version);

    for (i = 0; i < hosts; i++) {
        p += sprintf(p, "%s{'host':'h%u.%s.test','http':{'paths':[{'path':'/',"
                     "'pathType':'Exact','backend':{'service':{'name':'%s%u',"
                     "'port':{'number':80}}}}]}}", i ? "," : "",
                     (unsigned) (i * 7 % hosts), version, version,
                     (unsigned) i);
    }

    sprintf(p, "]}}");

    return k8s_object(text);
}


/* how many hosts of a version are in the table: some is a fault */

static ngx_uint_t
served(k8s_t *k, const char *version)
{
    char        host[64];
    char       *dump;
    ngx_uint_t  i, n;

    dump = (char *) k8s_dump(k);
    n = 0;

    for (i = 0; i < HOSTS; i++) {
        sprintf(host, "\"h%u.%s.test\" flags", (unsigned) i, version);
        n += (strstr(dump, host) != NULL);
    }

    return n;
}


static ngx_uint_t
nodes(k8s_t *k, ngx_uint_t type, const char *ns, const char *name)
{
    ngx_str_t  n, s;

    n = k8s_str(ns);
    s = k8s_str(name);

    return ngx_k8s_node_find(k->store, type, &n, &s) != NULL;
}


static ngx_k8s_object_t *
stored(k8s_t *k)
{
    ngx_str_t  ns, name;

    ns = k8s_str("n");
    name = k8s_str("large");

    return ngx_k8s_store_get(k->store, NGX_K8S_INGRESS, &ns, &name);
}


static ngx_int_t
gone(k8s_t *k)
{
    ngx_str_t  ns, name, uid;

    ns = k8s_str("n");
    name = k8s_str("large");
    ngx_str_null(&uid);

    return ngx_k8s_store_delete(k->store, NGX_K8S_INGRESS, &ns, &name, &uid);
}


/* compiles as much as can be between two pieces */

static void
whole(void)
{
    k8s_t              k;
    ngx_int_t          rc;
    ngx_uint_t         n, a, b, some, early, shown;
    ngx_k8s_object_t  *object;

    k8s_conf(&k);
    k.size = 16 * 1024 * 1024;
    k8s_open(&k);

    rc = ngx_k8s_store_put(k.store, large("a", ""));
    ok(rc == NGX_AGAIN && ngx_k8s_store_busy(k.store), "it takes pieces");

    for (n = 0; ngx_k8s_store_work(k.store) == NGX_AGAIN; n++) { /* void */ }

    ok(n > HOSTS / NGX_K8S_CHANGE_PIECE, "%u of them", (unsigned) n);
    ok(!ngx_k8s_store_busy(k.store), "then nothing is left to do");
    ok(served(&k, "a") == HOSTS, "all hosts are served");

    object = large("b", "");
    rc = ngx_k8s_store_put(k.store, object);
    some = 0;
    early = 0;

    while (rc == NGX_AGAIN) {
        shown = ngx_k8s_change_shown(k.store);

        early += (shown && ngx_k8s_store_settle(k.store, 0) == NGX_OK);
        early += (!shown && k.store->change.entry && stored(&k) == object);

        a = served(&k, "a");
        b = served(&k, "b");
        some += !((a == HOSTS && b == 0) || (a == 0 && b == HOSTS));
        early += (!shown && k.store->change.entry && b);

        rc = ngx_k8s_store_work(k.store);
    }

    ok(rc == NGX_OK && some == 0, "one version or the other is served");
    ok(early == 0, "none is settled before its links are");
    ok(served(&k, "b") == HOSTS && stored(&k) == object, "the new one");
    ok(!nodes(&k, NGX_K8S_NODE_SECRET, "n", "a")
       && nodes(&k, NGX_K8S_NODE_SECRET, "n", "b"), "and its Secret");

    for (rc = gone(&k), n = 0; rc == NGX_AGAIN; n++) {
        some += (served(&k, "b") % HOSTS != 0);
        rc = ngx_k8s_store_work(k.store);
    }

    ok(n && some == 0 && served(&k, "b") == 0, "it goes in pieces as well");
    ok(!nodes(&k, NGX_K8S_NODE_SERVICE, "n", "b1"), "with its Services");

    k8s_close(&k);
}


/* what comes while a version is in the making, after so many pieces */

static void
between(ngx_uint_t n)
{
    k8s_t       k;
    ngx_uint_t  i;

    k8s_conf(&k);
    k.size = 16 * 1024 * 1024;
    k8s_open(&k);
    k8s_put(&k, CLASS("k8s.io/ingress-nginx"));

    (void) ngx_k8s_store_put(k.store, large("a", "'ingressClassName':'c',"));

    for (i = 0; i < n; i++) {
        (void) ngx_k8s_store_work(k.store);
    }

    (void) ngx_k8s_store_put(k.store, large("b", "'ingressClassName':'c',"));
    k8s_work(&k);
    ok(served(&k, "b") == HOSTS && served(&k, "a") == 0,
       "after %u pieces: a newer version", (unsigned) n);

    (void) ngx_k8s_store_put(k.store, large("c", "'ingressClassName':'c',"));

    for (i = 0; i < n; i++) {
        (void) ngx_k8s_store_work(k.store);
    }

    k8s_put(&k, CLASS("somebody.else"));
    ok(served(&k, "b") == 0 && served(&k, "c") == 0, "another class");

    k8s_put(&k, CLASS("k8s.io/ingress-nginx"));
    (void) ngx_k8s_store_settle(k.store, n);
    k8s_put(&k, CLASS("somebody.else"));
    (void) ngx_k8s_store_settle(k.store, n);
    ngx_k8s_store_refused(k.store, NGX_K8S_INGRESS_CLASS, 1);
    ok(served(&k, "c") == HOSTS, "no classes");

    (void) ngx_k8s_store_put(k.store, large("d", "'ingressClassName':'c',"));

    for (i = 0; i < n; i++) {
        (void) ngx_k8s_store_work(k.store);
    }

    ngx_k8s_store_refused(k.store, NGX_K8S_INGRESS_CLASS, 0);
    k8s_work(&k);
    ok(served(&k, "d") == 0, "classes again");

    ngx_k8s_store_refused(k.store, NGX_K8S_INGRESS_CLASS, 1);
    ok(served(&k, "d") == HOSTS, "and none");
    (void) ngx_k8s_store_put(k.store, large("e", "'ingressClassName':'c',"));

    for (i = 0; i < n; i++) {
        (void) ngx_k8s_store_work(k.store);
    }

    (void) gone(&k);
    k8s_work(&k);
    ok(served(&k, "d") == 0 && served(&k, "e") == 0
       && !nodes(&k, NGX_K8S_NODE_SERVICE, "n", "e1"), "the object goes");

    (void) ngx_k8s_store_put(k.store, large("f", ""));

    for (i = 0; i < n; i++) {
        (void) ngx_k8s_store_work(k.store);
    }

    k8s_close(&k);
}


/* what it is attached by changes after that was looked at, before its class has
   a node */

static void
refused(void)
{
    k8s_t       k;
    ngx_uint_t  taken, early;

    taken = 0;
    early = 0;

    for (hosts = HOSTS - NGX_K8S_CHANGE_PIECE; hosts < HOSTS; hosts++) {
        k8s_conf(&k);
        k.size = 16 * 1024 * 1024;
        k8s_open(&k);

        ngx_k8s_store_refused(k.store, NGX_K8S_INGRESS_CLASS, 1);
        k8s_work(&k);

        (void) ngx_k8s_store_put(k.store,
                                 large("a", "'ingressClassName':'c',"));

        while (k.store->change.stage < NGX_K8S_CHANGE_LINKS) {
            (void) ngx_k8s_store_work(k.store);
        }

        early += (k.store->change.links.made == NULL);

        ngx_k8s_store_refused(k.store, NGX_K8S_INGRESS_CLASS, 0);
        k8s_work(&k);
        taken += (served(&k, "a") != 0);

        k8s_close(&k);
    }

    ok(early, "refused before it has links");
    ok(taken == 0, "no longer taken without a class");
}


/* a list that does not name it */

static void
swept(void)
{
    k8s_t       k;
    ngx_str_t   all;
    ngx_uint_t  n;

    ngx_str_null(&all);

    k8s_conf(&k);
    k.size = 16 * 1024 * 1024;
    k8s_open(&k);

    (void) ngx_k8s_store_put(k.store, large("a", ""));
    k8s_work(&k);

    (void) ngx_k8s_store_begin(k.store, NGX_K8S_INGRESS, &all);

    for (n = 0; ngx_k8s_store_end(k.store, NGX_K8S_INGRESS, &all, 1)
                == NGX_AGAIN; n++)
    {
        (void) ngx_k8s_compile_run(k.compile, 0);
    }

    ok(n > HOSTS / NGX_K8S_CHANGE_PIECE && stored(&k) == NULL,
       "a list ends in %u pieces", (unsigned) n);
    ok(served(&k, "a") == 0, "without it");

    k8s_close(&k);
}


/* each allocation fails once */

static void
memory(void)
{
    k8s_t              k;
    ngx_int_t          rc;
    ngx_uint_t         n, fresh, kept, left;
    ngx_k8s_object_t  *object;

    k8s_conf(&k);
    k8s_open(&k);

    fresh = 0;
    left = 0;

    for (n = 1; /* void */ ; n++) {
        object = large("a", "");

        fails = allocs + n;
        rc = ngx_k8s_store_put(k.store, object);

        while (rc == NGX_AGAIN) {
            rc = ngx_k8s_store_work(k.store);
        }

        if (allocs < fails) {
            break;
        }

        fresh += (rc == NGX_ERROR && stored(&k) == NULL);
        left += nodes(&k, NGX_K8S_NODE_SERVICE, "n", "a0");

        while (ngx_k8s_store_work(k.store) == NGX_AGAIN) { /* void */ }

        left += ngx_k8s_store_busy(k.store);
    }

    ok(n > 4 * HOSTS && fresh == n - 1 && left == 0,
       "no memory %u times: it is not there", (unsigned) n - 1);

    kept = 0;
    object = stored(&k);

    for (n = 1; /* void */ ; n += 13) {
        fails = 0;
        rc = ngx_k8s_store_put(k.store, large("b", ""));
        fails = allocs + n;

        while (rc == NGX_AGAIN) {
            rc = ngx_k8s_store_work(k.store);
        }

        if (allocs < fails) {
            break;
        }

        kept += (rc == NGX_ERROR && stored(&k) == object);
        left += nodes(&k, NGX_K8S_NODE_SERVICE, "n", "b0");
    }

    ok(n > 2 * HOSTS && kept == n / 13 && left == 0,
       "no memory for a new version: the old one stays");

    fails = 0;
    k8s_close(&k);
}


/* when it is attached */

static void
attached(void)
{
    k8s_t       k;
    ngx_int_t   rc;
    ngx_uint_t  n, errors;

    k8s_conf(&k);
    k.size = 16 * 1024 * 1024;
    k8s_open(&k);

    (void) ngx_k8s_store_put(k.store, large("a", "'ingressClassName':'c',"));
    k8s_work(&k);
    k8s_put(&k, CLASS("k8s.io/ingress-nginx"));

    errors = 0;

    for (n = 0; /* void */ ; n++) {
        fails = allocs + 1 + n % 7;
        rc = ngx_k8s_store_settle(k.store, 1);
        errors += (rc == NGX_ERROR);

        if (rc == NGX_OK) {
            break;
        }

        fails = 0;

        if (n % 2) {
            (void) ngx_k8s_store_work(k.store);
        }
    }

    fails = 0;

    ok(n > HOSTS / NGX_K8S_CHANGE_PIECE && errors,
       "%u pieces, no memory in %u", (unsigned) n, (unsigned) errors);
    ok(served(&k, "a") == HOSTS, "it is attached all the same");

    k8s_close(&k);
}


/* a step that has failed is made once more: it says nothing twice */

static void
resumed(void)
{
    char        *dump;
    k8s_t        k;
    ngx_int_t    rc;
    ngx_uint_t   i, n, errors;

    static const char  *texts[] = {

        "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"
        "'namespace':'n','name':'one','annotations':{"
        "'nginx.ingress.kubernetes.io/nothing':'x',"
        "'nginx.ingress.kubernetes.io/proxy-body-size':'x'}},"
        "'spec':{'ingressClassName':'c','defaultBackend':{'resource':{"
        "'kind':'k','name':'n'}},'tls':[{'hosts':['*.x.test','nothing.test',"
        "'X.test'],'secretName':'s'},{'hosts':['a.b.test'],'secretName':'t'}],"
        "'rules':[{'host':'-!'},{'host':'X.test','http':{'paths':[{'path':"
        "'/a//b','pathType':'Prefix','backend':{'resource':{'kind':'k',"
        "'name':'n'}}},{'path':'/c','pathType':'Prefix','backend':{'service':{"
        "'name':'c','port':{'number':80}}}}]}},{'host':'*.b.test','http':{"
        "'paths':[{'path':'/','pathType':'Prefix','backend':{'service':{"
        "'name':'b','port':{'number':80}}}}]}}]}}",

        "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"
        "'namespace':'n','name':'two'},'spec':{'ingressClassName':'c',"
        "'defaultBackend':{'service':{'name':'d','port':{'number':80}}},"
        "'tls':[{'secretName':'u'}],'rules':[{'http':{'paths':[{'path':'/',"
        "'pathType':'Prefix','backend':{'service':{'name':'e','port':{"
        "'number':80}}}}]}}]}}"
    };

    k8s_conf(&k);
    k8s_open(&k);
    k8s_put(&k, texts[0]);
    k8s_put(&k, texts[1]);
    k8s_put(&k, CLASS("k8s.io/ingress-nginx"));
    dump = strdup(k8s_dump(&k));
    k8s_close(&k);

    ok(strstr(dump, "is not a host name") && strstr(dump, "which no request")
       && strstr(dump, "the default backend names no Service")
       && strstr(dump, "no rule of this Ingress has a host")
       && strstr(dump, "/nothing"), "what is said of two");

    for (i = 1; i < 8; i++) {
        k8s_open(&k);
        k8s_put(&k, texts[0]);
        k8s_put(&k, texts[1]);
        k8s_put(&k, CLASS("k8s.io/ingress-nginx"));

        n = 0;
        errors = 0;

        do {
            fails = allocs + 1 + n++ / i;
            rc = ngx_k8s_store_settle(k.store, 1);
            errors += (rc == NGX_ERROR);

        } while (rc != NGX_OK);

        fails = 0;

        ok(errors && strcmp(k8s_dump(&k), dump) == 0,
           "the same, without memory %u times", (unsigned) errors);

        k8s_close(&k);
    }

    free(dump);
}


/* what is compiled is given up at once, and is done when there is memory */

static void
compiled(void)
{
    char       *want;
    k8s_t       k;
    ngx_int_t   rc;
    ngx_uint_t  n, errors, more;

    static const char  *named =
        "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"
        "'namespace':'n','name':'named','annotations':{"
        "'nginx.ingress.kubernetes.io/server-alias':'b.test,~^c[0-9]',"
        "'nginx.ingress.kubernetes.io/from-to-www-redirect':'true',"
        "'nginx.ingress.kubernetes.io/use-regex':'true',"
        "'nginx.ingress.kubernetes.io/proxy-read-timeout':'7'}},"
        "'spec':{'rules':[{'host':'a.test','http':{'paths':[{'path':'/x',"
        "'pathType':'Prefix','backend':{'service':{'name':'s','port':{"
        "'number':80}}}}]}}]}}";

    errors = 0;
    more = 0;
    hosts = 4;
    want = NULL;

    k8s_conf(&k);
    k.size = 16 * 1024 * 1024;
    k8s_open(&k);
    k8s_run(&k);

    /* the first round has all that it asks for */

    for (n = 0; /* void */ ; n++) {
        (void) ngx_k8s_store_put(k.store, large("a", ""));
        k8s_work(&k);
        k8s_put(&k, named);

        if (want == NULL) {
            want = strdup(k8s_dump(&k));
            goto next;
        }

        fails = allocs + n;

        do {
            rc = ngx_k8s_compile_run(k.compile, 1000000);
        } while (rc == NGX_AGAIN);

        if (allocs < fails) {
            break;
        }

        errors += (rc == NGX_ERROR);

        while (ngx_k8s_compile_run(k.compile, 1000000) == NGX_AGAIN) {
            more++;
        }

        fails = 0;

        more += (strcmp(k8s_dump(&k), want) != 0);

    next:

        k8s_delete(&k, NGX_K8S_INGRESS, "n", "large");
        k8s_delete(&k, NGX_K8S_INGRESS, "n", "named");
        k8s_run(&k);
    }

    fails = 0;

    ok(strstr(want, "b.test") && strstr(want, "www.a.test"), "with aliases");
    free(want);

    ok(errors > hosts && more == 0, "no memory for what is compiled %u times",
       (unsigned) errors);

    k8s_close(&k);

    hosts = HOSTS;
}


int
main(void)
{
    ngx_uint_t  n;

    unit_init();

    whole();

    for (n = 0; n < 70; n += 5) {
        between(n);
    }

    refused();
    swept();
    memory();
    attached();
    compiled();
    resumed();

    return done();
}
