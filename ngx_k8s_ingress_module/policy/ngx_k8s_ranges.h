
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_K8S_RANGES_H_INCLUDED_
#define _NGX_K8S_RANGES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Sets of addresses (ngx_k8s_ranges.c): ranges that do not touch each other,
 * sorted, so that a lookup among thousands takes a dozen comparisons.  Pure;
 * any process.
 */

typedef struct {
    u_char                   first[16];  /* of IPv4, the first four bytes */
    u_char                   last[16];
} ngx_k8s_range_t;

typedef struct {
    ngx_array_t              inet;       /* ngx_k8s_range_t, of IPv4 */
    ngx_array_t              inet6;
} ngx_k8s_ranges_t;


/*
 * cidr(): an address, or a range in CIDR notation, as Go reads it: no part of
 * IPv4 begins with a zero, and IPv4 in IPv6 is IPv4.  cidr_text(): the same for
 * nginx, which has it as IPv6; of what changes the text is in the pool.  Both
 * NGX_OK, or NGX_ERROR: it is none, or there is no memory (ngx_k8s_cidr.c).
 */
ngx_int_t ngx_k8s_cidr(ngx_str_t *text, ngx_cidr_t *cidr);
ngx_int_t ngx_k8s_cidr_text(ngx_pool_t *pool, ngx_str_t *text);

/* the bytes of an address in network byte order, in place: four of IPv4, also
   of one in IPv6, or sixteen; none of one that is neither */
void ngx_k8s_address(struct sockaddr *sockaddr, ngx_str_t *addr);


/*
 * Of a list with commas of addresses and of ranges in CIDR notation, in the
 * pool; what cannot be read is left out.  NULL: no memory.
 */
ngx_k8s_ranges_t *ngx_k8s_ranges(ngx_pool_t *pool, ngx_str_t *list);

/* whether they have an address; one of IPv4 in IPv6 is one of IPv4, and one
   that is neither, as that of a Unix domain socket, is in none */
ngx_uint_t ngx_k8s_ranges_have(ngx_k8s_ranges_t *ranges,
    struct sockaddr *sockaddr);


/*
 * Addresses in network byte order, family 4 or 6.  refused: tenants may not
 * name it, since it is this host's, unless loopback is set, or no host's.
 * inner: of ::ffff:a.b.c.d, ::a.b.c.d and 64:ff9b::a.b.c.d the IPv4 address, or
 * NULL.
 */
ngx_uint_t ngx_k8s_address_refused(u_char *addr, ngx_uint_t family,
    ngx_uint_t loopback);
u_char *ngx_k8s_address_inner(u_char *addr);


#endif /* _NGX_K8S_RANGES_H_INCLUDED_ */
