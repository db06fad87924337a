
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Regular expressions of paths, each text once: how many there are in all, so
 * that workers keep all that they have compiled, whatever one namespace has.
 * An expression counts for the namespace that had it first.
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


static ngx_str_node_t *ngx_k8s_expr_find(ngx_rbtree_t *tree, ngx_str_t *text);
static void *ngx_k8s_expr_make(ngx_k8s_compile_t *c, ngx_rbtree_t *tree,
    size_t size, ngx_str_t *text);


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


static ngx_str_node_t *
ngx_k8s_expr_find(ngx_rbtree_t *tree, ngx_str_t *text)
{
    return ngx_str_rbtree_lookup(tree, text,
                                 ngx_murmur_hash2(text->data, text->len));
}


static void *
ngx_k8s_expr_make(ngx_k8s_compile_t *c, ngx_rbtree_t *tree, size_t size,
    ngx_str_t *text)
{
    ngx_str_node_t  *sn;

    sn = ngx_calloc(size + text->len, c->log);
    if (sn == NULL) {
        return NULL;
    }

    sn->str.len = text->len;
    sn->str.data = (u_char *) sn + size;
    ngx_memcpy(sn->str.data, text->data, text->len);

    sn->node.key = ngx_murmur_hash2(text->data, text->len);
    ngx_rbtree_insert(tree, &sn->node);

    return sn;
}


/* as many as it leaves to others, so that none takes all */

ngx_uint_t
ngx_k8s_expr_room(ngx_k8s_compile_t *c, ngx_k8s_item_t *item)
{
    ngx_str_t        *path, *ns;
    ngx_k8s_owner_t  *owner;

    path = &item->match->path;
    ns = &item->claim->model->object->namespace;

    if (ngx_k8s_expr_find(&c->exprs, path)) {
        return 1;
    }

    owner = (ngx_k8s_owner_t *) ngx_k8s_expr_find(&c->owners, ns);

    return c->nexprs + (owner ? owner->n : 0) < NGX_K8S_EXPRS;
}


void
ngx_k8s_expr_take(ngx_k8s_compile_t *c, ngx_k8s_item_t *item)
{
    ngx_str_t        *path, *ns;
    ngx_k8s_held_t   *held;
    ngx_k8s_expr_t   *expr;
    ngx_k8s_owner_t  *owner;

    held = item->held;
    path = &item->match->path;

    if (held->expr || item->claim->state->nregex == 0 || item->slash
        || ngx_k8s_path_literal(path) == path->len)
    {
        return;
    }

    expr = (ngx_k8s_expr_t *) ngx_k8s_expr_find(&c->exprs, path);

    if (expr == NULL) {

        ns = &item->claim->model->object->namespace;
        owner = (ngx_k8s_owner_t *) ngx_k8s_expr_find(&c->owners, ns);

        if (owner == NULL) {
            owner = ngx_k8s_expr_make(c, &c->owners, sizeof(ngx_k8s_owner_t),
                                      ns);
            if (owner == NULL) {
                return;
            }
        }

        expr = ngx_k8s_expr_make(c, &c->exprs, sizeof(ngx_k8s_expr_t), path);

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

    state->head = 1;
    ngx_k8s_node_mark(c->store, state->node);

    return NGX_OK;
}
