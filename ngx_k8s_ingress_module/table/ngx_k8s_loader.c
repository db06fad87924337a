
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Records of another table into an empty one.  Their lists may overlap when
 * they come from a file, so each list is followed by a copy of its bounds, and
 * a record is verified again once it is changed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_snapshot.h>
#include <ngx_k8s_shm.h>
#include <ngx_k8s_type.h>


static ngx_uint_t ngx_k8s_loader_new(ngx_k8s_loader_t *l,
    ngx_k8s_record_t *rec, size_t size, ngx_uint_t type);
static ngx_k8s_record_t *ngx_k8s_loader_copy(ngx_k8s_loader_t *l,
    ngx_k8s_record_t *rec);
static ngx_int_t ngx_k8s_loader_ref(void *data, ngx_uint_t index,
    uint32_t *slot, uint32_t *generation);
static ngx_k8s_list_t ngx_k8s_loader_stats(ngx_k8s_loader_t *l,
    ngx_k8s_service_rec_t *service, uint64_t *identities);
static void ngx_k8s_loader_stats_back(ngx_k8s_loader_t *l,
    ngx_k8s_list_t *list);


ngx_int_t
ngx_k8s_loader_init(ngx_k8s_loader_t *l, ngx_k8s_writer_t *w, uint32_t nslots,
    ngx_log_t *log)
{
    ngx_memzero(l, sizeof(ngx_k8s_loader_t));

    l->writer = w;
    l->log = log;
    l->nslots = nslots;

    l->slots = ngx_calloc(nslots * sizeof(ngx_k8s_loader_slot_t) + 1, log);

    return l->slots ? NGX_OK : NGX_ERROR;
}


void
ngx_k8s_loader_done(ngx_k8s_loader_t *l)
{
    if (l->buf) {
        /* it may have held a private key */
        ngx_explicit_memzero(l->buf, l->size);
        ngx_free(l->buf);
    }

    ngx_free(l->slots);
}


ngx_int_t
ngx_k8s_loader_put(ngx_k8s_loader_t *l, uint32_t slot, uint32_t generation,
    ngx_k8s_record_t *rec, uint64_t *identities)
{
    size_t            size;
    uint32_t          n;
    ngx_int_t         rc;
    ngx_uint_t        type;
    ngx_k8s_list_t    stats;

    if (slot >= l->nslots) {
        return NGX_DECLINED;
    }

    rec = ngx_k8s_loader_copy(l, rec);
    if (rec == NULL) {
        return NGX_ERROR;
    }

    size = rec->size;
    type = rec->type;
    stats.n = 0;
    n = 0;

    rc = ngx_k8s_record_refs(rec, ngx_k8s_loader_ref, l);

    if (rc == NGX_OK && type == NGX_K8S_INDEX_SERVICE) {
        stats = ngx_k8s_loader_stats(l, (ngx_k8s_service_rec_t *) rec,
                                     identities);
    }

    if (rc == NGX_OK && ngx_k8s_loader_new(l, rec, size, type)) {
        n = ngx_k8s_writer_put(l->writer, rec, size, NGX_K8S_WRITE_OBJECT);
    }

    if (n == 0) {
        ngx_k8s_loader_stats_back(l, &stats);

        /* a problem beyond their share is found again */

        if (type != NGX_K8S_INDEX_PROBLEM) {
            l->left++;
            l->missing += size;
        }

        return NGX_DECLINED;
    }

    l->slots[slot].slot = n;
    l->slots[slot].generation = generation;
    l->slots[slot].type = type;

    l->records++;
    l->hosts += (type == NGX_K8S_INDEX_HOST);

    return NGX_OK;
}


/* a key that stands twice, and a record that changes spoil, are no table's */

static ngx_uint_t
ngx_k8s_loader_new(ngx_k8s_loader_t *l, ngx_k8s_record_t *rec, size_t size,
    ngx_uint_t type)
{
    return rec->type == type
           && ngx_k8s_record_inside(rec, size) == NGX_OK
           && ngx_k8s_table_find(ngx_k8s_writer_table(l->writer), type,
                                 ngx_k8s_record_at(rec, rec->key.offset),
                                 rec->key.len, NULL)
              == NULL;
}


static ngx_k8s_record_t *
ngx_k8s_loader_copy(ngx_k8s_loader_t *l, ngx_k8s_record_t *rec)
{
    size_t  size;

    if (l->size < rec->size) {
        size = ngx_max(2 * l->size, rec->size);
        size = ngx_max(size, 65536);

        if (l->buf) {
            ngx_explicit_memzero(l->buf, l->size);
            ngx_free(l->buf);
        }

        l->size = 0;
        l->buf = ngx_memalign(NGX_K8S_GRANULE, size, l->log);

        if (l->buf == NULL) {
            return NULL;
        }

        l->size = size;
    }

    ngx_memcpy(l->buf, rec, rec->size);

    return (ngx_k8s_record_t *) l->buf;
}


/*
 * The new number in place of an old one; NGX_DONE: what it held was left out,
 * or was none of this type.
 */

static ngx_int_t
ngx_k8s_loader_ref(void *data, ngx_uint_t index, uint32_t *slot,
    uint32_t *generation)
{
    ngx_k8s_loader_t *l = data;

    ngx_k8s_loader_slot_t  *old;

    if (*slot >= l->nslots) {
        return NGX_DONE;
    }

    old = &l->slots[*slot];

    if (old->slot == 0 || old->type != index
        || (generation && *generation != old->generation))
    {
        return NGX_DONE;
    }

    *slot = old->slot;

    if (generation) {
        *generation = ngx_k8s_slot(ngx_k8s_writer_table(l->writer),
                                   old->slot)->generation;
    }

    return NGX_OK;
}


/* one reference for each endpoint; the list as it was before */

static ngx_k8s_list_t
ngx_k8s_loader_stats(ngx_k8s_loader_t *l, ngx_k8s_service_rec_t *service,
    uint64_t *identities)
{
    uint32_t                 i;
    ngx_k8s_list_t           list;
    ngx_k8s_endpoint_rec_t  *endpoint;

    list = service->endpoints;
    endpoint = ngx_k8s_record_at(service, list.offset);

    for (i = 0; i < list.n; i++) {
        endpoint[i].stat = ngx_k8s_writer_stat_get(l->writer, identities[i]);
    }

    return list;
}


static void
ngx_k8s_loader_stats_back(ngx_k8s_loader_t *l, ngx_k8s_list_t *list)
{
    uint32_t                 i;
    ngx_k8s_endpoint_rec_t  *endpoint;

    if (list->n == 0) {
        return;
    }

    endpoint = ngx_k8s_record_at(l->buf, list->offset);

    for (i = 0; i < list->n; i++) {
        ngx_k8s_writer_stat_put(l->writer, endpoint[i].stat);
    }
}
