
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Documents of manifests: lists are taken apart, and each object that can be
 * used becomes a claim.  One that cannot is left out alone, with a note.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_manifests.h>


static ngx_int_t ngx_k8s_manifests_value(ngx_k8s_manifests_t *m,
    json_t *json);
static ngx_int_t ngx_k8s_manifests_element(ngx_k8s_manifests_t *m,
    json_t *json);
static ngx_int_t ngx_k8s_manifests_open(ngx_k8s_manifests_t *m, json_t *json,
    json_t *items);
static ngx_int_t ngx_k8s_manifests_object(ngx_k8s_manifests_t *m,
    json_t *json);
static ngx_int_t ngx_k8s_manifests_kind(ngx_k8s_manifests_t *m, json_t *json,
    ngx_uint_t *kind);
static ngx_int_t ngx_k8s_manifests_version(ngx_k8s_manifests_t *m,
    json_t *json, ngx_uint_t kind);
static ngx_int_t ngx_k8s_manifests_namespace(ngx_k8s_manifests_t *m,
    ngx_uint_t kind, json_t *json);
static void ngx_k8s_manifests_ignore(ngx_k8s_manifests_t *m, json_t *json);


ngx_int_t
ngx_k8s_manifests_document(ngx_k8s_manifests_t *m, json_t *json)
{
    ngx_int_t                 rc;
    ngx_k8s_manifest_list_t  *list;

    if (json) {
        m->documents++;
        m->item = 0;

        rc = ngx_k8s_manifests_value(m, json);
        ngx_k8s_manifests_discard(m, json);

        return rc;
    }

    list = &m->lists[m->nlists - 1];

    if (list->element == json_array_size(list->items)) {
        ngx_k8s_manifests_close(m);
        return NGX_OK;
    }

    if (m->nlists == 1) {
        m->item = list->element + 1;
    }

    json = json_array_get(list->items, list->element);

    rc = ngx_k8s_manifests_element(m, json);

    /* the element is of no more use; one that aliases share stays */

    if (list->items->refcount == 1) {
        ngx_k8s_manifests_discard(m, json_incref(json));
        (void) json_array_set_new(list->items, list->element, json_null());
    }

    list->element++;

    return rc;
}


/* ends the innermost list */

void
ngx_k8s_manifests_close(ngx_k8s_manifests_t *m)
{
    ngx_k8s_manifest_list_t  *list;

    list = &m->lists[--m->nlists];

    ngx_k8s_manifests_discard(m, list->items);
    json_decref(list->kind);
    json_decref(list->version);
}


/* a document, or an element of a list: a list, or an object */

static ngx_int_t
ngx_k8s_manifests_value(ngx_k8s_manifests_t *m, json_t *json)
{
    size_t       len;
    json_t      *items;
    const char  *kind;

    if (!json_is_object(json)) {
        return ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_INVALID_OBJECT, json,
                                      "it is no object");
    }

    kind = json_string_value(json_object_get(json, "kind"));
    len = kind ? ngx_strlen(kind) : 0;

    if (len < 4 || ngx_strcmp(kind + len - 4, "List") != 0) {
        return ngx_k8s_manifests_object(m, json);
    }

    items = json_object_get(json, "items");

    if (items == NULL || json_is_null(items)) {
        return NGX_OK;
    }

    if (!json_is_array(items)) {
        return ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_INVALID_OBJECT, json,
                                      "its items are no list");
    }

    if (m->nlists == NGX_K8S_MANIFEST_LISTS) {
        return ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_INVALID_OBJECT, json,
                                      "lists are nested too deeply");
    }

    return ngx_k8s_manifests_open(m, json, items);
}


/* in a list of one kind the elements need not say it */

static ngx_int_t
ngx_k8s_manifests_element(ngx_k8s_manifests_t *m, json_t *json)
{
    ngx_k8s_manifest_list_t  *list;

    list = &m->lists[m->nlists - 1];

    if (list->kind && json_is_object(json)
        && json_object_get(json, "kind") == NULL)
    {
        if (json_object_set(json, "kind", list->kind) != 0) {
            return NGX_ERROR;
        }

        if (json_object_get(json, "apiVersion") == NULL && list->version
            && json_object_set(json, "apiVersion", list->version) != 0)
        {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_manifests_value(m, json);
}


static ngx_int_t
ngx_k8s_manifests_open(ngx_k8s_manifests_t *m, json_t *json, json_t *items)
{
    size_t                    len;
    const char               *kind;
    ngx_k8s_manifest_list_t  *list;

    kind = json_string_value(json_object_get(json, "kind"));
    len = ngx_strlen(kind) - (sizeof("List") - 1);

    list = &m->lists[m->nlists];

    list->kind = NULL;
    list->version = NULL;

    if (len) {
        list->kind = json_stringn(kind, len);
        if (list->kind == NULL) {
            return NGX_ERROR;
        }

        list->version = json_incref(json_object_get(json, "apiVersion"));
    }

    list->items = json_incref(items);
    list->element = 0;

    m->nlists++;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_manifests_object(ngx_k8s_manifests_t *m, json_t *json)
{
    char        *why;
    json_t      *meta;
    ngx_int_t    rc;
    ngx_uint_t   kind;

    rc = ngx_k8s_manifests_kind(m, json, &kind);

    if (rc == NGX_OK) {
        rc = ngx_k8s_manifests_namespace(m, kind, json);
    }

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    why = ngx_k8s_object_check(ngx_k8s_manifest_kind(kind), json);

    if (why) {
        return ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_INVALID_OBJECT, json,
                                      "%s", why);
    }

    /* what nobody reads needs no memory */

    meta = json_object_get(json, "metadata");
    (void) json_object_del(meta, "managedFields");
    (void) json_object_del(json_object_get(meta, "annotations"),
                           "kubectl.kubernetes.io/last-applied-configuration");
    (void) json_object_del(json, "status");

    return ngx_k8s_manifests_claim(m, kind, json, 1);
}


/* NGX_DECLINED: it is none that is read, and that is said where it may be
   meant to be */

static ngx_int_t
ngx_k8s_manifests_kind(ngx_k8s_manifests_t *m, json_t *json, ngx_uint_t *kind)
{
    json_t          *value;
    ngx_int_t        rc;
    ngx_uint_t       i;
    const char      *name;
    ngx_k8s_kind_t  *k;

    rc = ngx_k8s_kind_of(json);

    if (rc != NGX_ERROR && !(m->conf->skip & (1 << rc))) {
        *kind = rc;
        return NGX_OK;
    }

    value = json_object_get(json, "kind");
    name = json_string_value(value);

    if (name == NULL) {

        if (value == NULL && json_object_get(json, "metadata") == NULL
            && json_object_get(json, "apiVersion") == NULL)
        {
            /* values of a chart, or the like */
            return NGX_DECLINED;
        }

        rc = ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_INVALID_OBJECT, json,
                                    value ? "its kind is no string"
                                          : "it has no kind");

        return (rc == NGX_OK) ? NGX_DECLINED : NGX_ERROR;
    }

    for (i = 0; i <= NGX_K8S_MANIFEST_ENDPOINTS; i++) {
        k = ngx_k8s_manifest_kind(i);

        if (ngx_strcasecmp((u_char *) name, k->name.data) == 0
            && !(m->conf->skip & (1 << i)))
        {
            *kind = i;
            return ngx_k8s_manifests_version(m, json, i);
        }
    }

    ngx_k8s_manifests_ignore(m, json);

    return NGX_DECLINED;
}


/* an object that has a kind's name: NGX_OK when it is written as it is read */

static ngx_int_t
ngx_k8s_manifests_version(ngx_k8s_manifests_t *m, json_t *json,
    ngx_uint_t kind)
{
    char            *slash;
    size_t           len;
    ngx_int_t        rc;
    const char      *version;
    ngx_k8s_kind_t  *k;

    k = ngx_k8s_manifest_kind(kind);

    slash = (k->group.len ? "/" : "");
    version = json_string_value(json_object_get(json, "apiVersion"));

    if (version == NULL) {
        rc = ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_API_VERSION, json,
                                    "it has no apiVersion: write %V%s%V",
                                    &k->group, slash, &k->version);
        goto done;
    }

    /* Ingresses came from "extensions"; another group has kinds of its own */

    len = strcspn(version, "/");

    if (version[len] == '/'
        && (len != k->group.len
            || ngx_strncmp(version, k->group.data, len) != 0)
        && ngx_strncmp(version, "extensions/", sizeof("extensions/") - 1) != 0)
    {
        ngx_k8s_manifests_ignore(m, json);
        return NGX_DECLINED;
    }

    if (version[len] == '/') {
        len++;

    } else {
        len = 0;
    }

    if (ngx_strcmp(version + len, k->version.data) == 0
        && (len != 0) == (k->group.len != 0))
    {
        if (ngx_strcmp(json_string_value(json_object_get(json, "kind")),
                       k->name.data)
            == 0)
        {
            return NGX_OK;
        }

        rc = ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_INVALID_OBJECT, json,
                                    "the kind is written %V", &k->name);
        goto done;
    }

    rc = ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_API_VERSION, json,
                                "apiVersion %s is not read: write it for "
                                "%V%s%V", version, &k->group, slash,
                                &k->version);

done:

    /* one that is known by its name keeps its last good version */

    if (rc == NGX_OK) {
        rc = ngx_k8s_manifests_namespace(m, kind, json);

        if (rc == NGX_OK && ngx_k8s_object_check(k, json) == NULL) {
            rc = ngx_k8s_manifests_claim(m, kind, json, 0);
        }
    }

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_DECLINED;
}


/* NGX_DECLINED: it is not read, as its namespace is not watched, say */

static ngx_int_t
ngx_k8s_manifests_namespace(ngx_k8s_manifests_t *m, ngx_uint_t kind,
    json_t *json)
{
    json_t     *meta, *value;
    ngx_str_t   ns, name;

    meta = json_object_get(json, "metadata");

    if (!ngx_k8s_manifest_kind(kind)->namespaced || !json_is_object(meta)) {
        return NGX_OK;
    }

    value = json_object_get(meta, "namespace");

    if (value == NULL || json_is_null(value)
        || (json_is_string(value) && json_string_length(value) == 0))
    {
        if (json_object_set_new(meta, "namespace", json_string("default"))
            != 0)
        {
            return NGX_ERROR;
        }

        value = json_object_get(meta, "namespace");
    }

    if (!json_is_string(value)) {
        return NGX_OK;
    }

    ns.data = (u_char *) json_string_value(value);
    ns.len = json_string_length(value);

    value = json_object_get(meta, "name");

    name.data = (u_char *) json_string_value(value);
    name.len = json_string_length(value);

    if (kind == NGX_K8S_MANIFEST_ENDPOINTS) {
        kind = NGX_K8S_ENDPOINT_SLICE;
    }

    return ngx_k8s_source_reads(m->conf, kind, &ns, &name) ? NGX_OK
                                                           : NGX_DECLINED;
}


/* says once for each kind that it is left out */

static void
ngx_k8s_manifests_ignore(ngx_k8s_manifests_t *m, json_t *json)
{
    size_t       len;
    ngx_str_t   *s;
    ngx_uint_t   i;
    const char  *kind;

    kind = json_string_value(json_object_get(json, "kind"));
    kind = kind ? kind : "";

    len = ngx_min(ngx_strlen(kind), 63);
    s = m->ignored.elts;

    for (i = 0; i < m->ignored.nelts; i++) {
        if (s[i].len == len && ngx_memcmp(s[i].data, kind, len) == 0) {
            return;
        }
    }

    if (m->ignored.nelts == 64) {
        return;
    }

    s = ngx_array_push(&m->ignored);
    if (s == NULL) {
        return;
    }

    s->len = len;
    s->data = ngx_pnalloc(m->pool, len);

    if (s->data == NULL) {
        m->ignored.nelts--;
        return;
    }

    ngx_memcpy(s->data, kind, len);

    ngx_log_error(NGX_LOG_INFO, m->log, 0, "manifests \"%V\": kind \"%V\" is "
                  "left out, first in \"%V\"", &m->root, s,
                  &m->reading->sn.str);
}
