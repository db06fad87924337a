
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The writer's own state, shared by the files that make it up.  Private memory
 * of the watcher; it ends with ngx_k8s_writer_close() or with the process.
 */


#ifndef _NGX_K8S_WRITER_CORE_H_INCLUDED_
#define _NGX_K8S_WRITER_CORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer.h>
#include <ngx_k8s_alloc.h>
#include <ngx_k8s_shm.h>


/*
 * Numbers of slots, or of statistics, that nobody uses.  Each leads to the next
 * one in a word of its own ("hash" of a slot, "link" of a statistic), so that
 * no list needs memory; only the writer that made a chain knows where it
 * begins.
 */

typedef struct {
    uint32_t                 first;      /* 0: empty */
    uint32_t                 last;
    ngx_uint_t               n;
    unsigned                 stats:1;
} ngx_k8s_chain_t;


/* references to a statistic; key of the node: identity */

typedef struct {
    ngx_rbtree_node_t        node;
    uint32_t                 stat;
    uint32_t                 refs;
} ngx_k8s_stat_node_t;


typedef struct ngx_k8s_recover_s  ngx_k8s_recover_t;


struct ngx_k8s_writer_s {
    ngx_k8s_table_t         *table;
    ngx_k8s_recover_t       *recover;    /* while it takes the table over */
    ngx_fd_t                 fd;         /* of the right, -1: none, a test */
    ngx_log_t               *log;

    ngx_k8s_alloc_t          alloc;
    size_t                   total;      /* granules of the heap */
    size_t                   reserve;    /* granules, for copies */
    size_t                   share;      /* granules, for problems */
    size_t                   problems;   /* granules of problem records */
    size_t                   taken;      /* granules of records ever put */
    size_t                   missing;    /* bytes */
    size_t                   largest;    /* granules of the largest record; of
                                            the reserve twice as many are to be
                                            in one piece */
    size_t                   wanted;     /* granules in one piece, 0: none */
    size_t                   moving;     /* retired since they were moved */
    size_t                   sought;     /* granules that have to be free for
                                            what can be put later */
    size_t                   vain;       /* moved, and wanted is not there */
    ngx_uint_t               placed;     /* records that are put in pieces */
    uint32_t                 compact;    /* granule where it goes on */
    uint32_t                 fill;       /* and of what is filled, 0: none */

    ngx_k8s_extent_t        *retired;    /* oldest first */
    ngx_k8s_extent_t       **last;
    size_t                   nretired;   /* granules */
    ngx_atomic_uint_t        held;       /* version, 0: none */

    /*
     * A slot without a record waits for pins, then for a sweep of the
     * counters' cells that begins after that, and is free then.
     */
    ngx_k8s_chain_t          waiting;
    ngx_k8s_chain_t          swept;
    ngx_k8s_chain_t          slots;
    ngx_uint_t               cursor;     /* of the sweep */

    ngx_k8s_chain_t          stats;      /* free */
    ngx_rbtree_t             refs;
    ngx_rbtree_node_t        sentinel;
    ngx_k8s_stat_node_t     *spare;      /* by node.left */

    /* slots and statistics that a new writer found free, until pins move on */
    ngx_k8s_chain_t          limbo_slots;
    ngx_k8s_chain_t          limbo_stats;
    ngx_k8s_chain_t          moved_on;   /* slots for which they have */

    /* what there was no memory to retire; "record" of the slots is marked */
    ngx_k8s_chain_t          lost_slots;
    ngx_k8s_chain_t          lost_stats;

    unsigned                 later:1;    /* a put was refused only as what is
                                            free is not in one piece, or still
                                            pinned */
    unsigned                 sweeping:1;
    unsigned                 behind:1;   /* more could be given back */
    unsigned                 dirty:1;    /* something was unlinked */
};


/* put at the end; take the first, 0: none; append all of one to another */
void ngx_k8s_chain_put(ngx_k8s_writer_t *w, ngx_k8s_chain_t *chain, uint32_t n);
uint32_t ngx_k8s_chain_take(ngx_k8s_writer_t *w, ngx_k8s_chain_t *chain);

/* retires what e names, at the present version */
void ngx_k8s_writer_retire(ngx_k8s_writer_t *w, ngx_k8s_extent_t *e);

/* "record" of a slot that waits for memory to be retired; no reader's */
#define NGX_K8S_SLOT_LOST            0x80000000

/* shows readers another record of a slot, 0: none */
void ngx_k8s_writer_show(ngx_k8s_writer_t *w, ngx_k8s_slot_t *slot,
    uint32_t record);

/*
 * A put in two steps.  place(): takes room for a record, of which nobody else
 * knows; NULL: *slot has the same bytes already, or is 0, as put is refused.
 * put_placed(): shows it once the caller has copied all of it to that place;
 * the extent is used up, also where there is no slot (0).
 */
ngx_k8s_extent_t *ngx_k8s_writer_place(ngx_k8s_writer_t *w,
    ngx_k8s_record_t *rec, size_t len, ngx_uint_t kind, uint32_t *slot);
uint32_t ngx_k8s_writer_put_placed(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec,
    size_t len, ngx_uint_t kind, ngx_k8s_extent_t *e);

/* 0: what the watcher says of itself and of its source is said anew */
ngx_uint_t ngx_k8s_record_lasts(ngx_k8s_record_t *rec);

/* marks what is reachable; what is not is retired; ngx_k8s_recover.c */
ngx_int_t ngx_k8s_recover_begin(ngx_k8s_writer_t *w);
ngx_int_t ngx_k8s_recover_run(ngx_k8s_writer_t *w, ngx_uint_t n);
void ngx_k8s_recover_free(ngx_k8s_writer_t *w);

/*
 * "len" granules where as many as "need" are free and "keep" stay so in one
 * piece, after a try to reclaim; "chunk": of slots, which never moves.
 * 0: none, w->missing is set.
 */
uint32_t ngx_k8s_writer_take(ngx_k8s_writer_t *w, uint32_t len, size_t need,
    size_t keep, ngx_uint_t chunk);

/* raises the version, gives back what no pin can reach */
void ngx_k8s_writer_collect(ngx_k8s_writer_t *w);

/*
 * Makes what is free in one piece larger, as long as less than w->wanted is:
 * 1 when records have moved.  Pointers to them end with the next publish.
 */
ngx_uint_t ngx_k8s_writer_compact(ngx_k8s_writer_t *w);

/* granules that growth leaves free */
size_t ngx_k8s_writer_floor(ngx_k8s_writer_t *w);

/* statistics; ngx_k8s_writer_stat.c */
ngx_k8s_stat_node_t *ngx_k8s_stat_find(ngx_k8s_writer_t *w, uint64_t identity);
ngx_k8s_stat_node_t *ngx_k8s_stat_add(ngx_k8s_writer_t *w, uint64_t identity,
    uint32_t stat);


#endif /* _NGX_K8S_WRITER_CORE_H_INCLUDED_ */
