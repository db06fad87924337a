
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Points of the endpoints in a service record, in pieces: how many begin with
 * the same bits, each at its place among these, then in order.  With persistent
 * affinity an endpoint has one, which is its digest's.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_ring.h>


/* points that cost as much as an endpoint, and of one place about */
#define NGX_K8S_RING_CHEAP   16
#define NGX_K8S_RING_DENSE   4

/* and moves of points */
#define NGX_K8S_RING_MOVES   256

#define NGX_K8S_RING_COUNT   0
#define NGX_K8S_RING_PLACE   1
#define NGX_K8S_RING_SORT    2


static ngx_int_t ngx_k8s_ring_begin(ngx_k8s_serving_t *s);
static ngx_int_t ngx_k8s_ring_fill(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);
static void ngx_k8s_ring_endpoint(ngx_k8s_serving_t *s,
    ngx_k8s_endpoint_rec_t *endpoint, ngx_k8s_point_t *points);
static ngx_int_t ngx_k8s_ring_sort(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);


void
ngx_k8s_serving_points(ngx_k8s_serving_t *s, ngx_uint_t n)
{
    ngx_k8s_spread_t  *spread;

    spread = s->spreads;

    switch (spread[NGX_K8S_SPREAD_AFFINITY].number) {

    case NGX_K8S_AFFINITY_PERSISTENT:
        s->points = 1;
        break;

    case NGX_K8S_AFFINITY_BALANCED:
        s->points = ngx_k8s_ring_points(n);
        break;

    default:
        s->points = spread[NGX_K8S_SPREAD_HASH].text.len
                    ? ngx_k8s_ring_points(n) : 0;
    }
}


ngx_int_t
ngx_k8s_serving_ring(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_int_t  rc;

    if (s->ring == 0) {

        if (s->points * s->now.usable == 0) {
            s->stage = NGX_K8S_SERVING_SUM;
            return NGX_OK;
        }

        if (ngx_k8s_ring_begin(s) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rc = (s->pass == NGX_K8S_RING_SORT) ? ngx_k8s_ring_sort(c, s)
                                        : ngx_k8s_ring_fill(c, s);

    if (rc == NGX_DONE) {
        s->stage = NGX_K8S_SERVING_SUM;
        return NGX_OK;
    }

    return rc;
}


static ngx_int_t
ngx_k8s_ring_begin(ngx_k8s_serving_t *s)
{
    ngx_uint_t              n;
    ngx_k8s_builder_t      *b;
    ngx_k8s_service_rec_t  *rec;

    b = &s->builder;
    n = s->points * s->now.usable;

    s->ring = ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_point_t));

    for (s->nplaces = 1; s->nplaces * NGX_K8S_RING_DENSE < n; s->nplaces *= 2) {
        /* void */
    }

    s->places = ngx_pcalloc(s->pool, (s->nplaces + 1) * sizeof(uint32_t));

    if (b->failed || s->places == NULL) {
        return NGX_ERROR;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->points.offset = s->ring;
    rec->points.n = n;

    s->pass = NGX_K8S_RING_COUNT;
    s->at = 0;

    return NGX_OK;
}


/* counts of places become where these begin, and then where they end */

static ngx_int_t
ngx_k8s_ring_fill(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    uint32_t                 sum, count;
    ngx_uint_t               i;
    ngx_k8s_point_t         *points;
    ngx_k8s_endpoint_rec_t  *endpoint;

    endpoint = ngx_k8s_builder_ptr(&s->builder, s->list);
    points = (s->pass == NGX_K8S_RING_PLACE)
             ? ngx_k8s_builder_ptr(&s->builder, s->ring) : NULL;

    for ( /* void */ ; s->at < s->now.usable; s->at++) {

        if (c->budget <= 0) {
            return NGX_AGAIN;
        }

        c->budget -= 2 + s->points / NGX_K8S_RING_CHEAP;

        ngx_k8s_ring_endpoint(s, &endpoint[s->at], points);
    }

    s->at = 0;

    if (s->pass++ == NGX_K8S_RING_PLACE) {
        return NGX_OK;
    }

    sum = 0;

    for (i = 0; i < s->nplaces; i++) {
        count = s->places[i];
        s->places[i] = sum;
        sum += count;
    }

    c->budget -= s->nplaces / NGX_K8S_RING_CHEAP;

    return NGX_OK;
}


/* points NULL: they are counted */

static void
ngx_k8s_ring_endpoint(ngx_k8s_serving_t *s, ngx_k8s_endpoint_rec_t *endpoint,
    ngx_k8s_point_t *points)
{
    u_char           digest[16];
    uint32_t         base, hash, place;
    ngx_uint_t       i, persistent;
    ngx_k8s_point_t *point;

    persistent = (s->spreads[NGX_K8S_SPREAD_AFFINITY].number
                  == NGX_K8S_AFFINITY_PERSISTENT);

    base = 0;
    hash = 0;

    if (persistent) {
        ngx_k8s_endpoint_digest(ngx_k8s_builder_ptr(&s->builder, 0), endpoint,
                                digest);
        hash = ngx_k8s_digest_hash(digest);

    } else {
        base = ngx_k8s_ring_base(endpoint);
    }

    for (i = 0; i < s->points; i++) {

        if (!persistent) {
            hash = ngx_k8s_ring_next(base, hash);
        }

        place = ((uint64_t) hash * s->nplaces) >> 32;

        if (points) {
            point = &points[s->places[place]];
            point->hash = hash;
            point->endpoint = s->at;
        }

        s->places[place]++;
    }
}


/* none is far from its place, unless a tenant has chosen addresses for that */

static ngx_int_t
ngx_k8s_ring_sort(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s)
{
    ngx_uint_t        i, k, n;
    ngx_k8s_point_t   point, *points;

    points = ngx_k8s_builder_ptr(&s->builder, s->ring);
    n = s->points * s->now.usable;

    for (i = s->at; i < n; i++) {

        if (i % NGX_K8S_RING_CHEAP == 0 && c->budget-- <= 0) {
            s->at = i;
            return NGX_AGAIN;
        }

        point = points[i];

        for (k = i; k && (points[k - 1].hash > point.hash
                          || (points[k - 1].hash == point.hash
                              && points[k - 1].endpoint > point.endpoint));
             k--)
        {
            points[k] = points[k - 1];
        }

        points[k] = point;

        c->budget -= (i - k) / NGX_K8S_RING_MOVES;
    }

    return NGX_DONE;
}
