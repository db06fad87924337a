
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is to be said of the other names that an object wants for its hosts, and
 * does not get.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_uint_t ngx_k8s_names_own(ngx_k8s_model_t *model, ngx_str_t *name);
static int ngx_libc_cdecl ngx_k8s_names_cmp(const void *one, const void *two);
static ngx_int_t ngx_k8s_names_alias(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_str_t *field, ngx_str_t *alias);
static ngx_int_t ngx_k8s_names_pattern(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_str_t *field,
    ngx_k8s_model_pattern_t *pattern);
static ngx_int_t ngx_k8s_names_unserved(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_str_t *field);
static ngx_int_t ngx_k8s_names_twin(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_str_t *host);


ngx_int_t
ngx_k8s_compile_names_notes(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_int_t *budget)
{
    ngx_int_t         rc;
    ngx_str_t         field;
    ngx_uint_t        i, n;
    ngx_k8s_model_t  *model;

    model = entry->model;

    if (!entry->taken || entry->full || entry->limited) {
        return NGX_OK;
    }

    n = model->naliases + model->npatterns;
    n += model->twins ? model->nhosts : 0;

    ngx_str_null(&field);

    if (model->alias_field) {
        field.data = (u_char *) model->alias_field;
        field.len = ngx_strlen(field.data);
    }

    for ( /* void */ ; c->saying.n < n; c->saying.n++) {

        if (ngx_k8s_saying_full(&c->saying)) {
            return NGX_OK;
        }

        if ((*budget)-- <= 0) {
            return NGX_AGAIN;
        }

        i = c->saying.n;

        if (i < model->naliases) {
            rc = ngx_k8s_names_alias(c, entry, &field, &model->aliases[i]);

        } else if (i < model->naliases + model->npatterns) {
            rc = ngx_k8s_names_pattern(c, entry, &field,
                                       &model->patterns[i - model->naliases]);

        } else {
            i -= model->naliases + model->npatterns;
            rc = ngx_k8s_names_twin(c, entry, &model->hosts[i].name);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_names_unserved(c, entry, &field);
}


/* a host of its own is not said to be another name */

static ngx_uint_t
ngx_k8s_names_own(ngx_k8s_model_t *model, ngx_str_t *name)
{
    return bsearch(name, model->hosts, model->nhosts,
                   sizeof(ngx_k8s_model_host_t), ngx_k8s_names_cmp)
           != NULL;
}


static int ngx_libc_cdecl
ngx_k8s_names_cmp(const void *one, const void *two)
{
    return ngx_k8s_str_cmp((ngx_str_t *) one,
                           &((ngx_k8s_model_host_t *) two)->name);
}


static ngx_int_t
ngx_k8s_names_alias(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_str_t *field, ngx_str_t *alias)
{
    ngx_str_t              shown, host;
    ngx_array_t           *a;
    ngx_k8s_node_t        *node;
    ngx_k8s_claim_t       *claim;
    ngx_k8s_object_t      *owner;
    ngx_k8s_host_state_t  *state;

    a = &c->saying.problems;

    node = ngx_k8s_node_host_find(c->store, 0, NGX_K8S_CLASS_HTTP, alias);
    state = node ? node->data : NULL;

    shown = ngx_k8s_host_shown(alias);

    if (node && node->need && (state == NULL || state->slot == 0)) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_TABLE_FULL, &shown,
                                    field, "there is no room for the alias "
                                    "\"%V\"", &shown);
    }

    if (state == NULL || state->winner == entry
        || ngx_k8s_names_own(entry->model, alias))
    {
        return NGX_OK;
    }

    claim = ngx_k8s_owner_older(state, entry->object);

    if (claim) {
        return ngx_k8s_owner_note(c, a, claim, alias, field);
    }

    if (state->kind == NGX_K8S_NAME_NONE) {
        return NGX_OK;
    }

    if (state->kind == NGX_K8S_NAME_TWIN) {
        host = ngx_k8s_host_shown(&state->parent->name);

        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ALIAS_CONFLICT,
                                    &shown, field, "\"%V\" is redirected to "
                                    "host \"%V\", by from-to-www-redirect",
                                    &shown, &host);
    }

    owner = state->winner->object;

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ALIAS_CONFLICT, &shown,
                                field, "\"%V\" is left out, as %V %V/%V%s",
                                &shown, &ngx_k8s_kinds[owner->kind].name,
                                &owner->namespace, &owner->name,
                                (state->kind == NGX_K8S_NAME_HOST)
                                ? " has it as a host"
                                : ", which is older, has it as an alias");
}


static ngx_int_t
ngx_k8s_names_pattern(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_str_t *field, ngx_k8s_model_pattern_t *pattern)
{
    u_char           buf[NGX_MAX_CONF_ERRSTR];
    ngx_str_t        error;
    ngx_array_t     *a;
    ngx_k8s_node_t  *node;

    static ngx_str_t  patterns = ngx_string(NGX_K8S_HOST_PATTERNS_NAME);

    a = &c->saying.problems;

    error.data = buf;
    error.len = 0;

    if (ngx_k8s_compile_pattern_bad(c, pattern, &error)) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ANNOTATION_INVALID,
                                    NULL, field, "\"~%V\" is no regular "
                                    "expression: %V, so it is left out",
                                    &pattern->text, &error);
    }

    if (pattern->served || !ngx_k8s_compile_aliased(c, entry)) {
        return NGX_OK;
    }

    node = ngx_k8s_node_host_find(c->store, 0, NGX_K8S_CLASS_HTTP, &patterns);

    if (node && node->need) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_TABLE_FULL, NULL,
                                    field, "there is no room for \"~%V\"",
                                    &pattern->text);
    }

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ALIAS_CONFLICT, NULL,
                                field, "\"~%V\" is left out, as older objects "
                                "have the 64 regular expressions that are "
                                "served, or the 16 of a namespace",
                                &pattern->text);
}


/* of one host at least all are those of an older object: of which */

static ngx_int_t
ngx_k8s_names_unserved(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_str_t *field)
{
    ngx_str_t              shown;
    ngx_k8s_node_t        *node;
    ngx_k8s_claim_t       *owner;
    ngx_k8s_model_t       *model;
    ngx_k8s_object_t      *older;
    ngx_k8s_host_state_t  *state;

    model = entry->model;

    if (model->naliases + model->npatterns == 0 || model->nhosts == 0
        || ngx_k8s_compile_aliased(c, entry))
    {
        return NGX_OK;
    }

    node = ngx_k8s_node_host_find(c->store, 0, NGX_K8S_CLASS_HTTP,
                                  &model->hosts[0].name);
    state = node ? node->data : NULL;

    if (state == NULL || state->alias_claim == NULL) {
        return NGX_OK;
    }

    owner = ngx_k8s_owner(state);

    if (owner && !ngx_k8s_str_eq(&owner->ranked->object->namespace,
                                 &model->object->namespace))
    {
        return NGX_OK;
    }

    shown = ngx_k8s_host_shown(&node->name);
    older = state->alias_claim->model->object;

    return ngx_k8s_compile_note(c, &c->saying.problems,
                                NGX_K8S_PROBLEM_ALIAS_CONFLICT, &shown, field,
                                "host \"%V\" has the aliases of %V %V/%V, "
                                "which is older, and no others", &shown,
                                &ngx_k8s_kinds[older->kind].name,
                                &older->namespace, &older->name);
}


static ngx_int_t
ngx_k8s_names_twin(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_str_t *host)
{
    u_char                 buf[NGX_K8S_HOST_NAME_MAX];
    ngx_str_t              twin, field, shown;
    ngx_array_t           *a;
    ngx_k8s_node_t        *node;
    ngx_k8s_claim_t       *claim;
    ngx_k8s_object_t      *owner;
    ngx_k8s_host_state_t  *state;

    a = &c->saying.problems;
    shown = ngx_k8s_host_shown(host);
    ngx_str_set(&field, "metadata.annotations");

    if (host->len == 0) {
        return NGX_OK;
    }

    if (ngx_k8s_host_twin(buf, host, &twin) != NGX_OK) {
        return ngx_k8s_compile_note(c, a,
                                    NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT,
                                    &shown, &field, "from-to-www-redirect does "
                                    "nothing for host \"%V\", which has no "
                                    "name with www", &shown);
    }

    node = ngx_k8s_node_host_find(c->store, 0, NGX_K8S_CLASS_HTTP, &twin);
    state = node ? node->data : NULL;

    if (state == NULL || ngx_k8s_names_own(entry->model, &twin)) {
        return NGX_OK;
    }

    claim = ngx_k8s_owner_older(state, entry->object);

    if (claim) {
        return ngx_k8s_owner_note(c, a, claim, &node->name, &field);
    }

    if (state->kind != NGX_K8S_NAME_HOST || state->winner == NULL) {
        return NGX_OK;
    }

    owner = state->winner->object;
    twin = node->name;

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ALIAS_CONFLICT, &twin,
                                &field, "\"%V\" is not redirected to host "
                                "\"%V\", as %V %V/%V has it as a host", &twin,
                                &shown, &ngx_k8s_kinds[owner->kind].name,
                                &owner->namespace, &owner->name);
}
