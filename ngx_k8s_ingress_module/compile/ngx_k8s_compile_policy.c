
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Policy records: one for all objects that say the same, there while a path of
 * one of them is.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_k8s_policy_state_t *ngx_k8s_compile_policy_find(
    ngx_k8s_compile_t *c, u_char *digest);
static uint32_t ngx_k8s_compile_policy_write(ngx_k8s_compile_t *c,
    ngx_k8s_values_t *values);


ngx_int_t
ngx_k8s_compile_policy(ngx_k8s_compile_t *c, ngx_k8s_values_t *values,
    ngx_k8s_policy_state_t **policy)
{
    ngx_k8s_policy_state_t  *p;

    *policy = NULL;

    if (values->nserved == 0) {
        return NGX_OK;
    }

    p = ngx_k8s_compile_policy_find(c, values->digest);

    if (p == NULL) {

        p = ngx_calloc(sizeof(ngx_k8s_policy_state_t), c->log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        p->slot = ngx_k8s_compile_policy_write(c, values);

        if (p->slot == 0) {
            ngx_free(p);
            return NGX_DECLINED;
        }

        ngx_memcpy(p->digest, values->digest, NGX_K8S_POLICY_DIGEST);

        p->sn.str.data = p->digest;
        p->sn.str.len = NGX_K8S_POLICY_DIGEST;
        p->sn.node.key = ngx_crc32_short(p->digest, NGX_K8S_POLICY_DIGEST);

        ngx_rbtree_insert(&c->policies, &p->sn.node);
    }

    p->refs++;
    *policy = p;

    return NGX_OK;
}


void
ngx_k8s_compile_policy_put(ngx_k8s_compile_t *c, ngx_k8s_policy_state_t *policy)
{
    if (--policy->refs) {
        return;
    }

    ngx_k8s_writer_remove(c->writer, policy->slot);
    ngx_rbtree_delete(&c->policies, &policy->sn.node);
    ngx_free(policy);
}


ngx_uint_t
ngx_k8s_compile_policy_known(ngx_k8s_compile_t *c, uint32_t slot,
    ngx_k8s_record_t *rec)
{
    ngx_str_t                key;
    ngx_k8s_policy_state_t  *p;

    ngx_k8s_record_str(rec, &rec->key, &key);

    if (key.len != NGX_K8S_POLICY_DIGEST) {
        return 0;
    }

    p = ngx_k8s_compile_policy_find(c, key.data);

    return p && p->slot == slot;
}


static ngx_k8s_policy_state_t *
ngx_k8s_compile_policy_find(ngx_k8s_compile_t *c, u_char *digest)
{
    ngx_str_t  key;

    key.data = digest;
    key.len = NGX_K8S_POLICY_DIGEST;

    return (ngx_k8s_policy_state_t *)
               ngx_str_rbtree_lookup(&c->policies, &key,
                                     ngx_crc32_short(digest, key.len));
}


static uint32_t
ngx_k8s_compile_policy_write(ngx_k8s_compile_t *c, ngx_k8s_values_t *values)
{
    ngx_str_t            key;
    uint32_t             offset;
    ngx_uint_t           i, n;
    ngx_k8s_str_t        str;
    ngx_k8s_value_t     *value;
    ngx_k8s_policy_t    *rec;
    ngx_k8s_builder_t   *b;
    ngx_k8s_setting_t   *setting;

    b = &c->builder;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_POLICY, sizeof(ngx_k8s_policy_t));

    key.data = values->digest;
    key.len = NGX_K8S_POLICY_DIGEST;

    ngx_k8s_builder_set(b, ngx_k8s_record_t, key, &key);

    offset = ngx_k8s_builder_alloc(b, values->nserved
                                      * sizeof(ngx_k8s_setting_t));
    if (b->failed) {
        return 0;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->kind = NGX_K8S_POLICY_ROUTE;
    rec->settings.offset = offset;
    rec->settings.n = values->nserved;

    ngx_memcpy(rec->profile, values->digest, sizeof(rec->profile));

    value = values->values.elts;
    n = 0;

    for (i = 0; i < values->values.nelts; i++) {

        if (!ngx_k8s_value_served(&value[i])) {
            continue;
        }

        str = ngx_k8s_builder_str(b, &value[i].value);

        if (b->failed) {
            return 0;
        }

        setting = ngx_k8s_builder_ptr(b, offset);
        setting[n].row = value[i].row - ngx_k8s_rows;
        setting[n].value = str;
        n++;
    }

    return ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);
}


void
ngx_k8s_compile_policies_init(ngx_k8s_compile_t *c)
{
    ngx_rbtree_init(&c->policies, &c->policies_sentinel,
                    ngx_str_rbtree_insert_value);
}


/* at the end of the watcher: the records stay */

void
ngx_k8s_compile_policies_free(ngx_k8s_compile_t *c)
{
    ngx_rbtree_node_t  *node;

    while (c->policies.root != c->policies.sentinel) {
        node = c->policies.root;
        ngx_rbtree_delete(&c->policies, node);
        ngx_free(node);
    }
}
