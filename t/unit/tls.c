
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The choice of certificates by name, sets of routes and listeners; the sets of
 * an address; and what tells sessions apart.
 */


#include "unit_table.h"
#include <ngx_k8s_tls.h>


typedef struct {
    ngx_k8s_table_t         *table;
    ngx_k8s_writer_t        *w;
    ngx_k8s_builder_t        b;
    ngx_k8s_tls_t            last;       /* the last choice */
} tls_t;


/* a host with one certificate, or with none where "certificate" is 0 */

static void
tls_host_policy(tls_t *t, uint32_t set, char *name, ngx_uint_t flags,
    uint32_t certificate, uint32_t policy)
{
    u_char               buf[NGX_K8S_KEY_MAX];
    uint32_t             list;
    ngx_str_t            str;
    ngx_k8s_str_t        key, s;
    ngx_k8s_host_t      *host;
    ngx_k8s_slot_ref_t  *ref;

    ngx_k8s_builder_begin(&t->b, NGX_K8S_INDEX_HOST, sizeof(ngx_k8s_host_t));

    str = unit_str(name);
    str.len = ngx_k8s_key_host(buf, set, NGX_K8S_CLASS_HTTP, &str);
    str.data = buf;

    key = ngx_k8s_builder_str(&t->b, &str);
    s = unit_add(&t->b, name);
    list = ngx_k8s_builder_alloc(&t->b, sizeof(ngx_k8s_slot_ref_t));

    if (certificate) {
        ref = ngx_k8s_builder_ptr(&t->b, list);
        ref->slot = certificate;
        ref->generation = ngx_k8s_slot(t->table, certificate)->generation;
    }

    host = (ngx_k8s_host_t *) t->b.data;
    host->header.key = key;
    host->name = s;
    host->route_set = set;
    host->flags = flags | (name[0] == '.' ? NGX_K8S_HOST_WILDCARD : 0);
    host->fallback = NGX_K8S_NONE;
    host->policy = policy;
    host->certificates.offset = list;
    host->certificates.n = (certificate != 0);

    if (ngx_k8s_builder_put(&t->b, t->w, NGX_K8S_WRITE_OBJECT) == 0) {
        printf("Bail out! no host %s\n", name);
        exit(1);
    }
}


static void
tls_host(tls_t *t, uint32_t set, char *name, ngx_uint_t flags,
    uint32_t certificate)
{
    tls_host_policy(t, set, name, flags, certificate, 0);
}


static uint32_t
tls_certificate(tls_t *t, char *name)
{
    return unit_certificate(t->w, &t->b, name, 0, 0, 8, NGX_K8S_WRITE_OBJECT);
}


/* one with two names of its own, the second may be "" */

static uint32_t
tls_certificate_of(tls_t *t, char *name, uint32_t type, char *one, char *two)
{
    char                   *names[2];
    uint32_t                list;
    ngx_k8s_str_t           s[3], *p;
    ngx_k8s_certificate_t  *cert;

    ngx_k8s_builder_begin(&t->b, NGX_K8S_INDEX_CERTIFICATE,
                          sizeof(ngx_k8s_certificate_t));

    names[0] = "default";
    names[1] = name;
    unit_key(&t->b, 2, names);

    s[0] = unit_add(&t->b, name);
    s[1] = unit_add(&t->b, one);
    s[2] = unit_add(&t->b, two);
    list = ngx_k8s_builder_alloc(&t->b, 2 * sizeof(ngx_k8s_str_t));

    p = ngx_k8s_builder_ptr(&t->b, list);
    p[0] = s[1];
    p[1] = s[2];

    cert = (ngx_k8s_certificate_t *) t->b.data;
    cert->name = s[0];
    cert->key_type = type;
    cert->names.offset = list;
    cert->names.n = 2;

    return ngx_k8s_builder_put(&t->b, t->w, NGX_K8S_WRITE_OBJECT);
}


/* what is asked of clients, by the hash of it */

static uint32_t
tls_policy(tls_t *t, char *hash)
{
    char              *names[1] = { hash };
    ngx_k8s_policy_t  *policy;

    ngx_k8s_builder_begin(&t->b, NGX_K8S_INDEX_POLICY,
                          sizeof(ngx_k8s_policy_t));
    unit_key(&t->b, 1, names);

    policy = (ngx_k8s_policy_t *) t->b.data;
    ngx_memcpy(policy->tls, hash, ngx_strlen(hash));

    return ngx_k8s_builder_put(&t->b, t->w, NGX_K8S_WRITE_OBJECT);
}


/* whether the certificate of this name is presented; NULL: the default one */

static ngx_uint_t
tls_is(tls_t *t, uint32_t *sets, ngx_uint_t nsets, char *sni, char *name)
{
    ngx_str_t               s;
    ngx_k8s_tls_key_t       key;
    ngx_k8s_certificate_t  *rec;

    ngx_memzero(&key, sizeof(ngx_k8s_tls_key_t));

    key.sets = sets;
    key.nsets = nsets;
    key.port = 443;
    key.sni = unit_str(sni);

    ngx_k8s_tls_choose(t->table, &key, &t->last);

    if (name == NULL) {
        return t->last.ncerts == 0;
    }

    if (t->last.ncerts != 1) {
        return 0;
    }

    rec = t->last.certs[0];
    s = unit_str(name);

    return rec->name.len == s.len
           && ngx_memcmp(ngx_k8s_record_at(rec, rec->name.offset), s.data,
                         s.len)
              == 0;
}


/* a listener of a set, on port 443, with up to three certificates */

static void
tls_listener(tls_t *t, uint32_t set, char *hostname, ngx_uint_t mode,
    ngx_uint_t flags, uint32_t policy, uint32_t *certificates)
{
    u_char               buf[NGX_K8S_KEY_MAX];
    uint32_t             i, list;
    ngx_str_t            str, name;
    ngx_k8s_str_t        key, s;
    ngx_k8s_slot_ref_t  *ref;
    ngx_k8s_listener_t  *listener;

    ngx_k8s_builder_begin(&t->b, NGX_K8S_INDEX_LISTENER,
                          sizeof(ngx_k8s_listener_t));

    name = unit_str(hostname);
    str.len = ngx_k8s_key_listener(buf, set, 443, NGX_K8S_TRANSPORT_TCP, &name);
    str.data = buf;

    key = ngx_k8s_builder_str(&t->b, &str);
    s = unit_add(&t->b, hostname);
    list = ngx_k8s_builder_alloc(&t->b, 3 * sizeof(ngx_k8s_slot_ref_t));

    ref = ngx_k8s_builder_ptr(&t->b, list);
    listener = (ngx_k8s_listener_t *) t->b.data;

    for (i = 0; i < 3 && certificates[i]; i++) {
        ref[i].slot = certificates[i];
        ref[i].generation = ngx_k8s_slot(t->table, certificates[i])->generation;
    }

    listener->header.key = key;
    listener->route_set = set;
    listener->port = 443;
    listener->protocol = NGX_K8S_PROTOCOL_HTTPS;
    listener->mode = mode;
    listener->flags = flags;
    listener->policy = policy;
    listener->hostname = s;
    listener->certificates.offset = list;
    listener->certificates.n = i;

    if (ngx_k8s_builder_put(&t->b, t->w, NGX_K8S_WRITE_OBJECT) == 0) {
        printf("Bail out! no listener %s\n", hostname);
        exit(1);
    }
}


/* the sets of an address: the one, and 0 */

static void
tls_put_address(tls_t *t, ngx_uint_t family, char *addr, size_t len,
    uint32_t set)
{
    u_char                  buf[NGX_K8S_KEY_MAX];
    uint32_t                list, *sets;
    ngx_str_t               str;
    ngx_k8s_str_t           key, s;
    ngx_k8s_address_rec_t  *rec;

    ngx_k8s_builder_begin(&t->b, NGX_K8S_INDEX_ADDRESS,
                          sizeof(ngx_k8s_address_rec_t));

    str.len = ngx_k8s_key_address(buf, family, 8443, (u_char *) addr, len);
    str.data = buf;
    key = ngx_k8s_builder_str(&t->b, &str);

    str.data = (u_char *) addr;
    str.len = len;
    s = ngx_k8s_builder_str(&t->b, &str);

    list = ngx_k8s_builder_alloc(&t->b, 2 * sizeof(uint32_t));
    sets = ngx_k8s_builder_ptr(&t->b, list);
    sets[0] = set;

    rec = (ngx_k8s_address_rec_t *) t->b.data;
    rec->header.key = key;
    rec->family = family;
    rec->port = 8443;
    rec->outer_port = 443;
    rec->address = s;
    rec->sets.offset = list;
    rec->sets.n = 2;

    if (ngx_k8s_builder_put(&t->b, t->w, NGX_K8S_WRITE_OBJECT) == 0) {
        printf("Bail out! no address\n");
        exit(1);
    }
}


/* the first set of an IPv4 address, or 99 */

static uint32_t
tls_address(tls_t *t, char *addr, in_port_t port)
{
    uint32_t            *sets;
    in_port_t            outer;
    struct sockaddr_in   sin;

    ngx_memzero(&sin, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(port);
    ngx_memcpy(&sin.sin_addr, addr, 4);

    if (ngx_k8s_tls_address(t->table, (struct sockaddr *) &sin, &sets, &outer)
        != 2)
    {
        return 99;
    }

    return (outer == 443 && sets[1] == 0) ? sets[0] : 98;
}


static void
tls_names(tls_t *t)
{
    uint32_t  set[1] = { 0 };

    tls_host(t, 0, "a.example", 0, tls_certificate(t, "a"));
    tls_host(t, 0, ".example", 0, tls_certificate(t, "wild"));
    tls_host(t, 0, "none.example", 0, 0);
    tls_host(t, 0, "none.other", 0, 0);
    tls_host(t, 0, ".deep.test", NGX_K8S_HOST_ANY_DEPTH,
             tls_certificate(t, "deep"));
    tls_host(t, 0, "", 0, 0);

    ok(tls_is(t, set, 1, "a.example", "a"), "its own");
    ok(tls_is(t, set, 1, "A.Example.", "a"), "in upper case, with a dot");
    ok(tls_is(t, set, 1, "b.example", "wild"), "wildcard");
    ok(tls_is(t, set, 1, "none.example", "wild"),
       "a host without certificates has those of the wildcard");
    ok(tls_is(t, set, 1, "none.other", NULL), "or the default one");
    ok(tls_is(t, set, 1, "x.y.deep.test", "deep"), "any depth");
    ok(tls_is(t, set, 1, "x.b.example", NULL), "of one label only");
    ok(tls_is(t, set, 1, "unknown", NULL), "unknown name");
    ok(tls_is(t, set, 1, "", NULL), "no name");
    ok(tls_is(t, set, 1, "a.example\x01", NULL), "no host");
    ok(tls_is(t, set, 0, "a.example", NULL), "no sets");
}


static void
tls_sets(tls_t *t)
{
    uint32_t  sets[2] = { 5, 0 }, turned[2] = { 0, 5 };

    tls_host(t, 5, "a.example", 0, tls_certificate(t, "five"));
    tls_host(t, 5, ".example", 0, tls_certificate(t, "five-wild"));
    tls_host(t, 5, "b.example", 0, 0);
    tls_host(t, 0, "c.example", 0, tls_certificate(t, "c"));

    ok(tls_is(t, sets, 2, "a.example", "five"), "the first set");
    ok(tls_is(t, turned, 2, "a.example", "a"), "in the other order");
    ok(tls_is(t, sets, 2, "c.example", "c"),
       "the more specific name, be it of the second set");
    ok(tls_is(t, turned, 2, "c.example", "c"), "in the other order");
    ok(tls_is(t, sets, 2, "b.example", "five-wild"), "wildcards alike");
    ok(tls_is(t, turned, 2, "b.example", "wild"), "in the other order");
    ok(tls_is(t, sets, 2, "x.y.deep.test", "deep"), "only in the second");
    ok(tls_is(t, sets, 1, "x.y.deep.test", NULL), "which is not asked");
}


#define CERTS(...)  ((uint32_t [4]) { __VA_ARGS__ })

static void
tls_listeners(tls_t *t)
{
    uint32_t  sets[2] = { 6, 0 }, one[1] = { 6 };

    tls_listener(t, 6, "a.example", NGX_K8S_TLS_TERMINATE, 0,
                 tls_policy(t, "asks"), CERTS(tls_certificate(t, "l-a")));
    tls_listener(t, 6, ".example", NGX_K8S_TLS_TERMINATE,
                 NGX_K8S_LISTENER_REJECT, 0,
                 CERTS(tls_certificate(t, "l-wild")));
    tls_listener(t, 6, ".plain.example", NGX_K8S_TLS_NONE, 0, 0,
                 CERTS(tls_certificate(t, "l-plain")));

    ok(tls_is(t, sets, 2, "a.example", "l-a") && !t->last.reject
       && t->last.client, "a listener before a later set, with its policy");
    ok(tls_is(t, sets, 2, "c.example", "c") && t->last.client == NULL,
       "not before a more specific name of it");
    ok(tls_is(t, sets, 2, "d.example", "l-wild") && t->last.reject,
       "wildcard listener, which rejects");
    ok(tls_is(t, sets, 2, "x.y.example", "l-wild"), "of any depth");
    ok(tls_is(t, sets, 2, "x.plain.example", "l-wild"),
       "one without TLS is none");
    ok(tls_is(t, sets, 2, "unknown", NULL) && tls_is(t, sets, 2, "", NULL),
       "no listener for all names");

    tls_listener(t, 6, "", NGX_K8S_TLS_TERMINATE, 0, 0,
                 CERTS(tls_certificate(t, "l-all")));

    ok(tls_is(t, one, 1, "unknown", "l-all") && tls_is(t, one, 1, "", "l-all"),
       "a listener for all names");
    ok(tls_is(t, sets, 2, "x.y.deep.test", "deep"),
       "hosts are more specific than that");
}


/* several certificates of one listener */

static void
tls_longest(tls_t *t)
{
    uint32_t  set[1] = { 7 };

    tls_listener(t, 7, "", NGX_K8S_TLS_TERMINATE, 0, 0, CERTS(
                 tls_certificate_of(t, "n-wild", 1, "*.n.test", "n.test"),
                 tls_certificate_of(t, "n-a", 1, "A.n.test", "other.test"),
                 tls_certificate_of(t, "n-b", 1, "b.n.test", "a.n.test")));

    ok(tls_is(t, set, 1, "a.n.test", "n-a"), "the longest name, the first");
    ok(tls_is(t, set, 1, "b.n.test", "n-b"), "the longest name");
    ok(tls_is(t, set, 1, "c.n.test", "n-wild"), "a wildcard");
    ok(tls_is(t, set, 1, "x.c.n.test", "n-wild"), "the first, none fits");
    ok(tls_is(t, set, 1, "", "n-wild"), "the first, there is no name");

    tls_listener(t, 7, "", NGX_K8S_TLS_TERMINATE, 0, 0, CERTS(
                 tls_certificate_of(t, "k-rsa", 1, "*.k.test", ""),
                 tls_certificate_of(t, "k-ec", 2, "", "a.k.test"),
                 tls_certificate_of(t, "k-other", 3, "other.test", "")));

    ok(!tls_is(t, set, 1, "a.k.test", "k-ec") && t->last.ncerts == 2,
       "one for each type of key, if its name fits");
    ok(tls_is(t, set, 1, "b.k.test", "k-rsa"), "only one fits");
    ok(!tls_is(t, set, 1, "b.c.test", "") && t->last.ncerts == 3, "none fits");
}


/* of a name with challenges alone, what else is asked for goes elsewhere */

static void
tls_challenges(tls_t *t)
{
    uint32_t  set[1] = { 0 }, one, two;

    one = tls_policy(t, "nameless");
    two = tls_policy(t, "wildcard");

    tls_host(t, 0, "acme.x.example", NGX_K8S_HOST_FALLTHROUGH,
             tls_certificate(t, "x"));
    ok(tls_is(t, set, 1, "acme.x.example", "x") && !t->last.client
       && t->last.known, "challenges, and nothing else");

    tls_host_policy(t, 0, "", 0, 0, one);
    ok(tls_is(t, set, 1, "acme.x.example", "x") && t->last.client
       && t->last.client->tls[0] == 'n' && t->last.known,
       "what the host without a name asks of clients");

    tls_host_policy(t, 0, ".x.example", 0, 0, two);
    ok(tls_is(t, set, 1, "acme.x.example", "x") && t->last.client
       && t->last.client->tls[0] == 'w', "before it a wildcard host");

    tls_host(t, 0, "own.y.example", 0, tls_certificate(t, "y"));
    ok(tls_is(t, set, 1, "own.y.example", "y") && !t->last.client,
       "a host with paths of its own");
}


/* what is asked of clients cannot be had: it is not served without it */

static void
tls_clients(tls_t *t)
{
    uint32_t  set[1] = { 8 }, policy;

    policy = tls_policy(t, "gone");
    tls_listener(t, 8, "", NGX_K8S_TLS_TERMINATE, 0, policy,
                 CERTS(tls_certificate(t, "c")));
    ok(tls_is(t, set, 1, "a", "c") && t->last.client && !t->last.reject,
       "a policy of clients");

    ngx_k8s_writer_remove(t->w, policy);
    ok(tls_is(t, set, 1, "a", "c") && t->last.reject, "it has gone");

    tls_listener(t, 8, "", NGX_K8S_TLS_TERMINATE, 0, tls_policy(t, ""),
                 CERTS(tls_certificate(t, "c")));
    ok(tls_is(t, set, 1, "a", "c") && !t->last.client && !t->last.reject,
       "one that asks for nothing");
}


static void
tls_addresses(tls_t *t)
{
    ok(tls_address(t, "\x0a\0\0\x01", 8443) == 99, "no address");

    tls_put_address(t, 0, "", 0, 1);
    tls_put_address(t, 4, "\x0a\0\0\x01", 4, 3);

    ok(tls_address(t, "\x0a\0\0\x01", 8443) == 3, "sets of an address");
    ok(tls_address(t, "\x0a\0\0\x02", 8443) == 1, "of a port");

    tls_put_address(t, 4, "", 0, 2);

    ok(tls_address(t, "\x0a\0\0\x02", 8443) == 2, "of a port and family");
    ok(tls_address(t, "\x0a\0\0\x01", 8444) == 99, "another port");
}


static void
tls_default(tls_t *t)
{
    char                   *names[2] = { "", "" };
    ngx_k8s_certificate_t  *rec;

    ok(ngx_k8s_tls_default(t->table) == NULL, "no default certificate");

    ngx_k8s_builder_begin(&t->b, NGX_K8S_INDEX_CERTIFICATE,
                          sizeof(ngx_k8s_certificate_t));
    unit_key(&t->b, 2, names);
    ngx_k8s_builder_put(&t->b, t->w, NGX_K8S_WRITE_OBJECT);

    rec = ngx_k8s_tls_default(t->table);
    ok(rec && rec->name.len == 0, "default certificate");
}


static ngx_uint_t
tls_same(char *sni1, in_port_t port1, char *scope1, ngx_k8s_tls_t *tls1,
    char *sni2, in_port_t port2, char *scope2, ngx_k8s_tls_t *tls2)
{
    u_char     id1[NGX_K8S_TLS_ID_LEN], id2[NGX_K8S_TLS_ID_LEN];
    ngx_str_t  s1, s2, t1, t2;

    s1 = unit_str(sni1);
    s2 = unit_str(sni2);
    t1 = unit_str(scope1);
    t2 = unit_str(scope2);

    ngx_k8s_tls_session_id(id1, &s1, port1, &t1, tls1);
    ngx_k8s_tls_session_id(id2, &s2, port2, &t2, tls2);

    return ngx_memcmp(id1, id2, NGX_K8S_TLS_ID_LEN) == 0;
}


static void
tls_sessions(tls_t *t)
{
    uint32_t       sets[1] = { 9 };
    ngx_k8s_tls_t  none, listener, other, asks, more;

#define same(sni1, port1, scope1, sni2, port2, scope2)                        \
    tls_same(sni1, port1, scope1, NULL, sni2, port2, scope2, NULL)

    ok(same("a.example", 443, "x", "A.example.", 443, "x"), "same session");
    ok(!same("a.example", 443, "x", "b.example", 443, "x"), "other name");
    ok(!same("a.example", 443, "x", "a.example", 8443, "x"), "other port");
    ok(!same("a.example", 443, "x", "a.example", 443, "y"), "other scope");
    ok(!same("a.example", 443, "x", "", 443, "x"), "no name");

#define by(one, two)  tls_same("a.x", 443, "x", one, "a.x", 443, "x", two)
#define choose(to, hostname, hash)                                            \
    tls_listener(t, 9, hostname, NGX_K8S_TLS_TERMINATE, 0,                    \
                 tls_policy(t, hash), CERTS(tls_certificate(t, "c")));        \
    ok(tls_is(t, sets, 1, "a.x", "c"), "listener \"%s\"", hostname);          \
    to = t->last

    ngx_memzero(&none, sizeof(ngx_k8s_tls_t));

    ok(by(NULL, &none), "of no listener and policy");

    choose(listener, "", "");
    ok(!by(&none, &listener), "of a listener");
    ok(by(&listener, &listener), "again");

    choose(asks, "", "asks");
    ok(!by(&listener, &asks), "what is asked of clients");

    choose(more, "", "asks for more");
    ok(!by(&asks, &more), "and something else");

    choose(other, ".x", "");
    ok(!by(&listener, &other), "of another listener");

    choose(other, "", "asks");
    ok(!by(&asks, &other), "which takes the name still");

    choose(other, ".x", "asks");
    ok(!by(&asks, &other), "and asks the same");
}


int
main(void)
{
    tls_t  t;

    unit_init();

    t.table = unit_table(1024 * 1024);
    t.w = ngx_k8s_writer_open(t.table, -1, &unit_log);
    ngx_k8s_builder_init(&t.b, &unit_log);

    tls_names(&t);
    tls_sets(&t);
    tls_listeners(&t);
    tls_addresses(&t);
    tls_default(&t);
    tls_longest(&t);
    tls_clients(&t);
    tls_challenges(&t);
    tls_sessions(&t);

    ngx_k8s_builder_done(&t.b);
    ngx_k8s_writer_close(t.w);

    return done();
}
