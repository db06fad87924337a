
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>
#include <ngx_k8s_type.h>


static ngx_uint_t ngx_k8s_writer_same(ngx_k8s_record_t *old,
    ngx_k8s_record_t *rec, size_t len);
static void ngx_k8s_writer_changed(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec);
static void ngx_k8s_writer_global(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec,
    ngx_uint_t there);
static size_t ngx_k8s_writer_need(ngx_k8s_writer_t *w, ngx_uint_t type,
    uint32_t len, uint32_t old, ngx_uint_t kind);
static size_t ngx_k8s_writer_keep(ngx_k8s_writer_t *w, ngx_uint_t type,
    uint32_t old, ngx_uint_t kind);
static uint32_t ngx_k8s_writer_slot(ngx_k8s_writer_t *w, ngx_uint_t type,
    ngx_uint_t kind);
static void ngx_k8s_writer_link(ngx_k8s_writer_t *w, uint32_t n,
    ngx_k8s_record_t *rec, uint32_t hash, uint32_t start);
static void ngx_k8s_writer_unlink(ngx_k8s_writer_t *w, uint32_t n,
    ngx_uint_t index);


uint32_t
ngx_k8s_writer_put(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec, size_t len,
    ngx_uint_t kind)
{
    uint32_t           n;
    ngx_k8s_extent_t  *e;

    e = ngx_k8s_writer_place(w, rec, len, kind, &n);

    if (e == NULL) {
        return n;
    }

    ngx_memcpy(ngx_k8s_at(w->table, (size_t) e->start * NGX_K8S_GRANULE), rec,
               len);

    return ngx_k8s_writer_put_placed(w, rec, len, kind, e);
}


ngx_k8s_extent_t *
ngx_k8s_writer_place(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec, size_t len,
    ngx_uint_t kind, uint32_t *slot)
{
    size_t             need, keep;
    uint32_t           granules, was;
    ngx_k8s_extent_t  *e;
    ngx_k8s_record_t  *old;

    *slot = 0;

    w->missing = 0;
    w->later = 0;

    if (len > NGX_K8S_RECORD_MAX
        || ngx_k8s_record_inside(rec, len) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, w->log, 0,
                      "k8s table: record of %uz bytes refused", len);
        return NULL;
    }

    old = ngx_k8s_table_find(w->table, rec->type,
                             ngx_k8s_record_at(rec, rec->key.offset),
                             rec->key.len, slot);

    if (old && ngx_k8s_writer_same(old, rec, len)) {
        ngx_k8s_writer_global(w, rec, 1);
        return NULL;
    }

    *slot = 0;

    granules = ngx_k8s_granules(len);
    was = old ? old->size / NGX_K8S_GRANULE : 0;

    need = ngx_k8s_writer_need(w, rec->type, granules, was, kind);
    if (need == 0) {
        return NULL;
    }

    e = ngx_k8s_extent_new(&w->alloc);
    if (e == NULL) {
        return NULL;
    }

    keep = ngx_k8s_writer_keep(w, rec->type, was, kind);

    e->start = ngx_k8s_writer_take(w, granules, need, keep, 0);
    e->len = granules;

    if (e->start == 0) {
        ngx_k8s_extent_drop(&w->alloc, e);
        return NULL;
    }

    return e;
}


uint32_t
ngx_k8s_writer_put_placed(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec,
    size_t len, ngx_uint_t kind, ngx_k8s_extent_t *e)
{
    u_char            *key;
    uint32_t           n, start, was;
    ngx_k8s_slot_t    *slot;
    ngx_k8s_record_t  *old, *dst;

    key = ngx_k8s_record_at(rec, rec->key.offset);

    n = 0;
    old = ngx_k8s_table_find(w->table, rec->type, key, rec->key.len, &n);
    was = old ? old->size / NGX_K8S_GRANULE : 0;

    if (old == NULL) {
        n = ngx_k8s_writer_slot(w, rec->type, kind);

        if (n == 0) {
            ngx_k8s_free(&w->alloc, e);
            return 0;
        }
    }

    start = e->start;
    dst = ngx_k8s_at(w->table, (size_t) start * NGX_K8S_GRANULE);

    dst->size = e->len * NGX_K8S_GRANULE;

    ngx_memzero((u_char *) dst + len, dst->size - len);

    if (kind == NGX_K8S_WRITE_SUMMED) {
        dst->crc = rec->crc;
        ngx_crc32_update(&dst->crc, (u_char *) dst + rec->size,
                         dst->size - rec->size);
        ngx_crc32_final(dst->crc);

    } else {
        dst->crc = ngx_k8s_record_crc(dst, dst->size, dst->size);
    }

    ngx_k8s_writer_changed(w, dst);

    w->taken += e->len;

    if (rec->type == NGX_K8S_INDEX_PROBLEM) {
        w->problems += (size_t) e->len - was;
    }

    if (old == NULL) {
        ngx_k8s_extent_drop(&w->alloc, e);
        ngx_k8s_writer_link(w, n, dst, ngx_k8s_hash(key, rec->key.len), start);
        ngx_k8s_writer_global(w, rec, 1);

        return n;
    }

    slot = ngx_k8s_slot(w->table, n);

    e->start = slot->record;
    e->len = was;

    ngx_k8s_writer_show(w, slot, start);
    ngx_k8s_writer_global(w, rec, 1);

    ngx_k8s_writer_retire(w, e);

    return n;
}


/* tells readers, in a word, that there is another policy of the ConfigMap */

static void
ngx_k8s_writer_global(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec,
    ngx_uint_t there)
{
    ngx_k8s_policy_t  *policy;

    policy = (ngx_k8s_policy_t *) rec;

    if (rec->type != NGX_K8S_INDEX_POLICY
        || policy->kind != NGX_K8S_POLICY_GLOBAL)
    {
        return;
    }

    ngx_memory_barrier();

    w->table->global = there ? ngx_k8s_policy_version(policy) : 0;
}


/*
 * How many granules have to be free for a record: those of the copy, and where
 * it grows, or is new, the reserve as well beside what it grows by, so that the
 * reserve is there for the next copies.  Problems grow within a share of their
 * own.  0: it cannot be; w->missing is set.
 */

static size_t
ngx_k8s_writer_need(ngx_k8s_writer_t *w, ngx_uint_t type, uint32_t len,
    uint32_t old, ngx_uint_t kind)
{
    size_t  problems;

    if (len <= old || kind == NGX_K8S_WRITE_OWN) {
        return len;
    }

    if (type == NGX_K8S_INDEX_PROBLEM) {
        problems = w->problems - old + len;

        if (problems <= w->share) {
            return len;
        }

        w->missing = (problems - w->share) * NGX_K8S_GRANULE;

        return 0;
    }

    /* what is kept in one piece has to hold a copy */

    if (len > w->largest) {
        w->missing = (len - w->largest) * NGX_K8S_GRANULE;
        return 0;
    }

    return ngx_k8s_writer_floor(w) + len - old;
}


/*
 * How many granules have to stay in one piece: those of the largest record, so
 * that all records can be moved, and for what is new one more, for the next
 * copy of such a record.
 */

static size_t
ngx_k8s_writer_keep(ngx_k8s_writer_t *w, ngx_uint_t type, uint32_t old,
    ngx_uint_t kind)
{
    if (kind == NGX_K8S_WRITE_OWN) {
        return 0;
    }

    if (old || type == NGX_K8S_INDEX_PROBLEM) {
        return w->largest;
    }

    return 2 * w->largest;
}


static ngx_uint_t
ngx_k8s_writer_same(ngx_k8s_record_t *old, ngx_k8s_record_t *rec, size_t len)
{
    size_t   skip, i;
    u_char  *p;

    if (old->size != ngx_k8s_granules(len) * NGX_K8S_GRANULE) {
        return 0;
    }

    skip = offsetof(ngx_k8s_record_t, type);
    p = (u_char *) old;

    if (ngx_memcmp(p + skip, (u_char *) rec + skip, len - skip) != 0) {
        return 0;
    }

    for (i = len; i < old->size; i++) {
        if (p[i] != 0) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_k8s_writer_changed(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec)
{
    w->table->changes++;

    if (ngx_k8s_record_lasts(rec)) {
        w->table->lasting++;
    }
}


ngx_uint_t
ngx_k8s_record_lasts(ngx_k8s_record_t *rec)
{
    u_char  *key;

    if (rec->type == NGX_K8S_INDEX_PROBLEM) {
        key = ngx_k8s_record_at(rec, rec->key.offset);

        return rec->key.len < 2
               || key[rec->key.len - 1] != '\0'
               || key[rec->key.len - 2] != '\0';
    }

    return ngx_k8s_record_types[rec->type].lasting;
}


/* a slot that no reader knows: a free one, or the next number */

static uint32_t
ngx_k8s_writer_slot(ngx_k8s_writer_t *w, ngx_uint_t type, ngx_uint_t kind)
{
    size_t            size, need;
    uint32_t          n, start, granules;
    ngx_k8s_table_t  *table;

    n = ngx_k8s_chain_take(w, &w->slots);

    if (n) {
        return n;
    }

    table = w->table;
    n = table->nslots;

    if (n / NGX_K8S_CHUNK_SLOTS >= NGX_K8S_CHUNKS) {
        ngx_log_error(NGX_LOG_ERR, w->log, 0, "k8s table: no more slots");
        return 0;
    }

    if (table->slots[n / NGX_K8S_CHUNK_SLOTS] == 0) {
        size = NGX_K8S_CHUNK_SLOTS * sizeof(ngx_k8s_slot_t);

        granules = ngx_k8s_granules(size);

        need = ngx_k8s_writer_need(w, type, granules, 0, kind);
        if (need == 0) {
            return 0;
        }

        start = ngx_k8s_writer_take(w, granules, need,
                                    ngx_k8s_writer_keep(w, type, 0, kind), 1);
        if (start == 0) {
            return 0;
        }

        if (type == NGX_K8S_INDEX_PROBLEM) {
            w->problems += granules;
        }

        ngx_memzero(ngx_k8s_at(table, (size_t) start * NGX_K8S_GRANULE), size);

        ngx_k8s_store(&table->slots[n / NGX_K8S_CHUNK_SLOTS], start);
    }

    ngx_k8s_store(&table->nslots, n + 1);

    return n;
}


static void
ngx_k8s_writer_link(ngx_k8s_writer_t *w, uint32_t n, ngx_k8s_record_t *rec,
    uint32_t hash, uint32_t start)
{
    uint32_t         *bucket;
    ngx_k8s_slot_t   *slot;
    ngx_k8s_table_t  *table;

    table = w->table;
    slot = ngx_k8s_slot(table, n);

    bucket = ngx_k8s_at(table, table->buckets[rec->type]);
    bucket += hash & (table->nbuckets[rec->type] - 1);

    if (++slot->generation == 0) {
        slot->generation = 1;
    }

    slot->hash = hash;
    slot->next = *bucket;

    ngx_k8s_writer_show(w, slot, start);
    ngx_k8s_store(bucket, n);

    table->counts[rec->type]++;
}


void
ngx_k8s_writer_remove(ngx_k8s_writer_t *w, uint32_t n)
{
    ngx_k8s_slot_t    *slot;
    ngx_k8s_table_t   *table;
    ngx_k8s_extent_t  *e;
    ngx_k8s_record_t  *rec;

    table = w->table;
    slot = ngx_k8s_slot(table, n);

    if (slot == NULL || slot->record == 0) {
        return;
    }

    rec = ngx_k8s_record(table, slot->record);

    if (rec == NULL) {
        return;
    }

    ngx_k8s_writer_global(w, rec, 0);
    ngx_k8s_writer_unlink(w, n, rec->type);

    e = ngx_k8s_extent_new(&w->alloc);

    ngx_k8s_writer_changed(w, rec);

    if (rec->type == NGX_K8S_INDEX_PROBLEM) {
        w->problems -= rec->size / NGX_K8S_GRANULE;
    }

    /* a reader that stands on the slot goes on by its "next" */

    if (e == NULL) {
        ngx_k8s_writer_show(w, slot, slot->record | NGX_K8S_SLOT_LOST);
        ngx_k8s_chain_put(w, &w->lost_slots, n);
        return;
    }

    e->start = slot->record;
    e->len = rec->size / NGX_K8S_GRANULE;
    e->slot = n;

    ngx_k8s_writer_show(w, slot, 0);
    ngx_k8s_writer_retire(w, e);
}


/* takes a slot out of its bucket's chain with one store */

static void
ngx_k8s_writer_unlink(ngx_k8s_writer_t *w, uint32_t n, ngx_uint_t index)
{
    uint32_t         *link, steps;
    ngx_k8s_slot_t   *slot, *at;
    ngx_k8s_table_t  *table;

    table = w->table;
    slot = ngx_k8s_slot(table, n);

    link = ngx_k8s_at(table, table->buckets[index]);
    link += slot->hash & (table->nbuckets[index] - 1);

    for (steps = table->nslots; *link != n && steps; steps--) {
        at = ngx_k8s_slot(table, *link);

        if (at == NULL) {
            break;
        }

        link = &at->next;
    }

    if (*link == n) {
        ngx_k8s_store(link, slot->next);
    }

    table->counts[index]--;
}
