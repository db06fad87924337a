
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Values in lines of the access log, escaped as nginx does it; but for JSON,
 * where what is no UTF-8 is escaped as well, so that a line is JSON, whatever
 * bytes a client sends.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_log.h>


/* "\u00XX" */
#define NGX_HTTP_K8S_LOG_CODE        6


static size_t ngx_http_k8s_log_json(u_char *p, u_char *last, size_t *size);
static size_t ngx_http_k8s_log_utf8(u_char *p, u_char *last);
static u_char *ngx_http_k8s_log_escape_json(u_char *dst, ngx_str_t *text);
static u_char *ngx_http_k8s_log_escape_hex(u_char *dst, ngx_str_t *text);


static u_char  ngx_http_k8s_log_hex[] = "0123456789ABCDEF";


/* bytes that are escaped, but for UTF-8 */

static uint32_t  ngx_http_k8s_log_strange[] = {
    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */

                /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
    0x00000004, /* 0000 0000 0000 0000  0000 0000 0000 0100 */

                /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
    0x10000000, /* 0001 0000 0000 0000  0000 0000 0000 0000 */

                /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
    0x80000000, /* 1000 0000 0000 0000  0000 0000 0000 0000 */

    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */
    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */
    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */
    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */
};

#define ngx_http_k8s_log_plain(c)                                             \
    !((ngx_http_k8s_log_strange[(c) >> 5] >> ((c) & 0x1f)) & 1)


size_t
ngx_http_k8s_log_escaped(ngx_uint_t escape, ngx_str_t *text)
{
    u_char  *p, *last;
    size_t   n, size;

    n = 0;
    p = text->data;
    last = p + text->len;

    switch (escape) {

    case NGX_HTTP_K8S_LOG_DEFAULT:

        for ( /* void */ ; p < last; p++) {
            n += !ngx_http_k8s_log_plain(*p);
        }

        return 3 * n;

    case NGX_HTTP_K8S_LOG_JSON:

        while (p < last) {

            if (ngx_http_k8s_log_plain(*p)) {
                p++;
                continue;
            }

            p += ngx_http_k8s_log_json(p, last, &size);
            n += size;
        }

        return n;

    default: /* NGX_HTTP_K8S_LOG_NONE */
        return 0;
    }
}


u_char *
ngx_http_k8s_log_escape(u_char *dst, ngx_uint_t escape, ngx_str_t *text)
{
    switch (escape) {

    case NGX_HTTP_K8S_LOG_DEFAULT:
        return ngx_http_k8s_log_escape_hex(dst, text);

    case NGX_HTTP_K8S_LOG_JSON:
        return ngx_http_k8s_log_escape_json(dst, text);

    default: /* NGX_HTTP_K8S_LOG_NONE */
        return ngx_cpymem(dst, text->data, text->len);
    }
}


static u_char *
ngx_http_k8s_log_escape_hex(u_char *dst, ngx_str_t *text)
{
    u_char  *p, *last;

    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        if (ngx_http_k8s_log_plain(*p)) {
            *dst++ = *p;
            continue;
        }

        *dst++ = '\\';
        *dst++ = 'x';
        *dst++ = ngx_http_k8s_log_hex[*p >> 4];
        *dst++ = ngx_http_k8s_log_hex[*p & 0xf];
    }

    return dst;
}


static u_char *
ngx_http_k8s_log_escape_json(u_char *dst, ngx_str_t *text)
{
    u_char  *p, *last, c;
    size_t   n, size;

    p = text->data;
    last = p + text->len;

    while (p < last) {

        n = ngx_http_k8s_log_json(p, last, &size);

        if (size == 0) {
            dst = ngx_cpymem(dst, p, n);
            p += n;
            continue;
        }

        c = *p++;

        *dst++ = '\\';

        switch (c) {

        case LF:
            *dst++ = 'n';
            continue;

        case CR:
            *dst++ = 'r';
            continue;

        case '\t':
            *dst++ = 't';
            continue;

        case '\b':
            *dst++ = 'b';
            continue;

        case '\f':
            *dst++ = 'f';
            continue;

        case '"':
        case '\\':
            *dst++ = c;
            continue;

        default:
            *dst++ = 'u';
            *dst++ = '0';
            *dst++ = '0';
            *dst++ = ngx_http_k8s_log_hex[c >> 4];
            *dst++ = ngx_http_k8s_log_hex[c & 0xf];
        }
    }

    return dst;
}


/* bytes of the character at p, and how many are added to write it */

static size_t
ngx_http_k8s_log_json(u_char *p, u_char *last, size_t *size)
{
    size_t  n;

    switch (*p) {

    case LF:
    case CR:
    case '\t':
    case '\b':
    case '\f':
    case '"':
    case '\\':
        *size = 1;
        return 1;
    }

    n = ngx_http_k8s_log_utf8(p, last);

    *size = n ? 0 : NGX_HTTP_K8S_LOG_CODE - 1;

    return n ? n : 1;
}


/* 0: it is none, or a control character */

static size_t
ngx_http_k8s_log_utf8(u_char *p, u_char *last)
{
    size_t  i, n;
    u_char  c, min, max;

    c = *p;

    if (c < 0x80) {
        return c >= ' ';
    }

    if (c < 0xc2 || c > 0xf4) {
        return 0;
    }

    /* of the second byte: neither longer than need be, nor surrogates, nor
       above the last character */

    min = (c == 0xe0) ? 0xa0 : (c == 0xf0) ? 0x90 : 0x80;
    max = (c == 0xed) ? 0x9f : (c == 0xf4) ? 0x8f : 0xbf;

    n = (c < 0xe0) ? 2 : (c < 0xf0) ? 3 : 4;

    if ((size_t) (last - p) < n || p[1] < min || p[1] > max) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}
