
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * When the snapshot file is written: a second after a change at the earliest,
 * after a pause that follows the time that the last writing took, and at the
 * end.  Only what was once in sync with the source is written.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_saver.h>
#include <ngx_k8s_table_set.h>

#include <signal.h>


/* milliseconds */

#define NGX_K8S_SAVER_SETTLE         1000  /* from a change to its writing */
#define NGX_K8S_SAVER_POLL           20    /* while the thread writes */
#define NGX_K8S_SAVER_RETRY          5000
#define NGX_K8S_SAVER_STAMP          60000
#define NGX_K8S_SAVER_WAIT           5000  /* at the exit */

#define NGX_K8S_SAVER_SHARE          50    /* of the time it may take, 1/n */
#define NGX_K8S_SAVER_SLICE          65536 /* bytes of one turn */


static void ngx_k8s_saver_timer_handler(ngx_event_t *ev);
static void ngx_k8s_saver_slice_handler(ngx_event_t *ev);
static void ngx_k8s_saver_stamp_handler(ngx_event_t *ev);
static void ngx_k8s_saver_event(ngx_k8s_saver_t *s, ngx_event_t *ev,
    ngx_event_handler_pt handler);
static ngx_uint_t ngx_k8s_saver_unsaved(ngx_k8s_saver_t *s);
static ngx_int_t ngx_k8s_saver_begin(ngx_k8s_saver_t *s);
static ngx_k8s_save_t *ngx_k8s_saver_job(ngx_k8s_saver_t *s,
    ngx_k8s_capture_t *capture);
static void ngx_k8s_saver_start(ngx_k8s_saver_t *s, ngx_k8s_save_t *save);
static void *ngx_k8s_saver_thread(void *data);
static void ngx_k8s_saver_end(ngx_k8s_saver_t *s);
static void ngx_k8s_saver_result(ngx_k8s_saver_t *s, ngx_k8s_save_t *save);
static void ngx_k8s_saver_problem(ngx_k8s_saver_t *s);
static void ngx_k8s_saver_free(ngx_k8s_save_t *save);


ngx_int_t
ngx_k8s_saver_create(ngx_k8s_block_t *block, ngx_log_t *log)
{
    ngx_k8s_saver_t  *s;

    if (block->conf->snapshot.path.len == 0) {
        return NGX_OK;
    }

    s = ngx_calloc(sizeof(ngx_k8s_saver_t), log);
    if (s == NULL) {
        return NGX_ERROR;
    }

    s->block = block;
    s->log = log;
    s->code = -1;

    s->dummy.data = s;
    s->dummy.fd = (ngx_socket_t) -1;

    ngx_k8s_saver_event(s, &s->timer, ngx_k8s_saver_timer_handler);
    ngx_k8s_saver_event(s, &s->slice, ngx_k8s_saver_slice_handler);
    ngx_k8s_saver_event(s, &s->stamp, ngx_k8s_saver_stamp_handler);

    block->saver = s;

    return NGX_OK;
}


static void
ngx_k8s_saver_event(ngx_k8s_saver_t *s, ngx_event_t *ev,
    ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = &s->dummy;
    ev->log = s->log;
    ev->cancelable = 1;
}


void
ngx_k8s_saver_open(ngx_k8s_saver_t *s, ngx_k8s_saver_events_t *events,
    ngx_k8s_writer_t *writer)
{
    if (s == NULL) {
        return;
    }

    s->events = events;
    s->writer = writer;

    ngx_add_timer(&s->stamp, NGX_K8S_SAVER_STAMP);

    if (s->code >= 0) {
        ngx_k8s_saver_problem(s);
    }
}


/* what is not yet written is copied at once; the thread goes on without us */

void
ngx_k8s_saver_close(ngx_k8s_saver_t *s)
{
    ngx_k8s_capture_t  *capture;

    if (s == NULL || s->events == NULL) {
        return;
    }

    if (s->synced && s->capture == NULL && ngx_k8s_saver_unsaved(s)) {
        (void) ngx_k8s_saver_begin(s);
    }

    capture = s->capture;
    s->capture = NULL;
    s->events = NULL;
    s->writer = NULL;
    s->synced = 0;

    if (s->slice.posted) {
        ngx_delete_posted_event(&s->slice);
    }

    if (s->stamp.timer_set) {
        ngx_del_timer(&s->stamp);
    }

    if (capture == NULL) {
        return;
    }

    if (ngx_k8s_capture_run(capture, (size_t) -1) != NGX_OK) {
        ngx_k8s_capture_free(capture);
        return;
    }

    if (s->save) {

        if (s->last) {
            ngx_k8s_saver_free(s->last);
        }

        s->last = ngx_k8s_saver_job(s, capture);
        return;
    }

    s->save = ngx_k8s_saver_job(s, capture);

    if (s->save) {
        ngx_k8s_saver_start(s, s->save);
    }
}


void
ngx_k8s_saver_destroy(ngx_k8s_block_t *block)
{
    ngx_uint_t        n;
    ngx_k8s_saver_t  *s;

    s = block->saver;

    if (s == NULL) {
        return;
    }

    block->saver = NULL;

    for (n = 0; s->save && n < NGX_K8S_SAVER_WAIT; n++) {

        if (s->save->done) {
            ngx_k8s_saver_end(s);

        } else {
            ngx_msleep(1);
        }
    }

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (s->save) {
        ngx_log_error(NGX_LOG_ERR, s->log, 0,
                      "%V: snapshot \"%V\" is not written in time",
                      &block->zone_name, &block->conf->snapshot.path);

        /* the thread may still use its job */
        return;
    }

    ngx_free(s);
}


static ngx_uint_t
ngx_k8s_saver_unsaved(ngx_k8s_saver_t *s)
{
    return s->written != s->block->table->lasting;
}


void
ngx_k8s_saver_changed(ngx_k8s_saver_t *s)
{
    ngx_msec_t  pause;

    if (s == NULL || s->events == NULL || !s->synced
        || s->timer.timer_set || s->capture || s->save
        || !ngx_k8s_saver_unsaved(s))
    {
        return;
    }

    pause = s->usec / 1000 * NGX_K8S_SAVER_SHARE;

    ngx_add_timer(&s->timer, ngx_max(pause, NGX_K8S_SAVER_SETTLE));
}


void
ngx_k8s_saver_synced(ngx_k8s_saver_t *s)
{
    if (s == NULL) {
        return;
    }

    s->synced = 1;

    if (s->code >= 0) {
        s->code = -1;
        ngx_k8s_saver_problem(s);
    }
}


static void
ngx_k8s_saver_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;
    ngx_k8s_saver_t   *s;

    c = ev->data;
    s = c->data;

    if (s->save) {

        if (s->save->done) {
            ngx_k8s_saver_end(s);
        }

        if (s->save) {
            ngx_add_timer(ev, NGX_K8S_SAVER_POLL);
        }

        return;
    }

    if (s->events == NULL) {
        return;
    }

    s->events->enter(s->events->data);

    if (ngx_k8s_saver_begin(s) == NGX_OK) {
        ngx_post_event(&s->slice, &ngx_posted_next_events);

    } else {
        ngx_add_timer(ev, NGX_K8S_SAVER_RETRY);
    }

    s->events->leave(s->events->data);
}


static ngx_int_t
ngx_k8s_saver_begin(ngx_k8s_saver_t *s)
{
    ngx_uint_t              flags;
    ngx_k8s_snapshot_id_t   id;

    if (ngx_k8s_snapshot_identity(s->block, &id) != NGX_OK) {
        return NGX_ERROR;
    }

    flags = s->block->conf->snapshot.keys ? NGX_K8S_SNAPSHOT_KEYS : 0;

    s->begun = s->block->table->lasting;
    s->capture = ngx_k8s_capture_begin(s->writer, &id, flags,
                                       s->log);

    return s->capture ? NGX_OK : NGX_ERROR;
}


static void
ngx_k8s_saver_slice_handler(ngx_event_t *ev)
{
    ngx_int_t           rc;
    ngx_connection_t   *c;
    ngx_k8s_saver_t    *s;
    ngx_k8s_capture_t  *capture;

    c = ev->data;
    s = c->data;

    s->events->enter(s->events->data);

    capture = s->capture;
    rc = ngx_k8s_capture_run(capture, NGX_K8S_SAVER_SLICE);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);

    } else {
        s->capture = NULL;

        if (rc == NGX_OK) {
            s->save = ngx_k8s_saver_job(s, capture);

        } else {
            ngx_k8s_capture_free(capture);
        }

        if (s->save) {
            ngx_k8s_saver_start(s, s->save);

        } else {
            ngx_add_timer(&s->timer, NGX_K8S_SAVER_RETRY);
        }

        /* what was held can go */

        s->events->post(s->events->data);
    }

    s->events->leave(s->events->data);
}


/* as long as the watches stand, a file that has not changed is not old */

static void
ngx_k8s_saver_stamp_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;
    ngx_k8s_saver_t   *s;

    c = ev->data;
    s = c->data;

    ngx_add_timer(ev, NGX_K8S_SAVER_STAMP);

    if (s->synced && s->written && s->capture == NULL
        && s->save == NULL && !ngx_k8s_saver_unsaved(s)
        && s->events->connected(s->events->data))
    {
        s->save = ngx_k8s_saver_job(s, NULL);

        if (s->save) {
            ngx_k8s_saver_start(s, s->save);
        }
    }
}


/* takes the capture over, also when there is no memory for the job */

static ngx_k8s_save_t *
ngx_k8s_saver_job(ngx_k8s_saver_t *s, ngx_k8s_capture_t *capture)
{
    char            *p;
    ngx_str_t       *path;
    ngx_k8s_save_t  *save;

    path = &s->block->conf->snapshot.path;

    save = ngx_calloc(sizeof(ngx_k8s_save_t) + 3 * path->len
                      + sizeof(".tmp") + 2, s->log);

    if (save == NULL) {

        if (capture) {
            ngx_k8s_capture_free(capture);
        }

        return NULL;
    }

    save->capture = capture;

    p = (char *) save + sizeof(ngx_k8s_save_t);

    save->path = p;
    ngx_memcpy(p, path->data, path->len);
    p += path->len + 1;

    save->temp = p;
    ngx_memcpy(p, path->data, path->len);
    ngx_memcpy(p + path->len, ".tmp", sizeof(".tmp") - 1);
    p += path->len + sizeof(".tmp");

    save->folder = p;
    ngx_memcpy(p, path->data, path->len);

    /* the name is a full one */

    p = strrchr(save->folder, '/');
    p[p == save->folder] = '\0';

    return save;
}


static void
ngx_k8s_saver_start(ngx_k8s_saver_t *s, ngx_k8s_save_t *save)
{
    int       err;
    sigset_t  all, old;

    /* signals are for the thread that runs the event loop */

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, &old);

    err = pthread_create(&save->thread, NULL, ngx_k8s_saver_thread, save);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (err) {
        save->failed = "there is no thread to write it";
        save->err = err;
        save->done = 1;

    } else {
        save->started = 1;
    }

    if (!s->timer.timer_set) {
        ngx_add_timer(&s->timer, NGX_K8S_SAVER_POLL);
    }
}


static void *
ngx_k8s_saver_thread(void *data)
{
    ngx_k8s_save_t *save = data;

    ngx_k8s_save_run(save);

    /* it may have a hundred megabytes */

    if (save->capture) {
        ngx_k8s_capture_wipe(save->capture);
    }

    __atomic_store_n(&save->done, 1, __ATOMIC_RELEASE);

    return NULL;
}


/* the thread is done; the next job, if one waits, is begun */

static void
ngx_k8s_saver_end(ngx_k8s_saver_t *s)
{
    ngx_k8s_save_t  *save;

    save = s->save;
    s->save = NULL;

    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    if (save->started) {
        (void) pthread_join(save->thread, NULL);
    }

    ngx_k8s_saver_result(s, save);
    ngx_k8s_saver_free(save);

    if (s->last) {
        s->save = s->last;
        s->last = NULL;

        ngx_k8s_saver_start(s, s->save);

    } else if (s->events) {

        if (s->failed || s->busy) {
            ngx_add_timer(&s->timer, NGX_K8S_SAVER_RETRY);

        } else {
            ngx_k8s_saver_changed(s);
        }
    }
}


static void
ngx_k8s_saver_result(ngx_k8s_saver_t *s, ngx_k8s_save_t *save)
{
    u_char           *p, *err, buf[128];
    ngx_uint_t        same;
    ngx_k8s_table_t  *table;

    /* a new binary, or the last worker's end: it is tried again */

    if (save->failed && save->err == EWOULDBLOCK) {
        s->busy = 1;
        return;
    }

    s->busy = 0;

    table = s->block->table;
    same = (s->failed == save->failed && s->err == save->err);

    s->failed = save->failed;
    s->err = save->err;

    if (save->failed == NULL) {

        if (save->capture) {
            s->written = s->begun;
            s->usec = save->usec;
            ngx_k8s_table_set_saved(table, save->capture->header.saved);
        }

        if (!same) {
            ngx_log_error(NGX_LOG_NOTICE, s->log, 0,
                          "%V: snapshot \"%V\" is written again",
                          &s->block->zone_name, &s->block->conf->snapshot.path);
            s->code = -1;
            ngx_k8s_saver_problem(s);
        }

        return;
    }

    ngx_k8s_table_set_unsaved(table);

    if (same) {
        return;
    }

    s->code = NGX_K8S_PROBLEM_SNAPSHOT_UNWRITTEN;

    p = ngx_slprintf(s->text, s->text + NGX_K8S_SAVER_TEXT,
                     "snapshot \"%V\" is not written: %s",
                     &s->block->conf->snapshot.path, save->failed);

    if (save->err) {
        err = ngx_strerror(save->err, buf, sizeof(buf));

        p = ngx_slprintf(p, s->text + NGX_K8S_SAVER_TEXT, " (%*s)",
                         err - buf, buf);
    }

    s->text_len = p - s->text;

    ngx_log_error(NGX_LOG_ERR, s->log, 0, "%V: %*s", &s->block->zone_name,
                  s->text_len, s->text);

    ngx_k8s_saver_problem(s);
}


/* shows what s->code and s->text say in place of what was shown before */

static void
ngx_k8s_saver_problem(ngx_k8s_saver_t *s)
{
    ngx_str_t   text, *path;

    if (s->events == NULL) {
        return;
    }

    path = &s->block->conf->snapshot.path;

    s->events->problem(s->events->data, "Snapshot", path, -1, NULL);

    if (s->code >= 0) {
        text.data = s->text;
        text.len = s->text_len;

        s->events->problem(s->events->data, "Snapshot", path, s->code, &text);
    }
}


static void
ngx_k8s_saver_free(ngx_k8s_save_t *save)
{
    if (save->capture) {
        ngx_k8s_capture_free(save->capture);
    }

    ngx_free(save);
}
