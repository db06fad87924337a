
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_admin.h>


#define NGX_HTTP_K8S_ADMIN_BUF  16384


static ngx_int_t ngx_http_k8s_out_buf(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_escape(ngx_http_k8s_admin_t *a, ngx_str_t *s,
    ngx_uint_t json);
static size_t ngx_http_k8s_utf8(u_char *p, u_char *last);


void
ngx_http_k8s_out(ngx_http_k8s_admin_t *a, u_char *data, size_t len)
{
    size_t  n;

    while (len) {

        if (a->failed) {
            return;
        }

        if ((a->buf == NULL || a->buf->last == a->buf->end)
            && ngx_http_k8s_out_buf(a) != NGX_OK)
        {
            a->failed = 1;
            return;
        }

        n = ngx_min(len, (size_t) (a->buf->end - a->buf->last));

        a->buf->last = ngx_cpymem(a->buf->last, data, n);
        a->written += n;

        data += n;
        len -= n;
    }
}


static ngx_int_t
ngx_http_k8s_out_buf(ngx_http_k8s_admin_t *a)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = ngx_chain_get_free_buf(a->request->pool, &a->free);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b = cl->buf;

    if (b->start == NULL) {
        b->start = ngx_palloc(a->request->pool, NGX_HTTP_K8S_ADMIN_BUF);
        if (b->start == NULL) {
            return NGX_ERROR;
        }

        b->end = b->start + NGX_HTTP_K8S_ADMIN_BUF;
    }

    b->pos = b->start;
    b->last = b->start;
    b->temporary = 1;
    b->flush = 0;
    b->last_buf = 0;
    b->last_in_chain = 0;
    b->tag = (ngx_buf_tag_t) &ngx_http_k8s_admin_module;

    *a->last = cl;
    a->last = &cl->next;
    a->buf = b;

    return NGX_OK;
}


void
ngx_http_k8s_printf(ngx_http_k8s_admin_t *a, const char *fmt, ...)
{
    u_char   buf[512], *last;
    va_list  args;

    va_start(args, fmt);
    last = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    ngx_http_k8s_out(a, buf, last - buf);
}


void
ngx_http_k8s_json(ngx_http_k8s_admin_t *a, ngx_str_t *s)
{
    ngx_http_k8s_puts(a, "\"");
    ngx_http_k8s_escape(a, s, 1);
    ngx_http_k8s_puts(a, "\"");
}


void
ngx_http_k8s_label(ngx_http_k8s_admin_t *a, ngx_str_t *s)
{
    ngx_http_k8s_escape(a, s, 0);
}


/* a label of Prometheus knows no \u: what is no UTF-8 is replaced as it is */

static void
ngx_http_k8s_escape(ngx_http_k8s_admin_t *a, ngx_str_t *s, ngx_uint_t json)
{
    size_t   n;
    u_char  *p, *last, *start;

    p = s->data;
    last = p + s->len;
    start = p;

    while (p < last) {

        n = (*p >= 0x80) ? ngx_http_k8s_utf8(p, last)
                         : *p != '"' && *p != '\\' && *p != '\n'
                           && (!json || (*p >= 0x20 && *p != 0x7f));

        if (n) {
            p += n;
            continue;
        }

        ngx_http_k8s_out(a, start, p - start);

        switch (*p) {

        case '"':
            ngx_http_k8s_puts(a, "\\\"");
            break;

        case '\\':
            ngx_http_k8s_puts(a, "\\\\");
            break;

        case '\n':
            ngx_http_k8s_puts(a, "\\n");
            break;

        default:
            if (!json) {
                ngx_http_k8s_puts(a, "\xef\xbf\xbd");

            } else if (*p >= 0x80) {
                ngx_http_k8s_puts(a, "\\ufffd");

            } else {
                ngx_http_k8s_printf(a, "\\u%04xd", (int) *p);
            }
        }

        start = ++p;
    }

    ngx_http_k8s_out(a, start, p - start);
}


/* length of the well-formed UTF-8 character at p, which is not ASCII; or 0 */

static size_t
ngx_http_k8s_utf8(u_char *p, u_char *last)
{
    size_t    i, n;
    uint32_t  c;

    if (*p >= 0xc2 && *p <= 0xdf) {
        n = 2;
        c = *p & 0x1f;

    } else if ((*p & 0xf0) == 0xe0) {
        n = 3;
        c = *p & 0x0f;

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        n = 4;
        c = *p & 0x07;

    } else {
        return 0;
    }

    if ((size_t) (last - p) < n) {
        return 0;
    }

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        c = c << 6 | (p[i] & 0x3f);
    }

    if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000)
        || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
    {
        return 0;
    }

    return n;
}


ngx_str_t
ngx_http_k8s_str(void *record, ngx_k8s_str_t *s)
{
    ngx_str_t  str;

    ngx_k8s_record_str(record, s, &str);

    return str;
}
