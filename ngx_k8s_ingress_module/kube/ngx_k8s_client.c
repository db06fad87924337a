
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_client.h>


static ngx_int_t ngx_k8s_client_init(ngx_k8s_client_t *client);
static ngx_int_t ngx_k8s_client_reflectors(ngx_k8s_client_t *client);
static void ngx_k8s_client_go(ngx_k8s_client_t *client);
static void ngx_k8s_client_reached(ngx_k8s_client_t *client);
static void ngx_k8s_client_want(ngx_k8s_source_t *s, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t wanted);
static ngx_uint_t ngx_k8s_client_missing(ngx_k8s_source_t *s,
    ngx_uint_t kind);
static void ngx_k8s_client_relist(ngx_k8s_source_t *s, ngx_uint_t kind);
static void ngx_k8s_client_stop(ngx_k8s_source_t *s);
static ngx_uint_t ngx_k8s_client_exiting(void *data);
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
    client->go = ngx_k8s_client_go;
    client->reached = ngx_k8s_client_reached;

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
    client->source.ask = ngx_k8s_client_ask;
    client->source.unask = ngx_k8s_client_unask;
    client->source.stop = ngx_k8s_client_stop;

    ngx_queue_init(&client->asks);

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

    client->contents = ngx_k8s_contents_create(client);
    if (client->contents == NULL) {
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
    ngx_str_t            *scopes, *name;
    ngx_uint_t            kind, i, n;
    ngx_k8s_reflector_t  *r;

    n = 0;

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {
        n += ngx_k8s_source_scopes(client->conf, kind, &scopes);
    }

    /* it is never more, as events know the addresses */

    if (ngx_array_init(&client->reflectors, client->pool, n,
                       sizeof(ngx_k8s_reflector_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {

        if (client->conf->skip & (1 << kind)) {
            continue;
        }

        n = ngx_k8s_source_scopes(client->conf, kind, &scopes);

        for (i = 0; i < n; i++) {

            r = ngx_array_push(&client->reflectors);
            if (r == NULL) {
                return NGX_ERROR;
            }

            name = &client->conf->only[kind].name;

            if (ngx_k8s_reflector_init(r, client, kind, &scopes[i],
                                       i == 0 && name->len ? name : NULL)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        ngx_k8s_client_report(client, kind);
    }

    return NGX_OK;
}


static void
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

        if (r[i].idle) {
            ngx_k8s_contents_idle(&r[i]);

        } else {
            ngx_k8s_reflector_schedule(&r[i], 0);
        }
    }
}


static void
ngx_k8s_client_reached(ngx_k8s_client_t *client)
{
    ngx_uint_t            i;
    ngx_k8s_reflector_t  *r;

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {
        if (r[i].lost && r[i].call == NULL) {
            ngx_k8s_reflector_schedule(&r[i], ngx_random() % 100);
        }
    }
}


static void
ngx_k8s_client_want(ngx_k8s_source_t *s, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t wanted)
{
    ngx_uint_t         lazy;
    ngx_k8s_client_t  *client;

    client = s->data;

    if (ngx_k8s_contents_fields(kind, &lazy) && ns->len && name->len
        && !client->closed)
    {
        ngx_k8s_contents_want(client->contents, kind, ns, name, wanted);
    }
}


static ngx_uint_t
ngx_k8s_client_missing(ngx_k8s_source_t *s, ngx_uint_t kind)
{
    ngx_k8s_client_t  *client;

    client = s->data;

    return client->missing[kind];
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
        if (r[i].kind == kind && !r[i].idle) {
            ngx_k8s_reflector_relist(&r[i]);
        }
    }
}


static ngx_uint_t
ngx_k8s_client_exiting(void *data)
{
    ngx_k8s_client_t  *client;

    client = data;

    if (client->source.lasting) {
        return 0;
    }

    ngx_k8s_client_close(client);

    return 1;
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

    ngx_k8s_client_asks_close(client);

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {
        ngx_k8s_reflector_stop(&r[i]);
    }

    if (client->contents) {
        ngx_k8s_contents_stop(client->contents);
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

    if (client->contents) {
        ngx_k8s_contents_destroy(client->contents);
    }

    if (client->connect) {
        ngx_free(client->connect);
    }

    ngx_k8s_credentials_done(&client->credentials);

    ngx_destroy_pool(client->pool);
}
