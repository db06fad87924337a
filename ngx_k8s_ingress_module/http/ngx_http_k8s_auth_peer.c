
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Connections to auth servers that are kept (auth-keepalive): in the pool of
 * those to backends, by address, name and scheme.  One that was kept is looked
 * at before it is used; one that fails all the same is followed by a new one,
 * unless the server was asked with POST.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>

#include <openssl/sha.h>


typedef struct {
    ngx_http_k8s_pool_t     *pool;
    ngx_http_k8s_pool_key_t  key;
    ngx_http_k8s_auth_ctx_t *auth;
    ngx_http_upstream_t     *upstream;
} ngx_http_k8s_auth_peer_t;


static void ngx_http_k8s_auth_peer_key(ngx_http_k8s_auth_peer_t *peer);
static ngx_int_t ngx_http_k8s_auth_peer_get(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_k8s_auth_peer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);


ngx_int_t
ngx_http_k8s_auth_peer(ngx_http_request_t *r, ngx_http_k8s_auth_ctx_t *a,
    ngx_http_k8s_pool_t *pool)
{
    ngx_http_upstream_t       *u;
    ngx_http_k8s_auth_peer_t  *peer;

    u = r->upstream;

    peer = ngx_pcalloc(r->pool, sizeof(ngx_http_k8s_auth_peer_t));
    if (peer == NULL) {
        return NGX_ERROR;
    }

    peer->pool = pool;
    peer->auth = a;
    peer->upstream = u;

    ngx_http_k8s_auth_peer_key(peer);

    u->peer.data = peer;
    u->peer.get = ngx_http_k8s_auth_peer_get;
    u->peer.free = ngx_http_k8s_auth_peer_free;
#if (NGX_HTTP_SSL)
    u->peer.set_session = ngx_http_k8s_set_session;
    u->peer.save_session = ngx_http_k8s_save_session;
#endif
    u->peer.tries = 1;

    return NGX_OK;
}


/* the context of TLS is one of the cycle: it says what is verified */

static void
ngx_http_k8s_auth_peer_key(ngx_http_k8s_auth_peer_t *peer)
{
    void                 *ssl;
    u_char                digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX            sha;
    ngx_k8s_peer_t       *p;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    p = &peer->key.peer;
    p->port = peer->auth->port;

    sin = &peer->auth->address->sockaddr.sockaddr_in;
    p->family = 4;
    ngx_memcpy(p->addr, &sin->sin_addr, 4);

#if (NGX_HAVE_INET6)
    if (sin->sin_family == AF_INET6) {
        sin6 = &peer->auth->address->sockaddr.sockaddr_in6;
        p->family = 6;
        ngx_memcpy(p->addr, &sin6->sin6_addr, 16);
    }
#endif

    ssl = NULL;

#if (NGX_HTTP_SSL)
    if (peer->auth->auth->url.ssl) {
        ssl = peer->upstream->conf->ssl;
    }
#endif

    SHA256_Init(&sha);
    SHA256_Update(&sha, &ssl, sizeof(void *));
    SHA256_Update(&sha, peer->auth->host.data, peer->auth->host.len);
    SHA256_Final(digest, &sha);

    ngx_memcpy(&peer->key.protocol, digest, sizeof(uint64_t));
    ngx_memcpy(&p->identity, digest + sizeof(uint64_t), sizeof(uint64_t));
}


static ngx_int_t
ngx_http_k8s_auth_peer_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_k8s_auth_peer_t *peer = data;

    ngx_connection_t   *c;
    ngx_k8s_address_t  *address;

    address = peer->auth->address;

    c = ngx_http_k8s_pool_get(peer->pool, &peer->key, 1, address);

    pc->sockaddr = &address->sockaddr.sockaddr;
    pc->socklen = address->socklen;
    pc->name = &address->name;
    pc->connection = c;
    pc->cached = (c != NULL);

    if (c == NULL) {
        return NGX_OK;
    }

    c->log = pc->log;
    c->read->log = pc->log;
    c->write->log = pc->log;
    c->pool->log = pc->log;

    return NGX_DONE;
}


static void
ngx_http_k8s_auth_peer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_k8s_auth_peer_t *peer = data;

    ngx_msec_t            timeout;
    ngx_connection_t     *c;
    ngx_http_k8s_auth_t  *auth;
    ngx_http_upstream_t  *u;

    u = peer->upstream;
    c = pc->connection;
    auth = peer->auth->auth;

    if (pc->tries) {
        pc->tries--;
    }

    timeout = ngx_http_k8s_pool_keep(u, c, state, auth->requests,
                                     peer->pool->time, auth->timeout);

    /* what has come behind the answer is not that of the next request */

    if (timeout == 0
        || u->buffer.pos != u->buffer.last
        || ngx_http_k8s_pool_count(peer->pool, &peer->key) >= auth->keepalive)
    {
        return;
    }

    if (ngx_http_k8s_pool_put(peer->pool, &peer->key, peer->auth->address, c,
                              timeout)
        == NGX_OK)
    {
        pc->connection = NULL;
    }
}
