
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_cors.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_k8s_policy.h>


static ngx_int_t ngx_http_k8s_header_filter(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;

#if (NGX_HTTP_SSL)

static ngx_str_t  ngx_http_k8s_hsts = ngx_string("Strict-Transport-Security");

#endif


ngx_int_t
ngx_http_k8s_headers_conf(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf)
{
    u_char              *p;
    ngx_k8s_settings_t  *base;

    base = &klcf->settings;

    if (ngx_k8s_policy_base(base, NGX_K8S_API_INGRESS) != NGX_OK) {
        return NGX_ERROR;
    }

    if (klcf->block->defaults == NGX_K8S_DEFAULTS_NGINX) {
        klcf->server_header = 1;
        return NGX_OK;
    }

    klcf->server_header = base->server_tokens;

    if (base->ssl_redirect) {
        klcf->redirect_code = base->redirect_code;
    }

    if (!base->hsts) {
        return NGX_OK;
    }

    p = ngx_pnalloc(cf->pool, sizeof("max-age=; includeSubDomains; preload")
                              + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    klcf->hsts.data = p;
    klcf->hsts.len = ngx_sprintf(p, "max-age=%ui%s%s", base->hsts_max_age,
                                 base->hsts_subdomains ? "; includeSubDomains"
                                                       : "",
                                 base->hsts_preload ? "; preload" : "")
                     - p;

    return NGX_OK;
}


void
ngx_http_k8s_headers_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_k8s_header_filter;
}


static ngx_int_t
ngx_http_k8s_header_filter(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t       *ctx;
    ngx_http_k8s_loc_conf_t  *klcf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_k8s_ctx(r);

    if (ctx && ctx->routed) {
        klcf = ctx->conf;

    } else {
        ctx = NULL;
        klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);
    }

    if (klcf->block == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (!klcf->server_header && r->headers_out.server == NULL) {

        /* not in the list of headers: only keeps nginx from adding one */

        r->headers_out.server = &klcf->server;
    }

#if (NGX_HTTP_SSL)

    if (ctx && !ctx->health && klcf->hsts.len && r->connection->ssl
        && ngx_http_k8s_header_set(r, &ngx_http_k8s_hsts, &klcf->hsts)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

#endif

    if (ctx && ctx->origin && ngx_http_k8s_cors_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}
