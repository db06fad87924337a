
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Annotations of an object, and keys of a ConfigMap: each by itself, then what
 * they need of each other.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_annotations_core.h>


static ngx_int_t ngx_k8s_annotations_read(ngx_k8s_annotations_t *a,
    ngx_pool_t *pool, ngx_array_t *texts);
static void ngx_k8s_annotations_refuse(ngx_k8s_values_t *values);
static ngx_int_t ngx_k8s_annotation(ngx_k8s_annotations_t *a,
    ngx_keyval_t *kv);
static ngx_int_t ngx_k8s_annotation_empty(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row);
static ngx_int_t ngx_k8s_annotations_effect(ngx_k8s_annotations_t *a);
static ngx_int_t ngx_k8s_annotation_later(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row);
static ngx_int_t ngx_k8s_annotations_users(ngx_k8s_annotations_t *a);
static ngx_int_t ngx_k8s_annotation_unless(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *value);
static ngx_uint_t ngx_k8s_annotation_needs(ngx_k8s_annotations_t *a,
    ngx_k8s_row_t *row);
static ngx_uint_t ngx_k8s_annotation_bad(ngx_k8s_annotations_t *a,
    ngx_str_t *name);


ngx_int_t
ngx_k8s_annotations(ngx_k8s_values_t *values, ngx_pool_t *pool,
    ngx_str_t *namespace, ngx_array_t *annotations, ngx_k8s_gate_t *gate,
    ngx_k8s_say_pt say, void *data)
{
    ngx_k8s_annotations_t  a;

    a.values = values;
    a.namespace = namespace;
    a.gate = gate;
    a.class = 0;
    a.running = NULL;
    a.say = say;
    a.data = data;
    a.rows = NGX_K8S_ROW_ANNOTATION;
    a.later = NGX_K8S_ROW_LATER;

    return ngx_k8s_annotations_read(&a, pool, annotations);
}


ngx_int_t
ngx_k8s_keys(ngx_k8s_values_t *values, ngx_pool_t *pool, ngx_array_t *data,
    ngx_uint_t class, ngx_k8s_running_pt running, ngx_k8s_say_pt say,
    void *context)
{
    ngx_k8s_annotations_t  a;

    static ngx_str_t  none = ngx_null_string;

    a.values = values;
    a.namespace = &none;
    a.gate = NULL;
    a.class = class;
    a.running = running;
    a.say = say;
    a.data = context;
    a.rows = NGX_K8S_ROW_KEY;
    a.later = NGX_K8S_ROW_LATER|NGX_K8S_ROW_KEY_LATER;

    return ngx_k8s_annotations_read(&a, pool, data);
}


static ngx_int_t
ngx_k8s_annotations_read(ngx_k8s_annotations_t *a, ngx_pool_t *pool,
    ngx_array_t *texts)
{
    ngx_uint_t         i;
    ngx_keyval_t      *kv;
    ngx_k8s_values_t  *values;

    values = a->values;
    a->texts = texts;
    a->nearest = 0;
    ngx_str_null(&a->prefix);

    ngx_memzero(values, sizeof(ngx_k8s_values_t));
    values->handshake = (a->gate == NULL);

    if (texts == NULL || texts->nelts == 0) {
        return NGX_OK;
    }

    if (ngx_array_init(&values->values, pool, 4, sizeof(ngx_k8s_value_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    kv = texts->elts;

    for (i = 0; i < texts->nelts; i++) {
        if (ngx_k8s_annotation(a, &kv[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_qsort(values->values.elts, values->values.nelts,
              sizeof(ngx_k8s_value_t), ngx_k8s_value_cmp);

    /* nothing of what is refused counts, so nothing in it is missed */

    if (!values->refused
        && (ngx_k8s_annotations_effect(a) != NGX_OK
            || ngx_k8s_annotations_users(a) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (values->refused || values->canary) {
        ngx_k8s_annotations_refuse(values);
        return NGX_OK;
    }

    return ngx_k8s_values_digest(values, a->namespace, pool->log);
}


/* what is no canary would take the paths of others */

static void
ngx_k8s_annotations_refuse(ngx_k8s_values_t *values)
{
    ngx_k8s_value_t  *value, *first;

    static ngx_str_t  canary = ngx_string("canary");

    value = ngx_k8s_values_find(values, &canary);
    first = values->values.elts;

    values->values.nelts = (value != NULL);

    if (value) {
        *first = *value;
    }
}


static ngx_int_t
ngx_k8s_annotation(ngx_k8s_annotations_t *a, ngx_keyval_t *kv)
{
    u_char          buf[2 * NGX_K8S_SHOWN_MAX], *end;
    ngx_str_t       name, value;
    ngx_k8s_row_t  *row;

    if (kv->key.len == 0 && ngx_k8s_unread(&kv->value)) {
        return ngx_k8s_annotation_all(a, &kv->value);
    }

    if (!ngx_k8s_annotation_ours(a, &kv->key, &name)) {
        return ngx_k8s_annotation_other(a, kv);
    }

    row = ngx_k8s_row(&name, a->rows);

    end = a->gate ? ngx_k8s_gate_why(buf, sizeof(buf), a->gate, row, &name,
                                     &kv->value)
                  : NULL;
    if (end) {
        a->values->refused = 1;

        if (row && (row->flags & NGX_K8S_ROW_CANARY)
            && ngx_k8s_annotation_canary(a, &kv->key, row) != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_CLOSED, &kv->key, NULL,
                                      "%*s, so the Ingress is not served: its "
                                      "paths answer 404", end - buf, buf);
    }

    if (row == NULL) {
        return ngx_k8s_annotation_unknown(a, &kv->key, &name);
    }

    value = kv->value;
    ngx_k8s_trim(&value);

    /* an empty list of addresses closes, as it does in ingress-nginx; one of
       paths is none, in place of the default */

    if (value.len == 0
        && !(row->flags & NGX_K8S_ROW_PARTS)
        && row->grammar != &ngx_k8s_grammar_texts
        && row->grammar != &ngx_k8s_grammar_risk
        && !(a->gate && (row->flags & NGX_K8S_ROW_CLOSES_ROUTE)
             && row->grammar == &ngx_k8s_grammar_cidrs))
    {
        return ngx_k8s_annotation_empty(a, &kv->key, row);
    }

    if (ngx_k8s_list(row->grammar)
        && !ngx_k8s_unread(&value)
        && ngx_k8s_list_line(row->grammar, &value, a->values->values.pool)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_annotation_row(a, &kv->key, row, &value);
}


static ngx_int_t
ngx_k8s_annotation_empty(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row)
{
    if (!(row->flags & (NGX_K8S_ROW_CLOSES_ROUTE|NGX_K8S_ROW_CLOSES_HOST))) {
        return NGX_OK;
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_NO_EFFECT, key, NULL,
                                  "it is empty, so it protects nothing, as if "
                                  "it was not there");
}


/* what needs something else, and what is not served yet */

static ngx_int_t
ngx_k8s_annotations_effect(ngx_k8s_annotations_t *a)
{
    ngx_str_t        *key;
    ngx_uint_t        i, n;
    ngx_k8s_row_t    *row;
    ngx_k8s_value_t  *value;

    value = a->values->values.elts;
    n = 0;

    for (i = 0; i < a->values->values.nelts; i++) {

        row = value[i].row;
        key = &value[i].key;

        /* the name comes before its alias */

        if (n && value[n - 1].row == row) {

            if (ngx_k8s_annotation_say(a, NGX_K8S_SAY_NO_EFFECT, key, NULL,
                                       "it does nothing beside \"%V\"",
                                       &value[n - 1].key)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (ngx_k8s_value_default(row, &value[i].value)) {

            if (a->gate || !(row->flags & a->later)) {
                value[n++] = value[i];
            }

            continue;
        }

        if (!ngx_k8s_annotation_needs(a, row)) {
            if (!ngx_k8s_annotation_bad(a, &row->needs)
                && ngx_k8s_annotation_say(a, NGX_K8S_SAY_NO_EFFECT, key, NULL,
                                          "it does nothing without \"%V\"",
                                          &row->needs)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (!(row->flags & a->later)) {

            if (ngx_k8s_annotation_unless(a, key, row, &value[i].value)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            value[n++] = value[i];
            continue;
        }

        if (ngx_k8s_annotation_later(a, key, row) != NGX_OK) {
            return NGX_ERROR;
        }

        if (a->gate) {
            value[n++] = value[i];
        }
    }

    a->values->values.nelts = n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_annotation_later(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row)
{
    static ngx_str_t  why = ngx_string("it is not served yet");
    static ngx_str_t  remedy = ngx_string("Take it out where it does not "
                                          "protect, or wait for a version that "
                                          "serves it.");

    return (row->flags & (NGX_K8S_ROW_CLOSES_ROUTE|NGX_K8S_ROW_CLOSES_HOST))
           ? ngx_k8s_annotation_close(a, key, row, &why, &remedy)
           : ngx_k8s_annotation_say(a, NGX_K8S_SAY_LATER, key, NULL, "%V",
                                    &why);
}


/* passwords of nobody */

static ngx_int_t
ngx_k8s_annotations_users(ngx_k8s_annotations_t *a)
{
    ngx_str_t         why;
    ngx_k8s_value_t  *value;

    static ngx_str_t  type = ngx_string("auth-type");
    static ngx_str_t  secret = ngx_string("auth-secret");

    value = ngx_k8s_values_find(a->values, &type);

    if (value == NULL || a->values->close_route
        || ngx_k8s_values_find(a->values, &secret))
    {
        return NGX_OK;
    }

    ngx_str_set(&why, "it needs \"auth-secret\"");

    return ngx_k8s_annotation_close(a, &value->key, value->row, &why, NULL);
}


/* what does nothing unless the ConfigMap has what it needs; a pair is two */

static ngx_int_t
ngx_k8s_annotation_unless(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *value)
{
    ngx_str_t  *needs;

    static ngx_str_t  to = ngx_string("proxy-redirect-to");
    static ngx_str_t  remedy = ngx_string("Add it, where the ConfigMap does "
                                          "not have it.");

    needs = &row->needs;

    if ((row->flags & NGX_K8S_ROW_PAIR)
        && (value->len != sizeof("default") - 1
            || ngx_strncmp(value->data, "default", value->len) != 0))
    {
        needs = &to;
    }

    if (a->gate == NULL || needs->len == 0
        || ngx_k8s_values_on(a->values, needs)
        || ngx_k8s_annotation_bad(a, needs))
    {
        return NGX_OK;
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_NOTED, key, &remedy,
                                  "it does nothing unless the ConfigMap has "
                                  "\"%V\"", needs);
}


/* what the other kind may say is not missed */

static ngx_uint_t
ngx_k8s_annotation_needs(ngx_k8s_annotations_t *a, ngx_k8s_row_t *row)
{
    return row->needs.len == 0
           || ngx_k8s_row(&row->needs, a->gate ? NGX_K8S_ROW_KEY
                                               : NGX_K8S_ROW_ANNOTATION)
           || ngx_k8s_values_on(a->values, &row->needs);
}


/* whether it is there, and its value is bad: that has been said */

static ngx_uint_t
ngx_k8s_annotation_bad(ngx_k8s_annotations_t *a, ngx_str_t *name)
{
    ngx_str_t       key, value;
    ngx_uint_t      i;
    ngx_keyval_t   *kv;
    ngx_k8s_row_t  *row;

    if (ngx_k8s_values_find(a->values, name)) {
        return 0;
    }

    kv = a->texts->elts;

    for (i = 0; i < a->texts->nelts; i++) {

        if (!ngx_k8s_annotation_ours(a, &kv[i].key, &key)) {
            continue;
        }

        row = ngx_k8s_row(&key, a->rows);

        if (row && row->name.len == name->len
            && ngx_strncmp(row->name.data, name->data, name->len) == 0)
        {
            value = kv[i].value;
            ngx_k8s_trim(&value);

            return value.len != 0;
        }
    }

    return 0;
}
