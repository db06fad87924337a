
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Secrets for unit tests of compile/ */


#ifndef _K8S_SECRET_H_INCLUDED_
#define _K8S_SECRET_H_INCLUDED_


#include "k8s.h"
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>


/* a Secret with a self-signed certificate of "key", and the key "with" */

static ngx_inline void
k8s_secret(k8s_t *k, const char *ns, const char *name, EVP_PKEY *key,
    EVP_PKEY *with, const char *san, int days)
{
    BIO                    *bio;
    X509                   *x;
    char                   *crt, *pem;
    u_char                 *text, *p;
    size_t                  crt_len, pem_len;
    ngx_str_t               in, out;
    X509V3_CTX              ctx;
    X509_EXTENSION         *ext;
    const ASN1_BIT_STRING  *signature;

    static long  serial = 1000000;

    x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -365 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x), days * 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (u_char *) "test", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    X509V3_set_ctx_nodb(&ctx);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, san);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);

    /* signatures of ECDSA are of several lengths: one of them is taken */

    do {
        X509_sign(x, key, EVP_sha256());
        X509_get0_signature(&signature, NULL, x);
    } while (EVP_PKEY_base_id(key) == EVP_PKEY_EC && signature->length != 71);

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    X509_free(x);

    crt_len = BIO_get_mem_data(bio, &crt);
    text = malloc(32768);
    p = ngx_sprintf(text, "{'apiVersion':'v1','kind':'Secret','metadata':{"
                    "'namespace':'%s','name':'%s'},'data':{'tls.crt':'", ns,
                    name);
    in.data = (u_char *) crt;
    in.len = crt_len;
    out.data = p;
    ngx_encode_base64(&out, &in);
    p += out.len;
    BIO_free(bio);

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, with, NULL, NULL, 0, NULL, NULL);
    pem_len = BIO_get_mem_data(bio, &pem);
    p = ngx_sprintf(p, "','tls.key':'");
    in.data = (u_char *) pem;
    in.len = pem_len;
    out.data = p;
    ngx_encode_base64(&out, &in);
    p += out.len;
    BIO_free(bio);

    *ngx_sprintf(p, "'}}") = '\0';

    k8s_put(k, (char *) text);
    free(text);
}


#endif /* _K8S_SECRET_H_INCLUDED_ */
