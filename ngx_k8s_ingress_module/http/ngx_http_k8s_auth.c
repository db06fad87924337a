
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_password.h>
#include <ngx_http_k8s_route.h>


/* those of one server: of the object, or of all */

typedef struct {
    ngx_str_t               *url;
    ngx_str_t               *signin;
    ngx_str_t               *param;
    ngx_str_t               *headers;
    ngx_str_t               *redirect;
    ngx_str_t               *set_headers;
    ngx_str_t               *key;
    ngx_str_t               *duration;
    ngx_str_t               *snippet;
    ngx_uint_t               method;
    ngx_uint_t               always;
    ngx_uint_t               keepalive;
} ngx_http_k8s_auth_settings_t;


static ngx_uint_t ngx_http_k8s_auth_settings(ngx_k8s_settings_t *settings,
    ngx_http_k8s_auth_settings_t *s);
static ngx_int_t ngx_http_k8s_auth_signin_url(ngx_pool_t *pool,
    ngx_http_k8s_auth_settings_t *s, ngx_http_k8s_auth_t *auth);
static u_char ngx_http_k8s_auth_param(ngx_str_t *url, ngx_str_t *param);
static ngx_int_t ngx_http_k8s_auth_headers(ngx_pool_t *pool, ngx_str_t *list,
    ngx_http_k8s_auth_t *auth);
static ngx_int_t ngx_http_k8s_auth_kept(ngx_pool_t *pool,
    ngx_http_k8s_auth_settings_t *s, ngx_http_k8s_auth_t *auth);
static void ngx_http_k8s_auth_method(ngx_uint_t method,
    ngx_http_k8s_auth_t *auth);
static ngx_uint_t ngx_http_k8s_auth_depth(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_auth_answer(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_auth_ctx_t *a);
static ngx_uint_t ngx_http_k8s_auth_signing_in(ngx_http_request_t *r,
    ngx_http_k8s_auth_t *auth, ngx_str_t *url);
static ngx_int_t ngx_http_k8s_auth_pass(ngx_http_request_t *r,
    ngx_http_k8s_auth_ctx_t *a);
static ngx_int_t ngx_http_k8s_auth_sent(ngx_http_request_t *r,
    ngx_table_elt_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_auth_value(ngx_http_request_t *r,
    ngx_list_t *headers, ngx_table_elt_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_auth_challenge(ngx_http_request_t *r,
    ngx_http_k8s_auth_ctx_t *a);
static ngx_uint_t ngx_http_k8s_auth_cookie_status(ngx_uint_t status);


static ngx_str_t  ngx_http_k8s_auth_none = ngx_null_string;
static ngx_str_t  ngx_http_k8s_auth_cookie = ngx_string("set-cookie");
static ngx_str_t  ngx_http_k8s_auth_challenge_name =
    ngx_string("www-authenticate");


ngx_int_t
ngx_http_k8s_auth_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    ngx_http_k8s_auth_t           *auth;
    ngx_http_k8s_profile_t        *base;
    ngx_http_k8s_auth_settings_t   s, of_base;

    static ngx_str_t  root = ngx_string("/");

    base = profile->base;

    if (base == NULL
        && ngx_http_k8s_prefixes(pool, &profile->settings->no_auth,
                                 &profile->no_auth)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_http_k8s_auth_settings(profile->settings, &s)) {
        return NGX_OK;
    }

    if (base && base->auth
        && ngx_http_k8s_auth_settings(base->settings, &of_base)
        && s.url->data == of_base.url->data)
    {
        profile->auth = base->auth;
        return ngx_http_k8s_auth_location(profile);
    }

    auth = ngx_pcalloc(pool, sizeof(ngx_http_k8s_auth_t));
    if (auth == NULL) {
        return NGX_ERROR;
    }

    auth->always = s.always;
    auth->keepalive = s.keepalive;
    auth->requests = profile->settings->auth_requests;
    auth->timeout = (ngx_msec_t) profile->settings->auth_idle * 1000;

    ngx_http_k8s_auth_method(s.method, auth);

    if (ngx_http_k8s_url(pool, s.url, &root, &auth->url) != NGX_OK
        || ngx_http_k8s_auth_signin_url(pool, &s, auth) != NGX_OK
        || ngx_http_k8s_auth_headers(pool, s.headers, auth) != NGX_OK
        || ngx_http_k8s_template_compile(pool, s.redirect, &auth->redirect)
           != NGX_OK
        || ngx_http_k8s_set_headers_values(pool, s.set_headers,
                                           &auth->set_headers)
           != NGX_OK
        || ngx_http_k8s_auth_kept(pool, &s, auth) != NGX_OK)
    {
        return NGX_ERROR;
    }

    profile->auth = auth;

    return ngx_http_k8s_auth_location(profile);
}


/* an object's own take the place of all global ones; 0: there are none */

static ngx_uint_t
ngx_http_k8s_auth_settings(ngx_k8s_settings_t *settings,
    ngx_http_k8s_auth_settings_t *s)
{
    if (settings->auth_url.len) {
        s->url = &settings->auth_url;
        s->signin = &settings->auth_signin;
        s->param = &settings->auth_signin_param;
        s->headers = &settings->auth_headers;
        s->redirect = &settings->auth_redirect;
        s->set_headers = &settings->auth_set_headers;
        s->key = &settings->auth_cache_key;
        s->duration = &settings->auth_cache_duration;
        s->snippet = &settings->auth_snippet;
        s->method = settings->auth_method;
        s->always = settings->auth_always;
        s->keepalive = settings->auth_keepalive;

        return 1;
    }

    s->url = &settings->global_auth_url;
    s->signin = &settings->global_auth_signin;
    s->param = &settings->global_auth_signin_param;
    s->headers = &settings->global_auth_headers;
    s->redirect = &settings->global_auth_redirect;
    s->set_headers = &ngx_http_k8s_auth_none;
    s->key = &settings->global_auth_cache_key;
    s->duration = &settings->global_auth_cache_duration;
    s->snippet = &settings->global_auth_snippet;
    s->method = settings->global_auth_method;
    s->always = settings->global_auth_always;
    s->keepalive = 0;

    return settings->auth_global && s->url->len;
}


/* with the URL that was asked for in an argument, unless it has that */

static ngx_int_t
ngx_http_k8s_auth_signin_url(ngx_pool_t *pool, ngx_http_k8s_auth_settings_t *s,
    ngx_http_k8s_auth_t *auth)
{
    u_char      c;
    ngx_str_t   url;

    static ngx_str_t  rest = ngx_string("=$pass_access_scheme://$http_host"
                                        "$escaped_request_uri");

    url = *s->signin;

    if (url.len == 0) {
        return NGX_OK;
    }

    auth->param = *s->param;

    c = ngx_http_k8s_auth_param(&url, s->param);

    if (c) {
        url.len += 1 + s->param->len + rest.len;
        url.data = ngx_pnalloc(pool, url.len);
        if (url.data == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_sprintf(url.data, "%V%c%V%V", s->signin, c, s->param, &rest);
    }

    return ngx_http_k8s_template_compile(pool, &url, &auth->signin);
}


/* what stands before the argument, 0: it is there, with a value */

static u_char
ngx_http_k8s_auth_param(ngx_str_t *url, ngx_str_t *param)
{
    u_char      *p, *last, *next;
    ngx_uint_t   found;

    last = url->data + url->len;
    p = ngx_strlchr(url->data, last, '?');
    found = 0;

    for (p = p ? p + 1 : last; p < last; p = next + 1) {

        next = ngx_strlchr(p, last, '&');
        if (next == NULL) {
            next = last;
        }

        if (next == p) {
            continue;
        }

        found = 1;

        if ((size_t) (next - p) > param->len + 1
            && ngx_strncmp(p, param->data, param->len) == 0
            && p[param->len] == '=')
        {
            return 0;
        }
    }

    return found ? '&' : '?';
}


static ngx_int_t
ngx_http_k8s_auth_headers(ngx_pool_t *pool, ngx_str_t *list,
    ngx_http_k8s_auth_t *auth)
{
    ngx_str_t         rest, item;
    ngx_table_elt_t  *h;

    rest = *list;

    while (ngx_k8s_item(&rest, &item) == NGX_OK) {

        if (item.len == 0) {
            continue;
        }

        if (auth->headers == NULL) {
            auth->headers = ngx_array_create(pool, 4, sizeof(ngx_table_elt_t));
            if (auth->headers == NULL) {
                return NGX_ERROR;
            }
        }

        h = ngx_array_push(auth->headers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        h->key = item;
        h->next = NULL;
        ngx_str_null(&h->value);

        h->lowcase_key = ngx_pnalloc(pool, item.len);
        if (h->lowcase_key == NULL) {
            return NGX_ERROR;
        }

        h->hash = ngx_hash_strlow(h->lowcase_key, item.data, item.len);
    }

    return NGX_OK;
}


/* what was kept with other settings is not found any more */

static ngx_int_t
ngx_http_k8s_auth_kept(ngx_pool_t *pool, ngx_http_k8s_auth_settings_t *s,
    ngx_http_k8s_auth_t *auth)
{
    u_char  *p;

    auth->duration = *s->duration;

    if (s->key->len == 0) {
        return NGX_OK;
    }

    /* none but the last two of them have control characters */

    p = ngx_pnalloc(pool, s->url->len + s->headers->len + s->redirect->len
                          + s->key->len + s->duration->len
                          + auth->method.len + s->set_headers->len
                          + s->snippet->len + 7);
    if (p == NULL) {
        return NGX_ERROR;
    }

    auth->settings.data = p;

    p = ngx_sprintf(p, "%V\n%V\n%V\n%V\n%V\n%V\n%V\n%V", s->url,
                    s->headers, s->redirect, s->key, s->duration, &auth->method,
                    s->set_headers, s->snippet);

    auth->settings.len = p - auth->settings.data;

    return ngx_http_k8s_template_compile(pool, s->key, &auth->key);
}


static void
ngx_http_k8s_auth_method(ngx_uint_t method, ngx_http_k8s_auth_t *auth)
{
    ngx_k8s_word_value_t  *word;

    for (word = ngx_k8s_grammar_method.words; word->name.len; word++) {
        if (word->value == method) {
            auth->method = word->name;
            break;
        }
    }

    /* as nginx has it of a client's */

    auth->once = (auth->method.len == sizeof("POST") - 1
                  && ngx_strncmp(auth->method.data, "POST", 4) == 0)
                 || (auth->method.len == sizeof("PATCH") - 1
                     && ngx_strncmp(auth->method.data, "PATCH", 5) == 0);
}


ngx_uint_t
ngx_http_k8s_auth_wanted(ngx_http_k8s_ctx_t *ctx)
{
    ngx_http_k8s_profile_t  *base;

    if (ctx->profile->auth == NULL) {
        return 0;
    }

    base = ctx->profile->base ? ctx->profile->base : ctx->profile;

    return !ngx_http_k8s_prefixed(ctx, base->no_auth);
}


ngx_int_t
ngx_http_k8s_auth(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_http_k8s_auth_ctx_t  *a;

    if (!ngx_http_k8s_auth_wanted(ctx)) {
        return NGX_DECLINED;
    }

    a = ctx->auth;

    if (a == NULL) {

        a = ngx_pcalloc(r->pool, sizeof(ngx_http_k8s_auth_ctx_t));
        if (a == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        a->auth = ctx->profile->auth;
        a->main = r;

        ctx->auth = a;

        a->depth = ngx_http_k8s_auth_depth(r);

        if (a->depth == NGX_HTTP_K8S_AUTH_DEPTH) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "auth servers are asked about requests to auth "
                          "servers, %d deep: the path of the server needs an "
                          "Ingress without auth-url", NGX_HTTP_K8S_AUTH_DEPTH);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        rc = ngx_http_k8s_auth_ask(r, ctx, a);

        if (rc != NGX_OK) {
            ngx_http_k8s_auth_keep(a);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (a->waiting) {
        return NGX_DONE;
    }

    return ngx_http_k8s_auth_answer(r, ctx, a);
}


/* how many requests to auth servers this one comes of; a client that says so
   itself closes paths for itself alone */

static ngx_uint_t
ngx_http_k8s_auth_depth(ngx_http_request_t *r)
{
    ngx_str_t        *from;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("x-sent-from");

    part = &r->headers_in.headers.part;
    i = 0;

    h = ngx_http_k8s_header_next(&part, &i, &name);

    if (h == NULL) {
        return 0;
    }

    for (n = NGX_HTTP_K8S_AUTH_DEPTH; n; n--) {
        from = &ngx_http_k8s_auth_from[n - 1];

        if (h->value.len == from->len
            && ngx_memcmp(h->value.data, from->data, from->len) == 0)
        {
            break;
        }
    }

    return n;
}


static ngx_int_t
ngx_http_k8s_auth_answer(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_auth_ctx_t *a)
{
    if (a->status >= NGX_HTTP_OK && a->status < NGX_HTTP_SPECIAL_RESPONSE) {

        /* what the server says in its place stays */

        if (ngx_http_k8s_password_wanted(ctx)
            && ngx_http_k8s_password_passed(r) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return (ngx_http_k8s_auth_pass(r, a) == NGX_OK)
               ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    switch (a->status) {

    case NGX_HTTP_UNAUTHORIZED:

        if (a->auth->signin.text.len) {
            return ngx_http_k8s_auth_signin(r, ctx);
        }

        if (ngx_http_k8s_auth_challenge(r, a) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_HTTP_UNAUTHORIZED;

    case NGX_HTTP_FORBIDDEN:
        return NGX_HTTP_FORBIDDEN;

    case 0:

        /* why is in the log already */

        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    default:

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth server \"%V\" answered with the status %ui, which "
                      "is neither 2xx, 401 nor 403", &a->host, a->status);

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


ngx_int_t
ngx_http_k8s_auth_signin(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_str_t                 url;
    ngx_http_k8s_auth_t      *auth;
    ngx_http_k8s_captures_t   captures;

    auth = ctx->profile->auth;

    if (auth == NULL || auth->signin.text.len == 0) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

    if (ngx_http_k8s_template_run_header(r, &auth->signin, &captures, &url)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_k8s_auth_signing_in(r, auth, &url)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth-signin \"%V\" leads to itself: its path needs an "
                      "Ingress without auth-url", &url);
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (ctx->auth) {
        ctx->auth->signin = 1;
    }

    return ngx_http_k8s_redirect_to(r, NGX_HTTP_MOVED_TEMPORARILY, &url);
}


/* whether the client was sent here: it would be sent here again and again */

static ngx_uint_t
ngx_http_k8s_auth_signing_in(ngx_http_request_t *r, ngx_http_k8s_auth_t *auth,
    ngx_str_t *url)
{
    u_char     *p, *last, *end;
    ngx_str_t   value, *uri, *host;

    if (ngx_http_arg(r, auth->param.data, auth->param.len, &value) != NGX_OK) {
        return 0;
    }

    host = &r->headers_in.server;
    uri = &r->unparsed_uri;

    p = url->data;
    last = p + url->len;

    end = ngx_strlchr(p, last, ':');

    if (end && last - end > 3 && end[1] == '/' && end[2] == '/') {

        p = end + 3;

        if ((size_t) (last - p) < host->len
            || ngx_strncasecmp(p, host->data, host->len) != 0)
        {
            return 0;
        }

        p += host->len;

        if (p < last && *p == ':') {
            while (++p < last && *p >= '0' && *p <= '9') { /* void */ }
        }
    }

    for (end = p; end < last && *end != '?' && *end != '#'; end++) {
        /* void */
    }

    return (size_t) (end - p) < uri->len
           && ngx_memcmp(p, uri->data, end - p) == 0
           && uri->data[end - p] == '?';
}


/* nobody was asked: the client does not say who it is either */

ngx_int_t
ngx_http_k8s_auth_unasked(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_str_t         none;
    ngx_uint_t        i;
    ngx_array_t      *headers;
    ngx_table_elt_t  *h;

    headers = ctx->profile->auth->headers;

    if (headers == NULL) {
        return NGX_OK;
    }

    ngx_str_null(&none);

    h = headers->elts;

    for (i = 0; i < headers->nelts; i++) {
        if (ngx_http_k8s_auth_sent(r, &h[i], &none) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* what the backend gets of the answer */

static ngx_int_t
ngx_http_k8s_auth_pass(ngx_http_request_t *r, ngx_http_k8s_auth_ctx_t *a)
{
    ngx_str_t         value;
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    if (a->auth->headers == NULL) {
        return NGX_OK;
    }

    h = a->auth->headers->elts;

    for (i = 0; i < a->auth->headers->nelts; i++) {

        if (ngx_http_k8s_auth_value(r, a->headers, &h[i], &value) != NGX_OK
            || ngx_http_k8s_auth_sent(r, &h[i], &value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* what backends may take for the name, as CGI does "_" for "-", is the same */

static ngx_int_t
ngx_http_k8s_auth_sent(ngx_http_request_t *r, ngx_table_elt_t *name,
    ngx_str_t *value)
{
    size_t            n;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != name->key.len) {
                continue;
            }

            for (n = 0; n < name->key.len; n++) {
                if (h[i].lowcase_key[n] != name->lowcase_key[n]
                    && (name->lowcase_key[n] != '-'
                        || h[i].lowcase_key[n] != '_'))
                {
                    break;
                }
            }

            if (n == name->key.len) {
                h[i].key = name->key;
                h[i].lowcase_key = name->lowcase_key;
                h[i].hash = name->hash;
            }
        }
    }

    return ngx_http_k8s_header_sent(r, name, value);
}


/* several lines of one name become one, as a variable has them */

static ngx_int_t
ngx_http_k8s_auth_value(ngx_http_request_t *r, ngx_list_t *headers,
    ngx_table_elt_t *name, ngx_str_t *value)
{
    u_char           *p;
    size_t            len;
    ngx_str_t         low;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    low.len = name->key.len;
    low.data = name->lowcase_key;

    ngx_str_null(value);

    part = &headers->part;
    i = 0;
    n = 0;
    len = 0;

    while ((h = ngx_http_k8s_header_next(&part, &i, &low)) != NULL) {
        *value = h->value;
        len += h->value.len + sizeof(", ") - 1;
        n++;
    }

    if (n < 2) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    part = &headers->part;
    i = 0;

    while ((h = ngx_http_k8s_header_next(&part, &i, &low)) != NULL) {

        if (p != value->data) {
            *p++ = ',';
            *p++ = ' ';
        }

        p = ngx_cpymem(p, h->value.data, h->value.len);
    }

    value->len = p - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_auth_challenge(ngx_http_request_t *r, ngx_http_k8s_auth_ctx_t *a)
{
    ngx_str_t         name;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *copy, **last;

    ngx_str_set(&name, "WWW-Authenticate");

    part = &a->headers->part;
    i = 0;

    last = &r->headers_out.www_authenticate;

    for ( ;; ) {

        h = ngx_http_k8s_header_next(&part, &i,
                                     &ngx_http_k8s_auth_challenge_name);
        if (h == NULL) {
            return NGX_OK;
        }

        copy = ngx_http_k8s_header_add(r, &name, &h->value);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        *last = copy;
        last = &copy->next;
    }
}


ngx_int_t
ngx_http_k8s_auth_cookies(ngx_http_request_t *r, ngx_http_k8s_auth_ctx_t *a)
{
    ngx_str_t         name;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (a->headers == NULL || a->status == 0
        || (!a->auth->always
            && !ngx_http_k8s_auth_cookie_status(r->headers_out.status)))
    {
        return NGX_OK;
    }

    ngx_str_set(&name, "Set-Cookie");

    part = &a->headers->part;
    i = 0;

    for ( ;; ) {

        h = ngx_http_k8s_header_next(&part, &i, &ngx_http_k8s_auth_cookie);
        if (h == NULL) {
            return NGX_OK;
        }

        if (ngx_http_k8s_header_add(r, &name, &h->value) == NULL) {
            return NGX_ERROR;
        }
    }
}


/* those of add_header */

static ngx_uint_t
ngx_http_k8s_auth_cookie_status(ngx_uint_t status)
{
    switch (status) {

    case NGX_HTTP_OK:
    case NGX_HTTP_CREATED:
    case NGX_HTTP_NO_CONTENT:
    case NGX_HTTP_PARTIAL_CONTENT:
    case NGX_HTTP_MOVED_PERMANENTLY:
    case NGX_HTTP_MOVED_TEMPORARILY:
    case NGX_HTTP_SEE_OTHER:
    case NGX_HTTP_NOT_MODIFIED:
    case NGX_HTTP_TEMPORARY_REDIRECT:
    case NGX_HTTP_PERMANENT_REDIRECT:
        return 1;

    default:
        return 0;
    }
}
