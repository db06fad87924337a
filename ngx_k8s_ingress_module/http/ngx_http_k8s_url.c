
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_url.h>
#include <ngx_k8s_ranges.h>


static ngx_uint_t ngx_http_k8s_url_path(u_char *p, u_char *last);


/* variables that begin with a slash: a path begins with them */

static ngx_str_t  ngx_http_k8s_url_paths[] = {
    ngx_string("request_uri"),
    ngx_string("uri"),
    ngx_string("document_uri")
};


ngx_int_t
ngx_http_k8s_url(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *none,
    ngx_http_k8s_url_t *url)
{
    u_char     *p, *last;
    ngx_str_t   host, uri;

    last = text->data + text->len;
    p = ngx_strlchr(text->data, last, ':');

    url->ssl = (p - text->data == sizeof("https") - 1);

    host.data = p + sizeof("://") - 1;

    for (p = host.data; p < last; p++) {
        if (*p == '/' || *p == '?' || ngx_http_k8s_url_path(p, last)) {
            break;
        }
    }

    host.len = p - host.data;

    uri.len = last - p;
    uri.data = p;

    if (uri.len == 0) {
        uri = *none;

    } else if (*p == '?') {

        uri.data = ngx_pnalloc(pool, 1 + uri.len);
        if (uri.data == NULL) {
            return NGX_ERROR;
        }

        uri.data[0] = '/';
        ngx_memcpy(uri.data + 1, p, uri.len);
        uri.len++;
    }

    if (ngx_http_k8s_template_compile(pool, &host, &url->host) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_template_compile(pool, &uri, &url->uri);
}


static ngx_uint_t
ngx_http_k8s_url_path(u_char *p, u_char *last)
{
    ngx_str_t   name;
    ngx_uint_t  i, n;

    if (*p != '$' || !ngx_k8s_variable(&p, last, &name)) {
        return 0;
    }

    n = sizeof(ngx_http_k8s_url_paths) / sizeof(ngx_str_t);

    for (i = 0; i < n; i++) {
        if (name.len == ngx_http_k8s_url_paths[i].len
            && ngx_strncasecmp(name.data, ngx_http_k8s_url_paths[i].data,
                               name.len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_url_host(ngx_http_request_t *r, ngx_http_k8s_url_t *url,
    ngx_str_t *host)
{
    ngx_http_k8s_captures_t  captures;

    ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

    return ngx_http_k8s_template_run_header(r, &url->host, &captures, host);
}


ngx_int_t
ngx_http_k8s_url_parse(ngx_pool_t *pool, ngx_http_k8s_url_t *url,
    ngx_str_t *host, ngx_url_t *u)
{
    ngx_memzero(u, sizeof(ngx_url_t));

    u->url = *host;
    u->default_port = url->ssl ? 443 : 80;
    u->no_resolve = 1;

    return (ngx_parse_url(pool, u) == NGX_OK && u->family != AF_UNIX
            && u->uri.len == 0 && u->host.len)
           ? NGX_OK : NGX_DECLINED;
}


/* what must not stand in a request line is escaped */

ngx_int_t
ngx_http_k8s_url_uri(ngx_http_request_t *r, ngx_http_k8s_url_t *url,
    ngx_str_t *uri)
{
    u_char                   *p, c;
    size_t                    i, n;
    ngx_str_t                 text;
    ngx_http_k8s_captures_t   captures;

    static u_char  hex[] = "0123456789ABCDEF";

    ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

    if (ngx_http_k8s_template_run(r, &url->uri, &captures, &text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < text.len; i++) {
        n += (text.data[i] <= ' ' || text.data[i] == 0x7f
              || text.data[i] == '#');
    }

    *uri = text;

    if (n == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, text.len + 2 * n);
    if (p == NULL) {
        return NGX_ERROR;
    }

    uri->len = text.len + 2 * n;
    uri->data = p;

    for (i = 0; i < text.len; i++) {

        c = text.data[i];

        if (c > ' ' && c != 0x7f && c != '#') {
            *p++ = c;
            continue;
        }

        *p++ = '%';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 0xf];
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_k8s_url_refused(ngx_k8s_block_t *block, struct sockaddr *sockaddr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;
        return ngx_k8s_address_refused((u_char *) &sin->sin_addr, 4,
                                       block->loopback);

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;
        return ngx_k8s_address_refused(sin6->sin6_addr.s6_addr, 6,
                                       block->loopback);
#endif

    default:
        return 1;
    }
}
