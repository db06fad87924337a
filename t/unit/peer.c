
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which endpoint takes a request: round robin, tries, refusals, and endpoints
 * of a Service that goes while a request lasts.
 */


#include "unit_table.h"
#include <ngx_k8s_peer.h>


typedef struct {
    ngx_k8s_copies_t         copies[2];  /* of "late" the second */
    ngx_k8s_choice_key_t     key;
    ngx_k8s_table_t         *table;
    ngx_k8s_writer_t        *w;
    ngx_k8s_builder_t        b;
    ngx_k8s_cursors_t        cursors;
} peer_t;


static uint32_t
peer_service(peer_t *t, char *name, ngx_uint_t n, uint32_t seed)
{
    uint32_t  slot;

    slot = unit_service(t->w, &t->b, name, n, seed, NGX_K8S_WRITE_OBJECT);
    ngx_k8s_writer_publish(t->w);

    return slot;
}


/* begins a request for a Service */

static void
peer_begin_as(peer_t *t, ngx_k8s_choice_t *choice, uint32_t slot,
    ngx_k8s_copies_t *copies)
{
    ngx_k8s_copies_take(copies, ngx_k8s_slot_record(t->table,
                                                    NGX_K8S_INDEX_SERVICE,
                                                    slot));
    ngx_memzero(&t->key, sizeof(ngx_k8s_choice_key_t));
    ngx_k8s_choice_init(choice, slot, ngx_k8s_slot(t->table, slot)->generation,
                        copies, &t->key);
}


static void
peer_begin(peer_t *t, ngx_k8s_choice_t *choice, uint32_t slot)
{
    peer_begin_as(t, choice, slot, &t->copies[0]);
}


static ngx_int_t
peer_choose(peer_t *t, ngx_k8s_choice_t *choice, ngx_k8s_peer_t *peer)
{
    return ngx_k8s_choose(choice, t->table, &t->cursors, peer);
}


static void
peer_turns(peer_t *t)
{
    uint32_t          slot;
    ngx_uint_t        i, n;
    ngx_k8s_peer_t    peer, one[3];
    ngx_k8s_choice_t  choice;

    slot = peer_service(t, "turns", 3, 1);
    n = 0;

    for (i = 0; i < 9; i++) {
        peer_begin(t, &choice, slot);
        n += (peer_choose(t, &choice, &peer) == NGX_OK);

        if (i < 3) {
            one[i] = peer;

        } else {
            n += ngx_k8s_peer_eq(&peer, &one[i % 3]);
        }
    }

    ok(n == 15, "in turn");
    ok(one[0].stat != one[1].stat && one[1].stat != one[2].stat
       && one[2].stat != one[0].stat, "all of them");
    ok(peer.port == 8080 && peer.family == 4 && peer.service == slot
       && peer.identity == ngx_k8s_stat(t->table, peer.stat)->identity,
       "an endpoint");

    peer_begin(t, &choice, slot);

    for (i = 0; i < 3; i++) {
        ok(i == 0 || ngx_k8s_choice_untried(&choice), "%d tried", (int) i);
        peer_choose(t, &choice, &one[i]);
    }

    ok(one[0].stat != one[1].stat && one[1].stat != one[2].stat
       && one[2].stat != one[0].stat, "each try another one");
    ok(!ngx_k8s_choice_untried(&choice), "all tried");
    ok(peer_choose(t, &choice, &peer) == NGX_OK, "then one of them again");

    slot = peer_service(t, "none", 0, 2);
    peer_begin(t, &choice, slot);
    ok(peer_choose(t, &choice, &peer) == NGX_BUSY, "no endpoints");
    ok(ngx_k8s_choose(&choice, NULL, &t->cursors, &peer) == NGX_BUSY,
       "no table");
}


static void
peer_refused(peer_t *t)
{
    uint32_t          slot, stat;
    ngx_uint_t        i, n;
    ngx_k8s_peer_t    peer;
    ngx_k8s_stat_t   *s;
    ngx_k8s_choice_t  choice;

    slot = peer_service(t, "refused", 2, 3);

    peer_begin(t, &choice, slot);
    peer_choose(t, &choice, &peer);
    ngx_k8s_peer_note(t->table, &peer, 1, 1);

    stat = peer.stat;
    s = ngx_k8s_stat(t->table, stat);
    ok(s->requests == 1 && s->failures == 1 && s->refused, "noted");

    n = 0;

    for (i = 0; i < 8; i++) {
        peer_begin(t, &choice, slot);
        peer_choose(t, &choice, &peer);
        n += (peer.stat == stat);
    }

    ok(n == 0, "left alone");

    peer_choose(t, &choice, &peer);
    ok(peer.stat == stat, "asked when the other one failed");

    ngx_current_msec += 2001;
    n = 0;

    for (i = 0; i < 8; i++) {
        peer_begin(t, &choice, slot);
        peer_choose(t, &choice, &peer);
        n += (peer.stat == stat);
    }

    ok(n == 4, "for two seconds");

    n = s->requests;
    peer.stat = stat;
    peer.identity = 77;
    ngx_k8s_peer_note(t->table, &peer, 1, 1);
    ok(s->requests == n, "a number that went to another endpoint");
}


static void
peer_gone(peer_t *t)
{
    uint32_t          slot;
    ngx_k8s_peer_t    peer;
    ngx_k8s_choice_t  choice, late;

    slot = peer_service(t, "gone", 2, 4);

    peer_begin(t, &choice, slot);
    peer_choose(t, &choice, &peer);

    ok(!ngx_k8s_choice_left(&choice, t->table, &peer), "there");
    ok(ngx_k8s_peer_usable(t->table, &peer) == NGX_OK, "usable");

    ok(peer_service(t, "gone", 2, 5) == slot, "all pods are replaced");
    ok(ngx_k8s_choice_left(&choice, t->table, &peer), "endpoint was removed");
    ok(ngx_k8s_peer_usable(t->table, &peer) == NGX_DECLINED, "not usable");

    peer_begin(t, &choice, slot);
    peer_choose(t, &choice, &peer);
    peer_begin_as(t, &late, slot, &t->copies[1]);

    ngx_k8s_writer_remove(t->w, slot);
    ngx_k8s_writer_publish(t->w);

    ok(!ngx_k8s_choice_left(&choice, t->table, &peer), "the Service went");
    ok(peer_choose(t, &choice, &peer) == NGX_OK && peer.identity == 0
       && choice.version == 0, "a copy, without statistics");
    ok(peer_choose(t, &late, &peer) == NGX_OK && peer.identity == 0,
       "the same where it went before the first try");

    ngx_current_msec += 10000;

    ok(ngx_k8s_choice_left(&choice, t->table, &peer), "the copy is too old");
    ok(peer_choose(t, &choice, &peer) == NGX_BUSY, "and not chosen");
}


static ngx_uint_t
peer_is(u_char *addr, ngx_uint_t family, in_port_t port, char *text)
{
    u_char             plain[NGX_SOCKADDR_STRLEN];
    size_t             len;
    ngx_str_t          s;
    ngx_k8s_peer_t     peer;
    ngx_k8s_address_t  made, a;

    ngx_memzero(&peer, sizeof(ngx_k8s_peer_t));
    ngx_memcpy(peer.addr, addr, family == 4 ? 4 : 16);
    peer.family = family;
    peer.port = port;

    ngx_k8s_peer_address(&peer, &made);
    ngx_k8s_address_copy(&a, &made);
    ngx_memzero(&made, sizeof(ngx_k8s_address_t));

    len = ngx_sock_ntop(&a.sockaddr.sockaddr, a.socklen, plain,
                        NGX_SOCKADDR_STRLEN, 1);
    s = unit_str(text);

    return a.name.len == s.len
           && ngx_memcmp(a.name.data, s.data, s.len) == 0
           && len == s.len && ngx_memcmp(plain, s.data, s.len) == 0;
}


static void
peer_address(void)
{
    ok(peer_is((u_char *) "\x01\x0a\x64\xff", 4, 1, "1.10.100.255:1"),
       "IPv4");
    ok(peer_is((u_char *) "\x00\x09\x63\xc8", 4, 10, "0.9.99.200:10"),
       "IPv4, other digits");
    ok(peer_is((u_char *) "\x7f\x00\x00\x01", 4, 65535,
               "127.0.0.1:65535"),
       "largest port");
    ok(peer_is((u_char *) "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
               6, 8080, "[2001:db8::1]:8080"),
       "IPv6");
}


int
main(void)
{
    peer_t  t;

    unit_init();

    ngx_memzero(&t, sizeof(peer_t));
    ngx_current_msec = 100000;

    t.table = unit_table(4 * 1024 * 1024);
    t.w = ngx_k8s_writer_open(t.table, -1, &unit_log);

    if (t.w == NULL || ngx_k8s_builder_init(&t.b, &unit_log) != NGX_OK) {
        printf("Bail out! no writer\n");
        return 1;
    }

    peer_turns(&t);
    peer_refused(&t);
    peer_gone(&t);
    peer_address();

    ngx_k8s_cursors_free(&t.cursors);
    ngx_k8s_builder_done(&t.b);
    ngx_k8s_writer_close(t.w);

    return done();
}
