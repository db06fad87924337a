
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_TABLES_H_INCLUDED_
#define _NGX_HTTP_K8S_TABLES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_k8s_snippet.h>


/*
 * Variables of http-snippet (ngx_http_k8s_tables.c): map and geo as nginx has
 * them, looked up when a text of ours asks for one.  nginx itself does not know
 * of them.  They are of a base, as long as its pool.
 */

/* profile->maps, from settings; NULL: there are none; NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_tables_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/* whether a base, or the one that the watcher has built last for a block, has a
   variable of this name in lower case */
ngx_uint_t ngx_http_k8s_tables_has(ngx_array_t *maps, ngx_str_t *name);
ngx_uint_t ngx_http_k8s_tables_known(ngx_k8s_block_t *block, ngx_str_t *name);

/*
 * The value of a variable for a request, in its pool or that of the base:
 * NGX_OK; NGX_DECLINED: there is no such variable, its table leads round, or
 * the value needs more than NGX_HTTP_K8S_TABLES_LOOKUPS of them;
 * NGX_ERROR: no memory, or an expression gave up.
 */
ngx_int_t ngx_http_k8s_tables_get(ngx_http_request_t *r, ngx_array_t *maps,
    ngx_str_t *name, ngx_str_t *value);


#endif /* _NGX_HTTP_K8S_TABLES_H_INCLUDED_ */
