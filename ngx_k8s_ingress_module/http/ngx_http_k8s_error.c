
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_protocol.h>


/* the Services that answer, in this order; slots are 0 where there is none */
#define NGX_HTTP_K8S_ERROR_OWN       0   /* default-backend of the object */
#define NGX_HTTP_K8S_ERROR_BLOCK     1   /* that of the block */
#define NGX_HTTP_K8S_ERROR_BACKENDS  2

struct ngx_http_k8s_error_s {
    ngx_k8s_slot_ref_t       backends[NGX_HTTP_K8S_ERROR_BACKENDS];
    ngx_http_k8s_profile_t  *missing;    /* of requests for Services without
                                            endpoints; NULL: as of others */
};


static ngx_array_t *ngx_http_k8s_error_page_tokens(
    ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool);
static void ngx_http_k8s_error_wrap(void **loc_conf);
static ngx_int_t ngx_http_k8s_error_base(ngx_http_k8s_profile_t *base,
    ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *temp_pool);
static ngx_int_t ngx_http_k8s_error_headers(ngx_pool_t *pool,
    ngx_array_t *tokens, ngx_str_t *headers);
static ngx_int_t ngx_http_k8s_error_location(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf);
static ngx_int_t ngx_http_k8s_error_other(ngx_http_k8s_profile_t *profile,
    ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *values, ngx_pool_t *temp_pool);
static void ngx_http_k8s_error_cleanup(void *data);
static ngx_int_t ngx_http_k8s_error_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_error_named(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_uint_t i);
static ngx_int_t ngx_http_k8s_error_hop(ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_slot_ref_t *backend);


static ngx_str_t  ngx_http_k8s_error_common[] = {
    ngx_string("X-Code $k8s_error_code"),
    ngx_string("X-Format $http_accept"),
    ngx_string("X-Namespace $k8s_namespace"),
    ngx_string("X-Ingress-Name $k8s_ingress_name"),
    ngx_string("X-Service-Name $k8s_service_name"),
    ngx_string("X-Service-Port $k8s_service_port"),
    ngx_null_string
};


/* of the location, where no others are sent */

static ngx_str_t  ngx_http_k8s_error_only[] = {
    ngx_string("X-Original-URI $request_uri"),
    ngx_string("X-Request-ID $k8s_req_id"),
    ngx_string("X-Forwarded-For $remote_addr"),
    ngx_string("Host $k8s_best_http_host"),
    ngx_string("ssl-client-cert \"\""),
    ngx_string("ssl-client-verify \"\""),
    ngx_string("ssl-client-subject-dn \"\""),
    ngx_string("ssl-client-issuer-dn \"\""),
    ngx_null_string
};


/* of the refs of a policy's record, the rows that ask for them */

static ngx_str_t  ngx_http_k8s_error_rows[NGX_HTTP_K8S_ERROR_BACKENDS] = {
    ngx_string("default-backend"),
    ngx_string("custom-http-errors")
};


ngx_int_t
ngx_http_k8s_error_init(ngx_conf_t *cf, ngx_http_k8s_pass_t *pass)
{
    u_char                    buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                 error;
    ngx_array_t              *tokens;
    ngx_http_k8s_loc_conf_t  *klcf;

    klcf = pass->conf;

    tokens = ngx_http_k8s_error_page_tokens(klcf, cf->pool);
    if (tokens == NULL) {
        return NGX_ERROR;
    }

    error.data = buf;

    klcf->error_conf = ngx_http_k8s_profile_build(cf->cycle, cf->pool,
                                                  &klcf->builtin->ctx, tokens,
                                                  &error);
    if (klcf->error_conf == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "error pages of \"k8s_ingress_pass\" in %s:%ui: %V",
                      pass->file, pass->line, &error);
        return NGX_ERROR;
    }

    ngx_http_k8s_error_wrap(klcf->error_conf);

    return ngx_http_k8s_error_location(cf,
                          pass->ctx->srv_conf[ngx_http_core_module.ctx_index],
                          klcf->error_conf[ngx_http_core_module.ctx_index]);
}


static ngx_array_t *
ngx_http_k8s_error_page_tokens(ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool)
{
    ngx_str_t     directive, arguments;
    ngx_array_t  *tokens;

    tokens = ngx_array_create(pool, 16, sizeof(ngx_array_t *));
    if (tokens == NULL) {
        return NULL;
    }

    if (ngx_http_k8s_protocol_pass(klcf, pool, tokens, NGX_K8S_BACKEND_HTTP)
        != NGX_OK)
    {
        return NULL;
    }

    /* ingress-nginx asks error backends so */

    ngx_str_set(&directive, "proxy_http_version");
    ngx_str_set(&arguments, "1.0");

    if (ngx_k8s_tokens_add(pool, tokens, &directive, &arguments) != NGX_OK) {
        return NULL;
    }

    /* of a base that catches statuses */

    ngx_str_set(&directive, "proxy_intercept_errors");
    ngx_str_set(&arguments, "off");

    if (ngx_k8s_tokens_add(pool, tokens, &directive, &arguments) != NGX_OK
        || ngx_http_k8s_error_headers(pool, tokens, ngx_http_k8s_error_common)
           != NGX_OK
        || ngx_http_k8s_error_headers(pool, tokens, ngx_http_k8s_error_only)
           != NGX_OK)
    {
        return NULL;
    }

    return tokens;
}


static void
ngx_http_k8s_error_wrap(void **loc_conf)
{
    ngx_http_k8s_loc_conf_t   *klcf;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = loc_conf[ngx_http_core_module.ctx_index];
    klcf = loc_conf[ngx_http_k8s_module.ctx_index];

    ngx_str_set(&clcf->name, NGX_HTTP_K8S_ERROR_LOCATION);

    klcf->error = clcf->handler;
    clcf->handler = ngx_http_k8s_error_handler;
}


static ngx_int_t
ngx_http_k8s_error_headers(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_str_t *headers)
{
    ngx_str_t  directive;

    ngx_str_set(&directive, "proxy_set_header");

    for ( /* void */ ; headers->len; headers++) {
        if (ngx_k8s_tokens_add(pool, tokens, &directive, headers) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* one for all passes of a server: each request knows its own */

static ngx_int_t
ngx_http_k8s_error_location(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_http_core_loc_conf_t *clcf)
{
    ngx_uint_t                  n;
    ngx_http_core_loc_conf_t  **named;

    n = 0;
    named = cscf->named_locations;

    for ( /* void */ ; named && named[n]; n++) {
        if (named[n]->name.len == clcf->name.len
            && ngx_strncmp(named[n]->name.data, clcf->name.data,
                           clcf->name.len)
               == 0)
        {
            return NGX_OK;
        }
    }

    named = ngx_palloc(cf->pool, (n + 2) * sizeof(ngx_http_core_loc_conf_t *));
    if (named == NULL) {
        return NGX_ERROR;
    }

    if (n) {
        ngx_memcpy(named, cscf->named_locations,
                   n * sizeof(ngx_http_core_loc_conf_t *));
    }

    named[n] = clcf;
    named[n + 1] = NULL;

    cscf->named_locations = named;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_error_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings)
{
    u_char        *p;
    size_t         i;
    ngx_str_t      directive, arguments, *errors, *name;
    ngx_array_t  **args;

    errors = &settings->custom_errors;

    if (errors->len == 0) {
        return NGX_OK;
    }

    /* without "=": the status is known in the location */

    arguments.data = ngx_pnalloc(pool, sizeof("401 ") - 1 + errors->len
                                 + sizeof(" " NGX_HTTP_K8S_ERROR_LOCATION)
                                 - 1);
    if (arguments.data == NULL) {
        return NGX_ERROR;
    }

    p = arguments.data;

    /* who has to sign in is sent there by the backend's 401 as well */

    if (settings->auth_url.len ? settings->auth_signin.len != 0
                               : (settings->auth_global
                                  && settings->global_auth_url.len
                                  && settings->global_auth_signin.len))
    {
        p = ngx_cpymem(p, "401 ", sizeof("401 ") - 1);
    }

    for (i = 0; i < errors->len; i++) {
        *p++ = (errors->data[i] == ',') ? ' ' : errors->data[i];
    }

    p = ngx_cpymem(p, " " NGX_HTTP_K8S_ERROR_LOCATION,
                   sizeof(" " NGX_HTTP_K8S_ERROR_LOCATION) - 1);

    arguments.len = p - arguments.data;

    ngx_str_set(&directive, "error_page");

    if (ngx_k8s_tokens_add(pool, tokens, &directive, &arguments) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&directive, "proxy_intercept_errors");
    ngx_str_set(&arguments, "on");

    if (settings->pass_errors) {
        ngx_str_set(&arguments, "off");
    }

    if (ngx_k8s_tokens_add(pool, tokens, &directive, &arguments) != NGX_OK) {
        return NGX_ERROR;
    }

    /* in place of that of the defaults, where they are among the tokens */

    args = tokens->elts;

    for (i = 0; i < tokens->nelts - 1; i++) {

        name = args[i]->elts;

        if (name->len == directive.len
            && ngx_strncmp(name->data, directive.data, directive.len) == 0)
        {
            args[i] = args[--tokens->nelts];
            break;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_error_create(ngx_http_k8s_profile_t *profile,
    ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_policy_t *rec, ngx_str_t *values,
    ngx_pool_t *temp_pool)
{
    ngx_uint_t              i, n;
    ngx_k8s_row_t          *row;
    ngx_k8s_policy_ref_t   *ref;
    ngx_http_k8s_error_t   *e, *base;

    if ((rec == NULL || rec->refs.n == 0)
        && profile->settings->custom_errors.len == 0)
    {
        return NGX_OK;
    }

    e = ngx_pcalloc(profile->pool, sizeof(ngx_http_k8s_error_t));
    if (e == NULL) {
        return NGX_ERROR;
    }

    profile->error = e;
    base = profile->base ? profile->base->error : NULL;

    if (ngx_http_k8s_error_base(profile->base ? profile->base : profile, klcf,
                                temp_pool)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (base) {
        e->backends[NGX_HTTP_K8S_ERROR_BLOCK]
                                   = base->backends[NGX_HTTP_K8S_ERROR_BLOCK];
    }

    if (rec == NULL) {
        return NGX_OK;
    }

    ref = ngx_k8s_record_at(rec, rec->refs.offset);

    for (i = 0; i < NGX_HTTP_K8S_ERROR_BACKENDS; i++) {

        row = ngx_k8s_row(&ngx_http_k8s_error_rows[i],
                          NGX_K8S_ROW_ANNOTATION);

        for (n = 0; n < rec->refs.n; n++) {
            if (ref[n].row == row - ngx_k8s_rows
                && ref[n].index == NGX_K8S_INDEX_SERVICE)
            {
                e->backends[i] = ref[n].ref;
            }
        }
    }

    if (e->backends[NGX_HTTP_K8S_ERROR_OWN].slot == 0
        || klcf->block->defaults == NGX_K8S_DEFAULTS_NGINX)
    {
        return NGX_OK;
    }

    return ngx_http_k8s_error_other(profile, klcf, values, temp_pool);
}


/* the location over another base than the builtin; once for each */

static ngx_int_t
ngx_http_k8s_error_base(ngx_http_k8s_profile_t *base,
    ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *temp_pool)
{
    ngx_array_t  *tokens;

    if (base == klcf->builtin || base->page) {
        return NGX_OK;
    }

    tokens = ngx_http_k8s_error_page_tokens(klcf, temp_pool);

    if (tokens == NULL
        || ngx_http_k8s_profile_beside(base, &base->page, tokens) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (base->page) {
        ngx_http_k8s_error_wrap(base->page->loc_conf);
    }

    return NGX_OK;
}


/* the same profile with other headers for the backend */

static ngx_int_t
ngx_http_k8s_error_other(ngx_http_k8s_profile_t *profile,
    ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *values, ngx_pool_t *temp_pool)
{
    u_char                   buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                error, *name;
    ngx_uint_t               i;
    ngx_array_t             *tokens, *base, **token, **args;
    ngx_pool_cleanup_t      *cln;
    ngx_http_k8s_profile_t  *missing;

    cln = ngx_pool_cleanup_add(profile->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    error.data = buf;
    error.len = 0;

    tokens = ngx_array_create(temp_pool, 32, sizeof(ngx_array_t *));
    base = ngx_array_create(temp_pool, 64, sizeof(ngx_array_t *));

    if (tokens == NULL || base == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_protocol_pass(klcf, temp_pool, tokens,
                                   NGX_K8S_BACKEND_HTTP)
        != NGX_OK
        || ngx_k8s_policy_tokens(temp_pool, base, NGX_K8S_API_INGRESS,
                                 profile->base->values)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    args = base->elts;

    for (i = 0; i < base->nelts; i++) {

        name = args[i]->elts;

        if (name->len != sizeof("proxy_set_header") - 1
            || ngx_strncmp(name->data, "proxy_set_header", name->len) != 0)
        {
            continue;
        }

        token = ngx_array_push(tokens);
        if (token == NULL) {
            return NGX_ERROR;
        }

        *token = args[i];
    }

    if (ngx_http_k8s_set_headers_tokens(temp_pool, tokens,
                                     &profile->base->settings->set_headers)
        != NGX_OK
        || ngx_http_k8s_error_headers(temp_pool, tokens,
                                      ngx_http_k8s_error_common)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_k8s_policy_delta(temp_pool, tokens, NGX_K8S_API_INGRESS, values,
                             profile->base->values)
        != NGX_OK
        || ngx_http_k8s_error_tokens(temp_pool, tokens, profile->settings)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    missing = ngx_http_k8s_profile_create(&profile->base->ctx, tokens, &error);

    if (missing == NULL) {

        /* as where nginx refuses the profile itself */

        return error.len ? NGX_OK : NGX_ERROR;
    }

    profile->error->missing = missing;

    cln->handler = ngx_http_k8s_error_cleanup;
    cln->data = missing;

    return NGX_OK;
}


static void
ngx_http_k8s_error_cleanup(void *data)
{
    ngx_http_k8s_profile_release(data);
}


ngx_int_t
ngx_http_k8s_error_missing(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table)
{
    ngx_http_k8s_error_t  *e;

    e = ctx->profile ? ctx->profile->error : NULL;

    if (e == NULL
        || ngx_http_k8s_error_hop(ctx, table,
                                  &e->backends[NGX_HTTP_K8S_ERROR_OWN])
           != NGX_OK)
    {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    /* the request holds it by its profile */

    if (e->missing) {
        r->loc_conf = e->missing->loc_conf;
    }

    ctx->error = NGX_HTTP_SERVICE_UNAVAILABLE;

    return ngx_http_k8s_error_named(r, ctx, table, NGX_HTTP_K8S_ERROR_OWN);
}


ngx_http_k8s_page_t *
ngx_http_k8s_error_find(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_array_t          *pages;
    ngx_http_k8s_page_t  *page;

    pages = (ctx && ctx->profile) ? ctx->profile->pages : NULL;
    page = pages ? pages->elts : NULL;

    for (i = 0; pages && i < pages->nelts; i++) {
        if (page[i].status == r->err_status) {
            return &page[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_k8s_error_page(ngx_http_request_t *r)
{
    ngx_uint_t               i;
    ngx_k8s_table_t         *table;
    ngx_http_k8s_ctx_t      *ctx;
    ngx_http_k8s_error_t    *e;
    ngx_http_k8s_profile_t  *base;

    ctx = ngx_http_k8s_ctx(r);

    if (r != r->main || ctx == NULL || ctx->profile == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    /* the backend's own, too */

    if (r->err_status == NGX_HTTP_UNAUTHORIZED
        && ngx_http_k8s_auth_wanted(ctx)
        && ctx->profile->auth->signin.text.len)
    {
        r->err_status = 0;
        return ngx_http_k8s_auth_signin(r, ctx);
    }

    if (ctx->profile->error == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    e = ctx->profile->error;
    table = ngx_k8s_pin(ctx->block);

    /* that of an object is for its paths */

    i = ctx->unmatched ? NGX_HTTP_K8S_ERROR_BLOCK : NGX_HTTP_K8S_ERROR_OWN;

    for ( /* void */ ; i < NGX_HTTP_K8S_ERROR_BACKENDS; i++) {
        if (table
            && ngx_http_k8s_error_hop(ctx, table, &e->backends[i]) == NGX_OK)
        {
            break;
        }
    }

    if (i == NGX_HTTP_K8S_ERROR_BACKENDS) {
        return NGX_HTTP_NOT_FOUND;
    }

    /* the status of the answer is that of the error backend */

    ctx->error = r->err_status;
    ctx->status = 0;
    r->err_status = 0;

    if (r->request_body == NULL && !r->discard_body) {

        /* a client may wait to be told that its body is wanted */

        r->expect_tested = 0;
    }

    ngx_str_set(&r->uri, "/");
    r->exten.len = 0;
    r->valid_unparsed_uri = 0;

    base = ctx->profile->base ? ctx->profile->base : ctx->profile;

    r->loc_conf = base->page ? base->page->loc_conf : ctx->conf->error_conf;
    ngx_http_update_location_config(r);

    return ngx_http_k8s_error_named(r, ctx, table, i);
}


/* ctx->page, by the hop; NGX_DECLINED, or 500: no memory */

static ngx_int_t
ngx_http_k8s_error_named(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_uint_t i)
{
    ngx_str_t               namespace, name;
    ngx_k8s_service_rec_t  *service;

    if (i == NGX_HTTP_K8S_ERROR_BLOCK) {
        ngx_str_set(&ctx->page, "upstream-default-backend");
        return NGX_DECLINED;
    }

    service = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                      ctx->hop.service, ctx->hop.generation);
    if (service == NULL) {
        return NGX_DECLINED;
    }

    ngx_k8s_record_str(service, &service->namespace, &namespace);
    ngx_k8s_record_str(service, &service->name, &name);

    ctx->page.data = ngx_pnalloc(r->main->pool,
                                 sizeof("custom-default-backend-")
                                 + namespace.len + name.len);
    if (ctx->page.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->page.len = ngx_sprintf(ctx->page.data, "custom-default-backend-%V-%V",
                                &namespace, &name)
                    - ctx->page.data;

    return NGX_DECLINED;
}


/* a body that is discarded, or that went to the backend as it came, is not
   announced */

static ngx_int_t
ngx_http_k8s_error_handler(ngx_http_request_t *r)
{
    off_t                     length;
    ngx_int_t                 rc;
    ngx_uint_t                chunked;
    ngx_http_k8s_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);

    if (!r->discard_body && !r->request_body_no_buffering) {
        return klcf->error(r);
    }

    length = r->headers_in.content_length_n;
    chunked = r->headers_in.chunked;

    r->headers_in.content_length_n = 0;
    r->headers_in.chunked = 0;

    if (r->request_body) {
        r->request_body->bufs = NULL;
    }

    rc = klcf->error(r);

    r->headers_in.content_length_n = length;
    r->headers_in.chunked = chunked;

    return rc;
}


static ngx_int_t
ngx_http_k8s_error_hop(ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table,
    ngx_k8s_slot_ref_t *backend)
{
    ngx_k8s_service_rec_t  *service;

    if (backend->slot == 0) {
        return NGX_DECLINED;
    }

    service = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                      backend->slot, backend->generation);

    if (service == NULL || service->usable == 0) {
        return NGX_DECLINED;
    }

    ctx->hop.block = ctx->block;
    ctx->hop.service = backend->slot;
    ctx->hop.generation = backend->generation;
    ctx->hop.http2 = 0;
    ctx->hop.protocol = ctx->conf->protocol;
    ctx->hop.hashed = (service->hash_by.len != 0);

    ngx_k8s_copies_take(&ctx->hop.copies, service);
    ngx_memzero(&ctx->hop.key, sizeof(ngx_k8s_choice_key_t));

    return NGX_OK;
}
