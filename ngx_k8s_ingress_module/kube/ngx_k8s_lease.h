
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which of several replicas writes: the one that holds a Lease, by the rules of
 * client-go (tools/leaderelection), so that it can be shared with controllers
 * that go by them.  In the watcher; private memory.
 *
 * Clocks of machines are never compared: who holds a Lease loses it when it was
 * not seen to change for its duration, measured here.  A write bears the
 * version that was read, so only one of two that take it at once succeeds.
 */


#ifndef _NGX_K8S_LEASE_H_INCLUDED_
#define _NGX_K8S_LEASE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_source.h>


#define NGX_K8S_LEASE_REASON         512
#define NGX_K8S_LEASE_HOLDER         256


typedef struct {
    ngx_str_t                namespace;
    ngx_str_t                name;       /* empty: nothing is elected, whoever
                                            is asked leads */
    ngx_str_t                identity;
    ngx_msec_t               duration;   /* half of it is the renew deadline, a
                                            quarter the time between two
                                            tries */
} ngx_k8s_lease_conf_t;


typedef struct {
    void                    *data;
    /* leader, holder or reason is another one */
    void                   (*changed)(void *data);
    /* begin and end of work in this turn */
    void                   (*enter)(void *data);
    void                   (*leave)(void *data);
    /* a request was answered with this status, 0: not at all */
    void                   (*wrote)(void *data, ngx_uint_t status);
} ngx_k8s_lease_events_t;


typedef struct {
    ngx_k8s_lease_conf_t    *conf;
    ngx_k8s_lease_events_t  *events;
    ngx_log_t               *log;
    ngx_int_t                ident;      /* event ident must be after 3
                                            pointers as in ngx_connection_t */
    ngx_k8s_source_t        *source;
    ngx_event_t              timer;
    ngx_k8s_ask_t            ask;
    json_t                  *lease;      /* as it was read last, or NULL */
    char                    *verb;       /* of what is asked */
    ngx_msec_t               seen;       /* when it was another one, the last */
    ngx_msec_t               valid;      /* of the holder's, from then on */
    ngx_msec_t               sent;       /* when the renewal was */
    ngx_msec_t               renewed;    /* when the last good one was */
    ngx_str_t                holder;     /* empty: nobody, or not known */
    size_t                   reason_len; /* why it cannot be had, 0: it can */
    unsigned                 leader:1;
    unsigned                 started:1;
    unsigned                 again:1;    /* it was read once more in this try */
    u_char                   holder_buf[NGX_K8S_LEASE_HOLDER];
    u_char                   reason[NGX_K8S_LEASE_REASON];
} ngx_k8s_lease_t;


/* takes part in the election; conf and events have to last */
void ngx_k8s_lease_start(ngx_k8s_lease_t *l, ngx_k8s_lease_conf_t *conf,
    ngx_k8s_lease_events_t *events, ngx_k8s_source_t *source, ngx_log_t *log);
/* the Lease stays as it is, for a successor of the same identity */
void ngx_k8s_lease_stop(ngx_k8s_lease_t *l);

/* whether a write may be begun now */
ngx_uint_t ngx_k8s_lease_held(ngx_k8s_lease_t *l);


#endif /* _NGX_K8S_LEASE_H_INCLUDED_ */
