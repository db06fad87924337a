
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_json_tree.h>
#include <ngx_k8s_parser.h>
#include <ngx_k8s_reader.h>


/* a value up to this is given to jansson as a whole, a larger one opened */
#define NGX_K8S_PARSER_PIECE        8192

/* scanning costs so much less than parsing */
#define NGX_K8S_PARSER_SCAN         8

/* nulls, which such a list is of in the end, cost as much as a value */
#define NGX_K8S_PARSER_NULLS        16

/* of white space in one step */
#define NGX_K8S_PARSER_SPACE        65536


/* what becomes of a member of a container, or of an element: key NULL */

typedef struct {
    ngx_uint_t               container;  /* NGX_K8S_ROLE_* */
    const char              *key;
    u_char                   begin;      /* of the value; 0: any */
    ngx_uint_t               role;
} ngx_k8s_parser_role_t;


static ngx_int_t ngx_k8s_parser_step(ngx_k8s_parser_t *p, size_t *budget);
static ngx_int_t ngx_k8s_parser_entry(ngx_k8s_parser_t *p);
static ngx_int_t ngx_k8s_parser_value(ngx_k8s_parser_t *p);
static ngx_int_t ngx_k8s_parser_place(ngx_k8s_parser_t *p);
static ngx_uint_t ngx_k8s_parser_role(ngx_k8s_parser_t *p);
static ngx_int_t ngx_k8s_parser_drop(ngx_k8s_parser_t *p, size_t *budget);
static ngx_int_t ngx_k8s_parser_after(ngx_k8s_parser_t *p);
static ngx_int_t ngx_k8s_parser_open(ngx_k8s_parser_t *p, ngx_uint_t role);
static ngx_int_t ngx_k8s_parser_attach(ngx_k8s_parser_t *p, json_t *value,
    ngx_uint_t cost);
static ngx_int_t ngx_k8s_parser_object(ngx_k8s_parser_t *p);
static void ngx_k8s_parser_names(ngx_k8s_parser_t *p);


static ngx_k8s_parser_role_t  ngx_k8s_parser_roles[] = {

    { NGX_K8S_ROLE_ROOT, "status", 0, NGX_K8S_ROLE_STATUS },
    { NGX_K8S_ROLE_ROOT, "metadata", '{', NGX_K8S_ROLE_METADATA },
    { NGX_K8S_ROLE_ROOT, "endpoints", '[', NGX_K8S_ROLE_ENDPOINTS },
    { NGX_K8S_ROLE_ROOT, "spec", '{', NGX_K8S_ROLE_SPEC },
    { NGX_K8S_ROLE_ROOT, "data", '{', NGX_K8S_ROLE_VALUES },
    { NGX_K8S_ROLE_ROOT, "stringData", '{', NGX_K8S_ROLE_VALUES },
    { NGX_K8S_ROLE_ROOT, "binaryData", '{', NGX_K8S_ROLE_ENCODED },

    { NGX_K8S_ROLE_METADATA, "managedFields", 0, NGX_K8S_ROLE_DROPPED },
    { NGX_K8S_ROLE_METADATA, "annotations", '{', NGX_K8S_ROLE_ANNOTATIONS },

    { NGX_K8S_ROLE_ANNOTATIONS, NGX_K8S_LAST_APPLIED, 0,
      NGX_K8S_ROLE_DROPPED },

    { NGX_K8S_ROLE_SPEC, "rules", '[', NGX_K8S_ROLE_RULES },
    { NGX_K8S_ROLE_SPEC, "tls", '[', NGX_K8S_ROLE_ELEMENTS },
    { NGX_K8S_ROLE_RULES, NULL, '{', NGX_K8S_ROLE_RULE },
    { NGX_K8S_ROLE_RULE, "http", '{', NGX_K8S_ROLE_HTTP },
    { NGX_K8S_ROLE_HTTP, "paths", '[', NGX_K8S_ROLE_ELEMENTS },

    { 0, NULL, 0, NGX_K8S_ROLE_OTHER }
};


ngx_int_t
ngx_k8s_parser_init(ngx_k8s_parser_t *p, ngx_uint_t kind, u_char *text,
    size_t len, ngx_log_t *log)
{
    ngx_memzero(p, sizeof(ngx_k8s_parser_t));

    p->kind = kind;
    p->text = text;
    p->pos = text;
    p->last = text + len;
    p->log = log;

    if (len > NGX_K8S_OBJECT_MAX) {
        p->problem.code = NGX_K8S_PROBLEM_OBJECT_TOO_LARGE;
        p->problem.message.data = p->message;
        p->problem.message.len = ngx_sprintf(p->message, "the object has %uz "
                                             "bytes, more than %uz", len,
                                             (size_t) NGX_K8S_OBJECT_MAX)
                                 - p->message;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_k8s_parser_tree(ngx_k8s_parser_t *p, u_char *text, size_t len,
    ngx_log_t *log)
{
    (void) ngx_k8s_parser_init(p, 0, text, 0, log);

    p->last = text + len;
    p->tree = 1;
}


ngx_int_t
ngx_k8s_parser_run(ngx_k8s_parser_t *p, size_t budget)
{
    size_t      used;
    u_char     *start;
    ngx_int_t   rc;

    if (p->state == NGX_K8S_PARSER_FREE) {
        return (ngx_k8s_parser_freed(p, &budget) == NGX_OK) ? p->rc
                                                            : NGX_AGAIN;
    }

    if (p->problem.message.len) {
        return NGX_DECLINED;
    }

    while (p->state != NGX_K8S_PARSER_END) {

        if (budget == 0) {
            return NGX_AGAIN;
        }

        start = p->pos;

        rc = ngx_k8s_parser_step(p, &budget);

        if (rc != NGX_OK) {
            ngx_k8s_parser_names(p);

            p->rc = p->failed ? NGX_ERROR : NGX_DECLINED;
            p->state = NGX_K8S_PARSER_FREE;

            return NGX_AGAIN;
        }

        used = p->pos - start;
        budget -= ngx_min(budget, used);
    }

    if (p->tree) {
        return NGX_OK;
    }

    rc = ngx_k8s_parser_pieces(p, &budget);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == NGX_OK) {
        rc = ngx_k8s_parser_object(p);
    }

    if (rc == NGX_DECLINED) {
        ngx_k8s_parser_names(p);
    }

    p->rc = rc;
    p->state = NGX_K8S_PARSER_FREE;

    return (ngx_k8s_parser_freed(p, &budget) == NGX_OK) ? rc : NGX_AGAIN;
}


void
ngx_k8s_parser_cancel(ngx_k8s_parser_t *p)
{
    ngx_k8s_parser_free(p);
}


/* one value, or what stands between two; all return NGX_OK or NGX_ERROR */

static ngx_int_t
ngx_k8s_parser_step(ngx_k8s_parser_t *p, size_t *budget)
{
    u_char  *end;

    if (p->state == NGX_K8S_PARSER_DROP) {
        return ngx_k8s_parser_drop(p, budget);
    }

    end = p->pos + ngx_min(p->last - p->pos, NGX_K8S_PARSER_SPACE);

    while (p->pos < end
           && (*p->pos == ' ' || *p->pos == '\t' || *p->pos == CR
               || *p->pos == LF))
    {
        p->pos++;
    }

    if (p->pos == p->last) {
        return ngx_k8s_parser_broken(p, "it ends too early");
    }

    if (p->pos == end) {
        return NGX_OK;
    }

    switch (p->state) {

    case NGX_K8S_PARSER_START:

        if (*p->pos != '{' && !(p->tree && *p->pos == '[')) {
            return ngx_k8s_parser_broken(p, "it is no JSON object");
        }

        return ngx_k8s_parser_open(p, NGX_K8S_ROLE_ROOT);

    case NGX_K8S_PARSER_FIRST:
    case NGX_K8S_PARSER_NEXT:
        return ngx_k8s_parser_entry(p);

    case NGX_K8S_PARSER_COLON:

        if (*p->pos != ':') {
            return ngx_k8s_parser_broken(p, "a member has no value");
        }

        p->pos++;
        p->state = NGX_K8S_PARSER_VALUE;

        return NGX_OK;

    case NGX_K8S_PARSER_VALUE:
        return ngx_k8s_parser_value(p);

    default: /* NGX_K8S_PARSER_AFTER */
        return ngx_k8s_parser_after(p);
    }
}


/* a member's name, or what begins an element */

static ngx_int_t
ngx_k8s_parser_entry(ngx_k8s_parser_t *p)
{
    u_char                  *end;
    ngx_k8s_parser_frame_t  *f;

    f = &p->frames[p->depth - 1];

    if (p->state == NGX_K8S_PARSER_FIRST && (*p->pos == '}' || *p->pos == ']'))
    {
        p->state = NGX_K8S_PARSER_AFTER;
        return NGX_OK;
    }

    if (json_is_array(f->json)) {
        p->state = NGX_K8S_PARSER_VALUE;
        return NGX_OK;
    }

    if (*p->pos != '"') {
        return ngx_k8s_parser_broken(p, "a member has no name");
    }

    end = ngx_k8s_parser_end(p);

    if (end == NULL) {
        return NGX_ERROR;
    }

    f->key = ngx_k8s_parser_string(p, end);

    if (f->key == NULL) {
        return NGX_ERROR;
    }

    if (ngx_strlen(json_string_value(f->key)) != json_string_length(f->key)) {
        return ngx_k8s_parser_broken(p, "a member's name holds a null byte");
    }

    if (ngx_k8s_parser_charge(p, (end - p->pos) / NGX_K8S_COST_BYTES)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p->pos = end;
    p->state = NGX_K8S_PARSER_COLON;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_parser_value(ngx_k8s_parser_t *p)
{
    u_char                  *end, *limit;
    json_t                  *value;
    ngx_uint_t               role;
    ngx_k8s_json_scan_t      scan;
    ngx_k8s_parser_frame_t  *f;

    if (p->depth == 2 && p->frames[1].role == NGX_K8S_ROLE_ITEMS
        && ngx_k8s_parser_place(p) != NGX_OK)
    {
        return NGX_ERROR;
    }

    role = ngx_k8s_parser_role(p);

    if (role == NGX_K8S_ROLE_STATUS) {
        ngx_k8s_digest_init(&p->status);
    }

    if (role == NGX_K8S_ROLE_DROPPED || role == NGX_K8S_ROLE_STATUS) {
        ngx_memzero(&p->scan, sizeof(ngx_k8s_json_scan_t));
        p->state = NGX_K8S_PARSER_DROP;
        return NGX_OK;
    }

    f = &p->frames[p->depth - 1];

    if (role != NGX_K8S_ROLE_OTHER && role != NGX_K8S_ROLE_ITEMS && f->key
        && json_object_get(f->json, json_string_value(f->key)))
    {
        return ngx_k8s_parser_broken(p, "a member is there twice");
    }

    if (role == NGX_K8S_ROLE_ENDPOINTS) {
        p->endpoints.nelts = 0;
        p->elements = 0;
    }

    if (role == NGX_K8S_ROLE_ITEMS) {
        p->nplaces = 0;
    }

    if ((role >= NGX_K8S_ROLE_METADATA && role <= NGX_K8S_ROLE_ENDPOINTS)
        || role >= NGX_K8S_ROLE_VALUES)
    {
        return ngx_k8s_parser_open(p, role);
    }

    if (*p->pos == '{' || *p->pos == '[') {

        limit = p->pos + ngx_min(p->last - p->pos, NGX_K8S_PARSER_PIECE);

        ngx_memzero(&scan, sizeof(ngx_k8s_json_scan_t));
        end = ngx_k8s_json_scan(&scan, p->pos, limit);

        if (end == NULL && limit != p->last) {
            return ngx_k8s_parser_open(p, role);
        }

        if (end == NULL) {
            return ngx_k8s_parser_broken(p,
                                         "a value is broken, or has no end");
        }

    } else {
        end = ngx_k8s_parser_end(p);

        if (end == NULL) {
            return (p->state == NGX_K8S_PARSER_DROP) ? NGX_OK : NGX_ERROR;
        }
    }

    value = (*p->pos == '"') ? ngx_k8s_parser_string(p, end)
                             : ngx_k8s_parser_load(p, end);
    if (value == NULL) {
        return NGX_ERROR;
    }

    p->pos = end;
    p->state = NGX_K8S_PARSER_AFTER;

    return ngx_k8s_parser_attach(p, value, ngx_k8s_json_cost(value));
}


/* an element of a list begins */

static ngx_int_t
ngx_k8s_parser_place(ngx_k8s_parser_t *p)
{
    uint32_t    *places;
    ngx_uint_t   n;

    if (p->nplaces == p->nalloc) {
        n = p->nalloc ? p->nalloc * 2 : 64;

        places = realloc(p->places, n * sizeof(uint32_t));
        if (places == NULL) {
            p->failed = 1;
            return NGX_ERROR;
        }

        p->places = places;
        p->nalloc = n;
    }

    p->places[p->nplaces++] = p->pos - p->text;

    return NGX_OK;
}


/* what becomes of the value at pos: left out, opened, or neither */

static ngx_uint_t
ngx_k8s_parser_role(ngx_k8s_parser_t *p)
{
    const char              *key;
    ngx_k8s_kind_t          *kind;
    ngx_k8s_parser_role_t   *row;
    ngx_k8s_parser_frame_t  *f;

    f = &p->frames[p->depth - 1];
    key = json_string_value(f->key);

    if (p->tree) {
        return (p->depth == 1 && key && ngx_strcmp(key, "items") == 0
                && *p->pos == '[')
               ? NGX_K8S_ROLE_ITEMS : NGX_K8S_ROLE_OTHER;
    }

    kind = &ngx_k8s_kinds[p->kind];

    for (row = ngx_k8s_parser_roles; row->begin || row->key; row++) {

        if (row->container == f->role
            && (row->begin == 0 || row->begin == *p->pos)
            && (row->key == NULL || ngx_strcmp(row->key, key) == 0))
        {
            break;
        }
    }

    switch (row->role) {

    case NGX_K8S_ROLE_ANNOTATIONS:
        return kind->annotations ? row->role : NGX_K8S_ROLE_DROPPED;

    case NGX_K8S_ROLE_ENDPOINTS:
        return (kind->list && p->last - p->text > NGX_K8S_PARSER_WHOLE)
               ? row->role : NGX_K8S_ROLE_OTHER;

    case NGX_K8S_ROLE_STATUS:
        return kind->status ? row->role : NGX_K8S_ROLE_DROPPED;

    case NGX_K8S_ROLE_SPEC:
        return kind->piece ? row->role : NGX_K8S_ROLE_OTHER;

    case NGX_K8S_ROLE_VALUES:
    case NGX_K8S_ROLE_ENCODED:

        if (!kind->wanted) {
            return NGX_K8S_ROLE_OTHER;
        }

        return (kind->secret && ngx_strcmp(key, "data") == 0)
               ? NGX_K8S_ROLE_ENCODED : row->role;

    default:
        return row->role;
    }
}


static ngx_int_t
ngx_k8s_parser_drop(ngx_k8s_parser_t *p, size_t *budget)
{
    size_t                   n;
    u_char                  *end, *limit;
    json_t                  *value;
    ngx_k8s_parser_frame_t  *f;

    n = ngx_min(*budget, (size_t) NGX_K8S_OBJECT_MAX) * NGX_K8S_PARSER_SCAN;
    limit = p->pos + ngx_min((size_t) (p->last - p->pos), n);

    end = ngx_k8s_json_scan(&p->scan, p->pos, limit);

    if (end == NULL && (p->scan.broken || limit == p->last)) {
        return ngx_k8s_parser_broken(p, "a value is broken, or has no end");
    }

    n = (end ? end : limit) - p->pos;

    if (p->status.ctx) {
        ngx_k8s_digest_add(&p->status, p->pos, n);
    }

    if (end) {
        if (p->status.ctx
            && ngx_k8s_digest_final(&p->status, p->status_digest) != NGX_OK)
        {
            p->failed = 1;
            return NGX_ERROR;
        }

        f = &p->frames[p->depth - 1];

        if (p->tree) {
            value = ngx_k8s_parser_overlong(p, 0);

            if (value == NULL
                || ngx_k8s_parser_attach(p, value, 1) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        json_decref(f->key);
        f->key = NULL;

        p->state = NGX_K8S_PARSER_AFTER;
    }

    /* the caller takes as many bytes off the budget as pos has moved */

    *budget += n - n / NGX_K8S_PARSER_SCAN;

    p->pos += n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_parser_after(ngx_k8s_parser_t *p)
{
    u_char                   ch;
    json_t                  *value;
    ngx_uint_t               cost;
    ngx_k8s_parser_frame_t  *f;

    f = &p->frames[p->depth - 1];
    ch = *p->pos++;

    if (ch == ',') {
        p->state = NGX_K8S_PARSER_NEXT;
        return NGX_OK;
    }

    if (ch != (json_is_array(f->json) ? ']' : '}')) {
        return ngx_k8s_parser_broken(p, "a comma or an end is missing");
    }

    value = f->json;
    f->json = NULL;
    p->depth--;

    if (ngx_k8s_parser_sum(p, f->role) != NGX_OK) {
        json_decref(value);
        return NGX_ERROR;
    }

    cost = 1 + (ngx_k8s_parser_elements(f->role)
                ? f->cost / NGX_K8S_PARSER_NULLS : f->cost);

    if (p->depth) {
        return ngx_k8s_parser_attach(p, value, cost);
    }

    p->root = value;
    p->state = NGX_K8S_PARSER_END;

    if (p->tree) {
        return NGX_OK;
    }

    for ( /* void */ ; p->pos < p->last; p->pos++) {
        ch = *p->pos;

        if (ch != ' ' && ch != '\t' && ch != CR && ch != LF) {
            return ngx_k8s_parser_broken(p, "something follows its end");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_parser_open(ngx_k8s_parser_t *p, ngx_uint_t role)
{
    ngx_k8s_parser_frame_t  *f;

    if (p->depth == (p->tree ? NGX_K8S_PARSER_TREE_DEPTH
                             : NGX_K8S_PARSER_DEPTH))
    {
        return ngx_k8s_parser_broken(p, "it is nested too deeply");
    }

    f = &p->frames[p->depth];

    f->json = (*p->pos == '[') ? json_array() : json_object();

    if (f->json == NULL) {
        p->failed = 1;
        return NGX_ERROR;
    }

    f->key = NULL;
    f->role = role;
    f->cost = 0;

    p->depth++;
    p->pos++;
    p->state = NGX_K8S_PARSER_FIRST;

    return NGX_OK;
}


/* gives the value to the container that is open, takes its reference */

static ngx_int_t
ngx_k8s_parser_attach(ngx_k8s_parser_t *p, json_t *value, ngx_uint_t cost)
{
    int                      rc;
    ngx_k8s_parser_frame_t  *f;

    f = &p->frames[p->depth - 1];
    p->state = NGX_K8S_PARSER_AFTER;

    ngx_k8s_parser_add(p, f, value);

    if (ngx_k8s_parser_charge(p, cost) != NGX_OK) {
        json_decref(value);
        return NGX_ERROR;
    }

    if (p->tree
        && (json_array_size(f->json) == NGX_K8S_PARSER_TREE_LIST
            || json_object_size(f->json) == NGX_K8S_PARSER_TREE_MAP))
    {
        json_decref(value);
        return ngx_k8s_parser_broken(p, "there are too many values in one "
                                        "place");
    }

    if (f->role == NGX_K8S_ROLE_ENDPOINTS) {
        return ngx_k8s_parser_endpoint(p, value);
    }

    if (json_is_array(f->json)) {
        rc = json_array_append_new(f->json, value);

    } else {
        rc = json_object_set_new(f->json, json_string_value(f->key), value);

        json_decref(f->key);
        f->key = NULL;
    }

    if (rc != 0) {
        p->failed = 1;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_parser_object(ngx_k8s_parser_t *p)
{
    if (p->endpoints.elts && ngx_k8s_parser_endpoints(p) != NGX_OK) {
        return NGX_ERROR;
    }

    p->object = ngx_k8s_object_make(p->kind, p->root, p->pool,
                                    p->pool ? &p->part : NULL,
                                    p->pool ? &p->digest : NULL,
                                    &p->problem, p->log);

    if (p->object == NULL) {
        return p->problem.message.len ? NGX_DECLINED : NGX_ERROR;
    }

    p->pool = NULL;

    ngx_memcpy(p->object->status, p->status_digest, NGX_K8S_DIGEST);

    return NGX_OK;
}


/* as far as they have been read */

static void
ngx_k8s_parser_names(ngx_k8s_parser_t *p)
{
    size_t   len;
    u_char  *last;
    json_t  *meta, *ns, *name;

    if (p->tree) {
        return;
    }

    if (p->depth > 1 && p->frames[1].role == NGX_K8S_ROLE_METADATA) {
        meta = p->frames[1].json;

    } else {
        meta = json_object_get(p->root ? p->root : p->frames[0].json,
                               "metadata");
    }

    ns = json_object_get(meta, "namespace");
    name = json_object_get(meta, "name");
    len = json_string_length(ns);

    if (!json_is_string(name)
        || (ngx_k8s_kinds[p->kind].namespaced && !json_is_string(ns))
        || len + json_string_length(name) > sizeof(p->names))
    {
        return;
    }

    p->namespace.data = p->names;
    p->namespace.len = len;
    last = ngx_cpymem(p->names, json_string_value(ns), len);

    p->name.data = last;
    p->name.len = json_string_length(name);
    ngx_memcpy(last, json_string_value(name), p->name.len);
}
