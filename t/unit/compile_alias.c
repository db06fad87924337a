
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Other names of hosts: where each leads, who has it, what its TLS is and what
 * is said; and a naive reading of very many sets of objects, that come, change
 * and go.
 */


#include "k8s.h"
#include "k8s_secret.h"
#include <ngx_k8s_router.h>


#define INGRESS(ns, name, time, annotations, rules)                           \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'" ns "','name':'" name "','annotations':{" annotations "}," \
    "'creationTimestamp':'2026-01-01T00:00:" time "Z'},'spec':{'rules':["     \
    rules "]}}"

#define RULE(host)                                                            \
    "{'host':'" host "','http':{'paths':[{'path':'/','pathType':'Prefix',"    \
    "'backend':{'service':{'name':'a','port':{'number':80}}}}]}}"

#define OURS       "'nginx.ingress.kubernetes.io/"
#define ALIAS(v)   OURS "server-alias':'" v "'"
#define TWIN       OURS "from-to-www-redirect':'true'"

#define LONG       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

#define OBJECTS    6
#define NAMES      9
#define ROUNDS     400


static ngx_int_t
regex(void *data, ngx_uint_t what, ngx_str_t *pattern, ngx_str_t *text)
{
    if (pattern->data[0] == '=') {
        return NGX_ERROR;
    }

    return ngx_strlcasestrn(text->data, text->data + text->len, pattern->data,
                            pattern->len - 1)
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
regex_check(ngx_str_t *pattern, ngx_str_t *error, ngx_log_t *log)
{
    if (pattern->data[0] != '(') {
        return NGX_OK;
    }

    error->len = ngx_sprintf(error->data, "no end") - error->data;

    return NGX_DECLINED;
}


/* the host that a name leads to, "to HOST" where it is redirected */

static char *
leads(k8s_t *k, char *host, ngx_uint_t *tls)
{
    ngx_int_t            rc;
    ngx_str_t            name;
    ngx_k8s_route_t      r;
    ngx_k8s_route_key_t  key;

    static char      answer[512];
    static uint32_t  set;

    ngx_memzero(&key, sizeof(ngx_k8s_route_key_t));

    key.sets = &set;
    key.nsets = 1;
    key.host = k8s_str(host);
    key.path = k8s_str("/x");
    key.method = k8s_str("GET");
    key.regex = regex;

    rc = ngx_k8s_route(k->table, &key, &r);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? "error" : "none";
    }

    if (tls) {
        *tls = (r.named->flags & NGX_K8S_HOST_TLS) != 0;
    }

    if (r.action->kind == NGX_K8S_ACTION_TWIN) {
        ngx_k8s_record_str(r.record, &r.action->host, &name);
        sprintf(answer, "to %.*s", (int) name.len, name.data);

    } else {
        ngx_k8s_record_str(r.host, &r.host->name, &name);
        sprintf(answer, "%.*s", (int) name.len, name.data);
    }

    return answer;
}


static void
is(k8s_t *k, char *host, char *want)
{
    char  *got;

    got = leads(k, host, NULL);

    ok(strcmp(got, want) == 0, "%s leads to \"%s\", is \"%s\"", host, want,
       got);
}


static void
names(k8s_t *k)
{
    k8s_put(k, INGRESS("d", "one", "01",
                       ALIAS("b.test, B2.test,*.w.test,.dot.test,~^re"),
                       RULE("a.test")));
    k8s_run(k);

    is(k, "a.test", "a.test");
    is(k, "b.test", "a.test");
    is(k, "b2.test", "a.test");
    is(k, "x.w.test", "a.test");
    is(k, "x.y.w.test", "a.test");
    is(k, "w.test", "none");
    is(k, "dot.test", "a.test");
    is(k, "x.dot.test", "a.test");
    is(k, "^re1.test", "a.test");
    is(k, "~", "none");
    is(k, "c.test", "none");
    ok(!k8s_has(k, "AliasConflict"), "nothing is said");

    /* a real host wins, whoever has it and whenever it comes */

    k8s_put(k, INGRESS("e", "two", "02", "", RULE("b.test")));
    k8s_run(k);
    is(k, "b.test", "b.test");
    ok(k8s_has(k, "\"b.test\" is left out, as Ingress e/two has it as a host"),
       "and it is said");

    k8s_delete(k, NGX_K8S_INGRESS, "e", "two");
    k8s_run(k);
    is(k, "b.test", "a.test");
    ok(!k8s_has(k, "is left out"), "not any more");

    /* the older alias; of a host the aliases of the oldest that has any */

    k8s_put(k, INGRESS("e", "two", "02", ALIAS("b.test,c.test"),
                       RULE("e.test")));
    k8s_put(k, INGRESS("d", "three", "03", ALIAS("f.test"),
                       RULE("a.test") "," RULE("g.test")));
    k8s_put(k, INGRESS("d", "four", "04", ALIAS("h.test"), RULE("a.test")));
    k8s_run(k);
    is(k, "b.test", "a.test");
    is(k, "c.test", "e.test");
    is(k, "f.test", "g.test");
    is(k, "h.test", "none");
    ok(k8s_has(k, "\"b.test\" is left out, as Ingress d/one, which is older, "
                  "has it as an alias"), "the younger one says so");
    ok(k8s_has(k, "host \"a.test\" has the aliases of Ingress d/one"),
       "so does one whose aliases do not count");

    k8s_put(k, INGRESS("d", "one", "01", "", RULE("a.test")));
    k8s_run(k);
    is(k, "b.test", "e.test");
    is(k, "f.test", "a.test");
    is(k, "x.w.test", "none");
    is(k, "^re1.test", "none");
    ok(!k8s_has(k, "has it as an alias"), "it has it now");

    /* an alias of an alias is none: the host goes, and is one itself */

    k8s_put(k, INGRESS("d", "three", "03", "", RULE("c.test")));
    k8s_put(k, INGRESS("d", "four", "04", ALIAS("e.test"), RULE("c.test")));
    k8s_run(k);
    is(k, "c.test", "c.test");
    is(k, "e.test", "e.test");
    k8s_delete(k, NGX_K8S_INGRESS, "e", "two");
    k8s_run(k);
    is(k, "e.test", "c.test");
    is(k, "b.test", "none");

    /* canaries have no names, bad ones are left out alone */

    k8s_put(k, INGRESS("d", "five", "05", OURS "canary':'true'," OURS
                       "canary-weight':'1'," ALIAS("i.test"), RULE("c.test")));
    k8s_put(k, INGRESS("d", "four", "04",
                       ALIAS("a..b,j.test,*.x.*,~(,~=,~^k,~"), RULE("c.test")));
    k8s_run(k);
    is(k, "i.test", "none");
    is(k, "j.test", "c.test");
    is(k, "^k.test", "c.test");
    is(k, "^l.test", "none");
    ok(k8s_has(k, "\"a..b\" is not a host name"), "a bad name");
    ok(k8s_has(k, "\"*.x.*\" is not a host name"), "another one");
    ok(k8s_has(k, "\"~(\" is no regular expression: no end"),
       "a bad expression");

    k8s_delete(k, NGX_K8S_INGRESS, "d", "one");
    k8s_delete(k, NGX_K8S_INGRESS, "d", "three");
    k8s_delete(k, NGX_K8S_INGRESS, "d", "four");
    k8s_delete(k, NGX_K8S_INGRESS, "d", "five");
    ok(!k8s_has(k, "host "), "nothing is left");
}


static void
twins(k8s_t *k)
{
    k8s_put(k, INGRESS("d", "one", "01", TWIN,
                       RULE("a.test") "," RULE("www.b.test") ","
                       RULE("*.c.test") "," RULE("")));
    k8s_run(k);

    is(k, "a.test", "a.test");
    is(k, "www.a.test", "to a.test");
    is(k, "b.test", "to www.b.test");
    is(k, "www.b.test", "www.b.test");
    is(k, "x.c.test", ".c.test");
    is(k, "www.www.b.test", "");
    ok(k8s_has(k, "does nothing for host \"*.c.test\""), "not of a wildcard");

    k8s_put(k, INGRESS("e", "two", "02", ALIAS("b.test"),
                       RULE("www.a.test")));
    k8s_run(k);
    is(k, "www.a.test", "www.a.test");
    is(k, "b.test", "to www.b.test");
    ok(k8s_has(k, "\"www.a.test\" is not redirected to host \"a.test\""),
       "it is said of the host");
    ok(k8s_has(k, "\"b.test\" is redirected to host \"www.b.test\""),
       "and of the alias");

    k8s_delete(k, NGX_K8S_INGRESS, "e", "two");
    k8s_run(k);
    is(k, "www.a.test", "to a.test");
    ok(!k8s_has(k, "is not redirected"), "not any more");

    k8s_put(k, INGRESS("d", "one", "01", "", RULE("a.test")));
    k8s_run(k);
    is(k, "www.a.test", "none");

    k8s_delete(k, NGX_K8S_INGRESS, "d", "one");
    ok(!k8s_has(k, "host "), "nothing is left");
}


/* a catch-all host may have other names; a wildcard below which there is TLS */

static void
others(k8s_t *k)
{
    char        text[8192], *p;
    ngx_uint_t  i;

    k8s_put(k, INGRESS("d", "all", "01", ALIAS("n.test"), RULE("")));
    k8s_put(k, INGRESS("d", "w", "02", ALIAS("v.test"), RULE("*.u.test")));
    k8s_run(k);
    is(k, "n.test", "");
    is(k, "other", "");
    is(k, "v.test", ".u.test");
    k8s_delete(k, NGX_K8S_INGRESS, "d", "all");
    k8s_delete(k, NGX_K8S_INGRESS, "d", "w");

    /* a name with anything behind it */

    k8s_put(k, INGRESS("d", "tail", "01", ALIAS("Mail.t.*"), RULE("m.test")));
    k8s_run(k);
    ok(k8s_has(k, "regex \"^mail\\.t\\..\""), "as an expression");
    k8s_delete(k, NGX_K8S_INGRESS, "d", "tail");

    /* expressions: 16 of a namespace, and of an object */

    p = text + sprintf(text, "%s", "{'apiVersion':'networking.k8s.io/v1',"
                       "'kind':'Ingress','metadata':{'namespace':'d','name':"
                       "'re','annotations':{" OURS "server-alias':'");

    for (i = 0; i < 18; i++) {
        p += sprintf(p, "~p%02u,", (unsigned) i);
    }

    sprintf(p, "%s", "~x'},'creationTimestamp':'2026-01-01T00:00:05Z'},"
            "'spec':{'rules':[" RULE("r.test") "]}}");

    k8s_put(k, text);
    k8s_put(k, INGRESS("d", "re2", "06", ALIAS("~q"), RULE("r2.test")));
    k8s_put(k, INGRESS("e", "re3", "07", ALIAS("~s"), RULE("r3.test")));
    k8s_run(k);
    is(k, "p00", "r.test");
    is(k, "p15", "r.test");
    is(k, "p16", "none");
    is(k, "q", "none");
    is(k, "s", "r3.test");
    ok(k8s_has(k, "an Ingress may have 16 regular expressions"),
       "one too many");
    ok(k8s_has(k, "\"~q\" is left out"), "and of the namespace");

    k8s_delete(k, NGX_K8S_INGRESS, "d", "re");
    k8s_run(k);
    is(k, "q", "r2.test");
    ok(!k8s_has(k, "\"~q\" is left out"), "now there is room");

    k8s_delete(k, NGX_K8S_INGRESS, "d", "re2");
    k8s_delete(k, NGX_K8S_INGRESS, "e", "re3");
    ok(!k8s_has(k, "host "), "nothing is left");
}


/*
 * Expressions are those of the oldest Ingresses that may have any: what their
 * namespace may not have, what is none and what has no host takes nobody's.
 */

static void
shares(k8s_t *k)
{
    char        text[1024], name[32];
    ngx_uint_t  i, n, bad;

    k8s_put(k, INGRESS("good", "g", "30", ALIAS("~good"), RULE("good.test")));
    k8s_run(k);
    is(k, "good", "good.test");

    for (bad = 0; bad < 3; bad++) {

        for (i = 0; i < 80; i++) {
            sprintf(text, INGRESS("evil", "e%u", "01", ALIAS("~%s%02u"),
                                  RULE("%s%u.test")),
                    (unsigned) i, bad == 1 ? "(" : "p", (unsigned) i,
                    bad == 2 ? "e" : "d", (unsigned) (bad == 2 ? 0 : i));
            k8s_put(k, text);
        }

        k8s_run(k);

        for (i = 0, n = 0; i < 80; i++) {
            sprintf(name, "p%02u", (unsigned) i);
            n += (strcmp(leads(k, name, NULL), "none") != 0);
        }

        ok(n == (bad == 1 ? 0 : bad == 2 ? 1 : 16),
           "%u of one namespace are served, %u", (unsigned) n, (unsigned) bad);
        is(k, "good", "good.test");
        ok(!k8s_has(k, "\"~good\" is left out"), "nothing is said of another");

        for (i = 0; i < 80; i++) {
            sprintf(name, "e%u", (unsigned) i);
            k8s_delete(k, NGX_K8S_INGRESS, "evil", name);
        }
    }

    /* who is pushed out by others is told, and who comes back */

    for (n = 0; n < 4; n++) {
        for (i = 0; i < 16; i++) {
            sprintf(text, INGRESS("evil%u", "e%u", "%02u", ALIAS("~p%u.%02u"),
                                  RULE("e%u.%u.test")),
                    (unsigned) n, (unsigned) i, (unsigned) n, (unsigned) i,
                    (unsigned) (10 + i), (unsigned) i, (unsigned) n);
            k8s_put(k, text);
        }
    }

    k8s_run(k);
    is(k, "good", "none");
    is(k, "p3.15", "e15.3.test");
    ok(k8s_has(k, "\"~good\" is left out"), "who is pushed out is told");

    k8s_delete(k, NGX_K8S_INGRESS, "evil2", "e7");
    k8s_run(k);
    is(k, "good", "good.test");
    ok(!k8s_has(k, "\"~good\" is left out"), "and who is back");

    for (n = 0; n < 4; n++) {
        for (i = 0; i < 16; i++) {
            sprintf(text, "evil%u", (unsigned) n);
            sprintf(name, "e%u", (unsigned) i);
            k8s_delete(k, NGX_K8S_INGRESS, text, name);
        }
    }

    k8s_delete(k, NGX_K8S_INGRESS, "good", "g");
    ok(!k8s_has(k, "host "), "nothing is left");
}


/* policies that nobody has, until nothing is free */

static void
fill(k8s_t *k)
{
    size_t             len, least;
    ngx_k8s_policy_t  *rec;

    static int  id;

    rec = calloc(1, 16384);

    rec->header.type = NGX_K8S_INDEX_POLICY;
    rec->header.key.offset = sizeof(ngx_k8s_policy_t);
    rec->header.key.len = 8;

    least = sizeof(ngx_k8s_policy_t) + 8;

    for (len = 16384;
         len >= least;
         len = (len > least) ? ngx_max(len / 2, least) : 0)
    {
        do {
            sprintf((char *) (rec + 1), "%07d", id++);
        } while (ngx_k8s_writer_put(k->writer, &rec->header, len,
                                    NGX_K8S_WRITE_OBJECT));
    }

    free(rec);

    ngx_k8s_writer_publish(k->writer);
}


/* in a full zone a name that has become another one's leads nowhere */

static void
full(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k.size = 8 * 1024 * 1024;
    k.conf.regex = regex_check;
    k8s_open(&k);

    k8s_put(&k, INGRESS("d", "one", "01", ALIAS("z.test,~^k,~^m"),
                        RULE("s.test")));
    k8s_put(&k, INGRESS("e", "two", "02", ALIAS("z.test,~^l"),
                        RULE(LONG LONG LONG "test")));
    k8s_run(&k);
    is(&k, "z.test", "s.test");
    is(&k, "^k", "s.test");
    is(&k, "^l", LONG LONG LONG "test");

    fill(&k);

    k8s_put(&k, INGRESS("d", "one", "01", ALIAS("~^k,~^m"), RULE("s.test")));
    k8s_run(&k);
    is(&k, "z.test", "none");
    is(&k, "^k", "s.test");
    ok(k8s_has(&k, "no room for the alias \"z.test\""), "and it is said");

    k8s_put(&k, INGRESS("d", "one", "01", ALIAS("~^k"), RULE("s.test")));
    k8s_run(&k);
    is(&k, "^k", "s.test");
    is(&k, "^l", LONG LONG LONG "test");
    is(&k, "^m", "none");

    k8s_put(&k, INGRESS("f", "three", "03", ALIAS("~^" LONG LONG),
                        RULE("t.test")));
    k8s_run(&k);
    is(&k, "^k", "s.test");
    is(&k, "^l", LONG LONG LONG "test");

    k8s_put(&k, INGRESS("d", "one", "01", "", RULE("s.test")));
    k8s_run(&k);
    is(&k, "^k", "none");

    k8s_close(&k);
}


/* it has TLS where a certificate of its host covers it */

static void
tls(k8s_t *k)
{
    EVP_PKEY    *key;
    ngx_uint_t   one, two, twin;

    key = EVP_EC_gen("P-256");

    k8s_secret(k, "d", "s", key, key, "DNS:a.test,DNS:b.test", 90);
    k8s_put(k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'d','name':'one','annotations':{"
            ALIAS("b.test,c.test") "," TWIN "},'creationTimestamp':"
            "'2026-01-01T00:00:01Z'},'spec':{'tls':[{'hosts':['a.test',"
            "'b.test'],'secretName':'s'}],'rules':[" RULE("a.test") "]}}");
    k8s_run(k);

    (void) leads(k, "b.test", &one);
    (void) leads(k, "c.test", &two);
    (void) leads(k, "www.a.test", &twin);
    ok(one && !two && !twin, "one of them is covered");
    ok(!k8s_has(k, "TlsHostUnused") && !k8s_has(k, "the certificate is not"),
       "which is no host without a rule");

    k8s_secret(k, "d", "s", key, key, "DNS:a.test,DNS:c.test,DNS:www.a.test",
               90);
    k8s_run(k);

    (void) leads(k, "b.test", &one);
    (void) leads(k, "c.test", &two);
    (void) leads(k, "www.a.test", &twin);
    ok(!one && two && twin, "the others, by another certificate");

    k8s_delete(k, NGX_K8S_SECRET, "d", "s");
    k8s_run(k);
    (void) leads(k, "c.test", &two);
    ok(!two, "none without it");

    k8s_delete(k, NGX_K8S_INGRESS, "d", "one");
    ok(!k8s_has(k, "host "), "nothing is left");

    EVP_PKEY_free(key);
}


/* where its host has none of its own, the default certificate says whether */

static void
defaults(void)
{
    k8s_t        k;
    EVP_PKEY    *key;
    ngx_uint_t   tls;

    k8s_conf(&k);
    k.conf.default_certificate = k8s_str("d/def");
    k8s_open(&k);

    key = EVP_EC_gen("P-256");

    k8s_secret(&k, "d", "def", key, key, "DNS:a.test", 90);
    k8s_put(&k, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'d','name':'one','annotations':{"
            ALIAS("b.test") "},'creationTimestamp':'2026-01-01T00:00:01Z'},"
            "'spec':{'tls':[{'hosts':['a.test']}],'rules':["
            RULE("a.test") "]}}");
    k8s_run(&k);
    (void) leads(&k, "b.test", &tls);
    ok(!tls, "the default certificate does not cover it");

    k8s_secret(&k, "d", "def", key, key, "DNS:a.test,DNS:b.test", 90);
    k8s_run(&k);
    (void) leads(&k, "b.test", &tls);
    ok(tls, "the next one does");

    k8s_secret(&k, "d", "def", key, key, "DNS:a.test", 90);
    k8s_run(&k);
    (void) leads(&k, "b.test", &tls);
    ok(!tls, "the one behind it does not");

    EVP_PKEY_free(key);
    k8s_close(&k);
}


/* objects at random */

typedef struct {
    ngx_uint_t  there;
    ngx_uint_t  hosts;      /* masks of names */
    ngx_uint_t  aliases;
    ngx_uint_t  twins;
} object_t;

static char  *all[NAMES] = {
    "*.x", "a.x", "b.x", "www.a.x", "www.b.x", "www.www.a.x", "*.b.x", "c.b.x",
    "www.c.b.x"
};


/* as the table has it */

static char *
kept(char *name)
{
    return name[0] == '*' ? name + 1 : name;
}


static ngx_int_t
named(char *name)
{
    ngx_uint_t  i;

    for (i = 0; i < NAMES; i++) {
        if (strcmp(kept(all[i]), name) == 0) {
            return i;
        }
    }

    return -1;
}


/* whose aliases a host has, -1: nobody's */

static ngx_int_t
provider(object_t *o, ngx_uint_t host)
{
    ngx_uint_t  i;

    for (i = 0; i < OBJECTS; i++) {
        if (o[i].there && (o[i].hosts & 1 << host) && o[i].aliases) {
            return i;
        }
    }

    return -1;
}


/* whether it has a twin: the oldest object alone has a path of it */

static ngx_int_t
redirected(object_t *o, ngx_int_t host)
{
    ngx_uint_t  i;

    for (i = 0; host >= 0 && i < OBJECTS; i++) {
        if (o[i].there && (o[i].hosts & 1 << host)) {
            return o[i].twins;
        }
    }

    return 0;
}


/* where a name of the table leads, or NULL; wildcards take "cut" labels */

static char *
expected_name(object_t *o, char *name, ngx_uint_t cut)
{
    char        twin[64];
    ngx_int_t   n, host, best;
    ngx_uint_t  i, k;

    static char  answer[64];

    n = named(name);

    if (n < 0) {
        return NULL;
    }

    for (i = 0; i < OBJECTS; i++) {
        if (o[i].there && (o[i].hosts & 1 << n)) {
            return cut < 2 ? kept(all[n]) : NULL;
        }
    }

    if (name[0] != '.') {
        host = -1;

        if (strncmp(name, "www.", 4) == 0
            && strncmp(name + 4, "www.", 4) != 0)
        {
            host = named(name + 4);
        }

        if (!redirected(o, host)) {
            sprintf(twin, "www.%s", name);
            host = named(twin);
        }

        if (redirected(o, host)) {
            sprintf(answer, "to %s", all[host]);
            return answer;
        }
    }

    for (i = 0; i < OBJECTS; i++) {

        if (!o[i].there || !(o[i].aliases & 1 << n)) {
            continue;
        }

        best = -1;

        for (k = 0; k < NAMES; k++) {
            if ((o[i].hosts & 1 << k) && provider(o, k) == (ngx_int_t) i
                && (best < 0 || strcmp(kept(all[k]), kept(all[best])) < 0))
            {
                best = k;
            }
        }

        if (best >= 0) {
            return kept(all[best]);
        }
    }

    return NULL;
}


static char *
expected(object_t *o, char *host)
{
    char        *name, *found;
    ngx_uint_t   cut;

    for (name = host, cut = 0; name; name = strchr(name + 1, '.'), cut++) {
        found = expected_name(o, name, cut);

        if (found) {
            return found;
        }
    }

    return "none";
}


static void
put(k8s_t *k, object_t *o, ngx_uint_t i)
{
    char        text[4096], name[8], *p;
    ngx_uint_t  n, first;

    sprintf(name, "o%u", (unsigned) i);

    if (!o[i].there) {
        k8s_delete(k, NGX_K8S_INGRESS, "d", name);
        return;
    }

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                       "'Ingress','metadata':{'namespace':'d','name':'%s',"
                       "'creationTimestamp':'2026-01-01T00:00:0%uZ',"
                       "'annotations':{" OURS "server-alias':'", name,
                       (unsigned) i);

    for (n = 0; n < NAMES; n++) {
        if (o[i].aliases & 1 << n) {
            p += sprintf(p, "%s,", all[n]);
        }
    }

    p += sprintf(p, "'%s}},'spec':{'rules':[",
                 o[i].twins ? "," TWIN : "");

    for (n = 0, first = 1; n < NAMES; n++) {
        if (o[i].hosts & 1 << n) {
            p += sprintf(p, "%s{'host':'%s','http':{'paths':[{'path':'/',"
                         "'pathType':'Prefix','backend':{'service':{'name':"
                         "'a','port':{'number':80}}}}]}}", first ? "" : ",",
                         all[n]);
            first = 0;
        }
    }

    sprintf(p, "]}}");

    k8s_put(k, text);
}


static void
any(k8s_t *k)
{
    char        *want, *got, *dump;
    k8s_t        other;
    object_t     o[OBJECTS];
    ngx_uint_t   i, n, round, bad, differ;

    static char  *asked[] = {
        "a.x", "b.x", "www.a.x", "www.b.x", "www.www.a.x", "c.b.x",
        "www.c.b.x", "z.x", "z.b.x", "z.z.b.x", "z.z.x", "y"
    };

    ngx_memzero(o, sizeof(o));
    bad = 0;
    differ = 0;
    srandom(7);

    for (round = 0; round < unit_rounds(ROUNDS); round++) {

        for (n = 1 + random() % 2; n; n--) {
            i = random() % OBJECTS;

            o[i].there = (random() % 4 != 0);
            o[i].hosts = 1 << random() % NAMES | 1 << random() % NAMES;
            o[i].aliases = (random() % 3)
                           ? 1 << random() % NAMES | 1 << random() % NAMES : 0;
            o[i].twins = (random() % 4 == 0);

            put(k, o, i);
        }

        k8s_run(k);

        for (n = 0; n < sizeof(asked) / sizeof(asked[0]); n++) {
            want = expected(o, asked[n]);
            got = leads(k, asked[n], NULL);

            if (strcmp(want, got) != 0) {
                printf("# round %u: %s is \"%s\", should be \"%s\"\n",
                       (unsigned) round, asked[n], got, want);
                bad++;
            }
        }

        if (round % 20) {
            continue;
        }

        /* as a table that is made anew */

        k8s_conf(&other);
        other.conf.regex = regex_check;
        k8s_open(&other);

        for (i = 0; i < OBJECTS; i++) {
            if (o[i].there) {
                put(&other, o, i);
            }
        }

        dump = k8s_dump(k);
        differ += (strcmp(dump, k8s_dump(&other)) != 0);

        k8s_close(&other);
    }

    ok(bad == 0, "%u names lead elsewhere", (unsigned) bad);
    ok(differ == 0, "%u tables differ from new ones", (unsigned) differ);

    for (i = 0; i < OBJECTS; i++) {
        o[i].there = 0;
        put(k, o, i);
    }

    ok(!k8s_has(k, "host "), "nothing is left");
}


int
main(void)
{
    k8s_t  k;

    unit_init();

    k8s_conf(&k);
    k.conf.regex = regex_check;
    k8s_open(&k);

    names(&k);
    twins(&k);
    others(&k);
    shares(&k);
    tls(&k);
    defaults();
    any(&k);

    k8s_close(&k);

    full();

    return done();
}
