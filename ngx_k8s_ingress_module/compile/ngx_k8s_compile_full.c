
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A host of which a record does not fit.  The youngest object that is not yet
 * served is left out.  Where all are served the record is written without what
 * is new in it, so that what goes goes, and what changes changes, whatever
 * waits for room: that takes no more than the record before.  Only where an
 * object that changes grows it stays as it was, and not if another one has
 * gone: then the one that grows is left out.
 *
 * A record that does not grow has room in the reserve.  Where that is not in
 * one piece, or readers hold it, the host waits for that.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_FULL_WAITS     8     /* in a row */
#define NGX_K8S_FULL_LOOK      256   /* objects looked at in one item of work */


static void ngx_k8s_full_begin(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_full_unserved(ngx_k8s_host_state_t *state,
    ngx_k8s_claim_t **claim);
static ngx_k8s_claim_t *ngx_k8s_full_youngest(ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_full_leave(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, size_t need);
static void ngx_k8s_full_stays(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);


ngx_int_t
ngx_k8s_compile_refuse(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    size_t            need;
    ngx_k8s_claim_t  *claim;

    if (state->sought == NULL) {

        if (ngx_k8s_writer_later(c->writer)
            && state->waited < NGX_K8S_FULL_WAITS)
        {
            state->waited++;
            ngx_k8s_compile_stuck(c, state->node, 0);

            return NGX_OK;
        }

        ngx_k8s_full_begin(c, state);
    }

    if (ngx_k8s_full_unserved(state, &claim) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    need = state->wanted;

    if (claim) {
        return ngx_k8s_full_leave(c, claim, need);
    }

    claim = state->grown ? state->grown : ngx_k8s_full_youngest(state);

    if (state->slot && !state->moving) {

        if (!state->partial) {
            state->partial = 1;
            state->need = need;
            return NGX_AGAIN;
        }

        if (state->node->gone && claim && !state->later) {
            state->partial = 0;
            return ngx_k8s_full_leave(c, claim, need);
        }

        need = state->need;
    }

    if (need != NGX_K8S_NEVER) {
        ngx_k8s_compile_stuck(c, state->node, need);
    }

    state->stuck = 1;
    state->partial = 0;
    state->waited = 0;

    ngx_k8s_compile_blame(c, state, claim);
    ngx_k8s_full_stays(c, state);

    return NGX_AGAIN;
}


/* what is missing, and where the walk over the objects begins */

static void
ngx_k8s_full_begin(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    size_t      missing;
    ngx_uint_t  large;

    state->later = ngx_k8s_writer_later(c->writer);

    missing = ngx_k8s_writer_missing(c->writer);

    if (missing || !state->stuck) {
        state->missing = ngx_max(missing, NGX_K8S_GRANULE);
    }

    /* with room for more shards it may be none */

    large = state->large && !state->stuck;
    state->large = 0;

    /* what has been put for it is given back */

    state->wanted = large ? NGX_K8S_NEVER : state->room + state->missing;

    state->sought = ngx_k8s_full_youngest(state);
}


/* the youngest that is not served, NULL: none; NGX_AGAIN: it is still sought */

static ngx_int_t
ngx_k8s_full_unserved(ngx_k8s_host_state_t *state, ngx_k8s_claim_t **claim)
{
    ngx_uint_t  n;

    for (n = 0; state->sought && n < NGX_K8S_FULL_LOOK; n++) {
        *claim = state->sought;

        if (!(*claim)->entry->served) {
            state->sought = NULL;
            return NGX_OK;
        }

        state->sought = ngx_k8s_claim_before(*claim);
    }

    *claim = NULL;

    return state->sought ? NGX_AGAIN : NGX_OK;
}


static ngx_k8s_claim_t *
ngx_k8s_full_youngest(ngx_k8s_host_state_t *state)
{
    ngx_rbtree_node_t  *node;

    node = state->claims.root;

    if (node == &state->sentinel) {
        return NULL;
    }

    while (node->right != &state->sentinel) {
        node = node->right;
    }

    return (ngx_k8s_claim_t *) node;
}


static ngx_int_t
ngx_k8s_full_leave(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim, size_t need)
{
    ngx_k8s_host_state_t  *state;

    state = claim->state;

    ngx_k8s_compile_claim_mark(claim);

    /* by another host */

    if (claim->entry->full) {
        return NGX_AGAIN;
    }

    if (ngx_k8s_compile_leave(c, claim->entry, need, state->missing) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (need == NGX_K8S_NEVER) {
        ngx_k8s_compile_oversize(state, claim->entry->left);
        ngx_k8s_compile_smaller(state, claim->entry->left);
    }

    return NGX_AGAIN;
}


/* what could not be written is left as it was */

static void
ngx_k8s_full_stays(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_shard_t  *shard;

    /* what the old records have to say they may say in their place */

    if (state->moving) {
        ngx_k8s_shards_unmove(c, state);
        ngx_k8s_shards_again(state);
        return;
    }

    if (state->head) {
        state->head = 0;
        state->full = 1;
        state->stale = 1;
        return;
    }

    shard = &state->shards[state->cursor];
    shard->dirty = 0;
    shard->full = 1;
    shard->stale = 1;
    state->ndirty--;
}


ngx_uint_t
ngx_k8s_compile_written(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    state->partial = 0;

    if (!state->skipped) {
        return 0;
    }

    if (state->need != NGX_K8S_NEVER) {
        ngx_k8s_compile_stuck(c, state->node, state->need);
    }

    state->stuck = 1;

    if (state->youngest == NULL) {
        state->youngest = ngx_k8s_full_youngest(state);
    }

    ngx_k8s_compile_blame(c, state, state->youngest);

    return 1;
}


void
ngx_k8s_compile_blame(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_claim_t *claim)
{
    if (state->blamed && state->blamed != claim) {
        ngx_k8s_entry_mark(c->store, state->blamed->entry);
    }

    state->blamed = claim;

    if (claim) {
        ngx_k8s_entry_mark(c->store, claim->entry);
    }
}


ngx_uint_t
ngx_k8s_compile_short(ngx_k8s_host_state_t *state, ngx_uint_t *stale)
{
    ngx_uint_t  i, full;

    *stale = 0;

    if (!state->stuck) {
        return 0;
    }

    full = state->full;
    *stale = state->stale;

    for (i = 0; i < state->nshards; i++) {
        full |= state->shards[i].full;
        *stale |= state->shards[i].stale;
    }

    return full;
}
