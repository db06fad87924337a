
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Hosts that belong to a namespace: whose objects are served, and what is said
 * to the others; and a naive reading of very many sets of objects, that come,
 * change and go, with the table of a fresh instance beside that of an old one.
 */


#include "k8s.h"
#include <ngx_k8s_router.h>


#define INGRESS(ns, name, time, annotations, rules)                           \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'" ns "','name':'" name "','annotations':{" annotations "}," \
    "'creationTimestamp':'2026-01-01T00:00:" time "Z'},'spec':{" rules "}}"

#define RULE(host, path)                                                      \
    "{'host':'" host "','http':{'paths':[{'path':'" path "','pathType':"      \
    "'Prefix','backend':{'service':{'name':'a','port':{'number':80}}}}]}}"

#define RULES(rules)  "'rules':[" rules "]"

#define OURS       "'nginx.ingress.kubernetes.io/"
#define ALIAS(v)   OURS "server-alias':'" v "'"
#define TWIN       OURS "from-to-www-redirect':'true'"
#define CANARY     OURS "canary':'true'," OURS "canary-weight':'1'"

#define ACME       "/.well-known/acme-challenge/"

#define OBJECTS    7
#define HOSTS      4
#define HISTORIES  500
#define STEPS      12


typedef struct {
    int   ns;                       /* 0: there is no such object */
    int   time;
    int   hosts;                    /* bits */
    int   what;
    int   alias;
} model_t;


static char  *hosts[HOSTS] = { "*.w.test", "a.w.test", "b.w.test", "x.test" };
static char  *aliases[] = { "a.w.test", "c.w.test", "y.test", "www.x.test" };

static uint32_t  seed;


static int
rnd(int n)
{
    seed = seed * 1664525 + 1013904223;

    return (seed >> 8) % n;
}


/* the host that has a path, or "none" */

static char *
leads(k8s_t *k, char *host, char *path)
{
    ngx_str_t            name;
    ngx_k8s_route_t      r;
    ngx_k8s_route_key_t  key;

    static char      answer[512];
    static uint32_t  set;

    ngx_memzero(&key, sizeof(ngx_k8s_route_key_t));

    key.sets = &set;
    key.nsets = 1;
    key.host = k8s_str(host);
    key.path = k8s_str(path);
    key.method = k8s_str("GET");

    if (ngx_k8s_route(k->table, &key, &r) != NGX_OK
        || (r.path == NULL && r.action->kind != NGX_K8S_ACTION_TWIN))
    {
        return "none";
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
is(k8s_t *k, char *host, char *path, char *want)
{
    char  *got;

    k8s_run(k);

    got = leads(k, host, path);

    ok(strcmp(got, want) == 0, "%s%s leads to \"%s\", is \"%s\"", host, path,
       want, got);
}


static void
plain(k8s_t *k)
{
    k8s_put(k, INGRESS("b", "two", "02", "", RULES(RULE("x.test", "/b"))));
    is(k, "x.test", "/b", "x.test");
    ok(!k8s_has(k, "belongs to namespace"), "nothing is said of an owner");

    /* an older one comes */

    k8s_put(k, INGRESS("a", "one", "01", "", RULES(RULE("x.test", "/a"))));
    is(k, "x.test", "/a", "x.test");
    is(k, "x.test", "/b", "none");
    ok(k8s_has(k, "host \"x.test\" belongs to namespace a, as Ingress a/one, "
                  "which is older, has host \"x.test\""), "it is said whose");

    /* its namespace may add to it, whatever the age, others may not */

    k8s_put(k, INGRESS("a", "three", "09", "", RULES(RULE("x.test", "/c"))));
    k8s_put(k, INGRESS("b", "canary", "00", CANARY,
                       RULES(RULE("x.test", "/a"))));
    k8s_put(k, INGRESS("c", "acme", "08", "",
                       RULES(RULE("x.test", ACME "t"))));
    is(k, "x.test", "/c", "x.test");
    is(k, "x.test", ACME "t", "x.test");
    ok(!k8s_has(k, " of c/acme\n  problem"), "challenges are exempt");
    ok(k8s_has(k, "b/canary"), "canaries are not");

    /* it goes: the next one of its namespace is younger than b's */

    k8s_delete(k, NGX_K8S_INGRESS, "a", "one");
    is(k, "x.test", "/b", "x.test");
    is(k, "x.test", "/c", "none");
    ok(k8s_has(k, "belongs to namespace b, as Ingress b/two"), "b's now");

    k8s_delete(k, NGX_K8S_INGRESS, "b", "two");
    is(k, "x.test", "/c", "x.test");
    k8s_delete(k, NGX_K8S_INGRESS, "a", "three");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "canary");
    is(k, "x.test", ACME "t", "x.test");
    k8s_delete(k, NGX_K8S_INGRESS, "c", "acme");
    ok(!k8s_has(k, "host "), "nothing is left");
}


/* what is more than a path, and changes of age and host */

static void
wide(k8s_t *k)
{
    k8s_put(k, INGRESS("a", "one", "02", "", RULES(RULE("x.test", "/a"))));
    k8s_put(k, INGRESS("b", "two", "03",
                       OURS "use-regex':'true'," OURS "auth-tls-secret':'z/z'",
                       "'tls':[{'hosts':['x.test'],'secretName':'s'}],"
                       RULES(RULE("x.test", "/b"))));
    is(k, "x.test", "/a", "x.test");
    ok(k8s_has(k, "host \"x.test\" belongs to namespace a"), "b is refused");
    ok(!k8s_has(k, "PathRegex") && !k8s_has(k, "action status 403"),
       "its expressions and client certificates are not the host's");

    k8s_put(k, INGRESS("b", "acme", "04", OURS "use-regex':'true'",
                       RULES(RULE("x.test", ACME ".*"))));
    is(k, "x.test", ACME "t", "none");
    k8s_put(k, INGRESS("b", "acme", "04", "",
                       RULES(RULE("x.test", ACME "t") ","
                             RULE("x.test", "/d"))));
    is(k, "x.test", ACME "t", "none");
    k8s_put(k, INGRESS("b", "acme", "04", "",
                       RULES(RULE("x.test", "/.well-known/acme-challenges"))));
    is(k, "x.test", "/.well-known/acme-challenges", "none");

    k8s_put(k, INGRESS("b", "two", "01", "", RULES(RULE("x.test", "/b"))));
    is(k, "x.test", "/a", "none");
    is(k, "x.test", "/b", "x.test");

    k8s_put(k, INGRESS("b", "two", "01", "", RULES(RULE("z.test", "/b"))));
    is(k, "x.test", "/a", "x.test");
    k8s_delete(k, NGX_K8S_INGRESS, "a", "one");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "two");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "acme");
    ok(!k8s_has(k, "host "), "nothing is left");
}


/* challenges take what they say and nothing else, of no host */

static void
challenges(k8s_t *k)
{
    k8s_put(k, INGRESS("a", "one", "02", OURS "use-regex':'true'",
                       RULES(RULE("x.test", "/a"))));
    k8s_put(k, INGRESS("b", "acme", "03", "",
                       RULES(RULE("x.test", ACME "|/"))));
    is(k, "x.test", "/", "none");
    is(k, "x.test", ACME "t", "none");
    ok(k8s_has(k, "belongs to namespace a"), "an expression is no challenge");

    k8s_put(k, INGRESS("b", "acme", "01", "",
                       RULES(RULE("x.test", ACME "t") ","
                             RULE("x.test", ACME "t/"))));
    is(k, "x.test", ACME "t", "x.test");
    is(k, "x.test", ACME "t/u", "x.test");
    is(k, "x.test", ACME "tu", "none");
    is(k, "x.test", "/.well-known/ACME-challenge/t", "none");
    is(k, "x.test", "/Abc", "x.test");
    ok(!k8s_has(k, "belongs to namespace"), "a path is one, and no expression");

    /* what the owner says comes first, and goes on if it is younger */

    k8s_put(k, INGRESS("a", "one", "02", "",
                       "'defaultBackend':{'service':{'name':'d','port':{"
                       "'number':80}}},"
                       RULES(RULE("x.test", ACME "t") ","
                             RULE("x.test", "/a"))));
    k8s_run(k);
    ok(k8s_has(k, "of Ingress a/one, which owns the host"), "the owner's path");
    ok(k8s_has(k, "service a/d:80 weight"), "and default backend");

    k8s_delete(k, NGX_K8S_INGRESS, "a", "one");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "acme");

    /* below a wildcard other paths are still those of the wildcard */

    k8s_put(k, INGRESS("a", "w", "02", "", RULES(RULE("*.w.test", "/a"))));
    k8s_put(k, INGRESS("b", "acme", "03", "",
                       RULES(RULE("n.w.test", ACME "t"))));
    is(k, "n.w.test", ACME "t", "n.w.test");
    is(k, "n.w.test", "/a", ".w.test");

    k8s_put(k, INGRESS("a", "n", "04", "", RULES(RULE("n.w.test", "/n"))));
    is(k, "n.w.test", "/n", "n.w.test");
    is(k, "n.w.test", "/a", "none");
    is(k, "n.w.test", ACME "t", "n.w.test");
    k8s_delete(k, NGX_K8S_INGRESS, "a", "n");
    is(k, "n.w.test", "/a", ".w.test");

    /* an alias of the owner's would be none any more */

    k8s_put(k, INGRESS("a", "x", "04", ALIAS("n.w.test"),
                       RULES(RULE("x.test", "/x"))));
    is(k, "n.w.test", "/x", "x.test");
    is(k, "n.w.test", ACME "t", "none");
    ok(k8s_has(k, "host \"n.w.test\" belongs to namespace a"), "it is said");
    k8s_put(k, INGRESS("a", "x", "04", "", RULES(RULE("x.test", "/x"))));
    is(k, "n.w.test", ACME "t", "n.w.test");
    is(k, "n.w.test", "/a", ".w.test");

    k8s_delete(k, NGX_K8S_INGRESS, "a", "x");
    k8s_delete(k, NGX_K8S_INGRESS, "a", "w");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "acme");
    ok(!k8s_has(k, "host "), "nothing is left");
}


static void
wildcards(k8s_t *k)
{
    k8s_put(k, INGRESS("a", "w", "05", "", RULES(RULE("*.w.test", "/a"))));
    k8s_put(k, INGRESS("b", "old", "04", "", RULES(RULE("a.w.test", "/b"))));
    k8s_put(k, INGRESS("b", "new", "06", "", RULES(RULE("b.w.test", "/b"))));
    k8s_put(k, INGRESS("b", "deep", "06", "",
                       RULES(RULE("a.b.w.test", "/b"))));
    k8s_put(k, INGRESS("a", "own", "06", "", RULES(RULE("c.w.test", "/a"))));
    is(k, "a.w.test", "/b", "a.w.test");
    is(k, "b.w.test", "/b", "none");
    is(k, "b.w.test", "/a", ".w.test");
    is(k, "c.w.test", "/a", "c.w.test");
    is(k, "a.b.w.test", "/b", "a.b.w.test");
    ok(k8s_has(k, "host \"b.w.test\" belongs to namespace a, as Ingress a/w, "
                  "which is older, has host \"*.w.test\""), "it is said");

    /* other names */

    k8s_put(k, INGRESS("b", "x", "07", ALIAS("d.w.test,y.test"),
                       RULES(RULE("x.test", "/x"))));
    k8s_put(k, INGRESS("b", "t", "07", TWIN, RULES(RULE("w.test", "/x"))));
    is(k, "y.test", "/x", "x.test");
    is(k, "d.w.test", "/a", ".w.test");
    is(k, "www.w.test", "/a", ".w.test");
    ok(k8s_has(k, "host \"d.w.test\" belongs to namespace a"), "of an alias");
    ok(k8s_has(k, "host \"www.w.test\" belongs to namespace a"), "of a twin");

    k8s_put(k, INGRESS("a", "w", "08", "", RULES(RULE("*.w.test", "/a"))));
    is(k, "b.w.test", "/b", "b.w.test");
    is(k, "d.w.test", "/x", "x.test");
    is(k, "www.w.test", "/x", "to w.test");
    ok(!k8s_has(k, "belongs to namespace"), "all are older now");

    k8s_put(k, INGRESS("c", "w", "01", "", RULES(RULE("*.w.test", "/c"))));
    is(k, "a.w.test", "/c", ".w.test");
    is(k, "a.w.test", "/b", "none");
    is(k, "d.w.test", "/c", ".w.test");
    is(k, "www.w.test", "/c", ".w.test");
    is(k, "z.w.test", "/a", "none");

    k8s_delete(k, NGX_K8S_INGRESS, "c", "w");
    is(k, "a.w.test", "/b", "a.w.test");
    is(k, "d.w.test", "/x", "x.test");
    is(k, "www.w.test", "/x", "to w.test");

    k8s_delete(k, NGX_K8S_INGRESS, "a", "w");
    k8s_delete(k, NGX_K8S_INGRESS, "a", "own");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "old");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "new");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "deep");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "x");
    k8s_delete(k, NGX_K8S_INGRESS, "b", "t");
    ok(!k8s_has(k, "host "), "nothing is left");
}


/* very many objects of a host: its owner goes */

static void
many(k8s_t *k)
{
    int         i;
    char        text[1024];
    ngx_uint_t  n;

    k8s_put(k, INGRESS("a", "one", "01", "", RULES(RULE("x.test", "/a"))));

    for (i = 0; i < 3000; i++) {
        sprintf(text, INGRESS("b", "n%d", "02", "",
                              RULES(RULE("x.test", "/b%d"))), i, i);
        k8s_put(k, text);
    }

    k8s_run(k);
    ok(strcmp(leads(k, "x.test", "/b2999"), "none") == 0, "none of 3000");

    k8s_delete(k, NGX_K8S_INGRESS, "a", "one");

    for (n = 0; ngx_k8s_compile_run(k->compile, 0) == NGX_AGAIN; n++) {
        /* void */
    }

    ngx_k8s_writer_publish(k->writer);

    ok(strcmp(leads(k, "x.test", "/b2999"), "x.test") == 0, "all of them");
    ok(n > 3000 / 256, "in %u pieces", (unsigned) n);

    for (i = 0; i < 3000; i++) {
        sprintf(text, "n%d", i);
        k8s_delete(k, NGX_K8S_INGRESS, "b", text);
    }

    ok(!k8s_has(k, "host "), "nothing is left");
}


static void
put(k8s_t *k, model_t *m, int i)
{
    int   h;
    char  text[4096], *p;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                       "'Ingress','metadata':{'namespace':'n%d','name':'o%d',"
                       "'creationTimestamp':'2026-01-01T00:00:%02dZ',"
                       "'annotations':{", m->ns, i, m->time);

    if (m->what == 1) {
        p += sprintf(p, CANARY);

    } else if (m->what == 2) {
        p += sprintf(p, TWIN);

    } else if (m->what == 6) {
        p += sprintf(p, OURS "use-regex':'true'");

    } else if (m->what == 3 || m->what == 4) {
        p += sprintf(p, ALIAS("%s"), aliases[m->alias]);
    }

    p += sprintf(p, "}},'spec':{'rules':[");

    for (h = 0; h < HOSTS; h++) {
        if (m->hosts & (1 << h)) {
            p += sprintf(p, "{'host':'%s','http':{'paths':[{'path':'%s/o%d',"
                         "'pathType':'Prefix','backend':{'service':{'name':'a',"
                         "'port':{'number':80}}}}]}},", hosts[h],
                         m->what == 5 ? "/.well-known/acme-challenge" : "", i);
        }
    }

    sprintf(p - 1, "]}}");
    k8s_put(k, text);
}


/* whether an object is served on a host, as the rule is told */

static ngx_uint_t
served(model_t *m, int i, int h)
{
    int  o, owner, own, wanted;

    if (m[i].ns == 0 || !(m[i].hosts & (1 << h)) || m[i].what == 1) {
        return 0;
    }

    owner = -1;
    own = 0;
    wanted = 0;

    for (o = 0; o < OBJECTS; o++) {

        wanted |= (m[o].ns && h == 1 && (m[o].what == 3 || m[o].what == 4)
                   && m[o].alias == 0);

        if (m[o].ns == 0 || m[o].what == 1 || m[o].what == 5
            || !((m[o].hosts & (1 << h))
                 || ((m[o].hosts & 1) && (h == 1 || h == 2))))
        {
            continue;
        }

        own |= m[o].hosts & (1 << h);

        if (owner == -1 || m[o].time < m[owner].time
            || (m[o].time == m[owner].time
                && (m[o].ns > m[owner].ns
                    || (m[o].ns == m[owner].ns && o > owner))))
        {
            owner = o;
        }
    }

    if (owner == -1 || (m[i].what == 5 && (own || !wanted))) {
        return 1;
    }

    return m[i].ns == m[owner].ns;
}


/* all that is marked is compiled, in turns that no clock measures */

static void
settle(k8s_t *k)
{
    int        i;
    ngx_int_t  rc;

    ngx_k8s_compile_synced(k->compile);

    do {
        rc = NGX_AGAIN;

        for (i = 1 + rnd(20); i && rc == NGX_AGAIN; i--) {
            rc = ngx_k8s_compile_run(k->compile, 0);
        }

        ngx_k8s_writer_publish(k->writer);

    } while (rc == NGX_AGAIN);
}


static ngx_uint_t
right(k8s_t *k, model_t *m)
{
    int          i, h;
    char         path[64];
    ngx_uint_t   got;

    for (i = 0; i < OBJECTS; i++) {
        for (h = 0; h < HOSTS; h++) {
            sprintf(path, "%s/o%d",
                    m[i].what == 5 ? "/.well-known/acme-challenge" : "", i);

            got = (strcmp(leads(k, h ? hosts[h] : "q.w.test", path),
                          h ? hosts[h] : ".w.test")
                   == 0);

            if (got != served(m, i, h)) {
                printf("# o%d of n%d on %s: %d\n", i, m[i].ns, hosts[h],
                       (int) got);
                return 0;
            }
        }

        /* what a wildcard serves, of a name that has nothing but challenges */

        if (served(m, i, 0)) {
            for (h = 0, got = 1; h < OBJECTS; h++) {
                got &= (m[h].what == 5 || !served(m, h, 2));
            }

            if (got && !served(m, i, 2)
                && strcmp(leads(k, hosts[2], path), ".w.test") != 0)
            {
                printf("# o%d of n%d on %s\n", i, m[i].ns, hosts[2]);
                return 0;
            }
        }
    }

    return 1;
}


static void
histories(void)
{
    int         i, n, step, steps;
    char       *one, name[16], ns[16];
    k8s_t       k, fresh;
    model_t     m[OBJECTS];
    ngx_uint_t  round, rounds, wrong, differ;

    wrong = 0;
    differ = 0;
    rounds = unit_rounds(HISTORIES);

    for (round = 0; round < rounds; round++) {
        seed = unit_seed(77001 + round * 7919);
        ngx_memzero(m, sizeof(m));

        k8s_conf(&k);
        k.conf.ownership = 1;
        k.conf.acme = 1;
        k.size = 2 * 1024 * 1024;
        k8s_open(&k);

        steps = 1 + rnd(STEPS);

        for (step = 0; step < steps; step++) {

            for (n = 1 + rnd(3); n; n--) {
                i = rnd(OBJECTS);

                if (m[i].ns) {
                    sprintf(ns, "n%d", m[i].ns);
                    sprintf(name, "o%d", i);

                    if (rnd(3) == 0) {
                        k8s_delete(&k, NGX_K8S_INGRESS, ns, name);
                        m[i].ns = 0;
                        continue;
                    }

                } else {
                    m[i].ns = 1 + rnd(3);
                    m[i].time = rnd(5);
                }

                m[i].time = rnd(3) ? m[i].time : rnd(5);
                m[i].hosts = 1 + rnd((1 << HOSTS) - 1);
                m[i].what = rnd(7);
                m[i].alias = rnd(4);
                put(&k, &m[i], i);
            }

            if (rnd(2)) {
                for (n = rnd(20); n; n--) {
                    (void) ngx_k8s_compile_run(k.compile, 0);
                }

            } else {
                settle(&k);
                wrong += !right(&k, m);
            }
        }

        settle(&k);
        one = strdup(k8s_dump(&k));
        wrong += !right(&k, m);

        k8s_conf(&fresh);
        fresh.conf.ownership = 1;
        fresh.conf.acme = 1;
        fresh.size = k.size;
        k8s_open(&fresh);

        for (i = OBJECTS - 1; i >= 0; i--) {
            if (m[i].ns) {
                put(&fresh, &m[i], i);
            }
        }

        settle(&fresh);

        if (strcmp(one, k8s_dump(&fresh)) != 0 && differ++ < 3) {
            for (i = 0; one[i] == fresh.dump.data[i]; i++) { /* void */ }

            printf("# history %u differs: \"%.200s\", fresh \"%.200s\"\n",
                   (unsigned) round, one + i, fresh.dump.data + i);
        }

        free(one);
        k8s_close(&fresh);
        k8s_close(&k);
    }

    ok(wrong == 0, "%u sets of objects read wrong", (unsigned) wrong);
    ok(differ == 0, "%u of %u histories differ from a fresh one",
       (unsigned) differ, (unsigned) rounds);
}


int
main(void)
{
    k8s_t  k;

    unit_init();

    k8s_conf(&k);
    k.conf.ownership = 1;
    k.conf.acme = 1;
    k8s_open(&k);

    plain(&k);
    wide(&k);
    challenges(&k);
    wildcards(&k);
    many(&k);

    k8s_close(&k);

    histories();

    return done();
}
