
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The records of a host: the host record and, where it has very many paths,
 * the shards that they are in.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_RECORD_HOLDS  256  /* new ones in one item of work */
#define NGX_K8S_RECORD_SKIPS  64   /* of one path, in a row */


static ngx_int_t ngx_k8s_record_init(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static ngx_int_t ngx_k8s_record_collect(ngx_k8s_making_t *m, ngx_uint_t n);
static ngx_int_t ngx_k8s_record_group(ngx_k8s_making_t *m, ngx_uint_t n,
    ngx_k8s_item_t *item);
static ngx_k8s_item_t *ngx_k8s_record_next(ngx_k8s_item_t *item,
    ngx_uint_t *skips);
static ngx_int_t ngx_k8s_record_stale(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_uint_t n);
static ngx_uint_t ngx_k8s_record_hidden(ngx_k8s_making_t *m,
    ngx_k8s_claim_t *claim);
static ngx_int_t ngx_k8s_record_close(ngx_k8s_making_t *m,
    ngx_k8s_claim_t *claim);
static int ngx_libc_cdecl ngx_k8s_record_place_cmp(const void *one,
    const void *two);
static ngx_int_t ngx_k8s_record_hold(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_uint_t n);
static void ngx_k8s_record_unhold(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
static void ngx_k8s_record_held(ngx_k8s_making_t *m);
static void ngx_k8s_record_release(ngx_k8s_compile_t *c, ngx_array_t *a);
static ngx_int_t ngx_k8s_record_listen(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_claim_t *claim);


/* the host record, with all paths or with those of no shard */

ngx_int_t
ngx_k8s_compile_head(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    uint32_t   slot;
    ngx_int_t  rc;

    m->head = 1;

    if (m->state->nshards == 0) {
        ngx_k8s_expr_over(c, m->state, 0);
    }

    if (ngx_k8s_record_init(c, m) != NGX_OK
        || (m->state->nregex ? ngx_k8s_compile_regexes(c, m)
                             : ngx_k8s_record_collect(m, 0))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_k8s_scope_policy(c, m->state, &m->policy);

    if (rc == NGX_DECLINED && m->state->partial) {

        /* closed until there is room for it */

        m->state->unseen = 1;
        m->state->skipped = 1;

    } else if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_k8s_record_hold(c, m, 0);

    if (rc == NGX_AGAIN) {

        /* it would be built anew, and nothing else in that time */

        ngx_k8s_scope_use(c, &m->state->policy_next, m->policy);
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        ngx_k8s_scope_use(c, &m->policy, NULL);
        return rc;
    }

    m->none = -1;

    if (m->fallback_held
        && (m->fallback || c->default_service.len)
        && !m->fallback_closed)
    {
        m->none = ngx_k8s_compile_action_one(c, m, m->fallback_held->ports[0],
                                             m->fallback);

    } else if (m->state->node->name.len && !m->apart
               && ngx_k8s_compile_ingress(m->state->node))
    {
        m->none = ngx_k8s_compile_action_status(m, NGX_K8S_ACTION_STATUS,
                                                m->fallback_closed ? 503
                                                                   : 404);
    }

    if (m->state->partial && m->tls && !m->state->tls) {
        m->state->skipped = 1;
        m->tls = 0;
        m->ncerts = 0;
    }

    slot = ngx_k8s_record_put(c, m, 0);

    if (slot == 0) {
        ngx_k8s_record_unhold(c, m);
        ngx_k8s_scope_use(c, &m->policy, NULL);
        return NGX_DECLINED;
    }

    /* all objects of the host have it */

    if (m->policy != m->state->policy
        && m->state->claims.root != &m->state->sentinel)
    {
        m->state->saying = (ngx_k8s_claim_t *)
                           ngx_rbtree_min(m->state->claims.root,
                                          &m->state->sentinel);
    }

    ngx_k8s_scope_use(c, &m->state->policy, m->policy);

    m->state->slot = slot;
    m->state->head = 0;
    m->state->full = 0;

    ngx_k8s_record_held(m);
    ngx_k8s_record_release(c, &m->stale);

    return NGX_OK;
}


ngx_int_t
ngx_k8s_compile_shard(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_uint_t n)
{
    uint32_t           slot;
    ngx_int_t          rc;
    ngx_k8s_shard_t   *shard;
    ngx_k8s_making_t   m;

    ngx_memzero(&m, sizeof(ngx_k8s_making_t));

    m.state = state;
    shard = &state->shards[n];

    if (ngx_k8s_record_init(c, &m) != NGX_OK
        || ngx_k8s_record_collect(&m, n) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_k8s_record_hold(c, &m, n);

    if (rc != NGX_OK) {
        return rc;
    }

    slot = ngx_k8s_record_put(c, &m, n);

    if (slot == 0) {
        ngx_k8s_record_unhold(c, &m);
        return NGX_DECLINED;
    }

    shard->ref.slot = slot;
    shard->ref.generation = ngx_k8s_slot(c->table, slot)->generation;

    /* what the records before a change of their number lead to stays */

    shard->again = (m.stale.nelts && state->moving);

    ngx_k8s_record_held(&m);

    if (!state->moving) {
        ngx_k8s_record_release(c, &m.stale);
    }

    return NGX_OK;
}


static void
ngx_k8s_record_release(ngx_k8s_compile_t *c, ngx_array_t *a)
{
    ngx_uint_t        i;
    ngx_k8s_item_t  **items;

    items = a->elts;

    for (i = 0; i < a->nelts; i++) {
        ngx_k8s_item_release(c, items[i]);
    }
}


static ngx_int_t
ngx_k8s_record_init(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    c->stamp++;

    if (ngx_array_init(&m->places, c->pool, 16, sizeof(ngx_k8s_place_t))
        != NGX_OK
        || ngx_array_init(&m->items, c->pool, 16, sizeof(ngx_k8s_item_t *))
           != NGX_OK
        || ngx_array_init(&m->stale, c->pool, 4, sizeof(ngx_k8s_item_t *))
           != NGX_OK
        || ngx_array_init(&m->actions, c->pool, 8, sizeof(ngx_k8s_action_t))
           != NGX_OK
        || ngx_array_init(&m->backends, c->pool, 8,
                          sizeof(ngx_k8s_backend_rec_t))
           != NGX_OK
        || ngx_array_init(&m->mirrors, c->pool, 1,
                          sizeof(ngx_k8s_mirror_rec_t))
           != NGX_OK
        || ngx_array_init(&m->listeners, c->pool, 1, sizeof(uint32_t))
           != NGX_OK
        || ngx_array_init(&m->closed, c->pool, 1, sizeof(uint32_t)) != NGX_OK
        || ngx_array_init(&m->holds, c->pool, 16, sizeof(ngx_k8s_item_t *))
           != NGX_OK
        || ngx_array_init(&m->trials, c->pool, 1, sizeof(ngx_k8s_trial_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The paths of the record, each with the matches that can be reached.  As
 * ingress-nginx has it, a path that ends in a slash answers 301 to its name
 * without the slash, unless another path takes just that.
 */

static ngx_int_t
ngx_k8s_record_collect(ngx_k8s_making_t *m, ngx_uint_t n)
{
    ngx_str_t         text, last;
    ngx_uint_t        taken, skips;
    ngx_k8s_item_t   *item;
    ngx_k8s_place_t  *place;

    ngx_str_null(&last);
    taken = 0;
    skips = 0;

    item = ngx_k8s_item_first(m->state, m->head, n);

    while (ngx_k8s_item_within(item, m->head, n)) {

        if (ngx_k8s_item_skip(item)) {
            item = ngx_k8s_record_next(item, &skips);
            continue;
        }

        skips = 0;

        ngx_k8s_item_text(item, &text);

        if (last.data == NULL || !ngx_k8s_str_eq(&text, &last)) {
            last = text;
            taken = 0;
        }

        if (!item->canary && !(item->slash && taken)) {

            place = ngx_array_push(&m->places);
            if (place == NULL) {
                return NGX_ERROR;
            }

            place->text = text;
            place->type = item->slash ? NGX_K8S_PATH_EXACT
                                      : item->match->type;
            place->first = m->items.nelts;
            place->rewrite = 0;

            if (place->type == NGX_K8S_PATH_EXACT || !item->match->slash) {
                taken = 1;
            }

            if (ngx_k8s_record_group(m, n, item) != NGX_OK) {
                return NGX_ERROR;
            }

            place->n = m->items.nelts - place->first;
        }

        item = ngx_k8s_item_behind(item);
    }

    return NGX_OK;
}


/*
 * A match without predicates ends the list of a path on its listeners, and what
 * is behind its end is not looked at: of one path there may be very many.
 */

static ngx_int_t
ngx_k8s_record_group(ngx_k8s_making_t *m, ngx_uint_t n, ngx_k8s_item_t *item)
{
    ngx_uint_t        skips;
    ngx_k8s_item_t   *leader, **p;

    leader = item;
    skips = 0;

    m->closed_all = 0;
    m->closed.nelts = 0;

    do {

        if (ngx_k8s_item_skip(item)) {
            item = ngx_k8s_record_next(item, &skips);
            continue;
        }

        if (!ngx_k8s_record_hidden(m, item->claim)) {
            p = ngx_array_push(&m->items);
            if (p == NULL) {
                return NGX_ERROR;
            }

            *p = item;

            if (!item->slash) {
                m->npredicates += item->match->npredicates;
            }

            if ((item->slash || item->match->npredicates == 0)
                && ngx_k8s_record_close(m, item->claim) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        item = ngx_k8s_item_next(item);

    } while (!m->closed_all && ngx_k8s_item_within(item, m->head, n)
             && !item->canary && ngx_k8s_item_same(item, leader));

    return NGX_OK;
}


/*
 * The next one behind one that is skipped.  Behind many of them it is the next
 * that a record has: of one path very many may wait for room.
 */

static ngx_k8s_item_t *
ngx_k8s_record_next(ngx_k8s_item_t *item, ngx_uint_t *skips)
{
    ngx_k8s_item_t  *next;

    next = ngx_k8s_item_next(item);

    if (next == NULL || !ngx_k8s_item_same(next, item)) {
        *skips = 0;
        return next;
    }

    if (++*skips < NGX_K8S_RECORD_SKIPS) {
        return next;
    }

    *skips = 0;

    next = ngx_k8s_held_behind(item);

    return next ? next : ngx_k8s_item_behind(item);
}


/* what the record has had, and has no more */

static ngx_int_t
ngx_k8s_record_stale(ngx_k8s_compile_t *c, ngx_k8s_making_t *m, ngx_uint_t n)
{
    ngx_uint_t        i;
    ngx_k8s_held_t   *held;
    ngx_k8s_item_t  **items, **p;

    items = m->holds.elts;

    for (i = 0; i < m->holds.nelts; i++) {
        if (items[i]->held) {
            items[i]->held->stamp = c->stamp;
        }
    }

    held = ngx_k8s_held_from(m->state, ngx_k8s_item_key(m->state, m->head, n));

    for ( /* void */ ;
         held && ngx_k8s_item_within(held->item, m->head, n);
         held = ngx_k8s_held_next(held))
    {
        if (held->stamp == c->stamp) {
            continue;
        }

        p = ngx_array_push(&m->stale);
        if (p == NULL) {
            return NGX_ERROR;
        }

        *p = held->item;
    }

    return NGX_OK;
}


/* whether matches before this one take all requests of its listeners */

static ngx_uint_t
ngx_k8s_record_hidden(ngx_k8s_making_t *m, ngx_k8s_claim_t *claim)
{
    uint32_t  i;

    if (m->closed_all || m->closed.nelts == 0 || claim->nlisteners == 0) {
        return m->closed_all;
    }

    for (i = 0; i < claim->nlisteners; i++) {
        if (bsearch(&claim->listeners[i], m->closed.elts, m->closed.nelts,
                    sizeof(uint32_t), ngx_k8s_listener_cmp)
            == NULL)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_k8s_record_close(ngx_k8s_making_t *m, ngx_k8s_claim_t *claim)
{
    uint32_t    i, *slot;
    ngx_uint_t  n;

    if (claim->nlisteners == 0) {
        m->closed_all = 1;
        return NGX_OK;
    }

    n = m->closed.nelts;

    for (i = 0; i < claim->nlisteners; i++) {

        if (n && bsearch(&claim->listeners[i], m->closed.elts, n,
                         sizeof(uint32_t), ngx_k8s_listener_cmp))
        {
            continue;
        }

        slot = ngx_array_push(&m->closed);
        if (slot == NULL) {
            return NGX_ERROR;
        }

        *slot = claim->listeners[i];
    }

    ngx_qsort(m->closed.elts, m->closed.nelts, sizeof(uint32_t),
              ngx_k8s_listener_cmp);

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_k8s_record_place_cmp(const void *one, const void *two)
{
    ngx_k8s_place_t  *a, *b;

    a = (ngx_k8s_place_t *) one;
    b = (ngx_k8s_place_t *) two;

    return ngx_k8s_path_cmp(a->type, &a->text, b->type, &b->text);
}


/*
 * Services, rules and actions of all matches.  NGX_AGAIN: what is held stays
 * so, and the rest of it comes later.
 */

static ngx_int_t
ngx_k8s_record_hold(ngx_k8s_compile_t *c, ngx_k8s_making_t *m, ngx_uint_t n)
{
    ngx_int_t         rc, waits;
    ngx_uint_t        i, fresh;
    ngx_k8s_item_t  **items, **holds;

    ngx_qsort(m->places.elts, m->places.nelts, sizeof(ngx_k8s_place_t),
              ngx_k8s_record_place_cmp);

    items = m->items.elts;
    waits = NGX_OK;

    m->action = ngx_palloc(c->pool, m->items.nelts * sizeof(uint32_t));
    m->trial = ngx_palloc(c->pool, (m->items.nelts + 1) * sizeof(uint32_t));

    if (m->action == NULL || m->trial == NULL) {
        return NGX_ERROR;
    }

    if (ngx_k8s_canary_holds(c, m, n) != NGX_OK
        || ngx_k8s_record_stale(c, m, n) != NGX_OK)
    {
        return NGX_ERROR;
    }

    holds = m->holds.elts;
    fresh = 0;

    for (i = 0; i < m->holds.nelts; i++) {

        if (holds[i]->held == NULL && fresh++ == NGX_K8S_RECORD_HOLDS) {
            return NGX_AGAIN;
        }

        rc = ngx_k8s_compile_hold(c, holds[i]);

        if (rc == NGX_AGAIN) {

            if (c->builds <= 0) {
                return NGX_AGAIN;
            }

            waits = NGX_AGAIN;

        } else if (rc != NGX_OK) {
            ngx_k8s_record_unhold(c, m);
            return rc;
        }
    }

    /* a large record is written by itself */

    if (waits == NGX_AGAIN
        || (fresh && m->holds.nelts > NGX_K8S_RECORD_HOLDS))
    {
        return NGX_AGAIN;
    }

    for (i = 0; i < m->items.nelts; i++) {
        m->trial[i] = m->trials.nelts;

        rc = ngx_k8s_compile_hold_rule(c, items[i]);

        if (rc == NGX_OK) {
            rc = ngx_k8s_record_listen(c, m, items[i]->claim);
        }

        if (rc == NGX_OK) {
            rc = ngx_k8s_compile_action(c, m, items[i]);
        }

        if (rc < 0) {
            ngx_k8s_record_unhold(c, m);
            return rc;
        }

        m->action[i] = rc;

        if (ngx_k8s_compile_canary_trials(c, m, i) != NGX_OK) {
            ngx_k8s_record_unhold(c, m);
            return NGX_ERROR;
        }
    }

    m->trial[i] = m->trials.nelts;

    return NGX_OK;
}


/* what no record has is not held; the youngest of its objects */

static void
ngx_k8s_record_unhold(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_uint_t         i;
    ngx_k8s_item_t   **items;
    ngx_k8s_claim_t  **grown;

    items = m->holds.elts;
    grown = &m->state->grown;

    for (i = 0; i < m->holds.nelts; i++) {
        if (items[i]->held && items[i]->held->fresh) {
            ngx_k8s_item_release(c, items[i]);
        }

        if (items[i]->held == NULL
            && (*grown == NULL
                || ngx_k8s_claim_cmp(items[i]->claim, *grown) > 0))
        {
            *grown = items[i]->claim;
        }
    }
}


static void
ngx_k8s_record_held(ngx_k8s_making_t *m)
{
    ngx_uint_t        i;
    ngx_k8s_item_t  **items;

    items = m->holds.elts;

    for (i = 0; i < m->holds.nelts; i++) {
        items[i]->held->fresh = 0;
    }
}


/* the listeners of an object, once in a record */

static ngx_int_t
ngx_k8s_record_listen(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_claim_t *claim)
{
    uint32_t  *slots;

    if (claim->nlisteners == 0 || claim->stamp == c->stamp) {
        return NGX_OK;
    }

    claim->stamp = c->stamp;
    claim->listener = m->listeners.nelts;

    slots = ngx_array_push_n(&m->listeners, claim->nlisteners);
    if (slots == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(slots, claim->listeners, claim->nlisteners * sizeof(uint32_t));

    return NGX_OK;
}
