
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The addresses at which nginx is reached, as they are to be in the status of
 * Ingresses: given ones, those of a Service, or of the nodes that run its Pods.
 * The last two are asked for again and again, only by who leads.  In the
 * watcher; private memory.
 */


#ifndef _NGX_K8S_PUBLISH_H_INCLUDED_
#define _NGX_K8S_PUBLISH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_source.h>


#define NGX_K8S_PUBLISH_NONE         0
#define NGX_K8S_PUBLISH_GIVEN        1
#define NGX_K8S_PUBLISH_SERVICE      2
#define NGX_K8S_PUBLISH_NODES        3   /* their ExternalIP, else InternalIP */
#define NGX_K8S_PUBLISH_INTERNAL     4   /* their InternalIP */

#define NGX_K8S_PUBLISH_REASON       512


typedef struct {
    ngx_uint_t               type;       /* NGX_K8S_PUBLISH_* */
    ngx_str_t                namespace;  /* of the Service, or of our Pod */
    ngx_str_t                name;
    ngx_array_t             *given;      /* ngx_str_t */
} ngx_k8s_publish_conf_t;


typedef struct {
    void                    *data;
    /* the status is another one, or the reason */
    void                   (*changed)(void *data);
    void                   (*enter)(void *data);
    void                   (*leave)(void *data);
} ngx_k8s_publish_events_t;


typedef struct {
    ngx_k8s_publish_conf_t  *conf;
    ngx_k8s_publish_events_t  *events;
    ngx_log_t               *log;
    ngx_int_t                ident;      /* as in ngx_k8s_lease_t */
    ngx_k8s_source_t        *source;
    ngx_event_t              timer;
    ngx_k8s_ask_t            ask;

    ngx_str_t                status;     /* JSON, malloc()ed; empty: there is no
                                            address, nothing is written */
    ngx_uint_t               naddrs;     /* in it */

    ngx_pool_t              *pool;       /* of the round that goes on */
    ngx_array_t              addrs;      /* ngx_str_t, found so far */
    ngx_array_t              nodes;      /* ngx_str_t, of our Pods */
    ngx_uint_t               node;       /* the next one to be asked for */
    ngx_str_t                labels;     /* selector of our Pods */
    ngx_str_t                token;      /* continue */
    ngx_uint_t               step;

    size_t                   reason_len; /* why there is none, or no news; 0:
                                            all is well */
    unsigned                 started:1;
    u_char                   reason[NGX_K8S_PUBLISH_REASON];
} ngx_k8s_publish_t;


void ngx_k8s_publish_start(ngx_k8s_publish_t *p, ngx_k8s_publish_conf_t *conf,
    ngx_k8s_publish_events_t *events, ngx_k8s_source_t *source,
    ngx_log_t *log);
void ngx_k8s_publish_stop(ngx_k8s_publish_t *p);


/*
 * Pure.  Addresses of a Service as ingress-nginx takes them, those of a node
 * likewise, are added to an array of ngx_str_t, each once, in its pool; what is
 * neither an address nor a name is left out.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_publish_service(json_t *service, ngx_array_t *addrs);
ngx_int_t ngx_k8s_publish_node(json_t *node, ngx_uint_t internal,
    ngx_array_t *addrs);
ngx_int_t ngx_k8s_publish_add(ngx_array_t *addrs, ngx_str_t *addr);

/* sorts them, addresses first, and makes the status of Ingresses of them, in
   the text that an API server has for it; malloc()ed */
ngx_int_t ngx_k8s_publish_status(ngx_array_t *addrs, ngx_str_t *status,
    ngx_log_t *log);


#endif /* _NGX_K8S_PUBLISH_H_INCLUDED_ */
