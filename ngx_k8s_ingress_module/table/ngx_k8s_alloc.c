
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_alloc.h>


#define NGX_K8S_ALLOC_POOL           65536


static void ngx_k8s_extent_insert(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e);
static void ngx_k8s_extent_remove(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e);
static void ngx_k8s_extent_around(ngx_k8s_alloc_t *a, uint32_t start,
    ngx_k8s_extent_t **before, ngx_k8s_extent_t **after);


#define ngx_k8s_extent_place(n)                                               \
    ((ngx_k8s_extent_t *) ((u_char *) (n) - offsetof(ngx_k8s_extent_t, place)))

#define ngx_k8s_extent_fit(n)                                                 \
    ((ngx_k8s_extent_t *) ((u_char *) (n) - offsetof(ngx_k8s_extent_t, fit)))


ngx_int_t
ngx_k8s_alloc_init(ngx_k8s_alloc_t *a, ngx_log_t *log)
{
    ngx_memzero(a, sizeof(ngx_k8s_alloc_t));

    a->log = log;

    ngx_rbtree_init(&a->places, &a->sentinel, ngx_rbtree_insert_value);
    ngx_rbtree_init(&a->fits, &a->sentinel, ngx_rbtree_insert_value);

    a->pool = ngx_create_pool(NGX_K8S_ALLOC_POOL, log);

    return a->pool ? NGX_OK : NGX_ERROR;
}


/* a free for each of 100,000 extents would be a long turn */

void
ngx_k8s_alloc_done(ngx_k8s_alloc_t *a)
{
    if (a->pool) {
        ngx_destroy_pool(a->pool);
    }
}


ngx_k8s_extent_t *
ngx_k8s_extent_new(ngx_k8s_alloc_t *a)
{
    ngx_k8s_extent_t  *e;

    e = a->spare;

    if (e == NULL) {
        return ngx_pcalloc(a->pool, sizeof(ngx_k8s_extent_t));
    }

    a->spare = e->next;

    ngx_memzero(e, sizeof(ngx_k8s_extent_t));

    return e;
}


void
ngx_k8s_extent_drop(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e)
{
    e->next = a->spare;
    a->spare = e;
}


static void
ngx_k8s_extent_insert(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e)
{
    e->place.key = e->start;
    e->fit.key = e->len;

    ngx_rbtree_insert(&a->places, &e->place);
    ngx_rbtree_insert(&a->fits, &e->fit);
}


static void
ngx_k8s_extent_remove(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e)
{
    ngx_rbtree_delete(&a->places, &e->place);
    ngx_rbtree_delete(&a->fits, &e->fit);
}


uint32_t
ngx_k8s_alloc(ngx_k8s_alloc_t *a, uint32_t len, uint32_t keep)
{
    ngx_k8s_extent_t   *e;
    ngx_rbtree_node_t  *node, *best;

    best = NULL;
    node = a->fits.root;

    while (node != &a->sentinel) {

        if (node->key >= len) {
            best = node;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    if (best == NULL) {
        return 0;
    }

    e = ngx_k8s_extent_fit(best);

    if (e == ngx_k8s_alloc_top(a) && e->len - len < keep) {
        return 0;
    }

    return ngx_k8s_alloc_cut(a, e, len);
}


uint32_t
ngx_k8s_alloc_end(ngx_k8s_alloc_t *a, uint32_t len, uint32_t keep)
{
    ngx_k8s_extent_t   *e;
    ngx_rbtree_node_t  *node;

    node = a->places.root;

    if (node == &a->sentinel) {
        return 0;
    }

    while (node->right != &a->sentinel) {
        node = node->right;
    }

    e = ngx_k8s_extent_place(node);

    if (e->len <= len
        || (e == ngx_k8s_alloc_top(a) && e->len - len < keep))
    {
        return ngx_k8s_alloc(a, len, keep);
    }

    ngx_rbtree_delete(&a->fits, &e->fit);

    e->len -= len;
    e->fit.key = e->len;

    ngx_rbtree_insert(&a->fits, &e->fit);

    a->free -= len;

    return e->start + e->len;
}


uint32_t
ngx_k8s_alloc_cut(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e, uint32_t len)
{
    uint32_t  start;

    start = e->start;

    a->free -= len;

    if (e->len == len) {
        ngx_k8s_extent_remove(a, e);
        ngx_k8s_extent_drop(a, e);

        return start;
    }

    /* its place in the order of addresses stays as it is */

    ngx_rbtree_delete(&a->fits, &e->fit);

    e->start += len;
    e->len -= len;
    e->place.key = e->start;
    e->fit.key = e->len;

    ngx_rbtree_insert(&a->fits, &e->fit);

    return start;
}


ngx_k8s_extent_t *
ngx_k8s_alloc_from(ngx_k8s_alloc_t *a, uint32_t start)
{
    ngx_rbtree_node_t  *node, *first;

    first = NULL;
    node = a->places.root;

    while (node != &a->sentinel) {

        if (node->key >= start) {
            first = node;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    return first ? ngx_k8s_extent_place(first) : NULL;
}


void
ngx_k8s_free(ngx_k8s_alloc_t *a, ngx_k8s_extent_t *e)
{
    ngx_k8s_extent_t  *before, *after;

    ngx_k8s_extent_around(a, e->start, &before, &after);

    if ((before && before->start + before->len > e->start)
        || (after && e->start + e->len > after->start))
    {
        ngx_log_error(NGX_LOG_ALERT, a->log, 0,
                      "k8s table: extent %uD, %uD is free already",
                      e->start, e->len);
        ngx_k8s_extent_drop(a, e);
        return;
    }

    a->free += e->len;

    if (before && before->start + before->len == e->start) {
        ngx_k8s_extent_remove(a, before);

        e->start = before->start;
        e->len += before->len;

        ngx_k8s_extent_drop(a, before);
    }

    if (after && e->start + e->len == after->start) {
        ngx_k8s_extent_remove(a, after);

        e->len += after->len;

        ngx_k8s_extent_drop(a, after);
    }

    ngx_k8s_extent_insert(a, e);
}


static void
ngx_k8s_extent_around(ngx_k8s_alloc_t *a, uint32_t start,
    ngx_k8s_extent_t **before, ngx_k8s_extent_t **after)
{
    ngx_rbtree_node_t  *node;

    *before = NULL;
    *after = NULL;

    node = a->places.root;

    while (node != &a->sentinel) {

        if (node->key <= start) {
            *before = ngx_k8s_extent_place(node);
            node = node->right;

        } else {
            *after = ngx_k8s_extent_place(node);
            node = node->left;
        }
    }
}


ngx_k8s_extent_t *
ngx_k8s_alloc_top(ngx_k8s_alloc_t *a)
{
    ngx_rbtree_node_t  *node;

    node = a->fits.root;

    if (node == &a->sentinel) {
        return NULL;
    }

    while (node->right != &a->sentinel) {
        node = node->right;
    }

    return ngx_k8s_extent_fit(node);
}


uint32_t
ngx_k8s_alloc_largest(ngx_k8s_alloc_t *a)
{
    ngx_k8s_extent_t  *e;

    e = ngx_k8s_alloc_top(a);

    return e ? e->len : 0;
}
