
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is written to the API server: directives, defaults, and what does not go
 * together.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_conf.h>
#include <ngx_k8s_credentials.h>


#define NGX_K8S_REPORT_NAMESPACE                                              \
    "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


static ngx_k8s_publish_conf_t *ngx_k8s_conf_publish(ngx_k8s_conf_t *kcf);
static void ngx_k8s_conf_split(ngx_str_t *value, ngx_str_t *namespace,
    ngx_str_t *name);
static void ngx_k8s_conf_pod(ngx_conf_t *cf, ngx_k8s_report_conf_t *report,
    ngx_str_t *namespace);
static char *ngx_k8s_conf_report_check(ngx_conf_t *cf, ngx_k8s_conf_t *kcf,
    ngx_str_t *namespace);


static char  ngx_k8s_conf_published[] =
    "is beside another one that says which addresses are published";


/* NULL: another directive has said it */

static ngx_k8s_publish_conf_t *
ngx_k8s_conf_publish(ngx_k8s_conf_t *kcf)
{
    return (kcf->report.publish.type == NGX_K8S_PUBLISH_NONE)
           ? &kcf->report.publish : NULL;
}


char *
ngx_k8s_conf_publish_service(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t               *value;
    ngx_k8s_publish_conf_t  *publish;

    publish = ngx_k8s_conf_publish(kcf);
    if (publish == NULL) {
        return ngx_k8s_conf_published;
    }

    value = cf->args->elts;

    publish->type = NGX_K8S_PUBLISH_SERVICE;

    ngx_k8s_conf_split(&value[1], &publish->namespace, &publish->name);

    if ((publish->namespace.data
         && ngx_k8s_dns_label(&publish->namespace) != NGX_OK)
        || ngx_k8s_dns_label(&publish->name) != NGX_OK)
    {
        return "needs the name of a Service";
    }

    return NGX_CONF_OK;
}


char *
ngx_k8s_conf_publish_address(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_k8s_publish_conf_t  *publish;

    publish = ngx_k8s_conf_publish(kcf);
    if (publish == NULL) {
        return ngx_k8s_conf_published;
    }

    publish->type = NGX_K8S_PUBLISH_GIVEN;

    publish->given = ngx_array_create(cf->pool, cf->args->nelts,
                                      sizeof(ngx_str_t));
    if (publish->given == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_k8s_publish_add(publish->given, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (publish->given->nelts != cf->args->nelts - 1) {
        return "needs IP addresses and host names, each once, with "
               "spaces between";
    }

    return NGX_CONF_OK;
}


char *
ngx_k8s_conf_publish_nodes(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t               *value;
    ngx_k8s_publish_conf_t  *publish;

    publish = ngx_k8s_conf_publish(kcf);
    if (publish == NULL) {
        return ngx_k8s_conf_published;
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "external") == 0) {
        publish->type = NGX_K8S_PUBLISH_NODES;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "internal") == 0) {
        publish->type = NGX_K8S_PUBLISH_INTERNAL;
        return NGX_CONF_OK;
    }

    return "has an invalid value";
}


char *
ngx_k8s_conf_election(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t             *value;
    ngx_k8s_lease_conf_t  *lease;

    lease = &kcf->report.lease;

    if (lease->name.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        ngx_str_set(&lease->name, "");
        return NGX_CONF_OK;
    }

    ngx_k8s_conf_split(&value[1], &lease->namespace, &lease->name);

    if ((lease->namespace.data
         && ngx_k8s_dns_label(&lease->namespace) != NGX_OK)
        || ngx_k8s_dns_subdomain(&lease->name) != NGX_OK)
    {
        return "needs the name of a Lease";
    }

    return NGX_CONF_OK;
}


/* "namespace/name", or a name: the namespace is left as it is */

static void
ngx_k8s_conf_split(ngx_str_t *value, ngx_str_t *namespace, ngx_str_t *name)
{
    u_char  *slash;

    *name = *value;

    slash = ngx_strlchr(value->data, value->data + value->len, '/');

    if (slash) {
        namespace->data = value->data;
        namespace->len = slash - value->data;
        name->data = slash + 1;
        name->len = value->data + value->len - name->data;
    }
}


char *
ngx_k8s_conf_finish_report(ngx_conf_t *cf, ngx_k8s_conf_t *kcf)
{
    char                   *rv;
    ngx_str_t               namespace;
    ngx_k8s_report_conf_t  *report;

    report = &kcf->report;

    ngx_conf_init_value(report->rate, 50);
    ngx_conf_init_msec_value(report->lease.duration, 30000);

    if (report->rate < 1 || report->rate > NGX_K8S_REPORT_RATE_MAX) {
        return "has a \"write_rate\" that is not between 1 and 1000";
    }

    if (report->lease.duration < 2000) {
        return "has an \"election_ttl\" that is too short, the least is 2s";
    }

    if (report->lease.name.data == NULL) {
        ngx_str_set(&report->lease.name, "ingress-nginx-leader");
    }

    ngx_k8s_conf_pod(cf, report, &namespace);

    if (kcf->source.type == NGX_K8S_SOURCE_MANIFESTS) {

        if (report->publish.type != NGX_K8S_PUBLISH_NONE
            || report->status == 1 || report->told == 1)
        {
            return "writes to an API server (\"update_status\", "
                   "\"publish_...\", \"events\"), and manifests have none";
        }

        report->status = 0;
        report->shutdown = 0;
        report->told = 0;

    } else {
        rv = ngx_k8s_conf_report_check(cf, kcf, &namespace);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    kcf->block->conf->report = *report;

    if ((report->status || report->told) && report->lease.name.len) {
        kcf->block->election = report->lease.name;
    }

    return NGX_CONF_OK;
}


static char *
ngx_k8s_conf_report_check(ngx_conf_t *cf, ngx_k8s_conf_t *kcf,
    ngx_str_t *namespace)
{
    ngx_k8s_report_conf_t  *report;

    report = &kcf->report;

    if (report->status == 1 && report->publish.type == NGX_K8S_PUBLISH_NONE) {
        return "has \"update_status on\", and no address to be written: name "
               "some with \"publish_service\", \"publish_address\" or "
               "\"publish_nodes\"";
    }

    ngx_conf_init_value(report->status, 1);
    ngx_conf_init_value(report->shutdown, 0);

    if (report->shutdown && report->publish.type != NGX_K8S_PUBLISH_SERVICE) {
        return "has \"update_status_on_shutdown on\", which needs "
               "\"publish_service\": its endpoints say whether another "
               "replica is left";
    }

    if (report->publish.type == NGX_K8S_PUBLISH_NONE) {
        report->status = 0;
    }

    /* by default in a Pod alone, where the namespace of the Lease is known */

    ngx_conf_init_value(report->told,
                        kcf->source.type == NGX_K8S_SOURCE_IN_CLUSTER
                        && (namespace->len || report->lease.namespace.len
                            || report->lease.name.len == 0));

    if (report->publish.type == NGX_K8S_PUBLISH_SERVICE
        && report->publish.namespace.len == 0)
    {
        if (namespace->len == 0) {
            return "has a \"publish_service\" without a namespace, which "
                   "needs POD_NAMESPACE in the environment";
        }

        report->publish.namespace = *namespace;
    }

    if (report->publish.type == NGX_K8S_PUBLISH_NODES
        || report->publish.type == NGX_K8S_PUBLISH_INTERNAL)
    {
        if (namespace->len == 0) {
            return "has \"publish_nodes\", which needs POD_NAMESPACE in the "
                   "environment";
        }

        report->publish.namespace = *namespace;
        report->publish.name = report->pod;
    }

    if (!(report->status || report->told) || report->lease.name.len == 0) {
        return NGX_CONF_OK;
    }

    report->lease.identity = report->pod;

    if (report->lease.namespace.len == 0) {
        report->lease.namespace = *namespace;
    }

    if (report->lease.namespace.len == 0) {
        return "elects who writes to the API server, and the namespace of the "
               "Lease is not known: write \"election_id NAMESPACE/NAME\" or "
               "set POD_NAMESPACE in the environment";
    }

    return NGX_CONF_OK;
}


/* our Pod, by the environment of the master: in a Pod its name is the host's,
   and a file has its namespace; empty: not known */

static void
ngx_k8s_conf_pod(ngx_conf_t *cf, ngx_k8s_report_conf_t *report,
    ngx_str_t *namespace)
{
    char       *env;
    ngx_str_t   value;

    ngx_str_null(namespace);

    report->pod = cf->cycle->hostname;

    env = getenv("POD_NAME");

    if (env && *env) {
        value.data = (u_char *) env;
        value.len = ngx_strlen(env);

        if (ngx_k8s_dns_subdomain(&value) == NGX_OK) {
            report->pod.len = value.len;
            report->pod.data = ngx_pstrdup(cf->pool, &value);
        }
    }

    if (report->pod.data == NULL) {
        report->pod.len = 0;
    }

    env = getenv("POD_NAMESPACE");
    ngx_str_null(&value);

    if (env && *env) {
        value.data = (u_char *) env;
        value.len = ngx_strlen(env);

        namespace->len = value.len;
        namespace->data = ngx_pstrdup(cf->pool, &value);

    } else if (ngx_k8s_file_read((u_char *) NGX_K8S_REPORT_NAMESPACE, &value,
                                 cf->log)
               == NGX_OK)
    {
        namespace->len = value.len;
        namespace->data = ngx_pstrdup(cf->pool, &value);
        ngx_free(value.data);
    }

    if (namespace->data == NULL || ngx_k8s_dns_label(namespace) != NGX_OK) {
        ngx_str_null(namespace);
    }
}
