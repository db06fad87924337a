
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What the reader of snippets cannot know: which variables nginx has, and which
 * expressions PCRE takes.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_tables.h>


typedef struct {
    ngx_pool_t              *pool;
    ngx_array_t              sets;       /* ngx_str_t, in lower case */
    ngx_array_t             *maps;       /* of a base; NULL: none, or those */
    ngx_k8s_snippet_t        http;       /* of this text */
    ngx_uint_t               n;          /* of values with variables */
    ngx_str_t               *error;
} ngx_http_k8s_snippet_check_t;


static ngx_int_t ngx_http_k8s_snippet_maps(ngx_http_k8s_snippet_check_t *c,
    ngx_str_t *text);
static ngx_uint_t ngx_http_k8s_snippet_mapped(
    ngx_http_k8s_snippet_check_t *c, ngx_str_t *var);
static ngx_int_t ngx_http_k8s_snippet_check_params(
    ngx_http_k8s_snippet_check_t *c, ngx_k8s_settings_t *settings);
static ngx_uint_t ngx_http_k8s_snippet_set_by(ngx_http_k8s_snippet_check_t *c,
    ngx_str_t *var);
static ngx_int_t ngx_http_k8s_snippet_sets(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_snippet_t *s);
static ngx_int_t ngx_http_k8s_snippet_statement(
    ngx_http_k8s_snippet_check_t *c, ngx_k8s_statement_t *st);
static ngx_int_t ngx_http_k8s_snippet_known(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_statement_t *st, ngx_str_t *text);
static ngx_int_t ngx_http_k8s_snippet_regex(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_statement_t *st, ngx_str_t *pattern);
static ngx_int_t ngx_cdecl ngx_http_k8s_snippet_failed(
    ngx_http_k8s_snippet_check_t *c, ngx_k8s_statement_t *st, const char *fmt,
    ...);


ngx_int_t
ngx_http_k8s_snippet_check(ngx_pool_t *pool, ngx_k8s_settings_t *base,
    ngx_array_t *maps, ngx_str_t *values, ngx_str_t *error)
{
    ngx_int_t                      rc;
    ngx_str_t                      rest, name, value, *text;
    ngx_uint_t                     i, k, n, end;
    ngx_k8s_snippet_t              s[NGX_HTTP_K8S_SNIPPET_TEXTS];
    ngx_k8s_settings_t             settings;
    ngx_k8s_statement_t           *st;
    ngx_http_k8s_snippet_check_t   c;

    settings = *base;
    ngx_k8s_policy_settings(&settings, NGX_K8S_API_INGRESS, values);

    ngx_memzero(&c, sizeof(ngx_http_k8s_snippet_check_t));

    c.pool = pool;
    c.maps = maps;
    c.error = error;

    n = ngx_http_k8s_snippet_params(&settings)->len;

    for (i = 0; i < NGX_HTTP_K8S_SNIPPET_TEXTS; i++) {
        text = ngx_http_k8s_snippet_text(&settings, i);
        n += text->len;
    }

    if (settings.http_snippet.len && maps == NULL) {

        rc = ngx_http_k8s_snippet_maps(&c, &settings.http_snippet);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    if (ngx_http_k8s_snippet_read(pool, &settings, s) != NGX_OK
        || ngx_array_init(&c.sets, pool, 4, sizeof(ngx_str_t)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rest = settings.set_headers;

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {
        c.n += ngx_http_k8s_snippet_varies(&value);
    }

    for (i = 0; i < NGX_HTTP_K8S_SNIPPET_TEXTS; i++) {

        rc = ngx_http_k8s_snippet_sets(&c, &s[i]);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (i = 0; i < NGX_HTTP_K8S_SNIPPET_TEXTS; i++) {

        st = s[i].statements.elts;
        end = 0;

        /* of requests to auth servers */

        if (i == NGX_HTTP_K8S_SNIPPET_TEXTS - 2) {

            rc = ngx_http_k8s_snippet_check_params(&c, &settings);

            if (rc != NGX_OK) {
                return rc;
            }

            c.n = 0;
        }

        if (i == NGX_HTTP_K8S_SNIPPET_TEXTS - 1) {
            c.n = 0;
            rest = settings.auth_set_headers;

            while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {
                c.n += ngx_http_k8s_snippet_varies(&value);
            }
        }

        for (k = 0; k < s[i].statements.nelts; k++) {

            /* a location has values of its own */

            if (st[k].directive->effect == NGX_K8S_SNIPPET_IN) {
                end = st[k].end;
                n = c.n;
            }

            rc = ngx_http_k8s_snippet_statement(&c, &st[k]);

            if (rc != NGX_OK) {
                return rc;
            }

            if (k + 1 == end) {
                c.n = n;
            }
        }
    }

    return NGX_OK;
}


/* tables of http-snippet */

static ngx_int_t
ngx_http_k8s_snippet_maps(ngx_http_k8s_snippet_check_t *c, ngx_str_t *text)
{
    ngx_int_t             rc;
    ngx_str_t             name;
    ngx_uint_t            i, n;
    ngx_k8s_statement_t  *st;

    if (ngx_k8s_snippet(&c->http, c->pool, NGX_K8S_SNIPPET_HTTP, text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    st = c->http.statements.elts;

    for (i = 0; i < c->http.statements.nelts; i++) {

        n = 0;

        if (st[i].directive->effect == NGX_K8S_SNIPPET_ENTRY) {

            if (st[i].n == 1) {
                continue;
            }

            rc = ngx_k8s_snippet_pattern(&st[i].words[0], &name)
                 ? ngx_http_k8s_snippet_regex(c, &st[i], &name) : NGX_OK;

            if (rc != NGX_OK) {
                return rc;
            }

            n = 1;

        } else {
            name.len = st[i].words[st[i].n - 1].len - 1;
            name.data = st[i].words[st[i].n - 1].data + 1;

            if (ngx_http_k8s_variable_known(&name)) {
                return ngx_http_k8s_snippet_failed(c, &st[i], "nginx has "
                                                   "\"$%V\" by itself", &name);
            }

            if (st[i].n == 1) {
                continue;
            }
        }

        rc = ngx_http_k8s_snippet_known(c, &st[i], &st[i].words[n]);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* parameters of FastCGI, whose values have no statements */

static ngx_int_t
ngx_http_k8s_snippet_check_params(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_settings_t *settings)
{
    u_char                    *p, *last;
    ngx_str_t                  rest, name, value, unknown;
    ngx_uint_t                 next;
    ngx_http_k8s_template_t    t;

    p = c->error->data;
    last = p + NGX_HTTP_K8S_PROFILE_ERROR;

    rest = *ngx_http_k8s_snippet_params(settings);

    while (ngx_k8s_headers_next(&rest, &name, &value) == NGX_OK) {

        if (!ngx_http_k8s_snippet_varies(&value)) {
            continue;
        }

        if (ngx_http_k8s_template_own(c->pool, &value, &t) != NGX_OK) {
            return NGX_ERROR;
        }

        next = 0;

        while (ngx_http_k8s_template_unknown(&t, &next, &unknown)
               == NGX_DECLINED)
        {
            if (!ngx_http_k8s_snippet_set_by(c, &unknown)) {
                p = ngx_slprintf(p, last, "\"%V\": there is no variable "
                                 "\"%*s\"", &name, ngx_min(unknown.len, 64),
                                 unknown.data);
                c->error->len = p - c->error->data;
                return NGX_DECLINED;
            }
        }

        if (++c->n > NGX_K8S_HEADERS_VARIABLES) {
            p = ngx_slprintf(p, last, "\"%V\": %d values may have variables, "
                             "with those of headers and snippets", &name,
                             NGX_K8S_HEADERS_VARIABLES);
            c->error->len = p - c->error->data;
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_snippet_mapped(ngx_http_k8s_snippet_check_t *c, ngx_str_t *var)
{
    ngx_str_t            *name;
    ngx_uint_t            i;
    ngx_k8s_statement_t  *st;

    if (c->maps) {
        return ngx_http_k8s_tables_has(c->maps, var);
    }

    st = c->http.statements.elts;

    for (i = 0; i < c->http.statements.nelts; i = st[i].end) {

        name = &st[i].words[st[i].n - 1];

        if (name->len == var->len + 1
            && ngx_strncasecmp(name->data + 1, var->data, var->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* variables that statements set; those of nginx are not theirs */

static ngx_int_t
ngx_http_k8s_snippet_sets(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_snippet_t *s)
{
    ngx_str_t            *name, var;
    ngx_uint_t            i;
    ngx_k8s_statement_t  *st;

    static ngx_str_t  args = ngx_string("args");
    static ngx_str_t  rate = ngx_string("limit_rate");

    st = s->statements.elts;

    for (i = 0; i < s->statements.nelts; i++) {

        if (st[i].directive->effect != NGX_K8S_SNIPPET_SET) {
            continue;
        }

        var.len = st[i].words[0].len - 1;
        var.data = st[i].words[0].data + 1;

        ngx_strlow(var.data, var.data, var.len);

        if ((var.len == args.len
             && ngx_memcmp(var.data, args.data, args.len) == 0)
            || (var.len == rate.len
                && ngx_memcmp(var.data, rate.data, rate.len) == 0))
        {
            continue;
        }

        if (ngx_http_k8s_variable_known(&var)) {
            return ngx_http_k8s_snippet_failed(c, &st[i],
                                               "\"$%V\" cannot be set", &var);
        }

        if (ngx_http_k8s_snippet_set_by(c, &var)) {
            continue;
        }

        if (c->sets.nelts == NGX_HTTP_K8S_SETS) {
            return ngx_http_k8s_snippet_failed(c, &st[i],
                                               "%d variables can be set",
                                               NGX_HTTP_K8S_SETS);
        }

        name = ngx_array_push(&c->sets);
        if (name == NULL) {
            return NGX_ERROR;
        }

        *name = var;
    }

    return NGX_OK;
}


/* whether a statement sets the variable */

static ngx_uint_t
ngx_http_k8s_snippet_set_by(ngx_http_k8s_snippet_check_t *c, ngx_str_t *var)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    name = c->sets.elts;

    for (i = 0; i < c->sets.nelts; i++) {
        if (name[i].len == var->len
            && ngx_memcmp(name[i].data, var->data, var->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_k8s_snippet_statement(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_statement_t *st)
{
    ngx_int_t            rc;
    ngx_str_t            path;
    ngx_uint_t           i, kind;
    ngx_k8s_condition_t  condition;

    i = 0;
    rc = NGX_OK;

    switch (st->directive->effect) {

    case NGX_K8S_SNIPPET_IF:
        (void) ngx_k8s_snippet_condition(st->words, st->n, &condition);

        rc = ngx_http_k8s_snippet_known(c, st, &condition.variable);

        if (rc != NGX_OK) {
            return rc;
        }

        return (condition.op == NGX_K8S_SNIPPET_MATCH)
               ? ngx_http_k8s_snippet_regex(c, st, &condition.value)
               : ngx_http_k8s_snippet_known(c, st, &condition.value);

    case NGX_K8S_SNIPPET_IN:
        (void) ngx_k8s_snippet_place(st->words, st->n, &kind, &path);

        return (kind == NGX_K8S_SNIPPET_REGEX
                || kind == NGX_K8S_SNIPPET_REGEX_ANY)
               ? ngx_http_k8s_snippet_regex(c, st, &path) : NGX_OK;

    case NGX_K8S_SNIPPET_REWRITE:
        rc = ngx_http_k8s_snippet_regex(c, st, &st->words[0]);
        i = 1;
        break;

    case NGX_K8S_SNIPPET_SET:
        i = 1;
        break;

    default:
        break;
    }

    for ( /* void */ ; rc == NGX_OK && i < st->n; i++) {

        rc = ngx_http_k8s_snippet_known(c, st, &st->words[i]);

        if ((st->directive->effect == NGX_K8S_SNIPPET_TOKEN
             || st->directive->effect == NGX_K8S_SNIPPET_SET_HEADER)
            && ngx_http_k8s_snippet_varies(&st->words[i])
            && ++c->n > NGX_K8S_HEADERS_VARIABLES
            && rc == NGX_OK)
        {
            rc = ngx_http_k8s_snippet_failed(c, st, "%d values may have "
                                             "variables",
                                             NGX_K8S_HEADERS_VARIABLES);
        }
    }

    return rc;
}


static ngx_int_t
ngx_http_k8s_snippet_known(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_statement_t *st, ngx_str_t *text)
{
    ngx_str_t                 var;
    ngx_uint_t                next;
    ngx_http_k8s_template_t   t;

    if (ngx_http_k8s_template_own(c->pool, text, &t) != NGX_OK) {
        return NGX_ERROR;
    }

    next = 0;

    while (ngx_http_k8s_template_unknown(&t, &next, &var) == NGX_DECLINED) {

        if (!ngx_http_k8s_snippet_set_by(c, &var)
            && !ngx_http_k8s_snippet_mapped(c, &var))
        {
            return ngx_http_k8s_snippet_failed(c, st, "there is no variable "
                                               "\"%*s\"",
                                               ngx_min(var.len, 64), var.data);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_snippet_regex(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_statement_t *st, ngx_str_t *pattern)
{
    u_char     buf[NGX_MAX_CONF_ERRSTR];
    ngx_int_t  rc;
    ngx_str_t  why;

    why.data = buf;

    rc = ngx_http_k8s_regex_check(pattern, &why, c->pool->log);

    return (rc == NGX_DECLINED) ? ngx_http_k8s_snippet_failed(c, st, "%V",
                                                              &why)
                                : rc;
}


static ngx_int_t ngx_cdecl
ngx_http_k8s_snippet_failed(ngx_http_k8s_snippet_check_t *c,
    ngx_k8s_statement_t *st, const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;

    p = c->error->data;
    last = p + NGX_HTTP_K8S_PROFILE_ERROR;

    p = ngx_slprintf(p, last, "line %ui: \"%V\": ", st->line,
                     &st->directive->name);

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    c->error->len = p - c->error->data;

    return NGX_DECLINED;
}
