
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Services: there is a record for each port of one that a host record leads
 * to, whether the Service exists or not.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_tree.h>


static ngx_int_t ngx_k8s_compile_ports(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state);
static void ngx_k8s_compile_port_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_compile_port_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static ngx_k8s_service_state_t *ngx_k8s_compile_service_state(
    ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
static ngx_k8s_port_t *ngx_k8s_compile_port_next(ngx_k8s_port_t *port);
static void ngx_k8s_compile_port_free(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port);


ngx_int_t
ngx_k8s_compile_service(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_int_t                 rc;
    ngx_k8s_service_state_t  *state;

    state = node->data;

    if (state == NULL) {
        node->marked = 0;
        return NGX_OK;
    }

    if (node->marked) {
        node->marked = 0;
        node->need = 0;
        state->again = 1;
    }

    if (ngx_queue_empty(&state->ports)) {
        rc = ngx_k8s_parts_drop(c, state);

        if (rc == NGX_OK) {
            (void) ngx_k8s_external_name(c, state, NULL, NULL);
            ngx_free(state);
            node->data = NULL;
        }

        return rc;
    }

    return ngx_k8s_compile_ports(c, state);
}


/* one port after the other; those of which there is no room are left */

static ngx_int_t
ngx_k8s_compile_ports(ngx_k8s_compile_t *c, ngx_k8s_service_state_t *state)
{
    ngx_int_t     rc;
    ngx_queue_t  *q;

    rc = ngx_k8s_compile_parts(c, state);

    if (rc != NGX_OK) {
        return rc;
    }

    for ( ;; ) {

        if (state->port == NULL) {

            if (!state->again) {
                return NGX_OK;
            }

            state->again = 0;

            q = ngx_queue_head(&state->ports);
            state->port = ngx_queue_data(q, ngx_k8s_port_t, queue);
        }

        rc = ngx_k8s_compile_serving(c, state->port);

        if (rc == NGX_AGAIN || rc == NGX_ERROR) {
            return rc;
        }

        state->port = ngx_k8s_compile_port_next(state->port);
    }
}


static ngx_k8s_port_t *
ngx_k8s_compile_port_next(ngx_k8s_port_t *port)
{
    ngx_queue_t              *q;
    ngx_k8s_service_state_t  *state;

    state = port->node->data;
    q = ngx_queue_next(&port->queue);

    return (q == ngx_queue_sentinel(&state->ports)) ? NULL
           : ngx_queue_data(q, ngx_k8s_port_t, queue);
}


void
ngx_k8s_compile_service_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_queue_t              *q;
    ngx_k8s_port_t           *port;
    ngx_k8s_service_state_t  *state;

    state = node->data;

    if (state->serving) {
        ngx_k8s_serving_free(state->serving);
        state->serving = NULL;
    }

    ngx_k8s_parts_free(state);
    (void) ngx_k8s_external_name(c, state, NULL, NULL);

    while (!ngx_queue_empty(&state->ports)) {
        q = ngx_queue_head(&state->ports);
        ngx_queue_remove(q);
        port = ngx_queue_data(q, ngx_k8s_port_t, queue);
        ngx_k8s_spread_free(port);
        ngx_free(port);
    }

    ngx_free(state);
    node->data = NULL;
}


ngx_k8s_port_t *
ngx_k8s_compile_port_find(ngx_k8s_compile_t *c, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *text, ngx_str_t *protocol, ngx_uint_t cluster)
{
    ngx_k8s_port_t            port;
    ngx_k8s_node_t           *node;
    ngx_k8s_service_state_t  *state;

    node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_SERVICE, ns, name);

    if (node == NULL || node->data == NULL) {
        return NULL;
    }

    state = node->data;

    port.rbnode.key = ngx_k8s_hash(text->data, text->len);
    port.port = *text;
    port.protocol = *protocol;
    port.cluster = cluster;

    return (ngx_k8s_port_t *) ngx_k8s_tree_find(&state->tree, &port.rbnode,
                                                ngx_k8s_compile_port_cmp);
}


static void
ngx_k8s_compile_port_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_compile_port_cmp);
}


static ngx_int_t
ngx_k8s_compile_port_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    ngx_int_t        rc;
    ngx_k8s_port_t  *a, *b;

    a = (ngx_k8s_port_t *) one;
    b = (ngx_k8s_port_t *) two;

    if (a->cluster != b->cluster) {
        return a->cluster ? 1 : -1;
    }

    rc = ngx_k8s_str_cmp(&a->port, &b->port);

    return rc ? rc : ngx_k8s_str_cmp(&a->protocol, &b->protocol);
}


ngx_k8s_port_t *
ngx_k8s_compile_port(ngx_k8s_compile_t *c, ngx_str_t *ns, ngx_str_t *name,
    ngx_str_t *text, ngx_str_t *protocol, ngx_uint_t cluster)
{
    u_char                   *p;
    ngx_k8s_port_t           *port;
    ngx_k8s_node_t           *node;
    ngx_k8s_service_state_t  *state;

    port = ngx_k8s_compile_port_find(c, ns, name, text, protocol, cluster);

    if (port) {
        port->refs++;
        return port;
    }

    node = ngx_k8s_node_get(c->store, NGX_K8S_NODE_SERVICE, ns, name);
    if (node == NULL) {
        return NULL;
    }

    state = ngx_k8s_compile_service_state(c, node);

    if (state == NULL) {
        ngx_k8s_node_check(c->store, node);
        return NULL;
    }

    port = ngx_alloc(sizeof(ngx_k8s_port_t) + text->len + protocol->len,
                     c->log);

    if (port == NULL) {
        ngx_k8s_node_mark(c->store, node);
        return NULL;
    }

    ngx_memzero(port, sizeof(ngx_k8s_port_t));

    port->node = node;
    port->cluster = cluster;
    port->refs = 1;
    p = (u_char *) port + sizeof(ngx_k8s_port_t);

    port->port.len = text->len;
    port->port.data = p;
    p = ngx_cpymem(p, text->data, text->len);

    port->protocol.len = protocol->len;
    port->protocol.data = p;
    ngx_memcpy(p, protocol->data, protocol->len);

    port->rbnode.key = ngx_k8s_hash(text->data, text->len);

    ngx_k8s_spread_init(port);

    ngx_rbtree_insert(&state->tree, &port->rbnode);
    ngx_queue_insert_tail(&state->ports, &port->queue);

    return port;
}


void
ngx_k8s_compile_port_begin(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    ngx_k8s_service_state_t  *state;

    if (port->begun) {
        return;
    }

    state = port->node->data;

    /* it is the last one: others in the making come before it */

    if (state->port == NULL) {
        state->port = port;
    }

    if (ngx_k8s_compile_ports(c, state) != NGX_OK) {
        ngx_k8s_compile_resume(c, port->node);
    }
}


static ngx_k8s_service_state_t *
ngx_k8s_compile_service_state(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_service_state_t  *state;

    if (node->data) {
        return node->data;
    }

    state = ngx_calloc(sizeof(ngx_k8s_service_state_t), c->log);
    if (state == NULL) {
        return NULL;
    }

    state->node = node;
    node->data = state;

    ngx_queue_init(&state->ports);
    ngx_rbtree_init(&state->tree, &state->sentinel,
                    ngx_k8s_compile_port_insert);
    ngx_k8s_parts_init(state);

    return state;
}


void
ngx_k8s_compile_port_put(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    if (--port->refs == 0) {
        ngx_k8s_compile_port_free(c, port);
    }
}


/* the Service's own state goes in its turn, as it may be large */

static void
ngx_k8s_compile_port_free(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    ngx_k8s_node_t           *node;
    ngx_k8s_service_state_t  *state;

    node = port->node;
    state = node->data;

    if (state->serving && state->serving->port == port) {
        ngx_k8s_serving_abort(c, state);
    }

    if (state->port == port) {
        state->port = ngx_k8s_compile_port_next(port);
    }

    if (port->slot) {
        ngx_k8s_compile_service_remove(c, port->slot);
    }

    ngx_k8s_compile_tell(c, node, 0);

    ngx_rbtree_delete(&state->tree, &port->rbnode);
    ngx_queue_remove(&port->queue);
    ngx_free(port);

    if (ngx_queue_empty(&state->ports)) {
        ngx_k8s_node_mark(c->store, node);
    }
}
