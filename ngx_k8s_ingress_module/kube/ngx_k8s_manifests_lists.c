
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What the parts share: the lists of files, of objects and of those that have
 * to be looked at again, and when there is work.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_manifests.h>


void
ngx_k8s_manifests_post(ngx_k8s_manifests_t *m, ngx_msec_t delay)
{
    if (m->work.posted) {
        return;
    }

    if (delay) {
        if (!m->work.timer_set) {
            ngx_add_timer(&m->work, delay);
        }

        return;
    }

    if (m->work.timer_set) {
        ngx_del_timer(&m->work);
    }

    ngx_post_event(&m->work, &ngx_posted_next_events);
}


ngx_k8s_kind_t *
ngx_k8s_manifest_kind(ngx_uint_t kind)
{
    static ngx_k8s_kind_t  endpoints;

    if (kind != NGX_K8S_MANIFEST_ENDPOINTS) {
        return &ngx_k8s_kinds[kind];
    }

    ngx_str_set(&endpoints.name, "Endpoints");
    ngx_str_set(&endpoints.version, "v1");
    endpoints.namespaced = 1;

    return &endpoints;
}


ngx_k8s_manifest_t *
ngx_k8s_manifest_file(ngx_k8s_manifests_t *m, ngx_str_t *path,
    ngx_uint_t create)
{
    uint32_t             hash;
    ngx_k8s_manifest_t  *file;

    hash = ngx_crc32_long(path->data, path->len);

    file = (ngx_k8s_manifest_t *) ngx_str_rbtree_lookup(&m->files, path, hash);

    if (file || !create) {
        return file;
    }

    file = ngx_calloc(sizeof(ngx_k8s_manifest_t) + path->len + 1, m->log);
    if (file == NULL) {
        return NULL;
    }

    file->sn.node.key = hash;
    file->sn.str.len = path->len;
    file->sn.str.data = (u_char *) file + sizeof(ngx_k8s_manifest_t);
    ngx_memcpy(file->sn.str.data, path->data, path->len);

    ngx_queue_init(&file->claims);
    ngx_queue_init(&file->notes);
    ngx_rbtree_insert(&m->files, &file->sn.node);

    file->seen = m->walk;

    return file;
}


void
ngx_k8s_manifest_report(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    file->told = NULL;

    if (!file->report) {
        file->report = 1;
        ngx_queue_insert_tail(&m->reports, &file->reports);
    }
}


ngx_k8s_manifest_ident_t *
ngx_k8s_manifests_ident(ngx_k8s_manifests_t *m, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t create)
{
    u_char                    *p, buf[512];
    uint32_t                   hash;
    ngx_str_t                  key;
    ngx_k8s_manifest_ident_t  *ident;

    p = ngx_snprintf(buf, sizeof(buf), "%ui %V/%V", kind, ns, name);

    key.data = buf;
    key.len = p - buf;

    hash = ngx_crc32_long(key.data, key.len);

    ident = (ngx_k8s_manifest_ident_t *)
                ngx_str_rbtree_lookup(&m->idents, &key, hash);

    if (ident || !create) {
        return ident;
    }

    ident = ngx_calloc(sizeof(ngx_k8s_manifest_ident_t) + key.len, m->log);
    if (ident == NULL) {
        return NULL;
    }

    p = (u_char *) ident + sizeof(ngx_k8s_manifest_ident_t);
    ngx_memcpy(p, key.data, key.len);

    ident->sn.node.key = hash;
    ident->sn.str.data = p;
    ident->sn.str.len = key.len;

    ident->kind = kind;
    ident->name.len = name->len;
    ident->name.data = p + key.len - name->len;
    ident->ns.len = ns->len;
    ident->ns.data = ident->name.data - 1 - ns->len;

    ngx_queue_init(&ident->claims);

    ngx_rbtree_insert(&m->idents, &ident->sn.node);

    if (kind == NGX_K8S_INGRESS) {
        ngx_queue_insert_tail(&m->ingresses, &ident->kin);

    } else if (kind == NGX_K8S_INGRESS_CLASS) {
        ngx_queue_insert_tail(&m->classes, &ident->kin);
    }

    /* one that gets no claim after all goes again */

    ngx_k8s_manifests_touch(m, ident);

    return ident;
}


void
ngx_k8s_manifests_forget(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident)
{
    if (ident == m->relist) {
        m->relist = (ngx_k8s_manifest_ident_t *)
                        ngx_rbtree_next(&m->idents, &ident->sn.node);
    }

    if (&ident->kin == m->ingress_next) {
        m->ingress_next = ngx_queue_next(&ident->kin);
    }

    if (ident->kind == NGX_K8S_INGRESS
        || ident->kind == NGX_K8S_INGRESS_CLASS)
    {
        ngx_queue_remove(&ident->kin);
    }

    ngx_rbtree_delete(&m->idents, &ident->sn.node);
    ngx_free(ident);
}


ngx_k8s_manifest_claim_t *
ngx_k8s_manifests_first(ngx_k8s_manifest_ident_t *ident)
{
    ngx_queue_t  *q;

    q = ngx_queue_head(&ident->claims);

    if (q == ngx_queue_sentinel(&ident->claims)) {
        return NULL;
    }

    return ngx_queue_data(q, ngx_k8s_manifest_claim_t, rivals);
}


void
ngx_k8s_manifests_touch(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident)
{
    if (ident->kind == NGX_K8S_INGRESS_CLASS) {
        m->reclass = 1;
    }

    if (!ident->changed) {
        ident->changed = 1;
        ngx_queue_insert_tail(&m->objects, &ident->queue);
    }
}


/* where there is no memory it is freed at once */

void
ngx_k8s_manifests_discard(ngx_k8s_manifests_t *m, json_t *json)
{
    (void) json_array_append_new(m->trash, json);
}


void
ngx_k8s_manifests_claim_free(ngx_k8s_manifest_claim_t *claim)
{
    if (ngx_k8s_manifest_kind(claim->ident->kind)->secret) {
        ngx_explicit_memzero(claim->text, claim->len);
    }

    free(claim->text);
    ngx_free(claim);
}
