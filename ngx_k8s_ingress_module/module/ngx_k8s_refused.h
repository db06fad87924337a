
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Problems of what never came into the store: objects that cannot be read,
 * files that cannot be parsed.  Kept by kind, namespace and name until a good
 * version, a deletion or a list without it ends them.  In the watcher; private
 * memory.
 */


#ifndef _NGX_K8S_REFUSED_H_INCLUDED_
#define _NGX_K8S_REFUSED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


typedef struct {
    void                    *data;
    /* shows the problems of an object in place of those it had; n may be 0 */
    void                   (*show)(void *data, ngx_str_t *kind, ngx_str_t *ns,
                                ngx_str_t *name, ngx_uint_t n,
                                ngx_k8s_problem_t *problems);
} ngx_k8s_refused_events_t;


typedef struct {
    ngx_k8s_refused_events_t  *events;
    ngx_log_t               *log;
    ngx_str_t                zone;       /* its name, for messages */
    ngx_rbtree_t             tree;       /* by key */
    ngx_rbtree_node_t        sentinel;
    ngx_uint_t               n;
    ngx_uint_t               max;        /* objects and files */
} ngx_k8s_refused_t;


void ngx_k8s_refused_init(ngx_k8s_refused_t *r,
    ngx_k8s_refused_events_t *events, ngx_uint_t max, ngx_str_t *zone,
    ngx_log_t *log);
void ngx_k8s_refused_done(ngx_k8s_refused_t *r);

/* an object has this problem, in place of those it had; NULL: none any more.
   Strings are copied.  Logs what is new */
void ngx_k8s_refused_object(ngx_k8s_refused_t *r, ngx_str_t *kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_k8s_problem_t *problem);

/* a list of objects of a kind in a namespace ("": all) begins; at its end
   those that were not refused since are forgotten */
void ngx_k8s_refused_begin(ngx_k8s_refused_t *r, ngx_str_t *kind,
    ngx_str_t *scope);
void ngx_k8s_refused_end(ngx_k8s_refused_t *r, ngx_str_t *kind,
    ngx_str_t *scope);

/* as problem() of ngx_k8s_sink_t: one beside others of that name */
void ngx_k8s_refused_problem(ngx_k8s_refused_t *r, char *kind,
    ngx_str_t *name, ngx_int_t code, ngx_str_t *message);

/* shows all of them again */
void ngx_k8s_refused_show(ngx_k8s_refused_t *r);


#endif /* _NGX_K8S_REFUSED_H_INCLUDED_ */
