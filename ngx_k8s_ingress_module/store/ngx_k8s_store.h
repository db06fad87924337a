
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The watcher's cache of typed objects, and the indexes that say what a
 * changed object touches.  Private memory of the watcher; pure.
 *
 * Dirty sets: a put or delete marks what has to be compiled anew: hosts (by
 * the Ingresses that name them), services (by Service and EndpointSlices),
 * certificates (by Secrets), objects whose problems changed.  compile/ takes
 * them from the queues.  An object that is equal to the stored one but for
 * its resourceVersion marks nothing.
 */


#ifndef _NGX_K8S_STORE_H_INCLUDED_
#define _NGX_K8S_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>
#include <ngx_k8s_policy.h>


typedef struct ngx_k8s_store_s  ngx_k8s_store_t;


/* which Ingresses are taken: ingress-nginx's class rules, and namespaces */

typedef struct {
    ngx_str_t                controller;   /* "k8s.io/ingress-nginx" */
    ngx_str_t                class_name;   /* "nginx" */
    ngx_array_t             *selector;     /* of namespaces, by their labels;
                                              NULL: all */
    ngx_str_t                selector_text;
    ngx_k8s_gate_t           gate;         /* of annotations */
    ngx_str_t                config_map;   /* the controller's, "ns/name"; or
                                              empty */
    unsigned                 without_class:1;
    unsigned                 class_by_name:1;
} ngx_k8s_class_conf_t;


typedef struct {
    void                    *data;
    /* an object whose content is fetched by name (a Secret, a ConfigMap) is
       referenced from now on, or no more */
    void                   (*want)(void *data, ngx_uint_t kind, ngx_str_t *ns,
                                ngx_str_t *name, ngx_uint_t wanted);
    /* the status of an Ingress is to be looked at; NULL: nobody does */
    void                   (*report)(void *data);
} ngx_k8s_store_events_t;


ngx_k8s_store_t *ngx_k8s_store_create(ngx_k8s_class_conf_t *conf,
    ngx_k8s_store_events_t *events, ngx_log_t *log);
void ngx_k8s_store_destroy(ngx_k8s_store_t *store);

/*
 * Changes are made in pieces, however large an object is: put and delete return
 * NGX_OK, or NGX_AGAIN: there is more to do, which work() does, or NGX_ERROR:
 * no memory, all is as it was.  Another one may be begun before, and is a long
 * piece then.  Until the end what is seen is the last version.
 */

/* takes the object over, replaces the one of its kind, namespace and name */
ngx_int_t ngx_k8s_store_put(ngx_k8s_store_t *store, ngx_k8s_object_t *object);

/* uid empty: whatever it is; another uid than the stored one: nothing */
ngx_int_t ngx_k8s_store_delete(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_str_t *uid);

/* a piece of what put, delete, ask, refused and settle have begun, or of the
   memory of a large object; returns as they do, NGX_ERROR: put has failed;
   NGX_DECLINED: no memory for what settle has begun, which goes on later */
ngx_int_t ngx_k8s_store_work(ngx_k8s_store_t *store);
/* whether work() has something to do */
ngx_uint_t ngx_k8s_store_busy(ngx_k8s_store_t *store);

/* the list that goes on names an object that could not be read: what is stored
   of it stays; of a ConfigMap of which nothing is nothing is known */
void ngx_k8s_store_keep(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);

/* a list begins; at its end what it did not name is deleted, in slices:
   end returns NGX_AGAIN while there is more to do, then NGX_OK; its budget is
   of objects looked at and of links; begin returns NGX_ERROR without memory:
   that list deletes nothing */
ngx_int_t ngx_k8s_store_begin(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *scope);
ngx_int_t ngx_k8s_store_end(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *scope, ngx_uint_t budget);
void ngx_k8s_store_abort(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *scope);

/* the kind is refused (403, 404): class rules do without IngressClass */
void ngx_k8s_store_refused(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_uint_t refused);

/*
 * Takes or leaves the Ingresses whose class came, changed or went, at most n of
 * them; compile_run() does so as well.  Before the first compile_run() it is
 * needed to know which Secrets are wanted.  NGX_AGAIN when more are left.
 */
ngx_int_t ngx_k8s_store_settle(ngx_k8s_store_t *store, ngx_uint_t n);

/* says once more which objects are wanted: work() does it, and settle() */
void ngx_k8s_store_ask(ngx_k8s_store_t *store, ngx_uint_t kind);

/*
 * Another gate for annotations, copied but for its prefix and stamp: settle()
 * makes the models of all Ingresses anew.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_store_gate(ngx_k8s_store_t *store, ngx_k8s_gate_t *gate);

ngx_k8s_object_t *ngx_k8s_store_get(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);
ngx_uint_t ngx_k8s_store_count(ngx_k8s_store_t *store, ngx_uint_t kind);


#endif /* _NGX_K8S_STORE_H_INCLUDED_ */
