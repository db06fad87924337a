
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Locations for requests to auth servers: one of the cycle, and those of
 * profiles that need another one.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_snippet.h>


extern ngx_module_t  ngx_http_proxy_module;


/* the first member of the proxy module's configuration */
#define ngx_http_k8s_auth_upstream(profile)                                   \
    ((ngx_http_upstream_conf_t *)                                             \
     (profile)->loc_conf[ngx_http_proxy_module.ctx_index])


static ngx_array_t *ngx_http_k8s_auth_tokens(ngx_pool_t *pool,
    ngx_str_t *headers, ngx_uint_t keeps);
static ngx_uint_t ngx_http_k8s_auth_set(ngx_str_t *headers, ngx_uint_t n);
static ngx_int_t ngx_http_k8s_auth_logged(ngx_pool_t *pool,
    ngx_array_t *tokens, ngx_k8s_settings_t *settings);
static ngx_uint_t ngx_http_k8s_auth_snippets(ngx_k8s_settings_t *one,
    ngx_k8s_settings_t *two);
static ngx_uint_t ngx_http_k8s_auth_buffers(ngx_http_k8s_profile_t *one,
    ngx_http_k8s_profile_t *two);


/* directives of the location; what is not here is that of the base */

static struct {
    ngx_str_t                directive;
    ngx_str_t                arguments;
    ngx_uint_t               keeps;      /* where connections are kept */
} ngx_http_k8s_auth_directives[] = {
    { ngx_string("proxy_pass"), ngx_string("$k8s_auth_url"), 0 },
    { ngx_string("proxy_method"), ngx_string("$k8s_auth_method"), 0 },
    { ngx_string("proxy_pass_request_body"), ngx_string("off"), 0 },
    { ngx_string("proxy_intercept_errors"), ngx_string("off"), 0 },
#if (NGX_HTTP_CACHE)
    { ngx_string("proxy_cache"), ngx_string("off"), 0 },
#endif
    { ngx_string("proxy_store"), ngx_string("off"), 0 },
    { ngx_string("proxy_ignore_headers"),
      ngx_string("X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Buffering "
                 "X-Accel-Charset X-Accel-Expires"), 0 },
#if (NGX_HTTP_SSL)
    { ngx_string("proxy_ssl_server_name"), ngx_string("on"), 0 },
    { ngx_string("proxy_ssl_name"), ngx_string("$k8s_auth_host"), 0 },
#endif
    { ngx_string("proxy_set_header"), ngx_string("Content-Length \"\""), 0 },
    { ngx_string("proxy_set_header"), ngx_string("X-Forwarded-Proto \"\""), 0 },
    { ngx_string("proxy_set_header"), ngx_string("X-Forwarded-Host \"\""), 0 },
    { ngx_string("proxy_set_header"), ngx_string("X-Forwarded-Uri \"\""), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Forwarded-Method \"\""), 0 },
    { ngx_string("proxy_set_header"), ngx_string("ssl-client-cert \"\""), 0 },
    { ngx_string("proxy_set_header"), ngx_string("ssl-client-verify \"\""), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("ssl-client-subject-dn \"\""), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("ssl-client-issuer-dn \"\""), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Request-ID $k8s_req_id"), 0 },
    { ngx_string("proxy_set_header"), ngx_string("Host $k8s_auth_host"), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Original-URL $scheme://$http_host$request_uri"), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Original-Method $request_method"), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Sent-From $k8s_auth_from"), 0 },
    { ngx_string("proxy_set_header"), ngx_string("X-Real-IP $remote_addr"), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Forwarded-For $k8s_forwarded_for"), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Auth-Request-Redirect $k8s_auth_redirect"), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Original-URI $k8s_auth_uri"), 0 },
    { ngx_string("proxy_set_header"),
      ngx_string("X-Scheme $k8s_auth_scheme"), 0 },
    { ngx_string("proxy_http_version"), ngx_string("1.1"), 1 },
    { ngx_string("proxy_set_header"), ngx_string("Connection \"\""), 1 },
    { ngx_null_string, ngx_null_string, 0 }
};


ngx_int_t
ngx_http_k8s_auth_init(ngx_conf_t *cf, ngx_http_k8s_pass_t *pass)
{
    u_char                    buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                 error;
    ngx_array_t              *tokens;
    ngx_http_k8s_loc_conf_t  *klcf;

    static ngx_str_t  none = ngx_null_string;

    klcf = pass->conf;
    error.data = buf;

    tokens = ngx_http_k8s_auth_tokens(cf->pool, &none, 0);
    if (tokens == NULL) {
        return NGX_ERROR;
    }

    klcf->auth_conf = ngx_http_k8s_profile_build(cf->cycle, cf->pool,
                                                 &klcf->builtin->ctx, tokens,
                                                 &error);
    if (klcf->auth_conf == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "requests to auth servers of \"k8s_ingress_pass\" in "
                      "%s:%ui: %V", pass->file, pass->line, &error);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* with headers of a ConfigMap, each in place of what has its name */

static ngx_array_t *
ngx_http_k8s_auth_tokens(ngx_pool_t *pool, ngx_str_t *headers, ngx_uint_t keeps)
{
    ngx_uint_t    i;
    ngx_array_t  *tokens;

    tokens = ngx_array_create(pool, 24, sizeof(ngx_array_t *));
    if (tokens == NULL) {
        return NULL;
    }

    for (i = 0; ngx_http_k8s_auth_directives[i].directive.len; i++) {

        if (ngx_http_k8s_auth_directives[i].keeps > keeps
            || ngx_http_k8s_auth_set(headers, i))
        {
            continue;
        }

        if (ngx_k8s_tokens_add(pool, tokens,
                               &ngx_http_k8s_auth_directives[i].directive,
                               &ngx_http_k8s_auth_directives[i].arguments)
            != NGX_OK)
        {
            return NULL;
        }
    }

    return (ngx_http_k8s_set_headers_tokens(pool, tokens, headers) == NGX_OK)
           ? tokens : NULL;
}


/* whether a ConfigMap has a header of a row, by its number */

static ngx_uint_t
ngx_http_k8s_auth_set(ngx_str_t *headers, ngx_uint_t n)
{
    ngx_str_t  rest, name, value, *row;

    static ngx_str_t  directive = ngx_string("proxy_set_header");

    row = &ngx_http_k8s_auth_directives[n].directive;

    if (row->len != directive.len
        || ngx_strncmp(row->data, directive.data, directive.len) != 0)
    {
        return 0;
    }

    row = &ngx_http_k8s_auth_directives[n].arguments;
    rest = *headers;

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {

        if (row->len > name.len
            && row->data[name.len] == ' '
            && ngx_strncasecmp(row->data, name.data, name.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * A profile has one of its own where it has headers or a snippet of its own,
 * keeps connections, or has other buffers than its base, as those are for
 * cookies of auth servers, too.  Its time-outs are the base's.
 */

ngx_int_t
ngx_http_k8s_auth_location(ngx_http_k8s_profile_t *profile)
{
    ngx_int_t                  rc;
    ngx_pool_t                *pool;
    ngx_array_t               *tokens;
    ngx_str_t                  headers;
    ngx_uint_t                 keeps;
    ngx_http_k8s_profile_t    *base;
    ngx_http_upstream_conf_t  *u, *of_base;

    base = profile->base;

    if (profile->pool == NULL) {
        return NGX_OK;
    }

    ngx_str_null(&headers);
    keeps = 0;

    if (profile->settings->auth_url.len) {
        headers = profile->settings->auth_set_headers;
        keeps = (profile->settings->auth_keepalive != 0);
    }

    if (base) {

        if (base->pool && base->asking == NULL
            && ngx_http_k8s_auth_location(base) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (headers.len == 0 && !keeps
            && ngx_http_k8s_auth_snippets(profile->settings, base->settings)
            && ngx_http_k8s_auth_buffers(profile, base))
        {
            return NGX_OK;
        }
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, profile->pool->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    tokens = ngx_http_k8s_auth_tokens(pool, &headers, keeps);

    rc = NGX_ERROR;

    if (tokens
        && ngx_http_k8s_auth_logged(pool, tokens, profile->settings) == NGX_OK
        && ngx_http_k8s_snippet_auth(pool, tokens, profile->settings)
           == NGX_OK)
    {
        rc = ngx_http_k8s_profile_beside(profile, &profile->asking, tokens);
    }

    ngx_destroy_pool(pool);

    if (rc == NGX_OK && base && profile->asking) {

        u = ngx_http_k8s_auth_upstream(profile->asking);
        of_base = ngx_http_k8s_auth_upstream(base);

        u->connect_timeout = of_base->connect_timeout;
        u->send_timeout = of_base->send_timeout;
        u->read_timeout = of_base->read_timeout;
    }

    if ((headers.len || ngx_http_k8s_snippet_asking(profile->settings)->len)
        && profile->asking == NULL)
    {
        profile->denied = 1;
    }

    return rc;
}


static ngx_int_t
ngx_http_k8s_auth_logged(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings)
{
    static ngx_str_t  directive = ngx_string("log_subrequest");
    static ngx_str_t  argument = ngx_string("on");

    return settings->log_auth
           ? ngx_k8s_tokens_add(pool, tokens, &directive, &argument) : NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_auth_snippets(ngx_k8s_settings_t *one, ngx_k8s_settings_t *two)
{
    ngx_str_t  *a, *b;

    a = ngx_http_k8s_snippet_asking(one);
    b = ngx_http_k8s_snippet_asking(two);

    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


/* whether they are the same */

static ngx_uint_t
ngx_http_k8s_auth_buffers(ngx_http_k8s_profile_t *one,
    ngx_http_k8s_profile_t *two)
{
    ngx_http_upstream_conf_t  *u, *v;

    u = ngx_http_k8s_auth_upstream(one);
    v = ngx_http_k8s_auth_upstream(two);

    return u->buffer_size == v->buffer_size
           && u->bufs.num == v->bufs.num
           && u->bufs.size == v->bufs.size
           && u->busy_buffers_size == v->busy_buffers_size
           && u->buffering == v->buffering;
}
