
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_access.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_balancer.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_http_k8s_log.h>
#include <ngx_http_k8s_protocol.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_server.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_http_k8s_tables.h>


/* milliseconds, until what is read before a request is routed follows a change
   of the ConfigMap without any request */
#define NGX_HTTP_K8S_BASE_CHECK      500


/* plain words of a server: nginx reads them anew whenever it needs them */

typedef struct {
    ngx_str_t                key;
    char                    *module;
    size_t                   offset;     /* in its configuration of a server */
    size_t                   size;
} ngx_http_k8s_word_t;


static ngx_http_k8s_profile_t *ngx_http_k8s_base_create(
    ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *values, ngx_pool_t *temp_pool,
    ngx_str_t *error);
static ngx_http_k8s_profile_t *ngx_http_k8s_base_delta(
    ngx_http_k8s_loc_conf_t *klcf, ngx_http_k8s_profile_t *base,
    ngx_str_t *values, ngx_uint_t protocol, ngx_pool_t *pool,
    ngx_str_t *error);
static ngx_http_conf_ctx_t *ngx_http_k8s_base_parent(
    ngx_http_k8s_loc_conf_t *klcf, ngx_http_k8s_profile_t *base,
    ngx_uint_t protocol, ngx_pool_t *temp_pool);
static ngx_array_t *ngx_http_k8s_base_protocol(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_pool_t *pool, ngx_uint_t protocol);
static ngx_int_t ngx_http_k8s_base_settings(ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_settings_t *settings, ngx_str_t *values);
static ngx_int_t ngx_http_k8s_base_keep_words(ngx_conf_t *cf,
    ngx_http_k8s_loc_conf_t *klcf);
static u_char *ngx_http_k8s_base_word(ngx_cycle_t *cycle,
    ngx_http_k8s_loc_conf_t *klcf, ngx_http_k8s_word_t *word);
static void ngx_http_k8s_base_words(ngx_http_k8s_loc_conf_t *klcf,
    ngx_str_t *values);
static ngx_int_t ngx_http_k8s_base_fill(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *profile, ngx_pool_t *pool, ngx_str_t *values);
static void ngx_http_k8s_base_check(ngx_event_t *ev);
static ngx_int_t ngx_http_k8s_base_force(ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_policy_t *rec, ngx_pool_t *pool);


#define ngx_http_k8s_word(key, module, type, field)                           \
    { ngx_string(key), module, offsetof(type, field),                         \
      sizeof(((type *) 0)->field) }

#define ngx_http_k8s_core_word(key, field)                                    \
    ngx_http_k8s_word(key, "ngx_http_core_module", ngx_http_core_srv_conf_t,  \
                      field)

/* the largest size */
#define NGX_HTTP_K8S_WORD_SIZE       sizeof(ngx_bufs_t)

static ngx_http_k8s_word_t  ngx_http_k8s_words[] = {
    ngx_http_k8s_core_word("client-header-buffer-size",
                           client_header_buffer_size),
    ngx_http_k8s_core_word("client-header-timeout", client_header_timeout),
    ngx_http_k8s_core_word("large-client-header-buffers",
                           large_client_header_buffers),
    ngx_http_k8s_core_word("enable-underscores-in-headers",
                           underscores_in_headers),
    ngx_http_k8s_core_word("ignore-invalid-headers", ignore_invalid_headers),
#if (NGX_HTTP_V2)
    ngx_http_k8s_word("http2-max-concurrent-streams", "ngx_http_v2_module",
                      ngx_http_v2_srv_conf_t, concurrent_streams),
#endif
    { ngx_null_string, NULL, 0, 0 }
};

#define ngx_http_k8s_nwords                                                   \
    (sizeof(ngx_http_k8s_words) / sizeof(ngx_http_k8s_word_t) - 1)


ngx_http_k8s_profile_t *
ngx_http_k8s_base_builtin(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf,
    ngx_array_t *tokens, ngx_str_t *error)
{
    ngx_http_k8s_profile_t  *profile;

    profile = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_profile_t));
    if (profile == NULL) {
        return NULL;
    }

    profile->refs = 2;
    profile->ctx = klcf->ctx;
    profile->protocol = klcf->protocol;

    profile->loc_conf = ngx_http_k8s_profile_build(cf->cycle, cf->pool,
                                                   &klcf->ctx, tokens, error);
    if (profile->loc_conf == NULL) {
        return NULL;
    }

    profile->ctx.loc_conf = profile->loc_conf;

    if (ngx_http_k8s_base_fill(klcf, profile, cf->pool, NULL) != NGX_OK) {
        return NULL;
    }

    if (ngx_http_k8s_base_keep_words(cf, klcf) != NGX_OK) {
        return NULL;
    }

    klcf->builtin = profile;
    klcf->base = profile;

    return profile;
}


ngx_array_t *
ngx_http_k8s_base_tokens(ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool,
    ngx_str_t *values, ngx_uint_t protocol)
{
    ngx_int_t            rc;
    ngx_str_t            directive, arguments;
    ngx_array_t         *tokens;
    ngx_k8s_settings_t   settings;

    tokens = ngx_array_create(pool, 64, sizeof(ngx_array_t *));
    if (tokens == NULL) {
        return NULL;
    }

    /* first the handler: it sets what others look at */

    if (ngx_http_k8s_protocol_pass(klcf, pool, tokens, protocol) != NGX_OK) {
        return NULL;
    }

    /* a backend must not lead a request into another location */

    ngx_str_set(&directive, "proxy_ignore_headers");
    ngx_str_set(&arguments, "X-Accel-Redirect");

    if (ngx_k8s_tokens_add(pool, tokens, &directive, &arguments) != NGX_OK) {
        return NULL;
    }

    rc = NGX_OK;

    if (klcf->block->defaults == NGX_K8S_DEFAULTS_INGRESS_NGINX) {
        rc = ngx_k8s_policy_tokens(pool, tokens, NGX_K8S_API_INGRESS, values);

    } else if (values) {
        rc = ngx_k8s_policy_delta(pool, tokens, NGX_K8S_API_INGRESS, values,
                                  NULL);
    }

    if (rc != NGX_OK
        || ngx_http_k8s_base_settings(klcf, &settings, values) != NGX_OK
        || ngx_http_k8s_set_headers_tokens(pool, tokens, &settings.set_headers)
           != NGX_OK
        || ngx_http_k8s_forwarded_tokens(pool, tokens, &settings) != NGX_OK
        || ngx_http_k8s_snippet_tokens(pool, tokens, &settings) != NGX_OK
        || ngx_http_k8s_protocol_params(pool, tokens, protocol) != NGX_OK
        || ngx_http_k8s_protocol_tokens(pool, tokens, protocol) != NGX_OK)
    {
        return NULL;
    }

    return tokens;
}


static ngx_http_k8s_profile_t *
ngx_http_k8s_base_create(ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *values,
    ngx_pool_t *temp_pool, ngx_str_t *error)
{
    ngx_str_t               *copy;
    ngx_array_t             *tokens;
    ngx_k8s_settings_t       settings;
    ngx_http_k8s_profile_t  *profile;

    error->len = 0;

    tokens = ngx_http_k8s_base_tokens(klcf, temp_pool, values,
                                      NGX_K8S_BACKEND_HTTP);

    if (tokens == NULL
        || ngx_k8s_policy_base(&settings, NGX_K8S_API_INGRESS) != NGX_OK)
    {
        return NULL;
    }

    ngx_k8s_policy_settings(&settings, NGX_K8S_API_INGRESS, values);

    if (ngx_http_k8s_error_tokens(temp_pool, tokens, &settings) != NGX_OK) {
        return NULL;
    }

    profile = ngx_http_k8s_profile_create(&klcf->ctx, tokens, error);
    if (profile == NULL) {
        return NULL;
    }

    copy = ngx_http_k8s_values_copy(profile->pool, profile->pool, values);

    if (copy == NULL
        || ngx_http_k8s_base_fill(klcf, profile, profile->pool, copy)
           != NGX_OK)
    {
        ngx_http_k8s_profile_release(profile);
        return NULL;
    }

    return profile;
}


ngx_http_k8s_profile_t *
ngx_http_k8s_base_over(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_str_t *values, ngx_pool_t *pool,
    ngx_str_t *error)
{
    return base ? ngx_http_k8s_base_delta(klcf, base, values, NGX_K8S_BACKENDS,
                                          pool, error)
                : ngx_http_k8s_base_create(klcf, values, pool, error);
}


ngx_http_k8s_profile_t *
ngx_http_k8s_base_h2c(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_str_t *values, ngx_pool_t *pool,
    ngx_str_t *error)
{
    return ngx_http_k8s_base_delta(klcf, base, values, NGX_K8S_BACKEND_H2C,
                                   pool, error);
}


/* NGX_K8S_BACKENDS: of the protocol that values say */

static ngx_http_k8s_profile_t *
ngx_http_k8s_base_delta(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_str_t *values, ngx_uint_t protocol,
    ngx_pool_t *pool, ngx_str_t *error)
{
    ngx_array_t          *tokens, *headers;
    ngx_k8s_settings_t    settings;
    ngx_http_conf_ctx_t  *parent;

    error->len = 0;
    headers = NULL;

    tokens = ngx_array_create(pool, 8, sizeof(ngx_array_t *));
    if (tokens == NULL) {
        return NULL;
    }

    settings = *base->settings;
    ngx_k8s_policy_settings(&settings, NGX_K8S_API_INGRESS, values);

    if (protocol == NGX_K8S_BACKENDS) {
        protocol = settings.backend_protocol;
    }

    parent = ngx_http_k8s_base_parent(klcf, base, protocol, pool);

    if (parent == NULL
        || ngx_http_k8s_protocol_pass(klcf, pool, tokens, protocol) != NGX_OK
        || ngx_k8s_policy_delta(pool, tokens, NGX_K8S_API_INGRESS, values,
                                base->values)
           != NGX_OK
        || ngx_http_k8s_error_tokens(pool, tokens, &settings) != NGX_OK)
    {
        return NULL;
    }

    if (ngx_http_k8s_snippet_headers(pool, &settings)) {

        /* written for the proxy module, as all others */

        headers = ngx_http_k8s_base_tokens(klcf, pool, base->values,
                                           NGX_K8S_BACKEND_HTTP);
        if (headers == NULL) {
            return NULL;
        }
    }

    if ((settings.snippet.len || settings.server_snippet.len || headers)
        && ngx_http_k8s_snippet_delta(pool, tokens, &settings, headers)
           != NGX_OK)
    {
        return NULL;
    }

    if ((headers
         && ngx_http_k8s_protocol_params(pool, tokens, protocol) != NGX_OK)
        || ngx_http_k8s_protocol_tokens(pool, tokens, protocol) != NGX_OK)
    {
        return NULL;
    }

    return ngx_http_k8s_profile_create(parent, tokens, error);
}


/* what nginx refuses, as it is built without the module, is refused of each
   profile as well */

ngx_int_t
ngx_http_k8s_base_protocols(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf)
{
    u_char                  buf[NGX_HTTP_K8S_PROFILE_ERROR];
    void                  **loc_conf;
    ngx_str_t               error;
    ngx_uint_t              i, module;
    ngx_array_t            *tokens;
    ngx_http_conf_ctx_t    *ctx;

    static ngx_uint_t  protocols[] = {
#if (NGX_HTTP_SSL)
        NGX_K8S_BACKEND_GRPCS,
#else
        NGX_K8S_BACKEND_GRPC,
#endif
        NGX_K8S_BACKEND_FCGI,
        NGX_K8S_BACKEND_H2C
    };

    error.data = buf;

    for (i = 0; i < sizeof(protocols) / sizeof(ngx_uint_t); i++) {

        module = ngx_http_k8s_protocol_module(protocols[i]);

        tokens = ngx_http_k8s_base_protocol(klcf, klcf->builtin, cf->pool,
                                            protocols[i]);

        ctx = ngx_palloc(cf->pool, sizeof(ngx_http_conf_ctx_t));

        if (tokens == NULL || ctx == NULL) {
            return NGX_ERROR;
        }

        loc_conf = ngx_http_k8s_profile_build(cf->cycle, cf->pool,
                                              &klcf->builtin->ctx, tokens,
                                              &error);
        if (loc_conf == NULL) {

            if (error.len) {
                continue;
            }

            return NGX_ERROR;
        }

        *ctx = klcf->builtin->ctx;
        ctx->loc_conf = loc_conf;

        klcf->parents[module] = ctx;
    }

    return NGX_OK;
}


/*
 * Over which location profiles of the protocol are: that of the base, or one
 * over it, made when it is first asked for and held by the base.  NULL: no
 * memory.
 */

static ngx_http_conf_ctx_t *
ngx_http_k8s_base_parent(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_uint_t protocol, ngx_pool_t *temp_pool)
{
    ngx_uint_t                module;
    ngx_array_t              *tokens;
    ngx_http_k8s_profile_t  **parent;

    module = ngx_http_k8s_protocol_module(protocol);

    if (klcf->parents[module] == NULL) {
        return &base->ctx;
    }

    if (base == klcf->builtin) {
        return klcf->parents[module];
    }

    parent = &base->parents[module];

    if (*parent == NULL) {

        /* without TLS, which has its context from nginx.conf */

        tokens = ngx_http_k8s_base_protocol(klcf, base, temp_pool,
                                            (protocol == NGX_K8S_BACKEND_GRPCS)
                                            ? NGX_K8S_BACKEND_GRPC : protocol);

        if (tokens == NULL
            || ngx_http_k8s_profile_beside(base, parent, tokens) != NGX_OK)
        {
            return NULL;
        }
    }

    return *parent ? &(*parent)->ctx : klcf->parents[module];
}


static ngx_array_t *
ngx_http_k8s_base_protocol(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_pool_t *pool, ngx_uint_t protocol)
{
    u_char        buf[NGX_INT_T_LEN + 1];
    ngx_str_t     directive, argument;
    ngx_array_t  *tokens;

    tokens = ngx_http_k8s_base_tokens(klcf, pool, base->values, protocol);

    if (tokens == NULL || base->settings->grpc_buffer == 0
        || ngx_http_k8s_protocol_module(protocol) != NGX_HTTP_K8S_MODULE_GRPC)
    {
        return tokens;
    }

    ngx_str_set(&directive, "grpc_buffer_size");

    argument.data = buf;
    argument.len = ngx_sprintf(buf, "%uik", base->settings->grpc_buffer) - buf;

    return (ngx_k8s_tokens_add(pool, tokens, &directive, &argument) == NGX_OK)
           ? tokens : NULL;
}


ngx_http_k8s_profile_t *
ngx_http_k8s_base_taken(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_str_t *values, ngx_uint_t *closed,
    ngx_log_t *log)
{
    u_char                   buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                error, *said;
    ngx_uint_t               i;
    ngx_pool_t              *pool;
    ngx_k8s_row_t           *row;
    ngx_http_k8s_profile_t  *profile, *next;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    error.data = buf;
    profile = NULL;

    said = ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));
    if (said == NULL) {
        goto done;
    }

    for (i = 0; i < ngx_k8s_nrows; i++) {
        if (ngx_k8s_row_built(&ngx_k8s_rows[i], &values[i])) {
            said[i] = values[i];
            ngx_str_null(&values[i]);
        }
    }

    profile = ngx_http_k8s_base_over(klcf, base, values, pool, &error);

    for (i = 0; profile && i < ngx_k8s_nrows; i++) {

        if (said[i].data == NULL) {
            continue;
        }

        row = &ngx_k8s_rows[i];
        values[i] = said[i];

        next = ngx_http_k8s_base_over(klcf, base, values, pool, &error);

        if (next || error.len == 0) {
            ngx_http_k8s_profile_release(profile);
            profile = next;
            continue;
        }

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "%s \"%V\" is not in force, this nginx.conf refuses "
                      "it: %V", base ? "annotation" : "key", &row->name,
                      &error);

        *closed |= ngx_k8s_value_closes(row, &values[i]);
        ngx_str_null(&values[i]);
    }

done:

    ngx_destroy_pool(pool);

    return profile;
}


/* what values say, over the defaults */

static ngx_int_t
ngx_http_k8s_base_settings(ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_settings_t *settings, ngx_str_t *values)
{
    if (ngx_k8s_policy_base(settings, NGX_K8S_API_INGRESS) != NGX_OK) {
        return NGX_ERROR;
    }

    if (klcf->block->defaults == NGX_K8S_DEFAULTS_NGINX) {
        settings->ssl_redirect = 0;
        settings->hsts = 0;
        settings->server_tokens = 1;
        settings->log_default = 1;
    }

    if (values) {
        ngx_k8s_policy_settings(settings, NGX_K8S_API_INGRESS, values);
    }

    /* that of a host is over it */

    settings->server_config = settings->server_snippet;
    ngx_str_null(&settings->server_snippet);

    return NGX_OK;
}


/* values live as long as the profile */

static ngx_int_t
ngx_http_k8s_base_fill(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *profile, ngx_pool_t *pool, ngx_str_t *values)
{
    profile->values = values;
    profile->settings = ngx_palloc(pool, sizeof(ngx_k8s_settings_t));

    if (profile->settings == NULL
        || ngx_http_k8s_base_settings(klcf, profile->settings, values)
           != NGX_OK
        || ngx_http_k8s_snippet_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_headers_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_set_headers_values(pool,
                                           &profile->settings->set_headers,
                                           &profile->set_headers)
           != NGX_OK
        || ngx_http_k8s_rewrite_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_redirect_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_access_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_auth_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_log_profile(klcf, profile, pool) != NGX_OK
        || ngx_http_k8s_server_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_tables_profile(profile, pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_k8s_forwarded_profile(profile, pool);
}


void
ngx_http_k8s_base_renew(ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_table_t *table,
    ngx_log_t *log)
{
    uint32_t            slot;
    ngx_pool_t         *pool;
    ngx_k8s_policy_t   *rec;
    ngx_atomic_uint_t   version;

    version = table->global;
    rec = NULL;

    if (version) {

        rec = ngx_k8s_table_find(table, NGX_K8S_INDEX_POLICY,
                                 (u_char *) NGX_K8S_POLICY_GLOBAL_KEY,
                                 sizeof(NGX_K8S_POLICY_GLOBAL_KEY) - 1, &slot);

        if (rec == NULL) {

            /* it goes in this moment */

            return;
        }
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        return;
    }

    if (ngx_http_k8s_base_force(klcf, rec, pool) == NGX_OK) {
        klcf->global = version;
    }

    ngx_destroy_pool(pool);
}


/*
 * A request that does not get as far as its routing, as its headers are too
 * large for what held before, would never bring the change about.
 */

void
ngx_http_k8s_base_init(ngx_cycle_t *cycle)
{
    ngx_event_t               *ev;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_k8s_module);

    if (kmcf->passes.nelts == 0) {
        return;
    }

    kmcf->dummy.fd = (ngx_socket_t) -1;
    kmcf->dummy.data = kmcf;

    ev = &kmcf->check;

    ev->handler = ngx_http_k8s_base_check;
    ev->data = &kmcf->dummy;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_http_k8s_base_check(ev);
}


static void
ngx_http_k8s_base_check(ngx_event_t *ev)
{
    ngx_uint_t                 i;
    ngx_connection_t          *dummy;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_k8s_main_conf_t  *kmcf;

    dummy = ev->data;
    kmcf = dummy->data;

    pass = kmcf->passes.elts;

    for (i = 0; i < kmcf->passes.nelts; i++) {
        (void) ngx_http_k8s_base(pass[i].conf,
                                 ngx_k8s_pin(pass[i].conf->block), ev->log);
    }

    ngx_add_timer(ev, NGX_HTTP_K8S_BASE_CHECK);
}


/*
 * NGX_ERROR: it is to be tried again.  The watcher has built it before, so that
 * none of it is refused, but by the nginx.conf of an older or newer cycle.
 */

static ngx_int_t
ngx_http_k8s_base_force(ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_policy_t *rec,
    ngx_pool_t *pool)
{
    u_char                   buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                error, *values;
    ngx_uint_t               closed;
    ngx_http_k8s_profile_t  *profile;

    profile = klcf->builtin;
    profile->refs++;

    if (rec) {

        ngx_http_k8s_profile_release(profile);

        values = ngx_http_k8s_values(rec, pool, &closed);
        if (values == NULL) {
            return NGX_ERROR;
        }

        error.data = buf;

        profile = ngx_http_k8s_base_create(klcf, values, pool, &error);

        if (profile == NULL && error.len) {
            profile = ngx_http_k8s_base_taken(klcf, NULL, values, &closed,
                                              pool->log);
        }

        if (profile == NULL) {
            return NGX_ERROR;
        }

        profile->settings->closed = closed;

        if (ngx_http_k8s_error_create(profile, klcf, rec, values, pool)
            != NGX_OK)
        {
            ngx_http_k8s_profile_release(profile);
            return NGX_ERROR;
        }
    }

    ngx_http_k8s_profile_release(klcf->base);

    klcf->base = profile;

    ngx_http_k8s_balancer_settings(klcf->block, profile->settings);

    if (!klcf->location) {
        ngx_http_k8s_base_words(klcf, profile->values);
    }

#if (NGX_HTTP_SSL)
    ngx_http_k8s_ssl_keys(klcf, profile->values);
#endif

    return NGX_OK;
}


/* notes those of nginx.conf */

static ngx_int_t
ngx_http_k8s_base_keep_words(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf)
{
    u_char               *p, *saved;
    ngx_http_k8s_word_t  *word;

    saved = ngx_palloc(cf->pool, ngx_http_k8s_nwords * NGX_HTTP_K8S_WORD_SIZE);
    if (saved == NULL) {
        return NGX_ERROR;
    }

    klcf->words = saved;

    for (word = ngx_http_k8s_words; word->key.len; word++) {

        p = ngx_http_k8s_base_word(cf->cycle, klcf, word);

        if (p) {
            ngx_memcpy(saved, p, word->size);
        }

        saved += NGX_HTTP_K8S_WORD_SIZE;
    }

    return NGX_OK;
}


/* where it is, or NULL: the module is not in this nginx */

static u_char *
ngx_http_k8s_base_word(ngx_cycle_t *cycle, ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_word_t *word)
{
    ngx_uint_t  m;

    for (m = 0; cycle->modules[m]; m++) {
        if (ngx_strcmp(cycle->modules[m]->name, word->module) == 0) {
            return (u_char *) klcf->ctx.srv_conf[cycle->modules[m]->ctx_index]
                   + word->offset;
        }
    }

    return NULL;
}


/* what is not said is as in nginx.conf; values may be NULL */

static void
ngx_http_k8s_base_words(ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *values)
{
    u_char               *p, *saved;
    ngx_str_t            *value;
    ngx_k8s_row_t        *row;
    ngx_http_k8s_word_t  *word;

    saved = klcf->words;

    for (word = ngx_http_k8s_words; word->key.len; word++) {

        p = ngx_http_k8s_base_word((ngx_cycle_t *) ngx_cycle, klcf, word);

        row = ngx_k8s_row(&word->key, NGX_K8S_ROW_KEY);
        value = values ? &values[row - ngx_k8s_rows] : NULL;

        if (p
            && (value == NULL || value->data == NULL
                || row->grammar->decode(row->grammar, value, p) != NGX_OK))
        {
            ngx_memcpy(p, saved, word->size);
        }

        saved += NGX_HTTP_K8S_WORD_SIZE;
    }
}


ngx_str_t *
ngx_http_k8s_values(ngx_k8s_policy_t *rec, ngx_pool_t *pool,
    ngx_uint_t *closed)
{
    ngx_str_t          *values;
    ngx_uint_t          i;
    ngx_k8s_setting_t  *setting;

    *closed = 0;

    values = ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));
    if (values == NULL) {
        return NULL;
    }

    setting = ngx_k8s_record_at(rec, rec->settings.offset);

    for (i = 0; i < rec->settings.n; i++) {

        if (setting[i].flags & NGX_K8S_SETTING_CLOSED) {
            *closed = 1;

        } else if (setting[i].row < ngx_k8s_nrows) {
            ngx_k8s_record_str(rec, &setting[i].value,
                               &values[setting[i].row]);
        }
    }

    return values;
}


ngx_str_t *
ngx_http_k8s_values_copy(ngx_pool_t *pool, ngx_pool_t *texts,
    ngx_str_t *values)
{
    ngx_str_t   *copy;
    ngx_uint_t   i;

    copy = ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));
    if (copy == NULL) {
        return NULL;
    }

    for (i = 0; i < ngx_k8s_nrows; i++) {

        if (values[i].data == NULL) {
            continue;
        }

        copy[i].len = values[i].len;
        copy[i].data = ngx_pstrdup(texts, &values[i]);

        if (copy[i].data == NULL) {
            return NULL;
        }
    }

    return copy;
}
