
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Limits of clients: against a model, full sets, and processes that die. */


#include "unit.h"
#include <ngx_k8s_limits.h>


static ngx_k8s_limits_t *
limits_new(size_t size)
{
    u_char    *p;
    uint64_t   seed[2] = { 1, 2 };

    p = calloc(1, size);

    return ngx_k8s_limits_init(p, size, seed);
}


static ngx_atomic_uint_t
limits_key(ngx_k8s_limits_t *l, char *one, char *two)
{
    ngx_str_t  texts[2];

    texts[0].data = (u_char *) one;
    texts[0].len = strlen(one);
    texts[1].data = (u_char *) two;
    texts[1].len = strlen(two);

    return ngx_k8s_limits_key(l, texts, 2);
}


static void
keys(void)
{
    ngx_k8s_limits_t  *l;

    l = limits_new(NGX_K8S_LIMITS_MIN);

    ok(limits_key(l, "a", "b") == limits_key(l, "a", "b"), "the same key");
    ok(limits_key(l, "a", "b") != limits_key(l, "ab", ""), "texts are apart");
    ok(limits_key(l, "", "ab") != limits_key(l, "a", "b"), "likewise");
    ok(limits_key(l, "", "ab") != limits_key(l, "ab", ""), "empty ones count");
    ok(limits_key(l, "abcdefg", "h") != limits_key(l, "abcdefgh", ""),
       "at the end of a word");
    ok(l->nrates > 1400, "%d sets of rates", (int) l->nrates);
    ok(l->nholds > 400, "%d sets of what is held", (int) l->nholds);

    free(l);
}


/* as nginx counts: what is ahead of its time, in requests */

static void
model(void)
{
    double             excess, want;
    uint64_t           now, last, interval, burst;
    ngx_int_t          rc;
    ngx_uint_t         i, rate, wrong, n;
    ngx_atomic_uint_t  key;
    ngx_k8s_limits_t  *l;

    l = limits_new(NGX_K8S_LIMITS_MIN);
    key = limits_key(l, "model", "client");

    for (rate = 1; rate <= 1000; rate *= 10) {

        interval = 1000000 / rate;
        burst = interval * 5 * rate;
        now = 1000000000000ULL * rate;
        last = 0;
        excess = 0;
        wrong = 0;
        n = 0;

        for (i = 0; i < 20000; i++) {

            now += random() % (2 * interval);

            want = last ? excess - (double) (now - last) / interval : 0;
            want = want < 0 ? 0 : want;

            rc = ngx_k8s_limits_peek(l, key, now, burst);
            wrong += (rc != ngx_k8s_limits_take(l, key, now, interval, burst));

            if (rc == NGX_OK) {
                wrong += (want > 5 * rate + 1e-6);
                excess = want + 1;
                last = now;
                n++;

            } else {
                wrong += (want < 5 * rate - 1e-6);
            }
        }

        ok(wrong == 0 && n > 0, "%d a second: %d wrong", (int) rate,
           (int) wrong);
    }

    free(l);
}


static void
exact(void)
{
    uint64_t           now;
    ngx_uint_t         i, n;
    ngx_atomic_uint_t  key;
    ngx_k8s_limits_t  *l;

    l = limits_new(NGX_K8S_LIMITS_MIN);
    key = limits_key(l, "exact", "client");
    now = 5000000;
    n = 0;

    for (i = 0; i < 20; i++) {
        n += (ngx_k8s_limits_take(l, key, now, 500000, 5000000) == NGX_OK);
    }

    ok(n == 11, "a burst of ten and one: %d", (int) n);
    ok(ngx_k8s_limits_take(l, key, now + 499999, 500000, 5000000) == NGX_BUSY,
       "not before its time");
    ok(ngx_k8s_limits_take(l, key, now + 500000, 500000, 5000000) == NGX_OK,
       "another one at its time");
    ok(ngx_k8s_limits_take(l, key, now + 500000, 500000, 5000000) == NGX_BUSY,
       "but one");

    free(l);
}


/* more clients than there is room for: those with most to pay stay */

static void
full(void)
{
    char               text[16];
    ngx_uint_t         i, busy;
    ngx_atomic_uint_t  key;
    ngx_k8s_limits_t  *l;

    l = limits_new(NGX_K8S_LIMITS_MIN);
    key = limits_key(l, "flood", "of many");

    for (i = 0; i < 5; i++) {
        (void) ngx_k8s_limits_take(l, key, 1000000, 60000000, 240000000);
    }

    busy = 0;

    for (i = 0; i < 500000; i++) {
        sprintf(text, "%d", (int) i);
        busy += (ngx_k8s_limits_take(l, limits_key(l, "flood", text), 1000000,
                                     1000000, 0)
                 != NGX_OK);
    }

    ok(busy == 0, "of 500,000 new clients none is refused: %d", (int) busy);
    ok(ngx_k8s_limits_take(l, key, 1000000, 60000000, 240000000) == NGX_BUSY,
       "one who is over its limit is not let through by a flood");

    /* those of a limit by hours do not keep others out for hours */

    for (i = 0; i < 100000; i++) {
        sprintf(text, "h%d", (int) i);
        (void) ngx_k8s_limits_take(l, limits_key(l, "hours", text), 1000000,
                                   3600000000ULL, 3600000000ULL);
    }

    key = limits_key(l, "late", "comer");
    (void) ngx_k8s_limits_take(l, key, 1000000, 30000000, 0);
    ok(ngx_k8s_limits_take(l, key, 1000000, 30000000, 0) == NGX_BUSY,
       "another one is counted among them");

    free(l);
}


/* of those that are held for long, as what may be used once, the first to end
   makes room, wherever it stands */

static void
longest(void)
{
    char               name[16];
    uint64_t           time;
    ngx_str_t          text, texts[9];
    ngx_uint_t         i, n, set;
    ngx_atomic_uint_t  key;
    ngx_k8s_limits_t  *l;

    l = limits_new(NGX_K8S_LIMITS_MIN);
    text.data = (u_char *) name;
    n = 0;
    set = 0;

    for (i = 0; n < 9; i++) {

        text.len = sprintf(name, "once%d", (int) i);
        key = ngx_k8s_limits_kind(ngx_k8s_limits_key(l, &text, 1),
                                  NGX_K8S_LIMIT_CONNECTIONS);

        if (n == 0) {
            set = ngx_k8s_limits_first(key, l->nrates);
        }

        if (ngx_k8s_limits_first(key, l->nrates) == set) {
            texts[n].len = text.len;
            texts[n].data = (u_char *) strdup(name);
            n++;
        }
    }

    for (i = 0; i < 8; i++) {
        time = (i == 5) ? 200000000 : 400000000 - i * 1000000;
        (void) ngx_k8s_limits_once(l, &texts[i], 1, 1000000, time);
    }

    ok(ngx_k8s_limits_once(l, &texts[8], 1, 1000000, 300000000) == NGX_OK,
       "one more than there is room for");

    for (i = 0, n = 0; i < 9; i++) {
        if (i != 5) {
            n += (ngx_k8s_limits_once(l, &texts[i], 1, 1000001, 1) == NGX_BUSY);
        }
    }

    ok(n == 8, "takes the place of the one that ends first: %d", (int) n);

    for (i = 0; i < 9; i++) {
        free(texts[i].data);
    }

    free(l);
}


static ngx_pid_t  dead;

static ngx_uint_t
alive(ngx_pid_t pid)
{
    return pid != dead;
}


static void
holds(void)
{
    char               text[16];
    ngx_int_t          one, two, rc;
    ngx_uint_t         i, n;
    ngx_atomic_uint_t  key, keys[2000];
    ngx_k8s_limits_t  *l;

    l = limits_new(NGX_K8S_LIMITS_MIN);
    key = limits_key(l, "hold", "client");
    n = 0;

    one = ngx_k8s_limits_open(l, 101);
    two = ngx_k8s_limits_open(l, 102);
    ok(one == 0 && two == 1, "two processes");

    ok(ngx_k8s_limits_hold(l, one, key, 3) == NGX_OK
       && ngx_k8s_limits_hold(l, two, key, 3) == NGX_OK
       && ngx_k8s_limits_hold(l, two, key, 3) == NGX_OK, "three in all");
    ok(ngx_k8s_limits_hold(l, one, key, 3) == NGX_BUSY
       && ngx_k8s_limits_hold(l, two, key, 3) == NGX_BUSY, "but not four");
    ok(ngx_k8s_limits_hold(l, one, limits_key(l, "hold", "other"), 1)
       == NGX_OK, "another client");

    ngx_k8s_limits_release(l, two, key);
    ok(ngx_k8s_limits_hold(l, one, key, 3) == NGX_OK, "one that was released");
    ngx_k8s_limits_release(l, one, key);

    dead = 102;
    ngx_k8s_limits_sweep(l, 101, alive);
    ok(ngx_k8s_limits_hold(l, one, key, 2) == NGX_OK,
       "what a dead process held is free");

    two = ngx_k8s_limits_open(l, 103);
    ok(two == 1, "its number is given again");
    ok(ngx_k8s_limits_hold(l, two, key, 3) == NGX_OK
       && ngx_k8s_limits_hold(l, two, key, 3) == NGX_BUSY,
       "and begins with nothing");

    /* many clients of one process, as a worker may have connections */

    for (i = 0; i < 2000; i++) {
        sprintf(text, "%d", (int) i);
        keys[i] = limits_key(l, "hold", text);
        n += (ngx_k8s_limits_hold(l, two, keys[i], 1) == NGX_OK);
    }

    ok(n == 2000, "2,000 clients in 3,200 cells: %d", (int) n);

    n = 0;

    for (i = 0; i < 2000; i++) {
        n += (ngx_k8s_limits_hold(l, one, keys[i], 1) == NGX_BUSY);
        ngx_k8s_limits_release(l, two, keys[i]);
        n += (ngx_k8s_limits_hold(l, one, keys[i], 1) == NGX_OK);
        ngx_k8s_limits_release(l, one, keys[i]);
    }

    ok(n == 4000, "each is counted, and counted back: %d", (int) n);

    /* where there is no room at all, and when there is again */

    n = 0;

    do {
        sprintf(text, "x%d", (int) n);
        rc = ngx_k8s_limits_hold(l, two, limits_key(l, "full", text), 1);
        n += (rc == NGX_OK);
    } while (rc == NGX_OK);

    ok(rc == NGX_DECLINED && n > 1000, "no room behind %d", (int) n);

    ngx_k8s_limits_close(l, two);
    ok(ngx_k8s_limits_hold(l, one, limits_key(l, "full", text), 1) == NGX_OK,
       "the room of one that has ended");

    n = 0;

    for (i = 1; i < NGX_K8S_LIMIT_PROCESSES; i++) {
        n += (ngx_k8s_limits_open(l, 200 + i) == (ngx_int_t) i);
    }

    ok(n == NGX_K8S_LIMIT_PROCESSES - 1, "%d numbers", (int) n);
    ok(ngx_k8s_limits_open(l, 5000) == NGX_ERROR, "none is left");
    dead = 300;
    ngx_k8s_limits_sweep(l, 101, alive);
    ok(ngx_k8s_limits_open(l, 5000) == 100, "until one has died");

    free(l);
}


/* one client in each of very many processes, and its neighbours */

static void
wide(void)
{
    char               text[16];
    ngx_int_t          p[200];
    ngx_uint_t         i, n, held;
    ngx_atomic_uint_t  key;
    ngx_k8s_limits_t  *l;

    l = limits_new(16 * 1024 * 1024);
    key = limits_key(l, "wide", "client");
    held = 0;

    for (i = 0; i < 200; i++) {
        p[i] = ngx_k8s_limits_open(l, 1000 + i);
        held += (ngx_k8s_limits_hold(l, p[i], key, 1000) == NGX_OK);

        for (n = 0; n < 100; n++) {
            sprintf(text, "%d %d", (int) i, (int) n);
            (void) ngx_k8s_limits_hold(l, p[i], limits_key(l, "near", text), 1);
        }
    }

    ok(held == 200, "one client in 200 processes: %d", (int) held);
    ok(ngx_k8s_limits_hold(l, p[7], key, 200) == NGX_BUSY, "all are counted");

    for (i = 0; i < 200; i++) {
        ngx_k8s_limits_release(l, p[i], key);
    }

    for (i = 0, n = 0; i < 200; i++) {
        n += l->held[p[i]];
    }

    ok(n == 200 * 100, "and counted back: %d", (int) n);

    free(l);
}


/* the default zone: as many clients as the documentation says */

static void
many(void)
{
    char               text[16];
    ngx_int_t          one;
    ngx_uint_t         i, n;
    ngx_k8s_limits_t  *l;

    l = limits_new(16 * 1024 * 1024);
    one = ngx_k8s_limits_open(l, 101);
    n = 0;

    for (i = 0; i < 100000; i++) {
        sprintf(text, "%d", (int) i);
        n += (ngx_k8s_limits_hold(l, one, limits_key(l, "many", text), 1)
              == NGX_OK);
    }

    ok(n == 100000, "100,000 clients at a time: %d", (int) n);

    free(l);
}


/* rates of half a million clients in the default zone: how many are known, and
   what a request costs */

static void
crowd(void)
{
    char               text[16];
    double             ns[3];
    ngx_uint_t         i, n, round, last, used, room;
    struct timespec    from, to;
    ngx_k8s_limits_t  *l;

    last = getenv("UNIT_SHORT") ? 1 : 3;

    l = limits_new(16 * 1024 * 1024);
    n = 0;

    for (round = 0; round < last; round++) {

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);

        for (i = 0; i < 500000; i++) {
            sprintf(text, "%d", (int) i);
            (void) ngx_k8s_limits_take(l, limits_key(l, "crowd", text),
                                       1000000, 60000000, 600000000);
        }

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);

        ns[round] = ((to.tv_sec - from.tv_sec) * 1e9
                     + (to.tv_nsec - from.tv_nsec)) / 500000;
    }

    for (i = 0; i < 500000; i++) {
        sprintf(text, "%d", (int) i);
        n += (ngx_k8s_limits_peek(l, limits_key(l, "crowd", text), 1000000, 0)
              == NGX_BUSY);
    }

    printf("# %d of 500,000 clients are known in 16 MB; a request takes %.0f "
           "ns, %.0f ns where its client is known\n", (int) n, ns[0],
           ns[last - 1]);

    ok(n > 485000, "500,000 clients: %d", (int) n);

    room = ngx_k8s_limits_clients(l, 1000000, &used);

    ok(used <= room && used + used / 20 > n && used < n + n / 20,
       "the estimate is near: %d of %d", (int) used, (int) room);

    (void) ngx_k8s_limits_clients(l, 3000000000ULL, &used);
    ok(used == 0, "what is paid for is not used: %d", (int) used);

    free(l);
}


int
main(int argc, char **argv)
{
    unit_init();

    srandom(7);

    keys();
    exact();
    model();
    full();
    longest();
    holds();
    wide();
    many();
    crowd();

    return done();
}
