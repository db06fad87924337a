
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The controller's ConfigMap: its keys are one policy record, over which all
 * others are.  It is published when nginx takes it, and what is refused of the
 * others over it is known.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_CONFIG_POOL          1024
#define NGX_K8S_CONFIG_CHECKS        64   /* in one item of work */
#define NGX_K8S_CONFIG_WRITES        16   /* the same */


static ngx_int_t ngx_k8s_compile_config_named(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
static void ngx_k8s_compile_config_missing(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node, ngx_k8s_object_t *object);
static ngx_k8s_object_t *ngx_k8s_compile_config_other(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
static ngx_uint_t ngx_k8s_compile_config_waits(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_config_read(ngx_k8s_compile_t *c,
    ngx_k8s_object_t *object);
static ngx_int_t ngx_k8s_compile_config_build(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_config_running(void *data,
    ngx_k8s_row_t *row, ngx_str_t *value);
static ngx_int_t ngx_k8s_compile_config_say(void *data, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *message, ngx_str_t *remedy);
static ngx_uint_t ngx_k8s_compile_config_same(ngx_k8s_policy_state_t *one,
    ngx_k8s_policy_state_t *two);
static ngx_k8s_policy_value_t *ngx_k8s_compile_config_token(
    ngx_k8s_policy_state_t *policy, ngx_uint_t *i);
static ngx_int_t ngx_k8s_compile_config_check(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_config_write(ngx_k8s_compile_t *c);
static ngx_int_t ngx_k8s_compile_config_put(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
static ngx_int_t ngx_k8s_compile_config_rewrite(ngx_k8s_compile_t *c);
static void ngx_k8s_compile_config_entry(ngx_k8s_compile_t *c);


/* nothing else is compiled before it is at its end */

ngx_int_t
ngx_k8s_compile_config(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    u_char                  *digest, none[NGX_K8S_DIGEST];
    ngx_int_t                rc;
    ngx_k8s_object_t        *object;
    ngx_k8s_config_state_t  *keys;

    rc = ngx_k8s_compile_config_named(c, node);

    if (node != c->config || rc != NGX_OK) {
        return rc;
    }

    keys = &c->keys;

    if (keys->next == NULL) {
        rc = ngx_k8s_compile_config_rewrite(c);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    object = ngx_k8s_store_get(c->store, NGX_K8S_CONFIG_MAP, &node->namespace,
                               &node->name);

    ngx_k8s_compile_config_missing(c, node, object);

    /* what a predecessor had stays so long */

    if (object == NULL && !ngx_k8s_compile_named_known(c, node)) {
        return NGX_OK;
    }

    ngx_memzero(none, NGX_K8S_DIGEST);
    digest = object ? object->digest : none;

    if ((keys->policy || keys->next) && !keys->again
        && ngx_memcmp(keys->digest, digest, NGX_K8S_DIGEST) == 0)
    {
        if (keys->next == NULL) {
            return keys->retry ? ngx_k8s_compile_config_put(c, keys->policy)
                               : NGX_OK;
        }

    } else {

        if (ngx_k8s_compile_config_waits(c)) {
            return NGX_OK;
        }

        if (ngx_k8s_compile_config_read(c, object) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_memcpy(keys->digest, digest, NGX_K8S_DIGEST);
        keys->again = 0;
    }

    rc = ngx_k8s_compile_config_build(c);

    if (rc != NGX_OK) {
        return rc;
    }

    switch (ngx_k8s_compile_config_check(c)) {

    case NGX_DONE:
        return ngx_k8s_compile_config_write(c);

    case NGX_ERROR:
        return NGX_ERROR;

    default: /* NGX_OK */
        return NGX_AGAIN;
    }
}


/* the policies that name it are written, some at a time */

static ngx_int_t
ngx_k8s_compile_config_named(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_int_t         rc;
    ngx_uint_t        n;
    ngx_k8s_named_t  *named;

    if (node->marked) {
        node->marked = 0;

        if (node == c->config) {
            c->keys.retry = c->keys.full;

            if (!ngx_queue_empty(&c->keys.roomless)) {
                ngx_queue_add(&c->keys.stale, &c->keys.roomless);
                ngx_queue_init(&c->keys.roomless);
            }
        }

        if (node != c->config && ngx_k8s_compile_named_key(c, node)) {
            c->keys.again = 1;
            ngx_k8s_node_mark(c->store, c->config);
        }

        ngx_k8s_compile_named_changed(c, node);
        ngx_k8s_compile_class_changed(c, node);
    }

    for (n = 0; n < NGX_K8S_CONFIG_WRITES; n++) {

        named = ngx_k8s_compile_named_next(node);

        if (named == NULL) {
            return NGX_OK;
        }

        rc = NGX_OK;

        if (named->policy->slot) {
            rc = ngx_k8s_compile_policy_write(c, named->policy,
                                              NGX_K8S_POLICY_ROUTE);
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        ngx_k8s_compile_named_written(named);

        if (rc == NGX_DECLINED) {
            ngx_k8s_compile_stuck(c, node, ngx_k8s_writer_room(c->writer)
                                          + ngx_k8s_writer_missing(c->writer));
        }
    }

    return NGX_AGAIN;
}


static void
ngx_k8s_compile_config_missing(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_object_t *object)
{
    ngx_k8s_object_t   *other;
    ngx_k8s_problem_t   problem;

    static ngx_str_t  none = ngx_null_string;
    static ngx_str_t  directive = ngx_string("config_map");

    if (object) {
        ngx_k8s_compile_directive(c, &directive, NULL);
        return;
    }

    ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));

    other = ngx_k8s_compile_config_other(c, node);

    problem.code = NGX_K8S_PROBLEM_CONFIG_NOT_FOUND;
    problem.message = ngx_k8s_compile_text(c, "ConfigMap %V/%V %s%s%V%s",
                                           &node->namespace, &node->name,
                                           ngx_k8s_compile_named_known(c, node)
                                           ? "is not there" : "has not come",
                                           other ? ", but the namespace \""
                                                 : "",
                                           other ? &other->namespace : &none,
                                           other ? "\" has one of the name"
                                                 : "");

    ngx_k8s_compile_directive(c, &directive, &problem);
}


/* one of the name in another namespace, in a folder; NULL: none */

static ngx_k8s_object_t *
ngx_k8s_compile_config_other(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_uint_t        n;
    ngx_queue_t      *q, *all;
    ngx_k8s_entry_t  *entry;

    all = &c->store->all[NGX_K8S_CONFIG_MAP];
    n = 0;

    for (q = ngx_queue_head(all);
         q != ngx_queue_sentinel(all) && n < NGX_K8S_CONFIG_CHECKS;
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_k8s_entry_t, queue);

        if (entry->object && ngx_k8s_str_eq(&entry->object->name, &node->name))
        {
            return entry->object;
        }

        n++;
    }

    return NULL;
}


/* each change may have all profiles built anew */

static ngx_uint_t
ngx_k8s_compile_config_waits(ngx_k8s_compile_t *c)
{
    ngx_msec_t  passed;

    passed = ngx_current_msec - c->keys.time;

    if (c->conf.later == NULL || c->keys.policy == NULL
        || passed >= NGX_K8S_CONFIG_INTERVAL)
    {
        return 0;
    }

    c->conf.later(c->conf.data, NGX_K8S_CONFIG_INTERVAL - passed);

    return 1;
}


void
ngx_k8s_compile_due(ngx_k8s_compile_t *c)
{
    if (c->config) {
        ngx_k8s_node_mark(c->store, c->config);
    }

    ngx_k8s_compile_named_due(c);
}


static ngx_int_t
ngx_k8s_compile_config_read(ngx_k8s_compile_t *c, ngx_k8s_object_t *object)
{
    ngx_array_t             *data;
    ngx_k8s_gate_t           gate;
    ngx_k8s_values_t         values;
    ngx_k8s_policy_state_t  *next;
    ngx_k8s_config_state_t  *keys;

    keys = &c->keys;

    if (keys->pool == NULL) {
        keys->pool = ngx_create_pool(NGX_K8S_CONFIG_POOL, c->log);
        if (keys->pool == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_reset_pool(keys->pool);

    if (ngx_array_init(&keys->problems, keys->pool, 4,
                       sizeof(ngx_k8s_problem_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    data = object ? ((ngx_k8s_config_map_t *) object)->data : NULL;

    if (ngx_k8s_keys(&values, c->pool, data, 0,
                     ngx_k8s_compile_config_running,
                     ngx_k8s_compile_config_say, c)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    gate = c->store->conf.gate;

    if (ngx_k8s_gate_keys(&gate, data, c->pool) != NGX_OK
        || ngx_k8s_store_gate(c->store, &gate) != NGX_OK)
    {
        return NGX_ERROR;
    }

    next = ngx_k8s_compile_policy_make(c, &values, NULL);

    if (next == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&next->key, NGX_K8S_POLICY_GLOBAL_KEY);

    /* what both name is wanted all the time */

    if (keys->next) {
        keys->unfinished = 1;
        ngx_k8s_compile_policy_drop(c, keys->next);
    }

    keys->next = next;

    return NGX_OK;
}


/* those to be, some values at a time where one is refused */

static ngx_int_t
ngx_k8s_compile_config_build(ngx_k8s_compile_t *c)
{
    ngx_int_t                rc;
    ngx_k8s_config_state_t  *keys;

    keys = &c->keys;

    if (keys->next->built) {
        return NGX_OK;
    }

    rc = ngx_k8s_compile_policy_build(c, keys->next, 1);

    if (rc == NGX_AGAIN || rc == NGX_ERROR) {
        return rc;
    }

    if (keys->unfinished
        || !ngx_k8s_compile_config_same(keys->policy, keys->next))
    {
        keys->stamp++;
    }

    keys->unfinished = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_config_running(void *data, ngx_k8s_row_t *row,
    ngx_str_t *value)
{
    ngx_k8s_compile_t *c = data;

    return c->conf.running ? c->conf.running(c->conf.data, row, value)
                           : NGX_DONE;
}


static ngx_int_t
ngx_k8s_compile_config_say(void *data, ngx_uint_t what, ngx_str_t *name,
    ngx_str_t *message, ngx_str_t *remedy)
{
    ngx_k8s_compile_t *c = data;

    return ngx_k8s_compile_key_problem(&c->keys.problems, c->keys.pool, what,
                                       name, message, remedy);
}


/* whether two are the same to all that is built over them; NULL: nothing */

static ngx_uint_t
ngx_k8s_compile_config_same(ngx_k8s_policy_state_t *one,
    ngx_k8s_policy_state_t *two)
{
    ngx_uint_t               i, j;
    ngx_k8s_policy_value_t  *a, *b;

    i = 0;
    j = 0;

    do {
        a = ngx_k8s_compile_config_token(one, &i);
        b = ngx_k8s_compile_config_token(two, &j);

        if ((a == NULL) != (b == NULL)
            || (a && (a->row != b->row
                      || !ngx_k8s_str_eq(&a->value, &b->value))))
        {
            return 0;
        }

    } while (a);

    return 1;
}


/* the next that feeds a directive or profile, from *i on, which is moved behind
   it */

static ngx_k8s_policy_value_t *
ngx_k8s_compile_config_token(ngx_k8s_policy_state_t *policy, ngx_uint_t *i)
{
    ngx_k8s_policy_value_t  *value;

    while (policy && *i < policy->n) {

        value = &policy->values[(*i)++];

        if ((value->row->directive.len
             || (value->row->flags & NGX_K8S_ROW_PROFILE))
            && value->refused == NULL)
        {
            return value;
        }
    }

    return NULL;
}


/* builds some of the policies over the keys to be; NGX_DONE: all were */

static ngx_int_t
ngx_k8s_compile_config_check(ngx_k8s_compile_t *c)
{
    ngx_int_t                rc;
    ngx_uint_t               n;
    ngx_queue_t             *q;
    ngx_k8s_policy_state_t  *policy;

    for (n = 0; n < NGX_K8S_CONFIG_CHECKS; n++) {

        if (ngx_queue_empty(&c->checked)) {
            return NGX_DONE;
        }

        q = ngx_queue_head(&c->checked);
        policy = ngx_queue_data(q, ngx_k8s_policy_state_t, queue);

        if (policy->stamp == c->keys.stamp) {
            return NGX_DONE;
        }

        rc = ngx_k8s_compile_policy_build(c, policy, 0);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DONE) {

            if (policy->stale) {
                ngx_queue_remove(&policy->rest);
            }

            policy->stale = 1;
            ngx_queue_insert_tail(&c->keys.stale, &policy->rest);
        }

        policy->stamp = c->keys.stamp;

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&c->checked, q);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_config_write(ngx_k8s_compile_t *c)
{
    ngx_str_t                one, two;
    ngx_uint_t               stale;
    ngx_k8s_policy_state_t  *policy;
    ngx_k8s_config_state_t  *keys;

    keys = &c->keys;
    policy = keys->next;

    policy->slot = keys->policy ? keys->policy->slot : 0;

    if (policy->n == 0 && !policy->closed) {
        ngx_k8s_writer_remove(c->writer, policy->slot);
        policy->slot = 0;
        keys->full = 0;
        keys->shut = 0;
        keys->retry = 0;

    } else if (ngx_k8s_compile_config_put(c, policy) != NGX_OK) {
        return NGX_ERROR;
    }

    stale = !ngx_queue_empty(&keys->stale);

    one = ngx_k8s_compile_named_allow(keys->policy);
    two = ngx_k8s_compile_named_allow(policy);

    if (stale || !ngx_k8s_str_eq(&one, &two)) {
        c->store->walk = ngx_k8s_entry_oldest(c->store);
        c->walking = 1;
    }

    if (keys->policy) {
        ngx_k8s_compile_policy_drop(c, keys->policy);
    }

    keys->policy = policy;
    keys->next = NULL;
    keys->time = ngx_current_msec;

    ngx_k8s_compile_config_entry(c);

    return stale ? NGX_AGAIN : NGX_OK;
}


/*
 * The record of the keys.  Without room what they said before holds so long, or
 * all paths are closed, where they protect.
 */

static ngx_int_t
ngx_k8s_compile_config_put(ngx_k8s_compile_t *c, ngx_k8s_policy_state_t *policy)
{
    ngx_int_t                rc;
    ngx_k8s_config_state_t  *keys;

    keys = &c->keys;

    rc = ngx_k8s_compile_policy_write(c, policy, NGX_K8S_POLICY_GLOBAL);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    keys->retry = 0;
    keys->full = (rc == NGX_DECLINED);

    if (!keys->full) {
        keys->shut = 0;

    } else {

        if (ngx_k8s_compile_policy_protects(policy, keys->policy)) {
            keys->shut = 1;
        }

        if (keys->shut) {
            rc = ngx_k8s_compile_policy_shut(c, policy);

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }

            keys->open = (rc == NGX_DECLINED);
        }

        /* it may be a predecessor's */

        (void) ngx_k8s_table_find(c->table, NGX_K8S_INDEX_POLICY,
                                  policy->key.data, policy->key.len,
                                  &policy->slot);

        ngx_k8s_compile_stuck(c, c->config, ngx_k8s_writer_room(c->writer)
                                         + ngx_k8s_writer_missing(c->writer));
    }

    ngx_k8s_compile_config_entry(c);

    return NGX_OK;
}


/*
 * Records of policies over other keys, some at a time.  A reader of both may
 * meet one of them old, and does without it so long.
 */

static ngx_int_t
ngx_k8s_compile_config_rewrite(ngx_k8s_compile_t *c)
{
    ngx_int_t                rc;
    ngx_uint_t               n;
    ngx_queue_t             *q;
    ngx_k8s_policy_state_t  *policy;

    for (n = 0; n < NGX_K8S_CONFIG_WRITES; n++) {

        if (ngx_queue_empty(&c->keys.stale)) {
            return NGX_OK;
        }

        q = ngx_queue_head(&c->keys.stale);
        policy = ngx_queue_data(q, ngx_k8s_policy_state_t, rest);
        rc = NGX_OK;

        if (policy->slot) {
            rc = ngx_k8s_compile_policy_write(c, policy, NGX_K8S_POLICY_ROUTE);
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        ngx_queue_remove(q);

        if (rc == NGX_DECLINED) {
            ngx_queue_insert_tail(&c->keys.roomless, q);
            ngx_k8s_compile_stuck(c, c->config, ngx_k8s_writer_room(c->writer)
                                         + ngx_k8s_writer_missing(c->writer));
            continue;
        }

        policy->stale = 0;
    }

    return NGX_AGAIN;
}


/* what is wrong with the keys is said anew */

static void
ngx_k8s_compile_config_entry(ngx_k8s_compile_t *c)
{
    ngx_k8s_entry_t  *entry;

    entry = ngx_k8s_entry_find(c->store, NGX_K8S_CONFIG_MAP,
                               &c->config->namespace, &c->config->name);
    if (entry) {
        ngx_k8s_entry_mark(c->store, entry);
    }
}


ngx_int_t
ngx_k8s_compile_config_notes(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_k8s_config_state_t  *keys;

    static ngx_str_t  before = ngx_string("data.");
    static ngx_str_t  data = ngx_string("data");
    static ngx_str_t  full = ngx_string("there is no room for it in the zone, "
                                        "what it said before holds");
    static ngx_str_t  shut = ngx_string("there is no room for it in the zone, "
                                        "as it protects all paths are closed");

    keys = &c->keys;

    if (c->config == NULL
        || !ngx_k8s_str_eq(&entry->object->namespace, &c->config->namespace)
        || !ngx_k8s_str_eq(&entry->object->name, &c->config->name))
    {
        return (ngx_k8s_hint_config(c, entry, a) == NGX_OK)
               ? ngx_k8s_compile_class_notes(c, entry, a) : NGX_ERROR;
    }

    if (keys->policy == NULL || keys->next) {
        return NGX_OK;
    }

    if (ngx_k8s_compile_advise_all(a, keys->problems.elts,
                                   keys->problems.nelts)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (keys->full
        && ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_TABLE_FULL, NULL, &data,
                                  (keys->shut && !keys->open) ? &shut : &full,
                                  NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_k8s_hint_keys(c, keys->policy, a) != NGX_OK
        || ngx_k8s_compile_named_notes(c, a, keys->policy,
                                       NGX_K8S_PROBLEM_KEY_INVALID, &before,
                                       "")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_compile_policy_notes(a, keys->policy,
                                        NGX_K8S_PROBLEM_KEY_INVALID,
                                        NGX_K8S_PROBLEM_KEY_CLOSED, &before,
                                        "");
}


/* at the end of the watcher: the record stays */

void
ngx_k8s_compile_config_free(ngx_k8s_compile_t *c)
{
    if (c->keys.policy) {
        ngx_k8s_compile_policy_free(c->keys.policy);
    }

    if (c->keys.next) {
        ngx_k8s_compile_policy_free(c->keys.next);
    }

    if (c->keys.pool) {
        ngx_destroy_pool(c->keys.pool);
    }
}
