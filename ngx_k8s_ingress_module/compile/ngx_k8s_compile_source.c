
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Where the endpoints of a service record come from: EndpointSlices, addresses
 * of a Service of manifests, the name of an ExternalName.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static void ngx_k8s_serving_tree(ngx_k8s_serving_t *s, ngx_uint_t tree);
static void ngx_k8s_serving_seek(ngx_k8s_serving_t *s);
static ngx_int_t ngx_k8s_serving_emit(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_k8s_endpoint_rec_t *rec, ngx_str_t *target,
    ngx_str_t *zone, ngx_str_t *hints);
static void ngx_k8s_serving_refused(ngx_k8s_serving_t *s, ngx_str_t *text);
static ngx_int_t ngx_k8s_serving_external(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_k8s_service_t *svc, ngx_uint_t number);
static ngx_int_t ngx_k8s_serving_name(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_k8s_name_t *name, ngx_uint_t number);
static ngx_int_t ngx_k8s_serving_before(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_k8s_name_t *name, ngx_uint_t number);
static ngx_int_t ngx_k8s_serving_address(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, u_char *addr, ngx_uint_t family, ngx_uint_t number);
static ngx_int_t ngx_k8s_serving_manifest(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp);
static ngx_int_t ngx_k8s_serving_literal(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_str_t *text, ngx_uint_t number);


static ngx_str_t  ngx_k8s_empty = ngx_null_string;


ngx_int_t
ngx_k8s_serving_sources(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp)
{
    ngx_queue_t              *q;
    ngx_k8s_service_state_t  *state;

    state = s->port->node->data;

    s->now.headless = (s->port->cluster
                       && (svc->cluster_ip.len == 0
                           || ngx_k8s_str_eq_c(&svc->cluster_ip, "None")));

    if (s->port->cluster && !s->now.headless) {
        return ngx_k8s_serving_literal(c, s, &svc->cluster_ip, sp->port);
    }

    if (ngx_k8s_external(c, state, svc)) {
        return ngx_k8s_serving_external(c, s, svc, sp->target_port
                                                   ? sp->target_port
                                                   : sp->port);
    }

    if (c->conf.loopback && ngx_queue_empty(&state->parts)) {
        return ngx_k8s_serving_manifest(c, s, svc, sp);
    }

    if (ngx_queue_empty(&state->parts)) {
        return NGX_OK;
    }

    q = ngx_queue_head(&state->parts);

    /* the Service may go in the midst */

    s->sp = *sp;
    s->sp.protocol = s->port->protocol;
    s->sp.name.data = ngx_pstrdup(s->pool, &sp->name);

    if (s->sp.name.data == NULL) {
        return NGX_ERROR;
    }

    s->part = ngx_queue_data(q, ngx_k8s_piece_t, queue);
    s->tree = (svc->family == 6);
    s->stage = NGX_K8S_SERVING_PARTS;

    return NGX_OK;
}


static void
ngx_k8s_serving_tree(ngx_k8s_serving_t *s, ngx_uint_t tree)
{
    ngx_rbtree_node_t        *node;
    ngx_k8s_service_state_t  *state;

    state = s->port->node->data;
    node = state->candidates[tree].root;

    s->tree = tree;
    s->seek = 0;
    s->next = (node == &state->sentinel) ? NULL
              : (ngx_k8s_candidate_t *) ngx_rbtree_min(node, &state->sentinel);
}


/* what comes in the place of what is gone may be there already */

static void
ngx_k8s_serving_seek(ngx_k8s_serving_t *s)
{
    ngx_k8s_candidate_t      *e;
    ngx_rbtree_node_t        *node;
    ngx_k8s_service_state_t  *state;

    if (!s->seek) {
        return;
    }

    s->seek = 0;

    state = s->port->node->data;
    node = state->candidates[s->tree].root;

    while (node != &state->sentinel) {
        e = (ngx_k8s_candidate_t *) node;

        if (ngx_memcmp(e->addr, s->from, 16) < 0) {
            node = node->right;

        } else {
            s->next = e;
            node = node->left;
        }
    }
}


ngx_int_t
ngx_k8s_serving_parts(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_uint_t                why;
    ngx_k8s_piece_t          *part;
    ngx_k8s_service_state_t  *state;

    while (s->part) {
        part = s->part;

        if (c->budget <= 0) {
            return NGX_AGAIN;
        }

        c->budget -= 1 + part->slice->nports;

        part->number = ngx_k8s_compile_slice_port(part->slice, &s->sp);

        why = ngx_k8s_compile_why_slice(part->slice, part->number);
        s->now.why = ngx_max(s->now.why, why);

        ngx_k8s_serving_pass(s->port->node->data, part);
    }

    /* as kube-proxy has it: only where each endpoint says for which zones it
       is, and one is for this one */

    state = s->port->node->data;
    s->near = (c->conf.topology_zone.len && state->nnear
               && state->nhinted == state->nready);

    ngx_k8s_serving_tree(s, s->tree);
    s->stage = NGX_K8S_SERVING_WALK;

    return NGX_OK;
}


/* of two slices that have an address and port the first one counts; what comes
   behind the place of the walk is met by the next one */

ngx_int_t
ngx_k8s_serving_walk(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_k8s_piece_t           *part;
    ngx_k8s_candidate_t       *e;
    ngx_k8s_endpoint_rec_t     rec;
    ngx_k8s_service_state_t   *state;
    ngx_k8s_slice_endpoint_t  *source;

    state = s->port->node->data;

    ngx_k8s_serving_seek(s);

    while (s->next) {

        if (c->budget-- <= 0) {
            return NGX_AGAIN;
        }

        e = s->next;
        s->next = (ngx_k8s_candidate_t *)
                  ngx_rbtree_next(&state->candidates[s->tree], &e->node);

        part = e->part;
        source = e->source;

        if (part->number == 0
            || (s->near && !e->near && (e->flags & NGX_K8S_ENDPOINT_READY)))
        {
            continue;
        }

        ngx_memzero(&rec, sizeof(ngx_k8s_endpoint_rec_t));

        ngx_memcpy(rec.addr, e->addr, 16);
        rec.family = s->tree ? 6 : 4;
        rec.port = part->number;
        rec.flags = e->flags;

        if (e->refused
            || ngx_k8s_endpoint_own(c, rec.addr, rec.family, rec.port))
        {
            ngx_k8s_serving_refused(s, &source->address);
            continue;
        }

        if (ngx_k8s_serving_emit(c, s, &rec, &source->target, &source->zone,
                                 &source->hints)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (s->stage == NGX_K8S_SERVING_WALK
        && s->ready.nelts + s->others.nelts == 0)
    {
        ngx_k8s_serving_tree(s, !s->tree);
        s->stage = NGX_K8S_SERVING_OTHER;

    } else {
        s->stage = NGX_K8S_SERVING_ALLOC;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_serving_emit(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_k8s_endpoint_rec_t *rec, ngx_str_t *target, ngx_str_t *zone,
    ngx_str_t *hints)
{
    ngx_uint_t           i, k;
    ngx_array_t         *a[2];
    ngx_k8s_builder_t   *b;
    ngx_k8s_endpoint_t  *e;

    a[0] = &s->ready;
    a[1] = &s->others;

    for (k = 0; k < 2; k++) {
        e = a[k]->elts;

        for (i = a[k]->nelts; i-- > 0; /* void */ ) {
            if (e[i].rec.family != rec->family
                || ngx_memcmp(e[i].rec.addr, rec->addr, 16) != 0)
            {
                break;
            }

            if (e[i].rec.port == rec->port) {
                return NGX_OK;
            }
        }

        c->budget -= (a[k]->nelts - i) / NGX_K8S_SERVING_PORTS;
    }

    e = ngx_array_push(a[!(rec->flags & NGX_K8S_ENDPOINT_READY)]);
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->rec = *rec;
    e->identity = ngx_k8s_identity(s->identity, rec, target);

    b = &s->builder;

    /* endpoints count for more than where they are */

    if (b->len < NGX_K8S_RECORD_MAX / 2) {
        e->rec.zone = ngx_k8s_builder_str(b, zone);
        e->rec.hints = ngx_k8s_builder_str(b, hints);
    }

    return NGX_OK;
}


/* kept for the problem; the smallest is named, whatever the order */

static void
ngx_k8s_serving_refused(ngx_k8s_serving_t *s, ngx_str_t *text)
{
    ngx_str_t        first, cut;
    ngx_k8s_port_t  *now;

    now = &s->now;

    first.data = now->refused;
    first.len = now->refused_len;
    cut.data = text->data;
    cut.len = ngx_min(text->len, sizeof(now->refused));

    if (now->nrefused++ == 0 || ngx_k8s_str_cmp(&cut, &first) < 0) {
        now->refused_len = cut.len;
        ngx_memcpy(now->refused, cut.data, cut.len);
    }
}


/*
 * A Service of a manifest needs no EndpointSlice.  Its own addresses take
 * connections at its port, and not at that of its endpoints.
 */

static ngx_int_t
ngx_k8s_serving_manifest(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp)
{
    ngx_uint_t           i, n;
    ngx_k8s_endpoint_t  *e;

    for (i = 0; i < svc->nexternal_ips; i++) {
        if (ngx_k8s_serving_literal(c, s, &svc->external_ips[i], sp->port)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (svc->nexternal_ips) {
        e = s->ready.elts;
        n = ngx_min(s->ready.nelts, 1);

        ngx_qsort(e, s->ready.nelts, sizeof(ngx_k8s_endpoint_t),
                  ngx_k8s_serving_cmp);

        for (i = 1; i < s->ready.nelts; i++) {
            if (ngx_k8s_serving_cmp(&e[i], &e[n - 1]) != 0) {
                e[n++] = e[i];
            }
        }

        s->ready.nelts = n;

        return NGX_OK;
    }

    if (svc->cluster_ip.len && !ngx_k8s_str_eq_c(&svc->cluster_ip, "None")) {
        return ngx_k8s_serving_literal(c, s, &svc->cluster_ip, sp->port);
    }

    return NGX_OK;
}


/*
 * A manifest may have an address, or "localhost".  For an API server these are
 * no names: the resolver would be asked for something else.
 */

static ngx_int_t
ngx_k8s_serving_external(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_k8s_service_t *svc, ngx_uint_t number)
{
    u_char                    addr[16];
    ngx_int_t                 rc;
    ngx_str_t                 name;
    ngx_k8s_service_rec_t    *rec;
    ngx_k8s_service_state_t  *state;

    state = s->port->node->data;
    name = svc->external_name;

    if (c->conf.no_names) {
        (void) ngx_k8s_external_name(c, state, NULL, NULL);

        s->now.flags |= NGX_K8S_SERVICE_EXTERNAL;
        s->now.why = NGX_K8S_WHY_NAME_OFF;

        return NGX_OK;
    }

    if (c->conf.loopback && ngx_k8s_str_eq_c(&name, "localhost")) {
        ngx_str_set(&name, "127.0.0.1");
    }

    if (c->conf.loopback
        && (ngx_inet_addr(name.data, name.len) != INADDR_NONE
            || (name.len
                && ngx_inet6_addr(name.data, name.len, addr) == NGX_OK)))
    {
        (void) ngx_k8s_external_name(c, state, NULL, NULL);

        return ngx_k8s_serving_literal(c, s, &name, number);
    }

    s->now.flags |= NGX_K8S_SERVICE_EXTERNAL;

    rec = ngx_k8s_builder_ptr(&s->builder, 0);
    rec->external_port = number;

    rc = ngx_k8s_external_name(c, state, svc, &s->now.why);

    if (rc == NGX_OK) {
        return ngx_k8s_serving_name(c, s, state->name, number);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_k8s_builder_set(&s->builder, ngx_k8s_service_rec_t, external, &name);

    return NGX_OK;
}


/* IPv4 addresses, those of IPv6 where none of them can be used */

static ngx_int_t
ngx_k8s_serving_name(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_k8s_name_t *name, ngx_uint_t number)
{
    ngx_uint_t            i, family;
    ngx_k8s_name_addr_t  *a;

    s->now.why = (name->state == NGX_K8S_NAME_UNKNOWN)
                 ? NGX_K8S_WHY_NAME_UNKNOWN : NGX_K8S_WHY_NAME_FAILED;

    if (name->state == NGX_K8S_NAME_UNKNOWN
        || name->state == NGX_K8S_NAME_FAILING)
    {
        return ngx_k8s_serving_before(c, s, name, number);
    }

    ngx_k8s_builder_set(&s->builder, ngx_k8s_service_rec_t, external,
                        &name->name);

    a = name->addrs;
    family = 0;

    for (i = 0; i < name->naddrs; i++) {

        if (a[i].family != family && s->ready.nelts) {
            break;
        }

        family = a[i].family;

        if (ngx_k8s_serving_address(c, s, a[i].addr, family, number)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    c->budget -= name->naddrs;

    return NGX_OK;
}


/*
 * Until it is known where a name leads to, what the table has is served: of
 * another name of the Service, or what it was before, until the first lookup
 * ends; of the same name until lookups have failed for too long.
 */

static ngx_int_t
ngx_k8s_serving_before(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_k8s_name_t *name, ngx_uint_t number)
{
    ngx_str_t                external;
    ngx_uint_t               i, n, same;
    ngx_k8s_service_rec_t   *old;
    ngx_k8s_endpoint_rec_t  *ep;

    old = ngx_k8s_serving_old(c, s);
    n = ngx_min(ngx_k8s_serving_ready(old), NGX_K8S_NAME_ADDRS);

    same = 0;

    if (old) {
        ngx_k8s_record_str(old, &old->external, &external);
        same = ngx_k8s_str_eq(&external, &name->name);
    }

    if (name->state == NGX_K8S_NAME_FAILING && !same) {
        n = 0;
    }

    ngx_k8s_builder_set(&s->builder, ngx_k8s_service_rec_t, external,
                        n ? &external : &name->name);

    ep = n ? ngx_k8s_record_at(old, old->endpoints.offset) : NULL;

    for (i = 0; i < n; i++) {
        if (ngx_k8s_serving_address(c, s, ep[i].addr, ep[i].family,
                                    same ? number : ep[i].port)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    c->budget -= n;

    return NGX_OK;
}


/* checked as those of endpoints are */

static ngx_int_t
ngx_k8s_serving_address(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    u_char *addr, ngx_uint_t family, ngx_uint_t number)
{
    u_char     buf[NGX_INET6_ADDRSTRLEN];
    ngx_str_t  text;

    text.data = buf;
    text.len = ngx_inet_ntop(family == 6 ? AF_INET6 : AF_INET, addr, buf,
                             sizeof(buf));

    return ngx_k8s_serving_literal(c, s, &text, number);
}


static ngx_int_t
ngx_k8s_serving_literal(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_str_t *text, ngx_uint_t number)
{
    ngx_k8s_endpoint_rec_t  rec;

    ngx_memzero(&rec, sizeof(ngx_k8s_endpoint_rec_t));

    rec.port = number;
    rec.family = ngx_k8s_endpoint_address(c, text, 0, rec.addr);
    rec.flags = NGX_K8S_ENDPOINT_READY|NGX_K8S_ENDPOINT_SERVING;

    if (rec.family == 0
        || ngx_k8s_endpoint_own(c, rec.addr, rec.family, rec.port))
    {
        ngx_k8s_serving_refused(s, text);
        return NGX_OK;
    }

    return ngx_k8s_serving_emit(c, s, &rec, &ngx_k8s_empty, &ngx_k8s_empty,
                                &ngx_k8s_empty);
}


int ngx_libc_cdecl
ngx_k8s_serving_cmp(const void *one, const void *two)
{
    ngx_int_t                rc;
    ngx_k8s_endpoint_rec_t  *a, *b;

    a = &((ngx_k8s_endpoint_t *) one)->rec;
    b = &((ngx_k8s_endpoint_t *) two)->rec;

    if (a->family != b->family) {
        return (a->family > b->family) ? 1 : -1;
    }

    rc = ngx_memcmp(a->addr, b->addr, 16);

    if (rc) {
        return rc;
    }

    return (a->port > b->port) - (a->port < b->port);
}


ngx_k8s_service_rec_t *
ngx_k8s_serving_old(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_k8s_record_t  *rec;

    rec = ngx_k8s_builder_ptr(&s->builder, 0);

    return ngx_k8s_table_find(c->table, NGX_K8S_INDEX_SERVICE,
                              ngx_k8s_record_at(rec, rec->key.offset),
                              rec->key.len, NULL);
}


ngx_uint_t
ngx_k8s_serving_ready(ngx_k8s_service_rec_t *rec)
{
    ngx_k8s_endpoint_rec_t  *ep;

    if (rec == NULL || rec->endpoints.n == 0) {
        return 0;
    }

    ep = ngx_k8s_record_at(rec, rec->endpoints.offset);

    return (ep->flags & NGX_K8S_ENDPOINT_READY) ? rec->usable : 0;
}
