
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static void ngx_k8s_secret_data(ngx_k8s_reader_t *r, json_t *map,
    json_t *over, ngx_uint_t encoded);
static ngx_int_t ngx_k8s_secret_decode(ngx_k8s_reader_t *r, json_t *json,
    ngx_str_t *value);
static void ngx_k8s_secret_cleanup(void *data);
static void ngx_k8s_secret_zero(void *p, size_t len);


void
ngx_k8s_secret_read(ngx_k8s_reader_t *r, json_t *json)
{
    size_t               n;
    json_t              *data, *text;
    u_char              *mark;
    ngx_k8s_secret_t    *secret;
    ngx_pool_cleanup_t  *cln;

    secret = (ngx_k8s_secret_t *) r->object;

    ngx_str_set(&secret->type, "Opaque");
    (void) ngx_k8s_reader_string(r, json, "type", &secret->type);

    data = ngx_k8s_reader_object(r, json, "data");
    text = ngx_k8s_reader_object(r, json, "stringData");

    n = json_object_size(data) + json_object_size(text);

    if (n == 0) {
        return;
    }

    secret->data = ngx_k8s_reader_array(r, n, sizeof(ngx_keyval_t));
    if (secret->data == NULL) {
        return;
    }

    if (r->measure) {
        r->bytes = ngx_align(r->bytes, NGX_ALIGNMENT)
                   + sizeof(ngx_pool_cleanup_t);

    } else {
        cln = ngx_pool_cleanup_add(r->pool, 0);
        if (cln == NULL) {
            r->failed = 1;
            return;
        }

        cln->handler = ngx_k8s_secret_cleanup;
        cln->data = secret;
    }

    /* stringData overrides data */

    mark = ngx_k8s_reader_push(r, "stringData");
    ngx_k8s_secret_data(r, text, NULL, 0);
    ngx_k8s_reader_pop(r, mark);

    mark = ngx_k8s_reader_push(r, "data");
    ngx_k8s_secret_data(r, data, text, 1);
    ngx_k8s_reader_pop(r, mark);
}


/* but for what is a string in "over" */

static void
ngx_k8s_secret_data(ngx_k8s_reader_t *r, json_t *map, json_t *over,
    ngx_uint_t encoded)
{
    json_t            *value;
    ngx_int_t          rc;
    const char        *key;
    ngx_keyval_t      *kv;
    ngx_k8s_secret_t  *secret;

    secret = (ngx_k8s_secret_t *) r->object;

    json_object_foreach(map, key, value) {

        if (!json_is_string(value)) {
            if (!json_is_null(value)) {
                ngx_k8s_reader_problem(r, key, "is not a string");
            }

            continue;
        }

        if (json_is_string(json_object_get(over, key))) {
            continue;
        }

        kv = secret->data->elts;
        kv += secret->data->nelts;

        if (ngx_k8s_reader_copy(r, key, ngx_strlen(key), &kv->key)
            != NGX_OK)
        {
            return;
        }

        rc = encoded ? ngx_k8s_secret_decode(r, value, &kv->value)
                     : ngx_k8s_reader_copy(r, json_string_value(value),
                                           json_string_length(value),
                                           &kv->value);

        if (rc == NGX_ERROR) {
            return;
        }

        if (rc == NGX_DECLINED) {
            ngx_k8s_reader_problem(r, key, "is not in base64");
            continue;
        }

        secret->data->nelts++;
    }
}


/* as Go decodes: line ends are ignored, and nothing but padding may follow */

static ngx_int_t
ngx_k8s_secret_decode(ngx_k8s_reader_t *r, json_t *json, ngx_str_t *value)
{
    u_char      *p, *last, *dst, ch;
    size_t       size;
    uint32_t     bits;
    ngx_uint_t   n, pad;

    p = (u_char *) json_string_value(json);
    last = p + json_string_length(json);

    size = (last - p) / 4 * 3 + 3;

    ngx_k8s_reader_charge(r, size, 0);

    if (r->measure) {
        ngx_str_null(value);
        return NGX_OK;
    }

    dst = ngx_pnalloc(r->pool, size);
    if (dst == NULL) {
        r->failed = 1;
        return NGX_ERROR;
    }

    value->data = dst;
    bits = 0;
    n = 0;
    pad = 0;

    for ( /* void */ ; p < last; p++) {
        ch = *p;

        if (ch == CR || ch == LF) {
            continue;
        }

        if (ch == '=') {
            pad++;
            continue;
        }

        if (ch >= 'A' && ch <= 'Z') {
            ch -= 'A';

        } else if (ch >= 'a' && ch <= 'z') {
            ch -= 'a' - 26;

        } else if (ch >= '0' && ch <= '9') {
            ch += 52 - '0';

        } else if (ch == '+') {
            ch = 62;

        } else if (ch == '/') {
            ch = 63;

        } else {
            goto invalid;
        }

        if (pad) {
            goto invalid;
        }

        bits = bits << 6 | ch;

        if (++n % 4 == 0) {
            *dst++ = (u_char) (bits >> 16);
            *dst++ = (u_char) (bits >> 8);
            *dst++ = (u_char) bits;
        }
    }

    if ((n + pad) % 4 != 0 || pad > 2) {
        goto invalid;
    }

    switch (n % 4) {

    case 2:
        *dst++ = (u_char) (bits >> 4);
        break;

    case 3:
        *dst++ = (u_char) (bits >> 10);
        *dst++ = (u_char) (bits >> 2);
        break;
    }

    value->len = dst - value->data;

    return NGX_OK;

invalid:

    ngx_k8s_secret_zero(value->data, dst - value->data);
    ngx_str_null(value);

    return NGX_DECLINED;
}


static void
ngx_k8s_secret_cleanup(void *data)
{
    ngx_k8s_secret_t  *secret = data;

    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    kv = secret->data->elts;

    for (i = 0; i < secret->data->nelts; i++) {
        ngx_k8s_secret_zero(kv[i].value.data, kv[i].value.len);
    }
}


void
ngx_k8s_secret_wipe(json_t *json)
{
    json_t      *map, *value;
    ngx_uint_t   i;
    const char  *key;

    static const char  *names[] = { "data", "stringData" };

    for (i = 0; i < 2; i++) {
        map = json_object_get(json, names[i]);

        if (map == NULL || map->refcount > 1) {
            continue;
        }

        json_object_foreach(map, key, value) {
            if (json_is_string(value) && value->refcount == 1) {
                ngx_k8s_secret_zero((void *) json_string_value(value),
                                    json_string_length(value));
            }
        }
    }
}


/* memory that is freed next: the compiler must not leave the writes out */

static void
ngx_k8s_secret_zero(void *p, size_t len)
{
    ngx_memzero(p, len);
    __asm__ volatile ("" : : "r" (p) : "memory");
}
