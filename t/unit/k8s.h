
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * For unit tests of the store and of compile/: objects from JSON texts, a
 * table on the heap, and its dump.  Texts may write ' for ".
 */


#ifndef _K8S_H_INCLUDED_
#define _K8S_H_INCLUDED_


#include "unit.h"
#include <ngx_k8s_compile.h>
#include <ngx_k8s_index.h>
#include "dump.h"


typedef struct {
    void                    *zone;
    size_t                   size;
    ngx_k8s_table_t         *table;
    ngx_k8s_writer_t        *writer;
    ngx_k8s_store_t         *store;
    ngx_k8s_compile_t       *compile;
    ngx_k8s_class_conf_t     class;
    ngx_k8s_compile_conf_t   conf;
    ngx_k8s_store_events_t   events;
    ngx_pool_t              *pool;
    ngx_str_t                dump;
} k8s_t;


static ngx_inline ngx_str_t
k8s_str(const char *s)
{
    ngx_str_t  str;

    str.data = (u_char *) s;
    str.len = strlen(s);

    return str;
}


static ngx_inline void
k8s_conf(k8s_t *k)
{
    ngx_memzero(k, sizeof(k8s_t));

    ngx_str_set(&k->class.controller, "k8s.io/ingress-nginx");
    ngx_str_set(&k->class.class_name, "nginx");
    ngx_str_set(&k->class.gate.prefix, "nginx.ingress.kubernetes.io");
    k->class.gate.risk = NGX_K8S_RISK_HIGH;
    k->class.without_class = 1;
    k->conf.add_slash = 1;
    k->size = 8 * 1024 * 1024;
}


static ngx_inline void
k8s_open(k8s_t *k)
{
    if (k->zone == NULL) {
        if (posix_memalign(&k->zone, ngx_pagesize, k->size) != 0
            || ngx_k8s_table_init(k->zone, k->size) != NGX_OK)
        {
            printf("Bail out! no table\n");
            exit(1);
        }
    }

    k->table = k->zone;
    k->pool = ngx_create_pool(4096, &unit_log);
    k->writer = ngx_k8s_writer_open(k->table, -1, &unit_log);
    k->store = ngx_k8s_store_create(&k->class, &k->events, &unit_log);
    k->compile = ngx_k8s_compile_create(&k->conf, k->store, k->writer,
                                        &unit_log);

    if (k->writer == NULL || k->store == NULL || k->compile == NULL) {
        printf("Bail out! no writer\n");
        exit(1);
    }
}


/* closes all but the zone, as a watcher that ends */

static ngx_inline void
k8s_end(k8s_t *k)
{
    ngx_k8s_compile_destroy(k->compile);
    ngx_k8s_store_destroy(k->store);
    ngx_k8s_writer_close(k->writer);
    ngx_destroy_pool(k->pool);
}


static ngx_inline void
k8s_close(k8s_t *k)
{
    k8s_end(k);
    free(k->zone);
    k->zone = NULL;
}


static ngx_inline ngx_k8s_object_t *
k8s_object(const char *text)
{
    char               *copy, *p;
    json_t             *json;
    ngx_int_t           kind;
    json_error_t        error;
    ngx_k8s_object_t   *object;
    ngx_pool_t         *pool;
    ngx_k8s_problem_t   problem;

    copy = strdup(text);

    for (p = copy; *p; p++) {
        if (*p == '\'') {
            *p = '"';
        }
    }

    json = json_loads(copy, 0, &error);
    if (json == NULL) {
        printf("Bail out! %s in %s\n", error.text, copy);
        exit(1);
    }

    free(copy);

    kind = ngx_k8s_kind_of(json);
    pool = ngx_create_pool(1024, &unit_log);

    object = (kind == NGX_ERROR) ? NULL
             : ngx_k8s_object_from_json(kind, json, pool, &problem, &unit_log);

    if (object == NULL) {
        printf("Bail out! no object: %s\n", text);
        exit(1);
    }

    ngx_destroy_pool(pool);
    json_decref(json);

    return object;
}


/* all that has been begun */

static ngx_inline void
k8s_work(k8s_t *k)
{
    while (ngx_k8s_store_work(k->store) == NGX_AGAIN) { /* void */ }
}


static ngx_inline void
k8s_put(k8s_t *k, const char *text)
{
    (void) ngx_k8s_store_put(k->store, k8s_object(text));
    k8s_work(k);
}


static ngx_inline void
k8s_delete(k8s_t *k, ngx_uint_t kind, const char *ns, const char *name)
{
    ngx_str_t  n, m, uid;

    n = k8s_str(ns);
    m = k8s_str(name);
    ngx_str_null(&uid);

    (void) ngx_k8s_store_delete(k->store, kind, &n, &m, &uid);
    k8s_work(k);
}


static ngx_inline void
k8s_run(k8s_t *k)
{
    ngx_k8s_compile_synced(k->compile);

    while (ngx_k8s_compile_run(k->compile, 1000) == NGX_AGAIN) {
        ngx_k8s_writer_publish(k->writer);
    }

    ngx_k8s_writer_publish(k->writer);

    /* room that publishing has made */

    while (ngx_k8s_compile_run(k->compile, 1000) == NGX_AGAIN) {
        ngx_k8s_writer_publish(k->writer);
    }

    ngx_k8s_writer_publish(k->writer);
}


/* the dump after all that is marked was compiled */

static ngx_inline char *
k8s_dump(k8s_t *k)
{
    k8s_run(k);

    ngx_reset_pool(k->pool);

    if (ngx_k8s_table_dump(k->table, k->pool, &k->dump) != NGX_OK) {
        printf("Bail out! no dump\n");
        exit(1);
    }

    k->dump.data[k->dump.len] = '\0';

    return (char *) k->dump.data;
}


#define k8s_has(k, text)  (strstr(k8s_dump(k), text) != NULL)


#endif /* _K8S_H_INCLUDED_ */
