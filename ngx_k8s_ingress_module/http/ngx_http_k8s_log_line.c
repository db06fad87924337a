
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A line of the access log: pieces of text and variables, in two passes as in
 * nginx's log module, which makes what has no need of a variable in the same
 * way.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_log.h>
#include <ngx_http_k8s_snippet.h>


/* what is known of a request when it is logged */

#define NGX_HTTP_K8S_LOG_UNROUTED    0
#define NGX_HTTP_K8S_LOG_UNLOCATED   1   /* it was answered before it had a
                                            location in ingress-nginx */
#define NGX_HTTP_K8S_LOG_LOCATED     2


typedef struct {
    ngx_str_t                text;
    size_t                   escaped;
} ngx_http_k8s_log_value_t;


/* variables that have no value: empty in ingress-nginx, which sets them */

typedef struct {
    ngx_str_t                name;
    unsigned                 located:1;
    unsigned                 upstream:1;
} ngx_http_k8s_log_name_t;


typedef struct {
    ngx_str_t                name;
    size_t                   len;
    ngx_http_k8s_log_run_pt  run;
} ngx_http_k8s_log_var_t;


static ngx_http_k8s_log_var_t *ngx_http_k8s_log_var(ngx_str_t *name);
static ngx_int_t ngx_http_k8s_log_name(ngx_http_k8s_loc_conf_t *klcf,
    ngx_pool_t *pool, ngx_http_k8s_log_op_t *op, ngx_str_t *name);
static ngx_int_t ngx_http_k8s_log_text(ngx_pool_t *pool, ngx_array_t *ops,
    ngx_str_t *text, ngx_uint_t join);
static ngx_http_k8s_log_t *ngx_http_k8s_log_of(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_log_line(ngx_http_request_t *r,
    ngx_http_k8s_log_t *log, ngx_str_t *line);
static ngx_uint_t ngx_http_k8s_log_state(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
static void ngx_http_k8s_log_value(ngx_http_request_t *r,
    ngx_http_k8s_log_op_t *op, ngx_uint_t escape, ngx_str_t *value);
static u_char *ngx_http_k8s_log_pipe(ngx_http_request_t *r, u_char *p);
static u_char *ngx_http_k8s_log_time(ngx_http_request_t *r, u_char *p);
static u_char *ngx_http_k8s_log_iso8601(ngx_http_request_t *r, u_char *p);
static u_char *ngx_http_k8s_log_msec(ngx_http_request_t *r, u_char *p);
static u_char *ngx_http_k8s_log_request_time(ngx_http_request_t *r, u_char *p);
static u_char *ngx_http_k8s_log_status(ngx_http_request_t *r, u_char *p);
static u_char *ngx_http_k8s_log_bytes_sent(ngx_http_request_t *r, u_char *p);
static u_char *ngx_http_k8s_log_body_sent(ngx_http_request_t *r, u_char *p);
static u_char *ngx_http_k8s_log_request_length(ngx_http_request_t *r,
    u_char *p);


static ngx_http_k8s_log_var_t  ngx_http_k8s_log_vars[] = {
    { ngx_string("pipe"), 1, ngx_http_k8s_log_pipe },
    { ngx_string("time_local"), sizeof("28/Sep/1970:12:00:00 +0600") - 1,
      ngx_http_k8s_log_time },
    { ngx_string("time_iso8601"), sizeof("1970-09-28T12:00:00+06:00") - 1,
      ngx_http_k8s_log_iso8601 },
    { ngx_string("msec"), NGX_TIME_T_LEN + 4, ngx_http_k8s_log_msec },
    { ngx_string("request_time"), NGX_TIME_T_LEN + 4,
      ngx_http_k8s_log_request_time },
    { ngx_string("status"), NGX_INT_T_LEN, ngx_http_k8s_log_status },
    { ngx_string("bytes_sent"), NGX_OFF_T_LEN, ngx_http_k8s_log_bytes_sent },
    { ngx_string("body_bytes_sent"), NGX_OFF_T_LEN,
      ngx_http_k8s_log_body_sent },
    { ngx_string("request_length"), NGX_OFF_T_LEN,
      ngx_http_k8s_log_request_length },
    { ngx_null_string, 0, NULL }
};


static ngx_http_k8s_log_name_t  ngx_http_k8s_log_names[] = {
    { ngx_string("proxy_upstream_name"), 1, 1 },
    { ngx_string("proxy_alternative_upstream_name"), 1, 0 },
    { ngx_string("namespace"), 1, 0 },
    { ngx_string("ingress_name"), 1, 0 },
    { ngx_string("service_name"), 1, 0 },
    { ngx_string("service_port"), 1, 0 },
    { ngx_string("location_path"), 1, 0 },
    { ngx_string("best_http_host"), 1, 0 },
    { ngx_string("pass_access_scheme"), 1, 0 },
    { ngx_string("pass_server_port"), 1, 0 },
    { ngx_string("pass_port"), 1, 0 },
    { ngx_string("req_id"), 0, 0 },
    { ngx_null_string, 0, 0 }
};


static ngx_http_k8s_log_var_t *
ngx_http_k8s_log_var(ngx_str_t *name)
{
    ngx_http_k8s_log_var_t  *var;

    for (var = ngx_http_k8s_log_vars; var->name.len; var++) {
        if (var->name.len == name->len
            && ngx_strncmp(var->name.data, name->data, name->len) == 0)
        {
            return var;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_k8s_log_written(ngx_str_t *name)
{
    return ngx_http_k8s_log_var(name) != NULL;
}


ngx_uint_t
ngx_http_k8s_log_known(ngx_str_t *name)
{
    ngx_str_t  called;

    static ngx_str_t  line = ngx_string("k8s_access_log");

    if (name->len == line.len
        && ngx_strncasecmp(name->data, line.data, line.len) == 0)
    {
        return 0;
    }

    called = *name;

    return ngx_http_k8s_log_var(name)
           || !ngx_http_k8s_variable_called(&called)
           || ngx_http_k8s_variable_known(&called)
           || ngx_http_k8s_variable_hidden(&called);
}


ngx_int_t
ngx_http_k8s_log_compile(ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool,
    ngx_http_k8s_log_t *log, ngx_str_t *format)
{
    ngx_str_t               rest, text;
    ngx_uint_t              i, variable, join;
    ngx_http_k8s_log_op_t  *op;

    log->ops = ngx_array_create(pool, 16, sizeof(ngx_http_k8s_log_op_t));
    if (log->ops == NULL) {
        return NGX_ERROR;
    }

    rest = *format;
    join = 0;

    while (ngx_k8s_log_next(&rest, &text, &variable) == NGX_OK) {

        if (!variable
            || (!ngx_http_k8s_log_var(&text)
                && !ngx_http_k8s_variable_called(&text)))
        {
            if (ngx_http_k8s_log_text(pool, log->ops, &text, join) != NGX_OK) {
                return NGX_ERROR;
            }

            join = 1;
            continue;
        }

        op = ngx_array_push(log->ops);

        if (op == NULL
            || ngx_http_k8s_log_name(klcf, pool, op, &text) != NGX_OK)
        {
            return NGX_ERROR;
        }

        log->nvariables += op->variable;
        join = 0;
    }

    op = log->ops->elts;

    for (i = 0; i < log->ops->nelts; i++) {
        log->len += op[i].len;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_log_name(ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool,
    ngx_http_k8s_log_op_t *op, ngx_str_t *name)
{
    u_char                     *low;
    ngx_uint_t                  i;
    ngx_http_variable_t        *v;
    ngx_http_k8s_log_var_t     *var;
    ngx_http_k8s_log_name_t    *n;
    ngx_http_core_main_conf_t  *cmcf;

    ngx_memzero(op, sizeof(ngx_http_k8s_log_op_t));

    var = ngx_http_k8s_log_var(name);

    if (var) {
        op->len = var->len;
        op->run = var->run;

        return NGX_OK;
    }

    low = ngx_pnalloc(pool, name->len);
    if (low == NULL) {
        return NGX_ERROR;
    }

    op->key = ngx_hash_strlow(low, name->data, name->len);
    op->text.len = name->len;
    op->text.data = low;
    op->index = NGX_ERROR;
    op->variable = 1;

    for (n = ngx_http_k8s_log_names; n->name.len; n++) {
        if (n->name.len == op->text.len
            && ngx_strncmp(n->name.data, low, op->text.len) == 0)
        {
            op->blank = 1;
            op->located = n->located;
            op->upstream = n->upstream;
            break;
        }
    }

    cmcf = klcf->ctx.main_conf[ngx_http_core_module.ctx_index];
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (v[i].name.len == op->text.len
            && ngx_strncmp(v[i].name.data, low, op->text.len) == 0)
        {
            op->index = i;
            return NGX_OK;
        }
    }

    op->hidden = ngx_http_k8s_variable_hidden(&op->text);

    return NGX_OK;
}


/* behind another text, with "join" */

static ngx_int_t
ngx_http_k8s_log_text(ngx_pool_t *pool, ngx_array_t *ops, ngx_str_t *text,
    ngx_uint_t join)
{
    u_char                 *p;
    ngx_http_k8s_log_op_t  *op;

    if (join) {
        op = (ngx_http_k8s_log_op_t *) ops->elts + ops->nelts - 1;

    } else {
        op = ngx_array_push(ops);
        if (op == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(op, sizeof(ngx_http_k8s_log_op_t));
    }

    p = ngx_pnalloc(pool, op->text.len + text->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(p, op->text.data, op->text.len), text->data,
               text->len);

    op->text.data = p;
    op->text.len += text->len;
    op->len = op->text.len;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_log_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_int_t            rc;
    ngx_str_t            line;
    ngx_http_k8s_log_t  *log;

    /* of the worker: a line is not a part of itself */

    static ngx_uint_t  running;

    log = running ? NULL : ngx_http_k8s_log_of(r);

    if (log == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    running = 1;

    rc = ngx_http_k8s_log_line(r, log, &line);

    running = 0;

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    v->len = line.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = line.data;

    return NGX_OK;
}


/* of a server without a pass that of the first one; NULL: there is none */

static ngx_http_k8s_log_t *
ngx_http_k8s_log_of(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t        *ctx;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_k8s_profile_t    *profile;
    ngx_http_k8s_loc_conf_t   *klcf;
    ngx_http_k8s_main_conf_t  *kmcf;

    ctx = ngx_http_k8s_ctx(r);
    profile = ctx ? ctx->profile : NULL;

    if (profile == NULL) {
        klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);

        if (klcf->block == NULL) {
            kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

            if (kmcf->passes.nelts == 0) {
                return NULL;
            }

            pass = kmcf->passes.elts;
            klcf = pass[0].conf;
        }

        profile = klcf->base;
    }

    return profile->base ? profile->base->log : profile->log;
}


static ngx_int_t
ngx_http_k8s_log_line(ngx_http_request_t *r, ngx_http_k8s_log_t *log,
    ngx_str_t *line)
{
    size_t                    len;
    u_char                   *p;
    ngx_uint_t                i, n, state;
    ngx_http_k8s_ctx_t       *ctx;
    ngx_http_k8s_log_op_t    *op;
    ngx_http_k8s_log_value_t  values[NGX_K8S_VARIABLES_MAX], *value;

    ctx = ngx_http_k8s_ctx(r);
    state = ngx_http_k8s_log_state(r, ctx);

    len = log->len;
    op = log->ops->elts;
    n = log->ops->nelts;
    value = values;

    for (i = 0; i < n; i++) {

        if (!op[i].variable) {
            continue;
        }

        if (op[i].located && state != NGX_HTTP_K8S_LOG_LOCATED) {
            value->text.data = (u_char *) "-";
            value->text.len = (op[i].upstream
                               && state == NGX_HTTP_K8S_LOG_UNLOCATED);

        } else if (op[i].upstream && ctx->page.len) {
            value->text = ctx->page;

        } else {
            ngx_http_k8s_log_value(r, &op[i], log->escape, &value->text);
        }

        value->escaped = ngx_http_k8s_log_escaped(log->escape, &value->text);

        len += value->text.len + value->escaped;
        value++;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    line->data = p;
    value = values;

    for (i = 0; i < n; i++) {

        if (op[i].run) {
            p = op[i].run(r, p);
            continue;
        }

        if (!op[i].variable) {
            p = ngx_cpymem(p, op[i].text.data, op[i].text.len);
            continue;
        }

        p = value->escaped
            ? ngx_http_k8s_log_escape(p, log->escape, &value->text)
            : ngx_cpymem(p, value->text.data, value->text.len);
        value++;
    }

    line->len = p - line->data;

    return NGX_OK;
}


/*
 * What ingress-nginx's configuration answers in a server, and not in a
 * location: "app-root", the redirect to a path with a slash, and a body that is
 * announced too large.
 */

static ngx_uint_t
ngx_http_k8s_log_state(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    if (ctx == NULL || !ctx->routed) {
        return NGX_HTTP_K8S_LOG_UNROUTED;
    }

    if (ctx->unlocated
        || (r->headers_out.status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE
            && r->upstream == NULL))
    {
        return NGX_HTTP_K8S_LOG_UNLOCATED;
    }

    return NGX_HTTP_K8S_LOG_LOCATED;
}


static void
ngx_http_k8s_log_value(ngx_http_request_t *r, ngx_http_k8s_log_op_t *op,
    ngx_uint_t escape, ngx_str_t *value)
{
    ngx_http_variable_value_t  *v, hidden;

    if (op->index != NGX_ERROR) {
        v = ngx_http_get_flushed_variable(r, op->index);

    } else if (op->hidden) {
        v = &hidden;
        ngx_http_k8s_variable_make(r, op->hidden, v);

    } else {
        v = ngx_http_get_variable(r, &op->text, op->key);

        if (v == NULL || v->not_found) {

            /* one of http-snippet, or there is none */

            ngx_http_k8s_run_get(r, &op->text, value);

            if (value->len) {
                return;
            }
        }
    }

    if (v && !v->not_found) {
        value->len = v->len;
        value->data = v->data;
        return;
    }

    value->data = (u_char *) "-";
    value->len = (!op->blank && escape == NGX_HTTP_K8S_LOG_DEFAULT);
}


static u_char *
ngx_http_k8s_log_pipe(ngx_http_request_t *r, u_char *p)
{
    *p++ = r->pipeline ? 'p' : '.';

    return p;
}


static u_char *
ngx_http_k8s_log_time(ngx_http_request_t *r, u_char *p)
{
    return ngx_cpymem(p, ngx_cached_http_log_time.data,
                      ngx_cached_http_log_time.len);
}


static u_char *
ngx_http_k8s_log_iso8601(ngx_http_request_t *r, u_char *p)
{
    return ngx_cpymem(p, ngx_cached_http_log_iso8601.data,
                      ngx_cached_http_log_iso8601.len);
}


static u_char *
ngx_http_k8s_log_msec(ngx_http_request_t *r, u_char *p)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return ngx_sprintf(p, "%T.%03M", tp->sec, tp->msec);
}


static u_char *
ngx_http_k8s_log_request_time(ngx_http_request_t *r, u_char *p)
{
    ngx_time_t      *tp;
    ngx_msec_int_t   ms;

    tp = ngx_timeofday();

    ms = (ngx_msec_int_t)
             ((tp->sec - r->start_sec) * 1000 + (tp->msec - r->start_msec));
    ms = ngx_max(ms, 0);

    return ngx_sprintf(p, "%T.%03M", (time_t) ms / 1000, ms % 1000);
}


static u_char *
ngx_http_k8s_log_status(ngx_http_request_t *r, u_char *p)
{
    ngx_uint_t  status;

    if (r->err_status) {
        status = r->err_status;

    } else if (r->headers_out.status) {
        status = r->headers_out.status;

    } else {
        status = (r->http_version == NGX_HTTP_VERSION_9) ? 9 : 0;
    }

    return ngx_sprintf(p, "%03ui", status);
}


static u_char *
ngx_http_k8s_log_bytes_sent(ngx_http_request_t *r, u_char *p)
{
    return ngx_sprintf(p, "%O", r->connection->sent);
}


static u_char *
ngx_http_k8s_log_body_sent(ngx_http_request_t *r, u_char *p)
{
    off_t  len;

    len = r->connection->sent - r->header_size;

    return ngx_sprintf(p, "%O", ngx_max(len, 0));
}


static u_char *
ngx_http_k8s_log_request_length(ngx_http_request_t *r, u_char *p)
{
    return ngx_sprintf(p, "%O", r->request_length);
}
