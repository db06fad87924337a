
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The end of a k8s_ingress block: defaults of what it does not say, and what
 * does not go together.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_conf.h>


static char *ngx_k8s_conf_finish_source(ngx_conf_t *cf, ngx_k8s_conf_t *kcf);
static char *ngx_k8s_conf_config_map(ngx_conf_t *cf, ngx_k8s_conf_t *kcf);
static char *ngx_k8s_conf_environment(ngx_conf_t *cf, char *name,
    ngx_str_t *value);


char *
ngx_k8s_conf_finish(ngx_conf_t *cf, ngx_k8s_conf_t *kcf)
{
    ngx_k8s_block_t  *block;

    block = kcf->block;

    if (kcf->class.selector && kcf->source.namespaces) {
        return "has both \"watch_namespace\" and "
               "\"watch_namespace_selector\", leave one out";
    }

    if (kcf->class.controller.data == NULL) {
        ngx_str_set(&kcf->class.controller, "k8s.io/ingress-nginx");
    }

    if (kcf->class.class_name.data == NULL) {
        ngx_str_set(&kcf->class.class_name, "nginx");
    }

    kcf->class.gate.risk = NGX_K8S_RISK_HIGH;

    if (kcf->class.gate.prefix.data == NULL) {
        ngx_str_set(&kcf->class.gate.prefix, "nginx.ingress.kubernetes.io");

    } else if (ngx_k8s_dns_subdomain(&kcf->class.gate.prefix) != NGX_OK) {
        return "has an \"annotations_prefix\" that is no DNS name";
    }

    if (kcf->compile.topology_zone.data
        && (kcf->compile.topology_zone.len == 0
            || kcf->compile.topology_zone.len > 63
            || ngx_strlchr(kcf->compile.topology_zone.data,
                           kcf->compile.topology_zone.data
                           + kcf->compile.topology_zone.len, ',')))
    {
        return "has a \"topology_zone\" that is no value of a label";
    }

    if (kcf->healthz.data == NULL) {
        ngx_str_set(&kcf->healthz, "/healthz");
    }

    ngx_conf_init_value(kcf->class_by_name, 0);
    ngx_conf_init_value(kcf->without_class, 0);
    ngx_conf_init_value(kcf->external_names, 1);
    ngx_conf_init_value(kcf->annotation_validation, 1);
    ngx_conf_init_value(kcf->request_builder, 1);
    ngx_conf_init_uint_value(kcf->defaults, NGX_K8S_DEFAULTS_INGRESS_NGINX);
    ngx_conf_init_value(kcf->problems, 1000);
    ngx_conf_init_uint_value(kcf->compile.ownership, 0);

    kcf->class.config_map = kcf->compile.config_map;
    kcf->class.class_by_name = kcf->class_by_name;
    kcf->class.without_class = kcf->without_class;
    kcf->class.gate.loose = !kcf->annotation_validation;

    kcf->compile.problems = kcf->problems;
    kcf->compile.no_names = !kcf->external_names;

#if (NGX_HTTP_V2 && nginx_version >= 1029004)
    kcf->compile.http2 = 1;
#endif

    kcf->compile.add_slash =
                          (kcf->defaults == NGX_K8S_DEFAULTS_INGRESS_NGINX);

    if (kcf->zone_size == 0) {
        kcf->zone_size = NGX_K8S_ZONE_DEFAULT;
    }

    block->conf->zone_size = kcf->zone_size;

    ngx_conf_init_size_value(kcf->limits_size, NGX_K8S_LIMITS_DEFAULT);

    if (kcf->limits_size < NGX_K8S_LIMITS_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the size in \"limits\" directive is too small, the "
                           "least is 256k");
        return NGX_CONF_ERROR;
    }

    block->conf->limits_size = kcf->limits_size;

    ngx_conf_init_size_value(kcf->answers_size, NGX_K8S_ANSWERS_DEFAULT);

    if (kcf->answers_size < NGX_K8S_ANSWERS_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the size in \"auth_cache\" directive is too small, "
                           "the least is 256k");
        return NGX_CONF_ERROR;
    }

    block->conf->answers_size = kcf->answers_size;

    ngx_conf_init_msec_value(kcf->client_check, 600000);
    block->conf->client_check = kcf->client_check;
    block->conf->class = kcf->class;
    block->controller = kcf->class.controller;
    block->class_name = kcf->class.class_name;
    block->defaults = kcf->defaults;
    block->healthz = kcf->healthz;
    block->request_builder = kcf->request_builder;
    block->conf->snapshot = kcf->snapshot;

    return ngx_k8s_conf_finish_source(cf, kcf);
}


static char *
ngx_k8s_conf_finish_source(ngx_conf_t *cf, ngx_k8s_conf_t *kcf)
{
    ngx_k8s_source_conf_t  *source;

    source = &kcf->source;

    ngx_conf_init_uint_value(source->type, NGX_K8S_SOURCE_IN_CLUSTER);
    ngx_conf_init_msec_value(source->connect_timeout, 5000);
    ngx_conf_init_msec_value(source->watch_timeout, 300000);
    ngx_conf_init_msec_value(source->list_timeout, 60000);
    ngx_conf_init_msec_value(source->list_time, 600000);
    ngx_conf_init_msec_value(source->backoff_max, 30000);
    ngx_conf_init_size_value(source->object_max, NGX_K8S_OBJECT_MAX);
    ngx_conf_init_value(kcf->page, 500);

    if (source->connect_timeout == 0 || source->list_timeout == 0
        || source->backoff_max == 0 || source->watch_timeout < 1000
        || source->list_time < 1000)
    {
        return "has a time that is too short: \"connect_timeout\", "
               "\"list_timeout\" and \"backoff\" have to be above 0, "
               "\"watch_timeout\" at least 1s, \"list_time\" as well";
    }

    /* it is doubled */

    source->list_time = ngx_min(source->list_time, 24 * 3600 * 1000);

    if (kcf->page == 0) {
        return "has \"list_page 0\", at least 1 is needed";
    }

    if (source->object_max < 1024 || source->object_max > NGX_K8S_OBJECT_MAX) {
        return "has an \"object_max\" that is not between 1k and 4m";
    }

    if (source->type != NGX_K8S_SOURCE_MANIFESTS
        && kcf->class.selector == NULL)
    {

        /* nothing depends on them, and the right to read them is asked for */

        source->skip |= 1 << NGX_K8S_NAMESPACE;
    }

    if (ngx_k8s_conf_config_map(cf, kcf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    source->page = kcf->page;
    kcf->compile.loopback = (source->type == NGX_K8S_SOURCE_MANIFESTS);

    if (source->type == NGX_K8S_SOURCE_IN_CLUSTER) {

        if (ngx_k8s_conf_environment(cf, "KUBERNETES_SERVICE_HOST",
                                     &source->host)
            != NGX_CONF_OK
            || ngx_k8s_conf_environment(cf, "KUBERNETES_SERVICE_PORT",
                                        &source->port)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        ngx_str_set(&source->token,
                    "/var/run/secrets/kubernetes.io/serviceaccount/token");
        ngx_str_set(&source->ca,
                    "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
    }

    kcf->block->conf->source = kcf->source;
    kcf->block->conf->compile = kcf->compile;

    return ngx_k8s_conf_finish_report(cf, kcf);
}


/* the one that is named is read wherever it is */

static char *
ngx_k8s_conf_config_map(ngx_conf_t *cf, ngx_k8s_conf_t *kcf)
{
    u_char                 *slash;
    ngx_str_t              *value, *scopes;
    ngx_uint_t              n;
    ngx_k8s_source_only_t  *only;

    value = &kcf->compile.config_map;

    if (value->len == 0) {
        return NGX_CONF_OK;
    }

    only = &kcf->source.only[NGX_K8S_CONFIG_MAP];
    n = ngx_k8s_source_scopes(&kcf->source, NGX_K8S_CONFIG_MAP, &scopes);

    only->scopes = ngx_palloc(cf->pool, (1 + n) * sizeof(ngx_str_t));
    if (only->scopes == NULL) {
        return NGX_CONF_ERROR;
    }

    slash = ngx_strlchr(value->data, value->data + value->len, '/');

    only->namespace.data = value->data;
    only->namespace.len = slash - value->data;
    only->name.data = slash + 1;
    only->name.len = value->data + value->len - only->name.data;

    only->scopes[0] = only->namespace;
    ngx_memcpy(&only->scopes[1], scopes, n * sizeof(ngx_str_t));
    only->nscopes = 1 + n;

    return NGX_CONF_OK;
}


/* takes a copy of an environment variable, which workers do not have */

static char *
ngx_k8s_conf_environment(ngx_conf_t *cf, char *name, ngx_str_t *value)
{
    char  *env;

    env = getenv(name);

    if (env == NULL || *env == '\0') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"source in_cluster\" needs %s in the "
                           "environment, as a Pod has it; outside of a "
                           "cluster write \"source kubeconfig FILE\" or "
                           "\"source manifests FOLDER\"", name);
        return NGX_CONF_ERROR;
    }

    value->len = ngx_strlen(env);
    value->data = ngx_pnalloc(cf->pool, value->len + 1);

    if (value->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(value->data, env, value->len + 1);

    return NGX_CONF_OK;
}
