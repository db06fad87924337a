
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Answers of auth servers: a zone beside the table, in which all workers keep
 * them, and agree on who asks, without a lock.  A cell holds a name and an
 * answer, in a set of cells of one size that the hash of the name leads to; a
 * quarter of the zone has cells of each size.  A flight is one word: who asks
 * for a name now, and until when.
 *
 * Writers are told by their numbers in the zone of limits (ngx_k8s_limits.h);
 * what one of them was killed over belongs to nobody once its number is free or
 * is taken by another one.  Any process may be killed at any instruction: at
 * most an answer is lost, and those that wait for it wait until the flight is
 * late.  Pure.
 */


#ifndef _NGX_K8S_ANSWERS_H_INCLUDED_
#define _NGX_K8S_ANSWERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_limits.h>


/* the least size of a zone */
#define NGX_K8S_ANSWERS_MIN          (256 * 1024)

/* bytes of a name and an answer together, at most */
#define NGX_K8S_ANSWER_MAX           (8192 - sizeof(ngx_k8s_answer_cell_t))

/* milliseconds, after which one that asks is late, and others ask */
#define NGX_K8S_FLIGHT_LATE          3000

/* milliseconds, for which nobody waits for an answer that is not kept */
#define NGX_K8S_FLIGHT_PASS          1000

#define NGX_K8S_ANSWER_CLASSES       4

/* a reader believes what it has read when the state before and after it is the
   same, and no writer's */

typedef struct {
    ngx_atomic_t             state;      /* a sequence, and in the lowest bits
                                            the number of its writer and one;
                                            0: it is whole */
    ngx_atomic_t             key;        /* hash of the name; 0: empty */
    ngx_atomic_t             expires;    /* milliseconds */
    uint32_t                 status;
    uint32_t                 name;       /* bytes, which follow */
    uint32_t                 size;       /* bytes of the answer, behind them */
    uint32_t                 pad;
} ngx_k8s_answer_cell_t;

typedef struct {
    u_char                  *cells;
    ngx_uint_t               nsets;
    size_t                   size;       /* of a cell */
} ngx_k8s_answer_class_t;

typedef struct {
    ngx_k8s_answer_class_t   classes[NGX_K8S_ANSWER_CLASSES];
    ngx_atomic_t            *flights;
    ngx_uint_t               nflights;   /* sets */
    ngx_atomic_t             writing[NGX_K8S_LIMIT_PROCESSES];  /* by number:
                                            address of the cell that it
                                            writes, or 0 */
    ngx_atomic_t             asking[NGX_K8S_LIMIT_PROCESSES];  /* flights, not
                                            less than it has */
} ngx_k8s_answers_t;

/* as it is told, and as it is kept; strings are the caller's */

typedef struct {
    ngx_atomic_uint_t        key;        /* ngx_k8s_limits_key() of the name */
    ngx_str_t                name;       /* all that one answer is for */
    ngx_uint_t               status;
    ngx_str_t                answer;     /* any bytes */
    ngx_msec_t               expires;    /* of ngx_current_msec */
} ngx_k8s_answer_t;


/* lays out zeroed memory, which stays at its address.  In the master */
ngx_k8s_answers_t *ngx_k8s_answers_init(u_char *addr, size_t size);

/*
 * A process has taken a number: what one before it was killed over is given
 * back.  Before it does anything else here.
 */
void ngx_k8s_answers_open(ngx_k8s_answers_t *answers, ngx_uint_t process);

/*
 * Looks for an answer of key and name: NGX_OK, the rest of *a is set, in the
 * pool; NGX_DECLINED: there is none; NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_answers_get(ngx_k8s_answers_t *answers, ngx_k8s_answer_t *a,
    ngx_msec_t now, ngx_pool_t *pool);

/*
 * Keeps one.  Of a full set that goes which is over, then which expires first,
 * those that let nobody through before others.  NGX_DECLINED: it is too large,
 * or others write.
 */
ngx_int_t ngx_k8s_answers_put(ngx_k8s_answers_t *answers,
    ngx_k8s_limits_t *limits, ngx_uint_t process, ngx_k8s_answer_t *a,
    ngx_msec_t now);

/*
 * Who asks.  begin(): NGX_OK, the caller does and has to say so by end();
 * NGX_AGAIN: another process does; NGX_BUSY: this one does; NGX_DECLINED: the
 * caller asks for itself, as answers of that name are not kept, or there is no
 * room.  look(), from time to time, for one that waits: NGX_AGAIN: it goes on;
 * NGX_OK: who asked is late, or gone by alive(), and the flight is the
 * caller's; NGX_DECLINED: there is none any more.
 */
ngx_int_t ngx_k8s_answers_begin(ngx_k8s_answers_t *answers,
    ngx_k8s_limits_t *limits, ngx_uint_t process, ngx_atomic_uint_t key,
    ngx_msec_t now);
ngx_int_t ngx_k8s_answers_look(ngx_k8s_answers_t *answers,
    ngx_k8s_limits_t *limits, ngx_uint_t process, ngx_atomic_uint_t key,
    ngx_msec_t now, ngx_uint_t (*alive)(ngx_pid_t pid));

/* ends the caller's flight; pass: others do not wait for the next one */
void ngx_k8s_answers_end(ngx_k8s_answers_t *answers, ngx_uint_t process,
    ngx_atomic_uint_t key, ngx_uint_t pass, ngx_msec_t now);


#endif /* _NGX_K8S_ANSWERS_H_INCLUDED_ */
