
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What one host has to say of an object: paths and defaults that older objects
 * have, certificates, and a change that did not fit.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_int_t ngx_k8s_notes_owned(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim);
static ngx_int_t ngx_k8s_notes_paths(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_int_t *budget);
static ngx_int_t ngx_k8s_notes_aside(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_notes_literal(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_notes_canary(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_notes_regex(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_notes_fallback(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_array_t *a);
static ngx_int_t ngx_k8s_notes_full(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_array_t *a);


ngx_int_t
ngx_k8s_compile_notes(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget)
{
    ngx_int_t     rc;
    ngx_array_t  *a;

    if (claim->refused) {
        return ngx_k8s_notes_owned(c, claim);
    }

    if (claim->model == NULL) {
        return NGX_OK;
    }

    rc = ngx_k8s_notes_paths(c, claim, budget);

    if (rc != NGX_OK) {
        return rc;
    }

    if (claim == claim->state->fallback && claim->model->fallback) {
        c->saying.routed = 1;
    }

    a = &c->saying.problems;

    rc = ngx_k8s_compile_tls_notes(c, claim, budget);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_k8s_notes_fallback(c, claim, a) != NGX_OK
        || ngx_k8s_scope_notes(c, claim, a) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_notes_full(c, claim, a);
}


static ngx_int_t
ngx_k8s_notes_owned(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim)
{
    ngx_str_t              field;
    ngx_array_t           *a;
    ngx_k8s_claim_t       *owner;
    ngx_k8s_model_t       *model;
    ngx_k8s_model_host_t  *host;

    owner = ngx_k8s_owner_refuses(claim);

    if (owner == NULL || claim->link == NULL) {
        return NGX_OK;
    }

    a = &c->saying.problems;
    model = claim->entry->model;
    host = claim->link->host;

    ngx_str_set(&field, "spec");

    if (host && host->nrules && model->rules[host->rule].nmatches) {
        field = ngx_k8s_field_text(&model->rules[host->rule].matches[0].field,
                                   a->pool);

        if (field.data == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_owner_note(c, a, owner, &claim->state->node->name, &field);
}


static ngx_int_t
ngx_k8s_notes_paths(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget)
{
    ngx_int_t          rc;
    ngx_str_t          field, other, shown;
    ngx_array_t       *a;
    ngx_k8s_item_t    *item, *won;
    ngx_k8s_object_t  *object;
    ngx_k8s_saying_t  *s;

    s = &c->saying;
    a = &s->problems;

    for ( /* void */ ; s->n < claim->nitems; s->n++) {
        item = claim->items[s->n];

        if (ngx_k8s_saying_full(s) && s->routed) {
            return NGX_OK;
        }

        if ((*budget)-- <= 0) {
            return NGX_AGAIN;
        }

        if (item->match->order == 0 && s->routed) {
            continue;
        }

        if (item->aside) {

            if (ngx_k8s_notes_aside(c, claim, item) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        if (item->canary) {

            if (ngx_k8s_notes_canary(c, claim, item) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        if (claim->state->nregex) {
            rc = ngx_k8s_notes_regex(c, claim, item);

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }

            if (rc == NGX_DECLINED) {
                continue;
            }
        }

        won = ngx_k8s_item_shadow(item);

        if (won == NULL) {
            s->routed = 1;

            if (ngx_k8s_notes_literal(c, claim, item) != NGX_OK
                || ngx_k8s_hint_captures(c, claim, item) != NGX_OK
                || ngx_k8s_hint_loop(c, claim, item) != NGX_OK
                || ngx_k8s_scope_root_note(c, claim, item) != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (item->match->order == 0) {
            continue;
        }

        object = won->claim->model->object;
        field = ngx_k8s_field_text(&item->match->field, a->pool);
        other = ngx_k8s_field_text(&won->match->field, a->pool);

        if (field.data == NULL || other.data == NULL) {
            return NGX_ERROR;
        }

        shown = ngx_k8s_host_shown(&claim->state->node->name);

        if (ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PATH_CONFLICT, &shown,
                                 &field,
                                 "the path \"%V\" of host \"%V\" is that of "
                                 "%V of %V %V/%V, which %s",
                                 &item->match->path, &shown, &other,
                                 &ngx_k8s_kinds[object->kind].name,
                                 &object->namespace, &object->name,
                                 won->claim == claim ? "comes first"
                                 : won->claim->apart == claim->apart
                                   ? "is older" : "owns the host")
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_notes_aside(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item)
{
    u_char        buf[NGX_MAX_CONF_ERRSTR];
    ngx_str_t     error, field, shown, text;
    ngx_array_t  *a;

    static ngx_str_t  remedy = ngx_string("Correct the regular expression.");

    a = &c->saying.problems;

    error.data = buf;
    error.len = 0;

    (void) ngx_k8s_compile_regex_bad(c, item, &error);

    field = ngx_k8s_field_text(&item->match->field, a->pool);

    if (field.data == NULL) {
        return NGX_ERROR;
    }

    shown = ngx_k8s_host_shown(&claim->state->node->name);

    text = ngx_k8s_compile_text(c, "the path \"%V\" is no regular expression: "
                                "%V", &item->match->path, &error);

    return ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_PATH_INVALID, &shown,
                                  &field, &text, &remedy);
}


static ngx_int_t
ngx_k8s_notes_literal(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item)
{
    ngx_str_t     field, shown;
    ngx_array_t  *a;

    if (claim->state->nregex || claim->model->values.refused
        || item->match->type == NGX_K8S_PATH_REGEX
        || !ngx_k8s_ingress_pattern(&item->match->path))
    {
        return NGX_OK;
    }

    a = &c->saying.problems;
    field = ngx_k8s_field_text(&item->match->field, a->pool);

    if (field.data == NULL) {
        return NGX_ERROR;
    }

    shown = ngx_k8s_host_shown(&claim->state->node->name);

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PATH_LITERAL, &shown,
                                &field, "the path \"%V\" takes requests with "
                                "just these characters, it is no pattern",
                                &item->match->path);
}


static ngx_int_t
ngx_k8s_notes_canary(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item)
{
    u_char             buf[NGX_MAX_CONF_ERRSTR];
    ngx_str_t          field, shown, error, *prefix;
    ngx_array_t       *a;
    ngx_k8s_canary_t  *canary;

    a = &c->saying.problems;
    canary = claim->model->canary;
    error.data = buf;

    if (item == claim->items[0] && ngx_k8s_canary_bad(c, canary, &error)) {

        prefix = &c->store->conf.gate.prefix;

        field.data = ngx_pnalloc(a->pool, sizeof("metadata.annotations[/"
                                                 "canary-by-header-pattern]")
                                          + prefix->len);
        if (field.data == NULL) {
            return NGX_ERROR;
        }

        field.len = ngx_sprintf(field.data, "metadata.annotations[%V/"
                                "canary-by-header-pattern]", prefix)
                    - field.data;

        if (ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ANNOTATION_INVALID,
                                 NULL, &field, "\"%V\" is no regular "
                                 "expression: %V; the canary gets no request "
                                 "with the header", &canary->pattern, &error)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    field = ngx_k8s_field_text(&item->match->field, a->pool);

    if (field.data == NULL) {
        return NGX_ERROR;
    }

    shown = ngx_k8s_host_shown(&claim->state->node->name);

    if (!ngx_k8s_canary_counts(item)) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PATH_CONFLICT,
                                    &shown, &field, "the path \"%V\" of host "
                                    "\"%V\" has %d canaries that are older",
                                    &item->match->path, &shown,
                                    NGX_K8S_CANARIES);
    }

    if (ngx_k8s_canary_primary(item)) {

        if (item->pattern) {
            return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PATH_LIMIT,
                                        &shown, &field, "the canary of path "
                                        "\"%V\" of host \"%V\" is left out: "
                                        "with those of paths a host has %d "
                                        "regular expressions at most; %ui of "
                                        "%d in all are used",
                                        &item->match->path, &shown,
                                        NGX_K8S_REGEX_EXPRS, c->nexprs,
                                        NGX_K8S_EXPRS);
        }

        if (!item->over) {
            c->saying.routed = 1;
            return NGX_OK;
        }

        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PATH_CONFLICT,
                                    &shown, &field, "the path \"%V\" of host "
                                    "\"%V\" has canaries that are older, and "
                                    "all of its paths %d at most",
                                    &item->match->path, &shown,
                                    NGX_K8S_CANARIES_MAX);
    }

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_CANARY_ALONE, &shown,
                                &field, "no other object has the path \"%V\" "
                                "of host \"%V\" with this type",
                                &item->match->path, &shown);
}


/* NGX_DECLINED: the path is left out */

static ngx_int_t
ngx_k8s_notes_regex(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item)
{
    ngx_str_t               field, shown, who;
    ngx_array_t            *a;
    ngx_k8s_claim_t        *other;
    ngx_k8s_object_t       *object;
    ngx_k8s_host_state_t   *state;
    ngx_k8s_model_match_t  *match;

    a = &c->saying.problems;
    match = item->match;

    state = claim->state;

    if (state->nshards == 0
        && (item->over || claim->walked != state->walks
            || c->saying.n >= claim->nwalked))
    {
        field = ngx_k8s_field_text(&match->field, a->pool);

        if (field.data == NULL) {
            return NGX_ERROR;
        }

        shown = ngx_k8s_host_shown(&state->node->name);

        return (ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PATH_LIMIT, &shown,
                                     &field, "the path \"%V\" of host \"%V\" "
                                     "is left out: a host with regular "
                                     "expressions has %d of them at most, "
                                     "and %d paths; %ui of %d in all are used",
                                     &match->path, &shown, NGX_K8S_REGEX_EXPRS,
                                     NGX_K8S_REGEX_PATHS, c->nexprs,
                                     NGX_K8S_EXPRS)
                == NGX_OK)
               ? NGX_DECLINED : NGX_ERROR;
    }

    if (claim->model->regex || claim->apart || match->order == 0
        || (match->type != NGX_K8S_PATH_EXACT && !match->elements))
    {
        return NGX_OK;
    }

    field = ngx_k8s_field_text(&match->field, a->pool);

    if (field.data == NULL) {
        return NGX_ERROR;
    }

    shown = ngx_k8s_host_shown(&claim->state->node->name);
    ngx_str_set(&who, "another object of the host");

    other = ngx_k8s_compile_regex_claim(claim->state);

    if (other) {
        object = other->model->object;
        who = ngx_k8s_compile_text(c, "%V %V/%V",
                                   &ngx_k8s_kinds[object->kind].name,
                                   &object->namespace, &object->name);
    }

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PATH_REGEX, &shown,
                                &field, "the path \"%V\" of host \"%V\" takes "
                                "all that begins with it, in either case, as "
                                "%V has use-regex or rewrite-target",
                                &match->path, &shown, &who);
}


static ngx_int_t
ngx_k8s_notes_fallback(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a)
{
    ngx_str_t              field;
    ngx_k8s_object_t      *object;
    ngx_k8s_host_state_t  *state;

    static ngx_str_t  host = ngx_string("");

    state = claim->state;

    if (state->node->name.len || !claim->listed || state->fallback == NULL
        || state->fallback == claim)
    {
        return NGX_OK;
    }

    object = state->fallback->model->object;
    field = ngx_k8s_field_text(&claim->model->fallback->ref.field, a->pool);

    if (field.data == NULL) {
        return NGX_ERROR;
    }

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_DEFAULT_CONFLICT, &host,
                                &field,
                                "%V %V/%V, which is older, has the default "
                                "backend of all hosts",
                                &ngx_k8s_kinds[object->kind].name,
                                &object->namespace, &object->name);
}


static ngx_int_t
ngx_k8s_notes_full(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a)
{
    ngx_str_t  field, shown;

    if (claim != claim->state->blamed) {
        return NGX_OK;
    }

    ngx_str_null(&field);
    shown = ngx_k8s_host_shown(&claim->state->node->name);

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_TABLE_FULL, &shown,
                                &field,
                                "%uz bytes are missing for a change of host "
                                "\"%V\", which is served as it was",
                                claim->state->missing, &shown);
}
