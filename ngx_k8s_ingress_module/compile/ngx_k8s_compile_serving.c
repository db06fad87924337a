
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Service records, in pieces: a walk over what may be served, the endpoints
 * with their statistics, the checksum, and then one put.  What changes in the
 * midst of it is met by another making, so that a Service whose slices change
 * all the time is not the last one to be served as it was.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_ring.h>


#define NGX_K8S_SPARE_ENDPOINTS  4       /* that a record can grow by */
#define NGX_K8S_SERVING_POOL     4096
#define NGX_K8S_SERVING_KEEP     65536   /* bytes of a builder that is kept */
#define NGX_K8S_SERVING_BYTES    64      /* cost as much as an endpoint */


/* bytes of an endpoint with its points */
#define ngx_k8s_serving_endpoint(s)                                           \
    (sizeof(ngx_k8s_endpoint_rec_t) + ngx_k8s_serving_ring_size(s))


typedef ngx_int_t (*ngx_k8s_serving_stage_pt)(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);


static ngx_int_t ngx_k8s_serving_get(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port);
static ngx_int_t ngx_k8s_serving_begin(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);
static void ngx_k8s_serving_fixed(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_k8s_service_port_t *sp);
static void ngx_k8s_serving_spread(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);
static ngx_int_t ngx_k8s_serving_alloc(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);
static void ngx_k8s_serving_size(ngx_k8s_serving_t *s, ngx_uint_t n);
static ngx_int_t ngx_k8s_serving_fill(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);
static ngx_int_t ngx_k8s_serving_stat(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_k8s_service_rec_t **was,
    ngx_k8s_endpoint_t *endpoint, ngx_k8s_endpoint_rec_t *rec);
static ngx_int_t ngx_k8s_serving_push(ngx_array_t *a, uint32_t stat);
static ngx_int_t ngx_k8s_serving_sum(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);
static ngx_int_t ngx_k8s_serving_put(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);
static ngx_int_t ngx_k8s_serving_cut(ngx_k8s_serving_t *s, size_t was);
static void ngx_k8s_serving_end(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s);
static void ngx_k8s_serving_release(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_array_t *spent);


/* by NGX_K8S_SERVING_* */

static ngx_k8s_serving_stage_pt  ngx_k8s_serving_stages[] = {
    ngx_k8s_serving_parts,
    ngx_k8s_serving_walk,
    ngx_k8s_serving_walk,
    ngx_k8s_serving_alloc,
    ngx_k8s_serving_fill,
    ngx_k8s_serving_ring,
    ngx_k8s_serving_sum,
    ngx_k8s_serving_put
};


ngx_int_t
ngx_k8s_compile_serving(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    ngx_int_t                 rc;
    ngx_k8s_serving_t        *s;
    ngx_k8s_service_state_t  *state;

    state = port->node->data;

    if (c->budget <= 0) {
        return NGX_AGAIN;
    }

    if (state->serving == NULL) {

        if (ngx_k8s_serving_get(c, port) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_k8s_serving_begin(c, state->serving) != NGX_OK) {
            ngx_k8s_serving_abort(c, state);
            return NGX_ERROR;
        }
    }

    s = state->serving;

    for ( ;; ) {
        rc = ngx_k8s_serving_stages[s->stage](c, s);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc == NGX_ERROR || s->builder.failed) {
            ngx_k8s_serving_abort(c, state);
            return NGX_ERROR;
        }

        if (rc == NGX_DONE) {
            ngx_k8s_serving_end(c, s);
            return port->full ? NGX_DECLINED : NGX_OK;
        }
    }
}


static ngx_int_t
ngx_k8s_serving_get(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    ngx_k8s_serving_t        *s;
    ngx_k8s_service_state_t  *state;

    state = port->node->data;

    s = c->serving;
    c->serving = NULL;

    if (s == NULL) {
        s = ngx_calloc(sizeof(ngx_k8s_serving_t), c->log);
        if (s == NULL) {
            return NGX_ERROR;
        }

        s->pool = ngx_create_pool(NGX_K8S_SERVING_POOL, c->log);

        if (s->pool == NULL
            || ngx_k8s_builder_init(&s->builder, c->log) != NGX_OK)
        {
            ngx_k8s_serving_free(s);
            return NGX_ERROR;
        }
    }

    s->port = port;
    state->serving = s;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_serving_begin(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_k8s_port_t          *now;
    ngx_k8s_node_t          *node;
    ngx_k8s_service_t       *svc;
    ngx_k8s_service_port_t  *sp, external;

    if (ngx_array_init(&s->ready, s->pool, 16, sizeof(ngx_k8s_endpoint_t))
        != NGX_OK
        || ngx_array_init(&s->others, s->pool, 4, sizeof(ngx_k8s_endpoint_t))
           != NGX_OK
        || ngx_array_init(&s->got, s->pool, 16, sizeof(uint32_t)) != NGX_OK
        || ngx_array_init(&s->left, s->pool, 16, sizeof(uint32_t)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    s->stage = NGX_K8S_SERVING_ALLOC;
    s->part = NULL;
    s->next = NULL;
    s->seek = 0;
    s->cut = 0;
    s->put = 0;
    ngx_memzero(&s->sp, sizeof(ngx_k8s_service_port_t));

    now = &s->now;
    *now = *s->port;

    now->flags = 0;
    now->headless = 0;
    now->why = NGX_K8S_WHY_NONE;
    now->usable = 0;
    now->cut = 0;
    now->nrefused = 0;
    ngx_memzero(now->refused, sizeof(now->refused));

    c->budget -= 16;

    node = s->port->node;
    svc = (ngx_k8s_service_t *) ngx_k8s_store_get(c->store, NGX_K8S_SERVICE,
                                                  &node->namespace,
                                                  &node->name);
    sp = NULL;

    if (svc == NULL) {
        now->flags = NGX_K8S_SERVICE_MISSING;

    } else {
        s->identity = ngx_k8s_identity_service(s->port, svc);

        sp = ngx_k8s_compile_port_select(svc, s->port, &external);
        c->budget -= svc->nports / NGX_K8S_SERVING_PORTS;

        if (sp == NULL || sp->closed) {
            sp = NULL;
            now->flags = NGX_K8S_SERVICE_NO_PORT;

        } else if (ngx_k8s_str_eq_c(&sp->app_protocol, "kubernetes.io/h2c")) {
            now->flags = NGX_K8S_SERVICE_H2C;
        }
    }

    ngx_k8s_serving_fixed(c, s, sp);

    if (svc == NULL || !ngx_k8s_external(c, node->data, svc)) {
        (void) ngx_k8s_external_name(c, node->data, NULL, NULL);
    }

    if (sp == NULL) {
        return NGX_OK;
    }

    now->why = ngx_k8s_compile_why(c, node);

    return ngx_k8s_serving_sources(c, s, svc, sp);
}


/* the record without endpoints */

static void
ngx_k8s_serving_fixed(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_k8s_service_port_t *sp)
{
    u_char                  buf[NGX_K8S_KEY_MAX];
    ngx_str_t               key, *names[5];
    ngx_k8s_node_t         *node;
    ngx_k8s_builder_t      *b;
    ngx_k8s_service_rec_t  *rec;

    static ngx_str_t  cluster = ngx_string("cluster");

    b = &s->builder;
    node = s->port->node;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_SERVICE,
                          sizeof(ngx_k8s_service_rec_t));

    names[0] = &node->namespace;
    names[1] = &node->name;
    names[2] = &s->port->port;
    names[3] = &s->port->protocol;
    names[4] = &cluster;

    key.data = buf;
    key.len = ngx_k8s_key_names(buf, s->port->cluster ? 5 : 4, names);

    ngx_k8s_builder_set(b, ngx_k8s_record_t, key, &key);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, namespace, names[0]);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, name, names[1]);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, port, names[2]);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, protocol, names[3]);

    ngx_k8s_serving_spread(c, s);

    if (sp == NULL) {
        return;
    }

    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, app_protocol,
                        &sp->app_protocol);

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->number = sp->port;
}


static void
ngx_k8s_serving_spread(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_k8s_node_t         *node;
    ngx_k8s_spread_t       *spread;
    ngx_k8s_builder_t      *b;
    ngx_k8s_service_rec_t  *rec;

    b = &s->builder;
    spread = s->spreads;

    ngx_k8s_spread_fixed(c, s->port, ngx_k8s_serving_old(c, s), spread);

    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, cookie,
                        &spread[NGX_K8S_SPREAD_AFFINITY].text);
    ngx_k8s_builder_set(b, ngx_k8s_service_rec_t, hash_by,
                        &spread[NGX_K8S_SPREAD_HASH].text);

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);

    rec->affinity = spread[NGX_K8S_SPREAD_AFFINITY].number;
    rec->subset = spread[NGX_K8S_SPREAD_HASH].number;
    rec->balance = spread[NGX_K8S_SPREAD_BALANCE].number;

    if (rec->affinity) {
        node = s->port->node;
        ngx_k8s_service_digest(&node->namespace, &node->name, &s->port->port,
                               rec->digest);
    }
}


/* the list is the last part of the record but for the points: it can be cut */

static ngx_int_t
ngx_k8s_serving_alloc(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    size_t                  spare, size;
    ngx_uint_t              n, all;
    ngx_k8s_builder_t      *b;
    ngx_k8s_service_rec_t  *old;

    b = &s->builder;
    all = s->ready.nelts + s->others.nelts;

    ngx_k8s_serving_points(s, s->ready.nelts ? s->ready.nelts : all);

    size = ngx_k8s_serving_endpoint(s);
    spare = NGX_K8S_SPARE_ENDPOINTS * sizeof(ngx_k8s_endpoint_rec_t);

    n = (NGX_K8S_RECORD_MAX - b->len) / size - NGX_K8S_SPARE_ENDPOINTS - 2;
    n = ngx_min(n, all);

    s->list = n ? ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_endpoint_rec_t)
                                           + spare)
                : 0;

    if (b->failed) {
        return NGX_ERROR;
    }

    s->now.usable = s->ready.nelts ? s->ready.nelts : all;
    s->now.cut = all - n;

    ngx_k8s_serving_size(s, n);

    old = ngx_k8s_serving_old(c, s);

    s->at = 0;
    s->old[0] = 0;
    s->old[1] = ngx_k8s_serving_ready(old);
    s->stage = NGX_K8S_SERVING_FILL;

    /* what is too large is not put: statistics keep what memory they take */

    size = b->len + s->now.usable * ngx_k8s_serving_ring_size(s);

    s->bare = (size > ngx_k8s_writer_largest(c->writer)
               && (old == NULL || size > old->header.size));

    if (s->bare) {
        (void) ngx_k8s_builder_alloc(b, size - b->len);
    }

    c->budget -= n * sizeof(ngx_k8s_endpoint_rec_t) / NGX_K8S_SERVING_BYTES;

    return NGX_OK;
}


/* the record has n endpoints */

static void
ngx_k8s_serving_size(ngx_k8s_serving_t *s, ngx_uint_t n)
{
    ngx_k8s_builder_t      *b;
    ngx_k8s_service_rec_t  *rec;

    b = &s->builder;
    rec = ngx_k8s_builder_ptr(b, 0);

    s->n = n;
    s->now.usable = ngx_min(s->now.usable, n);

    rec->flags = s->now.flags;

    if (s->port->cluster) {
        rec->flags |= NGX_K8S_SERVICE_CLUSTER;
    }

    rec->usable = s->now.usable;
    rec->points.n = 0;
    rec->points.offset = 0;
    rec->endpoints.n = n;
    rec->endpoints.offset = n ? s->list : 0;

    if (s->list) {
        b->len = s->list + n * sizeof(ngx_k8s_endpoint_rec_t);
    }

    s->ring = 0;
}


/* statistics of the old record go over to the new one */

static ngx_int_t
ngx_k8s_serving_fill(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_uint_t               i, end;
    ngx_k8s_endpoint_t      *e;
    ngx_k8s_service_rec_t   *old;
    ngx_k8s_endpoint_rec_t  *rec;

    old = ngx_k8s_serving_old(c, s);
    rec = ngx_k8s_builder_ptr(&s->builder, s->list);

    for ( /* void */ ; s->at < s->n; s->at++) {

        if (c->budget-- <= 0) {
            return NGX_AGAIN;
        }

        if (s->at < s->ready.nelts) {
            e = (ngx_k8s_endpoint_t *) s->ready.elts + s->at;

        } else {
            e = (ngx_k8s_endpoint_t *) s->others.elts
                + (s->at - s->ready.nelts);
        }

        rec[s->at] = e->rec;

        if (!s->bare
            && ngx_k8s_serving_stat(c, s, &old, e, &rec[s->at]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (s->bare) {
        s->stage = NGX_K8S_SERVING_PUT;
        return NGX_OK;
    }

    rec = old ? ngx_k8s_record_at(old, old->endpoints.offset) : NULL;

    for (i = 0; old && i < 2; i++) {
        end = i ? old->endpoints.n : ngx_k8s_serving_ready(old);

        for ( /* void */ ; s->old[i] < end; s->old[i]++) {

            if (c->budget-- <= 0) {
                return NGX_AGAIN;
            }

            if (ngx_k8s_serving_push(&s->left, rec[s->old[i]].stat)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    s->stage = NGX_K8S_SERVING_RING;

    return NGX_OK;
}


/* both lists are in order: what the old one has before it does not stay */

static ngx_int_t
ngx_k8s_serving_stat(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_k8s_service_rec_t **was, ngx_k8s_endpoint_t *endpoint,
    ngx_k8s_endpoint_rec_t *rec)
{
    ngx_int_t                rc;
    ngx_uint_t               i, end;
    ngx_k8s_stat_t          *stat;
    ngx_k8s_endpoint_t       e;
    ngx_k8s_service_rec_t   *old;
    ngx_k8s_endpoint_rec_t  *o;

    old = *was;

    i = !(rec->flags & NGX_K8S_ENDPOINT_READY);
    end = (old == NULL) ? 0 : i ? old->endpoints.n
                                : ngx_k8s_serving_ready(old);

    while (s->old[i] < end) {
        o = ngx_k8s_record_at(old, old->endpoints.offset);
        e.rec = o[s->old[i]];

        rc = ngx_k8s_serving_cmp(&e, endpoint);

        if (rc > 0) {
            break;
        }

        s->old[i]++;
        c->budget--;

        if (rc == 0) {
            stat = ngx_k8s_stat(c->table, e.rec.stat);

            if (stat && stat->identity == endpoint->identity) {
                rec->stat = e.rec.stat;
                return NGX_OK;
            }
        }

        if (ngx_k8s_serving_push(&s->left, e.rec.stat) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rec->stat = ngx_k8s_writer_stat_get(c->writer, endpoint->identity);

    /* for which records may have moved */

    *was = ngx_k8s_serving_old(c, s);

    if (ngx_k8s_serving_push(&s->got, rec->stat) != NGX_OK) {
        ngx_k8s_writer_stat_put(c->writer, rec->stat);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_serving_push(ngx_array_t *a, uint32_t stat)
{
    uint32_t  *p;

    if (stat == 0) {
        return NGX_OK;
    }

    p = ngx_array_push(a);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p = stat;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_serving_sum(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    size_t              n, max;
    ngx_k8s_builder_t  *b;

    b = &s->builder;

    if (c->budget <= 0) {
        return NGX_AGAIN;
    }

    max = c->budget * NGX_K8S_SERVING_BYTES;

    n = ngx_k8s_builder_sum(b, max);

    c->budget -= n / NGX_K8S_SERVING_BYTES;

    if (n == max) {
        return NGX_AGAIN;
    }

    s->stage = NGX_K8S_SERVING_PUT;

    return NGX_OK;
}


/*
 * Where a larger record has no room the first endpoints are served that the
 * place of the old one can hold: fewer than there are, but none of the past.
 */

static ngx_int_t
ngx_k8s_serving_put(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    size_t                  was, spare;
    uint32_t                slot;
    ngx_k8s_service_rec_t  *old;

    old = ngx_k8s_serving_old(c, s);
    was = old ? old->header.size : 0;

    spare = NGX_K8S_SPARE_ENDPOINTS * ngx_k8s_serving_endpoint(s);

    slot = ngx_k8s_compile_put_spare(c, &s->builder,
                                     (ngx_k8s_record_t *) old, spare, 1);

    if (slot) {
        s->now.slot = slot;
        s->now.full = (s->now.cut != 0);
        s->put = 1;

        return NGX_DONE;
    }

    s->now.full = 1;

    if (was == 0) {
        return NGX_DONE;
    }

    if (!s->cut) {
        ngx_k8s_compile_stuck(c, s->port->node,
                              ngx_k8s_writer_room(c->writer)
                              + ngx_k8s_writer_missing(c->writer));

        return ngx_k8s_serving_cut(s, was);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_k8s_serving_cut(ngx_k8s_serving_t *s, size_t was)
{
    ngx_uint_t               i, n;
    ngx_k8s_builder_t       *b;
    ngx_k8s_endpoint_rec_t  *rec;

    b = &s->builder;
    s->cut = 1;

    if (b->len <= was) {
        return NGX_DONE;
    }

    n = (b->len - was) / ngx_k8s_serving_endpoint(s) + 1;

    /* those that take no requests are the last ones, and have no points */

    n += s->points ? s->n - s->now.usable : 0;

    if (n > s->n) {
        return NGX_DONE;
    }

    n = s->n - n;

    rec = ngx_k8s_builder_ptr(b, s->list);

    for (i = n; i < s->n; i++) {
        if (ngx_k8s_serving_push(&s->left, rec[i].stat) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    s->now.cut += s->n - n;

    ngx_k8s_serving_size(s, n);
    ngx_k8s_builder_unsum(b);

    s->stage = NGX_K8S_SERVING_RING;

    if (s->bare) {
        s->bare = 0;
        s->at = 0;
        s->stage = NGX_K8S_SERVING_FILL;
    }

    return NGX_OK;
}


/* the port is as it was made */

static void
ngx_k8s_serving_end(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_k8s_port_t  *port, *now, was;

    port = s->port;
    now = &s->now;
    was = *port;

    if (now->usable || (now->flags & (NGX_K8S_SERVICE_MISSING
                                      |NGX_K8S_SERVICE_NO_PORT)))
    {
        now->why = NGX_K8S_WHY_NONE;

    } else if (now->nrefused) {
        now->why = NGX_K8S_WHY_REFUSED;
    }

    port->slot = now->slot;
    port->flags = now->flags;
    port->usable = now->usable;
    port->why = now->why;
    port->cut = now->cut;
    port->full = now->full;
    port->headless = now->headless;
    port->nrefused = now->nrefused;
    port->refused_len = now->refused_len;
    ngx_memcpy(port->refused, now->refused, sizeof(port->refused));

    /* some problems tell more than is kept of the port */

    if (was.slot == 0 || was.flags != port->flags || was.full != port->full
        || was.headless != port->headless
        || was.cut != port->cut || was.nrefused != port->nrefused
        || (was.usable == 0) != (port->usable == 0)
        || was.why != port->why || port->why == NGX_K8S_WHY_UNLABELLED
        || port->why == NGX_K8S_WHY_PORT || port->why >= NGX_K8S_WHY_NAME
        || (port->flags & NGX_K8S_SERVICE_NO_PORT)
        || ngx_memcmp(was.refused, port->refused, sizeof(was.refused)) != 0)
    {
        ngx_k8s_compile_tell(c, port->node, 0);
    }

    ngx_k8s_serving_release(c, s, s->put ? &s->left : &s->got);
}


void
ngx_k8s_serving_abort(ngx_k8s_compile_t *c, ngx_k8s_service_state_t *state)
{
    if (state->serving) {
        ngx_k8s_serving_release(c, state->serving, &state->serving->got);
    }
}


static void
ngx_k8s_serving_release(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s,
    ngx_array_t *spent)
{
    ngx_k8s_service_state_t  *state;

    state = s->port->node->data;
    state->serving = NULL;

    ngx_k8s_compile_spend(c, spent->elts, spent->nelts);

    if (c->serving || s->builder.size > NGX_K8S_SERVING_KEEP) {
        ngx_k8s_serving_free(s);
        return;
    }

    ngx_reset_pool(s->pool);

    c->serving = s;
}


void
ngx_k8s_serving_free(ngx_k8s_serving_t *s)
{
    ngx_k8s_builder_done(&s->builder);

    if (s->pool) {
        ngx_destroy_pool(s->pool);
    }

    ngx_free(s);
}
