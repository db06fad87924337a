
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The digest of what an object is made of: two versions with the same one are
 * the same.  It is taken of the JSON and not of what the readers make of it,
 * so that no field can be forgotten; and it is a cryptographic one, since a
 * tenant who finds two objects with one digest could hide an update.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>
#include <openssl/evp.h>


static void ngx_k8s_digest_head(ngx_k8s_digest_t *d, u_char type,
    uint64_t value);
static void ngx_k8s_digest_flush(ngx_k8s_digest_t *d);


void
ngx_k8s_digest_init(ngx_k8s_digest_t *d)
{
    d->cost = 0;
    d->len = 0;
    d->ctx = EVP_MD_CTX_new();

    d->failed = (d->ctx == NULL
                 || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1);
}


ngx_int_t
ngx_k8s_digest_final(ngx_k8s_digest_t *d, u_char *digest)
{
    u_char  md[EVP_MAX_MD_SIZE];

    ngx_k8s_digest_flush(d);

    if (!d->failed && EVP_DigestFinal_ex(d->ctx, md, NULL) != 1) {
        d->failed = 1;
    }

    /* a Secret may have gone through it */

    ngx_explicit_memzero(d->buf, sizeof(d->buf));

    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;

    if (d->failed) {
        return NGX_ERROR;
    }

    ngx_memcpy(digest, md, NGX_K8S_DIGEST);

    return NGX_OK;
}


void
ngx_k8s_digest_cancel(ngx_k8s_digest_t *d)
{
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
}


void
ngx_k8s_digest_json(ngx_k8s_digest_t *d, json_t *json, const char **skip)
{
    double       real;
    size_t       i;
    json_t      *value;
    const char  *key;

    switch (json ? json_typeof(json) : JSON_NULL) {

    case JSON_OBJECT:
        ngx_k8s_digest_head(d, '{', 0);

        json_object_foreach(json, key, value) {

            for (i = 0; skip && skip[i] && ngx_strcmp(skip[i], key) != 0; i++)
            {
                /* void */
            }

            if (skip && skip[i]) {
                continue;
            }

            ngx_k8s_digest_head(d, ':', ngx_strlen(key));
            ngx_k8s_digest_add(d, key, ngx_strlen(key));
            ngx_k8s_digest_json(d, value, NULL);
        }

        ngx_k8s_digest_head(d, '}', 0);
        break;

    case JSON_ARRAY:
        ngx_k8s_digest_head(d, '[', json_array_size(json));

        for (i = 0; i < json_array_size(json); i++) {
            ngx_k8s_digest_json(d, json_array_get(json, i), NULL);
        }

        break;

    case JSON_STRING:
        ngx_k8s_digest_head(d, '"', json_string_length(json));
        ngx_k8s_digest_add(d, json_string_value(json),
                           json_string_length(json));
        break;

    case JSON_INTEGER:
        ngx_k8s_digest_head(d, '1', json_integer_value(json));
        break;

    case JSON_REAL:
        real = json_real_value(json);
        ngx_k8s_digest_head(d, '.', sizeof(double));
        ngx_k8s_digest_add(d, &real, sizeof(double));
        break;

    default: /* true, false, null, or nothing */
        ngx_k8s_digest_head(d, 'n', json ? json_typeof(json) : JSON_NULL);
        break;
    }
}


static void
ngx_k8s_digest_head(ngx_k8s_digest_t *d, u_char type, uint64_t value)
{
    u_char  buf[1 + sizeof(uint64_t)];

    d->cost++;

    buf[0] = type;
    ngx_memcpy(buf + 1, &value, sizeof(uint64_t));

    ngx_k8s_digest_add(d, buf, sizeof(buf));
}


void
ngx_k8s_digest_add(ngx_k8s_digest_t *d, const void *data, size_t len)
{
    d->cost += len / NGX_K8S_COST_BYTES;

    if (len > sizeof(d->buf) - d->len) {
        ngx_k8s_digest_flush(d);

        if (len > sizeof(d->buf)) {

            if (!d->failed && EVP_DigestUpdate(d->ctx, data, len) != 1) {
                d->failed = 1;
            }

            return;
        }
    }

    ngx_memcpy(d->buf + d->len, data, len);
    d->len += len;
}


static void
ngx_k8s_digest_flush(ngx_k8s_digest_t *d)
{
    if (!d->failed && EVP_DigestUpdate(d->ctx, d->buf, d->len) != 1) {
        d->failed = 1;
    }

    d->len = 0;
}
