
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Links, in two stages: those that an object makes by itself, and those of its
 * model, once it is attached.  They are made in pieces, which nobody sees; then
 * placed in pieces, for which no memory is needed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


typedef ngx_int_t (*ngx_k8s_links_pt)(ngx_k8s_links_t *l);


static ngx_int_t ngx_k8s_link_add(ngx_k8s_links_t *l, ngx_uint_t role,
    ngx_uint_t type, ngx_str_t *ns, ngx_str_t *name);
static ngx_int_t ngx_k8s_link_node(ngx_k8s_links_t *l, ngx_uint_t role,
    ngx_k8s_node_t *node);
static void ngx_k8s_link_place(ngx_k8s_store_t *store, ngx_k8s_link_t *link);
static void ngx_k8s_link_drop(ngx_k8s_store_t *store, ngx_k8s_link_t *link);
static ngx_int_t ngx_k8s_links_ref(ngx_k8s_links_t *l, ngx_uint_t type,
    ngx_k8s_ref_t *ref);
static ngx_int_t ngx_k8s_links_object(ngx_k8s_links_t *l);
static ngx_int_t ngx_k8s_links_model(ngx_k8s_links_t *l);
static ngx_int_t ngx_k8s_links_tls(ngx_k8s_links_t *l);
static ngx_int_t ngx_k8s_links_host(ngx_k8s_links_t *l);
static ngx_int_t ngx_k8s_links_attached(ngx_k8s_links_t *l,
    ngx_k8s_attached_t *host);
static ngx_int_t ngx_k8s_links_rule(ngx_k8s_links_t *l);
static ngx_int_t ngx_k8s_links_alias(ngx_k8s_links_t *l);
static ngx_int_t ngx_k8s_links_name(ngx_k8s_links_t *l, ngx_uint_t role,
    ngx_str_t *name);
static ngx_int_t ngx_k8s_links_unmet(ngx_k8s_links_t *l);
static ngx_int_t ngx_k8s_links_ingress(ngx_k8s_links_t *l,
    ngx_k8s_object_t *object);
static ngx_int_t ngx_k8s_links_class(ngx_k8s_links_t *l,
    ngx_k8s_object_t *object);
static ngx_int_t ngx_k8s_links_slice(ngx_k8s_links_t *l,
    ngx_k8s_object_t *object);
static ngx_int_t ngx_k8s_links_config(ngx_k8s_links_t *l,
    ngx_k8s_object_t *object);
static ngx_int_t ngx_k8s_links_named(ngx_k8s_links_t *l, ngx_k8s_row_t *row,
    ngx_str_t *value);
static ngx_int_t ngx_k8s_links_values(ngx_k8s_links_t *l);


static ngx_str_t  ngx_k8s_no_name = ngx_null_string;


/* links, attach, model */

ngx_k8s_kind_row_t  ngx_k8s_kind_rows[NGX_K8S_KINDS] = {
    { ngx_k8s_links_ingress, ngx_k8s_attach_ingress, ngx_k8s_from_ingress },
    { ngx_k8s_links_class, NULL, NULL },
    { NULL, NULL, NULL },                     /* NGX_K8S_SERVICE */
    { ngx_k8s_links_slice, NULL, NULL },
    { NULL, NULL, NULL },                     /* NGX_K8S_SECRET */
    { NULL, NULL, NULL },                     /* NGX_K8S_NAMESPACE */
    { ngx_k8s_links_config, NULL, NULL }
};


/* a step: NGX_AGAIN until its stage is over; those behind the first one are of
   the model */

static ngx_k8s_links_pt  ngx_k8s_links_stages[] = {
    ngx_k8s_links_object,
    ngx_k8s_links_model,
    ngx_k8s_links_tls,
    ngx_k8s_links_host,
    ngx_k8s_links_rule,
    ngx_k8s_links_alias,
    ngx_k8s_links_unmet,
    NULL
};


void
ngx_k8s_links_begin(ngx_k8s_links_t *l, ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry, ngx_k8s_object_t *object, ngx_k8s_attach_t *attach)
{
    ngx_memzero(l, sizeof(ngx_k8s_links_t));

    l->store = store;
    l->entry = entry;
    l->object = object;
    l->attach = attach;
    l->last = &l->made;
}


ngx_int_t
ngx_k8s_links_make(ngx_k8s_links_t *l, ngx_uint_t *n)
{
    ngx_int_t  rc;

    while (ngx_k8s_links_stages[l->stage]
           && (l->stage == 0 || l->attach->taken))
    {

        if (*n == 0) {
            return NGX_AGAIN;
        }

        (*n)--;

        rc = ngx_k8s_links_stages[l->stage](l);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            l->stage++;
            l->i = 0;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_links_place(ngx_k8s_links_t *l, ngx_uint_t *n)
{
    ngx_k8s_link_t  *link;

    while (l->made) {

        if (*n == 0) {
            return NGX_AGAIN;
        }

        (*n)--;

        link = l->made;
        l->made = link->next;

        link->next = l->placed;
        l->placed = link;

        ngx_k8s_link_place(l->store, link);
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_links_drop(ngx_k8s_store_t *store, ngx_k8s_link_t **links,
    ngx_uint_t *n)
{
    ngx_k8s_link_t  *link;

    while (*links) {

        if (*n == 0) {
            return NGX_AGAIN;
        }

        (*n)--;

        link = *links;
        *links = link->next;

        ngx_k8s_link_drop(store, link);
    }

    return NGX_OK;
}


void
ngx_k8s_links_cancel(ngx_k8s_links_t *l)
{
    ngx_k8s_link_t  *link;
    ngx_k8s_node_t  *node;

    while (l->made) {
        link = l->made;
        l->made = link->next;

        node = link->node;
        node->held--;

        ngx_free(link);

        ngx_k8s_node_check(l->store, node);
    }
}


static ngx_int_t
ngx_k8s_link_add(ngx_k8s_links_t *l, ngx_uint_t role, ngx_uint_t type,
    ngx_str_t *ns, ngx_str_t *name)
{
    return ngx_k8s_link_node(l, role,
                             ngx_k8s_node_get(l->store, type, ns, name));
}


/* once for each node, which it holds until it is placed; NULL: no memory */

static ngx_int_t
ngx_k8s_link_node(ngx_k8s_links_t *l, ngx_uint_t role, ngx_k8s_node_t *node)
{
    ngx_k8s_link_t   *link;
    ngx_k8s_store_t  *store;

    store = l->store;

    if (node == NULL) {
        return NGX_ERROR;
    }

    if (node->stamp == store->stamp) {
        return NGX_OK;
    }

    link = ngx_calloc(sizeof(ngx_k8s_link_t), store->log);
    if (link == NULL) {
        ngx_k8s_node_check(store, node);
        return NGX_ERROR;
    }

    node->stamp = store->stamp;
    node->held++;

    link->node = node;
    link->entry = l->entry;
    link->role = role;

    *l->last = link;
    l->last = &link->next;

    return NGX_OK;
}


static void
ngx_k8s_link_place(ngx_k8s_store_t *store, ngx_k8s_link_t *link)
{
    ngx_uint_t       role;
    ngx_k8s_node_t  *node;

    node = link->node;
    role = link->role;

    node->held--;

    ngx_queue_insert_tail(&node->links[role], &link->queue);

    if (role == NGX_K8S_ROLE_USER) {

        if (node->nusers == 0) {
            ngx_k8s_node_hint(store, node);
        }

        if (node->nusers++ + node->pins == 0) {
            ngx_k8s_node_want(store, node, 1);
        }
    }

    if (role != NGX_K8S_ROLE_USER || !ngx_k8s_node_rows[node->type].parts) {
        ngx_k8s_node_mark(store, node);
    }
}


static void
ngx_k8s_link_drop(ngx_k8s_store_t *store, ngx_k8s_link_t *link)
{
    ngx_k8s_node_t  *node;

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
            ngx_k8s_node_hint(store, node);
        }

        if (node->nusers + node->pins == 0) {
            ngx_k8s_node_want(store, node, 0);
        }
    }

    ngx_free(link);

    ngx_k8s_node_check(store, node);
}


void
ngx_k8s_node_hint(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
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


static ngx_int_t
ngx_k8s_links_object(ngx_k8s_links_t *l)
{
    ngx_k8s_kind_row_t  *row;

    row = &ngx_k8s_kind_rows[l->object->kind];

    return row->links ? row->links(l, l->object) : NGX_OK;
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
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (l->store->conf.selector
        && ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, NGX_K8S_NODE_LABELS,
                            &ngx_k8s_no_name, &object->namespace)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the ConfigMap of its parameters */

static ngx_int_t
ngx_k8s_links_class(ngx_k8s_links_t *l, ngx_k8s_object_t *object)
{
    ngx_k8s_ingress_class_t  *class;

    class = (ngx_k8s_ingress_class_t *) object;

    if (class->config.len == 0
        || !ngx_k8s_str_eq(&class->controller, &l->store->conf.controller))
    {
        return NGX_OK;
    }

    return ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, NGX_K8S_NODE_CONFIG,
                            &class->config_namespace, &class->config);
}


/* those that the keys of the controller's ConfigMap name */

static ngx_int_t
ngx_k8s_links_config(ngx_k8s_links_t *l, ngx_k8s_object_t *object)
{
    ngx_str_t      *value, *config, ns, name;
    ngx_k8s_row_t  *row;

    config = &l->store->conf.config_map;

    if (config->len == 0) {
        return NGX_OK;
    }

    ngx_k8s_object_split(config, &ns, &name);

    if (!ngx_k8s_str_eq(&ns, &object->namespace)
        || !ngx_k8s_str_eq(&name, &object->name))
    {
        return NGX_OK;
    }

    for (row = ngx_k8s_rows; row->note.data; row++) {

        if ((row->flags & (NGX_K8S_ROW_KEY|NGX_K8S_ROW_HEADERS))
            != (NGX_K8S_ROW_KEY|NGX_K8S_ROW_HEADERS))
        {
            continue;
        }

        value = ngx_k8s_config_map_value((ngx_k8s_config_map_t *) object,
                                         &row->name);

        if (value && ngx_k8s_row_check(row, value) == NGX_OK
            && ngx_k8s_links_named(l, row, value) != NGX_OK)
        {
            return NGX_ERROR;
        }
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
                                &object->namespace, &slice->service);
    }

    name = object->name;

    if (ngx_k8s_link_add(l, NGX_K8S_ROLE_HINT, NGX_K8S_NODE_SERVICE,
                         &object->namespace, &name)
        != NGX_OK)
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
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_links_model(ngx_k8s_links_t *l)
{
    ngx_k8s_model_t  *model;

    model = l->attach->model;

    if (ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, NGX_K8S_NODE_NAMESPACE,
                         &model->object->namespace, &ngx_k8s_no_name)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (model->fallback
        && ngx_k8s_links_ref(l, NGX_K8S_NODE_SERVICE, &model->fallback->ref)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (model->error
        && ngx_k8s_links_ref(l, NGX_K8S_NODE_SERVICE, &model->error->ref)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_links_values(l);
}


/* ConfigMaps and Secrets that annotations name */

static ngx_int_t
ngx_k8s_links_values(ngx_k8s_links_t *l)
{
    ngx_uint_t         i;
    ngx_k8s_value_t   *value;
    ngx_k8s_values_t  *values;

    values = &l->attach->model->values;
    value = values->values.elts;

    for (i = 0; i < values->values.nelts; i++) {

        if (ngx_k8s_value_served(&value[i])
            && ngx_k8s_links_named(l, value[i].row, &value[i].value)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_links_named(ngx_k8s_links_t *l, ngx_k8s_row_t *row, ngx_str_t *value)
{
    ngx_int_t  type;
    ngx_str_t  ns, name;

    type = ngx_k8s_node_named(row);

    if (type == -1) {
        return NGX_OK;
    }

    ngx_k8s_object_split(value, &ns, &name);

    return ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, type, &ns, &name);
}


static ngx_int_t
ngx_k8s_links_tls(ngx_k8s_links_t *l)
{
    ngx_k8s_model_t  *model;

    model = l->attach->model;

    if (l->i == model->ntls) {
        return NGX_OK;
    }

    if (ngx_k8s_links_ref(l, NGX_K8S_NODE_SECRET, &model->tls[l->i].ref)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    l->i++;

    return NGX_AGAIN;
}


/* a host it is attached to; the one that has all others comes first */

static ngx_int_t
ngx_k8s_links_host(ngx_k8s_links_t *l)
{
    ngx_uint_t           i, n;
    ngx_array_t         *hosts;
    ngx_k8s_model_t     *model;
    ngx_k8s_attached_t  *attached, host;

    model = l->attach->model;
    hosts = l->attach->hosts;

    if (hosts) {
        n = hosts->nelts;

    } else {
        n = l->attach->own ? model->catchall + model->nhosts : 0;
    }

    if (l->i == n) {
        return NGX_OK;
    }

    if (hosts) {
        attached = hosts->elts;
        host = attached[l->i];

    } else {
        ngx_memzero(&host, sizeof(ngx_k8s_attached_t));
        host.class = NGX_K8S_CLASS_HTTP;

        if (l->i >= model->catchall) {
            i = l->i - model->catchall;

            host.name = model->hosts[i].name;
            host.host = &model->hosts[i];
        }
    }

    if (ngx_k8s_links_attached(l, &host) != NGX_OK) {
        return NGX_ERROR;
    }

    l->i++;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_k8s_links_attached(ngx_k8s_links_t *l, ngx_k8s_attached_t *host)
{
    ngx_k8s_link_t  *link, **last;
    ngx_k8s_node_t  *node;

    last = l->last;

    node = ngx_k8s_node_host_get(l->store, host->route_set, host->class,
                                 &host->name);

    if (ngx_k8s_link_node(l, NGX_K8S_ROLE_USER, node) != NGX_OK) {
        return NGX_ERROR;
    }

    link = *last;

    if (link) {
        link->host = host->host;
        link->listeners = host->listeners;
        link->nlisteners = host->nlisteners;
    }

    return NGX_OK;
}


/* those that hosts may have with or without www, then all others */

static ngx_int_t
ngx_k8s_links_alias(ngx_k8s_links_t *l)
{
    u_char            buf[NGX_K8S_HOST_NAME_MAX];
    ngx_int_t         rc;
    ngx_str_t         twin;
    ngx_uint_t        i, n;
    ngx_k8s_model_t  *model;

    static ngx_str_t  patterns = ngx_string(NGX_K8S_HOST_PATTERNS_NAME);

    model = l->attach->model;

    if (l->attach->hosts || !l->attach->own) {
        return NGX_OK;
    }

    i = l->i;
    n = model->twins ? model->nhosts : 0;
    rc = NGX_OK;

    if (i < n) {
        if (ngx_k8s_host_twin(buf, &model->hosts[i].name, &twin) == NGX_OK) {
            rc = ngx_k8s_links_name(l, NGX_K8S_ROLE_ALIAS, &twin);
        }

    } else if (i - n < model->naliases) {
        rc = ngx_k8s_links_name(l, NGX_K8S_ROLE_ALIAS, &model->aliases[i - n]);

    } else if (i - n == model->naliases && model->npatterns) {
        rc = ngx_k8s_links_name(l, NGX_K8S_ROLE_ALIAS, &patterns);

    } else {
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    l->i++;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_k8s_links_name(ngx_k8s_links_t *l, ngx_uint_t role, ngx_str_t *name)
{
    return ngx_k8s_link_node(l, role,
                             ngx_k8s_node_host_get(l->store, 0,
                                                   NGX_K8S_CLASS_HTTP, name));
}


/* those of others come after its own */

static ngx_int_t
ngx_k8s_links_unmet(ngx_k8s_links_t *l)
{
    ngx_k8s_model_t  *model;

    model = l->attach->model;

    if (l->attach->hosts || !l->attach->own || l->i == model->nunmet) {
        return NGX_OK;
    }

    if (ngx_k8s_links_name(l, NGX_K8S_ROLE_HINT, &model->unmet[l->i].name)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    l->i++;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_k8s_links_rule(ngx_k8s_links_t *l)
{
    ngx_uint_t             i;
    ngx_k8s_model_t       *model;
    ngx_k8s_model_rule_t  *rule;

    model = l->attach->model;

    if (l->i == model->nrules) {
        return NGX_OK;
    }

    rule = &model->rules[l->i];

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

    l->i++;

    return NGX_AGAIN;
}


/* what has no name leads nowhere */

static ngx_int_t
ngx_k8s_links_ref(ngx_k8s_links_t *l, ngx_uint_t type, ngx_k8s_ref_t *ref)
{
    if (ref->name.len == 0) {
        return NGX_OK;
    }

    return ngx_k8s_link_add(l, NGX_K8S_ROLE_USER, type, &ref->namespace,
                            &ref->name);
}
