
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


/* endpoints copied at the start, for when the Service goes meanwhile */
#define NGX_HTTP_K8S_COPY            4

/* and how long they are good: an address can soon be another pod's */
#define NGX_HTTP_K8S_COPY_TIME       10000

/* endpoints that one request remembers to have tried */
#define NGX_HTTP_K8S_TRIED           64

/* and that one try looks at, for one that has not refused a moment ago */
#define NGX_HTTP_K8S_LOOKED          1024

/* milliseconds, from a connect to its failure: later it is no refusal */
#define NGX_HTTP_K8S_REFUSED         250


/* of one block: name and limits of the cycle, the rest of one worker */

typedef struct {
    ngx_str_t                     upstream;
    ngx_http_k8s_pool_t           pool;
    uint32_t                     *cursors;   /* by service slot; 0: not yet */
    ngx_uint_t                    ncursors;
    unsigned                      ready:1;
} ngx_http_k8s_state_t;


typedef struct {
    ngx_k8s_block_t              *block;
    ngx_http_k8s_state_t         *state;
    ngx_http_request_t           *request;
    ngx_http_upstream_t          *upstream;

    ngx_http_k8s_pool_key_t       key;       /* with the endpoint in use */
    ngx_uint_t                    version;   /* of the table at that time */
    ngx_msec_t                    start;

    ngx_output_chain_filter_pt    output;    /* nginx's own */
    void                         *output_ctx;

    ngx_uint_t                    nendpoints;  /* at the last try */
    ngx_uint_t                    ntried;
    ngx_uint_t                    ncopied;
    uint32_t                      tried[NGX_HTTP_K8S_TRIED];  /* hashes */
    ngx_k8s_endpoint_rec_t        copied[NGX_HTTP_K8S_COPY];

    unsigned                      fresh:1;   /* nothing sent on a new one */
    unsigned                      unsent:1;  /* and nothing will be */
} ngx_http_k8s_peer_t;


/* "[address]:65535" */
#define NGX_HTTP_K8S_ADDRESS_LEN     (NGX_INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* of one try; without the room for a path that ngx_sockaddr_t has */

typedef struct {
    ngx_str_t                     name;
    union {
        struct sockaddr           sockaddr;
        struct sockaddr_in        sockaddr_in;
#if (NGX_HAVE_INET6)
        struct sockaddr_in6       sockaddr_in6;
#endif
    } sockaddr;
    u_char                        text[NGX_HTTP_K8S_ADDRESS_LEN];
} ngx_http_k8s_address_t;


static ngx_int_t ngx_http_k8s_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_k8s_get_peer(ngx_peer_connection_t *pc, void *data);
static void ngx_http_k8s_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static ngx_int_t ngx_http_k8s_output(void *data, ngx_chain_t *in);
static ngx_uint_t ngx_http_k8s_has_left(ngx_http_k8s_peer_t *peer);
static ngx_int_t ngx_http_k8s_choose(ngx_http_k8s_peer_t *peer,
    ngx_k8s_table_t *table);
static ngx_uint_t ngx_http_k8s_was_tried(ngx_http_k8s_peer_t *peer,
    ngx_http_k8s_endpoint_t *ep);
static uint32_t *ngx_http_k8s_cursor(ngx_http_k8s_state_t *state,
    uint32_t slot);
static ngx_int_t ngx_http_k8s_set_address(ngx_http_request_t *r,
    ngx_peer_connection_t *pc, ngx_http_k8s_endpoint_t *ep);
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
    ngx_http_k8s_pool_t           *pool;
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

    pool = &state->pool;
    pool->connections =
                 ngx_http_k8s_default_number("upstream-keepalive-connections");
    pool->requests =
                    ngx_http_k8s_default_number("upstream-keepalive-requests");
    pool->timeout = 1000
                  * ngx_http_k8s_default_number("upstream-keepalive-timeout");
    pool->time = ngx_parse_time(ngx_http_k8s_default("upstream-keepalive-time"),
                                0);

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

    return NGX_OK;
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

    if (state->cursors) {
        ngx_free(state->cursors);
        state->cursors = NULL;
        state->ncursors = 0;
    }
}


static ngx_int_t
ngx_http_k8s_init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_k8s_ctx_t   *ctx;
    ngx_http_upstream_t  *u;
    ngx_http_k8s_peer_t  *peer;

    u = r->upstream;
    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || !ctx->routed || ctx->block != us->peer.data
        || ctx->service == 0)
    {
        /* a proxy_pass of the administrator's to our upstream */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "upstream \"%V\" serves \"k8s_ingress_pass\" only",
                      &us->host);
        return NGX_ERROR;
    }

    peer = ngx_palloc(r->pool, sizeof(ngx_http_k8s_peer_t));
    if (peer == NULL) {
        return NGX_ERROR;
    }

    peer->block = ctx->block;
    peer->state = ctx->block->http;
    peer->request = r;
    peer->upstream = u;
    peer->key.protocol = 0;
    peer->key.service = ctx->service;
    peer->key.generation = ctx->service_generation;
    peer->version = 0;
    peer->start = ngx_current_msec;
    peer->ntried = 0;
    peer->ncopied = 0;
    peer->fresh = 0;
    peer->unsent = 0;

    peer->output = u->output.output_filter;
    peer->output_ctx = u->output.filter_ctx;

    u->output.output_filter = ngx_http_k8s_output;
    u->output.filter_ctx = peer;

    ngx_http_k8s_interim(r, ctx);

    /* a lonely endpoint is asked again, as ingress-nginx does */

    u->peer.data = peer;
    u->peer.get = ngx_http_k8s_get_peer;
    u->peer.free = ngx_http_k8s_free_peer;
    u->peer.tries = u->conf->next_upstream_tries ? u->conf->next_upstream_tries
                                                 : 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_get_peer(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_k8s_peer_t *peer = data;

    ngx_int_t                 rc;
    ngx_connection_t         *c;
    ngx_k8s_table_t          *table;
    ngx_http_k8s_endpoint_t  *ep;

    pc->cached = 0;
    pc->connection = NULL;
    pc->sockaddr = NULL;

    if (peer->unsent) {

        /* for nginx to reset its output before the next try */

        peer->unsent = 0;
        peer->upstream->request_sent = 1;
    }

    table = ngx_k8s_pin(peer->block);

    rc = ngx_http_k8s_choose(peer, table);

    if (rc != NGX_OK) {
        return rc;
    }

    if (peer->ntried == 0 && peer->upstream->conf->next_upstream_tries == 0) {
        pc->tries = peer->nendpoints;
    }

    ep = &peer->key.endpoint;

    peer->tried[peer->ntried % NGX_HTTP_K8S_TRIED] =
                                                ngx_http_k8s_endpoint_hash(ep);
    peer->ntried++;

    if (ngx_http_k8s_set_address(peer->request, pc, ep) != NGX_OK) {
        return NGX_ERROR;
    }

    c = ngx_http_k8s_pool_get(&peer->state->pool, &peer->key,
                              ngx_http_k8s_must_peek(peer));
    peer->fresh = (c == NULL);

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

        if (ngx_http_k8s_has_left(peer)) {
            r = peer->request;

            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "the endpoint has left while connecting to upstream");

            if (!r->request_body_no_buffering) {
                peer->unsent = 1;
                peer->upstream->request_sent = 0;
            }

            return NGX_ERROR;
        }
    }

    return peer->output(peer->output_ctx, in);
}


static ngx_uint_t
ngx_http_k8s_has_left(ngx_http_k8s_peer_t *peer)
{
    ngx_k8s_table_t  *table;

    table = ngx_k8s_pin(peer->block);

    if (table == NULL || table->version == peer->version) {
        return 0;
    }

    if (ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                peer->key.service, peer->key.generation)
        == NULL)
    {
        /* it went with its last route: as long as the copies are good */

        return ngx_current_msec - peer->start >= NGX_HTTP_K8S_COPY_TIME;
    }

    return ngx_http_k8s_endpoint_usable(table, peer->key.service,
                                        peer->key.generation,
                                        &peer->key.endpoint)
           != NGX_OK;
}


/*
 * Sets peer->key.endpoint: round robin over what the table has at this moment.
 * When no others are left, endpoints that could not be connected to a moment
 * ago, and then those that failed this request.  The former have probably
 * ended, and their addresses may be other pods' before the table knows.
 */

static ngx_int_t
ngx_http_k8s_choose(ngx_http_k8s_peer_t *peer, ngx_k8s_table_t *table)
{
    uint32_t                 *cursor, start;
    ngx_uint_t                i, n, refused;
    ngx_k8s_stat_t           *stat;
    ngx_k8s_service_rec_t    *service;
    ngx_k8s_endpoint_rec_t   *rec;
    ngx_http_k8s_endpoint_t  *ep;

    ep = &peer->key.endpoint;
    service = NULL;
    rec = peer->copied;

    if (table) {
        peer->version = ngx_k8s_table_version(table);
        service = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                          peer->key.service,
                                          peer->key.generation);
    }

    if (service) {
        n = ngx_min(service->usable, service->endpoints.n);
        rec = ngx_k8s_record_at(service, service->endpoints.offset);

        if (peer->ntried == 0) {
            peer->ncopied = ngx_min(n, NGX_HTTP_K8S_COPY);
            ngx_memcpy(peer->copied, rec,
                       peer->ncopied * sizeof(ngx_k8s_endpoint_rec_t));
        }

    } else if (ngx_current_msec - peer->start < NGX_HTTP_K8S_COPY_TIME) {
        n = peer->ncopied;

        /* not for the pool, and without statistics */

        peer->version = 0;
        table = NULL;

    } else {
        n = 0;
    }

    if (n == 0) {
        return NGX_BUSY;
    }

    peer->nendpoints = n;
    refused = n;

    cursor = ngx_http_k8s_cursor(peer->state, peer->key.service);
    start = cursor ? *cursor : (uint32_t) ngx_random();

    for (i = 0; i < ngx_min(n, NGX_HTTP_K8S_LOOKED); i++) {
        stat = ngx_http_k8s_endpoint_copy(table, &rec[(start + i) % n], ep);

        if (ngx_http_k8s_endpoint_refused(stat)) {

            if (refused == n && !ngx_http_k8s_was_tried(peer, ep)) {
                refused = i;
            }

        } else if (!ngx_http_k8s_was_tried(peer, ep)) {
            goto found;
        }
    }

    i = (refused < n) ? refused : 0;

    (void) ngx_http_k8s_endpoint_copy(table, &rec[(start + i) % n], ep);

found:

    if (cursor) {
        *cursor = start + i + 1;

        if (*cursor == 0) {
            *cursor = 1;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_was_tried(ngx_http_k8s_peer_t *peer, ngx_http_k8s_endpoint_t *ep)
{
    uint32_t    hash;
    ngx_uint_t  i;

    if (peer->ntried == 0) {
        return 0;
    }

    hash = ngx_http_k8s_endpoint_hash(ep);

    for (i = 0; i < ngx_min(peer->ntried, NGX_HTTP_K8S_TRIED); i++) {
        if (peer->tried[i] == hash) {
            return 1;
        }
    }

    return 0;
}


/* of a worker; starts anywhere, so that workers do not go in step */

static uint32_t *
ngx_http_k8s_cursor(ngx_http_k8s_state_t *state, uint32_t slot)
{
    uint32_t    *cursors;
    ngx_uint_t   n;

    if (slot >= state->ncursors) {

        n = ngx_max(state->ncursors * 2, 256);

        while (n <= slot) {
            n *= 2;
        }

        cursors = ngx_calloc(n * sizeof(uint32_t), ngx_cycle->log);
        if (cursors == NULL) {
            return NULL;
        }

        if (state->cursors) {
            ngx_memcpy(cursors, state->cursors,
                       state->ncursors * sizeof(uint32_t));
            ngx_free(state->cursors);
        }

        state->cursors = cursors;
        state->ncursors = n;
    }

    if (state->cursors[slot] == 0) {
        state->cursors[slot] = (uint32_t) ngx_random() | 1;
    }

    return &state->cursors[slot];
}


/* the log phase reads the name when the table may have changed long since */

static ngx_int_t
ngx_http_k8s_set_address(ngx_http_request_t *r, ngx_peer_connection_t *pc,
    ngx_http_k8s_endpoint_t *ep)
{
    ngx_http_k8s_address_t  *a;

    a = ngx_palloc(r->pool, sizeof(ngx_http_k8s_address_t));
    if (a == NULL) {
        return NGX_ERROR;
    }

#if (NGX_HAVE_INET6)

    if (ep->family == 6) {
        ngx_memzero(&a->sockaddr, sizeof(struct sockaddr_in6));

        a->sockaddr.sockaddr_in6.sin6_family = AF_INET6;
        a->sockaddr.sockaddr_in6.sin6_port = htons(ep->port);
        ngx_memcpy(&a->sockaddr.sockaddr_in6.sin6_addr, ep->addr, 16);

        pc->socklen = sizeof(struct sockaddr_in6);

    } else

#endif

    {
        ngx_memzero(&a->sockaddr, sizeof(struct sockaddr_in));

        a->sockaddr.sockaddr_in.sin_family = AF_INET;
        a->sockaddr.sockaddr_in.sin_port = htons(ep->port);
        ngx_memcpy(&a->sockaddr.sockaddr_in.sin_addr, ep->addr, 4);

        pc->socklen = sizeof(struct sockaddr_in);
    }

    a->name.data = a->text;
    a->name.len = (ep->family == 4)
                  ? ngx_http_k8s_endpoint_text(a->text, ep)
                  : ngx_sock_ntop(&a->sockaddr.sockaddr, pc->socklen, a->text,
                                  NGX_HTTP_K8S_ADDRESS_LEN, 1);

    pc->sockaddr = &a->sockaddr.sockaddr;
    pc->name = &a->name;

    return NGX_OK;
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

        ngx_http_k8s_endpoint_note(table, &peer->key.endpoint,
                                   (state & NGX_PEER_FAILED) && !pc->cached,
                                   none);
    }

    if (pc->tries
        && !(none && ngx_http_k8s_refused(peer, c))
        && !(peer->unsent && peer->ntried < NGX_HTTP_K8S_TRIED))
    {
        pc->tries--;
    }

    if (c == NULL
        || (state & NGX_PEER_FAILED)
        || c->read->eof
        || c->read->error
        || c->read->timedout
        || c->write->error
        || c->write->timedout
        || c->requests >= pool->requests
        || ngx_current_msec - c->start_time > pool->time
        || !u->keepalive
        || !u->request_body_sent
        || ngx_terminate
        || ngx_exiting
        || !peer->state->ready)
    {
        return;
    }

    timeout = ngx_http_k8s_pool_idle_time(u, pool->timeout);
    if (timeout == 0) {
        return;
    }

    if (table == NULL
        || (table->version != peer->version
            && ngx_http_k8s_endpoint_usable(table, peer->key.service,
                                            peer->key.generation,
                                            &peer->key.endpoint)
               != NGX_OK))
    {
        return;
    }

    if (ngx_http_k8s_pool_put(pool, &peer->key, c, timeout) == NGX_OK) {
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
        || peer->ntried >= ngx_min(peer->nendpoints, NGX_HTTP_K8S_TRIED))
    {
        return 0;
    }

    return c == NULL || (!c->write->timedout && !c->read->timedout);
}
