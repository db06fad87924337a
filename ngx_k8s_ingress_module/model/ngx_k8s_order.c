
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which of several matches takes a request that all of them fit.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


/*
 * By creation; of the same second the greater "namespace/name" is the first,
 * as with ingress-nginx.  Manifests have no creation: by their place.
 */

ngx_int_t
ngx_k8s_age_cmp(ngx_k8s_object_t *one, ngx_k8s_object_t *two)
{
    size_t      i, len;
    ngx_int_t   rc;
    u_char      a, b;

    if (one->created != two->created) {
        return (one->created > two->created) ? 1 : -1;
    }

    if (one->created == 0) {
        rc = ngx_k8s_str_cmp(&one->origin, &two->origin);
        if (rc) {
            return rc;
        }

        if (one->document != two->document) {
            return (one->document > two->document) ? 1 : -1;
        }
    }

    len = ngx_max(one->namespace.len, two->namespace.len);
    rc = 0;

    for (i = 0; i <= len && rc == 0; i++) {
        a = (i < one->namespace.len) ? one->namespace.data[i] : '/';
        b = (i < two->namespace.len) ? two->namespace.data[i] : '/';
        rc = (a > b) - (a < b);

        if (rc == 0 && i >= one->namespace.len) {
            break;
        }
    }

    if (rc == 0) {
        rc = ngx_k8s_str_cmp(&one->name, &two->name);
    }

    return one->created ? -rc : rc;
}


ngx_int_t
ngx_k8s_object_cmp(ngx_k8s_object_t *one, ngx_k8s_object_t *two)
{
    ngx_int_t  rc;

    rc = ngx_k8s_age_cmp(one, two);

    if (rc == 0) {
        rc = (ngx_int_t) one->kind - (ngx_int_t) two->kind;
    }

    return rc;
}


ngx_int_t
ngx_k8s_match_cmp(ngx_k8s_object_t *object, ngx_k8s_model_rule_t *rule,
    ngx_k8s_model_match_t *match, ngx_k8s_object_t *object2,
    ngx_k8s_model_rule_t *rule2, ngx_k8s_model_match_t *match2)
{
    ngx_int_t  rc;

    if (match->order != match2->order) {
        return (match->order > match2->order) ? -1 : 1;
    }

    if (object != object2) {
        rc = ngx_k8s_object_cmp(object, object2);

        if (rc != 0) {
            return rc;
        }
    }

    if (rule->seq != rule2->seq) {
        return (rule->seq > rule2->seq) ? 1 : -1;
    }

    return (match > match2) - (match < match2);
}
