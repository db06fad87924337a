
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Records of other names of hosts. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_uint_t ngx_k8s_alias_stays(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_k8s_alias_t *alias);
static void ngx_k8s_alias_record(ngx_k8s_builder_t *b, ngx_k8s_node_t *node,
    ngx_k8s_alias_t *alias);
static void ngx_k8s_alias_match(ngx_k8s_builder_t *b, ngx_k8s_alias_t *alias,
    ngx_uint_t i);


/*
 * What does not fit is tried again when there is room.  Of expressions those of
 * the youngest are left out; a name stays as it was only where it leads there
 * as well.
 */

ngx_int_t
ngx_k8s_alias_put(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_alias_t *alias)
{
    uint32_t            slot;
    ngx_k8s_node_t     *node;
    ngx_k8s_builder_t  *b;

    node = state->node;
    node->need = 0;

    b = &c->builder;

    for ( ;; ) {
        ngx_k8s_alias_record(b, node, alias);
        ngx_k8s_builder_paths(b);

        slot = ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);

        if (slot) {
            state->slot = slot;
            return NGX_OK;
        }

        if (node->need == 0) {
            ngx_k8s_compile_stuck(c, node, ngx_k8s_writer_room(c->writer)
                                   + ngx_max(ngx_k8s_writer_missing(c->writer),
                                             NGX_K8S_GRANULE));
        }

        if (alias->n == 0) {
            return ngx_k8s_alias_stays(c, state, alias) ? NGX_OK
                                                        : NGX_DECLINED;
        }

        if (--alias->n == 0) {
            return NGX_DECLINED;
        }
    }
}


static ngx_uint_t
ngx_k8s_alias_stays(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_alias_t *alias)
{
    ngx_str_t          host;
    ngx_k8s_host_t    *rec;
    ngx_k8s_action_t  *action;

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_HOST, state->slot);

    if (rec == NULL || rec->actions.n != 1) {
        return 0;
    }

    action = ngx_k8s_record_at(rec, rec->actions.offset);
    ngx_k8s_record_str(rec, &action->host, &host);

    return action->kind == alias->action
           && ngx_k8s_str_eq(&host, &alias->targets[0]);
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
        text = ngx_k8s_builder_str(b, &alias->patterns[i]->text);
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
