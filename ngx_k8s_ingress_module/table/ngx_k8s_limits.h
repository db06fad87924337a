
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Limits of clients: a zone beside the table, in which every worker counts
 * without a lock.  A key is a hash of what is limited and of the client; cells
 * are in sets of eight.  Any process may be killed at any instruction: what it
 * leaves is at most one request counted that did not come, or one that came and
 * was not counted.  Pure.
 */


#ifndef _NGX_K8S_LIMITS_H_INCLUDED_
#define _NGX_K8S_LIMITS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* processes at a time; workers of older cycles among them */
#define NGX_K8S_LIMIT_PROCESSES      1023

/* milliseconds, from one look for processes that have died to the next, as long
   as connections are counted */
#define NGX_K8S_LIMIT_SWEEP          1000

/* the least size of a zone */
#define NGX_K8S_LIMITS_MIN           (256 * 1024)

/* kinds of limits, rates first, and the annotations of theirs */
#define NGX_K8S_LIMIT_RPS            0
#define NGX_K8S_LIMIT_RPM            1
#define NGX_K8S_LIMIT_RATES          2
#define NGX_K8S_LIMIT_CONNECTIONS    2
#define NGX_K8S_LIMIT_KINDS          3

extern ngx_str_t  ngx_k8s_limit_names[NGX_K8S_LIMIT_KINDS];

typedef struct {
    ngx_atomic_t             key;        /* 0: empty; of what a process holds,
                                            its number and one are in it */
    ngx_atomic_t             value;      /* of a rate: microseconds, until when
                                            requests are paid for; of what a
                                            process holds: their number */
} ngx_k8s_limit_cell_t;

typedef struct {
    uint64_t                 seed[2];    /* of keys */
    ngx_uint_t               nrates;     /* sets */
    ngx_uint_t               nholds;
    ngx_atomic_t             refused[NGX_K8S_LIMIT_KINDS][2];  /* requests; the
                                            latter: had it not been a dry run */
    ngx_atomic_t             window;     /* sets in which a key may be held */
    ngx_atomic_t             pids[NGX_K8S_LIMIT_PROCESSES];  /* 0: none */
    ngx_atomic_t             held[NGX_K8S_LIMIT_PROCESSES];  /* by each number;
                                            not less than its cells say */
    ngx_k8s_limit_cell_t    *rates;
    ngx_k8s_limit_cell_t    *holds;      /* of all processes */
} ngx_k8s_limits_t;


/* lays out zeroed memory, which stays at its address; random seed.  In the
   master */
ngx_k8s_limits_t *ngx_k8s_limits_init(u_char *addr, size_t size,
    uint64_t *seed);

/* the key of some texts, and that of a kind of limit made of it */

#define ngx_k8s_limits_kind(key, kind)                                        \
    (((key) & ~(ngx_atomic_uint_t) NGX_K8S_LIMIT_KINDS) | ((kind) + 1))

ngx_atomic_uint_t ngx_k8s_limits_key(ngx_k8s_limits_t *limits,
    ngx_str_t *texts, ngx_uint_t n);

/* the first of some sets for a key, by its upper half */

#define ngx_k8s_limits_first(key, n)                                          \
    ((ngx_uint_t) (((uint64_t) (key) >> 32) * (n) >> 32))

/*
 * Whether a request passes that is paid for with so many microseconds, where
 * burst may be ahead of its time: NGX_OK or NGX_BUSY.  take() counts it.  A
 * full set gives up what is paid for the shortest time.  now: microseconds.
 */
ngx_int_t ngx_k8s_limits_peek(ngx_k8s_limits_t *limits, ngx_atomic_uint_t key,
    uint64_t now, uint64_t burst);
ngx_int_t ngx_k8s_limits_take(ngx_k8s_limits_t *limits, ngx_atomic_uint_t key,
    uint64_t now, uint64_t interval, uint64_t burst);

/*
 * What some texts say is new, and is not so for as many microseconds: NGX_OK,
 * else NGX_BUSY.  It is remembered among the rates, and forgotten as they are.
 */
ngx_int_t ngx_k8s_limits_once(ngx_k8s_limits_t *limits, ngx_str_t *texts,
    ngx_uint_t n, uint64_t now, uint64_t time);

/*
 * A process takes a number, under which it counts, and gives it back;
 * NGX_ERROR: there is none left.  sweep() gives back those of processes that
 * have died: alive() says whether one has not.
 */
ngx_int_t ngx_k8s_limits_open(ngx_k8s_limits_t *limits, ngx_pid_t pid);
void ngx_k8s_limits_close(ngx_k8s_limits_t *limits, ngx_uint_t process);
void ngx_k8s_limits_sweep(ngx_k8s_limits_t *limits, ngx_pid_t self,
    ngx_uint_t (*alive)(ngx_pid_t pid));

/*
 * Counts one for a key, as long as all processes do not hold more than max:
 * NGX_OK, NGX_BUSY, or NGX_DECLINED: no room.  release() counts it back.
 */
ngx_int_t ngx_k8s_limits_hold(ngx_k8s_limits_t *limits, ngx_uint_t process,
    ngx_atomic_uint_t key, ngx_uint_t max);
void ngx_k8s_limits_release(ngx_k8s_limits_t *limits, ngx_uint_t process,
    ngx_atomic_uint_t key);


/* counts a request that is refused, or would have been */
#define ngx_k8s_limits_refused(limits, kind, dry_run)                         \
    (void) ngx_atomic_fetch_add(&(limits)->refused[kind][(dry_run) ? 1 : 0], 1)

/*
 * How many rates of clients the zone has room for, and as used how many it
 * remembers: those that have come less than their due ago.  That is an estimate
 * of at most 32,768 of them.  In any process.
 */
ngx_uint_t ngx_k8s_limits_clients(ngx_k8s_limits_t *limits, uint64_t now,
    ngx_uint_t *used);


#endif /* _NGX_K8S_LIMITS_H_INCLUDED_ */
