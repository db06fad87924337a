
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include "unit.h"
#include <ngx_k8s_compile.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>


#define CRT          "data[\"tls.crt\"]"
#define KEY          "data[\"tls.key\"]"

#define TRADITIONAL  1
#define ENCRYPTED    2


static ngx_pool_t         *pool;
static ngx_k8s_builder_t   b;
static ngx_k8s_problem_t   problem;
static ngx_str_t           ns = ngx_string("shop");
static ngx_str_t           name = ngx_string("tls");


static ngx_str_t
text(BIO *bio)
{
    int        len;
    char      *data;
    ngx_str_t  s;

    len = BIO_get_mem_data(bio, &data);
    s.len = len;
    s.data = ngx_pnalloc(pool, len + 1);
    ngx_memcpy(s.data, data, len);
    s.data[len] = '\0';
    BIO_free(bio);

    return s;
}


static ngx_str_t
pem_key(EVP_PKEY *key, int how)
{
    BIO  *bio;

    bio = BIO_new(BIO_s_mem());

    switch (how) {

    case TRADITIONAL:
        PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL,
                                             NULL);
        break;

    case ENCRYPTED:
        PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret",
                                      6, NULL, NULL);
        break;

    case TRADITIONAL|ENCRYPTED:
        PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_128_cbc(),
                                             (u_char *) "secret", 6, NULL,
                                             NULL);
        break;

    default:
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    }

    return text(bio);
}


static ngx_str_t
pem_crt(EVP_PKEY *key, char *cn, char *san, int days)
{
    BIO             *bio;
    X509            *x;
    X509_NAME       *subject;
    X509V3_CTX       ctx;
    X509_EXTENSION  *ext;

    x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 0xabcdef);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), days * 86400);

    subject = X509_get_subject_name(x);
    if (cn) {
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                   (u_char *) cn, -1, -1, 0);
    }

    X509_set_issuer_name(x, subject);
    X509_set_pubkey(x, key);

    if (san) {
        X509V3_set_ctx_nodb(&ctx);
        X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
        ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, san);
        X509_add_ext(x, ext, -1);
        X509_EXTENSION_free(ext);
    }

    if (X509_sign(x, key, EVP_sha256()) == 0) {
        X509_sign(x, key, NULL);
    }

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    X509_free(x);

    return text(bio);
}


static ngx_str_t
cat(ngx_str_t s1, ngx_str_t s2)
{
    ngx_str_t  s;

    s.len = s1.len + s2.len;
    s.data = ngx_pnalloc(pool, s.len);
    ngx_memcpy(s.data, s1.data, s1.len);
    ngx_memcpy(s.data + s1.len, s2.data, s2.len);

    return s;
}


static ngx_int_t
build(ngx_str_t crt, ngx_str_t key)
{
    return ngx_k8s_certificate_build(&b, &ns, &name, &crt, &key, pool,
                                     &problem, &unit_log);
}


static ngx_uint_t
says(char *field, char *message)
{
    if (problem.code != NGX_K8S_PROBLEM_SECRET_INVALID
        || problem.field.len != strlen(field)
        || ngx_strncmp(problem.field.data, field, problem.field.len) != 0
        || ngx_strlcasestrn(problem.message.data, problem.message.data
                            + problem.message.len, (u_char *) message,
                            strlen(message) - 1)
           == NULL)
    {
        printf("# \"%.*s\": \"%.*s\"\n", (int) problem.field.len,
               problem.field.data, (int) problem.message.len,
               problem.message.data);
        return 0;
    }

    return 1;
}


/* the record's key and chain are parsed as a worker does it */

static ngx_uint_t
usable(void)
{
    X509                   *x;
    EVP_PKEY               *key;
    ngx_uint_t              i, good;
    const u_char           *p;
    ngx_k8s_str_t          *der;
    ngx_k8s_certificate_t  *rec;

    rec = (ngx_k8s_certificate_t *) b.data;

    p = (u_char *) ngx_k8s_record_at(rec, rec->key.offset);
    key = d2i_PrivateKey(rec->key_type, NULL, &p, rec->key.len);
    good = (key != NULL);

    der = ngx_k8s_record_at(rec, rec->chain.offset);

    for (i = 0; i < rec->chain.n; i++) {
        p = (u_char *) ngx_k8s_record_at(rec, der[i].offset);
        x = d2i_X509(NULL, &p, der[i].len);
        good = good && x && (i || X509_check_private_key(x, key) == 1);
        X509_free(x);
    }

    EVP_PKEY_free(key);

    return good && rec->chain.n;
}


static ngx_uint_t
named(ngx_uint_t i, char *want)
{
    ngx_k8s_str_t          *s;
    ngx_k8s_certificate_t  *rec;

    rec = (ngx_k8s_certificate_t *) b.data;

    if (i >= rec->names.n) {
        return 0;
    }

    s = ngx_k8s_record_at(rec, rec->names.offset);

    return s[i].len == strlen(want)
           && ngx_memcmp((u_char *) rec + s[i].offset, want, s[i].len) == 0;
}


static void
keys(EVP_PKEY *rsa, EVP_PKEY *ec, EVP_PKEY *ed, EVP_PKEY *pss)
{
    ngx_str_t               crt;
    u_char                  sha[32];
    ngx_k8s_certificate_t  *rec;

    crt = pem_crt(rsa, "one", "DNS:a.example,DNS:*.B.example,IP:127.0.0.1",
                  30);

    ok(build(crt, pem_key(rsa, 0)) == NGX_OK && usable(), "RSA, PKCS#8");

    /* keys take their time under valgrind */
    ngx_time_update();

    rec = (ngx_k8s_certificate_t *) b.data;
    ok(rec->key_type == EVP_PKEY_RSA, "RSA, type");
    ok(rec->names.n == 2 && named(0, "a.example") && named(1, "*.B.example"),
       "RSA, names are those of the SAN");
    ok(rec->not_before <= ngx_time() - 3590
       && rec->not_after >= ngx_time() + 29 * 86400
       && rec->not_after <= ngx_time() + 31 * 86400, "RSA, validity");
    ok(rec->serial.len == 6
       && ngx_memcmp(b.data + rec->serial.offset, "ABCDEF", 6) == 0,
       "RSA, serial number");
    ok(rec->issuer.len == 6
       && ngx_memcmp(b.data + rec->issuer.offset, "CN=one", 6) == 0,
       "RSA, issuer");
    ok(rec->header.type == NGX_K8S_INDEX_CERTIFICATE
       && rec->header.key.len == 9
       && ngx_memcmp(b.data + rec->header.key.offset, "shop\0tls\0", 9) == 0,
       "RSA, key of the record");
    ngx_memcpy(sha, rec->sha256, 32);

    ok(build(crt, pem_key(rsa, TRADITIONAL)) == NGX_OK && usable(),
       "RSA, traditional");
    rec = (ngx_k8s_certificate_t *) b.data;
    ok(ngx_memcmp(sha, rec->sha256, 32) == 0,
       "RSA, the same content has the same digest");

    ok(build(pem_crt(ec, "two", NULL, 1), pem_key(ec, 0)) == NGX_OK
       && usable() && named(0, "two"), "EC, PKCS#8, name from CN");
    rec = (ngx_k8s_certificate_t *) b.data;
    ok(rec->key_type == EVP_PKEY_EC, "EC, type");
    ok(ngx_memcmp(sha, rec->sha256, 32) != 0, "EC, another digest");

    ok(build(pem_crt(ec, NULL, "DNS:x.example.", 1), pem_key(ec, TRADITIONAL))
       == NGX_OK && usable() && named(0, "x.example"),
       "EC, traditional, trailing dot of the name");

    ok(build(pem_crt(ed, "ed", NULL, 1), pem_key(ed, 0)) == NGX_OK
       && usable(), "Ed25519");
    rec = (ngx_k8s_certificate_t *) b.data;
    ok(rec->key_type == EVP_PKEY_ED25519, "Ed25519, type");

    ok(build(pem_crt(pss, "pss", NULL, 1), pem_key(pss, 0)) == NGX_OK
       && usable(), "RSA-PSS");

    ok(build(cat(pem_crt(ec, "leaf", NULL, 1), pem_crt(rsa, "ca", NULL, 1)),
             pem_key(ec, 0)) == NGX_OK && usable(), "chain");
    rec = (ngx_k8s_certificate_t *) b.data;
    ok(rec->chain.n == 2, "chain, two certificates");

    ok(build(pem_crt(ec, "bad\xc3\xa9", "DNS:\x01evil", 1), pem_key(ec, 0))
       == NGX_OK && ((ngx_k8s_certificate_t *) b.data)->names.n == 0,
       "unprintable names are left out");
}


static void
broken(EVP_PKEY *rsa, EVP_PKEY *ec, EVP_PKEY *small)
{
    size_t      i, n;
    ngx_str_t   crt, key, s, none, junk;
    ngx_uint_t  k, bad;

    ngx_str_null(&none);
    ngx_str_set(&junk, "not a certificate");

    crt = pem_crt(rsa, "one", NULL, 1);
    key = pem_key(rsa, 0);

    ok(build(none, key) == NGX_DECLINED && says(CRT, "missing or empty"),
       "no certificate");
    ok(build(crt, none) == NGX_DECLINED && says(KEY, "missing or empty"),
       "no key");
    ok(build(junk, key) == NGX_DECLINED && says(CRT, "no PEM certificate"),
       "garbage as certificate");
    ok(build(crt, junk) == NGX_DECLINED && says(KEY, "cannot be read"),
       "garbage as key");
    ok(build(key, key) == NGX_DECLINED && says(CRT, "no PEM certificate"),
       "key as certificate");
    ok(build(crt, crt) == NGX_DECLINED && says(KEY, "cannot be read"),
       "certificate as key");
    ok(build(crt, pem_key(ec, 0)) == NGX_DECLINED
       && says(KEY, "does not belong"), "key of another type");
    ok(build(pem_crt(ec, "ca", NULL, 1), key) == NGX_DECLINED
       && says(KEY, "does not belong"), "key of another certificate");
    ok(build(cat(pem_crt(ec, "ca", NULL, 1), crt), key) == NGX_DECLINED
       && says(KEY, "does not belong"), "chain in the wrong order");
    ok(build(crt, pem_key(rsa, ENCRYPTED)) == NGX_DECLINED
       && says(KEY, "is encrypted"), "encrypted key, PKCS#8");
    ok(build(crt, pem_key(rsa, TRADITIONAL|ENCRYPTED)) == NGX_DECLINED
       && says(KEY, "is encrypted"), "encrypted key, traditional");
    ok(build(pem_crt(small, "one", NULL, 1), pem_key(small, 0))
       == NGX_DECLINED && says(CRT, "too small"), "RSA key of 512 bits");

    s = crt;
    for (k = 0; k < 16; k++) {
        s = cat(s, crt);
    }

    ok(build(s, key) == NGX_DECLINED && says(CRT, "more than 16"),
       "too many certificates");

    s = cat(crt, crt);
    s.len -= 40;
    ok(build(s, key) == NGX_DECLINED && says(CRT, "certificate 2 cannot"),
       "second certificate cut off");

    /* every cut and many flips end in a problem or in a usable record */

    bad = 0;

    for (i = 0; i < crt.len; i += 7) {
        s = crt;
        s.len = i;
        if (build(s, key) == NGX_OK && !usable()) {
            bad++;
        }
    }

    for (i = 0; i < key.len; i += 7) {
        s = key;
        s.len = i;
        if (build(crt, s) == NGX_OK && !usable()) {
            bad++;
        }
    }

    for (i = 0; i < crt.len; i += 5) {
        n = crt.data[i];
        crt.data[i] = (u_char) (n ^ (1 << i % 7));
        if (build(crt, key) == NGX_OK && !usable()) {
            bad++;
        }
        crt.data[i] = (u_char) n;
    }

    ok(bad == 0, "cut and flipped certificates and keys");
    ok(build(crt, key) == NGX_OK && usable(), "a good one after that");
    ok(ERR_peek_error() == 0, "no error is left in OpenSSL's queue");
}


/* names take a hundred bytes of memory each, in each worker */

static void
many(EVP_PKEY *ec)
{
    u_char      *p;
    size_t       i, n;
    ngx_str_t    san, crt;

    for (n = 1000; n <= 8000; n *= 8) {
        san.data = ngx_pnalloc(pool, n * sizeof("DNS:n1000.example,"));
        p = san.data;

        for (i = 0; i < n; i++) {
            p = ngx_sprintf(p, "DNS:n%uz.example,", i);
        }

        p[-1] = '\0';

        crt = pem_crt(ec, NULL, (char *) san.data, 1);

        if (n == 1000) {
            ok(build(crt, pem_key(ec, 0)) == NGX_OK && usable()
               && named(999, "n999.example"), "a thousand names");

        } else {
            ok(build(crt, pem_key(ec, 0)) == NGX_DECLINED
               && says(CRT, "more than 65536 bytes"), "too many names");
        }
    }
}


/* the same RSA key, a number of it more by "times" that of which it is one */

static EVP_PKEY *
larger(EVP_PKEY *rsa, const char *what, int bits)
{
    int              i;
    BIGNUM          *n[8], *times, *order, *one;
    BN_CTX          *bn;
    EVP_PKEY        *key;
    OSSL_PARAM      *params;
    EVP_PKEY_CTX    *ctx;
    OSSL_PARAM_BLD  *bld;

    static const char  *names[] = {
        OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
        OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
        OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
        OSSL_PKEY_PARAM_RSA_COEFFICIENT1
    };

    bn = BN_CTX_new();
    bld = OSSL_PARAM_BLD_new();
    times = BN_new();
    order = BN_new();
    one = BN_new();

    BN_set_bit(times, bits);
    BN_one(one);

    for (i = 0; i < 8; i++) {
        n[i] = NULL;
        EVP_PKEY_get_bn_param(rsa, names[i], &n[i]);
    }

    for (i = 0; i < 8; i++) {

        if (strcmp(names[i], what) == 0) {
            BN_sub(order, n[3], one);

            if (i < 5) {
                BN_sub(one, n[4], one);
                BN_mul(order, order, one, bn);
            }

            BN_mul(order, order, times, bn);
            BN_add(n[i], n[i], order);
        }

        OSSL_PARAM_BLD_push_BN(bld, names[i], n[i]);
    }

    key = NULL;
    params = OSSL_PARAM_BLD_to_param(bld);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY_fromdata_init(ctx);
    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);

    for (i = 0; i < 8; i++) {
        BN_free(n[i]);
    }

    BN_free(times);
    BN_free(order);
    BN_free(one);
    BN_CTX_free(bn);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);

    return key;
}


/*
 * Keys that are right, but take seconds for a handshake: a megabyte of exponent
 * fits into a Secret.
 */

static void
slow(EVP_PKEY *rsa)
{
    EVP_PKEY    *key;
    ngx_str_t    crt;
    ngx_uint_t   i;

    static const char  *names[] = {
        OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_EXPONENT1
    };

    crt = pem_crt(rsa, "slow", NULL, 1);

    for (i = 0; i < 2; i++) {
        key = larger(rsa, names[i], 2048);

        ok(key && build(crt, pem_key(key, TRADITIONAL)) == NGX_DECLINED
           && says(KEY, "larger than"), "RSA, a large \"%s\"", names[i]);

        EVP_PKEY_free(key);
    }

    key = larger(rsa, OSSL_PKEY_PARAM_RSA_E, 64);

    ok(key && build(pem_crt(key, "slow", NULL, 1), pem_key(key, TRADITIONAL))
              == NGX_DECLINED
       && says(KEY, "public exponent"), "RSA, a large public exponent");

    EVP_PKEY_free(key);
}


static void
covers(void)
{
    ngx_uint_t  i;

    static struct {
        char        *name;
        char        *host;
        ngx_uint_t   covers;
    } cases[] = {
        { "a.example", "a.example", 1 },
        { "A.Example", "a.eXample", 1 },
        { "a.example", "b.example", 0 },
        { "a.example", "x.a.example", 0 },
        { "*.example", "a.example", 1 },
        { "*.example", "b.a.example", 0 },
        { "*.example", "example", 0 },
        { "*.example", ".example", 1 },
        { "*.example", "*.example", 1 },
        { "*.a.example", ".example", 0 },
        { "a.example", ".example", 0 },
        { ".example", "a.example", 0 },
        { "*", "example", 0 },
        { "*.", "example", 0 },
        { "f*.example", "foo.example", 0 },
        { "*.example", "", 0 },
        { "", "", 0 },
        { NULL, NULL, 0 }
    };

    ngx_str_t  n, h;

    for (i = 0; cases[i].name; i++) {
        n.data = (u_char *) cases[i].name;
        n.len = strlen(cases[i].name);
        h.data = (u_char *) cases[i].host;
        h.len = strlen(cases[i].host);

        ok(ngx_k8s_certificate_covers(&n, &h) == cases[i].covers,
           "\"%s\" %s \"%s\"", cases[i].name,
           cases[i].covers ? "covers" : "does not cover", cases[i].host);
    }
}


int
main(void)
{
    X509                   *x;
    EVP_PKEY               *rsa, *ec, *ed, *pss, *small;
    EVP_PKEY_CTX           *ctx;
    char                    buf[256];
    const u_char           *p;
    ngx_k8s_str_t          *der;
    ngx_k8s_certificate_t  *rec;

    unit_init();

    pool = ngx_create_pool(4096, &unit_log);
    ok(ngx_k8s_builder_init(&b, &unit_log) == NGX_OK, "builder");

    rsa = EVP_RSA_gen(2048);
    small = EVP_RSA_gen(512);
    ec = EVP_EC_gen("P-256");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    pss = NULL;
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY_keygen_init(ctx);
    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048);
    EVP_PKEY_generate(ctx, &pss);
    EVP_PKEY_CTX_free(ctx);

    keys(rsa, ec, ed, pss);
    broken(rsa, ec, small);
    many(ec);
    slow(rsa);
    covers();

    ok(ngx_k8s_certificate_generate(&b, &unit_log) == NGX_OK && usable(),
       "generated");

    rec = (ngx_k8s_certificate_t *) b.data;
    der = ngx_k8s_record_at(rec, rec->chain.offset);
    p = (u_char *) ngx_k8s_record_at(rec, der->offset);
    x = d2i_X509(NULL, &p, der->len);

    ok(strcmp(X509_NAME_oneline(X509_get_subject_name(x), buf, 256),
              "/O=Acme Co/CN=Kubernetes Ingress Controller Fake Certificate")
       == 0, "generated, subject");
    ok(rec->names.n == 1 && named(0, "ingress.local"), "generated, name");
    ok(rec->not_after > ngx_time() + 364 * 86400
       && rec->not_after <= ngx_time() + 366 * 86400, "generated, a year");
    ok(rec->namespace.len == 0 && rec->name.len == 0
       && rec->header.key.len == 2, "generated, key of the record");

    X509_free(x);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(pss);
    ngx_k8s_builder_done(&b);
    ngx_destroy_pool(pool);

    return done();
}
