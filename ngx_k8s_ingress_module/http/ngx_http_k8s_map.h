
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_MAP_H_INCLUDED_
#define _NGX_HTTP_K8S_MAP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Lists of keys that ingress-nginx writes as parameters of "map"
 * (ngx_http_k8s_map.c): texts, compared as a whole and without regard to case,
 * and regular expressions after "~" or "~*".  In any worker.
 */

/* of a list with commas, in the pool; NULL: it is empty.  NGX_ERROR: no
   memory */
ngx_int_t ngx_http_k8s_map(ngx_pool_t *pool, ngx_array_t **map,
    ngx_str_t *list);

/* NGX_OK: one of them is the text's; NGX_DECLINED: none; NGX_ERROR: an
   expression gave up, before any was */
ngx_int_t ngx_http_k8s_map_find(ngx_array_t *map, ngx_str_t *text,
    ngx_log_t *log);

/* NGX_DECLINED: an expression is none that can be read, *error says why, as in
   ngx_http_k8s_profile_build(); NGX_ERROR: no memory */
ngx_int_t ngx_http_k8s_map_check(ngx_str_t *list, ngx_str_t *error);


#endif /* _NGX_HTTP_K8S_MAP_H_INCLUDED_ */
