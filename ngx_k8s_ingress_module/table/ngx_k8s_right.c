
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The right to write and the signs of life: POSIX record locks on a memfd.
 * They are not inherited over fork() and end with their process, however it
 * ends.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer.h>

#include <sys/mman.h>


static ngx_int_t ngx_k8s_right_lock(ngx_fd_t fd, int cmd, short type, off_t at);


ngx_fd_t
ngx_k8s_right_create(ngx_log_t *log)
{
    ngx_fd_t  fd;

    fd = memfd_create("k8s_ingress", MFD_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "memfd_create() failed");
    }

    return fd;
}


ngx_int_t
ngx_k8s_right_alive(ngx_fd_t fd, ngx_uint_t word, ngx_log_t *log)
{
    if (ngx_k8s_right_lock(fd, F_SETLK, F_WRLCK, 1 + word) != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      "k8s table: fcntl(F_SETLK) of word %ui failed", word);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_right_check(ngx_fd_t fd, ngx_uint_t word)
{
    struct flock  fl;

    ngx_memzero(&fl, sizeof(struct flock));

    fl.l_type = F_WRLCK;
    fl.l_whence = SEEK_SET;
    fl.l_start = 1 + word;
    fl.l_len = 1;

    if (fcntl(fd, F_GETLK, &fl) == -1) {
        /* it may live */
        return NGX_OK;
    }

    return (fl.l_type == F_UNLCK) ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_k8s_right_take(ngx_fd_t fd, ngx_log_t *log)
{
    ngx_err_t  err;

    if (ngx_k8s_right_lock(fd, F_SETLK, F_WRLCK, 0) == NGX_OK) {
        return NGX_OK;
    }

    err = ngx_errno;

    if (err == NGX_EAGAIN || err == NGX_EACCES) {
        return NGX_BUSY;
    }

    ngx_log_error(NGX_LOG_ALERT, log, err,
                  "k8s table: fcntl(F_SETLK) of the right to write failed");

    return NGX_ERROR;
}


void
ngx_k8s_right_give(ngx_fd_t fd)
{
    (void) ngx_k8s_right_lock(fd, F_SETLK, F_UNLCK, 0);
}


static ngx_int_t
ngx_k8s_right_lock(ngx_fd_t fd, int cmd, short type, off_t at)
{
    struct flock  fl;

    ngx_memzero(&fl, sizeof(struct flock));

    fl.l_type = type;
    fl.l_whence = SEEK_SET;
    fl.l_start = at;
    fl.l_len = 1;

    return (fcntl(fd, cmd, &fl) == -1) ? NGX_ERROR : NGX_OK;
}
