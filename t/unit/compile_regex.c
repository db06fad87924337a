
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Hosts whose paths are regular expressions: which path takes what, in which
 * order, what is left out, and what is said.
 */


#include "k8s.h"
#include <ngx_k8s_router.h>

#include <regex.h>


#define INGRESS(name, time, annotations, paths)                               \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','annotations':{" annotations "},"      \
    "'creationTimestamp':'2026-01-01T00:00:" time "Z'},'spec':{'rules':[{"    \
    "'host':'h','http':{'paths':[" paths "]}}]}}"

#define PATH(type, path, svc)                                                 \
    "{'path':'" path "','pathType':'" type "','backend':{'service':{'name':'" \
    svc "','port':{'number':80}}}}"

#define OURS     "'nginx.ingress.kubernetes.io/"
#define REGEX    OURS "use-regex':'true'"
#define REWRITE  OURS "rewrite-target':'/foo'"
#define IMPL     "ImplementationSpecific"

#define LOOK     4096    /* paths that are compared for app-root */


/* POSIX has what is needed here */

static ngx_int_t
match(void *data, ngx_uint_t what, ngx_str_t *pattern, ngx_str_t *text)
{
    int      rc;
    char     p[256], t[256];
    regex_t  re;

    sprintf(p, "^%.*s", (int) pattern->len, pattern->data);
    sprintf(t, "%.*s", (int) text->len, text->data);

    if (strcmp(t, "/aevil") == 0) {
        return NGX_ERROR;
    }

    if (regcomp(&re, p, REG_EXTENDED|REG_ICASE|REG_NOSUB) != 0) {
        return NGX_ERROR;
    }

    rc = regexec(&re, t, 0, NULL, 0);
    regfree(&re);

    return rc ? NGX_DECLINED : NGX_OK;
}


static ngx_int_t
check(ngx_str_t *pattern, ngx_str_t *error, ngx_log_t *log)
{
    char     p[256];
    regex_t  re;

    sprintf(p, "^%.*s", (int) pattern->len, pattern->data);

    if (regcomp(&re, p, REG_EXTENDED) != 0) {
        error->len = ngx_sprintf(error->data, "it is odd") - error->data;
        return NGX_DECLINED;
    }

    regfree(&re);

    return NGX_OK;
}


/* the Service of a path, "rewritten" behind it; "none", "error" */

static char *
route(k8s_t *k, char *path)
{
    ngx_int_t               rc;
    ngx_str_t               name;
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
    key.regex = match;

    rc = ngx_k8s_route(k->table, &key, &r);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? "error" : "none";
    }

    if (r.action->kind != NGX_K8S_ACTION_BACKENDS) {
        return "status";
    }

    backend = (ngx_k8s_backend_rec_t *)
                  ngx_k8s_record_at(r.record, r.record->backends.offset)
              + r.action->backend;

    svc = ngx_k8s_slot_record_gen(k->table, NGX_K8S_INDEX_SERVICE,
                                  backend->service, backend->generation);

    ngx_k8s_record_str(svc, &svc->name, &name);

    sprintf(answer, "%.*s%s", (int) name.len, name.data,
            (r.match->flags & NGX_K8S_MATCH_REWRITE) ? " rewritten" : "");

    return answer;
}


#define goes(path, to)                                                        \
    do {                                                                      \
        char  *got_ = route(&k, path);                                        \
        ok(strcmp(got_, to) == 0, "%s goes to %s, is %s", path, to, got_);    \
    } while (0)


/* n paths "<before><i><behind>" from "first" on */

static void
many(k8s_t *k, char *ns, char *name, int day, char *host, char *before,
    int first, char *behind, int n)
{
    int    i;
    char  *p;

    static char  text[1024 * 1024];

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'%s','name':'%s','annotations':{"
            REGEX "},'creationTimestamp':'2026-01-%02dT00:00:00Z'},'spec':{"
            "'rules':[{'host':'%s','http':{'paths':[", ns, name, day, host);

    for (i = first; i < first + n; i++) {
        p += sprintf(p, "%s{'path':'%s%d%s','pathType':'" IMPL "','backend':{"
                     "'service':{'name':'%s','port':{'number':80}}}}",
                     i > first ? "," : "", before, i, behind, name);
    }

    sprintf(p, "]}}]}}");
    k8s_put(k, text);
}


static ngx_uint_t
count(k8s_t *k, char *what)
{
    char        *p;
    ngx_uint_t   n;

    n = 0;

    for (p = strstr(k8s_dump(k), what); p; p = strstr(p + 1, what)) {
        n++;
    }

    return n;
}


/* the youngest are left out where a host, or a namespace, has too many */

static void
bounds(void)
{
    int         i;
    char        name[16];
    k8s_t       k;
    ngx_uint_t  n;

    k8s_conf(&k);
    k.size = 32 * 1024 * 1024;
    k.conf.regex = check;
    k8s_open(&k);

    many(&k, "d", "young", 9, "h", "/x", 1000, "[0-9]", 300);
    k8s_run(&k);
    goes("/x12555", "young");
    goes("/x12565", "status");
    ok(count(&k, "rule \"h\" \"/x1") == 256, "256 expressions of a host");
    ok(k8s_has(&k, "the path \"/x1256[0-9]\" of host \"h\" is left out"),
       "the others are said");

    many(&k, "d", "old", 8, "h", "/y", 0, ".", 6);
    k8s_run(&k);
    goes("/y5z", "old");
    goes("/x12495", "young");
    goes("/x12505", "status");
    ok(k8s_has(&k, "the path \"/x1250[0-9]\" of host \"h\" is left out"),
       "those of the younger object");

    many(&k, "d", "plain", 7, "h", "/p", 1000, "", 2000);
    k8s_run(&k);
    goes("/p1999", "plain");
    goes("/p2000", "status");
    goes("/y5z", "status");
    ok(count(&k, "rule \"h\" \"/") == 1000, "1000 paths");
    ok(k8s_has(&k, "the path \"/y5.\" of host \"h\" is left out")
       && k8s_has(&k, "the path \"/p2000\" of host \"h\" is left out"),
       "the others are said");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "plain");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "old");
    k8s_run(&k);
    goes("/x12555", "young");
    ok(!k8s_has(&k, "the path \"/x1250[0-9]\" of host"), "until there is room");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "young");

    for (i = 0; i < 20; i++) {
        sprintf(name, "e%d", i);
        many(&k, "evil", name, 1, name, "/e", i * 250, ".x", 250);
    }

    k8s_run(&k);
    n = count(&k, " of evil/e");
    ok(n >= 3776 && n < 3776 + 512, "%u of one namespace", (unsigned) n / 2);

    many(&k, "d", "last", 9, "h", "/l", 1000, ".x", 250);
    k8s_run(&k);
    goes("/l1249yx", "last");

    k8s_delete(&k, NGX_K8S_INGRESS, "evil", "e0");
    k8s_run(&k);
    ok(count(&k, " of evil/e") > n - 256, "others of it come in their place");

    for (i = 0; i < 20; i++) {
        sprintf(name, "e%d", i);
        many(&k, "evil", name, 1, name, "/", 1, ".x", 250);
    }

    k8s_run(&k);
    ok(count(&k, "rule \"e19\" \"/") == 250, "the same ones count once");

    k8s_close(&k);
}


static struct {
    char        *path;
    ngx_uint_t   n;
} groups[] = {
    { "/", 0 },
    { "/x(/|$)(.*)", 2 },
    { "/(?:a|b)/(c(d))", 2 },
    { "/(?<name>a)(?'x'b)(?P<y>c)(?P=y)(?=d)(?!e)(?<=f)(?<!g)(?i)(h)", 4 },
    { "/\\(a\\)\\\\(b)", 1 },
    { "/[(](a)[](](b)[^](](c)[a\\](]", 3 },
    { "/(*UCP)(", 1 },
    { "/(?", 0 },
    { "/(?P", 0 },
    { "/[(", 0 },
    { "/\\", 0 }
};


/* the only value of the policy of what no path takes */

static char *
fallback(k8s_t *k)
{
    uint32_t            slot;
    ngx_str_t           host, value;
    ngx_k8s_host_t     *rec;
    ngx_k8s_match_t    *match;
    ngx_k8s_policy_t   *policy;
    ngx_k8s_setting_t  *setting;

    static char  text[64];

    host = k8s_str("h");
    rec = ngx_k8s_route_host(k->table, 0, NGX_K8S_CLASS_HTTP, &host, &slot);

    if (rec == NULL || rec->fallback == NGX_K8S_NONE) {
        return "none";
    }

    match = (ngx_k8s_match_t *) ngx_k8s_record_at(rec, rec->matches.offset)
            + rec->fallback;

    policy = ngx_k8s_slot_record(k->table, NGX_K8S_INDEX_POLICY,
                                 match->policy);

    if (policy == NULL) {
        return "none";
    }

    if (policy->settings.n != 1) {
        return "several";
    }

    setting = ngx_k8s_record_at(policy, policy->settings.offset);

    ngx_k8s_record_str(policy, &setting->value, &value);
    sprintf(text, "%.*s", (int) value.len, value.data);

    return text;
}


/*
 * Who has no path of a host says nothing of it: one whose paths are those of
 * older objects, or are no expressions.
 */

static void
losers(void)
{
    char        *text, *p;
    k8s_t        k;
    ngx_uint_t   i, n;

    k8s_conf(&k);
    k.conf.regex = check;
    k8s_open(&k);

    k8s_put(&k, INGRESS("own", "01", "", PATH("Exact", "/pay", "a") ","
                        PATH("Prefix", "/", "b")));
    k8s_put(&k, INGRESS("thief", "02", REGEX "," OURS "app-root':'/phish',"
                        OURS "from-to-www-redirect':'true'",
                        PATH("Prefix", "/", "c")));
    k8s_run(&k);
    goes("/pay", "a");
    goes("/payX", "b");
    ok(!k8s_has(&k, "root /phish") && !k8s_has(&k, "\"www.h\" flags"),
       "a loser has no app-root, and no twin of the host");
    ok(k8s_has(&k, "the path \"/\" of host \"h\" is that of"), "it is said");
    ok(!k8s_has(&k, "takes all that begins"), "and nothing of the other");

    k8s_put(&k, INGRESS("thief", "02", REWRITE, PATH("Prefix", "/", "c")));
    k8s_run(&k);
    goes("/payX", "b");

    /* with one more path it does */

    k8s_put(&k, INGRESS("thief", "02", REGEX "," OURS "app-root':'/own',"
                        OURS "from-to-www-redirect':'true'",
                        PATH("Prefix", "/", "c") "," PATH(IMPL, "/z", "d")));
    k8s_run(&k);
    goes("/payX", "a");
    goes("/Z", "d");
    ok(k8s_has(&k, "root /own") && k8s_has(&k, "\"www.h\" flags"),
       "a path of its own");

    /* a path comes, goes and ages */

    k8s_put(&k, INGRESS("older", "00", "", PATH(IMPL, "/z", "e")));
    k8s_run(&k);
    goes("/payX", "b");
    goes("/z", "e");
    goes("/zX", "b");
    ok(!k8s_has(&k, "root /own") && !k8s_has(&k, "\"www.h\" flags"),
       "until an older object has it");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "older");
    k8s_run(&k);
    goes("/payX", "a");
    ok(k8s_has(&k, "root /own"), "and again when that is gone");

    k8s_put(&k, INGRESS("older", "00", "", PATH(IMPL, "/z", "e")));
    k8s_put(&k, INGRESS("thief", "02", REGEX "," OURS "app-root':'/own'",
                        PATH("Prefix", "/", "c") "," PATH(IMPL, "/y", "d")));
    k8s_run(&k);
    goes("/Y1", "d");
    ok(k8s_has(&k, "root /own"), "another path");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "older");

    /* of two roots that whose path goes before the other one's */

    k8s_put(&k, INGRESS("other", "03", OURS "app-root':'/other'",
                        PATH(IMPL, "/yyy", "d") ","
                        PATH(IMPL, "/longer", "d")));
    k8s_run(&k);
    ok(k8s_has(&k, "root /other"), "the longer path");
    k8s_put(&k, INGRESS("older", "00", "", PATH(IMPL, "/longer", "e") ","
                        PATH(IMPL, "/yyy", "e")));
    k8s_run(&k);
    ok(k8s_has(&k, "root /own"), "which is another object's");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "older");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "other");

    /* of many paths those of the oldest objects are compared */

    text = malloc(LOOK * 128 + 4096);

    for (n = 100; n < 5000; n += LOOK) {
        p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                           "'Ingress','metadata':{'namespace':'d','name':"
                           "'many','creationTimestamp':'2024-01-01T00:00:00Z',"
                           "'annotations':{" OURS "app-root':'/many'}},'spec':{"
                           "'rules':[{'host':'h','http':{'paths':[");

        for (i = 0; i < n; i++) {
            p += sprintf(p, "%s" PATH("Exact", "/m%04u", "a"), i ? "," : "",
                         (unsigned) i);
        }

        sprintf(p, "]}}]}}");

        k8s_put(&k, text);
        k8s_put(&k, INGRESS("other", "03", OURS "app-root':'/other'",
                            PATH("Exact", "/a-much-longer-path", "d")));
        k8s_run(&k);
        ok(k8s_has(&k, n == 100 ? "root /other" : "root /many"),
           "two objects that redirect, one with %u paths", (unsigned) n);
    }

    free(text);
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "many");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "other");

    /* what is no expression */

    k8s_put(&k, INGRESS("thief", "00", REGEX "," OURS "app-root':'/phish',"
                        OURS "proxy-body-size':'1m'",
                        PATH(IMPL, "/a(b", "c")));
    k8s_run(&k);
    goes("/payX", "b");
    goes("/a(b", "b");
    ok(!k8s_has(&k, "root /phish") && strcmp(fallback(&k), "none") == 0,
       "what is no expression is none of the host's");
    ok(k8s_has(&k, "\"/a(b\" is no regular expression: it is odd"),
       "it is said");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "own");
    k8s_run(&k);
    goes("/a(b", "status");
    ok(strcmp(fallback(&k), "none") != 0,
       "what no path takes is its own, where no other is there");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "thief");
    k8s_run(&k);
    ok(!k8s_has(&k, "host "), "nothing is left");

    k8s_close(&k);
}


/* after any history the table is that of the objects which there are */

#define OBJECTS  6
#define ROUNDS   400

typedef struct {
    ngx_uint_t  there;
    ngx_uint_t  paths;
    ngx_uint_t  says;
    ngx_uint_t  age;
} object_t;


static void
put(k8s_t *k, object_t *o, ngx_uint_t i)
{
    char        text[2048], name[8], *p;
    ngx_uint_t  n, first;

    static char  *paths[] = {
        PATH("Prefix", "/", "s"), PATH("Exact", "/pay", "s"),
        PATH(IMPL, "/a(b", "s"), PATH(IMPL, "/z.*", "s"),
        PATH("Prefix", "/api/", "s"), PATH("Prefix", "/api", "s")
    };

    static char  *says[] = {
        ",'nginx.ingress.kubernetes.io/use-regex':'true'",
        ",'nginx.ingress.kubernetes.io/rewrite-target':'/foo'",
        ",'nginx.ingress.kubernetes.io/app-root':'/root%u'",
        ",'nginx.ingress.kubernetes.io/from-to-www-redirect':'true'",
        ",'nginx.ingress.kubernetes.io/server-snippet':'x'",
        ",'nginx.ingress.kubernetes.io/proxy-body-size':'%um'"
    };

    sprintf(name, "o%u", (unsigned) i);

    if (!o->there) {
        k8s_delete(k, NGX_K8S_INGRESS, "d", name);
        return;
    }

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                       "'Ingress','metadata':{'namespace':'d','name':'%s',"
                       "'creationTimestamp':'2026-01-01T00:00:0%uZ',"
                       "'annotations':{'a':'b'", name, (unsigned) o->age);

    for (n = 0; n < sizeof(says) / sizeof(says[0]); n++) {
        if (o->says & 1 << n) {
            p += sprintf(p, says[n], (unsigned) i + 1);
        }
    }

    p += sprintf(p, "}},'spec':{'rules':[{'host':'h','http':{'paths':[");

    for (n = 0, first = 1; n < sizeof(paths) / sizeof(paths[0]); n++) {
        if (o->paths & 1 << n) {
            p += sprintf(p, "%s%s", first ? "" : ",", paths[n]);
            first = 0;
        }
    }

    sprintf(p, "]}}]}}");

    k8s_put(k, text);
}


static void
histories(void)
{
    char        said[64];
    k8s_t       k, other;
    object_t    o[OBJECTS];
    ngx_uint_t  i, n, round, differ;

    k8s_conf(&k);
    k.conf.regex = check;
    k8s_open(&k);

    ngx_memzero(o, sizeof(o));
    differ = 0;
    srandom(11);

    for (round = 0; round < unit_rounds(ROUNDS); round++) {

        for (n = 1 + random() % 3; n; n--) {
            i = random() % OBJECTS;

            o[i].there = (random() % 4 != 0);
            o[i].paths = 1 << random() % 6 | 1 << random() % 6;
            o[i].says = (random() % 2) ? random() % 64 & random() % 64 : 0;
            o[i].age = random() % 8;

            put(&k, &o[i], i);

            if (random() % 3 == 0) {
                (void) ngx_k8s_compile_run(k.compile, 0);
                ngx_k8s_writer_publish(k.writer);
            }
        }

        k8s_run(&k);

        k8s_conf(&other);
        other.conf.regex = check;
        k8s_open(&other);

        for (i = 0; i < OBJECTS; i++) {
            if (o[i].there) {
                put(&other, &o[i], i);
            }
        }

        k8s_run(&other);

        sprintf(said, "%s", fallback(&k));

        if (strcmp(said, fallback(&other)) != 0
            || strcmp(k8s_dump(&k), k8s_dump(&other)) != 0)
        {
            differ++;
        }

        k8s_close(&other);
    }

    ok(differ == 0, "%u tables differ from new ones", (unsigned) differ);

    k8s_close(&k);
}


/* what no path takes has the annotations of the oldest that is let through */

static void
leads(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, INGRESS("one", "01", OURS "server-snippet':'x'",
                        PATH("Prefix", "/one", "a")));
    k8s_put(&k, INGRESS("two", "02", OURS "proxy-body-size':'2m'",
                        PATH("Prefix", "/two", "b")));
    k8s_run(&k);
    ok(strcmp(fallback(&k), "2m") == 0, "the second one's");

    k8s_put(&k, INGRESS("one", "01", OURS "proxy-body-size':'1m'",
                        PATH("Prefix", "/one", "a")));
    k8s_run(&k);
    ok(strcmp(fallback(&k), "1m") == 0, "the first one's");

    k8s_put(&k, INGRESS("nil", "00", OURS "proxy-body-size':'3m'",
                        PATH("Prefix", "/two", "a")));
    k8s_put(&k, INGRESS("one", "03", OURS "proxy-body-size':'1m'",
                        PATH("Prefix", "/one", "a")));
    k8s_run(&k);
    ok(strcmp(fallback(&k), "3m") == 0, "an older one's");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "nil");
    k8s_run(&k);
    ok(strcmp(fallback(&k), "2m") == 0, "and the next one's");

    k8s_close(&k);
}


int
main(void)
{
    char        paths[16384], buf[20000], *p;
    k8s_t       k;
    ngx_str_t   s;
    ngx_uint_t  i, n;

    unit_init();

    for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        s = k8s_str(groups[i].path);
        n = ngx_k8s_ingress_groups(&s);

        ok(n == groups[i].n, "groups of %s are %d, is %d", groups[i].path,
           (int) groups[i].n, (int) n);
    }

    k8s_conf(&k);
    k.conf.regex = check;
    k8s_open(&k);

    k8s_put(&k, INGRESS("one", "01", REGEX,
                        PATH(IMPL, "/a", "b") "," PATH(IMPL, "/a.*", "a") ","
                        PATH(IMPL, "/a.c/d", "c") "," PATH(IMPL, "/abc/d", "d")
                        "," PATH(IMPL, "/v[0-9]+/", "e")));
    k8s_put(&k, INGRESS("two", "02", "",
                        PATH("Exact", "/plain", "f") ","
                        PATH("Prefix", "/dir", "g") ","
                        PATH("Exact", "/dir", "i")));
    k8s_run(&k);

    goes("/A", "a");
    goes("/abc/d", "d");
    goes("/axc/d", "c");
    goes("/v12/x", "e");
    goes("/v/x", "status");
    goes("/PLAINER", "f");
    goes("/dir/x", "g");
    goes("/dirx", "i");
    goes("/aevil", "error");
    ok(k8s_has(&k, "takes all that begins"), "what is turned is said");

    /* an Exact path that is older takes all of a Prefix */

    k8s_put(&k, INGRESS("old", "00", "", PATH("Exact", "/dir", "o")));
    k8s_run(&k);
    goes("/dir/x", "o");
    goes("/dirx", "o");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "old");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "one");
    k8s_run(&k);
    goes("/PLAIN", "status");
    goes("/plain", "f");
    goes("/dir", "i");
    goes("/dir/x", "g");
    ok(!k8s_has(&k, "takes all that begins"), "and no more");

    /* a target that is the path itself, of a Prefix, and of others */

    k8s_put(&k, INGRESS("one", "01", REWRITE, PATH("Prefix", "/foo", "a")));
    k8s_put(&k, INGRESS("two", "02", "", PATH("Exact", "/x", "b")));
    k8s_run(&k);
    goes("/foo/x", "a rewritten");
    goes("/foo", "a");
    goes("/FOObar", "a");
    goes("/xy", "b");

    k8s_put(&k, INGRESS("one", "01", REWRITE, PATH("Exact", "/foo", "a")));
    k8s_run(&k);
    goes("/foo", "a");
    goes("/foobar", "status");
    goes("/xy", "status");

    k8s_put(&k, INGRESS("one", "01", REWRITE, PATH("Exact", "/foo", "a") ","
                        PATH(IMPL, "/y", "c")));
    k8s_run(&k);
    goes("/foobar", "a");
    goes("/Yy", "c rewritten");

    /* what is no expression is left out, and nothing else */

    k8s_put(&k, INGRESS("one", "01", REGEX, PATH(IMPL, "/a(b", "a") ","
                        PATH(IMPL, "/a", "b")));
    k8s_run(&k);
    goes("/a(b", "b");
    ok(k8s_has(&k, "is no regular expression: it is odd"), "and is said");

    k8s_put(&k, INGRESS("two", "02", "", PATH("Prefix", "/x(y", "c")));
    k8s_run(&k);
    goes("/x(y/z", "c");
    goes("/x", "status");

    /* as expressions they are two */

    k8s_put(&k, INGRESS("slash", "03", REGEX, PATH("Prefix", "/api", "a") ","
                        PATH("Prefix", "/api/", "b")));
    k8s_run(&k);
    goes("/apix", "a");
    goes("/api/x", "b");
    ok(!k8s_has(&k, "is that of"), "with a slash at its end, too");

    k8s_put(&k, INGRESS("slash", "03", REGEX, PATH("Prefix", "/api", "a") ","
                        PATH("Prefix", "/api/", "b") ","
                        PATH("Prefix", "/api", "c")));
    k8s_run(&k);
    ok(k8s_has(&k, "is that of spec.rules[0].http.paths[0]")
       && k8s_has(&k, "the path \"/api\" of host \"h\" is that of"),
       "but once each");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "slash");

    /* many paths are in shards, which have no expressions */

    p = paths;

    for (i = 0; i < 100; i++) {
        p += sprintf(p, "%s" PATH("Prefix", "/p%d", "p"), i ? "," : "",
                     (int) i);
    }

    sprintf(buf, INGRESS("two", "02", "", "%s"), paths);

    k8s_put(&k, buf);
    k8s_run(&k);
    goes("/P99x", "p");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "one");
    k8s_run(&k);
    goes("/p99", "p");
    goes("/P99", "status");

    k8s_put(&k, INGRESS("one", "01", REGEX, PATH(IMPL, "/q+", "q")));
    k8s_run(&k);
    goes("/P42/", "p");
    goes("/qq", "q");

    k8s_close(&k);

    bounds();
    losers();
    leads();
    histories();

    return done();
}
