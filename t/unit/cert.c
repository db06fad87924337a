
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What a worker keeps of certificates stays within its bound. */


#include "unit.h"
#include <ngx_k8s_cert.h>
#include <ngx_k8s_compile.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>


#define NAMES  5000


/* a record of a certificate with n names of one letter, as small as can be */

static void
record(ngx_k8s_builder_t *b, EVP_PKEY *key, long serial, size_t n)
{
    BIO                *bio;
    X509               *x;
    u_char             *p;
    ngx_int_t           rc;
    ngx_str_t           crt, pem, ns, name;
    ngx_pool_t         *pool;
    GENERAL_NAMES      *san;
    GENERAL_NAME       *gn;
    ASN1_IA5STRING     *s;
    ngx_k8s_problem_t   problem;

    ngx_str_set(&ns, "shop");
    ngx_str_set(&name, "tls");

    x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);

    san = GENERAL_NAMES_new();

    while (n--) {
        gn = GENERAL_NAME_new();
        s = ASN1_IA5STRING_new();
        ASN1_STRING_set(s, "a", 1);
        GENERAL_NAME_set0_value(gn, GEN_DNS, s);
        sk_GENERAL_NAME_push(san, gn);
    }

    X509_add1_ext_i2d(x, NID_subject_alt_name, san, 0, 0);
    GENERAL_NAMES_free(san);
    X509_sign(x, key, EVP_sha256());

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    crt.len = BIO_get_mem_data(bio, (char **) &p);
    crt.data = p;
    X509_free(x);

    pool = ngx_create_pool(4096, &unit_log);
    p = ngx_pnalloc(pool, crt.len);
    ngx_memcpy(p, crt.data, crt.len);
    crt.data = p;
    BIO_free(bio);

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    pem.len = BIO_get_mem_data(bio, (char **) &pem.data);

    rc = ngx_k8s_certificate_build(b, &ns, &name, &crt, &pem, pool, &problem,
                                   &unit_log);
    if (rc != NGX_OK) {
        printf("# %.*s\n", (int) problem.message.len, problem.message.data);
    }

    BIO_free(bio);
    ngx_destroy_pool(pool);
}


int
main(void)
{
    SSL                   *ssl;
    long                   i;
    SSL_CTX               *ctx;
    EVP_PKEY              *key;
    ngx_uint_t             good;
    ngx_k8s_builder_t      b;
    ngx_k8s_cert_cache_t  *cache;

    unit_init();

    key = EVP_EC_gen("P-256");
    ctx = SSL_CTX_new(TLS_server_method());
    ssl = SSL_new(ctx);

    (void) ngx_k8s_builder_init(&b, &unit_log);

    cache = ngx_k8s_cert_cache_create(2 * 1024 * 1024, &unit_log);

    record(&b, key, 1, 3);
    ok(ngx_k8s_cert_present(cache, (ngx_k8s_certificate_t *) b.data, ssl,
                            &unit_log)
       == 1 && cache->count == 1 && cache->size < 8192,
       "a certificate of three names");

    ok(ngx_k8s_cert_present(cache, (ngx_k8s_certificate_t *) b.data, ssl,
                            &unit_log)
       == 1 && cache->count == 1, "the same again");

    good = 1;

    for (i = 2; i < 12; i++) {
        record(&b, key, i, NAMES);

        good &= ngx_k8s_cert_present(cache, (ngx_k8s_certificate_t *) b.data,
                                     ssl, &unit_log);
    }

    ok(good && cache->size <= cache->max
       && cache->count * NAMES * 90 <= cache->max,
       "names count with the memory that they take");

    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ngx_k8s_cert_cache_destroy(cache);
    ngx_k8s_builder_done(&b);
    EVP_PKEY_free(key);

    return done();
}
