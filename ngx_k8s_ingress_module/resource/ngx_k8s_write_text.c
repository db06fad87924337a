
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* The text of an object that is written, and the JSON of its parts. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_write_core.h>


#define NGX_K8S_WRITE_SIZE   4096        /* of the text, at first */


/* takes the reference */

void
ngx_k8s_write_scalar(ngx_k8s_write_t *w, json_t *json)
{
    char  *text;

    text = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;

    json_decref(json);

    if (text == NULL) {
        w->failed = 1;
        return;
    }

    ngx_k8s_write_text(w, text, ngx_strlen(text));

    free(text);
}


void
ngx_k8s_write_text(ngx_k8s_write_t *w, const char *text, size_t len)
{
    u_char  *p;
    size_t   size;

    if (w->failed) {
        return;
    }

    size = w->size ? w->size : NGX_K8S_WRITE_SIZE;

    while (size < w->len + len) {
        size *= 2;
    }

    if (size != w->size) {
        p = realloc(w->text, size);
        if (p == NULL) {
            w->failed = 1;
            return;
        }

        w->text = p;
        w->size = size;
    }

    ngx_memcpy(w->text + w->len, text, len);
    w->len += len;
}


/* an object, without its end */

void
ngx_k8s_write_open(ngx_k8s_write_t *w, json_t *json)
{
    char  *text;

    text = (w->failed || json == NULL) ? NULL : json_dumps(json, JSON_COMPACT);

    json_decref(json);

    if (text == NULL) {
        w->failed = 1;
        return;
    }

    ngx_k8s_write_text(w, text, ngx_strlen(text) - 1);

    free(text);
}


json_t *
ngx_k8s_write_new(ngx_k8s_write_t *w, json_t *json)
{
    if (json == NULL) {
        w->failed = 1;
    }

    return json;
}


void
ngx_k8s_write_set(ngx_k8s_write_t *w, json_t *json, const char *name,
    json_t *value)
{
    if (json_object_set_new(json, name, value) != 0) {
        w->failed = 1;
    }
}


void
ngx_k8s_write_str(ngx_k8s_write_t *w, json_t *json, const char *name,
    ngx_str_t *s)
{
    if (s->data) {
        ngx_k8s_write_set(w, json, name,
                          json_stringn((char *) s->data, s->len));
    }
}


/* one more in what is open */

void
ngx_k8s_write_inner(ngx_k8s_write_t *w, const char *text)
{
    u_char  last;

    last = w->failed ? '{' : w->text[w->len - 1];

    if (last != '{' && last != '[') {
        ngx_k8s_write_text(w, ",", 1);
    }

    ngx_k8s_write_text(w, text, ngx_strlen(text));
}
