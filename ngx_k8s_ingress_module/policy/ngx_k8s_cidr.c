
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_ranges.h>


static ngx_uint_t ngx_k8s_cidr_odd(ngx_str_t *text);


ngx_int_t
ngx_k8s_cidr(ngx_str_t *text, ngx_cidr_t *cidr)
{
#if (NGX_HAVE_INET6)
    in_addr_t  addr, mask;
#endif

    if (text->len > NGX_SOCKADDR_STRLEN
        || ngx_k8s_cidr_odd(text)
        || ngx_ptocidr(text, cidr) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

#if (NGX_HAVE_INET6)

    /* of a prefix that is shorter than 96 bits the address is masked */

    if (cidr->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&cidr->u.in6.addr)) {

        ngx_memcpy(&addr, cidr->u.in6.addr.s6_addr + 12, 4);
        ngx_memcpy(&mask, cidr->u.in6.mask.s6_addr + 12, 4);

        cidr->family = AF_INET;
        cidr->u.in.addr = addr;
        cidr->u.in.mask = mask;
    }

#endif

    return NGX_OK;
}


/* whether a part of IPv4 begins with a zero, or is empty */

static ngx_uint_t
ngx_k8s_cidr_odd(ngx_str_t *text)
{
    u_char      *p, *last, *part;
    ngx_uint_t   inet;

    inet = 0;
    part = text->data;
    last = text->data + text->len;

    for (p = part; /* void */ ; p++) {

        if (p < last && *p != '.' && *p != ':' && *p != '/') {
            continue;
        }

        if (p < last && *p == '.') {
            inet = 1;
        }

        if (inet && (p == part || (*part == '0' && p - part > 1))) {
            return 1;
        }

        if (p == last || *p == '/') {
            return 0;
        }

        part = p + 1;
    }
}


ngx_int_t
ngx_k8s_cidr_text(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char      *p;
    uint32_t     mask;
    ngx_cidr_t   cidr;
    ngx_uint_t   n;

    if (ngx_k8s_cidr(text, &cidr) != NGX_OK) {
        return NGX_ERROR;
    }

    if (cidr.family != AF_INET
        || ngx_strlchr(text->data, text->data + text->len, ':') == NULL)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, NGX_INET_ADDRSTRLEN + sizeof("/32") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    p += ngx_inet_ntop(AF_INET, &cidr.u.in.addr, p, NGX_INET_ADDRSTRLEN);

    mask = ntohl(cidr.u.in.mask);

    for (n = 0; mask; n++) {
        mask <<= 1;
    }

    text->len = ngx_sprintf(p, "/%ui", n) - text->data;

    return NGX_OK;
}


void
ngx_k8s_address(struct sockaddr *sockaddr, ngx_str_t *addr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;

        addr->len = 4;
        addr->data = (u_char *) &sin->sin_addr;
        return;

#if (NGX_HAVE_INET6)

    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;

        addr->len = 16;
        addr->data = sin6->sin6_addr.s6_addr;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            addr->len = 4;
            addr->data += 12;
        }

        return;

#endif

    default:
        ngx_str_null(addr);
    }
}
