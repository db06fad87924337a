
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static void ngx_k8s_reader_charge(ngx_k8s_reader_t *r, size_t size,
    ngx_uint_t align);
static void ngx_k8s_reader_say(ngx_k8s_reader_t *r, ngx_uint_t code,
    const char *name, const char *message, const char *meant);
static ngx_int_t ngx_k8s_reader_decode(ngx_k8s_reader_t *r, json_t *json,
    ngx_str_t *value);
static json_t *ngx_k8s_reader_member(ngx_k8s_reader_t *r, json_t *json,
    const char *name);


/* fields of former versions, and slips: what is written, what is meant */

static const char  *ngx_k8s_meant[][2] = {
    { "ingressClass",  "ingressClassName" },
    { "className",     "ingressClassName" },
    { "backend",       "defaultBackend" },
    { "serviceName",   "service" },
    { "servicePort",   "service" },
    { "paths",         "http" },
    { "path",          "paths" },
    { "type",          "pathType" },
    { NULL,            NULL }
};


u_char *
ngx_k8s_reader_push(ngx_k8s_reader_t *r, const char *name)
{
    u_char  *mark;

    mark = r->last;

    r->last = ngx_slprintf(mark, r->field + NGX_K8S_FIELD_MAX - 1, "%s%s",
                           (mark == r->field) ? "" : ".", name);
    return mark;
}


u_char *
ngx_k8s_reader_index(ngx_k8s_reader_t *r, size_t n)
{
    u_char  *mark;

    mark = r->last;

    r->last = ngx_slprintf(mark, r->field + NGX_K8S_FIELD_MAX - 1, "[%uz]", n);

    return mark;
}


void
ngx_k8s_reader_problem(ngx_k8s_reader_t *r, const char *name, char *message)
{
    ngx_k8s_reader_say(r, NGX_K8S_PROBLEM_INVALID_FIELD, name, message, "");
}


static void
ngx_k8s_reader_say(ngx_k8s_reader_t *r, ngx_uint_t code, const char *name,
    const char *message, const char *meant)
{
    u_char  *mark;

    if (r->measure) {
        return;
    }

    mark = name ? ngx_k8s_reader_push(r, name) : r->last;

    *r->last = '\0';

    ngx_k8s_object_problem(r->object, code, (char *) r->field, "%s%s", message,
                           meant);

    ngx_k8s_reader_pop(r, mark);
}


/* follows what ngx_palloc() and ngx_pnalloc() take of a pool */

static void
ngx_k8s_reader_charge(ngx_k8s_reader_t *r, size_t size, ngx_uint_t align)
{
    if (size > NGX_MAX_ALLOC_FROM_POOL) {
        size = sizeof(ngx_pool_large_t);
        align = 1;
    }

    if (align) {
        r->bytes = ngx_align(r->bytes, NGX_ALIGNMENT);
    }

    r->bytes += size;
}


void *
ngx_k8s_reader_alloc(ngx_k8s_reader_t *r, size_t size)
{
    void  *p;

    ngx_k8s_reader_charge(r, size, 1);

    p = ngx_pcalloc(r->pool, size);
    if (p == NULL) {
        r->failed = 1;
    }

    return p;
}


ngx_array_t *
ngx_k8s_reader_array(ngx_k8s_reader_t *r, ngx_uint_t n, size_t size)
{
    ngx_array_t  *a;

    a = ngx_k8s_reader_alloc(r, sizeof(ngx_array_t));
    if (a == NULL) {
        return NULL;
    }

    a->elts = ngx_k8s_reader_alloc(r, n * size);
    if (a->elts == NULL) {
        return NULL;
    }

    a->size = size;
    a->nalloc = n;
    a->pool = r->pool;

    return a;
}


ngx_int_t
ngx_k8s_reader_copy(ngx_k8s_reader_t *r, const char *data, size_t len,
    ngx_str_t *value)
{
    u_char  *p;

    ngx_k8s_reader_charge(r, len, 0);

    if (r->measure) {
        value->data = (u_char *) data;
        value->len = len;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        r->failed = 1;
        return NGX_ERROR;
    }

    ngx_memcpy(p, data, len);

    value->data = p;
    value->len = len;

    return NGX_OK;
}


/* absent and null are the same */

static json_t *
ngx_k8s_reader_member(ngx_k8s_reader_t *r, json_t *json, const char *name)
{
    json_t  *value;

    value = json_object_get(json, name);

    return json_is_null(value) ? NULL : value;
}


json_t *
ngx_k8s_reader_object(ngx_k8s_reader_t *r, json_t *json, const char *name)
{
    json_t  *value;

    value = ngx_k8s_reader_member(r, json, name);

    if (value && !json_is_object(value)) {
        ngx_k8s_reader_problem(r, name, "is not an object");
        return NULL;
    }

    return value;
}


json_t *
ngx_k8s_reader_list(ngx_k8s_reader_t *r, json_t *json, const char *name)
{
    json_t  *value;

    value = ngx_k8s_reader_member(r, json, name);

    if (value && !json_is_array(value)) {
        ngx_k8s_reader_problem(r, name, "is not a list");
        return NULL;
    }

    if (json_array_size(value) == 0) {
        return NULL;
    }

    return value;
}


size_t
ngx_k8s_reader_elements(ngx_k8s_reader_t *r, json_t *json, const char *name,
    json_t **list)
{
    json_t  *value;

    *list = ngx_k8s_reader_list(r, json, name);

    if (*list) {
        return json_array_size(*list);
    }

    value = ngx_k8s_reader_member(r, json, name);

    return value && !json_is_array(value);
}


ngx_uint_t
ngx_k8s_reader_has(json_t *json, const char *name)
{
    json_t  *value;

    value = json_object_get(json, name);

    return value && !json_is_null(value);
}


void
ngx_k8s_reader_missing(ngx_k8s_reader_t *r, json_t *json, const char *name)
{
    if (!ngx_k8s_reader_has(json, name)
        && !ngx_k8s_reader_meant(r, json, name))
    {
        ngx_k8s_reader_problem(r, name, "is missing");
    }
}


ngx_uint_t
ngx_k8s_reader_meant(ngx_k8s_reader_t *r, json_t *json, const char *name)
{
    json_t      *value;
    ngx_uint_t   i;
    const char  *key;

    if (ngx_k8s_reader_has(json, name)) {
        return 0;
    }

    json_object_foreach(json, key, value) {

        if (ngx_strcmp(key, name) == 0) {
            continue;
        }

        for (i = 0; ngx_k8s_meant[i][0]; i++) {
            if (ngx_strcmp(ngx_k8s_meant[i][1], name) == 0
                && ngx_strcmp(ngx_k8s_meant[i][0], key) == 0)
            {
                break;
            }
        }

        if (ngx_k8s_meant[i][0]
            || ngx_strcasecmp((u_char *) key, (u_char *) name) == 0)
        {
            ngx_k8s_reader_say(r, NGX_K8S_PROBLEM_UNKNOWN_FIELD, key,
                               "is no field here, what is meant is ", name);
            return 1;
        }
    }

    return 0;
}


json_t *
ngx_k8s_reader_element(ngx_k8s_reader_t *r, json_t *list, size_t n)
{
    json_t  *value;

    value = json_array_get(list, n);

    if (!json_is_object(value)) {
        ngx_k8s_reader_problem(r, NULL, "is not an object");
        return NULL;
    }

    return value;
}


ngx_int_t
ngx_k8s_reader_string(ngx_k8s_reader_t *r, json_t *json, const char *name,
    ngx_str_t *value)
{
    json_t  *member;

    member = ngx_k8s_reader_member(r, json, name);

    if (member == NULL) {
        return NGX_DECLINED;
    }

    if (!json_is_string(member)) {
        ngx_k8s_reader_problem(r, name, "is not a string");
        return NGX_ABORT;
    }

    return ngx_k8s_reader_copy(r, json_string_value(member),
                               json_string_length(member), value);
}


ngx_int_t
ngx_k8s_reader_bool(ngx_k8s_reader_t *r, json_t *json, const char *name,
    ngx_uint_t *value)
{
    json_t  *member;

    member = ngx_k8s_reader_member(r, json, name);

    if (member == NULL) {
        return NGX_DECLINED;
    }

    if (!json_is_boolean(member)) {
        ngx_k8s_reader_problem(r, name, "is neither true nor false");
        return NGX_ABORT;
    }

    *value = json_is_true(member);

    return NGX_OK;
}


ngx_int_t
ngx_k8s_reader_port(ngx_k8s_reader_t *r, json_t *json, const char *name,
    ngx_uint_t *number, ngx_str_t *text)
{
    double      real;
    size_t      len;
    json_t     *member;
    json_int_t  n;

    member = ngx_k8s_reader_member(r, json, name);

    if (member == NULL) {
        return NGX_DECLINED;
    }

    if (text && json_is_string(member)) {
        len = json_string_length(member);
        n = ngx_atoi((u_char *) json_string_value(member), len);

        if (n == NGX_ERROR) {
            return ngx_k8s_reader_copy(r, json_string_value(member), len,
                                       text);
        }

    } else if (json_is_integer(member)) {
        n = json_integer_value(member);

    } else if (json_is_real(member)) {
        real = json_real_value(member);
        n = (real >= 1 && real <= 65535) ? (json_int_t) real : 0;

        if ((double) n != real) {
            n = 0;
        }

    } else {
        ngx_k8s_reader_problem(r, name, text ? "is neither a number nor a name"
                                             : "is not a number");
        return NGX_ABORT;
    }

    if (n < 1 || n > 65535) {
        ngx_k8s_reader_problem(r, name, "is not a port: 1 to 65535");
        return NGX_ABORT;
    }

    *number = n;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_reader_protocol(ngx_k8s_reader_t *r, json_t *json, ngx_str_t *value)
{
    json_t      *member;
    ngx_uint_t   i;
    const char  *name;

    static ngx_str_t  protocols[] = {
        ngx_string("TCP"),
        ngx_string("UDP"),
        ngx_string("SCTP")
    };

    member = ngx_k8s_reader_member(r, json, "protocol");

    if (member == NULL) {
        return NGX_DECLINED;
    }

    name = json_is_string(member) ? json_string_value(member) : "";

    for (i = 0; i < 3; i++) {
        if (ngx_strcmp(name, protocols[i].data) == 0) {
            *value = protocols[i];
            return NGX_OK;
        }
    }

    ngx_k8s_reader_problem(r, "protocol", "is none of TCP, UDP and SCTP");
    return NGX_ABORT;
}


ngx_uint_t
ngx_k8s_reader_strings(ngx_k8s_reader_t *r, json_t *json, const char *name,
    ngx_str_t **values)
{
    size_t       i, n;
    json_t      *list, *value;
    u_char      *mark, *at;
    ngx_str_t   *s;
    ngx_uint_t   filled;

    list = ngx_k8s_reader_list(r, json, name);
    if (list == NULL) {
        return 0;
    }

    n = json_array_size(list);

    s = ngx_k8s_reader_alloc(r, n * sizeof(ngx_str_t));
    if (s == NULL) {
        return 0;
    }

    mark = ngx_k8s_reader_push(r, name);
    filled = 0;

    for (i = 0; i < n; i++) {
        value = json_array_get(list, i);

        if (!json_is_string(value)) {
            at = ngx_k8s_reader_index(r, i);
            ngx_k8s_reader_problem(r, NULL, "is not a string");
            ngx_k8s_reader_pop(r, at);
            continue;
        }

        if (ngx_k8s_reader_copy(r, json_string_value(value),
                                json_string_length(value), &s[filled])
            != NGX_OK)
        {
            break;
        }

        filled++;
    }

    ngx_k8s_reader_pop(r, mark);

    *values = s;

    return filled;
}


ngx_array_t *
ngx_k8s_reader_map(ngx_k8s_reader_t *r, json_t *json, const char *name,
    ngx_uint_t silent)
{
    size_t         n, len;
    u_char        *mark;
    json_t        *map, *value;
    const char    *key, *text;
    ngx_array_t   *a;
    ngx_keyval_t  *kv;

    if (ngx_k8s_reader_other(json, name)) {

        if (!silent) {
            (void) ngx_k8s_reader_object(r, json, name);
        }

        return ngx_k8s_reader_unread(r, "is not an object");
    }

    map = json_object_get(json, name);
    n = json_object_size(map);

    /* an applied copy of the whole object, of no use here */

    if (json_object_get(map, NGX_K8S_LAST_APPLIED)) {
        n--;
    }

    if (n == 0) {
        return NULL;
    }

    a = ngx_k8s_reader_array(r, n, sizeof(ngx_keyval_t));
    if (a == NULL) {
        return NULL;
    }

    kv = a->elts;
    mark = ngx_k8s_reader_push(r, name);

    json_object_foreach(map, key, value) {

        if (ngx_strcmp(key, NGX_K8S_LAST_APPLIED) == 0) {
            continue;
        }

        text = json_is_null(value) ? "" : json_string_value(value);
        len = json_string_length(value);

        if (text == NULL) {
            text = NGX_K8S_READER_UNREAD "is not a string: put it in quotes";
            len = ngx_strlen(text);

            if (!silent) {
                ngx_k8s_reader_problem(r, key, (char *) text + 1);
            }
        }

        if (ngx_k8s_reader_copy(r, key, ngx_strlen(key), &kv[a->nelts].key)
            != NGX_OK
            || ngx_k8s_reader_copy(r, text, len, &kv[a->nelts].value)
               != NGX_OK)
        {
            return NULL;
        }

        a->nelts++;
    }

    ngx_k8s_reader_pop(r, mark);

    return a;
}


ngx_array_t *
ngx_k8s_reader_unread(ngx_k8s_reader_t *r, const char *why)
{
    size_t         len;
    u_char        *p;
    ngx_array_t   *a;
    ngx_keyval_t  *kv;

    a = ngx_k8s_reader_array(r, 1, sizeof(ngx_keyval_t));
    if (a == NULL) {
        return NULL;
    }

    len = ngx_strlen(why) + 1;

    p = ngx_k8s_reader_alloc(r, len);
    if (p == NULL) {
        return NULL;
    }

    p[0] = NGX_K8S_READER_UNREAD[0];
    ngx_memcpy(p + 1, why, len - 1);

    kv = ngx_array_push(a);

    ngx_str_set(&kv->key, "");
    kv->value.data = p;
    kv->value.len = len;

    return a;
}


ngx_uint_t
ngx_k8s_reader_other(json_t *json, const char *name)
{
    json_t  *value;

    value = json_object_get(json, name);

    return value && !json_is_object(value) && !json_is_null(value);
}


void
ngx_k8s_reader_values(ngx_k8s_reader_t *r, json_t *map, const char *name,
    json_t *over, ngx_uint_t encoded, size_t max, ngx_uint_t silent,
    ngx_array_t *values)
{
    char          *why;
    u_char        *mark;
    json_t        *value;
    ngx_int_t      rc;
    const char    *key;
    ngx_keyval_t  *kv;

    mark = ngx_k8s_reader_push(r, name);

    json_object_foreach(map, key, value) {

        if (values->nelts == values->nalloc) {
            break;
        }

        if (json_object_get(over, key)) {
            continue;
        }

        kv = values->elts;
        kv += values->nelts;

        if (ngx_k8s_reader_copy(r, key, ngx_strlen(key), &kv->key) != NGX_OK) {
            return;
        }

        why = NULL;
        rc = NGX_OK;

        if (json_is_null(value)) {
            ngx_str_set(&kv->value, "");

        } else if (!json_is_string(value)) {
            why = NGX_K8S_READER_UNREAD "is not a string: put it in quotes";

        } else if (json_string_length(value) > max) {
            why = NGX_K8S_READER_UNREAD "is too long";

        } else if (encoded) {
            rc = ngx_k8s_reader_decode(r, value, &kv->value);

            if (rc == NGX_DECLINED) {
                why = NGX_K8S_READER_UNREAD "is not in base64";
                rc = NGX_OK;
            }

        } else {
            rc = ngx_k8s_reader_copy(r, json_string_value(value),
                                     json_string_length(value), &kv->value);
        }

        if (why) {
            rc = ngx_k8s_reader_copy(r, why, ngx_strlen(why), &kv->value);

            if (!silent) {
                ngx_k8s_reader_problem(r, key, why + 1);
            }
        }

        if (rc != NGX_OK) {
            return;
        }

        values->nelts++;
    }

    ngx_k8s_reader_pop(r, mark);
}


/* as Go decodes: line ends are ignored, and nothing but padding may follow */

static ngx_int_t
ngx_k8s_reader_decode(ngx_k8s_reader_t *r, json_t *json, ngx_str_t *value)
{
    u_char      *p, *last, *dst, ch;
    size_t       size;
    uint32_t     bits;
    ngx_uint_t   n, pad;

    p = (u_char *) json_string_value(json);
    last = p + json_string_length(json);

    size = (last - p) / 4 * 3 + 3;

    ngx_k8s_reader_charge(r, size, 0);

    if (r->measure) {
        ngx_str_null(value);
        return NGX_OK;
    }

    dst = ngx_pnalloc(r->pool, size);
    if (dst == NULL) {
        r->failed = 1;
        return NGX_ERROR;
    }

    value->data = dst;
    bits = 0;
    n = 0;
    pad = 0;

    for ( /* void */ ; p < last; p++) {
        ch = *p;

        if (ch == CR || ch == LF) {
            continue;
        }

        if (ch == '=') {
            pad++;
            continue;
        }

        if (ch >= 'A' && ch <= 'Z') {
            ch -= 'A';

        } else if (ch >= 'a' && ch <= 'z') {
            ch -= 'a' - 26;

        } else if (ch >= '0' && ch <= '9') {
            ch += 52 - '0';

        } else if (ch == '+') {
            ch = 62;

        } else if (ch == '/') {
            ch = 63;

        } else {
            goto invalid;
        }

        if (pad) {
            goto invalid;
        }

        bits = bits << 6 | ch;

        if (++n % 4 == 0) {
            *dst++ = (u_char) (bits >> 16);
            *dst++ = (u_char) (bits >> 8);
            *dst++ = (u_char) bits;
        }
    }

    if ((n + pad) % 4 != 0 || pad > 2) {
        goto invalid;
    }

    switch (n % 4) {

    case 2:
        *dst++ = (u_char) (bits >> 4);
        break;

    case 3:
        *dst++ = (u_char) (bits >> 10);
        *dst++ = (u_char) (bits >> 2);
        break;
    }

    value->len = dst - value->data;

    return NGX_OK;

invalid:

    ngx_explicit_memzero(value->data, dst - value->data);
    ngx_str_null(value);

    return NGX_DECLINED;
}
