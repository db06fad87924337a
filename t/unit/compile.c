
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include "k8s.h"
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


/* what the router does with a request: "svc", "404", "301", "none" */

static char *
route(k8s_t *k, char *host, char *path)
{
    ngx_str_t               name;
    ngx_k8s_route_t         r;
    ngx_k8s_route_key_t     key;
    ngx_k8s_service_rec_t  *svc;
    ngx_k8s_backend_rec_t  *backend;

    ngx_memzero(&key, sizeof(ngx_k8s_route_key_t));
    key.host = k8s_str(host);
    key.path = k8s_str(path);
    key.method = k8s_str("GET");

    if (ngx_k8s_route(k->table, &key, &r) != NGX_OK) {
        return "none";
    }

    switch (r.action->kind) {

    case NGX_K8S_ACTION_BACKENDS:
        backend = (ngx_k8s_backend_rec_t *)
                      ngx_k8s_record_at(r.host, r.host->backends.offset)
                  + r.action->backend;

        svc = ngx_k8s_slot_record_gen(k->table, NGX_K8S_INDEX_SERVICE,
                                      backend->service, backend->generation);
        if (svc == NULL) {
            return "gone";
        }

        ngx_k8s_record_str(svc, &svc->name, &name);

        *ngx_sprintf(answer, "%V%s%s", &name,
                     svc->usable ? "" : "!",
                     (r.match->flags & NGX_K8S_MATCH_SSL_REDIRECT) ? "+s" : "")
            = '\0';

        return (char *) answer;

    case NGX_K8S_ACTION_STATUS:
        *ngx_sprintf(answer, "%ui%s", (ngx_uint_t) r.action->status,
                     (r.match->flags & NGX_K8S_MATCH_SSL_REDIRECT) ? "+s" : "")
            = '\0';

        return (char *) answer;

    case NGX_K8S_ACTION_ADD_SLASH:
        return (r.match->flags & NGX_K8S_MATCH_SSL_REDIRECT) ? "301+s" : "301";

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


int
main(void)
{
    unit_init();

    paths();

    return done();
}
