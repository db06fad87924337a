
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_limit.h>
#include <ngx_http_k8s_template.h>
#include <ngx_k8s_limits.h>
#include <ngx_k8s_ranges.h>


/* of one: more is none, and keeps products small */
#define NGX_HTTP_K8S_LIMIT_MAX       1000000000


typedef struct {
    uint64_t                 interval;   /* microseconds; 0: there is none */
    uint64_t                 burst;      /* likewise, in all */
} ngx_http_k8s_rate_t;

struct ngx_http_k8s_limit_s {
    ngx_http_k8s_rate_t      rates[NGX_K8S_LIMIT_RATES];
    ngx_uint_t               connections;  /* 0: any number */
    ngx_uint_t               rate_status;
    ngx_uint_t               connection_status;
    ngx_uint_t               dry_run;
    ngx_k8s_ranges_t        *free;       /* addresses without limits, or NULL */
    ngx_http_k8s_template_t  key;        /* empty: the client's address */
};

/* of a request that is counted as a connection, in its pool */

typedef struct {
    ngx_k8s_block_t         *block;
    ngx_atomic_uint_t        key;
} ngx_http_k8s_held_t;


static void ngx_http_k8s_limit_rate(ngx_http_k8s_rate_t *rate,
    ngx_int_t requests, ngx_uint_t multiplier, uint64_t time);
static ngx_int_t ngx_http_k8s_limit_client(ngx_http_request_t *r,
    ngx_http_k8s_limit_t *limit, ngx_str_t *client);
static ngx_int_t ngx_http_k8s_limit_rates(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_atomic_uint_t key);
static ngx_int_t ngx_http_k8s_limit_connections(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_atomic_uint_t key);
static void ngx_http_k8s_limit_release(void *data);
static ngx_int_t ngx_http_k8s_limit_refuse(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_uint_t kind);


ngx_int_t
ngx_http_k8s_limit_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    ngx_k8s_settings_t    *settings;
    ngx_http_k8s_limit_t  *limit;

    static ngx_str_t  address = ngx_string("$binary_remote_addr");

    settings = profile->settings;

    if (settings->limit_rps <= 0 && settings->limit_rpm <= 0
        && settings->limit_connections <= 0)
    {
        return NGX_OK;
    }

    limit = ngx_pcalloc(pool, sizeof(ngx_http_k8s_limit_t));
    if (limit == NULL) {
        return NGX_ERROR;
    }

    ngx_http_k8s_limit_rate(&limit->rates[NGX_K8S_LIMIT_RPS],
                            settings->limit_rps, settings->limit_burst,
                            1000000);
    ngx_http_k8s_limit_rate(&limit->rates[NGX_K8S_LIMIT_RPM],
                            settings->limit_rpm, settings->limit_burst,
                            60000000);

    if (settings->limit_connections > 0) {
        limit->connections = settings->limit_connections;
    }

    limit->rate_status = settings->limit_req_status;
    limit->connection_status = settings->limit_conn_status;
    limit->dry_run = settings->limit_dry_run;

    if (settings->limit_allowlist.len) {

        limit->free = ngx_k8s_ranges(pool, &settings->limit_allowlist);
        if (limit->free == NULL) {
            return NGX_ERROR;
        }
    }

    if ((settings->limit_key.len != address.len
         || ngx_strncmp(settings->limit_key.data, address.data, address.len)
            != 0)
        && ngx_http_k8s_template_compile(pool, &settings->limit_key,
                                         &limit->key)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    profile->limit = limit;

    return NGX_OK;
}


static void
ngx_http_k8s_limit_rate(ngx_http_k8s_rate_t *rate, ngx_int_t requests,
    ngx_uint_t multiplier, uint64_t time)
{
    uint64_t  burst;

    if (requests <= 0) {
        return;
    }

    requests = ngx_min(requests, NGX_HTTP_K8S_LIMIT_MAX);
    burst = requests * (uint64_t) ngx_min(multiplier, NGX_HTTP_K8S_LIMIT_MAX);

    rate->interval = ngx_max(time / requests, 1);
    rate->burst = rate->interval * ngx_min(burst, NGX_HTTP_K8S_LIMIT_MAX);
}


ngx_int_t
ngx_http_k8s_limit(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_str_t              texts[3];
    ngx_atomic_uint_t      key;
    ngx_http_k8s_limit_t  *limit;

    limit = ctx->profile->limit;

    if (limit == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_k8s_limit_client(r, limit, &texts[2]);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? rc : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_null(&texts[0]);
    ngx_str_null(&texts[1]);

    if (ctx->names) {
        ngx_k8s_record_str(ctx->names, &ctx->names->namespace, &texts[0]);
        ngx_k8s_record_str(ctx->names, &ctx->names->name, &texts[1]);
    }

    key = ngx_k8s_limits_key(ctx->block->limits, texts, 3);

    /* a request that a snippet leads on comes once, as nginx counts it */

    if (ctx->limited == key) {
        return NGX_DECLINED;
    }

    rc = ngx_http_k8s_limit_rates(r, ctx, key);

    if (rc == NGX_DECLINED && limit->connections) {
        rc = ngx_http_k8s_limit_connections(r, ctx, key);
    }

    if (rc == NGX_DECLINED) {
        ctx->limited = key;
    }

    return rc;
}


/* NGX_DECLINED: it has no limits */

static ngx_int_t
ngx_http_k8s_limit_client(ngx_http_request_t *r, ngx_http_k8s_limit_t *limit,
    ngx_str_t *client)
{
    struct sockaddr          *sockaddr;
    ngx_http_k8s_captures_t   captures;

    sockaddr = r->connection->sockaddr;

    if (limit->free && ngx_k8s_ranges_have(limit->free, sockaddr)) {
        return NGX_DECLINED;
    }

    if (limit->key.text.len) {

        ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

        if (ngx_http_k8s_template_run(r, &limit->key, &captures, client)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        return client->len ? NGX_OK : NGX_DECLINED;
    }

    ngx_k8s_address(sockaddr, client);

    if (client->len == 0) {
        *client = r->connection->addr_text;
    }

    return NGX_OK;
}


/* both are asked before one counts */

static ngx_int_t
ngx_http_k8s_limit_rates(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_atomic_uint_t key)
{
    uint64_t              now;
    ngx_uint_t            i;
    ngx_k8s_limits_t     *limits;
    ngx_http_k8s_rate_t  *rate;

    limits = ctx->block->limits;
    now = (uint64_t) ngx_current_msec * 1000;
    rate = ctx->profile->limit->rates;

    if (rate[NGX_K8S_LIMIT_RPS].interval
        && rate[NGX_K8S_LIMIT_RPM].interval
        && ngx_k8s_limits_peek(limits,
                          ngx_k8s_limits_kind(key, NGX_K8S_LIMIT_RPM),
                          now, rate[NGX_K8S_LIMIT_RPM].burst)
           != NGX_OK)
    {
        return ngx_http_k8s_limit_refuse(r, ctx, NGX_K8S_LIMIT_RPM);
    }

    for (i = 0; i < NGX_K8S_LIMIT_RATES; i++) {

        if (rate[i].interval
            && ngx_k8s_limits_take(limits, ngx_k8s_limits_kind(key, i), now,
                                   rate[i].interval, rate[i].burst)
               != NGX_OK)
        {
            return ngx_http_k8s_limit_refuse(r, ctx, i);
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_limit_connections(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_atomic_uint_t key)
{
    ngx_int_t             rc;
    ngx_k8s_block_t      *block;
    ngx_pool_cleanup_t   *cln;
    ngx_http_k8s_held_t  *held;

    block = ctx->block;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_k8s_held_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    held = cln->data;

    if (!block->limits_sweep.timer_set) {
        ngx_add_timer(&block->limits_sweep, NGX_K8S_LIMIT_SWEEP);
    }

    held->block = block;
    held->key = ngx_k8s_limits_kind(key, NGX_K8S_LIMIT_CONNECTIONS);

    rc = (block->limits_process == NGX_ERROR)
         ? NGX_DECLINED
         : ngx_k8s_limits_hold(block->limits, block->limits_process, held->key,
                               ctx->profile->limit->connections);

    if (rc == NGX_OK) {
        cln->handler = ngx_http_k8s_limit_release;
        return NGX_DECLINED;
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "no room to count connections, \"limits\" of the block "
                      "should be larger");
    }

    return ngx_http_k8s_limit_refuse(r, ctx, NGX_K8S_LIMIT_CONNECTIONS);
}


static void
ngx_http_k8s_limit_release(void *data)
{
    ngx_http_k8s_held_t *held = data;

    ngx_k8s_limits_release(held->block->limits, held->block->limits_process,
                           held->key);
}


/* the status of the answer; NGX_DECLINED: it is only counted and logged */

static ngx_int_t
ngx_http_k8s_limit_refuse(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_uint_t kind)
{
    ngx_str_t              namespace, name;
    ngx_http_k8s_limit_t  *limit;

    limit = ctx->profile->limit;

    ngx_str_null(&namespace);
    ngx_str_null(&name);

    if (ctx->names) {
        ngx_k8s_record_str(ctx->names, &ctx->names->namespace, &namespace);
        ngx_k8s_record_str(ctx->names, &ctx->names->name, &name);
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "limiting requests%s by \"%V\" of Ingress %V/%V",
                  limit->dry_run ? ", dry run," : "",
                  &ngx_k8s_limit_names[kind], &namespace, &name);

    ngx_k8s_limits_refused(ctx->block->limits, kind, limit->dry_run);

    if (limit->dry_run) {
        return NGX_DECLINED;
    }

    return (kind == NGX_K8S_LIMIT_CONNECTIONS) ? limit->connection_status
                                               : limit->rate_status;
}
