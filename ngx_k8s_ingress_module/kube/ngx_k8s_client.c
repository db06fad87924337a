
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_client.h>


#define NGX_K8S_CLIENT_BACKOFF       800
#define NGX_K8S_CLIENT_BACKOFF_RESET 120000
#define NGX_K8S_CLIENT_RESOLVE       30000
#define NGX_K8S_CLIENT_CONNECT       5000


static char *ngx_k8s_client_unresolvable(ngx_k8s_source_conf_t *conf,
    ngx_str_t *host, ngx_pool_t *pool);
static ngx_int_t ngx_k8s_client_hosts(ngx_str_t *host, ngx_str_t *address,
    ngx_pool_t *pool);
static ngx_uint_t ngx_k8s_client_literal(ngx_str_t *host);
static ngx_int_t ngx_k8s_client_init(ngx_k8s_client_t *client);
static ngx_int_t ngx_k8s_client_address(ngx_k8s_client_t *client);
static ngx_int_t ngx_k8s_client_reflectors(ngx_k8s_client_t *client);
static void ngx_k8s_client_go(ngx_k8s_client_t *client);
static void ngx_k8s_client_connect(ngx_k8s_client_t *client,
    ngx_str_t *address);
static void ngx_k8s_client_resolve(ngx_event_t *ev);
static void ngx_k8s_client_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_k8s_client_unresolved(ngx_k8s_client_t *client,
    const char *why);
static void ngx_k8s_client_want(ngx_k8s_source_t *s, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t wanted);
static void ngx_k8s_client_stop(ngx_k8s_source_t *s);
static void ngx_k8s_client_exiting(void *data);
static void ngx_k8s_client_turn(void *data, ngx_uint_t begins);
static void ngx_k8s_client_close(ngx_k8s_client_t *client);


char *
ngx_k8s_client_check(ngx_k8s_source_conf_t *conf, ngx_pool_t *pool)
{
    char               *error;
    ngx_k8s_cluster_t   cluster;

    error = ngx_k8s_cluster_load(conf, &cluster, pool);

    if (error == NULL) {
        error = ngx_k8s_cluster_check(&cluster, pool);
    }

    if (error == NULL) {
        error = ngx_k8s_client_unresolvable(conf, &cluster.host, pool);
    }

    return error;
}


static char *
ngx_k8s_client_unresolvable(ngx_k8s_source_conf_t *conf, ngx_str_t *host,
    ngx_pool_t *pool)
{
    u_char     *p;
    ngx_str_t   address;

    if (ngx_k8s_client_literal(host) || conf->resolver
        || ngx_k8s_client_hosts(host, &address, pool) == NGX_OK)
    {
        return NULL;
    }

    p = ngx_pnalloc(pool, host->len + NGX_MAX_ERROR_STR);
    if (p == NULL) {
        return "there is not enough memory";
    }

    *ngx_sprintf(p, "the API server's host name \"%V\" cannot be resolved: set "
                 "the \"resolver\" directive, add the name to /etc/hosts, or "
                 "use an IP address", host) = '\0';

    return (char *) p;
}


static ngx_uint_t
ngx_k8s_client_literal(ngx_str_t *host)
{
    u_char  addr[16];

    return ngx_inet_addr(host->data, host->len) != INADDR_NONE
#if (NGX_HAVE_INET6)
           || ngx_inet6_addr(host->data, host->len, addr) == NGX_OK
#endif
           ;
}


/* address of a name by /etc/hosts, the first one; "localhost" is known */

static ngx_int_t
ngx_k8s_client_hosts(ngx_str_t *host, ngx_str_t *address, ngx_pool_t *pool)
{
    u_char     *p, *last, *eol, *word;
    ngx_int_t   rc;
    ngx_str_t   text, first;

    ngx_str_null(address);

    if (ngx_k8s_file_read((u_char *) "/etc/hosts", &text, pool->log) == NGX_OK)
    {
        p = text.data;
        last = p + text.len;

        while (p < last && address->len == 0) {

            eol = ngx_strlchr(p, last, LF);
            eol = eol ? eol : last;

            ngx_str_null(&first);

            while (p < eol && *p != '#') {

                if (*p <= ' ') {
                    p++;
                    continue;
                }

                for (word = p; p < eol && *p > ' ' && *p != '#'; p++) {
                    /* void */
                }

                if (first.len == 0) {
                    first.data = word;
                    first.len = p - word;
                    continue;
                }

                if ((size_t) (p - word) == host->len
                    && ngx_strncasecmp(word, host->data, host->len) == 0
                    && ngx_k8s_client_literal(&first))
                {
                    address->data = ngx_pstrdup(pool, &first);
                    address->len = address->data ? first.len : 0;
                    break;
                }
            }

            p = eol + 1;
        }

        ngx_free(text.data);
    }

    rc = address->len ? NGX_OK : NGX_DECLINED;

    if (rc != NGX_OK && host->len == 9
        && ngx_strncasecmp(host->data, (u_char *) "localhost", 9) == 0)
    {
        ngx_str_set(address, "127.0.0.1");
        rc = NGX_OK;
    }

    return rc;
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


/*
 * libcurl never resolves a name: where the server is given by one, its address
 * is told with CONNECT_TO.  The name in the address is the one that has to be
 * in the server's certificate.
 */

static ngx_int_t
ngx_k8s_client_address(ngx_k8s_client_t *client)
{
    u_char             *p, *to;
    size_t              len;
    ngx_str_t          *name, address;
    ngx_uint_t          literal;
    ngx_k8s_cluster_t  *cluster;

    cluster = &client->credentials.cluster;

    literal = ngx_k8s_client_literal(&cluster->host);
    name = cluster->server_name.len ? &cluster->server_name : &cluster->host;

    len = name->len + cluster->host.len + cluster->prefix.len
          + sizeof("https://[]:65535:Host: ");

    p = ngx_pnalloc(client->pool, len);
    to = ngx_pnalloc(client->pool, len);
    client->host = ngx_pnalloc(client->pool, len);

    if (p == NULL || to == NULL || client->host == NULL) {
        return NGX_ERROR;
    }

    client->base.data = p;

    if (ngx_strlchr(name->data, name->data + name->len, ':')) {
        p = ngx_sprintf(p, "%s://[%V]:%ui%V", cluster->tls ? "https" : "http",
                        name, cluster->port, &cluster->prefix);
        *ngx_sprintf(to, "[%V]:%ui:", name, cluster->port) = '\0';

    } else {
        p = ngx_sprintf(p, "%s://%V:%ui%V", cluster->tls ? "https" : "http",
                        name, cluster->port, &cluster->prefix);
        *ngx_sprintf(to, "%V:%ui:", name, cluster->port) = '\0';
    }

    client->base.len = p - client->base.data;
    client->connect_format = (char *) to;

    if (cluster->server_name.len == 0) {
        client->host = NULL;

    } else if (ngx_strlchr(cluster->host.data,
                           cluster->host.data + cluster->host.len, ':'))
    {
        *ngx_sprintf((u_char *) client->host, "Host: [%V]:%ui", &cluster->host,
                     cluster->port) = '\0';

    } else {
        *ngx_sprintf((u_char *) client->host, "Host: %V:%ui", &cluster->host,
                     cluster->port) = '\0';
    }

    if (literal) {

        if (client->host) {
            ngx_k8s_client_connect(client, &cluster->host);

        } else {
            client->ready = 1;
        }

        return NGX_OK;
    }

    if (ngx_k8s_client_hosts(&cluster->host, &address, client->pool) == NGX_OK)
    {
        ngx_k8s_client_connect(client, &address);
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

static void
ngx_k8s_client_go(ngx_k8s_client_t *client)
{
    ngx_uint_t            i;
    ngx_k8s_reflector_t  *r;

    if (client->started) {
        return;
    }

    client->started = 1;

    r = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {
        ngx_k8s_reflector_schedule(&r[i], 0);
    }
}


static void
ngx_k8s_client_connect(ngx_k8s_client_t *client, ngx_str_t *address)
{
    u_char  *p;
    size_t   len;

    len = ngx_strlen(client->connect_format) + address->len
          + sizeof("[]:65535");

    p = ngx_alloc(len, client->log);
    if (p == NULL) {
        return;
    }

    *ngx_sprintf(p, ngx_strlchr(address->data, address->data + address->len,
                                ':')
                    ? "%s[%V]:%ui" : "%s%V:%ui",
                 client->connect_format, address,
                 client->credentials.cluster.port) = '\0';

    if (client->connect) {
        ngx_free(client->connect);
    }

    client->connect = (char *) p;
    client->ready = 1;
}


static void
ngx_k8s_client_resolve(ngx_event_t *ev)
{
    ngx_str_t            address;
    ngx_k8s_client_t    *client;
    ngx_k8s_cluster_t   *cluster;
    ngx_resolver_ctx_t  *ctx;

    client = ev->data;
    cluster = &client->credentials.cluster;

    if (ngx_k8s_client_hosts(&cluster->host, &address, client->pool) == NGX_OK)
    {
        ngx_k8s_client_connect(client, &address);
        ngx_k8s_client_go(client);
        return;
    }

    if (client->conf->resolver == NULL) {
        ngx_k8s_client_unresolved(client, "set the \"resolver\" directive, or "
                                  "add it to /etc/hosts");
        return;
    }

    ctx = ngx_resolve_start(client->conf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_k8s_client_unresolved(client, "no resolver is usable");
        return;
    }

    ctx->name = cluster->host;
    ctx->handler = ngx_k8s_client_resolved;
    ctx->data = client;
    ctx->timeout = client->conf->resolver_timeout
                   ? client->conf->resolver_timeout : NGX_K8S_CLIENT_RESOLVE;
    ctx->cancelable = 1;

    client->resolving = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        client->resolving = NULL;
        ngx_k8s_client_unresolved(client, "the resolver failed");
    }
}


static void
ngx_k8s_client_resolved(ngx_resolver_ctx_t *ctx)
{
    u_char              text[NGX_SOCKADDR_STRLEN];
    ngx_str_t           address;
    ngx_k8s_client_t   *client;
    ngx_resolver_addr_t *addr;

    client = ctx->data;
    client->resolving = NULL;

    if (ctx->state || ctx->naddrs == 0) {
        ngx_k8s_client_unresolved(client, ngx_resolver_strerror(ctx->state));
        ngx_resolve_name_done(ctx);
        return;
    }

    addr = &ctx->addrs[client->turn++ % ctx->naddrs];

    address.data = text;
    address.len = ngx_sock_ntop(addr->sockaddr, addr->socklen, text,
                                NGX_SOCKADDR_STRLEN, 0);

    /* an IPv6 address is written with brackets */

    if (address.len > 2 && text[0] == '[') {
        address.data++;
        address.len -= 2;
    }

    ngx_resolve_name_done(ctx);

    ngx_k8s_client_connect(client, &address);
    ngx_k8s_client_go(client);
}


static void
ngx_k8s_client_unresolved(ngx_k8s_client_t *client, const char *why)
{
    if (!client->down) {
        client->down = 1;
        ngx_log_error(NGX_LOG_ERR, client->log, 0,
                      "API server's host name \"%V\" cannot be resolved: %s",
                      &client->credentials.cluster.host, why);
    }

    ngx_add_timer(&client->resolve, NGX_K8S_CLIENT_CONNECT);
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
ngx_k8s_client_problem(ngx_k8s_client_t *client, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_int_t code, char *message)
{
    u_char     buf[512];
    ngx_str_t  id, text;

    id.data = buf;
    id.len = (ns->len ? ngx_snprintf(buf, sizeof(buf), "%V/%V", ns, name)
                      : ngx_snprintf(buf, sizeof(buf), "%V", name))
             - buf;

    text.data = (u_char *) message;
    text.len = ngx_strlen(message);

    client->sink->problem(client->sink->data,
                          (char *) ngx_k8s_kinds[kind].name.data, &id, code,
                          &text);
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
