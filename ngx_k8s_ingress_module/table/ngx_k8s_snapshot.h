
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A table's records outside of it: as bytes for a file, and on their way into
 * another table, where slots have other numbers.  Pure: no file is touched.
 *
 * A snapshot is a header and entries: a slot, its generation, and the record
 * that it held; behind a service record the identities of its endpoints'
 * statistics.  All is aligned to 16 bytes, in host byte order.  How far the
 * kinds were read (NGX_K8S_INDEX_SYNC) is not part of it.  The keys of
 * certificates and data marked as secret are the only secrets in records.
 */


#ifndef _NGX_K8S_SNAPSHOT_H_INCLUDED_
#define _NGX_K8S_SNAPSHOT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer.h>


#define NGX_K8S_SNAPSHOT_MAGIC       0x70616e73u  /* "snap" */
#define NGX_K8S_SNAPSHOT_VERSION     3

#define NGX_K8S_SNAPSHOT_KEYS        0x0001  /* with private keys */

#define NGX_K8S_SNAPSHOT_HASH        32      /* SHA-256 */
#define NGX_K8S_SNAPSHOT_NAMES       256     /* bytes of keyless Secrets' names
                                                that are told */

/* what a snapshot has to be of, to be loaded */

typedef struct {
    uint32_t                 tables;     /* CRC of the names in the code's own
                                            tables that records have indexes
                                            of */
    u_char                   identity[NGX_K8S_SNAPSHOT_HASH];  /* of what the
                                            routes are made of */
} ngx_k8s_snapshot_id_t;

typedef struct {
    uint32_t                 magic;
    uint32_t                 version;    /* NGX_K8S_SNAPSHOT_VERSION */
    uint32_t                 layout;     /* NGX_K8S_LAYOUT_VERSION */
    uint32_t                 flags;      /* NGX_K8S_SNAPSHOT_* */
    uint64_t                 size;       /* of all, bytes */
    uint64_t                 saved;      /* seconds since 1970 */
    uint32_t                 nslots;     /* above every slot's number */
    uint32_t                 nrecords;
    uint32_t                 tables;     /* as in ngx_k8s_snapshot_id_t */
    uint32_t                 reserved;
    uint64_t                 states[NGX_K8S_TABLE_STATES];
    u_char                   identity[NGX_K8S_SNAPSHOT_HASH];
    u_char                   hash[NGX_K8S_SNAPSHOT_HASH];  /* of all, with
                                            these bytes zero */
} ngx_k8s_snapshot_header_t;

typedef struct {
    uint32_t                 slot;
    uint32_t                 generation;
    uint32_t                 reserved[2];
} ngx_k8s_snapshot_entry_t;


/*
 * A table as it is at one moment, copied to private memory in slices; in the
 * watcher.  As long as it copies, nothing that it has still to copy is given
 * back, so it sees none of the changes that are made meanwhile.
 */

typedef struct ngx_k8s_chunk_s  ngx_k8s_chunk_t;

struct ngx_k8s_chunk_s {
    ngx_k8s_chunk_t         *next;
    size_t                   len;
    size_t                   size;
    u_char                  *data;
};

typedef struct {
    uint32_t                 slot;
    uint32_t                 record;     /* granules */
    uint32_t                 generation;
    uint32_t                 stage;      /* of a loader */
} ngx_k8s_capture_slot_t;

typedef struct {
    ngx_k8s_writer_t        *writer;     /* NULL once all is copied */
    ngx_log_t               *log;
    ngx_k8s_capture_slot_t  *slots;
    ngx_uint_t               nslots;
    ngx_uint_t               n;          /* copied so far */
    ngx_k8s_chunk_t         *chunks;     /* what belongs into the file */
    ngx_k8s_chunk_t         *last;
    size_t                   size;
    ngx_k8s_snapshot_header_t  header;   /* the first chunk, once all is
                                            copied */
} ngx_k8s_capture_t;

/*
 * Begins; "id" tells what the table was made of.  NULL without memory.
 * Free it with ngx_k8s_capture_free(), which wipes it.
 */
ngx_k8s_capture_t *ngx_k8s_capture_begin(ngx_k8s_writer_t *w,
    ngx_k8s_snapshot_id_t *id, ngx_uint_t flags, ngx_log_t *log);

/*
 * Copies about "len" bytes more: NGX_AGAIN, or NGX_OK when all is copied and
 * the writer no longer needed.  NGX_ERROR: no memory, or what is held was
 * wanted for something better; free it.
 */
ngx_int_t ngx_k8s_capture_run(ngx_k8s_capture_t *c, size_t len);
void ngx_k8s_capture_free(ngx_k8s_capture_t *c);

/* overwrites and frees the bytes of a complete one; in any thread */
void ngx_k8s_capture_wipe(ngx_k8s_capture_t *c);

/* sets the hash of a complete one; in any thread.  NGX_ERROR: no memory */
ngx_int_t ngx_k8s_capture_seal(ngx_k8s_capture_t *c);


/*
 * Records of another table on their way into an empty one: by stages, so that
 * what a record refers to is known before it (ngx_k8s_type.h).
 */

typedef struct {
    uint32_t                 slot;       /* new number, 0: none */
    uint32_t                 generation; /* old one */
    uint32_t                 type;
} ngx_k8s_loader_slot_t;

typedef struct {
    ngx_k8s_writer_t        *writer;
    ngx_log_t               *log;
    ngx_k8s_loader_slot_t   *slots;      /* by old number */
    uint32_t                 nslots;
    u_char                  *buf;        /* the record being changed */
    size_t                   size;
    ngx_uint_t               records;    /* that were put */
    ngx_uint_t               hosts;      /* of them */
    ngx_uint_t               left;       /* records left out */
    size_t                   missing;    /* bytes that they lacked, or 0 */
} ngx_k8s_loader_t;

ngx_int_t ngx_k8s_loader_init(ngx_k8s_loader_t *l, ngx_k8s_writer_t *w,
    uint32_t nslots, ngx_log_t *log);
void ngx_k8s_loader_done(ngx_k8s_loader_t *l);

/*
 * Puts a verified record of an old slot; "identities" are those of a service's
 * endpoints.  NGX_OK; NGX_DECLINED: it was left out, for lack of room or of
 * something it refers to; NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_loader_put(ngx_k8s_loader_t *l, uint32_t slot,
    uint32_t generation, ngx_k8s_record_t *rec, uint64_t *identities);


/*
 * Is it a sound snapshot of this?  NULL, or what is wrong with it, as the end
 * of a sentence.  "data" is aligned to 16 bytes.
 */
char *ngx_k8s_snapshot_check(u_char *data, size_t len,
    ngx_k8s_snapshot_id_t *id);

/* what a load has done */

typedef struct {
    time_t                   saved;
    ngx_uint_t               records;
    ngx_uint_t               hosts;
    ngx_uint_t               left;       /* records that had no room */
    size_t                   missing;    /* bytes */
    ngx_uint_t               keyless;    /* certificates without their key */
    size_t                   names_len;
    u_char                   names[NGX_K8S_SNAPSHOT_NAMES];
} ngx_k8s_loaded_t;

/*
 * Puts a checked snapshot into an empty table.  Certificates without a key are
 * not put: their hosts have the default one.  NGX_OK, NGX_ERROR: no memory.
 * Cost: about 5 us a record.
 */
ngx_int_t ngx_k8s_snapshot_load(ngx_k8s_writer_t *w, u_char *data, size_t len,
    ngx_k8s_loaded_t *loaded, ngx_log_t *log);


/*
 * Copies the table of a view, with counters and statistics, into an empty one
 * of another size, while its own watcher goes on; in the master.  Pins and
 * unpins the view.  NGX_DECLINED: there is no room for all, *missing bytes
 * lack; NGX_ERROR: no memory.  About 5 us a record.
 */
ngx_int_t ngx_k8s_table_copy(ngx_k8s_view_t *view, ngx_k8s_table_t *to,
    size_t *missing, ngx_log_t *log);


#endif /* _NGX_K8S_SNAPSHOT_H_INCLUDED_ */
