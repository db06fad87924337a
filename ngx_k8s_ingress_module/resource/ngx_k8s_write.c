
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Objects back to JSON: what is read of it is the object again.  What could
 * not be read is written as a value that cannot be read either.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


/* all of them take over no string, and set *failed without memory */

typedef struct {
    ngx_uint_t               failed;
} ngx_k8s_write_t;


static json_t *ngx_k8s_write_new(ngx_k8s_write_t *w, json_t *json);
static void ngx_k8s_write_set(ngx_k8s_write_t *w, json_t *json,
    const char *name, json_t *value);
static void ngx_k8s_write_add(ngx_k8s_write_t *w, json_t *list,
    json_t *value);
static void ngx_k8s_write_str(ngx_k8s_write_t *w, json_t *json,
    const char *name, ngx_str_t *s);
static void ngx_k8s_write_map(ngx_k8s_write_t *w, json_t *json,
    const char *name, ngx_array_t *map);
static json_t *ngx_k8s_write_metadata(ngx_k8s_write_t *w,
    ngx_k8s_object_t *object);
static json_t *ngx_k8s_write_ingress(ngx_k8s_write_t *w,
    ngx_k8s_ingress_t *ingress);
static json_t *ngx_k8s_write_rule(ngx_k8s_write_t *w,
    ngx_k8s_ingress_rule_t *rule);
static json_t *ngx_k8s_write_tls(ngx_k8s_write_t *w,
    ngx_k8s_ingress_tls_t *tls);
static json_t *ngx_k8s_write_backend(ngx_k8s_write_t *w,
    ngx_k8s_backend_t *backend);
static json_t *ngx_k8s_write_class(ngx_k8s_write_t *w,
    ngx_k8s_ingress_class_t *class);
static json_t *ngx_k8s_write_service(ngx_k8s_write_t *w,
    ngx_k8s_service_t *service);
static void ngx_k8s_write_slice(ngx_k8s_write_t *w, json_t *json,
    ngx_k8s_endpoint_slice_t *slice);
static json_t *ngx_k8s_write_endpoint(ngx_k8s_write_t *w,
    ngx_k8s_slice_endpoint_t *endpoint);
static void ngx_k8s_write_config_map(ngx_k8s_write_t *w, json_t *json,
    ngx_k8s_config_map_t *map);
static json_t *ngx_k8s_write_base64(ngx_str_t *value);


u_char *
ngx_k8s_object_write(ngx_k8s_object_t *object)
{
    char             *text;
    json_t           *json, *spec;
    ngx_k8s_write_t   w;

    w.failed = 0;

    json = ngx_k8s_write_new(&w, json_object());

    ngx_k8s_write_set(&w, json, "metadata",
                      ngx_k8s_write_metadata(&w, object));
    spec = NULL;

    switch (object->kind) {

    case NGX_K8S_INGRESS:
        spec = ngx_k8s_write_ingress(&w, (ngx_k8s_ingress_t *) object);
        break;

    case NGX_K8S_INGRESS_CLASS:
        spec = ngx_k8s_write_class(&w, (ngx_k8s_ingress_class_t *) object);
        break;

    case NGX_K8S_SERVICE:
        spec = ngx_k8s_write_service(&w, (ngx_k8s_service_t *) object);
        break;

    case NGX_K8S_ENDPOINT_SLICE:
        ngx_k8s_write_slice(&w, json, (ngx_k8s_endpoint_slice_t *) object);
        break;

    case NGX_K8S_CONFIG_MAP:
        ngx_k8s_write_config_map(&w, json, (ngx_k8s_config_map_t *) object);
        break;
    }

    if (spec) {
        ngx_k8s_write_set(&w, json, "spec", spec);
    }

    text = w.failed ? NULL : json_dumps(json, JSON_COMPACT);

    json_decref(json);

    return (u_char *) text;
}


static json_t *
ngx_k8s_write_new(ngx_k8s_write_t *w, json_t *json)
{
    if (json == NULL) {
        w->failed = 1;
    }

    return json;
}


static void
ngx_k8s_write_set(ngx_k8s_write_t *w, json_t *json, const char *name,
    json_t *value)
{
    if (json_object_set_new(json, name, value) != 0) {
        w->failed = 1;
    }
}


static void
ngx_k8s_write_add(ngx_k8s_write_t *w, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0) {
        w->failed = 1;
    }
}


static void
ngx_k8s_write_str(ngx_k8s_write_t *w, json_t *json, const char *name,
    ngx_str_t *s)
{
    if (s->data) {
        ngx_k8s_write_set(w, json, name,
                          json_stringn((char *) s->data, s->len));
    }
}


static void
ngx_k8s_write_map(ngx_k8s_write_t *w, json_t *json, const char *name,
    ngx_array_t *map)
{
    json_t        *values, *key;
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    if (map == NULL) {
        return;
    }

    kv = map->elts;
    values = ngx_k8s_write_new(w, json_object());

    for (i = 0; i < map->nelts; i++) {

        /* a string of jansson's ends with a zero byte */

        key = ngx_k8s_write_new(w, json_stringn((char *) kv[i].key.data,
                                                kv[i].key.len));
        if (key) {
            ngx_k8s_write_str(w, values, json_string_value(key), &kv[i].value);
        }

        json_decref(key);
    }

    ngx_k8s_write_set(w, json, name, values);
}


static json_t *
ngx_k8s_write_metadata(ngx_k8s_write_t *w, ngx_k8s_object_t *object)
{
    u_char                    *p, buf[64];
    json_t                    *meta, *labels;
    ngx_tm_t                   tm;
    ngx_str_t                  s;
    ngx_k8s_endpoint_slice_t  *slice;

    meta = ngx_k8s_write_new(w, json_object());

    ngx_k8s_write_str(w, meta, "name", &object->name);
    ngx_k8s_write_str(w, meta, "namespace", &object->namespace);
    ngx_k8s_write_str(w, meta, "uid", &object->uid);

    if (object->created) {
        ngx_gmtime(object->created, &tm);

        p = ngx_sprintf(buf, "%4d-%02d-%02dT%02d:%02d:%02dZ", tm.ngx_tm_year,
                        tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                        tm.ngx_tm_min, tm.ngx_tm_sec);
        s.data = buf;
        s.len = p - buf;

        ngx_k8s_write_str(w, meta, "creationTimestamp", &s);
    }

    ngx_k8s_write_map(w, meta, "labels", object->labels);
    ngx_k8s_write_map(w, meta, "annotations", object->annotations);

    if (object->kind == NGX_K8S_ENDPOINT_SLICE) {
        slice = (ngx_k8s_endpoint_slice_t *) object;

        labels = ngx_k8s_write_new(w, json_object());
        ngx_k8s_write_str(w, labels, "kubernetes.io/service-name",
                          &slice->service);
        ngx_k8s_write_set(w, meta, "labels", labels);
    }

    return meta;
}


static json_t *
ngx_k8s_write_ingress(ngx_k8s_write_t *w, ngx_k8s_ingress_t *ingress)
{
    json_t      *spec, *list;
    ngx_uint_t   i;

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

    list = ngx_k8s_write_new(w, json_array());

    for (i = 0; i < ingress->nrules; i++) {
        ngx_k8s_write_add(w, list, ngx_k8s_write_rule(w, &ingress->rules[i]));
    }

    ngx_k8s_write_set(w, spec, "rules", list);

    list = ngx_k8s_write_new(w, json_array());

    for (i = 0; i < ingress->ntls; i++) {
        ngx_k8s_write_add(w, list, ngx_k8s_write_tls(w, &ingress->tls[i]));
    }

    ngx_k8s_write_set(w, spec, "tls", list);

    return spec;
}


static json_t *
ngx_k8s_write_rule(ngx_k8s_write_t *w, ngx_k8s_ingress_rule_t *rule)
{
    json_t               *json, *http, *paths, *path;
    ngx_uint_t            i;
    ngx_k8s_http_path_t  *p;

    static const char  *types[] = {
        "Exact",
        "Prefix",
        "ImplementationSpecific"
    };

    json = ngx_k8s_write_new(w, json_object());

    if (rule->no_host) {
        ngx_k8s_write_set(w, json, "host", json_false());

    } else {
        ngx_k8s_write_str(w, json, "host", &rule->host);
    }

    if (rule->npaths == 0) {
        return json;
    }

    paths = ngx_k8s_write_new(w, json_array());

    for (i = 0; i < rule->npaths; i++) {
        p = &rule->paths[i];
        path = ngx_k8s_write_new(w, json_object());

        if (p->no_path) {
            ngx_k8s_write_set(w, path, "path", json_false());

        } else {
            ngx_k8s_write_str(w, path, "path", &p->path);
        }

        ngx_k8s_write_set(w, path, "pathType", json_string(types[p->type]));
        ngx_k8s_write_set(w, path, "backend",
                          ngx_k8s_write_backend(w, &p->backend));
        ngx_k8s_write_add(w, paths, path);
    }

    http = ngx_k8s_write_new(w, json_object());

    ngx_k8s_write_set(w, http, "paths", paths);
    ngx_k8s_write_set(w, json, "http", http);

    return json;
}


static json_t *
ngx_k8s_write_tls(ngx_k8s_write_t *w, ngx_k8s_ingress_tls_t *tls)
{
    json_t      *json, *hosts;
    ngx_uint_t   i;

    json = ngx_k8s_write_new(w, json_object());
    hosts = ngx_k8s_write_new(w, json_array());

    for (i = 0; i < tls->nhosts; i++) {
        ngx_k8s_write_add(w, hosts,
                          json_stringn((char *) tls->hosts[i].data,
                                       tls->hosts[i].len));
    }

    ngx_k8s_write_set(w, json, "hosts", hosts);
    ngx_k8s_write_str(w, json, "secretName", &tls->secret);

    return json;
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


static json_t *
ngx_k8s_write_service(ngx_k8s_write_t *w, ngx_k8s_service_t *service)
{
    json_t                  *spec, *list, *json;
    ngx_uint_t               i;
    ngx_k8s_service_port_t  *port;

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

    list = ngx_k8s_write_new(w, json_array());

    for (i = 0; i < service->nports; i++) {
        port = &service->ports[i];
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

        ngx_k8s_write_add(w, list, json);
    }

    ngx_k8s_write_set(w, spec, "ports", list);

    return spec;
}


static void
ngx_k8s_write_slice(ngx_k8s_write_t *w, json_t *json,
    ngx_k8s_endpoint_slice_t *slice)
{
    json_t                    *list, *p;
    ngx_uint_t                 i;
    ngx_k8s_slice_port_t      *port;
    ngx_k8s_slice_endpoint_t  *endpoint;

    ngx_k8s_write_set(w, json, "addressType",
                      json_string(slice->family == 4 ? "IPv4"
                                  : slice->family == 6 ? "IPv6" : "FQDN"));

    list = ngx_k8s_write_new(w, json_array());

    for (i = 0; i < slice->nports; i++) {
        port = &slice->ports[i];

        if (port->protocol.data == NULL) {
            /* an element that is no object */
            ngx_k8s_write_add(w, list, json_false());
            continue;
        }

        p = ngx_k8s_write_new(w, json_object());

        ngx_k8s_write_str(w, p, "name", &port->name);
        ngx_k8s_write_str(w, p, "protocol", &port->protocol);
        ngx_k8s_write_str(w, p, "appProtocol", &port->app_protocol);

        if (port->closed) {
            ngx_k8s_write_set(w, p, "port", json_false());

        } else if (port->port) {
            ngx_k8s_write_set(w, p, "port", json_integer(port->port));
        }

        ngx_k8s_write_add(w, list, p);
    }

    ngx_k8s_write_set(w, json, "ports", list);

    list = ngx_k8s_write_new(w, json_array());
    endpoint = slice->endpoints.elts;

    for (i = 0; i < slice->endpoints.nelts; i++) {
        ngx_k8s_write_add(w, list, ngx_k8s_write_endpoint(w, &endpoint[i]));
    }

    ngx_k8s_write_set(w, json, "endpoints", list);
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

static json_t *
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
    }

    return spec;
}


static void
ngx_k8s_write_config_map(ngx_k8s_write_t *w, json_t *json,
    ngx_k8s_config_map_t *map)
{
    json_t        *data, *binary, *value, *key;
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    data = ngx_k8s_write_new(w, json_object());
    binary = ngx_k8s_write_new(w, json_object());

    ngx_k8s_write_set(w, json, "data", data);
    ngx_k8s_write_set(w, json, "binaryData", binary);

    kv = map->data ? map->data->elts : NULL;

    for (i = 0; kv && i < map->data->nelts; i++) {
        key = json_stringn((char *) kv[i].key.data, kv[i].key.len);
        value = json_stringn((char *) kv[i].value.data, kv[i].value.len);

        if (value) {
            ngx_k8s_write_set(w, data, json_string_value(key), value);

        } else {
            ngx_k8s_write_set(w, binary, json_string_value(key),
                              ngx_k8s_write_base64(&kv[i].value));
        }

        json_decref(key);
    }
}


static json_t *
ngx_k8s_write_base64(ngx_str_t *value)
{
    json_t     *json;
    ngx_str_t   text;

    text.data = malloc(ngx_base64_encoded_length(value->len));
    if (text.data == NULL) {
        return NULL;
    }

    ngx_encode_base64(&text, value);

    json = json_stringn((char *) text.data, text.len);

    free(text.data);

    return json;
}
