
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static void ngx_k8s_ingress_class_parameters(ngx_k8s_reader_t *r,
    json_t *spec, ngx_k8s_ingress_class_t *class);


void
ngx_k8s_ingress_class_read(ngx_k8s_reader_t *r, json_t *json)
{
    json_t                   *spec, *annotations;
    const char               *value;
    u_char                   *mark;
    ngx_k8s_ingress_class_t  *class;

    class = (ngx_k8s_ingress_class_t *) r->object;

    annotations = json_object_get(json_object_get(json, "metadata"),
                                  "annotations");
    value = json_string_value(json_object_get(annotations,
                                              NGX_K8S_DEFAULT_ANNOTATION));

    class->is_default = (value && ngx_strcmp(value, "true") == 0);

    spec = ngx_k8s_reader_object(r, json, "spec");
    if (spec == NULL) {
        return;
    }

    mark = ngx_k8s_reader_push(r, "spec");

    (void) ngx_k8s_reader_string(r, spec, "controller", &class->controller);

    ngx_k8s_ingress_class_parameters(r, spec, class);

    ngx_k8s_reader_pop(r, mark);
}


/* other kinds are other controllers' */

static void
ngx_k8s_ingress_class_parameters(ngx_k8s_reader_t *r, json_t *spec,
    ngx_k8s_ingress_class_t *class)
{
    json_t      *json;
    u_char      *mark;
    const char  *group, *kind;

    json = ngx_k8s_reader_object(r, spec, "parameters");
    if (json == NULL) {
        return;
    }

    group = json_string_value(json_object_get(json, "apiGroup"));
    kind = json_string_value(json_object_get(json, "kind"));

    if (kind == NULL || ngx_strcmp(kind, "ConfigMap") != 0
        || (group && *group))
    {
        class->other_config = 1;
        return;
    }

    mark = ngx_k8s_reader_push(r, "parameters");

    if (ngx_k8s_reader_string(r, json, "namespace", &class->config_namespace)
        != NGX_OK)
    {
        ngx_k8s_reader_missing(r, json, "namespace");

    } else if (ngx_k8s_reader_string(r, json, "name", &class->config)
               != NGX_OK)
    {
        ngx_k8s_reader_missing(r, json, "name");
    }

    ngx_k8s_reader_pop(r, mark);
}
