
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The choice of certificates by name and sets of routes, and what tells
 * sessions apart.
 */


#include "unit_table.h"
#include <ngx_k8s_tls.h>


typedef struct {
    ngx_k8s_table_t         *table;
    ngx_k8s_writer_t        *w;
    ngx_k8s_builder_t        b;
} tls_t;


/* a host with one certificate, or with none where "certificate" is 0 */

static void
tls_host(tls_t *t, uint32_t set, char *name, ngx_uint_t flags,
    uint32_t certificate)
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
    host->certificates.offset = list;
    host->certificates.n = (certificate != 0);

    if (ngx_k8s_builder_put(&t->b, t->w, NGX_K8S_WRITE_OBJECT) == 0) {
        printf("Bail out! no host %s\n", name);
        exit(1);
    }
}


static uint32_t
tls_certificate(tls_t *t, char *name)
{
    return unit_certificate(t->w, &t->b, name, 0, 0, 8, NGX_K8S_WRITE_OBJECT);
}


/* whether the certificate of this name is presented; NULL: the default one */

static ngx_uint_t
tls_is(tls_t *t, uint32_t *sets, ngx_uint_t nsets, char *sni, char *name)
{
    ngx_str_t               s;
    ngx_k8s_host_t         *host;
    ngx_k8s_certificate_t  *rec;

    s = unit_str(sni);
    host = ngx_k8s_tls_host(t->table, sets, nsets, &s);

    if (name == NULL) {
        return host == NULL;
    }

    if (host == NULL || host->certificates.n != 1) {
        return 0;
    }

    rec = ngx_k8s_tls_certificate(t->table, host, 0);
    s = unit_str(name);

    return rec && rec->name.len == s.len
           && ngx_memcmp(ngx_k8s_record_at(rec, rec->name.offset), s.data,
                         s.len)
              == 0;
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
tls_same(char *sni1, in_port_t port1, char *scope1, char *sni2,
    in_port_t port2, char *scope2)
{
    u_char     id1[NGX_K8S_TLS_ID_LEN], id2[NGX_K8S_TLS_ID_LEN];
    ngx_str_t  s1, s2, t1, t2;

    s1 = unit_str(sni1);
    s2 = unit_str(sni2);
    t1 = unit_str(scope1);
    t2 = unit_str(scope2);

    ngx_k8s_tls_session_id(id1, &s1, port1, &t1);
    ngx_k8s_tls_session_id(id2, &s2, port2, &t2);

    return ngx_memcmp(id1, id2, NGX_K8S_TLS_ID_LEN) == 0;
}


static void
tls_sessions(void)
{
    ok(tls_same("a.example", 443, "x", "A.example.", 443, "x"), "same session");
    ok(!tls_same("a.example", 443, "x", "b.example", 443, "x"), "other name");
    ok(!tls_same("a.example", 443, "x", "a.example", 8443, "x"), "other port");
    ok(!tls_same("a.example", 443, "x", "a.example", 443, "y"), "other scope");
    ok(!tls_same("a.example", 443, "x", "", 443, "x"), "no name");
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
    tls_default(&t);
    tls_sessions();

    ngx_k8s_builder_done(&t.b);
    ngx_k8s_writer_close(t.w);

    return done();
}
