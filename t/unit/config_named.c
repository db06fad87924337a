
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * ConfigMaps that others name, while it is not known whether they are there:
 * keys and routes do not wait, what was published stays in force, and what is
 * new is closed.
 */


#include "k8s.h"


#define CONFIG(name, data)                                                    \
    "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'namespace':'d',"      \
    "'name':'" name "'},'data':{" data "}}"

#define OWN       CONFIG("own", "'global-allowed-response-headers':'X-A'")
#define ANSWER    CONFIG("h", "'X-A':'b'")
#define HEADERS   "'nginx.ingress.kubernetes.io/custom-headers':'d/"
#define NOT_COME  "ConfigMap d/h has not come, so the paths of the Ingress " \
                  "are closed"


static ngx_msec_t  later_msec;


static void
want(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t yes)
{
    /* void */
}


static void
later(void *data, ngx_msec_t msec)
{
    later_msec = msec;
}


static void
begin(k8s_t *k, ngx_msec_t now)
{
    ngx_current_msec = now;
    later_msec = 0;

    k8s_conf(k);
    ngx_str_set(&k->conf.config_map, "d/own");
    ngx_str_set(&k->class.config_map, "d/own");
    k->conf.later = later;
    k->events.want = want;
    k8s_open(k);
}


static void
pass(k8s_t *k, ngx_msec_t msec)
{
    ngx_current_msec += msec;
    ngx_k8s_compile_due(k->compile);
}


/* of one namespace with paths of the host "a.test" */

static void
ingress(k8s_t *k, const char *ns, const char *annotations, const char *one,
    const char *two)
{
    u_char  *p, text[2048];

    p = ngx_sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                    "'Ingress','metadata':{'namespace':'%s','name':'i',"
                    "'annotations':{%s}},'spec':{'rules':[{'host':'a.test',"
                    "'http':{'paths':[{'path':'%s','pathType':'Prefix',"
                    "'backend':{'service':{'name':'s','port':{'number':80}}}}",
                    ns, annotations, one);

    if (two) {
        p = ngx_sprintf(p, ",{'path':'%s','pathType':'Prefix','backend':{"
                        "'service':{'name':'s','port':{'number':80}}}}", two);
    }

    *ngx_sprintf(p, "]}}]}}") = '\0';

    k8s_put(k, (char *) text);
}


/* "row=value ..." of a record; "": there is none */

static char *
record(k8s_t *k, uint32_t kind)
{
    char               *p;
    uint64_t            cursor;
    ngx_str_t           s;
    ngx_uint_t          i;
    ngx_k8s_policy_t   *rec;
    ngx_k8s_setting_t  *setting;

    static char  text[1024];

    k8s_run(k);

    p = text;
    *p = '\0';
    cursor = 0;

    while ((rec = ngx_k8s_table_next(k->table, NGX_K8S_INDEX_POLICY, &cursor)))
    {
        if (rec->kind != kind) {
            continue;
        }

        setting = ngx_k8s_record_at(rec, rec->settings.offset);

        for (i = 0; i < rec->settings.n; i++) {
            ngx_k8s_record_str(rec, &setting[i].value, &s);

            p += sprintf(p, "%s%s=%.*s", p == text ? "" : " ",
                         setting[i].flags & NGX_K8S_SETTING_CLOSED
                         ? "closed"
                         : (char *) ngx_k8s_rows[setting[i].row].name.data,
                         (int) s.len, s.data);
        }
    }

    return text;
}

#define global(k)  record(k, NGX_K8S_POLICY_GLOBAL)
#define route(k)   record(k, NGX_K8S_POLICY_ROUTE)

#define is(get, text)                                                         \
    ok(strcmp(get, text) == 0, "%s is \"%s\"", #get, get)


static void
new(ngx_msec_t now)
{
    k8s_t  k;

    begin(&k, now);
    k8s_put(&k, OWN);
    ingress(&k, "d", HEADERS "h'", "/a", NULL);
    is(route(&k), "closed=");
    ok(k8s_has(&k, "prefix \"/a\""), "at %d a new path is closed", (int) now);
    ok(!k8s_has(&k, "has not come"), "nothing is said at once");
    ok(later_msec == 5000, "later is asked for: %d", (int) later_msec);

    pass(&k, 4999);
    ok(!k8s_has(&k, "has not come") && later_msec == 1, "nor soon");

    pass(&k, 1);
    ok(k8s_has(&k, NOT_COME), "then it is");
    is(route(&k), "closed=");

    k8s_put(&k, ANSWER);
    is(route(&k), "custom-headers=X-A: b\n");
    ok(!k8s_has(&k, "has not come"), "and not when it has come");

    k8s_close(&k);
}


/* a new version waits, for a while */

static void
edited(ngx_msec_t now)
{
    k8s_t  k;

    begin(&k, now);
    k8s_put(&k, OWN);
    ingress(&k, "d", "", "/a", NULL);
    ok(k8s_has(&k, "prefix \"/a\""), "at %d a path without", (int) now);

    ingress(&k, "d", HEADERS "h'", "/a", "/two");
    is(route(&k), "");
    ok(k8s_has(&k, "prefix \"/a\"") && !k8s_has(&k, "prefix \"/two\""),
       "the old version is served");

    k8s_put(&k, ANSWER);
    is(route(&k), "custom-headers=X-A: b\n");
    ok(k8s_has(&k, "prefix \"/two\""), "the new one when it has come");

    ingress(&k, "d", HEADERS "none'", "/a", NULL);
    is(route(&k), "custom-headers=X-A: b\n");
    pass(&k, 5000);
    is(route(&k), "closed=");
    ok(k8s_has(&k, "ConfigMap d/none has not come") && !k8s_has(&k, "/two"),
       "or when that takes too long");

    k8s_close(&k);
}


static void
shared(void)
{
    k8s_t        k;
    char         text[128];
    ngx_uint_t   i;

    begin(&k, 1000);
    k8s_put(&k, OWN);
    ingress(&k, "b", "", "/b", NULL);
    ingress(&k, "d", "", "/a", NULL);
    k8s_run(&k);
    ingress(&k, "d", HEADERS "h'", "/a", NULL);
    ingress(&k, "b", "", "/b", "/b2");
    ok(k8s_has(&k, "prefix \"/b2\""), "no other object waits");

    for (i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), HEADERS "h%d'", (int) i);
        ingress(&k, "d", text, "/a", NULL);
        ingress(&k, "b", "", "/b", i & 1 ? "/b2" : "/b3");
        ok(k8s_has(&k, i & 1 ? "prefix \"/b2\"" : "prefix \"/b3\""),
           "whatever is edited");
        pass(&k, 4000);
    }

    k8s_close(&k);
}


static void
successor(ngx_msec_t now)
{
    k8s_t  k;

    begin(&k, now);
    k8s_put(&k, OWN);
    ingress(&k, "b", "", "/b", NULL);
    ingress(&k, "d", HEADERS "h'", "/a", NULL);
    k8s_put(&k, ANSWER);
    is(route(&k), "custom-headers=X-A: b\n");
    k8s_end(&k);

    k8s_open(&k);
    ngx_k8s_compile_synced(k.compile);
    k8s_put(&k, OWN);
    ingress(&k, "b", "", "/b", "/b2");
    ingress(&k, "d", HEADERS "h'", "/a", NULL);
    is(route(&k), "custom-headers=X-A: b\n");
    ok(k8s_has(&k, "prefix \"/b2\"") && k8s_has(&k, "prefix \"/a\""),
       "at %d a successor serves all of the host", (int) now);

    pass(&k, 5000);
    is(route(&k), "custom-headers=X-A: b\n");
    ok(k8s_has(&k, "ConfigMap d/h has not come, so what it said before holds"),
       "and says what it lacks");

    k8s_put(&k, CONFIG("h", "'X-A':'c'"));
    is(route(&k), "custom-headers=X-A: c\n");
    k8s_delete(&k, NGX_K8S_CONFIG_MAP, "d", "h");
    is(route(&k), "closed=");
    ok(k8s_has(&k, "ConfigMap d/h is not there"), "it goes");

    k8s_close(&k);
}


static void
keys(void)
{
    k8s_t  k;

    begin(&k, 1000);
    k8s_put(&k, CONFIG("own", "'add-headers':'d/h','hsts':'false'"));
    ingress(&k, "d", "", "/a", NULL);
    is(global(&k), "hsts=false");
    ok(k8s_has(&k, "prefix \"/a\""), "keys do not wait");
    pass(&k, 5000);
    ok(k8s_has(&k, "ConfigMap d/h has not come"), "which is said");

    k8s_put(&k, ANSWER);
    is(global(&k), "hsts=false add-headers=X-A: b\n");
    ok(!k8s_has(&k, "has not come"), "it has come");

    ngx_current_msec += 100;
    k8s_put(&k, CONFIG("own", "'add-headers':'d/g','hsts':'true'"));
    is(global(&k), "hsts=true add-headers=X-A: b\n");
    k8s_end(&k);

    /* its own ConfigMap is slow to come to a successor */

    k8s_open(&k);
    ingress(&k, "d", "", "/a", NULL);
    is(global(&k), "hsts=true add-headers=X-A: b\n");
    ok(k8s_has(&k, "ConfigMap d/own has not come"), "keys stay so long");
    k8s_put(&k, CONFIG("own", "'add-headers':'d/g','hsts':'false'"));
    is(global(&k), "hsts=false add-headers=X-A: b\n");
    k8s_delete(&k, NGX_K8S_CONFIG_MAP, "d", "g");
    ngx_current_msec += 100;
    ngx_k8s_compile_due(k.compile);
    is(global(&k), "hsts=false");

    k8s_close(&k);
}


/* what is too large is not looked at */

static void
large(void)
{
    k8s_t  k;

    static char  text[2 * 17000 + 256];

    begin(&k, 1000);
    k8s_put(&k, OWN);
    ingress(&k, "d", HEADERS "h'", "/a", NULL);

    snprintf(text, sizeof(text), CONFIG("h", "'X-A':'%0*d\\t'"), 17000, 0);
    k8s_put(&k, text);
    is(route(&k), "closed=");
    ok(k8s_has(&k, "is one too many"), "size goes before text");

    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    new(1000);
    new(1001);
    edited(1000);
    edited((ngx_msec_t) -2001);
    shared();
    successor(1000);
    successor(1001);
    keys();
    large();

    return done();
}
