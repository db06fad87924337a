
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_balancer.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_hasher.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_protocol.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_http_k8s_template.h>
#include <ngx_http_k8s_variables.h>
#include <ngx_k8s_policy.h>


static char *ngx_http_k8s_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static void *ngx_http_k8s_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_k8s_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_k8s_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_k8s_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_k8s_init_pass(ngx_conf_t *cf,
    ngx_http_k8s_pass_t *pass);
static ngx_int_t ngx_http_k8s_init_listens(ngx_conf_t *cf,
    ngx_k8s_block_t *block, ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_k8s_init_profiles(ngx_conf_t *cf,
    ngx_http_k8s_pass_t *pass);
static ngx_int_t ngx_http_k8s_init_process(ngx_cycle_t *cycle);
static void ngx_http_k8s_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_k8s_module_commands[] = {

    { ngx_string("k8s_ingress_pass"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_k8s_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_k8s_module_ctx = {
    ngx_http_k8s_add_variables,            /* preconfiguration */
    ngx_http_k8s_init,                     /* postconfiguration */

    ngx_http_k8s_create_main_conf,         /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_k8s_create_loc_conf,          /* create location configuration */
    ngx_http_k8s_merge_loc_conf            /* merge location configuration */
};


ngx_module_t  ngx_http_k8s_module = {
    NGX_MODULE_V1,
    &ngx_http_k8s_module_ctx,              /* module context */
    ngx_http_k8s_module_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_k8s_init_process,             /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_k8s_exit_process,             /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_k8s_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_k8s_loc_conf_t  *klcf = conf;

    ngx_str_t                 *value;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_k8s_main_conf_t  *kmcf;

    if (klcf->pass != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    klcf->pass = 1;

    if (cf->args->nelts == 2) {
        value = cf->args->elts;
        klcf->name = value[1];
    }

    klcf->location = (cf->cmd_type == NGX_HTTP_LOC_CONF);

#if (NGX_HTTP_SSL)

    if (ngx_http_k8s_ssl_pass(cf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

#endif

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_module);

    pass = ngx_array_push(&kmcf->passes);
    if (pass == NULL) {
        return NGX_CONF_ERROR;
    }

    pass->conf = klcf;
    pass->ctx = cf->ctx;
    pass->file = cf->conf_file->file.name.data;
    pass->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


static void *
ngx_http_k8s_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_main_conf_t));
    if (kmcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     kmcf->rewrite = NULL;
     *     kmcf->realip = NULL;
     *     kmcf->log = NULL;
     *     kmcf->client_id = 0;
     *     kmcf->request_id = 0;
     *     kmcf->forwarded_for = 0;
     *     kmcf->remote_user = 0;
     *     kmcf->ids = { 0 };
     *     kmcf->mirrors = 0;
     *     kmcf->mirrors_memory = 0;
     *     kmcf->mirrors_files = 0;
     *     kmcf->mirrors_failed = 0;
     *     kmcf->mirrors_told = 0;
     *     kmcf->check = { 0 };
     *     kmcf->dummy = { 0 };
     */

    if (ngx_array_init(&kmcf->passes, cf->pool, 4,
                       sizeof(ngx_http_k8s_pass_t))
        != NGX_OK)
    {
        return NULL;
    }

    return kmcf;
}


static void *
ngx_http_k8s_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_k8s_loc_conf_t  *klcf;

    klcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_loc_conf_t));
    if (klcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     all but the following
     */

    klcf->pass = NGX_CONF_UNSET;

    return klcf;
}


static char *
ngx_http_k8s_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_k8s_loc_conf_t  *prev = parent;
    ngx_http_k8s_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* a pass is inherited by "if" and "limit_except", as proxy_pass is */

    if (conf->pass == NGX_CONF_UNSET && clcf->noname) {
        conf->outer = prev->outer ? prev->outer
                                  : (prev->pass == 1 ? prev : NULL);
    }

    if (conf->pass == NGX_CONF_UNSET) {
        conf->pass = 0;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_k8s_init(ngx_conf_t *cf)
{
    ngx_uint_t                 i;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_module);

    if (kmcf->passes.nelts == 0) {
        return NGX_OK;
    }

    if (ngx_http_k8s_index_variables(cf, kmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    pass = kmcf->passes.elts;

    for (i = 0; i < kmcf->passes.nelts; i++) {
        if (ngx_http_k8s_init_pass(cf, &pass[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_k8s_registry_captures(cf);
    ngx_http_k8s_headers_init();

    return ngx_http_k8s_phases_init(cf);
}


static ngx_int_t
ngx_http_k8s_init_pass(ngx_conf_t *cf, ngx_http_k8s_pass_t *pass)
{
    ngx_http_core_srv_conf_t  *cscf;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_k8s_loc_conf_t   *klcf;

    klcf = pass->conf;
    cscf = pass->ctx->srv_conf[ngx_http_core_module.ctx_index];
    clcf = pass->ctx->loc_conf[ngx_http_core_module.ctx_index];

    klcf->block = ngx_k8s_block(cf, &klcf->name);

    if (klcf->block == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_ingress_pass\" in %s:%ui names no block: "
                      "there is no \"k8s_ingress%s%V { }\" in http { }, "
                      "add it or correct the name",
                      pass->file, pass->line, klcf->name.len ? " " : "",
                      &klcf->name);
        return NGX_ERROR;
    }

    if (clcf->handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_ingress_pass\" in %s:%ui stands beside another "
                      "handler of the same location, remove one of them",
                      pass->file, pass->line);
        return NGX_ERROR;
    }

    klcf->block->regex = ngx_http_k8s_regex_check;
    klcf->block->variable = ngx_http_k8s_variable_known;

    klcf->late = (klcf->location
                  || clcf->static_locations
#if (NGX_PCRE)
                  || clcf->regex_locations
#endif
                  );

    if (ngx_http_k8s_init_listens(cf, klcf->block, cscf) != NGX_OK
        || ngx_http_k8s_init_profiles(cf, pass) != NGX_OK
        || ngx_http_k8s_base_protocols(cf, klcf) != NGX_OK
        || ngx_http_k8s_error_init(cf, pass) != NGX_OK
        || ngx_http_k8s_auth_init(cf, pass) != NGX_OK
        || ngx_http_k8s_policies_init(cf, klcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (klcf->block->defaults == NGX_K8S_DEFAULTS_INGRESS_NGINX
        && ngx_http_k8s_shadow(cf, pass->ctx, klcf->builtin->loc_conf,
                               pass->file, pass->line)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (klcf->late) {

        /* the profile's own limit is checked when it is known */

        clcf->client_max_body_size = 0;
    }

#if (NGX_HTTP_SSL)

    if (ngx_http_k8s_ssl_server(cf, cscf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_ssl_keys_init(cf, klcf);

#else

    return NGX_OK;

#endif
}


/* addresses of the server with a pass; the watcher has them from the block */

static ngx_int_t
ngx_http_k8s_init_listens(ngx_conf_t *cf, ngx_k8s_block_t *block,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                   p, a, s;
    ngx_k8s_listen_t            *l, listen;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return NGX_OK;
    }

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        addr = port[p].addrs.elts;
        for (a = 0; a < port[p].addrs.nelts; a++) {

            cscfp = addr[a].servers.elts;
            for (s = 0; s < addr[a].servers.nelts; s++) {
                if (cscfp[s] == cscf) {
                    break;
                }
            }

            if (s == addr[a].servers.nelts
                || ngx_k8s_listen_init(&listen, addr[a].opt.sockaddr)
                   != NGX_OK)
            {
                continue;
            }

            listen.http = 1;
            listen.ssl = addr[a].opt.ssl;
            listen.udp = (port[p].type == SOCK_DGRAM);
            listen.ours = 1;
            listen.proxy = addr[a].opt.proxy_protocol;
            listen.http2 = addr[a].opt.http2;
#if (NGX_HAVE_REUSEPORT)
            listen.reuseport = addr[a].opt.reuseport;
#endif
#if (NGX_HAVE_INET6)
            listen.mapped = (listen.family == 6 && !addr[a].opt.ipv6only);
#endif

            l = ngx_array_push(&block->listens);
            if (l == NULL) {
                return NGX_ERROR;
            }

            *l = listen;
        }
    }

    return NGX_OK;
}


/* the builtin, and the one of answers to health checks */

static ngx_int_t
ngx_http_k8s_init_profiles(ngx_conf_t *cf, ngx_http_k8s_pass_t *pass)
{
    u_char                    buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                 upstream, directive, arguments, error;
    ngx_array_t              *tokens;
    ngx_http_k8s_loc_conf_t  *klcf;

    klcf = pass->conf;
    klcf->ctx = *pass->ctx;
    klcf->block->build = ngx_http_k8s_policy_build;
    klcf->block->running = ngx_http_k8s_running;

    if (ngx_http_k8s_upstream_add(cf, klcf->block, &upstream) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_protocol_urls(cf, klcf, &upstream) != NGX_OK) {
        return NGX_ERROR;
    }

    tokens = ngx_http_k8s_base_tokens(klcf, cf->pool, NULL,
                                      NGX_K8S_BACKEND_HTTP);
    if (tokens == NULL) {
        return NGX_ERROR;
    }

    klcf->protocol = ngx_http_k8s_profile_protocol(tokens);

    error.data = buf;

    if (ngx_http_k8s_base_builtin(cf, klcf, tokens, &error) == NULL) {
        goto failed;
    }

    ngx_str_set(&directive, "access_log");
    ngx_str_set(&arguments, "off");

    if (ngx_k8s_tokens_add(cf->pool, tokens, &directive, &arguments)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    klcf->health_conf = ngx_http_k8s_profile_build(cf->cycle, cf->pool,
                                                   &klcf->ctx, tokens, &error);
    if (klcf->health_conf == NULL) {
        goto failed;
    }

    return NGX_OK;

failed:

    if (error.len) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "settings of \"k8s_ingress_pass\" in %s:%ui: %V",
                      pass->file, pass->line, &error);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_k8s_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t         i;
    ngx_array_t       *blocks;
    ngx_k8s_block_t  **block;

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    blocks = ngx_k8s_blocks(cycle);
    if (blocks == NULL) {
        return NGX_OK;
    }

    block = blocks->elts;

    for (i = 0; i < blocks->nelts; i++) {

        if (ngx_http_k8s_balancer_init(block[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }

#if (NGX_HTTP_SSL)
        if (ngx_http_k8s_ssl_init(block[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }
#endif
    }

    ngx_http_k8s_base_init(cycle);

    return NGX_OK;
}


static void
ngx_http_k8s_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t         i;
    ngx_array_t       *blocks;
    ngx_k8s_block_t  **block;

    blocks = ngx_k8s_blocks(cycle);
    if (blocks == NULL) {
        return;
    }

    ngx_http_k8s_hasher_done(cycle);

    block = blocks->elts;

    for (i = 0; i < blocks->nelts; i++) {

        ngx_http_k8s_balancer_done(block[i]);

#if (NGX_HTTP_SSL)
        ngx_http_k8s_ssl_done(block[i]);
#endif
    }
}
