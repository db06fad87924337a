
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


#define NGX_K8S_SERVICE_NAME_LABEL  "kubernetes.io/service-name"
#define NGX_K8S_ZONE_LABEL          "topology.kubernetes.io/zone"
#define NGX_K8S_HOSTNAME_LABEL      "kubernetes.io/hostname"


static void ngx_k8s_slice_family(ngx_k8s_reader_t *r, json_t *json);
static void ngx_k8s_slice_ports(ngx_k8s_reader_t *r, json_t *json);
static void ngx_k8s_slice_port(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_slice_port_t *port);
static void ngx_k8s_slice_endpoints(ngx_k8s_reader_t *r, json_t *json);
static void ngx_k8s_endpoint_conditions(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_slice_endpoint_t *endpoint);
static void ngx_k8s_endpoint_hints(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_slice_endpoint_t *endpoint, ngx_str_t *before);
static void ngx_k8s_endpoint_string(ngx_k8s_reader_t *r, json_t *json,
    const char *name, ngx_str_t *value, ngx_str_t *before);


void
ngx_k8s_slice_read(ngx_k8s_reader_t *r, json_t *json)
{
    json_t                    *meta, *labels;
    u_char                    *mark;
    ngx_k8s_endpoint_slice_t  *slice;

    slice = (ngx_k8s_endpoint_slice_t *) r->object;

    meta = json_object_get(json, "metadata");
    mark = ngx_k8s_reader_push(r, "metadata");

    labels = ngx_k8s_reader_object(r, meta, "labels");

    if (labels) {
        (void) ngx_k8s_reader_push(r, "labels");
        (void) ngx_k8s_reader_string(r, labels, NGX_K8S_SERVICE_NAME_LABEL,
                                     &slice->service);
    }

    ngx_k8s_reader_pop(r, mark);

    ngx_k8s_slice_family(r, json);
    ngx_k8s_slice_ports(r, json);

    if (!r->failed) {
        ngx_k8s_slice_endpoints(r, json);
    }
}


static void
ngx_k8s_slice_family(ngx_k8s_reader_t *r, json_t *json)
{
    json_t                    *member;
    const char                *type;
    ngx_k8s_endpoint_slice_t  *slice;

    slice = (ngx_k8s_endpoint_slice_t *) r->object;

    member = json_object_get(json, "addressType");
    type = json_is_string(member) ? json_string_value(member) : "";

    if (ngx_strcmp(type, "IPv4") == 0) {
        slice->family = 4;

    } else if (ngx_strcmp(type, "IPv6") == 0) {
        slice->family = 6;

    } else if (ngx_strcmp(type, "FQDN") != 0) {
        ngx_k8s_reader_problem(r, "addressType",
                               "is none of IPv4, IPv6 and FQDN");
    }
}


static void
ngx_k8s_slice_ports(ngx_k8s_reader_t *r, json_t *json)
{
    size_t                     i, n;
    json_t                    *list, *element;
    u_char                    *mark, *at;
    ngx_k8s_slice_port_t      *port;
    ngx_k8s_endpoint_slice_t  *slice;

    slice = (ngx_k8s_endpoint_slice_t *) r->object;

    n = ngx_k8s_reader_elements(r, json, "ports", &list);

    if (list == NULL) {

        if (n) {
            slice->family = 0;
        }

        return;
    }

    port = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_slice_port_t));
    if (port == NULL) {
        return;
    }

    slice->ports = port;

    mark = ngx_k8s_reader_push(r, "ports");

    for (i = 0; i < n && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        element = ngx_k8s_reader_element(r, list, i);

        if (element) {
            ngx_k8s_slice_port(r, element, port);

        } else {
            port->closed = 1;
        }

        port++;

        ngx_k8s_reader_pop(r, at);
    }

    slice->nports = port - slice->ports;

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_slice_port(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_slice_port_t *port)
{
    ngx_str_set(&port->protocol, "TCP");

    if (ngx_k8s_reader_port(r, json, "port", &port->port, NULL) == NGX_ABORT
        || ngx_k8s_reader_protocol(r, json, &port->protocol) == NGX_ABORT)
    {
        port->closed = 1;
    }

    if (ngx_k8s_reader_string(r, json, "name", &port->name) == NGX_ABORT) {
        port->closed = 1;
    }

    (void) ngx_k8s_reader_string(r, json, "appProtocol", &port->app_protocol);
}


static void
ngx_k8s_slice_endpoints(ngx_k8s_reader_t *r, json_t *json)
{
    size_t                     i, n;
    json_t                    *list, *element;
    u_char                    *mark, *at;
    ngx_k8s_slice_endpoint_t  *ep, *before;
    ngx_k8s_endpoint_slice_t  *slice;

    slice = (ngx_k8s_endpoint_slice_t *) r->object;

    list = ngx_k8s_reader_list(r, json, "endpoints");
    if (list == NULL) {
        return;
    }

    n = json_array_size(list);

    ep = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_slice_endpoint_t));
    if (ep == NULL) {
        return;
    }

    slice->endpoints.elts = ep;
    slice->endpoints.size = sizeof(ngx_k8s_slice_endpoint_t);
    slice->endpoints.nalloc = n;
    slice->endpoints.pool = r->pool;

    mark = ngx_k8s_reader_push(r, "endpoints");
    before = NULL;

    for (i = 0; i < n && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        element = ngx_k8s_reader_element(r, list, i);

        if (element
            && ngx_k8s_endpoint_read(r, element, ep, before) == NGX_OK)
        {
            before = ep++;
            slice->endpoints.nelts++;
        }

        ngx_k8s_reader_pop(r, at);
    }

    ngx_k8s_reader_pop(r, mark);
}


ngx_int_t
ngx_k8s_endpoint_read(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_slice_endpoint_t *endpoint, ngx_k8s_slice_endpoint_t *before)
{
    json_t  *list, *address, *target, *topology;

    list = ngx_k8s_reader_list(r, json, "addresses");
    address = json_array_get(list, 0);

    if (!json_is_string(address) || json_string_length(address) == 0) {
        ngx_k8s_reader_problem(r, "addresses", "holds no address");
        return NGX_DECLINED;
    }

    if (ngx_k8s_reader_copy(r, json_string_value(address),
                            json_string_length(address), &endpoint->address)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_k8s_endpoint_conditions(r, json, endpoint);

    ngx_k8s_endpoint_string(r, json, "zone", &endpoint->zone,
                            before ? &before->zone : NULL);
    ngx_k8s_endpoint_string(r, json, "nodeName", &endpoint->node,
                            before ? &before->node : NULL);

    /* what slices of older API servers have instead */

    topology = json_object_get(json, "deprecatedTopology");

    if (endpoint->zone.len == 0) {
        ngx_k8s_endpoint_string(r, topology, NGX_K8S_ZONE_LABEL,
                                &endpoint->zone,
                                before ? &before->zone : NULL);
    }

    if (endpoint->node.len == 0) {
        ngx_k8s_endpoint_string(r, topology, NGX_K8S_HOSTNAME_LABEL,
                                &endpoint->node,
                                before ? &before->node : NULL);
    }

    ngx_k8s_endpoint_hints(r, json, endpoint, before ? &before->hints : NULL);

    target = ngx_k8s_reader_object(r, json, "targetRef");

    if (target) {
        (void) ngx_k8s_reader_string(r, target, "uid", &endpoint->target);
    }

    return r->failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_k8s_endpoint_conditions(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_slice_endpoint_t *endpoint)
{
    json_t      *conditions;
    u_char      *mark;
    ngx_uint_t   closed, ready, serving, terminating;

    ready = 1;
    terminating = 0;

    conditions = ngx_k8s_reader_object(r, json, "conditions");
    closed = (conditions == NULL && ngx_k8s_reader_has(json, "conditions"));

    mark = ngx_k8s_reader_push(r, "conditions");

    closed |= (ngx_k8s_reader_bool(r, conditions, "ready", &ready)
               == NGX_ABORT);

    serving = ready;

    closed |= (ngx_k8s_reader_bool(r, conditions, "serving", &serving)
               == NGX_ABORT);
    closed |= (ngx_k8s_reader_bool(r, conditions, "terminating", &terminating)
               == NGX_ABORT);

    ngx_k8s_reader_pop(r, mark);

    if (closed) {
        ready = 0;
        serving = 0;
    }

    endpoint->ready = ready;
    endpoint->serving = serving;
    endpoint->terminating = terminating;
}


/* names of zones, joined by commas */

static void
ngx_k8s_endpoint_hints(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_slice_endpoint_t *endpoint, ngx_str_t *before)
{
    u_char      *p, buf[NGX_K8S_FIELD_MAX];
    size_t       i;
    json_t      *hints, *list;
    ngx_str_t    s;
    const char  *zone;

    hints = ngx_k8s_reader_object(r, json, "hints");
    list = ngx_k8s_reader_list(r, hints, "forZones");

    p = buf;

    for (i = 0; i < json_array_size(list); i++) {
        zone = json_string_value(json_object_get(json_array_get(list, i),
                                                 "name"));
        if (zone == NULL || zone[0] == '\0') {
            continue;
        }

        if (ngx_strlen(zone) + 1 > (size_t) (buf + sizeof(buf) - p)) {
            ngx_k8s_reader_problem(r, "hints", "are too many");
            break;
        }

        if (p != buf) {
            *p++ = ',';
        }

        p = ngx_cpymem(p, zone, ngx_strlen(zone));
    }

    s.data = buf;
    s.len = p - buf;

    if (s.len == 0) {
        return;
    }

    if (before && before->len == s.len
        && ngx_memcmp(before->data, s.data, s.len) == 0)
    {
        endpoint->hints = *before;
        return;
    }

    (void) ngx_k8s_reader_copy(r, (char *) buf, s.len, &endpoint->hints);
}


/* neighbours often have the same value: it is then kept once */

static void
ngx_k8s_endpoint_string(ngx_k8s_reader_t *r, json_t *json, const char *name,
    ngx_str_t *value, ngx_str_t *before)
{
    json_t  *member;

    member = json_object_get(json, name);

    if (before && before->len && json_is_string(member)
        && before->len == json_string_length(member)
        && ngx_memcmp(before->data, json_string_value(member), before->len)
           == 0)
    {
        *value = *before;
        return;
    }

    (void) ngx_k8s_reader_string(r, json, name, value);
}
