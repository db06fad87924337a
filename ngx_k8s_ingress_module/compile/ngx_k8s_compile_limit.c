
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
#include <ngx_k8s_tree.h>


#define NGX_K8S_KEEP           4096  /* bytes that a record keeps when it
                                        shrinks */
#define NGX_K8S_UNSTICK_SLICE  256   /* nodes in one item of work */
#define NGX_K8S_ALIAS_NAMES    64    /* bytes of the names of an alias, about */
#define NGX_K8S_MEMBERS_SLICE  256   /* Ingresses in one item of work, of 16
                                        hosts and rules */


static ngx_int_t ngx_k8s_members_adopt(ngx_k8s_compile_t *c,
    ngx_k8s_members_t *members);
static ngx_int_t ngx_k8s_members_walk(ngx_k8s_compile_t *c,
    ngx_k8s_members_t *members);
static ngx_k8s_member_t *ngx_k8s_members_first(ngx_k8s_members_t *members);
static ngx_k8s_member_t *ngx_k8s_member_next(ngx_k8s_member_t *member);
static void ngx_k8s_member_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_member_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static void ngx_k8s_stuck_look(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
static void ngx_k8s_stuck_wait(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
static void ngx_k8s_stuck_need(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    size_t need);


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

    if (model->values.nserved) {
        *most += ngx_k8s_writer_cost(sizeof(ngx_k8s_policy_t)
                                     + model->values.nserved
                                       * sizeof(ngx_k8s_setting_t)
                                     + model->values.size);
    }

    n = model->naliases + (model->twins ? model->nhosts : 0);

    *most += n * ngx_k8s_writer_cost(sizeof(ngx_k8s_host_t)
                                     + sizeof(ngx_k8s_match_t)
                                     + sizeof(ngx_k8s_action_t)
                                     + NGX_K8S_ALIAS_NAMES);

    for (i = 0; i < model->nhosts; i++) {
        host = &model->hosts[i];

        *routes += (host->nrules == 0);
        *most += ngx_k8s_writer_cost(sizeof(ngx_k8s_host_t)
                                     + sizeof(ngx_k8s_match_t)
                                     + 2 * host->name.len);

        for (j = host->rule; j < host->rule + host->nrules; j++) {
            rule = &model->rules[j];

            if (rule->nmatches == 0) {
                continue;
            }

            n = host->name.len + 2 * rule->matches->path.len
                + model->object->namespace.len + model->object->name.len
                + (rule->ntargets ? rule->targets->ref.name.len : 0);

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


/*
 * The older Ingresses of a namespace up to its limit, in slices.  Those that
 * come or go in the midst of a walk are counted by another one.
 */

ngx_int_t
ngx_k8s_compile_namespace(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_int_t           rc;
    ngx_k8s_members_t  *members;

    if (c->conf.limit_routes == 0 && c->conf.limit_bytes == 0) {
        return NGX_OK;
    }

    members = node->data;

    if (members == NULL) {

        if (ngx_queue_empty(&node->links[NGX_K8S_ROLE_USER])) {
            return NGX_OK;
        }

        members = ngx_calloc(sizeof(ngx_k8s_members_t), c->log);
        if (members == NULL) {
            return NGX_ERROR;
        }

        members->node = node;
        ngx_rbtree_init(&members->tree, &members->sentinel,
                        ngx_k8s_member_insert);
        node->data = members;
    }

    rc = ngx_k8s_members_adopt(c, members);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_k8s_members_walk(c, members) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (members->tree.root == &members->sentinel) {
        ngx_k8s_compile_namespace_free(c, node);
    }

    return NGX_OK;
}


/* links that are new stand at the end of the node's */

static ngx_int_t
ngx_k8s_members_adopt(ngx_k8s_compile_t *c, ngx_k8s_members_t *members)
{
    ngx_uint_t         n;
    ngx_queue_t       *q, *links;
    ngx_k8s_link_t    *link;
    ngx_k8s_member_t  *member;

    links = &members->node->links[NGX_K8S_ROLE_USER];

    for (n = 0; !ngx_queue_empty(links); n++) {
        q = ngx_queue_last(links);
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);

        if (link->data) {
            break;
        }

        if (n == NGX_K8S_MEMBERS_SLICE) {
            return NGX_AGAIN;
        }

        member = ngx_alloc(sizeof(ngx_k8s_member_t), c->log);
        if (member == NULL) {
            return NGX_ERROR;
        }

        member->node.key = 0;
        member->members = members;
        member->entry = link->entry;
        link->data = member;

        ngx_rbtree_insert(&members->tree, &member->node);
        members->again = 1;

        ngx_queue_remove(q);
        ngx_queue_insert_head(links, q);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_members_walk(ngx_k8s_compile_t *c, ngx_k8s_members_t *members)
{
    size_t             bytes, least;
    ngx_int_t          budget;
    ngx_uint_t         routes, limited;
    ngx_k8s_entry_t   *entry;
    ngx_k8s_model_t   *model;
    ngx_k8s_member_t  *member;

    if (members->next == NULL) {
        members->next = ngx_k8s_members_first(members);
        members->routes = 0;
        members->bytes = 0;
        members->again = 0;
    }

    budget = NGX_K8S_MEMBERS_SLICE * 16;

    while (members->next) {

        if (budget <= 0) {
            return NGX_AGAIN;
        }

        member = members->next;
        members->next = ngx_k8s_member_next(member);

        entry = member->entry;
        model = entry->model;
        budget -= 16 + model->nhosts + model->nrules;

        ngx_k8s_compile_cost(model, &routes, &bytes, &least);

        limited = (c->conf.limit_routes
                   && members->routes + routes > c->conf.limit_routes)
                  || (c->conf.limit_bytes
                      && members->bytes + bytes > c->conf.limit_bytes);

        if (!limited) {
            members->routes += routes;
            members->bytes += bytes;
        }

        if (limited != entry->limited) {
            entry->limited = limited;
            ngx_k8s_compile_mark_hosts(c, entry, 1);
        }
    }

    return members->again ? NGX_AGAIN : NGX_OK;
}


static ngx_k8s_member_t *
ngx_k8s_members_first(ngx_k8s_members_t *members)
{
    if (members->tree.root == &members->sentinel) {
        return NULL;
    }

    return (ngx_k8s_member_t *) ngx_rbtree_min(members->tree.root,
                                               &members->sentinel);
}


static ngx_k8s_member_t *
ngx_k8s_member_next(ngx_k8s_member_t *member)
{
    return (ngx_k8s_member_t *) ngx_rbtree_next(&member->members->tree,
                                                &member->node);
}


static void
ngx_k8s_member_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_member_cmp);
}


static ngx_int_t
ngx_k8s_member_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    return ngx_k8s_age_cmp(((ngx_k8s_member_t *) one)->entry->object,
                           ((ngx_k8s_member_t *) two)->entry->object);
}


void
ngx_k8s_compile_member_unlink(ngx_k8s_link_t *link)
{
    ngx_k8s_member_t   *member;
    ngx_k8s_members_t  *members;

    member = link->data;
    members = member->members;

    if (members->next == member) {
        members->next = ngx_k8s_member_next(member);
    }

    members->again = 1;

    ngx_rbtree_delete(&members->tree, &member->node);
    ngx_free(member);
}


void
ngx_k8s_compile_namespace_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_rbtree_node_t  *n;
    ngx_k8s_members_t  *members;

    members = node->data;

    while (members->tree.root != &members->sentinel) {
        n = members->tree.root;
        ngx_rbtree_delete(&members->tree, n);
        ngx_free(n);
    }

    ngx_free(members);
    node->data = NULL;
}


/* what is a little larger later, or grows again to what it was, has room */

uint32_t
ngx_k8s_compile_put_spare(ngx_k8s_compile_t *c, ngx_k8s_builder_t *b,
    ngx_k8s_record_t *old, size_t spare, ngx_uint_t keep)
{
    size_t    len, size, was;
    uint32_t  slot;

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
    if (ngx_k8s_writer_later(c->writer)) {
        c->later = 1;
        node->later = 1;

        ngx_k8s_stuck_wait(c, node);

        if (need == 0) {
            return;
        }
    }

    ngx_k8s_stuck_need(c, node, need);
}


static void
ngx_k8s_stuck_need(ngx_k8s_compile_t *c, ngx_k8s_node_t *node, size_t need)
{
    if (!c->stuck || need < c->stuck_room) {
        c->stuck_room = need;
    }

    c->stuck = 1;
    node->need = node->need ? ngx_min(node->need, need) : need;

    ngx_k8s_stuck_wait(c, node);
}


static void
ngx_k8s_stuck_wait(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    if (!node->waits) {
        node->waits = 1;
        ngx_queue_insert_tail(&c->roomless, &node->wait);
    }
}


/* only what the room may be enough for: the rest would take it in the trial */

ngx_int_t
ngx_k8s_compile_unstick(ngx_k8s_compile_t *c)
{
    size_t           room;
    ngx_int_t        rc;
    ngx_uint_t       n;
    ngx_queue_t     *q;
    ngx_k8s_node_t  *node;

    if (!c->unsticking) {
        rc = NGX_BUSY;

        if (c->later) {
            rc = ngx_k8s_writer_seek(c->writer);

            if (rc == NGX_AGAIN) {
                return NGX_OK;
            }
        }

        room = ngx_k8s_writer_room(c->writer);

        if (rc == NGX_BUSY && (!c->stuck || room < c->stuck_room)) {
            return NGX_DONE;
        }

        c->stuck = 0;
        c->later = (c->later && rc == NGX_BUSY);

        c->unsticking = 1;
        c->unstick_rc = rc;
        c->unstick_room = room;

        if (!ngx_queue_empty(&c->roomless)) {
            ngx_queue_add(&c->tried, &c->roomless);
            ngx_queue_init(&c->roomless);
        }
    }

    for (n = 0; !ngx_queue_empty(&c->tried); n++) {

        if (n == NGX_K8S_UNSTICK_SLICE) {
            return NGX_OK;
        }

        q = ngx_queue_head(&c->tried);
        node = ngx_queue_data(q, ngx_k8s_node_t, wait);

        ngx_queue_remove(q);
        node->waits = 0;

        ngx_k8s_stuck_look(c, node);
    }

    c->unsticking = 0;

    return NGX_OK;
}


static void
ngx_k8s_stuck_look(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_uint_t  later;

    later = (c->unstick_rc != NGX_BUSY);

    if ((node->later && (c->unstick_rc == NGX_OK || (later && node->need == 0)))
        || (node->need && node->need <= c->unstick_room))
    {
        node->later = 0;
        node->need = 0;
        ngx_k8s_node_mark(c->store, node);

        return;
    }

    if (later) {
        node->later = 0;
    }

    if (node->need) {
        ngx_k8s_stuck_need(c, node, node->need);

    } else if (node->later) {
        ngx_k8s_stuck_wait(c, node);
    }
}
