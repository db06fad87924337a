
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Service and rule records: they are there while a match in a host record, or
 * in a record of its paths, leads to them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_k8s_held_t *ngx_k8s_compile_hold_alloc(ngx_k8s_compile_t *c,
    ngx_uint_t n);
static void ngx_k8s_compile_hold_begin(ngx_k8s_compile_t *c,
    ngx_k8s_held_t *held);
static ngx_int_t ngx_k8s_compile_hold_ready(ngx_k8s_compile_t *c,
    ngx_k8s_held_t *held);
static ngx_int_t ngx_k8s_compile_hold_port(ngx_k8s_compile_t *c,
    ngx_k8s_held_t *held, ngx_k8s_target_t *target);
static ngx_int_t ngx_k8s_compile_label_item(ngx_k8s_compile_t *c,
    ngx_k8s_held_t *held, ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_compile_label(ngx_k8s_compile_t *c,
    ngx_k8s_held_t *held, ngx_k8s_node_t *host, ngx_str_t *path,
    ngx_k8s_object_t *object, ngx_str_t *rule, ngx_k8s_target_t *target);
static uint32_t ngx_k8s_compile_rule(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *host, ngx_str_t *path, ngx_k8s_object_t *object,
    ngx_str_t *rule, ngx_k8s_target_t *target);
static ngx_int_t ngx_k8s_compile_rule_ref(ngx_k8s_compile_t *c, uint32_t slot);


static ngx_str_t  ngx_k8s_root_path = ngx_string("/");
static ngx_str_t  ngx_k8s_no_rule = ngx_null_string;


ngx_int_t
ngx_k8s_compile_hold(ngx_k8s_compile_t *c, ngx_k8s_item_t *item)
{
    ngx_uint_t             i;
    ngx_k8s_held_t        *held;
    ngx_k8s_item_t        *primary;
    ngx_k8s_model_t       *model;
    ngx_k8s_model_rule_t  *rule;

    if (item->held) {
        ngx_k8s_expr_take(c, item);
        return ngx_k8s_compile_hold_ready(c, item->held);
    }

    rule = item->rule;

    held = ngx_k8s_compile_hold_alloc(c, rule->ntargets + rule->nmirrors);
    if (held == NULL) {
        return NGX_ERROR;
    }

    held->epoch = item->claim->state->epoch;

    /* what adds a slash leads to no Service */

    for (i = 0; !item->slash && i < rule->ntargets; i++) {
        if (ngx_k8s_compile_hold_port(c, held, &rule->targets[i]) != NGX_OK) {
            goto declined;
        }
    }

    primary = item->canary ? ngx_k8s_canary_primary(item) : NULL;

    if (held->nports
        && (ngx_k8s_spread_model(c, held, item->claim->model) != NGX_OK
            || (primary && ngx_k8s_spread_canary(c, held, item, primary)
                           != NGX_OK)))
    {
        goto declined;
    }

    for (i = 0; !item->slash && i < rule->nmirrors; i++) {
        if (ngx_k8s_compile_hold_port(c, held, &rule->mirrors[i].target)
            != NGX_OK)
        {
            goto declined;
        }
    }

    model = item->claim->model;

    if (ngx_k8s_compile_policy(c, &model->values, model->error, &held->policy)
        != NGX_OK
        || ngx_k8s_compile_label_item(c, held, item) != NGX_OK)
    {
        goto declined;
    }

    ngx_k8s_item_hold(item, held);
    ngx_k8s_expr_take(c, item);
    ngx_k8s_compile_hold_begin(c, held);

    return ngx_k8s_compile_hold_ready(c, held);

declined:

    ngx_k8s_compile_release(c, &held);

    return NGX_DECLINED;
}


/*
 * The default backend of an object, else that of the directive, else none; with
 * the policy of the object.
 */

ngx_int_t
ngx_k8s_compile_hold_fallback(ngx_k8s_compile_t *c, ngx_k8s_node_t *host,
    ngx_k8s_claim_t *claim, ngx_k8s_held_t **held)
{
    ngx_int_t          rc;
    ngx_k8s_object_t  *object;
    ngx_k8s_target_t  *target, directive;

    *held = ngx_k8s_compile_hold_alloc(c, 1);
    if (*held == NULL) {
        return NGX_ERROR;
    }

    target = NULL;
    object = NULL;

    if (claim && claim->model->fallback) {
        target = claim->model->fallback;
        object = claim->model->object;

    } else if (c->default_service.len) {
        ngx_memzero(&directive, sizeof(ngx_k8s_target_t));

        directive.ref.namespace = c->default_namespace;
        directive.ref.name = c->default_service;
        directive.port = c->default_port;
        ngx_str_set(&directive.protocol, "TCP");

        target = &directive;
    }

    if ((target == NULL
         || (ngx_k8s_compile_hold_port(c, *held, target) == NGX_OK
             && (object == NULL
                 || ngx_k8s_spread_model(c, *held, claim->model)
                    == NGX_OK)))
        && (claim == NULL
            || ngx_k8s_compile_policy(c, &claim->model->values,
                                      claim->model->error, &(*held)->policy)
               == NGX_OK)
        && (target == NULL
            || ngx_k8s_compile_label(c, *held, host, &ngx_k8s_root_path,
                                     object, &ngx_k8s_no_rule, target)
               == NGX_OK))
    {
        ngx_k8s_compile_hold_begin(c, *held);

        rc = ngx_k8s_compile_hold_ready(c, *held);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    ngx_k8s_compile_release(c, held);

    return NGX_DECLINED;
}


/* how requests are spread over its endpoints is known */

static void
ngx_k8s_compile_hold_begin(ngx_k8s_compile_t *c, ngx_k8s_held_t *held)
{
    ngx_uint_t  i;

    for (i = 0; i < held->nports; i++) {
        if (held->ports[i]) {
            ngx_k8s_compile_port_begin(c, held->ports[i]);
        }
    }
}


static ngx_int_t
ngx_k8s_compile_hold_ready(ngx_k8s_compile_t *c,
    ngx_k8s_held_t *held)
{
    ngx_int_t        rc;
    ngx_uint_t       i;
    ngx_k8s_port_t  *port;

    rc = NGX_OK;

    for (i = 0; i < held->nports; i++) {
        port = held->ports[i];

        if (port == NULL || port->slot) {
            continue;
        }

        if (port->full) {
            return NGX_DECLINED;
        }

        rc = NGX_AGAIN;
    }

    if (held->policy) {

        switch (ngx_k8s_compile_policy_ready(c, held->policy)) {

        case NGX_OK:
            break;

        case NGX_AGAIN:
            rc = NGX_AGAIN;
            break;

        default:
            return NGX_DECLINED;
        }
    }

    return rc;
}


static ngx_k8s_held_t *
ngx_k8s_compile_hold_alloc(ngx_k8s_compile_t *c, ngx_uint_t n)
{
    ngx_k8s_held_t  *held;

    held = ngx_alloc(offsetof(ngx_k8s_held_t, ports)
                     + n * sizeof(ngx_k8s_port_t *), c->log);

    if (held) {
        held->item = NULL;
        held->stamp = 0;
        held->rule = 0;
        held->nports = 0;
        held->policy = NULL;
        held->expr = NULL;
        held->fresh = 1;
        ngx_memzero(held->spreaders, sizeof(held->spreaders));
    }

    return held;
}


static ngx_int_t
ngx_k8s_compile_hold_port(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_k8s_target_t *target)
{
    ngx_k8s_port_t  *port;

    if (target->ref.name.len == 0) {
        held->ports[held->nports++] = NULL;
        return NGX_OK;
    }

    port = ngx_k8s_compile_port(c, &target->ref.namespace, &target->ref.name,
                                &target->port, &target->protocol,
                                target->cluster);
    if (port == NULL) {
        return NGX_DECLINED;
    }

    held->ports[held->nports++] = port;

    return NGX_OK;
}


/* requests of a canary are those of its primary, counted apart */

static ngx_int_t
ngx_k8s_compile_label_item(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_k8s_item_t *item)
{
    ngx_str_t              name;
    ngx_k8s_item_t        *primary;
    ngx_k8s_model_rule_t  *rule;

    name = item->rule->name;

    if (item->canary) {

        if (ngx_k8s_canary_name(c, item, &name) != NGX_OK) {
            return NGX_ERROR;
        }

        primary = ngx_k8s_canary_primary(item);
        item = primary ? primary : ngx_k8s_item_leader(item);
    }

    rule = item->rule;

    return ngx_k8s_compile_label(c, held, item->claim->state->node,
                                 &item->match->path,
                                 item->claim->model->object, &name,
                                 rule->ntargets ? rule->targets : NULL);
}


static ngx_int_t
ngx_k8s_compile_label(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_k8s_node_t *host, ngx_str_t *path, ngx_k8s_object_t *object,
    ngx_str_t *rule, ngx_k8s_target_t *target)
{
    uint32_t  slot;

    slot = ngx_k8s_compile_rule(c, host, path, object, rule, target);

    if (slot == 0 || ngx_k8s_compile_rule_ref(c, slot) != NGX_OK) {
        return NGX_ERROR;
    }

    held->rule = slot;

    return NGX_OK;
}


/* the slot of the rule record with the labels of a path; 0: no room */

static uint32_t
ngx_k8s_compile_rule(ngx_k8s_compile_t *c, ngx_k8s_node_t *host,
    ngx_str_t *path, ngx_k8s_object_t *object, ngx_str_t *rule,
    ngx_k8s_target_t *target)
{
    ngx_str_t           none, shown, *names[7];
    ngx_k8s_builder_t  *b;

    b = &c->builder;

    ngx_str_null(&none);
    shown = ngx_k8s_host_shown(&host->name);

    names[0] = object ? &ngx_k8s_kinds[object->kind].name : &none;
    names[1] = object ? &object->namespace : &target->ref.namespace;
    names[2] = object ? &object->name : &none;
    names[3] = rule;
    names[4] = &shown;
    names[5] = path;
    names[6] = target ? &target->ref.name : &none;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_RULE, sizeof(ngx_k8s_rule_rec_t));

    ngx_k8s_builder_names(b, 7, names);

    if (target) {
        ngx_k8s_builder_set(b, ngx_k8s_rule_rec_t, port, &target->port);
    }

    return ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);
}


ngx_int_t
ngx_k8s_compile_hold_rule(ngx_k8s_compile_t *c, ngx_k8s_item_t *item)
{
    ngx_str_t            port;
    ngx_k8s_target_t    *target;
    ngx_k8s_rule_ref_t  *ref;
    ngx_k8s_rule_rec_t  *rec;

    ref = &c->rules[item->held->rule];

    if (ref->stamp == (uint32_t) c->stamp || item->rule->ntargets == 0) {
        return NGX_OK;
    }

    ref->stamp = c->stamp;

    target = item->rule->targets;
    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_RULE, item->held->rule);

    if (rec) {
        ngx_k8s_record_str(rec, &rec->port, &port);

        if (ngx_k8s_str_eq(&port, &target->port)) {
            return NGX_OK;
        }
    }

    return ngx_k8s_compile_rule(c, item->claim->state->node,
                                &item->match->path,
                                item->claim->model->object, &item->rule->name,
                                target)
           ? NGX_OK : NGX_DECLINED;
}


/* references to rule records, by slot: several paths may have one */

static ngx_int_t
ngx_k8s_compile_rule_ref(ngx_k8s_compile_t *c, uint32_t slot)
{
    ngx_uint_t           n;
    ngx_k8s_rule_ref_t  *refs;

    if (slot >= c->nrules) {

        for (n = c->nrules ? c->nrules : 1024; n <= slot; n *= 2) {
            /* void */
        }

        refs = ngx_calloc(n * sizeof(ngx_k8s_rule_ref_t), c->log);
        if (refs == NULL) {
            return NGX_ERROR;
        }

        if (c->rules) {
            ngx_memcpy(refs, c->rules, c->nrules * sizeof(ngx_k8s_rule_ref_t));
            ngx_free(c->rules);
        }

        c->rules = refs;
        c->nrules = n;
    }

    c->rules[slot].refs++;

    return NGX_OK;
}


ngx_uint_t
ngx_k8s_compile_held(ngx_k8s_compile_t *c, uint32_t slot, void *rec)
{
    return slot < c->nrules && c->rules[slot].refs;
}


void
ngx_k8s_compile_release(ngx_k8s_compile_t *c, ngx_k8s_held_t **held)
{
    ngx_uint_t       i;
    ngx_k8s_held_t  *h;

    h = *held;

    if (h == NULL) {
        return;
    }

    *held = NULL;

    ngx_k8s_spread_release(c, h);

    for (i = 0; i < h->nports; i++) {
        if (h->ports[i]) {
            ngx_k8s_compile_port_put(c, h->ports[i]);
        }
    }

    if (h->policy) {
        ngx_k8s_compile_policy_put(c, h->policy);
    }

    ngx_k8s_expr_put(c, h);

    if (h->rule && --c->rules[h->rule].refs == 0) {
        ngx_k8s_writer_remove(c->writer, h->rule);
    }

    ngx_free(h);
}


void
ngx_k8s_item_release(ngx_k8s_compile_t *c, ngx_k8s_item_t *item)
{
    ngx_k8s_item_unhold(item);
    ngx_k8s_compile_release(c, &item->held);
}
