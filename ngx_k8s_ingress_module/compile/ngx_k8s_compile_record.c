
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static void ngx_k8s_compile_record_actions(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static void ngx_k8s_compile_record_paths(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static void ngx_k8s_compile_record_fallback(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_match_t *match);
static ngx_uint_t ngx_k8s_compile_acme(ngx_k8s_compile_t *c, ngx_str_t *path);


uint32_t
ngx_k8s_compile_host_record(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    u_char              buf[NGX_K8S_KEY_MAX];
    ngx_str_t           key;
    ngx_k8s_host_t     *rec;
    ngx_k8s_list_t      list;
    ngx_k8s_builder_t  *b;

    b = &c->builder;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_HOST, sizeof(ngx_k8s_host_t));

    key.data = buf;
    key.len = ngx_k8s_key_host(buf, 0, NGX_K8S_CLASS_HTTP, &m->node->name);

    ngx_k8s_builder_set(b, ngx_k8s_record_t, key, &key);

    /* the name is the end of the key */

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->name.offset = rec->header.key.offset + key.len - m->node->name.len;
    rec->name.len = m->node->name.len;

    if (m->ncerts) {
        list.offset = ngx_k8s_builder_alloc(b, m->ncerts
                                               * sizeof(ngx_k8s_slot_ref_t));
        list.n = m->ncerts;

        if (!b->failed) {
            ngx_memcpy(ngx_k8s_builder_ptr(b, list.offset), m->certs,
                       m->ncerts * sizeof(ngx_k8s_slot_ref_t));

            rec = ngx_k8s_builder_ptr(b, 0);
            rec->certificates = list;
        }
    }

    ngx_k8s_compile_record_actions(c, m);
    ngx_k8s_compile_record_paths(c, m);

    if (b->failed) {
        return 0;
    }

    rec = ngx_k8s_builder_ptr(b, 0);

    if (m->node->name.len && m->node->name.data[0] == '.') {
        rec->flags |= NGX_K8S_HOST_WILDCARD;
    }

    if (m->tls) {
        rec->flags |= NGX_K8S_HOST_TLS;
    }

    ngx_k8s_builder_paths(b);

    /* a certificate that goes may come again */

    return ngx_k8s_compile_put_spare(c,
                         ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_HOST,
                                             m->state->slot),
                         m->tls ? (NGX_K8S_KEY_TYPES - m->ncerts)
                                  * sizeof(ngx_k8s_slot_ref_t) : 0, 0);
}


/*
 * An action for each service, in the order of m->ports, then, where it is
 * needed, one that adds a slash, one for what is closed, and one for what no
 * path takes where there is no default backend.
 */

static void
ngx_k8s_compile_record_actions(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_uint_t              i, n, nports, slashes, closed, none;
    ngx_k8s_item_t         *items;
    ngx_k8s_host_t         *rec;
    ngx_k8s_list_t          actions, backends;
    ngx_k8s_port_t        **ports;
    ngx_k8s_builder_t      *b;
    ngx_k8s_action_t       *action;
    ngx_k8s_backend_rec_t  *backend;

    b = &c->builder;
    ports = m->ports.elts;
    nports = m->ports.nelts;

    items = m->items.elts;
    slashes = 0;
    closed = (m->fallback && m->fallback_port == NULL);
    none = (m->fallback == NULL && m->fallback_port == NULL
            && m->node->name.len);

    for (i = 0; i < m->items.nelts; i++) {
        slashes |= items[i].redirect;
        closed |= (items[i].port == NULL);
    }

    m->slash = nports;
    m->closed = m->slash + slashes;
    m->none = m->closed + closed;
    n = m->none + none;

    actions.n = n;
    actions.offset = n ? ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_action_t))
                       : 0;

    backends.n = nports;
    backends.offset = nports ? ngx_k8s_builder_alloc(b, nports
                                       * sizeof(ngx_k8s_backend_rec_t)) : 0;

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->actions = actions;
    rec->backends = backends;

    action = ngx_k8s_builder_ptr(b, actions.offset);
    backend = ngx_k8s_builder_ptr(b, backends.offset);

    for (i = 0; i < nports; i++) {
        action[i].kind = NGX_K8S_ACTION_BACKENDS;
        action[i].backend = i;
        action[i].nbackends = 1;
        action[i].weights = 1;

        backend[i].service = ports[i]->slot;
        backend[i].generation = ngx_k8s_slot(c->table,
                                             ports[i]->slot)->generation;
        backend[i].weight = 1;
    }

    if (slashes) {
        action[m->slash].kind = NGX_K8S_ACTION_ADD_SLASH;
        action[m->slash].status = 301;
    }

    if (closed) {
        action[m->closed].kind = NGX_K8S_ACTION_STATUS;
        action[m->closed].status = 503;
    }

    if (none) {
        action[m->none].kind = NGX_K8S_ACTION_STATUS;
        action[m->none].status = 404;
    }
}


static void
ngx_k8s_compile_record_paths(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    uint32_t            flags;
    ngx_uint_t          i, n, last;
    ngx_k8s_str_t       text;
    ngx_k8s_item_t     *items;
    ngx_k8s_host_t     *rec;
    ngx_k8s_path_t     *path;
    ngx_k8s_list_t      paths, matches;
    ngx_k8s_match_t    *match;
    ngx_k8s_builder_t  *b;

    b = &c->builder;
    items = m->items.elts;
    n = m->items.nelts;
    last = (m->fallback || m->fallback_port || m->node->name.len);

    paths.n = n;
    paths.offset = n ? ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_path_t)) : 0;

    matches.n = n + last;
    matches.offset = n + last ? ngx_k8s_builder_alloc(b, (n + last)
                                                * sizeof(ngx_k8s_match_t)) : 0;

    for (i = 0; i < n; i++) {
        text = ngx_k8s_builder_str(b, &items[i].text);

        if (b->failed) {
            return;
        }

        flags = 0;

        if (m->tls && c->base.ssl_redirect && !items[i].redirect
            && !ngx_k8s_compile_acme(c, &items[i].path))
        {
            flags |= NGX_K8S_MATCH_SSL_REDIRECT;
        }

        path = (ngx_k8s_path_t *) ngx_k8s_builder_ptr(b, paths.offset) + i;
        path->type = items[i].type;
        path->text = text;
        path->match = i;
        path->nmatches = 1;

        match = (ngx_k8s_match_t *) ngx_k8s_builder_ptr(b, matches.offset) + i;
        match->flags = flags;
        match->action = items[i].redirect ? m->slash
                        : items[i].port ? items[i].port->index : m->closed;
        match->rule = items[i].slot;
    }

    if (b->failed) {
        return;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->paths = paths;
    rec->matches = matches;
    rec->fallback = NGX_K8S_NONE;

    if (last) {
        rec->fallback = n;
        match = (ngx_k8s_match_t *) ngx_k8s_builder_ptr(b, matches.offset) + n;
        ngx_k8s_compile_record_fallback(c, m, match);
    }
}


static void
ngx_k8s_compile_record_fallback(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_match_t *match)
{
    match->flags = NGX_K8S_MATCH_DEFAULT;

    if (m->tls && c->base.ssl_redirect) {
        match->flags |= NGX_K8S_MATCH_SSL_REDIRECT;
    }

    match->action = m->fallback_port ? m->fallback_port->index
                    : m->fallback ? m->closed : m->none;
    match->rule = m->fallback_rule;
}


/* whether a path is exempt from the redirect to https: a list of prefixes */

static ngx_uint_t
ngx_k8s_compile_acme(ngx_k8s_compile_t *c, ngx_str_t *path)
{
    size_t   len;
    u_char  *p, *last, *end;

    p = c->base.no_redirect.data;
    last = p + c->base.no_redirect.len;

    while (p < last) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        while (p < end && *p == ' ') {
            p++;
        }

        for (len = end - p; len && p[len - 1] == ' '; len--) { /* void */ }

        if (len && len <= path->len && ngx_memcmp(path->data, p, len) == 0) {
            return 1;
        }

        p = end + 1;
    }

    return 0;
}
