
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include "k8s.h"
#include <ngx_k8s_selector.h>


static ngx_array_t *
labels(ngx_pool_t *pool, char *text)
{
    char          *p, *end;
    ngx_array_t   *a;
    ngx_keyval_t  *kv;

    a = ngx_array_create(pool, 4, sizeof(ngx_keyval_t));

    for (p = text; *p; p = *end ? end + 1 : end) {
        end = p + strcspn(p, " ");

        kv = ngx_array_push(a);
        kv->key.data = (u_char *) p;
        kv->key.len = strcspn(p, "=");
        kv->value.data = kv->key.data + kv->key.len + 1;
        kv->value.len = (u_char *) end - kv->value.data;
    }

    return a;
}


/* with labels "team=shop stage=live empty= n=7 in=notin" */

static void
matches(void)
{
    char         *err;
    size_t        at;
    ngx_str_t     text;
    ngx_pool_t   *pool;
    ngx_uint_t    i, rc;
    ngx_array_t  *selector;

    static struct { char *text; ngx_uint_t match; }  c[] = {
        { "team", 1 }, { "nobody", 0 }, { "!team", 0 }, { "!nobody", 1 },
        { "! nobody", 1 },
        { "team=shop", 1 }, { "team==shop", 1 }, { " team = shop ", 1 },
        { "team=sho", 0 }, { "team=shops", 0 }, { "nobody=shop", 0 },
        { "team!=shop", 0 }, { "team!=x", 1 }, { "nobody!=x", 1 },
        { "team in (shop)", 1 }, { "team in (a,shop,b)", 1 },
        { "team in ( a , shop )", 1 }, { "team in (a,b)", 0 },
        { "team in(shop)", 1 }, { "nobody in (shop)", 0 },
        { "team notin (shop)", 0 }, { "team notin (a, b)", 1 },
        { "nobody notin (a)", 1 },
        { "empty=", 1 }, { "empty", 1 }, { "team=", 0 }, { "nobody=", 0 },
        { "empty!=", 0 }, { "empty in (,a)", 1 }, { "empty in (a,)", 1 },
        { "empty in (a,,b)", 1 }, { "empty in (a)", 0 }, { "team in (,)", 0 },
        { "empty=,team", 1 }, { "team=,empty", 0 },
        { "team=shop,stage=live", 1 }, { "team=shop,stage=test", 0 },
        { "team=a,stage=live", 0 }, { "team,!closed,stage in (live,test)", 1 },
        { "n>6", 1 }, { "n > 7", 0 }, { "n<8", 1 }, { "n<7", 0 },
        { "team>1", 0 }, { "nobody<1", 0 },
        { "in=notin", 1 }, { "in in (notin)", 1 }, { "in", 1 }, { "!in", 0 },
        { "example.com/team", 0 }, { "!example.com/team", 1 },
        { "kubernetes.io/metadata.name notin (a)", 1 }
    };

    pool = ngx_create_pool(1024, &unit_log);

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        text = k8s_str(c[i].text);
        selector = ngx_k8s_selector_parse(pool, &text, &err, &at);

        if (selector == NULL) {
            ok(0, "%s: %s", c[i].text, err);
            continue;
        }

        rc = ngx_k8s_selector_match(selector, labels(pool, "team=shop "
                                            "stage=live empty= n=7 in=notin"));
        ok(rc == c[i].match, "%s is %s", c[i].text,
           c[i].match ? "met" : "not met");
    }

    text = k8s_str("!a");
    selector = ngx_k8s_selector_parse(pool, &text, &err, &at);
    ok(ngx_k8s_selector_match(selector, NULL), "no labels at all");

    text = k8s_str("a");
    selector = ngx_k8s_selector_parse(pool, &text, &err, &at);
    ok(!ngx_k8s_selector_match(selector, NULL), "no labels, one is needed");

    ngx_destroy_pool(pool);
}


static void
refused(void)
{
    char         *err;
    size_t        at;
    char          text[400];
    ngx_str_t     s;
    ngx_pool_t   *pool;
    ngx_uint_t    i;

    static struct { char *text; size_t at; char *err; }  c[] = {
        { "", 0, "key" }, { "  ", 2, "key" }, { ",", 0, "key" },
        { "a,", 2, "key" }, { "a,,b", 2, "key" }, { "!", 1, "key" },
        { "!!a", 1, "key" }, { "a b", 2, "\"in\"" }, { "a=b c", 4, "\",\"" },
        { "!a=b", 2, "\",\"" }, { "a===b", 3, "value" }, { "a=!b", 2, "value" },
        { "a=(b)", 2, "value" }, { "a in b", 5, "\"(\"" },
        { "a in ()", 5, "empty" }, { "a in (b", 7, "\",\" or \")\"" },
        { "a in (b c)", 8, "\",\" or \")\"" }, { "a in (b))", 8, "\",\"" },
        { "a in", 4, "\"(\"" }, { "a IN (b)", 2, "\"in\"" },
        { "a in (b,-c)", 8, "value" }, { "a=-b", 2, "value" },
        { "a=b-", 2, "value" }, { "a=b/c", 2, "value" }, { "-a", 0, "key" },
        { "a/", 0, "key" }, { "/a", 0, "key" }, { "a/b/c", 0, "key" },
        { "A.b/c", 0, "key" }, { "a..b/c", 0, "key" }, { "a-.b/c", 0, "key" },
        { "-a/c", 0, "key" }, { "a./c", 0, "key" }, { "\xc3\xa4=b", 0, "key" },
        { "a=\xc3\xa4", 2, "value" }, { "a>b", 2, "number" },
        { "a>", 2, "number" }, { "a<1234567890123456789", 2, "number" },
        { "a><1", 2, "value" }
    };

    pool = ngx_create_pool(1024, &unit_log);

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        s = k8s_str(c[i].text);
        err = "";
        at = 0;

        ok(ngx_k8s_selector_parse(pool, &s, &err, &at) == NULL
           && at == c[i].at && strstr(err, c[i].err),
           "\"%s\" is none: %s at %u", c[i].text, err, (unsigned) at);
    }

    memset(text, 'a', sizeof(text));
    s.data = (u_char *) text;

    s.len = 63;
    ok(ngx_k8s_selector_parse(pool, &s, &err, &at), "a name of 63");
    s.len = 64;
    ok(ngx_k8s_selector_parse(pool, &s, &err, &at) == NULL, "but not of 64");

    text[253] = '/';
    s.len = 260;
    ok(ngx_k8s_selector_parse(pool, &s, &err, &at), "a prefix of 253");

    text[253] = 'a';
    text[254] = '/';
    ok(ngx_k8s_selector_parse(pool, &s, &err, &at) == NULL, "but not of 254");

    ngx_destroy_pool(pool);
}


#define NAMESPACE(name, label)                                                \
    "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'" name "',"    \
    "'labels':{" label "}}}"

#define INGRESS(ns, name, host)                                               \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'" ns "','name':'" name "'},'spec':{'rules':[{'host':'" host \
    "','http':{'paths':[{'path':'/','pathType':'Prefix','backend':{"          \
    "'service':{'name':'s','port':{'number':80}}}}]}}]}}"


static ngx_uint_t
taken(k8s_t *k, char *ns, char *name)
{
    ngx_str_t         s, n;
    ngx_k8s_entry_t  *entry;

    while (ngx_k8s_store_settle(k->store, 1) == NGX_AGAIN) { /* void */ }

    s = k8s_str(ns);
    n = k8s_str(name);

    entry = ngx_k8s_entry_find(k->store, NGX_K8S_INGRESS, &s, &n);

    return entry && entry->taken;
}


/* in the store: labels and Ingresses come in any order, change and go */

static void
store(void)
{
    k8s_t       k;
    char       *err;
    size_t      at;
    ngx_str_t   none, name;
    ngx_pool_t *pool;

    k8s_conf(&k);

    pool = ngx_create_pool(1024, &unit_log);
    k.class.selector_text = k8s_str("team=shop");
    k.class.selector = ngx_k8s_selector_parse(pool, &k.class.selector_text,
                                              &err, &at);
    k8s_open(&k);

    k8s_put(&k, INGRESS("a", "one", "one.test"));
    k8s_put(&k, INGRESS("b", "two", "two.test"));
    ok(!taken(&k, "a", "one") && !taken(&k, "b", "two"),
       "without a Namespace none is taken");

    k8s_put(&k, NAMESPACE("a", "'team':'shop'"));
    k8s_put(&k, NAMESPACE("b", "'team':'other'"));
    ok(taken(&k, "a", "one"), "a label comes");
    ok(!taken(&k, "b", "two"), "another one");

    k8s_put(&k, INGRESS("a", "three", "three.test"));
    ok(taken(&k, "a", "three"), "an Ingress comes later");

    k8s_put(&k, NAMESPACE("a", ""));
    k8s_put(&k, NAMESPACE("b", "'team':'shop','x':'y'"));
    ok(!taken(&k, "a", "one") && !taken(&k, "a", "three"), "the label goes");
    ok(taken(&k, "b", "two"), "and comes to another");

    ngx_str_null(&none);
    name = k8s_str("b");
    ngx_k8s_store_delete(k.store, NGX_K8S_NAMESPACE, &none, &name, &none);
    ok(!taken(&k, "b", "two"), "the Namespace goes");

    k8s_close(&k);
    ngx_destroy_pool(pool);
}


int
main(void)
{
    unit_init();

    matches();
    refused();
    store();

    return done();
}
