
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which record has a path: what a shard holds is a range of the tree of paths,
 * and what was put into a record stays in a tree of its own.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


void
ngx_k8s_item_hold(ngx_k8s_item_t *item, ngx_k8s_held_t *held)
{
    item->held = held;

    held->item = item;
    held->node.key = item->node.key;

    ngx_rbtree_insert(&item->claim->state->helds, &held->node);
}


void
ngx_k8s_item_unhold(ngx_k8s_item_t *item)
{
    if (item->held && item->held->item) {
        ngx_rbtree_delete(&item->claim->state->helds, &item->held->node);
        item->held->item = NULL;
    }
}


ngx_k8s_held_t *
ngx_k8s_held_from(ngx_k8s_host_state_t *state, ngx_rbtree_key_t key)
{
    ngx_rbtree_node_t  *node, *found;

    found = NULL;

    for (node = state->helds.root; node != &state->sentinel; /* void */ ) {

        if (node->key >= key) {
            found = node;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    return (ngx_k8s_held_t *) found;
}


ngx_k8s_held_t *
ngx_k8s_held_next(ngx_k8s_held_t *held)
{
    return (ngx_k8s_held_t *)
           ngx_rbtree_next(&held->item->claim->state->helds, &held->node);
}


ngx_k8s_item_t *
ngx_k8s_held_behind(ngx_k8s_item_t *item)
{
    ngx_k8s_held_t  *held;
    ngx_k8s_item_t  *found;

    found = NULL;

    for (held = ngx_k8s_held_from(item->claim->state, item->node.key);
         held && held->node.key == item->node.key;
         held = ngx_k8s_held_next(held))
    {
        if (ngx_k8s_item_same(held->item, item)
            && ngx_k8s_item_cmp(&held->item->node, &item->node) > 0
            && (found == NULL
                || ngx_k8s_item_cmp(&held->item->node, &found->node) < 0))
        {
            found = held->item;
        }
    }

    return found;
}


/* the record that has it, or will have it */

void
ngx_k8s_item_dirty(ngx_k8s_item_t *item)
{
    ngx_k8s_host_state_t  *state;

    state = item->claim->state;

    if (state->nshards == 0 || (item->node.key & NGX_K8S_ITEM_REGEX)) {
        state->head = 1;
        return;
    }

    ngx_k8s_shard_mark(state, ((uint64_t) item->node.key * state->nshards)
                              >> 31);
}


void
ngx_k8s_shard_mark(ngx_k8s_host_state_t *state, ngx_uint_t n)
{
    ngx_k8s_shard_t  *shard;

    shard = &state->shards[n];

    shard->full = 0;

    if (!shard->dirty) {
        shard->dirty = 1;
        state->ndirty++;
    }
}


/* the host record has all of them, or the regular expressions */

ngx_k8s_item_t *
ngx_k8s_item_first(ngx_k8s_host_state_t *state, ngx_uint_t head, ngx_uint_t n)
{
    ngx_rbtree_key_t    key;
    ngx_rbtree_node_t  *node, *found, *sentinel;

    sentinel = state->items.sentinel;
    key = ngx_k8s_item_key(state, head, n);
    found = NULL;

    for (node = state->items.root; node != sentinel; /* void */ ) {

        if (node->key >= key) {
            found = node;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    return (ngx_k8s_item_t *) found;
}


/* of the first item that a record may have */

ngx_rbtree_key_t
ngx_k8s_item_key(ngx_k8s_host_state_t *state, ngx_uint_t head, ngx_uint_t n)
{
    if (!head) {
        return ((uint64_t) n << 31) / state->nshards;
    }

    return state->nshards ? NGX_K8S_ITEM_REGEX : 0;
}


ngx_uint_t
ngx_k8s_item_within(ngx_k8s_item_t *item, ngx_uint_t head, ngx_uint_t n)
{
    if (item == NULL || head) {
        return item != NULL;
    }

    return !(item->node.key & NGX_K8S_ITEM_REGEX)
           && ((uint64_t) item->node.key * item->claim->state->nshards) >> 31
              == n;
}
