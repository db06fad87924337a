
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_lease.h>


#define NGX_K8S_LEASE_PATH                                                    \
    "/apis/coordination.k8s.io/v1/namespaces/%V/leases"

/* milliseconds: between two tries of what the API server refuses; the longest
   time that one takes */

#define NGX_K8S_LEASE_REFUSED        30000
#define NGX_K8S_LEASE_TIME           10000


static void ngx_k8s_lease_timer(ngx_event_t *ev);
static void ngx_k8s_lease_send(ngx_k8s_lease_t *l, char *verb, json_t *lease);
static void ngx_k8s_lease_done(ngx_k8s_ask_t *ask);
static ngx_uint_t ngx_k8s_lease_answer(ngx_k8s_lease_t *l,
    ngx_k8s_ask_t *ask);
static void ngx_k8s_lease_again(ngx_k8s_lease_t *l);
static ngx_uint_t ngx_k8s_lease_read(ngx_k8s_lease_t *l, ngx_str_t *text);
static void ngx_k8s_lease_look(ngx_k8s_lease_t *l);
static void ngx_k8s_lease_take(ngx_k8s_lease_t *l);
static ngx_int_t ngx_k8s_lease_spec(ngx_k8s_lease_t *l, json_t *lease);
static void ngx_k8s_lease_create(ngx_k8s_lease_t *l);
static void ngx_k8s_lease_next(ngx_k8s_lease_t *l);
static void ngx_k8s_lease_set(ngx_k8s_lease_t *l, ngx_uint_t leader);
static void ngx_k8s_lease_why(ngx_k8s_lease_t *l, ngx_k8s_ask_t *ask);
static void ngx_k8s_lease_well(ngx_k8s_lease_t *l);
static const char *ngx_k8s_lease_str(json_t *json, char *name);


#define ngx_k8s_lease_retry(l)     ((l)->conf->duration / 4)
#define ngx_k8s_lease_deadline(l)  ((l)->conf->duration / 2)


void
ngx_k8s_lease_start(ngx_k8s_lease_t *l, ngx_k8s_lease_conf_t *conf,
    ngx_k8s_lease_events_t *events, ngx_k8s_source_t *source, ngx_log_t *log)
{
    ngx_memzero(l, sizeof(ngx_k8s_lease_t));

    l->conf = conf;
    l->events = events;
    l->source = source;
    l->log = log;
    l->ident = -1;
    l->started = 1;

    l->holder.data = l->holder_buf;

    l->timer.handler = ngx_k8s_lease_timer;
    l->timer.data = l;
    l->timer.log = log;
    l->timer.cancelable = 1;

    l->ask.data = l;
    l->ask.done = ngx_k8s_lease_done;

    ngx_add_timer(&l->timer, 1);
}


void
ngx_k8s_lease_stop(ngx_k8s_lease_t *l)
{
    if (!l->started) {
        return;
    }

    l->started = 0;
    l->leader = 0;

    if (l->timer.timer_set) {
        ngx_del_timer(&l->timer);
    }

    l->source->unask(&l->ask);

    json_decref(l->lease);
    l->lease = NULL;
}


ngx_uint_t
ngx_k8s_lease_held(ngx_k8s_lease_t *l)
{
    return l->leader
           && (l->conf->name.len == 0
               || ngx_current_msec - l->renewed < ngx_k8s_lease_deadline(l));
}


static void
ngx_k8s_lease_timer(ngx_event_t *ev)
{
    ngx_k8s_lease_t  *l;

    l = ev->data;
    l->again = 0;

    l->events->enter(l->events->data);

    if (l->conf->name.len == 0) {
        l->renewed = ngx_current_msec;
        ngx_k8s_lease_set(l, 1);

    } else if (l->leader) {
        ngx_k8s_lease_take(l);

    } else {
        ngx_k8s_lease_send(l, "get", NULL);
    }

    l->events->leave(l->events->data);
}


/* what is sent is freed */

static void
ngx_k8s_lease_send(ngx_k8s_lease_t *l, char *verb, json_t *lease)
{
    char               *body;
    u_char             *p, path[sizeof(NGX_K8S_LEASE_PATH) + 2 * 254];
    ngx_int_t           rc;
    ngx_msec_t          time;
    ngx_k8s_request_t   req;

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));

    p = ngx_sprintf(path, NGX_K8S_LEASE_PATH, &l->conf->namespace);

    req.path = (char *) path;
    req.accept = "Accept: application/json";

    body = NULL;
    rc = NGX_OK;

    if (lease) {
        body = json_dumps(lease, JSON_COMPACT);
        json_decref(lease);

        req.method = *verb == 'c' ? "POST" : "PUT";
        req.type = "Content-Type: application/json";
        req.body.data = (u_char *) body;
        req.body.len = body ? ngx_strlen(body) : 0;

        rc = body ? NGX_OK : NGX_ERROR;
    }

    if (*verb != 'c') {
        p = ngx_sprintf(p, "/%V", &l->conf->name);
    }

    *p = '\0';

    if (rc == NGX_OK) {
        time = ngx_min(ngx_k8s_lease_retry(l), NGX_K8S_LEASE_TIME);
        rc = l->source->ask(l->source, &req, time, &l->ask);
    }

    free(body);

    if (rc == NGX_OK) {
        l->verb = verb;
        l->sent = ngx_current_msec;
        return;
    }

    ngx_k8s_lease_next(l);
}


static void
ngx_k8s_lease_done(ngx_k8s_ask_t *ask)
{
    ngx_k8s_lease_t  *l;

    l = ask->data;

    l->events->wrote(l->events->data, ask->status);

    if (!ngx_k8s_lease_answer(l, ask)) {
        ngx_k8s_lease_next(l);
    }
}


/* whether something else is asked now */

static ngx_uint_t
ngx_k8s_lease_answer(ngx_k8s_lease_t *l, ngx_k8s_ask_t *ask)
{
    switch (ask->status) {

    case 200:
    case 201:

        if (!ngx_k8s_lease_read(l, &ask->text)) {
            ngx_k8s_lease_why(l, ask);
            return 0;
        }

        ngx_k8s_lease_well(l);

        if (*l->verb == 'g') {
            ngx_k8s_lease_look(l);
            return l->ask.call != NULL;
        }

        l->renewed = l->sent;
        ngx_k8s_lease_set(l, 1);

        return 0;

    case 404:

        if (*l->verb == 'g') {
            l->holder.len = 0;
            ngx_k8s_lease_create(l);

        } else if (*l->verb == 'u') {

            /* it was deleted */

            ngx_k8s_lease_again(l);

        } else {
            ngx_k8s_lease_why(l, ask);
        }

        return l->ask.call != NULL;

    case 409:

        /* somebody else has written it: who? */

        ngx_k8s_lease_well(l);

        if (*l->verb == 'u') {
            ngx_k8s_lease_again(l);
        }

        return l->ask.call != NULL;

    default:
        ngx_k8s_lease_why(l, ask);
        return 0;
    }
}


/* reads it at once, but once only: a server that takes no write is left alone
   until the next try */

static void
ngx_k8s_lease_again(ngx_k8s_lease_t *l)
{
    if (!l->again) {
        l->again = 1;
        ngx_k8s_lease_send(l, "get", NULL);
    }
}


/* 0: it is no Lease */

static ngx_uint_t
ngx_k8s_lease_read(ngx_k8s_lease_t *l, ngx_str_t *text)
{
    json_t      *lease, *spec, *old;
    ngx_int_t    duration;
    ngx_uint_t   i, same;
    const char  *holder;

    lease = json_loadb((char *) text->data, text->len, JSON_ALLOW_NUL, NULL);

    if (!json_is_object(json_object_get(lease, "metadata"))) {
        json_decref(lease);
        return 0;
    }

    spec = json_object_get(lease, "spec");
    old = json_object_get(l->lease, "spec");

    same = (l->lease && json_equal(spec, old));

    if (!same) {
        l->seen = ngx_current_msec;
    }

    json_decref(l->lease);
    l->lease = lease;

    duration = json_integer_value(json_object_get(spec,
                                                  "leaseDurationSeconds"));
    l->valid = 1000 * ngx_max(0, ngx_min(duration, 86400));

    holder = ngx_k8s_lease_str(spec, "holderIdentity");

    l->holder.len = ngx_min(ngx_strlen(holder), NGX_K8S_LEASE_HOLDER);

    /* for the log; the name of a pod has none of these */

    for (i = 0; i < l->holder.len; i++) {
        l->holder_buf[i] = ((u_char) holder[i] < 0x20 || holder[i] == 0x7f)
                           ? ' ' : holder[i];
    }

    return 1;
}


/* it was read: is it ours, or free? */

static void
ngx_k8s_lease_look(ngx_k8s_lease_t *l)
{
    if (l->holder.len
        && !(l->holder.len == l->conf->identity.len
             && ngx_memcmp(l->holder.data, l->conf->identity.data,
                           l->holder.len)
                == 0)
        && ngx_current_msec - l->seen < l->valid)
    {
        ngx_k8s_lease_set(l, 0);
        return;
    }

    ngx_k8s_lease_take(l);
}


/* writes it as ours, over the version that was read */

static void
ngx_k8s_lease_take(ngx_k8s_lease_t *l)
{
    json_t  *lease;

    lease = json_deep_copy(l->lease);

    if (lease == NULL || ngx_k8s_lease_spec(l, lease) != NGX_OK) {
        json_decref(lease);
        ngx_k8s_lease_next(l);
        return;
    }

    (void) json_object_del(json_object_get(lease, "metadata"),
                           "managedFields");

    ngx_k8s_lease_send(l, "update", lease);
}


/* what others have written beside these fields stays */

static ngx_int_t
ngx_k8s_lease_spec(ngx_k8s_lease_t *l, json_t *lease)
{
    int              n;
    json_t          *spec;
    u_char           now[sizeof("2026-01-01T00:00:00.000000Z")];
    ngx_tm_t         tm;
    const char      *holder;
    ngx_uint_t       ours;
    json_int_t       transitions;
    struct timeval   tv;

    ngx_gettimeofday(&tv);
    ngx_gmtime(tv.tv_sec, &tm);

    *ngx_sprintf(now, "%4d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                 tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                 tm.ngx_tm_min, tm.ngx_tm_sec, (int) tv.tv_usec)
        = '\0';

    spec = json_object_get(lease, "spec");

    if (!json_is_object(spec)) {
        if (json_object_set_new(lease, "spec", json_object()) != 0) {
            return NGX_ERROR;
        }

        spec = json_object_get(lease, "spec");
    }

    holder = ngx_k8s_lease_str(spec, "holderIdentity");

    ours = (ngx_strlen(holder) == l->conf->identity.len
            && ngx_memcmp(holder, l->conf->identity.data,
                          l->conf->identity.len)
               == 0);

    transitions = json_integer_value(json_object_get(spec,
                                                     "leaseTransitions"));
    n = 0;

    if (transitions < 0 || transitions >= NGX_MAX_INT32_VALUE) {
        transitions = 0;
    }

    if (!ours) {
        transitions += (*holder != '\0');
        n |= json_object_set_new(spec, "acquireTime",
                                 json_string((char *) now));
    }

    n |= json_object_set_new(spec, "holderIdentity",
                             json_stringn((char *) l->conf->identity.data,
                                          l->conf->identity.len));
    n |= json_object_set_new(spec, "leaseDurationSeconds",
                             json_integer(ngx_max(l->conf->duration / 1000,
                                                  1)));
    n |= json_object_set_new(spec, "leaseTransitions",
                             json_integer(transitions));
    n |= json_object_set_new(spec, "renewTime", json_string((char *) now));

    return n ? NGX_ERROR : NGX_OK;
}


static void
ngx_k8s_lease_create(ngx_k8s_lease_t *l)
{
    json_t  *lease;

    lease = json_pack("{s:s, s:s, s:{s:s%, s:s%}}",
                      "apiVersion", "coordination.k8s.io/v1",
                      "kind", "Lease",
                      "metadata",
                      "name", l->conf->name.data, l->conf->name.len,
                      "namespace", l->conf->namespace.data,
                      l->conf->namespace.len);

    if (lease == NULL || ngx_k8s_lease_spec(l, lease) != NGX_OK) {
        json_decref(lease);
        ngx_k8s_lease_next(l);
        return;
    }

    ngx_k8s_lease_send(l, "create", lease);
}


/* the time of the next try; who has not renewed it in time leads no more */

static void
ngx_k8s_lease_next(ngx_k8s_lease_t *l)
{
    ngx_msec_t  delay, left, past;

    if (l->leader && !ngx_k8s_lease_held(l)) {
        ngx_k8s_lease_set(l, 0);
    }

    delay = ngx_k8s_lease_retry(l);

    if (l->reason_len && !l->leader) {
        delay = ngx_max(delay, NGX_K8S_LEASE_REFUSED);

    } else if (!l->leader) {

        /* those that wait do not all come at once */

        delay += (ngx_msec_t) ngx_random() % delay;

        past = ngx_current_msec - l->seen;

        if (l->lease && l->holder.len && past < l->valid) {
            left = l->valid - past + (ngx_msec_t) ngx_random() % 500;
            delay = ngx_min(delay, left);
        }
    }

    ngx_add_timer(&l->timer, delay);
}


static void
ngx_k8s_lease_set(ngx_k8s_lease_t *l, ngx_uint_t leader)
{
    if (l->leader == leader) {
        return;
    }

    l->leader = leader;

    l->events->changed(l->events->data);
}


/* it is refused, or the answer is of no use; an outage is no reason */

static void
ngx_k8s_lease_why(ngx_k8s_lease_t *l, ngx_k8s_ask_t *ask)
{
    u_char            *p;
    ngx_k8s_status_t   st;

    if (ask->status < 400 || ask->status >= 500 || ask->status == 401
        || ask->status == 408 || ask->status == 429 || l->reason_len)
    {
        return;
    }

    ngx_k8s_api_status(ask->text.data, ask->text.len, &st);

    p = ngx_slprintf(l->reason, l->reason + NGX_K8S_LEASE_REASON,
                     "to %s Lease \"%V/%V\" is answered with %ui%s%*s",
                     l->verb, &l->conf->namespace, &l->conf->name,
                     ask->status, st.len ? ": " : "", st.len, st.message);

    l->reason_len = p - l->reason;

    l->events->changed(l->events->data);
}


static void
ngx_k8s_lease_well(ngx_k8s_lease_t *l)
{
    if (l->reason_len) {
        l->reason_len = 0;
        l->events->changed(l->events->data);
    }
}


static const char *
ngx_k8s_lease_str(json_t *json, char *name)
{
    const char  *s;

    s = json_string_value(json_object_get(json, name));

    return s ? s : "";
}
