
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * One namespace does what it likes in a zone that it fills: Ingresses on hosts
 * of its own and on shared ones, Services that grow, Secrets, broken objects.
 * Whatever it does, the endpoints of all others are replaced, their
 * certificates rotate, and what they remove goes, where hosts are shared and
 * where they belong to a namespace.  When it has gone again the table is that
 * of a fresh instance with the same objects.
 */


#include "k8s_secret.h"


#define ROUNDS     20
#define STEPS      200
#define OTHERS     5
#define ROUTES     8                /* of each, removed one by one */
#define ENDPOINTS  20
#define EVIL       100              /* Ingresses */


typedef struct {
    k8s_t        k;
    int          net[OTHERS];       /* endpoints are 10.<ns>.<net>.<i> */
    int          n[OTHERS];         /* how many */
    int          serial[OTHERS];    /* of the certificate */
    int          from[OTHERS];      /* routes that were not removed */
    char        *evil[EVIL];        /* its Ingresses, or NULL */
} world_t;


static uint32_t   seed;
static char       text[1024 * 1024];
static EVP_PKEY  *ec, *other;


static int
rnd(int n)
{
    seed = seed * 1664525 + 1013904223;

    return (seed >> 8) % n;
}


static char *
ingress(char *ns, char *name, char *host, int day, int first, int n, int pad,
    char *secret)
{
    int    i;
    char  *p;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'%s','name':'%s',"
            "'creationTimestamp':'2026-01-%02dT00:00:00Z'},'spec':{", ns, name,
            day);

    if (secret) {
        p += sprintf(p, "'tls':[{'hosts':['%s'],'secretName':'%s'}],", host,
                     secret);
    }

    p += sprintf(p, "'rules':[{'host':'%s','http':{'paths':[", host);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'path':'/%s/%0*d','pathType':'Prefix','backend':{"
                     "'service':{'name':'svc','port':{'number':80}}}}",
                     i ? "," : "", ns, pad, first + i);
    }

    sprintf(p, "]}}]}}");

    return text;
}


static void
service(k8s_t *k, char *ns)
{
    sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
            "'namespace':'%s','name':'svc'},'spec':{'ports':[{'name':'http',"
            "'port':80,'targetPort':3000}]}}", ns);
    k8s_put(k, text);
}


static void
slice(k8s_t *k, char *ns, int a, int b, int n)
{
    int    i;
    char  *p;

    p = text + sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
            "'EndpointSlice','metadata':{'namespace':'%s','name':'svc-1',"
            "'labels':{'kubernetes.io/service-name':'svc'}},'addressType':"
            "'IPv4','ports':[{'name':'http','port':3000}],'endpoints':[", ns);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'addresses':['10.%d.%d.%d']}", i ? "," : "", a,
                     b + i / 250, 1 + i % 250);
    }

    sprintf(p, "]}");
    k8s_put(k, text);
}


static void
rotate(world_t *w, int o)
{
    char  ns[16], names[64];

    sprintf(ns, "t%d", o);
    sprintf(names, "DNS:%s.test,DNS:r%04d.test", ns, w->serial[o]);
    k8s_secret(&w->k, ns, "cert", ec, ec, names, 100);
}


/* objects of all others, as they are now */

static void
others(world_t *w)
{
    int   o, i;
    char  ns[16], name[16], host[32];

    for (o = 0; o < OTHERS; o++) {
        sprintf(ns, "t%d", o);
        sprintf(host, "%s.test", ns);

        service(&w->k, ns);
        slice(&w->k, ns, o, w->net[o], w->n[o]);
        k8s_put(&w->k, ingress(ns, "main", host, 1, 0, 2, 1, "cert"));
        rotate(w, o);

        for (i = w->from[o]; i < ROUTES; i++) {
            sprintf(name, "x%d", i);
            sprintf(host, "%s%d.test", (i & 1) ? ns : "shared", i / 2);
            k8s_put(&w->k, ingress(ns, name, host, 2, 100 * i, 2, 1, NULL));
        }
    }
}


static void
evil(world_t *w)
{
    int    i;
    char   name[16], host[32];
    k8s_t *k;

    k = &w->k;
    i = rnd(EVIL);
    sprintf(name, "e%d", i);

    switch (rnd(10)) {

    case 0:
        slice(k, "evil", 100, 0, rnd(3) ? rnd(40) : rnd(3000));
        break;

    case 1:
        sprintf(name, "s%d", rnd(10));
        sprintf(host, "DNS:evil%d.test", rnd(10));
        k8s_secret(k, "evil", name, ec, rnd(3) ? ec : other, host, 100);
        break;

    case 2:
        sprintf(name, "s%d", rnd(10));
        k8s_delete(k, NGX_K8S_SECRET, "evil", name);
        break;

    case 3:
        if (w->evil[i]) {
            k8s_delete(k, NGX_K8S_INGRESS, "evil", name);
            free(w->evil[i]);
            w->evil[i] = NULL;
        }

        break;

    default:
        sprintf(host, "%s%d.test", rnd(3) ? "evil" : "shared",
                rnd(rnd(2) ? 4 : 20));

        /* conflicts, paths that are none, a Secret that may not be there */

        ingress("evil", name, host, 1 + rnd(28), rnd(4) * 50,
                1 + rnd(rnd(4) ? 20 : 300), 1 + rnd(200),
                rnd(4) ? NULL : "s1");

        if (rnd(6) == 0) {
            strstr(text, "/evil/")[0] = '-';
        }

        free(w->evil[i]);
        w->evil[i] = strdup(text);
        k8s_put(k, text);
        break;
    }
}


/* all that is marked is compiled, in turns that no clock measures */

static void
settle(world_t *w)
{
    int        i, again;
    ngx_int_t  rc;

    for (again = 0; again < 2; again++) {

        do {
            rc = NGX_AGAIN;

            for (i = 1 + rnd(64); i && rc == NGX_AGAIN; i--) {
                rc = ngx_k8s_compile_run(w->k.compile, 0);
            }

            ngx_k8s_writer_publish(w->k.writer);

        } while (rc == NGX_AGAIN);
    }
}


/* one of the others does something, and it is in the table */

static ngx_uint_t
event(world_t *w)
{
    int    i, o, what;
    char   ns[16], name[32], line[128], *d, *end;
    k8s_t *k;

    k = &w->k;
    o = rnd(OTHERS);
    what = rnd(5);
    sprintf(ns, "t%d", o);

    if (what == 0 && w->from[o] < ROUTES) {
        sprintf(name, "x%d", w->from[o]++);
        k8s_delete(k, NGX_K8S_INGRESS, ns, name);
        settle(w);

        sprintf(line, " of %s/%s to ", ns, name);

        if (k8s_has(k, line)) {
            printf("# %s/%s is still there\n", ns, name);
            return 1;
        }

        return 0;
    }

    if (what == 1) {
        w->serial[o]++;
        rotate(w, o);
        settle(w);

        sprintf(line, "  name \"%s.test\"\n  name \"r%04d.test\"\n", ns,
                w->serial[o]);
        sprintf(name, "certificate %s/", ns);

        d = strstr(k8s_dump(k), name);
        d = d ? strchr(d, '\n') + 1 : "";

        if (strncmp(d, line, strlen(line)) != 0) {
            printf("# the certificate of %s is an old one\n", ns);
            return 1;
        }

        return 0;
    }

    w->net[o] = (w->net[o] + 1) % 200;
    w->n[o] = rnd(ENDPOINTS + 1);
    slice(k, ns, o, w->net[o], w->n[o]);
    settle(w);

    sprintf(line, "\nservice %s/svc:80 flags 0 number 80 usable %d ", ns,
            w->n[o]);
    d = strstr(k8s_dump(k), line);

    for (i = 0; d && i < w->n[o]; i++) {
        end = strchr(d + 1, '\n');
        sprintf(line, "\n  endpoint 10.%d.%d.%d ", o, w->net[o], i + 1);
        d = (end && strncmp(end, line, strlen(line)) == 0) ? end : NULL;
    }

    if (d == NULL) {
        printf("# endpoints of %s are not those %d\n", ns, w->n[o]);
        return 1;
    }

    return 0;
}


/* takes the checksums of certificates out of a dump */

static void
plain(char *d)
{
    char  *end;

    while ((d = strstr(d, "\ncertificate "))) {
        end = strchr(d + 1, '\n');

        if (end - d > 65) {
            memset(end - 64, '-', 64);
        }

        d = end;
    }
}


int
main(void)
{
    int         i, o, step;
    char       *one, *two, name[16];
    world_t     w, fresh;
    ngx_uint_t  round, rounds, bad, full, differ;

    static uint32_t  seeds[] = { 112648, 168081, 272810, 377539, 409215,
                                 482268 };

    unit_init();

    ec = EVP_EC_gen("P-256");
    other = EVP_EC_gen("P-256");

    bad = 0;
    full = 0;
    differ = 0;

    rounds = unit_rounds(ROUNDS);

    for (round = 0; round < rounds; round++) {
        seed = unit_seed(seeds[round % 6] + 108401041 * (round / 6));
        ngx_memzero(&w, sizeof(world_t));

        k8s_conf(&w.k);
        w.k.conf.ownership = round & 1;
        w.k.size = ngx_k8s_table_overhead(768 * 1024) + 768 * 1024;
        k8s_open(&w.k);

        for (o = 0; o < OTHERS; o++) {
            w.n[o] = ENDPOINTS;
        }

        others(&w);
        service(&w.k, "evil");
        slice(&w.k, "evil", 100, 0, 2);
        k8s_run(&w.k);

        for (step = 0; step < STEPS; step++) {

            for (i = rnd(6); i; i--) {
                evil(&w);
            }

            if (rnd(3)) {
                for (i = rnd(40); i; i--) {
                    (void) ngx_k8s_compile_run(w.k.compile, 0);
                }

                if (rnd(2)) {
                    ngx_k8s_writer_publish(w.k.writer);
                }
            }

            bad += event(&w);
            full += (ngx_k8s_writer_room(w.k.writer) < 16384);
        }

        /* a few of its Ingresses stay */

        for (i = 0; i < EVIL; i++) {
            if (w.evil[i] && (i > 3 || strlen(w.evil[i]) > 8192)) {
                sprintf(name, "e%d", i);
                k8s_delete(&w.k, NGX_K8S_INGRESS, "evil", name);
                free(w.evil[i]);
                w.evil[i] = NULL;
            }
        }

        slice(&w.k, "evil", 100, 0, 2);

        for (i = 0; i < 10; i++) {
            sprintf(name, "s%d", i);
            k8s_delete(&w.k, NGX_K8S_SECRET, "evil", name);
        }

        for (i = 0; i < 3; i++) {
            one = k8s_dump(&w.k);
        }

        one = strdup(one);

        fresh = w;
        k8s_conf(&fresh.k);
        fresh.k.conf.ownership = round & 1;
        k8s_open(&fresh.k);
        service(&fresh.k, "evil");
        slice(&fresh.k, "evil", 100, 0, 2);

        for (i = 0; i < EVIL; i++) {
            if (w.evil[i]) {
                k8s_put(&fresh.k, w.evil[i]);
            }
        }

        others(&fresh);

        two = k8s_dump(&fresh.k);

        /* certificates are signed anew each time: their sums differ */

        plain(one);
        plain(two);

        if (strcmp(one, two) != 0 && differ++ == 0) {
            for (i = 0; one[i] == two[i]; i++) { /* void */ }

            printf("# round %u differs: \"%.300s\", fresh \"%.300s\"\n",
                   (unsigned) round, one + i, two + i);
        }

        free(one);

        k8s_close(&fresh.k);
        k8s_close(&w.k);

        for (i = 0; i < EVIL; i++) {
            free(w.evil[i]);
        }
    }

    EVP_PKEY_free(ec);
    EVP_PKEY_free(other);

    ok(full > rounds * STEPS / 3, "%u of %u steps in a full zone",
       (unsigned) full, (unsigned) rounds * STEPS);
    ok(bad == 0, "what others do is done, %u times not", (unsigned) bad);
    ok(differ == 0, "afterwards the table is as a fresh one");

    return done();
}
