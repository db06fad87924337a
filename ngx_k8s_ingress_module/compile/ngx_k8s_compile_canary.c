
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Canaries: objects that get a share of the requests of another one's path.
 * They make no paths.  The match of that path is preceded by matches for those
 * requests whose header or cookie decides, and its own action draws among the
 * canaries with a weight, the oldest first, and the Service of the path.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_uint_t ngx_k8s_canary_same(ngx_k8s_item_t *one,
    ngx_k8s_item_t *two);
static ngx_k8s_item_t *ngx_k8s_canary_first(ngx_k8s_item_t *item);
static ngx_k8s_item_t *ngx_k8s_canary_next(ngx_k8s_item_t *canary,
    ngx_uint_t *n);
static ngx_uint_t ngx_k8s_canary_over(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_item_t *item, ngx_uint_t n);
static ngx_int_t ngx_k8s_canary_trial(ngx_k8s_making_t *m, ngx_uint_t what,
    ngx_uint_t how, ngx_str_t *name, ngx_str_t *value,
    ngx_k8s_canary_t *canary, ngx_int_t action);
static ngx_int_t ngx_k8s_canary_header(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_uint_t n, ngx_k8s_canary_t *canary,
    ngx_int_t action);
static ngx_int_t ngx_k8s_canary_stay(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_canary_weighted(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_item_t *item);
static ngx_int_t ngx_k8s_canary_action(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_item_t *item, ngx_k8s_item_t *canary);
static ngx_k8s_action_t *ngx_k8s_canary_new(ngx_k8s_making_t *m);
static ngx_int_t ngx_k8s_canary_backend(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_item_t *item, ngx_uint_t weight,
    ngx_uint_t flags);
static ngx_uint_t ngx_k8s_canary_other(ngx_k8s_item_t *item,
    ngx_k8s_item_t *canary);


static ngx_str_t  ngx_k8s_always = ngx_string("always");
static ngx_str_t  ngx_k8s_never = ngx_string("never");
static ngx_str_t  ngx_k8s_any = ngx_string("");


/* as an expression a path with a slash at its end is another one */

static ngx_uint_t
ngx_k8s_canary_same(ngx_k8s_item_t *one, ngx_k8s_item_t *two)
{
    return ngx_k8s_item_same(one, two)
           && (one->claim->state->nregex == 0
               || ngx_k8s_str_eq(&one->match->path, &two->match->path));
}


/* they stand behind all others of the path */

static ngx_k8s_item_t *
ngx_k8s_canary_first(ngx_k8s_item_t *item)
{
    ngx_k8s_item_t  *canary;

    if (item->slash) {
        return NULL;
    }

    canary = ngx_k8s_item_canary(item);

    return (canary && ngx_k8s_canary_same(canary, item)) ? canary : NULL;
}


/* n: how many were before it, 0 at first */

static ngx_k8s_item_t *
ngx_k8s_canary_next(ngx_k8s_item_t *canary, ngx_uint_t *n)
{
    ngx_k8s_item_t  *next;

    if (++*n == NGX_K8S_CANARIES) {
        return NULL;
    }

    next = ngx_k8s_item_next(canary);

    return (next && ngx_k8s_canary_same(next, canary)) ? next : NULL;
}


ngx_uint_t
ngx_k8s_canary_counts(ngx_k8s_item_t *canary)
{
    ngx_uint_t       n;
    ngx_k8s_item_t  *item;

    item = canary;

    for (n = 0; n < NGX_K8S_CANARIES; n++) {

        item = ngx_k8s_item_prev(item);

        if (item == NULL || !item->canary || !ngx_k8s_canary_same(item, canary))
        {
            return 1;
        }
    }

    return 0;
}


ngx_k8s_item_t *
ngx_k8s_canary_primary(ngx_k8s_item_t *canary)
{
    ngx_uint_t       n;
    ngx_k8s_item_t  *item;

    item = ngx_k8s_item_leader(canary);

    /* a record has no more of them */

    for (n = 0; n < NGX_K8S_REGEX_PATHS; n++) {

        if (item->canary) {
            return NULL;
        }

        if (ngx_k8s_canary_same(item, canary)) {
            return item;
        }

        item = ngx_k8s_item_next(item);
    }

    return NULL;
}


ngx_uint_t
ngx_k8s_canary_equal(ngx_k8s_canary_t *one, ngx_k8s_canary_t *two)
{
    if (one == NULL || two == NULL) {
        return one == two;
    }

    return one->weight == two->weight && one->total == two->total
           && ngx_k8s_str_eq(&one->header, &two->header)
           && ngx_k8s_str_eq(&one->value, &two->value)
           && ngx_k8s_str_eq(&one->pattern, &two->pattern)
           && ngx_k8s_str_eq(&one->cookie, &two->cookie);
}


ngx_uint_t
ngx_k8s_canary_bad(ngx_k8s_compile_t *c, ngx_k8s_canary_t *canary,
    ngx_str_t *error)
{
    u_char     buf[NGX_MAX_CONF_ERRSTR];
    ngx_str_t  text;

    if (c->conf.regex == NULL || canary->header.len == 0
        || canary->value.len || canary->pattern.len == 0
        || (canary->tried && (error == NULL || !canary->bad)))
    {
        canary->tried = 1;
        return canary->bad;
    }

    text.data = buf;

    if (error == NULL) {
        error = &text;
    }

    canary->tried = 1;
    canary->bad = (c->conf.regex(&canary->pattern, error, c->log)
                   == NGX_DECLINED);

    return canary->bad;
}


ngx_int_t
ngx_k8s_canary_holds(ngx_k8s_compile_t *c, ngx_k8s_making_t *m, ngx_uint_t n)
{
    ngx_uint_t        i, k, max, over, skip, pattern;
    ngx_k8s_item_t   *canary, **items, **hold;

    items = m->items.elts;
    max = NGX_K8S_CANARIES_MAX / ngx_max(m->items.nelts, 1);
    max = ngx_max(max, 1);

    if (!m->head) {
        m->state->shards[n].over = 0;
    }

    for (i = 0; i < m->items.nelts; i++) {

        hold = ngx_array_push(&m->holds);
        if (hold == NULL) {
            return NGX_ERROR;
        }

        *hold = items[i];

        k = 0;

        for (canary = ngx_k8s_canary_first(items[i]);
             canary;
             canary = ngx_k8s_canary_next(canary, &k))
        {
            over = (k >= max);
            skip = (over || ngx_k8s_item_skip(canary));
            pattern = (!skip && ngx_k8s_canary_over(c, m, canary, n));

            if (over != canary->over || pattern != canary->pattern) {
                canary->over = over;
                canary->pattern = pattern;

                if (canary->claim->link) {
                    ngx_k8s_entry_mark(c->store, canary->claim->entry);
                }
            }

            if (skip || pattern) {
                continue;
            }

            hold = ngx_array_push(&m->holds);
            if (hold == NULL) {
                return NGX_ERROR;
            }

            *hold = canary;
        }
    }

    return NGX_OK;
}


/* whether its expression is one more than the record, or all, may have */

static ngx_uint_t
ngx_k8s_canary_over(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_uint_t n)
{
    ngx_k8s_canary_t  *canary;

    canary = item->claim->model->canary;

    if (canary->counted == c->stamp || !ngx_k8s_expr_counts(item)) {
        return 0;
    }

    if (m->nexprs >= NGX_K8S_REGEX_EXPRS) {
        return 1;
    }

    if (ngx_k8s_expr_room(c, item)) {
        canary->counted = c->stamp;
        m->nexprs++;
        return 0;
    }

    ngx_k8s_expr_over(c, m->state, 1);

    if (!m->head) {
        m->state->shards[n].over = 1;
    }

    return 1;
}


ngx_int_t
ngx_k8s_canary_name(ngx_k8s_compile_t *c, ngx_k8s_item_t *canary,
    ngx_str_t *name)
{
    ngx_k8s_target_t  *target;

    target = canary->rule->targets;

    name->data = ngx_pnalloc(c->pool, target->ref.namespace.len + 1
                                      + target->ref.name.len + 1
                                      + target->port.len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "%V-%V-%V", &target->ref.namespace,
                            &target->ref.name, &target->port)
                - name->data;

    return NGX_OK;
}


/* header, then cookie, of each; then one draw, which is item's own match */

ngx_int_t
ngx_k8s_compile_canary_trials(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_uint_t n)
{
    ngx_int_t          action, stay;
    ngx_uint_t         k;
    ngx_k8s_item_t    *item, *canary;
    ngx_k8s_canary_t  *conf;

    item = ((ngx_k8s_item_t **) m->items.elts)[n];

    stay = ngx_k8s_canary_stay(c, m, item);

    if (stay == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (stay != NGX_DECLINED) {
        m->action[n] = stay;
    }

    k = 0;

    for (canary = ngx_k8s_canary_first(item);
         canary;
         canary = ngx_k8s_canary_next(canary, &k))
    {
        conf = canary->claim->model->canary;

        if (!ngx_k8s_canary_other(item, canary)
            || (conf->header.len == 0 && conf->cookie.len == 0))
        {
            continue;
        }

        action = ngx_k8s_canary_action(c, m, item, canary);
        if (action == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (conf->header.len
            && ngx_k8s_canary_header(c, m, n, conf, action) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (conf->cookie.len
            && (ngx_k8s_canary_trial(m, NGX_K8S_PREDICATE_COOKIE,
                                     NGX_K8S_PREDICATE_EQUAL, &conf->cookie,
                                     &ngx_k8s_always, NULL, action)
                != NGX_OK
                || ngx_k8s_canary_trial(m, NGX_K8S_PREDICATE_COOKIE,
                                        NGX_K8S_PREDICATE_EQUAL,
                                        &conf->cookie, &ngx_k8s_never, NULL,
                                        m->action[n])
                   != NGX_OK))
        {
            return NGX_ERROR;
        }
    }

    action = ngx_k8s_canary_weighted(c, m, item);

    if (action == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (action != NGX_DECLINED) {
        m->action[n] = action;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_canary_header(ngx_k8s_compile_t *c, ngx_k8s_making_t *m, ngx_uint_t n,
    ngx_k8s_canary_t *canary, ngx_int_t action)
{
    if (canary->value.len) {
        return ngx_k8s_canary_trial(m, NGX_K8S_PREDICATE_HEADER,
                                    NGX_K8S_PREDICATE_EQUAL, &canary->header,
                                    &canary->value, canary, action);
    }

    if (canary->pattern.len && ngx_k8s_canary_bad(c, canary, NULL)) {

        /* as there: who has the header stays where he is */

        return ngx_k8s_canary_trial(m, NGX_K8S_PREDICATE_HEADER,
                                    NGX_K8S_PREDICATE_REGEX, &canary->header,
                                    &ngx_k8s_any, NULL, m->action[n]);
    }

    if (canary->pattern.len) {
        return ngx_k8s_canary_trial(m, NGX_K8S_PREDICATE_HEADER,
                                    NGX_K8S_PREDICATE_REGEX, &canary->header,
                                    &canary->pattern, canary, action);
    }

    if (ngx_k8s_canary_trial(m, NGX_K8S_PREDICATE_HEADER,
                             NGX_K8S_PREDICATE_EQUAL, &canary->header,
                             &ngx_k8s_always, NULL, action)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_canary_trial(m, NGX_K8S_PREDICATE_HEADER,
                                NGX_K8S_PREDICATE_EQUAL, &canary->header,
                                &ngx_k8s_never, NULL, m->action[n]);
}


static ngx_int_t
ngx_k8s_canary_trial(ngx_k8s_making_t *m, ngx_uint_t what, ngx_uint_t how,
    ngx_str_t *name, ngx_str_t *value, ngx_k8s_canary_t *canary,
    ngx_int_t action)
{
    ngx_k8s_trial_t  *trial;

    trial = ngx_array_push(&m->trials);
    if (trial == NULL) {
        return NGX_ERROR;
    }

    trial->what = what;
    trial->how = how;
    trial->name = *name;
    trial->value = *value;
    trial->canary = canary;
    trial->action = action;

    return NGX_OK;
}


/*
 * With affinity of the primary: its action where no canary gets the request,
 * but those of clients that one of them has.  NGX_DECLINED: there is none.
 */

static ngx_int_t
ngx_k8s_canary_stay(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item)
{
    ngx_uint_t         k, action;
    ngx_k8s_item_t    *canary;
    ngx_k8s_action_t  *a;

    a = NULL;
    action = 0;
    k = 0;

    for (canary = ngx_k8s_canary_first(item);
         canary;
         canary = ngx_k8s_canary_next(canary, &k))
    {
        if (canary->held == NULL || canary->held->ports[0] == NULL) {
            continue;
        }

        if (ngx_k8s_spread_canary(c, canary->held, canary, item) != NGX_OK) {
            return NGX_ERROR;
        }

        if (!ngx_k8s_canary_other(item, canary)
            || !ngx_k8s_spread_sticky(item, canary))
        {
            continue;
        }

        if (a == NULL) {
            a = ngx_k8s_canary_new(m);
            if (a == NULL) {
                return NGX_ERROR;
            }

            action = m->actions.nelts - 1;
        }

        if (ngx_k8s_canary_backend(c, m, canary, 0, NGX_K8S_BACKEND_CANARY)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (a == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_k8s_canary_backend(c, m, item, 1, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    a = (ngx_k8s_action_t *) m->actions.elts + action;
    a->nbackends = m->backends.nelts - a->backend;
    a->weights = 1;

    return action;
}


/* NGX_DECLINED: none has a weight */

static ngx_int_t
ngx_k8s_canary_weighted(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item)
{
    uint64_t           part, left, total;
    ngx_uint_t         i, k, action;
    ngx_k8s_item_t    *canary;
    ngx_k8s_action_t  *a;
    ngx_k8s_canary_t  *conf;

    a = NULL;
    action = 0;
    left = NGX_MAX_INT32_VALUE;
    total = 0;
    k = 0;

    for (canary = ngx_k8s_canary_first(item);
         canary;
         canary = ngx_k8s_canary_next(canary, &k))
    {
        conf = canary->claim->model->canary;

        if (!ngx_k8s_canary_other(item, canary)
            || (conf->weight == 0 && !ngx_k8s_spread_sticky(item, canary)))
        {
            continue;
        }

        if (a == NULL) {
            a = ngx_k8s_canary_new(m);
            if (a == NULL) {
                return NGX_ERROR;
            }

            action = m->actions.nelts - 1;

            /* with one of them the draw is of its own total, and exact */

            i = k;
            left = ngx_k8s_canary_next(canary, &i) ? NGX_MAX_INT32_VALUE
                                                   : conf->total;
            total = left;
        }

        part = total * conf->weight / conf->total;
        part = ngx_min(part, left);
        left -= part;

        if (ngx_k8s_canary_backend(c, m, canary, part, NGX_K8S_BACKEND_CANARY)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (a == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_k8s_canary_backend(c, m, item, left, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    a = (ngx_k8s_action_t *) m->actions.elts + action;
    a->nbackends = m->backends.nelts - a->backend;
    a->weights = total;

    return action;
}


/* all requests, while it has endpoints */

static ngx_int_t
ngx_k8s_canary_action(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_k8s_item_t *canary)
{
    ngx_k8s_action_t  *action;

    action = ngx_k8s_canary_new(m);
    if (action == NULL) {
        return NGX_ERROR;
    }

    action->nbackends = 2;
    action->weights = 1;

    if (ngx_k8s_canary_backend(c, m, canary, 1, NGX_K8S_BACKEND_CANARY)
        != NGX_OK
        || ngx_k8s_canary_backend(c, m, item, 0, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return m->actions.nelts - 1;
}


static ngx_k8s_action_t *
ngx_k8s_canary_new(ngx_k8s_making_t *m)
{
    ngx_k8s_action_t  *action;

    action = ngx_array_push(&m->actions);
    if (action == NULL) {
        return NULL;
    }

    ngx_memzero(action, sizeof(ngx_k8s_action_t));

    action->kind = NGX_K8S_ACTION_BACKENDS;
    action->backend = m->backends.nelts;

    return action;
}


static ngx_int_t
ngx_k8s_canary_backend(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_uint_t weight, ngx_uint_t flags)
{
    ngx_k8s_port_t         *port;
    ngx_k8s_backend_rec_t  *backend;

    port = item->held->ports[0];

    backend = ngx_array_push(&m->backends);
    if (backend == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(backend, sizeof(ngx_k8s_backend_rec_t));

    backend->service = port->slot;
    backend->generation = ngx_k8s_slot(c->table, port->slot)->generation;
    backend->weight = weight;
    backend->invalid = item->rule->targets[0].invalid;
    backend->flags = flags;

    if (item->canary) {
        backend->rule = item->held->rule;
    }

    return NGX_OK;
}


/* tools copy paths into a canary that lead where they led */

static ngx_uint_t
ngx_k8s_canary_other(ngx_k8s_item_t *item, ngx_k8s_item_t *canary)
{
    if (canary->over || canary->pattern || canary->held == NULL
        || item->rule->ntargets != 1
        || canary->rule->ntargets != 1)
    {
        return 0;
    }

    return item->held->ports[0] && canary->held->ports[0]
           && item->held->ports[0] != canary->held->ports[0];
}
