
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Sets of addresses, against the comparison of an address with each range. */


#include "unit.h"
#include <ngx_k8s_ranges.h>


#define RANGES_ROUNDS                200
#define RANGES_LOOKUPS               500


/* few different bits, so that ranges meet */

static void
ranges_random(struct sockaddr_in *sin, struct sockaddr_in6 *sin6)
{
    ngx_uint_t  i;

    ngx_memzero(sin, sizeof(struct sockaddr_in));
    ngx_memzero(sin6, sizeof(struct sockaddr_in6));

    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(((ngx_uint_t) random() & 0x30000)
                                 | ((ngx_uint_t) random() & 0x3f));

    sin6->sin6_family = AF_INET6;

    for (i = 0; i < 16; i++) {
        sin6->sin6_addr.s6_addr[i] = (i == 7 || i == 15) ? random() & 0x83 : 0;
    }

    sin6->sin6_addr.s6_addr[0] = 0x20;
}


static void
ranges_agree(ngx_pool_t *pool)
{
    u_char               buf[4096], text[NGX_SOCKADDR_STRLEN], *p;
    ngx_str_t            list;
    ngx_uint_t           i, n, k, wrong, in, bits;
    ngx_cidr_t           cidrs[64];
    struct sockaddr     *sa;
    ngx_k8s_ranges_t    *ranges;
    struct sockaddr_in   sin;
    struct sockaddr_in6  sin6;

    wrong = 0;
    in = 0;

    for (i = 0; i < RANGES_ROUNDS; i++) {

        n = random() % 64;
        p = buf;

        for (k = 0; k < n; k++) {
            ngx_str_t  item;

            ranges_random(&sin, &sin6);

            sa = (k % 2) ? (struct sockaddr *) &sin
                         : (struct sockaddr *) &sin6;
            bits = (k % 2) ? random() % 33 : random() % 129;
            bits = (bits < 8) ? bits + 24 : bits;

            item.data = p;
            item.len = ngx_sock_ntop(sa, (k % 2) ? sizeof(sin) : sizeof(sin6),
                                     text, sizeof(text), 0);
            p = ngx_sprintf(p, "%*s/%ui", item.len, text, bits);
            item.len = p - item.data;

            if (ngx_ptocidr(&item, &cidrs[k]) == NGX_ERROR) {
                wrong++;
            }

            p = ngx_sprintf(p, "%s", (k + 1 < n) ? ", " : "");
        }

        list.data = buf;
        list.len = p - buf;

        ranges = ngx_k8s_ranges(pool, &list);

        for (k = 0; k < RANGES_LOOKUPS; k++) {
            ngx_uint_t   have;
            ngx_array_t  all;

            ranges_random(&sin, &sin6);
            sa = (k % 2) ? (struct sockaddr *) &sin
                         : (struct sockaddr *) &sin6;

            all.elts = cidrs;
            all.nelts = n;

            have = (n && ngx_cidr_match(sa, &all) == NGX_OK);
            in += have;
            wrong += (have != ngx_k8s_ranges_have(ranges, sa));
        }
    }

    ok(wrong == 0, "%d of them are wrong", (int) wrong);
    ok(in > RANGES_ROUNDS && in < RANGES_ROUNDS * RANGES_LOOKUPS,
       "%d addresses were in a set", (int) in);
}


static void
ranges_odd(ngx_pool_t *pool)
{
    ngx_str_t            list;
    struct sockaddr      unix_;
    ngx_k8s_ranges_t    *ranges;
    struct sockaddr_in   sin;
    struct sockaddr_in6  sin6;

    ngx_str_set(&list, "10.0.0.0/8,10.1.0.0/16,10.0.0.0/9,nonsense,,::1");
    ranges = ngx_k8s_ranges(pool, &list);

    ok(ranges->inet.nelts == 1 && ranges->inet6.nelts == 1,
       "what lies in another one is one, and what is none is left out");

    ngx_memzero(&sin6, sizeof(struct sockaddr_in6));
    sin6.sin6_family = AF_INET6;
    sin6.sin6_addr.s6_addr[10] = 0xff;
    sin6.sin6_addr.s6_addr[11] = 0xff;
    sin6.sin6_addr.s6_addr[12] = 10;
    ok(ngx_k8s_ranges_have(ranges, (struct sockaddr *) &sin6) == 1,
       "IPv4 in IPv6 is IPv4");

    ngx_memzero(&unix_, sizeof(struct sockaddr));
    unix_.sa_family = AF_UNIX;
    ok(ngx_k8s_ranges_have(ranges, &unix_) == 0, "a socket's path is in none");

    ngx_str_set(&list, "");
    ranges = ngx_k8s_ranges(pool, &list);
    ngx_memzero(&sin, sizeof(struct sockaddr_in));
    sin.sin_family = AF_INET;
    ok(ngx_k8s_ranges_have(ranges, (struct sockaddr *) &sin) == 0,
       "nothing is in an empty set");

    ngx_str_set(&list, "0.0.0.0/0");
    ranges = ngx_k8s_ranges(pool, &list);
    ok(ngx_k8s_ranges_have(ranges, (struct sockaddr *) &sin) == 1,
       "the first address is in the set of all");
    sin.sin_addr.s_addr = 0xffffffff;
    ok(ngx_k8s_ranges_have(ranges, (struct sockaddr *) &sin) == 1,
       "and so is the last one");
}


/* IPv4 in IPv6: as Go reads items, and nginx and Go see clients */

static void
ranges_mapped(ngx_pool_t *pool)
{
    ngx_str_t          list;
    ngx_addr_t         addr;
    ngx_uint_t         i;
    ngx_k8s_ranges_t  *ranges;

    static struct {
        char          *list;
        char          *addr;
        ngx_uint_t     in;
    } cases[] = {
        { "::ffff:66.1.1.1", "66.1.1.1", 1 },
        { "::ffff:66.1.1.1", "::ffff:66.1.1.1", 1 },
        { "::ffff:66.1.1.1", "66.1.1.2", 0 },
        { "::ffff:4201:101/128", "66.1.1.1", 1 },
        { "::FFFF:66.1.1.1/120", "66.1.1.255", 1 },
        { "::ffff:66.1.1.1/120", "66.1.2.0", 0 },
        { "::ffff:0:0/96", "66.1.1.1", 1 },
        { "::ffff:0:0/96", "::1", 0 },
        { "::ffff:0:0/96", "::1.2.3.4", 0 },
        { "::ffff:0:0/95", "66.1.1.1", 0 },
        { "::ffff:0:0/95", "::fffe:0:1", 1 },
        { "::/0", "::ffff:66.1.1.1", 0 },
        { "::/0", "66.1.1.1", 0 },
        { "::/0", "::1", 1 },
        { "0.0.0.0/0", "::ffff:66.1.1.1", 1 },
        { "010.0.0.0/8", "10.0.0.1", 0 },
        { "10.00.0.0/8", "10.0.0.1", 0 },
        { "10..0.0/8", "10.0.0.1", 0 },
        { "::ffff:010.0.0.1", "10.0.0.1", 0 },
        { "2001:0db8::0/32", "2001:db8::1", 1 },
        { "0.0.0.0", "0.0.0.0", 1 },
        { NULL, NULL, 0 }
    };

    for (i = 0; cases[i].list; i++) {
        list.data = (u_char *) cases[i].list;
        list.len = ngx_strlen(cases[i].list);

        ranges = ngx_k8s_ranges(pool, &list);

        ok(ngx_parse_addr(pool, &addr, (u_char *) cases[i].addr,
                          ngx_strlen(cases[i].addr)) == NGX_OK
           && ngx_k8s_ranges_have(ranges, addr.sockaddr) == cases[i].in,
           "%s %s %s", cases[i].addr, cases[i].in ? "is in" : "is not in",
           cases[i].list);
    }
}


int
main(int argc, char **argv)
{
    ngx_pool_t  *pool;

    unit_init();

    srandom(7);

    pool = ngx_create_pool(16384, &unit_log);

    ranges_agree(pool);
    ranges_odd(pool);
    ranges_mapped(pool);

    ngx_destroy_pool(pool);

    return done();
}
