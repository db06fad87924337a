
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What was read and not converted may be large: it is released in pieces.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_parser.h>
#include <ngx_k8s_reader.h>


/* bytes of text that freeing a value costs */
#define NGX_K8S_PARSER_FREED        16


static ngx_int_t ngx_k8s_json_freed(json_t *json, size_t *budget);


ngx_uint_t
ngx_k8s_parser_cost(json_t *json)
{
    size_t       i;
    json_t      *value;
    const char  *key;
    ngx_uint_t   cost;

    cost = 1;

    switch (json_typeof(json)) {

    case JSON_OBJECT:
        json_object_foreach(json, key, value) {
            cost += ngx_k8s_parser_cost(value);
        }

        break;

    case JSON_ARRAY:
        json_array_foreach(json, i, value) {
            cost += ngx_k8s_parser_cost(value);
        }

        break;

    case JSON_STRING:
        cost += json_string_length(json) / NGX_K8S_COST_BYTES;
        break;

    default:
        break;
    }

    return cost;
}


ngx_int_t
ngx_k8s_parser_freed(ngx_k8s_parser_t *p, size_t *budget)
{
    ngx_uint_t  i;

    if (p->root && ngx_k8s_kinds[p->kind].secret) {
        ngx_k8s_secret_wipe(p->root);
    }

    for (i = 0; i < p->depth; i++) {
        if (ngx_k8s_json_freed(p->frames[i].json, budget) == NGX_AGAIN) {
            return NGX_AGAIN;
        }
    }

    if (p->root && ngx_k8s_json_freed(p->root, budget) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ngx_k8s_parser_free(p);

    return NGX_OK;
}


/* what is deeper than containers are opened was read whole, and is small */

static ngx_int_t
ngx_k8s_json_freed(json_t *json, size_t *budget)
{
    size_t       n;
    void        *iter;
    json_t      *container, *value;
    ngx_uint_t   depth;

    while (json_array_size(json) + json_object_size(json)) {

        if (*budget == 0) {
            return NGX_AGAIN;
        }

        value = json;
        depth = 0;

        do {
            container = value;
            n = json_array_size(container);
            iter = n ? NULL : json_object_iter(container);

            value = n ? json_array_get(container, n - 1)
                      : json_object_iter_value(iter);

        } while (json_array_size(value) + json_object_size(value)
                 && depth++ < NGX_K8S_PARSER_DEPTH);

        n = ngx_k8s_parser_cost(value) * NGX_K8S_PARSER_FREED;
        *budget -= ngx_min(*budget, n);

        if (iter) {
            (void) json_object_del(container, json_object_iter_key(iter));

        } else {
            (void) json_array_remove(container,
                                     json_array_size(container) - 1);
        }
    }

    return NGX_OK;
}


void
ngx_k8s_parser_free(ngx_k8s_parser_t *p)
{
    while (p->depth) {
        p->depth--;

        json_decref(p->frames[p->depth].json);
        json_decref(p->frames[p->depth].key);
    }

    if (p->root) {
        if (ngx_k8s_kinds[p->kind].secret) {
            ngx_k8s_secret_wipe(p->root);
        }

        json_decref(p->root);
        p->root = NULL;
    }

    if (p->endpoints.elts) {
        ngx_free(p->endpoints.elts);
        p->endpoints.elts = NULL;
        p->endpoints.nelts = 0;
        p->endpoints.nalloc = 0;
    }

    ngx_k8s_digest_cancel(&p->digest);
    ngx_k8s_digest_cancel(&p->status);

    if (p->pool) {
        ngx_destroy_pool(p->pool);
        p->pool = NULL;
    }
}
