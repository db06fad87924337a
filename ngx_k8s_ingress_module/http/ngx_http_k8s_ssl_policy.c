
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What holds for one handshake, on its connection.  nginx takes options and
 * verification from the context of the server that it finds by the name, so
 * that these are set behind that, where OpenSSL asks for the certificate.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_k8s_policy.h>


static ngx_int_t ngx_http_k8s_ssl_ciphers(ngx_ssl_conn_t *ssl_conn,
    ngx_str_t *ciphers, ngx_log_t *log);


ngx_int_t
ngx_http_k8s_ssl_curves(ngx_ssl_conn_t *ssl_conn, ngx_k8s_settings_t *settings,
    ngx_log_t *log)
{
    u_char  text[NGX_K8S_TLS_TEXT];

    if (settings->ssl_curves.len == sizeof("auto") - 1
        && ngx_strncmp(settings->ssl_curves.data, "auto", 4) == 0)
    {
        return NGX_OK;
    }

    ngx_cpystrn(text, settings->ssl_curves.data, settings->ssl_curves.len + 1);

    if (SSL_set1_groups_list(ssl_conn, (char *) text) == 0) {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0,
                      "SSL_set1_groups_list(\"%s\") failed", text);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_ssl_apply(ngx_ssl_conn_t *ssl_conn, ngx_k8s_policy_t *policy,
    ngx_log_t *log)
{
    ngx_str_t           value;
    ngx_uint_t          i, on;
    ngx_k8s_row_t      *row;
    ngx_k8s_setting_t  *setting;

    setting = ngx_k8s_record_at(policy, policy->settings.offset);

    for (i = 0; i < policy->settings.n; i++) {

        if (setting[i].row >= ngx_k8s_nrows) {
            return NGX_ERROR;
        }

        row = &ngx_k8s_rows[setting[i].row];
        ngx_k8s_record_str(policy, &setting[i].value, &value);

        switch (row->offset) {

        case offsetof(ngx_k8s_settings_t, ssl_ciphers):

            if (ngx_http_k8s_ssl_ciphers(ssl_conn, &value, log) != NGX_OK) {
                return NGX_ERROR;
            }

            break;

        case offsetof(ngx_k8s_settings_t, ssl_prefer):

            if (row->grammar->decode(row->grammar, &value, &on) != NGX_OK) {
                return NGX_ERROR;
            }

            if (on) {
                SSL_set_options(ssl_conn, SSL_OP_CIPHER_SERVER_PREFERENCE);

            } else {
                SSL_clear_options(ssl_conn, SSL_OP_CIPHER_SERVER_PREFERENCE);
            }

            break;
        }
    }

    return NGX_OK;
}


/* the grammar has asked OpenSSL, in the watcher */

static ngx_int_t
ngx_http_k8s_ssl_ciphers(ngx_ssl_conn_t *ssl_conn, ngx_str_t *ciphers,
    ngx_log_t *log)
{
    u_char  text[NGX_K8S_TLS_TEXT];

    ngx_cpystrn(text, ciphers->data,
                ngx_min(ciphers->len + 1, NGX_K8S_TLS_TEXT));

    if (SSL_set_cipher_list(ssl_conn, (char *) text) == 0) {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0,
                      "SSL_set_cipher_list(\"%s\") failed", text);
        return NGX_ERROR;
    }

    return NGX_OK;
}
