
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Ingresses that are left out as the zone is full.  While room is short a new
 * Ingress, and one that was left out and has been edited, waits for its turn:
 * the oldest comes first, and so the youngest are left out.  What is served
 * stays served.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_tree.h>


#define NGX_K8S_ADMIT_LOOK   256   /* looked at in one item of work */
#define NGX_K8S_LEFT_STEP    4096  /* bytes more for another try */
#define NGX_K8S_ADMIT        64    /* let in */


static ngx_k8s_left_t *ngx_k8s_compile_left_make(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry);
static void ngx_k8s_compile_left_remove(ngx_k8s_compile_t *c,
    ngx_k8s_left_t *left);
static void ngx_k8s_compile_left_in(ngx_k8s_left_t *left);
static void ngx_k8s_left_insert_out(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_left_out_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static ngx_int_t ngx_k8s_left_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);


ngx_int_t
ngx_k8s_compile_ask(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    size_t           missing;
    ngx_k8s_left_t  *left;

    if (entry->limited) {
        return NGX_DECLINED;
    }

    if (entry->full) {

        if (entry->edited) {
            left = entry->left;
            missing = left->missing;

            ngx_k8s_compile_left_remove(c, left);
            entry->full = 0;

            if (ngx_k8s_compile_leave(c, entry, 0, missing) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        return NGX_DECLINED;
    }

    if (entry->served || entry->asked
        || (c->left.root == &c->left_sentinel
            && ngx_k8s_writer_room(c->writer) >= c->table->size / 8))
    {
        return NGX_OK;
    }

    return (ngx_k8s_compile_leave(c, entry, 0, 0) == NGX_OK) ? NGX_DECLINED
                                                             : NGX_ERROR;
}


/* need 0: it has not been tried */

ngx_int_t
ngx_k8s_compile_leave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    size_t need, size_t missing)
{
    size_t           least;
    ngx_uint_t       routes;
    ngx_k8s_left_t  *left;

    left = ngx_k8s_compile_left_make(c, entry);
    if (left == NULL) {
        return NGX_ERROR;
    }

    ngx_k8s_compile_cost(entry->model, &routes, &left->cost, &least);

    left->need = need ? ngx_max(need, least) : 0;

    if (need && need != NGX_K8S_NEVER) {

        /* others may have taken what was free when its work began */

        left->need = ngx_min(left->need, ngx_max(left->cost, least));

        /* it was let in with that, and did not fit */

        if (left->need <= entry->tried) {
            left->need = entry->tried + ngx_max(entry->tried / 2,
                                                NGX_K8S_LEFT_STEP);
        }
    }

    entry->tried = (need == NGX_K8S_NEVER) ? 0 : left->need;
    left->missing = missing;

    entry->left = left;
    entry->full = 1;
    entry->edited = 0;
    entry->asked = 0;

    ngx_rbtree_insert(&c->left, &left->node);

    if (c->next == NULL || ngx_k8s_age_cmp(&left->age, &c->next->age) < 0) {
        c->passed = ngx_min(c->passed, left->need);
    }

    if (need) {
        ngx_k8s_compile_mark_hosts(c, entry, 1);
    }

    return NGX_OK;
}


void
ngx_k8s_compile_unleave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_k8s_compile_left_remove(c, entry->left);

    entry->full = 0;
    entry->asked = 1;

    if (entry->object) {
        ngx_k8s_compile_mark_hosts(c, entry, 1);
    }
}


void
ngx_k8s_compile_oversize(ngx_k8s_host_state_t *state, ngx_k8s_left_t *left)
{
    left->host = state;
    ngx_rbtree_insert(&state->outs, &left->out);
}


void
ngx_k8s_compile_smaller(ngx_k8s_host_state_t *state, ngx_k8s_left_t *without)
{
    ngx_k8s_left_t     *left;
    ngx_rbtree_node_t  *node;

    if (state->outs.root == &state->sentinel) {
        return;
    }

    node = without ? ngx_rbtree_next(&state->outs, &without->out)
                   : ngx_rbtree_min(state->outs.root, &state->sentinel);

    if (node == NULL) {
        return;
    }

    left = ngx_rbtree_data(node, ngx_k8s_left_t, out);

    /* those before one that is to be tried already are not */

    if (state->fitting == NULL
        || ngx_k8s_age_cmp(&left->age, &state->fitting->age) < 0)
    {
        state->fitting = left;
    }
}


void
ngx_k8s_compile_fitting(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_left_t  *left;

    left = state->fitting;

    ngx_k8s_compile_left_in(left);

    left->need = 0;
    c->passed = 0;
}


/* it is not in the tree of a host any more */

static void
ngx_k8s_compile_left_in(ngx_k8s_left_t *left)
{
    ngx_rbtree_node_t     *next;
    ngx_k8s_host_state_t  *state;

    state = left->host;

    if (state == NULL) {
        return;
    }

    if (state->fitting == left) {
        next = ngx_rbtree_next(&state->outs, &left->out);
        state->fitting = next ? ngx_rbtree_data(next, ngx_k8s_left_t, out)
                              : NULL;
    }

    ngx_rbtree_delete(&state->outs, &left->out);
    left->host = NULL;
}


void
ngx_k8s_compile_outs_init(ngx_k8s_host_state_t *state)
{
    ngx_rbtree_init(&state->outs, &state->sentinel, ngx_k8s_left_insert_out);
}


static void
ngx_k8s_left_insert_out(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_left_out_cmp);
}


static ngx_int_t
ngx_k8s_left_out_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    ngx_k8s_left_t  *a, *b;

    a = ngx_rbtree_data(one, ngx_k8s_left_t, out);
    b = ngx_rbtree_data(two, ngx_k8s_left_t, out);

    return ngx_k8s_age_cmp(&a->age, &b->age);
}


void
ngx_k8s_compile_outs_free(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    while (state->outs.root != &state->sentinel) {
        state->fitting = ngx_rbtree_data(state->outs.root, ngx_k8s_left_t,
                                         out);
        ngx_k8s_compile_fitting(c, state);
    }
}


/*
 * All that fit for certain are let in together, else one.  Those before
 * c->next have been looked at: only with more room they are again.
 */

ngx_int_t
ngx_k8s_compile_admit(ngx_k8s_compile_t *c)
{
    size_t            room, rest;
    ngx_uint_t        n, admitted;
    ngx_k8s_left_t   *left;

    if (c->left.root == &c->left_sentinel) {
        return NGX_DONE;
    }

    if (ngx_k8s_writer_retired(c->writer)) {
        ngx_k8s_writer_publish(c->writer);
    }

    room = ngx_k8s_writer_room(c->writer);
    rest = room;
    admitted = 0;

    if (room >= c->passed) {
        c->next = (ngx_k8s_left_t *) ngx_rbtree_min(c->left.root,
                                                    &c->left_sentinel);
        c->passed = NGX_K8S_NEVER;
    }

    for (n = 0; c->next && n < NGX_K8S_ADMIT_LOOK; n++) {
        left = c->next;

        if (left->need > room) {
            c->passed = ngx_min(c->passed, left->need);
            c->next = (ngx_k8s_left_t *) ngx_rbtree_next(&c->left,
                                                         &left->node);
            continue;
        }

        if (admitted && (left->cost > rest || admitted == NGX_K8S_ADMIT)) {
            break;
        }

        rest -= ngx_min(left->cost, rest);
        admitted++;

        ngx_k8s_compile_unleave(c, left->entry);
    }

    return (admitted || c->next) ? NGX_OK : NGX_DONE;
}


/* keeps what orders it: the object may change, or go, in the meantime */

static ngx_k8s_left_t *
ngx_k8s_compile_left_make(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    u_char            *p;
    ngx_k8s_left_t    *left;
    ngx_k8s_object_t  *object, *age;

    object = entry->object;

    left = ngx_calloc(sizeof(ngx_k8s_left_t) + object->namespace.len
                      + object->name.len + object->origin.len, c->log);
    if (left == NULL) {
        return NULL;
    }

    left->entry = entry;

    age = &left->age;
    age->created = object->created;
    age->document = object->document;

    p = (u_char *) left + sizeof(ngx_k8s_left_t);

    age->namespace.data = p;
    age->namespace.len = object->namespace.len;
    p = ngx_cpymem(p, object->namespace.data, object->namespace.len);

    age->name.data = p;
    age->name.len = object->name.len;
    p = ngx_cpymem(p, object->name.data, object->name.len);

    age->origin.data = p;
    age->origin.len = object->origin.len;
    ngx_memcpy(p, object->origin.data, object->origin.len);

    return left;
}


static void
ngx_k8s_compile_left_remove(ngx_k8s_compile_t *c, ngx_k8s_left_t *left)
{
    if (c->next == left) {
        c->next = (ngx_k8s_left_t *) ngx_rbtree_next(&c->left, &left->node);
    }

    ngx_k8s_compile_left_in(left);
    ngx_rbtree_delete(&c->left, &left->node);

    left->entry->left = NULL;

    ngx_free(left);
}


void
ngx_k8s_compile_left_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_left_cmp);
}


static ngx_int_t
ngx_k8s_left_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    return ngx_k8s_age_cmp(&((ngx_k8s_left_t *) one)->age,
                           &((ngx_k8s_left_t *) two)->age);
}
