
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_access.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_backend_tls.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_cors.h>
#include <ngx_http_k8s_error.h>
#include <ngx_http_k8s_limit.h>
#include <ngx_http_k8s_log.h>
#include <ngx_http_k8s_mirror.h>
#include <ngx_http_k8s_password.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_route.h>
#include <ngx_http_k8s_server.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_tables.h>
#include <ngx_k8s_policy.h>


/* a record that a policy is made of */

typedef struct {
    uint32_t                 slot;       /* 0: there is none */
    uint32_t                 generation;
    ngx_atomic_uint_t        version;
    ngx_k8s_policy_t        *rec;
} ngx_http_k8s_policy_rec_t;

/* one of a pass, in the pool of its profile */

typedef struct {
    ngx_rbtree_node_t        node;       /* by slots */
    ngx_queue_t              queue;      /* the last used one is first */
    ngx_http_k8s_policy_rec_t  route;    /* "rec" is that of then */
    ngx_http_k8s_policy_rec_t  host;
    ngx_http_k8s_profile_t  *profile;
    ngx_uint_t               profiles;   /* with those of its locations, made
                                            or not */
} ngx_http_k8s_policy_t;

struct ngx_http_k8s_policies_s {
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              queue;
    ngx_uint_t               n;          /* profiles of all of them */
};


static ngx_int_t ngx_http_k8s_policy_rec(ngx_k8s_table_t *table, uint32_t n,
    ngx_http_k8s_policy_rec_t *rec);
static void ngx_http_k8s_policy_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_http_k8s_policy_cmp(ngx_http_k8s_policy_t *policy,
    uint32_t slot, uint32_t host);
static ngx_http_k8s_policy_t *ngx_http_k8s_policy_find(
    ngx_http_k8s_policies_t *policies, uint32_t slot, uint32_t host);
static ngx_http_k8s_policy_t *ngx_http_k8s_policy_create(
    ngx_http_k8s_loc_conf_t *klcf, ngx_http_k8s_profile_t *base,
    ngx_k8s_policy_t *rec, ngx_k8s_policy_t *host, ngx_log_t *log);
static ngx_http_k8s_profile_t *ngx_http_k8s_policy_profile(
    ngx_http_k8s_loc_conf_t *klcf, ngx_http_k8s_profile_t *base,
    ngx_k8s_policy_t *rec, ngx_k8s_policy_t *host, ngx_pool_t *pool,
    ngx_log_t *log);
static ngx_str_t *ngx_http_k8s_policy_values(ngx_k8s_policy_t *rec,
    ngx_k8s_policy_t *host, ngx_pool_t *pool, ngx_uint_t *closed);
static ngx_int_t ngx_http_k8s_policy_h2c_create(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *profile, ngx_k8s_policy_t *rec,
    ngx_k8s_policy_t *host, ngx_pool_t *pool);
static void ngx_http_k8s_policy_h2c_cleanup(void *data);
static ngx_int_t ngx_http_k8s_policy_try(ngx_http_k8s_loc_conf_t *klcf,
    ngx_uint_t base, ngx_str_t *values, ngx_pool_t *pool, ngx_str_t *error);
static void ngx_http_k8s_policy_drop(ngx_http_k8s_policies_t *policies,
    ngx_http_k8s_policy_t *policy);


ngx_int_t
ngx_http_k8s_policies_init(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf)
{
    ngx_http_k8s_policies_t  *policies;

    policies = ngx_palloc(cf->pool, sizeof(ngx_http_k8s_policies_t));
    if (policies == NULL) {
        return NGX_ERROR;
    }

    ngx_rbtree_init(&policies->tree, &policies->sentinel,
                    ngx_http_k8s_policy_insert);
    ngx_queue_init(&policies->queue);
    policies->n = 0;

    klcf->policies = policies;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_policy(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, uint32_t slot, uint32_t host)
{
    ngx_http_k8s_policy_t      *policy;
    ngx_http_k8s_policies_t    *policies;
    ngx_http_k8s_policy_rec_t   of_route, of_host;

    if (ngx_http_k8s_policy_rec(table, slot, &of_route) != NGX_OK
        || ngx_http_k8s_policy_rec(table, host, &of_host) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    policies = ctx->conf->policies;
    policy = ngx_http_k8s_policy_find(policies, slot, host);

    if (policy
        && (policy->route.generation != of_route.generation
            || policy->route.version != of_route.version
            || policy->host.generation != of_host.generation
            || policy->host.version != of_host.version
            || policy->profile->base != ctx->profile))
    {
        ngx_http_k8s_policy_drop(policies, policy);
        policy = NULL;
    }

    if (policy == NULL) {

        policy = ngx_http_k8s_policy_create(ctx->conf, ctx->profile,
                                            of_route.rec, of_host.rec,
                                            r->connection->log);
        if (policy == NULL) {
            return NGX_ERROR;
        }

        policy->route = of_route;
        policy->host = of_host;
        policy->node.key = slot;

        while (policies->n + policy->profiles > NGX_HTTP_K8S_POLICIES
               && !ngx_queue_empty(&policies->queue))
        {
            ngx_http_k8s_policy_drop(policies,
                                ngx_queue_data(ngx_queue_last(&policies->queue),
                                               ngx_http_k8s_policy_t, queue));
        }

        ngx_rbtree_insert(&policies->tree, &policy->node);
        policies->n += policy->profiles;

    } else {
        ngx_queue_remove(&policy->queue);
    }

    ngx_queue_insert_head(&policies->queue, &policy->queue);

    ngx_http_k8s_profile_use(&ctx->profile, policy->profile, r);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_policy_rec(ngx_k8s_table_t *table, uint32_t n,
    ngx_http_k8s_policy_rec_t *rec)
{
    ngx_k8s_slot_t  *slot;

    ngx_memzero(rec, sizeof(ngx_http_k8s_policy_rec_t));

    if (n == 0) {
        return NGX_OK;
    }

    slot = ngx_k8s_slot(table, n);

    rec->rec = slot ? ngx_k8s_slot_read(table, NGX_K8S_INDEX_POLICY, slot)
                    : NULL;
    if (rec->rec == NULL) {
        return NGX_DECLINED;
    }

    rec->slot = n;
    rec->generation = slot->generation;
    rec->version = ngx_k8s_policy_version(rec->rec);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_policy_cmp(ngx_http_k8s_policy_t *policy, uint32_t slot,
    uint32_t host)
{
    if (slot != policy->route.slot) {
        return (slot < policy->route.slot) ? -1 : 1;
    }

    return (host < policy->host.slot) ? -1 : (host > policy->host.slot);
}


static void
ngx_http_k8s_policy_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t      **p;
    ngx_http_k8s_policy_t   *policy;

    policy = (ngx_http_k8s_policy_t *) node;

    for ( ;; ) {

        p = (ngx_http_k8s_policy_cmp((ngx_http_k8s_policy_t *) temp,
                                     policy->route.slot, policy->host.slot)
             < 0)
            ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


static ngx_http_k8s_policy_t *
ngx_http_k8s_policy_find(ngx_http_k8s_policies_t *policies, uint32_t slot,
    uint32_t host)
{
    ngx_int_t           rc;
    ngx_rbtree_node_t  *node, *sentinel;

    node = policies->tree.root;
    sentinel = policies->tree.sentinel;

    while (node != sentinel) {

        rc = ngx_http_k8s_policy_cmp((ngx_http_k8s_policy_t *) node, slot,
                                     host);
        if (rc == 0) {
            return (ngx_http_k8s_policy_t *) node;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static ngx_http_k8s_policy_t *
ngx_http_k8s_policy_create(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_k8s_policy_t *rec,
    ngx_k8s_policy_t *host, ngx_log_t *log)
{
    ngx_pool_t              *pool;
    ngx_http_k8s_policy_t   *policy;
    ngx_http_k8s_profile_t  *profile;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    profile = ngx_http_k8s_policy_profile(klcf, base, rec, host, pool, log);

    ngx_destroy_pool(pool);

    if (profile == NULL) {
        return NULL;
    }

    policy = ngx_pcalloc(profile->pool, sizeof(ngx_http_k8s_policy_t));

    if (policy == NULL) {
        ngx_http_k8s_profile_release(profile);
        return NULL;
    }

    policy->profile = profile;
    policy->profiles = 1 + (profile->server ? profile->server->places.nelts
                                            : 0);

    return policy;
}


/* the watcher has built it before, over the base and nginx.conf of then */

static ngx_http_k8s_profile_t *
ngx_http_k8s_policy_profile(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *base, ngx_k8s_policy_t *rec,
    ngx_k8s_policy_t *host, ngx_pool_t *pool, ngx_log_t *log)
{
    u_char                   buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                error, *values, *copy;
    ngx_uint_t               closed;
    ngx_http_k8s_profile_t  *profile;

    values = ngx_http_k8s_policy_values(rec, host, pool, &closed);
    if (values == NULL) {
        return NULL;
    }

    error.data = buf;

    profile = ngx_http_k8s_base_over(klcf, base, values, pool, &error);

    if (profile == NULL && error.len) {
        profile = ngx_http_k8s_base_taken(klcf, base, values, &closed, log);
    }

    if (profile == NULL) {
        return NULL;
    }

    base->refs++;
    profile->base = base;

    profile->settings = ngx_palloc(profile->pool, sizeof(ngx_k8s_settings_t));
    copy = ngx_http_k8s_values_copy(pool, profile->pool, values);

    if (profile->settings == NULL || copy == NULL) {
        ngx_http_k8s_profile_release(profile);
        return NULL;
    }

    *profile->settings = *base->settings;
    profile->denied = closed;

    ngx_k8s_policy_settings(profile->settings, NGX_K8S_API_INGRESS, copy);

    if (ngx_http_k8s_snippet_profile(profile, profile->pool) != NGX_OK
        || ngx_http_k8s_headers_profile(profile, profile->pool) != NGX_OK
        || ngx_http_k8s_rewrite_profile(profile, profile->pool) != NGX_OK
        || ngx_http_k8s_redirect_profile(profile, profile->pool) != NGX_OK
        || ngx_http_k8s_access_profile(profile, profile->pool) != NGX_OK
        || ngx_http_k8s_auth_profile(profile, profile->pool) != NGX_OK
        || ngx_http_k8s_password_profile(profile, profile->pool) != NGX_OK
        || ngx_http_k8s_limit_profile(profile, profile->pool) != NGX_OK
        || ngx_http_k8s_mirror_profile(profile, klcf, profile->pool) != NGX_OK
        || ngx_http_k8s_cors_create(profile) != NGX_OK
        || ngx_http_k8s_error_create(profile, klcf, rec, values, pool)
           != NGX_OK
        || (rec == NULL
            && ngx_http_k8s_server_profile(profile, profile->pool) != NGX_OK))
    {
        ngx_http_k8s_profile_release(profile);
        return NULL;
    }

    if (profile->settings->proxy_ssl_secret.len) {
        profile->denied |= NGX_HTTP_K8S_DENIED_ASK;
    }

    return profile;
}


/* the server-snippet that counts is that of the host */

static ngx_str_t *
ngx_http_k8s_policy_values(ngx_k8s_policy_t *rec, ngx_k8s_policy_t *host,
    ngx_pool_t *pool, ngx_uint_t *closed)
{
    ngx_str_t   *values, *of_host;
    ngx_uint_t   n, unused;

    *closed = 0;
    n = ngx_http_k8s_server_row() - ngx_k8s_rows;

    values = rec ? ngx_http_k8s_values(rec, pool, closed)
                 : ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));
    if (values == NULL) {
        return NULL;
    }

    ngx_str_null(&values[n]);

    if (host) {
        of_host = ngx_http_k8s_values(host, pool, rec ? &unused : closed);
        if (of_host == NULL) {
            return NULL;
        }

        values[n] = of_host[n];
    }

    return values;
}


ngx_int_t
ngx_http_k8s_policy_h2c(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, uint32_t slot, uint32_t host)
{
    ngx_int_t                   rc;
    ngx_pool_t                 *pool;
    ngx_http_k8s_profile_t     *profile;
    ngx_http_k8s_policy_rec_t   of_route, of_host;

    profile = ctx->profile;

    if (profile->settings->backend_protocol != NGX_K8S_BACKEND_HTTP
        || ctx->conf->parents[NGX_HTTP_K8S_MODULE_HTTP2] == NULL)
    {
        return NGX_OK;
    }

    if (profile->h2c == NULL) {

        if (ngx_http_k8s_policy_rec(table, slot, &of_route) != NGX_OK
            || ngx_http_k8s_policy_rec(table, host, &of_host) != NGX_OK)
        {
            return NGX_DECLINED;
        }

        pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, r->connection->log);
        if (pool == NULL) {
            return NGX_ERROR;
        }

        rc = ngx_http_k8s_policy_h2c_create(ctx->conf, profile, of_route.rec,
                                            of_host.rec, pool);
        ngx_destroy_pool(pool);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    r->loc_conf = profile->h2c->loc_conf;

    ctx->hop.protocol = profile->h2c->protocol;
    ctx->hop.http2 = 1;

    return NGX_OK;
}


/* over the base of the profile, which keeps it */

static ngx_int_t
ngx_http_k8s_policy_h2c_create(ngx_http_k8s_loc_conf_t *klcf,
    ngx_http_k8s_profile_t *profile, ngx_k8s_policy_t *rec,
    ngx_k8s_policy_t *host, ngx_pool_t *pool)
{
    u_char               buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t            error, *values;
    ngx_uint_t           closed;
    ngx_pool_cleanup_t  *cln;

    cln = NULL;

    if (profile->pool) {
        cln = ngx_pool_cleanup_add(profile->pool, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }
    }

    values = ngx_http_k8s_policy_values(rec, host, pool, &closed);
    if (values == NULL) {
        return NGX_ERROR;
    }

    error.data = buf;
    error.len = 0;

    profile->h2c = ngx_http_k8s_base_h2c(klcf,
                                         profile->base ? profile->base
                                                       : profile,
                                         values, pool, &error);
    if (profile->h2c == NULL) {
        ngx_log_error(NGX_LOG_ERR, pool->log, 0,
                      "no profile for backends of HTTP/2: %V", &error);
        return NGX_ERROR;
    }

    if (cln) {
        cln->handler = ngx_http_k8s_policy_h2c_cleanup;
        cln->data = profile->h2c;
    }

    return NGX_OK;
}


static void
ngx_http_k8s_policy_h2c_cleanup(void *data)
{
    ngx_http_k8s_profile_release(data);
}


ngx_int_t
ngx_http_k8s_policy_build(ngx_k8s_block_t *block, ngx_uint_t base,
    ngx_str_t *values, ngx_str_t *error)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_pool_t                *pool;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_k8s_module);

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    pass = kmcf->passes.elts;
    rc = NGX_OK;

    for (i = 0; rc == NGX_OK && i < kmcf->passes.nelts; i++) {
        if (pass[i].conf->block == block) {
            rc = ngx_http_k8s_policy_try(pass[i].conf, base, values, pool,
                                         error);
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_template_check(pool, block,
                                         ngx_http_k8s_tables_known, values,
                                         error);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_access_check(values, error);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_log_check(pool, block, ngx_http_k8s_tables_known,
                                    values, error);
    }

    ngx_destroy_pool(pool);

    return rc;
}


static ngx_int_t
ngx_http_k8s_policy_try(ngx_http_k8s_loc_conf_t *klcf, ngx_uint_t base,
    ngx_str_t *values, ngx_pool_t *pool, ngx_str_t *error)
{
    ngx_int_t                rc;
    ngx_k8s_settings_t       settings;
    ngx_http_k8s_profile_t  *profile, *over;

    over = klcf->trial ? klcf->trial : klcf->builtin;

    rc = base ? ngx_http_k8s_snippet_check(pool, klcf->builtin->settings, NULL,
                                           values, error)
              : ngx_http_k8s_snippet_check(pool, over->settings, over->maps,
                                           values, error);
    if (rc != NGX_OK) {
        return rc;
    }

    profile = ngx_http_k8s_base_over(klcf, base ? NULL : over, values, pool,
                                     error);

    if (profile == NULL) {
        return error->len ? NGX_DECLINED : NGX_ERROR;
    }

    if (base) {
        rc = ngx_http_k8s_server_check(klcf, profile, profile->settings, pool,
                                       error);

    } else {
        settings = *over->settings;
        ngx_k8s_policy_settings(&settings, NGX_K8S_API_INGRESS, values);

        rc = ngx_http_k8s_server_check(klcf, over, &settings, pool, error);
    }

    if (!base || rc != NGX_OK) {
        ngx_http_k8s_profile_release(profile);
        return rc;
    }

    if (klcf->trial) {
        ngx_http_k8s_profile_release(klcf->trial);
    }

    klcf->trial = profile;

    return NGX_OK;
}


static void
ngx_http_k8s_policy_drop(ngx_http_k8s_policies_t *policies,
    ngx_http_k8s_policy_t *policy)
{
    ngx_rbtree_delete(&policies->tree, &policy->node);
    ngx_queue_remove(&policy->queue);
    policies->n -= policy->profiles;

    /* the policy is in its pool */

    ngx_http_k8s_profile_release(policy->profile);
}


ngx_str_t *
ngx_http_k8s_policy_closed(ngx_k8s_block_t *block, ngx_k8s_policy_t *rec)
{
    ngx_str_t            value;
    ngx_uint_t           i;
    ngx_k8s_row_t       *row;
    ngx_k8s_setting_t   *setting;
    ngx_k8s_settings_t   settings;

    static ngx_str_t  other = ngx_string("");
    static ngx_str_t  users = ngx_string("auth-secret");
    static ngx_str_t  backend = ngx_string("proxy-ssl-secret");

    ngx_memzero(&settings, sizeof(ngx_k8s_settings_t));

    setting = ngx_k8s_record_at(rec, rec->settings.offset);

    for (i = 0; i < rec->settings.n; i++) {

        if (setting[i].flags & NGX_K8S_SETTING_CLOSED) {
            return &other;
        }

        if (setting[i].row >= ngx_k8s_nrows) {
            continue;
        }

        row = &ngx_k8s_rows[setting[i].row];

        if (row->offset == NGX_K8S_NO_FIELD
            || (row->flags & NGX_K8S_ROW_HEADERS))
        {
            continue;
        }

        ngx_k8s_record_str(rec, &setting[i].value, &value);

        (void) row->grammar->decode(row->grammar, &value,
                                    (u_char *) &settings + row->offset);
    }

    if (ngx_http_k8s_password_closed(block, &settings)) {
        return &users;
    }

    return ngx_http_k8s_backend_tls_closed(block, &settings) ? &backend : NULL;
}
