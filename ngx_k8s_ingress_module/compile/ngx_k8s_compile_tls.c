
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * TLS: which certificates a host has, and the certificate records of Secrets.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_int_t ngx_k8s_compile_tls_user(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_user_t *user);
static ngx_int_t ngx_k8s_compile_tls_listed(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_user_t *user, ngx_uint_t n);
static ngx_int_t ngx_k8s_compile_tls_conflict(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_user_t *user, ngx_k8s_user_t *won);
static ngx_uint_t ngx_k8s_compile_tls_names(ngx_k8s_model_tls_t *tls,
    ngx_str_t *host);
static void ngx_k8s_compile_tls_add(ngx_k8s_making_t *m,
    ngx_k8s_secret_state_t *secret, uint32_t *types);
static ngx_uint_t ngx_k8s_compile_covers(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *secret, ngx_str_t *host);
static ngx_k8s_secret_state_t *ngx_k8s_compile_secret_find(
    ngx_k8s_compile_t *c, ngx_str_t *ns, ngx_str_t *name);


ngx_int_t
ngx_k8s_compile_tls(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_uint_t             i;
    ngx_k8s_user_t        *users, *won;
    ngx_k8s_host_state_t  *parent;

    if (m->node->name.len == 0) {
        return NGX_OK;
    }

    users = m->users.elts;
    won = NULL;

    for (i = 0; i < m->users.nelts; i++) {

        if (users[i].model->ntls == 0) {
            continue;
        }

        if (won) {
            if (ngx_k8s_compile_tls_conflict(c, m, &users[i], won) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        won = &users[i];
        m->tls = 1;

        if (ngx_k8s_compile_tls_user(c, m, won) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (won == NULL && m->state->parent) {
        parent = m->state->parent->data;

        m->tls = parent->tls;
        m->ncerts = parent->ncerts;
        ngx_memcpy(m->certs, parent->certs, sizeof(m->certs));
    }

    return NGX_OK;
}


/*
 * The Secret of the entry that lists the host; a second one of another key
 * type as well.  Where none lists it: any that covers it.
 */

static ngx_int_t
ngx_k8s_compile_tls_user(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_user_t *user)
{
    uint32_t                 types[NGX_K8S_KEY_TYPES];
    ngx_uint_t               i, listed;
    ngx_k8s_model_t         *model;
    ngx_k8s_secret_state_t  *secret;

    model = user->model;
    listed = 0;

    for (i = 0; i < model->ntls; i++) {

        if (!ngx_k8s_compile_tls_names(&model->tls[i], &m->node->name)) {
            continue;
        }

        /* the first one decides, also when it names no Secret */

        if (listed++ == 0 && model->tls[i].ref.name.len == 0) {
            return NGX_OK;
        }

        if (ngx_k8s_compile_tls_listed(c, m, user, i) != NGX_OK) {
            return NGX_ERROR;
        }

        secret = ngx_k8s_compile_secret_find(c, &model->object->namespace,
                                             &model->tls[i].ref.name);

        if (secret && ngx_k8s_compile_covers(c, secret, &m->node->name)) {
            ngx_k8s_compile_tls_add(m, secret, types);
        }
    }

    for (i = 0; !listed && i < model->ntls; i++) {

        secret = ngx_k8s_compile_secret_find(c, &model->object->namespace,
                                             &model->tls[i].ref.name);

        if (secret && ngx_k8s_compile_covers(c, secret, &m->node->name)) {
            ngx_k8s_compile_tls_add(m, secret, types);
        }
    }

    return NGX_OK;
}


/* a certificate that does not cover a host for which it is listed */

static ngx_int_t
ngx_k8s_compile_tls_listed(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_user_t *user, ngx_uint_t n)
{
    ngx_str_t                field;
    ngx_k8s_model_t         *model;
    ngx_k8s_secret_state_t  *secret;

    model = user->model;

    secret = ngx_k8s_compile_secret_find(c, &model->object->namespace,
                                         &model->tls[n].ref.name);

    if (secret == NULL || secret->slot == 0
        || secret->state == NGX_K8S_SECRET_MISSING
        || ngx_k8s_compile_covers(c, secret, &m->node->name))
    {
        return NGX_OK;
    }

    field = ngx_k8s_field_text(&model->tls[n].ref.field, c->pool);

    return ngx_k8s_compile_note(c, &user->notes,
                                NGX_K8S_PROBLEM_CERTIFICATE_MISMATCH,
                                &m->host, &field,
                                "the certificate of Secret %V/%V does not "
                                "cover host \"%V\"",
                                &model->object->namespace,
                                &model->tls[n].ref.name,
                                &m->host);
}


static ngx_int_t
ngx_k8s_compile_tls_conflict(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_user_t *user, ngx_k8s_user_t *won)
{
    ngx_str_t           field;
    ngx_uint_t          i, n;
    ngx_k8s_object_t   *one, *two;
    ngx_k8s_model_t    *model;

    one = won->model->object;
    two = user->model->object;
    model = user->model;

    for (i = 0; i < model->ntls; i++) {

        if (model->tls[i].ref.name.len == 0
            || !ngx_k8s_compile_tls_names(&model->tls[i], &m->node->name))
        {
            continue;
        }

        if (ngx_k8s_str_eq(&one->namespace, &two->namespace)) {

            for (n = 0; n < won->model->ntls; n++) {
                if (ngx_k8s_str_eq(&won->model->tls[n].ref.name,
                                   &model->tls[i].ref.name))
                {
                    break;
                }
            }

            if (n < won->model->ntls) {
                continue;
            }
        }

        field = ngx_k8s_field_text(&model->tls[i].ref.field, c->pool);

        if (ngx_k8s_compile_note(c, &user->notes,
                                 NGX_K8S_PROBLEM_CERTIFICATE_CONFLICT,
                                 &m->host, &field,
                                 "host \"%V\" has the certificate of Ingress "
                                 "%V/%V, which is older",
                                 &m->host, &one->namespace, &one->name)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
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
