
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_clock.h>
#include <ngx_k8s_manifests.h>
#include <ngx_k8s_record.h>


#define NGX_K8S_MANIFESTS_SLICE    500          /* us of one turn */
#define NGX_K8S_MANIFESTS_BACKLOG  (512 * 1024) /* bytes that the sink holds */
#define NGX_K8S_MANIFESTS_RESCAN   500          /* ms */
#define NGX_K8S_MANIFESTS_RELIST   1000         /* ms */


static void ngx_k8s_manifests_seed(ngx_k8s_source_t *s, ngx_queue_t *seeds);
static void ngx_k8s_manifests_relist(ngx_k8s_source_t *s, ngx_uint_t kind);
static ngx_uint_t ngx_k8s_manifests_missing(ngx_k8s_source_t *s,
    ngx_uint_t kind);
static void ngx_k8s_manifests_stop(ngx_k8s_source_t *s);
static void ngx_k8s_manifests_work(ngx_event_t *ev);
static ngx_int_t ngx_k8s_manifests_step(ngx_k8s_manifests_t *m);
static void ngx_k8s_manifests_rescan(ngx_event_t *ev);
static void ngx_k8s_manifests_state(ngx_k8s_manifests_t *m);


char *
ngx_k8s_manifests_check(ngx_k8s_source_conf_t *conf, ngx_pool_t *pool)
{
    char         *why;
    u_char       *p;
    size_t        len;
    ngx_err_t     err;
    struct stat   st;

    if (conf->path.len == 0) {
        return "\"source manifests\" needs a folder";
    }

    p = ngx_pnalloc(pool, conf->path.len + 1);
    if (p == NULL) {
        return "no memory";
    }

    ngx_memcpy(p, conf->path.data, conf->path.len);
    p[conf->path.len] = '\0';

    if (stat((char *) p, &st) == -1) {
        err = ngx_errno;

        if (err != NGX_EACCES) {
            /* it may come */
            return NULL;
        }

        why = "cannot be read: let the user of the workers read it";

    } else if (!S_ISDIR(st.st_mode)) {
        why = "is not a folder: name the folder that holds the manifests";

    } else {
        return NULL;
    }

    len = conf->path.len + ngx_strlen(why) + sizeof("the manifests' \"\" ");

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return "no memory";
    }

    (void) ngx_sprintf(p, "manifests \"%V\" %s%Z", &conf->path, why);

    return (char *) p;
}


ngx_k8s_source_t *
ngx_k8s_manifests_start(ngx_k8s_source_conf_t *conf, ngx_k8s_sink_t *sink,
    ngx_log_t *log)
{
    u_char               *p;
    ngx_pool_t           *pool;
    ngx_k8s_manifests_t  *m;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    m = ngx_pcalloc(pool, sizeof(ngx_k8s_manifests_t));
    if (m == NULL) {
        goto failed;
    }

    m->pool = pool;
    m->conf = conf;
    m->sink = sink;
    m->log = log;
    m->fd = NGX_INVALID_FILE;

    ngx_queue_init(&m->waste);

    m->root.data = ngx_pnalloc(pool, conf->path.len + 2);
    if (m->root.data == NULL) {
        goto failed;
    }

    p = ngx_cpymem(m->root.data, conf->path.data, conf->path.len);

    while (p - m->root.data > 1 && p[-1] == '/') {
        p--;
    }

    if (p == m->root.data || p[-1] != '/') {
        *p++ = '/';
    }

    *p = '\0';
    m->root.len = p - m->root.data;

    m->trash = json_array();

    if (m->trash == NULL
        || ngx_array_init(&m->ignored, pool, 8, sizeof(ngx_str_t)) != NGX_OK)
    {
        goto failed;
    }

    ngx_rbtree_init(&m->files, &m->files_sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&m->idents, &m->idents_sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&m->changed);
    ngx_queue_init(&m->reports);
    ngx_queue_init(&m->refeeds);
    ngx_queue_init(&m->gone);
    ngx_queue_init(&m->pending);
    ngx_queue_init(&m->notes);
    ngx_queue_init(&m->seeds);
    ngx_queue_init(&m->owed);
    ngx_queue_init(&m->objects);
    ngx_queue_init(&m->classes);
    ngx_queue_init(&m->ingresses);

    m->source.conf = conf;
    m->source.sink = sink;
    m->source.log = log;
    m->source.data = m;
    m->source.want = ngx_k8s_manifests_want;
    m->source.missing = ngx_k8s_manifests_missing;
    m->source.relist = ngx_k8s_manifests_relist;
    m->source.seed = ngx_k8s_manifests_seed;
    m->source.stop = ngx_k8s_manifests_stop;

    m->work.data = m;
    m->work.log = log;
    m->work.handler = ngx_k8s_manifests_work;
    m->work.cancelable = 1;

    m->rescan.data = m;
    m->rescan.log = log;
    m->rescan.handler = ngx_k8s_manifests_rescan;
    m->rescan.cancelable = 1;

    if (ngx_k8s_manifests_tree_init(m) != NGX_OK) {
        goto failed;
    }

    ngx_k8s_manifests_notify_init(m);

    m->want_walk = 1;
    ngx_k8s_manifests_post(m, 0);

    return &m->source;

failed:

    if (m) {
        json_decref(m->trash);
    }

    ngx_destroy_pool(pool);

    return NULL;
}


static void
ngx_k8s_manifests_seed(ngx_k8s_source_t *s, ngx_queue_t *seeds)
{
    ngx_k8s_manifests_t *m = s->data;

    if (!ngx_queue_empty(seeds)) {
        ngx_queue_add(&m->seeds, seeds);
        ngx_queue_init(seeds);
    }
}


/* all kinds are one list */

static void
ngx_k8s_manifests_relist(ngx_k8s_source_t *s, ngx_uint_t kind)
{
    ngx_k8s_manifests_t *m = s->data;

    if (m->begun) {
        ngx_k8s_manifests_list(m, NGX_K8S_FEED_ABORT);
    }

    m->begun = 0;
    m->synced = 0;

    ngx_k8s_manifests_again(m);
    ngx_k8s_manifests_post(m, NGX_K8S_MANIFESTS_RELIST);
}


/* what is wanted is fed with all the others: how many is not counted */

static ngx_uint_t
ngx_k8s_manifests_missing(ngx_k8s_source_t *s, ngx_uint_t kind)
{
    ngx_k8s_manifests_t *m = s->data;

    return !ngx_queue_empty(&m->objects);
}


static void
ngx_k8s_manifests_stop(ngx_k8s_source_t *s)
{
    ngx_k8s_manifests_t *m = s->data;

    if (m->work.posted) {
        ngx_delete_posted_event(&m->work);
    }

    if (m->work.timer_set) {
        ngx_del_timer(&m->work);
    }

    if (m->rescan.timer_set) {
        ngx_del_timer(&m->rescan);
    }

    ngx_k8s_manifests_notify_done(m);
    ngx_k8s_manifests_tree_done(m);
    ngx_k8s_manifests_files_done(m);
    ngx_k8s_manifests_objects_done(m);

    json_decref(m->trash);

    ngx_destroy_pool(m->pool);
}


static void
ngx_k8s_manifests_work(ngx_event_t *ev)
{
    uint64_t              until;
    ngx_int_t             rc;
    ngx_k8s_manifests_t  *m;

    m = ev->data;

    m->sink->enter(m->sink->data);

    until = ngx_k8s_usec() + NGX_K8S_MANIFESTS_SLICE;

    do {
        rc = ngx_k8s_manifests_step(m);
    } while (rc == NGX_AGAIN && ngx_k8s_usec() < until);

    m->sink->leave(m->sink->data);

    switch (rc) {

    case NGX_AGAIN:
        ngx_k8s_manifests_post(m, 0);
        break;

    case NGX_BUSY:
        ngx_k8s_manifests_post(m, 1);
        break;

    default: /* NGX_OK */

        if (!m->rescan.timer_set) {
            ngx_add_timer(&m->rescan, NGX_K8S_MANIFESTS_RESCAN);
        }
    }
}


/*
 * The next small thing to do: NGX_AGAIN, NGX_OK when there is none, NGX_BUSY
 * when the sink has to work first.  All files are read before any object is
 * fed, so that an object which moves from one to another is never away.
 */

static ngx_int_t
ngx_k8s_manifests_step(ngx_k8s_manifests_t *m)
{
    size_t  budget;

    if (!ngx_queue_empty(&m->seeds)) {
        ngx_k8s_manifests_seed_step(m);
        return NGX_AGAIN;
    }

    if (json_array_size(m->trash)) {
        budget = NGX_K8S_MANIFEST_TREE;
        (void) ngx_k8s_json_freed(m->trash, &budget);
        return NGX_AGAIN;
    }

    if (!ngx_queue_empty(&m->waste)) {
        ngx_k8s_manifest_waste_step(m);
        return NGX_AGAIN;
    }

    if (m->want_walk) {
        ngx_k8s_manifests_walk_begin(m);
        return NGX_AGAIN;
    }

    if (m->walking) {
        (void) ngx_k8s_manifests_walk_step(m);
        return NGX_AGAIN;
    }

    if (!ngx_queue_empty(&m->gone)) {
        ngx_k8s_manifest_gone_step(m);
        return NGX_AGAIN;
    }

    if (m->reading || !ngx_queue_empty(&m->changed)) {
        ngx_k8s_manifest_step(m);
        return NGX_AGAIN;
    }

    if (m->missing && !m->synced) {
        ngx_k8s_manifests_state(m);
        return NGX_OK;
    }

    if (!m->begun) {
        m->begun = 1;
        ngx_k8s_manifests_list(m, NGX_K8S_FEED_BEGIN);
        return NGX_AGAIN;
    }

    if (!ngx_queue_empty(&m->refeeds)) {
        ngx_k8s_manifests_refeed_step(m);
        return NGX_AGAIN;
    }

    if (m->relist) {
        ngx_k8s_manifests_again_step(m);
        return NGX_AGAIN;
    }

    if (m->reclass || m->class_next || m->ingress_next) {
        ngx_k8s_manifests_default_step(m);
        return NGX_AGAIN;
    }

    if (!ngx_queue_empty(&m->objects)) {

        if (m->sink->backlog(m->sink->data) > NGX_K8S_MANIFESTS_BACKLOG) {
            return NGX_BUSY;
        }

        ngx_k8s_manifests_object_step(m);
        return NGX_AGAIN;
    }

    if (!ngx_queue_empty(&m->reports)) {
        ngx_k8s_manifest_report_step(m);
        return NGX_AGAIN;
    }

    if (ngx_k8s_manifests_owes(m)) {
        ngx_k8s_manifests_owed_step(m);
        return NGX_AGAIN;
    }

    if (!m->synced) {
        m->synced = 1;
        ngx_k8s_manifests_list(m, NGX_K8S_FEED_END);
        ngx_k8s_manifests_state(m);
    }

    return NGX_OK;
}


/*
 * What inotify does not tell of is looked for by a timer: links can lead
 * through others that are swapped elsewhere, above the folder as well, while
 * all that is watched is still there.
 */

static void
ngx_k8s_manifests_rescan(ngx_event_t *ev)
{
    ngx_k8s_manifests_t  *m;

    m = ev->data;

    if (m->again || m->missing || m->polling || m->partial || m->links
        || ngx_k8s_manifests_moved(m))
    {
        m->again = 0;
        m->want_walk = 1;
        ngx_k8s_manifests_post(m, 0);

    } else {
        ngx_add_timer(ev, NGX_K8S_MANIFESTS_RESCAN);
    }
}


static void
ngx_k8s_manifests_state(ngx_k8s_manifests_t *m)
{
    ngx_uint_t              kind;
    ngx_k8s_source_state_t  state;

    ngx_memzero(&state, sizeof(ngx_k8s_source_state_t));

    state.state = m->synced ? NGX_K8S_SYNC_LISTED : NGX_K8S_SYNC_WAITING;
    state.connected = m->synced;
    state.lists = m->synced;

    if (!m->synced) {
        ngx_str_set(&state.reason, "the manifests' folder cannot be read");
    }

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {
        m->sink->state(m->sink->data, kind, &state);
    }
}
