
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
#define NGX_K8S_PATTERNS         64    /* that are served, and */
#define NGX_K8S_PATTERNS_SHARE   16    /* those of one namespace */


/* a record in the making */

typedef struct {
    ngx_uint_t               flags;
    ngx_uint_t               action;     /* NGX_K8S_ACTION_* */
    ngx_k8s_slot_ref_t       certs[NGX_K8S_KEY_TYPES];
    ngx_uint_t               ncerts;
    ngx_uint_t               n;          /* expressions */
    ngx_str_t               *texts;
    ngx_str_t               *targets;    /* one of each, or the only one */
} ngx_k8s_alias_t;


static ngx_int_t ngx_k8s_alias_patterns(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_uint_t ngx_k8s_alias_oldest(ngx_k8s_node_t *node,
    ngx_k8s_entry_t **entries);
static ngx_int_t ngx_k8s_alias_tried(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t **entries, ngx_uint_t n);
static ngx_k8s_entry_t *ngx_k8s_alias_winner(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node, ngx_k8s_host_state_t **target);
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
static ngx_int_t ngx_k8s_alias_write(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_k8s_alias_t *alias);
static void ngx_k8s_alias_record(ngx_k8s_builder_t *b, ngx_k8s_node_t *node,
    ngx_k8s_alias_t *alias);
static void ngx_k8s_alias_match(ngx_k8s_builder_t *b, ngx_k8s_alias_t *alias,
    ngx_uint_t i);
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

        entry = ngx_k8s_alias_winner(c, node, &target);
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

    return ngx_k8s_alias_write(c, state, &alias);
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
    ngx_queue_t     *q, *links;
    ngx_k8s_link_t  *link;

    if (kind == state->kind && entry == state->winner) {
        return;
    }

    state->kind = kind;
    state->winner = entry;

    links = &state->node->links[NGX_K8S_ROLE_ALIAS];

    for (q = ngx_queue_head(links);
         q != ngx_queue_sentinel(links);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);
        ngx_k8s_entry_mark(c->store, link->entry);
    }
}


/* the oldest of those whose alias it is */

static ngx_k8s_entry_t *
ngx_k8s_alias_winner(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_host_state_t **target)
{
    ngx_queue_t           *q, *links;
    ngx_k8s_link_t        *link;
    ngx_k8s_entry_t       *entry, *winner;
    ngx_k8s_host_state_t  *host;

    winner = NULL;
    links = &node->links[NGX_K8S_ROLE_ALIAS];

    for (q = ngx_queue_head(links);
         q != ngx_queue_sentinel(links);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);
        entry = link->entry;

        if ((winner && ngx_k8s_age_cmp(entry->object, winner->object) > 0)
            || !ngx_k8s_model_alias(entry->model, &node->name))
        {
            continue;
        }

        if (ngx_k8s_owner_older(node->data, entry->object)) {
            continue;
        }

        host = ngx_k8s_alias_target(c, entry);

        if (host) {
            winner = entry;
            *target = host;
        }
    }

    return winner;
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
    ngx_uint_t                i, j, k, n, share;
    ngx_str_t                 texts[NGX_K8S_PATTERNS];
    ngx_str_t                 targets[NGX_K8S_PATTERNS];
    ngx_str_t                *owners[NGX_K8S_PATTERNS];
    ngx_k8s_model_t          *model;
    ngx_k8s_alias_t           alias;
    ngx_k8s_entry_t          *entries[NGX_K8S_PATTERNS];
    ngx_k8s_host_state_t     *target;
    ngx_k8s_model_pattern_t  *pattern;

    n = ngx_k8s_alias_oldest(state->node, entries);

    if (ngx_k8s_alias_tried(c, entries, n) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ngx_memzero(&alias, sizeof(ngx_k8s_alias_t));

    alias.flags = NGX_K8S_HOST_PATTERNS;
    alias.action = NGX_K8S_ACTION_ALIAS;
    alias.texts = texts;
    alias.targets = targets;

    for (i = 0; i < n; i++) {
        model = entries[i]->model;
        target = ngx_k8s_alias_target(c, entries[i]);

        for (j = 0; j < model->npatterns; j++) {
            pattern = &model->patterns[j];
            share = 0;

            for (k = 0; k < alias.n; k++) {
                share += ngx_k8s_str_eq(owners[k], &model->object->namespace);
            }

            k = (target && !pattern->bad && alias.n < NGX_K8S_PATTERNS
                 && share < NGX_K8S_PATTERNS_SHARE);

            if (pattern->served != k) {
                pattern->served = k;
                ngx_k8s_entry_mark(c->store, entries[i]);
            }

            if (k) {
                owners[alias.n] = &model->object->namespace;
                targets[alias.n] = target->node->name;
                texts[alias.n++] = pattern->text;
            }
        }
    }

    if (alias.n == 0) {
        ngx_k8s_compile_alias_end(c, state);
        return NGX_DECLINED;
    }

    state->kind = NGX_K8S_NAME_PATTERNS;

    return ngx_k8s_alias_write(c, state, &alias);
}


/* those that have expressions, the oldest first */

static ngx_uint_t
ngx_k8s_alias_oldest(ngx_k8s_node_t *node, ngx_k8s_entry_t **entries)
{
    ngx_uint_t        i, n;
    ngx_queue_t      *q, *links;
    ngx_k8s_link_t   *link;
    ngx_k8s_entry_t  *entry, *next;

    n = 0;
    links = &node->links[NGX_K8S_ROLE_ALIAS];

    for (q = ngx_queue_head(links);
         q != ngx_queue_sentinel(links);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);
        entry = link->entry;

        for (i = n; i; i--) {
            if (ngx_k8s_age_cmp(entries[i - 1]->object, entry->object) < 0) {
                break;
            }
        }

        n += (n < NGX_K8S_PATTERNS);

        for ( /* void */ ; i < n; i++) {
            next = entries[i];
            entries[i] = entry;
            entry = next;
        }
    }

    return n;
}


/* NGX_AGAIN: some are still to be compiled */

static ngx_int_t
ngx_k8s_alias_tried(ngx_k8s_compile_t *c, ngx_k8s_entry_t **entries,
    ngx_uint_t n)
{
    ngx_uint_t                i, j, tries;
    ngx_k8s_model_t          *model;
    ngx_k8s_model_pattern_t  *pattern;

    tries = 0;

    for (i = 0; i < n; i++) {
        model = entries[i]->model;

        for (j = 0; j < model->npatterns; j++) {
            pattern = &model->patterns[j];

            if (pattern->tried) {
                continue;
            }

            if (tries++ == NGX_K8S_ALIAS_TRIES) {
                return NGX_AGAIN;
            }

            (void) ngx_k8s_compile_pattern_bad(c, pattern, NULL);
        }
    }

    return NGX_OK;
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


/* what does not fit is tried again when there is room */

static ngx_int_t
ngx_k8s_alias_write(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_alias_t *alias)
{
    uint32_t            slot;
    ngx_k8s_node_t     *node;
    ngx_k8s_builder_t  *b;

    node = state->node;
    node->need = 0;

    b = &c->builder;

    ngx_k8s_alias_record(b, node, alias);
    ngx_k8s_builder_paths(b);

    slot = ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);

    if (slot) {
        state->slot = slot;
        return NGX_OK;
    }

    ngx_k8s_compile_stuck(c, node, ngx_k8s_writer_room(c->writer)
                                   + ngx_max(ngx_k8s_writer_missing(c->writer),
                                             NGX_K8S_GRANULE));

    return state->slot ? NGX_OK : NGX_DECLINED;
}


static void
ngx_k8s_alias_record(ngx_k8s_builder_t *b, ngx_k8s_node_t *node,
    ngx_k8s_alias_t *alias)
{
    u_char           buf[NGX_K8S_KEY_MAX];
    ngx_str_t        key;
    ngx_uint_t       i, n;
    ngx_k8s_host_t  *rec;
    ngx_k8s_list_t   certs, paths, matches, actions;

    n = ngx_max(alias->n, 1);

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_HOST, sizeof(ngx_k8s_host_t));

    key.data = buf;
    key.len = ngx_k8s_key_host(buf, node->route_set, node->class, &node->name);

    ngx_k8s_builder_set(b, ngx_k8s_record_t, key, &key);

    if (b->failed) {
        return;
    }

    /* the name is a part of the key */

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->name.offset = rec->header.key.offset + sizeof(uint32_t);
    rec->name.len = node->name.len;
    rec->route_set = node->route_set;
    rec->class = node->class;
    rec->flags = alias->flags;
    rec->fallback = alias->n ? NGX_K8S_NONE : 0;

    if (node->name.len && node->name.data[0] == '.') {
        rec->flags |= NGX_K8S_HOST_WILDCARD|NGX_K8S_HOST_ANY_DEPTH;
    }

    certs = ngx_k8s_record_list(b, alias->ncerts, sizeof(ngx_k8s_slot_ref_t));
    paths = ngx_k8s_record_list(b, alias->n, sizeof(ngx_k8s_path_t));
    matches = ngx_k8s_record_list(b, n, sizeof(ngx_k8s_match_t));
    actions = ngx_k8s_record_list(b, n, sizeof(ngx_k8s_action_t));

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->certificates = certs;
    rec->paths = paths;
    rec->matches = matches;
    rec->actions = actions;

    ngx_memcpy(ngx_k8s_builder_ptr(b, rec->certificates.offset), alias->certs,
               alias->ncerts * sizeof(ngx_k8s_slot_ref_t));

    for (i = 0; i < n && !b->failed; i++) {
        ngx_k8s_alias_match(b, alias, i);
    }
}


static void
ngx_k8s_alias_match(ngx_k8s_builder_t *b, ngx_k8s_alias_t *alias, ngx_uint_t i)
{
    ngx_k8s_str_t      host, text;
    ngx_k8s_host_t    *rec;
    ngx_k8s_path_t    *path;
    ngx_k8s_match_t   *match;
    ngx_k8s_action_t  *action;

    host = ngx_k8s_builder_str(b, &alias->targets[i]);
    text = host;

    if (alias->n) {
        text = ngx_k8s_builder_str(b, &alias->texts[i]);
    }

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);

    match = ngx_k8s_builder_ptr(b, rec->matches.offset);
    match[i].action = i;

    action = ngx_k8s_builder_ptr(b, rec->actions.offset);
    action[i].kind = alias->action;
    action[i].host = host;

    if (alias->n) {
        path = ngx_k8s_builder_ptr(b, rec->paths.offset);
        path[i].type = NGX_K8S_PATH_REGEX;
        path[i].text = text;
        path[i].match = i;
        path[i].nmatches = 1;

    } else {
        match->flags = NGX_K8S_MATCH_DEFAULT;
    }
}
