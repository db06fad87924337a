
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Notes of what is left out of a file, and why.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_manifests.h>


#define NGX_K8S_MANIFEST_VALUE   80     /* bytes of a value in a note */


static u_char *ngx_k8s_manifests_print(u_char *p, u_char *last,
    json_t *value);


ngx_int_t
ngx_k8s_manifests_note(ngx_k8s_manifests_t *m, ngx_uint_t code, json_t *json,
    const char *fmt, ...)
{
    u_char                   *p, *last, *s, buf[512];
    json_t                   *kind, *meta, *name, *ns;
    va_list                   args;
    ngx_k8s_manifest_note_t  *note;

    kind = json_object_get(json, "kind");

    if (json_is_string(kind)
        && ngx_strcasecmp((u_char *) json_string_value(kind),
                          ngx_k8s_kinds[NGX_K8S_INGRESS].name.data)
           == 0)
    {
        m->unread++;
    }

    if (m->nnotes++ >= NGX_K8S_MANIFEST_PROBLEMS) {
        return NGX_OK;
    }

    last = buf + sizeof(buf);
    p = ngx_slprintf(buf, last, "document %ui, ", m->documents);

    if (m->item) {
        p = ngx_slprintf(p, last, "item %ui, ", m->item);
    }

    p = ngx_slprintf(p, last, "line %ui: ",
                     ngx_k8s_yaml_line(m->yaml, m->item));

    meta = json_object_get(json, "metadata");
    name = json_object_get(meta, "name");
    ns = json_object_get(meta, "namespace");

    if (name == NULL) {
        name = json_object_get(meta, "generateName");
    }

    if (kind) {
        p = ngx_k8s_manifests_print(p, last, kind);
        p = ngx_slprintf(p, last, " ");
    }

    if (name) {
        p = ngx_slprintf(p, last, "\"");

        if (ns) {
            p = ngx_k8s_manifests_print(p, last, ns);
            p = ngx_slprintf(p, last, "/");
        }

        p = ngx_k8s_manifests_print(p, last, name);
        p = ngx_slprintf(p, last, "\" ");
    }

    p = ngx_slprintf(p, last, "%sis left out: ", kind || name ? "" : "it ");

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    /* no half of a character at the end */

    if (p == last) {
        while (p[-1] >= 0x80 && *--p < 0xc0) { /* void */ }
    }

    for (s = buf; s < p; s++) {
        if (*s < 0x20 || *s == 0x7f) {
            *s = '?';
        }
    }

    note = ngx_alloc(sizeof(ngx_k8s_manifest_note_t) + (p - buf), m->log);
    if (note == NULL) {
        return NGX_ERROR;
    }

    note->code = code;
    note->message.len = p - buf;
    note->message.data = (u_char *) note + sizeof(ngx_k8s_manifest_note_t);
    ngx_memcpy(note->message.data, buf, p - buf);

    ngx_queue_insert_tail(&m->notes, &note->queue);

    return NGX_OK;
}


/* a string, or what JSON calls it; whole characters of a long one */

static u_char *
ngx_k8s_manifests_print(u_char *p, u_char *last, json_t *value)
{
    char        *text;
    size_t       len;
    const char  *s;

    switch (json_typeof(value)) {

    case JSON_OBJECT:
        return ngx_slprintf(p, last, "{...}");

    case JSON_ARRAY:
        return ngx_slprintf(p, last, "[...]");

    case JSON_STRING:
        text = NULL;
        s = json_string_value(value);
        len = json_string_length(value);
        break;

    default:
        text = json_dumps(value, JSON_ENCODE_ANY);
        s = text ? text : "";
        len = ngx_strlen(s);
    }

    if (len > NGX_K8S_MANIFEST_VALUE) {
        len = NGX_K8S_MANIFEST_VALUE;

        while (len && ((u_char) s[len] & 0xc0) == 0x80) {
            len--;
        }
    }

    p = ngx_slprintf(p, last, "%*s", len, s);

    free(text);

    return p;
}
