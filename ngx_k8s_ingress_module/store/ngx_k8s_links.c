
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Links, in two stages: those that an object makes by itself, and those of its
 * model, once it is attached.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


static ngx_k8s_link_t *ngx_k8s_link_add(ngx_k8s_links_t *l, ngx_uint_t role,
    ngx_uint_t type, ngx_str_t *ns, ngx_str_t *name);
static ngx_k8s_link_t *ngx_k8s_link_node(ngx_k8s_links_t *l, ngx_uint_t role,
    ngx_k8s_node_t *node);
static void ngx_k8s_link_hint(ngx_k8s_store_t *store, ngx_k8s_node_t *node);
static ngx_int_t ngx_k8s_links_ref(ngx_k8s_links_t *l, ngx_uint_t type,
    ngx_k8s_ref_t *ref);
static ngx_int_t ngx_k8s_links_model(ngx_k8s_links_t *l,
    ngx_k8s_model_t *model);
static ngx_int_t ngx_k8s_links_hosts(ngx_k8s_links_t *l,
    ngx_k8s_attach_t *attach);
static ngx_int_t ngx_k8s_links_host(ngx_k8s_links_t *l,
    ngx_k8s_attached_t *host);
static ngx_int_t ngx_k8s_links_rule(ngx_k8s_links_t *l,
    ngx_k8s_model_rule_t *rule);
static ngx_int_t ngx_k8s_links_ingress(ngx_k8s_links_t *l,
    ngx_k8s_object_t *object);
static ngx_int_t ngx_k8s_links_slice(ngx_k8s_links_t *l,
    ngx_k8s_object_t *object);


static ngx_str_t  ngx_k8s_no_name = ngx_null_string;


/* links, attach, model */

ngx_k8s_kind_row_t  ngx_k8s_kind_rows[NGX_K8S_KINDS] = {
    { ngx_k8s_links_ingress, ngx_k8s_attach_ingress, ngx_k8s_from_ingress },
    { NULL, NULL, NULL },                     /* NGX_K8S_INGRESS_CLASS */
    { NULL, NULL, NULL },                     /* NGX_K8S_SERVICE */
    { ngx_k8s_links_slice, NULL, NULL },
    { NULL, NULL, NULL },                     /* NGX_K8S_SECRET */
    { NULL, NULL, NULL },                     /* NGX_K8S_NAMESPACE */
    { NULL, NULL, NULL }                      /* NGX_K8S_CONFIG_MAP */
};


ngx_int_t
ngx_k8s_links_make(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_object_t *object, ngx_k8s_attach_t *attach, ngx_k8s_link_t **links)
{
    ngx_int_t            rc;
    ngx_k8s_links_t      l;
    ngx_k8s_kind_row_t  *row;

    row = &ngx_k8s_kind_rows[object->kind];

    l.store = store;
    l.entry = entry;
    l.links = NULL;

    store->stamp++;

    rc = row->links ? row->links(&l, object) : NGX_OK;

    if (rc == NGX_OK && attach->taken) {
        rc = ngx_k8s_links_model(&l, attach->model);
    }

    if (rc == NGX_OK && attach->taken) {
        rc = ngx_k8s_links_hosts(&l, attach);
    }

    if (rc != NGX_OK) {
        ngx_k8s_links_drop(store, l.links);
        return NGX_ERROR;
    }

    *links = l.links;

    return NGX_OK;
}


/* once for each node; NULL: no memory */

static ngx_k8s_link_t *
ngx_k8s_link_add(ngx_k8s_links_t *l, ngx_uint_t role, ngx_uint_t type,
    ngx_str_t *ns, ngx_str_t *name)
{
    ngx_k8s_node_t  *node;

    node = ngx_k8s_node_get(l->store, type, ns, name);

    return node ? ngx_k8s_link_node(l, role, node) : NULL;
}


static ngx_k8s_link_t *
ngx_k8s_link_node(ngx_k8s_links_t *l, ngx_uint_t role, ngx_k8s_node_t *node)
{
    ngx_k8s_link_t   *link;
    ngx_k8s_store_t  *store;

    store = l->store;

    if (node->stamp == store->stamp) {
        return l->links;
    }

    link = ngx_calloc(sizeof(ngx_k8s_link_t), store->log);
    if (link == NULL) {
        ngx_k8s_node_check(store, node);
        return NULL;
    }

    node->stamp = store->stamp;

    link->node = node;
    link->entry = l->entry;
    link->role = role;
    link->next = l->links;
    l->links = link;

    ngx_queue_insert_tail(&node->links[role], &link->queue);

    if (role == NGX_K8S_ROLE_USER) {

        if (node->nusers == 0) {
            ngx_k8s_link_hint(store, node);
        }

        if (node->nusers++ + node->pins == 0) {
            ngx_k8s_node_want(store, node, 1);
        }
    }

    if (role != NGX_K8S_ROLE_USER || !ngx_k8s_node_rows[node->type].parts) {
        ngx_k8s_node_mark(store, node);
    }

    return link;
}


/* what is said of those meant for a node depends on whether it has users */

static void
ngx_k8s_link_hint(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    ngx_queue_t     *q;
    ngx_k8s_link_t  *link;

    for (q = ngx_queue_head(&node->links[NGX_K8S_ROLE_HINT]);
         q != ngx_queue_sentinel(&node->links[NGX_K8S_ROLE_HINT]);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);
        ngx_k8s_entry_mark(store, link->entry);
    }
}


void
ngx_k8s_links_drop(ngx_k8s_store_t *store, ngx_k8s_link_t *links)
{
    ngx_k8s_link_t  *link;
    ngx_k8s_node_t  *node;

    while (links) {
        link = links;
        links = link->next;

        node = link->node;
        node->gone |= (node->stamp != store->stamp);

        ngx_queue_remove(&link->queue);

        if (link->data && store->unlink) {
            store->unlink(link);
        }

        if (link->role != NGX_K8S_ROLE_USER
            || !ngx_k8s_node_rows[node->type].parts)
        {
            ngx_k8s_node_mark(store, node);
        }

        if (link->role == NGX_K8S_ROLE_USER) {

            if (--node->nusers == 0) {
                ngx_k8s_link_hint(store, node);
            }

            if (node->nusers + node->pins == 0) {
                ngx_k8s_node_want(store, node, 0);
            }
        }

        ngx_free(link);

        ngx_k8s_node_check(store, node);
    }
}


/* a class, which may be none, and where there is a selector the labels */

static ngx_int_t
ngx_k8s_links_ingress(ngx_k8s_links_t *l, ngx_k8s_object_t *object)
{
    ngx_str_t          *name;
    ngx_uint_t          annotation;
    ngx_k8s_ingress_t  *ing;

    ing = (ngx_k8s_ingress_t *) object;

    name = ing->class_name.data
           ? &ing->class_name
           : ngx_k8s_class_named(l->store, ing, &annotation);

    if (ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, NGX_K8S_NODE_CLASS,
                         &ngx_k8s_no_name, name ? name : &ngx_k8s_no_name)
        == NULL)
    {
        return NGX_ERROR;
    }

    if (l->store->conf.selector
        && ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, NGX_K8S_NODE_LABELS,
                            &ngx_k8s_no_name, &object->namespace)
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* one without the label has the Service's name often, or begins with it */

static ngx_int_t
ngx_k8s_links_slice(ngx_k8s_links_t *l, ngx_k8s_object_t *object)
{
    ngx_str_t                  name;
    ngx_k8s_endpoint_slice_t  *slice;

    slice = (ngx_k8s_endpoint_slice_t *) object;

    if (slice->service.len) {
        return ngx_k8s_link_add(l, NGX_K8S_ROLE_PART, NGX_K8S_NODE_SERVICE,
                                &object->namespace, &slice->service)
               ? NGX_OK : NGX_ERROR;
    }

    name = object->name;

    if (ngx_k8s_link_add(l, NGX_K8S_ROLE_HINT, NGX_K8S_NODE_SERVICE,
                         &object->namespace, &name)
        == NULL)
    {
        return NGX_ERROR;
    }

    while (name.len && name.data[name.len - 1] != '-') {
        name.len--;
    }

    if (name.len > 1) {
        name.len--;

        if (ngx_k8s_link_add(l, NGX_K8S_ROLE_HINT, NGX_K8S_NODE_SERVICE,
                             &object->namespace, &name)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_links_model(ngx_k8s_links_t *l, ngx_k8s_model_t *model)
{
    ngx_uint_t  i;

    if (ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, NGX_K8S_NODE_NAMESPACE,
                         &model->object->namespace, &ngx_k8s_no_name)
        == NULL)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < model->ntls; i++) {
        if (ngx_k8s_links_ref(l, NGX_K8S_NODE_SECRET, &model->tls[i].ref)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (model->fallback
        && ngx_k8s_links_ref(l, NGX_K8S_NODE_SERVICE, &model->fallback->ref)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < model->nrules; i++) {
        if (ngx_k8s_links_rule(l, &model->rules[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the hosts that others have come after those that the object has */

static ngx_int_t
ngx_k8s_links_hosts(ngx_k8s_links_t *l, ngx_k8s_attach_t *attach)
{
    ngx_uint_t           i;
    ngx_k8s_node_t      *node;
    ngx_k8s_model_t     *model;
    ngx_k8s_attached_t  *hosts, host;

    model = attach->model;

    if (attach->hosts) {
        hosts = attach->hosts->elts;

        for (i = 0; i < attach->hosts->nelts; i++) {
            if (ngx_k8s_links_host(l, &hosts[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        return NGX_OK;
    }

    if (!attach->own) {
        return NGX_OK;
    }

    ngx_memzero(&host, sizeof(ngx_k8s_attached_t));
    host.class = NGX_K8S_CLASS_HTTP;

    if (model->catchall && ngx_k8s_links_host(l, &host) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < model->nhosts; i++) {
        host.name = model->hosts[i].name;
        host.host = &model->hosts[i];

        if (ngx_k8s_links_host(l, &host) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < model->nunmet; i++) {
        node = ngx_k8s_node_host_get(l->store, 0, NGX_K8S_CLASS_HTTP,
                                     &model->unmet[i].name);
        if (node == NULL
            || ngx_k8s_link_node(l, NGX_K8S_ROLE_HINT, node) == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_links_host(ngx_k8s_links_t *l, ngx_k8s_attached_t *host)
{
    ngx_k8s_link_t  *link;
    ngx_k8s_node_t  *node;

    node = ngx_k8s_node_host_get(l->store, host->route_set, host->class,
                                 &host->name);
    if (node == NULL) {
        return NGX_ERROR;
    }

    link = ngx_k8s_link_node(l, NGX_K8S_ROLE_USER, node);
    if (link == NULL) {
        return NGX_ERROR;
    }

    if (link->node == node) {
        link->host = host->host;
        link->listeners = host->listeners;
        link->nlisteners = host->nlisteners;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_links_rule(ngx_k8s_links_t *l, ngx_k8s_model_rule_t *rule)
{
    ngx_uint_t  i;

    for (i = 0; i < rule->ntargets; i++) {
        if (ngx_k8s_links_ref(l, NGX_K8S_NODE_SERVICE, &rule->targets[i].ref)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < rule->nmirrors; i++) {
        if (ngx_k8s_links_ref(l, NGX_K8S_NODE_SERVICE,
                              &rule->mirrors[i].target.ref)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_links_ref(ngx_k8s_links_t *l, ngx_uint_t type, ngx_k8s_ref_t *ref)
{
    if (ref->name.len
        && ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, type, &ref->namespace,
                            &ref->name)
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
