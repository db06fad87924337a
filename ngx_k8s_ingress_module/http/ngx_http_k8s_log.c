
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_log.h>
#include <ngx_http_k8s_map.h>
#include <ngx_http_k8s_policy.h>


extern ngx_module_t  ngx_http_log_module;


static ngx_int_t ngx_http_k8s_log_conditions(ngx_pool_t *pool,
    ngx_str_t *params, ngx_array_t **conditions);
static ngx_int_t ngx_http_k8s_log_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_k8s_log_wanted(ngx_http_request_t *r);
static ngx_uint_t ngx_http_k8s_log_refused(ngx_http_request_t *r,
    ngx_array_t *conditions);


ngx_int_t
ngx_http_k8s_log_format(ngx_conf_t *cf)
{
    void           **conf;
    ngx_str_t       *arg;
    ngx_uint_t       type;
    ngx_array_t     *saved;
    ngx_command_t   *cmd;

    static ngx_str_t  args[] = {
        ngx_string("log_format"),
        ngx_string("k8s_ingress"),
        ngx_string("escape=none"),
        ngx_string("$k8s_access_log")
    };

    for (cmd = ngx_http_log_module.commands; cmd->name.len; cmd++) {
        if (cmd->name.len == args[0].len
            && ngx_strncmp(cmd->name.data, args[0].data, args[0].len) == 0)
        {
            break;
        }
    }

    saved = cf->args;
    type = cf->cmd_type;

    cf->cmd_type = NGX_HTTP_MAIN_CONF;
    cf->args = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));

    if (cmd->name.len == 0 || cf->args == NULL) {
        return NGX_ERROR;
    }

    arg = ngx_array_push_n(cf->args, 4);

    ngx_memcpy(arg, args, sizeof(args));

    conf = ((ngx_http_conf_ctx_t *) cf->ctx)->main_conf;

    if (cmd->set(cf, cmd, conf[ngx_http_log_module.ctx_index])
        != NGX_CONF_OK)
    {
        return NGX_ERROR;
    }

    cf->args = saved;
    cf->cmd_type = type;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_log_index(ngx_conf_t *cf)
{
    ngx_str_t       format, text;
    ngx_uint_t      variable;
    ngx_k8s_row_t  *row;

    static ngx_str_t  name = ngx_string("log-format-upstream");

    row = ngx_k8s_row(&name, NGX_K8S_ROW_KEY);
    format = row->value;

    while (ngx_k8s_log_next(&format, &text, &variable) == NGX_OK) {
        if (variable
            && !ngx_http_k8s_log_written(&text)
            && ngx_http_get_variable_index(cf, &text) == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* its handler is the first one of the phase, as no module with another one
   stands before it */

ngx_int_t
ngx_http_k8s_log_init(ngx_conf_t *cf)
{
    ngx_array_t                *a;
    ngx_http_handler_pt        *h;
    ngx_http_k8s_main_conf_t   *kmcf;
    ngx_http_core_main_conf_t  *cmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    a = &cmcf->phases[NGX_HTTP_LOG_PHASE].handlers;

    if (a->nelts) {
        h = a->elts;

        kmcf->log = h[0];
        h[0] = ngx_http_k8s_log_handler;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_log_profile(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_pool_t *pool)
{
    ngx_http_k8s_log_t  *log;
    ngx_k8s_settings_t  *settings;

    settings = base->settings;

    log = ngx_pcalloc(pool, sizeof(ngx_http_k8s_log_t));
    if (log == NULL) {
        return NGX_ERROR;
    }

    log->escape = settings->log_none ? NGX_HTTP_K8S_LOG_NONE
                  : settings->log_json ? NGX_HTTP_K8S_LOG_JSON
                                       : NGX_HTTP_K8S_LOG_DEFAULT;

    if (ngx_http_k8s_log_compile(klcf, pool, log, &settings->log_format)
        != NGX_OK
        || ngx_http_k8s_log_conditions(pool, &settings->log_params,
                                       &log->conditions)
           != NGX_OK
        || ngx_http_k8s_map(pool, &log->skip, &settings->log_skip) != NGX_OK)
    {
        return NGX_ERROR;
    }

    base->log = log;

    return NGX_OK;
}


/* of access-log-params the words that begin with "if=" */

static ngx_int_t
ngx_http_k8s_log_conditions(ngx_pool_t *pool, ngx_str_t *params,
    ngx_array_t **conditions)
{
    ngx_str_t                 rest, word;
    ngx_http_k8s_template_t  *t;

    rest = *params;

    while (ngx_k8s_log_param_next(&rest, &word) == NGX_OK) {

        if (word.len <= 3 || ngx_strncmp(word.data, "if=", 3) != 0) {
            continue;
        }

        word.data += 3;
        word.len -= 3;

        if (*conditions == NULL) {
            *conditions = ngx_array_create(pool, 1,
                                           sizeof(ngx_http_k8s_template_t));
            if (*conditions == NULL) {
                return NGX_ERROR;
            }
        }

        t = ngx_array_push(*conditions);

        if (t == NULL
            || ngx_http_k8s_template_own(pool, &word, t) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_log_handler(ngx_http_request_t *r)
{
    ngx_http_k8s_main_conf_t  *kmcf;

    if (!ngx_http_k8s_log_wanted(r)) {
        return NGX_OK;
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

    return kmcf->log(r);
}


/* of servers without a pass all are */

static ngx_uint_t
ngx_http_k8s_log_wanted(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t       *ctx;
    ngx_k8s_settings_t       *settings;
    ngx_http_k8s_profile_t   *profile, *base;
    ngx_http_k8s_loc_conf_t  *klcf;

    ctx = ngx_http_k8s_ctx(r);
    profile = ctx ? ctx->profile : NULL;

    if (profile == NULL) {
        klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);

        if (klcf->block == NULL) {
            return 1;
        }

        profile = klcf->base;
    }

    settings = profile->settings;

    if (!settings->log || settings->log_off || settings->log_http_off) {
        return 0;
    }

    if (ctx && ctx->untaken && !settings->log_default) {
        return 0;
    }

    base = profile->base ? profile->base : profile;

    return (base->log->skip == NULL
            || ngx_http_k8s_map_find(base->log->skip, &r->main->unparsed_uri,
                                     r->connection->log)
               != NGX_OK)
           && (base->log->conditions == NULL
               || !ngx_http_k8s_log_refused(r, base->log->conditions));
}


static ngx_uint_t
ngx_http_k8s_log_refused(ngx_http_request_t *r, ngx_array_t *conditions)
{
    ngx_str_t                 value;
    ngx_uint_t                i;
    ngx_http_k8s_captures_t   captures;
    ngx_http_k8s_template_t  *t;

    ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

    t = conditions->elts;

    for (i = 0; i < conditions->nelts; i++) {
        if (ngx_http_k8s_template_run(r, &t[i], &captures, &value) != NGX_OK
            || value.len == 0
            || (value.len == 1 && value.data[0] == '0'))
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_log_check(ngx_pool_t *pool, ngx_k8s_block_t *block,
    ngx_http_k8s_known_pt known, ngx_str_t *values, ngx_str_t *error)
{
    ngx_str_t                 format, text, params;
    ngx_uint_t                i, variable, next;
    ngx_array_t              *conditions;
    ngx_k8s_row_t            *row;
    ngx_http_k8s_template_t  *t;

    static ngx_str_t  formats = ngx_string("log-format-upstream");
    static ngx_str_t  words = ngx_string("access-log-params");
    static ngx_str_t  skip = ngx_string("skip-access-log-urls");

    row = ngx_k8s_row(&formats, NGX_K8S_ROW_KEY);
    format = values[row - ngx_k8s_rows];

    while (format.len
           && ngx_k8s_log_next(&format, &text, &variable) == NGX_OK)
    {
        if (variable && !ngx_http_k8s_log_known(&text)
            && !known(block, &text))
        {
            goto unknown;
        }
    }

    row = ngx_k8s_row(&words, NGX_K8S_ROW_KEY);
    params = values[row - ngx_k8s_rows];
    conditions = NULL;

    if (params.len
        && ngx_http_k8s_log_conditions(pool, &params, &conditions) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; conditions && i < conditions->nelts; i++) {
        t = conditions->elts;
        next = 0;

        while (ngx_http_k8s_template_unknown(&t[i], &next, &text)
               == NGX_DECLINED)
        {
            if (!known(block, &text)) {
                goto unknown;
            }
        }
    }

    row = ngx_k8s_row(&skip, NGX_K8S_ROW_KEY);

    return ngx_http_k8s_map_check(&values[row - ngx_k8s_rows], error);

unknown:

    error->len = ngx_snprintf(error->data, NGX_HTTP_K8S_PROFILE_ERROR,
                              "there is no variable \"%*s\"",
                              ngx_min(text.len, 128), text.data)
                 - error->data;

    return NGX_DECLINED;
}
