
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_BASE_H_INCLUDED_
#define _NGX_HTTP_K8S_BASE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_k8s_policy.h>


/*
 * The base of a pass (ngx_http_k8s_base.c): the profile of routes without a
 * policy, over which those of policies are.  It has the defaults of rows, and
 * what the ConfigMap says in their place.  The one without a ConfigMap, the
 * builtin, is of the cycle; others are of a worker, which builds one at its
 * first request after a change, or half a second later.  Values are by row,
 * see ngx_k8s_policy.h.
 */

/* what a base is made of, for a protocol of backends; what the builtin is made
   of and over, sets klcf->builtin and ->base */
ngx_array_t *ngx_http_k8s_base_tokens(ngx_http_k8s_loc_conf_t *klcf,
    ngx_pool_t *pool, ngx_str_t *values, ngx_uint_t protocol);
ngx_http_k8s_profile_t *ngx_http_k8s_base_builtin(ngx_conf_t *cf,
    ngx_http_k8s_loc_conf_t *klcf, ngx_array_t *tokens, ngx_str_t *error);

/* locations over the builtin for protocols that other modules serve, and with
   them the SSL contexts that all profiles share; at configuration time */
ngx_int_t ngx_http_k8s_base_protocols(ngx_conf_t *cf,
    ngx_http_k8s_loc_conf_t *klcf);

/*
 * A profile of values over a base, or such a base, where base is NULL, with a
 * copy of values; as ngx_http_k8s_profile_create().
 */
ngx_http_k8s_profile_t *ngx_http_k8s_base_over(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_str_t *values, ngx_pool_t *temp_pool,
    ngx_str_t *error);

/* the same for backends that are asked by HTTP/2, of values over a base */
ngx_http_k8s_profile_t *ngx_http_k8s_base_h2c(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_str_t *values, ngx_pool_t *temp_pool,
    ngx_str_t *error);

/*
 * The same of what the watcher has built over another nginx.conf: values that
 * this one refuses are taken out, tried one after the other in the order of
 * rows; closed is set when one of them protects.  NULL: no memory.
 */
ngx_http_k8s_profile_t *ngx_http_k8s_base_taken(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_str_t *values, ngx_uint_t *closed,
    ngx_log_t *log);

/* the one in force, under a pin; table: NULL, there is none */
#define ngx_http_k8s_base(klcf, table, log)                                   \
    (((table) && (table)->global != (klcf)->global)                           \
     ? (ngx_http_k8s_base_renew(klcf, table, log), (klcf)->base)              \
     : (klcf)->base)

void ngx_http_k8s_base_renew(ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_table_t *table, ngx_log_t *log);

/* has each pass follow the ConfigMap, with requests or without; in a worker,
   where its cycle begins */
void ngx_http_k8s_base_init(ngx_cycle_t *cycle);

/* what a record says, texts stay in it; closed: its keys close all routes */
ngx_str_t *ngx_http_k8s_values(ngx_k8s_policy_t *rec, ngx_pool_t *pool,
    ngx_uint_t *closed);
/* a copy: the values in one pool, their texts in another one */
ngx_str_t *ngx_http_k8s_values_copy(ngx_pool_t *pool, ngx_pool_t *texts,
    ngx_str_t *values);


#endif /* _NGX_HTTP_K8S_BASE_H_INCLUDED_ */
