
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_profile.h>


static ngx_int_t ngx_http_k8s_settings_row(ngx_conf_t *cf,
    ngx_array_t *settings, ngx_http_k8s_default_t *row);
static ngx_int_t ngx_http_k8s_settings_expand(ngx_conf_t *cf,
    ngx_http_k8s_default_t *row, ngx_str_t *arguments);


#define ngx_http_k8s_row(key, value, directive, argument, note)               \
    { ngx_string(key), ngx_string(value), ngx_string(directive),              \
      ngx_string(argument), ngx_string(note) }

/* a header of the request to the backend */
#define ngx_http_k8s_header_row(argument, note)                               \
    ngx_http_k8s_row("", "", "proxy_set_header", argument, note)


ngx_http_k8s_default_t  ngx_http_k8s_defaults[] = {

    /* time-outs and sizes */

    ngx_http_k8s_row("proxy-connect-timeout", "5",
                     "proxy_connect_timeout", "%Vs", "seconds"),
    ngx_http_k8s_row("proxy-send-timeout", "60",
                     "proxy_send_timeout", "%Vs", "seconds"),
    ngx_http_k8s_row("proxy-read-timeout", "60",
                     "proxy_read_timeout", "%Vs",
                     "seconds; of upgraded connections too"),
    ngx_http_k8s_row("proxy-body-size", "1m",
                     "client_max_body_size", "%V", "0 is no limit"),
    ngx_http_k8s_row("client-body-buffer-size", "8k",
                     "client_body_buffer_size", "%V", ""),
    ngx_http_k8s_row("client-body-timeout", "60",
                     "client_body_timeout", "%Vs", "seconds"),
    ngx_http_k8s_row("proxy-buffering", "off", "proxy_buffering", "%V", ""),
    ngx_http_k8s_row("proxy-request-buffering", "on",
                     "proxy_request_buffering", "%V", ""),
    ngx_http_k8s_row("proxy-buffer-size", "4k",
                     "proxy_buffer_size", "%V",
                     "bounds the header of the answer too"),
    ngx_http_k8s_row("proxy-buffers-number", "4",
                     "proxy_buffers", "%V ${proxy-buffer-size}", ""),
    ngx_http_k8s_row("proxy-busy-buffers-size", "8k",
                     "proxy_busy_buffers_size", "%V",
                     "without it twice proxy-buffer-size"),
    ngx_http_k8s_row("proxy-max-temp-file-size", "1024m",
                     "proxy_max_temp_file_size", "%V", ""),

    /* retries and the protocol */

    ngx_http_k8s_row("proxy-next-upstream", "error timeout",
                     "proxy_next_upstream", "%V",
                     "a POST only when the connection failed"),
    ngx_http_k8s_row("proxy-next-upstream-timeout", "0",
                     "proxy_next_upstream_timeout", "%Vs", "0 is no limit"),
    ngx_http_k8s_row("proxy-next-upstream-tries", "3",
                     "proxy_next_upstream_tries", "%V",
                     "another endpoint first, while there is one"),
    ngx_http_k8s_row("proxy-http-version", "1.1",
                     "proxy_http_version", "%V", ""),
    ngx_http_k8s_row("proxy-redirect-from", "off",
                     "proxy_redirect", "%V", ""),
    ngx_http_k8s_row("proxy-cookie-domain", "off",
                     "proxy_cookie_domain", "%V", ""),
    ngx_http_k8s_row("proxy-cookie-path", "off",
                     "proxy_cookie_path", "%V", ""),
    ngx_http_k8s_row("", "", "proxy_intercept_errors", "off",
                     "answers of the backend pass as they are"),
    ngx_http_k8s_row("", "", "port_in_redirect", "off", ""),
    ngx_http_k8s_row("", "", "server_name_in_redirect", "off", ""),
    ngx_http_k8s_row("relative-redirects", "false", "", "",
                     "redirects name scheme and host"),

    /* the request to the backend; the path is sent as it came */

    ngx_http_k8s_header_row("Host $k8s_best_http_host", "as it came"),
    ngx_http_k8s_header_row("Upgrade $http_upgrade",
                            "WebSocket and others need no configuration"),
    ngx_http_k8s_header_row("Connection $k8s_connection_upgrade",
                            "\"upgrade\" with Upgrade, else kept alive"),
    ngx_http_k8s_row("generate-request-id", "true",
                     "proxy_set_header", "X-Request-ID $k8s_req_id",
                     "the client's, or 32 hexadecimal digits"),
    ngx_http_k8s_header_row("X-Real-IP $remote_addr", ""),
    ngx_http_k8s_row("use-forwarded-headers", "false",
                     "proxy_set_header", "X-Forwarded-For $remote_addr",
                     "the client's X-Forwarded-* are replaced"),
    ngx_http_k8s_header_row("X-Forwarded-Host $k8s_best_http_host", ""),
    ngx_http_k8s_header_row("X-Forwarded-Port $k8s_pass_port", ""),
    ngx_http_k8s_header_row("X-Forwarded-Proto $k8s_pass_scheme", ""),
    ngx_http_k8s_header_row("X-Forwarded-Scheme $k8s_pass_scheme", ""),
    ngx_http_k8s_header_row("X-Scheme $k8s_pass_scheme", ""),
    ngx_http_k8s_header_row("X-Original-Forwarded-For $http_x_forwarded_for",
                            "what the client sent"),
    ngx_http_k8s_header_row("Proxy \"\"", "never passed on"),
    ngx_http_k8s_header_row("ssl-client-cert \"\"",
                            "a client can't claim a certificate"),
    ngx_http_k8s_header_row("ssl-client-verify \"\"", ""),
    ngx_http_k8s_header_row("ssl-client-subject-dn \"\"", ""),
    ngx_http_k8s_header_row("ssl-client-issuer-dn \"\"", ""),

    /* read by the code */

    ngx_http_k8s_row("ssl-redirect", "true", "", "",
                     "http to https for hosts with a tls section"),
    ngx_http_k8s_row("http-redirect-code", "308", "", "", ""),
    ngx_http_k8s_row("hsts", "true", "", "",
                     "Strict-Transport-Security on answers over https"),
    ngx_http_k8s_row("hsts-max-age", "31536000", "", "", "seconds"),
    ngx_http_k8s_row("hsts-include-subdomains", "true", "", "", ""),
    ngx_http_k8s_row("hsts-preload", "false", "", "", ""),
    ngx_http_k8s_row("server-tokens", "false", "server_tokens", "off",
                     "no Server header, nor that of the backend"),
    ngx_http_k8s_row("load-balance", "round_robin", "", "", ""),
    ngx_http_k8s_row("upstream-keepalive-connections", "320", "", "",
                     "idle connections to backends in each worker"),
    ngx_http_k8s_row("upstream-keepalive-requests", "10000", "", "", ""),
    ngx_http_k8s_row("upstream-keepalive-timeout", "60", "", "",
                     "seconds; less where the backend's Keep-Alive says so"),
    ngx_http_k8s_row("upstream-keepalive-time", "1h", "", "", ""),

    /* TLS, where nginx.conf does not say */

    ngx_http_k8s_row("ssl-protocols", "TLSv1.2 TLSv1.3", "", "", ""),
    ngx_http_k8s_row("ssl-ciphers",
                     "ECDHE-ECDSA-AES128-GCM-SHA256:"
                     "ECDHE-RSA-AES128-GCM-SHA256:"
                     "ECDHE-ECDSA-AES256-GCM-SHA384:"
                     "ECDHE-RSA-AES256-GCM-SHA384:"
                     "ECDHE-ECDSA-CHACHA20-POLY1305:"
                     "ECDHE-RSA-CHACHA20-POLY1305:"
                     "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384",
                     "", "", "of TLSv1.2"),
    ngx_http_k8s_row("ssl-session-cache", "true", "", "",
                     "shared by all workers"),
    ngx_http_k8s_row("ssl-session-cache-size", "10m", "", "", ""),
    ngx_http_k8s_row("ssl-session-timeout", "10m", "", "", ""),
    ngx_http_k8s_row("ssl-session-tickets", "false", "", "", ""),
    ngx_http_k8s_row("ssl-buffer-size", "4k", "", "", ""),

    { ngx_null_string, ngx_null_string, ngx_null_string, ngx_null_string,
      ngx_null_string }
};


ngx_str_t *
ngx_http_k8s_default(char *key)
{
    size_t                   len;
    ngx_http_k8s_default_t  *row;

    len = ngx_strlen(key);

    for (row = ngx_http_k8s_defaults; row->note.data; row++) {
        if (row->key.len == len
            && ngx_strncmp(row->key.data, key, len) == 0)
        {
            return &row->value;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_k8s_default_number(char *key)
{
    ngx_str_t  *value;

    value = ngx_http_k8s_default(key);

    return value ? ngx_atoi(value->data, value->len) : NGX_ERROR;
}


ngx_uint_t
ngx_http_k8s_default_flag(char *key)
{
    ngx_str_t  *value;

    value = ngx_http_k8s_default(key);

    return value && value->len == 4
           && ngx_strncmp(value->data, "true", 4) == 0;
}


ngx_array_t *
ngx_http_k8s_settings(ngx_conf_t *cf, ngx_k8s_block_t *block,
    ngx_str_t *upstream)
{
    ngx_str_t                directive, arguments;
    ngx_array_t             *settings;
    ngx_http_k8s_default_t  *row;

    settings = ngx_array_create(cf->pool, 64, sizeof(ngx_array_t *));
    if (settings == NULL) {
        return NULL;
    }

    /* first the handler: it sets what others look at */

    arguments.len = sizeof("http://") - 1 + upstream->len;
    arguments.data = ngx_pnalloc(cf->pool, arguments.len + 1);
    if (arguments.data == NULL) {
        return NULL;
    }

    ngx_sprintf(arguments.data, "http://%V%Z", upstream);
    ngx_str_set(&directive, "proxy_pass");

    if (ngx_http_k8s_settings_add(cf, settings, &directive, &arguments)
        != NGX_OK)
    {
        return NULL;
    }

    /* a backend must not lead a request into another location */

    ngx_str_set(&directive, "proxy_ignore_headers");
    ngx_str_set(&arguments, "X-Accel-Redirect");

    if (ngx_http_k8s_settings_add(cf, settings, &directive, &arguments)
        != NGX_OK)
    {
        return NULL;
    }

    if (block->defaults == NGX_K8S_DEFAULTS_NGINX) {
        return settings;
    }

    for (row = ngx_http_k8s_defaults; row->note.data; row++) {

        if (row->directive.len == 0) {
            continue;
        }

        if (ngx_http_k8s_settings_row(cf, settings, row) != NGX_OK) {
            return NULL;
        }
    }

    return settings;
}


static ngx_int_t
ngx_http_k8s_settings_row(ngx_conf_t *cf, ngx_array_t *settings,
    ngx_http_k8s_default_t *row)
{
    ngx_str_t  arguments;

    if (ngx_http_k8s_settings_expand(cf, row, &arguments) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_settings_add(cf, settings, &row->directive,
                                     &arguments);
}


/* replaces %V and ${key}; a $name without braces is nginx's variable */

static ngx_int_t
ngx_http_k8s_settings_expand(ngx_conf_t *cf, ngx_http_k8s_default_t *row,
    ngx_str_t *arguments)
{
    u_char     *p, *last, *end, *dst;
    ngx_str_t  *value;
    u_char      key[64];

    dst = ngx_pnalloc(cf->pool, row->argument.len + 256);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    arguments->data = dst;
    end = dst + row->argument.len + 256;

    p = row->argument.data;
    last = p + row->argument.len;

    while (p < last) {

        if (last - p >= 2 && p[0] == '%' && p[1] == 'V') {
            dst = ngx_slprintf(dst, end, "%V", &row->value);
            p += 2;
            continue;
        }

        if (last - p >= 2 && p[0] == '$' && p[1] == '{') {
            ngx_cpystrn(key, p + 2, sizeof(key));
            p = ngx_strlchr(p, last, '}');

            if (p == NULL) {
                return NGX_ERROR;
            }

            *ngx_strlchr(key, key + sizeof(key), '}') = '\0';

            value = ngx_http_k8s_default((char *) key);
            if (value == NULL) {
                return NGX_ERROR;
            }

            dst = ngx_slprintf(dst, end, "%V", value);
            p++;
            continue;
        }

        if (dst == end) {
            return NGX_ERROR;
        }

        *dst++ = *p++;
    }

    arguments->len = dst - arguments->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_settings_add(ngx_conf_t *cf, ngx_array_t *settings,
    ngx_str_t *directive, ngx_str_t *arguments)
{
    u_char        *p, *last, *start;
    ngx_str_t     *arg, s;
    ngx_array_t   *args, **setting;

    args = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (args == NULL) {
        return NGX_ERROR;
    }

    s = *directive;
    p = arguments->data;
    last = p + arguments->len;

    for ( ;; ) {

        arg = ngx_array_push(args);
        if (arg == NULL) {
            return NGX_ERROR;
        }

        /* setters may write to their arguments, and expect a final zero */

        arg->len = s.len;
        arg->data = ngx_pnalloc(cf->pool, s.len + 1);
        if (arg->data == NULL) {
            return NGX_ERROR;
        }

        *ngx_cpymem(arg->data, s.data, s.len) = '\0';

        while (p < last && *p == ' ') {
            p++;
        }

        if (p == last) {
            break;
        }

        start = p;

        while (p < last && *p != ' ') {
            p++;
        }

        s.data = start;
        s.len = p - start;

        if (s.len == 2 && s.data[0] == '"' && s.data[1] == '"') {
            s.len = 0;
        }
    }

    setting = ngx_array_push(settings);
    if (setting == NULL) {
        return NGX_ERROR;
    }

    *setting = args;

    return NGX_OK;
}
