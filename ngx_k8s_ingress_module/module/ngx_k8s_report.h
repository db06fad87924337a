
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is written to the API server: the status of Ingresses, and Events for
 * problems.  Only by who holds the Lease, once all is in sync; so many writes a
 * second.  Where a right is missing that is a problem, and routes are served
 * all the same.  In the watcher; private memory, but for counters in the table.
 */


#ifndef _NGX_K8S_REPORT_H_INCLUDED_
#define _NGX_K8S_REPORT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_index.h>
#include <ngx_k8s_report_conf.h>
#include <ngx_k8s_table.h>


#define NGX_K8S_REPORT_PARALLEL      8       /* requests in flight */
#define NGX_K8S_REPORT_NAMES         (64 + 254)


typedef struct {
    void                    *data;
    void                   (*enter)(void *data);
    void                   (*leave)(void *data);
    /* as of ngx_k8s_sink_t */
    void                   (*problem)(void *data, char *kind, ngx_str_t *name,
                                ngx_int_t code, ngx_str_t *message);
    /* what end() has begun is over: the caller stops all */
    void                   (*ended)(void *data);
} ngx_k8s_report_events_t;


/* an Event of an object and a code of problems */

typedef struct {
    ngx_str_node_t           sn;         /* kind, namespace, name, each with a
                                            zero byte, and the code's name */
    ngx_queue_t              queue;      /* in due, told, gone or later */
    ngx_str_t                kind;       /* in the key */
    ngx_str_t                ns;
    ngx_str_t                name;
    ngx_uint_t               code;       /* NGX_K8S_PROBLEM_* */
    ngx_uint_t               count;      /* how often it came; 0: not known, as
                                            another one has written the Event */
    time_t                   first;
    ngx_msec_t               sent;
    unsigned                 standing:1; /* the problem is there */
    unsigned                 posted:1;   /* the Event is */
    unsigned                 due:1;
    unsigned                 flying:1;   /* it is being written */
} ngx_k8s_report_item_t;


typedef struct ngx_k8s_report_s  ngx_k8s_report_t;


typedef struct {
    ngx_k8s_ask_t            ask;
    ngx_k8s_report_t        *report;
    ngx_k8s_report_item_t   *item;       /* NULL: the status of the Ingress */
    ngx_str_t                ns;         /* in the buffer */
    ngx_str_t                name;
    ngx_uint_t               stamp;      /* of what is written */
    unsigned                 patch:1;    /* of an Event */
    u_char                   buffer[NGX_K8S_REPORT_NAMES];
} ngx_k8s_report_write_t;


struct ngx_k8s_report_s {
    ngx_k8s_report_conf_t   *conf;
    ngx_k8s_report_events_t  *events;
    ngx_log_t               *log;
    ngx_int_t                ident;      /* event ident must be after 3
                                            pointers as in ngx_connection_t */
    ngx_k8s_source_t        *source;
    ngx_k8s_store_t         *store;
    ngx_k8s_table_t         *table;
    ngx_str_t                zone;       /* its name, for messages */

    ngx_k8s_lease_t          lease;
    ngx_k8s_lease_events_t   lease_events;
    ngx_k8s_publish_t        publish;
    ngx_k8s_publish_events_t  publish_events;

    ngx_event_t              timer;      /* the next write, or look */
    ngx_msec_t               next;       /* when it may go out */
    ngx_msec_t               pause;      /* until then none does, with "held" */
    ngx_msec_t               refused[2]; /* the same of statuses, and of Events,
                                            with many "refusals" */
    ngx_uint_t               refusals[2];  /* in a row */
    ngx_uint_t               attempts;   /* failures in a row */
    ngx_uint_t               stamp;      /* of the status that is wanted */
    ngx_str_t                status;     /* it, malloc()ed; empty: none is */
    u_char                   digest[NGX_K8S_DIGEST];  /* of it */
    u_char                   ours[NGX_K8S_DIGEST];    /* with "ending": of what
                                            is taken back */
    ngx_event_t              end;        /* it takes no longer */

    /* Events (ngx_k8s_report_event.c) */
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              due;        /* ngx_k8s_report_item_t */
    ngx_queue_t              told;       /* those that stand, by "sent", but for
                                            NGX_K8S_EVENT_AGAIN */
    ngx_queue_t              gone;       /* whose problem is */
    ngx_queue_t              later;      /* that were refused, by "sent" */
    ngx_uint_t               nitems;
    uint64_t                 cursor;     /* of a walk over all problems */

    unsigned                 started:1;
    unsigned                 leader:1;
    unsigned                 elected:1;  /* the Lease can be had */
    unsigned                 walking:1;
    unsigned                 ending:1;
    unsigned                 held:1;
    unsigned                 denied:2;   /* by bit: statuses, Events */
    unsigned                 said:4;     /* the same: it is a problem */
    unsigned                 turn:1;     /* an Event is next */

    ngx_k8s_report_write_t   writes[NGX_K8S_REPORT_PARALLEL];
};


/* what a write is, and what else may be wrong */

#define NGX_K8S_REPORT_STATUS        0
#define NGX_K8S_REPORT_EVENT         1
#define NGX_K8S_REPORT_LEASE         2
#define NGX_K8S_REPORT_ADDRESS       3


/*
 * Takes part in the election, where conf says that anything is to be written
 * and the source has a server.  All pointers have to last.
 */
void ngx_k8s_report_start(ngx_k8s_report_t *r, ngx_k8s_report_conf_t *conf,
    ngx_k8s_report_events_t *events, ngx_k8s_source_t *source,
    ngx_k8s_store_t *store, ngx_k8s_table_t *table, ngx_str_t *zone,
    ngx_log_t *log);
/* before the source and the store go; of one that was not started: nothing */
void ngx_k8s_report_stop(ngx_k8s_report_t *r);

/*
 * The worker exits for good: takes statuses back, where that is asked for and
 * no other replica is left.  1: that takes time, and the worker is kept till
 * ended(); 0: there is nothing to wait for, or a second call.
 */
ngx_uint_t ngx_k8s_report_end(ngx_k8s_report_t *r);

/* there is something to look at: soon */
void ngx_k8s_report_post(ngx_k8s_report_t *r);

/* as ngx_k8s_teller_told() */
void ngx_k8s_report_told(ngx_k8s_report_t *r, ngx_k8s_problem_rec_t *old,
    ngx_k8s_problem_rec_t *now);


/* milliseconds until what was refused is written again */
#define NGX_K8S_REPORT_REFUSED       60000

/* when what was answered is written once more: soon, or after this time */
#define NGX_K8S_REPORT_AGAIN         1
#define NGX_K8S_REPORT_LATER         2


/* entries that are looked at in one turn */
#define NGX_K8S_REPORT_LOOKS         64


/*
 * ngx_k8s_report_status.c, and ngx_k8s_report_event.c below: send() begins the
 * write of the next one.  NGX_OK; NGX_DECLINED: there is none; NGX_AGAIN: there
 * may be one, not all were looked at; NGX_ERROR: it could not be sent, and is
 * tried again.  sent(): it was answered; again: 0, or one of the two above.
 * look(): puts what is to be said again, or has gone long ago, where it
 * belongs.
 */
ngx_int_t ngx_k8s_report_status_send(ngx_k8s_report_t *r,
    ngx_k8s_report_write_t *w);
void ngx_k8s_report_status_sent(ngx_k8s_report_t *r,
    ngx_k8s_report_write_t *w, ngx_uint_t again);
void ngx_k8s_report_status_look(ngx_k8s_report_t *r);
/* from now on none is wanted, and what we have written is taken back;
   NGX_ERROR: no memory */
ngx_int_t ngx_k8s_report_status_end(ngx_k8s_report_t *r);
/* whether it has been */
ngx_uint_t ngx_k8s_report_status_ended(ngx_k8s_report_t *r);


void ngx_k8s_report_events_init(ngx_k8s_report_t *r);
void ngx_k8s_report_events_done(ngx_k8s_report_t *r);
/* a piece of the walk over the problems that stand: NGX_AGAIN, NGX_OK */
ngx_int_t ngx_k8s_report_events_walk(ngx_k8s_report_t *r);
void ngx_k8s_report_events_told(ngx_k8s_report_t *r,
    ngx_k8s_problem_rec_t *old, ngx_k8s_problem_rec_t *now);
void ngx_k8s_report_events_look(ngx_k8s_report_t *r);
ngx_int_t ngx_k8s_report_events_send(ngx_k8s_report_t *r,
    ngx_k8s_report_write_t *w);
void ngx_k8s_report_events_sent(ngx_k8s_report_t *r,
    ngx_k8s_report_write_t *w, ngx_uint_t again);


#endif /* _NGX_K8S_REPORT_H_INCLUDED_ */
