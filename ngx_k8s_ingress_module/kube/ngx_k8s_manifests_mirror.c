
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


#define NGX_K8S_MIRROR_ADDRESSES  1000    /* of a subset, and of a slice */
#define NGX_K8S_MIRROR_WORD       253     /* bytes of what a port may have */
#define NGX_K8S_MIRROR_LISTS      3

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


static ngx_int_t ngx_k8s_mirror_step(ngx_k8s_mirror_t *mr, json_t *subset);
static ngx_int_t ngx_k8s_mirror_port(ngx_k8s_mirror_t *mr, json_t *port);
static void ngx_k8s_mirror_word(ngx_k8s_mirror_t *mr, json_t *value,
    const char *missing);
static ngx_int_t ngx_k8s_mirror_address(ngx_k8s_mirror_t *mr,
    json_t *address);
static json_t *ngx_k8s_mirror_slice(ngx_k8s_mirror_t *mr, const char *family);
static ngx_uint_t ngx_k8s_manifests_is(json_t *json, const char *group,
    const char *name);
static ngx_uint_t ngx_k8s_manifests_newer(ngx_k8s_manifest_claim_t *claim,
    ngx_k8s_manifest_claim_t *best);
static void ngx_k8s_manifests_class(ngx_k8s_manifests_t *m);


static char  *ngx_k8s_mirror_lists[] = {
    "ports", "addresses", "notReadyAddresses"
};


ngx_int_t
ngx_k8s_mirror_begin(ngx_k8s_mirror_t *mr, json_t *json, json_t *trash)
{
    json_t  *annotations;

    ngx_memzero(mr, sizeof(ngx_k8s_mirror_t));

    annotations = json_object_get(json_object_get(json, "metadata"),
                                  "annotations");

    if (!ngx_k8s_manifests_is(json, "labels", NGX_K8S_MIRROR_SKIP)
        && json_object_get(annotations, NGX_K8S_MIRROR_LEADER) == NULL)
    {
        mr->subsets = json_object_get(json, "subsets");
    }

    mr->trash = trash;
    mr->json = json;
    mr->slices = json_array();
    mr->open = json_object();

    return (mr->slices && mr->open) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_k8s_mirror_run(ngx_k8s_mirror_t *mr, ngx_uint_t budget)
{
    json_t  *subset;

    while (mr->subset < json_array_size(mr->subsets)) {

        if (budget-- == 0) {
            return NGX_AGAIN;
        }

        subset = json_array_get(mr->subsets, mr->subset);

        if (ngx_k8s_mirror_step(mr, subset) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


json_t *
ngx_k8s_mirror_end(ngx_k8s_mirror_t *mr)
{
    json_t  *slices;

    slices = mr->slices;

    (void) json_array_append_new(mr->trash, mr->open);
    (void) json_array_append_new(mr->trash, mr->ports);

    ngx_memzero(mr, sizeof(ngx_k8s_mirror_t));

    return slices;
}


/* the begin of a subset; one port or address of it; the end of a list */

static ngx_int_t
ngx_k8s_mirror_step(ngx_k8s_mirror_t *mr, json_t *subset)
{
    json_t  *list;

    if (mr->ports == NULL) {
        mr->ports = json_array();
        mr->list = 0;
        mr->n = 0;
        mr->addresses = 0;

        ngx_md5_init(&mr->md5);

        return mr->ports ? NGX_OK : NGX_ERROR;
    }

    list = json_object_get(subset, ngx_k8s_mirror_lists[mr->list]);

    if (mr->n < json_array_size(list)
        && mr->addresses < NGX_K8S_MIRROR_ADDRESSES)
    {
        list = json_array_get(list, mr->n++);

        return mr->list ? ngx_k8s_mirror_address(mr, list)
                        : ngx_k8s_mirror_port(mr, list);
    }

    if (mr->list == 0) {
        ngx_md5_final(mr->digest, &mr->md5);
    }

    mr->n = 0;

    if (++mr->list == NGX_K8S_MIRROR_LISTS) {
        (void) json_array_append_new(mr->trash, mr->ports);

        mr->ports = NULL;
        mr->subset++;
    }

    return NGX_OK;
}


/* a slice always says the name and the protocol */

static ngx_int_t
ngx_k8s_mirror_port(ngx_k8s_mirror_t *mr, json_t *port)
{
    json_t  *name, *protocol, *number, *app;

    name = json_object_get(port, "name");
    protocol = json_object_get(port, "protocol");
    number = json_object_get(port, "port");
    app = json_object_get(port, "appProtocol");

    ngx_k8s_mirror_word(mr, name, "");
    ngx_k8s_mirror_word(mr, protocol, "TCP");
    ngx_k8s_mirror_word(mr, number, "");
    ngx_k8s_mirror_word(mr, app, "");

    port = json_pack("{s:o, s:o, s:O*, s:O*}",
                     "name", name ? json_incref(name) : json_string(""),
                     "protocol", protocol ? json_incref(protocol)
                                          : json_string("TCP"),
                     "port", number,
                     "appProtocol", app);

    return (json_array_append_new(mr->ports, port) == 0) ? NGX_OK : NGX_ERROR;
}


/* adds a value to the digest of the ports; what is none that they could have
   makes these ports differ from all others */

static void
ngx_k8s_mirror_word(ngx_k8s_mirror_t *mr, json_t *value, const char *missing)
{
    int64_t      n;
    size_t       len;
    const char  *text;

    text = value ? json_string_value(value) : missing;
    len = value ? json_string_length(value) : ngx_strlen(missing);

    if (json_is_integer(value)) {
        n = json_integer_value(value);
        ngx_md5_update(&mr->md5, "i", 1);
        ngx_md5_update(&mr->md5, &n, sizeof(int64_t));

    } else if (text && len <= NGX_K8S_MIRROR_WORD) {
        ngx_md5_update(&mr->md5, "s", 1);
        ngx_md5_update(&mr->md5, text, len + 1);

    } else {
        ngx_md5_update(&mr->md5, "n", 1);
        ngx_md5_update(&mr->md5, &mr->subset, sizeof(size_t));
    }
}


/* one that is no IP address is left out */

static ngx_int_t
ngx_k8s_mirror_address(ngx_k8s_mirror_t *mr, json_t *address)
{
    json_t           *slice, *endpoint, *ip;
    const char       *family, *text;
    struct in_addr    in;
    struct in6_addr   in6;

    ip = json_object_get(address, "ip");
    text = json_string_value(ip);

    if (text == NULL) {
        return NGX_OK;
    }

    if (inet_pton(AF_INET, text, &in) == 1) {
        family = "IPv4";

    } else if (inet_pton(AF_INET6, text, &in6) == 1) {
        family = IN6_IS_ADDR_V4MAPPED(&in6) ? "IPv4" : "IPv6";

    } else {
        return NGX_OK;
    }

    mr->addresses++;

    slice = ngx_k8s_mirror_slice(mr, family);
    if (slice == NULL) {
        return NGX_ERROR;
    }

    endpoint = json_pack("{s:[O], s:{s:b}, s:O*, s:O*}",
                         "addresses", ip,
                         "conditions", "ready", mr->list == 1,
                         "nodeName", json_object_get(address, "nodeName"),
                         "targetRef", json_object_get(address, "targetRef"));

    if (json_array_append_new(json_object_get(slice, "endpoints"), endpoint)
        != 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* of this family and these ports, with room; the reference is borrowed */

static json_t *
ngx_k8s_mirror_slice(ngx_k8s_mirror_t *mr, const char *family)
{
    char     name[512], key[2 * 16 + sizeof("IPv4")];
    u_char  *p;
    json_t  *slice, *meta;

    p = ngx_hex_dump((u_char *) key, mr->digest, 16);
    (void) ngx_sprintf(p, "%s%Z", family);

    slice = json_object_get(mr->open, key);

    if (slice && json_array_size(json_object_get(slice, "endpoints"))
                 < NGX_K8S_MIRROR_ADDRESSES)
    {
        return slice;
    }

    meta = json_object_get(mr->json, "metadata");

    (void) ngx_sprintf((u_char *) name, "%s" NGX_K8S_MANIFEST_MIRRORED "%Z",
                       json_string_value(json_object_get(meta, "name")),
                       json_array_size(mr->slices));

    slice = json_pack("{s:{s:O, s:s, s:{s:O, s:s}}, s:s, s:O, s:[]}",
                      "metadata",
                      "namespace", json_object_get(meta, "namespace"),
                      "name", name,
                      "labels",
                      NGX_K8S_MIRROR_SERVICE, json_object_get(meta, "name"),
                      NGX_K8S_MIRROR_MANAGED, NGX_K8S_MIRROR_BY,
                      "addressType", family,
                      "ports", mr->ports,
                      "endpoints");

    if (json_array_append_new(mr->slices, slice) != 0
        || json_object_set(mr->open, key, slice) != 0)
    {
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
ngx_k8s_manifests_default_step(ngx_k8s_manifests_t *m)
{
    ngx_uint_t                 n;
    ngx_k8s_manifest_claim_t  *claim;
    ngx_k8s_manifest_ident_t  *ident;

    if (m->reclass) {
        m->reclass = 0;
        m->class_next = ngx_queue_head(&m->classes);
        m->class_best = NULL;
    }

    for (n = 0; m->class_next && n < NGX_K8S_MANIFEST_LOOKED; n++) {

        if (m->class_next == ngx_queue_sentinel(&m->classes)) {
            m->class_next = NULL;
            ngx_k8s_manifests_class(m);
            return;
        }

        ident = ngx_queue_data(m->class_next, ngx_k8s_manifest_ident_t, kin);
        m->class_next = ngx_queue_next(m->class_next);

        claim = ngx_k8s_manifests_first(ident);

        if (claim && claim->fallback
            && ngx_k8s_manifests_newer(claim, m->class_best))
        {
            m->class_best = claim;
        }
    }

    for ( /* void */ ; m->ingress_next && n < NGX_K8S_MANIFEST_LOOKED; n++) {

        if (m->ingress_next == ngx_queue_sentinel(&m->ingresses)) {
            m->ingress_next = NULL;
            return;
        }

        ident = ngx_queue_data(m->ingress_next, ngx_k8s_manifest_ident_t, kin);
        m->ingress_next = ngx_queue_next(m->ingress_next);

        claim = ngx_k8s_manifests_first(ident);

        if (claim && claim->classless) {
            ngx_k8s_manifests_touch(m, ident);
        }
    }
}


static ngx_uint_t
ngx_k8s_manifests_newer(ngx_k8s_manifest_claim_t *claim,
    ngx_k8s_manifest_claim_t *best)
{
    return best == NULL || claim->created > best->created
           || (claim->created == best->created
               && ngx_memn2cmp(claim->ident->name.data, best->ident->name.data,
                               claim->ident->name.len, best->ident->name.len)
                  < 0);
}


/* the default class is known: where it is another one, Ingresses follow */

static void
ngx_k8s_manifests_class(ngx_k8s_manifests_t *m)
{
    ngx_str_t  name;

    ngx_str_null(&name);

    if (m->class_best) {
        name = m->class_best->ident->name;
    }

    if (name.len == m->class.len
        && ngx_strncmp(name.data, m->class.data, name.len) == 0)
    {
        return;
    }

    m->class.data = m->class_buf;
    m->class.len = name.len;
    ngx_memcpy(m->class_buf, name.data, name.len);

    m->ingress_next = ngx_queue_head(&m->ingresses);
}
