
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>
#include <ngx_k8s_path.h>


#define NGX_K8S_BUILDER_SIZE         4096    /* holds every fixed part */
#define NGX_K8S_BUILDER_STRINGS      64      /* power of two */


static ngx_int_t ngx_k8s_builder_need(ngx_k8s_builder_t *b, size_t size);
static ngx_int_t ngx_k8s_builder_grow_strings(ngx_k8s_builder_t *b);
static uint32_t *ngx_k8s_builder_string(ngx_k8s_builder_t *b, u_char *data,
    size_t len);


ngx_int_t
ngx_k8s_builder_init(ngx_k8s_builder_t *b, ngx_log_t *log)
{
    ngx_memzero(b, sizeof(ngx_k8s_builder_t));

    b->log = log;

    b->data = ngx_alloc(NGX_K8S_BUILDER_SIZE, log);
    if (b->data == NULL) {
        return NGX_ERROR;
    }

    b->size = NGX_K8S_BUILDER_SIZE;

    /* pairs of offset and length */

    b->strings = ngx_calloc(2 * NGX_K8S_BUILDER_STRINGS * sizeof(uint32_t),
                            log);
    if (b->strings == NULL) {
        ngx_free(b->data);
        b->data = NULL;
        return NGX_ERROR;
    }

    b->mask = NGX_K8S_BUILDER_STRINGS - 1;

    return NGX_OK;
}


void
ngx_k8s_builder_done(ngx_k8s_builder_t *b)
{
    if (b->data) {
        /* it may have held a private key */
        ngx_explicit_memzero(b->data, b->size);
        ngx_free(b->data);
    }

    if (b->strings) {
        ngx_free(b->strings);
    }

    ngx_memzero(b, sizeof(ngx_k8s_builder_t));
}


void
ngx_k8s_builder_begin(ngx_k8s_builder_t *b, ngx_uint_t type, size_t size)
{
    ngx_k8s_record_t  *rec;

    if (b->nstrings) {
        ngx_memzero(b->strings, 2 * (b->mask + 1) * sizeof(uint32_t));
        b->nstrings = 0;
    }

    b->failed = 0;
    b->summed = 0;
    b->len = ngx_align(size, sizeof(uint64_t));

    ngx_memzero(b->data, b->len);

    rec = (ngx_k8s_record_t *) b->data;
    rec->type = type;
}


void
ngx_k8s_builder_reserve(ngx_k8s_builder_t *b, size_t size)
{
    (void) ngx_k8s_builder_need(b, size);
}


static ngx_int_t
ngx_k8s_builder_need(ngx_k8s_builder_t *b, size_t size)
{
    u_char  *p;
    size_t   len;

    if (b->failed) {
        return NGX_ERROR;
    }

    if (size > NGX_K8S_RECORD_MAX || b->len + size > NGX_K8S_RECORD_MAX) {
        b->failed = 1;
        return NGX_ERROR;
    }

    if (b->len + size <= b->size) {
        return NGX_OK;
    }

    for (len = b->size; len < b->len + size; len *= 2) { /* void */ }

    p = ngx_alloc(len, b->log);
    if (p == NULL) {
        b->failed = 1;
        return NGX_ERROR;
    }

    ngx_memcpy(p, b->data, b->len);
    ngx_explicit_memzero(b->data, b->size);
    ngx_free(b->data);

    b->data = p;
    b->size = len;

    return NGX_OK;
}


uint32_t
ngx_k8s_builder_alloc(ngx_k8s_builder_t *b, size_t size)
{
    uint32_t  offset;

    if (size > NGX_K8S_RECORD_MAX
        || ngx_k8s_builder_need(b, size + sizeof(uint64_t)) != NGX_OK)
    {
        b->failed = 1;
        return 0;
    }

    offset = ngx_align(b->len, sizeof(uint64_t));

    ngx_memzero(b->data + b->len, offset + size - b->len);

    b->len = offset + size;

    return offset;
}


ngx_k8s_str_t
ngx_k8s_builder_str(ngx_k8s_builder_t *b, ngx_str_t *s)
{
    uint32_t       *pair;
    ngx_k8s_str_t   str;

    str.offset = 0;
    str.len = 0;

    if (s->len == 0
        || ngx_k8s_builder_need(b, s->len) != NGX_OK
        || ngx_k8s_builder_grow_strings(b) != NGX_OK)
    {
        return str;
    }

    pair = ngx_k8s_builder_string(b, s->data, s->len);

    if (pair[1] == 0) {
        pair[0] = b->len;
        pair[1] = s->len;

        ngx_memcpy(b->data + b->len, s->data, s->len);

        b->len += s->len;
        b->nstrings++;
    }

    str.offset = pair[0];
    str.len = pair[1];

    return str;
}


void
ngx_k8s_builder_names(ngx_k8s_builder_t *b, ngx_uint_t n, ngx_str_t **names)
{
    u_char             buf[NGX_K8S_KEY_MAX];
    size_t             len;
    ngx_str_t          key;
    ngx_uint_t         i;
    ngx_k8s_str_t      str, s;
    ngx_k8s_record_t  *rec;

    key.data = buf;
    key.len = ngx_k8s_key_names(buf, n, names);

    str = ngx_k8s_builder_str(b, &key);
    len = 0;

    for (i = 0; i < n; i++) {
        len += names[i]->len + 1;
    }

    s.offset = str.offset;

    for (i = 0; i < n; i++) {

        /* a key that would be too long is a hash of them */

        if (len == key.len) {
            s.len = names[i]->len;

        } else {
            s = ngx_k8s_builder_str(b, names[i]);
        }

        if (b->failed) {
            return;
        }

        rec = (ngx_k8s_record_t *) b->data;
        rec->key = str;
        ((ngx_k8s_str_t *) (rec + 1))[i] = s;

        s.offset += s.len + 1;
    }
}


/* the string's place in the hash, with length 0 when it is not there */

static uint32_t *
ngx_k8s_builder_string(ngx_k8s_builder_t *b, u_char *data, size_t len)
{
    uint32_t    *pair;
    ngx_uint_t   i;

    for (i = ngx_k8s_hash(data, len); /* void */ ; i++) {
        pair = &b->strings[2 * (i & b->mask)];

        if (pair[1] == 0
            || (pair[1] == len
                && ngx_memcmp(b->data + pair[0], data, len) == 0))
        {
            return pair;
        }
    }
}


static ngx_int_t
ngx_k8s_builder_grow_strings(ngx_k8s_builder_t *b)
{
    uint32_t    *old, *pair;
    ngx_uint_t   i, n;

    n = b->mask + 1;

    if (b->nstrings < n / 2) {
        return NGX_OK;
    }

    old = b->strings;

    b->strings = ngx_calloc(4 * n * sizeof(uint32_t), b->log);
    if (b->strings == NULL) {
        b->strings = old;
        b->failed = 1;
        return NGX_ERROR;
    }

    b->mask = 2 * n - 1;

    for (i = 0; i < n; i++) {
        if (old[2 * i + 1]) {
            pair = ngx_k8s_builder_string(b, b->data + old[2 * i],
                                          old[2 * i + 1]);
            pair[0] = old[2 * i];
            pair[1] = old[2 * i + 1];
        }
    }

    ngx_free(old);

    return NGX_OK;
}


void
ngx_k8s_builder_paths(ngx_k8s_builder_t *b)
{
    uint32_t         offset;
    ngx_uint_t       n, nbuckets;
    ngx_k8s_host_t  *host;

    if (b->failed) {
        return;
    }

    host = (ngx_k8s_host_t *) b->data;
    n = host->paths.n;
    nbuckets = ngx_k8s_path_nbuckets(n);
    offset = 0;

    if (nbuckets == 0 && host->header.type == NGX_K8S_INDEX_PATHS) {
        nbuckets = 2 * NGX_K8S_PATH_LINEAR;
    }

    if (nbuckets) {
        offset = ngx_k8s_builder_alloc(b, nbuckets * sizeof(uint32_t));

        if (b->failed) {
            return;
        }
    }

    host = (ngx_k8s_host_t *) b->data;

    host->buckets.offset = offset;
    host->buckets.n = nbuckets;

    host->longest = ngx_k8s_path_fill(host,
                                      ngx_k8s_builder_ptr(b,
                                                          host->paths.offset),
                                      n, ngx_k8s_builder_ptr(b, offset),
                                      nbuckets);
}


size_t
ngx_k8s_builder_sum(ngx_k8s_builder_t *b, size_t max)
{
    size_t  n;

    if (b->summed == 0) {
        b->summed = offsetof(ngx_k8s_record_t, type);
        ngx_crc32_init(b->crc);
    }

    n = ngx_min(b->len - b->summed, max);

    ngx_crc32_update(&b->crc, b->data + b->summed, n);

    b->summed += n;

    return n;
}


ngx_int_t
ngx_k8s_builder_place(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w,
    ngx_uint_t kind, size_t max)
{
    u_char    *p;
    size_t     n;
    uint32_t   slot;

    if (b->failed) {
        return NGX_DECLINED;
    }

    if (b->place == NULL) {
        b->place = ngx_k8s_writer_place(w, (ngx_k8s_record_t *) b->data, b->len,
                                        kind, &slot);

        if (b->place == NULL) {
            return NGX_DECLINED;
        }

        w->placed++;
        b->placed = 0;
    }

    n = ngx_min(b->len - b->placed, max);
    p = ngx_k8s_at(w->table, (size_t) b->place->start * NGX_K8S_GRANULE);

    ngx_memcpy(p + b->placed, b->data + b->placed, n);

    b->placed += n;

    return (b->placed < b->len) ? NGX_AGAIN : NGX_OK;
}


void
ngx_k8s_builder_unplace(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w)
{
    if (b->place) {
        ngx_k8s_free(&w->alloc, b->place);
        b->place = NULL;
        w->placed--;
    }
}


uint32_t
ngx_k8s_builder_put(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w, ngx_uint_t kind)
{
    ngx_k8s_extent_t  *e;
    ngx_k8s_record_t  *rec;

    if (b->failed) {
        return 0;
    }

    rec = (ngx_k8s_record_t *) b->data;

    if (b->summed) {
        rec->size = b->summed;
        rec->crc = b->crc;
        kind = NGX_K8S_WRITE_SUMMED;
    }

    if (b->place == NULL) {
        return ngx_k8s_writer_put(w, rec, b->len, kind);
    }

    e = b->place;
    b->place = NULL;
    w->placed--;

    return ngx_k8s_writer_put_placed(w, rec, b->len, kind, e);
}
