
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Keys of the ConfigMap about TLS: a worker writes them to the context of a
 * server with a pass, over what nginx.conf says, and puts that back where a key
 * goes.  A handshake costs what it did.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_k8s_policy.h>


#define NGX_HTTP_K8S_SSL_VERSIONS                                             \
    (SSL_OP_NO_SSLv3|SSL_OP_NO_TLSv1|SSL_OP_NO_TLSv1_1|SSL_OP_NO_TLSv1_2      \
     |SSL_OP_NO_TLSv1_3)


/* of a server, what nginx.conf says; configuration's pool */

struct ngx_http_k8s_ssl_keys_s {
    ngx_http_ssl_srv_conf_t *sscf;
    uint64_t                 options;
    long                     timeout;
    long                     cache_mode;
    uint32_t                 early_data;
    size_t                   buffer_size;
    ngx_array_t             *tickets;    /* ngx_ssl_ticket_key_t; NULL: nginx
                                            has none */
    ngx_array_t              own;        /* the same of the ConfigMap, */
    ngx_ssl_ticket_key_t     ticket;     /* which has one */
};

/* field is what a key says, as its grammar has it; NULL: nothing */

typedef struct {
    ngx_str_t                name;
    void                   (*set)(ngx_http_k8s_ssl_keys_t *keys, void *field);
} ngx_http_k8s_ssl_key_t;


static void ngx_http_k8s_ssl_option(ngx_http_k8s_ssl_keys_t *keys,
    uint64_t mask, uint64_t options);
static void ngx_http_k8s_ssl_set_protocols(ngx_http_k8s_ssl_keys_t *keys,
    void *field);
static void ngx_http_k8s_ssl_set_ciphers(ngx_http_k8s_ssl_keys_t *keys,
    void *field);
static void ngx_http_k8s_ssl_set_cache(ngx_http_k8s_ssl_keys_t *keys,
    void *field);
static void ngx_http_k8s_ssl_set_timeout(ngx_http_k8s_ssl_keys_t *keys,
    void *field);
static void ngx_http_k8s_ssl_set_tickets(ngx_http_k8s_ssl_keys_t *keys,
    void *field);
static void ngx_http_k8s_ssl_set_ticket_key(ngx_http_k8s_ssl_keys_t *keys,
    void *field);
static void ngx_http_k8s_ssl_set_buffer(ngx_http_k8s_ssl_keys_t *keys,
    void *field);
static void ngx_http_k8s_ssl_set_early_data(ngx_http_k8s_ssl_keys_t *keys,
    void *field);


static ngx_http_k8s_ssl_key_t  ngx_http_k8s_ssl_key[] = {
    { ngx_string("ssl-protocols"), ngx_http_k8s_ssl_set_protocols },
    { ngx_string("ssl-ciphers"), ngx_http_k8s_ssl_set_ciphers },
    { ngx_string("ssl-session-cache"), ngx_http_k8s_ssl_set_cache },
    { ngx_string("ssl-session-timeout"), ngx_http_k8s_ssl_set_timeout },
    { ngx_string("ssl-session-tickets"), ngx_http_k8s_ssl_set_tickets },
    { ngx_string("ssl-session-ticket-key"), ngx_http_k8s_ssl_set_ticket_key },
    { ngx_string("ssl-buffer-size"), ngx_http_k8s_ssl_set_buffer },
    { ngx_string("ssl-early-data"), ngx_http_k8s_ssl_set_early_data },
    { ngx_null_string, NULL }
};


ngx_int_t
ngx_http_k8s_ssl_keys_init(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf)
{
    SSL_CTX                  *ctx;
    ngx_http_k8s_ssl_keys_t  *keys;
    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = klcf->ctx.srv_conf[ngx_http_ssl_module.ctx_index];
    ctx = sscf->ssl.ctx;

    if (ctx == NULL || klcf->location) {
        return NGX_OK;
    }

    keys = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_ssl_keys_t));
    if (keys == NULL) {
        return NGX_ERROR;
    }

    keys->sscf = sscf;
    keys->options = SSL_CTX_get_options(ctx);
    keys->timeout = SSL_CTX_get_timeout(ctx);
    keys->cache_mode = SSL_CTX_get_session_cache_mode(ctx);
    keys->early_data = SSL_CTX_get_max_early_data(ctx);
    keys->buffer_size = sscf->buffer_size;
    keys->tickets = SSL_CTX_get_ex_data(ctx, ngx_ssl_ticket_keys_index);

    keys->own.elts = &keys->ticket;
    keys->own.nelts = 1;
    keys->own.size = sizeof(ngx_ssl_ticket_key_t);
    keys->own.nalloc = 1;

    klcf->ssl = keys;

    return NGX_OK;
}


void
ngx_http_k8s_ssl_keys(ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *values)
{
    u_char                   field[16];
    ngx_str_t               *value;
    ngx_k8s_row_t           *row;
    ngx_http_k8s_ssl_key_t  *key;

    if (klcf->ssl == NULL) {
        return;
    }

    for (key = ngx_http_k8s_ssl_key; key->name.len; key++) {

        row = ngx_k8s_row(&key->name, NGX_K8S_ROW_KEY);
        value = values ? &values[row - ngx_k8s_rows] : NULL;

        key->set(klcf->ssl,
                 (value && value->data
                  && row->grammar->decode(row->grammar, value, field)
                     == NGX_OK)
                 ? field : NULL);
    }
}


/* those of the mask; what is not said is as in nginx.conf */

static void
ngx_http_k8s_ssl_option(ngx_http_k8s_ssl_keys_t *keys, uint64_t mask,
    uint64_t options)
{
    SSL_CTX_clear_options(keys->sscf->ssl.ctx, mask & ~options);
    SSL_CTX_set_options(keys->sscf->ssl.ctx, mask & options);
}


static void
ngx_http_k8s_ssl_set_protocols(ngx_http_k8s_ssl_keys_t *keys, void *field)
{
    uint64_t    options;
    ngx_uint_t  protocols;

    options = keys->options;

    if (field) {
        protocols = *(ngx_uint_t *) field;
        options = 0;

        if (!(protocols & NGX_SSL_SSLv3)) {
            options |= SSL_OP_NO_SSLv3;
        }

        if (!(protocols & NGX_SSL_TLSv1)) {
            options |= SSL_OP_NO_TLSv1;
        }

        if (!(protocols & NGX_SSL_TLSv1_1)) {
            options |= SSL_OP_NO_TLSv1_1;
        }

        if (!(protocols & NGX_SSL_TLSv1_2)) {
            options |= SSL_OP_NO_TLSv1_2;
        }

        if (!(protocols & NGX_SSL_TLSv1_3)) {
            options |= SSL_OP_NO_TLSv1_3;
        }
    }

    ngx_http_k8s_ssl_option(keys, NGX_HTTP_K8S_SSL_VERSIONS, options);
}


/* the grammar has asked OpenSSL, so that this fails for memory only */

static void
ngx_http_k8s_ssl_set_ciphers(ngx_http_k8s_ssl_keys_t *keys, void *field)
{
    u_char      text[NGX_K8S_TLS_TEXT];
    ngx_str_t  *ciphers;

    ciphers = field ? field : &keys->sscf->ciphers;

    ngx_cpystrn(text, ciphers->data,
                ngx_min(ciphers->len + 1, NGX_K8S_TLS_TEXT));

    if (SSL_CTX_set_cipher_list(keys->sscf->ssl.ctx, (char *) text) == 0) {
        ngx_ssl_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "SSL_CTX_set_cipher_list(\"%s\") failed", text);
    }
}


static void
ngx_http_k8s_ssl_set_cache(ngx_http_k8s_ssl_keys_t *keys, void *field)
{
    SSL_CTX_set_session_cache_mode(keys->sscf->ssl.ctx,
                                   field && *(ngx_uint_t *) field == 0
                                   ? SSL_SESS_CACHE_OFF : keys->cache_mode);
}


static void
ngx_http_k8s_ssl_set_timeout(ngx_http_k8s_ssl_keys_t *keys, void *field)
{
    SSL_CTX_set_timeout(keys->sscf->ssl.ctx,
                        field ? (long) (*(ngx_msec_t *) field / 1000)
                              : keys->timeout);
}


static void
ngx_http_k8s_ssl_set_tickets(ngx_http_k8s_ssl_keys_t *keys, void *field)
{
    uint64_t  options;

    options = keys->options;

    if (field) {
        options = *(ngx_uint_t *) field ? 0 : SSL_OP_NO_TICKET;
    }

    ngx_http_k8s_ssl_option(keys, SSL_OP_NO_TICKET, options);
}


/* nginx finds its keys at each use; without a cache that is shared it has none,
   and OpenSSL makes its own */

static void
ngx_http_k8s_ssl_set_ticket_key(ngx_http_k8s_ssl_keys_t *keys, void *field)
{
    u_char                 buf[NGX_K8S_TICKET_LONG + 4], *p;
    ngx_str_t              text;
    ngx_ssl_ticket_key_t  *key;

    if (keys->tickets == NULL) {
        return;
    }

    key = &keys->ticket;
    text.data = buf;

    if (field == NULL || ngx_decode_base64(&text, field) != NGX_OK) {
        (void) SSL_CTX_set_ex_data(keys->sscf->ssl.ctx,
                                   ngx_ssl_ticket_keys_index, keys->tickets);
        ngx_explicit_memzero(key, sizeof(ngx_ssl_ticket_key_t));
        return;
    }

    key->shared = 0;
    key->expire = 1;
    key->size = text.len;

    p = buf;
    ngx_memcpy(key->name, p, 16);
    p += 16;

    if (text.len == NGX_K8S_TICKET_SHORT) {
        ngx_memcpy(key->aes_key, p, 16);
        ngx_memcpy(key->hmac_key, p + 16, 16);

    } else {
        ngx_memcpy(key->hmac_key, p, 32);
        ngx_memcpy(key->aes_key, p + 32, 32);
    }

    ngx_explicit_memzero(buf, sizeof(buf));

    (void) SSL_CTX_set_ex_data(keys->sscf->ssl.ctx, ngx_ssl_ticket_keys_index,
                               &keys->own);
}


static void
ngx_http_k8s_ssl_set_buffer(ngx_http_k8s_ssl_keys_t *keys, void *field)
{
    size_t  size;

    size = field ? *(size_t *) field : keys->buffer_size;

    /* of the server of the address, and of that of the name */

    keys->sscf->ssl.buffer_size = size;
    keys->sscf->buffer_size = size;
}


static void
ngx_http_k8s_ssl_set_early_data(ngx_http_k8s_ssl_keys_t *keys, void *field)
{
    uint32_t  size;

    size = keys->early_data;

    if (field) {
        size = *(ngx_uint_t *) field ? NGX_SSL_BUFSIZE : 0;
    }

    SSL_CTX_set_max_early_data(keys->sscf->ssl.ctx, size);
}
