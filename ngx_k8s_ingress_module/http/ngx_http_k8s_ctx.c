
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>


/*
 * A context has some memory with it, for what each request needs: the pool of
 * most requests then has a block less.  Of a worker, which keeps so many of
 * those that ended.  Where memory is checked, all of it is the pool's.
 */

#define NGX_HTTP_K8S_CTX_SIZE        2048
#define NGX_HTTP_K8S_CTX_KEPT        512

#if !(NGX_DEBUG_PALLOC || __SANITIZE_ADDRESS__)
#define NGX_HTTP_K8S_CTX_FREE        1
#endif


static void ngx_http_k8s_ctx_cleanup(void *data);


#if (NGX_HTTP_K8S_CTX_FREE)

static void        *ngx_http_k8s_ctx_kept;
static ngx_uint_t   ngx_http_k8s_ctx_nkept;

#endif


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

#if (NGX_HTTP_K8S_CTX_FREE)

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    ctx = ngx_http_k8s_ctx_kept;

    if (ctx) {
        ngx_http_k8s_ctx_kept = *(void **) ctx;
        ngx_http_k8s_ctx_nkept--;

    } else {
        ctx = ngx_alloc(NGX_HTTP_K8S_CTX_SIZE, r->connection->log);
        if (ctx == NULL) {
            return NULL;
        }
    }

    ngx_memzero(ctx, sizeof(ngx_http_k8s_ctx_t));

    ctx->free = ngx_align_ptr(ctx + 1, NGX_ALIGNMENT);
    ctx->end = (u_char *) ctx + NGX_HTTP_K8S_CTX_SIZE;

    cln->data = ctx;

#else

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_k8s_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_k8s_ctx_t));

#endif

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

#if (NGX_HTTP_K8S_CTX_FREE)

    if (ngx_http_k8s_ctx_nkept == NGX_HTTP_K8S_CTX_KEPT) {
        ngx_free(ctx);
        return;
    }

    *(void **) ctx = ngx_http_k8s_ctx_kept;
    ngx_http_k8s_ctx_kept = ctx;
    ngx_http_k8s_ctx_nkept++;

#endif
}


ngx_http_k8s_hop_t *
ngx_http_k8s_hop(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx(r);

    return ctx && ctx->hop.service ? &ctx->hop : NULL;
}
