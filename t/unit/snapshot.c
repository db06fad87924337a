
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Snapshots: what is captured, loads into the same table; what is not sound is
 * refused; what changes meanwhile is not seen.
 */


#include "k8s.h"
#include "unit_table.h"
#include <ngx_k8s_snapshot.h>

#include <sys/wait.h>


#define SIZE  (8 * 1024 * 1024)


static ngx_k8s_snapshot_id_t  identity = { 7, "of this test" };


static const char  *objects[] = {
    "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'default',"
    "'name':'web'},'spec':{'ports':[{'port':80}]}}",
    "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','addressType':"
    "'IPv4','metadata':{'namespace':'default','name':'web-1','labels':{"
    "'kubernetes.io/service-name':'web'}},'ports':[{'port':8080}],'endpoints':"
    "[{'addresses':['10.9.8.7']},{'addresses':['10.9.8.8']},"
    "{'addresses':['10.9.8.9']}]}",
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"
    "'namespace':'default','name':'a'},'spec':{'rules':[{'host':'a.test',"
    "'http':{'paths':[{'path':'/','pathType':'Prefix','backend':{'service':{"
    "'name':'web','port':{'number':80}}}},{'path':'/x','pathType':'Exact',"
    "'backend':{'service':{'name':'none','port':{'number':80}}}}]}}]}}",
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"
    "'namespace':'default','name':'b'},'spec':{'rules':[{'host':'*.b.test',"
    "'http':{'paths':[{'path':'/','pathType':'Prefix','backend':{'service':{"
    "'name':'web','port':{'number':80}}}}]}}]}}"
};


/* the bytes of a capture, aligned; malloc()ed */

static u_char *
bytes(ngx_k8s_capture_t *c, size_t *len)
{
    u_char           *data, *p;
    ngx_k8s_chunk_t  *chunk;

    data = aligned_alloc(16, ngx_align(c->size, 16));
    p = data;

    for (chunk = c->chunks; chunk; chunk = chunk->next) {
        p = ngx_cpymem(p, chunk->data, chunk->len);
    }

    *len = p - data;

    return data;
}


static u_char *
capture(ngx_k8s_writer_t *w, ngx_uint_t flags, size_t *len)
{
    u_char             *data;
    ngx_int_t           rc;
    ngx_k8s_capture_t  *c;

    c = ngx_k8s_capture_begin(w, &identity, flags, &unit_log);

    do {
        rc = ngx_k8s_capture_run(c, 300);
    } while (rc == NGX_AGAIN);

    if (rc != NGX_OK || ngx_k8s_capture_seal(c) != NGX_OK) {
        printf("Bail out! no capture\n");
        exit(1);
    }

    data = bytes(c, len);

    ngx_k8s_capture_free(c);

    return data;
}


/* sets the hash right, so that what is behind it is looked at */

static void
seal(u_char *data, size_t len)
{
    ngx_k8s_chunk_t             chunk;
    ngx_k8s_capture_t           c;
    ngx_k8s_snapshot_header_t  *header;

    header = (ngx_k8s_snapshot_header_t *) data;
    ngx_memzero(header->hash, NGX_K8S_SNAPSHOT_HASH);

    chunk.next = NULL;
    chunk.data = data;
    chunk.len = len;
    c.chunks = &chunk;

    (void) ngx_k8s_capture_seal(&c);
}


static void
open_empty(k8s_t *k)
{
    k8s_conf(k);
    k->size = SIZE;
    k8s_open(k);
}


/* more hosts than 1 MB has room for */

static void
put_many(k8s_t *k)
{
    char        text[512];
    ngx_uint_t  i;

    for (i = 0; i < 2000; i++) {
        sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'other','name':'n%u'},'spec':{'rules':"
                "[{'host':'n%u.test','http':{'paths':[{'path':'/','pathType':"
                "'Prefix','backend':{'service':{'name':'web','port':{'number':"
                "80}}}}]}}]}}", (unsigned) i, (unsigned) i);
        k8s_put(k, text);
    }

    (void) k8s_dump(k);
}


static ngx_uint_t
load(k8s_t *k, u_char *data, size_t len, ngx_k8s_loaded_t *loaded)
{
    char  *err;

    err = ngx_k8s_snapshot_check(data, len, &identity);

    if (err) {
        printf("# %s\n", err);
        return 0;
    }

    return ngx_k8s_snapshot_load(k->writer, data, len, loaded, &unit_log)
           == NGX_OK;
}


static char *
dump(k8s_t *k)
{
    if (ngx_k8s_table_dump(k->table, k->pool, &k->dump) != NGX_OK) {
        printf("Bail out! no dump\n");
        exit(1);
    }

    k->dump.data[k->dump.len] = '\0';

    return (char *) k->dump.data;
}


/* the same table again, from which nothing is then changed by the same list */

static void
snapshot_whole(void)
{
    k8s_t              a, b;
    size_t             len;
    u_char            *data;
    uint64_t           cursor;
    ngx_uint_t         i, n;
    ngx_k8s_stat_t    *stat;
    ngx_k8s_loaded_t   loaded;
    ngx_atomic_uint_t  changes;

    open_empty(&a);
    open_empty(&b);

    /* other slots than those of a new table */

    k8s_put(&a, objects[3]);
    k8s_put(&a, objects[0]);
    k8s_put(&a, objects[1]);
    k8s_run(&a);
    k8s_delete(&a, NGX_K8S_INGRESS, "default", "b");
    k8s_run(&a);
    k8s_put(&a, objects[2]);
    k8s_run(&a);
    k8s_put(&a, objects[3]);
    (void) k8s_dump(&a);

    data = capture(a.writer, NGX_K8S_SNAPSHOT_KEYS, &len);

    ok(load(&b, data, len, &loaded), "a snapshot of %u bytes is loaded",
       (unsigned) len);
    ok(loaded.hosts == a.table->counts[NGX_K8S_INDEX_HOST]
       && loaded.left == 0 && loaded.keyless == 0, "with all its hosts");
    ok(strcmp(dump(&b), (char *) a.dump.data) == 0, "it is the same table");
    ok(a.table->states[NGX_K8S_STATE_SERVED] == 2
       && b.table->states[NGX_K8S_STATE_SERVED] == 2,
       "with as many Ingresses that are served");

    n = 0;

    for (i = 1; i < b.table->nstats; i++) {
        stat = ngx_k8s_stat(b.table, i);
        n += (stat->identity != 0);
    }

    ok(n == 3, "three endpoints have their statistics");

    /* a list of the same objects swaps nothing */

    changes = b.table->changes;

    for (i = 0; i < 4; i++) {
        k8s_put(&b, objects[i]);
    }

    ok(strcmp(k8s_dump(&b), (char *) a.dump.data) == 0, "as a list makes it");
    ok(b.table->changes == changes, "which has changed nothing, %u records",
       (unsigned) (b.table->changes - changes));

    /* what the list no longer has, goes */

    k8s_delete(&b, NGX_K8S_INGRESS, "default", "a");
    ok(strstr(k8s_dump(&b), "a.test") == NULL, "a host goes");

    cursor = 0;
    ok(ngx_k8s_table_next(a.table, NGX_K8S_INDEX_HOST, &cursor) != NULL,
       "the first table is as it was");

    free(data);
    k8s_close(&a);
    k8s_close(&b);
}


/* changes between two slices of a capture are not in it */

static void
snapshot_moment(void)
{
    k8s_t               a, b;
    char               *before;
    size_t              len;
    u_char             *data;
    char                text[512];
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_k8s_loaded_t    loaded;
    ngx_k8s_capture_t  *c;

    open_empty(&a);
    open_empty(&b);

    for (i = 0; i < 4; i++) {
        k8s_put(&a, objects[i]);
    }

    before = strdup(k8s_dump(&a));

    c = ngx_k8s_capture_begin(a.writer, &identity, NGX_K8S_SNAPSHOT_KEYS,
                              &unit_log);

    for (i = 0, rc = NGX_AGAIN; rc == NGX_AGAIN; i++) {

        /* all of it goes, and much that is new comes in its place */

        if (i == 1) {
            k8s_delete(&a, NGX_K8S_INGRESS, "default", "a");
            k8s_delete(&a, NGX_K8S_INGRESS, "default", "b");
            k8s_delete(&a, NGX_K8S_SERVICE, "default", "web");
        }

        sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'other','name':'n%u'},'spec':{'rules':"
                "[{'host':'n%u.test','http':{'paths':[{'path':'/','pathType':"
                "'Prefix','backend':{'service':{'name':'n%u','port':{'number':"
                "81}}}}]}}]}}", (unsigned) i, (unsigned) i, (unsigned) i);

        k8s_put(&a, text);
        k8s_run(&a);
        k8s_run(&a);

        rc = ngx_k8s_capture_run(c, 1);
    }

    ok(rc == NGX_OK && i > 5, "captured in %u slices", (unsigned) i);
    ok(ngx_k8s_writer_retired(a.writer) > 0, "what was copied was held");

    ngx_k8s_writer_publish(a.writer);
    ok(ngx_k8s_writer_retired(a.writer) == 0, "and is now free");

    (void) ngx_k8s_capture_seal(c);
    data = bytes(c, &len);
    ngx_k8s_capture_free(c);

    ok(load(&b, data, len, &loaded) && strcmp(dump(&b), before) == 0,
       "it is the table of the moment when it began");

    free(before);
    free(data);
    k8s_close(&a);
    k8s_close(&b);
}


/* what is held is given up for a record that has no room without it */

static void
snapshot_full(ngx_k8s_builder_t *b)
{
    size_t              room;
    ngx_uint_t          i;
    ngx_k8s_table_t    *table;
    ngx_k8s_writer_t   *w;
    ngx_k8s_capture_t  *c;

    table = unit_table(1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    for (i = 0; i < 200; i++) {
        (void) unit_service(w, b, "web", 50, i, NGX_K8S_WRITE_OBJECT);
        ngx_k8s_writer_publish(w);
    }

    room = ngx_k8s_writer_room(w);

    c = ngx_k8s_capture_begin(w, &identity, 0, &unit_log);

    for (i = 0; i < 2000 && ngx_k8s_writer_held(w); i++) {
        if (!unit_service(w, b, "web", 50, i, NGX_K8S_WRITE_OWN)) {
            break;
        }

        ngx_k8s_writer_publish(w);
    }

    ok(!ngx_k8s_writer_held(w), "a full table breaks the hold after %u updates",
       (unsigned) i);
    ok(ngx_k8s_capture_run(c, 1) == NGX_ERROR, "which the capture is told");

    ngx_k8s_capture_free(c);
    ngx_k8s_writer_publish(w);

    ok(ngx_k8s_writer_room(w) + 8192 > room, "and nothing is lost");

    ngx_k8s_writer_close(w);
    munmap(table, table->size);
}


static void
snapshot_keys(ngx_k8s_builder_t *b)
{
    size_t                  len, i, longest;
    u_char                 *data;
    uint64_t                cursor;
    ngx_uint_t              keys, run;
    ngx_k8s_table_t        *table, *other;
    ngx_k8s_writer_t       *w, *o;
    ngx_k8s_loaded_t        loaded;
    ngx_k8s_certificate_t  *cert;

    for (keys = 0; keys < 2; keys++) {
        table = unit_table(1024 * 1024);
        other = unit_table(1024 * 1024);
        w = ngx_k8s_writer_open(table, -1, &unit_log);
        o = ngx_k8s_writer_open(other, -1, &unit_log);

        (void) unit_certificate(w, b, "one", 'K', 0, 100,
                                NGX_K8S_WRITE_OBJECT);
        (void) unit_certificate(w, b, "two", 'K', 0, 200,
                                NGX_K8S_WRITE_OBJECT);

        data = capture(w, keys ? NGX_K8S_SNAPSHOT_KEYS : 0, &len);

        for (i = 0, run = 0, longest = 0; i < len; i++) {
            run = (data[i] == 'K') ? run + 1 : 0;
            longest = ngx_max(longest, run);
        }

        ok((longest >= 100) == keys, "keys=%s: bytes of a key, %u in a row",
           keys ? "on" : "off", (unsigned) longest);

        ok(ngx_k8s_snapshot_check(data, len, &identity) == NULL
           && ngx_k8s_snapshot_load(o, data, len, &loaded, &unit_log)
              == NGX_OK, "it is loaded");

        cursor = 0;
        cert = ngx_k8s_table_next(other, NGX_K8S_INDEX_CERTIFICATE, &cursor);

        ok((cert != NULL) == keys, "with the certificates, or without");
        ok(loaded.keyless == (keys ? 0 : 2)
           && (keys || ngx_strncmp(loaded.names, "default/one, default/two",
                                   loaded.names_len) == 0),
           "those without a key are told");

        /* the flag does not tell the truth */

        ((ngx_k8s_snapshot_header_t *) data)->flags ^= NGX_K8S_SNAPSHOT_KEYS;
        seal(data, len);
        ok(ngx_k8s_snapshot_check(data, len, &identity) != NULL,
           "a wrong flag is refused");

        free(data);
        ngx_k8s_writer_close(w);
        ngx_k8s_writer_close(o);
        munmap(table, table->size);
        munmap(other, other->size);
    }
}


/* damage of every kind is refused; with a right hash nothing worse happens */

static void
snapshot_damage(void)
{
    k8s_t                       a, b;
    size_t                      len, i;
    u_char                     *data, *bad;
    ngx_uint_t                  n, refused, loaded_some;
    ngx_k8s_loaded_t            loaded;
    ngx_k8s_snapshot_id_t       other;
    ngx_k8s_snapshot_header_t  *header;

    open_empty(&a);

    for (i = 0; i < 4; i++) {
        k8s_put(&a, objects[i]);
    }

    (void) k8s_dump(&a);

    data = capture(a.writer, NGX_K8S_SNAPSHOT_KEYS, &len);
    bad = aligned_alloc(16, ngx_align(len, 16));

    other = identity;
    other.identity[0]++;
    ok(ngx_k8s_snapshot_check(data, len, &other) != NULL, "another identity");
    other = identity;
    other.tables++;
    ok(ngx_k8s_snapshot_check(data, len, &other) != NULL,
       "indexes of other tables");

    header = (ngx_k8s_snapshot_header_t *) bad;

    for (n = 0; n < 3; n++) {
        ngx_memcpy(bad, data, len);
        header->magic += (n == 0);
        header->version += (n == 1);
        header->layout += (n == 2);
        seal(bad, len);
        ok(ngx_k8s_snapshot_check(bad, len, &identity) != NULL,
           "another magic number, version, or layout");
    }

    refused = 0;

    for (i = 0; i < len; i++) {
        refused += ngx_k8s_snapshot_check(data, i, &identity) != NULL;
    }

    ok(refused == len, "cut at each of %u bytes", (unsigned) len);

    refused = 0;

    for (i = 0; i < len; i++) {
        ngx_memcpy(bad, data, len);
        bad[i] ^= 1 << (i % 8);
        refused += ngx_k8s_snapshot_check(bad, len, &identity) != NULL;
    }

    ok(refused == len, "a bit of each byte flipped");

    loaded_some = 0;
    unit_log.log_level = NGX_LOG_EMERG;

    for (i = 0; i < len; i += 3) {
        ngx_memcpy(bad, data, len);
        bad[i] ^= 1 << (i % 8);
        seal(bad, len);

        if (ngx_k8s_snapshot_check(bad, len, &identity) == NULL) {
            open_empty(&b);
            loaded_some += load(&b, bad, len, &loaded);
            (void) dump(&b);
            k8s_close(&b);
        }
    }

    unit_log.log_level = NGX_LOG_WARN;

    ok(1, "with a right hash %u of them were loaded", (unsigned) loaded_some);

    free(bad);
    free(data);
    k8s_close(&a);
}


/* a zone with no room for all: whole hosts are left out */

static void
snapshot_small(void)
{
    k8s_t              a, b;
    size_t             len;
    u_char            *data;
    ngx_k8s_loaded_t   loaded;

    open_empty(&a);
    k8s_put(&a, objects[0]);
    k8s_put(&a, objects[1]);

    put_many(&a);

    data = capture(a.writer, 0, &len);

    k8s_conf(&b);
    b.size = 1024 * 1024;
    k8s_open(&b);

    ok(load(&b, data, len, &loaded), "a small zone");
    ok(loaded.left > 0 && loaded.missing > 0 && loaded.hosts > 100,
       "%u hosts have room, %u records of %u bytes have none",
       (unsigned) loaded.hosts, (unsigned) loaded.left,
       (unsigned) loaded.missing);

    ok(strstr(dump(&b), "n0.test") != NULL, "the first ones are there");

    free(data);
    k8s_close(&a);
    k8s_close(&b);
}


/* into tables of other sizes, with statistics and counters */

static void
snapshot_copy(void)
{
    k8s_t                    a;
    size_t                   missing;
    uint32_t                 slot;
    uint64_t                 cursor, count, sum;
    ngx_uint_t               i, n, place;
    ngx_k8s_stat_t          *stat;
    ngx_k8s_view_t           view;
    ngx_k8s_table_t         *to;
    ngx_k8s_writer_t        *w;
    ngx_k8s_counted_t        counted;
    ngx_k8s_service_rec_t   *service;
    ngx_k8s_endpoint_rec_t  *endpoint;

    static size_t  sizes[] = { 1024 * 1024, SIZE, 64 * 1024 * 1024 };

    open_empty(&a);

    for (i = 0; i < 4; i++) {
        k8s_put(&a, objects[i]);
    }

    (void) k8s_dump(&a);

    for (i = 1; i < a.table->nstats; i++) {
        ngx_k8s_stat(a.table, i)->requests = 100 + i;
    }

    ngx_k8s_view_init(&view, a.table, 3);

    cursor = 0;
    while (ngx_k8s_table_next(a.table, NGX_K8S_INDEX_RULE, &cursor)) {
        for (i = 0; i < 7; i++) {
            ngx_k8s_count(&view, cursor,
                          ngx_k8s_slot(a.table, cursor)->generation, 1, 200,
                          5);
        }
    }

    for (n = 0; n < 3; n++) {
        to = unit_table(sizes[n]);

        ngx_k8s_view_init(&view, a.table, NGX_K8S_WORD_MASTER);

        ok(ngx_k8s_table_copy(&view, to, &missing, &unit_log) == NGX_OK,
           "copied into %u bytes", (unsigned) sizes[n]);
        ok(!view.pinned && view.word->version == 0, "nothing stays pinned");
        ok(to->changes == a.table->changes && to->version > a.table->version,
           "it goes on with its counters");

        if (ngx_k8s_table_dump(to, a.pool, &a.dump) != NGX_OK) {
            exit(1);
        }

        ok(strncmp((char *) a.dump.data, dump(&a), a.dump.len) == 0,
           "it is the same table");

        cursor = 0;
        count = 0;

        while ((service = ngx_k8s_table_next(to, NGX_K8S_INDEX_SERVICE,
                                             &cursor)))
        {
            endpoint = ngx_k8s_record_at(service, service->endpoints.offset);

            for (i = 0; i < service->endpoints.n; i++) {
                stat = ngx_k8s_stat(to, endpoint[i].stat);
                count += stat->requests;
            }
        }

        ok(count == 101 + 102 + 103, "statistics");

        place = 0;
        sum = 0;

        while (ngx_k8s_count_next(to, &place, &counted) == NGX_OK) {
            slot = ngx_k8s_cell_rule(counted.key);
            sum += counted.count;

            if (counted.answered != counted.count
                || counted.msec != 5 * counted.count)
            {
                sum += 1000;
            }

            if (ngx_k8s_slot_record(to, NGX_K8S_INDEX_RULE, slot) == NULL) {
                sum += 1000;
            }
        }

        ok(sum == 7 * to->counts[NGX_K8S_INDEX_RULE], "counts of requests");

        w = ngx_k8s_writer_open(to, -1, &unit_log);
        ok(w != NULL, "a writer takes it over");
        ngx_k8s_writer_close(w);

        munmap(to, to->size);
    }

    k8s_close(&a);
}


static void
snapshot_copy_small(void)
{
    k8s_t             a;
    size_t            missing;
    ngx_k8s_view_t    view;
    ngx_k8s_table_t  *to;

    open_empty(&a);

    put_many(&a);

    to = unit_table(1024 * 1024);

    ngx_k8s_view_init(&view, a.table, NGX_K8S_WORD_MASTER);

    ok(ngx_k8s_table_copy(&view, to, &missing, &unit_log) == NGX_DECLINED,
       "a zone that is too small");
    ok(missing > 100000, "by %u bytes", (unsigned) missing);

    munmap(to, to->size);
    k8s_close(&a);
}


/* routes that move from Service to Service and back, until it is killed */

static void
copy_writer(ngx_k8s_table_t *table)
{
    char        text[1024];
    k8s_t       k;
    ngx_uint_t  i, host, service;

    ngx_pid = ngx_getpid();

    k8s_conf(&k);
    k.zone = table;
    k.size = table->size;
    k8s_open(&k);

    k8s_put(&k, objects[0]);
    k8s_put(&k, objects[1]);

    for (i = 0; /* void */ ; i++) {

        /* 1500 that stay, then 40 that change all the time */

        host = (i < 1500) ? 1000 + i : i % 40;
        service = i % 97;

        sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
                "'metadata':{'namespace':'default','name':'n%u'},'spec':{"
                "'rules':[{'host':'n%u.test','http':{'paths':[{'path':'/p%u',"
                "'pathType':'Prefix','backend':{'service':{'name':'s%u','port':"
                "{'number':80}}}},{'path':'/','pathType':'Prefix','backend':{"
                "'service':{'name':'web','port':{'number':80}}}}]}}]}}",
                (unsigned) host, (unsigned) host, (unsigned) service,
                (unsigned) service);

        k8s_put(&k, text);

        if (i >= 1500) {
            k8s_run(&k);
        }
    }
}


/* copies while another process writes: each is of one moment */

static void
snapshot_copy_busy(void)
{
    size_t                  missing;
    uint64_t                cursor;
    pid_t                   pid;
    ngx_uint_t              i, n, bad, failed, lost;
    ngx_fd_t                fd;
    ngx_k8s_host_t         *host;
    ngx_k8s_view_t          view;
    ngx_k8s_table_t        *table, *to;
    ngx_k8s_record_t       *rec;
    ngx_k8s_backend_rec_t  *backend;

    table = unit_table(8 * 1024 * 1024);
    fd = ngx_k8s_right_create(&unit_log);

    pid = fork();

    if (pid == 0) {
        copy_writer(table);
    }

    for (i = 0; i < 60000; i++) {
        if (((volatile ngx_k8s_table_t *) table)->changes > 8000) {
            break;
        }

        usleep(1000);
    }

    bad = 0;
    failed = 0;
    lost = 0;

    for (n = 0; n < 30; n++) {
        to = unit_table(3 * 1024 * 1024 + (n % 3) * 1024 * 1024);

        ngx_k8s_view_init(&view, table, NGX_K8S_WORD_MASTER);

        failed += ngx_k8s_table_copy(&view, to, &missing, &unit_log) != NGX_OK;

        for (i = 0; i < NGX_K8S_INDEXES; i++) {
            cursor = 0;

            while ((rec = ngx_k8s_table_next(to, i, &cursor))) {
                bad += ngx_k8s_record_verify(rec, rec->size) != NGX_OK;
            }
        }

        cursor = 0;

        while ((host = ngx_k8s_table_next(to, NGX_K8S_INDEX_HOST, &cursor))) {
            backend = ngx_k8s_record_at(host, host->backends.offset);

            for (i = 0; i < host->backends.n; i++) {
                lost += ngx_k8s_slot_record_gen(to, NGX_K8S_INDEX_SERVICE,
                                                backend[i].service,
                                                backend[i].generation)
                        == NULL;
            }
        }

        lost += (to->counts[NGX_K8S_INDEX_HOST] < 1539);

        munmap(to, to->size);
    }

    ok(failed == 0, "copied thirty times while it changes, %u failed",
       (unsigned) failed);
    ok(bad == 0, "each record is whole");
    ok(lost == 0, "each host is there with its services");
    ok(waitpid(pid, NULL, WNOHANG) == 0, "the writer lives");

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);

    munmap(table, table->size);
    close(fd);
}


int
main(void)
{
    ngx_k8s_builder_t  b;

    unit_init();

    ngx_k8s_builder_init(&b, &unit_log);

    snapshot_whole();
    snapshot_moment();
    snapshot_full(&b);
    snapshot_keys(&b);
    snapshot_damage();
    snapshot_small();
    snapshot_copy();
    snapshot_copy_small();
    snapshot_copy_busy();

    ngx_k8s_builder_done(&b);

    return done();
}
