
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_client.h>


#define NGX_K8S_CLIENT_BACKOFF       800
#define NGX_K8S_CLIENT_BACKOFF_RESET 120000

/*
 * Where nothing was heard for so long, no bookmark either, the server is asked
 * for its version, and has so long to answer.  Over HTTP/2 this goes over the
 * connection of the watches; together with the time between two looks it makes
 * 50 seconds at most until a connection is known as dead whose peer's kernel
 * still acknowledges what nobody reads.
 */

#define NGX_K8S_CLIENT_SILENCE       30000
#define NGX_K8S_CLIENT_PING          10000
#define NGX_K8S_CLIENT_LISTEN        10000


static ngx_int_t ngx_k8s_client_init(ngx_k8s_client_t *client);
static ngx_int_t ngx_k8s_client_reflectors(ngx_k8s_client_t *client);
static void ngx_k8s_client_listen(ngx_event_t *ev);
static ngx_int_t ngx_k8s_client_pong(ngx_k8s_call_t *call);
static void ngx_k8s_client_pinged(ngx_k8s_call_t *call);
static void ngx_k8s_client_want(ngx_k8s_source_t *s, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t wanted);
static ngx_uint_t ngx_k8s_client_missing(ngx_k8s_source_t *s,
    ngx_uint_t kind);
static void ngx_k8s_client_relist(ngx_k8s_source_t *s, ngx_uint_t kind);
static void ngx_k8s_client_stop(ngx_k8s_source_t *s);
static void ngx_k8s_client_exiting(void *data);
static void ngx_k8s_client_turn(void *data, ngx_uint_t begins);
static ngx_uint_t ngx_k8s_client_busy(void *data);
static void ngx_k8s_client_close(ngx_k8s_client_t *client);


char *
ngx_k8s_client_check(ngx_k8s_source_conf_t *conf, ngx_pool_t *pool)
{
    char               *error;
    ngx_k8s_cluster_t   cluster;

    error = ngx_k8s_cluster_load(conf, &cluster, pool);

    if (error == NULL) {
        conf->server = cluster.server;
        error = ngx_k8s_cluster_check(&cluster, pool);
    }

    if (error == NULL) {
        error = ngx_k8s_client_unresolvable(conf, &cluster.host, pool);
    }

    return error;
}


ngx_k8s_source_t *
ngx_k8s_client_start(ngx_k8s_source_conf_t *conf, ngx_k8s_sink_t *sink,
    ngx_log_t *log)
{
    ngx_pool_t        *pool;
    ngx_k8s_client_t  *client;

    pool = ngx_create_pool(4096, log);
    if (pool == NULL) {
        return NULL;
    }

    client = ngx_pcalloc(pool, sizeof(ngx_k8s_client_t));
    if (client == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    client->pool = pool;
    client->log = log;
    client->ident = -1;
    client->sink = sink;

    client->resolve.handler = ngx_k8s_client_resolve;
    client->resolve.data = client;
    client->resolve.log = log;
    client->resolve.cancelable = 1;

    client->listen.handler = ngx_k8s_client_listen;
    client->listen.data = client;
    client->listen.log = log;
    client->listen.cancelable = 1;

    client->conf = ngx_palloc(pool, sizeof(ngx_k8s_source_conf_t));
    if (client->conf == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    *client->conf = *conf;
    conf = client->conf;

    if (conf->page == 0) {
        conf->page = 500;
    }

    if (conf->object_max == 0) {
        conf->object_max = NGX_K8S_OBJECT_MAX;
    }

    if (conf->connect_timeout == 0) {
        conf->connect_timeout = NGX_K8S_CLIENT_CONNECT;
    }

    if (conf->backoff_max < NGX_K8S_CLIENT_BACKOFF) {
        conf->backoff_max = NGX_K8S_CLIENT_BACKOFF;
    }

    client->source.conf = conf;
    client->source.sink = sink;
    client->source.log = log;
    client->source.data = client;
    client->source.want = ngx_k8s_client_want;
    client->source.missing = ngx_k8s_client_missing;
    client->source.relist = ngx_k8s_client_relist;
    client->source.stop = ngx_k8s_client_stop;

    if (ngx_k8s_client_init(client) != NGX_OK) {
        ngx_k8s_client_stop(&client->source);
        return NULL;
    }

    return &client->source;
}


static ngx_int_t
ngx_k8s_client_init(ngx_k8s_client_t *client)
{
    char  *error;

    error = ngx_k8s_cluster_load(client->conf, &client->credentials.cluster,
                                 client->pool);
    if (error) {
        ngx_log_error(NGX_LOG_ERR, client->log, 0,
                      "API client is not started: %s", error);
        return NGX_ERROR;
    }

    ngx_k8s_credentials_init(&client->credentials, client->log);
    (void) ngx_k8s_credentials_refresh(&client->credentials, 1);

    client->transport = ngx_k8s_transport_create(client->log);
    if (client->transport == NULL) {
        return NGX_ERROR;
    }

    client->transport->data = client;
    client->transport->exiting = ngx_k8s_client_exiting;
    client->transport->turn = ngx_k8s_client_turn;
    client->transport->busy = ngx_k8s_client_busy;

    client->secrets = ngx_k8s_secrets_create(client);
    if (client->secrets == NULL) {
        return NGX_ERROR;
    }

    if (ngx_k8s_client_address(client) != NGX_OK
        || ngx_k8s_client_reflectors(client) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (client->ready) {
        ngx_k8s_client_go(client);

    } else {
        ngx_add_timer(&client->resolve, 1);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_client_reflectors(ngx_k8s_client_t *client)
{
    ngx_str_t            *scopes, all;
    ngx_uint_t            kind, i, n;
    ngx_k8s_reflector_t  *r;

    ngx_str_set(&all, "");

    scopes = &all;
    n = 1;

    if (client->conf->namespaces && client->conf->namespaces->nelts) {
        scopes = client->conf->namespaces->elts;
        n = client->conf->namespaces->nelts;
    }

    if (ngx_array_init(&client->reflectors, client->pool, NGX_K8S_KINDS * n,
                       sizeof(ngx_k8s_reflector_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {

        if (client->conf->skip & (1 << kind)) {
            continue;
        }

        for (i = 0; i < n; i++) {

            r = ngx_array_push(&client->reflectors);
            if (r == NULL) {
                return NGX_ERROR;
            }

            if (!ngx_k8s_kinds[kind].namespaced) {
                ngx_k8s_reflector_init(r, client, kind, &all);
                break;
            }

            ngx_k8s_reflector_init(r, client, kind, &scopes[i]);
        }

        ngx_k8s_client_report(client, kind);
    }

    return NGX_OK;
}


/* there is an address */

void
ngx_k8s_client_go(ngx_k8s_client_t *client)
{
    ngx_uint_t            i;
    ngx_k8s_reflector_t  *r;

    if (client->started) {
        return;
    }

    client->started = 1;

    ngx_add_timer(&client->listen, NGX_K8S_CLIENT_LISTEN);

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {
        ngx_k8s_reflector_schedule(&r[i], 0);
    }
}


static void
ngx_k8s_client_listen(ngx_event_t *ev)
{
    char              *url;
    ngx_k8s_call_t    *call;
    ngx_k8s_client_t  *client;

    client = ev->data;

    ngx_add_timer(&client->listen, NGX_K8S_CLIENT_LISTEN);

    if (client->ping || client->down
        || ngx_current_msec - client->transport->heard
           < NGX_K8S_CLIENT_SILENCE)
    {
        return;
    }

    url = ngx_alloc(client->base.len + sizeof("/version"), client->log);
    if (url == NULL) {
        return;
    }

    *ngx_sprintf((u_char *) url, "%V/version", &client->base) = '\0';

    call = ngx_k8s_client_call(client, url, "Accept: application/json");
    if (call == NULL) {
        return;
    }

    call->data = client;
    call->body = ngx_k8s_client_pong;
    call->done = ngx_k8s_client_pinged;

    if (curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS,
                         (long) NGX_K8S_CLIENT_PING) != CURLE_OK
        || ngx_k8s_call_start(call) != NGX_OK)
    {
        ngx_k8s_call_cancel(call);
        return;
    }

    client->ping = call;
}


static ngx_int_t
ngx_k8s_client_pong(ngx_k8s_call_t *call)
{
    call->pos = call->last;

    return NGX_OK;
}


static void
ngx_k8s_client_pinged(ngx_k8s_call_t *call)
{
    ngx_k8s_client_t  *client;

    client = call->data;
    client->ping = NULL;

    if (call->status == 0) {
        ngx_k8s_client_silent(client, NGX_K8S_CLIENT_SILENCE);
    }
}


void
ngx_k8s_client_silent(ngx_k8s_client_t *client, ngx_msec_t time)
{
    if (ngx_current_msec - client->transport->heard < time) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, client->log, 0,
                  "API server %V has been silent for %M ms: its connections "
                  "are closed", &client->credentials.cluster.server,
                  ngx_current_msec - client->transport->heard);

    /* what is begun now has its time again */

    client->transport->heard = ngx_current_msec;

    ngx_k8s_transport_reset(client->transport);
}


ngx_k8s_call_t *
ngx_k8s_client_call(ngx_k8s_client_t *client, char *url, char *accept)
{
    ngx_k8s_call_t  *call;

    if (url == NULL) {
        return NULL;
    }

    (void) ngx_k8s_credentials_refresh(&client->credentials, 0);

    call = ngx_k8s_call_create(client->transport, url);

    ngx_free(url);

    if (call == NULL) {
        return NULL;
    }

    if (client->connect) {
        call->connect_to = curl_slist_append(NULL, client->connect);
    }

    if ((client->connect && call->connect_to == NULL)
        || ngx_k8s_call_header(call, accept) != NGX_OK
        || (client->host && ngx_k8s_call_header(call, client->host) != NGX_OK)
        || ngx_k8s_credentials_apply(&client->credentials, call) != NGX_OK
        || curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long) client->conf->connect_timeout) != CURLE_OK)
    {
        ngx_k8s_call_cancel(call);
        return NULL;
    }

    return call;
}


void
ngx_k8s_client_up(ngx_k8s_client_t *client)
{
    ngx_uint_t            i;
    ngx_k8s_reflector_t  *r;

    if (!client->down) {
        return;
    }

    client->down = 0;

    ngx_log_error(NGX_LOG_NOTICE, client->log, 0,
                  "API server %V is reached again",
                  &client->credentials.cluster.server);

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {
        if (r[i].unreachable && r[i].call == NULL) {
            ngx_k8s_reflector_schedule(&r[i], ngx_random() % 100);
        }
    }
}


void
ngx_k8s_client_down(ngx_k8s_client_t *client, ngx_k8s_call_t *call)
{
    if (!client->down) {
        client->down = 1;

        ngx_log_error(NGX_LOG_ERR, client->log, 0,
                      "API server %V cannot be reached: %s",
                      &client->credentials.cluster.server,
                      call->error[0] ? call->error
                                     : curl_easy_strerror(call->code));
    }

    /* the name may have another address now */

    if (client->connect && client->resolving == NULL
        && !client->resolve.timer_set && !client->closed
        && !ngx_k8s_client_literal(&client->credentials.cluster.host)
        && ngx_current_msec - client->resolved > NGX_K8S_CLIENT_CONNECT)
    {
        client->resolved = ngx_current_msec;
        ngx_add_timer(&client->resolve, 1);
    }
}


void
ngx_k8s_client_report(ngx_k8s_client_t *client, ngx_uint_t kind)
{
    u_char                   reason[NGX_K8S_REASON_MAX];
    ngx_str_t                text;
    ngx_uint_t               i, waiting, refused, connected, missing;
    ngx_k8s_reflector_t     *r, *worst;
    ngx_k8s_source_state_t   state;

    ngx_memzero(&state, sizeof(ngx_k8s_source_state_t));

    worst = NULL;
    waiting = 0;
    refused = 0;
    connected = 1;

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {

        if (r[i].kind != kind) {
            continue;
        }

        state.lists += r[i].lists;
        state.watches += r[i].watches;
        state.errors += r[i].errors;

        connected &= r[i].connected;

        waiting += (r[i].state == NGX_K8S_SYNC_WAITING);
        refused += (r[i].state == NGX_K8S_SYNC_REFUSED);

        if (r[i].reason_len
            && (worst == NULL || (worst->state == NGX_K8S_SYNC_LISTED
                                  && r[i].state != NGX_K8S_SYNC_LISTED)))
        {
            worst = &r[i];
        }
    }

    state.connected = connected;

    missing = (kind == NGX_K8S_SECRET && client->secrets)
              ? ngx_k8s_secrets_missing(client->secrets) : 0;

    if (waiting) {
        state.state = NGX_K8S_SYNC_WAITING;

    } else if (refused) {
        state.state = NGX_K8S_SYNC_REFUSED;

    } else {
        state.state = NGX_K8S_SYNC_LISTED;
    }

    if (worst) {
        text.data = worst->reason;
        text.len = worst->reason_len;

        if (worst->scope.len) {
            state.reason.data = reason;
            state.reason.len = ngx_snprintf(reason, NGX_K8S_REASON_MAX,
                                            "in namespace %V: %V",
                                            &worst->scope, &text)
                               - reason;

        } else {
            state.reason = text;
        }

    } else if (missing) {
        state.reason.data = reason;
        state.reason.len = ngx_snprintf(reason, NGX_K8S_REASON_MAX,
                                        "%ui Secrets are being fetched",
                                        missing)
                           - reason;
    }

    client->sink->state(client->sink->data, kind, &state);
}


void
ngx_k8s_client_feed(ngx_k8s_client_t *client, ngx_uint_t op, ngx_uint_t kind,
    ngx_str_t *scope, u_char *text, size_t len)
{
    ngx_k8s_feed_t  feed;

    ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));

    feed.op = op;
    feed.kind = kind;
    feed.scope = *scope;
    feed.text = text;
    feed.len = len;

    client->sink->feed(client->sink->data, &feed);
}


void
ngx_k8s_client_feed_name(ngx_k8s_client_t *client, ngx_uint_t op,
    ngx_uint_t kind, ngx_str_t *scope, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t code)
{
    ngx_k8s_feed_t  feed;

    ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));

    feed.op = op;
    feed.kind = kind;
    feed.scope = *scope;
    feed.code = code;
    feed.len = sizeof("{\"metadata\":{\"namespace\":\"\",\"name\":\"\"}}") - 1
               + ns->len + name->len;

    feed.text = ngx_alloc(feed.len, client->log);

    if (feed.text == NULL) {
        feed.op = NGX_K8S_FEED_LOST;
        feed.len = 0;

    } else {

        /* strings with escapes are no names */

        (void) ngx_sprintf(feed.text, "{\"metadata\":{\"namespace\":\"%V\","
                           "\"name\":\"%V\"}}", ns, name);
    }

    client->sink->feed(client->sink->data, &feed);
}


ngx_msec_t
ngx_k8s_client_backoff(ngx_k8s_client_t *client, ngx_uint_t *attempts,
    ngx_msec_t *failed, ngx_msec_t max)
{
    ngx_msec_t  delay;

    if (max == 0 || max > client->conf->backoff_max) {
        max = client->conf->backoff_max;
    }

    if (ngx_current_msec - *failed > NGX_K8S_CLIENT_BACKOFF_RESET) {
        *attempts = 0;
    }

    delay = (ngx_msec_t) NGX_K8S_CLIENT_BACKOFF << ngx_min(*attempts, 8);
    delay += (ngx_msec_t) ngx_random() % delay;

    if (delay > max) {
        delay = max - (ngx_msec_t) ngx_random() % (max / 4 + 1);
    }

    (*attempts)++;
    *failed = ngx_current_msec;

    return delay;
}


static void
ngx_k8s_client_want(ngx_k8s_source_t *s, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t wanted)
{
    ngx_k8s_client_t  *client;

    client = s->data;

    if (kind == NGX_K8S_SECRET && ns->len && name->len && !client->closed) {
        ngx_k8s_secrets_want(client->secrets, ns, name, wanted);
    }
}


static ngx_uint_t
ngx_k8s_client_missing(ngx_k8s_source_t *s, ngx_uint_t kind)
{
    ngx_k8s_client_t  *client;

    client = s->data;

    return (kind == NGX_K8S_SECRET) ? ngx_k8s_secrets_missing(client->secrets)
                                    : 0;
}


static void
ngx_k8s_client_relist(ngx_k8s_source_t *s, ngx_uint_t kind)
{
    ngx_uint_t            i;
    ngx_k8s_client_t     *client;
    ngx_k8s_reflector_t  *r;

    client = s->data;

    if (client->closed) {
        return;
    }

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {
        if (r[i].kind == kind) {
            ngx_k8s_reflector_relist(&r[i]);
        }
    }
}


static void
ngx_k8s_client_exiting(void *data)
{
    ngx_k8s_client_close(data);
}


static void
ngx_k8s_client_turn(void *data, ngx_uint_t begins)
{
    ngx_k8s_client_t  *client;

    client = data;

    if (begins) {
        client->sink->enter(client->sink->data);

    } else {
        client->sink->leave(client->sink->data);
    }
}


static ngx_uint_t
ngx_k8s_client_busy(void *data)
{
    ngx_k8s_client_t  *client;

    client = data;

    return client->sink->busy(client->sink->data);
}


/* ends all that runs; what is known stays */

static void
ngx_k8s_client_close(ngx_k8s_client_t *client)
{
    ngx_uint_t            i;
    ngx_k8s_reflector_t  *r;

    client->closed = 1;

    if (client->resolving) {
        ngx_resolve_name_done(client->resolving);
        client->resolving = NULL;
    }

    if (client->resolve.timer_set) {
        ngx_del_timer(&client->resolve);
    }

    if (client->listen.timer_set) {
        ngx_del_timer(&client->listen);
    }

    if (client->ping) {
        ngx_k8s_call_cancel(client->ping);
        client->ping = NULL;
    }

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {
        ngx_k8s_reflector_stop(&r[i]);
    }

    if (client->secrets) {
        ngx_k8s_secrets_stop(client->secrets);
    }

    if (client->transport) {
        ngx_k8s_transport_destroy(client->transport);
        client->transport = NULL;
    }
}


static void
ngx_k8s_client_stop(ngx_k8s_source_t *s)
{
    ngx_k8s_client_t  *client;

    client = s->data;

    ngx_k8s_client_close(client);

    if (client->secrets) {
        ngx_k8s_secrets_destroy(client->secrets);
    }

    if (client->connect) {
        ngx_free(client->connect);
    }

    ngx_k8s_credentials_done(&client->credentials);

    ngx_destroy_pool(client->pool);
}
