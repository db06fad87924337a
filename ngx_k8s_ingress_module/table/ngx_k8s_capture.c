
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * From a table to the bytes of a snapshot, in slices.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_snapshot.h>
#include <ngx_k8s_writer_core.h>

#include <openssl/evp.h>


#define NGX_K8S_CAPTURE_CHUNK        (256 * 1024)


static ngx_int_t ngx_k8s_capture_slots(ngx_k8s_capture_t *c);
static ngx_int_t ngx_k8s_capture_record(ngx_k8s_capture_t *c,
    ngx_k8s_capture_slot_t *slot, size_t *copied);
static void ngx_k8s_capture_keyless(ngx_k8s_certificate_t *cert);
static u_char *ngx_k8s_capture_alloc(ngx_k8s_capture_t *c, size_t size);


ngx_k8s_capture_t *
ngx_k8s_capture_begin(ngx_k8s_writer_t *w, ngx_k8s_snapshot_id_t *id,
    ngx_uint_t flags, ngx_log_t *log)
{
    ngx_uint_t          i;
    ngx_k8s_capture_t  *c;

    c = ngx_calloc(sizeof(ngx_k8s_capture_t), log);
    if (c == NULL) {
        return NULL;
    }

    c->writer = w;
    c->log = log;

    c->header.magic = NGX_K8S_SNAPSHOT_MAGIC;
    c->header.version = NGX_K8S_SNAPSHOT_VERSION;
    c->header.layout = NGX_K8S_LAYOUT_VERSION;
    c->header.flags = flags;
    c->header.saved = ngx_time();
    c->header.nslots = w->table->nslots;

    for (i = 0; i < NGX_K8S_TABLE_STATES; i++) {
        c->header.states[i] = w->table->states[i];
    }

    c->header.tables = id->tables;
    ngx_memcpy(c->header.identity, id->identity, NGX_K8S_SNAPSHOT_HASH);

    if (ngx_k8s_capture_slots(c) != NGX_OK
        || ngx_k8s_capture_alloc(c, sizeof(ngx_k8s_snapshot_header_t)) == NULL)
    {
        c->writer = NULL;
        ngx_k8s_capture_free(c);
        return NULL;
    }

    ngx_k8s_writer_hold(w);

    return c;
}


static ngx_int_t
ngx_k8s_capture_slots(ngx_k8s_capture_t *c)
{
    uint32_t                 n;
    ngx_k8s_slot_t          *slot;
    ngx_k8s_table_t         *table;
    ngx_k8s_capture_slot_t  *dst;

    table = c->writer->table;

    c->slots = ngx_alloc(table->nslots * sizeof(ngx_k8s_capture_slot_t),
                         c->log);
    if (c->slots == NULL) {
        return NGX_ERROR;
    }

    dst = c->slots;

    for (n = 1; n < table->nslots; n++) {
        slot = ngx_k8s_slot(table, n);

        if (slot->record) {
            dst->slot = n;
            dst->record = slot->record;
            dst->generation = slot->generation;
            dst++;
        }
    }

    c->nslots = dst - c->slots;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_capture_run(ngx_k8s_capture_t *c, size_t len)
{
    size_t             copied;
    ngx_k8s_writer_t  *w;

    w = c->writer;

    if (!ngx_k8s_writer_held(w)) {
        return NGX_ERROR;
    }

    copied = 0;

    while (c->n < c->nslots) {

        if (copied >= len) {
            return NGX_AGAIN;
        }

        if (ngx_k8s_capture_record(c, &c->slots[c->n], &copied) != NGX_OK) {
            return NGX_ERROR;
        }

        c->n++;
    }

    ngx_k8s_writer_release(w);
    c->writer = NULL;

    ngx_free(c->slots);
    c->slots = NULL;

    c->header.size = c->size;
    ngx_memcpy(c->chunks->data, &c->header, sizeof(ngx_k8s_snapshot_header_t));

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_capture_record(ngx_k8s_capture_t *c, ngx_k8s_capture_slot_t *slot,
    size_t *copied)
{
    size_t                     size;
    u_char                    *p;
    uint32_t                   i, n;
    uint64_t                  *identity;
    ngx_k8s_stat_t            *stat;
    ngx_k8s_table_t           *table;
    ngx_k8s_record_t          *rec;
    ngx_k8s_service_rec_t     *service;
    ngx_k8s_endpoint_rec_t    *endpoint;
    ngx_k8s_snapshot_entry_t  *entry;

    table = c->writer->table;
    rec = ngx_k8s_record(table, slot->record);

    /* a look at a record is a miss of the cache */

    *copied += 128;

    if (rec == NULL || !ngx_k8s_record_lasts(rec)) {
        return NGX_OK;
    }

    if (rec->type == NGX_K8S_INDEX_DATA
        && (((ngx_k8s_data_t *) rec)->flags & NGX_K8S_DATA_SECRET)
        && !(c->header.flags & NGX_K8S_SNAPSHOT_KEYS))
    {
        return NGX_OK;
    }

    service = (ngx_k8s_service_rec_t *) rec;
    n = (rec->type == NGX_K8S_INDEX_SERVICE) ? service->endpoints.n : 0;

    size = sizeof(ngx_k8s_snapshot_entry_t) + rec->size
           + ngx_align(n * sizeof(uint64_t), NGX_K8S_GRANULE);

    p = ngx_k8s_capture_alloc(c, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    entry = (ngx_k8s_snapshot_entry_t *) p;

    ngx_memzero(entry, sizeof(ngx_k8s_snapshot_entry_t));
    entry->slot = slot->slot;
    entry->generation = slot->generation;

    p += sizeof(ngx_k8s_snapshot_entry_t);
    ngx_memcpy(p, rec, rec->size);

    if (rec->type == NGX_K8S_INDEX_CERTIFICATE
        && !(c->header.flags & NGX_K8S_SNAPSHOT_KEYS))
    {
        ngx_k8s_capture_keyless((ngx_k8s_certificate_t *) p);
    }

    if (n) {
        identity = (uint64_t *) (p + rec->size);
        identity[n - 1 + (n & 1)] = 0;

        endpoint = ngx_k8s_record_at(service, service->endpoints.offset);

        for (i = 0; i < n; i++) {
            stat = ngx_k8s_stat(table, endpoint[i].stat);
            identity[i] = stat ? stat->identity : 0;
        }
    }

    c->header.nrecords++;
    *copied += size;

    return NGX_OK;
}


static void
ngx_k8s_capture_keyless(ngx_k8s_certificate_t *cert)
{
    ngx_explicit_memzero(ngx_k8s_record_at(cert, cert->key.offset),
                         cert->key.len);

    cert->key.offset = 0;
    cert->key.len = 0;

    cert->header.crc = ngx_k8s_record_crc(&cert->header, cert->header.size,
                                          cert->header.size);
}


static u_char *
ngx_k8s_capture_alloc(ngx_k8s_capture_t *c, size_t size)
{
    u_char           *p;
    ngx_k8s_chunk_t  *chunk;

    chunk = c->last;

    if (chunk == NULL || size > chunk->size - chunk->len) {

        chunk = ngx_alloc(sizeof(ngx_k8s_chunk_t), c->log);
        if (chunk == NULL) {
            return NULL;
        }

        chunk->next = NULL;
        chunk->len = 0;
        chunk->size = ngx_max(size, NGX_K8S_CAPTURE_CHUNK);
        chunk->data = ngx_memalign(NGX_K8S_GRANULE, chunk->size, c->log);

        if (chunk->data == NULL) {
            ngx_free(chunk);
            return NULL;
        }

        if (c->last) {
            c->last->next = chunk;

        } else {
            c->chunks = chunk;
        }

        c->last = chunk;
    }

    p = chunk->data + chunk->len;

    chunk->len += size;
    c->size += size;

    return p;
}


ngx_int_t
ngx_k8s_capture_seal(ngx_k8s_capture_t *c)
{
    ngx_int_t                   rc;
    EVP_MD_CTX                 *ctx;
    ngx_k8s_chunk_t            *chunk;
    ngx_k8s_snapshot_header_t  *header;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        goto done;
    }

    for (chunk = c->chunks; chunk; chunk = chunk->next) {
        if (EVP_DigestUpdate(ctx, chunk->data, chunk->len) != 1) {
            goto done;
        }
    }

    header = (ngx_k8s_snapshot_header_t *) c->chunks->data;

    if (EVP_DigestFinal_ex(ctx, header->hash, NULL) == 1) {
        rc = NGX_OK;
    }

done:

    EVP_MD_CTX_free(ctx);

    return rc;
}


void
ngx_k8s_capture_free(ngx_k8s_capture_t *c)
{
    if (c->writer) {
        ngx_k8s_writer_release(c->writer);
    }

    ngx_k8s_capture_wipe(c);

    if (c->slots) {
        ngx_free(c->slots);
    }

    ngx_free(c);
}


void
ngx_k8s_capture_wipe(ngx_k8s_capture_t *c)
{
    ngx_k8s_chunk_t  *chunk;

    while (c->chunks) {
        chunk = c->chunks;
        c->chunks = chunk->next;

        if (c->header.flags & NGX_K8S_SNAPSHOT_KEYS) {
            ngx_explicit_memzero(chunk->data, chunk->len);
        }

        ngx_free(chunk->data);
        ngx_free(chunk);
    }
}
