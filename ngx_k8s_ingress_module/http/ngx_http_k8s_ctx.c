
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>


static void ngx_http_k8s_ctx_cleanup(void *data);


ngx_http_k8s_ctx_t *
ngx_http_k8s_ctx_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_k8s_ctx_cleanup) {
            ngx_http_set_ctx(r, cln->data, ngx_http_k8s_module);
            return cln->data;
        }
    }

    return NULL;
}


ngx_http_k8s_ctx_t *
ngx_http_k8s_ctx_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx(r);
    if (ctx) {
        return ctx;
    }

    r = r->main;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_k8s_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_k8s_ctx_t));

    cln->handler = ngx_http_k8s_ctx_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_k8s_module);

    return ctx;
}


static void
ngx_http_k8s_ctx_cleanup(void *data)
{
    ngx_http_k8s_ctx_t *ctx = data;

    if (ctx->profile) {
        ngx_http_k8s_profile_release(ctx->profile);
    }

    if (ctx->server) {
        ngx_http_k8s_profile_release(ctx->server);
    }
}


ngx_http_k8s_hop_t *
ngx_http_k8s_hop(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx(r);

    return ctx && ctx->hop.service ? &ctx->hop : NULL;
}
