
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The watcher: one for each block, in worker 0, once it holds the right to
 * write.  It owns what stands between a source and the table, each with a
 * structure of its own that talks upward by callbacks only: a queue of what was
 * fed, how far the kinds are, what could not be read, the snapshot's saver; and
 * it has the turns in which all this is worked off.  Private memory of that
 * worker.
 */


#ifndef _NGX_K8S_WATCHER_H_INCLUDED_
#define _NGX_K8S_WATCHER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_module.h>
#include <ngx_k8s_external.h>
#include <ngx_k8s_index.h>
#include <ngx_k8s_kept.h>
#include <ngx_k8s_progress.h>
#include <ngx_k8s_queue.h>
#include <ngx_k8s_refused.h>
#include <ngx_k8s_report.h>
#include <ngx_k8s_saver.h>
#include <ngx_k8s_teller.h>


/* microseconds of work in one turn of the event loop */

#define NGX_K8S_TURN_USEC            600
#define NGX_K8S_TURN_COMPILE_USEC    200  /* of these, compile's at least */
#define NGX_K8S_TURN_SOURCE_USEC     300  /* then the source waits */

/* milliseconds */

#define NGX_K8S_RIGHT_INTERVAL       50
#define NGX_K8S_RETRY_INTERVAL       1000
#define NGX_K8S_RECLAIM_INTERVAL     10
#define NGX_K8S_CLOCK_INTERVAL       3600000
#define NGX_K8S_WANTED_INTERVAL      10000
#define NGX_K8S_NAMES_INTERVAL       5000
#define NGX_K8S_STARVED_INTERVAL     100    /* twice as long each time */
#define NGX_K8S_STARVED_MAX          3200
#define NGX_K8S_LOST_INTERVAL        1000   /* twice as long each time */
#define NGX_K8S_LOST_INTERVAL_MAX    64000


struct ngx_k8s_watcher_s {
    ngx_k8s_block_t         *block;
    ngx_log_t               *log;
    ngx_connection_t        *idle;       /* tells of a graceful exit */
    ngx_uint_t               cycles;     /* of the table, at the start */
    ngx_connection_t         dummy;      /* data of the events below */

    ngx_event_t              retry;      /* to get the right */
    ngx_event_t              open;       /* posted: takes the table over */
    ngx_event_t              work;       /* posted: the next slice; a timer
                                            where it has no memory */
    ngx_event_t              turn;       /* posted: end of a turn */
    ngx_event_t              reclaim;
    ngx_event_t              clock;
    ngx_event_t              clients;    /* whether all have one address */
    ngx_event_t              wanted;     /* what never comes */
    ngx_event_t              lost;       /* what was lost is listed anew */
    ngx_event_t              due;        /* what compile waits for */
    ngx_event_t              names;      /* that are not looked up so far */

    ngx_k8s_writer_t        *writer;     /* NULL without the right */
    ngx_pool_t              *pool;       /* compile's configuration */
    ngx_k8s_store_t         *store;
    ngx_k8s_store_events_t   events;
    ngx_k8s_compile_t       *compile;
    ngx_k8s_source_t        *source;
    ngx_k8s_sink_t           sink;
    ngx_k8s_queue_t          queue;
    ngx_k8s_queue_events_t   queue_events;
    ngx_k8s_progress_t       progress;
    ngx_k8s_kept_t           kept;
    ngx_queue_t              seeds;      /* for a source of files */
    uint64_t                 cursor;     /* of what a predecessor has kept */
    ngx_k8s_refused_t        refused;
    ngx_k8s_refused_events_t  refused_events;
    ngx_k8s_saver_events_t   saver_events;
    ngx_k8s_teller_t         teller;
    ngx_k8s_report_t         report;
    ngx_k8s_report_events_t  report_events;
    ngx_k8s_external_t       external;
    ngx_k8s_external_events_t  external_events;

    uint64_t                 begun;      /* microseconds */
    ngx_uint_t               usec;       /* of this turn */
    ngx_uint_t               said;       /* kinds that were lost, by bit */
    ngx_uint_t               anew;       /* those not listed since */
    ngx_msec_t               pause;      /* before they are listed */
    ngx_msec_t               starved;    /* the same without memory, 0: there
                                            is enough */
    ngx_uint_t               depth;

    unsigned                 opened:1;   /* the table is taken over */
    unsigned                 settled:1;  /* the writer has its memory */
    unsigned                 listed:1;   /* all that has to be is listed */
    unsigned                 compiled:1; /* and has once been compiled */
    unsigned                 unnamed:1;  /* no more waiting for names */
    unsigned                 late:1;     /* no more waiting for these, but for
                                            those without which routes may be
                                            open: */
    unsigned                 unknown:1;  /* which has been said */
};


#define ngx_k8s_watcher_of(ev)                                                \
    ((ngx_k8s_watcher_t *) ((ngx_connection_t *) (ev)->data)->data)


/* ngx_k8s_watcher_events.c: sets all callbacks */
void ngx_k8s_watcher_callbacks(ngx_k8s_watcher_t *w);

/* ngx_k8s_watcher_work.c: handlers of the events above */
void ngx_k8s_watcher_turn_handler(ngx_event_t *ev);
void ngx_k8s_watcher_work_handler(ngx_event_t *ev);
void ngx_k8s_watcher_reclaim_handler(ngx_event_t *ev);
void ngx_k8s_watcher_clock_handler(ngx_event_t *ev);
void ngx_k8s_watcher_wanted_handler(ngx_event_t *ev);
void ngx_k8s_watcher_due_handler(ngx_event_t *ev);
void ngx_k8s_watcher_names_handler(ngx_event_t *ev);

/* begin and end of work in this turn, nested; data is the watcher */
void ngx_k8s_watcher_enter(void *data);
void ngx_k8s_watcher_leave(void *data);
/* has the next slice done, in this turn still */
void ngx_k8s_watcher_post(void *data);
/* there is no memory for the next slice: it is tried again after a pause, or
   when anything changes */
void ngx_k8s_watcher_pause(ngx_k8s_watcher_t *w);
/* what is not known, and guards routes, is fed as a predecessor had it */
void ngx_k8s_watcher_recall_all(ngx_k8s_watcher_t *w);
/* has the kinds in queue.lost listed anew, after a pause */
void ngx_k8s_watcher_lost(ngx_k8s_watcher_t *w);
void ngx_k8s_watcher_lost_handler(ngx_event_t *ev);
/* compile: its conf.build, conf.running and conf.later */
ngx_int_t ngx_k8s_watcher_build(void *data, ngx_uint_t base,
    ngx_str_t *values, ngx_str_t *error);
ngx_int_t ngx_k8s_watcher_running(void *data, ngx_k8s_row_t *row,
    ngx_str_t *value);
void ngx_k8s_watcher_later(void *data, ngx_msec_t msec);
/* compile: its conf.resolve and conf.unresolve */
ngx_k8s_name_t *ngx_k8s_watcher_resolve(void *data, ngx_str_t *ns,
    ngx_str_t *name);
void ngx_k8s_watcher_unresolve(void *data, ngx_k8s_name_t *name);
/* compile: problems of an object have come or gone */
void ngx_k8s_watcher_told(void *data, ngx_k8s_problem_rec_t *old,
    ngx_k8s_problem_rec_t *now);


/* ngx_k8s_clients.c: client_check has passed */
void ngx_k8s_watcher_clients_handler(ngx_event_t *ev);

/* ngx_k8s_listen.c: ngx_k8s_listen_t of all listens, NULL: no memory */
ngx_array_t *ngx_k8s_listens(ngx_k8s_block_t *block, ngx_cycle_t *cycle,
    ngx_pool_t *pool);


#endif /* _NGX_K8S_WATCHER_H_INCLUDED_ */
