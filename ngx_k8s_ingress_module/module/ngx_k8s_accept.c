
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * After a binary upgrade old and new workers accept connections on the same
 * sockets, but a new instance has zones of its own.  Its workers leave all
 * connections to the old ones until every table is there; those to an address
 * that the old ones do not have they take at once.
 *
 * If the old master ends before that, they accept and answer 503, though not
 * within the first half minute: till then the kernel keeps the connections.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_k8s_module.h>


#define NGX_K8S_ACCEPT_INTERVAL      10
#define NGX_K8S_ACCEPT_STALE         3000  /* then a snapshot's will do */
#define NGX_K8S_ACCEPT_ALONE         30000


static ngx_k8s_main_conf_t *ngx_k8s_accept_old_conf(ngx_cycle_t *old_cycle);
static ngx_uint_t ngx_k8s_accept_shared(ngx_cycle_t *cycle,
    ngx_listening_t *ls);
static ngx_uint_t ngx_k8s_accept_ready(ngx_k8s_main_conf_t *kmcf);
static ngx_uint_t ngx_k8s_accept_alone(ngx_k8s_main_conf_t *kmcf);
static ngx_uint_t ngx_k8s_accept_late(ngx_k8s_main_conf_t *kmcf);
static void ngx_k8s_accept_handler(ngx_event_t *ev);
static void ngx_k8s_accept_release(ngx_k8s_main_conf_t *kmcf,
    ngx_cycle_t *cycle, ngx_uint_t all);
static ngx_int_t ngx_k8s_accept_add(ngx_listening_t *ls);


void
ngx_k8s_accept_conf(ngx_conf_t *cf, ngx_k8s_main_conf_t *kmcf)
{
    ngx_cycle_t          *old_cycle;
    ngx_k8s_main_conf_t  *old;

    old_cycle = cf->cycle->old_cycle;

    if (!ngx_inherited || ngx_getppid() != ngx_parent) {
        return;
    }

    if (ngx_is_init_cycle(old_cycle)) {
        kmcf->old_master = ngx_parent;
        kmcf->upgraded = ngx_current_msec;
        return;
    }

    /* a reload before the tables were there */

    old = ngx_k8s_accept_old_conf(old_cycle);

    if (old && old->old_master && !ngx_k8s_accept_ready(old)) {
        kmcf->old_master = old->old_master;
        kmcf->upgraded = old->upgraded;
    }
}


/* NULL: the module was not loaded then */

static ngx_k8s_main_conf_t *
ngx_k8s_accept_old_conf(ngx_cycle_t *old_cycle)
{
    ngx_uint_t  i;

    for (i = 0; old_cycle->modules[i]; i++) {

        if (old_cycle->modules[i] == &ngx_k8s_ingress_module) {
            return ngx_http_cycle_get_module_main_conf(old_cycle,
                                                       ngx_k8s_ingress_module);
        }
    }

    return NULL;
}


ngx_int_t
ngx_k8s_accept_init(ngx_k8s_main_conf_t *kmcf, ngx_cycle_t *cycle)
{
    ngx_uint_t         i;
    ngx_event_t       *ev;
    ngx_listening_t   *ls;
    ngx_connection_t  *c;

    if (kmcf->old_master == 0 || ngx_k8s_accept_ready(kmcf)
        || (ngx_k8s_accept_alone(kmcf) && ngx_k8s_accept_late(kmcf)))
    {
        return NGX_OK;
    }

    kmcf->held = ngx_pcalloc(cycle->pool, cycle->listening.nelts);
    if (kmcf->held == NULL) {
        return NGX_ERROR;
    }

    /* without the mutex nothing adds and deletes the sockets' events */

    kmcf->accept_mutex = ngx_use_accept_mutex;
    ngx_use_accept_mutex = 0;

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {
        c = ls[i].connection;

        if (c == NULL) {
            continue;
        }

        if (!ngx_k8s_accept_shared(cycle, &ls[i])) {

            if (!c->read->active && ngx_k8s_accept_add(&ls[i]) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        if (!c->read->active) {
            continue;
        }

        if (ngx_del_event(c->read, NGX_READ_EVENT, NGX_DISABLE_EVENT)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }

        kmcf->held[i] = 1;
    }

    kmcf->dummy.fd = (ngx_socket_t) -1;
    kmcf->dummy.data = kmcf;

    ev = &kmcf->accept;

    ev->handler = ngx_k8s_accept_handler;
    ev->data = &kmcf->dummy;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, NGX_K8S_ACCEPT_INTERVAL);

    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                  "k8s_ingress: connections are left to the workers of process "
                  "%P until the route table is there", kmcf->old_master);

    return NGX_OK;
}


/* with reuseport a new socket may share its address with one of the old */

static ngx_uint_t
ngx_k8s_accept_shared(ngx_cycle_t *cycle, ngx_listening_t *ls)
{
    ngx_uint_t        i;
    ngx_listening_t  *other;

    other = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (other[i].inherited
            && other[i].type == ls->type
            && ngx_cmp_sockaddr(other[i].sockaddr, other[i].socklen,
                                ls->sockaddr, ls->socklen, 1)
               == NGX_OK)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Whether every block has a table; in the master too.  One of a snapshot is
 * older than that of the old workers, so the source's is waited for a little.
 */

static ngx_uint_t
ngx_k8s_accept_ready(ngx_k8s_main_conf_t *kmcf)
{
    ngx_uint_t         i, stale;
    ngx_k8s_block_t  **blocks;
    ngx_k8s_table_t   *table;

    blocks = kmcf->blocks.elts;
    stale = (ngx_current_msec - kmcf->upgraded >= NGX_K8S_ACCEPT_STALE);

    for (i = 0; i < kmcf->blocks.nelts; i++) {
        table = blocks[i]->table;

        if (table && (!table->ready || (table->restored && !stale))) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_accept_alone(ngx_k8s_main_conf_t *kmcf)
{
    /* a process of another user is one that lives */

    return kill(kmcf->old_master, 0) == -1 && ngx_errno == NGX_ESRCH;
}


static ngx_uint_t
ngx_k8s_accept_late(ngx_k8s_main_conf_t *kmcf)
{
    return ngx_current_msec - kmcf->upgraded >= NGX_K8S_ACCEPT_ALONE;
}


static void
ngx_k8s_accept_handler(ngx_event_t *ev)
{
    ngx_cycle_t          *cycle;
    ngx_connection_t     *dummy;
    ngx_k8s_main_conf_t  *kmcf;

    dummy = ev->data;
    kmcf = dummy->data;
    cycle = (ngx_cycle_t *) ngx_cycle;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    if (ngx_k8s_accept_ready(kmcf)) {
        ngx_log_error(NGX_LOG_NOTICE, ev->log, 0,
                      "k8s_ingress: the route table is there, accepting "
                      "connections");

        ngx_k8s_accept_release(kmcf, cycle, 1);
        return;
    }

    if (ngx_k8s_accept_late(kmcf)) {

        if (ngx_k8s_accept_alone(kmcf)) {
            ngx_log_error(NGX_LOG_WARN, ev->log, 0,
                          "k8s_ingress: the process %P has ended, accepting "
                          "connections without a route table",
                          kmcf->old_master);

            ngx_k8s_accept_release(kmcf, cycle, 1);
            return;
        }

        /* a socket that is new is no old worker's */

        ngx_k8s_accept_release(kmcf, cycle, 0);
    }

    ngx_add_timer(ev, NGX_K8S_ACCEPT_INTERVAL);
}


static void
ngx_k8s_accept_release(ngx_k8s_main_conf_t *kmcf, ngx_cycle_t *cycle,
    ngx_uint_t all)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (!kmcf->held[i] || (ls[i].inherited && !all)) {
            continue;
        }

        kmcf->held[i] = 0;

        if (ngx_k8s_accept_add(&ls[i]) != NGX_OK) {
            ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                          "k8s_ingress: no connections are accepted on %V",
                          &ls[i].addr_text);
        }
    }

    if (all) {
        ngx_use_accept_mutex = kmcf->accept_mutex;
    }
}


/* adds the event as the event module does */

static ngx_int_t
ngx_k8s_accept_add(ngx_listening_t *ls)
{
    ngx_uint_t  flags;

    flags = 0;

#if (NGX_HAVE_EPOLLEXCLUSIVE)

    if (ngx_use_exclusive_accept) {
        flags = NGX_EXCLUSIVE_EVENT;
    }

#endif

#if (NGX_HAVE_REUSEPORT)

    if (ls->reuseport) {
        flags = 0;
    }

#endif

    return ngx_add_event(ls->connection->read, NGX_READ_EVENT, flags);
}
