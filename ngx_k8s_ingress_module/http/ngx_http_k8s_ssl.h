
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_SSL_H_INCLUDED_
#define _NGX_HTTP_K8S_SSL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


#if (NGX_HTTP_SSL)

/*
 * TLS (ngx_http_k8s_ssl.c): certificates by SNI.  pass() is called by each
 * k8s_ingress_pass while it is parsed, before or after the name is stored in
 * the location's configuration; server() for a server with k8s_ingress_pass,
 * whatever its listeners, at postconfiguration; the others as above.
 */
ngx_int_t ngx_http_k8s_ssl_pass(ngx_conf_t *cf);
ngx_int_t ngx_http_k8s_ssl_server(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
ngx_int_t ngx_http_k8s_ssl_init(ngx_k8s_block_t *block, ngx_cycle_t *cycle);
void ngx_http_k8s_ssl_done(ngx_k8s_block_t *block);

/*
 * What is said of one handshake (ngx_http_k8s_ssl_policy.c).  curves(): by
 * keys, while the ClientHello is looked at; apply(): by the policy of a host,
 * when the certificate is asked for, so not where a session is resumed.
 * NGX_ERROR, logged: the handshake has to fail.
 */
ngx_int_t ngx_http_k8s_ssl_curves(ngx_ssl_conn_t *ssl_conn,
    ngx_k8s_settings_t *settings, ngx_log_t *log);
ngx_int_t ngx_http_k8s_ssl_apply(ngx_ssl_conn_t *ssl_conn,
    ngx_k8s_policy_t *policy, ngx_log_t *log);

/*
 * Certificates of clients (ngx_http_k8s_ssl_client.c), by the policy of a host.
 * scope(): puts it and what its Secret has into the context of a session, of
 * NGX_K8S_TLS_ID_LEN bytes; ask(): as apply().  check(): NGX_OK; without TLS
 * NGX_DECLINED, it may go on to a redirect, or to what no redirect to https is
 * for, or NGX_ABORT, to a redirect alone; else the status of the answer.
 * closed(): whether that is 403 for all, as its Secret is of no use.
 *
 * What others are told of them (ngx_http_k8s_ssl_told.c): tell() puts headers
 * ssl-client-* into the list of a request in place of what came, with whole
 * also the certificate; without asked the certificate is what another host has
 * asked for, and is none.  digest(): of the certificate, in the request's pool;
 * empty: the client has none.  variables(): $k8s_ssl_client_*, by index alone,
 * what tell() has put there, for protocols without such headers; before
 * configuration is read.  All NGX_OK or NGX_ERROR.
 */
void ngx_http_k8s_ssl_client_scope(ngx_k8s_block_t *block,
    ngx_k8s_policy_t *policy, u_char *id);
ngx_int_t ngx_http_k8s_ssl_client_ask(ngx_ssl_conn_t *ssl_conn,
    ngx_k8s_block_t *block, ngx_k8s_policy_t *policy, ngx_log_t *log);
ngx_int_t ngx_http_k8s_ssl_client_check(ngx_http_request_t *r,
    ngx_k8s_block_t *block, ngx_k8s_policy_t *policy);
ngx_uint_t ngx_http_k8s_ssl_client_closed(ngx_k8s_block_t *block,
    ngx_k8s_policy_t *policy);
ngx_int_t ngx_http_k8s_ssl_client_tell(ngx_http_request_t *r,
    ngx_uint_t asked, ngx_uint_t whole);
ngx_int_t ngx_http_k8s_ssl_client_digest(ngx_http_request_t *r,
    ngx_str_t *digest);
ngx_int_t ngx_http_k8s_ssl_client_variables(ngx_conf_t *cf);

/*
 * Keys of the ConfigMap (ngx_http_k8s_ssl_keys.c): init() notes what nginx.conf
 * says, at postconfiguration; values are by row, NULL where nothing is said, in
 * a worker.
 */
ngx_int_t ngx_http_k8s_ssl_keys_init(ngx_conf_t *cf,
    ngx_http_k8s_loc_conf_t *klcf);
void ngx_http_k8s_ssl_keys(ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *values);

#endif


#endif /* _NGX_HTTP_K8S_SSL_H_INCLUDED_ */
