
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Problems of what never came into the store: objects that cannot be read,
 * files that cannot be parsed.  Kept by kind, namespace and name until a good
 * version or a deletion ends them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_watcher.h>


#define NGX_K8S_REFUSED_KEY          512


typedef struct {
    ngx_str_node_t           sn;         /* key: kind, namespace, name, each
                                            followed by a zero byte */
    ngx_pool_t              *pool;       /* holds all of it */
    ngx_str_t                kind;
    ngx_str_t                ns;
    ngx_str_t                name;
    ngx_uint_t               n;
    ngx_k8s_problem_t        problems[NGX_K8S_REFUSED_ITEMS];
} ngx_k8s_refused_t;


static ngx_k8s_refused_t *ngx_k8s_refused_find(ngx_k8s_watcher_t *w,
    ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name);
static ngx_k8s_refused_t *ngx_k8s_refused_create(ngx_k8s_watcher_t *w,
    ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name);
static ngx_int_t ngx_k8s_refused_key(u_char *buf, ngx_str_t *kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_str_t *key);
static ngx_int_t ngx_k8s_refused_dup(ngx_pool_t *pool, ngx_str_t *dst,
    ngx_str_t *src);
static ngx_int_t ngx_k8s_refused_push(ngx_k8s_refused_t *r,
    ngx_k8s_problem_t *problem);
static void ngx_k8s_refused_store(ngx_k8s_watcher_t *w, ngx_k8s_refused_t *r);
static void ngx_k8s_refused_delete(ngx_k8s_watcher_t *w, ngx_k8s_refused_t *r);


/* an object has this problem, in place of those it had; strings are copied */

void
ngx_k8s_refused_add(ngx_k8s_watcher_t *w, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_problem_t *problem)
{
    ngx_k8s_refused_t  *r;

    r = ngx_k8s_refused_find(w, kind, ns, name);

    if (r) {
        ngx_k8s_refused_delete(w, r);
    }

    r = ngx_k8s_refused_create(w, kind, ns, name);

    if (r && ngx_k8s_refused_push(r, problem) == NGX_OK) {
        ngx_k8s_refused_store(w, r);
    }
}


void
ngx_k8s_refused_end(ngx_k8s_watcher_t *w, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_refused_t  *r;

    if (w->nrefused == 0) {
        return;
    }

    r = ngx_k8s_refused_find(w, kind, ns, name);

    if (r == NULL) {
        return;
    }

    r->n = 0;
    ngx_k8s_refused_store(w, r);
    ngx_k8s_refused_delete(w, r);
}


/* a problem of the source's own, beside others of that name */

void
ngx_k8s_refused_problem(void *data, char *kind, ngx_str_t *name,
    ngx_int_t code, ngx_str_t *message)
{
    ngx_k8s_watcher_t *w = data;

    ngx_str_t           k, ns;
    ngx_k8s_problem_t   problem;
    ngx_k8s_refused_t  *r;

    k.data = (u_char *) kind;
    k.len = ngx_strlen(kind);
    ngx_str_null(&ns);

    if (code < 0) {
        ngx_k8s_refused_end(w, &k, &ns, name);
        ngx_k8s_watcher_post(w);
        return;
    }

    r = ngx_k8s_refused_find(w, &k, &ns, name);

    if (r == NULL) {
        r = ngx_k8s_refused_create(w, &k, &ns, name);

        if (r == NULL) {
            return;
        }
    }

    ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));
    problem.code = code;
    problem.message = *message;

    if (ngx_k8s_refused_push(r, &problem) == NGX_OK) {
        ngx_k8s_refused_store(w, r);
    }

    ngx_k8s_watcher_post(w);
}


void
ngx_k8s_refused_show(ngx_k8s_watcher_t *w)
{
    ngx_rbtree_node_t  *node;

    if (w->nrefused == 0) {
        return;
    }

    for (node = ngx_rbtree_min(w->refused.root, w->refused.sentinel);
         node;
         node = ngx_rbtree_next(&w->refused, node))
    {
        ngx_k8s_refused_store(w, (ngx_k8s_refused_t *) node);
    }
}


void
ngx_k8s_refused_free(ngx_k8s_watcher_t *w)
{
    ngx_k8s_refused_t  *r;

    while (w->refused.root != w->refused.sentinel) {
        r = (ngx_k8s_refused_t *) w->refused.root;
        ngx_k8s_refused_delete(w, r);
    }
}


static void
ngx_k8s_refused_store(ngx_k8s_watcher_t *w, ngx_k8s_refused_t *r)
{
    if (!w->settled) {
        return;
    }

    ngx_k8s_compile_problems(w->compile, &r->kind, &r->ns, &r->name, r->n,
                             r->problems);
}


static ngx_k8s_refused_t *
ngx_k8s_refused_find(ngx_k8s_watcher_t *w, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    u_char     buf[NGX_K8S_REFUSED_KEY];
    ngx_str_t  key;

    if (ngx_k8s_refused_key(buf, kind, ns, name, &key) != NGX_OK) {
        return NULL;
    }

    return (ngx_k8s_refused_t *)
           ngx_str_rbtree_lookup(&w->refused, &key,
                                 ngx_crc32_long(key.data, key.len));
}


static ngx_k8s_refused_t *
ngx_k8s_refused_create(ngx_k8s_watcher_t *w, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    u_char              buf[NGX_K8S_REFUSED_KEY];
    ngx_str_t           key;
    ngx_pool_t         *pool;
    ngx_k8s_refused_t  *r;

    if (w->nrefused >= w->block->conf->compile.problems
        || ngx_k8s_refused_key(buf, kind, ns, name, &key) != NGX_OK)
    {
        return NULL;
    }

    pool = ngx_create_pool(2048, w->log);
    if (pool == NULL) {
        return NULL;
    }

    r = ngx_pcalloc(pool, sizeof(ngx_k8s_refused_t));

    if (r == NULL
        || ngx_k8s_refused_dup(pool, &r->sn.str, &key) != NGX_OK
        || ngx_k8s_refused_dup(pool, &r->kind, kind) != NGX_OK
        || ngx_k8s_refused_dup(pool, &r->ns, ns) != NGX_OK
        || ngx_k8s_refused_dup(pool, &r->name, name) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    r->pool = pool;
    r->sn.node.key = ngx_crc32_long(key.data, key.len);

    ngx_rbtree_insert(&w->refused, &r->sn.node);
    w->nrefused++;

    return r;
}


static void
ngx_k8s_refused_delete(ngx_k8s_watcher_t *w, ngx_k8s_refused_t *r)
{
    ngx_rbtree_delete(&w->refused, &r->sn.node);
    w->nrefused--;

    ngx_destroy_pool(r->pool);
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
ngx_k8s_refused_push(ngx_k8s_refused_t *r, ngx_k8s_problem_t *problem)
{
    ngx_k8s_problem_t  *p;

    if (r->n == NGX_K8S_REFUSED_ITEMS) {
        return NGX_DECLINED;
    }

    p = &r->problems[r->n];
    p->code = problem->code;

    if (ngx_k8s_refused_dup(r->pool, &p->field, &problem->field) != NGX_OK
        || ngx_k8s_refused_dup(r->pool, &p->message, &problem->message)
           != NGX_OK
        || ngx_k8s_refused_dup(r->pool, &p->remedy, &problem->remedy) != NGX_OK
        || ngx_k8s_refused_dup(r->pool, &p->host, &problem->host) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->n++;

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
