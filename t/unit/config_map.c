
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The controller's ConfigMap: what the directive names is wanted, alone, and a
 * problem while it is not there.  Its keys are a policy record; what cannot be
 * built is left out of it, and of those of Ingresses over it.
 */


#include "k8s.h"


#define CONFIG(name, data)                                                    \
    "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'namespace':'d',"      \
    "'name':'" name "'},'data':{" data "}}"


uint32_t __real_ngx_k8s_builder_put(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w,
    ngx_uint_t use);
uint32_t __wrap_ngx_k8s_builder_put(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w,
    ngx_uint_t use);


static char        wanted[256];
static ngx_uint_t  puts_seen;


uint32_t
__wrap_ngx_k8s_builder_put(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w,
    ngx_uint_t use)
{
    puts_seen++;

    return __real_ngx_k8s_builder_put(b, w, use);
}


/* records of no use, which may take what is kept for updates as well */

static uint32_t    slots[4096];
static ngx_uint_t  nslots;


static uint32_t
filler(k8s_t *k, int id, size_t len)
{
    uint32_t           n;
    ngx_k8s_policy_t  *rec;

    rec = calloc(1, len);

    rec->header.type = NGX_K8S_INDEX_POLICY;
    rec->header.key.offset = sizeof(ngx_k8s_policy_t);
    rec->header.key.len = 8;
    sprintf((char *) (rec + 1), "%07d", id);

    n = ngx_k8s_writer_put(k->writer, &rec->header, len, NGX_K8S_WRITE_OWN);

    free(rec);

    return n;
}


static void
want(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t yes)
{
    size_t  n;

    n = strlen(wanted);

    snprintf(wanted + n, sizeof(wanted) - n, "%c%s %.*s/%.*s",
             yes ? '+' : '-', ngx_k8s_kinds[kind].name.data, (int) ns->len,
             ns->data, (int) name->len, name->data);
}


static void
fill(k8s_t *k)
{
    size_t  len;

    for (len = 16384; len >= 128; len /= 2) {
        while (nslots < 4096
               && (slots[nslots] = filler(k, nslots, len)) != 0)
        {
            nslots++;
        }
    }

    ngx_k8s_writer_publish(k->writer);
}


static ngx_uint_t
value(k8s_t *k, const char *name, const char *key, const char *text)
{
    ngx_str_t          ns, n, s, *v;
    ngx_k8s_object_t  *map;

    ns = k8s_str("d");
    n = k8s_str(name);
    s = k8s_str(key);

    map = ngx_k8s_store_get(k->store, NGX_K8S_CONFIG_MAP, &ns, &n);
    v = map ? ngx_k8s_config_map_value((ngx_k8s_config_map_t *) map, &s) : NULL;

    return text ? v && v->len == strlen(text)
                  && memcmp(v->data, text, v->len) == 0
                : v == NULL;
}


static void
named(void)
{
    k8s_t  k;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.events.want = want;
    k8s_open(&k);

    ok(strcmp(wanted, "+ConfigMap d/own") == 0, "it is wanted: %s", wanted);

    ok(k8s_has(&k, "problem Directive /config_map")
       && k8s_has(&k, "ConfigMap d/own is not there"),
       "its absence is a problem");

    k8s_put(&k, CONFIG("other", "'a':'1'"));
    ok(ngx_k8s_store_count(k.store, NGX_K8S_CONFIG_MAP) == 0
       && value(&k, "other", "a", NULL), "another one is not kept");

    k8s_put(&k, CONFIG("own", "'proxy-body-size':'8m'"));
    ok(value(&k, "own", "proxy-body-size", "8m")
       && value(&k, "own", "proxy-body-siz", NULL), "its values are read");
    ok(!k8s_has(&k, "config_map"), "and the problem has gone");

    k8s_put(&k, CONFIG("own", "'proxy-body-size':'9m','bad':1"));
    ok(value(&k, "own", "proxy-body-size", "9m"), "they change");
    ok(k8s_has(&k, "problem ConfigMap d/own")
       && k8s_has(&k, "field \"data.bad\""), "one that is none is a problem");

    k8s_delete(&k, NGX_K8S_CONFIG_MAP, "d", "own");
    ok(value(&k, "own", "proxy-body-size", NULL)
       && k8s_has(&k, "ConfigMap d/own is not there")
       && !k8s_has(&k, "problem ConfigMap"), "it goes");

    k8s_close(&k);
}


static void
unnamed(void)
{
    k8s_t  k;

    wanted[0] = '\0';

    k8s_conf(&k);
    k.events.want = want;
    k8s_open(&k);

    k8s_put(&k, CONFIG("own", "'a':'1'"));

    ok(!k8s_has(&k, "problem") && wanted[0] == '\0'
       && ngx_k8s_store_count(k.store, NGX_K8S_CONFIG_MAP) == 0,
       "without the directive none is wanted, or kept");

    k8s_close(&k);
}


/* a body of 13 is never taken; in a base of time-out 5 only one below 100 */

static ngx_uint_t  builds, later_msec;
static char        base_timeout[16];


static char *
built(ngx_str_t *values, const char *name)
{
    ngx_str_t  s, *value;

    static char  text[64];

    s = k8s_str(name);
    value = &values[ngx_k8s_row(&s, NGX_K8S_ROW_KEY) - ngx_k8s_rows];

    snprintf(text, sizeof(text), "%.*s", (int) value->len,
             value->data ? (char *) value->data : "");

    return text;
}


static ngx_int_t
build(void *data, ngx_uint_t base, ngx_str_t *values, ngx_str_t *error)
{
    int  size;

    builds++;

    size = atoi(built(values, "proxy-body-size"));

    if (base) {
        strcpy(base_timeout, built(values, "proxy-read-timeout"));
    }

    if (size == 13 || (size > 100 && strcmp(base_timeout, "5") == 0)) {
        error->len = ngx_sprintf(error->data, "%d is too much", size)
                     - error->data;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
later(void *data, ngx_msec_t msec)
{
    later_msec = msec;
}


/* "row=value ..." of a record; NULL: there is none */

static char *
record(k8s_t *k, uint32_t kind)
{
    char                *p;
    uint64_t             cursor;
    ngx_str_t            s;
    ngx_uint_t           i;
    ngx_k8s_policy_t    *rec;
    ngx_k8s_setting_t   *setting;

    static char  text[32768];

    k8s_run(k);

    cursor = 0;

    while ((rec = ngx_k8s_table_next(k->table, NGX_K8S_INDEX_POLICY, &cursor)))
    {
        if (rec->kind != kind) {
            continue;
        }

        p = text;
        *p = '\0';
        setting = ngx_k8s_record_at(rec, rec->settings.offset);

        for (i = 0; i < rec->settings.n; i++) {
            ngx_k8s_record_str(rec, &setting[i].value, &s);

            p += sprintf(p, "%s%s=%.*s", i ? " " : "",
                         setting[i].flags & NGX_K8S_SETTING_CLOSED
                         ? "closed"
                         : (char *) ngx_k8s_rows[setting[i].row].name.data,
                         (int) s.len, s.data);
        }

        return text;
    }

    return NULL;
}

#define global(k)  record(k, NGX_K8S_POLICY_GLOBAL)
#define route(k)   record(k, NGX_K8S_POLICY_ROUTE)

#define is(get, text)                                                         \
    ok(get && strcmp(get, text) == 0, "%s is \"%s\"", #get, get ? get : "none")


static void
keys(void)
{
    k8s_t              k;
    ngx_atomic_uint_t  version;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.conf.build = build;
    k8s_open(&k);

    k8s_put(&k, CONFIG("own", "'proxy-body-size':'8','hsts':'off'"));
    is(global(&k), "proxy-body-size=8");
    ok(k8s_has(&k, "field \"data.hsts\""), "one that cannot be read");
    version = k.table->global;
    ok(version != 0, "readers are told");

    k8s_put(&k, CONFIG("own", "'proxy-body-size':'13','proxy-read-timeout':"
                       "'5','hsts':'true'"));
    is(global(&k), "proxy-read-timeout=5 hsts=true");
    ok(k8s_has(&k, "field \"data.proxy-body-size\"")
       && k8s_has(&k, "13 is too much"), "nginx refuses one");
    ok(k.table->global != version, "another version");

    /* over it */

    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'d','name':'i','annotations':{"
            "'nginx.ingress.kubernetes.io/proxy-body-size':'200',"
            "'nginx.ingress.kubernetes.io/proxy-send-timeout':'9'}},'spec':{"
            "'rules':[{'host':'a.test','http':{'paths':[{'path':'/','pathType':"
            "'Prefix','backend':{'service':{'name':'s','port':{'number':80}}}"
            "}]}}]}}");
    is(route(&k), "proxy-send-timeout=9");
    ok(k8s_has(&k, "200 is too much")
       && k8s_has(&k, "metadata.annotations[nginx.ingress.kubernetes.io/"
                      "proxy-body-size]"), "a problem of the Ingress");

    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'6'"));
    is(global(&k), "proxy-read-timeout=6");
    is(route(&k), "proxy-send-timeout=9 proxy-body-size=200");
    ok(!k8s_has(&k, "too much"), "no problem over another base");

    /* what no directive gets changes no profile */

    builds = 0;
    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'6','hsts':'false'"));
    is(global(&k), "proxy-read-timeout=6 hsts=false");
    ok(builds == 1, "the base is built alone: %d", (int) builds);

    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'5'"));
    is(route(&k), "proxy-send-timeout=9");
    ok(k8s_has(&k, "200 is too much"), "and back");

    k8s_put(&k, CONFIG("own", "'global-auth-url':'a/'"));
    is(global(&k), "closed=");

    /* a successor */

    k8s_put(&k, CONFIG("own", "'hsts':'false'"));
    (void) global(&k);
    version = k.table->global;
    k8s_end(&k);
    k8s_open(&k);
    k8s_put(&k, CONFIG("own", "'hsts':'false'"));
    is(global(&k), "hsts=false");
    ok(k.table->global == version, "the same to readers");

    k8s_delete(&k, NGX_K8S_CONFIG_MAP, "d", "own");
    ok(global(&k) == NULL && k.table->global == 0, "it goes");

    k8s_end(&k);
    ngx_str_null(&k.conf.config_map);
    k8s_open(&k);
    ok(global(&k) == NULL, "no directive");

    k8s_close(&k);
}


static void
changes(void)
{
    k8s_t  k;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.conf.later = later;
    ngx_current_msec = 1000;
    k8s_open(&k);

    k8s_put(&k, CONFIG("own", "'proxy-body-size':'1'"));
    is(global(&k), "proxy-body-size=1");

    ngx_current_msec += 30;
    k8s_put(&k, CONFIG("own", "'proxy-body-size':'2'"));
    is(global(&k), "proxy-body-size=1");
    ok(later_msec == 70, "a change soon after waits");

    k8s_put(&k, CONFIG("own", "'proxy-body-size':'3'"));
    ngx_current_msec += 100;
    ngx_k8s_compile_due(k.compile);
    is(global(&k), "proxy-body-size=3");

    ngx_current_msec += 100;
    k8s_put(&k, CONFIG("own", "'proxy-body-size':'4'"));
    is(global(&k), "proxy-body-size=4");

    k8s_close(&k);
}


/* Ingresses with a policy each, of a body that a time-out of 5 refuses */

#define POLICIES  60

static void
policies(k8s_t *k, int n)
{
    char  text[1024];
    int   i;

    for (i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "{'apiVersion':'networking.k8s.io/v1',"
                 "'kind':'Ingress','metadata':{'namespace':'d','name':'i%d',"
                 "'annotations':{'nginx.ingress.kubernetes.io/proxy-body-size':"
                 "'%d'}},'spec':{'rules':[{'host':'h%d.test','http':{'paths':[{"
                 "'path':'/','pathType':'Prefix','backend':{'service':{'name':"
                 "'s','port':{'number':80}}}}]}}]}}", i, 200 + i, i);
        k8s_put(k, text);
    }
}


/* how many of their records have it */

static ngx_uint_t
sizes(k8s_t *k)
{
    uint64_t           cursor;
    ngx_uint_t         n;
    ngx_k8s_policy_t  *rec;

    cursor = 0;
    n = 0;

    while ((rec = ngx_k8s_table_next(k->table, NGX_K8S_INDEX_POLICY, &cursor)))
    {
        n += (rec->kind == NGX_K8S_POLICY_ROUTE && rec->settings.n == 1);
    }

    return n;
}


static void
pieces(void)
{
    k8s_t       k;
    ngx_int_t   rc;
    ngx_uint_t  most;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.conf.build = build;
    k8s_open(&k);

    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'6'"));
    policies(&k, POLICIES);
    k8s_run(&k);
    ok(sizes(&k) == POLICIES, "all have their own size");

    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'5'"));
    most = 0;

    do {
        puts_seen = 0;
        rc = ngx_k8s_compile_run(k.compile, 0);
        most = ngx_max(most, puts_seen);
        ngx_k8s_writer_publish(k.writer);
    } while (rc == NGX_AGAIN);

    ok(sizes(&k) == 0, "they do not fit to a key");
    ok(most > 1 && most <= 16, "%u records at once", (unsigned) most);

    /* a change that is taken back before it is through */

    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'6'"));
    k8s_run(&k);
    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'5'"));
    builds = 0;

    while (builds < POLICIES / 2) {
        (void) ngx_k8s_compile_run(k.compile, 0);
    }

    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'6'"));
    k8s_run(&k);
    ok(sizes(&k) == POLICIES, "as before");

    /* some go while their records wait to be written */

    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'5'"));
    puts_seen = 0;

    while (puts_seen < 2) {
        (void) ngx_k8s_compile_run(k.compile, 0);
    }

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "i59");
    k8s_run(&k);
    ok(sizes(&k) == 0, "one that goes meanwhile");

    k8s_close(&k);
}


/* without room for their record, what protects closes all paths */

static void
shut(void)
{
    char   *text;
    k8s_t   k;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.size = 2 * 1024 * 1024;
    k8s_open(&k);

    k8s_put(&k, CONFIG("own", "'whitelist-source-range':'10.0.0.0/8'"));
    k8s_run(&k);
    fill(&k);

    while (ngx_k8s_writer_cost(1024) > k.table->largest) {
        ngx_k8s_writer_remove(k.writer, slots[--nslots]);
        ngx_k8s_writer_publish(k.writer);
    }

    text = malloc(65536);

    sprintf(text, CONFIG("own", "'whitelist-source-range':'10.0.0.0/8',"
                         "'use-gzip':'true','gzip-types':'%050000d'"), 1);
    k8s_put(&k, text);
    is(global(&k), "allowlist-source-range=10.0.0.0/8");

    /* one that cannot be read closes */

    sprintf(text, CONFIG("own", "'whitelist-source-range':'none','use-gzip':"
                         "'true','gzip-types':'%050000d'"), 1);
    k8s_put(&k, text);
    is(global(&k), "closed=");

    /* another one does so as well, and this one no more, where it has room */

    k8s_put(&k, CONFIG("own", "'whitelist-source-range':'10.0.0.0/8'"));
    is(global(&k), "allowlist-source-range=10.0.0.0/8");

    sprintf(text, CONFIG("own", "'whitelist-source-range':'10.0.0.0/9',"
                         "'use-gzip':'true','gzip-types':'%050000d'"), 1);
    k8s_put(&k, text);
    is(global(&k), "closed=");

    /* what a successor reads is the same */

    k8s_end(&k);
    k8s_open(&k);
    k8s_put(&k, text);
    is(global(&k), "closed=");

    k8s_put(&k, CONFIG("own", "'whitelist-source-range':'10.0.0.0/8'"));
    is(global(&k), "allowlist-source-range=10.0.0.0/8");

    free(text);
    k8s_close(&k);
}


/* what had no room is there when there is room */

static void
room(void)
{
    char       *text;
    k8s_t       k;
    ngx_int_t   rc;
    ngx_uint_t  n;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k.conf.build = build;
    k.size = 2 * 1024 * 1024;
    k8s_open(&k);

    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'5'"));
    policies(&k, 3);
    k8s_run(&k);
    ok(sizes(&k) == 0, "no size over these keys");

    fill(&k);
    ngx_k8s_writer_remove(k.writer, slots[0]);
    ngx_k8s_writer_publish(k.writer);

    text = malloc(32768);
    sprintf(text, CONFIG("own", "'proxy-read-timeout':'6',"
                         "'no-tls-redirect-locations':'%020000d'"), 1);
    k8s_put(&k, text);

    is(global(&k), "proxy-read-timeout=5");
    ok((k8s_has(&k, "problem ConfigMap d/own")
        && k8s_has(&k, "there is no room for it in the zone"))
       || ngx_k8s_writer_room(k.writer) == 0,
       "a problem of the ConfigMap, where there is any room");
    ok(sizes(&k) == 0, "no room for policies over it");

    while (--nslots) {
        ngx_k8s_writer_remove(k.writer, slots[nslots]);
    }

    ngx_k8s_writer_publish(k.writer);
    k8s_run(&k);

    ok(global(&k) && strlen(global(&k)) > 20000, "it comes by itself");
    ok(sizes(&k) == 3, "so do policies over it");
    ok(!k8s_has(&k, "no room"), "the problem has gone");

    /* a successor: the room comes with its sweep */

    fill(&k);
    k8s_put(&k, CONFIG("own", "'proxy-read-timeout':'6'"));
    k8s_run(&k);
    fill(&k);
    k8s_end(&k);
    k8s_open(&k);
    k8s_put(&k, text);
    ngx_k8s_compile_synced(k.compile);

    n = 0;

    do {
        rc = ngx_k8s_compile_run(k.compile, 0);
        ngx_k8s_writer_publish(k.writer);

        n += (ngx_k8s_table_find(k.table, NGX_K8S_INDEX_POLICY,
                                 (u_char *) NGX_K8S_POLICY_GLOBAL_KEY,
                                 sizeof(NGX_K8S_POLICY_GLOBAL_KEY) - 1, NULL)
              == NULL);
    } while (rc == NGX_AGAIN);

    ok(n == 0, "what a predecessor left holds so long");
    ok(global(&k) && strlen(global(&k)) > 20000, "then it is there");

    free(text);
    k8s_close(&k);
}


/*
 * The gate: Ingresses are as if they had come after it, each time it changes,
 * and what an Ingress says is not served behind it.
 */

#define GATED(name, host, annotations)                                        \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','annotations':{" annotations "}},"     \
    "'spec':{'rules':[{'host':'" host "','http':{'paths':[{'path':'/" name    \
    "','pathType':'Prefix','backend':{'service':{'name':'s','port':{"         \
    "'number':80}}}}]}}]}}"

#define NGINX  "'nginx.ingress.kubernetes.io/"

static const char  *gated[] = {
    GATED("plain", "a.test", "'example.com/a':'evil'"),
    GATED("medium", "a.test", NGINX "proxy-body-size':'1m'"),
    GATED("regex", "b.test", NGINX "rewrite-target':'/evil'," NGINX
          "app-root':'/x'," NGINX "server-alias':'c.test'"),
    GATED("high", "b.test", NGINX "server-alias':'d.test,evil.test'"),
    GATED("canary", "a.test", NGINX "canary':'true'," NGINX
          "canary-weight':'50'"),
    GATED("protected", "a.test", NGINX "auth-url':'http://auth.test/'"),
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d',"
    "'name':'s'},'spec':{'ports':[{'port':80}]}}",
    NULL
};

static const char  *gates[] = {
    CONFIG("own", "'annotations-risk-level':'Medium'"),
    CONFIG("own", "'annotations-risk-level':'Low'"),
    CONFIG("own", "'annotation-value-word-blocklist':'evil, x'"),
    CONFIG("own", "'annotations-risk-level':'Critical'"),
    CONFIG("own", "'annotation-value-word-blocklist':'auth'"),
    CONFIG("own", "'hsts':'true'"),
    NULL
};


static void
gate(void)
{
    char         *dump, *other;
    k8s_t         k, fresh;
    const char  **g, **o;

    k8s_conf(&k);
    ngx_str_set(&k.conf.config_map, "d/own");
    k8s_open(&k);

    for (o = gated; *o; o++) {
        k8s_put(&k, *o);
    }

    for (g = gates; *g; g++) {
        k8s_put(&k, *g);
        dump = strdup(k8s_dump(&k));

        k8s_conf(&fresh);
        ngx_str_set(&fresh.conf.config_map, "d/own");
        k8s_open(&fresh);

        k8s_put(&fresh, *g);

        for (o = gated; *o; o++) {
            k8s_put(&fresh, *o);
        }

        other = k8s_dump(&fresh);

        ok(strcmp(dump, other) == 0, "as a fresh one: %s", *g);

        if (strcmp(dump, other) != 0) {
            printf("%s\nfresh:\n%s\n", dump, other);
        }

        free(dump);
        k8s_close(&fresh);
    }

    k8s_put(&k, CONFIG("own", "'annotations-risk-level':'Low'"));
    ok(k8s_has(&k, "of d/medium action 0 status 404"),
       "what is above the level answers 404");
    ok(k8s_has(&k, "its risk is \"Medium\", and annotations-risk-level allows "
                   "\"Low\" at most, so the Ingress is not served"),
       "and is a problem");

    k8s_delete(&k, NGX_K8S_CONFIG_MAP, "d", "own");
    ok(!k8s_has(&k, "of d/medium action 0 status 404")
       && !k8s_has(&k, "annotations-risk-level allows"),
       "it goes with the key");

    k8s_close(&k);
}


/*
 * The ConfigMap of a class: between annotations and the controller's.
 */

#define CLASS(name, parameters)                                               \
    "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass','metadata':{" \
    "'name':'" name "'},'spec':{'controller':'k8s.io/ingress-nginx'"          \
    parameters "}}"

#define PARAMETERS(name)                                                      \
    ",'parameters':{'apiGroup':'','kind':'ConfigMap','scope':'Namespace',"    \
    "'namespace':'d','name':'" name "'}"

#define CLASSED(name, class, annotations)                                     \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','annotations':{" annotations "}},"     \
    "'spec':{'ingressClassName':'" class "','rules':[{'host':'" name          \
    ".test','http':{'paths':[{'path':'/','pathType':'Prefix','backend':{"     \
    "'service':{'name':'s','port':{'number':80}}}}]}}]}}"


static void
classes(void)
{
    char   *dump;
    k8s_t   k, fresh;

    wanted[0] = '\0';

    k8s_conf(&k);
    k.events.want = want;
    k8s_open(&k);

    k8s_put(&k, CLASS("one", PARAMETERS("keys")));
    k8s_put(&k, CLASS("two", ""));
    ok(strcmp(wanted, "+ConfigMap d/keys") == 0, "is wanted: %s", wanted);
    ok(k8s_has(&k, "ConfigMap d/keys is not there"), "and missed");

    k8s_put(&k, CLASSED("a", "one", ""));
    k8s_put(&k, CLASSED("b", "two", ""));
    ok(route(&k) == NULL, "until it comes none has a policy");

    k8s_put(&k, CONFIG("keys", "'proxy-body-size':'8','hsts':'false',"
                       "'enable-real-ip':'true','proxy-read-timeout':'x',"
                       "'proxy-body-siz':'1'"));
    is(route(&k), "proxy-body-size=8 hsts=false");
    ok(k.table->counts[NGX_K8S_INDEX_POLICY] == 1, "of this class alone");
    ok(!k8s_has(&k, "is not there"), "it is there");
    ok(k8s_has(&k, "field \"data.enable-real-ip\"")
       && k8s_has(&k, "only the controller's ConfigMap can say this"),
       "what is for all");
    ok(k8s_has(&k, "field \"data.proxy-read-timeout\"")
       && k8s_has(&k, "Did you mean"), "and what is wrong");

    k8s_put(&k, CLASSED("a", "one", NGINX "proxy-body-size':'9'"));
    is(route(&k), "proxy-body-size=9 hsts=false");

    k8s_put(&k, CONFIG("keys", "'proxy-body-size':'7'"));
    is(route(&k), "proxy-body-size=9");

    k8s_put(&k, CLASSED("a", "one", ""));
    is(route(&k), "proxy-body-size=7");
    ok(!k8s_has(&k, "data."), "the problems have gone");

    dump = strdup(k8s_dump(&k));

    k8s_conf(&fresh);
    fresh.events.want = want;
    k8s_open(&fresh);
    k8s_put(&fresh, CLASS("two", ""));
    k8s_put(&fresh, CLASSED("b", "two", ""));
    k8s_put(&fresh, CLASSED("a", "one", ""));
    k8s_put(&fresh, CLASS("one", PARAMETERS("keys")));
    k8s_put(&fresh, CONFIG("keys", "'proxy-body-size':'7'"));
    ok(strcmp(dump, k8s_dump(&fresh)) == 0, "as a fresh one");
    free(dump);
    k8s_close(&fresh);

    k8s_put(&k, CONFIG("keys", "'denylist-source-range':'x'"));
    ok(k8s_has(&k, "status 503"), "what protects closes the class");

    k8s_put(&k, CONFIG("keys", "'proxy-body-size':'7'"));
    k8s_put(&k, CLASS("one", PARAMETERS("others")));
    ok(route(&k) == NULL && k8s_has(&k, "ConfigMap d/others is not there"),
       "another one");

    k8s_put(&k, CONFIG("others", "'proxy-body-size':'6'"));
    is(route(&k), "proxy-body-size=6");

    k8s_delete(&k, NGX_K8S_CONFIG_MAP, "d", "others");
    ok(route(&k) == NULL && k8s_has(&k, "ConfigMap d/others is not there"),
       "it goes");

    k8s_put(&k, CONFIG("others", "'proxy-body-size':'6'"));
    k8s_put(&k, CLASS("one", ""));
    ok(route(&k) == NULL && !k8s_has(&k, "others"), "the class names none");

    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass',"
            "'metadata':{'name':'three'},'spec':{'controller':'other'"
            PARAMETERS("secret") "}}");
    ok(strstr(wanted, "secret") == NULL && !k8s_has(&k, "secret"),
       "another controller's class is none");

    k8s_close(&k);
}


/* how often the dump has it */

static ngx_uint_t
times(k8s_t *k, const char *text)
{
    char        *p;
    ngx_uint_t   n;

    n = 0;

    for (p = strstr(k8s_dump(k), text); p; p = strstr(p + 1, text)) {
        n++;
    }

    return n;
}


/* what nginx refuses of a class' keys is said of its ConfigMap, once */

static void
class_refused(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k.events.want = want;
    k.conf.build = build;
    k8s_open(&k);

    k8s_put(&k, CLASS("one", PARAMETERS("keys")));
    k8s_put(&k, CLASS("two", ""));
    k8s_put(&k, CONFIG("keys", "'proxy-body-size':'13'"));
    ok(times(&k, "13 is too much") == 0, "no Ingress has the keys");

    k8s_put(&k, CLASSED("a", "one", ""));
    k8s_put(&k, CLASSED("b", "one", NGINX "proxy-read-timeout':'7'"));
    k8s_put(&k, CLASSED("c", "one", NGINX "proxy-body-size':'5'"));

    ok(times(&k, "13 is too much") == 1 && times(&k, "nginx refuses") == 1,
       "it is said once");
    ok(k8s_has(&k, "field \"data.proxy-body-size\""), "of the key");
    ok(!k8s_has(&k, "annotations["), "and of no Ingress");

    k8s_put(&k, CLASSED("d", "two", NGINX "proxy-body-size':'13'"));
    ok(times(&k, "nginx refuses") == 2
       && times(&k, "proxy-body-size]") == 1,
       "an Ingress that says the same has its own");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "d");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "b");
    ok(times(&k, "nginx refuses") == 1, "as long as one has them");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "a");
    ok(times(&k, "nginx refuses") == 0, "not any more");

    k8s_put(&k, CLASSED("a", "one", ""));
    ok(times(&k, "nginx refuses") == 1, "and again");

    k8s_put(&k, CONFIG("keys", "'proxy-body-size':'12'"));
    ok(times(&k, "nginx refuses") == 0, "until the key is good");

    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    named();
    unnamed();
    keys();
    changes();
    pieces();
    room();
    nslots = 0;
    shut();
    gate();
    classes();
    class_refused();

    return done();
}
