
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The snapshot file: how it is written beside what others do in its folder.
 */


#include "unit_table.h"
#include <ngx_k8s_saver.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>


static char              folder[] = "/tmp/unit-save-XXXXXX";
static char              path[64], temp[64], aside[64];
static ngx_k8s_writer_t  *writer;


static void
run(ngx_k8s_save_t *save, ngx_uint_t stamp)
{
    ngx_k8s_snapshot_id_t  identity;

    ngx_memzero(save, sizeof(ngx_k8s_save_t));
    ngx_memzero(&identity, sizeof(identity));

    save->path = path;
    save->temp = temp;
    save->folder = folder;

    if (!stamp) {
        save->capture = ngx_k8s_capture_begin(writer, &identity, 0, &unit_log);

        if (ngx_k8s_capture_run(save->capture, (size_t) -1) != NGX_OK) {
            printf("Bail out! no capture\n");
            exit(1);
        }
    }

    ngx_k8s_save_run(save);

    if (save->capture) {
        ngx_k8s_capture_free(save->capture);
    }
}


static size_t
size_of(char *name)
{
    struct stat  st;

    return lstat(name, &st) == 0 ? (size_t) st.st_size + 1 : 0;
}


static void
put(char *name, char *text)
{
    int  fd;

    fd = open(name, O_WRONLY|O_CREAT|O_TRUNC, 0600);

    if (fd == -1 || write(fd, text, strlen(text)) == -1) {
        printf("Bail out! %s\n", name);
        exit(1);
    }

    close(fd);
}


static void
save_good(void)
{
    mode_t           mask;
    struct stat      st;
    struct timespec  times[2];
    ngx_k8s_save_t   save;

    mask = umask(0777);
    run(&save, 0);
    umask(mask);

    ok(save.failed == NULL && stat(path, &st) == 0, "it is written");
    ok((st.st_mode & 07777) == 0600, "with mode 0600, whatever the umask");
    ok(st.st_size > 100 && size_of(temp) == 0, "and alone");

    /* what a kill has left is used again */

    put(temp, "half of a much longer file that was never renamed, .........."
              "............................................................"
              "............................................................");
    chmod(temp, 0644);

    run(&save, 0);
    ok(save.failed == NULL && stat(path, &st) == 0
       && (st.st_mode & 07777) == 0600 && st.st_size > 100
       && size_of(temp) == 0, "over what was left of another");

    /* a stamp changes its time and nothing else */

    times[0].tv_sec = times[1].tv_sec = 1000000000;
    times[0].tv_nsec = times[1].tv_nsec = 0;
    (void) utimensat(AT_FDCWD, path, times, 0);

    run(&save, 1);
    ok(save.failed == NULL && stat(path, &st) == 0
       && st.st_mtime > 1500000000 && st.st_size > 100, "stamped");
}


static void
save_bad(void)
{
    size_t          size;
    ngx_k8s_save_t  save;

    size = size_of(path);

    /* the temporary file is somebody else's */

    put(aside, "precious");

    (void) symlink(aside, temp);
    run(&save, 0);
    ok(save.failed && size_of(aside) == 9, "a symbolic link is not followed");
    unlink(temp);

    (void) link(aside, temp);
    run(&save, 0);
    ok(save.failed && size_of(aside) == 9, "nor is a second name written to");
    unlink(temp);

    (void) mkfifo(temp, 0600);
    run(&save, 0);
    ok(save.failed != NULL, "a FIFO does not block");
    unlink(temp);

    (void) mkdir(temp, 0700);
    run(&save, 0);
    ok(save.failed != NULL, "a folder");
    rmdir(temp);

    ok(size_of(path) == size, "the old file is as it was");

    /* nothing but a regular file is replaced */

    unlink(path);

    (void) symlink(aside, path);
    run(&save, 0);
    ok(save.failed && size_of(aside) == 9 && size_of(temp) == 0,
       "a symbolic link is not replaced");
    unlink(path);

    (void) mkfifo(path, 0600);
    run(&save, 0);
    ok(save.failed != NULL, "nor a FIFO");
    unlink(path);

    (void) mkdir(path, 0700);
    run(&save, 0);
    ok(save.failed != NULL && size_of(temp) == 0, "nor a folder");
    rmdir(path);
    unlink(aside);

    run(&save, 1);
    ok(save.failed && size_of(path) == 0, "a stamp makes no file");
}


/* two that write: one of them has to wait, and none breaks the other's */

static void
save_two(void)
{
    int             fd, status;
    pid_t           pid[2];
    ngx_uint_t      i, n, bad;
    ngx_k8s_save_t  save;

    put(temp, "half");
    fd = open(temp, O_WRONLY);
    flock(fd, LOCK_EX);

    run(&save, 0);
    ok(save.failed && save.err == EWOULDBLOCK, "another process writes it");
    ok(size_of(temp) == 5 && size_of(path) == 0, "and may go on");

    close(fd);
    run(&save, 0);
    ok(save.failed == NULL && size_of(path) > 100, "until it is done");

    for (n = 0; n < 2; n++) {
        pid[n] = fork();

        if (pid[n] == 0) {
            bad = 0;

            for (i = 0; i < 300; i++) {
                run(&save, 0);
                bad += (save.failed && save.err != EWOULDBLOCK);
            }

            _exit(bad ? 1 : 0);
        }
    }

    bad = 0;

    for (n = 0; n < 2; n++) {
        waitpid(pid[n], &status, 0);
        bad += (status != 0);
    }

    ok(bad == 0, "two at a time");
    ok(size_of(path) > 100 && size_of(temp) == 0, "leave one whole file");
}


int
main(void)
{
    ngx_k8s_table_t    *table;
    ngx_k8s_builder_t   b;

    unit_init();

    if (mkdtemp(folder) == NULL) {
        printf("Bail out! no folder\n");
        return 1;
    }

    sprintf(path, "%s/file", folder);
    sprintf(temp, "%s/file.tmp", folder);
    sprintf(aside, "%s/aside", folder);

    ngx_k8s_builder_init(&b, &unit_log);

    table = unit_table(1024 * 1024);
    writer = ngx_k8s_writer_open(table, -1, &unit_log);

    (void) unit_rule(writer, &b, "a.test", "/", NGX_K8S_WRITE_OBJECT);
    ngx_k8s_writer_publish(writer);

    save_good();
    save_bad();
    save_two();

    unlink(path);
    unlink(temp);
    rmdir(folder);

    ngx_k8s_writer_close(writer);
    ngx_k8s_builder_done(&b);

    return done();
}
