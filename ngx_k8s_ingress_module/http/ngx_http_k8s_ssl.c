
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * TLS: a server with k8s_ingress_pass and no ssl_certificate presents the
 * certificates of the table, chosen by SNI at each handshake, and sessions
 * resume for the same name only.
 *
 * nginx refuses a listener without certificates unless ssl_reject_handshake
 * is on.  So it is switched on between parsing and merging, which makes nginx
 * create the context, and off again at postconfiguration.  The moment before
 * merging is reached as init_upstream of an upstream that nobody uses: nginx
 * calls it when all of the http block has been read, so that settings not
 * written by the administrator can be told from those that are.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_k8s_cert.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_router.h>
#include <ngx_k8s_tls.h>


/* a server with k8s_ingress_pass; configuration's pool */

typedef struct {
    ngx_http_core_srv_conf_t  *cscf;
    ngx_http_ssl_srv_conf_t   *sscf;
    ngx_http_k8s_loc_conf_t   *klcf;     /* where the directive stands */
    ngx_k8s_block_t           *block;
    unsigned                   ours:1;   /* certificates come from the table */
} ngx_http_k8s_ssl_server_t;


static ngx_array_t *ngx_http_k8s_ssl_servers(ngx_conf_t *cf,
    ngx_uint_t create);
static ngx_int_t ngx_http_k8s_ssl_prepare(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us);
static ngx_uint_t ngx_http_k8s_ssl_listens(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_k8s_ssl_settings(ngx_conf_t *cf,
    ngx_http_ssl_srv_conf_t *conf, ngx_http_ssl_srv_conf_t *prev);
static ngx_int_t ngx_http_k8s_ssl_session_cache(ngx_conf_t *cf,
    ngx_http_ssl_srv_conf_t *conf, size_t size);
static ngx_int_t ngx_http_k8s_ssl_client_hello(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);

static int ngx_http_k8s_ssl_certificate(ngx_ssl_conn_t *ssl_conn, void *arg);
static ngx_int_t ngx_http_k8s_ssl_choose(ngx_connection_t *c,
    ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_table_t *table, ngx_str_t *sni,
    ngx_k8s_tls_t *tls);
static ngx_int_t ngx_http_k8s_ssl_regex(void *data, ngx_uint_t what,
    ngx_str_t *pattern, ngx_str_t *text);
static ngx_uint_t ngx_http_k8s_ssl_present(ngx_ssl_conn_t *ssl_conn,
    ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_table_t *table, ngx_log_t *log);
static ngx_k8s_cert_cache_t *ngx_http_k8s_ssl_cache(ngx_k8s_block_t *block,
    ngx_log_t *log);
static int ngx_http_k8s_ssl_session_id(ngx_ssl_conn_t *ssl_conn,
    SSL_CTX *ctx, ngx_str_t *sni, int *ad);

#if (nginx_version >= 1029002)
static int ngx_http_k8s_ssl_servername(ngx_ssl_conn_t *ssl_conn, int *ad,
    void *arg);
#else
static int ngx_http_k8s_ssl_hello(ngx_ssl_conn_t *ssl_conn, int *ad,
    void *arg);
static SSL_CTX *ngx_http_k8s_ssl_context(ngx_connection_t *c, ngx_str_t *sni);
#endif


static ngx_str_t  ngx_http_k8s_ssl_hook = ngx_string("k8s_ingress:ssl");


ngx_int_t
ngx_http_k8s_ssl_pass(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_array_t                *servers;
    ngx_http_core_srv_conf_t   *cscf;
    ngx_http_k8s_ssl_server_t  *server;

    servers = ngx_http_k8s_ssl_servers(cf, 1);
    if (servers == NULL) {
        return NGX_ERROR;
    }

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    server = servers->elts;
    for (i = 0; i < servers->nelts; i++) {
        if (server[i].cscf == cscf) {
            return NGX_OK;
        }
    }

    server = ngx_array_push(servers);
    if (server == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_http_k8s_ssl_server_t));

    server->cscf = cscf;
    server->sscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_ssl_module);
    server->klcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_k8s_module);

    return NGX_OK;
}


/* the list of this configuration; it hangs off the unused upstream */

static ngx_array_t *
ngx_http_k8s_ssl_servers(ngx_conf_t *cf, ngx_uint_t create)
{
    ngx_url_t                        u;
    ngx_uint_t                       i;
    ngx_http_upstream_srv_conf_t    *us, **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    uscfp = umcf->upstreams.elts;
    for (i = 0; i < umcf->upstreams.nelts; i++) {
        if (uscfp[i]->peer.init_upstream == ngx_http_k8s_ssl_prepare) {
            return uscfp[i]->peer.data;
        }
    }

    if (!create) {
        return NULL;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.host = ngx_http_k8s_ssl_hook;
    u.no_port = 1;

    us = ngx_http_upstream_add(cf, &u, NGX_HTTP_UPSTREAM_CREATE);
    if (us == NULL) {
        return NULL;
    }

    us->peer.data = ngx_array_create(cf->pool, 4,
                                     sizeof(ngx_http_k8s_ssl_server_t));
    if (us->peer.data == NULL) {
        return NULL;
    }

    us->peer.init_upstream = ngx_http_k8s_ssl_prepare;

    return us->peer.data;
}


/* all of the http block is read, nothing is merged yet */

static ngx_int_t
ngx_http_k8s_ssl_prepare(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us)
{
    ngx_uint_t                  i;
    ngx_array_t                *servers;
    ngx_k8s_block_t            *block;
    ngx_http_ssl_srv_conf_t    *prev, *conf;
    ngx_http_k8s_ssl_server_t  *server;

    servers = us->peer.data;
    prev = ngx_http_conf_get_module_srv_conf(cf, ngx_http_ssl_module);

    server = servers->elts;
    for (i = 0; i < servers->nelts; i++) {

        conf = server[i].sscf;

        if (conf->certificates != NGX_CONF_UNSET_PTR
            || prev->certificates != NGX_CONF_UNSET_PTR
            || conf->reject_handshake == 1
            || (conf->reject_handshake == NGX_CONF_UNSET
                && prev->reject_handshake == 1)
            || !ngx_http_k8s_ssl_listens(cf, server[i].cscf))
        {
            continue;
        }

        server[i].ours = 1;
        conf->reject_handshake = 1;

        block = ngx_k8s_block(cf, &server[i].klcf->name);

        if (block == NULL || block->defaults != NGX_K8S_DEFAULTS_INGRESS_NGINX)
        {
            continue;
        }

        if (ngx_http_k8s_ssl_settings(cf, conf, prev) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_ssl_listens(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                   p, a, s;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return 0;
    }

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        addr = port[p].addrs.elts;
        for (a = 0; a < port[p].addrs.nelts; a++) {

            if (!addr[a].opt.ssl) {
                continue;
            }

            cscfp = addr[a].servers.elts;
            for (s = 0; s < addr[a].servers.nelts; s++) {
                if (cscfp[s] == cscf) {
                    return 1;
                }
            }
        }
    }

    return 0;
}


/*
 * The defaults of ingress-nginx, where neither the server nor the http block
 * says something else.
 */

static ngx_int_t
ngx_http_k8s_ssl_settings(ngx_conf_t *cf, ngx_http_ssl_srv_conf_t *conf,
    ngx_http_ssl_srv_conf_t *prev)
{
    ngx_k8s_settings_t  base;

    if (ngx_k8s_policy_base(&base, NGX_K8S_API_INGRESS) != NGX_OK) {
        return NGX_ERROR;
    }

    if (conf->protocols == 0 && prev->protocols == 0) {
        conf->protocols = NGX_CONF_BITMASK_SET | base.ssl_protocols;
    }

    if (conf->ciphers.data == NULL && prev->ciphers.data == NULL) {
        conf->ciphers = base.ssl_ciphers;
    }

    if (conf->prefer_server_ciphers == NGX_CONF_UNSET
        && prev->prefer_server_ciphers == NGX_CONF_UNSET)
    {
        conf->prefer_server_ciphers = 1;
    }

    if (conf->session_timeout == NGX_CONF_UNSET
        && prev->session_timeout == NGX_CONF_UNSET)
    {
        conf->session_timeout = base.ssl_session_timeout / 1000;
    }

    if (conf->session_tickets == NGX_CONF_UNSET
        && prev->session_tickets == NGX_CONF_UNSET)
    {
        conf->session_tickets = base.ssl_session_tickets;
    }

    if (conf->buffer_size == NGX_CONF_UNSET_SIZE
        && prev->buffer_size == NGX_CONF_UNSET_SIZE)
    {
        conf->buffer_size = base.ssl_buffer_size;
    }

    if (conf->builtin_session_cache == NGX_CONF_UNSET
        && prev->builtin_session_cache == NGX_CONF_UNSET
        && conf->shm_zone == NULL && prev->shm_zone == NULL
        && base.ssl_session_cache)
    {
        return ngx_http_k8s_ssl_session_cache(cf, conf,
                                              base.ssl_session_cache_size);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_ssl_session_cache(ngx_conf_t *cf, ngx_http_ssl_srv_conf_t *conf,
    size_t size)
{
    ngx_str_t  name;

    ngx_str_set(&name, "k8s_ingress_ssl");

    conf->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                           &ngx_http_ssl_module);
    if (conf->shm_zone == NULL) {
        return NGX_ERROR;
    }

    conf->shm_zone->init = ngx_ssl_session_cache_init;
    conf->builtin_session_cache = NGX_SSL_NO_BUILTIN_SCACHE;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_ssl_server(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  i;
    ngx_array_t                *servers;
    ngx_http_k8s_ssl_server_t  *server;

    servers = ngx_http_k8s_ssl_servers(cf, 0);
    if (servers == NULL) {
        return NGX_OK;
    }

    server = servers->elts;
    for (i = 0; i < servers->nelts; i++) {

        if (server[i].cscf != cscf || !server[i].ours) {
            continue;
        }

        server[i].sscf->reject_handshake = 0;

        SSL_CTX_set_cert_cb(server[i].sscf->ssl.ctx,
                            ngx_http_k8s_ssl_certificate, server[i].klcf);
        SSL_CTX_set_app_data(server[i].sscf->ssl.ctx, server[i].klcf);

        return ngx_http_k8s_ssl_client_hello(cf, cscf);
    }

    return NGX_OK;
}


/*
 * A handshake starts with the context of the address' default server, so the
 * callback has to be there, whosever that server is; and goes on with that of
 * the name, where a second ClientHello comes.
 */

static ngx_int_t
ngx_http_k8s_ssl_client_hello(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                   p, a, s;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_ssl_srv_conf_t     *sscf;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

#if (nginx_version >= 1029002)
    static ngx_ssl_client_hello_arg  arg = { ngx_http_k8s_ssl_servername };
#endif

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        addr = port[p].addrs.elts;
        for (a = 0; a < port[p].addrs.nelts; a++) {

            cscfp = addr[a].servers.elts;
            for (s = 0; s < addr[a].servers.nelts; s++) {
                if (cscfp[s] == cscf) {
                    break;
                }
            }

            if (!addr[a].opt.ssl || s == addr[a].servers.nelts) {
                continue;
            }

            for (s = 0; s < addr[a].servers.nelts; s++) {

                sscf = ngx_http_get_module_srv_conf(cscfp[s]->ctx,
                                                    ngx_http_ssl_module);

                if (sscf->ssl.ctx == NULL) {
                    continue;
                }

#if (nginx_version >= 1029002)
                if (cscfp[s] == addr[a].default_server
                    && ngx_ssl_set_client_hello_callback(&sscf->ssl, &arg)
                       != NGX_OK)
                {
                    return NGX_ERROR;
                }
#else
                SSL_CTX_set_client_hello_cb(sscf->ssl.ctx,
                                            ngx_http_k8s_ssl_hello, NULL);
#endif
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_ssl_init(ngx_k8s_block_t *block, ngx_cycle_t *cycle)
{
    return ngx_http_k8s_ssl_cache(block, cycle->log) ? NGX_OK : NGX_ERROR;
}


void
ngx_http_k8s_ssl_done(ngx_k8s_block_t *block)
{
    if (block->ssl) {
        ngx_k8s_cert_cache_destroy(block->ssl);
        block->ssl = NULL;
    }
}


static ngx_k8s_cert_cache_t *
ngx_http_k8s_ssl_cache(ngx_k8s_block_t *block, ngx_log_t *log)
{
    if (block->ssl == NULL) {
        block->ssl = ngx_k8s_cert_cache_create(NGX_K8S_CERT_CACHE_SIZE, log);
    }

    return block->ssl;
}


/* OpenSSL asks for the certificate; not called when a session is resumed */

static int
ngx_http_k8s_ssl_certificate(ngx_ssl_conn_t *ssl_conn, void *arg)
{
    ngx_http_k8s_loc_conf_t *klcf = arg;

    ngx_k8s_table_t   *table;
    ngx_connection_t  *c;

    c = ngx_ssl_get_connection(ssl_conn);

    if (c->ssl->handshaked) {
        return 0;
    }

    table = ngx_k8s_pin(klcf->block);

    if (table) {
        SSL_certs_clear(ssl_conn);

        if (ngx_http_k8s_ssl_present(ssl_conn, klcf, table, c->log)) {
            return 1;
        }
    }

    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "no certificate in the table, not even the default one");

    c->ssl->handshake_rejected = 1;

    return 0;
}


/* NGX_DECLINED: the handshake has to fail */

static ngx_int_t
ngx_http_k8s_ssl_choose(ngx_connection_t *c, ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_table_t *table, ngx_str_t *sni, ngx_k8s_tls_t *tls)
{
    ngx_k8s_tls_key_t  key;

    key.sni = *sni;
    key.nsets = 0;
    key.regex = ngx_http_k8s_ssl_regex;
    key.data = c->log;

    if (table->counts[NGX_K8S_INDEX_ADDRESS]) {

        if (ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK) {
            return NGX_ERROR;
        }

        key.nsets = ngx_k8s_tls_address(table, c->local_sockaddr, &key.sets,
                                        &key.port);
    }

    if (key.nsets == 0) {
        key.sets = &klcf->block->route_set;
        key.nsets = 1;
        key.port = ngx_inet_get_port(c->listening->sockaddr);
    }

    ngx_k8s_tls_choose(table, &key, tls);

    if (!tls->known && tls->listener == NULL
        && ngx_http_k8s_base(klcf, table, c->log)->settings->ssl_reject)
    {
        return NGX_DECLINED;
    }

    return tls->reject ? NGX_DECLINED : NGX_OK;
}


/* names that an expression of server-alias takes */

static ngx_int_t
ngx_http_k8s_ssl_regex(void *data, ngx_uint_t what, ngx_str_t *pattern,
    ngx_str_t *text)
{
    ngx_log_t *log = data;

    int        captures[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_int_t  n;

    n = ngx_http_k8s_regex(pattern, NGX_HTTP_K8S_REGEX_CASELESS, text,
                           captures, log);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    return n ? NGX_OK : NGX_DECLINED;
}


/* returns how many are presented: those of the name, else the default one */

static ngx_uint_t
ngx_http_k8s_ssl_present(ngx_ssl_conn_t *ssl_conn,
    ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_table_t *table, ngx_log_t *log)
{
    ngx_str_t               sni;
    ngx_uint_t              i, n;
    const char             *servername;
    ngx_k8s_tls_t           tls;
    ngx_k8s_cert_cache_t   *cache;
    ngx_k8s_certificate_t  *rec;

    cache = ngx_http_k8s_ssl_cache(klcf->block, log);
    if (cache == NULL) {
        return 0;
    }

    servername = SSL_get_servername(ssl_conn, TLSEXT_NAMETYPE_host_name);

    sni.data = (u_char *) servername;
    sni.len = servername ? ngx_strlen(servername) : 0;

    if (ngx_http_k8s_ssl_choose(ngx_ssl_get_connection(ssl_conn), klcf, table,
                                &sni, &tls)
        != NGX_OK
        || (tls.client
            && (ngx_http_k8s_ssl_apply(ssl_conn, tls.client, log) != NGX_OK
                || ngx_http_k8s_ssl_client_ask(ssl_conn, klcf->block,
                                               tls.client, log)
                   != NGX_OK)))
    {
        return 0;
    }

    n = 0;

    for (i = 0; i < tls.ncerts; i++) {
        n += ngx_k8s_cert_present(cache, tls.certs[i], ssl_conn, log);
    }

    if (n) {
        return n;
    }

    rec = ngx_k8s_tls_default(table);

    return rec ? ngx_k8s_cert_present(cache, rec, ssl_conn, log) : 0;
}


/*
 * What the same name means can differ from address to address.  What rejects a
 * handshake rejects one that would resume a session, too; ctx is that of the
 * server of the name.  Returns 0, with an alert in *ad, if it has to fail.
 */

static int
ngx_http_k8s_ssl_session_id(ngx_ssl_conn_t *ssl_conn, SSL_CTX *ctx,
    ngx_str_t *sni, int *ad)
{
    u_char                     id[NGX_K8S_TLS_ID_LEN];
    u_char                     buf[NGX_MAX_CONF_ERRSTR];
    ngx_int_t                  rc;
    ngx_str_t                  scope;
    ngx_k8s_tls_t              tls;
    ngx_k8s_table_t           *table;
    ngx_connection_t          *c;
    ngx_http_connection_t     *hc;
    ngx_http_k8s_loc_conf_t   *klcf;
    ngx_http_core_srv_conf_t  *cscf;

    *ad = SSL_AD_INTERNAL_ERROR;

    c = ngx_ssl_get_connection(ssl_conn);
    hc = c->data;
    cscf = hc->addr_conf->default_server;

    scope.data = buf;
    scope.len = ngx_snprintf(buf, sizeof(buf), "%ui %s",
                             (ngx_uint_t) cscf->line, cscf->file_name)
                - buf;

    klcf = ctx ? SSL_CTX_get_app_data(ctx) : NULL;
    table = klcf ? ngx_k8s_pin(klcf->block) : NULL;

    if (table) {
        rc = ngx_http_k8s_ssl_choose(c, klcf, table, sni, &tls);

        if (rc == NGX_ERROR) {
            return 0;
        }

        if (rc == NGX_DECLINED) {
            c->ssl->handshake_rejected = 1;
            *ad = SSL_AD_UNRECOGNIZED_NAME;

            return 0;
        }

        if (ngx_http_k8s_ssl_curves(ssl_conn, klcf->base->settings, c->log)
            != NGX_OK)
        {
            return 0;
        }
    }

    ngx_k8s_tls_session_id(id, sni,
                           ngx_inet_get_port(c->listening->sockaddr), &scope,
                           table ? &tls : NULL);

    if (table && tls.client) {
        ngx_http_k8s_ssl_client_scope(klcf->block, tls.client, id);
    }

    return SSL_set_session_id_context(ssl_conn, id, NGX_K8S_TLS_ID_LEN);
}


#if (nginx_version >= 1029002)

static int
ngx_http_k8s_ssl_servername(ngx_ssl_conn_t *ssl_conn, int *ad, void *arg)
{
    ngx_str_t  *sni = arg;

    int        rc;
    ngx_str_t  empty;

    rc = ngx_http_ssl_servername(ssl_conn, ad, arg);

    if (rc != SSL_TLSEXT_ERR_OK) {
        return rc;
    }

    if (sni == NULL) {
        ngx_str_null(&empty);
        sni = &empty;
    }

    if (ngx_http_k8s_ssl_session_id(ssl_conn, SSL_get_SSL_CTX(ssl_conn), sni,
                                    ad)
        == 0)
    {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    return rc;
}

#else

static int
ngx_http_k8s_ssl_hello(ngx_ssl_conn_t *ssl_conn, int *ad, void *arg)
{
    size_t             len;
    ngx_str_t          sni;
    const u_char      *p;
    ngx_connection_t  *c;

    ngx_str_null(&sni);

    /* list length, 2 bytes; type 0, 1; name length, 2; name: the only one */

    if (SSL_client_hello_get0_ext(ssl_conn, TLSEXT_TYPE_server_name, &p, &len)
        && len > 5
        && p[2] == TLSEXT_NAMETYPE_host_name
        && (size_t) (p[3] << 8 | p[4]) == len - 5)
    {
        sni.data = (u_char *) p + 5;
        sni.len = len - 5;
    }

    c = ngx_ssl_get_connection(ssl_conn);

    if (ngx_http_k8s_ssl_session_id(ssl_conn, ngx_http_k8s_ssl_context(c, &sni),
                                    &sni, ad)
        == 0)
    {
        return SSL_CLIENT_HELLO_ERROR;
    }

    return SSL_CLIENT_HELLO_SUCCESS;
}


/* of the server that nginx is going to choose by the name; NULL: it has none */

static SSL_CTX *
ngx_http_k8s_ssl_context(ngx_connection_t *c, ngx_str_t *sni)
{
    u_char                     buf[NGX_K8S_HOST_MAX];
    ngx_str_t                  name;
    ngx_http_connection_t     *hc;
    ngx_http_ssl_srv_conf_t   *sscf;
    ngx_http_core_srv_conf_t  *cscf;
    ngx_http_virtual_names_t  *names;
#if (NGX_PCRE)
    ngx_uint_t                 i;
    ngx_http_server_name_t    *sn;
#endif

    hc = c->data;
    names = hc->addr_conf->virtual_names;
    cscf = NULL;

    if (names && sni->len
        && ngx_k8s_route_host_name(buf, sni, &name) == NGX_OK)
    {
        cscf = ngx_hash_find_combined(&names->names,
                                      ngx_hash_key(name.data, name.len),
                                      name.data, name.len);
#if (NGX_PCRE)
        sn = names->regex;

        for (i = 0; cscf == NULL && i < names->nregex; i++) {
            if (ngx_regex_exec(sn[i].regex->regex, &name, NULL, 0) >= 0) {
                cscf = sn[i].server;
            }
        }
#endif
    }

    if (cscf == NULL) {
        cscf = hc->addr_conf->default_server;
    }

    sscf = ngx_http_get_module_srv_conf(cscf->ctx, ngx_http_ssl_module);

    return sscf->ssl.ctx;
}

#endif
