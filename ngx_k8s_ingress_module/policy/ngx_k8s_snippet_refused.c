
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_snippet.h>


#define ngx_k8s_refused(name, flags)                                          \
    { ngx_string(name), NGX_K8S_SNIPPET_REFUSED, 0, 0, 0, NULL, NULL, flags }

#define ngx_k8s_refused_guard(name)                                           \
    ngx_k8s_refused(name, NGX_K8S_SNIPPET_GUARDS)
#define ngx_k8s_refused_control(name)                                         \
    ngx_k8s_refused(name, NGX_K8S_SNIPPET_CONTROLS)
#define ngx_k8s_refused_harmless(name)                                        \
    ngx_k8s_refused(name, 0)


/*
 * What is known and not read: what may refuse a request or a backend, what
 * leads it elsewhere or has others do so, and what does neither.
 */

ngx_k8s_directive_t  ngx_k8s_directives_refused[] = {
    ngx_k8s_refused_guard("auth_*"),
    ngx_k8s_refused_harmless("limit_req_zone"),
    ngx_k8s_refused_harmless("limit_conn_zone"),
    ngx_k8s_refused_guard("limit_*"),
    ngx_k8s_refused_guard("secure_link*"),
    ngx_k8s_refused_guard("valid_referers"),
    ngx_k8s_refused_guard("modsecurity*"),
    ngx_k8s_refused_guard("ssl_verify*"),
    ngx_k8s_refused_guard("ssl_client*"),
    ngx_k8s_refused_guard("ssl_trusted*"),
    ngx_k8s_refused_guard("ssl_crl"),
    ngx_k8s_refused_guard("proxy_ssl_verify*"),
    ngx_k8s_refused_guard("proxy_ssl_trusted*"),
    ngx_k8s_refused_guard("proxy_ssl_crl"),
    ngx_k8s_refused_guard("grpc_ssl_verify*"),
    ngx_k8s_refused_guard("grpc_ssl_trusted*"),
    ngx_k8s_refused_guard("grpc_ssl_crl"),
    ngx_k8s_refused_guard("access_by_lua*"),
    ngx_k8s_refused_guard("rewrite_by_lua*"),
    ngx_k8s_refused_guard("content_by_lua*"),
    ngx_k8s_refused_guard("js_*"),
    ngx_k8s_refused_guard("perl*"),
    ngx_k8s_refused_guard("include"),

    ngx_k8s_refused_control("proxy_pass"),
    ngx_k8s_refused_control("grpc_pass"),
    ngx_k8s_refused_control("fastcgi_*"),
    ngx_k8s_refused_control("uwsgi_*"),
    ngx_k8s_refused_control("scgi_*"),
    ngx_k8s_refused_control("memcached_*"),
    ngx_k8s_refused_control("root"),
    ngx_k8s_refused_control("alias"),
    ngx_k8s_refused_control("index"),
    ngx_k8s_refused_control("try_files"),
    ngx_k8s_refused_control("set_*"),
    ngx_k8s_refused_control("real_ip_*"),
    ngx_k8s_refused_control("geoip*"),
    ngx_k8s_refused_control("split_clients"),

    ngx_k8s_refused_harmless("recursive_error_pages"),
    ngx_k8s_refused_harmless("proxy_*"),
    ngx_k8s_refused_harmless("grpc_*"),
    ngx_k8s_refused_harmless("gzip*"),
    ngx_k8s_refused_harmless("gunzip*"),
    ngx_k8s_refused_harmless("brotli*"),
    ngx_k8s_refused_harmless("charset*"),
    ngx_k8s_refused_harmless("source_charset"),
    ngx_k8s_refused_harmless("override_charset"),
    ngx_k8s_refused_harmless("types*"),
    ngx_k8s_refused_harmless("add_trailer"),
    ngx_k8s_refused_harmless("add_before_body"),
    ngx_k8s_refused_harmless("add_after_body"),
    ngx_k8s_refused_harmless("header_filter_by_lua*"),
    ngx_k8s_refused_harmless("body_filter_by_lua*"),
    ngx_k8s_refused_harmless("log_by_lua*"),
    ngx_k8s_refused_harmless("lua_*"),
    ngx_k8s_refused_harmless("error_log"),
    ngx_k8s_refused_harmless("log_*"),
    ngx_k8s_refused_harmless("client_*"),
    ngx_k8s_refused_harmless("large_client_header_buffers"),
    ngx_k8s_refused_harmless("keepalive_*"),
    ngx_k8s_refused_harmless("send_*"),
    ngx_k8s_refused_harmless("sendfile*"),
    ngx_k8s_refused_harmless("tcp_*"),
    ngx_k8s_refused_harmless("aio*"),
    ngx_k8s_refused_harmless("directio*"),
    ngx_k8s_refused_harmless("output_buffers"),
    ngx_k8s_refused_harmless("postpone_output"),
    ngx_k8s_refused_harmless("open_file_cache*"),
    ngx_k8s_refused_harmless("mirror*"),
    ngx_k8s_refused_harmless("ssi*"),
    ngx_k8s_refused_harmless("ssl_*"),
    ngx_k8s_refused_harmless("http2*"),
    ngx_k8s_refused_harmless("http3*"),
    ngx_k8s_refused_harmless("quic*"),
    ngx_k8s_refused_harmless("resolver*"),
    ngx_k8s_refused_harmless("server_name*"),
    ngx_k8s_refused_harmless("listen"),
    ngx_k8s_refused_harmless("stub_status"),
    ngx_k8s_refused_harmless("autoindex*"),
    ngx_k8s_refused_harmless("empty_gif"),
    ngx_k8s_refused_harmless("userid*"),
    ngx_k8s_refused_harmless("msie_*"),
    ngx_k8s_refused_harmless("max_ranges"),
    ngx_k8s_refused_harmless("merge_slashes"),
    ngx_k8s_refused_harmless("ignore_invalid_headers"),
    ngx_k8s_refused_harmless("underscores_in_headers"),
    ngx_k8s_refused_harmless("variables_hash*"),
    ngx_k8s_refused_harmless("opentelemetry*"),
    ngx_k8s_refused_harmless("otel_*"),
    ngx_k8s_refused_harmless("opentracing*"),
    ngx_k8s_refused_harmless("pagespeed*"),

    { ngx_null_string, 0, 0, 0, 0, NULL, NULL, 0 }
};
