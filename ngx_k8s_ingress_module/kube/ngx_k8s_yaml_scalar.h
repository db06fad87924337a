
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_K8S_YAML_SCALAR_H_INCLUDED_
#define _NGX_K8S_YAML_SCALAR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>


/*
 * A scalar's value: "tag" may be NULL, "plain" is not quoted and no block.
 * NULL: *error says why, a static string, or is NULL: no memory.
 */
json_t *ngx_k8s_yaml_resolve(ngx_str_t *s, u_char *tag, ngx_uint_t plain,
    char **error);


#endif /* _NGX_K8S_YAML_SCALAR_H_INCLUDED_ */
