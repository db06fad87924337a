
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What is kept of a Secret: its certificate, and what policies ask of it. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static void ngx_k8s_compile_secret_adopt(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state);


ngx_str_t  ngx_k8s_compile_secret_mend = ngx_string("Correct what the problem "
                                                    "of the file or object "
                                                    "says.");


ngx_k8s_secret_state_t *
ngx_k8s_compile_secret_state(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_secret_state_t  *state;

    if (node->data) {
        return node->data;
    }

    state = ngx_calloc(sizeof(ngx_k8s_secret_state_t), c->log);
    if (state == NULL) {
        return NULL;
    }

    state->node = node;
    node->data = state;

    ngx_k8s_compile_secret_adopt(c, state);

    return state;
}


/* a record that a predecessor has left counts as the last good one */

static void
ngx_k8s_compile_secret_adopt(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state)
{
    u_char                  buf[NGX_K8S_KEY_MAX];
    size_t                  len;
    ngx_str_t              *names[2];
    ngx_k8s_certificate_t  *rec;

    names[0] = &state->node->namespace;
    names[1] = &state->node->name;

    len = ngx_k8s_key_names(buf, 2, names);

    rec = ngx_k8s_table_find(c->table, NGX_K8S_INDEX_CERTIFICATE, buf, len,
                             &state->slot);
    if (rec == NULL) {
        state->slot = 0;
        return;
    }

    state->generation = ngx_k8s_slot(c->table, state->slot)->generation;
    state->key_type = rec->key_type;
    state->not_before = rec->not_before;
    state->not_after = rec->not_after;
}


void
ngx_k8s_compile_secret_data(ngx_k8s_secret_t *secret, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    ngx_str_null(value);

    if (secret->data == NULL) {
        return;
    }

    kv = secret->data->elts;

    for (i = 0; i < secret->data->nelts; i++) {
        if (ngx_k8s_str_eq(&kv[i].key, name)) {
            *value = kv[i].value;
            return;
        }
    }
}


ngx_uint_t
ngx_k8s_compile_secret_lost(ngx_k8s_secret_t *secret)
{
    return secret->object.kept && secret->data == NULL;
}


ngx_str_t
ngx_k8s_compile_secret_unread(ngx_k8s_compile_t *c, ngx_k8s_secret_t *secret)
{
    ngx_str_t  *origin;

    origin = &secret->object.origin;

    return ngx_k8s_compile_text(c, "%s%V%s cannot be read any more",
                                origin->len ? "\"" : "it", origin,
                                origin->len ? "\"" : "");
}
