
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Regular expressions of paths, and of headers that canaries ask for, each text
 * once: how many there are in all, so that workers keep all that they have
 * compiled, whatever one namespace has.  An expression counts for the namespace
 * that had it first.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


struct ngx_k8s_expr_s {
    ngx_str_node_t           sn;         /* c->exprs, by text */
    ngx_str_node_t          *owner;      /* c->owners */
    ngx_uint_t               refs;
};


/* a namespace that has expressions */

typedef struct {
    ngx_str_node_t           sn;
    ngx_uint_t               n;
} ngx_k8s_owner_t;


/* a worker compiles a path in another way than a header */

#define ngx_k8s_expr_key(item, text)                                          \
    (ngx_murmur_hash2((text)->data, (text)->len) ^ (item)->canary)


static ngx_str_t *ngx_k8s_expr_text(ngx_k8s_item_t *item);
static ngx_k8s_owner_t *ngx_k8s_expr_owner(ngx_k8s_compile_t *c,
    ngx_k8s_item_t *item, ngx_uint_t make);
static void *ngx_k8s_expr_make(ngx_k8s_compile_t *c, ngx_rbtree_t *tree,
    size_t size, ngx_str_t *text, uint32_t key);


void
ngx_k8s_exprs_init(ngx_k8s_compile_t *c)
{
    ngx_rbtree_init(&c->exprs, &c->exprs_sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&c->owners, &c->exprs_sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&c->over);
}


void
ngx_k8s_exprs_free(ngx_k8s_compile_t *c)
{
    ngx_rbtree_node_t  *node;

    while (c->exprs.root != &c->exprs_sentinel) {
        node = c->exprs.root;
        ngx_rbtree_delete(&c->exprs, node);
        ngx_free(node);
    }

    while (c->owners.root != &c->exprs_sentinel) {
        node = c->owners.root;
        ngx_rbtree_delete(&c->owners, node);
        ngx_free(node);
    }
}


/* that of an item, or NULL */

static ngx_str_t *
ngx_k8s_expr_text(ngx_k8s_item_t *item)
{
    ngx_str_t         *path;
    ngx_k8s_canary_t  *canary;

    if (item->canary) {
        canary = item->claim->model->canary;

        return (canary->header.len && canary->value.len == 0
                && canary->pattern.len && !canary->bad)
               ? &canary->pattern : NULL;
    }

    path = &item->match->path;

    return (item->claim->state->nregex && !item->slash && !item->claim->apart
            && ngx_k8s_path_literal(path) != path->len)
           ? path : NULL;
}


static ngx_k8s_owner_t *
ngx_k8s_expr_owner(ngx_k8s_compile_t *c, ngx_k8s_item_t *item, ngx_uint_t make)
{
    uint32_t         key;
    ngx_str_t       *ns;
    ngx_str_node_t  *sn;

    ns = &item->claim->model->object->namespace;
    key = ngx_murmur_hash2(ns->data, ns->len);
    sn = ngx_str_rbtree_lookup(&c->owners, ns, key);

    if (sn == NULL && make) {
        sn = ngx_k8s_expr_make(c, &c->owners, sizeof(ngx_k8s_owner_t), ns,
                               key);
    }

    return (ngx_k8s_owner_t *) sn;
}


static void *
ngx_k8s_expr_make(ngx_k8s_compile_t *c, ngx_rbtree_t *tree, size_t size,
    ngx_str_t *text, uint32_t key)
{
    ngx_str_node_t  *sn;

    sn = ngx_calloc(size + text->len, c->log);
    if (sn == NULL) {
        return NULL;
    }

    sn->str.len = text->len;
    sn->str.data = (u_char *) sn + size;
    ngx_memcpy(sn->str.data, text->data, text->len);

    sn->node.key = key;
    ngx_rbtree_insert(tree, &sn->node);

    return sn;
}


ngx_uint_t
ngx_k8s_expr_counts(ngx_k8s_item_t *item)
{
    return ngx_k8s_expr_text(item) != NULL;
}


/* as many as it leaves to others, so that none takes all */

ngx_uint_t
ngx_k8s_expr_room(ngx_k8s_compile_t *c, ngx_k8s_item_t *item)
{
    ngx_str_t        *text;
    ngx_k8s_owner_t  *owner;

    text = ngx_k8s_expr_text(item);

    if (text == NULL || (item->held && item->held->expr)
        || ngx_str_rbtree_lookup(&c->exprs, text,
                                 ngx_k8s_expr_key(item, text)))
    {
        return 1;
    }

    owner = ngx_k8s_expr_owner(c, item, 0);

    return c->nexprs + (owner ? owner->n : 0) < NGX_K8S_EXPRS;
}


void
ngx_k8s_expr_take(ngx_k8s_compile_t *c, ngx_k8s_item_t *item)
{
    uint32_t          key;
    ngx_str_t        *text;
    ngx_k8s_held_t   *held;
    ngx_k8s_expr_t   *expr;
    ngx_k8s_owner_t  *owner;

    held = item->held;
    text = held->expr ? NULL : ngx_k8s_expr_text(item);

    if (text == NULL) {
        return;
    }

    key = ngx_k8s_expr_key(item, text);
    expr = (ngx_k8s_expr_t *) ngx_str_rbtree_lookup(&c->exprs, text, key);

    if (expr == NULL) {

        owner = ngx_k8s_expr_owner(c, item, 1);
        if (owner == NULL) {
            return;
        }

        expr = ngx_k8s_expr_make(c, &c->exprs, sizeof(ngx_k8s_expr_t), text,
                                 key);

        if (expr == NULL) {

            if (owner->n == 0) {
                ngx_rbtree_delete(&c->owners, &owner->sn.node);
                ngx_free(owner);
            }

            return;
        }

        expr->owner = &owner->sn;
        owner->n++;
        c->nexprs++;
    }

    expr->refs++;
    held->expr = expr;
}


void
ngx_k8s_expr_put(ngx_k8s_compile_t *c, ngx_k8s_held_t *held)
{
    ngx_k8s_expr_t   *expr;
    ngx_k8s_owner_t  *owner;

    expr = held->expr;

    if (expr == NULL || --expr->refs) {
        return;
    }

    /* not what was only tried */

    c->nfreed += (held->fresh == 0);

    owner = (ngx_k8s_owner_t *) expr->owner;

    ngx_rbtree_delete(&c->exprs, &expr->sn.node);
    ngx_free(expr);

    c->nexprs--;

    if (--owner->n == 0) {
        ngx_rbtree_delete(&c->owners, &owner->sn.node);
        ngx_free(owner);
    }
}


void
ngx_k8s_expr_over(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_uint_t over)
{
    if (state->over) {
        ngx_queue_remove(&state->waits);
    }

    state->over = over;

    if (over) {
        ngx_queue_insert_tail(&c->over, &state->waits);
        state->nfreed = c->nfreed;
    }
}


ngx_int_t
ngx_k8s_compile_exprs(ngx_k8s_compile_t *c)
{
    ngx_uint_t             i;
    ngx_queue_t           *q;
    ngx_k8s_host_state_t  *state;

    if (ngx_queue_empty(&c->over)) {
        return NGX_DONE;
    }

    q = ngx_queue_head(&c->over);
    state = ngx_queue_data(q, ngx_k8s_host_state_t, waits);

    if (c->nfreed == state->nfreed) {
        return NGX_DONE;
    }

    ngx_k8s_expr_over(c, state, 0);

    if (state->nshards == 0) {
        state->head = 1;
    }

    for (i = 0; i < state->nshards; i++) {
        if (state->shards[i].over) {
            ngx_k8s_shard_mark(state, i);
        }
    }

    ngx_k8s_node_mark(c->store, state->node);

    return NGX_OK;
}
