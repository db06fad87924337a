
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_template.h>


static ngx_uint_t ngx_http_k8s_https_port(ngx_k8s_block_t *block);
static void ngx_http_k8s_scheme(ngx_http_request_t *r, ngx_str_t *scheme);
static void ngx_http_k8s_sent_host(ngx_http_request_t *r, ngx_str_t *host);
static ngx_int_t ngx_http_k8s_location(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *location);


ngx_int_t
ngx_http_k8s_redirect_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool)
{
    if (profile->base) {
        profile->no_redirect = profile->base->no_redirect;
        return NGX_OK;
    }

    return ngx_http_k8s_prefixes(pool, &profile->settings->no_redirect,
                                 &profile->no_redirect);
}


ngx_int_t
ngx_http_k8s_prefixes(ngx_pool_t *pool, ngx_str_t *list, ngx_array_t **prefixes)
{
    ngx_str_t  rest, item, *prefix;

    *prefixes = ngx_array_create(pool, 1, sizeof(ngx_str_t));
    if (*prefixes == NULL) {
        return NGX_ERROR;
    }

    rest = *list;

    while (ngx_k8s_item(&rest, &item) == NGX_OK) {

        if (item.len == 0) {
            continue;
        }

        prefix = ngx_array_push(*prefixes);
        if (prefix == NULL) {
            return NGX_ERROR;
        }

        *prefix = item;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_k8s_prefixed(ngx_http_k8s_ctx_t *ctx, ngx_array_t *prefixes)
{
    ngx_str_t    path, *prefix;
    ngx_uint_t   i;

    if (ctx->names == NULL) {
        return 0;
    }

    ngx_k8s_record_str(ctx->names, &ctx->names->path, &path);

    prefix = prefixes->elts;

    for (i = 0; i < prefixes->nelts; i++) {

        if (prefix[i].len <= path.len
            && ngx_memcmp(path.data, prefix[i].data, prefix[i].len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* as nginx itself does for a location "/name/" with a proxy_pass */

ngx_int_t
ngx_http_k8s_add_slash(ngx_http_request_t *r)
{
    u_char     *p;
    uintptr_t   escape;
    ngx_str_t   location;

    escape = 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len, NGX_ESCAPE_URI);

    location.len = r->uri.len + escape + 1
                   + (r->args.len ? 1 + r->args.len : 0);
    location.data = ngx_pnalloc(r->pool, location.len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = (u_char *) ngx_escape_uri(location.data, r->uri.data, r->uri.len,
                                  NGX_ESCAPE_URI);
    *p++ = '/';

    if (r->args.len) {
        *p++ = '?';
        ngx_memcpy(p, r->args.data, r->args.len);
    }

    return ngx_http_k8s_location(r, NGX_HTTP_MOVED_PERMANENTLY, &location);
}


/* the last character goes when it is a slash, be it in the query */

ngx_int_t
ngx_http_k8s_to_https(ngx_http_request_t *r, ngx_uint_t status,
    ngx_uint_t keep_slash, ngx_k8s_block_t *block)
{
    u_char      *p;
    ngx_str_t    host, uri, location;
    ngx_uint_t   port;

    ngx_http_k8s_sent_host(r, &host);

    uri = r->unparsed_uri;

    if (!keep_slash && uri.len && uri.data[uri.len - 1] == '/') {
        uri.len--;
    }

    port = block ? ngx_http_k8s_https_port(block) : 0;

    location.len = sizeof("https://:65535") - 1 + host.len + uri.len;
    location.data = ngx_pnalloc(r->pool, location.len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(location.data, "https://", sizeof("https://") - 1);
    p = ngx_cpymem(p, host.data, host.len);

    if (port) {
        p = ngx_sprintf(p, ":%ui", port);
    }

    p = ngx_cpymem(p, uri.data, uri.len);

    location.len = p - location.data;

    return ngx_http_k8s_location(r, status, &location);
}


/* 0: it does not listen for TLS */

static ngx_uint_t
ngx_http_k8s_https_port(ngx_k8s_block_t *block)
{
    ngx_uint_t         i;
    ngx_k8s_listen_t  *listen;

    listen = block->listens.elts;

    for (i = 0; i < block->listens.nelts; i++) {
        if (listen[i].ssl && !listen[i].udp) {
            return listen[i].port;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_to_path(ngx_http_request_t *r, ngx_str_t *path)
{
    u_char                   *p;
    ngx_str_t                 scheme, host, uri, location;
    ngx_http_k8s_captures_t   captures;

    captures.n = 0;

    if (ngx_http_k8s_template_header(r, path, &captures, &uri) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_k8s_scheme(r, &scheme);

    host = r->headers_in.host ? r->headers_in.host->value
                              : r->headers_in.server;

    location.len = scheme.len + sizeof("://") - 1 + host.len + uri.len;
    location.data = ngx_pnalloc(r->pool, location.len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(location.data, "%V://%V", &scheme, &host);
    ngx_memcpy(p, uri.data, uri.len);

    return ngx_http_k8s_location(r, NGX_HTTP_MOVED_TEMPORARILY, &location);
}


/* as ingress-nginx has it: the port is written, a last slash goes */

ngx_int_t
ngx_http_k8s_to_twin(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_route_t *route)
{
    u_char                     *p, buf[sizeof("65535") - 1];
    ngx_str_t                   scheme, sent, host, port, uri, location;
    ngx_connection_t           *c;
    ngx_http_variable_value_t   v;

    ctx->bare = 1;

    ngx_k8s_record_str(route->record, &route->action->host, &host);

    ngx_http_k8s_scheme(r, &scheme);
    sent = scheme;

    if (ngx_http_k8s_forwarded_proto(r, &v) == NGX_OK) {
        sent.len = v.len;
        sent.data = v.data;
    }

    ngx_str_null(&port);

    if (ngx_http_k8s_forwarded_port(r, &v) == NGX_OK) {
        port.len = v.len;
        port.data = v.data;

    } else if (sent.len == scheme.len
               && ngx_strncasecmp(sent.data, scheme.data, sent.len) == 0)
    {

        /* the connection's is none of another scheme */

        c = r->connection;

        if (ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p = ngx_sprintf(buf, "%ui",
                        (ngx_uint_t) ngx_inet_get_port(c->local_sockaddr));

        port.len = p - buf;
        port.data = buf;
    }

    uri = r->unparsed_uri;

    if (uri.len && uri.data[uri.len - 1] == '/') {
        uri.len--;
    }

    location.len = sent.len + sizeof("://:") - 1 + host.len + port.len
                   + uri.len;

    location.data = ngx_pnalloc(r->pool, location.len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(location.data, "%V://%V%s%V", &sent, &host,
                    port.len ? ":" : "", &port);
    p = ngx_cpymem(p, uri.data, uri.len);

    location.len = p - location.data;

    return ngx_http_k8s_location(r, ngx_http_k8s_settings(ctx)->redirect_code,
                                 &location);
}


ngx_int_t
ngx_http_k8s_redirect_to(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *url)
{
    ngx_str_t  location;

    /* the policy may go before the answer is sent */

    location.len = url->len;
    location.data = ngx_pstrdup(r->pool, url);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_k8s_location(r, status, &location);
}


ngx_int_t
ngx_http_k8s_redirect(ngx_http_request_t *r, ngx_k8s_route_t *route)
{
    u_char            *p;
    size_t             len, prefix;
    ngx_str_t          scheme, host, path, text, rest, location;
    ngx_k8s_action_t  *action;

    action = route->action;

    ngx_k8s_record_str(route->record, &action->scheme, &scheme);
    ngx_k8s_record_str(route->record, &action->host, &host);
    ngx_k8s_record_str(route->record, &action->path, &path);

    if (scheme.len == 0) {
        ngx_http_k8s_scheme(r, &scheme);
    }

    if (host.len == 0) {
        ngx_http_k8s_sent_host(r, &host);
    }

    rest = r->unparsed_uri;

    switch (action->path_kind) {

    case NGX_K8S_REDIRECT_PATH_KEEP:
        path.len = 0;
        break;

    case NGX_K8S_REDIRECT_PATH_FULL:
        rest = r->args;
        break;

    case NGX_K8S_REDIRECT_PATH_PREFIX:
        prefix = 0;

        if (route->path) {
            ngx_k8s_record_str(route->record, &route->path->text, &text);
            prefix = ngx_min(text.len, r->uri.len);
        }

        if (path.len && path.data[path.len - 1] == '/') {
            path.len--;
        }

        rest.data = r->uri.data + prefix;
        rest.len = r->uri.len - prefix;

        if (path.len + rest.len == 0) {
            ngx_str_set(&path, "/");
        }

        break;
    }

    len = scheme.len + sizeof("://:65535?") - 1 + host.len + path.len
          + 3 * rest.len + r->args.len + 1;

    location.data = ngx_pnalloc(r->pool, len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(location.data, "%V://%V", &scheme, &host);

    if (action->port) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) action->port);
    }

    p = ngx_cpymem(p, path.data, path.len);

    if (action->path_kind == NGX_K8S_REDIRECT_PATH_KEEP) {
        p = ngx_cpymem(p, rest.data, rest.len);

    } else {
        if (action->path_kind == NGX_K8S_REDIRECT_PATH_PREFIX) {
            p = (u_char *) ngx_escape_uri(p, rest.data, rest.len,
                                          NGX_ESCAPE_URI);
        }

        if (r->args.len) {
            *p++ = '?';
            p = ngx_cpymem(p, r->args.data, r->args.len);
        }
    }

    location.len = p - location.data;

    return ngx_http_k8s_location(r, action->status ? action->status
                                                   : NGX_HTTP_MOVED_TEMPORARILY,
                                 &location);
}


static void
ngx_http_k8s_scheme(ngx_http_request_t *r, ngx_str_t *scheme)
{
#if (NGX_HTTP_SSL)
    if (r->connection->ssl) {
        ngx_str_set(scheme, "https");
        return;
    }
#endif

    ngx_str_set(scheme, "http");
}


/* the Host header as it was written, without its port */

static void
ngx_http_k8s_sent_host(ngx_http_request_t *r, ngx_str_t *host)
{
    u_char                     *p, *last;
    ngx_http_variable_value_t   v;

    if (ngx_http_k8s_forwarded_host(r, &v) == NGX_OK) {
        host->len = v.len;
        host->data = v.data;

    } else if (r->headers_in.host) {
        *host = r->headers_in.host->value;

    } else {
        *host = r->headers_in.server;
        return;
    }

    p = host->data;
    last = p + host->len;

    if (p < last && *p == '[') {
        p = ngx_strlchr(p, last, ']');

        if (p == NULL) {
            return;
        }
    }

    p = ngx_strlchr(p, last, ':');

    if (p) {
        host->len = p - host->data;
    }
}


static ngx_int_t
ngx_http_k8s_location(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *location)
{
    ngx_table_elt_t  *h;

    ngx_http_clear_location(r);

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    h->hash = 1;
    h->next = NULL;
    ngx_str_set(&h->key, "Location");
    h->value = *location;

    r->headers_out.location = h;

    return status;
}
