
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What is said: of names that are unknown or not ours, and of what closes. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_annotations_core.h>


/* unknown names of one object that are compared with all known ones */
#define NGX_K8S_NEAREST_MAX          16


static ngx_uint_t ngx_k8s_annotation_behind(ngx_str_t *prefix, u_char ch,
    ngx_str_t *key, ngx_str_t *name);
static void ngx_k8s_annotation_last(ngx_str_t *name);
static ngx_str_t *ngx_k8s_annotation_nearest(ngx_k8s_annotations_t *a,
    ngx_str_t *name, ngx_uint_t rows);
static ngx_uint_t ngx_k8s_annotation_like(ngx_str_t *prefix);
static char *ngx_k8s_annotation_closed(ngx_k8s_annotations_t *a,
    ngx_uint_t host);


ngx_uint_t
ngx_k8s_annotation_ours(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_str_t *name)
{
    if (a->gate == NULL) {
        *name = *key;
        return 1;
    }

    return ngx_k8s_annotation_behind(&a->gate->prefix, '/', key, name);
}


/* whether there is a name behind the prefix and a character */

static ngx_uint_t
ngx_k8s_annotation_behind(ngx_str_t *prefix, u_char ch, ngx_str_t *key,
    ngx_str_t *name)
{
    size_t  len;

    len = prefix->len;

    if (key->len <= len + 1 || key->data[len] != ch
        || ngx_strncmp(key->data, prefix->data, len) != 0)
    {
        return 0;
    }

    name->len = key->len - len - 1;
    name->data = key->data + len + 1;

    return 1;
}


/* behind the last slash: the prefix may be there twice, or two slashes */

static void
ngx_k8s_annotation_last(ngx_str_t *name)
{
    u_char  *slash;

    while ((slash = ngx_strlchr(name->data, name->data + name->len, '/'))) {
        name->len -= slash + 1 - name->data;
        name->data = slash + 1;
    }
}


ngx_int_t
ngx_k8s_annotation_unknown(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_str_t *name)
{
    char       *message, *where;
    u_char      buf[NGX_K8S_SHOWN_MAX];
    ngx_str_t  *instead, remedy, rest;

    where = "";
    message = a->gate ? "there is no such annotation" : "there is no such key";

    instead = ngx_k8s_name_removed(name, 0);

    if (instead) {
        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, instead,
                                      "%s", message);
    }

    ngx_str_null(&remedy);

    if (ngx_k8s_row(name, NGX_K8S_ROW_KEY|NGX_K8S_ROW_ANNOTATION)) {

        if (a->gate) {
            message = "it is a key of the ConfigMap, not an annotation";
            ngx_str_set(&remedy, "Set it in the controller's ConfigMap, for "
                                 "all Ingresses.");

        } else {
            message = "it is an annotation of Ingresses, not a key";
            ngx_str_set(&remedy, "Set it in the annotations of an Ingress.");
        }

        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, &remedy,
                                      "%s", message);
    }

    rest = *name;
    ngx_k8s_annotation_last(&rest);

    instead = (rest.len < name->len && ngx_k8s_row(&rest, a->rows))
              ? &rest : ngx_k8s_annotation_nearest(a, name, a->rows);

    if (instead == NULL) {
        where = a->gate ? " It is a key of the ConfigMap." : "";
        instead = ngx_k8s_annotation_nearest(a, name,
                                             a->gate ? NGX_K8S_ROW_KEY
                                                     : NGX_K8S_ROW_ANNOTATION);
    }

    if (instead) {
        remedy.data = buf;
        remedy.len = ngx_snprintf(buf, sizeof(buf), "Did you mean \"%V\"?%s",
                                  instead, where)
                     - buf;

    } else {
        instead = ngx_k8s_name_removed(name, 1);

        if (instead) {
            remedy = *instead;
        }
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, &remedy, "%s",
                                  message);
}


static ngx_str_t *
ngx_k8s_annotation_nearest(ngx_k8s_annotations_t *a, ngx_str_t *name,
    ngx_uint_t rows)
{
    return (a->nearest++ < NGX_K8S_NEAREST_MAX)
           ? ngx_k8s_name_nearest(name, rows) : NULL;
}


ngx_int_t
ngx_k8s_annotation_other(ngx_k8s_annotations_t *a, ngx_keyval_t *kv)
{
    u_char     *slash, buf[2 * NGX_K8S_SHOWN_MAX];
    ngx_str_t   name, prefix, remedy, *key;

    key = &kv->key;

    if (ngx_k8s_unread(&kv->value)) {
        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key, NULL,
                                      "it %*s",
                                      ngx_min(kv->value.len - 1,
                                              NGX_K8S_SHOWN_MAX),
                                      kv->value.data + 1);
    }

    if (ngx_k8s_name_foreign(key, buf, sizeof(buf), &remedy)) {
        return ngx_k8s_name_protects(&remedy)
               ? ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, &remedy,
                                        "another controller reads it, so it "
                                        "protects nothing here")
               : ngx_k8s_annotation_say(a, NGX_K8S_SAY_FOREIGN, key, &remedy,
                                        "another controller reads it");
    }

    slash = ngx_strlchr(key->data, key->data + key->len, '/');

    prefix.data = key->data;
    prefix.len = slash ? slash - key->data : 0;

    name = *key;

    if (slash) {
        if (ngx_strlcasestrn(key->data, slash, (u_char *) "ingress", 7 - 1)
            == NULL
            && !ngx_k8s_name_near(&a->gate->prefix, &prefix)
            && !ngx_k8s_annotation_like(&prefix))
        {
            return NGX_OK;
        }

        ngx_k8s_annotation_last(&name);

    } else if (!ngx_k8s_annotation_behind(&a->gate->prefix, '.', key, &name)
               && ngx_strlchr(key->data, key->data + key->len, '-') == NULL)
    {
        /* without a prefix a word alone is somebody else's */

        return NGX_OK;
    }

    if (ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION) == NULL
        || (prefix.len && prefix.len == a->prefix.len
            && ngx_memcmp(prefix.data, a->prefix.data, prefix.len) == 0))
    {
        return NGX_OK;
    }

    a->prefix = prefix;

    remedy.data = buf;
    remedy.len = ngx_snprintf(buf, sizeof(buf), "Use \"%V/%V\".",
                              &a->gate->prefix, &name)
                 - buf;

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, &remedy,
                                  "only names that begin with \"%V/\" are read",
                                  &a->gate->prefix);
}


/* a prefix with a part of ours left out */

static ngx_uint_t
ngx_k8s_annotation_like(ngx_str_t *prefix)
{
    ngx_str_t  *like;

    static ngx_str_t  likes[] = {
        ngx_string("kubernetes.io"),
        ngx_string("nginx.kubernetes.io"),
        ngx_null_string
    };

    for (like = likes; like->len; like++) {
        if (prefix->len == like->len
            && ngx_strncmp(prefix->data, like->data, like->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_k8s_annotation_all(ngx_k8s_annotations_t *a, ngx_str_t *why)
{
    ngx_str_t  name, text;

    static ngx_str_t  remedy = ngx_string("Write names and values there, each "
                                          "value in quotes.");

    a->values->close_route = 1;
    a->values->close_host = (a->gate != NULL);

    ngx_str_set(&name, "");

    text.data = why->data + 1;
    text.len = why->len - 1;

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_CLOSED, &name, &remedy,
                                  "it %V, so what protects is not known: %s%s "
                                  "are closed", &text, a->gate ? "the " : "",
                                  ngx_k8s_annotation_closed(a, 1));
}


ngx_int_t
ngx_k8s_annotation_close(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *why, ngx_str_t *remedy)
{
    ngx_uint_t  host;

    host = (row->flags & NGX_K8S_ROW_CLOSES_HOST) != 0;

    if (host) {
        a->values->close_host = 1;

    } else {
        a->values->close_route = 1;
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_CLOSED, key, remedy,
                                  "%V, so the %s are closed: they answer %s",
                                  why, ngx_k8s_annotation_closed(a, host),
                                  (a->gate && host)
                                  ? "403, to HTTP-01 challenges of ACME, too"
                                  : "503");
}


static char *
ngx_k8s_annotation_closed(ngx_k8s_annotations_t *a, ngx_uint_t host)
{
    if (a->gate == NULL) {
        return a->class ? "paths of all Ingresses of the class"
                        : "paths of all Ingresses";
    }

    return host ? "hosts of the Ingress" : "paths of the Ingress";
}


ngx_int_t ngx_cdecl
ngx_k8s_annotation_say(ngx_k8s_annotations_t *a, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *remedy, const char *fmt, ...)
{
    u_char     buf[6 * NGX_K8S_SHOWN_MAX], advice[3 * NGX_K8S_SHOWN_MAX];
    va_list    args;
    ngx_str_t  message, text;

    static ngx_str_t  none = ngx_null_string;

    message.data = buf;

    va_start(args, fmt);
    message.len = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args) - buf;
    va_end(args);

    if (what != NGX_K8S_SAY_UNKNOWN && what != NGX_K8S_SAY_FOREIGN) {
        return a->say(a->data, what, name, &message, remedy ? remedy : &none);
    }

    text.data = advice;
    text.len = ngx_k8s_name_advice(advice, sizeof(advice), remedy, a->rows)
               - advice;

    return a->say(a->data, what, name, &message, &text);
}
