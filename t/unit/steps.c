
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What workers share without a lock, limits, kept answers and who asks, when
 * one of them is killed at any instruction: a child goes by single steps, and
 * whenever it has changed the zones, others find them as if it were dead.
 */


#include "unit.h"
#include <ngx_k8s_answers.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>


#define SIZE    (NGX_K8S_ANSWERS_MIN + NGX_K8S_LIMITS_MIN)
#define NOW     1000000000ULL
#define SECOND  1000000ULL
#define MAX     3


typedef struct {
    char             *name;
    void            (*before)(void);
    void            (*steps)(void);      /* of the child */
    char           *(*wrong)(void);      /* NULL: nothing is */
} steps_t;


static u_char              zone[2][SIZE];
static u_char             *shared;
static ngx_pool_t         *pool;
static ngx_k8s_limits_t   *limits;
static ngx_k8s_answers_t  *answers;
static ngx_atomic_uint_t   keys[9], client;
static char                text[600];


static ngx_uint_t
alive(ngx_pid_t pid)
{
    return pid != 101;
}


static ngx_atomic_uint_t
key_of(char *name, ngx_uint_t kind)
{
    ngx_str_t  s;

    s.data = (u_char *) name;
    s.len = strlen(name);

    return ngx_k8s_limits_kind(ngx_k8s_limits_key(limits, &s, 1), kind);
}


static ngx_k8s_answer_t
answer(ngx_uint_t status)
{
    ngx_k8s_answer_t  a;

    ngx_str_set(&a.name, "somebody's name");
    a.key = ngx_k8s_limits_key(limits, &a.name, 1);
    a.status = status;
    a.answer.data = (u_char *) text;
    a.answer.len = sizeof(text);
    a.expires = 9000;

    return a;
}


/* the next process of the number of the dead one */

static char *
next(void)
{
    ngx_k8s_limits_sweep(limits, 100, alive);

    if (ngx_k8s_limits_open(limits, 102) != 1) {
        return "the number is not given back";
    }

    ngx_k8s_answers_open(answers, 1);

    return limits->held[1] == 0 && answers->writing[1] == 0
           ? NULL : "what it had is not given back";
}


/* a set full of clients that have something to pay */

static void
rates(void)
{
    char         name[16];
    ngx_uint_t   i, n, set;

    set = 0;
    n = 0;

    for (i = 0; n < 9; i++) {
        sprintf(name, "client%d", (int) i);
        keys[n] = key_of(name, NGX_K8S_LIMIT_RPS);

        if (n == 0) {
            set = ngx_k8s_limits_first(keys[0], limits->nrates);
        }

        n += (ngx_k8s_limits_first(keys[n], limits->nrates) == set);
    }

    for (i = 0; i < 8; i++) {
        (void) ngx_k8s_limits_take(limits, keys[i], NOW, (i + 2) * SECOND, 0);
    }
}


static void
rates_steps(void)
{
    (void) ngx_k8s_limits_take(limits, keys[8], NOW, 9 * SECOND, 0);
    (void) ngx_k8s_limits_take(limits, keys[7], NOW, 9 * SECOND, 9 * SECOND);
}


static char *
rates_wrong(void)
{
    ngx_uint_t             i, n;
    ngx_k8s_limit_cell_t  *set;

    set = limits->rates + ngx_k8s_limits_first(keys[0], limits->nrates) * 8;

    for (i = 0; i < 8; i++) {
        for (n = 0; n < i; n++) {
            if (set[i].key == set[n].key) {
                return "a client has two cells";
            }
        }
    }

    for (i = 1; i < 8; i++) {
        if (ngx_k8s_limits_take(limits, keys[i], NOW + SECOND, SECOND, 0)
            != NGX_BUSY)
        {
            return "another client is let through";
        }
    }

    n = 0;

    for (i = 0; i < 5; i++) {
        n += (ngx_k8s_limits_take(limits, keys[8], NOW, 9 * SECOND, 0)
              == NGX_OK);
    }

    if (n > 1) {
        return "its client is let through twice";
    }

    return ngx_k8s_limits_take(limits, keys[8], NOW + 9 * SECOND, SECOND, 0)
           == NGX_OK
           ? NULL : "its client is kept out for long";
}


/* connections: one of another process stays */

static void
holds(void)
{
    client = key_of("holder", NGX_K8S_LIMIT_CONNECTIONS);
    (void) ngx_k8s_limits_hold(limits, 0, client, MAX);
}


static void
holds_steps(void)
{
    (void) ngx_k8s_limits_hold(limits, 1, client, MAX);
    (void) ngx_k8s_limits_hold(limits, 1, client, MAX);
    ngx_k8s_limits_release(limits, 1, client);
    ngx_k8s_limits_release(limits, 1, client);
    (void) ngx_k8s_limits_hold(limits, 1, client, MAX);
}


static char *
holds_wrong(void)
{
    char        *wrong;
    ngx_uint_t   i, n;

    wrong = next();

    if (wrong) {
        return wrong;
    }

    n = 0;

    for (i = 0; i < 6; i++) {
        n += (ngx_k8s_limits_hold(limits, i % 2, client, MAX) == NGX_OK);
    }

    if (n != MAX - 1) {
        return n > MAX - 1 ? "more are let through" : "fewer are let through";
    }

    ngx_k8s_limits_release(limits, 0, client);

    return ngx_k8s_limits_hold(limits, 1, client, MAX) == NGX_OK
           ? NULL : "what is released is not free";
}


static void
kept(void)
{
    ngx_k8s_answer_t  a;

    a = answer(401);
    ngx_memset(text, 'a', sizeof(text));
    (void) ngx_k8s_answers_put(answers, limits, 0, &a, 1000);
    ngx_memset(text, 'b', sizeof(text));
}


static void
kept_steps(void)
{
    ngx_k8s_answer_t  a;

    a = answer(200);
    (void) ngx_k8s_answers_put(answers, limits, 1, &a, 1000);
}


/* one of the two, or none */

static char *
kept_is(void)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_k8s_answer_t  a;

    a = answer(0);
    rc = ngx_k8s_answers_get(answers, &a, 1000, pool);

    if (rc == NGX_DECLINED) {
        return NULL;
    }

    if (rc != NGX_OK || a.answer.len != sizeof(text)
        || (a.status != 200 && a.status != 401))
    {
        return "an answer that nobody gave";
    }

    for (i = 0; i < a.answer.len; i++) {
        if (a.answer.data[i] != (a.status == 200 ? 'b' : 'a')) {
            return "a mixture of two";
        }
    }

    return NULL;
}


static char *
kept_wrong(void)
{
    char              *wrong;
    ngx_k8s_answer_t   a;

    wrong = kept_is();
    wrong = wrong ? wrong : next();
    wrong = wrong ? wrong : kept_is();

    if (wrong) {
        return wrong;
    }

    a = answer(200);

    if (ngx_k8s_answers_put(answers, limits, 1, &a, 1000) != NGX_OK) {
        return "no other one can be kept";
    }

    return ngx_k8s_answers_get(answers, &a, 1000, pool) == NGX_OK
           && a.status == 200
           ? kept_is() : "it is not found";
}


static void
flights(void)
{
    client = key_of("who asks", NGX_K8S_LIMIT_RPS);
    ngx_memset(text, 'b', sizeof(text));
}


static void
flights_steps(void)
{
    (void) ngx_k8s_answers_begin(answers, limits, 1, client, 1000);
    kept_steps();
    ngx_k8s_answers_end(answers, 1, client, 0, 1000);
    (void) ngx_k8s_answers_begin(answers, limits, 1, client, 1000);
    ngx_k8s_answers_end(answers, 1, client, 1, 1000);
}


/* somebody asks: at once, or when the dead one is late */

static char *
flights_wrong(void)
{
    char        *wrong;
    ngx_int_t    rc;
    ngx_msec_t   now;

    wrong = kept_is();

    if (wrong) {
        return wrong;
    }

    now = 1000;
    rc = ngx_k8s_answers_begin(answers, limits, 0, client, now);

    while (rc == NGX_AGAIN && now <= 1000 + NGX_K8S_FLIGHT_LATE) {
        now += 10;
        rc = ngx_k8s_answers_look(answers, limits, 0, client, now, alive);
    }

    if (rc == NGX_AGAIN || rc == NGX_BUSY) {
        return "nobody asks any more";
    }

    if (rc == NGX_OK) {
        ngx_k8s_answers_end(answers, 0, client, 0, now);
    }

    wrong = next();

    if (wrong) {
        return wrong;
    }

    now += 2 * NGX_K8S_FLIGHT_LATE;
    rc = ngx_k8s_answers_begin(answers, limits, 1, client, now);

    if (rc != NGX_OK) {
        return "the next one cannot ask for all";
    }

    if (ngx_k8s_answers_begin(answers, limits, 0, client, now) != NGX_AGAIN) {
        return "two ask";
    }

    ngx_k8s_answers_end(answers, 1, client, 0, now);

    return NULL;
}


static void
run(steps_t *s)
{
    int          status;
    char        *wrong, *first;
    pid_t        child;
    uint64_t     seed[2] = { 1, 2 };
    ngx_uint_t   n, states, bad;

    ngx_memzero(shared, SIZE);
    answers = ngx_k8s_answers_init(shared, NGX_K8S_ANSWERS_MIN);
    limits = ngx_k8s_limits_init(shared + NGX_K8S_ANSWERS_MIN,
                                 NGX_K8S_LIMITS_MIN, seed);

    (void) ngx_k8s_limits_open(limits, 100);
    (void) ngx_k8s_limits_open(limits, 101);
    ngx_k8s_answers_open(answers, 0);
    ngx_k8s_answers_open(answers, 1);

    s->before();

    ngx_memcpy(zone[0], shared, SIZE);

    if (getenv("UNIT_SHORT")) {
        s->steps();
        wrong = s->wrong();
        ok(wrong == NULL, "%s, by nobody who is killed: %s", s->name,
           wrong ? wrong : "sound");
        return;
    }

    child = fork();

    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        s->steps();
        _exit(0);
    }

    waitpid(child, &status, 0);

    states = 0;
    bad = 0;
    first = "";

    for (n = 0; WIFSTOPPED(status); n++) {

        if (n == 0 || ngx_memcmp(zone[0], shared, SIZE) != 0) {

            ngx_memcpy(zone[0], shared, SIZE);
            states++;

            wrong = s->wrong();

            if (wrong && bad++ == 0) {
                first = wrong;
            }

            ngx_memcpy(shared, zone[0], SIZE);
            ngx_reset_pool(pool);
        }

        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == -1
            || waitpid(child, &status, 0) == -1)
        {
            break;
        }
    }

    ok(WIFEXITED(status) && states > 3 && bad == 0,
       "%s: %d steps, %d states, %d bad %s", s->name, (int) n, (int) states,
       (int) bad, first);
}


static steps_t  steps[] = {
    { "a rate is counted", rates, rates_steps, rates_wrong },
    { "connections are held and released", holds, holds_steps, holds_wrong },
    { "an answer is kept", kept, kept_steps, kept_wrong },
    { "an answer is asked for", flights, flights_steps, flights_wrong }
};


int
main(void)
{
    ngx_uint_t  i;

    unit_init();

    pool = ngx_create_pool(16384, &unit_log);
    shared = mmap(NULL, SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                  -1, 0);

    for (i = 0; i < sizeof(steps) / sizeof(steps_t); i++) {
        run(&steps[i]);
    }

    munmap(shared, SIZE);
    ngx_destroy_pool(pool);

    return done();
}
