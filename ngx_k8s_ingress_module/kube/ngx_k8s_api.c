
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_api.h>


static u_char *ngx_k8s_api_query(u_char *p, ngx_k8s_query_t *query);
static u_char *ngx_k8s_api_escape(u_char *p, ngx_str_t *s);
static ngx_uint_t ngx_k8s_api_segment(ngx_str_t *s);
static ngx_int_t ngx_k8s_api_type(ngx_str_t *type, ngx_k8s_event_t *event);
static void ngx_k8s_api_version(ngx_k8s_event_t *event);
static void ngx_k8s_api_string(u_char *p, u_char *last, char *name,
    ngx_str_t *value);
static void ngx_k8s_api_decimal(ngx_str_t *s, ngx_str_t *value);


static ngx_str_t  ngx_k8s_api_event_types[] = {
    ngx_string("ADDED"),
    ngx_string("MODIFIED"),
    ngx_string("DELETED"),
    ngx_string("BOOKMARK"),
    ngx_string("ERROR")
};


char *
ngx_k8s_api_url(ngx_str_t *base, ngx_k8s_request_t *req, ngx_log_t *log)
{
    size_t            len;
    u_char           *url, *p, *args;
    ngx_k8s_kind_t   *k;
    ngx_k8s_query_t  *query;

    k = &ngx_k8s_kinds[req->kind];
    query = &req->query;

    if (!ngx_k8s_api_segment(&req->namespace)
        || !ngx_k8s_api_segment(&req->name)
        || !ngx_k8s_api_segment(&req->subresource))
    {
        return NULL;
    }

    len = base->len + k->group.len + k->version.len + k->plural.len
          + (req->path ? ngx_strlen(req->path) : 0)
          + 3 * (req->namespace.len + req->name.len + req->subresource.len
                 + query->version.len + query->token.len + query->fields.len)
          + 2 * NGX_INT_T_LEN
          + sizeof("/apis///namespaces/////?watch=true&allowWatchBookmarks=true"
                   "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                   "&resourceVersion=&limit=&continue=&fieldSelector="
                   "&timeoutSeconds=");

    url = ngx_alloc(len, log);
    if (url == NULL) {
        return NULL;
    }

    p = ngx_cpymem(url, base->data, base->len);

    if (req->path) {
        *ngx_cpymem(p, req->path, ngx_strlen(req->path)) = '\0';
        return (char *) url;
    }

    if (k->group.len) {
        p = ngx_sprintf(p, "/apis/%V/%V", &k->group, &k->version);

    } else {
        p = ngx_sprintf(p, "/api/%V", &k->version);
    }

    if (req->namespace.len) {
        p = ngx_cpymem(p, "/namespaces/", sizeof("/namespaces/") - 1);
        p = ngx_k8s_api_escape(p, &req->namespace);
    }

    p = ngx_sprintf(p, "/%V", &k->plural);

    if (req->name.len) {
        *p++ = '/';
        p = ngx_k8s_api_escape(p, &req->name);
    }

    if (req->subresource.len) {
        *p++ = '/';
        p = ngx_k8s_api_escape(p, &req->subresource);
    }

    args = p;

    p = ngx_k8s_api_query(p, query);

    if (p != args) {
        *args = '?';
    }

    *p = '\0';

    return (char *) url;
}


static u_char *
ngx_k8s_api_query(u_char *p, ngx_k8s_query_t *query)
{
    if (query->watch) {
        p = ngx_sprintf(p, "&watch=true&allowWatchBookmarks=true");
    }

    if (query->initial) {
        p = ngx_sprintf(p, "&sendInitialEvents=true");
    }

    if (query->version.len) {
        p = ngx_sprintf(p, "&resourceVersion=");
        p = ngx_k8s_api_escape(p, &query->version);
    }

    if (query->not_older) {
        p = ngx_sprintf(p, "&resourceVersionMatch=NotOlderThan");
    }

    if (query->limit) {
        p = ngx_sprintf(p, "&limit=%ui", query->limit);
    }

    if (query->token.len) {
        p = ngx_sprintf(p, "&continue=");
        p = ngx_k8s_api_escape(p, &query->token);
    }

    if (query->fields.len) {
        p = ngx_sprintf(p, "&fieldSelector=");
        p = ngx_k8s_api_escape(p, &query->fields);
    }

    if (query->timeout) {
        p = ngx_sprintf(p, "&timeoutSeconds=%ui", query->timeout);
    }

    return p;
}


static u_char *
ngx_k8s_api_escape(u_char *p, ngx_str_t *s)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < s->len; i++) {
        ch = s->data[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9')
            || ch == '-' || ch == '.' || ch == '_' || ch == '~')
        {
            *p++ = ch;
            continue;
        }

        p = ngx_sprintf(p, "%%%02Xd", (u_int) ch);
    }

    return p;
}


static ngx_uint_t
ngx_k8s_api_segment(ngx_str_t *s)
{
    if (s->len > 253) {
        return 0;
    }

    return !((s->len == 1 && s->data[0] == '.')
             || (s->len == 2 && s->data[0] == '.' && s->data[1] == '.'));
}


ngx_int_t
ngx_k8s_api_event(ngx_k8s_json_names_t *names, u_char *p, u_char *last,
    ngx_k8s_event_t *event)
{
    size_t   i;
    u_char  *start;

    ngx_memzero(event, sizeof(ngx_k8s_event_t));

    if (ngx_k8s_api_type(&names->type, event) != NGX_OK) {
        return names->type.len ? NGX_DECLINED : NGX_ERROR;
    }

    ngx_k8s_api_names(names, event);

    if (p == NULL) {
        return NGX_OK;
    }

    start = p;

    while (last > p && (last[-1] == '\r' || last[-1] == ' ')) {
        last--;
    }

#define NGX_K8S_API_TYPE    "{\"type\":\""
#define NGX_K8S_API_OBJECT  "\",\"object\":{"

    /*
     * servers write the object last: then its end is the line's, and it needs
     * not be scanned; whoever parses it finds out about broken ones
     */

    p += sizeof(NGX_K8S_API_TYPE) - 1 + names->type.len;
    i = sizeof(NGX_K8S_API_OBJECT) - 1;

    if ((size_t) (last - start) > (size_t) (p - start) + i + 2
        && ngx_memcmp(start, NGX_K8S_API_TYPE, sizeof(NGX_K8S_API_TYPE) - 1)
           == 0
        && ngx_memcmp(p, NGX_K8S_API_OBJECT, i) == 0
        && last[-1] == '}' && last[-2] == '}')
    {
        event->object.data = p + i - 1;
        event->object.len = last - 1 - event->object.data;

    } else {
        if (ngx_k8s_json_member(start, last, "object", &event->object) != NGX_OK
            || event->object.len == 0 || event->object.data[0] != '{')
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_api_type(ngx_str_t *type, ngx_k8s_event_t *event)
{
    ngx_uint_t  i;

    for (i = 0; i <= NGX_K8S_EVENT_ERROR; i++) {

        if (type->len == ngx_k8s_api_event_types[i].len
            && ngx_memcmp(type->data, ngx_k8s_api_event_types[i].data,
                          type->len)
               == 0)
        {
            event->type = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


void
ngx_k8s_api_names(ngx_k8s_json_names_t *names, ngx_k8s_event_t *event)
{
    event->name = names->name;
    event->namespace = names->namespace;
    event->version = names->version;

    ngx_k8s_api_version(event);
}


void
ngx_k8s_api_metadata(u_char *p, u_char *last, ngx_k8s_event_t *event)
{
    ngx_str_t  meta;

    if (ngx_k8s_json_member(p, last, "metadata", &meta) != NGX_OK
        || meta.len == 0 || meta.data[0] != '{')
    {
        ngx_str_null(&event->name);
        ngx_str_null(&event->namespace);
        ngx_str_null(&event->version);
        return;
    }

    p = meta.data;
    last = p + meta.len;

    ngx_k8s_api_string(p, last, "name", &event->name);
    ngx_k8s_api_string(p, last, "namespace", &event->namespace);
    ngx_k8s_api_string(p, last, "resourceVersion", &event->version);

    ngx_k8s_api_version(event);
}


static void
ngx_k8s_api_version(ngx_k8s_event_t *event)
{
    if (event->version.len > NGX_K8S_VERSION_MAX) {
        ngx_str_null(&event->version);
    }
}


/* names and versions never need an escape: a string with one counts as none */

static void
ngx_k8s_api_string(u_char *p, u_char *last, char *name, ngx_str_t *value)
{
    if (ngx_k8s_json_member(p, last, name, value) != NGX_OK
        || value->len < 2 || value->data[0] != '"'
        || ngx_strlchr(value->data, value->data + value->len, '\\') != NULL)
    {
        ngx_str_null(value);
        return;
    }

    value->data++;
    value->len -= 2;
}


ngx_uint_t
ngx_k8s_api_initial_end(ngx_str_t *object)
{
    u_char     *last;
    ngx_str_t   meta, list, value;

    if (object->len == 0) {
        return 0;
    }

    last = object->data + object->len;

    if (ngx_k8s_json_member(object->data, last, "metadata", &meta) != NGX_OK
        || meta.len == 0 || meta.data[0] != '{')
    {
        return 0;
    }

    last = meta.data + meta.len;

    if (ngx_k8s_json_member(meta.data, last, "annotations", &list) != NGX_OK
        || list.len == 0 || list.data[0] != '{')
    {
        return 0;
    }

    ngx_k8s_api_string(list.data, list.data + list.len,
                       "k8s.io/initial-events-end", &value);

    return value.len == 4 && ngx_memcmp(value.data, "true", 4) == 0;
}


void
ngx_k8s_api_status(u_char *p, size_t len, ngx_k8s_status_t *status)
{
    size_t       i, n;
    json_t      *json, *details, *cause;
    const char  *reason, *text;

    ngx_memzero(status, sizeof(ngx_k8s_status_t));

    json = json_loadb((char *) p, len, JSON_ALLOW_NUL, NULL);
    if (json == NULL) {
        return;
    }

    details = json_object_get(json, "code");

    if (json_integer_value(details) > 0 && json_integer_value(details) < 1000) {
        status->code = json_integer_value(details);
    }

    reason = json_string_value(json_object_get(json, "reason"));

    if (reason) {
        status->expired = (strcmp(reason, "Expired") == 0
                           || strcmp(reason, "Gone") == 0);
    }

    if (status->code == 410) {
        status->expired = 1;
    }

    text = json_string_value(json_object_get(json, "message"));

    if (text) {
        status->too_large = (strstr(text, "Too large resource version")
                             != NULL);

        n = json_string_length(json_object_get(json, "message"));
        status->len = ngx_min(n, NGX_K8S_API_MESSAGE);

        for (i = 0; i < status->len; i++) {
            status->message[i] = ((u_char) text[i] < 0x20 || text[i] == 0x7f)
                                 ? ' ' : text[i];
        }
    }

    details = json_object_get(json, "details");

    if (json_integer_value(json_object_get(details, "retryAfterSeconds")) > 0) {
        status->retry_after = json_integer_value(
                              json_object_get(details, "retryAfterSeconds"));
    }

    json_array_foreach(json_object_get(details, "causes"), i, cause) {
        reason = json_string_value(json_object_get(cause, "reason"));

        if (reason && strcmp(reason, "ResourceVersionTooLarge") == 0) {
            status->too_large = 1;
        }
    }

    json_decref(json);
}


ngx_uint_t
ngx_k8s_api_older(ngx_str_t *a, ngx_str_t *b)
{
    ngx_str_t  x, y;

    ngx_k8s_api_decimal(a, &x);
    ngx_k8s_api_decimal(b, &y);

    if (x.len == 0 || y.len == 0) {
        return 0;
    }

    if (x.len != y.len) {
        return x.len < y.len;
    }

    return ngx_memcmp(x.data, y.data, x.len) < 0;
}


static void
ngx_k8s_api_decimal(ngx_str_t *s, ngx_str_t *value)
{
    size_t  i;

    *value = *s;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < '0' || s->data[i] > '9') {
            value->len = 0;
            return;
        }
    }

    while (value->len > 1 && value->data[0] == '0') {
        value->data++;
        value->len--;
    }
}
