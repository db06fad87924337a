
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_LOG_H_INCLUDED_
#define _NGX_HTTP_K8S_LOG_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_template.h>


/*
 * The access log, as keys of the ConfigMap have it (ngx_http_k8s_log.c,
 * ngx_http_k8s_log_line.c).  nginx's log module writes it: "access_log PATH
 * k8s_ingress", whose format is one variable, $k8s_access_log, the line.  So
 * files, buffers, rotation and syslog are nginx's, and a format changes with a
 * base.  In any worker.
 */

/* at preconfiguration: the format; at postconfiguration: indices for the
   variables of the default line, and the handler of the log phase, which
   stands around that of the log module */
ngx_int_t ngx_http_k8s_log_format(ngx_conf_t *cf);
ngx_int_t ngx_http_k8s_log_index(ngx_conf_t *cf);
ngx_int_t ngx_http_k8s_log_init(ngx_conf_t *cf);

/* profile->log of a base, whose settings are known; NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_log_profile(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_pool_t *pool);

/* as ngx_http_k8s_template_check() */
ngx_int_t ngx_http_k8s_log_check(ngx_pool_t *pool, ngx_k8s_block_t *block,
    ngx_http_k8s_known_pt known, ngx_str_t *values, ngx_str_t *error);

/* the line of a request, as $k8s_access_log */
ngx_int_t ngx_http_k8s_log_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* how values are escaped */

#define NGX_HTTP_K8S_LOG_DEFAULT     0   /* as \xHH; "-" where there is none */
#define NGX_HTTP_K8S_LOG_JSON        1
#define NGX_HTTP_K8S_LOG_NONE        2

/* bytes that are added by escaping; the escaped text, returns its end */
size_t ngx_http_k8s_log_escaped(ngx_uint_t escape, ngx_str_t *text);
u_char *ngx_http_k8s_log_escape(u_char *dst, ngx_uint_t escape,
    ngx_str_t *text);


/* a piece of the line */

typedef u_char *(*ngx_http_k8s_log_run_pt)(ngx_http_request_t *r, u_char *p);

typedef struct {
    ngx_str_t                text;       /* or name of the variable */
    ngx_uint_t               key;        /* its hash */
    ngx_int_t                index;      /* or NGX_ERROR: found by its name */
    size_t                   len;        /* of what run() writes, at most */
    ngx_http_k8s_log_run_pt  run;        /* NULL: the text, or the variable */
    ngx_http_variable_t     *hidden;     /* nginx does not find it by its name;
                                            NULL: it does */
    unsigned                 variable:1;
    unsigned                 blank:1;    /* "", where it has no value */
    unsigned                 located:1;  /* known once a request has a
                                            location */
    unsigned                 upstream:1; /* $proxy_upstream_name */
} ngx_http_k8s_log_op_t;

struct ngx_http_k8s_log_s {
    ngx_array_t             *ops;        /* ngx_http_k8s_log_op_t */
    ngx_uint_t               nvariables;
    size_t                   len;        /* of all but variables */
    ngx_uint_t               escape;     /* NGX_HTTP_K8S_LOG_* */
    ngx_array_t             *conditions; /* ngx_http_k8s_template_t: texts, with
                                            which requests are logged; NULL: all
                                            are */
    ngx_array_t             *skip;       /* map: URIs of those that are not;
                                            NULL: none */
};

/* whether it is one of those that are written without a variable; whether
   nginx or we know it */
ngx_uint_t ngx_http_k8s_log_written(ngx_str_t *name);
ngx_uint_t ngx_http_k8s_log_known(ngx_str_t *name);

/* sets ops and len of a format */
ngx_int_t ngx_http_k8s_log_compile(ngx_http_k8s_loc_conf_t *klcf,
    ngx_pool_t *pool, ngx_http_k8s_log_t *log, ngx_str_t *format);


#endif /* _NGX_HTTP_K8S_LOG_H_INCLUDED_ */
