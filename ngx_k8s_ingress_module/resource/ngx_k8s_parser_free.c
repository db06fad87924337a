
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What was read and not converted may be large: it is released in pieces.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_json_tree.h>
#include <ngx_k8s_parser.h>
#include <ngx_k8s_reader.h>


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

    free(p->places);
    p->places = NULL;

    ngx_k8s_digest_cancel(&p->digest);
    ngx_k8s_digest_cancel(&p->status);

    if (p->pool) {
        ngx_destroy_pool(p->pool);
        p->pool = NULL;
    }
}
