
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_route.h>


static void ngx_http_k8s_sent_host(ngx_http_request_t *r, ngx_str_t *host);
static ngx_int_t ngx_http_k8s_location(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *location);


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
    ngx_uint_t keep_slash)
{
    u_char     *p;
    ngx_str_t   host, uri, location;

    ngx_http_k8s_sent_host(r, &host);

    uri = r->unparsed_uri;

    if (!keep_slash && uri.len && uri.data[uri.len - 1] == '/') {
        uri.len--;
    }

    location.len = sizeof("https://") - 1 + host.len + uri.len;
    location.data = ngx_pnalloc(r->pool, location.len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(location.data, "https://", sizeof("https://") - 1);
    p = ngx_cpymem(p, host.data, host.len);
    ngx_memcpy(p, uri.data, uri.len);

    return ngx_http_k8s_location(r, status, &location);
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
        ngx_str_set(&scheme, "http");

#if (NGX_HTTP_SSL)
        if (r->connection->ssl) {
            ngx_str_set(&scheme, "https");
        }
#endif
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


/* the Host header as it was written, without its port */

static void
ngx_http_k8s_sent_host(ngx_http_request_t *r, ngx_str_t *host)
{
    u_char  *p, *last;

    if (r->headers_in.host == NULL) {
        *host = r->headers_in.server;
        return;
    }

    *host = r->headers_in.host->value;

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
