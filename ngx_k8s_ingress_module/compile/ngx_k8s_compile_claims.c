
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The claims of a host by age: all of them, and those that are marked; and what
 * they say of the host as a whole.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_tree.h>


#define NGX_K8S_CLAIMS_TOLD  256  /* in one piece */


static void ngx_k8s_claim_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_claim_insert_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static ngx_int_t ngx_k8s_claim_lead(ngx_k8s_claim_t *claim, ngx_uint_t leads);
static void ngx_k8s_claim_want_from(ngx_k8s_host_state_t *state,
    ngx_queue_t *q);
static void ngx_k8s_claim_insert_marked(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_claim_marked_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static void ngx_k8s_claim_insert_root(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_claim_root_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);


void
ngx_k8s_claims_init(ngx_k8s_host_state_t *state)
{
    ngx_queue_init(&state->work);
    ngx_queue_init(&state->told);
    ngx_rbtree_init(&state->claims, &state->sentinel, ngx_k8s_claim_insert);
    ngx_rbtree_init(&state->marked, &state->sentinel,
                    ngx_k8s_claim_insert_marked);
    ngx_rbtree_init(&state->roots, &state->sentinel,
                    ngx_k8s_claim_insert_root);
}


static void
ngx_k8s_claim_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_claim_insert_cmp);
}


static ngx_int_t
ngx_k8s_claim_insert_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    return ngx_k8s_claim_cmp(ngx_rbtree_data(one, ngx_k8s_claim_t, node),
                             ngx_rbtree_data(two, ngx_k8s_claim_t, node));
}


static void
ngx_k8s_claim_insert_marked(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_claim_marked_cmp);
}


static ngx_int_t
ngx_k8s_claim_marked_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    return ngx_k8s_claim_cmp(ngx_rbtree_data(one, ngx_k8s_claim_t, marked),
                             ngx_rbtree_data(two, ngx_k8s_claim_t, marked));
}


static void
ngx_k8s_claim_insert_root(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_claim_root_cmp);
}


static ngx_int_t
ngx_k8s_claim_root_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    return ngx_k8s_claim_cmp(ngx_rbtree_data(one, ngx_k8s_claim_t, redirects),
                             ngx_rbtree_data(two, ngx_k8s_claim_t, redirects));
}


void
ngx_k8s_claim_place(ngx_k8s_claim_t *claim)
{
    if (!claim->placed) {
        claim->placed = 1;
        ngx_rbtree_insert(&claim->state->claims, &claim->node);
    }
}


void
ngx_k8s_claim_list(ngx_k8s_claim_t *claim)
{
    ngx_uint_t             listed;
    ngx_k8s_host_state_t  *state;

    state = claim->state;

    if (claim->model == NULL) {
        listed = 0;

    } else if (state->node->name.len == 0) {
        listed = (claim->model->catchall && claim->model->fallback);

    } else {
        listed = (claim->model->ntls != 0);
    }

    if (listed == claim->listed) {
        return;
    }

    claim->listed = listed;

    if (listed) {
        ngx_rbtree_insert(&state->marked, &claim->marked);

    } else {

        if (claim == state->telling) {
            state->telling = ngx_k8s_claim_next(claim);
        }

        ngx_rbtree_delete(&state->marked, &claim->marked);
    }
}


ngx_k8s_claim_t *
ngx_k8s_claim_marked(ngx_k8s_host_state_t *state)
{
    ngx_rbtree_node_t  *node;

    if (state->marked.root == &state->sentinel) {
        return NULL;
    }

    node = ngx_rbtree_min(state->marked.root, &state->sentinel);

    return ngx_rbtree_data(node, ngx_k8s_claim_t, marked);
}


ngx_k8s_claim_t *
ngx_k8s_claim_after(ngx_k8s_claim_t *claim)
{
    return (ngx_k8s_claim_t *) ngx_rbtree_next(&claim->state->claims,
                                               &claim->node);
}


ngx_k8s_claim_t *
ngx_k8s_claim_before(ngx_k8s_claim_t *claim)
{
    return (ngx_k8s_claim_t *) ngx_k8s_tree_prev(&claim->state->claims,
                                                 &claim->node);
}


ngx_k8s_claim_t *
ngx_k8s_claim_next(ngx_k8s_claim_t *claim)
{
    ngx_rbtree_node_t  *node;

    node = ngx_rbtree_next(&claim->state->marked, &claim->marked);

    return node ? ngx_rbtree_data(node, ngx_k8s_claim_t, marked) : NULL;
}


void
ngx_k8s_claim_tell(ngx_k8s_host_state_t *state)
{
    state->telling = ngx_k8s_claim_marked(state);
}


void
ngx_k8s_claim_want(ngx_k8s_host_state_t *state)
{
    state->node->marked = 0;
    state->seek = NULL;

    ngx_k8s_claim_want_from(state,
                     ngx_queue_head(&state->node->links[NGX_K8S_ROLE_ALIAS]));
}


static void
ngx_k8s_claim_want_from(ngx_k8s_host_state_t *state, ngx_queue_t *q)
{
    ngx_queue_t  *links;

    links = &state->node->links[NGX_K8S_ROLE_ALIAS];

    state->wanting = (q == ngx_queue_sentinel(links)) ? NULL : q;
}


void
ngx_k8s_claims_told(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_uint_t             n;
    ngx_k8s_link_t        *link;
    ngx_k8s_claim_t       *claim;
    ngx_k8s_host_state_t  *child;

    /* of the links some have come or gone */

    if (state->wanting && state->node->marked) {
        ngx_k8s_claim_want(state);
    }

    for (n = 0; n < NGX_K8S_CLAIMS_TOLD; n++) {
        claim = state->saying ? state->saying : state->telling;

        if (claim) {

            if (claim == state->saying) {
                state->saying = ngx_k8s_claim_after(claim);

            } else {
                state->telling = ngx_k8s_claim_next(claim);
            }

            if (claim->link) {
                ngx_k8s_entry_mark(c->store, claim->entry);
            }

        } else if (state->wanting) {
            link = ngx_queue_data(state->wanting, ngx_k8s_link_t, queue);
            ngx_k8s_entry_mark(c->store, link->entry);

            ngx_k8s_claim_want_from(state, ngx_queue_next(&link->queue));

        } else if (state->heir) {
            child = ngx_queue_data(state->heir, ngx_k8s_host_state_t, sibling);
            ngx_k8s_heir_pass(state, child);
            ngx_k8s_node_mark(c->store, child->node);

        } else if (!ngx_queue_empty(&state->told)) {
            ngx_k8s_item_told(c, state);

        } else if (state->ruling || state->subject) {
            ngx_k8s_owner_told(c, state);

        } else if (state->fitting) {
            ngx_k8s_compile_fitting(c, state);

        } else {
            return;
        }
    }
}


void
ngx_k8s_claim_count(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget)
{
    ngx_uint_t             regex, root, rooted, nregex;
    ngx_k8s_model_t       *model;
    ngx_k8s_host_state_t  *state;

    state = claim->state;
    model = claim->model;

    *budget -= ngx_k8s_claim_lead(claim, model && model->canary == NULL
                                         && !model->values.refused
                                         && !claim->apart
                                         && (claim->nitems > claim->naside
                                             || claim->nitems == 0));

    if (claim->nwins == 0) {
        model = NULL;
    }

    ngx_k8s_compile_twin_claim(c, claim, model && model->twins);

    regex = (model && model->regex);
    root = (model && model->root.len);

    if (regex == claim->regex && root == claim->root) {
        return;
    }

    nregex = state->nregex;

    if (claim == state->rooted) {
        state->rooted = NULL;
    }

    state->nregex += regex;
    state->nregex -= claim->regex;
    state->nroot += root;
    state->nroot -= claim->root;
    state->head = 1;

    if (root && !claim->root) {
        ngx_rbtree_insert(&state->roots, &claim->redirects);

    } else if (!root && claim->root) {
        ngx_rbtree_delete(&state->roots, &claim->redirects);
    }

    rooted = claim->root;

    claim->regex = regex;
    claim->root = root;

    /* what the paths of the host are has changed: all objects have it */

    if ((nregex != 0) != (state->nregex != 0) || root != rooted) {
        state->saying = (ngx_k8s_claim_t *) ngx_rbtree_min(state->claims.root,
                                                           &state->sentinel);
    }
}


/* how many claims are looked at */

static ngx_int_t
ngx_k8s_claim_lead(ngx_k8s_claim_t *claim, ngx_uint_t leads)
{
    ngx_int_t         n;
    ngx_k8s_claim_t  *first;

    if (leads == claim->leads) {
        return 0;
    }

    claim->leads = leads;
    first = claim->state->first;
    n = 0;

    if (leads) {

        if (first == NULL || ngx_k8s_claim_cmp(claim, first) < 0) {
            first = claim;
        }

    } else if (claim == first) {

        do {
            first = ngx_k8s_claim_after(first);
            n++;
        } while (first && !first->leads);
    }

    claim->state->first = first;

    return n;
}
