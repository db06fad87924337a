
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A host has all its paths in its record, or, where they are very many, in
 * shards, so that a change of a path costs a shard.  When another number of
 * shards is wanted, all new ones are written, one by one, beside those that
 * are read; then the host record, which leads to the new ones by one store;
 * then the old ones are removed.  Changes meanwhile go to the new ones.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_SHARD_FIRST    64     /* paths that one record may have */
#define NGX_K8S_SHARD_PATHS    32     /* of one shard, at most, when made */
#define NGX_K8S_SHARDS         32768
#define NGX_K8S_UNDO_SLICE     256    /* paths */
#define NGX_K8S_SHED_SLICE     64     /* shards */


static void ngx_k8s_shard_remove(ngx_k8s_compile_t *c,
    ngx_k8s_shard_t *shard);


/*
 * How many shards are wanted: n as long as it is not far off.  Regular
 * expressions are in the host record itself.
 */

ngx_uint_t
ngx_k8s_shards_wanted(ngx_k8s_host_state_t *state, ngx_uint_t n)
{
    if (state->nregex) {
        return 0;
    }

    if (n == 0) {
        if (state->npaths <= NGX_K8S_SHARD_FIRST) {
            return 0;
        }

    } else if (state->npaths <= NGX_K8S_SHARD_FIRST / 2) {
        return 0;

    } else if (state->npaths <= n * NGX_K8S_SHARD_PATHS * 2
               && state->npaths >= n * NGX_K8S_SHARD_PATHS / 8)
    {
        return n;
    }

    for (n = 2; n < NGX_K8S_SHARDS && state->npaths > n * NGX_K8S_SHARD_PATHS;
         n *= 2)
    {
        /* void */
    }

    return n;
}


ngx_int_t
ngx_k8s_shards_move(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_uint_t n)
{
    ngx_uint_t        i;
    ngx_k8s_shard_t  *shards;

    shards = NULL;

    if (n) {
        shards = ngx_calloc(n * sizeof(ngx_k8s_shard_t), c->log);
        if (shards == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < n; i++) {
        shards[i].dirty = 1;
    }

    state->old = state->shards;
    state->nold = state->nshards;
    state->shards = shards;
    state->nshards = n;
    state->ndirty = n;
    state->cursor = 0;
    state->moving = 1;
    state->epoch++;

    return NGX_OK;
}


/* readers have the new records */

void
ngx_k8s_shards_moved(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_uint_t  i;

    ngx_k8s_shards_remove(c, state->old, state->nold);

    state->old = NULL;
    state->nold = 0;
    state->moving = 0;

    for (i = 0; i < state->nshards; i++) {
        if (state->shards[i].again) {
            ngx_k8s_shard_mark(state, i);
        }
    }
}


/* the new records do not fit, or are not wanted any more: the old ones stay */

void
ngx_k8s_shards_unmove(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_uint_t  i;

    state->undoing = 1;
    state->undo = 0;

    ngx_k8s_shards_remove(c, state->shards, state->nshards);

    state->shards = state->old;
    state->nshards = state->nold;
    state->ndirty = 0;
    state->old = NULL;
    state->nold = 0;
    state->cursor = 0;
    state->moving = 0;

    for (i = 0; i < state->nshards; i++) {
        state->shards[i].dirty = 0;
        state->shards[i].full = 1;
    }

    state->head = 0;
    state->full = 1;
}


void
ngx_k8s_shards_undo(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_uint_t       n;
    ngx_k8s_held_t  *held, *next;

    held = ngx_k8s_held_from(state, state->undo);

    for (n = 0; held; n++) {

        /* those of one key together */

        if (n >= NGX_K8S_UNDO_SLICE && held->node.key != state->undo) {
            state->undo = held->node.key;
            return;
        }

        state->undo = held->node.key;
        next = ngx_k8s_held_next(held);

        if (held->epoch == state->epoch) {
            ngx_k8s_item_release(c, held->item);
        }

        held = next;
    }

    state->epoch++;
    state->undoing = 0;
}


/* many go in their turn, or at once without memory for it */

void
ngx_k8s_shards_remove(ngx_k8s_compile_t *c, ngx_k8s_shard_t *shards,
    ngx_uint_t n)
{
    ngx_k8s_shed_t  *shed;

    if (n > NGX_K8S_SHED_SLICE) {
        shed = ngx_alloc(sizeof(ngx_k8s_shed_t), c->log);

        if (shed) {
            shed->shards = shards;
            shed->n = n;
            ngx_queue_insert_tail(&c->shed, &shed->queue);

            return;
        }
    }

    while (n) {
        ngx_k8s_shard_remove(c, &shards[--n]);
    }

    if (shards) {
        ngx_free(shards);
    }
}


static void
ngx_k8s_shard_remove(ngx_k8s_compile_t *c, ngx_k8s_shard_t *shard)
{
    if (shard->ref.slot) {
        ngx_k8s_writer_remove(c->writer, shard->ref.slot);
    }
}


ngx_int_t
ngx_k8s_compile_shed(ngx_k8s_compile_t *c)
{
    ngx_uint_t       n;
    ngx_k8s_shed_t  *shed;

    if (ngx_queue_empty(&c->shed)) {
        return NGX_DONE;
    }

    shed = ngx_queue_data(ngx_queue_head(&c->shed), ngx_k8s_shed_t, queue);

    for (n = 0; n < NGX_K8S_SHED_SLICE && shed->n; n++) {
        ngx_k8s_shard_remove(c, &shed->shards[--shed->n]);
    }

    if (shed->n == 0) {
        ngx_queue_remove(&shed->queue);
        ngx_free(shed->shards);
        ngx_free(shed);
    }

    return NGX_OK;
}


void
ngx_k8s_shards_again(ngx_k8s_host_state_t *state)
{
    ngx_uint_t  i;

    if (state->full) {
        state->full = 0;
        state->head = 1;
    }

    for (i = 0; i < state->nshards; i++) {
        if (state->shards[i].full) {
            ngx_k8s_shard_mark(state, i);
        }
    }
}


ngx_uint_t
ngx_k8s_compile_shard_find(ngx_k8s_node_t *node, uint32_t slot)
{
    ngx_uint_t             i;
    ngx_k8s_host_state_t  *state;

    state = node->data;

    for (i = 0; i < state->nshards; i++) {
        if (state->shards[i].ref.slot == slot) {
            return 1;
        }
    }

    for (i = 0; i < state->nold; i++) {
        if (state->old[i].ref.slot == slot) {
            return 1;
        }
    }

    return 0;
}
