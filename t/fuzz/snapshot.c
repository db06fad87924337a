
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Any bytes as a snapshot: refused, or loaded into a table that is sound: each
 * record verifies, a new writer takes it over without dropping one, routes and
 * certificates are found in it without harm.  First as they are, then with
 * hash, size, versions and the records' checksums set right, so that the rest
 * is looked at.
 */


#include "unit_table.h"
#include <ngx_k8s_snapshot.h>
#include <ngx_k8s_type.h>


#define FUZZ_SIZE  (1024 * 1024)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static ngx_k8s_snapshot_id_t  identity;


static void
fuzz_routes(ngx_k8s_table_t *table)
{
    uint64_t              cursor;
    ngx_uint_t            i;
    ngx_k8s_host_t       *host;
    ngx_k8s_route_t       route;
    ngx_k8s_record_t     *rec;
    ngx_k8s_route_key_t   key;

    for (i = 0; i < NGX_K8S_INDEXES; i++) {
        cursor = 0;

        while ((rec = ngx_k8s_table_next(table, i, &cursor))) {
            if (ngx_k8s_record_verify(rec, rec->size) != NGX_OK) {
                abort();
            }
        }
    }

    cursor = 0;

    while ((host = ngx_k8s_table_next(table, NGX_K8S_INDEX_HOST, &cursor))) {

        if (!unit_host_key(host, &key)) {
            continue;
        }

        key.path = unit_str("/old/x/y");
        key.method = unit_str("GET");

        (void) ngx_k8s_route(table, &key, &route);
    }
}


static void
fuzz_load(u_char *data, size_t len)
{
    void              *zone;
    uint32_t           counts[NGX_K8S_INDEXES];
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;
    ngx_k8s_loaded_t   loaded;

    if (ngx_k8s_snapshot_check(data, len, &identity) != NULL) {
        return;
    }

    if (posix_memalign(&zone, ngx_pagesize, FUZZ_SIZE) != 0
        || ngx_k8s_table_init(zone, FUZZ_SIZE) != NGX_OK)
    {
        abort();
    }

    table = zone;

    w = ngx_k8s_writer_open(table, -1, &unit_log);

    (void) ngx_k8s_snapshot_load(w, data, len, &loaded, &unit_log);

    fuzz_routes(table);

    ngx_memcpy(counts, table->counts, sizeof(counts));

    ngx_k8s_writer_close(w);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    if (ngx_memcmp(counts, table->counts, sizeof(counts)) != 0) {
        abort();
    }

    ngx_k8s_writer_close(w);
    free(zone);
}


/* what a machine that wrote it would have set */

static void
fuzz_mend(u_char *data, size_t len)
{
    size_t                      pos;
    uint32_t                    n;
    ngx_k8s_chunk_t             chunk;
    ngx_k8s_record_t           *rec;
    ngx_k8s_capture_t           c;
    ngx_k8s_service_rec_t      *service;
    ngx_k8s_snapshot_header_t  *header;

    header = (ngx_k8s_snapshot_header_t *) data;

    pos = sizeof(ngx_k8s_snapshot_header_t);

    for (n = 0;
         pos + sizeof(ngx_k8s_snapshot_entry_t) + sizeof(ngx_k8s_record_t)
         <= len;
         n++)
    {
        pos += sizeof(ngx_k8s_snapshot_entry_t);

        rec = (ngx_k8s_record_t *) (data + pos);
        rec->size = ngx_min(ngx_align(rec->size % 65536, NGX_K8S_GRANULE),
                            len - pos);
        rec->type %= NGX_K8S_INDEXES;

        if (rec->size < ngx_k8s_record_types[rec->type].fixed.size) {
            break;
        }

        rec->crc = ngx_k8s_record_crc(rec, rec->size, rec->size);
        pos += rec->size;

        if (rec->type == NGX_K8S_INDEX_SERVICE) {
            service = (ngx_k8s_service_rec_t *) rec;
            pos += ngx_align((size_t) service->endpoints.n * sizeof(uint64_t),
                             NGX_K8S_GRANULE);
        }
    }

    header->magic = NGX_K8S_SNAPSHOT_MAGIC;
    header->version = NGX_K8S_SNAPSHOT_VERSION;
    header->layout = NGX_K8S_LAYOUT_VERSION;
    header->size = len;
    header->nrecords = n;

    header->tables = identity.tables;
    ngx_memcpy(header->identity, identity.identity, NGX_K8S_SNAPSHOT_HASH);
    ngx_memzero(header->hash, NGX_K8S_SNAPSHOT_HASH);

    chunk.next = NULL;
    chunk.data = data;
    chunk.len = len;
    c.chunks = &chunk;

    if (ngx_k8s_capture_seal(&c) != NGX_OK) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t   len;
    u_char  *copy;

    if (unit_log.file == NULL) {
        unit_init();
        unit_log.log_level = 0;
    }

    len = size / NGX_K8S_GRANULE * NGX_K8S_GRANULE;

    if (len < sizeof(ngx_k8s_snapshot_header_t)) {
        return 0;
    }

    copy = aligned_alloc(NGX_K8S_GRANULE, len);
    ngx_memcpy(copy, data, len);

    fuzz_load(copy, len);

    fuzz_mend(copy, len);
    fuzz_load(copy, len);

    free(copy);

    return 0;
}
