
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Certificates of clients.  The policy of the host that a handshake is for asks
 * for one; what came of it is looked at when a request is routed, as nginx does
 * it.  The context of the session has the policy and the digests of its CAs and
 * lists in it, so that no session outlives a change of them, and a request is
 * for no other policy than that of its handshake.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_data.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_http_k8s_template.h>
#include <ngx_k8s_policy.h>

#include <openssl/sha.h>


#define NGX_HTTP_K8S_STORES          256 /* of a worker, those used last */

/* as in ssl_verify_client */
#define NGX_HTTP_K8S_VERIFY_ON       1
#define NGX_HTTP_K8S_VERIFY_NO_CA    3


/* bytes of the context of a session, and of its end, which is the policy's */
#define NGX_HTTP_K8S_SSL_CONTEXT     32
#define NGX_HTTP_K8S_SSL_CLIENT      16

/* what a policy says; texts are its record's */

typedef struct {
    ngx_str_t                secret;     /* empty: nothing is asked for */
    ngx_uint_t               verify;     /* of ngx_k8s_grammar_verify_client */
    ngx_uint_t               depth;
    ngx_uint_t               whole;      /* backends get the certificate */
    ngx_str_t                cn;         /* empty: any */
    ngx_str_t                page;       /* URL, with variables; or empty */
    ngx_k8s_data_t          *ca;         /* NULL: closed */
    ngx_k8s_data_t          *crl;        /* the same; may be empty */
} ngx_http_k8s_ssl_client_t;

/* what OpenSSL takes of CAs and lists, by their content */

typedef struct {
    ngx_queue_t              queue;
    u_char                   ca[32];
    u_char                   crl[32];
    X509_STORE              *store;
    STACK_OF(X509_NAME)     *names;
} ngx_http_k8s_store_t;


static ngx_int_t ngx_http_k8s_ssl_client_policy(ngx_k8s_block_t *block,
    ngx_k8s_policy_t *policy, ngx_http_k8s_ssl_client_t *client);
static ngx_uint_t ngx_http_k8s_ssl_client_row(ngx_k8s_row_t *row, char *name);
static void ngx_http_k8s_ssl_client_id(u_char id[SHA256_DIGEST_LENGTH],
    ngx_k8s_policy_t *policy, ngx_http_k8s_ssl_client_t *client);
static ngx_uint_t ngx_http_k8s_ssl_client_bound(ngx_ssl_conn_t *ssl_conn,
    ngx_k8s_policy_t *policy, ngx_http_k8s_ssl_client_t *client);
static ngx_int_t ngx_http_k8s_ssl_client_refused(ngx_http_request_t *r,
    ngx_str_t *page, ngx_int_t status);
static ngx_int_t ngx_http_k8s_ssl_client_name(ngx_http_request_t *r,
    ngx_str_t *cn);
static ngx_http_k8s_store_t *ngx_http_k8s_store(
    ngx_http_k8s_ssl_client_t *client, ngx_log_t *log);
static ngx_int_t ngx_http_k8s_store_fill(ngx_http_k8s_store_t *store,
    ngx_http_k8s_ssl_client_t *client);
static void ngx_http_k8s_store_free(ngx_http_k8s_store_t *store);
static int ngx_http_k8s_ssl_client_verified(int ok,
    X509_STORE_CTX *x509_store);


static ngx_queue_t  ngx_http_k8s_stores;
static ngx_uint_t   ngx_http_k8s_nstores;


/* NGX_DECLINED: it says nothing of certificates */

static ngx_int_t
ngx_http_k8s_ssl_client_policy(ngx_k8s_block_t *block, ngx_k8s_policy_t *policy,
    ngx_http_k8s_ssl_client_t *client)
{
    ngx_str_t           value;
    ngx_uint_t          i;
    ngx_k8s_row_t      *row;
    ngx_k8s_setting_t  *setting;

    ngx_memzero(client, sizeof(ngx_http_k8s_ssl_client_t));

    client->verify = NGX_HTTP_K8S_VERIFY_ON;
    client->depth = 1;

    setting = ngx_k8s_record_at(policy, policy->settings.offset);

    for (i = 0; i < policy->settings.n; i++) {

        if (setting[i].row >= ngx_k8s_nrows) {
            continue;
        }

        row = &ngx_k8s_rows[setting[i].row];
        ngx_k8s_record_str(policy, &setting[i].value, &value);

        if (ngx_http_k8s_ssl_client_row(row, "auth-tls-secret")) {
            client->secret = value;

        } else if (ngx_http_k8s_ssl_client_row(row, "auth-tls-match-cn")) {
            client->cn = value;

        } else if (ngx_http_k8s_ssl_client_row(row, "auth-tls-error-page")) {
            client->page = value;

        } else if (ngx_http_k8s_ssl_client_row(row, "auth-tls-verify-client"))
        {
            (void) row->grammar->decode(row->grammar, &value, &client->verify);

        } else if (ngx_http_k8s_ssl_client_row(row, "auth-tls-verify-depth")) {
            (void) row->grammar->decode(row->grammar, &value, &client->depth);

        } else if (ngx_http_k8s_ssl_client_row(row,
                                    "auth-tls-pass-certificate-to-upstream"))
        {
            (void) row->grammar->decode(row->grammar, &value, &client->whole);
        }
    }

    if (client->secret.len == 0) {
        return NGX_DECLINED;
    }

    /* as in ingress-nginx */

    client->depth = ngx_min(ngx_max(client->depth, 1), 100);

    client->ca = ngx_http_k8s_data(block, NGX_K8S_DATA_CA, &client->secret);
    client->crl = ngx_http_k8s_data(block, NGX_K8S_DATA_CRL, &client->secret);

    /* a Secret without ca.crt */

    if (client->ca && client->ca->bytes.len == 0) {
        client->ca = NULL;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_ssl_client_row(ngx_k8s_row_t *row, char *name)
{
    return row->name.len == ngx_strlen(name)
           && ngx_strncmp(row->name.data, name, row->name.len) == 0;
}


void
ngx_http_k8s_ssl_client_scope(ngx_k8s_block_t *block, ngx_k8s_policy_t *policy,
    u_char *id)
{
    u_char                     own[SHA256_DIGEST_LENGTH];
    ngx_http_k8s_ssl_client_t  client;

    if (ngx_http_k8s_ssl_client_policy(block, policy, &client) == NGX_OK) {
        ngx_http_k8s_ssl_client_id(own, policy, &client);

        ngx_memcpy(id + NGX_HTTP_K8S_SSL_CONTEXT - NGX_HTTP_K8S_SSL_CLIENT,
                   own, NGX_HTTP_K8S_SSL_CLIENT);
    }
}


/* of all that decides who is let through */

static void
ngx_http_k8s_ssl_client_id(u_char id[SHA256_DIGEST_LENGTH],
    ngx_k8s_policy_t *policy, ngx_http_k8s_ssl_client_t *client)
{
    u_char  buf[sizeof(policy->tls) + 64];

    ngx_memzero(buf, sizeof(buf));

    ngx_memcpy(buf, policy->tls, sizeof(policy->tls));

    if (client->ca && client->crl) {
        ngx_memcpy(buf + sizeof(policy->tls), client->ca->sha256, 32);
        ngx_memcpy(buf + sizeof(policy->tls) + 32, client->crl->sha256, 32);
    }

    SHA256(buf, sizeof(buf), id);
}


/* whether the handshake began with this policy: 1 or 0 */

static ngx_uint_t
ngx_http_k8s_ssl_client_bound(ngx_ssl_conn_t *ssl_conn,
    ngx_k8s_policy_t *policy, ngx_http_k8s_ssl_client_t *client)
{
    u_char         id[SHA256_DIGEST_LENGTH];
    SSL_SESSION   *session;
    unsigned int   len;
    const u_char  *context;

    session = SSL_get0_session(ssl_conn);

    if (session == NULL) {
        return 0;
    }

    ngx_http_k8s_ssl_client_id(id, policy, client);

    context = SSL_SESSION_get0_id_context(session, &len);

    return len == NGX_HTTP_K8S_SSL_CONTEXT
           && CRYPTO_memcmp(context + NGX_HTTP_K8S_SSL_CONTEXT
                            - NGX_HTTP_K8S_SSL_CLIENT, id,
                            NGX_HTTP_K8S_SSL_CLIENT)
              == 0;
}


/* without its Secret nothing is asked, and no request is let through */

ngx_int_t
ngx_http_k8s_ssl_client_ask(ngx_ssl_conn_t *ssl_conn, ngx_k8s_block_t *block,
    ngx_k8s_policy_t *policy, ngx_log_t *log)
{
    STACK_OF(X509_NAME)        *names;
    ngx_http_k8s_store_t       *store;
    ngx_http_k8s_ssl_client_t   client;

    if (ngx_http_k8s_ssl_client_policy(block, policy, &client) != NGX_OK
        || client.verify == 0 || client.ca == NULL || client.crl == NULL)
    {
        return NGX_OK;
    }

    if (SSL_get_verify_mode(ssl_conn) & SSL_VERIFY_PEER) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "both ssl_verify_client of nginx.conf and "
                      "auth-tls-secret \"%V\" ask for certificates of "
                      "clients: take one of them away", &client.secret);
        return NGX_ERROR;
    }

    /* a second ClientHello may have another name than the first one */

    if (!ngx_http_k8s_ssl_client_bound(ssl_conn, policy, &client)) {
        ngx_log_error(NGX_LOG_INFO, log, 0,
                      "the name of a handshake changes in it, to one that asks "
                      "for certificates of clients");
        return NGX_ERROR;
    }

    store = ngx_http_k8s_store(&client, log);
    if (store == NULL) {
        return NGX_ERROR;
    }

    names = SSL_dup_CA_list(store->names);

    if (names == NULL
        || SSL_set1_verify_cert_store(ssl_conn, store->store) == 0)
    {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return NGX_ERROR;
    }

    SSL_set_client_CA_list(ssl_conn, names);

    SSL_set_verify(ssl_conn, SSL_VERIFY_PEER, ngx_http_k8s_ssl_client_verified);
    SSL_set_verify_depth(ssl_conn, client.depth);

    return NGX_OK;
}


/* as nginx: the handshake goes on, and a request is answered */

static int
ngx_http_k8s_ssl_client_verified(int ok, X509_STORE_CTX *x509_store)
{
    return 1;
}


ngx_uint_t
ngx_http_k8s_ssl_client_closed(ngx_k8s_block_t *block, ngx_k8s_policy_t *policy)
{
    ngx_http_k8s_ssl_client_t  client;

    return ngx_http_k8s_ssl_client_policy(block, policy, &client) == NGX_OK
           && (client.ca == NULL || client.crl == NULL);
}


ngx_int_t
ngx_http_k8s_ssl_client_check(ngx_http_request_t *r, ngx_k8s_block_t *block,
    ngx_k8s_policy_t *policy)
{
    long                        rc;
    X509                       *cert;
    SSL_SESSION                *session;
    ngx_connection_t           *c;
    ngx_http_k8s_ssl_client_t   client;

    if (ngx_http_k8s_ssl_client_policy(block, policy, &client) != NGX_OK) {
        return NGX_OK;
    }

    c = r->connection;

    if (client.ca == NULL || client.crl == NULL) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "the host is closed: of Secret \"%V\", for certificates "
                      "of clients, \"%s\" %s", &client.secret,
                      client.ca ? "ca.crl" : "ca.crt",
                      client.ca ? "cannot be read"
                                : "is missing or cannot be read");
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_http_k8s_ssl_client_tell(r, client.verify != 0, client.whole)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* nobody has a name without a certificate */

    if (client.verify == 0) {
        return client.cn.len ? NGX_HTTP_FORBIDDEN : NGX_OK;
    }

    if (c->ssl == NULL) {

        if (client.cn.len) {
            return NGX_ABORT;
        }

        return (client.verify == NGX_HTTP_K8S_VERIFY_ON) ? NGX_DECLINED
                                                         : NGX_OK;
    }

    if (!ngx_http_k8s_ssl_client_bound(c->ssl->connection, policy, &client)) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "the host asks for other certificates than that of the "
                      "handshake");

        r->keepalive = 0;

        return NGX_HTTP_MISDIRECTED_REQUEST;
    }

    session = SSL_get0_session(c->ssl->connection);
    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK
        && (client.verify != NGX_HTTP_K8S_VERIFY_NO_CA
            || !ngx_ssl_verify_error_optional(rc)))
    {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "client SSL certificate verify error: (%l:%s)", rc,
                      X509_verify_cert_error_string(rc));

        ngx_ssl_remove_cached_session(c->ssl->session_ctx, session);

        return ngx_http_k8s_ssl_client_refused(r, &client.page,
                                               NGX_HTTPS_CERT_ERROR);
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);

    if (cert == NULL && client.verify == NGX_HTTP_K8S_VERIFY_ON) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "client sent no required SSL certificate");

        ngx_ssl_remove_cached_session(c->ssl->session_ctx, session);

        return ngx_http_k8s_ssl_client_refused(r, &client.page,
                                               NGX_HTTPS_NO_CERT);
    }

    X509_free(cert);

    return client.cn.len ? ngx_http_k8s_ssl_client_name(r, &client.cn)
                         : NGX_OK;
}


static ngx_int_t
ngx_http_k8s_ssl_client_refused(ngx_http_request_t *r, ngx_str_t *page,
    ngx_int_t status)
{
    ngx_str_t                url;
    ngx_http_k8s_captures_t  captures;

    if (page->len == 0) {
        return status;
    }

    ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

    if (ngx_http_k8s_template_header(r, page, &captures, &url) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the next try needs a handshake */

    r->keepalive = 0;

    return ngx_http_k8s_redirect_to(r, NGX_HTTP_MOVED_TEMPORARILY, &url);
}


/* a whole part of the subject, which commas separate, unless escaped */

static ngx_int_t
ngx_http_k8s_ssl_client_name(ngx_http_request_t *r, ngx_str_t *cn)
{
    int        captures[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_str_t  dn, pattern;

    if (ngx_ssl_get_subject_dn(r->connection, r->pool, &dn) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    pattern.data = ngx_pnalloc(r->pool, cn->len + 64);
    if (pattern.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    pattern.len = ngx_sprintf(pattern.data, "(?:^|(?<!\\\\),)(?:%V)(?:,|$)", cn)
                  - pattern.data;

    if (ngx_http_k8s_regex(&pattern, 0, &dn, captures, r->connection->log) > 0)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "client SSL certificate of \"%V\" is not of \"%V\"", &dn, cn);

    return NGX_HTTP_FORBIDDEN;
}


/* valid until the next call, so that OpenSSL takes references at once */

static ngx_http_k8s_store_t *
ngx_http_k8s_store(ngx_http_k8s_ssl_client_t *client, ngx_log_t *log)
{
    ngx_queue_t           *q;
    ngx_http_k8s_store_t  *store;

    if (ngx_http_k8s_stores.next == NULL) {
        ngx_queue_init(&ngx_http_k8s_stores);
    }

    for (q = ngx_queue_head(&ngx_http_k8s_stores);
         q != ngx_queue_sentinel(&ngx_http_k8s_stores);
         q = ngx_queue_next(q))
    {
        store = ngx_queue_data(q, ngx_http_k8s_store_t, queue);

        if (ngx_memcmp(store->ca, client->ca->sha256, 32) == 0
            && ngx_memcmp(store->crl, client->crl->sha256, 32) == 0)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&ngx_http_k8s_stores, q);

            return store;
        }
    }

    store = ngx_calloc(sizeof(ngx_http_k8s_store_t), log);
    if (store == NULL) {
        return NULL;
    }

    if (ngx_http_k8s_store_fill(store, client) != NGX_OK) {
        ngx_ssl_error(NGX_LOG_ERR, log, 0,
                      "CA certificates of Secret \"%V\" cannot be used",
                      &client->secret);
        ngx_http_k8s_store_free(store);
        return NULL;
    }

    if (ngx_http_k8s_nstores == NGX_HTTP_K8S_STORES) {
        q = ngx_queue_last(&ngx_http_k8s_stores);
        ngx_queue_remove(q);
        ngx_http_k8s_store_free(ngx_queue_data(q, ngx_http_k8s_store_t,
                                               queue));
        ngx_http_k8s_nstores--;
    }

    ngx_queue_insert_head(&ngx_http_k8s_stores, &store->queue);
    ngx_http_k8s_nstores++;

    return store;
}


static ngx_int_t
ngx_http_k8s_store_fill(ngx_http_k8s_store_t *store,
    ngx_http_k8s_ssl_client_t *client)
{
    X509          *x509;
    X509_CRL      *crl;
    X509_NAME     *name;
    ngx_int_t      rc;
    ngx_str_t      bytes, der;
    const u_char  *p;

    ngx_memcpy(store->ca, client->ca->sha256, 32);
    ngx_memcpy(store->crl, client->crl->sha256, 32);

    store->store = X509_STORE_new();
    store->names = sk_X509_NAME_new_null();

    if (store->store == NULL || store->names == NULL) {
        return NGX_ERROR;
    }

    ngx_k8s_record_str(client->ca, &client->ca->bytes, &bytes);

    while (ngx_k8s_data_next(&bytes, &der) == NGX_OK) {

        p = der.data;

        x509 = d2i_X509(NULL, &p, der.len);
        if (x509 == NULL) {
            return NGX_ERROR;
        }

        rc = X509_STORE_add_cert(store->store, x509);
        name = X509_NAME_dup(X509_get_subject_name(x509));

        X509_free(x509);

        if (rc == 0 || name == NULL
            || sk_X509_NAME_push(store->names, name) == 0)
        {
            X509_NAME_free(name);
            return NGX_ERROR;
        }
    }

    ngx_k8s_record_str(client->crl, &client->crl->bytes, &bytes);

    if (bytes.len) {
        X509_STORE_set_flags(store->store,
                             X509_V_FLAG_CRL_CHECK|X509_V_FLAG_CRL_CHECK_ALL);
    }

    while (ngx_k8s_data_next(&bytes, &der) == NGX_OK) {

        p = der.data;

        crl = d2i_X509_CRL(NULL, &p, der.len);
        if (crl == NULL) {
            return NGX_ERROR;
        }

        rc = X509_STORE_add_crl(store->store, crl);

        X509_CRL_free(crl);

        if (rc == 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_k8s_store_free(ngx_http_k8s_store_t *store)
{
    X509_STORE_free(store->store);
    sk_X509_NAME_pop_free(store->names, X509_NAME_free);
    ngx_free(store);
}
