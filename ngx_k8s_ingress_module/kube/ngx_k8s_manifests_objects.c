
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Objects of manifests: which file's document an object is taken from, and
 * the feed of what has changed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_manifests.h>


static void ngx_k8s_manifests_hold_back(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident);
static ngx_uint_t ngx_k8s_manifests_kept(ngx_k8s_manifest_claim_t *claim);
static ngx_uint_t ngx_k8s_manifests_counts(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident);
static ngx_int_t ngx_k8s_manifests_put(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident, ngx_k8s_manifest_claim_t *claim,
    u_char *digest);
static ngx_int_t ngx_k8s_manifests_slices(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident, ngx_k8s_manifest_claim_t *claim,
    u_char *digest);
static void ngx_k8s_manifests_feed(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_claim_t *claim, ngx_uint_t kind, ngx_str_t *text);
static void ngx_k8s_manifests_delete(ngx_k8s_manifests_t *m, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);
static void ngx_k8s_manifests_owe(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident, ngx_uint_t owed);
static ngx_uint_t ngx_k8s_manifests_blind(ngx_k8s_manifests_t *m);


/* one changed object */

void
ngx_k8s_manifests_object_step(ngx_k8s_manifests_t *m)
{
    u_char                     digest[16];
    ngx_md5_t                  md5;
    ngx_uint_t                 n, counts, kept;
    ngx_queue_t               *q;
    ngx_k8s_manifest_claim_t  *claim, *loser;
    ngx_k8s_manifest_ident_t  *ident, *endpoints;

    q = ngx_queue_head(&m->objects);
    ident = ngx_queue_data(q, ngx_k8s_manifest_ident_t, queue);

    ngx_queue_remove(q);
    ident->changed = 0;
    ngx_memzero(digest, 16);

    if (ident->kind == NGX_K8S_SERVICE) {
        endpoints = ngx_k8s_manifests_ident(m, NGX_K8S_MANIFEST_ENDPOINTS,
                                            &ident->ns, &ident->name, 0);
        if (endpoints) {
            ngx_k8s_manifests_touch(m, endpoints);
        }
    }

    claim = ngx_k8s_manifests_first(ident);

    if (claim == NULL) {

        if (ident->fed && ident->kind == NGX_K8S_CONFIG_MAP
            && ngx_k8s_manifests_blind(m))
        {
            ngx_k8s_manifests_hold_back(m, ident);
            return;
        }

        if (ident->fed
            && ngx_k8s_manifests_put(m, ident, NULL, digest) != NGX_OK)
        {
            return;
        }

        ident->fed = 0;

        if (!ident->owed) {
            ngx_k8s_manifests_forget(m, ident);
        }

        return;
    }

    ngx_k8s_manifests_owe(m, ident, 0);

    q = ngx_queue_next(ngx_queue_head(&ident->claims));

    for (n = 0;
         n < NGX_K8S_MANIFEST_LOOKED && q != ngx_queue_sentinel(&ident->claims);
         n++)
    {
        loser = ngx_queue_data(q, ngx_k8s_manifest_claim_t, rivals);
        ngx_k8s_manifest_report(m, loser->file);
        q = ngx_queue_next(q);
    }

    /* it may have lost before */

    ngx_k8s_manifest_report(m, claim->file);

    counts = ngx_k8s_manifests_counts(m, ident);
    kept = ngx_k8s_manifests_kept(claim);

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, &claim->document, sizeof(ngx_uint_t));
    ngx_md5_update(&md5, &counts, sizeof(ngx_uint_t));
    ngx_md5_update(&md5, &kept, sizeof(ngx_uint_t));
    ngx_md5_update(&md5, claim->file->sn.str.data, claim->file->sn.str.len);
    ngx_md5_update(&md5, claim->digest, 16);

    if (claim->classless) {
        ngx_md5_update(&md5, m->class.data, m->class.len);
    }

    ngx_md5_final(digest, &md5);

    if (ident->fed && !ident->again
        && ngx_memcmp(digest, ident->digest, 16) == 0)
    {
        return;
    }

    ident->fed = 1;

    if (ngx_k8s_manifests_put(m, ident, counts ? claim : NULL, digest)
        == NGX_OK)
    {
        ident->again = 0;
        ngx_memcpy(ident->digest, digest, 16);
    }
}


/*
 * A ConfigMap that has left its file may be in one that cannot be read, and its
 * keys may protect: it stays as it was until all files can be.
 */

static void
ngx_k8s_manifests_hold_back(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident)
{
    ngx_k8s_feed_t  feed;

    ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));

    feed.op = NGX_K8S_FEED_KEEP;
    feed.kind = ident->kind;
    feed.code = NGX_K8S_PROBLEM_FILE_INVALID;

    ngx_k8s_source_feed_name(m->sink, &feed, &ident->ns, &ident->name, m->log);

    ngx_k8s_manifests_owe(m, ident, 1);
}


/* whether its file cannot be read now */

static ngx_uint_t
ngx_k8s_manifests_kept(ngx_k8s_manifest_claim_t *claim)
{
    return claim->kept || claim->file->error;
}


/* Endpoints count where their Service has no selector; all else counts */

static ngx_uint_t
ngx_k8s_manifests_counts(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident)
{
    ngx_k8s_manifest_claim_t  *claim;
    ngx_k8s_manifest_ident_t  *service;

    if (ident->kind != NGX_K8S_MANIFEST_ENDPOINTS) {
        return 1;
    }

    service = ngx_k8s_manifests_ident(m, NGX_K8S_SERVICE, &ident->ns,
                                      &ident->name, 0);
    if (service == NULL) {
        return 0;
    }

    claim = ngx_k8s_manifests_first(service);

    return claim && !claim->selector;
}


/* claim NULL: the object has gone; NGX_AGAIN: it goes on in another step */

static ngx_int_t
ngx_k8s_manifests_put(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident, ngx_k8s_manifest_claim_t *claim,
    u_char *digest)
{
    ngx_str_t  text;

    if (ident->kind == NGX_K8S_MANIFEST_ENDPOINTS) {

        if (ngx_k8s_manifests_slices(m, ident, claim, digest) == NGX_OK) {
            return NGX_OK;
        }

        ident->changed = 1;
        ngx_queue_insert_head(&m->objects, &ident->queue);

        return NGX_AGAIN;
    }

    if (claim == NULL) {
        ngx_k8s_manifests_delete(m, ident->kind, &ident->ns, &ident->name);
        return NGX_OK;
    }

    text.data = claim->text;
    text.len = claim->len;

    ngx_k8s_manifests_feed(m, claim, ident->kind, &text);

    return NGX_OK;
}


/* what Endpoints are mirrored to, and no more what they were; where they have
   changed since the last step it begins anew */

static ngx_int_t
ngx_k8s_manifests_slices(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident, ngx_k8s_manifest_claim_t *claim,
    u_char *digest)
{
    u_char      *p, *last, buf[512];
    size_t       start;
    ngx_str_t    s;
    ngx_uint_t   n;

    if (ngx_memcmp(m->feeding, digest, 16) != 0) {
        ngx_memcpy(m->feeding, digest, 16);
        m->fed = 0;
        m->nfed = 0;
    }

    start = m->fed;

    for (n = 0; claim; n++) {
        p = claim->text + m->fed;
        last = claim->text + claim->len;

        /* behind "[" or "," */

        if (*p == ']' || p[1] == ']') {
            break;
        }

        if (n == NGX_K8S_MANIFEST_NODES
            || m->fed - start > NGX_K8S_MANIFEST_BYTES)
        {
            return NGX_AGAIN;
        }

        s.data = p + 1;
        p = ngx_k8s_json_skip(s.data, last);

        if (p == NULL) {
            break;
        }

        s.len = p - s.data;
        m->fed = p - claim->text;
        m->nfed++;

        ngx_k8s_manifests_feed(m, claim, NGX_K8S_ENDPOINT_SLICE, &s);

        ident->slices = ngx_max(ident->slices, m->nfed);
    }

    while (ident->slices > m->nfed) {

        if (n++ == NGX_K8S_MANIFEST_NODES) {
            return NGX_AGAIN;
        }

        s.data = buf;
        s.len = ngx_sprintf(buf, "%V" NGX_K8S_MANIFEST_MIRRORED, &ident->name,
                            --ident->slices)
                - buf;

        ngx_k8s_manifests_delete(m, NGX_K8S_ENDPOINT_SLICE, &ident->ns, &s);
    }

    ngx_memzero(m->feeding, 16);
    m->fed = 0;
    m->nfed = 0;

    return NGX_OK;
}


static void
ngx_k8s_manifests_feed(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_claim_t *claim, ngx_uint_t kind, ngx_str_t *text)
{
    u_char          *p;
    size_t           head;
    ngx_k8s_feed_t   feed;

    ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));

    feed.op = NGX_K8S_FEED_OBJECT;
    feed.kind = kind;
    feed.origin = claim->file->sn.str;
    feed.document = claim->document;
    feed.kept = ngx_k8s_manifests_kept(claim);

    feed.text = ngx_alloc(text->len + m->class.len
                          + sizeof("\"ingressClassName\":\"\","), m->log);

    if (feed.text == NULL) {
        feed.op = NGX_K8S_FEED_LOST;
        m->sink->feed(m->sink->data, &feed);
        return;
    }

    head = 0;
    p = feed.text;

    if (claim->classless && m->class.len && claim->spec) {
        head = claim->spec;

        p = ngx_cpymem(p, text->data, head);
        p = ngx_sprintf(p, "\"ingressClassName\":\"%V\"%s", &m->class,
                        text->data[head] == '}' ? "" : ",");
    }

    p = ngx_cpymem(p, text->data + head, text->len - head);
    feed.len = p - feed.text;

    m->sink->feed(m->sink->data, &feed);
}


static void
ngx_k8s_manifests_delete(ngx_k8s_manifests_t *m, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name)
{
    ngx_k8s_feed_t  feed;

    ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));

    feed.op = NGX_K8S_FEED_DELETE;
    feed.kind = kind;

    ngx_k8s_source_feed_name(m->sink, &feed, ns, name, m->log);
}


/* all are fed anyway; a want has one fed again, or its absence.  Keys of a
   ConfigMap may protect, so of that it is said when all files were read */

void
ngx_k8s_manifests_want(ngx_k8s_source_t *s, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t wanted)
{
    ngx_k8s_manifests_t *m = s->data;

    ngx_k8s_feed_t             feed;
    ngx_k8s_manifest_ident_t  *ident;

    ident = ngx_k8s_manifests_ident(m, kind, ns, name,
                                    wanted && kind == NGX_K8S_CONFIG_MAP);

    if (!wanted) {

        if (ident && ident->owed) {
            ngx_k8s_manifests_owe(m, ident, 0);
            ngx_k8s_manifests_touch(m, ident);
        }

        return;
    }

    if (ident == NULL && kind == NGX_K8S_CONFIG_MAP) {
        ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));
        feed.op = NGX_K8S_FEED_LOST;
        feed.kind = kind;

        m->sink->feed(m->sink->data, &feed);
        return;
    }

    if (ident == NULL) {
        ngx_k8s_manifests_delete(m, kind, ns, name);
        return;
    }

    if (kind == NGX_K8S_CONFIG_MAP && ngx_k8s_manifests_first(ident) == NULL
        && !ident->fed)
    {
        ngx_k8s_manifests_owe(m, ident, 1);
    }

    ident->again = 1;

    ngx_k8s_manifests_touch(m, ident);
    ngx_k8s_manifests_post(m, 0);
}


static void
ngx_k8s_manifests_owe(ngx_k8s_manifests_t *m, ngx_k8s_manifest_ident_t *ident,
    ngx_uint_t owed)
{
    if (ident->owed == owed) {
        return;
    }

    ident->owed = owed;

    if (owed) {
        ngx_queue_insert_tail(&m->owed, &ident->kin);

    } else {
        ngx_queue_remove(&ident->kin);
    }
}


ngx_uint_t
ngx_k8s_manifests_owes(ngx_k8s_manifests_t *m)
{
    return !ngx_queue_empty(&m->owed) && !ngx_k8s_manifests_blind(m);
}


/* whether there is something that is not read, or cannot be */

static ngx_uint_t
ngx_k8s_manifests_blind(ngx_k8s_manifests_t *m)
{
    return m->nunread || m->partial || m->again;
}


void
ngx_k8s_manifests_owed_step(ngx_k8s_manifests_t *m)
{
    ngx_queue_t               *q;
    ngx_k8s_manifest_ident_t  *ident;

    q = ngx_queue_head(&m->owed);
    ident = ngx_queue_data(q, ngx_k8s_manifest_ident_t, kin);

    ngx_k8s_manifests_delete(m, NGX_K8S_CONFIG_MAP, &ident->ns, &ident->name);

    ident->fed = 0;

    ngx_k8s_manifests_owe(m, ident, 0);
    ngx_k8s_manifests_touch(m, ident);
}


void
ngx_k8s_manifests_again(ngx_k8s_manifests_t *m)
{
    if (m->idents.root != m->idents.sentinel) {
        m->relist = (ngx_k8s_manifest_ident_t *)
                        ngx_rbtree_min(m->idents.root, m->idents.sentinel);
    }
}


void
ngx_k8s_manifests_again_step(ngx_k8s_manifests_t *m)
{
    ngx_uint_t                 n;
    ngx_k8s_manifest_ident_t  *ident;

    for (n = 0; n < NGX_K8S_MANIFEST_NODES && m->relist; n++) {
        ident = m->relist;

        m->relist = (ngx_k8s_manifest_ident_t *)
                        ngx_rbtree_next(&m->idents, &ident->sn.node);

        ident->again = 1;
        ngx_k8s_manifests_touch(m, ident);
    }
}


/* begins or ends a list of all kinds */

void
ngx_k8s_manifests_list(ngx_k8s_manifests_t *m, ngx_uint_t op)
{
    ngx_str_t       *scopes;
    ngx_uint_t       i, kind, n;
    ngx_k8s_feed_t   feed;

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {

        if (m->conf->skip & (1 << kind)) {
            continue;
        }

        ngx_memzero(&feed, sizeof(ngx_k8s_feed_t));

        feed.op = op;
        feed.kind = kind;

        n = ngx_k8s_source_scopes(m->conf, kind, &scopes);

        for (i = 0; i < n; i++) {
            feed.scope = scopes[i];

            m->sink->feed(m->sink->data, &feed);
        }
    }
}


void
ngx_k8s_manifests_objects_done(ngx_k8s_manifests_t *m)
{
    ngx_queue_t               *q;
    ngx_k8s_manifest_ident_t  *ident;

    while (m->idents.root != m->idents.sentinel) {
        ident = (ngx_k8s_manifest_ident_t *) m->idents.root;
        ngx_rbtree_delete(&m->idents, &ident->sn.node);
        ngx_free(ident);
    }

    if (m->seeding) {
        ngx_k8s_parser_cancel(&m->seed);
    }

    while (!ngx_queue_empty(&m->seeds)) {
        q = ngx_queue_head(&m->seeds);
        ngx_queue_remove(q);
        ngx_k8s_seed_free(ngx_queue_data(q, ngx_k8s_seed_t, queue));
    }

    ngx_queue_init(&m->owed);
    ngx_queue_init(&m->objects);
    ngx_queue_init(&m->classes);
    ngx_queue_init(&m->ingresses);
}
