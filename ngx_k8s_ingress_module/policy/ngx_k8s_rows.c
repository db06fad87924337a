
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


#define NGX_K8S_I                    NGX_K8S_API_INGRESS
#define NGX_K8S_G                    NGX_K8S_API_GATEWAY
#define NGX_K8S_IG                   (NGX_K8S_API_INGRESS|NGX_K8S_API_GATEWAY)

#define ngx_k8s_any_row(key, grammar, value, apis, directive, argument,       \
    offset, note)                                                             \
    { ngx_string(key), grammar, ngx_string(value), apis,                      \
      ngx_string(directive), ngx_string(argument), offset, ngx_string(note) }

/* a key of the ConfigMap that feeds a directive of nginx */
#define ngx_k8s_token_row(key, grammar, value, directive, argument, apis,     \
    note)                                                                     \
    ngx_k8s_any_row(key, &ngx_k8s_grammar_##grammar, value, apis, directive,  \
                    argument, NGX_K8S_NO_FIELD, note)

/* one that code of ours reads */
#define ngx_k8s_field_row(key, grammar, value, field, apis, note)             \
    ngx_k8s_any_row(key, &ngx_k8s_grammar_##grammar, value, apis, "", "",     \
                    offsetof(ngx_k8s_settings_t, field), note)

/* one whose default is the only way there is */
#define ngx_k8s_noted_row(key, grammar, value, apis, note)                    \
    ngx_k8s_any_row(key, &ngx_k8s_grammar_##grammar, value, apis, "", "",     \
                    NGX_K8S_NO_FIELD, note)

/* a directive that no key sets; a header of the request to the backend */
#define ngx_k8s_plain_row(directive, argument, apis, note)                    \
    ngx_k8s_any_row("", NULL, "", apis, directive, argument,                  \
                    NGX_K8S_NO_FIELD, note)

#define ngx_k8s_header_row(argument, apis, note)                              \
    ngx_k8s_plain_row("proxy_set_header", argument, apis, note)


ngx_k8s_row_t  ngx_k8s_rows[] = {

    /* time-outs and sizes */

    ngx_k8s_token_row("proxy-connect-timeout", seconds, "5",
                      "proxy_connect_timeout", "%Vs",
                      NGX_K8S_IG, "seconds"),
    ngx_k8s_token_row("proxy-send-timeout", seconds, "60",
                      "proxy_send_timeout", "%Vs",
                      NGX_K8S_IG, "seconds"),
    ngx_k8s_token_row("proxy-read-timeout", seconds, "60",
                      "proxy_read_timeout", "%Vs",
                      NGX_K8S_IG, "seconds; of upgraded connections too"),
    ngx_k8s_token_row("proxy-body-size", size, "1m",
                      "client_max_body_size", "%V",
                      NGX_K8S_I, "0 is no limit"),
    ngx_k8s_plain_row("client_max_body_size", "0", NGX_K8S_G, ""),
    ngx_k8s_token_row("client-body-buffer-size", size, "8k",
                      "client_body_buffer_size", "%V",
                      NGX_K8S_IG, ""),
    ngx_k8s_token_row("client-body-timeout", seconds, "60",
                      "client_body_timeout", "%Vs",
                      NGX_K8S_IG, "seconds"),
    ngx_k8s_token_row("proxy-buffering", switch, "off",
                      "proxy_buffering", "%V",
                      NGX_K8S_IG, ""),
    ngx_k8s_token_row("proxy-request-buffering", switch, "on",
                      "proxy_request_buffering", "%V",
                      NGX_K8S_IG, ""),
    ngx_k8s_token_row("proxy-buffer-size", size, "4k",
                      "proxy_buffer_size", "%V",
                      NGX_K8S_IG, "bounds the header of the answer too"),
    ngx_k8s_token_row("proxy-buffers-number", number, "4",
                      "proxy_buffers", "%V ${proxy-buffer-size}",
                      NGX_K8S_IG, ""),
    ngx_k8s_token_row("proxy-busy-buffers-size", size, "8k",
                      "proxy_busy_buffers_size", "%V",
                      NGX_K8S_IG, "without it twice proxy-buffer-size"),
    ngx_k8s_token_row("proxy-max-temp-file-size", size, "1024m",
                      "proxy_max_temp_file_size", "%V",
                      NGX_K8S_IG, ""),

    /* retries and the protocol */

    ngx_k8s_token_row("proxy-next-upstream", text, "error timeout",
                      "proxy_next_upstream", "%V",
                      NGX_K8S_I, "a POST only when the connection failed"),
    ngx_k8s_plain_row("proxy_next_upstream", "off", NGX_K8S_G, ""),
    ngx_k8s_token_row("proxy-next-upstream-timeout", seconds, "0",
                      "proxy_next_upstream_timeout", "%Vs",
                      NGX_K8S_I, "0 is no limit"),
    ngx_k8s_token_row("proxy-next-upstream-tries", number, "3",
                      "proxy_next_upstream_tries", "%V",
                      NGX_K8S_I, "another endpoint first, while there is one"),
    ngx_k8s_token_row("proxy-http-version", text, "1.1",
                      "proxy_http_version", "%V",
                      NGX_K8S_IG, ""),
    ngx_k8s_token_row("proxy-redirect-from", text, "off",
                      "proxy_redirect", "%V",
                      NGX_K8S_IG, ""),
    ngx_k8s_token_row("proxy-cookie-domain", text, "off",
                      "proxy_cookie_domain", "%V",
                      NGX_K8S_IG, ""),
    ngx_k8s_token_row("proxy-cookie-path", text, "off",
                      "proxy_cookie_path", "%V",
                      NGX_K8S_IG, ""),
    ngx_k8s_plain_row("proxy_intercept_errors", "off",
                      NGX_K8S_IG, "answers of the backend pass as they are"),
    ngx_k8s_plain_row("port_in_redirect", "off", NGX_K8S_IG, ""),
    ngx_k8s_plain_row("server_name_in_redirect", "off", NGX_K8S_IG, ""),
    ngx_k8s_noted_row("relative-redirects", flag, "false",
                      NGX_K8S_I, "redirects name scheme and host"),

    /* the request to the backend; the path is sent as it came */

    ngx_k8s_header_row("Host $k8s_best_http_host", NGX_K8S_IG, "as it came"),
    ngx_k8s_header_row("Upgrade $http_upgrade",
                       NGX_K8S_IG,
                       "WebSocket and others need no configuration"),
    ngx_k8s_header_row("Connection $k8s_connection_upgrade",
                       NGX_K8S_IG,
                       "\"upgrade\" with Upgrade, else kept alive"),
    ngx_k8s_token_row("generate-request-id", flag, "true",
                      "proxy_set_header", "X-Request-ID $k8s_req_id",
                      NGX_K8S_IG, "the client's, or 32 hexadecimal digits"),
    ngx_k8s_header_row("X-Real-IP $remote_addr", NGX_K8S_IG, ""),
    ngx_k8s_token_row("use-forwarded-headers", flag, "false",
                      "proxy_set_header", "X-Forwarded-For $remote_addr",
                      NGX_K8S_IG, "the client's X-Forwarded-* are replaced"),
    ngx_k8s_header_row("X-Forwarded-Host $k8s_best_http_host", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Forwarded-Port $k8s_pass_port", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Forwarded-Proto $k8s_pass_scheme", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Forwarded-Scheme $k8s_pass_scheme", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Scheme $k8s_pass_scheme", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Original-Forwarded-For $http_x_forwarded_for",
                       NGX_K8S_IG, "what the client sent"),
    ngx_k8s_header_row("X-Original-Forwarded-Host $http_x_forwarded_host",
                       NGX_K8S_IG, "what the client sent"),
    ngx_k8s_header_row("Proxy \"\"", NGX_K8S_IG, "never passed on"),
    ngx_k8s_header_row("ssl-client-cert \"\"",
                       NGX_K8S_IG, "a client can't claim a certificate"),
    ngx_k8s_header_row("ssl-client-verify \"\"", NGX_K8S_IG, ""),
    ngx_k8s_header_row("ssl-client-subject-dn \"\"", NGX_K8S_IG, ""),
    ngx_k8s_header_row("ssl-client-issuer-dn \"\"", NGX_K8S_IG, ""),

    /* read by the code */

    ngx_k8s_field_row("ssl-redirect", flag, "true",
                      ssl_redirect, NGX_K8S_I,
                      "http to https for hosts with a tls section"),
    ngx_k8s_field_row("http-redirect-code", number, "308",
                      redirect_code, NGX_K8S_I, ""),
    ngx_k8s_field_row("no-tls-redirect-locations", text,
                      "/.well-known/acme-challenge",
                      no_redirect, NGX_K8S_I,
                      "prefixes of paths that stay on http"),
    ngx_k8s_field_row("hsts", flag, "true",
                      hsts, NGX_K8S_I,
                      "Strict-Transport-Security on answers over https"),
    ngx_k8s_field_row("hsts-max-age", number, "31536000",
                      hsts_max_age, NGX_K8S_I, "seconds"),
    ngx_k8s_field_row("hsts-include-subdomains", flag, "true",
                      hsts_subdomains, NGX_K8S_I, ""),
    ngx_k8s_field_row("hsts-preload", flag, "false",
                      hsts_preload, NGX_K8S_I, ""),
    ngx_k8s_any_row("server-tokens", &ngx_k8s_grammar_flag, "false",
                    NGX_K8S_IG, "server_tokens", "off",
                    offsetof(ngx_k8s_settings_t, server_tokens),
                    "no Server header, nor that of the backend"),
    ngx_k8s_noted_row("load-balance", text, "round_robin",
                      NGX_K8S_I, ""),
    ngx_k8s_field_row("upstream-keepalive-connections", number, "320",
                      keepalive_connections, NGX_K8S_IG,
                      "idle connections to backends in each worker"),
    ngx_k8s_field_row("upstream-keepalive-requests", number, "10000",
                      keepalive_requests, NGX_K8S_IG, ""),
    ngx_k8s_field_row("upstream-keepalive-timeout", seconds, "60",
                      keepalive_timeout, NGX_K8S_IG,
                      "seconds; less where the backend's Keep-Alive says so"),
    ngx_k8s_field_row("upstream-keepalive-time", time, "1h",
                      keepalive_time, NGX_K8S_IG, ""),

    /* TLS, where nginx.conf does not say */

    ngx_k8s_field_row("ssl-protocols", protocols, "TLSv1.2 TLSv1.3",
                      ssl_protocols, NGX_K8S_IG, ""),
    ngx_k8s_field_row("ssl-ciphers", text, "ECDHE-ECDSA-AES128-GCM-SHA256:"
                      "ECDHE-RSA-AES128-GCM-SHA256:"
                      "ECDHE-ECDSA-AES256-GCM-SHA384:"
                      "ECDHE-RSA-AES256-GCM-SHA384:"
                      "ECDHE-ECDSA-CHACHA20-POLY1305:"
                      "ECDHE-RSA-CHACHA20-POLY1305:"
                      "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384",
                      ssl_ciphers, NGX_K8S_IG, "of TLSv1.2"),
    ngx_k8s_field_row("ssl-session-cache", flag, "true",
                      ssl_session_cache, NGX_K8S_IG, "shared by all workers"),
    ngx_k8s_field_row("ssl-session-cache-size", size, "10m",
                      ssl_session_cache_size, NGX_K8S_IG, ""),
    ngx_k8s_field_row("ssl-session-timeout", time, "10m",
                      ssl_session_timeout, NGX_K8S_IG, ""),
    ngx_k8s_field_row("ssl-session-tickets", flag, "false",
                      ssl_session_tickets, NGX_K8S_IG, ""),
    ngx_k8s_field_row("ssl-buffer-size", size, "4k",
                      ssl_buffer_size, NGX_K8S_IG, ""),

    { ngx_null_string, NULL, ngx_null_string, 0, ngx_null_string,
      ngx_null_string, 0, ngx_null_string }
};
