
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Who leads, what the status of Ingresses is to be, when something is written,
 * and what is made of the answers.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_reader.h>
#include <ngx_k8s_report.h>
#include <ngx_k8s_table_set.h>


#define NGX_K8S_REPORT_SENDS         2       /* requests of one turn */
#define NGX_K8S_REPORT_BURST         10      /* writes at once */
#define NGX_K8S_REPORT_ROW           8       /* refusals: not of one object */
#define NGX_K8S_REPORT_PAUSE         1000    /* after failures, twice as long */
#define NGX_K8S_REPORT_PAUSE_MAX     30000   /* each time */
#define NGX_K8S_REPORT_IDLE          60000   /* between two looks */
#define NGX_K8S_REPORT_END           20000   /* for taking statuses back */


static void ngx_k8s_report_lease(void *data);
static void ngx_k8s_report_wrote(void *data, ngx_uint_t status);
static void ngx_k8s_report_address(void *data);
static void ngx_k8s_report_enter(void *data);
static void ngx_k8s_report_leave(void *data);
static ngx_uint_t ngx_k8s_report_others(ngx_k8s_report_t *r);
static void ngx_k8s_report_end_handler(ngx_event_t *ev);
static void ngx_k8s_report_lead(ngx_k8s_report_t *r);
static void ngx_k8s_report_follow(ngx_k8s_report_t *r);
static void ngx_k8s_report_timer(ngx_event_t *ev);
static ngx_uint_t ngx_k8s_report_may(ngx_k8s_report_t *r, ngx_uint_t what);
static ngx_int_t ngx_k8s_report_send(ngx_k8s_report_t *r,
    ngx_k8s_report_write_t *w);
static void ngx_k8s_report_next(ngx_k8s_report_t *r, ngx_uint_t soon);
static void ngx_k8s_report_set_timer(ngx_k8s_report_t *r, ngx_msec_t delay);
static void ngx_k8s_report_done(ngx_k8s_ask_t *ask);
static ngx_uint_t ngx_k8s_report_result(ngx_k8s_report_t *r,
    ngx_k8s_ask_t *ask, ngx_uint_t what, ngx_k8s_status_t *st);
static void ngx_k8s_report_deny(ngx_k8s_report_t *r, ngx_uint_t what,
    ngx_k8s_status_t *st);
static void ngx_k8s_report_problem(ngx_k8s_report_t *r, ngx_uint_t what,
    u_char *text, size_t len);
static ngx_uint_t ngx_k8s_report_counted(ngx_uint_t status);


static ngx_str_t  ngx_k8s_report_names[] = {
    ngx_string("ingresses/status"),
    ngx_string("events"),
    ngx_string("leases"),
    ngx_string("addresses")
};


void
ngx_k8s_report_start(ngx_k8s_report_t *r, ngx_k8s_report_conf_t *conf,
    ngx_k8s_report_events_t *events, ngx_k8s_source_t *source,
    ngx_k8s_store_t *store, ngx_k8s_table_t *table, ngx_str_t *zone,
    ngx_log_t *log)
{
    ngx_uint_t  i;

    if (r->started || source->ask == NULL || (!conf->status && !conf->told)) {
        return;
    }

    ngx_memzero(r, sizeof(ngx_k8s_report_t));

    r->conf = conf;
    r->events = events;
    r->source = source;
    r->store = store;
    r->table = table;
    r->zone = *zone;
    r->log = log;
    r->ident = -1;
    r->started = 1;
    r->elected = 1;
    r->next = ngx_current_msec;

    r->timer.handler = ngx_k8s_report_timer;
    r->timer.data = r;
    r->timer.log = log;
    r->timer.cancelable = 1;

    for (i = 0; i < NGX_K8S_REPORT_PARALLEL; i++) {
        r->writes[i].report = r;
        r->writes[i].ask.data = &r->writes[i];
        r->writes[i].ask.done = ngx_k8s_report_done;
    }

    ngx_k8s_report_events_init(r);

    r->lease_events.data = r;
    r->lease_events.changed = ngx_k8s_report_lease;
    r->lease_events.enter = ngx_k8s_report_enter;
    r->lease_events.leave = ngx_k8s_report_leave;
    r->lease_events.wrote = ngx_k8s_report_wrote;

    r->publish_events.data = r;
    r->publish_events.changed = ngx_k8s_report_address;
    r->publish_events.enter = ngx_k8s_report_enter;
    r->publish_events.leave = ngx_k8s_report_leave;

    ngx_k8s_lease_start(&r->lease, &conf->lease, &r->lease_events, source,
                        log);
}


void
ngx_k8s_report_stop(ngx_k8s_report_t *r)
{
    ngx_uint_t  i;

    if (!r->started) {
        return;
    }

    r->started = 0;

    ngx_k8s_report_follow(r);
    ngx_k8s_lease_stop(&r->lease);

    for (i = 0; i < NGX_K8S_REPORT_PARALLEL; i++) {
        r->source->unask(&r->writes[i].ask);
    }

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    if (r->end.timer_set) {
        ngx_del_timer(&r->end);
    }
}


static void
ngx_k8s_report_enter(void *data)
{
    ngx_k8s_report_t *r = data;

    r->events->enter(r->events->data);
}


static void
ngx_k8s_report_leave(void *data)
{
    ngx_k8s_report_t *r = data;

    r->events->leave(r->events->data);
}


static void
ngx_k8s_report_wrote(void *data, ngx_uint_t status)
{
    ngx_k8s_report_t *r = data;

    ngx_k8s_table_wrote(r->table, NGX_K8S_WROTE_LEASE,
                        ngx_k8s_report_counted(status));
}


static void
ngx_k8s_report_lease(void *data)
{
    ngx_k8s_report_t *r = data;

    if (r->elected != (r->lease.reason_len == 0)) {
        r->elected = !r->elected;

        ngx_k8s_report_problem(r, NGX_K8S_REPORT_LEASE, r->lease.reason,
                               r->lease.reason_len);
    }

    if (r->lease.leader == r->leader) {
        return;
    }

    if (r->conf->lease.name.len) {
        ngx_log_error(NGX_LOG_NOTICE, r->log, 0,
                      "%V: %s statuses and Events, Lease \"%V/%V\" is held by "
                      "\"%V\"", &r->zone,
                      r->lease.leader ? "writes" : "no longer writes",
                      &r->conf->lease.namespace, &r->conf->lease.name,
                      r->lease.leader ? &r->conf->lease.identity
                                      : &r->lease.holder);
    }

    if (r->lease.leader) {
        ngx_k8s_report_lead(r);

    } else {
        ngx_k8s_report_follow(r);
    }
}


static void
ngx_k8s_report_lead(ngx_k8s_report_t *r)
{
    r->leader = 1;
    r->source->lasting = r->conf->shutdown;

    ngx_k8s_table_set_leader(r->table, 1);

    if (r->conf->status) {
        ngx_k8s_publish_start(&r->publish, &r->conf->publish,
                              &r->publish_events, r->source, r->log);
    }

    if (r->conf->told) {
        r->cursor = 0;
        r->walking = 1;
    }

    ngx_k8s_report_post(r);
}


/* requests that are under way end by themselves */

static void
ngx_k8s_report_follow(ngx_k8s_report_t *r)
{
    if (!r->leader) {
        return;
    }

    r->leader = 0;
    r->walking = 0;
    r->source->lasting = 0;

    ngx_k8s_table_set_leader(r->table, 0);
    ngx_k8s_table_set_addresses(r->table, 0);

    ngx_k8s_publish_stop(&r->publish);
    ngx_k8s_reported_on(r->store, 0);
    ngx_k8s_report_events_done(r);

    if (r->status.data) {
        ngx_free(r->status.data);
        ngx_str_null(&r->status);
    }

    /* at the end it stays, for a successor */

    if (r->started) {
        ngx_k8s_report_problem(r, NGX_K8S_REPORT_ADDRESS, NULL, 0);
    }
}


/* there is another status, or a reason why there is none */

static void
ngx_k8s_report_address(void *data)
{
    ngx_k8s_report_t *r = data;

    u_char            *text;
    ngx_str_t         *status;
    ngx_k8s_digest_t   digest;

    ngx_k8s_report_problem(r, NGX_K8S_REPORT_ADDRESS, r->publish.reason,
                           r->publish.reason_len);

    status = &r->publish.status;

    if (status->len == 0 || r->ending
        || (status->len == r->status.len
            && ngx_memcmp(status->data, r->status.data, status->len) == 0))
    {
        return;
    }

    ngx_k8s_digest_init(&digest);
    ngx_k8s_digest_add(&digest, status->data, status->len);

    text = ngx_alloc(status->len, r->log);

    if (ngx_k8s_digest_final(&digest, r->digest) != NGX_OK || text == NULL) {
        ngx_free(text);
        return;
    }

    ngx_memcpy(text, status->data, status->len);

    ngx_free(r->status.data);
    r->status.data = text;
    r->status.len = status->len;
    r->stamp++;

    ngx_k8s_table_set_addresses(r->table, r->publish.naddrs);

    ngx_log_error(NGX_LOG_NOTICE, r->log, 0,
                  "%V: the status of Ingresses is %V", &r->zone, status);

    ngx_k8s_reported_on(r->store, 1);
    ngx_k8s_report_post(r);
}


ngx_uint_t
ngx_k8s_report_end(ngx_k8s_report_t *r)
{
    if (!r->leader || r->ending || !r->conf->shutdown
        || !ngx_k8s_lease_held(&r->lease)
        || r->status.len == 0
        || ngx_k8s_report_others(r)
        || ngx_k8s_report_status_end(r) != NGX_OK)
    {
        return 0;
    }

    ngx_log_error(NGX_LOG_NOTICE, r->log, 0,
                  "%V: the addresses in the status of Ingresses are taken back",
                  &r->zone);

    r->ending = 1;

    r->end.handler = ngx_k8s_report_end_handler;
    r->end.data = r;
    r->end.log = r->log;

    /* it holds the worker */

    ngx_add_timer(&r->end, NGX_K8S_REPORT_END);

    ngx_k8s_report_post(r);

    return 1;
}


/* whether another replica is left, or that is not known: what is served at the
   Service that is published */

static ngx_uint_t
ngx_k8s_report_others(ngx_k8s_report_t *r)
{
    ngx_uint_t                 i;
    ngx_queue_t               *q, *parts;
    ngx_k8s_link_t            *link;
    ngx_k8s_node_t            *node;
    ngx_k8s_publish_conf_t    *publish;
    ngx_k8s_endpoint_slice_t  *slice;
    ngx_k8s_slice_endpoint_t  *endpoint;

    publish = &r->conf->publish;

    if (ngx_k8s_store_get(r->store, NGX_K8S_SERVICE, &publish->namespace,
                          &publish->name)
        == NULL)
    {
        return 1;
    }

    node = ngx_k8s_node_find(r->store, NGX_K8S_NODE_SERVICE,
                             &publish->namespace, &publish->name);
    if (node == NULL) {
        return 0;
    }

    parts = &node->links[NGX_K8S_ROLE_PART];

    for (q = ngx_queue_head(parts);
         q != ngx_queue_sentinel(parts);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);
        slice = (ngx_k8s_endpoint_slice_t *) link->entry->object;

        endpoint = slice->endpoints.elts;

        for (i = 0; i < slice->endpoints.nelts; i++) {
            if (endpoint[i].ready) {
                return 1;
            }
        }
    }

    return 0;
}


static void
ngx_k8s_report_end_handler(ngx_event_t *ev)
{
    ngx_k8s_report_t  *r;

    r = ev->data;

    r->events->ended(r->events->data);
}


void
ngx_k8s_report_post(ngx_k8s_report_t *r)
{
    if (r->leader) {
        ngx_k8s_report_set_timer(r, 1);
    }
}


static void
ngx_k8s_report_set_timer(ngx_k8s_report_t *r, ngx_msec_t delay)
{
    if (!r->timer.timer_set
        || (ngx_msec_int_t) (r->timer.timer.key - ngx_current_msec)
           > (ngx_msec_int_t) delay)
    {
        ngx_add_timer(&r->timer, delay);
    }
}


void
ngx_k8s_report_told(ngx_k8s_report_t *r, ngx_k8s_problem_rec_t *old,
    ngx_k8s_problem_rec_t *now)
{
    if (r->leader && r->conf->told) {
        ngx_k8s_report_events_told(r, old, now);
        ngx_k8s_report_post(r);
    }
}


/* looks at some, and writes what may be written now */

static void
ngx_k8s_report_timer(ngx_event_t *ev)
{
    ngx_int_t          rc;
    ngx_uint_t         i, sent, soon;
    ngx_k8s_report_t  *r;

    r = ev->data;

    if (!r->leader) {
        return;
    }

    ngx_k8s_report_enter(r);

    soon = (ngx_k8s_reported_walk(r->store, NGX_K8S_REPORT_LOOKS) == NGX_AGAIN);

    if (r->walking) {
        r->walking = (ngx_k8s_report_events_walk(r) == NGX_AGAIN);
        soon |= r->walking;
    }

    ngx_k8s_report_status_look(r);
    ngx_k8s_report_events_look(r);

    sent = 0;

    for (i = 0; i < NGX_K8S_REPORT_PARALLEL; i++) {

        if (r->writes[i].ask.call) {
            continue;
        }

        if ((ngx_msec_int_t) (r->next - ngx_current_msec) > 0) {
            break;
        }

        rc = ngx_k8s_report_send(r, &r->writes[i]);

        if (rc == NGX_AGAIN || ++sent == NGX_K8S_REPORT_SENDS) {
            soon = 1;
            break;
        }

        if (rc != NGX_OK) {
            break;
        }
    }

    ngx_k8s_report_next(r, soon);

    /* not from here: who stops all may run in the midst of something */

    if (r->ending && ngx_k8s_report_status_ended(r)) {
        ngx_add_timer(&r->end, 1);
    }

    ngx_k8s_report_leave(r);
}


static ngx_uint_t
ngx_k8s_report_may(ngx_k8s_report_t *r, ngx_uint_t what)
{
    if (!ngx_k8s_lease_held(&r->lease)) {
        return 0;
    }

    if (r->held) {

        if ((ngx_msec_int_t) (r->pause - ngx_current_msec) > 0) {
            return 0;
        }

        r->held = 0;
    }

    return r->refusals[what] < NGX_K8S_REPORT_ROW
           || (ngx_msec_int_t) (r->refused[what] - ngx_current_msec) <= 0;
}


/* begins one write.  NGX_DECLINED: there is none to be begun now; NGX_AGAIN:
   there may be one, not all were looked at; NGX_ERROR */

static ngx_int_t
ngx_k8s_report_send(ngx_k8s_report_t *r, ngx_k8s_report_write_t *w)
{
    ngx_int_t   rc;
    ngx_uint_t  i;
    ngx_msec_t  interval, past;

    rc = NGX_DECLINED;

    /* by turns, where there is of both */

    for (i = 0; i < 2 && rc == NGX_DECLINED; i++) {

        r->turn = !r->turn;

        if (r->turn) {
            if (ngx_k8s_report_may(r, NGX_K8S_REPORT_EVENT)) {
                rc = ngx_k8s_report_events_send(r, w);
            }

            continue;
        }

        if (r->status.len && ngx_k8s_report_may(r, NGX_K8S_REPORT_STATUS)) {
            rc = ngx_k8s_report_status_send(r, w);
        }
    }

    if (rc != NGX_OK) {
        return rc;
    }

    /* what was not used of the last moments is left */

    interval = ngx_max(1000 / r->conf->rate, 1);
    past = ngx_current_msec - NGX_K8S_REPORT_BURST * interval;

    if ((ngx_msec_int_t) (past - r->next) > 0) {
        r->next = past;
    }

    r->next += interval;

    return NGX_OK;
}


/* when there is something to do again */

static void
ngx_k8s_report_next(ngx_k8s_report_t *r, ngx_uint_t soon)
{
    ngx_msec_t  delay, wait;

    delay = soon ? 1 : NGX_K8S_REPORT_IDLE;

    if ((!ngx_queue_empty(&r->store->reported) && r->status.len)
        || !ngx_queue_empty(&r->due))
    {
        wait = r->next - ngx_current_msec;

        if ((ngx_msec_int_t) wait <= 0) {

            /* all are under way, or none may be: an answer, or a second */

            wait = 1000;
        }

        delay = ngx_min(delay, wait);
    }

    if (!ngx_queue_empty(&r->store->parked) || !ngx_queue_empty(&r->later)) {
        delay = ngx_min(delay, 1000);
    }

    ngx_k8s_report_set_timer(r, delay);
}


static void
ngx_k8s_report_done(ngx_k8s_ask_t *ask)
{
    ngx_uint_t               what, again;
    ngx_k8s_report_t        *r;
    ngx_k8s_status_t         st;
    ngx_k8s_report_write_t  *w;

    w = ask->data;
    r = w->report;

    what = w->item ? NGX_K8S_REPORT_EVENT : NGX_K8S_REPORT_STATUS;

    ngx_memzero(&st, sizeof(ngx_k8s_status_t));

    if (ask->status >= 400) {
        ngx_k8s_api_status(ask->text.data, ask->text.len, &st);
    }

    ngx_k8s_table_wrote(r->table, what == NGX_K8S_REPORT_EVENT
                                  ? NGX_K8S_WROTE_EVENT
                                  : NGX_K8S_WROTE_STATUS,
                        ngx_k8s_report_counted(ask->status));

    again = ngx_k8s_report_result(r, ask, what, &st);

    if (w->item) {
        ngx_k8s_report_events_sent(r, w, again);

    } else {
        ngx_k8s_report_status_sent(r, w, again);
    }

    ngx_k8s_report_post(r);
}


/* whether it is to be written once more, see ngx_k8s_report.h */

static ngx_uint_t
ngx_k8s_report_result(ngx_k8s_report_t *r, ngx_k8s_ask_t *ask, ngx_uint_t what,
    ngx_k8s_status_t *st)
{
    ngx_msec_t  pause;

    switch (ask->status) {

    case 200:
    case 201:
    case 404:
    case 409:

        r->attempts = 0;
        r->refusals[what] = 0;

        if (r->denied & (1 << what)) {
            r->denied &= ~(1 << what);
            ngx_k8s_report_problem(r, what, NULL, 0);
        }

        return 0;

    case 403:

        /* nothing is made in a namespace that goes; it is no missing right */

        if (ngx_strnstr(st->message, "being terminated", st->len)) {
            return 0;
        }

        ngx_k8s_report_deny(r, what, st);

        return NGX_K8S_REPORT_LATER;

    case 0:
    case 401:
    case 408:
    case 429:
        break;

    default:

        /* an Event of which it does not like something keeps no other back */

        if (ask->status < 500) {
            if (what == NGX_K8S_REPORT_STATUS) {
                ngx_k8s_report_deny(r, what, st);
            }

            return 0;
        }
    }

    pause = NGX_K8S_REPORT_PAUSE << ngx_min(r->attempts, 5);
    pause = ngx_min(pause, NGX_K8S_REPORT_PAUSE_MAX);
    pause = ngx_max(pause, 1000 * ngx_min(ask->retry_after, 300));

    if (!r->held) {
        r->attempts++;
    }

    r->held = 1;
    r->pause = ngx_current_msec + pause;

    return NGX_K8S_REPORT_AGAIN;
}


static void
ngx_k8s_report_deny(ngx_k8s_report_t *r, ngx_uint_t what, ngx_k8s_status_t *st)
{
    u_char  *p, text[NGX_K8S_API_MESSAGE + 64];

    /* a quota or a webhook may be of one namespace only */

    if (++r->refusals[what] >= NGX_K8S_REPORT_ROW) {
        r->refused[what] = ngx_current_msec + NGX_K8S_REPORT_REFUSED;
    }

    if (r->denied & (1 << what)) {
        return;
    }

    r->denied |= 1 << what;

    p = ngx_slprintf(text, text + sizeof(text),
                     "the API server refuses to have it written: %*s",
                     st->len, st->message);

    ngx_k8s_report_problem(r, what, text, p - text);
}


/* of the API server, not of an object; an empty text ends it */

static void
ngx_k8s_report_problem(ngx_k8s_report_t *r, ngx_uint_t what, u_char *text,
    size_t len)
{
    ngx_str_t               *name, message;
    ngx_uint_t               code;
    ngx_k8s_problem_code_t  *row;

    name = &ngx_k8s_report_names[what];

    code = (what == NGX_K8S_REPORT_ADDRESS) ? NGX_K8S_PROBLEM_NO_ADDRESS
                                            : NGX_K8S_PROBLEM_WRITE_REFUSED;
    row = &ngx_k8s_problem_codes[code];

    if (len == 0 && !(r->said & (1 << what))) {
        return;
    }

    r->events->problem(r->events->data, "ApiServer", name, -1, NULL);

    if (len == 0) {
        r->said &= ~(1 << what);

        ngx_log_error(NGX_LOG_NOTICE, r->log, 0, "%V: %V: no longer %V",
                      &r->zone, name, &row->name);
        return;
    }

    r->said |= 1 << what;

    message.data = text;
    message.len = len;

    ngx_log_error(NGX_LOG_WARN, r->log, 0, "%V: %V: %V (%V): %V", &r->zone,
                  name, &message, &row->name, &row->remedy);

    r->events->problem(r->events->data, "ApiServer", name, code, &message);
}


static ngx_uint_t
ngx_k8s_report_counted(ngx_uint_t status)
{
    switch (status) {

    case 200:
    case 201:
        return NGX_K8S_WROTE_OK;

    case 404:
    case 409:
        return NGX_K8S_WROTE_CONFLICT;

    case 403:
        return NGX_K8S_WROTE_REFUSED;

    default:
        return NGX_K8S_WROTE_FAILED;
    }
}
