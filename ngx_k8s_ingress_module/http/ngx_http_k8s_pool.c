
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_pool.h>


#define NGX_HTTP_K8S_BUCKETS         256

/* how soon an endpoint that left the table has no idle connections any more */
#define NGX_HTTP_K8S_SWEEP           500

/* endpoints looked at in one turn of a sweep, at least one connection's */
#define NGX_HTTP_K8S_SWEEP_WORK      20000


typedef struct {
    ngx_queue_t                   queue;     /* idle or free */
    ngx_queue_t                   bucket;
    ngx_http_k8s_pool_t          *pool;
    ngx_connection_t             *connection;
    ngx_http_k8s_pool_key_t       key;
    ngx_k8s_address_t             address;   /* that is not made anew for each
                                                request */
    ngx_uint_t                    version;   /* of the table, when checked */
} ngx_http_k8s_idle_t;


static ngx_queue_t *ngx_http_k8s_pool_bucket(ngx_http_k8s_pool_t *pool,
    ngx_http_k8s_pool_key_t *key);
static ngx_http_k8s_idle_t *ngx_http_k8s_pool_item(ngx_http_k8s_pool_t *pool);
static void ngx_http_k8s_pool_shrink(ngx_http_k8s_pool_t *pool, ngx_uint_t n);
static void ngx_http_k8s_pool_take(ngx_http_k8s_idle_t *item);
static void ngx_http_k8s_pool_close(ngx_http_k8s_idle_t *item);
static ngx_uint_t ngx_http_k8s_pool_open(ngx_connection_t *c);
static void ngx_http_k8s_pool_read_handler(ngx_event_t *ev);
static void ngx_http_k8s_pool_dummy_handler(ngx_event_t *ev);
static void ngx_http_k8s_pool_sweep(ngx_event_t *ev);
static ngx_msec_t ngx_http_k8s_pool_idle_time(ngx_http_upstream_t *u,
    ngx_msec_t timeout);


ngx_int_t
ngx_http_k8s_pool_init(ngx_http_k8s_pool_t *pool, ngx_k8s_block_t *block,
    ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    pool->block = block;
    pool->n = 0;

    ngx_queue_init(&pool->idle);
    ngx_queue_init(&pool->free);

    pool->buckets = ngx_palloc(cycle->pool,
                               NGX_HTTP_K8S_BUCKETS * sizeof(ngx_queue_t));
    if (pool->buckets == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_K8S_BUCKETS; i++) {
        ngx_queue_init(&pool->buckets[i]);
    }

    pool->dummy.fd = (ngx_socket_t) -1;
    pool->dummy.data = pool;

    pool->sweep.handler = ngx_http_k8s_pool_sweep;
    pool->sweep.data = &pool->dummy;
    pool->sweep.log = cycle->log;
    pool->sweep.cancelable = 1;

    return NGX_OK;
}


void
ngx_http_k8s_pool_done(ngx_http_k8s_pool_t *pool)
{
    ngx_queue_t  *q;

    if (pool->sweep.timer_set) {
        ngx_del_timer(&pool->sweep);
    }

    while (!ngx_queue_empty(&pool->idle)) {
        q = ngx_queue_head(&pool->idle);
        ngx_http_k8s_pool_close(ngx_queue_data(q, ngx_http_k8s_idle_t, queue));
    }
}


void
ngx_http_k8s_pool_limit(ngx_http_k8s_pool_t *pool, ngx_uint_t n)
{
    pool->connections = n;

    if (pool->buckets) {
        ngx_http_k8s_pool_shrink(pool, n);
    }
}


/* closes those that were not used for longest */

static void
ngx_http_k8s_pool_shrink(ngx_http_k8s_pool_t *pool, ngx_uint_t n)
{
    ngx_queue_t  *q;

    while (pool->n > n) {
        q = ngx_queue_last(&pool->idle);
        ngx_http_k8s_pool_close(ngx_queue_data(q, ngx_http_k8s_idle_t, queue));
    }
}


/* a free one; those that there have been are kept */

static ngx_http_k8s_idle_t *
ngx_http_k8s_pool_item(ngx_http_k8s_pool_t *pool)
{
    ngx_queue_t          *q;
    ngx_http_k8s_idle_t  *item;

    if (!ngx_queue_empty(&pool->free)) {
        q = ngx_queue_head(&pool->free);
        ngx_queue_remove(q);

        return ngx_queue_data(q, ngx_http_k8s_idle_t, queue);
    }

    item = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_http_k8s_idle_t));

    if (item) {
        item->pool = pool;
    }

    return item;
}


ngx_connection_t *
ngx_http_k8s_pool_get(ngx_http_k8s_pool_t *pool, ngx_http_k8s_pool_key_t *key,
    ngx_uint_t peek, ngx_k8s_address_t *address)
{
    ngx_queue_t          *q, *next, *bucket;
    ngx_connection_t     *c;
    ngx_http_k8s_idle_t  *item;

    bucket = ngx_http_k8s_pool_bucket(pool, key);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = next)
    {
        next = ngx_queue_next(q);
        item = ngx_queue_data(q, ngx_http_k8s_idle_t, bucket);

        if (item->key.protocol != key->protocol
            || !ngx_k8s_peer_eq(&item->key.peer, &key->peer))
        {
            continue;
        }

        c = item->connection;

        if (peek && !ngx_http_k8s_pool_open(c)) {
            ngx_http_k8s_pool_close(item);
            continue;
        }

        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                       "http k8s pool: using connection %p", c);

        ngx_k8s_address_copy(address, &item->address);

        ngx_http_k8s_pool_take(item);

        c->idle = 0;
        c->sent = 0;
        c->data = NULL;

        ngx_reusable_connection(c, 0);

        if (c->read->timer_set) {
            ngx_del_timer(c->read);
        }

        return c;
    }

    return NULL;
}


ngx_uint_t
ngx_http_k8s_pool_count(ngx_http_k8s_pool_t *pool,
    ngx_http_k8s_pool_key_t *key)
{
    ngx_uint_t            n;
    ngx_queue_t          *q, *bucket;
    ngx_http_k8s_idle_t  *item;

    n = 0;
    bucket = ngx_http_k8s_pool_bucket(pool, key);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        item = ngx_queue_data(q, ngx_http_k8s_idle_t, bucket);

        n += (item->key.protocol == key->protocol
              && ngx_k8s_peer_eq(&item->key.peer, &key->peer));
    }

    return n;
}


ngx_int_t
ngx_http_k8s_pool_put(ngx_http_k8s_pool_t *pool, ngx_http_k8s_pool_key_t *key,
    ngx_k8s_address_t *address, ngx_connection_t *c, ngx_msec_t timeout)
{
    ngx_http_k8s_idle_t  *item;

    if (pool->connections == 0
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_http_k8s_pool_shrink(pool, pool->connections - 1);

    item = ngx_http_k8s_pool_item(pool);
    if (item == NULL) {
        return NGX_DECLINED;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http k8s pool: saving connection %p", c);

    item->connection = c;
    item->key = *key;
    item->version = 0;

    ngx_k8s_address_copy(&item->address, address);

    ngx_queue_insert_head(&pool->idle, &item->queue);
    ngx_queue_insert_head(ngx_http_k8s_pool_bucket(pool, key), &item->bucket);
    pool->n++;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->delayed = 0;
    ngx_add_timer(c->read, timeout);

    c->write->handler = ngx_http_k8s_pool_dummy_handler;
    c->read->handler = ngx_http_k8s_pool_read_handler;

    c->data = item;
    c->idle = 1;
    c->log = ngx_cycle->log;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;
    c->pool->log = ngx_cycle->log;

    ngx_reusable_connection(c, 1);

    if (!pool->sweep.timer_set) {
        ngx_add_timer(&pool->sweep, NGX_HTTP_K8S_SWEEP);
    }

    if (c->read->ready) {
        ngx_http_k8s_pool_read_handler(c->read);
    }

    return NGX_OK;
}


static ngx_queue_t *
ngx_http_k8s_pool_bucket(ngx_http_k8s_pool_t *pool,
    ngx_http_k8s_pool_key_t *key)
{
    uint32_t         hash;
    ngx_k8s_peer_t  *peer;

    peer = &key->peer;

    /* an identity is a hash already */

    hash = peer->identity ? (uint32_t) peer->identity
                          : ngx_murmur_hash2(peer->addr, 16) ^ peer->port;

    hash ^= (uint32_t) key->protocol;

    return &pool->buckets[hash % NGX_HTTP_K8S_BUCKETS];
}


static void
ngx_http_k8s_pool_take(ngx_http_k8s_idle_t *item)
{
    ngx_queue_remove(&item->queue);
    ngx_queue_remove(&item->bucket);
    ngx_queue_insert_head(&item->pool->free, &item->queue);

    item->connection = NULL;
    item->pool->n--;
}


static void
ngx_http_k8s_pool_close(ngx_http_k8s_idle_t *item)
{
    ngx_connection_t  *c;

    c = item->connection;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http k8s pool: closing connection %p", c);

    ngx_http_k8s_pool_take(item);

#if (NGX_HTTP_SSL)

    /* nothing is waited for: nobody reads on */

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(c);
    }

#endif

    ngx_destroy_pool(c->pool);
    ngx_close_connection(c);
}


/* 1 when the peer has neither closed nor sent anything */

static ngx_uint_t
ngx_http_k8s_pool_open(ngx_connection_t *c)
{
    int   n;
    char  buf[1];

    n = recv(c->fd, buf, 1, MSG_PEEK);

    return n == -1 && ngx_socket_errno == NGX_EAGAIN;
}


static void
ngx_http_k8s_pool_read_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    if (!c->close && !c->read->timedout && ngx_http_k8s_pool_open(c)) {
        ev->ready = 0;

        if (ngx_handle_read_event(c->read, 0) == NGX_OK) {
            return;
        }
    }

    ngx_http_k8s_pool_close(c->data);
}


static void
ngx_http_k8s_pool_dummy_handler(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0, "http k8s pool: dummy");
}


/*
 * Closes what belongs to endpoints that the table has no more.  A connection
 * is looked up by the Service that it was chosen for; one that another Service
 * still has is closed as well, which costs a new connection and no more.
 */

static void
ngx_http_k8s_pool_sweep(ngx_event_t *ev)
{
    ngx_uint_t              version, work;
    ngx_queue_t            *q, *next;
    ngx_k8s_table_t        *table;
    ngx_connection_t       *dummy;
    ngx_http_k8s_idle_t    *item;
    ngx_http_k8s_pool_t    *pool;
    ngx_k8s_service_rec_t  *service;

    dummy = ev->data;
    pool = dummy->data;

    if (pool->n == 0) {
        return;
    }

    table = ngx_k8s_pin(pool->block);
    version = table ? ngx_k8s_table_version(table) : 0;

    if (table == NULL || version == pool->version) {
        ngx_add_timer(ev, NGX_HTTP_K8S_SWEEP);
        return;
    }

    work = 0;

    for (q = ngx_queue_head(&pool->idle);
         q != ngx_queue_sentinel(&pool->idle);
         q = next)
    {
        next = ngx_queue_next(q);
        item = ngx_queue_data(q, ngx_http_k8s_idle_t, queue);

        if (item->version == version || item->key.peer.service == 0) {
            continue;
        }

        if (work > NGX_HTTP_K8S_SWEEP_WORK) {
            ngx_add_timer(ev, 1);
            return;
        }

        service = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                          item->key.peer.service,
                                          item->key.peer.generation);

        work += 1 + (service ? service->endpoints.n : 0);

        if (ngx_k8s_peer_usable(table, &item->key.peer) != NGX_OK) {
            ngx_http_k8s_pool_close(item);
            continue;
        }

        item->version = version;
    }

    pool->version = version;

    ngx_add_timer(ev, NGX_HTTP_K8S_SWEEP);
}


ngx_msec_t
ngx_http_k8s_pool_keep(ngx_http_upstream_t *u, ngx_connection_t *c,
    ngx_uint_t state, ngx_uint_t requests, ngx_msec_t time, ngx_msec_t timeout)
{
    if (c == NULL
        || (state & NGX_PEER_FAILED)
        || c->read->eof
        || c->read->error
        || c->read->timedout
        || c->write->error
        || c->write->timedout
        || c->requests >= requests
        || ngx_current_msec - c->start_time > time
        || !u->keepalive
        || !u->request_body_sent
        || ngx_terminate
        || ngx_exiting)
    {
        return 0;
    }

    return ngx_http_k8s_pool_idle_time(u, timeout);
}


static ngx_msec_t
ngx_http_k8s_pool_idle_time(ngx_http_upstream_t *u, ngx_msec_t timeout)
{
    u_char           *p, *last;
    ngx_int_t         n;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &u->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return timeout;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == sizeof("Keep-Alive") - 1
            && ngx_memcmp(h[i].lowcase_key, "keep-alive",
                          sizeof("keep-alive") - 1)
               == 0)
        {
            break;
        }
    }

    p = ngx_strlcasestrn(h[i].value.data,
                         h[i].value.data + h[i].value.len,
                         (u_char *) "timeout=", sizeof("timeout=") - 2);
    if (p == NULL) {
        return timeout;
    }

    p += sizeof("timeout=") - 1;
    last = h[i].value.data + h[i].value.len;

    for (n = 0; p < last && *p >= '0' && *p <= '9' && n < 100000; p++) {
        n = n * 10 + (*p - '0');
    }

    if (n == 0) {
        return 0;
    }

    return ngx_min(timeout, (ngx_msec_t) n * 1000 - 500);
}


#if (NGX_HTTP_SSL)

ngx_int_t
ngx_http_k8s_set_session(ngx_peer_connection_t *pc, void *data)
{
    return NGX_OK;
}


void
ngx_http_k8s_save_session(ngx_peer_connection_t *pc, void *data)
{
    return;
}

#endif
