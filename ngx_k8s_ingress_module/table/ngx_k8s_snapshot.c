
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * From the bytes of a snapshot to a table.  The bytes may come from anywhere:
 * all of them are checked before the first record is put.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_snapshot.h>
#include <ngx_k8s_table_set.h>
#include <ngx_k8s_shm.h>
#include <ngx_k8s_type.h>

#include <openssl/evp.h>


/* an entry, taken apart; all of it lies within the snapshot */

typedef struct {
    ngx_k8s_snapshot_entry_t  *entry;
    ngx_k8s_record_t          *rec;
    uint64_t                  *identities;
    ngx_uint_t                 stage;
} ngx_k8s_snapshot_item_t;


static ngx_int_t ngx_k8s_snapshot_hash(u_char *data, size_t len,
    u_char *hash);
static ngx_int_t ngx_k8s_snapshot_next(u_char **pos, u_char *last,
    ngx_k8s_snapshot_item_t *item);
static char *ngx_k8s_snapshot_entries(u_char *data, size_t len);
static ngx_int_t ngx_k8s_snapshot_put(ngx_k8s_loader_t *l,
    ngx_k8s_snapshot_item_t *item, ngx_k8s_loaded_t *loaded);
static void ngx_k8s_snapshot_keyless(ngx_k8s_loaded_t *loaded,
    ngx_k8s_certificate_t *cert);


char *
ngx_k8s_snapshot_check(u_char *data, size_t len, ngx_k8s_snapshot_id_t *id)
{
    u_char                      hash[NGX_K8S_SNAPSHOT_HASH];
    ngx_k8s_snapshot_header_t  *header;

    header = (ngx_k8s_snapshot_header_t *) data;

    if (len < sizeof(ngx_k8s_snapshot_header_t)) {
        return "it is too short";
    }

    if (header->magic != NGX_K8S_SNAPSHOT_MAGIC) {
        return "it is no snapshot, or one of another kind of machine";
    }

    if (header->version != NGX_K8S_SNAPSHOT_VERSION
        || header->layout != NGX_K8S_LAYOUT_VERSION
        || header->tables != id->tables)
    {
        return "another version of the module has written it";
    }

    if (header->size != len) {
        return "it is truncated, or too long";
    }

    if (ngx_k8s_snapshot_hash(data, len, hash) != NGX_OK) {
        return "there is no memory to check it";
    }

    if (ngx_memcmp(hash, header->hash, NGX_K8S_SNAPSHOT_HASH) != 0) {
        return "its checksum does not hold";
    }

    if (ngx_memcmp(id->identity, header->identity, NGX_K8S_SNAPSHOT_HASH)
        != 0)
    {
        return "it was made of another source, class or choice of namespaces";
    }

    return ngx_k8s_snapshot_entries(data, len);
}


static ngx_int_t
ngx_k8s_snapshot_hash(u_char *data, size_t len, u_char *hash)
{
    ngx_int_t                   rc;
    EVP_MD_CTX                 *ctx;
    ngx_k8s_snapshot_header_t   header;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(&header, data, sizeof(ngx_k8s_snapshot_header_t));
    ngx_memzero(header.hash, NGX_K8S_SNAPSHOT_HASH);

    rc = (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1
          && EVP_DigestUpdate(ctx, &header, sizeof(header)) == 1
          && EVP_DigestUpdate(ctx, data + sizeof(header), len - sizeof(header))
             == 1
          && EVP_DigestFinal_ex(ctx, hash, NULL) == 1)
         ? NGX_OK : NGX_ERROR;

    EVP_MD_CTX_free(ctx);

    return rc;
}


/* NGX_OK and the next entry, NGX_DONE at the end, NGX_ERROR */

static ngx_int_t
ngx_k8s_snapshot_next(u_char **pos, u_char *last,
    ngx_k8s_snapshot_item_t *item)
{
    u_char                 *p;
    size_t                  size, left;
    ngx_k8s_service_rec_t  *service;

    p = *pos;
    left = last - p;

    if (left == 0) {
        return NGX_DONE;
    }

    if (left < sizeof(ngx_k8s_snapshot_entry_t) + sizeof(ngx_k8s_record_t)) {
        return NGX_ERROR;
    }

    item->entry = (ngx_k8s_snapshot_entry_t *) p;
    p += sizeof(ngx_k8s_snapshot_entry_t);
    left -= sizeof(ngx_k8s_snapshot_entry_t);

    item->rec = (ngx_k8s_record_t *) p;

    if (ngx_k8s_record_verify(item->rec, left) != NGX_OK) {
        return NGX_ERROR;
    }

    item->stage = ngx_k8s_record_stage(item->rec);

    p += item->rec->size;
    left -= item->rec->size;

    item->identities = (uint64_t *) p;

    if (item->rec->type == NGX_K8S_INDEX_SERVICE) {
        service = (ngx_k8s_service_rec_t *) item->rec;

        size = ngx_align((size_t) service->endpoints.n * sizeof(uint64_t),
                         NGX_K8S_GRANULE);

        if (size > left) {
            return NGX_ERROR;
        }

        p += size;
    }

    *pos = p;

    return NGX_OK;
}


static char *
ngx_k8s_snapshot_entries(u_char *data, size_t len)
{
    u_char                     *p, *last, *seen;
    char                       *err;
    uint32_t                    n;
    ngx_int_t                   rc;
    ngx_k8s_certificate_t      *cert;
    ngx_k8s_snapshot_item_t     item;
    ngx_k8s_snapshot_header_t  *header;

    header = (ngx_k8s_snapshot_header_t *) data;

    if (header->nslots > NGX_K8S_CHUNKS * NGX_K8S_CHUNK_SLOTS) {
        return "it has too many slots";
    }

    seen = calloc(header->nslots + 1, 1);
    if (seen == NULL) {
        return "there is no memory to check it";
    }

    p = data + sizeof(ngx_k8s_snapshot_header_t);
    last = data + len;
    err = NULL;

    for (n = 0; err == NULL; n++) {
        rc = ngx_k8s_snapshot_next(&p, last, &item);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK) {
            err = "a record in it is damaged";
            break;
        }

        if (item.entry->slot == 0
            || item.entry->slot >= header->nslots
            || seen[item.entry->slot]
            || !ngx_k8s_record_types[item.rec->type].lasting)
        {
            err = "a record in it has no place of its own";
            break;
        }

        seen[item.entry->slot] = 1;

        cert = (ngx_k8s_certificate_t *) item.rec;

        if (item.rec->type == NGX_K8S_INDEX_CERTIFICATE
            && (cert->key.len > 0) != ((header->flags & NGX_K8S_SNAPSHOT_KEYS)
                                       != 0))
        {
            err = "a certificate in it has a key that it should not have, or "
                  "has none";
        }
    }

    free(seen);

    if (err == NULL && n != header->nrecords) {
        err = "it has another number of records than it says";
    }

    return err;
}


ngx_int_t
ngx_k8s_snapshot_load(ngx_k8s_writer_t *w, u_char *data, size_t len,
    ngx_k8s_loaded_t *loaded, ngx_log_t *log)
{
    u_char                     *p;
    ngx_int_t                   rc;
    ngx_uint_t                  stage, i, n;
    ngx_k8s_loader_t            l;
    ngx_k8s_snapshot_item_t    *items;
    ngx_k8s_snapshot_header_t  *header;

    header = (ngx_k8s_snapshot_header_t *) data;

    ngx_memzero(loaded, sizeof(ngx_k8s_loaded_t));
    loaded->saved = header->saved;

    items = ngx_alloc((header->nrecords + 1) * sizeof(ngx_k8s_snapshot_item_t),
                      log);
    if (items == NULL) {
        return NGX_ERROR;
    }

    p = data + sizeof(ngx_k8s_snapshot_header_t);

    for (n = 0; n < header->nrecords; n++) {
        if (ngx_k8s_snapshot_next(&p, data + len, &items[n]) != NGX_OK) {
            break;
        }
    }

    if (ngx_k8s_loader_init(&l, w, header->nslots, log) != NGX_OK) {
        ngx_free(items);
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (stage = 0; stage < NGX_K8S_RECORD_STAGES; stage++) {

        for (i = 0; i < n && rc != NGX_ERROR; i++) {
            if (items[i].stage == stage) {
                rc = ngx_k8s_snapshot_put(&l, &items[i], loaded);
            }
        }
    }

    ngx_k8s_writer_publish(w);

    ngx_k8s_table_set_states(ngx_k8s_writer_table(w), header->states,
                             NGX_K8S_TABLE_STATES);

    loaded->records = l.records;
    loaded->hosts = l.hosts;
    loaded->left = l.left;
    loaded->missing = l.missing;

    ngx_k8s_loader_done(&l);
    ngx_free(items);

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_k8s_snapshot_put(ngx_k8s_loader_t *l, ngx_k8s_snapshot_item_t *item,
    ngx_k8s_loaded_t *loaded)
{
    ngx_k8s_certificate_t  *cert;

    cert = (ngx_k8s_certificate_t *) item->rec;

    if (item->rec->type == NGX_K8S_INDEX_CERTIFICATE && cert->key.len == 0) {
        ngx_k8s_snapshot_keyless(loaded, cert);
        return NGX_OK;
    }

    return ngx_k8s_loader_put(l, item->entry->slot, item->entry->generation,
                              item->rec, item->identities);
}


static void
ngx_k8s_snapshot_keyless(ngx_k8s_loaded_t *loaded, ngx_k8s_certificate_t *cert)
{
    u_char     *p, *last;
    ngx_str_t   ns, name;

    /* a generated one is generated anew */

    if (cert->flags & NGX_K8S_CERTIFICATE_GENERATED) {
        return;
    }

    loaded->keyless++;

    ngx_k8s_record_str(cert, &cert->namespace, &ns);
    ngx_k8s_record_str(cert, &cert->name, &name);

    p = loaded->names + loaded->names_len;
    last = loaded->names + NGX_K8S_SNAPSHOT_NAMES;

    if (ns.len + name.len + 3 > (size_t) (last - p)) {
        return;
    }

    p = ngx_slprintf(p, last, "%s%V/%V", loaded->names_len ? ", " : "", &ns,
                     &name);

    loaded->names_len = p - loaded->names;
}
