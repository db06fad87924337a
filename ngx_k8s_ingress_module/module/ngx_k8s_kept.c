
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_kept.h>


#define NGX_K8S_KEPT_RECORDS         16  /* of one call */
#define NGX_K8S_KEPT_BYTES           (64 * 1024)
#define NGX_K8S_KEPT_SECRET          512 /* bytes of its names */


/*
 * The bytes of a record: origin, zero byte, number of the document, zero byte,
 * which are the entry's "head", and JSON of the object.
 */

typedef struct {
    ngx_str_node_t           sn;         /* key of the record */
    ngx_queue_t              queue;
    ngx_uint_t               kind;
    ngx_str_t                ns;         /* in the key */
    ngx_str_t                name;
    ngx_str_t                head;       /* these are malloc()ed until it is */
    ngx_str_t                text;       /* written */
    size_t                   size;       /* what it counts */
    unsigned                 queued:1;
    unsigned                 gone:1;
} ngx_k8s_kept_entry_t;


static ngx_k8s_kept_entry_t *ngx_k8s_kept_entry(ngx_k8s_kept_t *k,
    ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name, ngx_uint_t create);
static ngx_int_t ngx_k8s_kept_bytes(ngx_k8s_kept_t *k,
    ngx_k8s_kept_entry_t *entry, ngx_k8s_feed_t *feed);
static void ngx_k8s_kept_change(ngx_k8s_kept_t *k,
    ngx_k8s_kept_entry_t *entry);
static ngx_int_t ngx_k8s_kept_build(ngx_k8s_kept_t *k,
    ngx_k8s_kept_entry_t *entry);
static void ngx_k8s_kept_begin(ngx_k8s_kept_t *k,
    ngx_k8s_kept_entry_t *entry);
static ngx_uint_t ngx_k8s_kept_fits(ngx_k8s_kept_t *k,
    ngx_k8s_kept_entry_t *entry);
static void ngx_k8s_kept_write(ngx_k8s_kept_t *k,
    ngx_k8s_kept_entry_t *entry);
static void ngx_k8s_kept_remove(ngx_k8s_kept_t *k,
    ngx_k8s_kept_entry_t *entry);
static ngx_int_t ngx_k8s_kept_sweep(ngx_k8s_kept_t *k);
static ngx_int_t ngx_k8s_kept_feed(ngx_k8s_kept_t *k, ngx_k8s_data_t *rec,
    ngx_uint_t kind, ngx_k8s_feed_t *feed);
static void ngx_k8s_kept_empty(ngx_k8s_kept_entry_t *entry);
static void ngx_k8s_kept_free(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry);


ngx_int_t
ngx_k8s_kept_init(ngx_k8s_kept_t *k, ngx_k8s_table_t *table,
    ngx_k8s_writer_t *writer, ngx_str_t *name, ngx_log_t *log)
{
    ngx_memzero(k, sizeof(ngx_k8s_kept_t));

    k->table = table;
    k->writer = writer;
    k->name = *name;
    k->log = log;

    ngx_rbtree_init(&k->tree, &k->sentinel, ngx_str_rbtree_insert_value);
    ngx_queue_init(&k->changed);

    return ngx_k8s_builder_init(&k->builder, log);
}


void
ngx_k8s_kept_done(ngx_k8s_kept_t *k)
{
    if (k->table == NULL) {
        return;
    }

    while (k->tree.root != k->tree.sentinel) {
        ngx_k8s_kept_free(k, (ngx_k8s_kept_entry_t *) k->tree.root);
    }

    ngx_k8s_builder_unplace(&k->builder, k->writer);
    ngx_k8s_builder_done(&k->builder);

    k->table = NULL;
}


ngx_int_t
ngx_k8s_kept_object(ngx_k8s_kept_t *k, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_feed_t *feed)
{
    ngx_k8s_kept_entry_t  *entry;

    if (feed == NULL && k->tree.root == k->tree.sentinel) {
        return NGX_OK;
    }

    entry = ngx_k8s_kept_entry(k, kind, ns, name, feed != NULL);

    if (entry == NULL) {
        return feed ? NGX_ERROR : NGX_OK;
    }

    ngx_k8s_kept_empty(entry);

    if (k->building == entry) {
        k->building = NULL;
        ngx_k8s_builder_unplace(&k->builder, k->writer);

        /* one that changes all the time keeps no other one out */

        ngx_queue_remove(&entry->queue);
        ngx_queue_insert_tail(&k->changed, &entry->queue);
    }

    entry->gone = (feed == NULL
                   || ngx_k8s_kept_bytes(k, entry, feed) != NGX_OK);

    ngx_k8s_kept_change(k, entry);

    return (feed && entry->gone) ? NGX_ERROR : NGX_OK;
}


ngx_uint_t
ngx_k8s_kept_has(ngx_k8s_kept_t *k, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_kept_entry_t  *entry;

    entry = ngx_k8s_kept_entry(k, kind, ns, name, 0);

    return entry && !entry->gone;
}


static ngx_k8s_kept_entry_t *
ngx_k8s_kept_entry(ngx_k8s_kept_t *k, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t create)
{
    u_char                 buf[NGX_K8S_KEY_MAX];
    uint32_t               hash;
    ngx_str_t              key;
    ngx_k8s_kept_entry_t  *entry;

    key.data = buf;
    key.len = ngx_k8s_key_data(buf, NGX_K8S_DATA_OBJECT, ns, name,
                               &ngx_k8s_kinds[kind].name);

    if (key.len == 0) {
        return NULL;
    }

    hash = ngx_crc32_long(key.data, key.len);

    entry = (ngx_k8s_kept_entry_t *)
                ngx_str_rbtree_lookup(&k->tree, &key, hash);

    if (entry || !create) {
        return entry;
    }

    entry = ngx_calloc(sizeof(ngx_k8s_kept_entry_t) + key.len, k->log);
    if (entry == NULL) {
        return NULL;
    }

    entry->sn.node.key = hash;
    entry->sn.str.len = key.len;
    entry->sn.str.data = (u_char *) entry + sizeof(ngx_k8s_kept_entry_t);
    ngx_memcpy(entry->sn.str.data, key.data, key.len);

    entry->kind = kind;
    entry->ns.len = ns->len;
    entry->ns.data = entry->sn.str.data + sizeof(uint32_t);
    entry->name.len = name->len;
    entry->name.data = entry->ns.data + ns->len + 1;

    ngx_rbtree_insert(&k->tree, &entry->sn.node);

    return entry;
}


static ngx_int_t
ngx_k8s_kept_bytes(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry,
    ngx_k8s_feed_t *feed)
{
    u_char  *p;

    p = ngx_alloc(feed->origin.len + NGX_INT_T_LEN + 2, k->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    entry->head.data = p;
    entry->head.len = ngx_sprintf(p, "%V%Z%ui%Z", &feed->origin, feed->document)
                      - p;

    if (!ngx_k8s_kinds[entry->kind].secret) {
        entry->text.data = feed->text;
        entry->text.len = feed->len;
        feed->text = NULL;

        return NGX_OK;
    }

    p = ngx_alloc(NGX_K8S_KEPT_SECRET, k->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    entry->text.data = p;
    entry->text.len = ngx_snprintf(p, NGX_K8S_KEPT_SECRET, "{\"metadata\":{"
                                   "\"namespace\":\"%V\",\"name\":\"%V\"}}",
                                   &entry->ns, &entry->name)
                      - p;

    return NGX_OK;
}


static void
ngx_k8s_kept_change(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry)
{
    if (!entry->queued) {
        entry->queued = 1;
        ngx_queue_insert_tail(&k->changed, &entry->queue);
    }
}


/* of some kinds the store has only those that are wanted */

void
ngx_k8s_kept_listed(ngx_k8s_kept_t *k, ngx_k8s_store_t *store,
    ngx_uint_t kind, ngx_str_t *scope)
{
    ngx_rbtree_node_t     *node;
    ngx_k8s_kept_entry_t  *entry;

    if (k->tree.root == k->tree.sentinel || ngx_k8s_kinds[kind].wanted) {
        return;
    }

    for (node = ngx_rbtree_min(k->tree.root, k->tree.sentinel);
         node;
         node = ngx_rbtree_next(&k->tree, node))
    {
        entry = (ngx_k8s_kept_entry_t *) node;

        if (entry->kind == kind
            && (scope->len == 0
                || (scope->len == entry->ns.len
                    && ngx_memcmp(scope->data, entry->ns.data, scope->len)
                       == 0))
            && ngx_k8s_store_get(store, kind, &entry->ns, &entry->name)
               == NULL)
        {
            (void) ngx_k8s_kept_object(k, kind, &entry->ns, &entry->name,
                                       NULL);
        }
    }
}


ngx_int_t
ngx_k8s_kept_run(ngx_k8s_kept_t *k, ngx_uint_t listed)
{
    size_t                 size;
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_k8s_kept_entry_t  *entry;

    size = 0;

    for (n = 0; n < NGX_K8S_KEPT_RECORDS && size < NGX_K8S_KEPT_BYTES; n++) {

        if (ngx_queue_empty(&k->changed)) {
            return (listed && !k->swept) ? ngx_k8s_kept_sweep(k) : NGX_OK;
        }

        q = ngx_queue_head(&k->changed);
        entry = ngx_queue_data(q, ngx_k8s_kept_entry_t, queue);

        if (!entry->gone && ngx_k8s_kept_build(k, entry) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        ngx_queue_remove(q);
        entry->queued = 0;
        size += entry->head.len + entry->text.len;

        ngx_k8s_kept_write(k, entry);
    }

    return NGX_AGAIN;
}


/* a piece of its record, which a change of the entry puts an end to */

static ngx_int_t
ngx_k8s_kept_build(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry)
{
    size_t              n;
    ngx_k8s_builder_t  *b;

    b = &k->builder;

    if (k->building != entry) {
        k->building = entry;
        k->built = 0;

        ngx_k8s_kept_begin(k, entry);
    }

    n = ngx_min(entry->text.len - k->built, NGX_K8S_KEPT_BYTES);

    if (n && !b->failed) {
        ngx_memcpy(b->data + b->len, entry->text.data + k->built, n);
        b->len += n;
        k->built += n;

        (void) ngx_k8s_builder_sum(b, b->len);

        if (n == NGX_K8S_KEPT_BYTES) {
            return NGX_AGAIN;
        }
    }

    if (ngx_k8s_kept_fits(k, entry)
        && ngx_k8s_builder_place(b, k->writer, NGX_K8S_WRITE_OBJECT,
                                 NGX_K8S_KEPT_BYTES)
           == NGX_AGAIN)
    {
        return NGX_AGAIN;
    }

    k->building = NULL;

    return NGX_OK;
}


/* all but the text, and memory for that */

static void
ngx_k8s_kept_begin(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry)
{
    uint32_t            at;
    ngx_k8s_str_t       key, ns, name, item;
    ngx_k8s_data_t     *rec;
    ngx_k8s_builder_t  *b;

    b = &k->builder;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_DATA, sizeof(ngx_k8s_data_t));

    key = ngx_k8s_builder_str(b, &entry->sn.str);
    ns = ngx_k8s_builder_str(b, &entry->ns);
    name = ngx_k8s_builder_str(b, &entry->name);
    item = ngx_k8s_builder_str(b, &ngx_k8s_kinds[entry->kind].name);
    at = ngx_k8s_builder_alloc(b, entry->head.len);

    ngx_k8s_builder_reserve(b, entry->text.len);

    if (b->failed) {
        return;
    }

    ngx_memcpy(ngx_k8s_builder_ptr(b, at), entry->head.data, entry->head.len);

    rec = ngx_k8s_builder_ptr(b, 0);

    rec->header.key = key;
    rec->use = NGX_K8S_DATA_OBJECT;
    rec->namespace = ns;
    rec->name = name;
    rec->item = item;
    rec->bytes.offset = at;
    rec->bytes.len = entry->head.len + entry->text.len;
}


/* whether all of them are within their share with the record that is built */

static ngx_uint_t
ngx_k8s_kept_fits(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry)
{
    return !k->builder.failed
           && k->bytes - entry->size + ngx_k8s_writer_cost(k->builder.len)
              <= k->table->size / NGX_K8S_KEPT_SHARE;
}


/* a record, or its end; one that has no room is not asked for again */

static void
ngx_k8s_kept_write(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry)
{
    uint32_t  slot;

    slot = 0;

    if (!entry->gone && ngx_k8s_kept_fits(k, entry)) {
        slot = ngx_k8s_builder_put(&k->builder, k->writer,
                                   NGX_K8S_WRITE_OBJECT);
    }

    k->bytes -= entry->size;
    entry->size = 0;

    ngx_k8s_kept_empty(entry);

    if (slot) {
        entry->size = ngx_k8s_writer_cost(k->builder.len);
        k->bytes += entry->size;
        return;
    }

    /* there may be an older version */

    ngx_k8s_kept_remove(k, entry);

    if (entry->gone) {
        ngx_k8s_kept_free(k, entry);
        return;
    }

    if (!k->full) {
        k->full = 1;

        ngx_log_error(NGX_LOG_WARN, k->log, 0,
                      "%V: the zone has no room for a copy of %V \"%V/%V\", as "
                      "it was last: after a restart it is not known where it "
                      "cannot be read", &k->name,
                      &ngx_k8s_kinds[entry->kind].name, &entry->ns,
                      &entry->name);
    }
}


static void
ngx_k8s_kept_remove(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry)
{
    uint32_t  slot;

    if (ngx_k8s_table_find(k->table, NGX_K8S_INDEX_DATA, entry->sn.str.data,
                           entry->sn.str.len, &slot))
    {
        ngx_k8s_writer_remove(k->writer, slot);
    }
}


static ngx_int_t
ngx_k8s_kept_sweep(ngx_k8s_kept_t *k)
{
    ngx_str_t        key;
    ngx_uint_t       n;
    ngx_k8s_data_t  *rec;

    for (n = 0; n < NGX_K8S_KEPT_RECORDS; n++) {

        rec = ngx_k8s_table_next(k->table, NGX_K8S_INDEX_DATA, &k->cursor);

        if (rec == NULL) {
            k->swept = 1;
            return NGX_OK;
        }

        if (rec->use != NGX_K8S_DATA_OBJECT) {
            continue;
        }

        ngx_k8s_record_str(rec, &rec->header.key, &key);

        if (ngx_str_rbtree_lookup(&k->tree, &key,
                                  ngx_crc32_long(key.data, key.len))
            == NULL)
        {
            ngx_k8s_writer_remove(k->writer, k->cursor);
        }
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_k8s_kept_get(ngx_k8s_kept_t *k, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_feed_t *feed)
{
    size_t                 len;
    u_char                 buf[NGX_K8S_KEY_MAX];
    uint32_t               slot;
    ngx_k8s_data_t        *rec;
    ngx_k8s_kept_entry_t  *entry;

    len = ngx_k8s_key_data(buf, NGX_K8S_DATA_OBJECT, ns, name,
                           &ngx_k8s_kinds[kind].name);
    entry = ngx_k8s_kept_entry(k, kind, ns, name, 0);

    if (len == 0 || (entry && entry->gone)) {
        return NGX_DECLINED;
    }

    rec = ngx_k8s_table_find(k->table, NGX_K8S_INDEX_DATA, buf, len, &slot);

    return rec ? ngx_k8s_kept_feed(k, rec, kind, feed) : NGX_DECLINED;
}


void
ngx_k8s_kept_known(ngx_k8s_kept_t *k, ngx_k8s_store_t *store)
{
    ngx_rbtree_node_t     *node;
    ngx_k8s_kept_entry_t  *entry;

    if (k->tree.root == k->tree.sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(k->tree.root, k->tree.sentinel);
         node;
         node = ngx_rbtree_next(&k->tree, node))
    {
        entry = (ngx_k8s_kept_entry_t *) node;

        if (entry->kind == NGX_K8S_CONFIG_MAP
            && ngx_k8s_store_get(store, entry->kind, &entry->ns, &entry->name)
               == NULL)
        {
            (void) ngx_k8s_kept_object(k, entry->kind, &entry->ns,
                                       &entry->name, NULL);
        }
    }
}


ngx_int_t
ngx_k8s_kept_next(ngx_k8s_kept_t *k, ngx_k8s_source_conf_t *conf,
    uint64_t *cursor, ngx_k8s_feed_t *feed)
{
    ngx_int_t        rc;
    ngx_str_t        kind, ns, name;
    ngx_uint_t       i;
    ngx_k8s_data_t  *rec;

    for ( ;; ) {

        rec = ngx_k8s_table_next(k->table, NGX_K8S_INDEX_DATA, cursor);

        if (rec == NULL) {
            return NGX_DONE;
        }

        if (rec->use != NGX_K8S_DATA_OBJECT) {
            continue;
        }

        ngx_k8s_record_str(rec, &rec->item, &kind);
        ngx_k8s_record_str(rec, &rec->namespace, &ns);
        ngx_k8s_record_str(rec, &rec->name, &name);

        for (i = 0; i < NGX_K8S_KINDS; i++) {
            if (kind.len == ngx_k8s_kinds[i].name.len
                && ngx_strncmp(kind.data, ngx_k8s_kinds[i].name.data, kind.len)
                   == 0)
            {
                break;
            }
        }

        /* a predecessor may have read what is no longer read */

        if (i == NGX_K8S_KINDS || !ngx_k8s_source_reads(conf, i, &ns, &name)) {
            continue;
        }

        rc = ngx_k8s_kept_feed(k, rec, i, feed);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }
}


/* NGX_DECLINED: it is none */

static ngx_int_t
ngx_k8s_kept_feed(ngx_k8s_kept_t *k, ngx_k8s_data_t *rec, ngx_uint_t kind,
    ngx_k8s_feed_t *feed)
{
    u_char     *p, *last;
    ngx_str_t   bytes;

    ngx_memzero(feed, sizeof(ngx_k8s_feed_t));

    ngx_k8s_record_str(rec, &rec->bytes, &bytes);

    last = bytes.data + bytes.len;

    feed->op = NGX_K8S_FEED_OBJECT;
    feed->kind = kind;
    feed->kept = 1;
    feed->origin.data = bytes.data;

    p = ngx_strlchr(bytes.data, last, '\0');

    if (p) {
        feed->origin.len = p - bytes.data;
        bytes.data = p + 1;
        p = ngx_strlchr(bytes.data, last, '\0');
    }

    if (p == NULL) {
        return NGX_DECLINED;
    }

    feed->document = ngx_max(ngx_atoi(bytes.data, p - bytes.data), 0);
    feed->len = last - ++p;

    feed->text = ngx_alloc(feed->len + 1, k->log);
    if (feed->text == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(feed->text, p, feed->len);

    return NGX_OK;
}


static void
ngx_k8s_kept_empty(ngx_k8s_kept_entry_t *entry)
{
    if (entry->head.data) {
        ngx_free(entry->head.data);
        ngx_str_null(&entry->head);
    }

    if (entry->text.data) {
        ngx_free(entry->text.data);
        ngx_str_null(&entry->text);
    }
}


static void
ngx_k8s_kept_free(ngx_k8s_kept_t *k, ngx_k8s_kept_entry_t *entry)
{
    if (entry->queued) {
        ngx_queue_remove(&entry->queue);
    }

    if (k->building == entry) {
        k->building = NULL;
    }

    ngx_k8s_kept_empty(entry);

    ngx_rbtree_delete(&k->tree, &entry->sn.node);
    ngx_free(entry);
}
