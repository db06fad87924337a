
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>
#include <ngx_k8s_selector.h>


typedef struct {
    ngx_pool_t              *pool;
    u_char                  *p;
    u_char                  *last;
    u_char                  *token;      /* the last word or sign */
    size_t                   len;
    char                    *err;
} ngx_k8s_selector_ctx_t;


static ngx_int_t ngx_k8s_selector_requirement(ngx_k8s_selector_ctx_t *ctx,
    ngx_k8s_requirement_t *rq);
static ngx_int_t ngx_k8s_selector_operator(ngx_k8s_selector_ctx_t *ctx,
    ngx_k8s_requirement_t *rq, ngx_uint_t *set);
static ngx_int_t ngx_k8s_selector_set(ngx_k8s_selector_ctx_t *ctx,
    ngx_k8s_requirement_t *rq);
static ngx_int_t ngx_k8s_selector_value(ngx_k8s_selector_ctx_t *ctx,
    ngx_k8s_requirement_t *rq);
static void ngx_k8s_selector_next(ngx_k8s_selector_ctx_t *ctx);
static u_char ngx_k8s_selector_peek(ngx_k8s_selector_ctx_t *ctx);
static ngx_uint_t ngx_k8s_selector_is(ngx_k8s_selector_ctx_t *ctx, char *s);
static ngx_uint_t ngx_k8s_selector_sign(u_char ch);
static ngx_int_t ngx_k8s_selector_key(u_char *p, size_t len);
static ngx_int_t ngx_k8s_selector_name(u_char *p, size_t len);
static ngx_int_t ngx_k8s_selector_number(ngx_str_t *s, int64_t *number);
static ngx_uint_t ngx_k8s_selector_holds(ngx_k8s_requirement_t *rq,
    ngx_str_t *value);


ngx_array_t *
ngx_k8s_selector_parse(ngx_pool_t *pool, ngx_str_t *text, char **err,
    size_t *at)
{
    ngx_array_t             *selector;
    ngx_k8s_requirement_t   *rq;
    ngx_k8s_selector_ctx_t   ctx;

    ctx.pool = pool;
    ctx.p = text->data;
    ctx.last = text->data + text->len;
    ctx.token = ctx.p;
    ctx.len = 0;
    ctx.err = "no memory";

    selector = ngx_array_create(pool, 4, sizeof(ngx_k8s_requirement_t));
    if (selector == NULL) {
        goto failed;
    }

    for ( ;; ) {
        rq = ngx_array_push(selector);
        if (rq == NULL) {
            goto failed;
        }

        if (ngx_k8s_selector_requirement(&ctx, rq) != NGX_OK) {
            goto failed;
        }

        ngx_k8s_selector_next(&ctx);

        if (ctx.len == 0) {
            return selector;
        }

        if (!ngx_k8s_selector_is(&ctx, ",")) {
            ctx.err = "\",\" or the end is expected";
            goto failed;
        }
    }

failed:

    *err = ctx.err;
    *at = ctx.token - text->data;

    return NULL;
}


static ngx_int_t
ngx_k8s_selector_requirement(ngx_k8s_selector_ctx_t *ctx,
    ngx_k8s_requirement_t *rq)
{
    u_char      ch;
    ngx_uint_t  set;

    rq->op = NGX_K8S_SELECTOR_EXISTS;
    rq->number = 0;

    if (ngx_array_init(&rq->values, ctx->pool, 1, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_k8s_selector_next(ctx);

    if (ngx_k8s_selector_is(ctx, "!")) {
        rq->op = NGX_K8S_SELECTOR_NOT_EXISTS;
        ngx_k8s_selector_next(ctx);
    }

    if (ngx_k8s_selector_key(ctx->token, ctx->len) != NGX_OK) {
        ctx->err = "a label's key is expected";
        return NGX_ERROR;
    }

    rq->key.data = ctx->token;
    rq->key.len = ctx->len;

    ch = ngx_k8s_selector_peek(ctx);

    if (rq->op == NGX_K8S_SELECTOR_NOT_EXISTS || ch == '\0' || ch == ',') {
        return NGX_OK;
    }

    if (ngx_k8s_selector_operator(ctx, rq, &set) != NGX_OK) {
        return NGX_ERROR;
    }

    if (set) {
        return ngx_k8s_selector_set(ctx, rq);
    }

    ch = ngx_k8s_selector_peek(ctx);

    if (ch == '\0' || ch == ',') {

        /* "key=" is the empty value */

        ctx->token = ctx->p;
        ctx->len = 0;

    } else {
        ngx_k8s_selector_next(ctx);
    }

    return ngx_k8s_selector_value(ctx, rq);
}


static ngx_int_t
ngx_k8s_selector_operator(ngx_k8s_selector_ctx_t *ctx,
    ngx_k8s_requirement_t *rq, ngx_uint_t *set)
{
    *set = 0;

    ngx_k8s_selector_next(ctx);

    if (ngx_k8s_selector_is(ctx, "=") || ngx_k8s_selector_is(ctx, "==")) {
        rq->op = NGX_K8S_SELECTOR_IN;

    } else if (ngx_k8s_selector_is(ctx, "!=")) {
        rq->op = NGX_K8S_SELECTOR_NOT_IN;

    } else if (ngx_k8s_selector_is(ctx, "in")) {
        rq->op = NGX_K8S_SELECTOR_IN;
        *set = 1;

    } else if (ngx_k8s_selector_is(ctx, "notin")) {
        rq->op = NGX_K8S_SELECTOR_NOT_IN;
        *set = 1;

    } else if (ngx_k8s_selector_is(ctx, ">")) {
        rq->op = NGX_K8S_SELECTOR_GREATER;

    } else if (ngx_k8s_selector_is(ctx, "<")) {
        rq->op = NGX_K8S_SELECTOR_LESS;

    } else {
        ctx->err = "one of \"=\", \"!=\", \"in\", \"notin\", \">\" and \"<\" "
                   "is expected";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* "(a,b)"; between two commas, and beside a bracket, is the empty value */

static ngx_int_t
ngx_k8s_selector_set(ngx_k8s_selector_ctx_t *ctx, ngx_k8s_requirement_t *rq)
{
    u_char  ch;

    ngx_k8s_selector_next(ctx);

    if (!ngx_k8s_selector_is(ctx, "(")) {
        ctx->err = "\"(\" is expected";
        return NGX_ERROR;
    }

    if (ngx_k8s_selector_peek(ctx) == ')') {
        ctx->err = "the brackets are empty";
        return NGX_ERROR;
    }

    for ( ;; ) {
        ch = ngx_k8s_selector_peek(ctx);

        if (ch == ',' || ch == ')') {
            ctx->token = ctx->p;
            ctx->len = 0;

        } else {
            ngx_k8s_selector_next(ctx);
        }

        if (ngx_k8s_selector_value(ctx, rq) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_k8s_selector_next(ctx);

        if (ngx_k8s_selector_is(ctx, ")")) {
            return NGX_OK;
        }

        if (!ngx_k8s_selector_is(ctx, ",")) {
            ctx->err = "\",\" or \")\" is expected";
            return NGX_ERROR;
        }
    }
}


/* the token is a value */

static ngx_int_t
ngx_k8s_selector_value(ngx_k8s_selector_ctx_t *ctx, ngx_k8s_requirement_t *rq)
{
    ngx_str_t  *value;

    if (ctx->len && ngx_k8s_selector_name(ctx->token, ctx->len) != NGX_OK) {
        ctx->err = "a label's value is expected";
        return NGX_ERROR;
    }

    value = ngx_array_push(&rq->values);
    if (value == NULL) {
        return NGX_ERROR;
    }

    value->data = ctx->token;
    value->len = ctx->len;

    if ((rq->op == NGX_K8S_SELECTOR_GREATER || rq->op == NGX_K8S_SELECTOR_LESS)
        && ngx_k8s_selector_number(value, &rq->number) != NGX_OK)
    {
        ctx->err = "a number is expected";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the next word or sign; the end is of no length */

static void
ngx_k8s_selector_next(ngx_k8s_selector_ctx_t *ctx)
{
    (void) ngx_k8s_selector_peek(ctx);

    ctx->token = ctx->p;

    if (ctx->p < ctx->last && ngx_k8s_selector_sign(*ctx->p)) {

        ctx->p++;

        /* "==" and "!=" */

        if (ctx->p < ctx->last && *ctx->p == '='
            && (*ctx->token == '=' || *ctx->token == '!'))
        {
            ctx->p++;
        }

    } else {

        while (ctx->p < ctx->last && *ctx->p > ' '
               && !ngx_k8s_selector_sign(*ctx->p))
        {
            ctx->p++;
        }
    }

    ctx->len = ctx->p - ctx->token;
}


/* skips what is white; the character there, '\0' at the end */

static u_char
ngx_k8s_selector_peek(ngx_k8s_selector_ctx_t *ctx)
{
    while (ctx->p < ctx->last && *ctx->p <= ' ') {
        ctx->p++;
    }

    return (ctx->p < ctx->last) ? *ctx->p : '\0';
}


static ngx_uint_t
ngx_k8s_selector_is(ngx_k8s_selector_ctx_t *ctx, char *s)
{
    return ngx_strlen(s) == ctx->len
           && ngx_strncmp(ctx->token, s, ctx->len) == 0;
}


static ngx_uint_t
ngx_k8s_selector_sign(u_char ch)
{
    switch (ch) {

    case '=':
    case '!':
    case '(':
    case ')':
    case ',':
    case '<':
    case '>':
        return 1;

    default:
        return 0;
    }
}


/* a name, behind a DNS name and "/" or without them */

static ngx_int_t
ngx_k8s_selector_key(u_char *p, size_t len)
{
    u_char  *slash, *s;

    slash = ngx_strlchr(p, p + len, '/');

    if (slash == NULL) {
        return ngx_k8s_selector_name(p, len);
    }

    if (slash == p || slash - p > 253) {
        return NGX_DECLINED;
    }

    for (s = p; s < slash; s++) {

        if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9')) {
            continue;
        }

        /* no label of it begins or ends with "-", or is empty */

        if ((*s != '-' && *s != '.') || s == p || s + 1 == slash
            || s[-1] == '.' || (*s == '.' && s[-1] == '-'))
        {
            return NGX_DECLINED;
        }
    }

    return ngx_k8s_selector_name(slash + 1, p + len - slash - 1);
}


static ngx_int_t
ngx_k8s_selector_name(u_char *p, size_t len)
{
    u_char  ch;
    size_t  i;

    if (len == 0 || len > 63) {
        return NGX_DECLINED;
    }

    for (i = 0; i < len; i++) {
        ch = p[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9'))
        {
            continue;
        }

        if ((ch != '-' && ch != '_' && ch != '.') || i == 0 || i == len - 1) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* a decimal number that 63 bits hold; a label's has no room for a sign */

static ngx_int_t
ngx_k8s_selector_number(ngx_str_t *s, int64_t *number)
{
    size_t   i;
    int64_t  n;

    if (s->len == 0 || s->len > 18) {
        return NGX_DECLINED;
    }

    n = 0;

    for (i = 0; i < s->len; i++) {

        if (s->data[i] < '0' || s->data[i] > '9') {
            return NGX_DECLINED;
        }

        n = n * 10 + (s->data[i] - '0');
    }

    *number = n;

    return NGX_OK;
}


ngx_uint_t
ngx_k8s_selector_match(ngx_array_t *selector, ngx_array_t *labels)
{
    ngx_str_t              *value;
    ngx_uint_t              i, j;
    ngx_keyval_t           *kv;
    ngx_k8s_requirement_t  *rq;

    rq = selector->elts;

    for (i = 0; i < selector->nelts; i++) {

        value = NULL;
        kv = labels ? labels->elts : NULL;

        for (j = 0; labels && j < labels->nelts; j++) {

            /* an empty key: they are no labels */

            if (kv[j].key.len == 0
                || (kv[j].key.len == rq[i].key.len
                    && ngx_strncmp(kv[j].key.data, rq[i].key.data,
                                   kv[j].key.len)
                       == 0))
            {
                value = &kv[j].value;
                break;
            }
        }

        /* one that cannot be read may be any */

        if ((value && value->len
             && value->data[0] == NGX_K8S_READER_UNREAD[0])
            || !ngx_k8s_selector_holds(&rq[i], value))
        {
            return 0;
        }
    }

    return 1;
}


/* value is NULL without such a label */

static ngx_uint_t
ngx_k8s_selector_holds(ngx_k8s_requirement_t *rq, ngx_str_t *value)
{
    int64_t      n;
    ngx_str_t   *s;
    ngx_uint_t   i;

    switch (rq->op) {

    case NGX_K8S_SELECTOR_EXISTS:
        return value != NULL;

    case NGX_K8S_SELECTOR_NOT_EXISTS:
        return value == NULL;

    case NGX_K8S_SELECTOR_GREATER:
        return value && ngx_k8s_selector_number(value, &n) == NGX_OK
               && n > rq->number;

    case NGX_K8S_SELECTOR_LESS:
        return value && ngx_k8s_selector_number(value, &n) == NGX_OK
               && n < rq->number;

    default: /* NGX_K8S_SELECTOR_IN, NGX_K8S_SELECTOR_NOT_IN */
        break;
    }

    s = rq->values.elts;

    for (i = 0; value && i < rq->values.nelts; i++) {
        if (s[i].len == value->len
            && ngx_strncmp(s[i].data, value->data, value->len) == 0)
        {
            return rq->op == NGX_K8S_SELECTOR_IN;
        }
    }

    return rq->op == NGX_K8S_SELECTOR_NOT_IN;
}
