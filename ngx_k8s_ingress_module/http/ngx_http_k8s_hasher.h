
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_HASHER_H_INCLUDED_
#define _NGX_HTTP_K8S_HASHER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


/*
 * Passwords that take long to compare (ngx_http_k8s_hasher.c): in one thread of
 * each worker, made when it is first needed.  It reads and writes its jobs
 * alone, which are copies.  Pairs that were right are known for a minute.
 */

#define NGX_HTTP_K8S_HASHES          64   /* jobs at most, of which one of a
                                             client, */
#define NGX_HTTP_K8S_HASHES_OBJECT   16   /* so many of one Secret, */
#define NGX_HTTP_K8S_HASHES_NAMESPACE  32 /* and of one namespace */


typedef struct ngx_http_k8s_hash_s    ngx_http_k8s_hash_t;
typedef struct ngx_http_k8s_waiter_s  ngx_http_k8s_waiter_t;

/* who waits for a job, in memory of its own */

struct ngx_http_k8s_waiter_s {
    ngx_queue_t              queue;      /* of the job */
    ngx_http_k8s_hash_t     *job;        /* NULL: none any more */
    /* is told once, in the event loop, when the job is done */
    void                   (*handler)(ngx_http_k8s_waiter_t *waiter,
                                ngx_uint_t right);
};


/*
 * Compares what the client of a request has sent with the stored one.  known:
 * 0: it is wrong whatever it is.  NGX_OK: right; NGX_AGAIN: the waiter is told;
 * NGX_BUSY: there are too many, of all, of the client, or of the object;
 * NGX_ERROR: no memory, or no thread.
 */
ngx_int_t ngx_http_k8s_hash(ngx_http_request_t *r, ngx_str_t *object,
    ngx_str_t *stored, ngx_uint_t known, ngx_http_k8s_waiter_t *waiter);

/* the waiter ends; it need not wait */
void ngx_http_k8s_hash_cancel(ngx_http_k8s_waiter_t *waiter);

/* compares at once: 1 or 0; the pool is for the time of the call */
ngx_uint_t ngx_http_k8s_hash_compare(ngx_pool_t *pool, ngx_str_t *password,
    ngx_str_t *stored);

/* at the end of a worker: waits for the job that runs */
void ngx_http_k8s_hasher_done(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_K8S_HASHER_H_INCLUDED_ */
