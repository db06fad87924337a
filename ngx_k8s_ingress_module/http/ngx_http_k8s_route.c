
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_access.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_server.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_variables.h>


/* how often a host is looked for whose policy or Service has gone meanwhile */
#define NGX_HTTP_K8S_ROUTE_TRIES     4


static ngx_int_t ngx_http_k8s_decide(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table);
static void ngx_http_k8s_forget(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_health(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table,
    ngx_k8s_route_key_t *key);
static ngx_int_t ngx_http_k8s_status(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_int_t rc);
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

    if (rc != NGX_OK && rc != NGX_ERROR) {
        ngx_http_update_location_config(r);
    }

    if (rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    return ngx_http_k8s_status(r, ctx, rc);
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

    return ngx_http_k8s_status(r, ctx, rc);
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


/* what a handler of a rewrite phase returns to answer as was decided */

static ngx_int_t
ngx_http_k8s_status(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_int_t rc)
{
    ngx_http_complex_value_t  cv;

    static ngx_str_t  type = ngx_string("text/html");

    if (rc == NGX_OK || rc == NGX_ERROR) {

        /* it was sent */

        ctx->status = NGX_HTTP_OK;
        return rc;
    }

    ctx->status = rc;

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    return ngx_http_send_response(r, rc, &type, &cv);
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
