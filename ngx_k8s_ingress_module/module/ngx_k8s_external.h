
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Names of ExternalName Services and the addresses that they lead to.  Each is
 * looked up anew when its answer has expired, by the search list of a Pod; of
 * what fails the last good answer holds for a minute.
 *
 * Names are a matter of tenants, and so is what their nameservers do: names
 * that are due wait in a queue of their namespace, the namespaces take turns,
 * none has more than a few lookups under way, and few begin in one turn of the
 * event loop.  In the watcher; private memory.
 */


#ifndef _NGX_K8S_EXTERNAL_H_INCLUDED_
#define _NGX_K8S_EXTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_module.h>


#define NGX_K8S_EXTERNAL_LOOKUPS     64  /* under way */
#define NGX_K8S_EXTERNAL_SHARE       8   /* of these, of one namespace */
#define NGX_K8S_EXTERNAL_STARTS      8   /* in one interval, which is: */
#define NGX_K8S_EXTERNAL_INTERVAL    10  /* milliseconds */

#define NGX_K8S_EXTERNAL_TTL_MIN     1   /* seconds */
#define NGX_K8S_EXTERNAL_TTL_MAX     300
#define NGX_K8S_EXTERNAL_STALE       60000   /* milliseconds */
#define NGX_K8S_EXTERNAL_RETRY       1000    /* twice as long each time */
#define NGX_K8S_EXTERNAL_RETRY_MAX   10000

#define NGX_K8S_EXTERNAL_TEXT        254     /* 253, and a dot at the end */


typedef struct ngx_k8s_external_s       ngx_k8s_external_t;
typedef struct ngx_k8s_external_name_s  ngx_k8s_external_name_t;


/* a lookup under way */

typedef struct {
    ngx_k8s_external_name_t *name;
    ngx_resolver_ctx_t      *ctx;
    ngx_str_t                text;       /* what is looked up, no dot at the
                                            end */
    u_char                   buf[NGX_K8S_EXTERNAL_TEXT];
} ngx_k8s_external_query_t;


/* what names ask of the watcher */

typedef struct {
    void                    *data;
    /* work begins and ends in this turn of the event loop */
    void                   (*enter)(void *data);
    void                   (*leave)(void *data);
    /* what is known of a name has changed */
    void                   (*changed)(void *data, ngx_k8s_name_t *name);
    /* a query is made, and given up: as ngx_k8s_external_ask() and _cancel() */
    ngx_int_t              (*ask)(ngx_k8s_external_query_t *query);
    void                   (*cancel)(ngx_k8s_external_query_t *query);
} ngx_k8s_external_events_t;


/* names of one namespace, while there are any */

typedef struct {
    ngx_str_node_t           sn;
    ngx_queue_t              queue;      /* external->ready, with "ready" */
    ngx_queue_t              due;        /* ngx_k8s_external_name_t */
    ngx_uint_t               names;
    ngx_uint_t               asking;     /* lookups under way */
    unsigned                 ready:1;
} ngx_k8s_external_group_t;


struct ngx_k8s_external_name_s {
    ngx_k8s_name_t           name;       /* compile's view; its text lies
                                            behind this */
    ngx_k8s_external_t      *external;
    ngx_k8s_external_group_t *group;
    ngx_queue_t              queue;      /* group->due, with "due" */
    ngx_event_t              timer;      /* of the next lookup, and with
                                            "failing" of the end of what is
                                            served */
    ngx_k8s_external_query_t *query;     /* NULL: none is under way */
    ngx_uint_t               at;         /* the next one, in the order of the
                                            search list */
    ngx_uint_t               found;      /* that which was good last */
    ngx_uint_t               failures;   /* since then */
    ngx_msec_t               failed;     /* since when they do */
    ngx_int_t                error;      /* of this walk over the list */
    unsigned                 failing:1;
    unsigned                 due:1;
};


struct ngx_k8s_external_s {
    ngx_k8s_external_events_t *events;
    ngx_resolver_t          *resolver;   /* NULL: there is no nameserver */
    ngx_msec_t               timeout;
    ngx_k8s_resolv_conf_t   *conf;
    ngx_log_t               *log;
    ngx_connection_t         dummy;      /* data of the events */
    ngx_event_t              start;      /* timer: lookups begin */
    ngx_msec_t               started;    /* the last time */
    ngx_rbtree_t             groups;     /* ngx_k8s_external_group_t */
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              ready;      /* those whose names are due and that
                                            may have one more lookup */
    ngx_uint_t               asking;     /* lookups under way */
    ngx_uint_t               unknown;    /* names of which none has ended */
};


void ngx_k8s_external_init(ngx_k8s_external_t *ext,
    ngx_k8s_external_events_t *events, ngx_k8s_block_t *block, ngx_log_t *log);
/* all names have been put */
void ngx_k8s_external_done(ngx_k8s_external_t *ext);

/* as conf.resolve() and conf.unresolve() of compile */
ngx_k8s_name_t *ngx_k8s_external_get(ngx_k8s_external_t *ext, ngx_str_t *ns,
    ngx_str_t *text);
void ngx_k8s_external_put(ngx_k8s_external_t *ext, ngx_k8s_name_t *name);

/*
 * The end of a query, which is freed: NGX_OK and addresses, or as the resolver
 * says, NGX_RESOLVE_*; valid: until when, seconds.
 */
void ngx_k8s_external_answer(ngx_k8s_external_query_t *query,
    ngx_int_t state, time_t valid, ngx_uint_t n, ngx_resolver_addr_t *addrs);

/* the text of number n in the order of the search list, for a name without dot
   at its end or with one; NGX_DONE: there are not so many, NGX_DECLINED: it is
   too long */
ngx_int_t ngx_k8s_external_text(ngx_k8s_resolv_conf_t *conf, ngx_str_t *name,
    ngx_uint_t n, u_char *buf, ngx_str_t *text);


/*
 * By nginx's resolver (ngx_k8s_external_ask.c): NGX_OK: the answer has come, or
 * will; NGX_ERROR: no memory.  There is a resolver.
 */
ngx_int_t ngx_k8s_external_ask(ngx_k8s_external_query_t *query);
void ngx_k8s_external_cancel(ngx_k8s_external_query_t *query);


#endif /* _NGX_K8S_EXTERNAL_H_INCLUDED_ */
