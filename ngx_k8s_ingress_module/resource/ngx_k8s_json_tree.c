
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_json_tree.h>
#include <ngx_k8s_reader.h>


#define NGX_K8S_JSON_TEXT_SIZE      4096    /* at first */
#define NGX_K8S_JSON_TEXT_PIECE     4096    /* of a string */

/* bytes that writing a value costs at least, and that freeing one costs */
#define NGX_K8S_JSON_TEXT_VALUE     8
#define NGX_K8S_JSON_FREED          16


static size_t ngx_k8s_json_text_string(ngx_k8s_json_text_t *t);
static void ngx_k8s_json_text_next(ngx_k8s_json_text_t *t);
static void ngx_k8s_json_text_value(ngx_k8s_json_text_t *t, json_t *value);
static void ngx_k8s_json_text_open(ngx_k8s_json_text_t *t, json_t *json);
static void ngx_k8s_json_text_add(ngx_k8s_json_text_t *t, const char *text,
    size_t len);
static ngx_int_t ngx_k8s_json_text_need(ngx_k8s_json_text_t *t, size_t len);


void
ngx_k8s_json_text_begin(ngx_k8s_json_text_t *t, json_t *json)
{
    ngx_memzero(t, offsetof(ngx_k8s_json_text_t, frames));

    ngx_k8s_json_text_open(t, json);
}


ngx_int_t
ngx_k8s_json_text_run(ngx_k8s_json_text_t *t, size_t max)
{
    size_t  n;

    while (!t->failed) {

        if (t->depth == 0) {
            ngx_k8s_json_text_add(t, "", 1);
            t->len--;

            break;
        }

        if (max == 0) {
            return NGX_AGAIN;
        }

        n = NGX_K8S_JSON_TEXT_VALUE;

        if (t->end) {
            n = ngx_k8s_json_text_string(t);

        } else {
            ngx_k8s_json_text_next(t);
        }

        max -= ngx_min(max, n);
    }

    return t->failed ? NGX_ERROR : NGX_OK;
}


/* how many bytes of it */

static size_t
ngx_k8s_json_text_string(ngx_k8s_json_text_t *t)
{
    size_t   n, escapes;
    u_char  *p;

    n = ngx_min(t->left, NGX_K8S_JSON_TEXT_PIECE);
    escapes = ngx_escape_json(NULL, t->string, n);

    if (ngx_k8s_json_text_need(t, n + escapes) != NGX_OK) {
        return n;
    }

    p = t->text + t->len;

    if (escapes) {
        (void) ngx_escape_json(p, t->string, n);

    } else {
        ngx_memcpy(p, t->string, n);
    }

    t->len += n + escapes;
    t->string += n;
    t->left -= n;

    if (t->left == 0) {
        ngx_k8s_json_text_add(t, t->end, ngx_strlen(t->end));
        t->end = NULL;
    }

    return n + escapes;
}


/* a name and, when that is written, its value; an element; or an end */

static void
ngx_k8s_json_text_next(ngx_k8s_json_text_t *t)
{
    const char                 *key;
    ngx_k8s_json_text_frame_t  *f;

    f = &t->frames[t->depth - 1];

    if (json_is_array(f->json)) {

        if (f->n == json_array_size(f->json)) {
            t->depth--;
            ngx_k8s_json_text_add(t, "]", 1);
            return;
        }

        if (f->n) {
            ngx_k8s_json_text_add(t, ",", 1);
        }

        ngx_k8s_json_text_value(t, json_array_get(f->json, f->n++));
        return;
    }

    /* n: the name is written */

    if (f->n) {
        f->n = 0;
        ngx_k8s_json_text_value(t, json_object_iter_value(f->iter));
        return;
    }

    if (f->iter) {
        f->iter = json_object_iter_next(f->json, f->iter);

        if (f->iter) {
            ngx_k8s_json_text_add(t, ",", 1);
        }

    } else {
        f->iter = json_object_iter(f->json);
    }

    if (f->iter == NULL) {
        t->depth--;
        ngx_k8s_json_text_add(t, "}", 1);
        return;
    }

    key = json_object_iter_key(f->iter);

    f->n = 1;

    t->is_spec = (t->depth == 1 && ngx_strcmp(key, "spec") == 0);
    t->string = (u_char *) key;
    t->left = ngx_strlen(key);
    t->end = "\":";

    ngx_k8s_json_text_add(t, "\"", 1);
}


static void
ngx_k8s_json_text_value(ngx_k8s_json_text_t *t, json_t *value)
{
    char  *text;

    switch (json_typeof(value)) {

    case JSON_OBJECT:
    case JSON_ARRAY:

        if (t->depth < NGX_K8S_PARSER_TREE_DEPTH) {
            ngx_k8s_json_text_open(t, value);
            return;
        }

        break;

    case JSON_STRING:
        t->string = (u_char *) json_string_value(value);
        t->left = json_string_length(value);
        t->end = "\"";

        ngx_k8s_json_text_add(t, "\"", 1);
        return;

    default:
        break;
    }

    text = json_dumps(value, JSON_COMPACT|JSON_ENCODE_ANY);

    if (text == NULL) {
        t->failed = 1;
        return;
    }

    ngx_k8s_json_text_add(t, text, ngx_strlen(text));

    free(text);
}


static void
ngx_k8s_json_text_open(ngx_k8s_json_text_t *t, json_t *json)
{
    ngx_k8s_json_text_frame_t  *f;

    f = &t->frames[t->depth++];

    f->json = json;
    f->iter = NULL;
    f->n = 0;

    ngx_k8s_json_text_add(t, json_is_array(json) ? "[" : "{", 1);

    if (t->is_spec) {
        t->is_spec = 0;
        t->spec = json_is_object(json) ? t->len : 0;
    }
}


static void
ngx_k8s_json_text_add(ngx_k8s_json_text_t *t, const char *text, size_t len)
{
    if (ngx_k8s_json_text_need(t, len) == NGX_OK) {
        ngx_memcpy(t->text + t->len, text, len);
        t->len += len;
    }
}


static ngx_int_t
ngx_k8s_json_text_need(ngx_k8s_json_text_t *t, size_t len)
{
    size_t   size;
    u_char  *p;

    if (t->failed) {
        return NGX_ERROR;
    }

    size = t->size ? t->size : NGX_K8S_JSON_TEXT_SIZE;

    while (size < t->len + len) {
        size *= 2;
    }

    if (size != t->size) {
        p = realloc(t->text, size);
        if (p == NULL) {
            t->failed = 1;
            return NGX_ERROR;
        }

        t->text = p;
        t->size = size;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_k8s_json_cost(json_t *json)
{
    size_t       i;
    json_t      *value;
    const char  *key;
    ngx_uint_t   cost;

    cost = 1;

    switch (json_typeof(json)) {

    case JSON_OBJECT:
        json_object_foreach(json, key, value) {
            cost += ngx_k8s_json_cost(value);
        }

        break;

    case JSON_ARRAY:
        json_array_foreach(json, i, value) {
            cost += ngx_k8s_json_cost(value);
        }

        break;

    case JSON_STRING:
        cost += json_string_length(json) / NGX_K8S_COST_BYTES;
        break;

    default:
        break;
    }

    return cost;
}


#define ngx_k8s_json_size(json)                                               \
    (json_array_size(json) + json_object_size(json))


/* what is deeper than trees are read in pieces is small */

ngx_int_t
ngx_k8s_json_freed(json_t *json, size_t *budget)
{
    size_t       n;
    void        *iter;
    json_t      *container, *value;
    ngx_uint_t   depth;

    while (ngx_k8s_json_size(json)) {

        if (*budget == 0) {
            return NGX_AGAIN;
        }

        value = json;
        depth = 0;

        do {
            container = value;
            n = json_array_size(container);
            iter = n ? NULL : json_object_iter(container);

            value = n ? json_array_get(container, n - 1)
                      : json_object_iter_value(iter);

        } while (ngx_k8s_json_size(value) && value->refcount == 1
                 && depth++ < NGX_K8S_PARSER_TREE_DEPTH);

        n = (value->refcount == 1) ? ngx_k8s_json_cost(value) : 1;
        n *= NGX_K8S_JSON_FREED;

        *budget -= ngx_min(*budget, n);

        if (iter) {
            (void) json_object_del(container, json_object_iter_key(iter));

        } else {
            (void) json_array_remove(container,
                                     json_array_size(container) - 1);
        }
    }

    return NGX_OK;
}
