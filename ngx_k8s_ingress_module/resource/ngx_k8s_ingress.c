
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static void ngx_k8s_ingress_annotation(ngx_k8s_reader_t *r, json_t *meta);
static void ngx_k8s_ingress_rules(ngx_k8s_reader_t *r, json_t *spec);
static void ngx_k8s_ingress_rule(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_ingress_rule_t *rule);
static void ngx_k8s_ingress_paths(ngx_k8s_reader_t *r, json_t *http,
    ngx_k8s_ingress_rule_t *rule);
static void ngx_k8s_ingress_path(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_http_path_t *path);
static ngx_int_t ngx_k8s_ingress_path_type(ngx_k8s_reader_t *r, json_t *json,
    ngx_uint_t *type);
static ngx_int_t ngx_k8s_ingress_backend(ngx_k8s_reader_t *r, json_t *json,
    const char *name, ngx_k8s_backend_t *backend);
static ngx_int_t ngx_k8s_ingress_port(ngx_k8s_reader_t *r, json_t *service,
    ngx_k8s_backend_t *backend);
static ngx_int_t ngx_k8s_ingress_tls_piece(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_digest_t *digest);
static void ngx_k8s_ingress_tls(ngx_k8s_reader_t *r, json_t *spec);
static void ngx_k8s_ingress_tls_entry(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_ingress_tls_t *tls);


void
ngx_k8s_ingress_read(ngx_k8s_reader_t *r, json_t *json)
{
    json_t             *spec;
    u_char             *mark;
    ngx_k8s_backend_t  *backend;
    ngx_k8s_ingress_t  *ingress;

    ingress = (ngx_k8s_ingress_t *) r->object;

    spec = ngx_k8s_reader_object(r, json, "spec");
    if (spec == NULL) {
        return;
    }

    mark = ngx_k8s_reader_push(r, "spec");

    if (ngx_k8s_reader_string(r, spec, "ingressClassName",
                              &ingress->class_name)
        == NGX_ABORT
        || ngx_k8s_reader_meant(r, spec, "ingressClassName"))
    {
        ingress->no_class = 1;
    }

    (void) ngx_k8s_reader_meant(r, spec, "rules");

    if (!ngx_k8s_reader_meant(r, spec, "defaultBackend")
        && ngx_k8s_reader_has(spec, "defaultBackend"))
    {

        backend = ngx_k8s_reader_alloc(r, sizeof(ngx_k8s_backend_t));
        if (backend == NULL) {
            return;
        }

        backend->closed = (ngx_k8s_ingress_backend(r, spec, "defaultBackend",
                                                   backend)
                           != NGX_OK);
        ingress->default_backend = backend;
    }

    if (!r->failed) {
        ngx_k8s_ingress_rules(r, spec);
    }

    if (!r->failed) {
        ngx_k8s_ingress_tls(r, spec);
    }

    ngx_k8s_reader_pop(r, mark);

    if (ingress->class_name.data == NULL) {
        ngx_k8s_ingress_annotation(r, json_object_get(json, "metadata"));
    }
}


/* the class that an annotation names, where nothing else does */

static void
ngx_k8s_ingress_annotation(ngx_k8s_reader_t *r, json_t *meta)
{
    u_char             *mark;
    json_t             *annotations;
    ngx_str_t           value;
    ngx_k8s_ingress_t  *ingress;

    ingress = (ngx_k8s_ingress_t *) r->object;

    mark = ngx_k8s_reader_push(r, "metadata");

    annotations = ngx_k8s_reader_object(r, meta, "annotations");

    (void) ngx_k8s_reader_push(r, "annotations");

    if (ngx_k8s_reader_other(meta, "annotations")
        || (ngx_k8s_reader_has(annotations, NGX_K8S_CLASS_ANNOTATION)
            && !json_is_string(json_object_get(annotations,
                                               NGX_K8S_CLASS_ANNOTATION))))
    {
        (void) ngx_k8s_reader_string(r, annotations, NGX_K8S_CLASS_ANNOTATION,
                                     &value);
        ingress->no_class = 1;
    }

    ngx_k8s_reader_pop(r, mark);
}


/*
 * Elements that cannot be read stay elements: the others keep their numbers,
 * and an Ingress without rules would be the default of all hosts.
 */

static void
ngx_k8s_ingress_rules(ngx_k8s_reader_t *r, json_t *spec)
{
    size_t                   i, n;
    json_t                  *list;
    u_char                  *mark, *at;
    ngx_k8s_ingress_t       *ingress;
    ngx_k8s_ingress_rule_t  *rule;

    ingress = (ngx_k8s_ingress_t *) r->object;

    n = ngx_k8s_reader_elements(r, spec, "rules", &list);
    if (n == 0 || ingress->rules) {
        return;
    }

    rule = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_ingress_rule_t));
    if (rule == NULL) {
        return;
    }

    ingress->rules = rule;
    ingress->nrules = n;

    mark = ngx_k8s_reader_push(r, "rules");

    for (i = 0; i < n && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        ngx_k8s_ingress_rule(r, list ? ngx_k8s_reader_element(r, list, i)
                                     : NULL, &rule[i]);
        ngx_k8s_reader_pop(r, at);
    }

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_ingress_rule(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_ingress_rule_t *rule)
{
    json_t  *http;
    u_char  *mark;

    if (json == NULL
        || ngx_k8s_reader_string(r, json, "host", &rule->host) == NGX_ABORT)
    {
        rule->no_host = 1;
        return;
    }

    if (!ngx_k8s_reader_meant(r, json, "http")
        && !ngx_k8s_reader_has(json, "http"))
    {
        return;
    }

    http = ngx_k8s_reader_object(r, json, "http");

    if (rule->paths) {
        return;
    }

    mark = ngx_k8s_reader_push(r, "http");
    ngx_k8s_ingress_paths(r, http, rule);
    ngx_k8s_reader_pop(r, mark);
}


/*
 * The next path, or when all paths of a rule have been read the rule.  Null
 * takes their places, so that their memory goes with them.
 */

ngx_int_t
ngx_k8s_ingress_piece(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_digest_t *digest)
{
    size_t                   n;
    json_t                  *list, *element;
    ngx_k8s_ingress_t       *ingress;
    ngx_k8s_ingress_rule_t  *rule;

    ingress = (ngx_k8s_ingress_t *) r->object;

    list = json_object_get(json_object_get(json, "spec"), "rules");
    n = json_array_size(list);

    if (ingress->nrules == n) {
        return ngx_k8s_ingress_tls_piece(r, json, digest);
    }

    if (ingress->rules == NULL) {
        ingress->rules = ngx_k8s_reader_alloc(r,
                                          n * sizeof(ngx_k8s_ingress_rule_t));
        if (ingress->rules == NULL) {
            return NGX_ERROR;
        }
    }

    (void) ngx_k8s_reader_push(r, "spec");
    (void) ngx_k8s_reader_push(r, "rules");
    (void) ngx_k8s_reader_index(r, ingress->nrules);

    rule = &ingress->rules[ingress->nrules];
    element = json_array_get(list, ingress->nrules);
    json = json_object_get(json_object_get(element, "http"), "paths");
    n = json_array_size(json);

    if (rule->npaths < n) {

        if (rule->paths == NULL) {
            rule->paths = ngx_k8s_reader_alloc(r,
                                             n * sizeof(ngx_k8s_http_path_t));
            if (rule->paths == NULL) {
                return NGX_ERROR;
            }
        }

        (void) ngx_k8s_reader_push(r, "http");
        (void) ngx_k8s_reader_push(r, "paths");

        (void) ngx_k8s_reader_index(r, rule->npaths);

        ngx_k8s_digest_json(digest, json_array_get(json, rule->npaths), NULL);

        ngx_k8s_ingress_path(r, ngx_k8s_reader_element(r, json, rule->npaths),
                             &rule->paths[rule->npaths]);

        (void) json_array_set_new(json, rule->npaths++, json_null());

        return NGX_OK;
    }

    ngx_k8s_digest_json(digest, element, NULL);

    ngx_k8s_ingress_rule(r, ngx_k8s_reader_element(r, list, ingress->nrules),
                         rule);

    (void) json_array_set_new(list, ingress->nrules++, json_null());

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_ingress_tls_piece(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_digest_t *digest)
{
    size_t              n;
    json_t             *list;
    ngx_k8s_ingress_t  *ingress;

    ingress = (ngx_k8s_ingress_t *) r->object;

    list = json_object_get(json_object_get(json, "spec"), "tls");
    n = json_array_size(list);

    if (ingress->ntls == n) {
        return NGX_DONE;
    }

    if (ingress->tls == NULL) {
        ingress->tls = ngx_k8s_reader_alloc(r,
                                           n * sizeof(ngx_k8s_ingress_tls_t));
        if (ingress->tls == NULL) {
            return NGX_ERROR;
        }
    }

    (void) ngx_k8s_reader_push(r, "spec");
    (void) ngx_k8s_reader_push(r, "tls");
    (void) ngx_k8s_reader_index(r, ingress->ntls);

    ngx_k8s_digest_json(digest, json_array_get(list, ingress->ntls), NULL);

    ngx_k8s_ingress_tls_entry(r,
                              ngx_k8s_reader_element(r, list, ingress->ntls),
                              &ingress->tls[ingress->ntls]);

    (void) json_array_set_new(list, ingress->ntls++, json_null());

    return NGX_OK;
}


/* paths that are missing or no list are one that cannot be read */

static void
ngx_k8s_ingress_paths(ngx_k8s_reader_t *r, json_t *http,
    ngx_k8s_ingress_rule_t *rule)
{
    size_t                i, n;
    json_t               *list;
    u_char               *mark, *at;
    ngx_k8s_http_path_t  *path;

    n = ngx_k8s_reader_elements(r, http, "paths", &list);

    if (n == 0) {
        n = 1;

        if (ngx_k8s_reader_has(http, "paths")) {
            ngx_k8s_reader_problem(r, "paths", "is empty");

        } else if (http) {
            ngx_k8s_reader_missing(r, http, "paths");
        }
    }

    path = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_http_path_t));
    if (path == NULL) {
        return;
    }

    rule->paths = path;
    rule->npaths = n;

    mark = ngx_k8s_reader_push(r, "paths");

    for (i = 0; i < n && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        ngx_k8s_ingress_path(r, list ? ngx_k8s_reader_element(r, list, i)
                                     : NULL, &path[i]);
        ngx_k8s_reader_pop(r, at);
    }

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_ingress_path(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_http_path_t *path)
{
    ngx_int_t  rc;

    path->type = NGX_K8S_PATH_TYPE_IMPL;

    if (json == NULL) {
        path->no_path = 1;
        path->backend.closed = 1;
        return;
    }

    rc = ngx_k8s_ingress_path_type(r, json, &path->type);

    if (ngx_k8s_reader_string(r, json, "path", &path->path) == NGX_ABORT) {
        path->no_path = 1;

    } else if (path->path.len == 0 && path->type != NGX_K8S_PATH_TYPE_IMPL) {
        ngx_k8s_reader_problem(r, "path", "is missing");
        path->no_path = 1;
    }

    if (path->no_path) {
        rc = NGX_DECLINED;
    }

    if (ngx_k8s_ingress_backend(r, json, "backend", &path->backend) != NGX_OK
        || rc != NGX_OK)
    {
        path->backend.closed = 1;
    }
}


static ngx_int_t
ngx_k8s_ingress_path_type(ngx_k8s_reader_t *r, json_t *json, ngx_uint_t *type)
{
    json_t      *member;
    ngx_uint_t   i;
    const char  *text;

    static const char  *types[] = {
        "Exact",
        "Prefix",
        "ImplementationSpecific"
    };

    if (!ngx_k8s_reader_has(json, "pathType")) {
        ngx_k8s_reader_missing(r, json, "pathType");
        return NGX_DECLINED;
    }

    member = json_object_get(json, "pathType");
    text = json_is_string(member) ? json_string_value(member) : "";

    for (i = 0; i <= NGX_K8S_PATH_TYPE_IMPL; i++) {
        if (ngx_strcmp(text, types[i]) == 0) {
            *type = i;
            return NGX_OK;
        }
    }

    ngx_k8s_reader_problem(r, "pathType",
                           "is none of Exact, Prefix and "
                           "ImplementationSpecific");
    return NGX_DECLINED;
}


/* NGX_DECLINED: what decides where requests go is missing or unreadable */

static ngx_int_t
ngx_k8s_ingress_backend(ngx_k8s_reader_t *r, json_t *json, const char *name,
    ngx_k8s_backend_t *backend)
{
    json_t     *member, *service;
    u_char     *mark;
    ngx_int_t   rc;

    member = ngx_k8s_reader_object(r, json, name);

    if (member == NULL) {
        ngx_k8s_reader_missing(r, json, name);
        return NGX_DECLINED;
    }

    mark = ngx_k8s_reader_push(r, name);

    backend->resource = ngx_k8s_reader_has(member, "resource");
    service = ngx_k8s_reader_object(r, member, "service");
    rc = NGX_DECLINED;

    if (service) {
        (void) ngx_k8s_reader_push(r, "service");

        rc = ngx_k8s_reader_string(r, service, "name", &backend->service);

        if (rc != NGX_ABORT && backend->service.len == 0) {
            ngx_k8s_reader_problem(r, "name", "is missing");
            rc = NGX_DECLINED;
        }

        if (ngx_k8s_ingress_port(r, service, backend) != NGX_OK) {
            rc = NGX_DECLINED;
        }

    } else if (!backend->resource) {
        ngx_k8s_reader_missing(r, member, "service");
    }

    ngx_k8s_reader_pop(r, mark);

    return backend->resource ? NGX_DECLINED : rc;
}


static ngx_int_t
ngx_k8s_ingress_port(ngx_k8s_reader_t *r, json_t *service,
    ngx_k8s_backend_t *backend)
{
    json_t     *port;
    u_char     *mark;
    ngx_int_t   rc, number;

    port = ngx_k8s_reader_object(r, service, "port");

    if (port == NULL) {
        ngx_k8s_reader_missing(r, service, "port");
        return NGX_DECLINED;
    }

    mark = ngx_k8s_reader_push(r, "port");

    rc = ngx_k8s_reader_string(r, port, "name", &backend->port_name);
    number = ngx_k8s_reader_port(r, port, "number", &backend->port, NULL);

    if (rc == NGX_OK && backend->port_name.len == 0) {
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK && number == NGX_OK) {
        ngx_k8s_reader_problem(r, NULL, "has both a name and a number");
        rc = NGX_DECLINED;

    } else if (rc == NGX_DECLINED && number == NGX_DECLINED) {
        ngx_k8s_reader_problem(r, NULL, "has neither a name nor a number");

    } else if (rc == NGX_DECLINED) {
        rc = number;

    } else if (number == NGX_ABORT) {
        rc = NGX_DECLINED;
    }

    ngx_k8s_reader_pop(r, mark);

    return rc;
}


static void
ngx_k8s_ingress_tls(ngx_k8s_reader_t *r, json_t *spec)
{
    size_t                  i, n;
    json_t                 *list;
    u_char                 *mark, *at;
    ngx_k8s_ingress_t      *ingress;
    ngx_k8s_ingress_tls_t  *tls;

    ingress = (ngx_k8s_ingress_t *) r->object;

    n = ngx_k8s_reader_elements(r, spec, "tls", &list);
    if (n == 0 || ingress->tls) {
        return;
    }

    tls = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_ingress_tls_t));
    if (tls == NULL) {
        return;
    }

    ingress->tls = tls;
    ingress->ntls = n;

    mark = ngx_k8s_reader_push(r, "tls");

    for (i = 0; i < n && list && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        ngx_k8s_ingress_tls_entry(r, ngx_k8s_reader_element(r, list, i),
                                  &tls[i]);
        ngx_k8s_reader_pop(r, at);
    }

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_ingress_tls_entry(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_ingress_tls_t *tls)
{
    if (json) {
        tls->nhosts = ngx_k8s_reader_strings(r, json, "hosts", &tls->hosts);
        (void) ngx_k8s_reader_string(r, json, "secretName", &tls->secret);
    }
}
