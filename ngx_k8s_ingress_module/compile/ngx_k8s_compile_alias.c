
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Other names of hosts.  A name that no object has as a host is an alias of a
 * host, or is redirected to one; its record leads to that by name, and has the
 * certificates of that which cover it.  Of a host the aliases count of the
 * oldest object that has any; of several objects with one alias the oldest one
 * has it.  As long as an alias is one, its state is among those of its host,
 * which tells it when its certificates change.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_ALIAS_HOSTS      64    /* of an object that are looked at */
#define NGX_K8S_ALIAS_TRIES      8     /* expressions compiled in one step */
#define NGX_K8S_ALIAS_LOOK       512   /* hosts and links of one step */
#define NGX_K8S_PATTERNS_SHARE   16    /* those of one namespace */


static ngx_int_t ngx_k8s_alias_patterns(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_alias_oldest(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_uint_t ngx_k8s_alias_enter(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry);
static void ngx_k8s_alias_shares(ngx_k8s_compile_t *c);
static void ngx_k8s_alias_leave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
static ngx_int_t ngx_k8s_alias_tried(ngx_k8s_compile_t *c);
static void ngx_k8s_alias_served(ngx_k8s_compile_t *c, ngx_k8s_alias_t *alias);
static ngx_int_t ngx_k8s_alias_winner(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_uint_t ngx_k8s_alias_begin(ngx_k8s_host_state_t *state);
static ngx_k8s_entry_t *ngx_k8s_alias_next(ngx_k8s_host_state_t *state);
static ngx_k8s_host_state_t *ngx_k8s_alias_target(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry);
static ngx_k8s_host_state_t *ngx_k8s_alias_twin(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
static ngx_k8s_host_state_t *ngx_k8s_alias_host(ngx_k8s_compile_t *c,
    ngx_str_t *name);
static ngx_k8s_certificate_t *ngx_k8s_alias_default(ngx_k8s_compile_t *c);
static void ngx_k8s_alias_lend(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_uint_t lends);
static void ngx_k8s_alias_tls(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *target, ngx_str_t *name, ngx_k8s_alias_t *alias);
static void ngx_k8s_alias_turn(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_uint_t kind, ngx_k8s_entry_t *entry);


/*
 * The record of a name that is no host.  NGX_OK: it is there, NGX_DECLINED:
 * there is none, NGX_AGAIN: there is more to do, NGX_ERROR.
 */

ngx_int_t
ngx_k8s_compile_alias(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_uint_t             kind;
    ngx_k8s_node_t        *node;
    ngx_k8s_entry_t       *entry;
    ngx_k8s_alias_t        alias;
    ngx_k8s_host_state_t  *target;

    node = state->node;

    if (ngx_queue_empty(&node->links[NGX_K8S_ROLE_ALIAS])) {
        ngx_k8s_compile_alias_end(c, state);
        return NGX_DECLINED;
    }

    if (ngx_k8s_str_eq_c(&node->name, NGX_K8S_HOST_PATTERNS_NAME)) {
        return ngx_k8s_alias_patterns(c, state);
    }

    ngx_memzero(&alias, sizeof(ngx_k8s_alias_t));

    kind = NGX_K8S_NAME_TWIN;
    alias.action = NGX_K8S_ACTION_TWIN;
    entry = NULL;

    target = ngx_k8s_alias_twin(c, node);

    if (target == NULL || ngx_k8s_owner_twin(state, target)) {
        target = NULL;
        kind = NGX_K8S_NAME_ALIAS;
        alias.action = NGX_K8S_ACTION_ALIAS;
        alias.flags = NGX_K8S_HOST_ALIAS;

        if (ngx_k8s_alias_winner(c, state) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        entry = state->found;
        target = entry ? ngx_k8s_alias_target(c, entry) : NULL;
    }

    if (target == NULL) {
        ngx_k8s_compile_alias_end(c, state);
        return NGX_DECLINED;
    }

    if (state->parent != target->node) {
        ngx_k8s_host_detach(c, state);

        state->parent = target->node;
        ngx_k8s_node_pin(c->store, target->node);
        ngx_queue_insert_tail(&target->aliases, &state->sibling);
    }

    ngx_k8s_alias_turn(c, state, kind, entry);

    alias.targets = &target->node->name;

    ngx_k8s_alias_lend(c, state, target->tls && target->ncerts == 0);
    ngx_k8s_alias_tls(c, target, &node->name, &alias);

    return ngx_k8s_alias_put(c, state, &alias);
}


void
ngx_k8s_compile_alias_end(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    if (state->kind == NGX_K8S_NAME_ALIAS || state->kind == NGX_K8S_NAME_TWIN)
    {
        ngx_k8s_host_detach(c, state);
        ngx_k8s_alias_lend(c, state, 0);
    }

    state->node->need = 0;

    ngx_k8s_alias_turn(c, state, NGX_K8S_NAME_NONE, NULL);
}


void
ngx_k8s_compile_alias_real(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_claim_t  *first;

    if (state->kind != NGX_K8S_NAME_HOST) {
        ngx_k8s_compile_alias_end(c, state);
        state->head = 1;
    }

    first = (state->claims.root != &state->sentinel)
            ? (ngx_k8s_claim_t *) ngx_rbtree_min(state->claims.root,
                                                 &state->sentinel)
            : NULL;

    ngx_k8s_alias_turn(c, state, NGX_K8S_NAME_HOST,
                       first ? first->entry : NULL);
}


/* what the name is has changed: all that would like to have it say so */

static void
ngx_k8s_alias_turn(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_uint_t kind, ngx_k8s_entry_t *entry)
{
    ngx_uint_t  named;

    state->seek = NULL;

    if (kind == state->kind && entry == state->winner) {
        return;
    }

    named = ngx_k8s_compile_named(state->node);

    state->kind = kind;
    state->winner = entry;

    ngx_k8s_claim_want(state);

    if (ngx_k8s_compile_named(state->node) != named) {
        ngx_k8s_node_hint(c->store, state->node);
    }
}


/*
 * The oldest of those whose alias it is, in state->found.  NGX_AGAIN: there is
 * more to do; the walk begins anew where a link, or whose aliases a host has,
 * changes: both mark the node.
 */

static ngx_int_t
ngx_k8s_alias_winner(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_int_t         budget;
    ngx_k8s_entry_t  *entry;

    if (ngx_k8s_alias_begin(state)) {
        state->found = NULL;
    }

    for (budget = NGX_K8S_ALIAS_LOOK; budget > 0; budget--) {

        entry = ngx_k8s_alias_next(state);

        if (entry == NULL) {
            state->seek = NULL;
            return NGX_OK;
        }

        if (entry->aliased == 0
            || (state->found
                && ngx_k8s_age_cmp(entry->object, state->found->object) > 0)
            || !ngx_k8s_model_alias(entry->model, &state->node->name)
            || ngx_k8s_owner_older(state, entry->object))
        {
            continue;
        }

        budget -= ngx_min(entry->model->nhosts, NGX_K8S_ALIAS_HOSTS);

        if (ngx_k8s_alias_target(c, entry)) {
            state->found = entry;
        }
    }

    return NGX_AGAIN;
}


/* whether a walk over those that want the name begins, or begins anew */

static ngx_uint_t
ngx_k8s_alias_begin(ngx_k8s_host_state_t *state)
{
    if (state->seek && !state->node->marked) {
        return 0;
    }

    state->node->marked = 0;
    state->seek = ngx_queue_head(&state->node->links[NGX_K8S_ROLE_ALIAS]);

    return 1;
}


/* the next of them; NULL at the end, where it stays */

static ngx_k8s_entry_t *
ngx_k8s_alias_next(ngx_k8s_host_state_t *state)
{
    ngx_k8s_link_t  *link;

    if (state->seek
        == ngx_queue_sentinel(&state->node->links[NGX_K8S_ROLE_ALIAS]))
    {
        return NULL;
    }

    link = ngx_queue_data(state->seek, ngx_k8s_link_t, queue);
    state->seek = ngx_queue_next(state->seek);

    return link->entry;
}


ngx_uint_t
ngx_k8s_compile_aliased(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    return ngx_k8s_alias_target(c, entry) != NULL;
}


ngx_uint_t
ngx_k8s_compile_named(ngx_k8s_node_t *node)
{
    ngx_k8s_host_state_t  *state;

    state = node->data;

    return state && (state->kind == NGX_K8S_NAME_ALIAS
                     || state->kind == NGX_K8S_NAME_TWIN);
}


/* the first of its hosts whose aliases are its own; NULL: there is none */

static ngx_k8s_host_state_t *
ngx_k8s_alias_target(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_uint_t             i;
    ngx_k8s_model_t       *model;
    ngx_k8s_host_state_t  *host;

    if (entry->aliased == 0) {
        return NULL;
    }

    model = entry->model;

    for (i = 0; i < model->nhosts && i < NGX_K8S_ALIAS_HOSTS; i++) {
        host = ngx_k8s_alias_host(c, &model->hosts[i].name);

        if (host && host->alias_claim && host->alias_claim->entry == entry) {
            return host;
        }
    }

    return NULL;
}


/* the host whose twin it is: one without "www.", else one with one more */

static ngx_k8s_host_state_t *
ngx_k8s_alias_twin(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    u_char                 buf[NGX_K8S_HOST_NAME_MAX], own[sizeof(buf)];
    ngx_str_t              name, twin;
    ngx_k8s_host_state_t  *host;

    if (ngx_k8s_host_twin(buf, &node->name, &name) != NGX_OK) {
        return NULL;
    }

    if (name.data != buf) {

        if (ngx_k8s_host_twin(own, &name, &twin) == NGX_OK
            && twin.len == node->name.len)
        {
            host = ngx_k8s_alias_host(c, &name);

            if (host && host->ntwins) {
                return host;
            }
        }

        if (node->name.len + 4 > NGX_K8S_HOST_NAME_MAX) {
            return NULL;
        }

        name.data = buf;
        name.len = ngx_sprintf(buf, "www.%V", &node->name) - buf;
    }

    host = ngx_k8s_alias_host(c, &name);

    return (host && host->ntwins) ? host : NULL;
}


static ngx_k8s_host_state_t *
ngx_k8s_alias_host(ngx_k8s_compile_t *c, ngx_str_t *name)
{
    ngx_k8s_node_t  *node;

    node = ngx_k8s_node_host_find(c->store, 0, NGX_K8S_CLASS_HTTP, name);

    return node ? node->data : NULL;
}


/*
 * It has TLS, and is redirected to https, where a certificate of its host
 * covers it: of those that it has, or, where it has none, the default one.
 */

static void
ngx_k8s_alias_tls(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *target,
    ngx_str_t *name, ngx_k8s_alias_t *alias)
{
    ngx_uint_t              i;
    ngx_k8s_certificate_t  *cert;

    if (!target->tls) {
        return;
    }

    for (i = 0; i < target->ncerts; i++) {
        cert = ngx_k8s_slot_record_gen(c->table, NGX_K8S_INDEX_CERTIFICATE,
                                       target->certs[i].slot,
                                       target->certs[i].generation);

        if (cert && ngx_k8s_compile_names_cover(cert, name)) {
            alias->certs[alias->ncerts++] = target->certs[i];
            alias->flags |= NGX_K8S_HOST_TLS;
        }
    }

    if (target->ncerts) {
        return;
    }

    cert = ngx_k8s_alias_default(c);

    if (cert && !(cert->flags & NGX_K8S_CERTIFICATE_GENERATED)
        && ngx_k8s_compile_names_cover(cert, name))
    {
        alias->flags |= NGX_K8S_HOST_TLS;
    }
}


static void
ngx_k8s_alias_lend(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_uint_t lends)
{
    if (state->lends) {
        ngx_queue_remove(&state->lent);
    }

    state->lends = lends;

    if (lends) {
        ngx_queue_insert_tail(&c->lent, &state->lent);
    }
}


void
ngx_k8s_compile_alias_relend(ngx_k8s_compile_t *c)
{
    if (ngx_queue_empty(&c->lent)) {
        return;
    }

    ngx_queue_add(&c->relent, &c->lent);
    ngx_queue_init(&c->lent);
}


ngx_int_t
ngx_k8s_compile_alias_lent(ngx_k8s_compile_t *c)
{
    ngx_int_t              n;
    ngx_queue_t           *q;
    ngx_k8s_host_state_t  *state;

    if (ngx_queue_empty(&c->relent)) {
        return NGX_DONE;
    }

    for (n = c->slice; n > 0 && !ngx_queue_empty(&c->relent); n--) {
        q = ngx_queue_head(&c->relent);
        state = ngx_queue_data(q, ngx_k8s_host_state_t, lent);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&c->lent, q);

        ngx_k8s_node_mark(c->store, state->node);
    }

    return NGX_OK;
}


static ngx_k8s_certificate_t *
ngx_k8s_alias_default(ngx_k8s_compile_t *c)
{
    size_t      len;
    u_char      key[NGX_K8S_KEY_MAX];
    ngx_str_t  *names[2];

    static ngx_str_t  empty = ngx_null_string;

    names[0] = &empty;
    names[1] = &empty;

    len = ngx_k8s_key_names(key, 2, names);

    return ngx_k8s_table_find(c->table, NGX_K8S_INDEX_CERTIFICATE, key, len,
                              NULL);
}


/* the expressions of the oldest objects; one namespace does not have all */

static ngx_int_t
ngx_k8s_alias_patterns(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_int_t                 rc;
    ngx_str_t                 targets[NGX_K8S_PATTERNS];
    ngx_uint_t                i, j, n;
    ngx_k8s_alias_t           alias;
    ngx_k8s_entry_t          *entry;
    ngx_k8s_host_state_t     *target;
    ngx_k8s_model_pattern_t  *patterns[NGX_K8S_PATTERNS];

    if (ngx_k8s_alias_oldest(c, state) == NGX_AGAIN
        || ngx_k8s_alias_tried(c) == NGX_AGAIN)
    {
        return NGX_AGAIN;
    }

    state->seek = NULL;

    if (c->patterns.again) {
        return NGX_AGAIN;
    }

    ngx_memzero(&alias, sizeof(ngx_k8s_alias_t));

    alias.flags = NGX_K8S_HOST_PATTERNS;
    alias.action = NGX_K8S_ACTION_ALIAS;
    alias.patterns = patterns;
    alias.targets = targets;

    for (i = 0; i < c->patterns.n; i++) {
        entry = c->patterns.entries[i];
        target = ngx_k8s_alias_target(c, entry);
        n = c->patterns.takes[i];

        for (j = 0; n && j < entry->model->npatterns; j++) {

            if (!entry->model->patterns[j].bad) {
                targets[alias.n] = target->node->name;
                patterns[alias.n++] = &entry->model->patterns[j];
                n--;
            }
        }
    }

    if (alias.n == 0) {
        ngx_k8s_compile_alias_end(c, state);
        return NGX_DECLINED;
    }

    state->kind = NGX_K8S_NAME_PATTERNS;

    rc = ngx_k8s_alias_put(c, state, &alias);

    ngx_k8s_alias_served(c, &alias);

    return rc;
}


/*
 * Who may have them, of those that have a host for them; none that is known to
 * be no expression counts.  NGX_AGAIN as above; state->seek stays at the end.
 */

static ngx_int_t
ngx_k8s_alias_oldest(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_int_t         budget;
    ngx_k8s_entry_t  *entry;

    if (ngx_k8s_alias_begin(state)) {
        c->patterns.n = 0;
        c->patterns.again = 0;
    }

    for (budget = NGX_K8S_ALIAS_LOOK; budget > 0; budget--) {

        entry = ngx_k8s_alias_next(state);

        if (entry == NULL) {
            return NGX_OK;
        }

        budget -= ngx_k8s_alias_enter(c, entry);
    }

    return NGX_AGAIN;
}


/* returns about how many things it has looked at */

static ngx_uint_t
ngx_k8s_alias_enter(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_uint_t           i;
    ngx_k8s_patterns_t  *p;

    p = &c->patterns;

    for (i = p->n; i; i--) {
        if (ngx_k8s_age_cmp(p->entries[i - 1]->object, entry->object) < 0) {
            break;
        }
    }

    if (i == NGX_K8S_PATTERNS || ngx_k8s_alias_target(c, entry) == NULL) {
        ngx_k8s_alias_leave(c, entry);
        return ngx_min(entry->model->nhosts, NGX_K8S_ALIAS_HOSTS);
    }

    if (p->n == NGX_K8S_PATTERNS) {
        ngx_k8s_alias_leave(c, p->entries[--p->n]);
    }

    ngx_memmove(&p->entries[i + 1], &p->entries[i],
                (p->n - i) * sizeof(ngx_k8s_entry_t *));

    p->entries[i] = entry;
    p->n++;

    ngx_k8s_alias_shares(c);

    return NGX_K8S_PATTERNS + NGX_K8S_ALIAS_HOSTS;
}


/* those that get none leave: what is found later makes no room for them */

static void
ngx_k8s_alias_shares(ngx_k8s_compile_t *c)
{
    ngx_str_t           *ns;
    ngx_uint_t           i, j, k, n, all, share;
    ngx_k8s_model_t     *model;
    ngx_k8s_entry_t     *entry;
    ngx_k8s_patterns_t  *p;

    p = &c->patterns;
    all = 0;

    for (i = 0, j = 0; i < p->n; i++) {
        entry = p->entries[i];
        model = entry->model;
        ns = &model->object->namespace;

        share = 0;

        for (k = 0; k < j; k++) {
            if (ngx_k8s_str_eq(&p->entries[k]->object->namespace, ns)) {
                share += p->takes[k];
            }
        }

        for (k = 0, n = 0; k < model->npatterns; k++) {
            n += !model->patterns[k].bad;
        }

        n = ngx_min(n, NGX_K8S_PATTERNS_SHARE - share);
        n = ngx_min(n, NGX_K8S_PATTERNS - all);

        if (n == 0) {
            ngx_k8s_alias_leave(c, entry);
            continue;
        }

        p->entries[j] = entry;
        p->takes[j++] = n;
        all += n;
    }

    p->n = j;
}


static void
ngx_k8s_alias_leave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_uint_t                i;
    ngx_k8s_model_pattern_t  *pattern;

    for (i = 0; i < entry->model->npatterns; i++) {
        pattern = &entry->model->patterns[i];

        if (pattern->served) {
            pattern->served = 0;
            ngx_k8s_entry_mark(c->store, entry);
        }
    }
}


/* NGX_AGAIN: some are still to be compiled */

static ngx_int_t
ngx_k8s_alias_tried(ngx_k8s_compile_t *c)
{
    ngx_uint_t                i, j, tries;
    ngx_k8s_model_t          *model;
    ngx_k8s_model_pattern_t  *pattern;

    tries = 0;

    for (i = 0; i < c->patterns.n; i++) {
        model = c->patterns.entries[i]->model;

        for (j = 0; j < model->npatterns; j++) {
            pattern = &model->patterns[j];

            if (pattern->tried) {
                continue;
            }

            if (tries++ == NGX_K8S_ALIAS_TRIES) {
                return NGX_AGAIN;
            }

            if (ngx_k8s_compile_pattern_bad(c, pattern, NULL)) {
                c->patterns.again = 1;
            }
        }
    }

    return NGX_OK;
}


/* those that are in the record, whose objects say so of others */

static void
ngx_k8s_alias_served(ngx_k8s_compile_t *c, ngx_k8s_alias_t *alias)
{
    ngx_uint_t                i, j, n, served;
    ngx_k8s_entry_t          *entry;
    ngx_k8s_model_pattern_t  *pattern;

    n = 0;

    for (i = 0; i < c->patterns.n; i++) {
        entry = c->patterns.entries[i];

        for (j = 0; j < entry->model->npatterns; j++) {
            pattern = &entry->model->patterns[j];

            served = (n < alias->n && alias->patterns[n] == pattern);
            n += served;

            if (pattern->served != served) {
                pattern->served = served;
                ngx_k8s_entry_mark(c->store, entry);
            }
        }
    }
}


ngx_uint_t
ngx_k8s_compile_pattern_bad(ngx_k8s_compile_t *c,
    ngx_k8s_model_pattern_t *pattern, ngx_str_t *error)
{
    u_char     buf[NGX_MAX_CONF_ERRSTR];
    ngx_str_t  text;

    if (c->conf.regex == NULL
        || (pattern->tried && (error == NULL || !pattern->bad)))
    {
        pattern->tried = 1;
        return pattern->bad;
    }

    text.data = buf;

    if (error == NULL) {
        error = &text;
    }

    pattern->tried = 1;
    pattern->bad = (c->conf.regex(&pattern->text, error, c->log)
                    == NGX_DECLINED);

    return pattern->bad;
}
