
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static int ngx_libc_cdecl ngx_k8s_config_map_cmp(const void *one,
    const void *two);


void
ngx_k8s_config_map_read(ngx_k8s_reader_t *r, json_t *json)
{
    size_t                 n;
    json_t                *data, *binary;
    ngx_k8s_config_map_t  *map;

    map = (ngx_k8s_config_map_t *) r->object;

    data = json_object_get(json, "data");
    binary = json_object_get(json, "binaryData");

    n = json_object_size(data) + json_object_size(binary);

    if (ngx_k8s_reader_other(json, "data")
        || ngx_k8s_reader_other(json, "binaryData")
        || n > NGX_K8S_CONFIG_KEYS)
    {
        map->data = ngx_k8s_reader_unread(r, (n > NGX_K8S_CONFIG_KEYS)
                                             ? "has too many keys"
                                             : "is not an object");
        return;
    }

    if (n == 0) {
        return;
    }

    map->data = ngx_k8s_reader_array(r, n, sizeof(ngx_keyval_t));
    if (map->data == NULL) {
        return;
    }

    ngx_k8s_reader_values(r, data, "data", NULL, 0, NGX_K8S_CONFIG_VALUE,
                          NGX_K8S_READER_SILENT, map->data);
    ngx_k8s_reader_values(r, binary, "binaryData", data, 1,
                          NGX_K8S_CONFIG_VALUE, NGX_K8S_READER_SILENT,
                          map->data);

    if (!r->failed) {
        ngx_qsort(map->data->elts, map->data->nelts, sizeof(ngx_keyval_t),
                  ngx_k8s_config_map_cmp);
    }
}


static int ngx_libc_cdecl
ngx_k8s_config_map_cmp(const void *one, const void *two)
{
    const ngx_keyval_t  *a, *b;

    a = one;
    b = two;

    return (int) ngx_memn2cmp(a->key.data, b->key.data, a->key.len,
                              b->key.len);
}


ngx_str_t *
ngx_k8s_config_map_value(ngx_k8s_config_map_t *map, ngx_str_t *key)
{
    ngx_int_t      rc;
    ngx_uint_t     first, last, i;
    ngx_keyval_t  *kv;

    if (map->data == NULL) {
        return NULL;
    }

    kv = map->data->elts;
    first = 0;
    last = map->data->nelts;

    while (first < last) {
        i = (first + last) / 2;
        rc = ngx_memn2cmp(key->data, kv[i].key.data, key->len, kv[i].key.len);

        if (rc == 0) {
            return &kv[i].value;
        }

        if (rc < 0) {
            last = i;

        } else {
            first = i + 1;
        }
    }

    return NULL;
}
