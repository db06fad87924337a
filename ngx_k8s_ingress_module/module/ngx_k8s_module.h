
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The k8s_ingress block, its zone and its watcher, as module/ sees them.  All
 * that lives at run time hangs off the ngx_k8s_block_t.
 */


#ifndef _NGX_K8S_MODULE_H_INCLUDED_
#define _NGX_K8S_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_block.h>
#include <ngx_k8s_compile.h>
#include <ngx_k8s_report_conf.h>
#include <ngx_k8s_source.h>


/* the snapshot directive */

typedef struct {
    ngx_str_t                path;       /* full, empty: none */
    ngx_flag_t               keys;
    time_t                   max_age;    /* seconds */
} ngx_k8s_snapshot_conf_t;


#define NGX_K8S_NAMESERVERS          3
#define NGX_K8S_SEARCH               32
#define NGX_K8S_NDOTS_MAX            15

/* what /etc/resolv.conf says */

typedef struct {
    ngx_str_t                names[NGX_K8S_NAMESERVERS];
    ngx_uint_t               nnames;
    ngx_str_t                search[NGX_K8S_SEARCH];  /* domains */
    ngx_uint_t               nsearch;
    ngx_uint_t               ndots;      /* names with fewer dots are looked up
                                            in these first */
} ngx_k8s_resolv_conf_t;


/* what a block was configured with, in the cycle's pool */

struct ngx_k8s_block_conf_s {
    u_char                  *file;       /* where it stands, for messages */
    ngx_uint_t               line;
    ngx_k8s_source_conf_t    source;
    ngx_k8s_class_conf_t     class;
    ngx_k8s_compile_conf_t   compile;
    ngx_k8s_snapshot_conf_t  snapshot;
    ngx_k8s_report_conf_t    report;
    size_t                   zone_size;
    size_t                   limits_size;
    size_t                   answers_size;
    ngx_msec_t               client_check; /* 0: never */
    ngx_k8s_resolv_conf_t   *resolv;     /* of all blocks */
};


typedef struct {
    ngx_array_t              blocks;     /* ngx_k8s_block_t * */
    ngx_flag_t               backported; /* no warning of an old nginx */

    /* of a binary upgrade, see ngx_k8s_accept.c */
    ngx_pid_t                old_master; /* 0: there was none */
    ngx_msec_t               upgraded;

    /* of one worker that leaves connections to the old ones */
    ngx_event_t              accept;
    ngx_connection_t         dummy;      /* data of the event */
    u_char                  *held;       /* 1: a listening socket's event */
    ngx_uint_t               accept_mutex;
} ngx_k8s_main_conf_t;


/*
 * A directive: how it is read, and what the documentation says of it.  All of
 * them are in one table, which ends with an empty name; those without a
 * setter belong to other modules.
 */

typedef struct {
    ngx_command_t            command;    /* name, arguments, setter */
    char                    *syntax;
    char                    *value;      /* default, "" for none */
    char                    *context;
    char                    *text;       /* one or two sentences */
} ngx_k8s_directive_t;

extern ngx_k8s_directive_t  ngx_k8s_directives[];

extern ngx_module_t  ngx_k8s_ingress_module;


/*
 * ngx_k8s_accept.c: tells a binary upgrade, while the http block is read; and
 * in a worker leaves connections to the old workers until the tables are there.
 */
void ngx_k8s_accept_conf(ngx_conf_t *cf, ngx_k8s_main_conf_t *kmcf);
ngx_int_t ngx_k8s_accept_init(ngx_k8s_main_conf_t *kmcf, ngx_cycle_t *cycle);


/* watcher (ngx_k8s_watcher.c): start and stop in a worker */

ngx_int_t ngx_k8s_watcher_start(ngx_k8s_block_t *block, ngx_cycle_t *cycle);
void ngx_k8s_watcher_stop(ngx_k8s_block_t *block);


#endif /* _NGX_K8S_MODULE_H_INCLUDED_ */
