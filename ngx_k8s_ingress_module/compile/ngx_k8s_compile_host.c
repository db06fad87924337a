
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Hosts, a piece at a time: what has changed of their objects, then the records
 * that this touches.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_HOST_SLICE     256    /* things given back in one step */


static ngx_uint_t ngx_k8s_host_routes(ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_host_attach(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static void ngx_k8s_host_begin(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_host_records(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_uint_t ngx_k8s_host_apart(ngx_k8s_host_state_t *state);
static ngx_k8s_claim_t *ngx_k8s_host_fallback(ngx_k8s_host_state_t *state);
static void ngx_k8s_host_fallback_told(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_k8s_claim_t *fallback);
static ngx_int_t ngx_k8s_host_head(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_claim_t *fallback);
static ngx_uint_t ngx_k8s_host_rewrites(ngx_k8s_model_t *model);
static size_t ngx_k8s_host_size(ngx_k8s_compile_t *c, ngx_uint_t index,
    uint32_t slot);
static void ngx_k8s_host_tls(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
static ngx_int_t ngx_k8s_host_shard(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_host_release(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_host_remove(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_uint_t alias);


ngx_int_t
ngx_k8s_compile_host(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_int_t              rc;
    ngx_uint_t             directive;
    ngx_k8s_host_state_t  *state;

    directive = (node == c->root && c->default_service.len);

    if (node->data == NULL && !directive
        && ngx_queue_empty(&node->links[NGX_K8S_ROLE_USER])
        && ngx_queue_empty(&node->links[NGX_K8S_ROLE_ALIAS]))
    {
        return NGX_OK;
    }

    state = ngx_k8s_host_state(c, node);
    if (state == NULL) {
        return NGX_ERROR;
    }

    if (ngx_k8s_owner_attach(c, state) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_k8s_host_begin(c, state);

    rc = ngx_k8s_compile_claims(c, state);

    if (rc == NGX_OK) {

        if (!directive && !ngx_k8s_host_routes(state)) {
            rc = ngx_k8s_compile_alias(c, state);

            return (rc == NGX_OK || rc == NGX_DECLINED)
                   ? ngx_k8s_host_remove(c, state, rc == NGX_OK) : rc;
        }

        ngx_k8s_compile_alias_real(c, state);

        if (!state->attached && ngx_k8s_host_attach(c, state) != NGX_OK) {
            return NGX_ERROR;
        }

        rc = state->sought ? NGX_DECLINED : ngx_k8s_host_records(c, state);

        if (rc == NGX_DECLINED) {
            rc = ngx_k8s_compile_refuse(c, state);
        }
    }

    if (rc == NGX_OK && ngx_k8s_host_telling(state)) {
        rc = NGX_AGAIN;
    }

    state->going = (rc == NGX_AGAIN);

    return rc;
}


/* canaries alone make no host */

static ngx_uint_t
ngx_k8s_host_routes(ngx_k8s_host_state_t *state)
{
    ngx_k8s_claim_t  *claim;

    if (state->claims.root == &state->sentinel) {
        return 0;
    }

    claim = (ngx_k8s_claim_t *) ngx_rbtree_min(state->claims.root,
                                               &state->sentinel);

    return claim->model->canary == NULL;
}


/* an exact host takes TLS over from the wildcard host that covers it */

static ngx_int_t
ngx_k8s_host_attach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_host_state_t  *parent;

    if (ngx_k8s_host_above(c, state, &parent) != NGX_OK) {
        return NGX_ERROR;
    }

    state->attached = 1;

    if (parent) {
        ngx_k8s_node_pin(c->store, parent->node);

        state->parent = parent->node;
        ngx_queue_insert_tail(&parent->children, &state->sibling);
    }

    return NGX_OK;
}


/* what did not fit is tried once each time that the host is marked */

static void
ngx_k8s_host_begin(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    if (state->going) {
        return;
    }

    state->sought = NULL;
    state->node->need = 0;
    state->room = ngx_k8s_writer_room(c->writer)
                  + ngx_k8s_writer_retired(c->writer);

    if (!state->stuck) {
        return;
    }

    state->stuck = 0;

    ngx_k8s_shards_again(state);
}


/* one record, or what is no more needed; NGX_DECLINED: no room */

static ngx_int_t
ngx_k8s_host_records(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_int_t          rc;
    ngx_uint_t         n, stale;
    ngx_k8s_claim_t   *fallback;
    ngx_k8s_making_t   m;

    if (state->undoing) {
        ngx_k8s_shards_undo(c, state);
        return NGX_AGAIN;
    }

    ngx_memzero(&m, sizeof(ngx_k8s_making_t));
    m.state = state;

    state->skipped = 0;
    state->youngest = NULL;
    state->grown = NULL;

    if (ngx_k8s_compile_tls(c, &m) != NGX_OK) {
        return NGX_AGAIN;
    }

    fallback = ngx_k8s_host_fallback(state);
    m.apart = ngx_k8s_host_apart(state);

    if (!state->full
        && (state->slot == 0 || fallback != state->fallback
            || m.apart != state->apart
            || m.tls != state->tls || m.ncerts != state->ncerts
            || ngx_memcmp(m.certs, state->certs, sizeof(m.certs)) != 0))
    {
        state->head = 1;
    }

    if (state->moving
        && ngx_k8s_shards_wanted(state, state->nold) == state->nold)
    {
        ngx_k8s_shards_unmove(c, state);
        ngx_k8s_shards_again(state);

        return NGX_AGAIN;
    }

    n = ngx_k8s_shards_wanted(state, state->nshards);

    if (n != state->nshards && !state->moving && !state->stuck
        && ngx_k8s_shards_move(c, state, n) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (state->head && !state->moving) {
        rc = ngx_k8s_host_head(c, &m, fallback);

        return (rc == NGX_OK) ? NGX_AGAIN : rc;
    }

    if (state->ndirty) {
        rc = ngx_k8s_host_shard(c, state);

        return (rc == NGX_OK) ? NGX_AGAIN : rc;
    }

    if (state->moving) {
        rc = ngx_k8s_host_head(c, &m, fallback);

        if (rc != NGX_OK) {
            return rc;
        }

        ngx_k8s_shards_moved(c, state);

        return NGX_AGAIN;
    }

    n = ngx_k8s_compile_short(state, &stale);

    state->waited = 0;

    if (stale) {
        return NGX_OK;
    }

    state->written++;
    state->node->gone = 0;

    if (n == 0) {
        ngx_k8s_compile_blame(c, state, NULL);
    }

    return ngx_k8s_host_release(c, state);
}


/* challenges alone take nothing else of a name */

static ngx_uint_t
ngx_k8s_host_apart(ngx_k8s_host_state_t *state)
{
    if (state->node->name.len == 0 || state->claims.root == &state->sentinel) {
        return 0;
    }

    return ((ngx_k8s_claim_t *) ngx_rbtree_min(state->claims.root,
                                               &state->sentinel))->apart;
}


/*
 * Whose annotations what no path takes has, and whose default backend, if it
 * has one: those of the oldest object that the gate lets through and not all of
 * whose paths are bad expressions; of the oldest one, where none is such; for
 * the empty host, which nobody makes, those of the oldest one that is nothing
 * but a default backend; else the controller's.
 */

static ngx_k8s_claim_t *
ngx_k8s_host_fallback(ngx_k8s_host_state_t *state)
{
    ngx_k8s_claim_t    *claim;
    ngx_rbtree_node_t  *node;

    if (state->node->name.len == 0) {
        return ngx_k8s_claim_marked(state);
    }

    if (state->claims.root == &state->sentinel) {
        return NULL;
    }

    claim = state->first;

    if (claim == NULL) {
        node = ngx_rbtree_min(state->claims.root, &state->sentinel);
        claim = (ngx_k8s_claim_t *) node;
    }

    return (claim->model->fallback
            || (!claim->model->canary && !claim->apart
                && (claim->model->values.nserved
                    || claim->model->values.close_route)))
           ? claim : NULL;
}


/*
 * Of the host "" the others say whose default backend goes before theirs; of
 * any it may be all that an object routes.
 */

static void
ngx_k8s_host_fallback_told(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_claim_t *fallback)
{
    if (state->node->name.len == 0) {
        ngx_k8s_claim_tell(state);
        return;
    }

    if (fallback && fallback->link) {
        ngx_k8s_entry_mark(c->store, fallback->entry);
    }

    if (state->fallback && state->fallback->link) {
        ngx_k8s_entry_mark(c->store, state->fallback->entry);
    }
}


static ngx_int_t
ngx_k8s_host_head(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_claim_t *fallback)
{
    size_t                 size;
    ngx_int_t              rc;
    ngx_k8s_host_state_t  *state;

    state = m->state;
    rc = NGX_OK;

    if (fallback) {
        m->fallback = fallback->model->fallback;
        m->fallback_rewrite = ngx_k8s_host_rewrites(fallback->model);
        m->fallback_closed = fallback->model->values.close_route;
    }

    if (fallback
        || (c->default_service.len && !m->apart
            && ngx_k8s_compile_ingress(state->node)))
    {
        rc = ngx_k8s_compile_hold_fallback(c, state->node, fallback,
                                           &m->fallback_held);

        if (rc == NGX_DECLINED && state->partial && state->node->gone) {
            fallback = NULL;
            m->fallback = NULL;
            m->fallback_rewrite = 0;
            m->fallback_closed = 0;
            state->skipped = 1;
            rc = NGX_OK;
        }
    }

    ngx_k8s_compile_release(c, &state->fallback_next);

    if (rc == NGX_AGAIN) {
        state->fallback_next = m->fallback_held;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    size = ngx_k8s_host_size(c, NGX_K8S_INDEX_HOST, state->slot);

    rc = ngx_k8s_compile_head(c, m);

    if (rc == NGX_AGAIN) {
        state->fallback_next = m->fallback_held;
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        ngx_k8s_compile_release(c, &m->fallback_held);
        return rc;
    }

    if (ngx_k8s_host_size(c, NGX_K8S_INDEX_HOST, state->slot) < size) {
        ngx_k8s_compile_smaller(state, NULL);
    }

    ngx_k8s_compile_release(c, &state->fallback_held);

    if (fallback != state->fallback) {
        ngx_k8s_host_fallback_told(c, state, fallback);
    }

    state->fallback = fallback;
    state->fallback_held = m->fallback_held;
    state->apart = m->apart;
    state->stale = 0;
    state->full = ngx_k8s_compile_written(c, state);

    ngx_k8s_host_tls(c, m);

    return NGX_OK;
}


/* what no path takes; that of all hosts is left as it is */

static ngx_uint_t
ngx_k8s_host_rewrites(ngx_k8s_model_t *model)
{
    return model->target.len && !model->catchall
           && !ngx_k8s_str_eq_c(&model->target, "/");
}


static size_t
ngx_k8s_host_size(ngx_k8s_compile_t *c, ngx_uint_t index, uint32_t slot)
{
    ngx_k8s_record_t  *rec;

    rec = ngx_k8s_slot_record(c->table, index, slot);

    return rec ? rec->size : 0;
}


/* siblings below a wildcard host follow its TLS */

static void
ngx_k8s_host_tls(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_k8s_host_state_t  *state;

    state = m->state;

    if (state->tls == m->tls && state->ncerts == m->ncerts
        && ngx_memcmp(state->certs, m->certs, sizeof(m->certs)) == 0)
    {
        return;
    }

    state->tls = m->tls;
    state->ncerts = m->ncerts;
    ngx_memcpy(state->certs, m->certs, sizeof(m->certs));

    ngx_k8s_claim_tell(state);
    ngx_k8s_compile_alias_tell(c, state);

    if (!ngx_queue_empty(&state->children)) {
        state->heir = ngx_queue_head(&state->children);
    }
}


static ngx_int_t
ngx_k8s_host_shard(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    size_t            size;
    ngx_int_t         rc;
    ngx_k8s_shard_t  *shard;

    while (!state->shards[state->cursor].dirty) {
        state->cursor = (state->cursor + 1) & (state->nshards - 1);
    }

    shard = &state->shards[state->cursor];

    size = ngx_k8s_host_size(c, NGX_K8S_INDEX_PATHS, shard->ref.slot);

    rc = ngx_k8s_compile_shard(c, state, state->cursor);

    if (rc == NGX_OK) {
        shard->dirty = 0;
        shard->stale = 0;
        shard->full = ngx_k8s_compile_written(c, state);
        state->ndirty--;

        if (ngx_k8s_host_size(c, NGX_K8S_INDEX_PATHS, shard->ref.slot) < size)
        {
            ngx_k8s_compile_smaller(state, NULL);
        }
    }

    return rc;
}


/* what only items that have gone led to */

static ngx_int_t
ngx_k8s_host_release(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_uint_t       n;
    ngx_k8s_item_t  *item;

    for (n = 0; state->gone; n++) {

        if (n == NGX_K8S_HOST_SLICE) {
            return NGX_AGAIN;
        }

        item = state->gone;
        state->gone = item->next;

        if (item->twin) {
            ngx_k8s_item_release(c, item->twin);
        }

        ngx_k8s_item_release(c, item);
        ngx_k8s_item_free(item);
    }

    return NGX_OK;
}


/* all but the record of an alias */

static ngx_int_t
ngx_k8s_host_remove(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_uint_t alias)
{
    ngx_uint_t         n;
    ngx_k8s_node_t    *node;
    ngx_k8s_making_t   m;

    node = state->node;

    ngx_k8s_expr_over(c, state, 0);

    if (state->slot && !alias) {
        ngx_k8s_compile_smaller(state, NULL);
        ngx_k8s_writer_remove(c->writer, state->slot);
        state->slot = 0;
    }

    ngx_k8s_shards_remove(c, state->old, state->nold);
    ngx_k8s_shards_remove(c, state->shards, state->nshards);

    state->old = NULL;
    state->nold = 0;
    state->shards = NULL;
    state->nshards = 0;
    state->ndirty = 0;
    state->longest = 0;
    ngx_k8s_scope_use(c, &state->policy, NULL);
    ngx_k8s_scope_use(c, &state->policy_next, NULL);
    state->fallback = NULL;
    state->apart = 0;
    state->head = 0;
    state->full = 0;
    state->moving = 0;
    state->undoing = 0;
    state->stuck = 0;
    state->stale = 0;
    state->partial = 0;
    state->waited = 0;
    node->gone = 0;

    ngx_k8s_compile_release(c, &state->fallback_held);
    ngx_k8s_compile_release(c, &state->fallback_next);

    /* of canaries */

    for (n = 0; state->helds.root != &state->sentinel; n++) {

        if (n == NGX_K8S_HOST_SLICE) {
            return NGX_AGAIN;
        }

        ngx_k8s_item_release(c, ((ngx_k8s_held_t *) state->helds.root)->item);
    }

    if (ngx_k8s_host_release(c, state) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ngx_memzero(&m, sizeof(ngx_k8s_making_t));
    m.state = state;
    ngx_k8s_host_tls(c, &m);

    if (ngx_k8s_host_telling(state)) {
        return NGX_AGAIN;
    }

    if (alias) {
        return NGX_OK;
    }

    ngx_k8s_host_detach(c, state);
    ngx_k8s_host_drop(c, state);

    return NGX_OK;
}


void
ngx_k8s_compile_host_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_item_t        *item;
    ngx_k8s_host_state_t  *state;

    state = node->data;

    ngx_k8s_compile_outs_free(c, state);
    ngx_k8s_claims_free(state);

    while (state->gone) {
        item = state->gone;
        state->gone = item->next;

        if (item->twin && item->twin->held) {
            ngx_free(item->twin->held);
        }

        if (item->held) {
            ngx_free(item->held);
        }

        ngx_k8s_item_free(item);
    }

    if (state->fallback_held) {
        ngx_free(state->fallback_held);
    }

    if (state->fallback_next) {
        ngx_free(state->fallback_next);
    }

    if (state->old) {
        ngx_free(state->old);
    }

    if (state->shards) {
        ngx_free(state->shards);
    }

    ngx_free(state);
    node->data = NULL;
}
