
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
static void ngx_k8s_compile_policy_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);


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
        ngx_memcpy(&p->node.key, values->digest, sizeof(ngx_rbtree_key_t));

        ngx_rbtree_insert(&c->policies, &p->node);
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
    ngx_rbtree_delete(&c->policies, &policy->node);
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
    ngx_int_t                rc;
    ngx_rbtree_key_t         key;
    ngx_rbtree_node_t       *node, *sentinel;
    ngx_k8s_policy_state_t  *p;

    ngx_memcpy(&key, digest, sizeof(ngx_rbtree_key_t));

    node = c->policies.root;
    sentinel = c->policies.sentinel;

    while (node != sentinel) {

        if (key != node->key) {
            node = (key < node->key) ? node->left : node->right;
            continue;
        }

        p = ngx_rbtree_data(node, ngx_k8s_policy_state_t, node);
        rc = ngx_memcmp(digest, p->digest, NGX_K8S_POLICY_DIGEST);

        if (rc == 0) {
            return p;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
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
                    ngx_k8s_compile_policy_insert);
}


/* at the end of the watcher: the records stay */

void
ngx_k8s_compile_policies_free(ngx_k8s_compile_t *c)
{
    ngx_rbtree_node_t  *node;

    while (c->policies.root != c->policies.sentinel) {
        node = c->policies.root;
        ngx_rbtree_delete(&c->policies, node);
        ngx_free(ngx_rbtree_data(node, ngx_k8s_policy_state_t, node));
    }
}


static void
ngx_k8s_compile_policy_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t       **p;
    ngx_k8s_policy_state_t   *n, *t;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            n = ngx_rbtree_data(node, ngx_k8s_policy_state_t, node);
            t = ngx_rbtree_data(temp, ngx_k8s_policy_state_t, node);

            p = (ngx_memcmp(n->digest, t->digest, NGX_K8S_POLICY_DIGEST) < 0)
                ? &temp->left : &temp->right;
        }

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
