
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The actions of a record in the making: what the matches of its paths lead to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_int_t ngx_k8s_action_backend(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_port_t *port, ngx_k8s_target_t *target,
    ngx_uint_t weight);
static ngx_int_t ngx_k8s_action_mirrors(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_item_t *item, ngx_k8s_action_t *action);


ngx_int_t
ngx_k8s_compile_action(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item)
{
    uint64_t               weights;
    ngx_uint_t             i;
    ngx_k8s_action_t      *action;
    ngx_k8s_model_rule_t  *rule;

    rule = item->rule;

    if (item->slash) {
        return ngx_k8s_compile_action_status(m, NGX_K8S_ACTION_ADD_SLASH, 301);
    }

    weights = 0;

    for (i = 0; i < rule->ntargets; i++) {
        weights += rule->targets[i].weight;
    }

    if (weights == 0 || weights > NGX_MAX_INT32_VALUE) {
        return ngx_k8s_compile_action_status(m, NGX_K8S_ACTION_STATUS,
                                             rule->ntargets
                                             ? rule->targets[0].invalid : 500);
    }

    if (rule->ntargets == 1 && rule->nmirrors == 0) {
        return ngx_k8s_compile_action_one(c, m, item->held->ports[0],
                                          rule->targets);
    }

    action = ngx_array_push(&m->actions);
    if (action == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(action, sizeof(ngx_k8s_action_t));

    action->kind = NGX_K8S_ACTION_BACKENDS;
    action->backend = m->backends.nelts;
    action->nbackends = rule->ntargets;
    action->weights = weights;

    for (i = 0; i < rule->ntargets; i++) {
        if (ngx_k8s_action_backend(c, m, item->held->ports[i],
                                   &rule->targets[i], rule->targets[i].weight)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_k8s_action_mirrors(c, m, item, action) != NGX_OK) {
        return NGX_ERROR;
    }

    return m->actions.nelts - 1;
}


/* one that leads nowhere is left out */

static ngx_int_t
ngx_k8s_action_mirrors(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_k8s_action_t *action)
{
    ngx_uint_t             i;
    ngx_k8s_port_t        *port;
    ngx_k8s_model_rule_t  *rule;
    ngx_k8s_mirror_rec_t  *mirror;

    rule = item->rule;
    action->mirror = m->mirrors.nelts;

    for (i = 0; i < rule->nmirrors; i++) {
        port = item->held->ports[rule->ntargets + i];

        if (port == NULL) {
            continue;
        }

        mirror = ngx_array_push(&m->mirrors);
        if (mirror == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(mirror, sizeof(ngx_k8s_mirror_rec_t));

        mirror->service = port->slot;
        mirror->generation = ngx_k8s_slot(c->table, port->slot)->generation;
        mirror->share = rule->mirrors[i].share;

        action->nmirrors++;
    }

    return NGX_OK;
}


/* the action of one Service, which many matches may share */

ngx_int_t
ngx_k8s_compile_action_one(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_port_t *port, ngx_k8s_target_t *target)
{
    ngx_k8s_action_t       *action;
    ngx_k8s_backend_rec_t  *backend;

    if (port == NULL) {
        return ngx_k8s_compile_action_status(m, NGX_K8S_ACTION_STATUS,
                                             target->invalid);
    }

    if (port->stamp == c->stamp) {
        action = (ngx_k8s_action_t *) m->actions.elts + port->index;
        backend = (ngx_k8s_backend_rec_t *) m->backends.elts + action->backend;

        if (target == NULL || backend->invalid == target->invalid) {
            return port->index;
        }
    }

    action = ngx_array_push(&m->actions);
    if (action == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(action, sizeof(ngx_k8s_action_t));

    action->kind = NGX_K8S_ACTION_BACKENDS;
    action->backend = m->backends.nelts;
    action->nbackends = 1;
    action->weights = 1;

    port->stamp = c->stamp;
    port->index = m->actions.nelts - 1;

    if (ngx_k8s_action_backend(c, m, port, target, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    return port->index;
}


static ngx_int_t
ngx_k8s_action_backend(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_port_t *port, ngx_k8s_target_t *target, ngx_uint_t weight)
{
    ngx_k8s_backend_rec_t  *backend;

    backend = ngx_array_push(&m->backends);
    if (backend == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(backend, sizeof(ngx_k8s_backend_rec_t));

    backend->weight = weight;

    if (target) {
        backend->invalid = target->invalid;
    }

    if (port) {
        backend->service = port->slot;
        backend->generation = ngx_k8s_slot(c->table, port->slot)->generation;
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_compile_action_status(ngx_k8s_making_t *m, ngx_uint_t kind,
    ngx_uint_t status)
{
    ngx_uint_t         i;
    ngx_k8s_action_t  *action;

    action = m->actions.elts;

    for (i = 0; i < m->actions.nelts; i++) {
        if (action[i].kind == kind && action[i].status == status) {
            return i;
        }
    }

    action = ngx_array_push(&m->actions);
    if (action == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(action, sizeof(ngx_k8s_action_t));

    action->kind = kind;
    action->status = status;

    return i;
}
