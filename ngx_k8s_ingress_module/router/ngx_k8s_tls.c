
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_router.h>
#include <ngx_k8s_tls.h>

#include <openssl/sha.h>


static ngx_k8s_listener_t *ngx_k8s_tls_listener(ngx_k8s_table_t *table,
    uint32_t set, in_port_t port, ngx_str_t *name);
static ngx_k8s_host_t *ngx_k8s_tls_host(ngx_k8s_table_t *table, uint32_t set,
    ngx_str_t *name);


ngx_uint_t
ngx_k8s_tls_address(ngx_k8s_table_t *table, struct sockaddr *sockaddr,
    uint32_t **sets, in_port_t *port)
{
    u_char                 *addr, key[NGX_K8S_KEY_MAX];
    size_t                  len, size;
    ngx_uint_t              i, family;
    struct sockaddr_in     *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6    *sin6;
#endif
    ngx_k8s_address_rec_t  *rec;

    switch (sockaddr->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;
        addr = sin6->sin6_addr.s6_addr;
        size = 16;
        family = 6;
        break;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;
        addr = (u_char *) &sin->sin_addr;
        size = 4;
        family = 4;
        break;

    default:
        return 0;
    }

    /* the address, any of its family, any */

    for (i = 0; i < 3; i++) {

        len = ngx_k8s_key_address(key, (i == 2) ? 0 : family,
                                  ngx_inet_get_port(sockaddr), addr,
                                  (i == 0) ? size : 0);

        rec = ngx_k8s_table_find(table, NGX_K8S_INDEX_ADDRESS, key, len, NULL);

        if (rec) {
            *sets = ngx_k8s_record_at(rec, rec->sets.offset);
            *port = rec->outer_port;

            return rec->sets.n;
        }
    }

    return 0;
}


void
ngx_k8s_tls_choose(ngx_k8s_table_t *table, ngx_k8s_tls_key_t *key,
    ngx_k8s_tls_t *tls)
{
    u_char               buf[NGX_K8S_HOST_MAX];
    ngx_int_t            best;
    ngx_str_t            name;
    ngx_uint_t           i;
    ngx_k8s_host_t      *host;
    ngx_k8s_listener_t  *listener;

    ngx_memzero(tls, sizeof(ngx_k8s_tls_t));

    if (ngx_k8s_route_host_name(buf, &key->sni, &name) != NGX_OK) {
        ngx_str_null(&name);
    }

    /* the length tells: a wildcard has the name from a dot on */

    best = -1;

    for (i = 0; i < key->nsets; i++) {

        listener = ngx_k8s_tls_listener(table, key->sets[i], key->port, &name);

        if (listener && (ngx_int_t) listener->hostname.len > best) {
            best = listener->hostname.len;

            tls->listener = listener;
            tls->record = &listener->header;
            tls->certificates = listener->certificates;
            tls->policy = listener->policy;
            tls->reject = (listener->flags & NGX_K8S_LISTENER_REJECT) != 0;
        }

        host = name.len ? ngx_k8s_tls_host(table, key->sets[i], &name) : NULL;

        if (host && (ngx_int_t) host->name.len > best) {
            best = host->name.len;

            tls->listener = NULL;
            tls->record = &host->header;
            tls->certificates = host->certificates;
            tls->policy = host->policy;
            tls->reject = 0;
        }
    }
}


/* the most specific one of the set and port; its wildcards are of any depth */

static ngx_k8s_listener_t *
ngx_k8s_tls_listener(ngx_k8s_table_t *table, uint32_t set, in_port_t port,
    ngx_str_t *name)
{
    u_char              *p, *last, key[NGX_K8S_KEY_MAX];
    size_t               len;
    ngx_str_t            hostname;
    ngx_k8s_listener_t  *listener;

    if (table->counts[NGX_K8S_INDEX_LISTENER] == 0) {
        return NULL;
    }

    hostname = *name;
    last = name->data + name->len;

    for ( ;; ) {

        len = ngx_k8s_key_listener(key, set, port, NGX_K8S_TRANSPORT_TCP,
                                   &hostname);

        listener = ngx_k8s_table_find(table, NGX_K8S_INDEX_LISTENER, key, len,
                                      NULL);

        if (listener && listener->mode != NGX_K8S_TLS_NONE) {
            return listener;
        }

        if (hostname.len == 0) {
            return NULL;
        }

        p = ngx_strlchr(hostname.data + 1, last, '.');

        hostname.data = p ? p : last;
        hostname.len = last - hostname.data;
    }
}


static ngx_k8s_host_t *
ngx_k8s_tls_host(ngx_k8s_table_t *table, uint32_t set, ngx_str_t *name)
{
    u_char          *p, *last, key[NGX_K8S_KEY_MAX];
    size_t           len;
    ngx_str_t        parent;
    ngx_k8s_host_t  *host;

    host = ngx_k8s_route_host(table, set, NGX_K8S_CLASS_HTTP, name, NULL);

    if (host && host->certificates.n == 0
        && !(host->flags & NGX_K8S_HOST_WILDCARD))
    {
        last = name->data + name->len;

        p = ngx_strlchr(name->data, last, '.');
        if (p == NULL) {
            return NULL;
        }

        parent.data = p;
        parent.len = last - p;

        len = ngx_k8s_key_host(key, set, NGX_K8S_CLASS_HTTP, &parent);

        host = ngx_k8s_table_find(table, NGX_K8S_INDEX_HOST, key, len, NULL);
    }

    return (host && host->certificates.n) ? host : NULL;
}


ngx_k8s_certificate_t *
ngx_k8s_tls_certificate(ngx_k8s_table_t *table, ngx_k8s_tls_t *tls,
    ngx_uint_t i)
{
    ngx_k8s_slot_ref_t  *ref;

    ref = ngx_k8s_record_at(tls->record, tls->certificates.offset);

    return ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_CERTIFICATE,
                                   ref[i].slot, ref[i].generation);
}


ngx_k8s_certificate_t *
ngx_k8s_tls_default(ngx_k8s_table_t *table)
{
    size_t     len;
    u_char     key[NGX_K8S_KEY_MAX];
    ngx_str_t  empty, *names[2];

    ngx_str_null(&empty);
    names[0] = &empty;
    names[1] = &empty;

    len = ngx_k8s_key_names(key, 2, names);

    return ngx_k8s_table_find(table, NGX_K8S_INDEX_CERTIFICATE, key, len, NULL);
}


void
ngx_k8s_tls_session_id(u_char id[NGX_K8S_TLS_ID_LEN], ngx_str_t *sni,
    in_port_t port, ngx_str_t *scope)
{
    u_char     *p, *last, host[NGX_K8S_HOST_MAX], buf[NGX_MAX_CONF_ERRSTR];
    ngx_str_t   name;

    if (sni->len == 0 || ngx_k8s_route_host_name(host, sni, &name) != NGX_OK) {
        name = *sni;
    }

    last = buf + sizeof(buf);
    p = ngx_slprintf(buf, last, "%V %d %V", &name, (int) port, scope);

    SHA256(buf, p - buf, id);
}
