
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A table into a zone of another size, in the master, while the watcher of the
 * old one goes on.  Records are pinned; which ones belong together is seen by
 * the sequence of changes, which stands still while they are noted.  The master
 * believes nothing that workers can write: each record is verified on a copy.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_snapshot.h>
#include <ngx_k8s_writer_core.h>
#include <ngx_k8s_type.h>


#define NGX_K8S_COPY_TRIES           1000  /* a millisecond between two */


typedef struct {
    ngx_k8s_table_t         *from;
    ngx_k8s_table_t         *to;
    ngx_log_t               *log;
    ngx_k8s_capture_slot_t  *slots;
    uint32_t                 nslots;     /* above all numbers */
    ngx_uint_t               n;
    ngx_k8s_loader_t         loader;
    u_char                  *buf;        /* the record being looked at */
    size_t                   size;
    uint64_t                *identities;
    ngx_uint_t               nidentities;
} ngx_k8s_copy_t;


static ngx_int_t ngx_k8s_copy_slots(ngx_k8s_copy_t *c, ngx_k8s_view_t *view);
static ngx_int_t ngx_k8s_copy_records(ngx_k8s_copy_t *c);
static ngx_int_t ngx_k8s_copy_record(ngx_k8s_copy_t *c,
    ngx_k8s_capture_slot_t *slot, ngx_k8s_record_t **rec);
static ngx_int_t ngx_k8s_copy_identities(ngx_k8s_copy_t *c,
    ngx_k8s_service_rec_t *service);
static void ngx_k8s_copy_stats(ngx_k8s_copy_t *c);
static void ngx_k8s_copy_counts(ngx_k8s_copy_t *c);
static void ngx_k8s_copy_header(ngx_k8s_copy_t *c);


ngx_int_t
ngx_k8s_table_copy(ngx_k8s_view_t *view, ngx_k8s_table_t *to, size_t *missing,
    ngx_log_t *log)
{
    ngx_int_t          rc;
    ngx_k8s_copy_t     c;
    ngx_k8s_writer_t  *w;

    *missing = 0;

    ngx_memzero(&c, sizeof(ngx_k8s_copy_t));

    c.from = view->table;
    c.to = to;
    c.log = log;

    w = ngx_k8s_writer_open(to, -1, log);
    if (w == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_k8s_copy_slots(&c, view);

    if (rc == NGX_OK) {
        rc = ngx_k8s_loader_init(&c.loader, w, c.nslots, log);
    }

    if (rc == NGX_OK) {
        rc = ngx_k8s_copy_records(&c);

        *missing = c.loader.missing;

        if (rc == NGX_OK) {
            ngx_k8s_copy_stats(&c);
            ngx_k8s_copy_counts(&c);
            ngx_k8s_copy_header(&c);
        }

        ngx_k8s_loader_done(&c.loader);
    }

    ngx_k8s_view_unpin(view);

    ngx_k8s_writer_close(w);

    if (c.buf) {
        /* it may have held a private key */
        ngx_explicit_memzero(c.buf, c.size);
    }

    ngx_free(c.buf);
    ngx_free(c.slots);
    ngx_free(c.identities);

    return rc;
}


/* which record each slot holds at one moment, all of them pinned */

static ngx_int_t
ngx_k8s_copy_slots(ngx_k8s_copy_t *c, ngx_k8s_view_t *view)
{
    uint32_t            n, record, nslots;
    ngx_uint_t          tries;
    ngx_k8s_slot_t     *slot;
    ngx_atomic_uint_t   sequence;

    for (tries = 0; tries < NGX_K8S_COPY_TRIES; tries++) {

        ngx_k8s_view_pin(view);

        sequence = ngx_k8s_load(&c->from->sequence);
        nslots = ngx_k8s_load(&c->from->nslots);

        if (c->slots == NULL || c->nslots < nslots) {
            ngx_free(c->slots);

            c->slots = ngx_alloc(nslots * sizeof(ngx_k8s_capture_slot_t),
                                 c->log);
            if (c->slots == NULL) {
                return NGX_ERROR;
            }
        }

        c->nslots = nslots;
        c->n = 0;

        for (n = 1; n < nslots; n++) {
            slot = ngx_k8s_slot(c->from, n);
            record = slot ? ngx_k8s_load(&slot->record) : 0;

            if (record) {
                c->slots[c->n].slot = n;
                c->slots[c->n].record = record;
                c->slots[c->n].generation = ngx_k8s_load(&slot->generation);
                c->n++;
            }
        }

        /* reads above are not moved below this one */

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        if (ngx_k8s_load(&c->from->sequence) == sequence) {
            return NGX_OK;
        }

        ngx_k8s_view_unpin(view);
        ngx_msleep(1);
    }

    ngx_log_error(NGX_LOG_EMERG, c->log, 0,
                  "k8s table: it changes all the time and cannot be copied");

    return NGX_ERROR;
}


/* NGX_DECLINED: there is no room for all of them */

static ngx_int_t
ngx_k8s_copy_records(ngx_k8s_copy_t *c)
{
    ngx_int_t          rc;
    ngx_uint_t         i, stage;
    ngx_k8s_record_t  *rec;

    for (i = 0; i < c->n; i++) {
        rec = ngx_k8s_record(c->from, c->slots[i].record);

        c->slots[i].stage = rec ? ngx_k8s_record_stage(rec)
                                : NGX_K8S_RECORD_STAGES;
    }

    for (stage = 0; stage < NGX_K8S_RECORD_STAGES; stage++) {

        for (i = 0; i < c->n; i++) {

            if (c->slots[i].stage != stage) {
                continue;
            }

            rec = ngx_k8s_record(c->from, c->slots[i].record);

            if (rec == NULL) {
                continue;
            }

            rc = ngx_k8s_copy_record(c, &c->slots[i], &rec);

            if (rc == NGX_DECLINED) {
                ngx_log_error(NGX_LOG_ERR, c->log, 0,
                              "k8s table: record of slot %uD is damaged",
                              c->slots[i].slot);
                continue;
            }

            if (rc != NGX_OK
                || ngx_k8s_loader_put(&c->loader, c->slots[i].slot,
                                      c->slots[i].generation, rec,
                                      c->identities)
                   == NGX_ERROR)
            {
                return NGX_ERROR;
            }
        }
    }

    ngx_k8s_writer_publish(c->loader.writer);

    return c->loader.left ? NGX_DECLINED : NGX_OK;
}


/* a verified copy of a slot's record; NGX_DECLINED: it is not sound */

static ngx_int_t
ngx_k8s_copy_record(ngx_k8s_copy_t *c, ngx_k8s_capture_slot_t *slot,
    ngx_k8s_record_t **rec)
{
    size_t    size;
    uint64_t  offset;

    offset = (uint64_t) slot->record * NGX_K8S_GRANULE;
    size = __atomic_load_n(&(*rec)->size, __ATOMIC_RELAXED);

    if (size > NGX_K8S_RECORD_MAX || size > c->from->size - offset) {
        return NGX_DECLINED;
    }

    if (c->size < size) {

        if (c->buf) {
            ngx_explicit_memzero(c->buf, c->size);
            ngx_free(c->buf);
        }

        c->size = 0;
        c->buf = ngx_memalign(NGX_K8S_GRANULE, ngx_max(size, 65536), c->log);

        if (c->buf == NULL) {
            return NGX_ERROR;
        }

        c->size = ngx_max(size, 65536);
    }

    ngx_memcpy(c->buf, *rec, size);

    *rec = (ngx_k8s_record_t *) c->buf;

    if (ngx_k8s_record_verify(*rec, size) != NGX_OK) {
        return NGX_DECLINED;
    }

    if ((*rec)->type != NGX_K8S_INDEX_SERVICE) {
        return NGX_OK;
    }

    return ngx_k8s_copy_identities(c, (ngx_k8s_service_rec_t *) *rec);
}


static ngx_int_t
ngx_k8s_copy_identities(ngx_k8s_copy_t *c, ngx_k8s_service_rec_t *service)
{
    uint32_t                 i, n;
    ngx_k8s_stat_t          *stat;
    ngx_k8s_endpoint_rec_t  *endpoint;

    n = service->endpoints.n;

    if (c->nidentities < n) {
        ngx_free(c->identities);

        c->nidentities = 0;
        c->identities = ngx_alloc(n * sizeof(uint64_t), c->log);

        if (c->identities == NULL) {
            return NGX_ERROR;
        }

        c->nidentities = n;
    }

    endpoint = ngx_k8s_record_at(service, service->endpoints.offset);

    for (i = 0; i < n; i++) {
        stat = ngx_k8s_stat(c->from, endpoint[i].stat);
        c->identities[i] = stat ? ngx_k8s_load(&stat->identity) : 0;
    }

    return NGX_OK;
}


static void
ngx_k8s_copy_stats(ngx_k8s_copy_t *c)
{
    uint32_t              n, nstats;
    ngx_k8s_stat_t       *from, *to;
    ngx_k8s_stat_node_t  *node;

    nstats = ngx_k8s_load(&c->from->nstats);

    for (n = 1; n < nstats; n++) {
        from = ngx_k8s_stat(c->from, n);

        if (from == NULL || from->identity == 0) {
            continue;
        }

        node = ngx_k8s_stat_find(c->loader.writer, from->identity);
        to = node ? ngx_k8s_stat(c->to, node->stat) : NULL;

        if (to) {
            to->requests = from->requests;
            to->failures = from->failures;
        }
    }
}


static void
ngx_k8s_copy_counts(ngx_k8s_copy_t *c)
{
    uint32_t                rule;
    ngx_uint_t              cursor;
    ngx_k8s_word_t         *from, *to;
    ngx_k8s_slot_t         *slot;
    ngx_k8s_counted_t       counted;
    ngx_k8s_loader_slot_t  *slots;

    slots = c->loader.slots;
    cursor = 0;

    to = ngx_k8s_word(c->to, NGX_K8S_WORD_MASTER);

    while (ngx_k8s_count_next(c->from, &cursor, &counted) == NGX_OK) {
        rule = ngx_k8s_cell_rule(counted.key);

        if (rule >= c->nslots || slots[rule].slot == 0
            || (slots[rule].generation & 0xfff)
               != ngx_k8s_cell_generation(counted.key))
        {
            continue;
        }

        slot = ngx_k8s_slot(c->to, slots[rule].slot);

        if (ngx_k8s_count_put(c->to, slots[rule].slot, slot->generation,
                              &counted)
            != NGX_OK)
        {
            to->dropped += counted.count;
        }
    }

    /* workers of the new cycle have other words */

    from = ngx_k8s_word(c->from, 0);

    for (cursor = 0; cursor < NGX_K8S_WORDS; cursor++) {
        to->dropped += from[cursor].dropped;
        to->pins += from[cursor].pins;
    }
}


static void
ngx_k8s_copy_header(ngx_k8s_copy_t *c)
{
    ngx_uint_t        i, n;
    ngx_k8s_table_t  *from, *to;

    from = c->from;
    to = c->to;

    to->started = from->started;
    to->version += from->version;
    to->reloads = from->reloads;
    to->writer_pid = from->writer_pid;
    to->ready = from->ready;
    to->changes = from->changes;
    to->lasting = from->lasting;
    to->problems_dropped = from->problems_dropped;
    to->restore = NGX_K8S_RESTORE_NONE;
    to->restored = from->restored;
    to->saved = from->saved;
    to->save_errors = from->save_errors;

    for (i = 0; i < NGX_K8S_TABLE_STATES; i++) {
        to->states[i] = from->states[i];
    }

    for (i = 0; i < NGX_K8S_WROTE_WHAT; i++) {
        for (n = 0; n < NGX_K8S_WROTE_RESULTS; n++) {
            to->wrote[i][n] = from->wrote[i][n];
        }
    }

    for (i = 0; i < NGX_K8S_TURN_BUCKETS; i++) {
        to->turns[i] = from->turns[i];
    }

    to->turns_sum = from->turns_sum;
    to->turns_max = from->turns_max;
}
