
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* From the texts of server-snippets to programs, locations, and profiles. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_access.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_protocol.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_server.h>


static ngx_int_t ngx_http_k8s_server_read(ngx_http_k8s_server_t *server,
    ngx_pool_t *pool, ngx_k8s_settings_t *settings);
static ngx_int_t ngx_http_k8s_server_places(ngx_http_k8s_server_t *server,
    ngx_k8s_snippet_t *s, ngx_uint_t config);
static void ngx_http_k8s_server_settings(ngx_k8s_settings_t *settings,
    ngx_str_t *text);
static ngx_int_t ngx_http_k8s_server_fill(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *profile, ngx_k8s_settings_t *settings,
    ngx_pool_t *pool);


ngx_k8s_row_t *
ngx_http_k8s_server_row(void)
{
    static ngx_k8s_row_t  *row;

    static ngx_str_t  name = ngx_string("server-snippet");

    if (row == NULL) {
        row = ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION);
    }

    return row;
}


ngx_int_t
ngx_http_k8s_server_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    ngx_http_k8s_server_t  *server;

    if (profile->settings->server_snippet.len == 0
        && profile->settings->server_config.len == 0)
    {
        return NGX_OK;
    }

    server = ngx_pcalloc(pool, sizeof(ngx_http_k8s_server_t));

    if (server == NULL
        || ngx_http_k8s_server_read(server, pool, profile->settings) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (server->program.ops.nelts || server->places.nelts) {
        profile->server = server;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_server_read(ngx_http_k8s_server_t *server, ngx_pool_t *pool,
    ngx_k8s_settings_t *settings)
{
    ngx_k8s_snippet_t   s[NGX_HTTP_K8S_SNIPPET_TEXTS], *own, *config;

    if (ngx_array_init(&server->program.ops, pool, 4, sizeof(ngx_http_k8s_op_t))
        != NGX_OK
        || ngx_array_init(&server->places, pool, 4,
                          sizeof(ngx_http_k8s_place_t))
           != NGX_OK
        || ngx_http_k8s_snippet_read(pool, settings, s) != NGX_OK)
    {
        return NGX_ERROR;
    }

    own = &s[NGX_HTTP_K8S_SERVER_TEXT];
    config = &s[NGX_HTTP_K8S_SERVER_CONFIG];

    if (ngx_http_k8s_snippet_ops(NULL, pool, &server->program, own) != NGX_OK
        || ngx_http_k8s_snippet_ops(NULL, pool, &server->program, config)
           != NGX_OK
        || ngx_http_k8s_server_places(server, own, 0) != NGX_OK
        || ngx_http_k8s_server_places(server, config, 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&server->self.text, "");

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_server_places(ngx_http_k8s_server_t *server, ngx_k8s_snippet_t *s,
    ngx_uint_t config)
{
    ngx_uint_t             i;
    ngx_k8s_statement_t   *st;
    ngx_http_k8s_place_t  *place;

    st = s->statements.elts;

    for (i = 0; i < s->statements.nelts; i = st[i].end) {

        if (st[i].directive->effect != NGX_K8S_SNIPPET_IN) {
            continue;
        }

        place = ngx_array_push(&server->places);
        if (place == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(place, sizeof(ngx_http_k8s_place_t));

        (void) ngx_k8s_snippet_place(st[i].words, st[i].n, &place->kind,
                                     &place->path);
        place->text = st[i].text;
        place->config = config;
    }

    return NGX_OK;
}


ngx_http_k8s_profile_t *
ngx_http_k8s_server_place(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_k8s_settings_t *settings,
    ngx_str_t *text, ngx_pool_t *pool, ngx_str_t *error)
{
    ngx_array_t             *tokens;
    ngx_k8s_settings_t       own;
    ngx_http_k8s_profile_t  *profile;

    error->len = 0;

    own = *settings;
    ngx_http_k8s_server_settings(&own, text);

    tokens = ngx_array_create(pool, 8, sizeof(ngx_array_t *));

    if (tokens == NULL
        || ngx_http_k8s_protocol_pass(klcf, pool, tokens, NGX_K8S_BACKEND_HTTP)
           != NGX_OK
        || ngx_http_k8s_snippet_delta(pool, tokens, &own, NULL) != NGX_OK)
    {
        return NULL;
    }

    profile = ngx_http_k8s_profile_create(&base->ctx, tokens, error);
    if (profile == NULL) {
        return NULL;
    }

    base->refs++;
    profile->base = base;

    if (ngx_http_k8s_server_fill(klcf, profile, &own, pool) != NGX_OK) {
        ngx_http_k8s_profile_release(profile);
        error->len = 0;
        return NULL;
    }

    return profile;
}


/* those of a location: what is for paths of Ingresses, is not for it */

static void
ngx_http_k8s_server_settings(ngx_k8s_settings_t *settings, ngx_str_t *text)
{
    settings->snippet = *text;
    settings->inner = 1;

    ngx_str_null(&settings->temporal_redirect);
    ngx_str_null(&settings->permanent_redirect);
    ngx_str_null(&settings->upstream_vhost);
    ngx_str_null(&settings->rewrite_target);
    ngx_str_null(&settings->custom_headers);
    ngx_str_null(&settings->auth_url);
    ngx_str_null(&settings->auth_snippet);

    settings->auth_type = NGX_K8S_AUTH_NONE;
    settings->auth_global = 0;
    settings->satisfy = 0;
}


static ngx_int_t
ngx_http_k8s_server_fill(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *profile, ngx_k8s_settings_t *settings,
    ngx_pool_t *temp_pool)
{
    ngx_str_t   *values;
    ngx_pool_t  *pool;

    pool = profile->pool;

    values = ngx_pcalloc(temp_pool, ngx_k8s_nrows * sizeof(ngx_str_t));

    profile->settings = ngx_palloc(pool, sizeof(ngx_k8s_settings_t));

    if (values == NULL || profile->settings == NULL) {
        return NGX_ERROR;
    }

    *profile->settings = *settings;

    /* the profile of the server may go before that of its location */

    settings = profile->settings;

    settings->snippet.data = ngx_pstrdup(pool, &settings->snippet);
    settings->server_snippet.data = ngx_pstrdup(pool,
                                                &settings->server_snippet);

    if (settings->snippet.data == NULL
        || settings->server_snippet.data == NULL
        || ngx_http_k8s_snippet_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_headers_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_rewrite_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_redirect_profile(profile, pool) != NGX_OK
        || ngx_http_k8s_access_profile(profile, pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_k8s_error_create(profile, klcf, NULL, values, temp_pool);
}


ngx_int_t
ngx_http_k8s_server_check(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_k8s_settings_t *settings,
    ngx_pool_t *pool, ngx_str_t *error)
{
    ngx_uint_t               i;
    ngx_http_k8s_place_t    *place;
    ngx_http_k8s_server_t    server;
    ngx_http_k8s_profile_t  *profile;

    ngx_memzero(&server, sizeof(ngx_http_k8s_server_t));

    if (ngx_http_k8s_server_read(&server, pool, settings) != NGX_OK) {
        return NGX_ERROR;
    }

    place = server.places.elts;

    for (i = 0; i < server.places.nelts; i++) {

        profile = ngx_http_k8s_server_place(klcf, base, settings,
                                            &place[i].text, pool, error);
        if (profile == NULL) {
            return error->len ? NGX_DECLINED : NGX_ERROR;
        }

        ngx_http_k8s_profile_release(profile);
    }

    return NGX_OK;
}
