
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The client of one API server: a reflector for each kind and scope, and the
 * contents of objects that are wanted.  All of it runs in the watcher and lives
 * from ngx_k8s_client_start() to stop().
 *
 * Files, each of which uses only those before it: ngx_k8s_session.c, what all
 * have in common; ngx_k8s_address.c, where the server is;
 * ngx_k8s_reflector_state.c, the phases of a reflector;
 * ngx_k8s_reflector_feed.c, what comes; ngx_k8s_reflector_answer.c, how it
 * ends; ngx_k8s_contents.c; ngx_k8s_reflector.c, requests; ngx_k8s_client.c.
 */


#ifndef _NGX_K8S_CLIENT_H_INCLUDED_
#define _NGX_K8S_CLIENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_api.h>
#include <ngx_k8s_credentials.h>
#include <ngx_k8s_record.h>
#include <ngx_k8s_source.h>
#include <ngx_k8s_transport.h>


#define NGX_K8S_CLIENT_CONNECT       5000  /* milliseconds, default */
#define NGX_K8S_CLIENT_BACKOFF       800   /* milliseconds, the shortest */
/* milliseconds: the longest wait after a broken connection; a request that went
   well for so long ends the row of failures */
#define NGX_K8S_REFLECTOR_BROKEN     5000
#define NGX_K8S_REFLECTOR_WELL       10000
/* milliseconds between two looks whether the server is silent */
#define NGX_K8S_CLIENT_LISTEN        10000


typedef struct ngx_k8s_client_s     ngx_k8s_client_t;
typedef struct ngx_k8s_reflector_s  ngx_k8s_reflector_t;
typedef struct ngx_k8s_contents_s   ngx_k8s_contents_t;


/*
 * Phases of a reflector.  A request may run in each but the first; which ways
 * lead from one to another stands in ngx_k8s_reflector_state.c.
 */

#define NGX_K8S_PHASE_LIST           0   /* a list has to be begun */
#define NGX_K8S_PHASE_STREAM         1   /* a streaming list, up to its end */
#define NGX_K8S_PHASE_PAGES          2   /* a list by pages, up to the last */
#define NGX_K8S_PHASE_WATCH          3   /* listed: the version is watched */
#define NGX_K8S_PHASE_PROBE          4   /* or has it gone backwards? */

/* how a list is asked for */

#define NGX_K8S_LIST_STREAM          0
#define NGX_K8S_LIST_PAGES           1
#define NGX_K8S_LIST_WHOLE           2   /* one page, whatever its size */

/* what is read of an answer */

#define NGX_K8S_READ_ALL             0
#define NGX_K8S_READ_NEXT            1   /* from the next line on; of this one
                                            what names its object */
#define NGX_K8S_READ_NONE            2   /* the document is complete */


/* trouble that has no HTTP status */

#define NGX_K8S_TROUBLE_SILENT       1
#define NGX_K8S_TROUBLE_LATE         2   /* a list has no end */
#define NGX_K8S_TROUBLE_CUT          3   /* it ends before its end */
#define NGX_K8S_TROUBLE_SHORT        4   /* a watch ends at once */
#define NGX_K8S_TROUBLE_ODD          5   /* what comes is no list */


/*
 * What becomes of that which a reflector sees: objects are fed as they come
 * (ngx_k8s_reflector_plain), or their metadata says what is to be fetched
 * (ngx_k8s_contents).
 */

typedef struct {
    char                    *page;       /* "Accept: ..." of a list */
    char                    *watch;      /* and of a watch */
    void                   (*begin)(ngx_k8s_reflector_t *r);
    /* op: OBJECT, DELETE, or KEEP, without the object's text */
    void                   (*object)(ngx_k8s_reflector_t *r, ngx_uint_t op,
                                ngx_k8s_event_t *event);
    void                   (*end)(ngx_k8s_reflector_t *r);
    void                   (*abort)(ngx_k8s_reflector_t *r);
    /* 403, 404 */
    void                   (*refused)(ngx_k8s_reflector_t *r);
} ngx_k8s_reflector_ops_t;


/* list and watch of one kind in one scope */

struct ngx_k8s_reflector_s {
    ngx_k8s_client_t        *client;
    ngx_k8s_kind_t          *info;
    ngx_k8s_call_t          *call;       /* NULL: waits for its timer */
    ngx_int_t                ident;      /* event ident must be after 3
                                            pointers as in ngx_connection_t */
    ngx_k8s_reflector_ops_t *ops;
    ngx_uint_t               kind;
    ngx_str_t                scope;      /* namespace, or empty */
    ngx_str_t                name;       /* of the one object, or empty */
    ngx_str_t                fields;     /* fieldSelector */
    ngx_event_t              timer;      /* next request, or guard of this */
    ngx_uint_t               phase;      /* NGX_K8S_PHASE_* */
    ngx_uint_t               how;        /* NGX_K8S_LIST_*, the next list */
    ngx_uint_t               usual;      /* the same, of lists after it */

    ngx_str_t                version;    /* seen last; data is buffer */
    ngx_str_t                token;      /* continue; malloc()ed */
    ngx_k8s_list_cutter_t    cutter;     /* max is 0: not in use */
    ngx_uint_t               read;       /* NGX_K8S_READ_* */
    size_t                   scanned;    /* of a line that is incomplete */
    ngx_k8s_json_names_t     names;      /* of the line */

    ngx_msec_t               started;    /* of the request */
    ngx_msec_t               listing;    /* when the list was begun */
    ngx_uint_t               overdue;    /* lists in a row that took longer
                                            than list_time */
    ngx_msec_t               failed;
    ngx_uint_t               attempts;   /* failures in a row */
    ngx_msec_t               expired;    /* when a version was, the last */
    ngx_uint_t               expiries;   /* in a row */
    ngx_uint_t               misses;     /* initial events without an end */
    ngx_uint_t               shorts;     /* very short watches in a row */
    ngx_uint_t               events;     /* of this request */
    ngx_uint_t               trouble;    /* logged: HTTP status, or above */

    ngx_uint_t               state;      /* NGX_K8S_SYNC_* */
    ngx_uint_t               lists;
    ngx_uint_t               watches;
    ngx_uint_t               errors;
    uint32_t                 mark;       /* of the list, for contents */

    unsigned                 connected:1; /* a stream stands */
    unsigned                 idle:1;     /* nothing of it is wanted: it counts
                                            as listed */
    unsigned                 begun:1;    /* ops->begin() without an end yet */
    unsigned                 nameless:1; /* something in the list */
    unsigned                 lost:1;     /* the server was not reached, and has
                                            not answered yet */
    unsigned                 fresh:1;    /* next on a connection of its own */
    unsigned                 renewed:1;  /* 401: credentials were renewed */

    size_t                   reason_len;
    u_char                   reason[NGX_K8S_REASON_MAX];
    u_char                   buffer[NGX_K8S_VERSION_MAX];
};


struct ngx_k8s_client_s {
    ngx_k8s_source_conf_t   *conf;
    ngx_k8s_sink_t          *sink;
    ngx_log_t               *log;
    ngx_int_t                ident;      /* as above */
    ngx_pool_t              *pool;

    ngx_k8s_source_t         source;
    ngx_k8s_transport_t     *transport;
    ngx_k8s_credentials_t    credentials;
    ngx_k8s_contents_t      *contents;
    ngx_uint_t               missing[NGX_K8S_KINDS];  /* wanted, not yet fed */
    ngx_array_t              reflectors; /* ngx_k8s_reflector_t */
    ngx_queue_t              asks;       /* ngx_k8s_ask_t */
    ngx_str_t                newest;     /* version of any kind; data is
                                            buffer */

    ngx_str_t                base;       /* of addresses */
    char                    *host;       /* "Host: ..." or NULL */
    char                    *connect;    /* libcurl's CONNECT_TO or NULL */
    char                    *connect_format;
    ngx_resolver_ctx_t      *resolving;
    ngx_event_t              resolve;    /* timer */
    ngx_uint_t               turn;       /* of the addresses */
    ngx_msec_t               resolved;
    ngx_event_t              listen;     /* timer: is the server silent? */
    ngx_k8s_call_t          *ping;

    /* there is an address: all begins; the server answers again */
    void                   (*go)(ngx_k8s_client_t *client);
    void                   (*reached)(ngx_k8s_client_t *client);

    unsigned                 down:1;     /* the server is unreachable */
    unsigned                 closed:1;   /* the worker exits */
    unsigned                 ready:1;    /* there is an address */
    unsigned                 started:1;

    u_char                   buffer[NGX_K8S_VERSION_MAX];
};


/* ngx_k8s_session.c */

/*
 * A request with credentials; handlers are the caller's to set, then it calls
 * ngx_k8s_call_start().  NULL: no memory, or a name that is none.
 */
ngx_k8s_call_t *ngx_k8s_client_call(ngx_k8s_client_t *client,
    ngx_k8s_request_t *req);

/* timer: asks a server that is silent for its version */
void ngx_k8s_client_listen(ngx_event_t *ev);

/* the server has answered, or could not be reached for this reason */
void ngx_k8s_client_up(ngx_k8s_client_t *client);
void ngx_k8s_client_down(ngx_k8s_client_t *client, ngx_k8s_call_t *call);

/* closes all connections when nothing was heard on any for so long */
void ngx_k8s_client_silent(ngx_k8s_client_t *client, ngx_msec_t time);

/* passes the state of a kind, over its scopes, to the sink */
void ngx_k8s_client_report(ngx_k8s_client_t *client, ngx_uint_t kind);

void ngx_k8s_client_feed(ngx_k8s_client_t *client, ngx_uint_t op,
    ngx_uint_t kind, ngx_str_t *scope, u_char *text, size_t len);
/* feeds what there is only a name for, with the code of its problem */
void ngx_k8s_client_feed_name(ngx_k8s_client_t *client, ngx_uint_t op,
    ngx_uint_t kind, ngx_str_t *scope, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t code);

/* milliseconds to wait after this many failures, which is one more then */
ngx_msec_t ngx_k8s_client_backoff(ngx_k8s_client_t *client,
    ngx_uint_t *attempts, ngx_msec_t *failed, ngx_msec_t max);


/* ngx_k8s_reflector_state.c */

void ngx_k8s_reflector_enter(ngx_k8s_reflector_t *r, ngx_uint_t phase);
/* the next request goes out, or the timer fires, in so many milliseconds */
void ngx_k8s_reflector_schedule(ngx_k8s_reflector_t *r, ngx_msec_t delay);
/* the next request after a failure; max and least are of the wait, 0: none */
void ngx_k8s_reflector_retry(ngx_k8s_reflector_t *r, ngx_msec_t max,
    ngx_msec_t least);
void ngx_k8s_reflector_cancel(ngx_k8s_reflector_t *r);
/* a list begins, is complete, or breaks off; then the phase is another one */
void ngx_k8s_reflector_begin(ngx_k8s_reflector_t *r);
void ngx_k8s_reflector_end(ngx_k8s_reflector_t *r);
void ngx_k8s_reflector_abort(ngx_k8s_reflector_t *r);
/* streaming lists without an end: so many more, and pages are asked for */
void ngx_k8s_reflector_missed(ngx_k8s_reflector_t *r, ngx_uint_t max);
void ngx_k8s_reflector_uncut(ngx_k8s_reflector_t *r);
void ngx_k8s_reflector_version(ngx_k8s_reflector_t *r, ngx_str_t *version);
void ngx_k8s_reflector_token(ngx_k8s_reflector_t *r, ngx_str_t *token);
void ngx_cdecl ngx_k8s_reflector_reason(ngx_k8s_reflector_t *r,
    const char *fmt, ...);
/* logs the reason, once as long as this trouble goes on */
void ngx_k8s_reflector_trouble(ngx_k8s_reflector_t *r, ngx_uint_t level,
    ngx_uint_t trouble);
/* ends it */
void ngx_k8s_reflector_well(ngx_k8s_reflector_t *r);


/* ngx_k8s_reflector_feed.c */

extern ngx_k8s_reflector_ops_t  ngx_k8s_reflector_plain;

/*
 * What has come of a stream, or of a page.  NGX_AGAIN: there is more to do in
 * the next turn; NGX_OK: all is taken; NGX_DONE: the initial events are over;
 * NGX_DECLINED: the server has refused, *st says why; NGX_ERROR: it is broken.
 */
ngx_int_t ngx_k8s_reflector_lines(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call, ngx_k8s_status_t *st);
ngx_int_t ngx_k8s_reflector_items(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call);


/* ngx_k8s_reflector_answer.c: each has the next request sent */

void ngx_k8s_reflector_listed(ngx_k8s_reflector_t *r);
void ngx_k8s_reflector_odd(ngx_k8s_reflector_t *r, char *why);
void ngx_k8s_reflector_probed(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call);
void ngx_k8s_reflector_closed(ngx_k8s_reflector_t *r);
void ngx_k8s_reflector_refused(ngx_k8s_reflector_t *r, ngx_uint_t code,
    ngx_k8s_status_t *st, ngx_uint_t after);
void ngx_k8s_reflector_broken(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call);


/* ngx_k8s_reflector.c */

/* name: of the one object that it is for, or NULL.  NGX_ERROR: no memory */
ngx_int_t ngx_k8s_reflector_init(ngx_k8s_reflector_t *r,
    ngx_k8s_client_t *client, ngx_uint_t kind, ngx_str_t *scope,
    ngx_str_t *name);
void ngx_k8s_reflector_stop(ngx_k8s_reflector_t *r);
/* a change was lost: all is listed anew */
void ngx_k8s_reflector_relist(ngx_k8s_reflector_t *r);


/* ngx_k8s_ask.c: ask() and unask() of the source; the end of all that is
   asked */

ngx_int_t ngx_k8s_client_ask(ngx_k8s_source_t *s, ngx_k8s_request_t *req,
    ngx_msec_t time, ngx_k8s_ask_t *ask);
void ngx_k8s_client_unask(ngx_k8s_ask_t *ask);
void ngx_k8s_client_asks_close(ngx_k8s_client_t *client);


/* where the server is (ngx_k8s_address.c) */

/* NULL, or a sentence that says why the name has no address (in pool) */
char *ngx_k8s_client_unresolvable(ngx_k8s_source_conf_t *conf,
    ngx_str_t *host, ngx_pool_t *pool);
ngx_uint_t ngx_k8s_client_literal(ngx_str_t *host);
ngx_int_t ngx_k8s_client_address(ngx_k8s_client_t *client);
void ngx_k8s_client_resolve(ngx_event_t *ev);


/* ngx_k8s_contents.c */

extern ngx_k8s_reflector_ops_t  ngx_k8s_contents_ops;

/* the fieldSelector of a kind of which only what is wanted is read, or NULL;
   lazy: whether it is not watched before anything is */
ngx_str_t *ngx_k8s_contents_fields(ngx_uint_t kind, ngx_uint_t *lazy);

/* of a reflector that is idle: it counts as listed */
void ngx_k8s_contents_idle(ngx_k8s_reflector_t *r);

ngx_k8s_contents_t *ngx_k8s_contents_create(ngx_k8s_client_t *client);
void ngx_k8s_contents_want(ngx_k8s_contents_t *contents, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t wanted);
/* cancels what runs; what is known stays until it is destroyed */
void ngx_k8s_contents_stop(ngx_k8s_contents_t *contents);
void ngx_k8s_contents_destroy(ngx_k8s_contents_t *contents);


#endif /* _NGX_K8S_CLIENT_H_INCLUDED_ */
