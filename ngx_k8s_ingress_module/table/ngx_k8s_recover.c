
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A new writer takes a table over, in slices.  The last one may have died at
 * any instruction: what the chains reach and what is sound is kept, all else is
 * free once every pin of that moment has moved on.
 *
 * A bit for each granule tells what is in use: chunks first, then records as
 * the chains are walked; one that lies on another is dropped.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>


#define NGX_K8S_RECOVER_CHAINS       0
#define NGX_K8S_RECOVER_GAPS         1
#define NGX_K8S_RECOVER_SLOTS        2
#define NGX_K8S_RECOVER_SERVICES     3
#define NGX_K8S_RECOVER_STATS        4
#define NGX_K8S_RECOVER_DONE         5

/* what one record, or looking at nothing much, counts */

#define NGX_K8S_RECOVER_RECORD       64
#define NGX_K8S_RECOVER_ENDPOINT     4

/* bytes of a large record that are summed at a time; so many count one */

#define NGX_K8S_RECOVER_PIECE        32768
#define NGX_K8S_RECOVER_BYTES        64


struct ngx_k8s_recover_s {
    ngx_k8s_writer_t        *w;
    ngx_uint_t               phase;      /* NGX_K8S_RECOVER_* */
    uint64_t                *used;       /* a bit for each granule */
    u_char                  *seen;       /* of each slot */
    uint32_t                 nslots;
    ngx_uint_t               dropped;
    uint32_t                 counts[NGX_K8S_INDEXES];

    /* where it stands */
    ngx_uint_t               index;
    ngx_uint_t               bucket;
    uint32_t                *link;       /* in the chain, NULL: at its start */
    size_t                   summed;     /* bytes of its record, 0: none */
    uint32_t                 crc;
    uint32_t                 cursor;     /* slot, or statistic */
    uint32_t                 endpoint;
    size_t                   granule;
    size_t                   gap;        /* where a gap begins, 0: in none */
};


static ngx_int_t ngx_k8s_recover_chunks(ngx_k8s_recover_t *r, uint32_t *chunks,
    uint32_t numbers, ngx_uint_t per_chunk, size_t size);
static ngx_uint_t ngx_k8s_recover_mark(ngx_k8s_recover_t *r, size_t start,
    size_t len);
static ngx_int_t ngx_k8s_recover_chains(ngx_k8s_recover_t *r, ngx_uint_t *n);
static ngx_uint_t ngx_k8s_recover_sum(ngx_k8s_recover_t *r, ngx_uint_t *n);
static ngx_uint_t ngx_k8s_recover_link(ngx_k8s_recover_t *r);
static ngx_uint_t ngx_k8s_recover_valid(ngx_k8s_recover_t *r, uint32_t n,
    ngx_k8s_slot_t *slot);
static ngx_int_t ngx_k8s_recover_gaps(ngx_k8s_recover_t *r, ngx_uint_t *n);
static ngx_int_t ngx_k8s_recover_gap(ngx_k8s_writer_t *w, size_t start,
    size_t end);
static ngx_int_t ngx_k8s_recover_slots(ngx_k8s_recover_t *r, ngx_uint_t *n);
static ngx_int_t ngx_k8s_recover_services(ngx_k8s_recover_t *r,
    ngx_uint_t *n);
static ngx_int_t ngx_k8s_recover_endpoint(ngx_k8s_writer_t *w, uint32_t n);
static ngx_int_t ngx_k8s_recover_stats(ngx_k8s_recover_t *r, ngx_uint_t *n);
static ngx_int_t ngx_k8s_recover_end(ngx_k8s_recover_t *r);


#define ngx_k8s_recover_spend(n, cost)                                        \
    *(n) = (*(n) > (cost)) ? *(n) - (cost) : 0


ngx_int_t
ngx_k8s_recover_begin(ngx_k8s_writer_t *w)
{
    ngx_k8s_table_t    *table;
    ngx_k8s_recover_t  *r;

    table = w->table;

    r = ngx_calloc(sizeof(ngx_k8s_recover_t), w->log);
    if (r == NULL) {
        return NGX_ERROR;
    }

    w->recover = r;

    r->w = w;
    r->nslots = table->nslots;
    r->granule = ngx_k8s_granules(table->heap);

    /* megabytes of zeroes come from the kernel, when they are touched */

    r->seen = calloc(r->nslots, 1);
    r->used = calloc(table->size / NGX_K8S_GRANULE / 64 + 1, sizeof(uint64_t));

    if (r->seen == NULL || r->used == NULL) {
        return NGX_ERROR;
    }

    if (ngx_k8s_recover_chunks(r, table->slots, table->nslots,
                               NGX_K8S_CHUNK_SLOTS, sizeof(ngx_k8s_slot_t))
        != NGX_OK
        || ngx_k8s_recover_chunks(r, table->stats, table->nstats,
                                  NGX_K8S_CHUNK_STATS, sizeof(ngx_k8s_stat_t))
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, w->log, 0,
                      "k8s table: the lists of slots are damaged");
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_k8s_recover_free(ngx_k8s_writer_t *w)
{
    ngx_k8s_recover_t  *r;

    r = w->recover;

    if (r) {
        free(r->seen);
        free(r->used);
        ngx_free(r);

        w->recover = NULL;
    }
}


ngx_int_t
ngx_k8s_recover_run(ngx_k8s_writer_t *w, ngx_uint_t n)
{
    ngx_int_t           rc;
    ngx_k8s_recover_t  *r;

    r = w->recover;

    n *= NGX_K8S_RECOVER_RECORD;
    rc = NGX_OK;

    while (n && rc == NGX_OK) {

        switch (r->phase) {

        case NGX_K8S_RECOVER_CHAINS:
            rc = ngx_k8s_recover_chains(r, &n);
            break;

        case NGX_K8S_RECOVER_GAPS:
            rc = ngx_k8s_recover_gaps(r, &n);
            break;

        case NGX_K8S_RECOVER_SLOTS:
            rc = ngx_k8s_recover_slots(r, &n);
            break;

        case NGX_K8S_RECOVER_SERVICES:
            rc = ngx_k8s_recover_services(r, &n);
            break;

        case NGX_K8S_RECOVER_STATS:
            rc = ngx_k8s_recover_stats(r, &n);
            break;

        default: /* NGX_K8S_RECOVER_DONE */
            return ngx_k8s_recover_end(r);
        }
    }

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_AGAIN;
}


static ngx_int_t
ngx_k8s_recover_chunks(ngx_k8s_recover_t *r, uint32_t *chunks,
    uint32_t numbers, ngx_uint_t per_chunk, size_t size)
{
    size_t             len, offset;
    ngx_uint_t         i, n;
    ngx_k8s_table_t   *table;

    table = r->w->table;

    n = (numbers + per_chunk - 1) / per_chunk;

    if (numbers == 0 || n > NGX_K8S_CHUNKS) {
        return NGX_ERROR;
    }

    len = per_chunk * size;

    for (i = 0; i < NGX_K8S_CHUNKS; i++) {

        if (chunks[i] == 0) {

            if (i < n && numbers > 1) {
                return NGX_ERROR;
            }

            continue;
        }

        offset = (size_t) chunks[i] * NGX_K8S_GRANULE;

        if (offset < table->heap || offset + len > table->size
            || !ngx_k8s_recover_mark(r, chunks[i], ngx_k8s_granules(len)))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* notes that granules are in use, unless one of them is already: 0 */

static ngx_uint_t
ngx_k8s_recover_mark(ngx_k8s_recover_t *r, size_t start, size_t len)
{
    size_t     at, end, stop;
    uint64_t   bits;
    ngx_uint_t set;

    end = start + len;

    for (set = 0; set < 2; set++) {

        for (at = start; at < end; at = stop) {
            stop = ngx_min((at / 64 + 1) * 64, end);

            bits = ~(uint64_t) 0 >> (64 - (stop - at)) << (at % 64);

            if (set) {
                r->used[at / 64] |= bits;

            } else if (r->used[at / 64] & bits) {
                return 0;
            }
        }
    }

    return 1;
}


static ngx_int_t
ngx_k8s_recover_chains(ngx_k8s_recover_t *r, ngx_uint_t *n)
{
    ngx_k8s_table_t  *table;

    table = r->w->table;

    while (*n) {

        if (r->link == NULL) {
            r->link = ngx_k8s_at(table, table->buckets[r->index]);
            r->link += r->bucket;
        }

        if (*r->link && !ngx_k8s_recover_sum(r, n)) {
            continue;
        }

        if (*r->link && ngx_k8s_recover_link(r)) {
            ngx_k8s_recover_spend(n, NGX_K8S_RECOVER_RECORD);
            continue;
        }

        ngx_k8s_recover_spend(n, 1);

        r->link = NULL;

        if (++r->bucket < table->nbuckets[r->index]) {
            continue;
        }

        r->bucket = 0;

        if (++r->index == NGX_K8S_INDEXES) {
            r->phase = NGX_K8S_RECOVER_GAPS;
            break;
        }
    }

    return NGX_OK;
}


/* a piece of the sum of a large record; 1 when it is made, or not needed */

static ngx_uint_t
ngx_k8s_recover_sum(ngx_k8s_recover_t *r, ngx_uint_t *n)
{
    size_t             len;
    ngx_k8s_slot_t    *slot;
    ngx_k8s_record_t  *rec;

    slot = ngx_k8s_slot(r->w->table, *r->link);
    rec = slot ? ngx_k8s_record(r->w->table, slot->record) : NULL;

    if (rec == NULL || r->seen[*r->link] || rec->size > NGX_K8S_RECORD_MAX
        || rec->size <= NGX_K8S_RECOVER_PIECE)
    {
        r->summed = 0;
        return 1;
    }

    if (r->summed == 0) {
        r->summed = offsetof(ngx_k8s_record_t, type);
        ngx_crc32_init(r->crc);
    }

    len = ngx_min(rec->size - r->summed, NGX_K8S_RECOVER_PIECE);

    if (len == 0) {
        return 1;
    }

    ngx_crc32_update(&r->crc, (u_char *) rec + r->summed, len);

    r->summed += len;

    ngx_k8s_recover_spend(n, len / NGX_K8S_RECOVER_BYTES);

    return 0;
}


/* keeps or drops what r->link names; 0 when the chain ends here */

static ngx_uint_t
ngx_k8s_recover_link(ngx_k8s_recover_t *r)
{
    uint32_t           n;
    ngx_k8s_slot_t    *slot;
    ngx_k8s_record_t  *rec;

    n = *r->link;
    slot = ngx_k8s_slot(r->w->table, n);

    if (slot == NULL || r->seen[n]) {
        ngx_log_error(NGX_LOG_ERR, r->w->log, 0,
                      "k8s table: chain %ui of index %ui is damaged",
                      r->bucket, r->index);
        ngx_k8s_store(r->link, 0);
        r->dropped++;

        return 0;
    }

    if (!ngx_k8s_recover_valid(r, n, slot)) {
        ngx_k8s_store(r->link, slot->next);
        return 1;
    }

    rec = ngx_k8s_record(r->w->table, slot->record);

    if (!ngx_k8s_recover_mark(r, slot->record, rec->size / NGX_K8S_GRANULE)) {
        ngx_log_error(NGX_LOG_ERR, r->w->log, 0,
                      "k8s table: record of slot %uD overlaps another one", n);
        ngx_k8s_store(r->link, slot->next);
        r->dropped++;

        return 1;
    }

    r->seen[n] = 1;
    r->counts[r->index]++;

    if (r->index == NGX_K8S_INDEX_PROBLEM) {
        r->w->problems += rec->size / NGX_K8S_GRANULE;
    }

    r->link = &slot->next;

    return 1;
}


static ngx_uint_t
ngx_k8s_recover_valid(ngx_k8s_recover_t *r, uint32_t n, ngx_k8s_slot_t *slot)
{
    uint32_t           crc;
    ngx_uint_t         summed;
    ngx_k8s_table_t   *table;
    ngx_k8s_record_t  *rec;

    table = r->w->table;

    rec = ngx_k8s_record(table, slot->record);

    crc = r->crc;
    ngx_crc32_final(crc);

    summed = (rec && r->summed && r->summed == rec->size);
    r->summed = 0;

    if (rec
        && rec->type == r->index
        && (slot->hash & (table->nbuckets[r->index] - 1)) == r->bucket
        && slot->generation
        && (summed ? (crc == rec->crc
                      && rec->size % NGX_K8S_GRANULE == 0
                      && ngx_k8s_record_inside(rec, rec->size) == NGX_OK)
                   : ngx_k8s_record_verify(rec, rec->size) == NGX_OK)
        && ngx_k8s_hash(ngx_k8s_record_at(rec, rec->key.offset), rec->key.len)
           == slot->hash)
    {
        return 1;
    }

    /* the last writer died between the two stores of a removal */

    if (slot->record) {
        ngx_log_error(NGX_LOG_ERR, r->w->log, 0,
                      "k8s table: record of slot %uD of index %ui is damaged",
                      n, r->index);
        r->dropped++;
    }

    return 0;
}


static ngx_int_t
ngx_k8s_recover_gaps(ngx_k8s_recover_t *r, ngx_uint_t *n)
{
    size_t    end, at;
    uint64_t  used;

    end = r->w->table->size / NGX_K8S_GRANULE;

    while (*n && r->granule < end) {

        at = r->granule;
        used = r->used[at / 64];

        ngx_k8s_recover_spend(n, 1);

        /* most words are all of one kind */

        if (at % 64 == 0 && at + 64 <= end
            && ((used == 0 && r->gap) || (~used == 0 && r->gap == 0)))
        {
            r->granule += 64;
            continue;
        }

        r->granule++;

        if (used & ((uint64_t) 1 << (at % 64))) {

            if (r->gap && ngx_k8s_recover_gap(r->w, r->gap, at) != NGX_OK) {
                return NGX_ERROR;
            }

            r->gap = 0;

        } else if (r->gap == 0) {
            r->gap = at;
        }
    }

    if (r->granule < end) {
        return NGX_OK;
    }

    if (r->gap && ngx_k8s_recover_gap(r->w, r->gap, end) != NGX_OK) {
        return NGX_ERROR;
    }

    r->cursor = 1;
    r->phase = NGX_K8S_RECOVER_SLOTS;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_recover_gap(ngx_k8s_writer_t *w, size_t start, size_t end)
{
    ngx_k8s_extent_t  *e;

    e = ngx_k8s_extent_new(&w->alloc);
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->start = start;
    e->len = end - start;

    ngx_k8s_writer_retire(w, e);

    return NGX_OK;
}


/* slots that no chain reaches: a reader may still stand on one */

static ngx_int_t
ngx_k8s_recover_slots(ngx_k8s_recover_t *r, ngx_uint_t *n)
{
    ngx_k8s_slot_t    *slot;
    ngx_k8s_writer_t  *w;

    w = r->w;

    for ( /* void */ ; *n && r->cursor < r->nslots; r->cursor++) {

        ngx_k8s_recover_spend(n, 1);

        if (r->seen[r->cursor]) {
            continue;
        }

        slot = ngx_k8s_slot(w->table, r->cursor);
        ngx_k8s_store(&slot->record, 0);

        ngx_k8s_chain_put(w, &w->limbo_slots, r->cursor);
    }

    if (r->cursor == r->nslots) {
        r->cursor = 0;
        r->phase = NGX_K8S_RECOVER_SERVICES;
    }

    return NGX_OK;
}


/* references to statistics */

static ngx_int_t
ngx_k8s_recover_services(ngx_k8s_recover_t *r, ngx_uint_t *n)
{
    ngx_k8s_writer_t        *w;
    ngx_k8s_endpoint_rec_t  *endpoint;
    ngx_k8s_service_rec_t   *service;

    w = r->w;

    while (*n && r->cursor < r->nslots) {

        service = ngx_k8s_slot_record(w->table, NGX_K8S_INDEX_SERVICE,
                                      r->cursor);

        if (service == NULL || r->endpoint == service->endpoints.n) {
            ngx_k8s_recover_spend(n, 1);
            r->endpoint = 0;
            r->cursor++;
            continue;
        }

        ngx_k8s_recover_spend(n, NGX_K8S_RECOVER_ENDPOINT);

        endpoint = ngx_k8s_record_at(service, service->endpoints.offset);

        if (ngx_k8s_recover_endpoint(w, endpoint[r->endpoint].stat) != NGX_OK) {
            return NGX_ERROR;
        }

        r->endpoint++;
    }

    if (r->cursor == r->nslots) {
        r->cursor = 1;
        r->phase = NGX_K8S_RECOVER_STATS;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_recover_endpoint(ngx_k8s_writer_t *w, uint32_t n)
{
    ngx_k8s_stat_t       *stat;
    ngx_k8s_stat_node_t  *node;

    stat = ngx_k8s_stat(w->table, n);

    if (stat == NULL || stat->identity == 0) {
        return NGX_OK;
    }

    node = ngx_k8s_stat_find(w, stat->identity);

    if (node == NULL) {
        node = ngx_k8s_stat_add(w, stat->identity, n);
        if (node == NULL) {
            return NGX_ERROR;
        }
    }

    if (node->stat == n) {
        node->refs++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_recover_stats(ngx_k8s_recover_t *r, ngx_uint_t *n)
{
    ngx_k8s_stat_t       *stat;
    ngx_k8s_extent_t     *e;
    ngx_k8s_writer_t     *w;
    ngx_k8s_stat_node_t  *node;

    w = r->w;

    for ( /* void */ ; *n && r->cursor < w->table->nstats; r->cursor++) {

        ngx_k8s_recover_spend(n, NGX_K8S_RECOVER_ENDPOINT);

        stat = ngx_k8s_stat(w->table, r->cursor);

        node = stat->identity ? ngx_k8s_stat_find(w, stat->identity) : NULL;

        if (node && node->stat == r->cursor) {
            continue;
        }

        ngx_k8s_store(&stat->identity, 0);

        ngx_k8s_chain_put(w, &w->limbo_stats, r->cursor);
    }

    if (r->cursor < w->table->nstats) {
        return NGX_OK;
    }

    r->phase = NGX_K8S_RECOVER_DONE;

    if (w->limbo_slots.first == 0 && w->limbo_stats.first == 0) {
        return NGX_OK;
    }

    e = ngx_k8s_extent_new(&w->alloc);
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->limbo = 1;

    ngx_k8s_writer_retire(w, e);

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_recover_end(ngx_k8s_recover_t *r)
{
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;

    w = r->w;
    table = w->table;

    if (r->dropped) {
        ngx_log_error(NGX_LOG_ERR, w->log, 0,
                      "k8s table: %ui damaged records were dropped",
                      r->dropped);
    }

    ngx_memcpy(table->counts, r->counts, sizeof(table->counts));

    ngx_k8s_recover_free(w);

    table->reloads++;
    table->writer_pid = ngx_pid;

    ngx_k8s_writer_publish(w);

    return NGX_OK;
}
