
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Words of a table that other rooms set: with the records, which the writer
 * puts, and the counters this is all that is ever written to shared memory.
 */


#ifndef _NGX_K8S_TABLE_SET_H_INCLUDED_
#define _NGX_K8S_TABLE_SET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>


/* watcher: what is published may be relied on; returns 1 for the first time */

static ngx_inline ngx_uint_t
ngx_k8s_table_set_ready(ngx_k8s_table_t *table)
{
    if (table->ready) {
        return 0;
    }

    ngx_memory_barrier();
    table->ready = 1;

    return 1;
}


/* NGX_K8S_RESTORE_*: the master wants it, worker 0 begins and ends it */

static ngx_inline void
ngx_k8s_table_set_restore(ngx_k8s_table_t *table, ngx_uint_t restore)
{
    ngx_memory_barrier();
    table->restore = restore;
    ngx_memory_barrier();
}


/* watcher: the table is one of this time, in seconds; 0: of the source */

static ngx_inline void
ngx_k8s_table_set_restored(ngx_k8s_table_t *table, time_t time)
{
    table->restored = time;
}


/* watcher: the snapshot file was written at that time, or could not be */

static ngx_inline void
ngx_k8s_table_set_saved(ngx_k8s_table_t *table, time_t time)
{
    table->saved = time;
}


static ngx_inline void
ngx_k8s_table_set_unsaved(ngx_k8s_table_t *table)
{
    table->save_errors++;
}


/* watcher: so many objects have problems that are not in the table */

static ngx_inline void
ngx_k8s_table_set_dropped(ngx_k8s_table_t *table, ngx_uint_t n)
{
    table->problems_dropped = n;
}


/* watcher: so many Ingresses are of each of n states */

static ngx_inline void
ngx_k8s_table_set_states(ngx_k8s_table_t *table, uint64_t *states,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        table->states[i] = states[i];
    }
}


/* master: another configuration takes the place of that of this table */

static ngx_inline void
ngx_k8s_table_set_cycle(ngx_k8s_table_t *table)
{
    table->cycles++;
}


/* watcher: whether it writes to the API server; so many addresses; a request
   of NGX_K8S_WROTE_* has ended so */

static ngx_inline void
ngx_k8s_table_set_leader(ngx_k8s_table_t *table, ngx_uint_t leader)
{
    table->leader = leader;
}


static ngx_inline void
ngx_k8s_table_set_addresses(ngx_k8s_table_t *table, ngx_uint_t n)
{
    table->addresses = n;
}


static ngx_inline void
ngx_k8s_table_wrote(ngx_k8s_table_t *table, ngx_uint_t what, ngx_uint_t result)
{
    table->wrote[what][result]++;
}


/* any worker, under a pin: a try of an endpoint, and how it went */

static ngx_inline void
ngx_k8s_stat_set(ngx_k8s_stat_t *stat, ngx_uint_t failed, ngx_uint_t refused)
{
    (void) ngx_atomic_fetch_add(&stat->requests, 1);

    if (failed) {
        (void) ngx_atomic_fetch_add(&stat->failures, 1);
    }

    if (refused) {
        stat->refused = ngx_current_msec | 1;
    }
}


#endif /* _NGX_K8S_TABLE_SET_H_INCLUDED_ */
