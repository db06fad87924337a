
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The readers' side of the table.  Nothing here trusts more than what was
 * checked when the zone was made: a torn or foreign slot, chain or record
 * header ends a search, it never leads outside of the table or around for
 * ever.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_sha1.h>
#include <ngx_k8s_table.h>
#include <ngx_k8s_shm.h>
#include <ngx_k8s_type.h>


/* where the parts of a table of some size lie; bytes from its start */

typedef struct {
    uint32_t                 nbuckets[NGX_K8S_INDEXES];
    uint32_t                 ncells;
    uint64_t                 buckets[NGX_K8S_INDEXES];
    uint64_t                 cells;
    uint64_t                 words;
    uint64_t                 heap;
} ngx_k8s_layout_t;


static void ngx_k8s_table_layout(ngx_k8s_layout_t *layout, size_t size);


#define NGX_K8S_LINE                 64
#define NGX_K8S_SHA1_LEN             20
#define NGX_K8S_BUCKETS_MIN          64
#define NGX_K8S_BUCKETS_MAX          (1024 * 1024)
#define NGX_K8S_HEAP_MIN             (64 * 1024)
#define NGX_K8S_SIZE_MAX             ((uint64_t) 0x7fffffff * NGX_K8S_GRANULE)


static void
ngx_k8s_table_layout(ngx_k8s_layout_t *layout, size_t size)
{
    uint32_t    nbuckets;
    uint64_t    offset;
    ngx_uint_t  i;

    nbuckets = NGX_K8S_BUCKETS_MIN;

    while (nbuckets < NGX_K8S_BUCKETS_MAX
           && (size_t) nbuckets * 2 <= size / 1024)
    {
        nbuckets *= 2;
    }

    layout->ncells = 64;

    while (layout->ncells < 0x40000000
           && (size_t) layout->ncells * 2 * sizeof(ngx_k8s_cell_t)
              <= size / 16)
    {
        layout->ncells *= 2;
    }

    offset = ngx_align(sizeof(ngx_k8s_table_t), NGX_K8S_LINE);

    for (i = 0; i < NGX_K8S_INDEXES; i++) {
        layout->nbuckets[i] = ngx_max(nbuckets >> ngx_k8s_record_types[i].rare,
                                      NGX_K8S_BUCKETS_MIN);
        layout->buckets[i] = offset;
        offset += (uint64_t) layout->nbuckets[i] * sizeof(uint32_t);
    }

    layout->cells = offset;
    offset += (uint64_t) layout->ncells * sizeof(ngx_k8s_cell_t);

    layout->words = offset;
    offset += NGX_K8S_WORDS * sizeof(ngx_k8s_word_t);

    layout->heap = ngx_align(offset, NGX_K8S_LINE);
}


size_t
ngx_k8s_table_overhead(size_t size)
{
    ngx_k8s_layout_t  layout;

    ngx_k8s_table_layout(&layout, size);

    return layout.heap;
}


ngx_int_t
ngx_k8s_table_init(void *addr, size_t size)
{
    ngx_uint_t         i;
    ngx_k8s_table_t   *table;
    ngx_k8s_layout_t   layout;

    ngx_k8s_table_layout(&layout, size);

    if (size < layout.heap + NGX_K8S_HEAP_MIN || size > NGX_K8S_SIZE_MAX) {
        return NGX_ERROR;
    }

    ngx_memzero(addr, layout.heap);

    table = addr;

    table->layout = NGX_K8S_LAYOUT_VERSION;
    table->size = size;
    table->started = ngx_time();
    table->version = 1;

    table->ncells = layout.ncells;

    for (i = 0; i < NGX_K8S_INDEXES; i++) {
        table->nbuckets[i] = layout.nbuckets[i];
        table->buckets[i] = layout.buckets[i];
    }

    table->cells = layout.cells;
    table->words = layout.words;
    table->heap = layout.heap;

    /* number 0 is none */

    table->nslots = 1;
    table->nstats = 1;

    ngx_k8s_store(&table->magic, NGX_K8S_TABLE_MAGIC);

    return NGX_OK;
}


ngx_int_t
ngx_k8s_table_check(void *addr, size_t size)
{
    ngx_uint_t         i;
    ngx_k8s_table_t   *table;
    ngx_k8s_layout_t   layout;

    table = addr;

    if (size < sizeof(ngx_k8s_table_t)
        || table->magic != NGX_K8S_TABLE_MAGIC
        || table->layout != NGX_K8S_LAYOUT_VERSION
        || table->size != size)
    {
        return NGX_ERROR;
    }

    ngx_k8s_table_layout(&layout, size);

    if (size < layout.heap + NGX_K8S_HEAP_MIN || size > NGX_K8S_SIZE_MAX) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_K8S_INDEXES; i++) {
        if (table->nbuckets[i] != layout.nbuckets[i]
            || table->buckets[i] != layout.buckets[i])
        {
            return NGX_ERROR;
        }
    }

    if (table->ncells != layout.ncells
        || table->cells != layout.cells
        || table->words != layout.words
        || table->heap != layout.heap)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_k8s_view_init(ngx_k8s_view_t *view, ngx_k8s_table_t *table, ngx_uint_t word)
{
    view->table = table;
    view->word = ngx_k8s_word(table, word);
    view->pinned = 0;

    ngx_k8s_store(&view->word->version, 0);
    view->word->pid = ngx_pid;
}


void
ngx_k8s_view_pin(ngx_k8s_view_t *view)
{
    if (view->pinned) {
        return;
    }

    view->pinned = 1;

    if (view->word == NULL) {
        return;
    }

    view->word->pins++;

    /*
     * The fence pairs with that of ngx_k8s_writer_publish(): either the
     * watcher sees this word, or what it has unlinked is not seen below.
     */

    ngx_k8s_store(&view->word->version, ngx_k8s_load(&view->table->version));
    ngx_k8s_fence();
}


void
ngx_k8s_view_unpin(ngx_k8s_view_t *view)
{
    if (!view->pinned) {
        return;
    }

    view->pinned = 0;

    if (view->word) {
        ngx_k8s_store(&view->word->version, 0);
    }
}


uint32_t
ngx_k8s_hash_end(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x85ebca6b;
    h ^= h >> 13;
    h *= 0xc2b2ae35;
    h ^= h >> 16;

    return h;
}


uint32_t
ngx_k8s_hash(u_char *data, size_t len)
{
    size_t    i;
    uint32_t  h;

    h = NGX_K8S_HASH_START;

    for (i = 0; i < len; i++) {
        h = ngx_k8s_hash_step(h, data[i]);
    }

    return ngx_k8s_hash_end(h);
}


static ngx_inline ngx_k8s_slot_t *
ngx_k8s_slot_get(ngx_k8s_table_t *table, uint32_t n)
{
    uint64_t         offset;
    ngx_k8s_slot_t  *slots;

    if (n == 0 || n >= ngx_k8s_load(&table->nslots)
        || n / NGX_K8S_CHUNK_SLOTS >= NGX_K8S_CHUNKS)
    {
        return NULL;
    }

    offset = (uint64_t) table->slots[n / NGX_K8S_CHUNK_SLOTS]
             * NGX_K8S_GRANULE;

    if (offset < table->heap
        || offset + NGX_K8S_CHUNK_SLOTS * sizeof(ngx_k8s_slot_t) > table->size)
    {
        return NULL;
    }

    slots = ngx_k8s_at(table, offset);

    return &slots[n % NGX_K8S_CHUNK_SLOTS];
}


static ngx_inline ngx_k8s_record_t *
ngx_k8s_record_get(ngx_k8s_table_t *table, uint32_t granule)
{
    uint64_t           offset;
    ngx_k8s_record_t  *rec;

    offset = (uint64_t) granule * NGX_K8S_GRANULE;

    if (offset < table->heap
        || offset + sizeof(ngx_k8s_record_t) > table->size)
    {
        return NULL;
    }

    rec = ngx_k8s_at(table, offset);

    if (rec->type >= NGX_K8S_INDEXES
        || rec->size < ngx_k8s_record_types[rec->type].fixed.size
        || rec->size > table->size - offset)
    {
        return NULL;
    }

    return rec;
}


static ngx_inline void *
ngx_k8s_slot_get_record(ngx_k8s_table_t *table, ngx_uint_t index,
    ngx_k8s_slot_t *slot)
{
    ngx_k8s_record_t  *rec;

    rec = ngx_k8s_record_get(table, ngx_k8s_load(&slot->record));

    if (rec == NULL || rec->type != index) {
        return NULL;
    }

    return rec;
}


ngx_k8s_slot_t *
ngx_k8s_slot(ngx_k8s_table_t *table, uint32_t n)
{
    return ngx_k8s_slot_get(table, n);
}


ngx_k8s_record_t *
ngx_k8s_record(ngx_k8s_table_t *table, uint32_t granule)
{
    return ngx_k8s_record_get(table, granule);
}


void *
ngx_k8s_slot_read(ngx_k8s_table_t *table, ngx_uint_t index,
    ngx_k8s_slot_t *slot)
{
    return ngx_k8s_slot_get_record(table, index, slot);
}


void *
ngx_k8s_slot_record(ngx_k8s_table_t *table, ngx_uint_t index, uint32_t n)
{
    ngx_k8s_slot_t  *slot;

    slot = ngx_k8s_slot_get(table, n);

    return slot ? ngx_k8s_slot_get_record(table, index, slot) : NULL;
}


void *
ngx_k8s_slot_record_gen(ngx_k8s_table_t *table, ngx_uint_t index, uint32_t n,
    uint32_t generation)
{
    void            *rec;
    ngx_k8s_slot_t  *slot;

    slot = ngx_k8s_slot_get(table, n);

    if (slot == NULL) {
        return NULL;
    }

    /* the writer sets the generation before the record */

    rec = ngx_k8s_slot_get_record(table, index, slot);

    if (rec == NULL || ngx_k8s_load(&slot->generation) != generation) {
        return NULL;
    }

    return rec;
}


void *
ngx_k8s_table_find(ngx_k8s_table_t *table, ngx_uint_t index, u_char *key,
    size_t len, uint32_t *number)
{
    uint32_t           n, hash, steps, *buckets;
    ngx_k8s_slot_t    *slot;
    ngx_k8s_record_t  *rec;

    hash = ngx_k8s_hash(key, len);

    buckets = ngx_k8s_at(table, table->buckets[index]);
    n = ngx_k8s_load(&buckets[hash & (table->nbuckets[index] - 1)]);

    for (steps = table->nslots; n && steps; steps--) {

        slot = ngx_k8s_slot_get(table, n);

        if (slot == NULL) {
            return NULL;
        }

        if (slot->hash == hash) {
            rec = ngx_k8s_slot_get_record(table, index, slot);

            if (rec != NULL
                && rec->key.len == len
                && (uint64_t) rec->key.offset + len <= rec->size
                && ngx_memcmp(ngx_k8s_record_at(rec, rec->key.offset), key, len)
                   == 0)
            {
                if (number) {
                    *number = n;
                }

                return rec;
            }
        }

        n = ngx_k8s_load(&slot->next);
    }

    return NULL;
}


void *
ngx_k8s_table_next(ngx_k8s_table_t *table, ngx_uint_t index, uint64_t *cursor)
{
    void            *rec, *next;
    uint32_t         n, last, lowest, steps, *buckets;
    uint64_t         bucket;
    ngx_k8s_slot_t  *slot;

    buckets = ngx_k8s_at(table, table->buckets[index]);
    last = (uint32_t) *cursor;

    for (bucket = *cursor >> 32; bucket < table->nbuckets[index]; bucket++) {

        /* in the order of numbers, since a chain changes between two calls */

        next = NULL;
        lowest = 0;

        n = ngx_k8s_load(&buckets[bucket]);

        for (steps = table->nslots; n && steps; steps--) {

            slot = ngx_k8s_slot_get(table, n);

            if (slot == NULL) {
                break;
            }

            if (n > last && (next == NULL || n < lowest)) {
                rec = ngx_k8s_slot_get_record(table, index, slot);

                if (rec) {
                    next = rec;
                    lowest = n;
                }
            }

            n = ngx_k8s_load(&slot->next);
        }

        if (next) {
            *cursor = bucket << 32 | lowest;
            return next;
        }

        last = 0;
    }

    *cursor = bucket << 32;

    return NULL;
}


ngx_k8s_stat_t *
ngx_k8s_stat(ngx_k8s_table_t *table, uint32_t n)
{
    uint64_t         offset;
    ngx_k8s_stat_t  *stats;

    if (n == 0 || n >= ngx_k8s_load(&table->nstats)
        || n / NGX_K8S_CHUNK_STATS >= NGX_K8S_CHUNKS)
    {
        return NULL;
    }

    offset = (uint64_t) table->stats[n / NGX_K8S_CHUNK_STATS]
             * NGX_K8S_GRANULE;

    if (offset < table->heap
        || offset + NGX_K8S_CHUNK_STATS * sizeof(ngx_k8s_stat_t) > table->size)
    {
        return NULL;
    }

    stats = ngx_k8s_at(table, offset);

    return &stats[n % NGX_K8S_CHUNK_STATS];
}


size_t
ngx_k8s_key_host(u_char *buf, uint32_t route_set, ngx_uint_t class,
    ngx_str_t *host)
{
    size_t    len;
    uint32_t  set;

    len = ngx_min(host->len, NGX_K8S_KEY_MAX - sizeof(uint32_t));
    set = class << 24 | route_set;

    ngx_memcpy(buf, &set, sizeof(uint32_t));
    ngx_memcpy(buf + sizeof(uint32_t), host->data, len);

    return sizeof(uint32_t) + len;
}


size_t
ngx_k8s_key_shard(u_char *buf, uint32_t route_set, ngx_uint_t class,
    ngx_str_t *host, ngx_uint_t n, ngx_uint_t shards)
{
    u_char    *p;
    uint16_t   numbers[2];

    numbers[0] = n;
    numbers[1] = shards;

    p = buf + ngx_k8s_key_host(buf, route_set, class, host);

    *p++ = '\0';
    p = ngx_cpymem(p, numbers, sizeof(numbers));

    return p - buf;
}


size_t
ngx_k8s_key_address(u_char *buf, ngx_uint_t family, in_port_t port,
    u_char *addr, size_t len)
{
    uint16_t  head[2];

    head[0] = (uint16_t) family;
    head[1] = (uint16_t) port;

    ngx_memcpy(buf, head, sizeof(head));
    ngx_memcpy(buf + sizeof(head), addr, len);

    return sizeof(head) + len;
}


size_t
ngx_k8s_key_listener(u_char *buf, uint32_t route_set, in_port_t port,
    ngx_uint_t transport, ngx_str_t *hostname)
{
    u_char    *p;
    size_t     len;
    uint16_t   outer;

    outer = (uint16_t) port;

    p = ngx_cpymem(buf, &route_set, sizeof(uint32_t));
    p = ngx_cpymem(p, &outer, sizeof(uint16_t));
    *p++ = (u_char) transport;

    len = ngx_min(hostname->len, (size_t) (buf + NGX_K8S_KEY_MAX - p));
    p = ngx_cpymem(p, hostname->data, len);

    return p - buf;
}


size_t
ngx_k8s_key_names(u_char *buf, ngx_uint_t n, ngx_str_t **names)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i;
    ngx_sha1_t   sha;

    len = 0;

    for (i = 0; i < n; i++) {
        len += names[i]->len + 1;
    }

    if (len <= NGX_K8S_KEY_MAX) {
        p = buf;

        for (i = 0; i < n; i++) {
            p = ngx_cpymem(p, names[i]->data, names[i]->len);
            *p++ = '\0';
        }

        return len;
    }

    ngx_sha1_init(&sha);

    for (i = 0; i < n; i++) {
        ngx_sha1_update(&sha, names[i]->data, names[i]->len);
        ngx_sha1_update(&sha, "", 1);
    }

    ngx_sha1_final(buf, &sha);

    return NGX_K8S_SHA1_LEN;
}


size_t
ngx_k8s_key_data(u_char *buf, ngx_uint_t use, ngx_str_t *ns, ngx_str_t *name,
    ngx_str_t *item)
{
    u_char    *p;
    uint32_t   n;

    if (sizeof(uint32_t) + ns->len + name->len + item->len + 3
        > NGX_K8S_KEY_MAX)
    {
        return 0;
    }

    n = use;

    p = ngx_cpymem(buf, &n, sizeof(uint32_t));
    p = ngx_cpymem(p, ns->data, ns->len);
    *p++ = '\0';
    p = ngx_cpymem(p, name->data, name->len);
    *p++ = '\0';
    p = ngx_cpymem(p, item->data, item->len);
    *p++ = '\0';

    return p - buf;
}
