
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_md5.h>
#include <ngx_k8s_ring.h>


static ngx_uint_t ngx_k8s_ring_new(ngx_k8s_point_t *points, uint32_t *subset,
    ngx_uint_t n);
static void ngx_k8s_ring_name(ngx_md5_t *md5, ngx_str_t *namespace,
    ngx_str_t *name, ngx_str_t *port);


/* so that no record is larger than one may be */

ngx_uint_t
ngx_k8s_ring_points(ngx_uint_t n)
{
    return (n <= NGX_K8S_RING_ENDPOINTS) ? NGX_K8S_RING_POINTS
           : (n <= 8 * NGX_K8S_RING_ENDPOINTS) ? NGX_K8S_RING_POINTS / 10
           : 2;
}


size_t
ngx_k8s_endpoint_text(u_char *text, ngx_k8s_endpoint_rec_t *endpoint)
{
    u_char  *p;

    p = text;

    if (endpoint->family == 6) {
        *p++ = '[';
        p += ngx_inet_ntop(AF_INET6, endpoint->addr, p, NGX_INET6_ADDRSTRLEN);
        *p++ = ']';

    } else {
        p += ngx_inet_ntop(AF_INET, endpoint->addr, p, NGX_INET_ADDRSTRLEN);
    }

    return ngx_sprintf(p, ":%d", (int) endpoint->port) - text;
}


uint32_t
ngx_k8s_ring_base(ngx_k8s_endpoint_rec_t *endpoint)
{
    size_t    len;
    u_char    text[NGX_K8S_ENDPOINT_LEN];
    uint32_t  base;

    len = ngx_k8s_endpoint_text(text, endpoint);

    ngx_crc32_init(base);
    ngx_crc32_update(&base, text, len);

    return base;
}


uint32_t
ngx_k8s_ring_next(uint32_t base, uint32_t point)
{
    u_char  bytes[4];

    bytes[0] = (u_char) point;
    bytes[1] = (u_char) (point >> 8);
    bytes[2] = (u_char) (point >> 16);
    bytes[3] = (u_char) (point >> 24);

    ngx_crc32_update(&base, bytes, 4);
    ngx_crc32_final(base);

    return base;
}


ngx_uint_t
ngx_k8s_ring_find(ngx_k8s_point_t *points, ngx_uint_t n, uint32_t hash)
{
    ngx_uint_t  i, k;

    /* no branch that cannot be foreseen */

    i = 0;

    for (k = n; k > 1; k -= k / 2) {
        i += (points[i + k / 2 - 1].hash < hash) ? k / 2 : 0;
    }

    i += (points[i].hash < hash);

    return (i == n) ? 0 : i;
}


ngx_uint_t
ngx_k8s_ring_subset(ngx_k8s_point_t *points, ngx_uint_t n, ngx_uint_t *at,
    uint32_t *subset, ngx_uint_t m)
{
    ngx_uint_t  i, k, found;

    i = *at;
    found = 0;

    for (k = 0; k < n && found < m; k++) {
        subset[found] = i;

        if (ngx_k8s_ring_new(points, subset, found)) {
            found++;
        }

        i = (i + 1 == n) ? 0 : i + 1;
    }

    *at = i;

    return found;
}


static ngx_uint_t
ngx_k8s_ring_new(ngx_k8s_point_t *points, uint32_t *subset, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (points[subset[i]].endpoint == points[subset[n]].endpoint) {
            return 0;
        }
    }

    return 1;
}


void
ngx_k8s_service_digest(ngx_str_t *namespace, ngx_str_t *name, ngx_str_t *port,
    u_char digest[16])
{
    u_char     hex[NGX_K8S_MD5_LEN];
    ngx_md5_t  md5;

    ngx_md5_init(&md5);
    ngx_k8s_ring_name(&md5, namespace, name, port);
    ngx_md5_final(digest, &md5);

    ngx_hex_dump(hex, digest, 16);

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, hex, sizeof(hex));
    ngx_k8s_ring_name(&md5, namespace, name, port);
    ngx_md5_final(digest, &md5);
}


void
ngx_k8s_endpoint_digest(ngx_k8s_service_rec_t *service,
    ngx_k8s_endpoint_rec_t *endpoint, u_char digest[16])
{
    size_t     len;
    u_char     text[NGX_K8S_ENDPOINT_LEN];
    ngx_md5_t  md5;
    ngx_str_t  namespace, name, port;

    ngx_k8s_record_str(service, &service->namespace, &namespace);
    ngx_k8s_record_str(service, &service->name, &name);
    ngx_k8s_record_str(service, &service->port, &port);

    len = ngx_k8s_endpoint_text(text, endpoint);

    ngx_md5_init(&md5);
    ngx_k8s_ring_name(&md5, &namespace, &name, &port);
    ngx_md5_update(&md5, text, len);
    ngx_md5_final(digest, &md5);
}


static void
ngx_k8s_ring_name(ngx_md5_t *md5, ngx_str_t *namespace, ngx_str_t *name,
    ngx_str_t *port)
{
    ngx_md5_update(md5, namespace->data, namespace->len);
    ngx_md5_update(md5, "-", 1);
    ngx_md5_update(md5, name->data, name->len);
    ngx_md5_update(md5, "-", 1);
    ngx_md5_update(md5, port->data, port->len);
}
