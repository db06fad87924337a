
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_template.h>


/* of a name, the rest may be that of a header, cookie or argument */
#define NGX_HTTP_K8S_VARIABLE_NAME   256


typedef struct {
    ngx_str_t                text;       /* of a variable its name */
    ngx_uint_t               key;        /* its hash, or the number of a
                                            capture */
    ngx_http_variable_t     *hidden;     /* nginx does not find it by its name;
                                            NULL: it does */
    unsigned                 capture:1;
    unsigned                 variable:1;
    unsigned                 own:1;      /* of "set" */
} ngx_http_k8s_piece_t;


static ngx_uint_t ngx_http_k8s_template_row(ngx_k8s_row_t *row);
static ngx_uint_t ngx_http_k8s_template_known(ngx_str_t *name, ngx_uint_t key);
static ngx_int_t ngx_http_k8s_template_piece(ngx_pool_t *pool, u_char **pos,
    u_char *last, ngx_http_k8s_piece_t *piece);
static ngx_int_t ngx_http_k8s_template_name(ngx_pool_t *pool, ngx_str_t *name,
    ngx_http_k8s_piece_t *piece);
static ngx_str_t *ngx_http_k8s_template_values(ngx_http_request_t *r,
    ngx_http_k8s_template_t *t, ngx_http_k8s_captures_t *captures,
    size_t *len);
static void ngx_http_k8s_template_value(ngx_http_request_t *r,
    ngx_http_k8s_piece_t *piece, ngx_http_k8s_captures_t *captures,
    ngx_str_t *value);
static ngx_int_t ngx_http_k8s_template_escape(ngx_http_request_t *r,
    ngx_str_t *value, ngx_uint_t type);
static ngx_uint_t ngx_http_k8s_template_sane(ngx_str_t *text);


static ngx_str_t  ngx_http_k8s_hidden[NGX_HTTP_K8S_HIDDEN] = {
    ngx_string("proxy_add_x_forwarded_for"),
    ngx_string("proxy_port"),
    ngx_string("fastcgi_script_name"),
    ngx_string("fastcgi_path_info")
};

/* what ingress-nginx has by these names, nginx has by others, or it is always
   the same */

static ngx_str_t  ngx_http_k8s_called[][2] = {
    { ngx_string("balancer_ewma_score"), ngx_string("-1") },
    { ngx_string("proxy_host"), ngx_string("proxy_upstream_name") },
    { ngx_string("server_name"), ngx_string("k8s_host") },
    { ngx_null_string, ngx_null_string }
};

/* fields whose values are templates */

static size_t  ngx_http_k8s_template_fields[] = {
    offsetof(ngx_k8s_settings_t, temporal_redirect),
    offsetof(ngx_k8s_settings_t, permanent_redirect),
    offsetof(ngx_k8s_settings_t, upstream_vhost),
    offsetof(ngx_k8s_settings_t, rewrite_target),
    offsetof(ngx_k8s_settings_t, forwarded_prefix),
    offsetof(ngx_k8s_settings_t, hash_by),
    offsetof(ngx_k8s_settings_t, auth_url),
    offsetof(ngx_k8s_settings_t, auth_signin),
    offsetof(ngx_k8s_settings_t, auth_redirect),
    offsetof(ngx_k8s_settings_t, auth_cache_key),
    offsetof(ngx_k8s_settings_t, global_auth_url),
    offsetof(ngx_k8s_settings_t, global_auth_signin),
    offsetof(ngx_k8s_settings_t, global_auth_redirect),
    offsetof(ngx_k8s_settings_t, global_auth_cache_key),
    offsetof(ngx_k8s_settings_t, limit_key),
    offsetof(ngx_k8s_settings_t, mirror_target),
    offsetof(ngx_k8s_settings_t, mirror_host)
};


ngx_int_t
ngx_http_k8s_template_check(ngx_pool_t *pool, ngx_k8s_block_t *block,
    ngx_http_k8s_known_pt known, ngx_str_t *values, ngx_str_t *error)
{
    ngx_uint_t                i, n;
    ngx_http_k8s_piece_t     *piece;
    ngx_http_k8s_template_t   t;

    for (i = 0; i < ngx_k8s_nrows; i++) {

        if (values[i].len == 0
            || !ngx_http_k8s_template_row(&ngx_k8s_rows[i]))
        {
            continue;
        }

        if (ngx_http_k8s_template_compile(pool, &values[i], &t) != NGX_OK) {
            return NGX_ERROR;
        }

        piece = t.pieces ? t.pieces->elts : NULL;

        for (n = 0; t.pieces && n < t.pieces->nelts; n++) {

            if (!piece[n].variable
                || ngx_http_k8s_template_known(&piece[n].text, piece[n].key)
                || known(block, &piece[n].text))
            {
                continue;
            }

            error->len = ngx_snprintf(error->data, NGX_HTTP_K8S_PROFILE_ERROR,
                                      "there is no variable \"%*s\"",
                                      ngx_min(piece[n].text.len, 128),
                                      piece[n].text.data)
                         - error->data;

            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_k8s_variable_known(ngx_str_t *name)
{
    u_char      low[NGX_HTTP_K8S_VARIABLE_NAME];
    ngx_str_t   text;
    ngx_uint_t  key;

    text.len = ngx_min(name->len, NGX_HTTP_K8S_VARIABLE_NAME);
    text.data = low;

    key = ngx_hash_strlow(low, name->data, text.len);

    return ngx_http_k8s_template_known(&text, key);
}


static ngx_uint_t
ngx_http_k8s_template_row(ngx_k8s_row_t *row)
{
    ngx_uint_t  i, n;

    n = sizeof(ngx_http_k8s_template_fields) / sizeof(size_t);

    for (i = 0; i < n; i++) {
        if (row->offset == ngx_http_k8s_template_fields[i]) {
            return 1;
        }
    }

    return 0;
}


/* as ngx_http_get_variable() finds it */

static ngx_uint_t
ngx_http_k8s_template_known(ngx_str_t *name, ngx_uint_t key)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_core_module);

    if (ngx_hash_find(&cmcf->variables_hash, key, name->data, name->len)) {
        return 1;
    }

    v = cmcf->prefix_variables.elts;

    for (i = 0; i < cmcf->prefix_variables.nelts; i++) {
        if (name->len >= v[i].name.len
            && ngx_strncmp(name->data, v[i].name.data, v[i].name.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_template_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_http_k8s_template_t *t)
{
    u_char                *p, *last;
    ngx_http_k8s_piece_t  *piece;

    t->text = *text;
    t->pieces = NULL;

    last = text->data + text->len;

    if (ngx_strlchr(text->data, last, '$') == NULL) {
        t->sane = ngx_http_k8s_template_sane(text);
        return NGX_OK;
    }

    t->sane = 0;

    t->pieces = ngx_array_create(pool, 4, sizeof(ngx_http_k8s_piece_t));
    if (t->pieces == NULL) {
        return NGX_ERROR;
    }

    p = text->data;

    while (p < last) {

        piece = ngx_array_push(t->pieces);
        if (piece == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(piece, sizeof(ngx_http_k8s_piece_t));

        if (*p == '$') {
            if (ngx_http_k8s_template_piece(pool, &p, last, piece) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        piece->text.data = p;

        while (p < last && *p != '$') {
            p++;
        }

        piece->text.len = p - piece->text.data;
    }

    return NGX_OK;
}


void
ngx_http_k8s_template_init(ngx_conf_t *cf)
{
    ngx_uint_t                  i, n;
    ngx_hash_key_t             *key;
    ngx_http_k8s_main_conf_t   *kmcf;
    ngx_http_core_main_conf_t  *cmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    key = cmcf->variables_keys->keys.elts;

    for (i = 0; i < cmcf->variables_keys->keys.nelts; i++) {
        for (n = 0; n < NGX_HTTP_K8S_HIDDEN; n++) {
            if (key[i].key.len == ngx_http_k8s_hidden[n].len
                && ngx_strncmp(key[i].key.data, ngx_http_k8s_hidden[n].data,
                               key[i].key.len)
                   == 0)
            {
                kmcf->hidden[n] = key[i].value;
            }
        }
    }
}


ngx_http_variable_t *
ngx_http_k8s_variable_hidden(ngx_str_t *name)
{
    ngx_uint_t                 n;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_k8s_module);

    for (n = 0; kmcf && n < NGX_HTTP_K8S_HIDDEN; n++) {
        if (kmcf->hidden[n]
            && ngx_http_k8s_hidden[n].len == name->len
            && ngx_strncasecmp(ngx_http_k8s_hidden[n].data, name->data,
                               name->len)
               == 0)
        {
            return kmcf->hidden[n];
        }
    }

    return NULL;
}


void
ngx_http_k8s_variable_make(ngx_http_request_t *r, ngx_http_variable_t *var,
    ngx_http_variable_value_t *v)
{
    ngx_memzero(v, sizeof(ngx_http_variable_value_t));

    if (var->get_handler(r, v, var->data) != NGX_OK) {
        v->not_found = 1;
    }
}


ngx_uint_t
ngx_http_k8s_variable_called(ngx_str_t *name)
{
    ngx_uint_t  n;

    for (n = 0; ngx_http_k8s_called[n][0].len; n++) {

        if (name->len == ngx_http_k8s_called[n][0].len
            && ngx_strncasecmp(name->data, ngx_http_k8s_called[n][0].data,
                               name->len)
               == 0)
        {
            *name = ngx_http_k8s_called[n][1];
            return name->data[0] != '-';
        }
    }

    return 1;
}


ngx_int_t
ngx_http_k8s_template_own(ngx_pool_t *pool, ngx_str_t *text,
    ngx_http_k8s_template_t *t)
{
    u_char                *name;
    ngx_uint_t             i;
    ngx_http_k8s_piece_t  *piece;

    if (ngx_http_k8s_template_compile(pool, text, t) != NGX_OK) {
        return NGX_ERROR;
    }

    piece = t->pieces ? t->pieces->elts : NULL;

    for (i = 0; piece && i < t->pieces->nelts; i++) {

        if (piece[i].variable) {
            name = piece[i].text.data;
            piece[i].variable = ngx_http_k8s_variable_called(&piece[i].text);

            if (piece[i].text.data != name) {
                piece[i].key = ngx_hash_key(piece[i].text.data,
                                            piece[i].text.len);
            }
        }

        if (!piece[i].variable
            || ngx_http_k8s_template_known(&piece[i].text, piece[i].key))
        {
            continue;
        }

        piece[i].hidden = ngx_http_k8s_variable_hidden(&piece[i].text);
        piece[i].own = (piece[i].hidden == NULL);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_template_unknown(ngx_http_k8s_template_t *t, ngx_uint_t *next,
    ngx_str_t *name)
{
    ngx_http_k8s_piece_t  *piece;

    piece = t->pieces ? t->pieces->elts : NULL;

    while (piece && *next < t->pieces->nelts) {
        if (piece[(*next)++].own) {
            *name = piece[*next - 1].text;
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* what begins with the "$" at *pos, which is moved behind its name */

static ngx_int_t
ngx_http_k8s_template_piece(ngx_pool_t *pool, u_char **pos, u_char *last,
    ngx_http_k8s_piece_t *piece)
{
    u_char     *p;
    ngx_str_t   name;

    p = *pos + 1;

    if (p < last && *p >= '1' && *p <= '9') {
        piece->capture = 1;
        piece->key = *p - '0';

        *pos = p + 1;

        return NGX_OK;
    }

    if (ngx_k8s_variable(pos, last, &name)) {
        return ngx_http_k8s_template_name(pool, &name, piece);
    }

    ngx_str_set(&piece->text, "$");
    (*pos)++;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_template_name(ngx_pool_t *pool, ngx_str_t *name,
    ngx_http_k8s_piece_t *piece)
{
    u_char  *low;

    static ngx_str_t  ours = ngx_string("k8s_upstream_host");
    static ngx_str_t  line = ngx_string("k8s_access_log");
    static ngx_str_t  headers = ngx_string("k8s_set_header_");

    low = ngx_pnalloc(pool, name->len);
    if (low == NULL) {
        return NGX_ERROR;
    }

    piece->key = ngx_hash_strlow(low, name->data, name->len);

    /* made of a template themselves: empty */

    if ((name->len == ours.len && ngx_memcmp(low, ours.data, ours.len) == 0)
        || (name->len == line.len && ngx_memcmp(low, line.data, line.len) == 0)
        || (name->len > headers.len
            && ngx_memcmp(low, headers.data, headers.len) == 0))
    {
        return NGX_OK;
    }

    piece->text.data = low;
    piece->text.len = name->len;
    piece->variable = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_template_run(ngx_http_request_t *r, ngx_http_k8s_template_t *t,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value)
{
    size_t       len;
    u_char      *p;
    ngx_str_t   *values;
    ngx_uint_t   i;

    if (t->pieces == NULL) {
        *value = t->text;
        return NGX_OK;
    }

    values = ngx_http_k8s_template_values(r, t, captures, &len);
    if (values == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->len = len;
    value->data = p;

    for (i = 0; i < t->pieces->nelts; i++) {
        p = ngx_cpymem(p, values[i].data, values[i].len);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_template_key(ngx_http_request_t *r, ngx_http_k8s_template_t *t,
    ngx_str_t *key)
{
    size_t                    len;
    u_char                   *p;
    uint32_t                  n;
    ngx_str_t                *values;
    ngx_uint_t                i, said;
    ngx_http_k8s_piece_t     *piece;
    ngx_http_k8s_captures_t   captures;

    if (t->pieces == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

    values = ngx_http_k8s_template_values(r, t, &captures, &len);
    if (values == NULL) {
        return NGX_ERROR;
    }

    piece = t->pieces->elts;
    said = 0;

    key->len = len + t->pieces->nelts * sizeof(uint32_t);

    p = ngx_pnalloc(r->pool, key->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;

    for (i = 0; i < t->pieces->nelts; i++) {

        said |= (piece[i].variable && values[i].len);
        n = values[i].len;

        p = ngx_cpymem(p, &n, sizeof(uint32_t));
        p = ngx_cpymem(p, values[i].data, values[i].len);
    }

    return said ? NGX_OK : NGX_DECLINED;
}


/* once each: most variables would have another value the next time; NULL: no
   memory, or too much */

static ngx_str_t *
ngx_http_k8s_template_values(ngx_http_request_t *r,
    ngx_http_k8s_template_t *t, ngx_http_k8s_captures_t *captures,
    size_t *len)
{
    ngx_str_t             *values;
    ngx_uint_t             i, n;
    ngx_http_k8s_piece_t  *piece;

    piece = t->pieces->elts;
    n = t->pieces->nelts;

    values = ngx_palloc(r->pool, n * sizeof(ngx_str_t));
    if (values == NULL) {
        return NULL;
    }

    *len = 0;

    for (i = 0; i < n; i++) {

        ngx_http_k8s_template_value(r, &piece[i], captures, &values[i]);

        if (piece[i].capture && captures->n && captures->quote
            && ngx_http_k8s_template_escape(r, &values[i], NGX_ESCAPE_ARGS)
               != NGX_OK)
        {
            return NULL;
        }

        *len += values[i].len;

        if (*len > NGX_HTTP_K8S_TEMPLATE_MAX) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "\"%V\" makes more than %d bytes", &t->text,
                          NGX_HTTP_K8S_TEMPLATE_MAX);
            return NULL;
        }
    }

    return values;
}


static void
ngx_http_k8s_template_value(ngx_http_request_t *r, ngx_http_k8s_piece_t *piece,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value)
{
    int                        *c;
    ngx_http_variable_value_t  *v, hidden;

    if (piece->capture) {

        ngx_str_set(value, "");

        if ((ngx_int_t) piece->key < captures->n) {
            c = &captures->captures[2 * piece->key];

            if (c[0] >= 0 && c[1] >= c[0]) {
                value->data = captures->text->data + c[0];
                value->len = c[1] - c[0];
            }
        }

        return;
    }

    if (piece->own) {
        ngx_http_k8s_run_get(r, &piece->text, value);
        return;
    }

    *value = piece->text;

    if (piece->variable) {

        if (piece->hidden) {
            v = &hidden;
            ngx_http_k8s_variable_make(r, piece->hidden, v);

        } else {
            v = ngx_http_get_variable(r, &piece->text, piece->key);
        }

        if (v && !v->not_found) {
            value->len = v->len;
            value->data = v->data;

        } else {

            /* one of snippets, or there is none */

            ngx_http_k8s_run_get(r, &piece->text, value);
        }
    }
}


static ngx_int_t
ngx_http_k8s_template_escape(ngx_http_request_t *r, ngx_str_t *value,
    ngx_uint_t type)
{
    u_char     *p;
    uintptr_t   escape;

    escape = 2 * ngx_escape_uri(NULL, value->data, value->len, type);
    if (escape == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, value->len + escape);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->len = (u_char *) ngx_escape_uri(p, value->data, value->len, type)
                 - p;
    value->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_template_run_header(ngx_http_request_t *r,
    ngx_http_k8s_template_t *t, ngx_http_k8s_captures_t *captures,
    ngx_str_t *value)
{
    if (ngx_http_k8s_template_run(r, t, captures, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (t->sane || ngx_http_k8s_template_sane(value)) {
        return NGX_OK;
    }

    return ngx_http_k8s_template_escape(r, value, NGX_ESCAPE_URI);
}


ngx_int_t
ngx_http_k8s_template_header(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_k8s_captures_t *captures, ngx_str_t *value)
{
    ngx_http_k8s_template_t  t;

    if (ngx_http_k8s_template_compile(r->pool, text, &t) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_template_run_header(r, &t, captures, value);
}


/* whether no byte is a control character */

static ngx_uint_t
ngx_http_k8s_template_sane(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < ' ' || text->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}
