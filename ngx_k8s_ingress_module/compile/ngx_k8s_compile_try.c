
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What the paths of a host and the objects that have them need of each other:
 * whether a path is an expression, and that a claim is to be looked at.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


ngx_uint_t
ngx_k8s_compile_regex_bad(ngx_k8s_compile_t *c, ngx_k8s_item_t *item,
    ngx_str_t *error)
{
    u_char     buf[NGX_MAX_CONF_ERRSTR];
    ngx_str_t  text, *path;

    path = &item->match->path;

    if (c->conf.regex == NULL
        || (item->tried && (error == NULL || !item->bad))
        || ngx_k8s_path_literal(path) == path->len)
    {
        return item->bad;
    }

    text.data = buf;

    if (error == NULL) {
        error = &text;
    }

    item->tried = 1;
    item->bad = (c->conf.regex(path, error, c->log) == NGX_DECLINED);

    return item->bad;
}


void
ngx_k8s_compile_claim_mark(ngx_k8s_claim_t *claim)
{
    if (!claim->queued) {
        claim->queued = 1;
        ngx_queue_insert_tail(&claim->state->work, &claim->queue);
    }
}
