
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Where a match leads: backends by weight, canaries, Services, mirrors. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_router.h>


/* what answers where a Service has no endpoint */
#define NGX_K8S_ROUTE_UNAVAILABLE  503


ngx_k8s_backend_rec_t *
ngx_k8s_route_backend(ngx_k8s_route_t *route, uint32_t random)
{
    uint32_t                i;
    ngx_k8s_host_t         *host;
    ngx_k8s_action_t       *action;
    ngx_k8s_backend_rec_t  *backend;

    host = route->record;
    action = route->action;

    if (action->nbackends == 0 || action->weights == 0) {
        return NULL;
    }

    backend = ngx_k8s_record_at(host, host->backends.offset);
    backend += action->backend;

    if (action->nbackends == 1) {
        return backend;
    }

    random %= action->weights;

    for (i = 0; i < action->nbackends - 1; i++) {
        if (random < backend->weight) {
            break;
        }

        random -= backend->weight;
        backend++;
    }

    return backend;
}


ngx_k8s_backend_rec_t *
ngx_k8s_route_canary(ngx_k8s_table_t *table, ngx_k8s_route_t *route,
    ngx_k8s_backend_rec_t *canary)
{
    ngx_uint_t              status;
    ngx_k8s_backend_rec_t  *primary;

    primary = ngx_k8s_record_at(route->record, route->record->backends.offset);
    primary += route->action->backend + route->action->nbackends - 1;

    return (ngx_k8s_route_service(table, primary, &status)
            && ngx_k8s_route_service(table, canary, &status))
           ? canary : primary;
}


ngx_k8s_service_rec_t *
ngx_k8s_route_service(ngx_k8s_table_t *table, ngx_k8s_backend_rec_t *backend,
    ngx_uint_t *status)
{
    ngx_k8s_service_rec_t  *service;

    service = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                      backend->service, backend->generation);

    if (service && service->usable) {
        return service;
    }

    *status = NGX_K8S_ROUTE_UNAVAILABLE;

    if (backend->invalid
        && (backend->service == 0
            || (service && (service->flags & (NGX_K8S_SERVICE_MISSING
                                              |NGX_K8S_SERVICE_NO_PORT)))))
    {
        *status = backend->invalid;
    }

    return NULL;
}


ngx_k8s_mirror_rec_t *
ngx_k8s_route_mirrors(ngx_k8s_route_t *route, ngx_uint_t *n)
{
    ngx_k8s_host_t        *host;
    ngx_k8s_mirror_rec_t  *mirror;

    host = route->record;
    mirror = ngx_k8s_record_at(host, host->mirrors.offset);

    *n = route->action->nmirrors;

    return *n ? mirror + route->action->mirror : NULL;
}
