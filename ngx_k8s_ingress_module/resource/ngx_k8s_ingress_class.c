
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static void ngx_k8s_ingress_class_read(ngx_k8s_reader_t *r, json_t *json);


ngx_k8s_object_type_t  ngx_k8s_ingress_class_type = {
    sizeof(ngx_k8s_ingress_class_t),
    ngx_k8s_ingress_class_read
};


static void
ngx_k8s_ingress_class_read(ngx_k8s_reader_t *r, json_t *json)
{
    json_t                   *spec;
    u_char                   *mark;
    ngx_k8s_ingress_class_t  *class;

    class = (ngx_k8s_ingress_class_t *) r->object;

    spec = ngx_k8s_reader_object(r, json, "spec");
    if (spec == NULL) {
        return;
    }

    mark = ngx_k8s_reader_push(r, "spec");

    (void) ngx_k8s_reader_string(r, spec, "controller", &class->controller);

    ngx_k8s_reader_pop(r, mark);
}
