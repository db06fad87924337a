
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The snapshot file is written under another name and renamed, so that a kill
 * at any moment leaves the old one or the new one.  Runs in a thread: plain
 * system calls, on nothing that others have.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_clock.h>
#include <ngx_k8s_saver.h>

#include <fcntl.h>
#include <sys/file.h>


static char *ngx_k8s_save_stamp(ngx_k8s_save_t *save);
static char *ngx_k8s_save_file(ngx_k8s_save_t *save);
static char *ngx_k8s_save_temp(ngx_k8s_save_t *save, int *fd);
static char *ngx_k8s_save_bytes(ngx_k8s_save_t *save, int fd);
static void ngx_k8s_save_folder(ngx_k8s_save_t *save);


void
ngx_k8s_save_run(ngx_k8s_save_t *save)
{
    uint64_t  begun;

    begun = ngx_k8s_usec();

    errno = 0;

    save->failed = save->capture ? ngx_k8s_save_file(save)
                                 : ngx_k8s_save_stamp(save);
    save->err = save->failed ? errno : 0;
    save->usec = ngx_k8s_usec() - begun;
}


/* the file is still what the table is */

static char *
ngx_k8s_save_stamp(ngx_k8s_save_t *save)
{
    if (utimensat(AT_FDCWD, save->path, NULL, AT_SYMLINK_NOFOLLOW) == -1) {
        return "its time cannot be set";
    }

    return NULL;
}


static char *
ngx_k8s_save_file(ngx_k8s_save_t *save)
{
    int          fd, e;
    char        *err;
    struct stat  st;

    /* no device or folder is replaced, whatever the directive names */

    if (lstat(save->path, &st) == 0) {

        if (!S_ISREG(st.st_mode)) {
            return "it is there and is no regular file";
        }

    } else if (errno != ENOENT) {
        return "it cannot be looked at";
    }

    if (ngx_k8s_capture_seal(save->capture) != NGX_OK) {
        return "there is no memory for its checksum";
    }

    err = ngx_k8s_save_temp(save, &fd);
    if (err) {
        return err;
    }

    err = ngx_k8s_save_bytes(save, fd);

    if (err == NULL && rename(save->temp, save->path) == -1) {
        err = "the new file cannot be renamed";
    }

    e = errno;

    if (err) {
        /* the lock is still held, so it is no other's */
        (void) unlink(save->temp);
    }

    /* ends the lock, too */

    (void) close(fd);

    errno = e;

    if (err == NULL) {
        ngx_k8s_save_folder(save);
    }

    return err;
}


/*
 * The temporary file, empty and locked: two instances may have the same name
 * for it, as while a new binary takes over.
 */

static char *
ngx_k8s_save_temp(ngx_k8s_save_t *save, int *fdp)
{
    int          fd, e;
    char        *err;
    struct stat  st, named;

    fd = open(save->temp, O_WRONLY|O_CREAT|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC,
              0600);
    if (fd == -1) {
        return "a file beside it, with \".tmp\" at the end of its name, "
               "cannot be made";
    }

    err = "the file beside it, with \".tmp\" at the end of its name, is not "
          "ours";

    if (fstat(fd, &st) == -1
        || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink > 1)
    {
        goto failed;
    }

    err = "another process writes it";

    if (flock(fd, LOCK_EX|LOCK_NB) == -1) {
        goto failed;
    }

    /* it may have been renamed before the lock was there */

    if (lstat(save->temp, &named) == -1
        || named.st_ino != st.st_ino || named.st_dev != st.st_dev)
    {
        errno = EWOULDBLOCK;
        goto failed;
    }

    err = "it cannot be emptied";

    if (fchmod(fd, 0600) == -1 || ftruncate(fd, 0) == -1) {
        goto failed;
    }

    *fdp = fd;

    return NULL;

failed:

    e = errno;
    (void) close(fd);
    errno = e;

    return err;
}


static char *
ngx_k8s_save_bytes(ngx_k8s_save_t *save, int fd)
{
    size_t            len;
    ssize_t           n;
    ngx_k8s_chunk_t  *chunk;

    for (chunk = save->capture->chunks; chunk; chunk = chunk->next) {

        for (len = 0; len < chunk->len; len += n) {
            n = write(fd, chunk->data + len, chunk->len - len);

            if (n == -1 && errno == EINTR) {
                n = 0;
                continue;
            }

            if (n <= 0) {
                return "it cannot be written";
            }
        }
    }

    return (fsync(fd) == -1) ? "it cannot be brought to the disk" : NULL;
}


/* so that the rename is on the disk, too; not all file systems can */

static void
ngx_k8s_save_folder(ngx_k8s_save_t *save)
{
    int  fd;

    fd = open(save->folder, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd != -1) {
        (void) fsync(fd);
        (void) close(fd);
    }
}
