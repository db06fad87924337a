
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_protocol.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_snippet.h>


typedef struct {
    ngx_str_t                name;
    ngx_str_t                begin;      /* of its last argument; of a
                                            module's directives */
} ngx_http_k8s_directive_t;


static ngx_int_t ngx_http_k8s_profile_run(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *parent, ngx_array_t *tokens, ngx_str_t *error);
static ngx_uint_t ngx_http_k8s_profile_proxied(ngx_array_t *tokens);
static void ngx_http_k8s_profile_writer(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);
static void ngx_http_k8s_profile_failed(ngx_str_t *error, const char *fmt, ...);
static void ngx_http_k8s_profile_absent(ngx_str_t *error, ngx_str_t *name);
static ngx_int_t ngx_http_k8s_profile_confs(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_profile_set(ngx_conf_t *cf, ngx_array_t *args,
    ngx_str_t *error);
static ngx_uint_t ngx_http_k8s_profile_allowed(ngx_array_t *args);
static ngx_uint_t ngx_http_k8s_profile_takes(ngx_command_t *cmd,
    ngx_uint_t nelts);
static ngx_int_t ngx_http_k8s_profile_merge(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *parent, ngx_http_conf_ctx_t *ctx, ngx_str_t *error);
static ngx_array_t *ngx_http_k8s_profile_copy(ngx_pool_t *pool,
    ngx_array_t *tokens);
static void ngx_http_k8s_profile_let_go(void *data);
static void ngx_http_k8s_profile_free(ngx_event_t *ev);


/* what is safe beside the directives of the table of policies */

static ngx_http_k8s_directive_t  ngx_http_k8s_profile_directives[] = {
    { ngx_string("proxy_pass"), ngx_string("http://") },
    { ngx_string("proxy_pass"), ngx_string("https://k8s_ingress") },
    { ngx_string("proxy_pass"), ngx_string("$scheme://k8s_ingress") },
    { ngx_string("grpc_pass"), ngx_string("grpc://k8s_ingress") },
    { ngx_string("grpc_pass"), ngx_string("grpcs://k8s_ingress") },
    { ngx_string("grpc_buffer_size"), ngx_string("") },
    { ngx_string("fastcgi_pass"), ngx_string("k8s_ingress") },
    { ngx_string("fastcgi_param"), ngx_string("") },
    { ngx_string("proxy_pass"), ngx_string("$k8s_auth_url") },
    { ngx_string("proxy_method"), ngx_string("$k8s_auth_method") },
    { ngx_string("proxy_pass_request_body"), ngx_string("off") },
    { ngx_string("proxy_cache"), ngx_string("off") },
    { ngx_string("proxy_store"), ngx_string("off") },
    { ngx_string("proxy_ssl_server_name"), ngx_string("on") },
    { ngx_string("proxy_ssl_name"), ngx_string("$k8s_auth_host") },
    { ngx_string("proxy_ignore_headers"), ngx_string("") },
    { ngx_string("access_log"), ngx_string("off") },
    { ngx_string("log_subrequest"), ngx_string("on") },
    { ngx_string("error_page"), ngx_string("@k8s_ingress_error") },
    { ngx_string("real_ip_header"), ngx_string("") },
    { ngx_string("real_ip_recursive"), ngx_string("") },
    { ngx_string("set_real_ip_from"), ngx_string("") },
    { ngx_null_string, ngx_null_string }
};


/* modules that are packaged apart from nginx, by how their directives begin */

static ngx_http_k8s_directive_t  ngx_http_k8s_profile_modules[] = {
    { ngx_string("ngx_http_brotli_filter_module"), ngx_string("brotli") },
    { ngx_null_string, ngx_null_string }
};


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
ngx_http_k8s_profile_build(ngx_cycle_t *cycle, ngx_pool_t *pool,
    ngx_http_conf_ctx_t *parent, ngx_array_t *tokens, ngx_str_t *error)
{
    ngx_int_t             rc;
    ngx_log_t            *log, *pool_log;
    ngx_uint_t            use_stderr;
    ngx_conf_t            cf;
    ngx_conf_file_t       file;
    ngx_http_conf_ctx_t  *ctx;

    error->len = 0;

    ctx = ngx_pcalloc(pool, sizeof(ngx_http_conf_ctx_t));
    log = ngx_pcalloc(pool, sizeof(ngx_log_t));

    if (ctx == NULL || log == NULL) {
        return NULL;
    }

    ctx->main_conf = parent->main_conf;
    ctx->srv_conf = parent->srv_conf;

    /* setters log what is wrong, and some of them read the file's name */

    log->log_level = NGX_LOG_ERR;
    log->writer = ngx_http_k8s_profile_writer;
    log->wdata = error;

    ngx_memzero(&file, sizeof(ngx_conf_file_t));
    file.file.fd = NGX_INVALID_FILE;
    ngx_str_set(&file.file.name, "k8s_ingress");

    ngx_memzero(&cf, sizeof(ngx_conf_t));
    cf.name = "k8s_ingress";
    cf.cycle = cycle;
    cf.pool = pool;
    cf.log = log;
    cf.conf_file = &file;
    cf.ctx = ctx;
    cf.module_type = NGX_HTTP_MODULE;
    cf.cmd_type = NGX_HTTP_LOC_CONF;

    cf.temp_pool = ngx_create_pool(NGX_CYCLE_POOL_SIZE, cycle->log);
    if (cf.temp_pool == NULL) {
        return NULL;
    }

    use_stderr = ngx_use_stderr;
    ngx_use_stderr = 0;

    /* hashes log to their pool's */

    pool_log = pool->log;
    pool->log = log;

    rc = ngx_http_k8s_profile_run(&cf, parent, tokens, error);

    pool->log = pool_log;
    ngx_use_stderr = use_stderr;

    ngx_destroy_pool(cf.temp_pool);

    /* something may have kept it */

    *log = *cycle->log;

    return (rc == NGX_OK) ? ctx->loc_conf : NULL;
}


static ngx_int_t
ngx_http_k8s_profile_run(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    ngx_array_t *tokens, ngx_str_t *error)
{
    char                       *what;
    ngx_int_t                   rc;
    ngx_uint_t                  i, running;
    ngx_array_t               **args;
    ngx_http_conf_ctx_t        *ctx;
    ngx_http_k8s_registry_t     registry;
    ngx_http_core_main_conf_t  *cmcf;

    ctx = cf->ctx;
    cmcf = ctx->main_conf[ngx_http_core_module.ctx_index];

    running = (cmcf->variables_keys == NULL);

    if (running
        && ngx_http_k8s_registry_begin(&registry, cf->cycle, ctx,
                                       cf->temp_pool)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_k8s_profile_confs(cf, ctx);

    args = tokens->elts;

    for (i = 0; rc == NGX_OK && i < tokens->nelts; i++) {
        rc = ngx_http_k8s_profile_set(cf, args[i], error);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_profile_merge(cf, parent, ctx, error);
    }

    if (rc == NGX_OK && ngx_http_k8s_profile_proxied(tokens)
        && ngx_http_k8s_plan(cf, parent->loc_conf, ctx->loc_conf) == NGX_ERROR)
    {
        rc = NGX_ERROR;
    }

    if (running && ngx_http_k8s_registry_end(&registry, &what) != NGX_OK) {

        if (rc == NGX_OK) {
            ngx_http_k8s_profile_failed(error, "it needs %s, which cannot be "
                                        "had without a reload", what);
        }

        return NGX_ERROR;
    }

    return rc;
}


/* the first directive is the one that passes */

static ngx_uint_t
ngx_http_k8s_profile_proxied(ngx_array_t *tokens)
{
    ngx_str_t     *name;
    ngx_array_t  **args;

    static ngx_str_t  proxy_pass = ngx_string("proxy_pass");

    args = tokens->elts;
    name = args[0]->elts;

    return name->len == proxy_pass.len
           && ngx_strncmp(name->data, proxy_pass.data, name->len) == 0;
}


/* keeps the first message, without its time, process and place */

static void
ngx_http_k8s_profile_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    u_char     *p, *last;
    ngx_str_t  *error;

    static ngx_str_t  place = ngx_string(" in command line");

    error = log->wdata;

    if (error->len) {
        return;
    }

    last = buf + len;

    while (last > buf && (last[-1] == LF || last[-1] == CR)) {
        last--;
    }

    /* "TIME [LEVEL] PID#TID: " */

    p = ngx_strlchr(buf, last, '#');
    p = p ? ngx_strlchr(p, last, ' ') : NULL;
    p = p ? p + 1 : buf;

    if ((size_t) (last - p) > place.len
        && ngx_memcmp(last - place.len, place.data, place.len) == 0)
    {
        last -= place.len;
    }

    ngx_http_k8s_profile_failed(error, "%*s", (size_t) (last - p), p);
}


static void
ngx_http_k8s_profile_failed(ngx_str_t *error, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    error->len = ngx_vslprintf(error->data,
                               error->data + NGX_HTTP_K8S_PROFILE_ERROR, fmt,
                               args)
                 - error->data;
    va_end(args);
}


static void
ngx_http_k8s_profile_absent(ngx_str_t *error, ngx_str_t *name)
{
    ngx_http_k8s_directive_t  *module;

    for (module = ngx_http_k8s_profile_modules; module->name.len; module++) {

        if (name->len >= module->begin.len
            && ngx_strncmp(name->data, module->begin.data, module->begin.len)
               == 0)
        {
            ngx_http_k8s_profile_failed(error, "nginx has no directive "
                                        "\"%V\": write \"load_module "
                                        "modules/%V.so;\" at the beginning of "
                                        "nginx.conf", name, &module->name);
            return;
        }
    }

    ngx_http_k8s_profile_failed(error, "nginx has no directive \"%V\": build "
                                "it with the module", name);
}


static ngx_int_t
ngx_http_k8s_profile_confs(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx)
{
    void                      *conf;
    ngx_uint_t                 m;
    ngx_http_module_t         *module;
    ngx_http_core_loc_conf_t  *clcf;

    ctx->loc_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (ctx->loc_conf == NULL) {
        return NGX_ERROR;
    }

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
ngx_http_k8s_profile_set(ngx_conf_t *cf, ngx_array_t *args, ngx_str_t *error)
{
    char           *rv;
    void           *conf, **confp;
    ngx_str_t      *name;
    ngx_module_t   *module;
    ngx_command_t  *cmd;

    name = args->elts;

    cmd = ngx_http_k8s_profile_command(cf->cycle, name, &module);

    if (cmd == NULL) {

        /* what is not there is off */

        if (args->nelts == 2 && name[1].len == sizeof("off") - 1
            && ngx_strncmp(name[1].data, "off", name[1].len) == 0)
        {
            return NGX_OK;
        }

        ngx_http_k8s_profile_absent(error, name);
        return NGX_ERROR;
    }

    if ((cmd->type & NGX_CONF_BLOCK)
        || !ngx_http_k8s_profile_allowed(args)
        || !ngx_http_k8s_profile_takes(cmd, args->nelts))
    {
        ngx_http_k8s_profile_failed(error, "directive \"%V\" cannot be set",
                                    name);
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
        ngx_http_k8s_profile_failed(error, "directive \"%V\" %s", name, rv);
    }

    return NGX_ERROR;
}


static ngx_uint_t
ngx_http_k8s_profile_allowed(ngx_array_t *args)
{
    ngx_str_t                 *arg;
    ngx_http_k8s_directive_t  *d;

    arg = args->elts;

    if (ngx_k8s_policy_directive(&arg[0])
        || ngx_http_k8s_protocol_directive(&arg[0])
        || ngx_k8s_snippet_token(&arg[0]))
    {
        return 1;
    }

    for (d = ngx_http_k8s_profile_directives; d->name.len; d++) {

        if (d->name.len == arg[0].len
            && ngx_strncmp(d->name.data, arg[0].data, arg[0].len) == 0
            && ngx_strncmp(arg[args->nelts - 1].data, d->begin.data,
                           d->begin.len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
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
    ngx_http_conf_ctx_t *ctx, ngx_str_t *error)
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
                ngx_http_k8s_profile_failed(error, "%s", rv);
            }

            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_http_k8s_profile_t *
ngx_http_k8s_profile_create(ngx_http_conf_ctx_t *parent, ngx_array_t *tokens,
    ngx_str_t *error)
{
    ngx_log_t               *log;
    ngx_pool_t              *pool;
    ngx_http_k8s_profile_t  *profile;

    log = ngx_cycle->log;
    error->len = 0;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    profile = ngx_pcalloc(pool, sizeof(ngx_http_k8s_profile_t));
    if (profile == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    profile->pool = pool;
    profile->refs = 1;

    profile->release.handler = ngx_http_k8s_profile_free;
    profile->release.data = profile;
    profile->release.log = log;

    profile->protocol = ngx_http_k8s_profile_protocol(tokens);

    tokens = ngx_http_k8s_profile_copy(pool, tokens);

    if (tokens == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    profile->loc_conf = ngx_http_k8s_profile_build((ngx_cycle_t *) ngx_cycle,
                                                   pool, parent, tokens, error);
    if (profile->loc_conf == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    profile->ctx = *parent;
    profile->ctx.loc_conf = profile->loc_conf;

    return profile;
}


ngx_int_t
ngx_http_k8s_profile_beside(ngx_http_k8s_profile_t *base,
    ngx_http_k8s_profile_t **other, ngx_array_t *tokens)
{
    u_char               buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t            error;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(base->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    error.data = buf;

    *other = ngx_http_k8s_profile_create(&base->ctx, tokens, &error);
    if (*other == NULL) {
        return error.len ? NGX_OK : NGX_ERROR;
    }

    cln->handler = ngx_http_k8s_profile_let_go;
    cln->data = *other;

    return NGX_OK;
}


/* configurations point into their tokens */

static ngx_array_t *
ngx_http_k8s_profile_copy(ngx_pool_t *pool, ngx_array_t *tokens)
{
    ngx_str_t     *arg, *dst;
    ngx_uint_t     i, n;
    ngx_array_t   *copy, **args, **token;

    copy = ngx_array_create(pool, tokens->nelts, sizeof(ngx_array_t *));
    if (copy == NULL) {
        return NULL;
    }

    args = tokens->elts;

    for (i = 0; i < tokens->nelts; i++) {

        token = ngx_array_push(copy);
        if (token == NULL) {
            return NULL;
        }

        *token = ngx_array_create(pool, args[i]->nelts, sizeof(ngx_str_t));
        if (*token == NULL) {
            return NULL;
        }

        arg = args[i]->elts;

        for (n = 0; n < args[i]->nelts; n++) {

            dst = ngx_array_push(*token);
            if (dst == NULL) {
                return NULL;
            }

            dst->len = arg[n].len;
            dst->data = ngx_pnalloc(pool, arg[n].len + 1);
            if (dst->data == NULL) {
                return NULL;
            }

            *ngx_cpymem(dst->data, arg[n].data, arg[n].len) = '\0';
        }
    }

    return copy;
}


void
ngx_http_k8s_profile_use(ngx_http_k8s_profile_t **of,
    ngx_http_k8s_profile_t *profile, ngx_http_request_t *r)
{
    profile->refs++;

    if (*of) {
        ngx_http_k8s_profile_release(*of);
    }

    *of = profile;

    r->loc_conf = profile->loc_conf;
}


ngx_int_t
ngx_http_k8s_profile_hold(ngx_pool_t *pool, ngx_http_k8s_profile_t *profile)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    profile->refs++;

    cln->handler = ngx_http_k8s_profile_let_go;
    cln->data = profile;

    return NGX_OK;
}


static void
ngx_http_k8s_profile_let_go(void *data)
{
    ngx_http_k8s_profile_release(data);
}


void
ngx_http_k8s_profile_release(ngx_http_k8s_profile_t *profile)
{
    if (--profile->refs == 0) {
        ngx_post_event(&profile->release, &ngx_posted_next_events);
    }
}


static void
ngx_http_k8s_profile_free(ngx_event_t *ev)
{
    ngx_http_k8s_profile_t  *profile = ev->data;

    if (profile->base) {
        ngx_http_k8s_profile_release(profile->base);
    }

    ngx_destroy_pool(profile->pool);
}
