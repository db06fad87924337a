
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Canaries: which requests they get, exactly, and what becomes of the paths of
 * others when they come, change and go.
 */


#include <ngx_k8s_compile_state.h>
#include "k8s.h"
#include <ngx_k8s_router.h>


#define INGRESS(name, time, annotations, host, paths)                         \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','annotations':{" annotations "},"      \
    "'creationTimestamp':'2026-01-01T00:00:" time "Z'},'spec':{'rules':[{"    \
    "'host':'" host "','http':{'paths':[" paths "]}}]}}"

#define PATH(path, svc)                                                       \
    "{'path':'" path "','pathType':'Prefix','backend':{'service':{'name':'"   \
    svc "','port':{'number':80}}}}"

#define SERVICE(name)                                                         \
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d','name':" \
    "'" name "'},'spec':{'ports':[{'port':80,'targetPort':3000}]}}"

#define SLICE(svc, ready)                                                     \
    "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{" \
    "'namespace':'d','name':'" svc "','labels':{"                             \
    "'kubernetes.io/service-name':'" svc "'}},'addressType':'IPv4',"          \
    "'ports':[{'port':3000,'protocol':'TCP'}],'endpoints':["                  \
    "{'addresses':['10.0.0.1'],'conditions':{'ready':" ready "}}]}"

#define OURS        "'nginx.ingress.kubernetes.io/"
#define CANARY      OURS "canary':'true'"
#define WEIGHT(n)   CANARY "," OURS "canary-weight':'" n "'"
#define REGEX       OURS "use-regex':'true'"
#define DRAWS       1000000
#define MOST        16      /* of a path */


static char  *header, *cookie;


static ngx_int_t
value(void *data, ngx_uint_t what, ngx_str_t *name, ngx_str_t *v)
{
    char  *s;

    s = (what == NGX_K8S_PREDICATE_HEADER && name->data[0] == 'x') ? header
        : (what == NGX_K8S_PREDICATE_COOKIE) ? cookie : NULL;

    if (s == NULL) {
        return NGX_DECLINED;
    }

    *v = k8s_str(s);

    return NGX_OK;
}


static ngx_int_t
regex(void *data, ngx_uint_t what, ngx_str_t *pattern, ngx_str_t *text)
{
    return ngx_strlcasestrn(text->data, text->data + text->len, pattern->data,
                            pattern->len - 1)
           ? NGX_OK : NGX_DECLINED;
}


/* the Service of a path by a random number */

static char *
draw(k8s_t *k, char *path, uint32_t random)
{
    ngx_str_t               name;
    ngx_uint_t              status;
    ngx_k8s_route_t         r;
    ngx_k8s_route_key_t     key;
    ngx_k8s_backend_rec_t  *backend;
    ngx_k8s_service_rec_t  *svc;

    static char      answer[64];
    static uint32_t  set;

    ngx_memzero(&key, sizeof(ngx_k8s_route_key_t));

    key.sets = &set;
    key.nsets = 1;
    key.host = k8s_str("h");
    key.path = k8s_str(path);
    key.method = k8s_str("GET");
    key.value = value;
    key.regex = regex;

    if (ngx_k8s_route(k->table, &key, &r) != NGX_OK) {
        return "none";
    }

    if (r.action->kind != NGX_K8S_ACTION_BACKENDS) {
        return "status";
    }

    backend = ngx_k8s_route_backend(&r, random);

    if (backend->flags & NGX_K8S_BACKEND_CANARY) {
        backend = ngx_k8s_route_canary(k->table, &r, backend);
    }

    svc = ngx_k8s_route_service(k->table, backend, &status);

    if (svc == NULL) {
        return "503";
    }

    ngx_k8s_record_str(svc, &svc->name, &name);
    sprintf(answer, "%.*s", (int) name.len, name.data);

    return answer;
}


static void
goes(k8s_t *k, char *h, char *c, char *to)
{
    char  *got;

    header = h;
    cookie = c;
    got = draw(k, "/x", 99);

    ok(strcmp(got, to) == 0, "header %s cookie %s goes to %s, is %s",
       h ? h : "-", c ? c : "-", to, got);

    header = NULL;
    cookie = NULL;
}


/* how many of "n" draws, one of each number, go to a Service */

static ngx_uint_t
share(k8s_t *k, char *svc, ngx_uint_t n)
{
    ngx_uint_t  i, hits;

    hits = 0;

    for (i = 0; i < n; i++) {
        hits += (strcmp(draw(k, "/x", i), svc) == 0);
    }

    return hits;
}


static ngx_uint_t  tries;


static ngx_int_t
check(ngx_str_t *pattern, ngx_str_t *error, ngx_log_t *log)
{
    tries++;
    error->len = 0;

    return (pattern->data[0] == '(') ? NGX_DECLINED : NGX_OK;
}


/* n paths "/x<i><behind>" of a host, from "first" on */

static void
put_paths(k8s_t *k, char *host, ngx_uint_t first, ngx_uint_t n, char *behind,
    char *name, ngx_uint_t sec, char *annotations)
{
    char        *p, *text;
    ngx_uint_t   i;

    text = malloc(n * 256 + 32768);

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                       "'Ingress','metadata':{'namespace':'d','name':'%s',"
                       "'annotations':{%s},'creationTimestamp':"
                       "'2026-01-01T00:00:%02uZ'},'spec':{'rules':[{'host':"
                       "'%s','http':{'paths':[", name, annotations,
                       (unsigned) sec, host);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'path':'/x%u%s','pathType':'Exact','backend':{"
                     "'service':{'name':'%s','port':{'number':80}}}}",
                     i ? "," : "", (unsigned) (first + i), behind, name);
    }

    sprintf(p, "]}}]}}");
    k8s_put(k, text);
    free(text);
}


#define put_many(k, n, name, sec, annotations)                                \
    put_paths(k, "h", 0, n, "", name, sec, annotations)


/* patterns are tried once, records and values have a limit */

static void
test_many(void)
{
    k8s_t       k;
    char        name[16], *text;
    ngx_uint_t  i;

    k8s_conf(&k);
    k.conf.regex = check;
    k8s_open(&k);

    put_many(&k, 300, "main", 0, REGEX);

    text = malloc(32768);

    for (i = 1; i <= MOST; i++) {
        sprintf(name, "c%02u", (unsigned) i);
        sprintf(text, CANARY "," OURS "canary-by-header':'x-c'," OURS
                "canary-by-header-pattern':'%s%u'", i == 1 ? "(" : "p",
                (unsigned) i);
        put_many(&k, 300, name, i, text);
    }

    tries = 0;
    k8s_run(&k);
    ok(tries == MOST + 1, "%u patterns are tried, the bad one once more to "
       "tell", (unsigned) tries);
    ok(k8s_has(&k, "all of its paths 1024 at most"), "too many of a record");
    ok(k8s_has(&k, "(1\" is no regular"), "one is none");

    put_many(&k, 60, "main", 0, REGEX);
    tries = 0;
    k8s_run(&k);
    ok(tries <= 2, "not again, but to tell: %u", (unsigned) tries);
    ok(!k8s_has(&k, "all of its paths"), "not too many of less paths");

    for (i = 1; i <= MOST; i++) {
        sprintf(name, "c%02u", (unsigned) i);
        k8s_delete(&k, NGX_K8S_INGRESS, "d", name);
    }

    i = sprintf(text, CANARY "," OURS "canary-by-header':'x-c'," OURS
                "canary-by-header-value':'");
    memset(text + i, 'a', 8193);
    strcpy(text + i + 8193, "'");
    put_many(&k, 1, "b", 1, text);
    k8s_run(&k);
    ok(k8s_has(&k, "it is too long for a header"), "a long value");

    memmove(text + i, text + i + 1, 8194);
    put_many(&k, 1, "b", 1, text);
    k8s_run(&k);
    ok(!k8s_has(&k, "it is too long for a header"), "one that is not");

    free(text);
    k8s_close(&k);
}


/* an Ingress with patterns of its own, for one path */

static void
put_pattern(k8s_t *k, ngx_uint_t n, ngx_uint_t path)
{
    char  name[16], text[512];

    sprintf(name, "c%03u", (unsigned) n);
    sprintf(text, CANARY "," OURS "canary-by-header':'x-c'," OURS
            "canary-by-header-pattern':'p%u'", (unsigned) n);

    put_paths(k, "h", path, 1, "", name, 1, text);
}


static ngx_uint_t
count(k8s_t *k, const char *what)
{
    char        *p;
    ngx_uint_t   n;

    n = 0;

    for (p = strstr(k8s_dump(k), what); p; p = strstr(p + 1, what)) {
        n++;
    }

    return n;
}


#define LEFT  "\" of host \"h\" is left out"


/* patterns count as expressions: of a record, and of a namespace */

static void
test_patterns(void)
{
    k8s_t       k;
    char        name[16];
    ngx_uint_t  i;

    k8s_conf(&k);
    k.conf.regex = check;
    k.size = 32 * 1024 * 1024;
    k8s_open(&k);

    put_many(&k, 40, "main", 0, "");

    for (i = 0; i < 300; i++) {
        put_pattern(&k, i, i % 40);
    }

    k8s_run(&k);
    ok(k.compile->nexprs == 256, "%u patterns of a host",
       (unsigned) k.compile->nexprs);
    ok(count(&k, LEFT) == 44, "of %u others it is said",
       (unsigned) count(&k, LEFT));

    for (i = 0; i < 60; i++) {
        sprintf(name, "c%03u", (unsigned) i);
        k8s_delete(&k, NGX_K8S_INGRESS, "d", name);
    }

    k8s_run(&k);
    ok(k.compile->nexprs == 240, "%u of less", (unsigned) k.compile->nexprs);
    ok(count(&k, LEFT) == 0, "and all are served");

    /* with paths of the same namespace, which have come before */

    for (i = 60; i < 300; i++) {
        sprintf(name, "c%03u", (unsigned) i);
        k8s_delete(&k, NGX_K8S_INGRESS, "d", name);
    }

    for (i = 0; i < 9; i++) {
        sprintf(name, "r%u", (unsigned) i);
        put_paths(&k, name, i * 250, 250, ".", name, 0, REGEX);
    }

    put_many(&k, 200, "main", 0, "");
    k8s_run(&k);

    for (i = 0; i < 100; i++) {
        put_pattern(&k, i, i);
    }

    k8s_run(&k);
    ok(count(&k, LEFT) == 100, "%u of a namespace that has its share",
       (unsigned) count(&k, LEFT));

    for (i = 0; i < 3; i++) {
        sprintf(name, "r%u", (unsigned) i);
        k8s_delete(&k, NGX_K8S_INGRESS, "d", name);
    }

    k8s_run(&k);
    ok(count(&k, LEFT) == 0, "until there is room, %u",
       (unsigned) count(&k, LEFT));

    k8s_close(&k);
}


int
main(void)
{
    k8s_t       k;
    double      chi, d;
    ngx_uint_t  i, n, hits[26];
    char        text[2048], name[8];

    unit_init();

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, SERVICE("a"));
    k8s_put(&k, SERVICE("b"));
    k8s_put(&k, SERVICE("c"));
    k8s_put(&k, SLICE("a", "true"));
    k8s_put(&k, SLICE("b", "true"));
    k8s_put(&k, SLICE("c", "true"));

    /* alone it makes nothing, and says so */

    k8s_put(&k, INGRESS("can", "01", WEIGHT("30"), "h", PATH("/x", "b")));
    k8s_run(&k);
    goes(&k, NULL, NULL, "none");
    ok(k8s_has(&k, "no other object has the path"), "alone");

    k8s_put(&k, INGRESS("main", "02", "", "h", PATH("/x", "a")));
    k8s_run(&k);
    ok(!k8s_has(&k, "no other object has the path"), "not any more");
    ok(share(&k, "b", 100) == 30 && share(&k, "a", 100) == 70, "30 of 100");

    k8s_put(&k, INGRESS("can", "01", WEIGHT("0"), "h", PATH("/x", "b")));
    k8s_run(&k);
    ok(share(&k, "b", 1000) == 0, "none at 0");

    k8s_put(&k, INGRESS("can", "01", WEIGHT("100"), "h", PATH("/x", "b")));
    k8s_run(&k);
    ok(share(&k, "b", 1000) == 1000, "all at 100");

    k8s_put(&k, INGRESS("can", "01",
                        WEIGHT("250") "," OURS "canary-weight-total':'1000'",
                        "h", PATH("/x", "b")));
    k8s_run(&k);
    ok(share(&k, "b", 1000) == 250, "250 of 1000");

    k8s_put(&k, INGRESS("can", "01",
                        WEIGHT("25") "," OURS "canary-weight-total':'50'",
                        "h", PATH("/x", "b")));
    k8s_run(&k);
    ok(share(&k, "b", 100) == 25, "a total below 100 is 100");

    /* headers and cookies */

    k8s_put(&k, INGRESS("can", "01", CANARY "," OURS "canary-by-header':'X-C',"
                        OURS "canary-by-cookie':'c'",
                        "h", PATH("/x", "b")));
    k8s_run(&k);
    goes(&k, NULL, NULL, "a");
    goes(&k, "always", NULL, "b");
    goes(&k, "always", "never", "b");
    goes(&k, "never", "always", "a");
    goes(&k, "other", "always", "b");
    goes(&k, NULL, "always", "b");
    goes(&k, NULL, "never", "a");
    goes(&k, NULL, "odd", "a");

    k8s_put(&k, INGRESS("can", "01", CANARY "," OURS "canary-by-header':'X-C',"
                        OURS "canary-by-header-value':'me'," OURS
                        "canary-by-header-pattern':'o.*'", "h",
                        PATH("/x", "b")));
    k8s_run(&k);
    goes(&k, "me", NULL, "b");
    goes(&k, "always", NULL, "a");
    goes(&k, "never", NULL, "a");
    goes(&k, "other", NULL, "a");

    k8s_put(&k, INGRESS("can", "01", WEIGHT("100") "," OURS
                        "canary-by-header':'X-C'," OURS
                        "canary-by-header-pattern':'ot*'", "h",
                        PATH("/x", "b")));
    k8s_run(&k);
    goes(&k, "other", NULL, "b");
    goes(&k, "never", NULL, "b");

    k8s_put(&k, INGRESS("can", "01", WEIGHT("100") "," OURS
                        "canary-by-header':'X-C'", "h", PATH("/x", "b")));
    k8s_run(&k);
    goes(&k, "never", NULL, "a");
    goes(&k, "other", NULL, "b");

    /* endpoints */

    k8s_put(&k, SLICE("b", "false"));
    k8s_run(&k);
    goes(&k, "always", NULL, "a");
    goes(&k, NULL, NULL, "a");

    k8s_put(&k, SLICE("b", "true"));
    k8s_put(&k, SLICE("a", "false"));
    k8s_run(&k);
    goes(&k, "always", NULL, "503");
    goes(&k, NULL, NULL, "503");
    k8s_put(&k, SLICE("a", "true"));

    /* several: headers of all first, then one draw */

    k8s_put(&k, INGRESS("can", "01", WEIGHT("10"), "h", PATH("/x", "b")));
    k8s_put(&k, INGRESS("can2", "03", WEIGHT("20") "," OURS
                        "canary-by-header':'X-C'", "h", PATH("/x", "c")));
    k8s_run(&k);
    goes(&k, "always", NULL, "c");

    ngx_memzero(hits, sizeof(hits));
    srandom(42);

    for (i = 0; i < DRAWS; i++) {
        hits[draw(&k, "/x", random())[0] - 'a']++;
    }

    chi = 0;

    for (i = 0; i < 3; i++) {
        n = (i == 0) ? 70 : (i == 1) ? 10 : 20;
        d = (double) hits[i] - n * DRAWS / 100;
        chi += d * d / (n * DRAWS / 100);
    }

    ok(chi < 13.8, "%u, %u, %u of " ngx_value(DRAWS) ", chi-square %.2f",
       (unsigned) hits[0], (unsigned) hits[1], (unsigned) hits[2], chi);

    /* as many as a path may have, and more */

    for (i = 0; i < MOST + 4; i++) {
        sprintf(name, "m%02u", (unsigned) i);
        sprintf(text, INGRESS("%s", "1%u", CANARY "," OURS
                              "canary-by-header':'X-C'," OURS
                              "canary-by-header-value':'%s'", "h",
                              PATH("/x", "c")),
                name, name, (unsigned) (i / 10));
        k8s_put(&k, text);
    }

    k8s_run(&k);
    goes(&k, "m00", NULL, "c");
    n = (share(&k, "c", 1) == 0);

    for (i = 0; i < MOST + 4; i++) {
        sprintf(name, "m%02u", (unsigned) i);
        header = name;
        n += (strcmp(draw(&k, "/x", 99), "c") == 0);
    }

    header = NULL;
    ok(n < MOST + 1 && n > 8, "%u canaries are asked",
       (unsigned) n);
    ok(k8s_has(&k, "canaries that are older"), "and it is said");

    for (i = 0; i < MOST + 4; i++) {
        sprintf(name, "m%02u", (unsigned) i);
        k8s_delete(&k, NGX_K8S_INGRESS, "d", name);
    }

    k8s_run(&k);
    goes(&k, "m00", NULL, "b");

    /* the first Ingress goes, another one has the path; none has */

    k8s_put(&k, INGRESS("main2", "04", "", "h", PATH("/x", "c")));
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "main");
    k8s_run(&k);
    ok(share(&k, "b", 10) == 10, "a canary of another one");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "main2");
    k8s_run(&k);
    goes(&k, "always", NULL, "none");
    ok(k8s_has(&k, "no other object has the path"), "alone again");

    /* it becomes an ordinary one */

    k8s_put(&k, INGRESS("can", "01", "", "h", PATH("/x", "b")));
    k8s_run(&k);
    goes(&k, NULL, NULL, "b");
    goes(&k, "always", NULL, "c");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "can");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "can2");

    /* of expressions a path with a slash at its end is another one */

    k8s_put(&k, INGRESS("main", "01", REGEX, "h", PATH("/x", "a")));
    k8s_put(&k, INGRESS("main2", "02", REGEX, "h", PATH("/x/", "c")));
    k8s_put(&k, INGRESS("can", "03", WEIGHT("100"), "h", PATH("/x", "b")));
    k8s_run(&k);
    ok(strcmp(draw(&k, "/xy", 1), "b") == 0, "a canary of an expression");
    ok(strcmp(draw(&k, "/x/y", 1), "c") == 0, "another one has none");

    k8s_put(&k, INGRESS("can", "03", WEIGHT("100"), "h", PATH("/x/", "b")));
    k8s_run(&k);
    ok(strcmp(draw(&k, "/xy", 1), "a") == 0, "nor the first one");
    ok(strcmp(draw(&k, "/x/y", 1), "b") == 0, "where that has it");
    ok(!k8s_has(&k, "no other object has the path"), "it is not alone");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "main2");
    k8s_run(&k);
    ok(strcmp(draw(&k, "/x/y", 1), "a") == 0, "and not for what is shorter");
    ok(k8s_has(&k, "no other object has the path"), "it is alone then");

    k8s_put(&k, INGRESS("main", "01", "", "h", PATH("/x", "a")));
    k8s_run(&k);
    ok(strcmp(draw(&k, "/x/y", 1), "b") == 0, "without expressions it is one");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "main");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "can");
    k8s_run(&k);
    ok(!k8s_has(&k, "host ") && !k8s_has(&k, "service "), "nothing is left");

    k8s_close(&k);

    test_many();
    test_patterns();

    return done();
}
