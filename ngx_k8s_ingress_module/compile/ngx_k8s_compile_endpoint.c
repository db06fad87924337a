
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Endpoints of one port of a Service, from its EndpointSlices: of one address
 * family, each address and port once, those that take new requests first.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_ENDPOINT_LAST                                                 \
    (NGX_K8S_ENDPOINT_SERVING|NGX_K8S_ENDPOINT_TERMINATING)


static ngx_int_t ngx_k8s_compile_family(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_k8s_service_port_t *sp, ngx_uint_t family,
    ngx_array_t *endpoints);
static ngx_int_t ngx_k8s_compile_slice(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_k8s_endpoint_slice_t *slice, ngx_uint_t number,
    ngx_array_t *endpoints);
static ngx_int_t ngx_k8s_compile_address(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_str_t *text, ngx_uint_t family,
    ngx_k8s_endpoint_t *ep);
static ngx_uint_t ngx_k8s_compile_refused(ngx_k8s_compile_t *c,
    ngx_k8s_endpoint_t *ep);
static ngx_uint_t ngx_k8s_compile_own(ngx_k8s_compile_t *c, u_char *addr,
    ngx_uint_t family, ngx_uint_t port);
static ngx_int_t ngx_k8s_compile_manifest(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp,
    ngx_array_t *endpoints);
static ngx_int_t ngx_k8s_compile_external(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_k8s_service_t *svc, ngx_uint_t number,
    ngx_array_t *endpoints);
static ngx_int_t ngx_k8s_compile_literal(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_str_t *text, ngx_uint_t number,
    ngx_array_t *endpoints);
static ngx_uint_t ngx_k8s_compile_unique(ngx_array_t *endpoints);
static ngx_uint_t ngx_k8s_compile_ready_first(ngx_array_t *endpoints);
static int ngx_libc_cdecl ngx_k8s_compile_address_cmp(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_k8s_compile_order_cmp(const void *one,
    const void *two);


static ngx_str_t  ngx_k8s_empty = ngx_null_string;


ngx_int_t
ngx_k8s_compile_endpoints(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp, ngx_array_t *endpoints,
    ngx_uint_t *usable)
{
    ngx_int_t    rc;
    ngx_uint_t   family;
    ngx_array_t  other;

    if (ngx_k8s_str_eq_c(&svc->type, "ExternalName")) {
        rc = ngx_k8s_compile_external(c, port, svc,
                              sp->target_port ? sp->target_port : sp->port,
                              endpoints);
        *usable = ngx_k8s_compile_unique(endpoints);
        return rc;
    }

    if (c->conf.loopback
        && ngx_queue_empty(&port->node->links[NGX_K8S_ROLE_PART]))
    {
        rc = ngx_k8s_compile_manifest(c, port, svc, sp, endpoints);
        *usable = ngx_k8s_compile_unique(endpoints);
        return rc;
    }

    family = (svc->family == 6) ? 6 : 4;

    if (ngx_k8s_compile_family(c, port, sp, family, endpoints) != NGX_OK) {
        return NGX_ERROR;
    }

    *usable = ngx_k8s_compile_unique(endpoints);

    if (*usable) {
        return NGX_OK;
    }

    if (ngx_array_init(&other, c->pool, 16, sizeof(ngx_k8s_endpoint_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_k8s_compile_family(c, port, sp, 10 - family, &other) != NGX_OK) {
        return NGX_ERROR;
    }

    *usable = ngx_k8s_compile_unique(&other);
    *endpoints = other;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_family(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_port_t *sp, ngx_uint_t family, ngx_array_t *endpoints)
{
    ngx_uint_t                 number;
    ngx_queue_t               *q;
    ngx_k8s_link_t            *link;
    ngx_k8s_endpoint_slice_t  *slice;

    for (q = ngx_queue_head(&port->node->links[NGX_K8S_ROLE_PART]);
         q != ngx_queue_sentinel(&port->node->links[NGX_K8S_ROLE_PART]);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);
        slice = (ngx_k8s_endpoint_slice_t *) link->entry->object;

        if (slice->family != family) {
            continue;
        }

        number = ngx_k8s_compile_slice_port(slice, sp);

        if (number
            && ngx_k8s_compile_slice(c, port, slice, number, endpoints)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_k8s_service_port_t *
ngx_k8s_compile_port_select(ngx_k8s_service_t *svc, ngx_k8s_port_t *port,
    ngx_k8s_service_port_t *external)
{
    ngx_int_t                n;
    ngx_str_t               *text;
    ngx_uint_t               i;
    ngx_k8s_service_port_t  *sp;

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

    if (!svc->no_ports || n < 1 || n > 65535
        || !ngx_k8s_str_eq_c(&svc->type, "ExternalName"))
    {
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


static ngx_int_t
ngx_k8s_compile_slice(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_endpoint_slice_t *slice, ngx_uint_t number, ngx_array_t *endpoints)
{
    ngx_uint_t                 i, flags;
    ngx_k8s_endpoint_t        *ep, parsed;
    ngx_k8s_slice_endpoint_t  *se;

    se = slice->endpoints.elts;

    for (i = 0; i < slice->endpoints.nelts; i++) {

        flags = (se[i].ready ? NGX_K8S_ENDPOINT_READY : 0)
                | (se[i].serving ? NGX_K8S_ENDPOINT_SERVING : 0)
                | (se[i].terminating ? NGX_K8S_ENDPOINT_TERMINATING : 0);

        if (!se[i].ready
            && (flags & NGX_K8S_ENDPOINT_LAST) != NGX_K8S_ENDPOINT_LAST)
        {
            continue;
        }

        ngx_memzero(&parsed, sizeof(ngx_k8s_endpoint_t));
        parsed.port = number;

        if (ngx_k8s_compile_address(c, port, &se[i].address, slice->family,
                                    &parsed)
            != NGX_OK)
        {
            continue;
        }

        ep = ngx_array_push(endpoints);
        if (ep == NULL) {
            return NGX_ERROR;
        }

        *ep = parsed;
        ep->flags = flags;
        ep->target = &se[i].target;
        ep->zone = &se[i].zone;
        ep->hints = &se[i].hints;
    }

    return NGX_OK;
}


/*
 * ep->port is set; family 0: whatever it is; a refused address is kept for the
 * problem.
 */

static ngx_int_t
ngx_k8s_compile_address(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_str_t *text, ngx_uint_t family, ngx_k8s_endpoint_t *ep)
{
    in_addr_t  addr;
    ngx_str_t  first, cut;

    ep->family = 0;

    if (text->len < NGX_INET6_ADDRSTRLEN + 1) {

        addr = ngx_inet_addr(text->data, text->len);

        if (family != 6 && addr != INADDR_NONE) {
            ep->family = 4;
            ngx_memcpy(ep->addr, &addr, 4);

        } else if (family != 4 && text->len
                   && ngx_inet6_addr(text->data, text->len, ep->addr)
                      == NGX_OK)
        {
            ep->family = 6;
        }
    }

    if (ep->family && !ngx_k8s_compile_refused(c, ep)) {
        return NGX_OK;
    }

    /* the smallest is named, whatever the order of the slices */

    first.data = port->refused;
    first.len = port->refused_len;
    cut.data = text->data;
    cut.len = ngx_min(text->len, sizeof(port->refused));

    if (port->nrefused++ == 0 || ngx_k8s_str_cmp(&cut, &first) < 0) {
        port->refused_len = cut.len;
        ngx_memcpy(port->refused, cut.data, cut.len);
    }

    return NGX_DECLINED;
}


/*
 * Addresses that tenants may not name: this host's, and what is no host's.
 */

static ngx_uint_t
ngx_k8s_compile_refused(ngx_k8s_compile_t *c, ngx_k8s_endpoint_t *ep)
{
    u_char  *a;

    static u_char  zero[16];

    a = ep->addr;

    if (ep->family == 6) {

        if (ngx_k8s_compile_own(c, a, 6, ep->port)) {
            return 1;
        }

        if (a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)) {
            return 1;
        }

        if (ngx_memcmp(a, zero, 15) == 0) {
            return a[15] == 0 || (a[15] == 1 && !c->conf.loopback);
        }

        /* ::ffff:a.b.c.d, ::a.b.c.d, 64:ff9b::a.b.c.d */

        if (ngx_memcmp(a, zero, 10) == 0
            && ((a[10] == 0xff && a[11] == 0xff)
                || (a[10] == 0 && a[11] == 0)))
        {
            a += 12;

        } else if (a[0] == 0 && a[1] == 0x64 && a[2] == 0xff && a[3] == 0x9b
                   && ngx_memcmp(a + 4, zero, 8) == 0)
        {
            a += 12;

        } else {
            return 0;
        }
    }

    if (a[0] == 127) {
        return !c->conf.loopback;
    }

    return a[0] == 0
           || a[0] >= 0xf0
           || (a[0] & 0xf0) == 0xe0
           || (a[0] == 169 && a[1] == 254)
           || ngx_k8s_compile_own(c, a, 4, ep->port);
}


/* whether this nginx listens there */

static ngx_uint_t
ngx_k8s_compile_own(ngx_k8s_compile_t *c, u_char *addr, ngx_uint_t family,
    ngx_uint_t port)
{
    ngx_uint_t         i;
    ngx_k8s_listen_t  *l;

    if (c->conf.listens == NULL || c->conf.loopback) {
        return 0;
    }

    l = c->conf.listens->elts;

    for (i = 0; i < c->conf.listens->nelts; i++) {
        if (l[i].port == port && l[i].family == family && !l[i].udp
            && ngx_memcmp(l[i].addr, addr, (family == 6) ? 16 : 4) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * A Service of a manifest needs no EndpointSlice.  Its own addresses take
 * connections at its port, and not at that of its endpoints.
 */

static ngx_int_t
ngx_k8s_compile_manifest(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp, ngx_array_t *endpoints)
{
    ngx_uint_t  i;

    for (i = 0; i < svc->nexternal_ips; i++) {
        if (ngx_k8s_compile_literal(c, port, &svc->external_ips[i],
                                    sp->port, endpoints)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    if (svc->nexternal_ips) {
        return NGX_OK;
    }

    if (svc->cluster_ip.len && !ngx_k8s_str_eq_c(&svc->cluster_ip, "None")) {
        return ngx_k8s_compile_literal(c, port, &svc->cluster_ip,
                                       sp->port, endpoints)
               == NGX_ERROR ? NGX_ERROR : NGX_OK;
    }

    if (svc->external_name.len) {
        return ngx_k8s_compile_external(c, port, svc,
                              sp->target_port ? sp->target_port : sp->port,
                              endpoints);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_external(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc, ngx_uint_t number, ngx_array_t *endpoints)
{
    ngx_str_t           name;
    ngx_k8s_endpoint_t  ep;

    name = svc->external_name;

    if (c->conf.loopback && ngx_k8s_str_eq_c(&name, "localhost")) {
        ngx_str_set(&name, "127.0.0.1");
    }

    if (c->conf.loopback
        && (ngx_inet_addr(name.data, name.len) != INADDR_NONE
            || (name.len && ngx_inet6_addr(name.data, name.len, ep.addr)
                            == NGX_OK)))
    {
        return ngx_k8s_compile_literal(c, port, &name, number, endpoints)
               == NGX_ERROR ? NGX_ERROR : NGX_OK;
    }

    port->flags |= NGX_K8S_SERVICE_EXTERNAL;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_literal(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_str_t *text, ngx_uint_t number, ngx_array_t *endpoints)
{
    ngx_k8s_endpoint_t  *ep, parsed;

    ngx_memzero(&parsed, sizeof(ngx_k8s_endpoint_t));
    parsed.port = number;

    if (ngx_k8s_compile_address(c, port, text, 0, &parsed) != NGX_OK) {
        return NGX_DECLINED;
    }

    ep = ngx_array_push(endpoints);
    if (ep == NULL) {
        return NGX_ERROR;
    }

    *ep = parsed;
    ep->flags = NGX_K8S_ENDPOINT_READY|NGX_K8S_ENDPOINT_SERVING;
    ep->target = &ngx_k8s_empty;
    ep->zone = &ngx_k8s_empty;
    ep->hints = &ngx_k8s_empty;

    return NGX_OK;
}


/* each address and port once, ready ones first; returns how many are usable */

static ngx_uint_t
ngx_k8s_compile_unique(ngx_array_t *endpoints)
{
    ngx_uint_t           i, n, ready;
    ngx_k8s_endpoint_t  *ep;

    ep = endpoints->elts;

    if (endpoints->nelts == 0) {
        return 0;
    }

    ngx_qsort(ep, endpoints->nelts, sizeof(ngx_k8s_endpoint_t),
              ngx_k8s_compile_address_cmp);

    n = 1;

    for (i = 1; i < endpoints->nelts; i++) {
        if (ep[i].port != ep[n - 1].port
            || ep[i].family != ep[n - 1].family
            || ngx_memcmp(ep[i].addr, ep[n - 1].addr, 16) != 0)
        {
            ep[n++] = ep[i];
        }
    }

    endpoints->nelts = n;

    ready = ngx_k8s_compile_ready_first(endpoints);

    return ready ? ready : n;
}


/* those that are ready come first, in the order that they have */

static ngx_uint_t
ngx_k8s_compile_ready_first(ngx_array_t *endpoints)
{
    ngx_uint_t           i, ready, others;
    ngx_k8s_endpoint_t  *ep, *rest;

    ep = endpoints->elts;
    others = 0;

    for (i = 0; i < endpoints->nelts; i++) {
        others += !(ep[i].flags & NGX_K8S_ENDPOINT_READY);
    }

    if (others == 0) {
        return endpoints->nelts;
    }

    ready = endpoints->nelts - others;

    rest = ngx_palloc(endpoints->pool, others * sizeof(ngx_k8s_endpoint_t));

    if (rest == NULL) {
        ngx_qsort(ep, endpoints->nelts, sizeof(ngx_k8s_endpoint_t),
                  ngx_k8s_compile_order_cmp);
        return ready;
    }

    ready = 0;
    others = 0;

    for (i = 0; i < endpoints->nelts; i++) {

        if (ep[i].flags & NGX_K8S_ENDPOINT_READY) {
            ep[ready++] = ep[i];

        } else {
            rest[others++] = ep[i];
        }
    }

    ngx_memcpy(&ep[ready], rest, others * sizeof(ngx_k8s_endpoint_t));

    return ready;
}


/* what differs in two slices of one address is decided by all its fields */

static int ngx_libc_cdecl
ngx_k8s_compile_address_cmp(const void *one, const void *two)
{
    ngx_int_t            rc;
    ngx_k8s_endpoint_t  *a, *b;

    a = (ngx_k8s_endpoint_t *) one;
    b = (ngx_k8s_endpoint_t *) two;

    if (a->family != b->family) {
        return (a->family > b->family) ? 1 : -1;
    }

    rc = ngx_memcmp(a->addr, b->addr, 16);

    if (rc) {
        return rc;
    }

    if (a->port != b->port) {
        return (a->port > b->port) ? 1 : -1;
    }

    if ((a->flags ^ b->flags) & NGX_K8S_ENDPOINT_READY) {
        return (b->flags & NGX_K8S_ENDPOINT_READY) ? 1 : -1;
    }

    if (a->flags != b->flags) {
        return (a->flags > b->flags) ? 1 : -1;
    }

    rc = ngx_k8s_str_cmp(a->target, b->target);

    if (rc == 0) {
        rc = ngx_k8s_str_cmp(a->zone, b->zone);
    }

    if (rc == 0) {
        rc = ngx_k8s_str_cmp(a->hints, b->hints);
    }

    return rc;
}


static int ngx_libc_cdecl
ngx_k8s_compile_order_cmp(const void *one, const void *two)
{
    ngx_k8s_endpoint_t  *a, *b;

    a = (ngx_k8s_endpoint_t *) one;
    b = (ngx_k8s_endpoint_t *) two;

    if ((a->flags ^ b->flags) & NGX_K8S_ENDPOINT_READY) {
        return (b->flags & NGX_K8S_ENDPOINT_READY) ? 1 : -1;
    }

    return ngx_k8s_compile_address_cmp(one, two);
}
