
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_ewma.h>
#include <ngx_k8s_peer.h>
#include <ngx_k8s_table_set.h>


/* how long copies are good: an address can soon be another pod's */
#define NGX_K8S_COPY_TIME            10000

/* endpoints that one try looks at, for one that has not refused a moment ago */
#define NGX_K8S_LOOKED               1024

/* endpoints that are looked at for two of which one is taken */
#define NGX_K8S_FAST                 16

/* new keys that are tried, for an endpoint that was not */
#define NGX_K8S_KEYS                 20

/* for how long an endpoint without connection is asked for lack of others */
#define NGX_K8S_LEFT_ALONE           2000


static ngx_uint_t ngx_k8s_choice_tried(ngx_k8s_choice_t *choice,
    ngx_k8s_peer_t *peer);
static ngx_int_t ngx_k8s_choose_fast(ngx_k8s_choice_t *choice,
    ngx_k8s_table_t *table, ngx_k8s_service_rec_t *service,
    ngx_k8s_peer_t *peer);
static ngx_int_t ngx_k8s_choose_keyed(ngx_k8s_choice_t *choice,
    ngx_k8s_table_t *table, ngx_k8s_service_rec_t *service,
    ngx_k8s_peer_t *peer);
static ngx_int_t ngx_k8s_choose_hashed(ngx_k8s_choice_t *choice,
    ngx_k8s_table_t *table, ngx_k8s_service_rec_t *service,
    ngx_k8s_peer_t *peer);
static ngx_int_t ngx_k8s_choose_point(ngx_k8s_choice_t *choice,
    ngx_k8s_table_t *table, ngx_k8s_service_rec_t *service,
    ngx_k8s_point_t *point, ngx_k8s_peer_t *peer);
static void ngx_k8s_choice_random(ngx_k8s_choice_key_t *key);
static void ngx_k8s_choice_named(ngx_k8s_choice_key_t *key,
    ngx_k8s_service_rec_t *service, ngx_k8s_endpoint_rec_t *endpoint);
static uint32_t *ngx_k8s_cursor(ngx_k8s_cursors_t *cursors, uint32_t slot);
static ngx_k8s_stat_t *ngx_k8s_peer_copy(ngx_k8s_table_t *table,
    ngx_k8s_endpoint_rec_t *rec, ngx_k8s_peer_t *peer);
static uint32_t ngx_k8s_peer_hash(ngx_k8s_peer_t *peer);
static ngx_uint_t ngx_k8s_peer_refused(ngx_k8s_stat_t *stat);
static size_t ngx_k8s_peer_text(u_char *text, ngx_k8s_peer_t *peer);


void
ngx_k8s_copies_take(ngx_k8s_copies_t *copies, ngx_k8s_service_rec_t *service)
{
    ngx_uint_t  n;

    n = ngx_min(service->usable, service->endpoints.n);

    copies->start = ngx_current_msec;
    copies->n = ngx_min(n, NGX_K8S_COPIED);

    ngx_memcpy(copies->endpoints,
               ngx_k8s_record_at(service, service->endpoints.offset),
               copies->n * sizeof(ngx_k8s_endpoint_rec_t));
}


void
ngx_k8s_choice_init(ngx_k8s_choice_t *choice, uint32_t service,
    uint32_t generation, ngx_k8s_copies_t *copies, ngx_k8s_choice_key_t *key)
{
    choice->service = service;
    choice->generation = generation;
    choice->copies = copies;
    choice->key = key;
    choice->fixed = 0;
    choice->balance = NGX_K8S_BALANCE_ROUND_ROBIN;
    choice->timed = 0;
    choice->version = 0;
    choice->npeers = 0;
    choice->ntried = 0;
}


/*
 * Round robin over what the table has at this moment.  When no others are left,
 * endpoints that could not be connected to a moment ago, and then those that
 * failed this request.  The former have probably ended, and their addresses
 * may be other pods' before the table knows.
 */

ngx_int_t
ngx_k8s_choose(ngx_k8s_choice_t *choice, ngx_k8s_table_t *table,
    ngx_k8s_cursors_t *cursors, ngx_k8s_peer_t *peer)
{
    uint32_t                *cursor, start;
    ngx_uint_t               i, n, refused;
    ngx_k8s_stat_t          *stat;
    ngx_k8s_service_rec_t   *service;
    ngx_k8s_endpoint_rec_t  *rec;

    service = NULL;
    rec = choice->copies->endpoints;

    if (table) {
        choice->version = ngx_k8s_table_version(table);
        service = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                          choice->service, choice->generation);
    }

    if (service) {
        n = ngx_min(service->usable, service->endpoints.n);
        rec = ngx_k8s_record_at(service, service->endpoints.offset);

        if (choice->ntried == 0
            && choice->copies->start != ngx_current_msec)
        {
            /* a body had to be read first */

            ngx_k8s_copies_take(choice->copies, service);
        }

    } else if (ngx_current_msec - choice->copies->start < NGX_K8S_COPY_TIME) {
        n = choice->copies->n;

        /* not for the pool, and without statistics */

        choice->version = 0;
        table = NULL;

    } else {
        n = 0;
    }

    if (n == 0) {
        return NGX_BUSY;
    }

    choice->npeers = n;
    refused = n;

    peer->service = choice->service;
    peer->generation = choice->generation;

    if (service && service->points.n
        && ngx_k8s_choose_keyed(choice, table, service, peer) == NGX_OK)
    {
        goto chosen;
    }

    if (service && service->points.n == 0
        && ngx_k8s_choose_fast(choice, table, service, peer) == NGX_OK)
    {
        goto chosen;
    }

    cursor = ngx_k8s_cursor(cursors, choice->service);
    start = cursor ? *cursor : (uint32_t) ngx_random();

    for (i = 0; i < ngx_min(n, NGX_K8S_LOOKED); i++) {
        stat = ngx_k8s_peer_copy(table, &rec[(start + i) % n], peer);

        if (ngx_k8s_peer_refused(stat)) {

            if (refused == n && !ngx_k8s_choice_tried(choice, peer)) {
                refused = i;
            }

        } else if (!ngx_k8s_choice_tried(choice, peer)) {
            goto found;
        }
    }

    i = (refused < n) ? refused : 0;

    (void) ngx_k8s_peer_copy(table, &rec[(start + i) % n], peer);

found:

    if (cursor) {
        *cursor = start + i + 1;

        if (*cursor == 0) {
            *cursor = 1;
        }
    }

    if (service && service->affinity == NGX_K8S_AFFINITY_PERSISTENT) {
        ngx_k8s_choice_named(choice->key, service, &rec[(start + i) % n]);
    }

chosen:

    choice->tried[choice->ntried % NGX_K8S_TRIED] = ngx_k8s_peer_hash(peer);
    choice->ntried++;

    return NGX_OK;
}


/*
 * The faster one of two; where one of them has not answered yet any of both, so
 * that new endpoints get their share and no more.
 */

static ngx_int_t
ngx_k8s_choose_fast(ngx_k8s_choice_t *choice, ngx_k8s_table_t *table,
    ngx_k8s_service_rec_t *service, ngx_k8s_peer_t *peer)
{
    uint32_t                 score, other;
    ngx_uint_t               i, k, n, found;
    ngx_k8s_stat_t          *stat;
    ngx_k8s_peer_t           one;
    ngx_k8s_endpoint_rec_t  *rec;

    n = choice->npeers;

    choice->timed = ((service->balance ? service->balance : choice->balance)
                     == NGX_K8S_BALANCE_EWMA);

    if (!choice->timed || n == 1) {
        return NGX_DECLINED;
    }

    rec = ngx_k8s_record_at(service, service->endpoints.offset);
    k = (uint32_t) ngx_random() % n;
    score = 0;
    found = 0;

    for (i = 0; i < NGX_K8S_FAST && found < 2; i++) {

        stat = ngx_k8s_peer_copy(table, &rec[k], &one);

        k = (k + 1 + ((n > 2) ? (uint32_t) ngx_random() % (n - 1) : 0)) % n;

        if (ngx_k8s_peer_refused(stat) || ngx_k8s_choice_tried(choice, &one)) {
            continue;
        }

        other = (stat && stat->ewma)
                ? ngx_k8s_ewma_score(stat->ewma, ngx_current_msec) + 1 : 0;

        if (found++ == 0 || (score && other && other < score)) {
            *peer = one;
            score = other;
        }
    }

    return found ? NGX_OK : NGX_DECLINED;
}


/* NGX_DECLINED: there is none by the key, and a new one is that of any */

static ngx_int_t
ngx_k8s_choose_keyed(ngx_k8s_choice_t *choice, ngx_k8s_table_t *table,
    ngx_k8s_service_rec_t *service, ngx_k8s_peer_t *peer)
{
    ngx_uint_t             i;
    ngx_k8s_point_t       *points;
    ngx_k8s_choice_key_t  *key;

    key = choice->key;
    points = ngx_k8s_record_at(service, service->points.offset);

    if (service->affinity == NGX_K8S_AFFINITY_NONE) {
        return ngx_k8s_choose_hashed(choice, table, service, peer);
    }

    choice->fixed = 0;

    if (key->keyed && !(key->change && choice->ntried)) {

        i = ngx_k8s_ring_find(points, service->points.n, key->hash);

        if (service->affinity == NGX_K8S_AFFINITY_BALANCED
            || points[i].hash == key->hash)
        {
            choice->fixed = !key->change;

            (void) ngx_k8s_choose_point(choice, table, service, &points[i],
                                        peer);
            return NGX_OK;
        }
    }

    if (service->affinity == NGX_K8S_AFFINITY_PERSISTENT) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_K8S_KEYS; i++) {
        ngx_k8s_choice_random(key);

        if (ngx_k8s_choose_point(choice, table, service,
                                 &points[ngx_k8s_ring_find(points,
                                                           service->points.n,
                                                           key->hash)],
                                 peer)
            == NGX_OK)
        {
            break;
        }
    }

    return NGX_OK;
}


/*
 * The first endpoint from the hash on, or any of the first ones; where it
 * failed, or refuses, the next one.
 */

static ngx_int_t
ngx_k8s_choose_hashed(ngx_k8s_choice_t *choice, ngx_k8s_table_t *table,
    ngx_k8s_service_rec_t *service, ngx_k8s_peer_t *peer)
{
    uint32_t          subset[NGX_K8S_SUBSET_MAX];
    ngx_uint_t        i, k, m, n, at, start;
    ngx_k8s_point_t  *points;

    points = ngx_k8s_record_at(service, service->points.offset);
    n = service->points.n;
    at = ngx_k8s_ring_find(points, n, choice->key->hash);
    start = at;

    if (service->subset > 1) {
        m = ngx_min(service->subset, NGX_K8S_SUBSET_MAX);
        m = ngx_k8s_ring_subset(points, n, &at, subset,
                                ngx_min(m, choice->npeers));
        k = ngx_random() % m;

        for (i = 0; i < m; i++) {
            if (ngx_k8s_choose_point(choice, table, service,
                                     &points[subset[(k + i) % m]], peer)
                == NGX_OK)
            {
                return NGX_OK;
            }
        }
    }

    for (i = 0; i < ngx_min(n, NGX_K8S_LOOKED); i++) {

        if (ngx_k8s_choose_point(choice, table, service, &points[at], peer)
            == NGX_OK)
        {
            return NGX_OK;
        }

        at = (at + 1 == n) ? 0 : at + 1;
    }

    (void) ngx_k8s_choose_point(choice, table, service, &points[start], peer);

    return NGX_OK;
}


/* sets *peer; NGX_DECLINED: it was tried, or refused a moment ago */

static ngx_int_t
ngx_k8s_choose_point(ngx_k8s_choice_t *choice, ngx_k8s_table_t *table,
    ngx_k8s_service_rec_t *service, ngx_k8s_point_t *point,
    ngx_k8s_peer_t *peer)
{
    ngx_k8s_stat_t          *stat;
    ngx_k8s_endpoint_rec_t  *rec;

    rec = ngx_k8s_record_at(service, service->endpoints.offset);
    stat = ngx_k8s_peer_copy(table, &rec[point->endpoint], peer);

    return (ngx_k8s_peer_refused(stat) || ngx_k8s_choice_tried(choice, peer))
           ? NGX_DECLINED : NGX_OK;
}


void
ngx_k8s_choice_cookie(ngx_k8s_choice_key_t *key,
    ngx_k8s_service_rec_t *service, ngx_str_t *text)
{
    ngx_int_t  n;

    if (service->affinity == NGX_K8S_AFFINITY_BALANCED) {
        key->hash = ngx_k8s_ring_hash(text->data, text->len);
        key->keyed = 1;
        return;
    }

    if (text->len != NGX_K8S_MD5_LEN) {
        return;
    }

    n = ngx_hextoi(text->data, 8);

    if (n != NGX_ERROR) {
        key->hash = n;
        key->keyed = 1;
    }
}


/* the distribution is all that it is for */

static void
ngx_k8s_choice_random(ngx_k8s_choice_key_t *key)
{
    u_char    bytes[NGX_K8S_MD5_LEN / 2];
    uint32_t  words[4];

    words[0] = (uint32_t) ngx_random();
    words[1] = (uint32_t) ngx_random();
    words[2] = (uint32_t) ngx_random();
    words[3] = (uint32_t) ngx_current_msec;

    ngx_memcpy(bytes, words, sizeof(bytes));
    ngx_hex_dump(key->text, bytes, sizeof(bytes));

    key->hash = ngx_k8s_ring_hash(key->text, NGX_K8S_MD5_LEN);
    key->fresh = 1;
}


static void
ngx_k8s_choice_named(ngx_k8s_choice_key_t *key, ngx_k8s_service_rec_t *service,
    ngx_k8s_endpoint_rec_t *endpoint)
{
    u_char  digest[16];

    ngx_k8s_endpoint_digest(service, endpoint, digest);
    ngx_hex_dump(key->text, digest, sizeof(digest));

    key->fresh = 1;
}


static ngx_uint_t
ngx_k8s_choice_tried(ngx_k8s_choice_t *choice, ngx_k8s_peer_t *peer)
{
    uint32_t    hash;
    ngx_uint_t  i;

    if (choice->ntried == 0) {
        return 0;
    }

    hash = ngx_k8s_peer_hash(peer);

    for (i = 0; i < ngx_min(choice->ntried, NGX_K8S_TRIED); i++) {
        if (choice->tried[i] == hash) {
            return 1;
        }
    }

    return 0;
}


/* starts anywhere, so that workers do not go in step */

static uint32_t *
ngx_k8s_cursor(ngx_k8s_cursors_t *cursors, uint32_t slot)
{
    uint32_t    *elts;
    ngx_uint_t   n;

    if (slot >= cursors->n) {

        n = ngx_max(cursors->n * 2, 256);

        while (n <= slot) {
            n *= 2;
        }

        elts = ngx_calloc(n * sizeof(uint32_t), ngx_cycle->log);
        if (elts == NULL) {
            return NULL;
        }

        if (cursors->elts) {
            ngx_memcpy(elts, cursors->elts, cursors->n * sizeof(uint32_t));
            ngx_free(cursors->elts);
        }

        cursors->elts = elts;
        cursors->n = n;
    }

    if (cursors->elts[slot] == 0) {
        cursors->elts[slot] = (uint32_t) ngx_random() | 1;
    }

    return &cursors->elts[slot];
}


void
ngx_k8s_cursors_free(ngx_k8s_cursors_t *cursors)
{
    if (cursors->elts) {
        ngx_free(cursors->elts);
        cursors->elts = NULL;
        cursors->n = 0;
    }
}


ngx_uint_t
ngx_k8s_choice_left(ngx_k8s_choice_t *choice, ngx_k8s_table_t *table,
    ngx_k8s_peer_t *peer)
{
    if (table == NULL || table->version == choice->version) {
        return 0;
    }

    if (ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE, peer->service,
                                peer->generation)
        == NULL)
    {
        /* it went with its last route: as long as the copies are good */

        return ngx_current_msec - choice->copies->start >= NGX_K8S_COPY_TIME;
    }

    return ngx_k8s_peer_usable(table, peer) != NGX_OK;
}


/*
 * Returns its statistics, or NULL: it has none, or table is NULL.  A record
 * that is in the table no more goes without: its number may be another's.
 */

static ngx_k8s_stat_t *
ngx_k8s_peer_copy(ngx_k8s_table_t *table, ngx_k8s_endpoint_rec_t *rec,
    ngx_k8s_peer_t *peer)
{
    ngx_k8s_stat_t  *stat;

    ngx_memcpy(peer->addr, rec->addr, 16);
    peer->port = rec->port;
    peer->family = rec->family;
    peer->reserved = 0;
    peer->stat = rec->stat;

    stat = table ? ngx_k8s_stat(table, rec->stat) : NULL;
    peer->identity = stat ? stat->identity : 0;

    return stat;
}


/* tells the endpoints of a Service apart, the same without statistics */

static uint32_t
ngx_k8s_peer_hash(ngx_k8s_peer_t *peer)
{
    return peer->stat ? peer->stat
                      : ngx_murmur_hash2(peer->addr, 16) ^ peer->port;
}


/* 1 when a connection to it failed, in any worker, a moment ago */

static ngx_uint_t
ngx_k8s_peer_refused(ngx_k8s_stat_t *stat)
{
    ngx_msec_t  refused;

    if (stat == NULL || stat->refused == 0) {
        return 0;
    }

    /* workers' clocks differ a little */

    refused = stat->refused;

    return (ngx_msec_int_t) (ngx_current_msec - refused) < NGX_K8S_LEFT_ALONE;
}


ngx_int_t
ngx_k8s_peer_usable(ngx_k8s_table_t *table, ngx_k8s_peer_t *peer)
{
    ngx_uint_t               i, n;
    ngx_k8s_service_rec_t   *rec;
    ngx_k8s_endpoint_rec_t  *e;

    rec = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE, peer->service,
                                  peer->generation);
    if (rec == NULL) {
        return NGX_DECLINED;
    }

    n = ngx_min(rec->usable, rec->endpoints.n);
    e = ngx_k8s_record_at(rec, rec->endpoints.offset);

    for (i = 0; i < n; i++) {
        if (e[i].port == peer->port
            && e[i].stat == peer->stat
            && e[i].family == peer->family
            && ngx_memcmp(e[i].addr, peer->addr, 16) == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


void
ngx_k8s_peer_note(ngx_k8s_table_t *table, ngx_k8s_peer_t *peer,
    ngx_uint_t failed, ngx_uint_t refused)
{
    ngx_k8s_stat_t  *stat;

    stat = peer->identity ? ngx_k8s_stat(table, peer->stat) : NULL;

    if (stat == NULL || stat->identity != peer->identity) {
        return;
    }

    ngx_k8s_stat_set(stat, failed, refused);
}


void
ngx_k8s_peer_took(ngx_k8s_table_t *table, ngx_k8s_peer_t *peer,
    ngx_msec_t took)
{
    ngx_k8s_stat_t  *stat;

    stat = peer->identity ? ngx_k8s_stat(table, peer->stat) : NULL;

    if (stat && stat->identity == peer->identity) {
        ngx_k8s_ewma_add(&stat->ewma, ngx_current_msec, took);
    }
}


void
ngx_k8s_peer_address(ngx_k8s_peer_t *peer, ngx_k8s_address_t *a)
{
#if (NGX_HAVE_INET6)

    if (peer->family == 6) {
        ngx_memzero(&a->sockaddr, sizeof(struct sockaddr_in6));

        a->sockaddr.sockaddr_in6.sin6_family = AF_INET6;
        a->sockaddr.sockaddr_in6.sin6_port = htons(peer->port);
        ngx_memcpy(&a->sockaddr.sockaddr_in6.sin6_addr, peer->addr, 16);

        a->socklen = sizeof(struct sockaddr_in6);

    } else

#endif

    {
        ngx_memzero(&a->sockaddr, sizeof(struct sockaddr_in));

        a->sockaddr.sockaddr_in.sin_family = AF_INET;
        a->sockaddr.sockaddr_in.sin_port = htons(peer->port);
        ngx_memcpy(&a->sockaddr.sockaddr_in.sin_addr, peer->addr, 4);

        a->socklen = sizeof(struct sockaddr_in);
    }

    a->name.data = a->text;
    a->name.len = (peer->family == 4)
                  ? ngx_k8s_peer_text(a->text, peer)
                  : ngx_sock_ntop(&a->sockaddr.sockaddr, a->socklen, a->text,
                                  NGX_K8S_ADDRESS_LEN, 1);
}


void
ngx_k8s_address_copy(ngx_k8s_address_t *dst, ngx_k8s_address_t *src)
{
    *dst = *src;
    dst->name.data = dst->text;
}


/* of an IPv4 endpoint, as ngx_sock_ntop() at a tenth of the cost */

static size_t
ngx_k8s_peer_text(u_char *text, ngx_k8s_peer_t *peer)
{
    u_char    *p;
    uint32_t   i, n;

    p = text;

    for (i = 0; i < 4; i++) {
        n = peer->addr[i];

        if (n >= 100) {
            *p++ = (u_char) ('0' + n / 100);
            n %= 100;
            *p++ = (u_char) ('0' + n / 10);
            n %= 10;

        } else if (n >= 10) {
            *p++ = (u_char) ('0' + n / 10);
            n %= 10;
        }

        *p++ = (u_char) ('0' + n);
        *p++ = (i < 3) ? '.' : ':';
    }

    return ngx_k8s_port_text(p, peer->port) - text;
}


/* no loop: a division by a constant is a multiplication */

#define ngx_k8s_port_digit(unit)                                              \
    digit = n / (unit);                                                       \
    n -= digit * (unit);                                                      \
    *text++ = (u_char) ('0' + digit)


u_char *
ngx_k8s_port_text(u_char *text, in_port_t port)
{
    uint32_t  n, digit;

    n = port;

    switch ((n >= 10000) + (n >= 1000) + (n >= 100) + (n >= 10)) {

    case 4:
        ngx_k8s_port_digit(10000);
        /* fall through */

    case 3:
        ngx_k8s_port_digit(1000);
        /* fall through */

    case 2:
        ngx_k8s_port_digit(100);
        /* fall through */

    case 1:
        ngx_k8s_port_digit(10);
        /* fall through */

    default:
        *text++ = (u_char) ('0' + n);
    }

    return text;
}
