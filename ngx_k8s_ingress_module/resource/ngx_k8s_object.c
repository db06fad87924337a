
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


#define NGX_K8S_NAME_MAX       253
#define NGX_K8S_NAMESPACE_MAX  63

#define NGX_K8S_SCRATCH        2048


static ngx_int_t ngx_k8s_object_name(json_t *json, size_t max,
    ngx_uint_t dots);
static ngx_int_t ngx_k8s_object_name_check(ngx_str_t *name, size_t max,
    ngx_uint_t dots);
static ngx_int_t ngx_k8s_object_read(ngx_k8s_reader_t *r, ngx_uint_t kind,
    json_t *json, ngx_k8s_part_t *part);
static ngx_int_t ngx_k8s_object_digest(ngx_k8s_object_t *object, json_t *json,
    ngx_k8s_digest_t *digest);
static void ngx_k8s_object_metadata(ngx_k8s_reader_t *r, json_t *json);


/* name, plural, group, version; namespaced, required, labels, annotations,
   body, wanted, secret, status; size, list, read, piece */

ngx_k8s_kind_t  ngx_k8s_kinds[NGX_K8S_KINDS] = {

    { ngx_string("Ingress"),
      ngx_string("ingresses"),
      ngx_string("networking.k8s.io"),
      ngx_string("v1"),
      1, 1, 0, 1, 1, 0, 0, 1,
      sizeof(ngx_k8s_ingress_t),
      NULL,
      ngx_k8s_ingress_read,
      ngx_k8s_ingress_piece },

    { ngx_string("IngressClass"),
      ngx_string("ingressclasses"),
      ngx_string("networking.k8s.io"),
      ngx_string("v1"),
      0, 0, 0, 1, 1, 0, 0, 0,
      sizeof(ngx_k8s_ingress_class_t),
      NULL,
      ngx_k8s_ingress_class_read,
      NULL },

    { ngx_string("Service"),
      ngx_string("services"),
      ngx_string(""),
      ngx_string("v1"),
      1, 1, 0, 0, 1, 0, 0, 1,
      sizeof(ngx_k8s_service_t),
      NULL,
      ngx_k8s_service_read,
      NULL },

    { ngx_string("EndpointSlice"),
      ngx_string("endpointslices"),
      ngx_string("discovery.k8s.io"),
      ngx_string("v1"),
      1, 1, 0, 0, 1, 0, 0, 0,
      sizeof(ngx_k8s_endpoint_slice_t),
      "endpoints",
      ngx_k8s_slice_read,
      NULL },

    { ngx_string("Secret"),
      ngx_string("secrets"),
      ngx_string(""),
      ngx_string("v1"),
      1, 0, 0, 0, 1, 1, 1, 0,
      sizeof(ngx_k8s_secret_t),
      NULL,
      ngx_k8s_secret_read,
      NULL },

    { ngx_string("Namespace"),
      ngx_string("namespaces"),
      ngx_string(""),
      ngx_string("v1"),
      0, 0, 1, 0, 0, 0, 0, 0,
      sizeof(ngx_k8s_object_t),
      NULL,
      NULL,
      NULL },

    { ngx_string("ConfigMap"),
      ngx_string("configmaps"),
      ngx_string(""),
      ngx_string("v1"),
      1, 0, 0, 0, 1, 1, 0, 0,
      sizeof(ngx_k8s_config_map_t),
      NULL,
      ngx_k8s_config_map_read,
      NULL }
};


ngx_int_t
ngx_k8s_kind_of(json_t *json)
{
    size_t           len;
    ngx_uint_t       i;
    const char      *kind, *version;
    ngx_k8s_kind_t  *k;

    kind = json_string_value(json_object_get(json, "kind"));
    version = json_string_value(json_object_get(json, "apiVersion"));

    if (kind == NULL || version == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        k = &ngx_k8s_kinds[i];

        if (ngx_strcmp(kind, k->name.data) != 0) {
            continue;
        }

        len = k->group.len;

        if (len == 0) {
            if (ngx_strcmp(version, k->version.data) == 0) {
                return i;
            }

            continue;
        }

        if (ngx_strncmp(version, k->group.data, len) == 0
            && version[len] == '/'
            && ngx_strcmp(version + len + 1, k->version.data) == 0)
        {
            return i;
        }
    }

    return NGX_ERROR;
}


ngx_k8s_object_t *
ngx_k8s_object_from_json(ngx_uint_t kind, json_t *json, ngx_pool_t *pool,
    ngx_k8s_problem_t *problem, ngx_log_t *log)
{
    return ngx_k8s_object_make(kind, json, NULL, NULL, NULL, problem, log);
}


ngx_k8s_object_t *
ngx_k8s_object_make(ngx_uint_t kind, json_t *json, ngx_pool_t *pool,
    ngx_k8s_part_t *part, ngx_k8s_digest_t *digest,
    ngx_k8s_problem_t *problem, ngx_log_t *log)
{
    char              *why;
    size_t             size;
    ngx_int_t          rc;
    ngx_uint_t         created;
    ngx_k8s_reader_t   r;

    ngx_memzero(problem, sizeof(ngx_k8s_problem_t));

    problem->code = NGX_K8S_PROBLEM_INVALID_OBJECT;
    ngx_str_set(&problem->field, "metadata");

    why = ngx_k8s_object_check(&ngx_k8s_kinds[kind], json);

    if (why) {
        problem->message.data = (u_char *) why;
        problem->message.len = ngx_strlen(why);
        return NULL;
    }

    ngx_memzero(problem, sizeof(ngx_k8s_problem_t));

    ngx_memzero(&r, offsetof(ngx_k8s_reader_t, field));

    created = 0;

    if (pool == NULL) {

        r.pool = ngx_create_pool(NGX_K8S_SCRATCH, log);
        if (r.pool == NULL) {
            return NULL;
        }

        r.measure = 1;

        rc = ngx_k8s_object_read(&r, kind, json, NULL);

        ngx_destroy_pool(r.pool);

        if (rc != NGX_OK) {
            return NULL;
        }

        size = sizeof(ngx_pool_t) + ngx_align(r.bytes, NGX_POOL_ALIGNMENT);

        pool = ngx_create_pool(ngx_max(size, NGX_MIN_POOL_SIZE), log);
        if (pool == NULL) {
            return NULL;
        }

        created = 1;
    }

    r.pool = pool;
    r.measure = 0;

    rc = ngx_k8s_object_read(&r, kind, json, part);

    if (rc == NGX_OK) {
        rc = ngx_k8s_object_digest(r.object, json, digest);
    }

    if (rc != NGX_OK) {
        if (created) {
            ngx_destroy_pool(pool);
        }

        return NULL;
    }

    ngx_memzero(problem, sizeof(ngx_k8s_problem_t));

    return r.object;
}


char *
ngx_k8s_object_check(ngx_k8s_kind_t *k, json_t *json)
{
    json_t  *meta, *name;

    if (!json_is_object(json)) {
        return "the object is no JSON object";
    }

    /* a list's elements have no kind of their own */

    name = json_object_get(json, "kind");

    if (json_is_string(name)
        && ngx_strcmp(json_string_value(name), k->name.data) != 0)
    {
        return "the object is of another kind";
    }

    meta = json_object_get(json, "metadata");

    if (!json_is_object(meta)) {
        return "the object has no metadata";
    }

    name = json_object_get(meta, "name");

    if (name == NULL || json_is_null(name)) {
        return json_object_get(meta, "generateName")
               ? "metadata.generateName makes no name here: give it a "
                 "metadata.name"
               : "metadata.name is missing";
    }

    if (!json_is_string(name)) {
        return "metadata.name is no string: quote it, as YAML reads no, on, "
               "123 and the like as something else";
    }

    if (ngx_k8s_object_name(name, NGX_K8S_NAME_MAX, 1) != NGX_OK) {
        return "metadata.name is no DNS name";
    }

    if (!k->namespaced) {
        return NULL;
    }

    name = json_object_get(meta, "namespace");

    if (name == NULL || json_is_null(name)) {
        return "metadata.namespace is missing";
    }

    if (!json_is_string(name)) {
        return "metadata.namespace is no string: quote it, as YAML reads no, "
               "on, 123 and the like as something else";
    }

    if (ngx_k8s_object_name(name, NGX_K8S_NAMESPACE_MAX, 0) != NGX_OK) {
        return "metadata.namespace is no DNS label";
    }

    return NULL;
}


ngx_uint_t
ngx_k8s_object_named(ngx_str_t *ns, ngx_str_t *name)
{
    return ngx_k8s_object_name_check(ns, NGX_K8S_NAMESPACE_MAX, 0) == NGX_OK
           && ngx_k8s_object_name_check(name, NGX_K8S_NAME_MAX, 1) == NGX_OK;
}


static ngx_int_t
ngx_k8s_object_name(json_t *json, size_t max, ngx_uint_t dots)
{
    ngx_str_t  name;

    if (!json_is_string(json)) {
        return NGX_ERROR;
    }

    name.data = (u_char *) json_string_value(json);
    name.len = json_string_length(json);

    return ngx_k8s_object_name_check(&name, max, dots);
}


/* lower-case letters, digits and "-", and "." between labels */

static ngx_int_t
ngx_k8s_object_name_check(ngx_str_t *name, size_t max, ngx_uint_t dots)
{
    u_char      *p, *last, ch;
    ngx_uint_t   edge;

    p = name->data;
    last = p + name->len;

    if (name->len == 0 || name->len > max) {
        return NGX_ERROR;
    }

    for (edge = 1; p < last; p++) {
        ch = *p;

        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')) {
            edge = 0;
            continue;
        }

        if (ch == '-' && !edge) {
            /* a label must not end so: seen below and at the next dot */
            if (p + 1 == last || p[1] == '.') {
                return NGX_ERROR;
            }

            continue;
        }

        if (ch == '.' && dots && !edge) {
            edge = 1;
            continue;
        }

        return NGX_ERROR;
    }

    return edge ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_k8s_object_read(ngx_k8s_reader_t *r, ngx_uint_t kind, json_t *json,
    ngx_k8s_part_t *part)
{
    ngx_k8s_kind_t  *k;

    k = &ngx_k8s_kinds[kind];

    r->bytes = 0;
    r->failed = 0;
    r->last = r->field;

    r->object = ngx_k8s_reader_alloc(r, k->size);
    if (r->object == NULL) {
        return NGX_ERROR;
    }

    if (part) {
        ngx_memcpy(r->object, part, k->size);
    }

    r->object->kind = kind;
    r->object->pool = r->pool;

    ngx_k8s_object_metadata(r, json);

    if (!r->failed && k->read) {
        k->read(r, json);
    }

    return r->failed ? NGX_ERROR : NGX_OK;
}


/*
 * Of all that makes the object: not of resourceVersion, managedFields and the
 * like, nor of its status, which changes without a change of what is asked.
 */

static ngx_int_t
ngx_k8s_object_digest(ngx_k8s_object_t *object, json_t *json,
    ngx_k8s_digest_t *digest)
{
    size_t             i;
    json_t            *meta, *list;
    const char        *skip[6];
    ngx_k8s_kind_t    *kind;
    ngx_k8s_digest_t   d;

    static const char  *applied[] = { NGX_K8S_LAST_APPLIED, NULL };

    kind = &ngx_k8s_kinds[object->kind];

    if (digest == NULL) {
        digest = &d;
        ngx_k8s_digest_init(digest);
    }

    if (kind->list) {
        list = json_object_get(json, kind->list);

        if (json_is_array(list)) {
            for (i = 0; i < json_array_size(list); i++) {
                ngx_k8s_digest_json(digest, json_array_get(list, i), NULL);
            }

        } else if (list) {
            ngx_k8s_digest_json(digest, list, NULL);
        }
    }

    meta = json_object_get(json, "metadata");

    ngx_k8s_digest_json(digest, json_object_get(meta, "uid"), NULL);
    ngx_k8s_digest_json(digest, json_object_get(meta, "creationTimestamp"),
                        NULL);

    ngx_k8s_digest_json(digest, json_object_get(meta, "labels"), NULL);

    if (kind->annotations) {
        ngx_k8s_digest_json(digest, json_object_get(meta, "annotations"),
                            applied);
    }

    if (kind->body) {
        skip[0] = "apiVersion";
        skip[1] = "kind";
        skip[2] = "metadata";
        skip[3] = "status";
        skip[4] = kind->list;
        skip[5] = NULL;

        ngx_k8s_digest_json(digest, json, skip);
    }

    return ngx_k8s_digest_final(digest, object->digest);
}


static void
ngx_k8s_object_metadata(ngx_k8s_reader_t *r, json_t *json)
{
    json_t            *meta, *created;
    u_char            *mark;
    time_t             t;
    ngx_str_t          s;
    ngx_k8s_kind_t    *kind;
    ngx_k8s_object_t  *object;

    object = r->object;
    kind = &ngx_k8s_kinds[object->kind];

    meta = ngx_k8s_reader_object(r, json, "metadata");
    mark = ngx_k8s_reader_push(r, "metadata");

    (void) ngx_k8s_reader_string(r, meta, "name", &object->name);

    if (kind->namespaced) {
        (void) ngx_k8s_reader_string(r, meta, "namespace",
                                     &object->namespace);
    }

    (void) ngx_k8s_reader_string(r, meta, "uid", &object->uid);
    (void) ngx_k8s_reader_string(r, meta, "resourceVersion",
                                 &object->version);

    created = json_object_get(meta, "creationTimestamp");

    if (created && !json_is_null(created)) {
        s.data = (u_char *) json_string_value(created);
        s.len = json_string_length(created);

        t = ngx_k8s_time(&s);

        if (t == NGX_ERROR) {
            ngx_k8s_reader_problem(r, "creationTimestamp",
                                   "is not a time of RFC 3339");

        } else {
            object->created = t;
        }
    }

    if (kind->labels) {
        object->labels = ngx_k8s_reader_map(r, meta, "labels",
                                            NGX_K8S_READER_SAID);
    }

    if (kind->annotations) {
        object->annotations = ngx_k8s_reader_map(r, meta, "annotations",
                                         kind->read != ngx_k8s_ingress_read
                                         ? NGX_K8S_READER_SAID
                                         : NGX_K8S_READER_SILENT);
    }

    ngx_k8s_reader_pop(r, mark);
}


time_t
ngx_k8s_time(ngx_str_t *s)
{
    u_char      *p, *last;
    time_t       t;
    ngx_int_t    y, mon, d, h, min, sec, oh, om, sign, days;
    ngx_uint_t   leap;

    static u_char  len[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    /* 2006-01-02T15:04:05Z, with a fraction or an offset instead of Z */

    p = s->data;
    last = p + s->len;

    if (s->len < 20
        || p[4] != '-' || p[7] != '-' || p[13] != ':' || p[16] != ':'
        || (p[10] != 'T' && p[10] != 't'))
    {
        return NGX_ERROR;
    }

    y = ngx_atoi(p, 4);
    mon = ngx_atoi(p + 5, 2);
    d = ngx_atoi(p + 8, 2);
    h = ngx_atoi(p + 11, 2);
    min = ngx_atoi(p + 14, 2);
    sec = ngx_atoi(p + 17, 2);

    if (y < 1970 || mon < 1 || mon > 12 || d < 1
        || h < 0 || h > 23 || min < 0 || min > 59 || sec < 0 || sec > 60)
    {
        return NGX_ERROR;
    }

    leap = (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));

    if (d > len[mon - 1] + (mon == 2 && leap)) {
        return NGX_ERROR;
    }

    p += 19;

    if (*p == '.') {
        for (p++; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }
    }

    if (p == last) {
        return NGX_ERROR;
    }

    /* days since 1970, counted in years that begin in March */

    if (mon <= 2) {
        mon += 12;
        y--;
    }

    days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * mon - 457) / 5 + d
           - 719469;

    t = (time_t) days * 86400 + h * 3600 + min * 60 + sec;

    if ((*p == 'Z' || *p == 'z') && p + 1 == last) {
        return t;
    }

    if ((*p != '+' && *p != '-') || last - p != 6 || p[3] != ':') {
        return NGX_ERROR;
    }

    sign = (*p == '-') ? 1 : -1;
    oh = ngx_atoi(p + 1, 2);
    om = ngx_atoi(p + 4, 2);

    if (oh < 0 || oh > 23 || om < 0 || om > 59) {
        return NGX_ERROR;
    }

    t += sign * (oh * 3600 + om * 60);

    return (t < 0) ? NGX_ERROR : t;
}
