
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_router.h>
#include <ngx_k8s_tls.h>

#include <openssl/sha.h>


/* of a choice, where what a host leads to goes meanwhile */
#define NGX_K8S_TLS_TRIES  3


static ngx_k8s_listener_t *ngx_k8s_tls_listener(ngx_k8s_table_t *table,
    uint32_t set, in_port_t port, ngx_str_t *name);
static ngx_k8s_host_t *ngx_k8s_tls_host(ngx_k8s_table_t *table, uint32_t set,
    ngx_str_t *name);
static ngx_k8s_host_t *ngx_k8s_tls_behind(ngx_k8s_table_t *table,
    ngx_k8s_host_t *owner);
static ngx_k8s_host_t *ngx_k8s_tls_above(ngx_k8s_table_t *table, uint32_t set,
    ngx_str_t *name);
static ngx_k8s_host_t *ngx_k8s_tls_owner(ngx_k8s_table_t *table, uint32_t set,
    ngx_k8s_tls_key_t *key, ngx_str_t *name, ngx_k8s_host_t **named);
static ngx_uint_t ngx_k8s_tls_covered(ngx_k8s_table_t *table,
    ngx_k8s_host_t *host, ngx_str_t *name);
static void ngx_k8s_tls_choose_once(ngx_k8s_table_t *table,
    ngx_k8s_tls_key_t *key, ngx_k8s_tls_t *tls);
static void ngx_k8s_tls_client(ngx_k8s_table_t *table, uint32_t policy,
    ngx_k8s_tls_t *tls);
static void ngx_k8s_tls_certificates(ngx_k8s_table_t *table,
    ngx_k8s_record_t *rec, ngx_k8s_list_t *list, ngx_str_t *name,
    ngx_k8s_tls_t *tls);
static size_t ngx_k8s_tls_fits(ngx_k8s_certificate_t *cert, ngx_str_t *name);


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


/* a policy may go in this moment, as the host's record leads elsewhere now */

void
ngx_k8s_tls_choose(ngx_k8s_table_t *table, ngx_k8s_tls_key_t *key,
    ngx_k8s_tls_t *tls)
{
    ngx_uint_t  tries;

    tries = 0;

    do {
        ngx_k8s_tls_choose_once(table, key, tls);
    } while (tls->gone && ++tries < NGX_K8S_TLS_TRIES);
}


static void
ngx_k8s_tls_choose_once(ngx_k8s_table_t *table, ngx_k8s_tls_key_t *key,
    ngx_k8s_tls_t *tls)
{
    u_char               buf[NGX_K8S_HOST_MAX];
    uint32_t             policy;
    ngx_int_t            best;
    ngx_str_t            name;
    ngx_uint_t           i;
    ngx_k8s_host_t      *host, *owner, *named;
    ngx_k8s_list_t      *list;
    ngx_k8s_record_t    *rec;
    ngx_k8s_listener_t  *listener;

    ngx_memzero(tls, sizeof(ngx_k8s_tls_t));

    if (ngx_k8s_route_host_name(buf, &key->sni, &name) != NGX_OK) {
        ngx_str_null(&name);
    }

    /* the length tells: a wildcard has the name from a dot on */

    best = -1;
    policy = 0;
    owner = NULL;
    rec = NULL;
    list = NULL;

    for (i = 0; i < key->nsets; i++) {

        listener = ngx_k8s_tls_listener(table, key->sets[i], key->port, &name);

        if (listener && (ngx_int_t) listener->hostname.len > best) {
            best = listener->hostname.len;
            rec = &listener->header;
            list = &listener->certificates;

            tls->listener = listener;
            tls->reject = (listener->flags & NGX_K8S_LISTENER_REJECT) != 0;
        }

        host = name.len ? ngx_k8s_tls_host(table, key->sets[i], &name) : NULL;

        if (host && (ngx_int_t) host->name.len > best) {
            best = host->name.len;
            rec = &host->header;
            list = &host->certificates;

            tls->listener = NULL;
            tls->reject = 0;
        }

        /* the first set that has the name, else the first one that takes all */

        if (!tls->known) {
            host = ngx_k8s_tls_owner(table, key->sets[i], key, &name, &named);

            /* an expression is more than no name */

            if (host && (named->flags & NGX_K8S_HOST_PATTERNS) && best <= 0
                && ngx_k8s_tls_covered(table, host, &name))
            {
                best = 0;
                rec = &host->header;
                list = &host->certificates;

                tls->listener = NULL;
                tls->reject = 0;
            }

            tls->known = (host && host->name.len);

            if (tls->known || owner == NULL) {
                owner = host;
            }
        }
    }

    if (tls->listener) {
        policy = tls->listener->policy;

    } else if (owner) {
        policy = ngx_k8s_tls_behind(table, owner)->policy;
    }

    ngx_k8s_tls_client(table, policy, tls);

    if (rec) {
        ngx_k8s_tls_certificates(table, rec, list, &name, tls);
    }
}


/* of challenges that stand apart the host behind them says it */

static ngx_k8s_host_t *
ngx_k8s_tls_owner(ngx_k8s_table_t *table, uint32_t set, ngx_k8s_tls_key_t *key,
    ngx_str_t *name, ngx_k8s_host_t **named)
{
    ngx_k8s_host_t       *host, *above;
    ngx_k8s_route_key_t   route;

    ngx_memzero(&route, sizeof(ngx_k8s_route_key_t));

    route.class = NGX_K8S_CLASS_HTTP;
    route.host = *name;
    route.regex = key->regex;
    route.data = key->data;

    host = ngx_k8s_route_taken(table, set, &route, named);

    if (host && set == 0 && (host->flags & NGX_K8S_HOST_FALLTHROUGH)) {
        above = ngx_k8s_tls_above(table, set, name);

        return above ? above : host;
    }

    return host;
}


/* of the set 0, without a wildcard host above it, the host without a name is */

static ngx_k8s_host_t *
ngx_k8s_tls_behind(ngx_k8s_table_t *table, ngx_k8s_host_t *owner)
{
    u_char           key[NGX_K8S_KEY_MAX];
    size_t           len;
    ngx_k8s_host_t  *host;

    static ngx_str_t  none = ngx_string("");

    if (!(owner->flags & NGX_K8S_HOST_FALLTHROUGH)
        || (owner->flags & NGX_K8S_HOST_ANY_DEPTH))
    {
        return owner;
    }

    len = ngx_k8s_key_host(key, 0, NGX_K8S_CLASS_HTTP, &none);

    host = ngx_k8s_table_find(table, NGX_K8S_INDEX_HOST, key, len, NULL);

    return host ? host : owner;
}


/* the wildcard host above a name, or NULL */

static ngx_k8s_host_t *
ngx_k8s_tls_above(ngx_k8s_table_t *table, uint32_t set, ngx_str_t *name)
{
    u_char     *p, *last, key[NGX_K8S_KEY_MAX];
    size_t      len;
    ngx_str_t   parent;

    last = name->data + name->len;

    p = ngx_strlchr(name->data, last, '.');
    if (p == NULL) {
        return NULL;
    }

    parent.data = p;
    parent.len = last - p;

    len = ngx_k8s_key_host(key, set, NGX_K8S_CLASS_HTTP, &parent);

    return ngx_k8s_table_find(table, NGX_K8S_INDEX_HOST, key, len, NULL);
}


/* a policy without settings of TLS asks nothing of clients */

static void
ngx_k8s_tls_client(ngx_k8s_table_t *table, uint32_t policy, ngx_k8s_tls_t *tls)
{
    ngx_k8s_policy_t  *rec;

    static u_char  none[sizeof(rec->tls)];

    if (policy == 0) {
        return;
    }

    rec = ngx_k8s_slot_record(table, NGX_K8S_INDEX_POLICY, policy);

    if (rec == NULL) {
        tls->reject = 1;
        tls->gone = 1;

    } else if (ngx_memcmp(rec->tls, none, sizeof(none)) != 0) {
        tls->client = rec;
    }
}


static void
ngx_k8s_tls_certificates(ngx_k8s_table_t *table, ngx_k8s_record_t *rec,
    ngx_k8s_list_t *list, ngx_str_t *name, ngx_k8s_tls_t *tls)
{
    size_t                  fit, fits[NGX_K8S_TLS_CERTIFICATES];
    uint32_t                i;
    ngx_uint_t              k, n, any;
    ngx_k8s_slot_ref_t     *ref;
    ngx_k8s_certificate_t  *cert;

    any = 0;
    ref = ngx_k8s_record_at(rec, list->offset);

    for (i = 0; i < list->n; i++) {
        cert = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_CERTIFICATE,
                                       ref[i].slot, ref[i].generation);
        if (cert == NULL) {
            continue;
        }

        fit = ngx_k8s_tls_fits(cert, name);
        any |= (fit != 0);

        for (k = 0; k < tls->ncerts; k++) {
            if (tls->certs[k]->key_type == cert->key_type) {
                break;
            }
        }

        if (k == NGX_K8S_TLS_CERTIFICATES
            || (k < tls->ncerts && fit <= fits[k]))
        {
            continue;
        }

        tls->certs[k] = cert;
        tls->ncerts = ngx_max(tls->ncerts, k + 1);
        fits[k] = fit;
    }

    for (k = 0, n = 0; k < tls->ncerts; k++) {
        if (fits[k] || !any) {
            tls->certs[n++] = tls->certs[k];
        }
    }

    tls->ncerts = n;
}


/* the length of the longest name that fits, a star does not count; or 0 */

static size_t
ngx_k8s_tls_fits(ngx_k8s_certificate_t *cert, ngx_str_t *name)
{
    u_char         *p;
    size_t          longest;
    uint32_t        i;
    ngx_str_t       own, rest;
    ngx_k8s_str_t  *names;

    p = ngx_strlchr(name->data, name->data + name->len, '.');

    rest.data = p ? p : name->data;
    rest.len = p ? name->data + name->len - p : 0;

    longest = 0;
    names = ngx_k8s_record_at(cert, cert->names.offset);

    for (i = 0; i < cert->names.n; i++) {
        ngx_k8s_record_str(cert, &names[i], &own);

        if (own.len == name->len
            && ngx_strncasecmp(own.data, name->data, own.len) == 0)
        {
            return own.len;
        }

        if (rest.len && own.len == rest.len + 1 && own.data[0] == '*'
            && ngx_strncasecmp(own.data + 1, rest.data, rest.len) == 0)
        {
            longest = rest.len;
        }
    }

    return longest;
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
    ngx_k8s_host_t  *host;

    host = ngx_k8s_route_host(table, set, NGX_K8S_CLASS_HTTP, name, NULL);

    if (host && host->certificates.n == 0
        && !(host->flags & NGX_K8S_HOST_WILDCARD))
    {
        host = ngx_k8s_tls_above(table, set, name);
    }

    return (host && host->certificates.n) ? host : NULL;
}


ngx_uint_t
ngx_k8s_tls_wanted(ngx_k8s_table_t *table, ngx_k8s_route_t *route,
    ngx_str_t *name)
{
    ngx_str_t        own;
    ngx_k8s_host_t  *host, *named;

    named = route->named;

    if (named->flags & NGX_K8S_HOST_PATTERNS) {
        return ngx_k8s_tls_covered(table, route->host, name);
    }

    if (!(named->flags & NGX_K8S_HOST_ALIAS)
        || (named->flags & (NGX_K8S_HOST_TLS|NGX_K8S_HOST_WILDCARD)))
    {
        return (named->flags & NGX_K8S_HOST_TLS) != 0;
    }

    ngx_k8s_record_str(named, &named->name, &own);

    host = ngx_k8s_tls_above(table, named->route_set, &own);

    return host && (host->flags & NGX_K8S_HOST_WILDCARD)
           && (host->flags & NGX_K8S_HOST_TLS);
}


/* as of other aliases: a certificate of the host, or where it has none the
   default one */

static ngx_uint_t
ngx_k8s_tls_covered(ngx_k8s_table_t *table, ngx_k8s_host_t *host,
    ngx_str_t *name)
{
    uint32_t                i;
    ngx_k8s_slot_ref_t     *ref;
    ngx_k8s_certificate_t  *cert;

    if (!(host->flags & NGX_K8S_HOST_TLS)) {
        return 0;
    }

    ref = ngx_k8s_record_at(host, host->certificates.offset);

    for (i = 0; i < host->certificates.n; i++) {
        cert = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_CERTIFICATE,
                                       ref[i].slot, ref[i].generation);

        if (cert && ngx_k8s_tls_fits(cert, name)) {
            return 1;
        }
    }

    if (host->certificates.n) {
        return 0;
    }

    cert = ngx_k8s_tls_default(table);

    return cert && !(cert->flags & NGX_K8S_CERTIFICATE_GENERATED)
           && ngx_k8s_tls_fits(cert, name);
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
    in_port_t port, ngx_str_t *scope, ngx_k8s_tls_t *tls)
{
    u_char             *p, *last, host[NGX_K8S_HOST_MAX];
    u_char              buf[NGX_MAX_CONF_ERRSTR + NGX_K8S_KEY_MAX];
    ngx_str_t           name;
    ngx_k8s_record_t   *rec;

    if (sni->len == 0 || ngx_k8s_route_host_name(host, sni, &name) != NGX_OK) {
        name = *sni;
    }

    last = buf + sizeof(buf);
    p = ngx_slprintf(buf, last, "%V %d %V", &name, (int) port, scope);

    SHA256(buf, p - buf, id);

    if (tls == NULL || (tls->listener == NULL && tls->client == NULL)) {
        return;
    }

    /* a listener is its set, port and hostname, whatever its slot is */

    p = ngx_cpymem(buf, id, NGX_K8S_TLS_ID_LEN);

    ngx_memzero(p, sizeof(tls->client->tls));

    if (tls->client) {
        ngx_memcpy(p, tls->client->tls, sizeof(tls->client->tls));
    }

    p += sizeof(tls->client->tls);

    if (tls->listener) {
        rec = &tls->listener->header;
        p = ngx_cpymem(p, ngx_k8s_record_at(rec, rec->key.offset),
                       rec->key.len);
    }

    SHA256(buf, p - buf, id);
}
