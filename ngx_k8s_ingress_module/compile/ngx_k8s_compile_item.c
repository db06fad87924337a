
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The paths of a host, of all the objects that name it, in one tree: by the
 * hash of the path, so that each shard is a range; then by path; then in the
 * order in which those that compete for it are tried.  A change of one object
 * touches its own paths only.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_tree.h>


static void ngx_k8s_item_insert_value(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_k8s_item_link(ngx_k8s_item_t *item);
static void ngx_k8s_item_unlink(ngx_k8s_item_t *item);
static ngx_k8s_item_t *ngx_k8s_item_bound(ngx_k8s_item_t *item,
    ngx_uint_t canary);
static ngx_k8s_item_t *ngx_k8s_item_before(ngx_k8s_item_t *item,
    ngx_uint_t regex);
static ngx_k8s_item_t *ngx_k8s_item_cover(ngx_k8s_item_t *item, uint32_t n,
    ngx_uint_t regex);
static void ngx_k8s_item_judge(ngx_k8s_item_t *item);
static void ngx_k8s_item_wins(ngx_k8s_item_t *item, ngx_uint_t wins);
static void ngx_k8s_item_tell(ngx_k8s_item_t *item);
static void ngx_k8s_item_pass(ngx_k8s_item_t *item);


void
ngx_k8s_items_init(ngx_k8s_host_state_t *state)
{
    ngx_rbtree_init(&state->items, &state->sentinel,
                    ngx_k8s_item_insert_value);
    ngx_rbtree_init(&state->helds, &state->sentinel, ngx_rbtree_insert_value);
    ngx_queue_init(&state->aside);
}


static void
ngx_k8s_item_insert_value(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_item_cmp);
}


ngx_k8s_item_t *
ngx_k8s_item_add(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_model_rule_t *rule, ngx_k8s_model_match_t *match)
{
    ngx_k8s_item_t  *item, *twin;

    twin = NULL;

    item = ngx_calloc(sizeof(ngx_k8s_item_t), c->log);
    if (item == NULL) {
        return NULL;
    }

    item->claim = claim;
    item->rule = rule;
    item->match = match;
    item->canary = (claim->next->canary != NULL);

    if (claim->next->regex && ngx_k8s_compile_regex_bad(c, item, NULL)) {
        item->aside = 1;
        claim->naside++;
        ngx_queue_insert_tail(&claim->state->aside, &item->told);

        return item;
    }

    if (match->slash && c->conf.add_slash && !item->canary) {
        twin = ngx_alloc(sizeof(ngx_k8s_item_t), c->log);
        if (twin == NULL) {
            ngx_free(item);
            return NULL;
        }

        *twin = *item;
        twin->slash = 1;
        item->twin = twin;

        ngx_k8s_item_link(twin);
    }

    ngx_k8s_item_link(item);

    return item;
}


static void
ngx_k8s_item_link(ngx_k8s_item_t *item)
{
    uint32_t               hash;
    ngx_str_t              text;
    ngx_uint_t             elements;
    ngx_k8s_item_t        *next, *prev;
    ngx_k8s_host_state_t  *state;

    state = item->claim->state;

    ngx_k8s_item_text(item, &text);
    hash = ngx_k8s_hash(text.data, text.len);

    item->node.key = hash >> 1;

    if (item->match->type == NGX_K8S_PATH_REGEX) {
        item->node.key |= NGX_K8S_ITEM_REGEX;
    }

    ngx_rbtree_insert(&state->items, &item->node);

    elements = ngx_k8s_path_elements(text.data, text.len);

    if (elements > state->longest) {
        state->longest = elements;
        state->head = 1;
    }

    next = ngx_k8s_item_next(item);
    prev = ngx_k8s_item_prev(item);

    if (prev == NULL || !ngx_k8s_item_same(prev, item)) {

        if (next && ngx_k8s_item_same(next, item)) {
            ngx_k8s_item_tell(next);

        } else if (!item->slash) {
            state->npaths++;
        }

    } else if (next && ngx_k8s_item_same(next, item)
               && item->match->npredicates == 0
               && ngx_k8s_item_shadow(item) == NULL)
    {
        ngx_k8s_item_tell(next);
    }

    if (!item->slash && !item->canary
        && ngx_k8s_item_before(item, 0) == NULL)
    {
        ngx_k8s_item_wins(item, 1);

        if (next && ngx_k8s_item_same(next, item)
            && item->match->npredicates == 0)
        {
            ngx_k8s_item_judge(next);
        }
    }

    ngx_k8s_item_dirty(item);
}


void
ngx_k8s_item_remove(ngx_k8s_item_t *item)
{
    ngx_k8s_item_t        *twin;
    ngx_k8s_host_state_t  *state;

    if (item->aside) {
        item->claim->naside--;
        ngx_queue_remove(&item->told);
        ngx_free(item);
        return;
    }

    state = item->claim->state;
    twin = item->twin;

    if (twin) {
        ngx_k8s_item_unlink(twin);
    }

    ngx_k8s_item_unlink(item);

    if (item->held || (twin && twin->held)) {
        item->claim->lost = state->written;
        item->next = state->gone;
        state->gone = item;

    } else {
        ngx_k8s_item_free(item);
    }
}


void
ngx_k8s_item_free(ngx_k8s_item_t *item)
{
    if (item->twin) {
        ngx_free(item->twin);
    }

    ngx_free(item);
}


static void
ngx_k8s_item_unlink(ngx_k8s_item_t *item)
{
    ngx_k8s_item_t        *next, *prev;
    ngx_k8s_host_state_t  *state;

    state = item->claim->state;

    if (item->telling) {
        ngx_k8s_item_pass(item);
    }

    next = ngx_k8s_item_next(item);
    prev = ngx_k8s_item_prev(item);

    if (prev == NULL || !ngx_k8s_item_same(prev, item)) {

        if (next && ngx_k8s_item_same(next, item)) {
            ngx_k8s_item_tell(next);

        } else if (!item->slash) {
            state->npaths--;
        }

    } else if (next && ngx_k8s_item_same(next, item)
               && item->match->npredicates == 0
               && ngx_k8s_item_shadow(item) == NULL)
    {
        ngx_k8s_item_tell(next);
    }

    ngx_k8s_item_dirty(item);
    ngx_k8s_item_unhold(item);

    if (!item->wins || item->match->npredicates
        || (next && !ngx_k8s_item_same(next, item)))
    {
        next = NULL;
    }

    ngx_k8s_item_wins(item, 0);

    ngx_rbtree_delete(&state->items, &item->node);

    if (next) {
        ngx_k8s_item_judge(next);
    }
}


/*
 * Before an item, and those behind it that compete for its path, one that
 * always matches has come or gone.
 */

static void
ngx_k8s_item_judge(ngx_k8s_item_t *item)
{
    ngx_k8s_item_t  *next;

    for (next = item;
         next && !next->canary && ngx_k8s_item_same(next, item);
         next = ngx_k8s_item_next(next))
    {
        ngx_k8s_item_wins(next, ngx_k8s_item_before(next, 0) == NULL);

        if (next->match->npredicates == 0 && next->claim->nlisteners == 0) {
            return;
        }
    }
}


/* what its object says of the host is counted when the claim is worked on */

static void
ngx_k8s_item_wins(ngx_k8s_item_t *item, ngx_uint_t wins)
{
    ngx_k8s_claim_t  *claim;

    if (item->wins == wins) {
        return;
    }

    claim = item->claim;

    item->wins = wins;
    claim->nwins += wins ? 1 : -1;
    claim->state->head |= claim->root;

    if (claim->nwins == wins) {
        ngx_k8s_compile_claim_mark(claim);
    }
}


ngx_k8s_item_t *
ngx_k8s_item_next(ngx_k8s_item_t *item)
{
    return (ngx_k8s_item_t *) ngx_rbtree_next(&item->claim->state->items,
                                              &item->node);
}


ngx_k8s_item_t *
ngx_k8s_item_prev(ngx_k8s_item_t *item)
{
    return (ngx_k8s_item_t *) ngx_k8s_tree_prev(&item->claim->state->items,
                                                &item->node);
}


/*
 * What is said of the objects that have lost a path names another winner: of
 * this one, and of those behind it.
 */

static void
ngx_k8s_item_tell(ngx_k8s_item_t *item)
{
    if (!item->telling) {
        item->telling = 1;
        ngx_queue_insert_head(&item->claim->state->told, &item->told);
    }
}


/* another one that is told already goes on from there */

void
ngx_k8s_item_told(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_queue_t     *q;
    ngx_k8s_item_t  *item;

    q = ngx_queue_head(&state->told);
    item = ngx_queue_data(q, ngx_k8s_item_t, told);

    if (item->claim->link) {
        ngx_k8s_entry_mark(c->store, item->claim->entry);
    }

    ngx_k8s_item_pass(item);
}


static void
ngx_k8s_item_pass(ngx_k8s_item_t *item)
{
    ngx_k8s_item_t  *next;

    item->telling = 0;
    ngx_queue_remove(&item->told);

    next = ngx_k8s_item_next(item);

    if (next && ngx_k8s_item_same(next, item)) {
        ngx_k8s_item_tell(next);
    }
}


ngx_k8s_item_t *
ngx_k8s_item_shadow(ngx_k8s_item_t *item)
{
    return ngx_k8s_item_before(item, item->claim->state->nregex);
}


/*
 * As an expression a path with a slash at its end is another one; what is apart
 * is none.
 */

static ngx_k8s_item_t *
ngx_k8s_item_before(ngx_k8s_item_t *item, ngx_uint_t regex)
{
    uint32_t         n;
    ngx_k8s_item_t  *other;

    other = ngx_k8s_item_prev(item);

    if (other == NULL || !ngx_k8s_item_same(other, item)) {
        return NULL;
    }

    /* without listeners: of all, which none with listeners is */

    n = 0;

    do {
        other = ngx_k8s_item_cover(item, n++, regex);
    } while (other && n < item->claim->nlisteners);

    return other;
}


/* the first that always matches on the n-th listener of this one; or NULL */

static ngx_k8s_item_t *
ngx_k8s_item_cover(ngx_k8s_item_t *item, uint32_t n, ngx_uint_t regex)
{
    ngx_k8s_item_t   *other;
    ngx_k8s_claim_t  *claim;

    claim = item->claim;

    for (other = ngx_k8s_item_leader(item);
         other != item;
         other = ngx_k8s_item_next(other))
    {
        if (regex && !(claim->apart && other->claim->apart)
            && !ngx_k8s_str_eq(&other->match->path, &item->match->path))
        {
            continue;
        }

        if (other->match->npredicates == 0
            && (other->claim->nlisteners == 0
                || (claim->nlisteners
                    && bsearch(&claim->listeners[n], other->claim->listeners,
                               other->claim->nlisteners, sizeof(uint32_t),
                               ngx_k8s_listener_cmp))))
        {
            return other;
        }
    }

    return NULL;
}


int ngx_libc_cdecl
ngx_k8s_listener_cmp(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(uint32_t *) one;
    b = *(uint32_t *) two;

    return (a > b) - (a < b);
}


/* the first that competes for the path of this one */

ngx_k8s_item_t *
ngx_k8s_item_leader(ngx_k8s_item_t *item)
{
    ngx_int_t           rc;
    ngx_k8s_item_t     *leader;
    ngx_rbtree_node_t  *node, *sentinel;

    leader = item;
    node = item->claim->state->items.root;
    sentinel = item->claim->state->items.sentinel;

    while (node != sentinel) {

        if (item->node.key != node->key) {
            node = (item->node.key < node->key) ? node->left : node->right;
            continue;
        }

        rc = ngx_k8s_item_group_cmp(item, (ngx_k8s_item_t *) node);

        if (rc == 0) {
            leader = (ngx_k8s_item_t *) node;
        }

        node = (rc <= 0) ? node->left : node->right;
    }

    return leader;
}


ngx_k8s_item_t *
ngx_k8s_item_canary(ngx_k8s_item_t *item)
{
    return ngx_k8s_item_bound(item, 1);
}


ngx_k8s_item_t *
ngx_k8s_item_behind(ngx_k8s_item_t *item)
{
    return ngx_k8s_item_bound(item, 2);
}


/* the first one that does not stand before the canaries (1) of its path, of
   expressions those with its slash, or before the end (2) of it */

static ngx_k8s_item_t *
ngx_k8s_item_bound(ngx_k8s_item_t *item, ngx_uint_t canary)
{
    size_t              len;
    ngx_int_t           rc;
    ngx_k8s_item_t     *found, *one;
    ngx_rbtree_node_t  *node, *sentinel;

    len = item->claim->state->nregex ? item->match->path.len : 0;
    found = NULL;
    node = item->claim->state->items.root;
    sentinel = item->claim->state->items.sentinel;

    while (node != sentinel) {
        one = (ngx_k8s_item_t *) node;

        rc = (item->node.key != node->key)
             ? ((item->node.key < node->key) ? -1 : 1)
             : ngx_k8s_item_group_cmp(item, one);

        if (rc < 0
            || (rc == 0 && one->canary >= canary
                && one->match->path.len >= len))
        {
            found = one;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    return found;
}


ngx_uint_t
ngx_k8s_item_skip(ngx_k8s_item_t *item)
{
    ngx_k8s_host_state_t  *state;

    state = item->claim->state;

    if (!state->partial || item->held || item->claim->lost == state->written) {
        return 0;
    }

    state->skipped = 1;

    if (state->youngest == NULL
        || ngx_k8s_claim_cmp(item->claim, state->youngest) > 0)
    {
        state->youngest = item->claim;
    }

    return 1;
}
