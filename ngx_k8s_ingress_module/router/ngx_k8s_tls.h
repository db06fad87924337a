
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What a TLS handshake presents.  Any worker; pure: it reads a table under the
 * caller's pin and needs no module of nginx.
 */


#ifndef _NGX_K8S_TLS_H_INCLUDED_
#define _NGX_K8S_TLS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>


/*
 * The host that has the certificates for the name a client asks for (SNI, as
 * sent), in any of the sets of routes: its own record, or where that has none
 * the wildcard host above it.  The most specific name wins, the earlier set
 * among equals.  NULL: there is none, the default certificate is presented.
 */
ngx_k8s_host_t *ngx_k8s_tls_host(ngx_k8s_table_t *table, uint32_t *sets,
    ngx_uint_t nsets, ngx_str_t *sni);

/* the i-th of its host->certificates.n certificates, NULL when it has gone */
ngx_k8s_certificate_t *ngx_k8s_tls_certificate(ngx_k8s_table_t *table,
    ngx_k8s_host_t *host, ngx_uint_t i);

/* the default certificate, or NULL */
ngx_k8s_certificate_t *ngx_k8s_tls_default(ngx_k8s_table_t *table);

/*
 * The context of a session, so that one of this name, port and scope is never
 * resumed for another; scope tells what else decides what a name means.
 */

#define NGX_K8S_TLS_ID_LEN           32

void ngx_k8s_tls_session_id(u_char id[NGX_K8S_TLS_ID_LEN], ngx_str_t *sni,
    in_port_t port, ngx_str_t *scope);


#endif /* _NGX_K8S_TLS_H_INCLUDED_ */
