
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is left out: Ingresses that do not fit in the zone, and those beyond
 * their namespace's limit.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static void ngx_k8s_compile_cost(ngx_k8s_model_t *model, ngx_uint_t *routes,
    size_t *bytes);
static void ngx_k8s_compile_mark_hosts(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry);
static void ngx_k8s_compile_unstick(ngx_k8s_compile_t *c);
static void ngx_k8s_compile_unsaid(ngx_k8s_compile_t *c);


int ngx_libc_cdecl
ngx_k8s_compile_user_cmp(const void *one, const void *two)
{
    ngx_k8s_user_t  *a, *b;

    a = (ngx_k8s_user_t *) one;
    b = (ngx_k8s_user_t *) two;

    return ngx_k8s_age_cmp(a->model->object, b->model->object);
}


/* routes, and about the bytes in the zone, of one Ingress alone */

static void
ngx_k8s_compile_cost(ngx_k8s_model_t *model, ngx_uint_t *routes, size_t *bytes)
{
    size_t                 n;
    ngx_uint_t             i, j;
    ngx_k8s_model_host_t  *host;
    ngx_k8s_model_rule_t  *rule;

    *routes = (model->fallback != NULL);
    *bytes = model->fallback ? sizeof(ngx_k8s_match_t)
                               + sizeof(ngx_k8s_rule_rec_t) : 0;

    for (i = 0; i < model->nhosts; i++) {
        host = &model->hosts[i];

        *routes += (host->nrules == 0);
        *bytes += ngx_k8s_writer_cost(sizeof(ngx_k8s_host_t)
                                      + sizeof(ngx_k8s_match_t)
                                      + 2 * host->name.len);

        for (j = host->rule; j < host->rule + host->nrules; j++) {
            rule = &model->rules[j];

            n = host->name.len + 2 * rule->matches->path.len
                + model->object->namespace.len + model->object->name.len
                + rule->targets->ref.name.len;

            *routes += rule->nmatches;
            *bytes += rule->nmatches * (sizeof(ngx_k8s_path_t)
                                        + sizeof(ngx_k8s_match_t))
                      + rule->ntargets * (sizeof(ngx_k8s_action_t)
                                          + sizeof(ngx_k8s_backend_rec_t))
                      + ngx_k8s_writer_cost(sizeof(ngx_k8s_rule_rec_t) + 2 * n)
                      + ngx_k8s_writer_cost(sizeof(ngx_k8s_service_rec_t) + n);
        }
    }
}


static void
ngx_k8s_compile_mark_hosts(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_k8s_link_t  *link;

    for (link = entry->links; link; link = link->next) {
        if (link->node->type == NGX_K8S_NODE_HOST) {
            ngx_k8s_node_mark(c->store, link->node);
        }
    }

    ngx_k8s_entry_mark(c->store, entry);
}


/* the older Ingresses of a namespace up to its limit */

ngx_int_t
ngx_k8s_compile_namespace(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    size_t           bytes, b;
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

    for (q = ngx_queue_head(&node->users);
         q != ngx_queue_sentinel(&node->users);
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
        ngx_k8s_compile_cost(users[i].model, &r, &b);

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


/* an Ingress for which the zone has no room, after a refused put */

void
ngx_k8s_compile_leave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    size_t      room, bytes;
    ngx_uint_t  routes;

    room = ngx_k8s_writer_room(c->writer);

    ngx_k8s_compile_cost(entry->model, &routes, &bytes);

    entry->missing = ngx_k8s_writer_missing(c->writer);

    if (bytes > room + entry->missing) {
        entry->missing = bytes - room;
    }

    entry->need = room + ngx_max(entry->missing, NGX_K8S_GRANULE);
    entry->full = 1;

    ngx_queue_insert_tail(&c->left, &entry->left);

    ngx_k8s_compile_mark_hosts(c, entry);
}


void
ngx_k8s_compile_unleave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_queue_remove(&entry->left);
    entry->full = 0;

    if (entry->object) {
        ngx_k8s_compile_mark_hosts(c, entry);
    }
}


/*
 * Puts the record in the making, with room for a later one that is larger by
 * "spare" bytes.  While the zone is short of room a record keeps the size that
 * it has, so that what shrinks can grow again.
 */

uint32_t
ngx_k8s_compile_put_spare(ngx_k8s_compile_t *c, ngx_k8s_record_t *old,
    size_t spare)
{
    size_t              len, size;
    uint32_t            slot;
    ngx_k8s_builder_t  *b;

    b = &c->builder;

    if (b->failed) {
        return 0;
    }

    len = ngx_align(b->len, sizeof(uint64_t));
    size = len + spare;

    if (old && len <= old->size
        && (old->size <= size
            || ngx_k8s_writer_room(c->writer) < c->table->size / 8))
    {
        size = old->size;
    }

    (void) ngx_k8s_builder_alloc(b, size - len);

    slot = ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);

    if (slot || size == len) {
        return slot;
    }

    b->failed = 0;
    b->len = (old && old->size > len && old->size < size) ? old->size : len;

    slot = ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);

    b->len = len;

    return slot;
}


/* an update of something that is served did not fit */

void
ngx_k8s_compile_stuck(ngx_k8s_compile_t *c)
{
    size_t  room;

    room = ngx_k8s_writer_room(c->writer)
           + ngx_max(ngx_k8s_writer_missing(c->writer), NGX_K8S_GRANULE);

    if (!c->stuck || room < c->stuck_room) {
        c->stuck_room = room;
    }

    c->stuck = 1;
}


/* when room has appeared: updates first, then the oldest of those left out */

ngx_int_t
ngx_k8s_compile_retry(ngx_k8s_compile_t *c)
{
    size_t            room;
    ngx_queue_t      *q;
    ngx_k8s_entry_t  *entry, *best;

    if (c->retry) {
        c->retry = 0;
        ngx_k8s_compile_unsaid(c);
        return NGX_OK;
    }

    if (!c->stuck && ngx_queue_empty(&c->left)) {
        return NGX_DONE;
    }

    room = ngx_k8s_writer_room(c->writer);

    if (c->stuck && room >= c->stuck_room) {
        c->stuck = 0;
        ngx_k8s_compile_unstick(c);
        return NGX_OK;
    }

    best = NULL;

    for (q = ngx_queue_head(&c->left);
         q != ngx_queue_sentinel(&c->left);
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_k8s_entry_t, left);

        if (entry->object == NULL || entry->need > room) {
            continue;
        }

        if (best == NULL
            || ngx_k8s_age_cmp(entry->object, best->object) < 0)
        {
            best = entry;
        }
    }

    if (best == NULL) {
        return NGX_DONE;
    }

    ngx_k8s_compile_unleave(c, best);

    return NGX_OK;
}


static void
ngx_k8s_compile_unstick(ngx_k8s_compile_t *c)
{
    ngx_uint_t                i;
    ngx_queue_t              *q;
    ngx_k8s_node_t           *node;
    ngx_k8s_port_t           *port;
    ngx_k8s_store_t          *store;
    ngx_rbtree_node_t        *n;
    ngx_k8s_service_state_t  *state;

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

            if (node->data == NULL) {
                continue;
            }

            if (i == NGX_K8S_NODE_HOST) {
                if (((ngx_k8s_host_state_t *) node->data)->stuck) {
                    ngx_k8s_node_mark(store, node);
                }

                continue;
            }

            if (i == NGX_K8S_NODE_SECRET) {
                if (((ngx_k8s_secret_state_t *) node->data)->state
                    == NGX_K8S_SECRET_BAD)
                {
                    ngx_k8s_node_mark(store, node);
                }

                continue;
            }

            state = node->data;

            for (q = ngx_queue_head(&state->ports);
                 q != ngx_queue_sentinel(&state->ports);
                 q = ngx_queue_next(q))
            {
                port = ngx_queue_data(q, ngx_k8s_port_t, queue);

                if (port->full) {
                    ngx_k8s_node_mark(store, node);
                }
            }
        }
    }
}


/* objects whose problems had no room among the records */

static void
ngx_k8s_compile_unsaid(ngx_k8s_compile_t *c)
{
    ngx_uint_t        i;
    ngx_queue_t      *q;
    ngx_k8s_entry_t  *entry;
    ngx_k8s_store_t  *store;

    store = c->store;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        for (q = ngx_queue_head(&store->all[i]);
             q != ngx_queue_sentinel(&store->all[i]);
             q = ngx_queue_next(q))
        {
            entry = ngx_queue_data(q, ngx_k8s_entry_t, queue);

            if (entry->object && entry->unsaid) {
                ngx_k8s_entry_mark(store, entry);
            }
        }
    }
}
