
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Policy records: one for all objects that say the same, there while a path of
 * one of them is.  What nginx would refuse is found by building it first, and
 * is not in the record.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_sha1.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_POLICY_HASH          sizeof(((ngx_k8s_policy_t *) 0)->profile)


static ngx_k8s_policy_state_t *ngx_k8s_compile_policy_find(
    ngx_k8s_compile_t *c, u_char *digest);
static ngx_int_t ngx_k8s_compile_policy_ports(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_target_t *error);
static ngx_str_t *ngx_k8s_compile_policy_texts(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t *closed);
static void ngx_k8s_compile_policy_refs(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
static void ngx_k8s_compile_policy_hash(ngx_k8s_policy_state_t *policy,
    ngx_str_t *texts, ngx_uint_t closed, u_char *hash);


/* the rows that ask for the Services to which a record refers */

static ngx_str_t  ngx_k8s_policy_port_rows[NGX_K8S_POLICY_PORTS] = {
    ngx_string("default-backend"),
    ngx_string("custom-http-errors")
};


ngx_int_t
ngx_k8s_compile_policy(ngx_k8s_compile_t *c, ngx_k8s_values_t *values,
    ngx_k8s_target_t *error, ngx_k8s_policy_state_t **policy)
{
    ngx_int_t                rc;
    ngx_k8s_policy_state_t  *p;

    *policy = NULL;

    if (values->nserved == 0) {
        return NGX_OK;
    }

    p = ngx_k8s_compile_policy_find(c, values->digest);

    if (p == NULL) {

        p = ngx_k8s_compile_policy_make(c, values, error);
        if (p == NULL) {
            return NGX_ERROR;
        }

        p->host = values->handshake;

        if (ngx_k8s_compile_named_follow(c, p) != NGX_OK) {
            ngx_k8s_compile_policy_drop(c, p);
            return NGX_ERROR;
        }

        rc = ngx_k8s_compile_policy_ready(c, p);

        if (rc == NGX_DECLINED || rc == NGX_ERROR) {
            ngx_k8s_compile_policy_drop(c, p);
            return rc;
        }

        ngx_rbtree_insert(&c->policies, &p->sn.node);
        ngx_queue_insert_tail(&c->checked, &p->queue);
    }

    p->refs++;
    *policy = p;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_compile_policy_ready(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    if (policy->slot) {
        return NGX_OK;
    }

    if (!policy->built) {
        rc = ngx_k8s_compile_policy_build(c, policy, 0);

        if (rc == NGX_AGAIN || rc == NGX_ERROR) {
            return rc;
        }
    }

    rc = NGX_OK;

    for (i = 0; i < NGX_K8S_POLICY_PORTS; i++) {

        if (policy->ports[i] == NULL || policy->ports[i]->slot) {
            continue;
        }

        if (policy->ports[i]->full) {
            return NGX_DECLINED;
        }

        rc = NGX_AGAIN;
    }

    if (!ngx_k8s_compile_named_ready(policy)) {
        rc = NGX_AGAIN;
    }

    return (rc == NGX_OK)
           ? ngx_k8s_compile_policy_write(c, policy, NGX_K8S_POLICY_ROUTE)
           : NGX_AGAIN;
}


void
ngx_k8s_compile_policy_put(ngx_k8s_compile_t *c, ngx_k8s_policy_state_t *policy)
{
    if (--policy->refs) {
        return;
    }

    if (policy->slot) {
        ngx_k8s_writer_remove(c->writer, policy->slot);
    }

    ngx_rbtree_delete(&c->policies, &policy->sn.node);
    ngx_queue_remove(&policy->queue);
    ngx_k8s_compile_policy_drop(c, policy);
}


ngx_uint_t
ngx_k8s_compile_policy_known(ngx_k8s_compile_t *c, uint32_t slot, void *rec)
{
    ngx_str_t                key;
    ngx_k8s_policy_t        *policy = rec;
    ngx_k8s_policy_state_t  *p;

    if (policy->kind == NGX_K8S_POLICY_GLOBAL) {
        p = c->keys.policy;

        if (p == NULL && c->config) {

            /* it has not come yet */

            return 1;
        }

    } else {
        ngx_k8s_record_str(rec, &policy->header.key, &key);

        if (key.len != NGX_K8S_POLICY_DIGEST) {
            return 0;
        }

        p = ngx_k8s_compile_policy_find(c, key.data);
    }

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


ngx_k8s_policy_state_t *
ngx_k8s_compile_policy_make(ngx_k8s_compile_t *c, ngx_k8s_values_t *values,
    ngx_k8s_target_t *error)
{
    u_char                  *p;
    ngx_uint_t               i;
    ngx_k8s_value_t         *value;
    ngx_k8s_policy_state_t  *policy;

    policy = ngx_calloc(offsetof(ngx_k8s_policy_state_t, values)
                        + values->nserved * sizeof(ngx_k8s_policy_value_t)
                        + values->size, c->log);
    if (policy == NULL) {
        return NULL;
    }

    policy->stamp = c->keys.stamp;
    policy->closed = values->close_route || values->close_host;

    ngx_memcpy(policy->digest, values->digest, NGX_K8S_POLICY_DIGEST);

    policy->sn.str.data = policy->digest;
    policy->sn.str.len = NGX_K8S_POLICY_DIGEST;
    policy->sn.node.key = ngx_crc32_short(policy->digest,
                                          NGX_K8S_POLICY_DIGEST);
    policy->key = policy->sn.str;

    p = (u_char *) &policy->values[values->nserved];
    value = values->values.elts;

    for (i = 0; i < values->values.nelts; i++) {

        if (!ngx_k8s_value_recorded(values, &value[i])) {
            continue;
        }

        policy->values[policy->n].row = value[i].row;
        policy->values[policy->n].value.len = value[i].value.len;
        policy->values[policy->n].value.data = p;

        p = ngx_cpymem(p, value[i].value.data, value[i].value.len);

        policy->n++;

        if (ngx_k8s_compile_named_pin(c, policy, &policy->values[policy->n - 1],
                                      values)
            != NGX_OK)
        {
            ngx_k8s_compile_policy_drop(c, policy);
            return NULL;
        }
    }

    if (ngx_k8s_compile_policy_ports(c, policy, error) != NGX_OK) {
        ngx_k8s_compile_policy_drop(c, policy);
        return NULL;
    }

    return policy;
}


static ngx_int_t
ngx_k8s_compile_policy_ports(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_target_t *error)
{
    ngx_uint_t      i;
    ngx_k8s_row_t  *row;

    static ngx_str_t  tcp = ngx_string("TCP");

    if (error) {
        policy->ports[0] = ngx_k8s_compile_port(c, &error->ref.namespace,
                                                &error->ref.name,
                                                &error->port,
                                                &error->protocol, 0);
        if (policy->ports[0] == NULL) {
            return NGX_ERROR;
        }

        ngx_k8s_compile_port_begin(c, policy->ports[0]);
    }

    if (c->default_service.len == 0) {
        return NGX_OK;
    }

    row = ngx_k8s_row(&ngx_k8s_policy_port_rows[1], NGX_K8S_ROW_ANNOTATION);

    for (i = 0; i < policy->n; i++) {

        if (policy->values[i].row != row) {
            continue;
        }

        policy->ports[1] = ngx_k8s_compile_port(c, &c->default_namespace,
                                                &c->default_service,
                                                &c->default_port, &tcp, 0);
        if (policy->ports[1] == NULL) {
            return NGX_ERROR;
        }

        ngx_k8s_compile_port_begin(c, policy->ports[1]);
    }

    return NGX_OK;
}


void
ngx_k8s_compile_policy_drop(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_POLICY_PORTS; i++) {
        if (policy->ports[i]) {
            ngx_k8s_compile_port_put(c, policy->ports[i]);
        }
    }

    if (policy->stale) {
        ngx_queue_remove(&policy->rest);
    }

    if (policy->class) {
        ngx_k8s_compile_class_said(c, policy, NULL);
    }

    ngx_k8s_compile_named_unpin(c, policy);
    ngx_k8s_compile_policy_free(policy);
}


void
ngx_k8s_compile_policy_free(ngx_k8s_policy_state_t *policy)
{
    ngx_uint_t  i;

    for (i = 0; i < policy->n; i++) {
        if (policy->values[i].refused) {
            ngx_free(policy->values[i].refused);
        }

        if (policy->values[i].named) {
            ngx_free(policy->values[i].named);
        }
    }

    ngx_free(policy);
}


ngx_int_t
ngx_k8s_compile_policy_write(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t kind)
{
    ngx_str_t           *texts;
    uint32_t             offset, slot;
    ngx_uint_t           i, n, global, closed;
    ngx_k8s_str_t        str;
    ngx_k8s_policy_t    *rec;
    ngx_k8s_builder_t   *b;
    ngx_k8s_setting_t   *setting;

    b = &c->builder;
    global = (kind == NGX_K8S_POLICY_GLOBAL);

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_POLICY, sizeof(ngx_k8s_policy_t));

    ngx_k8s_builder_set(b, ngx_k8s_record_t, key, &policy->key);

    closed = (global && policy->closed);

    texts = ngx_k8s_compile_policy_texts(c, policy, &closed);
    if (texts == NULL) {
        return NGX_ERROR;
    }

    n = closed;

    for (i = 0; i < policy->n; i++) {
        n += (texts[i].data != NULL);
    }

    offset = ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_setting_t));

    if (b->failed) {
        return NGX_ERROR;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->kind = policy->host ? NGX_K8S_POLICY_HOST : kind;
    rec->settings.offset = offset;
    rec->settings.n = n;

    ngx_k8s_compile_policy_hash(policy, texts, closed, rec->profile);

    if (policy->host) {
        ngx_memcpy(rec->tls, policy->digest, NGX_K8S_POLICY_HASH);
    }

    n = 0;

    if (closed) {
        setting = ngx_k8s_builder_ptr(b, offset);
        setting[n++].flags = NGX_K8S_SETTING_CLOSED;
    }

    for (i = 0; i < policy->n; i++) {

        if (texts[i].data == NULL) {
            continue;
        }

        str = ngx_k8s_builder_str(b, &texts[i]);

        if (b->failed) {
            return NGX_ERROR;
        }

        setting = ngx_k8s_builder_ptr(b, offset);
        setting[n].row = policy->values[i].row - ngx_k8s_rows;
        setting[n].value = str;
        n++;
    }

    ngx_k8s_compile_policy_refs(c, policy);

    slot = ngx_k8s_builder_put(b, c->writer, global ? NGX_K8S_WRITE_OWN
                                                    : NGX_K8S_WRITE_OBJECT);
    if (slot == 0) {
        return NGX_DECLINED;
    }

    policy->slot = slot;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_compile_policy_shut(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy)
{
    ngx_int_t               rc;
    ngx_k8s_policy_state_t  shut;

    ngx_memzero(&shut, sizeof(ngx_k8s_policy_state_t));

    shut.key = policy->key;
    shut.closed = 1;

    rc = ngx_k8s_compile_policy_write(c, &shut, NGX_K8S_POLICY_GLOBAL);

    if (rc == NGX_OK) {
        policy->slot = shut.slot;
    }

    return rc;
}


ngx_uint_t
ngx_k8s_compile_policy_protects(ngx_k8s_policy_state_t *policy,
    ngx_k8s_policy_state_t *before)
{
    ngx_uint_t               i, j;
    ngx_k8s_policy_value_t  *value, *old;

    if (policy->closed) {
        return 1;
    }

    for (i = 0; i < policy->n; i++) {
        value = &policy->values[i];

        if (!ngx_k8s_policy_closes(value)) {
            continue;
        }

        old = NULL;

        for (j = 0; before && j < before->n; j++) {
            if (before->values[j].row == value->row) {
                old = &before->values[j];
            }
        }

        if (value->refused || old == NULL || old->refused
            || !ngx_k8s_str_eq(&value->value, &old->value))
        {
            return 1;
        }
    }

    return 0;
}


/* what each value says in the record, data is NULL: nothing; routes with what
   cannot be had of it may be closed */

static ngx_str_t *
ngx_k8s_compile_policy_texts(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t *closed)
{
    ngx_int_t                rc;
    ngx_str_t               *texts;
    ngx_uint_t               i;
    ngx_k8s_policy_value_t  *value;

    texts = ngx_pcalloc(c->pool, (policy->n + 1) * sizeof(ngx_str_t));
    if (texts == NULL) {
        return NULL;
    }

    for (i = 0; i < policy->n; i++) {

        value = &policy->values[i];

        if (value->refused) {
            *closed |= ngx_k8s_policy_closes(value);
            continue;
        }

        rc = ngx_k8s_compile_named_text(c, policy, value, &texts[i]);

        if (rc == NGX_ERROR) {
            return NULL;
        }

        *closed |= (rc == NGX_DECLINED && ngx_k8s_policy_closes(value));
    }

    return texts;
}


static void
ngx_k8s_compile_policy_refs(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy)
{
    uint32_t               offset;
    ngx_uint_t             i, n;
    ngx_k8s_row_t         *row;
    ngx_k8s_policy_t      *rec;
    ngx_k8s_builder_t     *b;
    ngx_k8s_policy_ref_t  *ref;

    b = &c->builder;
    n = 0;

    for (i = 0; i < NGX_K8S_POLICY_PORTS; i++) {
        n += (policy->ports[i] && policy->ports[i]->slot);
    }

    if (n == 0) {
        return;
    }

    offset = ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_policy_ref_t));

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->refs.offset = offset;
    rec->refs.n = n;

    ref = ngx_k8s_builder_ptr(b, offset);

    for (i = 0; i < NGX_K8S_POLICY_PORTS; i++) {

        if (policy->ports[i] == NULL || policy->ports[i]->slot == 0) {
            continue;
        }

        row = ngx_k8s_row(&ngx_k8s_policy_port_rows[i],
                          NGX_K8S_ROW_ANNOTATION);

        ref->row = row - ngx_k8s_rows;
        ref->index = NGX_K8S_INDEX_SERVICE;
        ref->ref.slot = policy->ports[i]->slot;
        ref->ref.generation = ngx_k8s_slot(c->table,
                                           ref->ref.slot)->generation;
        ref++;
    }
}


/* of all values, of which are refused, and of what those say that name others:
   readers know by it whether the record is another one */

static void
ngx_k8s_compile_policy_hash(ngx_k8s_policy_state_t *policy, ngx_str_t *texts,
    ngx_uint_t closed, u_char *hash)
{
    u_char                   sum[20];
    ngx_uint_t               i;
    ngx_sha1_t               sha1;
    ngx_k8s_policy_value_t  *value;

    ngx_memcpy(hash, policy->digest, NGX_K8S_POLICY_HASH);

    ngx_sha1_init(&sha1);

    for (i = 0; i < policy->n; i++) {

        value = &policy->values[i];

        if (value->refused || value->named) {
            ngx_sha1_update(&sha1, (u_char *) &value->row->name.len,
                            sizeof(size_t));
            ngx_sha1_update(&sha1, value->row->name.data,
                            value->row->name.len);
        }

        if (value->named) {
            ngx_sha1_update(&sha1, (u_char *) &texts[i].len, sizeof(size_t));
            ngx_sha1_update(&sha1, texts[i].data, texts[i].len);
        }
    }

    if (closed || policy->closed) {
        ngx_sha1_update(&sha1, (u_char *) "closed", sizeof("closed") - 1);
    }

    ngx_sha1_final(sum, &sha1);

    for (i = 0; i < NGX_K8S_POLICY_HASH; i++) {
        hash[i] ^= sum[i];
    }
}


ngx_int_t
ngx_k8s_compile_policy_refused(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_entry_t *entry)
{
    u_char                  *p;
    ngx_str_t                before, *prefix;
    ngx_uint_t               i;
    ngx_k8s_values_t        *values;
    ngx_k8s_policy_state_t  *policy;
    ngx_k8s_policy_value_t  *value;

    values = &entry->model->values;

    if (values->nserved == 0) {
        return NGX_OK;
    }

    policy = ngx_k8s_compile_policy_find(c, values->digest);

    if (policy == NULL) {
        return NGX_OK;
    }

    prefix = &c->store->conf.gate.prefix;

    p = ngx_pnalloc(c->pool, sizeof("metadata.annotations[/") + prefix->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    before.data = p;
    before.len = ngx_sprintf(p, "metadata.annotations[%V/", prefix) - p;

    if (ngx_k8s_compile_named_notes(c, a, policy,
                                    NGX_K8S_PROBLEM_ANNOTATION_CLOSED, &before,
                                    "]")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < policy->n; i++) {

        value = &policy->values[i];

        if (value->refused == NULL) {

            if (value->class) {
                ngx_k8s_compile_class_said(c, policy, value);
            }

            continue;
        }

        if (!ngx_k8s_compile_class_refuses(c, entry, policy, value)
            && ngx_k8s_compile_policy_note(a, value,
                                           NGX_K8S_PROBLEM_ANNOTATION_INVALID,
                                           NGX_K8S_PROBLEM_ANNOTATION_CLOSED,
                                           &before, "]")
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_k8s_compile_policies_init(ngx_k8s_compile_t *c)
{
    ngx_rbtree_init(&c->policies, &c->policies_sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&c->checked);
    ngx_queue_init(&c->refusing);
    ngx_queue_init(&c->keys.stale);
    ngx_queue_init(&c->keys.roomless);
}


/* at the end of the watcher: the records stay */

void
ngx_k8s_compile_policies_free(ngx_k8s_compile_t *c)
{
    ngx_rbtree_node_t  *node;

    while (c->policies.root != c->policies.sentinel) {
        node = c->policies.root;
        ngx_rbtree_delete(&c->policies, node);
        ngx_k8s_compile_policy_free((ngx_k8s_policy_state_t *) node);
    }
}
