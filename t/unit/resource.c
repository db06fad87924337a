
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <unit.h>
#include <ngx_k8s_reader.h>
#include <ngx_k8s_write.h>


#define UNREAD  "\177is not a string: put it in quotes"
#define BASE64  "\177is not in base64"


static ngx_pool_t         *pool;
static ngx_k8s_problem_t   refused;


/* reads text in which ' stands for " */

static json_t *
load(const char *text)
{
    char          *p, *s;
    json_t        *json;
    json_error_t   error;

    s = strdup(text);

    for (p = s; *p; p++) {
        if (*p == '\'') {
            *p = '"';
        }
    }

    json = json_loads(s, JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        printf("# %s: %s\n", error.text, s);
        exit(1);
    }

    free(s);

    return json;
}


static void *
make(ngx_uint_t kind, const char *text)
{
    json_t            *json;
    ngx_k8s_object_t  *object;

    json = load(text);
    object = ngx_k8s_object_from_json(kind, json, pool, &refused, &unit_log);

    json_decref(json);

    return object;
}


static ngx_uint_t
is(ngx_str_t *s, const char *text)
{
    return s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}


static ngx_uint_t
nproblems(void *object)
{
    ngx_k8s_object_t  *o = object;

    return o->problems ? o->problems->nelts : 0;
}


/* whether problem n of the object is at the field */

static ngx_uint_t
problem(void *object, ngx_uint_t n, const char *field)
{
    ngx_k8s_object_t   *o = object;
    ngx_k8s_problem_t  *p;

    if (nproblems(o) <= n) {
        return 0;
    }

    p = o->problems->elts;

    if (!is(&p[n].field, field)) {
        printf("# %.*s: %.*s\n", (int) p[n].field.len, p[n].field.data,
               (int) p[n].message.len, p[n].message.data);
        return 0;
    }

    return p[n].code == NGX_K8S_PROBLEM_INVALID_FIELD && p[n].message.len;
}


#define META  "'metadata':{'name':'a','namespace':'n'}"


static void
tables(void)
{
    json_t      *json;
    ngx_uint_t   i, n;

    n = 0;
    for (i = 0; i < NGX_K8S_PROBLEMS; i++) {
        n += ngx_k8s_problem_codes[i].name.len > 0
             && ngx_k8s_problem_codes[i].meaning.len > 0
             && ngx_k8s_problem_codes[i].remedy.len > 0;
    }
    ok(n == NGX_K8S_PROBLEMS, "each problem code has its row");

    ok(is(&ngx_k8s_problem_codes[NGX_K8S_PROBLEM_DUPLICATE_OBJECT].name,
          "DuplicateObject")
       && is(&ngx_k8s_problem_codes[NGX_K8S_PROBLEM_TABLE_FULL].name,
             "TableFull")
       && is(&ngx_k8s_problem_codes[NGX_K8S_PROBLEM_SECRET_INVALID].name,
             "SecretInvalid"),
       "codes stand in the order of the enum");

    for (n = 0, i = 0; i < NGX_K8S_KINDS; i++) {
        json = json_pack("{s:s,s:o}", "kind", ngx_k8s_kinds[i].name.data,
                         "apiVersion",
                         ngx_k8s_kinds[i].group.len
                         ? json_sprintf("%s/v1", ngx_k8s_kinds[i].group.data)
                         : json_string("v1"));
        n += ngx_k8s_kind_of(json) == (ngx_int_t) i;

        json_object_set_new(json, "apiVersion", json_string("v1beta1"));
        n += ngx_k8s_kind_of(json) == NGX_ERROR;
        json_decref(json);
    }
    ok(n == 2 * NGX_K8S_KINDS, "kinds are known by group and version");

    json = json_pack("{s:i,s:n}", "kind", 1, "apiVersion");
    ok(ngx_k8s_kind_of(json) == NGX_ERROR, "a kind that is a number");
    ok(ngx_k8s_kind_of(NULL) == NGX_ERROR, "no object, no kind");
    json_decref(json);
}


static void
ingress(void)
{
    ngx_keyval_t       *kv;
    ngx_k8s_ingress_t  *o;

    o = make(NGX_K8S_INGRESS,
        "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"
        "'name':'web.a','namespace':'shop','uid':'u-1','resourceVersion':'17',"
        "'creationTimestamp':'2024-02-29T12:30:45Z','annotations':{"
        "'kubectl.kubernetes.io/last-applied-configuration':'{}',"
        "'a/b':'c\\r\\n\\u0000d'},'managedFields':[{'f':1}]},"
        "'spec':{'ingressClassName':'nginx','unknown':[1,{}],"
        "'defaultBackend':{'service':{'name':'d','port':{'number':80}}},"
        "'rules':[{'host':'a.example','http':{'paths':["
        "{'path':'/x','pathType':'Exact','backend':{'service':{'name':'s',"
        "'port':{'name':'http'}}}},"
        "{'path':'/y','pathType':'Prefix','backend':{'resource':{'kind':'B'}}}"
        ",{'pathType':'ImplementationSpecific','backend':{'service':{'name':"
        "'t','port':{'number':8080}}}}]}},"
        "{'host':'*.b.example'}],"
        "'tls':[{'hosts':['a.example','b.example'],'secretName':'t'},{}]},"
        "'status':{'loadBalancer':{}}}");

    ok(o && o->object.kind == NGX_K8S_INGRESS, "an Ingress is read");
    ok(nproblems(o) == 0, "without a problem");
    ok(is(&o->object.name, "web.a") && is(&o->object.namespace, "shop")
       && is(&o->object.uid, "u-1") && is(&o->object.version, "17"),
       "its metadata");
    ok(o->object.created == 1709209845, "its time");
    kv = o->object.annotations->elts;
    ok(o->object.annotations->nelts == 1 && is(&kv[0].key, "a/b")
       && kv[0].value.len == 5 && memcmp(kv[0].value.data, "c\r\n\0d", 5) == 0,
       "annotations, byte for byte, without the applied copy");
    ok(is(&o->class_name, "nginx"), "its class");
    ok(o->default_backend && is(&o->default_backend->service, "d")
       && o->default_backend->port == 80, "its default backend");
    ok(o->nrules == 2 && is(&o->rules[0].host, "a.example")
       && is(&o->rules[1].host, "*.b.example") && o->rules[1].npaths == 0,
       "its rules");
    ok(o->rules[0].npaths == 3
       && is(&o->rules[0].paths[0].path, "/x")
       && o->rules[0].paths[0].type == NGX_K8S_PATH_TYPE_EXACT
       && is(&o->rules[0].paths[0].backend.service, "s")
       && is(&o->rules[0].paths[0].backend.port_name, "http")
       && o->rules[0].paths[0].backend.port == 0,
       "an exact path, a port by name");
    ok(o->rules[0].paths[1].type == NGX_K8S_PATH_TYPE_PREFIX
       && o->rules[0].paths[1].backend.resource
       && o->rules[0].paths[1].backend.service.len == 0,
       "a prefix path, a resource");
    ok(o->rules[0].paths[2].type == NGX_K8S_PATH_TYPE_IMPL
       && o->rules[0].paths[2].path.len == 0
       && o->rules[0].paths[2].backend.port == 8080,
       "no path, and any type");
    ok(o->ntls == 2 && o->tls[0].nhosts == 2
       && is(&o->tls[0].hosts[1], "b.example") && is(&o->tls[0].secret, "t")
       && o->tls[1].nhosts == 0 && o->tls[1].secret.len == 0, "its tls");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_INGRESS, "{" META ",'spec':{'rules':null,'tls':null,"
             "'ingressClassName':'','defaultBackend':null}}");
    ok(o && nproblems(o) == 0 && o->nrules == 0 && o->ntls == 0
       && o->default_backend == NULL, "null lists are empty ones");
    ok(o->class_name.data != NULL && o->class_name.len == 0,
       "an empty class is a class");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_INGRESS, "{" META "}");
    ok(o && nproblems(o) == 0 && o->class_name.data == NULL, "no spec");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_INGRESS, "{" META ",'spec':{'rules':[null,{'host':5},"
             "{'http':{'paths':[{'path':'/','pathType':'Exact','backend':{"
             "'service':{'name':'s','port':{'number':70000}}}},{'path':7,"
             "'pathType':'exact','backend':'x'},[],{'path':'/z','pathType':"
             "'Prefix'}]}},{'http':[]}],"
             "'tls':[{'hosts':['a',1,null]}]}}");
    ok(o && problem(o, 0, "spec.rules[0]")
       && problem(o, 1, "spec.rules[1].host")
       && problem(o, 2, "spec.rules[2].http.paths[0].backend.service.port"
                  ".number")
       && problem(o, 3, "spec.rules[2].http.paths[1].pathType")
       && problem(o, 4, "spec.rules[2].http.paths[1].path")
       && problem(o, 5, "spec.rules[2].http.paths[1].backend")
       && problem(o, 6, "spec.rules[2].http.paths[2]")
       && problem(o, 7, "spec.rules[2].http.paths[3].backend")
       && problem(o, 8, "spec.rules[3].http")
       && problem(o, 9, "spec.tls[0].hosts[1]")
       && problem(o, 10, "spec.tls[0].hosts[2]")
       && nproblems(o) == 11, "wrong types are problems with their places");
    ok(o->nrules == 4 && o->rules[0].no_host && o->rules[1].no_host
       && o->rules[2].npaths == 4 && o->tls[0].nhosts == 1
       && o->rules[2].paths[0].backend.port == 0
       && o->rules[2].paths[0].backend.closed
       && o->rules[2].paths[1].no_path && o->rules[2].paths[1].backend.closed
       && o->rules[2].paths[2].no_path && o->rules[2].paths[2].backend.closed
       && !o->rules[2].paths[3].no_path && o->rules[2].paths[3].backend.closed
       && o->rules[3].npaths == 1 && o->rules[3].paths[0].no_path
       && o->rules[3].paths[0].backend.closed,
       "what they decide is closed, the rest keeps its place");
    ngx_k8s_object_free(&o->object);
}


static void
service(void)
{
    ngx_k8s_service_t  *o;

    o = make(NGX_K8S_SERVICE,
        "{" META ",'spec':{'type':'NodePort','clusterIP':'10.0.0.1',"
        "'ipFamilies':['IPv6','IPv4'],'externalIPs':['127.0.0.1','::1'],"
        "'externalName':'x.example','ports':[{'name':'http','port':80,"
        "'targetPort':'web','appProtocol':'h2c'},{'port':443,"
        "'targetPort':8443,'protocol':'UDP'},{'port':8080.0,'targetPort':'81'},"
        "{'port':'80'},{'port':80.5},{},{'port':0}]}}");
    ok(o && is(&o->type, "NodePort") && is(&o->cluster_ip, "10.0.0.1")
       && o->family == 6 && o->nexternal_ips == 2
       && is(&o->external_ips[1], "::1") && is(&o->external_name, "x.example"),
       "a Service is read");
    ok(o->nports == 7 && is(&o->ports[0].name, "http")
       && is(&o->ports[0].target_name, "web") && o->ports[0].target_port == 0
       && is(&o->ports[0].protocol, "TCP") && is(&o->ports[0].app_protocol,
                                                 "h2c"),
       "a target port by name, the protocol's default");
    ok(o->ports[1].target_port == 8443 && is(&o->ports[1].protocol, "UDP")
       && o->ports[2].port == 8080 && o->ports[2].target_port == 81,
       "target ports by number");
    ok(problem(o, 0, "spec.ports[3].port") && problem(o, 1,
       "spec.ports[4].port") && problem(o, 2, "spec.ports[5].port")
       && problem(o, 3, "spec.ports[6].port") && nproblems(o) == 4
       && !o->ports[2].closed && o->ports[3].closed && o->ports[4].closed
       && o->ports[5].closed && o->ports[6].closed, "ports that are none");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_SERVICE, "{" META ",'spec':{'clusterIPs':['None'],"
             "'ipFamilies':'IPv4','ports':null}}");
    ok(o && is(&o->cluster_ip, "None") && o->family == 0 && o->nports == 0
       && is(&o->type, "ClusterIP"), "a headless Service with nothing else");
    ngx_k8s_object_free(&o->object);
}


static void
slice(void)
{
    ngx_k8s_slice_endpoint_t  *e;
    ngx_k8s_endpoint_slice_t  *o;

    o = make(NGX_K8S_ENDPOINT_SLICE,
        "{'metadata':{'name':'s','namespace':'n','labels':{"
        "'kubernetes.io/service-name':'web'}},'addressType':'IPv4',"
        "'ports':[{'name':'http','port':8080},{'name':null,'port':null,"
        "'protocol':null}],'endpoints':["
        "{'addresses':['10.1.0.1','10.1.0.2'],'zone':'z1','nodeName':'n1',"
        "'hints':{'forZones':[{'name':'z1'},{'name':'z2'}]},"
        "'targetRef':{'uid':'p1'}},"
        "{'addresses':['10.1.0.3'],'conditions':{'ready':false},'zone':'z1'},"
        "{'addresses':['10.1.0.4'],'conditions':{'ready':false,'serving':true,"
        "'terminating':true}},"
        "{'addresses':['10.1.0.5'],'conditions':{'ready':null},"
        "'deprecatedTopology':{'topology.kubernetes.io/zone':'z9',"
        "'kubernetes.io/hostname':'h9'}},"
        "{'addresses':null},{'addresses':[5]},null,"
        "{'addresses':['10.1.0.6'],'conditions':'x','hints':[]}]}");

    e = o->endpoints.elts;
    ok(o && is(&o->service, "web") && o->family == 4 && o->nports == 2
       && o->ports[0].port == 8080 && is(&o->ports[0].protocol, "TCP")
       && o->ports[1].port == 0 && o->ports[1].name.len == 0
       && is(&o->ports[1].protocol, "TCP"), "an EndpointSlice is read");
    ok(o->endpoints.nelts == 5 && is(&e[0].address, "10.1.0.1")
       && is(&e[0].zone, "z1") && is(&e[0].hints, "z1,z2")
       && is(&e[0].node, "n1") && is(&e[0].target, "p1"), "an endpoint");
    ok(e[0].ready && e[0].serving && !e[0].terminating,
       "conditions that are absent");
    ok(!e[1].ready && !e[1].serving && e[1].zone.data == e[0].zone.data,
       "not ready, so not serving; its zone is kept once");
    ok(!e[2].ready && e[2].serving && e[2].terminating, "terminating");
    ok(e[3].ready && is(&e[3].zone, "z9") && is(&e[3].node, "h9"),
       "the deprecated topology");
    ok(!e[4].ready && !e[4].serving && is(&e[4].address, "10.1.0.6")
       && problem(o, 0, "endpoints[4].addresses")
       && problem(o, 1, "endpoints[5].addresses")
       && problem(o, 2, "endpoints[6]")
       && problem(o, 3, "endpoints[7].conditions")
       && problem(o, 4, "endpoints[7].hints"), "endpoints that are none");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_ENDPOINT_SLICE, "{" META ",'addressType':'FQDN',"
             "'endpoints':null,'ports':null}");
    ok(o && o->family == 0 && nproblems(o) == 0 && o->endpoints.nelts == 0
       && o->service.len == 0, "names instead of addresses");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_ENDPOINT_SLICE, "{" META ",'addressType':'IPv4',"
             "'ports':80,'endpoints':[{'addresses':['10.1.0.1']}]}");
    ok(o && o->family == 0 && problem(o, 0, "ports"), "ports that are no list");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_ENDPOINT_SLICE, "{" META ",'addressType':'IPv4',"
             "'ports':[{'name':5,'port':80},{'port':'80'},{'port':80,"
             "'protocol':'HTTP'},null],'endpoints':[{'addresses':["
             "'10.1.0.1'],'conditions':{'ready':'false'}}]}");
    e = o->endpoints.elts;
    ok(o && o->nports == 4 && o->ports[0].closed && o->ports[1].closed
       && o->ports[2].closed && o->ports[3].closed && nproblems(o) == 5
       && !e[0].ready && !e[0].serving, "ports and conditions of odd types");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_ENDPOINT_SLICE, "{" META ",'addressType':'IPv5'}");
    ok(o && o->family == 0 && problem(o, 0, "addressType"),
       "an unknown family");
    ngx_k8s_object_free(&o->object);
}


static ngx_str_t *
key(ngx_k8s_secret_t *secret, const char *name)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    kv = secret->data->elts;

    for (i = 0; i < secret->data->nelts; i++) {
        if (is(&kv[i].key, name)) {
            return &kv[i].value;
        }
    }

    return NULL;
}


static void
secret(void)
{
    json_t            *json;
    ngx_k8s_secret_t  *o;

    o = make(NGX_K8S_SECRET,
        "{" META ",'type':'kubernetes.io/tls','data':{'a':'','b':'YQ==',"
        "'c':'YWI=','d':'YWJj','e':'YW\\r\\nJj\\nZA==','f':'/+8=','x':'YQ=',"
        "'y':'Y!==','z':'YQ==YQ==','n':null,'i':5,'o':'b2xk'},"
        "'stringData':{'o':'new','p':'plain'}}");
    ok(o && is(&o->type, "kubernetes.io/tls"), "a Secret is read");
    ok(is(key(o, "a"), "") && is(key(o, "b"), "a") && is(key(o, "c"), "ab")
       && is(key(o, "d"), "abc") && is(key(o, "e"), "abcd")
       && is(key(o, "f"), "\xff\xef"), "base64 of each length");
    ok(is(key(o, "o"), "new") && is(key(o, "p"), "plain"),
       "stringData goes before data");
    ok(is(key(o, "x"), BASE64) && is(key(o, "y"), BASE64)
       && is(key(o, "z"), BASE64) && is(key(o, "n"), "")
       && is(key(o, "i"), UNREAD) && nproblems(o) == 4
       && problem(o, 0, "data.x") && problem(o, 1, "data.y")
       && problem(o, 2, "data.z") && problem(o, 3, "data.i"),
       "values that are none");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_SECRET, "{" META ",'data':{'auth':'YQ=='},'stringData':"
             "['auth']}");
    ok(o->data == NULL && problem(o, 0, "stringData"),
       "nothing of a Secret with a map that is none");
    ngx_k8s_object_free(&o->object);

    o = make(NGX_K8S_SECRET, "{" META ",'data':null}");
    ok(o && o->data == NULL && is(&o->type, "Opaque"), "an empty Secret");
    ngx_k8s_object_free(&o->object);

    json = json_pack("{s:{s:s}}", "data", "k", "c2VjcmV0");
    ngx_k8s_secret_wipe(json);
    ok(json_string_value(json_object_get(json_object_get(json, "data"),
                                         "k"))[3] == '\0',
       "a Secret's JSON is wiped");
    json_decref(json);
}


static void
others(void)
{
    ngx_keyval_t             *kv;
    ngx_k8s_object_t         *ns;
    ngx_k8s_ingress_class_t  *class;

    class = make(NGX_K8S_INGRESS_CLASS, "{'metadata':{'name':'nginx'},"
                 "'spec':{'controller':'k8s.io/ingress-nginx'}}");
    ok(class && is(&class->controller, "k8s.io/ingress-nginx")
       && class->object.namespace.len == 0, "an IngressClass is read");
    ngx_k8s_object_free(&class->object);

    ns = make(NGX_K8S_NAMESPACE, "{'metadata':{'name':'n','namespace':7,"
              "'labels':{'a':'b','c':1}}}");
    kv = ns->labels->elts;
    ok(ns && ns->labels->nelts == 2 && is(&kv[0].value, "b")
       && is(&kv[1].value, UNREAD) && problem(ns, 0, "metadata.labels.c"),
       "a Namespace is read");
    ngx_k8s_object_free(ns);

    ns = make(NGX_K8S_NAMESPACE, "{'metadata':{'name':'n','labels':null}}");
    ok(ns && ns->labels == NULL, "no labels");
    ngx_k8s_object_free(ns);
}


static void
refusals(void)
{
    ngx_uint_t   i;

    static const char  *texts[] = {
        "[]", "{}", "{'metadata':null}", "{'metadata':{'namespace':'n'}}",
        "{'metadata':{'name':'','namespace':'n'}}",
        "{'metadata':{'name':'A','namespace':'n'}}",
        "{'metadata':{'name':'a..b','namespace':'n'}}",
        "{'metadata':{'name':'a.','namespace':'n'}}",
        "{'metadata':{'name':'-a','namespace':'n'}}",
        "{'metadata':{'name':'a-','namespace':'n'}}",
        "{'metadata':{'name':'a-.b','namespace':'n'}}",
        "{'metadata':{'name':'a/b','namespace':'n'}}",
        "{'metadata':{'name':'a\\u0000','namespace':'n'}}",
        "{'metadata':{'name':'a','namespace':''}}",
        "{'metadata':{'name':'a','namespace':'n.m'}}",
        "{'metadata':{'name':'a'}}",
        "{'kind':'Secret','metadata':{'name':'a','namespace':'n'}}",
        NULL
    };

    for (i = 0; texts[i]; i++) {
        ok(make(NGX_K8S_INGRESS, texts[i]) == NULL
           && refused.code == NGX_K8S_PROBLEM_INVALID_OBJECT
           && refused.message.len, "refused: %s", texts[i]);
    }
}


static void
times(void)
{
    ngx_uint_t  i;
    ngx_str_t   s;

    static struct {
        const char  *text;
        time_t       time;
    } t[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2000-03-01T00:00:00Z", 951868800 },
        { "2024-12-31T23:59:59Z", 1735689599 },
        { "2024-12-31T23:59:59.123456Z", 1735689599 },
        { "2024-06-01T02:00:00+02:00", 1717200000 },
        { "2024-05-31T22:30:00-01:30", 1717200000 },
        { "2023-02-29T00:00:00Z", NGX_ERROR },
        { "2024-13-01T00:00:00Z", NGX_ERROR },
        { "2024-01-01 00:00:00Z", NGX_ERROR },
        { "2024-01-01T00:00:00", NGX_ERROR },
        { "2024-01-01T00:00:00Zx", NGX_ERROR },
        { "2024-01-01T00:00:00.", NGX_ERROR },
        { "2024-01-01T00:00:00+1", NGX_ERROR },
        { "", NGX_ERROR },
        { NULL, 0 }
    };

    for (i = 0; t[i].text; i++) {
        s.data = (u_char *) t[i].text;
        s.len = strlen(t[i].text);
        ok(ngx_k8s_time(&s) == t[i].time, "time \"%s\"", t[i].text);
    }
}


static void
problems(void)
{
    ngx_uint_t           i;
    ngx_k8s_problem_t   *p;
    ngx_k8s_service_t   *o;

    o = make(NGX_K8S_SERVICE, "{" META "}");

    ngx_k8s_object_problem(&o->object, NGX_K8S_PROBLEM_PORT_NOT_FOUND, "a\nb",
                           "port %ui of \"%V\"\r", (ngx_uint_t) 80,
                           &o->object.name);
    p = o->object.problems->elts;
    ok(p[0].code == NGX_K8S_PROBLEM_PORT_NOT_FOUND && is(&p[0].field, "a?b")
       && is(&p[0].message, "port 80 of \"a\"?"),
       "a problem is formatted, without control characters");

    for (i = 0; i < 100; i++) {
        ngx_k8s_object_problem(&o->object, 0, "", "x");
    }
    ok(o->object.problems->nelts == 32, "problems of an object are bounded");

    ngx_k8s_object_free(&o->object);
}


static u_char
differs(ngx_uint_t kind, json_t *json, u_char *digest)
{
    u_char             rc;
    ngx_k8s_object_t  *object;

    object = ngx_k8s_object_from_json(kind, json, pool, &refused, &unit_log);

    rc = (memcmp(object->digest, digest, NGX_K8S_DIGEST) != 0);

    ngx_k8s_object_free(object);

    return rc;
}


/* how many of the leaves below "json" may change without a new digest */

static ngx_uint_t
blind(ngx_uint_t kind, json_t *root, json_t *json, u_char *digest,
    ngx_uint_t *leaves)
{
    void        *tmp;
    json_t      *value, *old;
    size_t       i;
    ngx_uint_t   n;
    const char  *key;

    n = 0;

    json_object_foreach_safe(json, tmp, key, value) {

        if (json_is_object(value) || json_is_array(value)) {
            n += blind(kind, root, value, digest, leaves);
        }

        old = json_incref(value);
        json_object_set_new(json, key, json_string("other"));
        n += !differs(kind, root, digest);
        json_object_set_new(json, key, old);
        (*leaves)++;
    }

    for (i = 0; i < json_array_size(json); i++) {
        value = json_array_get(json, i);

        if (json_is_object(value) || json_is_array(value)) {
            n += blind(kind, root, value, digest, leaves);
        }

        old = json_incref(value);
        json_array_set_new(json, i, json_string("other"));
        n += !differs(kind, root, digest);
        json_array_set_new(json, i, old);
        (*leaves)++;
    }

    return n;
}


/* whether a ConfigMap has this value; NULL: has none */

static ngx_uint_t
config(ngx_k8s_object_t *object, const char *key, const char *value)
{
    ngx_str_t  k, *v;

    k.data = (u_char *) key;
    k.len = strlen(key);

    v = ngx_k8s_config_map_value((ngx_k8s_config_map_t *) object, &k);

    return value ? v && v->len == strlen(value)
                   && memcmp(v->data, value, v->len) == 0
                 : v == NULL;
}


static void
config_map(void)
{
    char              *text, key[16];
    json_t            *json, *data;
    ngx_uint_t         i;
    ngx_k8s_object_t  *o;

    o = make(NGX_K8S_CONFIG_MAP, "{" META ",'data':{'z':'last','use-http2':"
             "'true','empty':'','both':'text','number':8,'flag':true,'none':"
             "null},'binaryData':{'bin':'YWI=','both':'YWJj','bad':'***',"
             "'num':8}}");

    ok(config(o, "use-http2", "true") && config(o, "z", "last")
       && config(o, "empty", "") && config(o, "bin", "ab"),
       "values of a ConfigMap");
    ok(config(o, "both", "text"), "data goes before binaryData");
    ok(((ngx_k8s_config_map_t *) o)->data->nelts == 10
       && config(o, "number", UNREAD) && config(o, "flag", UNREAD)
       && config(o, "none", "") && config(o, "num", UNREAD)
       && config(o, "bad", "\177is not in base64")
       && config(o, "", NULL) && config(o, "zz", NULL), "and no others");
    ok(nproblems(o) == 0, "what is none is said by who uses it");
    ngx_k8s_object_free(o);

    o = make(NGX_K8S_CONFIG_MAP, "{" META ",'immutable':true}");
    ok(nproblems(o) == 0 && config(o, "a", NULL), "a ConfigMap without data");
    ngx_k8s_object_free(o);

    /* more than is read of one: the others are there */

    json = load("{" META ",'data':{}}");
    data = json_object_get(json, "data");

    text = malloc(NGX_K8S_CONFIG_VALUE + 2);
    memset(text, 'x', NGX_K8S_CONFIG_VALUE + 1);
    text[NGX_K8S_CONFIG_VALUE + 1] = '\0';
    json_object_set_new(data, "long", json_string(text));
    text[NGX_K8S_CONFIG_VALUE] = '\0';
    json_object_set_new(data, "fits", json_string(text));

    o = ngx_k8s_object_from_json(NGX_K8S_CONFIG_MAP, json, pool, &refused,
                                 &unit_log);
    ok(config(o, "fits", text) && config(o, "long", "\177is too long"),
       "a value that is too long");
    ngx_k8s_object_free(o);

    for (i = 0; i < 2000; i++) {
        sprintf(key, "k%04u", (unsigned) i);
        json_object_set_new(data, key, json_string("v"));
    }

    o = ngx_k8s_object_from_json(NGX_K8S_CONFIG_MAP, json, pool, &refused,
                                 &unit_log);
    ok(((ngx_k8s_config_map_t *) o)->data->nelts == 1
       && config(o, "", "\177has too many keys"), "too many keys");
    ngx_k8s_object_free(o);

    json_decref(json);
    free(text);
}


#define CLASS_OF(parameters)                                                  \
    "{'metadata':{'name':'a'},'spec':{'parameters':{" parameters "}}}"


/* whether an object says that it cannot be read in full */

static ngx_uint_t
unread(ngx_k8s_object_t *o)
{
    ngx_uint_t     i;
    ngx_array_t   *a;
    ngx_keyval_t  *kv;

    switch (o->kind) {

    case NGX_K8S_INGRESS_CLASS:
        return ((ngx_k8s_ingress_class_t *) o)->unread;

    case NGX_K8S_CONFIG_MAP:
        a = ((ngx_k8s_config_map_t *) o)->data;
        break;

    case NGX_K8S_NAMESPACE:
        a = o->labels;
        break;

    default:
        a = o->annotations;
    }

    kv = a ? a->elts : NULL;

    for (i = 0; a && i < a->nelts; i++) {
        if (kv[i].value.len > 1 && kv[i].value.data[0] == 0x7f) {
            return 1;
        }
    }

    return 0;
}


/*
 * All that holds others, or says where they are, and may protect: of no other
 * type is it as if it was not there.
 */

static void
containers(void)
{
    char               text[512];
    ngx_uint_t         i, j, known;
    ngx_k8s_object_t  *o;

    static struct {
        ngx_uint_t     kind;
        const char    *format;
        const char    *strings;    /* whether a text is one */
    } fields[] = {
        { NGX_K8S_INGRESS, "{'metadata':{'name':'a','namespace':'b',"
          "'annotations':%s},'spec':{}}", NULL },
        { NGX_K8S_NAMESPACE, "{'metadata':{'name':'a','labels':%s}}", NULL },
        { NGX_K8S_CONFIG_MAP, "{" META ",'data':%s}", NULL },
        { NGX_K8S_CONFIG_MAP, "{" META ",'data':{'z':'b'},'binaryData':%s}",
          NULL },
        { NGX_K8S_INGRESS_CLASS, "{'metadata':{'name':'a'},'spec':%s}", NULL },
        { NGX_K8S_INGRESS_CLASS, "{'metadata':{'name':'a'},'spec':{"
          "'parameters':%s}}", NULL },
        { NGX_K8S_INGRESS_CLASS, CLASS_OF("'apiGroup':%s,'kind':'ConfigMap',"
          "'namespace':'a','name':'b'"), "" },
        { NGX_K8S_INGRESS_CLASS, CLASS_OF("'kind':%s,'namespace':'a',"
          "'name':'b'"), "" },
        { NGX_K8S_INGRESS_CLASS, CLASS_OF("'kind':'ConfigMap','namespace':%s,"
          "'name':'b'"), "" },
        { NGX_K8S_INGRESS_CLASS, CLASS_OF("'kind':'ConfigMap','namespace':'a',"
          "'name':%s"), "" },
    };

    static const char  *values[] = { "'text'", "[]", "['a']", "[{'a':'b'}]",
                                     "7", "0.5", "true", "false", "{'a':1}" };

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {

        for (j = 0; j < sizeof(values) / sizeof(values[0]); j++) {

            if (fields[i].strings ? j == 0 : j == 8 && i > 3) {
                continue;
            }

            snprintf(text, sizeof(text), fields[i].format, values[j]);
            o = make(fields[i].kind, text);

            known = unread(o);
            ok(known, "%s", text);

            ngx_k8s_object_free(o);
        }
    }
}


/* each change of what is asked for changes the digest, nothing else does */

static void
digests(void)
{
    char              *copy, *p;
    json_t            *json, *meta;
    ngx_uint_t         i, n, leaves;
    ngx_k8s_object_t  *object;

    static char  *objects[NGX_K8S_KINDS] = {
        ("{'spec':{'ingressClassName':'nginx','defaultBackend':{'service':{"
         "'name':'d','port':{'number':80}}},'rules':[{'host':'a.example','http'"
         ":{'paths':[{'path':'/x','pathType':'Exact','backend':{'service':{"
         "'name':'s','port':{'name':'http'}}}}]}}],'tls':[{'hosts':['a','b'],"
         "'secretName':'t'}]}}"),
        ("{'spec':{'controller':'c','parameters':{'name':'p'}}}"),
        ("{'spec':{'type':'NodePort','clusterIP':'10.0.0.1','clusterIPs':["
         "'10.0.0.1'],'ipFamilies':['IPv4'],'externalIPs':['1.2.3.4'],"
         "'externalName':'x','ports':[{'name':'http','port':80,'targetPort':"
         "'web','protocol':'TCP','appProtocol':'h2c'},{'port':81.5}]}}"),
        ("{'addressType':'IPv4','ports':[{'name':'http','port':80}],"
         "'endpoints':[{'addresses':['10.0.0.1'],'conditions':{'ready':true,"
         "'serving':null},'zone':'z','hints':{'forZones':[{'name':'z'}]},"
         "'targetRef':{'uid':'u'},'deprecatedTopology':{'x':'y'}},null]}"),
        ("{'type':'kubernetes.io/tls','data':{'tls.crt':'YQ==','tls.key':"
         "'Yg=='}}"),
        ("{'spec':{}}"),
        ("{'data':{'a':'1','b':''},'binaryData':{'c':'Yg=='},'immutable':"
         "true}")
    };

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        copy = strdup(objects[i]);

        for (p = copy; *p; p++) {
            *p = (*p == '\'') ? '"' : *p;
        }

        json = json_loads(copy, 0, NULL);
        meta = json_pack("{s:s,s:s,s:s,s:s,s:{s:s}}", "name", "a", "namespace",
                         "n", "uid", "u", "creationTimestamp",
                         "2026-01-01T00:00:00Z", "labels", "l", "v");

        if (ngx_k8s_kinds[i].annotations) {
            json_object_set_new(meta, "annotations",
                                json_pack("{s:s}", "k", "v"));
        }

        json_object_set_new(json, "metadata", meta);

        object = ngx_k8s_object_from_json(i, json, pool, &refused, &unit_log);

        leaves = 0;
        n = 0;

        if (ngx_k8s_kinds[i].body) {
            n = blind(i, json, json_object_get(json, "spec"), object->digest,
                      &leaves)
                + blind(i, json, json_object_get(json, "endpoints"),
                        object->digest, &leaves)
                + blind(i, json, json_object_get(json, "ports"),
                        object->digest, &leaves)
                + blind(i, json, json_object_get(json, "data"),
                        object->digest, &leaves)
                + blind(i, json, json_object_get(json, "binaryData"),
                        object->digest, &leaves);
        }

        n += blind(i, json, json_object_get(json_object_get(json, "metadata"),
                                            "labels"),
                   object->digest, &leaves)
             + blind(i, json, json_object_get(json_object_get(json,
                                              "metadata"), "annotations"),
                     object->digest, &leaves);

        ok(n == 0 && leaves > 0, "%s: %u members, each changes the digest",
           ngx_k8s_kinds[i].name.data, (unsigned) leaves);

        meta = json_object_get(json, "metadata");
        json_object_set_new(meta, "resourceVersion", json_string("7"));
        json_object_set_new(meta, "generation", json_integer(7));
        json_object_set_new(meta, "managedFields", json_pack("[{}]"));
        json_object_set_new(json, "status", json_pack("{s:i}", "a", 1));
        ok(!differs(i, json, object->digest),
           "and its status and versions do not");

        ngx_k8s_object_free(object);
        json_decref(json);
        free(copy);
    }
}


/* an object is written, read again, and written the same */

static void
written(void)
{
    ngx_k8s_write_t     w;
    u_char            *one, *two;
    json_t            *json, *again;
    ngx_uint_t         i;
    ngx_k8s_object_t  *object;

#define HEAD  "{'metadata':{'name':'a','namespace':'n','uid':'u',"            \
              "'creationTimestamp':'2024-02-29T01:02:03Z'"

    static struct {
        ngx_uint_t   kind;
        ngx_uint_t   exact;      /* what is written is the text */
        const char  *text;
    } t[] = {

        { NGX_K8S_INGRESS, 1, HEAD ",'annotations':{'k':'v','':''}},'spec':{"
          "'ingressClassName':'','defaultBackend':{'service':{'name':'s',"
          "'port':{'number':80}}},'rules':[{'host':'h','http':{'paths':["
          "{'path':'/','pathType':'Exact','backend':{'service':{'name':'s',"
          "'port':{'name':'p'}}}},{'path':'','pathType':"
          "'ImplementationSpecific','backend':{'resource':{}}},"
          "{'path':'/b','pathType':'Prefix','backend':{'service':{'name':'x',"
          "'port':{'number':1}}}}]}},{'host':'no'},{}],"
          "'tls':[{'hosts':['h','i'],'secretName':'t'},{'hosts':[]}]}}" },

        { NGX_K8S_INGRESS, 1, HEAD "},'spec':{'ingressClassName':false,"
          "'rules':[{'host':false},{'host':'h','http':{'paths':[{'path':false,"
          "'pathType':'Exact','backend':{'service':{'name':'s','port':{"
          "'number':false}}}}]}}],'tls':[]}}" },

        { NGX_K8S_INGRESS, 0, HEAD "},'spec':{'ingressClassName':1,"
          "'defaultBackend':[],'rules':[1,{'http':{}},{'http':{'paths':[1,{},"
          "{'path':'/','pathType':'exact','backend':{'service':{'name':'s',"
          "'port':{'number':'80'}}}}]}}],'tls':[1]}}" },

        { NGX_K8S_INGRESS, 0, HEAD "},'spec':{'rules':1}}" },
        { NGX_K8S_INGRESS, 0, HEAD "}}" },

        { NGX_K8S_INGRESS_CLASS, 1, "{'metadata':{'name':'a'},'spec':{"
          "'controller':'c'}}" },

        { NGX_K8S_INGRESS_CLASS, 1, "{'metadata':{'name':'a'},'spec':{"
          "'controller':'c','parameters':{'kind':'ConfigMap','namespace':'n',"
          "'name':'p'}}}" },

        { NGX_K8S_INGRESS_CLASS, 1, "{'metadata':{'name':'a','annotations':{"
          "'ingressclass.kubernetes.io/is-default-class':'true'}},'spec':{"
          "'controller':'c'}}" },

        { NGX_K8S_SERVICE, 1, HEAD "},'spec':{'type':'ClusterIP','clusterIP':"
          "'None','externalName':'e','externalIPs':['1.1.1.1','::1'],"
          "'ipFamilies':['IPv6'],'ports':[{'name':'p','protocol':'UDP',"
          "'appProtocol':'h2c','port':1,'targetPort':2},{'protocol':'TCP',"
          "'port':3,'targetPort':'t'},{'protocol':'TCP','port':4},"
          "{'protocol':'TCP','port':5,'targetPort':false}]}}" },

        { NGX_K8S_SERVICE, 0, HEAD "},'spec':{'type':1,'clusterIPs':['9.9.9.9'"
          "],'ports':[{},1,{'port':'x'},{'port':1,'protocol':'x'}]}}" },

        { NGX_K8S_ENDPOINT_SLICE, 1, HEAD ",'labels':{"
          "'kubernetes.io/service-name':'s'}},'addressType':'IPv4','ports':[{"
          "'name':'p','protocol':'TCP','appProtocol':'h','port':80},{'name':''"
          ",'protocol':'SCTP'},{'protocol':'TCP','port':false}],'endpoints':[{"
          "'addresses':['1.1.1.1'],'conditions':{'ready':true,'serving':true,"
          "'terminating':false},'zone':'z','nodeName':'n','targetRef':{'uid':"
          "'u'},'hints':{'forZones':[{'name':'z'},{'name':'y'}]}},{'addresses':"
          "['1.1.1.2'],'conditions':{'ready':false,'serving':true,"
          "'terminating':true}}]}" },

        { NGX_K8S_ENDPOINT_SLICE, 0, HEAD "},'addressType':'FQDN','ports':[1],"
          "'endpoints':[{},{'addresses':['a','b']},{'addresses':['c'],"
          "'conditions':{'ready':1}}]}" },

        { NGX_K8S_NAMESPACE, 1, "{'metadata':{'name':'a',"
          "'labels':{'a':'b'}}}" },

        { NGX_K8S_SECRET, 0, HEAD "},'data':{'a':'YWJj'}}" },

        { NGX_K8S_CONFIG_MAP, 1, HEAD "},'data':{'a':'1','b':''},"
          "'binaryData':{'c':'/w=='}}" },

        { NGX_K8S_CONFIG_MAP, 0, HEAD "},'data':{'a':true,'b':'\\u0000'}}" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        object = make(t[i].kind, t[i].text);
        one = ngx_k8s_object_write(object);

        ngx_k8s_write_begin(&w, object);

        while (ngx_k8s_write_run(&w, 1) == NGX_AGAIN) { /* void */ }

        ok(w.text && strcmp((char *) one, (char *) w.text) == 0
           && w.len == strlen((char *) one), "in pieces as at once");

        ngx_k8s_write_end(&w);
        ngx_k8s_object_free(object);

        json = json_loads((char *) one, JSON_ALLOW_NUL, NULL);
        object = ngx_k8s_object_from_json(t[i].kind, json, pool, &refused,
                                          &unit_log);
        two = ngx_k8s_object_write(object);
        ngx_k8s_object_free(object);

        again = load(t[i].text);

        ok(strcmp((char *) one, (char *) two) == 0
           && (!t[i].exact || json_equal(json, again))
           && !strstr((char *) one, "YWJj") && !strstr((char *) one, "abc"),
           "%s, %s: %.200s", ngx_k8s_kinds[t[i].kind].name.data,
           t[i].exact ? "exactly" : "the same", one);

        json_decref(json);
        json_decref(again);
        free(one);
        free(two);
    }
}


/* maps are written in pieces as lists are, in UTF-8 or not */

static void
maps(void)
{
    char              *text, *p;
    json_t            *json, *again;
    ngx_uint_t         i, n, pieces;
    ngx_k8s_write_t    w;
    ngx_k8s_object_t  *object;

    static struct {
        ngx_uint_t   kind;
        const char  *head, *pair, *tail;
    } t[] = {
        { NGX_K8S_INGRESS, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
          "\"a\",\"annotations\":{", "\"k%u\":\"\\\"v\xc3\xa9\"",
          "}},\"spec\":{\"rules\":[],\"tls\":[]}}" },
        { NGX_K8S_CONFIG_MAP, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
          "\"a\"},\"data\":{", "\"k%u\":\"\xf0\x9f\x98\x80\"",
          "},\"binaryData\":{}}" },
        { NGX_K8S_CONFIG_MAP, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
          "\"a\"},\"data\":{},\"binaryData\":{", "\"k%u\":\"7aCA\"", "}}" }
    };

    text = malloc(64 * 1024);

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        p = text + sprintf(text, "%s", t[i].head);

        for (n = 0; n < 1000; n++) {
            *p = ',';
            p += (n != 0);
            p += sprintf(p, t[i].pair, (unsigned) n);
        }

        strcpy(p, t[i].tail);

        json = json_loads(text, 0, NULL);
        object = ngx_k8s_object_from_json(t[i].kind, json, pool, &refused,
                                          &unit_log);

        ngx_k8s_write_begin(&w, object);

        for (pieces = 1; ngx_k8s_write_run(&w, 100) == NGX_AGAIN; pieces++) {
            /* void */
        }

        again = json_loads((char *) w.text, 0, NULL);

        ok(pieces > 10 && json_equal(json, again),
           "a map of %s in %u pieces", ngx_k8s_kinds[t[i].kind].name.data,
           (unsigned) pieces);

        ngx_k8s_write_end(&w);
        ngx_k8s_object_free(object);
        json_decref(json);
        json_decref(again);
    }

    free(text);
}


int
main(int argc, char **argv)
{
    unit_init();

    pool = ngx_create_pool(4096, &unit_log);

    tables();
    ingress();
    service();
    slice();
    secret();
    config_map();
    containers();
    others();
    digests();
    written();
    maps();
    refusals();
    times();
    problems();

    ngx_destroy_pool(pool);

    return done();
}
