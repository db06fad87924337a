
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_ranges.h>


static ngx_int_t ngx_k8s_range_add(ngx_k8s_ranges_t *ranges,
    ngx_cidr_t *cidr);
static void ngx_k8s_ranges_merge(ngx_array_t *a, size_t len);
static int ngx_libc_cdecl ngx_k8s_range_cmp(const void *one,
    const void *two);
static ngx_uint_t ngx_k8s_ranges_find(ngx_array_t *a, u_char *addr,
    size_t len);


static u_char  ngx_k8s_zero[16];


ngx_k8s_ranges_t *
ngx_k8s_ranges(ngx_pool_t *pool, ngx_str_t *list)
{
    ngx_str_t          rest, item;
    ngx_cidr_t         cidr;
    ngx_k8s_ranges_t  *ranges;

    ranges = ngx_palloc(pool, sizeof(ngx_k8s_ranges_t));

    if (ranges == NULL
        || ngx_array_init(&ranges->inet, pool, 4, sizeof(ngx_k8s_range_t))
           != NGX_OK
        || ngx_array_init(&ranges->inet6, pool, 1, sizeof(ngx_k8s_range_t))
           != NGX_OK)
    {
        return NULL;
    }

    rest = *list;

    while (ngx_k8s_item(&rest, &item) == NGX_OK) {

        if (ngx_k8s_cidr(&item, &cidr) != NGX_OK) {
            continue;
        }

        if (ngx_k8s_range_add(ranges, &cidr) != NGX_OK) {
            return NULL;
        }
    }

    ngx_k8s_ranges_merge(&ranges->inet, 4);
    ngx_k8s_ranges_merge(&ranges->inet6, 16);

    return ranges;
}


static ngx_int_t
ngx_k8s_range_add(ngx_k8s_ranges_t *ranges, ngx_cidr_t *cidr)
{
    u_char           *addr, *mask;
    size_t            i, len;
    ngx_k8s_range_t  *range;

    if (cidr->family == AF_INET6) {
        addr = cidr->u.in6.addr.s6_addr;
        mask = cidr->u.in6.mask.s6_addr;
        len = 16;

    } else {
        addr = (u_char *) &cidr->u.in.addr;
        mask = (u_char *) &cidr->u.in.mask;
        len = 4;
    }

    range = ngx_array_push(len == 16 ? &ranges->inet6 : &ranges->inet);
    if (range == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(range, sizeof(ngx_k8s_range_t));

    for (i = 0; i < len; i++) {
        range->first[i] = addr[i] & mask[i];
        range->last[i] = addr[i] | (u_char) ~mask[i];
    }

    return NGX_OK;
}


/* ranges of CIDR notation are apart, or one is in the other */

static void
ngx_k8s_ranges_merge(ngx_array_t *a, size_t len)
{
    ngx_uint_t        i, n;
    ngx_k8s_range_t  *range;

    if (a->nelts == 0) {
        return;
    }

    range = a->elts;

    ngx_qsort(range, a->nelts, sizeof(ngx_k8s_range_t), ngx_k8s_range_cmp);

    for (i = 1, n = 1; i < a->nelts; i++) {
        if (ngx_memcmp(range[i].first, range[n - 1].last, len) > 0) {
            range[n++] = range[i];
        }
    }

    a->nelts = n;
}


/* of two that begin alike, the larger one is first */

static int ngx_libc_cdecl
ngx_k8s_range_cmp(const void *one, const void *two)
{
    int  rc;

    const ngx_k8s_range_t  *a = one;
    const ngx_k8s_range_t  *b = two;

    rc = ngx_memcmp(a->first, b->first, 16);

    return rc ? rc : ngx_memcmp(b->last, a->last, 16);
}


ngx_uint_t
ngx_k8s_ranges_have(ngx_k8s_ranges_t *ranges, struct sockaddr *sockaddr)
{
    ngx_str_t  addr;

    ngx_k8s_address(sockaddr, &addr);

    switch (addr.len) {

    case 4:
        return ngx_k8s_ranges_find(&ranges->inet, addr.data, 4);

    case 16:
        return ngx_k8s_ranges_find(&ranges->inet6, addr.data, 16);

    default:
        return 0;
    }
}


static ngx_uint_t
ngx_k8s_ranges_find(ngx_array_t *a, u_char *addr, size_t len)
{
    ngx_uint_t        begin, end, n;
    ngx_k8s_range_t  *range;

    range = a->elts;
    begin = 0;
    end = a->nelts;

    /* the last one that does not begin behind the address */

    while (begin < end) {
        n = (begin + end) / 2;

        if (ngx_memcmp(range[n].first, addr, len) > 0) {
            end = n;

        } else {
            begin = n + 1;
        }
    }

    return begin && ngx_memcmp(addr, range[begin - 1].last, len) <= 0;
}


ngx_uint_t
ngx_k8s_address_refused(u_char *a, ngx_uint_t family, ngx_uint_t loopback)
{
    if (family == 6) {

        if (a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)) {
            return 1;
        }

        if (ngx_memcmp(a, ngx_k8s_zero, 15) == 0) {
            return a[15] == 0 || (a[15] == 1 && !loopback);
        }

        a = ngx_k8s_address_inner(a);

        if (a == NULL) {
            return 0;
        }
    }

    if (a[0] == 127) {
        return !loopback;
    }

    return a[0] == 0
           || a[0] >= 0xf0
           || (a[0] & 0xf0) == 0xe0
           || (a[0] == 169 && a[1] == 254);
}


u_char *
ngx_k8s_address_inner(u_char *a)
{
    if ((ngx_memcmp(a, ngx_k8s_zero, 10) == 0
         && ((a[10] == 0xff && a[11] == 0xff) || (a[10] == 0 && a[11] == 0)))
        || (a[0] == 0 && a[1] == 0x64 && a[2] == 0xff && a[3] == 0x9b
            && ngx_memcmp(a + 4, ngx_k8s_zero, 8) == 0))
    {
        return a + 12;
    }

    return NULL;
}
