
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What a change is of concern to is marked in pieces: a Service, or a Secret,
 * may have very many users, and one of these very many hosts.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static void ngx_k8s_compile_mark_users(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node, ngx_int_t *budget);
static void ngx_k8s_compile_mark_links(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_int_t *budget);
static ngx_uint_t ngx_k8s_compile_mark_aliases(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim);
static void ngx_k8s_compile_mark_twin(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);


/* those that come meanwhile are met at the end; the cursor keeps the node */

void
ngx_k8s_compile_tell(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_uint_t hosts)
{
    if (ngx_queue_empty(&node->links[NGX_K8S_ROLE_USER])) {
        return;
    }

    if (node->telling) {
        ngx_queue_remove(&node->cursor);

    } else {
        node->telling = 1;
        ngx_queue_insert_tail(&c->told, &node->told);
    }

    node->hosts |= (hosts != 0);
    node->claims |= node->asked;

    ngx_queue_insert_head(&node->links[NGX_K8S_ROLE_USER], &node->cursor);
}


void
ngx_k8s_compile_mark_hosts(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_uint_t claims)
{
    ngx_k8s_entry_mark(c->store, entry);

    if (!entry->marking) {
        entry->marking = 1;
        entry->claims = 0;
        ngx_queue_insert_tail(&c->marking, &entry->hosts);
    }

    entry->claims |= (claims != 0);
    entry->next = entry->links;
}


ngx_int_t
ngx_k8s_compile_marks(ngx_k8s_compile_t *c)
{
    ngx_int_t     budget;
    ngx_queue_t  *q;

    if (ngx_queue_empty(&c->told) && ngx_queue_empty(&c->marking)) {
        return NGX_DONE;
    }

    budget = c->slice;

    while (budget > 0 && !ngx_queue_empty(&c->marking)) {
        q = ngx_queue_head(&c->marking);
        ngx_k8s_compile_mark_links(c, ngx_queue_data(q, ngx_k8s_entry_t,
                                                     hosts),
                                   &budget);
    }

    while (budget > 0 && !ngx_queue_empty(&c->told)) {
        q = ngx_queue_head(&c->told);
        ngx_k8s_compile_mark_users(c, ngx_queue_data(q, ngx_k8s_node_t, told),
                                   &budget);
    }

    return NGX_OK;
}


static void
ngx_k8s_compile_mark_users(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_int_t *budget)
{
    ngx_queue_t     *q, *users;
    ngx_k8s_link_t  *link;

    users = &node->links[NGX_K8S_ROLE_USER];

    while ((*budget)-- > 0) {
        q = ngx_queue_next(&node->cursor);

        if (q == ngx_queue_sentinel(users)) {
            ngx_k8s_compile_told(c, node);
            return;
        }

        ngx_queue_remove(&node->cursor);
        ngx_queue_insert_after(q, &node->cursor);

        link = ngx_queue_data(q, ngx_k8s_link_t, queue);

        if (node->hosts) {
            ngx_k8s_compile_mark_hosts(c, link->entry, node->claims);

        } else {
            ngx_k8s_entry_mark(c->store, link->entry);
        }
    }
}


void
ngx_k8s_compile_told(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_queue_remove(&node->cursor);
    ngx_queue_remove(&node->told);

    node->telling = 0;
    node->hosts = 0;
    node->claims = 0;

    ngx_k8s_node_check(c->store, node);
}


/* the store sets entry->next with each change of its links */

static void
ngx_k8s_compile_mark_links(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_int_t *budget)
{
    ngx_k8s_link_t  *link;

    while ((*budget)-- > 0) {
        link = entry->next;

        if (link == NULL) {
            ngx_queue_remove(&entry->hosts);
            entry->marking = 0;
            return;
        }

        entry->next = link->next;

        if (link->node->type != NGX_K8S_NODE_HOST) {
            continue;
        }

        if (entry->claims && link->data) {
            ngx_k8s_compile_claim_mark(link->data);
        }

        ngx_k8s_node_mark(c->store, link->node);
    }
}


void
ngx_k8s_compile_resume(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_uint_t  marked;

    marked = node->marked;
    ngx_k8s_node_mark(c->store, node);
    node->marked = marked;
}


/* what a claim says of other names has changed, or whether it is there */

ngx_uint_t
ngx_k8s_compile_alias_claim(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim)
{
    ngx_uint_t             n, aliases;
    ngx_k8s_claim_t       *first;
    ngx_k8s_model_t       *model;
    ngx_k8s_host_state_t  *state;

    state = claim->state;
    model = claim->model;

    aliases = (model && claim->host && model->naliases + model->npatterns);
    if (!aliases && !claim->aliases) {
        return 0;
    }

    claim->aliases = aliases;

    if (claim->link) {
        ngx_k8s_entry_mark(c->store, claim->entry);
    }

    first = state->alias_claim;
    n = 0;

    if (aliases) {

        if (first == NULL || ngx_k8s_claim_cmp(claim, first) < 0) {
            first = claim;
        }

    } else if (claim == first) {

        do {
            first = (ngx_k8s_claim_t *) ngx_rbtree_next(&state->claims,
                                                        &first->node);
            n++;
        } while (first && !first->aliases);
    }

    if (first == state->alias_claim && first != claim) {
        return 0;
    }

    /* others say whose aliases the host has */

    if (first != state->alias_claim) {
        n += ngx_k8s_compile_mark_aliases(c, state->alias_claim);

        state->saying = (ngx_k8s_claim_t *) ngx_rbtree_min(state->claims.root,
                                                           &state->sentinel);
        ngx_k8s_compile_alias_counts(state->alias_claim, 0);
        ngx_k8s_compile_alias_counts(first, 1);

        state->alias_claim = first;
    }

    return n + ngx_k8s_compile_mark_aliases(c, first);
}


/* what ends with its link is not counted any more: the entry may go */

void
ngx_k8s_compile_alias_counts(ngx_k8s_claim_t *claim, ngx_uint_t counts)
{
    if (claim && claim->named != counts && (claim->named || claim->link)) {
        claim->named = counts;
        claim->entry->aliased += counts ? 1 : -1;
    }
}


/* their links are among the first ones; how many there are */

static ngx_uint_t
ngx_k8s_compile_mark_aliases(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim)
{
    ngx_uint_t       n;
    ngx_k8s_link_t  *link;

    if (claim == NULL || claim->link == NULL) {
        return 0;
    }

    n = 0;

    for (link = claim->entry->links; link; link = link->next) {

        if (link->node->type != NGX_K8S_NODE_HOST
            || link->role == NGX_K8S_ROLE_USER)
        {
            break;
        }

        ngx_k8s_node_mark(c->store, link->node);
        n++;
    }

    return n;
}


void
ngx_k8s_compile_twin_claim(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_uint_t twins)
{
    ngx_uint_t             ntwins;
    ngx_k8s_host_state_t  *state;

    state = claim->state;
    ntwins = state->ntwins;

    state->ntwins += twins;
    state->ntwins -= claim->twins;
    claim->twins = twins;

    if ((ntwins != 0) != (state->ntwins != 0)) {
        ngx_k8s_compile_mark_twin(c, state);
    }
}


static void
ngx_k8s_compile_mark_twin(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    u_char           buf[NGX_K8S_HOST_NAME_MAX];
    ngx_str_t        name;
    ngx_k8s_node_t  *node;

    if (ngx_k8s_host_twin(buf, &state->node->name, &name) != NGX_OK) {
        return;
    }

    node = ngx_k8s_node_host_find(c->store, 0, NGX_K8S_CLASS_HTTP, &name);

    if (node) {
        ngx_k8s_node_mark(c->store, node);
    }
}


void
ngx_k8s_compile_alias_tell(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_queue_t           *q;
    ngx_k8s_host_state_t  *alias;

    for (q = ngx_queue_head(&state->aliases);
         q != ngx_queue_sentinel(&state->aliases);
         q = ngx_queue_next(q))
    {
        alias = ngx_queue_data(q, ngx_k8s_host_state_t, sibling);
        ngx_k8s_node_mark(c->store, alias->node);
    }
}
