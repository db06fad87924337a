
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
#include <ngx_k8s_write_core.h>


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
static ngx_uint_t ngx_k8s_write_is_text(ngx_str_t *value);
static json_t *ngx_k8s_write_metadata(ngx_k8s_write_t *w,
    ngx_k8s_object_t *object);
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
