
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_rewrite.h>


static void ngx_http_k8s_template_value(ngx_http_request_t *r, u_char **pos,
    u_char *last, ngx_http_k8s_captures_t *captures, ngx_str_t *value);
static void ngx_http_k8s_template_variable(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_rewrite_prefix(ngx_http_request_t *r,
    ngx_str_t *text, ngx_http_k8s_captures_t *captures);


ngx_int_t
ngx_http_k8s_template(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value)
{
    size_t        len;
    u_char       *p, *last;
    ngx_str_t    *piece;
    ngx_uint_t    i;
    ngx_array_t   pieces;

    if (ngx_strlchr(text->data, text->data + text->len, '$') == NULL) {
        *value = *text;
        return NGX_OK;
    }

    /* once each: most variables would have another value the next time */

    if (ngx_array_init(&pieces, r->pool, 8, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    p = text->data;
    last = p + text->len;
    len = 0;

    while (p < last) {

        piece = ngx_array_push(&pieces);
        if (piece == NULL) {
            return NGX_ERROR;
        }

        if (*p == '$') {
            ngx_http_k8s_template_value(r, &p, last, captures, piece);

        } else {
            piece->data = p;

            while (p < last && *p != '$') {
                p++;
            }

            piece->len = p - piece->data;
        }

        len += piece->len;

        if (len > NGX_HTTP_K8S_TEMPLATE_MAX) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "\"%V\" makes more than %d bytes", text,
                          NGX_HTTP_K8S_TEMPLATE_MAX);
            return NGX_ERROR;
        }
    }

    value->len = len;
    value->data = ngx_pnalloc(r->pool, len);

    if (value->data == NULL) {
        return NGX_ERROR;
    }

    p = value->data;
    piece = pieces.elts;

    for (i = 0; i < pieces.nelts; i++) {
        p = ngx_cpymem(p, piece[i].data, piece[i].len);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_template_header(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value)
{
    size_t      i;
    u_char     *p;
    uintptr_t   escape;

    if (ngx_http_k8s_template(r, text, captures, value) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < ' ' || value->data[i] == 0x7f) {
            break;
        }
    }

    if (i == value->len) {
        return NGX_OK;
    }

    escape = 2 * ngx_escape_uri(NULL, value->data, value->len, NGX_ESCAPE_URI);

    p = ngx_pnalloc(r->pool, value->len + escape);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->len = (u_char *) ngx_escape_uri(p, value->data, value->len,
                                           NGX_ESCAPE_URI)
                 - p;
    value->data = p;

    return NGX_OK;
}


/* what stands for the "$" at *pos, which is moved behind its name */

static void
ngx_http_k8s_template_value(ngx_http_request_t *r, u_char **pos, u_char *last,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value)
{
    int         *c;
    u_char      *p, *end;
    ngx_int_t    n;
    ngx_str_t    name;

    p = *pos + 1;

    ngx_str_set(value, "");

    if (p < last && *p >= '1' && *p <= '9') {
        n = *p - '0';
        *pos = p + 1;

        if (n < captures->n) {
            c = &captures->captures[2 * n];

            if (c[0] >= 0 && c[1] >= c[0]) {
                value->data = captures->text->data + c[0];
                value->len = c[1] - c[0];
            }
        }

        return;
    }

    end = last;

    if (p < last && *p == '{') {
        p++;
        end = ngx_strlchr(p, last, '}');
    }

    if (end) {
        name.data = p;

        while (p < end
               && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
                   || (*p >= '0' && *p <= '9') || *p == '_'))
        {
            p++;
        }

        name.len = p - name.data;

        if (name.len && (end == last || p == end)) {
            *pos = p + (end != last);
            ngx_http_k8s_template_variable(r, &name, value);
            return;
        }
    }

    ngx_str_set(value, "$");
    (*pos)++;
}


static void
ngx_http_k8s_template_variable(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char                     *low;
    ngx_uint_t                  key;
    ngx_str_t                   var;
    ngx_http_variable_value_t  *v;

    static ngx_str_t  ours = ngx_string("k8s_upstream_host");

    low = ngx_pnalloc(r->pool, name->len);
    if (low == NULL) {
        return;
    }

    key = ngx_hash_strlow(low, name->data, name->len);

    /* made of a template itself */

    if (name->len == ours.len && ngx_memcmp(low, ours.data, ours.len) == 0) {
        return;
    }

    var.data = low;
    var.len = name->len;

    v = ngx_http_get_variable(r, &var, key);

    if (v && !v->not_found) {
        value->data = v->data;
        value->len = v->len;
    }
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

    if (route->path && route->path->literal < route->path->text.len) {
        ngx_k8s_record_str(route->record, &route->path->text, &pattern);

        captures.n = ngx_http_k8s_regex(&pattern, NGX_HTTP_K8S_REGEX_CASELESS,
                                        &r->uri, c, r->connection->log);

        if (captures.n == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ngx_http_k8s_template(r, &settings->rewrite_target, &captures,
                              &ctx->uri)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->uri.len == 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "rewrite-target \"%V\" makes an empty URI",
                      &settings->rewrite_target);

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (settings->forwarded_prefix.len
        && ngx_http_k8s_rewrite_prefix(r, &settings->forwarded_prefix,
                                       &captures)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/* in the place of what the client has sent */

static ngx_int_t
ngx_http_k8s_rewrite_prefix(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_k8s_captures_t *captures)
{
    ngx_str_t         value;
    ngx_uint_t        i, found;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  key = ngx_string("X-Forwarded-Prefix");
    static ngx_str_t  low = ngx_string("x-forwarded-prefix");

    if (ngx_http_k8s_template_header(r, text, captures, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    found = 0;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == low.len
            && ngx_strncasecmp(h[i].key.data, low.data, low.len) == 0)
        {
            h[i].value = value;
            found = 1;
        }
    }

    if (found) {
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->key = key;
    h->value = value;
    h->lowcase_key = low.data;
    h->hash = ngx_hash_key(low.data, low.len);
    h->next = NULL;

    return NGX_OK;
}


/* as the rewrite module leaves a request behind "break" */

void
ngx_http_k8s_rewritten(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    r->uri = ctx->uri;
    r->internal = 1;
    r->valid_unparsed_uri = 0;
    r->valid_location = 0;

    ngx_str_null(&ctx->uri);

    ngx_http_set_exten(r);
}
