
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Endpoints of a Service: those of all its EndpointSlices that may be served
 * are kept in a tree by address, one for each family, so that a change of a
 * slice touches its own endpoints only, a part of them at a time.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_ranges.h>
#include <ngx_k8s_tree.h>


#define NGX_K8S_ENDPOINT_LAST                                                 \
    (NGX_K8S_ENDPOINT_SERVING|NGX_K8S_ENDPOINT_TERMINATING)


static ngx_int_t ngx_k8s_parts_adopt(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state);
static ngx_int_t ngx_k8s_part_make(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state, ngx_k8s_link_t *link);
static void ngx_k8s_part_add(ngx_k8s_compile_t *c, ngx_k8s_piece_t *part,
    ngx_k8s_slice_endpoint_t *source);
static void ngx_k8s_part_remove(ngx_k8s_compile_t *c, ngx_k8s_piece_t *part);
static void ngx_k8s_candidate_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_candidate_cmp(ngx_rbtree_node_t *x,
    ngx_rbtree_node_t *y);
static ngx_k8s_service_port_t *ngx_k8s_port_external(ngx_k8s_service_t *svc,
    ngx_k8s_port_t *port, ngx_k8s_service_port_t *external);
static void ngx_k8s_serving_skip(ngx_k8s_service_state_t *state,
    ngx_k8s_candidate_t *e);




void
ngx_k8s_parts_init(ngx_k8s_service_state_t *state)
{
    ngx_queue_init(&state->parts);
    ngx_queue_init(&state->gone);

    ngx_rbtree_init(&state->candidates[0], &state->sentinel,
                    ngx_k8s_candidate_insert);
    ngx_rbtree_init(&state->candidates[1], &state->sentinel,
                    ngx_k8s_candidate_insert);
}


/* those of slices that are gone leave before others are compared with them */

ngx_int_t
ngx_k8s_compile_parts(ngx_k8s_compile_t *c, ngx_k8s_service_state_t *state)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&state->gone)) {

        if (c->budget <= 0) {
            return NGX_AGAIN;
        }

        q = ngx_queue_head(&state->gone);
        ngx_k8s_part_remove(c, ngx_queue_data(q, ngx_k8s_piece_t, queue));
    }

    return ngx_queue_empty(&state->ports) ? NGX_OK
                                          : ngx_k8s_parts_adopt(c, state);
}


/* links that are new stand at the end of the node's */

static ngx_int_t
ngx_k8s_parts_adopt(ngx_k8s_compile_t *c, ngx_k8s_service_state_t *state)
{
    ngx_queue_t               *q, *links;
    ngx_k8s_link_t            *link;
    ngx_k8s_piece_t           *part;
    ngx_k8s_slice_endpoint_t  *source;

    links = &state->node->links[NGX_K8S_ROLE_PART];

    for ( ;; ) {

        part = state->fresh;

        if (part == NULL) {
            q = ngx_queue_last(links);
            link = ngx_queue_data(q, ngx_k8s_link_t, queue);

            if (ngx_queue_empty(links) || link->data) {
                return NGX_OK;
            }

            if (c->budget <= 0) {
                return NGX_AGAIN;
            }

            if (ngx_k8s_part_make(c, state, link) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        source = part->slice->endpoints.elts;

        while (part->next < part->slice->endpoints.nelts) {

            if (c->budget-- <= 0) {
                return NGX_AGAIN;
            }

            ngx_k8s_part_add(c, part, &source[part->next++]);
        }

        state->fresh = NULL;
    }
}


static ngx_int_t
ngx_k8s_part_make(ngx_k8s_compile_t *c, ngx_k8s_service_state_t *state,
    ngx_k8s_link_t *link)
{
    ngx_k8s_piece_t           *part;
    ngx_k8s_endpoint_slice_t  *slice;

    slice = (ngx_k8s_endpoint_slice_t *) link->entry->object;

    part = ngx_alloc(sizeof(ngx_k8s_piece_t)
                     + slice->endpoints.nelts * sizeof(ngx_k8s_candidate_t),
                     c->log);
    if (part == NULL) {
        return NGX_ERROR;
    }

    part->state = state;
    part->link = link;
    part->slice = slice;
    part->family6 = (slice->family == 6);
    part->number = state->serving
                   ? ngx_k8s_compile_slice_port(slice, &state->serving->sp)
                   : 0;
    part->next = 0;
    part->n = 0;

    link->data = part;

    ngx_queue_remove(&link->queue);
    ngx_queue_insert_head(&state->node->links[NGX_K8S_ROLE_PART],
                          &link->queue);

    ngx_queue_insert_tail(&state->parts, &part->queue);

    state->fresh = part;
    c->budget -= 1 + slice->nports;

    return NGX_OK;
}


/* one that takes no request, not even where all others end, is left out */

static void
ngx_k8s_part_add(ngx_k8s_compile_t *c, ngx_k8s_piece_t *part,
    ngx_k8s_slice_endpoint_t *source)
{
    ngx_uint_t            i, flags, family;
    ngx_k8s_candidate_t  *e;

    family = part->slice->family;

    flags = (source->ready ? NGX_K8S_ENDPOINT_READY : 0)
            | (source->serving ? NGX_K8S_ENDPOINT_SERVING : 0)
            | (source->terminating ? NGX_K8S_ENDPOINT_TERMINATING : 0);

    if (family == 0
        || (!source->ready
            && (flags & NGX_K8S_ENDPOINT_LAST) != NGX_K8S_ENDPOINT_LAST))
    {
        return;
    }

    e = &part->candidates[part->n++];

    ngx_memzero(e, sizeof(ngx_k8s_candidate_t));

    e->part = part;
    e->source = source;
    e->flags = flags;
    e->refused = (ngx_k8s_endpoint_address(c, &source->address, family, e->addr)
                  == 0);

    for (i = 0; i < 8; i++) {
        e->node.key = e->node.key << 8 | e->addr[i];
    }

    ngx_rbtree_insert(&part->state->candidates[part->family6], &e->node);

    if (source->ready && !e->refused) {
        e->hinted = (source->hints.len != 0);
        e->near = ngx_k8s_header_listed(&source->hints,
                                        &c->conf.topology_zone);

        part->state->nready++;
        part->state->nhinted += e->hinted;
        part->state->nnear += e->near;
    }
}


/* the store's: the link ends, and with it the slice */

void
ngx_k8s_compile_part_unlink(ngx_k8s_link_t *link)
{
    ngx_k8s_piece_t           *part;
    ngx_k8s_service_state_t  *state;

    part = link->data;
    state = part->state;

    link->data = NULL;

    if (state->fresh == part) {
        state->fresh = NULL;
    }

    ngx_k8s_serving_pass(state, part);

    ngx_queue_remove(&part->queue);
    ngx_queue_insert_tail(&state->gone, &part->queue);
}


static void
ngx_k8s_part_remove(ngx_k8s_compile_t *c, ngx_k8s_piece_t *part)
{
    ngx_k8s_candidate_t      *e;
    ngx_k8s_service_state_t  *state;

    state = part->state;

    while (part->n) {

        if (c->budget-- <= 0) {
            return;
        }

        e = &part->candidates[--part->n];

        ngx_k8s_serving_skip(state, e);

        if ((e->flags & NGX_K8S_ENDPOINT_READY) && !e->refused) {
            state->nready--;
            state->nhinted -= e->hinted;
            state->nnear -= e->near;
        }

        ngx_rbtree_delete(&state->candidates[part->family6], &e->node);
    }

    c->budget--;

    ngx_queue_remove(&part->queue);
    ngx_free(part);
}


/* no route leads to the Service any more; its links are as new ones again */

ngx_int_t
ngx_k8s_parts_drop(ngx_k8s_compile_t *c, ngx_k8s_service_state_t *state)
{
    ngx_int_t         rc;
    ngx_queue_t      *links;
    ngx_k8s_link_t   *link;
    ngx_k8s_piece_t  *part;

    links = &state->node->links[NGX_K8S_ROLE_PART];

    while (!ngx_queue_empty(&state->parts)) {
        part = ngx_queue_data(ngx_queue_head(&state->parts), ngx_k8s_piece_t,
                              queue);
        link = part->link;

        ngx_k8s_compile_part_unlink(link);

        ngx_queue_remove(&link->queue);
        ngx_queue_insert_tail(links, &link->queue);

        rc = ngx_k8s_compile_parts(c, state);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_k8s_compile_parts(c, state);
}


/* at the end of all */

void
ngx_k8s_parts_free(ngx_k8s_service_state_t *state)
{
    ngx_queue_t      *q;
    ngx_k8s_piece_t  *part;

    while (!ngx_queue_empty(&state->parts)) {
        q = ngx_queue_head(&state->parts);
        part = ngx_queue_data(q, ngx_k8s_piece_t, queue);
        ngx_k8s_compile_part_unlink(part->link);
    }

    while (!ngx_queue_empty(&state->gone)) {
        q = ngx_queue_head(&state->gone);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_k8s_piece_t, queue));
    }
}


static void
ngx_k8s_candidate_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_candidate_cmp);
}


/* what differs in two slices of one address is decided by all its fields */

static ngx_int_t
ngx_k8s_candidate_cmp(ngx_rbtree_node_t *x, ngx_rbtree_node_t *y)
{
    ngx_int_t                  rc;
    ngx_k8s_candidate_t       *one, *two;
    ngx_k8s_slice_endpoint_t  *a, *b;

    one = (ngx_k8s_candidate_t *) x;
    two = (ngx_k8s_candidate_t *) y;

    rc = ngx_memcmp(one->addr, two->addr, 16);

    if (rc) {
        return rc;
    }

    if ((one->flags ^ two->flags) & NGX_K8S_ENDPOINT_READY) {
        return (two->flags & NGX_K8S_ENDPOINT_READY) ? 1 : -1;
    }

    if (one->flags != two->flags) {
        return (one->flags > two->flags) ? 1 : -1;
    }

    a = one->source;
    b = two->source;

    rc = ngx_k8s_str_cmp(&a->target, &b->target);

    if (rc == 0) {
        rc = ngx_k8s_str_cmp(&a->zone, &b->zone);
    }

    if (rc == 0) {
        rc = ngx_k8s_str_cmp(&a->hints, &b->hints);
    }

    /* their ports may differ */

    if (rc == 0) {
        rc = ngx_k8s_str_cmp(&one->part->slice->object.name,
                             &two->part->slice->object.name);
    }

    return rc;
}


/* the family of an address in a text, 0: it is none that may be used */

ngx_uint_t
ngx_k8s_endpoint_address(ngx_k8s_compile_t *c, ngx_str_t *text,
    ngx_uint_t family, u_char *addr)
{
    in_addr_t   in;
    ngx_uint_t  found;

    found = 0;

    if (text->len < NGX_INET6_ADDRSTRLEN + 1) {

        in = ngx_inet_addr(text->data, text->len);

        if (family != 6 && in != INADDR_NONE) {
            found = 4;
            ngx_memcpy(addr, &in, 4);

        } else if (family != 4 && text->len
                   && ngx_inet6_addr(text->data, text->len, addr) == NGX_OK)
        {
            found = 6;
        }
    }

    return (found && ngx_k8s_address_refused(addr, found, c->conf.loopback))
           ? 0 : found;
}


ngx_uint_t
ngx_k8s_endpoint_own(ngx_k8s_compile_t *c, u_char *addr, ngx_uint_t family,
    ngx_uint_t port)
{
    u_char            *inner;
    ngx_uint_t         i;
    ngx_k8s_listen_t  *l;

    if (c->conf.listens == NULL || c->conf.loopback) {
        return 0;
    }

    l = c->conf.listens->elts;
    inner = (family == 6) ? ngx_k8s_address_inner(addr) : addr;

    for (i = 0; i < c->conf.listens->nelts; i++) {

        if (l[i].port != port || l[i].udp) {
            continue;
        }

        if (l[i].family == 6
            ? (family == 6 && ngx_memcmp(l[i].addr, addr, 16) == 0)
            : (inner && ngx_memcmp(l[i].addr, inner, 4) == 0))
        {
            return 1;
        }
    }

    return 0;
}


ngx_k8s_service_port_t *
ngx_k8s_compile_port_select(ngx_k8s_service_t *svc, ngx_k8s_port_t *port,
    ngx_k8s_service_port_t *external)
{
    ngx_int_t                n;
    ngx_str_t               *text;
    ngx_uint_t               i;
    ngx_k8s_service_port_t  *sp;

    if (ngx_k8s_str_eq_c(&svc->type, "ExternalName")) {
        return ngx_k8s_port_external(svc, port, external);
    }

    text = &port->port;
    n = ngx_atoi(text->data, text->len);

    for (i = 0; i < svc->nports; i++) {
        sp = &svc->ports[i];

        if (!ngx_k8s_str_eq(&sp->protocol, &port->protocol)) {
            continue;
        }

        if (text->len == 0
            || (n > 0 && (sp->port == (ngx_uint_t) n
                          || sp->target_port == (ngx_uint_t) n))
            || ngx_k8s_str_eq(&sp->name, text)
            || ngx_k8s_str_eq(&sp->target_name, text))
        {
            return sp;
        }
    }

    return NULL;
}


/* its ports say where to connect to at the name, and do not have to */

static ngx_k8s_service_port_t *
ngx_k8s_port_external(ngx_k8s_service_t *svc, ngx_k8s_port_t *port,
    ngx_k8s_service_port_t *external)
{
    ngx_int_t                n;
    ngx_str_t               *text;
    ngx_uint_t               i, closed;
    ngx_k8s_service_port_t  *sp;

    text = &port->port;
    n = ngx_atoi(text->data, text->len);
    closed = (svc->nports == 0 && !svc->no_ports);

    for (i = 0; i < svc->nports; i++) {
        sp = &svc->ports[i];

        closed |= sp->closed;

        if (ngx_k8s_str_eq(&sp->protocol, &port->protocol)
            && (text->len == 0
                || (n > 0 ? sp->port == (ngx_uint_t) n
                          : ngx_k8s_str_eq(&sp->name, text))))
        {
            return sp;
        }
    }

    /* what cannot be read may have been the one */

    if (closed || n < 1 || n > 65535) {
        return NULL;
    }

    ngx_memzero(external, sizeof(ngx_k8s_service_port_t));
    external->port = n;
    external->protocol = port->protocol;

    return external;
}


ngx_uint_t
ngx_k8s_compile_slice_port(ngx_k8s_endpoint_slice_t *slice,
    ngx_k8s_service_port_t *sp)
{
    ngx_uint_t             i, number;
    ngx_k8s_slice_port_t  *p;

    number = sp->target_name.len ? 0
             : sp->target_port ? sp->target_port : sp->port;

    if (slice->nports == 0) {
        return number;
    }

    for (i = 0; i < slice->nports; i++) {
        p = &slice->ports[i];

        if (p->protocol.len && !ngx_k8s_str_eq(&p->protocol, &sp->protocol)) {
            continue;
        }

        if (p->closed && (sp->name.len == 0 || p->name.len == 0
                          || ngx_k8s_str_eq(&sp->name, &p->name)))
        {
            return 0;
        }

        if (p->port && (sp->name.len == 0
                        || ngx_k8s_str_eq(&sp->name, &p->name)))
        {
            return p->port;
        }
    }

    return number;
}


/* what makes a record goes on behind what goes */

void
ngx_k8s_serving_pass(ngx_k8s_service_state_t *state, ngx_k8s_piece_t *part)
{
    ngx_queue_t  *q;

    if (state->serving == NULL || state->serving->part != part) {
        return;
    }

    q = ngx_queue_next(&part->queue);

    state->serving->part = (q == ngx_queue_sentinel(&state->parts)) ? NULL
                           : ngx_queue_data(q, ngx_k8s_piece_t, queue);
}


static void
ngx_k8s_serving_skip(ngx_k8s_service_state_t *state, ngx_k8s_candidate_t *e)
{
    ngx_k8s_serving_t  *s;

    s = state->serving;

    if (s && s->next == e) {
        s->next = NULL;
        s->seek = 1;
        ngx_memcpy(s->from, e->addr, 16);
    }
}
