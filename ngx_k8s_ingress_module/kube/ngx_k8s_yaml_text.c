
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_yaml.h>


static u_char *ngx_k8s_yaml_utf16(u_char *text, size_t len, ngx_uint_t big,
    size_t *size, ngx_log_t *log);
static size_t ngx_k8s_yaml_marks(u_char *text, size_t len);


ngx_int_t
ngx_k8s_yaml_decode(u_char **text, size_t *len, ngx_log_t *log)
{
    u_char  *p, *t;
    size_t   size;

    t = *text;

    if (*len >= 2 && ((t[0] == 0xff && t[1] == 0xfe)
                      || (t[0] == 0xfe && t[1] == 0xff)))
    {
        p = ngx_k8s_yaml_utf16(t + 2, *len - 2, t[0] == 0xfe, &size, log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_explicit_memzero(t, *len);
        ngx_free(t);

        *text = p;
        *len = size;
    }

    *len = ngx_k8s_yaml_marks(*text, *len);

    return NGX_OK;
}


/* in new memory; half of a pair becomes U+FFFD */

static u_char *
ngx_k8s_yaml_utf16(u_char *text, size_t len, ngx_uint_t big, size_t *size,
    ngx_log_t *log)
{
    u_char    *p, *start;
    size_t     i;
    uint32_t   ch, pair;

    /* a unit is three bytes at most */

    start = ngx_alloc(len / 2 * 3 + 1, log);
    if (start == NULL) {
        return NULL;
    }

    p = start;
    pair = 0;

#define ngx_k8s_yaml_unit(i)                                                  \
    (big ? (uint32_t) text[i] << 8 | text[(i) + 1]                            \
         : (uint32_t) text[(i) + 1] << 8 | text[i])

    for (i = 0; i + 1 < len; i += 2) {

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

    *size = p - start;

    return start;
}


/* takes byte order marks away from the begin of lines; the new length */

static size_t
ngx_k8s_yaml_marks(u_char *text, size_t len)
{
    u_char  *p, *last, *dst;

    last = text + len;

    /* most have none */

    dst = memchr(text, 0xef, len);
    if (dst == NULL) {
        return len;
    }

    for (p = dst; p < last; p++) {

        if (*p == 0xef && last - p >= 3 && p[1] == 0xbb && p[2] == 0xbf
            && (p == text || p[-1] == LF))
        {
            p += 2;
            continue;
        }

        *dst++ = *p;
    }

    return dst - text;
}
