
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * ConfigMaps and Secrets that annotations and keys name.  What a ConfigMap says
 * is in the records of the policies that name it, which are written anew when
 * it changes; what a Secret has is in records of its own
 * (ngx_k8s_compile_data.c).  Hosts stay as they are.  Nothing but a new version
 * of an object waits until it is known whether they are there, and that for a
 * while only: until then a policy says what its record did, or closes.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_data.h>


/* milliseconds, for an answer about one */
#define NGX_K8S_NAMED_WAIT           5000


/* of a ConfigMap's node, while policies of routes name it */

typedef struct {
    ngx_queue_t              policies;   /* ngx_k8s_named_t */
    ngx_uint_t               stamp;      /* of its last version */
} ngx_k8s_named_state_t;


typedef struct {
    ngx_k8s_compile_t       *compile;
    ngx_array_t             *problems;
    ngx_uint_t               code;
    ngx_str_t                field;
    ngx_k8s_policy_value_t  *value;
} ngx_k8s_named_say_t;


static ngx_k8s_object_t *ngx_k8s_compile_named_object(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
static ngx_uint_t ngx_k8s_compile_named_soon(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
static ngx_int_t ngx_k8s_compile_named_before(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value,
    ngx_str_t *text);
static ngx_uint_t ngx_k8s_compile_named_by(ngx_k8s_policy_state_t *policy,
    ngx_k8s_node_t *node);
static ngx_int_t ngx_k8s_compile_named_note(ngx_k8s_compile_t *c,
    ngx_array_t *a, ngx_k8s_policy_state_t *policy,
    ngx_k8s_policy_value_t *value, ngx_uint_t code, ngx_str_t *field);
static ngx_int_t ngx_k8s_compile_named_say(void *data, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *message, ngx_str_t *remedy);
static ngx_int_t ngx_k8s_compile_named_allowed(ngx_k8s_compile_t *c,
    ngx_array_t *a, ngx_k8s_policy_value_t *value, ngx_str_t *field,
    ngx_str_t *text);


ngx_int_t
ngx_k8s_compile_named_pin(ngx_k8s_compile_t *c, ngx_k8s_policy_state_t *policy,
    ngx_k8s_policy_value_t *value, ngx_k8s_values_t *values)
{
    ngx_int_t         type;
    ngx_str_t         ns, name;
    ngx_k8s_node_t   *node;
    ngx_k8s_named_t  *named;

    type = ngx_k8s_node_named(value->row);

    if (type == -1) {
        return NGX_OK;
    }

    ngx_k8s_object_split(&value->value, &ns, &name);

    named = ngx_calloc(sizeof(ngx_k8s_named_t), c->log);
    if (named == NULL) {
        return NGX_ERROR;
    }

    node = ngx_k8s_node_get(c->store, type, &ns, &name);

    if (node == NULL) {
        ngx_free(named);
        return NGX_ERROR;
    }

    ngx_k8s_node_pin(c->store, node);

    named->node = node;
    named->policy = policy;

    value->named = named;

    return (type == NGX_K8S_NODE_SECRET)
           ? ngx_k8s_compile_data_ask(c, node, value->row, values,
                                      &named->uses)
           : NGX_OK;
}


void
ngx_k8s_compile_named_unpin(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy)
{
    ngx_uint_t              i;
    ngx_k8s_node_t         *node;
    ngx_k8s_named_t        *named;
    ngx_k8s_named_state_t  *state;

    for (i = 0; i < policy->n; i++) {

        named = policy->values[i].named;

        if (named == NULL) {
            continue;
        }

        node = named->node;

        if (node->type == NGX_K8S_NODE_SECRET) {
            ngx_k8s_compile_data_unask(c, node, named->uses);

        } else {
            state = node->data;

            if (named->follows) {
                ngx_queue_remove(&named->queue);
            }

            if (state && ngx_queue_empty(&state->policies)) {
                ngx_free(state);
                node->data = NULL;
            }
        }

        ngx_free(named);
        policy->values[i].named = NULL;

        ngx_k8s_node_unpin(c->store, node);
        ngx_k8s_node_check(c->store, node);
    }
}


/* a policy of a route is told of changes */

ngx_int_t
ngx_k8s_compile_named_follow(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy)
{
    ngx_uint_t              i;
    ngx_k8s_node_t         *node;
    ngx_k8s_named_t        *named;
    ngx_k8s_named_state_t  *state;

    for (i = 0; i < policy->n; i++) {

        named = policy->values[i].named;

        if (named == NULL || named->node->type != NGX_K8S_NODE_CONFIG) {
            continue;
        }

        node = named->node;
        state = node->data;

        if (state == NULL) {

            state = ngx_calloc(sizeof(ngx_k8s_named_state_t), c->log);
            if (state == NULL) {
                return NGX_ERROR;
            }

            ngx_queue_init(&state->policies);
            node->data = state;
        }

        named->follows = 1;
        named->version = state->stamp;
        ngx_queue_insert_head(&state->policies, &named->queue);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_k8s_compile_named_ready(ngx_k8s_policy_state_t *policy)
{
    ngx_uint_t        i;
    ngx_k8s_named_t  *named;

    for (i = 0; i < policy->n; i++) {

        named = policy->values[i].named;

        if (named && named->node->type == NGX_K8S_NODE_SECRET
            && !ngx_k8s_compile_data_ready(named->node, named->uses))
        {
            return 0;
        }
    }

    return 1;
}


/* so long what the object said before is served; a new one is served at once,
   with its paths closed */

ngx_uint_t
ngx_k8s_compile_named_waits(ngx_k8s_compile_t *c, ngx_k8s_values_t *values)
{
    ngx_int_t         type;
    ngx_str_t         ns, name;
    ngx_uint_t        i;
    ngx_k8s_node_t   *node;
    ngx_k8s_value_t  *value;

    value = values->values.elts;

    for (i = 0; i < values->values.nelts; i++) {

        type = ngx_k8s_node_named(value[i].row);

        if (type == -1 || !ngx_k8s_value_served(&value[i])) {
            continue;
        }

        ngx_k8s_object_split(&value[i].value, &ns, &name);

        node = ngx_k8s_node_find(c->store, type, &ns, &name);

        if (node && ngx_k8s_compile_named_soon(c, node)) {
            return 1;
        }
    }

    return 0;
}


/* whether its answer may still come in time */

static ngx_uint_t
ngx_k8s_compile_named_soon(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    if (ngx_k8s_compile_named_known(c, node) || node->late) {
        return 0;
    }

    if (!node->asked) {
        node->asked = 1;
        node->since = ngx_current_msec;
        ngx_queue_insert_tail(&c->asked, &node->ask);

        c->conf.later(c->conf.data, NGX_K8S_NAMED_WAIT);
    }

    return 1;
}


void
ngx_k8s_compile_named_due(ngx_k8s_compile_t *c)
{
    ngx_queue_t     *q;
    ngx_msec_int_t   left;
    ngx_k8s_node_t  *node;

    while (!ngx_queue_empty(&c->asked)) {

        q = ngx_queue_head(&c->asked);
        node = ngx_queue_data(q, ngx_k8s_node_t, ask);

        left = node->since + NGX_K8S_NAMED_WAIT - ngx_current_msec;

        if (left > 0) {
            c->conf.later(c->conf.data, left);
            return;
        }

        ngx_queue_remove(q);
        node->late = 1;

        ngx_k8s_compile_tell(c, node, 1);
    }
}


void
ngx_k8s_compile_named_answered(ngx_k8s_node_t *node)
{
    if (node->asked && !node->late) {
        ngx_queue_remove(&node->ask);
    }

    node->asked = 0;
    node->late = 0;
}


/* what a value says in a record; NGX_DECLINED: not all of what it names */

ngx_int_t
ngx_k8s_compile_named_text(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value,
    ngx_str_t *text)
{
    ngx_int_t          rc;
    ngx_k8s_object_t  *object;

    if (!(value->row->flags & NGX_K8S_ROW_HEADERS)) {
        *text = value->value;
        return NGX_OK;
    }

    object = ngx_k8s_compile_named_object(c, value->named->node);

    if (object == NULL) {
        return ngx_k8s_compile_named_before(c, policy, value, text);
    }

    rc = ngx_k8s_headers(((ngx_k8s_config_map_t *) object)->data, value->row,
                         c->pool, text, NULL, NULL);

    if (rc == NGX_DECLINED
        && (value->row->flags & NGX_K8S_ROW_CLOSES_ROUTE))
    {
        ngx_str_null(text);
    }

    return rc;
}


/* until it has come, what the record has, of a predecessor or other keys */

static ngx_int_t
ngx_k8s_compile_named_before(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value,
    ngx_str_t *text)
{
    uint32_t            slot;
    ngx_uint_t          i;
    ngx_k8s_policy_t   *rec;
    ngx_k8s_setting_t  *setting;

    ngx_str_null(text);

    if (ngx_k8s_compile_named_known(c, value->named->node)) {
        return NGX_DECLINED;
    }

    rec = ngx_k8s_table_find(c->table, NGX_K8S_INDEX_POLICY, policy->key.data,
                             policy->key.len, &slot);
    if (rec == NULL) {
        return NGX_DECLINED;
    }

    setting = ngx_k8s_record_at(rec, rec->settings.offset);

    for (i = 0; i < rec->settings.n; i++) {

        if (!(setting[i].flags & NGX_K8S_SETTING_CLOSED)
            && setting[i].row == value->row - ngx_k8s_rows)
        {
            ngx_k8s_record_str(rec, &setting[i].value, text);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_k8s_object_t *
ngx_k8s_compile_named_object(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    return ngx_k8s_store_get(c->store, NGX_K8S_CONFIG_MAP, &node->namespace,
                             &node->name);
}


void
ngx_k8s_compile_named_changed(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_named_state_t  *state;

    state = node->data;

    if (state) {
        state->stamp++;
    }

    ngx_k8s_compile_tell(c, node, node->asked);
    ngx_k8s_compile_named_answered(node);
}


ngx_k8s_named_t *
ngx_k8s_compile_named_next(ngx_k8s_node_t *node)
{
    ngx_queue_t            *q;
    ngx_k8s_named_t        *named;
    ngx_k8s_named_state_t  *state;

    state = node->data;

    if (state == NULL) {
        return NULL;
    }

    q = ngx_queue_head(&state->policies);
    named = ngx_queue_data(q, ngx_k8s_named_t, queue);

    return (named->version == state->stamp) ? NULL : named;
}


void
ngx_k8s_compile_named_written(ngx_k8s_named_t *named)
{
    ngx_k8s_named_state_t  *state;

    state = named->node->data;

    named->version = state->stamp;

    ngx_queue_remove(&named->queue);
    ngx_queue_insert_tail(&state->policies, &named->queue);
}


ngx_uint_t
ngx_k8s_compile_named_key(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    return ngx_k8s_compile_named_by(c->keys.policy, node)
           || ngx_k8s_compile_named_by(c->keys.next, node);
}


static ngx_uint_t
ngx_k8s_compile_named_by(ngx_k8s_policy_state_t *policy, ngx_k8s_node_t *node)
{
    ngx_uint_t        i;
    ngx_k8s_named_t  *named;

    for (i = 0; policy && i < policy->n; i++) {

        named = policy->values[i].named;

        if (named && named->node == node) {
            return 1;
        }
    }

    return 0;
}


ngx_str_t
ngx_k8s_compile_named_allow(ngx_k8s_policy_state_t *policy)
{
    ngx_str_t   none;
    ngx_uint_t  i;

    static ngx_str_t  name = ngx_string("global-allowed-response-headers");

    for (i = 0; policy && i < policy->n; i++) {
        if (ngx_k8s_str_eq(&policy->values[i].row->name, &name)) {
            return policy->values[i].value;
        }
    }

    ngx_str_null(&none);

    return none;
}


void
ngx_k8s_compile_named_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_free(node->data);
    node->data = NULL;
}


/*
 * Problems: of what a policy names.  The field is "%V%V%s" of before, the row's
 * name and after.
 */

ngx_int_t
ngx_k8s_compile_named_notes(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_state_t *policy, ngx_uint_t code, ngx_str_t *before,
    char *after)
{
    ngx_str_t                field;
    ngx_uint_t               i;
    ngx_k8s_policy_value_t  *value;

    for (i = 0; i < policy->n; i++) {

        value = &policy->values[i];

        if (value->named == NULL
            || ngx_k8s_compile_named_soon(c, value->named->node))
        {
            continue;
        }

        field.data = ngx_pnalloc(a->pool, before->len + value->row->name.len
                                          + ngx_strlen(after));
        if (field.data == NULL) {
            return NGX_ERROR;
        }

        field.len = ngx_sprintf(field.data, "%V%V%s", before,
                                &value->row->name, after)
                    - field.data;

        if ((value->row->flags & NGX_K8S_ROW_SECRET)
            ? ngx_k8s_compile_data_note(c, a, value, &field)
            : ngx_k8s_compile_named_note(c, a, policy, value, code, &field))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_named_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value,
    ngx_uint_t code, ngx_str_t *field)
{
    char                 *so;
    ngx_int_t             rc;
    ngx_str_t             text;
    ngx_uint_t            known;
    ngx_k8s_object_t     *object;
    ngx_k8s_named_say_t   say;

    static ngx_str_t  create = ngx_string("Create the ConfigMap, or correct "
                                          "its name.");

    object = ngx_k8s_compile_named_object(c, value->named->node);

    if (object == NULL) {

        if (ngx_k8s_compile_named_before(c, policy, value, &text) == NGX_OK) {
            so = ", so what it said before holds";

        } else {
            so = (value->row->flags & NGX_K8S_ROW_CLOSES_ROUTE)
                 ? ", so the paths of the Ingress are closed: they answer 503"
                 : "";
        }

        known = ngx_k8s_compile_named_known(c, value->named->node);

        text = ngx_k8s_compile_text(c, "ConfigMap %V %s%s", &value->value,
                                    known ? "is not there" : "has not come",
                                    so);

        return ngx_k8s_compile_advise(a, code, NULL, field, &text,
                                      known ? &create : NULL);
    }

    say.compile = c;
    say.problems = a;
    say.code = code;
    say.field = *field;
    say.value = value;

    rc = ngx_k8s_headers(((ngx_k8s_config_map_t *) object)->data, value->row,
                         c->pool, &text, ngx_k8s_compile_named_say, &say);

    if (rc == NGX_ERROR
        || ngx_k8s_hint_headers(c, a, code, field, value, &text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (rc != NGX_OK || !ngx_k8s_row_answer_headers(value->row)) {
        return NGX_OK;
    }

    return ngx_k8s_compile_named_allowed(c, a, value, field, &text);
}


static ngx_int_t
ngx_k8s_compile_named_say(void *data, ngx_uint_t what, ngx_str_t *name,
    ngx_str_t *message, ngx_str_t *remedy)
{
    ngx_k8s_named_say_t *say = data;

    return ngx_k8s_compile_note(say->compile, say->problems, say->code, NULL,
                                &say->field, "ConfigMap %V: %V, so %s",
                                &say->value->value, message,
                                (say->value->row->flags
                                 & NGX_K8S_ROW_CLOSES_ROUTE)
                                ? "the paths of the Ingress are closed"
                                : "it is left out");
}


/* workers close routes with a header that the key does not list */

static ngx_int_t
ngx_k8s_compile_named_allowed(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field, ngx_str_t *text)
{
    ngx_str_t   name, header, list, rest, item;
    ngx_uint_t  near;

    list = ngx_k8s_compile_named_allow(c->keys.policy);

    while (ngx_k8s_headers_next(text, &name, &header) == NGX_OK) {

        if (ngx_k8s_header_listed(&list, &name)) {
            continue;
        }

        rest = list;
        near = 0;

        while (ngx_k8s_item(&rest, &item) == NGX_OK) {
            near |= (item.len == name.len
                     && ngx_strncasecmp(item.data, name.data, item.len) == 0);
        }

        if (ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ANNOTATION_CLOSED,
                                    NULL, field,
                                    "ConfigMap %V: \"%V\" is not in the key "
                                    "global-allowed-response-headers of the "
                                    "controller's ConfigMap%s, so the paths "
                                    "of the Ingress are closed: they answer "
                                    "503", &value->value, &name,
                                    near ? ", which has it in other case" : "")
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
