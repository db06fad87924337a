
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <yaml.h>
#include <ngx_k8s_resource.h>
#include <ngx_k8s_yaml.h>
#include <ngx_k8s_yaml_scalar.h>


#define NGX_K8S_YAML_DEPTH      64
#define NGX_K8S_YAML_ANCHORS    1024

/* bytes that aliases may stand for in one document */
#define NGX_K8S_YAML_EXPANDED   (4 * 1024 * 1024)

/* what a node counts beside its text */
#define NGX_K8S_YAML_NODE       16


typedef struct {
    json_t              *json;       /* owned until it is complete */
    json_t              *key;        /* of the value to come, owned */
    json_t              *merged;     /* what merge keys bring, owned */
    char                *anchor;     /* malloc()ed */
    size_t               weight;     /* y->weight before */
    unsigned             merge:1;    /* the value to come is merged */
} ngx_k8s_yaml_frame_t;


typedef struct {
    char                *name;       /* malloc()ed */
    json_t              *json;
    size_t               weight;
} ngx_k8s_yaml_anchor_t;


struct ngx_k8s_yaml_s {
    yaml_parser_t        parser;
    ngx_log_t           *log;
    u_char              *text;
    u_char              *pos;
    u_char              *last;
    json_t              *root;       /* of the document, when complete */
    ngx_uint_t           base;       /* lines before the parser's first */
    ngx_uint_t           line;       /* of the document, from 0 */
    u_char              *start;      /* of it, when it is JSON, or NULL */
    u_char              *counted;    /* lines up to here are in "line" */
    uint32_t            *lines;      /* of the elements of its "items" */
    ngx_uint_t           nlines;
    ngx_uint_t           nalloc;
    ngx_uint_t           depth;
    ngx_uint_t           nanchors;
    size_t               weight;     /* of the nodes of the document */
    size_t               expanded;   /* of it by aliases */
    ngx_str_t            error;
    unsigned             json:1;
    unsigned             started:1;
    unsigned             done:1;
    unsigned             failed:1;   /* no memory */
    ngx_k8s_yaml_frame_t   frames[NGX_K8S_YAML_DEPTH];
    ngx_k8s_yaml_anchor_t  anchors[NGX_K8S_YAML_ANCHORS];
    u_char               message[256];
};


static ngx_int_t ngx_k8s_yaml_start(ngx_k8s_yaml_t *y);
static ngx_int_t ngx_k8s_yaml_refused(ngx_k8s_yaml_t *y);
static ngx_int_t ngx_k8s_yaml_event(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_line_note(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_begin(ngx_k8s_yaml_t *y, yaml_event_t *e,
    json_t *json, yaml_char_t *anchor);
static ngx_int_t ngx_k8s_yaml_end(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_scalar(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_alias(ngx_k8s_yaml_t *y, yaml_event_t *e);
static ngx_int_t ngx_k8s_yaml_anchor(ngx_k8s_yaml_t *y, yaml_event_t *e,
    char *name, json_t *json, size_t weight);
static ngx_int_t ngx_k8s_yaml_key(ngx_k8s_yaml_t *y, yaml_event_t *e,
    json_t *key);
static ngx_int_t ngx_k8s_yaml_add(ngx_k8s_yaml_t *y, yaml_event_t *e,
    json_t *json);
static ngx_int_t ngx_k8s_yaml_merge(ngx_k8s_yaml_t *y, yaml_event_t *e,
    json_t *json);
static void ngx_k8s_yaml_reset(ngx_k8s_yaml_t *y);
static ngx_int_t ngx_k8s_yaml_json(ngx_k8s_yaml_t *y, json_t **json);
static u_char *ngx_k8s_yaml_space(u_char *p, u_char *last);
static ngx_uint_t ngx_k8s_yaml_begins(ngx_k8s_yaml_t *y, u_char *p);
static ngx_uint_t ngx_k8s_yaml_lines(u_char *p, u_char *last);
static ngx_int_t ngx_k8s_yaml_failed(ngx_k8s_yaml_t *y, size_t line,
    size_t column, const char *why);


ngx_k8s_yaml_t *
ngx_k8s_yaml_open(u_char *text, size_t len, ngx_uint_t json, ngx_log_t *log)
{
    u_char          *p;
    ngx_k8s_yaml_t  *y;

    y = ngx_calloc(sizeof(ngx_k8s_yaml_t), log);
    if (y == NULL) {
        return NULL;
    }

    y->log = log;
    y->text = text;
    y->pos = text;
    y->last = text + len;
    y->counted = text;
    y->json = json;

    p = memchr(text, '\0', len);

    if (p) {
        (void) ngx_k8s_yaml_failed(y, ngx_k8s_yaml_lines(text, p), 0,
                                   p - text < 2
                                   ? "it looks like UTF-16 without a byte "
                                     "order mark: save it as UTF-8"
                                   : "it holds a NUL byte: save it as UTF-8");
    }

    return y;
}


void
ngx_k8s_yaml_close(ngx_k8s_yaml_t *y)
{
    ngx_k8s_yaml_reset(y);

    if (y->started) {
        yaml_parser_delete(&y->parser);
    }

    free(y->lines);
    ngx_free(y);
}


ngx_str_t *
ngx_k8s_yaml_error(ngx_k8s_yaml_t *y)
{
    return &y->error;
}


ngx_int_t
ngx_k8s_yaml_next(ngx_k8s_yaml_t *y, ngx_uint_t budget, json_t **json)
{
    ngx_int_t           rc;
    yaml_event_t        e;
    yaml_event_type_t   type;

    if (y->error.len) {
        return NGX_DECLINED;
    }

    if (!y->started) {
        rc = ngx_k8s_yaml_json(y, json);

        if (rc != NGX_BUSY) {
            return rc;
        }

        if (ngx_k8s_yaml_start(y) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    while (budget--) {

        if (y->done) {
            return NGX_DONE;
        }

        if (!yaml_parser_parse(&y->parser, &e)) {

            if (y->parser.error == YAML_MEMORY_ERROR) {
                return NGX_ERROR;
            }

            return ngx_k8s_yaml_refused(y);
        }

        type = e.type;
        rc = ngx_k8s_yaml_event(y, &e);

        yaml_event_delete(&e);

        if (rc != NGX_OK) {
            return y->failed ? NGX_ERROR : NGX_DECLINED;
        }

        if (type == YAML_DOCUMENT_END_EVENT && y->root) {

            *json = y->root;
            y->root = NULL;

            ngx_k8s_yaml_reset(y);

            if (!json_is_null(*json)) {
                return NGX_OK;
            }

            json_decref(*json);
        }
    }

    return NGX_AGAIN;
}


/* a document that was given out, and for n > 0 element n of its "items" */

ngx_uint_t
ngx_k8s_yaml_line(ngx_k8s_yaml_t *y, ngx_uint_t n)
{
    u_char     *p, *last;
    ngx_str_t   items;

    if (n == 0) {
        return y->line + 1;
    }

    if (y->start == NULL) {
        return (n <= y->nlines ? y->lines[n - 1] : y->line) + 1;
    }

    if (ngx_k8s_json_member(y->start, y->pos, "items", &items) != NGX_OK
        || items.data[0] != '[')
    {
        return y->line + 1;
    }

    last = items.data + items.len;
    p = ngx_k8s_yaml_space(items.data + 1, last);

    while (--n) {
        p = ngx_k8s_json_skip(p, last);

        if (p == NULL) {
            return y->line + 1;
        }

        p = ngx_k8s_yaml_space(p, last);

        if (p < last && *p == ',') {
            p = ngx_k8s_yaml_space(p + 1, last);
        }
    }

    return y->line + ngx_k8s_yaml_lines(y->start, p) + 1;
}


/* all from pos on is YAML */

static ngx_int_t
ngx_k8s_yaml_start(ngx_k8s_yaml_t *y)
{
    if (!yaml_parser_initialize(&y->parser)) {
        return NGX_ERROR;
    }

    yaml_parser_set_input_string(&y->parser, y->pos, y->last - y->pos);

    y->base = ngx_k8s_yaml_lines(y->text, y->pos);
    y->start = NULL;
    y->started = 1;

    return NGX_OK;
}


/* what cannot be decoded is told by its offset alone */

static ngx_int_t
ngx_k8s_yaml_refused(ngx_k8s_yaml_t *y)
{
    u_char         *start, *p, *lf;
    yaml_parser_t  *parser;

    parser = &y->parser;

    if (parser->error != YAML_READER_ERROR) {
        return ngx_k8s_yaml_failed(y, parser->problem_mark.line,
                                   parser->problem_mark.column,
                                   parser->problem);
    }

    start = (u_char *) parser->input.string.start;
    p = start + ngx_min(parser->problem_offset, (size_t) (y->last - start));

    for (lf = p; lf > start && lf[-1] != LF; lf--) { /* void */ }

    return ngx_k8s_yaml_failed(y, ngx_k8s_yaml_lines(start, p), p - lf,
                               parser->problem);
}


/* NGX_OK, or NGX_DECLINED with y->error or y->failed */

static ngx_int_t
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

        if (plain && e->data.scalar.tag == NULL
            && s.len == 2 && s.data[0] == '<' && s.data[1] == '<')
        {
            f->merge = 1;
            return NGX_OK;
        }

        /* keys are strings, whatever they look like */

        json = json_stringn((char *) s.data, s.len);
        error = "a key is not in UTF-8";

    } else {
        json = ngx_k8s_yaml_resolve(&s, e->data.scalar.tag, plain, &error);
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


static void
ngx_k8s_yaml_reset(ngx_k8s_yaml_t *y)
{
    ngx_k8s_yaml_frame_t   *f;
    ngx_k8s_yaml_anchor_t  *a;

    while (y->depth) {
        f = &y->frames[--y->depth];

        json_decref(f->json);
        json_decref(f->key);
        json_decref(f->merged);
        free(f->anchor);
    }

    while (y->nanchors) {
        a = &y->anchors[--y->nanchors];

        json_decref(a->json);
        free(a->name);
    }

    json_decref(y->root);
    y->root = NULL;

    y->weight = 0;
    y->expanded = 0;
}


/*
 * The next document when it is JSON, as it may be in any file: NGX_OK;
 * NGX_DONE: the text has ended; NGX_BUSY: it is YAML, from pos on.
 */

static ngx_int_t
ngx_k8s_yaml_json(ngx_k8s_yaml_t *y, json_t **json)
{
    u_char        *p;
    size_t         line, column;
    json_error_t   error;

    p = ngx_k8s_yaml_space(y->pos, y->last);

    while (ngx_k8s_yaml_begins(y, p)) {
        p = ngx_k8s_yaml_space(p + 3, y->last);
    }

    if (p == y->last) {
        return NGX_DONE;
    }

    if (*p != '{' && !y->json) {
        return NGX_BUSY;
    }

    *json = json_loadb((char *) p, y->last - p,
                       JSON_ALLOW_NUL|JSON_DISABLE_EOF_CHECK, &error);

    if (*json) {
        y->start = p;
        y->line += ngx_k8s_yaml_lines(y->counted, p);
        y->counted = p;
        p = ngx_k8s_yaml_space(p + error.position, y->last);

        if (y->json || p == y->last || *p == '{'
            || ngx_k8s_yaml_begins(y, p))
        {
            y->pos = p;
            return NGX_OK;
        }

        json_decref(*json);
        return NGX_BUSY;
    }

    if (ngx_k8s_json_no_memory(&error, p, y->last - p)) {
        return NGX_ERROR;
    }

    if (!y->json) {
        return NGX_BUSY;
    }

    /* the error's place is within what was given */

    line = ngx_k8s_yaml_lines(y->text, p);
    line += (error.line > 0) ? error.line - 1 : 0;
    column = (error.column > 0) ? error.column - 1 : 0;

    return ngx_k8s_yaml_failed(y, line, column, error.text);
}


static u_char *
ngx_k8s_yaml_space(u_char *p, u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t' || *p == CR || *p == LF)) {
        p++;
    }

    return p;
}


/* whether a line "---", which begins a document, is at p */

static ngx_uint_t
ngx_k8s_yaml_begins(ngx_k8s_yaml_t *y, u_char *p)
{
    if (y->last - p < 3 || ngx_strncmp(p, "---", 3) != 0
        || (p > y->text && p[-1] != LF))
    {
        return 0;
    }

    return p + 3 == y->last || p[3] == ' ' || p[3] == '\t' || p[3] == CR
           || p[3] == LF;
}


static ngx_uint_t
ngx_k8s_yaml_lines(u_char *p, u_char *last)
{
    ngx_uint_t  n;

    for (n = 0; p < last; p++) {
        n += (*p == LF);
    }

    return n;
}


/* line and column are counted from 0 */

static ngx_int_t
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
