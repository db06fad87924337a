
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
    k8s_t  k;

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

    k8s_close(&k);

    return done();
}
