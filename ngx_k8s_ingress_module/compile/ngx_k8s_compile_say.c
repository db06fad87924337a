
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Problem records: one for each object with problems, and for what is no
 * object.  They have a share of the zone of their own, of which no namespace
 * takes more than it leaves to the others.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_table_set.h>


#define NGX_K8S_PROBLEM_BYTES        16384   /* of one record */


static ngx_int_t ngx_k8s_compile_say_build(ngx_k8s_compile_t *c,
    ngx_uint_t extra, ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t n, ngx_k8s_problem_t *problems);
static ngx_uint_t ngx_k8s_compile_say_fits(ngx_k8s_compile_t *c,
    ngx_k8s_share_t *share, uint32_t slot);
static ngx_k8s_problem_rec_t *ngx_k8s_compile_said(ngx_k8s_compile_t *c);
static void ngx_k8s_compile_say_tell(ngx_k8s_compile_t *c, ngx_uint_t extra,
    ngx_k8s_problem_rec_t *old, ngx_k8s_problem_rec_t *now);
static void ngx_k8s_compile_extra(ngx_k8s_compile_t *c, ngx_uint_t type,
    ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name, ngx_uint_t n,
    ngx_k8s_problem_t *problems);
static size_t ngx_k8s_compile_say_size(ngx_k8s_compile_t *c, uint32_t slot);
static ngx_k8s_share_t *ngx_k8s_compile_share(ngx_k8s_compile_t *c,
    ngx_str_t *ns);
static void ngx_k8s_compile_share_check(ngx_k8s_compile_t *c,
    ngx_k8s_share_t *share);
static void ngx_k8s_compile_extra_count(ngx_k8s_compile_t *c, ngx_str_t *kind,
    ngx_int_t n);


/* where not all of it fits, the first problems are said */

ngx_int_t
ngx_k8s_compile_say(ngx_k8s_compile_t *c, uint32_t *slot, ngx_uint_t extra,
    ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name, ngx_uint_t n,
    ngx_k8s_problem_t *problems)
{
    size_t                  was;
    uint32_t                made;
    ngx_uint_t              said;
    ngx_k8s_share_t        *share;
    ngx_k8s_problem_rec_t  *old;

    if (n == 0) {
        ngx_k8s_compile_unsay(c, slot, extra);
        return NGX_OK;
    }

    share = ngx_k8s_compile_share(c, ns);
    if (share == NULL) {
        return NGX_DECLINED;
    }

    for (said = n; said; said /= 2) {

        if (ngx_k8s_compile_say_build(c, extra, kind, ns, name, said, problems)
            != NGX_OK
            || !ngx_k8s_compile_say_fits(c, share, *slot))
        {
            continue;
        }

        was = ngx_k8s_compile_say_size(c, *slot);
        old = ngx_k8s_compile_said(c);

        made = ngx_k8s_builder_put(&c->builder, c->writer,
                                   NGX_K8S_WRITE_OBJECT);
        if (made == 0) {
            continue;
        }

        if (*slot == 0) {
            share->records++;
            c->nproblems++;
        }

        *slot = made;
        share->bytes += ngx_k8s_compile_say_size(c, made) - was;

        ngx_k8s_compile_say_tell(c, extra, old,
                             ngx_k8s_slot_record(c->table,
                                                 NGX_K8S_INDEX_PROBLEM, made));

        return (said == n) ? NGX_OK : NGX_DECLINED;
    }

    if (*slot) {

        /* it has not gone, it has no room */

        ngx_k8s_compile_unsay(c, slot, 1);

    } else {
        ngx_k8s_compile_share_check(c, share);
    }

    return NGX_DECLINED;
}


/*
 * A copy, in c->pool, of the record that the one in the builder takes the
 * place of: a put may move it.
 */

static ngx_k8s_problem_rec_t *
ngx_k8s_compile_said(ngx_k8s_compile_t *c)
{
    void              *copy;
    uint32_t           slot;
    ngx_str_t          key;
    ngx_k8s_record_t  *rec;

    rec = ngx_k8s_builder_ptr(&c->builder, 0);

    ngx_k8s_record_str(rec, &rec->key, &key);

    rec = ngx_k8s_table_find(c->table, NGX_K8S_INDEX_PROBLEM, key.data,
                             key.len, &slot);
    if (rec == NULL) {
        return NULL;
    }

    copy = ngx_palloc(c->pool, rec->size);

    if (copy) {
        ngx_memcpy(copy, rec, rec->size);
    }

    return copy;
}


static void
ngx_k8s_compile_say_tell(ngx_k8s_compile_t *c, ngx_uint_t extra,
    ngx_k8s_problem_rec_t *old, ngx_k8s_problem_rec_t *now)
{
    if (c->conf.told == NULL || extra == NGX_K8S_EXTRA_REFUSED
        || (old && now && old->header.size == now->header.size
            && ngx_memcmp(old, now, old->header.size) == 0))
    {
        return;
    }

    c->conf.told(c->conf.data, old, now);
}


void
ngx_k8s_compile_unsay(ngx_k8s_compile_t *c, uint32_t *slot, ngx_uint_t extra)
{
    ngx_str_t               ns;
    ngx_k8s_share_t        *share;
    ngx_k8s_problem_rec_t  *rec;

    if (*slot == 0) {
        return;
    }

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_PROBLEM, *slot);

    if (rec) {
        ngx_k8s_record_str(rec, &rec->namespace, &ns);
        share = ngx_k8s_compile_share(c, &ns);

        if (share) {
            share->records--;
            share->bytes -= rec->header.size;
            ngx_k8s_compile_share_check(c, share);
        }

        ngx_k8s_compile_say_tell(c, extra, rec, NULL);
    }

    ngx_k8s_writer_remove(c->writer, *slot);

    *slot = 0;
    c->nproblems--;
    c->retry = 1;
}


void
ngx_k8s_compile_silent(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_uint_t silent)
{
    if (entry->silent) {
        ngx_queue_remove(&entry->unsaid);
        c->nunsaid--;

        /* where one has found room there may be some for the next */

        c->retry |= !silent;
    }

    entry->silent = silent;

    if (silent) {
        ngx_queue_insert_tail(&c->unsaid, &entry->unsaid);
        c->nunsaid++;
    }

    ngx_k8s_table_set_dropped(c->table, c->nunsaid);
}


ngx_int_t
ngx_k8s_compile_unsaid(ngx_k8s_compile_t *c)
{
    ngx_queue_t  *q;

    if (!c->retry || ngx_queue_empty(&c->unsaid)) {
        return NGX_DONE;
    }

    c->retry = 0;

    q = ngx_queue_head(&c->unsaid);
    ngx_k8s_entry_mark(c->store, ngx_queue_data(q, ngx_k8s_entry_t, unsaid));

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_say_build(ngx_k8s_compile_t *c, ngx_uint_t extra,
    ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name, ngx_uint_t n,
    ngx_k8s_problem_t *problems)
{
    u_char                   buf[NGX_K8S_KEY_MAX];
    uint32_t                 list;
    ngx_str_t                key, none, *names[4];
    ngx_uint_t               i;
    ngx_k8s_str_t            field, message, remedy, host;
    ngx_k8s_builder_t       *b;
    ngx_k8s_problem_rec_t   *rec;
    ngx_k8s_problem_code_t  *code;
    ngx_k8s_problem_item_t  *item;

    b = &c->builder;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_PROBLEM,
                          sizeof(ngx_k8s_problem_rec_t));

    names[0] = kind;
    names[1] = ns;
    names[2] = name;
    names[3] = &none;

    ngx_str_null(&none);

    key.data = buf;
    key.len = ngx_k8s_key_names(buf, extra ? 4 : 3, names);

    ngx_k8s_builder_set(b, ngx_k8s_record_t, key, &key);
    ngx_k8s_builder_set(b, ngx_k8s_problem_rec_t, kind, kind);
    ngx_k8s_builder_set(b, ngx_k8s_problem_rec_t, namespace, ns);
    ngx_k8s_builder_set(b, ngx_k8s_problem_rec_t, name, name);

    list = ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_problem_item_t));

    for (i = 0; i < n && !b->failed; i++) {
        code = &ngx_k8s_problem_codes[problems[i].code];

        field = ngx_k8s_builder_str(b, &problems[i].field);
        message = ngx_k8s_builder_str(b, &problems[i].message);
        remedy = ngx_k8s_builder_str(b, problems[i].remedy.len
                                        ? &problems[i].remedy : &code->remedy);
        host = ngx_k8s_builder_str(b, &problems[i].host);

        if (b->failed) {
            break;
        }

        item = (ngx_k8s_problem_item_t *) ngx_k8s_builder_ptr(b, list) + i;
        item->code = problems[i].code;
        item->severity = code->severity;
        item->condition = code->condition;
        item->reason = code->reason;
        item->field = field;
        item->message = message;
        item->remedy = remedy;
        item->host = host;
    }

    if (b->failed) {
        return NGX_ERROR;
    }

    rec = ngx_k8s_builder_ptr(b, 0);
    rec->items.offset = list;
    rec->items.n = n;

    return NGX_OK;
}


/* a namespace has no more, in number and bytes, than what is still left */

static ngx_uint_t
ngx_k8s_compile_say_fits(ngx_k8s_compile_t *c, ngx_k8s_share_t *share,
    uint32_t slot)
{
    size_t  size, was;

    size = ngx_k8s_writer_cost(c->builder.len);
    was = ngx_k8s_compile_say_size(c, slot);

    if (size > NGX_K8S_PROBLEM_BYTES) {
        return 0;
    }

    if (slot == 0
        && c->nproblems + share->records + 1 > c->conf.problems)
    {
        return 0;
    }

    return size <= was
           || share->bytes + 2 * (size - was)
              <= ngx_k8s_writer_problems(c->writer);
}


static size_t
ngx_k8s_compile_say_size(ngx_k8s_compile_t *c, uint32_t slot)
{
    ngx_k8s_record_t  *rec;

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_PROBLEM, slot);

    return rec ? rec->size : 0;
}


static ngx_k8s_share_t *
ngx_k8s_compile_share(ngx_k8s_compile_t *c, ngx_str_t *ns)
{
    uint32_t          hash;
    ngx_k8s_share_t  *share;

    hash = ngx_crc32_short(ns->data, ns->len);

    share = (ngx_k8s_share_t *) ngx_str_rbtree_lookup(&c->shares, ns, hash);

    if (share) {
        return share;
    }

    share = ngx_calloc(sizeof(ngx_k8s_share_t) + ns->len, c->log);
    if (share == NULL) {
        return NULL;
    }

    share->sn.node.key = hash;
    share->sn.str.len = ns->len;
    share->sn.str.data = (u_char *) share + sizeof(ngx_k8s_share_t);
    ngx_memcpy(share->sn.str.data, ns->data, ns->len);

    ngx_rbtree_insert(&c->shares, &share->sn.node);

    return share;
}


static void
ngx_k8s_compile_share_check(ngx_k8s_compile_t *c, ngx_k8s_share_t *share)
{
    if (share->records == 0 && share->data == 0) {
        ngx_rbtree_delete(&c->shares, &share->sn.node);
        ngx_free(share);
    }
}


ngx_int_t
ngx_k8s_compile_share_data(ngx_k8s_compile_t *c, ngx_str_t *ns, size_t bytes,
    size_t was)
{
    size_t            max;
    ngx_int_t         rc;
    ngx_k8s_share_t  *share;

    share = ngx_k8s_compile_share(c, ns);
    if (share == NULL) {
        return NGX_ERROR;
    }

    max = c->table->size / NGX_K8S_DATA_SHARE;

    if (c->conf.limit_bytes && c->conf.limit_bytes < max) {
        max = c->conf.limit_bytes;
    }

    rc = NGX_OK;

    if (bytes > was && share->data - was + bytes > max) {
        rc = NGX_DECLINED;

    } else {
        share->data += bytes - was;
    }

    ngx_k8s_compile_share_check(c, share);

    return rc;
}


void
ngx_k8s_compile_shares_free(ngx_k8s_compile_t *c)
{
    ngx_rbtree_node_t  *node;

    while (c->shares.root != c->shares.sentinel) {
        node = c->shares.root;
        ngx_rbtree_delete(&c->shares, node);
        ngx_free(node);
    }
}


void
ngx_k8s_compile_problems(ngx_k8s_compile_t *c, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t n, ngx_k8s_problem_t *problems)
{
    ngx_k8s_compile_extra(c, NGX_K8S_EXTRA_REFUSED, kind, ns, name, n,
                          problems);
}


void
ngx_k8s_compile_directive(ngx_k8s_compile_t *c, ngx_str_t *name,
    ngx_k8s_problem_t *problem)
{
    static ngx_str_t  kind = ngx_string("Directive"), none = ngx_null_string;

    ngx_k8s_compile_extra(c, NGX_K8S_EXTRA_DIRECTIVE, &kind, &none, name,
                          problem != NULL, problem);
}


static void
ngx_k8s_compile_extra(ngx_k8s_compile_t *c, ngx_uint_t type, ngx_str_t *kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t n, ngx_k8s_problem_t *problems)
{
    u_char           *p;
    ngx_queue_t      *q;
    ngx_k8s_extra_t  *extra;

    for (q = ngx_queue_head(&c->extras);
         q != ngx_queue_sentinel(&c->extras);
         q = ngx_queue_next(q))
    {
        extra = ngx_queue_data(q, ngx_k8s_extra_t, queue);

        if (ngx_k8s_str_eq(&extra->kind, kind)
            && ngx_k8s_str_eq(&extra->namespace, ns)
            && ngx_k8s_str_eq(&extra->name, name))
        {
            goto found;
        }
    }

    if (n == 0) {
        return;
    }

    extra = ngx_alloc(sizeof(ngx_k8s_extra_t) + kind->len + ns->len
                      + name->len, c->log);
    if (extra == NULL) {
        return;
    }

    p = (u_char *) extra + sizeof(ngx_k8s_extra_t);

    extra->slot = 0;
    extra->kind.len = kind->len;
    extra->kind.data = p;
    p = ngx_cpymem(p, kind->data, kind->len);
    extra->namespace.len = ns->len;
    extra->namespace.data = p;
    p = ngx_cpymem(p, ns->data, ns->len);
    extra->name.len = name->len;
    extra->name.data = p;
    ngx_memcpy(p, name->data, name->len);

    ngx_queue_insert_tail(&c->extras, &extra->queue);
    ngx_k8s_compile_extra_count(c, kind, 1);

found:

    (void) ngx_k8s_compile_say(c, &extra->slot, type, kind, ns, name,
                               ngx_min(n, NGX_K8S_PROBLEM_ITEMS), problems);

    if (n == 0) {
        ngx_k8s_compile_extra_count(c, kind, -1);
        ngx_queue_remove(&extra->queue);
        ngx_free(extra);
    }
}


void
ngx_k8s_compile_unread(ngx_k8s_compile_t *c, ngx_uint_t kind, ngx_int_t n)
{
    if (ngx_k8s_kind_rows[kind].model) {
        c->store->states[NGX_K8S_STATE_UNREADABLE] += n;
    }
}


static void
ngx_k8s_compile_extra_count(ngx_k8s_compile_t *c, ngx_str_t *kind, ngx_int_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_KINDS; i++) {
        if (ngx_k8s_str_eq(&ngx_k8s_kinds[i].name, kind)) {
            ngx_k8s_compile_unread(c, i, n);
        }
    }
}
