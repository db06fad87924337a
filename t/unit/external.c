
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Names of ExternalName Services, with a resolver that answers when the test
 * says so, and a clock of its own: what is looked up and when, what an answer
 * becomes, and what of it is served.
 */


#include "k8s.h"
#include <ngx_k8s_external.h>
#include <ngx_k8s_conf.h>


#define QUERIES  20000

#define SERVICE(name, external)                                               \
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d',"        \
    "'name':'" name "'},'spec':{'type':'ExternalName','externalName':"        \
    "'" external "'}}"

#define INGRESS                                                               \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'d','name':'one'},'spec':{'rules':[{'host':'a.test','http':" \
    "{'paths':[{'path':'/','pathType':'Prefix','backend':{'service':{'name':" \
    "'a','port':{'number':80}}}}]}}]}}"


static ngx_k8s_external_t         ext;
static ngx_k8s_external_events_t  events;
static ngx_k8s_resolv_conf_t      conf;
static ngx_k8s_block_t            block;
static ngx_k8s_block_conf_t       block_conf;
static ngx_resolver_t             resolver;

static ngx_k8s_external_query_t  *queries[QUERIES];  /* under way, in order */
static ngx_uint_t                 nqueries;
static ngx_uint_t                 asked;     /* since the beginning */
static ngx_uint_t                 changes;
static ngx_uint_t                 refuse;    /* ask() has no memory */
static ngx_k8s_compile_t         *compile;   /* told of changes, or NULL */


static void
on_turn(void *data)
{
    /* void */
}


static void
on_changed(void *data, ngx_k8s_name_t *name)
{
    changes++;

    if (compile) {
        ngx_k8s_compile_resolved(compile, name);
    }
}


static ngx_int_t
on_ask(ngx_k8s_external_query_t *query)
{
    if (refuse) {
        return NGX_ERROR;
    }

    asked++;
    queries[nqueries++] = query;

    return NGX_OK;
}


static void
forget(ngx_uint_t i)
{
    nqueries--;
    ngx_memmove(&queries[i], &queries[i + 1],
                (nqueries - i) * sizeof(ngx_k8s_external_query_t *));
}


static void
on_cancel(ngx_k8s_external_query_t *query)
{
    ngx_uint_t  i;

    for (i = 0; i < nqueries; i++) {
        if (queries[i] == query) {
            forget(i);
            return;
        }
    }

    ok(0, "a query that is given up is under way");
}


static void
begin(void)
{
    ngx_queue_init(&ngx_posted_events);
    (void) ngx_event_timer_init(&unit_log);

    events.enter = on_turn;
    events.leave = on_turn;
    events.changed = on_changed;
    events.ask = on_ask;
    events.cancel = on_cancel;

    ngx_memzero(&conf, sizeof(conf));
    block.conf = &block_conf;
    block.resolver = &resolver;
    block_conf.resolv = &conf;

    ngx_k8s_external_init(&ext, &events, &block, &unit_log);

    nqueries = 0;
    asked = 0;
    changes = 0;
    compile = NULL;
}


/* lets time pass, from timer to timer */

static void
pass(ngx_msec_t msec)
{
    ngx_msec_t  timer, end;

    end = ngx_current_msec + msec;

    for ( ;; ) {
        timer = ngx_event_find_timer();

        if (timer == NGX_TIMER_INFINITE || ngx_current_msec + timer > end) {
            break;
        }

        ngx_current_msec += timer;
        ngx_cached_time->sec = 1000000 + ngx_current_msec / 1000;

        ngx_event_expire_timers();
    }

    ngx_current_msec = end;
    ngx_cached_time->sec = 1000000 + ngx_current_msec / 1000;
}


static ngx_k8s_name_t *
get(const char *ns, const char *text)
{
    ngx_str_t  n, t;

    n = k8s_str(ns);
    t = k8s_str(text);

    return ngx_k8s_external_get(&ext, &n, &t);
}


/* ends query i with addresses "10.0.0.1 ::2" and a ttl, or with a state */

static void
answer(ngx_uint_t i, ngx_int_t state, const char *addresses, time_t ttl)
{
    char                      *copy, *word, *at;
    ngx_uint_t                 n;
    ngx_sockaddr_t             sa[300];
    ngx_resolver_addr_t        addrs[300];
    ngx_k8s_external_query_t  *query;

    query = queries[i];
    forget(i);

    ngx_memzero(sa, sizeof(sa));
    copy = strdup(addresses);
    n = 0;

    for (word = strtok_r(copy, " ", &at); word;
         word = strtok_r(NULL, " ", &at))
    {
        addrs[n].sockaddr = &sa[n].sockaddr;

        if (strchr(word, ':')) {
            sa[n].sockaddr.sa_family = AF_INET6;
            (void) ngx_inet6_addr((u_char *) word, strlen(word),
                                  (u_char *) &sa[n].sockaddr_in6.sin6_addr);

        } else {
            sa[n].sockaddr.sa_family = AF_INET;
            sa[n].sockaddr_in.sin_addr.s_addr =
                              ngx_inet_addr((u_char *) word, strlen(word));
        }

        n++;
    }

    free(copy);

    ngx_k8s_external_answer(query, state, ngx_time() + ttl, n, addrs);
}


/* whether the one query under way is for this */

static ngx_uint_t
asks(const char *text)
{
    ngx_str_t  t;

    t = k8s_str(text);

    return nqueries == 1 && ngx_k8s_str_eq(&queries[0]->text, &t);
}


static void
texts(const char *name, const char *want)
{
    u_char      buf[NGX_K8S_EXTERNAL_TEXT], all[2048], *p;
    ngx_int_t   rc;
    ngx_str_t   s, text;
    ngx_uint_t  i;

    s = k8s_str(name);
    p = all;

    for (i = 0; /* void */ ; i++) {
        rc = ngx_k8s_external_text(&conf, &s, i, buf, &text);

        if (rc == NGX_DONE) {
            break;
        }

        p = (rc == NGX_OK) ? ngx_sprintf(p, "%V ", &text)
                           : ngx_sprintf(p, "- ");
    }

    *p = '\0';

    ok(strcmp((char *) all, want) == 0, "%.60s: %s", name, all);
}


static void
search(void)
{
    u_char  name[260];

    static char  text[] = "# a Pod's\nnameserver 10.96.0.10\n"
        "nameserver fd00::a # IPv6\n nameserver 10.0.0.9\nnameserver x\n"
        "search old.test\nsearch d.svc.cluster.local svc.cluster.local\t"
        "Corp.test. . a..b\r\noptions timeout:1 ndots:5\n"
        "nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearching x\noptions ndots:";

    begin();

    unit_log.log_level = NGX_LOG_EMERG;

    ok(ngx_k8s_resolv_conf(unit_cycle.pool, &conf, (u_char *) text,
                           (u_char *) text + sizeof(text) - 1)
       == NGX_OK, "a file is read");
    ok(conf.nnames == 3 && conf.names[1].len == 9, "three nameservers");
    ok(conf.nsearch == 3 && conf.ndots == 5, "the last search list, ndots");

    texts("web", "web.d.svc.cluster.local web.svc.cluster.local "
          "web.corp.test web ");
    texts("a.b.c.d.e.f", "a.b.c.d.e.f a.b.c.d.e.f.d.svc.cluster.local "
          "a.b.c.d.e.f.svc.cluster.local a.b.c.d.e.f.corp.test ");
    texts("web.", "web ");

    ngx_memset(name, 'a', 253);
    name[63] = name[127] = name[191] = '.';
    name[253] = '\0';
    ngx_memzero(&conf.names, sizeof(conf.names));
    conf.nsearch = 1;
    conf.ndots = 5;

    {
        u_char     buf[NGX_K8S_EXTERNAL_TEXT];
        ngx_str_t  s, t;

        s.data = name;
        s.len = 253;

        ok(ngx_k8s_external_text(&conf, &s, 0, buf, &t) == NGX_DECLINED
           && ngx_k8s_external_text(&conf, &s, 1, buf, &t) == NGX_OK
           && t.len == 253, "253 bytes have no room for a domain");
    }

    conf.nsearch = 0;
    conf.ndots = 0;
    texts("web", "web ");

    ok(ngx_k8s_resolv_conf(unit_cycle.pool, &conf, (u_char *) text,
                           (u_char *) text)
       == NGX_OK && conf.ndots == 1 && conf.nnames == 0, "an empty file");
}


static void
walk(void)
{
    ngx_k8s_name_t  *n;

    begin();

    conf.nsearch = 2;
    conf.ndots = 5;
    ngx_str_set(&conf.search[0], "one.test");
    ngx_str_set(&conf.search[1], "two.test");

    n = get("d", "web");
    ok(n->state == NGX_K8S_NAME_UNKNOWN && ext.unknown == 1, "nothing known");

    pass(100);
    ok(asks("web.one.test"), "first domain");
    answer(0, NGX_RESOLVE_NXDOMAIN, "", 0);
    pass(100);
    ok(asks("web.two.test"), "second domain");
    ok(changes == 0 && ext.unknown == 1, "nothing is said meanwhile");
    answer(0, NGX_OK, "10.0.0.1", 5);
    ok(n->state == NGX_K8S_NAME_KNOWN && changes == 1 && ext.unknown == 0,
       "an answer");

    pass(5900);
    ok(nqueries == 0, "nothing before it has expired");
    pass(200);
    ok(asks("web.one.test"), "then from the beginning");

    answer(0, 2, "", 0);
    pass(100);
    ok(asks("web.two.test"), "a domain that fails is passed over");
    answer(0, 2, "", 0);
    pass(100);
    ok(nqueries == 0 && n->naddrs == 1 && n->error, "the one that was good "
       "is not");
    pass(1000);
    answer(0, NGX_RESOLVE_NXDOMAIN, "", 0);
    pass(100);
    answer(0, NGX_RESOLVE_NXDOMAIN, "", 0);
    pass(100);
    ok(asks("web"), "unless it says that the name is gone");
    answer(0, NGX_RESOLVE_TIMEDOUT, "", 0);
    pass(100);
    ok(nqueries == 0, "after a time-out nothing else is tried");
    ok(n->naddrs == 1 && strstr(n->error, "timed out"), "%s", n->error);

    ngx_k8s_external_put(&ext, n);
    ok(ngx_event_no_timers_left() == NGX_OK, "no timer is left");
    ok(ext.groups.root == &ext.sentinel, "no namespace either");
}


static void
stale(void)
{
    ngx_uint_t       n;
    ngx_msec_t       begun;
    ngx_k8s_name_t  *name;

    begin();

    name = get("d", "web.test");
    pass(10);
    answer(0, NGX_OK, "10.0.0.1", 1);
    pass(2010);

    /* each lookup fails at once */

    begun = ngx_current_msec;
    answer(0, 2, "", 0);

    for (n = 1; name->naddrs; /* void */ ) {
        pass(10);

        if (nqueries) {
            answer(0, 2, "", 0);
            n++;
        }
    }

    ok(name->state == NGX_K8S_NAME_FAILED && changes == 2, "it has failed");
    ok(ngx_current_msec - begun >= 60000 && ngx_current_msec - begun <= 60020,
       "a minute after the first failure");
    ok(n >= 8 && n <= 11, "%lu lookups", n);

    pass(40000);
    ok(nqueries == 1, "it is looked up still");
    answer(0, NGX_OK, "10.0.0.2", 1);
    ok(name->state == NGX_K8S_NAME_KNOWN && name->naddrs == 1, "and is back");

    /* a resolver that says nothing: the first failure is a time-out */

    pass(2010);
    pass(30000);
    ok(name->naddrs == 1, "under way");
    answer(0, NGX_RESOLVE_TIMEDOUT, "", 0);
    pass(1010);
    ok(nqueries == 1, "again");
    pass(58000);
    ok(name->naddrs == 1 && nqueries == 1, "again under way");
    pass(1000);
    ok(name->state == NGX_K8S_NAME_FAILED && nqueries == 1,
       "a lookup that goes on does not keep them");
    answer(0, NGX_OK, "10.0.0.3", 100000);
    ok(name->state == NGX_K8S_NAME_KNOWN, "its answer counts");

    pass(299000);
    ok(nqueries == 0, "a long TTL");
    pass(1010);
    ok(nqueries == 1, "is 300 seconds");
    answer(0, NGX_OK, "10.0.0.3", 0);
    pass(990);
    ok(nqueries == 0, "a TTL of 0");
    pass(20);
    ok(nqueries == 1, "is a second");

    n = changes;
    answer(0, NGX_OK, "", 10);
    ok(changes == n && name->naddrs == 1, "no address is a failure");

    ngx_k8s_external_put(&ext, name);

    /* one that is never there */

    name = get("d", "nowhere.test");
    pass(10);
    n = changes;
    answer(0, NGX_RESOLVE_NXDOMAIN, "", 0);
    ok(name->state == NGX_K8S_NAME_FAILING && changes == n + 1, "failing");

    for (n = asked; ngx_current_msec - begun < 3600000; /* void */ ) {
        pass(1000);

        if (nqueries) {
            answer(0, NGX_RESOLVE_NXDOMAIN, "", 0);
        }
    }

    ok(asked - n < 370, "it is asked for less and less");

    refuse = 1;
    pass(31000);
    refuse = 0;
    ok(name->state == NGX_K8S_NAME_FAILED && strcmp(name->error, "no memory")
       == 0, "without memory");
    pass(31000);
    ok(nqueries == 1 && ext.asking == 1, "and with it");

    ngx_k8s_external_put(&ext, name);
    ok(nqueries == 0 && ext.asking == 0, "a query is given up with its name");

    ext.resolver = NULL;
    name = get("d", "nowhere.test");
    pass(10);
    ok(name->state == NGX_K8S_NAME_FAILING && strstr(name->error, "nameserver"),
       "without a nameserver");
    ngx_k8s_external_put(&ext, name);

    ok(ngx_event_no_timers_left() == NGX_OK, "no timer is left");
}


static void
addresses(void)
{
    char             text[4096], *p;
    ngx_uint_t       i, n;
    ngx_k8s_name_t  *name;

    begin();

    name = get("d", "web.test");
    pass(10);
    answer(0, NGX_OK, "10.0.0.3 fd00::2 10.0.0.1 10.0.0.3 fd00::1 10.0.0.2", 1);
    ok(name->naddrs == 5 && name->addrs[0].addr[3] == 1
       && name->addrs[2].addr[3] == 3 && name->addrs[3].family == 6
       && name->addrs[4].addr[15] == 2, "in order, each once");

    pass(2010);
    n = changes;
    answer(0, NGX_OK, "fd00::1 10.0.0.2 10.0.0.1 fd00::2 10.0.0.3", 1);
    ok(changes == n, "another order is no change");

    for (i = 0, p = text; i < 280; i++) {
        p += sprintf(p, "10.0.1.%d ", (int) ((i * 37) % 280 % 256));
    }

    pass(2010);
    answer(0, NGX_OK, text, 1);
    ok(name->naddrs == NGX_K8S_NAME_ADDRS && changes == n + 1
       && name->addrs[63].addr[3] == 63, "of many the first ones");

    for (i = 0, p = text; i < 256; i++) {
        p += sprintf(p, "10.0.1.%d ", (int) (255 - i));
    }

    pass(2010);
    answer(0, NGX_OK, text, 1);
    ok(changes == n + 1, "in any order");

    ngx_k8s_external_put(&ext, name);
}


/* the slow ones, and the many, of a namespace are its own matter */

static void
fair(void)
{
    u_char           text[64];
    ngx_uint_t       i, n, ended, most;
    ngx_k8s_name_t  *name, **names;

    begin();

    names = ngx_alloc(10000 * sizeof(ngx_k8s_name_t *), &unit_log);

    for (i = 0; i < 10000; i++) {
        ngx_sprintf(text, "n%ui.slow.test%Z", i);
        names[i] = get("slow", (char *) text);
    }

    pass(1000);
    ok(nqueries == NGX_K8S_EXTERNAL_SHARE, "a few of a namespace");

    name = get("other", "web.test");
    pass(NGX_K8S_EXTERNAL_INTERVAL + 1);
    ok(nqueries == NGX_K8S_EXTERNAL_SHARE + 1, "others do not wait for them");
    answer(nqueries - 1, NGX_OK, "10.0.0.1", 1);
    ok(name->naddrs == 1, "and have their answers");

    /* at the same time those that answer at once */

    for (i = 0; i < 30; i++) {
        pass(2000);

        if (nqueries > NGX_K8S_EXTERNAL_SHARE) {
            answer(nqueries - 1, NGX_OK, "10.0.0.1", 1);
        }
    }

    ok(asked >= 8 + 30, "again and again");

    /* all answer: not more than a few begin at a time */

    most = 0;
    ended = asked;

    while (nqueries) {
        answer(0, NGX_RESOLVE_NXDOMAIN, "", 0);
        n = asked;
        pass(NGX_K8S_EXTERNAL_INTERVAL);
        most = ngx_max(most, asked - n);

        if (asked - ended > 5000) {
            break;
        }
    }

    ok(most <= 2 * NGX_K8S_EXTERNAL_STARTS, "%lu begin in an interval", most);

    for (i = 0; i < 10000; i++) {
        ngx_k8s_external_put(&ext, names[i]);
    }

    ngx_k8s_external_put(&ext, name);
    ok(nqueries == 0 && ext.asking == 0, "all are given up");

    /* one name of each of many namespaces */

    for (i = 0; i < 1000; i++) {
        ngx_sprintf(text, "ns%ui%Z", i);
        names[i] = get((char *) text, "web.test");
    }

    pass(10000);
    ok(nqueries == NGX_K8S_EXTERNAL_LOOKUPS, "not more are under way");

    for (i = 0; i < 1000; i++) {
        ngx_k8s_external_put(&ext, names[i]);
    }

    ok(nqueries == 0 && ext.asking == 0 && ngx_queue_empty(&ext.ready)
       && ext.groups.root == &ext.sentinel && ext.unknown == 0, "nothing is "
       "left");
    ngx_k8s_external_done(&ext);
    ok(ngx_event_no_timers_left() == NGX_OK, "no timer either");

    ngx_free(names);
}


static ngx_k8s_name_t *
on_resolve(void *data, ngx_str_t *ns, ngx_str_t *name)
{
    return ngx_k8s_external_get(&ext, ns, name);
}


static void
on_unresolve(void *data, ngx_k8s_name_t *name)
{
    ngx_k8s_external_put(&ext, name);
}


static void
open_all(k8s_t *k)
{
    k->conf.resolve = on_resolve;
    k->conf.unresolve = on_unresolve;
    k8s_open(k);
    compile = k->compile;

    k8s_put(k, INGRESS);
}


static void
served(void)
{
    k8s_t              k;
    ngx_array_t       *listens;
    ngx_k8s_listen_t  *listen;

    begin();
    k8s_conf(&k);

    listens = ngx_array_create(unit_cycle.pool, 1, sizeof(ngx_k8s_listen_t));
    listen = ngx_array_push(listens);
    ngx_memzero(listen, sizeof(ngx_k8s_listen_t));
    listen->family = 4;
    listen->port = 80;
    ngx_memcpy(listen->addr, "\x0a\0\0\x09", 4);
    k.conf.listens = listens;

    open_all(&k);
    k8s_put(&k, SERVICE("a", "web.test"));

    ok(k8s_has(&k, "external \"web.test\":80"), "a name");
    ok(!k8s_has(&k, "has no endpoint"), "nothing is said before it is known");

    pass(10);
    ok(asks("web.test"), "it is looked up");
    answer(0, NGX_OK, "10.0.0.2 10.0.0.1 fd00::1", 1);
    ok(k8s_has(&k, "endpoint 10.0.0.1 80 ") && k8s_has(&k, "10.0.0.2 80 ")
       && !k8s_has(&k, "fd00::1"), "IPv4 is served");

    pass(2010);
    answer(0, NGX_OK, "169.254.169.254 fd00::1 127.0.0.1", 1);
    ok(!k8s_has(&k, "endpoint 169.") && !k8s_has(&k, "endpoint 127.")
       && !k8s_has(&k, "endpoint 10.") && k8s_has(&k, "endpoint fd00::1 80"),
       "each answer is checked");
    ok(k8s_has(&k, "address \"127.0.0.1\" of Service d/a, and 1 more, cannot"),
       "and it is said");

    pass(2010);
    answer(0, NGX_OK, "::ffff:169.254.169.254 0.0.0.0 10.0.0.9 224.0.0.1", 1);
    ok(!k8s_has(&k, "endpoint 1"), "this host, and what is none");
    ok(k8s_has(&k, "none of its addresses can be used"), "nothing is served");

    pass(2010);
    answer(0, NGX_OK, "10.0.0.3", 1);
    ok(k8s_has(&k, "endpoint 10.0.0.3 80 ") && !k8s_has(&k, "cannot be used"),
       "a good one");

    /* another watcher */

    pass(2010);
    k8s_end(&k);
    ok(nqueries == 0 && ext.groups.root == &ext.sentinel, "all is given up");

    open_all(&k);
    k8s_put(&k, SERVICE("a", "web.test"));
    ok(k8s_has(&k, "endpoint 10.0.0.3 80 ") && !k8s_has(&k, "has no endpoint"),
       "a successor serves what its predecessor had");
    pass(10);
    answer(0, 2, "", 0);
    ok(k8s_has(&k, "endpoint 10.0.0.3 80 "), "while lookups fail");
    pass(2000);
    answer(0, NGX_OK, "10.0.0.4", 1);
    ok(k8s_has(&k, "endpoint 10.0.0.4 80 ") && !k8s_has(&k, "10.0.0.3"),
       "until it knows better");

    /* another name */

    k8s_put(&k, SERVICE("a", "new.test"));
    ok(k8s_has(&k, "endpoint 10.0.0.4 80 ")
       && k8s_has(&k, "external \"web.test\""),
       "the old name is served until the new one is known");
    pass(20);
    ok(asks("new.test"), "which alone is looked up");
    answer(0, NGX_RESOLVE_NXDOMAIN, "", 0);
    ok(!k8s_has(&k, "endpoint 1"), "or is not");
    ok(k8s_has(&k, "its externalName \"new.test\" cannot be resolved: Host not "
               "found"), "which is said");

    pass(1100);
    answer(0, 2, "", 0);
    ok(k8s_has(&k, "cannot be resolved: Server failure"), "another reason");
    pass(2100);
    answer(0, NGX_OK, "10.0.0.5", 100);
    ok(k8s_has(&k, "endpoint 10.0.0.5 80 ") && !k8s_has(&k, "has no endpoint"),
       "resolved");

    /* after a minute */

    k8s_end(&k);
    open_all(&k);
    k8s_put(&k, SERVICE("a", "new.test"));
    (void) k8s_dump(&k);
    pass(10);
    answer(0, NGX_RESOLVE_TIMEDOUT, "", 0);
    ok(k8s_has(&k, "endpoint 10.0.0.5 80 "), "a silent resolver");
    pass(59900);
    ok(k8s_has(&k, "endpoint 10.0.0.5 80 "), "for a minute");
    pass(200);
    ok(!k8s_has(&k, "endpoint 1")
       && k8s_has(&k, "cannot be resolved: Operation timed out"), "then not");

    /* what is no name */

    k8s_put(&k, SERVICE("a", "10.0.0.7"));
    ok(k8s_has(&k, "its externalName \"10.0.0.7\" is an address")
       && !k8s_has(&k, "endpoint 1") && nqueries == 0, "an address");
    k8s_put(&k, SERVICE("a", "fd00::7"));
    ok(k8s_has(&k, "its externalName \"fd00::7\" is an address"), "of IPv6");
    k8s_put(&k, SERVICE("a", "localhost"));
    ok(k8s_has(&k, "its externalName \"localhost\" is an address"),
       "localhost");
    k8s_put(&k, SERVICE("a", "a b"));
    ok(k8s_has(&k, "its externalName \"a b\" is no DNS name"), "no name");
    k8s_put(&k, SERVICE("a", ""));
    ok(k8s_has(&k, "its externalName \"\" is no DNS name"), "none");
    pass(100000);
    ok(nqueries == 0, "none of these is looked up");

    k8s_put(&k, SERVICE("a", "web.test."));
    (void) k8s_dump(&k);
    pass(10);
    ok(asks("web.test"), "a dot at the end");

    k8s_delete(&k, NGX_K8S_SERVICE, "d", "a");
    (void) k8s_dump(&k);
    ok(nqueries == 0, "the Service goes");
    k8s_put(&k, SERVICE("a", "web.test"));
    (void) k8s_dump(&k);
    pass(10);
    ok(nqueries == 1, "is back");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "one");
    (void) k8s_dump(&k);
    ok(nqueries == 0, "nothing leads to it");

    k8s_close(&k);
    ok(ngx_event_no_timers_left() == NGX_OK, "no timer is left");
}


/* endpoints of Pods go on until it is known where the name leads to */

static void
moved(void)
{
    k8s_t  k;

    begin();
    k8s_conf(&k);
    open_all(&k);

    k8s_put(&k, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':"
            "'d','name':'a'},'spec':{'ports':[{'port':80,'targetPort':8080}]}}"
            );
    k8s_put(&k, "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice',"
            "'metadata':{'namespace':'d','name':'a-1','labels':{"
            "'kubernetes.io/service-name':'a'}},'addressType':'IPv4','ports':["
            "{'port':8080}],'endpoints':[{'addresses':['10.1.0.1'],"
            "'conditions':{'ready':true}}]}");
    ok(k8s_has(&k, "endpoint 10.1.0.1 8080"), "a Pod");

    k8s_put(&k, SERVICE("a", "web.test"));
    ok(k8s_has(&k, "endpoint 10.1.0.1 8080"), "a moment later still");
    pass(10);
    answer(0, NGX_OK, "10.0.0.1", 1);
    ok(!k8s_has(&k, "endpoint 10.1.0.1") && k8s_has(&k, "endpoint 10.0.0.1 80"),
       "the name");

    k8s_close(&k);
}


static void
port(const char *ports, const char *text, const char *want)
{
    char   buf[1024];
    k8s_t  k;

    begin();
    k8s_conf(&k);
    k.conf.resolve = on_resolve;
    k.conf.unresolve = on_unresolve;
    k8s_open(&k);

    (void) sprintf(buf, "{'apiVersion':'v1','kind':'Service','metadata':{"
                   "'namespace':'d','name':'a'},'spec':{'type':'ExternalName',"
                   "'externalName':'web.test','ports':%s}}", ports);
    k8s_put(&k, buf);
    (void) sprintf(buf, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                   "'metadata':{'namespace':'d','name':'one'},'spec':{"
                   "'defaultBackend':{'service':{'name':'a','port':{%s}}}}}",
                   text);
    k8s_put(&k, buf);

    ok(k8s_has(&k, want), "%s %s: %s", ports, text, want);

    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    unit_cycle.pool = ngx_create_pool(4096, &unit_log);
    ngx_cycle = &unit_cycle;
    ngx_time_init();

    search();
    walk();
    stale();
    addresses();
    fair();
    served();
    moved();

    port("[]", "'number':3000", "external \"web.test\":3000");
    port("[{'port':80,'targetPort':8080}]", "'number':80",
         "external \"web.test\":8080");
    port("[{'port':80,'targetPort':8080}]", "'number':8080",
         "external \"web.test\":8080");
    port("[{'port':80,'targetPort':8080},{'port':8080,'targetPort':9}]",
         "'number':8080", "external \"web.test\":9");
    port("[{'port':80}]", "'number':443", "external \"web.test\":443");
    port("[{'name':'http','port':80,'targetPort':'web'}]", "'name':'http'",
         "external \"web.test\":80");
    port("[{'name':'http','port':80,'targetPort':8080}]", "'name':'http'",
         "external \"web.test\":8080");
    port("[{'name':'http','port':80}]", "'name':'web'",
         "no TCP port \"web\"");
    port("[]", "'name':'web'", "no TCP port \"web\"");
    port("'all'", "'number':80", "no TCP port \"80\"");

    return done();
}
