
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http_k8s_data.h>
#include <ngx_k8s_policy.h>


ngx_k8s_data_t *
ngx_http_k8s_data(ngx_k8s_block_t *block, ngx_uint_t use, ngx_str_t *object)
{
    u_char            buf[NGX_K8S_KEY_MAX];
    size_t            len;
    ngx_str_t         ns, name, item;
    ngx_k8s_table_t  *table;

    table = ngx_k8s_pin(block);

    if (table == NULL) {
        return NULL;
    }

    ngx_str_null(&item);

    ngx_k8s_object_split(object, &ns, &name);

    len = ngx_k8s_key_data(buf, use, &ns, &name, &item);

    return ngx_k8s_table_find(table, NGX_K8S_INDEX_DATA, buf, len, NULL);
}


ngx_k8s_certificate_t *
ngx_http_k8s_data_certificate(ngx_k8s_block_t *block, ngx_str_t *object)
{
    u_char            buf[NGX_K8S_KEY_MAX];
    size_t            len;
    ngx_str_t         ns, name, *names[2];
    ngx_k8s_table_t  *table;

    table = ngx_k8s_pin(block);

    if (table == NULL) {
        return NULL;
    }

    ngx_k8s_object_split(object, &ns, &name);

    names[0] = &ns;
    names[1] = &name;

    len = ngx_k8s_key_names(buf, 2, names);

    return ngx_k8s_table_find(table, NGX_K8S_INDEX_CERTIFICATE, buf, len, NULL);
}
