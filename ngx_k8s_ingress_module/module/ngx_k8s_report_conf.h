
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What a block says of writing to the API server.
 */


#ifndef _NGX_K8S_REPORT_CONF_H_INCLUDED_
#define _NGX_K8S_REPORT_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_lease.h>
#include <ngx_k8s_publish.h>


#define NGX_K8S_REPORT_RATE_MAX      1000


typedef struct {
    ngx_flag_t               status;     /* statuses are written */
    ngx_flag_t               shutdown;   /* and taken back by the last one */
    ngx_flag_t               told;       /* Events are */
    ngx_int_t                rate;       /* writes in a second */
    ngx_k8s_lease_conf_t     lease;
    ngx_k8s_publish_conf_t   publish;
    ngx_str_t                pod;        /* our name */
} ngx_k8s_report_conf_t;


#endif /* _NGX_K8S_REPORT_CONF_H_INCLUDED_ */
