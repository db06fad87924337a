
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Keys that an IngressClass gives its Ingresses: what holds is the annotation,
 * else the key of the class, else that of the controller.  They are values of
 * the Ingress as its annotations are.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


static ngx_int_t ngx_k8s_class_silent(void *data, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *message, ngx_str_t *remedy);
static ngx_uint_t ngx_k8s_class_said(ngx_k8s_value_t *value, ngx_uint_t n,
    ngx_k8s_row_t *row);


ngx_int_t
ngx_k8s_class_keys(ngx_k8s_values_t *values, ngx_pool_t *pool,
    ngx_str_t *namespace, ngx_array_t *data)
{
    ngx_uint_t         i, n;
    ngx_k8s_value_t   *key, *value;
    ngx_k8s_values_t   keys;

    if (data == NULL || values->refused) {
        return NGX_OK;
    }

    if (ngx_k8s_keys(&keys, pool, data, 1, NULL, ngx_k8s_class_silent, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* what protects and cannot be had, whomever it is for */

    values->close_route |= keys.close_route;
    values->close_host |= keys.close_host;

    if (values->values.elts == NULL
        && ngx_array_init(&values->values, pool, 4, sizeof(ngx_k8s_value_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = values->values.nelts;
    key = keys.values.elts;

    for (i = 0; i < keys.values.nelts; i++) {

        if (!ngx_k8s_class_row(key[i].row)
            || ngx_k8s_class_said(values->values.elts, n, key[i].row))
        {
            continue;
        }

        value = ngx_array_push(&values->values);
        if (value == NULL) {
            return NGX_ERROR;
        }

        value->row = key[i].row;
        value->key = key[i].row->name;
        value->value.len = key[i].value.len;
        value->value.data = ngx_pstrdup(pool, &key[i].value);

        if (value->value.data == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_qsort(values->values.elts, values->values.nelts,
              sizeof(ngx_k8s_value_t), ngx_k8s_value_cmp);

    return ngx_k8s_values_digest(values, namespace, pool->log);
}


/* problems are those of the ConfigMap, once */

static ngx_int_t
ngx_k8s_class_silent(void *data, ngx_uint_t what, ngx_str_t *name,
    ngx_str_t *message, ngx_str_t *remedy)
{
    return NGX_OK;
}


static ngx_uint_t
ngx_k8s_class_said(ngx_k8s_value_t *value, ngx_uint_t n, ngx_k8s_row_t *row)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (value[i].row == row) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_k8s_class_row(ngx_k8s_row_t *row)
{
    return (row->flags & (NGX_K8S_ROW_ANNOTATION|NGX_K8S_ROW_CLASS))
           && !(row->flags & (NGX_K8S_ROW_WATCHER|NGX_K8S_ROW_HEADERS
                              |NGX_K8S_ROW_SECRET|NGX_K8S_ROW_HOST));
}
