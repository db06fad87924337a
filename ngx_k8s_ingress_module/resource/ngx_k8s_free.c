
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The end of objects.  The pool of a large one is of very many pieces, which
 * are given back some at a time.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


typedef struct {
    ngx_queue_t              queue;
    ngx_pool_t              *pool;
} ngx_k8s_freed_t;


static ngx_uint_t ngx_k8s_pool_is_large(ngx_pool_t *pool);
static void ngx_k8s_pool_clean(ngx_pool_t *pool);
static ngx_uint_t ngx_k8s_pool_free(ngx_pool_t *pool);


void
ngx_k8s_object_free(ngx_k8s_object_t *object)
{
    if (object->refs) {
        object->refs--;
        return;
    }

    ngx_k8s_pool_release(object->pool, object->freed);
}


void
ngx_k8s_pool_release(ngx_pool_t *pool, ngx_queue_t *queue)
{
    ngx_k8s_freed_t  *freed;

    if (queue && ngx_k8s_pool_is_large(pool)) {
        freed = ngx_alloc(sizeof(ngx_k8s_freed_t), pool->log);

        if (freed) {
            freed->pool = pool;
            ngx_queue_insert_tail(queue, &freed->queue);

            ngx_k8s_pool_clean(pool);

            return;
        }
    }

    ngx_destroy_pool(pool);
}


ngx_int_t
ngx_k8s_objects_free(ngx_queue_t *queue, ngx_uint_t n)
{
    ngx_queue_t      *q;
    ngx_k8s_freed_t  *freed;

    while (!ngx_queue_empty(queue)) {

        if (n-- == 0) {
            return NGX_AGAIN;
        }

        q = ngx_queue_head(queue);
        freed = ngx_queue_data(q, ngx_k8s_freed_t, queue);

        if (ngx_k8s_pool_free(freed->pool)) {
            ngx_queue_remove(q);
            ngx_free(freed);
        }
    }

    return NGX_OK;
}


/* one of as many pieces as are freed in a call */

static ngx_uint_t
ngx_k8s_pool_is_large(ngx_pool_t *pool)
{
    ngx_uint_t         n;
    ngx_pool_t        *p;
    ngx_pool_large_t  *l;

    n = 0;

    for (p = pool->d.next; p && n < NGX_K8S_FREE_PIECES; p = p->d.next) {
        n++;
    }

    for (l = pool->large; l && n < NGX_K8S_FREE_PIECES; l = l->next) {
        n++;
    }

    return n == NGX_K8S_FREE_PIECES;
}


/* as ngx_destroy_pool() begins: Secrets are wiped */

static void
ngx_k8s_pool_clean(ngx_pool_t *pool)
{
    ngx_pool_cleanup_t  *c;

    for (c = pool->cleanup; c; c = c->next) {
        if (c->handler) {
            c->handler(c->data);
        }
    }

    pool->cleanup = NULL;
}


/* one piece; 1: it was the last one.  The list of large ones lies in others. */

static ngx_uint_t
ngx_k8s_pool_free(ngx_pool_t *pool)
{
    ngx_pool_t        *p;
    ngx_pool_large_t  *l;

    l = pool->large;

    if (l) {
        pool->large = l->next;

        if (l->alloc) {
            ngx_free(l->alloc);
        }

        return 0;
    }

    p = pool->d.next;

    if (p) {
        pool->d.next = p->d.next;
        ngx_free(p);

        return 0;
    }

    ngx_destroy_pool(pool);

    return 1;
}
