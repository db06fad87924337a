
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The walk through the folder of manifests: which files there are, and which
 * of them look changed.  One directory entry or so in a step.  Names that
 * begin with a dot are left out, as of ConfigMap mounts, where the files are
 * links through one of them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_manifests.h>


#define NGX_K8S_TREE_DEPTH    32
#define NGX_K8S_TREE_ENTRIES  32


static ngx_k8s_manifest_dir_t *ngx_k8s_tree_dir(ngx_k8s_manifests_t *m,
    ngx_str_t *path, ngx_uint_t depth);
static void ngx_k8s_tree_open(ngx_k8s_manifests_t *m);
static void ngx_k8s_tree_failed(ngx_k8s_manifests_t *m, ngx_err_t err);
static void ngx_k8s_tree_entry(ngx_k8s_manifests_t *m, struct dirent *de);
static void ngx_k8s_tree_file(ngx_k8s_manifests_t *m, ngx_str_t *path,
    struct stat *st);
static void ngx_k8s_tree_close(ngx_k8s_manifests_t *m);
static void ngx_k8s_tree_clear(ngx_queue_t *dirs);
static void ngx_k8s_tree_sweep(ngx_k8s_manifests_t *m);


ngx_int_t
ngx_k8s_manifests_tree_init(ngx_k8s_manifests_t *m)
{
    ngx_queue_init(&m->dirs);
    ngx_queue_init(&m->visited);

    return NGX_OK;
}


void
ngx_k8s_manifests_tree_done(ngx_k8s_manifests_t *m)
{
    ngx_k8s_tree_close(m);
    ngx_k8s_tree_clear(&m->dirs);
    ngx_k8s_tree_clear(&m->visited);
}


ngx_uint_t
ngx_k8s_manifests_moved(ngx_k8s_manifests_t *m)
{
    struct stat  st;

    return stat((char *) m->root.data, &st) == -1
           || st.st_dev != m->dev || st.st_ino != m->ino;
}


/* a walk that was under way begins anew */

void
ngx_k8s_manifests_walk_begin(ngx_k8s_manifests_t *m)
{
    ngx_str_t                path;
    ngx_k8s_manifest_dir_t  *dir;

    ngx_k8s_manifests_tree_done(m);

    m->want_walk = 0;
    m->walking = 1;
    m->partial = 0;
    m->links = 0;
    m->walk++;

    ngx_str_set(&path, "");

    dir = ngx_k8s_tree_dir(m, &path, 0);

    if (dir == NULL) {
        m->partial = 1;
        return;
    }

    ngx_queue_insert_tail(&m->dirs, &dir->queue);
}


/* NGX_OK: the walk is over, NGX_AGAIN */

ngx_int_t
ngx_k8s_manifests_walk_step(ngx_k8s_manifests_t *m)
{
    ngx_uint_t      n;
    ngx_queue_t    *q;
    struct dirent  *de;

    if (m->dir == NULL) {

        if (ngx_queue_empty(&m->dirs)) {
            m->walking = 0;
            ngx_k8s_tree_sweep(m);
            ngx_k8s_manifests_tree_done(m);

            return NGX_OK;
        }

        q = ngx_queue_head(&m->dirs);
        ngx_queue_remove(q);

        m->current = ngx_queue_data(q, ngx_k8s_manifest_dir_t, queue);

        ngx_k8s_tree_open(m);

        return NGX_AGAIN;
    }

    for (n = 0; n < NGX_K8S_TREE_ENTRIES; n++) {

        ngx_set_errno(0);
        de = readdir(m->dir);

        if (de == NULL) {

            if (ngx_errno) {
                m->partial = 1;
            }

            ngx_k8s_tree_close(m);

            break;
        }

        if (de->d_name[0] != '.') {
            ngx_k8s_tree_entry(m, de);
        }
    }

    return NGX_AGAIN;
}


static ngx_k8s_manifest_dir_t *
ngx_k8s_tree_dir(ngx_k8s_manifests_t *m, ngx_str_t *path, ngx_uint_t depth)
{
    ngx_k8s_manifest_dir_t  *dir;

    dir = ngx_calloc(sizeof(ngx_k8s_manifest_dir_t) + path->len + 1, m->log);
    if (dir == NULL) {
        return NULL;
    }

    dir->depth = depth;
    dir->path.data = (u_char *) dir + sizeof(ngx_k8s_manifest_dir_t);
    dir->path.len = path->len;
    ngx_memcpy(dir->path.data, path->data, path->len);

    return dir;
}


static void
ngx_k8s_tree_open(ngx_k8s_manifests_t *m)
{
    int                      fd;
    u_char                   full[NGX_MAX_PATH];
    ngx_queue_t             *q;
    struct stat              st;
    ngx_k8s_manifest_dir_t  *dir, *other;

    dir = m->current;

    if (m->root.len + dir->path.len >= sizeof(full)) {
        ngx_k8s_tree_failed(m, ENAMETOOLONG);
        return;
    }

    (void) ngx_sprintf(full, "%V%V%Z", &m->root, &dir->path);

    /* watched first, so that nothing falls between */

    ngx_k8s_manifests_watch(m, full, &dir->path, 0);

    fd = open((char *) full, O_RDONLY|O_DIRECTORY|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1 || fstat(fd, &st) == -1) {
        ngx_k8s_tree_failed(m, ngx_errno);

        if (fd != -1) {
            (void) close(fd);
        }

        return;
    }

    /* a link can lead to where the walk has been */

    for (q = ngx_queue_head(&m->visited);
         q != ngx_queue_sentinel(&m->visited);
         q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_k8s_manifest_dir_t, queue);

        if (other->dev == st.st_dev && other->ino == st.st_ino) {
            (void) close(fd);
            ngx_k8s_tree_close(m);
            return;
        }
    }

    dir->dev = st.st_dev;
    dir->ino = st.st_ino;

    if (dir->path.len == 0) {
        m->dev = st.st_dev;
        m->ino = st.st_ino;
    }

    m->dir = fdopendir(fd);

    if (m->dir == NULL) {
        ngx_k8s_tree_failed(m, ngx_errno);
        (void) close(fd);
        return;
    }

    if (m->missing && dir->path.len == 0) {
        m->missing = 0;

        ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                      "manifests \"%V\": the folder is there", &m->root);

        m->sink->problem(m->sink->data, "File", &m->root, -1, NULL);
    }
}


static void
ngx_k8s_tree_failed(ngx_k8s_manifests_t *m, ngx_err_t err)
{
    u_char                  *p, buf[256];
    ngx_str_t                s;
    ngx_k8s_manifest_dir_t  *dir;

    dir = m->current;

    if (dir->path.len && (err == NGX_ENOENT || err == NGX_ENOTDIR)) {

        /* gone since its name was read: its files go */

        ngx_k8s_tree_close(m);
        return;
    }

    /* nothing is taken as gone that could not be looked at */

    m->partial = 1;

    if (dir->path.len) {

        if (!m->unreadable) {
            m->unreadable = 1;

            ngx_log_error(NGX_LOG_WARN, m->log, err,
                          "manifests \"%V\": folder \"%V\" cannot be read, "
                          "what was read of it before stays in force",
                          &m->root, &dir->path);
        }

    } else if (!m->missing) {

        m->missing = 1;

        ngx_log_error(NGX_LOG_WARN, m->log, err,
                      "manifests \"%V\": the folder cannot be read, waiting "
                      "for it%s", &m->root,
                      m->synced ? "; what was read before stays in force"
                                : "");

        p = ngx_cpymem(buf, "the folder cannot be read: ",
                       sizeof("the folder cannot be read: ") - 1);
        p = ngx_strerror(err, p, buf + sizeof(buf) - p);

        s.data = buf;
        s.len = p - buf;

        m->sink->problem(m->sink->data, "File", &m->root,
                         NGX_K8S_PROBLEM_FILE_INVALID, &s);
    }

    ngx_k8s_tree_close(m);
}


static void
ngx_k8s_tree_entry(ngx_k8s_manifests_t *m, struct dirent *de)
{
    u_char                   full[NGX_MAX_PATH], *p;
    size_t                   len;
    ngx_str_t                path;
    ngx_uint_t               link;
    struct stat              st;
    ngx_k8s_manifest_dir_t  *dir;

    len = ngx_strlen(de->d_name);

    /* neither a manifest, nor something to walk into? */

    if (de->d_type == DT_REG && !ngx_k8s_manifest_is((u_char *) de->d_name,
                                                     len))
    {
        return;
    }

    if (m->root.len + m->current->path.len + len + 1 >= sizeof(full)) {
        return;
    }

    p = ngx_sprintf(full, "%V%V%s", &m->root, &m->current->path, de->d_name);
    *p = '\0';

    path.data = full + m->root.len;
    path.len = p - path.data;

    if (fstatat(dirfd(m->dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
        return;
    }

    link = S_ISLNK(st.st_mode);
    m->links |= link;

    if (link && stat((char *) full, &st) == -1) {
        /* a broken one: as if it was not there */
        return;
    }

    if (S_ISDIR(st.st_mode)) {

        if (m->current->depth == NGX_K8S_TREE_DEPTH) {
            return;
        }

        *p++ = '/';
        path.len++;

        dir = ngx_k8s_tree_dir(m, &path, m->current->depth + 1);

        if (dir == NULL) {
            m->partial = 1;

        } else if (link) {
            /* files are known by their own folders' names rather */
            ngx_queue_insert_tail(&m->dirs, &dir->queue);

        } else {
            ngx_queue_insert_head(&m->dirs, &dir->queue);
        }

        return;
    }

    if (!S_ISREG(st.st_mode)
        || !ngx_k8s_manifest_is((u_char *) de->d_name, len))
    {
        return;
    }

    if (link) {
        ngx_k8s_manifests_watch(m, full, &path, 1);
    }

    ngx_k8s_tree_file(m, &path, &st);
}


static void
ngx_k8s_tree_file(ngx_k8s_manifests_t *m, ngx_str_t *path, struct stat *st)
{
    ngx_k8s_manifest_t  *file;

    file = ngx_k8s_manifest_file(m, path, 1);

    if (file == NULL) {
        m->partial = 1;
        return;
    }

    file->seen = m->walk;

    if (file->changed || file == m->reading) {
        return;
    }

    if (file->force || !ngx_k8s_manifest_same(file, st)) {
        ngx_k8s_manifest_changed(m, file);
    }
}


/* ends the directory that is being read */

static void
ngx_k8s_tree_close(ngx_k8s_manifests_t *m)
{
    if (m->dir) {
        (void) closedir(m->dir);
        m->dir = NULL;
    }

    if (m->current) {
        ngx_queue_insert_tail(&m->visited, &m->current->queue);
        m->current = NULL;
    }
}


static void
ngx_k8s_tree_clear(ngx_queue_t *dirs)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(dirs)) {
        q = ngx_queue_head(dirs);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_k8s_manifest_dir_t, queue));
    }
}


/* files that the walk has not met are gone, if it has seen everything */

static void
ngx_k8s_tree_sweep(ngx_k8s_manifests_t *m)
{
    ngx_rbtree_node_t   *node, *next;
    ngx_k8s_manifest_t  *file;

    if (m->partial) {
        return;
    }

    m->unreadable = 0;

    ngx_k8s_manifests_watch_sweep(m);

    if (m->files.root == m->files.sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(m->files.root, m->files.sentinel);
         node;
         node = next)
    {
        next = ngx_rbtree_next(&m->files, node);
        file = (ngx_k8s_manifest_t *) node;

        if (file->seen != m->walk) {
            ngx_k8s_manifest_gone(m, file);
        }
    }
}
