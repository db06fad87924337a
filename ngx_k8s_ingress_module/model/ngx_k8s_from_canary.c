
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


#define NGX_K8S_CANARY_TOTAL  100


static ngx_int_t ngx_k8s_from_canary_header(ngx_k8s_model_t *model,
    ngx_str_t *header);
static void ngx_k8s_from_canary_value(ngx_k8s_model_t *model, ngx_str_t *name,
    ngx_str_t *value);
static uint32_t ngx_k8s_from_canary_number(ngx_k8s_model_t *model,
    ngx_str_t *name, uint32_t n);
static ngx_int_t ngx_k8s_from_canary_problems(ngx_k8s_model_t *model);
static ngx_int_t ngx_k8s_from_canary_long(ngx_k8s_model_t *model);


static ngx_str_t  ngx_k8s_canary_header = ngx_string("canary-by-header");
static ngx_str_t  ngx_k8s_canary_value = ngx_string("canary-by-header-value");
static ngx_str_t  ngx_k8s_canary_pattern
                                     = ngx_string("canary-by-header-pattern");
static ngx_str_t  ngx_k8s_canary_cookie = ngx_string("canary-by-cookie");
static ngx_str_t  ngx_k8s_canary_weight = ngx_string("canary-weight");
static ngx_str_t  ngx_k8s_canary_total = ngx_string("canary-weight-total");


/* all other annotations are those of the object whose requests it gets */

ngx_int_t
ngx_k8s_from_canary(ngx_k8s_model_t *model)
{
    ngx_k8s_field_t    field;
    ngx_k8s_canary_t  *canary;

    canary = ngx_pcalloc(model->pool, sizeof(ngx_k8s_canary_t));
    if (canary == NULL) {
        return NGX_ERROR;
    }

    if (ngx_k8s_from_canary_header(model, &canary->header) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_k8s_from_canary_value(model, &ngx_k8s_canary_value, &canary->value);
    ngx_k8s_from_canary_value(model, &ngx_k8s_canary_pattern,
                              &canary->pattern);
    ngx_k8s_from_canary_value(model, &ngx_k8s_canary_cookie, &canary->cookie);

    canary->total = ngx_k8s_from_canary_number(model, &ngx_k8s_canary_total,
                                               NGX_K8S_CANARY_TOTAL);
    canary->total = ngx_max(canary->total, NGX_K8S_CANARY_TOTAL);

    canary->weight = ngx_k8s_from_canary_number(model, &ngx_k8s_canary_weight,
                                                0);

    if (canary->weight > canary->total) {
        field.format = "metadata.annotations";

        if (ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_ANNOTATION_INVALID,
                                  NULL, &field, "canary-weight is above "
                                  "canary-weight-total, so the canary gets "
                                  "all requests")
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        canary->weight = canary->total;
    }

    model->canary = canary;
    model->error = NULL;

    model->values.nserved = 0;
    model->values.close_route = 0;
    model->values.close_host = 0;

    if (ngx_k8s_from_canary_problems(model) != NGX_OK
        || ngx_k8s_from_canary_long(model) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (canary->header.len == 0 && canary->cookie.len == 0
        && !model->values.refused && !model->values.canary
        && ngx_k8s_values_get(&model->values, &ngx_k8s_canary_weight) == NULL)
    {
        field.format = "metadata.annotations";

        return ngx_k8s_model_problem(model,
                                     NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT,
                                     NULL, &field, "the canary has no "
                                     "canary-weight, canary-by-header or "
                                     "canary-by-cookie, so it gets no "
                                     "requests");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_from_canary_header(ngx_k8s_model_t *model, ngx_str_t *header)
{
    ngx_str_t  *text;

    text = ngx_k8s_values_get(&model->values, &ngx_k8s_canary_header);

    if (text == NULL) {
        return NGX_OK;
    }

    header->data = ngx_pnalloc(model->pool, text->len);
    if (header->data == NULL) {
        return NGX_ERROR;
    }

    header->len = text->len;
    ngx_strlow(header->data, text->data, text->len);

    return NGX_OK;
}


static void
ngx_k8s_from_canary_value(ngx_k8s_model_t *model, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_str_t  *text;

    text = ngx_k8s_values_get(&model->values, name);

    if (text) {
        *value = *text;
    }
}


/* the grammar let through what is a number */

static uint32_t
ngx_k8s_from_canary_number(ngx_k8s_model_t *model, ngx_str_t *name, uint32_t n)
{
    ngx_int_t   value;
    ngx_str_t  *text;

    text = ngx_k8s_values_get(&model->values, name);

    if (text == NULL) {
        return n;
    }

    value = ngx_atoi(text->data, text->len);

    return (value < 0 || value > NGX_MAX_INT32_VALUE / 2)
           ? NGX_MAX_INT32_VALUE / 2 : value;
}


/*
 * What the primary decides is a note, since tools copy all annotations of the
 * primary; what else is wrong with it does not matter.
 */

static ngx_int_t
ngx_k8s_from_canary_problems(ngx_k8s_model_t *model)
{
    uint32_t            i, n;
    ngx_k8s_value_t    *value;
    ngx_k8s_problem_t  *problem;

    static ngx_str_t  primary = ngx_string("the primary decides it");
    static ngx_str_t  none = ngx_null_string;

    n = 0;
    problem = model->problems;

    for (i = 0; i < model->nproblems; i++) {

        if (ngx_strnstr(problem[i].field.data, "/canary",
                        problem[i].field.len)
            || ngx_k8s_spread_own(&problem[i].field))
        {
            problem[n++] = problem[i];
        }
    }

    model->nproblems = n;

    value = model->values.values.elts;

    for (i = 0; i < model->values.values.nelts; i++) {

        if (ngx_strncmp(value[i].row->name.data, "canary", 7 - 1) == 0
            || ngx_k8s_spread_own(&value[i].key))
        {
            continue;
        }

        if (ngx_k8s_from_annotations_say(model, NGX_K8S_SAY_NOTED,
                                         &value[i].key, &primary, &none)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* nginx takes headers of 8 KB, so what is longer decides nothing */

static ngx_int_t
ngx_k8s_from_canary_long(ngx_k8s_model_t *model)
{
    size_t             max;
    uint32_t           i;
    ngx_str_t         *name;
    ngx_k8s_value_t   *value;
    ngx_k8s_canary_t  *canary;

    static ngx_str_t  text = ngx_string("it is too long for a header of a "
                                        "request, so it decides nothing");
    static ngx_str_t  none = ngx_null_string;

    canary = model->canary;
    value = model->values.values.elts;

    for (i = 0; i < model->values.values.nelts; i++) {

        name = &value[i].row->name;

        max = (ngx_k8s_str_cmp(name, &ngx_k8s_canary_header) == 0
               || ngx_k8s_str_cmp(name, &ngx_k8s_canary_cookie) == 0)
              ? NGX_K8S_CANARY_NAME : NGX_K8S_CANARY_VALUE;

        if (ngx_strncmp(name->data, "canary", 7 - 1) != 0
            || value[i].value.len <= max)
        {
            continue;
        }

        if (ngx_k8s_str_cmp(name, &ngx_k8s_canary_cookie) == 0) {
            ngx_str_null(&canary->cookie);

        } else {
            ngx_str_null(&canary->header);
        }

        if (ngx_k8s_from_annotations_say(model, NGX_K8S_SAY_INVALID,
                                         &value[i].key, &text, &none)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
