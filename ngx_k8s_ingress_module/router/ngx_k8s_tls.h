
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
#include <ngx_k8s_router.h>
#include <ngx_k8s_table.h>


typedef struct {
    uint32_t                *sets;       /* of the address, in order */
    ngx_uint_t               nsets;
    in_port_t                port;       /* what the client connects to */
    ngx_str_t                sni;        /* as sent, or empty */
    /* as in ngx_k8s_route_key_t; NULL: names by expressions are not known */
    ngx_int_t              (*regex)(void *data, ngx_uint_t what,
                                ngx_str_t *pattern, ngx_str_t *text);
    void                    *data;
} ngx_k8s_tls_key_t;

#define NGX_K8S_TLS_CERTIFICATES     4   /* of different keys: RSA, EC, ... */

typedef struct {
    ngx_k8s_listener_t      *listener;   /* NULL: of no listener */
    ngx_k8s_policy_t        *client;     /* of the handshake: ciphers, and
                                            certificates of clients; NULL:
                                            nothing is said of it */
    ngx_k8s_certificate_t   *certs[NGX_K8S_TLS_CERTIFICATES];
    ngx_uint_t               ncerts;     /* 0: the default certificate */
    unsigned                 reject:1;   /* the handshake has to fail */
    unsigned                 gone:1;     /* as the policy is not there */
    unsigned                 known:1;    /* a host has the name */
} ngx_k8s_tls_t;


/*
 * The sets of routes that a local address belongs to, and the port that clients
 * of it connect to: of the address, of its port, or of all.  Returns their
 * number, 0 when no record says anything of the address.
 */
ngx_uint_t ngx_k8s_tls_address(ngx_k8s_table_t *table,
    struct sockaddr *sockaddr, uint32_t **sets, in_port_t *port);

/*
 * What is presented for a name (SNI), valid under the caller's pin: of a
 * listener of the port, or of a host, be it the wildcard host above one that
 * has no certificates, or one that an expression leads to, with those that
 * cover the name.  The most specific name wins; among equals the earlier
 * set, and in a set the listener.  Of several certificates with keys of one
 * type it is the one with the longest name that fits, then the first; those of
 * which no name fits are there only where none does.  The policy is that of the
 * listener, or of the host that takes requests for the name, which may be one
 * that it is an alias of.  The handshake has to be rejected when the policy is
 * not in the table.
 */
void ngx_k8s_tls_choose(ngx_k8s_table_t *table, ngx_k8s_tls_key_t *key,
    ngx_k8s_tls_t *tls);

/*
 * Whether what takes a name, which is in the form of the table, has TLS for it:
 * the host of route->named; of an alias that has none the wildcard host above
 * it says so, whose certificates are presented; one by an expression has TLS
 * where a certificate of its host covers the name.
 */
ngx_uint_t ngx_k8s_tls_wanted(ngx_k8s_table_t *table, ngx_k8s_route_t *route,
    ngx_str_t *name);

/* the default certificate, or NULL */
ngx_k8s_certificate_t *ngx_k8s_tls_default(ngx_k8s_table_t *table);

/*
 * The context of a session, so that one of this name, port, scope, listener and
 * client policy is never resumed for another; scope tells what else decides
 * what a name means.  tls is what was chosen for the name; NULL: there is no
 * table.
 */

#define NGX_K8S_TLS_ID_LEN           32

void ngx_k8s_tls_session_id(u_char id[NGX_K8S_TLS_ID_LEN], ngx_str_t *sni,
    in_port_t port, ngx_str_t *scope, ngx_k8s_tls_t *tls);


#endif /* _NGX_K8S_TLS_H_INCLUDED_ */
