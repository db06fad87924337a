
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
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_cors.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_server.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_http_k8s_variables.h>
#include <ngx_k8s_tls.h>


/* how often a host is looked for whose policy or Service has gone meanwhile */
#define NGX_HTTP_K8S_ROUTE_TRIES     4


static ngx_int_t ngx_http_k8s_decide(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table);
static void ngx_http_k8s_forget(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_health(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table,
    ngx_k8s_route_key_t *key);
static ngx_int_t ngx_http_k8s_closed(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, char *what, ngx_int_t status);
static ngx_int_t ngx_http_k8s_client(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, uint32_t n);
static ngx_int_t ngx_http_k8s_act(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_route_t *route);
static ngx_int_t ngx_http_k8s_take_action(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_route_t *route);
static ngx_int_t ngx_http_k8s_elsewhere(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_route_t *route);
static ngx_int_t ngx_http_k8s_take_rule(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, uint32_t slot);
static ngx_int_t ngx_http_k8s_take_backend(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_route_t *route);
static ngx_int_t ngx_http_k8s_take_canary(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table,
    ngx_k8s_backend_rec_t *backend, ngx_k8s_service_rec_t *service);
static ngx_int_t ngx_http_k8s_status(ngx_http_request_t *r,
    ngx_uint_t status);
static ngx_int_t ngx_http_k8s_route_value(void *data, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_route_variable(ngx_http_request_t *r,
    ngx_str_t *prefix, ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_route_regex(void *data, ngx_uint_t what,
    ngx_str_t *pattern, ngx_str_t *text);


ngx_int_t
ngx_http_k8s_route(ngx_http_request_t *r, ngx_http_k8s_loc_conf_t *klcf)
{
    ngx_int_t            rc;
    ngx_k8s_table_t     *table;
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->routed) {
        return NGX_DECLINED;
    }

    ctx->routed = 1;
    ctx->conf = klcf;
    ctx->block = klcf->block;

    if (ctx->asked) {
        ngx_http_k8s_reset_variables(r);
    }

    if (r->host_start && ngx_http_k8s_set_host(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->headers_in.upgrade && ngx_http_k8s_no_h2c(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    table = ngx_k8s_pin(ctx->block);

    ngx_http_k8s_profile_use(&ctx->profile,
                             ngx_http_k8s_base(klcf, table,
                                               r->connection->log),
                             r);

    rc = ngx_http_k8s_decide(r, ctx, table);

    if (ctx->health) {
        r->loc_conf = klcf->health_conf;

    } else if (table && !ngx_k8s_clients_differ(&ctx->block->view)) {
        ngx_http_k8s_forwarded_note(r, ctx->block);
    }

    if (rc == NGX_DECLINED && !klcf->late) {

        /* the search for a location comes next, and does the rest */

        return NGX_DECLINED;
    }

    if (rc == NGX_OK || rc == NGX_ERROR) {

        /* it was sent */

        ctx->status = NGX_HTTP_OK;
        return rc;
    }

    ngx_http_update_location_config(r);

    if (rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    ctx->status = rc;

    return ngx_http_k8s_status(r, rc);
}


ngx_int_t
ngx_http_k8s_reroute(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_int_t         rc;
    ngx_k8s_table_t  *table;

    ngx_http_k8s_forget(r, ctx);

    ngx_memzero(&ctx->hop, sizeof(ngx_http_k8s_hop_t));
    ctx->auth = NULL;
    ctx->password = NULL;

    if (ctx->run) {
        ctx->run->taken = NULL;
    }

    table = ngx_k8s_pin(ctx->block);

    rc = ngx_http_k8s_decide(r, ctx, table);

    ngx_http_update_location_config(r);

    if (rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    ctx->hop.service = 0;

    if (rc == NGX_OK || rc == NGX_ERROR) {

        /* it was sent */

        ctx->status = NGX_HTTP_OK;
        return rc;
    }

    ctx->status = rc;

    return ngx_http_k8s_status(r, rc);
}


/* NGX_DECLINED: it goes on behind the gate; or the status of the answer, NGX_OK
   or NGX_ERROR where it was sent */

static ngx_int_t
ngx_http_k8s_decide(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table)
{
    ngx_int_t             rc;
    ngx_str_t             name;
    ngx_uint_t            tries, taken;
    ngx_k8s_route_t       route;
    ngx_k8s_route_key_t   key;

    /* in lower case, without port and trailing dot: ngx_http_validate_host() */

    name = r->headers_in.server;

    if (name.len > NGX_K8S_HOST_MAX) {

        /* no record can have such a name: as any other unknown one */

        ngx_str_set(&name, "");
    }

    key.sets = &ctx->block->route_set;
    key.nsets = 1;
    key.class = NGX_K8S_CLASS_HTTP;
    key.listener = 0;
    key.host = name;
    key.path = r->uri;
    key.method = r->method_name;
    key.value = ngx_http_k8s_route_value;
    key.regex = ngx_http_k8s_route_regex;
    key.data = r;

    rc = ngx_http_k8s_health(r, ctx, table, &key);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ngx_http_k8s_access_blocked(r, ctx)) {
        return NGX_HTTP_FORBIDDEN;
    }

    if (table == NULL || !table->ready) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    for (tries = 0; tries < NGX_HTTP_K8S_ROUTE_TRIES; tries++) {

        rc = ngx_k8s_route(table, &key, &route);

        if (rc == NGX_ERROR) {
            ctx->no_service = 1;
            ctx->untaken = 1;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        taken = (rc == NGX_OK && route.match && route.action);

        if ((taken || ctx->profile->server)
            && r->headers_in.host && !ngx_http_k8s_host_valid(r))
        {
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "client sent invalid host header");
            return NGX_HTTP_BAD_REQUEST;
        }

        rc = ngx_http_k8s_server(r, ctx, table, &key, &route);

        if (rc == NGX_DONE) {
            return NGX_DECLINED;
        }

        if (rc == NGX_DECLINED) {

            if (route.match == NULL || route.action == NULL) {
                ctx->no_service = 1;
                ctx->untaken = 1;

                return ngx_http_k8s_access_blocked_address(r, ctx)
                       ? NGX_HTTP_FORBIDDEN : NGX_HTTP_NOT_FOUND;
            }

            rc = ngx_http_k8s_act(r, ctx, table, &route);
        }

        if (rc != NGX_AGAIN) {
            return rc;
        }

        ngx_http_k8s_forget(r, ctx);
    }

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}


/* what ngx_http_k8s_act() has noted in the context, of a route that has gone */

static void
ngx_http_k8s_forget(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_http_k8s_profile_use(&ctx->profile, ctx->conf->base, r);
    ngx_http_k8s_reset_variables(r);

    ctx->rule = 0;
    ctx->rule_generation = 0;
    ctx->names = NULL;
    ctx->origin = NULL;

    ngx_str_null(&ctx->uri);
    ngx_str_null(&ctx->prefix);
    ngx_str_null(&ctx->canary);
    ngx_str_null(&ctx->page);

    ctx->verdict = 0;
    ctx->missing = 0;
    ctx->no_service = 0;
    ctx->unmatched = 0;
    ctx->untaken = 0;
    ctx->unlocated = 0;
    ctx->preflight = 0;
    ctx->by_origin = 0;
    ctx->bare = 0;
}


/*
 * Load balancers ask on the address, so on a host that nobody has.  Paths that
 * only begin with that one may be paths of the host without a name.
 */

static ngx_int_t
ngx_http_k8s_health(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_key_t *key)
{
    uint32_t          slot;
    ngx_str_t        *healthz;
    ngx_k8s_host_t   *host;
    ngx_k8s_route_t   route;

    healthz = &ctx->block->healthz;

    if (healthz->len == 0
        || r->uri.len < healthz->len
        || ngx_memcmp(r->uri.data, healthz->data, healthz->len) != 0)
    {
        return NGX_DECLINED;
    }

    if (table) {
        host = ngx_k8s_route_host(table, ctx->block->route_set,
                                  NGX_K8S_CLASS_HTTP, &key->host, &slot);

        if (host && host->name.len) {
            return NGX_DECLINED;
        }

        if (host && r->uri.len > healthz->len
            && ngx_k8s_route(table, key, &route) == NGX_OK
            && route.path && route.path->text.len >= healthz->len)
        {
            return NGX_DECLINED;
        }
    }

    ctx->health = 1;

    return table && table->ready ? NGX_HTTP_OK : NGX_HTTP_SERVICE_UNAVAILABLE;
}


/*
 * NGX_AGAIN: what the host's record leads to has just gone, as a new record
 * leads elsewhere.  Nothing may be served without its policy.
 */

static ngx_int_t
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

    if (ngx_http_k8s_take_rule(r, ctx, table, match->rule) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->untaken = (route->path == NULL && route->host->name.len == 0
                    && ctx->names == NULL);

    if (route->host->flags & NGX_K8S_HOST_CLOSED) {
        ctx->bare = 1;
        return ngx_http_k8s_closed(r, ctx, "host", NGX_HTTP_FORBIDDEN);
    }

    tls = NGX_OK;

    if (route->host->policy) {
        tls = ngx_http_k8s_client(r, ctx, table, route->host->policy);

        if (tls != NGX_OK && tls != NGX_DECLINED && tls != NGX_ABORT) {
            ctx->bare = 1;
            return tls;
        }
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


/* as ngx_http_k8s_ssl_client_check() */

static ngx_int_t
ngx_http_k8s_client(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, uint32_t n)
{
    ngx_k8s_policy_t  *rec;

    rec = ngx_k8s_slot_record(table, NGX_K8S_INDEX_POLICY, n);

    if (rec == NULL) {
        return NGX_AGAIN;
    }

#if (NGX_HTTP_SSL)
    return ngx_http_k8s_ssl_client_check(r, ctx->block, rec);
#else
    return NGX_OK;
#endif
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
ngx_http_k8s_take_rule(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, uint32_t n)
{
    size_t               size;
    ngx_k8s_slot_t      *slot;
    ngx_k8s_rule_rec_t  *rule;

    slot = ngx_k8s_slot(table, n);
    rule = slot ? ngx_k8s_slot_read(table, NGX_K8S_INDEX_RULE, slot) : NULL;

    if (rule == NULL) {
        ctx->no_service = 1;
        return NGX_OK;
    }

    ctx->rule = n;
    ctx->rule_generation = slot->generation;

    size = rule->header.size;

    ctx->names = ngx_http_k8s_alloc(r, ctx, size);
    if (ctx->names == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ctx->names, rule, size);

    ctx->no_service = (ctx->names->service.len == 0);

    return NGX_OK;
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
    ngx_str_t        namespace, name, port;
    ngx_k8s_slot_t  *slot;

    slot = ngx_k8s_slot(table, backend->rule);

    if (slot && ngx_k8s_slot_read(table, NGX_K8S_INDEX_RULE, slot)) {
        ctx->rule = backend->rule;
        ctx->rule_generation = slot->generation;
    }

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


/* what a handler of a rewrite phase returns to answer with the status */

static ngx_int_t
ngx_http_k8s_status(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_http_complex_value_t  cv;

    static ngx_str_t  type = ngx_string("text/html");

    if (status >= NGX_HTTP_SPECIAL_RESPONSE) {
        return status;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    return ngx_http_send_response(r, status, &type, &cv);
}


/* value of a request header, all of its lines, query argument or cookie */

static ngx_int_t
ngx_http_k8s_route_value(void *data, ngx_uint_t what, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_http_request_t  *r = data;

    static ngx_str_t  header = ngx_string("http_");
    static ngx_str_t  cookie = ngx_string("cookie_");

    switch (what) {

    case NGX_K8S_PREDICATE_QUERY:
        return ngx_http_arg(r, name->data, name->len, value);

    case NGX_K8S_PREDICATE_HEADER:
        return ngx_http_k8s_route_variable(r, &header, name, value);

    case NGX_K8S_PREDICATE_COOKIE:
        return ngx_http_k8s_route_variable(r, &cookie, name, value);

    default:
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_http_k8s_route_variable(ngx_http_request_t *r, ngx_str_t *prefix,
    ngx_str_t *name, ngx_str_t *value)
{
    u_char                     *p, *last;
    ngx_str_t                   var;
    ngx_http_variable_value_t  *v;

    var.len = prefix->len + name->len;
    var.data = ngx_pnalloc(r->pool, var.len);

    if (var.data == NULL) {
        return NGX_DECLINED;
    }

    p = ngx_cpymem(var.data, prefix->data, prefix->len);
    last = ngx_cpymem(p, name->data, name->len);

    for ( /* void */ ; prefix->data[0] == 'h' && p < last; p++) {
        if (*p == '-') {
            *p = '_';
        }
    }

    v = ngx_http_get_variable(r, &var, ngx_hash_strlow(var.data, var.data,
                                                       var.len));

    if (v == NULL || v->not_found) {
        return NGX_DECLINED;
    }

    value->data = v->data;
    value->len = v->len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_route_regex(void *data, ngx_uint_t what, ngx_str_t *pattern,
    ngx_str_t *text)
{
    ngx_http_request_t  *r = data;

    int         captures[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_int_t   n;
    ngx_uint_t  flags;

    flags = 0;

    if (what == NGX_K8S_PREDICATE_PATH) {
        flags = NGX_HTTP_K8S_REGEX_CASELESS|NGX_HTTP_K8S_REGEX_ANCHORED;

    } else if (what == NGX_K8S_PREDICATE_HOST) {
        flags = NGX_HTTP_K8S_REGEX_CASELESS;
    }

    n = ngx_http_k8s_regex(pattern, flags, text, captures, r->connection->log);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    return n ? NGX_OK : NGX_DECLINED;
}
