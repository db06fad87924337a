
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Which Ingresses are taken: by class, and by the labels of their namespace.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_index.h>
#include <ngx_k8s_selector.h>


static ngx_uint_t ngx_k8s_store_selects(ngx_k8s_store_t *store, ngx_str_t *ns);
static ngx_k8s_ingress_class_t *ngx_k8s_class_find(ngx_k8s_store_t *store,
    ngx_str_t *name);
static ngx_uint_t ngx_k8s_class_default(ngx_k8s_store_t *store);
static ngx_uint_t ngx_k8s_class_ours(ngx_k8s_store_t *store,
    ngx_k8s_ingress_class_t *class);


/* a Namespace that is not there meets no selector */

static ngx_uint_t
ngx_k8s_store_selects(ngx_k8s_store_t *store, ngx_str_t *ns)
{
    ngx_str_t         none;
    ngx_k8s_entry_t  *entry;

    if (store->conf.selector == NULL) {
        return 1;
    }

    ngx_str_null(&none);

    entry = ngx_k8s_entry_find(store, NGX_K8S_NAMESPACE, &none, ns);

    return entry
           && ngx_k8s_selector_match(store->conf.selector,
                               entry->object->labels);
}


ngx_str_t *
ngx_k8s_class_named(ngx_k8s_store_t *store, ngx_k8s_ingress_t *ing,
    ngx_uint_t *annotation)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    *annotation = 0;

    if (ing->class_name.data && !store->no_classes) {
        return &ing->class_name;
    }

    if (ing->object.annotations == NULL) {
        return NULL;
    }

    kv = ing->object.annotations->elts;

    for (i = 0; i < ing->object.annotations->nelts; i++) {

        if (kv[i].key.len == sizeof(NGX_K8S_CLASS_ANNOTATION) - 1
            && ngx_strncmp(kv[i].key.data, NGX_K8S_CLASS_ANNOTATION,
                           kv[i].key.len)
               == 0)
        {
            *annotation = 1;
            return &kv[i].value;
        }
    }

    return NULL;
}


static ngx_k8s_ingress_class_t *
ngx_k8s_class_find(ngx_k8s_store_t *store, ngx_str_t *name)
{
    ngx_str_t         none;
    ngx_k8s_entry_t  *entry;

    ngx_str_null(&none);

    entry = ngx_k8s_entry_find(store, NGX_K8S_INGRESS_CLASS, &none, name);

    return entry ? (ngx_k8s_ingress_class_t *) entry->object : NULL;
}


/* whether a class of this controller is the default one */

static ngx_uint_t
ngx_k8s_class_default(ngx_k8s_store_t *store)
{
    ngx_queue_t              *q;
    ngx_k8s_entry_t          *entry;
    ngx_k8s_ingress_class_t  *class;

    for (q = ngx_queue_head(&store->all[NGX_K8S_INGRESS_CLASS]);
         q != ngx_queue_sentinel(&store->all[NGX_K8S_INGRESS_CLASS]);
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_k8s_entry_t, queue);
        class = (ngx_k8s_ingress_class_t *) entry->object;

        if (class && class->is_default && ngx_k8s_class_ours(store, class)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_k8s_class_ours(ngx_k8s_store_t *store, ngx_k8s_ingress_class_t *class)
{
    return ngx_k8s_str_eq(&class->controller, &store->conf.controller);
}


ngx_uint_t
ngx_k8s_class_takes(ngx_k8s_store_t *store, ngx_k8s_ingress_t *ing,
    ngx_uint_t *why)
{
    ngx_str_t                *name;
    ngx_uint_t                annotation;
    ngx_k8s_ingress_class_t  *class;

    *why = 0;

    if (!ngx_k8s_store_selects(store, &ing->object.namespace)) {
        return 0;
    }

    if (ing->no_class) {
        *why = NGX_K8S_PROBLEM_INVALID_FIELD;
        return 0;
    }

    name = ngx_k8s_class_named(store, ing, &annotation);

    if (name == NULL) {
        if (!store->conf.without_class && ngx_k8s_class_default(store)) {
            *why = NGX_K8S_PROBLEM_CLASS_MISSING;
        }

        return store->conf.without_class;
    }

    if (annotation && ngx_k8s_str_eq(name, &store->conf.class_name)) {
        return 1;
    }

    class = ngx_k8s_class_find(store, name);

    if (annotation) {

        /* other controllers take names that no IngressClass has */

        if (class && ngx_k8s_class_ours(store, class)) {
            *why = NGX_K8S_PROBLEM_CLASS_MISSING;
        }

        return 0;
    }

    if (class == NULL) {
        *why = NGX_K8S_PROBLEM_CLASS_NOT_FOUND;
        return 0;
    }

    return ngx_k8s_class_ours(store, class)
           || (store->conf.class_by_name
               && ngx_k8s_str_eq(name, &store->conf.class_name));
}


ngx_int_t
ngx_k8s_store_recheck(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry)
{
    ngx_uint_t       taken, why;
    ngx_k8s_link_t  *links;

    taken = ngx_k8s_class_takes(store, (ngx_k8s_ingress_t *) entry->object,
                                &why);

    if (why != entry->why) {
        entry->why = why;
        ngx_k8s_entry_mark(store, entry);
    }

    if (taken && entry->model == NULL) {
        entry->model = ngx_k8s_from_ingress(entry->object);
        if (entry->model == NULL) {
            return NGX_ERROR;
        }
    }

    if (taken != entry->taken) {

        if (ngx_k8s_links_make(store, entry, entry->object,
                               taken ? entry->model : NULL, &links)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_k8s_links_drop(store, entry->links);

        entry->links = links;
        entry->taken = taken;

        ngx_k8s_entry_mark(store, entry);
    }

    ngx_queue_remove(&entry->recheck);
    entry->rechecked = 0;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_store_settle(ngx_k8s_store_t *store, ngx_uint_t n)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&store->recheck)) {

        if (n-- == 0) {
            return NGX_AGAIN;
        }

        q = ngx_queue_head(&store->recheck);

        if (ngx_k8s_store_recheck(store, ngx_queue_data(q, ngx_k8s_entry_t,
                                                        recheck))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_k8s_store_refused(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_uint_t refused)
{
    ngx_queue_t      *q;
    ngx_k8s_entry_t  *entry;

    if (kind != NGX_K8S_INGRESS_CLASS || store->no_classes == (refused != 0)) {
        return;
    }

    store->no_classes = (refused != 0);

    for (q = ngx_queue_head(&store->all[NGX_K8S_INGRESS]);
         q != ngx_queue_sentinel(&store->all[NGX_K8S_INGRESS]);
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_k8s_entry_t, queue);

        if (entry->object && !entry->rechecked) {
            entry->rechecked = 1;
            ngx_queue_insert_tail(&store->recheck, &entry->recheck);
        }
    }
}
