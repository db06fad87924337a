
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A new writer takes a table over.  The last one may have died at any
 * instruction: what the chains reach and what is sound is kept, all else is
 * free once every pin of this moment has moved on.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>


/* granules in use; slot 0: a chunk */

typedef struct {
    uint32_t                 start;
    uint32_t                 len;
    uint32_t                 slot;
} ngx_k8s_mark_t;


typedef struct {
    ngx_k8s_writer_t        *w;
    ngx_k8s_mark_t          *marks;
    ngx_uint_t               nmarks;
    u_char                  *seen;       /* of each slot */
    ngx_uint_t               dropped;
} ngx_k8s_recover_t;


static ngx_int_t ngx_k8s_recover_chunks(ngx_k8s_recover_t *r, uint32_t *chunks,
    uint32_t numbers, ngx_uint_t per_chunk, size_t size);
static void ngx_k8s_recover_chain(ngx_k8s_recover_t *r, ngx_uint_t index,
    ngx_uint_t bucket);
static ngx_uint_t ngx_k8s_recover_valid(ngx_k8s_recover_t *r, ngx_uint_t index,
    ngx_uint_t bucket, uint32_t n, ngx_k8s_slot_t *slot);
static int ngx_libc_cdecl ngx_k8s_recover_cmp(const void *one, const void *two);
static ngx_int_t ngx_k8s_recover_gaps(ngx_k8s_recover_t *r);
static void ngx_k8s_recover_drop(ngx_k8s_recover_t *r, uint32_t n);
static ngx_int_t ngx_k8s_recover_gap(ngx_k8s_writer_t *w, size_t start,
    size_t end);
static ngx_int_t ngx_k8s_recover_slots(ngx_k8s_recover_t *r);
static ngx_int_t ngx_k8s_recover_stats(ngx_k8s_writer_t *w);
static ngx_int_t ngx_k8s_recover_service(ngx_k8s_writer_t *w,
    ngx_k8s_service_rec_t *service);


ngx_int_t
ngx_k8s_writer_recover(ngx_k8s_writer_t *w)
{
    ngx_int_t           rc;
    ngx_uint_t          i, n;
    ngx_k8s_table_t    *table;
    ngx_k8s_recover_t   r;

    table = w->table;

    ngx_memzero(&r, sizeof(ngx_k8s_recover_t));
    r.w = w;

    rc = NGX_ERROR;

    r.seen = ngx_calloc(table->nslots, w->log);
    if (r.seen == NULL) {
        goto done;
    }

    n = table->nslots + 2 * NGX_K8S_CHUNKS;

    r.marks = ngx_alloc(n * sizeof(ngx_k8s_mark_t), w->log);
    if (r.marks == NULL) {
        goto done;
    }

    if (ngx_k8s_recover_chunks(&r, table->slots, table->nslots,
                               NGX_K8S_CHUNK_SLOTS, sizeof(ngx_k8s_slot_t))
        != NGX_OK
        || ngx_k8s_recover_chunks(&r, table->stats, table->nstats,
                                  NGX_K8S_CHUNK_STATS, sizeof(ngx_k8s_stat_t))
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, w->log, 0,
                      "k8s table: the lists of slots are damaged");
        goto done;
    }

    ngx_memzero(table->counts, sizeof(table->counts));

    for (i = 0; i < NGX_K8S_INDEXES; i++) {
        for (n = 0; n < table->nbuckets; n++) {
            ngx_k8s_recover_chain(&r, i, n);
        }
    }

    if (ngx_k8s_recover_gaps(&r) != NGX_OK
        || ngx_k8s_recover_slots(&r) != NGX_OK
        || ngx_k8s_recover_stats(w) != NGX_OK)
    {
        goto done;
    }

    if (r.dropped) {
        ngx_log_error(NGX_LOG_ERR, w->log, 0,
                      "k8s table: %ui damaged records were dropped", r.dropped);
    }

    rc = NGX_OK;

done:

    ngx_free(r.seen);
    ngx_free(r.marks);

    return rc;
}


static ngx_int_t
ngx_k8s_recover_chunks(ngx_k8s_recover_t *r, uint32_t *chunks,
    uint32_t numbers, ngx_uint_t per_chunk, size_t size)
{
    size_t             len, offset;
    ngx_uint_t         i, n;
    ngx_k8s_mark_t    *mark;
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

        if (offset < table->heap || offset + len > table->size) {
            return NGX_ERROR;
        }

        mark = &r->marks[r->nmarks++];

        mark->start = chunks[i];
        mark->len = ngx_k8s_granules(len);
        mark->slot = 0;
    }

    return NGX_OK;
}


static void
ngx_k8s_recover_chain(ngx_k8s_recover_t *r, ngx_uint_t index,
    ngx_uint_t bucket)
{
    uint32_t           n, *link;
    ngx_k8s_mark_t    *mark;
    ngx_k8s_slot_t    *slot;
    ngx_k8s_table_t   *table;
    ngx_k8s_record_t  *rec;

    table = r->w->table;

    link = ngx_k8s_at(table, table->buckets[index]);
    link += bucket;

    while (*link) {
        n = *link;
        slot = ngx_k8s_slot(table, n);

        if (slot == NULL || r->seen[n]) {
            ngx_log_error(NGX_LOG_ERR, r->w->log, 0,
                          "k8s table: chain %ui of index %ui is damaged",
                          bucket, index);
            ngx_k8s_store(link, 0);
            r->dropped++;
            return;
        }

        if (!ngx_k8s_recover_valid(r, index, bucket, n, slot)) {
            ngx_k8s_store(link, slot->next);
            continue;
        }

        rec = ngx_k8s_record(table, slot->record);

        mark = &r->marks[r->nmarks++];

        mark->start = slot->record;
        mark->len = rec->size / NGX_K8S_GRANULE;
        mark->slot = n;

        r->seen[n] = 1;
        table->counts[index]++;

        link = &slot->next;
    }
}


static ngx_uint_t
ngx_k8s_recover_valid(ngx_k8s_recover_t *r, ngx_uint_t index,
    ngx_uint_t bucket, uint32_t n, ngx_k8s_slot_t *slot)
{
    ngx_k8s_table_t   *table;
    ngx_k8s_record_t  *rec;

    table = r->w->table;

    rec = ngx_k8s_record(table, slot->record);

    if (rec
        && rec->type == index
        && (slot->hash & (table->nbuckets - 1)) == bucket
        && slot->generation
        && ngx_k8s_record_verify(rec, rec->size) == NGX_OK
        && ngx_k8s_hash(ngx_k8s_record_at(rec, rec->key.offset), rec->key.len)
           == slot->hash)
    {
        return 1;
    }

    /* the last writer died between the two stores of a removal */

    if (slot->record) {
        ngx_log_error(NGX_LOG_ERR, r->w->log, 0,
                      "k8s table: record of slot %uD of index %ui is damaged",
                      n, index);
        r->dropped++;
    }

    return 0;
}


static int ngx_libc_cdecl
ngx_k8s_recover_cmp(const void *one, const void *two)
{
    const ngx_k8s_mark_t  *a = one, *b = two;

    if (a->start != b->start) {
        return (a->start < b->start) ? -1 : 1;
    }

    /* a chunk before a record that lies on it */

    return (a->slot < b->slot) ? -1 : 1;
}


static ngx_int_t
ngx_k8s_recover_gaps(ngx_k8s_recover_t *r)
{
    size_t             end;
    ngx_uint_t         i;
    ngx_k8s_mark_t    *mark;
    ngx_k8s_writer_t  *w;

    w = r->w;

    ngx_qsort(r->marks, r->nmarks, sizeof(ngx_k8s_mark_t), ngx_k8s_recover_cmp);

    end = ngx_k8s_granules(w->table->heap);

    for (i = 0; i < r->nmarks; i++) {
        mark = &r->marks[i];

        if (mark->start < end) {
            ngx_log_error(NGX_LOG_ERR, w->log, 0,
                          "k8s table: record of slot %uD overlaps another one",
                          mark->slot);

            if (mark->slot == 0) {
                return NGX_ERROR;
            }

            ngx_k8s_recover_drop(r, mark->slot);
            continue;
        }

        if (ngx_k8s_recover_gap(w, end, mark->start) != NGX_OK) {
            return NGX_ERROR;
        }

        end = (size_t) mark->start + mark->len;
    }

    return ngx_k8s_recover_gap(w, end, w->table->size / NGX_K8S_GRANULE);
}


static void
ngx_k8s_recover_drop(ngx_k8s_recover_t *r, uint32_t n)
{
    ngx_k8s_slot_t    *slot;
    ngx_k8s_record_t  *rec;

    slot = ngx_k8s_slot(r->w->table, n);
    rec = ngx_k8s_record(r->w->table, slot->record);

    ngx_k8s_writer_unlink(r->w, n, rec->type);

    r->seen[n] = 0;
    r->dropped++;
}


static ngx_int_t
ngx_k8s_recover_gap(ngx_k8s_writer_t *w, size_t start, size_t end)
{
    ngx_k8s_extent_t  *e;

    if (start == end) {
        return NGX_OK;
    }

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
ngx_k8s_recover_slots(ngx_k8s_recover_t *r)
{
    uint32_t           n;
    ngx_k8s_slot_t    *slot;
    ngx_k8s_writer_t  *w;

    w = r->w;

    for (n = 1; n < w->table->nslots; n++) {

        if (r->seen[n]) {
            continue;
        }

        slot = ngx_k8s_slot(w->table, n);
        ngx_k8s_store(&slot->record, 0);

        if (ngx_k8s_numbers_push(w, &w->limbo_slots, n) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_recover_stats(ngx_k8s_writer_t *w)
{
    uint32_t                n, cursor;
    ngx_k8s_stat_t         *stat;
    ngx_k8s_extent_t       *e;
    ngx_k8s_stat_node_t    *node;
    ngx_k8s_service_rec_t  *service;

    cursor = 0;

    while ((service = ngx_k8s_table_next(w->table, NGX_K8S_INDEX_SERVICE,
                                         &cursor)))
    {
        if (ngx_k8s_recover_service(w, service) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (n = 1; n < w->table->nstats; n++) {
        stat = ngx_k8s_stat(w->table, n);

        node = stat->identity ? ngx_k8s_stat_find(w, stat->identity) : NULL;

        if (node && node->stat == n) {
            continue;
        }

        ngx_k8s_store(&stat->identity, 0);

        if (ngx_k8s_numbers_push(w, &w->limbo_stats, n) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (w->limbo_slots.n == 0 && w->limbo_stats.n == 0) {
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
ngx_k8s_recover_service(ngx_k8s_writer_t *w, ngx_k8s_service_rec_t *service)
{
    uint32_t                 i;
    ngx_k8s_stat_t          *stat;
    ngx_k8s_stat_node_t     *node;
    ngx_k8s_endpoint_rec_t  *endpoint;

    endpoint = ngx_k8s_record_at(service, service->endpoints.offset);

    for (i = 0; i < service->endpoints.n; i++) {
        stat = ngx_k8s_stat(w->table, endpoint[i].stat);

        if (stat == NULL || stat->identity == 0) {
            continue;
        }

        node = ngx_k8s_stat_find(w, stat->identity);

        if (node == NULL) {
            node = ngx_k8s_stat_add(w, stat->identity, endpoint[i].stat);
            if (node == NULL) {
                return NGX_ERROR;
            }
        }

        if (node->stat == endpoint[i].stat) {
            node->refs++;
        }
    }

    return NGX_OK;
}
