
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Label selectors in Kubernetes' text form: "a=b,c!=d,e in (f,g),h notin (i),
 * j,!k,l>1".  Pure; a selector is read at configuration time and matched by the
 * watcher.
 */


#ifndef _NGX_K8S_SELECTOR_H_INCLUDED_
#define _NGX_K8S_SELECTOR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_K8S_SELECTOR_IN          0   /* "=", "==" and "in" */
#define NGX_K8S_SELECTOR_NOT_IN      1   /* "!=" and "notin" */
#define NGX_K8S_SELECTOR_EXISTS      2
#define NGX_K8S_SELECTOR_NOT_EXISTS  3
#define NGX_K8S_SELECTOR_GREATER     4
#define NGX_K8S_SELECTOR_LESS        5


/* one requirement; a selector is an array of them, and all have to hold */

typedef struct {
    ngx_str_t                key;
    ngx_uint_t               op;         /* NGX_K8S_SELECTOR_* */
    ngx_array_t              values;     /* ngx_str_t */
    int64_t                  number;     /* of GREATER and LESS */
} ngx_k8s_requirement_t;


/*
 * Reads a selector into pool; strings point into the text.  NULL: it is none,
 * *err says why and *at is the offset of what is wrong.
 */
ngx_array_t *ngx_k8s_selector_parse(ngx_pool_t *pool, ngx_str_t *text,
    char **err, size_t *at);

/* whether labels, ngx_keyval_t or NULL for none, meet a selector: 1 or 0 */
ngx_uint_t ngx_k8s_selector_match(ngx_array_t *selector, ngx_array_t *labels);


#endif /* _NGX_K8S_SELECTOR_H_INCLUDED_ */
