
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which endpoint of a Service takes a request.  Any worker; pure: what takes a
 * table is called under the caller's pin, and no module of nginx is needed.
 */


#ifndef _NGX_K8S_PEER_H_INCLUDED_
#define _NGX_K8S_PEER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event_connect.h>
#include <ngx_k8s_ring.h>
#include <ngx_k8s_table.h>


/* an endpoint, out of the table: copied into requests and pools */

typedef struct {
    u_char                   addr[16];
    uint16_t                 port;       /* host byte order */
    uint8_t                  family;     /* 4 or 6 */
    uint8_t                  reserved;
    uint32_t                 stat;       /* number, see identity */
    uint64_t                 identity;   /* of the statistics slot, or 0 */
    uint32_t                 service;    /* slot and generation of that for */
    uint32_t                 generation; /* which it was chosen */
} ngx_k8s_peer_t;

#define ngx_k8s_peer_eq(a, b)                                                 \
    ((a)->port == (b)->port && (a)->family == (b)->family                     \
     && (a)->identity == (b)->identity                                        \
     && ngx_memcmp((a)->addr, (b)->addr, 16) == 0)


#define NGX_K8S_ADDRESS_LEN          NGX_K8S_ENDPOINT_LEN

/* what nginx wants of an endpoint; without the room for a path that
   ngx_sockaddr_t has */

typedef struct {
    ngx_str_t                name;       /* in text */
    socklen_t                socklen;
    union {
        struct sockaddr      sockaddr;
        struct sockaddr_in   sockaddr_in;
#if (NGX_HAVE_INET6)
        struct sockaddr_in6  sockaddr_in6;
#endif
    } sockaddr;
    u_char                   text[NGX_K8S_ADDRESS_LEN];
} ngx_k8s_address_t;


/* endpoints that one request remembers to have tried */
#define NGX_K8S_TRIED                64

/*
 * Endpoints copied when a request was routed to a Service, for when that goes
 * meanwhile.
 */

#define NGX_K8S_COPIED               4

typedef struct {
    ngx_msec_t               start;
    ngx_uint_t               n;
    ngx_k8s_endpoint_rec_t   endpoints[NGX_K8S_COPIED];
} ngx_k8s_copies_t;


/*
 * By what an endpoint is chosen, where the Service has affinity or a hash.
 * With affinity the key is what the client's cookie holds; without one, or with
 * one that leads nowhere, a new key is made with the choice.
 */

typedef struct {
    uint32_t                 hash;       /* of the key; persistent: of the
                                            digest that it is */
    unsigned                 keyed:1;    /* there is one */
    unsigned                 change:1;   /* when its endpoint fails another one
                                            is chosen, with a new key */
    unsigned                 fresh:1;    /* "text" was made */
    u_char                   text[NGX_K8S_MD5_LEN];
} ngx_k8s_choice_key_t;


/* what one request remembers of its tries; in its pool */

typedef struct {
    uint32_t                 service;    /* slot and generation */
    uint32_t                 generation;
    ngx_k8s_copies_t        *copies;
    ngx_k8s_choice_key_t    *key;
    ngx_uint_t               version;    /* of the table at the last try; 0:
                                            one of the copies was chosen */
    ngx_uint_t               npeers;     /* endpoints at the last try */
    ngx_uint_t               ntried;
    ngx_uint_t               fixed;      /* the next try would be of the same
                                            endpoint */
    ngx_uint_t               balance;    /* NGX_K8S_BALANCE_*, where the Service
                                            says none */
    ngx_uint_t               timed;      /* the answer's time counts */
    uint32_t                 tried[NGX_K8S_TRIED];  /* hashes */
} ngx_k8s_choice_t;


/* where the round robin of one worker stands, by slot of the Service */

typedef struct {
    uint32_t                *elts;       /* 0: not yet begun */
    ngx_uint_t               n;
} ngx_k8s_cursors_t;


/* under the pin under which the Service was found */
void ngx_k8s_copies_take(ngx_k8s_copies_t *copies,
    ngx_k8s_service_rec_t *service);

/* copies and key live as long as the choice; it is by round robin */
void ngx_k8s_choice_init(ngx_k8s_choice_t *choice, uint32_t service,
    uint32_t generation, ngx_k8s_copies_t *copies, ngx_k8s_choice_key_t *key);

/* the key of a cookie, of a Service with affinity */
void ngx_k8s_choice_cookie(ngx_k8s_choice_key_t *key,
    ngx_k8s_service_rec_t *service, ngx_str_t *text);

/*
 * Sets *peer for the next try, and notes it as tried.  NGX_BUSY: the Service
 * has no usable endpoint.  table may be NULL, cursors is allocated as needed.
 */
ngx_int_t ngx_k8s_choose(ngx_k8s_choice_t *choice, ngx_k8s_table_t *table,
    ngx_k8s_cursors_t *cursors, ngx_k8s_peer_t *peer);

void ngx_k8s_cursors_free(ngx_k8s_cursors_t *cursors);

/* 1 as long as an endpoint is left that this request has not asked */
#define ngx_k8s_choice_untried(choice)                                        \
    (!(choice)->fixed                                                         \
     && (choice)->ntried < ngx_min((choice)->npeers, NGX_K8S_TRIED))

/*
 * 1 when the endpoint that was chosen takes new requests no more: it was
 * removed, or is terminating.
 */
ngx_uint_t ngx_k8s_choice_left(ngx_k8s_choice_t *choice,
    ngx_k8s_table_t *table, ngx_k8s_peer_t *peer);


/* NGX_OK when the endpoint takes new requests of its Service */
ngx_int_t ngx_k8s_peer_usable(ngx_k8s_table_t *table, ngx_k8s_peer_t *peer);

/* counts a try, unless the number has gone to another endpoint meanwhile;
   refused: there was no connection */
void ngx_k8s_peer_note(ngx_k8s_table_t *table, ngx_k8s_peer_t *peer,
    ngx_uint_t failed, ngx_uint_t refused);

/* the same: an answer took so many milliseconds */
void ngx_k8s_peer_took(ngx_k8s_table_t *table, ngx_k8s_peer_t *peer,
    ngx_msec_t took);

/* the address of an endpoint */
void ngx_k8s_peer_address(ngx_k8s_peer_t *peer, ngx_k8s_address_t *address);

/* a copy */
void ngx_k8s_address_copy(ngx_k8s_address_t *dst, ngx_k8s_address_t *src);

/*
 * Writes a port, returns its end: as ngx_sprintf(), at a tenth of the cost,
 * since every request needs it.
 */
u_char *ngx_k8s_port_text(u_char *text, in_port_t port);


#endif /* _NGX_K8S_PEER_H_INCLUDED_ */
