
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The watcher's life: it waits for the right to write, opens writer, store,
 * compile and source, works in slices, and gives all of it up as soon as its
 * worker is told to exit, so that a successor goes on at once.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_clock.h>
#include <ngx_k8s_table_set.h>
#include <ngx_k8s_watcher.h>

#include <malloc.h>
#include <sys/eventfd.h>


static ngx_int_t ngx_k8s_watcher_idle(ngx_k8s_watcher_t *w);
static void ngx_k8s_watcher_event(ngx_k8s_watcher_t *w, ngx_event_t *ev,
    ngx_event_handler_pt handler);
static ngx_int_t ngx_k8s_watcher_begin(ngx_k8s_watcher_t *w);
static ngx_int_t ngx_k8s_watcher_open(ngx_k8s_watcher_t *w);
static ngx_int_t ngx_k8s_watcher_seed(ngx_k8s_watcher_t *w);
static ngx_int_t ngx_k8s_watcher_source(ngx_k8s_watcher_t *w);
static void ngx_k8s_watcher_close(ngx_k8s_watcher_t *w);
static void ngx_k8s_watcher_cancel(ngx_event_t *ev);

static void ngx_k8s_watcher_idle_handler(ngx_event_t *rev);
static u_char *ngx_k8s_watcher_oldpid(void);
static void ngx_k8s_watcher_ended(void *data);
static void ngx_k8s_watcher_retry_handler(ngx_event_t *ev);
static void ngx_k8s_watcher_open_handler(ngx_event_t *ev);


#define NGX_K8S_OPEN_RECORDS         32  /* between two looks at the clock */


ngx_int_t
ngx_k8s_watcher_start(ngx_k8s_block_t *block, ngx_cycle_t *cycle)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_calloc(sizeof(ngx_k8s_watcher_t), cycle->log);
    if (w == NULL) {
        return NGX_ERROR;
    }

    w->block = block;
    w->log = cycle->log;
    w->cycles = block->table->cycles;

#ifdef M_MXFAST

    /* glibc else merges all small pieces that were freed in one call: 20 ms */

    (void) mallopt(M_MXFAST, 0);

#endif

    ngx_k8s_watcher_callbacks(w);
    w->report_events.ended = ngx_k8s_watcher_ended;

    w->dummy.data = w;
    w->dummy.fd = (ngx_socket_t) -1;

    ngx_k8s_watcher_event(w, &w->retry, ngx_k8s_watcher_retry_handler);
    ngx_k8s_watcher_event(w, &w->open, ngx_k8s_watcher_open_handler);
    ngx_k8s_watcher_event(w, &w->work, ngx_k8s_watcher_work_handler);
    ngx_k8s_watcher_event(w, &w->turn, ngx_k8s_watcher_turn_handler);
    ngx_k8s_watcher_event(w, &w->reclaim, ngx_k8s_watcher_reclaim_handler);
    ngx_k8s_watcher_event(w, &w->clock, ngx_k8s_watcher_clock_handler);
    ngx_k8s_watcher_event(w, &w->clients, ngx_k8s_watcher_clients_handler);
    ngx_k8s_watcher_event(w, &w->wanted, ngx_k8s_watcher_wanted_handler);
    ngx_k8s_watcher_event(w, &w->lost, ngx_k8s_watcher_lost_handler);
    ngx_k8s_watcher_event(w, &w->due, ngx_k8s_watcher_due_handler);
    ngx_k8s_watcher_event(w, &w->names, ngx_k8s_watcher_names_handler);

    if (ngx_k8s_watcher_idle(w) != NGX_OK) {
        ngx_free(w);
        return NGX_ERROR;
    }

    block->watcher = w;

    ngx_post_event(&w->retry, &ngx_posted_next_events);

    return NGX_OK;
}


void
ngx_k8s_watcher_stop(ngx_k8s_block_t *block)
{
    ngx_k8s_watcher_t  *w;

    w = block->watcher;

    if (w == NULL) {
        return;
    }

    block->watcher = NULL;

    ngx_k8s_watcher_close(w);

    ngx_k8s_watcher_cancel(&w->retry);

    ngx_close_connection(w->idle);

    ngx_free(w);
}


/*
 * At a graceful exit nginx calls the read handlers of idle connections: one of
 * ours, which nobody ever writes to, tells the watcher of it.
 */

static ngx_int_t
ngx_k8s_watcher_idle(ngx_k8s_watcher_t *w)
{
    ngx_fd_t           fd;
    ngx_connection_t  *c;

    fd = eventfd(0, EFD_CLOEXEC|EFD_NONBLOCK);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_ALERT, w->log, ngx_errno, "eventfd() failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, w->log);

    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->data = w;
    c->idle = 1;
    c->log = w->log;
    c->read->handler = ngx_k8s_watcher_idle_handler;
    c->read->log = w->log;
    c->write->log = w->log;

    w->idle = c;

    return NGX_OK;
}


static void
ngx_k8s_watcher_event(ngx_k8s_watcher_t *w, ngx_event_t *ev,
    ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = &w->dummy;
    ev->log = w->log;
    ev->cancelable = 1;
}


static void
ngx_k8s_watcher_cancel(ngx_event_t *ev)
{
    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }
}


static void
ngx_k8s_watcher_idle_handler(ngx_event_t *rev)
{
    ngx_connection_t   *c;
    ngx_k8s_watcher_t  *w;

    c = rev->data;
    w = c->data;

    if (!c->close) {
        return;
    }

    /* after a reload or a binary upgrade others go on */

    if (w->block->table->cycles == w->cycles
        && access((char *) ngx_k8s_watcher_oldpid(), F_OK) == -1
        && ngx_k8s_report_end(&w->report))
    {
        c->close = 0;
        return;
    }

    ngx_k8s_watcher_stop(w->block);
}


/* the pid file of a master that has started another binary */

static u_char *
ngx_k8s_watcher_oldpid(void)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    return ccf->oldpid.data;
}


static void
ngx_k8s_watcher_ended(void *data)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_watcher_stop(w->block);
}


static void
ngx_k8s_watcher_retry_handler(ngx_event_t *ev)
{
    ngx_int_t           rc;
    ngx_msec_t          timer;
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    rc = ngx_k8s_right_take(w->block->right, w->log);

    if (rc == NGX_OK) {

        if (ngx_k8s_watcher_begin(w) == NGX_OK) {
            return;
        }

        ngx_k8s_watcher_close(w);
    }

    timer = (rc == NGX_BUSY) ? NGX_K8S_RIGHT_INTERVAL : NGX_K8S_RETRY_INTERVAL;

    ngx_add_timer(&w->retry, timer);
}


/* the right is held */

static ngx_int_t
ngx_k8s_watcher_begin(ngx_k8s_watcher_t *w)
{
    ngx_k8s_block_t  *block;

    block = w->block;

    /* it is there when a snapshot was loaded */

    if (w->writer == NULL) {
        w->writer = ngx_k8s_writer_begin(block->table, block->right, w->log);
    }

    if (w->writer == NULL) {
        return NGX_ERROR;
    }

    ngx_post_event(&w->open, &ngx_posted_events);

    return NGX_OK;
}


/* takes the table over in slices, what is kept in it, then opens the rest */

static void
ngx_k8s_watcher_open_handler(ngx_event_t *ev)
{
    uint64_t            until;
    ngx_int_t           rc;
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_watcher_enter(w);

    until = w->begun + NGX_K8S_TURN_USEC;

    do {
        if (w->opened) {
            rc = ngx_k8s_watcher_seed(w);
            continue;
        }

        rc = ngx_k8s_writer_continue(w->writer, NGX_K8S_OPEN_RECORDS);

        if (rc == NGX_OK) {
            rc = ngx_k8s_watcher_open(w);
        }

    } while (rc == NGX_AGAIN && ngx_k8s_usec() < until);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);

    } else if (rc == NGX_OK) {
        rc = ngx_k8s_watcher_source(w);
    }

    ngx_k8s_watcher_leave(w);

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, w->log, 0,
                      "%V: watcher could not be started, it is tried again",
                      &w->block->zone_name);

        ngx_k8s_watcher_close(w);

        ngx_add_timer(&w->retry, NGX_K8S_RETRY_INTERVAL);
    }
}


/* NGX_AGAIN, or NGX_ERROR */

static ngx_int_t
ngx_k8s_watcher_open(ngx_k8s_watcher_t *w)
{
    ngx_uint_t        required;
    ngx_k8s_block_t  *block;

    block = w->block;

    w->store = ngx_k8s_store_create(&block->conf->class, &w->events, w->log);
    if (w->store == NULL) {
        return NGX_ERROR;
    }

    ngx_k8s_queue_init(&w->queue, &w->queue_events, w->store,
                       &block->zone_name, w->log);
    ngx_k8s_refused_init(&w->refused, &w->refused_events,
                         block->conf->compile.problems, &block->zone_name,
                         w->log);
    ngx_k8s_teller_init(&w->teller, &block->zone_name, w->log);
    ngx_k8s_teller_standing(&w->teller, block->table, block->told);
    ngx_k8s_table_set_leader(block->table, 0);
    ngx_k8s_table_set_addresses(block->table, 0);
    ngx_k8s_external_init(&w->external, &w->external_events, block, w->log);
    ngx_queue_init(&w->seeds);

    w->cursor = 0;
    w->opened = 1;

    /* without Namespaces a selector can't tell which Ingresses are taken */

    required = block->conf->class.selector ? 1 << NGX_K8S_NAMESPACE : 0;

    if (ngx_k8s_progress_init(&w->progress, &block->conf->source, required,
                              w->store, block->table, w->writer,
                              &block->zone_name, w->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_k8s_kept_init(&w->kept, block->table, w->writer, &block->zone_name,
                          w->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/*
 * One last good version that a predecessor has kept: it is in the store before
 * the first list, whose end keeps it when the object is there and cannot be
 * read; a source of files knows itself what becomes of it.
 */

static ngx_int_t
ngx_k8s_watcher_seed(ngx_k8s_watcher_t *w)
{
    u_char          *p;
    ngx_int_t        rc;
    ngx_k8s_feed_t   feed;
    ngx_k8s_seed_t  *seed;

    rc = ngx_k8s_kept_next(&w->kept, &w->block->conf->source, &w->cursor,
                           &feed);

    if (rc != NGX_OK) {
        return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
    }

    if (w->block->conf->source.type != NGX_K8S_SOURCE_MANIFESTS) {
        w->progress.kinds[feed.kind].kept = 1;
        ngx_k8s_queue_feed(&w->queue, &feed);

        return NGX_AGAIN;
    }

    seed = ngx_alloc(sizeof(ngx_k8s_seed_t) + feed.origin.len, w->log);
    if (seed == NULL) {
        ngx_free(feed.text);
        return NGX_ERROR;
    }

    p = (u_char *) seed + sizeof(ngx_k8s_seed_t);
    ngx_memcpy(p, feed.origin.data, feed.origin.len);

    seed->feed = feed;
    seed->feed.origin.data = p;

    ngx_queue_insert_tail(&w->seeds, &seed->queue);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_k8s_watcher_source(ngx_k8s_watcher_t *w)
{
    ngx_k8s_block_t         *block;
    ngx_k8s_compile_conf_t   conf;

    block = w->block;
    conf = block->conf->compile;
    conf.regex = block->regex;
    conf.variable = block->variable;
    conf.told = ngx_k8s_watcher_told;
    conf.build = block->build ? ngx_k8s_watcher_build : NULL;
    conf.running = block->running ? ngx_k8s_watcher_running : NULL;
    conf.later = ngx_k8s_watcher_later;
    conf.resolve = ngx_k8s_watcher_resolve;
    conf.unresolve = ngx_k8s_watcher_unresolve;
    conf.data = w;

    w->pool = ngx_create_pool(1024, w->log);
    if (w->pool == NULL) {
        return NGX_ERROR;
    }

    conf.listens = ngx_k8s_listens(block, (ngx_cycle_t *) ngx_cycle, w->pool);
    if (conf.listens == NULL) {
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_NOTICE, w->log, 0,
                  "%V: watcher started, table version %uA",
                  &block->zone_name, block->table->version);

    if (block->conf->source.type == NGX_K8S_SOURCE_MANIFESTS) {
        w->source = ngx_k8s_manifests_start(&block->conf->source, &w->sink,
                                            w->log);

    } else {
        w->source = ngx_k8s_client_start(&block->conf->source, &w->sink,
                                         w->log);
    }

    if (w->source == NULL) {
        return NGX_ERROR;
    }

    if (w->source->seed) {
        w->source->seed(w->source, &w->seeds);
    }

    /* it asks the source for what directives name */

    w->compile = ngx_k8s_compile_create(&conf, w->store, w->writer, w->log);
    if (w->compile == NULL) {
        return NGX_ERROR;
    }

    ngx_k8s_saver_open(block->saver, &w->saver_events, w->writer);

    ngx_k8s_compile_clock(w->compile, ngx_time());
    ngx_add_timer(&w->clock, NGX_K8S_CLOCK_INTERVAL);

    if (block->conf->client_check) {
        ngx_add_timer(&w->clients, block->conf->client_check);
    }

    ngx_k8s_watcher_post(w);

    return NGX_OK;
}


/* gives up all that open has made, and the right; the table stays as it is */

static void
ngx_k8s_watcher_close(ngx_k8s_watcher_t *w)
{
    ngx_queue_t  *q;

    ngx_k8s_report_stop(&w->report);

    if (w->source) {
        w->source->stop(w->source);
        w->source = NULL;
    }

    ngx_k8s_watcher_cancel(&w->open);
    ngx_k8s_watcher_cancel(&w->work);
    ngx_k8s_watcher_cancel(&w->turn);
    ngx_k8s_watcher_cancel(&w->reclaim);
    ngx_k8s_watcher_cancel(&w->clock);
    ngx_k8s_watcher_cancel(&w->clients);
    ngx_k8s_watcher_cancel(&w->wanted);
    ngx_k8s_watcher_cancel(&w->lost);
    ngx_k8s_watcher_cancel(&w->due);
    ngx_k8s_watcher_cancel(&w->names);

    if (w->opened) {
        ngx_k8s_saver_close(w->block->saver);
        ngx_k8s_writer_publish(w->writer);
        ngx_k8s_queue_done(&w->queue);
        ngx_k8s_refused_done(&w->refused);
        ngx_k8s_progress_done(&w->progress);
        ngx_k8s_kept_done(&w->kept);

        while (!ngx_queue_empty(&w->seeds)) {
            q = ngx_queue_head(&w->seeds);
            ngx_queue_remove(q);
            ngx_k8s_seed_free(ngx_queue_data(q, ngx_k8s_seed_t, queue));
        }
    }

    if (w->compile) {
        ngx_k8s_compile_destroy(w->compile);
        ngx_k8s_external_done(&w->external);
        w->compile = NULL;
    }

    if (w->pool) {
        ngx_destroy_pool(w->pool);
        w->pool = NULL;
    }

    if (w->store) {
        ngx_k8s_store_destroy(w->store);
        w->store = NULL;
    }

    if (w->writer) {
        ngx_k8s_writer_close(w->writer);
        w->writer = NULL;
    }

    ngx_k8s_right_give(w->block->right);

    w->opened = 0;
    w->settled = 0;
    w->listed = 0;
    w->compiled = 0;
    w->unnamed = 0;
    w->late = 0;
    w->unknown = 0;
    w->usec = 0;
    w->said = 0;
    w->anew = 0;
    w->starved = 0;
}
