
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Programs of snippets, as the rewrite module runs its own: one op after the
 * other, behind the gate.  Nothing of it grows with a request: each op runs
 * once at most in each of NGX_HTTP_K8S_CYCLES rounds, texts and tries of
 * expressions are bounded.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_snippet.h>


static ngx_int_t ngx_http_k8s_program_op(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_op_t *op);
static ngx_int_t ngx_http_k8s_program_if(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_op_t *op);
static ngx_int_t ngx_http_k8s_program_match(ngx_http_request_t *r,
    ngx_http_k8s_run_t *run, ngx_http_k8s_op_t *op, ngx_str_t *text);
static ngx_int_t ngx_http_k8s_program_set(ngx_http_request_t *r,
    ngx_http_k8s_run_t *run, ngx_http_k8s_op_t *op);
static ngx_int_t ngx_http_k8s_program_rewrite(ngx_http_request_t *r,
    ngx_http_k8s_run_t *run, ngx_http_k8s_op_t *op);
static ngx_int_t ngx_http_k8s_program_uri(ngx_http_request_t *r,
    ngx_http_k8s_op_t *op, ngx_str_t *uri, ngx_str_t *args);
static ngx_int_t ngx_http_k8s_program_redirect(ngx_http_request_t *r,
    ngx_http_k8s_op_t *op, ngx_str_t *target, ngx_str_t *args);
static ngx_int_t ngx_http_k8s_program_return(ngx_http_request_t *r,
    ngx_http_k8s_run_t *run, ngx_http_k8s_op_t *op);
static ngx_int_t ngx_http_k8s_program_send(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *text);
static ngx_int_t ngx_http_k8s_program_input(ngx_http_request_t *r,
    ngx_http_k8s_run_t *run, ngx_http_k8s_program_t *program);


ngx_int_t
ngx_http_k8s_program(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_program_t *program)
{
    ngx_int_t            rc;
    ngx_str_t            uri;
    ngx_uint_t           i, n;
    ngx_http_k8s_op_t   *op;
    ngx_http_k8s_run_t  *run;

    op = program->ops.elts;
    n = program->ops.nelts;
    uri = r->uri;

    run = ngx_http_k8s_run(r, ctx);

    if (run == NULL || (run->taken = ngx_pcalloc(r->pool, n)) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (op[i].kind == NGX_K8S_SNIPPET_IF) {

            rc = ngx_http_k8s_program_if(r, ctx, &op[i]);

            if (rc == NGX_ERROR) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            if (rc == NGX_OK) {
                run->taken[i] = 1;

            } else {
                i = op[i].end - 1;
            }

            continue;
        }

        rc = ngx_http_k8s_program_op(r, ctx, &op[i]);

        if (rc == NGX_DONE) {

            /* what is to be done with the URI otherwise, is not */

            ngx_str_null(&ctx->uri);
            uri = r->uri;
            break;
        }

        if (rc == NGX_AGAIN) {
            break;
        }

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (ngx_http_k8s_program_input(r, run, program) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->uri.data != uri.data) {

        if (run->cycles++ == NGX_HTTP_K8S_CYCLES) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "rewrite of a snippet goes round, at \"%V\"",
                          &r->uri);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_AGAIN;
    }

    return NGX_DECLINED;
}


/* NGX_DECLINED: the next one; NGX_AGAIN: no more of them; NGX_DONE: and the URI
   is as it is; or the answer */

static ngx_int_t
ngx_http_k8s_program_op(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_op_t *op)
{
    switch (op->kind) {

    case NGX_K8S_SNIPPET_SET:
        return (ngx_http_k8s_program_set(r, ctx->run, op) == NGX_OK)
               ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;

    case NGX_K8S_SNIPPET_REWRITE:
        return ngx_http_k8s_program_rewrite(r, ctx->run, op);

    case NGX_K8S_SNIPPET_RETURN:
        return ngx_http_k8s_program_return(r, ctx->run, op);

    case NGX_K8S_SNIPPET_BREAK:
        return NGX_DONE;

    case NGX_K8S_SNIPPET_INTERNAL:
        return (r->internal || ctx->run->internal) ? NGX_DECLINED
                                                   : NGX_HTTP_NOT_FOUND;

    default: /* NGX_K8S_SNIPPET_MORE_INPUT */
        return NGX_DECLINED;
    }
}


/* NGX_OK: true; NGX_DECLINED, NGX_ERROR */

static ngx_int_t
ngx_http_k8s_program_if(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_op_t *op)
{
    ngx_int_t   rc;
    ngx_str_t   left, right;
    ngx_uint_t  yes;

    if (ngx_http_k8s_template_run(r, &op->left, &ctx->run->captures, &left)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    switch (op->op) {

    case NGX_K8S_SNIPPET_TRUE:
        yes = (left.len && !(left.len == 1 && left.data[0] == '0'));
        break;

    case NGX_K8S_SNIPPET_EQUAL:

        if (ngx_http_k8s_template_run(r, &op->value, &ctx->run->captures,
                                      &right)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        yes = (left.len == right.len
               && ngx_memcmp(left.data, right.data, left.len) == 0);
        break;

    default: /* NGX_K8S_SNIPPET_MATCH */

        rc = ngx_http_k8s_program_match(r, ctx->run, op, &left);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        yes = (rc == NGX_OK);
    }

    return (yes != op->not) ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_program_match(ngx_http_request_t *r, ngx_http_k8s_run_t *run,
    ngx_http_k8s_op_t *op, ngx_str_t *text)
{
    int        captures[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_int_t  n;

    n = ngx_http_k8s_regex(&op->name, op->regex, text, captures,
                           r->connection->log);

    if (n <= 0) {
        return n ? NGX_ERROR : NGX_DECLINED;
    }

    /* it may be of a table, whose base goes while the request waits */

    run->text.data = ngx_pstrdup(r->pool, text);
    if (run->text.data == NULL) {
        return NGX_ERROR;
    }

    run->text.len = text->len;
    run->captures.n = n;
    ngx_memcpy(run->matched, captures, n * 2 * sizeof(int));

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_program_set(ngx_http_request_t *r, ngx_http_k8s_run_t *run,
    ngx_http_k8s_op_t *op)
{
    ngx_str_t   value;
    ngx_uint_t  i;

    static ngx_str_t  args = ngx_string("args");
    static ngx_str_t  rate = ngx_string("limit_rate");

    if (ngx_http_k8s_template_run_header(r, &op->value, &run->captures, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* the program, with what is constant in it, may go with its profile, before
       the request does */

    if (op->name.len == args.len
        && ngx_memcmp(op->name.data, args.data, args.len) == 0)
    {
        r->args.len = value.len;
        r->args.data = ngx_pstrdup(r->pool, &value);
        r->valid_unparsed_uri = 0;

        return r->args.data ? NGX_OK : NGX_ERROR;
    }

    if (op->name.len == rate.len
        && ngx_memcmp(op->name.data, rate.data, rate.len) == 0)
    {
        r->limit_rate = ngx_max(ngx_parse_size(&value), 0);
        r->limit_rate_set = 1;

        return NGX_OK;
    }

    for (i = 0; i < run->nsets; i++) {
        if (run->sets[i].name.len == op->name.len
            && ngx_memcmp(run->sets[i].name.data, op->name.data, op->name.len)
               == 0)
        {
            break;
        }
    }

    if (i == NGX_HTTP_K8S_SETS) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "\"$%V\" of a snippet is one too many: %d can be set",
                      &op->name, NGX_HTTP_K8S_SETS);
        return NGX_ERROR;
    }

    if (i == run->nsets) {
        run->sets[i].name.len = op->name.len;
        run->sets[i].name.data = ngx_pstrdup(r->pool, &op->name);

        if (run->sets[i].name.data == NULL) {
            return NGX_ERROR;
        }

        run->nsets++;
    }

    run->sets[i].value.len = value.len;
    run->sets[i].value.data = value.len ? ngx_pstrdup(r->pool, &value)
                                        : (u_char *) "";

    return run->sets[i].value.data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_k8s_program_rewrite(ngx_http_request_t *r, ngx_http_k8s_run_t *run,
    ngx_http_k8s_op_t *op)
{
    ngx_int_t   rc;
    ngx_str_t   target, args;
    ngx_uint_t  quoted;

    rc = ngx_http_k8s_program_match(r, run, op, &r->uri);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_DECLINED
                                    : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    quoted = (r->quoted_uri || r->plus_in_uri);
    run->captures.quote = (op->status && quoted);

    rc = ngx_http_k8s_template_run_header(r, &op->value, &run->captures,
                                          &target);

    ngx_str_null(&args);

    /* a "?" of a capture begins no arguments, and nothing of one ends one */

    if (rc == NGX_OK && op->args) {
        run->captures.quote = quoted;

        rc = ngx_http_k8s_template_run_header(r, &op->left, &run->captures,
                                              &args);
    }

    run->captures.quote = 0;

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return op->status ? ngx_http_k8s_program_redirect(r, op, &target, &args)
                      : ngx_http_k8s_program_uri(r, op, &target, &args);
}


/* as ngx_http_script_regex_end_code() */

static ngx_int_t
ngx_http_k8s_program_uri(ngx_http_request_t *r, ngx_http_k8s_op_t *op,
    ngx_str_t *uri, ngx_str_t *args)
{
    u_char  *p, *start;

    if (uri->len == 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "rewrite of a snippet makes an empty URI");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_pnalloc(r->pool, uri->len + args->len + 1 + r->args.len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->uri.data = p;
    r->uri.len = uri->len;
    p = ngx_cpymem(p, uri->data, uri->len);

    if (op->noargs || args->len) {

        start = p;
        p = ngx_cpymem(p, args->data, args->len);

        if (!op->noargs && r->args.len) {
            *p++ = '&';
            p = ngx_cpymem(p, r->args.data, r->args.len);
        }

        r->args.data = start;
        r->args.len = p - start;
    }

    r->internal = 1;
    r->valid_unparsed_uri = 0;
    r->valid_location = 0;

    ngx_http_set_exten(r);

    return op->stop ? NGX_DONE : op->last ? NGX_AGAIN : NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_program_redirect(ngx_http_request_t *r, ngx_http_k8s_op_t *op,
    ngx_str_t *target, ngx_str_t *args)
{
    u_char     *p, mark;
    ngx_str_t   url;

    url = *target;
    mark = '?';

    if (op->args) {
        mark = '&';
        url.len = target->len + 1 + args->len;

        url.data = ngx_pnalloc(r->pool, url.len);
        if (url.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p = ngx_cpymem(url.data, target->data, target->len);
        *p++ = '?';
        ngx_memcpy(p, args->data, args->len);
    }

    if (ngx_http_k8s_rewrite_location(r, &url, op->noargs ? 0 : mark)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_k8s_program_send(r, op->status, &url);
}


static ngx_int_t
ngx_http_k8s_program_return(ngx_http_request_t *r, ngx_http_k8s_run_t *run,
    ngx_http_k8s_op_t *op)
{
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  redirect;

    redirect = (op->status >= NGX_HTTP_MOVED_PERMANENTLY
                && op->status <= NGX_HTTP_PERMANENT_REDIRECT);

    rc = redirect ? ngx_http_k8s_template_run_header(r, &op->value,
                                                     &run->captures, &text)
                  : ngx_http_k8s_template_run(r, &op->value, &run->captures,
                                              &text);
    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (op->status >= NGX_HTTP_BAD_REQUEST && !op->text) {
        return op->status;
    }

    return ngx_http_k8s_program_send(r, op->status, &text);
}


static ngx_int_t
ngx_http_k8s_program_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *text)
{
    ngx_int_t                  rc;
    ngx_str_t                  type;
    ngx_http_k8s_ctx_t        *ctx;
    ngx_http_complex_value_t   cv;
    ngx_http_core_loc_conf_t  *clcf;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    cv.value = *text;

    if (ngx_http_set_content_type(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    type = r->headers_out.content_type;

    ctx = ngx_http_k8s_ctx(r);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (type.data == clcf->default_type.data && !ctx->profile->typed) {
        type = ctx->profile->settings->default_type;
    }

    rc = ngx_http_send_response(r, status, &type, &cv);

    /* what cannot be written yet is an answer, too */

    return (rc == NGX_AGAIN) ? NGX_OK : rc;
}


/* headers of the request, for the backend, where their "if" was true */

static ngx_int_t
ngx_http_k8s_program_input(ngx_http_request_t *r, ngx_http_k8s_run_t *run,
    ngx_http_k8s_program_t *program)
{
    ngx_str_t           value;
    ngx_uint_t          i;
    ngx_http_k8s_op_t  *op;

    op = program->ops.elts;

    for (i = 0; i < program->ops.nelts; i++) {

        if (op[i].kind == NGX_K8S_SNIPPET_IF && !run->taken[i]) {
            i = op[i].end - 1;
            continue;
        }

        if (op[i].kind != NGX_K8S_SNIPPET_MORE_INPUT) {
            continue;
        }

        if (ngx_http_k8s_template_run_header(r, &op[i].value, &run->captures,
                                             &value)
            != NGX_OK
            || ngx_http_k8s_header_input(r, &op[i].name, &value,
                                         op[i].replace)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
