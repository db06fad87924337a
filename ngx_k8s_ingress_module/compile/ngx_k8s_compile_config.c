
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * ConfigMaps that are named: so far the controller's own, of which nothing is
 * made but that it is there.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


ngx_int_t
ngx_k8s_compile_config(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_problem_t  problem;

    static ngx_str_t  directive = ngx_string("config_map");

    if (node != c->config) {
        return NGX_OK;
    }

    if (ngx_k8s_store_get(c->store, NGX_K8S_CONFIG_MAP, &node->namespace,
                          &node->name))
    {
        ngx_k8s_compile_directive(c, &directive, NULL);
        return NGX_OK;
    }

    ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));

    problem.code = NGX_K8S_PROBLEM_CONFIG_NOT_FOUND;
    problem.message = ngx_k8s_compile_text(c, "ConfigMap %V/%V is not there",
                                           &node->namespace, &node->name);

    ngx_k8s_compile_directive(c, &directive, &problem);

    return NGX_OK;
}
