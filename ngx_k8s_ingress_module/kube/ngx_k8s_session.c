
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What reflectors and contents have in common: calls, whether the server is
 * there, and the way to the sink.
 */


#include <ngx_k8s_client.h>


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


static ngx_int_t ngx_k8s_client_pong(ngx_k8s_call_t *call);
static void ngx_k8s_client_pinged(ngx_k8s_call_t *call);


void
ngx_k8s_client_listen(ngx_event_t *ev)
{
    ngx_k8s_call_t     *call;
    ngx_k8s_client_t   *client;
    ngx_k8s_request_t   req;

    client = ev->data;

    ngx_add_timer(&client->listen, NGX_K8S_CLIENT_LISTEN);

    if (client->ping || client->down
        || ngx_current_msec - client->transport->heard
           < NGX_K8S_CLIENT_SILENCE)
    {
        return;
    }

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));

    req.path = "/version";
    req.accept = "Accept: application/json";

    call = ngx_k8s_client_call(client, &req);
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
ngx_k8s_client_call(ngx_k8s_client_t *client, ngx_k8s_request_t *req)
{
    char            *url;
    ngx_k8s_call_t  *call;

    url = ngx_k8s_api_url(&client->base, req, client->log);
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
        || ngx_k8s_call_header(call, req->accept) != NGX_OK
        || ngx_k8s_call_method(call, req->method, req->type, &req->body)
           != NGX_OK
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
    if (!client->down) {
        return;
    }

    client->down = 0;

    ngx_log_error(NGX_LOG_NOTICE, client->log, 0,
                  "API server %V is reached again",
                  &client->credentials.cluster.server);

    client->reached(client);
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
    ngx_uint_t               i, waiting, refused, connected, idle;
    ngx_k8s_reflector_t     *r, *worst;
    ngx_k8s_source_state_t   state;

    ngx_memzero(&state, sizeof(ngx_k8s_source_state_t));

    worst = NULL;
    waiting = 0;
    refused = 0;
    connected = 1;
    idle = 1;

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {

        if (r[i].kind != kind) {
            continue;
        }

        state.lists += r[i].lists;
        state.watches += r[i].watches;
        state.errors += r[i].errors;

        connected &= (r[i].connected || r[i].idle);
        idle &= r[i].idle;

        waiting += (r[i].state == NGX_K8S_SYNC_WAITING);
        refused += (r[i].state == NGX_K8S_SYNC_REFUSED);

        if (r[i].reason_len
            && (worst == NULL || (worst->state == NGX_K8S_SYNC_LISTED
                                  && r[i].state != NGX_K8S_SYNC_LISTED)))
        {
            worst = &r[i];
        }
    }

    state.connected = (connected && !idle);
    state.idle = idle;

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

    } else if (client->missing[kind]) {
        state.reason.data = reason;
        state.reason.len = ngx_snprintf(reason, NGX_K8S_REASON_MAX,
                                        "%ui %V are being fetched",
                                        client->missing[kind],
                                        &ngx_k8s_kinds[kind].plural)
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

    ngx_k8s_source_feed_name(client->sink, &feed, ns, name, client->log);
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
