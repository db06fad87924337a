
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_crypt.h>
#include <ngx_http_k8s_hasher.h>

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>


#define NGX_HTTP_K8S_HASH_LEN        32      /* SHA-256 */
#define NGX_HTTP_K8S_HASH_SETS       256     /* of what is known to be right */
#define NGX_HTTP_K8S_HASH_WAYS       4
#define NGX_HTTP_K8S_HASH_TIME       60000   /* milliseconds */
#define NGX_HTTP_K8S_HASH_HOLD       10000   /* the same */
#define NGX_HTTP_K8S_HASH_NICE       10


typedef struct {
    u_char                   digest[NGX_HTTP_K8S_HASH_LEN];
    ngx_msec_t               expires;
    ngx_uint_t               used;
} ngx_http_k8s_right_t;


/* a job, in a pool of its own */

struct ngx_http_k8s_hash_s {
    ngx_queue_t              queue;      /* waiting, or done; under the mutex */
    ngx_queue_t              all;
    ngx_queue_t              waiters;
    ngx_uint_t               nwaiters;
    ngx_pool_t              *pool;
    u_char                   digest[NGX_HTTP_K8S_HASH_LEN];
    ngx_str_t                client;     /* its address */
    ngx_str_t                object;
    ngx_str_t                password;
    ngx_str_t                stored;
    ngx_uint_t               known;
    ngx_uint_t               round;      /* the jobs of a namespace have one
                                            each, and are done in their order */
    ngx_uint_t               right;      /* the thread's, until it is done */
    ngx_uint_t               taken;      /* by the thread; under the mutex */
};


/* of a worker */

struct ngx_http_k8s_hasher_s {
    pthread_t                thread;
    pthread_mutex_t          mutex;
    pthread_cond_t           cond;
    ngx_queue_t              waiting;    /* under the mutex, as "done" and
                                            "stop" */
    ngx_queue_t              done;
    ngx_uint_t               stop;
    ngx_uint_t               round;      /* of the job that was taken last */
    int                      fd;         /* eventfd */
    ngx_queue_t              all;        /* jobs */
    ngx_uint_t               n;
    ngx_connection_t        *connection; /* of "fd" */
    ngx_event_t              hold;       /* a worker that leaves waits for
                                            jobs */
    ngx_connection_t         dummy;      /* what the timer's log asks for */
    u_char                   key[NGX_HTTP_K8S_HASH_LEN];
    ngx_http_k8s_right_t     right[NGX_HTTP_K8S_HASH_SETS]
                                  [NGX_HTTP_K8S_HASH_WAYS];
};


static ngx_http_k8s_hasher_t *ngx_http_k8s_hasher(void);
static ngx_int_t ngx_http_k8s_hasher_event(ngx_http_k8s_hasher_t *hasher);
static ngx_int_t ngx_http_k8s_hasher_thread(ngx_http_k8s_hasher_t *hasher);
static void *ngx_http_k8s_hasher_cycle(void *data);
static void ngx_http_k8s_hasher_read(ngx_event_t *ev);
static void ngx_http_k8s_hasher_hold(ngx_event_t *ev);
static void ngx_http_k8s_hash_done(ngx_http_k8s_hasher_t *hasher,
    ngx_http_k8s_hash_t *job);
static ngx_http_k8s_hash_t *ngx_http_k8s_hash_create(ngx_http_request_t *r,
    ngx_str_t *object, ngx_str_t *stored);
static void ngx_http_k8s_hash_post(ngx_http_k8s_hasher_t *hasher,
    ngx_http_k8s_hash_t *job);
static void ngx_http_k8s_hash_free(ngx_http_k8s_hash_t *job);
static ngx_int_t ngx_http_k8s_hash_copy(ngx_pool_t *pool, ngx_str_t *dst,
    ngx_str_t *src);
static ngx_int_t ngx_http_k8s_hash_digest(ngx_http_k8s_hasher_t *hasher,
    ngx_http_request_t *r, ngx_str_t *object, ngx_str_t *stored,
    u_char *digest);
static ngx_uint_t ngx_http_k8s_hash_find(ngx_http_k8s_hasher_t *hasher,
    u_char *digest);
static void ngx_http_k8s_hash_keep(ngx_http_k8s_hasher_t *hasher,
    u_char *digest);


ngx_int_t
ngx_http_k8s_hash(ngx_http_request_t *r, ngx_str_t *object, ngx_str_t *stored,
    ngx_uint_t known, ngx_http_k8s_waiter_t *waiter)
{
    u_char                  digest[NGX_HTTP_K8S_HASH_LEN];
    u_char                 *slash;
    size_t                  len;
    ngx_str_t              *client;
    ngx_uint_t              n, ns, round;
    ngx_queue_t            *q;
    ngx_http_k8s_hash_t    *job;
    ngx_http_k8s_hasher_t  *hasher;

    hasher = ngx_http_k8s_hasher();

    if (hasher == NULL
        || ngx_http_k8s_hash_digest(hasher, r, object, stored, digest)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (known && ngx_http_k8s_hash_find(hasher, digest)) {
        return NGX_OK;
    }

    client = &r->connection->addr_text;
    n = 0;
    ns = 0;
    round = 0;

    /* namespace and slash */

    slash = ngx_strlchr(object->data, object->data + object->len, '/');
    len = slash ? slash + 1 - object->data : 0;

    for (q = ngx_queue_head(&hasher->all);
         q != ngx_queue_sentinel(&hasher->all);
         q = ngx_queue_next(q))
    {
        job = ngx_queue_data(q, ngx_http_k8s_hash_t, all);

        if (job->known == known
            && ngx_memcmp(job->digest, digest, NGX_HTTP_K8S_HASH_LEN) == 0)
        {
            if (job->nwaiters == NGX_HTTP_K8S_HASHES) {
                return NGX_BUSY;
            }

            goto waits;
        }

        if (job->client.len == client->len
            && ngx_memcmp(job->client.data, client->data, client->len) == 0)
        {
            return NGX_BUSY;
        }

        n += (job->object.len == object->len
              && ngx_memcmp(job->object.data, object->data, object->len)
                 == 0);

        if (job->object.len > len
            && ngx_memcmp(job->object.data, object->data, len) == 0)
        {
            ns++;
            round = ngx_max(round, job->round + 1);
        }
    }

    if (hasher->n == NGX_HTTP_K8S_HASHES || n >= NGX_HTTP_K8S_HASHES_OBJECT
        || ns >= NGX_HTTP_K8S_HASHES_NAMESPACE)
    {
        return NGX_BUSY;
    }

    job = ngx_http_k8s_hash_create(r, object, stored);
    if (job == NULL) {
        return NGX_ERROR;
    }

    job->known = known;
    job->round = round;
    ngx_memcpy(job->digest, digest, NGX_HTTP_K8S_HASH_LEN);

    ngx_queue_insert_tail(&hasher->all, &job->all);

    if (hasher->n++ == 0) {
        ngx_add_timer(&hasher->hold, NGX_HTTP_K8S_HASH_HOLD);
    }

    ngx_http_k8s_hash_post(hasher, job);

waits:

    waiter->job = job;
    job->nwaiters++;
    ngx_queue_insert_tail(&job->waiters, &waiter->queue);

    return NGX_AGAIN;
}


/* to the end of its round: a namespace waits for one job of each other one */

static void
ngx_http_k8s_hash_post(ngx_http_k8s_hasher_t *hasher, ngx_http_k8s_hash_t *job)
{
    ngx_queue_t          *q;
    ngx_http_k8s_hash_t  *other;

    (void) pthread_mutex_lock(&hasher->mutex);

    job->round = ngx_max(job->round, hasher->round);

    for (q = ngx_queue_last(&hasher->waiting);
         q != ngx_queue_sentinel(&hasher->waiting);
         q = ngx_queue_prev(q))
    {
        other = ngx_queue_data(q, ngx_http_k8s_hash_t, queue);

        if (other->round <= job->round) {
            break;
        }
    }

    ngx_queue_insert_after(q, &job->queue);

    (void) pthread_cond_signal(&hasher->cond);
    (void) pthread_mutex_unlock(&hasher->mutex);
}


/* a job that nobody waits for is not begun */

void
ngx_http_k8s_hash_cancel(ngx_http_k8s_waiter_t *waiter)
{
    ngx_uint_t              taken;
    ngx_http_k8s_hash_t    *job;
    ngx_http_k8s_hasher_t  *hasher;

    job = waiter->job;

    if (job == NULL) {
        return;
    }

    ngx_queue_remove(&waiter->queue);
    job->nwaiters--;
    waiter->job = NULL;

    if (!ngx_queue_empty(&job->waiters)) {
        return;
    }

    hasher = ngx_http_k8s_hasher();

    (void) pthread_mutex_lock(&hasher->mutex);

    taken = job->taken;

    if (!taken) {
        ngx_queue_remove(&job->queue);
    }

    (void) pthread_mutex_unlock(&hasher->mutex);

    if (!taken) {
        ngx_http_k8s_hash_done(hasher, job);
    }
}


ngx_uint_t
ngx_http_k8s_hash_compare(ngx_pool_t *pool, ngx_str_t *password,
    ngx_str_t *stored)
{
    u_char      *key, *salt, *made;
    ngx_uint_t   right;

    key = ngx_pnalloc(pool, password->len + 1);
    salt = ngx_pnalloc(pool, stored->len + 1);

    if (key == NULL || salt == NULL) {
        return 0;
    }

    *ngx_cpymem(key, password->data, password->len) = '\0';
    *ngx_cpymem(salt, stored->data, stored->len) = '\0';

    right = ngx_crypt(pool, key, salt, &made) == NGX_OK
            && ngx_strlen(made) == stored->len
            && CRYPTO_memcmp(made, stored->data, stored->len) == 0
            && memchr(password->data, '\0', password->len) == NULL;

    ngx_explicit_memzero(key, password->len);

    return right;
}


/* that of the worker, made by the first call; NULL: it cannot be made */

static ngx_http_k8s_hasher_t *
ngx_http_k8s_hasher(void)
{
    ngx_http_k8s_hasher_t     *hasher;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_k8s_module);

    if (kmcf->hasher) {
        return kmcf->hasher;
    }

    hasher = ngx_calloc(sizeof(ngx_http_k8s_hasher_t), ngx_cycle->log);
    if (hasher == NULL) {
        return NULL;
    }

    ngx_queue_init(&hasher->waiting);
    ngx_queue_init(&hasher->done);
    ngx_queue_init(&hasher->all);

    hasher->dummy.fd = (ngx_socket_t) -1;
    hasher->hold.handler = ngx_http_k8s_hasher_hold;
    hasher->hold.data = &hasher->dummy;
    hasher->hold.log = ngx_cycle->log;

    if (RAND_bytes(hasher->key, NGX_HTTP_K8S_HASH_LEN) != 1
        || ngx_http_k8s_hasher_event(hasher) != NGX_OK)
    {
        ngx_free(hasher);
        return NULL;
    }

    if (ngx_http_k8s_hasher_thread(hasher) != NGX_OK) {
        ngx_close_connection(hasher->connection);
        ngx_free(hasher);
        return NULL;
    }

    kmcf->hasher = hasher;

    return hasher;
}


/* by which the thread says that it has done something */

static ngx_int_t
ngx_http_k8s_hasher_event(ngx_http_k8s_hasher_t *hasher)
{
    ngx_connection_t  *c;

    hasher->fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (hasher->fd == -1) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "eventfd() failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(hasher->fd, ngx_cycle->log);

    if (c == NULL) {
        (void) close(hasher->fd);
        return NGX_ERROR;
    }

    c->data = hasher;
    c->log = ngx_cycle->log;
    c->read->handler = ngx_http_k8s_hasher_read;
    c->read->log = c->log;
    c->write->log = c->log;

    hasher->connection = c;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* signals are the worker's */

static ngx_int_t
ngx_http_k8s_hasher_thread(ngx_http_k8s_hasher_t *hasher)
{
    int       err;
    sigset_t  all, old;

    (void) pthread_mutex_init(&hasher->mutex, NULL);
    (void) pthread_cond_init(&hasher->cond, NULL);

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, &old);

    err = pthread_create(&hasher->thread, NULL, ngx_http_k8s_hasher_cycle,
                         hasher);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (err) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, err,
                      "pthread_create() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the thread: what waits goes before, so it gives way to the event loop */

static void *
ngx_http_k8s_hasher_cycle(void *data)
{
    ngx_http_k8s_hasher_t *hasher = data;

    uint64_t              one;
    ngx_queue_t          *q;
    ngx_http_k8s_hash_t  *job;

    (void) setpriority(PRIO_PROCESS, 0, NGX_HTTP_K8S_HASH_NICE);

    one = 1;

    (void) pthread_mutex_lock(&hasher->mutex);

    for ( ;; ) {

        while (ngx_queue_empty(&hasher->waiting) && !hasher->stop) {
            (void) pthread_cond_wait(&hasher->cond, &hasher->mutex);
        }

        if (hasher->stop) {
            break;
        }

        q = ngx_queue_head(&hasher->waiting);
        job = ngx_queue_data(q, ngx_http_k8s_hash_t, queue);

        ngx_queue_remove(q);
        job->taken = 1;
        hasher->round = job->round;

        (void) pthread_mutex_unlock(&hasher->mutex);

        job->right = ngx_http_k8s_hash_compare(job->pool, &job->password,
                                               &job->stored);

        (void) pthread_mutex_lock(&hasher->mutex);

        ngx_queue_insert_tail(&hasher->done, &job->queue);

        if (write(hasher->fd, &one, sizeof(uint64_t)) == -1) {
            /* it is readable already */
        }
    }

    (void) pthread_mutex_unlock(&hasher->mutex);

    return NULL;
}


static void
ngx_http_k8s_hasher_read(ngx_event_t *ev)
{
    uint64_t                n;
    ngx_queue_t             done, *q;
    ngx_connection_t       *c;
    ngx_http_k8s_hasher_t  *hasher;

    c = ev->data;
    hasher = c->data;

    if (read(hasher->fd, &n, sizeof(uint64_t)) == -1) {
        /* void */
    }

    ev->ready = 0;
    ngx_queue_init(&done);

    (void) pthread_mutex_lock(&hasher->mutex);

    if (!ngx_queue_empty(&hasher->done)) {
        ngx_queue_add(&done, &hasher->done);
        ngx_queue_init(&hasher->done);
    }

    (void) pthread_mutex_unlock(&hasher->mutex);

    while (!ngx_queue_empty(&done)) {
        q = ngx_queue_head(&done);
        ngx_queue_remove(q);

        ngx_http_k8s_hash_done(hasher, ngx_queue_data(q, ngx_http_k8s_hash_t,
                                                      queue));
    }

    if (ngx_handle_read_event(ev, 0) != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, 0,
                      "passwords cannot be waited for any more");
    }
}


static void
ngx_http_k8s_hasher_hold(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_HTTP_K8S_HASH_HOLD);
}


/* tells all that wait: what that does may end others of them */

static void
ngx_http_k8s_hash_done(ngx_http_k8s_hasher_t *hasher,
    ngx_http_k8s_hash_t *job)
{
    ngx_queue_t            *q;
    ngx_http_k8s_waiter_t  *waiter;

    ngx_queue_remove(&job->all);

    if (--hasher->n == 0) {
        ngx_del_timer(&hasher->hold);
    }

    job->right &= job->known;

    if (job->right) {
        ngx_http_k8s_hash_keep(hasher, job->digest);
    }

    while (!ngx_queue_empty(&job->waiters)) {
        q = ngx_queue_head(&job->waiters);
        waiter = ngx_queue_data(q, ngx_http_k8s_waiter_t, queue);

        ngx_queue_remove(q);
        waiter->job = NULL;

        waiter->handler(waiter, job->right);
    }

    ngx_http_k8s_hash_free(job);
}


static ngx_http_k8s_hash_t *
ngx_http_k8s_hash_create(ngx_http_request_t *r, ngx_str_t *object,
    ngx_str_t *stored)
{
    ngx_pool_t           *pool;
    ngx_http_k8s_hash_t  *job;

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    job = ngx_pcalloc(pool, sizeof(ngx_http_k8s_hash_t));

    if (job == NULL
        || ngx_http_k8s_hash_copy(pool, &job->client,
                                  &r->connection->addr_text)
           != NGX_OK
        || ngx_http_k8s_hash_copy(pool, &job->object, object) != NGX_OK
        || ngx_http_k8s_hash_copy(pool, &job->stored, stored) != NGX_OK
        || ngx_http_k8s_hash_copy(pool, &job->password, &r->headers_in.passwd)
           != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    job->pool = pool;
    ngx_queue_init(&job->waiters);

    return job;
}


static void
ngx_http_k8s_hash_free(ngx_http_k8s_hash_t *job)
{
    ngx_explicit_memzero(job->password.data, job->password.len);

    ngx_destroy_pool(job->pool);
}


static ngx_int_t
ngx_http_k8s_hash_copy(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    dst->len = src->len;
    dst->data = ngx_pnalloc(pool, src->len + 1);

    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, src->data, src->len);

    return NGX_OK;
}


/* with a key of the worker: of the Secret, the stored one, user and password */

static ngx_int_t
ngx_http_k8s_hash_digest(ngx_http_k8s_hasher_t *hasher, ngx_http_request_t *r,
    ngx_str_t *object, ngx_str_t *stored, u_char *digest)
{
    u_char      *p, *data;
    size_t       len;
    ngx_str_t   *texts[4];
    ngx_uint_t   i, done;

    texts[0] = object;
    texts[1] = stored;
    texts[2] = &r->headers_in.user;
    texts[3] = &r->headers_in.passwd;

    len = NGX_HTTP_K8S_HASH_LEN;

    for (i = 0; i < 4; i++) {
        len += sizeof(size_t) + texts[i]->len;
    }

    data = ngx_pnalloc(r->pool, len);
    if (data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(data, hasher->key, NGX_HTTP_K8S_HASH_LEN);

    for (i = 0; i < 4; i++) {
        p = ngx_cpymem(p, &texts[i]->len, sizeof(size_t));
        p = ngx_cpymem(p, texts[i]->data, texts[i]->len);
    }

    done = EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL);

    ngx_explicit_memzero(data, len);

    return done ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_http_k8s_hash_find(ngx_http_k8s_hasher_t *hasher, u_char *digest)
{
    ngx_uint_t             i;
    ngx_http_k8s_right_t  *right;

    right = hasher->right[digest[0]];

    for (i = 0; i < NGX_HTTP_K8S_HASH_WAYS; i++) {
        if (right[i].used
            && (ngx_msec_int_t) (right[i].expires - ngx_current_msec) > 0
            && CRYPTO_memcmp(right[i].digest, digest, NGX_HTTP_K8S_HASH_LEN)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* in place of the oldest of its set */

static void
ngx_http_k8s_hash_keep(ngx_http_k8s_hasher_t *hasher, u_char *digest)
{
    ngx_uint_t             i;
    ngx_http_k8s_right_t  *right, *oldest;

    right = hasher->right[digest[0]];
    oldest = right;

    for (i = 0; i < NGX_HTTP_K8S_HASH_WAYS; i++) {

        if (!right[i].used) {
            oldest = &right[i];
            break;
        }

        if ((ngx_msec_int_t) (right[i].expires - oldest->expires) < 0) {
            oldest = &right[i];
        }
    }

    ngx_memcpy(oldest->digest, digest, NGX_HTTP_K8S_HASH_LEN);
    oldest->expires = ngx_current_msec + NGX_HTTP_K8S_HASH_TIME;
    oldest->used = 1;
}


void
ngx_http_k8s_hasher_done(ngx_cycle_t *cycle)
{
    ngx_http_k8s_hasher_t     *hasher;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_k8s_module);
    hasher = kmcf ? kmcf->hasher : NULL;

    if (hasher == NULL) {
        return;
    }

    (void) pthread_mutex_lock(&hasher->mutex);

    hasher->stop = 1;

    (void) pthread_cond_signal(&hasher->cond);
    (void) pthread_mutex_unlock(&hasher->mutex);

    (void) pthread_join(hasher->thread, NULL);

    ngx_close_connection(hasher->connection);
}
