
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_transport.h>


#define NGX_K8S_CALL_BUFFER          4096


static size_t ngx_k8s_call_head(char *p, size_t size, size_t n, void *data);
static size_t ngx_k8s_call_write(char *p, size_t size, size_t n, void *data);


ngx_k8s_call_t *
ngx_k8s_call_create(ngx_k8s_transport_t *t, char *url)
{
    ngx_k8s_call_t  *call;

    call = ngx_calloc(sizeof(ngx_k8s_call_t), t->log);
    if (call == NULL) {
        return NULL;
    }

    call->transport = t;
    ngx_queue_insert_tail(&t->calls, &call->queue);

    call->easy = curl_easy_init();

#define ngx_k8s_setopt(name, value)                                           \
    curl_easy_setopt(call->easy, CURLOPT_##name, value) != CURLE_OK

    if (call->easy == NULL
        || ngx_k8s_setopt(URL, url)
        || ngx_k8s_setopt(PRIVATE, call)
        || ngx_k8s_setopt(ERRORBUFFER, call->error)
        || ngx_k8s_setopt(NOSIGNAL, 1L)
        || ngx_k8s_setopt(NOPROGRESS, 1L)
        || ngx_k8s_setopt(PROXY, "")
        || ngx_k8s_setopt(PROTOCOLS_STR, "http,https")
        || ngx_k8s_setopt(FOLLOWLOCATION, 0L)
        || ngx_k8s_setopt(PATH_AS_IS, 1L)
        || ngx_k8s_setopt(BUFFERSIZE, (long) NGX_K8S_CALL_BUFFER)
        || ngx_k8s_setopt(HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS)
        || ngx_k8s_setopt(PIPEWAIT, t->single ? 0L : 1L)
        || ngx_k8s_setopt(USERAGENT, "ngx_k8s_ingress_module")
        || ngx_k8s_setopt(HEADERFUNCTION, ngx_k8s_call_head)
        || ngx_k8s_setopt(HEADERDATA, call)
        || ngx_k8s_setopt(WRITEFUNCTION, ngx_k8s_call_write)
        || ngx_k8s_setopt(WRITEDATA, call)
        || t->options(call) != NGX_OK)
    {
        ngx_k8s_call_cancel(call);
        return NULL;
    }

    return call;
}


ngx_int_t
ngx_k8s_call_header(ngx_k8s_call_t *call, char *line)
{
    struct curl_slist  *headers;

    headers = curl_slist_append(call->headers, line);
    if (headers == NULL) {
        return NGX_ERROR;
    }

    call->headers = headers;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_call_method(ngx_k8s_call_t *call, char *method, char *type,
    ngx_str_t *body)
{
    if (method && ngx_k8s_setopt(CUSTOMREQUEST, method)) {
        return NGX_ERROR;
    }

    if (type == NULL) {
        return NGX_OK;
    }

    /* libcurl would wait for an answer of 100 before a large body */

    if (ngx_k8s_setopt(POSTFIELDSIZE_LARGE, (curl_off_t) body->len)
        || ngx_k8s_setopt(COPYPOSTFIELDS, body->data)
        || ngx_k8s_call_header(call, type) != NGX_OK
        || ngx_k8s_call_header(call, "Expect:") != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_call_start(ngx_k8s_call_t *call)
{
    CURLMcode  rc;

    if (ngx_k8s_setopt(HTTPHEADER, call->headers)
        || (call->connect_to && ngx_k8s_setopt(CONNECT_TO, call->connect_to)))
    {
        return NGX_ERROR;
    }

    /* this sets a timer: the connection is begun in a posted event */

    rc = curl_multi_add_handle(call->transport->multi, call->easy);

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ERR, call->transport->log, 0,
                      "curl_multi_add_handle() failed: %s",
                      curl_multi_strerror(rc));
        return NGX_ERROR;
    }

    call->started = 1;

    return NGX_OK;
}


void
ngx_k8s_call_cancel(ngx_k8s_call_t *call)
{
    call->canceled = 1;

    if (call->busy) {
        return;
    }

    ngx_k8s_call_free(call);
}


void
ngx_k8s_call_free(ngx_k8s_call_t *call)
{
    ngx_queue_remove(&call->queue);

    if (call->queued) {
        ngx_queue_remove(&call->ready);
    }

    if (call->easy) {
        if (call->started) {
            (void) curl_multi_remove_handle(call->transport->multi,
                                            call->easy);
        }

        curl_easy_cleanup(call->easy);
    }

    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);

    if (call->start) {
        if (call->secret) {
            ngx_explicit_memzero(call->start, call->end - call->start);
        }

        ngx_free(call->start);
    }

    ngx_free(call);
}


void
ngx_k8s_call_ready(ngx_k8s_call_t *call)
{
    ngx_k8s_transport_t  *t;

    t = call->transport;

    if (!call->queued) {
        call->queued = 1;
        ngx_queue_insert_tail(&t->ready, &call->ready);
    }

    if (!t->work.posted) {
        ngx_post_event(&t->work, &ngx_posted_next_events);
    }
}


/* gives the memory of a large element back, and moves what is left */

void
ngx_k8s_call_compact(ngx_k8s_call_t *call)
{
    size_t  n;

    if (call->pos == call->start) {
        return;
    }

    n = call->last - call->pos;

    if (n == 0 && (size_t) (call->end - call->start) > 65536) {

        if (call->secret) {
            ngx_explicit_memzero(call->start, call->end - call->start);
        }

        ngx_free(call->start);
        call->start = NULL;
        call->pos = NULL;
        call->last = NULL;
        call->end = NULL;
        return;
    }

    if (n <= (size_t) (call->pos - call->start)) {
        ngx_memcpy(call->start, call->pos, n);
        call->pos = call->start;
        call->last = call->start + n;
    }
}


static size_t
ngx_k8s_call_head(char *p, size_t size, size_t n, void *data)
{
    ngx_k8s_call_t *call = data;

    long                  status, version;
    ngx_k8s_transport_t  *t;

    t = call->transport;
    t->heard = ngx_current_msec;

    /* an empty line ends the headers */

    if (n * size <= 2 && call->status == 0
        && curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status)
           == CURLE_OK
        && status >= 200)
    {
        call->status = status;
        ngx_k8s_call_ready(call);

        if (curl_easy_getinfo(call->easy, CURLINFO_HTTP_VERSION, &version)
            == CURLE_OK)
        {
            status = (version != CURL_HTTP_VERSION_2_0);
            t->separate |= (status && !t->single);
            t->single = status;
        }
    }

    return n * size;
}


/*
 * Calls wait for the first connection, to share it if it is HTTP/2.  It is
 * not, and a watch on it does not end: the others get connections of their
 * own.
 */

void
ngx_k8s_call_separate(ngx_k8s_transport_t *t)
{
    long             sent;
    ngx_queue_t     *q;
    ngx_k8s_call_t  *call;

    t->separate = 0;

    for (q = ngx_queue_head(&t->calls);
         q != ngx_queue_sentinel(&t->calls);
         q = ngx_queue_next(q))
    {
        call = ngx_queue_data(q, ngx_k8s_call_t, queue);

        if (!call->started || call->finished || call->canceled
            || call->status || call->connects)
        {
            continue;
        }

        if (curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent)
            != CURLE_OK
            || sent > 0)
        {
            continue;
        }

        (void) curl_multi_remove_handle(t->multi, call->easy);

        if (ngx_k8s_setopt(PIPEWAIT, 0L)
            || curl_multi_add_handle(t->multi, call->easy) != CURLM_OK)
        {
            call->started = 0;
            call->finished = 1;
            call->code = CURLE_OUT_OF_MEMORY;
            ngx_k8s_call_ready(call);
        }
    }
}


static size_t
ngx_k8s_call_write(char *p, size_t size, size_t n, void *data)
{
    ngx_k8s_call_t *call = data;

    size_t   len, room;
    u_char  *start;

    n *= size;
    len = call->last - call->pos;

    call->transport->heard = ngx_current_msec;

    if (call->limit && len + n > call->limit) {
        call->overflow = 1;
        return 0;
    }

    if ((size_t) (call->end - call->last) < n) {

        room = ngx_max(2 * (len + n), 4 * NGX_K8S_CALL_BUFFER);

        start = ngx_alloc(room, call->transport->log);
        if (start == NULL) {
            return 0;
        }

        if (len) {
            ngx_memcpy(start, call->pos, len);
        }

        if (call->start) {
            if (call->secret) {
                ngx_explicit_memzero(call->start, call->end - call->start);
            }

            ngx_free(call->start);
        }

        call->start = start;
        call->pos = start;
        call->last = start + len;
        call->end = start + room;
    }

    call->last = ngx_cpymem(call->last, p, n);

    ngx_k8s_call_ready(call);

    return n;
}
