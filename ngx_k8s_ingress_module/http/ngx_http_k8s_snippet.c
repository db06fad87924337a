
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_snippet.h>


typedef struct {
    ngx_pool_t              *pool;
    ngx_pool_t              *temp_pool;
    ngx_array_t             *tokens;     /* or NULL */
    ngx_array_t             *texts;      /* ngx_http_k8s_template_t, or NULL */
    ngx_uint_t               from;       /* of tokens: a bit for each text */
    ngx_uint_t               annotated;  /* tokens that were there */
    ngx_uint_t               auth;       /* of requests to auth servers */
    ngx_uint_t               n;          /* of values with variables */
} ngx_http_k8s_snippet_walk_t;


static ngx_int_t ngx_http_k8s_snippet_walk(ngx_http_k8s_snippet_walk_t *w,
    ngx_k8s_settings_t *settings);
static ngx_int_t ngx_http_k8s_snippet_fastcgi(ngx_http_k8s_snippet_walk_t *w,
    ngx_k8s_settings_t *settings);
static ngx_int_t ngx_http_k8s_snippet_word(ngx_http_k8s_snippet_walk_t *w,
    ngx_str_t *word);
static ngx_int_t ngx_http_k8s_snippet_token(ngx_http_k8s_snippet_walk_t *w,
    ngx_k8s_statement_t *st);
static ngx_uint_t ngx_http_k8s_snippet_pages_of(
    ngx_http_k8s_snippet_walk_t *w, ngx_k8s_snippet_t *s, ngx_uint_t i);
static ngx_uint_t ngx_http_k8s_snippet_paged(ngx_k8s_snippet_t *s);
static ngx_int_t ngx_http_k8s_snippet_error_page(
    ngx_http_k8s_snippet_walk_t *w, ngx_k8s_statement_t *st);
static ngx_uint_t ngx_http_k8s_snippet_said(ngx_array_t *tokens,
    ngx_uint_t n, ngx_k8s_snippet_t *s, ngx_str_t *name);
static ngx_uint_t ngx_http_k8s_snippet_over(ngx_array_t *tokens, ngx_uint_t n,
    ngx_str_t *name, ngx_str_t *header);


#define ngx_http_k8s_snippet_bit(i)  ((ngx_uint_t) 1 << (i))


ngx_uint_t
ngx_http_k8s_snippet_varies(ngx_str_t *text)
{
    return ngx_strlchr(text->data, text->data + text->len, '$') != NULL;
}


ngx_str_t *
ngx_http_k8s_snippet_text(ngx_k8s_settings_t *settings, ngx_uint_t i)
{
    switch (i) {

    case NGX_HTTP_K8S_SERVER_CONFIG:
        return &settings->server_config;

    case NGX_HTTP_K8S_LOCATION_TEXT:
        return &settings->location_snippet;

    case NGX_HTTP_K8S_SERVER_TEXT:
        return &settings->server_snippet;

    case NGX_HTTP_K8S_GLOBAL_AUTH:
        return &settings->global_auth_snippet;

    case NGX_HTTP_K8S_OWN_TEXT:
        return &settings->snippet;

    default: /* NGX_HTTP_K8S_OWN_AUTH */
        return &settings->auth_snippet;
    }
}


ngx_int_t
ngx_http_k8s_snippet_read(ngx_pool_t *pool, ngx_k8s_settings_t *settings,
    ngx_k8s_snippet_t *s)
{
    ngx_str_t   *text;
    ngx_uint_t   i, context;

    for (i = 0; i < NGX_HTTP_K8S_SNIPPET_TEXTS; i++) {

        ngx_memzero(&s[i], sizeof(ngx_k8s_snippet_t));

        text = ngx_http_k8s_snippet_text(settings, i);

        if (ngx_http_k8s_snippet_server(i)) {
            context = NGX_K8S_SNIPPET_SERVER;

        } else if (i >= NGX_HTTP_K8S_GLOBAL_AUTH) {
            context = NGX_K8S_SNIPPET_AUTH;

        } else if (i == NGX_HTTP_K8S_OWN_TEXT && settings->inner) {
            context = NGX_K8S_SNIPPET_INNER;

        } else {
            context = NGX_K8S_SNIPPET_LOCATION;
        }

        if (text->len
            && ngx_k8s_snippet(&s[i], pool, context, text) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_snippet_values(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    ngx_int_t                     rc;
    ngx_k8s_settings_t           *settings;
    ngx_http_k8s_snippet_walk_t   w;

    settings = profile->settings;

    ngx_memzero(&w, sizeof(ngx_http_k8s_snippet_walk_t));

    w.pool = pool;
    w.temp_pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, pool->log);

    if (w.temp_pool == NULL) {
        return NGX_ERROR;
    }

    w.texts = ngx_array_create(pool, 4, sizeof(ngx_http_k8s_template_t));

    if (w.texts == NULL) {
        ngx_destroy_pool(w.temp_pool);
        return NGX_ERROR;
    }

    rc = ngx_http_k8s_snippet_walk(&w, settings);

    profile->texts = w.texts;

    if (rc == NGX_OK && ngx_http_k8s_snippet_asking(settings)->len) {

        w.auth = 1;
        w.texts = ngx_array_create(pool, 4, sizeof(ngx_http_k8s_template_t));

        rc = w.texts ? ngx_http_k8s_snippet_walk(&w, settings) : NGX_ERROR;

        profile->auth_texts = w.texts;
    }

    ngx_destroy_pool(w.temp_pool);

    return rc;
}


ngx_int_t
ngx_http_k8s_snippet_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings)
{
    ngx_http_k8s_snippet_walk_t  w;

    ngx_memzero(&w, sizeof(ngx_http_k8s_snippet_walk_t));

    w.pool = pool;
    w.temp_pool = pool;
    w.tokens = tokens;
    w.from = ngx_http_k8s_snippet_bit(NGX_HTTP_K8S_SERVER_CONFIG)
             |ngx_http_k8s_snippet_bit(NGX_HTTP_K8S_LOCATION_TEXT);

    return (settings->server_config.len || settings->location_snippet.len)
           ? ngx_http_k8s_snippet_walk(&w, settings) : NGX_OK;
}


ngx_int_t
ngx_http_k8s_snippet_delta(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings, ngx_array_t *base)
{
    ngx_str_t                     *name;
    ngx_uint_t                     i;
    ngx_array_t                  **args, **token;
    ngx_http_k8s_snippet_walk_t    w;

    static ngx_str_t  proxy = ngx_string("proxy_set_header");

    /* a list of headers is not added to that of the base */

    for (i = 0; base && i < base->nelts; i++) {

        args = base->elts;
        name = args[i]->elts;

        if (name->len == proxy.len
            && ngx_memcmp(name->data, proxy.data, proxy.len) == 0)
        {
            token = ngx_array_push(tokens);
            if (token == NULL) {
                return NGX_ERROR;
            }

            *token = args[i];
        }
    }

    ngx_memzero(&w, sizeof(ngx_http_k8s_snippet_walk_t));

    w.pool = pool;
    w.temp_pool = pool;
    w.tokens = tokens;
    w.from = ngx_http_k8s_snippet_bit(NGX_HTTP_K8S_SERVER_TEXT)
             |ngx_http_k8s_snippet_bit(NGX_HTTP_K8S_OWN_TEXT);

    return ngx_http_k8s_snippet_walk(&w, settings);
}


ngx_int_t
ngx_http_k8s_snippet_auth(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings)
{
    ngx_http_k8s_snippet_walk_t  w;

    ngx_memzero(&w, sizeof(ngx_http_k8s_snippet_walk_t));

    w.pool = pool;
    w.temp_pool = pool;
    w.tokens = tokens;
    w.auth = 1;
    w.from = ngx_http_k8s_snippet_bit(settings->auth_url.len
                                      ? NGX_HTTP_K8S_OWN_AUTH
                                      : NGX_HTTP_K8S_GLOBAL_AUTH);

    return ngx_http_k8s_snippet_asking(settings)->len
           ? ngx_http_k8s_snippet_walk(&w, settings) : NGX_OK;
}


ngx_str_t *
ngx_http_k8s_snippet_asking(ngx_k8s_settings_t *settings)
{
    return settings->auth_url.len ? &settings->auth_snippet
                                  : &settings->global_auth_snippet;
}


ngx_str_t *
ngx_http_k8s_snippet_params(ngx_k8s_settings_t *settings)
{
    static ngx_str_t  none = ngx_string("");

    return (settings->backend_protocol == NGX_K8S_BACKEND_FCGI)
           ? &settings->fastcgi_params : &none;
}


ngx_uint_t
ngx_http_k8s_snippet_headers(ngx_pool_t *pool, ngx_k8s_settings_t *settings)
{
    ngx_uint_t            i;
    ngx_k8s_snippet_t     s;
    ngx_k8s_statement_t  *st;

    if (ngx_http_k8s_snippet_params(settings)->len) {
        return 1;
    }

    if (settings->snippet.len == 0
        || ngx_k8s_snippet(&s, pool, NGX_K8S_SNIPPET_LOCATION,
                           &settings->snippet)
           != NGX_OK)
    {
        return 0;
    }

    st = s.statements.elts;

    for (i = 0; i < s.statements.nelts; i++) {
        if (st[i].directive->effect == NGX_K8S_SNIPPET_SET_HEADER) {
            return 1;
        }
    }

    return 0;
}


/* all texts of a kind, as their values are counted; tokens are those of one */

static ngx_int_t
ngx_http_k8s_snippet_walk(ngx_http_k8s_snippet_walk_t *w,
    ngx_k8s_settings_t *settings)
{
    ngx_int_t             rc;
    ngx_str_t             rest, name, value, *directive;
    ngx_uint_t            i, k, first, server;
    ngx_array_t          *tokens;
    ngx_k8s_snippet_t     s[NGX_HTTP_K8S_SNIPPET_TEXTS];
    ngx_k8s_statement_t  *st;

    if (ngx_http_k8s_snippet_read(w->temp_pool, settings, s) != NGX_OK) {
        return NGX_ERROR;
    }

    /* those before are of ConfigMaps of headers */

    ngx_str_null(&rest);
    w->n = 0;

    if (!w->auth) {
        rest = settings->set_headers;

    } else if (settings->auth_url.len) {
        rest = settings->auth_set_headers;
    }

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {
        w->n += ngx_http_k8s_snippet_varies(&value);
    }

    w->n = ngx_min(w->n, NGX_K8S_HEADERS_VARIABLES);

    tokens = w->tokens;
    w->annotated = tokens ? tokens->nelts : 0;

    for (i = 0; i < NGX_HTTP_K8S_SNIPPET_TEXTS; i++) {

        st = s[i].statements.elts;
        server = ngx_http_k8s_snippet_server(i);
        first = tokens ? tokens->nelts : 0;

        if (w->auth ? (i != NGX_HTTP_K8S_GLOBAL_AUTH + (settings->auth_url.len
                                                        != 0))
                    : i >= NGX_HTTP_K8S_GLOBAL_AUTH)
        {
            continue;
        }

        for (k = 0; k < s[i].statements.nelts; k = server ? st[k].end : k + 1) {

            if ((st[k].directive->effect != NGX_K8S_SNIPPET_TOKEN
                 && st[k].directive->effect != NGX_K8S_SNIPPET_SET_HEADER
                 && st[k].directive->effect != NGX_K8S_SNIPPET_ERROR_PAGE)
                || (server && (st[k].directive->contexts
                               & NGX_K8S_SNIPPET_EACH)))
            {
                continue;
            }

            directive = &st[k].directive->name;
            w->tokens = (w->from & ngx_http_k8s_snippet_bit(i)) ? tokens : NULL;

            if (w->tokens && i == NGX_HTTP_K8S_SERVER_TEXT
                && ngx_http_k8s_snippet_said(tokens, first, s,
                                             directive))
            {
                w->tokens = NULL;
            }

            if (st[k].directive->effect == NGX_K8S_SNIPPET_ERROR_PAGE) {
                w->tokens = tokens;

                rc = ngx_http_k8s_snippet_pages_of(w, s, i)
                     ? ngx_http_k8s_snippet_error_page(w, &st[k]) : NGX_OK;

            } else {
                if (w->tokens) {
                    first = ngx_http_k8s_snippet_over(tokens, first, directive,
                                                      st[k].words);
                    w->annotated = ngx_min(w->annotated, first);
                }

                rc = ngx_http_k8s_snippet_token(w, &st[k]);
            }

            if (rc != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    w->tokens = tokens;

    return w->auth ? NGX_OK : ngx_http_k8s_snippet_fastcgi(w, settings);
}


/* of FastCGI, the parameters of a ConfigMap: the last values of a profile */

static ngx_int_t
ngx_http_k8s_snippet_fastcgi(ngx_http_k8s_snippet_walk_t *w,
    ngx_k8s_settings_t *settings)
{
    ngx_str_t    *arg, rest, name, value;
    ngx_array_t  *args, **token;

    rest = *ngx_http_k8s_snippet_params(settings);

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {

        if (ngx_http_k8s_snippet_varies(&value)
            && ngx_http_k8s_snippet_word(w, &value) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (w->tokens == NULL
            || !(w->from & ngx_http_k8s_snippet_bit(NGX_HTTP_K8S_OWN_TEXT)))
        {
            continue;
        }

        args = ngx_array_create(w->pool, 3, sizeof(ngx_str_t));
        token = ngx_array_push(w->tokens);

        if (args == NULL || token == NULL) {
            return NGX_ERROR;
        }

        *token = args;

        /* of three elements: there is room for them */

        arg = ngx_array_push_n(args, 3);

        ngx_str_set(&arg[0], "fastcgi_param");
        arg[1] = name;
        arg[2] = value;
    }

    return NGX_OK;
}


/* whether a location says it, by an annotation or the text of all of them */

static ngx_uint_t
ngx_http_k8s_snippet_said(ngx_array_t *tokens, ngx_uint_t n,
    ngx_k8s_snippet_t *s, ngx_str_t *name)
{
    ngx_str_t             *arg;
    ngx_uint_t             i;
    ngx_array_t          **args;
    ngx_k8s_statement_t   *st;

    args = tokens->elts;

    for (i = 0; i < n; i++) {

        arg = args[i]->elts;

        if (arg->len == name->len
            && ngx_memcmp(arg->data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    st = s[NGX_HTTP_K8S_LOCATION_TEXT].statements.elts;

    for (i = 0; i < s[NGX_HTTP_K8S_LOCATION_TEXT].statements.nelts; i++) {
        if (st[i].directive->name.len == name->len
            && ngx_memcmp(st[i].directive->name.data, name->data, name->len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* takes out what the first so many tokens say of the same, of headers only
   Host, of which there can be one; returns how many of them are left */

static ngx_uint_t
ngx_http_k8s_snippet_over(ngx_array_t *tokens, ngx_uint_t n, ngx_str_t *name,
    ngx_str_t *header)
{
    ngx_str_t     *arg;
    ngx_uint_t     i, set;
    ngx_array_t  **args;

    static ngx_str_t  proxy = ngx_string("proxy_set_header");

    args = tokens->elts;

    set = (name->len > sizeof("_set_header") - 1
           && ngx_memcmp(name->data + name->len - 11, "_set_header", 11) == 0);

    if (set && !(header->len == 4
                 && ngx_strncasecmp(header->data, (u_char *) "Host", 4) == 0))
    {
        return n;
    }

    for (i = 0; i < n; i++) {

        arg = args[i]->elts;

        if (set) {
            if (arg->len < proxy.len - 1 || args[i]->nelts != 3
                || ngx_memcmp(arg->data + arg->len - 11, "_set_header", 11)
                   != 0
                || arg[1].len != header->len
                || ngx_strncasecmp(arg[1].data, header->data, header->len)
                   != 0)
            {
                continue;
            }

        } else if (arg->len != name->len
                   || ngx_memcmp(arg->data, name->data, name->len) != 0)
        {
            continue;
        }

        ngx_memmove(&args[i], &args[i + 1],
                    (tokens->nelts - i - 1) * sizeof(ngx_array_t *));
        tokens->nelts--;
        n--;
        i--;
    }

    return n;
}


static ngx_int_t
ngx_http_k8s_snippet_token(ngx_http_k8s_snippet_walk_t *w,
    ngx_k8s_statement_t *st)
{
    ngx_str_t    *arg, word;
    ngx_uint_t    i, ignore;
    ngx_array_t  *args, **token;

    static ngx_str_t  proxy = ngx_string("proxy_set_header");
    static ngx_str_t  headers = ngx_string("proxy_ignore_headers");
    static ngx_str_t  redirect = ngx_string("X-Accel-Redirect");

    args = NULL;

    if (w->tokens) {

        ignore = (st->directive->name.len == headers.len
                  && ngx_memcmp(st->directive->name.data, headers.data,
                                headers.len)
                     == 0);

        args = ngx_array_create(w->pool, st->n + 2, sizeof(ngx_str_t));
        token = ngx_array_push(w->tokens);

        if (args == NULL || token == NULL) {
            return NGX_ERROR;
        }

        *token = args;

        arg = ngx_array_push(args);
        *arg = (st->directive->effect == NGX_K8S_SNIPPET_SET_HEADER)
               ? proxy : st->directive->name;

        /* a backend does not lead a request elsewhere, whatever is said */

        if (ignore) {
            arg = ngx_array_push(args);
            *arg = redirect;
        }
    }

    for (i = 0; i < st->n; i++) {

        word = st->words[i];

        if (ngx_http_k8s_snippet_varies(&word)
            && ngx_http_k8s_snippet_word(w, &word) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (args) {
            arg = ngx_array_push(args);
            *arg = word;
        }
    }

    return NGX_OK;
}


/* whether pages of a text are those of the tokens: all of a location, or else
   all of its server, whichever is in the base */

static ngx_uint_t
ngx_http_k8s_snippet_pages_of(ngx_http_k8s_snippet_walk_t *w,
    ngx_k8s_snippet_t *s, ngx_uint_t i)
{
    ngx_uint_t     n, over, location;
    ngx_str_t     *arg;
    ngx_array_t  **args;

    static ngx_str_t  directive = ngx_string("error_page");

    if (w->tokens == NULL || w->auth) {
        return 0;
    }

    over = (w->from & ngx_http_k8s_snippet_bit(NGX_HTTP_K8S_OWN_TEXT)) != 0;
    location = ngx_http_k8s_snippet_paged(&s[NGX_HTTP_K8S_LOCATION_TEXT]);

    if (!over) {
        return (i == NGX_HTTP_K8S_LOCATION_TEXT)
               || (i == NGX_HTTP_K8S_SERVER_CONFIG && !location);
    }

    if (i == NGX_HTTP_K8S_OWN_TEXT) {
        return 1;
    }

    args = w->tokens->elts;

    for (n = 0; n < w->annotated; n++) {

        arg = args[n]->elts;

        if (arg->len == directive.len
            && ngx_memcmp(arg->data, directive.data, directive.len) == 0)
        {
            break;
        }
    }

    if (n < w->annotated
        || ngx_http_k8s_snippet_paged(&s[NGX_HTTP_K8S_OWN_TEXT]))
    {
        return (i == NGX_HTTP_K8S_LOCATION_TEXT);
    }

    return !location && i != NGX_HTTP_K8S_LOCATION_TEXT
           && ngx_http_k8s_snippet_paged(&s[NGX_HTTP_K8S_SERVER_TEXT]);
}


static ngx_uint_t
ngx_http_k8s_snippet_paged(ngx_k8s_snippet_t *s)
{
    ngx_uint_t            i;
    ngx_k8s_statement_t  *st;

    st = s->statements.elts;

    for (i = 0; i < s->statements.nelts; i = st[i].end) {
        if (st[i].directive->effect == NGX_K8S_SNIPPET_ERROR_PAGE) {
            return 1;
        }
    }

    return 0;
}


/* beside those of annotations: the request learns where it goes in a location
   of ours */

static ngx_int_t
ngx_http_k8s_snippet_error_page(ngx_http_k8s_snippet_walk_t *w,
    ngx_k8s_statement_t *st)
{
    ngx_int_t     over;
    ngx_str_t    *arg;
    ngx_uint_t    i, n;
    ngx_array_t  *args, **token;

    static ngx_str_t  location = ngx_string(NGX_HTTP_K8S_ERROR_LOCATION);

    (void) ngx_k8s_snippet_page(st->words, st->n, &n, &over);

    args = ngx_array_create(w->pool, n + 2, sizeof(ngx_str_t));
    token = ngx_array_push(w->tokens);

    if (args == NULL || token == NULL) {
        return NGX_ERROR;
    }

    *token = args;

    arg = ngx_array_push(args);
    *arg = st->directive->name;

    for (i = 0; i < n; i++) {
        arg = ngx_array_push(args);
        *arg = st->words[i];
    }

    arg = ngx_array_push(args);
    *arg = location;

    return NGX_OK;
}


/* the variable that has its value; which is not known is empty */

static ngx_int_t
ngx_http_k8s_snippet_word(ngx_http_k8s_snippet_walk_t *w, ngx_str_t *word)
{
    u_char                   *p;
    ngx_str_t                 text;
    ngx_http_k8s_template_t  *t;

    if (w->n == NGX_K8S_HEADERS_VARIABLES) {
        ngx_str_set(word, "");
        return NGX_OK;
    }

    if (w->texts) {
        text.len = word->len;
        text.data = ngx_pstrdup(w->pool, word);
        t = ngx_array_push(w->texts);

        if (text.data == NULL || t == NULL
            || ngx_http_k8s_template_own(w->pool, &text, t) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    p = ngx_pnalloc(w->temp_pool, sizeof("$" NGX_HTTP_K8S_SET_HEADER)
                                  + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    word->data = p;
    word->len = ngx_sprintf(p, "$" NGX_HTTP_K8S_SET_HEADER "%Z", w->n++) - p
                - 1;

    return NGX_OK;
}
