
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What a cluster's controllers do and a folder has nobody for: Endpoints of
 * Services without a selector become EndpointSlices, as by the
 * endpointslice-mirroring controller, and Ingresses without a class get the
 * default one, as by admission.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_manifests.h>


#define NGX_K8S_MIRROR_ADDRESSES  1000    /* of a subset */

#define NGX_K8S_MIRROR_SKIP                                                   \
    "endpointslice.kubernetes.io/skip-mirror"
#define NGX_K8S_MIRROR_LEADER                                                 \
    "control-plane.alpha.kubernetes.io/leader"

#define NGX_K8S_MIRROR_SERVICE  "kubernetes.io/service-name"
#define NGX_K8S_MIRROR_MANAGED  "endpointslice.kubernetes.io/managed-by"
#define NGX_K8S_MIRROR_BY                                                     \
    "endpointslicemirroring-controller.k8s.io"

#define NGX_K8S_CLASS_DEFAULT                                                 \
    "ingressclass.kubernetes.io/is-default-class"
#define NGX_K8S_CLASS_ANNOTATION  "kubernetes.io/ingress.class"


static ngx_int_t ngx_k8s_mirror_subset(json_t *slices, json_t *json,
    json_t *subset);
static ngx_int_t ngx_k8s_mirror_address(json_t *slices, json_t *json,
    json_t *ports, json_t *address, ngx_uint_t ready);
static json_t *ngx_k8s_mirror_slice(json_t *slices, json_t *json,
    json_t *ports, const char *family);
static json_t *ngx_k8s_mirror_ports(json_t *subset);
static ngx_uint_t ngx_k8s_manifests_is(json_t *json, const char *group,
    const char *name);


json_t *
ngx_k8s_manifests_mirror(json_t *json)
{
    size_t   i;
    json_t  *slices, *subsets, *annotations;

    slices = json_array();
    if (slices == NULL) {
        return NULL;
    }

    annotations = json_object_get(json_object_get(json, "metadata"),
                                  "annotations");

    if (ngx_k8s_manifests_is(json, "labels", NGX_K8S_MIRROR_SKIP)
        || json_object_get(annotations, NGX_K8S_MIRROR_LEADER))
    {
        return slices;
    }

    subsets = json_object_get(json, "subsets");

    for (i = 0; i < json_array_size(subsets); i++) {

        if (ngx_k8s_mirror_subset(slices, json, json_array_get(subsets, i))
            != NGX_OK)
        {
            json_decref(slices);
            return NULL;
        }
    }

    return slices;
}


static ngx_int_t
ngx_k8s_mirror_subset(json_t *slices, json_t *json, json_t *subset)
{
    size_t       i;
    json_t      *ports, *list;
    ngx_int_t    rc;
    ngx_uint_t   n, ready;

    ports = ngx_k8s_mirror_ports(subset);
    if (ports == NULL) {
        return NGX_ERROR;
    }

    n = 0;

    for (ready = 2; ready--; /* void */) {

        list = json_object_get(subset, ready ? "addresses"
                                             : "notReadyAddresses");

        for (i = 0; i < json_array_size(list); i++) {

            if (n == NGX_K8S_MIRROR_ADDRESSES) {
                break;
            }

            rc = ngx_k8s_mirror_address(slices, json, ports,
                                        json_array_get(list, i), ready);
            if (rc == NGX_ERROR) {
                json_decref(ports);
                return NGX_ERROR;
            }

            n += (rc == NGX_OK);
        }
    }

    json_decref(ports);

    return NGX_OK;
}


/* NGX_DECLINED: it is no IP address */

static ngx_int_t
ngx_k8s_mirror_address(json_t *slices, json_t *json, json_t *ports,
    json_t *address, ngx_uint_t ready)
{
    json_t           *slice, *endpoint, *ip;
    const char       *family, *text;
    struct in_addr    in;
    struct in6_addr   in6;

    ip = json_object_get(address, "ip");
    text = json_string_value(ip);

    if (text == NULL) {
        return NGX_DECLINED;
    }

    if (inet_pton(AF_INET, text, &in) == 1) {
        family = "IPv4";

    } else if (inet_pton(AF_INET6, text, &in6) == 1) {
        family = IN6_IS_ADDR_V4MAPPED(&in6) ? "IPv4" : "IPv6";

    } else {
        return NGX_DECLINED;
    }

    slice = ngx_k8s_mirror_slice(slices, json, ports, family);
    if (slice == NULL) {
        return NGX_ERROR;
    }

    endpoint = json_pack("{s:[O], s:{s:b}, s:O*, s:O*}",
                         "addresses", ip,
                         "conditions", "ready", (int) ready,
                         "nodeName", json_object_get(address, "nodeName"),
                         "targetRef", json_object_get(address, "targetRef"));

    if (json_array_append_new(json_object_get(slice, "endpoints"), endpoint)
        != 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* one for each family and list of ports; the reference is borrowed */

static json_t *
ngx_k8s_mirror_slice(json_t *slices, json_t *json, json_t *ports,
    const char *family)
{
    char     name[512];
    size_t   i;
    json_t  *slice, *meta;

    for (i = 0; i < json_array_size(slices); i++) {
        slice = json_array_get(slices, i);

        if (ngx_strcmp(json_string_value(json_object_get(slice,
                                                         "addressType")),
                       family)
            == 0
            && json_equal(json_object_get(slice, "ports"), ports))
        {
            return slice;
        }
    }

    meta = json_object_get(json, "metadata");

    (void) ngx_sprintf((u_char *) name, "%s" NGX_K8S_MANIFEST_MIRRORED "%Z",
                       json_string_value(json_object_get(meta, "name")), i);

    slice = json_pack("{s:{s:O, s:s, s:{s:O, s:s}}, s:s, s:O, s:[]}",
                      "metadata",
                      "namespace", json_object_get(meta, "namespace"),
                      "name", name,
                      "labels",
                      NGX_K8S_MIRROR_SERVICE, json_object_get(meta, "name"),
                      NGX_K8S_MIRROR_MANAGED, NGX_K8S_MIRROR_BY,
                      "addressType", family,
                      "ports", ports,
                      "endpoints");

    if (json_array_append_new(slices, slice) != 0) {
        return NULL;
    }

    return slice;
}


const char *
ngx_k8s_manifests_mirrored(ngx_uint_t kind, json_t *json)
{
    json_t      *labels;
    const char  *by;

    labels = json_object_get(json_object_get(json, "metadata"), "labels");
    by = json_string_value(json_object_get(labels, NGX_K8S_MIRROR_MANAGED));

    if (kind != NGX_K8S_ENDPOINT_SLICE || by == NULL
        || ngx_strcmp(by, NGX_K8S_MIRROR_BY) != 0)
    {
        return NULL;
    }

    return json_string_value(json_object_get(labels, NGX_K8S_MIRROR_SERVICE));
}


/* a slice always says the name and the protocol */

static json_t *
ngx_k8s_mirror_ports(json_t *subset)
{
    size_t   i;
    json_t  *ports, *list, *port, *name, *protocol;

    ports = json_array();
    list = json_object_get(subset, "ports");

    for (i = 0; i < json_array_size(list); i++) {
        port = json_array_get(list, i);

        name = json_object_get(port, "name");
        protocol = json_object_get(port, "protocol");

        port = json_pack("{s:o, s:o, s:O*, s:O*}",
                         "name", name ? json_incref(name) : json_string(""),
                         "protocol", protocol ? json_incref(protocol)
                                              : json_string("TCP"),
                         "port", json_object_get(port, "port"),
                         "appProtocol", json_object_get(port, "appProtocol"));

        if (json_array_append_new(ports, port) != 0) {
            json_decref(ports);
            return NULL;
        }
    }

    return ports;
}


/* what is needed to know of a claim, of the kinds that others follow */

void
ngx_k8s_manifests_traits(ngx_k8s_manifest_claim_t *claim, ngx_uint_t kind,
    json_t *json)
{
    json_t     *meta, *spec, *created;
    ngx_str_t   s;

    meta = json_object_get(json, "metadata");
    spec = json_object_get(json, "spec");

    switch (kind) {

    case NGX_K8S_INGRESS:

        if (json_is_null(json_object_get(spec, "ingressClassName"))) {
            (void) json_object_del(spec, "ingressClassName");
        }

        claim->classless =
            json_object_get(spec, "ingressClassName") == NULL
            && json_object_get(json_object_get(meta, "annotations"),
                               NGX_K8S_CLASS_ANNOTATION) == NULL;
        break;

    case NGX_K8S_INGRESS_CLASS:
        claim->fallback = ngx_k8s_manifests_is(json, "annotations",
                                               NGX_K8S_CLASS_DEFAULT);

        created = json_object_get(meta, "creationTimestamp");

        if (json_is_string(created)) {
            s.data = (u_char *) json_string_value(created);
            s.len = json_string_length(created);

            claim->created = ngx_k8s_time(&s);
        }

        break;

    case NGX_K8S_SERVICE:
        claim->selector =
            json_object_size(json_object_get(spec, "selector")) != 0;
        break;
    }
}


/* whether a label or an annotation is "true" */

static ngx_uint_t
ngx_k8s_manifests_is(json_t *json, const char *group, const char *name)
{
    const char  *value;

    value = json_string_value(json_object_get(json_object_get(
                                  json_object_get(json, "metadata"), group),
                              name));

    return value && ngx_strcmp(value, "true") == 0;
}


/* a default class came, changed or went: the newest is used, then by name */

void
ngx_k8s_manifests_default(ngx_k8s_manifests_t *m)
{
    ngx_str_t                  name;
    ngx_queue_t               *q;
    ngx_k8s_manifest_claim_t  *claim, *best;
    ngx_k8s_manifest_ident_t  *ident;

    m->reclass = 0;
    best = NULL;

    for (q = ngx_queue_head(&m->classes);
         q != ngx_queue_sentinel(&m->classes);
         q = ngx_queue_next(q))
    {
        ident = ngx_queue_data(q, ngx_k8s_manifest_ident_t, kin);
        claim = ngx_k8s_manifests_first(ident);

        if (claim == NULL || !claim->fallback) {
            continue;
        }

        if (best == NULL || claim->created > best->created
            || (claim->created == best->created
                && ngx_memn2cmp(ident->name.data, best->ident->name.data,
                                ident->name.len, best->ident->name.len)
                   < 0))
        {
            best = claim;
        }
    }

    ngx_str_null(&name);

    if (best) {
        name = best->ident->name;
    }

    if (name.len == m->class.len
        && ngx_strncmp(name.data, m->class.data, name.len) == 0)
    {
        return;
    }

    m->class.data = m->class_buf;
    m->class.len = name.len;
    ngx_memcpy(m->class_buf, name.data, name.len);

    for (q = ngx_queue_head(&m->ingresses);
         q != ngx_queue_sentinel(&m->ingresses);
         q = ngx_queue_next(q))
    {
        ident = ngx_queue_data(q, ngx_k8s_manifest_ident_t, kin);
        claim = ngx_k8s_manifests_first(ident);

        if (claim && claim->classless) {
            ngx_k8s_manifests_touch(m, ident);
        }
    }
}
