
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_sha1.h>
#include <ngx_http_k8s_backend_tls.h>
#include <ngx_http_k8s_data.h>
#include <ngx_http_k8s_profile.h>


ngx_uint_t
ngx_http_k8s_backend_tls_closed(ngx_k8s_block_t *block,
    ngx_k8s_settings_t *settings)
{
    ngx_k8s_data_t  *ca;

    if (settings->proxy_ssl_secret.len == 0) {
        return 0;
    }

    ca = ngx_http_k8s_data(block, NGX_K8S_DATA_CA,
                           &settings->proxy_ssl_secret);
    if (ca == NULL
        || ngx_http_k8s_data(block, NGX_K8S_DATA_CRL,
                             &settings->proxy_ssl_secret)
           == NULL)
    {
        return 1;
    }

    if ((ca->flags & NGX_K8S_DATA_PAIR)
        && ngx_http_k8s_data_certificate(block, &settings->proxy_ssl_secret)
           == NULL)
    {
        return 1;
    }

    return ca->bytes.len == 0
           && (settings->proxy_ssl_verify || !(ca->flags & NGX_K8S_DATA_PAIR));
}


#if (NGX_HTTP_SSL)

#define NGX_HTTP_K8S_DIGEST          20


/* malloc()ed; freed when it is not kept and no request holds it: connections
   hold what OpenSSL makes of it */

typedef struct {
    ngx_queue_t              queue;
    ngx_uint_t               refs;
    u_char                   digest[NGX_HTTP_K8S_DIGEST];
    ngx_ssl_t                ssl;
} ngx_http_k8s_context_t;


static ngx_http_k8s_context_t *ngx_http_k8s_context_get(
    ngx_http_k8s_contexts_t *contexts, u_char *digest,
    ngx_k8s_settings_t *settings, ngx_uint_t alpn, ngx_k8s_data_t *ca,
    ngx_k8s_certificate_t *cert);
static ngx_http_k8s_context_t *ngx_http_k8s_context_create(
    ngx_k8s_settings_t *settings, ngx_uint_t alpn, ngx_k8s_data_t *ca,
    ngx_k8s_certificate_t *cert);
static ngx_int_t ngx_http_k8s_context_ciphers(SSL_CTX *ctx,
    ngx_str_t *ciphers);
static ngx_int_t ngx_http_k8s_context_ca(SSL_CTX *ctx, ngx_k8s_data_t *ca);
static ngx_int_t ngx_http_k8s_context_pair(SSL_CTX *ctx,
    ngx_k8s_certificate_t *cert);
static void ngx_http_k8s_context_release(void *data);
static ngx_int_t ngx_http_k8s_backend_name(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_str_t *name);


void
ngx_http_k8s_contexts_init(ngx_http_k8s_contexts_t *contexts)
{
    ngx_queue_init(&contexts->queue);
    contexts->n = 0;
}


void
ngx_http_k8s_contexts_done(ngx_http_k8s_contexts_t *contexts)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&contexts->queue)) {
        q = ngx_queue_head(&contexts->queue);
        ngx_queue_remove(q);

        ngx_http_k8s_context_release(ngx_queue_data(q, ngx_http_k8s_context_t,
                                                    queue));
    }

    contexts->n = 0;
}


ngx_int_t
ngx_http_k8s_backend_tls(ngx_http_k8s_contexts_t *contexts,
    ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx, uint64_t *protocol)
{
    u_char                     digest[NGX_HTTP_K8S_DIGEST];
    uint64_t                   hash;
    ngx_str_t                  name;
    ngx_uint_t                 alpn;
    ngx_sha1_t                 sha1;
    ngx_k8s_data_t            *ca;
    ngx_pool_cleanup_t        *cln;
    ngx_k8s_settings_t        *settings;
    ngx_http_upstream_t       *u;
    ngx_k8s_certificate_t     *cert;
    ngx_http_k8s_context_t    *context;
    ngx_http_upstream_conf_t  *conf;

    u = r->upstream;
    settings = ctx->profile->settings;

    ca = ngx_http_k8s_data(ctx->block, NGX_K8S_DATA_CA,
                           &settings->proxy_ssl_secret);

    if (ca && ca->bytes.len == 0 && !settings->proxy_ssl_verify) {

        /* as in ingress-nginx, nothing else is used of the Secret then */

        return NGX_OK;
    }

    if (ngx_http_k8s_backend_name(r, ctx, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ca == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "no TLS to upstream: Secret \"%V\" is not there",
                      &settings->proxy_ssl_secret);
        return NGX_ERROR;
    }

    cert = (ca->flags & NGX_K8S_DATA_PAIR)
           ? ngx_http_k8s_data_certificate(ctx->block,
                                           &settings->proxy_ssl_secret)
           : NULL;

    alpn = (ngx_strcmp(u->conf->module.data, "grpc") == 0);

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, ca->sha256, sizeof(ca->sha256));

    if (cert) {
        ngx_sha1_update(&sha1, cert->sha256, sizeof(cert->sha256));
    }

    ngx_sha1_update(&sha1, &alpn, sizeof(ngx_uint_t));
    ngx_sha1_update(&sha1, &settings->proxy_ssl_verify, sizeof(ngx_uint_t));
    ngx_sha1_update(&sha1, &settings->proxy_ssl_depth, sizeof(ngx_uint_t));
    ngx_sha1_update(&sha1, &settings->proxy_ssl_protocols, sizeof(ngx_uint_t));
    ngx_sha1_update(&sha1, settings->proxy_ssl_ciphers.data,
                    settings->proxy_ssl_ciphers.len);
    ngx_sha1_final(digest, &sha1);

    cln = ngx_pool_cleanup_add(r->pool, 0);
    conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));

    if (cln == NULL || conf == NULL) {
        return NGX_ERROR;
    }

    context = ngx_http_k8s_context_get(contexts, digest, settings, alpn, ca,
                                       cert);
    if (context == NULL) {
        return NGX_ERROR;
    }

    context->refs++;

    cln->handler = ngx_http_k8s_context_release;
    cln->data = context;

    *conf = *u->conf;

    conf->ssl = &context->ssl;
    conf->ssl_verify = settings->proxy_ssl_verify;
    conf->ssl_server_name = settings->proxy_ssl_server_name;
    conf->ssl_name = NULL;
    conf->ssl_certificate = NULL;

    u->conf = conf;
    u->ssl_name = name;

    /* a connection says nothing of another name, nor by another context */

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, digest, NGX_HTTP_K8S_DIGEST);
    ngx_sha1_update(&sha1, &settings->proxy_ssl_server_name,
                    sizeof(ngx_uint_t));
    ngx_sha1_update(&sha1, name.data, name.len);
    ngx_sha1_final(digest, &sha1);

    ngx_memcpy(&hash, digest, sizeof(uint64_t));
    *protocol ^= hash;

    return NGX_OK;
}


/* without proxy-ssl-name that of the Service */

static ngx_int_t
ngx_http_k8s_backend_name(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_str_t *name)
{
    ngx_str_t               namespace, service;
    ngx_k8s_table_t        *table;
    ngx_k8s_service_rec_t  *rec;

    *name = ctx->profile->settings->proxy_ssl_name;

    if (name->len) {
        return NGX_OK;
    }

    table = ngx_k8s_pin(ctx->block);

    rec = table ? ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                          ctx->hop.service,
                                          ctx->hop.generation)
                : NULL;

    if (rec == NULL) {

        /* it goes in this moment: no certificate has no name */

        return NGX_OK;
    }

    ngx_k8s_record_str(rec, &rec->namespace, &namespace);
    ngx_k8s_record_str(rec, &rec->name, &service);

    name->data = ngx_pnalloc(r->pool, service.len + 1 + namespace.len
                                      + sizeof(".svc") - 1);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "%V.%V.svc", &service, &namespace)
                - name->data;

    return NGX_OK;
}


static ngx_http_k8s_context_t *
ngx_http_k8s_context_get(ngx_http_k8s_contexts_t *contexts, u_char *digest,
    ngx_k8s_settings_t *settings, ngx_uint_t alpn, ngx_k8s_data_t *ca,
    ngx_k8s_certificate_t *cert)
{
    ngx_queue_t             *q;
    ngx_http_k8s_context_t  *context;

    for (q = ngx_queue_head(&contexts->queue);
         q != ngx_queue_sentinel(&contexts->queue);
         q = ngx_queue_next(q))
    {
        context = ngx_queue_data(q, ngx_http_k8s_context_t, queue);

        if (ngx_memcmp(context->digest, digest, NGX_HTTP_K8S_DIGEST) == 0) {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&contexts->queue, q);

            return context;
        }
    }

    context = ngx_http_k8s_context_create(settings, alpn, ca, cert);
    if (context == NULL) {
        return NULL;
    }

    ngx_memcpy(context->digest, digest, NGX_HTTP_K8S_DIGEST);

    if (contexts->n == NGX_HTTP_K8S_CONTEXTS) {
        q = ngx_queue_last(&contexts->queue);
        ngx_queue_remove(q);
        contexts->n--;

        ngx_http_k8s_context_release(ngx_queue_data(q, ngx_http_k8s_context_t,
                                                    queue));
    }

    ngx_queue_insert_head(&contexts->queue, &context->queue);
    contexts->n++;

    return context;
}


static ngx_http_k8s_context_t *
ngx_http_k8s_context_create(ngx_k8s_settings_t *settings, ngx_uint_t alpn,
    ngx_k8s_data_t *ca, ngx_k8s_certificate_t *cert)
{
    ngx_log_t               *log;
    ngx_int_t                rc;
    ngx_http_k8s_context_t  *context;

    log = ngx_cycle->log;

    context = ngx_calloc(sizeof(ngx_http_k8s_context_t), log);
    if (context == NULL) {
        return NULL;
    }

    context->refs = 1;
    context->ssl.log = log;

    if (ngx_ssl_create(&context->ssl, settings->proxy_ssl_protocols, NULL)
        != NGX_OK)
    {
        ngx_free(context);
        return NULL;
    }

    rc = ngx_http_k8s_context_ciphers(context->ssl.ctx,
                                      &settings->proxy_ssl_ciphers);

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_context_ca(context->ssl.ctx, ca);
    }

    if (rc == NGX_OK && cert) {
        rc = ngx_http_k8s_context_pair(context->ssl.ctx, cert);
    }

    if (rc == NGX_OK && alpn
        && SSL_CTX_set_alpn_protos(context->ssl.ctx, (u_char *) "\x02h2", 3)
           != 0)
    {
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_ssl_error(NGX_LOG_ERR, log, 0, "no TLS to upstream: Secret \"%V\"",
                      &settings->proxy_ssl_secret);
        ngx_http_k8s_context_release(context);
        return NULL;
    }

    SSL_CTX_set_verify_depth(context->ssl.ctx, settings->proxy_ssl_depth);

    return context;
}


static ngx_int_t
ngx_http_k8s_context_ciphers(SSL_CTX *ctx, ngx_str_t *ciphers)
{
    u_char     *p;
    ngx_int_t   rc;

    p = ngx_alloc(ciphers->len + 1, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(p, ciphers->data, ciphers->len) = '\0';

    rc = SSL_CTX_set_cipher_list(ctx, (char *) p) ? NGX_OK : NGX_DECLINED;

    ngx_free(p);

    return rc;
}


static ngx_int_t
ngx_http_k8s_context_ca(SSL_CTX *ctx, ngx_k8s_data_t *ca)
{
    X509          *x509;
    ngx_int_t      rc;
    ngx_str_t      bytes, der;
    X509_STORE    *store;
    const u_char  *p;

    ngx_k8s_record_str(ca, &ca->bytes, &bytes);

    store = SSL_CTX_get_cert_store(ctx);

    while (ngx_k8s_data_next(&bytes, &der) == NGX_OK) {

        p = der.data;

        x509 = d2i_X509(NULL, &p, der.len);
        if (x509 == NULL) {
            return NGX_ERROR;
        }

        rc = X509_STORE_add_cert(store, x509) ? NGX_OK : NGX_ERROR;

        X509_free(x509);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_context_pair(SSL_CTX *ctx, ngx_k8s_certificate_t *cert)
{
    X509           *x509;
    EVP_PKEY       *key;
    ngx_int_t       rc;
    ngx_uint_t      i;
    const u_char   *p;
    ngx_k8s_str_t  *der;

    der = ngx_k8s_record_at(cert, cert->chain.offset);

    for (i = 0; i < cert->chain.n; i++) {

        p = ngx_k8s_record_at(cert, der[i].offset);

        x509 = d2i_X509(NULL, &p, der[i].len);
        if (x509 == NULL) {
            return NGX_ERROR;
        }

        rc = (i ? SSL_CTX_add1_chain_cert(ctx, x509)
                : SSL_CTX_use_certificate(ctx, x509))
             ? NGX_OK : NGX_ERROR;

        X509_free(x509);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    p = ngx_k8s_record_at(cert, cert->key.offset);

    key = d2i_PrivateKey(cert->key_type, NULL, &p, cert->key.len);
    if (key == NULL) {
        return NGX_ERROR;
    }

    rc = SSL_CTX_use_PrivateKey(ctx, key) ? NGX_OK : NGX_ERROR;

    EVP_PKEY_free(key);

    return rc;
}


static void
ngx_http_k8s_context_release(void *data)
{
    ngx_http_k8s_context_t *context = data;

    if (--context->refs == 0) {
        ngx_ssl_cleanup_ctx(&context->ssl);
        ngx_free(context);
    }
}

#endif
