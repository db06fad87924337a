
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The table's only writer, in the watcher.  All its own state (free extents,
 * retired records, what may be written) is private memory: a process killed at
 * any instruction leaves behind only a valid table.  A new writer marks what
 * is reachable and takes the gaps as free once every pin of that moment has
 * moved on.
 */


#ifndef _NGX_K8S_WRITER_H_INCLUDED_
#define _NGX_K8S_WRITER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>


typedef struct ngx_k8s_writer_s  ngx_k8s_writer_t;


/*
 * The right to write: a POSIX record lock on a memfd that all processes of the
 * instance inherit.  Byte 0 is the right, byte 1 + N says that the process
 * with word N lives.  The kernel gives locks up when their holder dies.  The
 * memfd must never be duplicated or closed in a process that holds a lock.
 */

/* makes the memfd (close on exec); in the master; -1 on error, logged */
ngx_fd_t ngx_k8s_right_create(ngx_log_t *log);

/* locks byte 1 + word of this process: NGX_OK, NGX_ERROR */
ngx_int_t ngx_k8s_right_alive(ngx_fd_t fd, ngx_uint_t word, ngx_log_t *log);

/* NGX_OK when a process with this word lives, NGX_DECLINED when not */
ngx_int_t ngx_k8s_right_check(ngx_fd_t fd, ngx_uint_t word);

/* takes the right: NGX_OK, NGX_BUSY when another process has it, NGX_ERROR */
ngx_int_t ngx_k8s_right_take(ngx_fd_t fd, ngx_log_t *log);

/* gives it up; harmless when it is not held */
void ngx_k8s_right_give(ngx_fd_t fd);


/*
 * Opens a writer on a table; the caller holds the right.  Marks what is
 * reachable; drops slots whose record is not valid (logged).  NULL on error.
 * Cost is linear in the table's records.  Free with ngx_k8s_writer_close(),
 * which leaves the table as it is.
 */
ngx_k8s_writer_t *ngx_k8s_writer_open(ngx_k8s_table_t *table, ngx_fd_t fd,
    ngx_log_t *log);

/*
 * The same in slices: begin, then continue until it is NGX_OK; it looks at
 * about n records and gives NGX_AGAIN, or NGX_ERROR.  Until then nothing but
 * ngx_k8s_writer_close() may be called.
 */
ngx_k8s_writer_t *ngx_k8s_writer_begin(ngx_k8s_table_t *table, ngx_fd_t fd,
    ngx_log_t *log);
ngx_int_t ngx_k8s_writer_continue(ngx_k8s_writer_t *w, ngx_uint_t n);

void ngx_k8s_writer_close(ngx_k8s_writer_t *w);

/* the table that it writes; the watcher reads it without a pin */
ngx_k8s_table_t *ngx_k8s_writer_table(ngx_k8s_writer_t *w);


#define NGX_K8S_WRITE_OWN            0   /* the watcher's own, of which there
                                            are few */
#define NGX_K8S_WRITE_OBJECT         1   /* what an object asks for */
#define NGX_K8S_WRITE_SUMMED         2   /* the same; of the first rec->size
                                            bytes rec->crc is the sum */

/*
 * A tenth of the heap is a reserve: a record is replaced by a copy, and what
 * it replaces is free only when pins have moved on.  A copy that is not larger
 * may use the reserve; what a record grows by has to be found beside it, so
 * that no object, however it grows, keeps an update or a removal of another
 * one out.  A piece that holds a copy of the largest record stays in one: a
 * record that finds no place beside it, though there is room, has one after
 * some publishes, when others have moved.  Problem records grow within a share
 * of their own, 1/32 of the heap.  The watcher's own records may grow into the
 * reserve.
 *
 * Stores a copy of the record (header.type and key filled in; size and crc are
 * set here), under the key's slot, which is made when there is none, and shows
 * it to readers with one store.  The same bytes as now: nothing is written.
 * Other records may move meanwhile: pointers to them end with the call.
 * Returns the slot; 0 when there is no room (w->missing bytes lack) or on an
 * invalid record.  "len" <= NGX_K8S_RECORD_MAX.
 */
uint32_t ngx_k8s_writer_put(ngx_k8s_writer_t *w, ngx_k8s_record_t *rec,
    size_t len, ngx_uint_t kind);

#define NGX_K8S_RECORD_MAX           (4 * 1024 * 1024)

/* takes the slot's record from its index; slot and record are freed later */
void ngx_k8s_writer_remove(ngx_k8s_writer_t *w, uint32_t slot);

/*
 * Ends a batch: raises the version, frees what no pin can reach any more, moves
 * records where what is free is not in one piece: pointers to them end with the
 * next publish.
 * Called by the watcher at the end of each turn that wrote, and from a timer
 * while w->retired is not 0.  Costs one pass over the words.
 */
void ngx_k8s_writer_publish(ngx_k8s_writer_t *w);

/*
 * Statistics number for an identity (not 0), counted by reference: get makes
 * or finds it, put gives one reference back.  0 when there is no room.  Each
 * endpoint of each service record in the table holds one reference, so that a
 * new writer can count them: who replaces or removes such a record gives back
 * those of the old one.  Who adds to a statistic after its pin has ended
 * compares the identity before.
 */
uint32_t ngx_k8s_writer_stat_get(ngx_k8s_writer_t *w, uint64_t identity);
void ngx_k8s_writer_stat_put(ngx_k8s_writer_t *w, uint32_t stat);

/* bytes that a record of this length takes; free bytes for growth */
size_t ngx_k8s_writer_cost(size_t len);
size_t ngx_k8s_writer_room(ngx_k8s_writer_t *w);

/* bytes that the largest record of an object may have */
size_t ngx_k8s_writer_largest(ngx_k8s_writer_t *w);

/* bytes that problem records may still take */
size_t ngx_k8s_writer_problems(ngx_k8s_writer_t *w);

/* bytes of all records ever put: how much a series of puts has taken */
size_t ngx_k8s_writer_taken(ngx_k8s_writer_t *w);

/* of the last refused put: how many bytes were missing */
size_t ngx_k8s_writer_missing(ngx_k8s_writer_t *w);

/*
 * Whether the last put was refused only for now: there is room for it, but not
 * in one piece, or pins still hold it.  seek() does some of what helps, as a
 * publish does: NGX_OK, put it again; NGX_AGAIN, there is more to do;
 * NGX_BUSY, pins have to move on; NGX_DECLINED, it does not help.
 */
ngx_uint_t ngx_k8s_writer_later(ngx_k8s_writer_t *w);
ngx_int_t ngx_k8s_writer_seek(ngx_k8s_writer_t *w);

/* bytes retired and not yet free; of these, of records that were moved */
size_t ngx_k8s_writer_retired(ngx_k8s_writer_t *w);
size_t ngx_k8s_writer_moving(ngx_k8s_writer_t *w);

/*
 * A publish gives back so much only that it is short; not 0: the next one, in
 * another turn, can give back more
 */
ngx_uint_t ngx_k8s_writer_behind(ngx_k8s_writer_t *w);

/*
 * Holds all records of this moment, as a pin that may last for many turns of
 * the event loop; no slot and no statistic gets another meaning meanwhile.
 * An update that has no room otherwise breaks the hold: "held" is then 0.
 */
void ngx_k8s_writer_hold(ngx_k8s_writer_t *w);
ngx_uint_t ngx_k8s_writer_held(ngx_k8s_writer_t *w);
void ngx_k8s_writer_release(ngx_k8s_writer_t *w);


/*
 * Builder: one record being made in private memory, reused from record to
 * record.  begin gives a zeroed fixed part of "size" bytes; add gives the
 * offset of n zeroed elements (8-byte aligned) or of a copied string (equal
 * strings are kept once).  The address of the record can move at each add:
 * use offsets, and ngx_k8s_builder_ptr() just before a store.
 */

typedef struct {
    u_char                  *data;
    size_t                   len;
    size_t                   size;
    size_t                   summed;     /* bytes, 0: none */
    size_t                   placed;     /* bytes copied to its place */
    struct ngx_k8s_extent_s *place;      /* NULL: it has none yet */
    uint32_t                 crc;        /* of them, not final */
    uint32_t                *strings;    /* open hash of (offset) seen */
    ngx_uint_t               nstrings;
    ngx_uint_t               mask;
    ngx_log_t               *log;
    unsigned                 failed:1;   /* out of memory, or too large */
} ngx_k8s_builder_t;

ngx_int_t ngx_k8s_builder_init(ngx_k8s_builder_t *b, ngx_log_t *log);
void ngx_k8s_builder_done(ngx_k8s_builder_t *b);
void ngx_k8s_builder_begin(ngx_k8s_builder_t *b, ngx_uint_t type, size_t size);
/* takes memory for so many bytes more, which are then not copied to grow */
void ngx_k8s_builder_reserve(ngx_k8s_builder_t *b, size_t size);
uint32_t ngx_k8s_builder_alloc(ngx_k8s_builder_t *b, size_t size);
ngx_k8s_str_t ngx_k8s_builder_str(ngx_k8s_builder_t *b, ngx_str_t *s);
/*
 * Makes the key of n names; as they stand in it they are the n strings right
 * behind the record's header.
 */
void ngx_k8s_builder_names(ngx_k8s_builder_t *b, ngx_uint_t n,
    ngx_str_t **names);

#define ngx_k8s_builder_ptr(b, off)  ((void *) ((b)->data + (off)))

/*
 * Finishes the paths of a host record, whose "paths" are sorted by
 * ngx_k8s_path_cmp() and filled in but for hash and next: sets these, "buckets"
 * and "longest".  The record can move.
 */
void ngx_k8s_builder_paths(ngx_k8s_builder_t *b);

/*
 * The checksum of a large record in pieces: the next "max" bytes of what was
 * built; returns how many there were.  What is summed must not change any more;
 * unsum forgets it.
 */
size_t ngx_k8s_builder_sum(ngx_k8s_builder_t *b, size_t max);

#define ngx_k8s_builder_unsum(b)     (b)->summed = 0

/*
 * The put of a large record in pieces: takes its room in the zone, and copies
 * the next "max" bytes of what was built, which must not change any more.
 * NGX_AGAIN; NGX_OK: put() has only to show it; NGX_DECLINED: it has no place,
 * as put() will say.  unplace() gives the room back; a kill leaves a gap, which
 * the next writer finds.
 */
ngx_int_t ngx_k8s_builder_place(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w,
    ngx_uint_t kind, size_t max);
void ngx_k8s_builder_unplace(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w);

/* puts the built record: as ngx_k8s_writer_put(); 0 also when b->failed */
uint32_t ngx_k8s_builder_put(ngx_k8s_builder_t *b, ngx_k8s_writer_t *w,
    ngx_uint_t kind);


#endif /* _NGX_K8S_WRITER_H_INCLUDED_ */
