
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The watcher: one for each block, in worker 0, once it holds the right to
 * write.  Between a source and the table: a queue of what was fed
 * (ngx_k8s_queue.c), how far the kinds are (ngx_k8s_sync.c), what could not be
 * read (ngx_k8s_refused.c), and the turns in which all this is worked off
 * (ngx_k8s_watcher.c).  Private memory of that worker.
 */


#ifndef _NGX_K8S_WATCHER_H_INCLUDED_
#define _NGX_K8S_WATCHER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_module.h>


/* microseconds of work in one turn of the event loop */

#define NGX_K8S_TURN_USEC            600
#define NGX_K8S_TURN_COMPILE_USEC    200  /* of these, compile's at least */
#define NGX_K8S_TURN_SOURCE_USEC     300  /* then the source waits */

/* milliseconds */

#define NGX_K8S_RIGHT_INTERVAL       50
#define NGX_K8S_RETRY_INTERVAL       1000
#define NGX_K8S_RECLAIM_INTERVAL     10
#define NGX_K8S_CLOCK_INTERVAL       3600000
#define NGX_K8S_SECRETS_INTERVAL     10000

#define NGX_K8S_SETTLE               100  /* Ingresses in a turn */
#define NGX_K8S_REASON_MAX           256
#define NGX_K8S_REFUSED_ITEMS        8    /* of one object or file */


/* what was fed: one allocation, with scope and origin behind it */

typedef struct {
    ngx_queue_t              queue;
    ngx_k8s_feed_t           feed;
    size_t                   weight;     /* bytes, for the backlog */
} ngx_k8s_item_t;


/* how far one kind is */

typedef struct {
    ngx_uint_t               nscopes;
    ngx_uint_t               nlisted;    /* scopes listed so far */
    u_char                  *scopes;     /* 1: listed */
    unsigned                 listed:1;   /* by this watcher, in the store */
    unsigned                 refused:1;
    unsigned                 before:1;   /* listed by a predecessor */
    unsigned                 connected:1;
    uint64_t                 lists;      /* at the start of this watcher */
    uint64_t                 watches;
    uint64_t                 errors;
    ngx_uint_t               new_lists;  /* since then */
    ngx_uint_t               new_watches;
    ngx_uint_t               new_errors;
    size_t                   reason_len;
    u_char                   reason[NGX_K8S_REASON_MAX];
} ngx_k8s_progress_t;


/* names taken from an object that is not parsed */

typedef struct {
    ngx_str_t                ns;
    ngx_str_t                name;
    ngx_str_t                uid;
    u_char                   buf[64 + 256 + 128];
} ngx_k8s_identity_t;


struct ngx_k8s_watcher_s {
    ngx_k8s_block_t         *block;
    ngx_log_t               *log;
    ngx_connection_t        *idle;       /* tells of a graceful exit */
    ngx_connection_t         dummy;      /* data of the events below */

    ngx_event_t              retry;      /* to get the right */
    ngx_event_t              open;       /* posted: takes the table over */
    ngx_event_t              work;       /* posted: the next slice */
    ngx_event_t              turn;       /* posted: end of a turn */
    ngx_event_t              reclaim;
    ngx_event_t              clock;
    ngx_event_t              secrets;    /* Secrets that never come */

    ngx_k8s_writer_t        *writer;     /* NULL without the right */
    ngx_pool_t              *pool;       /* compile's configuration */
    ngx_k8s_store_t         *store;
    ngx_k8s_store_events_t   events;
    ngx_k8s_compile_t       *compile;
    ngx_k8s_source_t        *source;
    ngx_k8s_sink_t           sink;
    ngx_k8s_builder_t        builder;

    ngx_queue_t              items;      /* ngx_k8s_item_t, in order */
    size_t                   backlog;    /* sum of weights */
    ngx_k8s_parser_t         parser;     /* of the first item */

    ngx_k8s_progress_t       kinds[NGX_K8S_KINDS];

    ngx_rbtree_t             wanted;     /* Secrets asked for, not yet there */
    ngx_rbtree_node_t        wanted_sentinel;
    ngx_uint_t               nwanted;

    ngx_rbtree_t             refused;    /* ngx_k8s_refused_t by key */
    ngx_rbtree_node_t        refused_sentinel;
    ngx_uint_t               nrefused;

    uint64_t                 begun;      /* microseconds */
    ngx_uint_t               usec;       /* of this turn */
    ngx_uint_t               depth;

    unsigned                 opened:1;   /* the table is taken over */
    unsigned                 parsing:1;
    unsigned                 builder_ready:1;
    unsigned                 sync_changed:1; /* a sync record is behind */
    unsigned                 settled:1;  /* the writer has its memory */
    unsigned                 listed:1;   /* all that has to be is listed */
    unsigned                 compiled:1; /* and has once been compiled */
    unsigned                 late:1;     /* no more waiting for Secrets */
};


/* microseconds of a clock that never steps back */
uint64_t ngx_k8s_watcher_usec(void);

/* begin and end of work in this turn, nested; data is the watcher */
void ngx_k8s_watcher_enter(void *data);
void ngx_k8s_watcher_leave(void *data);
ngx_uint_t ngx_k8s_watcher_busy(void *data);

/* has the next slice done, in this turn still */
void ngx_k8s_watcher_post(ngx_k8s_watcher_t *w);


/* ngx_k8s_own.c: ngx_k8s_own_t of all listening sockets, NULL: no memory */
ngx_array_t *ngx_k8s_own_addresses(ngx_cycle_t *cycle, ngx_pool_t *pool);


/* ngx_k8s_queue.c */

void ngx_k8s_queue_feed(void *data, ngx_k8s_feed_t *feed);
size_t ngx_k8s_queue_backlog(void *data);

/* works until that time: NGX_OK when the queue is empty, or NGX_AGAIN */
ngx_int_t ngx_k8s_queue_run(ngx_k8s_watcher_t *w, uint64_t until);
void ngx_k8s_queue_free(ngx_k8s_watcher_t *w);


/* ngx_k8s_sync.c */

/* takes over the counts that a predecessor has left in the table */
ngx_int_t ngx_k8s_sync_init(ngx_k8s_watcher_t *w);
void ngx_k8s_sync_done(ngx_k8s_watcher_t *w);

void ngx_k8s_sync_state(void *data, ngx_uint_t kind,
    ngx_k8s_source_state_t *state);

/* a list of this kind and scope is in the store */
void ngx_k8s_sync_listed(ngx_k8s_watcher_t *w, ngx_uint_t kind,
    ngx_str_t *scope);

/* whether all that has to be listed is; then compile may begin */
void ngx_k8s_sync_check(ngx_k8s_watcher_t *w);

/* whether changes of all that is not refused come in at this moment */
ngx_uint_t ngx_k8s_sync_connected(ngx_k8s_watcher_t *w);

/* writes the sync records that are behind */
void ngx_k8s_sync_write(ngx_k8s_watcher_t *w);

/* the store wants, or no more wants, an object; and it came, or is not there */
void ngx_k8s_sync_want(void *data, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t wanted);
void ngx_k8s_sync_came(ngx_k8s_watcher_t *w, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name);

/* asks the source for what was wanted before it was started */
void ngx_k8s_sync_ask(ngx_k8s_watcher_t *w);


/* ngx_k8s_refused.c: problems of what is in no store */

void ngx_k8s_refused_add(ngx_k8s_watcher_t *w, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_problem_t *problem);
void ngx_k8s_refused_end(ngx_k8s_watcher_t *w, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name);
void ngx_k8s_refused_problem(void *data, char *kind, ngx_str_t *name,
    ngx_int_t code, ngx_str_t *message);

/* stores all of them, which was put off until the writer has its memory */
void ngx_k8s_refused_show(ngx_k8s_watcher_t *w);
void ngx_k8s_refused_free(ngx_k8s_watcher_t *w);


#endif /* _NGX_K8S_WATCHER_H_INCLUDED_ */
