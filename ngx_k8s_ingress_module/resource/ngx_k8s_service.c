
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>


static ngx_uint_t ngx_k8s_service_family(json_t *spec);
static ngx_int_t ngx_k8s_service_type_read(ngx_k8s_reader_t *r, json_t *spec,
    ngx_str_t *type);
static void ngx_k8s_service_ports(ngx_k8s_reader_t *r, json_t *spec,
    ngx_uint_t closed);
static void ngx_k8s_service_port(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_service_port_t *port);


void
ngx_k8s_service_read(ngx_k8s_reader_t *r, json_t *json)
{
    json_t             *spec;
    u_char             *mark;
    ngx_str_t          *ips;
    ngx_uint_t          closed;
    ngx_k8s_service_t  *service;

    service = (ngx_k8s_service_t *) r->object;

    ngx_str_set(&service->type, "ClusterIP");

    spec = ngx_k8s_reader_object(r, json, "spec");
    if (spec == NULL) {
        return;
    }

    mark = ngx_k8s_reader_push(r, "spec");

    closed = (ngx_k8s_service_type_read(r, spec, &service->type) != NGX_OK);

    if (ngx_k8s_reader_string(r, spec, "clusterIP", &service->cluster_ip)
        == NGX_ABORT)
    {
        closed = 1;
    }

    if (service->cluster_ip.len == 0
        && ngx_k8s_reader_strings(r, spec, "clusterIPs", &ips))
    {
        service->cluster_ip = ips[0];
    }

    (void) ngx_k8s_reader_string(r, spec, "externalName",
                                 &service->external_name);

    service->nexternal_ips = ngx_k8s_reader_strings(r, spec, "externalIPs",
                                                    &service->external_ips);

    service->family = ngx_k8s_service_family(spec);

    if (!r->failed) {
        ngx_k8s_service_ports(r, spec, closed);
    }

    ngx_k8s_reader_pop(r, mark);
}


static ngx_int_t
ngx_k8s_service_type_read(ngx_k8s_reader_t *r, json_t *spec, ngx_str_t *type)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    static ngx_str_t  types[] = {
        ngx_string("ClusterIP"),
        ngx_string("NodePort"),
        ngx_string("LoadBalancer"),
        ngx_string("ExternalName")
    };

    *type = types[0];

    rc = ngx_k8s_reader_string(r, spec, "type", type);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    for (i = 0; rc == NGX_OK && i < 4; i++) {
        if (type->len == types[i].len
            && ngx_memcmp(type->data, types[i].data, type->len) == 0)
        {
            return NGX_OK;
        }
    }

    if (rc == NGX_OK) {
        ngx_k8s_reader_problem(r, "type",
                               "is none of ClusterIP, NodePort, LoadBalancer "
                               "and ExternalName");
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_k8s_service_family(json_t *spec)
{
    const char  *family;

    family = json_string_value(json_array_get(json_object_get(spec,
                                                        "ipFamilies"), 0));
    if (family == NULL) {
        return 0;
    }

    if (ngx_strcmp(family, "IPv4") == 0) {
        return 4;
    }

    return ngx_strcmp(family, "IPv6") == 0 ? 6 : 0;
}


static void
ngx_k8s_service_ports(ngx_k8s_reader_t *r, json_t *spec, ngx_uint_t closed)
{
    size_t                   i, n;
    json_t                  *list, *json;
    u_char                  *mark, *at;
    ngx_k8s_service_t       *service;
    ngx_k8s_service_port_t  *port;

    service = (ngx_k8s_service_t *) r->object;

    list = ngx_k8s_reader_list(r, spec, "ports");
    n = json_array_size(list);

    json = json_object_get(spec, "ports");

    service->no_ports = !ngx_k8s_reader_has(spec, "ports")
                        || (json_is_array(json) && json_array_size(json) == 0);

    if (list == NULL) {
        return;
    }

    port = ngx_k8s_reader_alloc(r, n * sizeof(ngx_k8s_service_port_t));
    if (port == NULL) {
        return;
    }

    service->ports = port;

    mark = ngx_k8s_reader_push(r, "ports");

    for (i = 0; i < n && !r->failed; i++) {
        at = ngx_k8s_reader_index(r, i);

        json = ngx_k8s_reader_element(r, list, i);

        if (json) {
            ngx_k8s_service_port(r, json, port);
            port->closed |= closed;
            port++;
        }

        ngx_k8s_reader_pop(r, at);
    }

    service->nports = port - service->ports;

    ngx_k8s_reader_pop(r, mark);
}


static void
ngx_k8s_service_port(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_service_port_t *port)
{
    ngx_str_set(&port->protocol, "TCP");

    if (ngx_k8s_reader_port(r, json, "port", &port->port, NULL) != NGX_OK) {
        ngx_k8s_reader_missing(r, json, "port");
        port->closed = 1;
    }

    if (ngx_k8s_reader_string(r, json, "name", &port->name) == NGX_ABORT
        || ngx_k8s_reader_port(r, json, "targetPort", &port->target_port,
                               &port->target_name)
           == NGX_ABORT
        || ngx_k8s_reader_protocol(r, json, &port->protocol) == NGX_ABORT)
    {
        port->closed = 1;
    }

    (void) ngx_k8s_reader_string(r, json, "appProtocol", &port->app_protocol);
}
