
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_k8s_snippet.h>


static void ngx_http_k8s_rewrite_log(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_rewrite_redirect(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_captures_t *captures);


static ngx_table_elt_t  ngx_http_k8s_prefix = {
    0, ngx_string("X-Forwarded-Prefix"), ngx_null_string,
    (u_char *) "x-forwarded-prefix", NULL
};


ngx_int_t
ngx_http_k8s_rewrite_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    ngx_str_t                 *away;
    ngx_k8s_settings_t        *settings;
    ngx_http_k8s_templates_t  *t;

    settings = profile->settings;

    away = settings->temporal_redirect.len ? &settings->temporal_redirect
                                           : &settings->permanent_redirect;

    if (settings->upstream_vhost.len == 0
        && settings->rewrite_target.len == 0
        && settings->hash_by.len == 0
        && away->len == 0)
    {
        return NGX_OK;
    }

    t = ngx_palloc(pool, sizeof(ngx_http_k8s_templates_t));
    if (t == NULL) {
        return NGX_ERROR;
    }

    t->redirect = ngx_k8s_snippet_url(&settings->rewrite_target);

    profile->templates = t;

    if (ngx_http_k8s_template_compile(pool, &settings->upstream_vhost,
                                      &t->vhost)
        != NGX_OK
        || ngx_http_k8s_template_compile(pool, &settings->rewrite_target,
                                         &t->target)
           != NGX_OK
        || ngx_http_k8s_template_compile(pool, &settings->hash_by, &t->hash)
           != NGX_OK
        || ngx_http_k8s_template_compile(pool, away, &t->away) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_k8s_template_compile(pool, &settings->forwarded_prefix,
                                         &t->prefix);
}


/*
 * As "rewrite (?i)PATH TARGET break": captures are of the decoded path, and are
 * not escaped before the request to the backend is written.
 */

ngx_int_t
ngx_http_k8s_rewrite(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_route_t *route)
{
    int                       c[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_str_t                 pattern;
    ngx_k8s_settings_t       *settings;
    ngx_http_k8s_captures_t   captures;

    settings = ngx_http_k8s_settings(ctx);

    if (settings->rewrite_target.len == 0) {
        return NGX_DECLINED;
    }

    captures.text = &r->uri;
    captures.captures = c;
    captures.n = 0;
    captures.quote = 0;

    if (route->path && route->path->literal < route->path->text.len) {
        ngx_k8s_record_str(route->record, &route->path->text, &pattern);

        captures.n = ngx_http_k8s_regex(&pattern, NGX_HTTP_K8S_REGEX_CASELESS,
                                        &r->uri, c, r->connection->log);

        if (captures.n == NGX_ERROR
            || ((settings->snippet.len || settings->location_snippet.len)
                && ngx_http_k8s_run_target(r, ctx, &captures) != NGX_OK))
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->profile->templates->redirect) {
        captures.quote = r->quoted_uri || r->plus_in_uri;

        return ngx_http_k8s_rewrite_redirect(r, ctx, &captures);
    }

    if (ngx_http_k8s_template_run(r, &ctx->profile->templates->target,
                                  &captures, &ctx->uri)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (settings->rewrite_log && ctx->names) {
        ngx_http_k8s_rewrite_log(r, ctx);
    }

    if (ctx->uri.len == 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "rewrite-target \"%V\" makes an empty URI",
                      &settings->rewrite_target);

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (settings->forwarded_prefix.len
        && ngx_http_k8s_template_run_header(r,
                                            &ctx->profile->templates->prefix,
                                            &captures, &ctx->prefix)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/* as "rewrite_log on" has the rewrite module say it */

static void
ngx_http_k8s_rewrite_log(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_str_t  path;

    ngx_k8s_record_str(ctx->names, &ctx->names->path, &path);

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "\"%V\" matches \"%V\"", &path, &r->uri);
    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "rewritten data: \"%V\", args: \"%V\"", &ctx->uri,
                  &r->args);
}


static ngx_int_t
ngx_http_k8s_rewrite_redirect(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_captures_t *captures)
{
    ngx_str_t  url;

    if (ngx_http_k8s_template_run_header(r, &ctx->profile->templates->target,
                                         captures, &url)
        != NGX_OK
        || ngx_http_k8s_rewrite_location(r, &url, '?') != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->uri = url;

    return NGX_HTTP_MOVED_TEMPORARILY;
}


ngx_int_t
ngx_http_k8s_rewrite_location(ngx_http_request_t *r, ngx_str_t *url,
    u_char mark)
{
    u_char  *p, *dst, *src, *last;

    p = ngx_pnalloc(r->pool, url->len + 1 + r->args.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst = p;
    src = url->data;
    last = src + url->len;

    ngx_unescape_uri(&dst, &src, url->len, NGX_UNESCAPE_REDIRECT);

    dst = ngx_cpymem(dst, src, last - src);

    if (mark && r->args.len) {
        *dst++ = mark;
        dst = ngx_cpymem(dst, r->args.data, r->args.len);
    }

    url->len = dst - p;
    url->data = p;

    return NGX_OK;
}


/* as the rewrite module leaves a request behind "break" */

ngx_int_t
ngx_http_k8s_rewritten(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    if (ngx_http_k8s_prefix.hash == 0) {
        ngx_http_k8s_prefix.hash =
                              ngx_hash_key(ngx_http_k8s_prefix.lowcase_key,
                                           ngx_http_k8s_prefix.key.len);
    }

    if (ctx->prefix.data
        && ngx_http_k8s_header_sent(r, &ngx_http_k8s_prefix, &ctx->prefix)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->uri = ctx->uri;
    r->internal = 1;
    r->valid_unparsed_uri = 0;
    r->valid_location = 0;

    ngx_str_null(&ctx->uri);

    ngx_http_set_exten(r);

    return NGX_OK;
}
