
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_balancer.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_route.h>


static ngx_int_t ngx_http_k8s_base_settings(ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_settings_t *settings, ngx_str_t *values);
static void ngx_http_k8s_base_words(ngx_http_k8s_loc_conf_t *klcf,
    ngx_str_t *values);
static ngx_int_t ngx_http_k8s_base_fill(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *profile, ngx_pool_t *pool, ngx_str_t *values);
static ngx_int_t ngx_http_k8s_base_force(ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_policy_t *rec, ngx_pool_t *pool);


/* plain words of a server: nginx reads them anew whenever it needs them */

typedef struct {
    ngx_str_t                key;
    size_t                   offset;
    size_t                   size;
} ngx_http_k8s_word_t;

#define ngx_http_k8s_word(key, field)                                         \
    { ngx_string(key), offsetof(ngx_http_core_srv_conf_t, field),             \
      sizeof(((ngx_http_core_srv_conf_t *) 0)->field) }

static ngx_http_k8s_word_t  ngx_http_k8s_words[] = {
    ngx_http_k8s_word("client-header-buffer-size", client_header_buffer_size),
    ngx_http_k8s_word("client-header-timeout", client_header_timeout),
    ngx_http_k8s_word("large-client-header-buffers",
                      large_client_header_buffers),
    ngx_http_k8s_word("enable-underscores-in-headers", underscores_in_headers),
    ngx_http_k8s_word("ignore-invalid-headers", ignore_invalid_headers),
    { ngx_null_string, 0, 0 }
};


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

    profile->loc_conf = ngx_http_k8s_profile_build(cf->cycle, cf->pool,
                                                   &klcf->ctx, tokens, error);
    if (profile->loc_conf == NULL) {
        return NULL;
    }

    profile->ctx.loc_conf = profile->loc_conf;

    if (ngx_http_k8s_base_fill(klcf, profile, cf->pool, NULL) != NGX_OK) {
        return NULL;
    }

    klcf->words = ngx_palloc(cf->pool, sizeof(ngx_http_core_srv_conf_t));
    if (klcf->words == NULL) {
        return NULL;
    }

    *klcf->words = *(ngx_http_core_srv_conf_t *)
                         klcf->ctx.srv_conf[ngx_http_core_module.ctx_index];

    klcf->builtin = profile;
    klcf->base = profile;

    return profile;
}


ngx_array_t *
ngx_http_k8s_base_tokens(ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool,
    ngx_str_t *values)
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

    ngx_str_set(&directive, "proxy_pass");

    if (ngx_k8s_tokens_add(pool, tokens, &directive, &klcf->url) != NGX_OK) {
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
        || ngx_http_k8s_forwarded_tokens(pool, tokens, &settings) != NGX_OK)
    {
        return NULL;
    }

    return tokens;
}


ngx_http_k8s_profile_t *
ngx_http_k8s_base_create(ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *temp_pool,
    ngx_str_t *values, ngx_str_t *error)
{
    ngx_str_t               *copy;
    ngx_array_t             *tokens;
    ngx_k8s_settings_t       settings;
    ngx_http_k8s_profile_t  *profile;

    error->len = 0;

    tokens = ngx_http_k8s_base_tokens(klcf, temp_pool, values);

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

    copy = ngx_http_k8s_values_copy(profile->pool, values);

    if (copy == NULL
        || ngx_http_k8s_base_fill(klcf, profile, profile->pool, copy)
           != NGX_OK)
    {
        ngx_http_k8s_profile_release(profile);
        return NULL;
    }

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
    }

    if (values) {
        ngx_k8s_policy_settings(settings, NGX_K8S_API_INGRESS, values);
    }

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
        || ngx_http_k8s_headers_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_rewrite_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_redirect_profile(profile, pool) != NGX_OK)
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
 * NGX_ERROR: it is to be tried again.  The watcher has built it before, so that
 * it is not refused, but by the nginx.conf of an older or newer cycle.
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

        profile = ngx_http_k8s_base_create(klcf, pool, values, &error);

        if (profile == NULL && error.len == 0) {
            return NGX_ERROR;
        }

        if (profile == NULL) {
            ngx_log_error(NGX_LOG_ERR, pool->log, 0,
                          "keys of the ConfigMap that nginx refuses are not "
                          "in force: %V", &error);
            return NGX_OK;
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

    return NGX_OK;
}


/* what is not said is as in nginx.conf; values may be NULL */

static void
ngx_http_k8s_base_words(ngx_http_k8s_loc_conf_t *klcf, ngx_str_t *values)
{
    u_char               *server, *saved;
    ngx_str_t            *value;
    ngx_k8s_row_t        *row;
    ngx_http_k8s_word_t  *word;

    server = (u_char *) klcf->ctx.srv_conf[ngx_http_core_module.ctx_index];
    saved = (u_char *) klcf->words;

    for (word = ngx_http_k8s_words; word->key.len; word++) {

        row = ngx_k8s_row(&word->key, NGX_K8S_ROW_KEY);
        value = values ? &values[row - ngx_k8s_rows] : NULL;

        if (value == NULL || value->data == NULL
            || row->grammar->decode(row->grammar, value, server + word->offset)
               != NGX_OK)
        {
            ngx_memcpy(server + word->offset, saved + word->offset,
                       word->size);
        }
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
ngx_http_k8s_values_copy(ngx_pool_t *pool, ngx_str_t *values)
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
        copy[i].data = ngx_pstrdup(pool, &values[i]);

        if (copy[i].data == NULL) {
            return NULL;
        }
    }

    return copy;
}
