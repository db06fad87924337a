
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* From statements to the program, rules and headers of a profile. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_snippet.h>


static ngx_int_t ngx_http_k8s_snippet_level(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool, ngx_k8s_snippet_t *s);
static ngx_uint_t ngx_http_k8s_snippet_own(ngx_http_k8s_profile_t *profile,
    ngx_k8s_snippet_t *s, ngx_k8s_snippet_effect_e effect);
static ngx_uint_t ngx_http_k8s_snippet_has(ngx_k8s_snippet_t *s,
    ngx_k8s_snippet_effect_e effect);
static ngx_int_t ngx_http_k8s_snippet_rest(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool, ngx_k8s_statement_t *st, ngx_uint_t cond);
static ngx_int_t ngx_http_k8s_snippet_pages(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool, ngx_k8s_statement_t *st);
static ngx_int_t ngx_http_k8s_snippet_op(ngx_pool_t *pool,
    ngx_http_k8s_program_t *program, ngx_k8s_statement_t *st);
static ngx_int_t ngx_http_k8s_snippet_condition(ngx_pool_t *pool,
    ngx_http_k8s_op_t *op, ngx_k8s_statement_t *st);
static ngx_int_t ngx_http_k8s_snippet_rewrite(ngx_pool_t *pool,
    ngx_http_k8s_op_t *op, ngx_k8s_statement_t *st);
static ngx_int_t ngx_http_k8s_snippet_input(ngx_pool_t *pool,
    ngx_http_k8s_program_t *program, ngx_k8s_statement_t *st);
static ngx_int_t ngx_http_k8s_snippet_rule(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool, ngx_k8s_statement_t *st);


ngx_int_t
ngx_http_k8s_snippet_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    ngx_str_t           *text;
    ngx_uint_t           i, n;
    ngx_k8s_snippet_t    s[NGX_HTTP_K8S_SNIPPET_TEXTS];
    ngx_k8s_settings_t  *settings;

    settings = profile->settings;
    n = ngx_http_k8s_snippet_params(settings)->len;

    for (i = 0; i < NGX_HTTP_K8S_SNIPPET_TEXTS; i++) {
        text = ngx_http_k8s_snippet_text(settings, i);
        n += text->len;
    }

    if (n == 0) {
        return NGX_OK;
    }

    if (ngx_http_k8s_snippet_values(profile, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    /* what templates and ops point to is the profile's */

    if (ngx_http_k8s_snippet_read(pool, settings, s) != NGX_OK) {
        return NGX_ERROR;
    }

    profile->program = ngx_pcalloc(pool, sizeof(ngx_http_k8s_program_t));

    if (profile->program == NULL
        || ngx_array_init(&profile->program->ops, pool, 4,
                          sizeof(ngx_http_k8s_op_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* of all paths of Ingresses, but a location is none of them */

    if (settings->inner) {
        s[NGX_HTTP_K8S_LOCATION_TEXT].statements.nelts = 0;
    }

    if (ngx_http_k8s_snippet_level(profile, pool, s) != NGX_OK
        || ngx_http_k8s_snippet_ops(profile, pool, profile->program,
                                    &s[NGX_HTTP_K8S_OWN_TEXT])
           != NGX_OK
        || ngx_http_k8s_snippet_ops(profile, pool, profile->program,
                                    &s[NGX_HTTP_K8S_LOCATION_TEXT])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (profile->program->ops.nelts == 0) {
        profile->program = NULL;
    }

    return NGX_OK;
}


/* what servers say for their locations */

static ngx_int_t
ngx_http_k8s_snippet_level(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool,
    ngx_k8s_snippet_t *s)
{
    ngx_uint_t            i, k;
    ngx_k8s_snippet_t     level;
    ngx_k8s_statement_t  *st, *to;

    static ngx_uint_t  order[] = {
        NGX_HTTP_K8S_SERVER_TEXT, NGX_HTTP_K8S_SERVER_CONFIG
    };

    ngx_memzero(&level, sizeof(ngx_k8s_snippet_t));

    if (ngx_array_init(&level.statements, pool, 4, sizeof(ngx_k8s_statement_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < 2; i++) {

        st = s[order[i]].statements.elts;

        for (k = 0; k < s[order[i]].statements.nelts; k = st[k].end) {

            if (ngx_http_k8s_snippet_own(profile, s, st[k].directive->effect)) {
                continue;
            }

            to = ngx_array_push(&level.statements);
            if (to == NULL) {
                return NGX_ERROR;
            }

            *to = st[k];
        }
    }

    return ngx_http_k8s_snippet_ops(profile, pool, profile->program, &level);
}


/* whether it is for the server alone, or the location has others, that count in
   its place */

static ngx_uint_t
ngx_http_k8s_snippet_own(ngx_http_k8s_profile_t *profile,
    ngx_k8s_snippet_t *s, ngx_k8s_snippet_effect_e effect)
{
    ngx_k8s_settings_t  *settings;

    settings = profile->settings;

    switch (effect) {

    case NGX_K8S_SNIPPET_ALLOW:
    case NGX_K8S_SNIPPET_DENY:
        return (!settings->inner && ngx_http_k8s_access_listed(settings))
               || ngx_http_k8s_snippet_has(s, NGX_K8S_SNIPPET_ALLOW)
               || ngx_http_k8s_snippet_has(s, NGX_K8S_SNIPPET_DENY);

    case NGX_K8S_SNIPPET_ADD_HEADER:
    case NGX_K8S_SNIPPET_ERROR_PAGE:
        return ngx_http_k8s_snippet_has(s, effect);

    case NGX_K8S_SNIPPET_MORE_SET:
    case NGX_K8S_SNIPPET_MORE_CLEAR:
    case NGX_K8S_SNIPPET_MORE_INPUT:
    case NGX_K8S_SNIPPET_MORE_DROP:
    case NGX_K8S_SNIPPET_TOKEN:
        return 0;

    default:
        return 1;
    }
}


/* whether one of a location's texts has it */

static ngx_uint_t
ngx_http_k8s_snippet_has(ngx_k8s_snippet_t *s, ngx_k8s_snippet_effect_e effect)
{
    ngx_uint_t            i, k;
    ngx_k8s_statement_t  *st;

    static ngx_uint_t  texts[] = {
        NGX_HTTP_K8S_OWN_TEXT, NGX_HTTP_K8S_LOCATION_TEXT
    };

    for (i = 0; i < 2; i++) {

        st = s[texts[i]].statements.elts;

        for (k = 0; k < s[texts[i]].statements.nelts; k = st[k].end) {
            if (st[k].directive->effect == effect) {
                return 1;
            }
        }
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_snippet_ops(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool,
    ngx_http_k8s_program_t *program, ngx_k8s_snippet_t *s)
{
    ngx_int_t             rc;
    ngx_uint_t            i, n, inner, *at;
    ngx_http_k8s_op_t    *op;
    ngx_k8s_statement_t  *st, *block;

    st = s->statements.elts;
    block = NULL;

    /* where the ops of a statement begin */

    at = ngx_palloc(pool, (s->statements.nelts + 1) * sizeof(ngx_uint_t));
    if (at == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < s->statements.nelts; i++) {

        at[i] = program->ops.nelts;
        rc = NGX_OK;
        inner = (block && i < block->end);

        switch (st[i].directive->effect) {

        case NGX_K8S_SNIPPET_IN:

            /* a location of its own */

            for (n = st[i].end; i + 1 < n; /* void */ ) {
                at[++i] = program->ops.nelts;
            }

            break;

        case NGX_K8S_SNIPPET_MORE_INPUT:
        case NGX_K8S_SNIPPET_MORE_DROP:

            if (profile) {
                rc = ngx_http_k8s_snippet_input(pool, program, &st[i]);
            }

            break;

        case NGX_K8S_SNIPPET_IF:
            block = &st[i];

            /* fall through */

        case NGX_K8S_SNIPPET_INTERNAL:
        case NGX_K8S_SNIPPET_SET:
        case NGX_K8S_SNIPPET_REWRITE:
        case NGX_K8S_SNIPPET_RETURN:
        case NGX_K8S_SNIPPET_BREAK:
            rc = ngx_http_k8s_snippet_op(pool, program, &st[i]);
            break;

        default:

            if (profile) {
                rc = ngx_http_k8s_snippet_rest(profile, pool, &st[i],
                                               inner ? at[block - st] + 1 : 0);
            }
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    at[i] = program->ops.nelts;

    for (i = 0; i < s->statements.nelts; i++) {

        if (st[i].directive->effect == NGX_K8S_SNIPPET_IN) {
            i = st[i].end - 1;

        } else if (st[i].directive->effect == NGX_K8S_SNIPPET_IF) {
            op = program->ops.elts;
            op[at[i]].end = at[st[i].end];
        }
    }

    return NGX_OK;
}


/* cond: the op of its "if" and one, or 0 */

static ngx_int_t
ngx_http_k8s_snippet_rest(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool,
    ngx_k8s_statement_t *st, ngx_uint_t cond)
{
    static ngx_str_t  type = ngx_string("default_type");

    switch (st->directive->effect) {

    case NGX_K8S_SNIPPET_ALLOW:
    case NGX_K8S_SNIPPET_DENY:
        return ngx_http_k8s_snippet_rule(profile, pool, st);

    case NGX_K8S_SNIPPET_SATISFY:
        profile->settings->satisfy = (st->words[0].data[1] == 'n');
        return NGX_OK;

    case NGX_K8S_SNIPPET_ADD_HEADER:
    case NGX_K8S_SNIPPET_MORE_SET:
    case NGX_K8S_SNIPPET_MORE_CLEAR:
        return ngx_http_k8s_headers_snippet(profile, pool, st, cond);

    case NGX_K8S_SNIPPET_TOKEN:
        profile->typed |= (st->directive->name.len == type.len
                           && ngx_memcmp(st->directive->name.data, type.data,
                                         type.len)
                              == 0);
        return NGX_OK;

    case NGX_K8S_SNIPPET_ERROR_PAGE:
        return ngx_http_k8s_snippet_pages(profile, pool, st);

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_k8s_snippet_pages(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool,
    ngx_k8s_statement_t *st)
{
    ngx_int_t             over;
    ngx_uint_t            i, n;
    ngx_http_k8s_page_t  *page;

    (void) ngx_k8s_snippet_page(st->words, st->n, &n, &over);

    if (profile->pages == NULL) {
        profile->pages = ngx_array_create(pool, 4,
                                          sizeof(ngx_http_k8s_page_t));
        if (profile->pages == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < n; i++) {

        page = ngx_array_push(profile->pages);

        if (page == NULL
            || ngx_http_k8s_template_own(pool, &st->words[st->n - 1],
                                         &page->target)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        page->status = ngx_atoi(st->words[i].data, st->words[i].len);
        page->over = over;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_snippet_op(ngx_pool_t *pool, ngx_http_k8s_program_t *program,
    ngx_k8s_statement_t *st)
{
    ngx_str_t           none, *word;
    ngx_http_k8s_op_t  *op;

    op = ngx_array_push(&program->ops);
    if (op == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(op, sizeof(ngx_http_k8s_op_t));

    op->kind = st->directive->effect;
    word = st->words;

    switch (op->kind) {

    case NGX_K8S_SNIPPET_IF:
        return ngx_http_k8s_snippet_condition(pool, op, st);

    case NGX_K8S_SNIPPET_SET:
        op->name.len = word[0].len - 1;
        op->name.data = word[0].data + 1;
        op->key = ngx_hash_strlow(op->name.data, op->name.data, op->name.len);

        return ngx_http_k8s_template_own(pool, &word[1], &op->value);

    case NGX_K8S_SNIPPET_REWRITE:
        program->answers = 1;

        return ngx_http_k8s_snippet_rewrite(pool, op, st);

    case NGX_K8S_SNIPPET_RETURN:
        program->answers = 1;
        ngx_str_set(&none, "");

        op->status = ngx_k8s_snippet_status(&word[0]);
        op->text = (op->status == 0 || st->n == 2);

        if (op->status == 0) {
            op->status = NGX_HTTP_MOVED_TEMPORARILY;
            return ngx_http_k8s_template_own(pool, &word[0], &op->value);
        }

        return ngx_http_k8s_template_own(pool, op->text ? &word[1] : &none,
                                         &op->value);

    default: /* NGX_K8S_SNIPPET_BREAK, NGX_K8S_SNIPPET_INTERNAL */
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_k8s_snippet_condition(ngx_pool_t *pool, ngx_http_k8s_op_t *op,
    ngx_k8s_statement_t *st)
{
    ngx_k8s_condition_t  c;

    (void) ngx_k8s_snippet_condition(st->words, st->n, &c);

    op->op = c.op;
    op->not = c.not;
    op->regex = c.caseless ? NGX_HTTP_K8S_REGEX_CASELESS : 0;

    if (ngx_http_k8s_template_own(pool, &c.variable, &op->left) != NGX_OK) {
        return NGX_ERROR;
    }

    if (c.op == NGX_K8S_SNIPPET_MATCH) {
        op->name = c.value;
        return NGX_OK;
    }

    return ngx_http_k8s_template_own(pool, &c.value, &op->value);
}


static ngx_int_t
ngx_http_k8s_snippet_rewrite(ngx_pool_t *pool, ngx_http_k8s_op_t *op,
    ngx_k8s_statement_t *st)
{
    u_char     *p;
    ngx_str_t   target, args, *word;

    word = st->words;

    op->name = word[0];
    target = word[1];

    if (ngx_k8s_snippet_url(&target)) {
        op->status = NGX_HTTP_MOVED_TEMPORARILY;
    }

    if (st->n == 3) {

        switch (word[2].data[0]) {

        case 'l':
            op->last = 1;
            break;

        case 'b':
            op->stop = 1;
            break;

        case 'r':
            op->status = NGX_HTTP_MOVED_TEMPORARILY;
            break;

        default: /* 'p' */
            op->status = NGX_HTTP_MOVED_PERMANENTLY;
        }
    }

    if (target.len && target.data[target.len - 1] == '?') {
        target.len--;
        op->noargs = 1;
    }

    p = ngx_strlchr(target.data, target.data + target.len, '?');

    if (p) {
        args.data = p + 1;
        args.len = target.data + target.len - args.data;
        target.len = p - target.data;
        op->args = 1;

        if (ngx_http_k8s_template_own(pool, &args, &op->left) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_k8s_template_own(pool, &target, &op->value);
}


/* an op for each header */

static ngx_int_t
ngx_http_k8s_snippet_input(ngx_pool_t *pool, ngx_http_k8s_program_t *program,
    ngx_k8s_statement_t *st)
{
    ngx_str_t           name, value;
    ngx_uint_t          i, replace;
    ngx_http_k8s_op_t  *op;

    replace = (st->words[0].len == 2 && st->words[0].data[0] == '-');

    for (i = replace; i < st->n; i++) {

        (void) ngx_k8s_snippet_header(&st->words[i], &name, &value);

        op = ngx_array_push(&program->ops);
        if (op == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(op, sizeof(ngx_http_k8s_op_t));

        if (st->directive->effect == NGX_K8S_SNIPPET_MORE_DROP) {
            ngx_str_set(&value, "");
        }

        op->kind = NGX_K8S_SNIPPET_MORE_INPUT;
        op->name = name;
        op->replace = replace;

        if (ngx_http_k8s_template_own(pool, &value, &op->value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_snippet_rule(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool,
    ngx_k8s_statement_t *st)
{
    ngx_http_k8s_rule_t  *rule;

    if (profile->rules == NULL) {
        profile->rules = ngx_array_create(pool, 4,
                                          sizeof(ngx_http_k8s_rule_t));
        if (profile->rules == NULL) {
            return NGX_ERROR;
        }
    }

    rule = ngx_array_push(profile->rules);
    if (rule == NULL) {
        return NGX_ERROR;
    }

    rule->deny = (st->directive->effect == NGX_K8S_SNIPPET_DENY);

    return ngx_k8s_snippet_cidr(st->words, &rule->cidr);
}
