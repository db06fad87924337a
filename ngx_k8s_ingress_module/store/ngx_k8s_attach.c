
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Where the hosts of an object are served, as attach() of its kind has it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


#define NGX_K8S_ATTACH_POOL  512


ngx_int_t
ngx_k8s_attach(ngx_k8s_store_t *store, ngx_k8s_object_t *object,
    ngx_k8s_attach_t *attach)
{
    ngx_int_t            rc;
    ngx_k8s_model_t     *model;
    ngx_k8s_kind_row_t  *row;

    row = &ngx_k8s_kind_rows[object->kind];

    if (row->attach == NULL) {
        return NGX_OK;
    }

    rc = row->attach(store, object, attach);

    if (rc == NGX_OK && attach->taken && attach->model == NULL) {
        rc = NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        ngx_k8s_attach_free(attach->hosts);

        model = attach->model;
        ngx_memzero(attach, sizeof(ngx_k8s_attach_t));
        attach->model = model;
    }

    return rc;
}


ngx_int_t
ngx_k8s_attach_host(ngx_k8s_attach_t *attach, ngx_k8s_attached_t *host,
    ngx_log_t *log)
{
    ngx_pool_t          *pool;
    ngx_k8s_attached_t  *copy;

    if (attach->hosts == NULL) {
        pool = ngx_create_pool(NGX_K8S_ATTACH_POOL, log);
        if (pool == NULL) {
            return NGX_ERROR;
        }

        attach->hosts = ngx_array_create(pool, 4, sizeof(ngx_k8s_attached_t));
        if (attach->hosts == NULL) {
            ngx_destroy_pool(pool);
            return NGX_ERROR;
        }
    }

    pool = attach->hosts->pool;

    copy = ngx_array_push(attach->hosts);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    *copy = *host;

    copy->name.data = ngx_pnalloc(pool, host->name.len + 1);
    copy->listeners = ngx_palloc(pool, host->nlisteners * sizeof(uint32_t));

    if (copy->name.data == NULL || copy->listeners == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(copy->name.data, host->name.data, host->name.len);
    ngx_memcpy(copy->listeners, host->listeners,
               host->nlisteners * sizeof(uint32_t));

    return NGX_OK;
}


ngx_uint_t
ngx_k8s_attach_same(ngx_array_t *one, ngx_array_t *two)
{
    ngx_uint_t           i;
    ngx_k8s_attached_t  *a, *b;

    if (one == NULL || two == NULL || one->nelts != two->nelts) {
        return one == two;
    }

    a = one->elts;
    b = two->elts;

    for (i = 0; i < one->nelts; i++) {
        if (a[i].route_set != b[i].route_set
            || a[i].class != b[i].class
            || a[i].host != b[i].host
            || a[i].nlisteners != b[i].nlisteners
            || !ngx_k8s_str_eq(&a[i].name, &b[i].name)
            || ngx_memcmp(a[i].listeners, b[i].listeners,
                          a[i].nlisteners * sizeof(uint32_t))
               != 0)
        {
            return 0;
        }
    }

    return 1;
}


void
ngx_k8s_attach_free(ngx_array_t *hosts)
{
    if (hosts) {
        ngx_destroy_pool(hosts->pool);
    }
}
