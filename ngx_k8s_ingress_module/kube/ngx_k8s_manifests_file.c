
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Files of manifests: read when they have changed, a few nodes at a time.
 * One that cannot be read or parsed keeps what it said before.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_manifests.h>


static void ngx_k8s_manifest_stop(ngx_k8s_manifests_t *m);
static ngx_int_t ngx_k8s_manifest_open(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
static ngx_int_t ngx_k8s_manifest_begin(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file, ngx_fd_t fd, struct stat *st);
static void ngx_k8s_manifest_read(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
static void ngx_k8s_manifest_parse(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
static void ngx_k8s_manifest_memory(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
static void ngx_k8s_manifest_close(ngx_k8s_manifests_t *m, ngx_fd_t fd);
static void ngx_k8s_manifest_discard(ngx_k8s_manifests_t *m);
static void ngx_k8s_manifest_free(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
static void ngx_k8s_manifest_notes(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
static void ngx_k8s_manifest_unread(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file, ngx_uint_t n);
static void ngx_k8s_manifest_notes_free(ngx_queue_t *notes);
static void ngx_k8s_manifest_tell(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file, ngx_uint_t code, ngx_str_t *message);
static void ngx_k8s_manifest_tell_rival(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file, ngx_k8s_manifest_claim_t *claim);
static void ngx_k8s_manifest_error(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file, ngx_err_t err, const char *fmt, ...);


ngx_uint_t
ngx_k8s_manifest_is(u_char *name, size_t len)
{
    if (len == 0 || name[0] == '.') {
        return 0;
    }

    return (len > 5 && (ngx_strncmp(name + len - 5, ".yaml", 5) == 0
                        || ngx_strncmp(name + len - 5, ".json", 5) == 0))
           || (len > 4 && ngx_strncmp(name + len - 4, ".yml", 4) == 0);
}


void
ngx_k8s_manifest_changed(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    if (!file->changed && file != m->reading) {
        file->changed = 1;
        ngx_queue_insert_tail(&m->changed, &file->queue);
        return;
    }

    /* what is being read is an older version: once more */

    if (file == m->reading && !file->changed) {

        if (!m->committing) {
            ngx_k8s_manifest_stop(m);
        }

        file->force = 1;
        file->changed = 1;
        ngx_queue_insert_tail(&m->changed, &file->queue);
    }
}


/* the file is not there any more: so are its objects, and so it is */

void
ngx_k8s_manifest_gone(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    if (file == m->reading) {
        ngx_k8s_manifest_stop(m);
    }

    if (file->changed) {
        ngx_queue_remove(&file->queue);
    }

    if (file->report) {
        ngx_queue_remove(&file->reports);
    }

    ngx_rbtree_delete(&m->files, &file->sn.node);
    ngx_queue_insert_tail(&m->gone, &file->queue);
}


/* some objects of the first one that has gone, and then all else of it */

void
ngx_k8s_manifest_gone_step(ngx_k8s_manifests_t *m)
{
    ngx_queue_t         *q;
    ngx_k8s_manifest_t  *file;

    q = ngx_queue_head(&m->gone);
    file = ngx_queue_data(q, ngx_k8s_manifest_t, queue);

    if (ngx_k8s_manifests_withdraw(m, file) != NGX_OK) {
        return;
    }

    ngx_k8s_manifest_unread(m, file, 0);

    m->sink->problem(m->sink->data, "File", &file->sn.str, -1, NULL);

    ngx_queue_remove(q);
    ngx_k8s_manifest_free(m, file);
}


static void
ngx_k8s_manifest_free(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    ngx_k8s_manifest_notes_free(&file->notes);

    m->nunread -= file->nmaps;

    if (file->error) {
        ngx_free(file->error);
        m->nunread--;
    }

    ngx_free(file);
}


/* begins with a changed file, or goes on with the one being read */

void
ngx_k8s_manifest_step(ngx_k8s_manifests_t *m)
{
    json_t              *json;
    ngx_int_t            rc;
    ngx_queue_t         *q;
    ngx_k8s_manifest_t  *file;

    file = m->reading;

    if (file == NULL) {
        q = ngx_queue_head(&m->changed);
        file = ngx_queue_data(q, ngx_k8s_manifest_t, queue);

        ngx_queue_remove(q);
        file->changed = 0;

        if (ngx_k8s_manifest_open(m, file) != NGX_OK) {
            return;
        }
    }

    if (m->yaml == NULL) {

        if (m->fd != NGX_INVALID_FILE) {
            ngx_k8s_manifest_read(m, file);

        } else {
            ngx_k8s_manifest_parse(m, file);
        }

        return;
    }

    if (m->committing) {
        rc = NGX_DONE;

    } else if (m->claim) {
        rc = ngx_k8s_manifests_write(m);

    } else {
        json = NULL;

        rc = m->nlists ? NGX_OK
                       : ngx_k8s_yaml_next(m->yaml, NGX_K8S_MANIFEST_NODES,
                                           &json);
        if (rc == NGX_OK) {
            rc = ngx_k8s_manifests_document(m, json);
        }
    }

    switch (rc) {

    case NGX_OK:
    case NGX_AGAIN:
        return;

    case NGX_DONE:

        if (ngx_k8s_manifests_commit(m, file) != NGX_OK) {
            return;
        }

        ngx_k8s_manifest_notes(m, file);

        ngx_memcpy(file->digest, m->digest, 16);
        file->read = 1;

        if (file->error) {
            ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                          "manifests \"%V\": file \"%V\" is good again",
                          &m->root, &file->sn.str);
            ngx_free(file->error);
            file->error = NULL;
            m->nunread--;
        }

        ngx_k8s_manifest_report(m, file);
        break;

    case NGX_DECLINED:
        ngx_memcpy(file->digest, m->digest, 16);
        file->read = 1;

        ngx_k8s_manifest_error(m, file, 0, "%V", ngx_k8s_yaml_error(m->yaml));
        break;

    default: /* NGX_ERROR */
        ngx_k8s_manifest_error(m, file, 0, "there is no memory to read it");
        file->force = 1;
    }

    ngx_k8s_manifest_stop(m);
}


/* NGX_OK: the new content is being read; NGX_DECLINED: there is none */

static ngx_int_t
ngx_k8s_manifest_open(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    u_char       full[NGX_MAX_PATH];
    ngx_fd_t     fd;
    ngx_err_t    err;
    ngx_int_t    rc;
    struct stat  st;

    if (file->writing
        && (ngx_msec_int_t) (ngx_current_msec - file->writing)
           < NGX_K8S_MANIFEST_WRITING)
    {
        /* its close comes, or the timer looks again */

        m->again = 1;
        file->force = 1;

        return NGX_DECLINED;
    }

    file->writing = 0;

    if (m->root.len + file->sn.str.len >= sizeof(full)) {
        ngx_k8s_manifest_error(m, file, 0, "its path is too long");
        return NGX_DECLINED;
    }

    (void) ngx_sprintf(full, "%V%V%Z", &m->root, &file->sn.str);

    fd = open((char *) full, O_RDONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC);

    if (fd == -1) {
        err = ngx_errno;

        if (err == NGX_ENOENT || err == NGX_ENOTDIR || err == NGX_ELOOP) {

            if (m->missing || access((char *) m->root.data, F_OK) == -1) {
                /* all of the folder has gone: the walk deals with it */
                m->want_walk = 1;
                return NGX_DECLINED;
            }

            ngx_k8s_manifest_gone(m, file);
            return NGX_DECLINED;
        }

        ngx_k8s_manifest_error(m, file, err, "it cannot be opened");
        return NGX_DECLINED;
    }

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        ngx_k8s_manifest_error(m, file, 0, "it is no regular file");
        rc = NGX_DECLINED;

    } else {
        rc = ngx_k8s_manifest_begin(m, file, fd, &st);
    }

    if (rc != NGX_OK) {
        ngx_k8s_manifest_close(m, fd);
    }

    return rc;
}


static ngx_int_t
ngx_k8s_manifest_begin(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file,
    ngx_fd_t fd, struct stat *st)
{
    if (!file->force && ngx_k8s_manifest_same(file, st)) {
        return NGX_DECLINED;
    }

    file->force = 0;
    file->dev = st->st_dev;
    file->ino = st->st_ino;
    file->size = st->st_size;
    file->mtime = st->st_mtim;
    file->ctime = st->st_ctim;

    if (st->st_size > NGX_K8S_MANIFEST_MAX) {
        ngx_k8s_manifest_error(m, file, 0, "it has more than %uz bytes",
                               (size_t) NGX_K8S_MANIFEST_MAX);
        return NGX_DECLINED;
    }

    m->size = st->st_size;
    m->len = 0;

    m->text = ngx_alloc(m->size + 1, m->log);
    if (m->text == NULL) {
        ngx_k8s_manifest_memory(m, file);
        return NGX_DECLINED;
    }

    ngx_md5_init(&m->md5);

    m->fd = fd;
    m->reading = file;
    m->documents = 0;
    m->places = 0;

    return NGX_OK;
}


/* a piece of the file */

static void
ngx_k8s_manifest_read(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    size_t   size;
    ssize_t  n;

    size = ngx_min(m->size - m->len, NGX_K8S_MANIFEST_BYTES);

    n = size ? read(m->fd, m->text + m->len, size) : 0;

    if (n == -1 && ngx_errno == NGX_EINTR) {
        return;
    }

    if (n == -1) {
        ngx_k8s_manifest_error(m, file, ngx_errno, "it cannot be read");
        ngx_k8s_manifest_stop(m);
        return;
    }

    ngx_md5_update(&m->md5, m->text + m->len, n);

    m->len += n;

    if (n && m->len < m->size) {
        return;
    }

    /* all of it is there */

    ngx_k8s_manifest_close(m, m->fd);
    m->fd = NGX_INVALID_FILE;

    ngx_md5_final(m->digest, &m->md5);

    if (file->read && ngx_memcmp(m->digest, file->digest, 16) == 0) {
        ngx_k8s_manifest_stop(m);
        return;
    }

    ngx_k8s_yaml_decode_begin(&m->decode, m->text, m->len);
}


/* a piece is decoded; then it is read as what it is */

static void
ngx_k8s_manifest_parse(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    ngx_int_t   rc;
    ngx_uint_t  json;

    rc = ngx_k8s_yaml_decode_run(&m->decode, &m->text, &m->len,
                                 NGX_K8S_MANIFEST_BYTES, m->log);
    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_OK) {
        json = (file->sn.str.data[file->sn.str.len - 1] == 'n');

        m->yaml = ngx_k8s_yaml_open(m->text, m->len, json, m->trash,
                                    m->log);
    }

    if (m->yaml == NULL) {
        ngx_k8s_manifest_memory(m, file);
    }
}


static void
ngx_k8s_manifest_memory(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    ngx_k8s_manifest_error(m, file, 0, "there is no memory to read it");
    ngx_k8s_manifest_stop(m);
    file->force = 1;
}


static void
ngx_k8s_manifest_close(ngx_k8s_manifests_t *m, ngx_fd_t fd)
{
    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, m->log, ngx_errno,
                      ngx_close_file_n " failed");
    }
}


ngx_uint_t
ngx_k8s_manifest_same(ngx_k8s_manifest_t *file, struct stat *st)
{
    return file->read
           && file->dev == st->st_dev
           && file->ino == st->st_ino
           && file->size == st->st_size
           && file->mtime.tv_sec == st->st_mtim.tv_sec
           && file->mtime.tv_nsec == st->st_mtim.tv_nsec
           && file->ctime.tv_sec == st->st_ctim.tv_sec
           && file->ctime.tv_nsec == st->st_ctim.tv_nsec;
}


/* what the file that was read has wrong in place of what it had before */

static void
ngx_k8s_manifest_notes(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file)
{
    ngx_queue_t              *q;
    ngx_k8s_manifest_note_t  *note;

    ngx_k8s_manifest_notes_free(&file->notes);

    file->nnotes = m->nnotes;
    m->nnotes = 0;

    ngx_k8s_manifest_unread(m, file, m->unread);
    m->unread = 0;

    while (!ngx_queue_empty(&m->notes)) {
        q = ngx_queue_head(&m->notes);
        note = ngx_queue_data(q, ngx_k8s_manifest_note_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&file->notes, q);

        ngx_log_error(NGX_LOG_WARN, m->log, 0,
                      "manifests \"%V\": file \"%V\": %V", &m->root,
                      &file->sn.str, &note->message);
    }
}


/* so many of its Ingresses cannot be read now */

static void
ngx_k8s_manifest_unread(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file,
    ngx_uint_t n)
{
    if (n != file->unread) {
        m->sink->unread(m->sink->data, NGX_K8S_INGRESS, n - file->unread);
        file->unread = n;
    }
}


static void
ngx_k8s_manifest_notes_free(ngx_queue_t *notes)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(notes)) {
        q = ngx_queue_head(notes);

        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_k8s_manifest_note_t, queue));
    }
}


/* drops what is being read */

static void
ngx_k8s_manifest_stop(ngx_k8s_manifests_t *m)
{
    ngx_queue_t               *q;
    ngx_k8s_manifest_claim_t  *claim;

    m->reading = NULL;
    m->committing = 0;

    ngx_k8s_manifests_write_end(m);

    if (m->yaml) {
        ngx_k8s_yaml_close(m->yaml);
        m->yaml = NULL;
    }

    if (m->fd != NGX_INVALID_FILE) {
        ngx_k8s_manifest_close(m, m->fd);
        m->fd = NGX_INVALID_FILE;
    }

    ngx_k8s_yaml_decode_end(&m->decode);

    if (m->text) {
        ngx_k8s_manifest_discard(m);
    }

    while (m->nlists) {
        ngx_k8s_manifests_close(m);
    }

    ngx_k8s_manifest_notes_free(&m->notes);
    m->nnotes = 0;
    m->unread = 0;

    while (!ngx_queue_empty(&m->pending)) {
        q = ngx_queue_head(&m->pending);
        claim = ngx_queue_data(q, ngx_k8s_manifest_claim_t, queue);

        ngx_queue_remove(q);
        ngx_k8s_manifests_claim_free(claim);
    }
}


/* it may hold Secrets: it is wiped, a large one in pieces */

static void
ngx_k8s_manifest_discard(ngx_k8s_manifests_t *m)
{
    ngx_k8s_manifest_waste_t  *waste;

    if (m->len > NGX_K8S_MANIFEST_BYTES) {
        waste = (ngx_k8s_manifest_waste_t *) m->text;
        waste->len = m->len;

        ngx_queue_insert_tail(&m->waste, &waste->queue);

    } else {
        ngx_explicit_memzero(m->text, m->len);
        ngx_free(m->text);
    }

    m->text = NULL;
    m->len = 0;
}


void
ngx_k8s_manifest_waste_step(ngx_k8s_manifests_t *m)
{
    size_t                     n, left;
    ngx_queue_t               *q;
    ngx_k8s_manifest_waste_t  *waste;

    q = ngx_queue_head(&m->waste);
    waste = ngx_queue_data(q, ngx_k8s_manifest_waste_t, queue);

    left = waste->len - sizeof(ngx_k8s_manifest_waste_t);
    n = ngx_min(left, NGX_K8S_MANIFEST_BYTES);

    waste->len -= n;
    ngx_explicit_memzero((u_char *) waste + waste->len, n);

    if (n == left) {
        ngx_queue_remove(q);
        ngx_free(waste);
    }
}


/* notes why a file is not used as it is; said once for each reason */

static void
ngx_k8s_manifest_error(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file,
    ngx_err_t err, const char *fmt, ...)
{
    u_char   *p, buf[512];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf) - 128, fmt, args);
    va_end(args);

    if (err) {
        p = ngx_cpymem(p, ": ", 2);
        p = ngx_strerror(err, p, 100);
    }

    *p = '\0';

    if (file->error && ngx_strcmp(file->error, buf) == 0) {
        return;
    }

    if (file->error) {
        ngx_free(file->error);
        m->nunread--;

    } else {
        ngx_k8s_manifests_refeed(m, file);
    }

    file->error = ngx_alloc(p - buf + 1, m->log);

    if (file->error) {
        ngx_memcpy(file->error, buf, p - buf + 1);
        m->nunread++;
    }

    ngx_log_error(NGX_LOG_WARN, m->log, 0,
                  "manifests \"%V\": file \"%V\": %s%s",
                  &m->root, &file->sn.str, buf,
                  ngx_queue_empty(&file->claims)
                  ? "" : "; its last good version stays in force");

    ngx_k8s_manifest_report(m, file);
}


/* says anew what is wrong with one file */

void
ngx_k8s_manifest_report_step(ngx_k8s_manifests_t *m)
{
    ngx_str_t                 s;
    ngx_uint_t                i;
    ngx_queue_t              *q;
    ngx_k8s_manifest_t       *file;
    ngx_k8s_manifest_note_t  *note;

    q = ngx_queue_head(&m->reports);
    file = ngx_queue_data(q, ngx_k8s_manifest_t, reports);

    if (file->told) {
        goto claims;
    }

    m->sink->problem(m->sink->data, "File", &file->sn.str, -1, NULL);

    file->ntold = 0;

    if (file->error) {
        s.data = file->error;
        s.len = ngx_strlen(file->error);

        ngx_k8s_manifest_tell(m, file, NGX_K8S_PROBLEM_FILE_INVALID, &s);
    }

    for (q = ngx_queue_head(&file->notes);
         q != ngx_queue_sentinel(&file->notes);
         q = ngx_queue_next(q))
    {
        note = ngx_queue_data(q, ngx_k8s_manifest_note_t, queue);

        ngx_k8s_manifest_tell(m, file, note->code, &note->message);
    }

    file->told = ngx_queue_head(&file->claims);

claims:

    for (i = 0; i < NGX_K8S_MANIFEST_LOOKED; i++) {

        if (file->told == ngx_queue_sentinel(&file->claims)
            || file->ntold == NGX_K8S_MANIFEST_PROBLEMS)
        {
            ngx_queue_remove(&file->reports);
            file->report = 0;
            file->told = NULL;

            return;
        }

        ngx_k8s_manifest_tell_rival(m, file,
                                    ngx_queue_data(file->told,
                                                   ngx_k8s_manifest_claim_t,
                                                   queue));
        file->told = ngx_queue_next(file->told);
    }
}


/* an object of the file that another document has as well, before it */

static void
ngx_k8s_manifest_tell_rival(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file,
    ngx_k8s_manifest_claim_t *claim)
{
    u_char                     buf[1024];
    ngx_str_t                  s;
    ngx_k8s_manifest_claim_t  *first;
    ngx_k8s_manifest_ident_t  *ident;

    ident = claim->ident;
    first = ngx_k8s_manifests_first(ident);

    if (first == claim) {
        return;
    }

    s.data = buf;
    s.len = ngx_snprintf(buf, sizeof(buf),
                         "document %ui: %V %V%s%V is that of document %ui "
                         "of \"%V\"", claim->document,
                         &ngx_k8s_manifest_kind(ident->kind)->name,
                         &ident->ns,
                         ident->ns.len ? "/" : "", &ident->name,
                         first->document, &first->file->sn.str)
            - buf;

    ngx_k8s_manifest_tell(m, file, NGX_K8S_PROBLEM_DUPLICATE_OBJECT, &s);
}


/* one problem of a file; in place of the last one that there may be, how many
   are not told */

static void
ngx_k8s_manifest_tell(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file,
    ngx_uint_t code, ngx_str_t *message)
{
    u_char      buf[64];
    ngx_str_t   s;

    if (file->ntold == NGX_K8S_MANIFEST_PROBLEMS) {
        return;
    }

    if (++file->ntold == NGX_K8S_MANIFEST_PROBLEMS
        && file->nnotes > NGX_K8S_MANIFEST_PROBLEMS)
    {
        s.data = buf;
        s.len = ngx_sprintf(buf, "%ui more objects are left out",
                            file->nnotes - file->ntold + 1
                            + (file->error != NULL))
                - buf;
        message = &s;
    }

    m->sink->problem(m->sink->data, "File", &file->sn.str, code, message);
}


void
ngx_k8s_manifests_files_done(ngx_k8s_manifests_t *m)
{
    ngx_queue_t               *q;
    ngx_k8s_manifest_t        *file;
    ngx_k8s_manifest_claim_t  *claim;

    ngx_k8s_manifest_stop(m);

    while (!ngx_queue_empty(&m->waste)) {
        ngx_k8s_manifest_waste_step(m);
    }

    while (m->files.root != m->files.sentinel) {
        ngx_k8s_manifest_gone(m, (ngx_k8s_manifest_t *) m->files.root);
    }

    while (!ngx_queue_empty(&m->gone)) {
        q = ngx_queue_head(&m->gone);
        file = ngx_queue_data(q, ngx_k8s_manifest_t, queue);

        ngx_queue_remove(q);

        while (!ngx_queue_empty(&file->claims)) {
            q = ngx_queue_head(&file->claims);
            claim = ngx_queue_data(q, ngx_k8s_manifest_claim_t, queue);

            ngx_queue_remove(q);
            ngx_k8s_manifests_claim_free(claim);
        }

        ngx_k8s_manifest_free(m, file);
    }
}
