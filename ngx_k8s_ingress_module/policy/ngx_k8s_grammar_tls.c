
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Values that OpenSSL reads: it is asked whether it takes them, as what it
 * refuses would leave nothing in force.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>

#include <openssl/ssl.h>


static ngx_int_t ngx_k8s_decode_ciphers(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_curves(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_ticket_key(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static SSL_CTX *ngx_k8s_tls_text(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    char *text);


ngx_k8s_grammar_t  ngx_k8s_grammar_ciphers = {
    "a list of ciphers that OpenSSL knows", ngx_k8s_decode_ciphers, NULL,
    "-+!:@=_"
};

ngx_k8s_grammar_t  ngx_k8s_grammar_curves = {
    "\"auto\", or curves that OpenSSL knows, with colons between",
    ngx_k8s_decode_curves, NULL, "-:_"
};

ngx_k8s_grammar_t  ngx_k8s_grammar_ticket_key = {
    "48 or 80 bytes in base64", ngx_k8s_decode_ticket_key, NULL, NULL
};


static ngx_int_t
ngx_k8s_decode_ciphers(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    char      text[NGX_K8S_TLS_TEXT];
    SSL_CTX  *ctx;

    ctx = ngx_k8s_tls_text(grammar, value, text);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (SSL_CTX_set_cipher_list(ctx, text) == 0) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    *sp = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_curves(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    char      text[NGX_K8S_TLS_TEXT];
    SSL_CTX  *ctx;

    ctx = ngx_k8s_tls_text(grammar, value, text);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_strcmp(text, "auto") != 0
        && SSL_CTX_set1_groups_list(ctx, text) == 0)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    *sp = *value;

    return NGX_OK;
}


/*
 * What OpenSSL is asked with, one of the process; text gets a final zero.
 * NULL: the value has other characters, is too long, or there is no memory.
 */

static SSL_CTX *
ngx_k8s_tls_text(ngx_k8s_grammar_t *grammar, ngx_str_t *value, char *text)
{
    u_char  c;
    size_t  i;

    static SSL_CTX  *ctx;

    if (value->len >= NGX_K8S_TLS_TEXT) {
        return NULL;
    }

    for (i = 0; i < value->len; i++) {

        c = value->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9'))
        {
            continue;
        }

        if (c == '\0' || ngx_strchr(grammar->chars, c) == NULL) {
            return NULL;
        }
    }

    ngx_cpystrn((u_char *) text, value->data, value->len + 1);

    if (ctx == NULL) {
        ctx = SSL_CTX_new(TLS_server_method());

        if (ctx == NULL) {
            ERR_clear_error();
        }
    }

    return ctx;
}


static ngx_int_t
ngx_k8s_decode_ticket_key(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    u_char     buf[NGX_K8S_TICKET_LONG + 4];
    ngx_int_t  rc;
    ngx_str_t  key;

    if (value->len > ngx_base64_encoded_length(NGX_K8S_TICKET_LONG)) {
        return NGX_ERROR;
    }

    key.data = buf;

    rc = ngx_decode_base64(&key, value);

    ngx_explicit_memzero(buf, sizeof(buf));

    if (rc != NGX_OK
        || (key.len != NGX_K8S_TICKET_SHORT && key.len != NGX_K8S_TICKET_LONG))
    {
        return NGX_ERROR;
    }

    *sp = *value;

    return NGX_OK;
}
