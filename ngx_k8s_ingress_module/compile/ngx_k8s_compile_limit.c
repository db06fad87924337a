
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What Ingresses take, Ingresses beyond their namespace's limit, and updates
 * that wait for room.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_KEEP  4096  /* bytes that a record keeps when it shrinks */


int ngx_libc_cdecl
ngx_k8s_compile_user_cmp(const void *one, const void *two)
{
    ngx_k8s_user_t  *a, *b;

    a = (ngx_k8s_user_t *) one;
    b = (ngx_k8s_user_t *) two;

    return ngx_k8s_age_cmp(a->model->object, b->model->object);
}


void
ngx_k8s_compile_cost(ngx_k8s_model_t *model, ngx_uint_t *routes, size_t *most,
    size_t *least)
{
    size_t                 n, own;
    ngx_uint_t             i, j;
    ngx_k8s_model_host_t  *host;
    ngx_k8s_model_rule_t  *rule;

    *routes = (model->fallback != NULL);
    *most = model->fallback ? sizeof(ngx_k8s_match_t)
                              + sizeof(ngx_k8s_rule_rec_t) : 0;
    *least = 0;

    for (i = 0; i < model->nhosts; i++) {
        host = &model->hosts[i];

        *routes += (host->nrules == 0);
        *most += ngx_k8s_writer_cost(sizeof(ngx_k8s_host_t)
                                     + sizeof(ngx_k8s_match_t)
                                     + 2 * host->name.len);

        for (j = host->rule; j < host->rule + host->nrules; j++) {
            rule = &model->rules[j];

            n = host->name.len + 2 * rule->matches->path.len
                + model->object->namespace.len + model->object->name.len
                + rule->targets->ref.name.len;

            *routes += rule->nmatches;

            own = rule->nmatches * (sizeof(ngx_k8s_path_t)
                                    + sizeof(ngx_k8s_match_t));

            *least += own + sizeof(ngx_k8s_rule_rec_t) + n;

            *most += own
                     + rule->ntargets * (sizeof(ngx_k8s_action_t)
                                         + sizeof(ngx_k8s_backend_rec_t))
                     + ngx_k8s_writer_cost(sizeof(ngx_k8s_rule_rec_t) + 2 * n)
                     + ngx_k8s_writer_cost(sizeof(ngx_k8s_service_rec_t) + n);
        }
    }
}


/* the older Ingresses of a namespace up to its limit */

ngx_int_t
ngx_k8s_compile_namespace(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    size_t           bytes, b, least;
    ngx_uint_t       i, routes, r, limited;
    ngx_queue_t     *q;
    ngx_array_t      a;
    ngx_k8s_link_t  *link;
    ngx_k8s_user_t  *users;

    if (c->conf.limit_routes == 0 && c->conf.limit_bytes == 0) {
        return NGX_OK;
    }

    if (ngx_array_init(&a, c->pool, node->nusers + 1, sizeof(ngx_k8s_user_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (q = ngx_queue_head(&node->links[NGX_K8S_ROLE_USER]);
         q != ngx_queue_sentinel(&node->links[NGX_K8S_ROLE_USER]);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);

        users = ngx_array_push(&a);
        users->entry = link->entry;
        users->model = link->entry->model;
    }

    users = a.elts;
    ngx_qsort(users, a.nelts, sizeof(ngx_k8s_user_t),
              ngx_k8s_compile_user_cmp);

    routes = 0;
    bytes = 0;

    for (i = 0; i < a.nelts; i++) {
        ngx_k8s_compile_cost(users[i].model, &r, &b, &least);

        limited = (c->conf.limit_routes
                   && routes + r > c->conf.limit_routes)
                  || (c->conf.limit_bytes
                      && bytes + b > c->conf.limit_bytes);

        if (!limited) {
            routes += r;
            bytes += b;
        }

        if (limited != users[i].entry->limited) {
            users[i].entry->limited = limited;
            ngx_k8s_compile_mark_hosts(c, users[i].entry);
        }
    }

    return NGX_OK;
}


/* what is a little larger later, or grows again to what it was, has room */

uint32_t
ngx_k8s_compile_put_spare(ngx_k8s_compile_t *c, ngx_k8s_record_t *old,
    size_t spare, ngx_uint_t keep)
{
    size_t              len, size, was;
    uint32_t            slot;
    ngx_k8s_builder_t  *b;

    b = &c->builder;

    if (b->failed) {
        return 0;
    }

    len = ngx_align(b->len, sizeof(uint64_t));
    size = len + spare;
    was = old ? old->size : 0;

    if (len <= was
        && (was <= size
            || (keep
                && (was <= NGX_K8S_KEEP
                    || ngx_k8s_writer_room(c->writer) < c->table->size / 8))))
    {
        size = was;
    }

    (void) ngx_k8s_builder_alloc(b, size - len);

    slot = ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);

    if (slot || size == len) {
        return slot;
    }

    b->failed = 0;
    b->len = (was > len && was < size) ? was : len;

    slot = ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);

    b->len = len;

    return slot;
}


void
ngx_k8s_compile_stuck(ngx_k8s_compile_t *c, ngx_k8s_node_t *node, size_t need)
{
    if (!c->stuck || need < c->stuck_room) {
        c->stuck_room = need;
    }

    c->stuck = 1;
    node->need = need;
}


/* only what the room may be enough for: the rest would take it in the trial */

ngx_int_t
ngx_k8s_compile_unstick(ngx_k8s_compile_t *c)
{
    size_t              room;
    ngx_uint_t          i;
    ngx_k8s_node_t     *node;
    ngx_k8s_store_t    *store;
    ngx_rbtree_node_t  *n;

    room = ngx_k8s_writer_room(c->writer);

    if (!c->stuck || room < c->stuck_room) {
        return NGX_DONE;
    }

    c->stuck = 0;
    store = c->store;

    for (i = 0; i <= NGX_K8S_NODE_SECRET; i++) {

        if (store->nodes[i].root == &store->sentinel) {
            continue;
        }

        for (n = ngx_rbtree_min(store->nodes[i].root, &store->sentinel);
             n;
             n = ngx_rbtree_next(&store->nodes[i], n))
        {
            node = (ngx_k8s_node_t *) n;

            if (node->need > room) {
                ngx_k8s_compile_stuck(c, node, node->need);

            } else if (node->need) {
                node->need = 0;
                ngx_k8s_node_mark(store, node);
            }
        }
    }

    return NGX_OK;
}
