
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


static ngx_int_t ngx_k8s_from_annotations_error(ngx_k8s_model_t *model,
    ngx_k8s_gate_t *gate);
static ngx_int_t ngx_k8s_from_annotations_copy(ngx_pool_t *pool,
    ngx_str_t *dst, ngx_str_t *src);


/* by NGX_K8S_SAY_* */

static ngx_uint_t  ngx_k8s_from_annotations_codes[] = {
    NGX_K8S_PROBLEM_ANNOTATION_UNKNOWN,
    NGX_K8S_PROBLEM_ANNOTATION_INVALID,
    NGX_K8S_PROBLEM_ANNOTATION_CLOSED,
    NGX_K8S_PROBLEM_ANNOTATION_UNSERVED,
    NGX_K8S_PROBLEM_ANNOTATION_REFUSED,
    NGX_K8S_PROBLEM_ANNOTATION_NOTED,
    NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT,
    NGX_K8S_PROBLEM_ANNOTATION_FOREIGN
};


ngx_int_t
ngx_k8s_from_annotations(ngx_k8s_model_t *model, ngx_k8s_gate_t *gate)
{
    ngx_k8s_object_t  *object;

    object = model->object;

    if (ngx_k8s_annotations(&model->values, model->pool, &object->namespace,
                            object->annotations, gate,
                            ngx_k8s_from_annotations_say, model)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_from_annotations_error(model, gate);
}


static ngx_int_t
ngx_k8s_from_annotations_error(ngx_k8s_model_t *model, ngx_k8s_gate_t *gate)
{
    ngx_str_t         *service;
    ngx_k8s_target_t  *error;

    static ngx_str_t  name = ngx_string("default-backend");

    service = ngx_k8s_values_get(&model->values, &name);

    if (service == NULL) {
        return NGX_OK;
    }

    error = ngx_pcalloc(model->pool, sizeof(ngx_k8s_target_t));
    if (error == NULL) {
        return NGX_ERROR;
    }

    error->ref.kind = NGX_K8S_SERVICE;
    error->ref.namespace = model->object->namespace;
    error->ref.name = *service;
    error->ref.field.format = ngx_k8s_from_annotation_field(model, gate, &name);
    ngx_str_set(&error->protocol, "TCP");
    error->weight = 1;

    if (error->ref.field.format == NULL) {
        return NGX_ERROR;
    }

    model->error = error;

    return NGX_OK;
}


char *
ngx_k8s_from_annotation_field(ngx_k8s_model_t *model, ngx_k8s_gate_t *gate,
    ngx_str_t *name)
{
    u_char  *p;

    p = ngx_pnalloc(model->pool, sizeof("metadata.annotations[/]")
                                         + gate->prefix.len + name->len);
    if (p == NULL) {
        return NULL;
    }

    (void) ngx_sprintf(p, "metadata.annotations[%V/%V]%Z", &gate->prefix,
                       name);

    return (char *) p;
}


ngx_int_t
ngx_k8s_from_annotations_say(void *data, ngx_uint_t what, ngx_str_t *name,
    ngx_str_t *message, ngx_str_t *remedy)
{
    ngx_k8s_model_t *model = data;

    ngx_uint_t          n;
    ngx_pool_t         *pool;
    ngx_k8s_field_t     field;
    ngx_k8s_problem_t  *problem;

    n = model->nproblems;
    pool = model->pool;
    field.format = "metadata.annotations";

    if (ngx_k8s_model_problem(model, ngx_k8s_from_annotations_codes[what],
                              NULL, &field, "%V", message)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (model->nproblems == n) {
        return NGX_OK;
    }

    problem = &model->problems[n];

    if (name->len == 0) {
        return ngx_k8s_from_annotations_copy(pool, &problem->remedy, remedy);
    }

    problem->field.data = ngx_pnalloc(pool, sizeof("metadata.annotations[]")
                                            + name->len);
    if (problem->field.data == NULL) {
        return NGX_ERROR;
    }

    problem->field.len = ngx_sprintf(problem->field.data,
                                     "metadata.annotations[%V]", name)
                         - problem->field.data;

    return ngx_k8s_from_annotations_copy(pool, &problem->remedy, remedy);
}


static ngx_int_t
ngx_k8s_from_annotations_copy(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    if (src->len == 0) {
        return NGX_OK;
    }

    dst->len = src->len;
    dst->data = ngx_pstrdup(pool, src);

    return dst->data ? NGX_OK : NGX_ERROR;
}
