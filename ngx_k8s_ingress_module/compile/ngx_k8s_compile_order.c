
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* The order of paths and of those that want them, and what is the same. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_int_t ngx_k8s_claim_rank(ngx_k8s_claim_t *claim);
static ngx_k8s_model_t *ngx_k8s_claim_model(ngx_k8s_claim_t *claim);
static ngx_k8s_object_t *ngx_k8s_claim_object(ngx_k8s_claim_t *claim);
static ngx_uint_t ngx_k8s_item_rank(ngx_k8s_item_t *item);
static ngx_uint_t ngx_k8s_target_equal(ngx_k8s_target_t *one,
    ngx_k8s_target_t *two);


void
ngx_k8s_item_text(ngx_k8s_item_t *item, ngx_str_t *text)
{
    if (item->slash) {
        *text = item->match->path;
        text->len--;
        return;
    }

    *text = item->match->text;
}


ngx_int_t
ngx_k8s_claim_cmp(ngx_k8s_claim_t *one, ngx_k8s_claim_t *two)
{
    ngx_int_t  rc;

    rc = ngx_k8s_claim_rank(one) - ngx_k8s_claim_rank(two);

    if (rc) {
        return rc;
    }

    return ngx_k8s_object_cmp(ngx_k8s_claim_object(one),
                              ngx_k8s_claim_object(two));
}


static ngx_int_t
ngx_k8s_claim_rank(ngx_k8s_claim_t *claim)
{
    return ngx_k8s_claim_model(claim)->canary ? 2 : claim->apart;
}


static ngx_k8s_model_t *
ngx_k8s_claim_model(ngx_k8s_claim_t *claim)
{
    return claim->model ? claim->model : claim->next;
}


static ngx_k8s_object_t *
ngx_k8s_claim_object(ngx_k8s_claim_t *claim)
{
    return ngx_k8s_claim_model(claim)->object;
}


ngx_int_t
ngx_k8s_item_cmp(ngx_rbtree_node_t *x, ngx_rbtree_node_t *y)
{
    ngx_int_t        rc;
    ngx_k8s_item_t  *one, *two;

    one = (ngx_k8s_item_t *) x;
    two = (ngx_k8s_item_t *) y;

    rc = ngx_k8s_item_group_cmp(one, two);

    if (rc == 0) {
        rc = (ngx_int_t) one->canary - (ngx_int_t) two->canary;
    }

    /* of canaries of one text those without a slash at its end, then others */

    if (rc == 0 && one->canary) {
        rc = (ngx_int_t) one->match->path.len
             - (ngx_int_t) two->match->path.len;
    }

    if (rc == 0) {
        rc = (ngx_int_t) one->claim->apart - (ngx_int_t) two->claim->apart;
    }

    if (rc == 0) {
        rc = ngx_k8s_match_cmp(ngx_k8s_claim_object(one->claim), one->rule,
                               one->match, ngx_k8s_claim_object(two->claim),
                               two->rule, two->match);
    }

    return rc;
}


ngx_int_t
ngx_k8s_item_group_cmp(ngx_k8s_item_t *one, ngx_k8s_item_t *two)
{
    ngx_str_t  text, other;

    ngx_k8s_item_text(one, &text);
    ngx_k8s_item_text(two, &other);

    return ngx_k8s_path_cmp(ngx_k8s_item_rank(one), &text,
                            ngx_k8s_item_rank(two), &other);
}


/* of one text: Exact, Prefix, then what adds a slash if neither is there */

static ngx_uint_t
ngx_k8s_item_rank(ngx_k8s_item_t *item)
{
    return item->slash ? NGX_K8S_PATH_REGEX + 1 : item->match->type;
}


ngx_uint_t
ngx_k8s_item_same(ngx_k8s_item_t *one, ngx_k8s_item_t *two)
{
    return one->node.key == two->node.key
           && ngx_k8s_item_group_cmp(one, two) == 0;
}


ngx_uint_t
ngx_k8s_item_equal(ngx_k8s_item_t *item, ngx_k8s_model_rule_t *rule,
    ngx_k8s_model_match_t *match)
{
    ngx_uint_t              i;
    ngx_k8s_model_rule_t   *old;
    ngx_k8s_model_match_t  *one;

    old = item->rule;
    one = item->match;

    if (one->type != match->type || one->order != match->order
        || one->slash != match->slash
        || one->elements != match->elements
        || one->rewrite != match->rewrite
        || one->npredicates != match->npredicates
        || !ngx_k8s_str_eq(&one->path, &match->path)
        || !ngx_k8s_str_eq(&old->name, &rule->name)
        || old->ntargets != rule->ntargets
        || old->nmirrors != rule->nmirrors)
    {
        return 0;
    }

    for (i = 0; i < one->npredicates; i++) {
        if (one->predicates[i].what != match->predicates[i].what
            || one->predicates[i].how != match->predicates[i].how
            || !ngx_k8s_str_eq(&one->predicates[i].name,
                               &match->predicates[i].name)
            || !ngx_k8s_str_eq(&one->predicates[i].value,
                               &match->predicates[i].value))
        {
            return 0;
        }
    }

    for (i = 0; i < old->ntargets; i++) {
        if (!ngx_k8s_target_equal(&old->targets[i], &rule->targets[i])) {
            return 0;
        }
    }

    for (i = 0; i < old->nmirrors; i++) {
        if (old->mirrors[i].share != rule->mirrors[i].share
            || !ngx_k8s_target_equal(&old->mirrors[i].target,
                                     &rule->mirrors[i].target))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_target_equal(ngx_k8s_target_t *one, ngx_k8s_target_t *two)
{
    return one->weight == two->weight
           && one->invalid == two->invalid
           && one->cluster == two->cluster
           && one->ref.kind == two->ref.kind
           && ngx_k8s_str_eq(&one->ref.name, &two->ref.name)
           && ngx_k8s_str_eq(&one->ref.namespace, &two->ref.namespace)
           && ngx_k8s_str_eq(&one->port, &two->port)
           && ngx_k8s_str_eq(&one->protocol, &two->protocol);
}
