
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The router: hosts, paths, predicates, and names as clients send them.
 */


#include "unit_table.h"


#define E  NGX_K8S_PATH_EXACT
#define P  NGX_K8S_PATH_PREFIX
#define R  NGX_K8S_PATH_REGEX


typedef struct {
    ngx_k8s_table_t         *table;
    ngx_k8s_writer_t        *w;
    ngx_k8s_builder_t        b;
} router_t;


typedef struct {
    char                    *method;
    char                    *header;     /* of "x-canary" */
    char                    *query;      /* of "v" */
} router_request_t;


static ngx_int_t
router_value(void *data, ngx_uint_t what, ngx_str_t *name, ngx_str_t *value)
{
    char              *s;
    router_request_t  *request = data;

    s = (what == NGX_K8S_PREDICATE_HEADER) ? request->header : request->query;

    if (s == NULL || name->data[0] != (s == request->header ? 'x' : 'v')) {
        return NGX_DECLINED;
    }

    *value = unit_str(s);

    return NGX_OK;
}


/* the only expressions: "^" and a text to begin with */

static ngx_int_t
router_regex(void *data, ngx_uint_t what, ngx_str_t *pattern,
    ngx_str_t *text)
{
    return (text->len >= pattern->len - 1
            && ngx_memcmp(text->data, pattern->data + 1, pattern->len - 1) == 0)
           ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
router_ask(router_t *rt, char *path, router_request_t *request)
{
    ngx_k8s_route_t      route;
    ngx_k8s_route_key_t  key;

    static uint32_t  set;

    ngx_memzero(&key, sizeof(key));

    key.sets = &set;
    key.nsets = 1;
    key.host = unit_str("p.example");
    key.path = unit_str(path);
    key.method = unit_str(request->method ? request->method : "GET");
    key.value = router_value;
    key.regex = router_regex;
    key.data = request;

    if (ngx_k8s_route(rt->table, &key, &route) != NGX_OK) {
        return 0;
    }

    return route.action->status;
}


static void
router_hosts(router_t *rt)
{
    unit_route_t  r[1];

    ngx_memzero(r, sizeof(r));
    r[0].type = P;
    r[0].path = "/";

#define host(set, name, flags, id)                                            \
    r[0].status = id;                                                         \
    ok(unit_host(rt->w, &rt->b, set, name, flags, r, 1, 0, 0), "put %s", name)

    host(0, "a.example", 0, 201);
    host(0, ".example", 0, 202);
    host(0, ".deep.example", NGX_K8S_HOST_ANY_DEPTH, 203);
    host(7, "a.example", 0, 204);

    ok(unit_ask(rt->table, 0, "a.example", "/") == 201, "exact");
    ok(unit_ask(rt->table, 0, "b.example", "/") == 202, "wildcard");
    ok(unit_ask(rt->table, 0, "c.b.example", "/") == 0, "of one label only");
    ok(unit_ask(rt->table, 0, "example", "/") == 0, "not its own suffix");
    ok(unit_ask(rt->table, 0, ".example", "/") == 0, "name with a dot first");
    ok(unit_ask(rt->table, 0, "..example", "/") == 0, "empty label");
    ok(unit_ask(rt->table, 0, "*.example", "/") == 202, "a star is a label");
    ok(unit_ask(rt->table, 0, "x.deep.example", "/") == 203, "any depth, one");
    ok(unit_ask(rt->table, 0, "x.y.z.deep.example", "/") == 203, "three");
    ok(unit_ask(rt->table, 0, "deep.example", "/") == 202, "none");
    ok(unit_ask(rt->table, 7, "a.example", "/") == 204, "another route set");
    ok(unit_ask(rt->table, 7, "b.example", "/") == 0, "has not the others");
    ok(unit_ask(rt->table, 0, "other", "/") == 0, "nothing");
    ok(unit_ask(rt->table, 0, "", "/") == 0, "nothing without a name");

    host(0, "", 0, 205);

    ok(unit_ask(rt->table, 0, "other", "/") == 205, "host of none");
    ok(unit_ask(rt->table, 0, "", "/") == 205, "without a name");
    ok(unit_ask(rt->table, 0, "c.b.example", "/") == 205, "two labels");
}


static void
router_miss(router_t *rt)
{
    ngx_str_t             name;
    unit_route_t          r[1];
    ngx_k8s_route_t       route;
    ngx_k8s_route_key_t   key;

    static uint32_t  set;

    ngx_memzero(r, sizeof(r));
    r[0].type = P;
    r[0].path = "/only";
    r[0].status = 301;

    unit_host(rt->w, &rt->b, 0, "m.example", 0, r, 1, 0, 0);

    ok(unit_ask(rt->table, 0, "m.example", "/only/x") == 301, "its path");
    ok(unit_ask(rt->table, 0, "m.example", "/") == 0,
       "the most specific host decides alone");

    ngx_memzero(&key, sizeof(key));
    key.sets = &set;
    key.nsets = 1;
    key.host = unit_str("m.example");
    key.path = unit_str("/");

    ok(ngx_k8s_route(rt->table, &key, &route) == NGX_DECLINED && route.host
       && route.match == NULL, "it is told on a miss");

    unit_host(rt->w, &rt->b, 0, "m.example", 0, r, 1, 302, 0);
    ok(unit_ask(rt->table, 0, "m.example", "/") == 302, "its fallback");

    unit_host(rt->w, &rt->b, 0, "m.example", NGX_K8S_HOST_FALLTHROUGH, r, 1, 0,
              0);
    ok(unit_ask(rt->table, 0, "m.example", "/") == 202,
       "falls through to the wildcard host");
    ok(unit_ask(rt->table, 0, "m.example", "/only") == 301, "own path first");

    r[0].path = "/w";
    r[0].status = 303;
    unit_host(rt->w, &rt->b, 0, ".example", NGX_K8S_HOST_FALLTHROUGH, r, 1, 0,
              0);
    ok(unit_ask(rt->table, 0, "m.example", "/") == 205, "and to no host");

    unit_host(rt->w, &rt->b, 0, ".example", 0, r, 1, 304, 0);
    ok(unit_ask(rt->table, 0, "m.example", "/") == 304, "fallback on the way");
    ok(unit_ask(rt->table, 0, "m.example", "/w") == 303, "path on the way");

    name = unit_str("z.example");
    ok(ngx_k8s_route_host(rt->table, 0, 0, &name, NULL) != NULL
       && (ngx_k8s_route_host(rt->table, 0, 0, &name, NULL)->flags
           & NGX_K8S_HOST_WILDCARD), "host of a name");
}


static void
router_paths(router_t *rt, ngx_uint_t many)
{
    char          (*text)[32];
    ngx_uint_t      i, n, bad;
    unit_route_t   *r;

    static unit_route_t  few[] = {
        { P, "/foo",       1, 0, {{0}} },
        { P, "/foo/bar/",  2, 0, {{0}} },
        { E, "/foo",       3, 0, {{0}} },
        { E, "/foo/baz",   4, 0, {{0}} },
        { E, "/slash/",    5, 0, {{0}} },
        { P, "/foo/bar/deep/er/still", 6, 0, {{0}} }
    };

    n = sizeof(few) / sizeof(few[0]);
    r = calloc(n + many, sizeof(unit_route_t));
    text = calloc(many + 1, 32);

    ngx_memcpy(r, few, sizeof(few));

    for (i = 0; i < many; i++) {
        sprintf(text[i], "/many/%u", (unsigned) i);
        r[n + i].type = (i & 1) ? E : P;
        r[n + i].path = text[i];
        r[n + i].status = 1000 + i;
    }

    ok(unit_host(rt->w, &rt->b, 0, "p.example", 0, r, n + many, 0, 0),
       "host of %u paths", (unsigned) (n + many));

#define ask(path, id)                                                         \
    ok(unit_ask(rt->table, 0, "p.example", path) == id, "%s is %d", path, id)

    ask("/foo", 3);
    ask("/foo/", 1);
    ask("/foo/x", 1);
    ask("/foobar", 0);
    ask("/fo", 0);
    ask("/", 0);
    ask("", 0);
    ask("*", 0);
    ask("/foo/bar", 2);
    ask("/foo/bar/", 2);
    ask("/foo/bar/x/y/z/w", 2);
    ask("/foo/barx", 1);
    ask("/foo/baz", 4);
    ask("/foo/baz/", 1);
    ask("/FOO", 0);
    ask("/slash", 0);
    ask("/slash/", 5);
    ask("/slash/x", 0);
    ask("/foo/bar/deep/er/still", 6);
    ask("/foo/bar/deep/er/stil", 2);
    ask("/foo/bar/deep/er/still/more", 6);

    bad = 0;

    for (i = 0; i < many; i++) {
        char  more[40];

        sprintf(text[many], "/many/%u", (unsigned) i);
        bad += unit_ask(rt->table, 0, "p.example", text[many]) != 1000 + i;

        sprintf(more, "/many/%u/x", (unsigned) i);
        bad += unit_ask(rt->table, 0, "p.example", more)
               != ((i & 1) ? 0 : 1000 + i);
    }

    ok(bad == 0, "each of %u paths is found", (unsigned) many);

    free(r);
    free(text);
}


/* gRPC: a method of any service is the end of the path */

static void
router_tail(router_t *rt)
{
    unit_route_t  r;

    ngx_memzero(&r, sizeof(unit_route_t));

    r.type = NGX_K8S_PATH_PREFIX;
    r.path = "/";
    r.status = 7;
    r.npredicates = 1;
    r.predicates[0].what = NGX_K8S_PREDICATE_TAIL;
    r.predicates[0].how = NGX_K8S_PREDICATE_EQUAL;
    r.predicates[0].name = "";
    r.predicates[0].value = "/Get";

    ok(unit_host(rt->w, &rt->b, 0, "tail.example", 0, &r, 1, 0, 0),
       "a host with a predicate of the end of a path");

#define tail(path, id)                                                        \
    ok(unit_ask(rt->table, 0, "tail.example", path) == id, "%s is %d", path,  \
       id)

    tail("/a.Service/Get", 7);
    tail("/b.Service/Get", 7);
    tail("/Get", 7);
    tail("/a.Service/Put", 0);
    tail("/a.Service/GetAll", 0);
    tail("/a.Service/xGet", 0);
    tail("/et", 0);
    tail("", 0);
}


/* a route of one Gateway's listener is none of another's */

static void
router_listeners(router_t *rt)
{
    ngx_uint_t           i;
    unit_route_t         r[3];
    ngx_k8s_route_t      route;
    ngx_k8s_route_key_t  key;

    static struct {
        uint32_t         set;
        uint32_t         listener;
        char            *path;
        ngx_uint_t       status;
    } asks[] = {
        { 5, 11, "/", 1 }, { 5, 12, "/", 2 }, { 5, 13, "/", 0 },
        { 5, 11, "/all", 1 }, { 0, 13, "/all", 3 }, { 0, 11, "/", 1 },
        { 0, 13, "/", 0 }
    };

    static uint32_t  slots[] = { 0, 11, 12 };

    ngx_memzero(r, sizeof(r));

    for (i = 0; i < 3; i++) {
        r[i].type = NGX_K8S_PATH_PREFIX;
        r[i].path = i ? "/" : "/all";
        r[i].status = i ? i : 3;
    }

    unit_listeners = slots;

    ok(unit_host(rt->w, &rt->b, 5, "listen.example", 0, r, 3, 0, 0)
       && unit_host(rt->w, &rt->b, 0, "listen.example", 0, r, 3, 0, 0),
       "routes of listeners");

    unit_listeners = NULL;

    for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        ngx_memzero(&key, sizeof(key));
        key.sets = &asks[i].set;
        key.nsets = 1;
        key.listener = asks[i].listener;
        key.host = unit_str("listen.example");
        key.path = unit_str(asks[i].path);
        key.method = unit_str("GET");

        ok((ngx_k8s_route(rt->table, &key, &route) == NGX_OK
            ? route.action->status : 0) == asks[i].status,
           "set %u, listener %u, %s", (unsigned) asks[i].set,
           (unsigned) asks[i].listener, asks[i].path);
    }
}


static void
router_predicates(router_t *rt, ngx_uint_t pad)
{
    ngx_uint_t         i, n;
    router_request_t   none, post, canary, query, both;

    static char  names[16][8];

    unit_route_t  r[32] = {
        { P, "/api", 11, 2, {{ NGX_K8S_PREDICATE_HEADER,
                               NGX_K8S_PREDICATE_EQUAL, "x-canary", "yes" },
                             { NGX_K8S_PREDICATE_QUERY,
                               NGX_K8S_PREDICATE_EQUAL, "v", "2" }} },
        { P, "/api", 12, 1, {{ NGX_K8S_PREDICATE_HEADER,
                               NGX_K8S_PREDICATE_REGEX, "x-canary", "^ye" }} },
        { P, "/api", 13, 1, {{ NGX_K8S_PREDICATE_METHOD,
                               NGX_K8S_PREDICATE_EQUAL, "", "POST" }} },
        { P, "/", 14, 1, {{ NGX_K8S_PREDICATE_QUERY,
                            NGX_K8S_PREDICATE_EQUAL, "v", "2" }} },
        { R, "^/ap", 15, 0, {{0}} },
        { R, "^/api/x", 16, 1, {{ NGX_K8S_PREDICATE_METHOD,
                                  NGX_K8S_PREDICATE_REGEX, "", "^GE" }} }
    };

    n = 6;

    for (i = 0; i < pad; i++, n++) {
        sprintf(names[i], "/%u", (unsigned) i);
        r[n].type = P;
        r[n].path = names[i];
        r[n].status = 99;
    }

    unit_host(rt->w, &rt->b, 0, "p.example", 0, r, n, 17, 0);

    ngx_memzero(&none, sizeof(none));
    post = none;
    post.method = "POST";
    canary = none;
    canary.header = "yes";
    query = none;
    query.query = "2";
    both = canary;
    both.query = "2";

    ok(router_ask(rt, "/api", &both) == 11, "header and query");
    ok(router_ask(rt, "/api", &canary) == 12, "header by expression");
    ok(router_ask(rt, "/api", &post) == 13, "method");
    ok(router_ask(rt, "/api", &query) == 14, "a shorter path");
    ok(router_ask(rt, "/api", &none) == 15, "an expression");
    ok(router_ask(rt, "/api/x", &none) == 16, "the longer expression");
    ok(router_ask(rt, "/b", &none) == 17, "the fallback");
    ok(router_ask(rt, "/b", &query) == 14, "not when a path matches");
}


/* a shard that has gone is met while a host gets new ones: it is tried again */

static void
router_shards(router_t *rt)
{
    uint64_t         cursor;
    ngx_str_t        name;
    ngx_uint_t       n;
    ngx_k8s_host_t  *host;

    n = 0;
    cursor = 0;
    name = unit_str("p.example");

    host = ngx_k8s_route_host(rt->table, 0, NGX_K8S_CLASS_HTTP, &name, NULL);
    ok(host && host->shards.n == unit_shards, "a host of shards");

    ok(unit_ask(rt->table, 0, "p.example", "/b") == 17, "its fallback");

    while (ngx_k8s_table_next(rt->table, NGX_K8S_INDEX_PATHS, &cursor)) {
        ngx_k8s_writer_remove(rt->w, cursor);
        n++;
    }

    ok(n >= unit_shards, "its shards go");
    ok(unit_ask(rt->table, 0, "p.example", "/b") == 0,
       "nothing is guessed without them");
}


static void
router_names(void)
{
    u_char       buf[NGX_K8S_HOST_MAX];
    char         longest[NGX_K8S_HOST_MAX + 2];
    ngx_str_t    name, sent;
    ngx_uint_t   i;

    static char  *pairs[][2] = {
        { "Example.COM", "example.com" },
        { "example.com:8080", "example.com" },
        { "example.com.", "example.com" },
        { "example.com.:443", "example.com" },
        { "example.com..", "example.com." },
        { "[::1]", "[::1]" },
        { "[2001:DB8::1]:8443", "[2001:db8::1]" },
        { "[::1", "[" },
        { "xn--bcher-kva.example", "xn--bcher-kva.example" },
        { "b\xc3\xbc.example", "b\xc3\xbc.example" },
        { "", "" },
        { ".", "" },
        { ":80", "" }
    };

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        sent = unit_str(pairs[i][0]);
        ok(ngx_k8s_route_host_name(buf, &sent, &name) == NGX_OK
           && name.len == strlen(pairs[i][1])
           && ngx_memcmp(name.data, pairs[i][1], name.len) == 0,
           "\"%s\" is \"%s\"", pairs[i][0], pairs[i][1]);
    }

    memset(longest, 'A', sizeof(longest));
    longest[NGX_K8S_HOST_MAX] = '\0';
    sent = unit_str(longest);
    ok(ngx_k8s_route_host_name(buf, &sent, &name) == NGX_OK, "longest name");

    longest[NGX_K8S_HOST_MAX] = 'A';
    sent.len = NGX_K8S_HOST_MAX + 1;
    ok(ngx_k8s_route_host_name(buf, &sent, &name) == NGX_DECLINED, "too long");
}


static void
router_order(void)
{
    ngx_str_t  a, b;

    a = unit_str("/a");
    b = unit_str("/ab");

    ok(ngx_k8s_path_cmp(P, &b, E, &a) < 0, "longer first");
    ok(ngx_k8s_path_cmp(E, &a, P, &a) < 0, "Exact before Prefix");
    ok(ngx_k8s_path_cmp(P, &a, E, &a) > 0, "and not before");
    ok(ngx_k8s_path_cmp(P, &a, P, &a) == 0, "the same");
    ok(ngx_k8s_path_cmp(R, &b, P, &a) > 0, "expressions last");
    ok(ngx_k8s_path_cmp(R, &b, R, &a) < 0, "the longer of them first");

    a = unit_str("/foo//");
    ngx_k8s_path_prefix(&a);
    ok(a.len == 4, "slashes of a Prefix");

    a = unit_str("/");
    ngx_k8s_path_prefix(&a);
    ok(a.len == 0, "of all");

    ok(ngx_k8s_path_nbuckets(NGX_K8S_PATH_LINEAR) == 0
       && ngx_k8s_path_nbuckets(9) == 16
       && ngx_k8s_path_nbuckets(1000) == 2048, "buckets");
}


static void
literals(void)
{
    ngx_uint_t  i;
    ngx_str_t   text;

    static struct {
        char    *text;
        size_t   n;
    } rows[] = {
        { "", 0 },
        { "/foo", 4 },
        { "/foo(/|$)(.*)", 4 },
        { "/foo.php", 4 },
        { "/api\\.v1", 4 },
        { "/colou?r", 5 },
        { "/ab*", 2 },
        { "/x{2}", 1 },
        { "*", 0 },
        { "/a|/b", 0 },
        { "/a(b)|/c", 0 },
        { "/a[(]b|/c", 0 },
        { "/a\\(b|/c", 0 },
        { "/a(?#()|/c", 0 },
        { "/a)b|c(", 0 },
        { "/a[|]b", 0 },
        { "/[a-z]", 1 },
        { "/a]b}", 5 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        text.data = (u_char *) rows[i].text;
        text.len = strlen(rows[i].text);

        ok(ngx_k8s_path_literal(&text) == rows[i].n, "%s begins with %u",
           rows[i].text, (unsigned) rows[i].n);
    }
}


int
main(void)
{
    router_t  rt;

    unit_init();

    literals();

    rt.table = unit_table(1024 * 1024);
    rt.w = ngx_k8s_writer_open(rt.table, -1, &unit_log);
    ngx_k8s_builder_init(&rt.b, &unit_log);

    router_hosts(&rt);
    router_miss(&rt);
    router_paths(&rt, 0);
    router_paths(&rt, 1000);
    router_predicates(&rt, 0);
    router_tail(&rt);
    router_listeners(&rt);
    router_predicates(&rt, 10);

    /* the same of hosts whose paths are in shards */

    unit_shards = 8;

    router_paths(&rt, 0);
    router_paths(&rt, 1000);
    router_predicates(&rt, 0);
    router_tail(&rt);
    router_shards(&rt);

    unit_shards = 0;

    router_names();
    router_order();

    ngx_k8s_builder_done(&rt.b);
    ngx_k8s_writer_close(rt.w);

    return done();
}
