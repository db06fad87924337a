
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_K8S_LISTEN_H_INCLUDED_
#define _NGX_K8S_LISTEN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * An address and port on which this nginx listens.  A wildcard address stands
 * in a list as it is written, and behind it those of the interfaces.
 */

typedef struct {
    u_char                   addr[16];   /* the first 4 bytes for IPv4 */
    ngx_uint_t               port;
    unsigned                 family:3;   /* 4 or 6 */
    unsigned                 any:1;      /* a wildcard */
    unsigned                 mapped:1;   /* of IPv6, it takes IPv4 as well */
    unsigned                 udp:1;      /* QUIC, or a stream of datagrams */
    unsigned                 http:1;     /* else stream or mail */
    unsigned                 ssl:1;
    unsigned                 ours:1;     /* requests go to the block */
    unsigned                 proxy:1;    /* of ours: proxy_protocol, */
    unsigned                 reuseport:1; /* and reuseport */
    unsigned                 http2:1;    /* and http2 */
} ngx_k8s_listen_t;


#endif /* _NGX_K8S_LISTEN_H_INCLUDED_ */
