
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Interim answers of a backend (100, 103, ...).  nginx takes each for the final
 * one, and the real answer for its body; since 1.29.0 all but 103.  Here they
 * are skipped, 101 is left to the proxy module.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_balancer.h>


#define NGX_HTTP_K8S_INTERIM         16


static ngx_int_t ngx_http_k8s_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_reinit_request(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_skip_interim(ngx_http_request_t *r,
    ngx_http_k8s_hop_t *hop);


void
ngx_http_k8s_interim(ngx_http_request_t *r, ngx_http_k8s_hop_t *hop)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    hop->process_header = u->process_header;
    hop->reinit_request = u->reinit_request;

    u->process_header = ngx_http_k8s_process_header;
    u->reinit_request = ngx_http_k8s_reinit_request;
}


static ngx_int_t
ngx_http_k8s_process_header(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_k8s_hop_t   *hop;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    hop = ngx_http_k8s_hop(r);

    for ( ;; ) {

        rc = hop->process_header(r);

        /* after the status line it names another function */

        if (u->process_header != ngx_http_k8s_process_header) {
            hop->process_header = u->process_header;
            u->process_header = ngx_http_k8s_process_header;
        }

        if (rc != NGX_OK
            || u->headers_in.status_n < NGX_HTTP_CONTINUE
            || u->headers_in.status_n >= NGX_HTTP_OK
            || u->headers_in.status_n == NGX_HTTP_SWITCHING_PROTOCOLS)
        {
            return rc;
        }

        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "http k8s interim answer: %ui", u->headers_in.status_n);

        if (hop->interim++ == NGX_HTTP_K8S_INTERIM) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "upstream sent too many interim answers");
            return NGX_HTTP_UPSTREAM_INVALID_HEADER;
        }

        if (ngx_http_k8s_skip_interim(r, hop) != NGX_OK) {
            return NGX_ERROR;
        }

        if (u->buffer.pos == u->buffer.last) {
            return NGX_AGAIN;
        }
    }
}


/* as ngx_http_upstream_reinit() does, but keeps what follows in the buffer */

static ngx_int_t
ngx_http_k8s_skip_interim(ngx_http_request_t *r, ngx_http_k8s_hop_t *hop)
{
    u_char               *start;
    size_t                rest;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u->reinit_request(r) != NGX_OK) {
        return NGX_ERROR;
    }

    u->keepalive = 0;

    ngx_memzero(&u->headers_in, sizeof(ngx_http_upstream_headers_in_t));
    u->headers_in.content_length_n = -1;
    u->headers_in.last_modified_time = -1;

    if (ngx_list_init(&u->headers_in.headers, r->pool, 8,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_list_init(&u->headers_in.trailers, r->pool, 2,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    start = u->buffer.start;

#if (NGX_HTTP_CACHE)

    if (r->cache) {
        start += r->cache->header_start;
    }

#endif

    rest = u->buffer.last - u->buffer.pos;

    ngx_memmove(start, u->buffer.pos, rest);

    u->buffer.pos = start;
    u->buffer.last = start + rest;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_reinit_request(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_http_k8s_hop_t  *hop;

    hop = ngx_http_k8s_hop(r);

    rc = hop->reinit_request(r);

    hop->process_header = r->upstream->process_header;
    r->upstream->process_header = ngx_http_k8s_process_header;

    return rc;
}
