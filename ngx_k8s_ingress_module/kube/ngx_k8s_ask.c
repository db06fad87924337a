
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Requests of others over the client's connections: what is written to the API
 * server, and what is read beside the objects of the source.
 */


#include <ngx_k8s_client.h>


#define NGX_K8S_ASK_TEXT             (1024 * 1024)


static ngx_int_t ngx_k8s_ask_body(ngx_k8s_call_t *call);
static void ngx_k8s_ask_done(ngx_k8s_call_t *call);


ngx_int_t
ngx_k8s_client_ask(ngx_k8s_source_t *s, ngx_k8s_request_t *req,
    ngx_msec_t time, ngx_k8s_ask_t *ask)
{
    ngx_k8s_call_t    *call;
    ngx_k8s_client_t  *client;

    client = s->data;

    if (client->closed || !client->ready) {
        return NGX_DECLINED;
    }

    call = ngx_k8s_client_call(client, req);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->data = ask;
    call->body = ngx_k8s_ask_body;
    call->done = ngx_k8s_ask_done;

    if (curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long) time)
        != CURLE_OK
        || ngx_k8s_call_start(call) != NGX_OK)
    {
        ngx_k8s_call_cancel(call);
        return NGX_ERROR;
    }

    ask->status = 0;
    ask->retry_after = 0;
    ngx_str_null(&ask->text);
    ask->source = s;
    ask->call = call;

    ngx_queue_insert_tail(&client->asks, &ask->queue);

    return NGX_OK;
}


void
ngx_k8s_client_unask(ngx_k8s_ask_t *ask)
{
    if (ask->call == NULL) {
        return;
    }

    ngx_queue_remove(&ask->queue);
    ngx_k8s_call_cancel(ask->call);
    ask->call = NULL;
}


void
ngx_k8s_client_asks_close(ngx_k8s_client_t *client)
{
    ngx_queue_t    *q;
    ngx_k8s_ask_t  *ask;

    while (!ngx_queue_empty(&client->asks)) {
        q = ngx_queue_head(&client->asks);
        ask = ngx_queue_data(q, ngx_k8s_ask_t, queue);

        ngx_k8s_client_unask(ask);
    }
}


/* an answer that is too long has been read for its status alone */

static ngx_int_t
ngx_k8s_ask_body(ngx_k8s_call_t *call)
{
    ngx_k8s_ask_t     *ask;
    ngx_k8s_client_t  *client;

    ask = call->data;
    client = ask->source->data;

    ngx_k8s_client_up(client);

    if ((size_t) (call->last - call->pos) > NGX_K8S_ASK_TEXT) {
        call->pos = call->last;
    }

    return NGX_OK;
}


static void
ngx_k8s_ask_done(ngx_k8s_call_t *call)
{
    ngx_k8s_ask_t     *ask;
    ngx_k8s_client_t  *client;

    ask = call->data;
    client = ask->source->data;

    ngx_queue_remove(&ask->queue);
    ask->call = NULL;

    if (call->status == 0) {
        ngx_k8s_client_down(client, call);

    } else if (call->status == 401) {
        (void) ngx_k8s_credentials_refresh(&client->credentials, 1);
    }

    if (call->code == CURLE_OK) {
        ask->status = call->status;
        ask->retry_after = call->retry_after;
        ask->text.data = call->pos;
        ask->text.len = call->last - call->pos;
    }

    ask->done(ask);
}
