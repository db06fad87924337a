
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The record of a host, or of a shard, written from what is collected of it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static void ngx_k8s_record_fixed(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_uint_t n);
static void ngx_k8s_record_root(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
static void ngx_k8s_record_paths(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
static void ngx_k8s_record_matches(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_list_t *paths, ngx_k8s_list_t *matches,
    ngx_k8s_list_t *predicates);
static void ngx_k8s_record_match(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, uint32_t action, uint32_t offset,
    uint32_t predicates);
static void ngx_k8s_record_trial(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_uint_t n, uint32_t offset, uint32_t predicates);


uint32_t
ngx_k8s_record_put(ngx_k8s_compile_t *c, ngx_k8s_making_t *m, ngx_uint_t n)
{
    ngx_k8s_builder_t  *b;

    b = &c->builder;

    ngx_k8s_record_fixed(c, m, n);
    ngx_k8s_record_paths(c, m);
    ngx_k8s_builder_paths(b);

    if (m->head && m->state->nshards && !b->failed) {
        ((ngx_k8s_host_t *) ngx_k8s_builder_ptr(b, 0))->longest
                                                          = m->state->longest;
    }

    if (b->failed || b->len > ngx_k8s_writer_largest(c->writer)) {
        m->state->large = 1;
    }

    if (!m->head) {
        return ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);
    }

    /* a certificate that goes may come again */

    return ngx_k8s_compile_put_spare(c, &c->builder,
                         ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_HOST,
                                             m->state->slot),
                         m->tls ? (NGX_K8S_KEY_TYPES - m->ncerts)
                                  * sizeof(ngx_k8s_slot_ref_t) : 0, 0);
}


static void
ngx_k8s_record_fixed(ngx_k8s_compile_t *c, ngx_k8s_making_t *m, ngx_uint_t n)
{
    u_char                 buf[NGX_K8S_KEY_MAX];
    ngx_str_t              key, *name;
    ngx_uint_t             i;
    ngx_k8s_host_t        *rec;
    ngx_k8s_list_t         list;
    ngx_k8s_node_t        *node;
    ngx_k8s_builder_t     *b;
    ngx_k8s_slot_ref_t    *refs;
    ngx_k8s_host_state_t  *state;

    b = &c->builder;
    state = m->state;
    node = state->node;
    name = &node->name;

    ngx_k8s_builder_begin(b, m->head ? NGX_K8S_INDEX_HOST
                                     : NGX_K8S_INDEX_PATHS,
                          sizeof(ngx_k8s_host_t));

    key.data = buf;
    key.len = m->head ? ngx_k8s_key_host(buf, node->route_set, node->class,
                                         name)
                      : ngx_k8s_key_shard(buf, node->route_set, node->class,
                                          name, n, state->nshards);

    ngx_k8s_builder_set(b, ngx_k8s_record_t, key, &key);

    /* the name is a part of the key */

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->name.offset = rec->header.key.offset + sizeof(uint32_t);
    rec->name.len = name->len;
    rec->route_set = node->route_set;
    rec->class = node->class;

    list = ngx_k8s_record_list(b, m->ncerts, sizeof(m->certs[0]));

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->certificates = list;
    rec->fallback = NGX_K8S_NONE;

    ngx_memcpy(ngx_k8s_builder_ptr(b, list.offset), m->certs,
               m->ncerts * sizeof(m->certs[0]));

    if (!m->head) {
        return;
    }

    if (name->len && name->data[0] == '.') {
        rec->flags |= NGX_K8S_HOST_WILDCARD;
    }

    /* all hosts of a Gateway that fit compete for a request */

    if (node->route_set) {
        rec->flags |= NGX_K8S_HOST_ANY_DEPTH|NGX_K8S_HOST_FALLTHROUGH;
    }

    if (m->apart) {
        rec->flags |= NGX_K8S_HOST_FALLTHROUGH;
    }

    if (m->tls) {
        rec->flags |= NGX_K8S_HOST_TLS;
    }

    if (state->nclosing || state->unseen) {
        rec->flags |= NGX_K8S_HOST_CLOSED;
    }

    if (m->policy) {
        rec->policy = m->policy->slot;
    }

    if (state->nroot) {
        ngx_k8s_record_root(c, m);
    }

    list = ngx_k8s_record_list(b, state->nshards, sizeof(ngx_k8s_slot_ref_t));

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->shards = list;

    refs = ngx_k8s_builder_ptr(b, list.offset);

    for (i = 0; i < state->nshards; i++) {
        refs[i] = state->shards[i].ref;
    }
}


static void
ngx_k8s_record_root(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_str_t             *root;
    ngx_k8s_host_t        *old;
    ngx_k8s_claim_t       *claim;
    ngx_k8s_host_state_t  *state;

    state = m->state;
    claim = ngx_k8s_compile_root(state);
    root = &claim->model->root;

    if (claim != state->rooted) {
        state->saying = (ngx_k8s_claim_t *) ngx_rbtree_min(state->claims.root,
                                                           &state->sentinel);
    }

    state->rooted = claim;

    if (state->partial) {
        old = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_HOST, state->slot);

        if (old == NULL || old->root.len < root->len) {
            state->skipped = 1;
            return;
        }
    }

    ngx_k8s_builder_set(&c->builder, ngx_k8s_host_t, root, root);
}


ngx_k8s_list_t
ngx_k8s_record_list(ngx_k8s_builder_t *b, ngx_uint_t n, size_t size)
{
    ngx_k8s_list_t  list;

    list.n = n;
    list.offset = n ? ngx_k8s_builder_alloc(b, n * size) : 0;

    return list;
}


static void
ngx_k8s_record_paths(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_k8s_host_t     *rec;
    ngx_k8s_list_t      paths, matches, predicates, actions, backends;
    ngx_k8s_list_t      mirrors, listeners;
    ngx_k8s_builder_t  *b;

    b = &c->builder;

    actions = ngx_k8s_record_list(b, m->actions.nelts,
                                  sizeof(ngx_k8s_action_t));
    backends = ngx_k8s_record_list(b, m->backends.nelts,
                                   sizeof(ngx_k8s_backend_rec_t));
    mirrors = ngx_k8s_record_list(b, m->mirrors.nelts,
                                  sizeof(ngx_k8s_mirror_rec_t));
    listeners = ngx_k8s_record_list(b, m->listeners.nelts, sizeof(uint32_t));
    paths = ngx_k8s_record_list(b, m->places.nelts, sizeof(ngx_k8s_path_t));
    matches = ngx_k8s_record_list(b, m->items.nelts + m->trials.nelts
                                     + (m->head && m->none >= 0),
                                  sizeof(ngx_k8s_match_t));
    predicates = ngx_k8s_record_list(b, m->npredicates + m->trials.nelts,
                                     sizeof(ngx_k8s_predicate_t));
    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->actions = actions;
    rec->backends = backends;
    rec->mirrors = mirrors;
    rec->listeners = listeners;
    rec->paths = paths;
    rec->matches = matches;
    rec->predicates = predicates;

    ngx_memcpy(ngx_k8s_builder_ptr(b, actions.offset), m->actions.elts,
               actions.n * sizeof(ngx_k8s_action_t));
    ngx_memcpy(ngx_k8s_builder_ptr(b, backends.offset), m->backends.elts,
               backends.n * sizeof(ngx_k8s_backend_rec_t));
    ngx_memcpy(ngx_k8s_builder_ptr(b, mirrors.offset), m->mirrors.elts,
               mirrors.n * sizeof(ngx_k8s_mirror_rec_t));
    ngx_memcpy(ngx_k8s_builder_ptr(b, listeners.offset), m->listeners.elts,
               listeners.n * sizeof(uint32_t));

    ngx_k8s_record_matches(c, m, &paths, &matches, &predicates);
}


static void
ngx_k8s_record_matches(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_list_t *paths, ngx_k8s_list_t *matches, ngx_k8s_list_t *predicates)
{
    ngx_uint_t          i, n, k, t;
    ngx_k8s_str_t       text;
    ngx_k8s_item_t    **items;
    ngx_k8s_path_t     *path;
    ngx_k8s_place_t    *places;
    ngx_k8s_match_t    *match;
    ngx_k8s_builder_t  *b;

    b = &c->builder;
    places = m->places.elts;
    items = m->items.elts;
    n = 0;

    m->npredicates = 0;
    m->turns = m->state->nregex ? ngx_k8s_compile_regex_claim(m->state) : NULL;

    for (i = 0; i < m->places.nelts; i++) {
        text = ngx_k8s_builder_str(b, &places[i].text);

        if (b->failed) {
            return;
        }

        path = (ngx_k8s_path_t *) ngx_k8s_builder_ptr(b, paths->offset) + i;
        path->type = places[i].type;
        path->text = text;
        path->match = n;
        path->nmatches = places[i].n + m->trial[places[i].first + places[i].n]
                         - m->trial[places[i].first];

        m->rewrite = places[i].rewrite;
        m->regex = (m->state->nregex
                    && places[i].type == NGX_K8S_PATH_REGEX);

        for (k = places[i].first; k < places[i].first + places[i].n; k++) {

            for (t = m->trial[k]; t < m->trial[k + 1]; t++) {
                ngx_k8s_record_trial(c, m, items[k], t,
                                     matches->offset
                                     + n++ * sizeof(ngx_k8s_match_t),
                                     predicates->offset);
            }

            ngx_k8s_record_match(c, m, items[k], m->action[k],
                                 matches->offset
                                 + n++ * sizeof(ngx_k8s_match_t),
                                 predicates->offset);
        }
    }

    if (!m->head || m->none < 0 || b->failed) {
        return;
    }

    ((ngx_k8s_host_t *) ngx_k8s_builder_ptr(b, 0))->fallback = n;

    match = (ngx_k8s_match_t *) ngx_k8s_builder_ptr(b, matches->offset) + n;

    match->flags = NGX_K8S_MATCH_DEFAULT;
    match->action = m->none;

    if (m->fallback_held) {
        match->rule = m->fallback_held->rule;
        match->policy = ngx_k8s_held_policy(m->fallback_held);
    }

    if (m->fallback_rewrite) {
        match->flags |= NGX_K8S_MATCH_REWRITE;
    }
}


static void
ngx_k8s_record_match(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, uint32_t action, uint32_t offset,
    uint32_t predicates)
{
    ngx_uint_t              i;
    ngx_k8s_str_t           name, value;
    ngx_k8s_match_t        *match;
    ngx_k8s_builder_t      *b;
    ngx_k8s_predicate_t    *predicate;
    ngx_k8s_model_match_t  *model;

    b = &c->builder;
    model = item->match;

    match = ngx_k8s_builder_ptr(b, offset);

    match->action = action;
    match->rule = item->held->rule;
    match->policy = ngx_k8s_held_policy(item->held);
    match->predicate = m->npredicates;
    match->order = model->order;

    if (item->claim->nlisteners) {
        match->listener = item->claim->listener;
        match->nlisteners = item->claim->nlisteners;
    }

    if (m->rewrite) {
        match->flags |= NGX_K8S_MATCH_REWRITE;
    }

    if (m->regex) {
        match->flags |= (item->claim == m->turns) ? NGX_K8S_MATCH_REGEX
                        : item->claim->regex ? 0 : NGX_K8S_MATCH_TURNED;
    }

    if (item->slash) {
        return;
    }

    match->npredicates = model->npredicates;

    for (i = 0; i < model->npredicates; i++) {
        name = ngx_k8s_builder_str(b, &model->predicates[i].name);
        value = ngx_k8s_builder_str(b, &model->predicates[i].value);

        if (b->failed) {
            return;
        }

        predicate = (ngx_k8s_predicate_t *) ngx_k8s_builder_ptr(b, predicates)
                    + m->npredicates++;

        predicate->what = model->predicates[i].what;
        predicate->how = model->predicates[i].how;
        predicate->name = name;
        predicate->value = value;
    }
}


/* as the match of the item, for requests for which one thing more holds */

static void
ngx_k8s_record_trial(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_uint_t n, uint32_t offset, uint32_t predicates)
{
    ngx_k8s_str_t         name, value;
    ngx_k8s_match_t      *match;
    ngx_k8s_trial_t      *trial;
    ngx_k8s_canary_t     *canary;
    ngx_k8s_builder_t    *b;
    ngx_k8s_predicate_t  *predicate;

    b = &c->builder;
    trial = (ngx_k8s_trial_t *) m->trials.elts + n;

    ngx_k8s_record_match(c, m, item, trial->action, offset, predicates);

    canary = trial->canary;
    name = ngx_k8s_builder_str(b, &trial->name);

    if (canary && canary->stamp == c->stamp) {
        value.offset = canary->offset;
        value.len = trial->value.len;

    } else {
        value = ngx_k8s_builder_str(b, &trial->value);
    }

    if (b->failed) {
        return;
    }

    if (canary) {
        canary->stamp = c->stamp;
        canary->offset = value.offset;
    }

    match = ngx_k8s_builder_ptr(b, offset);
    match->npredicates++;

    predicate = (ngx_k8s_predicate_t *) ngx_k8s_builder_ptr(b, predicates)
                + m->npredicates++;

    predicate->what = trial->what;
    predicate->how = trial->how;
    predicate->name = name;
    predicate->value = value;
}
