
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_affinity.h>
#include <ngx_http_k8s_backend_tls.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_balancer.h>
#include <ngx_http_k8s_mirror.h>
#include <ngx_http_k8s_pool.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_k8s_policy.h>


/* milliseconds, from a connect to its failure: later it is no refusal */
#define NGX_HTTP_K8S_REFUSED         250


/* of one block: name and limits of the cycle, the rest of one worker */

typedef struct {
    ngx_str_t                     upstream;
    ngx_http_k8s_pool_t           pool;
    ngx_k8s_cursors_t             cursors;
#if (NGX_HTTP_SSL)
    ngx_http_k8s_contexts_t       contexts;
#endif
    unsigned                      ready:1;
} ngx_http_k8s_state_t;


typedef struct {
    ngx_k8s_block_t              *block;
    ngx_http_k8s_state_t         *state;
    ngx_http_request_t           *request;
    ngx_http_upstream_t          *upstream;

    ngx_http_k8s_pool_key_t       key;       /* with the endpoint in use */
    ngx_k8s_address_t            *address;   /* one for each try */

    ngx_output_chain_filter_pt    output;    /* nginx's own */
    void                         *output_ctx;

    ngx_k8s_choice_t              choice;

    unsigned                      once:1;    /* its server closes it */
    unsigned                      fresh:1;   /* nothing sent on a new one */
    unsigned                      unsent:1;  /* and nothing will be */
} ngx_http_k8s_peer_t;


static ngx_int_t ngx_http_k8s_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_k8s_get_peer(ngx_peer_connection_t *pc, void *data);
static void ngx_http_k8s_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static ngx_int_t ngx_http_k8s_output(void *data, ngx_chain_t *in);
static ngx_uint_t ngx_http_k8s_must_peek(ngx_http_k8s_peer_t *peer);
static ngx_uint_t ngx_http_k8s_not_connected(ngx_http_upstream_t *u,
    ngx_peer_connection_t *pc);
static ngx_uint_t ngx_http_k8s_refused(ngx_http_k8s_peer_t *peer,
    ngx_connection_t *c);


/*
 * The upstream is made after all others were initialized and has no srv_conf:
 * nothing wraps its functions, not even nginx 1.29.7's keepalive.
 */

ngx_int_t
ngx_http_k8s_upstream_add(ngx_conf_t *cf, ngx_k8s_block_t *block,
    ngx_str_t *name)
{
    ngx_url_t                      u;
    ngx_k8s_settings_t             base;
    ngx_http_k8s_state_t          *state;
    ngx_http_upstream_srv_conf_t  *uscf;

    state = block->http;

    if (state) {
        *name = state->upstream;
        return NGX_OK;
    }

    state = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_state_t));
    if (state == NULL) {
        return NGX_ERROR;
    }

    name->data = ngx_pnalloc(cf->pool, sizeof("k8s_ingress_")
                                       + block->name.len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "k8s_ingress%s%V",
                            block->name.len ? "_" : "", &block->name)
                - name->data;

    state->upstream = *name;

    if (ngx_k8s_policy_base(&base, NGX_K8S_API_INGRESS) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.host = *name;
    u.url = *name;
    u.no_resolve = 1;
    u.no_port = 1;

    uscf = ngx_http_upstream_add(cf, &u, NGX_HTTP_UPSTREAM_CREATE);
    if (uscf == NULL) {
        return NGX_ERROR;
    }

    uscf->peer.init = ngx_http_k8s_init_peer;
    uscf->peer.data = block;

    block->http = state;

    ngx_http_k8s_balancer_settings(block, &base);

    return NGX_OK;
}


void
ngx_http_k8s_balancer_settings(ngx_k8s_block_t *block,
    ngx_k8s_settings_t *settings)
{
    ngx_http_k8s_pool_t   *pool;
    ngx_http_k8s_state_t  *state;

    state = block->http;
    pool = &state->pool;

    pool->requests = settings->keepalive_requests;
    pool->timeout = settings->keepalive_timeout;
    pool->time = settings->keepalive_time;

    ngx_http_k8s_pool_limit(pool, settings->keepalive_connections);
}


ngx_int_t
ngx_http_k8s_balancer_init(ngx_k8s_block_t *block, ngx_cycle_t *cycle)
{
    ngx_http_k8s_state_t  *state;

    state = block->http;

    if (state == NULL || state->ready) {
        return NGX_OK;
    }

    if (ngx_http_k8s_pool_init(&state->pool, block, cycle) != NGX_OK) {
        return NGX_ERROR;
    }

#if (NGX_HTTP_SSL)
    ngx_http_k8s_contexts_init(&state->contexts);
#endif

    state->ready = 1;

    return NGX_OK;
}


void
ngx_http_k8s_balancer_done(ngx_k8s_block_t *block)
{
    ngx_http_k8s_state_t  *state;

    state = block->http;

    if (state == NULL || !state->ready) {
        return;
    }

    state->ready = 0;

    ngx_http_k8s_pool_done(&state->pool);

    ngx_k8s_cursors_free(&state->cursors);

#if (NGX_HTTP_SSL)
    ngx_http_k8s_contexts_done(&state->contexts);
#endif
}


static ngx_int_t
ngx_http_k8s_init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_k8s_hop_t    *hop;
    ngx_http_k8s_ctx_t    *ctx;
    ngx_http_upstream_t   *u;
    ngx_http_k8s_peer_t   *peer;
    ngx_http_k8s_state_t  *state;

    u = r->upstream;
    ctx = ngx_http_k8s_ctx(r);

    if (ctx && ctx->auth && ctx->auth->request == r && ctx->auth->address) {
        state = ctx->block->http;

        return ngx_http_k8s_auth_peer(r, ctx->auth, &state->pool);
    }

    hop = ngx_http_k8s_hop(r);

    if (hop == NULL || hop->block != us->peer.data || r != r->main) {

        /* a proxy_pass of the administrator's to our upstream */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "upstream \"%V\" serves \"k8s_ingress_pass\" only",
                      &us->host);
        return NGX_ERROR;
    }

    peer = ngx_http_k8s_alloc(r, ctx, sizeof(ngx_http_k8s_peer_t));
    if (peer == NULL) {
        return NGX_ERROR;
    }

    peer->block = hop->block;
    peer->state = hop->block->http;
    peer->request = r;
    peer->upstream = u;
    peer->key.protocol = hop->protocol;

#if (NGX_HTTP_SSL)

    if (u->ssl) {
        peer->key.protocol++;

        if (ctx->profile->settings->proxy_ssl_secret.len
            && ngx_http_k8s_backend_tls(&peer->state->contexts, r, ctx,
                                        &peer->key.protocol)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

#endif

    /* a process of FastCGI that has a connection serves no other one */

    peer->once = (ngx_strcmp(u->conf->module.data, "fastcgi") == 0);
    peer->fresh = 0;
    peer->unsent = 0;

    if (hop->hashed && ngx_http_k8s_affinity_hash(r, hop) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->profile->mirror) {
        ngx_http_k8s_mirror(r, ctx);
    }

    ngx_k8s_choice_init(&peer->choice, hop->service, hop->generation,
                        &hop->copies, &hop->key);

    peer->choice.balance = ngx_http_k8s_ctx(r)->profile->settings->balance;

    peer->output = u->output.output_filter;
    peer->output_ctx = u->output.filter_ctx;

    u->output.output_filter = ngx_http_k8s_output;
    u->output.filter_ctx = peer;

    /* other protocols have none, or skip them by themselves */

    if (!hop->http2 && ngx_strcmp(u->conf->module.data, "proxy") == 0) {
        ngx_http_k8s_interim(r, hop);
    }

    /* a lonely endpoint is asked again, as ingress-nginx does */

    u->peer.data = peer;
    u->peer.get = ngx_http_k8s_get_peer;
    u->peer.free = ngx_http_k8s_free_peer;
#if (NGX_HTTP_SSL)
    u->peer.set_session = ngx_http_k8s_set_session;
    u->peer.save_session = ngx_http_k8s_save_session;
#endif
    u->peer.tries = u->conf->next_upstream_tries ? u->conf->next_upstream_tries
                                                 : 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_get_peer(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_k8s_peer_t *peer = data;

    ngx_int_t           rc;
    ngx_connection_t   *c;
    ngx_k8s_table_t    *table;
    ngx_k8s_address_t  *address;

    pc->cached = 0;
    pc->connection = NULL;
    pc->sockaddr = NULL;

    if (peer->unsent) {

        /* for nginx to reset its output before the next try */

        peer->unsent = 0;
        peer->upstream->request_sent = 1;
    }

    table = ngx_k8s_pin(peer->block);

    rc = ngx_k8s_choose(&peer->choice, table, &peer->state->cursors,
                        &peer->key.peer);

    if (rc != NGX_OK) {
        return rc;
    }

    if (peer->choice.ntried == 1
        && peer->upstream->conf->next_upstream_tries == 0)
    {
        pc->tries = peer->choice.npeers;
    }

    /* the log phase reads the names of all tries */

    address = ngx_palloc(peer->request->pool, sizeof(ngx_k8s_address_t));
    if (address == NULL) {
        return NGX_ERROR;
    }

    c = ngx_http_k8s_pool_get(&peer->state->pool, &peer->key,
                              ngx_http_k8s_must_peek(peer), address);
    peer->fresh = (c == NULL);

    if (c == NULL) {
        ngx_k8s_peer_address(&peer->key.peer, address);
    }

    peer->address = address;

    pc->sockaddr = &address->sockaddr.sockaddr;
    pc->socklen = address->socklen;
    pc->name = &address->name;

    if (c == NULL) {
        return NGX_OK;
    }

    c->log = pc->log;
    c->read->log = pc->log;
    c->write->log = pc->log;
    c->pool->log = pc->log;

    pc->connection = c;
    pc->cached = 1;

    return NGX_DONE;
}


/*
 * A connect may hang while its endpoint leaves, and be taken by the next pod at
 * that address: so before the first byte the endpoint is looked up again.  The
 * try then fails as one that was never sent, unless the body is not buffered.
 */

static ngx_int_t
ngx_http_k8s_output(void *data, ngx_chain_t *in)
{
    ngx_http_k8s_peer_t *peer = data;

    ngx_http_request_t  *r;

    if (peer->fresh) {
        peer->fresh = 0;

        if (ngx_k8s_choice_left(&peer->choice, ngx_k8s_pin(peer->block),
                                &peer->key.peer))
        {
            r = peer->request;

            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "endpoint was removed while connecting to upstream");

            if (!r->request_body_no_buffering) {
                peer->unsent = 1;
                peer->upstream->request_sent = 0;
            }

            return NGX_ERROR;
        }
    }

    return peer->output(peer->output_ctx, in);
}


/* what nginx would not repeat must not meet a connection closed by its peer */

static ngx_uint_t
ngx_http_k8s_must_peek(ngx_http_k8s_peer_t *peer)
{
    ngx_http_request_t  *r;

    r = peer->request;

    return (r->method & (NGX_HTTP_POST|NGX_HTTP_LOCK|NGX_HTTP_PATCH))
           || r->request_body_no_buffering
           || !(peer->upstream->conf->next_upstream
                & NGX_HTTP_UPSTREAM_FT_ERROR);
}


static void
ngx_http_k8s_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_k8s_peer_t *peer = data;

    ngx_msec_t            timeout;
    ngx_uint_t            none;
    ngx_connection_t     *c;
    ngx_k8s_table_t      *table;
    ngx_http_upstream_t  *u;
    ngx_http_k8s_pool_t  *pool;

    u = peer->upstream;
    c = pc->connection;
    pool = &peer->state->pool;

    none = (state & NGX_PEER_FAILED) && ngx_http_k8s_not_connected(u, pc);

    table = ngx_k8s_pin(peer->block);

    if (pc->sockaddr && table) {

        /* a pooled connection that fails says nothing of the endpoint */

        ngx_k8s_peer_note(table, &peer->key.peer,
                          (state & NGX_PEER_FAILED) && !pc->cached, none);

        /* the end of an upgraded connection says nothing of the endpoint */

        if (peer->choice.timed && !(state & NGX_PEER_FAILED) && !u->upgrade) {
            ngx_k8s_peer_took(table, &peer->key.peer,
                              ngx_current_msec - u->start_time);
        }
    }

    if (pc->tries
        && !(none && ngx_http_k8s_refused(peer, c))
        && !(peer->unsent && peer->choice.ntried < NGX_K8S_TRIED))
    {
        pc->tries--;
    }

    if (peer->once) {
        return;
    }

    timeout = ngx_http_k8s_pool_keep(u, c, state, pool->requests, pool->time,
                                     pool->timeout);

    if (timeout == 0
        || !peer->state->ready
        || table == NULL
        || (table->version != peer->choice.version
            && ngx_k8s_peer_usable(table, &peer->key.peer) != NGX_OK))
    {
        return;
    }

    if (ngx_http_k8s_pool_put(pool, &peer->key, peer->address, c, timeout)
        == NGX_OK)
    {
        pc->connection = NULL;
    }
}


/* 1 when a try failed before there was a connection */

static ngx_uint_t
ngx_http_k8s_not_connected(ngx_http_upstream_t *u, ngx_peer_connection_t *pc)
{
    if (u->request_sent || pc->cached) {
        return 0;
    }

#if (NGX_HTTP_SSL)
    if (pc->connection && pc->connection->ssl) {
        return 0;
    }
#endif

    return 1;
}


/*
 * A connection that is refused costs next to nothing, and is no try as long as
 * an endpoint is left that was not asked: many pods of a Service may go at
 * once, and some time passes until the table says so.  A host that is not
 * reached takes seconds to say that; and nginx itself gives a try back for a
 * pooled connection.
 */

static ngx_uint_t
ngx_http_k8s_refused(ngx_http_k8s_peer_t *peer, ngx_connection_t *c)
{
    ngx_http_upstream_t  *u;

    u = peer->upstream;

    if (ngx_current_msec - u->start_time >= NGX_HTTP_K8S_REFUSED
        || !ngx_k8s_choice_untried(&peer->choice))
    {
        return 0;
    }

    return c == NULL || (!c->write->timedout && !c->read->timedout);
}
