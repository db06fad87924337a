
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Events of libyaml to JSON: what libyaml reads as text, this gives a type.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_yaml_core.h>
#include <ngx_k8s_yaml_scalar.h>


/* bytes that aliases may stand for in one document */
#define NGX_K8S_YAML_EXPANDED   (4 * 1024 * 1024)

/* what a node counts beside its text */
#define NGX_K8S_YAML_NODE       16


static ngx_int_t ngx_k8s_yaml_line_note(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_begin(ngx_k8s_yaml_t *y, yaml_event_t *e,
    json_t *json, yaml_char_t *anchor);
static ngx_int_t ngx_k8s_yaml_end(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_scalar(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_alias(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_anchor(ngx_k8s_yaml_t *y, yaml_event_t *e,
    char *name, json_t *json, size_t weight);
static ngx_int_t ngx_k8s_yaml_add(ngx_k8s_yaml_t *y, yaml_event_t *e,
    json_t *json);
static ngx_int_t ngx_k8s_yaml_key(ngx_k8s_yaml_t *y, yaml_event_t *e,
    json_t *key);
static ngx_int_t ngx_k8s_yaml_merge(ngx_k8s_yaml_t *y, yaml_event_t *e,
    json_t *json);


ngx_int_t
ngx_k8s_yaml_event(ngx_k8s_yaml_t *y, yaml_event_t *e)
{
    if (ngx_k8s_yaml_line_note(y, e) != NGX_OK) {
        return NGX_DECLINED;
    }

    switch (e->type) {

    case YAML_STREAM_END_EVENT:
        y->done = 1;
        return NGX_OK;

    case YAML_MAPPING_START_EVENT:
        return ngx_k8s_yaml_begin(y, e, json_object(),
                                  e->data.mapping_start.anchor);

    case YAML_SEQUENCE_START_EVENT:
        return ngx_k8s_yaml_begin(y, e, json_array(),
                                  e->data.sequence_start.anchor);

    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return ngx_k8s_yaml_end(y, e);

    case YAML_SCALAR_EVENT:
        return ngx_k8s_yaml_scalar(y, e);

    case YAML_ALIAS_EVENT:
        return ngx_k8s_yaml_alias(y, e);

    default:
        return NGX_OK;
    }
}


/* where a document begins, or an element of its "items" */

static ngx_int_t
ngx_k8s_yaml_line_note(ngx_k8s_yaml_t *y, yaml_event_t *e)
{
    uint32_t              *lines;
    ngx_uint_t             n;
    ngx_k8s_yaml_frame_t  *f;

    switch (e->type) {

    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_SCALAR_EVENT:
    case YAML_ALIAS_EVENT:
        break;

    default:
        return NGX_OK;
    }

    if (y->depth == 0) {
        y->line = y->base + e->start_mark.line;
        y->nlines = 0;
        return NGX_OK;
    }

    f = y->frames;

    if (y->depth != 2 || !json_is_array(f[1].json) || f[0].key == NULL
        || ngx_strcmp(json_string_value(f[0].key), "items") != 0)
    {
        return NGX_OK;
    }

    if (y->nlines == y->nalloc) {
        n = y->nalloc ? y->nalloc * 2 : 64;

        lines = realloc(y->lines, n * sizeof(uint32_t));
        if (lines == NULL) {
            y->failed = 1;
            return NGX_DECLINED;
        }

        y->lines = lines;
        y->nalloc = n;
    }

    y->lines[y->nlines++] = y->base + e->start_mark.line;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_yaml_begin(ngx_k8s_yaml_t *y, yaml_event_t *e, json_t *json,
    yaml_char_t *anchor)
{
    ngx_k8s_yaml_frame_t  *f;

    if (json == NULL) {
        y->failed = 1;
        return NGX_DECLINED;
    }

    if (y->depth) {
        f = &y->frames[y->depth - 1];

        if (json_is_object(f->json) && f->key == NULL && !f->merge) {
            json_decref(json);
            return ngx_k8s_yaml_failed(y, e->start_mark.line,
                                       e->start_mark.column,
                                       "a key is no scalar");
        }
    }

    if (y->depth == NGX_K8S_YAML_DEPTH) {
        json_decref(json);
        return ngx_k8s_yaml_failed(y, e->start_mark.line, e->start_mark.column,
                                   "it is nested too deeply");
    }

    f = &y->frames[y->depth++];

    ngx_memzero(f, sizeof(ngx_k8s_yaml_frame_t));

    f->json = json;
    f->weight = y->weight;

    y->weight += NGX_K8S_YAML_NODE;

    if (anchor) {
        f->anchor = strdup((char *) anchor);

        if (f->anchor == NULL) {
            y->failed = 1;
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_yaml_end(ngx_k8s_yaml_t *y, yaml_event_t *e)
{
    json_t                *json;
    ngx_int_t              rc;
    ngx_k8s_yaml_frame_t  *f;

    f = &y->frames[--y->depth];
    json = f->json;

    if (f->merged) {

        rc = json_object_update_missing(json, f->merged);

        json_decref(f->merged);

        if (rc != 0) {
            json_decref(json);
            free(f->anchor);
            y->failed = 1;
            return NGX_DECLINED;
        }
    }

    if (f->anchor) {

        rc = ngx_k8s_yaml_anchor(y, e, f->anchor, json, y->weight - f->weight);

        free(f->anchor);

        if (rc != NGX_OK) {
            json_decref(json);
            return rc;
        }
    }

    return ngx_k8s_yaml_add(y, e, json);
}


static ngx_int_t
ngx_k8s_yaml_scalar(ngx_k8s_yaml_t *y, yaml_event_t *e)
{
    char                  *error;
    size_t                 weight;
    json_t                *json;
    ngx_int_t              rc;
    ngx_str_t              s;
    ngx_uint_t             plain;
    ngx_k8s_yaml_frame_t  *f;

    s.data = e->data.scalar.value;
    s.len = e->data.scalar.length;

    weight = NGX_K8S_YAML_NODE + s.len;
    y->weight += weight;

    plain = (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);

    f = y->depth ? &y->frames[y->depth - 1] : NULL;

    if (f && json_is_object(f->json) && f->key == NULL && !f->merge) {

        if (s.len > NGX_K8S_YAML_KEY) {
            return ngx_k8s_yaml_failed(y, e->start_mark.line,
                                       e->start_mark.column,
                                       "a key is too long");
        }

        if (plain && e->data.scalar.tag == NULL
            && s.len == 2 && s.data[0] == '<' && s.data[1] == '<')
        {
            f->merge = 1;
            return NGX_OK;
        }

        /* keys are strings, whatever they look like */

        json = json_stringn_nocheck((char *) s.data, s.len);
        error = NULL;

    } else {
        json = ngx_k8s_yaml_resolve(&s, e->data.scalar.tag, plain, &error);
    }

    if (json == NULL && error == NULL) {
        y->failed = 1;
        return NGX_DECLINED;
    }

    if (json == NULL) {
        return ngx_k8s_yaml_failed(y, e->start_mark.line, e->start_mark.column,
                                   error);
    }

    if (e->data.scalar.anchor) {
        rc = ngx_k8s_yaml_anchor(y, e, (char *) e->data.scalar.anchor, json,
                                 weight);
        if (rc != NGX_OK) {
            json_decref(json);
            return rc;
        }
    }

    return ngx_k8s_yaml_add(y, e, json);
}


static ngx_int_t
ngx_k8s_yaml_alias(ngx_k8s_yaml_t *y, yaml_event_t *e)
{
    ngx_uint_t              i;
    ngx_k8s_yaml_anchor_t  *a;

    for (i = 0; i < y->nanchors; i++) {
        a = &y->anchors[i];

        if (ngx_strcmp(a->name, e->data.alias.anchor) != 0) {
            continue;
        }

        /* a part is shared, not copied, but who reads it reads it anew */

        y->weight += a->weight;
        y->expanded += a->weight;

        if (y->expanded > NGX_K8S_YAML_EXPANDED) {
            return ngx_k8s_yaml_failed(y, e->start_mark.line,
                                       e->start_mark.column,
                                       "aliases stand for too much");
        }

        return ngx_k8s_yaml_add(y, e, json_incref(a->json));
    }

    return ngx_k8s_yaml_failed(y, e->start_mark.line, e->start_mark.column,
                               "an alias names no complete anchor");
}


static ngx_int_t
ngx_k8s_yaml_anchor(ngx_k8s_yaml_t *y, yaml_event_t *e, char *name,
    json_t *json, size_t weight)
{
    ngx_uint_t              i;
    ngx_k8s_yaml_anchor_t  *a;

    for (i = 0; i < y->nanchors; i++) {
        if (ngx_strcmp(y->anchors[i].name, name) == 0) {
            break;
        }
    }

    a = &y->anchors[i];

    if (i == y->nanchors) {

        if (i == NGX_K8S_YAML_ANCHORS) {
            return ngx_k8s_yaml_failed(y, e->start_mark.line,
                                       e->start_mark.column,
                                       "there are too many anchors");
        }

        a->name = strdup(name);

        if (a->name == NULL) {
            y->failed = 1;
            return NGX_DECLINED;
        }

        y->nanchors++;

    } else {
        json_decref(a->json);
    }

    a->json = json_incref(json);
    a->weight = weight;

    return NGX_OK;
}


/* gives a complete node to what is open; takes its reference */

static ngx_int_t
ngx_k8s_yaml_add(ngx_k8s_yaml_t *y, yaml_event_t *e, json_t *json)
{
    int                    rc;
    ngx_k8s_yaml_frame_t  *f;

    if (y->depth == 0) {
        json_decref(y->root);
        y->root = json;
        return NGX_OK;
    }

    f = &y->frames[y->depth - 1];

    if (json_array_size(f->json) == NGX_K8S_PARSER_TREE_LIST) {
        json_decref(json);
        return ngx_k8s_yaml_failed(y, e->start_mark.line, e->start_mark.column,
                                   "a list has too many elements");
    }

    if (json_is_array(f->json)) {
        rc = json_array_append_new(f->json, json);

    } else if (f->merge) {
        return ngx_k8s_yaml_merge(y, e, json);

    } else if (f->key == NULL) {
        return ngx_k8s_yaml_key(y, e, json);

    } else {
        rc = json_object_set_new(f->json, json_string_value(f->key), json);

        json_decref(f->key);
        f->key = NULL;
    }

    if (rc != 0) {
        y->failed = 1;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_yaml_key(ngx_k8s_yaml_t *y, yaml_event_t *e, json_t *key)
{
    u_char                 why[256];
    const char            *name;
    ngx_k8s_yaml_frame_t  *f;

    f = &y->frames[y->depth - 1];
    name = json_string_value(key);

    if (!json_is_string(key)) {
        ngx_memcpy(why, "a key is no string", sizeof("a key is no string"));

    } else if (ngx_strlen(name) != json_string_length(key)) {
        ngx_memcpy(why, "a key holds a null byte",
                   sizeof("a key holds a null byte"));

    } else if (json_object_size(f->json) == NGX_K8S_PARSER_TREE_MAP) {
        ngx_memcpy(why, "a mapping has too many keys",
                   sizeof("a mapping has too many keys"));

    } else if (json_object_get(f->json, name)) {
        *ngx_snprintf(why, sizeof(why) - 1, "the key \"%s\" is there twice",
                      name) = '\0';

    } else {
        f->key = key;
        return NGX_OK;
    }

    json_decref(key);

    return ngx_k8s_yaml_failed(y, e->start_mark.line, e->start_mark.column,
                               (char *) why);
}


/* "<<": what a mapping, or each of several, has and this one has not */

static ngx_int_t
ngx_k8s_yaml_merge(ngx_k8s_yaml_t *y, yaml_event_t *e, json_t *json)
{
    size_t                 i, n;
    json_t                *map;
    ngx_k8s_yaml_frame_t  *f;

    f = &y->frames[y->depth - 1];
    f->merge = 0;

    n = json_is_array(json) ? json_array_size(json) : 1;

    for (i = 0; i < n; i++) {
        map = json_is_array(json) ? json_array_get(json, i) : json;

        if (!json_is_object(map)) {
            json_decref(json);
            return ngx_k8s_yaml_failed(y, e->start_mark.line,
                                       e->start_mark.column,
                                       "what is merged is no mapping");
        }

        f->nmerged += 1 + json_object_size(map);
        y->taken += json_object_size(map) * NGX_K8S_YAML_NODE;

        if (f->nmerged > NGX_K8S_YAML_MERGED) {
            json_decref(json);
            return ngx_k8s_yaml_failed(y, e->start_mark.line,
                                       e->start_mark.column,
                                       "merge keys bring too much");
        }

        if (f->merged == NULL) {
            f->merged = json_object();
        }

        if (json_object_update_missing(f->merged, map) != 0) {
            json_decref(json);
            y->failed = 1;
            return NGX_DECLINED;
        }
    }

    json_decref(json);

    return NGX_OK;
}


/* line and column are counted from 0 */

ngx_int_t
ngx_k8s_yaml_failed(ngx_k8s_yaml_t *y, size_t line, size_t column,
    const char *why)
{
    u_char  *p;

    if (why == NULL) {
        why = "it cannot be read";
    }

    p = ngx_snprintf(y->message, sizeof(y->message), "line %uz, column %uz: "
                     "%s", y->base + line + 1, column + 1, why);

    y->error.data = y->message;
    y->error.len = p - y->message;

    for (p = y->message; p < y->message + y->error.len; p++) {
        if (*p < 0x20) {
            *p = ' ';
        }
    }

    return NGX_DECLINED;
}
