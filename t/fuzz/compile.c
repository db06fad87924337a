
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * From JSON to records: each line of the input is an object, one that begins
 * with "-" is deleted.  What the table then holds must verify, must be the
 * same when a fresh store gets the objects that are left, and a well-formed
 * Ingress beside them must always be routed: a broken object never affects
 * another one.
 */


#include "k8s.h"
#include <ngx_k8s_router.h>


#define FUZZ_LINES  64


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char  *fuzz_good[] = {
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'good',"
    "'name':'s'},'spec':{'ports':[{'port':80}]}}",
    "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','addressType':"
    "'IPv4','metadata':{'namespace':'good','name':'s-1','labels':{"
    "'kubernetes.io/service-name':'s'}},'ports':[{'port':8080}],'endpoints':[{"
    "'addresses':['10.9.8.7']}]}",
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"
    "'namespace':'good','name':'i','creationTimestamp':'1970-01-02T00:00:00Z'},"
    "'spec':{'rules':[{'host':'good.test','http':{'paths':[{'path':'/',"
    "'pathType':'Prefix','backend':{'service':{'name':'s','port':{'number':80}}"
    "}}]}}]}}"
};


static ngx_k8s_object_t *
fuzz_object(const u_char *line, size_t len)
{
    json_t             *json;
    ngx_int_t           kind;
    ngx_pool_t         *pool;
    ngx_k8s_object_t   *object;
    ngx_k8s_problem_t   problem;

    json = json_loadb((const char *) line, len, 0, NULL);
    if (json == NULL) {
        return NULL;
    }

    object = NULL;
    kind = ngx_k8s_kind_of(json);

    if (kind != NGX_ERROR) {
        pool = ngx_create_pool(1024, &unit_log);
        object = ngx_k8s_object_from_json(kind, json, pool, &problem,
                                          &unit_log);
        ngx_destroy_pool(pool);
    }

    json_decref(json);

    return object;
}


static void
fuzz_put(k8s_t *k, const uint8_t *data, size_t size, ngx_uint_t runs)
{
    size_t             len;
    ngx_str_t          ns, name, uid;
    ngx_uint_t         n, deleted;
    const u_char      *p, *lf, *last;
    ngx_k8s_object_t  *object;

    ngx_str_null(&uid);
    last = data + size;
    n = 0;

    for (p = data; p < last && n < FUZZ_LINES; p = lf + 1, n++) {
        lf = memchr(p, '\n', last - p);
        if (lf == NULL) {
            lf = last;
        }

        len = lf - p;
        deleted = (len && *p == '-');

        object = fuzz_object(p + deleted, len - deleted);
        if (object == NULL) {
            continue;
        }

        if (deleted) {
            ns = object->namespace;
            name = object->name;
            (void) ngx_k8s_store_delete(k->store, object->kind, &ns, &name,
                                        &uid);
            ngx_k8s_object_free(object);

        } else {
            (void) ngx_k8s_store_put(k->store, object);
        }

        if (n % 3) {
            k8s_work(k);
        }

        if (runs && n % 4 == 3) {
            k8s_run(k);
        }
    }
}


static void
fuzz_check(k8s_t *k)
{
    uint64_t               cursor;
    ngx_uint_t             i;
    ngx_k8s_route_t        route;
    ngx_k8s_record_t      *rec;
    ngx_k8s_route_key_t    key;

    static uint32_t  set;

    for (i = 0; i < NGX_K8S_INDEXES; i++) {
        cursor = 0;

        for ( ;; ) {
            rec = ngx_k8s_table_next(k->table, i, &cursor);
            if (rec == NULL) {
                break;
            }

            if (ngx_k8s_record_verify(rec, rec->size) != NGX_OK) {
                abort();
            }
        }
    }

    ngx_memzero(&key, sizeof(ngx_k8s_route_key_t));
    key.sets = &set;
    key.nsets = 1;
    ngx_str_set(&key.host, "good.test");
    ngx_str_set(&key.path, "/x");

    if (ngx_k8s_route(k->table, &key, &route) != NGX_OK
        || route.action->kind != NGX_K8S_ACTION_BACKENDS)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    k8s_t        k, fresh;
    ngx_uint_t   i;

    if (unit_log.file == NULL) {
        unit_init();
        unit_log.log_level = NGX_LOG_EMERG;
    }

    k8s_conf(&k);
    k8s_open(&k);
    k8s_conf(&fresh);
    k8s_open(&fresh);

    for (i = 0; i < 3; i++) {
        k8s_put(&k, fuzz_good[i]);
    }

    fuzz_put(&k, data, size, 1);
    fuzz_put(&fresh, data, size, 0);

    for (i = 0; i < 3; i++) {
        k8s_put(&k, fuzz_good[i]);
        k8s_put(&fresh, fuzz_good[i]);
    }

    (void) k8s_dump(&k);
    fuzz_check(&k);

    if (strcmp(k8s_dump(&k), k8s_dump(&fresh)) != 0) {
        abort();
    }

    k8s_close(&k);
    k8s_close(&fresh);

    return 0;
}
