
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * How far each kind of object is, in the watcher and as sync records in the
 * zone.  Counts of a predecessor go on.
 */


#ifndef _NGX_K8S_PROGRESS_H_INCLUDED_
#define _NGX_K8S_PROGRESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_source.h>
#include <ngx_k8s_store.h>
#include <ngx_k8s_writer.h>


/* of one kind */

typedef struct {
    ngx_uint_t               nscopes;
    ngx_uint_t               nlisted;    /* scopes listed so far */
    u_char                  *scopes;     /* 1: listed */
    unsigned                 listed:1;   /* by this watcher, in the store */
    unsigned                 refused:1;
    unsigned                 before:1;   /* listed by a predecessor */
    unsigned                 kept:1;     /* which has left some of them */
    unsigned                 connected:1;
    unsigned                 idle:1;
    uint64_t                 lists;      /* at the start of this watcher */
    uint64_t                 watches;
    uint64_t                 errors;
    ngx_uint_t               missing;    /* named, that a start waits for */
    ngx_uint_t               new_lists;  /* since then */
    ngx_uint_t               new_watches;
    ngx_uint_t               new_errors;
    size_t                   reason_len;
    u_char                   reason[NGX_K8S_REASON_MAX];
} ngx_k8s_kind_progress_t;


typedef struct {
    ngx_k8s_source_conf_t   *conf;
    ngx_k8s_store_t         *store;
    ngx_k8s_table_t         *table;
    ngx_k8s_writer_t        *writer;
    ngx_log_t               *log;
    ngx_str_t                name;       /* of the zone, for messages */

    ngx_k8s_builder_t        builder;
    ngx_k8s_kind_progress_t  kinds[NGX_K8S_KINDS];
    ngx_uint_t               required;   /* kinds, by bit */
    unsigned                 ready:1;    /* the builder is */
    unsigned                 changed:1;  /* a record is behind */
} ngx_k8s_progress_t;


/*
 * Takes over the counts in the table.  "required" are kinds beyond those that
 * always are.  done() is called whatever init() has returned.
 */
ngx_int_t ngx_k8s_progress_init(ngx_k8s_progress_t *p,
    ngx_k8s_source_conf_t *conf, ngx_uint_t required, ngx_k8s_store_t *store,
    ngx_k8s_table_t *table, ngx_k8s_writer_t *writer, ngx_str_t *name,
    ngx_log_t *log);
void ngx_k8s_progress_done(ngx_k8s_progress_t *p);

/* as state() of ngx_k8s_sink_t */
void ngx_k8s_progress_state(ngx_k8s_progress_t *p, ngx_uint_t kind,
    ngx_k8s_source_state_t *state);

/* a list of this kind and scope is in the store */
void ngx_k8s_progress_listed(ngx_k8s_progress_t *p, ngx_uint_t kind,
    ngx_str_t *scope);

/* so many that are named have not come; the kind does not count as listed */
void ngx_k8s_progress_missing(ngx_k8s_progress_t *p, ngx_uint_t kind,
    ngx_uint_t n);

/* whether all that has to be listed is */
ngx_uint_t ngx_k8s_progress_complete(ngx_k8s_progress_t *p);

/* whether changes of all that is not refused come in at this moment */
ngx_uint_t ngx_k8s_progress_connected(ngx_k8s_progress_t *p);

/* writes the records that are behind */
void ngx_k8s_progress_write(ngx_k8s_progress_t *p);


#endif /* _NGX_K8S_PROGRESS_H_INCLUDED_ */
