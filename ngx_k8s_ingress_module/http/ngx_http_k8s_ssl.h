
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Parsed certificates of one block in one worker: what OpenSSL takes, kept by
 * content, so that a record is parsed once however often it is presented and
 * an update is another entry.  Bounded in bytes, least recently used out.
 */


#ifndef _NGX_HTTP_K8S_SSL_H_INCLUDED_
#define _NGX_HTTP_K8S_SSL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


#define NGX_HTTP_K8S_SSL_CACHE_SIZE  (32 * 1024 * 1024)


typedef struct {
    ngx_rbtree_node_t        node;
    ngx_queue_t              queue;
    u_char                   sha256[32];
    size_t                   size;       /* estimated bytes of all of it */
    X509                    *leaf;
    STACK_OF(X509)          *chain;      /* without the leaf, may be empty */
    EVP_PKEY                *key;
} ngx_http_k8s_ssl_cert_t;


typedef struct {
    ngx_rbtree_t             rbtree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              queue;      /* most recently used first */
    size_t                   size;
    size_t                   max;
    ngx_uint_t               count;
} ngx_http_k8s_ssl_cache_t;


/* malloc()ed, "max" bytes at most (one entry always fits); NULL: no memory */
ngx_http_k8s_ssl_cache_t *ngx_http_k8s_ssl_cache_create(size_t max,
    ngx_log_t *log);
void ngx_http_k8s_ssl_cache_destroy(ngx_http_k8s_ssl_cache_t *cache);

/*
 * The parsed form of a record (read under a pin): valid until the next call,
 * so that a user takes references at once.  NULL: no memory, or a record that
 * cannot be parsed; both are logged.
 */
ngx_http_k8s_ssl_cert_t *ngx_http_k8s_ssl_cert(ngx_http_k8s_ssl_cache_t *cache,
    ngx_k8s_certificate_t *rec, ngx_log_t *log);


#endif /* _NGX_HTTP_K8S_SSL_H_INCLUDED_ */
