
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_external.h>


static ngx_k8s_external_group_t *ngx_k8s_external_group(
    ngx_k8s_external_t *ext, ngx_str_t *ns);
static void ngx_k8s_external_leave(ngx_k8s_external_name_t *n);
static void ngx_k8s_external_due(ngx_k8s_external_name_t *n,
    ngx_uint_t first);
static void ngx_k8s_external_ready(ngx_k8s_external_t *ext,
    ngx_k8s_external_group_t *group);
static void ngx_k8s_external_start_handler(ngx_event_t *ev);
static void ngx_k8s_external_start(ngx_k8s_external_name_t *n);
static void ngx_k8s_external_timer_handler(ngx_event_t *ev);
static void ngx_k8s_external_wait(ngx_k8s_external_name_t *n);
static void ngx_k8s_external_good(ngx_k8s_external_name_t *n,
    ngx_k8s_name_addr_t *addrs, ngx_uint_t naddrs, time_t valid);
static void ngx_k8s_external_bad(ngx_k8s_external_name_t *n, char *error);
static void ngx_k8s_external_failed(ngx_k8s_external_name_t *n);
static void ngx_k8s_external_set(ngx_k8s_external_name_t *n,
    ngx_uint_t state, char *error);
static void ngx_k8s_external_add(ngx_k8s_name_addr_t *addrs, ngx_uint_t *n,
    struct sockaddr *sockaddr);
static ngx_int_t ngx_k8s_external_cmp(ngx_k8s_name_addr_t *one,
    ngx_k8s_name_addr_t *two);


#define ngx_k8s_external_of(ev)                                               \
    ((ngx_k8s_external_t *) ((ngx_connection_t *) (ev)->data)->data)


void
ngx_k8s_external_init(ngx_k8s_external_t *ext,
    ngx_k8s_external_events_t *events, ngx_k8s_block_t *block, ngx_log_t *log)
{
    ngx_memzero(ext, sizeof(ngx_k8s_external_t));

    ext->events = events;
    ext->resolver = block->resolver;
    ext->timeout = block->resolver_timeout;
    ext->conf = block->conf->resolv;
    ext->log = log;

    ext->dummy.data = ext;
    ext->dummy.fd = (ngx_socket_t) -1;

    ext->start.handler = ngx_k8s_external_start_handler;
    ext->start.data = &ext->dummy;
    ext->start.log = log;
    ext->start.cancelable = 1;

    ext->started = ngx_current_msec - NGX_K8S_EXTERNAL_INTERVAL;

    ngx_queue_init(&ext->ready);
    ngx_rbtree_init(&ext->groups, &ext->sentinel, ngx_str_rbtree_insert_value);
}


void
ngx_k8s_external_done(ngx_k8s_external_t *ext)
{
    if (ext->start.timer_set) {
        ngx_del_timer(&ext->start);
    }
}


ngx_k8s_name_t *
ngx_k8s_external_get(ngx_k8s_external_t *ext, ngx_str_t *ns, ngx_str_t *text)
{
    u_char                   *p;
    ngx_k8s_external_name_t  *n;

    n = ngx_calloc(sizeof(ngx_k8s_external_name_t) + text->len, ext->log);
    if (n == NULL) {
        return NULL;
    }

    p = (u_char *) n + sizeof(ngx_k8s_external_name_t);
    ngx_memcpy(p, text->data, text->len);

    n->name.name.len = text->len;
    n->name.name.data = p;
    n->name.state = NGX_K8S_NAME_UNKNOWN;
    n->external = ext;

    n->group = ngx_k8s_external_group(ext, ns);
    if (n->group == NULL) {
        ngx_free(n);
        return NULL;
    }

    n->group->names++;
    ext->unknown++;

    n->timer.handler = ngx_k8s_external_timer_handler;
    n->timer.data = &ext->dummy;
    n->timer.log = ext->log;
    n->timer.cancelable = 1;

    ngx_k8s_external_due(n, 0);

    return &n->name;
}


void
ngx_k8s_external_put(ngx_k8s_external_t *ext, ngx_k8s_name_t *name)
{
    ngx_k8s_external_name_t   *n;
    ngx_k8s_external_group_t  *group;

    n = (ngx_k8s_external_name_t *) name;
    group = n->group;

    if (n->query) {
        ext->events->cancel(n->query);
        ngx_k8s_external_leave(n);
    }

    if (n->due) {
        ngx_queue_remove(&n->queue);
    }

    if (n->timer.timer_set) {
        ngx_del_timer(&n->timer);
    }

    if (name->state == NGX_K8S_NAME_UNKNOWN) {
        ext->unknown--;
    }

    if (group->ready && ngx_queue_empty(&group->due)) {
        ngx_queue_remove(&group->queue);
        group->ready = 0;
    }

    if (--group->names == 0) {
        ngx_rbtree_delete(&ext->groups, &group->sn.node);
        ngx_free(group);
    }

    if (name->addrs) {
        ngx_free(name->addrs);
    }

    ngx_free(n);
}


static ngx_k8s_external_group_t *
ngx_k8s_external_group(ngx_k8s_external_t *ext, ngx_str_t *ns)
{
    u_char                    *p;
    uint32_t                   hash;
    ngx_str_node_t            *sn;
    ngx_k8s_external_group_t  *group;

    hash = ngx_crc32_short(ns->data, ns->len);

    sn = ngx_str_rbtree_lookup(&ext->groups, ns, hash);

    if (sn) {
        return (ngx_k8s_external_group_t *) sn;
    }

    group = ngx_calloc(sizeof(ngx_k8s_external_group_t) + ns->len, ext->log);
    if (group == NULL) {
        return NULL;
    }

    p = (u_char *) group + sizeof(ngx_k8s_external_group_t);
    ngx_memcpy(p, ns->data, ns->len);

    group->sn.str.len = ns->len;
    group->sn.str.data = p;
    group->sn.node.key = hash;

    ngx_queue_init(&group->due);
    ngx_rbtree_insert(&ext->groups, &group->sn.node);

    return group;
}


/* the query of a name has ended */

static void
ngx_k8s_external_leave(ngx_k8s_external_name_t *n)
{
    ngx_k8s_external_t  *ext;

    ext = n->external;

    ngx_free(n->query);
    n->query = NULL;

    ext->asking--;
    n->group->asking--;

    ngx_k8s_external_ready(ext, n->group);
}


/* a name is to be looked up; first: before others of its namespace */

static void
ngx_k8s_external_due(ngx_k8s_external_name_t *n, ngx_uint_t first)
{
    n->due = 1;

    if (first) {
        ngx_queue_insert_head(&n->group->due, &n->queue);

    } else {
        ngx_queue_insert_tail(&n->group->due, &n->queue);
    }

    ngx_k8s_external_ready(n->external, n->group);
}


static void
ngx_k8s_external_ready(ngx_k8s_external_t *ext, ngx_k8s_external_group_t *group)
{
    ngx_msec_t  passed;

    if (!group->ready && !ngx_queue_empty(&group->due)
        && group->asking < NGX_K8S_EXTERNAL_SHARE)
    {
        ngx_queue_insert_tail(&ext->ready, &group->queue);
        group->ready = 1;
    }

    if (ext->start.timer_set || ngx_queue_empty(&ext->ready)
        || ext->asking >= NGX_K8S_EXTERNAL_LOOKUPS)
    {
        return;
    }

    passed = ngx_current_msec - ext->started;

    ngx_add_timer(&ext->start, (passed < NGX_K8S_EXTERNAL_INTERVAL)
                               ? NGX_K8S_EXTERNAL_INTERVAL - passed : 0);
}


static void
ngx_k8s_external_start_handler(ngx_event_t *ev)
{
    ngx_uint_t                 i;
    ngx_queue_t               *q;
    ngx_k8s_external_t        *ext;
    ngx_k8s_external_name_t   *n;
    ngx_k8s_external_group_t  *group;

    ext = ngx_k8s_external_of(ev);

    ext->events->enter(ext->events->data);

    ext->started = ngx_current_msec;

    for (i = 0; i < NGX_K8S_EXTERNAL_STARTS; i++) {

        if (ngx_queue_empty(&ext->ready)
            || ext->asking >= NGX_K8S_EXTERNAL_LOOKUPS)
        {
            break;
        }

        q = ngx_queue_head(&ext->ready);
        ngx_queue_remove(q);

        group = ngx_queue_data(q, ngx_k8s_external_group_t, queue);
        group->ready = 0;

        q = ngx_queue_head(&group->due);
        ngx_queue_remove(q);

        n = ngx_queue_data(q, ngx_k8s_external_name_t, queue);
        n->due = 0;

        ngx_k8s_external_start(n);
        ngx_k8s_external_ready(ext, group);
    }

    ext->events->leave(ext->events->data);
}


/* one that is too long is passed over */

static void
ngx_k8s_external_start(ngx_k8s_external_name_t *n)
{
    ngx_int_t                  rc;
    ngx_k8s_external_t        *ext;
    ngx_k8s_external_query_t  *query;

    ext = n->external;

    if (ext->resolver == NULL) {
        ngx_k8s_external_bad(n, "there is no nameserver");
        return;
    }

    query = ngx_alloc(sizeof(ngx_k8s_external_query_t), ext->log);
    if (query == NULL) {
        ngx_k8s_external_bad(n, "no memory");
        return;
    }

    do {
        rc = ngx_k8s_external_text(ext->conf, &n->name.name, n->at, query->buf,
                                   &query->text);
        n->at += (rc == NGX_DECLINED);

    } while (rc == NGX_DECLINED);

    query->name = n;
    query->ctx = NULL;
    n->query = query;

    ext->asking++;
    n->group->asking++;

    if (rc == NGX_OK) {

        if (ext->events->ask(query) == NGX_OK) {
            return;
        }

        ngx_k8s_external_leave(n);
        ngx_k8s_external_bad(n, "no memory");

        return;
    }

    ngx_k8s_external_answer(query, NGX_RESOLVE_NXDOMAIN, 0, 0, NULL);
}


static void
ngx_k8s_external_timer_handler(ngx_event_t *ev)
{
    ngx_k8s_external_t       *ext;
    ngx_k8s_external_name_t  *n;

    n = ngx_queue_data(ev, ngx_k8s_external_name_t, timer);
    ext = n->external;

    ext->events->enter(ext->events->data);

    ngx_k8s_external_failed(n);

    if (!n->due && n->query == NULL) {
        ngx_k8s_external_due(n, 0);
    }

    ngx_k8s_external_wait(n);

    ext->events->leave(ext->events->data);
}


/* a lookup that takes long does not let old addresses be served any longer */

static void
ngx_k8s_external_wait(ngx_k8s_external_name_t *n)
{
    ngx_msec_t  passed;

    if (!n->failing || n->name.state == NGX_K8S_NAME_FAILED) {
        return;
    }

    passed = ngx_current_msec - n->failed;

    ngx_add_timer(&n->timer, (passed < NGX_K8S_EXTERNAL_STALE)
                             ? NGX_K8S_EXTERNAL_STALE - passed : 1);
}


/*
 * What a nameserver does not know is looked up in the next domain.  So is what
 * it cannot answer for, unless that was good before: a domain that comes later
 * does not take a name over meanwhile.
 */

void
ngx_k8s_external_answer(ngx_k8s_external_query_t *query, ngx_int_t state,
    time_t valid, ngx_uint_t n, ngx_resolver_addr_t *addrs)
{
    u_char                    buf[NGX_K8S_EXTERNAL_TEXT];
    ngx_str_t                 text;
    ngx_uint_t                i, naddrs;
    ngx_k8s_external_t       *ext;
    ngx_k8s_name_addr_t       a[NGX_K8S_NAME_ADDRS];
    ngx_k8s_external_name_t  *name;

    name = query->name;
    ext = name->external;

    ext->events->enter(ext->events->data);

    ngx_k8s_external_leave(name);

    naddrs = 0;

    for (i = 0; state == NGX_OK && i < n; i++) {
        ngx_k8s_external_add(a, &naddrs, addrs[i].sockaddr);
    }

    if (naddrs) {
        ngx_k8s_external_good(name, a, naddrs, valid);
        goto done;
    }

    if (state == NGX_OK) {
        state = NGX_RESOLVE_NXDOMAIN;
    }

    if (name->error == 0 || name->error == NGX_RESOLVE_NXDOMAIN) {
        name->error = state;
    }

    if (state == NGX_RESOLVE_NXDOMAIN
        || (state != NGX_RESOLVE_TIMEDOUT
            && (name->at != name->found || name->name.naddrs == 0)))
    {
        if (ngx_k8s_external_text(ext->conf, &name->name.name, name->at + 1,
                                  buf, &text)
            != NGX_DONE)
        {
            name->at++;
            ngx_k8s_external_due(name, 1);
            goto done;
        }
    }

    ngx_k8s_external_bad(name, ngx_resolver_strerror(name->error));

done:

    ext->events->leave(ext->events->data);
}


static void
ngx_k8s_external_good(ngx_k8s_external_name_t *n, ngx_k8s_name_addr_t *addrs,
    ngx_uint_t naddrs, time_t valid)
{
    time_t                ttl;
    ngx_uint_t            same;
    ngx_k8s_name_addr_t  *copy;

    n->found = n->at;
    n->at = 0;
    n->error = 0;

    same = (n->name.naddrs == naddrs
            && ngx_memcmp(n->name.addrs, addrs,
                          naddrs * sizeof(ngx_k8s_name_addr_t))
               == 0);

    if (!same) {
        copy = ngx_alloc(naddrs * sizeof(ngx_k8s_name_addr_t),
                         n->external->log);

        if (copy == NULL) {
            ngx_k8s_external_bad(n, "no memory");
            return;
        }

        ngx_memcpy(copy, addrs, naddrs * sizeof(ngx_k8s_name_addr_t));

        if (n->name.addrs) {
            ngx_free(n->name.addrs);
        }

        n->name.addrs = copy;
        n->name.naddrs = naddrs;
    }

    n->failing = 0;
    n->failures = 0;
    n->name.error = NULL;

    /* nginx keeps an answer for all of its last second */

    ttl = valid - ngx_time() + 1;
    ttl = ngx_max(ttl, NGX_K8S_EXTERNAL_TTL_MIN);
    ttl = ngx_min(ttl, NGX_K8S_EXTERNAL_TTL_MAX);

    ngx_add_timer(&n->timer, ttl * 1000);

    if (!same) {
        ngx_k8s_external_set(n, NGX_K8S_NAME_KNOWN, NULL);
    }
}


/* all of its texts, or one that others do not stand in for */

static void
ngx_k8s_external_bad(ngx_k8s_external_name_t *n, char *error)
{
    ngx_msec_t  retry, passed;

    n->at = 0;
    n->error = 0;

    if (!n->failing) {
        n->failing = 1;
        n->failed = ngx_current_msec;
    }

    retry = NGX_K8S_EXTERNAL_RETRY << ngx_min(n->failures, 8);
    retry = ngx_min(retry, NGX_K8S_EXTERNAL_RETRY_MAX);
    n->failures++;

    switch (n->name.state) {

    case NGX_K8S_NAME_KNOWN:
        n->name.error = error;
        break;

    case NGX_K8S_NAME_UNKNOWN:
        ngx_k8s_external_set(n, NGX_K8S_NAME_FAILING, error);
        break;

    default: /* NGX_K8S_NAME_FAILING, NGX_K8S_NAME_FAILED */

        if (n->name.error != error) {
            ngx_k8s_external_set(n, n->name.state, error);
        }
    }

    ngx_k8s_external_failed(n);

    if (n->name.state != NGX_K8S_NAME_FAILED) {
        passed = ngx_current_msec - n->failed;
        retry = ngx_min(retry, NGX_K8S_EXTERNAL_STALE - passed);
    }

    ngx_add_timer(&n->timer, retry);
}


/* the last good addresses have been served for long enough */

static void
ngx_k8s_external_failed(ngx_k8s_external_name_t *n)
{
    if (!n->failing || n->name.state == NGX_K8S_NAME_FAILED
        || ngx_current_msec - n->failed < NGX_K8S_EXTERNAL_STALE)
    {
        return;
    }

    if (n->name.addrs) {
        ngx_free(n->name.addrs);
        n->name.addrs = NULL;
        n->name.naddrs = 0;
    }

    ngx_k8s_external_set(n, NGX_K8S_NAME_FAILED, n->name.error);
}


static void
ngx_k8s_external_set(ngx_k8s_external_name_t *n, ngx_uint_t state, char *error)
{
    ngx_k8s_external_t  *ext;

    ext = n->external;

    if (n->name.state == NGX_K8S_NAME_UNKNOWN) {
        ext->unknown--;
    }

    n->name.state = state;
    n->name.error = error;

    ext->events->changed(ext->events->data, &n->name);
}


/* in order, each once; of very many the first ones, so that an answer in
   another order is the same one */

static void
ngx_k8s_external_add(ngx_k8s_name_addr_t *addrs, ngx_uint_t *n,
    struct sockaddr *sockaddr)
{
    ngx_uint_t            i, m;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif
    ngx_k8s_name_addr_t   one;

    ngx_memzero(&one, sizeof(ngx_k8s_name_addr_t));

    switch (sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;
        one.family = 4;
        ngx_memcpy(one.addr, &sin->sin_addr, 4);
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;
        one.family = 6;
        ngx_memcpy(one.addr, &sin6->sin6_addr, 16);
        break;
#endif

    default:
        return;
    }

    for (i = *n; i > 0; i--) {
        if (ngx_k8s_external_cmp(&addrs[i - 1], &one) <= 0) {
            break;
        }
    }

    if (i == NGX_K8S_NAME_ADDRS
        || (i > 0 && ngx_k8s_external_cmp(&addrs[i - 1], &one) == 0))
    {
        return;
    }

    m = ngx_min(*n, NGX_K8S_NAME_ADDRS - 1);

    ngx_memmove(&addrs[i + 1], &addrs[i],
                (m - i) * sizeof(ngx_k8s_name_addr_t));

    addrs[i] = one;
    *n = m + 1;
}


static ngx_int_t
ngx_k8s_external_cmp(ngx_k8s_name_addr_t *one, ngx_k8s_name_addr_t *two)
{
    if (one->family != two->family) {
        return (one->family > two->family) ? 1 : -1;
    }

    return ngx_memcmp(one->addr, two->addr, 16);
}


/*
 * A name with a dot at its end is looked up as it is.  Others are looked up as
 * they are, too, before the search list where they have many dots, else after
 * it.
 */

ngx_int_t
ngx_k8s_external_text(ngx_k8s_resolv_conf_t *conf, ngx_str_t *name,
    ngx_uint_t n, u_char *buf, ngx_str_t *text)
{
    u_char      *p;
    ngx_str_t    s, *domain;
    ngx_uint_t   i, dots, nsearch, own;

    s = *name;
    nsearch = conf->nsearch;

    if (s.len && s.data[s.len - 1] == '.') {
        s.len--;
        nsearch = 0;
    }

    if (n > nsearch) {
        return NGX_DONE;
    }

    dots = 0;

    for (i = 0; i < s.len; i++) {
        dots += (s.data[i] == '.');
    }

    own = (dots >= conf->ndots) ? 0 : nsearch;

    if (n == own) {
        domain = NULL;

    } else {
        domain = &conf->search[n - (n > own)];
    }

    text->data = buf;
    text->len = s.len + (domain ? 1 + domain->len : 0);

    if (text->len >= NGX_K8S_EXTERNAL_TEXT) {
        return NGX_DECLINED;
    }

    p = ngx_cpymem(buf, s.data, s.len);

    if (domain) {
        *p++ = '.';
        ngx_memcpy(p, domain->data, domain->len);
    }

    return NGX_OK;
}
