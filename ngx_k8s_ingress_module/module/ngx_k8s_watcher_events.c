
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What the source and the parts of the watcher say to it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_clock.h>
#include <ngx_k8s_watcher.h>


static ngx_uint_t ngx_k8s_watcher_busy(void *data);
static void ngx_k8s_watcher_feed(void *data, ngx_k8s_feed_t *feed);
static size_t ngx_k8s_watcher_backlog(void *data);
static void ngx_k8s_watcher_state(void *data, ngx_uint_t kind,
    ngx_k8s_source_state_t *state);
static void ngx_k8s_watcher_unread(void *data, ngx_uint_t kind, ngx_int_t n);
static void ngx_k8s_watcher_problem(void *data, char *kind, ngx_str_t *name,
    ngx_int_t code, ngx_str_t *message);
static void ngx_k8s_watcher_changed(void *data);
static void ngx_k8s_watcher_listed(void *data, ngx_uint_t kind,
    ngx_str_t *scope, ngx_uint_t ends);
static void ngx_k8s_watcher_kept(void *data, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_feed_t *feed);
static ngx_uint_t ngx_k8s_watcher_is_kept(void *data, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);
static void ngx_k8s_watcher_recall(void *data, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name);
static void ngx_k8s_watcher_refused(void *data, ngx_str_t *kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_k8s_problem_t *problem);
static void ngx_k8s_watcher_show(void *data, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t n, ngx_k8s_problem_t *problems);
static void ngx_k8s_watcher_resolved(void *data, ngx_k8s_name_t *name);
static ngx_uint_t ngx_k8s_watcher_connected(void *data);
static void ngx_k8s_watcher_report(void *data);
static void ngx_k8s_watcher_want(void *data, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t wanted);


void
ngx_k8s_watcher_callbacks(ngx_k8s_watcher_t *w)
{
    w->sink.data = w;
    w->sink.feed = ngx_k8s_watcher_feed;
    w->sink.state = ngx_k8s_watcher_state;
    w->sink.problem = ngx_k8s_watcher_problem;
    w->sink.unread = ngx_k8s_watcher_unread;
    w->sink.backlog = ngx_k8s_watcher_backlog;
    w->sink.enter = ngx_k8s_watcher_enter;
    w->sink.leave = ngx_k8s_watcher_leave;
    w->sink.busy = ngx_k8s_watcher_busy;

    w->events.data = w;
    w->events.want = ngx_k8s_watcher_want;
    w->events.report = ngx_k8s_watcher_report;

    w->queue_events.data = w;
    w->queue_events.post = ngx_k8s_watcher_post;
    w->queue_events.changed = ngx_k8s_watcher_changed;
    w->queue_events.listed = ngx_k8s_watcher_listed;
    w->queue_events.kept = ngx_k8s_watcher_kept;
    w->queue_events.is_kept = ngx_k8s_watcher_is_kept;
    w->queue_events.recall = ngx_k8s_watcher_recall;
    w->queue_events.refused = ngx_k8s_watcher_refused;

    w->refused_events.data = w;
    w->refused_events.show = ngx_k8s_watcher_show;

    w->report_events.data = w;
    w->report_events.enter = ngx_k8s_watcher_enter;
    w->report_events.leave = ngx_k8s_watcher_leave;
    w->report_events.problem = ngx_k8s_watcher_problem;

    w->external_events.data = w;
    w->external_events.enter = ngx_k8s_watcher_enter;
    w->external_events.leave = ngx_k8s_watcher_leave;
    w->external_events.changed = ngx_k8s_watcher_resolved;
    w->external_events.ask = ngx_k8s_external_ask;
    w->external_events.cancel = ngx_k8s_external_cancel;

    w->saver_events.data = w;
    w->saver_events.enter = ngx_k8s_watcher_enter;
    w->saver_events.leave = ngx_k8s_watcher_leave;
    w->saver_events.post = ngx_k8s_watcher_post;
    w->saver_events.connected = ngx_k8s_watcher_connected;
    w->saver_events.problem = ngx_k8s_watcher_problem;
}


void
ngx_k8s_watcher_enter(void *data)
{
    ngx_k8s_watcher_t *w = data;

    if (w->depth++ == 0) {
        w->begun = ngx_k8s_usec();
    }
}


void
ngx_k8s_watcher_leave(void *data)
{
    ngx_k8s_watcher_t *w = data;

    if (--w->depth) {
        return;
    }

    w->usec += ngx_k8s_usec() - w->begun;

    if (w->writer) {
        ngx_post_event(&w->turn, &ngx_posted_events);
    }
}


static ngx_uint_t
ngx_k8s_watcher_busy(void *data)
{
    ngx_k8s_watcher_t *w = data;

    uint64_t  usec;

    usec = w->usec;

    if (w->depth) {
        usec += ngx_k8s_usec() - w->begun;
    }

    return usec > NGX_K8S_TURN_SOURCE_USEC;
}


/* has the next slice done, in this turn still, once all is open */

void
ngx_k8s_watcher_post(void *data)
{
    ngx_k8s_watcher_t *w = data;

    if (w->compile == NULL) {
        return;
    }

    ngx_post_event(&w->work, &ngx_posted_events);
}


static void
ngx_k8s_watcher_feed(void *data, ngx_k8s_feed_t *feed)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_queue_feed(&w->queue, feed);
}


static size_t
ngx_k8s_watcher_backlog(void *data)
{
    ngx_k8s_watcher_t *w = data;

    return w->queue.backlog;
}


static void
ngx_k8s_watcher_state(void *data, ngx_uint_t kind,
    ngx_k8s_source_state_t *state)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_progress_state(&w->progress, kind, state);
    ngx_k8s_watcher_post(w);
}


static void
ngx_k8s_watcher_problem(void *data, char *kind, ngx_str_t *name,
    ngx_int_t code, ngx_str_t *message)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_refused_problem(&w->refused, kind, name, code, message);
    ngx_k8s_watcher_post(w);
}


static void
ngx_k8s_watcher_unread(void *data, ngx_uint_t kind, ngx_int_t n)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_compile_unread(w->compile, kind, n);
    ngx_k8s_watcher_post(w);
}


static void
ngx_k8s_watcher_changed(void *data)
{
    ngx_k8s_watcher_t *w = data;

    w->progress.changed = 1;
}


/* whatever the change was, a new list shows it; said once while that lasts */

void
ngx_k8s_watcher_lost(ngx_k8s_watcher_t *w)
{
    ngx_uint_t  kind;

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {

        if (!(w->queue.lost & ~w->said & (1 << kind))) {
            continue;
        }

        ngx_log_error(NGX_LOG_ERR, w->log, 0,
                      "%V: a change of %V is lost, for lack of memory or as it "
                      "cannot be read: they are listed anew",
                      &w->block->zone_name, &ngx_k8s_kinds[kind].plural);
    }

    w->said |= w->queue.lost;

    if (!w->lost.timer_set) {
        w->pause = NGX_K8S_LOST_INTERVAL;
        ngx_add_timer(&w->lost, w->pause);
    }
}


/*
 * What is lost from here on is in the next round; none, while all that was lost
 * is listed: that was it.
 */

void
ngx_k8s_watcher_lost_handler(ngx_event_t *ev)
{
    ngx_uint_t          kind, lost;
    ngx_k8s_watcher_t  *w;

    w = ngx_k8s_watcher_of(ev);

    lost = w->queue.lost;

    if (lost == 0) {

        if (w->anew) {
            ngx_add_timer(ev, w->pause);

        } else {
            w->said = 0;
        }

        return;
    }

    ngx_k8s_watcher_enter(w);

    w->queue.lost = 0;
    w->anew |= lost;

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {

        if (lost & (1 << kind)) {
            w->source->relist(w->source, kind);
            ngx_k8s_store_ask(w->store, kind);
            ngx_k8s_watcher_post(w);
        }
    }

    w->pause = ngx_min(2 * w->pause, NGX_K8S_LOST_INTERVAL_MAX);
    ngx_add_timer(ev, w->pause);

    ngx_k8s_watcher_leave(w);
}


void
ngx_k8s_watcher_pause(ngx_k8s_watcher_t *w)
{
    if (w->work.timer_set) {
        return;
    }

    w->starved = w->starved ? ngx_min(2 * w->starved, NGX_K8S_STARVED_MAX)
                            : NGX_K8S_STARVED_INTERVAL;

    ngx_add_timer(&w->work, w->starved);
}


static void
ngx_k8s_watcher_listed(void *data, ngx_uint_t kind, ngx_str_t *scope,
    ngx_uint_t ends)
{
    ngx_k8s_watcher_t *w = data;

    ngx_str_t  *name;

    name = &ngx_k8s_kinds[kind].name;

    if (ends) {

        /* the pause begins with the end of the list */

        if (w->anew & (1 << kind)) {
            w->anew &= ~(1 << kind);
            ngx_add_timer(&w->lost, w->pause);
        }

        ngx_k8s_progress_listed(&w->progress, kind, scope);
        ngx_k8s_refused_end(&w->refused, name, scope);
        ngx_k8s_kept_listed(&w->kept, w->store, kind, scope);

    } else {
        ngx_k8s_refused_begin(&w->refused, name, scope);
    }
}


static void
ngx_k8s_watcher_kept(void *data, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_feed_t *feed)
{
    ngx_k8s_watcher_t *w = data;

    if (ngx_k8s_kept_object(&w->kept, kind, ns, name, feed) != NGX_OK) {
        ngx_log_error(NGX_LOG_CRIT, w->log, 0,
                      "%V: no memory to keep the last good version of %V "
                      "\"%V/%V\" for a successor", &w->block->zone_name,
                      &ngx_k8s_kinds[kind].name, ns, name);
    }
}


static ngx_uint_t
ngx_k8s_watcher_is_kept(void *data, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_watcher_t *w = data;

    return ngx_k8s_kept_has(&w->kept, kind, ns, name);
}


static void
ngx_k8s_watcher_recall(void *data, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_feed_t  feed;

    if (ngx_k8s_kept_get(&w->kept, kind, ns, name, &feed) == NGX_OK) {
        feed.recalled = 1;
        ngx_k8s_queue_feed(&w->queue, &feed);
    }
}


/* those that have not come say what they said to a predecessor */

void
ngx_k8s_watcher_recall_all(ngx_k8s_watcher_t *w)
{
    ngx_k8s_node_t  *node;

    for (node = ngx_k8s_store_unknown(w->store, NULL);
         node;
         node = ngx_k8s_store_unknown(w->store, node))
    {
        ngx_k8s_watcher_recall(w, NGX_K8S_CONFIG_MAP, &node->namespace,
                               &node->name);
    }
}


static void
ngx_k8s_watcher_refused(void *data, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_k8s_problem_t *problem)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_refused_object(&w->refused, kind, ns, name, problem);
}


/* nothing can be stored before the writer has its memory */

static void
ngx_k8s_watcher_show(void *data, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t n, ngx_k8s_problem_t *problems)
{
    ngx_k8s_watcher_t *w = data;

    if (w->settled) {
        ngx_k8s_compile_problems(w->compile, kind, ns, name, n, problems);
    }
}


void
ngx_k8s_watcher_told(void *data, ngx_k8s_problem_rec_t *old,
    ngx_k8s_problem_rec_t *now)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_teller_told(&w->teller, old, now);
    ngx_k8s_report_told(&w->report, old, now);
}


ngx_int_t
ngx_k8s_watcher_build(void *data, ngx_uint_t base, ngx_str_t *values,
    ngx_str_t *error)
{
    ngx_k8s_watcher_t *w = data;

    return w->block->build(w->block, base, values, error);
}


ngx_int_t
ngx_k8s_watcher_running(void *data, ngx_k8s_row_t *row, ngx_str_t *value)
{
    ngx_k8s_watcher_t *w = data;

    return w->block->running(w->block, row, value);
}


void
ngx_k8s_watcher_later(void *data, ngx_msec_t msec)
{
    ngx_k8s_watcher_t *w = data;

    if (!w->due.timer_set
        || (ngx_msec_int_t) (w->due.timer.key - ngx_current_msec)
           > (ngx_msec_int_t) msec)
    {
        ngx_add_timer(&w->due, msec);
    }
}


ngx_k8s_name_t *
ngx_k8s_watcher_resolve(void *data, ngx_str_t *ns, ngx_str_t *name)
{
    ngx_k8s_watcher_t *w = data;

    return ngx_k8s_external_get(&w->external, ns, name);
}


void
ngx_k8s_watcher_unresolve(void *data, ngx_k8s_name_t *name)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_external_put(&w->external, name);
}


static void
ngx_k8s_watcher_resolved(void *data, ngx_k8s_name_t *name)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_compile_resolved(w->compile, name);
    ngx_k8s_watcher_post(w);
}


static ngx_uint_t
ngx_k8s_watcher_connected(void *data)
{
    ngx_k8s_watcher_t *w = data;

    return ngx_k8s_progress_connected(&w->progress);
}


static void
ngx_k8s_watcher_report(void *data)
{
    ngx_k8s_watcher_t *w = data;

    ngx_k8s_report_post(&w->report);
}


static void
ngx_k8s_watcher_want(void *data, ngx_uint_t kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t wanted)
{
    ngx_k8s_watcher_t *w = data;

    /* at the end the source goes first */

    if (w->source) {
        w->source->want(w->source, kind, ns, name, wanted);
    }
}
