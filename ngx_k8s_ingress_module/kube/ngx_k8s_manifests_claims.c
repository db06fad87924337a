
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Claims of manifests: what the documents of a file say about objects, and
 * what they said when they could be read last.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_manifests.h>


static ngx_int_t ngx_k8s_manifests_text(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_claim_t *claim, json_t *json);
static void ngx_k8s_manifests_seed_claim(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file, ngx_k8s_seed_t *seed, json_t *json);
static void ngx_k8s_manifests_seed_end(ngx_k8s_manifests_t *m, ngx_int_t rc);
static ngx_int_t ngx_k8s_manifests_seed_slice(ngx_k8s_manifest_claim_t *claim,
    ngx_k8s_seed_t *seed);
static void ngx_k8s_manifests_unmark(ngx_k8s_manifest_t *file);
static ngx_int_t ngx_k8s_manifests_hold(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
static ngx_int_t ngx_k8s_manifests_append(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
static void ngx_k8s_manifests_insert(ngx_k8s_manifest_claim_t *claim);


ngx_int_t
ngx_k8s_manifests_claim(ngx_k8s_manifests_t *m, ngx_uint_t kind, json_t *json,
    ngx_uint_t good)
{
    json_t                    *meta;
    ngx_str_t                  ns, name;
    ngx_k8s_manifest_claim_t  *claim;

    meta = json_object_get(json, "metadata");

    name.data = (u_char *) json_string_value(json_object_get(meta, "name"));
    name.len = json_string_length(json_object_get(meta, "name"));

    ngx_str_set(&ns, "");

    if (ngx_k8s_manifest_kind(kind)->namespaced) {
        ns.data = (u_char *) json_string_value(json_object_get(meta,
                                                               "namespace"));
        ns.len = json_string_length(json_object_get(meta, "namespace"));
    }

    claim = ngx_calloc(sizeof(ngx_k8s_manifest_claim_t), m->log);
    if (claim == NULL) {
        return NGX_ERROR;
    }

    claim->ident = ngx_k8s_manifests_ident(m, kind, &ns, &name, 1);

    if (claim->ident == NULL
        || (good && ngx_k8s_manifests_text(m, claim, json) != NGX_OK))
    {
        free(claim->text);
        ngx_free(claim);
        return NGX_ERROR;
    }

    claim->file = m->reading;
    claim->document = m->documents;
    claim->place = m->places++;

    ngx_queue_insert_tail(&m->pending, &claim->queue);

    return NGX_OK;
}


/* what is written of an object is its last claim's; NGX_OK, or NGX_ERROR */

static ngx_int_t
ngx_k8s_manifests_text(ngx_k8s_manifests_t *m, ngx_k8s_manifest_claim_t *claim,
    json_t *json)
{
    ngx_uint_t  kind;

    kind = claim->ident->kind;

    ngx_k8s_manifests_traits(claim, kind, json);

    m->object = json_incref(json);
    m->claim = claim;

    ngx_md5_init(&m->md5);

    if (kind == NGX_K8S_MANIFEST_ENDPOINTS) {

        if (ngx_k8s_mirror_begin(&m->mirror, json, m->trash) != NGX_OK) {
            ngx_k8s_manifests_write_end(m);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    m->written = json_incref(json);
    ngx_k8s_json_text_begin(&m->writing, m->written);

    return NGX_OK;
}


ngx_int_t
ngx_k8s_manifests_write(ngx_k8s_manifests_t *m)
{
    size_t                     len;
    ngx_int_t                  rc;
    ngx_k8s_json_text_t       *t;
    ngx_k8s_manifest_claim_t  *claim;

    t = &m->writing;
    claim = m->claim;

    if (m->written == NULL) {
        rc = ngx_k8s_mirror_run(&m->mirror, NGX_K8S_MANIFEST_NODES);

        if (rc == NGX_OK) {
            m->written = ngx_k8s_mirror_end(&m->mirror);
            ngx_k8s_json_text_begin(t, m->written);
        }

        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
    }

    len = t->len;

    rc = ngx_k8s_json_text_run(t, NGX_K8S_MANIFEST_TREE);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_md5_update(&m->md5, t->text + len, t->len - len);

    if (t->len > NGX_K8S_OBJECT_MAX) {

        /* it has no text, and a note */

        rc = NGX_OK;

        if (m->yaml) {
            rc = ngx_k8s_manifests_note(m, NGX_K8S_PROBLEM_OBJECT_TOO_LARGE,
                                        m->object, "it has more than %uz bytes",
                                        (size_t) NGX_K8S_OBJECT_MAX);
        }

        ngx_k8s_manifests_write_end(m);

        return rc;
    }

    if (rc == NGX_OK) {
        ngx_md5_final(claim->digest, &m->md5);

        /* it was made for longer ones */

        claim->text = realloc(t->text, t->len + 1);

        if (claim->text == NULL) {
            return NGX_ERROR;
        }

        claim->len = t->len;
        claim->spec = t->spec;

        t->text = NULL;

        ngx_k8s_manifests_write_end(m);
    }

    return NGX_OK;
}


void
ngx_k8s_manifests_write_end(ngx_k8s_manifests_t *m)
{
    if (m->claim == NULL) {
        return;
    }

    if (ngx_k8s_manifest_kind(m->claim->ident->kind)->secret) {
        ngx_k8s_secret_wipe(m->object);

        if (m->writing.text) {
            ngx_explicit_memzero(m->writing.text, m->writing.len);
        }
    }

    free(m->writing.text);
    m->writing.text = NULL;

    ngx_k8s_manifests_discard(m, ngx_k8s_mirror_end(&m->mirror));
    ngx_k8s_manifests_discard(m, m->written);
    ngx_k8s_manifests_discard(m, m->object);

    m->written = NULL;
    m->claim = NULL;
}


/* what was read of a file takes the place of what it said before: nothing is
   fed until all of it does */

ngx_int_t
ngx_k8s_manifests_commit(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    if (!m->committing) {
        m->committing = 1;
        m->appending = 0;
        m->held = ngx_queue_head(&m->pending);

        m->nunread -= file->nmaps;
        file->nmaps = 0;

        ngx_k8s_manifests_unmark(file);
    }

    if (!m->appending) {

        if (ngx_k8s_manifests_hold(m, file) != NGX_OK
            || ngx_k8s_manifests_withdraw(m, file) != NGX_OK)
        {
            return NGX_AGAIN;
        }

        m->appending = 1;
    }

    return ngx_k8s_manifests_append(m, file);
}


ngx_int_t
ngx_k8s_manifests_withdraw(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q;
    ngx_k8s_manifest_claim_t  *claim;

    ngx_k8s_manifests_unmark(file);

    for (n = 0; !ngx_queue_empty(&file->claims); n++) {

        if (n == NGX_K8S_MANIFEST_NODES) {
            return NGX_AGAIN;
        }

        q = ngx_queue_head(&file->claims);
        claim = ngx_queue_data(q, ngx_k8s_manifest_claim_t, queue);

        ngx_queue_remove(&claim->rivals);
        ngx_queue_remove(q);

        ngx_k8s_manifests_touch(m, claim->ident);
        ngx_k8s_manifests_claim_free(claim);
    }

    return NGX_OK;
}


/* its claims are about to change: what goes through them ends, or begins
   anew */

static void
ngx_k8s_manifests_unmark(ngx_k8s_manifest_t *file)
{
    file->told = NULL;

    if (file->refeed) {
        ngx_queue_remove(&file->refeeds);
        file->refeed = NULL;
    }
}


/* what the file said before of objects that it has, but not good ones */

static ngx_int_t
ngx_k8s_manifests_hold(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q, *rival;
    ngx_k8s_manifest_claim_t  *claim, *old;

    for (n = 0; m->held != ngx_queue_sentinel(&m->pending); n++) {

        if (n == NGX_K8S_MANIFEST_NODES) {
            return NGX_AGAIN;
        }

        q = m->held;
        m->held = ngx_queue_next(q);
        claim = ngx_queue_data(q, ngx_k8s_manifest_claim_t, queue);

        if (claim->text) {
            continue;
        }

        for (rival = ngx_queue_head(&claim->ident->claims);
             rival != ngx_queue_sentinel(&claim->ident->claims);
             rival = ngx_queue_next(rival))
        {
            old = ngx_queue_data(rival, ngx_k8s_manifest_claim_t, rivals);

            if (old->file != file) {
                continue;
            }

            claim->text = old->text;
            claim->len = old->len;
            claim->spec = old->spec;
            ngx_memcpy(claim->digest, old->digest, 16);
            claim->document = old->document;
            claim->created = old->created;
            claim->fallback = old->fallback;
            claim->classless = old->classless;
            claim->selector = old->selector;
            claim->kept = 1;

            ngx_queue_remove(&old->rivals);
            ngx_queue_remove(&old->queue);
            ngx_free(old);

            break;
        }

        if (claim->text == NULL) {
            if (claim->ident->kind == NGX_K8S_CONFIG_MAP) {
                file->nmaps++;
                m->nunread++;
            }

            ngx_queue_remove(q);
            ngx_k8s_manifests_claim_free(claim);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_manifests_append(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q;
    ngx_k8s_manifest_claim_t  *claim;

    for (n = 0; !ngx_queue_empty(&m->pending); n++) {

        if (n == NGX_K8S_MANIFEST_NODES) {
            return NGX_AGAIN;
        }

        q = ngx_queue_head(&m->pending);
        claim = ngx_queue_data(q, ngx_k8s_manifest_claim_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&file->claims, q);

        ngx_k8s_manifests_insert(claim);
        ngx_k8s_manifests_touch(m, claim->ident);
    }

    return NGX_OK;
}


void
ngx_k8s_manifests_refeed(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    if (file->refeed == NULL) {
        ngx_queue_insert_tail(&m->refeeds, &file->refeeds);
    }

    file->refeed = ngx_queue_head(&file->claims);
}


void
ngx_k8s_manifests_refeed_step(ngx_k8s_manifests_t *m)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q;
    ngx_k8s_manifest_t        *file;
    ngx_k8s_manifest_claim_t  *claim;

    q = ngx_queue_head(&m->refeeds);
    file = ngx_queue_data(q, ngx_k8s_manifest_t, refeeds);

    for (n = 0; n < NGX_K8S_MANIFEST_NODES; n++) {

        if (file->refeed == ngx_queue_sentinel(&file->claims)) {
            ngx_queue_remove(q);
            file->refeed = NULL;
            return;
        }

        claim = ngx_queue_data(file->refeed, ngx_k8s_manifest_claim_t, queue);
        file->refeed = ngx_queue_next(file->refeed);

        ngx_k8s_manifests_touch(m, claim->ident);
    }
}


/*
 * What the file said when a predecessor could read it, or a part of that: it
 * holds until the file is read, or found gone.
 */

void
ngx_k8s_manifests_seed_step(ngx_k8s_manifests_t *m)
{
    json_t              *json;
    ngx_int_t            rc;
    ngx_queue_t         *q;
    ngx_k8s_seed_t      *seed;
    ngx_k8s_manifest_t  *file;

    q = ngx_queue_head(&m->seeds);
    seed = ngx_queue_data(q, ngx_k8s_seed_t, queue);

    if (m->claim) {
        rc = ngx_k8s_manifests_write(m);

        if (rc == NGX_OK && m->claim) {
            return;
        }

        ngx_k8s_manifests_write_end(m);
        ngx_k8s_manifests_seed_end(m, rc);

    } else {

        if (!m->seeding) {
            m->seeding = 1;
            ngx_k8s_parser_tree(&m->seed, seed->feed.text, seed->feed.len,
                                m->log);
        }

        rc = ngx_k8s_parser_run(&m->seed, NGX_K8S_MANIFEST_TREE);

        if (rc == NGX_AGAIN) {
            return;
        }

        m->seeding = 0;

        json = m->seed.root;
        m->seed.root = NULL;
        ngx_k8s_parser_cancel(&m->seed);

        file = ngx_k8s_manifest_file(m, &seed->feed.origin, 1);

        if (file
            && ngx_k8s_object_check(&ngx_k8s_kinds[seed->feed.kind], json)
               == NULL)
        {
            m->reading = file;
            m->documents = seed->feed.document;

            ngx_k8s_manifests_seed_claim(m, file, seed, json);

            m->reading = NULL;
        }

        ngx_k8s_manifests_discard(m, json);

        if (m->claim) {
            return;
        }
    }

    ngx_queue_remove(q);
    ngx_k8s_seed_free(seed);
}


/* the only claim that is pending is whole, or cannot be */

static void
ngx_k8s_manifests_seed_end(ngx_k8s_manifests_t *m, ngx_int_t rc)
{
    ngx_queue_t               *q;
    ngx_k8s_manifest_claim_t  *claim;

    q = ngx_queue_head(&m->pending);
    claim = ngx_queue_data(q, ngx_k8s_manifest_claim_t, queue);

    if (rc != NGX_OK || claim->text == NULL) {
        ngx_queue_remove(q);
        ngx_k8s_manifests_claim_free(claim);
        return;
    }

    claim->kept = 1;

    (void) ngx_k8s_manifests_append(m, claim->file);
}


/* slices that were made of Endpoints are what these said */

static void
ngx_k8s_manifests_seed_claim(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file,
    ngx_k8s_seed_t *seed, json_t *json)
{
    json_t                    *endpoints;
    ngx_int_t                  rc;
    const char                *name;
    ngx_queue_t               *q;
    ngx_k8s_manifest_claim_t  *claim, *first;

    name = ngx_k8s_manifests_mirrored(seed->feed.kind, json);

    if (name == NULL) {

        /* its text is to be written */

        (void) ngx_k8s_manifests_claim(m, seed->feed.kind, json, 1);
        return;
    }

    endpoints = json_pack("{s:{s:s, s:O}}", "metadata", "name", name,
                          "namespace",
                          json_object_get(json_object_get(json, "metadata"),
                                          "namespace"));
    rc = NGX_ERROR;

    if (ngx_k8s_object_check(ngx_k8s_manifest_kind(NGX_K8S_MANIFEST_ENDPOINTS),
                             endpoints)
        == NULL)
    {
        rc = ngx_k8s_manifests_claim(m, NGX_K8S_MANIFEST_ENDPOINTS, endpoints,
                                     0);
    }

    json_decref(endpoints);

    if (rc != NGX_OK) {
        return;
    }

    q = ngx_queue_head(&m->pending);
    claim = ngx_queue_data(q, ngx_k8s_manifest_claim_t, queue);

    first = ngx_k8s_manifests_first(claim->ident);

    if (first && first->file == file) {
        (void) ngx_k8s_manifests_seed_slice(first, seed);
        rc = NGX_DECLINED;

    } else {
        rc = ngx_k8s_manifests_seed_slice(claim, seed);
    }

    ngx_k8s_manifests_seed_end(m, rc);
}


/* one more in the list of a claim of Endpoints */

static ngx_int_t
ngx_k8s_manifests_seed_slice(ngx_k8s_manifest_claim_t *claim,
    ngx_k8s_seed_t *seed)
{
    u_char     *p, *text;
    ngx_md5_t   md5;

    text = realloc(claim->text, claim->len + seed->feed.len + sizeof("[]"));
    if (text == NULL) {
        return NGX_ERROR;
    }

    /* its last "]" becomes a comma */

    p = claim->text ? text + claim->len - 1 : text;
    *p++ = claim->text ? ',' : '[';

    p = ngx_cpymem(p, seed->feed.text, seed->feed.len);
    *p++ = ']';
    *p = '\0';

    claim->text = text;
    claim->len = p - text;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, claim->digest, 16);
    ngx_md5_update(&md5, seed->feed.text, seed->feed.len);
    ngx_md5_final(claim->digest, &md5);

    return NGX_OK;
}


/* from the end: those of one file come in their order, and may be many */

static void
ngx_k8s_manifests_insert(ngx_k8s_manifest_claim_t *claim)
{
    ngx_int_t                  rc;
    ngx_queue_t               *q, *claims;
    ngx_k8s_manifest_claim_t  *other;

    claims = &claim->ident->claims;

    for (q = ngx_queue_last(claims);
         q != ngx_queue_sentinel(claims);
         q = ngx_queue_prev(q))
    {
        other = ngx_queue_data(q, ngx_k8s_manifest_claim_t, rivals);

        rc = ngx_strcmp(claim->file->sn.str.data, other->file->sn.str.data);

        if (rc > 0 || (rc == 0 && claim->place > other->place)) {
            break;
        }
    }

    ngx_queue_insert_after(q, &claim->rivals);
}
