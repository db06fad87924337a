
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A request to an auth server: a subrequest in a location of its own, which
 * goes to an address.  Its name is looked up before that, by the resolver of
 * the block, so that each address is checked: a name that is resolved by nginx
 * itself may lead to what listens on this host alone.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_forwarded.h>


static ngx_int_t ngx_http_k8s_auth_cached(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_auth_ctx_t *a);
static void ngx_http_k8s_auth_resume(ngx_http_k8s_auth_ctx_t *a);
static ngx_int_t ngx_http_k8s_auth_connect(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_auth_ctx_t *a);
static ngx_int_t ngx_http_k8s_auth_resolve(ngx_http_request_t *r,
    ngx_http_k8s_auth_ctx_t *a, ngx_k8s_block_t *block);
static void ngx_http_k8s_auth_resolved(ngx_resolver_ctx_t *rctx);
static ngx_int_t ngx_http_k8s_auth_choose(ngx_http_k8s_auth_ctx_t *a,
    ngx_resolver_ctx_t *rctx);
static void ngx_http_k8s_auth_cleanup(void *data);
static ngx_int_t ngx_http_k8s_auth_to(ngx_http_request_t *r,
    ngx_http_k8s_auth_ctx_t *a, struct sockaddr *sockaddr, socklen_t socklen);
static ngx_int_t ngx_http_k8s_auth_subrequest(ngx_http_request_t *r,
    ngx_http_k8s_auth_ctx_t *a);
static void ngx_http_k8s_auth_start(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_auth_done(ngx_http_request_t *r, void *data,
    ngx_int_t rc);


ngx_str_t  ngx_http_k8s_auth_from[NGX_HTTP_K8S_AUTH_DEPTH] = {
    ngx_string("nginx-ingress-controller"),
    ngx_string("nginx-ingress-controller, 2"),
    ngx_string("nginx-ingress-controller, 3")
};


ngx_int_t
ngx_http_k8s_auth_ask(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_auth_ctx_t *a)
{
    if (ngx_http_k8s_url_host(r, &a->auth->url, &a->host) != NGX_OK
        || ngx_http_k8s_url_uri(r, &a->auth->url, &a->uri) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (a->auth->key.text.len) {
        a->resume = ngx_http_k8s_auth_resume;
        return ngx_http_k8s_auth_cached(r, ctx, a);
    }

    return ngx_http_k8s_auth_connect(r, ctx, a);
}


static ngx_int_t
ngx_http_k8s_auth_cached(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_auth_ctx_t *a)
{
    switch (ngx_http_k8s_auth_find(r, ctx, a)) {

    case NGX_OK:
        return NGX_OK;

    case NGX_AGAIN:
        a->waiting = 1;
        r->read_event_handler = ngx_http_test_reading;
        return NGX_OK;

    default:
        return ngx_http_k8s_auth_connect(r, ctx, a);
    }
}


/* what another request has asked for is there, or has to be asked for */

static void
ngx_http_k8s_auth_resume(ngx_http_k8s_auth_ctx_t *a)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;
    ngx_http_k8s_ctx_t  *ctx;

    r = a->main;
    c = r->connection;
    ctx = ngx_http_k8s_ctx(r);

    ngx_http_set_log_request(c->log, r);

    a->waiting = 0;
    r->read_event_handler = ngx_http_block_reading;

    if (ngx_http_k8s_auth_cached(r, ctx, a) != NGX_OK) {
        a->waiting = 0;
        ngx_http_k8s_auth_keep(a);
    }

    if (!a->waiting) {
        r->write_event_handler(r);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_k8s_auth_connect(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_auth_ctx_t *a)
{
    ngx_url_t  u;
    ngx_str_t  host;

    host = a->host;

    if (ngx_http_k8s_url_parse(r->pool, &a->auth->url, &host, &u) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth server \"%V\" is no host with a port or without%s"
                      "%s", &host, u.err ? ": " : "", u.err ? u.err : "");

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    a->host = u.host;
    a->port = u.port;

    if (u.naddrs == 0) {
        return ngx_http_k8s_auth_resolve(r, a, ctx->block);
    }

    if (ngx_http_k8s_url_refused(ctx->block, u.addrs[0].sockaddr)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth server \"%V\" is a loopback, link-local, multicast "
                      "or unspecified address, name another one", &host);

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_k8s_auth_to(r, a, u.addrs[0].sockaddr, u.addrs[0].socklen);
}


static ngx_int_t
ngx_http_k8s_auth_resolve(ngx_http_request_t *r, ngx_http_k8s_auth_ctx_t *a,
    ngx_k8s_block_t *block)
{
    ngx_http_cleanup_t  *cln;
    ngx_resolver_ctx_t  *rctx, temp;

    if (block->resolver == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth server \"%V\" cannot be looked up: there is no "
                      "nameserver, add \"resolver\" to http { }", &a->host);

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    temp.name = a->host;

    rctx = ngx_resolve_start(block->resolver, &temp);

    if (rctx == NULL || rctx == NGX_NO_RESOLVER) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rctx->name = a->host;
    rctx->handler = ngx_http_k8s_auth_resolved;
    rctx->data = a;
    rctx->timeout = block->resolver_timeout;

    a->resolve = rctx;
    a->waiting = 1;

    cln->handler = ngx_http_k8s_auth_cleanup;
    cln->data = a;

    if (ngx_resolve_name(rctx) != NGX_OK) {
        a->resolve = NULL;
        a->waiting = 0;

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (a->resolve) {
        a->async = 1;
        r->read_event_handler = ngx_http_test_reading;
    }

    return NGX_OK;
}


static void
ngx_http_k8s_auth_resolved(ngx_resolver_ctx_t *rctx)
{
    ngx_int_t                 rc;
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_k8s_auth_ctx_t  *a;

    a = rctx->data;
    r = a->main;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    a->waiting = 0;

    rc = ngx_http_k8s_auth_choose(a, rctx);

    if (rc != NGX_OK) {
        ngx_http_k8s_auth_keep(a);
    }

    a->resolve = NULL;
    ngx_resolve_name_done(rctx);

    if (!a->async) {
        return;
    }

    r->read_event_handler = ngx_http_block_reading;

    if (rc != NGX_OK || !a->waiting) {
        r->write_event_handler(r);
    }

    ngx_http_run_posted_requests(c);
}


/* one of the addresses, the first one that is not refused of those from a
   random one on */

static ngx_int_t
ngx_http_k8s_auth_choose(ngx_http_k8s_auth_ctx_t *a, ngx_resolver_ctx_t *rctx)
{
    ngx_uint_t           i, n;
    ngx_http_request_t  *r;
    ngx_http_k8s_ctx_t  *ctx;
    ngx_resolver_addr_t *addr;

    r = a->main;
    ctx = ngx_http_k8s_ctx(r);

    if (rctx->state) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "auth server \"%V\" could not be resolved (%i: %s)",
                      &a->host, rctx->state,
                      ngx_resolver_strerror(rctx->state));

        return NGX_ERROR;
    }

    n = rctx->naddrs ? ngx_random() % rctx->naddrs : 0;

    for (i = 0; i < rctx->naddrs; i++) {

        addr = &rctx->addrs[(n + i) % rctx->naddrs];

        if (!ngx_http_k8s_url_refused(ctx->block, addr->sockaddr)) {
            return ngx_http_k8s_auth_to(r, a, addr->sockaddr, addr->socklen);
        }
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "auth server \"%V\" has no other address than loopback, "
                  "link-local, multicast or unspecified ones", &a->host);

    return NGX_ERROR;
}


static void
ngx_http_k8s_auth_cleanup(void *data)
{
    ngx_http_k8s_auth_ctx_t *a = data;

    if (a->resolve) {
        ngx_resolve_name_done(a->resolve);
        a->resolve = NULL;
    }
}


static ngx_int_t
ngx_http_k8s_auth_to(ngx_http_request_t *r, ngx_http_k8s_auth_ctx_t *a,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    u_char               *p, buf[sizeof("https://") + NGX_SOCKADDR_STRLEN];
    ngx_str_t             to;
    ngx_sockaddr_t        sa;
    ngx_k8s_address_t    *address;
    ngx_http_k8s_ctx_t   *ctx;

    ngx_memcpy(&sa, sockaddr, socklen);
    ngx_inet_set_port(&sa.sockaddr, a->port);

    ctx = ngx_http_k8s_ctx(r);

    if (a->auth->keepalive && ctx->profile->asking) {

        address = ngx_palloc(r->pool, sizeof(ngx_k8s_address_t));
        if (address == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(&address->sockaddr, &sa, socklen);
        address->socklen = socklen;
        address->name.data = address->text;
        address->name.len = ngx_sock_ntop(&sa.sockaddr, socklen, address->text,
                                          NGX_K8S_ADDRESS_LEN, 1);
        a->address = address;

        to = ctx->conf->urls[a->auth->url.ssl ? NGX_K8S_BACKEND_HTTPS
                                          : NGX_K8S_BACKEND_HTTP];

    } else {
        p = ngx_sprintf(buf, "http%s://", a->auth->url.ssl ? "s" : "");
        p += ngx_sock_ntop(&sa.sockaddr, socklen, p, NGX_SOCKADDR_STRLEN, 1);

        to.len = p - buf;
        to.data = buf;
    }

    p = ngx_pnalloc(r->pool, to.len + a->uri.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->url.data = p;

    p = ngx_cpymem(p, to.data, to.len);
    p = ngx_cpymem(p, a->uri.data, a->uri.len);

    a->url.len = p - a->url.data;

    return ngx_http_k8s_auth_subrequest(r, a);
}


static ngx_int_t
ngx_http_k8s_auth_subrequest(ngx_http_request_t *r, ngx_http_k8s_auth_ctx_t *a)
{
    ngx_http_request_t          *sr;
    ngx_http_request_body_t     *rb;
    ngx_http_post_subrequest_t  *ps;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    rb = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));

    if (ps == NULL || rb == NULL) {
        return NGX_ERROR;
    }

    ps->handler = ngx_http_k8s_auth_done;
    ps->data = a;

    if (ngx_http_subrequest(r, &a->uri, NULL, &sr, ps,
                            NGX_HTTP_SUBREQUEST_WAITED)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* the client's body is not read, and not announced */

    sr->request_body = rb;
    sr->header_only = 1;

    sr->headers_in.content_length_n = -1;
    sr->headers_in.chunked = 0;
    sr->headers_in.upgrade = NULL;

    /* the method that is sent is that of the location: this one says whether it
       may be sent again */

    if (a->auth->once) {
        sr->method = NGX_HTTP_POST;
    }

    sr->write_event_handler = ngx_http_k8s_auth_start;

    a->request = sr;
    a->waiting = 1;

    return NGX_OK;
}


/* no phase of nginx runs for it: it belongs to no location of nginx.conf */

static void
ngx_http_k8s_auth_start(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t      *ctx;
    ngx_http_k8s_profile_t  *profile;

    ctx = ngx_http_k8s_ctx(r);

    profile = ctx->profile;

    while (profile && profile->asking == NULL) {
        profile = profile->base;
    }

    r->loc_conf = profile ? profile->asking->loc_conf : ctx->conf->auth_conf;
    ngx_http_update_location_config(r);

    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_finalize_request(r, r->content_handler(r));
}


/* an error does not get an error page of its own, nor does it end the main
   request, which goes on without an answer */

static ngx_int_t
ngx_http_k8s_auth_done(ngx_http_request_t *r, void *data, ngx_int_t rc)
{
    ngx_http_k8s_auth_ctx_t *a = data;

    if (r != a->request || !a->waiting) {
        return rc;
    }

    a->waiting = 0;

    if (r->connection->error
        || rc == NGX_HTTP_CLIENT_CLOSED_REQUEST
        || rc == NGX_HTTP_REQUEST_TIME_OUT)
    {
        return rc;
    }

    if (rc == NGX_OK) {
        a->status = r->headers_out.status;
        a->headers = &r->upstream->headers_in.headers;
    }

    ngx_http_k8s_auth_keep(a);

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_auth_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_int_t                  rc;
    ngx_str_t                  value;
    ngx_http_k8s_ctx_t        *ctx;
    ngx_http_k8s_captures_t    captures;
    ngx_http_k8s_auth_ctx_t   *a;

    ctx = ngx_http_k8s_ctx(r);
    a = ctx ? ctx->auth : NULL;

    if (a == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_str_null(&value);

    switch (data) {

    case NGX_HTTP_K8S_AUTH_URL:
        value = a->url;
        break;

    case NGX_HTTP_K8S_AUTH_HOST:
        value = a->host;
        break;

    case NGX_HTTP_K8S_AUTH_METHOD:
        value = a->auth->method;

        if (value.len == 0) {
            ngx_str_set(&value, "GET");
        }

        break;

    case NGX_HTTP_K8S_AUTH_REDIRECT:

        if (a->auth->redirect.text.len == 0) {
            value = r->main->unparsed_uri;
            break;
        }

        ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

        if (ngx_http_k8s_template_run_header(r->main, &a->auth->redirect,
                                             &captures, &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    case NGX_HTTP_K8S_AUTH_FROM:
        if (a->depth < NGX_HTTP_K8S_AUTH_DEPTH) {
            value = ngx_http_k8s_auth_from[a->depth];
        }

        break;

    case NGX_HTTP_K8S_AUTH_URI:

        if (a->auth->method.len) {
            value = r->main->unparsed_uri;
        }

        break;

    default: /* NGX_HTTP_K8S_AUTH_SCHEME */

        if (a->auth->method.len == 0) {
            break;
        }

        rc = ngx_http_k8s_forwarded_proto(r->main, v);

        if (rc != NGX_DECLINED) {
            return rc;
        }

        ngx_str_set(&value, "http");

#if (NGX_HTTP_SSL)
        if (r->connection->ssl) {
            ngx_str_set(&value, "https");
        }
#endif
    }

    v->len = value.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = value.data;

    return NGX_OK;
}
