
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

    class->unread = ngx_k8s_reader_other(json, "spec");

    spec = ngx_k8s_reader_object(r, json, "spec");
    if (spec == NULL) {
        return;
    }

    mark = ngx_k8s_reader_push(r, "spec");

    (void) ngx_k8s_reader_string(r, spec, "controller", &class->controller);

    ngx_k8s_ingress_class_parameters(r, spec, class);

    ngx_k8s_reader_pop(r, mark);
}


/* other kinds are other controllers'; what cannot be read may name one */

static void
ngx_k8s_ingress_class_parameters(ngx_k8s_reader_t *r, json_t *spec,
    ngx_k8s_ingress_class_t *class)
{
    json_t     *json;
    u_char     *mark;
    ngx_int_t   kinds, groups, namespaces, names;
    ngx_str_t   kind, group;

    class->unread = ngx_k8s_reader_other(spec, "parameters");

    json = ngx_k8s_reader_object(r, spec, "parameters");
    if (json == NULL) {
        return;
    }

    ngx_str_null(&kind);
    ngx_str_null(&group);

    mark = ngx_k8s_reader_push(r, "parameters");

    groups = ngx_k8s_reader_string(r, json, "apiGroup", &group);
    kinds = ngx_k8s_reader_string(r, json, "kind", &kind);

    if (groups == NGX_ABORT || kinds == NGX_ABORT) {
        class->unread = 1;

    } else if (group.len || kind.len != sizeof("ConfigMap") - 1
               || ngx_strncmp(kind.data, "ConfigMap", kind.len) != 0)
    {
        class->other_config = 1;
        class->near_config = (group.len == 0
                              && kind.len >= sizeof("ConfigMap") - 1
                              && ngx_strncasecmp(kind.data,
                                                 (u_char *) "ConfigMap",
                                                 sizeof("ConfigMap") - 1)
                                 == 0);

    } else {
        namespaces = ngx_k8s_reader_string(r, json, "namespace",
                                           &class->config_namespace);
        if (namespaces != NGX_OK) {
            ngx_k8s_reader_missing(r, json, "namespace");
        }

        names = ngx_k8s_reader_string(r, json, "name", &class->config);

        if (names != NGX_OK) {
            ngx_k8s_reader_missing(r, json, "name");
        }

        class->unread = (namespaces != NGX_OK || names != NGX_OK);

        if (namespaces != NGX_OK) {
            ngx_str_null(&class->config);
        }
    }

    ngx_k8s_reader_pop(r, mark);
}
