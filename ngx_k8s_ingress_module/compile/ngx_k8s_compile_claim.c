
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The objects of a host.  A claim is one of them, over its versions; where a
 * new version comes, its paths are compared with those of the old one from
 * both ends, and only what lies between is taken out and put in.  All of it
 * is done in slices: an object may have tens of thousands of paths, and a host
 * that many objects.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_CLAIM_SLICE   256   /* items, or new objects */
#define NGX_K8S_CLAIM_CHEAP   16    /* an item that stays costs less, */
#define NGX_K8S_CLAIM_REGEX   128   /* to compile an expression more */

#define NGX_K8S_CLAIM_IDLE    0
#define NGX_K8S_CLAIM_HEAD    1
#define NGX_K8S_CLAIM_TAIL    2
#define NGX_K8S_CLAIM_REMOVE  3
#define NGX_K8S_CLAIM_ADD     4


/* certificates of clients are the host's: who asks for them asks for all */

#define ngx_k8s_claim_closes(model)  ((model) && (model)->values.close_host)


static ngx_int_t ngx_k8s_claims_adopt(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_claims_rule(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_claim_run(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_int_t *budget);
static ngx_int_t ngx_k8s_claim_begin(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim);
static void ngx_k8s_claim_head(ngx_k8s_claim_t *claim, ngx_int_t *budget);
static void ngx_k8s_claim_tail(ngx_k8s_claim_t *claim, ngx_int_t *budget);
static ngx_int_t ngx_k8s_claim_add(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_int_t *budget);
static void ngx_k8s_claim_end(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget);
static void ngx_k8s_claim_free(ngx_k8s_claim_t *claim);
static ngx_uint_t ngx_k8s_claim_listens(ngx_k8s_claim_t *claim);
static ngx_int_t ngx_k8s_claim_listen(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim);
static ngx_uint_t ngx_k8s_claim_matches(ngx_k8s_model_t *model,
    ngx_k8s_model_host_t *host);
static void ngx_k8s_claim_seek(ngx_k8s_claim_t *claim, ngx_uint_t n);
static void ngx_k8s_claim_step(ngx_k8s_claim_t *claim);
static void ngx_k8s_claim_back(ngx_k8s_claim_t *claim);
static ngx_uint_t ngx_k8s_claim_stays(ngx_k8s_claim_t *claim, ngx_uint_t n,
    ngx_uint_t next);


ngx_int_t
ngx_k8s_compile_claims(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_int_t         rc, budget;
    ngx_queue_t      *q;
    ngx_k8s_claim_t  *claim;

    if (ngx_k8s_host_telling(state)) {
        ngx_k8s_claims_told(c, state);
        return NGX_AGAIN;
    }

    rc = ngx_k8s_claims_adopt(c, state);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_k8s_claims_rule(c, state) != NGX_OK) {
        return NGX_AGAIN;
    }

    budget = NGX_K8S_CLAIM_SLICE * NGX_K8S_CLAIM_CHEAP;

    while (!ngx_queue_empty(&state->work)) {
        q = ngx_queue_head(&state->work);
        claim = ngx_queue_data(q, ngx_k8s_claim_t, queue);

        rc = ngx_k8s_claim_run(c, claim, &budget);

        if (rc != NGX_OK) {
            return rc;
        }

        if (budget <= 0) {
            return NGX_AGAIN;
        }
    }

    return ngx_k8s_claims_rule(c, state);
}


static ngx_int_t
ngx_k8s_claims_rule(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    if (ngx_k8s_owner_rule(c, state) == NGX_OK) {
        return NGX_OK;
    }

    ngx_k8s_claim_want(state);

    return NGX_AGAIN;
}


/* links that are new stand at the end of the node's */

static ngx_int_t
ngx_k8s_claims_adopt(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_uint_t        n;
    ngx_queue_t      *q;
    ngx_k8s_link_t   *link;
    ngx_k8s_node_t   *node;
    ngx_k8s_claim_t  *claim;

    node = state->node;

    for (n = 0; !ngx_queue_empty(&node->links[NGX_K8S_ROLE_USER]); n++) {
        q = ngx_queue_last(&node->links[NGX_K8S_ROLE_USER]);
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);

        if (link->data) {
            break;
        }

        if (n == NGX_K8S_CLAIM_SLICE) {
            return NGX_AGAIN;
        }

        claim = ngx_calloc(sizeof(ngx_k8s_claim_t), c->log);
        if (claim == NULL) {
            return NGX_ERROR;
        }

        claim->state = state;
        claim->entry = link->entry;
        claim->link = link;
        link->data = claim;

        ngx_queue_remove(q);
        ngx_queue_insert_head(&node->links[NGX_K8S_ROLE_USER], q);

        ngx_k8s_owner_rank(c, claim);
        ngx_k8s_compile_claim_mark(claim);
    }

    return NGX_OK;
}


/* the link of a new version has just been made, and is the last one */

void
ngx_k8s_compile_unlink(ngx_k8s_link_t *link)
{
    ngx_queue_t      *q;
    ngx_k8s_link_t   *next;
    ngx_k8s_node_t   *node;
    ngx_k8s_claim_t  *claim;

    if (link->node->type == NGX_K8S_NODE_NAMESPACE) {
        ngx_k8s_compile_member_unlink(link);
        return;
    }

    if (link->node->type == NGX_K8S_NODE_SERVICE) {
        ngx_k8s_compile_part_unlink(link);
        return;
    }

    claim = link->data;
    node = claim->state->node;

    claim->link = NULL;

    if (!ngx_queue_empty(&node->links[NGX_K8S_ROLE_USER])) {
        q = ngx_queue_last(&node->links[NGX_K8S_ROLE_USER]);
        next = ngx_queue_data(q, ngx_k8s_link_t, queue);

        if (next->entry == claim->entry && next->data == NULL) {
            claim->link = next;
            next->data = claim;

            ngx_queue_remove(q);
            ngx_queue_insert_head(&node->links[NGX_K8S_ROLE_USER], q);
        }
    }

    if (claim->link == NULL) {
        ngx_k8s_compile_alias_counts(claim, 0);
    }

    ngx_k8s_compile_claim_mark(claim);
}


/* a part of what a claim has to do; it leaves the queue when all is done */

static ngx_int_t
ngx_k8s_claim_run(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget)
{
    ngx_int_t  rc;

    while (*budget > 0) {

        switch (claim->stage) {

        case NGX_K8S_CLAIM_IDLE:
            rc = ngx_k8s_claim_begin(c, claim);

            if (rc == NGX_DONE) {
                ngx_k8s_claim_count(c, claim, budget);

                ngx_queue_remove(&claim->queue);
                claim->queued = 0;

                if (claim->link == NULL) {
                    ngx_k8s_claim_free(claim);
                }

                *budget -= NGX_K8S_CLAIM_CHEAP;

                return NGX_OK;
            }

            if (rc != NGX_OK) {
                return rc;
            }

            break;

        case NGX_K8S_CLAIM_HEAD:
            ngx_k8s_claim_head(claim, budget);
            break;

        case NGX_K8S_CLAIM_TAIL:
            ngx_k8s_claim_tail(claim, budget);
            break;

        case NGX_K8S_CLAIM_REMOVE:

            if (claim->done == claim->nitems - claim->tail) {
                claim->done = claim->head;
                ngx_k8s_claim_seek(claim, claim->head);
                claim->stage = NGX_K8S_CLAIM_ADD;
                break;
            }

            ngx_k8s_item_remove(claim->items[claim->done++]);
            *budget -= NGX_K8S_CLAIM_CHEAP;
            break;

        default: /* NGX_K8S_CLAIM_ADD */

            if (ngx_k8s_claim_add(c, claim, budget) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* NGX_DONE: it is as it should be */

static ngx_int_t
ngx_k8s_claim_begin(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim)
{
    ngx_int_t              rc;
    ngx_uint_t             n;
    ngx_k8s_item_t       **items;
    ngx_k8s_model_t       *model;
    ngx_k8s_model_host_t  *host;

    model = NULL;
    host = NULL;

    ngx_k8s_owner_rank(c, claim);
    claim->refused = (ngx_k8s_owner_refuses(claim) != NULL);

    if (claim->link && !claim->refused) {
        rc = ngx_k8s_compile_ask(c, claim->entry);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            model = claim->entry->model;
            host = claim->link->host;
        }
    }

    if (model == claim->model
        && (model == NULL
            || (host == claim->host && ngx_k8s_claim_listens(claim))))
    {
        return NGX_DONE;
    }

    if (claim->model == NULL) {
        claim->apart = claim->exempt;
    }

    /* of another age, on other listeners, or of another rank all is put in
       anew */

    if (model && claim->model
        && (ngx_k8s_age_cmp(model->object, claim->model->object) != 0
            || (model->canary == NULL) != (claim->model->canary == NULL)
            || claim->exempt != claim->apart
            || !ngx_k8s_claim_listens(claim)))
    {
        model = NULL;
        host = NULL;
    }

    /* it is marked when what it waits for is known */

    if (model && claim->model && model->values.unknown) {
        return NGX_DONE;
    }

    if (model && claim->model
        && ngx_memcmp(model->values.digest, claim->model->values.digest,
                      NGX_K8S_POLICY_DIGEST)
           != 0
        && ngx_k8s_compile_named_waits(c, &model->values))
    {
        return NGX_DONE;
    }

    if (model && claim->model == NULL
        && ngx_k8s_claim_listen(c, claim) != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = ngx_k8s_claim_matches(model, host);
    items = NULL;

    if (n) {
        items = ngx_alloc(n * sizeof(ngx_k8s_item_t *), c->log);
        if (items == NULL) {
            return NGX_ERROR;
        }
    }

    if (model) {
        ngx_k8s_model_ref(model);
    }

    claim->next = model;
    claim->next_host = host;
    claim->next_items = items;
    claim->nnext = n;
    claim->head = 0;
    claim->tail = 0;
    claim->stage = NGX_K8S_CLAIM_HEAD;

    ngx_k8s_claim_place(claim);
    ngx_k8s_claim_seek(claim, 0);

    return NGX_OK;
}


/* whether its items are on the listeners of its link */

static ngx_uint_t
ngx_k8s_claim_listens(ngx_k8s_claim_t *claim)
{
    ngx_k8s_link_t  *link;

    link = claim->link;

    return claim->nlisteners == link->nlisteners
           && (link->nlisteners == 0
               || ngx_memcmp(claim->listeners, link->listeners,
                             link->nlisteners * sizeof(uint32_t))
                  == 0);
}


static ngx_int_t
ngx_k8s_claim_listen(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim)
{
    uint32_t  n, *listeners;

    n = claim->link->nlisteners;
    listeners = NULL;

    if (n) {
        listeners = ngx_alloc(n * sizeof(uint32_t), c->log);
        if (listeners == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(listeners, claim->link->listeners, n * sizeof(uint32_t));
    }

    if (claim->listeners) {
        ngx_free(claim->listeners);
    }

    claim->listeners = listeners;
    claim->nlisteners = n;

    return NGX_OK;
}


static void
ngx_k8s_claim_head(ngx_k8s_claim_t *claim, ngx_int_t *budget)
{
    ngx_uint_t  max;

    max = ngx_min(claim->nitems, claim->nnext);

    while ((*budget)-- > 0) {

        if (claim->head == max
            || !ngx_k8s_claim_stays(claim, claim->head, claim->head))
        {
            claim->stage = NGX_K8S_CLAIM_TAIL;

            if (claim->nnext) {
                ngx_k8s_claim_seek(claim, claim->nnext - 1);
            }

            return;
        }

        claim->head++;
        ngx_k8s_claim_step(claim);
    }
}


static void
ngx_k8s_claim_tail(ngx_k8s_claim_t *claim, ngx_int_t *budget)
{
    ngx_uint_t  max;

    max = ngx_min(claim->nitems, claim->nnext) - claim->head;

    while ((*budget)-- > 0) {

        if (claim->tail == max
            || !ngx_k8s_claim_stays(claim, claim->nitems - claim->tail - 1,
                                    claim->nnext - claim->tail - 1))
        {
            claim->done = claim->head;
            claim->stage = NGX_K8S_CLAIM_REMOVE;
            return;
        }

        claim->tail++;
        ngx_k8s_claim_back(claim);
    }
}


/* item n is that of the new version: it goes on with its records */

static ngx_uint_t
ngx_k8s_claim_stays(ngx_k8s_claim_t *claim, ngx_uint_t n, ngx_uint_t next)
{
    ngx_k8s_item_t         *item;
    ngx_k8s_model_rule_t   *rule;
    ngx_k8s_model_match_t  *match;

    item = claim->items[n];
    rule = &claim->next->rules[claim->rule];
    match = &rule->matches[claim->match];

    if (!ngx_k8s_item_equal(item, rule, match)
        || !ngx_k8s_canary_equal(claim->model->canary, claim->next->canary)
        || !ngx_k8s_spreads_equal(claim->model, claim->next)
        || ngx_memcmp(claim->model->values.digest, claim->next->values.digest,
                      NGX_K8S_POLICY_DIGEST)
           != 0)
    {
        return 0;
    }

    item->rule = rule;
    item->match = match;

    if (item->twin) {
        item->twin->rule = rule;
        item->twin->match = match;
    }

    claim->next_items[next] = item;

    return 1;
}


static ngx_int_t
ngx_k8s_claim_add(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget)
{
    ngx_k8s_item_t        *item;
    ngx_k8s_canary_t      *canary;
    ngx_k8s_model_rule_t  *rule;

    canary = claim->next ? claim->next->canary : NULL;

    if (canary && !canary->tried) {
        (void) ngx_k8s_canary_bad(c, canary, NULL);

        *budget -= NGX_K8S_CLAIM_REGEX * (canary->pattern.len / 64 + 1);
    }

    while (*budget > 0) {

        if (claim->done == claim->nnext - claim->tail) {
            ngx_k8s_claim_end(c, claim, budget);
            return NGX_OK;
        }

        rule = &claim->next->rules[claim->rule];

        item = ngx_k8s_item_add(c, claim, rule, &rule->matches[claim->match]);
        if (item == NULL) {
            return NGX_ERROR;
        }

        claim->next_items[claim->done++] = item;

        ngx_k8s_claim_step(claim);

        *budget -= NGX_K8S_CLAIM_CHEAP;

        *budget -= item->tried * NGX_K8S_CLAIM_REGEX;
    }

    return NGX_OK;
}


static void
ngx_k8s_claim_end(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget)
{
    ngx_uint_t             wide;
    ngx_k8s_model_t       *old;
    ngx_k8s_host_state_t  *state;

    state = claim->state;
    state->sought = NULL;
    old = claim->model;

    if (claim->items) {
        ngx_free(claim->items);
    }

    claim->items = claim->next_items;
    claim->nitems = claim->nnext;
    claim->model = claim->next;
    claim->host = claim->next_host;
    claim->next = NULL;
    claim->next_items = NULL;
    claim->stage = NGX_K8S_CLAIM_IDLE;

    state->nclosing += ngx_k8s_claim_closes(claim->model);
    state->nclosing -= ngx_k8s_claim_closes(old);

    if (claim == state->rooted) {
        state->rooted = NULL;
    }

    wide = ngx_k8s_scope_wide(old);

    if (wide || ngx_k8s_scope_wide(claim->model)) {
        state->saying = (ngx_k8s_claim_t *) ngx_rbtree_min(state->claims.root,
                                                           &state->sentinel);
    }

    state->nshaken += ngx_k8s_scope_handshake(claim->model);
    state->nshaken -= ngx_k8s_scope_handshake(old);

    if (ngx_k8s_claim_closes(claim->model) != ngx_k8s_claim_closes(old)
        || claim->root
        || ngx_k8s_scope_handshake(claim->model)
        || ngx_k8s_scope_handshake(old))
    {
        state->head = 1;
    }

    ngx_k8s_claim_count(c, claim, budget);

    if (claim == state->tls_claim) {
        state->scan.stage = NGX_K8S_TLS_BEGIN;
        ngx_k8s_claim_tell(state);
    }

    if (claim == state->fallback) {
        state->head = 1;
    }

    *budget -= ngx_k8s_compile_alias_claim(c, claim);

    if (claim->model == NULL) {

        if (claim == state->tls_claim) {
            state->tls_claim = NULL;
        }

        if (claim == state->fallback) {
            state->fallback = NULL;
        }

        if (claim == state->blamed) {
            state->blamed = NULL;
        }

        if (claim == state->saying) {
            state->saying = ngx_k8s_claim_after(claim);
        }

        ngx_rbtree_delete(&state->claims, &claim->node);
        claim->placed = 0;
    }

    ngx_k8s_claim_list(claim);

    if (old) {
        ngx_k8s_model_release(old);
    }
}


static void
ngx_k8s_claim_free(ngx_k8s_claim_t *claim)
{
    if (claim == claim->state->blamed) {
        claim->state->blamed = NULL;
    }

    ngx_k8s_owner_forget(claim);

    if (claim->listeners) {
        ngx_free(claim->listeners);
    }

    ngx_free(claim);
}


/* at the end of all: items and claims are freed, nothing is marked */

void
ngx_k8s_claims_free(ngx_k8s_host_state_t *state)
{
    ngx_queue_t        *q;
    ngx_k8s_link_t     *link;
    ngx_k8s_item_t     *item;
    ngx_k8s_claim_t    *claim;
    ngx_rbtree_node_t  *node;

    while (state->items.root != &state->sentinel) {
        node = state->items.root;
        ngx_rbtree_delete(&state->items, node);
        item = (ngx_k8s_item_t *) node;

        if (item->held) {
            ngx_free(item->held);
        }

        ngx_free(item);
    }

    while (!ngx_queue_empty(&state->aside)) {
        q = ngx_queue_head(&state->aside);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_k8s_item_t, told));
    }

    while (!ngx_queue_empty(&state->work)) {
        q = ngx_queue_head(&state->work);
        claim = ngx_queue_data(q, ngx_k8s_claim_t, queue);
        ngx_queue_remove(q);

        if (!claim->placed && claim->link == NULL) {
            ngx_k8s_claim_free(claim);
        }
    }

    while (state->claims.root != &state->sentinel) {
        node = state->claims.root;
        ngx_rbtree_delete(&state->claims, node);
        claim = (ngx_k8s_claim_t *) node;

        if (claim->model) {
            ngx_k8s_model_release(claim->model);
        }

        if (claim->next) {
            ngx_k8s_model_release(claim->next);
        }

        if (claim->items) {
            ngx_free(claim->items);
        }

        if (claim->next_items) {
            ngx_free(claim->next_items);
        }

        if (claim->link == NULL) {
            ngx_k8s_claim_free(claim);

        } else {
            claim->placed = 0;
        }
    }

    for (q = ngx_queue_head(&state->node->links[NGX_K8S_ROLE_USER]);
         q != ngx_queue_sentinel(&state->node->links[NGX_K8S_ROLE_USER]);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);

        if (link->data) {
            ngx_k8s_claim_free(link->data);
            link->data = NULL;
        }
    }
}


static ngx_uint_t
ngx_k8s_claim_matches(ngx_k8s_model_t *model, ngx_k8s_model_host_t *host)
{
    uint32_t    i;
    ngx_uint_t  n;

    n = 0;

    for (i = 0; host && i < host->nrules; i++) {
        n += model->rules[host->rule + i].nmatches;
    }

    return n;
}


/* to the n-th match of the new version; a rule may have none */

static void
ngx_k8s_claim_seek(ngx_k8s_claim_t *claim, ngx_uint_t n)
{
    if (claim->nnext == 0) {
        return;
    }

    claim->rule = claim->next_host->rule;

    while (n >= claim->next->rules[claim->rule].nmatches) {
        n -= claim->next->rules[claim->rule].nmatches;

        if (claim->rule + 1
            == claim->next_host->rule + claim->next_host->nrules)
        {
            break;
        }

        claim->rule++;
    }

    claim->match = n;
}


static void
ngx_k8s_claim_step(ngx_k8s_claim_t *claim)
{
    uint32_t  last;

    last = claim->next_host->rule + claim->next_host->nrules;

    if (++claim->match < claim->next->rules[claim->rule].nmatches) {
        return;
    }

    claim->match = 0;

    do {
        claim->rule++;
    } while (claim->rule < last
             && claim->next->rules[claim->rule].nmatches == 0);
}


static void
ngx_k8s_claim_back(ngx_k8s_claim_t *claim)
{
    if (claim->match) {
        claim->match--;
        return;
    }

    while (claim->rule > claim->next_host->rule) {
        claim->rule--;

        if (claim->next->rules[claim->rule].nmatches) {
            claim->match = claim->next->rules[claim->rule].nmatches - 1;
            return;
        }
    }
}
