
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_answers.h>


/* milliseconds: what is kept longer goes no later for that */
#define NGX_K8S_ANSWER_WORTH         3600000

#define NGX_K8S_ANSWER_LEAST         1024    /* bytes of the smallest cell */
#define NGX_K8S_ANSWER_SET           4

#define NGX_K8S_FLIGHT_SET           8
#define NGX_K8S_FLIGHT_TRIES         16

/* of the zone, the share of flights */
#define NGX_K8S_FLIGHTS              64

/* of a state or a flight, the number of its process and one */
#define NGX_K8S_ANSWER_PROCESS       ((ngx_atomic_uint_t) 0x3ff)
#define NGX_K8S_ANSWER_SHIFT         10

/* a flight: 32 bits of the key, until when in units of 16 ms, and the number; 0
   in its place: nobody waits */

#define NGX_K8S_FLIGHT_UNIT          16
#define NGX_K8S_FLIGHT_TIME          ((ngx_atomic_uint_t) 0x3fffff)

#define ngx_k8s_flight_tag(key)      ((key) & 0xffffffff)
#define ngx_k8s_flight_is(flight, key)                                        \
    ((flight) >> 32 == ngx_k8s_flight_tag(key))
#define ngx_k8s_flight_number(flight)                                         \
    ((flight) & NGX_K8S_ANSWER_PROCESS)


static ngx_atomic_t *ngx_k8s_answers_flights(ngx_k8s_answers_t *answers,
    ngx_atomic_uint_t key);
static ngx_atomic_uint_t ngx_k8s_answers_word(ngx_atomic_uint_t key,
    ngx_msec_t until, ngx_uint_t number);
static ngx_uint_t ngx_k8s_answers_late(ngx_atomic_uint_t flight,
    ngx_msec_t now);
static ngx_k8s_answer_cell_t *ngx_k8s_answers_set(
    ngx_k8s_answer_class_t *class, ngx_atomic_uint_t key);
static ngx_int_t ngx_k8s_answers_lock(ngx_k8s_answers_t *answers,
    ngx_k8s_limits_t *limits, ngx_uint_t process, ngx_k8s_answer_cell_t *cell);
static void ngx_k8s_answers_unlock(ngx_k8s_answers_t *answers,
    ngx_uint_t process, ngx_k8s_answer_cell_t *cell);
static ngx_uint_t ngx_k8s_answers_is(ngx_k8s_answer_cell_t *cell,
    ngx_k8s_answer_class_t *class, ngx_k8s_answer_t *a);
static void ngx_k8s_answers_drop(ngx_k8s_answers_t *answers,
    ngx_k8s_limits_t *limits, ngx_uint_t process, ngx_k8s_answer_t *a,
    ngx_k8s_answer_cell_t *but);
static ngx_k8s_answer_cell_t *ngx_k8s_answers_room(
    ngx_k8s_limits_t *limits, ngx_k8s_answer_class_t *class,
    ngx_k8s_answer_t *a, ngx_msec_t now);


#define ngx_k8s_answer_bytes(cell)                                            \
    ((u_char *) (cell) + sizeof(ngx_k8s_answer_cell_t))

#define ngx_k8s_answer_next(cell, class)                                      \
    ((ngx_k8s_answer_cell_t *) ((u_char *) (cell) + (class)->size))


ngx_k8s_answers_t *
ngx_k8s_answers_init(u_char *addr, size_t size)
{
    size_t                   flights, used;
    ngx_uint_t               i;
    ngx_k8s_answers_t       *answers;
    ngx_k8s_answer_class_t  *class;

    answers = (ngx_k8s_answers_t *) addr;

    flights = NGX_K8S_FLIGHT_SET * sizeof(ngx_atomic_t);
    used = ngx_align(sizeof(ngx_k8s_answers_t), flights);

    answers->flights = (ngx_atomic_t *) (addr + used);
    answers->nflights = size / NGX_K8S_FLIGHTS / flights;

    used += answers->nflights * flights;
    addr += used;
    size = (size - used) / NGX_K8S_ANSWER_CLASSES;

    for (i = 0; i < NGX_K8S_ANSWER_CLASSES; i++) {
        class = &answers->classes[i];

        class->cells = addr;
        class->size = NGX_K8S_ANSWER_LEAST << i;
        class->nsets = size / (NGX_K8S_ANSWER_SET * class->size);

        addr += class->nsets * NGX_K8S_ANSWER_SET * class->size;
    }

    return answers;
}


void
ngx_k8s_answers_open(ngx_k8s_answers_t *answers, ngx_uint_t process)
{
    ngx_uint_t              i;
    ngx_atomic_uint_t       old;
    ngx_k8s_answer_cell_t  *cell;

    cell = (ngx_k8s_answer_cell_t *) answers->writing[process];

    if (cell) {
        old = cell->state;

        if ((old & NGX_K8S_ANSWER_PROCESS) == process + 1
            && ngx_atomic_cmp_set(&cell->state, old,
                                  old + NGX_K8S_ANSWER_PROCESS + 1))
        {
            cell->key = 0;
            ngx_k8s_answers_unlock(answers, process, cell);
        }

        answers->writing[process] = 0;
    }

    if (answers->asking[process] == 0) {
        return;
    }

    for (i = 0; i < answers->nflights * NGX_K8S_FLIGHT_SET; i++) {

        old = answers->flights[i];

        if (ngx_k8s_flight_number(old) == process + 1) {
            (void) ngx_atomic_cmp_set(&answers->flights[i], old, 0);
        }
    }

    answers->asking[process] = 0;
}


static ngx_k8s_answer_cell_t *
ngx_k8s_answers_set(ngx_k8s_answer_class_t *class, ngx_atomic_uint_t key)
{
    return (ngx_k8s_answer_cell_t *)
           (class->cells + ngx_k8s_limits_first(key, class->nsets)
                           * NGX_K8S_ANSWER_SET * class->size);
}


/* of a cell that nobody writes, or that is locked */

static ngx_uint_t
ngx_k8s_answers_is(ngx_k8s_answer_cell_t *cell, ngx_k8s_answer_class_t *class,
    ngx_k8s_answer_t *a)
{
    return cell->key == a->key
           && cell->name == a->name.len
           && a->name.len <= class->size - sizeof(ngx_k8s_answer_cell_t)
           && ngx_memcmp(ngx_k8s_answer_bytes(cell), a->name.data, a->name.len)
              == 0;
}


ngx_int_t
ngx_k8s_answers_get(ngx_k8s_answers_t *answers, ngx_k8s_answer_t *a,
    ngx_msec_t now, ngx_pool_t *pool)
{
    size_t                   size;
    ngx_uint_t               i, n;
    ngx_atomic_uint_t        state;
    ngx_k8s_answer_cell_t   *cell;
    ngx_k8s_answer_class_t  *class;

    for (n = 0; n < NGX_K8S_ANSWER_CLASSES; n++) {

        class = &answers->classes[n];
        cell = ngx_k8s_answers_set(class, a->key);

        for (i = 0; i < NGX_K8S_ANSWER_SET; i++) {

            state = cell->state;
            ngx_memory_barrier();

            if (!(state & NGX_K8S_ANSWER_PROCESS)
                && ngx_k8s_answers_is(cell, class, a))
            {
                size = cell->size;
                a->status = cell->status;
                a->expires = cell->expires;

                if ((ngx_msec_int_t) (a->expires - now) > 0
                    && size <= class->size - sizeof(ngx_k8s_answer_cell_t)
                               - a->name.len)
                {
                    a->answer.len = size;
                    a->answer.data = ngx_pnalloc(pool, size + 1);

                    if (a->answer.data == NULL) {
                        return NGX_ERROR;
                    }

                    ngx_memcpy(a->answer.data,
                               ngx_k8s_answer_bytes(cell) + a->name.len, size);

                    ngx_memory_barrier();

                    if (cell->state == state) {
                        return NGX_OK;
                    }
                }
            }

            cell = ngx_k8s_answer_next(cell, class);
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_k8s_answers_put(ngx_k8s_answers_t *answers, ngx_k8s_limits_t *limits,
    ngx_uint_t process, ngx_k8s_answer_t *a, ngx_msec_t now)
{
    u_char                  *p;
    size_t                   size;
    ngx_k8s_answer_cell_t   *cell;
    ngx_k8s_answer_class_t  *class, *last;

    size = sizeof(ngx_k8s_answer_cell_t) + a->name.len + a->answer.len;

    class = answers->classes;
    last = class + NGX_K8S_ANSWER_CLASSES;

    while (class < last && class->size < size) {
        class++;
    }

    cell = (class < last) ? ngx_k8s_answers_room(limits, class, a, now) : NULL;

    /* an older one would be found before it, or instead of it */

    ngx_k8s_answers_drop(answers, limits, process, a, cell);

    if (cell == NULL
        || ngx_k8s_answers_lock(answers, limits, process, cell) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    cell->key = a->key;
    cell->expires = a->expires;
    cell->status = a->status;
    cell->name = a->name.len;
    cell->size = a->answer.len;

    p = ngx_cpymem(ngx_k8s_answer_bytes(cell), a->name.data, a->name.len);
    ngx_memcpy(p, a->answer.data, a->answer.len);

    ngx_k8s_answers_unlock(answers, process, cell);

    return NGX_OK;
}


/* NULL: all of the set are being written */

static ngx_k8s_answer_cell_t *
ngx_k8s_answers_room(ngx_k8s_limits_t *limits, ngx_k8s_answer_class_t *class,
    ngx_k8s_answer_t *a, ngx_msec_t now)
{
    uint64_t                least, worth;
    ngx_uint_t              i, number;
    ngx_k8s_answer_cell_t  *cell, *best;

    cell = ngx_k8s_answers_set(class, a->key);

    best = NULL;
    least = 0;

    for (i = 0; i < NGX_K8S_ANSWER_SET; i++) {

        number = cell->state & NGX_K8S_ANSWER_PROCESS;

        if (number && limits->pids[number - 1]) {
            worth = (uint64_t) -1;

        } else if (number || cell->key == 0
                   || (ngx_msec_int_t) (cell->expires - now) <= 0)
        {
            worth = 1;

        } else if (ngx_k8s_answers_is(cell, class, a)) {
            return cell;

        } else {
            worth = 1 + ngx_min(cell->expires - now, NGX_K8S_ANSWER_WORTH);

            if (cell->status < 300) {
                worth |= (uint64_t) 1 << 62;
            }
        }

        if (worth != (uint64_t) -1 && (best == NULL || worth < least)) {
            best = cell;
            least = worth;
        }

        cell = ngx_k8s_answer_next(cell, class);
    }

    return best;
}


static void
ngx_k8s_answers_drop(ngx_k8s_answers_t *answers, ngx_k8s_limits_t *limits,
    ngx_uint_t process, ngx_k8s_answer_t *a, ngx_k8s_answer_cell_t *but)
{
    ngx_uint_t               i, n;
    ngx_k8s_answer_cell_t   *cell;
    ngx_k8s_answer_class_t  *class;

    for (n = 0; n < NGX_K8S_ANSWER_CLASSES; n++) {

        class = &answers->classes[n];
        cell = ngx_k8s_answers_set(class, a->key);

        for (i = 0; i < NGX_K8S_ANSWER_SET; i++) {

            if (cell != but && cell->key == a->key
                && ngx_k8s_answers_lock(answers, limits, process, cell)
                   == NGX_OK)
            {
                if (ngx_k8s_answers_is(cell, class, a)) {
                    cell->key = 0;
                }

                ngx_k8s_answers_unlock(answers, process, cell);
            }

            cell = ngx_k8s_answer_next(cell, class);
        }
    }
}


/* one that was killed over it left half of something */

static ngx_int_t
ngx_k8s_answers_lock(ngx_k8s_answers_t *answers, ngx_k8s_limits_t *limits,
    ngx_uint_t process, ngx_k8s_answer_cell_t *cell)
{
    ngx_uint_t         number;
    ngx_atomic_uint_t  state;

    state = cell->state;
    number = state & NGX_K8S_ANSWER_PROCESS;

    if (number && limits->pids[number - 1]) {
        return NGX_BUSY;
    }

    answers->writing[process] = (ngx_atomic_uint_t) cell;
    ngx_memory_barrier();

    if (!ngx_atomic_cmp_set(&cell->state, state,
                            state - number + NGX_K8S_ANSWER_PROCESS + 1
                            + process + 1))
    {
        answers->writing[process] = 0;
        return NGX_BUSY;
    }

    if (number) {
        cell->key = 0;
    }

    return NGX_OK;
}


static void
ngx_k8s_answers_unlock(ngx_k8s_answers_t *answers, ngx_uint_t process,
    ngx_k8s_answer_cell_t *cell)
{
    ngx_memory_barrier();
    cell->state = ((cell->state >> NGX_K8S_ANSWER_SHIFT) + 1)
                  << NGX_K8S_ANSWER_SHIFT;
    ngx_memory_barrier();

    answers->writing[process] = 0;
}


static ngx_atomic_t *
ngx_k8s_answers_flights(ngx_k8s_answers_t *answers, ngx_atomic_uint_t key)
{
    return answers->flights
           + ngx_k8s_limits_first(key, answers->nflights) * NGX_K8S_FLIGHT_SET;
}


static ngx_atomic_uint_t
ngx_k8s_answers_word(ngx_atomic_uint_t key, ngx_msec_t until,
    ngx_uint_t number)
{
    return ngx_k8s_flight_tag(key) << 32
           | (until / NGX_K8S_FLIGHT_UNIT & NGX_K8S_FLIGHT_TIME)
             << NGX_K8S_ANSWER_SHIFT
           | number;
}


/* none is longer: time of so few bits comes again */

static ngx_uint_t
ngx_k8s_answers_late(ngx_atomic_uint_t flight, ngx_msec_t now)
{
    ngx_atomic_uint_t  left;

    left = ((flight >> NGX_K8S_ANSWER_SHIFT) - now / NGX_K8S_FLIGHT_UNIT)
           & NGX_K8S_FLIGHT_TIME;

    return left == 0 || left > NGX_K8S_FLIGHT_LATE / NGX_K8S_FLIGHT_UNIT + 1;
}


ngx_int_t
ngx_k8s_answers_begin(ngx_k8s_answers_t *answers, ngx_k8s_limits_t *limits,
    ngx_uint_t process, ngx_atomic_uint_t key, ngx_msec_t now)
{
    ngx_uint_t          i, tries, number;
    ngx_atomic_t       *set, *room;
    ngx_atomic_uint_t   flight, old, own;

    set = ngx_k8s_answers_flights(answers, key);
    own = ngx_k8s_answers_word(key, now + NGX_K8S_FLIGHT_LATE, process + 1);

    answers->asking[process]++;

    for (tries = 0; tries < NGX_K8S_FLIGHT_TRIES; tries++) {

        room = NULL;
        old = 0;

        for (i = 0; i < NGX_K8S_FLIGHT_SET; i++) {

            flight = set[i];

            if (flight && !ngx_k8s_answers_late(flight, now)) {

                if (!ngx_k8s_flight_is(flight, key)) {
                    continue;
                }

                number = ngx_k8s_flight_number(flight);

                if (number == 0 || limits->pids[number - 1]) {
                    answers->asking[process]--;

                    if (number == process + 1) {
                        return NGX_BUSY;
                    }

                    return number ? NGX_AGAIN : NGX_DECLINED;
                }

                room = &set[i];
                old = flight;
                break;
            }

            if (room == NULL || ngx_k8s_flight_is(flight, key)) {
                room = &set[i];
                old = flight;
            }
        }

        if (room == NULL) {
            break;
        }

        if (ngx_atomic_cmp_set(room, old, own)) {
            return NGX_OK;
        }
    }

    answers->asking[process]--;

    return NGX_DECLINED;
}


ngx_int_t
ngx_k8s_answers_look(ngx_k8s_answers_t *answers, ngx_k8s_limits_t *limits,
    ngx_uint_t process, ngx_atomic_uint_t key, ngx_msec_t now,
    ngx_uint_t (*alive)(ngx_pid_t pid))
{
    ngx_uint_t          i, number;
    ngx_atomic_t       *set;
    ngx_atomic_uint_t   flight, pid, own;

    set = ngx_k8s_answers_flights(answers, key);

    for (i = 0; i < NGX_K8S_FLIGHT_SET; i++) {

        flight = set[i];
        number = ngx_k8s_flight_number(flight);

        if (number == 0 || !ngx_k8s_flight_is(flight, key)) {
            continue;
        }

        if (!ngx_k8s_answers_late(flight, now)) {

            pid = limits->pids[number - 1];

            if (pid && (number == process + 1 || alive((ngx_pid_t) pid))) {
                return NGX_AGAIN;
            }
        }

        own = ngx_k8s_answers_word(key, now + NGX_K8S_FLIGHT_LATE,
                                   process + 1);

        answers->asking[process]++;

        if (ngx_atomic_cmp_set(&set[i], flight, own)) {
            return NGX_OK;
        }

        answers->asking[process]--;

        return NGX_AGAIN;
    }

    return NGX_DECLINED;
}


void
ngx_k8s_answers_end(ngx_k8s_answers_t *answers, ngx_uint_t process,
    ngx_atomic_uint_t key, ngx_uint_t pass, ngx_msec_t now)
{
    ngx_uint_t          i;
    ngx_atomic_t       *set;
    ngx_atomic_uint_t   flight;

    set = ngx_k8s_answers_flights(answers, key);

    for (i = 0; i < NGX_K8S_FLIGHT_SET; i++) {

        flight = set[i];

        if (ngx_k8s_flight_is(flight, key)
            && ngx_k8s_flight_number(flight) == process + 1)
        {
            (void) ngx_atomic_cmp_set(&set[i], flight,
                         pass ? ngx_k8s_answers_word(key,
                                               now + NGX_K8S_FLIGHT_PASS, 0)
                              : 0);
            break;
        }
    }

    answers->asking[process]--;
}
