
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>
#include <ngx_k8s_type.h>


#define NGX_K8S_SWEEP_CELLS          8192    /* of one publish */
#define NGX_K8S_OPEN_RECORDS         65536   /* of one slice */


static ngx_uint_t ngx_k8s_writer_same(ngx_k8s_record_t *old,
    ngx_k8s_record_t *rec, size_t len);
static void ngx_k8s_writer_changed(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec);
static size_t ngx_k8s_writer_need(ngx_k8s_writer_t *w, ngx_uint_t type,
    uint32_t len, uint32_t old, ngx_uint_t kind);
static uint32_t ngx_k8s_writer_slot(ngx_k8s_writer_t *w, ngx_uint_t type,
    ngx_uint_t kind);
static void ngx_k8s_writer_link(ngx_k8s_writer_t *w, uint32_t n,
    ngx_k8s_record_t *rec, uint32_t hash, uint32_t start);
static ngx_atomic_uint_t ngx_k8s_writer_pinned(ngx_k8s_writer_t *w);
static void ngx_k8s_writer_reclaim(ngx_k8s_writer_t *w, ngx_k8s_extent_t *e);
static void ngx_k8s_writer_limbo(ngx_k8s_writer_t *w);
static void ngx_k8s_writer_dead(ngx_k8s_writer_t *w, uint32_t n);
static void ngx_k8s_writer_sweep(ngx_k8s_writer_t *w);


ngx_k8s_writer_t *
ngx_k8s_writer_open(ngx_k8s_table_t *table, ngx_fd_t fd, ngx_log_t *log)
{
    ngx_int_t          rc;
    ngx_k8s_writer_t  *w;

    w = ngx_k8s_writer_begin(table, fd, log);
    if (w == NULL) {
        return NULL;
    }

    do {
        rc = ngx_k8s_writer_continue(w, NGX_K8S_OPEN_RECORDS);
    } while (rc == NGX_AGAIN);

    if (rc != NGX_OK) {
        ngx_k8s_writer_close(w);
        return NULL;
    }

    return w;
}


ngx_k8s_writer_t *
ngx_k8s_writer_begin(ngx_k8s_table_t *table, ngx_fd_t fd, ngx_log_t *log)
{
    ngx_k8s_writer_t  *w;

    w = ngx_calloc(sizeof(ngx_k8s_writer_t), log);
    if (w == NULL) {
        return NULL;
    }

    w->table = table;
    w->fd = fd;
    w->log = log;
    w->last = &w->retired;

    w->total = (table->size - table->heap) / NGX_K8S_GRANULE;
    w->reserve = w->total / 10;
    w->share = w->total / 32;

    ngx_k8s_alloc_init(&w->alloc, log);
    ngx_rbtree_init(&w->refs, &w->sentinel, ngx_rbtree_insert_value);

    if (ngx_k8s_recover_begin(w) != NGX_OK) {
        ngx_k8s_writer_close(w);
        return NULL;
    }

    return w;
}


ngx_int_t
ngx_k8s_writer_continue(ngx_k8s_writer_t *w, ngx_uint_t n)
{
    return w->recover ? ngx_k8s_recover_run(w, n) : NGX_OK;
}


void
ngx_k8s_writer_close(ngx_k8s_writer_t *w)
{
    ngx_k8s_extent_t   *e;
    ngx_rbtree_node_t  *node;

    while (w->retired) {
        e = w->retired;
        w->retired = e->next;
        ngx_free(e);
    }

    while (w->refs.root != &w->sentinel) {
        node = ngx_rbtree_min(w->refs.root, &w->sentinel);
        ngx_rbtree_delete(&w->refs, node);
        ngx_free(node);
    }

    ngx_k8s_recover_free(w);
    ngx_k8s_alloc_done(&w->alloc);

    ngx_free(w->waiting.elts);
    ngx_free(w->swept.elts);
    ngx_free(w->slots.elts);
    ngx_free(w->stats.elts);
    ngx_free(w->limbo_slots.elts);
    ngx_free(w->limbo_stats.elts);

    ngx_free(w);
}


ngx_int_t
ngx_k8s_numbers_push(ngx_k8s_writer_t *w, ngx_k8s_numbers_t *numbers,
    uint32_t n)
{
    uint32_t    *elts;
    ngx_uint_t   size;

    if (numbers->n == numbers->size) {
        size = numbers->size ? 2 * numbers->size : 64;

        elts = ngx_alloc(size * sizeof(uint32_t), w->log);
        if (elts == NULL) {
            return NGX_ERROR;
        }

        if (numbers->n) {
            ngx_memcpy(elts, numbers->elts, numbers->n * sizeof(uint32_t));
        }

        ngx_free(numbers->elts);

        numbers->elts = elts;
        numbers->size = size;
    }

    numbers->elts[numbers->n++] = n;

    return NGX_OK;
}


uint32_t
ngx_k8s_writer_put(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec, size_t len,
    ngx_uint_t kind)
{
    size_t             need;
    u_char            *key;
    uint32_t           n, start, granules, was;
    ngx_uint_t         found;
    ngx_k8s_slot_t    *slot;
    ngx_k8s_extent_t  *e;
    ngx_k8s_record_t  *old, *dst;

    w->missing = 0;

    if (len > NGX_K8S_RECORD_MAX
        || ngx_k8s_record_inside(rec, len) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, w->log, 0,
                      "k8s table: record of %uz bytes refused", len);
        return 0;
    }

    key = ngx_k8s_record_at(rec, rec->key.offset);

    n = 0;
    old = ngx_k8s_table_find(w->table, rec->type, key, rec->key.len, &n);
    found = (old != NULL);

    if (found && ngx_k8s_writer_same(old, rec, len)) {
        return n;
    }

    granules = ngx_k8s_granules(len);
    was = found ? old->size / NGX_K8S_GRANULE : 0;

    need = ngx_k8s_writer_need(w, rec->type, granules, was, kind);
    if (need == 0) {
        return 0;
    }

    e = ngx_k8s_extent_new(&w->alloc);
    if (e == NULL) {
        return 0;
    }

    if (!found) {
        n = ngx_k8s_writer_slot(w, rec->type, kind);

        if (n == 0) {
            goto failed;
        }
    }

    start = ngx_k8s_writer_take(w, granules, need);

    if (start == 0) {

        if (!found) {
            (void) ngx_k8s_numbers_push(w, &w->slots, n);
        }

        goto failed;
    }

    dst = ngx_k8s_at(w->table, (size_t) start * NGX_K8S_GRANULE);

    ngx_memcpy(dst, rec, len);
    ngx_memzero((u_char *) dst + len, granules * NGX_K8S_GRANULE - len);

    dst->size = granules * NGX_K8S_GRANULE;
    dst->crc = ngx_k8s_record_crc(dst, dst->size, dst->size);

    ngx_k8s_writer_changed(w, dst);

    w->taken += granules;

    if (rec->type == NGX_K8S_INDEX_PROBLEM) {
        w->problems += (size_t) granules - was;
    }

    if (!found) {
        ngx_k8s_extent_drop(&w->alloc, e);
        ngx_k8s_writer_link(w, n, dst, ngx_k8s_hash(key, rec->key.len), start);

        return n;
    }

    slot = ngx_k8s_slot(w->table, n);

    e->start = slot->record;
    e->len = was;

    ngx_k8s_writer_show(w, slot, start);

    ngx_k8s_writer_retire(w, e);

    return n;

failed:

    ngx_k8s_extent_drop(&w->alloc, e);

    return 0;
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

    /* the reserve has to hold a copy */

    if (len > w->reserve) {
        w->missing = (len - w->reserve) * NGX_K8S_GRANULE;
        return 0;
    }

    return ngx_k8s_writer_floor(w) + len - old;
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


/*
 * Who looks at all slots while the sequence stays the same has met at most the
 * one change that was on its way.
 */

void
ngx_k8s_writer_show(ngx_k8s_writer_t *w, ngx_k8s_slot_t *slot,
    uint32_t record)
{
    ngx_k8s_table_t  *table;

    table = w->table;

    ngx_k8s_store(&table->sequence, table->sequence + 1);
    ngx_k8s_store(&slot->record, record);
    ngx_k8s_store(&table->sequence, table->sequence + 1);
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

    if (w->slots.n) {
        return w->slots.elts[--w->slots.n];
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

        start = ngx_k8s_writer_take(w, granules, need);
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

    ngx_k8s_writer_unlink(w, n, rec->type);

    e = ngx_k8s_extent_new(&w->alloc);

    if (e) {
        e->start = slot->record;
        e->len = rec->size / NGX_K8S_GRANULE;
        e->slot = n;
    }

    /* a reader that stands on the slot goes on by its "next" */

    ngx_k8s_writer_show(w, slot, 0);

    ngx_k8s_writer_changed(w, rec);

    if (rec->type == NGX_K8S_INDEX_PROBLEM) {
        w->problems -= rec->size / NGX_K8S_GRANULE;
    }

    if (e) {
        ngx_k8s_writer_retire(w, e);
    }

    /* without memory the next writer finds both */
}


void
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


uint32_t
ngx_k8s_writer_take(ngx_k8s_writer_t *w, uint32_t len, size_t need)
{
    uint32_t    start;
    ngx_uint_t  tries, moved;

    moved = 0;

    for (tries = 0; tries < 3; tries++) {

        if (w->alloc.free >= ngx_max(len, need)) {
            start = ngx_k8s_alloc(&w->alloc, len);

            if (start) {
                return start;
            }
        }

        if (tries == 1 && w->alloc.free >= ngx_max(len, need)) {
            moved = ngx_k8s_writer_compact(w, len);
        }

        if (w->retired == NULL && tries) {
            break;
        }

        if (tries == 0 || moved) {

            /* growth can wait until it is released */

            if (need <= len) {
                w->held = 0;
            }

            ngx_k8s_writer_publish(w);
        }
    }

    if (w->alloc.free < ngx_max(len, need)) {
        w->missing = ngx_max(len, need) - w->alloc.free;

    } else {
        w->missing = moved ? 1 : len - ngx_k8s_alloc_largest(&w->alloc);
    }

    w->missing *= NGX_K8S_GRANULE;

    return 0;
}


void
ngx_k8s_writer_retire(ngx_k8s_writer_t *w, ngx_k8s_extent_t *e)
{
    e->version = w->table->version;
    e->next = NULL;

    *w->last = e;
    w->last = &e->next;

    w->nretired += e->len;
    w->dirty = 1;
}


void
ngx_k8s_writer_publish(ngx_k8s_writer_t *w)
{
    ngx_k8s_table_t    *table;
    ngx_k8s_extent_t   *e;
    ngx_atomic_uint_t   pinned;

    table = w->table;

    if (w->dirty) {
        w->dirty = 0;
        ngx_k8s_store(&table->version, table->version + 1);
    }

    if (w->retired) {
        pinned = ngx_k8s_writer_pinned(w);

        while (w->retired && w->retired->version < pinned) {
            e = w->retired;
            w->retired = e->next;

            if (w->retired == NULL) {
                w->last = &w->retired;
            }

            w->nretired -= e->len;
            w->futile = 0;
            ngx_k8s_writer_reclaim(w, e);
        }
    }

    ngx_k8s_writer_sweep(w);

    table->used = (w->total - w->alloc.free - w->nretired) * NGX_K8S_GRANULE;
    table->unreclaimed = w->nretired * NGX_K8S_GRANULE;
    table->largest = (size_t) ngx_k8s_alloc_largest(&w->alloc)
                     * NGX_K8S_GRANULE;
}


/* the lowest version that a living process holds, or one above all */

static ngx_atomic_uint_t
ngx_k8s_writer_pinned(ngx_k8s_writer_t *w)
{
    ngx_uint_t          n;
    ngx_k8s_word_t     *word;
    ngx_atomic_uint_t   version, lowest;

    lowest = w->held ? w->held : w->table->version;

    /* pairs with that of ngx_k8s_view_pin() */

    ngx_k8s_fence();

    word = ngx_k8s_word(w->table, 0);

    for (n = 0; n < NGX_K8S_WORDS; n++) {
        version = ngx_k8s_load(&word[n].version);

        if (version == 0 || version >= lowest) {
            continue;
        }

        /* a process' own locks are not seen by F_GETLK */

        if (w->fd == -1
            || (ngx_pid_t) word[n].pid == ngx_pid
            || ngx_k8s_right_check(w->fd, n) == NGX_OK)
        {
            lowest = version;
        }
    }

    return lowest;
}


static void
ngx_k8s_writer_reclaim(ngx_k8s_writer_t *w, ngx_k8s_extent_t *e)
{
    if (e->limbo) {
        ngx_k8s_writer_limbo(w);
    }

    if (e->slot) {
        ngx_k8s_writer_dead(w, e->slot);
    }

    if (e->stat) {
        (void) ngx_k8s_numbers_push(w, &w->stats, e->stat);
    }

    if (e->len) {
        ngx_k8s_free(&w->alloc, e);

    } else {
        ngx_k8s_extent_drop(&w->alloc, e);
    }
}


static void
ngx_k8s_writer_limbo(ngx_k8s_writer_t *w)
{
    ngx_uint_t  i;

    for (i = 0; i < w->limbo_slots.n; i++) {
        ngx_k8s_writer_dead(w, w->limbo_slots.elts[i]);
    }

    for (i = 0; i < w->limbo_stats.n; i++) {
        (void) ngx_k8s_numbers_push(w, &w->stats, w->limbo_stats.elts[i]);
    }

    ngx_free(w->limbo_slots.elts);
    ngx_free(w->limbo_stats.elts);

    ngx_memzero(&w->limbo_slots, sizeof(ngx_k8s_numbers_t));
    ngx_memzero(&w->limbo_stats, sizeof(ngx_k8s_numbers_t));
}


static void
ngx_k8s_writer_dead(ngx_k8s_writer_t *w, uint32_t n)
{
    ngx_k8s_slot_t  *slot;

    slot = ngx_k8s_slot(w->table, n);

    ngx_k8s_store(&slot->next, NGX_K8S_SLOT_DEAD);

    (void) ngx_k8s_numbers_push(w, &w->waiting, n);
}


static void
ngx_k8s_writer_sweep(ngx_k8s_writer_t *w)
{
    ngx_uint_t         i;
    ngx_k8s_numbers_t  numbers;

    if (!w->sweeping) {

        if (w->waiting.n == 0) {
            return;
        }

        numbers = w->swept;
        w->swept = w->waiting;
        w->waiting = numbers;

        w->cursor = 0;
        w->sweeping = 1;
    }

    if (ngx_k8s_count_sweep(w->table, &w->cursor, NGX_K8S_SWEEP_CELLS)
        != NGX_DONE)
    {
        return;
    }

    for (i = 0; i < w->swept.n; i++) {
        (void) ngx_k8s_numbers_push(w, &w->slots, w->swept.elts[i]);
    }

    w->swept.n = 0;
    w->sweeping = 0;
}


size_t
ngx_k8s_writer_cost(size_t len)
{
    return ngx_k8s_granules(len) * NGX_K8S_GRANULE;
}


size_t
ngx_k8s_writer_room(ngx_k8s_writer_t *w)
{
    size_t  floor;

    floor = ngx_k8s_writer_floor(w);

    if (w->alloc.free < floor) {
        return 0;
    }

    return (w->alloc.free - floor) * NGX_K8S_GRANULE;
}


/* what growth leaves: the reserve, and what problems may still take */

size_t
ngx_k8s_writer_floor(ngx_k8s_writer_t *w)
{
    return w->reserve + (w->share > w->problems ? w->share - w->problems : 0);
}


size_t
ngx_k8s_writer_largest(ngx_k8s_writer_t *w)
{
    return ngx_min(w->reserve * NGX_K8S_GRANULE, NGX_K8S_RECORD_MAX);
}


size_t
ngx_k8s_writer_problems(ngx_k8s_writer_t *w)
{
    return (w->share > w->problems ? w->share - w->problems : 0)
           * NGX_K8S_GRANULE;
}


size_t
ngx_k8s_writer_taken(ngx_k8s_writer_t *w)
{
    return w->taken * NGX_K8S_GRANULE;
}


ngx_k8s_table_t *
ngx_k8s_writer_table(ngx_k8s_writer_t *w)
{
    return w->table;
}


size_t
ngx_k8s_writer_missing(ngx_k8s_writer_t *w)
{
    return w->missing;
}


void
ngx_k8s_writer_hold(ngx_k8s_writer_t *w)
{
    /* what was retired before has this version at most */

    ngx_k8s_writer_publish(w);

    w->held = w->table->version;
}


ngx_uint_t
ngx_k8s_writer_held(ngx_k8s_writer_t *w)
{
    return w->held != 0;
}


void
ngx_k8s_writer_release(ngx_k8s_writer_t *w)
{
    w->held = 0;
}


size_t
ngx_k8s_writer_retired(ngx_k8s_writer_t *w)
{
    return w->nretired * NGX_K8S_GRANULE;
}
