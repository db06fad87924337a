
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Service records: one for each port of a Service that a host record leads
 * to, whether the Service exists or not.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_SPARE_ENDPOINTS  4   /* that a record can grow by */


static ngx_int_t ngx_k8s_compile_port_build(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port);
static ngx_int_t ngx_k8s_compile_port_record(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp,
    ngx_array_t *endpoints);
static void ngx_k8s_compile_port_make(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp,
    ngx_k8s_endpoint_t *ep, ngx_uint_t n);
static void ngx_k8s_compile_port_endpoints(ngx_k8s_builder_t *b,
    ngx_k8s_endpoint_t *ep, ngx_uint_t n);
static uint32_t ngx_k8s_compile_port_store(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_k8s_service_t *svc, ngx_k8s_endpoint_t *ep,
    ngx_uint_t n);
static ngx_k8s_record_t *ngx_k8s_compile_port_old(ngx_k8s_compile_t *c);
static uint64_t ngx_k8s_compile_identity_service(ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc);
static uint64_t ngx_k8s_compile_identity(uint64_t h, ngx_k8s_endpoint_t *ep);
static uint64_t ngx_k8s_compile_identity_part(uint64_t h, ngx_str_t *part);
static ngx_int_t ngx_k8s_compile_stats(ngx_k8s_compile_t *c,
    ngx_k8s_service_rec_t *rec, ngx_array_t *stats);
static void ngx_k8s_compile_stats_put(ngx_k8s_compile_t *c,
    ngx_array_t *stats);
static void ngx_k8s_compile_port_free(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port);


ngx_int_t
ngx_k8s_compile_service(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_queue_t              *q;
    ngx_k8s_port_t           *port;
    ngx_k8s_service_state_t  *state;

    state = node->data;

    node->need = 0;

    if (state == NULL) {
        return NGX_OK;
    }

    for (q = ngx_queue_head(&state->ports);
         q != ngx_queue_sentinel(&state->ports);
         q = ngx_queue_next(q))
    {
        port = ngx_queue_data(q, ngx_k8s_port_t, queue);

        if (ngx_k8s_compile_port_build(c, port) == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_k8s_compile_service_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_queue_t              *q;
    ngx_k8s_service_state_t  *state;

    state = node->data;

    while (!ngx_queue_empty(&state->ports)) {
        q = ngx_queue_head(&state->ports);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_k8s_port_t, queue));
    }

    ngx_free(state);
    node->data = NULL;
}


ngx_k8s_port_t *
ngx_k8s_compile_port_find(ngx_k8s_compile_t *c, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *text, ngx_str_t *protocol)
{
    ngx_queue_t              *q;
    ngx_k8s_port_t           *port;
    ngx_k8s_node_t           *node;
    ngx_k8s_service_state_t  *state;

    node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_SERVICE, ns, name);

    if (node == NULL || node->data == NULL) {
        return NULL;
    }

    state = node->data;

    for (q = ngx_queue_head(&state->ports);
         q != ngx_queue_sentinel(&state->ports);
         q = ngx_queue_next(q))
    {
        port = ngx_queue_data(q, ngx_k8s_port_t, queue);

        if (ngx_k8s_str_eq(&port->port, text)
            && ngx_k8s_str_eq(&port->protocol, protocol))
        {
            return port;
        }
    }

    return NULL;
}


ngx_k8s_port_t *
ngx_k8s_compile_port(ngx_k8s_compile_t *c, ngx_str_t *ns, ngx_str_t *name,
    ngx_str_t *text, ngx_str_t *protocol)
{
    u_char                   *p;
    ngx_k8s_port_t           *port;
    ngx_k8s_node_t           *node;
    ngx_k8s_service_state_t  *state;

    port = ngx_k8s_compile_port_find(c, ns, name, text, protocol);

    if (port) {
        port->refs++;
        return port;
    }

    node = ngx_k8s_node_get(c->store, NGX_K8S_NODE_SERVICE, ns, name);
    if (node == NULL) {
        return NULL;
    }

    state = node->data;

    if (state == NULL) {
        state = ngx_alloc(sizeof(ngx_k8s_service_state_t), c->log);
        if (state == NULL) {
            ngx_k8s_node_check(c->store, node);
            return NULL;
        }

        ngx_queue_init(&state->ports);
        node->data = state;
    }

    port = ngx_alloc(sizeof(ngx_k8s_port_t) + text->len + protocol->len,
                     c->log);

    if (port) {
        ngx_memzero(port, sizeof(ngx_k8s_port_t));

        port->node = node;
        port->refs = 1;
        p = (u_char *) port + sizeof(ngx_k8s_port_t);

        port->port.len = text->len;
        port->port.data = p;
        p = ngx_cpymem(p, text->data, text->len);

        port->protocol.len = protocol->len;
        port->protocol.data = p;
        ngx_memcpy(p, protocol->data, protocol->len);

        ngx_queue_insert_tail(&state->ports, &port->queue);

        if (ngx_k8s_compile_port_build(c, port) == NGX_OK) {
            return port;
        }

        ngx_k8s_compile_port_free(c, port);

    } else if (ngx_queue_empty(&state->ports)) {
        ngx_k8s_compile_service_free(c, node);
        ngx_k8s_node_check(c->store, node);
    }

    return NULL;
}


void
ngx_k8s_compile_port_put(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    if (--port->refs == 0) {
        ngx_k8s_compile_port_free(c, port);
    }
}


static void
ngx_k8s_compile_port_free(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    ngx_k8s_node_t           *node;
    ngx_k8s_service_state_t  *state;

    if (port->slot) {
        ngx_k8s_compile_service_remove(c, port->slot);
    }

    node = port->node;
    state = node->data;

    ngx_k8s_compile_tell(c, node, 0);

    ngx_queue_remove(&port->queue);
    ngx_free(port);

    if (ngx_queue_empty(&state->ports)) {
        ngx_free(state);
        node->data = NULL;
        ngx_k8s_node_check(c->store, node);
    }
}


void
ngx_k8s_compile_service_remove(ngx_k8s_compile_t *c, uint32_t slot)
{
    ngx_array_t             stats;
    ngx_k8s_service_rec_t  *rec;

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_SERVICE, slot);

    if (ngx_k8s_compile_stats(c, rec, &stats) == NGX_OK) {
        ngx_k8s_compile_stats_put(c, &stats);
    }

    ngx_k8s_writer_remove(c->writer, slot);
}


/* the statistics of a record's endpoints, to be given back; rec NULL: none */

static ngx_int_t
ngx_k8s_compile_stats(ngx_k8s_compile_t *c, ngx_k8s_service_rec_t *rec,
    ngx_array_t *stats)
{
    uint32_t                *stat;
    ngx_uint_t               i, n;
    ngx_k8s_endpoint_rec_t  *ep;

    n = rec ? rec->endpoints.n : 0;

    if (ngx_array_init(stats, c->pool, n + 1, sizeof(uint32_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    if (n == 0) {
        return NGX_OK;
    }

    ep = ngx_k8s_record_at(rec, rec->endpoints.offset);

    for (i = 0; i < n; i++) {
        if (ep[i].stat) {
            stat = ngx_array_push(stats);
            *stat = ep[i].stat;
        }
    }

    return NGX_OK;
}


static void
ngx_k8s_compile_stats_put(ngx_k8s_compile_t *c, ngx_array_t *stats)
{
    uint32_t    *stat;
    ngx_uint_t   i;

    stat = stats->elts;

    for (i = 0; i < stats->nelts; i++) {
        ngx_k8s_writer_stat_put(c->writer, stat[i]);
    }
}


/* NGX_DECLINED: no room for all of it */

static ngx_int_t
ngx_k8s_compile_port_build(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    ngx_int_t                rc;
    ngx_uint_t               usable;
    ngx_array_t              endpoints;
    ngx_k8s_node_t          *node;
    ngx_k8s_port_t           was;
    ngx_k8s_service_t       *svc;
    ngx_k8s_service_port_t  *sp, external;

    node = port->node;
    was = *port;
    sp = NULL;

    if (ngx_array_init(&endpoints, c->pool, 16, sizeof(ngx_k8s_endpoint_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    svc = (ngx_k8s_service_t *) ngx_k8s_store_get(c->store, NGX_K8S_SERVICE,
                                               &node->namespace, &node->name);
    usable = 0;
    port->flags = 0;
    port->why = NGX_K8S_WHY_NONE;
    port->nrefused = 0;
    ngx_memzero(port->refused, sizeof(port->refused));

    if (svc == NULL) {
        port->flags = NGX_K8S_SERVICE_MISSING;

    } else {
        sp = ngx_k8s_compile_port_select(svc, port, &external);

        if (sp == NULL || sp->closed) {
            sp = NULL;
            port->flags = NGX_K8S_SERVICE_NO_PORT;

        } else if (ngx_k8s_compile_endpoints(c, port, svc, sp, &endpoints,
                                             &usable)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (sp && usable == 0) {
        port->why = ngx_k8s_compile_why(c, port, sp);
    }

    port->usable = usable;

    rc = ngx_k8s_compile_port_record(c, port, svc, sp, &endpoints);

    /* some problems tell more than is kept of the port */

    if (was.slot == 0 || was.flags != port->flags || was.full != port->full
        || was.cut != port->cut || was.nrefused != port->nrefused
        || (was.usable == 0) != (port->usable == 0)
        || was.why != port->why || port->why == NGX_K8S_WHY_UNLABELLED
        || port->why == NGX_K8S_WHY_PORT
        || (port->flags & NGX_K8S_SERVICE_NO_PORT)
        || ngx_memcmp(was.refused, port->refused, sizeof(was.refused)) != 0)
    {
        ngx_k8s_compile_tell(c, node, 0);
    }

    return rc;
}


/*
 * Where a larger record has no room the first endpoints are served that the
 * place of the old one can hold: fewer than there are, but none of the past.
 */

static ngx_int_t
ngx_k8s_compile_port_record(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp, ngx_array_t *endpoints)
{
    size_t              more, was;
    uint32_t            slot;
    ngx_uint_t          n, usable;
    ngx_k8s_record_t   *old;
    ngx_k8s_builder_t  *b;

    b = &c->builder;
    n = endpoints->nelts;
    usable = port->usable;
    port->cut = 0;

    ngx_k8s_compile_port_make(c, port, svc, sp, endpoints->elts, n);

    old = ngx_k8s_compile_port_old(c);
    was = old ? old->size : 0;

    slot = ngx_k8s_compile_port_store(c, port, svc, endpoints->elts, n);

    if (slot == 0 && b->failed) {
        return NGX_ERROR;
    }

    if (slot) {
        port->full = 0;
        port->slot = slot;

        return NGX_OK;
    }

    port->full = 1;

    if (was == 0) {
        return NGX_DECLINED;
    }

    ngx_k8s_compile_stuck(c, port->node, ngx_k8s_writer_room(c->writer)
                                         + ngx_k8s_writer_missing(c->writer));

    while (b->len > was && n) {
        more = (b->len - was) / sizeof(ngx_k8s_endpoint_rec_t) + 1;
        n -= ngx_min(n, more);

        port->cut = endpoints->nelts - n;
        port->usable = ngx_min(usable, n);

        ngx_k8s_compile_port_make(c, port, svc, sp, endpoints->elts, n);
    }

    if (!b->failed && b->len <= was) {
        (void) ngx_k8s_compile_port_store(c, port, svc, endpoints->elts, n);
    }

    return NGX_DECLINED;
}


/* the record in the builder, without its statistics */

static void
ngx_k8s_compile_port_make(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp, ngx_k8s_endpoint_t *ep,
    ngx_uint_t n)
{
    u_char                  buf[NGX_K8S_KEY_MAX];
    ngx_str_t               key, *names[4];
    ngx_k8s_builder_t      *b;
    ngx_k8s_service_rec_t  *rec;

    b = &c->builder;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_SERVICE,
                          sizeof(ngx_k8s_service_rec_t));

    names[0] = &port->node->namespace;
    names[1] = &port->node->name;
    names[2] = &port->port;
    names[3] = &port->protocol;

    key.data = buf;
    key.len = ngx_k8s_key_names(buf, 4, names);

    ngx_k8s_builder_set(b, ngx_k8s_record_t, key, &key);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, namespace, names[0]);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, name, names[1]);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, port, names[2]);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, protocol, names[3]);

    if (sp) {
        ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, app_protocol,
                            &sp->app_protocol);
    }

    if (port->flags & NGX_K8S_SERVICE_EXTERNAL) {
        ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, external,
                            &svc->external_name);
    }

    ngx_k8s_compile_port_endpoints(b, ep, n);

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->flags = port->flags;
    rec->usable = port->usable;

    if (sp) {
        rec->number = sp->port;

        if (port->flags & NGX_K8S_SERVICE_EXTERNAL) {
            rec->external_port = sp->target_port ? sp->target_port : sp->port;
        }
    }
}


static void
ngx_k8s_compile_port_endpoints(ngx_k8s_builder_t *b, ngx_k8s_endpoint_t *ep,
    ngx_uint_t n)
{
    uint32_t                 list;
    ngx_uint_t               i;
    ngx_k8s_str_t            zone, hints;
    ngx_k8s_service_rec_t   *rec;
    ngx_k8s_endpoint_rec_t  *er;

    if (n == 0) {
        return;
    }

    list = ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_endpoint_rec_t));

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->endpoints.offset = list;
    rec->endpoints.n = n;

    for (i = 0; i < n; i++) {
        zone = ngx_k8s_builder_str(b, ep[i].zone);
        hints = ngx_k8s_builder_str(b, ep[i].hints);

        er = (ngx_k8s_endpoint_rec_t *) ngx_k8s_builder_ptr(b, list) + i;

        ngx_memcpy(er->addr, ep[i].addr, 16);
        er->port = ep[i].port;
        er->family = ep[i].family;
        er->flags = ep[i].flags;
        er->zone = zone;
        er->hints = hints;
    }
}


/* puts the record, with statistics; its slot, 0: no room, or b->failed */

static uint32_t
ngx_k8s_compile_port_store(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc, ngx_k8s_endpoint_t *ep, ngx_uint_t n)
{
    uint32_t                 slot;
    uint64_t                 h;
    ngx_uint_t               i;
    ngx_array_t              stats;
    ngx_k8s_record_t        *old;
    ngx_k8s_builder_t       *b;
    ngx_k8s_service_rec_t   *rec;
    ngx_k8s_endpoint_rec_t  *er;

    b = &c->builder;

    if (b->failed) {
        return 0;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    old = ngx_k8s_compile_port_old(c);

    /* what is too large is not put: statistics keep what memory they take */

    if (n && (b->len <= ngx_k8s_writer_largest(c->writer)
              || (old && b->len <= old->size)))
    {
        er = ngx_k8s_builder_ptr(b, rec->endpoints.offset);
        h = ngx_k8s_compile_identity_service(port, svc);

        for (i = 0; i < n; i++) {
            er[i].stat = ngx_k8s_writer_stat_get(c->writer,
                                       ngx_k8s_compile_identity(h, &ep[i]));
        }
    }

    /* statistics may have moved it */

    old = ngx_k8s_compile_port_old(c);

    /* of the record that is replaced, which is not read after the put */

    if (ngx_k8s_compile_stats(c, (ngx_k8s_service_rec_t *) old, &stats)
        != NGX_OK)
    {
        b->failed = 1;
        slot = 0;

    } else {
        slot = ngx_k8s_compile_put_spare(c, old, NGX_K8S_SPARE_ENDPOINTS
                                             * sizeof(ngx_k8s_endpoint_rec_t),
                                         1);
    }

    rec = ngx_k8s_builder_ptr(b, 0);

    if (slot == 0 && ngx_k8s_compile_stats(c, rec, &stats) != NGX_OK) {
        return 0;
    }

    ngx_k8s_compile_stats_put(c, &stats);

    return slot;
}


/* what the table has under the key of the record in the making */

static ngx_k8s_record_t *
ngx_k8s_compile_port_old(ngx_k8s_compile_t *c)
{
    ngx_k8s_record_t  *rec;

    rec = ngx_k8s_builder_ptr(&c->builder, 0);

    return ngx_k8s_table_find(c->table, NGX_K8S_INDEX_SERVICE,
                              ngx_k8s_record_at(rec, rec->key.offset),
                              rec->key.len, NULL);
}


/* FNV-1a over what makes an endpoint the same one: first its Service */

static uint64_t
ngx_k8s_compile_identity_service(ngx_k8s_port_t *port, ngx_k8s_service_t *svc)
{
    uint64_t   h;
    ngx_str_t  empty;

    ngx_str_null(&empty);

    h = 0xcbf29ce484222325ULL;

    if (svc->object.uid.len) {
        h = ngx_k8s_compile_identity_part(h, &svc->object.uid);
        return ngx_k8s_compile_identity_part(h, &empty);
    }

    h = ngx_k8s_compile_identity_part(h, &port->node->namespace);

    return ngx_k8s_compile_identity_part(h, &port->node->name);
}


static uint64_t
ngx_k8s_compile_identity(uint64_t h, ngx_k8s_endpoint_t *ep)
{
    u_char     tail[4];
    ngx_str_t  s;

    tail[0] = (u_char) (ep->port >> 8);
    tail[1] = (u_char) ep->port;
    tail[2] = (u_char) ep->family;
    tail[3] = 0;

    h = ngx_k8s_compile_identity_part(h, ep->target);

    s.data = ep->addr;
    s.len = 16;
    h = ngx_k8s_compile_identity_part(h, &s);

    s.data = tail;
    s.len = 4;
    h = ngx_k8s_compile_identity_part(h, &s);

    return h ? h : 1;
}


static uint64_t
ngx_k8s_compile_identity_part(uint64_t h, ngx_str_t *part)
{
    size_t  i;

    for (i = 0; i < part->len; i++) {
        h = (h ^ part->data[i]) * 0x100000001b3ULL;
    }

    return (h ^ '/') * 0x100000001b3ULL;
}
