
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Answers of auth servers that are kept for other requests with the same key,
 * of all workers, and the waiting for one that is asked for already.  What goes
 * wrong here leads to a question, never to an answer.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_ssl.h>


/* milliseconds, from one look at a flight of another process to the next */
#define NGX_HTTP_K8S_AUTH_POLL       10

/* milliseconds, after which a request asks for itself */
#define NGX_HTTP_K8S_AUTH_WAIT       5000

#define NGX_HTTP_K8S_FLIGHTS         64

/* of a name, beside the key that the settings say */
#define NGX_HTTP_K8S_AUTH_PARTS      11


/* of a worker: requests that wait for the same answer */

struct ngx_http_k8s_flight_s {
    ngx_queue_t              queue;      /* those of one hash */
    ngx_k8s_block_t         *block;
    ngx_atomic_uint_t        key;
    ngx_queue_t              waiters;    /* ngx_http_k8s_auth_ctx_t */
    ngx_event_t              timer;
};


static ngx_int_t ngx_http_k8s_auth_name(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_auth_ctx_t *a);
static ngx_int_t ngx_http_k8s_auth_load(ngx_http_request_t *r,
    ngx_http_k8s_auth_ctx_t *a);
static ngx_int_t ngx_http_k8s_auth_wait(ngx_http_k8s_auth_ctx_t *a,
    ngx_uint_t local);
static void ngx_http_k8s_auth_woken(ngx_event_t *ev);
static void ngx_http_k8s_auth_leave(ngx_http_k8s_auth_ctx_t *a);
static void ngx_http_k8s_auth_gone(void *data);
static ngx_queue_t *ngx_http_k8s_flight_list(ngx_atomic_uint_t key);
static ngx_http_k8s_flight_t *ngx_http_k8s_flight(ngx_k8s_block_t *block,
    ngx_atomic_uint_t key);
static void ngx_http_k8s_flight_wake(ngx_http_k8s_flight_t *flight);
static void ngx_http_k8s_flight_one(ngx_http_k8s_flight_t *flight,
    ngx_http_k8s_auth_ctx_t *a);
static void ngx_http_k8s_flight_free(ngx_http_k8s_flight_t *flight);
static void ngx_http_k8s_flight_timer(ngx_event_t *ev);
static void ngx_http_k8s_flight_end(ngx_http_k8s_auth_ctx_t *a,
    ngx_uint_t pass);
static ngx_msec_t ngx_http_k8s_auth_time(ngx_http_k8s_auth_ctx_t *a);
static ngx_int_t ngx_http_k8s_auth_age(ngx_str_t *value);
static ngx_int_t ngx_http_k8s_auth_save(ngx_http_k8s_auth_ctx_t *a);
static ngx_uint_t ngx_http_k8s_auth_saved(ngx_http_k8s_auth_t *auth,
    ngx_table_elt_t *h);


static ngx_queue_t  ngx_http_k8s_flights[NGX_HTTP_K8S_FLIGHTS];


ngx_int_t
ngx_http_k8s_auth_find(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_auth_ctx_t *a)
{
    ngx_int_t         rc;
    ngx_k8s_block_t  *block;

    block = ctx->block;

    if (block->limits_process == NGX_ERROR
        || (!a->named && ngx_http_k8s_auth_name(r, ctx, a) != NGX_OK))
    {
        return NGX_DECLINED;
    }

    if (ngx_k8s_answers_get(block->answers, &a->answer, ngx_current_msec,
                            r->pool)
        == NGX_OK
        && ngx_http_k8s_auth_load(r, a) == NGX_OK)
    {
        ngx_http_k8s_flight_end(a, 0);
        return NGX_OK;
    }

    if (a->asks) {
        return NGX_DECLINED;
    }

    rc = ngx_k8s_answers_begin(block->answers, block->limits,
                               block->limits_process, a->answer.key,
                               ngx_current_msec);

    if (rc == NGX_OK) {
        a->asks = 1;
    }

    if (rc == NGX_OK || rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    return ngx_http_k8s_auth_wait(a, rc == NGX_BUSY);
}


/*
 * All that an answer is for.  That of the settings is not enough: two
 * Ingresses, hosts or paths may say the same, and who sends other credentials
 * is somebody else.  NGX_DECLINED: nothing tells whom it would be for.
 */

static ngx_int_t
ngx_http_k8s_auth_name(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_auth_ctx_t *a)
{
    u_char              *p;
    size_t               len;
    uint32_t             n;
    ngx_str_t            parts[NGX_HTTP_K8S_AUTH_PARTS];
    ngx_uint_t           i;
    ngx_http_cleanup_t  *cln;

    if (ctx->names == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(parts, sizeof(parts));

    if (ngx_http_k8s_template_key(r, &a->auth->key, &parts[0]) != NGX_OK) {
        return NGX_DECLINED;
    }

    parts[1] = a->auth->settings;
    parts[2] = a->host;
    parts[3] = a->uri;
    parts[4] = r->headers_in.server;

    if (r->headers_in.authorization) {
        parts[5] = r->headers_in.authorization->value;
    }

    ngx_k8s_record_str(ctx->names, &ctx->names->namespace, &parts[6]);
    ngx_k8s_record_str(ctx->names, &ctx->names->name, &parts[7]);
    ngx_k8s_record_str(ctx->names, &ctx->names->host, &parts[8]);
    ngx_k8s_record_str(ctx->names, &ctx->names->path, &parts[9]);

#if (NGX_HTTP_SSL)

    if (ngx_http_k8s_ssl_client_digest(r, &parts[10]) != NGX_OK) {
        return NGX_ERROR;
    }

#endif

    len = 0;

    for (i = 0; i < NGX_HTTP_K8S_AUTH_PARTS; i++) {
        len += sizeof(uint32_t) + parts[i].len;
    }

    if (len > NGX_K8S_ANSWER_MAX) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, len);
    cln = ngx_http_cleanup_add(r, 0);

    if (p == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    a->answer.name.len = len;
    a->answer.name.data = p;

    for (i = 0; i < NGX_HTTP_K8S_AUTH_PARTS; i++) {
        n = parts[i].len;
        p = ngx_cpymem(p, &n, sizeof(uint32_t));
        p = ngx_cpymem(p, parts[i].data, parts[i].len);
    }

    a->block = ctx->block;
    a->answer.key = ngx_k8s_limits_key(a->block->limits, &a->answer.name, 1);
    a->named = 1;

    cln->handler = ngx_http_k8s_auth_gone;
    cln->data = a;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_auth_load(ngx_http_request_t *r, ngx_http_k8s_auth_ctx_t *a)
{
    u_char           *p, *last;
    uint32_t          len[2];
    ngx_list_t       *headers;
    ngx_table_elt_t  *h;

    headers = ngx_list_create(r->pool, 4, sizeof(ngx_table_elt_t));
    if (headers == NULL) {
        return NGX_ERROR;
    }

    p = a->answer.answer.data;
    last = p + a->answer.answer.len;

    while ((size_t) (last - p) >= sizeof(len)) {

        ngx_memcpy(len, p, sizeof(len));
        p += sizeof(len);

        h = ngx_list_push(headers);

        if (h == NULL || (size_t) (last - p) < (size_t) len[0] + len[1]) {
            return NGX_ERROR;
        }

        h->hash = 1;
        h->key.len = len[0];
        h->key.data = p;
        h->value.len = len[1];
        h->value.data = p + len[0];
        h->lowcase_key = NULL;
        h->next = NULL;

        p += len[0] + len[1];
    }

    a->headers = headers;
    a->status = a->answer.status;

    return NGX_OK;
}


/* local: another request of this process asks, and will say so.  One that ends
   without an answer is followed by another one, but not for ever */

static ngx_int_t
ngx_http_k8s_auth_wait(ngx_http_k8s_auth_ctx_t *a, ngx_uint_t local)
{
    ngx_msec_int_t          left;
    ngx_http_k8s_flight_t  *flight;

    if (a->until == 0) {
        a->until = ngx_current_msec + NGX_HTTP_K8S_AUTH_WAIT;
    }

    left = a->until - ngx_current_msec;

    if (left <= 0) {
        return NGX_DECLINED;
    }

    flight = ngx_http_k8s_flight(a->block, a->answer.key);

    if (flight == NULL) {

        flight = ngx_calloc(sizeof(ngx_http_k8s_flight_t), ngx_cycle->log);
        if (flight == NULL) {
            return NGX_DECLINED;
        }

        flight->block = a->block;
        flight->key = a->answer.key;

        ngx_queue_init(&flight->waiters);
        ngx_queue_insert_tail(ngx_http_k8s_flight_list(flight->key),
                              &flight->queue);

        flight->timer.handler = ngx_http_k8s_flight_timer;
        flight->timer.data = flight;
        flight->timer.log = ngx_cycle->log;
        flight->timer.cancelable = 1;

        ngx_add_timer(&flight->timer, local ? NGX_K8S_FLIGHT_LATE
                                            : NGX_HTTP_K8S_AUTH_POLL);
    }

    a->flight = flight;

    ngx_queue_insert_tail(&flight->waiters, &a->queue);

    a->wait.handler = ngx_http_k8s_auth_woken;
    a->wait.data = a;
    a->wait.log = a->main->connection->log;

    ngx_add_timer(&a->wait, left);

    return NGX_AGAIN;
}


static void
ngx_http_k8s_auth_woken(ngx_event_t *ev)
{
    ngx_http_k8s_auth_ctx_t *a = ev->data;

    ngx_http_k8s_auth_leave(a);

    a->resume(a);
}


static void
ngx_http_k8s_auth_leave(ngx_http_k8s_auth_ctx_t *a)
{
    ngx_http_k8s_flight_t  *flight;

    flight = a->flight;

    if (flight) {
        a->flight = NULL;
        ngx_queue_remove(&a->queue);

        if (ngx_queue_empty(&flight->waiters)) {
            ngx_http_k8s_flight_free(flight);
        }
    }

    if (a->wait.timer_set) {
        ngx_del_timer(&a->wait);
    }

    if (a->wait.posted) {
        ngx_delete_posted_event(&a->wait);
    }
}


/* the request ends, others may have to ask */

static void
ngx_http_k8s_auth_gone(void *data)
{
    ngx_http_k8s_auth_ctx_t *a = data;

    ngx_http_k8s_auth_leave(a);
    ngx_http_k8s_flight_end(a, 0);
}


static ngx_queue_t *
ngx_http_k8s_flight_list(ngx_atomic_uint_t key)
{
    ngx_queue_t  *q;

    q = &ngx_http_k8s_flights[(key >> 2) % NGX_HTTP_K8S_FLIGHTS];

    if (q->next == NULL) {
        ngx_queue_init(q);
    }

    return q;
}


static ngx_http_k8s_flight_t *
ngx_http_k8s_flight(ngx_k8s_block_t *block, ngx_atomic_uint_t key)
{
    ngx_queue_t            *q, *list;
    ngx_http_k8s_flight_t  *flight;

    list = ngx_http_k8s_flight_list(key);

    for (q = ngx_queue_head(list);
         q != ngx_queue_sentinel(list);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_k8s_flight_t, queue);

        if (flight->key == key && flight->block == block) {
            return flight;
        }
    }

    return NULL;
}


static void
ngx_http_k8s_flight_wake(ngx_http_k8s_flight_t *flight)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&flight->waiters)) {
        q = ngx_queue_head(&flight->waiters);

        ngx_http_k8s_flight_one(flight,
                           ngx_queue_data(q, ngx_http_k8s_auth_ctx_t, queue));
    }

    ngx_http_k8s_flight_free(flight);
}


static void
ngx_http_k8s_flight_one(ngx_http_k8s_flight_t *flight,
    ngx_http_k8s_auth_ctx_t *a)
{
    a->flight = NULL;

    ngx_queue_remove(&a->queue);
    ngx_post_event(&a->wait, &ngx_posted_events);
}


static void
ngx_http_k8s_flight_free(ngx_http_k8s_flight_t *flight)
{
    if (flight->timer.timer_set) {
        ngx_del_timer(&flight->timer);
    }

    ngx_queue_remove(&flight->queue);
    ngx_free(flight);
}


static void
ngx_http_k8s_flight_timer(ngx_event_t *ev)
{
    ngx_http_k8s_flight_t *flight = ev->data;

    ngx_int_t                 rc;
    ngx_queue_t              *q;
    ngx_k8s_block_t          *block;
    ngx_http_k8s_auth_ctx_t  *a;

    block = flight->block;

    rc = ngx_k8s_answers_look(block->answers, block->limits,
                              block->limits_process, flight->key,
                              ngx_current_msec, ngx_k8s_limit_zone_alive);

    if (rc == NGX_DECLINED) {
        ngx_http_k8s_flight_wake(flight);
        return;
    }

    if (rc == NGX_OK) {

        q = ngx_queue_head(&flight->waiters);
        a = ngx_queue_data(q, ngx_http_k8s_auth_ctx_t, queue);

        a->asks = 1;

        ngx_http_k8s_flight_one(flight, a);

        if (ngx_queue_empty(&flight->waiters)) {
            ngx_http_k8s_flight_free(flight);
            return;
        }
    }

    ngx_add_timer(ev, rc == NGX_OK ? NGX_K8S_FLIGHT_LATE
                                   : NGX_HTTP_K8S_AUTH_POLL);
}


static void
ngx_http_k8s_flight_end(ngx_http_k8s_auth_ctx_t *a, ngx_uint_t pass)
{
    ngx_k8s_block_t        *block;
    ngx_http_k8s_flight_t  *flight;

    if (!a->asks) {
        return;
    }

    a->asks = 0;
    block = a->block;

    ngx_k8s_answers_end(block->answers, block->limits_process, a->answer.key,
                        pass, ngx_current_msec);

    flight = ngx_http_k8s_flight(block, a->answer.key);

    if (flight) {
        ngx_http_k8s_flight_wake(flight);
    }
}


void
ngx_http_k8s_auth_keep(ngx_http_k8s_auth_ctx_t *a)
{
    ngx_int_t         rc;
    ngx_k8s_block_t  *block;

    if (!a->named) {
        return;
    }

    block = a->block;
    rc = NGX_DECLINED;
    a->answer.expires = a->status ? ngx_http_k8s_auth_time(a) : 0;

    if (a->answer.expires && ngx_http_k8s_auth_save(a) == NGX_OK) {

        a->answer.expires += ngx_current_msec;
        a->answer.status = a->status;

        rc = ngx_k8s_answers_put(block->answers, block->limits,
                                 block->limits_process, &a->answer,
                                 ngx_current_msec);
    }

    ngx_http_k8s_flight_end(a, rc != NGX_OK);
}


/*
 * Milliseconds that an answer may be kept, as nginx's cache has it; 0: it may
 * not.  A cookie is for one client, and what varies is not only of the key.
 */

static ngx_msec_t
ngx_http_k8s_auth_time(ngx_http_k8s_auth_ctx_t *a)
{
    time_t            expires;
    ngx_int_t         age, n;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  cookie = ngx_string("set-cookie");
    static ngx_str_t  vary = ngx_string("vary");
    static ngx_str_t  control = ngx_string("cache-control");
    static ngx_str_t  expire = ngx_string("expires");

    if (a->status >= NGX_HTTP_SPECIAL_RESPONSE
        && a->status != NGX_HTTP_UNAUTHORIZED
        && a->status != NGX_HTTP_FORBIDDEN)
    {
        return 0;
    }

    part = &a->headers->part;
    i = 0;

    if (ngx_http_k8s_header_next(&part, &i, &cookie)) {
        return 0;
    }

    part = &a->headers->part;
    i = 0;

    if (ngx_http_k8s_header_next(&part, &i, &vary)) {
        return 0;
    }

    part = &a->headers->part;
    i = 0;
    age = NGX_DECLINED;

    while ((h = ngx_http_k8s_header_next(&part, &i, &control)) != NULL) {

        n = ngx_http_k8s_auth_age(&h->value);

        if (n == 0) {
            return 0;
        }

        if (n > 0) {
            age = (age > 0) ? ngx_min(age, n) : n;
        }
    }

    if (age > 0) {
        return (ngx_msec_t) age * 1000;
    }

    part = &a->headers->part;
    i = 0;

    h = ngx_http_k8s_header_next(&part, &i, &expire);

    if (h) {
        expires = ngx_parse_http_time(h->value.data, h->value.len);

        return (expires == NGX_ERROR || expires <= ngx_time())
               ? 0 : (ngx_msec_t) (expires - ngx_time()) * 1000;
    }

    return ngx_k8s_duration(&a->auth->duration, a->status);
}


/* seconds that Cache-Control says, 0: it is not kept; NGX_DECLINED: nothing */

static ngx_int_t
ngx_http_k8s_auth_age(ngx_str_t *value)
{
    u_char      *p, *last;
    ngx_int_t    n;
    ngx_uint_t   i;

    static char  *never[] = { "no-cache", "no-store", "private", NULL };
    static char  *ages[] = { "s-maxage=", "max-age=", NULL };

    last = value->data + value->len;

    for (i = 0; never[i]; i++) {
        if (ngx_strlcasestrn(value->data, last, (u_char *) never[i],
                             ngx_strlen(never[i]) - 1))
        {
            return 0;
        }
    }

    for (i = 0; ages[i]; i++) {

        p = ngx_strlcasestrn(value->data, last, (u_char *) ages[i],
                             ngx_strlen(ages[i]) - 1);
        if (p == NULL) {
            continue;
        }

        p += ngx_strlen(ages[i]);

        for (n = 0; p < last && *p >= '0' && *p <= '9'; p++) {
            n = ngx_min(n * 10 + (*p - '0'), NGX_MAX_INT32_VALUE);
        }

        return n;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_auth_save(ngx_http_k8s_auth_ctx_t *a)
{
    u_char           *p;
    size_t            size;
    uint32_t          len[2];
    ngx_uint_t        i, copy;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    size = 0;
    p = NULL;

    for (copy = 0; copy < 2; copy++) {

        for (part = &a->headers->part; part; part = part->next) {

            h = part->elts;

            for (i = 0; i < part->nelts; i++) {

                if (!ngx_http_k8s_auth_saved(a->auth, &h[i])) {
                    continue;
                }

                if (!copy) {
                    size += sizeof(len) + h[i].key.len + h[i].value.len;
                    continue;
                }

                len[0] = h[i].key.len;
                len[1] = h[i].value.len;

                p = ngx_cpymem(p, len, sizeof(len));
                p = ngx_cpymem(p, h[i].key.data, len[0]);
                p = ngx_cpymem(p, h[i].value.data, len[1]);
            }
        }

        if (!copy) {

            p = ngx_pnalloc(a->main->pool, size + 1);
            if (p == NULL) {
                return NGX_ERROR;
            }

            a->answer.answer.len = size;
            a->answer.answer.data = p;
        }
    }

    return NGX_OK;
}


/* what ngx_http_k8s_auth.c reads of an answer */

static ngx_uint_t
ngx_http_k8s_auth_saved(ngx_http_k8s_auth_t *auth, ngx_table_elt_t *h)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *name;

    static ngx_str_t  challenge = ngx_string("www-authenticate");

    if (h->hash == 0) {
        return 0;
    }

    if (h->key.len == challenge.len
        && ngx_strncasecmp(h->key.data, challenge.data, challenge.len) == 0)
    {
        return 1;
    }

    name = auth->headers ? auth->headers->elts : NULL;

    for (i = 0; auth->headers && i < auth->headers->nelts; i++) {
        if (h->key.len == name[i].key.len
            && ngx_strncasecmp(h->key.data, name[i].key.data, h->key.len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}
