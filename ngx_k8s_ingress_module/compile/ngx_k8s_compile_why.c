
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Why a port of a Service has no endpoint: what is missing of the one that
 * comes nearest to it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


typedef struct {
    char                    *text;
    ngx_str_t                remedy;
} ngx_k8s_why_t;


static ngx_uint_t ngx_k8s_why_many(ngx_queue_t *links);
static ngx_str_t ngx_k8s_why_unlabelled(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
static ngx_k8s_service_t *ngx_k8s_why_service(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port);
static void ngx_k8s_why_names(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_str_t *names);
static void ngx_k8s_why_external(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_str_t *name, ngx_str_t *error);


#define NGX_K8S_WHY_PORTS  8             /* that are named */
#define NGX_K8S_WHY_TEXT   512
#define NGX_K8S_WHY_LOOK   64            /* slices; of more none is named */


/* by NGX_K8S_WHY_* */

static ngx_k8s_why_t  ngx_k8s_whys[] = {

    { "",
      ngx_null_string },

    { ": it has no EndpointSlice",
      ngx_string("Check the Service's selector.  A Service without one needs "
                 "an EndpointSlice with the label kubernetes.io/service-name; "
                 "of its Endpoints the cluster's controller makes one, unless "
                 "they have the label endpointslice.kubernetes.io/"
                 "skip-mirror.") },

    { ": it has no clusterIP, externalName or EndpointSlice",
      ngx_string("Give it one of these, or Endpoints of its name.") },

    { ": its EndpointSlices are empty",
      ngx_string("Check the Service's selector: no Pod that runs has these "
                 "labels.") },

    { ": %V no label kubernetes.io/service-name",
      ngx_string("Give the EndpointSlice the label, with the name of the "
                 "Service.") },

    { ": its EndpointSlices are of addressType FQDN, which is not used",
      ngx_string("Write addresses, in EndpointSlices of addressType IPv4 or "
                 "IPv6.") },

    { ": its EndpointSlices have no TCP port with the name that the Service's "
      "port has, %V",
      ngx_string("Give the port of the EndpointSlice the name of that of the "
                 "Service.") },

    { ": its endpoints are not ready",
      ngx_string("Check why the Pods are not ready: \"kubectl describe\" one, "
                 "and see its readiness probe.") },

    { ": none of its addresses can be used",
      ngx_string("Use an address of a Pod or of a host.") },

    { ": its externalName \"%V\" is no DNS name",
      ngx_string("Write the name of a host, of at most 253 lower-case letters, "
                 "digits, hyphens and dots.") },

    { ": its externalName \"%V\" is an address, and no name that could be "
      "looked up",
      ngx_string("Write the name of a host; or make a Service without selector "
                 "and an EndpointSlice with the address.") },

    { ": its externalName \"%V\" is looked up",
      ngx_null_string },

    { ": its externalName \"%V\" cannot be resolved: %V",
      ngx_string("Check the name, and whether the nameservers know it: those "
                 "of \"resolver\" in http { }, else of /etc/resolv.conf, whose "
                 "\"search\" counts for names with few dots.") },

    { ": its externalName \"%V\" is not served, as nginx.conf says "
      "\"external_names off\"",
      ngx_string("Make a Service without selector and an EndpointSlice with "
                 "the addresses; or say \"external_names on\" in nginx.conf.") }
};


ngx_uint_t
ngx_k8s_compile_why(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    if (!ngx_queue_empty(&node->links[NGX_K8S_ROLE_HINT])) {
        return NGX_K8S_WHY_UNLABELLED;
    }

    return c->conf.loopback ? NGX_K8S_WHY_NO_ADDRESS : NGX_K8S_WHY_NO_SLICE;
}


ngx_uint_t
ngx_k8s_compile_why_slice(ngx_k8s_endpoint_slice_t *slice, ngx_uint_t number)
{
    if (slice->endpoints.nelts == 0) {
        return NGX_K8S_WHY_EMPTY;
    }

    if (slice->family == 0) {
        return NGX_K8S_WHY_FQDN;
    }

    return number ? NGX_K8S_WHY_UNREADY : NGX_K8S_WHY_PORT;
}


ngx_int_t
ngx_k8s_compile_why_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field)
{
    ngx_str_t       text, detail, names, which, error;
    ngx_k8s_why_t  *why;

    why = &ngx_k8s_whys[port->why];

    ngx_str_null(&error);

    if (port->why == NGX_K8S_WHY_PORT) {
        ngx_k8s_why_names(c, port, &names);

    } else if (port->why >= NGX_K8S_WHY_NAME) {
        ngx_k8s_why_external(c, port, &names, &error);

    } else {
        names = ngx_k8s_why_unlabelled(c, port->node);
    }

    detail = ngx_k8s_compile_text(c, why->text, &names, &error);

    /* an annotation names none */

    ngx_str_null(&which);

    if (port->port.len) {
        which = ngx_k8s_compile_text(c, " for port \"%V\"", &port->port);
    }

    text = ngx_k8s_compile_text(c, "Service %V/%V has no endpoint%V%V",
                                &port->node->namespace, &port->node->name,
                                &which, &detail);

    return ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_NO_ENDPOINTS, host, field,
                                  &text, &why->remedy);
}


/* whether they are more than are looked at */

static ngx_uint_t
ngx_k8s_why_many(ngx_queue_t *links)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    q = ngx_queue_head(links);

    for (n = 0; q != ngx_queue_sentinel(links); n++) {

        if (n == NGX_K8S_WHY_LOOK) {
            return 1;
        }

        q = ngx_queue_next(q);
    }

    return 0;
}


/* the first by name of those that seem to be meant for it */

static ngx_str_t
ngx_k8s_why_unlabelled(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_str_t       *name, *first, many;
    ngx_queue_t     *q, *links;
    ngx_k8s_link_t  *link;

    links = &node->links[NGX_K8S_ROLE_HINT];

    if (ngx_k8s_why_many(links)) {
        ngx_str_set(&many, "many EndpointSlices of its name have");
        return many;
    }

    first = &node->name;

    for (q = ngx_queue_head(links);
         q != ngx_queue_sentinel(links);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);
        name = &link->entry->object->name;

        if (first == &node->name || ngx_k8s_str_cmp(name, first) < 0) {
            first = name;
        }
    }

    return ngx_k8s_compile_text(c, "EndpointSlice \"%V\" has", first);
}


static ngx_k8s_service_t *
ngx_k8s_why_service(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    return (ngx_k8s_service_t *)
               ngx_k8s_store_get(c->store, NGX_K8S_SERVICE,
                                 &port->node->namespace, &port->node->name);
}


/* of the port that is wanted, and, where there are not very many slices, of
   those of the first one by name */

static void
ngx_k8s_why_names(ngx_k8s_compile_t *c, ngx_k8s_port_t *port, ngx_str_t *names)
{
    u_char                    *p, *last, buf[NGX_K8S_WHY_TEXT];
    ngx_str_t                  text;
    ngx_uint_t                 i, n;
    ngx_queue_t               *q, *links;
    ngx_k8s_link_t            *link;
    ngx_k8s_service_t         *svc;
    ngx_k8s_service_port_t    *sp, external;
    ngx_k8s_endpoint_slice_t  *slice, *first;

    svc = ngx_k8s_why_service(c, port);
    sp = svc ? ngx_k8s_compile_port_select(svc, port, &external) : NULL;

    ngx_str_null(names);

    if (sp == NULL) {
        return;
    }

    links = &port->node->links[NGX_K8S_ROLE_PART];

    if (ngx_k8s_why_many(links)) {
        *names = ngx_k8s_compile_text(c, "\"%V\"", &sp->name);
        return;
    }

    first = NULL;

    for (q = ngx_queue_head(links);
         q != ngx_queue_sentinel(links);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);
        slice = (ngx_k8s_endpoint_slice_t *) link->entry->object;

        if (slice->endpoints.nelts && slice->family
            && ngx_k8s_compile_slice_port(slice, sp) == 0
            && (first == NULL
                || ngx_k8s_str_cmp(&slice->object.name, &first->object.name)
                   < 0))
        {
            first = slice;
        }
    }

    p = buf;
    last = buf + NGX_K8S_WHY_TEXT;
    n = first ? ngx_min(first->nports, NGX_K8S_WHY_PORTS) : 0;

    for (i = 0; i < n; i++) {
        p = ngx_slprintf(p, last, "%s\"%V\"", i ? ", " : "",
                         &first->ports[i].name);
    }

    text.data = buf;
    text.len = p - buf;

    *names = ngx_k8s_compile_text(c, "\"%V\", but %V", &sp->name, &text);
}


/* of an ExternalName, cut where it is long; and what the resolver said last */

static void
ngx_k8s_why_external(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_str_t *name, ngx_str_t *error)
{
    ngx_k8s_service_t        *svc;
    ngx_k8s_service_state_t  *state;

    svc = ngx_k8s_why_service(c, port);
    state = port->node->data;

    if (svc) {
        *name = svc->external_name;
        name->len = ngx_min(name->len, NGX_K8S_WHY_TEXT);

    } else {
        ngx_str_null(name);
    }

    if (state->name && state->name->error) {
        error->data = (u_char *) state->name->error;
        error->len = ngx_strlen(error->data);
    }
}


ngx_int_t
ngx_k8s_compile_why_no_port(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field)
{
    u_char                  *p, *last, buf[NGX_K8S_WHY_TEXT];
    ngx_str_t                text;
    ngx_uint_t               i, n;
    ngx_k8s_service_t       *svc;
    ngx_k8s_service_port_t  *sp;

    p = buf;
    last = buf + NGX_K8S_WHY_TEXT;
    n = 0;

    svc = ngx_k8s_why_service(c, port);

    for (i = 0; svc && i < svc->nports && n < NGX_K8S_WHY_PORTS; i++) {
        sp = &svc->ports[i];

        if (sp->closed || !ngx_k8s_str_eq(&sp->protocol, &port->protocol)) {
            continue;
        }

        p = ngx_slprintf(p, last, "%s%ui", n++ ? ", " : "; it has ", sp->port);

        if (sp->name.len) {
            p = ngx_slprintf(p, last, " \"%V\"", &sp->name);
        }
    }

    text.data = buf;
    text.len = p - buf;

    return ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_PORT_NOT_FOUND, host,
                                field, "Service %V/%V has no %V port \"%V\"%V",
                                &port->node->namespace, &port->node->name,
                                &port->protocol, &port->port, &text);
}
