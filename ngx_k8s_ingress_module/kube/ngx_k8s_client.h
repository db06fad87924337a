
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The client of one API server: a reflector for each kind and scope, and the
 * contents of the Secrets that are wanted.  All of it runs in the watcher and
 * lives from ngx_k8s_client_start() to stop().
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


typedef struct ngx_k8s_client_s     ngx_k8s_client_t;
typedef struct ngx_k8s_reflector_s  ngx_k8s_reflector_t;
typedef struct ngx_k8s_secrets_s    ngx_k8s_secrets_t;


/* what the request that runs, or comes next, is for */

#define NGX_K8S_STEP_STREAM          0   /* streaming list, then a watch */
#define NGX_K8S_STEP_LIST            1   /* a page */
#define NGX_K8S_STEP_WATCH           2
#define NGX_K8S_STEP_PROBE           3   /* has the version gone backwards? */


/* trouble that has no HTTP status */

#define NGX_K8S_TROUBLE_SILENT       1
#define NGX_K8S_TROUBLE_LATE         2   /* a list has no end */
#define NGX_K8S_TROUBLE_CUT          3   /* it ends before its end */
#define NGX_K8S_TROUBLE_SHORT        4   /* a watch ends at once */
#define NGX_K8S_TROUBLE_ODD          5   /* what comes is no list */


/* list and watch of one kind in one scope */

struct ngx_k8s_reflector_s {
    ngx_k8s_client_t        *client;
    ngx_k8s_kind_t          *info;
    ngx_k8s_call_t          *call;       /* NULL: waits for its timer */
    ngx_int_t                ident;      /* event ident must be after 3
                                            pointers as in ngx_connection_t */
    ngx_uint_t               kind;
    ngx_str_t                scope;      /* namespace, or empty */
    ngx_event_t              timer;      /* next request, or guard of this */
    ngx_uint_t               step;

    ngx_str_t                version;    /* seen last; data is buffer */
    ngx_str_t                token;      /* continue; malloc()ed */
    ngx_k8s_list_cutter_t    cutter;
    size_t                   scanned;    /* of a line that is incomplete */

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
    ngx_uint_t               trouble;    /* logged: HTTP status, or below */

    ngx_uint_t               state;      /* NGX_K8S_SYNC_* */
    ngx_uint_t               lists;
    ngx_uint_t               watches;
    ngx_uint_t               errors;
    uint32_t                 mark;       /* of the list, for Secrets */

    unsigned                 connected:1;
    unsigned                 synced:1;   /* for Secrets: END is fed */
    unsigned                 metadata:1; /* Secrets: no content */
    unsigned                 relist:1;   /* version is no start for a watch */
    unsigned                 check:1;    /* probe first */
    unsigned                 plain:1;    /* server has no streaming lists */
    unsigned                 once:1;     /* the next list is a plain one */
    unsigned                 full:1;     /* the next list is one page */
    unsigned                 begun:1;    /* BEGIN is fed, END is not */
    unsigned                 initial:1;  /* initial events are not over */
    unsigned                 cutting:1;  /* the cutter is in use */
    unsigned                 ended:1;    /* a list's document is complete */
    unsigned                 skip:1;     /* rest of a line that is too long */
    unsigned                 unreachable:1; /* waits for the server */
    unsigned                 lost:1;     /* it was, and has not answered yet */
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
    ngx_k8s_secrets_t       *secrets;
    ngx_array_t              reflectors; /* ngx_k8s_reflector_t */
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

    unsigned                 down:1;     /* the server is unreachable */
    unsigned                 closed:1;   /* the worker exits */
    unsigned                 ready:1;    /* there is an address */
    unsigned                 started:1;

    u_char                   buffer[NGX_K8S_VERSION_MAX];
};


/*
 * A GET request with credentials; handlers are the caller's to set, then it
 * calls ngx_k8s_call_start().  "url" is freed in any case.
 */
ngx_k8s_call_t *ngx_k8s_client_call(ngx_k8s_client_t *client, char *url,
    char *accept);

/* the server has answered, or could not be reached for this reason */
void ngx_k8s_client_up(ngx_k8s_client_t *client);
void ngx_k8s_client_down(ngx_k8s_client_t *client, ngx_k8s_call_t *call);

/* closes all connections when nothing was heard on any for so long */
void ngx_k8s_client_silent(ngx_k8s_client_t *client, ngx_msec_t time);

/* passes the state of a kind, over its scopes, to the sink */
void ngx_k8s_client_report(ngx_k8s_client_t *client, ngx_uint_t kind);

void ngx_k8s_client_feed(ngx_k8s_client_t *client, ngx_uint_t op,
    ngx_uint_t kind, ngx_str_t *scope, u_char *text, size_t len);
/* feeds what there is only a name for: DELETE, or KEEP with a problem's code */
void ngx_k8s_client_feed_name(ngx_k8s_client_t *client, ngx_uint_t op,
    ngx_uint_t kind, ngx_str_t *scope, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t code);

/* milliseconds to wait after this many failures, which is one more then */
ngx_msec_t ngx_k8s_client_backoff(ngx_k8s_client_t *client,
    ngx_uint_t *attempts, ngx_msec_t *failed, ngx_msec_t max);


void ngx_k8s_reflector_init(ngx_k8s_reflector_t *r, ngx_k8s_client_t *client,
    ngx_uint_t kind, ngx_str_t *scope);
/* the next request goes out in so many milliseconds */
void ngx_k8s_reflector_schedule(ngx_k8s_reflector_t *r, ngx_msec_t delay);
void ngx_k8s_reflector_stop(ngx_k8s_reflector_t *r);
/* a change was lost: all is listed anew */
void ngx_k8s_reflector_relist(ngx_k8s_reflector_t *r);

/* between ngx_k8s_reflector.c, the requests, ... */
void ngx_k8s_reflector_refused(ngx_k8s_reflector_t *r, ngx_uint_t code,
    ngx_k8s_status_t *st, ngx_uint_t after);
void ngx_k8s_reflector_retry(ngx_k8s_reflector_t *r, ngx_msec_t max,
    ngx_msec_t least);
/* logs the reason, once as long as this trouble goes on */
void ngx_k8s_reflector_trouble(ngx_k8s_reflector_t *r, ngx_uint_t level,
    ngx_uint_t trouble);
ngx_msec_t ngx_k8s_reflector_guard(ngx_k8s_reflector_t *r);
void ngx_k8s_reflector_well(ngx_k8s_reflector_t *r);
void ngx_cdecl ngx_k8s_reflector_reason(ngx_k8s_reflector_t *r,
    const char *fmt, ...);

/* ... and ngx_k8s_reflector_feed.c, their answers */
ngx_int_t ngx_k8s_reflector_lines(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call);
ngx_int_t ngx_k8s_reflector_items(ngx_k8s_reflector_t *r,
    ngx_k8s_call_t *call);
void ngx_k8s_reflector_end(ngx_k8s_reflector_t *r);
void ngx_k8s_reflector_abort(ngx_k8s_reflector_t *r);
void ngx_k8s_reflector_version(ngx_k8s_reflector_t *r, ngx_str_t *version);
void ngx_k8s_reflector_token(ngx_k8s_reflector_t *r, ngx_str_t *token);


/* where the server is (ngx_k8s_address.c) */

/* NULL, or a sentence that says why the name has no address (in pool) */
char *ngx_k8s_client_unresolvable(ngx_k8s_source_conf_t *conf,
    ngx_str_t *host, ngx_pool_t *pool);
ngx_uint_t ngx_k8s_client_literal(ngx_str_t *host);
ngx_int_t ngx_k8s_client_address(ngx_k8s_client_t *client);
void ngx_k8s_client_resolve(ngx_event_t *ev);
/* there is an address: all begins */
void ngx_k8s_client_go(ngx_k8s_client_t *client);


/* Secrets (ngx_k8s_secrets.c) */

ngx_k8s_secrets_t *ngx_k8s_secrets_create(ngx_k8s_client_t *client);
void ngx_k8s_secrets_stop(ngx_k8s_secrets_t *secrets);
void ngx_k8s_secrets_destroy(ngx_k8s_secrets_t *secrets);
void ngx_k8s_secrets_want(ngx_k8s_secrets_t *secrets, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t wanted);

/* what the reflector of their metadata says */
void ngx_k8s_secrets_begin(ngx_k8s_secrets_t *secrets, ngx_str_t *scope);
void ngx_k8s_secrets_seen(ngx_k8s_secrets_t *secrets, ngx_str_t *scope,
    ngx_k8s_event_t *event);
void ngx_k8s_secrets_gone(ngx_k8s_secrets_t *secrets, ngx_k8s_event_t *event);
void ngx_k8s_secrets_end(ngx_k8s_secrets_t *secrets, ngx_str_t *scope);
void ngx_k8s_secrets_refused(ngx_k8s_secrets_t *secrets);

/* wanted ones that exist and have not been fetched yet */
ngx_uint_t ngx_k8s_secrets_missing(ngx_k8s_secrets_t *secrets);


#endif /* _NGX_K8S_CLIENT_H_INCLUDED_ */
