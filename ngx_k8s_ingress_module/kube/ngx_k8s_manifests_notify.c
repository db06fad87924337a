
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What inotify says of the folder of manifests.  A closed or renamed file is
 * looked at by itself; all else (folders, links, lost events) has the folder
 * walked anew.  The folder's parent is watched too: the folder may be missing,
 * or replaced.  Without inotify, and where there are links, a timer walks.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/inotify.h>
#include <ngx_k8s_manifests.h>


#define NGX_K8S_NOTIFY_BUFFER    8192
#define NGX_K8S_NOTIFY_DELAY     3      /* ms: what comes together is one */

#define NGX_K8S_NOTIFY_DIR                                                    \
    (IN_CREATE|IN_CLOSE_WRITE|IN_MODIFY|IN_ATTRIB|IN_MOVED_FROM|IN_MOVED_TO   \
     |IN_DELETE|IN_DELETE_SELF|IN_MOVE_SELF|IN_ONLYDIR)

#define NGX_K8S_NOTIFY_LINK                                                   \
    (IN_CLOSE_WRITE|IN_ATTRIB|IN_DELETE_SELF|IN_MOVE_SELF)

#define NGX_K8S_NOTIFY_PARENT                                                 \
    (IN_CREATE|IN_MOVED_FROM|IN_MOVED_TO|IN_DELETE|IN_ONLYDIR|IN_MASK_ADD)


static void ngx_k8s_notify_parent(ngx_k8s_manifests_t *m);
static void ngx_k8s_notify_handler(ngx_event_t *rev);
static void ngx_k8s_notify_event(ngx_k8s_manifests_t *m,
    struct inotify_event *e);
static void ngx_k8s_notify_file(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_watch_t *w, struct inotify_event *e, size_t len);
static void ngx_k8s_notify_failed(ngx_k8s_manifests_t *m, ngx_err_t err,
    char *call);
static void ngx_k8s_notify_forget(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_watch_t *w);


void
ngx_k8s_manifests_notify_init(ngx_k8s_manifests_t *m)
{
    ngx_fd_t           fd;
    ngx_connection_t  *c;

    ngx_rbtree_init(&m->watches, &m->watches_sentinel,
                    ngx_rbtree_insert_value);

    m->parent = -1;

    fd = inotify_init1(IN_NONBLOCK|IN_CLOEXEC);

    if (fd == -1) {
        ngx_k8s_notify_failed(m, ngx_errno, "inotify_init1()");
        return;
    }

    c = ngx_get_connection(fd, m->log);

    if (c == NULL) {
        (void) close(fd);
        ngx_k8s_notify_failed(m, 0, "ngx_get_connection()");
        return;
    }

    /* idle: its handler is called when the worker is told to exit */

    c->idle = 1;
    c->data = m;
    c->log = m->log;
    c->read->log = m->log;
    c->write->log = m->log;
    c->read->handler = ngx_k8s_notify_handler;

    m->connection = c;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_k8s_manifests_notify_done(m);
        ngx_k8s_notify_failed(m, 0, "ngx_handle_read_event()");
        return;
    }

    ngx_k8s_notify_parent(m);
}


/* takes the kernel's watches with it */

void
ngx_k8s_manifests_notify_done(ngx_k8s_manifests_t *m)
{
    if (m->connection) {
        ngx_close_connection(m->connection);
        m->connection = NULL;
    }

    m->parent = -1;

    while (m->watches.root != m->watches.sentinel) {
        ngx_k8s_notify_forget(m, (ngx_k8s_manifest_watch_t *)
                                     m->watches.root);
    }
}


static void
ngx_k8s_notify_parent(ngx_k8s_manifests_t *m)
{
    u_char  *p, full[NGX_MAX_PATH];

    if (m->root.len >= sizeof(full)) {
        return;
    }

    /* "/a/b/" to "/a/"; the parent of "/" is itself */

    p = ngx_cpymem(full, m->root.data, m->root.len - 1);

    while (p > full && p[-1] != '/') {
        p--;
    }

    if (p == full) {
        p = ngx_cpymem(full, "./", 2);
    }

    *p = '\0';

    m->parent = inotify_add_watch(m->connection->fd, (char *) full,
                                  NGX_K8S_NOTIFY_PARENT);
}


/* watches a directory, or a link's target; counts it as seen by this walk */

void
ngx_k8s_manifests_watch(ngx_k8s_manifests_t *m, u_char *full, ngx_str_t *path,
    ngx_uint_t link)
{
    int                        wd;
    ngx_err_t                  err;
    ngx_rbtree_node_t         *node;
    ngx_k8s_manifest_watch_t  *w;

    if (m->connection == NULL) {
        return;
    }

    if (path->len == 0 && m->parent == -1) {
        ngx_k8s_notify_parent(m);
    }

    wd = inotify_add_watch(m->connection->fd, (char *) full,
                           (link ? NGX_K8S_NOTIFY_LINK : NGX_K8S_NOTIFY_DIR)
                           |IN_MASK_ADD);

    if (wd == -1) {
        err = ngx_errno;

        if (err == NGX_ENOSPC || err == NGX_ENOMEM) {
            ngx_k8s_notify_failed(m, err, "inotify_add_watch()");
        }

        return;
    }

    node = m->watches.root;

    while (node != m->watches.sentinel && node->key != (ngx_rbtree_key_t) wd) {
        node = ((ngx_rbtree_key_t) wd < node->key) ? node->left : node->right;
    }

    if (node != m->watches.sentinel) {
        w = (ngx_k8s_manifest_watch_t *) node;

        if (w->path.len != path->len
            || ngx_memcmp(w->path.data, path->data, path->len) != 0)
        {
            w->shared = 1;
        }

        w->seen = m->walk;

        return;
    }

    w = ngx_calloc(sizeof(ngx_k8s_manifest_watch_t) + path->len, m->log);

    if (w == NULL) {
        ngx_k8s_notify_failed(m, 0, "ngx_calloc()");
        return;
    }

    w->node.key = wd;
    w->seen = m->walk;
    w->link = link;
    w->path.len = path->len;
    w->path.data = (u_char *) w + sizeof(ngx_k8s_manifest_watch_t);
    ngx_memcpy(w->path.data, path->data, path->len);

    ngx_rbtree_insert(&m->watches, &w->node);
}


/* ends watches of what the walk has not met */

void
ngx_k8s_manifests_watch_sweep(ngx_k8s_manifests_t *m)
{
    ngx_rbtree_node_t         *node, *next;
    ngx_k8s_manifest_watch_t  *w;

    if (m->connection == NULL || m->watches.root == m->watches.sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(m->watches.root, m->watches.sentinel);
         node;
         node = next)
    {
        next = ngx_rbtree_next(&m->watches, node);
        w = (ngx_k8s_manifest_watch_t *) node;

        if (w->seen == m->walk) {
            continue;
        }

        if (m->parent != (ngx_int_t) w->node.key) {
            (void) inotify_rm_watch(m->connection->fd, w->node.key);
        }

        ngx_k8s_notify_forget(m, w);
    }
}


static void
ngx_k8s_notify_handler(ngx_event_t *rev)
{
    u_char                *p;
    ssize_t                n;
    ngx_connection_t      *c;
    ngx_k8s_manifests_t   *m;
    struct inotify_event  *e;
    u_char                 buf[NGX_K8S_NOTIFY_BUFFER]
                               __attribute__((aligned(8)));

    c = rev->data;
    m = c->data;

    if (c->close) {
        /* the worker is exiting: nothing is followed any more */
        ngx_k8s_manifests_notify_done(m);
        return;
    }

    for ( ;; ) {

        n = read(c->fd, buf, sizeof(buf));

        if (n <= 0) {
            break;
        }

        for (p = buf; p < buf + n; p += sizeof(struct inotify_event) + e->len)
        {
            e = (struct inotify_event *) p;
            ngx_k8s_notify_event(m, e);
        }
    }

    rev->ready = 0;

    if (n == -1 && ngx_errno != NGX_EAGAIN && ngx_errno != NGX_EINTR) {
        ngx_k8s_notify_failed(m, ngx_errno, "read() of inotify");
        ngx_k8s_manifests_notify_done(m);
        m->want_walk = 1;

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_k8s_notify_failed(m, 0, "ngx_handle_read_event()");
        ngx_k8s_manifests_notify_done(m);
        m->want_walk = 1;
    }

    if (m->want_walk || !ngx_queue_empty(&m->changed)) {
        ngx_k8s_manifests_post(m, NGX_K8S_NOTIFY_DELAY);
    }
}


static void
ngx_k8s_notify_event(ngx_k8s_manifests_t *m, struct inotify_event *e)
{
    size_t                     len;
    u_char                    *last;
    ngx_rbtree_node_t         *node;
    ngx_k8s_manifest_watch_t  *w;

    len = e->len ? ngx_strlen(e->name) : 0;

    if (e->mask & IN_Q_OVERFLOW) {
        m->want_walk = 1;
        return;
    }

    if (e->wd == m->parent) {

        if (e->mask & IN_IGNORED) {
            m->parent = -1;
            m->want_walk = 1;
        }

        /* of the parent's names only the folder's own matters */

        last = m->root.data + m->root.len - 1;

        if (len && (size_t) (last - m->root.data) >= len
            && ngx_memcmp(last - len, e->name, len) == 0
            && ((size_t) (last - m->root.data) == len
                || *(last - len - 1) == '/'))
        {
            m->want_walk = 1;
        }
    }

    node = m->watches.root;

    while (node != m->watches.sentinel
           && node->key != (ngx_rbtree_key_t) e->wd)
    {
        node = ((ngx_rbtree_key_t) e->wd < node->key) ? node->left
                                                      : node->right;
    }

    if (node == m->watches.sentinel) {
        return;
    }

    w = (ngx_k8s_manifest_watch_t *) node;

    if (e->mask & IN_IGNORED) {
        ngx_k8s_notify_forget(m, w);
        m->want_walk = 1;
        return;
    }

    if (len && e->name[0] == '.' && (e->mask & IN_ISDIR)) {
        return;
    }

    if (w->link || w->shared || (e->mask & IN_ISDIR) || len == 0) {
        m->want_walk = 1;
        return;
    }

    ngx_k8s_notify_file(m, w, e, len);
}


/* something about a name in a directory that is no directory itself */

static void
ngx_k8s_notify_file(ngx_k8s_manifests_t *m, ngx_k8s_manifest_watch_t *w,
    struct inotify_event *e, size_t len)
{
    u_char               full[NGX_MAX_PATH], *p;
    ngx_str_t            path;
    struct stat          st;
    ngx_k8s_manifest_t  *file;

    if (!ngx_k8s_manifest_is((u_char *) e->name, len)) {

        /* "..data" of a ConfigMap, or a link to a folder, but no file */

        if (e->mask & (IN_CREATE|IN_MOVED_FROM|IN_MOVED_TO|IN_DELETE)
            && (e->name[0] != '.' || ngx_strcmp(e->name, "..data") == 0))
        {
            m->want_walk = 1;
        }

        return;
    }

    if (m->root.len + w->path.len + len >= sizeof(full)) {
        return;
    }

    p = ngx_sprintf(full, "%V%V%s", &m->root, &w->path, e->name);
    *p = '\0';

    path.data = full + m->root.len;
    path.len = p - path.data;

    if (lstat((char *) full, &st) == -1) {

        file = ngx_k8s_manifest_file(m, &path, 0);

        if (file) {
            file->writing = 0;
            ngx_k8s_manifest_changed(m, file);
        }

        return;
    }

    if (!S_ISREG(st.st_mode)) {
        m->want_walk = 1;
        return;
    }

    file = ngx_k8s_manifest_file(m, &path, 1);

    if (file == NULL) {
        m->want_walk = 1;
        return;
    }

    if (e->mask & IN_MODIFY
        || (e->mask & IN_CREATE && st.st_nlink == 1))
    {
        /* its writer has not closed it */

        file->writing = ngx_current_msec | 1;
        file->force = 1;
        m->again = 1;

        return;
    }

    if (e->mask & (IN_CLOSE_WRITE|IN_MOVED_TO|IN_CREATE)) {
        file->writing = 0;
        file->force = 1;
    }

    ngx_k8s_manifest_changed(m, file);
}


static void
ngx_k8s_notify_failed(ngx_k8s_manifests_t *m, ngx_err_t err, char *call)
{
    char  *remedy;

    if (!m->polling) {
        m->polling = 1;

        remedy = "";

        if (err == NGX_ENOSPC) {
            remedy = "; raise fs.inotify.max_user_watches";

        } else if (err == NGX_EMFILE) {
            remedy = "; raise fs.inotify.max_user_instances";
        }

        ngx_log_error(NGX_LOG_WARN, m->log, err,
                      "manifests \"%V\": %s failed, the folder is walked "
                      "twice a second instead%s", &m->root, call, remedy);
    }
}


static void
ngx_k8s_notify_forget(ngx_k8s_manifests_t *m, ngx_k8s_manifest_watch_t *w)
{
    ngx_rbtree_delete(&m->watches, &w->node);
    ngx_free(w);
}
