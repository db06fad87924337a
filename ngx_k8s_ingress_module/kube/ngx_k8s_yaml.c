
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>
#include <ngx_k8s_yaml_core.h>


/* bytes of a document of JSON that are read at once, or in one piece */
#define NGX_K8S_YAML_PIECE       16384

/* bytes that are counted, or white space that is skipped, in one piece */
#define NGX_K8S_YAML_BLOCK       65536

/*
 * What libyaml gets for one node: a string of an object with its indentation,
 * of which each line costs one byte more.  Directives are compared with each
 * other, and cost so much that there are some dozens at most.
 */
#define NGX_K8S_YAML_TAKEN       (NGX_K8S_PARSER_STRING + 128 * 1024)
#define NGX_K8S_YAML_DIRECTIVE   16384


static ngx_int_t ngx_k8s_yaml_count(ngx_k8s_yaml_t *y);
static ngx_int_t ngx_k8s_yaml_start(ngx_k8s_yaml_t *y);
static int ngx_k8s_yaml_read(void *data, unsigned char *buffer, size_t size,
    size_t *n);
static ngx_int_t ngx_k8s_yaml_refused(ngx_k8s_yaml_t *y);
static void ngx_k8s_yaml_reset(ngx_k8s_yaml_t *y);
static ngx_int_t ngx_k8s_yaml_json(ngx_k8s_yaml_t *y, json_t **json);
static ngx_int_t ngx_k8s_yaml_tree(ngx_k8s_yaml_t *y, json_t **json);
static ngx_int_t ngx_k8s_yaml_whole(ngx_k8s_yaml_t *y, u_char *p, u_char *end,
    json_t **json);
static u_char *ngx_k8s_yaml_space(u_char *p, u_char *last);
static ngx_uint_t ngx_k8s_yaml_begins(ngx_k8s_yaml_t *y, u_char *p);
static ngx_uint_t ngx_k8s_yaml_begun(ngx_k8s_yaml_t *y, u_char *p);
static ngx_uint_t ngx_k8s_yaml_at(ngx_k8s_yaml_t *y, u_char *p);
static ngx_uint_t ngx_k8s_yaml_column(ngx_k8s_yaml_t *y, u_char *p);
static ngx_uint_t ngx_k8s_yaml_lines(u_char *p, u_char *last);


ngx_k8s_yaml_t *
ngx_k8s_yaml_open(u_char *text, size_t len, ngx_uint_t json, json_t *trash,
    ngx_log_t *log)
{
    ngx_k8s_yaml_t  *y;

    y = ngx_calloc(sizeof(ngx_k8s_yaml_t), log);
    if (y == NULL) {
        return NULL;
    }

    y->breaks = ngx_alloc((len / NGX_K8S_YAML_BLOCK + 2) * sizeof(uint32_t),
                          log);
    if (y->breaks == NULL) {
        ngx_free(y);
        return NULL;
    }

    y->breaks[0] = 0;

    y->log = log;
    y->trash = trash;
    y->text = text;
    y->pos = text;
    y->last = text + len;
    y->counted = text;
    y->asked = text;
    y->json = json;

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
    ngx_free(y->breaks);
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
    size_t              taken;
    ngx_int_t           rc;
    yaml_event_t        e;
    yaml_event_type_t   type;

    if (y->error.len) {
        return NGX_DECLINED;
    }

    if (y->counted < y->last) {
        rc = ngx_k8s_yaml_count(y);

        if (rc != NGX_OK) {
            return rc;
        }
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

    taken = 0;

    while (budget-- && taken <= NGX_K8S_YAML_PIECE) {

        if (y->done) {
            return NGX_DONE;
        }

        y->taken = 0;

        if (!yaml_parser_parse(&y->parser, &e)) {

            if (y->parser.error == YAML_MEMORY_ERROR) {
                return NGX_ERROR;
            }

            return ngx_k8s_yaml_refused(y);
        }

        type = e.type;
        y->after = e.end_mark.line;

        rc = ngx_k8s_yaml_event(y, &e);

        taken += y->taken;

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

    if (y->large) {
        return (n <= y->nlines ? ngx_k8s_yaml_at(y, y->start + y->lines[n - 1])
                               : y->line)
               + 1;
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


/* a piece of the text: how many lines it has; it is UTF-8, without NUL bytes */

static ngx_int_t
ngx_k8s_yaml_count(ngx_k8s_yaml_t *y)
{
    u_char  *p, *end;
    size_t   n;

    n = (y->counted - y->text) / NGX_K8S_YAML_BLOCK;
    end = y->counted + ngx_min(y->last - y->counted, NGX_K8S_YAML_BLOCK);

    p = memchr(y->counted, '\0', end - y->counted);

    if (p) {
        return ngx_k8s_yaml_failed(y, ngx_k8s_yaml_at(y, p), 0,
                                   p - y->text < 2
                                   ? "it looks like UTF-16 without a byte "
                                     "order mark: save it as UTF-8"
                                   : "it holds a NUL byte: save it as UTF-8");
    }

    y->breaks[n + 1] = y->breaks[n] + ngx_k8s_yaml_lines(y->counted, end);
    y->counted = end;

    return (end == y->last) ? NGX_OK : NGX_AGAIN;
}


/* all from pos on is YAML */

static ngx_int_t
ngx_k8s_yaml_start(ngx_k8s_yaml_t *y)
{
    if (!yaml_parser_initialize(&y->parser)) {
        return NGX_ERROR;
    }

    yaml_parser_set_input(&y->parser, ngx_k8s_yaml_read, y);

    y->base = ngx_k8s_yaml_at(y, y->pos);
    y->fed = y->pos;
    y->start = NULL;
    y->started = 1;

    return NGX_OK;
}


/* gives the parser text, unless it has had too much of it for one node: it
   cannot be interrupted otherwise */

static int
ngx_k8s_yaml_read(void *data, unsigned char *buffer, size_t size, size_t *n)
{
    ngx_k8s_yaml_t *y = data;

    u_char  *p, *end;

    end = y->fed + ngx_min((size_t) (y->last - y->fed), size);

    for (p = y->fed; p < end; p++) {

        switch (*p) {

        case LF:
        case CR:
            y->taken++;
            break;

        case '%':

            if (ngx_k8s_yaml_begun(y, p)) {
                y->taken += NGX_K8S_YAML_DIRECTIVE;
            }

            break;
        }
    }

    *n = end - y->fed;
    y->taken += *n;

    if (y->taken > NGX_K8S_YAML_TAKEN) {
        y->overlong = 1;
        return 0;
    }

    ngx_memcpy(buffer, y->fed, *n);
    y->fed = end;

    return 1;
}


/* what cannot be decoded is told by its offset alone */

static ngx_int_t
ngx_k8s_yaml_refused(ngx_k8s_yaml_t *y)
{
    u_char         *p;
    yaml_parser_t  *parser;

    parser = &y->parser;

    if (y->overlong) {
        return ngx_k8s_yaml_failed(y, y->after, 0, "a value or a comment of "
                                   "more than 1 MB, or very many directives, "
                                   "stand behind this line: no object that is "
                                   "read can have them, take them out");
    }

    if (parser->error != YAML_READER_ERROR) {
        return ngx_k8s_yaml_failed(y, parser->problem_mark.line,
                                   parser->problem_mark.column,
                                   parser->problem);
    }

    p = y->pos + ngx_min(parser->problem_offset, (size_t) (y->last - y->pos));

    return ngx_k8s_yaml_failed(y, ngx_k8s_yaml_at(y, p) - y->base,
                               ngx_k8s_yaml_column(y, p), parser->problem);
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
    u_char               *p, *end;
    size_t                line, column;
    json_error_t          error;
    ngx_k8s_json_scan_t   scan;

    if (y->reading) {
        return ngx_k8s_yaml_tree(y, json);
    }

    end = y->pos + ngx_min(y->last - y->pos, NGX_K8S_YAML_BLOCK);

    p = ngx_k8s_yaml_space(y->pos, end);

    while (p < end && ngx_k8s_yaml_begins(y, p)) {
        p = ngx_k8s_yaml_space(p + 3, end);
    }

    if (p >= end && p < y->last) {
        y->pos = p;
        return NGX_AGAIN;
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

    line = ngx_k8s_yaml_at(y, p);
    line += (error.line > 0) ? error.line - 1 : 0;
    column = (error.column > 0) ? error.column - 1 : 0;
    column += (error.line > 1) ? 0 : ngx_k8s_yaml_column(y, p);

    return ngx_k8s_yaml_failed(y, line, column, error.text);
}


/* a piece of a large one */

static ngx_int_t
ngx_k8s_yaml_tree(ngx_k8s_yaml_t *y, json_t **json)
{
    u_char     *p;
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

        free(y->lines);
        y->lines = y->tree.places;
        y->nlines = y->tree.nplaces;
        y->nalloc = y->tree.nplaces;
        y->tree.places = NULL;

        rc = ngx_k8s_yaml_whole(y, y->tree.text, p, json);
        y->large = 1;

        return rc;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (!y->json) {
        return NGX_BUSY;
    }

    *ngx_cpymem(y->why, y->tree.problem.message.data,
                y->tree.problem.message.len) = '\0';

    return ngx_k8s_yaml_failed(y, ngx_k8s_yaml_at(y, p),
                               ngx_k8s_yaml_column(y, p), y->why);
}


/* a document of JSON from p to end, unless something stands behind it */

static ngx_int_t
ngx_k8s_yaml_whole(ngx_k8s_yaml_t *y, u_char *p, u_char *end, json_t **json)
{
    u_char  *last;

    y->start = p;
    y->line = ngx_k8s_yaml_at(y, p);
    y->large = 0;

    last = end + ngx_min(y->last - end, NGX_K8S_YAML_BLOCK);

    p = ngx_k8s_yaml_space(end, last);

    if (y->json || p == last || *p == '{' || ngx_k8s_yaml_begins(y, p)) {
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


/* whether p is where a line of YAML begins, which has breaks of Unicode too */

static ngx_uint_t
ngx_k8s_yaml_begun(ngx_k8s_yaml_t *y, u_char *p)
{
    if (p == y->text || p[-1] == LF || p[-1] == CR) {
        return 1;
    }

    if (p - y->text >= 2 && p[-2] == 0xc2 && p[-1] == 0x85) {
        return 1;
    }

    return p - y->text >= 3 && p[-3] == 0xe2 && p[-2] == 0x80
           && (p[-1] == 0xa8 || p[-1] == 0xa9);
}


/* lines before p */

static ngx_uint_t
ngx_k8s_yaml_at(ngx_k8s_yaml_t *y, u_char *p)
{
    size_t   n;
    u_char  *start;

    n = (p - y->text) / NGX_K8S_YAML_BLOCK;
    start = y->text + n * NGX_K8S_YAML_BLOCK;

    /* most of what is asked for lies behind what was */

    if (y->asked > p || y->asked <= start) {
        y->asked = start;
        y->asked_line = y->breaks[n];
    }

    y->asked_line += ngx_k8s_yaml_lines(y->asked, p);
    y->asked = p;

    return y->asked_line;
}


/* bytes before p in its line */

static ngx_uint_t
ngx_k8s_yaml_column(ngx_k8s_yaml_t *y, u_char *p)
{
    u_char  *lf;

    lf = memrchr(y->text, LF, p - y->text);

    return lf ? p - lf - 1 : p - y->text;
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
