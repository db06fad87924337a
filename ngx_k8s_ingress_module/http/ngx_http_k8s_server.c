
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_server.h>
#include <ngx_http_k8s_ssl.h>


static ngx_int_t ngx_http_k8s_server_guarded(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, ngx_k8s_host_t *host);
static ngx_int_t ngx_http_k8s_server_run(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_profile_t *of);
static ngx_int_t ngx_http_k8s_server_use(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_profile_t *of,
    ngx_http_k8s_place_t *place);
static ngx_int_t ngx_http_k8s_server_take(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_profile_t *of,
    ngx_http_k8s_place_t *place);
static void ngx_http_k8s_server_let_go(void *data);
static ngx_int_t ngx_http_k8s_server_find(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_server_t *server,
    ngx_k8s_route_t *route, ngx_http_k8s_place_t **found);
static ngx_int_t ngx_http_k8s_server_match(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_place_t *place);


uint32_t
ngx_http_k8s_server_slot(ngx_k8s_table_t *table, ngx_k8s_host_t *host)
{
    ngx_uint_t          i, n;
    ngx_k8s_policy_t   *rec;
    ngx_k8s_setting_t  *setting;

    if (host == NULL || host->policy == 0) {
        return 0;
    }

    rec = ngx_k8s_slot_record(table, NGX_K8S_INDEX_POLICY, host->policy);

    if (rec == NULL) {

        /* it is looked for once more, where that is seen */

        return host->policy;
    }

    n = ngx_http_k8s_server_row() - ngx_k8s_rows;
    setting = ngx_k8s_record_at(rec, rec->settings.offset);

    for (i = 0; i < rec->settings.n; i++) {
        if ((setting[i].flags & NGX_K8S_SETTING_CLOSED) || setting[i].row == n)
        {
            return host->policy;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_server(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_key_t *key, ngx_k8s_route_t *route)
{
    uint32_t                 slot;
    ngx_int_t                rc;
    ngx_http_k8s_place_t    *place;
    ngx_http_k8s_profile_t  *profile, *base;

    base = ctx->profile;
    slot = ngx_http_k8s_server_slot(table, route->host);

    if ((slot == 0 && base->server == NULL) || base->settings->closed) {
        return NGX_DECLINED;
    }

    rc = ngx_http_k8s_server_guarded(r, ctx, table, route->host);

    if (rc != NGX_OK) {
        return rc;
    }

    if (slot) {
        rc = ngx_http_k8s_policy(r, ctx, table, 0, slot);

        if (rc != NGX_OK) {
            return (rc == NGX_DECLINED) ? NGX_AGAIN
                                        : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    /* it stays to the end of this turn, whatever holds it */

    profile = ctx->profile;

    if (slot && profile->denied) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "the host is closed by its server-snippet, see its "
                      "problems");
        return NGX_HTTP_FORBIDDEN;
    }

    place = NULL;

    if (profile->server && ctx->server != profile) {

        if (ctx->server) {
            ngx_http_k8s_profile_release(ctx->server);
        }

        profile->refs++;
        ctx->server = profile;
    }

    if (profile->server && profile->server->program.ops.nelts && !ctx->served) {

        rc = ngx_http_k8s_server_run(r, ctx, profile);

        if (rc == NGX_AGAIN) {
            key->path = r->uri;

            rc = (ngx_k8s_route(table, key, route) == NGX_ERROR)
                 ? NGX_HTTP_INTERNAL_SERVER_ERROR : NGX_DECLINED;
        }

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (profile->server
        && ngx_http_k8s_server_find(r, ctx, profile->server, route, &place)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (place == NULL) {
        ngx_http_k8s_profile_use(&ctx->profile, base, r);
        return NGX_DECLINED;
    }

    return (ngx_http_k8s_server_take(r, ctx, profile, place) == NGX_OK)
           ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_k8s_server_take(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_profile_t *of, ngx_http_k8s_place_t *place)
{
    /* without an answer of its own, as there are no files */

    ctx->verdict = NGX_HTTP_NOT_FOUND;
    ctx->no_service = 1;

    return ngx_http_k8s_server_use(r, ctx, of, place);
}


ngx_int_t
ngx_http_k8s_server_named(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_http_k8s_place_t   *place;
    ngx_http_k8s_server_t  *server;

    server = ctx->server ? ctx->server->server : NULL;
    place = server ? server->places.elts : NULL;

    for (i = 0; server && i < server->places.nelts; i++) {

        if (place[i].kind == NGX_K8S_SNIPPET_NAMED
            && place[i].path.len == name->len
            && ngx_memcmp(place[i].path.data, name->data, name->len) == 0)
        {
            return ngx_http_k8s_server_take(r, ctx, ctx->server, &place[i]);
        }
    }

    return NGX_DECLINED;
}


/* what stands before servers: NGX_OK: nothing; NGX_DECLINED: what comes behind
   them says so */

static ngx_int_t
ngx_http_k8s_server_guarded(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_host_t *host)
{
    ngx_int_t  rc;

    if (host == NULL) {
        return NGX_OK;
    }

    if (host->flags & NGX_K8S_HOST_CLOSED) {
        return NGX_DECLINED;
    }

    rc = ngx_http_k8s_server_client(r, ctx, table, host);

    return (rc == NGX_ABORT) ? NGX_DECLINED : rc;
}


ngx_int_t
ngx_http_k8s_server_client(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_host_t *host)
{
    ngx_k8s_policy_t  *rec;

    if (host->policy == 0) {
        return NGX_OK;
    }

    rec = ngx_k8s_slot_record(table, NGX_K8S_INDEX_POLICY, host->policy);

    if (rec == NULL) {
        return NGX_AGAIN;
    }

#if (NGX_HTTP_SSL)
    return ngx_http_k8s_ssl_client_check(r, ctx->block, rec);
#else
    return NGX_OK;
#endif
}


/* as ngx_http_k8s_program() */

static ngx_int_t
ngx_http_k8s_server_run(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_profile_t *of)
{
    u_char      *uri;
    ngx_int_t    rc;
    ngx_uint_t   internal;

    if (ngx_http_k8s_server_use(r, ctx, of, &of->server->self) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_update_location_config(r);

    ctx->served = 1;
    internal = r->internal;
    uri = r->uri.data;

    rc = ngx_http_k8s_program(r, ctx, &of->server->program);

    /* the gate is for requests of clients: it still is one */

    if (ctx->run && r->internal != internal) {
        ctx->run->internal = 1;
        r->internal = internal;
    }

    /* "break" of a server ends its program: a path is still to be chosen */

    return (rc == NGX_DECLINED && r->uri.data != uri) ? NGX_AGAIN : rc;
}


/* makes the profile of a location, or the server, that of the request */

static ngx_int_t
ngx_http_k8s_server_use(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_profile_t *of, ngx_http_k8s_place_t *place)
{
    u_char                   buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                error;
    ngx_pool_t              *temp_pool;
    ngx_pool_cleanup_t      *cln;
    ngx_http_k8s_profile_t  *base, *profile;

    base = of->base ? of->base : of;

    if (place->profile) {
        ngx_http_k8s_profile_use(&ctx->profile, place->profile, r);
        return NGX_OK;
    }

    temp_pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, r->connection->log);
    if (temp_pool == NULL) {
        return NGX_ERROR;
    }

    error.data = buf;

    profile = ngx_http_k8s_server_place(ctx->conf, base, of->settings,
                                        &place->text, temp_pool, &error);
    ngx_destroy_pool(temp_pool);

    if (profile == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "location \"%V\" of a server-snippet is closed: %V",
                      &place->path, &error);
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(of->pool, 0);
    if (cln == NULL) {
        ngx_http_k8s_profile_release(profile);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_k8s_server_let_go;
    cln->data = place;

    place->profile = profile;

    /* a base that its own locations hold would never go: requests that have
       one of these hold it by the server */

    if (base == of) {
        place->within = 1;
        ngx_http_k8s_profile_release(base);
    }

    ngx_http_k8s_profile_use(&ctx->profile, profile, r);

    return NGX_OK;
}


static void
ngx_http_k8s_server_let_go(void *data)
{
    ngx_http_k8s_place_t *place = data;

    if (place->within) {
        place->profile->base = NULL;
    }

    ngx_http_k8s_profile_release(place->profile);
}


/*
 * As nginx finds a location: the exact one; else the longest beginning, where
 * it is not "^~" expressions before it, in their order.  Those of a host's own
 * snippet stand before the paths of Ingresses, those of the ConfigMap behind
 * them; of two that are the same, which nginx does not let be, that of an
 * Ingress counts.
 */

static ngx_int_t
ngx_http_k8s_server_find(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_server_t *server, ngx_k8s_route_t *route,
    ngx_http_k8s_place_t **found)
{
    size_t                 len;
    ngx_int_t              rc;
    ngx_uint_t             i, config, exact, regex;
    ngx_k8s_path_t        *path;
    ngx_http_k8s_place_t  *place, *best;

    path = route->path;
    best = NULL;

    exact = (path && path->type != NGX_K8S_PATH_REGEX
             && path->text.len == r->uri.len);
    regex = (path && path->type == NGX_K8S_PATH_REGEX);

    /* of a Prefix with the slash that it ends with */

    len = regex ? 0 : path ? path->text.len + 1 : 1;

    place = server->places.elts;

    for (i = 0; i < server->places.nelts; i++) {

        if (place[i].path.len > r->uri.len
            || place[i].kind == NGX_K8S_SNIPPET_REGEX
            || place[i].kind == NGX_K8S_SNIPPET_REGEX_ANY
            || place[i].kind == NGX_K8S_SNIPPET_NAMED
            || ngx_memcmp(place[i].path.data, r->uri.data, place[i].path.len)
               != 0)
        {
            continue;
        }

        if (place[i].kind != NGX_K8S_SNIPPET_EXACT) {

            if (place[i].path.len > (best ? best->path.len : len)) {
                best = &place[i];
            }

        } else if (place[i].path.len == r->uri.len && !exact) {
            *found = &place[i];
            return NGX_OK;
        }
    }

    if (exact) {
        return NGX_OK;
    }

    if (best && best->kind == NGX_K8S_SNIPPET_FIRST) {
        *found = best;
        return NGX_OK;
    }

    for (config = 0; config < 2; config++) {

        for (i = 0; i < server->places.nelts; i++) {

            if (place[i].config != config) {
                continue;
            }

            rc = ngx_http_k8s_server_match(r, ctx, &place[i]);

            if (rc == NGX_OK) {
                *found = &place[i];
                return NGX_OK;
            }

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }
        }

        if (regex) {
            return NGX_OK;
        }
    }

    *found = best;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_server_match(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_place_t *place)
{
    int                  captures[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_int_t            n;
    ngx_http_k8s_run_t  *run;

    if (place->kind != NGX_K8S_SNIPPET_REGEX
        && place->kind != NGX_K8S_SNIPPET_REGEX_ANY)
    {
        return NGX_DECLINED;
    }

    n = ngx_http_k8s_regex(&place->path,
                           (place->kind == NGX_K8S_SNIPPET_REGEX_ANY)
                           ? NGX_HTTP_K8S_REGEX_CASELESS : 0,
                           &r->uri, captures, r->connection->log);

    if (n <= 0) {
        return n ? NGX_ERROR : NGX_DECLINED;
    }

    run = ngx_http_k8s_run(r, ctx);
    if (run == NULL) {
        return NGX_ERROR;
    }

    run->captures.n = n;
    run->text = r->uri;
    ngx_memcpy(run->matched, captures, n * 2 * sizeof(int));

    return NGX_OK;
}
