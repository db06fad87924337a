
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Answers of auth servers: names that share a hash, full sets, writers that are
 * killed, readers beside them, and who asks.
 */


#include "unit.h"
#include <ngx_k8s_answers.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>


static ngx_pool_t         *pool;
static ngx_k8s_limits_t   *limits;
static ngx_k8s_answers_t  *answers;


static void
answers_new(size_t size)
{
    u_char    *p;
    uint64_t   seed[2] = { 1, 2 };

    p = mmap(NULL, size + NGX_K8S_LIMITS_MIN, PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    answers = ngx_k8s_answers_init(p, size);
    limits = ngx_k8s_limits_init(p + size, NGX_K8S_LIMITS_MIN, seed);

    limits->pids[0] = 100;
    limits->pids[1] = 101;
}


static void
answers_free(size_t size)
{
    munmap(answers, size + NGX_K8S_LIMITS_MIN);
}


static ngx_k8s_answer_t
answer(char *name, ngx_uint_t status, char *text, ngx_msec_t expires)
{
    ngx_k8s_answer_t  a;

    a.name.data = (u_char *) name;
    a.name.len = strlen(name);
    a.key = ngx_k8s_limits_key(limits, &a.name, 1);
    a.status = status;
    a.answer.data = (u_char *) text;
    a.answer.len = strlen(text);
    a.expires = expires;

    return a;
}


static ngx_uint_t
has(char *name, ngx_msec_t now)
{
    ngx_k8s_answer_t  a;

    a = answer(name, 0, "", 0);

    return ngx_k8s_answers_get(answers, &a, now, pool) == NGX_OK;
}


static void
kept(void)
{
    ngx_uint_t         i, size;
    ngx_k8s_answer_t   a, b;
    static char        text[9000];

    answers_new(NGX_K8S_ANSWERS_MIN);

    ok(!has("one", 1000), "nothing is there");

    a = answer("one", 200, "X-User: one", 6000);
    ok(ngx_k8s_answers_put(answers, limits, 0, &a, 1000) == NGX_OK, "kept");

    b = answer("one", 0, "", 0);
    ok(ngx_k8s_answers_get(answers, &b, 5999, pool) == NGX_OK
       && b.status == 200 && b.answer.len == 11
       && ngx_memcmp(b.answer.data, "X-User: one", 11) == 0, "found");
    ok(!has("one", 6000), "over");
    ok(!has("two", 1000), "another name");

    /* hashes that are the same */

    b = answer("two", 401, "", 6000);
    b.key = a.key;
    ok(ngx_k8s_answers_get(answers, &b, 1000, pool) == NGX_DECLINED,
       "a hash alone is not found");
    b.status = 401;
    ok(ngx_k8s_answers_put(answers, limits, 0, &b, 1000) == NGX_OK, "kept");
    ok(ngx_k8s_answers_get(answers, &b, 1000, pool) == NGX_OK
       && b.status == 401, "each has its own");
    ok(has("one", 1000), "both are there");

    /* a name that begins another one */

    b = answer("on", 401, "e", 6000);
    b.key = a.key;
    ok(ngx_k8s_answers_get(answers, &b, 1000, pool) == NGX_DECLINED,
       "a part of a name is not found");

    /* sizes */

    ngx_memset(text, 'x', sizeof(text) - 1);

    for (size = 1; size < 9000; size += 500) {
        text[size] = '\0';
        a = answer("large", 200, text, 6000);

        ok((ngx_k8s_answers_put(answers, limits, 0, &a, 1000) == NGX_OK)
           == (5 + size <= NGX_K8S_ANSWER_MAX), "an answer of %d",
           (int) size);

        b = answer("large", 0, "", 0);
        ok((ngx_k8s_answers_get(answers, &b, 1000, pool) == NGX_OK)
           == (5 + size <= NGX_K8S_ANSWER_MAX), "it is, or is not");
        ok(5 + size > NGX_K8S_ANSWER_MAX || b.answer.len == size,
           "and not an older one");

        text[size] = 'x';
    }

    text[NGX_K8S_ANSWER_MAX + 1] = '\0';
    a = answer(text, 200, "", 6000);
    ok(ngx_k8s_answers_put(answers, limits, 0, &a, 1000) == NGX_DECLINED
       && ngx_k8s_answers_get(answers, &a, 1000, pool) == NGX_DECLINED,
       "a name that is too large");

    for (i = 0; i < NGX_K8S_LIMIT_PROCESSES; i++) {
        if (answers->writing[i] || answers->asking[i]) {
            break;
        }
    }

    ok(i == NGX_K8S_LIMIT_PROCESSES, "nobody writes");

    answers_free(NGX_K8S_ANSWERS_MIN);
}


/* who lets nobody in makes no room for itself */

static void
full(void)
{
    char               name[32];
    ngx_uint_t         i, n;
    ngx_k8s_answer_t   a;

    answers_new(NGX_K8S_ANSWERS_MIN);

    n = answers->classes[0].nsets;

    for (i = 0; i < n; i++) {
        ngx_sprintf((u_char *) name, "good%ui%Z", i);
        a = answer(name, 200, "", 100000);
        (void) ngx_k8s_answers_put(answers, limits, 0, &a, 1000);
    }

    for (i = 0; i < 100 * n; i++) {
        ngx_sprintf((u_char *) name, "bad%ui%Z", i);
        a = answer(name, 401, "", 200000 + i);
        (void) ngx_k8s_answers_put(answers, limits, 0, &a, 1000);
    }

    ok(has(name, 1000), "the last one is there");

    for (i = 0, n = 0; i < answers->classes[0].nsets; i++) {
        ngx_sprintf((u_char *) name, "good%ui%Z", i);
        n += has(name, 1000);
    }

    ok(n * 10 > answers->classes[0].nsets * 9, "%d of %d good ones stay",
       (int) n, (int) answers->classes[0].nsets);

    answers_free(NGX_K8S_ANSWERS_MIN);
}


static ngx_uint_t
dead(ngx_pid_t pid)
{
    return 0;
}


static ngx_uint_t
living(ngx_pid_t pid)
{
    return 1;
}


/* killed in the middle of a cell */

static void
killed(void)
{
    ngx_uint_t              i;
    ngx_k8s_answer_t        a;
    ngx_k8s_answer_cell_t  *cell;

    answers_new(NGX_K8S_ANSWERS_MIN);

    a = answer("one", 200, "", 6000);
    ok(ngx_k8s_answers_put(answers, limits, 1, &a, 1000) == NGX_OK, "kept");

    cell = (ngx_k8s_answer_cell_t *) answers->classes[0].cells;
    for (i = 0; cell->key != a.key; i++) {
        cell = (ngx_k8s_answer_cell_t *) ((u_char *) cell + 1024);
    }

    cell->state += 1024 + 2;
    cell->name = 70000;
    cell->size = 70000;
    answers->writing[1] = (ngx_atomic_uint_t) cell;

    ok(!has("one", 1000), "half of it is none");
    ok(ngx_k8s_answers_put(answers, limits, 0, &a, 1000) == NGX_OK,
       "another cell while its writer lives");
    ok(cell->state & 0x3ff, "its own stays");

    limits->pids[1] = 0;
    ngx_k8s_answers_open(answers, 1);

    ok((cell->state & 0x3ff) == 0 && cell->key == 0
       && answers->writing[1] == 0, "the next of its number gives it back");

    /* without one */

    cell->state += 1024 + 2;
    answers->writing[1] = (ngx_atomic_uint_t) cell;
    cell->key = a.key;

    for (i = 0; i < 4; i++) {
        a.name.data = (u_char *) (i == 0 ? "a" : i == 1 ? "b" : i == 2 ? "c"
                                  : "d");
        a.name.len = 1;
        ok(ngx_k8s_answers_put(answers, limits, 0, &a, 1000) == NGX_OK,
           "there is room for %d", (int) i);
    }

    ok((cell->state & 0x3ff) == 0, "others take it");

    ngx_k8s_answers_open(answers, 1);
    ok((cell->state & 0x3ff) == 0 && answers->writing[1] == 0,
       "what others took stays theirs");

    answers_free(NGX_K8S_ANSWERS_MIN);
}


#define begin(p, k, t)  ngx_k8s_answers_begin(answers, limits, p, k, t)
#define end(p, k, pass, t)  ngx_k8s_answers_end(answers, p, k, pass, t)
#define look(p, k, t, alive)                                                  \
    ngx_k8s_answers_look(answers, limits, p, k, t, alive)


static void
flights(void)
{
    uint64_t           now;
    ngx_uint_t         i, n;
    ngx_atomic_uint_t  key;

    answers_new(NGX_K8S_ANSWERS_MIN);

    key = 0x123456789abcdef3;

    for (now = 1; now < (uint64_t) 1 << 40; now = now * 3 + 7) {

        ok(begin(0, key, now) == NGX_OK, "the first one asks");
        ok(begin(0, key, now) == NGX_BUSY, "its own waits");
        ok(begin(1, key, now) == NGX_AGAIN, "another one waits");
        ok(look(1, key, now + 10, living) == NGX_AGAIN, "goes on");
        end(0, key, 0, now + 20);
        ok(look(1, key, now + 20, living) == NGX_DECLINED, "until its end");

        ok(begin(1, key, now + 30) == NGX_OK, "the next one asks");
        end(1, key, 1, now + 40);
        ok(begin(0, key, now + 50) == NGX_DECLINED, "nobody waits in vain");
        ok(look(0, key, now + 50, living) == NGX_DECLINED, "likewise");
        ok(begin(0, key, now + 40 + NGX_K8S_FLIGHT_PASS + 16) == NGX_OK,
           "for a while");

        now += 40 + NGX_K8S_FLIGHT_PASS + 16;

        ok(begin(1, key, now + NGX_K8S_FLIGHT_LATE - 16) == NGX_AGAIN,
           "slow");
        ok(look(1, key, now + NGX_K8S_FLIGHT_LATE + 16, living) == NGX_OK,
           "late: another one takes over");
        ok(look(1, key, now + NGX_K8S_FLIGHT_LATE + 16, living) == NGX_AGAIN,
           "and is waited for");
        end(0, key, 0, now + NGX_K8S_FLIGHT_LATE + 20);
        ok(begin(0, key, now + NGX_K8S_FLIGHT_LATE + 20) == NGX_AGAIN,
           "one that is late ends not what is another's");
        ok(look(0, key, now + NGX_K8S_FLIGHT_LATE + 30, dead) == NGX_OK,
           "dead: taken over");
        end(0, key, 0, now + NGX_K8S_FLIGHT_LATE + 40);
        end(1, key, 0, now + NGX_K8S_FLIGHT_LATE + 40);

        ok(answers->asking[0] == 0 && answers->asking[1] == 0,
           "nobody asks any more");

        /* what has been left for very long is not taken for what is to come */

        for (i = 1, n = 0; i < 70; i++) {
            (void) begin(0, key, now);
            n += (look(1, key, now + i * 1000000, living) == NGX_OK);
            end(1, key, 0, now);
            end(0, key, 0, now);
        }

        ok(n == 69, "%d of 69 times it is late", (int) n);
    }

    /* a killed one */

    ok(begin(1, key, 1000) == NGX_OK, "asks");
    limits->pids[1] = 0;
    ok(begin(0, key, 1000) == NGX_OK, "its number is free");
    limits->pids[1] = 102;
    ngx_k8s_answers_open(answers, 1);
    ok(begin(1, key, 1000) == NGX_AGAIN, "what was taken over stays");
    end(0, key, 0, 1000);

    ok(begin(1, key, 1000) == NGX_OK, "asks");
    limits->pids[1] = 103;
    ngx_k8s_answers_open(answers, 1);
    ok(answers->asking[1] == 0 && begin(0, key, 1000) == NGX_OK,
       "the next of its number ends it");
    end(0, key, 0, 1000);

    /* no room: nobody waits */

    for (i = 0; i < 8; i++) {
        ok(begin(0, key + i * 4, 1000) == NGX_OK, "asks");
    }

    ok(begin(0, key + i * 4, 1000) == NGX_DECLINED, "no room");
    ok(begin(1, key + 4, 1000) == NGX_AGAIN, "others are as they were");

    answers_free(NGX_K8S_ANSWERS_MIN);
}


/* two processes write one name, are killed anywhere, and a reader never sees
   what none of them wrote */

static void
torn(void)
{
    int                status;
    pid_t              pids[2];
    u_char             c;
    ngx_uint_t         i, n, k, bad, found, kills;
    ngx_k8s_answer_t   a;
    static char        text[3000];

    answers_new(NGX_K8S_ANSWERS_MIN);

    bad = 0;
    found = 0;

    for (kills = 0; kills < 60; kills++) {

        for (n = 0; n < 2; n++) {

            limits->pids[n] = 100 + n;
            ngx_k8s_answers_open(answers, n);

            pids[n] = fork();

            if (pids[n] == 0) {

                for (i = 0; /* void */ ; i++) {
                    c = 'a' + (i + n) % 26;
                    ngx_memset(text, c, 1200 + 60 * (c - 'a'));
                    text[1200 + 60 * (c - 'a')] = '\0';
                    a = answer("torn", 200 + (c - 'a'), text, 6000);
                    (void) ngx_k8s_answers_put(answers, limits, n, &a, 1000);
                }
            }
        }

        for (i = 0; i < 300; i++) {

            a = answer("torn", 0, "", 0);

            if (ngx_k8s_answers_get(answers, &a, 1000, pool) != NGX_OK) {
                continue;
            }

            found++;
            c = 'a' + a.status - 200;

            if (a.answer.len != (size_t) 1200 + 60 * (c - 'a')) {
                bad++;
                continue;
            }

            for (k = 0; k < a.answer.len; k++) {
                if (a.answer.data[k] != c) {
                    bad++;
                    break;
                }
            }
        }

        for (n = 0; n < 2; n++) {
            kill(pids[n], SIGKILL);
            waitpid(pids[n], &status, 0);
            limits->pids[n] = 0;
        }

        ngx_reset_pool(pool);
    }

    ok(bad == 0 && found > 0, "%d of %d answers were torn", (int) bad,
       (int) found);

    limits->pids[0] = 100;
    ngx_k8s_answers_open(answers, 0);
    limits->pids[1] = 101;
    ngx_k8s_answers_open(answers, 1);

    a = answer("torn", 200, "end", 6000);
    ok(ngx_k8s_answers_put(answers, limits, 0, &a, 1000) == NGX_OK
       && has("torn", 1000), "the zone is good after it");

    answers_free(NGX_K8S_ANSWERS_MIN);
}


int
main(void)
{
    unit_init();

    pool = ngx_create_pool(4096, &unit_log);

    kept();
    full();
    killed();
    flights();
    torn();

    ngx_destroy_pool(pool);

    return done();
}
