
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What a source has fed, in order, until it is in the store.  Feeding only
 * appends; the work is done in slices.  In the watcher; private memory.
 *
 * No change is lost in silence: where there is no memory for one, or it cannot
 * be read, the kind is noted in q->lost, and no list that is in the queue or
 * comes later withdraws anything, until the owner has the kind listed anew and
 * clears the bit.
 */


#ifndef _NGX_K8S_QUEUE_H_INCLUDED_
#define _NGX_K8S_QUEUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_source.h>
#include <ngx_k8s_store.h>
#include <ngx_k8s_write.h>


/* what the queue tells; strings live as long as the call */

typedef struct {
    void                    *data;
    /* there is work to do */
    void                   (*post)(void *data);
    /* the store has changed */
    void                   (*changed)(void *data);
    /* a list begins, or is in the store (1) */
    void                   (*listed)(void *data, ngx_uint_t kind,
                                ngx_str_t *scope, ngx_uint_t ends);
    /* the version of an object that is in the store is its last good one, and
       is fed as such: who takes feed->text over sets it to NULL.  feed NULL:
       it is as it is now, or has gone */
    void                   (*kept)(void *data, ngx_uint_t kind,
                                ngx_str_t *ns, ngx_str_t *name,
                                ngx_k8s_feed_t *feed);
    /* 1 when kept() has had that version already */
    ngx_uint_t             (*is_kept)(void *data, ngx_uint_t kind,
                                ngx_str_t *ns, ngx_str_t *name);
    /* what a predecessor had of it is to be fed, if there is something */
    void                   (*recall)(void *data, ngx_uint_t kind,
                                ngx_str_t *ns, ngx_str_t *name);
    /* an object cannot be had as it is now: the version that is in the store,
       if there is one, stays.  NULL: it can, or has gone */
    void                   (*refused)(void *data, ngx_str_t *kind,
                                ngx_str_t *ns, ngx_str_t *name,
                                ngx_k8s_problem_t *problem);
} ngx_k8s_queue_events_t;


typedef struct {
    ngx_k8s_queue_events_t  *events;
    ngx_k8s_store_t         *store;
    ngx_log_t               *log;
    ngx_str_t                name;       /* of the zone, for messages */

    ngx_queue_t              items;
    ngx_uint_t               nitems[NGX_K8S_KINDS];
    size_t                   backlog;    /* bytes fed and not worked on */
    ngx_k8s_parser_t         parser;     /* of the first item */
    ngx_k8s_write_t          writing;    /* the last good version for it */
    ngx_uint_t               lost;       /* kinds, by bit */
    unsigned                 parsing:1;
    unsigned                 storing:1;  /* the store goes on with it */
} ngx_k8s_queue_t;


void ngx_k8s_queue_init(ngx_k8s_queue_t *q, ngx_k8s_queue_events_t *events,
    ngx_k8s_store_t *store, ngx_str_t *name, ngx_log_t *log);

/* as the functions of ngx_k8s_sink_t */
void ngx_k8s_queue_feed(ngx_k8s_queue_t *q, ngx_k8s_feed_t *feed);

/* works until that time, also on what the store has to do: NGX_OK when all is
   done, NGX_AGAIN, or NGX_ERROR: the store has no memory for what it has
   begun */
ngx_int_t ngx_k8s_queue_run(ngx_k8s_queue_t *q, uint64_t until);

/* drops what is in it */
void ngx_k8s_queue_done(ngx_k8s_queue_t *q);


#endif /* _NGX_K8S_QUEUE_H_INCLUDED_ */
