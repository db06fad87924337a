
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_cors.h>
#include <ngx_http_k8s_policy.h>


/* one that is allowed: what is before its "*", if any, and what follows it */

typedef struct {
    ngx_str_t                scheme;
    ngx_str_t                host;
    ngx_uint_t               wildcard;
} ngx_http_k8s_origin_t;

struct ngx_http_k8s_cors_s {
    ngx_array_t             *origins;    /* ngx_http_k8s_origin_t; NULL: any */
    ngx_array_t              headers;    /* ngx_keyval_t, beside the origin */
};


static ngx_int_t ngx_http_k8s_cors_origins(ngx_pool_t *pool,
    ngx_http_k8s_cors_t *cors, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_cors_add(ngx_http_k8s_cors_t *cors, char *name,
    ngx_str_t *value);
static ngx_str_t *ngx_http_k8s_cors_origin(ngx_http_request_t *r,
    ngx_http_k8s_cors_t *cors);
static ngx_uint_t ngx_http_k8s_cors_match(ngx_http_k8s_origin_t *origin,
    ngx_str_t *value);
static ngx_int_t ngx_http_k8s_cors_vary(ngx_http_request_t *r);
static void ngx_http_k8s_cors_clear(ngx_http_request_t *r,
    ngx_http_k8s_cors_t *cors);


static ngx_str_t  ngx_http_k8s_any_origin = ngx_string("*");
static ngx_str_t  ngx_http_k8s_allow_origin =
                                     ngx_string("Access-Control-Allow-Origin");


ngx_int_t
ngx_http_k8s_cors_create(ngx_http_k8s_profile_t *profile)
{
    u_char               *p;
    ngx_str_t             max_age, credentials;
    ngx_http_k8s_cors_t  *cors;
    ngx_k8s_settings_t   *settings;

    settings = profile->settings;

    if (!settings->cors) {
        return NGX_OK;
    }

    cors = ngx_pcalloc(profile->pool, sizeof(ngx_http_k8s_cors_t));
    p = ngx_pnalloc(profile->pool, NGX_INT_T_LEN);

    if (cors == NULL || p == NULL) {
        return NGX_ERROR;
    }

    if (ngx_array_init(&cors->headers, profile->pool, 5, sizeof(ngx_keyval_t))
        != NGX_OK
        || ngx_http_k8s_cors_origins(profile->pool, cors,
                                     &settings->cors_origins)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&credentials, "true");

    if (!settings->cors_credentials) {
        credentials.len = 0;
    }

    max_age.data = p;
    max_age.len = ngx_sprintf(p, "%i", settings->cors_max_age) - p;

    if (ngx_http_k8s_cors_add(cors, "Access-Control-Allow-Credentials",
                              &credentials)
        != NGX_OK
        || ngx_http_k8s_cors_add(cors, "Access-Control-Allow-Methods",
                                 &settings->cors_methods)
           != NGX_OK
        || ngx_http_k8s_cors_add(cors, "Access-Control-Allow-Headers",
                                 &settings->cors_headers)
           != NGX_OK
        || ngx_http_k8s_cors_add(cors, "Access-Control-Expose-Headers",
                                 &settings->cors_expose)
           != NGX_OK
        || ngx_http_k8s_cors_add(cors, "Access-Control-Max-Age", &max_age)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    profile->cors = cors;

    return NGX_OK;
}


/* what cannot be read is left out: a problem says so */

static ngx_int_t
ngx_http_k8s_cors_origins(ngx_pool_t *pool, ngx_http_k8s_cors_t *cors,
    ngx_str_t *value)
{
    u_char                 *p, *last;
    ngx_str_t               list, item;
    ngx_http_k8s_origin_t  *origin;

    cors->origins = ngx_array_create(pool, 2, sizeof(ngx_http_k8s_origin_t));
    if (cors->origins == NULL) {
        return NGX_ERROR;
    }

    list = *value;

    while (ngx_k8s_item(&list, &item) == NGX_OK) {

        if (item.len == 0 || ngx_k8s_item_origin(&item) != NGX_OK) {
            continue;
        }

        if (item.len == 1 && item.data[0] == '*') {
            cors->origins = NULL;
            return NGX_OK;
        }

        origin = ngx_array_push(cors->origins);
        if (origin == NULL) {
            return NGX_ERROR;
        }

        last = item.data + item.len;
        p = ngx_strlchr(item.data, last, '*');

        origin->wildcard = (p != NULL);

        if (p == NULL) {
            p = last;
        }

        origin->scheme.data = item.data;
        origin->scheme.len = p - item.data;

        if (p < last) {
            p++;
        }

        origin->host.data = p;
        origin->host.len = last - p;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_cors_add(ngx_http_k8s_cors_t *cors, char *name, ngx_str_t *value)
{
    ngx_keyval_t  *kv;

    if (value->len == 0) {
        return NGX_OK;
    }

    kv = ngx_array_push(&cors->headers);
    if (kv == NULL) {
        return NGX_ERROR;
    }

    kv->key.data = (u_char *) name;
    kv->key.len = ngx_strlen(name);
    kv->value = *value;

    return NGX_OK;
}


ngx_uint_t
ngx_http_k8s_cors(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ctx->origin = ngx_http_k8s_cors_origin(r, ctx->profile->cors);
    ctx->by_origin = (ctx->profile->cors->origins != NULL);

    if (ctx->origin == NULL || r->method != NGX_HTTP_OPTIONS) {
        return 0;
    }

    ctx->preflight = 1;

    return 1;
}


/* what the answer allows, NULL: nothing */

static ngx_str_t *
ngx_http_k8s_cors_origin(ngx_http_request_t *r, ngx_http_k8s_cors_t *cors)
{
    ngx_uint_t              i;
    ngx_list_part_t        *part;
    ngx_table_elt_t        *h, *found;
    ngx_http_k8s_origin_t  *origin;

    if (cors->origins == NULL) {
        return &ngx_http_k8s_any_origin;
    }

    part = &r->headers_in.headers.part;
    h = part->elts;
    found = NULL;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != sizeof("origin") - 1
            || ngx_memcmp(h[i].lowcase_key, "origin", sizeof("origin") - 1)
               != 0)
        {
            continue;
        }

        if (found) {
            return NULL;
        }

        found = &h[i];
    }

    if (found == NULL) {
        return NULL;
    }

    origin = cors->origins->elts;

    for (i = 0; i < cors->origins->nelts; i++) {
        if (ngx_http_k8s_cors_match(&origin[i], &found->value)) {
            return &found->value;
        }
    }

    return NULL;
}


/* the whole value without regard to case; "*" is one label */

static ngx_uint_t
ngx_http_k8s_cors_match(ngx_http_k8s_origin_t *origin, ngx_str_t *value)
{
    u_char  *p, *last;

    if (value->len < origin->scheme.len + origin->wildcard + origin->host.len
        || ngx_strncasecmp(value->data, origin->scheme.data,
                           origin->scheme.len)
           != 0)
    {
        return 0;
    }

    p = value->data + origin->scheme.len;
    last = value->data + value->len - origin->host.len;

    if (!origin->wildcard) {
        return p == last;
    }

    if (ngx_strncasecmp(last, origin->host.data, origin->host.len) != 0) {
        return 0;
    }

    for ( /* void */ ; p < last; p++) {

        if ((*p < '0' || *p > '9')
            && ((*p | 0x20) < 'a' || (*p | 0x20) > 'z')
            && *p != '-')
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_k8s_cors_headers(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_keyval_t         *kv;
    ngx_http_k8s_cors_t  *cors;

    static ngx_str_t  length = ngx_string("Content-Length");
    static ngx_str_t  none = ngx_string("0");

    if (ctx->by_origin && ngx_http_k8s_cors_vary(r) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->origin == NULL) {
        return NGX_OK;
    }

    cors = ctx->profile->cors;

    ngx_http_k8s_cors_clear(r, cors);

    if (ngx_http_k8s_header_add(r, &ngx_http_k8s_allow_origin, ctx->origin)
        == NULL)
    {
        return NGX_ERROR;
    }

    kv = cors->headers.elts;

    for (i = 0; i < cors->headers.nelts; i++) {
        if (ngx_http_k8s_header_add(r, &kv[i].key, &kv[i].value) == NULL) {
            return NGX_ERROR;
        }
    }

    if (ctx->preflight
        && ngx_http_k8s_header_set(r, &length, &none) == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the Fetch standard has it for all origins, and for none */

static ngx_int_t
ngx_http_k8s_cors_vary(ngx_http_request_t *r)
{
    ngx_str_t         list, item;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  vary = ngx_string("Vary");
    static ngx_str_t  origin = ngx_string("Origin");

    part = &r->headers_out.headers.part;
    i = 0;

    while ((h = ngx_http_k8s_header_next(&part, &i, &vary)) != NULL) {

        list = h->value;

        while (ngx_k8s_item(&list, &item) == NGX_OK) {

            if ((item.len == 1 && item.data[0] == '*')
                || (item.len == origin.len
                    && ngx_strncasecmp(item.data, origin.data, origin.len)
                       == 0))
            {
                return NGX_OK;
            }
        }
    }

    return ngx_http_k8s_header_add(r, &vary, &origin) ? NGX_OK : NGX_ERROR;
}


/* takes out what the backend says of these headers */

static void
ngx_http_k8s_cors_clear(ngx_http_request_t *r, ngx_http_k8s_cors_t *cors)
{
    ngx_str_t        *name;
    ngx_uint_t        i, n;
    ngx_keyval_t     *kv;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  begin = ngx_string("Access-Control-");

    kv = cors->headers.elts;

    part = &r->headers_out.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len <= begin.len
            || ngx_strncasecmp(h[i].key.data, begin.data, begin.len) != 0)
        {
            continue;
        }

        name = &ngx_http_k8s_allow_origin;
        n = 0;

        for ( ;; ) {

            if (h[i].key.len == name->len
                && ngx_strncasecmp(h[i].key.data, name->data, name->len) == 0)
            {
                h[i].hash = 0;
                break;
            }

            if (n == cors->headers.nelts) {
                break;
            }

            name = &kv[n++].key;
        }
    }
}
