
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Services that routes lead to, and their endpoints: private memory of the
 * watcher.
 */


#ifndef _NGX_K8S_COMPILE_SERVICE_H_INCLUDED_
#define _NGX_K8S_COMPILE_SERVICE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile.h>
#include <ngx_k8s_index.h>


#define NGX_K8S_SLICE                512
#define NGX_K8S_BUDGET               8     /* slices of endpoints */
#define NGX_K8S_SERVING_PORTS        16    /* of one address, or of a Service,
                                              cost as much as an endpoint */


/* why a port has no endpoint; of several reasons the last one here */

#define NGX_K8S_WHY_NONE             0
#define NGX_K8S_WHY_NO_SLICE         1
#define NGX_K8S_WHY_NO_ADDRESS       2   /* of a Service of manifests */
#define NGX_K8S_WHY_EMPTY            3
#define NGX_K8S_WHY_UNLABELLED       4
#define NGX_K8S_WHY_FQDN             5
#define NGX_K8S_WHY_PORT             6
#define NGX_K8S_WHY_UNREADY          7
#define NGX_K8S_WHY_REFUSED          8
#define NGX_K8S_WHY_NAME             9   /* of an ExternalName: it is none, */
#define NGX_K8S_WHY_NAME_ADDRESS     10  /* it is an address, */
#define NGX_K8S_WHY_NAME_UNKNOWN     11  /* is looked up: no problem, */
#define NGX_K8S_WHY_NAME_FAILED      12  /* or cannot be, */
#define NGX_K8S_WHY_NAME_OFF         13  /* or by nginx.conf is not to be */


typedef struct ngx_k8s_spreader_s       ngx_k8s_spreader_t;


/* one port of a Service that routes use: a service record */

typedef struct {
    ngx_rbtree_node_t        rbnode;     /* state->tree, by port and protocol */
    ngx_queue_t              queue;      /* in the node's service state */
    ngx_k8s_node_t          *node;
    ngx_str_t                port;       /* as the routes write it */
    ngx_str_t                protocol;   /* "TCP", "UDP" */
    ngx_uint_t               cluster;    /* its endpoint is the Service */
    uint32_t                 slot;
    ngx_uint_t               refs;       /* host records that lead here */
    ngx_uint_t               said;       /* c->saying.stamp */
    ngx_uint_t               stamp;      /* c->stamp, and with it: */
    ngx_uint_t               index;      /* action in the host record */
    uint32_t                 flags;      /* NGX_K8S_SERVICE_* */
    uint32_t                 usable;
    ngx_uint_t               why;        /* none is usable: NGX_K8S_WHY_* */
    ngx_uint_t               cut;        /* endpoints that did not fit */
    ngx_uint_t               nrefused;   /* addresses that may not be used */
    ngx_uint_t               refused_len;
    u_char                   refused[64];  /* the first of them */
    ngx_k8s_spreader_t      *first[NGX_K8S_SPREADS];  /* of which users know;
                                            NULL: of none */
    ngx_rbtree_t             spreaders[NGX_K8S_SPREADS];  /* who says how
                                               requests are spread, by age */
    ngx_rbtree_node_t        sentinel;
    uint32_t                 spread[NGX_K8S_SPREADS];  /* hashes of what they
                                            say, in the record */
    unsigned                 begun:1;    /* these are set */
    unsigned                 inherited:1;  /* as a predecessor's record says */
    unsigned                 settled:1;  /* all is compiled: it may not */
    unsigned                 full:1;     /* an update did not fit */
    unsigned                 headless:1; /* with "cluster": the Service has no
                                            address */
} ngx_k8s_port_t;

typedef struct ngx_k8s_piece_s          ngx_k8s_piece_t;
typedef struct ngx_k8s_serving_s        ngx_k8s_serving_t;
typedef struct ngx_k8s_service_state_s  ngx_k8s_service_state_t;


/* an endpoint of an EndpointSlice that may be served */

typedef struct {
    ngx_rbtree_node_t        node;       /* state->candidates[], by address */
    ngx_k8s_piece_t         *part;
    ngx_k8s_slice_endpoint_t *source;    /* of the slice */
    u_char                   addr[16];
    uint8_t                  flags;      /* NGX_K8S_ENDPOINT_* */
    unsigned                 refused:1;  /* its address cannot be used */
    unsigned                 hinted:1;   /* it is for certain zones, and */
    unsigned                 near:1;     /* for that of this node */
} ngx_k8s_candidate_t;


/* an EndpointSlice; it lies in place as long as its link does */

struct ngx_k8s_piece_s {
    ngx_queue_t              queue;      /* state->parts, or state->gone */
    ngx_k8s_service_state_t *state;
    ngx_k8s_link_t          *link;
    ngx_k8s_endpoint_slice_t *slice;
    ngx_uint_t               family6;
    ngx_uint_t               number;     /* port of its endpoints, for the
                                            port in the making; 0: none */
    ngx_uint_t               next;       /* endpoint to be looked at */
    ngx_uint_t               n;          /* candidates */
    ngx_k8s_candidate_t      candidates[1];
};


/* while routes lead to a Service; private memory, freed in its turn when none
   does any more */

struct ngx_k8s_service_state_s {
    ngx_k8s_node_t          *node;
    ngx_queue_t              ports;      /* ngx_k8s_port_t */
    ngx_rbtree_t             tree;       /* the same */
    ngx_queue_t              parts;      /* ngx_k8s_piece_t */
    ngx_queue_t              gone;       /* those whose slice is gone */
    ngx_rbtree_t             candidates[2];  /* IPv4, IPv6 */
    ngx_rbtree_node_t        sentinel;
    ngx_uint_t               nready;     /* of them, which can be used, */
    ngx_uint_t               nhinted;    /* are for certain zones, */
    ngx_uint_t               nnear;      /* and for that of this node */
    ngx_k8s_piece_t         *fresh;      /* of which not all is in a tree */
    ngx_k8s_port_t          *port;       /* to be made next; NULL: none */
    ngx_k8s_name_t          *name;       /* of an ExternalName that is looked
                                            up; NULL: none */
    ngx_k8s_serving_t       *serving;    /* its record in the making, or NULL */
    unsigned                 again:1;    /* all ports are to be made */
};


/* an endpoint of a record in the making */

typedef struct {
    ngx_k8s_endpoint_rec_t   rec;
    uint64_t                 identity;
} ngx_k8s_endpoint_t;


#define NGX_K8S_SERVING_PARTS        0   /* ports of the slices */
#define NGX_K8S_SERVING_WALK         1   /* over the candidates */
#define NGX_K8S_SERVING_OTHER        2   /* of the other family */
#define NGX_K8S_SERVING_ALLOC        3
#define NGX_K8S_SERVING_FILL         4   /* endpoints, with statistics */
#define NGX_K8S_SERVING_RING         5   /* points of the endpoints */
#define NGX_K8S_SERVING_SUM          6   /* checksum */
#define NGX_K8S_SERVING_PUT          7

/* the service record of a port in the making, over several items of work */

struct ngx_k8s_serving_s {
    ngx_k8s_builder_t        builder;
    ngx_pool_t              *pool;       /* of the arrays */
    ngx_k8s_port_t          *port;
    ngx_k8s_port_t           now;        /* what it will be */
    ngx_k8s_service_port_t   sp;         /* its numbers, and its name */
    ngx_uint_t               stage;      /* NGX_K8S_SERVING_* */
    uint64_t                 identity;   /* of the Service, hashed */
    ngx_k8s_piece_t         *part;
    ngx_k8s_candidate_t     *next;
    ngx_uint_t               tree;       /* state->candidates[] */
    ngx_uint_t               near;       /* those of other zones are left out */
    ngx_array_t              ready;      /* ngx_k8s_endpoint_t */
    ngx_array_t              others;
    ngx_array_t              got;        /* statistics that it has taken */
    ngx_array_t              left;       /* those of the old record that it
                                            does not take over */
    ngx_k8s_spread_t         spreads[NGX_K8S_SPREADS];  /* of the record */
    ngx_uint_t               points;     /* of each endpoint that is usable */
    ngx_uint_t               pass;       /* over them, see
                                            ngx_k8s_serving_ring() */
    uint32_t                *places;     /* of points, by the first bits of
                                            their hashes */
    ngx_uint_t               nplaces;
    uint32_t                 ring;       /* points in the record */
    uint32_t                 list;       /* endpoints in the record */
    ngx_uint_t               n;          /* how many */
    ngx_uint_t               at;
    ngx_uint_t               old[2];     /* of the old record: next one that is
                                            ready, and next other one */
    u_char                   from[16];   /* with "seek": address of "next",
                                            which is gone */
    unsigned                 seek:1;
    unsigned                 bare:1;     /* without statistics: too large */
    unsigned                 put:1;
    unsigned                 cut:1;      /* to what the old record's place
                                            holds */
};


/* statistics to be given back */

typedef struct {
    ngx_queue_t              queue;
    ngx_uint_t               n;
    uint32_t                 stats[1];
} ngx_k8s_spent_t;


/* services (ngx_k8s_compile_service.c) */
ngx_int_t ngx_k8s_compile_service(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_service_free(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
/* one port, with or without the Service as its endpoint, which begin() has to
   follow; NULL without memory */
ngx_k8s_port_t *ngx_k8s_compile_port(ngx_k8s_compile_t *c, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *port, ngx_str_t *protocol,
    ngx_uint_t cluster);
ngx_k8s_port_t *ngx_k8s_compile_port_find(ngx_k8s_compile_t *c,
    ngx_str_t *ns, ngx_str_t *name, ngx_str_t *port, ngx_str_t *protocol,
    ngx_uint_t cluster);
/* makes the record of a new one; slot 0: it is still in the making, or, when it
   is full, had no room */
void ngx_k8s_compile_port_begin(ngx_k8s_compile_t *c, ngx_k8s_port_t *port);
void ngx_k8s_compile_port_put(ngx_k8s_compile_t *c, ngx_k8s_port_t *port);
/* records of ports (ngx_k8s_compile_serving.c) */
/* a part of the making of the record of a port: NGX_OK, NGX_AGAIN,
   NGX_DECLINED: no room for all of it, NGX_ERROR */
ngx_int_t ngx_k8s_compile_serving(ngx_k8s_compile_t *c, ngx_k8s_port_t *port);
/* where its endpoints come from (ngx_k8s_compile_source.c): sources() begins,
   parts() and walk() are its stages; NGX_OK, NGX_AGAIN, NGX_ERROR */
ngx_int_t ngx_k8s_serving_sources(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s, ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp);
ngx_int_t ngx_k8s_serving_parts(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s);
ngx_int_t ngx_k8s_serving_walk(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s);
/* of two endpoints, by family, address and port */
int ngx_libc_cdecl ngx_k8s_serving_cmp(const void *one, const void *two);
/* what the table has under the key of the record in the making, or NULL; and
   how many of its endpoints are ready, which are the first ones */
ngx_k8s_service_rec_t *ngx_k8s_serving_old(ngx_k8s_compile_t *c,
    ngx_k8s_serving_t *s);
ngx_uint_t ngx_k8s_serving_ready(ngx_k8s_service_rec_t *rec);
/* ends what is in the making of a Service, if anything is */
void ngx_k8s_serving_abort(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state);
void ngx_k8s_serving_free(ngx_k8s_serving_t *s);

/* points of the endpoints (ngx_k8s_compile_ring.c): which an endpoint of n has,
   and how many bytes that is; a stage */
void ngx_k8s_serving_points(ngx_k8s_serving_t *s, ngx_uint_t n);
#define ngx_k8s_serving_ring_size(s)                                          \
    ((s)->points * sizeof(ngx_k8s_point_t))
ngx_int_t ngx_k8s_serving_ring(ngx_k8s_compile_t *c, ngx_k8s_serving_t *s);

/* statistics (ngx_k8s_compile_stat.c) */
/* what makes an endpoint the same one: of its Service, then of itself; target:
   the object that it is, or empty.  Not 0 */
uint64_t ngx_k8s_identity_service(ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc);
uint64_t ngx_k8s_identity(uint64_t h, ngx_k8s_endpoint_rec_t *ep,
    ngx_str_t *target);
/* n of them, at once where they are few, else in their turn */
void ngx_k8s_compile_spend(ngx_k8s_compile_t *c, uint32_t *stats,
    ngx_uint_t n);
/* gives a slot's record back, with the statistics of its endpoints */
void ngx_k8s_compile_service_remove(ngx_k8s_compile_t *c, uint32_t slot);
/* gives statistics back, some of them; NGX_DONE: there are none */
ngx_int_t ngx_k8s_compile_spent(ngx_k8s_compile_t *c);

/* endpoints (ngx_k8s_compile_endpoint.c) */
void ngx_k8s_parts_init(ngx_k8s_service_state_t *state);
/* takes over what has changed of the slices; NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_compile_parts(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state);
/* all of them go; NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_parts_drop(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state);
void ngx_k8s_parts_free(ngx_k8s_service_state_t *state);
void ngx_k8s_compile_part_unlink(ngx_k8s_link_t *link);
/* a part goes, or has been taken in: the making goes on behind it */
void ngx_k8s_serving_pass(ngx_k8s_service_state_t *state,
    ngx_k8s_piece_t *part);
/* the family of an address in a text, 0: it is none that may be used; family:
   which it has to be, or 0 */
ngx_uint_t ngx_k8s_endpoint_address(ngx_k8s_compile_t *c, ngx_str_t *text,
    ngx_uint_t family, u_char *addr);
/* whether this nginx listens there */
ngx_uint_t ngx_k8s_endpoint_own(ngx_k8s_compile_t *c, u_char *addr,
    ngx_uint_t family, ngx_uint_t port);
/*
 * The first port of its protocol whose number, targetPort or name is the one
 * that the route has; without any in the route the first one.  Of an
 * ExternalName number or name; a number that is none of its ports is the port
 * itself, in external.  NULL: none.
 */
ngx_k8s_service_port_t *ngx_k8s_compile_port_select(ngx_k8s_service_t *svc,
    ngx_k8s_port_t *port, ngx_k8s_service_port_t *external);

/* the port of a slice's endpoints, 0 when it does not have it */
ngx_uint_t ngx_k8s_compile_slice_port(ngx_k8s_endpoint_slice_t *slice,
    ngx_k8s_service_port_t *sp);

/* names (ngx_k8s_compile_external.c) */
/* whether a Service is served by its name */
ngx_uint_t ngx_k8s_external(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state, ngx_k8s_service_t *svc);
/* the name of a Service, svc NULL: of none, is looked up from now on, and no
   other one; NGX_OK, NGX_ERROR: no memory, or NGX_DECLINED and NGX_K8S_WHY_NAME
   or _ADDRESS in *why */
ngx_int_t ngx_k8s_external_name(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state, ngx_k8s_service_t *svc, ngx_uint_t *why);

/* why there are none (ngx_k8s_compile_why.c): NGX_K8S_WHY_*, of a Service
   without slices, and of one of them; the greatest counts */
ngx_uint_t ngx_k8s_compile_why(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
ngx_uint_t ngx_k8s_compile_why_slice(ngx_k8s_endpoint_slice_t *slice,
    ngx_uint_t number);
ngx_int_t ngx_k8s_compile_why_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field);
/* that of a port which the Service does not have, with those that it has */
ngx_int_t ngx_k8s_compile_why_no_port(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field);


#endif /* _NGX_K8S_COMPILE_SERVICE_H_INCLUDED_ */
