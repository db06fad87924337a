
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Is a record sound?  Its bytes may come from anywhere: what passes here may
 * be read by all code without a further look at its references.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer.h>
#include <ngx_k8s_shm.h>


typedef ngx_uint_t (*ngx_k8s_verify_pt)(void *rec, size_t len);


static ngx_uint_t ngx_k8s_verify_str(ngx_k8s_str_t *s, size_t len);
static ngx_uint_t ngx_k8s_verify_list(ngx_k8s_list_t *list, size_t size,
    size_t len);
static ngx_uint_t ngx_k8s_verify_strs(void *rec, ngx_k8s_list_t *list,
    size_t len);
static ngx_uint_t ngx_k8s_verify_host(void *rec, size_t len);
static ngx_uint_t ngx_k8s_verify_paths(ngx_k8s_host_t *host, size_t len);
static ngx_uint_t ngx_k8s_verify_matches(ngx_k8s_host_t *host, size_t len);
static ngx_uint_t ngx_k8s_verify_actions(ngx_k8s_host_t *host, size_t len);
static ngx_uint_t ngx_k8s_verify_service(void *rec, size_t len);
static ngx_uint_t ngx_k8s_verify_certificate(void *rec, size_t len);
static ngx_uint_t ngx_k8s_verify_policy(void *rec, size_t len);
static ngx_uint_t ngx_k8s_verify_rule(void *rec, size_t len);
static ngx_uint_t ngx_k8s_verify_listener(void *rec, size_t len);
static ngx_uint_t ngx_k8s_verify_problem(void *rec, size_t len);
static ngx_uint_t ngx_k8s_verify_sync(void *rec, size_t len);


static ngx_k8s_verify_pt  ngx_k8s_verifiers[] = {
    ngx_k8s_verify_host,
    ngx_k8s_verify_service,
    ngx_k8s_verify_certificate,
    ngx_k8s_verify_policy,
    ngx_k8s_verify_rule,
    ngx_k8s_verify_listener,
    ngx_k8s_verify_problem,
    ngx_k8s_verify_sync
};


ngx_int_t
ngx_k8s_record_verify(ngx_k8s_record_t *rec, size_t max)
{
    if ((uintptr_t) rec % sizeof(uint64_t)
        || max < sizeof(ngx_k8s_record_t)
        || rec->size > max
        || rec->size > NGX_K8S_RECORD_MAX
        || rec->size % NGX_K8S_GRANULE
        || rec->size < sizeof(ngx_k8s_record_t))
    {
        return NGX_ERROR;
    }

    if (ngx_k8s_record_inside(rec, rec->size) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_k8s_record_crc(rec, rec->size, rec->size) != rec->crc) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_record_inside(ngx_k8s_record_t *rec, size_t len)
{
    if (rec->type >= NGX_K8S_INDEXES
        || len < ngx_k8s_record_fixed(rec->type)
        || rec->key.len > NGX_K8S_KEY_MAX
        || (rec->key.len && rec->key.offset < sizeof(ngx_k8s_record_t))
        || !ngx_k8s_verify_str(&rec->key, len)
        || !ngx_k8s_verifiers[rec->type](rec, len))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


uint32_t
ngx_k8s_record_crc(ngx_k8s_record_t *rec, size_t len, size_t size)
{
    u_char    *p;
    size_t     skip;
    uint32_t   crc;

    static u_char  zeroes[NGX_K8S_GRANULE];

    skip = offsetof(ngx_k8s_record_t, type);
    p = (u_char *) rec;

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, p + skip, len - skip);
    ngx_crc32_update(&crc, zeroes, size - len);
    ngx_crc32_final(crc);

    return crc;
}


static ngx_uint_t
ngx_k8s_verify_str(ngx_k8s_str_t *s, size_t len)
{
    return (uint64_t) s->offset + s->len <= len;
}


static ngx_uint_t
ngx_k8s_verify_list(ngx_k8s_list_t *list, size_t size, size_t len)
{
    return list->offset % sizeof(uint32_t) == 0
           && (uint64_t) list->offset + (uint64_t) list->n * size <= len;
}


static ngx_uint_t
ngx_k8s_verify_strs(void *rec, ngx_k8s_list_t *list, size_t len)
{
    uint32_t        i;
    ngx_k8s_str_t  *s;

    if (!ngx_k8s_verify_list(list, sizeof(ngx_k8s_str_t), len)) {
        return 0;
    }

    s = ngx_k8s_record_at(rec, list->offset);

    for (i = 0; i < list->n; i++) {
        if (!ngx_k8s_verify_str(&s[i], len)) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_verify_host(void *rec, size_t len)
{
    ngx_k8s_host_t  *host = rec;

    if (!ngx_k8s_verify_str(&host->name, len)
        || !ngx_k8s_verify_list(&host->certificates, sizeof(ngx_k8s_slot_ref_t),
                                len)
        || !ngx_k8s_verify_list(&host->paths, sizeof(ngx_k8s_path_t), len)
        || !ngx_k8s_verify_list(&host->buckets, sizeof(uint32_t), len)
        || !ngx_k8s_verify_list(&host->matches, sizeof(ngx_k8s_match_t), len)
        || !ngx_k8s_verify_list(&host->predicates,
                                sizeof(ngx_k8s_predicate_t), len)
        || !ngx_k8s_verify_list(&host->actions, sizeof(ngx_k8s_action_t), len)
        || !ngx_k8s_verify_list(&host->backends,
                                sizeof(ngx_k8s_backend_rec_t), len))
    {
        return 0;
    }

    if (host->fallback != NGX_K8S_NONE && host->fallback >= host->matches.n) {
        return 0;
    }

    return ngx_k8s_verify_paths(host, len)
           && ngx_k8s_verify_matches(host, len)
           && ngx_k8s_verify_actions(host, len);
}


static ngx_uint_t
ngx_k8s_verify_paths(ngx_k8s_host_t *host, size_t len)
{
    uint32_t         i, *buckets;
    ngx_k8s_path_t  *path;

    if (host->buckets.n & (host->buckets.n - 1)) {
        return 0;
    }

    buckets = ngx_k8s_record_at(host, host->buckets.offset);

    for (i = 0; i < host->buckets.n; i++) {
        if (buckets[i] > host->paths.n) {
            return 0;
        }
    }

    path = ngx_k8s_record_at(host, host->paths.offset);

    for (i = 0; i < host->paths.n; i++) {

        if (path[i].type > NGX_K8S_PATH_REGEX
            || !ngx_k8s_verify_str(&path[i].text, len)
            || (uint64_t) path[i].match + path[i].nmatches > host->matches.n)
        {
            return 0;
        }

        /* a chain only goes up, so it ends */

        if (path[i].next
            && (path[i].next <= i + 1 || path[i].next > host->paths.n))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_verify_matches(ngx_k8s_host_t *host, size_t len)
{
    uint32_t              i;
    ngx_k8s_match_t      *match;
    ngx_k8s_predicate_t  *predicate;

    match = ngx_k8s_record_at(host, host->matches.offset);

    for (i = 0; i < host->matches.n; i++) {
        if ((uint64_t) match[i].predicate + match[i].npredicates
            > host->predicates.n
            || match[i].action >= host->actions.n)
        {
            return 0;
        }
    }

    predicate = ngx_k8s_record_at(host, host->predicates.offset);

    for (i = 0; i < host->predicates.n; i++) {
        if (predicate[i].what > NGX_K8S_PREDICATE_QUERY
            || predicate[i].how > NGX_K8S_PREDICATE_REGEX
            || !ngx_k8s_verify_str(&predicate[i].name, len)
            || !ngx_k8s_verify_str(&predicate[i].value, len))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_verify_actions(ngx_k8s_host_t *host, size_t len)
{
    uint32_t                i, k;
    uint64_t                sum, total;
    ngx_k8s_action_t       *action;
    ngx_k8s_backend_rec_t  *backend;

    action = ngx_k8s_record_at(host, host->actions.offset);
    backend = ngx_k8s_record_at(host, host->backends.offset);

    /* actions that share their backends could make this quadratic */

    total = 0;

    for (i = 0; i < host->actions.n; i++, action++) {

        if (action->kind > NGX_K8S_ACTION_ADD_SLASH
            || action->path_kind > NGX_K8S_REDIRECT_PATH_PREFIX
            || !ngx_k8s_verify_str(&action->scheme, len)
            || !ngx_k8s_verify_str(&action->host, len)
            || !ngx_k8s_verify_str(&action->path, len))
        {
            return 0;
        }

        if (action->nbackends == 0) {
            if (action->weights) {
                return 0;
            }

            continue;
        }

        if ((uint64_t) action->backend + action->nbackends > host->backends.n) {
            return 0;
        }

        total += action->nbackends;

        if (total > len) {
            return 0;
        }

        sum = 0;

        for (k = action->backend; k < action->backend + action->nbackends; k++)
        {
            sum += backend[k].weight;
        }

        if (sum != action->weights) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_verify_service(void *rec, size_t len)
{
    uint32_t                 i;
    ngx_k8s_endpoint_rec_t  *endpoint;
    ngx_k8s_service_rec_t   *service = rec;

    if (!ngx_k8s_verify_str(&service->namespace, len)
        || !ngx_k8s_verify_str(&service->name, len)
        || !ngx_k8s_verify_str(&service->port, len)
        || !ngx_k8s_verify_str(&service->protocol, len)
        || !ngx_k8s_verify_str(&service->app_protocol, len)
        || !ngx_k8s_verify_str(&service->external, len)
        || !ngx_k8s_verify_list(&service->endpoints,
                                sizeof(ngx_k8s_endpoint_rec_t), len)
        || service->usable > service->endpoints.n)
    {
        return 0;
    }

    endpoint = ngx_k8s_record_at(service, service->endpoints.offset);

    for (i = 0; i < service->endpoints.n; i++) {
        if ((endpoint[i].family != 4 && endpoint[i].family != 6)
            || !ngx_k8s_verify_str(&endpoint[i].zone, len)
            || !ngx_k8s_verify_str(&endpoint[i].hints, len))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_verify_certificate(void *rec, size_t len)
{
    ngx_k8s_certificate_t  *cert = rec;

    return ngx_k8s_verify_str(&cert->namespace, len)
           && ngx_k8s_verify_str(&cert->name, len)
           && ngx_k8s_verify_str(&cert->key, len)
           && ngx_k8s_verify_strs(rec, &cert->chain, len)
           && ngx_k8s_verify_strs(rec, &cert->names, len)
           && ngx_k8s_verify_str(&cert->serial, len)
           && ngx_k8s_verify_str(&cert->issuer, len);
}


static ngx_uint_t
ngx_k8s_verify_policy(void *rec, size_t len)
{
    uint32_t            i, args;
    ngx_k8s_policy_t   *policy = rec;
    ngx_k8s_setting_t  *setting;

    if (!ngx_k8s_verify_list(&policy->settings, sizeof(ngx_k8s_setting_t),
                             len))
    {
        return 0;
    }

    setting = ngx_k8s_record_at(policy, policy->settings.offset);

    /* settings that share their arguments could make this quadratic */

    args = 0;

    for (i = 0; i < policy->settings.n; i++) {
        args += ngx_min(setting[i].args.n, len);

        if (args > len
            || !ngx_k8s_verify_str(&setting[i].name, len)
            || !ngx_k8s_verify_strs(rec, &setting[i].args, len))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_verify_rule(void *rec, size_t len)
{
    ngx_k8s_rule_rec_t  *rule = rec;

    return ngx_k8s_verify_str(&rule->host, len)
           && ngx_k8s_verify_str(&rule->path, len)
           && ngx_k8s_verify_str(&rule->namespace, len)
           && ngx_k8s_verify_str(&rule->ingress, len)
           && ngx_k8s_verify_str(&rule->service, len)
           && ngx_k8s_verify_str(&rule->port, len);
}


static ngx_uint_t
ngx_k8s_verify_listener(void *rec, size_t len)
{
    ngx_k8s_listener_t  *listener = rec;

    return (listener->address.len == 0 || listener->address.len == 4
            || listener->address.len == 16)
           && ngx_k8s_verify_str(&listener->address, len)
           && ngx_k8s_verify_str(&listener->hostname, len)
           && ngx_k8s_verify_str(&listener->name, len);
}


static ngx_uint_t
ngx_k8s_verify_problem(void *rec, size_t len)
{
    uint32_t                 i;
    ngx_k8s_problem_rec_t   *problem = rec;
    ngx_k8s_problem_item_t  *item;

    if (!ngx_k8s_verify_str(&problem->kind, len)
        || !ngx_k8s_verify_str(&problem->namespace, len)
        || !ngx_k8s_verify_str(&problem->name, len)
        || !ngx_k8s_verify_list(&problem->items,
                                sizeof(ngx_k8s_problem_item_t), len))
    {
        return 0;
    }

    item = ngx_k8s_record_at(problem, problem->items.offset);

    for (i = 0; i < problem->items.n; i++) {
        if (!ngx_k8s_verify_str(&item[i].field, len)
            || !ngx_k8s_verify_str(&item[i].message, len)
            || !ngx_k8s_verify_str(&item[i].remedy, len)
            || !ngx_k8s_verify_str(&item[i].host, len))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_verify_sync(void *rec, size_t len)
{
    ngx_k8s_sync_t  *sync = rec;

    return ngx_k8s_verify_str(&sync->kind, len)
           && ngx_k8s_verify_str(&sync->reason, len);
}
