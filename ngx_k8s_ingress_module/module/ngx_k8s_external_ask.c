
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_external.h>


static void ngx_k8s_external_asked(ngx_resolver_ctx_t *ctx);


ngx_int_t
ngx_k8s_external_ask(ngx_k8s_external_query_t *query)
{
    ngx_resolver_t      *r;
    ngx_k8s_external_t  *ext;
    ngx_resolver_ctx_t  *ctx;

    ext = query->name->external;
    r = ext->resolver;

    /* one that asks for nothing has old answers removed: else nginx would keep
       this one for all of its TTL */

    ctx = ngx_resolve_start(r, NULL);

    if (ctx && ctx != NGX_NO_RESOLVER) {
        ngx_resolve_name_done(ctx);
    }

    ctx = ngx_resolve_start(r, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return NGX_ERROR;
    }

    ctx->name = query->text;
    ctx->handler = ngx_k8s_external_asked;
    ctx->data = query;
    ctx->timeout = ext->timeout;
    ctx->cancelable = 1;

    query->ctx = ctx;

    return ngx_resolve_name(ctx);
}


static void
ngx_k8s_external_asked(ngx_resolver_ctx_t *ctx)
{
    ngx_k8s_external_query_t *query;

    query = ctx->data;

    ngx_k8s_external_answer(query, ctx->state, ctx->valid, ctx->naddrs,
                            ctx->addrs);

    ngx_resolve_name_done(ctx);
}


void
ngx_k8s_external_cancel(ngx_k8s_external_query_t *query)
{
    ngx_resolve_name_done(query->ctx);
}
