
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_MIRROR_H_INCLUDED_
#define _NGX_HTTP_K8S_MIRROR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event_connect.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_url.h>


/*
 * Mirrors: mirror-target.  A copy of a request is made where nginx is about to
 * connect to its backend (ngx_http_k8s_mirror.c), and sent by itself
 * (ngx_http_k8s_mirror_send.c).  A subrequest, as nginx's mirror module has it,
 * would hold the connection of the client until the target has answered.  In
 * any worker.
 */

struct ngx_http_k8s_mirror_s {
    ngx_http_k8s_url_t       url;
    ngx_http_k8s_template_t  host;       /* Host; empty: that of the URL */
#if (NGX_HTTP_SSL)
    ngx_http_upstream_conf_t *conf;      /* with the context of TLS, of the
                                            cycle; NULL: nginx has none */
#endif
    unsigned                 body:1;
};


/* in flight, of all targets of a worker: as many, or this part of its
   connections if that is less; and so many of them have to be free */
#define NGX_HTTP_K8S_MIRRORS         256
#define NGX_HTTP_K8S_MIRRORS_PART    8

/* bytes of their bodies, in memory and in files */
#define NGX_HTTP_K8S_MIRRORS_MEMORY  (16 * 1024 * 1024)
#define NGX_HTTP_K8S_MIRRORS_FILES   (1024 * 1024 * 1024)

#define NGX_HTTP_K8S_MIRROR_ANSWER   (1024 * 1024)  /* bytes that are read */
#define NGX_HTTP_K8S_MIRROR_CONNECT  5000    /* milliseconds, each without a
                                                byte that goes */
#define NGX_HTTP_K8S_MIRROR_TIME     60000   /* of all of it */
#define NGX_HTTP_K8S_MIRROR_BUFFER   4096


/* a piece of what is sent */

typedef struct {
    ngx_str_t                text;
    off_t                    offset;     /* in the file, where text is empty */
    off_t                    last;
} ngx_http_k8s_mirror_piece_t;


/* one that is sent, with a pool of its own */

typedef struct {
    ngx_pool_t              *pool;
    ngx_log_t                log;
    ngx_http_k8s_main_conf_t *kmcf;
    ngx_k8s_block_t         *block;
    ngx_str_t                namespace;  /* of the Ingress, for the log, */
    ngx_str_t                name;       /* and its name */
    ngx_str_t                host;       /* of the URL, without a port */
    in_port_t                port;       /* host byte order */
    ngx_sockaddr_t           sockaddr;
    socklen_t                socklen;    /* 0: it has to be looked up */
    ngx_resolver_ctx_t      *resolve;    /* while it is */
    ngx_peer_connection_t    peer;
    ngx_event_t              start;      /* posted: not before the request goes
                                            to its backend */
    ngx_event_t              timer;      /* the end of it */
    ngx_connection_t         dummy;      /* what the timer's log asks for */
    ngx_array_t              pieces;     /* ngx_http_k8s_mirror_piece_t */
    ngx_uint_t               piece;      /* that is sent */
    ngx_file_t               file;       /* of the body: a descriptor of its
                                            own, or NGX_INVALID_FILE */
    u_char                  *pos;        /* of what is sent now */
    u_char                  *last;
    u_char                  *buffer;     /* of pieces of the file, and of the
                                            answer */
    size_t                   memory;     /* of the body, and */
    off_t                    size;       /* in its file */
    size_t                   received;
#if (NGX_HTTP_SSL)
    ngx_http_upstream_conf_t *conf;      /* NULL: without TLS */
#endif
    unsigned                 sent:1;
} ngx_http_k8s_mirrored_t;


/* profile->mirror, from the settings of a profile; NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_mirror_profile(ngx_http_k8s_profile_t *profile,
    ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool);

/* copies a request whose profile has a mirror and has it sent, once, if it is
   to be mirrored and there is room; what fails is logged at most */
void ngx_http_k8s_mirror(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx);

/* sends one in the next turn of the event loop, and frees it */
void ngx_http_k8s_mirror_send(ngx_http_k8s_mirrored_t *m);

/* logs it as an error, of all of a worker one a second */
void ngx_http_k8s_mirror_failed(ngx_http_k8s_main_conf_t *kmcf,
    ngx_log_t *log, ngx_err_t err, ngx_str_t *namespace, ngx_str_t *name,
    char *why);


#endif /* _NGX_HTTP_K8S_MIRROR_H_INCLUDED_ */
