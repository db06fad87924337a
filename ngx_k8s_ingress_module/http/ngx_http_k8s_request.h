
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Requests to backends by plans of profiles: what ngx_http_k8s_plan.c makes,
 * and ngx_http_k8s_request.c reads.
 */


#ifndef _NGX_HTTP_K8S_REQUEST_H_INCLUDED_
#define _NGX_HTTP_K8S_REQUEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


/* rows at most */
#define NGX_HTTP_K8S_PLAN_VALUES     64


/* one line "Name: value", or constant lines */

typedef struct {
    ngx_str_t                 text;      /* "Name: ", or all of it */
    ngx_int_t                 index;     /* of the variable that is its value,
                                            or NGX_ERROR: */
    ngx_http_complex_value_t *value;     /* NULL: it is constant */
} ngx_http_k8s_plan_row_t;


/*
 * Lives as long as the profile that it was made for, which those over it hold;
 * never changes.
 */

struct ngx_http_k8s_plan_s {
    ngx_http_handler_pt       handler;   /* nginx's own */
    ngx_array_t              *source;    /* of which it is made */
    ngx_array_t               rows;      /* ngx_http_k8s_plan_row_t */
    size_t                    len;       /* of all their text, and what is
                                            the same in each request */
    ngx_array_t               names;     /* ngx_str_t, in lower case, of headers
                                            that are not passed on */
    ngx_uint_t                mask;      /* of slots */
    u_char                   *slots;     /* by hash, number of a name from 1;
                                            0: free */
};


/*
 * The handler of a location with a plan.  NGX_DONE, or the status of an error,
 * as nginx's own.
 */
ngx_int_t ngx_http_k8s_request_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_K8S_REQUEST_H_INCLUDED_ */
