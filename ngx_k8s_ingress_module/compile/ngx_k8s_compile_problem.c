
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Problems: one record for each object with all that is wrong with it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_int_t ngx_k8s_compile_gone(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry);
static ngx_int_t ngx_k8s_compile_own(ngx_array_t *a, ngx_k8s_problem_t *own,
    ngx_uint_t n);
static ngx_int_t ngx_k8s_compile_class(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
static ngx_int_t ngx_k8s_compile_left(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
static ngx_int_t ngx_k8s_compile_hosts(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
static ngx_int_t ngx_k8s_compile_backends(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
static ngx_int_t ngx_k8s_compile_targets(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_model_rule_t *rule, ngx_str_t *host);
static ngx_int_t ngx_k8s_compile_backend(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_target_t *target, ngx_str_t *host);
static ngx_int_t ngx_k8s_compile_port_problem(ngx_k8s_compile_t *c,
    ngx_array_t *a, ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field);
static ngx_int_t ngx_k8s_compile_secrets(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
static ngx_int_t ngx_k8s_compile_secret_problem(ngx_k8s_compile_t *c,
    ngx_array_t *a, ngx_k8s_secret_state_t *state, ngx_str_t *field);


/* an entry of store->changed: its problems anew, or its end */

ngx_int_t
ngx_k8s_compile_entry(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_int_t          rc;
    ngx_array_t        a;
    ngx_k8s_object_t  *object;

    object = entry->object;

    if (object == NULL) {
        return ngx_k8s_compile_gone(c, entry);
    }

    if (ngx_array_init(&a, c->pool, 4, sizeof(ngx_k8s_problem_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    if (entry->full && !entry->taken) {
        ngx_k8s_compile_unleave(c, entry);
    }

    if (entry->full && ngx_k8s_compile_ask(c, entry) == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (object->problems
        && (entry->kind != NGX_K8S_INGRESS || entry->taken || entry->why)
        && ngx_k8s_compile_own(&a, object->problems->elts,
                               object->problems->nelts)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (entry->taken) {

        if (ngx_k8s_compile_own(&a, entry->model->problems,
                                entry->model->nproblems)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        rc = (entry->full || entry->limited)
             ? ngx_k8s_compile_left(c, entry, &a)
             : ngx_k8s_compile_hosts(c, entry, &a);

        if (rc != NGX_OK
            || ngx_k8s_compile_backends(c, entry, &a) != NGX_OK
            || ngx_k8s_compile_secrets(c, entry, &a) != NGX_OK)
        {
            return NGX_ERROR;
        }

        entry->served = !(entry->full || entry->limited);

    } else {
        entry->served = 0;

        if (ngx_k8s_compile_class(c, entry, &a) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rc = ngx_k8s_compile_say(c, &entry->problem, 0,
                             &ngx_k8s_kinds[entry->kind].name,
                             &object->namespace, &object->name, a.nelts,
                             a.elts);

    ngx_k8s_compile_silent(c, entry, rc == NGX_DECLINED);

    ngx_queue_remove(&entry->dirty);
    entry->queued = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_gone(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_k8s_compile_unsay(c, &entry->problem, 0);

    ngx_k8s_compile_silent(c, entry, 0);

    if (entry->full) {
        ngx_k8s_compile_unleave(c, entry);
    }

    ngx_queue_remove(&entry->dirty);
    entry->queued = 0;

    ngx_k8s_entry_free(entry);

    return NGX_OK;
}


/* what reading the object, or making its model, has found */

static ngx_int_t
ngx_k8s_compile_own(ngx_array_t *a, ngx_k8s_problem_t *own, ngx_uint_t n)
{
    ngx_k8s_problem_t  *pr;

    n = ngx_min(n, NGX_K8S_PROBLEM_ITEMS - a->nelts);

    if (n == 0) {
        return NGX_OK;
    }

    pr = ngx_array_push_n(a, n);
    if (pr == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(pr, own, n * sizeof(ngx_k8s_problem_t));

    return NGX_OK;
}


/* an Ingress that nobody takes, though it looks meant for this controller */

static ngx_int_t
ngx_k8s_compile_class(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_str_t    field, *name;
    ngx_uint_t   annotation;

    if (entry->why != NGX_K8S_PROBLEM_CLASS_NOT_FOUND
        && entry->why != NGX_K8S_PROBLEM_CLASS_MISSING)
    {
        return NGX_OK;
    }

    ngx_str_set(&field, "spec.ingressClassName");

    name = ngx_k8s_class_named(c->store, (ngx_k8s_ingress_t *) entry->object,
                               &annotation);

    if (name == NULL) {
        return ngx_k8s_compile_note(c, a, entry->why, NULL, &field,
                                    "is not set, and a default class is set "
                                    "only when an Ingress is created");
    }

    if (annotation) {
        return ngx_k8s_compile_note(c, a, entry->why, NULL, &field,
                                    "is not set, and the annotation names "
                                    "IngressClass \"%V\", which only this "
                                    "field can", name);
    }

    return ngx_k8s_compile_note(c, a, entry->why, NULL, &field,
                                "there is no IngressClass \"%V\"", name);
}


static ngx_int_t
ngx_k8s_compile_left(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_str_t        field;
    ngx_k8s_left_t  *left;

    ngx_str_null(&field);

    if (entry->limited) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_NAMESPACE_LIMIT,
                                    NULL, &field,
                                    "the limit of namespace %V is reached by "
                                    "older objects",
                                    &entry->object->namespace);
    }

    left = entry->left;

    if (left->need == NGX_K8S_NEVER) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_TABLE_FULL, NULL,
                                    &field, "a host with all its paths is "
                                    "larger than the %uz bytes that a zone of "
                                    "this size has for one",
                                    ngx_k8s_writer_largest(c->writer));
    }

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_TABLE_FULL, NULL, &field,
                                "%uz bytes are missing in the zone",
                                left->missing);
}


/* what its hosts have to say of it */

static ngx_int_t
ngx_k8s_compile_hosts(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_k8s_link_t  *link;

    for (link = entry->links; link; link = link->next) {
        if (link->node->type == NGX_K8S_NODE_HOST && link->data
            && ngx_k8s_compile_notes(c, link->data, a) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* each Service port that the object names, once */

static ngx_int_t
ngx_k8s_compile_backends(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_str_t              shown;
    ngx_uint_t             i, j;
    ngx_k8s_model_t       *model;
    ngx_k8s_model_host_t  *host;

    model = entry->model;
    c->stamp++;

    if (model->fallback
        && ngx_k8s_compile_backend(c, a, model->fallback, NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < model->nhosts; i++) {
        host = &model->hosts[i];
        shown = ngx_k8s_host_shown(&host->name);

        for (j = host->rule; j < host->rule + host->nrules; j++) {
            if (ngx_k8s_compile_targets(c, a, &model->rules[j], &shown)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_targets(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_model_rule_t *rule, ngx_str_t *host)
{
    ngx_uint_t  i;

    for (i = 0; i < rule->ntargets; i++) {
        if (ngx_k8s_compile_backend(c, a, &rule->targets[i], host) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < rule->nmirrors; i++) {
        if (ngx_k8s_compile_backend(c, a, &rule->mirrors[i].target, host)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_backend(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_target_t *target, ngx_str_t *host)
{
    ngx_str_t        text;
    ngx_k8s_port_t  *port;

    port = ngx_k8s_compile_port_find(c, &target->ref.namespace,
                                     &target->ref.name, &target->port);

    if (port == NULL || port->stamp == c->stamp) {
        return NGX_OK;
    }

    port->stamp = c->stamp;

    if (port->flags == 0 && port->usable && port->nrefused == 0
        && !port->full)
    {
        return NGX_OK;
    }

    text = ngx_k8s_field_text(&target->ref.field, c->pool);

    return ngx_k8s_compile_port_problem(c, a, port, host, &text);
}


static ngx_int_t
ngx_k8s_compile_port_problem(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field)
{
    u_char      more[sizeof(", and  more,") + NGX_INT_T_LEN];
    ngx_int_t   rc;
    ngx_str_t  *ns, *name, address;

    ns = &port->node->namespace;
    name = &port->node->name;
    rc = NGX_OK;

    if (port->full) {
        rc = ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_TABLE_FULL, host,
                                  field, "a change of Service %V/%V does not "
                                  "fit in the zone, %ui of its endpoints are "
                                  "left out", ns, name, port->cut);
    }

    if (rc == NGX_OK && port->nrefused) {
        address.data = port->refused;
        address.len = port->refused_len;

        more[0] = '\0';

        if (port->nrefused > 1) {
            *ngx_sprintf(more, ", and %ui more,", port->nrefused - 1) = '\0';
        }

        rc = ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ADDRESS_REFUSED, host,
                                  field, "address \"%V\" of Service %V/%V%s "
                                  "cannot be used", &address, ns, name, more);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (port->flags & NGX_K8S_SERVICE_MISSING) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_SERVICE_NOT_FOUND,
                                    host, field,
                                    "there is no Service %V/%V", ns, name);
    }

    if (port->flags & NGX_K8S_SERVICE_NO_PORT) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PORT_NOT_FOUND,
                                    host, field, "Service %V/%V has no TCP "
                                    "port \"%V\"", ns, name, &port->port);
    }

    if (port->flags & NGX_K8S_SERVICE_EXTERNAL) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_UNSUPPORTED, host,
                                    field, "Service %V/%V is of type "
                                    "ExternalName, which is not resolved yet",
                                    ns, name);
    }

    if (port->usable == 0) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_NO_ENDPOINTS, host,
                                    field, "Service %V/%V has no endpoint for "
                                    "port \"%V\"", ns, name, &port->port);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_secrets(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a)
{
    ngx_str_t                field;
    ngx_uint_t               i;
    ngx_k8s_node_t          *node;
    ngx_k8s_model_tls_t     *tls;
    ngx_k8s_secret_state_t  *state;

    tls = entry->model->tls;

    for (i = 0; i < entry->model->ntls; i++) {

        if (tls[i].ref.name.len == 0) {
            continue;
        }

        node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_SECRET,
                                 &tls[i].ref.namespace, &tls[i].ref.name);

        state = node ? node->data : NULL;

        if (state == NULL || state->stamp == c->stamp) {
            continue;
        }

        state->stamp = c->stamp;

        if (state->state == NGX_K8S_SECRET_GOOD && state->age == 0) {
            continue;
        }

        field = ngx_k8s_field_text(&tls[i].ref.field, c->pool);

        if (ngx_k8s_compile_secret_problem(c, a, state, &field) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_secret_problem(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_secret_state_t *state, ngx_str_t *field)
{
    u_char      date[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];
    ngx_int_t   rc;
    ngx_str_t  *ns, *name;

    ns = &state->node->namespace;
    name = &state->node->name;
    rc = NGX_OK;

    if (state->state == NGX_K8S_SECRET_MISSING) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_SECRET_NOT_FOUND,
                                    NULL, field, "there is no Secret %V/%V",
                                    ns, name);
    }

    if (state->state == NGX_K8S_SECRET_BAD) {
        rc = ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_SECRET_INVALID, NULL,
                                  field, "Secret %V/%V%s%V: %V", ns, name,
                                  state->field.len ? ", " : "", &state->field,
                                  &state->reason);
    }

    if (rc != NGX_OK || state->age == 0) {
        return rc;
    }

    if (state->age == NGX_K8S_PROBLEM_CERTIFICATE_EXPIRED
        && c->now < state->not_before)
    {
        *ngx_http_time(date, state->not_before) = '\0';

        return ngx_k8s_compile_note(c, a, state->age, NULL, field,
                                    "the certificate of Secret %V/%V is not "
                                    "valid before %s", ns, name, date);
    }

    *ngx_http_time(date, state->not_after) = '\0';

    return ngx_k8s_compile_note(c, a, state->age, NULL, field,
                                "the certificate of Secret %V/%V ends at %s",
                                ns, name, date);
}
