
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


/* for how long an endpoint without connection is asked for lack of others */
#define NGX_HTTP_K8S_LEFT_ALONE      2000


ngx_k8s_stat_t *
ngx_http_k8s_endpoint_copy(ngx_k8s_table_t *table, ngx_k8s_endpoint_rec_t *rec,
    ngx_http_k8s_endpoint_t *ep)
{
    ngx_k8s_stat_t  *stat;

    ngx_memcpy(ep->addr, rec->addr, 16);
    ep->port = rec->port;
    ep->family = rec->family;
    ep->reserved = 0;
    ep->stat = rec->stat;

    stat = table ? ngx_k8s_stat(table, rec->stat) : NULL;
    ep->identity = stat ? stat->identity : 0;

    return stat;
}


uint32_t
ngx_http_k8s_endpoint_hash(ngx_http_k8s_endpoint_t *ep)
{
    return ep->stat ? ep->stat : ngx_murmur_hash2(ep->addr, 16) ^ ep->port;
}


size_t
ngx_http_k8s_endpoint_text(u_char *text, ngx_http_k8s_endpoint_t *ep)
{
    u_char    *p;
    uint32_t   i, n;

    p = text;

    for (i = 0; i < 4; i++) {
        n = ep->addr[i];

        if (n >= 100) {
            *p++ = (u_char) ('0' + n / 100);
            n %= 100;
            *p++ = (u_char) ('0' + n / 10);
            n %= 10;

        } else if (n >= 10) {
            *p++ = (u_char) ('0' + n / 10);
            n %= 10;
        }

        *p++ = (u_char) ('0' + n);
        *p++ = (i < 3) ? '.' : ':';
    }

    return ngx_http_k8s_port_text(p, ep->port) - text;
}


u_char *
ngx_http_k8s_port_text(u_char *text, in_port_t port)
{
    u_char    *p, *last;
    uint32_t   n;

    n = port;
    last = text + 1 + (n >= 10) + (n >= 100) + (n >= 1000) + (n >= 10000);

    for (p = last; p != text; n /= 10) {
        *--p = (u_char) ('0' + n % 10);
    }

    return last;
}


ngx_uint_t
ngx_http_k8s_endpoint_refused(ngx_k8s_stat_t *stat)
{
    ngx_msec_t  refused;

    if (stat == NULL || stat->refused == 0) {
        return 0;
    }

    /* workers' clocks differ a little */

    refused = stat->refused;

    return (ngx_msec_int_t) (ngx_current_msec - refused)
           < NGX_HTTP_K8S_LEFT_ALONE;
}


void
ngx_http_k8s_endpoint_note(ngx_k8s_table_t *table, ngx_http_k8s_endpoint_t *ep,
    ngx_uint_t failed, ngx_uint_t refused)
{
    ngx_k8s_stat_t  *stat;

    stat = ep->identity ? ngx_k8s_stat(table, ep->stat) : NULL;

    if (stat == NULL || stat->identity != ep->identity) {
        return;
    }

    (void) ngx_atomic_fetch_add(&stat->requests, 1);

    if (failed) {
        (void) ngx_atomic_fetch_add(&stat->failures, 1);
    }

    if (refused) {
        stat->refused = ngx_current_msec | 1;
    }
}
