
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_limits.h>


#define NGX_K8S_LIMIT_SET            8
#define NGX_K8S_LIMIT_TRIES          64

/* of the zone, the share of what processes hold */
#define NGX_K8S_LIMIT_HOLDS          4


static ngx_uint_t ngx_k8s_limits_power(size_t n);
static uint64_t ngx_k8s_limits_hash(uint64_t *seed, ngx_str_t *texts,
    ngx_uint_t n);
static ngx_k8s_limit_cell_t *ngx_k8s_limits_find(ngx_k8s_limit_cell_t *set,
    ngx_atomic_uint_t key);
static ngx_k8s_limit_cell_t *ngx_k8s_limits_claim(ngx_k8s_limit_cell_t *set,
    ngx_atomic_uint_t key);
static ngx_k8s_limit_cell_t *ngx_k8s_limits_holds(ngx_k8s_limits_t *limits,
    ngx_uint_t process, ngx_atomic_uint_t key);


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

    limits->nholds = ngx_k8s_limits_power(size / NGX_K8S_LIMIT_HOLDS / set
                                          / NGX_K8S_LIMIT_PROCESSES);
    limits->holds = (ngx_k8s_limit_cell_t *) addr;

    addr += limits->nholds * NGX_K8S_LIMIT_PROCESSES * set;
    size -= limits->nholds * NGX_K8S_LIMIT_PROCESSES * set;

    limits->nsets = ngx_k8s_limits_power(size / set);
    limits->rates = (ngx_k8s_limit_cell_t *) addr;

    return limits;
}


/* the largest one that is not above n; n is not 0 */

static ngx_uint_t
ngx_k8s_limits_power(size_t n)
{
    ngx_uint_t  power;

    for (power = 1; power <= n / 2; power *= 2) { /* void */ }

    return power;
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
    ((limits)->rates + ((key) & ((limits)->nsets - 1)) * NGX_K8S_LIMIT_SET)


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


/* NULL: others took cells at the same time */

static ngx_k8s_limit_cell_t *
ngx_k8s_limits_claim(ngx_k8s_limit_cell_t *set, ngx_atomic_uint_t key)
{
    ngx_uint_t             i;
    ngx_atomic_uint_t      old, value;
    ngx_k8s_limit_cell_t  *cell;

    cell = set;

    for (i = 1; i < NGX_K8S_LIMIT_SET; i++) {
        if (set[i].value < cell->value) {
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


ngx_int_t
ngx_k8s_limits_open(ngx_k8s_limits_t *limits, ngx_pid_t pid)
{
    ngx_uint_t             i;
    ngx_atomic_uint_t      n;
    ngx_k8s_limit_cell_t  *cell;

    for (i = 0; i < NGX_K8S_LIMIT_PROCESSES; i++) {

        if (limits->pids[i] == 0
            && ngx_atomic_cmp_set(&limits->pids[i], 0,
                                  (ngx_atomic_uint_t) pid))
        {
            cell = limits->holds + i * limits->nholds * NGX_K8S_LIMIT_SET;

            ngx_memzero(cell, limits->nholds * NGX_K8S_LIMIT_SET
                              * sizeof(ngx_k8s_limit_cell_t));

            do {
                n = limits->nprocesses;
            } while (n <= i
                     && !ngx_atomic_cmp_set(&limits->nprocesses, n, i + 1));

            return i;
        }
    }

    return NGX_ERROR;
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


static ngx_k8s_limit_cell_t *
ngx_k8s_limits_holds(ngx_k8s_limits_t *limits, ngx_uint_t process,
    ngx_atomic_uint_t key)
{
    return limits->holds + (process * limits->nholds
                            + (key & (limits->nholds - 1)))
                           * NGX_K8S_LIMIT_SET;
}


ngx_int_t
ngx_k8s_limits_hold(ngx_k8s_limits_t *limits, ngx_uint_t process,
    ngx_atomic_uint_t key, ngx_uint_t max)
{
    ngx_uint_t             i, n;
    ngx_k8s_limit_cell_t  *set, *own, *cell;

    set = ngx_k8s_limits_holds(limits, process, key);
    own = ngx_k8s_limits_find(set, key);

    for (i = 0; own == NULL && i < NGX_K8S_LIMIT_SET; i++) {
        if (set[i].value == 0) {
            own = &set[i];
            own->key = key;
        }
    }

    if (own == NULL) {
        return NGX_DECLINED;
    }

    own->value++;
    n = own->value;

    ngx_memory_barrier();

    for (i = 0; i < limits->nprocesses && n <= max; i++) {

        if (i == process || limits->pids[i] == 0) {
            continue;
        }

        cell = ngx_k8s_limits_find(ngx_k8s_limits_holds(limits, i, key), key);
        n += cell ? cell->value : 0;
    }

    if (n > max) {
        own->value--;
        return NGX_BUSY;
    }

    return NGX_OK;
}


void
ngx_k8s_limits_release(ngx_k8s_limits_t *limits, ngx_uint_t process,
    ngx_atomic_uint_t key)
{
    ngx_k8s_limit_cell_t  *cell;

    cell = ngx_k8s_limits_find(ngx_k8s_limits_holds(limits, process, key),
                               key);

    if (cell && cell->value) {
        cell->value--;
    }
}
