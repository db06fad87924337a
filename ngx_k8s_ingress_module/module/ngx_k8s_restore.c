
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A new zone is filled from the snapshot file before any worker takes a
 * request: worker 0 reads it while it has no connections yet, and the other
 * new workers wait for that, for a short time.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_watcher.h>
#include <ngx_k8s_saver.h>
#include <ngx_k8s_table_set.h>

#include <fcntl.h>


#define NGX_K8S_RESTORE_WAIT         5000  /* milliseconds, the others */
#define NGX_K8S_RESTORE_SETTLE       100   /* milliseconds */


static void ngx_k8s_restore_table(ngx_k8s_watcher_t *w);
static ngx_int_t ngx_k8s_restore_settle(ngx_k8s_writer_t *writer);
static u_char *ngx_k8s_restore_read(ngx_k8s_watcher_t *w, ngx_file_info_t *fi);
static char *ngx_k8s_restore_fit(ngx_k8s_watcher_t *w, ngx_file_info_t *fi);
static void ngx_k8s_restore_load(ngx_k8s_watcher_t *w, u_char *data,
    ngx_file_info_t *fi);
static void ngx_k8s_restore_certificate(ngx_k8s_watcher_t *w);
static void ngx_cdecl ngx_k8s_restore_say(ngx_k8s_watcher_t *w, ngx_int_t code,
    const char *fmt, ...);


void
ngx_k8s_restore(ngx_k8s_watcher_t *w)
{
    ngx_k8s_table_t  *table;

    table = w->block->table;

    /* a successor of one that died of it does not try again */

    if (table->restore == NGX_K8S_RESTORE_WANTED) {
        ngx_k8s_table_set_restore(table, NGX_K8S_RESTORE_BEGUN);
        ngx_k8s_restore_table(w);
    }

    if (table->restore == NGX_K8S_RESTORE_BEGUN) {
        ngx_k8s_table_set_restore(table, NGX_K8S_RESTORE_DONE);
    }
}


void
ngx_k8s_restore_wait(ngx_k8s_block_t *block)
{
    ngx_uint_t        n;
    ngx_k8s_table_t  *table;

    table = block->table;

    for (n = 0; n < NGX_K8S_RESTORE_WAIT; n++) {

        if (table->restore != NGX_K8S_RESTORE_WANTED
            && table->restore != NGX_K8S_RESTORE_BEGUN)
        {
            return;
        }

        ngx_msleep(1);
    }
}


static void
ngx_k8s_restore_table(ngx_k8s_watcher_t *w)
{
    u_char           *data;
    ngx_k8s_block_t  *block;
    ngx_file_info_t   fi;

    block = w->block;

    data = ngx_k8s_restore_read(w, &fi);
    if (data == NULL) {
        return;
    }

    if (ngx_k8s_right_take(block->right, w->log) == NGX_OK) {
        w->writer = ngx_k8s_writer_open(block->table, block->right, w->log);
    }

    if (w->writer && ngx_k8s_restore_settle(w->writer) == NGX_OK) {
        ngx_k8s_restore_load(w, data, &fi);
    }

    /* the watcher goes on with this writer; there may have been keys */

    ngx_explicit_memzero(data, ngx_file_size(&fi));
    ngx_free(data);
}


/* what a new writer finds free may be used once no pin is left */

static ngx_int_t
ngx_k8s_restore_settle(ngx_k8s_writer_t *writer)
{
    ngx_uint_t  n;

    for (n = 0; n < NGX_K8S_RESTORE_SETTLE; n++) {

        do {
            ngx_k8s_writer_publish(writer);
        } while (ngx_k8s_writer_behind(writer));

        if (ngx_k8s_writer_retired(writer) == 0) {
            return NGX_OK;
        }

        ngx_msleep(1);
    }

    return NGX_ERROR;
}


/* the file's bytes, or NULL, and then the reason is said */

static u_char *
ngx_k8s_restore_read(ngx_k8s_watcher_t *w, ngx_file_info_t *fi)
{
    char       *err;
    u_char     *data, *p, buf[128];
    size_t      size, len;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_str_t  *path;

    path = &w->block->conf->snapshot.path;
    data = NULL;
    size = 0;

    /* a FIFO must not block */

    fd = open((char *) path->data, O_RDONLY|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno == NGX_ENOENT) {
            ngx_log_error(NGX_LOG_NOTICE, w->log, 0,
                          "%V: there is no snapshot \"%V\" yet",
                          &w->block->zone_name, path);

        } else if (ngx_errno == NGX_ELOOP) {
            ngx_k8s_restore_say(w, NGX_K8S_PROBLEM_SNAPSHOT_REFUSED,
                                "is not loaded: it is a symbolic link");

        } else {
            p = ngx_strerror(ngx_errno, buf, sizeof(buf));

            ngx_k8s_restore_say(w, NGX_K8S_PROBLEM_SNAPSHOT_REFUSED,
                                "is not loaded: it cannot be opened (%*s)",
                                p - buf, buf);
        }

        return NULL;
    }

    if (ngx_fd_info(fd, fi) == NGX_FILE_ERROR) {
        err = "it cannot be looked at";
        goto refused;
    }

    err = ngx_k8s_restore_fit(w, fi);
    if (err) {
        goto refused;
    }

    size = ngx_file_size(fi);
    err = "it cannot be read";

    data = ngx_memalign(NGX_K8S_GRANULE, size + NGX_K8S_GRANULE, w->log);
    if (data == NULL) {
        goto refused;
    }

    for (len = 0; len < size; len += n) {
        n = ngx_read_fd(fd, data + len, size - len);

        if (n <= 0) {
            goto refused;
        }
    }

    (void) ngx_close_file(fd);

    return data;

refused:

    ngx_k8s_restore_say(w, NGX_K8S_PROBLEM_SNAPSHOT_REFUSED,
                        "is not loaded: %s", err);

    (void) ngx_close_file(fd);

    if (data) {
        ngx_explicit_memzero(data, size);
        ngx_free(data);
    }

    return NULL;
}


/* who could have written it, and how much of it */

static char *
ngx_k8s_restore_fit(ngx_k8s_watcher_t *w, ngx_file_info_t *fi)
{
    if (!ngx_is_file(fi)) {
        return "it is no regular file";
    }

    if (fi->st_uid != geteuid()) {
        return "another user than that of the workers owns it";
    }

    if (fi->st_mode & 0077) {
        return "its mode lets others at it, 0600 is needed";
    }

    if ((uint64_t) ngx_file_size(fi) > 2 * w->block->table->size) {
        return "it is too large for the zone";
    }

    if (ngx_file_mtime(fi) + w->block->conf->snapshot.max_age < ngx_time()) {
        return "it is older than max_age";
    }

    return NULL;
}


static void
ngx_k8s_restore_load(ngx_k8s_watcher_t *w, u_char *data, ngx_file_info_t *fi)
{
    char                   *err;
    time_t                  now, saved;
    ngx_k8s_table_t        *table;
    ngx_k8s_loaded_t        loaded;
    ngx_k8s_snapshot_id_t   id;

    table = w->block->table;

    if (ngx_k8s_snapshot_identity(w->block, &id) != NGX_OK) {
        return;
    }

    err = ngx_k8s_snapshot_check(data, ngx_file_size(fi), &id);

    if (err) {
        ngx_k8s_restore_say(w, NGX_K8S_PROBLEM_SNAPSHOT_REFUSED,
                            "is not loaded: %s", err);
        return;
    }

    if (ngx_k8s_snapshot_load(w->writer, data, ngx_file_size(fi), &loaded,
                              w->log)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, w->log, 0,
                      "%V: no memory to load the snapshot",
                      &w->block->zone_name);
        return;
    }

    ngx_k8s_restore_certificate(w);
    ngx_k8s_writer_publish(w->writer);

    /* the watcher that wrote it has stamped it since, as long as it was true */

    now = ngx_time();
    saved = ngx_max(ngx_file_mtime(fi), (time_t) loaded.saved);
    saved = ngx_min(saved, now);

    ngx_k8s_table_set_restored(table, saved);
    (void) ngx_k8s_table_set_ready(table);

    ngx_log_error(NGX_LOG_NOTICE, w->log, 0,
                  "%V: ready with %ui hosts, %ui records of snapshot \"%V\", "
                  "%T seconds old", &w->block->zone_name, loaded.hosts,
                  loaded.records, &w->block->conf->snapshot.path,
                  now - saved);

    if (loaded.left) {
        ngx_k8s_restore_say(w, NGX_K8S_PROBLEM_SNAPSHOT_INCOMPLETE,
                            "is not loaded whole: %ui records, of %uz bytes, "
                            "have no room in the zone", loaded.left,
                            loaded.missing);

    } else if (loaded.keyless) {
        ngx_k8s_restore_say(w, NGX_K8S_PROBLEM_SNAPSHOT_INCOMPLETE,
                            "has no private keys: hosts of these %ui Secrets "
                            "present the default certificate: %*s%s",
                            loaded.keyless, loaded.names_len, loaded.names,
                            loaded.keyless > 4 ? ", ..." : "");
    }
}


/* there is always one to present */

static void
ngx_k8s_restore_certificate(ngx_k8s_watcher_t *w)
{
    u_char             buf[NGX_K8S_KEY_MAX];
    size_t             len;
    ngx_str_t          none, *names[2];
    ngx_k8s_builder_t  b;

    ngx_str_null(&none);
    names[0] = &none;
    names[1] = &none;

    len = ngx_k8s_key_names(buf, 2, names);

    if (ngx_k8s_table_find(w->block->table, NGX_K8S_INDEX_CERTIFICATE, buf, len,
                           NULL)
        || ngx_k8s_builder_init(&b, w->log) != NGX_OK)
    {
        return;
    }

    if (ngx_k8s_certificate_generate(&b, w->log) == NGX_OK) {
        (void) ngx_k8s_builder_put(&b, w->writer, NGX_K8S_WRITE_OWN);
    }

    ngx_k8s_builder_done(&b);
}


/* into the log, and kept until the watcher can make a problem of it */

static void ngx_cdecl
ngx_k8s_restore_say(ngx_k8s_watcher_t *w, ngx_int_t code, const char *fmt, ...)
{
    u_char           *p, *last;
    va_list           args;
    ngx_k8s_saver_t  *s;

    s = w->block->saver;

    last = s->text + NGX_K8S_SAVER_TEXT;
    p = ngx_slprintf(s->text, last, "snapshot \"%V\" ",
                     &w->block->conf->snapshot.path);

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    s->text_len = p - s->text;
    s->code = code;

    ngx_log_error(NGX_LOG_ERR, w->log, 0, "%V: %*s", &w->block->zone_name,
                  s->text_len, s->text);
}
