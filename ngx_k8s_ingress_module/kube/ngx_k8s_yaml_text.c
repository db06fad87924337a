
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_yaml.h>


static ngx_int_t ngx_k8s_yaml_utf16(ngx_k8s_yaml_decode_t *d, u_char *text,
    size_t len, size_t max);
static void ngx_k8s_yaml_marks(ngx_k8s_yaml_decode_t *d, u_char *text,
    size_t len, size_t max);


void
ngx_k8s_yaml_decode_begin(ngx_k8s_yaml_decode_t *d, u_char *text, size_t len)
{
    ngx_memzero(d, sizeof(ngx_k8s_yaml_decode_t));

    d->utf16 = (len >= 2 && ((text[0] == 0xff && text[1] == 0xfe)
                             || (text[0] == 0xfe && text[1] == 0xff)));
    d->big = (d->utf16 && text[0] == 0xfe);
    d->pos = d->utf16 ? 2 : 0;
}


ngx_int_t
ngx_k8s_yaml_decode_run(ngx_k8s_yaml_decode_t *d, u_char **text, size_t *len,
    size_t max, ngx_log_t *log)
{
    if (d->utf16 && d->text == NULL) {

        /* a unit is three bytes at most */

        d->text = ngx_alloc(*len / 2 * 3 + 1, log);
        if (d->text == NULL) {
            return NGX_ERROR;
        }
    }

    if (d->utf16) {

        if (ngx_k8s_yaml_utf16(d, *text, *len, max) == NGX_OK) {
            ngx_explicit_memzero(*text, *len);
            ngx_free(*text);

            *text = d->text;
            *len = d->len;

            ngx_memzero(d, sizeof(ngx_k8s_yaml_decode_t));
        }

        return NGX_AGAIN;
    }

    ngx_k8s_yaml_marks(d, *text, *len, max);

    if (d->pos < *len) {
        return NGX_AGAIN;
    }

    *len = d->len;

    return NGX_OK;
}


void
ngx_k8s_yaml_decode_end(ngx_k8s_yaml_decode_t *d)
{
    if (d->text) {
        ngx_explicit_memzero(d->text, d->len);
        ngx_free(d->text);
        d->text = NULL;
    }
}


/* half of a pair becomes U+FFFD; NGX_OK, or NGX_AGAIN */

static ngx_int_t
ngx_k8s_yaml_utf16(ngx_k8s_yaml_decode_t *d, u_char *text, size_t len,
    size_t max)
{
    u_char    *p;
    size_t     i, last;
    uint32_t   ch, pair;

    p = d->text + d->len;
    last = ngx_min(len, d->pos + max);

#define ngx_k8s_yaml_unit(i)                                                  \
    (d->big ? (uint32_t) text[i] << 8 | text[(i) + 1]                         \
            : (uint32_t) text[(i) + 1] << 8 | text[i])

    for (i = d->pos; i + 1 < len && i < last; i += 2) {

        ch = ngx_k8s_yaml_unit(i);

        if (ch >= 0xd800 && ch <= 0xdbff && i + 3 < len) {
            pair = ngx_k8s_yaml_unit(i + 2);

            if (pair >= 0xdc00 && pair <= 0xdfff) {
                ch = 0x10000 + ((ch - 0xd800) << 10) + (pair - 0xdc00);
                i += 2;
            }
        }

        if (ch >= 0xd800 && ch <= 0xdfff) {
            ch = 0xfffd;
        }

        if (ch < 0x80) {
            *p++ = ch;
            continue;
        }

        if (ch < 0x800) {
            *p++ = 0xc0 | ch >> 6;

        } else {

            if (ch < 0x10000) {
                *p++ = 0xe0 | ch >> 12;

            } else {
                *p++ = 0xf0 | ch >> 18;
                *p++ = 0x80 | (ch >> 12 & 0x3f);
            }

            *p++ = 0x80 | (ch >> 6 & 0x3f);
        }

        *p++ = 0x80 | (ch & 0x3f);
    }

#undef ngx_k8s_yaml_unit

    d->pos = i;
    d->len = p - d->text;

    return (i + 1 < len) ? NGX_AGAIN : NGX_OK;
}


/* takes byte order marks away from the begin of lines */

static void
ngx_k8s_yaml_marks(ngx_k8s_yaml_decode_t *d, u_char *text, size_t len,
    size_t max)
{
    u_char  *p, *dst, *end, *last;

    p = text + d->pos;
    dst = text + d->len;
    end = text + len;
    last = p + ngx_min((size_t) (end - p), max);

    /* most have none */

    if (p == dst && memchr(p, 0xef, last - p) == NULL) {
        p = last;
        dst = last;
    }

    while (p < last) {

        if (*p == 0xef && end - p >= 3 && p[1] == 0xbb && p[2] == 0xbf
            && (p == text || p[-1] == LF))
        {
            p += 3;
            continue;
        }

        *dst++ = *p++;
    }

    d->pos = p - text;
    d->len = dst - text;
}
