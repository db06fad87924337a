
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* what the sections of /status share */


#ifndef _NGX_HTTP_K8S_STATUS_H_INCLUDED_
#define _NGX_HTTP_K8S_STATUS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_admin.h>


#define NGX_HTTP_K8S_STATUS_ITEMS    64   /* of a record in one step */


/* writes a piece of the host in a->record; NGX_AGAIN when there is more */
ngx_int_t ngx_http_k8s_status_host(ngx_http_k8s_admin_t *a);


/*
 * Problems (ngx_http_k8s_status_problem.c): those of the record in a->record;
 * NGX_AGAIN when there are more.  With a host those that it shows, or that are
 * of an Ingress with a path of it, which were noted before.
 */
ngx_int_t ngx_http_k8s_status_problem(ngx_http_k8s_admin_t *a);
void ngx_http_k8s_status_note(ngx_http_k8s_admin_t *a,
    ngx_k8s_rule_rec_t *rule);


/* ngx_http_k8s_status_out.c */

/* begins a new element of the section's array */
void ngx_http_k8s_status_open(ngx_http_k8s_admin_t *a);

/* name as it is, with punctuation, then a string of a record, quoted */
void ngx_http_k8s_status_member(ngx_http_k8s_admin_t *a, char *name,
    void *rec, ngx_k8s_str_t *s);

/* its key, quoted: "global", or in hexadecimal digits */
void ngx_http_k8s_status_policy_key(ngx_http_k8s_admin_t *a,
    ngx_k8s_policy_t *rec);

/* at most 32 bytes, quoted */
void ngx_http_k8s_status_hex(ngx_http_k8s_admin_t *a, u_char *data,
    size_t len);


#endif /* _NGX_HTTP_K8S_STATUS_H_INCLUDED_ */
