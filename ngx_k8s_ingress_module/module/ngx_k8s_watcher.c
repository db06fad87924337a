
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
static void ngx_k8s_watcher_work_handler(ngx_event_t *ev);
static void ngx_k8s_watcher_turn_handler(ngx_event_t *ev);
static void ngx_k8s_watcher_reclaim_handler(ngx_event_t *ev);
static void ngx_k8s_watcher_clock_handler(ngx_event_t *ev);
static void ngx_k8s_watcher_wanted_handler(ngx_event_t *ev);
static void ngx_k8s_watcher_due_handler(ngx_event_t *ev);
static void ngx_k8s_watcher_names_handler(ngx_event_t *ev);
static void ngx_k8s_watcher_check(ngx_k8s_watcher_t *w, uint64_t until);
static ngx_uint_t ngx_k8s_watcher_unknown(ngx_k8s_watcher_t *w);
static ngx_uint_t ngx_k8s_watcher_missing(ngx_k8s_watcher_t *w);
static void ngx_k8s_watcher_settle(ngx_k8s_watcher_t *w);
static void ngx_k8s_watcher_ready(ngx_k8s_watcher_t *w);


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


static void
ngx_k8s_watcher_turn_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_turn(w->block->table, w->usec);

    w->usec = 0;
}


/* one slice: objects into the store, what they touch into the table */

static void
ngx_k8s_watcher_work_handler(ngx_event_t *ev)
{
    uint64_t            now, until;
    ngx_int_t           queued, compiled, kept;
    ngx_uint_t          usec;
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_watcher_enter(w);

    /* what the source has taken of this turn counts */

    until = w->begun + NGX_K8S_TURN_USEC
            - ngx_min(w->usec, NGX_K8S_TURN_USEC / 2);

    queued = ngx_k8s_queue_run(&w->queue, w->listed
                                   ? until - NGX_K8S_TURN_COMPILE_USEC : until);

    if (w->queue.lost) {
        ngx_k8s_watcher_lost(w);
    }

    if (!w->listed) {
        ngx_k8s_watcher_check(w, until);
    }

    if (!w->settled) {
        ngx_k8s_watcher_settle(w);
    }

    compiled = NGX_OK;

    if (w->listed && w->settled) {
        now = ngx_k8s_usec();

        usec = (now + NGX_K8S_TURN_COMPILE_USEC < until)
               ? until - now : NGX_K8S_TURN_COMPILE_USEC;

        compiled = ngx_k8s_compile_run(w->compile, usec);
    }

    kept = NGX_OK;

    if (w->settled) {
        kept = ngx_k8s_kept_run(&w->kept, w->listed && queued == NGX_OK);
    }

    if (w->settled && queued == NGX_OK && compiled == NGX_OK) {
        ngx_k8s_progress_write(&w->progress);
    }

    ngx_k8s_writer_publish(w->writer);

    if (w->listed && w->settled && !w->compiled && compiled == NGX_OK) {
        ngx_k8s_watcher_ready(w);
    }

    ngx_k8s_saver_changed(w->block->saver);

    if (queued == NGX_ERROR || compiled == NGX_ERROR) {
        ngx_k8s_watcher_pause(w);

    } else if (queued == NGX_OK && compiled == NGX_OK) {
        w->starved = 0;
    }

    if (queued == NGX_AGAIN || compiled == NGX_AGAIN || kept == NGX_AGAIN
        || ngx_k8s_writer_behind(w->writer)
        || (queued != NGX_ERROR && ngx_k8s_store_busy(w->store)))
    {
        ngx_post_event(&w->work, &ngx_posted_next_events);

    } else if (ngx_k8s_writer_retired(w->writer) && !w->reclaim.timer_set) {
        ngx_add_timer(&w->reclaim, NGX_K8S_RECLAIM_INTERVAL);
    }

    ngx_k8s_watcher_leave(w);
}


/*
 * Nothing is compiled before all that is required is listed and what is fetched
 * by name has come: a successor would otherwise take back what its predecessor
 * had built of objects that it has not seen yet.
 */

static void
ngx_k8s_watcher_check(ngx_k8s_watcher_t *w, uint64_t until)
{
    ngx_int_t  rc;

    (void) ngx_k8s_watcher_missing(w);

    if (!ngx_k8s_progress_complete(&w->progress)) {
        return;
    }

    /* which Secrets are wanted follows from the classes */

    do {
        rc = ngx_k8s_store_settle(w->store, 1);
    } while (rc == NGX_AGAIN && ngx_k8s_usec() < until);

    if (rc == NGX_AGAIN) {
        ngx_post_event(&w->work, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_k8s_watcher_pause(w);
        return;
    }

    /* what could not be asked for has not come either */

    if ((ngx_k8s_watcher_missing(w) || w->queue.lost)
        && (!w->late || ngx_k8s_watcher_unknown(w)))
    {
        if (!w->wanted.timer_set && !w->late) {
            ngx_add_timer(&w->wanted, NGX_K8S_WANTED_INTERVAL);
        }

        return;
    }

    if (w->wanted.timer_set) {
        ngx_del_timer(&w->wanted);
    }

    w->listed = 1;

    (void) ngx_k8s_watcher_missing(w);

    ngx_k8s_kept_known(&w->kept, w->store);
    ngx_k8s_compile_synced(w->compile);
}


/*
 * Keys may protect routes.  Without those of the controller nothing is
 * compiled, nor without what those of a class said to a predecessor, whose
 * routes are in force; else a class without its keys has its own Ingresses
 * closed.
 */

static ngx_uint_t
ngx_k8s_watcher_unknown(ngx_k8s_watcher_t *w)
{
    ngx_k8s_node_t  *node;

    if (w->queue.nitems[NGX_K8S_CONFIG_MAP]) {
        return 1;
    }

    node = ngx_k8s_store_unknown(w->store, NULL);

    while (node && !w->block->table->ready
           && !ngx_k8s_store_config(w->store, &node->namespace, &node->name))
    {
        node = ngx_k8s_store_unknown(w->store, node);
    }

    if (node && !w->unknown) {
        w->unknown = 1;

        ngx_log_error(NGX_LOG_ERR, w->log, 0,
                      "%V: ConfigMap \"%V/%V\" has not come: its keys may "
                      "protect routes, so these stay as they are until it does",
                      &w->block->zone_name, &node->namespace, &node->name);
    }

    return node != NULL;
}


/* how many are named and have not come, which a start waits for */

static ngx_uint_t
ngx_k8s_watcher_missing(ngx_k8s_watcher_t *w)
{
    ngx_uint_t  kind, n, missing;

    missing = 0;

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {

        if (!ngx_k8s_kinds[kind].wanted) {
            continue;
        }

        /* asked for, or in the queue */

        n = w->source->missing(w->source, kind) + w->queue.nitems[kind];

        /* or there, and of no use */

        if (n == 0 && kind == NGX_K8S_CONFIG_MAP
            && ngx_k8s_store_unknown(w->store, NULL))
        {
            n = 1;
        }

        ngx_k8s_progress_missing(&w->progress, kind, w->listed ? 0 : n);

        /* what may not be read is not missing, whatever else of the kind is */

        missing += n;
    }

    return missing;
}


/*
 * What a new writer takes as free it may use when all readers of that moment
 * have moved on, a turn of theirs later; nothing can be stored before.
 */

static void
ngx_k8s_watcher_settle(ngx_k8s_watcher_t *w)
{
    ngx_k8s_writer_publish(w->writer);

    if (ngx_k8s_writer_retired(w->writer) == ngx_k8s_writer_moving(w->writer)) {
        w->settled = 1;

        ngx_k8s_refused_show(&w->refused);
    }
}


/*
 * All that was listed is compiled and published.  A name that is not looked up
 * so far, or whose nameserver is silent, is waited for a short time: routes
 * without a predecessor would else begin with 503.
 */

static void
ngx_k8s_watcher_ready(ngx_k8s_watcher_t *w)
{
    ngx_k8s_store_t  *s;
    ngx_k8s_table_t  *table;

    s = w->store;
    table = w->block->table;

    if (w->external.unknown && !w->unnamed) {
        if (!w->names.timer_set) {
            ngx_add_timer(&w->names, NGX_K8S_NAMES_INTERVAL);
        }

        return;
    }

    if (w->names.timer_set) {
        ngx_del_timer(&w->names);
    }

    w->compiled = 1;

    ngx_k8s_table_set_restored(table, 0);

    ngx_k8s_saver_synced(w->block->saver);

    ngx_log_error(NGX_LOG_NOTICE, w->log, 0,
                  "%V: in sync: %ui ingresses, %ui services, %ui endpoint "
                  "slices, table version %uA",
                  &w->block->zone_name,
                  ngx_k8s_store_count(s, NGX_K8S_INGRESS),
                  ngx_k8s_store_count(s, NGX_K8S_SERVICE),
                  ngx_k8s_store_count(s, NGX_K8S_ENDPOINT_SLICE),
                  table->version);

    if (ngx_k8s_table_set_ready(table)) {
        ngx_log_error(NGX_LOG_NOTICE, w->log, 0, "%V: ready",
                      &w->block->zone_name);
    }

    ngx_k8s_report_start(&w->report, &w->block->conf->report,
                         &w->report_events, w->source, s, table,
                         &w->block->zone_name, w->log);
}


/* frees what no reader can see any more */

static void
ngx_k8s_watcher_reclaim_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_watcher_enter(w);

    ngx_k8s_writer_publish(w->writer);

    if (ngx_k8s_writer_retired(w->writer)
        && !ngx_k8s_writer_behind(w->writer))
    {
        ngx_add_timer(ev, NGX_K8S_RECLAIM_INTERVAL);

    } else {

        /* what had no room may have some now */

        ngx_k8s_watcher_post(w);
    }

    ngx_k8s_watcher_leave(w);
}


static void
ngx_k8s_watcher_clock_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_compile_clock(w->compile, ngx_time());

    ngx_add_timer(ev, NGX_K8S_CLOCK_INTERVAL);

    ngx_k8s_watcher_post(w);
}


static void
ngx_k8s_watcher_wanted_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    w->late = 1;

    if (!ngx_k8s_watcher_unknown(w)) {
        ngx_log_error(NGX_LOG_WARN, w->log, 0,
                      "%V: %ui objects that are named have not come, going on "
                      "without them", &w->block->zone_name,
                      ngx_k8s_watcher_missing(w));
    }

    ngx_k8s_watcher_recall_all(w);
    ngx_k8s_watcher_post(w);
}


static void
ngx_k8s_watcher_due_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_compile_due(w->compile);

    ngx_k8s_watcher_post(w);
}


static void
ngx_k8s_watcher_names_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    w->unnamed = 1;

    ngx_k8s_watcher_post(w);
}
