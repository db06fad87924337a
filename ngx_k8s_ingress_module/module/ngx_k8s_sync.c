
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * How far each kind of object is, in the watcher and as records in the zone.
 * Nothing is compiled before all that is required is listed and the Secrets
 * that are referenced have come: a successor would otherwise take back what
 * its predecessor had built of objects that it has not seen yet.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_watcher.h>


typedef struct {
    ngx_str_node_t           sn;         /* key: namespace, "/", name */
    ngx_str_t                ns;
    ngx_str_t                name;
} ngx_k8s_wanted_t;


#define NGX_K8S_WANTED_KEY           512


static ngx_int_t ngx_k8s_sync_kind_init(ngx_k8s_watcher_t *w, ngx_uint_t kind);
static ngx_uint_t ngx_k8s_sync_required(ngx_k8s_watcher_t *w, ngx_uint_t kind);
static void ngx_k8s_sync_kind_write(ngx_k8s_watcher_t *w, ngx_uint_t kind);
static ngx_k8s_wanted_t *ngx_k8s_sync_wanted(ngx_k8s_watcher_t *w,
    ngx_str_t *ns, ngx_str_t *name, ngx_str_t *key);
static void ngx_k8s_sync_wanted_add(ngx_k8s_watcher_t *w, ngx_str_t *ns,
    ngx_str_t *name);
static void ngx_k8s_sync_wanted_free(ngx_k8s_watcher_t *w);


ngx_int_t
ngx_k8s_sync_init(ngx_k8s_watcher_t *w)
{
    ngx_uint_t  i;

    ngx_rbtree_init(&w->wanted, &w->wanted_sentinel,
                    ngx_str_rbtree_insert_value);
    w->nwanted = 0;

    ngx_rbtree_init(&w->refused, &w->refused_sentinel,
                    ngx_str_rbtree_insert_value);
    w->nrefused = 0;

    ngx_memzero(w->kinds, sizeof(w->kinds));

    if (ngx_k8s_builder_init(&w->builder, w->log) != NGX_OK) {
        return NGX_ERROR;
    }

    w->builder_ready = 1;
    w->sync_changed = 1;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        if (ngx_k8s_sync_kind_init(w, i) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_sync_kind_init(ngx_k8s_watcher_t *w, ngx_uint_t kind)
{
    uint32_t             slot;
    ngx_array_t         *namespaces;
    ngx_k8s_kind_t      *k;
    ngx_k8s_sync_t      *rec;
    ngx_k8s_progress_t  *p;

    k = &ngx_k8s_kinds[kind];
    p = &w->kinds[kind];

    namespaces = w->block->conf->source.namespaces;
    p->nscopes = (k->namespaced && namespaces) ? namespaces->nelts : 1;

    p->scopes = ngx_calloc(p->nscopes, w->log);
    if (p->scopes == NULL) {
        return NGX_ERROR;
    }

    /* the watcher itself is the only one that could free the record */

    rec = ngx_k8s_table_find(w->block->table, NGX_K8S_INDEX_SYNC,
                             k->plural.data, k->plural.len, &slot);

    if (rec) {
        p->before = (rec->state == NGX_K8S_SYNC_LISTED);
        p->lists = rec->lists;
        p->watches = rec->watches;
        p->errors = rec->errors;
    }

    return NGX_OK;
}


void
ngx_k8s_sync_done(ngx_k8s_watcher_t *w)
{
    ngx_uint_t  i;

    ngx_k8s_sync_wanted_free(w);

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        if (w->kinds[i].scopes) {
            ngx_free(w->kinds[i].scopes);
            w->kinds[i].scopes = NULL;
        }
    }

    if (w->builder_ready) {
        ngx_k8s_builder_done(&w->builder);
        w->builder_ready = 0;
    }
}


void
ngx_k8s_sync_state(void *data, ngx_uint_t kind, ngx_k8s_source_state_t *state)
{
    ngx_k8s_watcher_t *w = data;

    ngx_uint_t           level, refused;
    ngx_k8s_progress_t  *p;

    if (kind >= NGX_K8S_KINDS) {
        return;
    }

    p = &w->kinds[kind];

    refused = (state->state == NGX_K8S_SYNC_REFUSED);

    if (p->refused != refused) {
        p->refused = refused;

        /* what was listed before stays in force */

        ngx_k8s_store_refused(w->store, kind, refused && !p->listed);

        level = refused ? NGX_LOG_ERR : NGX_LOG_NOTICE;

        ngx_log_error(level, w->log, 0, "%V: %V are %s%s%V",
                      &w->block->zone_name, &ngx_k8s_kinds[kind].plural,
                      refused ? "refused by the API server"
                              : "no longer refused",
                      (refused && state->reason.len) ? ": " : "",
                      &state->reason);
    }

    p->connected = (state->connected != 0);
    p->new_lists = state->lists;
    p->new_watches = state->watches;
    p->new_errors = state->errors;

    p->reason_len = ngx_min(state->reason.len, NGX_K8S_REASON_MAX);
    ngx_memcpy(p->reason, state->reason.data, p->reason_len);

    w->sync_changed = 1;

    ngx_k8s_watcher_post(w);
}


void
ngx_k8s_sync_listed(ngx_k8s_watcher_t *w, ngx_uint_t kind, ngx_str_t *scope)
{
    ngx_str_t           *ns;
    ngx_uint_t           i;
    ngx_k8s_progress_t  *p;

    p = &w->kinds[kind];
    w->sync_changed = 1;

    i = 0;

    if (ngx_k8s_kinds[kind].namespaced && w->block->conf->source.namespaces) {

        ns = w->block->conf->source.namespaces->elts;

        while (i < p->nscopes
               && (ns[i].len != scope->len
                   || ngx_memcmp(ns[i].data, scope->data, scope->len) != 0))
        {
            i++;
        }

        if (i == p->nscopes) {

            /* a list of all namespaces in one */

            if (scope->len == 0) {
                p->listed = 1;
            }

            return;
        }
    }

    if (p->scopes[i] == 0) {
        p->scopes[i] = 1;

        if (++p->nlisted == p->nscopes) {
            p->listed = 1;
        }
    }
}


void
ngx_k8s_sync_check(ngx_k8s_watcher_t *w)
{
    ngx_uint_t           i;
    ngx_k8s_progress_t  *p;

    if (w->listed) {
        return;
    }

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        p = &w->kinds[i];

        if (w->block->conf->source.skip & (1 << i)) {
            continue;
        }

        if (!p->listed && (!p->refused || ngx_k8s_sync_required(w, i))) {
            return;
        }
    }

    /* which Secrets are wanted follows from the classes */

    if (ngx_k8s_store_settle(w->store, NGX_K8S_SETTLE) != NGX_OK) {
        ngx_post_event(&w->work, &ngx_posted_next_events);
        return;
    }

    if (w->nwanted && !w->kinds[NGX_K8S_SECRET].refused && !w->late) {

        if (!w->secrets.timer_set) {
            ngx_add_timer(&w->secrets, NGX_K8S_SECRETS_INTERVAL);
            w->sync_changed = 1;
        }

        return;
    }

    if (w->secrets.timer_set) {
        ngx_del_timer(&w->secrets);
    }

    w->listed = 1;
    w->sync_changed = 1;

    ngx_k8s_sync_wanted_free(w);

    ngx_k8s_compile_synced(w->compile);
}


ngx_uint_t
ngx_k8s_sync_connected(ngx_k8s_watcher_t *w)
{
    ngx_uint_t           i;
    ngx_k8s_progress_t  *p;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        p = &w->kinds[i];

        if (p->connected
            || (w->block->conf->source.skip & (1 << i))
            || (p->refused && !ngx_k8s_sync_required(w, i)))
        {
            continue;
        }

        return 0;
    }

    return 1;
}


/* without Namespaces a selector can't tell which Ingresses are taken */

static ngx_uint_t
ngx_k8s_sync_required(ngx_k8s_watcher_t *w, ngx_uint_t kind)
{
    if (kind == NGX_K8S_NAMESPACE && w->block->conf->class.selector) {
        return 1;
    }

    return ngx_k8s_kinds[kind].required;
}


void
ngx_k8s_sync_write(ngx_k8s_watcher_t *w)
{
    uint32_t    slot;
    ngx_uint_t  i;

    if (!w->sync_changed) {
        return;
    }

    w->sync_changed = 0;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        if (!(w->block->conf->source.skip & (1 << i))) {
            ngx_k8s_sync_kind_write(w, i);
            continue;
        }

        /* a predecessor with another configuration may have read it */

        if (ngx_k8s_table_find(w->block->table, NGX_K8S_INDEX_SYNC,
                               ngx_k8s_kinds[i].plural.data,
                               ngx_k8s_kinds[i].plural.len, &slot))
        {
            ngx_k8s_writer_remove(w->writer, slot);
        }
    }
}


/* the same bytes as before are not written again */

static void
ngx_k8s_sync_kind_write(ngx_k8s_watcher_t *w, ngx_uint_t kind)
{
    u_char               buf[NGX_INT_T_LEN + 64];
    ngx_str_t            s;
    ngx_uint_t           listed;
    ngx_k8s_str_t        plural, reason;
    ngx_k8s_kind_t      *k;
    ngx_k8s_sync_t      *rec;
    ngx_k8s_progress_t  *p;

    k = &ngx_k8s_kinds[kind];
    p = &w->kinds[kind];

    s.data = p->reason;
    s.len = p->reason_len;
    listed = p->listed;

    if (kind == NGX_K8S_SECRET && !w->listed && w->nwanted && listed) {
        s.data = buf;
        s.len = ngx_sprintf(buf, "%ui that Ingresses name have not come",
                            w->nwanted)
                - buf;
        listed = 0;
    }

    ngx_k8s_builder_begin(&w->builder, NGX_K8S_INDEX_SYNC,
                          sizeof(ngx_k8s_sync_t));

    plural = ngx_k8s_builder_str(&w->builder, &k->plural);
    reason = ngx_k8s_builder_str(&w->builder, &s);

    if (w->builder.failed) {
        w->sync_changed = 1;
        return;
    }

    rec = ngx_k8s_builder_ptr(&w->builder, 0);

    rec->header.key = plural;
    rec->kind = plural;
    rec->reason = reason;
    rec->state = p->refused ? NGX_K8S_SYNC_REFUSED
                 : (listed || p->before) ? NGX_K8S_SYNC_LISTED
                 : NGX_K8S_SYNC_WAITING;
    rec->connected = p->connected;
    rec->objects = ngx_k8s_store_count(w->store, kind);
    rec->required = ngx_k8s_sync_required(w, kind);
    rec->lists = p->lists + p->new_lists;
    rec->watches = p->watches + p->new_watches;
    rec->errors = p->errors + p->new_errors;

    if (ngx_k8s_builder_put(&w->builder, w->writer, NGX_K8S_WRITE_OWN)
        == 0)
    {
        w->sync_changed = 1;
    }
}


void
ngx_k8s_sync_want(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t wanted)
{
    ngx_k8s_watcher_t *w = data;

    if (!w->listed) {

        if (wanted) {
            ngx_k8s_sync_wanted_add(w, ns, name);

        } else {
            ngx_k8s_sync_came(w, kind, ns, name);
        }
    }

    if (w->source) {
        w->source->want(w->source, kind, ns, name, wanted);
    }
}


void
ngx_k8s_sync_came(ngx_k8s_watcher_t *w, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    u_char             buf[NGX_K8S_WANTED_KEY];
    ngx_str_t          key;
    ngx_k8s_wanted_t  *wanted;

    if (w->nwanted == 0 || kind != NGX_K8S_SECRET) {
        return;
    }

    key.data = buf;
    wanted = ngx_k8s_sync_wanted(w, ns, name, &key);

    if (wanted) {
        ngx_rbtree_delete(&w->wanted, &wanted->sn.node);
        ngx_free(wanted);
        w->nwanted--;
        w->sync_changed = 1;
    }
}


/* Secrets that were wanted before there was a source */

void
ngx_k8s_sync_ask(ngx_k8s_watcher_t *w)
{
    ngx_rbtree_node_t  *node;
    ngx_k8s_wanted_t   *wanted;

    if (w->nwanted == 0) {
        return;
    }

    for (node = ngx_rbtree_min(w->wanted.root, w->wanted.sentinel);
         node;
         node = ngx_rbtree_next(&w->wanted, node))
    {
        wanted = (ngx_k8s_wanted_t *) node;

        w->source->want(w->source, NGX_K8S_SECRET, &wanted->ns, &wanted->name,
                        1);
    }
}


/* key->data is a buffer for the key, which is made there */

static ngx_k8s_wanted_t *
ngx_k8s_sync_wanted(ngx_k8s_watcher_t *w, ngx_str_t *ns, ngx_str_t *name,
    ngx_str_t *key)
{
    u_char  *p;

    if (ns->len + name->len + 1 > NGX_K8S_WANTED_KEY) {
        key->len = 0;
        return NULL;
    }

    p = ngx_cpymem(key->data, ns->data, ns->len);
    *p++ = '/';
    p = ngx_cpymem(p, name->data, name->len);

    key->len = p - key->data;

    return (ngx_k8s_wanted_t *)
           ngx_str_rbtree_lookup(&w->wanted, key,
                                 ngx_crc32_long(key->data, key->len));
}


static void
ngx_k8s_sync_wanted_add(ngx_k8s_watcher_t *w, ngx_str_t *ns, ngx_str_t *name)
{
    u_char             buf[NGX_K8S_WANTED_KEY], *p;
    ngx_str_t          key;
    ngx_k8s_wanted_t  *wanted;

    key.data = buf;

    if (ngx_k8s_sync_wanted(w, ns, name, &key) || key.len == 0) {
        return;
    }

    wanted = ngx_alloc(sizeof(ngx_k8s_wanted_t) + key.len, w->log);
    if (wanted == NULL) {
        return;
    }

    p = (u_char *) wanted + sizeof(ngx_k8s_wanted_t);
    ngx_memcpy(p, key.data, key.len);

    wanted->sn.str.data = p;
    wanted->sn.str.len = key.len;
    wanted->sn.node.key = ngx_crc32_long(key.data, key.len);

    wanted->ns.data = p;
    wanted->ns.len = ns->len;
    wanted->name.data = p + ns->len + 1;
    wanted->name.len = name->len;

    ngx_rbtree_insert(&w->wanted, &wanted->sn.node);
    w->nwanted++;
}


static void
ngx_k8s_sync_wanted_free(ngx_k8s_watcher_t *w)
{
    ngx_k8s_wanted_t  *wanted;

    while (w->wanted.root != w->wanted.sentinel) {
        wanted = (ngx_k8s_wanted_t *) w->wanted.root;

        ngx_rbtree_delete(&w->wanted, &wanted->sn.node);
        ngx_free(wanted);
    }

    w->nwanted = 0;
}
