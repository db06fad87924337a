
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Objects back to JSON: what is read of it is the object again.  What could
 * not be read is written as a value that cannot be read either.  Lists and maps
 * of an object are written in pieces, all else of it at once.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_write.h>


#define NGX_K8S_WRITE_SIZE   4096        /* of the text, at first */


#define NGX_K8S_WRITE_ANY    NGX_K8S_KINDS


/* a list, or a map that is there: writes w->n of it, or w->m of that;
   NGX_DONE: there is none */

typedef struct {
    ngx_uint_t               kind;
    const char              *name;       /* NULL: what stands between them */
    ngx_int_t              (*write)(ngx_k8s_write_t *w);
    size_t                   map;        /* offset in the object, or 0 */
} ngx_k8s_write_list_t;


static void ngx_k8s_write_head(ngx_k8s_write_t *w);
static ngx_int_t ngx_k8s_write_spec(ngx_k8s_write_t *w);
static ngx_array_t *ngx_k8s_write_map(ngx_k8s_write_t *w);
static ngx_int_t ngx_k8s_write_pairs(ngx_k8s_write_t *w);
static ngx_int_t ngx_k8s_write_binaries(ngx_k8s_write_t *w);
static void ngx_k8s_write_pair(ngx_k8s_write_t *w, ngx_str_t *key,
    json_t *value);
static void ngx_k8s_write_scalar(ngx_k8s_write_t *w, json_t *json);
static ngx_uint_t ngx_k8s_write_is_text(ngx_str_t *value);
static void ngx_k8s_write_text(ngx_k8s_write_t *w, const char *text,
    size_t len);
static void ngx_k8s_write_json(ngx_k8s_write_t *w, json_t *json);
static void ngx_k8s_write_open(ngx_k8s_write_t *w, json_t *json);
static void ngx_k8s_write_inner(ngx_k8s_write_t *w, const char *text);
static ngx_int_t ngx_k8s_write_rules(ngx_k8s_write_t *w);
static ngx_int_t ngx_k8s_write_entries(ngx_k8s_write_t *w);
static ngx_int_t ngx_k8s_write_ports(ngx_k8s_write_t *w);
static ngx_int_t ngx_k8s_write_slice_ports(ngx_k8s_write_t *w);
static ngx_int_t ngx_k8s_write_endpoints(ngx_k8s_write_t *w);
/* all of them take over no string, and set w->failed without memory */
static json_t *ngx_k8s_write_new(ngx_k8s_write_t *w, json_t *json);
static void ngx_k8s_write_set(ngx_k8s_write_t *w, json_t *json,
    const char *name, json_t *value);
static void ngx_k8s_write_add(ngx_k8s_write_t *w, json_t *list,
    json_t *value);
static void ngx_k8s_write_str(ngx_k8s_write_t *w, json_t *json,
    const char *name, ngx_str_t *s);
static json_t *ngx_k8s_write_metadata(ngx_k8s_write_t *w,
    ngx_k8s_object_t *object);
static json_t *ngx_k8s_write_ingress(ngx_k8s_write_t *w,
    ngx_k8s_ingress_t *ingress);
static json_t *ngx_k8s_write_path(ngx_k8s_write_t *w,
    ngx_k8s_http_path_t *p);
static json_t *ngx_k8s_write_backend(ngx_k8s_write_t *w,
    ngx_k8s_backend_t *backend);
static json_t *ngx_k8s_write_class(ngx_k8s_write_t *w,
    ngx_k8s_ingress_class_t *class);
static json_t *ngx_k8s_write_service(ngx_k8s_write_t *w,
    ngx_k8s_service_t *service);
static json_t *ngx_k8s_write_endpoint(ngx_k8s_write_t *w,
    ngx_k8s_slice_endpoint_t *endpoint);
static json_t *ngx_k8s_write_base64(ngx_str_t *value);


/* in the order of the text */

static ngx_k8s_write_list_t  ngx_k8s_write_lists[] = {

    { NGX_K8S_WRITE_ANY, "\"labels\":{", ngx_k8s_write_pairs,
      offsetof(ngx_k8s_object_t, labels) },
    { NGX_K8S_WRITE_ANY, "\"annotations\":{", ngx_k8s_write_pairs,
      offsetof(ngx_k8s_object_t, annotations) },

    { NGX_K8S_WRITE_ANY, NULL, ngx_k8s_write_spec, 0 },

    { NGX_K8S_INGRESS, "\"rules\":[", ngx_k8s_write_rules, 0 },
    { NGX_K8S_INGRESS, "\"tls\":[", ngx_k8s_write_entries, 0 },
    { NGX_K8S_SERVICE, "\"ports\":[", ngx_k8s_write_ports, 0 },
    { NGX_K8S_ENDPOINT_SLICE, "\"ports\":[", ngx_k8s_write_slice_ports, 0 },
    { NGX_K8S_ENDPOINT_SLICE, "\"endpoints\":[", ngx_k8s_write_endpoints, 0 },
    { NGX_K8S_CONFIG_MAP, "\"data\":{", ngx_k8s_write_pairs,
      offsetof(ngx_k8s_config_map_t, data) },
    { NGX_K8S_CONFIG_MAP, "\"binaryData\":{", ngx_k8s_write_binaries,
      offsetof(ngx_k8s_config_map_t, data) },

    { 0, NULL, NULL, 0 }
};


u_char *
ngx_k8s_object_write(ngx_k8s_object_t *object)
{
    ngx_k8s_write_t  w;

    ngx_k8s_write_begin(&w, object);

    while (ngx_k8s_write_run(&w, NGX_MAX_INT32_VALUE) == NGX_AGAIN) {
        /* void */
    }

    return w.text;
}


void
ngx_k8s_write_begin(ngx_k8s_write_t *w, ngx_k8s_object_t *object)
{
    ngx_memzero(w, sizeof(ngx_k8s_write_t));

    w->object = object;
}


ngx_int_t
ngx_k8s_write_run(ngx_k8s_write_t *w, ngx_uint_t n)
{
    ngx_int_t              rc;
    ngx_k8s_write_list_t  *list;

    if (w->text == NULL) {
        ngx_k8s_write_head(w);
    }

    for ( /* void */ ; n && !w->failed; n--) {

        list = &ngx_k8s_write_lists[w->list];

        if (list->write == NULL) {
            break;
        }

        if ((list->kind != NGX_K8S_WRITE_ANY && list->kind != w->object->kind)
            || (list->map && ngx_k8s_write_map(w) == NULL))
        {
            w->list++;
            continue;
        }

        if (w->n == 0 && w->m == 0 && list->name) {
            ngx_k8s_write_inner(w, list->name);
        }

        rc = list->write(w);

        if (rc == NGX_AGAIN) {
            w->m++;

        } else if (rc == NGX_OK) {
            w->n++;
            w->m = 0;

        } else { /* NGX_DONE */

            if (list->name) {
                ngx_k8s_write_text(w, list->map ? "}" : "]", 1);
            }

            w->list++;
            w->n = 0;
        }
    }

    if (!w->failed && ngx_k8s_write_lists[w->list].write) {
        return NGX_AGAIN;
    }

    /* of the spec, and of the object */

    if (w->spec) {
        ngx_k8s_write_text(w, "}", 1);
    }

    ngx_k8s_write_text(w, "}", 2);

    if (w->failed) {
        ngx_k8s_write_end(w);
        return NGX_ERROR;
    }

    w->len--;

    return NGX_OK;
}


void
ngx_k8s_write_end(ngx_k8s_write_t *w)
{
    free(w->text);

    w->text = NULL;
    w->object = NULL;
}


/* metadata but for its maps */

static void
ngx_k8s_write_head(ngx_k8s_write_t *w)
{
    ngx_k8s_write_text(w, "{\"metadata\":", sizeof("{\"metadata\":") - 1);
    ngx_k8s_write_open(w, ngx_k8s_write_metadata(w, w->object));
}


/* the end of metadata, and what else is in no list and no map */

static ngx_int_t
ngx_k8s_write_spec(ngx_k8s_write_t *w)
{
    json_t                    *spec;
    ngx_k8s_object_t          *object;
    ngx_k8s_endpoint_slice_t  *slice;

    object = w->object;
    spec = NULL;

    ngx_k8s_write_text(w, "}", 1);

    switch (object->kind) {

    case NGX_K8S_INGRESS:
        spec = ngx_k8s_write_ingress(w, (ngx_k8s_ingress_t *) object);
        break;

    case NGX_K8S_INGRESS_CLASS:
        spec = ngx_k8s_write_class(w, (ngx_k8s_ingress_class_t *) object);
        break;

    case NGX_K8S_SERVICE:
        spec = ngx_k8s_write_service(w, (ngx_k8s_service_t *) object);
        break;

    case NGX_K8S_ENDPOINT_SLICE:
        slice = (ngx_k8s_endpoint_slice_t *) object;

        ngx_k8s_write_inner(w, "\"addressType\":");
        ngx_k8s_write_scalar(w, json_string(slice->family == 4 ? "IPv4"
                                            : slice->family == 6 ? "IPv6"
                                                                 : "FQDN"));
        break;
    }

    if (spec) {
        w->spec = 1;
        ngx_k8s_write_inner(w, "\"spec\":");
        ngx_k8s_write_open(w, spec);
    }

    return NGX_DONE;
}


static ngx_array_t *
ngx_k8s_write_map(ngx_k8s_write_t *w)
{
    size_t  map;

    map = ngx_k8s_write_lists[w->list].map;

    return *(ngx_array_t **) ((u_char *) w->object + map);
}


static ngx_int_t
ngx_k8s_write_pairs(ngx_k8s_write_t *w)
{
    ngx_array_t   *map;
    ngx_keyval_t  *kv;

    map = ngx_k8s_write_map(w);

    if (w->n == map->nelts) {
        return NGX_DONE;
    }

    kv = map->elts;
    kv += w->n;

    if (kv->value.data && ngx_k8s_write_is_text(&kv->value)) {
        ngx_k8s_write_pair(w, &kv->key, json_stringn((char *) kv->value.data,
                                                     kv->value.len));
    }

    return NGX_OK;
}


/* what is no text is in base64 */

static ngx_int_t
ngx_k8s_write_binaries(ngx_k8s_write_t *w)
{
    ngx_array_t   *map;
    ngx_keyval_t  *kv;

    map = ngx_k8s_write_map(w);

    if (w->n == map->nelts) {
        return NGX_DONE;
    }

    kv = map->elts;
    kv += w->n;

    if (!ngx_k8s_write_is_text(&kv->value)) {
        ngx_k8s_write_pair(w, &kv->key, ngx_k8s_write_base64(&kv->value));
    }

    return NGX_OK;
}


static void
ngx_k8s_write_pair(ngx_k8s_write_t *w, ngx_str_t *key, json_t *value)
{
    ngx_k8s_write_inner(w, "");
    ngx_k8s_write_scalar(w, json_stringn((char *) key->data, key->len));
    ngx_k8s_write_text(w, ":", 1);
    ngx_k8s_write_scalar(w, value);
}


/* takes the reference */

static void
ngx_k8s_write_scalar(ngx_k8s_write_t *w, json_t *json)
{
    char  *text;

    text = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;

    json_decref(json);

    if (text == NULL) {
        w->failed = 1;
        return;
    }

    ngx_k8s_write_text(w, text, ngx_strlen(text));

    free(text);
}


/* what jansson takes for UTF-8 */

static ngx_uint_t
ngx_k8s_write_is_text(ngx_str_t *value)
{
    u_char    *p, *last;
    uint32_t   ch;

    p = value->data;
    last = p + value->len;

    while (p < last) {

        if (*p < 0x80) {
            p++;
            continue;
        }

        ch = ngx_utf8_decode(&p, last - p);

        if (ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_k8s_write_text(ngx_k8s_write_t *w, const char *text, size_t len)
{
    u_char  *p;
    size_t   size;

    if (w->failed) {
        return;
    }

    size = w->size ? w->size : NGX_K8S_WRITE_SIZE;

    while (size < w->len + len) {
        size *= 2;
    }

    if (size != w->size) {
        p = realloc(w->text, size);
        if (p == NULL) {
            w->failed = 1;
            return;
        }

        w->text = p;
        w->size = size;
    }

    ngx_memcpy(w->text + w->len, text, len);
    w->len += len;
}


/* as an element of a list */

static void
ngx_k8s_write_json(ngx_k8s_write_t *w, json_t *json)
{
    ngx_k8s_write_inner(w, "");
    ngx_k8s_write_open(w, json);
    ngx_k8s_write_text(w, "}", 1);
}


/* an object, without its end */

static void
ngx_k8s_write_open(ngx_k8s_write_t *w, json_t *json)
{
    char  *text;

    text = (w->failed || json == NULL) ? NULL : json_dumps(json, JSON_COMPACT);

    json_decref(json);

    if (text == NULL) {
        w->failed = 1;
        return;
    }

    ngx_k8s_write_text(w, text, ngx_strlen(text) - 1);

    free(text);
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

static ngx_int_t
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

static ngx_int_t
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


/* one more in what is open */

static void
ngx_k8s_write_inner(ngx_k8s_write_t *w, const char *text)
{
    u_char  last;

    last = w->failed ? '{' : w->text[w->len - 1];

    if (last != '{' && last != '[') {
        ngx_k8s_write_text(w, ",", 1);
    }

    ngx_k8s_write_text(w, text, ngx_strlen(text));
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


static ngx_int_t
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


static ngx_int_t
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


static ngx_int_t
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

    } else if (class->unread) {
        ngx_k8s_write_set(w, spec, "parameters", json_false());
    }

    return spec;
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
