
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Last good versions of objects that are there but cannot be read any more:
 * their file is broken, or they are too large.  The store has them as long as
 * this watcher lives; a record of each in the table hands them to the next one
 * and to a start from a snapshot.  ConfigMaps of the controller and of classes,
 * whose keys protect routes, are kept all the time: a successor may not get an
 * answer.  Only such objects cost anything, all of them together at most a
 * share of the zone.  In the watcher; private memory.
 *
 * Of a Secret nothing but its name is kept: the certificate record that was
 * made of it is in the table, and goes on for a Secret that is there but holds
 * no usable one.
 */


#ifndef _NGX_K8S_KEPT_H_INCLUDED_
#define _NGX_K8S_KEPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_source.h>
#include <ngx_k8s_store.h>
#include <ngx_k8s_writer.h>


/* part of the zone that they may take: one in so many */
#define NGX_K8S_KEPT_SHARE           16


typedef struct {
    ngx_k8s_writer_t        *writer;
    ngx_k8s_table_t         *table;
    ngx_log_t               *log;
    ngx_str_t                name;       /* of the zone, for messages */
    ngx_k8s_builder_t        builder;
    ngx_rbtree_t             tree;       /* by key of the record */
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              changed;    /* not written, or to be removed */
    void                    *building;   /* the first of these, of which the
                                            builder has a part; or NULL */
    size_t                   built;      /* bytes of it */
    size_t                   bytes;
    uint64_t                 cursor;     /* of the sweep */
    unsigned                 swept:1;
    unsigned                 full:1;     /* said */
} ngx_k8s_kept_t;


/* NGX_OK or NGX_ERROR; done does no harm after an error, or twice */
ngx_int_t ngx_k8s_kept_init(ngx_k8s_kept_t *k, ngx_k8s_table_t *table,
    ngx_k8s_writer_t *writer, ngx_str_t *name, ngx_log_t *log);
void ngx_k8s_kept_done(ngx_k8s_kept_t *k);

/*
 * An object is kept as it was fed, whose text is taken over where it is needed
 * (feed->text is NULL then); NULL: it is good, or gone.  NGX_ERROR: no memory,
 * it is not kept.
 */
ngx_int_t ngx_k8s_kept_object(ngx_k8s_kept_t *k, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_k8s_feed_t *feed);

/* 1 when the last call for the object was to keep it */
ngx_uint_t ngx_k8s_kept_has(ngx_k8s_kept_t *k, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name);

/* a list of a kind in a namespace ("": all) is in the store: what is not there
   has gone */
void ngx_k8s_kept_listed(ngx_k8s_kept_t *k, ngx_k8s_store_t *store,
    ngx_uint_t kind, ngx_str_t *scope);

/*
 * Brings a few records up to date; the writer has to have its memory.  With
 * "listed", what a predecessor has kept and is not kept any more goes.
 * NGX_AGAIN: there is more to do.
 */
ngx_int_t ngx_k8s_kept_run(ngx_k8s_kept_t *k, ngx_uint_t listed);

/* what the table has of an object, as next(), but NGX_DECLINED: nothing */
ngx_int_t ngx_k8s_kept_get(ngx_k8s_kept_t *k, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_feed_t *feed);

/* all that is named is known: what a predecessor had of others goes */
void ngx_k8s_kept_known(ngx_k8s_kept_t *k, ngx_k8s_store_t *store);

/*
 * What is in the table, one after the other, of kinds and namespaces that are
 * read: *cursor is 0 at first.  NGX_OK: *feed is an OBJECT, its strings are the
 * table's but for text, which the caller frees.  NGX_DONE, or NGX_ERROR without
 * memory.
 */
ngx_int_t ngx_k8s_kept_next(ngx_k8s_kept_t *k, ngx_k8s_source_conf_t *conf,
    uint64_t *cursor, ngx_k8s_feed_t *feed);


#endif /* _NGX_K8S_KEPT_H_INCLUDED_ */
