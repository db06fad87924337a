
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * TLS: which certificates a host has, and the certificate records of Secrets.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static void ngx_k8s_compile_tls_claim(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_claim_t *claim);
static ngx_int_t ngx_k8s_compile_tls_listed(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_array_t *a, ngx_k8s_model_tls_t *tls);
static ngx_int_t ngx_k8s_compile_tls_conflict(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_array_t *a, ngx_k8s_model_tls_t *tls);
static ngx_uint_t ngx_k8s_compile_tls_names(ngx_k8s_model_tls_t *tls,
    ngx_str_t *host);
static void ngx_k8s_compile_tls_add(ngx_k8s_making_t *m,
    ngx_k8s_secret_state_t *secret, uint32_t *types);
static ngx_uint_t ngx_k8s_compile_covers(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *secret, ngx_str_t *host);
static ngx_k8s_secret_state_t *ngx_k8s_compile_secret_find(
    ngx_k8s_compile_t *c, ngx_str_t *ns, ngx_str_t *name);


void
ngx_k8s_compile_tls(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_k8s_claim_t       *won;
    ngx_k8s_host_state_t  *state, *parent;

    state = m->state;

    if (state->node->name.len == 0) {
        return;
    }

    won = ngx_k8s_claim_marked(state);

    if (won != state->tls_claim) {
        state->tls_claim = won;
        ngx_k8s_claim_tell(state);
    }

    if (won) {
        m->tls = 1;
        ngx_k8s_compile_tls_claim(c, m, won);

    } else if (state->parent) {
        parent = state->parent->data;

        m->tls = parent->tls;
        m->ncerts = parent->ncerts;
        ngx_memcpy(m->certs, parent->certs, sizeof(m->certs));
    }
}


/*
 * The Secret of the entry that lists the host; a second one of another key
 * type as well.  Where none lists it: any that covers it.
 */

static void
ngx_k8s_compile_tls_claim(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_claim_t *claim)
{
    uint32_t                 types[NGX_K8S_KEY_TYPES];
    ngx_str_t               *host;
    ngx_uint_t               i, pass, listed;
    ngx_k8s_model_tls_t     *tls;
    ngx_k8s_secret_state_t  *secret;

    host = &claim->state->node->name;
    listed = 0;

    for (pass = 0; pass < 2 && !listed; pass++) {

        for (i = 0; i < claim->model->ntls; i++) {
            tls = &claim->model->tls[i];

            if (pass == 0) {
                if (!ngx_k8s_compile_tls_names(tls, host)) {
                    continue;
                }

                /* the first one decides, also when it names no Secret */

                if (listed++ == 0 && tls->ref.name.len == 0) {
                    return;
                }
            }

            secret = ngx_k8s_compile_secret_find(c, &tls->ref.namespace,
                                                 &tls->ref.name);

            if (secret && ngx_k8s_compile_covers(c, secret, host)) {
                ngx_k8s_compile_tls_add(m, secret, types);
            }
        }
    }
}


/* what is to be said of the tls sections of an object of the host */

ngx_int_t
ngx_k8s_compile_tls_notes(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a)
{
    ngx_int_t             rc;
    ngx_str_t            *host;
    ngx_uint_t            i;
    ngx_k8s_model_tls_t  *tls;

    host = &claim->state->node->name;

    if (host->len == 0 || claim->state->tls_claim == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < claim->model->ntls; i++) {
        tls = &claim->model->tls[i];

        if (!ngx_k8s_compile_tls_names(tls, host)) {
            continue;
        }

        if (tls->ref.name.len == 0) {

            if (claim == claim->state->tls_claim) {
                break;
            }

            continue;
        }

        rc = (claim == claim->state->tls_claim)
             ? ngx_k8s_compile_tls_listed(c, claim, a, tls)
             : ngx_k8s_compile_tls_conflict(c, claim, a, tls);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
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
    shown = ngx_k8s_host_shown(&claim->state->node->name);

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_CERTIFICATE_MISMATCH,
                                &shown, &field,
                                "the certificate of Secret %V/%V does not "
                                "cover host \"%V\"", &tls->ref.namespace,
                                &tls->ref.name, &shown);
}


static ngx_int_t
ngx_k8s_compile_tls_conflict(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a, ngx_k8s_model_tls_t *tls)
{
    ngx_str_t         field, shown;
    ngx_uint_t        i;
    ngx_k8s_model_t  *won;

    won = claim->state->tls_claim->model;

    for (i = 0; i < won->ntls; i++) {
        if (ngx_k8s_str_eq(&won->tls[i].ref.name, &tls->ref.name)
            && ngx_k8s_str_eq(&won->tls[i].ref.namespace,
                              &tls->ref.namespace))
        {
            return NGX_OK;
        }
    }

    field = ngx_k8s_field_text(&tls->ref.field, a->pool);
    shown = ngx_k8s_host_shown(&claim->state->node->name);

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_CERTIFICATE_CONFLICT,
                                &shown, &field,
                                "host \"%V\" has the certificate of %V "
                                "%V/%V, which is older", &shown,
                                &ngx_k8s_kinds[won->object->kind].name,
                                &won->object->namespace, &won->object->name);
}


static ngx_uint_t
ngx_k8s_compile_tls_names(ngx_k8s_model_tls_t *tls, ngx_str_t *host)
{
    ngx_uint_t  i;

    for (i = 0; i < tls->nhosts; i++) {
        if (ngx_k8s_str_eq(&tls->hosts[i], host)) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_k8s_compile_tls_add(ngx_k8s_making_t *m, ngx_k8s_secret_state_t *secret,
    uint32_t *types)
{
    ngx_uint_t  i;

    for (i = 0; i < m->ncerts; i++) {
        if (types[i] == secret->key_type) {
            return;
        }
    }

    if (m->ncerts < NGX_K8S_KEY_TYPES) {
        types[m->ncerts] = secret->key_type;
        m->certs[m->ncerts].slot = secret->slot;
        m->certs[m->ncerts++].generation = secret->generation;
    }
}


static ngx_uint_t
ngx_k8s_compile_covers(ngx_k8s_compile_t *c, ngx_k8s_secret_state_t *secret,
    ngx_str_t *host)
{
    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_k8s_str_t          *names;
    ngx_k8s_certificate_t  *rec;

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_CERTIFICATE,
                              secret->slot);

    if (rec == NULL || secret->state == NGX_K8S_SECRET_MISSING) {
        return 0;
    }

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
