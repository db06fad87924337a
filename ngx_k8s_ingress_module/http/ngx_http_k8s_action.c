
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_access.h>
#include <ngx_http_k8s_affinity.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_backend_tls.h>
#include <ngx_http_k8s_cors.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_server.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_k8s_tls.h>


static ngx_int_t ngx_http_k8s_closed(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, char *what, ngx_int_t status);
static ngx_int_t ngx_http_k8s_take_action(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_route_t *route);
static ngx_int_t ngx_http_k8s_elsewhere(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_route_t *route);
static ngx_int_t ngx_http_k8s_take_names(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, uint32_t n);
static ngx_k8s_rule_rec_t *ngx_http_k8s_take_rule(ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, uint32_t n);
static ngx_int_t ngx_http_k8s_take_backend(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_route_t *route);
static ngx_int_t ngx_http_k8s_take_canary(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table,
    ngx_k8s_backend_rec_t *backend, ngx_k8s_service_rec_t *service);


ngx_int_t
ngx_http_k8s_act(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_t *route)
{
    uint32_t           slot;
    ngx_int_t          rc, tls;
    ngx_str_t          root;
    ngx_k8s_match_t   *match;
    ngx_k8s_action_t  *action;

    match = route->match;
    action = route->action;

    if (ngx_http_k8s_take_names(r, ctx, table, match->rule) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->untaken = (route->path == NULL && route->host->name.len == 0
                    && ctx->names == NULL);

    if (route->host->flags & NGX_K8S_HOST_CLOSED) {
        ctx->bare = 1;
        return ngx_http_k8s_closed(r, ctx, "host", NGX_HTTP_FORBIDDEN);
    }

    tls = ngx_http_k8s_server_client(r, ctx, table, route->host);

    if (tls != NGX_OK && tls != NGX_DECLINED && tls != NGX_ABORT) {
        ctx->bare = 1;
        return tls;
    }

    slot = ngx_http_k8s_server_slot(table, route->host);

    if (match->policy || slot) {
        rc = ngx_http_k8s_policy(r, ctx, table, match->policy, slot);

        if (rc != NGX_OK) {
            return (rc == NGX_DECLINED) ? NGX_AGAIN
                                        : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->profile->denied
        && (ctx->profile->denied != NGX_HTTP_K8S_DENIED_ASK
            || ngx_http_k8s_backend_tls_closed(ctx->block,
                                               ctx->profile->settings)))
    {
        return ngx_http_k8s_closed(r, ctx, "path",
                                   NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    if (route->host->root.len && r->uri.len == 1) {
        ngx_k8s_record_str(route->host, &route->host->root, &root);
        ctx->bare = 1;

        ctx->unlocated = 1;

        return ngx_http_k8s_to_path(r, &root);
    }

    if (action->kind == NGX_K8S_ACTION_ADD_SLASH) {
        ctx->unlocated = 1;

        return ngx_http_k8s_add_slash(r);
    }

    if (action->kind == NGX_K8S_ACTION_TWIN) {
        return ngx_http_k8s_to_twin(r, ctx, route);
    }

    ctx->unmatched = (action->kind == NGX_K8S_ACTION_STATUS
                      && (match->flags & NGX_K8S_MATCH_DEFAULT));

    if (ctx->profile->cors
        && (action->kind != NGX_K8S_ACTION_STATUS || ctx->unmatched)
        && ngx_http_k8s_cors(r, ctx))
    {
        return NGX_HTTP_NO_CONTENT;
    }

    rc = ngx_http_k8s_elsewhere(r, ctx, table, route);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    /* challenges of ACME come without TLS */

    if (tls == NGX_ABORT
        || (tls == NGX_DECLINED
            && !ngx_http_k8s_prefixed(ctx, ctx->profile->no_redirect)))
    {
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_http_k8s_settings(ctx)->closed) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "all paths are closed by a key of the ConfigMap, see its "
                      "problems");

        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return ngx_http_k8s_take_action(r, ctx, table, route);
}


/* what is let through */

static ngx_int_t
ngx_http_k8s_take_action(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_t *route)
{
    ngx_k8s_action_t  *action;

    action = route->action;

    switch (action->kind) {

    case NGX_K8S_ACTION_STATUS:

        ctx->verdict = action->status ? action->status : NGX_HTTP_NOT_FOUND;

        if (!ctx->unmatched) {
            return ngx_http_k8s_closed(r, ctx, "path", ctx->verdict);
        }

        /* what has to wait does so where it is let through */

        if (ctx->profile->limit || ngx_http_k8s_auth_wanted(ctx)) {
            return NGX_DECLINED;
        }

        if (ngx_http_k8s_access(r, ctx, 0) == NGX_HTTP_FORBIDDEN) {
            return NGX_HTTP_FORBIDDEN;
        }

        return ctx->verdict;

    case NGX_K8S_ACTION_REDIRECT:
        return ngx_http_k8s_redirect(r, route);

    case NGX_K8S_ACTION_BACKENDS:
        return ngx_http_k8s_take_backend(r, ctx, table, route);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


/* what protects cannot be honoured: what that is, a problem says */

static ngx_int_t
ngx_http_k8s_closed(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx, char *what,
    ngx_int_t status)
{
    ngx_str_t  namespace, name;

    ngx_str_null(&namespace);
    ngx_str_null(&name);

    if (ctx->names) {
        ngx_k8s_record_str(ctx->names, &ctx->names->namespace, &namespace);
        ngx_k8s_record_str(ctx->names, &ctx->names->name, &name);
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "the %s is closed, see problems of Ingress \"%V/%V\"", what,
                  &namespace, &name);

    return status;
}


/*
 * Redirects of a route, and what it makes of the URI.  NGX_DECLINED, or the
 * status of the answer.
 */

static ngx_int_t
ngx_http_k8s_elsewhere(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_t *route)
{
    ngx_int_t                 rc;
    ngx_str_t                 url;
    ngx_uint_t                all;
    ngx_k8s_settings_t       *settings;
    ngx_http_k8s_captures_t   captures;

    settings = ngx_http_k8s_settings(ctx);

    /* the default backend of all hosts is not redirected elsewhere */

    all = (route->path == NULL && route->host->name.len == 0);

    if (!all && (settings->temporal_redirect.len
                 || settings->permanent_redirect.len))
    {
        captures.n = 0;

        if (ngx_http_k8s_template_run_header(r, &ctx->profile->templates->away,
                                             &captures, &url)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_k8s_redirect_to(r, settings->temporal_redirect.len
                                           ? settings->temporal_code
                                           : settings->permanent_code, &url);
    }

    if (route->host->route_set == 0
        && (settings->force_ssl_redirect
            || (settings->ssl_redirect
                && ngx_k8s_tls_wanted(table, route, &r->headers_in.server)))
        && ngx_http_k8s_forwarded_http(r)
        && !ngx_http_k8s_prefixed(ctx, ctx->profile->no_redirect))
    {
        return ngx_http_k8s_to_https(r, settings->redirect_code,
                                     settings->keep_slash,
                                     settings->redirect_port ? ctx->block
                                                             : NULL);
    }

    if (route->match->flags & NGX_K8S_MATCH_REWRITE) {
        rc = ngx_http_k8s_rewrite(r, ctx, route);

        if (rc == NGX_HTTP_MOVED_TEMPORARILY) {
            url = ctx->uri;
            ngx_str_null(&ctx->uri);

            return ngx_http_k8s_redirect_to(r, rc, &url);
        }

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


/* the names are copied: the log phase may ask when the rule has long gone */

static ngx_int_t
ngx_http_k8s_take_names(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, uint32_t n)
{
    size_t               size;
    ngx_k8s_rule_rec_t  *rule;

    rule = ngx_http_k8s_take_rule(ctx, table, n);

    if (rule == NULL) {
        ctx->no_service = 1;
        return NGX_OK;
    }

    size = rule->header.size;

    ctx->names = ngx_http_k8s_alloc(r, ctx, size);
    if (ctx->names == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ctx->names, rule, size);

    ctx->no_service = (ctx->names->service.len == 0);

    return NGX_OK;
}


/* the one that counts the request; NULL: it has gone */

static ngx_k8s_rule_rec_t *
ngx_http_k8s_take_rule(ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table,
    uint32_t n)
{
    ngx_k8s_slot_t      *slot;
    ngx_k8s_rule_rec_t  *rule;

    slot = ngx_k8s_slot(table, n);
    rule = slot ? ngx_k8s_slot_read(table, NGX_K8S_INDEX_RULE, slot) : NULL;

    if (rule) {
        ctx->rule = n;
        ctx->rule_generation = slot->generation;
    }

    return rule;
}


static ngx_int_t
ngx_http_k8s_take_backend(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_t *route)
{
    ngx_int_t               rc;
    ngx_uint_t              status;
    ngx_k8s_backend_rec_t  *backend, *owner;
    ngx_k8s_service_rec_t  *service;

    backend = ngx_k8s_route_backend(route, (route->action->nbackends > 1)
                                           ? (uint32_t) ngx_random() : 0);
    if (backend == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (route->action->nbackends > 1) {
        owner = ngx_http_k8s_affinity_backend(r, ctx, table, route);
        backend = owner ? owner : backend;
    }

    if (backend->flags & NGX_K8S_BACKEND_CANARY) {
        backend = ngx_k8s_route_canary(table, route, backend);
    }

    service = ngx_k8s_route_service(table, backend, &status);

    if (service && (backend->flags & NGX_K8S_BACKEND_CANARY)
        && ngx_http_k8s_take_canary(r, ctx, table, backend, service) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (service == NULL) {

        if (backend->service
            && ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                       backend->service, backend->generation)
               == NULL)
        {
            return NGX_AGAIN;
        }

        /* a snippet may answer in its place, or lead elsewhere */

        if (ctx->profile->program && ctx->profile->program->answers) {
            ctx->verdict = status;
            ctx->missing = (backend->service
                            && status == NGX_HTTP_SERVICE_UNAVAILABLE);

            return NGX_DECLINED;
        }

        return (backend->service && status == NGX_HTTP_SERVICE_UNAVAILABLE)
               ? ngx_http_k8s_error_missing(r, ctx, table) : (ngx_int_t) status;
    }

    ctx->hop.block = ctx->block;
    ctx->hop.service = backend->service;
    ctx->hop.generation = backend->generation;
    ctx->hop.protocol = ctx->profile->protocol;
    ctx->hop.http2 = 0;

    if (service->flags & NGX_K8S_SERVICE_H2C) {

        rc = ngx_http_k8s_policy_h2c(r, ctx, table, route->match->policy,
                                     ngx_http_k8s_server_slot(table,
                                                              route->host));
        if (rc != NGX_OK) {
            return (rc == NGX_DECLINED) ? NGX_AGAIN
                                        : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ctx->hop.hashed = (service->hash_by.len != 0);

    ngx_k8s_copies_take(&ctx->hop.copies, service);

    if (service->affinity != NGX_K8S_AFFINITY_NONE) {
        ngx_http_k8s_affinity(r, ctx, service);
    }

    return NGX_DECLINED;
}


/* for logs and metrics: namespace-service-port */

static ngx_int_t
ngx_http_k8s_take_canary(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_backend_rec_t *backend,
    ngx_k8s_service_rec_t *service)
{
    ngx_str_t  namespace, name, port;

    (void) ngx_http_k8s_take_rule(ctx, table, backend->rule);

    ngx_k8s_record_str(service, &service->namespace, &namespace);
    ngx_k8s_record_str(service, &service->name, &name);
    ngx_k8s_record_str(service, &service->port, &port);

    ctx->canary.data = ngx_pnalloc(r->pool, namespace.len + 1 + name.len + 1
                                            + port.len);
    if (ctx->canary.data == NULL) {
        return NGX_ERROR;
    }

    ctx->canary.len = ngx_sprintf(ctx->canary.data, "%V-%V-%V", &namespace,
                                  &name, &port)
                      - ctx->canary.data;

    return NGX_OK;
}
