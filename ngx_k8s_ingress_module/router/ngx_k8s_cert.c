
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_cert.h>


/* what OpenSSL makes of a part of an extension, of a name alone, in bytes */

#define NGX_K8S_CERT_PART  96


typedef struct {
    ngx_str_node_t           sn;         /* by sha256 */
    ngx_queue_t              queue;
    u_char                   sha256[32];
    size_t                   size;       /* estimated bytes of all of it */
    X509                    *leaf;
    STACK_OF(X509)          *chain;      /* without the leaf, may be empty */
    EVP_PKEY                *key;
} ngx_k8s_cert_t;


static ngx_k8s_cert_t *ngx_k8s_cert_get(ngx_k8s_cert_cache_t *cache,
    ngx_k8s_certificate_t *rec, ngx_log_t *log);
static ngx_k8s_cert_t *ngx_k8s_cert_find(ngx_k8s_cert_cache_t *cache,
    u_char *sha256);
static ngx_k8s_cert_t *ngx_k8s_cert_parse(ngx_k8s_certificate_t *rec,
    ngx_log_t *log);
static size_t ngx_k8s_cert_parts(X509 *x509);
static void ngx_k8s_cert_free(ngx_k8s_cert_t *cert);


ngx_k8s_cert_cache_t *
ngx_k8s_cert_cache_create(size_t max, ngx_log_t *log)
{
    ngx_k8s_cert_cache_t  *cache;

    cache = ngx_calloc(sizeof(ngx_k8s_cert_cache_t), log);
    if (cache == NULL) {
        return NULL;
    }

    ngx_rbtree_init(&cache->rbtree, &cache->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&cache->queue);
    cache->max = max;

    return cache;
}


void
ngx_k8s_cert_cache_destroy(ngx_k8s_cert_cache_t *cache)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&cache->queue)) {
        q = ngx_queue_head(&cache->queue);
        ngx_queue_remove(q);
        ngx_k8s_cert_free(ngx_queue_data(q, ngx_k8s_cert_t, queue));
    }

    ngx_free(cache);
}


ngx_uint_t
ngx_k8s_cert_present(ngx_k8s_cert_cache_t *cache, ngx_k8s_certificate_t *rec,
    ngx_ssl_conn_t *ssl_conn, ngx_log_t *log)
{
    ngx_k8s_cert_t  *cert;

    cert = ngx_k8s_cert_get(cache, rec, log);
    if (cert == NULL) {
        return 0;
    }

    if (SSL_use_certificate(ssl_conn, cert->leaf) == 0
        || SSL_set1_chain(ssl_conn, cert->chain) == 0
        || SSL_use_PrivateKey(ssl_conn, cert->key) == 0)
    {
        ngx_ssl_error(NGX_LOG_ERR, log, 0, "certificate cannot be presented");
        return 0;
    }

    return 1;
}


/* valid until the next call, so that OpenSSL takes references at once */

static ngx_k8s_cert_t *
ngx_k8s_cert_get(ngx_k8s_cert_cache_t *cache, ngx_k8s_certificate_t *rec,
    ngx_log_t *log)
{
    ngx_queue_t     *q;
    ngx_k8s_cert_t  *cert, *old;

    cert = ngx_k8s_cert_find(cache, rec->sha256);

    if (cert) {
        ngx_queue_remove(&cert->queue);
        ngx_queue_insert_head(&cache->queue, &cert->queue);

        return cert;
    }

    cert = ngx_k8s_cert_parse(rec, log);
    if (cert == NULL) {
        return NULL;
    }

    while (cache->size + cert->size > cache->max
           && !ngx_queue_empty(&cache->queue))
    {
        q = ngx_queue_last(&cache->queue);
        old = ngx_queue_data(q, ngx_k8s_cert_t, queue);

        ngx_queue_remove(q);
        ngx_rbtree_delete(&cache->rbtree, &old->sn.node);
        cache->size -= old->size;
        cache->count--;

        ngx_k8s_cert_free(old);
    }

    ngx_rbtree_insert(&cache->rbtree, &cert->sn.node);
    ngx_queue_insert_head(&cache->queue, &cert->queue);
    cache->size += cert->size;
    cache->count++;

    return cert;
}


static ngx_k8s_cert_t *
ngx_k8s_cert_find(ngx_k8s_cert_cache_t *cache, u_char *sha256)
{
    uint32_t   hash;
    ngx_str_t  key;

    key.len = 32;
    key.data = sha256;

    ngx_memcpy(&hash, sha256, sizeof(uint32_t));

    return (ngx_k8s_cert_t *) ngx_str_rbtree_lookup(&cache->rbtree, &key, hash);
}


static ngx_k8s_cert_t *
ngx_k8s_cert_parse(ngx_k8s_certificate_t *rec, ngx_log_t *log)
{
    X509            *x509;
    size_t           len, parts;
    uint32_t         hash;
    ngx_uint_t       i;
    const u_char    *p;
    ngx_k8s_str_t   *der;
    ngx_k8s_cert_t  *cert;

    cert = ngx_calloc(sizeof(ngx_k8s_cert_t), log);
    if (cert == NULL) {
        return NULL;
    }

    ngx_memcpy(cert->sha256, rec->sha256, 32);
    ngx_memcpy(&hash, rec->sha256, sizeof(uint32_t));

    cert->sn.node.key = hash;
    cert->sn.str.len = 32;
    cert->sn.str.data = cert->sha256;

    cert->chain = sk_X509_new_null();
    if (cert->chain == NULL) {
        goto failed;
    }

    der = ngx_k8s_record_at(rec, rec->chain.offset);
    len = rec->key.len;
    parts = 0;

    for (i = 0; i < rec->chain.n; i++) {

        p = ngx_k8s_record_at(rec, der[i].offset);
        len += der[i].len;

        x509 = d2i_X509(NULL, &p, der[i].len);
        if (x509 == NULL) {
            goto failed;
        }

        parts += ngx_k8s_cert_parts(x509);

        if (i == 0) {
            cert->leaf = x509;

        } else if (sk_X509_push(cert->chain, x509) == 0) {
            X509_free(x509);
            goto failed;
        }
    }

    p = ngx_k8s_record_at(rec, rec->key.offset);

    cert->key = d2i_PrivateKey(rec->key_type, NULL, &p, rec->key.len);

    if (cert->key == NULL || cert->leaf == NULL) {
        goto failed;
    }

    /* measured: about 10 KB for two RSA certificates and a key, 3.6 KB */

    cert->size = sizeof(ngx_k8s_cert_t) + 2048
                 + ngx_max(2 * len, parts * NGX_K8S_CERT_PART);

    return cert;

failed:

    ngx_ssl_error(NGX_LOG_ERR, log, 0,
                  "certificate record cannot be parsed");

    ngx_k8s_cert_free(cert);

    return NULL;
}


/* how many things there are in its extensions and names, however small */

static size_t
ngx_k8s_cert_parts(X509 *x509)
{
    int                       i, rc, tag, class;
    long                      len;
    size_t                    n;
    const u_char             *p, *last;
    const ASN1_OCTET_STRING  *data;

    n = 2 * (X509_NAME_entry_count(X509_get_subject_name(x509))
             + X509_NAME_entry_count(X509_get_issuer_name(x509)));

    for (i = 0; i < X509_get_ext_count(x509); i++) {
        data = X509_EXTENSION_get_data(X509_get_ext(x509, i));

        p = ASN1_STRING_get0_data(data);
        last = p + ASN1_STRING_length(data);

        while (p < last) {
            rc = ASN1_get_object(&p, &len, &tag, &class, last - p);

            if (rc & 0x80) {
                ERR_clear_error();
                break;
            }

            /* of what is constructed the parts are next */

            if (!(rc & V_ASN1_CONSTRUCTED)) {
                p += len;
            }

            n++;
        }
    }

    return n;
}


static void
ngx_k8s_cert_free(ngx_k8s_cert_t *cert)
{
    X509_free(cert->leaf);
    sk_X509_pop_free(cert->chain, X509_free);
    EVP_PKEY_free(cert->key);
    ngx_free(cert);
}
