
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_type.h>
#include <ngx_k8s_writer.h>


static ngx_uint_t ngx_k8s_type_host(void *rec, size_t len);
static ngx_uint_t ngx_k8s_type_service(void *rec, size_t len);
static ngx_int_t ngx_k8s_type_field_refs(u_char *p,
    const ngx_k8s_record_field_t *field, ngx_k8s_record_refs_pt handler,
    void *data);
static ngx_int_t ngx_k8s_type_ref_list(ngx_k8s_record_t *rec,
    const ngx_k8s_record_field_t *field, ngx_k8s_list_t *list,
    ngx_k8s_record_refs_pt handler, void *data);


#define ngx_k8s_type_str(type, field)                                         \
    { NGX_K8S_FIELD_STR, offsetof(type, field), 0, NULL }

#define ngx_k8s_type_list(type, field, element)                               \
    { NGX_K8S_FIELD_LIST, offsetof(type, field), 0, &element }

#define ngx_k8s_type_arg(what, type, field, arg)                              \
    { NGX_K8S_FIELD_##what, offsetof(type, field), arg, NULL }

#define ngx_k8s_type_refs(type, field, index)                                 \
    { NGX_K8S_FIELD_REFS, offsetof(type, field), NGX_K8S_INDEX_##index,       \
      &ngx_k8s_ref_element }

#define ngx_k8s_type_fixed(type, fields)                                      \
    { sizeof(type), sizeof(fields) / sizeof(fields[0]), fields }

#define ngx_k8s_type_host_list(list)  offsetof(ngx_k8s_host_t, list)


/* policies of Services stand before these, all others behind them */

#define NGX_K8S_STAGE_SERVICE_POLICY  1

#define NGX_K8S_FIELDS_MAX            32  /* of a fixed part */


/* elements of lists */

static const ngx_k8s_element_t  ngx_k8s_number_element = {
    sizeof(uint32_t), 0, NULL
};

static const ngx_k8s_element_t  ngx_k8s_ref_element = {
    sizeof(ngx_k8s_slot_ref_t), 0, NULL
};

static const ngx_k8s_record_field_t  ngx_k8s_str_fields[] = {
    { NGX_K8S_FIELD_STR, 0, 0, NULL }
};

static const ngx_k8s_element_t  ngx_k8s_str_element =
    ngx_k8s_type_fixed(ngx_k8s_str_t, ngx_k8s_str_fields);


static const ngx_k8s_record_field_t  ngx_k8s_listener_slot_fields[] = {
    { NGX_K8S_FIELD_SLOT, 0, NGX_K8S_INDEX_LISTENER, NULL }
};

static const ngx_k8s_element_t  ngx_k8s_listener_slot_element =
    ngx_k8s_type_fixed(uint32_t, ngx_k8s_listener_slot_fields);


static const ngx_k8s_record_field_t  ngx_k8s_shard_fields[] = {
    { NGX_K8S_FIELD_REF, 0, NGX_K8S_INDEX_PATHS, NULL }
};

static const ngx_k8s_element_t  ngx_k8s_shard_element =
    ngx_k8s_type_fixed(ngx_k8s_slot_ref_t, ngx_k8s_shard_fields);


static const ngx_k8s_record_field_t  ngx_k8s_path_fields[] = {
    ngx_k8s_type_arg(MAX32, ngx_k8s_path_t, type, NGX_K8S_PATH_REGEX),
    ngx_k8s_type_str(ngx_k8s_path_t, text),
    ngx_k8s_type_arg(SPAN, ngx_k8s_path_t, match,
                     ngx_k8s_type_host_list(matches))
};

static const ngx_k8s_element_t  ngx_k8s_path_element =
    ngx_k8s_type_fixed(ngx_k8s_path_t, ngx_k8s_path_fields);


static const ngx_k8s_record_field_t  ngx_k8s_match_fields[] = {
    ngx_k8s_type_arg(SPAN, ngx_k8s_match_t, predicate,
                     ngx_k8s_type_host_list(predicates)),
    ngx_k8s_type_arg(SPAN, ngx_k8s_match_t, listener,
                     ngx_k8s_type_host_list(listeners)),
    ngx_k8s_type_arg(ITEM, ngx_k8s_match_t, action,
                     ngx_k8s_type_host_list(actions)),
    ngx_k8s_type_arg(SLOT, ngx_k8s_match_t, policy, NGX_K8S_INDEX_POLICY),
    ngx_k8s_type_arg(SLOT, ngx_k8s_match_t, rule, NGX_K8S_INDEX_RULE)
};

static const ngx_k8s_element_t  ngx_k8s_match_element =
    ngx_k8s_type_fixed(ngx_k8s_match_t, ngx_k8s_match_fields);


static const ngx_k8s_record_field_t  ngx_k8s_predicate_fields[] = {
    ngx_k8s_type_arg(MAX16, ngx_k8s_predicate_t, what,
                     NGX_K8S_PREDICATE_COOKIE),
    ngx_k8s_type_arg(MAX16, ngx_k8s_predicate_t, how, NGX_K8S_PREDICATE_REGEX),
    ngx_k8s_type_str(ngx_k8s_predicate_t, name),
    ngx_k8s_type_str(ngx_k8s_predicate_t, value)
};

static const ngx_k8s_element_t  ngx_k8s_predicate_element =
    ngx_k8s_type_fixed(ngx_k8s_predicate_t, ngx_k8s_predicate_fields);


static const ngx_k8s_record_field_t  ngx_k8s_action_fields[] = {
    ngx_k8s_type_arg(MAX16, ngx_k8s_action_t, kind, NGX_K8S_ACTION_ALIAS),
    ngx_k8s_type_arg(MAX16, ngx_k8s_action_t, path_kind,
                     NGX_K8S_REDIRECT_PATH_PREFIX),
    ngx_k8s_type_str(ngx_k8s_action_t, scheme),
    ngx_k8s_type_str(ngx_k8s_action_t, host),
    ngx_k8s_type_str(ngx_k8s_action_t, path),
    ngx_k8s_type_arg(SPAN, ngx_k8s_action_t, backend,
                     ngx_k8s_type_host_list(backends)),
    ngx_k8s_type_arg(SPAN, ngx_k8s_action_t, mirror,
                     ngx_k8s_type_host_list(mirrors))
};

static const ngx_k8s_element_t  ngx_k8s_action_element =
    ngx_k8s_type_fixed(ngx_k8s_action_t, ngx_k8s_action_fields);


static const ngx_k8s_record_field_t  ngx_k8s_backend_fields[] = {
    ngx_k8s_type_arg(REF, ngx_k8s_backend_rec_t, service,
                     NGX_K8S_INDEX_SERVICE),
    ngx_k8s_type_arg(SLOT, ngx_k8s_backend_rec_t, policy,
                     NGX_K8S_INDEX_POLICY),
    ngx_k8s_type_arg(MAX16, ngx_k8s_backend_rec_t, invalid, 599),
    ngx_k8s_type_arg(MAX16, ngx_k8s_backend_rec_t, flags,
                     NGX_K8S_BACKEND_CANARY),
    ngx_k8s_type_arg(SLOT, ngx_k8s_backend_rec_t, rule, NGX_K8S_INDEX_RULE)
};

static const ngx_k8s_element_t  ngx_k8s_backend_element =
    ngx_k8s_type_fixed(ngx_k8s_backend_rec_t, ngx_k8s_backend_fields);


static const ngx_k8s_record_field_t  ngx_k8s_mirror_fields[] = {
    ngx_k8s_type_arg(REF, ngx_k8s_mirror_rec_t, service, NGX_K8S_INDEX_SERVICE),
    ngx_k8s_type_arg(SLOT, ngx_k8s_mirror_rec_t, policy, NGX_K8S_INDEX_POLICY)
};

static const ngx_k8s_element_t  ngx_k8s_mirror_element =
    ngx_k8s_type_fixed(ngx_k8s_mirror_rec_t, ngx_k8s_mirror_fields);


static const ngx_k8s_record_field_t  ngx_k8s_endpoint_fields[] = {
    ngx_k8s_type_str(ngx_k8s_endpoint_rec_t, zone),
    ngx_k8s_type_str(ngx_k8s_endpoint_rec_t, hints)
};

static const ngx_k8s_element_t  ngx_k8s_endpoint_element =
    ngx_k8s_type_fixed(ngx_k8s_endpoint_rec_t, ngx_k8s_endpoint_fields);


static const ngx_k8s_record_field_t  ngx_k8s_point_fields[] = {
    ngx_k8s_type_arg(ITEM, ngx_k8s_point_t, endpoint,
                     offsetof(ngx_k8s_service_rec_t, endpoints))
};

static const ngx_k8s_element_t  ngx_k8s_point_element =
    ngx_k8s_type_fixed(ngx_k8s_point_t, ngx_k8s_point_fields);


static const ngx_k8s_record_field_t  ngx_k8s_setting_fields[] = {
    ngx_k8s_type_str(ngx_k8s_setting_t, value)
};

static const ngx_k8s_element_t  ngx_k8s_setting_element =
    ngx_k8s_type_fixed(ngx_k8s_setting_t, ngx_k8s_setting_fields);


static const ngx_k8s_record_field_t  ngx_k8s_policy_ref_fields[] = {
    ngx_k8s_type_arg(MAX16, ngx_k8s_policy_ref_t, index,
                     NGX_K8S_INDEXES - 1),
    ngx_k8s_type_arg(ANY_REF, ngx_k8s_policy_ref_t, ref, 0)
};

static const ngx_k8s_element_t  ngx_k8s_policy_ref_element =
    ngx_k8s_type_fixed(ngx_k8s_policy_ref_t, ngx_k8s_policy_ref_fields);



static const ngx_k8s_record_field_t  ngx_k8s_problem_item_fields[] = {
    ngx_k8s_type_arg(MAX16, ngx_k8s_problem_item_t, severity,
                     NGX_K8S_PROBLEM_SEVERITY_MAX),
    ngx_k8s_type_str(ngx_k8s_problem_item_t, field),
    ngx_k8s_type_str(ngx_k8s_problem_item_t, message),
    ngx_k8s_type_str(ngx_k8s_problem_item_t, remedy),
    ngx_k8s_type_str(ngx_k8s_problem_item_t, host)
};

static const ngx_k8s_element_t  ngx_k8s_problem_item_element =
    ngx_k8s_type_fixed(ngx_k8s_problem_item_t, ngx_k8s_problem_item_fields);


/* fixed parts */

static const ngx_k8s_record_field_t  ngx_k8s_host_fields[] = {
    ngx_k8s_type_arg(MAX32, ngx_k8s_host_t, route_set,
                     NGX_K8S_ROUTE_SETS - 1),
    ngx_k8s_type_arg(MAX32, ngx_k8s_host_t, class, NGX_K8S_CLASS_PORT),
    ngx_k8s_type_arg(SLOT, ngx_k8s_host_t, policy, NGX_K8S_INDEX_POLICY),
    ngx_k8s_type_str(ngx_k8s_host_t, name),
    ngx_k8s_type_refs(ngx_k8s_host_t, certificates, CERTIFICATE),
    ngx_k8s_type_list(ngx_k8s_host_t, shards, ngx_k8s_shard_element),
    ngx_k8s_type_str(ngx_k8s_host_t, root),
    ngx_k8s_type_list(ngx_k8s_host_t, paths, ngx_k8s_path_element),
    ngx_k8s_type_list(ngx_k8s_host_t, buckets, ngx_k8s_number_element),
    ngx_k8s_type_list(ngx_k8s_host_t, matches, ngx_k8s_match_element),
    ngx_k8s_type_list(ngx_k8s_host_t, listeners,
                      ngx_k8s_listener_slot_element),
    ngx_k8s_type_list(ngx_k8s_host_t, predicates, ngx_k8s_predicate_element),
    ngx_k8s_type_list(ngx_k8s_host_t, actions, ngx_k8s_action_element),
    ngx_k8s_type_list(ngx_k8s_host_t, backends, ngx_k8s_backend_element),
    ngx_k8s_type_list(ngx_k8s_host_t, mirrors, ngx_k8s_mirror_element),
    ngx_k8s_type_arg(ITEM_OR_NONE, ngx_k8s_host_t, fallback,
                     ngx_k8s_type_host_list(matches))
};

static const ngx_k8s_record_field_t  ngx_k8s_service_fields[] = {
    ngx_k8s_type_str(ngx_k8s_service_rec_t, namespace),
    ngx_k8s_type_str(ngx_k8s_service_rec_t, name),
    ngx_k8s_type_str(ngx_k8s_service_rec_t, port),
    ngx_k8s_type_str(ngx_k8s_service_rec_t, protocol),
    ngx_k8s_type_str(ngx_k8s_service_rec_t, app_protocol),
    ngx_k8s_type_str(ngx_k8s_service_rec_t, external),
    ngx_k8s_type_arg(SLOT, ngx_k8s_service_rec_t, tls, NGX_K8S_INDEX_POLICY),
    ngx_k8s_type_arg(MAX16, ngx_k8s_service_rec_t, affinity,
                     NGX_K8S_AFFINITY_PERSISTENT),
    ngx_k8s_type_arg(MAX16, ngx_k8s_service_rec_t, balance,
                     NGX_K8S_BALANCE_EWMA),
    ngx_k8s_type_str(ngx_k8s_service_rec_t, cookie),
    ngx_k8s_type_str(ngx_k8s_service_rec_t, hash_by),
    ngx_k8s_type_list(ngx_k8s_service_rec_t, endpoints,
                      ngx_k8s_endpoint_element),
    ngx_k8s_type_list(ngx_k8s_service_rec_t, points, ngx_k8s_point_element)
};

static const ngx_k8s_record_field_t  ngx_k8s_certificate_fields[] = {
    ngx_k8s_type_str(ngx_k8s_certificate_t, namespace),
    ngx_k8s_type_str(ngx_k8s_certificate_t, name),
    ngx_k8s_type_str(ngx_k8s_certificate_t, key),
    ngx_k8s_type_list(ngx_k8s_certificate_t, chain, ngx_k8s_str_element),
    ngx_k8s_type_list(ngx_k8s_certificate_t, names, ngx_k8s_str_element),
    ngx_k8s_type_str(ngx_k8s_certificate_t, serial),
    ngx_k8s_type_str(ngx_k8s_certificate_t, issuer)
};

static const ngx_k8s_record_field_t  ngx_k8s_policy_fields[] = {
    ngx_k8s_type_arg(MAX32, ngx_k8s_policy_t, kind, NGX_K8S_POLICY_GLOBAL),
    ngx_k8s_type_list(ngx_k8s_policy_t, settings, ngx_k8s_setting_element),
    ngx_k8s_type_list(ngx_k8s_policy_t, refs, ngx_k8s_policy_ref_element)
};

static const ngx_k8s_record_field_t  ngx_k8s_rule_fields[] = {
    ngx_k8s_type_str(ngx_k8s_rule_rec_t, kind),
    ngx_k8s_type_str(ngx_k8s_rule_rec_t, namespace),
    ngx_k8s_type_str(ngx_k8s_rule_rec_t, name),
    ngx_k8s_type_str(ngx_k8s_rule_rec_t, rule),
    ngx_k8s_type_str(ngx_k8s_rule_rec_t, host),
    ngx_k8s_type_str(ngx_k8s_rule_rec_t, path),
    ngx_k8s_type_str(ngx_k8s_rule_rec_t, service),
    ngx_k8s_type_str(ngx_k8s_rule_rec_t, port)
};

static const ngx_k8s_record_field_t  ngx_k8s_listener_fields[] = {
    ngx_k8s_type_arg(MAX8, ngx_k8s_listener_t, transport,
                     NGX_K8S_TRANSPORT_UDP),
    ngx_k8s_type_arg(MAX8, ngx_k8s_listener_t, protocol,
                     NGX_K8S_PROTOCOL_UDP),
    ngx_k8s_type_arg(MAX16, ngx_k8s_listener_t, mode,
                     NGX_K8S_TLS_PASSTHROUGH),
    ngx_k8s_type_arg(SLOT, ngx_k8s_listener_t, policy, NGX_K8S_INDEX_POLICY),
    ngx_k8s_type_str(ngx_k8s_listener_t, hostname),
    ngx_k8s_type_str(ngx_k8s_listener_t, name),
    ngx_k8s_type_refs(ngx_k8s_listener_t, certificates, CERTIFICATE)
};

static const ngx_k8s_record_field_t  ngx_k8s_problem_fields[] = {
    ngx_k8s_type_str(ngx_k8s_problem_rec_t, kind),
    ngx_k8s_type_str(ngx_k8s_problem_rec_t, namespace),
    ngx_k8s_type_str(ngx_k8s_problem_rec_t, name),
    ngx_k8s_type_list(ngx_k8s_problem_rec_t, items,
                      ngx_k8s_problem_item_element)
};

static const ngx_k8s_record_field_t  ngx_k8s_sync_fields[] = {
    ngx_k8s_type_str(ngx_k8s_sync_t, kind),
    ngx_k8s_type_str(ngx_k8s_sync_t, reason)
};

static const ngx_k8s_record_field_t  ngx_k8s_address_fields[] = {
    ngx_k8s_type_arg(MAX16, ngx_k8s_address_rec_t, family, 6),
    ngx_k8s_type_arg(ADDRESS, ngx_k8s_address_rec_t, address, 0),
    ngx_k8s_type_list(ngx_k8s_address_rec_t, sets, ngx_k8s_number_element)
};

static const ngx_k8s_record_field_t  ngx_k8s_set_fields[] = {
    ngx_k8s_type_arg(MAX32, ngx_k8s_set_t, route_set, NGX_K8S_ROUTE_SETS - 1),
    ngx_k8s_type_arg(SLOT, ngx_k8s_set_t, certificate,
                     NGX_K8S_INDEX_CERTIFICATE),
    ngx_k8s_type_str(ngx_k8s_set_t, kind),
    ngx_k8s_type_str(ngx_k8s_set_t, namespace),
    ngx_k8s_type_str(ngx_k8s_set_t, name)
};

static const ngx_k8s_record_field_t  ngx_k8s_data_fields[] = {
    ngx_k8s_type_arg(MAX32, ngx_k8s_data_t, use, NGX_K8S_DATA_USES - 1),
    ngx_k8s_type_str(ngx_k8s_data_t, namespace),
    ngx_k8s_type_str(ngx_k8s_data_t, name),
    ngx_k8s_type_str(ngx_k8s_data_t, item),
    ngx_k8s_type_str(ngx_k8s_data_t, bytes)
};


/* in the order of NGX_K8S_INDEX_* */

const ngx_k8s_record_type_t  ngx_k8s_record_types[NGX_K8S_INDEXES] = {

    { ngx_string("host"),
      ngx_k8s_type_fixed(ngx_k8s_host_t, ngx_k8s_host_fields),
      ngx_k8s_type_host, 6, 0, 1 },

    { ngx_string("service"),
      ngx_k8s_type_fixed(ngx_k8s_service_rec_t, ngx_k8s_service_fields),
      ngx_k8s_type_service, 2, 0, 1 },

    { ngx_string("certificate"),
      ngx_k8s_type_fixed(ngx_k8s_certificate_t, ngx_k8s_certificate_fields),
      NULL, 0, 0, 1 },

    { ngx_string("policy"),
      ngx_k8s_type_fixed(ngx_k8s_policy_t, ngx_k8s_policy_fields),
      NULL, 3, 0, 1 },

    { ngx_string("rule"),
      ngx_k8s_type_fixed(ngx_k8s_rule_rec_t, ngx_k8s_rule_fields),
      NULL, 0, 0, 1 },

    { ngx_string("listener"),
      ngx_k8s_type_fixed(ngx_k8s_listener_t, ngx_k8s_listener_fields),
      NULL, 4, 3, 1 },

    { ngx_string("problem"),
      ngx_k8s_type_fixed(ngx_k8s_problem_rec_t, ngx_k8s_problem_fields),
      NULL, 0, 3, 1 },

    { ngx_string("sync"),
      ngx_k8s_type_fixed(ngx_k8s_sync_t, ngx_k8s_sync_fields),
      NULL, 0, 8, 0 },

    { ngx_string("address"),
      ngx_k8s_type_fixed(ngx_k8s_address_rec_t, ngx_k8s_address_fields),
      NULL, 0, 6, 1 },

    { ngx_string("set"),
      ngx_k8s_type_fixed(ngx_k8s_set_t, ngx_k8s_set_fields),
      NULL, 1, 6, 1 },

    { ngx_string("data"),
      ngx_k8s_type_fixed(ngx_k8s_data_t, ngx_k8s_data_fields),
      NULL, 0, 2, 1 },

    { ngx_string("paths"),
      ngx_k8s_type_fixed(ngx_k8s_host_t, ngx_k8s_host_fields),
      ngx_k8s_type_host, 5, 1, 1 }
};


/* what is looked at beside the fields of hosts and shards */

static ngx_uint_t
ngx_k8s_type_host(void *rec, size_t len)
{
    uint32_t                i, k, *buckets;
    uint64_t                sum, total;
    ngx_k8s_host_t         *host = rec;
    ngx_k8s_path_t         *path;
    ngx_k8s_action_t       *action;
    ngx_k8s_backend_rec_t  *backend;

    if ((host->buckets.n & (host->buckets.n - 1))
        || (host->shards.n & (host->shards.n - 1))
        || (host->header.type == NGX_K8S_INDEX_PATHS
            && (host->buckets.n == 0 || host->shards.n)))
    {
        return 0;
    }

    buckets = ngx_k8s_record_at(host, host->buckets.offset);

    for (i = 0; i < host->buckets.n; i++) {
        if (buckets[i] > host->paths.n) {
            return 0;
        }
    }

    /* a chain only goes up, so it ends */

    path = ngx_k8s_record_at(host, host->paths.offset);

    for (i = 0; i < host->paths.n; i++) {
        if (path[i].next
            && (path[i].next <= i + 1 || path[i].next > host->paths.n))
        {
            return 0;
        }

        if (path[i].literal > path[i].text.len) {
            return 0;
        }
    }

    action = ngx_k8s_record_at(host, host->actions.offset);
    backend = ngx_k8s_record_at(host, host->backends.offset);

    /* actions that share their backends could make this quadratic */

    total = 0;

    for (i = 0; i < host->actions.n; i++, action++) {

        total += action->nbackends;

        if (total > len) {
            return 0;
        }

        sum = 0;

        for (k = 0; k < action->nbackends; k++) {
            sum += backend[action->backend + k].weight;
        }

        if (sum != action->weights) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_type_service(void *rec, size_t len)
{
    uint32_t                 i;
    ngx_k8s_endpoint_rec_t  *endpoint;
    ngx_k8s_service_rec_t   *service = rec;

    if (service->usable > service->endpoints.n) {
        return 0;
    }

    endpoint = ngx_k8s_record_at(service, service->endpoints.offset);

    for (i = 0; i < service->endpoints.n; i++) {
        if (endpoint[i].family != 4 && endpoint[i].family != 6) {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_k8s_record_stage(ngx_k8s_record_t *rec)
{
    if (rec->type == NGX_K8S_INDEX_POLICY
        && ((ngx_k8s_policy_t *) rec)->kind == NGX_K8S_POLICY_SERVICE)
    {
        return NGX_K8S_STAGE_SERVICE_POLICY;
    }

    return ngx_k8s_record_types[rec->type].stage;
}


ngx_int_t
ngx_k8s_record_refs(ngx_k8s_record_t *rec, ngx_k8s_record_refs_pt handler,
    void *data)
{
    u_char                        *p;
    uint32_t                       k;
    ngx_int_t                      rc;
    ngx_uint_t                     i, n;
    ngx_k8s_list_t                 lists[NGX_K8S_FIELDS_MAX];
    const ngx_k8s_element_t       *fixed, *element;
    const ngx_k8s_record_field_t  *field;

    /* lists of a file may lie on each other */

    fixed = &ngx_k8s_record_types[rec->type].fixed;
    field = fixed->fields;

    for (i = 0; i < fixed->nfields; i++) {
        if (field[i].element) {
            lists[i] = *(ngx_k8s_list_t *) ngx_k8s_record_at(rec,
                                                             field[i].offset);
        }
    }

    for (i = 0; i < fixed->nfields; i++) {

        if (field[i].element == NULL) {
            rc = ngx_k8s_type_field_refs((u_char *) rec, &field[i], handler,
                                         data);

        } else if (field[i].what == NGX_K8S_FIELD_REFS) {
            rc = ngx_k8s_type_ref_list(rec, &field[i], &lists[i], handler,
                                        data);

        } else {
            element = field[i].element;
            rc = NGX_OK;

            for (n = 0; n < element->nfields && rc == NGX_OK; n++) {

                p = ngx_k8s_record_at(rec, lists[i].offset);

                for (k = 0; k < lists[i].n && rc == NGX_OK; k++) {
                    rc = ngx_k8s_type_field_refs(p, &element->fields[n],
                                                 handler, data);
                    p += element->size;
                }
            }
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_type_field_refs(u_char *p, const ngx_k8s_record_field_t *field,
    ngx_k8s_record_refs_pt handler, void *data)
{
    uint16_t             index;
    ngx_int_t            rc;
    ngx_k8s_slot_ref_t  *ref;

    p += field->offset;
    ref = (ngx_k8s_slot_ref_t *) p;

    switch (field->what) {

    case NGX_K8S_FIELD_SLOT:
        return ref->slot ? handler(data, field->arg, &ref->slot, NULL)
                         : NGX_OK;

    case NGX_K8S_FIELD_REF:
        return ref->slot ? handler(data, field->arg, &ref->slot,
                                   &ref->generation)
                         : NGX_OK;

    case NGX_K8S_FIELD_ANY_REF:

        if (ref->slot == 0) {
            return NGX_OK;
        }

        ngx_memcpy(&index, p - sizeof(uint16_t), sizeof(uint16_t));

        rc = handler(data, index, &ref->slot, &ref->generation);

        if (rc == NGX_DONE) {
            ref->slot = 0;
            ref->generation = 0;
            rc = NGX_OK;
        }

        return rc;

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_k8s_type_ref_list(ngx_k8s_record_t *rec,
    const ngx_k8s_record_field_t *field, ngx_k8s_list_t *list,
    ngx_k8s_record_refs_pt handler, void *data)
{
    uint32_t             i, k;
    ngx_int_t            rc;
    ngx_k8s_list_t      *now;
    ngx_k8s_slot_ref_t  *ref;

    ref = ngx_k8s_record_at(rec, list->offset);
    k = 0;

    for (i = 0; i < list->n; i++) {
        rc = ref[i].slot ? handler(data, field->arg, &ref[i].slot,
                                   &ref[i].generation)
                         : NGX_DONE;

        if (rc == NGX_OK) {
            ref[k++] = ref[i];

        } else if (rc != NGX_DONE) {
            return rc;
        }
    }

    if (k == list->n) {
        return NGX_OK;
    }

    ngx_memzero(&ref[k], (list->n - k) * sizeof(ngx_k8s_slot_ref_t));

    now = ngx_k8s_record_at(rec, field->offset);
    now->n = k;

    return NGX_OK;
}
