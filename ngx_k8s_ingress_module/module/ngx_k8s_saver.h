
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The snapshot file: written by the watcher, read by worker 0 at a start with
 * a new zone.  Bytes are copied from the table in slices of the event loop;
 * checksum, write, fsync and rename are done by a thread, which touches nothing
 * but its job.
 */


#ifndef _NGX_K8S_SAVER_H_INCLUDED_
#define _NGX_K8S_SAVER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_module.h>
#include <ngx_k8s_snapshot.h>

#include <pthread.h>


#define NGX_K8S_SAVER_TEXT           1024


/* one writing of the file; the thread's own until "done" is set */

typedef struct {
    ngx_k8s_capture_t       *capture;    /* NULL: stamp the file only */
    char                    *path;       /* all three in one allocation */
    char                    *temp;
    char                    *folder;
    pthread_t                thread;
    unsigned                 started:1;  /* the thread runs, or has ended */
    ngx_atomic_t             done;
    char                    *failed;     /* what failed, NULL: nothing */
    ngx_err_t                err;
    uint64_t                 usec;       /* how long it took */
} ngx_k8s_save_t;


/* what the saver asks of the watcher */

typedef struct {
    void                    *data;
    /* work begins and ends in this turn of the event loop */
    void                   (*enter)(void *data);
    void                   (*leave)(void *data);
    /* memory that was held can be given back */
    void                   (*post)(void *data);
    /* whether the table is what the source has at this moment */
    ngx_uint_t             (*connected)(void *data);
    /* as problem() of ngx_k8s_sink_t */
    void                   (*problem)(void *data, char *kind, ngx_str_t *name,
                                ngx_int_t code, ngx_str_t *message);
} ngx_k8s_saver_events_t;


/* of one block and worker, from its start to its end */

struct ngx_k8s_saver_s {
    ngx_k8s_block_t         *block;
    ngx_log_t               *log;
    ngx_k8s_saver_events_t  *events;     /* NULL: no watcher runs */
    ngx_k8s_writer_t        *writer;     /* the same */

    ngx_connection_t         dummy;      /* data of the events below */
    ngx_event_t              timer;      /* the next writing, or its end */
    ngx_event_t              slice;      /* posted: goes on copying */
    ngx_event_t              stamp;

    ngx_k8s_capture_t       *capture;    /* being copied */
    ngx_k8s_save_t          *save;       /* being written */
    ngx_k8s_save_t          *last;       /* to be written at the end */

    ngx_atomic_uint_t        begun;      /* changes of the table, as copied */
    ngx_atomic_uint_t        written;    /* and as written */
    uint64_t                 usec;       /* that the last writing took */
    char                    *failed;     /* of the last writing */
    ngx_err_t                err;
    unsigned                 busy:1;     /* another process wrote it then */
    unsigned                 synced:1;   /* the table was once in sync */

    /* a problem, kept until there is a watcher that can show it */
    ngx_int_t                code;
    size_t                   text_len;
    u_char                   text[NGX_K8S_SAVER_TEXT];
};


/*
 * All in worker 0; nothing is done where s is NULL.  create: at its start,
 * before the watcher; open and close: with the watcher, which has the right;
 * changed: at the end of each slice of work; synced: all that was listed is in
 * the table; destroy: at the exit, waits for what is being written, for a short
 * time.
 */
ngx_int_t ngx_k8s_saver_create(ngx_k8s_block_t *block, ngx_log_t *log);
void ngx_k8s_saver_open(ngx_k8s_saver_t *s, ngx_k8s_saver_events_t *events,
    ngx_k8s_writer_t *writer);
void ngx_k8s_saver_close(ngx_k8s_saver_t *s);
void ngx_k8s_saver_changed(ngx_k8s_saver_t *s);
void ngx_k8s_saver_synced(ngx_k8s_saver_t *s);
void ngx_k8s_saver_destroy(ngx_k8s_block_t *block);


/*
 * Writes the file, or stamps it: checksum, temporary file, fsync, rename.  In
 * any thread; touches nothing but the job, logs nothing.
 */
void ngx_k8s_save_run(ngx_k8s_save_t *save);


/*
 * Fills a new table from the file (ngx_k8s_restore.c): in init_process of
 * worker 0, when the zone asks for it; "wait" in that of all other workers.
 */
void ngx_k8s_restore(ngx_k8s_watcher_t *w);
void ngx_k8s_restore_wait(ngx_k8s_block_t *block);


/* what a snapshot of this block was made of, 32 bytes (conf_snapshot.c) */
ngx_int_t ngx_k8s_snapshot_identity(ngx_k8s_block_t *block,
    ngx_k8s_snapshot_id_t *id);


#endif /* _NGX_K8S_SAVER_H_INCLUDED_ */
