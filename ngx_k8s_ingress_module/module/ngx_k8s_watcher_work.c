
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The watcher's work, in slices: objects go to the store, what they touch to
 * the table, which is ready when all that has to be is listed and compiled.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_clock.h>
#include <ngx_k8s_table_set.h>
#include <ngx_k8s_watcher.h>


static void ngx_k8s_watcher_check(ngx_k8s_watcher_t *w, uint64_t until);
static ngx_uint_t ngx_k8s_watcher_unknown(ngx_k8s_watcher_t *w);
static ngx_uint_t ngx_k8s_watcher_missing(ngx_k8s_watcher_t *w);
static void ngx_k8s_watcher_settle(ngx_k8s_watcher_t *w);
static void ngx_k8s_watcher_ready(ngx_k8s_watcher_t *w);


void
ngx_k8s_watcher_turn_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_turn(w->block->table, w->usec);

    w->usec = 0;
}


/* one slice: objects into the store, what they touch into the table */

void
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

void
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


void
ngx_k8s_watcher_clock_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_compile_clock(w->compile, ngx_time());

    ngx_add_timer(ev, NGX_K8S_CLOCK_INTERVAL);

    ngx_k8s_watcher_post(w);
}


void
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


void
ngx_k8s_watcher_due_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    ngx_k8s_compile_due(w->compile);

    ngx_k8s_watcher_post(w);
}


void
ngx_k8s_watcher_names_handler(ngx_event_t *ev)
{
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    w->unnamed = 1;

    ngx_k8s_watcher_post(w);
}
