
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


static ngx_int_t ngx_http_k8s_server_rewrite_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_rewrite_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_check_length(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_log_handler(ngx_http_request_t *r);
static void ngx_http_k8s_cleanup(void *data);

static char *ngx_http_k8s_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static void *ngx_http_k8s_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_k8s_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_k8s_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_k8s_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_k8s_init_pass(ngx_conf_t *cf,
    ngx_http_k8s_pass_t *pass);
static ngx_int_t ngx_http_k8s_init_headers(ngx_conf_t *cf,
    ngx_http_k8s_loc_conf_t *klcf);
static ngx_int_t ngx_http_k8s_init_phases(ngx_conf_t *cf);
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


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


/*
 * A server without locations: the profile set here survives the search for a
 * location, so that nginx itself holds the profile's body limit.
 */

static ngx_int_t
ngx_http_k8s_server_rewrite_handler(ngx_http_request_t *r)
{
    ngx_http_k8s_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);

    if (klcf->outer) {
        klcf = klcf->outer;
    }

    if (klcf->block == NULL || klcf->late) {
        return NGX_DECLINED;
    }

    /* an internal redirect goes where the administrator sent it */

    if (r->internal || r != r->main) {
        return NGX_DECLINED;
    }

    return ngx_http_k8s_route(r, klcf);
}


/*
 * All other passes: stands in the place of the rewrite module's handler, which
 * would not run for a server's null location were there any handler behind it.
 */

static ngx_int_t
ngx_http_k8s_rewrite_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_k8s_ctx_t        *ctx;
    ngx_http_k8s_loc_conf_t   *klcf;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

    if (kmcf->rewrite) {
        rc = kmcf->rewrite(r);

        if (rc != NGX_DECLINED || r->uri_changed) {
            return rc;
        }
    }

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);

    if (klcf->outer) {
        klcf = klcf->outer;
    }

    if (klcf->block == NULL || !klcf->late) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_k8s_ctx(r);

    if (r != r->main || (ctx && ctx->routed)) {

        /* routed once; an error page must not lead to a tenant's backend */

        return klcf->location ? NGX_HTTP_NOT_FOUND : NGX_DECLINED;
    }

    rc = ngx_http_k8s_route(r, klcf);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    return ngx_http_k8s_check_length(r);
}


/* what the search for a location did before the profile was known */

static ngx_int_t
ngx_http_k8s_check_length(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->headers_in.content_length_n != -1
        && !r->discard_body
        && clcf->client_max_body_size
        && clcf->client_max_body_size < r->headers_in.content_length_n)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "client intended to send too large body: %O bytes",
                      r->headers_in.content_length_n);

        r->expect_tested = 1;
        (void) ngx_http_discard_request_body(r);

        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t                i;
    ngx_list_part_t          *part;
    ngx_table_elt_t          *h;
    ngx_http_k8s_ctx_t       *ctx;
    ngx_http_k8s_loc_conf_t  *klcf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_k8s_ctx(r);

    if (ctx && ctx->routed) {
        klcf = ctx->conf;

    } else {
        ctx = NULL;
        klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);
    }

    if (klcf->block == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (!klcf->server_header && r->headers_out.server == NULL) {

        /* not in the list of headers: only keeps nginx from adding one */

        r->headers_out.server = &klcf->server;
    }

#if (NGX_HTTP_SSL)

    if (ctx && klcf->hsts.len && r->connection->ssl) {

        /* the backend's own is replaced */

        part = &r->headers_out.headers.part;
        h = part->elts;

        for (i = 0; /* void */ ; i++) {

            if (i >= part->nelts) {
                if (part->next == NULL) {
                    break;
                }

                part = part->next;
                h = part->elts;
                i = 0;
            }

            if (h[i].key.len == sizeof("Strict-Transport-Security") - 1
                && ngx_strncasecmp(h[i].key.data,
                                   (u_char *) "Strict-Transport-Security",
                                   sizeof("Strict-Transport-Security") - 1)
                   == 0)
            {
                h[i].hash = 0;
            }
        }

        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        h->hash = 1;
        h->next = NULL;
        ngx_str_set(&h->key, "Strict-Transport-Security");
        h->value = klcf->hsts;
    }

#endif

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_k8s_log_handler(ngx_http_request_t *r)
{
    ngx_uint_t           status, method;
    ngx_http_k8s_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || !ctx->routed || ctx->counted || ctx->health) {
        return NGX_OK;
    }

    ctx->counted = 1;

    /* the bits of methods are in the order of ngx_k8s_methods */

    for (method = 0; method < NGX_K8S_METHODS; method++) {
        if (r->method == ((ngx_uint_t) 1 << method)) {
            break;
        }
    }

    if (method == NGX_K8S_METHODS) {
        method = 0;
    }

    status = r->err_status ? r->err_status : r->headers_out.status;

    if (ngx_k8s_pin(ctx->block)) {
        ngx_k8s_count(&ctx->block->view, ctx->rule, ctx->rule_generation,
                      method, ngx_min(status, 4095));
    }

    return NGX_OK;
}


ngx_http_k8s_ctx_t *
ngx_http_k8s_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;
    ngx_http_k8s_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_k8s_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        /* contexts were reset; the cleanup still has ours */

        for (cln = r->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_k8s_cleanup) {
                ctx = cln->data;
                ngx_http_set_ctx(r, ctx, ngx_http_k8s_module);
                break;
            }
        }
    }

    return ctx;
}


ngx_http_k8s_ctx_t *
ngx_http_k8s_ctx_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx(r);
    if (ctx) {
        return ctx;
    }

    r = r->main;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_k8s_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_k8s_ctx_t));

    cln->handler = ngx_http_k8s_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_k8s_module);

    return ctx;
}


static void
ngx_http_k8s_cleanup(void *data)
{
    /* only marks the context */
}


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
     *     kmcf->client_id = 0;
     *     kmcf->request_id = 0;
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

    return ngx_http_k8s_init_phases(cf);
}


static ngx_int_t
ngx_http_k8s_init_pass(ngx_conf_t *cf, ngx_http_k8s_pass_t *pass)
{
    ngx_str_t                  upstream, directive, arguments;
    ngx_array_t               *settings;
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

    klcf->late = (klcf->location
                  || clcf->static_locations
#if (NGX_PCRE)
                  || clcf->regex_locations
#endif
                  );

    if (ngx_http_k8s_init_headers(cf, klcf) != NGX_OK
        || ngx_http_k8s_upstream_add(cf, klcf->block, &upstream) != NGX_OK)
    {
        return NGX_ERROR;
    }

    settings = ngx_http_k8s_settings(cf, klcf->block, &upstream);
    if (settings == NULL) {
        return NGX_ERROR;
    }

    klcf->loc_conf = ngx_http_k8s_profile(cf, pass->ctx, settings);
    if (klcf->loc_conf == NULL) {
        return NGX_ERROR;
    }

    if (klcf->block->defaults == NGX_K8S_DEFAULTS_INGRESS_NGINX
        && ngx_http_k8s_shadow(cf, pass->ctx, klcf->loc_conf, pass->file,
                               pass->line)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&directive, "access_log");
    ngx_str_set(&arguments, "off");

    if (ngx_http_k8s_settings_add(cf, settings, &directive, &arguments)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    klcf->health_conf = ngx_http_k8s_profile(cf, pass->ctx, settings);
    if (klcf->health_conf == NULL) {
        return NGX_ERROR;
    }

    if (klcf->late) {

        /* the profile's own limit is checked when it is known */

        clcf->client_max_body_size = 0;
    }

#if (NGX_HTTP_SSL)

    return ngx_http_k8s_ssl_server(cf, cscf, klcf->block);

#else

    return NGX_OK;

#endif
}


static ngx_int_t
ngx_http_k8s_init_headers(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf)
{
    u_char      *p;
    ngx_str_t   *age;
    ngx_uint_t   subdomains, preload;

    if (klcf->block->defaults == NGX_K8S_DEFAULTS_NGINX) {
        klcf->server_header = 1;
        return NGX_OK;
    }

    klcf->server_header = ngx_http_k8s_default_flag("server-tokens");

    if (ngx_http_k8s_default_flag("ssl-redirect")) {
        klcf->redirect_code =
                           ngx_http_k8s_default_number("http-redirect-code");
    }

    if (!ngx_http_k8s_default_flag("hsts")) {
        return NGX_OK;
    }

    age = ngx_http_k8s_default("hsts-max-age");
    subdomains = ngx_http_k8s_default_flag("hsts-include-subdomains");
    preload = ngx_http_k8s_default_flag("hsts-preload");

    p = ngx_pnalloc(cf->pool, sizeof("max-age=; includeSubDomains; preload")
                              + age->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    klcf->hsts.data = p;
    klcf->hsts.len = ngx_sprintf(p, "max-age=%V%s%s", age,
                                 subdomains ? "; includeSubDomains" : "",
                                 preload ? "; preload" : "")
                     - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_init_phases(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_array_t                *a;
    ngx_http_handler_pt        *h, rewrite;
    ngx_http_k8s_main_conf_t   *kmcf;
    ngx_http_core_main_conf_t  *cmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    /* the rewrite module's handler is the first one of both phases */

    a = &cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers;
    h = a->elts;
    rewrite = a->nelts ? h[0] : NULL;

    a = &cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers;
    h = a->elts;

    for (i = 0; i < a->nelts; i++) {
        if (rewrite && h[i] == rewrite) {
            kmcf->rewrite = rewrite;
            h[i] = ngx_http_k8s_rewrite_handler;
            break;
        }
    }

    if (kmcf->rewrite == NULL) {
        h = ngx_array_push(a);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_http_k8s_rewrite_handler;
    }

    /* handlers run in reverse order: the first one of the array runs last */

    a = &cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers;

    if (ngx_array_push(a) == NULL) {
        return NGX_ERROR;
    }

    h = a->elts;
    ngx_memmove(h + 1, h, (a->nelts - 1) * sizeof(ngx_http_handler_pt));
    h[0] = ngx_http_k8s_server_rewrite_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_k8s_log_handler;

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_k8s_header_filter;

    return NGX_OK;
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

    block = blocks->elts;

    for (i = 0; i < blocks->nelts; i++) {

        ngx_http_k8s_balancer_done(block[i]);

#if (NGX_HTTP_SSL)
        ngx_http_k8s_ssl_done(block[i]);
#endif
    }
}
