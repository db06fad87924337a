
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_profile.h>


static ngx_int_t ngx_http_k8s_profile_create(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_profile_set(ngx_conf_t *cf, ngx_array_t *args);
static ngx_uint_t ngx_http_k8s_profile_takes(ngx_command_t *cmd,
    ngx_uint_t nelts);
static ngx_int_t ngx_http_k8s_profile_merge(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *parent, ngx_http_conf_ctx_t *ctx);


static ngx_uint_t  ngx_http_k8s_profile_arguments[] = {
    NGX_CONF_NOARGS,
    NGX_CONF_TAKE1,
    NGX_CONF_TAKE2,
    NGX_CONF_TAKE3,
    NGX_CONF_TAKE4,
    NGX_CONF_TAKE5,
    NGX_CONF_TAKE6,
    NGX_CONF_TAKE7
};


void **
ngx_http_k8s_profile(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    ngx_array_t *tokens)
{
    ngx_uint_t             i;
    ngx_conf_t             pcf;
    ngx_array_t          **args;
    ngx_http_conf_ctx_t   *ctx;

    ctx = ngx_pcalloc(cf->pool, sizeof(ngx_http_conf_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->main_conf = parent->main_conf;
    ctx->srv_conf = parent->srv_conf;

    ctx->loc_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (ctx->loc_conf == NULL) {
        return NULL;
    }

    pcf = *cf;
    pcf.ctx = ctx;
    pcf.module_type = NGX_HTTP_MODULE;
    pcf.cmd_type = NGX_HTTP_LOC_CONF;

    if (ngx_http_k8s_profile_create(&pcf, ctx) != NGX_OK) {
        return NULL;
    }

    args = tokens->elts;

    for (i = 0; i < tokens->nelts; i++) {
        if (ngx_http_k8s_profile_set(&pcf, args[i]) != NGX_OK) {
            return NULL;
        }
    }

    if (ngx_http_k8s_profile_merge(&pcf, parent, ctx) != NGX_OK) {
        return NULL;
    }

    return ctx->loc_conf;
}


static ngx_int_t
ngx_http_k8s_profile_create(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx)
{
    void                      *conf;
    ngx_uint_t                 m;
    ngx_http_module_t         *module;
    ngx_http_core_loc_conf_t  *clcf;

    for (m = 0; cf->cycle->modules[m]; m++) {

        if (cf->cycle->modules[m]->type != NGX_HTTP_MODULE) {
            continue;
        }

        module = cf->cycle->modules[m]->ctx;

        if (module->create_loc_conf) {
            conf = module->create_loc_conf(cf);
            if (conf == NULL) {
                return NGX_ERROR;
            }

            ctx->loc_conf[cf->cycle->modules[m]->ctx_index] = conf;
        }
    }

    clcf = ctx->loc_conf[ngx_http_core_module.ctx_index];

    /* as a named location: a proxy_pass here has no URI */

    ngx_str_set(&clcf->name, "@k8s_ingress");
    clcf->named = 1;
    clcf->loc_conf = ctx->loc_conf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_profile_set(ngx_conf_t *cf, ngx_array_t *args)
{
    char           *rv;
    void           *conf, **confp;
    ngx_str_t      *name;
    ngx_module_t   *module;
    ngx_command_t  *cmd;

    name = args->elts;

    cmd = ngx_http_k8s_profile_command(cf, name, &module);

    if (cmd == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "this nginx has no directive \"%V\", which "
                      "k8s_ingress needs: build it with the module", name);
        return NGX_ERROR;
    }

    if ((cmd->type & NGX_CONF_BLOCK)
        || !ngx_http_k8s_profile_takes(cmd, args->nelts))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "directive \"%V\" can't be set by k8s_ingress", name);
        return NGX_ERROR;
    }

    confp = *(void **) ((char *) cf->ctx + cmd->conf);
    conf = confp ? confp[module->ctx_index] : NULL;

    cf->args = args;

    rv = cmd->set(cf, cmd, conf);

    if (rv == NGX_CONF_OK) {
        return NGX_OK;
    }

    if (rv != NGX_CONF_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "directive \"%V\" of k8s_ingress %s", name, rv);
    }

    return NGX_ERROR;
}


ngx_command_t *
ngx_http_k8s_profile_command(ngx_conf_t *cf, ngx_str_t *name,
    ngx_module_t **module)
{
    ngx_uint_t      m;
    ngx_command_t  *cmd;

    for (m = 0; cf->cycle->modules[m]; m++) {

        if (cf->cycle->modules[m]->type != NGX_HTTP_MODULE
            || cf->cycle->modules[m]->commands == NULL)
        {
            continue;
        }

        for (cmd = cf->cycle->modules[m]->commands; cmd->name.len; cmd++) {

            if (cmd->name.len == name->len
                && ngx_strncmp(cmd->name.data, name->data, name->len) == 0
                && (cmd->type & NGX_HTTP_LOC_CONF))
            {
                *module = cf->cycle->modules[m];
                return cmd;
            }
        }
    }

    return NULL;
}


/* FNV-1a */

uint64_t
ngx_http_k8s_profile_protocol(ngx_array_t *tokens)
{
    size_t         n;
    uint64_t       hash;
    ngx_str_t     *arg;
    ngx_uint_t     i;
    ngx_array_t  **args;

    args = tokens->elts;
    arg = args[0]->elts;
    hash = 0xcbf29ce484222325ULL;

    for (i = 0; i < args[0]->nelts; i++) {

        for (n = 0; n < arg[i].len; n++) {
            hash = (hash ^ arg[i].data[n]) * 0x100000001b3ULL;
        }

        hash = (hash ^ ' ') * 0x100000001b3ULL;
    }

    return hash;
}


/* the check of ngx_conf_handler(), which is static */

static ngx_uint_t
ngx_http_k8s_profile_takes(ngx_command_t *cmd, ngx_uint_t nelts)
{
    if (cmd->type & NGX_CONF_ANY) {
        return 1;
    }

    if (cmd->type & NGX_CONF_FLAG) {
        return nelts == 2;
    }

    if (cmd->type & NGX_CONF_1MORE) {
        return nelts >= 2;
    }

    if (cmd->type & NGX_CONF_2MORE) {
        return nelts >= 3;
    }

    return nelts <= NGX_CONF_MAX_ARGS
           && (cmd->type & ngx_http_k8s_profile_arguments[nelts - 1]);
}


static ngx_int_t
ngx_http_k8s_profile_merge(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    ngx_http_conf_ctx_t *ctx)
{
    char               *rv;
    ngx_uint_t          m, mi;
    ngx_http_module_t  *module;

    for (m = 0; cf->cycle->modules[m]; m++) {

        if (cf->cycle->modules[m]->type != NGX_HTTP_MODULE) {
            continue;
        }

        module = cf->cycle->modules[m]->ctx;
        mi = cf->cycle->modules[m]->ctx_index;

        if (module->merge_loc_conf == NULL) {
            continue;
        }

        rv = module->merge_loc_conf(cf, parent->loc_conf[mi],
                                    ctx->loc_conf[mi]);

        if (rv != NGX_CONF_OK) {
            if (rv != NGX_CONF_ERROR) {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "settings of k8s_ingress: %s", rv);
            }

            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
