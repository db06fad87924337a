
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Problems: one record for each object with all that is wrong with it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_SAYING_SLICE  512   /* paths, backends, Secrets */


/* one stage of an entry's problems; NGX_AGAIN: there is more to do */
typedef ngx_int_t (*ngx_k8s_compile_stage_pt)(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_int_t *budget);


static ngx_int_t ngx_k8s_compile_begin(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry);
static void ngx_k8s_compile_end(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
static ngx_int_t ngx_k8s_compile_gone(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry);
static ngx_int_t ngx_k8s_compile_first(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_int_t *budget);
static ngx_int_t ngx_k8s_compile_class(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
static ngx_int_t ngx_k8s_compile_left(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);
static ngx_int_t ngx_k8s_compile_hosts(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_int_t *budget);
static ngx_int_t ngx_k8s_compile_backends(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_int_t *budget);
static ngx_int_t ngx_k8s_compile_targets(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_model_rule_t *rule, ngx_str_t *host);
static ngx_uint_t ngx_k8s_compile_old(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port);
static ngx_int_t ngx_k8s_compile_backend(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_target_t *target, ngx_str_t *host);
static ngx_int_t ngx_k8s_compile_port_problem(ngx_k8s_compile_t *c,
    ngx_array_t *a, ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field);
static ngx_int_t ngx_k8s_compile_secrets(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_int_t *budget);
static ngx_int_t ngx_k8s_compile_unmet(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_int_t *budget);
static ngx_int_t ngx_k8s_compile_secret_problem(ngx_k8s_compile_t *c,
    ngx_array_t *a, ngx_k8s_secret_state_t *state, ngx_str_t *field);


/* in this order */

static ngx_k8s_compile_stage_pt  ngx_k8s_compile_stages[] = {
    ngx_k8s_compile_first,
    ngx_k8s_compile_hosts,
    ngx_k8s_compile_names_notes,
    ngx_k8s_compile_backends,
    ngx_k8s_compile_secrets,
    ngx_k8s_compile_unmet,
    NULL
};


/*
 * An entry of store->changed: its problems anew, or its end.  In slices: an
 * object may have tens of thousands of paths.  What changes meanwhile marks it
 * once more; a new version of it begins at the end of the queue.
 */

ngx_int_t
ngx_k8s_compile_entry(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_int_t          rc, budget;
    ngx_k8s_saying_t  *s;

    s = &c->saying;

    if (entry->object == NULL) {
        return ngx_k8s_compile_gone(c, entry);
    }

    if (s->entry == entry && !entry->making) {
        s->entry = NULL;

        ngx_queue_remove(&entry->dirty);
        ngx_queue_insert_tail(&c->store->changed, &entry->dirty);

        return NGX_OK;
    }

    if (s->entry != entry && ngx_k8s_compile_begin(c, entry) != NGX_OK) {
        return NGX_ERROR;
    }

    budget = NGX_K8S_SAYING_SLICE;

    while (ngx_k8s_compile_stages[s->stage]) {
        rc = ngx_k8s_compile_stages[s->stage](c, entry, &budget);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            s->entry = NULL;
            return NGX_ERROR;
        }

        s->stage++;
        s->n = 0;
        s->m = 0;
        s->link = entry->links;
    }

    ngx_k8s_compile_end(c, entry);

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_begin(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_k8s_saying_t  *s;

    s = &c->saying;

    if (s->entry) {
        s->entry->making = 0;
        s->entry = NULL;
    }

    ngx_reset_pool(s->pool);

    if (ngx_array_init(&s->problems, s->pool, 4, sizeof(ngx_k8s_problem_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (entry->full && !entry->taken) {
        ngx_k8s_compile_unleave(c, entry);
    }

    if (entry->full && ngx_k8s_compile_ask(c, entry) == NGX_ERROR) {
        return NGX_ERROR;
    }

    s->entry = entry;
    s->stage = 0;
    s->routed = 0;
    s->captured = 0;
    s->looped = 0;
    s->stamp++;

    entry->making = 1;
    entry->again = 0;

    return NGX_OK;
}


static void
ngx_k8s_compile_end(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_int_t          rc;
    ngx_k8s_object_t  *object;

    object = entry->object;

    entry->served = entry->taken && !entry->full && !entry->limited;

    if (entry->served) {
        entry->tried = 0;
    }

    if (entry->taken) {
        ngx_k8s_entry_state(c->store, entry,
                            entry->limited ? NGX_K8S_STATE_NAMESPACE_LIMIT
                            : entry->full ? NGX_K8S_STATE_TABLE_FULL
                            : c->saying.routed ? NGX_K8S_STATE_SERVED
                                               : NGX_K8S_STATE_NO_ROUTE);
    }

    rc = ngx_k8s_compile_say(c, &entry->problem, 0,
                             &ngx_k8s_kinds[entry->kind].name,
                             &object->namespace, &object->name,
                             c->saying.problems.nelts,
                             c->saying.problems.elts);

    ngx_k8s_compile_silent(c, entry, rc == NGX_DECLINED);

    c->saying.entry = NULL;

    ngx_queue_remove(&entry->dirty);
    entry->queued = 0;
    entry->making = 0;

    if (entry->again) {
        ngx_k8s_entry_mark(c->store, entry);
    }
}


static ngx_int_t
ngx_k8s_compile_gone(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_k8s_compile_unsay(c, &entry->problem, 0);

    ngx_k8s_compile_silent(c, entry, 0);

    if (entry->full) {
        ngx_k8s_compile_unleave(c, entry);
    }

    if (c->saying.entry == entry) {
        c->saying.entry = NULL;
    }

    ngx_queue_remove(&entry->dirty);
    entry->queued = 0;

    ngx_k8s_entry_free(entry);

    return NGX_OK;
}


/* what takes no time */

static ngx_int_t
ngx_k8s_compile_first(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_int_t *budget)
{
    ngx_array_t       *a;
    ngx_k8s_object_t  *object;

    a = &c->saying.problems;
    object = entry->object;

    if (object->problems
        && (entry->kind != NGX_K8S_INGRESS || entry->taken || entry->why)
        && ngx_k8s_compile_advise_all(a, object->problems->elts,
                                      object->problems->nelts)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (entry->kind == NGX_K8S_CONFIG_MAP) {
        return ngx_k8s_compile_config_notes(c, entry, a);
    }

    if (entry->kind == NGX_K8S_INGRESS_CLASS) {
        return ngx_k8s_compile_class_missing(c, entry, a);
    }

    if (!entry->taken) {
        return ngx_k8s_compile_class(c, entry, a);
    }

    if (ngx_k8s_compile_advise_all(a, entry->model->problems,
                                   entry->model->nproblems)
        != NGX_OK
        || ngx_k8s_compile_policy_refused(c, a, entry) != NGX_OK
        || ngx_k8s_hint_object(c, entry, a) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return (entry->full || entry->limited)
           ? ngx_k8s_compile_left(c, entry, a) : NGX_OK;
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

    if (ngx_k8s_name_near(name, &c->store->conf.class_name)) {
        return ngx_k8s_compile_note(c, a, entry->why, NULL, &field,
                                    "there is no IngressClass \"%V\"; is "
                                    "\"%V\" meant?", name,
                                    &c->store->conf.class_name);
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
    ngx_int_t *budget)
{
    ngx_int_t          rc;
    ngx_k8s_link_t    *link;
    ngx_k8s_saying_t  *s;

    s = &c->saying;

    if (!entry->taken || entry->full || entry->limited) {
        return NGX_OK;
    }

    while (s->link && (!ngx_k8s_saying_full(s) || !s->routed)) {
        link = s->link;

        if ((*budget)-- <= 0) {
            return NGX_AGAIN;
        }

        if (link->node->type == NGX_K8S_NODE_HOST && link->data) {
            rc = ngx_k8s_compile_notes(c, link->data, budget);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        s->link = link->next;
        s->n = 0;
        s->m = 0;
    }

    return NGX_OK;
}


/* each Service port that the object names, once */

static ngx_int_t
ngx_k8s_compile_backends(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_int_t *budget)
{
    ngx_str_t              shown;
    ngx_k8s_model_t       *model;
    ngx_k8s_saying_t      *s;
    ngx_k8s_model_host_t  *host;
    ngx_k8s_model_rule_t  *rule;

    s = &c->saying;
    model = entry->model;

    if (!entry->taken) {
        return NGX_OK;
    }

    if (model->fallback && s->n == 0 && s->m == 0
        && ngx_k8s_compile_backend(c, &s->problems, model->fallback, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (model->error && s->n == 0 && s->m == 0
        && ngx_k8s_compile_backend(c, &s->problems, model->error, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for ( /* void */ ; s->n < model->nhosts; s->n++, s->m = 0) {
        host = &model->hosts[s->n];
        shown = ngx_k8s_host_shown(&host->name);

        for ( /* void */ ; s->m < host->nrules; s->m++) {

            if (ngx_k8s_saying_full(s)) {
                return NGX_OK;
            }

            if (*budget <= 0) {
                return NGX_AGAIN;
            }

            rule = &model->rules[host->rule + s->m];
            *budget -= 1 + rule->ntargets + rule->nmirrors;

            if (ngx_k8s_compile_targets(c, &s->problems, rule, &shown)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        (*budget)--;
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


/* whether nginx is too old for what the Service's port asks for, and the object
   that problems are made of says nothing else */

static ngx_uint_t
ngx_k8s_compile_old(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    static ngx_str_t  protocol = ngx_string("backend-protocol");

    return !c->conf.http2
           && (port->flags & NGX_K8S_SERVICE_H2C)
           && !ngx_k8s_values_on(&c->saying.entry->model->values, &protocol);
}


static ngx_int_t
ngx_k8s_compile_backend(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_target_t *target, ngx_str_t *host)
{
    ngx_str_t        text;
    ngx_k8s_port_t  *port;

    port = ngx_k8s_compile_port_find(c, &target->ref.namespace,
                                     &target->ref.name, &target->port,
                                     &target->protocol, target->cluster);

    if (port == NULL || port->said == c->saying.stamp) {
        return NGX_OK;
    }

    port->said = c->saying.stamp;

    if (ngx_k8s_spread_notes(c, a, c->saying.entry->model, port, host)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!(port->flags & (NGX_K8S_SERVICE_MISSING|NGX_K8S_SERVICE_NO_PORT))
        && port->usable && port->nrefused == 0 && !port->full
        && !port->headless && !ngx_k8s_compile_old(c, port))
    {
        return NGX_OK;
    }

    text = ngx_k8s_field_text(&target->ref.field, a->pool);

    if (text.data == NULL) {
        return NGX_ERROR;
    }

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

    if (rc == NGX_OK && ngx_k8s_compile_old(c, port)) {
        rc = ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_APP_PROTOCOL, host,
                                  field, "appProtocol \"kubernetes.io/h2c\" of "
                                  "Service %V/%V is HTTP/2 without TLS, which "
                                  "this nginx does not have for backends", ns,
                                  name);
    }

    if (rc == NGX_OK && port->headless) {
        rc = ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT,
                                  host, field, "Service %V/%V has no address, "
                                  "so service-upstream does nothing", ns, name);
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
        return ngx_k8s_compile_why_no_port(c, a, port, host, field);
    }

    if (port->usable == 0 && port->why != NGX_K8S_WHY_NAME_UNKNOWN) {
        return ngx_k8s_compile_why_note(c, a, port, host, field);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_secrets(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_int_t *budget)
{
    ngx_str_t                field;
    ngx_k8s_node_t          *node;
    ngx_k8s_saying_t        *s;
    ngx_k8s_model_tls_t     *tls;
    ngx_k8s_secret_state_t  *state;

    s = &c->saying;

    if (!entry->taken) {
        return NGX_OK;
    }

    for ( /* void */ ; s->n < entry->model->ntls; s->n++) {
        tls = &entry->model->tls[s->n];

        if (ngx_k8s_saying_full(s)) {
            return NGX_OK;
        }

        if ((*budget)-- <= 0) {
            return NGX_AGAIN;
        }

        if (tls->ref.name.len == 0) {
            continue;
        }

        node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_SECRET,
                                 &tls->ref.namespace, &tls->ref.name);

        state = node ? node->data : NULL;

        if (state == NULL || state->said == s->stamp) {
            continue;
        }

        state->said = s->stamp;

        if (state->state == NGX_K8S_SECRET_GOOD && state->age == 0) {
            continue;
        }

        field = ngx_k8s_field_text(&tls->ref.field, s->pool);

        if (field.data == NULL) {
            return NGX_ERROR;
        }

        if (ngx_k8s_compile_secret_problem(c, &s->problems, state, &field)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* hosts of tls entries without a rule, unless another object has one */

static ngx_int_t
ngx_k8s_compile_unmet(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_int_t *budget)
{
    ngx_str_t               field, shown;
    ngx_uint_t              i;
    ngx_k8s_node_t         *node;
    ngx_k8s_saying_t       *s;
    ngx_k8s_model_unmet_t  *unmet;

    s = &c->saying;

    if (!entry->taken) {
        return NGX_OK;
    }

    for (i = 0; i < entry->model->nunmet; i++) {
        unmet = &entry->model->unmet[i];

        node = ngx_k8s_node_host_find(c->store, 0, NGX_K8S_CLASS_HTTP,
                                      &unmet->name);
        if (node && (node->nusers || ngx_k8s_compile_named(node))) {
            continue;
        }

        field = ngx_k8s_field_text(&unmet->field, s->pool);

        if (field.data == NULL) {
            return NGX_ERROR;
        }

        shown = ngx_k8s_host_shown(&unmet->name);

        if (ngx_k8s_compile_note(c, &s->problems,
                                 NGX_K8S_PROBLEM_TLS_HOST_UNUSED, &shown,
                                 &field, "no rule of this %V has the host, "
                                 "the certificate is not used for it here",
                                 &ngx_k8s_kinds[entry->kind].name)
            != NGX_OK)
        {
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
    ngx_str_t  *ns, *name, text;

    ns = &state->node->namespace;
    name = &state->node->name;
    rc = NGX_OK;

    if (state->state == NGX_K8S_SECRET_MISSING) {
        return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_SECRET_NOT_FOUND,
                                    NULL, field, "there is no Secret %V/%V",
                                    ns, name);
    }

    if (state->state == NGX_K8S_SECRET_BAD) {
        text = ngx_k8s_compile_text(c, "Secret %V/%V%s%V: %V", ns, name,
                                    state->field.len ? ", " : "",
                                    &state->field, &state->reason);

        rc = ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_SECRET_INVALID, NULL,
                                    field, &text, &state->remedy);
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
