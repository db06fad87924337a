
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_K8S_VARIABLES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


/*
 * Variables (ngx_http_k8s_variables.c), one row each; docs are made of them.
 * add: at preconfiguration; index: at postconfiguration, what they are made
 * of; reset: forgets what was cached before routing.
 */

typedef struct {
    ngx_str_t                name;
    ngx_http_get_variable_pt handler;
    uintptr_t                data;
    ngx_uint_t               flags;
    ngx_str_t                note;
} ngx_http_k8s_variable_t;

extern ngx_http_k8s_variable_t  ngx_http_k8s_variables[];

ngx_int_t ngx_http_k8s_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_k8s_index_variables(ngx_conf_t *cf,
    ngx_http_k8s_main_conf_t *kmcf);
void ngx_http_k8s_reset_variables(ngx_http_request_t *r);


#endif /* _NGX_HTTP_K8S_VARIABLES_H_INCLUDED_ */
