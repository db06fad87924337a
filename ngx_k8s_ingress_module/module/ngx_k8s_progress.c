
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_progress.h>


static ngx_int_t ngx_k8s_progress_kind_init(ngx_k8s_progress_t *p,
    ngx_uint_t kind);
static void ngx_k8s_progress_kind_write(ngx_k8s_progress_t *p,
    ngx_uint_t kind);


ngx_int_t
ngx_k8s_progress_init(ngx_k8s_progress_t *p, ngx_k8s_source_conf_t *conf,
    ngx_uint_t required, ngx_k8s_store_t *store, ngx_k8s_table_t *table,
    ngx_k8s_writer_t *writer, ngx_str_t *name, ngx_log_t *log)
{
    ngx_uint_t  i;

    ngx_memzero(p, sizeof(ngx_k8s_progress_t));

    p->conf = conf;
    p->store = store;
    p->table = table;
    p->writer = writer;
    p->log = log;
    p->name = *name;
    p->required = required;
    p->changed = 1;

    if (ngx_k8s_builder_init(&p->builder, log) != NGX_OK) {
        return NGX_ERROR;
    }

    p->ready = 1;

    for (i = 0; i < NGX_K8S_KINDS; i++) {

        if (ngx_k8s_kinds[i].required) {
            p->required |= 1 << i;
        }

        if (ngx_k8s_progress_kind_init(p, i) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_progress_kind_init(ngx_k8s_progress_t *p, ngx_uint_t kind)
{
    uint32_t                  slot;
    ngx_str_t                *scopes;
    ngx_k8s_kind_t           *info;
    ngx_k8s_sync_t           *rec;
    ngx_k8s_kind_progress_t  *k;

    info = &ngx_k8s_kinds[kind];
    k = &p->kinds[kind];

    k->nscopes = ngx_k8s_source_scopes(p->conf, kind, &scopes);

    k->scopes = ngx_calloc(k->nscopes, p->log);
    if (k->scopes == NULL) {
        return NGX_ERROR;
    }

    /* the watcher itself is the only one that could free the record */

    rec = ngx_k8s_table_find(p->table, NGX_K8S_INDEX_SYNC, info->plural.data,
                             info->plural.len, &slot);

    if (rec) {
        k->before = (rec->state == NGX_K8S_SYNC_LISTED);
        k->lists = rec->lists;
        k->watches = rec->watches;
        k->errors = rec->errors;
    }

    return NGX_OK;
}


void
ngx_k8s_progress_done(ngx_k8s_progress_t *p)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        if (p->kinds[i].scopes) {
            ngx_free(p->kinds[i].scopes);
            p->kinds[i].scopes = NULL;
        }
    }

    if (p->ready) {
        ngx_k8s_builder_done(&p->builder);
        p->ready = 0;
    }
}


void
ngx_k8s_progress_state(ngx_k8s_progress_t *p, ngx_uint_t kind,
    ngx_k8s_source_state_t *state)
{
    ngx_uint_t                level, refused;
    ngx_k8s_kind_progress_t  *k;

    k = &p->kinds[kind];

    refused = (state->state == NGX_K8S_SYNC_REFUSED);

    if (k->refused != refused) {
        k->refused = refused;

        /* what was listed before stays in force, by a predecessor as well */

        ngx_k8s_store_refused(p->store, kind,
                              refused && !k->listed && !k->kept);

        level = refused ? NGX_LOG_ERR : NGX_LOG_NOTICE;

        ngx_log_error(level, p->log, 0, "%V: %V are %s%s%V",
                      &p->name, &ngx_k8s_kinds[kind].plural,
                      refused ? "refused by the API server"
                              : "no longer refused",
                      (refused && state->reason.len) ? ": " : "",
                      &state->reason);
    }

    k->connected = (state->connected != 0);
    k->idle = (state->idle != 0);
    k->new_lists = state->lists;
    k->new_watches = state->watches;
    k->new_errors = state->errors;

    k->reason_len = ngx_min(state->reason.len, NGX_K8S_REASON_MAX);
    ngx_memcpy(k->reason, state->reason.data, k->reason_len);

    p->changed = 1;
}


void
ngx_k8s_progress_listed(ngx_k8s_progress_t *p, ngx_uint_t kind,
    ngx_str_t *scope)
{
    ngx_str_t                *scopes;
    ngx_uint_t                i, n;
    ngx_k8s_kind_progress_t  *k;

    k = &p->kinds[kind];
    p->changed = 1;

    n = ngx_k8s_source_scopes(p->conf, kind, &scopes);

    for (i = 0; i < n; i++) {

        if (k->scopes[i] == 0
            && scopes[i].len == scope->len
            && ngx_memcmp(scopes[i].data, scope->data, scope->len) == 0)
        {
            k->scopes[i] = 1;

            if (++k->nlisted == k->nscopes) {
                k->listed = 1;
            }

            return;
        }
    }
}


void
ngx_k8s_progress_missing(ngx_k8s_progress_t *p, ngx_uint_t kind, ngx_uint_t n)
{
    if (p->kinds[kind].missing != n) {
        p->kinds[kind].missing = n;
        p->changed = 1;
    }
}


ngx_uint_t
ngx_k8s_progress_complete(ngx_k8s_progress_t *p)
{
    ngx_uint_t                i;
    ngx_k8s_kind_progress_t  *k;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        k = &p->kinds[i];

        if (!k->listed
            && !(p->conf->skip & (1 << i))
            && (!k->refused || (p->required & (1 << i))))
        {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_k8s_progress_connected(ngx_k8s_progress_t *p)
{
    ngx_uint_t                i;
    ngx_k8s_kind_progress_t  *k;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        k = &p->kinds[i];

        if (!k->connected
            && !k->idle
            && !(p->conf->skip & (1 << i))
            && (!k->refused || (p->required & (1 << i))))
        {
            return 0;
        }
    }

    return 1;
}


void
ngx_k8s_progress_write(ngx_k8s_progress_t *p)
{
    uint32_t    slot;
    ngx_uint_t  i;

    if (!p->changed) {
        return;
    }

    p->changed = 0;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        if (!(p->conf->skip & (1 << i))) {
            ngx_k8s_progress_kind_write(p, i);
            continue;
        }

        /* a predecessor with another configuration may have read it */

        if (ngx_k8s_table_find(p->table, NGX_K8S_INDEX_SYNC,
                               ngx_k8s_kinds[i].plural.data,
                               ngx_k8s_kinds[i].plural.len, &slot))
        {
            ngx_k8s_writer_remove(p->writer, slot);
        }
    }
}


/* the same bytes as before are not written again */

static void
ngx_k8s_progress_kind_write(ngx_k8s_progress_t *p, ngx_uint_t kind)
{
    u_char                    buf[NGX_INT_T_LEN + 64];
    ngx_str_t                 s;
    ngx_uint_t                listed;
    ngx_k8s_str_t             plural, reason;
    ngx_k8s_kind_t           *info;
    ngx_k8s_sync_t           *rec;
    ngx_k8s_kind_progress_t  *k;

    info = &ngx_k8s_kinds[kind];
    k = &p->kinds[kind];

    s.data = k->reason;
    s.len = k->reason_len;
    listed = k->listed;

    if (k->missing && listed) {
        s.data = buf;
        s.len = ngx_sprintf(buf, "%ui that are named have not come",
                            k->missing)
                - buf;
        listed = 0;
    }

    ngx_k8s_builder_begin(&p->builder, NGX_K8S_INDEX_SYNC,
                          sizeof(ngx_k8s_sync_t));

    plural = ngx_k8s_builder_str(&p->builder, &info->plural);
    reason = ngx_k8s_builder_str(&p->builder, &s);

    if (p->builder.failed) {
        p->changed = 1;
        return;
    }

    rec = ngx_k8s_builder_ptr(&p->builder, 0);

    rec->header.key = plural;
    rec->kind = plural;
    rec->reason = reason;
    rec->state = k->refused ? NGX_K8S_SYNC_REFUSED
                 : (listed || k->before) ? NGX_K8S_SYNC_LISTED
                 : NGX_K8S_SYNC_WAITING;
    rec->connected = k->connected;
    rec->objects = ngx_k8s_store_count(p->store, kind);
    rec->required = (p->required & (1 << kind)) != 0;
    rec->lists = k->lists + k->new_lists;
    rec->watches = k->watches + k->new_watches;
    rec->errors = k->errors + k->new_errors;

    if (ngx_k8s_builder_put(&p->builder, p->writer, NGX_K8S_WRITE_OWN)
        == 0)
    {
        p->changed = 1;
    }
}
