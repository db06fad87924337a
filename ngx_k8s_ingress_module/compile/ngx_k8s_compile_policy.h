
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Policies of routes and the keys of ConfigMaps: private memory of the watcher.
 */


#ifndef _NGX_K8S_COMPILE_POLICY_H_INCLUDED_
#define _NGX_K8S_COMPILE_POLICY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_service.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_snippet.h>


/* of policies and their locations in one item of work; more of one policy */
#define NGX_K8S_BUILDS               8


typedef struct ngx_k8s_policy_state_s  ngx_k8s_policy_state_t;


/* what a value names */

typedef struct {
    ngx_k8s_node_t          *node;       /* pinned */
    ngx_k8s_policy_state_t  *policy;
    ngx_queue_t              queue;      /* with "follows": those that name a
                                            ConfigMap */
    ngx_uint_t               version;    /* of that in the record */
    ngx_uint_t               uses;       /* of a Secret, see
                                            ngx_k8s_compile_data_ask() */
    unsigned                 follows:1;
} ngx_k8s_named_t;


/* a policy record, by its key, with what its objects say; malloc()ed whole */

typedef struct {
    ngx_k8s_row_t           *row;
    ngx_str_t                value;
    u_char                  *refused;    /* what nginx says of it, malloc()ed,
                                            with a final zero; NULL: nothing */
    ngx_k8s_named_t         *named;      /* malloc()ed; NULL: nothing */
    unsigned                 class:1;    /* refused, and that is said of the
                                            ConfigMap of a class */
} ngx_k8s_policy_value_t;

/* what cannot be had of it closes the routes that say it */

#define ngx_k8s_policy_closes(v)                                              \
    ngx_k8s_value_closes((v)->row, &(v)->value)

#define NGX_K8S_POLICY_PORTS         2

struct ngx_k8s_policy_state_s {
    ngx_str_node_t           sn;         /* c->policies, by digest */
    ngx_queue_t              queue;      /* c->checked */
    u_char                   digest[NGX_K8S_POLICY_DIGEST];
    ngx_str_t                key;        /* of its record: the digest, or that
                                            of keys */
    uint32_t                 slot;       /* 0: there is no record */
    ngx_uint_t               refs;       /* matches of host records */
    ngx_k8s_port_t          *ports[NGX_K8S_POLICY_PORTS];  /* of error pages,
                                            its own and the block's; or NULL */
    ngx_uint_t               stamp;      /* of the ConfigMap over which it was
                                            built last */
    ngx_uint_t               n;
    ngx_queue_t              rest;       /* when stale: c->keys.stale, .full */
    ngx_k8s_node_t          *class;      /* of that ConfigMap, pinned; or */
    ngx_queue_t              refusing;   /* NULL; with it: c->refusing */
    ngx_uint_t               next;       /* with "trying": value to be tried */
    ngx_uint_t               over;       /* and the ConfigMap, as in "stamp" */
    unsigned                 built:1;    /* once at least */
    unsigned                 trying:1;   /* one value after the other */
    unsigned                 changed:1;  /* what is refused, since then */
    unsigned                 closed:1;   /* all routes are closed */
    unsigned                 stale:1;    /* its record is */
    unsigned                 host:1;     /* of hosts, not of routes */
    ngx_k8s_policy_value_t   values[1];  /* by row */
};


/* the keys of the controller's ConfigMap */

#define NGX_K8S_CONFIG_INTERVAL      100  /* milliseconds, between changes */

typedef struct {
    ngx_k8s_policy_state_t  *policy;     /* in force, NULL: not yet */
    ngx_k8s_policy_state_t  *next;       /* in the making, or NULL */
    ngx_pool_t              *pool;       /* of the problems */
    ngx_array_t              problems;   /* ngx_k8s_problem_t */
    u_char                   digest[NGX_K8S_DIGEST];  /* of the object that was
                                                         read, 0: none */
    ngx_uint_t               stamp;      /* raised by each change that policies
                                            are built over */
    ngx_msec_t               time;       /* of the last change */
    ngx_queue_t              stale;      /* policies whose records are; */
    ngx_queue_t              roomless;   /* and that had no room for another */
    unsigned                 full:1;     /* no room for the record of the keys,
                                            that before them is there */
    unsigned                 shut:1;     /* nor is that to hold: all paths are
                                            closed, */
    unsigned                 open:1;     /* or not, as there is no room at
                                            all */
    unsigned                 retry:1;    /* there may be some now */
    unsigned                 again:1;    /* what it names has changed */
    unsigned                 unfinished:1;  /* some policies may be built over
                                            keys that never were in force */
} ngx_k8s_config_state_t;


/* policies (ngx_k8s_compile_policy.c) */
void ngx_k8s_compile_policies_init(ngx_k8s_compile_t *c);
void ngx_k8s_compile_policies_free(ngx_k8s_compile_t *c);
/* a reference to the record of what values say, of a model with its error
   pages, or of a host; NULL where they say nothing; NGX_DECLINED: no room */
ngx_int_t ngx_k8s_compile_policy(ngx_k8s_compile_t *c,
    ngx_k8s_values_t *values, ngx_k8s_target_t *error,
    ngx_k8s_policy_state_t **policy);
void ngx_k8s_compile_policy_put(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
/* writes its record when it is built and the Services that it names have
   theirs; NGX_AGAIN: not yet, NGX_DECLINED: no room, NGX_ERROR: no memory */
ngx_int_t ngx_k8s_compile_policy_ready(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
/* one of no object yet, with a copy of values; error: its own backend of error
   pages, or NULL.  NULL: no memory */
ngx_k8s_policy_state_t *ngx_k8s_compile_policy_make(ngx_k8s_compile_t *c,
    ngx_k8s_values_t *values, ngx_k8s_target_t *error);
void ngx_k8s_compile_policy_drop(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
/* the same at the end of the watcher, when no Services are held any more */
void ngx_k8s_compile_policy_free(ngx_k8s_policy_state_t *policy);
/*
 * Builds it, with "base" as that of the ConfigMap; what nginx refuses is told
 * value by value: NGX_DONE when that has changed, NGX_OK, NGX_ERROR; NGX_AGAIN:
 * no more of it in this item of work.
 */
ngx_int_t ngx_k8s_compile_policy_build(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t base);
/* writes its record of the kind; NGX_DECLINED: no room, NGX_ERROR: no memory */
ngx_int_t ngx_k8s_compile_policy_write(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t kind);
/* the same of keys that have no room: a record that closes all paths */
ngx_int_t ngx_k8s_compile_policy_shut(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
/* whether keys protect from what those before them, or NULL, let through */
ngx_uint_t ngx_k8s_compile_policy_protects(ngx_k8s_policy_state_t *policy,
    ngx_k8s_policy_state_t *before);
/*
 * The problem that nginx refuses a value, and those of all values of keys; the
 * field is "%V%V%s", closed the code where that closes paths
 * (ngx_k8s_compile_refused.c).
 */
ngx_int_t ngx_k8s_compile_policy_note(ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_uint_t code, ngx_uint_t closed,
    ngx_str_t *before, char *after);
ngx_int_t ngx_k8s_compile_policy_notes(ngx_array_t *a,
    ngx_k8s_policy_state_t *policy, ngx_uint_t code, ngx_uint_t closed,
    ngx_str_t *before, char *after);
/* those of an Ingress, but for what its class' keys say */
ngx_int_t ngx_k8s_compile_policy_refused(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_entry_t *entry);
/* whether a record is one of those */
ngx_uint_t ngx_k8s_compile_policy_known(ngx_k8s_compile_t *c, uint32_t slot,
    void *rec);

/* ConfigMaps (ngx_k8s_compile_config.c) */
ngx_int_t ngx_k8s_compile_config(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_config_free(ngx_k8s_compile_t *c);
/* what is wrong with an entry of the kind */
ngx_int_t ngx_k8s_compile_config_notes(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
/* the problem of a key, what is NGX_K8S_SAY_*; its field is of the pool */
ngx_int_t ngx_k8s_compile_key_problem(ngx_array_t *a, ngx_pool_t *pool,
    ngx_uint_t what, ngx_str_t *name, ngx_str_t *message, ngx_str_t *remedy);

/*
 * Of classes (ngx_k8s_compile_class.c).  changed(): what is said of the
 * ConfigMap of a node, and of classes that name it, may be another one;
 * notes(): of a ConfigMap; missing(): of a class whose one is not there;
 * refuses(): 1: the value is a key of the class of an Ingress, and what nginx
 * says of it is to be said of the ConfigMap; said(): it is another one, or the
 * policy goes ("value" is NULL).
 */
void ngx_k8s_compile_class_changed(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
ngx_int_t ngx_k8s_compile_class_notes(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
ngx_int_t ngx_k8s_compile_class_missing(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
ngx_uint_t ngx_k8s_compile_class_refuses(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_k8s_policy_state_t *policy,
    ngx_k8s_policy_value_t *value);
void ngx_k8s_compile_class_said(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value);

/*
 * ConfigMaps and Secrets that are named (ngx_k8s_compile_named.c).  pin(): that
 * of a value; follow(): a policy of a route is written anew when a ConfigMap
 * changes; waits(): a new version of an object does, for a while, its hosts are
 * marked then; ready(): whether the records of its Secrets are as they should
 * be; text(): what a value says in a record, in c->pool or the table,
 * NGX_DECLINED: not all of what it names; changed(): a ConfigMap has, next() is
 * of a policy to be written, or NULL, written(): it was; key(): whether keys
 * name it. NGX_ERROR: no memory.
 */
void ngx_k8s_compile_named_changed(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
ngx_k8s_named_t *ngx_k8s_compile_named_next(ngx_k8s_node_t *node);
void ngx_k8s_compile_named_written(ngx_k8s_named_t *named);
ngx_uint_t ngx_k8s_compile_named_key(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
void ngx_k8s_compile_named_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
/* the headers that keys allow; policy may be NULL */
ngx_str_t ngx_k8s_compile_named_allow(ngx_k8s_policy_state_t *policy);
ngx_int_t ngx_k8s_compile_named_pin(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value,
    ngx_k8s_values_t *values);
void ngx_k8s_compile_named_unpin(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
ngx_int_t ngx_k8s_compile_named_follow(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
ngx_uint_t ngx_k8s_compile_named_waits(ngx_k8s_compile_t *c,
    ngx_k8s_values_t *values);
ngx_uint_t ngx_k8s_compile_named_ready(ngx_k8s_policy_state_t *policy);
ngx_int_t ngx_k8s_compile_named_text(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value,
    ngx_str_t *text);
/* what was not known of a node is: those that wait have been told */
void ngx_k8s_compile_named_answered(ngx_k8s_node_t *node);
/* time has passed for those that wait */
void ngx_k8s_compile_named_due(ngx_k8s_compile_t *c);
/* problems of what a policy names, the field is "%V%V%s" of before, the row's
   name and after */
ngx_int_t ngx_k8s_compile_named_notes(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_state_t *policy, ngx_uint_t code, ngx_str_t *before,
    char *after);


#endif /* _NGX_K8S_COMPILE_POLICY_H_INCLUDED_ */
