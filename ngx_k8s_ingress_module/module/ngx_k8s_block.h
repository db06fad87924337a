
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A k8s_ingress block as other rooms see it: its name, its set of routes and a
 * view of its table.  What it was configured with and what runs for it belong
 * to module/ (ngx_k8s_module.h).
 */


#ifndef _NGX_K8S_BLOCK_H_INCLUDED_
#define _NGX_K8S_BLOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_k8s_answers.h>
#include <ngx_k8s_limits.h>
#include <ngx_k8s_listen.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_table.h>


typedef struct ngx_k8s_block_s       ngx_k8s_block_t;
typedef struct ngx_k8s_block_conf_s  ngx_k8s_block_conf_t;
typedef struct ngx_k8s_watcher_s     ngx_k8s_watcher_t;
typedef struct ngx_k8s_zone_s        ngx_k8s_zone_t;
typedef struct ngx_k8s_saver_s       ngx_k8s_saver_t;


#define NGX_K8S_DEFAULTS_INGRESS_NGINX  0
#define NGX_K8S_DEFAULTS_NGINX          1


/* one for each block and cycle, in the cycle's pool */

struct ngx_k8s_block_s {
    ngx_str_t                name;       /* "" for the unnamed one */
    ngx_uint_t               n;          /* number of the block, from 0 */
    uint32_t                 route_set;  /* 0: the Ingress API's */
    ngx_uint_t               defaults;   /* NGX_K8S_DEFAULTS_* */
    ngx_str_t                healthz;    /* path on the catch-all host */
    ngx_uint_t               request_builder;  /* on: 1 */
    ngx_resolver_t          *resolver;   /* of names, or NULL */
    ngx_msec_t               resolver_timeout;
    ngx_uint_t               loopback;   /* 127.0.0.1 may be named */
    ngx_k8s_limits_t        *limits;     /* set in the master, kept over a
                                            reload unless its size changes */
    ngx_k8s_answers_t       *answers;    /* likewise */
    ngx_str_t                controller; /* and the class it serves, for */
    ngx_str_t                class_name; /* labels of metrics */
    ngx_str_t                election;   /* name of the Lease, the same; empty:
                                            there is none */
    ngx_array_t              listens;    /* ngx_k8s_listen_t of its passes, as
                                            they are written */
    ngx_k8s_block_conf_t    *conf;       /* module/: the rest of it */

    /* module/: set in the master when the zone is made */
    ngx_str_t                zone_name;
    ngx_shm_zone_t          *zone;
    ngx_k8s_zone_t          *shared;     /* kept over reload */
    ngx_k8s_table_t         *table;
    ngx_fd_t                 right;      /* memfd, see ngx_k8s_writer.h */
    ngx_uint_t               told;       /* level of the error log before the
                                            reload, NGX_LOG_* */
    /* as in ngx_k8s_compile_conf_t; http/ has it */
    ngx_int_t              (*regex)(ngx_str_t *pattern, ngx_str_t *error,
                                ngx_log_t *log);
    ngx_uint_t             (*variable)(ngx_str_t *name);

    /* of one process */
    ngx_k8s_view_t           view;
    ngx_int_t                limits_process; /* number, or NGX_ERROR:
                                            in limits and answers */
    ngx_event_t              limits_sweep;   /* module/; its timer is set where
                                            connections are counted */
    ngx_event_t              unpin;      /* module/ */
    ngx_k8s_watcher_t       *watcher;    /* module/: NULL where none runs */
    ngx_k8s_saver_t         *saver;      /* module/: NULL without snapshot */

    /* http/: as compile's conf.build(), NULL without a pass */
    ngx_int_t              (*build)(ngx_k8s_block_t *block, ngx_uint_t base,
                                ngx_str_t *values, ngx_str_t *error);

    /* http/: compile's conf.running() */
    ngx_int_t              (*running)(ngx_k8s_block_t *block,
                                ngx_k8s_row_t *row, ngx_str_t *value);

    /* each room's own per-process state */
    void                    *http;       /* http/: pools, cursors */
    void                    *ssl;        /* http/: parsed certificates */
};


/*
 * The block with this name, NULL when there is none; at configuration time
 * after the http block was read, and at run time.
 */
ngx_k8s_block_t *ngx_k8s_block(ngx_conf_t *cf, ngx_str_t *name);

/* whether a process is; see ngx_k8s_answers_look() */
ngx_uint_t ngx_k8s_limit_zone_alive(ngx_pid_t pid);

/* from an address, all else 0; NGX_DECLINED: it is neither IPv4 nor IPv6 */
ngx_int_t ngx_k8s_listen_init(ngx_k8s_listen_t *listen,
    struct sockaddr *sockaddr);

/* ngx_k8s_block_t * of all blocks of a cycle; NULL: it has no http block */
ngx_array_t *ngx_k8s_blocks(ngx_cycle_t *cycle);

/* the first pin of a turn; there is a table */
void ngx_k8s_pin_turn(ngx_k8s_block_t *block);

/*
 * Pins the block's table for the rest of this turn of the event loop (a posted
 * event unpins) and returns it; NULL when there is no table, so in the master.
 * Any worker; never in a thread.
 */

static ngx_inline ngx_k8s_table_t *
ngx_k8s_pin(ngx_k8s_block_t *block)
{
    if (!block->view.pinned && block->view.table) {
        ngx_k8s_pin_turn(block);
    }

    return block->view.table;
}


#endif /* _NGX_K8S_BLOCK_H_INCLUDED_ */
