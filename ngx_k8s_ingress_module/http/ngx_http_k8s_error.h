
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_ERROR_H_INCLUDED_
#define _NGX_HTTP_K8S_ERROR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_template.h>


/*
 * Pages of errors from a Service (ngx_http_k8s_error.c), as
 * "custom-http-errors" and "default-backend" say.  nginx leads a request with
 * a status that is listed to a named location, which is added to each server
 * with a pass; a request for a Service without endpoints is proxied to the
 * default backend as it is.
 */

/* the location to which nginx leads requests */
#define NGX_HTTP_K8S_ERROR_LOCATION  "@k8s_ingress_error"

/* one of "error_page" in a snippet */

typedef struct {
    ngx_uint_t               status;
    ngx_int_t                over;       /* status of the answer; 0: as it
                                            comes, -1: that of the error */
    ngx_http_k8s_template_t  target;     /* path, URL, or name of a location */
} ngx_http_k8s_page_t;

/* adds the location, at configuration time */
ngx_int_t ngx_http_k8s_error_init(ngx_conf_t *cf, ngx_http_k8s_pass_t *pass);

/* appends what makes nginx catch the statuses that settings list */
ngx_int_t ngx_http_k8s_error_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings);

/*
 * profile->error from the record of a profile, or NULL, with its values; NULL
 * where it needs none.  In a worker, under the caller's pin.
 */
ngx_int_t ngx_http_k8s_error_create(ngx_http_k8s_profile_t *profile,
    ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_policy_t *rec, ngx_str_t *values,
    ngx_pool_t *temp_pool);

/*
 * A request whose Service has no endpoints: NGX_DECLINED when the default
 * backend takes it, else 503.  Under the caller's pin.
 */
ngx_int_t ngx_http_k8s_error_missing(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table);

/*
 * In the named location: NGX_DECLINED when the request goes to the error
 * backend, else 404.
 */
ngx_int_t ngx_http_k8s_error_page(ngx_http_request_t *r);

/* the page of a snippet for the error that is to be answered, or NULL */
ngx_http_k8s_page_t *ngx_http_k8s_error_find(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_ERROR_H_INCLUDED_ */
