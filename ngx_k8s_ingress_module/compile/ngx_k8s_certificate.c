
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Certificates: from the PEM of a Secret to the DER of a record, so that
 * workers parse what is known to be good and cheap.  Runs in the watcher;
 * pure.  The text is a tenant's: whatever it holds is a problem at worst.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_certificate.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>


#define NGX_K8S_CERTIFICATE_BYTES     65536 /* of their DER: some clients
                                               take no more */
#define NGX_K8S_CERTIFICATE_RSA_BITS  8192  /* larger: 10 ms a handshake */
#define NGX_K8S_CERTIFICATE_E_BITS    64    /* of a public exponent */
#define NGX_K8S_CERTIFICATE_KEY       2048  /* bytes of a key, not of RSA */

#define NGX_K8S_CERTIFICATE_DAYS      365   /* of the generated one */


static ngx_int_t ngx_k8s_certificate_chain(ngx_k8s_pair_t *pair,
    ngx_str_t *crt);
static ngx_int_t ngx_k8s_certificate_key(ngx_k8s_pair_t *pair, ngx_str_t *key);
static int ngx_k8s_certificate_password(char *buf, int size, int rwflag,
    void *userdata);
static ngx_int_t ngx_k8s_certificate_match(ngx_k8s_pair_t *pair);
static ngx_int_t ngx_k8s_certificate_size(ngx_k8s_pair_t *pair);
static ngx_int_t ngx_k8s_certificate_problem(ngx_k8s_pair_t *pair,
    char *field, char *remedy, const char *fmt, ...);
static char *ngx_k8s_certificate_reason(void);
static ngx_int_t ngx_k8s_certificate_self(ngx_k8s_pair_t *pair);
static void ngx_k8s_certificate_free(ngx_k8s_pair_t *pair);


ngx_int_t
ngx_k8s_certificate_build(ngx_k8s_builder_t *b, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *crt, ngx_str_t *key, ngx_pool_t *pool,
    ngx_k8s_problem_t *problem, ngx_log_t *log)
{
    ngx_int_t       rc;
    ngx_k8s_pair_t  pair;

    ngx_memzero(&pair, sizeof(ngx_k8s_pair_t));
    ngx_memzero(problem, sizeof(ngx_k8s_problem_t));

    pair.pool = pool;
    pair.problem = problem;
    pair.log = log;

    rc = ngx_k8s_certificate_chain(&pair, crt);

    if (rc == NGX_OK) {
        rc = ngx_k8s_certificate_key(&pair, key);
    }

    if (rc == NGX_OK) {
        rc = ngx_k8s_certificate_match(&pair);
    }

    if (rc == NGX_OK) {
        rc = ngx_k8s_certificate_record(b, ns, name, &pair);
    }

    ngx_k8s_certificate_free(&pair);

    return rc;
}


ngx_int_t
ngx_k8s_certificate_generate(ngx_k8s_builder_t *b, ngx_log_t *log)
{
    ngx_int_t               rc;
    ngx_str_t               empty;
    ngx_k8s_pair_t          pair;
    ngx_k8s_certificate_t  *rec;

    ngx_memzero(&pair, sizeof(ngx_k8s_pair_t));
    ngx_str_null(&empty);

    pair.log = log;

    rc = ngx_k8s_certificate_self(&pair);

    if (rc == NGX_OK) {
        rc = ngx_k8s_certificate_record(b, &empty, &empty, &pair);

        if (rc == NGX_OK) {
            rec = ngx_k8s_builder_ptr(b, 0);
            rec->flags = NGX_K8S_CERTIFICATE_GENERATED;
        }

    } else {
        ngx_log_error(NGX_LOG_CRIT, log, 0,
                      "default certificate cannot be made: %s",
                      ngx_k8s_certificate_reason());
    }

    ngx_k8s_certificate_free(&pair);

    return rc;
}


ngx_uint_t
ngx_k8s_certificate_covers(ngx_str_t *name, ngx_str_t *host)
{
    u_char     *p;
    ngx_str_t   n, h;

    n = *name;
    h = *host;

    if (h.len > 1 && h.data[0] == '*' && h.data[1] == '.') {
        h.data++;
        h.len--;
    }

    if (n.len == 0 || h.len == 0) {
        return 0;
    }

    if (n.len > 2 && n.data[0] == '*' && n.data[1] == '.') {
        n.data++;
        n.len--;

        if (h.data[0] != '.') {
            p = ngx_strlchr(h.data, h.data + h.len, '.');
            if (p == NULL) {
                return 0;
            }

            h.len -= p - h.data;
            h.data = p;
        }
    }

    return n.len == h.len
           && ngx_strncasecmp(n.data, h.data, n.len) == 0;
}


static ngx_int_t
ngx_k8s_certificate_chain(ngx_k8s_pair_t *pair, ngx_str_t *crt)
{
    BIO        *bio;
    X509       *x509;
    size_t      size;
    ngx_int_t   rc;

    if (crt->len == 0) {
        return ngx_k8s_certificate_problem(pair, "data[\"tls.crt\"]",
                   "Put the certificate, then its intermediates, in PEM "
                   "into tls.crt", "it is missing or empty");
    }

    bio = BIO_new_mem_buf(crt->data, (int) crt->len);
    if (bio == NULL) {
        return NGX_ERROR;
    }

    for (size = 0; size <= NGX_K8S_CERTIFICATE_BYTES; /* void */ ) {
        x509 = PEM_read_bio_X509(bio, NULL, NULL, (void *) "");

        if (x509 == NULL) {
            break;
        }

        if (pair->n == NGX_K8S_CERTIFICATE_CHAIN) {
            X509_free(x509);
            rc = ngx_k8s_certificate_problem(pair, "data[\"tls.crt\"]",
                     "Keep the certificate and its intermediates only",
                     "it holds more than %d certificates",
                     NGX_K8S_CERTIFICATE_CHAIN);
            goto done;
        }

        pair->chain[pair->n++] = x509;
        size += i2d_X509(x509, NULL);
    }

    if (size > NGX_K8S_CERTIFICATE_BYTES) {
        rc = ngx_k8s_certificate_problem(pair, "data[\"tls.crt\"]",
                 "Keep the certificate and its intermediates only; spread its "
                 "names over several certificates where it has too many",
                 "its certificates have more than %d bytes",
                 NGX_K8S_CERTIFICATE_BYTES);
        goto done;
    }

    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {

        if (pair->n) {
            rc = NGX_OK;

        } else {
            rc = ngx_k8s_certificate_problem(pair, "data[\"tls.crt\"]",
                     "Put the certificate, then its intermediates, in PEM "
                     "into tls.crt", "it holds no PEM certificate");
        }

    } else {
        rc = ngx_k8s_certificate_problem(pair, "data[\"tls.crt\"]", NULL,
                 "its certificate %ui cannot be read: %s", pair->n + 1,
                 ngx_k8s_certificate_reason());
    }

done:

    BIO_free(bio);
    ERR_clear_error();

    return rc;
}


static ngx_int_t
ngx_k8s_certificate_key(ngx_k8s_pair_t *pair, ngx_str_t *key)
{
    BIO         *bio;
    ngx_int_t    rc;
    ngx_uint_t   encrypted;

    if (key->len == 0) {
        return ngx_k8s_certificate_problem(pair, "data[\"tls.key\"]",
                   "Put the certificate's private key in PEM into tls.key",
                   "it is missing or empty");
    }

    bio = BIO_new_mem_buf(key->data, (int) key->len);
    if (bio == NULL) {
        return NGX_ERROR;
    }

    encrypted = 0;
    rc = NGX_OK;

    pair->key = PEM_read_bio_PrivateKey(bio, NULL,
                                        ngx_k8s_certificate_password,
                                        &encrypted);

    if (encrypted) {
        rc = ngx_k8s_certificate_problem(pair, "data[\"tls.key\"]",
                 "Remove the pass phrase, with \"openssl pkey\"",
                 "the private key is encrypted");

    } else if (pair->key == NULL) {
        rc = ngx_k8s_certificate_problem(pair, "data[\"tls.key\"]", NULL,
                 "the private key cannot be read: %s",
                 ngx_k8s_certificate_reason());
    }

    BIO_free(bio);
    ERR_clear_error();

    return rc;
}


/* asked for the pass phrase of an encrypted key: there is none */

static int
ngx_k8s_certificate_password(char *buf, int size, int rwflag, void *userdata)
{
    *(ngx_uint_t *) userdata = 1;

    return -1;
}


/*
 * Whether OpenSSL takes the pair as a server's with its default security
 * level: what is refused here never reaches a worker.
 */

static ngx_int_t
ngx_k8s_certificate_match(ngx_k8s_pair_t *pair)
{
    SSL_CTX     *ctx;
    ngx_int_t    rc;
    ngx_uint_t   i;

    rc = ngx_k8s_certificate_size(pair);

    if (rc != NGX_OK) {
        return rc;
    }

    if (X509_get0_pubkey(pair->chain[0]) == NULL) {
        rc = ngx_k8s_certificate_problem(pair, "data[\"tls.crt\"]", NULL,
                 "the certificate's public key cannot be read: %s",
                 ngx_k8s_certificate_reason());
        ERR_clear_error();
        return rc;
    }

    if (X509_check_private_key(pair->chain[0], pair->key) != 1) {
        ERR_clear_error();
        return ngx_k8s_certificate_problem(pair, "data[\"tls.key\"]",
                   "Put the key of the first certificate of tls.crt into "
                   "tls.key; the server's certificate has to come first",
                   "the private key does not belong to the certificate");
    }

    ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    rc = NGX_OK;

    if (SSL_CTX_use_certificate(ctx, pair->chain[0]) == 0
        || SSL_CTX_use_PrivateKey(ctx, pair->key) == 0)
    {
        rc = NGX_DECLINED;
    }

    for (i = 1; rc == NGX_OK && i < pair->n; i++) {
        if (SSL_CTX_add1_chain_cert(ctx, pair->chain[i]) == 0) {
            rc = NGX_DECLINED;
        }
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_k8s_certificate_problem(pair, "data[\"tls.crt\"]", NULL,
                 "OpenSSL does not take the certificate: %s",
                 ngx_k8s_certificate_reason());
    }

    SSL_CTX_free(ctx);
    ERR_clear_error();

    return rc;
}


/*
 * A key whose exponents are larger than need be is as good as another one, but
 * takes its time in each handshake: seconds for a megabyte.  An RSA key is a
 * modulus, an exponent as large, and five numbers of half the size.
 */

static ngx_int_t
ngx_k8s_certificate_size(ngx_k8s_pair_t *pair)
{
    int      bits, len, max;
    BIGNUM  *e;

    switch (EVP_PKEY_base_id(pair->key)) {

    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        bits = EVP_PKEY_bits(pair->key);

        if (bits > NGX_K8S_CERTIFICATE_RSA_BITS) {
            return ngx_k8s_certificate_problem(pair, "data[\"tls.key\"]",
                       "Use a key of 2048 to 4096 bits",
                       "an RSA key of more than %d bits is not taken",
                       NGX_K8S_CERTIFICATE_RSA_BITS);
        }

        max = 5 * bits / 8 + 128;

        e = NULL;
        (void) EVP_PKEY_get_bn_param(pair->key, OSSL_PKEY_PARAM_RSA_E, &e);
        bits = e ? BN_num_bits(e) : 0;
        BN_free(e);

        if (bits > NGX_K8S_CERTIFICATE_E_BITS) {
            return ngx_k8s_certificate_problem(pair, "data[\"tls.key\"]",
                       "Use a key with the public exponent 65537",
                       "a public exponent of more than %d bits is not taken",
                       NGX_K8S_CERTIFICATE_E_BITS);
        }

        break;

    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        max = NGX_K8S_CERTIFICATE_KEY;
        break;

    default:
        return ngx_k8s_certificate_problem(pair, "data[\"tls.key\"]",
                   "Use an RSA, EC or Ed25519 key",
                   "its type of key is not supported");
    }

    len = i2d_PrivateKey(pair->key, NULL);

    if (len <= 0 || len > max) {
        ERR_clear_error();
        return ngx_k8s_certificate_problem(pair, "data[\"tls.key\"]",
                   "Make a new key",
                   "the private key is larger than one of its kind is");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_certificate_problem(ngx_k8s_pair_t *pair, char *field, char *remedy,
    const char *fmt, ...)
{
    u_char             *p, *last;
    u_char              buf[NGX_MAX_ERROR_STR];
    va_list             args;
    ngx_k8s_problem_t  *problem;

    if (pair->pool == NULL) {
        return NGX_ERROR;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(buf, buf + NGX_MAX_ERROR_STR, fmt, args);
    va_end(args);

    p = ngx_pnalloc(pair->pool, last - buf);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, buf, last - buf);

    problem = pair->problem;

    problem->code = NGX_K8S_PROBLEM_SECRET_INVALID;
    problem->field.len = ngx_strlen(field);
    problem->field.data = (u_char *) field;
    problem->message.len = last - buf;
    problem->message.data = p;

    if (remedy) {
        problem->remedy.len = ngx_strlen(remedy);
        problem->remedy.data = (u_char *) remedy;
    }

    return NGX_DECLINED;
}


static char *
ngx_k8s_certificate_reason(void)
{
    const char  *reason;

    reason = ERR_reason_error_string(ERR_peek_error());

    return reason ? (char *) reason : "unknown error";
}


/* a fresh EC key and its self-signed certificate */

static ngx_int_t
ngx_k8s_certificate_self(ngx_k8s_pair_t *pair)
{
    X509            *x509;
    u_char           serial[16];
    BIGNUM          *bn;
    ngx_uint_t       i;
    X509_NAME       *name;
    X509V3_CTX       ctx;
    X509_EXTENSION  *ext;

    static struct {
        int          nid;
        char        *value;
    } exts[] = {
        { NID_key_usage, "critical,digitalSignature,keyEncipherment" },
        { NID_ext_key_usage, "serverAuth" },
        { NID_basic_constraints, "critical,CA:FALSE" },
        { NID_subject_alt_name, "DNS:ingress.local" },
        { 0, NULL }
    };

    pair->key = EVP_EC_gen("P-256");
    if (pair->key == NULL) {
        return NGX_ERROR;
    }

    x509 = X509_new();
    if (x509 == NULL) {
        return NGX_ERROR;
    }

    pair->chain[0] = x509;
    pair->n = 1;

    if (RAND_bytes(serial, sizeof(serial)) != 1) {
        return NGX_ERROR;
    }

    serial[0] &= 0x7f;

    bn = BN_bin2bn(serial, sizeof(serial), NULL);
    if (bn == NULL) {
        return NGX_ERROR;
    }

    if (BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x509)) == NULL) {
        BN_free(bn);
        return NGX_ERROR;
    }

    BN_free(bn);

    name = X509_get_subject_name(x509);

    if (X509_set_version(x509, 2) == 0
        || X509_gmtime_adj(X509_getm_notBefore(x509), 0) == NULL
        || X509_time_adj_ex(X509_getm_notAfter(x509),
                            NGX_K8S_CERTIFICATE_DAYS, 0, NULL)
           == NULL
        || X509_NAME_add_entry_by_NID(name, NID_organizationName,
                                      MBSTRING_ASC, (u_char *) "Acme Co",
                                      -1, -1, 0)
           == 0
        || X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
                       (u_char *) "Kubernetes Ingress Controller "
                                  "Fake Certificate", -1, -1, 0)
           == 0
        || X509_set_issuer_name(x509, name) == 0
        || X509_set_pubkey(x509, pair->key) == 0)
    {
        return NGX_ERROR;
    }

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);

    for (i = 0; exts[i].value; i++) {

        ext = X509V3_EXT_conf_nid(NULL, &ctx, exts[i].nid, exts[i].value);
        if (ext == NULL) {
            return NGX_ERROR;
        }

        if (X509_add_ext(x509, ext, -1) == 0) {
            X509_EXTENSION_free(ext);
            return NGX_ERROR;
        }

        X509_EXTENSION_free(ext);
    }

    return X509_sign(x509, pair->key, EVP_sha256()) ? NGX_OK : NGX_ERROR;
}


static void
ngx_k8s_certificate_free(ngx_k8s_pair_t *pair)
{
    ngx_uint_t  i;

    for (i = 0; i < pair->n; i++) {
        X509_free(pair->chain[i]);
    }

    EVP_PKEY_free(pair->key);
}
