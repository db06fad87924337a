
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which certificates a host has.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_TLS_UNLISTED  256   /* entries looked at where none lists a
                                       host */


static ngx_int_t ngx_k8s_compile_tls_scan(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim);
static void ngx_k8s_compile_tls_add(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_k8s_model_tls_t *tls);
static ngx_int_t ngx_k8s_compile_tls_listed(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_array_t *a, ngx_k8s_model_tls_t *tls);
static ngx_int_t ngx_k8s_compile_tls_unlisted(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_int_t *budget);
static ngx_int_t ngx_k8s_compile_tls_conflict(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_array_t *a, ngx_k8s_model_tls_t *tls);
static ngx_uint_t ngx_k8s_compile_covers(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *secret, ngx_str_t *host);
static ngx_k8s_secret_state_t *ngx_k8s_compile_secret_find(
    ngx_k8s_compile_t *c, ngx_str_t *ns, ngx_str_t *name);


ngx_int_t
ngx_k8s_compile_tls(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_k8s_claim_t       *won;
    ngx_k8s_host_state_t  *state, *parent;

    state = m->state;

    if (state->node->name.len == 0) {
        return NGX_OK;
    }

    won = ngx_k8s_claim_marked(state);

    if (won != state->tls_claim) {
        state->tls_claim = won;
        state->scan.stage = NGX_K8S_TLS_BEGIN;
        ngx_k8s_claim_tell(state);
    }

    if (won) {

        if (ngx_k8s_compile_tls_scan(c, won) != NGX_OK) {
            return NGX_AGAIN;
        }

        m->tls = 1;
        m->ncerts = state->scan.ncerts;
        ngx_memcpy(m->certs, state->scan.certs, sizeof(m->certs));

    } else if (state->parent) {
        parent = state->parent->data;

        m->tls = parent->tls;
        m->ncerts = parent->ncerts;
        ngx_memcpy(m->certs, parent->certs, sizeof(m->certs));
    }

    return NGX_OK;
}


/*
 * The Secret of the entry that lists the host; a second one of another key
 * type as well.  Where none lists it: of the first entries any that covers it.
 */

static ngx_int_t
ngx_k8s_compile_tls_scan(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim)
{
    ngx_int_t              budget;
    ngx_k8s_model_t       *model;
    ngx_k8s_tls_scan_t    *scan;
    ngx_k8s_model_host_t  *host;

    model = claim->model;
    host = claim->host;
    scan = &claim->state->scan;

    if (scan->stage == NGX_K8S_TLS_BEGIN || scan->secrets != c->secrets) {
        ngx_memzero(scan, sizeof(ngx_k8s_tls_scan_t));

        scan->secrets = c->secrets;
        scan->stage = host->ntls ? NGX_K8S_TLS_LISTED : NGX_K8S_TLS_ANY;

        ngx_k8s_compile_alias_tell(c, claim->state);
    }

    budget = c->slice;

    while (scan->stage == NGX_K8S_TLS_LISTED) {

        /* the first one decides, also when it names no Secret */

        if (scan->next == host->ntls
            || scan->ncerts == NGX_K8S_KEY_TYPES
            || model->tls[host->tls[0]].ref.name.len == 0)
        {
            scan->stage = NGX_K8S_TLS_DONE;
            break;
        }

        if (budget-- == 0) {
            return NGX_AGAIN;
        }

        ngx_k8s_compile_tls_add(c, claim,
                                &model->tls[host->tls[scan->next++]]);
    }

    if (scan->stage == NGX_K8S_TLS_ANY) {

        while (scan->next < ngx_min(model->ntls, NGX_K8S_TLS_UNLISTED)) {
            ngx_k8s_compile_tls_add(c, claim, &model->tls[scan->next++]);
        }

        scan->stage = NGX_K8S_TLS_DONE;
    }

    return NGX_OK;
}


static void
ngx_k8s_compile_tls_add(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_model_tls_t *tls)
{
    ngx_uint_t               i;
    ngx_k8s_tls_scan_t      *scan;
    ngx_k8s_secret_state_t  *secret;

    scan = &claim->state->scan;

    secret = ngx_k8s_compile_secret_find(c, &tls->ref.namespace,
                                         &tls->ref.name);

    if (secret == NULL || scan->ncerts == NGX_K8S_KEY_TYPES
        || !ngx_k8s_compile_covers(c, secret, &claim->state->node->name))
    {
        return;
    }

    for (i = 0; i < scan->ncerts; i++) {
        if (scan->types[i] == secret->key_type) {
            return;
        }
    }

    scan->types[i] = secret->key_type;
    scan->certs[i].slot = secret->slot;
    scan->certs[i].generation = secret->generation;
    scan->ncerts++;
}


/* what is to be said of the tls sections of an object of the host */

ngx_int_t
ngx_k8s_compile_tls_notes(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget)
{
    ngx_int_t              rc;
    ngx_k8s_saying_t      *s;
    ngx_k8s_model_tls_t   *tls;
    ngx_k8s_model_host_t  *host;

    s = &c->saying;
    host = claim->host;

    if (claim->state->node->name.len == 0 || claim->state->tls_claim == NULL) {
        return NGX_OK;
    }

    for ( /* void */ ; s->m < host->ntls; s->m++) {
        tls = &claim->model->tls[host->tls[s->m]];

        if (ngx_k8s_saying_full(s)) {
            return NGX_OK;
        }

        if ((*budget)-- <= 0) {
            return NGX_AGAIN;
        }

        if (tls->ref.name.len == 0) {

            if (claim == claim->state->tls_claim) {
                break;
            }

            continue;
        }

        rc = (claim == claim->state->tls_claim)
             ? ngx_k8s_compile_tls_listed(c, claim, &s->problems, tls)
             : ngx_k8s_compile_tls_conflict(c, claim, &s->problems, tls);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (host->ntls == 0 && claim == claim->state->tls_claim)
           ? ngx_k8s_compile_tls_unlisted(c, claim, budget) : NGX_OK;
}


/* a certificate that does not cover a host for which it is listed */

static ngx_int_t
ngx_k8s_compile_tls_listed(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a, ngx_k8s_model_tls_t *tls)
{
    ngx_str_t                field, shown;
    ngx_k8s_secret_state_t  *secret;

    secret = ngx_k8s_compile_secret_find(c, &tls->ref.namespace,
                                         &tls->ref.name);

    if (secret == NULL || secret->slot == 0
        || secret->state == NGX_K8S_SECRET_MISSING
        || ngx_k8s_compile_covers(c, secret, &claim->state->node->name))
    {
        return NGX_OK;
    }

    field = ngx_k8s_field_text(&tls->ref.field, a->pool);

    if (field.data == NULL) {
        return NGX_ERROR;
    }

    shown = ngx_k8s_host_shown(&claim->state->node->name);

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_CERTIFICATE_MISMATCH,
                                &shown, &field,
                                "the certificate of Secret %V/%V does not "
                                "cover host \"%V\"", &tls->ref.namespace,
                                &tls->ref.name, &shown);
}


/*
 * A host that no entry lists and no certificate covers; unless what is wrong
 * with one of them is said anyway.
 */

static ngx_int_t
ngx_k8s_compile_tls_unlisted(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget)
{
    ngx_str_t                field, shown, text, remedy;
    ngx_uint_t               i, n, named;
    ngx_k8s_model_tls_t     *tls;
    ngx_k8s_secret_state_t  *secret;

    if (*budget <= 0) {
        return NGX_AGAIN;
    }

    n = ngx_min(claim->model->ntls, NGX_K8S_TLS_UNLISTED);
    named = 0;
    *budget -= n;

    for (i = 0; i < n; i++) {
        tls = &claim->model->tls[i];

        if (tls->ref.name.len == 0) {
            continue;
        }

        secret = ngx_k8s_compile_secret_find(c, &tls->ref.namespace,
                                             &tls->ref.name);

        if (secret == NULL || secret->state != NGX_K8S_SECRET_GOOD
            || ngx_k8s_compile_covers(c, secret, &claim->state->node->name))
        {
            return NGX_OK;
        }

        named = 1;
    }

    if (!named) {
        return NGX_OK;
    }

    ngx_str_set(&field, "spec.tls");
    ngx_str_set(&text, "no entry lists the host, and none of the certificates "
                       "covers it");
    ngx_str_set(&remedy, "List the host there, with a Secret whose "
                         "certificate names it.");
    shown = ngx_k8s_host_shown(&claim->state->node->name);

    return ngx_k8s_compile_advise(&c->saying.problems,
                                  NGX_K8S_PROBLEM_CERTIFICATE_MISMATCH,
                                  &shown, &field, &text, &remedy);
}


/* one that another object's takes the place of */

static ngx_int_t
ngx_k8s_compile_tls_conflict(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a, ngx_k8s_model_tls_t *tls)
{
    ngx_str_t                field, shown;
    ngx_uint_t               i;
    ngx_k8s_object_t        *won;
    ngx_k8s_host_state_t    *state;
    ngx_k8s_secret_state_t  *secret;

    state = claim->state;
    won = state->tls_claim->model->object;

    secret = ngx_k8s_compile_secret_find(c, &tls->ref.namespace,
                                         &tls->ref.name);

    /* what is missing is said of the Secret */

    if (secret == NULL || secret->slot == 0
        || secret->state == NGX_K8S_SECRET_MISSING)
    {
        return NGX_OK;
    }

    for (i = 0; i < state->ncerts; i++) {
        if (state->certs[i].slot == secret->slot) {
            return NGX_OK;
        }
    }

    field = ngx_k8s_field_text(&tls->ref.field, a->pool);

    if (field.data == NULL) {
        return NGX_ERROR;
    }

    shown = ngx_k8s_host_shown(&state->node->name);

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_CERTIFICATE_CONFLICT,
                                &shown, &field,
                                "host \"%V\" has the certificate of %V "
                                "%V/%V, which is older", &shown,
                                &ngx_k8s_kinds[won->kind].name,
                                &won->namespace, &won->name);
}


static ngx_uint_t
ngx_k8s_compile_covers(ngx_k8s_compile_t *c, ngx_k8s_secret_state_t *secret,
    ngx_str_t *host)
{
    ngx_k8s_certificate_t  *rec;

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_CERTIFICATE,
                              secret->slot);

    return rec && secret->state != NGX_K8S_SECRET_MISSING
           && ngx_k8s_compile_names_cover(rec, host);
}


ngx_uint_t
ngx_k8s_compile_names_cover(ngx_k8s_certificate_t *rec, ngx_str_t *host)
{
    ngx_str_t       name;
    ngx_uint_t      i;
    ngx_k8s_str_t  *names;

    names = ngx_k8s_record_at(rec, rec->names.offset);

    for (i = 0; i < rec->names.n; i++) {
        ngx_k8s_record_str(rec, &names[i], &name);

        if (ngx_k8s_certificate_covers(&name, host)) {
            return 1;
        }
    }

    return 0;
}


static ngx_k8s_secret_state_t *
ngx_k8s_compile_secret_find(ngx_k8s_compile_t *c, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_node_t  *node;

    if (name->len == 0) {
        return NULL;
    }

    node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_SECRET, ns, name);

    return node ? node->data : NULL;
}
