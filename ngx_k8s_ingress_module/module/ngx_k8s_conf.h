
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_K8S_CONF_H_INCLUDED_
#define _NGX_K8S_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_module.h>


#define NGX_K8S_ZONE_MIN             (1024 * 1024)
#define NGX_K8S_ZONE_DEFAULT         (64 * 1024 * 1024)
#define NGX_K8S_LIMITS_DEFAULT       (16 * 1024 * 1024)
#define NGX_K8S_ANSWERS_DEFAULT      (8 * 1024 * 1024)
#define NGX_K8S_ZONE_MAX             ((uint64_t) 16 * 1024 * 1024 * 1024)


/* what a block's directives fill while it is read; on the stack */

typedef struct {
    ngx_k8s_block_t         *block;
    ngx_k8s_source_conf_t    source;
    ngx_k8s_class_conf_t     class;
    ngx_k8s_compile_conf_t   compile;
    ngx_str_t                healthz;
    ngx_k8s_snapshot_conf_t  snapshot;
    ngx_k8s_report_conf_t    report;
    size_t                   zone_size;
    size_t                   limits_size;
    size_t                   answers_size;
    ngx_uint_t               defaults;
    ngx_int_t                page;
    ngx_msec_t               client_check;
    ngx_int_t                problems;
    ngx_flag_t               class_by_name;
    ngx_flag_t               without_class;
    ngx_flag_t               external_names;
    ngx_flag_t               annotation_validation;
    ngx_flag_t               request_builder;
} ngx_k8s_conf_t;


/* reads one block; NGX_CONF_OK, or an error as a directive's setter has it */
char *ngx_k8s_conf_block(ngx_conf_t *cf, ngx_k8s_block_t *block);

/*
 * The resolver of the http block, without a search list, or one made of the
 * nameservers of /etc/resolv.conf; NULL in *resolver when there is neither.
 */
ngx_int_t ngx_k8s_conf_resolver(ngx_conf_t *cf, ngx_resolver_t **resolver,
    ngx_msec_t *timeout, ngx_k8s_resolv_conf_t *conf);
/* reads the text of such a file; names are in the pool */
ngx_int_t ngx_k8s_resolv_conf(ngx_pool_t *pool, ngx_k8s_resolv_conf_t *conf,
    u_char *p, u_char *last);


/* ngx_k8s_conf_finish.c: the block was read; returns as ngx_k8s_conf_block() */
char *ngx_k8s_conf_finish(ngx_conf_t *cf, ngx_k8s_conf_t *kcf);


/* ngx_k8s_conf_report.c: setters of directives, and the end of a block whose
   source is known */
char *ngx_k8s_conf_publish_service(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_k8s_conf_publish_address(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_k8s_conf_publish_nodes(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_k8s_conf_election(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_k8s_conf_finish_report(ngx_conf_t *cf, ngx_k8s_conf_t *kcf);


/* ngx_k8s_conf_namespace.c: setters of directives */
char *ngx_k8s_conf_namespaces(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_k8s_conf_selector(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


/* ngx_k8s_conf_snapshot.c */

#define NGX_K8S_SNAPSHOT_MAX_AGE     (24 * 3600)

char *ngx_k8s_conf_snapshot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* refuses a file that one of the n blocks before has, too */
char *ngx_k8s_conf_snapshot_once(ngx_conf_t *cf, ngx_k8s_block_t **blocks,
    ngx_uint_t n, ngx_k8s_block_t *block);


/* ngx_k8s_zone.c: asks for the zone of a block */
ngx_int_t ngx_k8s_zone_add(ngx_conf_t *cf, ngx_k8s_block_t *block);

/* in the master, once for each configuration that comes into force: tells the
   workers of the one before that others go on */
void ngx_k8s_zone_begin(ngx_k8s_block_t *block);

/* the zones of limits and answers (ngx_k8s_limit_zone.c): at configuration
   time, with their sizes in block->conf; in a worker, and when it ends */
ngx_int_t ngx_k8s_limit_zone_add(ngx_conf_t *cf, ngx_k8s_block_t *block);
void ngx_k8s_limit_zone_open(ngx_k8s_block_t *block, ngx_cycle_t *cycle);
void ngx_k8s_limit_zone_close(ngx_k8s_block_t *block);


#endif /* _NGX_K8S_CONF_H_INCLUDED_ */
