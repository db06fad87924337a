
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_limits.h>


#define NGX_K8S_LIMIT_SET            8
#define NGX_K8S_LIMIT_TRIES          64

/* of the zone, the share of what processes hold, and the sets for a key, to
   which so many processes add one */
#define NGX_K8S_LIMIT_HOLDS          4
#define NGX_K8S_LIMIT_WINDOW         4
#define NGX_K8S_LIMIT_EACH           4

/* of a key of a hold, the number of its process and one */
#define NGX_K8S_LIMIT_PROCESS        ((ngx_atomic_uint_t) 0x3ff)

/* sets that are looked at for an estimate */
#define NGX_K8S_LIMIT_SAMPLE         4096


static uint64_t ngx_k8s_limits_hash(uint64_t *seed, ngx_str_t *texts,
    ngx_uint_t n);
static ngx_k8s_limit_cell_t *ngx_k8s_limits_find(ngx_k8s_limit_cell_t *set,
    ngx_atomic_uint_t key);
static ngx_k8s_limit_cell_t *ngx_k8s_limits_claim(ngx_k8s_limit_cell_t *set,
    ngx_atomic_uint_t key);
static void ngx_k8s_limits_widen(ngx_k8s_limits_t *limits,
    ngx_uint_t process);
static ngx_k8s_limit_cell_t *ngx_k8s_limits_holds(ngx_k8s_limits_t *limits,
    ngx_atomic_uint_t key, ngx_uint_t i);


ngx_str_t  ngx_k8s_limit_names[NGX_K8S_LIMIT_KINDS] = {
    ngx_string("limit-rps"),
    ngx_string("limit-rpm"),
    ngx_string("limit-connections")
};


ngx_k8s_limits_t *
ngx_k8s_limits_init(u_char *addr, size_t size, uint64_t *seed)
{
    size_t             set;
    ngx_k8s_limits_t  *limits;

    limits = (ngx_k8s_limits_t *) addr;

    set = NGX_K8S_LIMIT_SET * sizeof(ngx_k8s_limit_cell_t);

    addr += ngx_align(sizeof(ngx_k8s_limits_t), set);
    size -= ngx_align(sizeof(ngx_k8s_limits_t), set);

    limits->seed[0] = seed[0];
    limits->seed[1] = seed[1];

    limits->nholds = size / NGX_K8S_LIMIT_HOLDS / set;
    limits->holds = (ngx_k8s_limit_cell_t *) addr;
    limits->window = NGX_K8S_LIMIT_WINDOW;

    addr += limits->nholds * set;
    size -= limits->nholds * set;

    limits->nrates = size / set;
    limits->rates = (ngx_k8s_limit_cell_t *) addr;

    return limits;
}


ngx_atomic_uint_t
ngx_k8s_limits_key(ngx_k8s_limits_t *limits, ngx_str_t *texts, ngx_uint_t n)
{
    return ngx_k8s_limits_hash(limits->seed, texts, n) | NGX_K8S_LIMIT_KINDS;
}


#define ngx_k8s_limits_rotate(x, n)  (((x) << (n)) | ((x) >> (64 - (n))))

#define ngx_k8s_limits_round(v)                                               \
    v[0] += v[1];                                                             \
    v[1] = ngx_k8s_limits_rotate(v[1], 13) ^ v[0];                            \
    v[0] = ngx_k8s_limits_rotate(v[0], 32);                                   \
    v[2] += v[3];                                                             \
    v[3] = ngx_k8s_limits_rotate(v[3], 16) ^ v[2];                            \
    v[0] += v[3];                                                             \
    v[3] = ngx_k8s_limits_rotate(v[3], 21) ^ v[0];                            \
    v[2] += v[1];                                                             \
    v[1] = ngx_k8s_limits_rotate(v[1], 17) ^ v[2];                            \
    v[2] = ngx_k8s_limits_rotate(v[2], 32)

/*
 * SipHash-1-3 of the texts, each with its length behind it: clients choose
 * them, and must not meet in one set as they like.
 */

static uint64_t
ngx_k8s_limits_hash(uint64_t *seed, ngx_str_t *texts, ngx_uint_t n)
{
    size_t     len;
    u_char    *p;
    uint64_t   v[4], word;

    v[0] = seed[0] ^ 0x736f6d6570736575ULL;
    v[1] = seed[1] ^ 0x646f72616e646f6dULL;
    v[2] = seed[0] ^ 0x6c7967656e657261ULL;
    v[3] = seed[1] ^ 0x7465646279746573ULL;

    for ( /* void */ ; n; n--, texts++) {

        p = texts->data;

        for (len = texts->len; len >= 8; len -= 8, p += 8) {
            ngx_memcpy(&word, p, 8);

            v[3] ^= word;
            ngx_k8s_limits_round(v);
            v[0] ^= word;
        }

        word = (uint64_t) texts->len << 56;

        while (len) {
            len--;
            word |= (uint64_t) p[len] << (8 * len);
        }

        v[3] ^= word;
        ngx_k8s_limits_round(v);
        v[0] ^= word;
    }

    v[2] ^= 0xff;
    ngx_k8s_limits_round(v);
    ngx_k8s_limits_round(v);
    ngx_k8s_limits_round(v);

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}


#define ngx_k8s_limits_set(limits, key)                                       \
    ((limits)->rates                                                          \
     + ngx_k8s_limits_first(key, (limits)->nrates) * NGX_K8S_LIMIT_SET)


static ngx_k8s_limit_cell_t *
ngx_k8s_limits_find(ngx_k8s_limit_cell_t *set, ngx_atomic_uint_t key)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_LIMIT_SET; i++) {
        if (set[i].key == key) {
            return &set[i];
        }
    }

    return NULL;
}


/* who has least to pay goes; NULL: others took cells at the same time */

static ngx_k8s_limit_cell_t *
ngx_k8s_limits_claim(ngx_k8s_limit_cell_t *set, ngx_atomic_uint_t key)
{
    ngx_uint_t             i;
    ngx_atomic_uint_t      old, value, least;
    ngx_k8s_limit_cell_t  *cell;

    cell = set;
    least = set[0].value;

    for (i = 1; i < NGX_K8S_LIMIT_SET; i++) {
        if (set[i].value < least) {
            least = set[i].value;
            cell = &set[i];
        }
    }

    old = cell->key;
    value = cell->value;

    if (!ngx_atomic_cmp_set(&cell->key, old, key)) {
        return NULL;
    }

    /* what the old one has paid for is not the new one's; as long as it stays,
       the new one has less */

    (void) ngx_atomic_cmp_set(&cell->value, value, 0);

    return cell;
}


ngx_int_t
ngx_k8s_limits_peek(ngx_k8s_limits_t *limits, ngx_atomic_uint_t key,
    uint64_t now, uint64_t burst)
{
    ngx_atomic_uint_t      paid;
    ngx_k8s_limit_cell_t  *cell;

    cell = ngx_k8s_limits_find(ngx_k8s_limits_set(limits, key), key);
    paid = cell ? cell->value : 0;

    return (paid > now && paid - now > burst) ? NGX_BUSY : NGX_OK;
}


ngx_int_t
ngx_k8s_limits_take(ngx_k8s_limits_t *limits, ngx_atomic_uint_t key,
    uint64_t now, uint64_t interval, uint64_t burst)
{
    ngx_uint_t             i;
    ngx_atomic_uint_t      paid;
    ngx_k8s_limit_cell_t  *set, *cell;

    set = ngx_k8s_limits_set(limits, key);

    for (i = 0; i < NGX_K8S_LIMIT_TRIES; i++) {

        cell = ngx_k8s_limits_find(set, key);

        if (cell == NULL) {
            cell = ngx_k8s_limits_claim(set, key);

            if (cell == NULL) {
                continue;
            }
        }

        paid = cell->value;

        if (paid > now && paid - now > burst) {
            return NGX_BUSY;
        }

        if (ngx_atomic_cmp_set(&cell->value, paid,
                               ngx_max(paid, now) + interval))
        {
            return NGX_OK;
        }
    }

    return NGX_BUSY;
}


/* connections have no rates, so that their kind is free */

ngx_int_t
ngx_k8s_limits_once(ngx_k8s_limits_t *limits, ngx_str_t *texts, ngx_uint_t n,
    uint64_t now, uint64_t time)
{
    ngx_atomic_uint_t  key;

    key = ngx_k8s_limits_key(limits, texts, n);

    return ngx_k8s_limits_take(limits, ngx_k8s_limits_kind(key,
                                                  NGX_K8S_LIMIT_CONNECTIONS),
                               now, time, 0);
}


/* what one that was killed held under the number goes first */

ngx_int_t
ngx_k8s_limits_open(ngx_k8s_limits_t *limits, ngx_pid_t pid)
{
    ngx_uint_t             i, n;
    ngx_atomic_uint_t      key;
    ngx_k8s_limit_cell_t  *cell;

    for (i = 0; i < NGX_K8S_LIMIT_PROCESSES; i++) {

        if (limits->pids[i]
            || !ngx_atomic_cmp_set(&limits->pids[i], 0,
                                   (ngx_atomic_uint_t) pid))
        {
            continue;
        }

        ngx_k8s_limits_widen(limits, i);

        if (limits->held[i] == 0) {
            return i;
        }

        cell = limits->holds;

        for (n = limits->nholds * NGX_K8S_LIMIT_SET; n; n--, cell++) {

            key = cell->key;

            if ((key & NGX_K8S_LIMIT_PROCESS) == i + 1) {
                (void) ngx_atomic_cmp_set(&cell->key, key, 0);
            }
        }

        limits->held[i] = 0;

        return i;
    }

    return NGX_ERROR;
}


/* a key has a cell of each process: numbers are given from 0 on; it never
   becomes narrower, as what is held would be lost */

static void
ngx_k8s_limits_widen(ngx_k8s_limits_t *limits, ngx_uint_t process)
{
    ngx_atomic_uint_t  window, wanted;

    wanted = ngx_min(NGX_K8S_LIMIT_WINDOW + process / NGX_K8S_LIMIT_EACH,
                     limits->nholds);

    do {
        window = limits->window;

        if (window >= wanted) {
            return;
        }

    } while (!ngx_atomic_cmp_set(&limits->window, window, wanted));
}


void
ngx_k8s_limits_close(ngx_k8s_limits_t *limits, ngx_uint_t process)
{
    limits->pids[process] = 0;
}


void
ngx_k8s_limits_sweep(ngx_k8s_limits_t *limits, ngx_pid_t self,
    ngx_uint_t (*alive)(ngx_pid_t pid))
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  pid;

    for (i = 0; i < NGX_K8S_LIMIT_PROCESSES; i++) {

        pid = limits->pids[i];

        if (pid && pid != (ngx_atomic_uint_t) self
            && !alive((ngx_pid_t) pid))
        {
            (void) ngx_atomic_cmp_set(&limits->pids[i], pid, 0);
        }
    }
}


/* of those for a key, the cell of a number */

static ngx_k8s_limit_cell_t *
ngx_k8s_limits_holds(ngx_k8s_limits_t *limits, ngx_atomic_uint_t key,
    ngx_uint_t i)
{
    ngx_uint_t  set;

    set = ngx_k8s_limits_first(key, limits->nholds) + i / NGX_K8S_LIMIT_SET;

    return limits->holds + (set % limits->nholds) * NGX_K8S_LIMIT_SET
           + i % NGX_K8S_LIMIT_SET;
}


/*
 * Only its process writes a cell while that lives; one that is empty, or of a
 * dead process, is whose key gets there first.
 */

ngx_int_t
ngx_k8s_limits_hold(ngx_k8s_limits_t *limits, ngx_uint_t process,
    ngx_atomic_uint_t key, ngx_uint_t max)
{
    ngx_uint_t             i, n, last, tries;
    ngx_atomic_uint_t      k, old, number;
    ngx_k8s_limit_cell_t  *cell, *own, *other;

    key &= ~NGX_K8S_LIMIT_PROCESS;

    for (tries = 0; tries < NGX_K8S_LIMIT_TRIES; tries++) {

        own = NULL;
        other = NULL;
        old = 0;
        n = 0;

        last = limits->window * NGX_K8S_LIMIT_SET;

        for (i = 0; i < last; i++) {

            cell = ngx_k8s_limits_holds(limits, key, i);

            k = cell->key;
            number = k & NGX_K8S_LIMIT_PROCESS;

            if (number == 0 || limits->pids[number - 1] == 0) {

                if (other == NULL) {
                    other = cell;
                    old = k;
                }

                continue;
            }

            if ((k & ~NGX_K8S_LIMIT_PROCESS) == key) {
                n += cell->value;

                if (number == process + 1) {
                    own = cell;
                }
            }
        }

        if (n >= max) {
            return NGX_BUSY;
        }

        if (own == NULL && other == NULL) {
            return NGX_DECLINED;
        }

        limits->held[process]++;
        ngx_memory_barrier();

        if (own) {
            own->value++;
            return NGX_OK;
        }

        if (ngx_atomic_cmp_set(&other->key, old, key | (process + 1))) {
            other->value = 1;
            return NGX_OK;
        }

        limits->held[process]--;
    }

    return NGX_DECLINED;
}


void
ngx_k8s_limits_release(ngx_k8s_limits_t *limits, ngx_uint_t process,
    ngx_atomic_uint_t key)
{
    ngx_uint_t             i, last;
    ngx_k8s_limit_cell_t  *cell;

    key = (key & ~NGX_K8S_LIMIT_PROCESS) | (process + 1);

    last = limits->window * NGX_K8S_LIMIT_SET;

    for (i = 0; i < last; i++) {

        cell = ngx_k8s_limits_holds(limits, key, i);

        if (cell->key != key) {
            continue;
        }

        if (--cell->value == 0) {
            ngx_memory_barrier();
            cell->key = 0;
        }

        ngx_memory_barrier();
        limits->held[process]--;

        return;
    }
}


ngx_uint_t
ngx_k8s_limits_clients(ngx_k8s_limits_t *limits, uint64_t now,
    ngx_uint_t *used)
{
    ngx_uint_t             i, k, n, sets;
    ngx_k8s_limit_cell_t  *set;

    sets = ngx_min(limits->nrates, NGX_K8S_LIMIT_SAMPLE);
    n = 0;

    for (i = 0; i < sets; i++) {

        set = limits->rates + i * limits->nrates / sets * NGX_K8S_LIMIT_SET;

        for (k = 0; k < NGX_K8S_LIMIT_SET; k++) {
            n += (set[k].key && set[k].value > now);
        }
    }

    *used = sets ? n * limits->nrates / sets : 0;

    return limits->nrates * NGX_K8S_LIMIT_SET;
}
