
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_profile.h>


static void ngx_http_k8s_list_mark(ngx_list_t *list,
    ngx_http_k8s_list_mark_t *mark);
static ngx_uint_t ngx_http_k8s_list_reset(ngx_list_t *list,
    ngx_http_k8s_list_mark_t *mark);
static ngx_uint_t ngx_http_k8s_array_reset(ngx_array_t *a, ngx_uint_t n);


ngx_int_t
ngx_http_k8s_registry_begin(ngx_http_k8s_registry_t *registry,
    ngx_cycle_t *cycle, ngx_http_conf_ctx_t *ctx, ngx_pool_t *temp_pool)
{
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_upstream_main_conf_t  *umcf;

    registry->cycle = cycle;
    registry->ctx = ctx;

    /* NULL since the configuration was read; nginx looks into it */

    registry->keys.pool = temp_pool;
    registry->keys.temp_pool = temp_pool;

    if (ngx_hash_keys_array_init(&registry->keys, NGX_HASH_SMALL) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ctx->main_conf[ngx_http_core_module.ctx_index];
    umcf = ctx->main_conf[ngx_http_upstream_module.ctx_index];

    registry->variables = cmcf->variables.nelts;
    registry->prefix_variables = cmcf->prefix_variables.nelts;
    registry->ncaptures = cmcf->ncaptures;
    registry->upstreams = umcf->upstreams.nelts;
    registry->paths = cycle->paths.nelts;

    ngx_http_k8s_list_mark(&cycle->open_files, &registry->files);
    ngx_http_k8s_list_mark(&cycle->shared_memory, &registry->zones);

    cmcf->variables_keys = &registry->keys;

    /* from 0, it tells the groups of the expressions that are compiled */

    cmcf->ncaptures = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_registry_end(ngx_http_k8s_registry_t *registry, char **what)
{
    ngx_cycle_t                    *cycle;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_upstream_main_conf_t  *umcf;

    cycle = registry->cycle;
    cmcf = registry->ctx->main_conf[ngx_http_core_module.ctx_index];
    umcf = registry->ctx->main_conf[ngx_http_upstream_module.ctx_index];

    *what = NULL;

    if (cmcf->ncaptures > NGX_HTTP_K8S_CAPTURES) {
        *what = "a regular expression with more than 9 groups";
    }

    cmcf->ncaptures = registry->ncaptures;

    if (registry->keys.keys.nelts
        || ngx_http_k8s_array_reset(&cmcf->prefix_variables,
                                    registry->prefix_variables))
    {
        *what = "a variable of its own";
    }

    cmcf->variables_keys = NULL;

    if (ngx_http_k8s_array_reset(&cmcf->variables, registry->variables)) {
        *what = "a variable that nothing else uses";
    }

    if (ngx_http_k8s_array_reset(&umcf->upstreams, registry->upstreams)) {
        *what = "an upstream of its own";
    }

    if (ngx_http_k8s_array_reset(&cycle->paths, registry->paths)) {
        *what = "a folder";
    }

    if (ngx_http_k8s_list_reset(&cycle->open_files, &registry->files)) {
        *what = "an open file";
    }

    if (ngx_http_k8s_list_reset(&cycle->shared_memory, &registry->zones)) {
        *what = "a zone";
    }

    return *what ? NGX_DECLINED : NGX_OK;
}


void
ngx_http_k8s_registry_captures(ngx_conf_t *cf)
{
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    /* as ngx_http_core_init_main_conf() */

    cmcf->ncaptures = ngx_max(cmcf->ncaptures, (NGX_HTTP_K8S_CAPTURES + 1) * 3);
}


static void
ngx_http_k8s_list_mark(ngx_list_t *list, ngx_http_k8s_list_mark_t *mark)
{
    mark->last = list->last;
    mark->nelts = list->last->nelts;
}


static ngx_uint_t
ngx_http_k8s_list_reset(ngx_list_t *list, ngx_http_k8s_list_mark_t *mark)
{
    if (list->last == mark->last && list->last->nelts == mark->nelts) {
        return 0;
    }

    list->last = mark->last;
    list->last->nelts = mark->nelts;
    list->last->next = NULL;

    return 1;
}


static ngx_uint_t
ngx_http_k8s_array_reset(ngx_array_t *a, ngx_uint_t n)
{
    if (a->nelts == n) {
        return 0;
    }

    a->nelts = n;

    return 1;
}


ngx_command_t *
ngx_http_k8s_profile_command(ngx_cycle_t *cycle, ngx_str_t *name,
    ngx_module_t **module)
{
    ngx_uint_t      m;
    ngx_command_t  *cmd;

    for (m = 0; cycle->modules[m]; m++) {

        if (cycle->modules[m]->type != NGX_HTTP_MODULE
            || cycle->modules[m]->commands == NULL)
        {
            continue;
        }

        for (cmd = cycle->modules[m]->commands; cmd->name.len; cmd++) {

            if (cmd->name.len == name->len
                && ngx_strncmp(cmd->name.data, name->data, name->len) == 0
                && (cmd->type & NGX_HTTP_LOC_CONF))
            {
                *module = cycle->modules[m];
                return cmd;
            }
        }
    }

    return NULL;
}
