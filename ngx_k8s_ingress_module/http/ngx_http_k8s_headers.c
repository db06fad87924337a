
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_affinity.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_cors.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_template.h>
#include <ngx_k8s_policy.h>


/* of add-headers, custom-headers and snippets */

typedef struct {
    ngx_str_t                name;       /* of some it may end with "*" */
    ngx_http_k8s_template_t  value;      /* empty: it is removed */
    size_t                   known;      /* offset in r->headers_out of what
                                            nginx knows it by, or -1 */
    ngx_uint_t               cond;       /* the op of its "if" and one; 0: it
                                            has none */
    ngx_str_t                statuses;   /* with blanks; empty: any, */
    ngx_str_t                types;      /* and so are these */
    unsigned                 when:1;     /* one of the three counts, or */
    unsigned                 sparse:1;   /* only answers without an error have
                                            it */
    unsigned                 add:1;      /* it stands beside others */
    unsigned                 star:1;
} ngx_http_k8s_answer_header_t;


typedef struct {
    ngx_str_t                name;
    size_t                   offset;
} ngx_http_k8s_known_header_t;


static ngx_int_t ngx_http_k8s_headers_parse(ngx_pool_t *pool,
    ngx_array_t **headers, ngx_str_t *text, ngx_uint_t variables);
static ngx_int_t ngx_http_k8s_headers_append(ngx_pool_t *pool,
    ngx_array_t **headers, ngx_array_t *more);
static ngx_http_k8s_answer_header_t *ngx_http_k8s_headers_push(
    ngx_pool_t *pool, ngx_array_t **headers, ngx_str_t *name);
static size_t ngx_http_k8s_headers_known(ngx_str_t *name);
static ngx_uint_t ngx_http_k8s_headers_denied(ngx_k8s_settings_t *settings);
static ngx_int_t ngx_http_k8s_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_headers_add(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_array_t *headers);
static ngx_uint_t ngx_http_k8s_headers_when(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_answer_header_t *header);
static ngx_uint_t ngx_http_k8s_headers_type(ngx_http_request_t *r,
    ngx_str_t *types);
static ngx_uint_t ngx_http_k8s_headers_word(ngx_str_t *words, ngx_str_t *word);
static void ngx_http_k8s_headers_clear(ngx_http_request_t *r,
    ngx_str_t *name);
static ngx_int_t ngx_http_k8s_headers_put(ngx_http_request_t *r,
    ngx_http_k8s_answer_header_t *header, ngx_str_t *value);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;

#if (NGX_HTTP_SSL)

static ngx_str_t  ngx_http_k8s_hsts = ngx_string("Strict-Transport-Security");

#endif


#define ngx_http_k8s_known_header(name, field)                                \
    { ngx_string(name), offsetof(ngx_http_headers_out_t, field) }

/* of these nginx writes one of its own, or another one, if it does not know of
   them */

static ngx_http_k8s_known_header_t  ngx_http_k8s_known_headers[] = {
    ngx_http_k8s_known_header("Server", server),
    ngx_http_k8s_known_header("Date", date),
    ngx_http_k8s_known_header("Location", location),
    ngx_http_k8s_known_header("Last-Modified", last_modified),
    ngx_http_k8s_known_header("ETag", etag),
    ngx_http_k8s_known_header("Expires", expires),
    ngx_http_k8s_known_header("Content-Encoding", content_encoding),
    ngx_http_k8s_known_header("Accept-Ranges", accept_ranges),
    ngx_http_k8s_known_header("Content-Range", content_range),
    ngx_http_k8s_known_header("Refresh", refresh),
    ngx_http_k8s_known_header("Content-Type", content_type),
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_http_k8s_headers_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    u_char              *p;
    ngx_k8s_settings_t  *settings;

    settings = profile->settings;

    profile->denied |= ngx_http_k8s_headers_denied(settings);

    if (ngx_http_k8s_headers_parse(pool, &profile->headers,
                                   &settings->add_headers, 1)
        != NGX_OK
        || ngx_http_k8s_headers_append(pool, &profile->headers, profile->more)
           != NGX_OK
        || (!profile->denied
            && ngx_http_k8s_headers_parse(pool, &profile->headers,
                                          &settings->custom_headers, 0)
               != NGX_OK)
        || ngx_http_k8s_headers_append(pool, &profile->headers, profile->adds)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

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


static ngx_int_t
ngx_http_k8s_headers_parse(ngx_pool_t *pool, ngx_array_t **headers,
    ngx_str_t *text, ngx_uint_t variables)
{
    ngx_str_t                      rest, name, value;
    ngx_http_k8s_answer_header_t  *header;

    rest = *text;

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {

        header = ngx_http_k8s_headers_push(pool, headers, &name);
        if (header == NULL) {
            return NGX_ERROR;
        }

        if (!variables) {
            header->value.text = value;
            header->value.sane = 1;

        } else if (ngx_http_k8s_template_compile(pool, &value, &header->value)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* those of snippets */

static ngx_int_t
ngx_http_k8s_headers_append(ngx_pool_t *pool, ngx_array_t **headers,
    ngx_array_t *more)
{
    ngx_uint_t                     i;
    ngx_http_k8s_answer_header_t  *header, *src;

    src = more ? more->elts : NULL;

    for (i = 0; more && i < more->nelts; i++) {

        header = ngx_http_k8s_headers_push(pool, headers, &src[i].name);
        if (header == NULL) {
            return NGX_ERROR;
        }

        *header = src[i];
    }

    return NGX_OK;
}


static ngx_http_k8s_answer_header_t *
ngx_http_k8s_headers_push(ngx_pool_t *pool, ngx_array_t **headers,
    ngx_str_t *name)
{
    ngx_http_k8s_answer_header_t  *header;

    if (*headers == NULL) {
        *headers = ngx_array_create(pool, 4,
                                    sizeof(ngx_http_k8s_answer_header_t));
        if (*headers == NULL) {
            return NULL;
        }
    }

    header = ngx_array_push(*headers);
    if (header == NULL) {
        return NULL;
    }

    ngx_memzero(header, sizeof(ngx_http_k8s_answer_header_t));

    header->name = *name;
    header->known = ngx_http_k8s_headers_known(name);

    return header;
}


/* add_header, more_set_headers and more_clear_headers */

ngx_int_t
ngx_http_k8s_headers_snippet(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool, ngx_k8s_statement_t *st, ngx_uint_t cond)
{
    ngx_str_t                      name, value, statuses, types, *word;
    ngx_uint_t                     i, add, append;
    ngx_http_k8s_answer_header_t  *header;

    ngx_str_null(&statuses);
    ngx_str_null(&types);

    word = st->words;
    add = (st->directive->effect == NGX_K8S_SNIPPET_ADD_HEADER);
    append = add;

    for (i = 0; !add && word[i].len && word[i].data[0] == '-'; i++) {

        switch (word[i].data[1]) {

        case 's':
            statuses = word[++i];
            break;

        case 't':
            types = word[++i];
            break;

        default: /* 'a' */
            append = 1;
        }
    }

    for ( /* void */ ; i < (add ? 1 : st->n); i++) {

        if (add) {
            name = word[0];
            value = word[1];

        } else {
            (void) ngx_k8s_snippet_header(&word[i], &name, &value);
        }

        if (st->directive->effect == NGX_K8S_SNIPPET_MORE_CLEAR) {
            ngx_str_set(&value, "");
        }

        header = ngx_http_k8s_headers_push(pool, add ? &profile->adds
                                                     : &profile->more, &name);
        if (header == NULL
            || ngx_http_k8s_template_own(pool, &value, &header->value)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        header->cond = cond;
        header->statuses = statuses;
        header->types = types;
        header->sparse = (add && st->n == 2);
        header->add = append;
        header->star = (name.data[name.len - 1] == '*');
        header->when = (cond || statuses.len || types.len || header->sparse);
    }

    return NGX_OK;
}


static size_t
ngx_http_k8s_headers_known(ngx_str_t *name)
{
    ngx_http_k8s_known_header_t  *known;

    for (known = ngx_http_k8s_known_headers; known->name.len; known++) {
        if (known->name.len == name->len
            && ngx_strncasecmp(known->name.data, name->data, name->len) == 0)
        {
            return known->offset;
        }
    }

    return (size_t) -1;
}


/* whether custom-headers has one that the key does not list */

static ngx_uint_t
ngx_http_k8s_headers_denied(ngx_k8s_settings_t *settings)
{
    ngx_str_t  rest, name, value;

    rest = settings->custom_headers;

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {
        if (!ngx_k8s_header_listed(&settings->allowed_headers, &name)) {
            return 1;
        }
    }

    return 0;
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

    if (ctx && !ctx->health && !ctx->bare && !ctx->error
        && !(ctx->auth && ctx->auth->signin)
        && profile->hsts.len && r->connection->ssl
        && ngx_http_k8s_header_set(r, &ngx_http_k8s_hsts, &profile->hsts)
           == NULL)
    {
        return NGX_ERROR;
    }

#endif

    if (ctx && ctx->auth && ngx_http_k8s_auth_cookies(r, ctx->auth) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx && ctx->hop.key.fresh
        && ngx_http_k8s_affinity_cookie(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* those of the Ingress are not on pages of an error backend, nor where a
       client is sent to sign in */

    if (ctx && (ctx->error || (ctx->auth && ctx->auth->signin))
        && profile->base)
    {
        profile = profile->base;
    }

    if (profile->headers) {

        /* values point into the profile, and are logged later */

        if (ctx == NULL
            && ngx_http_k8s_profile_hold(r->pool, profile) != NGX_OK)
        {
            return NGX_ERROR;
        }

        /* the program that has run is that of ctx->profile */

        if (ngx_http_k8s_headers_add(r, (ctx && ctx->profile == profile)
                                        ? ctx : NULL,
                                     profile->headers)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ctx && (ctx->origin || ctx->by_origin)
        && ngx_http_k8s_cors_headers(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* in the place of those of the same names, whatever the status */

static ngx_int_t
ngx_http_k8s_headers_add(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_array_t *headers)
{
    ngx_str_t                      value;
    ngx_uint_t                     i;
    ngx_http_k8s_captures_t       *captures;
    ngx_http_k8s_answer_header_t  *header;

    captures = ngx_http_k8s_run_captures(ctx);

    header = headers->elts;

    for (i = 0; i < headers->nelts; i++) {

        if (header[i].when && !ngx_http_k8s_headers_when(r, ctx, &header[i])) {
            continue;
        }

        if (header[i].star) {
            ngx_http_k8s_headers_clear(r, &header[i].name);
            continue;
        }

        if (ngx_http_k8s_template_run_header(r, &header[i].value, captures,
                                             &value)
            != NGX_OK
            || ngx_http_k8s_headers_put(r, &header[i], &value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_headers_put(ngx_http_request_t *r,
    ngx_http_k8s_answer_header_t *header, ngx_str_t *value)
{
    ngx_table_elt_t  *h, **known;

    if (header->add) {
        return (value->len == 0
                || ngx_http_k8s_header_add(r, &header->name, value))
               ? NGX_OK : NGX_ERROR;
    }

    if (header->known == offsetof(ngx_http_headers_out_t, content_type)) {
        r->headers_out.content_type = *value;
        r->headers_out.content_type_len = value->len;
        r->headers_out.content_type_lowcase = NULL;
        ngx_str_null(&r->headers_out.charset);

        return NGX_OK;
    }

    h = ngx_http_k8s_header_set(r, &header->name, value);
    if (h == NULL) {
        return NGX_ERROR;
    }

    if (value->len == 0) {
        h->hash = 0;
    }

    if (header->known == (size_t) -1) {
        return NGX_OK;
    }

    known = (ngx_table_elt_t **) ((u_char *) &r->headers_out + header->known);
    *known = h;

    if (header->known == offsetof(ngx_http_headers_out_t, last_modified)) {
        r->headers_out.last_modified_time = -1;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_headers_when(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_answer_header_t *header)
{
    u_char      buf[NGX_INT_T_LEN];
    ngx_str_t   status;
    ngx_uint_t  n;

    if (header->cond
        && (ctx == NULL || ctx->run == NULL || ctx->run->taken == NULL
            || !ctx->run->taken[header->cond - 1]))
    {
        return 0;
    }

    n = r->headers_out.status;

    if (header->sparse
        && n != 200 && n != 201 && n != 204 && n != 206 && n != 301
        && n != 302 && n != 303 && n != 304 && n != 307 && n != 308)
    {
        return 0;
    }

    status.data = buf;
    status.len = ngx_sprintf(buf, "%ui", n) - buf;

    return (header->statuses.len == 0
            || ngx_http_k8s_headers_word(&header->statuses, &status))
           && (header->types.len == 0
               || ngx_http_k8s_headers_type(r, &header->types));
}


/* without its parameters */

static ngx_uint_t
ngx_http_k8s_headers_type(ngx_http_request_t *r, ngx_str_t *types)
{
    u_char     *p;
    ngx_str_t   type;

    type = r->headers_out.content_type;
    p = ngx_strlchr(type.data, type.data + type.len, ';');

    if (p) {
        type.len = p - type.data;
    }

    while (type.len && type.data[type.len - 1] == ' ') {
        type.len--;
    }

    return type.len && ngx_http_k8s_headers_word(types, &type);
}


/* whether one of some words with blanks */

static ngx_uint_t
ngx_http_k8s_headers_word(ngx_str_t *words, ngx_str_t *word)
{
    u_char  *p, *last, *start;

    p = words->data;
    last = p + words->len;

    for ( ;; ) {

        while (p < last && *p == ' ') {
            p++;
        }

        if (p == last) {
            return 0;
        }

        start = p;

        while (p < last && *p != ' ') {
            p++;
        }

        if ((size_t) (p - start) == word->len
            && ngx_strncasecmp(start, word->data, word->len) == 0)
        {
            return 1;
        }
    }
}


/* those that begin with a name, which has a star behind it */

static void
ngx_http_k8s_headers_clear(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len >= name->len - 1
                && ngx_strncasecmp(h[i].key.data, name->data, name->len - 1)
                   == 0)
            {
                h[i].hash = 0;
            }
        }
    }
}
