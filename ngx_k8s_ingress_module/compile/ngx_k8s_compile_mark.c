
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


void
ngx_k8s_compile_claim_mark(ngx_k8s_claim_t *claim)
{
    if (!claim->queued) {
        claim->queued = 1;
        ngx_queue_insert_tail(&claim->state->work, &claim->queue);
    }
}


/* all hosts of an Ingress anew, and its problems */

void
ngx_k8s_compile_mark_hosts(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry)
{
    ngx_k8s_link_t  *link;

    for (link = entry->links; link; link = link->next) {
        if (link->node->type != NGX_K8S_NODE_HOST) {
            continue;
        }

        if (link->data) {
            ngx_k8s_compile_claim_mark(link->data);
        }

        ngx_k8s_node_mark(c->store, link->node);
    }

    ngx_k8s_entry_mark(c->store, entry);
}
