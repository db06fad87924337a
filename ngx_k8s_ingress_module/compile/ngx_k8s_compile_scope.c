
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Values that a host has once, whatever its objects say: that of the oldest one
 * holds, of app-root that of the first path.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_data.h>


#define ngx_k8s_scope_root(row)                                               \
    ngx_k8s_str_eq_c(&(row)->name, "app-root")


static ngx_uint_t ngx_k8s_scope_has(ngx_k8s_value_t *value);
static ngx_uint_t ngx_k8s_scope_shaken(ngx_k8s_value_t *value);
static ngx_int_t ngx_k8s_scope_named(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_array_t *a);
static ngx_int_t ngx_k8s_scope_take(ngx_array_t *values,
    ngx_k8s_model_t *model);
static ngx_int_t ngx_k8s_scope_others(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_array_t *a);
static ngx_k8s_value_t *ngx_k8s_scope_winner(ngx_k8s_host_state_t *state,
    ngx_k8s_row_t *row, ngx_k8s_claim_t **claim);


/* what else a host has once says so itself: aliases are names */

static ngx_uint_t
ngx_k8s_scope_has(ngx_k8s_value_t *value)
{
    return (value->row->flags & NGX_K8S_ROW_HOST)
           && !(value->row->flags & NGX_K8S_ROW_LATER)
           && !ngx_k8s_str_eq_c(&value->row->name, "server-alias");
}


ngx_uint_t
ngx_k8s_scope_wide(ngx_k8s_model_t *model)
{
    ngx_uint_t        i;
    ngx_k8s_value_t  *value;

    if (model == NULL) {
        return 0;
    }

    value = model->values.values.elts;

    for (i = 0; i < model->values.values.nelts; i++) {
        if (ngx_k8s_scope_has(&value[i])
            && !ngx_k8s_scope_root(value[i].row))
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_k8s_scope_handshake(ngx_k8s_model_t *model)
{
    ngx_uint_t        i;
    ngx_k8s_value_t  *value;

    if (model == NULL || model->canary) {
        return 0;
    }

    value = model->values.values.elts;

    for (i = 0; i < model->values.values.nelts; i++) {
        if (ngx_k8s_scope_shaken(&value[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_k8s_scope_shaken(ngx_k8s_value_t *value)
{
    return (value->row->flags & NGX_K8S_ROW_HANDSHAKE)
           && ngx_k8s_value_served(value);
}


ngx_int_t
ngx_k8s_scope_policy(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_policy_state_t **policy)
{
    ngx_int_t           rc;
    ngx_uint_t          n, left;
    ngx_k8s_claim_t    *claim;
    ngx_k8s_values_t    values;
    ngx_rbtree_node_t  *node;

    static ngx_str_t  none = ngx_null_string;

    *policy = NULL;
    n = 0;

    if (state->claims.root == &state->sentinel) {
        return NGX_OK;
    }

    ngx_memzero(&values, sizeof(ngx_k8s_values_t));
    values.handshake = 1;

    if (ngx_array_init(&values.values, c->pool, 4, sizeof(ngx_k8s_value_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    state->unseen = 0;
    left = state->nshaken;

    for (node = ngx_rbtree_min(state->claims.root, &state->sentinel);
         left && node;
         node = ngx_rbtree_next(&state->claims, node))
    {
        claim = (ngx_k8s_claim_t *) node;

        if (++n > NGX_K8S_SCOPE_LOOK) {

            /* what would protect is not known */

            state->unseen = 1;
            break;
        }

        if (!ngx_k8s_scope_handshake(claim->model)) {
            continue;
        }

        left--;

        if (!claim->apart
            && ngx_k8s_scope_take(&values.values, claim->model) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (values.values.nelts == 0) {
        ngx_k8s_scope_use(c, &state->policy_next, NULL);
        return NGX_OK;
    }

    ngx_qsort(values.values.elts, values.values.nelts,
              sizeof(ngx_k8s_value_t), ngx_k8s_value_cmp);

    if (ngx_k8s_values_digest(&values, &none, c->log) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_k8s_compile_policy(c, &values, NULL, policy);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_k8s_compile_policy_ready(c, *policy);

    if (rc == NGX_AGAIN) {
        ngx_k8s_scope_use(c, &state->policy_next, *policy);
        *policy = NULL;

        return NGX_AGAIN;
    }

    ngx_k8s_scope_use(c, &state->policy_next, NULL);

    if (rc != NGX_OK) {
        ngx_k8s_scope_use(c, policy, NULL);
    }

    return rc;
}


/* what older objects do not say; what belongs to another value goes with it */

static ngx_int_t
ngx_k8s_scope_take(ngx_array_t *values, ngx_k8s_model_t *model)
{
    ngx_uint_t        i, j, n, first;
    ngx_k8s_value_t  *value, *has;

    first = values->nelts;
    value = model->values.values.elts;

    for (i = 0; i < model->values.values.nelts; i++) {

        if (!ngx_k8s_scope_shaken(&value[i])) {
            continue;
        }

        has = values->elts;
        n = 0;

        for (j = 0; j < values->nelts; j++) {

            if (has[j].row == value[i].row) {
                break;
            }

            n += (j >= first
                  && ngx_k8s_str_eq(&has[j].row->name, &value[i].row->needs));
        }

        if (j < values->nelts || (value[i].row->needs.len && n == 0)) {
            continue;
        }

        has = ngx_array_push(values);
        if (has == NULL) {
            return NGX_ERROR;
        }

        *has = value[i];
    }

    return NGX_OK;
}


void
ngx_k8s_scope_use(ngx_k8s_compile_t *c, ngx_k8s_policy_state_t **place,
    ngx_k8s_policy_state_t *policy)
{
    if (*place) {
        ngx_k8s_compile_policy_put(c, *place);
    }

    *place = policy;
}


static ngx_k8s_value_t *
ngx_k8s_scope_winner(ngx_k8s_host_state_t *state, ngx_k8s_row_t *row,
    ngx_k8s_claim_t **claim)
{
    ngx_uint_t          n;
    ngx_k8s_value_t    *value;
    ngx_rbtree_node_t  *node;

    if (ngx_k8s_scope_root(row)) {
        *claim = state->rooted;

        return state->rooted
               ? ngx_k8s_values_find(&state->rooted->model->values, &row->name)
               : NULL;
    }

    node = ngx_rbtree_min(state->claims.root, &state->sentinel);

    for (n = 0; node && n < NGX_K8S_SCOPE_CLAIMS; n++) {

        *claim = (ngx_k8s_claim_t *) node;

        value = (*claim)->model
                ? ngx_k8s_values_find(&(*claim)->model->values, &row->name)
                : NULL;

        if (value) {
            return value;
        }

        node = ngx_rbtree_next(&state->claims, node);
    }

    return NULL;
}


/* problems of a Secret that the policy of the host names, as the object does */

static ngx_int_t
ngx_k8s_scope_named(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a)
{
    ngx_str_t                field;
    ngx_uint_t               i, j;
    ngx_k8s_value_t         *value;
    ngx_k8s_policy_value_t  *named;
    ngx_k8s_policy_state_t  *policy;

    policy = claim->state->policy;
    value = claim->model->values.values.elts;

    for (i = 0; policy && i < policy->n; i++) {

        named = &policy->values[i];

        if (!(named->row->flags & NGX_K8S_ROW_SECRET)) {
            continue;
        }

        for (j = 0; j < claim->model->values.values.nelts; j++) {

            if (value[j].row != named->row
                || !ngx_k8s_str_eq(&value[j].value, &named->value))
            {
                continue;
            }

            if (ngx_k8s_compile_value_field(a, &value[j], &field) != NGX_OK
                || ngx_k8s_compile_data_note(c, a, named, &field) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_scope_notes(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a)
{
    ngx_str_t          field, shown, text;
    ngx_uint_t         i;
    ngx_k8s_claim_t   *winner;
    ngx_k8s_value_t   *value, *won;
    ngx_k8s_model_t   *model;
    ngx_k8s_object_t  *object;

    model = claim->model;
    value = model->values.values.elts;

    if (ngx_k8s_scope_named(c, claim, a) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < model->values.values.nelts; i++) {

        if (!ngx_k8s_scope_has(&value[i]) || model->canary) {
            continue;
        }

        won = ngx_k8s_scope_winner(claim->state, value[i].row, &winner);

        if (won == NULL || winner == claim
            || ngx_k8s_str_eq(&won->value, &value[i].value))
        {
            continue;
        }

        if (ngx_k8s_compile_value_field(a, &value[i], &field) != NGX_OK) {
            return NGX_ERROR;
        }

        shown = ngx_k8s_host_shown(&claim->state->node->name);
        object = winner->model->object;

        text = won->value;
        text.len = ngx_min(text.len, 128);

        /* that of another namespace may have secrets */

        if (ngx_k8s_snippet_context(won->row->grammar)) {
            ngx_str_set(&text, "...");
        }

        if (ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ANNOTATION_CONFLICT,
                                 &shown, &field, "of host \"%V\" \"%V\" "
                                 "holds, which %V %V/%V says: %s", &shown,
                                 &text,
                                 &ngx_k8s_kinds[object->kind].name,
                                 &object->namespace, &object->name,
                                 ngx_k8s_scope_root(value[i].row)
                                 ? "its path comes first" : "it is older")
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_scope_others(c, claim, a);
}


/* what others say of the host, and this one does not: it has it all the same;
   what belongs to another value is not told by itself */

static ngx_int_t
ngx_k8s_scope_others(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a)
{
    ngx_str_t                shown;
    ngx_uint_t               i;
    ngx_k8s_row_t           *row;
    ngx_k8s_claim_t         *winner;
    ngx_k8s_value_t         *won;
    ngx_k8s_object_t        *object;
    ngx_k8s_policy_state_t  *policy;

    static ngx_str_t  field = ngx_string("spec.rules");

    policy = claim->state->policy;

    for (i = 0; policy && i < policy->n && !claim->model->canary; i++) {

        row = policy->values[i].row;

        if (row->needs.len
            || ngx_k8s_values_find(&claim->model->values, &row->name))
        {
            continue;
        }

        won = ngx_k8s_scope_winner(claim->state, row, &winner);

        if (won == NULL) {
            continue;
        }

        shown = ngx_k8s_host_shown(&claim->state->node->name);
        object = winner->model->object;

        if (ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_HOST_WIDE, &shown,
                                 &field, "for all of host \"%V\" holds what "
                                 "%V %V/%V says: %V \"%*s\"", &shown,
                                 &ngx_k8s_kinds[object->kind].name,
                                 &object->namespace, &object->name, &row->name,
                                 ngx_min(won->value.len, 128),
                                 won->value.data)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_scope_root_note(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item)
{
    ngx_str_t         *path, field, shown;
    ngx_array_t       *a;
    ngx_k8s_claim_t   *rooted;
    ngx_k8s_object_t  *object;

    path = &item->match->path;
    rooted = claim->state->rooted;

    if (rooted == NULL || rooted == claim || claim->model->root.len
        || path->len > 1 || (path->len && path->data[0] != '/'))
    {
        return NGX_OK;
    }

    a = &c->saying.problems;
    field = ngx_k8s_field_text(&item->match->field, a->pool);

    if (field.data == NULL) {
        return NGX_ERROR;
    }

    shown = ngx_k8s_host_shown(&claim->state->node->name);
    object = rooted->model->object;

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_HOST_WIDE, &shown,
                                &field, "requests for / of host \"%V\" are "
                                "redirected to \"%*s\", as %V %V/%V has "
                                "app-root", &shown,
                                ngx_min(rooted->model->root.len, 128),
                                rooted->model->root.data,
                                &ngx_k8s_kinds[object->kind].name,
                                &object->namespace, &object->name);
}
