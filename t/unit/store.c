
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include "k8s.h"


#define SERVICE(name, uid, version, port)                                     \
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d',"        \
    "'name':'" name "','uid':'" uid "','resourceVersion':'" version "'},"     \
    "'spec':{'ports':[{'name':'http','port':" port "}]}}"

#define INGRESS(name, secret)                                                 \
    "{'apiVersion':'networking.k8s.io/v1'" REST(name, secret)

#define REST(name, secret)                                                    \
    ",'kind':'Ingress','metadata':{"                                          \
    "'namespace':'d','name':'" name "'},'spec':{'tls':[{'hosts':['a.test'],"  \
    "'secretName':'" secret "'}],'rules':[{'host':'a.test','http':{'paths':[" \
    "{'path':'/','pathType':'Prefix','backend':{'service':{'name':'s','port':"\
    "{'number':80}}}}]}}]}}"


static char        wanted[256];
static ngx_str_t   all = ngx_null_string;


static void
want(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t on)
{
    sprintf(wanted + strlen(wanted), "%s%.*s", on ? "+" : "-",
            (int) name->len, name->data);
}


static ngx_uint_t
port(k8s_t *k, char *name)
{
    ngx_str_t           ns, n;
    ngx_k8s_service_t  *svc;

    ns = k8s_str("d");
    n = k8s_str(name);

    svc = (ngx_k8s_service_t *) ngx_k8s_store_get(k->store, NGX_K8S_SERVICE,
                                                  &ns, &n);

    return svc ? svc->ports[0].port : 0;
}


/* old events, T-A15; another uid, T-C8 */

static void
versions(k8s_t *k)
{
    ngx_str_t  ns, name, uid;

    ns = k8s_str("d");
    name = k8s_str("s");

    k8s_put(k, SERVICE("s", "u1", "99", "1"));
    k8s_put(k, SERVICE("s", "u1", "100", "2"));
    ok(port(k, "s") == 2, "a later version");

    k8s_put(k, SERVICE("s", "u1", "99", "1"));
    ok(port(k, "s") == 2, "an older version does nothing");

    k8s_put(k, SERVICE("s", "u2", "5", "3"));
    ok(port(k, "s") == 3, "another object of the name");

    uid = k8s_str("u1");
    ngx_k8s_store_delete(k->store, NGX_K8S_SERVICE, &ns, &name, &uid);
    ok(port(k, "s") == 3, "the former one's end does nothing");

    ngx_k8s_store_begin(k->store, NGX_K8S_SERVICE, &all);
    k8s_put(k, SERVICE("s", "u2", "4", "4"));
    ok(port(k, "s") == 4, "a list may go back");

    while (ngx_k8s_store_end(k->store, NGX_K8S_SERVICE, &all, 1)
           == NGX_AGAIN)
    {
        /* void */
    }

    ok(port(k, "s") == 4, "and keeps what it named");

    uid = k8s_str("u2");
    ngx_k8s_store_delete(k->store, NGX_K8S_SERVICE, &ns, &name, &uid);
    ok(port(k, "s") == 0 && ngx_k8s_store_count(k->store, NGX_K8S_SERVICE)
       == 0, "gone");
}


/* what a list does not name is deleted, T-A13 */

static void
lists(k8s_t *k)
{
    ngx_str_t   d, e;
    ngx_uint_t  n;

    d = k8s_str("d");
    e = k8s_str("e");

    k8s_put(k, SERVICE("a", "1", "1", "1"));
    k8s_put(k, SERVICE("b", "2", "2", "2"));
    k8s_put(k, SERVICE("c", "3", "3", "3"));

    ngx_k8s_store_begin(k->store, NGX_K8S_SERVICE, &d);
    k8s_put(k, SERVICE("b", "2", "2", "2"));
    ngx_k8s_store_abort(k->store, NGX_K8S_SERVICE, &d);
    ok(ngx_k8s_store_end(k->store, NGX_K8S_SERVICE, &d, 100) == NGX_OK
       && ngx_k8s_store_count(k->store, NGX_K8S_SERVICE) == 3,
       "a list that broke off deletes nothing");

    ngx_k8s_store_begin(k->store, NGX_K8S_SERVICE, &e);
    n = 0;

    while (ngx_k8s_store_end(k->store, NGX_K8S_SERVICE, &e, 1) == NGX_AGAIN) {
        n++;
    }

    ok(n >= 3 && ngx_k8s_store_count(k->store, NGX_K8S_SERVICE) == 3,
       "a list of another namespace deletes nothing here");

    ngx_k8s_store_begin(k->store, NGX_K8S_SERVICE, &all);
    k8s_put(k, SERVICE("b", "2", "2", "2"));

    ok(ngx_k8s_store_end(k->store, NGX_K8S_SERVICE, &all, 1) == NGX_AGAIN,
       "in slices");

    k8s_put(k, SERVICE("new", "4", "4", "5"));

    while (ngx_k8s_store_end(k->store, NGX_K8S_SERVICE, &all, 1)
           == NGX_AGAIN)
    {
        /* void */
    }

    ok(port(k, "a") == 0 && port(k, "b") == 2 && port(k, "c") == 0
       && port(k, "new") == 5, "what a list does not name goes");
}


static void
secrets(k8s_t *k)
{
    ngx_str_t  ns, name;

    ns = k8s_str("d");
    name = k8s_str("t1");

    k8s_put(k, "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':"
            "'d','name':'t1'},'data':{'tls.crt':'AAAA'}}");
    ok(ngx_k8s_store_count(k->store, NGX_K8S_SECRET) == 0,
       "a Secret that nothing names is not kept");

    k8s_put(k, INGRESS("i1", "t1"));
    k8s_put(k, INGRESS("i2", "t1"));
    ok(strcmp(wanted, "+t1") == 0, "wanted once: %s", wanted);

    k8s_put(k, "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':"
            "'d','name':'t1'},'data':{'tls.crt':'AAAA'}}");
    ok(ngx_k8s_store_get(k->store, NGX_K8S_SECRET, &ns, &name) != NULL,
       "kept");

    k8s_put(k, INGRESS("i1", "t2"));
    ok(strcmp(wanted, "+t1+t2") == 0, "the other is wanted: %s", wanted);

    k8s_delete(k, NGX_K8S_INGRESS, "d", "i2");
    ok(strcmp(wanted, "+t1+t2-t1") == 0, "the first is not: %s", wanted);
    ok(ngx_k8s_store_count(k->store, NGX_K8S_SECRET) == 0, "and is dropped");

    k8s_delete(k, NGX_K8S_INGRESS, "d", "i1");
    ok(strcmp(wanted, "+t1+t2-t1-t2") == 0, "none is: %s", wanted);

    /* what is asked for goes into JSON: none but names that can be */

    wanted[0] = '\0';

    k8s_put(k, INGRESS("i1", "x\\\",\\\"namespace\\\":\\\"e\\\","
                             "\\\"name\\\":\\\"t"));
    k8s_put(k, INGRESS("i2", "x\\\\"));
    k8s_put(k, INGRESS("i3", "T1"));
    ngx_k8s_store_ask(k->store, NGX_K8S_SECRET);
    k8s_work(k);
    k8s_delete(k, NGX_K8S_INGRESS, "d", "i1");
    k8s_delete(k, NGX_K8S_INGRESS, "d", "i2");
    k8s_delete(k, NGX_K8S_INGRESS, "d", "i3");
    ok(wanted[0] == '\0', "what no Secret is called is not wanted: %s",
       wanted);
}


/* an object of text, as from an API server */

static ngx_k8s_object_t *
parsed(ngx_uint_t kind, const char *text)
{
    char              *copy, *p;
    ngx_int_t          rc;
    ngx_k8s_parser_t   parser;

    copy = strdup(text);

    for (p = copy; *p; p++) {
        *p = (*p == '\'') ? '"' : *p;
    }

    rc = ngx_k8s_parser_init(&parser, kind, (u_char *) copy, p - copy,
                             &unit_log);

    while (rc == NGX_OK && parser.object == NULL) {
        rc = ngx_k8s_parser_run(&parser, 65536);
    }

    free(copy);

    return parser.object;
}


/* of a status alone nothing is compiled, and it is known */

static void
status_alone(k8s_t *k)
{
    u_char             was[NGX_K8S_DIGEST];
    ngx_str_t          ns, name;
    ngx_uint_t         changes;
    ngx_k8s_object_t  *object;

    ns = k8s_str("d");
    name = k8s_str("i1");

    k8s_put(k, SERVICE("s", "u", "1", "80"));
    (void) ngx_k8s_store_put(k->store, parsed(NGX_K8S_INGRESS,
                                              INGRESS("i1", "t1")));
    k8s_work(k);
    (void) k8s_dump(k);
    changes = k->table->changes;

    object = ngx_k8s_store_get(k->store, NGX_K8S_INGRESS, &ns, &name);
    memcpy(was, object->status, NGX_K8S_DIGEST);

    (void) ngx_k8s_store_put(k->store, parsed(NGX_K8S_INGRESS,
        "{'status':{'loadBalancer':{'ingress':[{'ip':'192.0.2.1'}]}}"
        REST("i1", "t1")));
    k8s_work(k);

    ok(ngx_queue_empty(&k->store->changed)
       && ngx_queue_empty(&k->store->dirty[NGX_K8S_NODE_HOST])
       && ngx_queue_empty(&k->store->dirty[NGX_K8S_NODE_SERVICE])
       && ngx_k8s_store_get(k->store, NGX_K8S_INGRESS, &ns, &name) == object,
       "nothing is marked by a status");

    (void) k8s_dump(k);
    ok(changes == k->table->changes, "nothing is written");
    ok(memcmp(was, object->status, NGX_K8S_DIGEST) != 0,
       "and the status is known to be another one");

    k8s_delete(k, NGX_K8S_INGRESS, "d", "i1");
    k8s_delete(k, NGX_K8S_SERVICE, "d", "s");
}


/* equal but for the version: nothing is marked */

static void
equality(k8s_t *k)
{
    ngx_uint_t  changes;

    k8s_put(k, INGRESS("i1", "t1"));
    k8s_put(k, SERVICE("s", "u", "1", "80"));
    (void) k8s_dump(k);
    changes = k->table->changes;

    k8s_put(k, INGRESS("i1", "t1"));
    k8s_put(k, SERVICE("s", "u", "1000", "80"));
    ok(ngx_queue_empty(&k->store->changed)
       && ngx_queue_empty(&k->store->dirty[NGX_K8S_NODE_HOST])
       && ngx_queue_empty(&k->store->dirty[NGX_K8S_NODE_SERVICE]),
       "nothing is marked by an equal object");

    (void) k8s_dump(k);
    ok(changes == k->table->changes, "nothing is written");

    k8s_put(k, SERVICE("s", "u", "999", "81"));
    ok(port(k, "s") == 80, "the version was taken over");
}


#define MANY  3000

#define CLASS(name, controller)                                               \
    "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass','metadata':{" \
    "'name':'" name "'},'spec':{'controller':'" controller "'}}"


static ngx_uint_t
taken(k8s_t *k)
{
    ngx_uint_t        n;
    ngx_queue_t      *q;
    ngx_k8s_entry_t  *entry;

    n = 0;

    for (q = ngx_queue_head(&k->store->all[NGX_K8S_INGRESS]);
         q != ngx_queue_sentinel(&k->store->all[NGX_K8S_INGRESS]);
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_k8s_entry_t, queue);
        n += entry->taken;
    }

    return n;
}


/* a class that many name is looked at in pieces, whatever happens meanwhile */

static void
turns(void)
{
    char        text[512], name[16];
    k8s_t       k;
    ngx_int_t   rc;
    ngx_uint_t  i, n;

    k8s_conf(&k);
    k8s_open(&k);

    for (i = 0; i < MANY; i++) {
        sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'n','name':'i%u'},'spec':{"
                "'ingressClassName':'c','rules':[{'host':'h%u.test'}]}}",
                (unsigned) i, (unsigned) i);
        k8s_put(&k, text);
    }

    ok(ngx_k8s_store_settle(k.store, 0) == NGX_OK && taken(&k) == 0,
       "of a class that does not exist");

    k8s_put(&k, CLASS("c", "k8s.io/ingress-nginx"));
    ok(taken(&k) == 0, "none is attached when the class comes");

    rc = ngx_k8s_store_settle(k.store, 100);
    ok(rc == NGX_AGAIN && taken(&k) == 100, "a hundred at a time");

    for (i = 50; i < 150; i++) {
        sprintf(name, "i%u", (unsigned) i);
        k8s_delete(&k, NGX_K8S_INGRESS, "n", name);
    }

    for (n = 0; ngx_k8s_store_settle(k.store, 100) == NGX_AGAIN; n++) {
        /* void */
    }

    ok(taken(&k) == MANY - 100 && n < 2 * MANY / 100 + 2,
       "all that are left, in %u steps", (unsigned) n);

    k8s_put(&k, CLASS("c", "somebody.else"));
    (void) ngx_k8s_store_settle(k.store, 1000);
    ok(taken(&k) == MANY - 1100, "another controller's");
    k8s_put(&k, CLASS("c", "k8s.io/ingress-nginx"));
    (void) ngx_k8s_store_settle(k.store, MANY * 4);
    ok(taken(&k) == MANY - 100, "and back again before that was done");

    k8s_delete(&k, NGX_K8S_INGRESS_CLASS, "", "c");
    (void) ngx_k8s_store_settle(k.store, 1000);
    ngx_k8s_store_refused(k.store, NGX_K8S_INGRESS_CLASS, 1);
    ok(ngx_k8s_store_settle(k.store, 100) == NGX_AGAIN,
       "classes are refused, which is looked at in pieces too");
    (void) ngx_k8s_store_settle(k.store, MANY * 4);
    ok(taken(&k) == MANY - 100, "all without a class are taken");

    k8s_close(&k);
}


static void
ages(void)
{
    ngx_k8s_object_t  one, two;

    ngx_memzero(&one, sizeof(ngx_k8s_object_t));
    ngx_memzero(&two, sizeof(ngx_k8s_object_t));

    one.created = 5;
    two.created = 6;
    one.namespace = k8s_str("a");
    two.namespace = k8s_str("a-b");
    one.name = k8s_str("z");
    two.name = k8s_str("a");
    ok(ngx_k8s_age_cmp(&one, &two) < 0, "the older is the first");

    two.created = 5;
    ok(ngx_k8s_age_cmp(&one, &two) < 0 && ngx_k8s_age_cmp(&two, &one) > 0,
       "of one second: a/z before a-b/a");

    one.created = two.created = 0;
    ok(ngx_k8s_age_cmp(&one, &two) > 0, "manifests: a-b/a before a/z");

    one.origin = k8s_str("a.yaml");
    two.origin = k8s_str("b.yaml");
    ok(ngx_k8s_age_cmp(&one, &two) < 0, "manifests: by path");
}


static void
names(void)
{
    u_char      buf[NGX_K8S_HOST_NAME_MAX + 1];
    char        text[300];
    ngx_str_t   in, out;
    ngx_uint_t  i;

    static char  *good[] = { "A.Test", "a.test", "*.X.y", ".x.y", "a.test.",
                             "a.test", "", "", "10.host", "10.host",
                             "xn--bcher-kva.x", "xn--bcher-kva.x" };
    static char  *bad[] = { "*", "*.", "a..b", ".a", "a*.b", "a.*.b", "a b",
                            "a/b", "a:80", "[::1]", ".", "x.*" };

    for (i = 0; i < sizeof(good) / sizeof(char *); i += 2) {
        in = k8s_str(good[i]);
        ok(ngx_k8s_host_name(buf, &in, &out) == NGX_OK
           && out.len == strlen(good[i + 1])
           && memcmp(out.data, good[i + 1], out.len) == 0,
           "host \"%s\"", good[i]);
    }

    for (i = 0; i < sizeof(bad) / sizeof(char *); i++) {
        in = k8s_str(bad[i]);
        ok(ngx_k8s_host_name(buf, &in, &out) == NGX_DECLINED,
           "no host \"%s\"", bad[i]);
    }

    memset(text, 'a', sizeof(text));

    for (i = 60; i < sizeof(text); i += 60) {
        text[i] = '.';
    }

    in.data = (u_char *) text;
    in.len = 299;
    ok(ngx_k8s_host_name(buf, &in, &out) == NGX_DECLINED, "too long");
}


int
main(void)
{
    k8s_t  k;

    unit_init();

    k8s_conf(&k);
    k8s_open(&k);
    versions(&k);
    lists(&k);
    k8s_close(&k);

    k8s_conf(&k);
    k.events.want = want;
    k8s_open(&k);
    secrets(&k);
    status_alone(&k);
    equality(&k);
    k8s_close(&k);

    turns();
    ages();
    names();

    return done();
}
