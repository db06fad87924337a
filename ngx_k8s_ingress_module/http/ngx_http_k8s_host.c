
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What a request says of itself that others than nginx may read otherwise: its
 * host, and that it is to go on as HTTP/2.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_route.h>


/*
 * The host of an absolute request target is r->headers_in.server, so that a
 * request is routed by it; it stands for the Host header as well (RFC 9112,
 * section 3.2.2): for the backend, redirects and logs.
 */

ngx_int_t
ngx_http_k8s_set_host(ngx_http_request_t *r)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    p = r->host_end;

    if (p == NULL) {
        return NGX_OK;
    }

    /* a port follows; the :authority of HTTP/3 ends with it */

    if (r->http_version <= NGX_HTTP_VERSION_11 && *p == ':') {

        do {
            p++;
        } while (*p >= '0' && *p <= '9');
    }

    h = r->headers_in.host;

    if (h == NULL) {
        h = ngx_list_push(&r->headers_in.headers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        ngx_str_set(&h->key, "Host");
        h->lowcase_key = (u_char *) "host";
        h->hash = ngx_hash_key(h->lowcase_key, h->key.len);
        h->next = NULL;

        r->headers_in.host = h;
    }

    h->value.len = p - r->host_start;
    h->value.data = r->host_start;

    return NGX_OK;
}


/*
 * nginx routes by what stands before the first colon, and does not look at the
 * rest: an auth server that reads "a.example:@b.example" in X-Original-URL
 * takes the request for one to the other host.
 */

ngx_uint_t
ngx_http_k8s_host_valid(ngx_http_request_t *r)
{
    u_char     *p, *last;
    ngx_str_t  *host;

    /* in no host of RFC 3986, or of a name in UTF-8 */

    static uint32_t  invalid[] = {
        0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */

                    /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
        0xd000802d, /* 1101 0000 0000 0000  1000 0000 0010 1101 */

                    /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
        0x50000001, /* 0101 0000 0000 0000  0000 0000 0000 0001 */

                    /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
        0xb8000001, /* 1011 1000 0000 0000  0000 0000 0000 0001 */

        0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */
        0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */
        0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */
        0x00000000  /* 0000 0000 0000 0000  0000 0000 0000 0000 */
    };

    host = &r->headers_in.host->value;

    last = host->data + host->len;

    for (p = host->data; p < last; p++) {
        if (invalid[*p >> 5] & (1U << (*p & 0x1f))) {
            return 0;
        }
    }

    /* without port and trailing dot: ngx_http_validate_host() */

    p = host->data + ngx_min(r->headers_in.server.len, host->len);

    if (p < last && *p == '.') {
        p++;
    }

    if (p == last) {
        return 1;
    }

    if (*p++ != ':') {
        return 0;
    }

    while (p < last && *p >= '0' && *p <= '9') { p++; }

    return p == last;
}


/*
 * To a backend that switches to HTTP/2 the client could send requests that
 * nobody sees, for paths that are protected.
 */

ngx_int_t
ngx_http_k8s_no_h2c(ngx_http_request_t *r)
{
    ngx_str_t         none;
    ngx_table_elt_t  *h;

    for (h = r->headers_in.upgrade; h; h = h->next) {

        if (ngx_strlcasestrn(h->value.data, h->value.data + h->value.len,
                             (u_char *) "h2c", 3 - 1)
            == NULL)
        {
            continue;
        }

        h = r->headers_in.upgrade;
        r->headers_in.upgrade = NULL;

        ngx_str_null(&none);

        return ngx_http_k8s_header_sent(r, h, &none);
    }

    return NGX_OK;
}
