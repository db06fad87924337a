
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static void ngx_k8s_secret_cleanup(void *data);


void
ngx_k8s_secret_read(ngx_k8s_reader_t *r, json_t *json)
{
    size_t               n;
    json_t              *data, *text;
    ngx_k8s_secret_t    *secret;
    ngx_pool_cleanup_t  *cln;

    secret = (ngx_k8s_secret_t *) r->object;

    ngx_str_set(&secret->type, "Opaque");
    (void) ngx_k8s_reader_string(r, json, "type", &secret->type);

    data = ngx_k8s_reader_object(r, json, "data");
    text = ngx_k8s_reader_object(r, json, "stringData");

    n = json_object_size(data) + json_object_size(text);

    /* what one of them says may restrict what the other one does */

    if (n == 0 || ngx_k8s_reader_other(json, "data")
        || ngx_k8s_reader_other(json, "stringData"))
    {
        return;
    }

    secret->data = ngx_k8s_reader_array(r, n, sizeof(ngx_keyval_t));
    if (secret->data == NULL) {
        return;
    }

    if (r->measure) {
        r->bytes = ngx_align(r->bytes, NGX_ALIGNMENT)
                   + sizeof(ngx_pool_cleanup_t);

    } else {
        cln = ngx_pool_cleanup_add(r->pool, 0);
        if (cln == NULL) {
            r->failed = 1;
            return;
        }

        cln->handler = ngx_k8s_secret_cleanup;
        cln->data = secret;
    }

    /* stringData overrides data */

    ngx_k8s_reader_values(r, text, "stringData", NULL, 0, NGX_K8S_OBJECT_MAX,
                          NGX_K8S_READER_SAID, secret->data);
    ngx_k8s_reader_values(r, data, "data", text, 1, NGX_K8S_OBJECT_MAX,
                          NGX_K8S_READER_SAID, secret->data);
}


static void
ngx_k8s_secret_cleanup(void *data)
{
    ngx_k8s_secret_t  *secret = data;

    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    kv = secret->data->elts;

    for (i = 0; i < secret->data->nelts; i++) {
        ngx_explicit_memzero(kv[i].value.data, kv[i].value.len);
    }
}


void
ngx_k8s_secret_wipe(json_t *json)
{
    json_t      *map, *value;
    ngx_uint_t   i;
    const char  *key;

    static const char  *names[] = { "data", "stringData" };

    for (i = 0; i < 2; i++) {
        map = json_object_get(json, names[i]);

        if (map == NULL || map->refcount > 1) {
            continue;
        }

        json_object_foreach(map, key, value) {
            if (json_is_string(value) && value->refcount == 1) {
                ngx_explicit_memzero((void *) json_string_value(value),
                                     json_string_length(value));
            }
        }
    }
}
