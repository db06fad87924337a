
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is kept of hosts, as long as an object or another host needs it, and the
 * wildcard hosts above them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


ngx_k8s_host_state_t *
ngx_k8s_host_state(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_host_state_t  *state;

    if (node->data) {
        return node->data;
    }

    state = ngx_calloc(sizeof(ngx_k8s_host_state_t), c->log);
    if (state == NULL) {
        return NULL;
    }

    state->node = node;
    state->written = 1;

    ngx_rbtree_sentinel_init(&state->sentinel);
    ngx_queue_init(&state->children);
    ngx_queue_init(&state->aliases);
    ngx_k8s_claims_init(state);
    ngx_k8s_items_init(state);
    ngx_k8s_owner_init(state);
    ngx_k8s_compile_outs_init(state);

    node->data = state;

    return state;
}


ngx_int_t
ngx_k8s_host_above(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_host_state_t **above)
{
    u_char          *dot;
    ngx_str_t        name;
    ngx_k8s_node_t  *node;

    *above = NULL;
    name = state->node->name;

    if (name.len == 0 || name.data[0] == '.') {
        return NGX_OK;
    }

    dot = ngx_strlchr(name.data, name.data + name.len, '.');

    if (dot == NULL) {
        return NGX_OK;
    }

    name.len -= dot - name.data;
    name.data = dot;

    node = ngx_k8s_node_host_get(c->store, state->node->route_set,
                                 state->node->class, &name);
    if (node == NULL) {
        return NGX_ERROR;
    }

    *above = ngx_k8s_host_state(c, node);

    if (*above == NULL) {
        ngx_k8s_node_check(c->store, node);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_k8s_host_unpin(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_node_unpin(c->store, node);
    ngx_k8s_host_drop(c, node->data);
    ngx_k8s_node_check(c->store, node);
}


/*
 * Frees the state of a host that nobody has any more.  That of a name which
 * somebody would like to have stays, where the wildcard above it may own it.
 */

void
ngx_k8s_host_drop(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_node_t  *node;

    node = state->node;

    if (state->slot || state->attached || state->wanting || state->fitting
        || !ngx_queue_empty(&node->links[NGX_K8S_ROLE_USER])
        || !ngx_queue_empty(&state->work)
        || !ngx_queue_empty(&state->children)
        || !ngx_queue_empty(&state->aliases)
        || !ngx_queue_empty(&state->below)
        || (state->domain
            && !ngx_queue_empty(&node->links[NGX_K8S_ROLE_ALIAS])))
    {
        return;
    }

    node->data = NULL;

    ngx_k8s_compile_outs_free(c, state);
    ngx_k8s_owner_detach(c, state);
    ngx_free(state);
}


/* from its parent: the wildcard above it, or the host that it leads to */

void
ngx_k8s_host_detach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_node_t        *node;
    ngx_k8s_host_state_t  *parent;

    node = state->parent;
    state->parent = NULL;
    state->attached = 0;

    if (node == NULL) {
        return;
    }

    parent = node->data;

    if (parent->heir == &state->sibling) {
        ngx_k8s_heir_pass(parent, state);
    }

    ngx_queue_remove(&state->sibling);

    ngx_k8s_host_unpin(c, node);
}


ngx_int_t
ngx_k8s_owner_attach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_host_state_t  *above;

    if (!c->conf.ownership || state->domain
        || !ngx_k8s_compile_ingress(state->node))
    {
        return NGX_OK;
    }

    if (ngx_k8s_host_above(c, state, &above) != NGX_OK) {
        return NGX_ERROR;
    }

    if (above) {
        ngx_k8s_node_pin(c->store, above->node);

        state->domain = above->node;
        ngx_queue_insert_tail(&above->below, &state->beside);
    }

    return NGX_OK;
}


void
ngx_k8s_owner_detach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_node_t        *node;
    ngx_k8s_host_state_t  *above;

    node = state->domain;

    if (node == NULL) {
        return;
    }

    state->domain = NULL;
    above = node->data;

    if (above->subject == &state->beside) {
        ngx_k8s_owner_pass(above, state);
    }

    ngx_queue_remove(&state->beside);

    ngx_k8s_host_unpin(c, node);
}
