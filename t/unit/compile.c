
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include "k8s.h"
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_router.h>


#define SERVICE(name)                                                         \
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d',"        \
    "'name':'" name "'},'spec':{'ports':[{'name':'http','port':80,"           \
    "'targetPort':3000}]}}"

#define SLICE(name, svc, address)                                             \
    "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{" \
    "'namespace':'d','name':'" name "','labels':{"                            \
    "'kubernetes.io/service-name':'" svc "'}},'addressType':'IPv4',"          \
    "'ports':[{'name':'http','port':3000,'protocol':'TCP'}],'endpoints':["    \
    "{'addresses':['" address "'],'conditions':{'ready':true}}]}"

#define INGRESS(name, time, spec)                                             \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','creationTimestamp':"                  \
    "'2026-01-01T00:00:" time "Z'},'spec':{" spec "}}"

#define PATH(type, path, svc)                                                 \
    "{'path':'" path "','pathType':'" type "','backend':{'service':{'name':'" \
    svc "','port':{'number':80}}}}"

#define RULE(host, paths)                                                     \
    "{'host':'" host "','http':{'paths':[" paths "]}}"


static u_char  answer[256];


static ngx_uint_t
to_https(ngx_k8s_route_t *r)
{
    return r->action->kind != NGX_K8S_ACTION_ADD_SLASH
           && (r->host->flags & NGX_K8S_HOST_TLS);
}


/* what the router does with a request: "svc", "404", "301", "none" */

static char *
route(k8s_t *k, char *host, char *path)
{
    ngx_str_t               name;
    ngx_k8s_route_t         r;
    ngx_k8s_route_key_t     key;
    ngx_k8s_service_rec_t  *svc;
    ngx_k8s_backend_rec_t  *backend;

    static uint32_t  set;

    ngx_memzero(&key, sizeof(ngx_k8s_route_key_t));
    key.sets = &set;
    key.nsets = 1;
    key.host = k8s_str(host);
    key.path = k8s_str(path);
    key.method = k8s_str("GET");

    if (ngx_k8s_route(k->table, &key, &r) != NGX_OK) {
        return "none";
    }

    switch (r.action->kind) {

    case NGX_K8S_ACTION_BACKENDS:
        backend = (ngx_k8s_backend_rec_t *)
                      ngx_k8s_record_at(r.record, r.record->backends.offset)
                  + r.action->backend;

        svc = ngx_k8s_slot_record_gen(k->table, NGX_K8S_INDEX_SERVICE,
                                      backend->service, backend->generation);
        if (svc == NULL) {
            return "gone";
        }

        ngx_k8s_record_str(svc, &svc->name, &name);

        *ngx_sprintf(answer, "%V%s%s", &name,
                     svc->usable ? "" : "!",
                     to_https(&r) ? "+s" : "")
            = '\0';

        return (char *) answer;

    case NGX_K8S_ACTION_STATUS:
        *ngx_sprintf(answer, "%ui%s", (ngx_uint_t) r.action->status,
                     to_https(&r) ? "+s" : "")
            = '\0';

        return (char *) answer;

    case NGX_K8S_ACTION_ADD_SLASH:
        return to_https(&r) ? "301+s" : "301";

    default:
        return "other";
    }
}


#define goes(k, host, path, to)                                               \
    ok(strcmp(route(k, host, path), to) == 0, "%s%s goes to %s, is %s", host, \
       path, to, route(k, host, path))


static void
services(k8s_t *k)
{
    k8s_put(k, SERVICE("a"));
    k8s_put(k, SERVICE("b"));
    k8s_put(k, SERVICE("c"));
    k8s_put(k, SLICE("a1", "a", "10.0.0.1"));
    k8s_put(k, SLICE("b1", "b", "10.0.0.2"));
    k8s_put(k, SLICE("c1", "c", "10.0.0.3"));
}


static void
paths(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);
    services(&k);

    k8s_put(&k, INGRESS("one", "01", "'rules':["
        RULE("h.test",
             PATH("Prefix", "/", "a") "," PATH("Exact", "/x", "b") ","
             PATH("Prefix", "/x", "c") "," PATH("Prefix", "/foo/", "b") ","
             PATH("Exact", "/z/", "c") "," PATH("Exact", "/y", "a") ","
             PATH("Prefix", "/y/", "b") "," PATH("Prefix", "/x/y/z", "b"))
        "]"));

    printf("%s", k8s_dump(&k));

    goes(&k, "h.test", "/", "a");
    goes(&k, "h.test", "/other", "a");
    goes(&k, "h.test", "/x", "b");
    goes(&k, "h.test", "/x/", "c");
    goes(&k, "h.test", "/x/y", "c");
    goes(&k, "h.test", "/xy", "a");
    goes(&k, "h.test", "/x/y/z/1", "b");
    goes(&k, "h.test", "/foo", "301");
    goes(&k, "h.test", "/foo/", "b");
    goes(&k, "h.test", "/foo/x", "b");
    goes(&k, "h.test", "/foobar", "a");
    goes(&k, "h.test", "/z", "301");
    goes(&k, "h.test", "/z/", "c");
    goes(&k, "h.test", "/z/1", "a");
    goes(&k, "h.test", "/y", "a");
    goes(&k, "h.test", "/y/", "b");
    goes(&k, "other.test", "/", "none");

    k8s_close(&k);
}


static void
conflicts(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);
    services(&k);

    k8s_put(&k, INGRESS("young", "02", "'rules':["
        RULE("h.test", PATH("Prefix", "/x", "b") ","
             PATH("Exact", "/x", "c") "," PATH("Prefix", "/young", "b")) "]"));
    k8s_put(&k, INGRESS("old", "01", "'rules':["
        RULE("h.test", PATH("ImplementationSpecific", "/x", "a")) "]"));

    ok(k8s_has(&k, "is that of spec.rules[0].http.paths[0] of Ingress d/old, "
                   "which is older"), "the younger has a problem");
    goes(&k, "h.test", "/x/1", "a");
    goes(&k, "h.test", "/x", "c");
    goes(&k, "h.test", "/young", "b");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "old");

    ok(!k8s_has(&k, "problem"), "the problem ends with its cause");
    goes(&k, "h.test", "/x/1", "b");

    /* of the same second: the greater name is the first */

    k8s_put(&k, INGRESS("zz", "02", "'rules':["
        RULE("h.test", PATH("Prefix", "/x", "c")) "]"));
    (void) k8s_dump(&k);
    goes(&k, "h.test", "/x/1", "c");

    k8s_put(&k, INGRESS("bad", "03", "'rules':["
        RULE("h.test", PATH("Prefix", "rel", "a") "," PATH("Exact", "/a//b",
             "a") "," PATH("Prefix", "/a/../b", "a") ","
             "{'path':'/res','pathType':'Prefix','backend':{'resource':"
             "{'kind':'Bucket','name':'b'}}}," PATH("Prefix", "/good", "a"))
        "," RULE("bad..host", PATH("Prefix", "/", "a")) "]"));

    ok(k8s_has(&k, "does not begin with a slash"), "relative path");
    ok(k8s_has(&k, "holds \"//\""), "double slash");
    ok(k8s_has(&k, "\"..\""), "dots");
    ok(k8s_has(&k, "names no Service"), "resource backend");
    ok(k8s_has(&k, "\"bad..host\" is not a host name"), "host");
    goes(&k, "h.test", "/good", "a");
    goes(&k, "h.test", "/res", "503");

    k8s_close(&k);
}


#define CLOSED(path, member)                                                  \
    "{'path':'" path "','pathType':'Prefix'," member "}"

#define BACKEND(port)                                                         \
    "'backend':{'service':{'name':'m','port':" port "}}"


/* what cannot be read goes nowhere: not to the first port, not to "/" */

static void
closed(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);
    services(&k);

    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
        "'d','name':'m'},'spec':{'ports':[{'name':'admin','port':9000,"
        "'targetPort':28104},{'name':'http','port':80,'targetPort':3000},"
        "{'name':'odd','port':81,'protocol':'HTTP'},{'name':'none'},"
        "{'name':7,'port':82},{'name':'t','port':83,'targetPort':true},"
        "{'name':'slice','port':84,'targetPort':3000},{'name':'late',"
        "'port':85,'targetPort':81}]}}");
    k8s_put(&k, "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice',"
        "'metadata':{'namespace':'d','name':'m1','labels':{"
        "'kubernetes.io/service-name':'m'}},'addressType':'IPv4','ports':["
        "{'name':'admin','port':28104},{'name':'http','port':3000},{'name':"
        "'slice','port':'3000'}],'endpoints':[{'addresses':['10.1.0.1']}]}");

    k8s_put(&k, INGRESS("one", "01", "'rules':["
        RULE("h.test", PATH("Prefix", "/", "a") ","
             CLOSED("/good", BACKEND("{'number':80}")) ","
             CLOSED("/text", BACKEND("{'number':'80'}")) ","
             CLOSED("/word", BACKEND("{'number':'http'}")) ","
             CLOSED("/name", BACKEND("{'name':80}")) ","
             CLOSED("/both", BACKEND("{'name':'http','number':80}")) ","
             CLOSED("/plain", BACKEND("80")) ","
             CLOSED("/empty", BACKEND("{}")) ","
             CLOSED("/port", "'backend':{'service':{'name':'m'}}") ","
             CLOSED("/svc", "'backend':{'service':{'name':5,'port':"
                    "{'number':80}}}") ","
             CLOSED("/old", "'backend':{'serviceName':'m'}") ","
             CLOSED("/list", "'backend':[]") ","
             CLOSED("/none", "'x':1")) ","
        RULE("t.test", PATH("Prefix", "/", "a") "," PATH("exact", "/x", "b")
             ",{'path':'/y'," BACKEND("{'number':80}") "}") ","
        RULE("p.test", PATH("Prefix", "/a", "a") ",{'path':7,'pathType':"
             "'Prefix'," BACKEND("{'number':80}") "}") ","
        RULE("q.test", "{'path':7,'pathType':'Prefix',"
             BACKEND("{'number':80}") "},null," PATH("Prefix", "/", "a")) ","
        RULE("s.test", CLOSED("/81", BACKEND("{'number':81}")) ","
             CLOSED("/none", BACKEND("{'name':'none'}")) ","
             CLOSED("/82", BACKEND("{'number':82}")) ","
             CLOSED("/83", BACKEND("{'number':83}")) ","
             CLOSED("/84", BACKEND("{'number':84}"))) ","
        "{'host':'l.test','http':[]},{'host':'m.test','http':{'paths':'/'}},"
        "{'host':'n.test','http':{}}]"));
    (void) k8s_dump(&k);

    goes(&k, "h.test", "/", "a");
    goes(&k, "h.test", "/good", "m");
    goes(&k, "h.test", "/text/x", "503");
    goes(&k, "h.test", "/word", "503");
    goes(&k, "h.test", "/name", "503");
    goes(&k, "h.test", "/both", "503");
    goes(&k, "h.test", "/plain", "503");
    goes(&k, "h.test", "/empty", "503");
    goes(&k, "h.test", "/port", "503");
    goes(&k, "h.test", "/svc", "503");
    goes(&k, "h.test", "/old", "503");
    goes(&k, "h.test", "/list", "503");
    goes(&k, "h.test", "/none", "503");
    goes(&k, "t.test", "/x/y", "503");
    goes(&k, "t.test", "/y", "503");
    goes(&k, "t.test", "/", "a");
    goes(&k, "p.test", "/a", "a");
    goes(&k, "p.test", "/7", "503");
    goes(&k, "q.test", "/7", "a");
    goes(&k, "s.test", "/81", "m!");
    goes(&k, "s.test", "/none", "m!");
    goes(&k, "s.test", "/82", "m!");
    goes(&k, "s.test", "/83", "m!");
    goes(&k, "s.test", "/84", "m!");
    goes(&k, "l.test", "/", "503");
    goes(&k, "m.test", "/", "503");
    goes(&k, "n.test", "/", "503");

    ok(k8s_has(&k, "spec.rules[0].http.paths[2].backend.service.port.number"),
       "the field is named");
    ok(k8s_has(&k, "spec.ports[2].protocol"), "and that of a Service");

    k8s_close(&k);

    /* a rule without a host that can be read is no rule of all hosts, and an
       Ingress with nothing else no default of them */

    k8s_conf(&k);
    k8s_open(&k);
    services(&k);

    k8s_put(&k, INGRESS("one", "01", "'rules':[{'host':5,'http':{'paths':["
        PATH("Prefix", "/", "a") "]}}]"));
    k8s_put(&k, INGRESS("two", "02", "'rules':[null],'defaultBackend':"
        "{'service':{'name':'a','port':{'number':80}}}"));
    k8s_put(&k, INGRESS("three", "03", "'rules':{},'defaultBackend':"
        "{'service':{'name':'a','port':{'number':80}}}"));
    k8s_put(&k, INGRESS("four", "04", "'ingressClassName':['nginx'],'rules':["
        RULE("h.test", PATH("Prefix", "/", "a")) "]"));
    ok(k8s_has(&k, "spec.ingressClassName"), "a class that is no string");
    goes(&k, "nobody.test", "/", "none");
    goes(&k, "h.test", "/", "none");

    k8s_put(&k, INGRESS("five", "05", "'defaultBackend':'web','rules':["
        RULE("f.test", PATH("Prefix", "/x", "a")) "]"));
    k8s_put(&k, INGRESS("six", "06", "'defaultBackend':{'service':{'name':"
        "'a','port':80}}"));
    (void) k8s_dump(&k);
    goes(&k, "f.test", "/", "503");
    goes(&k, "f.test", "/x", "a");
    goes(&k, "nobody.test", "/", "503");

    k8s_close(&k);
}


#define CLASS(name, controller, dflt)                                         \
    "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass','metadata':{" \
    "'name':'" name "','annotations':{"                                       \
    "'ingressclass.kubernetes.io/is-default-class':'" dflt "'}},'spec':{"     \
    "'controller':'" controller "'}}"

#define ANNOTATED(name, class)                                                \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','annotations':{"                       \
    "'kubernetes.io/ingress.class':" class "}},'spec':{'rules':["             \
    RULE("h.test", PATH("Prefix", "/" name, "a")) "]}}"

#define CLASSED(name, class)                                                  \
    INGRESS(name, "01", class "'rules':["                                     \
        RULE("h.test", PATH("Prefix", "/" name, "a")) "]")


/* what is served by nobody is said; what another controller serves is not */

static void
unclassed(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k.class.without_class = 0;
    k8s_open(&k);
    services(&k);

    k8s_put(&k, CLASS("nginx", "k8s.io/ingress-nginx", "false"));
    k8s_put(&k, CLASS("second", "k8s.io/ingress-nginx", "false"));
    k8s_put(&k, CLASS("kong", "konghq.com/kong", "true"));

    k8s_put(&k, CLASSED("none", ""));
    k8s_put(&k, CLASSED("kong", "'ingressClassName':'kong',"));
    k8s_put(&k, ANNOTATED("annk", "'kong'"));
    k8s_put(&k, ANNOTATED("gce", "'gce'"));
    ok(!k8s_has(&k, "problem"), "other controllers' Ingresses are silent");

    k8s_put(&k, CLASSED("one", "'ingressClassName':'second',"));
    k8s_put(&k, ANNOTATED("two", "'nginx'"));
    ok(!k8s_has(&k, "problem"), "and so are those that are served");
    goes(&k, "h.test", "/one", "a");
    goes(&k, "h.test", "/two", "a");

    k8s_put(&k, CLASSED("typo", "'ingressClassName':'ngnix',"));
    ok(k8s_has(&k, "there is no IngressClass \"ngnix\""), "an unknown class");
    k8s_put(&k, CLASS("ngnix", "konghq.com/kong", "false"));
    ok(!k8s_has(&k, "problem"), "which is created by another controller");
    k8s_delete(&k, NGX_K8S_INGRESS_CLASS, "", "ngnix");
    ok(k8s_has(&k, "there is no IngressClass \"ngnix\""), "and goes");
    k8s_put(&k, CLASS("ngnix", "k8s.io/ingress-nginx", "false"));
    ok(!k8s_has(&k, "problem"), "and is created by this one");
    goes(&k, "h.test", "/typo", "a");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "typo");

    k8s_put(&k, CLASS("nginx", "k8s.io/ingress-nginx", "true"));
    ok(k8s_has(&k, "a default class is set only when"),
       "none, beside a default class");
    k8s_put(&k, CLASS("nginx", "k8s.io/ingress-nginx", "false"));
    ok(!k8s_has(&k, "problem"), "that is no longer the default");

    k8s_put(&k, ANNOTATED("annk", "'second'"));
    ok(k8s_has(&k, "the annotation names IngressClass \"second\""),
       "an annotation that names an IngressClass");
    k8s_put(&k, ANNOTATED("annk", "5"));
    ok(k8s_has(&k, "is not a string"), "and one that cannot be read");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "annk");

    k8s_put(&k, CLASSED("typo", "'ingressClass':'nginx',"));
    ok(k8s_has(&k, "what is meant is ingressClassName"), "a field's old name");
    goes(&k, "h.test", "/typo", "404");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "typo");

    k8s_put(&k, INGRESS("old", "02", "'ingressClassName':'nginx','backend':{"
        "'serviceName':'a','servicePort':80},'rules':[{'host':'n1.test',"
        "'http':null,'paths':[" PATH("Prefix", "/", "a") "]},"
        RULE("n2.test", CLOSED("/", "'backend':{'serviceName':'a',"
                               "'servicePort':80}")) "]"));
    ok(k8s_has(&k, "spec.backend\" host \"\": is no field here, what is meant "
                   "is defaultBackend")
       && k8s_has(&k, "spec.rules[0].paths\" host \"\": is no field "
                      "here, what is meant is http")
       && k8s_has(&k, "spec.rules[1].http.paths[0].backend.serviceName\" "
                      "host \"\": is no field here, what is meant is "
                      "service"),
       "fields of other versions and places");
    goes(&k, "n1.test", "/", "503");
    goes(&k, "n2.test", "/", "503");

    k8s_close(&k);
}


static void
defaults(void)
{
    k8s_t  k;

    k8s_conf(&k);
    ngx_str_set(&k.conf.default_backend, "d/c");
    k8s_open(&k);
    services(&k);

    k8s_put(&k, INGRESS("one", "01", "'defaultBackend':{'service':{'name':'b',"
        "'port':{'number':80}}},'rules':["
        RULE("h.test", PATH("Prefix", "/a", "a")) ",{'host':'e.test'}]"));
    k8s_put(&k, INGRESS("two", "02", "'defaultBackend':{'service':{'name':'a',"
        "'port':{'number':80}}},'rules':["
        RULE("h.test", PATH("Prefix", "/b", "c")) ","
        RULE("*.w.test", PATH("Prefix", "/x", "c")) "]"));
    k8s_put(&k, INGRESS("three", "03", "'rules':["
        RULE("plain.test", PATH("Prefix", "/b", "a")) ","
        RULE("one.w.test", PATH("Prefix", "/y", "b")) "]"));
    (void) k8s_dump(&k);

    goes(&k, "h.test", "/a", "a");
    goes(&k, "h.test", "/", "b");
    goes(&k, "h.test", "/b", "c");
    goes(&k, "e.test", "/any", "b");
    goes(&k, "plain.test", "/", "c");
    goes(&k, "nobody.test", "/", "c");
    goes(&k, "two.w.test", "/x", "c");
    goes(&k, "two.w.test", "/", "a");
    goes(&k, "one.w.test", "/x", "c");
    goes(&k, "one.w.test", "/y", "b");
    goes(&k, "a.b.w.test", "/x", "c");

    /* nobody makes the empty host: with rules it is no default of it */

    k8s_put(&k, INGRESS("none", "04", "'defaultBackend':{'service':{'name':'b',"
            "'port':{'number':80}}},'rules':[{'http':{'paths':[{'path':'/n',"
            "'pathType':'Prefix','backend':{'service':{'name':'b','port':{"
            "'number':80}}}}]}}]"));
    (void) k8s_dump(&k);
    goes(&k, "nobody.test", "/n", "b");
    goes(&k, "nobody.test", "/", "c");

    k8s_put(&k, INGRESS("all", "05", "'defaultBackend':{'service':{'name':'a',"
        "'port':{'number':80}}}"));
    k8s_put(&k, INGRESS("all2", "06", "'defaultBackend':{'service':{'name':"
        "'b','port':{'number':80}}}"));
    ok(k8s_has(&k, "has the default backend of all hosts"), "conflict");
    goes(&k, "nobody.test", "/", "a");
    goes(&k, "plain.test", "/", "c");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "all");
    (void) k8s_dump(&k);
    goes(&k, "nobody.test", "/", "b");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "all2");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "one");
    (void) k8s_dump(&k);
    goes(&k, "nobody.test", "/", "c");
    goes(&k, "h.test", "/", "a");
    goes(&k, "e.test", "/", "c");

    k8s_close(&k);
}


static void
classes(void)
{
    ngx_str_t  none;
    k8s_t      k;

    ngx_str_null(&none);

    k8s_conf(&k);
    k.class.without_class = 0;
    k8s_open(&k);
    services(&k);

    k8s_put(&k, INGRESS("spec", "01", "'ingressClassName':'mine','rules':["
        RULE("spec.test", PATH("Prefix", "/", "a")) "]"));
    k8s_put(&k, INGRESS("none", "01", "'rules':["
        RULE("none.test", PATH("Prefix", "/", "a")) "]"));
    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
        "'metadata':{'namespace':'d','name':'ann','annotations':{"
        "'kubernetes.io/ingress.class':'nginx'}},'spec':{'rules':["
        RULE("ann.test", PATH("Prefix", "/", "a")) "]}}");
    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
        "'metadata':{'namespace':'d','name':'both','annotations':{"
        "'kubernetes.io/ingress.class':'nginx'}},'spec':{'ingressClassName':"
        "'other','rules':[" RULE("both.test", PATH("Prefix", "/", "a")) "]}}");
    (void) k8s_dump(&k);

    goes(&k, "spec.test", "/", "none");
    goes(&k, "none.test", "/", "none");
    goes(&k, "ann.test", "/", "a");
    goes(&k, "both.test", "/", "none");

    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass',"
        "'metadata':{'name':'mine'},'spec':{'controller':"
        "'k8s.io/ingress-nginx'}}");
    (void) k8s_dump(&k);
    goes(&k, "spec.test", "/", "a");

    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass',"
        "'metadata':{'name':'mine'},'spec':{'controller':'other'}}");
    (void) k8s_dump(&k);
    goes(&k, "spec.test", "/", "none");

    ngx_k8s_store_refused(k.store, NGX_K8S_INGRESS_CLASS, 1);
    (void) k8s_dump(&k);
    goes(&k, "both.test", "/", "a");
    goes(&k, "spec.test", "/", "none");

    k8s_close(&k);
}


#define ENDPOINT(address, ready, serving, terminating)                        \
    "{'addresses':['" address "'],'conditions':{'ready':" ready ",'serving':" \
    serving ",'terminating':" terminating "}}"

#define SLICE_OF(name, svc, family, port, endpoints)                          \
    "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{" \
    "'namespace':'d','name':'" name "','labels':{"                            \
    "'kubernetes.io/service-name':'" svc "'}},'addressType':'" family "',"    \
    "'ports':[{'name':'http','port':" port ",'protocol':'TCP'}],"             \
    "'endpoints':[" endpoints "]}"


static void
endpoints(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, INGRESS("one", "01", "'rules':["
        RULE("h.test", PATH("Prefix", "/", "a") ","
        "{'path':'/t','pathType':'Prefix','backend':{'service':{'name':'a',"
        "'port':{'number':3000}}}},"
        "{'path':'/n','pathType':'Prefix','backend':{'service':{'name':'a',"
        "'port':{'name':'http'}}}},"
        "{'path':'/m','pathType':'Prefix','backend':{'service':{'name':'a',"
        "'port':{'number':81}}}}") "]"));

    ok(k8s_has(&k, "there is no Service d/a"), "no Service is a problem");
    goes(&k, "h.test", "/", "a!");

    k8s_put(&k, SERVICE("a"));
    ok(k8s_has(&k, "Service d/a has no TCP port \"81\""), "no such port");
    ok(k8s_has(&k, "Service d/a has no endpoint for port \"80\""),
       "no endpoint is a problem");

    k8s_put(&k, SLICE_OF("s1", "a", "IPv4", "3000",
        ENDPOINT("10.0.0.2", "false", "true", "true") ","
        ENDPOINT("10.0.0.9", "false", "false", "true")));
    ok(k8s_has(&k, "service d/a:80 flags 0 number 80 usable 1 external "
                   "\"\":0\n  endpoint 10.0.0.2 3000 flags 6 "),
       "a terminating endpoint serves where nothing else does");

    k8s_put(&k, SLICE_OF("s2", "a", "IPv4", "3001",
        ENDPOINT("10.0.0.1", "true", "true", "false") ","
        ENDPOINT("127.0.0.1", "true", "true", "false") ","
        ENDPOINT("169.254.1.1", "true", "true", "false")));
    k8s_put(&k, SLICE_OF("s3", "a", "IPv4", "3001",
        ENDPOINT("10.0.0.1", "false", "true", "true")));
    k8s_put(&k, SLICE_OF("s4", "a", "IPv6", "3001",
        ENDPOINT("fd00::1", "true", "true", "false")));

    ok(k8s_has(&k, "service d/a:80 flags 0 number 80 usable 1 external "
                   "\"\":0\n  endpoint 10.0.0.1 3001 flags 3 zone \"\" hints "
                   "\"\"\n  endpoint 10.0.0.2 3000 flags 6 "),
       "ready ones first, each once, each with its slice's port");
    ok(k8s_has(&k, "address \"127.0.0.1\" of Service d/a, and 1 more"),
       "loopback is refused");
    goes(&k, "h.test", "/", "a");
    goes(&k, "h.test", "/t", "a");
    goes(&k, "h.test", "/n", "a");
    goes(&k, "h.test", "/m", "a!");

    k8s_delete(&k, NGX_K8S_ENDPOINT_SLICE, "d", "s1");
    k8s_delete(&k, NGX_K8S_ENDPOINT_SLICE, "d", "s2");
    k8s_delete(&k, NGX_K8S_ENDPOINT_SLICE, "d", "s3");
    ok(k8s_has(&k, "endpoint fd00::1 3001"), "the other family");

    k8s_delete(&k, NGX_K8S_ENDPOINT_SLICE, "d", "s4");
    (void) k8s_dump(&k);
    goes(&k, "h.test", "/", "a!");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "one");
    ok(!k8s_has(&k, "service"), "no record of an unused Service");

    k8s_close(&k);
}


static void
manifests(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k.conf.loopback = 1;
    k8s_open(&k);

    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
        "'d','name':'a'},'spec':{'externalIPs':['127.0.0.1'],'clusterIP':"
        "'127.0.0.2','ports':[{'port':80,'targetPort':3000}]}}");
    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
        "'d','name':'b'},'spec':{'type':'ExternalName','externalName':"
        "'localhost','ports':[{'port':80}]}}");
    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
        "'d','name':'c'},'spec':{'type':'ExternalName','externalName':"
        "'x.example','ports':[{'port':80}]}}");
    k8s_put(&k, INGRESS("one", "01", "'rules':["
        RULE("h.test", PATH("Prefix", "/", "a") "," PATH("Prefix", "/b", "b")
             "," PATH("Prefix", "/c", "c")) "]"));

    ok(k8s_has(&k, "endpoint 127.0.0.1 80 ")
       && !k8s_has(&k, "endpoint 127.0.0.1 3000 "),
       "an external IP listens on the port, not on the target port");
    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
        "'d','name':'a'},'spec':{'clusterIP':'127.0.0.2','ports':[{'port':80,"
        "'targetPort':'web'}]}}");
    ok(k8s_has(&k, "endpoint 127.0.0.2 80 "), "and so does a cluster IP");
    ok(k8s_has(&k, "endpoint 127.0.0.1 80 "), "localhost");
    ok(k8s_has(&k, "external \"x.example\":80"), "a name");

    k8s_close(&k);
}


/* of a Service of type ExternalName the list of ports may be empty */

static void
external(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
        "'d','name':'a'},'spec':{'type':'ExternalName','externalName':"
        "'x.example'}}");
    k8s_put(&k, INGRESS("one", "01", "'rules':["
        RULE("h.test", PATH("Prefix", "/", "a") ",{'path':'/n','pathType':"
             "'Prefix','backend':{'service':{'name':'a','port':{'name':"
             "'http'}}}}") "]"));

    ok(k8s_has(&k, "external \"x.example\":80"),
       "without ports that of the Ingress is used");
    ok(k8s_has(&k, "Service d/a has no TCP port \"http\""),
       "a name is none of its ports");

    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
        "'d','name':'a'},'spec':{'type':'ExternalName','externalName':"
        "'x.example','ports':'all'}}");
    ok(k8s_has(&k, "Service d/a has no TCP port \"80\""),
       "ports that cannot be read are not none");

    k8s_close(&k);
}


static void
redirects(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);
    services(&k);

    k8s_put(&k, INGRESS("one", "01", "'tls':[{'hosts':['*.h.test'],"
        "'secretName':'s'}],'rules':["
        RULE("*.h.test", PATH("Prefix", "/x/", "a") ","
             PATH("Prefix", "/.well-known/acme-challenge/", "b")) ","
        RULE("other.test", PATH("Prefix", "/", "a")) "]"));
    k8s_put(&k, INGRESS("two", "02", "'rules':["
        RULE("one.h.test", PATH("Prefix", "/x", "b")) ","
        RULE("plain.test", PATH("Prefix", "/", "a")) "]"));

    ok(k8s_has(&k, "there is no Secret d/s"), "a missing Secret");
    goes(&k, "w.h.test", "/x/1", "a+s");
    goes(&k, "w.h.test", "/x", "301");
    goes(&k, "w.h.test", "/.well-known/acme-challenge/t", "b+s");
    goes(&k, "w.h.test", "/", "404+s");
    goes(&k, "other.test", "/", "a+s");
    goes(&k, "one.h.test", "/x", "b+s");
    goes(&k, "plain.test", "/", "a");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "one");
    (void) k8s_dump(&k);
    goes(&k, "one.h.test", "/x", "b");

    k8s_close(&k);
}


static void
full(void)
{
    u_char      text[1024];
    ngx_uint_t  i, n;
    k8s_t       k;

    k8s_conf(&k);
    k.size = ngx_k8s_table_overhead(1024 * 1024) + 1024 * 1024;
    k8s_open(&k);
    services(&k);

    for (i = 0; i < 2000; i++) {
        *ngx_sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'d','name':'i%04ui',"
            "'creationTimestamp':'2026-01-01T%02ui:%02ui:00Z'},'spec':{'rules'"
            ":[" RULE("h%04ui.test", PATH("Prefix", "/", "a")) "]}}", 1999 - i,
            (1999 - i) / 60 % 24, (1999 - i) % 60, 1999 - i) = '\0';
        k8s_put(&k, (char *) text);
    }

    ok(k8s_has(&k, "bytes are missing in the zone"), "a full table");

    for (i = 0, n = 0; i < 1440; i++) {
        *ngx_sprintf(text, "h%04ui.test", i) = '\0';
        n += (strcmp(route(&k, (char *) text, "/"), "a") == 0);

        if (n != i + 1) {
            break;
        }
    }

    ok(n > 100 && n < 1999, "the oldest %u are served", (unsigned) n);

    for (n = 0, i = 0; i < 2000; i++) {
        *ngx_sprintf(text, "h%04ui.test", i) = '\0';
        n += (strcmp(route(&k, (char *) text, "/"), "a") == 0);
    }

    /* an update goes on */

    k8s_put(&k, SLICE("a1", "a", "10.9.9.9"));
    ok(k8s_has(&k, "endpoint 10.9.9.9"), "endpoints of a full table");

    for (i = 0; i < 500; i++) {
        *ngx_sprintf(text, "i%04ui", i) = '\0';
        k8s_delete(&k, NGX_K8S_INGRESS, "d", (char *) text);
    }

    for (i = 0; i < 5; i++) {
        (void) k8s_dump(&k);
    }

    for (n = 0, i = 500; i < 2000; i++) {
        *ngx_sprintf(text, "h%04ui.test", i) = '\0';
        n += (strcmp(route(&k, (char *) text, "/"), "a") == 0);
    }

    ok(n == 1500, "room is used again: %u of 1500", (unsigned) n);
    ok(!k8s_has(&k, "problem"), "nothing is missing any more");

    k8s_close(&k);
}


static void
limits(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k.conf.limit_routes = 2;
    k8s_open(&k);
    services(&k);

    k8s_put(&k, INGRESS("i2", "02", "'rules':["
        RULE("h2.test", PATH("Prefix", "/", "a")) "]"));
    k8s_put(&k, INGRESS("i3", "03", "'rules':["
        RULE("h3.test", PATH("Prefix", "/", "a")) "]"));
    k8s_put(&k, INGRESS("i1", "01", "'rules':["
        RULE("h1.test", PATH("Prefix", "/", "a")) "]"));

    ok(k8s_has(&k, "limit of namespace d"), "a namespace's limit");
    goes(&k, "h1.test", "/", "a");
    goes(&k, "h2.test", "/", "a");
    goes(&k, "h3.test", "/", "none");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "i1");
    ok(!k8s_has(&k, "problem"), "no problem any more");
    goes(&k, "h3.test", "/", "a");

    k8s_close(&k);
}


/* records of types that this compile makes none of, by another version's */

static ngx_uint_t
leftovers(k8s_t *k, ngx_uint_t put)
{
    ngx_str_t          key;
    ngx_uint_t         i, n;
    ngx_k8s_str_t      s;
    ngx_k8s_builder_t  b;

    static struct {
        ngx_uint_t     index;
        size_t         size;
    } types[] = {
        { NGX_K8S_INDEX_POLICY, sizeof(ngx_k8s_policy_t) },
        { NGX_K8S_INDEX_LISTENER, sizeof(ngx_k8s_listener_t) },
        { NGX_K8S_INDEX_ADDRESS, sizeof(ngx_k8s_address_rec_t) },
        { NGX_K8S_INDEX_SET, sizeof(ngx_k8s_set_t) }
    };

    ngx_str_set(&key, "left");
    ngx_k8s_builder_init(&b, &unit_log);
    n = 0;

    for (i = 0; i < 4; i++) {

        if (put) {
            ngx_k8s_builder_begin(&b, types[i].index, types[i].size);
            s = ngx_k8s_builder_str(&b, &key);
            ((ngx_k8s_record_t *) b.data)->key = s;
            (void) ngx_k8s_builder_put(&b, k->writer, NGX_K8S_WRITE_OBJECT);
        }

        n += (ngx_k8s_table_find(k->table, types[i].index, key.data, key.len,
                                 NULL)
              != NULL);
    }

    ngx_k8s_builder_done(&b);

    return n;
}


static void
successor(void)
{
    char        *before;
    k8s_t        k;
    uint32_t     slot, again;
    u_char       buf[NGX_K8S_KEY_MAX];
    size_t       len;
    ngx_str_t    host;
    ngx_uint_t   changes;

    k8s_conf(&k);
    k8s_open(&k);
    services(&k);
    k8s_put(&k, INGRESS("one", "01", "'rules':["
        RULE("h.test", PATH("Prefix", "/", "a")) "]"));
    k8s_put(&k, INGRESS("two", "01", "'rules':["
        RULE("gone.test", PATH("Prefix", "/", "b") ","
             PATH("Prefix", "/no", "nothing")) "]"));
    before = strdup(k8s_dump(&k));

    host = k8s_str("h.test");
    len = ngx_k8s_key_host(buf, 0, NGX_K8S_CLASS_HTTP, &host);
    (void) ngx_k8s_table_find(k.table, NGX_K8S_INDEX_HOST, buf, len, &slot);
    ok(leftovers(&k, 1) == 4, "and records that nothing asks for");
    k8s_end(&k);

    k8s_open(&k);
    ok(ngx_k8s_compile_run(k.compile, 1000000) == NGX_OK,
       "nothing is compiled before all is listed");
    goes(&k, "gone.test", "/", "b");

    services(&k);
    k8s_put(&k, INGRESS("one", "01", "'rules':["
        RULE("h.test", PATH("Prefix", "/", "a")) "]"));
    changes = k.table->changes;
    (void) k8s_dump(&k);

    (void) ngx_k8s_table_find(k.table, NGX_K8S_INDEX_HOST, buf, len, &again);
    ok(slot == again, "the same slot");
    goes(&k, "h.test", "/", "a");
    goes(&k, "gone.test", "/", "none");
    ok(!k8s_has(&k, "d/two") && !k8s_has(&k, "d/b:80"), "leftovers go");
    ok(leftovers(&k, 0) == 0, "of all types");
    printf("# changes by a successor: %u\n",
           (unsigned) (k.table->changes - changes));

    k8s_put(&k, INGRESS("two", "01", "'rules':["
        RULE("gone.test", PATH("Prefix", "/", "b") ","
             PATH("Prefix", "/no", "nothing")) "]"));
    ok(strcmp(before, k8s_dump(&k)) == 0, "the same table");

    free(before);
    k8s_close(&k);
}


/*
 * Random histories: puts, deletes, lists, slices of compiling in between, and
 * at the end the same table as a fresh store with the final objects has.
 */

#define OBJECTS  40

static uint32_t  seed;

static ngx_uint_t
rnd(ngx_uint_t n)
{
    seed = seed * 1664525 + 1013904223;

    return (seed >> 8) % n;
}


static void
random_object(char *buf, ngx_uint_t i)
{
    char        spec[800], *p;
    ngx_uint_t  n, paths;

    static char *hosts[] = { "", "a.test", "b.test", "*.test", "x.b.test",
                             "*.b.test", "bad..test" };
    static char *types[] = { "Exact", "Prefix", "ImplementationSpecific" };
    static char *texts[] = { "/", "/x", "/x/", "/x/y", "rel", "/y/", "/y" };
    static char *said[] = {
        "'nginx.ingress.kubernetes.io/use-regex':'true'",
        "'nginx.ingress.kubernetes.io/rewrite-target':'/x'",
        "'nginx.ingress.kubernetes.io/app-root':'/y'",
        "'nginx.ingress.kubernetes.io/app-root':'/x'",
        "'nginx.ingress.kubernetes.io/proxy-body-size':'8k'"
    };

    switch (i % 4) {

    case 0:
    case 1:
        p = spec;

        if (rnd(3) == 0) {
            p += sprintf(p, "'defaultBackend':{'service':{'name':'s%d','port':"
                         "{'number':80}}},", (int) rnd(5));
        }

        if (rnd(3) == 0) {
            p += sprintf(p, "'tls':[{'hosts':['%s'],'secretName':'t%d'}],",
                         hosts[1 + rnd(5)], (int) rnd(3));
        }

        if (rnd(3) == 0) {
            p += sprintf(p, "'ingressClassName':'c%d',", (int) rnd(2));
        }

        paths = rnd(2) * rnd(4);
        p += sprintf(p, "'rules':[{'host':'%s'", hosts[rnd(7)]);

        for (n = 0; n < paths; n++) {
            p += sprintf(p, "%s{'path':'%s','pathType':'%s','backend':{"
                         "'service':{'name':'s%d','port':{'number':%d}}}}",
                         n ? "," : ",'http':{'paths':[", texts[rnd(7)],
                         types[rnd(3)], (int) rnd(5), rnd(3) ? 80 : 81);
        }

        sprintf(p, "%s}]", paths ? "]}" : "");

        sprintf(buf, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'n%d','name':'i%d','annotations':{%s},"
                "'creationTimestamp':'2026-01-01T00:00:0%dZ'},'spec':{%s}}",
                (int) (i / 4 % 2), (int) i, rnd(3) ? "" : said[rnd(5)],
                (int) (i % 3), spec);
        break;

    case 2:
        sprintf(buf, "{'apiVersion':'v1','kind':'Service','metadata':{"
                "'namespace':'n%d','name':'s%d'},'spec':{'ports':[{'name':"
                "'http','port':%d,'targetPort':3000}]}}", (int) (i / 4 % 2),
                (int) (i / 8), rnd(4) ? 80 : 81);
        break;

    default:
        sprintf(buf, "{'apiVersion':'discovery.k8s.io/v1','kind':"
                "'EndpointSlice','metadata':{'namespace':'n%d','name':'e%d',"
                "'labels':{'kubernetes.io/service-name':'s%d'}},'addressType':"
                "'IPv%d','ports':[{'name':'http','port':%d}],'endpoints':[{"
                "'addresses':['%s%d'],'conditions':{'ready':%s,'serving':"
                "true,'terminating':true}}]}", (int) (i / 4 % 2), (int) i,
                (int) rnd(5), (i & 16) ? 6 : 4, (int) (3000 + rnd(2)),
                (i & 16) ? "fd00::" : rnd(5) ? "10.0.0." : "127.0.0.",
                (int) (1 + rnd(3)), rnd(3) ? "true" : "false");
        break;
    }
}


static void
random_delete(k8s_t *k, ngx_uint_t i)
{
    char  ns[8], name[8];

    static ngx_uint_t  kinds[] = { NGX_K8S_INGRESS, NGX_K8S_INGRESS,
                                   NGX_K8S_SERVICE, NGX_K8S_ENDPOINT_SLICE };

    sprintf(ns, "n%d", (int) (i / 4 % 2));
    sprintf(name, "%c%d", "iise"[i % 4],
            (int) (i % 4 == 2 ? i / 8 : i));

    k8s_delete(k, kinds[i % 4], ns, name);
}


static void
random_relist(k8s_t *k, char texts[][1600])
{
    ngx_str_t   scope;
    ngx_uint_t  i, kind;

    ngx_str_null(&scope);

    for (kind = 0; kind < 4; kind++) {

        static ngx_uint_t  kinds[] = { NGX_K8S_INGRESS, NGX_K8S_SERVICE,
                                       NGX_K8S_ENDPOINT_SLICE,
                                       NGX_K8S_INGRESS_CLASS };

        ngx_k8s_store_begin(k->store, kinds[kind], &scope);

        if (kinds[kind] == NGX_K8S_INGRESS_CLASS) {
            k8s_put(k, "{'apiVersion':'networking.k8s.io/v1','kind':"
                    "'IngressClass','metadata':{'name':'c0'},'spec':{"
                    "'controller':'k8s.io/ingress-nginx'}}");
        }

        for (i = 0; i < OBJECTS; i++) {
            if (texts[i][0] && (i % 4 < 2 ? NGX_K8S_INGRESS : i % 4 == 2
                                ? NGX_K8S_SERVICE : NGX_K8S_ENDPOINT_SLICE)
                               == kinds[kind])
            {
                k8s_put(k, texts[i]);
            }
        }

        while (ngx_k8s_store_end(k->store, kinds[kind], &scope, 3)
               == NGX_AGAIN)
        {
            if (rnd(4) == 0) {
                (void) ngx_k8s_compile_run(k->compile, 1);
            }
        }
    }
}


/* the IngressClass c1, which half of those that name one need, comes or goes */

static void
random_class(k8s_t *k, ngx_uint_t *there)
{
    *there = !*there;

    if (*there) {
        k8s_put(k, "{'apiVersion':'networking.k8s.io/v1','kind':"
                "'IngressClass','metadata':{'name':'c1'},'spec':{"
                "'controller':'k8s.io/other'}}");

    } else {
        k8s_delete(k, NGX_K8S_INGRESS_CLASS, "", "c1");
    }
}


/* of how many Ingresses two tables say something else */

static ngx_uint_t
states_differ(k8s_t *one, k8s_t *two)
{
    ngx_uint_t  i, n, read;

    n = 0;
    read = 0;

    for (i = 0; i < NGX_K8S_STATES; i++) {
        n += (one->table->states[i] != two->table->states[i]);
        read += one->table->states[i];

        if (one->table->states[i] != two->table->states[i]) {
            printf("# %s: %u, fresh %u\n", ngx_k8s_states[i].data,
                   (unsigned) one->table->states[i],
                   (unsigned) two->table->states[i]);
        }
    }

    return n + (read != ngx_k8s_store_count(one->store, NGX_K8S_INGRESS));
}


static void
histories(void)
{
    char        *one, *two;
    ngx_uint_t   round, step, i, bad, lines, class, differ;
    k8s_t        k, fresh;

    static char  texts[OBJECTS][1600];

    bad = 0;
    lines = 0;
    differ = 0;

    for (round = 0; round < unit_rounds(150); round++) {
        seed = unit_seed(7919 * (round + 1));
        ngx_memzero(texts, sizeof(texts));

        k8s_conf(&k);
        k.size = 4 * 1024 * 1024;
        k8s_open(&k);
        k.compile->slice = (round % 2) ? 1 + round % 5 : NGX_K8S_SLICE;
        ngx_k8s_compile_synced(k.compile);
        random_relist(&k, texts);
        class = 0;

        for (step = 0; step < 150; step++) {
            i = rnd(OBJECTS);

            if (rnd(20) == 0) {
                random_class(&k, &class);
            }

            if (rnd(4) == 0) {
                texts[i][0] = '\0';

                if (rnd(3)) {
                    random_delete(&k, i);

                } else {
                    random_relist(&k, texts);
                }

            } else {
                random_object(texts[i], i);
                k8s_put(&k, texts[i]);
            }

            if (rnd(3) == 0) {
                (void) ngx_k8s_compile_run(k.compile, rnd(20));
                ngx_k8s_writer_publish(k.writer);
            }

            if (rnd(60) == 0) {
                k8s_end(&k);
                k8s_open(&k);
                random_relist(&k, texts);
                class = 0;
                ngx_k8s_compile_synced(k.compile);
            }
        }

        k8s_delete(&k, NGX_K8S_INGRESS_CLASS, "", "c1");

        one = strdup(k8s_dump(&k));

        k8s_conf(&fresh);
        fresh.size = 4 * 1024 * 1024;
        k8s_open(&fresh);
        random_relist(&fresh, texts);
        two = k8s_dump(&fresh);

        for (i = 0; two[i]; i++) {
            lines += (two[i] == '\n');
        }

        if (strcmp(one, two) != 0 && bad++ == 0) {
            printf("# round %u\n# ---- history\n%s# ---- fresh\n%s",
                   (unsigned) round, one, two);
        }

        differ += states_differ(&k, &fresh);

        free(one);
        k8s_close(&fresh);
        k8s_close(&k);
    }

    ok(differ == 0, "and the same counts of states, %u differ",
       (unsigned) differ);
    ok(bad == 0, "histories end as a fresh list, %u lines, %u differ",
       (unsigned) lines, (unsigned) bad);
}


/*
 * A host whose paths come and go around the numbers at which it gets shards,
 * and other ones.  A path that stays is found after each step, whatever is
 * being written, and at the end the table is that of a fresh store.
 */

#define PARTS    8

static void
random_part(char *text, ngx_uint_t i)
{
    char        *p;
    ngx_uint_t   n, k, host;

    static char *types[] = { "Exact", "Prefix", "ImplementationSpecific" };
    static ngx_uint_t  sizes[] = { 0, 1, 8, 30, 62, 70, 140, 600 };

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'d','name':'p%d',"
            "'creationTimestamp':'2026-01-01T00:00:0%dZ'},'spec':{",
            (int) i, (int) i);

    if (i == 0) {

        /* never changes */

        p += sprintf(p, "'rules':[{'host':'big.test','http':{'paths':[");

        for (n = 0; n < 20; n++) {
            p += sprintf(p, "%s" PATH("Prefix", "/stay/%d", "a"),
                         n ? "," : "", (int) n);
        }

        sprintf(p, "]}}]}}");
        return;
    }

    if (rnd(4) == 0) {
        p += sprintf(p, "'tls':[{'hosts':['big.test'],'secretName':'t'}],");
    }

    p += sprintf(p, "'rules':[");

    for (host = 0; host < 2; host++) {
        p += sprintf(p, "%s{'host':'%s','http':{'paths':[", host ? "," : "",
                     host ? "*.test" : "big.test");

        k = host ? rnd(10) : sizes[rnd(8)];

        for (n = 0; n < k; n++) {
            p += sprintf(p, "%s{'path':'/%d%s%s','pathType':'%s','backend':{"
                         "'service':{'name':'%c','port':{'number':80}}}}",
                         n ? "," : "", (int) rnd(700), rnd(3) ? "" : "/x/y",
                         rnd(4) ? "" : "/", types[rnd(3)],
                         (char) ('a' + rnd(3)));
        }

        p += sprintf(p, "]}}");
    }

    sprintf(p, "]}}");
}


static ngx_uint_t
stays(k8s_t *k)
{
    char        path[32];
    ngx_uint_t  n;

    for (n = 0; n < 20; n++) {
        sprintf(path, "/stay/%d/x", (int) n);

        if (strncmp(route(k, "big.test", path), "a", 1) != 0) {
            return 0;
        }
    }

    return 1;
}


static void
shards(void)
{
    char        *one, *two, name[8];
    k8s_t        k, fresh;
    ngx_uint_t   round, step, i, bad, lost, most, least;

    static char  texts[PARTS][128 * 1024];

    bad = 0;
    lost = 0;
    most = 0;
    least = 0;

    for (round = 0; round < 12; round++) {
        seed = unit_seed(104729 * (round + 1));
        ngx_memzero(texts, sizeof(texts));

        k8s_conf(&k);
        k8s_open(&k);
        services(&k);

        random_part(texts[0], 0);
        k8s_put(&k, texts[0]);
        k8s_run(&k);

        for (step = 0; step < 40; step++) {
            i = 1 + rnd(PARTS - 1);

            if (rnd(4) == 0) {
                texts[i][0] = '\0';
                sprintf(name, "p%d", (int) i);
                k8s_delete(&k, NGX_K8S_INGRESS, "d", name);

            } else {
                random_part(texts[i], i);
                k8s_put(&k, texts[i]);
            }

            for (i = rnd(3) ? rnd(40) : 10000; i; i--) {

                if (ngx_k8s_compile_run(k.compile, 0) != NGX_AGAIN) {
                    break;
                }

                ngx_k8s_writer_publish(k.writer);
                lost += !stays(&k);
            }

            most = ngx_max(most, k.table->counts[NGX_K8S_INDEX_PATHS]);
        }

        one = strdup(k8s_dump(&k));

        k8s_conf(&fresh);
        k8s_open(&fresh);
        services(&fresh);

        for (i = 0; i < PARTS; i++) {
            if (texts[i][0]) {
                k8s_put(&fresh, texts[i]);
            }
        }

        two = k8s_dump(&fresh);

        if (strcmp(one, two) != 0 && bad++ == 0) {
            printf("# round %u\n# ---- history\n%s# ---- fresh\n%s",
                   (unsigned) round, one, two);
        }

        for (i = PARTS; i-- > 0; /* void */ ) {

            if (i == 0) {
                (void) k8s_dump(&k);
                least += k.table->counts[NGX_K8S_INDEX_PATHS];
                lost += !stays(&k);
            }

            sprintf(name, "p%d", (int) i);
            k8s_delete(&k, NGX_K8S_INGRESS, "d", name);
        }

        (void) k8s_dump(&k);

        lost += k.table->counts[NGX_K8S_INDEX_PATHS]
                + k.table->counts[NGX_K8S_INDEX_RULE]
                + k.table->counts[NGX_K8S_INDEX_SERVICE];

        free(one);
        k8s_close(&fresh);
        k8s_close(&k);
    }

    ok(most > 16, "up to %u shards", (unsigned) most);
    ok(least == 0, "a host has none again");
    ok(lost == 0, "nothing is lost or left: %u", (unsigned) lost);
    ok(bad == 0, "the same as fresh, %u differ", (unsigned) bad);
}


/* an edit of one path of thousands writes a record or two */

static void
edit(void)
{
    char        *text, *p;
    k8s_t        k;
    ngx_uint_t   n, v, changes, items;

    text = malloc(1024 * 1024);
    changes = 0;
    items = 0;

    k8s_conf(&k);
    k8s_open(&k);
    services(&k);

    for (v = 0; v < 2; v++) {
        p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                "'Ingress','metadata':{'namespace':'d','name':'large'},'spec':{"
                "'rules':[{'host':'large.test','http':{'paths':[");

        for (n = 0; n < 5000; n++) {
            p += sprintf(p, "%s{'path':'/p%d','pathType':'Prefix','backend':{"
                         "'service':{'name':'%s','port':{'number':80}}}}",
                         n ? "," : "", (int) n, v && n == 2500 ? "b" : "a");
        }

        sprintf(p, "]}}]}}");
        k8s_put(&k, text);

        changes = k.table->changes;
        ngx_k8s_compile_synced(k.compile);

        for (items = 1;
             ngx_k8s_compile_run(k.compile, 0) == NGX_AGAIN;
             items++)
        {
            /* void */
        }
    }

    goes(&k, "large.test", "/p2500", "b");
    goes(&k, "large.test", "/p2501", "a");
    /* all paths are looked at for problems, 512 in one item */

    ok(k.table->changes - changes < 8 && items < 24 + 2 * 5000 / 512,
       "%u records are written in %u items of work",
       (unsigned) (k.table->changes - changes), (unsigned) items);

    free(text);
    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    paths();
    conflicts();
    closed();
    unclassed();
    defaults();
    classes();
    endpoints();
    manifests();
    external();
    redirects();
    limits();
    successor();
    full();
    histories();
    shards();
    edit();

    return done();
}
