
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Where this nginx listens: an endpoint with one of these addresses would send
 * requests round in a circle, or to what nginx serves to its own host; and what
 * asks for a port can be told whether there is one.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_watcher.h>

#include <ifaddrs.h>


static ngx_int_t ngx_k8s_listens_http(ngx_array_t *listens,
    ngx_listening_t *ls, struct ifaddrs *interfaces);
static ngx_int_t ngx_k8s_listens_expand(ngx_array_t *listens,
    ngx_k8s_listen_t *listen, struct ifaddrs *interfaces);
static ngx_int_t ngx_k8s_listens_push(ngx_array_t *listens,
    ngx_k8s_listen_t *listen);


ngx_int_t
ngx_k8s_listen_init(ngx_k8s_listen_t *listen, struct sockaddr *sockaddr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    ngx_memzero(listen, sizeof(ngx_k8s_listen_t));

    switch (sockaddr->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;
        listen->family = 6;
        ngx_memcpy(listen->addr, &sin6->sin6_addr, 16);
        break;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;
        listen->family = 4;
        ngx_memcpy(listen->addr, &sin->sin_addr, 4);
        break;

    default:
        return NGX_DECLINED;
    }

    listen->port = ngx_inet_get_port(sockaddr);
    listen->any = ngx_inet_wildcard(sockaddr);

    return NGX_OK;
}


ngx_array_t *
ngx_k8s_listens(ngx_k8s_block_t *block, ngx_cycle_t *cycle, ngx_pool_t *pool)
{
    ngx_int_t          rc;
    ngx_uint_t         i;
    ngx_array_t       *listens;
    ngx_listening_t   *ls;
    struct ifaddrs    *interfaces;
    ngx_k8s_listen_t  *ours, listen;

    listens = ngx_array_create(pool, 8, sizeof(ngx_k8s_listen_t));
    if (listens == NULL) {
        return NULL;
    }

    if (getifaddrs(&interfaces) == -1) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                      "getifaddrs() failed");
        interfaces = NULL;
    }

    rc = NGX_OK;
    ours = block->listens.elts;

    for (i = 0; rc == NGX_OK && i < block->listens.nelts; i++) {
        rc = ngx_k8s_listens_expand(listens, &ours[i], interfaces);
    }

    ls = cycle->listening.elts;

    for (i = 0; rc == NGX_OK && i < cycle->listening.nelts; i++) {

        if (ls[i].handler == ngx_http_init_connection) {
            rc = ngx_k8s_listens_http(listens, &ls[i], interfaces);
            continue;
        }

        if (ngx_k8s_listen_init(&listen, ls[i].sockaddr) == NGX_OK) {
            listen.udp = (ls[i].type == SOCK_DGRAM);
#if (NGX_HAVE_INET6)
            listen.mapped = (listen.family == 6 && !ls[i].ipv6only);
#endif
            rc = ngx_k8s_listens_expand(listens, &listen, interfaces);
        }
    }

    if (interfaces) {
        freeifaddrs(interfaces);
    }

    return (rc == NGX_OK) ? listens : NULL;
}


/* a socket of the http block takes several addresses where one is a wildcard */

static ngx_int_t
ngx_k8s_listens_http(ngx_array_t *listens, ngx_listening_t *ls,
    struct ifaddrs *interfaces)
{
    ngx_uint_t            i;
    ngx_http_port_t      *port;
    ngx_k8s_listen_t      listen;
    ngx_http_in_addr_t   *addr;
#if (NGX_HAVE_INET6)
    ngx_http_in6_addr_t  *addr6;
#endif

    port = ls->servers;

    for (i = 0; i < port->naddrs; i++) {

        if (ngx_k8s_listen_init(&listen, ls->sockaddr) != NGX_OK) {
            return NGX_OK;
        }

        listen.http = 1;
        listen.udp = (ls->type == SOCK_DGRAM);

#if (NGX_HAVE_INET6)

        if (listen.family == 6) {
            addr6 = port->addrs;
            ngx_memcpy(listen.addr, &addr6[i].addr6, 16);
            listen.any = IN6_IS_ADDR_UNSPECIFIED(&addr6[i].addr6);
            listen.mapped = !ls->ipv6only;
            listen.ssl = addr6[i].conf.ssl;

        } else

#endif
        {
            addr = port->addrs;
            ngx_memcpy(listen.addr, &addr[i].addr, 4);
            listen.any = (addr[i].addr == INADDR_ANY);
            listen.ssl = addr[i].conf.ssl;
        }

        if (ngx_k8s_listens_expand(listens, &listen, interfaces) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_listens_expand(ngx_array_t *listens, ngx_k8s_listen_t *listen,
    struct ifaddrs *interfaces)
{
    struct ifaddrs    *ifa;
    ngx_k8s_listen_t   one, address;

    if (ngx_k8s_listens_push(listens, listen) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!listen->any) {
        return NGX_OK;
    }

    for (ifa = interfaces; ifa; ifa = ifa->ifa_next) {

        if (ifa->ifa_addr == NULL
            || ngx_k8s_listen_init(&address, ifa->ifa_addr) != NGX_OK
            || (address.family != listen->family && !listen->mapped))
        {
            continue;
        }

        one = *listen;
        one.any = 0;
        one.mapped = 0;
        one.family = address.family;
        ngx_memcpy(one.addr, address.addr, 16);

        if (ngx_k8s_listens_push(listens, &one) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_listens_push(ngx_array_t *listens, ngx_k8s_listen_t *listen)
{
    ngx_uint_t         i;
    ngx_k8s_listen_t  *l;

    l = listens->elts;

    for (i = 0; i < listens->nelts; i++) {

        if (l[i].port == listen->port
            && l[i].family == listen->family
            && l[i].udp == listen->udp
            && ngx_memcmp(l[i].addr, listen->addr, 16) == 0)
        {
            l[i].mapped |= listen->mapped;
            l[i].http |= listen->http;
            l[i].ssl |= listen->ssl;
            l[i].ours |= listen->ours;

            return NGX_OK;
        }
    }

    l = ngx_array_push(listens);
    if (l == NULL) {
        return NGX_ERROR;
    }

    *l = *listen;

    return NGX_OK;
}
