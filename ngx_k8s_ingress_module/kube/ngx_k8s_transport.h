
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * HTTP requests by libcurl's multi interface on nginx's events and timers, in
 * the watcher only.  libcurl's callbacks only take notes; what they noted is
 * worked on by a posted event, so that no handler below ever runs inside
 * libcurl, and each may start and cancel calls.
 */


#ifndef _NGX_K8S_TRANSPORT_H_INCLUDED_
#define _NGX_K8S_TRANSPORT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <curl/curl.h>


typedef struct ngx_k8s_transport_s  ngx_k8s_transport_t;
typedef struct ngx_k8s_call_s       ngx_k8s_call_t;


struct ngx_k8s_transport_s {
    CURLM                   *multi;
    ngx_log_t               *log;
    void                    *data;
    ngx_int_t                ident;      /* event ident must be after 3
                                            pointers as in ngx_connection_t */
    /* nginx has closed a connection, since the worker exits: the owner cancels
       its calls; 0: they go on */
    ngx_uint_t             (*exiting)(void *data);
    /* work begins (1) and ends (0), may be nested */
    void                   (*turn)(void *data, ngx_uint_t begins);
    /* whether the rest has to wait for the next turn */
    ngx_uint_t             (*busy)(void *data);
    /* sets a call's options that are about sockets: NGX_ERROR */
    ngx_int_t              (*options)(ngx_k8s_call_t *call);
    ngx_event_t              timer;      /* libcurl's */
    ngx_event_t              work;       /* posted */
    ngx_msec_t               heard;      /* when a byte came, the last */
    ngx_queue_t              sockets;    /* ngx_k8s_socket_t */
    ngx_queue_t              calls;      /* all */
    ngx_queue_t              ready;      /* calls with something to say */
    unsigned                 starved:1;  /* no free worker connection */
    unsigned                 single:1;   /* the server speaks HTTP/1 */
    unsigned                 separate:1; /* calls wait to share a connection
                                            that cannot be shared */
};


/* one request */

struct ngx_k8s_call_s {
    ngx_queue_t              queue;      /* of transport->calls */
    ngx_queue_t              ready;
    ngx_k8s_transport_t     *transport;
    CURL                    *easy;       /* set options before the start */
    struct curl_slist       *headers;    /* freed with the call */
    struct curl_slist       *connect_to;

    void                    *data;
    /*
     * Headers, or bytes of the body, have come: takes what it can from pos up
     * to last and advances pos.  NGX_AGAIN: there is more to do, in the next
     * turn; NGX_OK: only when more has come.
     */
    ngx_int_t              (*body)(ngx_k8s_call_t *call);
    /* all is over; the call is freed afterwards: the owner forgets it */
    void                   (*done)(ngx_k8s_call_t *call);

    u_char                  *start;      /* malloc()ed */
    u_char                  *pos;
    u_char                  *last;
    u_char                  *end;
    size_t                   limit;      /* of bytes not taken; 0: none */

    long                     status;     /* 0: no headers yet */
    CURLcode                 code;       /* when it is done */
    ngx_uint_t               retry_after; /* seconds, 0: not given */
    char                     error[CURL_ERROR_SIZE];

    unsigned                 started:1;
    unsigned                 connects:1; /* has opened a connection */
    unsigned                 queued:1;
    unsigned                 finished:1;
    unsigned                 busy:1;     /* a handler of it runs */
    unsigned                 canceled:1;
    unsigned                 overflow:1; /* over limit */
    unsigned                 secret:1;   /* wipe the buffer */
};


/* NULL: no memory, or libcurl is not usable (logged) */
ngx_k8s_transport_t *ngx_k8s_transport_create(ngx_log_t *log);

/* cancels all calls, closes all connections */
void ngx_k8s_transport_destroy(ngx_k8s_transport_t *t);

/*
 * Ends all calls as timed out, and closes all connections: those that wait
 * for an answer which never comes.
 */
void ngx_k8s_transport_reset(ngx_k8s_transport_t *t);

ngx_k8s_call_t *ngx_k8s_call_create(ngx_k8s_transport_t *t, char *url);
ngx_int_t ngx_k8s_call_header(ngx_k8s_call_t *call, char *line);
/*
 * A method other than GET (NULL) with a body of this type, a header's line; a
 * type of NULL: without one.  The body is copied.
 */
ngx_int_t ngx_k8s_call_method(ngx_k8s_call_t *call, char *method, char *type,
    ngx_str_t *body);
ngx_int_t ngx_k8s_call_start(ngx_k8s_call_t *call);

/* between ngx_k8s_transport.c and ngx_k8s_call.c */
void ngx_k8s_call_free(ngx_k8s_call_t *call);
void ngx_k8s_call_ready(ngx_k8s_call_t *call);
void ngx_k8s_call_compact(ngx_k8s_call_t *call);
void ngx_k8s_call_separate(ngx_k8s_transport_t *t);

/* frees the call; its handlers are not called any more */
void ngx_k8s_call_cancel(ngx_k8s_call_t *call);


#endif /* _NGX_K8S_TRANSPORT_H_INCLUDED_ */
