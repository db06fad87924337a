
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Nodes and links: which Ingresses, Services and EndpointSlices something
 * that has changed is of concern to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>


static ngx_k8s_link_t *ngx_k8s_link_add(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry, ngx_k8s_object_t *object, ngx_uint_t type,
    ngx_str_t *ns, ngx_str_t *name, ngx_k8s_link_t **links);
static ngx_int_t ngx_k8s_links_ref(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry, ngx_k8s_object_t *object, ngx_uint_t type,
    ngx_k8s_ref_t *ref, ngx_k8s_link_t **links);
static ngx_int_t ngx_k8s_links_model(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry, ngx_k8s_model_t *model, ngx_k8s_link_t **links);


static ngx_str_t  ngx_k8s_no_name = ngx_null_string;


ngx_int_t
ngx_k8s_str_cmp(ngx_str_t *one, ngx_str_t *two)
{
    size_t     len;
    ngx_int_t  rc;

    len = ngx_min(one->len, two->len);

    rc = len ? ngx_memcmp(one->data, two->data, len) : 0;

    if (rc != 0) {
        return rc;
    }

    return (one->len > two->len) - (one->len < two->len);
}


ngx_int_t
ngx_k8s_name_cmp(ngx_str_t *ns, ngx_str_t *name, ngx_str_t *ns2,
    ngx_str_t *name2)
{
    ngx_int_t  rc;

    rc = ngx_k8s_str_cmp(ns, ns2);

    return rc ? rc : ngx_k8s_str_cmp(name, name2);
}


uint32_t
ngx_k8s_name_hash(ngx_str_t *ns, ngx_str_t *name)
{
    return ngx_murmur_hash2(name->data, name->len)
           + 31 * ngx_murmur_hash2(ns->data, ns->len);
}


ngx_k8s_node_t *
ngx_k8s_node_find(ngx_k8s_store_t *store, ngx_uint_t type, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_int_t           rc;
    ngx_k8s_node_t     *node;
    ngx_rbtree_key_t    key;
    ngx_rbtree_node_t  *n;

    key = ngx_k8s_name_hash(ns, name);
    n = store->nodes[type].root;

    while (n != &store->sentinel) {

        node = (ngx_k8s_node_t *) n;

        if (key != n->key) {
            n = (key < n->key) ? n->left : n->right;
            continue;
        }

        rc = ngx_k8s_name_cmp(ns, name, &node->namespace, &node->name);

        if (rc == 0) {
            return node;
        }

        n = (rc < 0) ? n->left : n->right;
    }

    return NULL;
}


ngx_k8s_node_t *
ngx_k8s_node_get(ngx_k8s_store_t *store, ngx_uint_t type, ngx_str_t *ns,
    ngx_str_t *name)
{
    u_char          *p;
    ngx_k8s_node_t  *node;

    node = ngx_k8s_node_find(store, type, ns, name);
    if (node) {
        return node;
    }

    node = ngx_alloc(sizeof(ngx_k8s_node_t) + ns->len + 1 + name->len,
                     store->log);
    if (node == NULL) {
        return NULL;
    }

    ngx_memzero(node, sizeof(ngx_k8s_node_t));

    p = (u_char *) node + sizeof(ngx_k8s_node_t);

    node->namespace.len = ns->len;
    node->namespace.data = p;
    p = ngx_cpymem(p, ns->data, ns->len);

    /* see ngx_k8s_host_shown() */

    *p++ = '*';

    node->name.len = name->len;
    node->name.data = p;
    ngx_memcpy(p, name->data, name->len);

    node->type = type;
    node->node.key = ngx_k8s_name_hash(ns, name);

    ngx_queue_init(&node->users);
    ngx_queue_init(&node->slices);

    ngx_rbtree_insert(&store->nodes[type], &node->node);

    return node;
}


void
ngx_k8s_node_mark(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    if (node->queued || node->type == NGX_K8S_NODE_CLASS
        || node->type == NGX_K8S_NODE_LABELS)
    {
        return;
    }

    node->queued = 1;
    ngx_queue_insert_tail(&store->dirty[node->type], &node->dirty);
}


void
ngx_k8s_node_check(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    if (node->queued || node->pins || node->data
        || !ngx_queue_empty(&node->users) || !ngx_queue_empty(&node->slices))
    {
        return;
    }

    ngx_rbtree_delete(&store->nodes[node->type], &node->node);
    ngx_free(node);
}


void
ngx_k8s_node_pin(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    node->pins++;

    if (node->type == NGX_K8S_NODE_SECRET && node->pins + node->nusers == 1
        && store->events.want)
    {
        store->events.want(store->events.data, NGX_K8S_SECRET,
                           &node->namespace, &node->name, 1);
    }
}


void
ngx_k8s_node_unpin(ngx_k8s_store_t *store, ngx_k8s_node_t *node)
{
    node->pins--;

    if (node->type == NGX_K8S_NODE_SECRET && node->pins + node->nusers == 0
        && store->events.want)
    {
        store->events.want(store->events.data, NGX_K8S_SECRET,
                           &node->namespace, &node->name, 0);
        ngx_k8s_store_delete(store, NGX_K8S_SECRET, &node->namespace,
                             &node->name, &ngx_k8s_no_name);
    }
}


void
ngx_k8s_store_ask(ngx_k8s_store_t *store, ngx_uint_t kind)
{
    ngx_k8s_node_t     *n;
    ngx_rbtree_t       *tree;
    ngx_rbtree_node_t  *node;

    tree = &store->nodes[NGX_K8S_NODE_SECRET];

    if (kind != NGX_K8S_SECRET || tree->root == tree->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(tree->root, tree->sentinel);
         node;
         node = ngx_rbtree_next(tree, node))
    {
        n = (ngx_k8s_node_t *) node;

        if (n->nusers + n->pins) {
            store->events.want(store->events.data, kind, &n->namespace,
                               &n->name, 1);
        }
    }
}


static ngx_k8s_link_t *
ngx_k8s_link_add(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_object_t *object, ngx_uint_t type, ngx_str_t *ns, ngx_str_t *name,
    ngx_k8s_link_t **links)
{
    ngx_k8s_link_t  *link;
    ngx_k8s_node_t  *node;

    node = ngx_k8s_node_get(store, type, ns, name);
    if (node == NULL) {
        return NULL;
    }

    if (node->stamp == store->stamp) {
        return *links;
    }

    link = ngx_palloc(object->pool, sizeof(ngx_k8s_link_t));
    if (link == NULL) {
        ngx_k8s_node_check(store, node);
        return NULL;
    }

    node->stamp = store->stamp;

    link->node = node;
    link->entry = entry;
    link->host = NULL;
    link->data = NULL;
    link->next = *links;
    *links = link;

    if (object->kind == NGX_K8S_ENDPOINT_SLICE) {
        ngx_queue_insert_tail(&node->slices, &link->queue);

    } else {
        ngx_queue_insert_tail(&node->users, &link->queue);

        if (type == NGX_K8S_NODE_SECRET) {
            ngx_k8s_node_pin(store, node);
        }

        node->nusers++;

        if (type == NGX_K8S_NODE_SECRET) {
            node->pins--;
        }
    }

    if (type != NGX_K8S_NODE_SERVICE
        || object->kind == NGX_K8S_ENDPOINT_SLICE)
    {
        ngx_k8s_node_mark(store, node);
    }

    return link;
}


static ngx_int_t
ngx_k8s_links_ref(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_object_t *object, ngx_uint_t type, ngx_k8s_ref_t *ref,
    ngx_k8s_link_t **links)
{
    if (ref->name.len
        && ngx_k8s_link_add(store, entry, object, type, &ref->namespace,
                            &ref->name, links)
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_links_model(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_model_t *model, ngx_k8s_link_t **links)
{
    ngx_uint_t             i, j;
    ngx_k8s_link_t        *link;
    ngx_k8s_object_t      *object;
    ngx_k8s_model_rule_t  *rule;

    object = model->object;

    if (ngx_k8s_link_add(store, entry, object, NGX_K8S_NODE_NAMESPACE,
                         &object->namespace, &ngx_k8s_no_name, links)
        == NULL)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < model->ntls; i++) {
        if (ngx_k8s_links_ref(store, entry, object, NGX_K8S_NODE_SECRET,
                              &model->tls[i].ref, links)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (model->fallback
        && ngx_k8s_links_ref(store, entry, object, NGX_K8S_NODE_SERVICE,
                             &model->fallback->ref, links)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (model->catchall
        && ngx_k8s_link_add(store, entry, object, NGX_K8S_NODE_HOST,
                            &ngx_k8s_no_name, &ngx_k8s_no_name, links)
           == NULL)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < model->nhosts; i++) {
        link = ngx_k8s_link_add(store, entry, object, NGX_K8S_NODE_HOST,
                                &ngx_k8s_no_name, &model->hosts[i].name,
                                links);
        if (link == NULL) {
            return NGX_ERROR;
        }

        link->host = &model->hosts[i];
    }

    for (i = 0; i < model->nrules; i++) {
        rule = &model->rules[i];

        for (j = 0; j < rule->ntargets; j++) {
            if (ngx_k8s_links_ref(store, entry, object, NGX_K8S_NODE_SERVICE,
                                  &rule->targets[j].ref, links)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        for (j = 0; j < rule->nmirrors; j++) {
            if (ngx_k8s_links_ref(store, entry, object, NGX_K8S_NODE_SERVICE,
                                  &rule->mirrors[j].target.ref, links)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_links_make(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_object_t *object, ngx_k8s_model_t *model, ngx_k8s_link_t **links)
{
    ngx_str_t                 *name;
    ngx_uint_t                 annotation;
    ngx_k8s_ingress_t         *ing;
    ngx_k8s_endpoint_slice_t  *slice;

    *links = NULL;
    store->stamp++;

    if (object->kind == NGX_K8S_ENDPOINT_SLICE) {
        slice = (ngx_k8s_endpoint_slice_t *) object;

        if (slice->service.len
            && ngx_k8s_link_add(store, entry, object, NGX_K8S_NODE_SERVICE,
                                &object->namespace, &slice->service, links)
               == NULL)
        {
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    ing = (ngx_k8s_ingress_t *) object;

    name = ing->class_name.data ? &ing->class_name
                                : ngx_k8s_class_named(store, ing, &annotation);

    if (ngx_k8s_link_add(store, entry, object, NGX_K8S_NODE_CLASS,
                         &ngx_k8s_no_name, name ? name : &ngx_k8s_no_name,
                         links)
        == NULL)
    {
        goto failed;
    }

    if (store->conf.selector
        && ngx_k8s_link_add(store, entry, object, NGX_K8S_NODE_LABELS,
                            &object->namespace, &ngx_k8s_no_name, links)
           == NULL)
    {
        goto failed;
    }

    if (model && ngx_k8s_links_model(store, entry, model, links) != NGX_OK) {
        goto failed;
    }

    return NGX_OK;

failed:

    ngx_k8s_links_drop(store, *links);
    *links = NULL;

    return NGX_ERROR;
}


void
ngx_k8s_links_drop(ngx_k8s_store_t *store, ngx_k8s_link_t *links)
{
    ngx_k8s_link_t  *link;
    ngx_k8s_node_t  *node;

    for (link = links; link; link = link->next) {
        node = link->node;
        node->gone |= (node->stamp != store->stamp);

        ngx_queue_remove(&link->queue);

        if (link->data && store->unlink) {
            store->unlink(link);
        }

        if (node->type != NGX_K8S_NODE_SERVICE
            || link->entry->kind == NGX_K8S_ENDPOINT_SLICE)
        {
            ngx_k8s_node_mark(store, node);
        }

        if (link->entry->kind != NGX_K8S_ENDPOINT_SLICE) {
            if (node->type == NGX_K8S_NODE_SECRET) {
                node->pins++;
                node->nusers--;
                ngx_k8s_node_unpin(store, node);

            } else {
                node->nusers--;
            }
        }

        ngx_k8s_node_check(store, node);
    }
}


/*
 * By creation; of the same second the greater "namespace/name" is the first,
 * as with ingress-nginx.  Manifests have no creation: by their place.
 */

ngx_int_t
ngx_k8s_age_cmp(ngx_k8s_object_t *one, ngx_k8s_object_t *two)
{
    size_t      i, len;
    ngx_int_t   rc;
    u_char      a, b;

    if (one->created != two->created) {
        return (one->created > two->created) ? 1 : -1;
    }

    if (one->created == 0) {
        rc = ngx_k8s_str_cmp(&one->origin, &two->origin);
        if (rc) {
            return rc;
        }

        if (one->document != two->document) {
            return (one->document > two->document) ? 1 : -1;
        }
    }

    len = ngx_max(one->namespace.len, two->namespace.len);
    rc = 0;

    for (i = 0; i <= len && rc == 0; i++) {
        a = (i < one->namespace.len) ? one->namespace.data[i] : '/';
        b = (i < two->namespace.len) ? two->namespace.data[i] : '/';
        rc = (a > b) - (a < b);

        if (rc == 0 && i >= one->namespace.len) {
            break;
        }
    }

    if (rc == 0) {
        rc = ngx_k8s_str_cmp(&one->name, &two->name);
    }

    return one->created ? -rc : rc;
}
