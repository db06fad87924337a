
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Problems in the error log: a line when one comes, and one when it goes. */


#include "k8s.h"
#include <ngx_k8s_teller.h>


static k8s_t             k;
static ngx_k8s_teller_t  teller;
static char              text[65536];


static void
on_told(void *data, ngx_k8s_problem_rec_t *old, ngx_k8s_problem_rec_t *now)
{
    ngx_k8s_teller_told(&teller, old, now);
}


/* what was logged since the last call */

static char *
said(void)
{
    ssize_t  n;

    static off_t  at;

    k8s_run(&k);

    n = pread(unit_file.fd, text, sizeof(text) - 1, at);
    n = ngx_max(n, 0);
    text[n] = '\0';
    at += n;

    return text;
}


static ngx_uint_t
count(const char *what)
{
    char        *p;
    ngx_uint_t   n;

    n = 0;

    for (p = text; (p = strstr(p, what)) != NULL; p++) {
        n++;
    }

    return n;
}


static void
ingress(const char *name, const char *host)
{
    char  buf[512];

    snprintf(buf, sizeof(buf), "{'apiVersion':'networking.k8s.io/v1','kind':"
             "'Ingress','metadata':{'namespace':'n','name':'%s'},'spec':{"
             "'rules':[{'host':'%s','http':{'paths':[{'path':'/','pathType':"
             "'Prefix','backend':{'service':{'name':'s','port':{'number':80}}}}"
             "]}}]}}", name, host);
    k8s_put(&k, buf);
}


static void
service(void)
{
    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
                "'n','name':'s'},'spec':{'clusterIP':'10.0.0.1','ports':"
                "[{'port':80}]}}");
    k8s_put(&k, "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice',"
                "'metadata':{'namespace':'n','name':'s-1','labels':{"
                "'kubernetes.io/service-name':'s'}},'addressType':'IPv4',"
                "'ports':[{'port':80}],'endpoints':[{'addresses':['10.1.0.1'],"
                "'conditions':{'ready':true}}]}");
}


static void
comes_and_goes(void)
{
    ingress("a", "a.test");
    (void) said();
    ok(count("Ingress \"n/a\": ") == 1 && count("(ServiceNotFound): ") == 1
       && count("zone: ") == 1, "a problem has a line");

    ingress("a", "other.test");
    (void) said();
    ok(count("no longer") <= 1 && count("\n") <= 2, "an edit says little");

    (void) said();
    ok(text[0] == '\0', "once");

    service();
    (void) said();
    ok(count("no longer: ") == 1 && count("(ServiceNotFound)") == 1,
       "and its end has one");

    ingress("b", "a b");
    (void) said();
    ok(count("Ingress \"n/b\": ") == 1 && count("(HostInvalid)") == 1,
       "another object's");

    k8s_delete(&k, NGX_K8S_INGRESS, "n", "b");
    (void) said();
    ok(count("Ingress \"n/b\": ") == 1 && count("no longer: ") == 1,
       "it ends with the object");

    ingress("c", "c\\n2026/01/01 forged");
    (void) said();
    ok(count("\n") == 1 && count("Ingress \"n/c\": ") == 1,
       "what a tenant writes stays on its line");
}


static void
successor(void)
{
    k8s_end(&k);
    k8s_open(&k);

    service();
    ingress("a", "other.test");
    ingress("c", "c\\n2026/01/01 forged");
    (void) said();
    ok(text[0] == '\0', "a successor does not say it again");
}


/* what the level of the log takes, and what a lower one did not take before */

static void
levels(void)
{
    ngx_uint_t  i;

    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'n','name':'e','annotations':{"
                "'nginx.ingress.kubernetes.io/no':'1'}},'spec':{'rules':[{"
                "'host':'e f'}]}}");
    (void) said();
    ok(count("[error]") == 1 && count("[warn]") == 1, "an error, a warning");

    k8s_delete(&k, NGX_K8S_INGRESS, "n", "e");
    (void) said();
    ok(count("[notice]") == 2 && count("\n") == 2, "and two notices");

    unit_log.log_level = NGX_LOG_ERR;
    ngx_current_msec += NGX_K8S_TELLER_TIME;

    for (i = 0; i < NGX_K8S_TELLER_LINES; i++) {
        ingress("b", "a b");
        ingress("b", "b.test");
        (void) said();
        ngx_current_msec += NGX_K8S_TELLER_TIME / 2 / NGX_K8S_TELLER_LINES;
    }

    ingress("b", "a b");
    (void) said();
    ok(count("[error]") == 1, "what the log does not take counts as no line");

    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'n','name':'e','annotations':{"
                "'nginx.ingress.kubernetes.io/no':'1'}},'spec':{'rules':[{"
                "'host':'e.test'}]}}");
    (void) said();
    ok(text[0] == '\0', "a warning is not said to a log of errors");

    unit_log.log_level = NGX_LOG_NOTICE;
    ngx_k8s_teller_standing(&teller, k.table, NGX_LOG_ERR);
    (void) said();
    ok(count("[error]") == 0 && count("(AnnotationUnknown)") == 1,
       "one of warnings is told it");

    ngx_k8s_teller_standing(&teller, k.table, NGX_LOG_NOTICE);
    (void) said();
    ok(text[0] == '\0', "one that was such before is not");

    k8s_delete(&k, NGX_K8S_INGRESS, "n", "e");
    k8s_delete(&k, NGX_K8S_INGRESS, "n", "b");
    (void) said();
}


/* what has nothing to do here is no line */

static void
notes(void)
{
    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'n','name':'d','annotations':{"
                "'nginx.org/rewrites':'x','nginx.ingress.kubernetes.io/no':'1'"
                "}},'spec':{'rules':[{'host':'d.test'}]}}");
    (void) said();
    ok(count("\n") == 1 && count("(AnnotationUnknown)") == 1
       && k8s_has(&k, "nginx.org/rewrites"), "a note is not said");

    k8s_delete(&k, NGX_K8S_INGRESS, "n", "d");
    (void) said();
    ok(count("\n") == 1 && count("(AnnotationUnknown)") == 1,
       "nor is its end");
}


static void
many(void)
{
    char        name[16];
    ngx_uint_t  i;

    ngx_current_msec += NGX_K8S_TELLER_TIME;

    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "m%u", (unsigned) i);
        ingress(name, "a b");
    }

    (void) said();
    ok(count("(HostInvalid)") == NGX_K8S_TELLER_LINES
       && count("all are in /status") == 1, "many at once: %u lines",
       (unsigned) count("\n"));

    k8s_delete(&k, NGX_K8S_INGRESS, "n", "m0");
    (void) said();
    ok(text[0] == '\0', "nor one soon after");

    ngx_current_msec += NGX_K8S_TELLER_TIME;
    k8s_delete(&k, NGX_K8S_INGRESS, "n", "m1");
    (void) said();
    ok(count("81 lines about problems were left out") == 1
       && count("Ingress \"n/m1\": ") == 1, "later one is said again");
}


int
main(void)
{
    char       name[] = "/tmp/tellerXXXXXX";
    ngx_str_t  zone;

    unit_init();

    unit_file.fd = mkstemp(name);
    unit_log.log_level = NGX_LOG_NOTICE;
    unlink(name);

    ngx_str_set(&zone, "zone");
    ngx_k8s_teller_init(&teller, &zone, &unit_log);

    k8s_conf(&k);
    k.conf.told = on_told;
    k8s_open(&k);

    comes_and_goes();
    successor();
    levels();
    notes();
    many();

    k8s_close(&k);

    return done();
}
