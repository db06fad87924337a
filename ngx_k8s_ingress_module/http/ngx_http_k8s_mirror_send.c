
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The way of a mirrored request: its target is looked up, a connection made,
 * the request sent, and the answer read until the target closes, so that it
 * does not give up what it does for a client that has gone.  Whatever fails
 * ends it.  The answer is not looked at.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event_connect.h>
#include <ngx_http.h>
#include <ngx_http_k8s_mirror.h>


/* reads, and pieces that are sent, of one turn */
#define NGX_HTTP_K8S_MIRROR_READS    16
#define NGX_HTTP_K8S_MIRROR_SENDS    16


static void ngx_http_k8s_mirror_start(ngx_event_t *ev);
static void ngx_http_k8s_mirror_resolve(ngx_http_k8s_mirrored_t *m);
static void ngx_http_k8s_mirror_resolved(ngx_resolver_ctx_t *rctx);
static void ngx_http_k8s_mirror_connect(ngx_http_k8s_mirrored_t *m);
static ngx_uint_t ngx_http_k8s_mirror_own(ngx_http_k8s_mirrored_t *m);
#if (NGX_HTTP_SSL)
static void ngx_http_k8s_mirror_handshake(ngx_http_k8s_mirrored_t *m);
static void ngx_http_k8s_mirror_shaken(ngx_connection_t *c);
#endif
static void ngx_http_k8s_mirror_write_handler(ngx_event_t *wev);
static void ngx_http_k8s_mirror_write(ngx_http_k8s_mirrored_t *m);
static ngx_int_t ngx_http_k8s_mirror_next(ngx_http_k8s_mirrored_t *m);
static void ngx_http_k8s_mirror_read_handler(ngx_event_t *rev);
static void ngx_http_k8s_mirror_timer(ngx_event_t *ev);
static void ngx_http_k8s_mirror_fail(ngx_http_k8s_mirrored_t *m,
    ngx_err_t err, char *why);
static void ngx_http_k8s_mirror_done(ngx_http_k8s_mirrored_t *m);


void
ngx_http_k8s_mirror_send(ngx_http_k8s_mirrored_t *m)
{
    m->start.handler = ngx_http_k8s_mirror_start;
    m->start.data = m;
    m->start.log = &m->log;

    m->dummy.fd = (ngx_socket_t) -1;
    m->dummy.data = m;

    m->timer.handler = ngx_http_k8s_mirror_timer;
    m->timer.data = &m->dummy;
    m->timer.log = &m->log;

    ngx_add_timer(&m->timer, NGX_HTTP_K8S_MIRROR_TIME);

    ngx_post_event(&m->start, &ngx_posted_next_events);
}


static void
ngx_http_k8s_mirror_start(ngx_event_t *ev)
{
    ngx_http_k8s_mirrored_t  *m;

    m = ev->data;

    if (m->socklen == 0) {
        ngx_http_k8s_mirror_resolve(m);
        return;
    }

    if (ngx_http_k8s_url_refused(m->block, &m->sockaddr.sockaddr)) {
        ngx_http_k8s_mirror_fail(m, 0, "its target is a loopback, link-local, "
                                 "multicast or unspecified address");
        return;
    }

    ngx_http_k8s_mirror_connect(m);
}


static void
ngx_http_k8s_mirror_resolve(ngx_http_k8s_mirrored_t *m)
{
    ngx_resolver_ctx_t  *rctx, temp;

    if (m->block->resolver == NULL) {
        ngx_http_k8s_mirror_fail(m, 0, "its target cannot be looked up, as "
                                 "there is no nameserver, add \"resolver\" to "
                                 "http { }");
        return;
    }

    temp.name = m->host;

    rctx = ngx_resolve_start(m->block->resolver, &temp);

    if (rctx == NULL || rctx == NGX_NO_RESOLVER) {
        ngx_http_k8s_mirror_done(m);
        return;
    }

    rctx->name = m->host;
    rctx->handler = ngx_http_k8s_mirror_resolved;
    rctx->data = m;
    rctx->timeout = m->block->resolver_timeout;

    m->resolve = rctx;

    /* may have called the handler, and m have gone */

    if (ngx_resolve_name(rctx) != NGX_OK) {
        m->resolve = NULL;
        ngx_http_k8s_mirror_done(m);
    }
}


static void
ngx_http_k8s_mirror_resolved(ngx_resolver_ctx_t *rctx)
{
    ngx_uint_t                i, n;
    ngx_resolver_addr_t      *addr;
    ngx_http_k8s_mirrored_t  *m;

    m = rctx->data;
    m->resolve = NULL;

    n = rctx->naddrs ? ngx_random() % rctx->naddrs : 0;

    for (i = 0; rctx->state == 0 && i < rctx->naddrs; i++) {

        addr = &rctx->addrs[(n + i) % rctx->naddrs];

        if (!ngx_http_k8s_url_refused(m->block, addr->sockaddr)) {
            m->socklen = addr->socklen;
            ngx_memcpy(&m->sockaddr, addr->sockaddr, addr->socklen);
            ngx_inet_set_port(&m->sockaddr.sockaddr, m->port);
            break;
        }
    }

    i = rctx->state;

    ngx_resolve_name_done(rctx);

    if (i) {
        ngx_http_k8s_mirror_fail(m, 0, "its target could not be looked up");
        return;
    }

    if (m->socklen == 0) {
        ngx_http_k8s_mirror_fail(m, 0, "its target has no other address than "
                                 "loopback, link-local, multicast or "
                                 "unspecified ones");
        return;
    }

    ngx_http_k8s_mirror_connect(m);
}


static void
ngx_http_k8s_mirror_connect(ngx_http_k8s_mirrored_t *m)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    m->peer.sockaddr = &m->sockaddr.sockaddr;
    m->peer.socklen = m->socklen;
    m->peer.name = &m->host;
    m->peer.get = ngx_event_get_peer;
    m->peer.log = &m->log;
    m->peer.log_error = NGX_ERROR_INFO;

    rc = ngx_event_connect_peer(&m->peer);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_http_k8s_mirror_fail(m, 0, "its target does not take connections");
        return;
    }

    c = m->peer.connection;

    c->data = m;
    c->pool = m->pool;

    c->read->handler = ngx_http_k8s_mirror_read_handler;
    c->write->handler = ngx_http_k8s_mirror_write_handler;

    if (ngx_http_k8s_mirror_own(m)) {
        ngx_http_k8s_mirror_fail(m, 0, "its target is this nginx");
        return;
    }

    ngx_add_timer(c->write, NGX_HTTP_K8S_MIRROR_CONNECT);

    if (rc == NGX_OK) {
        ngx_http_k8s_mirror_write_handler(c->write);
    }
}


/*
 * What this nginx listens on may be for its own host: a connection to a port of
 * it whose ends have one address.
 */

static ngx_uint_t
ngx_http_k8s_mirror_own(ngx_http_k8s_mirrored_t *m)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    if (m->block->loopback) {
        return 0;
    }

    ls = ngx_cycle->listening.elts;

    for (i = 0; i < ngx_cycle->listening.nelts; i++) {

        if (ngx_inet_get_port(ls[i].sockaddr) != m->port) {
            continue;
        }

        return ngx_connection_local_sockaddr(m->peer.connection, NULL, 0)
               != NGX_OK
               || ngx_cmp_sockaddr(m->peer.connection->local_sockaddr,
                                   m->peer.connection->local_socklen,
                                   m->peer.sockaddr, m->peer.socklen, 0)
                  == NGX_OK;
    }

    return 0;
}


static void
ngx_http_k8s_mirror_write_handler(ngx_event_t *wev)
{
    int                       err;
    socklen_t                 len;
    ngx_connection_t         *c;
    ngx_http_k8s_mirrored_t  *m;

    c = wev->data;
    m = c->data;

    if (c->close) {
        ngx_http_k8s_mirror_done(m);
        return;
    }

    if (wev->timedout) {
        ngx_http_k8s_mirror_fail(m, NGX_ETIMEDOUT, "its target takes nothing");
        return;
    }

    if (m->sent) {
        return;
    }

    if (m->pos == NULL && m->piece == 0) {

        err = 0;
        len = sizeof(int);

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len)
            == -1)
        {
            err = ngx_socket_errno;
        }

        if (err) {
            ngx_http_k8s_mirror_fail(m, err, "its target does not take "
                                     "connections");
            return;
        }

#if (NGX_HTTP_SSL)
        if (m->conf && c->ssl == NULL) {
            ngx_http_k8s_mirror_handshake(m);
            return;
        }
#endif
    }

    ngx_http_k8s_mirror_write(m);
}


#if (NGX_HTTP_SSL)

static void
ngx_http_k8s_mirror_handshake(ngx_http_k8s_mirrored_t *m)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = m->peer.connection;

    if (ngx_ssl_create_connection(m->conf->ssl, c,
                                  NGX_SSL_BUFFER|NGX_SSL_CLIENT)
        != NGX_OK)
    {
        ngx_http_k8s_mirror_done(m);
        return;
    }

    /* an address is no name of a server */

    if (m->host.data[0] != '['
        && ngx_inet_addr(m->host.data, m->host.len) == INADDR_NONE
        && SSL_set_tlsext_host_name(c->ssl->connection, (char *) m->host.data)
           == 0)
    {
        ngx_http_k8s_mirror_done(m);
        return;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_http_k8s_mirror_shaken;
        return;
    }

    ngx_http_k8s_mirror_shaken(c);
}


static void
ngx_http_k8s_mirror_shaken(ngx_connection_t *c)
{
    ngx_http_k8s_mirrored_t  *m;

    m = c->data;

    if (!c->ssl->handshaked) {
        ngx_http_k8s_mirror_fail(m, 0, "the handshake with its target failed");
        return;
    }

    if (m->conf->ssl_verify
        && (SSL_get_verify_result(c->ssl->connection) != X509_V_OK
            || ngx_ssl_check_host(c, &m->host) != NGX_OK))
    {
        ngx_http_k8s_mirror_fail(m, 0, "the certificate of its target is not "
                                 "that of the host");
        return;
    }

    c->read->handler = ngx_http_k8s_mirror_read_handler;
    c->write->handler = ngx_http_k8s_mirror_write_handler;

    ngx_http_k8s_mirror_write(m);
}

#endif


static void
ngx_http_k8s_mirror_write(ngx_http_k8s_mirrored_t *m)
{
    ssize_t            n;
    ngx_int_t          rc;
    ngx_uint_t         i;
    ngx_event_t       *wev;
    ngx_connection_t  *c;

    c = m->peer.connection;
    wev = c->write;

    for (i = 0; /* void */ ; i++) {

        if (i == NGX_HTTP_K8S_MIRROR_SENDS) {
            ngx_post_event(wev, &ngx_posted_next_events);
            return;
        }

        if (m->pos == m->last) {
            rc = ngx_http_k8s_mirror_next(m);

            if (rc == NGX_ERROR) {
                ngx_http_k8s_mirror_done(m);
                return;
            }

            if (rc == NGX_DONE) {
                break;
            }
        }

        n = c->send(c, m->pos, m->last - m->pos);

        if (n == NGX_ERROR) {
            ngx_http_k8s_mirror_fail(m, 0, "its target has closed the "
                                     "connection");
            return;
        }

        if (n == NGX_AGAIN) {
            goto handle;
        }

        m->pos += n;

        ngx_add_timer(wev, NGX_HTTP_K8S_MIRROR_CONNECT);
    }

    m->sent = 1;

    /* no worker that leaves waits for an answer */

    c->idle = 1;

    if (wev->timer_set) {
        ngx_del_timer(wev);
    }

handle:

    if (ngx_handle_write_event(wev, 0) != NGX_OK
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        ngx_http_k8s_mirror_done(m);
        return;
    }

    if (m->sent && c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


/* NGX_DONE: all of it is sent */

static ngx_int_t
ngx_http_k8s_mirror_next(ngx_http_k8s_mirrored_t *m)
{
    size_t                        size;
    ssize_t                       n;
    ngx_http_k8s_mirror_piece_t  *piece;

    if (m->piece == m->pieces.nelts) {
        return NGX_DONE;
    }

    piece = (ngx_http_k8s_mirror_piece_t *) m->pieces.elts + m->piece;

    if (piece->text.len) {
        m->pos = piece->text.data;
        m->last = m->pos + piece->text.len;
        m->piece++;

        return NGX_OK;
    }

    if (m->buffer == NULL) {
        m->buffer = ngx_palloc(m->pool, NGX_HTTP_K8S_MIRROR_BUFFER);
        if (m->buffer == NULL) {
            return NGX_ERROR;
        }
    }

    size = ngx_min(piece->last - piece->offset, NGX_HTTP_K8S_MIRROR_BUFFER);

    n = ngx_read_file(&m->file, m->buffer, size, piece->offset);

    if (n <= 0) {
        return NGX_ERROR;
    }

    m->pos = m->buffer;
    m->last = m->pos + n;

    piece->offset += n;

    if (piece->offset == piece->last) {
        m->piece++;
    }

    return NGX_OK;
}


/* an answer may come before all is sent, and is the end of it if it is one */

static void
ngx_http_k8s_mirror_read_handler(ngx_event_t *rev)
{
    u_char                    buf[NGX_HTTP_K8S_MIRROR_BUFFER];
    ssize_t                   n;
    ngx_uint_t                i;
    ngx_connection_t         *c;
    ngx_http_k8s_mirrored_t  *m;

    c = rev->data;
    m = c->data;

    if (c->close) {
        ngx_http_k8s_mirror_done(m);
        return;
    }

    for (i = 0; i < NGX_HTTP_K8S_MIRROR_READS; i++) {

        n = c->recv(c, buf, sizeof(buf));

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_http_k8s_mirror_done(m);
            }

            return;
        }

        if (n == NGX_ERROR || n == 0) {

            if (m->received) {
                ngx_http_k8s_mirror_done(m);

            } else {
                ngx_http_k8s_mirror_fail(m, 0, "its target has closed the "
                                         "connection");
            }

            return;
        }

        m->received += n;

        if (m->received > NGX_HTTP_K8S_MIRROR_ANSWER) {
            ngx_http_k8s_mirror_done(m);
            return;
        }
    }

    ngx_post_event(rev, &ngx_posted_next_events);
}


static void
ngx_http_k8s_mirror_timer(ngx_event_t *ev)
{
    ngx_connection_t  *dummy;

    dummy = ev->data;

    ngx_http_k8s_mirror_fail(dummy->data, NGX_ETIMEDOUT, "its target has not "
                             "answered in time");
}


static void
ngx_http_k8s_mirror_fail(ngx_http_k8s_mirrored_t *m, ngx_err_t err, char *why)
{
    ngx_http_k8s_mirror_failed(m->kmcf, &m->log, err, &m->namespace, &m->name,
                               why);

    ngx_http_k8s_mirror_done(m);
}


void
ngx_http_k8s_mirror_failed(ngx_http_k8s_main_conf_t *kmcf, ngx_log_t *log,
    ngx_err_t err, ngx_str_t *namespace, ngx_str_t *name, char *why)
{
    if (kmcf->mirrors_told == ngx_time()) {
        kmcf->mirrors_failed++;
        return;
    }

    ngx_log_error(NGX_LOG_ERR, log, err,
                  "a request was not mirrored: %s (Ingress \"%V/%V\", and %ui "
                  "others since the last one that was logged)", why, namespace,
                  name, kmcf->mirrors_failed);

    kmcf->mirrors_told = ngx_time();
    kmcf->mirrors_failed = 0;
}


static void
ngx_http_k8s_mirror_done(ngx_http_k8s_mirrored_t *m)
{
    ngx_connection_t  *c;

    c = m->peer.connection;

    if (m->resolve) {
        ngx_resolve_name_done(m->resolve);
    }

    if (c) {

#if (NGX_HTTP_SSL)

        if (c->ssl) {
            c->ssl->no_wait_shutdown = 1;
            c->ssl->no_send_shutdown = 1;
            (void) ngx_ssl_shutdown(c);
        }

#endif

        ngx_close_connection(c);
    }

    if (m->timer.timer_set) {
        ngx_del_timer(&m->timer);
    }

    if (m->start.posted) {
        ngx_delete_posted_event(&m->start);
    }

    if (m->file.fd != NGX_INVALID_FILE
        && ngx_close_file(m->file.fd) == NGX_FILE_ERROR)
    {
        ngx_log_error(NGX_LOG_ALERT, &m->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", &m->file.name);
    }

    m->kmcf->mirrors--;
    m->kmcf->mirrors_memory -= m->memory;
    m->kmcf->mirrors_files -= m->size;

    m->pool->log = ngx_cycle->log;

    ngx_destroy_pool(m->pool);
}
