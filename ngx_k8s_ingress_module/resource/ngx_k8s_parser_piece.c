
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What of an object is converted in pieces, while it is parsed or after it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_parser.h>
#include <ngx_k8s_reader.h>


#define NGX_K8S_PARSER_POOL         4096

/* bytes of text that reading an element costs, and converting a value costs */
#define NGX_K8S_PARSER_ELEMENT      512
#define NGX_K8S_PARSER_CONVERTED    32


static ngx_int_t ngx_k8s_parser_part(ngx_k8s_parser_t *p, ngx_k8s_reader_t *r);


ngx_int_t
ngx_k8s_parser_endpoint(ngx_k8s_parser_t *p, json_t *value)
{
    void                      *elts;
    ngx_int_t                  rc;
    ngx_uint_t                 n;
    ngx_array_t               *a;
    ngx_k8s_reader_t           r;
    ngx_k8s_slice_endpoint_t  *ep;

    a = &p->endpoints;

    if (ngx_k8s_parser_part(p, &r) != NGX_OK) {
        goto failed;
    }

    ngx_k8s_digest_json(&p->digest, value, NULL);

    if (a->nelts == a->nalloc) {
        n = a->nalloc ? a->nalloc * 2 : 64;

        elts = realloc(a->elts, n * sizeof(ngx_k8s_slice_endpoint_t));
        if (elts == NULL) {
            goto failed;
        }

        a->elts = elts;
        a->nalloc = n;
    }

    (void) ngx_k8s_reader_push(&r, "endpoints");
    (void) ngx_k8s_reader_index(&r, p->elements++);

    ep = a->elts;
    ep += a->nelts;
    ngx_memzero(ep, sizeof(ngx_k8s_slice_endpoint_t));

    rc = NGX_DECLINED;

    if (json_is_object(value)) {
        rc = ngx_k8s_endpoint_read(&r, value, ep, a->nelts ? ep - 1 : NULL);

    } else {
        ngx_k8s_reader_problem(&r, NULL, "is not an object");
    }

    if (rc == NGX_ERROR) {
        goto failed;
    }

    if (rc == NGX_OK) {
        a->nelts++;
    }

    json_decref(value);

    return NGX_OK;

failed:

    json_decref(value);
    p->failed = 1;

    return NGX_ERROR;
}


/* a copy of 65,536 endpoints would be a long turn: the pool frees the array */

ngx_int_t
ngx_k8s_parser_endpoints(ngx_k8s_parser_t *p)
{
    void                *elts;
    ngx_array_t         *a;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(p->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    a = &p->part.slice.endpoints;

    *a = p->endpoints;
    ngx_memzero(&p->endpoints, sizeof(ngx_array_t));

    a->size = sizeof(ngx_k8s_slice_endpoint_t);
    a->pool = p->pool;

    /* without what it could still hold */

    elts = realloc(a->elts, ngx_max(a->nelts, 1) * a->size);

    if (elts) {
        a->elts = elts;
        a->nalloc = a->nelts;
    }

    cln->handler = free;
    cln->data = a->elts;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_parser_pieces(ngx_k8s_parser_t *p, size_t *budget)
{
    size_t             n;
    ngx_int_t          rc;
    ngx_k8s_kind_t    *kind;
    ngx_k8s_reader_t   r;

    kind = &ngx_k8s_kinds[p->kind];

    if (kind->piece == NULL || p->last - p->text <= NGX_K8S_PARSER_WHOLE) {
        return NGX_OK;
    }

    do {
        if (*budget == 0) {
            return NGX_AGAIN;
        }

        if (ngx_k8s_parser_part(p, &r) != NGX_OK) {
            return NGX_ERROR;
        }

        p->digest.cost = 0;

        rc = kind->piece(&r, p->root, &p->digest);

        n = NGX_K8S_PARSER_ELEMENT + p->digest.cost * NGX_K8S_PARSER_CONVERTED;
        *budget -= ngx_min(*budget, n);

    } while (rc == NGX_OK && !r.failed);

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


/* a reader of one more piece, in the pool of the object to be */

static ngx_int_t
ngx_k8s_parser_part(ngx_k8s_parser_t *p, ngx_k8s_reader_t *r)
{
    if (p->pool == NULL) {
        p->pool = ngx_create_pool(NGX_K8S_PARSER_POOL, p->log);
        if (p->pool == NULL) {
            return NGX_ERROR;
        }

        p->part.object.pool = p->pool;

        ngx_k8s_digest_init(&p->digest);
    }

    ngx_memzero(r, offsetof(ngx_k8s_reader_t, field));

    r->object = &p->part.object;
    r->pool = p->pool;
    r->last = r->field;

    return NGX_OK;
}
