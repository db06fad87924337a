
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>
#include <ngx_k8s_yaml_core.h>


/* bytes of a document of JSON that are read at once, or in one piece */
#define NGX_K8S_YAML_PIECE  16384


static ngx_int_t ngx_k8s_yaml_start(ngx_k8s_yaml_t *y);
static ngx_int_t ngx_k8s_yaml_refused(ngx_k8s_yaml_t *y);
static void ngx_k8s_yaml_reset(ngx_k8s_yaml_t *y);
static ngx_int_t ngx_k8s_yaml_json(ngx_k8s_yaml_t *y, json_t **json);
static ngx_int_t ngx_k8s_yaml_tree(ngx_k8s_yaml_t *y, json_t **json);
static ngx_int_t ngx_k8s_yaml_whole(ngx_k8s_yaml_t *y, u_char *p, u_char *end,
    json_t **json);
static u_char *ngx_k8s_yaml_space(u_char *p, u_char *last);
static ngx_uint_t ngx_k8s_yaml_begins(ngx_k8s_yaml_t *y, u_char *p);
static ngx_uint_t ngx_k8s_yaml_lines(u_char *p, u_char *last);


ngx_k8s_yaml_t *
ngx_k8s_yaml_open(u_char *text, size_t len, ngx_uint_t json, json_t *trash,
    ngx_log_t *log)
{
    u_char          *p;
    ngx_k8s_yaml_t  *y;

    y = ngx_calloc(sizeof(ngx_k8s_yaml_t), log);
    if (y == NULL) {
        return NULL;
    }

    y->log = log;
    y->trash = trash;
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
    ngx_uint_t  i;

    ngx_k8s_yaml_reset(y);

    if (y->reading) {

        for (i = 0; i < y->tree.depth; i++) {
            (void) json_array_append_new(y->trash, y->tree.frames[i].json);
            y->tree.frames[i].json = NULL;
        }

        ngx_k8s_parser_cancel(&y->tree);
    }

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


static void
ngx_k8s_yaml_reset(ngx_k8s_yaml_t *y)
{
    ngx_k8s_yaml_frame_t   *f;
    ngx_k8s_yaml_anchor_t  *a;

    while (y->depth) {
        f = &y->frames[--y->depth];

        (void) json_array_append_new(y->trash, f->json);
        (void) json_array_append_new(y->trash, f->merged);
        json_decref(f->key);
        free(f->anchor);
    }

    while (y->nanchors) {
        a = &y->anchors[--y->nanchors];

        (void) json_array_append_new(y->trash, a->json);
        free(a->name);
    }

    (void) json_array_append_new(y->trash, y->root);
    y->root = NULL;

    y->weight = 0;
    y->expanded = 0;
}


/*
 * The next document when it is JSON, as it may be in any file: NGX_OK;
 * NGX_AGAIN; NGX_DONE: the text has ended; NGX_BUSY: it is YAML, from pos on.
 */

static ngx_int_t
ngx_k8s_yaml_json(ngx_k8s_yaml_t *y, json_t **json)
{
    u_char               *p;
    size_t                line, column;
    json_error_t          error;
    ngx_k8s_json_scan_t   scan;

    if (y->reading) {
        return ngx_k8s_yaml_tree(y, json);
    }

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

    ngx_memzero(&scan, sizeof(ngx_k8s_json_scan_t));

    if (y->last - p > NGX_K8S_YAML_PIECE
        && ngx_k8s_json_scan(&scan, p, p + NGX_K8S_YAML_PIECE) == NULL
        && !scan.broken)
    {
        ngx_k8s_parser_tree(&y->tree, p, y->last - p, y->log);
        y->reading = 1;

        return NGX_AGAIN;
    }

    *json = json_loadb((char *) p, y->last - p,
                       JSON_ALLOW_NUL|JSON_DISABLE_EOF_CHECK, &error);

    if (*json) {
        return ngx_k8s_yaml_whole(y, p, p + error.position, json);
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


/* a piece of a large one */

static ngx_int_t
ngx_k8s_yaml_tree(ngx_k8s_yaml_t *y, json_t **json)
{
    u_char     *p, *lf;
    ngx_int_t   rc;

    rc = ngx_k8s_parser_run(&y->tree, NGX_K8S_YAML_PIECE);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    y->reading = 0;
    p = y->tree.pos;

    if (rc == NGX_OK) {
        *json = y->tree.root;
        y->tree.root = NULL;

        return ngx_k8s_yaml_whole(y, y->tree.text, p, json);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (!y->json) {
        return NGX_BUSY;
    }

    for (lf = p; lf > y->text && lf[-1] != LF; lf--) { /* void */ }

    *ngx_cpymem(y->why, y->tree.problem.message.data,
                y->tree.problem.message.len) = '\0';

    return ngx_k8s_yaml_failed(y, ngx_k8s_yaml_lines(y->text, p), p - lf,
                               y->why);
}


/* a document of JSON from p to end, unless something stands behind it */

static ngx_int_t
ngx_k8s_yaml_whole(ngx_k8s_yaml_t *y, u_char *p, u_char *end, json_t **json)
{
    y->start = p;
    y->line += ngx_k8s_yaml_lines(y->counted, p);
    y->counted = p;

    p = ngx_k8s_yaml_space(end, y->last);

    if (y->json || p == y->last || *p == '{' || ngx_k8s_yaml_begins(y, p)) {
        y->pos = p;
        return NGX_OK;
    }

    (void) json_array_append_new(y->trash, *json);

    return NGX_BUSY;
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

    for (n = 0; p < last; n++) {
        p = memchr(p, LF, last - p);

        if (p == NULL) {
            break;
        }

        p++;
    }

    return n;
}
