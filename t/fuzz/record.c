
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Any bytes as a record: refused, or read by the router without harm.  The
 * size and the checksum are set right, so that the rest is looked at.
 */


#include "unit_table.h"


static ngx_k8s_table_t   *table;
static ngx_k8s_writer_t  *writer;


static void
record_read(ngx_k8s_host_t *host, uint32_t slot)
{
    ngx_k8s_route_t      route;
    ngx_k8s_route_key_t  key;

    if (!unit_host_key(host, &key)) {
        return;
    }

    key.path = unit_str("/old/x/y");
    key.method = unit_str("GET");

    if (ngx_k8s_route(table, &key, &route) == NGX_OK
        && route.action->nbackends > route.record->backends.n)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             len;
    uint32_t           slot;
    ngx_k8s_record_t  *rec;

    if (table == NULL) {
        unit_init();
        unit_log.log_level = NGX_LOG_EMERG;
        table = unit_table(1024 * 1024);
        writer = ngx_k8s_writer_open(table, -1, &unit_log);
    }

    len = ngx_align(size, NGX_K8S_GRANULE);

    if (size < sizeof(ngx_k8s_record_t) || len > 64 * 1024) {
        return 0;
    }

    rec = aligned_alloc(NGX_K8S_GRANULE, len);
    ngx_memzero(rec, len);
    ngx_memcpy(rec, data, size);

    (void) ngx_k8s_record_verify(rec, len);

    rec->size = len;
    rec->type %= NGX_K8S_INDEXES;
    rec->crc = ngx_k8s_record_crc(rec, len, len);

    if (ngx_k8s_record_verify(rec, len) == NGX_OK) {
        slot = ngx_k8s_writer_put(writer, rec, size, NGX_K8S_WRITE_OWN);

        if (slot == 0
            && ngx_k8s_record_inside(rec, size) == NGX_OK)
        {
            abort();
        }

        if (slot && rec->type == NGX_K8S_INDEX_HOST) {
            record_read((ngx_k8s_host_t *) rec, slot);
        }

        if (slot) {
            ngx_k8s_writer_remove(writer, slot);
        }

        ngx_k8s_writer_publish(writer);
    }

    free(rec);

    return 0;
}
