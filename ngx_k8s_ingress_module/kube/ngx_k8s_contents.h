
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is wanted of a server.  Private to ngx_k8s_contents*.c.
 */


#ifndef _NGX_K8S_CONTENTS_H_INCLUDED_
#define _NGX_K8S_CONTENTS_H_INCLUDED_


#include <ngx_k8s_client.h>


typedef struct {
    ngx_str_node_t           node;       /* "plural/namespace/name" */
    ngx_queue_t              queue;      /* of waiting, or denied */
    ngx_k8s_call_t          *call;
    ngx_k8s_contents_t      *contents;
    ngx_uint_t               kind;
    ngx_str_t                ns;         /* in data, as the name */
    ngx_str_t                name;
    uint32_t                 mark;       /* list in which it was seen */
    unsigned                 known:1;    /* it exists */
    unsigned                 wanted:1;
    unsigned                 waiting:1;  /* in a queue */
    unsigned                 denied:1;   /* it may not be read */
    unsigned                 fetched:1;  /* fed since it was wanted */
    unsigned                 again:1;    /* changed while it was fetched */
    size_t                   version;    /* lengths */
    size_t                   fed;
    u_char                   versions[2][NGX_K8S_VERSION_MAX];
    u_char                   data[1];
} ngx_k8s_content_t;


struct ngx_k8s_contents_s {
    ngx_k8s_client_t        *client;
    void                    *reserved[2];
    ngx_int_t                ident;      /* event ident must be after 3
                                            pointers as in ngx_connection_t */
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              waiting;
    ngx_queue_t              denied;     /* asked again by a timer */
    ngx_event_t              timer;      /* after a failure */
    ngx_event_t              again;      /* for those denied */
    ngx_uint_t               calls;      /* that run */
    ngx_uint_t               attempts;
    ngx_msec_t               failed;
    ngx_uint_t               denials;    /* as attempts, of those denied */
    ngx_msec_t               refused;
    uint32_t                 mark;
    unsigned                 trouble:1;
};


#define ngx_k8s_contents_eq(one, two)                                         \
    ((one)->len == (two)->len                                                 \
     && ngx_memcmp((one)->data, (two)->data, (one)->len) == 0)


/* fetching (ngx_k8s_contents_fetch.c); handlers of contents->timer and again */
void ngx_k8s_contents_timer(ngx_event_t *ev);
void ngx_k8s_contents_again(ngx_event_t *ev);
/* one is to be fetched, once more if it is being fetched; or not any more */
void ngx_k8s_contents_queue(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
void ngx_k8s_contents_cancel(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n);
/* it has gone: feeds DELETE, with the code of a problem or 0 */
void ngx_k8s_contents_lost(ngx_k8s_contents_t *contents, ngx_k8s_content_t *n,
    ngx_uint_t code);
/* feeds its names alone, with NGX_K8S_FEED_* and such a code */
void ngx_k8s_contents_feed_name(ngx_k8s_contents_t *contents,
    ngx_k8s_content_t *n, ngx_uint_t op, ngx_uint_t code);
/* the reflector of the metadata of an object, NULL: it is not watched */
ngx_k8s_reflector_t *ngx_k8s_contents_reflector(ngx_k8s_contents_t *contents,
    ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name);
/* whether it is this one */
ngx_uint_t ngx_k8s_contents_covers(ngx_k8s_reflector_t *r, ngx_str_t *ns,
    ngx_str_t *name);


#endif /* _NGX_K8S_CONTENTS_H_INCLUDED_ */
