
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_client.h>


#define NGX_K8S_CLIENT_RESOLVE       30000


static ngx_int_t ngx_k8s_client_hosts(ngx_str_t *host, ngx_str_t *address,
    ngx_pool_t *pool);
static void ngx_k8s_client_connect(ngx_k8s_client_t *client,
    ngx_str_t *address);
static void ngx_k8s_client_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_k8s_client_unresolved(ngx_k8s_client_t *client,
    const char *why);


char *
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


ngx_uint_t
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


/*
 * libcurl never resolves a name: where the server is given by one, its address
 * is told with CONNECT_TO.  The name in the address is the one that has to be
 * in the server's certificate.
 */

ngx_int_t
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


void
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
        client->go(client);
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
    client->go(client);
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
