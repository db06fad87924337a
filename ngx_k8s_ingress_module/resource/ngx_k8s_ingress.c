
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static void ngx_k8s_ingress_read(ngx_k8s_reader_t *r, json_t *json);
static void ngx_k8s_ingress_rules(ngx_k8s_reader_t *r, json_t *spec);
static void ngx_k8s_ingress_paths(ngx_k8s_reader_t *r, json_t *http,
    ngx_k8s_ingress_rule_t *rule);
static void ngx_k8s_ingress_path(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_http_path_t *path);
static void ngx_k8s_ingress_backend(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_backend_t *backend);
static void ngx_k8s_ingress_tls(ngx_k8s_reader_t *r, json_t *spec);


ngx_k8s_object_type_t  ngx_k8s_ingress_type = {
    sizeof(ngx_k8s_ingress_t),
    ngx_k8s_ingress_read
};


static void
ngx_k8s_ingress_read(ngx_k8s_reader_t *r, json_t *json)
{
    json_t             *spec, *backend;
    u_char             *mark, *at;
    ngx_k8s_ingress_t  *ingress;

    ingress = (ngx_k8s_ingress_t *) r->object;

    spec = ngx_k8s_reader_object(r, json, "spec");
    if (spec == NULL) {
        return;
    }

    mark = ngx_k8s_reader_push(r, "spec");

    (void) ngx_k8s_reader_string(r, spec, "ingressClassName",
                                 &ingress->class_name);

    backend = ngx_k8s_reader_object(r, spec, "defaultBackend");

    if (backend) {
        ingress->default_backend = ngx_k8s_reader_alloc(r,
                                                   sizeof(ngx_k8s_backend_t));
        if (ingress->default_backend == NULL) {
            return;
        }

        at = ngx_k8s_reader_push(r, "defaultBackend");
        ngx_k8s_ingress_backend(r, backend, ingress->default_backend);
        ngx_k8s_reader_pop(r, at);
    }

    ngx_k8s_ingress_rules(r, spec);

    if (!r->failed) {
        ngx_k8s_ingress_tls(r, spec);
    }

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_ingress_rules(ngx_k8s_reader_t *r, json_t *spec)
{
    size_t                   i, n;
    json_t                  *list, *json, *http;
    u_char                  *mark, *at;
    ngx_k8s_ingress_t       *ingress;
    ngx_k8s_ingress_rule_t  *rule;

    ingress = (ngx_k8s_ingress_t *) r->object;

    list = ngx_k8s_reader_list(r, spec, "rules");
    if (list == NULL) {
        return;
    }

    n = json_array_size(list);

    rule = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_ingress_rule_t));
    if (rule == NULL) {
        return;
    }

    ingress->rules = rule;

    mark = ngx_k8s_reader_push(r, "rules");

    for (i = 0; i < n && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        json = ngx_k8s_reader_element(r, list, i);

        if (json) {
            (void) ngx_k8s_reader_string(r, json, "host", &rule->host);

            http = ngx_k8s_reader_object(r, json, "http");

            if (http) {
                ngx_k8s_ingress_paths(r, http, rule);
            }

            rule++;
        }

        ngx_k8s_reader_pop(r, at);
    }

    ingress->nrules = rule - ingress->rules;

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_ingress_paths(ngx_k8s_reader_t *r, json_t *http,
    ngx_k8s_ingress_rule_t *rule)
{
    size_t                i, n;
    json_t               *list, *json;
    u_char               *mark, *at;
    ngx_k8s_http_path_t  *path;

    mark = ngx_k8s_reader_push(r, "http");

    list = ngx_k8s_reader_list(r, http, "paths");
    if (list == NULL) {
        goto done;
    }

    n = json_array_size(list);

    path = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_http_path_t));
    if (path == NULL) {
        goto done;
    }

    rule->paths = path;

    (void) ngx_k8s_reader_push(r, "paths");

    for (i = 0; i < n && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        json = ngx_k8s_reader_element(r, list, i);

        if (json) {
            ngx_k8s_ingress_path(r, json, path++);
        }

        ngx_k8s_reader_pop(r, at);
    }

    rule->npaths = path - rule->paths;

done:

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_ingress_path(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_http_path_t *path)
{
    json_t      *member;
    u_char      *mark;
    const char  *type;

    (void) ngx_k8s_reader_string(r, json, "path", &path->path);

    path->type = NGX_K8S_PATH_TYPE_IMPL;

    member = json_object_get(json, "pathType");

    if (member && !json_is_null(member)) {
        type = json_is_string(member) ? json_string_value(member) : "";

        if (ngx_strcmp(type, "Exact") == 0) {
            path->type = NGX_K8S_PATH_TYPE_EXACT;

        } else if (ngx_strcmp(type, "Prefix") == 0) {
            path->type = NGX_K8S_PATH_TYPE_PREFIX;

        } else if (ngx_strcmp(type, "ImplementationSpecific") != 0) {
            ngx_k8s_reader_problem(r, "pathType",
                                   "is none of Exact, Prefix and "
                                   "ImplementationSpecific");
        }
    }

    member = ngx_k8s_reader_object(r, json, "backend");

    if (member) {
        mark = ngx_k8s_reader_push(r, "backend");
        ngx_k8s_ingress_backend(r, member, &path->backend);
        ngx_k8s_reader_pop(r, mark);

    } else if (json_object_get(json, "backend") == NULL) {
        ngx_k8s_reader_problem(r, "backend", "is missing");
    }
}


static void
ngx_k8s_ingress_backend(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_backend_t *backend)
{
    json_t  *service, *port;
    u_char  *mark;

    if (ngx_k8s_reader_object(r, json, "resource")) {
        backend->resource = 1;
    }

    service = ngx_k8s_reader_object(r, json, "service");

    if (service == NULL) {
        if (!backend->resource) {
            ngx_k8s_reader_problem(r, "service", "is missing");
        }

        return;
    }

    mark = ngx_k8s_reader_push(r, "service");

    (void) ngx_k8s_reader_string(r, service, "name", &backend->service);

    if (backend->service.len == 0 && !backend->resource) {
        ngx_k8s_reader_problem(r, "name", "is missing");
    }

    port = ngx_k8s_reader_object(r, service, "port");

    if (port) {
        (void) ngx_k8s_reader_push(r, "port");

        (void) ngx_k8s_reader_string(r, port, "name", &backend->port_name);

        if (backend->port_name.len == 0) {
            (void) ngx_k8s_reader_port(r, port, "number", &backend->port,
                                       NULL);
        }
    }

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_ingress_tls(ngx_k8s_reader_t *r, json_t *spec)
{
    size_t                  i, n;
    json_t                 *list, *json;
    u_char                 *mark, *at;
    ngx_k8s_ingress_t      *ingress;
    ngx_k8s_ingress_tls_t  *tls;

    ingress = (ngx_k8s_ingress_t *) r->object;

    list = ngx_k8s_reader_list(r, spec, "tls");
    if (list == NULL) {
        return;
    }

    n = json_array_size(list);

    tls = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_ingress_tls_t));
    if (tls == NULL) {
        return;
    }

    ingress->tls = tls;

    mark = ngx_k8s_reader_push(r, "tls");

    for (i = 0; i < n && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        json = ngx_k8s_reader_element(r, list, i);

        if (json) {
            tls->nhosts = ngx_k8s_reader_strings(r, json, "hosts",
                                                 &tls->hosts);
            (void) ngx_k8s_reader_string(r, json, "secretName", &tls->secret);
            tls++;
        }

        ngx_k8s_reader_pop(r, at);
    }

    ingress->ntls = tls - ingress->tls;

    ngx_k8s_reader_pop(r, mark);
}
