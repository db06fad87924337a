
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


#define NGX_K8S_I                    NGX_K8S_API_INGRESS
#define NGX_K8S_G                    NGX_K8S_API_GATEWAY
#define NGX_K8S_IG                   (NGX_K8S_API_INGRESS|NGX_K8S_API_GATEWAY)

/* where it is said, and how much risk an annotation is */
#define NGX_K8S_K                    NGX_K8S_ROW_KEY
#define NGX_K8S_A                    (NGX_K8S_I|NGX_K8S_ROW_ANNOTATION)
#define NGX_K8S_A_MEDIUM             (NGX_K8S_A|NGX_K8S_RISK_MEDIUM)
#define NGX_K8S_A_HIGH               (NGX_K8S_A|NGX_K8S_RISK_HIGH)
#define NGX_K8S_A_CRITICAL           (NGX_K8S_A|NGX_K8S_RISK_CRITICAL)
#define NGX_K8S_IK                   (NGX_K8S_I|NGX_K8S_ROW_KEY)

/* what a bad or unserved value closes, and whom it concerns */
#define NGX_K8S_ROUTE                NGX_K8S_ROW_CLOSES_ROUTE
#define NGX_K8S_HOST                 NGX_K8S_ROW_HOST
#define NGX_K8S_HOST_CLOSED          (NGX_K8S_ROW_HOST                        \
                                      |NGX_K8S_ROW_CLOSES_HOST)
#define NGX_K8S_HANDSHAKE            (NGX_K8S_ROW_HOST|NGX_K8S_ROW_HANDSHAKE)
#define NGX_K8S_SERVICE_ROW          NGX_K8S_ROW_SERVICE
#define NGX_K8S_OBJECT_ROW           NGX_K8S_ROW_OBJECT


#define ngx_k8s_any_row(name, alias, grammar, value, flags, directive,        \
    argument, offset, needs, note)                                            \
    { ngx_string(name), ngx_string(alias), grammar, ngx_string(value), flags, \
      ngx_string(directive), ngx_string(argument), offset, ngx_string(needs), \
      ngx_string(note) }

/* what feeds a directive of nginx */
#define ngx_k8s_token_row(name, grammar, value, directive, argument, flags,   \
    note)                                                                     \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    flags, directive, argument, NGX_K8S_NO_FIELD, "", note)

/* the same with another key */
#define ngx_k8s_with_token(name, grammar, value, directive, argument, flags,  \
    needs, note)                                                              \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value, flags,       \
                    directive, argument, NGX_K8S_NO_FIELD, needs, note)

/* what code of ours reads */
#define ngx_k8s_field_row(name, grammar, value, field, flags, note)           \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    flags, "", "", offsetof(ngx_k8s_settings_t, field), "",   \
                    note)

#define ngx_k8s_need_row(name, grammar, value, field, flags, needs, note)     \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    flags, "", "", offsetof(ngx_k8s_settings_t, field),       \
                    needs, note)

/* what names an object that the policy's record refers to */
#define ngx_k8s_ref_row(name, grammar, flags, needs, note)                    \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, "",                 \
                    (flags)|NGX_K8S_ROW_REF|NGX_K8S_ROW_KEY_LATER, "", "",    \
                    NGX_K8S_NO_FIELD, needs, note)

/* what names a ConfigMap of headers */
#define ngx_k8s_headers_row(name, field, flags, note)                         \
    ngx_k8s_field_row(name, config_map, "", field,                            \
                      (flags)|NGX_K8S_ROW_HEADERS, note)

/* what names a Secret */
#define ngx_k8s_secret_row(name, field, flags, needs, note)                   \
    ngx_k8s_need_row(name, object, "", field, (flags)|NGX_K8S_ROW_SECRET,     \
                     needs, note)

/* what the watcher alone reads, of the object */
#define ngx_k8s_watcher_row(name, grammar, value, flags, note)                \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    (flags)|NGX_K8S_ROW_WATCHER, "", "", NGX_K8S_NO_FIELD,    \
                    "", note)

/* the same of a Service, by the oldest object that leads to it */
#define ngx_k8s_spread_row(name, grammar, value, flags, needs, note)          \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    (flags)|NGX_K8S_A|NGX_K8S_SERVICE_ROW|NGX_K8S_ROW_WATCHER, \
                    "", "", NGX_K8S_NO_FIELD, needs, note)

/* a word of servers, which is read before a request is routed */
#define ngx_k8s_word_row(name, grammar, value)                                \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value, NGX_K8S_IK,  \
                    "", "", NGX_K8S_NO_FIELD, "",                             \
                    "of servers with a pass, of locations not; without it "   \
                    "as in nginx.conf")

/* certificates of clients: in the policy of a host */
#define ngx_k8s_client_row(name, grammar, value, flags, needs, note)          \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    (flags)|NGX_K8S_HOST_CLOSED|NGX_K8S_ROW_HANDSHAKE, "",    \
                    "", NGX_K8S_NO_FIELD, needs, note)

/* the same of a canary */
#define ngx_k8s_canary_row(name, grammar, value, flags, needs, note)          \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    (flags)|NGX_K8S_OBJECT_ROW|NGX_K8S_ROW_WATCHER, "", "",   \
                    NGX_K8S_NO_FIELD, needs, note)

/* one whose default is the only way there is, or that does nothing here */
#define ngx_k8s_noted_row(name, grammar, value, flags, needs, note)           \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    (flags)|NGX_K8S_ROW_NOTED, "", "", NGX_K8S_NO_FIELD,      \
                    needs, note)

/* one that only nginx.conf can say, by the directive */
#define ngx_k8s_conf_row(name, grammar, value, directive, note)               \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    NGX_K8S_IK|NGX_K8S_ROW_NOTED|NGX_K8S_ROW_COMPARED, "",    \
                    directive, NGX_K8S_NO_FIELD, "", note)

#define ngx_k8s_refused_row(name, grammar, value, flags, needs, note)         \
    ngx_k8s_any_row(name, "", &ngx_k8s_grammar_##grammar, value,              \
                    (flags)|NGX_K8S_ROW_REFUSED, "", "", NGX_K8S_NO_FIELD,    \
                    needs, note)

/* one that is not served yet */
#define ngx_k8s_later_row(name, alias, grammar, value, flags, needs, note)    \
    ngx_k8s_any_row(name, alias, &ngx_k8s_grammar_##grammar, value,           \
                    (flags)|NGX_K8S_ROW_LATER, "", "", NGX_K8S_NO_FIELD,      \
                    needs, note)

/* a directive that nothing sets; a header of the request to the backend */
#define ngx_k8s_plain_row(directive, argument, apis, note)                    \
    ngx_k8s_any_row("", "", NULL, "", apis, directive, argument,              \
                    NGX_K8S_NO_FIELD, "", note)

/* a directive with others that a key brings */
#define ngx_k8s_with_row(directive, argument, apis, needs, note)              \
    ngx_k8s_any_row("", "", NULL, "", apis, directive, argument,              \
                    NGX_K8S_NO_FIELD, needs, note)

#define ngx_k8s_header_row(argument, apis, note)                              \
    ngx_k8s_plain_row("proxy_set_header", argument, apis, note)


ngx_k8s_row_t  ngx_k8s_rows[] = {

    /* values are tried in the order of rows: before what has its variables */

    ngx_k8s_field_row("http-snippet", snippet_http, "", http_snippet,
                      NGX_K8S_IK|NGX_K8S_ROUTE|NGX_K8S_ROW_PROFILE,
                      "map and geo; all else is for nginx.conf"),

    /* time-outs and sizes */

    ngx_k8s_token_row("proxy-connect-timeout", seconds, "5",
                      "proxy_connect_timeout", "%Vs",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_G, "seconds"),
    ngx_k8s_token_row("proxy-send-timeout", seconds, "60",
                      "proxy_send_timeout", "%Vs",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_G, "seconds"),
    ngx_k8s_token_row("proxy-read-timeout", seconds, "60",
                      "proxy_read_timeout", "%Vs",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_G,
                      "seconds; of upgraded connections too"),
    ngx_k8s_token_row("proxy-body-size", size, "1m", "client_max_body_size",
                      "%V", NGX_K8S_A_MEDIUM|NGX_K8S_K, "0 is no limit"),
    ngx_k8s_plain_row("client_max_body_size", "0", NGX_K8S_G, ""),
    ngx_k8s_token_row("client-body-buffer-size", size, "8k",
                      "client_body_buffer_size", "%V",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_G, ""),
    ngx_k8s_token_row("client-body-timeout", seconds, "60",
                      "client_body_timeout", "%Vs", NGX_K8S_IG|NGX_K8S_K,
                      "seconds"),
    ngx_k8s_token_row("proxy-buffering", switch, "off", "proxy_buffering",
                      "%V", NGX_K8S_A|NGX_K8S_K|NGX_K8S_G, ""),
    ngx_k8s_token_row("proxy-request-buffering", switch, "on",
                      "proxy_request_buffering", "%V",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_G, ""),
    ngx_k8s_token_row("proxy-buffer-size", size, "4k", "proxy_buffer_size",
                      "%V", NGX_K8S_A|NGX_K8S_K|NGX_K8S_G,
                      "bounds the header of the answer too"),
    ngx_k8s_token_row("proxy-buffers-number", number, "4", "proxy_buffers",
                      "%V ${proxy-buffer-size}", NGX_K8S_A|NGX_K8S_K|NGX_K8S_G,
                      ""),
    ngx_k8s_token_row("proxy-busy-buffers-size", size, "8k",
                      "proxy_busy_buffers_size", "%2${proxy-buffer-size}",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_G,
                      "without it twice proxy-buffer-size"),
    ngx_k8s_token_row("proxy-max-temp-file-size", size, "1024m",
                      "proxy_max_temp_file_size", "%V",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_G, ""),

    /* retries and the protocol */

    ngx_k8s_token_row("proxy-next-upstream", next_upstream, "error timeout",
                      "proxy_next_upstream",
                      "%V %?${retry-non-idempotent}non_idempotent",
                      NGX_K8S_A_MEDIUM|NGX_K8S_K,
                      "a POST only when the connection failed"),
    ngx_k8s_plain_row("proxy_next_upstream", "off", NGX_K8S_G, ""),
    ngx_k8s_token_row("proxy-next-upstream-timeout", seconds, "0",
                      "proxy_next_upstream_timeout", "%Vs",
                      NGX_K8S_A|NGX_K8S_K, "0 is no limit"),
    ngx_k8s_token_row("proxy-next-upstream-tries", number, "3",
                      "proxy_next_upstream_tries", "%V", NGX_K8S_A|NGX_K8S_K,
                      "another endpoint first, while there is one"),
    ngx_k8s_token_row("proxy-http-version", http_version, "1.1",
                      "proxy_http_version", "%V",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_G, ""),
    ngx_k8s_token_row("proxy-redirect-from", redirect, "off", "proxy_redirect",
                      "%V ${proxy-redirect-to}",
                      NGX_K8S_A_MEDIUM|NGX_K8S_K|NGX_K8S_G|NGX_K8S_ROW_PAIR,
                      "\"off\", \"default\", or with proxy-redirect-to"),
    ngx_k8s_any_row("proxy-redirect-to", "", &ngx_k8s_grammar_redirect, "off",
                    NGX_K8S_A_MEDIUM|NGX_K8S_K|NGX_K8S_G, "", "",
                    NGX_K8S_NO_FIELD, "proxy-redirect-from", ""),
    ngx_k8s_token_row("proxy-cookie-domain", cookie_domain, "off",
                      "proxy_cookie_domain", "%V",
                      NGX_K8S_A_MEDIUM|NGX_K8S_K|NGX_K8S_G, ""),
    ngx_k8s_token_row("proxy-cookie-path", cookie_path, "off",
                      "proxy_cookie_path", "%V",
                      NGX_K8S_A_MEDIUM|NGX_K8S_K|NGX_K8S_G, ""),
    ngx_k8s_plain_row("proxy_intercept_errors", "off", NGX_K8S_IG,
                      "answers of the backend pass as they are"),
    ngx_k8s_any_row("use-port-in-redirects", "", &ngx_k8s_grammar_flag,
                    "false", NGX_K8S_A|NGX_K8S_K|NGX_K8S_G,
                    "port_in_redirect", "%S",
                    offsetof(ngx_k8s_settings_t, redirect_port), "",
                    "the port on which nginx listens"),
    ngx_k8s_plain_row("server_name_in_redirect", "off", NGX_K8S_IG, ""),
    ngx_k8s_plain_row("reset_timedout_connection", "on", NGX_K8S_I,
                      "a client that is too slow, and 444"),
    ngx_k8s_token_row("relative-redirects", flag, "false", "absolute_redirect",
                      "%!S", NGX_K8S_A|NGX_K8S_K|NGX_K8S_G,
                      "else redirects name scheme and host"),

    /* the request to the backend; the path is sent as it came */

    ngx_k8s_header_row("Host $k8s_upstream_host", NGX_K8S_IG,
                       "upstream-vhost, or as it came"),
    ngx_k8s_header_row("Upgrade $http_upgrade", NGX_K8S_IG,
                       "WebSocket and others need no configuration"),
    ngx_k8s_header_row("Connection $k8s_connection_upgrade", NGX_K8S_IG,
                       "\"upgrade\" with Upgrade, else kept alive"),
    ngx_k8s_any_row("generate-request-id", "", &ngx_k8s_grammar_flag, "true",
                    NGX_K8S_IG|NGX_K8S_K, "proxy_set_header",
                    "X-Request-ID $k8s_req_id",
                    offsetof(ngx_k8s_settings_t, request_id), "",
                    "the client's, or 32 hexadecimal digits"),
    ngx_k8s_token_row("proxy-add-original-uri-header", flag, "false",
                      "proxy_set_header", "X-Original-URI $request_uri",
                      NGX_K8S_IG|NGX_K8S_K|NGX_K8S_ROW_ON, ""),
    ngx_k8s_header_row("X-Real-IP $remote_addr", NGX_K8S_IG, ""),
    ngx_k8s_any_row("use-forwarded-headers", "", &ngx_k8s_grammar_flag,
                    "false", NGX_K8S_IG|NGX_K8S_K|NGX_K8S_ROW_PROFILE,
                    "proxy_set_header", "X-Forwarded-For $k8s_forwarded_for",
                    offsetof(ngx_k8s_settings_t, forwarded), "",
                    "else the client's X-Forwarded-* are replaced"),
    ngx_k8s_header_row("X-Forwarded-Host $k8s_best_http_host", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Forwarded-Port $k8s_pass_port", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Forwarded-Proto $k8s_pass_scheme", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Forwarded-Scheme $k8s_pass_scheme", NGX_K8S_IG, ""),
    ngx_k8s_header_row("X-Scheme $k8s_pass_scheme", NGX_K8S_IG, ""),
    ngx_k8s_any_row("forwarded-for-header", "", &ngx_k8s_grammar_header,
                    "X-Forwarded-For", NGX_K8S_IG|NGX_K8S_K
                    |NGX_K8S_ROW_PROFILE, "proxy_set_header",
                    "X-Original-Forwarded-For $k8s_original_forwarded_for",
                    offsetof(ngx_k8s_settings_t, forwarded_for), "",
                    "passed on under another name"),
    ngx_k8s_any_row("forwarded-host-header", "", &ngx_k8s_grammar_header,
                    "X-Forwarded-Host", NGX_K8S_IG|NGX_K8S_K,
                    "proxy_set_header",
                    "X-Original-Forwarded-Host $k8s_original_forwarded_host",
                    offsetof(ngx_k8s_settings_t, forwarded_host), "",
                    "passed on under another name"),
    ngx_k8s_header_row("Proxy \"\"", NGX_K8S_IG, "never passed on"),
    ngx_k8s_header_row("ssl-client-cert \"\"", NGX_K8S_IG,
                       "a client can't claim a certificate"),
    ngx_k8s_header_row("ssl-client-verify \"\"", NGX_K8S_IG, ""),
    ngx_k8s_header_row("ssl-client-subject-dn \"\"", NGX_K8S_IG, ""),
    ngx_k8s_header_row("ssl-client-issuer-dn \"\"", NGX_K8S_IG, ""),

    /* read by the code */

    ngx_k8s_field_row("ssl-redirect", flag, "true", ssl_redirect,
                      NGX_K8S_A|NGX_K8S_K,
                      "http to https for hosts with a tls section"),
    ngx_k8s_field_row("http-redirect-code", redirect_code, "308",
                      redirect_code, NGX_K8S_IK, ""),
    ngx_k8s_field_row("no-tls-redirect-locations", texts,
                      "/.well-known/acme-challenge", no_redirect, NGX_K8S_IK,
                      "paths of Ingresses that begin so stay on "
                      "http"),
    ngx_k8s_field_row("hsts", flag, "true", hsts, NGX_K8S_IK|NGX_K8S_ROW_CLASS,
                      "Strict-Transport-Security on answers over https"),
    ngx_k8s_field_row("hsts-max-age", number, "31536000", hsts_max_age,
                      NGX_K8S_IK|NGX_K8S_ROW_CLASS, "seconds"),
    ngx_k8s_field_row("hsts-include-subdomains", flag, "true", hsts_subdomains,
                      NGX_K8S_IK|NGX_K8S_ROW_CLASS, ""),
    ngx_k8s_field_row("hsts-preload", flag, "false", hsts_preload,
                      NGX_K8S_IK|NGX_K8S_ROW_CLASS, ""),
    ngx_k8s_any_row("server-tokens", "", &ngx_k8s_grammar_flag, "false",
                    NGX_K8S_IG|NGX_K8S_K, "server_tokens", "%S",
                    offsetof(ngx_k8s_settings_t, server_tokens), "",
                    "no Server header, nor that of the backend"),
    ngx_k8s_field_row("load-balance", balance, "round_robin", balance,
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_SERVICE_ROW,
                      "with ewma the faster one of two endpoints; affinity "
                      "and upstream-hash-by go before it"),
    ngx_k8s_field_row("upstream-keepalive-connections", number, "320",
                      keepalive_connections, NGX_K8S_IG|NGX_K8S_K,
                      "idle connections to backends in each worker"),
    ngx_k8s_field_row("upstream-keepalive-requests", number, "10000",
                      keepalive_requests, NGX_K8S_IG|NGX_K8S_K, ""),
    ngx_k8s_field_row("upstream-keepalive-timeout", seconds, "60",
                      keepalive_timeout, NGX_K8S_IG|NGX_K8S_K,
                      "seconds; less where the backend's Keep-Alive says so"),
    ngx_k8s_field_row("upstream-keepalive-time", time, "1h", keepalive_time,
                      NGX_K8S_IG|NGX_K8S_K, ""),

    /* TLS, defaults where nginx.conf does not say */

    ngx_k8s_field_row("ssl-protocols", protocols, "TLSv1.2 TLSv1.3",
                      ssl_protocols, NGX_K8S_IG|NGX_K8S_K, ""),
    ngx_k8s_field_row("ssl-ciphers", ciphers,
                      "ECDHE-ECDSA-AES128-GCM-SHA256:"
                      "ECDHE-RSA-AES128-GCM-SHA256:"
                      "ECDHE-ECDSA-AES256-GCM-SHA384:"
                      "ECDHE-RSA-AES256-GCM-SHA384:"
                      "ECDHE-ECDSA-CHACHA20-POLY1305:"
                      "ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:"
                      "DHE-RSA-AES256-GCM-SHA384",
                      ssl_ciphers, NGX_K8S_A|NGX_K8S_K|NGX_K8S_G
                      |NGX_K8S_HANDSHAKE,
                      "of TLSv1.2; by the name that the handshake is for"),
    ngx_k8s_field_row("ssl-prefer-server-ciphers", flag, "true", ssl_prefer,
                      NGX_K8S_A|NGX_K8S_HANDSHAKE,
                      "without it as in nginx.conf; by the name that the "
                      "handshake is for"),
    ngx_k8s_field_row("ssl-session-cache", flag, "true", ssl_session_cache,
                      NGX_K8S_IG|NGX_K8S_K, "shared by all workers"),
    ngx_k8s_any_row("ssl-session-cache-size", "", &ngx_k8s_grammar_size, "10m",
                    NGX_K8S_IG|NGX_K8S_K|NGX_K8S_ROW_NOTED
                    |NGX_K8S_ROW_COMPARED, "",
                    "ssl_session_cache shared:SSL:%V",
                    offsetof(ngx_k8s_settings_t, ssl_session_cache_size), "",
                    "of shared memory"),
    ngx_k8s_field_row("ssl-session-timeout", time, "10m", ssl_session_timeout,
                      NGX_K8S_IG|NGX_K8S_K, "of tickets too"),
    ngx_k8s_field_row("ssl-session-tickets", flag, "false",
                      ssl_session_tickets, NGX_K8S_IG|NGX_K8S_K,
                      "their keys are shared by all workers, and change"),
    ngx_k8s_any_row("ssl-session-ticket-key", "", &ngx_k8s_grammar_ticket_key,
                    "", NGX_K8S_IK, "", "", NGX_K8S_NO_FIELD,
                    "ssl-session-tickets",
                    "one key for all replicas, which does not change by "
                    "itself"),
    ngx_k8s_field_row("ssl-buffer-size", size, "4k", ssl_buffer_size,
                      NGX_K8S_IG|NGX_K8S_K, ""),
    ngx_k8s_field_row("ssl-ecdh-curve", curves, "auto", ssl_curves, NGX_K8S_IK,
                      ""),
    ngx_k8s_any_row("ssl-early-data", "", &ngx_k8s_grammar_flag, "false",
                    NGX_K8S_IK, "", "", NGX_K8S_NO_FIELD, "",
                    "who has recorded such a request can send it again"),
    ngx_k8s_field_row("ssl-reject-handshake", flag, "false", ssl_reject,
                      NGX_K8S_IK, "of names that no host has, and without a "
                      "name"),
    ngx_k8s_conf_row("ssl-dh-param", object, "", "ssl_dhparam /path/to/file",
                     "a file of nginx.conf"),

    /* routes */

    ngx_k8s_field_row("rewrite-target", path_capture, "", rewrite_target,
                      NGX_K8S_A_MEDIUM,
                      "all paths of the host are regular expressions then, "
                      "unless it is the path itself"),
    ngx_k8s_watcher_row("use-regex", flag, "false", NGX_K8S_A,
                        "regular expressions on all paths of the host"),
    ngx_k8s_watcher_row("app-root", absolute, "",
                        NGX_K8S_A_MEDIUM|NGX_K8S_ROW_HOST,
                        "where / of the host is redirected to"),
    ngx_k8s_noted_row("app-root", absolute, "", NGX_K8S_IK, "",
                      "the controller of ingress-nginx does not read it"),
    ngx_k8s_need_row("x-forwarded-prefix", path_capture, "", forwarded_prefix,
                     NGX_K8S_A_MEDIUM, "rewrite-target",
                     "a header of the request to the backend"),
    ngx_k8s_field_row("permanent-redirect", url, "", permanent_redirect,
                      NGX_K8S_A_MEDIUM, "URL, or a part of one"),
    ngx_k8s_need_row("permanent-redirect-code", permanent_code, "301",
                     permanent_code, NGX_K8S_A, "permanent-redirect", ""),
    ngx_k8s_field_row("temporal-redirect", http_url, "", temporal_redirect,
                      NGX_K8S_A_MEDIUM, "wins over permanent-redirect"),
    ngx_k8s_need_row("temporal-redirect-code", temporal_code, "302",
                     temporal_code, NGX_K8S_A, "temporal-redirect", ""),
    ngx_k8s_watcher_row("from-to-www-redirect", flag, "false", NGX_K8S_A,
                        "the host with or without www., unless it is one of "
                        "its own; code: http-redirect-code"),
    ngx_k8s_field_row("force-ssl-redirect", flag, "false",
                      force_ssl_redirect, NGX_K8S_A_MEDIUM|NGX_K8S_K,
                      "to https also without a tls section"),
    ngx_k8s_field_row("preserve-trailing-slash", flag, "false", keep_slash,
                      NGX_K8S_A_MEDIUM|NGX_K8S_K,
                      "of redirects to https"),
    ngx_k8s_watcher_row("server-alias", host_patterns, "",
                        NGX_K8S_A_HIGH|NGX_K8S_ROW_HOST,
                        "more names of the host; a regular expression begins "
                        "with ~"),
    ngx_k8s_field_row("upstream-vhost", host_pattern, "", upstream_vhost,
                      NGX_K8S_A, "the Host that is sent, may have variables"),
    ngx_k8s_ref_row("default-backend", service, NGX_K8S_A, "",
                    "where a Service has no endpoints, and for error pages"),
    ngx_k8s_watcher_row("service-upstream", flag, "false",
                        NGX_K8S_A|NGX_K8S_K,
                        "connects to the address of the Service, in place of "
                        "those of its endpoints, unless it has none"),
    ngx_k8s_noted_row("strict-validate-path-type", flag, "true", NGX_K8S_IK,
                      "", "the admission webhook of ingress-nginx reads it, "
                      "its controller does not: all paths are served"),
    ngx_k8s_field_row("backend-protocol", backend_protocol, "HTTP",
                      backend_protocol, NGX_K8S_A,
                      "with HTTPS and GRPCS the backend's certificate is not "
                      "verified, and it is sent no name"),
    ngx_k8s_later_row("ssl-passthrough", "", flag, "false",
                      NGX_K8S_A|NGX_K8S_ROUTE|NGX_K8S_HOST, "",
                      "TLS is ended here"),

    /* canary */

    ngx_k8s_canary_row("canary", flag, "false",
                       NGX_K8S_A|NGX_K8S_ROW_CANARY, "",
                       "a share of the requests of another Ingress, with the "
                       "same host, path and type"),
    ngx_k8s_canary_row("canary-by-header", chars_space, "", NGX_K8S_A_MEDIUM,
                       "canary", "\"always\" or \"never\", unless a value or "
                       "a pattern is set"),
    ngx_k8s_canary_row("canary-by-header-value", chars_space, "",
                       NGX_K8S_A_MEDIUM, "canary-by-header", ""),
    ngx_k8s_canary_row("canary-by-header-pattern", regex, "",
                       NGX_K8S_A_MEDIUM, "canary-by-header", ""),
    ngx_k8s_canary_row("canary-by-cookie", chars_space, "", NGX_K8S_A_MEDIUM,
                       "canary", "\"always\" or \"never\""),
    ngx_k8s_canary_row("canary-weight", number, "0", NGX_K8S_A, "canary",
                       "of canary-weight-total"),
    ngx_k8s_canary_row("canary-weight-total", number, "100", NGX_K8S_A,
                       "canary-weight", "100 at least"),

    /* balancing and affinity */

    ngx_k8s_field_row("upstream-hash-by", variables, "", hash_by,
                      NGX_K8S_A_HIGH|NGX_K8S_SERVICE_ROW,
                      "text with variables: requests for which it is the same "
                      "go to one endpoint"),
    ngx_k8s_noted_row("upstream-hash-by", variables, "", NGX_K8S_IK, "",
                      "the controller of ingress-nginx does not read it"),
    ngx_k8s_spread_row("upstream-hash-by-subset", flag, "false", 0,
                       "upstream-hash-by", "to one of some endpoints"),
    ngx_k8s_noted_row("upstream-hash-by-subset", flag, "false", NGX_K8S_IK, "",
                      "the controller of ingress-nginx does not read it"),
    ngx_k8s_spread_row("upstream-hash-by-subset-size", number, "3", 0,
                       "upstream-hash-by-subset", "64 at most"),
    ngx_k8s_noted_row("upstream-hash-by-subset-size", number, "3", NGX_K8S_IK,
                      "", "the controller of ingress-nginx does not read it"),
    ngx_k8s_field_row("affinity", affinity, "", affinity,
                      NGX_K8S_A|NGX_K8S_SERVICE_ROW,
                      "clients stay on an endpoint, by a cookie"),
    ngx_k8s_spread_row("affinity-mode", affinity_mode, "balanced",
                       NGX_K8S_RISK_MEDIUM, "affinity",
                       "when endpoints come, with balanced some clients go to "
                       "them, with persistent none does"),
    ngx_k8s_spread_row("affinity-canary-behavior", affinity_canary, "sticky",
                       0, "", "legacy, on a canary: it has no affinity"),
    ngx_k8s_need_row("session-cookie-name", basic, "INGRESSCOOKIE",
                     cookie_name, NGX_K8S_A_MEDIUM, "affinity", ""),
    ngx_k8s_need_row("session-cookie-secure", flag, "false", cookie_secure,
                     NGX_K8S_A, "affinity",
                     "Secure over http too; over https it always is"),
    ngx_k8s_need_row("session-cookie-expires", signed, "", cookie_expires,
                     NGX_K8S_A_MEDIUM, "affinity", "seconds"),
    ngx_k8s_need_row("session-cookie-max-age", signed, "", cookie_max_age,
                     NGX_K8S_A_MEDIUM, "affinity", "seconds"),
    ngx_k8s_need_row("session-cookie-path", url, "", cookie_path,
                     NGX_K8S_A_MEDIUM, "affinity",
                     "without it the path of the rule"),
    ngx_k8s_need_row("session-cookie-domain", basic, "", cookie_domain,
                     NGX_K8S_A_MEDIUM, "affinity", ""),
    ngx_k8s_need_row("session-cookie-samesite", samesite, "", cookie_samesite,
                     NGX_K8S_A, "affinity", ""),
    ngx_k8s_need_row("session-cookie-conditional-samesite-none", flag, "false",
                     cookie_conditional, NGX_K8S_A, "session-cookie-samesite",
                     "no SameSite=None for browsers that cannot read it"),
    ngx_k8s_need_row("session-cookie-change-on-failure", flag, "false",
                     cookie_change, NGX_K8S_A, "affinity",
                     "a request that fails goes to another endpoint, and the "
                     "client stays there"),

    /* who may pass */

    ngx_k8s_field_row("auth-type", auth_type, "", auth_type,
                      NGX_K8S_A|NGX_K8S_ROUTE,
                      "a password is asked for; \"digest\" is that with MD5"),
    ngx_k8s_secret_row("auth-secret", auth_secret,
                       NGX_K8S_A_MEDIUM|NGX_K8S_ROUTE, "auth-type",
                       "Secret of the users, as \"name\" or "
                       "\"namespace/name\""),
    ngx_k8s_need_row("auth-secret-type", auth_secret_type, "auth-file",
                     auth_map, NGX_K8S_A|NGX_K8S_ROUTE, "auth-secret",
                     "lines of \"auth\", or a user in each key"),
    ngx_k8s_need_row("auth-realm", chars_space, "", auth_realm,
                     NGX_K8S_A_MEDIUM, "auth-type", ""),
    ngx_k8s_field_row("satisfy", satisfy, "all", satisfy,
                      NGX_K8S_A|NGX_K8S_ROUTE,
                      "of the list of addresses, password and auth-url"),
    ngx_k8s_field_row("auth-url", auth_url, "", auth_url,
                      NGX_K8S_A_HIGH|NGX_K8S_ROUTE,
                      "asked before each request: 2xx lets it through, 401 and "
                      "403 are the answer, anything else is 500"),
    ngx_k8s_need_row("auth-method", method, "", auth_method,
                     NGX_K8S_A|NGX_K8S_ROUTE, "auth-url", "without it GET"),
    ngx_k8s_need_row("auth-signin", url_variables, "", auth_signin,
                     NGX_K8S_A_HIGH, "auth-url",
                     "where a client is sent instead of 401"),
    ngx_k8s_need_row("auth-signin-redirect-param", url, "rd",
                     auth_signin_param, NGX_K8S_A_MEDIUM, "auth-signin",
                     "argument with the URL that was asked for"),
    ngx_k8s_need_row("auth-response-headers", response_headers, "",
                     auth_headers, NGX_K8S_A_MEDIUM|NGX_K8S_ROUTE, "auth-url",
                     "of the auth server's answer, for the backend, in place "
                     "of the client's"),
    ngx_k8s_need_row("auth-proxy-set-headers", object, "", auth_set_headers,
                     NGX_K8S_A_MEDIUM|NGX_K8S_ROUTE|NGX_K8S_ROW_HEADERS,
                     "auth-url",
                     "a ConfigMap of headers to the auth server, in place of "
                     "the client's and of ours"),
    ngx_k8s_need_row("auth-request-redirect", url_variables, "", auth_redirect,
                     NGX_K8S_A_MEDIUM, "auth-url",
                     "X-Auth-Request-Redirect for the auth server; without it "
                     "the URI"),
    ngx_k8s_need_row("auth-cache-key", variables, "", auth_cache_key,
                     NGX_K8S_A_MEDIUM, "auth-url",
                     "answers of the auth server are kept, and used again for "
                     "requests with the same key"),
    ngx_k8s_need_row("auth-cache-duration", durations, "200 202 401 5m",
                     auth_cache_duration, NGX_K8S_A_MEDIUM|NGX_K8S_ROUTE,
                     "auth-cache-key", ""),
    ngx_k8s_need_row("auth-always-set-cookie", flag, "false", auth_always,
                     NGX_K8S_A, "auth-url",
                     "Set-Cookie of the auth server is on answers with any "
                     "status"),
    ngx_k8s_need_row("auth-keepalive", number, "0", auth_keepalive, NGX_K8S_A,
                     "auth-url",
                     "idle connections to the auth server in each worker"),
    ngx_k8s_noted_row("auth-keepalive-share-vars", flag, "false", NGX_K8S_A,
                      "auth-keepalive",
                      "variables are those of the request in any case"),
    ngx_k8s_need_row("auth-keepalive-requests", number, "1000", auth_requests,
                     NGX_K8S_A, "auth-keepalive", "of one connection"),
    ngx_k8s_need_row("auth-keepalive-timeout", number, "60", auth_idle,
                     NGX_K8S_A, "auth-keepalive",
                     "seconds that one may be idle"),
    ngx_k8s_need_row("auth-snippet", snippet_auth, "", auth_snippet,
                     NGX_K8S_A_CRITICAL|NGX_K8S_ROUTE|NGX_K8S_ROW_PROFILE,
                     "auth-url", "of the request to the auth server: "
                     "docs/snippets.md"),
    ngx_k8s_field_row("enable-global-auth", flag, "true", auth_global,
                      NGX_K8S_A, "global-auth-url holds"),
    ngx_k8s_field_row("global-auth-url", auth_url, "", global_auth_url,
                      NGX_K8S_IK|NGX_K8S_ROUTE,
                      "of all paths without an auth-url"),
    ngx_k8s_need_row("global-auth-method", method, "",
                     global_auth_method, NGX_K8S_IK, "global-auth-url", ""),
    ngx_k8s_need_row("global-auth-signin", url_variables, "",
                     global_auth_signin, NGX_K8S_IK, "global-auth-url", ""),
    ngx_k8s_need_row("global-auth-signin-redirect-param", url, "rd",
                     global_auth_signin_param, NGX_K8S_IK,
                     "global-auth-signin", ""),
    ngx_k8s_need_row("global-auth-response-headers", response_headers, "",
                     global_auth_headers, NGX_K8S_IK, "global-auth-url", ""),
    ngx_k8s_need_row("global-auth-request-redirect", url_variables, "",
                     global_auth_redirect, NGX_K8S_IK, "global-auth-url", ""),
    ngx_k8s_need_row("global-auth-snippet", snippet_auth, "",
                     global_auth_snippet,
                     NGX_K8S_IK|NGX_K8S_ROUTE|NGX_K8S_ROW_PROFILE,
                     "global-auth-url", "as auth-snippet"),
    ngx_k8s_need_row("global-auth-cache-key", text_variables, "",
                     global_auth_cache_key, NGX_K8S_IK, "global-auth-url", ""),
    ngx_k8s_need_row("global-auth-cache-duration", durations,
                     "200 202 401 5m", global_auth_cache_duration, NGX_K8S_IK,
                     "global-auth-cache-key", ""),
    ngx_k8s_need_row("global-auth-always-set-cookie", flag, "false",
                     global_auth_always, NGX_K8S_IK, "global-auth-url", ""),
    ngx_k8s_field_row("no-auth-locations", texts,
                      "/.well-known/acme-challenge", no_auth, NGX_K8S_IK,
                      "prefixes of paths of rules, for which no auth server "
                      "is asked"),
    ngx_k8s_field_row("enable-auth-access-log", flag, "false", log_auth,
                      NGX_K8S_IK|NGX_K8S_ROW_PROFILE,
                      "of requests to the auth server"),
    ngx_k8s_any_row("allowlist-source-range", "whitelist-source-range",
                    &ngx_k8s_grammar_cidrs, "0.0.0.0/0,::/0",
                    NGX_K8S_A_MEDIUM|NGX_K8S_K|NGX_K8S_ROUTE, "", "",
                    offsetof(ngx_k8s_settings_t, allowlist), "",
                    "the default lets everybody pass"),
    ngx_k8s_field_row("denylist-source-range", cidrs, "", denylist,
                      NGX_K8S_A_MEDIUM|NGX_K8S_K|NGX_K8S_ROUTE,
                      "before the other list"),
    ngx_k8s_field_row("block-cidrs", cidrs, "", block_cidrs,
                      NGX_K8S_IK|NGX_K8S_ROUTE, "of all hosts"),
    ngx_k8s_field_row("block-user-agents", blocked, "", block_agents,
                      NGX_K8S_IK|NGX_K8S_ROUTE|NGX_K8S_ROW_PROFILE,
                      "separated by commas; a regular expression stands after "
                      "~, or ~* without regard to case"),
    ngx_k8s_field_row("block-referers", blocked, "", block_referers,
                      NGX_K8S_IK|NGX_K8S_ROUTE|NGX_K8S_ROW_PROFILE,
                      "written alike"),
    ngx_k8s_field_row("limit-rps", integer, "0", limit_rps,
                      NGX_K8S_A|NGX_K8S_ROUTE,
                      "requests of a client in a second, to all paths of the "
                      "Ingress; 0 is no limit"),
    ngx_k8s_field_row("limit-rpm", integer, "0", limit_rpm,
                      NGX_K8S_A|NGX_K8S_ROUTE, "in a minute, likewise"),
    ngx_k8s_field_row("limit-burst-multiplier", number, "5", limit_burst,
                      NGX_K8S_A,
                      "so many times the rate may come at once, and one more"),
    ngx_k8s_field_row("limit-connections", integer, "0", limit_connections,
                      NGX_K8S_A|NGX_K8S_ROUTE,
                      "requests of a client at a time, likewise"),
    ngx_k8s_any_row("limit-allowlist", "limit-whitelist",
                    &ngx_k8s_grammar_cidrs, "", NGX_K8S_A|NGX_K8S_ROUTE, "",
                    "", offsetof(ngx_k8s_settings_t, limit_allowlist), "",
                    "clients without limits"),
    ngx_k8s_field_row("limit-dry-run", flag, "false", limit_dry_run,
                      NGX_K8S_A|NGX_K8S_K,
                      "limits of requests and connections are counted and "
                      "logged, but refuse nothing; not in ingress-nginx"),
    ngx_k8s_with_token("limit-rate", number, "0", "limit_rate", "%Vk",
                       NGX_K8S_A|NGX_K8S_K|NGX_K8S_ROW_SAID,
                       "proxy-buffering", "kilobytes a second"),
    ngx_k8s_with_token("limit-rate-after", number, "0", "limit_rate_after",
                       "%Vk", NGX_K8S_A|NGX_K8S_K|NGX_K8S_ROW_SAID,
                       "limit-rate", "kilobytes"),
    ngx_k8s_field_row("limit-req-status-code", status, "503",
                      limit_req_status, NGX_K8S_IK,
                      "of too many requests"),
    ngx_k8s_field_row("limit-conn-status-code", status, "503",
                      limit_conn_status, NGX_K8S_IK,
                      "of too many at a time"),
    ngx_k8s_field_row("limit-conn-zone-variable", variables,
                      "$binary_remote_addr", limit_key,
                      NGX_K8S_IK|NGX_K8S_ROUTE,
                      "what a client is, for all limits; where it is empty "
                      "there is none"),

    /* client certificates and TLS */

    ngx_k8s_client_row("auth-tls-secret", object, "",
                       NGX_K8S_A_MEDIUM|NGX_K8S_ROW_SECRET, "",
                       "a Secret with ca.crt, and ca.crl where certificates "
                       "are revoked; backends get ssl-client-verify, "
                       "-subject-dn and -issuer-dn"),
    ngx_k8s_client_row("auth-tls-verify-client", verify_client, "on",
                       NGX_K8S_A_MEDIUM, "auth-tls-secret", ""),
    ngx_k8s_client_row("auth-tls-verify-depth", number, "1", NGX_K8S_A,
                       "auth-tls-secret", "of CAs between; 0 is 1"),
    ngx_k8s_client_row("auth-tls-match-cn", match_cn, "", NGX_K8S_A_HIGH,
                       "auth-tls-secret",
                       "a whole part of the subject, which commas separate"),
    ngx_k8s_any_row("auth-tls-error-page", "", &ngx_k8s_grammar_auth_url, "",
                    NGX_K8S_A_HIGH|NGX_K8S_HANDSHAKE, "", "",
                    NGX_K8S_NO_FIELD, "auth-tls-secret",
                    "where a client without a good certificate is sent instead "
                    "of 400"),
    ngx_k8s_any_row("auth-tls-pass-certificate-to-upstream", "",
                    &ngx_k8s_grammar_flag, "false",
                    NGX_K8S_A|NGX_K8S_HANDSHAKE, "", "", NGX_K8S_NO_FIELD,
                    "auth-tls-secret", "as ssl-client-cert, escaped"),
    ngx_k8s_secret_row("proxy-ssl-secret", proxy_ssl_secret,
                       NGX_K8S_A_MEDIUM|NGX_K8S_ROUTE, "",
                       "what backends by TLS are verified by (ca.crt), and the "
                       "certificate that they are sent with it (tls.crt, "
                       "tls.key)"),
    ngx_k8s_need_row("proxy-ssl-ciphers", ciphers, "DEFAULT",
                     proxy_ssl_ciphers, NGX_K8S_A_MEDIUM,
                     "proxy-ssl-secret", "of TLSv1.2"),
    ngx_k8s_need_row("proxy-ssl-protocols", protocols, "TLSv1.2",
                     proxy_ssl_protocols, NGX_K8S_A,
                     "proxy-ssl-secret", ""),
    ngx_k8s_need_row("proxy-ssl-name", host_pattern, "", proxy_ssl_name,
                     NGX_K8S_A_HIGH, "proxy-ssl-secret",
                     "of the backend's certificate; without it that of the "
                     "Service, as in web.default.svc"),
    ngx_k8s_need_row("proxy-ssl-verify", switch, "off", proxy_ssl_verify,
                     NGX_K8S_A|NGX_K8S_ROUTE, "proxy-ssl-secret",
                     "a backend that is not verified is 502"),
    ngx_k8s_need_row("proxy-ssl-verify-depth", number, "1", proxy_ssl_depth,
                     NGX_K8S_A, "proxy-ssl-secret", ""),
    ngx_k8s_need_row("proxy-ssl-server-name", switch, "off",
                     proxy_ssl_server_name, NGX_K8S_A,
                     "proxy-ssl-secret", "proxy-ssl-name is sent by SNI"),
    ngx_k8s_noted_row("proxy-ssl-location-only", flag, "false", NGX_K8S_IK, "",
                      "an Ingress never decides for another one"),
    ngx_k8s_refused_row("enable-ocsp", flag, "false", NGX_K8S_IK, "",
                        "Take it out: nothing here asks a CA about a "
                        "certificate, so none is stapled."),
    ngx_k8s_conf_row("use-http2", flag, "true", "http2 %S",
                     "\"http2 on\" in nginx.conf"),
    ngx_k8s_noted_row("http2-push-preload", flag, "false", NGX_K8S_A, "",
                      "nginx has it no more"),

    /* answers */

    ngx_k8s_field_row("enable-cors", flag, "false", cors, NGX_K8S_A,
                      "headers for other origins, preflights answered"),
    ngx_k8s_need_row("cors-allow-origin", origins, "*", cors_origins,
                     NGX_K8S_A_MEDIUM|NGX_K8S_ROW_PARTS, "enable-cors",
                     "what cannot be read allows nothing"),
    ngx_k8s_need_row("cors-allow-headers", headers,
                     "DNT,Keep-Alive,User-Agent,X-Requested-With,"
                     "If-Modified-Since,Cache-Control,Content-Type,Range,"
                     "Authorization",
                     cors_headers, NGX_K8S_A_MEDIUM, "enable-cors", ""),
    ngx_k8s_need_row("cors-allow-methods", methods,
                     "GET, PUT, POST, DELETE, PATCH, OPTIONS", cors_methods,
                     NGX_K8S_A_MEDIUM, "enable-cors", ""),
    ngx_k8s_need_row("cors-allow-credentials", flag, "true", cors_credentials,
                     NGX_K8S_A, "enable-cors", ""),
    ngx_k8s_need_row("cors-expose-headers", headers_any, "", cors_expose,
                     NGX_K8S_A_MEDIUM, "enable-cors", ""),
    ngx_k8s_need_row("cors-max-age", integer, "1728000", cors_max_age,
                     NGX_K8S_A, "enable-cors", "seconds"),
    ngx_k8s_headers_row("custom-headers", custom_headers,
                        NGX_K8S_A_MEDIUM|NGX_K8S_ROUTE,
                        "a ConfigMap of headers of the answer"),
    ngx_k8s_field_row("global-allowed-response-headers", response_headers, "",
                      allowed_headers, NGX_K8S_IK|NGX_K8S_ROW_PARTS,
                      "those that custom-headers may name"),
    ngx_k8s_headers_row("add-headers", add_headers, NGX_K8S_IK,
                        "a ConfigMap of headers of all answers"),
    ngx_k8s_token_row("hide-headers", headers, "", "proxy_hide_header", "%V",
                      NGX_K8S_IK|NGX_K8S_ROW_EACH, "of backends"),
    ngx_k8s_token_row("allow-backend-server-header", flag, "false",
                      "proxy_pass_header", "Server", NGX_K8S_IK|NGX_K8S_ROW_ON,
                      "with `server-tokens`"),
    ngx_k8s_field_row("custom-http-errors", codes, "", custom_errors,
                      NGX_K8S_A|NGX_K8S_K,
                      "their pages are those of default-backend"),
    ngx_k8s_need_row("disable-proxy-intercept-errors", flag, "false",
                     pass_errors, NGX_K8S_A|NGX_K8S_K, "custom-http-errors",
                     "errors of the backend pass as they are"),
    ngx_k8s_field_row("default-type", text, "text/html", default_type,
                      NGX_K8S_IK, "of texts that snippets return; all other "
                      "answers have a type, or are the backend's"),
    ngx_k8s_token_row("use-gzip", flag, "false", "gzip", "%S",
                      NGX_K8S_IK|NGX_K8S_ROW_SAID, ""),
    ngx_k8s_with_token("gzip-level", number, "1", "gzip_comp_level", "%V",
                       NGX_K8S_IK, "use-gzip", ""),
    ngx_k8s_with_token("gzip-min-length", number, "256", "gzip_min_length",
                       "%V", NGX_K8S_IK, "use-gzip", "bytes"),
    ngx_k8s_with_token("gzip-types", words,
                      "application/atom+xml application/javascript "
                      "application/x-javascript application/json "
                      "application/rss+xml application/vnd.ms-fontobject "
                      "application/x-font-ttf "
                      "application/x-web-app-manifest+json "
                      "application/xhtml+xml application/xml font/opentype "
                      "image/svg+xml image/x-icon text/css text/javascript "
                      "text/plain text/x-component",
                       "gzip_types", "%V", NGX_K8S_IK, "use-gzip", ""),
    ngx_k8s_with_token("gzip-disable", words, "", "gzip_disable", "%V",
                       NGX_K8S_IK|NGX_K8S_ROW_SAID, "use-gzip",
                       "regular expressions of User-Agent"),
    ngx_k8s_with_row("gzip_http_version", "1.1", NGX_K8S_I, "use-gzip", ""),
    ngx_k8s_with_row("gzip_proxied", "any", NGX_K8S_I, "use-gzip", ""),
    ngx_k8s_with_row("gzip_vary", "on", NGX_K8S_I, "use-gzip", ""),
    ngx_k8s_token_row("enable-brotli", flag, "false", "brotli", "%S",
                      NGX_K8S_IK|NGX_K8S_ROW_SAID,
                      "with ngx_http_brotli_filter_module, which nginx.conf "
                      "loads"),
    ngx_k8s_with_token("brotli-level", number, "4", "brotli_comp_level", "%V",
                       NGX_K8S_IK, "enable-brotli", ""),
    ngx_k8s_with_token("brotli-min-length", number, "20", "brotli_min_length",
                       "%V", NGX_K8S_IK, "enable-brotli", "bytes"),
    ngx_k8s_with_token("brotli-types", words,
                      "application/xml+rss application/atom+xml "
                      "application/javascript application/x-javascript "
                      "application/json application/rss+xml "
                      "application/vnd.ms-fontobject application/x-font-ttf "
                      "application/x-web-app-manifest+json "
                      "application/xhtml+xml application/xml font/opentype "
                      "image/svg+xml image/x-icon text/css text/javascript "
                      "text/plain text/x-component",
                       "brotli_types", "%V", NGX_K8S_IK, "enable-brotli", ""),

    /* the request to the backend */

    ngx_k8s_field_row("connection-proxy-header", connection, "", connection,
                      NGX_K8S_A, "of upgrades too"),
    ngx_k8s_headers_row("proxy-set-headers", set_headers,
                        NGX_K8S_IK|NGX_K8S_ROW_PROFILE,
                        "a ConfigMap of headers"),
    ngx_k8s_any_row("retry-non-idempotent", "", &ngx_k8s_grammar_flag, "false",
                    NGX_K8S_IK, "", "", NGX_K8S_NO_FIELD, "",
                    "a POST is repeated too"),
    ngx_k8s_with_token("fastcgi-index", basic, "", "fastcgi_index", "%V",
                       NGX_K8S_A_MEDIUM|NGX_K8S_ROW_SAID, "backend-protocol",
                       "with FCGI, what $fastcgi_script_name has behind a "
                       "slash at its end"),
    ngx_k8s_need_row("fastcgi-params-configmap", object, "", fastcgi_params,
                     NGX_K8S_A_MEDIUM|NGX_K8S_ROUTE|NGX_K8S_ROW_HEADERS,
                     "backend-protocol",
                     "a ConfigMap of parameters with FCGI, which may have "
                     "variables; without them those of nginx's file "
                     "fastcgi_params are sent"),
    ngx_k8s_field_row("mirror-target", auth_url, "", mirror_target,
                      NGX_K8S_A_HIGH|NGX_K8S_ROW_PROFILE,
                      "gets each request that is let through, and its answer "
                      "is dropped; without a path it gets that of the "
                      "request; not of gRPC"),
    ngx_k8s_need_row("mirror-host", host_pattern, "", mirror_host,
                     NGX_K8S_A_HIGH|NGX_K8S_ROW_PROFILE, "mirror-target",
                     "without it the host of the URL"),
    ngx_k8s_need_row("mirror-request-body", switch, "on", mirror_body,
                     NGX_K8S_A, "mirror-target",
                     "requests with one are buffered"),
    ngx_k8s_field_row("grpc-buffer-size-kb", number, "0", grpc_buffer,
                      NGX_K8S_IK, "of answers with GRPC and GRPCS; 0: as in "
                      "nginx.conf"),

    /* the client */

    ngx_k8s_field_row("enable-real-ip", flag, "false", real_ip,
                      NGX_K8S_IG|NGX_K8S_K|NGX_K8S_ROW_PROFILE,
                      "the client's address by `forwarded-for-header`"),
    ngx_k8s_field_row("proxy-real-ip-cidr", cidrs, "0.0.0.0/0", real_ip_cidrs,
                      NGX_K8S_IG|NGX_K8S_K|NGX_K8S_ROW_PROFILE
                      |NGX_K8S_ROW_PARTS,
                      "proxies that are trusted to tell it"),
    ngx_k8s_field_row("forwarded-for-proxy-protocol-header", header,
                      "X-Forwarded-For-Proxy-Protocol", forwarded_proxy,
                      NGX_K8S_IK|NGX_K8S_ROW_PROFILE,
                      "what `use-proxy-protocol` with "
                      "`use-forwarded-headers` says"),
    ngx_k8s_need_row("compute-full-forwarded-for", flag, "false",
                     full_forwarded, NGX_K8S_IG|NGX_K8S_K,
                     "use-forwarded-headers",
                     "the address of the proxy is added to X-Forwarded-For"),
    ngx_k8s_any_row("use-proxy-protocol", "", &ngx_k8s_grammar_flag, "false",
                    NGX_K8S_IK|NGX_K8S_ROW_COMPARED|NGX_K8S_ROW_PROFILE, "",
                    "listen ...[ proxy_protocol]",
                    offsetof(ngx_k8s_settings_t, proxy_protocol), "",
                    "the client's address by it, with \"listen ... "
                    "proxy_protocol\" in nginx.conf"),
    ngx_k8s_noted_row("proxy-protocol-header-timeout", time, "5s", NGX_K8S_IK,
                      "use-proxy-protocol",
                      "client-header-timeout bounds it"),
    ngx_k8s_word_row("client-header-buffer-size", buffer, "1k"),
    ngx_k8s_word_row("client-header-timeout", seconds, "60"),
    ngx_k8s_word_row("large-client-header-buffers", buffers, "4 8k"),
    ngx_k8s_word_row("enable-underscores-in-headers", flag, "false"),
    ngx_k8s_word_row("ignore-invalid-headers", flag, "true"),
    ngx_k8s_token_row("keep-alive", seconds, "75", "keepalive_timeout", "%Vs",
                      NGX_K8S_IK|NGX_K8S_ROW_SAID,
                      "seconds; without it as in nginx.conf"),
    ngx_k8s_token_row("keep-alive-requests", number, "1000",
                      "keepalive_requests", "%V", NGX_K8S_IK|NGX_K8S_ROW_SAID,
                      "without it as in nginx.conf"),
    ngx_k8s_noted_row("http2-max-field-size", text, "", NGX_K8S_IK, "",
                      "nginx has it no more"),
    ngx_k8s_noted_row("http2-max-header-size", text, "", NGX_K8S_IK, "",
                      "nginx has it no more"),
    ngx_k8s_noted_row("http2-max-requests", number, "0", NGX_K8S_IK, "",
                      "nginx has it no more"),
    ngx_k8s_word_row("http2-max-concurrent-streams", number, "128"),

    /* what annotations may do */

    ngx_k8s_watcher_row("annotations-risk-level", risk, "High", NGX_K8S_IK,
                        "an Ingress with one above it is not served: its "
                        "paths answer 404"),
    ngx_k8s_watcher_row("annotation-value-word-blocklist", blocklist, "",
                        NGX_K8S_IK|NGX_K8S_ROUTE,
                        "an Ingress with one of them in an annotation is not "
                        "served: its paths answer 404"),
    ngx_k8s_watcher_row("allow-snippet-annotations", flag, "false", NGX_K8S_IK,
                        "without it an Ingress with a snippet is not served: "
                        "its paths answer 404"),
    ngx_k8s_watcher_row("allow-cross-namespace-resources", flag, "false",
                        NGX_K8S_IK, "annotations may name Secrets of other "
                        "namespaces, and ConfigMaps other than custom-headers"),

    /* snippets */

    ngx_k8s_field_row("configuration-snippet", snippet_location, "", snippet,
                      NGX_K8S_A_CRITICAL|NGX_K8S_ROUTE|NGX_K8S_ROW_PROFILE,
                      "what is read of it: docs/snippets.md"),
    ngx_k8s_field_row("server-snippet", snippet_server, "", server_snippet,
                      NGX_K8S_A_CRITICAL|NGX_K8S_K|NGX_K8S_HOST_CLOSED
                      |NGX_K8S_ROW_HANDSHAKE|NGX_K8S_ROW_BOTH
                      |NGX_K8S_ROW_PROFILE,
                      "of all paths of the host, the oldest Ingress' counts; "
                      "behind it that of the key"),
    ngx_k8s_noted_row("stream-snippet", snippet, "",
                      NGX_K8S_A_CRITICAL|NGX_K8S_K, "",
                      "Write it in stream { } of nginx.conf."),
    ngx_k8s_field_row("location-snippet", snippet_location, "",
                      location_snippet,
                      NGX_K8S_IK|NGX_K8S_ROUTE|NGX_K8S_ROW_PROFILE,
                      "of all paths, behind configuration-snippet"),
    ngx_k8s_noted_row("main-snippet", snippet, "", NGX_K8S_IK, "",
                      "Write it in nginx.conf."),

    /* logs */

    ngx_k8s_field_row("enable-access-log", flag, "true", log, NGX_K8S_A,
                      "as in nginx.conf, or none"),
    ngx_k8s_field_row("disable-access-log", flag, "false", log_off, NGX_K8S_IK,
                      "none, whatever nginx.conf says"),
    ngx_k8s_field_row("disable-http-access-log", flag, "false", log_http_off,
                      NGX_K8S_IK, "the same"),
    ngx_k8s_field_row("enable-rewrite-log", flag, "false", rewrite_log,
                      NGX_K8S_A, "in the error log, of level \"notice\""),
    ngx_k8s_noted_row("disable-stream-access-log", flag, "false", NGX_K8S_IK,
                      "", ""),
    ngx_k8s_any_row("access-log-params", "", &ngx_k8s_grammar_log_params, "",
                    NGX_K8S_IK|NGX_K8S_ROW_COMPARED|NGX_K8S_ROW_PROFILE, "",
                    "access_log ... k8s_ingress %V",
                    offsetof(ngx_k8s_settings_t, log_params), "",
                    "\"if=\"; the others in nginx.conf"),
    ngx_k8s_conf_row("access-log-path", text, "/var/log/nginx/access.log",
                     "access_log %V k8s_ingress",
                     "\"access_log\" in nginx.conf"),
    ngx_k8s_conf_row("http-access-log-path", text, "",
                     "access_log %V k8s_ingress",
                     "\"access_log\" in nginx.conf"),
    ngx_k8s_noted_row("stream-access-log-path", text, "", NGX_K8S_IK, "",
                      "\"access_log\" in nginx.conf"),
    ngx_k8s_field_row("enable-access-log-for-default-backend", flag, "false",
                      log_default, NGX_K8S_IK,
                      "requests that no Ingress takes"),
    ngx_k8s_conf_row("error-log-path", text, "/var/log/nginx/error.log",
                     "error_log %V", "\"error_log\" in nginx.conf"),
    ngx_k8s_conf_row("error-log-level", log_level, "notice",
                     "error_log ... %V", "\"error_log\" in nginx.conf"),
    ngx_k8s_field_row("log-format-upstream", log_format,
                      "$remote_addr - $remote_user [$time_local] \"$request\" "
                      "$status $body_bytes_sent \"$http_referer\" "
                      "\"$http_user_agent\" $request_length $request_time "
                      "[$proxy_upstream_name] "
                      "[$proxy_alternative_upstream_name] $upstream_addr "
                      "$upstream_response_length $upstream_response_time "
                      "$upstream_status $req_id",
                      log_format, NGX_K8S_IK|NGX_K8S_ROW_PROFILE,
                      "of \"access_log ... k8s_ingress\" in nginx.conf"),
    ngx_k8s_later_row("log-format-stream", "", text,
                      "[$remote_addr] [$time_local] $protocol $status "
                      "$bytes_sent $bytes_received $session_time",
                      NGX_K8S_IK, "", ""),
    ngx_k8s_field_row("log-format-escape-json", flag, "false", log_json,
                      NGX_K8S_IK, "bytes that are no UTF-8 as \\u00XX"),
    ngx_k8s_field_row("log-format-escape-none", flag, "false", log_none,
                      NGX_K8S_IK, "counts before log-format-escape-json"),
    ngx_k8s_field_row("skip-access-log-urls", log_urls, "", log_skip,
                      NGX_K8S_IK|NGX_K8S_ROW_PROFILE,
                      "as a whole with its arguments, in any case of letters; "
                      "after \"~\" a regular expression"),
    ngx_k8s_noted_row("enable-syslog", flag, "false", NGX_K8S_IK, "",
                      "\"access_log syslog:...\" in nginx.conf"),
    ngx_k8s_noted_row("syslog-host", text, "", NGX_K8S_IK, "enable-syslog",
                      "\"access_log syslog:...\" in nginx.conf"),
    ngx_k8s_noted_row("syslog-port", number, "514", NGX_K8S_IK,
                      "enable-syslog",
                      "\"access_log syslog:...\" in nginx.conf"),

    /* modules that nginx.conf loads */

    ngx_k8s_later_row("enable-modsecurity", "", flag, "false",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_ROUTE, "", ""),
    ngx_k8s_later_row("enable-owasp-core-rules",
                      "enable-owasp-modsecurity-crs", flag, "false",
                      NGX_K8S_A|NGX_K8S_K|NGX_K8S_ROUTE, "", ""),
    ngx_k8s_later_row("modsecurity-transaction-id", "", variables, "",
                      NGX_K8S_A_HIGH, "enable-modsecurity", ""),
    ngx_k8s_later_row("modsecurity-snippet", "", snippet, "",
                      NGX_K8S_A_CRITICAL|NGX_K8S_K|NGX_K8S_ROUTE, "", ""),
    ngx_k8s_later_row("enable-opentelemetry", "", flag, "false",
                      NGX_K8S_A|NGX_K8S_K, "", ""),
    ngx_k8s_later_row("opentelemetry-trust-incoming-span", "", flag, "true",
                      NGX_K8S_A|NGX_K8S_K, "enable-opentelemetry", ""),
    ngx_k8s_later_row("opentelemetry-operation-name", "", text, "",
                      NGX_K8S_A_MEDIUM|NGX_K8S_K, "enable-opentelemetry", ""),
    ngx_k8s_noted_row("opentelemetry-config", text,
                      "/etc/ingress-controller/telemetry/opentelemetry.toml",
                      NGX_K8S_IK, "", "\"otel_exporter\" in nginx.conf"),
    ngx_k8s_noted_row("otlp-collector-host", text, "", NGX_K8S_IK, "",
                      "\"otel_exporter\" in nginx.conf"),
    ngx_k8s_noted_row("otlp-collector-port", number, "4317", NGX_K8S_IK, "",
                      "\"otel_exporter\" in nginx.conf"),
    ngx_k8s_noted_row("otel-max-queuesize", number, "2048", NGX_K8S_IK, "",
                      "\"otel_exporter\" in nginx.conf"),
    ngx_k8s_noted_row("otel-schedule-delay-millis", number, "5000", NGX_K8S_IK,
                      "", "\"otel_exporter\" in nginx.conf"),
    ngx_k8s_noted_row("otel-max-export-batch-size", number, "512", NGX_K8S_IK,
                      "", "\"otel_exporter\" in nginx.conf"),
    ngx_k8s_conf_row("otel-service-name", text, "nginx",
                     "otel_service_name %V",
                     "\"otel_service_name\" in nginx.conf"),
    ngx_k8s_noted_row("otel-sampler", text, "AlwaysOn", NGX_K8S_IK, "",
                      "\"otel_trace\" in nginx.conf"),
    ngx_k8s_noted_row("otel-sampler-parent-based", flag, "true", NGX_K8S_IK,
                      "", "\"otel_trace\" in nginx.conf"),
    ngx_k8s_noted_row("otel-sampler-ratio", text, "0.01", NGX_K8S_IK, "",
                      "\"otel_trace\" in nginx.conf"),
    ngx_k8s_noted_row("use-geoip", flag, "true", NGX_K8S_IK, "",
                      "\"geoip_country\" in nginx.conf"),
    ngx_k8s_noted_row("use-geoip2", flag, "false", NGX_K8S_IK, "",
                      "\"geoip2\" in nginx.conf"),
    ngx_k8s_noted_row("geoip2-autoreload-in-minutes", number, "0", NGX_K8S_IK,
                      "use-geoip2", "\"geoip2\" in nginx.conf"),
    ngx_k8s_refused_row("jaeger-collector-host", text, "", NGX_K8S_IK, "",
                        "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-collector-port", number, "6831", NGX_K8S_IK,
                        "", "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-endpoint", text, "", NGX_K8S_IK, "",
                        "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-service-name", text, "nginx", NGX_K8S_IK, "",
                        "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-propagation-format", text, "jaeger",
                        NGX_K8S_IK, "", "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-sampler-type", text, "const", NGX_K8S_IK, "",
                        "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-sampler-param", text, "1", NGX_K8S_IK, "",
                        "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-sampler-host", text, "http://127.0.0.1",
                        NGX_K8S_IK, "", "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-sampler-port", number, "5778", NGX_K8S_IK, "",
                        "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-trace-context-header-name", text,
                        "uber-trace-id", NGX_K8S_IK, "",
                        "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-debug-header", text, "uber-debug-id",
                        NGX_K8S_IK, "", "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-baggage-header", text, "jaeger-baggage",
                        NGX_K8S_IK, "", "enable-opentelemetry"),
    ngx_k8s_refused_row("jaeger-trace-baggage-header-prefix", text, "uberctx-",
                        NGX_K8S_IK, "", "enable-opentelemetry"),

    /* what nginx.conf says */

    ngx_k8s_conf_row("worker-processes", workers, "auto",
                     "worker_processes %V",
                     "\"worker_processes\" in nginx.conf"),
    ngx_k8s_conf_row("worker-cpu-affinity", text, "", "worker_cpu_affinity %V",
                     "\"worker_cpu_affinity\" in nginx.conf"),
    ngx_k8s_conf_row("worker-shutdown-timeout", time, "240s",
                     "worker_shutdown_timeout %V",
                     "\"worker_shutdown_timeout\" in nginx.conf"),
    ngx_k8s_conf_row("max-worker-connections", number, "16384",
                     "worker_connections %V",
                     "\"worker_connections\" in nginx.conf"),
    ngx_k8s_conf_row("max-worker-open-files", number, "0",
                     "worker_rlimit_nofile %V",
                     "\"worker_rlimit_nofile\" in nginx.conf"),
    ngx_k8s_conf_row("enable-multi-accept", flag, "true", "multi_accept %S",
                     "\"multi_accept\" in nginx.conf"),
    ngx_k8s_noted_row("enable-serial-reloads", flag, "false", NGX_K8S_IK, "",
                      "there are no reloads"),
    ngx_k8s_conf_row("reuse-port", flag, "true", "listen ...[ reuseport]",
                     "\"listen ... reuseport\" in nginx.conf"),
    ngx_k8s_noted_row("bind-address", text, "", NGX_K8S_IK, "",
                      "\"listen\" in nginx.conf"),
    ngx_k8s_noted_row("disable-ipv6", flag, "false", NGX_K8S_IK, "",
                      "\"listen\" in nginx.conf"),
    ngx_k8s_conf_row("disable-ipv6-dns", flag, "false",
                     "resolver ...[ ipv6=off]",
                     "\"resolver ... ipv6=off\" in nginx.conf"),
    ngx_k8s_conf_row("enable-aio-write", flag, "true", "aio_write %S",
                     "\"aio_write\" in nginx.conf"),
    ngx_k8s_conf_row("map-hash-bucket-size", number, "64",
                     "map_hash_bucket_size %V",
                     "\"map_hash_bucket_size\" in nginx.conf"),
    ngx_k8s_noted_row("server-name-hash-max-size", number, "1024", NGX_K8S_IK,
                      "", "hosts are not in a hash of nginx's"),
    ngx_k8s_noted_row("server-name-hash-bucket-size", number, "64", NGX_K8S_IK,
                      "", "hosts are not in a hash of nginx's"),
    ngx_k8s_conf_row("proxy-headers-hash-max-size", number, "512",
                     "proxy_headers_hash_max_size %V",
                     "\"proxy_headers_hash_max_size\" in nginx.conf"),
    ngx_k8s_conf_row("proxy-headers-hash-bucket-size", number, "64",
                     "proxy_headers_hash_bucket_size %V",
                     "\"proxy_headers_hash_bucket_size\" in nginx.conf"),
    ngx_k8s_conf_row("variables-hash-max-size", number, "2048",
                     "variables_hash_max_size %V",
                     "\"variables_hash_max_size\" in nginx.conf"),
    ngx_k8s_conf_row("variables-hash-bucket-size", number, "256",
                     "variables_hash_bucket_size %V",
                     "\"variables_hash_bucket_size\" in nginx.conf"),
    ngx_k8s_noted_row("nginx-status-ipv4-whitelist", text, "127.0.0.1",
                      NGX_K8S_IK, "", "\"stub_status\" in nginx.conf"),
    ngx_k8s_noted_row("nginx-status-ipv6-whitelist", text, "::1", NGX_K8S_IK,
                      "", "\"stub_status\" in nginx.conf"),
    ngx_k8s_noted_row("debug-connections", text, "", NGX_K8S_IK, "",
                      "\"debug_connection\" in nginx.conf"),
    ngx_k8s_noted_row("lua-shared-dicts", text, "", NGX_K8S_IK, "",
                      "there is no Lua"),
    ngx_k8s_noted_row("proxy-stream-timeout", time, "600s", NGX_K8S_IK, "",
                      ""),
    ngx_k8s_noted_row("proxy-stream-next-upstream", flag, "true", NGX_K8S_IK,
                      "", ""),
    ngx_k8s_noted_row("proxy-stream-next-upstream-timeout", time, "600s",
                      NGX_K8S_IK, "", ""),
    ngx_k8s_noted_row("proxy-stream-next-upstream-tries", number, "3",
                      NGX_K8S_IK, "", ""),
    ngx_k8s_noted_row("proxy-stream-responses", number, "1", NGX_K8S_IK, "",
                      ""),

    { ngx_null_string, ngx_null_string, NULL, ngx_null_string, 0,
      ngx_null_string, ngx_null_string, 0, ngx_null_string, ngx_null_string }
};


ngx_uint_t  ngx_k8s_nrows = sizeof(ngx_k8s_rows) / sizeof(ngx_k8s_row_t) - 1;

ngx_k8s_row_name_t  ngx_k8s_row_names[2 * sizeof(ngx_k8s_rows)
                                      / sizeof(ngx_k8s_row_t)];
ngx_uint_t          ngx_k8s_nrow_names;
