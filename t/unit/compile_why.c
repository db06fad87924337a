
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include "k8s.h"


#define SERVICE(spec)                                                         \
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d',"        \
    "'name':'a'},'spec':{" spec "}}"

#define NAMED  "'ports':[{'name':'http','port':80,'targetPort':'web'}]"

#define SLICE(name, labels, type, port, endpoints)                            \
    "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{" \
    "'namespace':'d','name':'" name "','labels':{" labels "}},"               \
    "'addressType':'" type "','ports':[{'name':'" port "','port':3000}],"     \
    "'endpoints':[" endpoints "]}"

#define OF  "'kubernetes.io/service-name':'a'"

#define ENDPOINT(address, ready)                                              \
    "{'addresses':['" address "'],'conditions':{'ready':" ready "}}"

#define INGRESS                                                               \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'one'},'spec':{'rules':[{'host':'a.test','http':" \
    "{'paths':[{'path':'/','pathType':'Prefix','backend':{'service':{'name':" \
    "'a','port':{'number':80}}}}]}}]}}"


static void
said(k8s_t *k, const char *text, const char *remedy, const char *name)
{
    char  buf[1024];

    (void) snprintf(buf, sizeof(buf), "Service d/a has no endpoint for port "
                    "\"80\"%s\n    remedy: %s", text, remedy);

    ok(k8s_has(k, buf), name);
}


static void
slices(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, INGRESS);
    k8s_put(&k, SERVICE(NAMED));
    said(&k, ": it has no EndpointSlice", "Check the Service's selector.  A "
         "Service without one", "no slice");

    k8s_put(&k, SLICE("a-2", "'x':'y'", "IPv4", "http",
                      ENDPOINT("10.0.0.1", "true")));
    k8s_put(&k, SLICE("b-1", "'x':'y'", "IPv4", "http",
                      ENDPOINT("10.0.0.1", "true")));
    said(&k, ": EndpointSlice \"a-2\" has no label kubernetes.io/service-name",
         "Give the EndpointSlice the label", "a slice without the label");

    k8s_put(&k, SLICE("a", "'x':'y'", "IPv4", "http",
                      ENDPOINT("10.0.0.1", "true")));
    said(&k, ": EndpointSlice \"a\" has no label kubernetes.io/service-name",
         "Give the EndpointSlice the label", "the first by name is named");

    k8s_delete(&k, NGX_K8S_ENDPOINT_SLICE, "d", "a");
    k8s_delete(&k, NGX_K8S_ENDPOINT_SLICE, "d", "a-2");
    said(&k, ": it has no EndpointSlice", "Check the Service's selector.  A "
         "Service without one", "none again");

    k8s_put(&k, SLICE("a-1", OF, "IPv4", "http", ""));
    said(&k, ": its EndpointSlices are empty", "Check the Service's selector: "
         "no Pod", "no Pods");

    k8s_put(&k, SLICE("a-2", OF, "FQDN", "http",
                      ENDPOINT("a.example.com", "true")));
    said(&k, ": its EndpointSlices are of addressType FQDN, which is not used",
         "Write addresses", "names instead of addresses");

    k8s_put(&k, SLICE("a-3", OF, "IPv4", "other",
                      ENDPOINT("10.0.0.1", "true")));
    said(&k, ": its EndpointSlices have no TCP port with the name that the "
         "Service's port has", "Give the port of the EndpointSlice",
         "a port of another name");

    k8s_put(&k, SLICE("a-4", OF, "IPv4", "http",
                      ENDPOINT("10.0.0.1", "false")));
    said(&k, ": its endpoints are not ready", "Check why the Pods",
         "endpoints that are not ready");

    k8s_put(&k, SLICE("a-5", OF, "IPv4", "http",
                      ENDPOINT("127.0.0.1", "true")));
    said(&k, ": none of its addresses can be used", "Use an address of a Pod",
         "addresses that are refused");

    k8s_put(&k, SLICE("a-4", OF, "IPv4", "http",
                      ENDPOINT("10.0.0.1", "true")));
    k8s_delete(&k, NGX_K8S_ENDPOINT_SLICE, "d", "a-5");
    ok(!k8s_has(&k, "problem"), "and one that is ready");

    k8s_close(&k);
}


/* of a folder, which has no Pods */

static void
manifests(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k.conf.loopback = 1;
    k8s_open(&k);

    k8s_put(&k, INGRESS);
    k8s_put(&k, SERVICE(NAMED));
    said(&k, ": it has no clusterIP, externalName or EndpointSlice",
         "Give it one of these", "nothing that names an address");

    k8s_put(&k, SLICE("a-1", "'x':'y'", "IPv4", "http",
                      ENDPOINT("10.0.0.1", "true")));
    said(&k, ": EndpointSlice \"a-1\" has no label kubernetes.io/service-name",
         "Give the EndpointSlice the label", "a slice without the label");

    k8s_put(&k, SERVICE(NAMED ",'clusterIP':'127.0.0.1'"));
    ok(!k8s_has(&k, "problem"), "with an address");

    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    slices();
    manifests();

    return done();
}
