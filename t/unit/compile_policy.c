
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Policy records: one for all that say the same, while a path leads to it, and
 * a host that one of its Ingresses closes.
 */


#include <ngx_k8s_compile_state.h>
#include "k8s.h"
#include <ngx_k8s_router.h>


#define INGRESS(name, host, annotations)                                      \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','annotations':{" annotations "}},"     \
    "'spec':{'rules':[{'host':'" host "','http':{'paths':[{'path':'/" name    \
    "','pathType':'Prefix','backend':{'service':{'name':'s','port':"          \
    "{'number':80}}}}]}}]}}"

#define OURS   "'nginx.ingress.kubernetes.io/"
#define SIZE   OURS "proxy-body-size':'8k'"
#define WIDE   OURS "ssl-prefer-server-ciphers':"
#define OTHER  OURS "proxy-body-size':'9k'"


static ngx_uint_t
policies(k8s_t *k)
{
    uint64_t    cursor;
    ngx_uint_t  n;

    cursor = 0;

    for (n = 0; ngx_k8s_table_next(k->table, NGX_K8S_INDEX_POLICY, &cursor);
         n++)
    {
        /* void */
    }

    return n;
}


#define SERVICE(namespace, name)                                              \
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'" namespace \
    "','name':'" name "'},'spec':{'ports':[{'port':80}]}}"

#define INGRESS_IN(namespace, host, annotations)                              \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'" namespace "','name':'i','annotations':{" annotations      \
    "}},'spec':{'rules':[{'host':'" host "','http':{'paths':[{'path':'/',"    \
    "'pathType':'Prefix','backend':{'service':{'name':'s','port':{"           \
    "'number':80}}}}]}}]}}"

#define NUMBER  300

#define ERRORS  OURS "custom-http-errors':'404'," OURS "default-backend':'err'"


/* Services to which policies refer, each time that one does */

static ngx_uint_t
referred(k8s_t *k)
{
    uint64_t               cursor;
    ngx_uint_t             i, n;
    ngx_k8s_policy_t      *rec;
    ngx_k8s_policy_ref_t  *ref;

    cursor = 0;
    n = 0;

    for ( ;; ) {
        rec = ngx_k8s_table_next(k->table, NGX_K8S_INDEX_POLICY, &cursor);

        if (rec == NULL) {
            return n;
        }

        ref = ngx_k8s_record_at(rec, rec->refs.offset);

        for (i = 0; i < rec->refs.n; i++) {
            n += (ref[i].index == NGX_K8S_INDEX_SERVICE
                  && ngx_k8s_slot_record_gen(k->table, NGX_K8S_INDEX_SERVICE,
                                             ref[i].ref.slot,
                                             ref[i].ref.generation)
                     != NULL);
        }
    }
}


static ngx_uint_t
services(k8s_t *k)
{
    uint64_t    cursor;
    ngx_uint_t  n;

    cursor = 0;

    for (n = 0;
         ngx_k8s_table_next(k->table, NGX_K8S_INDEX_SERVICE, &cursor);
         n++)
    {
        /* void */
    }

    return n;
}


static ngx_uint_t
closed(k8s_t *k, char *name)
{
    uint32_t         slot;
    ngx_str_t        host;
    ngx_k8s_host_t  *rec;

    host = k8s_str(name);
    rec = ngx_k8s_route_host(k->table, 0, NGX_K8S_CLASS_HTTP, &host, &slot);

    return rec && (rec->flags & NGX_K8S_HOST_CLOSED);
}


static ngx_uint_t  builds, limit;


/* nginx refuses sizes from "limit" on */

static ngx_int_t
build(void *data, ngx_uint_t base, ngx_str_t *values, ngx_str_t *error)
{
    ngx_int_t       size;
    ngx_k8s_row_t  *row;

    static ngx_str_t  name = ngx_string("proxy-body-size");

    builds++;

    row = ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION);
    size = ngx_atoi(values[row - ngx_k8s_rows].data,
                    values[row - ngx_k8s_rows].len);

    if (size < (ngx_int_t) limit) {
        return NGX_OK;
    }

    error->len = ngx_sprintf(error->data, "%i is too much", size)
                 - error->data;

    return NGX_DECLINED;
}


/* the most of one piece */

static ngx_uint_t
built(k8s_t *k)
{
    ngx_int_t   rc;
    ngx_uint_t  most;

    most = 0;

    ngx_k8s_compile_synced(k->compile);

    do {
        builds = 0;
        rc = ngx_k8s_compile_run(k->compile, 0);
        most = ngx_max(most, builds);
        ngx_k8s_writer_publish(k->writer);
    } while (rc == NGX_AGAIN);

    return most;
}


static void
keys(k8s_t *k, char *data)
{
    char  buf[2048];

    ngx_current_msec += 1000;

    sprintf(buf, "{'apiVersion':'v1','kind':'ConfigMap','metadata':{"
            "'namespace':'d','name':'own'},'data':{%s}}", data);
    k8s_put(k, buf);
}


static void
config(k8s_t *k, char *size)
{
    char  buf[64];

    sprintf(buf, "'proxy-read-timeout':'%s'", size);
    keys(k, buf);
}


/* each of a host has a policy of its own, of some values of which one is
   refused: they are built in pieces */

static void
test_builds(void)
{
    k8s_t       k;
    char        buf[4096];
    ngx_uint_t  i, n;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.conf.build = build;
    k8s_open(&k);

    limit = 100;

    config(&k, "5");

    for (i = 0; i < NUMBER; i++) {
        sprintf(buf, INGRESS("%u", "h.test", OURS "use-regex':'true'," OURS
                             "proxy-body-size':'%u'," OURS
                             "proxy-read-timeout':'%u'," OURS
                             "proxy-send-timeout':'%u'," OURS
                             "proxy-connect-timeout':'%u'," OURS
                             "client-body-buffer-size':'%u'," OURS
                             "proxy-buffer-size':'%u'," OURS
                             "proxy-next-upstream-tries':'%u'," OURS
                             "proxy-next-upstream-timeout':'%u'"),
                (unsigned) i, (unsigned) (i & 1) * 100 + 1, (unsigned) i + 1,
                (unsigned) i + 1, (unsigned) i + 1, (unsigned) i + 1,
                (unsigned) i + 1, (unsigned) i + 1, (unsigned) i + 1,
                (unsigned) i);
        k8s_put(&k, buf);
    }

    n = built(&k);
    ok(n <= NGX_K8S_BUILDS, "%u builds in one piece", (unsigned) n);
    ok(policies(&k) == NUMBER + 1, "%u policies", (unsigned) policies(&k));
    ok(k8s_has(&k, "101 is too much"), "one value of some is refused");
    ok(!k8s_has(&k, "NoRoom") && !k8s_has(&k, "TableFull"), "all have room");

    config(&k, "6");
    n = built(&k);
    ok(n && n <= NGX_K8S_BUILDS, "%u over other keys", (unsigned) n);
    ok(k8s_has(&k, "101 is too much"), "it is still refused");

    /* the base changes while the values of one are tried */

    config(&k, "7");

    for (i = 0; i < 8; i++) {
        (void) ngx_k8s_compile_run(k.compile, 0);
    }

    limit = 200;
    config(&k, "8");
    (void) built(&k);
    ok(!k8s_has(&k, "is too much"), "nothing is refused any more");

    limit = 1;
    config(&k, "9");
    (void) built(&k);
    ok(k8s_has(&k, "101 is too much") && k8s_has(&k, "\"1\""),
       "all are refused");

    for (i = 0; i < NUMBER; i++) {
        sprintf(buf, "%u", (unsigned) i);
        k8s_delete(&k, NGX_K8S_INGRESS, "d", buf);
    }

    (void) built(&k);
    ok(policies(&k) == 1 && !k8s_has(&k, "host "), "nothing is left");

    k8s_close(&k);
}


#define KEYS(size, n)                                                         \
    "'client-body-buffer-size':'" n "','proxy-body-size':'" size "'," TIMES(n)

#define TIMES(n)                                                              \
    "'proxy-buffer-size':'" n "','proxy-buffers-number':'" n "',"             \
    "'proxy-connect-timeout':'" n "','proxy-read-timeout':'" n "',"           \
    "'proxy-send-timeout':'" n "','proxy-next-upstream-tries':'" n "',"       \
    "'proxy-next-upstream-timeout':'" n "','upstream-keepalive-requests':'"   \
    n "','client-body-timeout':'" n "','client-header-timeout':'" n "'"


/* the keys themselves, of which one is refused */

static void
test_keys(void)
{
    k8s_t       k;
    ngx_uint_t  n;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.conf.build = build;
    k8s_open(&k);

    limit = 100;

    k8s_put(&k, INGRESS("a", "a.test", SIZE));
    keys(&k, KEYS("200", "9"));
    n = built(&k);
    ok(n && n <= NGX_K8S_BUILDS, "%u builds of keys in one piece",
       (unsigned) n);
    ok(k8s_has(&k, "200 is too much"), "one of them is refused");

    /* others come while they are tried */

    keys(&k, KEYS("300", "10"));
    (void) ngx_k8s_compile_run(k.compile, 0);
    ok(k.compile->keys.next && !k.compile->keys.next->built, "half of them");
    keys(&k, KEYS("50", "11"));
    n = built(&k);
    ok(n && n <= NGX_K8S_BUILDS && k.compile->keys.next == NULL,
       "others instead, %u in a piece", (unsigned) n);
    ok(!k8s_has(&k, "is too much"), "none is refused");

    k8s_close(&k);
}


/* each location of a server-snippet is built, too */

static void
test_places(void)
{
    char        buf[4096];
    k8s_t       k;
    ngx_uint_t  i, n;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.conf.build = build;
    k8s_open(&k);

    limit = 100;

    keys(&k, "'allow-snippet-annotations':'true',"
             "'annotations-risk-level':'Critical'");

    for (i = 0; i < 20; i++) {
        sprintf(buf, INGRESS("%u", "h.test", OURS "server-snippet':'"
                             "location /a {} location /b {} location /c {} "
                             "set $a %u;'"),
                (unsigned) i, (unsigned) i, (unsigned) i);
        k8s_put(&k, buf);
    }

    n = built(&k);
    ok(n && n <= NGX_K8S_BUILDS / 4, "%u servers built in one piece",
       (unsigned) n);
    ok(policies(&k) == 21, "%u policies", (unsigned) policies(&k));

    k8s_close(&k);
}


/* a value that a host has once is that of the oldest object; a row that is not
   served yet stands for those that will be */

static void
once(void)
{
    k8s_t           k;
    ngx_str_t       name;
    ngx_k8s_row_t  *row;

    ngx_str_set(&name, "ssl-prefer-server-ciphers");
    row = ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION);
    row->flags &= ~NGX_K8S_ROW_LATER;

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, INGRESS("b", "a.test", WIDE "'true'"));
    k8s_put(&k, INGRESS("d", "a.test", ""));
    ok(!k8s_has(&k, "holds, which"), "one alone");

    k8s_put(&k, INGRESS("c", "a.test", WIDE "'false'"));
    ok(k8s_has(&k, "of host \"a.test\" \"true\" holds, which Ingress d/b "
                   "says: it is older"), "a younger one says something else");

    k8s_put(&k, INGRESS("a", "a.test", WIDE "'false'"));
    ok(!k8s_has(&k, "which Ingress d/b says")
       && k8s_has(&k, "\"false\" holds, which Ingress d/a says"),
       "an older one comes");

    k8s_put(&k, INGRESS("a", "a.test", WIDE "'true'"));
    ok(k8s_has(&k, "\"true\" holds, which Ingress d/a says"),
       "it says something else");

    k8s_put(&k, INGRESS("c", "b.test", WIDE "'false'"));
    ok(!k8s_has(&k, "holds, which"), "of another host");

    k8s_put(&k, INGRESS("c", "a.test", WIDE "'false'"));
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "a");
    ok(k8s_has(&k, "\"true\" holds, which Ingress d/b says"), "it goes");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "b");
    ok(!k8s_has(&k, "holds, which"), "and the next");

    k8s_close(&k);

    row->flags |= NGX_K8S_ROW_LATER;
}


int
main(void)
{
    char       *p;
    k8s_t       k;
    ngx_uint_t  n;

    static char  text[65536];

    unit_init();

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, INGRESS("a", "a.test", ""));
    k8s_run(&k);
    ok(policies(&k) == 0, "nothing is said");

    k8s_put(&k, INGRESS("a", "a.test", SIZE));
    k8s_put(&k, INGRESS("b", "b.test", SIZE));
    k8s_put(&k, INGRESS("c", "a.test", SIZE));
    k8s_run(&k);
    ok(policies(&k) == 1, "three say the same");

    k8s_put(&k, INGRESS("a", "a.test", OTHER));
    k8s_run(&k);
    ok(policies(&k) == 2, "one of them something else");

    /* the records of a predecessor are known again, others are removed */

    k8s_end(&k);
    k8s_open(&k);
    k8s_put(&k, INGRESS("a", "a.test", OTHER));
    k8s_put(&k, INGRESS("b", "b.test", ""));
    k8s_run(&k);
    ok(policies(&k) == 1, "a successor removes what nothing says");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "a");
    k8s_run(&k);
    ok(policies(&k) == 0, "it goes with the last one");

    /* certificates of clients */

    k8s_put(&k, INGRESS("a", "a.test", OURS "auth-tls-secret':'d/x/y'"));
    k8s_put(&k, INGRESS("c", "a.test", ""));
    k8s_run(&k);
    ok(closed(&k, "a.test") && !closed(&k, "b.test"), "the host is closed");

    k8s_put(&k, INGRESS("c", "a.test", OURS "auth-tls-secret':'d/x/y'"));
    k8s_put(&k, INGRESS("a", "a.test", ""));
    k8s_run(&k);
    ok(closed(&k, "a.test"), "by another one");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "c");
    k8s_run(&k);
    ok(!closed(&k, "a.test"), "and open without it");

    /* error backends */

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "a");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "b");
    k8s_run(&k);
    ok(policies(&k) == 0 && services(&k) == 0, "nothing is left");

    k8s_put(&k, SERVICE("d", "err"));
    k8s_put(&k, INGRESS_IN("d", "d.test", ERRORS));
    k8s_put(&k, INGRESS_IN("e", "e.test", ERRORS));
    k8s_run(&k);
    ok(policies(&k) == 2, "a Service is one of the namespace");
    ok(referred(&k) == 2 && services(&k) == 4, "one that is not there as well");
    ok(k8s_has(&k, "Service d/err has no endpoint:")
       && !k8s_has(&k, "port \"\""), "no port was named");

    k8s_end(&k);
    k.conf.default_backend = k8s_str("d/all:80");
    k8s_open(&k);
    k8s_put(&k, INGRESS_IN("d", "d.test", ERRORS));
    k8s_put(&k, INGRESS("a", "a.test", OURS "default-backend':'err'"));
    k8s_run(&k);
    ok(policies(&k) == 2 && referred(&k) == 3,
       "the default backend is for error pages alone");

    k8s_put(&k, INGRESS_IN("d", "d.test", SIZE));
    k8s_run(&k);
    ok(policies(&k) == 2 && referred(&k) == 1, "as long as they are asked for");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "a");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "i");
    k8s_run(&k);
    ok(policies(&k) == 0 && services(&k) == 1, "the Services go with them");

    /* a Service of very many endpoints is not made at once */

    p = text + sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
                       "'EndpointSlice','metadata':{'namespace':'d','name':"
                       "'big','labels':{'kubernetes.io/service-name':'big'}},"
                       "'addressType':'IPv4','ports':[{'port':3000}],"
                       "'endpoints':[");

    for (n = 0; n < 1000; n++) {
        p += sprintf(p, "%s{'addresses':['10.0.%u.%u']}", n ? "," : "",
                     (unsigned) n / 250, 1 + (unsigned) n % 250);
    }

    sprintf(p, "]}");

    n = policies(&k);

    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
                "'d','name':'big'},'spec':{'ports':[{'port':80,'targetPort':"
                "3000}]}}");
    k8s_put(&k, text);
    k8s_put(&k, INGRESS("z", "z.test", OURS "default-backend':'big'"));
    k8s_run(&k);
    ok(policies(&k) == n + 1, "error pages of a large Service");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "z");
    k8s_run(&k);
    ok(policies(&k) == n, "and without them");

    k8s_close(&k);

    test_builds();
    test_keys();
    test_places();

    once();

    return done();
}
