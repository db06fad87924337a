
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Figures of size: 5,000 Ingresses, Services and EndpointSlices; one Service
 * with 5,000 endpoints (T-E6); one host with 1,000 paths.
 */


#include "k8s.h"
#include <malloc.h>


#define OBJECTS  5000


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}


/* compiles item by item: all of it in ms; the longest one in *longest */

static double
items(k8s_t *k, double *longest, ngx_uint_t *n)
{
    double      start, t, end;
    ngx_int_t   rc;
    ngx_uint_t  at;

    at = 0;
    start = now();
    *longest = 0;
    *n = 0;

    do {
        t = now();
        rc = ngx_k8s_compile_run(k->compile, 0);
        end = now();

        if (end - t > *longest) {
            *longest = end - t;
            at = *n;
        }

        (*n)++;

    } while (rc == NGX_AGAIN);

    ngx_k8s_writer_publish(k->writer);

    printf("# the longest is item %u\n", (unsigned) at);

    return now() - start;
}


int
main(void)
{
    char        *text, *p;
    double       t, longest;
    size_t       used;
    ngx_uint_t   i, n;
    k8s_t        k;

    unit_init();

    k8s_conf(&k);
    k.size = 64 * 1024 * 1024;
    k8s_open(&k);

    text = malloc(4 * 1024 * 1024);
    used = mallinfo2().uordblks;
    t = now();

    for (i = 0; i < OBJECTS; i++) {
        sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'n%d','name':'ingress-%d',"
                "'creationTimestamp':'2026-01-01T00:00:00Z'},'spec':{'rules':["
                "{'host':'h%d.example.com','http':{'paths':[{'path':'/',"
                "'pathType':'Prefix','backend':{'service':{'name':'svc-%d',"
                "'port':{'number':80}}}}]}}]}}", (int) i % 50, (int) i,
                (int) i, (int) i);
        k8s_put(&k, text);

        sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
                "'namespace':'n%d','name':'svc-%d'},'spec':{'ports':[{'name':"
                "'http','port':80,'targetPort':3000}]}}", (int) i % 50,
                (int) i);
        k8s_put(&k, text);

        sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
                "'EndpointSlice','metadata':{'namespace':'n%d','name':"
                "'svc-%d-abcde','labels':{'kubernetes.io/service-name':"
                "'svc-%d'}},'addressType':'IPv4','ports':[{'name':'http',"
                "'port':3000}],'endpoints':[{'addresses':['10.%d.%d.1']},"
                "{'addresses':['10.%d.%d.2']}]}", (int) i % 50, (int) i,
                (int) i, (int) i / 250, (int) i % 250, (int) i / 250,
                (int) i % 250);
        k8s_put(&k, text);
    }

    printf("# %d objects read and stored in %.1f ms\n", 3 * OBJECTS,
           now() - t);
    printf("# %d private bytes an object in the store\n",
           (int) ((mallinfo2().uordblks - used) / (3 * OBJECTS)));

    ngx_k8s_compile_synced(k.compile);
    t = items(&k, &longest, &n);

    printf("# compiled in %.1f ms, %u items, longest %.3f ms\n", t,
           (unsigned) n, longest);
    printf("# %d private bytes an object with what compile keeps\n",
           (int) ((mallinfo2().uordblks - used) / (3 * OBJECTS)));
    printf("# %d zone bytes a route\n", (int) (k.table->used / OBJECTS));
    ok(k.table->counts[NGX_K8S_INDEX_HOST] == OBJECTS, "all hosts");
    ok(k.table->counts[NGX_K8S_INDEX_SERVICE] == OBJECTS, "all services");
    ok(k.table->used / OBJECTS < 2048, "zone bytes of a route");

    /* 50 slices of 100, each address twice, as one Service */

    for (i = 0; i < 100; i++) {
        p = text + sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':"
                "'EndpointSlice','metadata':{'namespace':'n0','name':"
                "'many-%d','labels':{'kubernetes.io/service-name':'svc-0'}},"
                "'addressType':'IPv4','ports':[{'name':'http','port':3000}],"
                "'endpoints':[", (int) i);

        for (n = 0; n < 100; n++) {
            p += sprintf(p, "%s{'addresses':['10.200.%d.%d']}", n ? "," : "",
                         (int) i % 50, (int) n);
        }

        sprintf(p, "]}");
        k8s_put(&k, text);
    }

    t = items(&k, &longest, &n);
    printf("# 5,000 endpoints: %.3f ms, longest item %.3f ms\n", t, longest);
    ok(k8s_has(&k, "service n0/svc-0:80 flags 0 number 80 usable 5002 "),
       "each address once");

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
            "'Ingress','metadata':{'namespace':'n0','name':'paths'},'spec':{"
            "'rules':[{'host':'paths.test','http':{'paths':[");

    for (i = 0; i < 1000; i++) {
        p += sprintf(p, "%s{'path':'/p%d/','pathType':'Prefix','backend':{"
                     "'service':{'name':'svc-%d','port':{'number':80}}}}",
                     i ? "," : "", (int) i, (int) i * 50 % 5000);
    }

    sprintf(p, "]}}]}}");
    k8s_put(&k, text);

    t = items(&k, &longest, &n);
    printf("# 1,000 paths: %.3f ms, longest item %.3f ms\n", t, longest);
    ok(k8s_has(&k, "\"/p999\"\n"), "a host with 1,000 paths");

    free(text);
    k8s_close(&k);

    return done();
}
