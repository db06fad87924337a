
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Certificates between PEM and record.  Private to ngx_k8s_certificate*.c.
 */


#ifndef _NGX_K8S_CERTIFICATE_H_INCLUDED_
#define _NGX_K8S_CERTIFICATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile.h>
#include <openssl/ssl.h>


#define NGX_K8S_CERTIFICATE_CHAIN     16    /* certificates in one tls.crt */


/* a chain with its key */

typedef struct {
    X509                    *chain[NGX_K8S_CERTIFICATE_CHAIN];
    ngx_uint_t               n;
    EVP_PKEY                *key;
    ngx_pool_t              *pool;       /* NULL: generated, no problems */
    ngx_k8s_problem_t       *problem;
    ngx_log_t               *log;
} ngx_k8s_pair_t;


/*
 * Makes the pair's record in b; without names it is the default certificate's.
 * NGX_ERROR: no memory, or OpenSSL cannot write it.
 */
ngx_int_t ngx_k8s_certificate_record(ngx_k8s_builder_t *b, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_pair_t *pair);

/* seconds since 1970; 0 where it cannot be read, or is NULL */
time_t ngx_k8s_certificate_time(const ASN1_TIME *t);


#endif /* _NGX_K8S_CERTIFICATE_H_INCLUDED_ */
