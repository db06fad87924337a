
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_DATA_H_INCLUDED_
#define _NGX_HTTP_K8S_DATA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_block.h>


/*
 * What Secrets have that policies name, as of now (ngx_http_k8s_data.c): pinned
 * here, good to the end of the turn of the event loop.  "object" is a value of
 * settings, "namespace/name".  NULL: there is none, what it protects is closed.
 * In any worker.
 */

/* use is NGX_K8S_DATA_* */
ngx_k8s_data_t *ngx_http_k8s_data(ngx_k8s_block_t *block, ngx_uint_t use,
    ngx_str_t *object);

/* its certificate and key; NULL also where they are bad, or not there */
ngx_k8s_certificate_t *ngx_http_k8s_data_certificate(ngx_k8s_block_t *block,
    ngx_str_t *object);


#endif /* _NGX_HTTP_K8S_DATA_H_INCLUDED_ */
