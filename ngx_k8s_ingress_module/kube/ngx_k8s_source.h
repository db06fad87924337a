
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Where objects come from: an API server (ngx_k8s_client.c) or a folder of
 * manifests (ngx_k8s_manifests.c).  Runs in the watcher only.  A source knows
 * HTTP, JSON and files, and nothing of routing: it feeds a sink, in order.
 */


#ifndef _NGX_K8S_SOURCE_H_INCLUDED_
#define _NGX_K8S_SOURCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_api.h>


#define NGX_K8S_SOURCE_IN_CLUSTER    0
#define NGX_K8S_SOURCE_KUBECONFIG    1
#define NGX_K8S_SOURCE_MANIFESTS     2

#define NGX_K8S_REASON_MAX           512


/*
 * What the administrator wrote, checked at configuration time; lives as long
 * as the cycle.  The environment (KUBERNETES_SERVICE_HOST, _PORT) is read in
 * the master, since workers do not have it.
 */

typedef struct {
    ngx_str_t                namespace;
    ngx_str_t                name;
    ngx_str_t               *scopes;     /* its namespace, and all of the kind;
                                            NULL: as of other kinds */
    ngx_uint_t               nscopes;
} ngx_k8s_source_only_t;


typedef struct {
    ngx_uint_t               type;       /* NGX_K8S_SOURCE_* */
    ngx_str_t                path;       /* kubeconfig, or manifests folder */
    ngx_str_t                context;    /* kubeconfig: empty: the current */
    ngx_str_t                host;       /* in_cluster: IP address literal */
    ngx_str_t                port;
    ngx_str_t                server;     /* of an API server: its address, as
                                            it was when this was checked */
    ngx_str_t                token;      /* in_cluster: file */
    ngx_str_t                ca;         /* in_cluster: file */
    ngx_array_t             *namespaces; /* ngx_str_t; NULL: all */
    ngx_uint_t               skip;       /* kinds that are not read, by bit */
    ngx_k8s_source_only_t    only[NGX_K8S_KINDS];  /* of a kind this object
                                            is read wherever it is, and by
                                            itself; no name: none is */
    ngx_msec_t               connect_timeout;
    ngx_msec_t               watch_timeout;  /* shortest; longest is twice */
    ngx_msec_t               list_timeout;   /* no byte for so long */
    ngx_msec_t               list_time;      /* a list as a whole */
    ngx_msec_t               backoff_max;
    ngx_uint_t               page;       /* objects in one page of a LIST */
    size_t                   object_max; /* bytes of one object */
    ngx_resolver_t          *resolver;   /* may be NULL */
    ngx_msec_t               resolver_timeout;
} ngx_k8s_source_conf_t;


/*
 * What a source says, in order, for each kind and scope (a namespace, or "").
 * The sink copies or takes over as said; it returns at once and works later,
 * in slices.
 */

#define NGX_K8S_FEED_BEGIN           0   /* a list begins */
#define NGX_K8S_FEED_OBJECT          1   /* an object is there, or changed */
#define NGX_K8S_FEED_DELETE          2   /* an object has gone */
#define NGX_K8S_FEED_END             3   /* the list is complete: what was not
                                            in it is gone; kind is in sync */
#define NGX_K8S_FEED_ABORT           4   /* the list broke off: nothing goes */
#define NGX_K8S_FEED_KEEP            5   /* an object is there and cannot be
                                            had: what is known of it stays */
#define NGX_K8S_FEED_LOST            6   /* there was no memory for a change,
                                            or it cannot be read: the kind is
                                            to be listed anew */

typedef struct {
    ngx_uint_t               op;         /* NGX_K8S_FEED_* */
    ngx_uint_t               kind;
    ngx_str_t                scope;      /* namespace, "" for all; copied */
    u_char                  *text;       /* OBJECT: JSON of the object; DELETE
                                            and KEEP: of its metadata at least;
                                            malloc()ed: the sink frees it */
    size_t                   len;
    ngx_uint_t               code;       /* KEEP: NGX_K8S_PROBLEM_*; DELETE:
                                            OBJECT_FORBIDDEN, or 0 */
    ngx_str_t                origin;     /* manifests: file; copied */
    ngx_uint_t               document;   /* manifests: number in the file */
    unsigned                 kept:1;     /* OBJECT: it cannot be read any more,
                                            this is its last good version */
    unsigned                 recalled:1; /* the same, as the table has it: the
                                            sink takes it before all else */
} ngx_k8s_feed_t;


/* what a predecessor has kept of a file, with text and origin of its own */

typedef struct {
    ngx_queue_t              queue;
    ngx_k8s_feed_t           feed;
} ngx_k8s_seed_t;


/* state of a kind, for /readyz, /metrics and /status */

typedef struct {
    ngx_uint_t               state;      /* NGX_K8S_SYNC_* */
    ngx_uint_t               connected;
    ngx_uint_t               idle;       /* nothing of it is wanted: it need
                                            not be connected */
    ngx_uint_t               lists;      /* since this source was started */
    ngx_uint_t               watches;
    ngx_uint_t               errors;
    ngx_str_t                reason;     /* copied */
} ngx_k8s_source_state_t;


typedef struct {
    void                    *data;
    void                   (*feed)(void *data, ngx_k8s_feed_t *feed);
    void                   (*state)(void *data, ngx_uint_t kind,
                                ngx_k8s_source_state_t *state);
    /* a problem of the source's own: an unreadable file; remedy may be empty;
       code < 0 ends all problems of that kind and name.  Strings are copied */
    void                   (*problem)(void *data, char *kind, ngx_str_t *name,
                                ngx_int_t code, ngx_str_t *message);
    /* so many objects of a kind more, or less, are in files and cannot be
       read */
    void                   (*unread)(void *data, ngx_uint_t kind,
                                ngx_int_t n);
    /* bytes fed and not yet worked on: a source asks before the next page */
    size_t                 (*backlog)(void *data);
    /* the source begins and ends work in this turn of the event loop, so that
       its time is measured; may be nested */
    void                   (*enter)(void *data);
    void                   (*leave)(void *data);
    /* whether this turn's share for the source is used up: what can wait is
       left for the next turn */
    ngx_uint_t             (*busy)(void *data);
} ngx_k8s_sink_t;


typedef struct ngx_k8s_source_s  ngx_k8s_source_t;
typedef struct ngx_k8s_ask_s     ngx_k8s_ask_t;


/* a request of somebody else's, from ask() to done() or unask() */

struct ngx_k8s_ask_s {
    void                    *data;
    /* it is over: the fields below say how; it may be used again at once */
    void                   (*done)(ngx_k8s_ask_t *ask);
    ngx_uint_t               status;     /* of HTTP, 0: no answer */
    ngx_uint_t               retry_after; /* seconds, 0: not given */
    ngx_str_t                text;       /* of the answer, while done() runs;
                                            of one over 1 MB a part, or none */
    ngx_k8s_source_t        *source;     /* these are the source's */
    ngx_queue_t              queue;
    void                    *call;       /* NULL: nothing is asked */
};


struct ngx_k8s_source_s {
    ngx_k8s_source_conf_t   *conf;
    ngx_k8s_sink_t          *sink;
    ngx_log_t               *log;
    void                    *data;       /* the source's own */
    ngx_uint_t               lasting;    /* the owner's: it has something to ask
                                            while the worker exits, and stops
                                            the source itself */

    /*
     * An object (a Secret, say) is referenced, or not any more: content of
     * only the wanted ones is fetched, kept and fed.  One that was asked for
     * and does not exist, or is not wanted any more, is fed as DELETE (with
     * namespace and name in metadata), as one of a kind that may not be read;
     * one that exists and may not be read as KEEP, and is asked for again:
     * nobody waits for it.  A want is answered also for an unchanged object: it
     * is fed (again).
     */
    void                   (*want)(ngx_k8s_source_t *s, ngx_uint_t kind,
                                ngx_str_t *ns, ngx_str_t *name,
                                ngx_uint_t wanted);
    /* wanted ones of this kind whose answer has not been fed yet */
    ngx_uint_t             (*missing)(ngx_k8s_source_t *s, ngx_uint_t kind);
    /* a change of this kind was lost: it is listed anew, soon, and what is
       wanted of it is fed again.  A list that goes on is fed as ABORT first */
    void                   (*relist)(ngx_k8s_source_t *s, ngx_uint_t kind);
    /* last good versions of the files' objects (ngx_k8s_seed_t), before it
       has fed anything: they hold until the file is good, or gone.  It takes
       all of the queue.  NULL: not of use to this source */
    void                   (*seed)(ngx_k8s_source_t *s, ngx_queue_t *seeds);
    /*
     * Sends a request, which is copied, and waits so many milliseconds for its
     * answer.  NGX_DECLINED: the server has no address yet; NGX_ERROR: no
     * memory.  NULL: there is no server.
     */
    ngx_int_t              (*ask)(ngx_k8s_source_t *s, ngx_k8s_request_t *req,
                                ngx_msec_t time, ngx_k8s_ask_t *ask);
    /* done() of one that may be under way is not called any more */
    void                   (*unask)(ngx_k8s_ask_t *ask);
    /* stops, closes every descriptor and timer, frees all; what was asked is
       not answered any more */
    void                   (*stop)(ngx_k8s_source_t *s);
};


/*
 * In which namespaces a kind is read: their number and, in *scopes, their
 * names, which live as long as conf; one empty name: in all of them.
 */
ngx_uint_t ngx_k8s_source_scopes(ngx_k8s_source_conf_t *conf, ngx_uint_t kind,
    ngx_str_t **scopes);
/* whether an object is read */
ngx_uint_t ngx_k8s_source_reads(ngx_k8s_source_conf_t *conf, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);

/*
 * Feeds what is known of an object by its names alone, op and the like being
 * set; the names need no escape.  Without memory the kind is lost instead.
 */
void ngx_k8s_source_feed_name(ngx_k8s_sink_t *sink, ngx_k8s_feed_t *feed,
    ngx_str_t *ns, ngx_str_t *name, ngx_log_t *log);

/* frees a seed that is in no queue */
void ngx_k8s_seed_free(ngx_k8s_seed_t *seed);

/*
 * Start a source in the watcher; NULL when that is impossible (logged), not
 * when the API server or the folder is only unreachable: that is retried.
 */
ngx_k8s_source_t *ngx_k8s_client_start(ngx_k8s_source_conf_t *conf,
    ngx_k8s_sink_t *sink, ngx_log_t *log);
ngx_k8s_source_t *ngx_k8s_manifests_start(ngx_k8s_source_conf_t *conf,
    ngx_k8s_sink_t *sink, ngx_log_t *log);

/*
 * Checks at configuration time, in the master, without touching the network,
 * and sets conf->server: NULL, or a sentence that says what is wrong and what
 * to do (in pool).
 */
char *ngx_k8s_client_check(ngx_k8s_source_conf_t *conf, ngx_pool_t *pool);
char *ngx_k8s_manifests_check(ngx_k8s_source_conf_t *conf, ngx_pool_t *pool);


#endif /* _NGX_K8S_SOURCE_H_INCLUDED_ */
