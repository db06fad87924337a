
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Equality of two versions of an object, but for resourceVersion: most events
 * of a cluster change nothing that matters here.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


static ngx_uint_t ngx_k8s_keyvals_equal(ngx_array_t *one, ngx_array_t *two);
static ngx_uint_t ngx_k8s_problems_equal(ngx_array_t *one, ngx_array_t *two);
static ngx_uint_t ngx_k8s_backend_equal(ngx_k8s_backend_t *one,
    ngx_k8s_backend_t *two);
static ngx_uint_t ngx_k8s_ingress_equal(ngx_k8s_ingress_t *one,
    ngx_k8s_ingress_t *two);
static ngx_uint_t ngx_k8s_tls_equal(ngx_k8s_ingress_t *one,
    ngx_k8s_ingress_t *two);
static ngx_uint_t ngx_k8s_service_equal(ngx_k8s_service_t *one,
    ngx_k8s_service_t *two);
static ngx_uint_t ngx_k8s_slice_equal(ngx_k8s_endpoint_slice_t *one,
    ngx_k8s_endpoint_slice_t *two);


ngx_uint_t
ngx_k8s_object_equal(ngx_k8s_object_t *one, ngx_k8s_object_t *two)
{
    if (one->kind != two->kind
        || one->created != two->created
        || one->document != two->document
        || !ngx_k8s_str_eq(&one->uid, &two->uid)
        || !ngx_k8s_str_eq(&one->origin, &two->origin)
        || !ngx_k8s_keyvals_equal(one->annotations, two->annotations)
        || !ngx_k8s_problems_equal(one->problems, two->problems))
    {
        return 0;
    }

    switch (one->kind) {

    case NGX_K8S_INGRESS:
        return ngx_k8s_ingress_equal((ngx_k8s_ingress_t *) one,
                                     (ngx_k8s_ingress_t *) two);

    case NGX_K8S_INGRESS_CLASS:
        return ((ngx_k8s_ingress_class_t *) one)->is_default
               == ((ngx_k8s_ingress_class_t *) two)->is_default
               && ngx_k8s_str_eq(
                               &((ngx_k8s_ingress_class_t *) one)->controller,
                               &((ngx_k8s_ingress_class_t *) two)->controller);

    case NGX_K8S_SERVICE:
        return ngx_k8s_service_equal((ngx_k8s_service_t *) one,
                                     (ngx_k8s_service_t *) two);

    case NGX_K8S_ENDPOINT_SLICE:
        return ngx_k8s_slice_equal((ngx_k8s_endpoint_slice_t *) one,
                                   (ngx_k8s_endpoint_slice_t *) two);

    case NGX_K8S_SECRET:
        return ngx_k8s_str_eq(&((ngx_k8s_secret_t *) one)->type,
                              &((ngx_k8s_secret_t *) two)->type)
               && ngx_k8s_keyvals_equal(((ngx_k8s_secret_t *) one)->data,
                                        ((ngx_k8s_secret_t *) two)->data);

    default: /* NGX_K8S_NAMESPACE */
        return ngx_k8s_keyvals_equal(((ngx_k8s_namespace_t *) one)->labels,
                                     ((ngx_k8s_namespace_t *) two)->labels);
    }
}


static ngx_uint_t
ngx_k8s_keyvals_equal(ngx_array_t *one, ngx_array_t *two)
{
    ngx_uint_t     i, n, m;
    ngx_keyval_t  *a, *b;

    n = one ? one->nelts : 0;
    m = two ? two->nelts : 0;

    if (n != m) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        a = (ngx_keyval_t *) one->elts + i;
        b = (ngx_keyval_t *) two->elts + i;

        if (!ngx_k8s_str_eq(&a->key, &b->key)
            || !ngx_k8s_str_eq(&a->value, &b->value))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_problems_equal(ngx_array_t *one, ngx_array_t *two)
{
    ngx_uint_t          i, n, m;
    ngx_k8s_problem_t  *a, *b;

    n = one ? one->nelts : 0;
    m = two ? two->nelts : 0;

    if (n != m) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        a = (ngx_k8s_problem_t *) one->elts + i;
        b = (ngx_k8s_problem_t *) two->elts + i;

        if (a->code != b->code
            || !ngx_k8s_str_eq(&a->field, &b->field)
            || !ngx_k8s_str_eq(&a->message, &b->message)
            || !ngx_k8s_str_eq(&a->remedy, &b->remedy)
            || !ngx_k8s_str_eq(&a->host, &b->host))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_backend_equal(ngx_k8s_backend_t *one, ngx_k8s_backend_t *two)
{
    if (one == NULL || two == NULL) {
        return one == two;
    }

    return one->port == two->port
           && one->resource == two->resource
           && one->closed == two->closed
           && ngx_k8s_str_eq(&one->service, &two->service)
           && ngx_k8s_str_eq(&one->port_name, &two->port_name);
}


static ngx_uint_t
ngx_k8s_ingress_equal(ngx_k8s_ingress_t *one, ngx_k8s_ingress_t *two)
{
    ngx_uint_t               i, j;
    ngx_k8s_http_path_t     *p, *q;
    ngx_k8s_ingress_rule_t  *a, *b;

    if ((one->class_name.data == NULL) != (two->class_name.data == NULL)
        || !ngx_k8s_str_eq(&one->class_name, &two->class_name)
        || !ngx_k8s_backend_equal(one->default_backend, two->default_backend)
        || one->nrules != two->nrules
        || one->no_class != two->no_class
        || !ngx_k8s_tls_equal(one, two))
    {
        return 0;
    }

    for (i = 0; i < one->nrules; i++) {
        a = &one->rules[i];
        b = &two->rules[i];

        if (a->npaths != b->npaths || a->no_host != b->no_host
            || !ngx_k8s_str_eq(&a->host, &b->host)) {
            return 0;
        }

        for (j = 0; j < a->npaths; j++) {
            p = &a->paths[j];
            q = &b->paths[j];

            if (p->type != q->type
                || p->no_path != q->no_path
                || !ngx_k8s_str_eq(&p->path, &q->path)
                || !ngx_k8s_backend_equal(&p->backend, &q->backend))
            {
                return 0;
            }
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_tls_equal(ngx_k8s_ingress_t *one, ngx_k8s_ingress_t *two)
{
    ngx_uint_t              i, j;
    ngx_k8s_ingress_tls_t  *a, *b;

    if (one->ntls != two->ntls) {
        return 0;
    }

    for (i = 0; i < one->ntls; i++) {
        a = &one->tls[i];
        b = &two->tls[i];

        if (a->nhosts != b->nhosts || !ngx_k8s_str_eq(&a->secret, &b->secret))
        {
            return 0;
        }

        for (j = 0; j < a->nhosts; j++) {
            if (!ngx_k8s_str_eq(&a->hosts[j], &b->hosts[j])) {
                return 0;
            }
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_service_equal(ngx_k8s_service_t *one, ngx_k8s_service_t *two)
{
    ngx_uint_t               i;
    ngx_k8s_service_port_t  *a, *b;

    if (one->family != two->family
        || one->nports != two->nports
        || one->nexternal_ips != two->nexternal_ips
        || !ngx_k8s_str_eq(&one->type, &two->type)
        || !ngx_k8s_str_eq(&one->cluster_ip, &two->cluster_ip)
        || !ngx_k8s_str_eq(&one->external_name, &two->external_name))
    {
        return 0;
    }

    for (i = 0; i < one->nexternal_ips; i++) {
        if (!ngx_k8s_str_eq(&one->external_ips[i], &two->external_ips[i])) {
            return 0;
        }
    }

    for (i = 0; i < one->nports; i++) {
        a = &one->ports[i];
        b = &two->ports[i];

        if (a->port != b->port
            || a->target_port != b->target_port
            || a->closed != b->closed
            || !ngx_k8s_str_eq(&a->name, &b->name)
            || !ngx_k8s_str_eq(&a->target_name, &b->target_name)
            || !ngx_k8s_str_eq(&a->protocol, &b->protocol)
            || !ngx_k8s_str_eq(&a->app_protocol, &b->app_protocol))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_slice_equal(ngx_k8s_endpoint_slice_t *one,
    ngx_k8s_endpoint_slice_t *two)
{
    ngx_uint_t                 i;
    ngx_k8s_slice_port_t      *a, *b;
    ngx_k8s_slice_endpoint_t  *e, *f;

    if (one->family != two->family
        || one->nports != two->nports
        || one->endpoints.nelts != two->endpoints.nelts
        || !ngx_k8s_str_eq(&one->service, &two->service))
    {
        return 0;
    }

    for (i = 0; i < one->nports; i++) {
        a = &one->ports[i];
        b = &two->ports[i];

        if (a->port != b->port
            || a->closed != b->closed
            || !ngx_k8s_str_eq(&a->name, &b->name)
            || !ngx_k8s_str_eq(&a->protocol, &b->protocol)
            || !ngx_k8s_str_eq(&a->app_protocol, &b->app_protocol))
        {
            return 0;
        }
    }

    e = one->endpoints.elts;
    f = two->endpoints.elts;

    for (i = 0; i < one->endpoints.nelts; i++) {
        if (e[i].ready != f[i].ready
            || e[i].serving != f[i].serving
            || e[i].terminating != f[i].terminating
            || !ngx_k8s_str_eq(&e[i].address, &f[i].address)
            || !ngx_k8s_str_eq(&e[i].zone, &f[i].zone)
            || !ngx_k8s_str_eq(&e[i].hints, &f[i].hints)
            || !ngx_k8s_str_eq(&e[i].node, &f[i].node)
            || !ngx_k8s_str_eq(&e[i].target, &f[i].target))
        {
            return 0;
        }
    }

    return 1;
}
