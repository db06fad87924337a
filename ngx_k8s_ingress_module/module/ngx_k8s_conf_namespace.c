
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* The directives that say which namespaces are watched. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_conf.h>
#include <ngx_k8s_selector.h>


char *
ngx_k8s_conf_namespaces(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t   *value, *ns;
    ngx_uint_t   i, j;

    if (kcf->source.namespaces == NULL) {
        kcf->source.namespaces = ngx_array_create(cf->pool, 4,
                                                  sizeof(ngx_str_t));
        if (kcf->source.namespaces == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_k8s_dns_label(&value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid namespace \"%V\" in "
                               "\"watch_namespace\" directive, a name has "
                               "lower-case letters, digits and \"-\", at most "
                               "63 of them", &value[i]);
            return NGX_CONF_ERROR;
        }

        ns = kcf->source.namespaces->elts;

        for (j = 0; j < kcf->source.namespaces->nelts; j++) {
            if (ns[j].len == value[i].len
                && ngx_strncmp(ns[j].data, value[i].data, ns[j].len) == 0)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "namespace \"%V\" stands twice in "
                                   "\"watch_namespace\" directives, leave one "
                                   "out", &value[i]);
                return NGX_CONF_ERROR;
            }
        }

        ns = ngx_array_push(kcf->source.namespaces);
        if (ns == NULL) {
            return NGX_CONF_ERROR;
        }

        *ns = value[i];
    }

    return NGX_CONF_OK;
}


char *
ngx_k8s_conf_selector(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    char       *err;
    size_t      at;
    ngx_str_t  *value, rest;

    if (kcf->class.selector) {
        return "is duplicate";
    }

    value = cf->args->elts;

    kcf->class.selector_text = value[1];
    kcf->class.selector = ngx_k8s_selector_parse(cf->pool, &value[1], &err,
                                                 &at);

    if (kcf->class.selector) {
        return NGX_CONF_OK;
    }

    rest.data = value[1].data + at;
    rest.len = value[1].len - at;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid selector \"%V\" in \"watch_namespace_selector\""
                       " directive: %s at \"%V\", write it as in "
                       "\"team=shop,stage in (live, test),!closed\"",
                       &value[1], err, &rest);

    return NGX_CONF_ERROR;
}
