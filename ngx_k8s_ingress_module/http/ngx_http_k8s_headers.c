
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_cors.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_k8s_policy.h>


static ngx_int_t ngx_http_k8s_header_filter(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;

#if (NGX_HTTP_SSL)

static ngx_str_t  ngx_http_k8s_hsts = ngx_string("Strict-Transport-Security");

#endif


ngx_int_t
ngx_http_k8s_headers_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    u_char              *p;
    ngx_k8s_settings_t  *settings;

    settings = profile->settings;

    if (!settings->hsts) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, sizeof("max-age=; includeSubDomains; preload")
                          + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    profile->hsts.data = p;
    profile->hsts.len = ngx_sprintf(p, "max-age=%ui%s%s",
                                    settings->hsts_max_age,
                                    settings->hsts_subdomains
                                    ? "; includeSubDomains" : "",
                                    settings->hsts_preload ? "; preload" : "")
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
    ngx_http_k8s_profile_t   *profile;
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

    profile = ctx ? ctx->profile : klcf->base;

    if (!profile->settings->server_tokens) {

        if (r->headers_out.server) {
            r->headers_out.server->hash = 0;
        }

        /* not in the list of headers: only keeps nginx from adding one */

        r->headers_out.server = &klcf->server;
    }

#if (NGX_HTTP_SSL)

    if (ctx && !ctx->health && profile->hsts.len && r->connection->ssl
        && ngx_http_k8s_header_set(r, &ngx_http_k8s_hsts, &profile->hsts)
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
