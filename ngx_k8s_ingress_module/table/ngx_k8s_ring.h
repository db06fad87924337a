
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The consistent hash of a service record: each endpoint has points on a ring,
 * and a key leads to the first one from its hash on.  Points and hashes are
 * those of ingress-nginx, so keys and cookies lead to the same endpoints there,
 * and on each replica.  Pure; used by those who build service records and by
 * the choice of endpoints.
 */


#ifndef _NGX_K8S_RING_H_INCLUDED_
#define _NGX_K8S_RING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_record.h>


/* of one endpoint, where there are not more than so many; a record of more has
   fewer of each */
#define NGX_K8S_RING_POINTS          160
#define NGX_K8S_RING_ENDPOINTS       1024

/* "[address]:65535" */
#define NGX_K8S_ENDPOINT_LEN         (NGX_INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* an MD5 in hexadecimal digits */
#define NGX_K8S_MD5_LEN              32


/* points of each of n endpoints */
ngx_uint_t ngx_k8s_ring_points(ngx_uint_t n);

/* the text by which an endpoint is hashed; returns its length */
size_t ngx_k8s_endpoint_text(u_char *text, ngx_k8s_endpoint_rec_t *endpoint);

/* what the points of an endpoint begin with */
uint32_t ngx_k8s_ring_base(ngx_k8s_endpoint_rec_t *endpoint);

/* the point behind another one, the first behind 0 */
uint32_t ngx_k8s_ring_next(uint32_t base, uint32_t point);

/* the point that a hash leads to; n is not 0 */
ngx_uint_t ngx_k8s_ring_find(ngx_k8s_point_t *points, ngx_uint_t n,
    uint32_t hash);

/* the first points of m different endpoints from *at on, which is moved behind
   them; returns how many there are, not 0 */
#define NGX_K8S_SUBSET_MAX           64
ngx_uint_t ngx_k8s_ring_subset(ngx_k8s_point_t *points, ngx_uint_t n,
    ngx_uint_t *at, uint32_t *subset, ngx_uint_t m);

/* of a key */
#define ngx_k8s_ring_hash(data, len)  ngx_crc32_long(data, len)


/*
 * What cookies hold, 16 bytes each: the name of a Service behind a key, so that
 * it is known which one has given it; and with persistent affinity that of an
 * endpoint of the Service as the key.
 */
void ngx_k8s_service_digest(ngx_str_t *namespace, ngx_str_t *name,
    ngx_str_t *port, u_char digest[16]);
void ngx_k8s_endpoint_digest(ngx_k8s_service_rec_t *service,
    ngx_k8s_endpoint_rec_t *endpoint, u_char digest[16]);

/* the place of an endpoint with such a digest among the points */
#define ngx_k8s_digest_hash(digest)                                           \
    ((uint32_t) (digest)[0] << 24 | (digest)[1] << 16 | (digest)[2] << 8      \
     | (digest)[3])


#endif /* _NGX_K8S_RING_H_INCLUDED_ */
