
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* what the handlers of metrics share */


#ifndef _NGX_HTTP_K8S_METRICS_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_admin.h>


/* handlers of what ingress-nginx exports too */

ngx_int_t ngx_http_k8s_metric_requests(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
ngx_int_t ngx_http_k8s_metric_durations(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
ngx_int_t ngx_http_k8s_metric_expire(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
ngx_int_t ngx_http_k8s_metric_orphan(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
ngx_int_t ngx_http_k8s_metric_leader(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);

#if (NGX_STAT_STUB)

#define NGX_HTTP_K8S_STUB_STATES     0
#define NGX_HTTP_K8S_STUB_TOTAL      1
#define NGX_HTTP_K8S_STUB_REQUESTS   2

ngx_int_t ngx_http_k8s_metric_stub(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);

#endif


/* the metric's name and "{" */
void ngx_http_k8s_metric_head(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);

/* ingress-nginx's labels; the name of a named block besides, to be unique */

void ngx_http_k8s_metric_block(ngx_http_k8s_admin_t *a);

/* name="value", escaped; a comma, if any, begins the name */
void ngx_http_k8s_metric_label(ngx_http_k8s_admin_t *a, char *name,
    ngx_str_t *value);


#endif /* _NGX_HTTP_K8S_METRICS_H_INCLUDED_ */
