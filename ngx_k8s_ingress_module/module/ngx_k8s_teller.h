
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Problems of objects in the error log: a line when one comes, as an error or a
 * warning, and a notice when it goes.  After many lines within a short time the
 * others are only counted: all problems are in the table.  In the watcher.
 */


#ifndef _NGX_K8S_TELLER_H_INCLUDED_
#define _NGX_K8S_TELLER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>
#include <ngx_k8s_record.h>


#define NGX_K8S_TELLER_LINES         20
#define NGX_K8S_TELLER_TIME          10000  /* milliseconds */


typedef struct {
    ngx_log_t               *log;
    ngx_str_t                name;       /* of the zone */
    ngx_msec_t               begun;
    ngx_uint_t               lines;      /* since then */
    ngx_uint_t               left_out;
    ngx_uint_t               level;      /* of these the lowest: NGX_LOG_* */
} ngx_k8s_teller_t;


void ngx_k8s_teller_init(ngx_k8s_teller_t *t, ngx_str_t *name,
    ngx_log_t *log);

/* the problems of an object have changed; either is NULL where it has none */
void ngx_k8s_teller_told(ngx_k8s_teller_t *t, ngx_k8s_problem_rec_t *old,
    ngx_k8s_problem_rec_t *now);

/* says those in the table that a log of this level, NGX_LOG_*, did not take */
void ngx_k8s_teller_standing(ngx_k8s_teller_t *t, ngx_k8s_table_t *table,
    ngx_uint_t level);


#endif /* _NGX_K8S_TELLER_H_INCLUDED_ */
