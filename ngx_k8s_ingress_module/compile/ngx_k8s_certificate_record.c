
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The record of a certificate: DER of its chain and key, its names and dates.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_certificate.h>

#include <openssl/x509v3.h>


#define NGX_K8S_CERTIFICATE_NAMES     1000  /* names that are kept */


static ngx_int_t ngx_k8s_certificate_der(ngx_k8s_builder_t *b,
    ngx_k8s_pair_t *pair);
static ngx_int_t ngx_k8s_certificate_names(ngx_k8s_builder_t *b, X509 *x509);
static ngx_uint_t ngx_k8s_certificate_name(ASN1_STRING *s, ngx_str_t *name);
static ngx_int_t ngx_k8s_certificate_about(ngx_k8s_builder_t *b, X509 *x509);


/* the pair's record in b */

ngx_int_t
ngx_k8s_certificate_record(ngx_k8s_builder_t *b, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_pair_t *pair)
{
    size_t                  len;
    u_char                  buf[NGX_K8S_KEY_MAX];
    ngx_str_t               key, *parts[2];
    ngx_k8s_str_t           s[3];
    ngx_k8s_certificate_t  *rec;

    parts[0] = ns;
    parts[1] = name;

    if (ns->len + name->len + 2 > NGX_K8S_KEY_MAX) {
        return NGX_ERROR;
    }

    len = ngx_k8s_key_names(buf, 2, parts);

    key.len = len;
    key.data = buf;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_CERTIFICATE,
                          sizeof(ngx_k8s_certificate_t));

    s[0] = ngx_k8s_builder_str(b, &key);
    s[1] = ngx_k8s_builder_str(b, ns);
    s[2] = ngx_k8s_builder_str(b, name);

    if (b->failed) {
        return NGX_ERROR;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->header.key = s[0];
    rec->namespace = s[1];
    rec->name = s[2];
    rec->key_type = EVP_PKEY_base_id(pair->key);

    if (ngx_k8s_certificate_der(b, pair) != NGX_OK
        || ngx_k8s_certificate_names(b, pair->chain[0]) != NGX_OK
        || ngx_k8s_certificate_about(b, pair->chain[0]) != NGX_OK
        || b->failed)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    ERR_clear_error();

    return NGX_OK;
}


/* chain, key, and the digest of both */

static ngx_int_t
ngx_k8s_certificate_der(ngx_k8s_builder_t *b, ngx_k8s_pair_t *pair)
{
    int                     len;
    u_char                 *der;
    uint32_t                list, off;
    ngx_uint_t              i;
    EVP_MD_CTX             *md;
    ngx_k8s_str_t          *s;
    ngx_k8s_certificate_t  *rec;

    md = EVP_MD_CTX_new();
    if (md == NULL) {
        return NGX_ERROR;
    }

    if (EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 0) {
        goto failed;
    }

    list = ngx_k8s_builder_alloc(b, pair->n * sizeof(ngx_k8s_str_t));

    for (i = 0; i <= pair->n; i++) {

        der = NULL;

        len = (i < pair->n) ? i2d_X509(pair->chain[i], &der)
                            : i2d_PrivateKey(pair->key, &der);

        if (len <= 0) {
            goto failed;
        }

        off = ngx_k8s_builder_alloc(b, len);

        if (b->failed || EVP_DigestUpdate(md, der, len) == 0) {
            OPENSSL_clear_free(der, len);
            goto failed;
        }

        ngx_memcpy(ngx_k8s_builder_ptr(b, off), der, len);
        OPENSSL_clear_free(der, len);

        if (i < pair->n) {
            s = (ngx_k8s_str_t *) ngx_k8s_builder_ptr(b, list) + i;

        } else {
            rec = ngx_k8s_builder_ptr(b, 0);
            s = &rec->key;
        }

        s->offset = off;
        s->len = len;
    }

    rec = ngx_k8s_builder_ptr(b, 0);

    rec->chain.offset = list;
    rec->chain.n = pair->n;

    if (EVP_DigestFinal_ex(md, rec->sha256, NULL) == 0) {
        goto failed;
    }

    EVP_MD_CTX_free(md);

    return NGX_OK;

failed:

    EVP_MD_CTX_free(md);

    return NGX_ERROR;
}


/* dNSName entries of the certificate, or its CN where it has none */

static ngx_int_t
ngx_k8s_certificate_names(ngx_k8s_builder_t *b, X509 *x509)
{
    int                     i, n;
    uint32_t                list;
    X509_NAME              *subject;
    ngx_str_t               name;
    ngx_uint_t              names;
    GENERAL_NAME           *gn;
    GENERAL_NAMES          *san;
    ngx_k8s_str_t           s;
    ngx_k8s_certificate_t  *rec;

    san = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    subject = X509_get_subject_name(x509);

    n = san ? sk_GENERAL_NAME_num(san) : 0;
    n = ngx_min(n, NGX_K8S_CERTIFICATE_NAMES);

    list = ngx_k8s_builder_alloc(b, (n + 1) * sizeof(ngx_k8s_str_t));
    names = 0;

    for (i = 0; i < n && !b->failed; i++) {
        gn = sk_GENERAL_NAME_value(san, i);

        if (gn->type != GEN_DNS
            || !ngx_k8s_certificate_name(gn->d.dNSName, &name))
        {
            continue;
        }

        s = ngx_k8s_builder_str(b, &name);

        if (!b->failed) {
            ((ngx_k8s_str_t *) ngx_k8s_builder_ptr(b, list))[names++] = s;
        }
    }

    GENERAL_NAMES_free(san);

    i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (names == 0 && i >= 0 && !b->failed
        && ngx_k8s_certificate_name(
               X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)),
               &name))
    {
        s = ngx_k8s_builder_str(b, &name);

        if (!b->failed) {
            ((ngx_k8s_str_t *) ngx_k8s_builder_ptr(b, list))[names++] = s;
        }
    }

    if (b->failed) {
        return NGX_ERROR;
    }

    rec = ngx_k8s_builder_ptr(b, 0);

    rec->names.offset = list;
    rec->names.n = names;

    return NGX_OK;
}


/* a name of printable ASCII without trailing dot, or 0 */

static ngx_uint_t
ngx_k8s_certificate_name(ASN1_STRING *s, ngx_str_t *name)
{
    size_t  i;

    name->data = (u_char *) ASN1_STRING_get0_data(s);
    name->len = ASN1_STRING_length(s);

    if (name->len && name->data[name->len - 1] == '.') {
        name->len--;
    }

    if (name->len == 0 || name->len > 255) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        if (name->data[i] <= 0x20 || name->data[i] >= 0x7f) {
            return 0;
        }
    }

    return 1;
}


/* validity, serial number and issuer */

static ngx_int_t
ngx_k8s_certificate_about(ngx_k8s_builder_t *b, X509 *x509)
{
    int                     len;
    BIO                    *bio;
    char                   *data, *hex;
    BIGNUM                 *bn;
    ngx_str_t               value;
    ngx_k8s_str_t           serial, issuer;
    ngx_k8s_certificate_t  *rec;

    ngx_memzero(&serial, sizeof(ngx_k8s_str_t));
    ngx_memzero(&issuer, sizeof(ngx_k8s_str_t));

    bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
    hex = bn ? BN_bn2hex(bn) : NULL;

    if (hex) {
        value.len = ngx_min(ngx_strlen(hex), 128);
        value.data = (u_char *) hex;
        serial = ngx_k8s_builder_str(b, &value);
    }

    OPENSSL_free(hex);
    BN_free(bn);

    bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        return NGX_ERROR;
    }

    if (X509_NAME_print_ex(bio, X509_get_issuer_name(x509), 0,
                           XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB)
        >= 0)
    {
        len = BIO_get_mem_data(bio, &data);
        value.len = ngx_min(len, 512);
        value.data = (u_char *) data;
        issuer = ngx_k8s_builder_str(b, &value);
    }

    BIO_free(bio);

    if (b->failed) {
        return NGX_ERROR;
    }

    rec = ngx_k8s_builder_ptr(b, 0);

    rec->serial = serial;
    rec->issuer = issuer;
    rec->not_before = ngx_k8s_certificate_time(X509_get0_notBefore(x509));
    rec->not_after = ngx_k8s_certificate_time(X509_get0_notAfter(x509));

    return NGX_OK;
}


time_t
ngx_k8s_certificate_time(const ASN1_TIME *t)
{
    struct tm  tm;

    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1) {
        return 0;
    }

    return timegm(&tm);
}
