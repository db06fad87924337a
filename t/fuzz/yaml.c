
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The first byte chooses YAML or JSON, the rest is a file.  Each document is
 * written out, so that what aliases stand for is bounded, and goes through the
 * way of a manifest to an object.
 */


#include <unit.h>
#include <ngx_k8s_resource.h>
#include <ngx_k8s_yaml.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_document(json_t *json)
{
    char               *text;
    ngx_int_t           kind;
    ngx_pool_t         *pool;
    ngx_k8s_object_t   *object;
    ngx_k8s_problem_t   problem;

    text = json_dumps(json, JSON_COMPACT|JSON_ENCODE_ANY);

    if (text == NULL || strlen(text) > 64 * 1024 * 1024) {
        abort();
    }

    free(text);

    kind = ngx_k8s_kind_of(json);

    if (kind != NGX_ERROR) {
        pool = ngx_create_pool(1024, &unit_log);

        object = ngx_k8s_object_from_json(kind, json, pool, &problem,
                                          &unit_log);
        if (object) {
            ngx_k8s_object_free(object);
        }

        ngx_destroy_pool(pool);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char                 *text;
    size_t                  len, n;
    json_t                 *json;
    ngx_int_t               rc;
    ngx_k8s_yaml_t         *y;
    ngx_k8s_yaml_decode_t   decode;

    if (unit_log.file == NULL) {
        unit_init();
        unit_log.log_level = 0;
    }

    if (size == 0) {
        return 0;
    }

    len = size - 1;
    text = ngx_alloc(len + 1, &unit_log);
    memcpy(text, data + 1, len);

    ngx_k8s_yaml_decode_begin(&decode, text, len);

    do {
        rc = ngx_k8s_yaml_decode_run(&decode, &text, &len, 7, &unit_log);
    } while (rc == NGX_AGAIN);

    if (rc != NGX_OK) {
        abort();
    }

    /* no byte behind it */

    text = realloc(text, ngx_max(len, 1));

    y = ngx_k8s_yaml_open(text, len, data[0] & 1, NULL, &unit_log);

    do {
        rc = ngx_k8s_yaml_next(y, 7, &json);

        if (rc == NGX_OK) {
            n = json_array_size(json_object_get(json, "items"));

            if (ngx_k8s_yaml_line(y, 0) > len + 1
                || ngx_k8s_yaml_line(y, n / 2 + 1) > len + 1
                || ngx_k8s_yaml_line(y, n + 1) > len + 1)
            {
                abort();
            }

            fuzz_document(json);
            json_decref(json);
        }

    } while (rc == NGX_OK || rc == NGX_AGAIN);

    if (rc == NGX_DECLINED && ngx_k8s_yaml_error(y)->len == 0) {
        abort();
    }

    ngx_k8s_yaml_close(y);
    free(text);

    return 0;
}
