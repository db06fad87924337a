
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_refused.h>


#define NGX_K8S_REFUSED_ITEMS        8    /* of one object or file */
#define NGX_K8S_REFUSED_KEY          512


typedef struct {
    ngx_str_node_t           sn;         /* key: kind, namespace, name, each
                                            followed by a zero byte */
    ngx_pool_t              *pool;       /* holds all of it */
    ngx_str_t                kind;
    ngx_str_t                ns;
    ngx_str_t                name;
    ngx_uint_t               n;
    unsigned                 stale:1;    /* not in the list that goes on */
    ngx_k8s_problem_t        problems[NGX_K8S_REFUSED_ITEMS];
} ngx_k8s_refusal_t;


static ngx_k8s_refusal_t *ngx_k8s_refused_next(ngx_k8s_refused_t *r,
    ngx_k8s_refusal_t *f, ngx_str_t *kind, ngx_str_t *scope);
static ngx_k8s_refusal_t *ngx_k8s_refused_find(ngx_k8s_refused_t *r,
    ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name);
static ngx_k8s_refusal_t *ngx_k8s_refused_create(ngx_k8s_refused_t *r,
    ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name);
static ngx_int_t ngx_k8s_refused_key(u_char *buf, ngx_str_t *kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_str_t *key);
static ngx_int_t ngx_k8s_refused_dup(ngx_pool_t *pool, ngx_str_t *dst,
    ngx_str_t *src);
static ngx_int_t ngx_k8s_refused_push(ngx_k8s_refusal_t *f,
    ngx_k8s_problem_t *problem);
static void ngx_k8s_refused_store(ngx_k8s_refused_t *r, ngx_k8s_refusal_t *f);
static void ngx_k8s_refused_forget(ngx_k8s_refused_t *r,
    ngx_k8s_refusal_t *f);
static void ngx_k8s_refused_delete(ngx_k8s_refused_t *r,
    ngx_k8s_refusal_t *f);


void
ngx_k8s_refused_init(ngx_k8s_refused_t *r, ngx_k8s_refused_events_t *events,
    ngx_uint_t max, ngx_str_t *zone, ngx_log_t *log)
{
    r->zone = *zone;
    r->events = events;
    r->max = max;
    r->log = log;
    r->n = 0;

    ngx_rbtree_init(&r->tree, &r->sentinel, ngx_str_rbtree_insert_value);
}


void
ngx_k8s_refused_done(ngx_k8s_refused_t *r)
{
    while (r->n) {
        ngx_k8s_refused_delete(r, (ngx_k8s_refusal_t *) r->tree.root);
    }
}


void
ngx_k8s_refused_object(ngx_k8s_refused_t *r, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_problem_t *problem)
{
    ngx_k8s_refusal_t  *f;

    f = r->n ? ngx_k8s_refused_find(r, kind, ns, name) : NULL;

    if (problem == NULL) {

        if (f) {
            ngx_log_error(NGX_LOG_NOTICE, r->log, 0,
                          "%V: %V \"%V%s%V\" is no longer refused", &r->zone,
                          kind, ns, ns->len ? "/" : "", name);

            ngx_k8s_refused_forget(r, f);
        }

        return;
    }

    if (f == NULL || f->problems[0].code != problem->code
        || f->problems[0].message.len != problem->message.len
        || ngx_memcmp(f->problems[0].message.data, problem->message.data,
                      problem->message.len) != 0)
    {
        ngx_log_error(NGX_LOG_WARN, r->log, 0, "%V: %V \"%V%s%V\" is refused: "
                      "%V (%V)", &r->zone, kind, ns, ns->len ? "/" : "", name,
                      &problem->message,
                      &ngx_k8s_problem_codes[problem->code].name);
    }

    if (f) {
        ngx_k8s_refused_delete(r, f);
    }

    f = ngx_k8s_refused_create(r, kind, ns, name);

    if (f && ngx_k8s_refused_push(f, problem) == NGX_OK) {
        ngx_k8s_refused_store(r, f);
    }
}


void
ngx_k8s_refused_begin(ngx_k8s_refused_t *r, ngx_str_t *kind,
    ngx_str_t *scope)
{
    ngx_k8s_refusal_t  *f;

    f = ngx_k8s_refused_next(r, NULL, kind, scope);

    while (f) {
        f->stale = 1;
        f = ngx_k8s_refused_next(r, f, kind, scope);
    }
}


void
ngx_k8s_refused_end(ngx_k8s_refused_t *r, ngx_str_t *kind, ngx_str_t *scope)
{
    ngx_k8s_refusal_t  *f, *next;

    f = ngx_k8s_refused_next(r, NULL, kind, scope);

    while (f) {
        next = ngx_k8s_refused_next(r, f, kind, scope);

        if (f->stale) {
            ngx_k8s_refused_forget(r, f);
        }

        f = next;
    }
}


/* the first one (f is NULL), or that after f, of a kind and scope */

static ngx_k8s_refusal_t *
ngx_k8s_refused_next(ngx_k8s_refused_t *r, ngx_k8s_refusal_t *f,
    ngx_str_t *kind, ngx_str_t *scope)
{
    ngx_rbtree_node_t  *node;

    if (r->n == 0) {
        return NULL;
    }

    node = f ? ngx_rbtree_next(&r->tree, &f->sn.node)
             : ngx_rbtree_min(r->tree.root, &r->sentinel);

    while (node) {
        f = (ngx_k8s_refusal_t *) node;

        if (f->kind.len == kind->len
            && ngx_memcmp(f->kind.data, kind->data, kind->len) == 0
            && (scope->len == 0
                || (f->ns.len == scope->len
                    && ngx_memcmp(f->ns.data, scope->data, scope->len) == 0)))
        {
            return f;
        }

        node = ngx_rbtree_next(&r->tree, node);
    }

    return NULL;
}


void
ngx_k8s_refused_problem(ngx_k8s_refused_t *r, char *kind, ngx_str_t *name,
    ngx_int_t code, ngx_str_t *message)
{
    ngx_str_t           k, ns;
    ngx_k8s_problem_t   problem;
    ngx_k8s_refusal_t  *f;

    k.data = (u_char *) kind;
    k.len = ngx_strlen(kind);
    ngx_str_null(&ns);

    f = ngx_k8s_refused_find(r, &k, &ns, name);

    if (code < 0) {

        if (f) {
            ngx_k8s_refused_forget(r, f);
        }

        return;
    }

    if (f == NULL) {
        f = ngx_k8s_refused_create(r, &k, &ns, name);

        if (f == NULL) {
            return;
        }
    }

    ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));
    problem.code = code;
    problem.message = *message;

    if (ngx_k8s_refused_push(f, &problem) == NGX_OK) {
        ngx_k8s_refused_store(r, f);
    }
}


void
ngx_k8s_refused_show(ngx_k8s_refused_t *r)
{
    ngx_rbtree_node_t  *node;

    if (r->n == 0) {
        return;
    }

    for (node = ngx_rbtree_min(r->tree.root, &r->sentinel);
         node;
         node = ngx_rbtree_next(&r->tree, node))
    {
        ngx_k8s_refused_store(r, (ngx_k8s_refusal_t *) node);
    }
}


static void
ngx_k8s_refused_store(ngx_k8s_refused_t *r, ngx_k8s_refusal_t *f)
{
    r->events->show(r->events->data, &f->kind, &f->ns, &f->name, f->n,
                    f->problems);
}


static ngx_k8s_refusal_t *
ngx_k8s_refused_find(ngx_k8s_refused_t *r, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    u_char     buf[NGX_K8S_REFUSED_KEY];
    ngx_str_t  key;

    if (ngx_k8s_refused_key(buf, kind, ns, name, &key) != NGX_OK) {
        return NULL;
    }

    return (ngx_k8s_refusal_t *)
           ngx_str_rbtree_lookup(&r->tree, &key,
                                 ngx_crc32_long(key.data, key.len));
}


static ngx_k8s_refusal_t *
ngx_k8s_refused_create(ngx_k8s_refused_t *r, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    u_char              buf[NGX_K8S_REFUSED_KEY];
    ngx_str_t           key;
    ngx_pool_t         *pool;
    ngx_k8s_refusal_t  *f;

    if (r->n >= r->max
        || ngx_k8s_refused_key(buf, kind, ns, name, &key) != NGX_OK)
    {
        return NULL;
    }

    pool = ngx_create_pool(2048, r->log);
    if (pool == NULL) {
        return NULL;
    }

    f = ngx_pcalloc(pool, sizeof(ngx_k8s_refusal_t));

    if (f == NULL
        || ngx_k8s_refused_dup(pool, &f->sn.str, &key) != NGX_OK
        || ngx_k8s_refused_dup(pool, &f->kind, kind) != NGX_OK
        || ngx_k8s_refused_dup(pool, &f->ns, ns) != NGX_OK
        || ngx_k8s_refused_dup(pool, &f->name, name) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    f->pool = pool;
    f->sn.node.key = ngx_crc32_long(key.data, key.len);

    ngx_rbtree_insert(&r->tree, &f->sn.node);
    r->n++;

    return f;
}


static void
ngx_k8s_refused_forget(ngx_k8s_refused_t *r, ngx_k8s_refusal_t *f)
{
    f->n = 0;
    ngx_k8s_refused_store(r, f);
    ngx_k8s_refused_delete(r, f);
}


static void
ngx_k8s_refused_delete(ngx_k8s_refused_t *r, ngx_k8s_refusal_t *f)
{
    ngx_rbtree_delete(&r->tree, &f->sn.node);
    r->n--;

    ngx_destroy_pool(f->pool);
}


static ngx_int_t
ngx_k8s_refused_key(u_char *buf, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *key)
{
    u_char  *p;

    key->len = kind->len + ns->len + name->len + 3;

    if (key->len > NGX_K8S_REFUSED_KEY) {
        return NGX_DECLINED;
    }

    key->data = buf;

    p = ngx_cpymem(buf, kind->data, kind->len);
    *p++ = '\0';
    p = ngx_cpymem(p, ns->data, ns->len);
    *p++ = '\0';
    p = ngx_cpymem(p, name->data, name->len);
    *p = '\0';

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_refused_push(ngx_k8s_refusal_t *f, ngx_k8s_problem_t *problem)
{
    ngx_k8s_problem_t  *p;

    if (f->n == NGX_K8S_REFUSED_ITEMS) {
        return NGX_DECLINED;
    }

    p = &f->problems[f->n];
    p->code = problem->code;

    if (ngx_k8s_refused_dup(f->pool, &p->field, &problem->field) != NGX_OK
        || ngx_k8s_refused_dup(f->pool, &p->message, &problem->message)
           != NGX_OK
        || ngx_k8s_refused_dup(f->pool, &p->remedy, &problem->remedy) != NGX_OK
        || ngx_k8s_refused_dup(f->pool, &p->host, &problem->host) != NGX_OK)
    {
        return NGX_ERROR;
    }

    f->n++;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_refused_dup(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    dst->len = src->len;
    dst->data = NULL;

    if (src->len == 0) {
        return NGX_OK;
    }

    dst->data = ngx_pstrdup(pool, src);

    return dst->data ? NGX_OK : NGX_ERROR;
}
