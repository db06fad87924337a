
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_cors.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_k8s_policy.h>


/* one of a pass, in the pool of its profile */

typedef struct {
    ngx_rbtree_node_t        node;       /* by slot */
    ngx_queue_t              queue;      /* the last used one is first */
    uint32_t                 slot;
    uint32_t                 generation;
    ngx_http_k8s_profile_t  *profile;
} ngx_http_k8s_policy_t;

struct ngx_http_k8s_policies_s {
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              queue;
    ngx_uint_t               n;
};


static ngx_http_k8s_policy_t *ngx_http_k8s_policy_find(
    ngx_http_k8s_policies_t *policies, uint32_t slot);
static ngx_http_k8s_policy_t *ngx_http_k8s_policy_create(
    ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_policy_t *rec, ngx_log_t *log);
static ngx_http_k8s_profile_t *ngx_http_k8s_policy_profile(
    ngx_http_k8s_loc_conf_t *klcf, ngx_k8s_policy_t *rec, ngx_pool_t *pool,
    ngx_log_t *log);
static ngx_int_t ngx_http_k8s_policy_keep(ngx_pool_t *pool,
    ngx_str_t *values);
static void ngx_http_k8s_policy_values(ngx_k8s_policy_t *rec,
    ngx_str_t *values);
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
                    ngx_rbtree_insert_value);
    ngx_queue_init(&policies->queue);
    policies->n = 0;

    klcf->policies = policies;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_policy(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, uint32_t n)
{
    ngx_k8s_slot_t           *slot;
    ngx_k8s_policy_t         *rec;
    ngx_http_k8s_policy_t    *policy;
    ngx_http_k8s_policies_t  *policies;

    slot = ngx_k8s_slot(table, n);
    rec = slot ? ngx_k8s_slot_read(table, NGX_K8S_INDEX_POLICY, slot) : NULL;

    if (rec == NULL) {
        return NGX_DECLINED;
    }

    policies = ctx->conf->policies;
    policy = ngx_http_k8s_policy_find(policies, n);

    if (policy && policy->generation != slot->generation) {
        ngx_http_k8s_policy_drop(policies, policy);
        policy = NULL;
    }

    if (policy == NULL) {

        policy = ngx_http_k8s_policy_create(ctx->conf, rec,
                                            r->connection->log);
        if (policy == NULL) {
            return NGX_ERROR;
        }

        policy->slot = n;
        policy->generation = slot->generation;
        policy->node.key = n;

        if (policies->n == NGX_HTTP_K8S_POLICIES) {
            ngx_http_k8s_policy_drop(policies,
                                ngx_queue_data(ngx_queue_last(&policies->queue),
                                               ngx_http_k8s_policy_t, queue));
        }

        ngx_rbtree_insert(&policies->tree, &policy->node);
        policies->n++;

    } else {
        ngx_queue_remove(&policy->queue);
    }

    ngx_queue_insert_head(&policies->queue, &policy->queue);

    ctx->profile = policy->profile;

    return ngx_http_k8s_profile_use(policy->profile, r);
}


static ngx_http_k8s_policy_t *
ngx_http_k8s_policy_find(ngx_http_k8s_policies_t *policies, uint32_t slot)
{
    ngx_rbtree_node_t  *node, *sentinel;

    node = policies->tree.root;
    sentinel = policies->tree.sentinel;

    while (node != sentinel) {

        if (slot == node->key) {
            return (ngx_http_k8s_policy_t *) node;
        }

        node = (slot < node->key) ? node->left : node->right;
    }

    return NULL;
}


static ngx_http_k8s_policy_t *
ngx_http_k8s_policy_create(ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_policy_t *rec, ngx_log_t *log)
{
    ngx_pool_t              *pool;
    ngx_http_k8s_policy_t   *policy;
    ngx_http_k8s_profile_t  *profile;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    profile = ngx_http_k8s_policy_profile(klcf, rec, pool, log);

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

    return policy;
}


/*
 * What nginx refuses, as buffers that do not fit together, leaves the pass' own
 * in force.
 */

static ngx_http_k8s_profile_t *
ngx_http_k8s_policy_profile(ngx_http_k8s_loc_conf_t *klcf,
    ngx_k8s_policy_t *rec, ngx_pool_t *pool, ngx_log_t *log)
{
    u_char                   buf[NGX_HTTP_K8S_PROFILE_ERROR];
    ngx_str_t                error, directive, *values;
    ngx_array_t             *tokens;
    ngx_http_k8s_profile_t  *profile;

    values = ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));
    tokens = ngx_array_create(pool, 8, sizeof(ngx_array_t *));

    if (values == NULL || tokens == NULL) {
        return NULL;
    }

    ngx_http_k8s_policy_values(rec, values);

    ngx_str_set(&directive, "proxy_pass");

    if (ngx_k8s_tokens_add(pool, tokens, &directive, &klcf->url) != NGX_OK
        || ngx_k8s_policy_delta(pool, tokens, NGX_K8S_API_INGRESS, values)
           != NGX_OK)
    {
        return NULL;
    }

    error.data = buf;
    error.len = 0;

    profile = ngx_http_k8s_profile_create(&klcf->base, tokens, &error);

    if (profile == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "annotations that nginx refuses are not in force: %V",
                      &error);

        tokens->nelts = 1;

        profile = ngx_http_k8s_profile_create(&klcf->base, tokens, &error);

        if (profile == NULL) {
            return NULL;
        }
    }

    profile->settings = ngx_palloc(profile->pool, sizeof(ngx_k8s_settings_t));

    if (profile->settings == NULL) {
        ngx_http_k8s_profile_release(profile);
        return NULL;
    }

    *profile->settings = klcf->settings;

    if (ngx_http_k8s_policy_keep(profile->pool, values) != NGX_OK) {
        ngx_http_k8s_profile_release(profile);
        return NULL;
    }

    ngx_k8s_policy_settings(profile->settings, NGX_K8S_API_INGRESS, values);

    if (ngx_http_k8s_cors_create(profile) != NGX_OK) {
        ngx_http_k8s_profile_release(profile);
        return NULL;
    }

    return profile;
}


/* settings point to the texts */

static ngx_int_t
ngx_http_k8s_policy_keep(ngx_pool_t *pool, ngx_str_t *values)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_k8s_nrows; i++) {

        if (values[i].data == NULL
            || ngx_k8s_rows[i].offset == NGX_K8S_NO_FIELD)
        {
            continue;
        }

        values[i].data = ngx_pstrdup(pool, &values[i]);
        if (values[i].data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* by row; strings stay in the record */

static void
ngx_http_k8s_policy_values(ngx_k8s_policy_t *rec, ngx_str_t *values)
{
    ngx_uint_t          i;
    ngx_k8s_setting_t  *setting;

    setting = ngx_k8s_record_at(rec, rec->settings.offset);

    for (i = 0; i < rec->settings.n; i++) {

        if (setting[i].row < ngx_k8s_nrows) {
            ngx_k8s_record_str(rec, &setting[i].value,
                               &values[setting[i].row]);
        }
    }
}


static void
ngx_http_k8s_policy_drop(ngx_http_k8s_policies_t *policies,
    ngx_http_k8s_policy_t *policy)
{
    ngx_rbtree_delete(&policies->tree, &policy->node);
    ngx_queue_remove(&policy->queue);
    policies->n--;

    /* the policy is in its pool */

    ngx_http_k8s_profile_release(policy->profile);
}
