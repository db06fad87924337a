
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which namespace a host belongs to, where hosts belong to one: that of the
 * oldest object that claims it, or claims the wildcard host above it.  What
 * other namespaces claim of it is not served, so an owner that comes or goes
 * has all claims of its host looked at anew, and the hosts below a wildcard.
 * Canaries own nothing, nor does what answers nothing but challenges of ACME,
 * which any namespace may do where the block says so: its paths stand for
 * themselves, are behind those of others, and what else is asked of a name goes
 * on as without it.  An object that is left out, as there is no room for it,
 * owns its hosts all the same.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_tree.h>


#define NGX_K8S_OWNER_ACME     "/.well-known/acme-challenge"
#define NGX_K8S_OWNER_MATCHES  64    /* looked at, of a rule; and rules */


static ngx_uint_t ngx_k8s_owner_exempt(ngx_k8s_compile_t *c,
    ngx_k8s_model_t *model, ngx_k8s_model_host_t *host);
static ngx_k8s_claim_t *ngx_k8s_owner_first(ngx_k8s_host_state_t *state);
static void ngx_k8s_owner_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_owner_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static void ngx_k8s_owner_unrank(ngx_k8s_claim_t *claim);


void
ngx_k8s_owner_init(ngx_k8s_host_state_t *state)
{
    ngx_rbtree_init(&state->ranks, &state->sentinel, ngx_k8s_owner_insert);
    ngx_queue_init(&state->below);
}


static void
ngx_k8s_owner_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_owner_cmp);
}


/* those that own nothing are behind all others */

static ngx_int_t
ngx_k8s_owner_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    ngx_k8s_claim_t  *a, *b;

    a = ngx_rbtree_data(one, ngx_k8s_claim_t, rank);
    b = ngx_rbtree_data(two, ngx_k8s_claim_t, rank);

    if (a->owns != b->owns) {
        return a->owns ? -1 : 1;
    }

    return ngx_k8s_object_cmp(a->ranked->object, b->ranked->object);
}


void
ngx_k8s_owner_rank(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim)
{
    ngx_uint_t             owns, exempt;
    ngx_k8s_claim_t       *first;
    ngx_k8s_model_t       *model;
    ngx_k8s_host_state_t  *state;

    state = claim->state;

    if (!c->conf.ownership || !ngx_k8s_compile_ingress(state->node)) {
        return;
    }

    model = claim->link ? claim->entry->model : NULL;

    if (model == claim->ranked) {
        return;
    }

    exempt = (model && ngx_k8s_owner_exempt(c, model, claim->link->host));
    owns = (model && !exempt && model->canary == NULL);

    first = ngx_k8s_owner_first(state);

    if (model && claim->ranked && owns == claim->owns
        && ngx_k8s_object_cmp(model->object, claim->ranked->object) == 0)
    {
        ngx_k8s_model_release(claim->ranked);

        claim->ranked = model;
        claim->exempt = exempt;
        ngx_k8s_model_ref(model);

        return;
    }

    ngx_k8s_owner_unrank(claim);

    if (model) {
        claim->ranked = model;
        claim->owns = owns;
        claim->exempt = exempt;

        ngx_k8s_model_ref(model);
        ngx_rbtree_insert(&state->ranks, &claim->rank);
    }

    if (first == claim || first != ngx_k8s_owner_first(state)) {
        state->unruled = 1;
    }
}


void
ngx_k8s_owner_forget(ngx_k8s_claim_t *claim)
{
    ngx_k8s_owner_unrank(claim);
}


static void
ngx_k8s_owner_unrank(ngx_k8s_claim_t *claim)
{
    if (claim->ranked == NULL) {
        return;
    }

    if (claim == claim->state->ruling) {
        claim->state->ruling = ngx_k8s_owner_next(claim);
    }

    ngx_rbtree_delete(&claim->state->ranks, &claim->rank);
    ngx_k8s_model_release(claim->ranked);

    claim->ranked = NULL;
    claim->owns = 0;
    claim->exempt = 0;
}


/* whether all that it wants of a host is to answer challenges */

static ngx_uint_t
ngx_k8s_owner_exempt(ngx_k8s_compile_t *c, ngx_k8s_model_t *model,
    ngx_k8s_model_host_t *host)
{
    ngx_uint_t             i, j;
    ngx_k8s_model_rule_t  *rule;

    if (!c->conf.acme || host == NULL || host->nrules == 0
        || host->nrules > NGX_K8S_OWNER_MATCHES
        || model->canary || model->fallback || model->ntls || model->twins
        || model->naliases || model->npatterns || model->regex
        || model->root.len || model->values.close_host)
    {
        return 0;
    }

    for (i = 0; i < host->nrules; i++) {
        rule = &model->rules[host->rule + i];

        if (rule->nmatches > NGX_K8S_OWNER_MATCHES) {
            return 0;
        }

        for (j = 0; j < rule->nmatches; j++) {
            if (!ngx_k8s_owner_challenge(&rule->matches[j].path)) {
                return 0;
            }
        }
    }

    return 1;
}


/* below the prefix just what tokens have: never an expression */

ngx_uint_t
ngx_k8s_owner_challenge(ngx_str_t *path)
{
    u_char  *p, *last;
    size_t   len;

    len = sizeof(NGX_K8S_OWNER_ACME) - 1;

    if (path->len < len
        || ngx_strncmp(path->data, NGX_K8S_OWNER_ACME, len) != 0
        || (path->len > len && path->data[len] != '/'))
    {
        return 0;
    }

    last = path->data + path->len;

    for (p = path->data + len; p < last; p++) {
        if ((*p < '0' || *p > '9') && (*p < 'a' || *p > 'z')
            && (*p < 'A' || *p > 'Z') && *p != '-' && *p != '_' && *p != '/')
        {
            return 0;
        }
    }

    return 1;
}


static ngx_k8s_claim_t *
ngx_k8s_owner_first(ngx_k8s_host_state_t *state)
{
    ngx_k8s_claim_t    *claim;
    ngx_rbtree_node_t  *node;

    if (state->ranks.root == &state->sentinel) {
        return NULL;
    }

    node = ngx_rbtree_min(state->ranks.root, &state->sentinel);
    claim = ngx_rbtree_data(node, ngx_k8s_claim_t, rank);

    return claim->owns ? claim : NULL;
}


ngx_k8s_claim_t *
ngx_k8s_owner_next(ngx_k8s_claim_t *claim)
{
    ngx_rbtree_node_t  *node;

    node = ngx_rbtree_next(&claim->state->ranks, &claim->rank);

    return node ? ngx_rbtree_data(node, ngx_k8s_claim_t, rank) : NULL;
}


ngx_k8s_claim_t *
ngx_k8s_owner(ngx_k8s_host_state_t *state)
{
    ngx_k8s_claim_t  *own, *above;

    own = ngx_k8s_owner_first(state);
    above = state->domain ? ngx_k8s_owner_first(state->domain->data) : NULL;

    if (own && above) {
        return (ngx_k8s_object_cmp(own->ranked->object, above->ranked->object)
                < 0)
               ? own : above;
    }

    return own ? own : above;
}


ngx_k8s_claim_t *
ngx_k8s_owner_refuses(ngx_k8s_claim_t *claim)
{
    ngx_k8s_claim_t       *owner;
    ngx_k8s_host_state_t  *state;

    state = claim->state;

    if (claim->ranked == NULL) {
        return NULL;
    }

    /* what makes a host of a name takes it away as an alias */

    if (claim->exempt
        && (!state->aliased || ngx_k8s_owner_first(state)))
    {
        return NULL;
    }

    owner = ngx_k8s_owner(state);

    return (owner && !ngx_k8s_str_eq(&owner->ranked->object->namespace,
                                     &claim->ranked->object->namespace))
           ? owner : NULL;
}


ngx_k8s_claim_t *
ngx_k8s_owner_older(ngx_k8s_host_state_t *state, ngx_k8s_object_t *object)
{
    ngx_k8s_claim_t  *owner;

    owner = ngx_k8s_owner(state);

    return (owner
            && !ngx_k8s_str_eq(&owner->ranked->object->namespace,
                               &object->namespace)
            && ngx_k8s_object_cmp(owner->ranked->object, object) < 0)
           ? owner : NULL;
}


ngx_k8s_claim_t *
ngx_k8s_owner_twin(ngx_k8s_host_state_t *state, ngx_k8s_host_state_t *host)
{
    ngx_k8s_claim_t  *owner;

    owner = ngx_k8s_owner(host);

    return owner ? ngx_k8s_owner_older(state, owner->ranked->object) : NULL;
}


ngx_int_t
ngx_k8s_owner_rule(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_uint_t          aliased;
    ngx_rbtree_node_t  *node;

    aliased = (c->conf.acme
               && !ngx_queue_empty(&state->node->links[NGX_K8S_ROLE_ALIAS]));

    if (aliased != state->aliased) {
        state->aliased = aliased;
        state->unruled = 1;
    }

    if (!state->unruled) {
        return NGX_OK;
    }

    state->unruled = 0;

    if (state->ranks.root != &state->sentinel) {
        node = ngx_rbtree_min(state->ranks.root, &state->sentinel);
        state->ruling = ngx_rbtree_data(node, ngx_k8s_claim_t, rank);
    }

    if (!ngx_queue_empty(&state->below)) {
        state->subject = ngx_queue_head(&state->below);
    }

    return NGX_AGAIN;
}


void
ngx_k8s_owner_told(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_claim_t       *claim;
    ngx_k8s_host_state_t  *child;

    claim = state->ruling;

    if (claim) {
        state->ruling = ngx_k8s_owner_next(claim);

        if (claim->link) {
            ngx_k8s_compile_claim_mark(claim);
            ngx_k8s_entry_mark(c->store, claim->entry);
        }

        return;
    }

    child = ngx_queue_data(state->subject, ngx_k8s_host_state_t, beside);

    ngx_k8s_owner_pass(state, child);

    child->unruled = 1;
    ngx_k8s_node_mark(c->store, child->node);
}


ngx_int_t
ngx_k8s_owner_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_claim_t *owner, ngx_str_t *name, ngx_str_t *field)
{
    ngx_str_t          shown, above;
    ngx_k8s_object_t  *object;

    shown = ngx_k8s_host_shown(name);
    above = ngx_k8s_host_shown(&owner->state->node->name);
    object = owner->ranked->object;

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_HOST_OWNED, &shown,
                                field, "host \"%V\" belongs to namespace %V, "
                                "as %V %V/%V, which is older, has host \"%V\"",
                                &shown, &object->namespace,
                                &ngx_k8s_kinds[object->kind].name,
                                &object->namespace, &object->name, &above);
}
