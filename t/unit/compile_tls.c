
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include "k8s_secret.h"


#define INGRESS(name, time, tls, hosts)                                       \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'" name "','creationTimestamp':"                  \
    "'2026-01-01T00:00:" time "Z'},'spec':{'tls':[" tls "],'rules':["         \
    hosts "]}}"

#define TLS(host, secret)  "{'hosts':['" host "'],'secretName':'" secret "'}"


static EVP_PKEY  *rsa, *ec;


/* broken: another key */

static void
secret(k8s_t *k, char *name, EVP_PKEY *key, char *san, int days, int broken)
{
    k8s_secret(k, "d", name, key, !broken ? key : (key == rsa) ? ec : rsa,
               san, days);
}


/* of a Secret whose file is broken a new watcher has the name alone */

static void
kept(void)
{
    k8s_t              k;
    ngx_k8s_object_t  *object;

    k8s_conf(&k);
    k8s_open(&k);
    k8s_put(&k, INGRESS("one", "01", TLS("a.test", "s1"), "{'host':'a.test'}"));
    secret(&k, "s1", rsa, "DNS:a.test", 100, 0);
    ok(!k8s_has(&k, "problem"), "no problem");

    k8s_end(&k);
    k8s_open(&k);
    k8s_put(&k, INGRESS("one", "01", TLS("a.test", "s1"), "{'host':'a.test'}"));

    object = k8s_object("{'apiVersion':'v1','kind':'Secret','metadata':{"
                        "'namespace':'d','name':'s1'}}");
    object->kept = 1;
    ngx_str_set(&object->origin, "web.yaml");
    (void) ngx_k8s_store_put(k.store, object);

    ok(k8s_has(&k, "\"a.test\" flags 8 longest 0\n  certificate d/s1\n"),
       "the last good certificate goes on");
    ok(k8s_has(&k, "Secret d/s1: \"web.yaml\" cannot be read any more, the "
                   "certificate of the last good version is served")
       && k8s_has(&k, "Correct what the problem of the file or object says"),
       "and is said to, with the remedy");

    k8s_put(&k, "{'apiVersion':'v1','kind':'Secret','metadata':{"
                "'namespace':'d','name':'s1'}}");
    ok(k8s_has(&k, "Secret d/s1, data[\"tls.crt\"]: it is missing or empty")
       && k8s_has(&k, "Put the certificate, then its intermediates"),
       "one that has no certificate is another thing");

    k8s_close(&k);
}


/* a host of a tls entry that no rule has */

static void
unmet(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);
    secret(&k, "s1", rsa, "DNS:a.test", 100, 0);

    k8s_put(&k, INGRESS("one", "01",
        "{'secretName':'s1','hosts':['a.test','B.test']}",
        "{'host':'a.test'}"));
    ok(k8s_has(&k, "field \"spec.tls[0].hosts[1]\" host \"b.test\": no rule "
                   "of this Ingress has the host, the certificate is not used "
                   "for it here")
       && !k8s_has(&k, "tls[0].hosts[0]"), "it is mentioned");

    k8s_put(&k, INGRESS("two", "02", "", "{'host':'b.test'}"));
    ok(!k8s_has(&k, "problem"), "one of another Ingress is not");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "two");
    ok(k8s_has(&k, "field \"spec.tls[0].hosts[1]\""),
       "until that is gone");

    k8s_put(&k, INGRESS("one", "01",
        "{'secretName':'s1','hosts':['a.test','*.w.test']}",
        "{'host':'a.test'},{'host':'x.w.test'}"));
    ok(!k8s_has(&k, "spec.tls[0].hosts")
       && k8s_has(&k, "field \"spec.tls\" host \"x.w.test\": no entry "
                      "lists the host"),
       "a wildcard with a rule below it, and a certificate that is not");

    k8s_put(&k, INGRESS("one", "01",
        "{'secretName':'s1','hosts':['a.test','*.w.test']}",
        "{'host':'a.test'},{'host':'y.x.w.test'}"));
    ok(k8s_has(&k, "field \"spec.tls[0].hosts[1]\" host \"*.w.test\""),
       "one label below, as a certificate covers it");

    k8s_put(&k, INGRESS("one", "01",
        "{'secretName':'s1','hosts':['a.test','x.w.test']}",
        "{'host':'a.test'},{'host':'*.w.test'}"));
    ok(!k8s_has(&k, "spec.tls[0].hosts"), "a host with the rule of a wildcard");

    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
        "'metadata':{'namespace':'d','name':'one'},'spec':{'tls':[{"
        "'secretName':'s1','hosts':['a.test']}],'defaultBackend':{'service':{"
        "'name':'a','port':{'number':80}}}}}");
    ok(k8s_has(&k, "field \"spec.tls[0].hosts[0]\" host \"a.test\""),
       "a default backend alone has no certificate");

    k8s_put(&k, INGRESS("one", "01", "{'secretName':'s1'},{'hosts':['']},{}",
        "{'host':''}"));
    ok(k8s_has(&k, "field \"spec.tls[0]\" host \"\": no rule of this Ingress "
                   "has a host, the certificate is used for none")
       && !k8s_has(&k, "spec.tls[1]") && !k8s_has(&k, "spec.tls[2]"),
       "nor has a rule without a host");

    k8s_put(&k, INGRESS("one", "01", "{'secretName':'s1'}",
        "{'host':'a.test'},{'host':''}"));
    ok(!k8s_has(&k, "problem"), "one rule with a host is enough");

    k8s_close(&k);
}


/* the generated default certificate is renewed before it ends */

static void
generated(void)
{
    k8s_t                   k;
    u_char                  buf[NGX_K8S_KEY_MAX], sha256[32];
    size_t                  len;
    ngx_str_t               none, *names[2];
    ngx_k8s_certificate_t  *rec;

    k8s_conf(&k);
    k8s_open(&k);
    ngx_k8s_compile_clock(k.compile, time(NULL));
    k8s_put(&k, INGRESS("one", "01", TLS("a.test", "s1"), "{'host':'a.test'}"));
    ok(k8s_has(&k, "certificate default"), "made from the start");

    ngx_str_null(&none);
    names[0] = &none;
    names[1] = &none;
    len = ngx_k8s_key_names(buf, 2, names);

    rec = ngx_k8s_table_find(k.table, NGX_K8S_INDEX_CERTIFICATE, buf, len,
                             NULL);
    ok(rec && (rec->flags & NGX_K8S_CERTIFICATE_GENERATED), "generated");
    ngx_memcpy(sha256, rec->sha256, 32);

    ngx_k8s_compile_clock(k.compile, time(NULL) + 330 * 24 * 60 * 60);
    rec = ngx_k8s_table_find(k.table, NGX_K8S_INDEX_CERTIFICATE, buf, len,
                             NULL);
    ok(rec && ngx_memcmp(sha256, rec->sha256, 32) == 0, "kept for 330 days");

    ngx_k8s_compile_clock(k.compile, time(NULL) + 336 * 24 * 60 * 60);
    rec = ngx_k8s_table_find(k.table, NGX_K8S_INDEX_CERTIFICATE, buf, len,
                             NULL);
    ok(rec && ngx_memcmp(sha256, rec->sha256, 32) != 0, "then renewed");

    k8s_close(&k);
}


int
main(void)
{
    k8s_t  k;

    unit_init();

    rsa = EVP_RSA_gen(2048);
    ec = EVP_EC_gen("P-256");

    k8s_conf(&k);
    ngx_str_set(&k.conf.default_certificate, "d/default");
    k8s_open(&k);

    k8s_put(&k, INGRESS("one", "01", TLS("a.test", "s1") "," TLS("a.test",
            "s2"), "{'host':'a.test'},{'host':'b.test'},{'host':'c.test'}"));

    ok(k8s_has(&k, "there is no Secret d/s1")
       && k8s_has(&k, "host 0 \"a.test\" flags 8 longest 0\n  fallback"),
       "missing: TLS without a certificate of its own");
    ok(k8s_has(&k, "certificate default"), "a default certificate");
    ok(k8s_has(&k, "there is no Secret d/default"),
       "the Secret of default_certificate is missing");

    secret(&k, "default", rsa, "DNS:default.test", 100, 0);
    ok(!k8s_has(&k, "there is no Secret d/default"), "then it is there");

    secret(&k, "s1", rsa, "DNS:a.test,DNS:b.test", 100, 0);
    secret(&k, "s2", ec, "DNS:a.test", 100, 0);

    ok(k8s_has(&k, "\"a.test\" flags 8 longest 0\n  certificate d/s1\n"
                   "  certificate d/s2\n"), "one of each key type");
    ok(k8s_has(&k, "\"b.test\" flags 8 longest 0\n  certificate d/s1\n"
                   "  fallback"), "a host that it covers without being listed");
    ok(k8s_has(&k, "\"c.test\" flags 8 longest 0\n  fallback"),
       "a host that none covers");
    ok(k8s_has(&k, "field \"spec.tls\" host \"c.test\": no entry "
                   "lists the host, and none of the certificates covers it")
       && !k8s_has(&k, "host \"a.test\": ")
       && !k8s_has(&k, "host \"b.test\": "), "and so it is said");

    /* T-D1: a malformed update keeps the last good one */

    secret(&k, "s1", rsa, "DNS:other.test", 100, 1);
    ok(k8s_has(&k, "Secret d/s1")
       && k8s_has(&k, "\"a.test\" flags 8 longest 0\n  certificate d/s1\n"),
       "the last good one stays");

    secret(&k, "s1", rsa, "DNS:other.test", 100, 0);
    ok(k8s_has(&k, "the certificate of Secret d/s1 does not cover host "
                   "\"a.test\"")
       && k8s_has(&k, "\"a.test\" flags 8 longest 0\n  certificate d/s2\n"),
       "not covering");

    secret(&k, "s1", rsa, "DNS:*.test", 5, 0);
    ok(k8s_has(&k, "\"c.test\" flags 8 longest 0\n  certificate d/s1\n"),
       "a wildcard certificate");
    ok(k8s_has(&k, "code 17 field \"spec.tls[0].secretName\" host \"\": the "
                   "certificate of Secret d/s1 ends at"), "ends soon");

    ngx_k8s_compile_clock(k.compile, ngx_time() + 6 * 86400);
    ok(k8s_has(&k, "code 16 field"), "has ended");
    ngx_k8s_compile_clock(k.compile, ngx_time());

    secret(&k, "s1", rsa, "DNS:*.test", 100, 0);
    ok(!k8s_has(&k, "problem"), "rotated");

    /* the oldest Ingress has the host's certificate */

    k8s_put(&k, INGRESS("two", "02", TLS("a.test", "s3"),
            "{'host':'a.test'}"));
    secret(&k, "s3", rsa, "DNS:a.test", 100, 0);
    ok(k8s_has(&k, "host \"a.test\" has the certificate of Ingress d/one")
       && k8s_has(&k, "\"a.test\" flags 8 longest 0\n  certificate d/s1\n"),
       "a younger one has none");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "one");
    ok(k8s_has(&k, "\"a.test\" flags 8 longest 0\n  certificate d/s3\n"
                   "  fallback"), "then it has");
    ok(!k8s_has(&k, "certificate d/s1") && !k8s_has(&k, "problem"),
       "what nothing names is removed");

    /* an exact host without a tls section is that of its wildcard host */

    k8s_put(&k, INGRESS("wild", "03", TLS("*.w.test", "s4"),
            "{'host':'*.w.test'}"));
    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'d','name':'exact'},'spec':{'rules':["
            "{'host':'x.w.test'}]}}");
    secret(&k, "s4", ec, "DNS:*.w.test", 100, 0);
    ok(k8s_has(&k, "\".w.test\" flags 9 longest 0\n  certificate d/s4\n")
       && k8s_has(&k, "\"x.w.test\" flags 8 longest 0\n  certificate d/s4\n"),
       "from the wildcard host");

    k8s_delete(&k, NGX_K8S_SECRET, "d", "s4");
    ok(k8s_has(&k, "\"x.w.test\" flags 8 longest 0\n  fallback")
       && !k8s_has(&k, "gone"), "a deleted Secret");

    k8s_close(&k);
    kept();
    unmet();
    generated();
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);

    return done();
}
