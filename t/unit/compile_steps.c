
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Walks over all objects of a host, and all that want a name, are made in
 * pieces: how many things each piece has looked at.
 */


#include <ngx_k8s_compile_state.h>
#include "k8s.h"


#define PIECE  256                       /* things of one piece */
#define MANY   1000


static char  text[65536];


static void
put(k8s_t *k, char *ns, char *name, ngx_uint_t sec, char *annotations,
    char *host, char *path, ngx_uint_t n)
{
    char        *p;
    ngx_uint_t   i;

    p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                       "'Ingress','metadata':{'namespace':'%s','name':'%s',"
                       "'annotations':{%s},'creationTimestamp':'2026-01-01T00:"
                       "%02u:%02uZ'},'spec':{'rules':[{'host':'%s','http':{"
                       "'paths':[", ns, name, annotations,
                       (unsigned) sec / 60, (unsigned) sec % 60, host);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s{'path':'%s", i ? "," : "", path);
        p += i ? sprintf(p, "%u", (unsigned) i) : 0;
        p += sprintf(p, "','pathType':'Exact','backend':{'service':{'name':'s'"
                     ",'port':{'number':80}}}}");
    }

    sprintf(p, "]}}]}}");
    k8s_put(k, text);
}


static ngx_uint_t
marked(k8s_t *k)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    n = 0;

    for (q = ngx_queue_head(&k->store->changed);
         q != ngx_queue_sentinel(&k->store->changed);
         q = ngx_queue_next(q))
    {
        n++;
    }

    return n;
}


static ngx_k8s_host_state_t *
state(k8s_t *k, char *name)
{
    ngx_str_t        s;
    ngx_k8s_node_t  *node;

    s = k8s_str(name);
    node = ngx_k8s_node_host_find(k->store, 0, NGX_K8S_CLASS_HTTP, &s);

    return node ? node->data : NULL;
}


/* fills the zone but for "room" bytes */

static void
fill(k8s_t *k, size_t room)
{
    size_t               free, len;
    ngx_k8s_policy_t    *rec;

    static int   id;
    static char  buf[16384 + 64];

    rec = (ngx_k8s_policy_t *) buf;

    while ((free = ngx_k8s_writer_room(k->writer)) > room + 256) {
        len = ngx_min(free - room, 16384);

        ngx_memzero(buf, sizeof(buf));
        rec->header.type = NGX_K8S_INDEX_POLICY;
        rec->header.key.offset = sizeof(ngx_k8s_policy_t);
        rec->header.key.len = 8;
        sprintf((char *) (rec + 1), "%07d", id++);

        if (ngx_k8s_writer_put(k->writer, &rec->header, len,
                               NGX_K8S_WRITE_OBJECT)
            == 0)
        {
            break;
        }
    }

    ngx_k8s_writer_publish(k->writer);
}


/* those that want a name whose owner changes */

static void
test_wanting(void)
{
    char        name[16], host[32];
    k8s_t       k;
    ngx_int_t   rc;
    ngx_uint_t  i, n, most;

    k8s_conf(&k);
    k.conf.ownership = 1;
    k.size = 32 * 1024 * 1024;
    k8s_open(&k);

    for (i = 0; i < MANY; i++) {
        sprintf(name, "i%u", (unsigned) i);
        sprintf(host, "h%u.test", (unsigned) i);
        put(&k, "a", name, i, "'nginx.ingress.kubernetes.io/server-alias':"
            "'x.test'", host, "/", 1);
    }

    k8s_run(&k);
    put(&k, "b", "owner", 0, "", "x.test", "/", 1);

    most = 0;

    do {
        n = marked(&k);
        rc = ngx_k8s_compile_run(k.compile, 0);
        most = ngx_max(most, marked(&k) - ngx_min(n, marked(&k)));
        ngx_k8s_writer_publish(k.writer);
    } while (rc == NGX_AGAIN);

    ok(most > 1 && most <= PIECE, "%u of those that want a name are told in "
       "a piece", (unsigned) most);
    ok(k8s_has(&k, "belongs to namespace b"), "that it has an owner");

    k8s_close(&k);
}


/* the youngest object that is not served, where all are */

static void
test_youngest(void)
{
    char                   name[16], path[16];
    k8s_t                  k;
    ngx_int_t              rc;
    ngx_uint_t             i, n;
    ngx_k8s_host_state_t  *s;

    k8s_conf(&k);
    k.size = 8 * 1024 * 1024;
    k8s_open(&k);

    for (i = 0; i < MANY; i++) {
        sprintf(name, "i%u", (unsigned) i);
        sprintf(path, "/p%u", (unsigned) i);
        put(&k, "a", name, i, "", "h", path, 1);
    }

    k8s_run(&k);
    fill(&k, 0);

    put(&k, "a", "i7", 7, "", "h", "/grown", 100);

    s = state(&k, "h");
    n = 0;

    do {
        rc = ngx_k8s_compile_run(k.compile, 0);
        n += (s->sought != NULL);
        ngx_k8s_writer_publish(k.writer);
    } while (rc == NGX_AGAIN);

    ok(n >= MANY / PIECE, "the youngest is sought in %u pieces and more",
       (unsigned) n);
    ok(k8s_has(&k, "which is served as it was"), "there is none");
    ok(k8s_has(&k, "\"/p999\""), "all are served");

    k8s_close(&k);
}


/* objects with which a host is too large for any zone */

static void
test_oversize(void)
{
    k8s_t                  k;
    ngx_uint_t             i, n, pieces;
    ngx_k8s_left_t        *left;
    ngx_k8s_host_state_t  *s;

    k8s_conf(&k);
    k8s_open(&k);

    put(&k, "a", "one", 0, "", "h", "/", 1);
    k8s_run(&k);

    s = state(&k, "h");
    left = calloc(MANY, sizeof(ngx_k8s_left_t));

    for (i = 0; i < MANY; i++) {
        left[i].need = NGX_K8S_NEVER;
        left[i].age.created = i;
        ngx_k8s_compile_oversize(s, &left[i]);
    }

    /* those behind one that is left out, then all of them */

    ngx_k8s_compile_smaller(s, &left[MANY - 11]);
    ngx_k8s_compile_smaller(s, &left[MANY - 6]);
    ngx_k8s_claims_told(k.compile, s);

    for (i = 0, n = 0; i < MANY; i++) {
        n += (left[i].need == 0);
    }

    ok(n == 10 && left[MANY - 10].need == 0, "%u younger ones are tried again",
       (unsigned) n);

    ngx_k8s_compile_smaller(s, NULL);

    for (pieces = 0; s->fitting; pieces++) {
        ngx_k8s_claims_told(k.compile, s);

        for (i = 0, n = 0; i < MANY; i++) {
            n += (left[i].need == 0);
        }
    }

    ok(n == MANY && pieces == (MANY - 10 + PIECE - 1) / PIECE,
       "all are in %u pieces", (unsigned) pieces);

    for (i = 0; i < MANY; i++) {
        left[i].need = NGX_K8S_NEVER;
        ngx_k8s_compile_oversize(s, &left[i]);
    }

    ngx_k8s_compile_smaller(s, NULL);
    k8s_delete(&k, NGX_K8S_INGRESS, "a", "one");
    k8s_run(&k);

    ok(state(&k, "h") == NULL && left[0].need == 0 && left[0].host == NULL,
       "none stays when the host goes");

    free(left);
    k8s_close(&k);
}


/* of those that wait with one path the one that is served stays so */

static void
test_competing(void)
{
    char        name[16];
    k8s_t       k;
    ngx_uint_t  i;

    k8s_conf(&k);
    k.size = 8 * 1024 * 1024;
    k8s_open(&k);

    put(&k, "a", "served", 3000, "", "h", "/", 1);
    put(&k, "a", "other", 3001, "", "h", "/other", 1);
    k8s_run(&k);
    fill(&k, 0);

    for (i = 0; i < MANY; i++) {
        sprintf(name, "o%u", (unsigned) i);
        put(&k, "a", name, i, "", "h", "/", 1);
        k8s_run(&k);
    }

    ok(k8s_has(&k, "of a/served to"), "what is served is behind many");
    k8s_delete(&k, NGX_K8S_INGRESS, "a", "other");
    k8s_run(&k);
    ok(!k8s_has(&k, "of a/other to"), "what goes goes");
    ok(k8s_has(&k, "of a/served to") || k8s_has(&k, "of a/o0 to"),
       "one of them is served");

    k8s_close(&k);
}


/* who makes the paths of a host expressions is named if it is old enough */

static void
test_regex(void)
{
    char        name[16], path[16];
    k8s_t       k;
    ngx_uint_t  i;

    k8s_conf(&k);
    k.size = 32 * 1024 * 1024;
    k8s_open(&k);

    put(&k, "a", "regex", 1000, "'nginx.ingress.kubernetes.io/use-regex':"
        "'true'", "h", "/r", 1);

    for (i = 0; i < 63; i++) {
        sprintf(name, "i%u", (unsigned) i);
        sprintf(path, "/p%u", (unsigned) i);
        put(&k, "a", name, i, "", "h", path, 1);
    }

    ok(k8s_has(&k, "as Ingress a/regex has use-regex"), "it is named");

    put(&k, "a", "one", 63, "", "h", "/one", 1);
    ok(k8s_has(&k, "as another object of the host has use-regex"),
       "but not behind many");

    k8s_close(&k);
}


int
main(void)
{
    unit_init();

    test_wanting();
    test_youngest();
    test_oversize();
    test_competing();
    test_regex();

    return done();
}
