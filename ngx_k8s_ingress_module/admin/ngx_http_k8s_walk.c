
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Walks over an index that last for many turns.  A record is copied, since
 * one host can hold more than a turn may write, and what it refers to is
 * looked up when it is written.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_admin.h>
#include <ngx_k8s_tree.h>


#define NGX_HTTP_K8S_WALK_STEP  32


typedef struct {
    ngx_rbtree_node_t        node;       /* key: hash of nothing, 0 */
    uint32_t                 slot;
    uint32_t                 generation;
    ngx_str_t                key;
} ngx_http_k8s_walk_node_t;


static ngx_int_t ngx_http_k8s_walk_sort(ngx_http_k8s_admin_t *a,
    ngx_uint_t index);
static ngx_int_t ngx_http_k8s_walk_insert(ngx_http_k8s_admin_t *a,
    ngx_k8s_record_t *rec, uint32_t slot);
static void ngx_http_k8s_walk_place(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_http_k8s_walk_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static ngx_k8s_record_t *ngx_http_k8s_walk_sorted(ngx_http_k8s_admin_t *a,
    ngx_uint_t index);
static ngx_int_t ngx_http_k8s_walk_copy(ngx_http_k8s_admin_t *a,
    ngx_k8s_record_t *rec);


void
ngx_http_k8s_walk_begin(ngx_http_k8s_admin_t *a, ngx_array_t *slots)
{
    ngx_http_k8s_walk_end(a);

    a->cursor = 0;
    a->slots = slots;
}


void
ngx_http_k8s_walk_end(ngx_http_k8s_admin_t *a)
{
    if (a->pool) {
        ngx_destroy_pool(a->pool);
        a->pool = NULL;
    }

    a->node = NULL;
    a->slots = NULL;
}


ngx_int_t
ngx_http_k8s_walk(ngx_http_k8s_admin_t *a, ngx_uint_t index)
{
    uint32_t          *slots;
    ngx_int_t          rc;
    ngx_k8s_record_t  *rec;

    if (a->slots) {

        slots = a->slots->elts;
        rec = NULL;

        while (rec == NULL && a->cursor < a->slots->nelts) {
            a->slot = slots[a->cursor++];
            rec = ngx_k8s_slot_record(a->table, index, a->slot);
        }

    } else if (a->sorted) {

        if (a->node == NULL) {
            rc = ngx_http_k8s_walk_sort(a, index);
            if (rc != NGX_OK) {
                return rc;
            }
        }

        rec = ngx_http_k8s_walk_sorted(a, index);

    } else {
        rec = ngx_k8s_table_next(a->table, index, &a->cursor);
        a->slot = a->cursor;
    }

    if (rec == NULL) {
        return NGX_DONE;
    }

    return ngx_http_k8s_walk_copy(a, rec);
}


/* takes a few keys more into the tree; NGX_OK when it has all */

static ngx_int_t
ngx_http_k8s_walk_sort(ngx_http_k8s_admin_t *a, ngx_uint_t index)
{
    ngx_uint_t         i;
    ngx_k8s_record_t  *rec;

    if (a->pool == NULL) {
        a->pool = ngx_create_pool(4096, a->request->connection->log);
        if (a->pool == NULL) {
            return NGX_ERROR;
        }

        ngx_rbtree_init(&a->rbtree, &a->sentinel, ngx_http_k8s_walk_place);
    }

    for (i = 0; i < NGX_HTTP_K8S_WALK_STEP; i++) {

        rec = ngx_k8s_table_next(a->table, index, &a->cursor);

        if (rec == NULL) {
            a->node = (a->rbtree.root == &a->sentinel)
                      ? &a->sentinel
                      : ngx_rbtree_min(a->rbtree.root, &a->sentinel);
            return NGX_OK;
        }

        if (ngx_http_k8s_walk_insert(a, rec, a->cursor) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_k8s_walk_insert(ngx_http_k8s_admin_t *a, ngx_k8s_record_t *rec,
    uint32_t slot)
{
    ngx_str_t                  key;
    ngx_k8s_slot_t            *s;
    ngx_http_k8s_walk_node_t  *n;

    s = ngx_k8s_slot(a->table, slot);
    if (s == NULL) {
        return NGX_OK;
    }

    n = ngx_palloc(a->pool, sizeof(ngx_http_k8s_walk_node_t));
    if (n == NULL) {
        return NGX_ERROR;
    }

    key = ngx_http_k8s_str(rec, &rec->key);

    n->key.len = key.len;
    n->key.data = ngx_pnalloc(a->pool, key.len);
    if (n->key.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(n->key.data, key.data, key.len);

    n->node.key = 0;
    n->slot = slot;
    n->generation = s->generation;

    ngx_rbtree_insert(&a->rbtree, &n->node);

    return NGX_OK;
}


static void
ngx_http_k8s_walk_place(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_http_k8s_walk_cmp);
}


static ngx_int_t
ngx_http_k8s_walk_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    ngx_str_t  *n, *t;

    n = &((ngx_http_k8s_walk_node_t *) one)->key;
    t = &((ngx_http_k8s_walk_node_t *) two)->key;

    return ngx_memn2cmp(n->data, t->data, n->len, t->len);
}


/* the next one by key that has not gone since */

static ngx_k8s_record_t *
ngx_http_k8s_walk_sorted(ngx_http_k8s_admin_t *a, ngx_uint_t index)
{
    ngx_k8s_record_t          *rec;
    ngx_http_k8s_walk_node_t  *n;

    while (a->node != &a->sentinel) {

        n = (ngx_http_k8s_walk_node_t *) a->node;

        a->slot = n->slot;
        a->node = ngx_rbtree_next(&a->rbtree, a->node);

        if (a->node == NULL) {
            a->node = &a->sentinel;
        }

        rec = ngx_k8s_slot_record_gen(a->table, index, n->slot, n->generation);

        if (rec) {
            return rec;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_k8s_walk_copy(ngx_http_k8s_admin_t *a, ngx_k8s_record_t *rec)
{
    if (rec->size > a->size) {

        if (a->record) {
            ngx_free(a->record);
        }

        a->size = ngx_align(rec->size, 4096);
        a->record = ngx_alloc(a->size, a->request->connection->log);

        if (a->record == NULL) {
            a->size = 0;
            return NGX_ERROR;
        }
    }

    ngx_memcpy(a->record, rec, rec->size);

    a->item = 0;
    a->shard = 0;
    a->opened = 0;
    a->listed = 0;

    return NGX_OK;
}
