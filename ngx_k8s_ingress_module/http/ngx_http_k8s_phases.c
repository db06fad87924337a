
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_access.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_http_k8s_limit.h>
#include <ngx_http_k8s_log.h>
#include <ngx_http_k8s_password.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_server.h>
#include <ngx_http_k8s_snippet.h>


static ngx_int_t ngx_http_k8s_post_read_begin(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_post_read_end(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_server_rewrite_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_rewrite_handler(ngx_http_request_t *r);
static ngx_http_handler_pt ngx_http_k8s_realip(
    ngx_http_core_main_conf_t *cmcf);
static ngx_int_t ngx_http_k8s_late_address(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_gate(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_anew(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_page(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_page_t *page);
static ngx_int_t ngx_http_k8s_admit(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_admitted(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_uint_t password, ngx_uint_t unasked);
static ngx_int_t ngx_http_k8s_refused(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_int_t rc);
static ngx_int_t ngx_http_k8s_check_length(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_count_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_answered(ngx_http_request_t *r);


ngx_int_t
ngx_http_k8s_phases_init(ngx_conf_t *cf)
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

    kmcf->realip = ngx_http_k8s_realip(cmcf);

    /* handlers run in reverse order: the first one of the array runs last */

    a = &cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers;

    if (ngx_array_push_n(a, 2) == NULL) {
        return NGX_ERROR;
    }

    h = a->elts;
    ngx_memmove(h + 1, h, (a->nelts - 2) * sizeof(ngx_http_handler_pt));
    h[0] = ngx_http_k8s_post_read_end;
    h[a->nelts - 1] = ngx_http_k8s_post_read_begin;

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

    *h = ngx_http_k8s_count_handler;

    return ngx_http_k8s_log_init(cf);
}


/* the realip module's handler, which alone is in both phases; NULL: it is not
   there */

static ngx_http_handler_pt
ngx_http_k8s_realip(ngx_http_core_main_conf_t *cmcf)
{
    ngx_uint_t            i, n;
    ngx_array_t          *one, *two;
    ngx_http_handler_pt  *h, *other;

    one = &cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers;
    two = &cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers;

    h = one->elts;
    other = two->elts;

    for (i = 0; i < one->nelts; i++) {
        for (n = 0; n < two->nelts; n++) {
            if (h[i] == other[n]) {
                return h[i];
            }
        }
    }

    return NULL;
}


/*
 * These stand around the realip module's handler, which finds the client's
 * address with the configuration of the base where keys say so.  A pass in a
 * location is not known so early.
 */

static ngx_int_t
ngx_http_k8s_post_read_begin(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t       *ctx;
    ngx_http_k8s_profile_t   *base;
    ngx_http_k8s_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);

    if (klcf->block == NULL) {
        return NGX_DECLINED;
    }

    base = ngx_http_k8s_base(klcf, ngx_k8s_pin(klcf->block),
                             r->connection->log);

    if (!ngx_http_k8s_forwarded_wanted(base->settings)) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_k8s_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (base->proxies && ngx_http_k8s_forwarded_proxy(r, base) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->peer = r->connection->addr_text;

    ngx_http_k8s_profile_use(&ctx->profile, base, r);

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_post_read_end(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t        *ctx;
    ngx_http_core_srv_conf_t  *cscf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_k8s_module);

    if (ctx && ctx->profile && !ctx->routed) {
        cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
        r->loc_conf = cscf->ctx->loc_conf;
    }

    return NGX_DECLINED;
}


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
    ngx_http_k8s_page_t       *page;
    ngx_http_k8s_loc_conf_t   *klcf;
    ngx_http_k8s_main_conf_t  *kmcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_k8s_module);

    if (ctx && ctx->gate) {
        return ngx_http_k8s_gate(r, ctx);
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

    if (kmcf->rewrite) {
        rc = kmcf->rewrite(r);

        if (rc != NGX_DECLINED || r->uri_changed) {
            return rc;
        }
    }

    ctx = ngx_http_k8s_ctx(r);

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);

    if (klcf->outer) {
        klcf = klcf->outer;
    }

    if (klcf->error) {
        page = ngx_http_k8s_error_find(r, ctx);

        if (page) {
            return ngx_http_k8s_page(r, ctx, page);
        }

        /* a location of a snippet has no pages of paths */

        return (ctx && ctx->profile && ctx->profile->settings->inner
                && ctx->profile->error == NULL)
               ? (ngx_int_t) r->err_status : ngx_http_k8s_error_page(r);
    }

    if (klcf->block == NULL || !klcf->late) {

        if (ctx == NULL || !ctx->routed || ctx->status || r != r->main
            || r->internal)
        {
            return NGX_DECLINED;
        }

        return ngx_http_k8s_gate(r, ctx);
    }

    if (r != r->main || (ctx && ctx->routed)) {

        /* routed once; an error page must not lead to a tenant's backend */

        return klcf->location ? NGX_HTTP_NOT_FOUND : NGX_DECLINED;
    }

    rc = ngx_http_k8s_route(r, klcf);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx = ngx_http_k8s_ctx(r);

    rc = ngx_http_k8s_late_address(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_k8s_gate(r, ctx) : rc;
}


/*
 * Of a pass in a location the profile is known only now: the realip module
 * would find the client's address behind the gate.
 */

static ngx_int_t
ngx_http_k8s_late_address(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_http_k8s_profile_t    *base;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

    base = ctx->profile->base ? ctx->profile->base : ctx->profile;

    if (kmcf->realip == NULL
        || ctx->peer.len
        || !ngx_http_k8s_forwarded_wanted(base->settings))
    {
        return NGX_DECLINED;
    }

    ctx->peer = r->connection->addr_text;

    if (base->proxies && ngx_http_k8s_forwarded_proxy(r, base) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return kmcf->realip(r);
}


/*
 * What stands before the backend of a routed request.  NGX_DONE: it waits, and
 * comes here again.
 */

static ngx_int_t
ngx_http_k8s_gate(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_http_k8s_profile_t  *profile;

    profile = ctx->profile;

    /* once: who is refused later has come, too */

    rc = (profile->limit && !ctx->gate) ? ngx_http_k8s_limit(r, ctx)
                                        : NGX_DECLINED;

    if (rc == NGX_DECLINED
        && (profile->access || profile->password || profile->auth))
    {

        rc = ngx_http_k8s_admit(r, ctx);

        ctx->gate = (rc == NGX_DONE);

        if (rc == NGX_DONE) {
            return rc;
        }
    }

    if (rc == NGX_DECLINED && profile->program) {

        rc = ngx_http_k8s_program(r, ctx, profile->program);

        if (rc == NGX_AGAIN) {
            return ngx_http_k8s_anew(r, ctx);
        }
    }

    if (rc == NGX_DECLINED && ctx->verdict) {
        rc = ctx->verdict;

        if (ctx->missing) {
            rc = ngx_http_k8s_error_missing(r, ctx, ngx_k8s_pin(ctx->block));
            ngx_http_update_location_config(r);
        }
    }

    if (rc != NGX_DECLINED) {

        /* an error page of nginx.conf does not get there either */

        ctx->status = rc;
        ctx->hop.service = 0;

        return rc;
    }

    if (ctx->uri.len) {

        if (ctx->run) {
            ngx_http_k8s_run_rewritten(ctx);
        }

        if (ngx_http_k8s_rewritten(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ctx->conf->late ? ngx_http_k8s_check_length(r) : NGX_DECLINED;
}


/* by the URI that a snippet has made; who gets there has to be let through
   again */

static ngx_int_t
ngx_http_k8s_anew(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_k8s_reroute(r, ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_http_k8s_check_length(r);

    return (rc == NGX_DECLINED) ? ngx_http_k8s_gate(r, ctx) : rc;
}


/*
 * An error page of a snippet: nothing but the gate of the way that the request
 * goes then lets it through.  nginx does this once for a request.
 */

static ngx_int_t
ngx_http_k8s_page(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_page_t *page)
{
    ngx_int_t                 rc;
    ngx_str_t                 target, args;
    ngx_http_k8s_captures_t  *captures;

    if (page->over >= 0) {
        r->err_status = page->over;
    }

    captures = ngx_http_k8s_run_captures(ctx);

    if (ngx_http_k8s_template_run_header(r, &page->target, captures, &target)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (target.len == 0) {
        return NGX_HTTP_NOT_FOUND;
    }

    ctx->status = 0;
    ctx->hop.service = 0;

    if (target.data[0] == '/') {
        ngx_str_null(&args);
        ngx_http_split_args(r, &target, &args);

        r->uri.len = target.len;
        r->uri.data = ngx_pstrdup(r->pool, &target);
        r->args.len = args.len;
        r->args.data = ngx_pstrdup(r->pool, &args);

        if (r->uri.data == NULL || (args.len && r->args.data == NULL)) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (r->method != NGX_HTTP_HEAD) {
            r->method = NGX_HTTP_GET;
            r->method_name = ngx_http_core_get_method;
        }

        r->valid_unparsed_uri = 0;
        ngx_http_set_exten(r);

        /* a page of a path does not pass by what the server says */

        ctx->served = 0;

        /* a client may wait to be told that its body is wanted */

        if (r->request_body == NULL && !r->discard_body) {
            r->expect_tested = 0;
        }

        return ngx_http_k8s_anew(r, ctx);
    }

    if (target.data[0] == '@') {
        rc = ngx_http_k8s_server_named(r, ctx, &target);

        if (rc != NGX_OK) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "could not find named location \"%V\"", &target);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_http_update_location_config(r);

        return ngx_http_k8s_gate(r, ctx);
    }

    rc = (r->err_status >= NGX_HTTP_MOVED_PERMANENTLY
          && r->err_status <= NGX_HTTP_PERMANENT_REDIRECT)
         ? (ngx_int_t) r->err_status : NGX_HTTP_MOVED_TEMPORARILY;

    r->err_status = 0;

    return ngx_http_k8s_redirect_to(r, rc, &target);
}


/* as the access phase has it: lists of addresses, passwords, auth servers */

static ngx_int_t
ngx_http_k8s_admit(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_int_t   rc, code;
    ngx_uint_t  any, password, auth;

    password = ngx_http_k8s_password_wanted(ctx);
    auth = ngx_http_k8s_auth_wanted(ctx);

    any = (ngx_http_k8s_settings(ctx)->satisfy && (password || auth));

    /* block-cidrs is the controller's, not one of several */

    if (any && ngx_http_k8s_access_blocked_address(r, ctx)) {
        return NGX_HTTP_FORBIDDEN;
    }

    rc = ngx_http_k8s_access(r, ctx, any);

    if (any && rc == NGX_OK) {
        return ngx_http_k8s_admitted(r, ctx, password, auth);
    }

    if (!any && rc == NGX_HTTP_FORBIDDEN) {
        return NGX_HTTP_FORBIDDEN;
    }

    code = NGX_OK;

    if (password) {
        code = ngx_http_k8s_password(r, ctx);

        if (any && code == NGX_OK) {
            return ngx_http_k8s_admitted(r, ctx, password, auth);
        }

        if (code != NGX_OK
            && !(any && auth && code == NGX_HTTP_UNAUTHORIZED))
        {
            return ngx_http_k8s_refused(r, ctx, code);
        }
    }

    if (auth) {
        rc = ngx_http_k8s_auth(r, ctx);

        if (rc == NGX_DONE) {
            return NGX_DONE;
        }

        if (rc != NGX_DECLINED) {

            if (code == NGX_OK) {
                return rc;
            }

            if (ngx_http_k8s_password_challenge(r, ctx) != NGX_OK) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            return (rc == NGX_HTTP_FORBIDDEN) ? code : rc;
        }
    }

    return ngx_http_k8s_admitted(r, ctx, password && !auth, 0);
}


/* with "unasked" nobody has said who the client is */

static ngx_int_t
ngx_http_k8s_admitted(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_uint_t password, ngx_uint_t unasked)
{
    if ((password && ngx_http_k8s_password_passed(r) != NGX_OK)
        || (unasked && ngx_http_k8s_auth_unasked(r, ctx) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/* for want of a password, or NGX_DONE */

static ngx_int_t
ngx_http_k8s_refused(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_int_t rc)
{
    if (rc != NGX_HTTP_UNAUTHORIZED) {
        return rc;
    }

    return (ngx_http_k8s_password_challenge(r, ctx) == NGX_OK)
           ? ngx_http_k8s_auth_signin(r, ctx) : NGX_HTTP_INTERNAL_SERVER_ERROR;
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
ngx_http_k8s_count_handler(ngx_http_request_t *r)
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
                      method, ngx_min(status, 4095),
                      ngx_http_k8s_answered(r));
    }

    return NGX_OK;
}


/* as $upstream_response_time, of all tries; -1: no backend was asked */

static ngx_int_t
ngx_http_k8s_answered(ngx_http_request_t *r)
{
    ngx_int_t                   msec;
    ngx_uint_t                  i;
    ngx_http_upstream_state_t  *state;

    if (r->upstream_states == NULL || r->upstream_states->nelts == 0) {
        return -1;
    }

    msec = 0;
    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {

        if (state[i].response_time != (ngx_msec_t) -1) {
            msec += ngx_max((ngx_msec_int_t) state[i].response_time, 0);
        }
    }

    return msec;
}
