
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Policy records: one for all that say the same, while a path leads to it, and
 * a host that one of its Ingresses closes.
 */


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

    k8s_put(&k, INGRESS("a", "a.test", OURS "auth-tls-secret':'d/x'"));
    k8s_put(&k, INGRESS("c", "a.test", ""));
    k8s_run(&k);
    ok(closed(&k, "a.test") && !closed(&k, "b.test"), "the host is closed");

    k8s_put(&k, INGRESS("c", "a.test", OURS "auth-tls-secret':'d/x'"));
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

    return done();
}
