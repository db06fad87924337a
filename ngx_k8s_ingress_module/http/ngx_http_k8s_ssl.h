
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
    ngx_http_core_srv_conf_t *cscf, ngx_k8s_block_t *block);
ngx_int_t ngx_http_k8s_ssl_init(ngx_k8s_block_t *block, ngx_cycle_t *cycle);
void ngx_http_k8s_ssl_done(ngx_k8s_block_t *block);

#endif


#endif /* _NGX_HTTP_K8S_SSL_H_INCLUDED_ */
