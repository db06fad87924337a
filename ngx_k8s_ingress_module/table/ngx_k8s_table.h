
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The route table in shared memory: what every process maps, and how it is
 * read.  The watcher alone writes (ngx_k8s_writer.h); all others only read,
 * without a lock, and write nothing but their own pin word and counters.
 *
 * Pins.  A reader stores the current version in its word, then a full fence,
 * then follows slots and records.  The watcher unlinks, raises the version,
 * fence, then reads all words: what was unlinked at version V is free once no
 * word holds 1 .. V.  A pin never crosses a return to the event loop: see
 * ngx_k8s_pin() in module/.
 */


#ifndef _NGX_K8S_TABLE_H_INCLUDED_
#define _NGX_K8S_TABLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_record.h>


#define NGX_K8S_TABLE_MAGIC          0x6b387372u  /* "k8sr" */

/* records are addressed in units of this many bytes, from the table's start */
#define NGX_K8S_GRANULE              16

#define NGX_K8S_WORDS                (NGX_MAX_PROCESSES + 1)
#define NGX_K8S_WORD_MASTER          NGX_MAX_PROCESSES

/* slots and statistics live in chunks that are never given back */
#define NGX_K8S_CHUNK_SLOTS          1024
#define NGX_K8S_CHUNK_STATS          512
#define NGX_K8S_CHUNKS               1024

#define NGX_K8S_TURN_BUCKETS         12

/* an empty table waits for a snapshot: set in the master, then worker 0 */
#define NGX_K8S_RESTORE_NONE         0
#define NGX_K8S_RESTORE_WANTED       1
#define NGX_K8S_RESTORE_BEGUN        2
#define NGX_K8S_RESTORE_DONE         3

/* what the watcher writes to the API server, and what comes of it */
#define NGX_K8S_WROTE_LEASE          0
#define NGX_K8S_WROTE_STATUS         1
#define NGX_K8S_WROTE_EVENT          2
#define NGX_K8S_WROTE_WHAT           3

#define NGX_K8S_WROTE_OK             0
#define NGX_K8S_WROTE_CONFLICT       1   /* 409, or it has gone */
#define NGX_K8S_WROTE_REFUSED        2   /* 403 */
#define NGX_K8S_WROTE_FAILED         3
#define NGX_K8S_WROTE_RESULTS        4

/* "lease", ...; "written", ... */
extern ngx_str_t  ngx_k8s_wrote_what[NGX_K8S_WROTE_WHAT];
extern ngx_str_t  ngx_k8s_wrote_results[NGX_K8S_WROTE_RESULTS];

/* states of Ingresses that have a count, those of the future among them */
#define NGX_K8S_TABLE_STATES         16


/*
 * Slot: the one mutable word by which a record is reached.  Its number is
 * stable as long as the thing lives; 0 is no slot.  Written by the watcher
 * only.  A slot that is given to another thing gets another generation.
 */

typedef struct {
    uint32_t                 record;     /* granules; 0: free */
    uint32_t                 generation; /* from 1 */
    uint32_t                 hash;       /* of the record's key; without one
                                            the writer's */
    uint32_t                 next;       /* slot, in the bucket's chain */
} ngx_k8s_slot_t;


/*
 * Statistics of one endpoint, by identity (Service uid, targetRef uid,
 * address, port), so that they survive every update of the Service.  Written
 * by all workers with atomics; given out and taken back by the watcher.
 */

typedef struct {
    uint64_t                 identity;   /* 0: free */
    ngx_atomic_t             requests;   /* tries sent to it */
    ngx_atomic_t             failures;   /* tries that failed */
    ngx_atomic_t             refused;    /* ngx_current_msec of the last
                                            connection that failed; 0: none */
    ngx_atomic_t             ewma;       /* see ngx_k8s_ewma.h; 0: none */
    ngx_atomic_t             reserved[2];
    uint64_t                 link;       /* the writer's, without identity */
} ngx_k8s_stat_t;


/*
 * Request counter: a cell of an open hash table that workers fill.  Its key is
 * rule slot << 32 | generation's low 12 bits << 20 | method << 12 | status,
 * 0 when free; it is claimed by compare and set and never moves.
 */

typedef struct {
    ngx_atomic_t             key;
    ngx_atomic_t             count;
    ngx_atomic_t             answered;   /* of these by backends */
    ngx_atomic_t             msec;       /* that these took them */
} ngx_k8s_cell_t;

/* what was counted for a key */

typedef struct {
    uint64_t                 key;
    uint64_t                 count;
    uint64_t                 answered;
    uint64_t                 msec;
} ngx_k8s_counted_t;


/* pin word of one process, on a cache line of its own */

typedef struct {
    ngx_atomic_t             version;    /* 0: nothing pinned */
    ngx_atomic_t             pid;
    ngx_atomic_t             pins;       /* how often it pinned */
    ngx_atomic_t             dropped;    /* counts lost, cells full */
    ngx_atomic_t             clients;    /* NGX_K8S_CLIENTS_*, beside them the
                                            table's "clients" of that time */
    ngx_atomic_t             requests;   /* since then, that name others */
    ngx_atomic_t             client[2];  /* its address, IPv4 is mapped */
} ngx_k8s_word_t;


/*
 * The start of the table, at a page boundary of the zone.  Offsets are in
 * bytes from here unless said.  All but the marked is written once, in the
 * master, before any worker runs.
 */

typedef struct {
    uint32_t                 magic;
    uint32_t                 layout;     /* NGX_K8S_LAYOUT_VERSION */
    uint64_t                 size;       /* of the table, bytes */
    uint64_t                 started;    /* seconds, when it was made */

    ngx_atomic_t             version;    /* watcher: from 1, at each publish */
    ngx_atomic_t             reloads;    /* watcher: writers opened so far */
    ngx_atomic_t             writer_pid; /* watcher: of the last one */
    ngx_atomic_t             ready;      /* watcher: once 1 stays 1 */
    ngx_atomic_t             sequence;   /* watcher: before and after each
                                            change of a slot's record */
    ngx_atomic_t             changes;    /* watcher: records swapped */
    ngx_atomic_t             lasting;    /* and those of a snapshot among
                                            them */
    ngx_atomic_t             used;       /* watcher: bytes of live records */
    ngx_atomic_t             unreclaimed; /* watcher: bytes waiting for pins */
    ngx_atomic_t             largest;    /* watcher: largest free extent */
    ngx_atomic_t             problems_dropped; /* watcher */
    ngx_atomic_t             global;     /* watcher: of the policy of the
                                            ConfigMap, "profile" as a number
                                            that is never 0; 0: none */
    ngx_atomic_t             clients;    /* watcher: raised by
                                            NGX_K8S_CLIENTS_ROUND, when what
                                            processes know of clients begins
                                            anew */
    ngx_atomic_t             states[NGX_K8S_TABLE_STATES]; /* watcher: so many
                                            Ingresses are of that state */

    ngx_atomic_t             cycles;     /* master: configurations that took
                                            the place of another one */
    ngx_atomic_t             leader;     /* watcher: 1: it writes to the API
                                            server */
    ngx_atomic_t             addresses;  /* watcher: so many are in the status
                                            of Ingresses */
    ngx_atomic_t             wrote[NGX_K8S_WROTE_WHAT][NGX_K8S_WROTE_RESULTS];
                                         /* watcher: requests so far */

    /* the snapshot file; seconds since 1970 */
    ngx_atomic_t             restore;    /* NGX_K8S_RESTORE_* */
    ngx_atomic_t             restored;   /* watcher: the table is one of this
                                            time, 0: of the source */
    ngx_atomic_t             saved;      /* watcher: written, 0: not yet */
    ngx_atomic_t             save_errors; /* watcher */

    /* event loop turns of the watcher that did work, by length: 0.1 0.25 0.5
       1 2 3 5 10 25 50 100 ms and longer; and their sum in microseconds */
    ngx_atomic_t             turns[NGX_K8S_TURN_BUCKETS];
    ngx_atomic_t             turns_sum;
    ngx_atomic_t             turns_max;  /* microseconds */

    uint32_t                 nbuckets[NGX_K8S_INDEXES]; /* powers of two */
    uint64_t                 buckets[NGX_K8S_INDEXES]; /* uint32_t slots */
    uint64_t                 cells;      /* ngx_k8s_cell_t */
    uint64_t                 ncells;     /* a power of two */
    uint64_t                 words;      /* ngx_k8s_word_t */
    uint64_t                 heap;       /* first byte that records may use */

    /* watcher: heap offsets of chunks in granules, 0: not yet made */
    uint32_t                 nslots;     /* numbers ever used */
    uint32_t                 nstats;
    uint32_t                 counts[NGX_K8S_INDEXES]; /* records of each */
    uint32_t                 slots[NGX_K8S_CHUNKS];
    uint32_t                 stats[NGX_K8S_CHUNKS];
} ngx_k8s_table_t;


/*
 * A process' view of a table.  Private memory; one for each block and process,
 * or made on a copy by a test with word == NULL.
 */

typedef struct {
    ngx_k8s_table_t         *table;
    ngx_k8s_word_t          *word;
    unsigned                 pinned:1;
} ngx_k8s_view_t;


/* bytes that a table of "size" takes for all but records; any process */
size_t ngx_k8s_table_overhead(size_t size);

/*
 * Formats "size" bytes at "addr" (page aligned) as an empty table; called once
 * for a new zone, in the master.  NGX_ERROR when size is too small.
 */
ngx_int_t ngx_k8s_table_init(void *addr, size_t size);

/* NGX_OK when the bytes at "addr" are a table that this code can read */
ngx_int_t ngx_k8s_table_check(void *addr, size_t size);

/* binds a view to a table and the word of this process; clears the word */
void ngx_k8s_view_init(ngx_k8s_view_t *view, ngx_k8s_table_t *table,
    ngx_uint_t word);

/* pin and unpin; nested pins are one; see above for what holds in between */
void ngx_k8s_view_pin(ngx_k8s_view_t *view);
void ngx_k8s_view_unpin(ngx_k8s_view_t *view);


/* readers: valid under a pin, in any process */

/* the version; what is read after it is of this version or a later one */
#define ngx_k8s_table_version(table)                                          \
    __atomic_load_n(&(table)->version, __ATOMIC_ACQUIRE)

/*
 * The hash of keys and paths, over bytes: start, step for each, end.  A step
 * can be undone, so that the hashes of all prefixes of a path are at hand.
 */

#define NGX_K8S_HASH_START           0x811c9dc5u
#define ngx_k8s_hash_step(h, c)      (((h) ^ (u_char) (c)) * 0x01000193u)
#define ngx_k8s_hash_undo(h, c)      (((h) * 0x359c449bu) ^ (u_char) (c))

uint32_t ngx_k8s_hash_end(uint32_t h);
uint32_t ngx_k8s_hash(u_char *data, size_t len);

/* slot by number, or NULL when there is no such number */
ngx_k8s_slot_t *ngx_k8s_slot(ngx_k8s_table_t *table, uint32_t n);

/* record of a slot, or NULL; checks type against index */
void *ngx_k8s_slot_read(ngx_k8s_table_t *table, ngx_uint_t index,
    ngx_k8s_slot_t *slot);

/* record of slot n, or NULL */
void *ngx_k8s_slot_record(ngx_k8s_table_t *table, ngx_uint_t index, uint32_t n);

/* the same, but NULL when the slot has gone to another thing since */
void *ngx_k8s_slot_record_gen(ngx_k8s_table_t *table, ngx_uint_t index,
    uint32_t n, uint32_t generation);

/* record with the key and its slot number (if slot != NULL), or NULL */
void *ngx_k8s_table_find(ngx_k8s_table_t *table, ngx_uint_t index, u_char *key,
    size_t len, uint32_t *slot);

/*
 * Walks an index in no order: *cursor is 0 at first; returns the next record,
 * whose slot is (uint32_t) *cursor, or NULL at the end.  A walk may go on under
 * a later pin: what lives throughout is met once.  Cost: records and buckets of
 * this index alone.
 */
void *ngx_k8s_table_next(ngx_k8s_table_t *table, ngx_uint_t index,
    uint64_t *cursor);

/* NGX_OK when the checksum holds and every reference stays inside */
ngx_int_t ngx_k8s_record_verify(ngx_k8s_record_t *rec, size_t max);

/* statistics by number, or NULL */
ngx_k8s_stat_t *ngx_k8s_stat(ngx_k8s_table_t *table, uint32_t n);

/*
 * Adds one to the cell of (rule slot, method, status); method is an index of
 * ngx_k8s_methods, status 0 .. 4095, msec what backends took, or -1: none was
 * asked.  Lock-free; counts in word->dropped when the cells are full.  A rule
 * that has gone is not counted any more.  Pins by itself where the caller has
 * not.
 */
void ngx_k8s_count(ngx_k8s_view_t *view, uint32_t rule, uint32_t generation,
    ngx_uint_t method, ngx_uint_t status, ngx_int_t msec);

/*
 * Clients, so long as all have one address: notes that of a request, 16 bytes;
 * "other" is 1 when the request names another one as its client.  Private to
 * the process.  clients_differ() says that there is nothing more to note.
 */

#define NGX_K8S_CLIENTS_ONE          1   /* one address was seen */
#define NGX_K8S_CLIENTS_DIFFER       2
#define NGX_K8S_CLIENTS_ROUND        4

#define NGX_K8S_CLIENTS_MIN          100 /* requests; fewer tell nothing */

#define ngx_k8s_clients_differ(view)                                          \
    ((view)->word->clients                                                    \
     == ((view)->table->clients | NGX_K8S_CLIENTS_DIFFER))

void ngx_k8s_clients_note(ngx_k8s_view_t *view, u_char *addr,
    ngx_uint_t other);

/*
 * Watcher only: what all processes have noted; begins anew.  NGX_OK: all had
 * the address, and *requests of them named other clients, which were enough to
 * say that it is that of a proxy; NGX_DECLINED: not so; NGX_DONE: there were
 * too few to say so, or none.
 */
ngx_int_t ngx_k8s_clients(ngx_k8s_table_t *table, u_char *addr,
    ngx_uint_t *requests);

/* the cells' key, taken apart */
#define ngx_k8s_cell_rule(key)       ((uint32_t) ((key) >> 32))
#define ngx_k8s_cell_generation(key) ((uint32_t) ((key) >> 20) & 0xfff)
#define ngx_k8s_cell_method(key)     ((ngx_uint_t) ((key) >> 12) & 0xff)
#define ngx_k8s_cell_status(key)     ((ngx_uint_t) (key) & 0xfff)

/*
 * Walks the counters of living rules: *cursor is 0 at first; NGX_OK with the
 * next key and what was counted, NGX_DONE at the end.  Each key is met once.
 * Valid under a pin.
 */
ngx_int_t ngx_k8s_count_next(ngx_k8s_table_t *table, ngx_uint_t *cursor,
    ngx_k8s_counted_t *counted);

/* names of methods for counters: 0 is "OTHER", n is that of the bit 1 << n of
   ngx_http's method mask; what is above is counted as "OTHER" */
extern ngx_str_t  ngx_k8s_methods[];
#define NGX_K8S_METHODS              16

/* notes one turn of the watcher's event loop, in microseconds; watcher only */
void ngx_k8s_turn(ngx_k8s_table_t *table, ngx_uint_t usec);
extern ngx_uint_t  ngx_k8s_turn_bounds[];    /* microseconds, ascending */


/* makers of keys: write into buf (NGX_K8S_KEY_MAX bytes), return the length */

#define NGX_K8S_KEY_MAX              1024

size_t ngx_k8s_key_host(u_char *buf, uint32_t route_set, ngx_uint_t class,
    ngx_str_t *host);
size_t ngx_k8s_key_shard(u_char *buf, uint32_t route_set, ngx_uint_t class,
    ngx_str_t *host, ngx_uint_t n, ngx_uint_t shards);

/* addr: of that family, len 0: any; family 0: of both */
size_t ngx_k8s_key_address(u_char *buf, ngx_uint_t family, in_port_t port,
    u_char *addr, size_t len);

size_t ngx_k8s_key_listener(u_char *buf, uint32_t route_set, in_port_t port,
    ngx_uint_t transport, ngx_str_t *hostname);

/* names, each followed by a zero byte; a hash of them when it gets too long */
size_t ngx_k8s_key_names(u_char *buf, ngx_uint_t n, ngx_str_t **names);
/* 0: too long, as no name is that can be read */
size_t ngx_k8s_key_data(u_char *buf, ngx_uint_t use, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *item);


#endif /* _NGX_K8S_TABLE_H_INCLUDED_ */
