
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_transport.h>
#include <openssl/crypto.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>


/*
 * A peer that has gone without a word: keepalive probes begin after 15 s of
 * silence, and bytes unacknowledged for 30 s, probes as well, end the
 * connection; so it is noticed within 45 s.
 */

#define NGX_K8S_TCP_KEEPIDLE         15
#define NGX_K8S_TCP_KEEPINTVL        5
#define NGX_K8S_TCP_KEEPCNT          6
#define NGX_K8S_TCP_USER_TIMEOUT     30000

/* bytes that may have come and not been worked on */
#define NGX_K8S_TRANSPORT_WINDOW     262144


typedef struct {
    ngx_queue_t              queue;
    ngx_k8s_transport_t     *transport;
    ngx_connection_t        *connection;
    curl_socket_t            fd;
} ngx_k8s_socket_t;


static ngx_int_t ngx_k8s_transport_sockets(ngx_k8s_call_t *call);
static curl_socket_t ngx_k8s_transport_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *addr);
static int ngx_k8s_transport_close(void *data, curl_socket_t fd);
static int ngx_k8s_transport_sockopt(void *data, curl_socket_t fd,
    curlsocktype purpose);
static ngx_int_t ngx_k8s_transport_init(ngx_k8s_transport_t *t);
static ngx_int_t ngx_k8s_transport_library(ngx_log_t *log);
static void ngx_k8s_transport_action(ngx_k8s_transport_t *t, curl_socket_t fd,
    int mask);
static int ngx_k8s_transport_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *sockdata);
static void ngx_k8s_transport_want(ngx_k8s_socket_t *s, ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t on);
static void ngx_k8s_transport_forget(ngx_k8s_socket_t *s);
static ngx_k8s_socket_t *ngx_k8s_transport_find(ngx_k8s_transport_t *t,
    curl_socket_t fd);
static int ngx_k8s_transport_timeout(CURLM *multi, long ms, void *data);
static void ngx_k8s_transport_event(ngx_event_t *ev);
static ngx_uint_t ngx_k8s_transport_full(ngx_k8s_transport_t *t);
static void ngx_k8s_transport_timer(ngx_event_t *ev);
static void ngx_k8s_transport_work(ngx_event_t *ev);
static void ngx_k8s_transport_finished(ngx_k8s_transport_t *t);


ngx_k8s_transport_t *
ngx_k8s_transport_create(ngx_log_t *log)
{
    ngx_k8s_transport_t  *t;

    if (ngx_k8s_transport_library(log) != NGX_OK) {
        return NULL;
    }

    t = ngx_calloc(sizeof(ngx_k8s_transport_t), log);
    if (t == NULL) {
        curl_global_cleanup();
        return NULL;
    }

    t->ident = -1;
    t->log = log;
    t->options = ngx_k8s_transport_sockets;

    t->timer.handler = ngx_k8s_transport_timer;
    t->timer.data = t;
    t->timer.log = log;
    t->timer.cancelable = 1;

    t->work.handler = ngx_k8s_transport_work;
    t->work.data = t;
    t->work.log = log;

    ngx_queue_init(&t->sockets);
    ngx_queue_init(&t->calls);
    ngx_queue_init(&t->ready);

    if (ngx_k8s_transport_init(t) != NGX_OK) {
        ngx_k8s_transport_destroy(t);
        return NULL;
    }

    return t;
}


static ngx_int_t
ngx_k8s_transport_init(ngx_k8s_transport_t *t)
{
    sigset_t  set, old;

    /* newer versions of libcurl may start threads, which take no signals */

    sigfillset(&set);
    (void) pthread_sigmask(SIG_BLOCK, &set, &old);

    t->multi = curl_multi_init();

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (t->multi == NULL
        || curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION,
                             ngx_k8s_transport_socket) != CURLM_OK
        || curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t) != CURLM_OK
        || curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION,
                             ngx_k8s_transport_timeout) != CURLM_OK
        || curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t) != CURLM_OK
        || curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX)
           != CURLM_OK)
    {
        ngx_log_error(NGX_LOG_ERR, t->log, 0, "curl_multi_init() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A libcurl over OpenSSL has to use the OpenSSL that nginx uses: symbols of
 * one that was linked statically into nginx would take the place of those of
 * the shared one.
 */

static ngx_int_t
ngx_k8s_transport_library(ngx_log_t *log)
{
    size_t                   n;
    CURLcode                 rc;
    sigset_t                 set, old;
    const char              *p, *version;
    curl_version_info_data  *info;

    sigfillset(&set);
    (void) pthread_sigmask(SIG_BLOCK, &set, &old);

    rc = curl_global_init(CURL_GLOBAL_DEFAULT);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (rc != CURLE_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "curl_global_init() failed: %s",
                      curl_easy_strerror(rc));
        return NGX_ERROR;
    }

    info = curl_version_info(CURLVERSION_NOW);
    p = info->ssl_version ? info->ssl_version : "no TLS library";

    if (ngx_strncmp(p, "OpenSSL/", 8) != 0) {

        if (info->features & CURL_VERSION_SSL) {
            return NGX_OK;
        }

    } else {

        /* "OpenSSL 3.0.15 3 Sep 2024" and "OpenSSL/3.0.15" */

        version = OpenSSL_version(OPENSSL_VERSION);
        n = ngx_strlen(p + 8);

        if (ngx_strncmp(version, "OpenSSL ", 8) == 0
            && ngx_strncmp(version + 8, p + 8, n) == 0
            && (version[8 + n] == ' ' || version[8 + n] == '\0'))
        {
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "libcurl uses \"%s\" and nginx \"%s\": build nginx with the "
                  "shared OpenSSL library that libcurl uses",
                  p, OpenSSL_version(OPENSSL_VERSION));

    curl_global_cleanup();

    return NGX_ERROR;
}


void
ngx_k8s_transport_destroy(ngx_k8s_transport_t *t)
{
    ngx_queue_t     *q;
    ngx_k8s_call_t  *call;

    while (!ngx_queue_empty(&t->calls)) {
        q = ngx_queue_head(&t->calls);
        call = ngx_queue_data(q, ngx_k8s_call_t, queue);
        call->busy = 0;
        ngx_k8s_call_cancel(call);
    }

    if (t->multi) {
        (void) curl_multi_cleanup(t->multi);
    }

    while (!ngx_queue_empty(&t->sockets)) {
        q = ngx_queue_head(&t->sockets);
        ngx_k8s_transport_forget(ngx_queue_data(q, ngx_k8s_socket_t, queue));
    }

    if (t->timer.timer_set) {
        ngx_del_timer(&t->timer);
    }

    if (t->timer.posted) {
        ngx_delete_posted_event(&t->timer);
    }

    if (t->work.posted) {
        ngx_delete_posted_event(&t->work);
    }

    ngx_free(t);

    curl_global_cleanup();
}


void
ngx_k8s_transport_reset(ngx_k8s_transport_t *t)
{
    CURLM           *multi;
    ngx_queue_t     *q;
    ngx_k8s_call_t  *call;

    multi = t->multi;

    for (q = ngx_queue_head(&t->calls);
         q != ngx_queue_sentinel(&t->calls);
         q = ngx_queue_next(q))
    {
        call = ngx_queue_data(q, ngx_k8s_call_t, queue);

        if (call->started) {
            (void) curl_multi_remove_handle(multi, call->easy);
            call->started = 0;
        }

        if (!call->finished) {
            call->finished = 1;
            call->code = CURLE_OPERATION_TIMEDOUT;
            ngx_k8s_call_ready(call);
        }
    }

    if (ngx_k8s_transport_init(t) != NGX_OK) {

        /* no memory: connections stay as they are */

        if (t->multi) {
            (void) curl_multi_cleanup(t->multi);
        }

        t->multi = multi;
        return;
    }

    (void) curl_multi_cleanup(multi);
}


static void
ngx_k8s_transport_action(ngx_k8s_transport_t *t, curl_socket_t fd, int mask)
{
    int        running;
    sigset_t   set, old;
    CURLMcode  rc;

    t->turn(t->data, 1);

    if (fd == CURL_SOCKET_TIMEOUT) {

        /* connections are begun here */

        sigfillset(&set);
        (void) pthread_sigmask(SIG_BLOCK, &set, &old);

        rc = curl_multi_socket_action(t->multi, fd, mask, &running);

        (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    } else {
        rc = curl_multi_socket_action(t->multi, fd, mask, &running);
    }

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ERR, t->log, 0,
                      "curl_multi_socket_action() failed: %s",
                      curl_multi_strerror(rc));
        t->starved = 1;
    }

    /* in this turn yet */

    if (t->work.posted) {
        ngx_delete_posted_event(&t->work);
    }

    ngx_post_event(&t->work, &ngx_posted_events);

    t->turn(t->data, 0);
}


static int
ngx_k8s_transport_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *sockdata)
{
    ngx_k8s_transport_t *t = data;
    ngx_k8s_socket_t    *s = sockdata;

    ngx_connection_t  *c;

    if (what == CURL_POLL_REMOVE) {

        if (s) {
            ngx_k8s_transport_forget(s);
        }

        return 0;
    }

    if (s == NULL) {
        s = ngx_alloc(sizeof(ngx_k8s_socket_t), t->log);
        c = s ? ngx_get_connection(fd, t->log) : NULL;

        if (c == NULL) {
            if (s) {
                ngx_free(s);
            }

            t->starved = 1;
            return 0;
        }

        c->data = s;
        c->idle = 1;
        c->read->handler = ngx_k8s_transport_event;
        c->write->handler = ngx_k8s_transport_event;
        c->read->log = t->log;
        c->write->log = t->log;

        s->transport = t;
        s->connection = c;
        s->fd = fd;

        ngx_queue_insert_tail(&t->sockets, &s->queue);

        (void) curl_multi_assign(t->multi, fd, s);
    }

    c = s->connection;

    ngx_k8s_transport_want(s, c->read, NGX_READ_EVENT, what & CURL_POLL_IN);
    ngx_k8s_transport_want(s, c->write, NGX_WRITE_EVENT, what & CURL_POLL_OUT);

    return 0;
}


/* level-triggered: libcurl does not promise to read all there is */

static void
ngx_k8s_transport_want(ngx_k8s_socket_t *s, ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t on)
{
    if (on && !ev->active) {
        if (ngx_add_event(ev, event, 0) != NGX_OK) {
            s->transport->starved = 1;
        }

    } else if (!on && ev->active) {
        if (ngx_del_event(ev, event, 0) != NGX_OK) {
            s->transport->starved = 1;
        }
    }
}


static void
ngx_k8s_transport_forget(ngx_k8s_socket_t *s)
{
    ngx_connection_t  *c;

    c = s->connection;

    if (c->read->active || c->write->active) {

        if (ngx_del_conn) {

            /*
             * libcurl 7.88 closes a socket whose connect failed before it
             * says so: the kernel has forgotten such a one already
             */

            (void) ngx_del_conn(c, fcntl(s->fd, F_GETFD) == -1
                                   ? NGX_CLOSE_EVENT : 0);

        } else {
            if (c->read->active) {
                (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
            }

            if (c->write->active) {
                (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
            }
        }
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;
    c->idle = 0;

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    ngx_queue_remove(&s->queue);
    ngx_free(s);
}


static ngx_k8s_socket_t *
ngx_k8s_transport_find(ngx_k8s_transport_t *t, curl_socket_t fd)
{
    ngx_queue_t       *q;
    ngx_k8s_socket_t  *s;

    for (q = ngx_queue_head(&t->sockets);
         q != ngx_queue_sentinel(&t->sockets);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_k8s_socket_t, queue);

        if (s->fd == fd) {
            return s;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_k8s_transport_sockets(ngx_k8s_call_t *call)
{
    CURL  *easy;

    easy = call->easy;

    if (curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION,
                         ngx_k8s_transport_sockopt) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, call) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION,
                            ngx_k8s_transport_open) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call->transport)
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION,
                            ngx_k8s_transport_close) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->transport)
           != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A number that is still known is that of a socket which libcurl has closed
 * and not yet said so: under the same number it would never announce the new
 * one.
 */

static curl_socket_t
ngx_k8s_transport_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *addr)
{
    ngx_k8s_transport_t *t = data;

    curl_socket_t  fd, other;

    fd = socket(addr->family, addr->socktype|SOCK_CLOEXEC, addr->protocol);

    while (fd != -1 && ngx_k8s_transport_find(t, fd)) {
        other = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
        (void) close(fd);
        fd = other;
    }

    return fd == -1 ? CURL_SOCKET_BAD : fd;
}


static int
ngx_k8s_transport_close(void *data, curl_socket_t fd)
{
    ngx_k8s_transport_t *t = data;

    ngx_k8s_socket_t  *s;

    s = ngx_k8s_transport_find(t, fd);

    if (s) {
        (void) curl_multi_assign(t->multi, fd, NULL);
        ngx_k8s_transport_forget(s);
    }

    return close(fd);
}


static int
ngx_k8s_transport_sockopt(void *data, curl_socket_t fd, curlsocktype purpose)
{
    ngx_k8s_call_t *call = data;

    int           i;
    static const struct {
        int       level;
        int       name;
        int       value;
    } options[] = {
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, NGX_K8S_TCP_KEEPIDLE },
        { IPPROTO_TCP, TCP_KEEPINTVL, NGX_K8S_TCP_KEEPINTVL },
        { IPPROTO_TCP, TCP_KEEPCNT, NGX_K8S_TCP_KEEPCNT },
        { IPPROTO_TCP, TCP_USER_TIMEOUT, NGX_K8S_TCP_USER_TIMEOUT }
    };

    call->connects = 1;

    for (i = 0; i < 5; i++) {
        (void) setsockopt(fd, options[i].level, options[i].name,
                          (const void *) &options[i].value, sizeof(int));
    }

    return CURL_SOCKOPT_OK;
}


static int
ngx_k8s_transport_timeout(CURLM *multi, long ms, void *data)
{
    ngx_k8s_transport_t *t = data;

    if (t->timer.timer_set) {
        ngx_del_timer(&t->timer);
    }

    if (t->timer.posted) {
        ngx_delete_posted_event(&t->timer);
    }

    if (ms == 0) {
        ngx_post_event(&t->timer, &ngx_posted_events);

    } else if (ms > 0) {
        ngx_add_timer(&t->timer, (ngx_msec_t) ms);
    }

    return 0;
}


static void
ngx_k8s_transport_event(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_k8s_socket_t     *s;
    ngx_k8s_transport_t  *t;

    c = ev->data;
    s = c->data;
    t = s->transport;

    if (c->close) {

        if (!t->exiting(t->data)) {
            c->close = 0;
        }

        return;
    }

    if (t->busy(t->data) || ngx_k8s_transport_full(t)) {

        /* level-triggered: it is told again in the next turn */

        return;
    }

    ngx_k8s_transport_action(t, s->fd,
                             ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}


/*
 * What has come and not been worked on is bounded: the rest stays with the
 * kernel, and so with the server.  A call that waits for more does not count.
 */

static ngx_uint_t
ngx_k8s_transport_full(ngx_k8s_transport_t *t)
{
    size_t           size;
    ngx_queue_t     *q;
    ngx_k8s_call_t  *call;

    size = 0;

    for (q = ngx_queue_head(&t->ready);
         q != ngx_queue_sentinel(&t->ready);
         q = ngx_queue_next(q))
    {
        call = ngx_queue_data(q, ngx_k8s_call_t, ready);
        size += call->last - call->pos;
    }

    return size > NGX_K8S_TRANSPORT_WINDOW;
}


static void
ngx_k8s_transport_timer(ngx_event_t *ev)
{
    ngx_k8s_transport_action(ev->data, CURL_SOCKET_TIMEOUT, 0);
}


static void
ngx_k8s_transport_work(ngx_event_t *ev)
{
    ngx_int_t             rc;
    ngx_queue_t           list, *q;
    ngx_k8s_call_t       *call;
    ngx_k8s_transport_t  *t;

    t = ev->data;

    t->turn(t->data, 1);

    ngx_k8s_transport_finished(t);

    if (t->separate) {
        ngx_k8s_call_separate(t);
    }

    if (t->starved) {
        t->starved = 0;
        ngx_k8s_transport_reset(t);
    }

    ngx_queue_init(&list);

    if (!ngx_queue_empty(&t->ready)) {
        ngx_queue_add(&list, &t->ready);
        ngx_queue_init(&t->ready);
    }

    while (!ngx_queue_empty(&list)) {
        q = ngx_queue_head(&list);
        call = ngx_queue_data(q, ngx_k8s_call_t, ready);

        ngx_queue_remove(q);
        call->queued = 0;

        call->busy = 1;
        rc = NGX_OK;

        if (call->status) {
            rc = call->body(call);
        }

        if (!call->canceled) {
            ngx_k8s_call_compact(call);

            if (rc == NGX_AGAIN) {
                ngx_k8s_call_ready(call);

            } else if (call->finished) {
                call->done(call);
                call->canceled = 1;
            }
        }

        call->busy = 0;

        if (call->canceled) {
            ngx_k8s_call_free(call);
        }

        if (!ngx_queue_empty(&list) && t->busy(t->data)) {

            if (!ngx_queue_empty(&t->ready)) {
                ngx_queue_add(&list, &t->ready);
            }

            ngx_queue_init(&t->ready);
            ngx_queue_add(&t->ready, &list);

            if (!ev->posted) {
                ngx_post_event(ev, &ngx_posted_next_events);
            }

            break;
        }
    }

    t->turn(t->data, 0);
}


static void
ngx_k8s_transport_finished(ngx_k8s_transport_t *t)
{
    int              n;
    char            *data;
    CURLMsg         *msg;
    curl_off_t       after;
    ngx_k8s_call_t  *call;

    for ( ;; ) {
        msg = curl_multi_info_read(t->multi, &n);

        if (msg == NULL) {
            return;
        }

        if (msg->msg != CURLMSG_DONE
            || curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &data)
               != CURLE_OK)
        {
            continue;
        }

        call = (ngx_k8s_call_t *) data;

        call->code = msg->data.result;
        call->finished = 1;

        if (curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &after)
            == CURLE_OK
            && after > 0)
        {
            call->retry_after = (ngx_uint_t) after;
        }

        (void) curl_multi_remove_handle(t->multi, call->easy);
        call->started = 0;

        ngx_k8s_call_ready(call);
    }
}
