
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Objects back to JSON.  Private to ngx_k8s_write*.c. */


#ifndef _NGX_K8S_WRITE_CORE_H_INCLUDED_
#define _NGX_K8S_WRITE_CORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_write.h>


/* all of them take over no string, and set w->failed without memory */
void ngx_k8s_write_text(ngx_k8s_write_t *w, const char *text, size_t len);
void ngx_k8s_write_open(ngx_k8s_write_t *w, json_t *json);
void ngx_k8s_write_inner(ngx_k8s_write_t *w, const char *text);
json_t *ngx_k8s_write_new(ngx_k8s_write_t *w, json_t *json);
void ngx_k8s_write_set(ngx_k8s_write_t *w, json_t *json, const char *name,
    json_t *value);
void ngx_k8s_write_str(ngx_k8s_write_t *w, json_t *json, const char *name,
    ngx_str_t *s);
void ngx_k8s_write_scalar(ngx_k8s_write_t *w, json_t *json);


/*
 * Of a kind: what is in no list; an element of a list, where w->n says, or
 * NGX_DONE: there is none.
 */
json_t *ngx_k8s_write_ingress(ngx_k8s_write_t *w, ngx_k8s_ingress_t *ingress);
ngx_int_t ngx_k8s_write_rules(ngx_k8s_write_t *w);
ngx_int_t ngx_k8s_write_entries(ngx_k8s_write_t *w);
json_t *ngx_k8s_write_service(ngx_k8s_write_t *w, ngx_k8s_service_t *service);
ngx_int_t ngx_k8s_write_ports(ngx_k8s_write_t *w);
ngx_int_t ngx_k8s_write_slice_ports(ngx_k8s_write_t *w);
ngx_int_t ngx_k8s_write_endpoints(ngx_k8s_write_t *w);
json_t *ngx_k8s_write_class(ngx_k8s_write_t *w, ngx_k8s_ingress_class_t *class);


#endif /* _NGX_K8S_WRITE_CORE_H_INCLUDED_ */
