
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The controller's ConfigMap: what the directive names is wanted, alone, and a
 * problem while it is not there.
 */


#include "k8s.h"


#define CONFIG(name, data)                                                    \
    "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'namespace':'d',"      \
    "'name':'" name "'},'data':{" data "}}"


static char  wanted[256];


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


static ngx_uint_t
value(k8s_t *k, const char *name, const char *key, const char *text)
{
    ngx_str_t  ns, n, s, *v;

    ns = k8s_str("d");
    n = k8s_str(name);
    s = k8s_str(key);

    v = ngx_k8s_store_config(k->store, &ns, &n, &s);

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


int
main(void)
{
    unit_init();

    named();
    unnamed();

    return done();
}
