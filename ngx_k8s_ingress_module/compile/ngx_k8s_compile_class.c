
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * ConfigMaps of classes: what is wrong with them.  What they say is in the
 * models of the Ingresses.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


/* policies of which a class' key is refused that are looked at for a ConfigMap:
   as long as one is found in the first ones, the others say the same */
#define NGX_K8S_CLASS_REFUSING       256


typedef struct {
    ngx_k8s_compile_t       *compile;
    ngx_array_t             *problems;
} ngx_k8s_class_say_t;


static ngx_k8s_entry_t *ngx_k8s_class_next(ngx_k8s_node_t *node,
    ngx_queue_t **q);
static ngx_int_t ngx_k8s_class_refused(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_value_t *key);
static ngx_k8s_policy_value_t *ngx_k8s_class_value(
    ngx_k8s_policy_state_t *policy, ngx_k8s_value_t *key);
static ngx_int_t ngx_k8s_class_say(void *data, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *message, ngx_str_t *remedy);


/* by NGX_K8S_SAY_* */

static ngx_uint_t  ngx_k8s_compile_key_codes[] = {
    NGX_K8S_PROBLEM_KEY_UNKNOWN,
    NGX_K8S_PROBLEM_KEY_INVALID,
    NGX_K8S_PROBLEM_KEY_CLOSED,
    NGX_K8S_PROBLEM_KEY_UNSERVED,
    NGX_K8S_PROBLEM_KEY_REFUSED,
    NGX_K8S_PROBLEM_KEY_NOTED,
    NGX_K8S_PROBLEM_KEY_NO_EFFECT,
    NGX_K8S_PROBLEM_KEY_UNKNOWN,
    NGX_K8S_PROBLEM_KEY_NGINX
};


/* the problems of a ConfigMap, and of the classes that name it */

void
ngx_k8s_compile_class_changed(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_queue_t      *q;
    ngx_k8s_entry_t  *class, *entry;

    q = NULL;
    class = ngx_k8s_class_next(node, &q);

    if (class == NULL) {
        return;
    }

    entry = ngx_k8s_entry_find(c->store, NGX_K8S_CONFIG_MAP, &node->namespace,
                               &node->name);
    if (entry) {
        ngx_k8s_entry_mark(c->store, entry);
    }

    for ( /* void */ ; class; class = ngx_k8s_class_next(node, &q)) {
        ngx_k8s_entry_mark(c->store, class);
    }
}


/* the next IngressClass among the users of a node, from *q on; NULL: none */

static ngx_k8s_entry_t *
ngx_k8s_class_next(ngx_k8s_node_t *node, ngx_queue_t **q)
{
    ngx_queue_t     *links;
    ngx_k8s_link_t  *link;

    links = &node->links[NGX_K8S_ROLE_USER];

    for (*q = *q ? ngx_queue_next(*q) : ngx_queue_head(links);
         *q != ngx_queue_sentinel(links);
         *q = ngx_queue_next(*q))
    {
        if (*q == &node->cursor) {
            continue;
        }

        link = ngx_queue_data(*q, ngx_k8s_link_t, queue);

        if (link->entry->kind == NGX_K8S_INGRESS_CLASS) {
            return link->entry;
        }
    }

    return NULL;
}


ngx_int_t
ngx_k8s_compile_class_notes(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_str_t             field;
    ngx_uint_t            i;
    ngx_queue_t          *q;
    ngx_k8s_node_t       *node;
    ngx_k8s_value_t      *value;
    ngx_k8s_values_t      values;
    ngx_k8s_class_say_t   say;

    node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_CONFIG,
                             &entry->object->namespace, &entry->object->name);
    q = NULL;

    if (node == NULL || ngx_k8s_class_next(node, &q) == NULL) {
        return NGX_OK;
    }

    say.compile = c;
    say.problems = a;

    if (ngx_k8s_keys(&values, c->pool,
                     ((ngx_k8s_config_map_t *) entry->object)->data, 1,
                     NULL, ngx_k8s_class_say, &say)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    value = values.values.elts;

    for (i = 0; i < values.values.nelts; i++) {

        if (ngx_k8s_class_row(value[i].row)) {

            if (ngx_k8s_class_refused(c, a, &value[i]) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        field = ngx_k8s_compile_text(c, "data.%V", &value[i].row->name);

        if (field.data == NULL
            || ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_KEY_NOTED, NULL,
                                    &field, "only the controller's ConfigMap "
                                    "can say this, not that of an "
                                    "IngressClass")
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* what nginx refuses of a key, once, however many Ingresses have it */

static ngx_int_t
ngx_k8s_class_refused(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_value_t *key)
{
    ngx_str_t                before;
    ngx_uint_t               n;
    ngx_queue_t             *q;
    ngx_k8s_policy_state_t  *policy;
    ngx_k8s_policy_value_t  *value;

    n = 0;

    for (q = ngx_queue_head(&c->refusing);
         q != ngx_queue_sentinel(&c->refusing) && n < NGX_K8S_CLASS_REFUSING;
         q = ngx_queue_next(q))
    {
        policy = ngx_queue_data(q, ngx_k8s_policy_state_t, refusing);
        value = ngx_k8s_class_value(policy, key);

        if (value) {
            ngx_str_set(&before, "data.");

            return ngx_k8s_compile_policy_note(a, value,
                                               NGX_K8S_PROBLEM_KEY_INVALID,
                                               NGX_K8S_PROBLEM_KEY_CLOSED,
                                               &before, "");
        }

        n++;
    }

    return NGX_OK;
}


static ngx_k8s_policy_value_t *
ngx_k8s_class_value(ngx_k8s_policy_state_t *policy, ngx_k8s_value_t *key)
{
    ngx_uint_t               i;
    ngx_k8s_policy_value_t  *value;

    for (i = 0; i < policy->n; i++) {

        value = &policy->values[i];

        if (value->class && value->refused && value->row == key->row
            && ngx_k8s_str_eq(&value->value, &key->value))
        {
            return value;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_k8s_compile_class_refuses(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value)
{
    ngx_uint_t                annotation;
    ngx_str_t                *name;
    ngx_k8s_node_t           *node;
    ngx_k8s_value_t          *said;
    ngx_k8s_entry_t          *e;
    ngx_k8s_ingress_class_t  *class;

    static ngx_str_t  none = ngx_null_string;

    said = ngx_k8s_values_find(&entry->model->values, &value->row->name);

    /* a class' key has the row's own name, an annotation's is the object's */

    if (said == NULL || said->key.data != value->row->name.data) {
        return 0;
    }

    name = ngx_k8s_class_named(c->store, (ngx_k8s_ingress_t *) entry->object,
                               &annotation);
    e = name ? ngx_k8s_entry_find(c->store, NGX_K8S_INGRESS_CLASS, &none, name)
             : NULL;

    if (e == NULL) {
        return 0;
    }

    class = (ngx_k8s_ingress_class_t *) e->object;

    node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_CONFIG,
                             &class->config_namespace, &class->config);
    if (node == NULL) {
        return 0;
    }

    if (policy->class == NULL) {
        ngx_k8s_node_pin(c->store, node);
        policy->class = node;
        ngx_queue_insert_tail(&c->refusing, &policy->refusing);

    } else if (value->class && policy->class == node) {
        return 1;
    }

    value->class = 1;

    e = ngx_k8s_entry_find(c->store, NGX_K8S_CONFIG_MAP, &node->namespace,
                           &node->name);
    if (e) {
        ngx_k8s_entry_mark(c->store, e);
    }

    return 1;
}


void
ngx_k8s_compile_class_said(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value)
{
    ngx_k8s_node_t   *node;
    ngx_k8s_entry_t  *map;

    node = policy->class;

    map = ngx_k8s_entry_find(c->store, NGX_K8S_CONFIG_MAP, &node->namespace,
                             &node->name);
    if (map) {
        ngx_k8s_entry_mark(c->store, map);
    }

    if (value) {
        value->class = 0;
        return;
    }

    ngx_queue_remove(&policy->refusing);
    ngx_k8s_node_unpin(c->store, node);

    policy->class = NULL;
}


static ngx_int_t
ngx_k8s_class_say(void *data, ngx_uint_t what, ngx_str_t *name,
    ngx_str_t *message, ngx_str_t *remedy)
{
    ngx_k8s_class_say_t *say = data;

    return ngx_k8s_compile_key_problem(say->problems, say->compile->pool, what,
                                       name, message, remedy);
}


ngx_int_t
ngx_k8s_compile_key_problem(ngx_array_t *a, ngx_pool_t *pool,
    ngx_uint_t what, ngx_str_t *name, ngx_str_t *message, ngx_str_t *remedy)
{
    ngx_str_t  field, copy;

    field.data = ngx_pnalloc(pool, sizeof("data.") + name->len);
    if (field.data == NULL) {
        return NGX_ERROR;
    }

    field.len = ngx_sprintf(field.data, name->len ? "data.%V" : "data", name)
                - field.data;

    copy.len = remedy->len;
    copy.data = NULL;

    if (copy.len) {
        copy.data = ngx_pstrdup(pool, remedy);
        if (copy.data == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_compile_advise(a, ngx_k8s_compile_key_codes[what], NULL,
                                  &field, message, &copy);
}


ngx_int_t
ngx_k8s_compile_class_missing(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_str_t                 field;
    ngx_k8s_node_t           *node;
    ngx_k8s_ingress_class_t  *class;

    static ngx_str_t  kind = ngx_string("only a ConfigMap is read, of no API "
                                        "group");
    static ngx_str_t  remedy = ngx_string("Name a ConfigMap there, or leave "
                                          "it out.");
    static ngx_str_t  letter = ngx_string("the kind is not written \"ConfigMap"
                                          "\", so none is read");
    static ngx_str_t  name = ngx_string("Write \"kind: ConfigMap\".");
    static ngx_str_t  unread = ngx_string("it cannot be read which ConfigMap "
                                          "is meant, so the paths of all "
                                          "Ingresses of the class are closed");

    class = (ngx_k8s_ingress_class_t *) entry->object;

    if (!ngx_k8s_str_eq(&class->controller, &c->store->conf.controller)) {
        return NGX_OK;
    }

    ngx_str_set(&field, "spec.parameters");

    if (class->unread) {
        return ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_CONFIG_NOT_FOUND,
                                      NULL, &field, &unread, NULL);
    }

    if (class->other_config) {
        return ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_CONFIG_NOT_FOUND,
                                      NULL, &field, class->near_config
                                      ? &letter : &kind, class->near_config
                                      ? &name : &remedy);
    }

    if (class->config.len == 0
        || ngx_k8s_store_get(c->store, NGX_K8S_CONFIG_MAP,
                             &class->config_namespace, &class->config))
    {
        return NGX_OK;
    }

    node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_CONFIG,
                             &class->config_namespace, &class->config);

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_CONFIG_NOT_FOUND, NULL,
                                &field, "ConfigMap %V/%V %s",
                                &class->config_namespace, &class->config,
                                node && !ngx_k8s_compile_named_known(c, node)
                                ? "has not come, so Ingresses of the class "
                                  "stay as they were, or are closed"
                                : "is not there");
}
