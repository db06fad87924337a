
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_data.h>
#include <ngx_http_k8s_digest.h>
#include <ngx_http_k8s_password.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_route.h>
#include <ngx_k8s_passwords.h>


static ngx_int_t ngx_http_k8s_password_check(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_password_ctx_t *p);
static ngx_k8s_data_t *ngx_http_k8s_password_users(ngx_k8s_block_t *block,
    ngx_k8s_settings_t *settings);
static ngx_int_t ngx_http_k8s_password_compare(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_password_ctx_t *p,
    ngx_str_t *stored, ngx_uint_t known);
static ngx_int_t ngx_http_k8s_password_busy(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_password_wrong(ngx_http_request_t *r);
static void ngx_http_k8s_password_done(ngx_http_k8s_waiter_t *waiter,
    ngx_uint_t right);
static void ngx_http_k8s_password_cleanup(void *data);


ngx_int_t
ngx_http_k8s_password_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool)
{
    ngx_str_t                *realm;
    ngx_http_k8s_password_t  *password;

    if (profile->settings->auth_type == NGX_K8S_AUTH_NONE) {
        return NGX_OK;
    }

    realm = &profile->settings->auth_realm;

    password = ngx_pcalloc(pool, sizeof(ngx_http_k8s_password_t));
    if (password == NULL) {
        return NGX_ERROR;
    }

    profile->password = password;

    if (profile->settings->auth_type == NGX_K8S_AUTH_DIGEST) {
        return NGX_OK;
    }

    password->challenge.data = ngx_pnalloc(pool, sizeof("Basic realm=\"\"")
                                                 + realm->len);
    if (password->challenge.data == NULL) {
        return NGX_ERROR;
    }

    password->challenge.len = ngx_sprintf(password->challenge.data,
                                          "Basic realm=\"%V\"", realm)
                              - password->challenge.data;

    return NGX_OK;
}


ngx_uint_t
ngx_http_k8s_password_wanted(ngx_http_k8s_ctx_t *ctx)
{
    ngx_http_k8s_profile_t  *base;

    if (ctx->profile->password == NULL) {
        return 0;
    }

    base = ctx->profile->base ? ctx->profile->base : ctx->profile;

    return !ngx_http_k8s_prefixed(ctx, base->no_auth);
}


ngx_int_t
ngx_http_k8s_password(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_http_k8s_password_ctx_t  *p;

    p = ctx->password;

    if (p == NULL) {

        p = ngx_pcalloc(r->pool, sizeof(ngx_http_k8s_password_ctx_t));
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p->request = r;
        ctx->password = p;

        p->rc = ngx_http_k8s_password_check(r, ctx, p);
    }

    return p->waiter.job ? NGX_DONE : p->rc;
}


static ngx_int_t
ngx_http_k8s_password_check(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_password_ctx_t *p)
{
    ngx_int_t             rc;
    ngx_str_t             lines, stored;
    ngx_uint_t            known;
    ngx_k8s_data_t       *data;
    ngx_k8s_settings_t   *settings;

    settings = ngx_http_k8s_settings(ctx);

    data = ngx_http_k8s_password_users(ctx->block, settings);

    if (data == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "the path is closed: users of Secret \"%V\" are not "
                      "known", &settings->auth_secret);

        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ngx_k8s_record_str(data, &data->bytes, &lines);

    if (settings->auth_type == NGX_K8S_AUTH_DIGEST) {
        return ngx_http_k8s_digest(r, ctx, &lines, &p->stale);
    }

    rc = ngx_http_auth_basic_user(r);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "no user/password was provided for basic "
                      "authentication");

        return NGX_HTTP_UNAUTHORIZED;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->headers_in.passwd.len > NGX_K8S_PASSWORD_MAX) {
        return ngx_http_k8s_password_wrong(r);
    }

    /* an unknown user costs what another one does */

    known = (ngx_k8s_users_find(&lines, &r->headers_in.user, &stored)
             == NGX_OK);

    return ngx_http_k8s_password_compare(r, ctx, p, &stored, known);
}


/* NULL: they are not known */

static ngx_k8s_data_t *
ngx_http_k8s_password_users(ngx_k8s_block_t *block,
    ngx_k8s_settings_t *settings)
{
    ngx_uint_t  digest;

    static ngx_uint_t  uses[2][2] = {
        { NGX_K8S_DATA_USERS, NGX_K8S_DATA_USER_MAP },
        { NGX_K8S_DATA_DIGESTS, NGX_K8S_DATA_DIGEST_MAP }
    };

    if (settings->auth_secret.len == 0) {
        return NULL;
    }

    digest = (settings->auth_type == NGX_K8S_AUTH_DIGEST);

    return ngx_http_k8s_data(block, uses[digest][settings->auth_map ? 1 : 0],
                             &settings->auth_secret);
}


ngx_uint_t
ngx_http_k8s_password_closed(ngx_k8s_block_t *block,
    ngx_k8s_settings_t *settings)
{
    return settings->auth_secret.len
           && ngx_http_k8s_password_users(block, settings) == NULL;
}


static ngx_int_t
ngx_http_k8s_password_compare(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_password_ctx_t *p, ngx_str_t *stored, ngx_uint_t known)
{
    ngx_int_t            rc;
    ngx_uint_t           form;
    ngx_pool_cleanup_t  *cln;

    form = ngx_k8s_password_form(stored);

    if (form == NGX_K8S_PASSWORD_NEVER) {
        return ngx_http_k8s_password_wrong(r);
    }

    if (form == NGX_K8S_PASSWORD_CHEAP) {
        return (ngx_http_k8s_hash_compare(r->pool, &r->headers_in.passwd,
                                          stored)
                && known)
               ? NGX_OK : ngx_http_k8s_password_wrong(r);
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p->waiter.handler = ngx_http_k8s_password_done;

    rc = ngx_http_k8s_hash(r, &ngx_http_k8s_settings(ctx)->auth_secret, stored,
                           known, &p->waiter);

    switch (rc) {

    case NGX_OK:
        return NGX_OK;

    case NGX_AGAIN:
        cln->handler = ngx_http_k8s_password_cleanup;
        cln->data = p;

        r->read_event_handler = ngx_http_test_reading;

        return NGX_AGAIN;

    default:
        return ngx_http_k8s_password_busy(r);
    }
}


/* it cannot be compared, or not now */

static ngx_int_t
ngx_http_k8s_password_busy(ngx_http_request_t *r)
{
    ngx_str_t  name, value;

    ngx_str_set(&name, "Retry-After");
    ngx_str_set(&value, "1");

    return ngx_http_k8s_header_add(r, &name, &value)
           ? NGX_HTTP_SERVICE_UNAVAILABLE : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_k8s_password_wrong(ngx_http_request_t *r)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "user \"%V\": no such user, or another password",
                  &r->headers_in.user);

    return NGX_HTTP_UNAUTHORIZED;
}


static void
ngx_http_k8s_password_done(ngx_http_k8s_waiter_t *waiter, ngx_uint_t right)
{
    ngx_connection_t             *c;
    ngx_http_request_t           *r;
    ngx_http_k8s_password_ctx_t  *p;

    p = (ngx_http_k8s_password_ctx_t *) waiter;
    r = p->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    p->rc = right ? NGX_OK : ngx_http_k8s_password_wrong(r);

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_k8s_password_cleanup(void *data)
{
    ngx_http_k8s_password_ctx_t *p = data;

    ngx_http_k8s_hash_cancel(&p->waiter);
}


ngx_int_t
ngx_http_k8s_password_challenge(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx)
{
    ngx_str_t         name, value;
    ngx_table_elt_t  *h;

    ngx_str_set(&name, "WWW-Authenticate");
    value = ctx->profile->password->challenge;

    if (value.len == 0
        && ngx_http_k8s_digest_challenge(r, ctx, ctx->password
                                                 && ctx->password->stale,
                                         &value)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    h = ngx_http_k8s_header_add(r, &name, &value);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->next = r->headers_out.www_authenticate;
    r->headers_out.www_authenticate = h;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_password_passed(ngx_http_request_t *r)
{
    ngx_str_t                  none;
    ngx_table_elt_t            h;
    ngx_http_k8s_main_conf_t  *kmcf;

    ngx_str_null(&none);

    /* for the log, as long as the header is there */

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

    (void) ngx_http_get_indexed_variable(r, kmcf->remote_user);

    ngx_memzero(&h, sizeof(ngx_table_elt_t));

    ngx_str_set(&h.key, "Authorization");
    h.lowcase_key = (u_char *) "authorization";
    h.hash = ngx_hash_key(h.lowcase_key, h.key.len);

    return ngx_http_k8s_header_sent(r, &h, &none);
}
