
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
    char   text[512], name[16];
    int    i;
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

    for (i = 0; i < 63; i++) {
        sprintf(text, SLICE("a-x%d", "'x':'y'", "IPv4", "http",
                            ENDPOINT("10.0.0.1", "true")), i);
        k8s_put(&k, text);
    }

    said(&k, ": many EndpointSlices of its name have no label "
         "kubernetes.io/service-name", "Give the EndpointSlice the label",
         "of many none is named");

    for (i = 0; i < 63; i++) {
        sprintf(name, "a-x%d", i);
        k8s_delete(&k, NGX_K8S_ENDPOINT_SLICE, "d", name);
    }

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
         "Service's port has, \"http\", but \"other\"",
         "Give the port of the EndpointSlice", "a port of another name");

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


/* the route asks for port 80 */

static void
ports(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, INGRESS);
    k8s_put(&k, SERVICE("'ports':[{'name':'http','port':8080},{'name':'dns',"
                        "'port':53,'protocol':'UDP'},{'port':9090}]"));
    ok(k8s_has(&k, "Service d/a has no TCP port \"80\"; it has 8080 \"http\", "
               "9090\n"), "the ports that there are");

    k8s_put(&k, SERVICE("'ports':[{'port':53,'protocol':'UDP'}]"));
    ok(k8s_has(&k, "Service d/a has no TCP port \"80\"\n"), "there are none");

    k8s_close(&k);
}


/* what is valid, and seldom meant */

#define ING(annotations, spec)                                                \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'one','annotations':{" annotations "}},'spec':{"  \
    spec "}}"

#define HTTP(path, type)                                                      \
    "'http':{'paths':[{'path':'" path "','pathType':'" type "','backend':{"   \
    "'service':{'name':'a','port':{'number':80}}}}]}"

static void
meant(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, ING("", "'rules':[{'host':'a.test'},{" HTTP("/", "Prefix")
                    "}]"));
    ok(k8s_has(&k, "field \"spec.rules[1]\" host \"a.test\": the rule before "
               "has host \"a.test\" and no paths"), "a rule that is split");

    k8s_put(&k, ING("", "'rules':[{" HTTP("/", "Prefix") "},{'host':'a.test'}]")
            );
    ok(!k8s_has(&k, "the rule before"), "in the other order it is none");

    k8s_put(&k, ING("", "'defaultBackend':{'service':{'name':'a','port':{"
                    "'number':80}}},'rules':[{'host':'a.test'},{"
                    HTTP("/", "Prefix") "}]"));
    ok(!k8s_has(&k, "the rule before"), "nor with a default backend");

    k8s_put(&k, ING("", "'tls':[{'hosts':['a.test']},{'secretName':'s'}],"
                    "'rules':[{'host':'a.test'," HTTP("/", "Prefix") "}]"));
    ok(k8s_has(&k, "field \"spec.tls[1]\" host \"\": the entry before has "
               "hosts and no secretName"), "a tls entry that is split");

    k8s_put(&k, ING("", "'tls':[{'hosts':['a.test'],'secretName':'s'},{"
                    "'secretName':'t'}],'rules':[{'host':'a.test',"
                    HTTP("/", "Prefix") "}]"));
    ok(!k8s_has(&k, "the entry before"), "two tls entries");

#define path(annotations, path, type, literal, name)                          \
    k8s_put(&k, ING(annotations, "'rules':[{'host':'a.test',"                 \
                    HTTP(path, type) "}]"));                                  \
    ok(k8s_has(&k, "it is no pattern") == literal, name)

    path("", "/foo/*", "ImplementationSpecific", 1, "a star");
    path("", "/*", "Prefix", 1, "a star at the root");
    path("", "/foo(/|$)(.*)", "ImplementationSpecific", 1, "an expression");
    path("", "/foo/.+", "Prefix", 1, "another");
    path("", "/foo$", "Exact", 1, "one that ends");
    path("", "/v1.0/a+b/c*d/$metadata/x", "Prefix", 0, "characters of a path");
    path("'nginx.ingress.kubernetes.io/use-regex':'true'", "/foo(/|$)(.*)",
         "ImplementationSpecific", 0, "with use-regex");
    path("'nginx.ingress.kubernetes.io/use-regex':'false'", "/foo(/|$)(.*)",
         "ImplementationSpecific", 1, "without it");
    path("'nginx.ingress.kubernetes.io/rewrite-target':'/$2'", "/foo(/|$)(.*)",
         "ImplementationSpecific", 0, "with rewrite-target");

    path("", "/foo(/|$)(.*)", "ImplementationSpecific", 1, "alone");
    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'d','name':'two','annotations':{"
                "'nginx.ingress.kubernetes.io/use-regex':'true'}},'spec':{"
                "'rules':[{'host':'a.test'," HTTP("/b", "Prefix") "}]}}");
    ok(!k8s_has(&k, "it is no pattern"), "use-regex of another one");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "two");
    ok(k8s_has(&k, "it is no pattern"), "which goes");

    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    slices();
    manifests();
    ports();
    meant();

    return done();
}
