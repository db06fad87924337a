
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is served as it is written, and is seldom what was meant.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_HINT_SHOWN           64


static ngx_int_t ngx_k8s_hint_capture(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_item_t *item, ngx_k8s_value_t *value, ngx_str_t *host);
static ngx_int_t ngx_k8s_hint_variables(ngx_k8s_compile_t *c,
    ngx_k8s_values_t *values, ngx_array_t *a);
static ngx_int_t ngx_k8s_hint_name(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_str_t *field, ngx_k8s_policy_value_t *value, ngx_str_t *name);
static ngx_int_t ngx_k8s_hint_root(ngx_k8s_compile_t *c,
    ngx_k8s_model_t *model, ngx_array_t *a);
static ngx_int_t ngx_k8s_hint_errors(ngx_k8s_compile_t *c,
    ngx_k8s_model_t *model, ngx_array_t *a);


static ngx_str_t  ngx_k8s_hint_custom_errors = ngx_string("custom-http-errors");

/* values of hosts with variables, of which no profile is made */

static ngx_str_t  ngx_k8s_hint_texts[] = {
    ngx_string("app-root"),
    ngx_string("auth-tls-error-page"),
    ngx_null_string
};


ngx_int_t
ngx_k8s_hint_object(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    return (ngx_k8s_hint_variables(c, &entry->model->values, a) == NGX_OK
            && ngx_k8s_hint_root(c, entry->model, a) == NGX_OK)
           ? ngx_k8s_hint_errors(c, entry->model, a) : NGX_ERROR;
}


static ngx_int_t
ngx_k8s_hint_root(ngx_k8s_compile_t *c, ngx_k8s_model_t *model,
    ngx_array_t *a)
{
    ngx_str_t         field;
    ngx_k8s_value_t  *value;

    value = ngx_k8s_values_find(&model->values, &ngx_k8s_hint_texts[0]);

    if (value == NULL || !ngx_k8s_hint_loop_root(&value->value)) {
        return NGX_OK;
    }

    if (ngx_k8s_compile_value_field(a, value, &field) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_REDIRECT_LOOP, NULL,
                                &field, "\"%*s\" leads requests for / to /",
                                ngx_min(value->value.len, 128),
                                value->value.data);
}


static ngx_int_t
ngx_k8s_hint_variables(ngx_k8s_compile_t *c, ngx_k8s_values_t *values,
    ngx_array_t *a)
{
    ngx_str_t         text, name, field;
    ngx_uint_t        i;
    ngx_k8s_value_t  *value;

    if (c->conf.variable == NULL) {
        return NGX_OK;
    }

    for (i = 0; ngx_k8s_hint_texts[i].len; i++) {

        value = ngx_k8s_values_find(values, &ngx_k8s_hint_texts[i]);

        if (value == NULL) {
            continue;
        }

        text = value->value;

        while (ngx_k8s_variable_next(&text, &name) == NGX_OK) {

            if (c->conf.variable(&name)) {
                continue;
            }

            if (ngx_k8s_compile_value_field(a, value, &field) != NGX_OK
                || ngx_k8s_compile_note(c, a,
                                        NGX_K8S_PROBLEM_ANNOTATION_INVALID,
                                        NULL, &field, "there is no variable "
                                        "\"%*s\", so it is empty",
                                        ngx_min(name.len, NGX_K8S_HINT_SHOWN),
                                        name.data)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }

            break;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_hint_errors(ngx_k8s_compile_t *c, ngx_k8s_model_t *model,
    ngx_array_t *a)
{
    ngx_str_t         field;
    ngx_k8s_value_t  *value;

    value = ngx_k8s_values_find(&model->values, &ngx_k8s_hint_custom_errors);

    if (value == NULL || model->error || model->canary
        || c->default_service.len
        || value->key.len == value->row->name.len)
    {
        return NGX_OK;
    }

    if (ngx_k8s_compile_value_field(a, value, &field) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT,
                                NULL, &field, "nothing has its pages: there is "
                                "neither \"default-backend\" nor the directive "
                                "\"default_backend\"");
}


ngx_int_t
ngx_k8s_hint_keys(ngx_k8s_compile_t *c, ngx_k8s_policy_state_t *keys,
    ngx_array_t *a)
{
    ngx_uint_t  i;

    static ngx_str_t  field = ngx_string("data.custom-http-errors");

    for (i = 0; i < keys->n && c->default_service.len == 0; i++) {

        if (ngx_k8s_str_eq(&keys->values[i].row->name,
                           &ngx_k8s_hint_custom_errors))
        {
            return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_KEY_NO_EFFECT,
                                        NULL, &field, "nothing has its pages, "
                                        "but of an Ingress with "
                                        "\"default-backend\": there is no "
                                        "directive \"default_backend\"");
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_hint_captures(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item)
{
    ngx_str_t         *row, host;
    ngx_k8s_value_t   *value;
    ngx_k8s_saying_t  *s;

    static ngx_str_t  rows[] = {
        ngx_string("rewrite-target"),
        ngx_string("x-forwarded-prefix"),
        ngx_null_string
    };

    s = &c->saying;

    if (s->captured || claim->model->target.len == 0) {
        return NGX_OK;
    }

    host = ngx_k8s_host_shown(&claim->state->node->name);

    for (row = rows; row->len; row++) {

        value = ngx_k8s_values_find(&claim->model->values, row);

        if (value
            && ngx_k8s_hint_capture(c, &s->problems, item, value, &host)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* of an object once, however many paths it has */

static ngx_int_t
ngx_k8s_hint_capture(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_item_t *item, ngx_k8s_value_t *value, ngx_str_t *host)
{
    u_char      *p, *last;
    ngx_str_t    field;
    ngx_uint_t   groups, n;

    groups = ngx_k8s_ingress_groups(&item->match->path);

    n = 0;
    last = value->value.data + value->value.len;

    for (p = value->value.data; p + 1 < last; p++) {
        if (*p == '$' && p[1] >= '1' && p[1] <= '9') {
            n = ngx_max(n, (ngx_uint_t) (p[1] - '0'));
        }
    }

    if (n <= groups) {
        return NGX_OK;
    }

    c->saying.captured = 1;

    if (ngx_k8s_compile_value_field(a, value, &field) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT,
                                host, &field, "\"$%ui\" is empty where the "
                                "path is \"%V\" of host \"%V\", which has %ui "
                                "group%s", n, &item->match->path, host, groups,
                                (groups == 1) ? "" : "s");
}


/* variables in the values of headers: those of answers by annotation are sent
   as they are written, others are nginx's */

ngx_int_t
ngx_k8s_hint_headers(ngx_k8s_compile_t *c, ngx_array_t *a, ngx_uint_t code,
    ngx_str_t *field, ngx_k8s_policy_value_t *value, ngx_str_t *text)
{
    ngx_str_t   rest, name, header, variable;
    ngx_uint_t  literal, known;

    if (c->conf.variable == NULL || ngx_k8s_row_params(value->row)) {
        return NGX_OK;
    }

    literal = ngx_k8s_row_answer_headers(value->row);

    rest = *text;

    while (ngx_k8s_headers_next(&rest, &name, &header) == NGX_OK) {

        if (ngx_k8s_hint_name(c, a, field, value, &name) != NGX_OK) {
            return NGX_ERROR;
        }

        while (ngx_k8s_variable_next(&header, &variable) == NGX_OK) {

            known = c->conf.variable(&variable);

            if (known != literal) {
                continue;
            }

            if (ngx_k8s_compile_note(c, a, literal
                                     ? NGX_K8S_PROBLEM_ANNOTATION_INVALID
                                     : code,
                                     NULL, field, literal
                                     ? "ConfigMap %V: \"%V\" has \"$%*s\", "
                                       "which is sent as it is, there are no "
                                       "variables in it"
                                     : "ConfigMap %V: \"%V\" has \"$%*s\", but "
                                       "there is no such variable, so it is "
                                       "empty",
                                     &value->value, &name,
                                     ngx_min(variable.len, NGX_K8S_HINT_SHOWN),
                                     variable.data)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* of headers to backends: clients take the others */

static ngx_int_t
ngx_k8s_hint_name(ngx_k8s_compile_t *c, ngx_array_t *a, ngx_str_t *field,
    ngx_k8s_policy_value_t *value, ngx_str_t *name)
{
    u_char  *p, *last;

    if (value->row->offset != offsetof(ngx_k8s_settings_t, set_headers)) {
        return NGX_OK;
    }

    last = name->data + name->len;

    for (p = name->data; p < last; p++) {

        if (*p == '_' || *p == '.') {
            return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_HEADER_NAME, NULL,
                                        field, "ConfigMap %V: \"%V\" has "
                                        "\"%c\" in its name",
                                        &value->value, name, *p);
        }
    }

    return NGX_OK;
}


/* one that nothing names, of manifests: others are not read then */

ngx_int_t
ngx_k8s_hint_config(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_uint_t         i;
    ngx_keyval_t      *kv;
    ngx_array_t       *data;
    ngx_k8s_object_t  *object;

    static ngx_str_t  field = ngx_string("data");

    object = entry->object;
    data = ((ngx_k8s_config_map_t *) object)->data;

    if (c->config || data == NULL || !ngx_k8s_name_config(&object->name)) {
        return NGX_OK;
    }

    kv = data->elts;

    for (i = 0; i < data->nelts; i++) {
        if (ngx_k8s_row(&kv[i].key, NGX_K8S_ROW_KEY)) {
            return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_KEY_NO_EFFECT,
                                        NULL, &field, "its keys do nothing, as "
                                        "the block has no \"config_map "
                                        "%V/%V;\"", &object->namespace,
                                        &object->name);
        }
    }

    return NGX_OK;
}
