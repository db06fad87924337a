
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What a request has of programs: captures, and variables that were set. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_snippet.h>


static ngx_http_k8s_captures_t  ngx_http_k8s_no_captures;


ngx_http_k8s_run_t *
ngx_http_k8s_run(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    if (ctx->run == NULL) {
        ctx->run = ngx_pcalloc(r->main->pool, sizeof(ngx_http_k8s_run_t));

        if (ctx->run) {
            ctx->run->captures.text = &ctx->run->text;
            ctx->run->captures.captures = ctx->run->matched;
        }
    }

    return ctx->run;
}


ngx_http_k8s_captures_t *
ngx_http_k8s_run_captures(ngx_http_k8s_ctx_t *ctx)
{
    return ctx && ctx->run ? &ctx->run->captures : &ngx_http_k8s_no_captures;
}


void
ngx_http_k8s_run_get(ngx_http_request_t *r, ngx_str_t *name, ngx_str_t *value)
{
    ngx_uint_t               i;
    ngx_http_k8s_ctx_t      *ctx;
    ngx_http_k8s_run_t      *run;
    ngx_http_k8s_profile_t  *base;

    ctx = ngx_http_k8s_ctx(r);
    run = ctx ? ctx->run : NULL;
    base = ctx ? ctx->profile : NULL;

    for (i = 0; run && i < run->nsets; i++) {

        if (run->sets[i].name.len == name->len
            && ngx_memcmp(run->sets[i].name.data, name->data, name->len) == 0)
        {
            *value = run->sets[i].value;
            return;
        }
    }

    if (base && base->base) {
        base = base->base;
    }

    if (base == NULL || base->maps == NULL
        || base->lookup(r, base->maps, name, value) != NGX_OK)
    {
        ngx_str_set(value, "");
    }
}


ngx_int_t
ngx_http_k8s_run_target(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_captures_t *captures)
{
    ngx_http_k8s_run_t  *run;

    run = ngx_http_k8s_run(r, ctx);
    if (run == NULL) {
        return NGX_ERROR;
    }

    run->target = captures->n;
    run->path = *captures->text;
    ngx_memcpy(run->targets, captures->captures, sizeof(run->targets));

    return NGX_OK;
}


void
ngx_http_k8s_run_rewritten(ngx_http_k8s_ctx_t *ctx)
{
    ngx_http_k8s_run_t  *run;

    run = ctx->run;

    run->captures.n = run->target;
    run->text = run->path;
    ngx_memcpy(run->matched, run->targets, sizeof(run->matched));
}
