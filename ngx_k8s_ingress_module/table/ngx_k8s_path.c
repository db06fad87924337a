
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>
#include <ngx_k8s_path.h>



ngx_int_t
ngx_k8s_path_cmp(ngx_uint_t type1, ngx_str_t *text1, ngx_uint_t type2,
    ngx_str_t *text2)
{
    ngx_int_t  rc;

    if ((type1 == NGX_K8S_PATH_REGEX) != (type2 == NGX_K8S_PATH_REGEX)) {
        return (type1 == NGX_K8S_PATH_REGEX) ? 1 : -1;
    }

    if (text1->len != text2->len) {
        return (text1->len > text2->len) ? -1 : 1;
    }

    rc = ngx_memcmp(text1->data, text2->data, text1->len);

    if (rc != 0) {
        return (type1 == NGX_K8S_PATH_REGEX) ? -rc : rc;
    }

    return (ngx_int_t) type1 - (ngx_int_t) type2;
}


size_t
ngx_k8s_path_literal(ngx_str_t *text)
{
    size_t  n;

    if (ngx_k8s_path_alternatives(text)) {
        return 0;
    }

    for (n = 0; n < text->len; n++) {

        switch (text->data[n]) {

        case '*':
        case '+':
        case '?':
        case '{':

            /* how often the one before it */

            return n ? n - 1 : 0;

        case '^':
        case '$':
        case '.':
        case '[':
        case '(':
        case ')':
        case '\\':
            return n;
        }
    }

    return n;
}


/* parentheses are counted only where nothing can hide them */

ngx_uint_t
ngx_k8s_path_alternatives(ngx_str_t *text)
{
    u_char      *p, *last;
    ngx_int_t    depth;
    ngx_uint_t   hidden;

    last = text->data + text->len;
    hidden = 0;
    depth = 0;

    for (p = text->data; p < last; p++) {

        switch (*p) {

        case '\\':
        case '[':
            hidden = 1;
            break;

        case '(':
            hidden |= (p + 1 < last && (p[1] == '?' || p[1] == '*'));
            depth++;
            break;

        case ')':
            depth--;
            break;

        case '|':
            if (hidden || depth <= 0) {
                return 1;
            }

            break;
        }
    }

    return 0;
}


void
ngx_k8s_path_prefix(ngx_str_t *text)
{
    while (text->len && text->data[text->len - 1] == '/') {
        text->len--;
    }
}


ngx_uint_t
ngx_k8s_path_elements(u_char *text, size_t len)
{
    size_t      i;
    ngx_uint_t  n;

    n = 0;

    for (i = 0; i < len; i++) {
        if (text[i] == '/') {
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_k8s_path_nbuckets(ngx_uint_t n)
{
    ngx_uint_t  size;

    if (n <= NGX_K8S_PATH_LINEAR) {
        return 0;
    }

    for (size = 2 * NGX_K8S_PATH_LINEAR; size < n + n / 2; size <<= 1) {
        /* void */
    }

    return size;
}


ngx_uint_t
ngx_k8s_path_fill(void *base, ngx_k8s_path_t *paths, ngx_uint_t n,
    uint32_t *buckets, ngx_uint_t nbuckets)
{
    uint32_t        *bucket;
    ngx_str_t        text;
    ngx_uint_t       i, elements, longest;
    ngx_k8s_path_t  *path;

    longest = 0;

    /* backwards, so that chains go up and have no loop */

    for (i = n; i-- > 0; /* void */ ) {
        path = &paths[i];
        ngx_k8s_record_str(base, &path->text, &text);

        path->hash = ngx_k8s_hash(text.data, text.len);
        path->next = 0;

        if (path->type == NGX_K8S_PATH_REGEX) {
            path->literal = ngx_k8s_path_literal(&text);
            continue;
        }

        elements = ngx_k8s_path_elements(text.data, text.len);
        longest = ngx_max(longest, elements);

        if (nbuckets == 0) {
            continue;
        }

        bucket = &buckets[path->hash & (nbuckets - 1)];
        path->next = *bucket;
        *bucket = i + 1;
    }

    return longest;
}
