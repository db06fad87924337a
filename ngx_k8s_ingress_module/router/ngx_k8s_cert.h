
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Parsed certificates of one block in one worker: what OpenSSL takes, kept by
 * content, so that a record is parsed once however often it is presented and
 * an update is another entry.  Bounded in bytes, least recently used out.
 */


#ifndef _NGX_K8S_CERT_H_INCLUDED_
#define _NGX_K8S_CERT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_table.h>


#define NGX_K8S_CERT_CACHE_SIZE      (32 * 1024 * 1024)


typedef struct {
    ngx_rbtree_t             rbtree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              queue;      /* most recently used first */
    size_t                   size;
    size_t                   max;
    ngx_uint_t               count;
} ngx_k8s_cert_cache_t;


/* malloc()ed, "max" bytes at most (one entry always fits); NULL: no memory */
ngx_k8s_cert_cache_t *ngx_k8s_cert_cache_create(size_t max, ngx_log_t *log);
void ngx_k8s_cert_cache_destroy(ngx_k8s_cert_cache_t *cache);

/*
 * Adds a certificate (a record read under a pin) to what a connection may
 * present, one of each type of key.  1 when it was added; 0, logged: no memory,
 * or a record that cannot be parsed.
 */
ngx_uint_t ngx_k8s_cert_present(ngx_k8s_cert_cache_t *cache,
    ngx_k8s_certificate_t *rec, ngx_ssl_conn_t *ssl_conn, ngx_log_t *log);


#endif /* _NGX_K8S_CERT_H_INCLUDED_ */
