
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Directives of nginx.conf which ingress-nginx's defaults shadow: what the
 * parent of a profile says, unless it is nginx's own default or the same as in
 * the profile, is named in a warning.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_k8s_policy.h>


#define NGX_HTTP_K8S_SHADOW_NAMES    1024


typedef struct {
    char                  *(*set)(ngx_conf_t *cf, ngx_command_t *cmd,
                               void *conf);
    size_t                   size;       /* of what it sets */
} ngx_http_k8s_slot_t;


static void **ngx_http_k8s_shadow_plain(ngx_conf_t *cf, ngx_module_t *module,
    void **plain);
static ngx_uint_t ngx_http_k8s_shadow_differs(ngx_command_t *cmd, void *parent,
    void *plain, void *profile);


/* setters that write a plain value, or a pointer, and nothing else */

static ngx_http_k8s_slot_t  ngx_http_k8s_slots[] = {
    { ngx_conf_set_flag_slot, sizeof(ngx_flag_t) },
    { ngx_conf_set_num_slot, sizeof(ngx_int_t) },
    { ngx_conf_set_size_slot, sizeof(size_t) },
    { ngx_conf_set_off_slot, sizeof(off_t) },
    { ngx_conf_set_msec_slot, sizeof(ngx_msec_t) },
    { ngx_conf_set_enum_slot, sizeof(ngx_uint_t) },
    { ngx_conf_set_bitmask_slot, sizeof(ngx_uint_t) },
    { ngx_conf_set_bufs_slot, sizeof(ngx_bufs_t) },
    { ngx_conf_set_keyval_slot, sizeof(ngx_array_t *) },
    { NULL, 0 }
};


ngx_int_t
ngx_http_k8s_shadow(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    void **profile, u_char *file, ngx_uint_t line)
{
    u_char          *p, *last;
    void           **plain;
    ngx_str_t        before;
    ngx_uint_t       mi;
    ngx_module_t    *module;
    ngx_command_t   *cmd;
    ngx_k8s_row_t   *row;
    u_char           names[NGX_HTTP_K8S_SHADOW_NAMES];

    plain = ngx_pcalloc(cf->temp_pool, sizeof(void *) * ngx_http_max_module);
    if (plain == NULL) {
        return NGX_ERROR;
    }

    p = names;
    last = names + NGX_HTTP_K8S_SHADOW_NAMES;
    ngx_str_null(&before);

    for (row = ngx_k8s_rows; row->note.data; row++) {

        /* rows of one directive follow each other */

        if (row->directive.len == 0
            || !(row->flags & NGX_K8S_API_INGRESS)
            || (row->directive.len == before.len
                && ngx_strncmp(row->directive.data, before.data, before.len)
                   == 0))
        {
            continue;
        }

        before = row->directive;

        cmd = ngx_http_k8s_profile_command(cf->cycle, &row->directive,
                                           &module);
        if (cmd == NULL) {
            continue;
        }

        mi = module->ctx_index;

        if (ngx_http_k8s_shadow_plain(cf, module, plain) == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_k8s_shadow_differs(cmd, parent->loc_conf[mi], plain[mi],
                                        profile[mi]))
        {
            p = ngx_slprintf(p, last, "%s\"%V\"", p == names ? "" : ", ",
                             &row->directive);
        }
    }

    if (p != names) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"k8s_ingress_pass\" in %s:%ui does not heed %*s of "
                      "nginx.conf, as ingress-nginx's defaults hold: remove "
                      "what is not heeded, or write \"defaults nginx;\" in "
                      "the k8s_ingress block",
                      file, line, (size_t) (p - names), names);
    }

    return NGX_OK;
}


/* a module's location configuration in which nothing is set, made once */

static void **
ngx_http_k8s_shadow_plain(ngx_conf_t *cf, ngx_module_t *module, void **plain)
{
    char               *rv;
    void               *root, *conf;
    ngx_list_t          files;
    ngx_array_t         paths;
    ngx_http_module_t  *ctx;

    if (plain[module->ctx_index]) {
        return plain;
    }

    ctx = module->ctx;

    if (ctx->create_loc_conf == NULL || ctx->merge_loc_conf == NULL) {
        return NULL;
    }

    root = ctx->create_loc_conf(cf);
    conf = ctx->create_loc_conf(cf);

    if (root == NULL || conf == NULL) {
        return NULL;
    }

    /*
     * A merge adds default folders and a default log, which would be made at
     * the start, and may be other ones than those of the configuration.
     */

    paths = cf->cycle->paths;
    files = cf->cycle->open_files;

    if (ngx_array_init(&cf->cycle->paths, cf->temp_pool, 4,
                       sizeof(ngx_path_t *))
        != NGX_OK
        || ngx_list_init(&cf->cycle->open_files, cf->temp_pool, 4,
                         sizeof(ngx_open_file_t))
           != NGX_OK)
    {
        cf->cycle->paths = paths;
        cf->cycle->open_files = files;
        return NULL;
    }

    rv = ctx->merge_loc_conf(cf, root, conf);

    cf->cycle->paths = paths;
    cf->cycle->open_files = files;

    if (rv != NGX_CONF_OK) {
        return NULL;
    }

    plain[module->ctx_index] = conf;

    return plain;
}


static ngx_uint_t
ngx_http_k8s_shadow_differs(ngx_command_t *cmd, void *parent, void *plain,
    void *profile)
{
    u_char               *p;
    ngx_http_k8s_slot_t  *slot;

    for (slot = ngx_http_k8s_slots; slot->set; slot++) {

        if (slot->set == cmd->set) {
            p = (u_char *) parent + cmd->offset;

            return ngx_memcmp(p, (u_char *) plain + cmd->offset, slot->size)
                   != 0
                   && ngx_memcmp(p, (u_char *) profile + cmd->offset,
                                 slot->size)
                      != 0;
        }
    }

    return 0;
}
