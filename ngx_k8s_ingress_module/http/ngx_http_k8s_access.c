
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_access.h>
#include <ngx_http_k8s_map.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_ranges.h>


struct ngx_http_k8s_access_s {
    ngx_k8s_ranges_t        *allow;      /* NULL: all addresses */
    ngx_k8s_ranges_t        *deny;       /* NULL: none, and so are these */
    ngx_k8s_ranges_t        *block;
    ngx_array_t             *agents;     /* maps */
    ngx_array_t             *referers;
    ngx_array_t             *rules;      /* ngx_http_k8s_rule_t */
};


static ngx_int_t ngx_http_k8s_access_ranges(ngx_pool_t *pool,
    ngx_k8s_ranges_t **ranges, ngx_str_t *list, ngx_str_t *all);
static ngx_uint_t ngx_http_k8s_access_header(ngx_http_request_t *r,
    ngx_array_t *headers, ngx_str_t *name);
static void ngx_http_k8s_access_forbidden(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, char *list, ngx_uint_t key);
static ngx_int_t ngx_http_k8s_access_rules(ngx_http_request_t *r,
    ngx_array_t *rules, ngx_uint_t any);


/* what concerns nobody */

static ngx_str_t  ngx_http_k8s_access_all = ngx_string("0.0.0.0/0,::/0");
static ngx_str_t  ngx_http_k8s_access_none = ngx_string("");


ngx_uint_t
ngx_http_k8s_access_listed(ngx_k8s_settings_t *settings)
{
    ngx_str_t  *all;

    all = &ngx_http_k8s_access_all;

    return settings->denylist.len
           || settings->allowlist.len != all->len
           || ngx_strncmp(settings->allowlist.data, all->data, all->len) != 0;
}


ngx_int_t
ngx_http_k8s_access_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    ngx_k8s_settings_t      *settings, *base;
    ngx_http_k8s_access_t   *access, of_base;

    ngx_memzero(&of_base, sizeof(ngx_http_k8s_access_t));

    settings = profile->settings;
    base = NULL;

    if (profile->base) {
        base = profile->base->settings;

        if (settings->allowlist.data == base->allowlist.data
            && settings->denylist.data == base->denylist.data
            && profile->rules == NULL)
        {
            profile->access = profile->base->access;
            return NGX_OK;
        }

        if (profile->base->access) {
            of_base = *profile->base->access;
        }
    }

    access = ngx_palloc(pool, sizeof(ngx_http_k8s_access_t));
    if (access == NULL) {
        return NGX_ERROR;
    }

    *access = of_base;
    access->rules = profile->rules;

    if ((base == NULL || settings->allowlist.data != base->allowlist.data)
        && ngx_http_k8s_access_ranges(pool, &access->allow,
                                      &settings->allowlist,
                                      &ngx_http_k8s_access_all)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if ((base == NULL || settings->denylist.data != base->denylist.data)
        && ngx_http_k8s_access_ranges(pool, &access->deny,
                                      &settings->denylist,
                                      &ngx_http_k8s_access_none)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (base == NULL
        && (ngx_http_k8s_access_ranges(pool, &access->block,
                                       &settings->block_cidrs,
                                       &ngx_http_k8s_access_none)
            != NGX_OK
            || ngx_http_k8s_map(pool, &access->agents,
                                &settings->block_agents)
               != NGX_OK
            || ngx_http_k8s_map(pool, &access->referers,
                                &settings->block_referers)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (access->allow || access->deny || access->block || access->agents
        || access->referers || access->rules)
    {
        profile->access = access;
    }

    return NGX_OK;
}


/* NULL where they are the ones that concern nobody */

static ngx_int_t
ngx_http_k8s_access_ranges(ngx_pool_t *pool, ngx_k8s_ranges_t **ranges,
    ngx_str_t *list, ngx_str_t *nobody)
{
    *ranges = NULL;

    if (list->len == nobody->len
        && ngx_strncmp(list->data, nobody->data, list->len) == 0)
    {
        return NGX_OK;
    }

    *ranges = ngx_k8s_ranges(pool, list);

    return *ranges ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_k8s_access_check(ngx_str_t *values, ngx_str_t *error)
{
    size_t      offset;
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 0; i < ngx_k8s_nrows; i++) {

        offset = ngx_k8s_rows[i].offset;

        if (values[i].len == 0
            || (offset != offsetof(ngx_k8s_settings_t, block_agents)
                && offset != offsetof(ngx_k8s_settings_t, block_referers)))
        {
            continue;
        }

        rc = ngx_http_k8s_map_check(&values[i], error);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_k8s_access_blocked(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_http_k8s_access_t  *access;

    static ngx_str_t  agent = ngx_string("User-Agent");
    static ngx_str_t  referer = ngx_string("Referer");

    access = ctx->profile->access;

    if (access == NULL) {
        return 0;
    }

    if (ngx_http_k8s_access_header(r, access->agents, &agent)) {
        ngx_http_k8s_access_forbidden(r, ctx, "block-user-agents", 1);
        return 1;
    }

    if (ngx_http_k8s_access_header(r, access->referers, &referer)) {
        ngx_http_k8s_access_forbidden(r, ctx, "block-referers", 1);
        return 1;
    }

    return 0;
}


/* any line of it: a backend may look at another one than nginx does; a pattern
   that gives up refuses */

static ngx_uint_t
ngx_http_k8s_access_header(ngx_http_request_t *r, ngx_array_t *headers,
    ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (headers == NULL) {
        return 0;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == name->len
                && ngx_strncasecmp(h[i].key.data, name->data, name->len) == 0
                && ngx_http_k8s_map_find(headers, &h[i].value,
                                         r->connection->log)
                   != NGX_DECLINED)
            {
                return 1;
            }
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_k8s_access_blocked_address(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx)
{
    ngx_http_k8s_access_t  *access;

    access = ctx->profile->access;

    if (access && access->block
        && ngx_k8s_ranges_have(access->block, r->connection->sockaddr))
    {
        ngx_http_k8s_access_forbidden(r, ctx, "block-cidrs", 1);
        return 1;
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_access(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_uint_t any)
{
    char                   *list;
    ngx_uint_t              key;
    struct sockaddr        *sockaddr;
    ngx_k8s_settings_t     *settings, *base;
    ngx_http_k8s_access_t  *access;

    access = ctx->profile->access;

    if (access == NULL) {
        return NGX_DECLINED;
    }

    sockaddr = r->connection->sockaddr;

    settings = ctx->profile->settings;
    base = ctx->profile->base ? ctx->profile->base->settings : settings;

    if (access->block && ngx_k8s_ranges_have(access->block, sockaddr)) {
        list = "block-cidrs";
        key = 1;

    } else if (access->deny && ngx_k8s_ranges_have(access->deny, sockaddr)) {
        list = "denylist-source-range";
        key = (settings->denylist.data == base->denylist.data);

    } else if (access->allow && !ngx_k8s_ranges_have(access->allow, sockaddr)) {
        key = (settings->allowlist.data == base->allowlist.data);
        list = key ? "whitelist-source-range" : "allowlist-source-range";

    } else {
        list = NULL;
        key = 0;
    }

    if (list) {

        if (!any) {
            ngx_http_k8s_access_forbidden(r, ctx, list, key);
        }

        return NGX_HTTP_FORBIDDEN;
    }

    if (access->allow) {
        return NGX_OK;
    }

    return access->rules ? ngx_http_k8s_access_rules(r, access->rules, any)
                         : NGX_DECLINED;
}


static void
ngx_http_k8s_access_forbidden(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    char *list, ngx_uint_t key)
{
    ngx_str_t  namespace, name;

    if (key || ctx->names == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "access forbidden by \"%s\" of the ConfigMap", list);
        return;
    }

    ngx_k8s_record_str(ctx->names, &ctx->names->namespace, &namespace);
    ngx_k8s_record_str(ctx->names, &ctx->names->name, &name);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "access forbidden by \"%s\" of Ingress \"%V/%V\"", list,
                  &namespace, &name);
}


static ngx_int_t
ngx_http_k8s_access_rules(ngx_http_request_t *r, ngx_array_t *rules,
    ngx_uint_t any)
{
    ngx_uint_t            i;
    ngx_array_t           cidrs;
    ngx_http_k8s_rule_t  *rule;

    rule = rules->elts;

    ngx_memzero(&cidrs, sizeof(ngx_array_t));
    cidrs.nelts = 1;

    for (i = 0; i < rules->nelts; i++) {

        cidrs.elts = &rule[i].cidr;

        if (rule[i].cidr.family != AF_UNSPEC
            && ngx_cidr_match(r->connection->sockaddr, &cidrs) != NGX_OK)
        {
            continue;
        }

        if (!rule[i].deny) {
            return NGX_OK;
        }

        if (!any) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "access forbidden by a rule of a snippet");
        }

        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_DECLINED;
}
