
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What objects of a kind are written as.  Elements of lists are written one by
 * one, what is in no list at once.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_write_core.h>


static void ngx_k8s_write_add(ngx_k8s_write_t *w, json_t *list,
    json_t *value);
static void ngx_k8s_write_json(ngx_k8s_write_t *w, json_t *json);
static json_t *ngx_k8s_write_path(ngx_k8s_write_t *w,
    ngx_k8s_http_path_t *p);
static json_t *ngx_k8s_write_backend(ngx_k8s_write_t *w,
    ngx_k8s_backend_t *backend);
static json_t *ngx_k8s_write_endpoint(ngx_k8s_write_t *w,
    ngx_k8s_slice_endpoint_t *endpoint);


/* as an element of a list */

static void
ngx_k8s_write_json(ngx_k8s_write_t *w, json_t *json)
{
    ngx_k8s_write_inner(w, "");
    ngx_k8s_write_open(w, json);
    ngx_k8s_write_text(w, "}", 1);
}


static void
ngx_k8s_write_add(ngx_k8s_write_t *w, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0) {
        w->failed = 1;
    }
}


json_t *
ngx_k8s_write_ingress(ngx_k8s_write_t *w, ngx_k8s_ingress_t *ingress)
{
    json_t  *spec;

    spec = ngx_k8s_write_new(w, json_object());

    if (ingress->no_class) {
        ngx_k8s_write_set(w, spec, "ingressClassName", json_false());

    } else {
        ngx_k8s_write_str(w, spec, "ingressClassName", &ingress->class_name);
    }

    if (ingress->default_backend) {
        ngx_k8s_write_set(w, spec, "defaultBackend",
                         ngx_k8s_write_backend(w, ingress->default_backend));
    }

    return spec;
}


/* a path of a rule; one without any is written at once */

ngx_int_t
ngx_k8s_write_rules(ngx_k8s_write_t *w)
{
    json_t                  *json;
    ngx_k8s_ingress_t       *ingress;
    ngx_k8s_ingress_rule_t  *rule;

    ingress = (ngx_k8s_ingress_t *) w->object;

    if (w->n == ingress->nrules) {
        return NGX_DONE;
    }

    rule = &ingress->rules[w->n];

    if (w->m == 0) {
        json = ngx_k8s_write_new(w, json_object());

        if (rule->no_host) {
            ngx_k8s_write_set(w, json, "host", json_false());

        } else {
            ngx_k8s_write_str(w, json, "host", &rule->host);
        }

        if (rule->npaths == 0) {
            ngx_k8s_write_json(w, json);
            return NGX_OK;
        }

        ngx_k8s_write_inner(w, "");
        ngx_k8s_write_open(w, json);
        ngx_k8s_write_inner(w, "\"http\":{\"paths\":[");
    }

    ngx_k8s_write_json(w, ngx_k8s_write_path(w, &rule->paths[w->m]));

    if (w->m + 1 < rule->npaths) {
        return NGX_AGAIN;
    }

    ngx_k8s_write_text(w, "]}}", 3);

    return NGX_OK;
}


static json_t *
ngx_k8s_write_path(ngx_k8s_write_t *w, ngx_k8s_http_path_t *p)
{
    json_t  *path;

    static const char  *types[] = {
        "Exact",
        "Prefix",
        "ImplementationSpecific"
    };

    path = ngx_k8s_write_new(w, json_object());

    if (p->no_path) {
        ngx_k8s_write_set(w, path, "path", json_false());

    } else {
        ngx_k8s_write_str(w, path, "path", &p->path);
    }

    ngx_k8s_write_set(w, path, "pathType", json_string(types[p->type]));
    ngx_k8s_write_set(w, path, "backend",
                      ngx_k8s_write_backend(w, &p->backend));

    return path;
}


/* a host of a tls entry */

ngx_int_t
ngx_k8s_write_entries(ngx_k8s_write_t *w)
{
    json_t                 *json;
    ngx_k8s_ingress_t      *ingress;
    ngx_k8s_ingress_tls_t  *tls;

    ingress = (ngx_k8s_ingress_t *) w->object;

    if (w->n == ingress->ntls) {
        return NGX_DONE;
    }

    tls = &ingress->tls[w->n];

    if (w->m == 0) {
        json = ngx_k8s_write_new(w, json_object());
        ngx_k8s_write_str(w, json, "secretName", &tls->secret);

        ngx_k8s_write_inner(w, "");
        ngx_k8s_write_open(w, json);
        ngx_k8s_write_inner(w, "\"hosts\":[");
    }

    if (tls->nhosts) {
        ngx_k8s_write_inner(w, "");
        ngx_k8s_write_scalar(w, json_stringn((char *) tls->hosts[w->m].data,
                                             tls->hosts[w->m].len));

        if (w->m + 1 < tls->nhosts) {
            return NGX_AGAIN;
        }
    }

    ngx_k8s_write_text(w, "]}", 2);

    return NGX_OK;
}


static json_t *
ngx_k8s_write_backend(ngx_k8s_write_t *w, ngx_k8s_backend_t *backend)
{
    json_t  *json, *service, *port;

    json = ngx_k8s_write_new(w, json_object());

    if (backend->resource) {
        ngx_k8s_write_set(w, json, "resource", json_object());
    }

    if (backend->service.len == 0 && (backend->resource || !backend->closed)) {
        return json;
    }

    port = ngx_k8s_write_new(w, json_object());

    if (backend->closed) {
        ngx_k8s_write_set(w, port, "number", json_false());

    } else if (backend->port_name.len) {
        ngx_k8s_write_str(w, port, "name", &backend->port_name);

    } else {
        ngx_k8s_write_set(w, port, "number", json_integer(backend->port));
    }

    service = ngx_k8s_write_new(w, json_object());

    ngx_k8s_write_str(w, service, "name", &backend->service);
    ngx_k8s_write_set(w, service, "port", port);
    ngx_k8s_write_set(w, json, "service", service);

    return json;
}


json_t *
ngx_k8s_write_service(ngx_k8s_write_t *w, ngx_k8s_service_t *service)
{
    json_t      *spec, *list;
    ngx_uint_t   i;

    spec = ngx_k8s_write_new(w, json_object());

    ngx_k8s_write_str(w, spec, "type", &service->type);
    ngx_k8s_write_str(w, spec, "clusterIP", &service->cluster_ip);
    ngx_k8s_write_str(w, spec, "externalName", &service->external_name);

    list = ngx_k8s_write_new(w, json_array());

    for (i = 0; i < service->nexternal_ips; i++) {
        ngx_k8s_write_add(w, list,
                          json_stringn((char *) service->external_ips[i].data,
                                       service->external_ips[i].len));
    }

    ngx_k8s_write_set(w, spec, "externalIPs", list);

    if (service->family) {
        ngx_k8s_write_set(w, spec, "ipFamilies",
                          json_pack("[s]", service->family == 6 ? "IPv6"
                                                                : "IPv4"));
    }

    return spec;
}


ngx_int_t
ngx_k8s_write_ports(ngx_k8s_write_t *w)
{
    json_t                  *json;
    ngx_k8s_service_t       *service;
    ngx_k8s_service_port_t  *port;

    service = (ngx_k8s_service_t *) w->object;

    if (w->n == service->nports) {
        return NGX_DONE;
    }

    port = &service->ports[w->n];
    json = ngx_k8s_write_new(w, json_object());

    ngx_k8s_write_str(w, json, "name", &port->name);
    ngx_k8s_write_str(w, json, "protocol", &port->protocol);
    ngx_k8s_write_str(w, json, "appProtocol", &port->app_protocol);

    if (port->port) {
        ngx_k8s_write_set(w, json, "port", json_integer(port->port));
    }

    if (port->closed) {
        ngx_k8s_write_set(w, json, "targetPort", json_false());

    } else if (port->target_port) {
        ngx_k8s_write_set(w, json, "targetPort",
                          json_integer(port->target_port));

    } else {
        ngx_k8s_write_str(w, json, "targetPort", &port->target_name);
    }

    ngx_k8s_write_json(w, json);

    return NGX_OK;
}


ngx_int_t
ngx_k8s_write_slice_ports(ngx_k8s_write_t *w)
{
    json_t                    *json;
    ngx_k8s_slice_port_t      *port;
    ngx_k8s_endpoint_slice_t  *slice;

    slice = (ngx_k8s_endpoint_slice_t *) w->object;

    if (w->n == slice->nports) {
        return NGX_DONE;
    }

    port = &slice->ports[w->n];

    if (port->protocol.data == NULL) {

        /* an element that is no object */

        ngx_k8s_write_inner(w, "false");

        return NGX_OK;
    }

    json = ngx_k8s_write_new(w, json_object());

    ngx_k8s_write_str(w, json, "name", &port->name);
    ngx_k8s_write_str(w, json, "protocol", &port->protocol);
    ngx_k8s_write_str(w, json, "appProtocol", &port->app_protocol);

    if (port->closed) {
        ngx_k8s_write_set(w, json, "port", json_false());

    } else if (port->port) {
        ngx_k8s_write_set(w, json, "port", json_integer(port->port));
    }

    ngx_k8s_write_json(w, json);

    return NGX_OK;
}


ngx_int_t
ngx_k8s_write_endpoints(ngx_k8s_write_t *w)
{
    ngx_k8s_endpoint_slice_t  *slice;
    ngx_k8s_slice_endpoint_t  *endpoint;

    slice = (ngx_k8s_endpoint_slice_t *) w->object;

    if (w->n == slice->endpoints.nelts) {
        return NGX_DONE;
    }

    endpoint = slice->endpoints.elts;

    ngx_k8s_write_json(w, ngx_k8s_write_endpoint(w, &endpoint[w->n]));

    return NGX_OK;
}


static json_t *
ngx_k8s_write_endpoint(ngx_k8s_write_t *w, ngx_k8s_slice_endpoint_t *endpoint)
{
    u_char     *p, *last;
    json_t     *json, *zones, *zone, *target;
    ngx_str_t   s;

    json = ngx_k8s_write_new(w,
               json_pack("{s:[o], s:{s:b, s:b, s:b}}", "addresses",
                         json_stringn((char *) endpoint->address.data,
                                      endpoint->address.len),
                         "conditions", "ready", (int) endpoint->ready,
                         "serving", (int) endpoint->serving,
                         "terminating", (int) endpoint->terminating));

    ngx_k8s_write_str(w, json, "zone", &endpoint->zone);
    ngx_k8s_write_str(w, json, "nodeName", &endpoint->node);

    if (endpoint->target.len) {
        target = ngx_k8s_write_new(w, json_object());
        ngx_k8s_write_str(w, target, "uid", &endpoint->target);
        ngx_k8s_write_set(w, json, "targetRef", target);
    }

    if (endpoint->hints.len == 0) {
        return json;
    }

    zones = ngx_k8s_write_new(w, json_array());
    last = endpoint->hints.data + endpoint->hints.len;

    for (s.data = endpoint->hints.data; s.data < last; s.data = p + 1) {
        p = ngx_strlchr(s.data, last, ',');
        p = p ? p : last;
        s.len = p - s.data;

        zone = ngx_k8s_write_new(w, json_object());
        ngx_k8s_write_str(w, zone, "name", &s);
        ngx_k8s_write_add(w, zones, zone);
    }

    ngx_k8s_write_set(w, json, "hints",
                      json_pack("{s:o}", "forZones", zones));

    return json;
}


/* what is no text is in base64 */

json_t *
ngx_k8s_write_class(ngx_k8s_write_t *w, ngx_k8s_ingress_class_t *class)
{
    json_t  *spec, *parameters;

    static ngx_str_t  kind = ngx_string("ConfigMap");

    spec = ngx_k8s_write_new(w, json_object());

    ngx_k8s_write_str(w, spec, "controller", &class->controller);

    if (class->config.len) {
        parameters = ngx_k8s_write_new(w, json_object());

        ngx_k8s_write_str(w, parameters, "kind", &kind);
        ngx_k8s_write_str(w, parameters, "namespace",
                          &class->config_namespace);
        ngx_k8s_write_str(w, parameters, "name", &class->config);
        ngx_k8s_write_set(w, spec, "parameters", parameters);

    } else if (class->unread) {
        ngx_k8s_write_set(w, spec, "parameters", json_false());
    }

    return spec;
}
