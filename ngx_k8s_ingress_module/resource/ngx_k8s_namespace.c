
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static void ngx_k8s_namespace_read(ngx_k8s_reader_t *r, json_t *json);


ngx_k8s_object_type_t  ngx_k8s_namespace_type = {
    sizeof(ngx_k8s_namespace_t),
    ngx_k8s_namespace_read
};


static void
ngx_k8s_namespace_read(ngx_k8s_reader_t *r, json_t *json)
{
    u_char               *mark;
    ngx_k8s_namespace_t  *namespace;

    namespace = (ngx_k8s_namespace_t *) r->object;

    mark = ngx_k8s_reader_push(r, "metadata");

    namespace->labels = ngx_k8s_reader_map(r,
                                           json_object_get(json, "metadata"),
                                           "labels");
    ngx_k8s_reader_pop(r, mark);
}
