
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The addresses on which this nginx itself listens: an endpoint with one of
 * them would send requests round in a circle, or to what nginx serves to its
 * own host.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_watcher.h>

#include <ifaddrs.h>


static ngx_int_t ngx_k8s_own_listening(ngx_array_t *own, ngx_listening_t *ls,
    struct ifaddrs *interfaces);
static ngx_int_t ngx_k8s_own_add(ngx_array_t *own, struct sockaddr *sockaddr,
    in_port_t port);


ngx_array_t *
ngx_k8s_own_addresses(ngx_cycle_t *cycle, ngx_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_array_t      *own;
    ngx_listening_t  *ls;
    struct ifaddrs   *interfaces;

    own = ngx_array_create(pool, 8, sizeof(ngx_k8s_own_t));
    if (own == NULL) {
        return NULL;
    }

    if (getifaddrs(&interfaces) == -1) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                      "getifaddrs() failed");
        interfaces = NULL;
    }

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].type == SOCK_STREAM
            && ngx_k8s_own_listening(own, &ls[i], interfaces) != NGX_OK)
        {
            own = NULL;
            break;
        }
    }

    if (interfaces) {
        freeifaddrs(interfaces);
    }

    return own;
}


static ngx_int_t
ngx_k8s_own_listening(ngx_array_t *own, ngx_listening_t *ls,
    struct ifaddrs *interfaces)
{
    in_port_t         port;
    ngx_uint_t        family, mapped;
    struct ifaddrs   *ifa;
    struct sockaddr  *sockaddr;

    sockaddr = ls->sockaddr;
    mapped = 0;

#if (NGX_HAVE_INET6)
    mapped = (sockaddr->sa_family == AF_INET6 && !ls->ipv6only);
#endif

    if (sockaddr->sa_family != AF_INET && sockaddr->sa_family != AF_INET6) {
        return NGX_OK;
    }

    port = ngx_inet_get_port(sockaddr);

    if (!ngx_inet_wildcard(sockaddr)) {
        return ngx_k8s_own_add(own, sockaddr, port);
    }

    for (ifa = interfaces; ifa; ifa = ifa->ifa_next) {

        if (ifa->ifa_addr == NULL) {
            continue;
        }

        family = ifa->ifa_addr->sa_family;

        if ((family == sockaddr->sa_family || (family == AF_INET && mapped))
            && ngx_k8s_own_add(own, ifa->ifa_addr, port) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_own_add(ngx_array_t *own, struct sockaddr *sockaddr, in_port_t port)
{
    ngx_k8s_own_t        *o;
    struct sockaddr_in   *sin;
    struct sockaddr_in6  *sin6;

    o = ngx_array_push(own);
    if (o == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(o, sizeof(ngx_k8s_own_t));

    o->port = port;

    if (sockaddr->sa_family == AF_INET6) {
        sin6 = (struct sockaddr_in6 *) sockaddr;
        o->family = 6;
        ngx_memcpy(o->addr, &sin6->sin6_addr, 16);

    } else {
        sin = (struct sockaddr_in *) sockaddr;
        o->family = 4;
        ngx_memcpy(o->addr, &sin->sin_addr, 4);
    }

    return NGX_OK;
}
