
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The writer: room, pins, recovery, death at any instruction.
 */


#include "unit_table.h"

#include <sys/wait.h>


#define ITEMS  200


static uint32_t
blob(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, ngx_uint_t item, uint32_t seq,
    size_t size, ngx_uint_t kind)
{
    char  name[32];

    sprintf(name, "item-%u", (unsigned) item);

    return unit_certificate(w, b, name, item, seq, size, kind);
}


static void
blob_build(ngx_k8s_builder_t *b, ngx_uint_t item, uint32_t seq, size_t size)
{
    char  name[32];

    sprintf(name, "item-%u", (unsigned) item);

    unit_certificate_build(b, name, item, seq, size);
}


static ngx_uint_t
blob_whole(ngx_k8s_certificate_t *cert, ngx_uint_t item)
{
    u_char      *p;
    ngx_uint_t   i;

    if (cert->key_type != item
        || ngx_k8s_record_verify(&cert->header, cert->header.size) != NGX_OK)
    {
        return 0;
    }

    p = ngx_k8s_record_at(cert, cert->key.offset);

    for (i = 0; i < cert->key.len; i++) {
        if (p[i] != (u_char) (item + cert->flags)) {
            return 0;
        }
    }

    return 1;
}


static ngx_k8s_certificate_t *
blob_find(ngx_k8s_table_t *table, ngx_uint_t item, uint32_t *slot)
{
    char        name[32];
    u_char      key[NGX_K8S_KEY_MAX];
    size_t      len;
    ngx_str_t   a, b, *names[2];

    sprintf(name, "item-%u", (unsigned) item);
    a = unit_str("default");
    b = unit_str(name);
    names[0] = &a;
    names[1] = &b;
    len = ngx_k8s_key_names(key, 2, names);

    return ngx_k8s_table_find(table, NGX_K8S_INDEX_CERTIFICATE, key, len, slot);
}


static uint32_t
problem(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, ngx_uint_t item,
    size_t size)
{
    char            name[32];
    u_char          key[NGX_K8S_KEY_MAX];
    ngx_str_t       s, k, *names[1];
    ngx_k8s_str_t   str;

    s.data = (u_char *) name;
    s.len = sprintf(name, "problem-%u", (unsigned) item);
    names[0] = &s;
    k.data = key;
    k.len = ngx_k8s_key_names(key, 1, names);

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_PROBLEM,
                          sizeof(ngx_k8s_problem_rec_t));
    str = ngx_k8s_builder_str(b, &k);
    ((ngx_k8s_record_t *) ngx_k8s_builder_ptr(b, 0))->key = str;
    (void) ngx_k8s_builder_alloc(b, size);

    return ngx_k8s_builder_put(b, w, NGX_K8S_WRITE_OBJECT);
}


/* problems in a full table: within their share, and that is theirs alone */

static void
problems(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, ngx_uint_t items)
{
    size_t      share;
    uint32_t    slots[1000];
    ngx_uint_t  n, i;

    share = ngx_k8s_writer_problems(w);

    for (n = 0; n < 1000; n++) {
        slots[n] = problem(w, b, n, 900);
        if (slots[n] == 0) {
            break;
        }
    }

    ok(n > 10 && n < 1000 && n * 1100 > share,
       "a full table takes %u problems", (unsigned) n);
    ok(ngx_k8s_writer_problems(w) < 1100, "as many as their share has");
    ok(problem(w, b, 0, 3000) == 0, "none grows beyond");
    ok(problem(w, b, 0, 500) == slots[0], "one shrinks");

    for (i = 0; i < items; i++) {
        if (blob_find(ngx_k8s_writer_table(w), i, NULL)
            && blob(w, b, i, 77, 2000, NGX_K8S_WRITE_OBJECT) == 0)
        {
            break;
        }
    }

    ok(i == items, "updates go on");

    for (i = 0; i < n; i++) {
        ngx_k8s_writer_remove(w, slots[i]);
    }

    ngx_k8s_writer_publish(w);

    ok(ngx_k8s_writer_problems(w) == share, "the share is whole again");
    ok(blob(w, b, 5000, 1, 2000, NGX_K8S_WRITE_OBJECT) == 0,
       "and nothing else has it");
}


static void
writer_full(ngx_k8s_builder_t *b)
{
    size_t              missing;
    uint32_t            n, slot, seq;
    ngx_uint_t          i, bad;
    ngx_k8s_table_t    *table;
    ngx_k8s_writer_t   *w;

    table = unit_table(1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    for (n = 0; blob(w, b, n, 1, 2000, NGX_K8S_WRITE_OBJECT); n++) {
        /* void */
    }

    missing = ngx_k8s_writer_missing(w);

    ok(n > 300 && n < 500, "full after %u records", (unsigned) n);
    ok(missing > 0 && missing <= 2200, "missing %u bytes", (unsigned) missing);
    ok(ngx_k8s_writer_room(w) < 2200, "no room");

    ok(blob(w, b, 0, 1, 2000, NGX_K8S_WRITE_OBJECT) != 0,
       "the same bytes need no room");

    bad = 0;

    for (seq = 2; seq < 12; seq++) {
        for (i = 0; i < n; i++) {
            bad += blob(w, b, i, seq, 2000, NGX_K8S_WRITE_OBJECT) == 0;
        }

        ngx_k8s_writer_publish(w);
    }

    ok(bad == 0, "every record updated ten times, a batch each");
    ok(blob(w, b, n, 1, 2000, NGX_K8S_WRITE_OBJECT) == 0, "still no growth");

    ok(blob(w, b, 0, 99, 500000, NGX_K8S_WRITE_OBJECT) == 0
       && ngx_k8s_writer_missing(w) > 300000,
       "a far too large update is refused");
    ok(blob(w, b, 0, 99, 4300, NGX_K8S_WRITE_OBJECT) == 0,
       "so is one that grows by more than is free beside the reserve");
    ok(blob_find(table, 0, &slot) && blob_find(table, 0, NULL)->flags == 11,
       "and the old one stays");

    for (i = 0; i < 10; i++) {
        blob_find(table, i, &slot);
        ngx_k8s_writer_remove(w, slot);
    }

    ngx_k8s_writer_publish(w);

    for (i = 0; i < 10; i++) {
        if (!blob(w, b, n + i, 1, 2000, NGX_K8S_WRITE_OBJECT)) {
            break;
        }
    }

    ok(i >= 9, "what was removed makes room for %u", (unsigned) i);

    problems(w, b, n);

    ngx_k8s_writer_close(w);
    munmap(table, table->size);
}


/* until nothing waits: how many publishes, at most 1000 */

static ngx_uint_t
settled(ngx_k8s_writer_t *w)
{
    ngx_uint_t  n;

    for (n = 0; n < 1000; n++) {
        ngx_k8s_writer_publish(w);

        if (ngx_k8s_writer_retired(w) == 0) {
            break;
        }
    }

    return n;
}


/*
 * In a full heap of records of all lengths, whatever has come, gone, grown and
 * shrunk: what is free comes together, so a copy of any record has a place, and
 * a new one as soon as there is room for it.  One that fits in no place is
 * tried as a caller does it, after the next publish.
 */

static ngx_uint_t
writer_pieces(ngx_k8s_builder_t *b, uint32_t seed, ngx_uint_t large)
{
    size_t             len, max, sizes[ITEMS];
    uint32_t           slot, rnd;
    ngx_uint_t         i, n, step, bad, kept;
    ngx_k8s_view_t     view;
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;

    table = unit_table(1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);
    ngx_k8s_view_init(&view, table, 0);

    max = ngx_k8s_writer_largest(w) - 300;
    rnd = seed;
    bad = 0;

    ngx_memzero(sizes, sizeof(sizes));

    for (step = 0; step < 600 && bad == 0; step++) {

        rnd = rnd * 1664525 + 1013904223;
        i = (rnd >> 8) % ITEMS;

        rnd = rnd * 1664525 + 1013904223;
        len = (rnd >> 8) % ((rnd & 0x80) ? max : max / large);

        if ((rnd >> 28) == 0) {
            ngx_k8s_view_pin(&view);
        }

        if (sizes[i] == 0) {
            n = (ngx_k8s_writer_room(w) > len + 400);

        } else if ((rnd >> 24) % 4 == 0) {
            blob_find(table, i, &slot);
            ngx_k8s_writer_remove(w, slot);
            sizes[i] = 0;
            n = 0;

        } else if (len > sizes[i]) {
            n = (ngx_k8s_writer_room(w) > len - sizes[i] + 400);

        } else {
            n = 1;
        }

        if (n && !blob(w, b, i, step, len, NGX_K8S_WRITE_OBJECT)) {
            ngx_k8s_view_unpin(&view);

            for (n = 0; n < 500; n++) {
                ngx_k8s_writer_publish(w);

                if (blob(w, b, i, step, len, NGX_K8S_WRITE_OBJECT)) {
                    break;
                }
            }

            if (n == 500) {
                printf("# seed %u: step %u, %u bytes for %u: no place, room "
                       "%u, largest %u\n", (unsigned) seed, (unsigned) step,
                       (unsigned) len, (unsigned) sizes[i],
                       (unsigned) ngx_k8s_writer_room(w),
                       (unsigned) table->largest);
                bad++;
            }

            sizes[i] = len;

        } else if (n) {
            sizes[i] = len;
        }

        if (rnd & 0x10000) {
            ngx_k8s_view_unpin(&view);
            ngx_k8s_writer_publish(w);
        }

        if (step % 100 == 99) {
            ngx_k8s_view_unpin(&view);
            kept = settled(w);

            if (kept == 1000
                || table->largest < 2 * ngx_k8s_writer_largest(w))
            {
                printf("# seed %u: step %u: %u in one piece\n",
                       (unsigned) seed, (unsigned) step,
                       (unsigned) table->largest);
                bad++;
            }

            for (i = 0; i < ITEMS; i++) {
                if (sizes[i] && !blob_whole(blob_find(table, i, NULL), i)) {
                    printf("# seed %u: step %u: %u is damaged\n",
                           (unsigned) seed, (unsigned) step, (unsigned) i);
                    bad++;
                }
            }
        }

        /* a successor goes on with it, whatever was on its way */

        if (step % 100 == 49) {
            ngx_k8s_view_unpin(&view);
            ngx_k8s_writer_close(w);
            w = ngx_k8s_writer_open(table, -1, &unit_log);
        }
    }

    ngx_k8s_writer_close(w);
    munmap(table, table->size);

    return bad;
}


static void
writer_compact(ngx_k8s_builder_t *b)
{
    ngx_uint_t  n, bad;

    bad = 0;

    for (n = 0; n < 35; n++) {
        bad += writer_pieces(b, unit_seed(n * 104729), 1 << (n % 7));
    }

    ok(bad == 0, "what is free comes together");
}


static void
writer_flat(ngx_k8s_builder_t *b)
{
    size_t             used, slots;
    uint32_t           i, slot;
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;

    table = unit_table(1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    for (i = 0; i < ITEMS; i++) {
        blob(w, b, i, 0, 100 + i, NGX_K8S_WRITE_OBJECT);
    }

    ngx_k8s_writer_publish(w);
    used = table->used;

    for (i = 0; i < 100000; i++) {

        if (!blob(w, b, i % ITEMS, i, 100 + i * 7919 % 400,
                  NGX_K8S_WRITE_OWN))
        {
            break;
        }

        if (i % 10 == 0) {
            ngx_k8s_writer_publish(w);
        }
    }

    ok(i == 100000, "100000 updates of changing length");

    for (i = 0; i < ITEMS; i++) {
        blob(w, b, i, 0, 100 + i, NGX_K8S_WRITE_OWN);
    }

    ngx_k8s_writer_publish(w);
    ok(table->used == used && table->unreclaimed == 0, "used bytes are flat");

    slots = table->nslots;

    for (i = 0; i < 100000; i++) {
        blob(w, b, 1000 + i, 0, 100, NGX_K8S_WRITE_OBJECT);
        blob_find(table, 1000 + i, &slot);
        ngx_k8s_writer_remove(w, slot);
        ngx_k8s_writer_publish(w);
    }

    ok(table->used == used, "also after 100000 records came and went");
    ok(table->nslots <= slots + 8, "and their slots are used anew: %u",
       (unsigned) table->nslots);
    ok(table->counts[NGX_K8S_INDEX_CERTIFICATE] == ITEMS, "counted");

    ngx_k8s_writer_close(w);
    munmap(table, table->size);
}


/* a child that pins word n, tells, and waits for its end */

static ngx_pid_t
pinned_child(ngx_k8s_table_t *table, ngx_fd_t fd, ngx_uint_t n)
{
    int              ready[2];
    char             c;
    ngx_pid_t        pid;
    ngx_k8s_view_t   view;

    if (pipe(ready) == -1) {
        exit(1);
    }

    pid = fork();

    if (pid == 0) {
        ngx_pid = ngx_getpid();
        ngx_k8s_right_alive(fd, n, &unit_log);
        ngx_k8s_view_init(&view, table, n);
        ngx_k8s_view_pin(&view);

        if (write(ready[1], "x", 1) != 1) {
            _exit(1);
        }

        for ( ;; ) {
            pause();
        }
    }

    if (read(ready[0], &c, 1) != 1) {
        exit(1);
    }

    close(ready[0]);
    close(ready[1]);

    return pid;
}


static void
writer_pins(ngx_k8s_builder_t *b)
{
    size_t             used, one;
    ngx_fd_t           fd;
    uint32_t           slot, generation, again;
    ngx_pid_t          pid;
    ngx_k8s_view_t     view;
    ngx_k8s_slot_t    *s;
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;

    table = unit_table(1024 * 1024);
    fd = ngx_k8s_right_create(&unit_log);
    w = ngx_k8s_writer_open(table, fd, &unit_log);

    blob(w, b, 1, 1, 1000, 0);
    blob(w, b, 2, 1, 1000, 0);
    ngx_k8s_writer_publish(w);
    used = table->used;
    one = ((ngx_k8s_record_t *) blob_find(table, 1, NULL))->size;

    blob(w, b, 1, 2, 1000, 0);
    ngx_k8s_writer_publish(w);
    ok(ngx_k8s_writer_retired(w) == 0, "nothing pinned, all is free at once");

    pid = pinned_child(table, fd, 5);

    blob(w, b, 1, 3, 1000, 0);
    ngx_k8s_writer_publish(w);
    ok(ngx_k8s_writer_retired(w) == one, "a pin holds what was seen under it");

    ngx_k8s_writer_publish(w);
    ok(ngx_k8s_writer_retired(w) == one, "as long as it stands");

    ngx_k8s_view_init(&view, table, 6);
    ngx_k8s_view_pin(&view);
    blob(w, b, 2, 2, 1000, 0);
    ngx_k8s_writer_publish(w);
    ok(ngx_k8s_writer_retired(w) == 2 * one, "two pins, two records");

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ok(table->version > 1 && ngx_k8s_word(table, 5)->version != 0,
       "the word of the dead is still set");

    ngx_k8s_writer_publish(w);
    ok(ngx_k8s_writer_retired(w) == one,
       "a dead process holds nothing, the own pin holds what is newer");

    ngx_k8s_view_unpin(&view);
    ngx_k8s_writer_publish(w);
    ok(ngx_k8s_writer_retired(w) == 0 && table->used == used, "all is free");

    /* slots */

    blob_find(table, 1, &slot);
    generation = ngx_k8s_slot(table, slot)->generation;

    ngx_k8s_view_pin(&view);
    ngx_k8s_writer_remove(w, slot);
    ngx_k8s_writer_publish(w);
    ok(ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_CERTIFICATE, slot,
                               generation) == NULL, "removed: not there");
    ok(blob_find(table, 1, NULL) == NULL, "nor found");

    again = blob(w, b, 3, 1, 1000, 0);
    ok(again != slot, "its slot waits for pins");

    ngx_k8s_view_unpin(&view);
    ngx_k8s_writer_publish(w);
    again = blob(w, b, 4, 1, 1000, 0);
    s = ngx_k8s_slot(table, slot);
    ok(again == slot && s->generation != generation,
       "and is used anew with another generation");
    ok(ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_CERTIFICATE, slot,
                               generation) == NULL, "the old one is not it");

    ngx_k8s_writer_close(w);

    /* a new writer under a pin */

    pid = pinned_child(table, fd, 7);
    w = ngx_k8s_writer_open(table, fd, &unit_log);
    ok(w && ngx_k8s_writer_room(w) == 0 && ngx_k8s_writer_retired(w) > 700000,
       "gaps wait for the pins of that moment");
    ok(blob(w, b, 5, 1, 1000, 0) == 0, "so nothing can be written");

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ok(blob(w, b, 5, 1, 1000, 0) != 0, "until they have moved on");

    ngx_k8s_writer_close(w);
    close(fd);
    munmap(table, table->size);
}


static void
writer_right(void)
{
    int        status;
    ngx_fd_t   fd;
    ngx_pid_t  pid;

    fd = ngx_k8s_right_create(&unit_log);

    ok(ngx_k8s_right_check(fd, 3) == NGX_DECLINED, "no such process");
    ok(ngx_k8s_right_take(fd, &unit_log) == NGX_OK, "the right is taken");

    pid = fork();

    if (pid == 0) {
        ngx_k8s_right_give(fd);
        _exit(ngx_k8s_right_take(fd, &unit_log) == NGX_BUSY ? 0 : 1);
    }

    waitpid(pid, &status, 0);
    ok(status == 0, "another process does not get it");

    ngx_k8s_right_give(fd);

    pid = fork();

    if (pid == 0) {
        if (ngx_k8s_right_take(fd, &unit_log) != NGX_OK) {
            _exit(1);
        }

        ngx_k8s_right_alive(fd, 3, &unit_log);
        raise(SIGSTOP);
        _exit(0);
    }

    waitpid(pid, &status, WUNTRACED);
    ok(WIFSTOPPED(status), "given up, another process gets it");
    ok(ngx_k8s_right_take(fd, &unit_log) == NGX_BUSY, "busy");
    ok(ngx_k8s_right_check(fd, 3) == NGX_OK, "its word lives");

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ok(ngx_k8s_right_take(fd, &unit_log) == NGX_OK, "its death frees it");
    ok(ngx_k8s_right_check(fd, 3) == NGX_DECLINED, "its word is dead");

    close(fd);
}


static void
writer_stats(ngx_k8s_builder_t *b)
{
    uint32_t                 n, i, slot, stats[NGX_K8S_CHUNK_STATS];
    ngx_k8s_stat_t          *stat;
    ngx_k8s_table_t         *table;
    ngx_k8s_writer_t        *w;
    ngx_k8s_endpoint_rec_t  *ep;
    ngx_k8s_service_rec_t   *service;

    table = unit_table(1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    slot = unit_service(w, b, "one", 3, 9, NGX_K8S_WRITE_OBJECT);
    service = ngx_k8s_slot_record(table, NGX_K8S_INDEX_SERVICE, slot);
    ep = ngx_k8s_record_at(service, service->endpoints.offset);
    n = ep[1].stat;
    stat = ngx_k8s_stat(table, n);
    stat->requests = 42;

    ok(ngx_k8s_writer_stat_get(w, 0) == 0, "no identity, no number");
    ok(ngx_k8s_writer_stat_get(w, ((uint64_t) 9 << 32) + 2) == n,
       "an identity has its number");
    ngx_k8s_writer_stat_put(w, n);
    ngx_k8s_writer_publish(w);
    ok(stat->identity && stat->requests == 42, "one reference is left");

    n = ngx_k8s_writer_stat_get(w, 77);
    ngx_k8s_writer_close(w);

    w = ngx_k8s_writer_open(table, -1, &unit_log);
    ok(ngx_k8s_stat(table, n)->identity == 0,
       "a new writer takes back what no record has");
    ok(stat->requests == 42
       && ngx_k8s_writer_stat_get(w, stat->identity) == ep[1].stat,
       "and keeps what one has");

    ngx_k8s_writer_stat_put(w, ep[1].stat);
    ok(stat->identity != 0, "with its reference");
    ngx_k8s_writer_stat_put(w, ep[1].stat);
    ok(stat->identity == 0, "given back by the record's end");
    ngx_k8s_writer_stat_put(w, ep[1].stat);
    ngx_k8s_writer_publish(w);

    n = ngx_k8s_writer_stat_get(w, 78);
    ok(n && ngx_k8s_stat(table, n)->requests == 0, "a new one starts at zero");

    for (n = 0; n < 5; n++) {
        for (i = 0; i < NGX_K8S_CHUNK_STATS; i++) {
            stats[i] = ngx_k8s_writer_stat_get(w, 1000 + i);
        }

        for (i = 0; i < NGX_K8S_CHUNK_STATS; i++) {
            ngx_k8s_writer_stat_put(w, stats[i]);
        }
    }

    ok(table->nstats <= 3 * NGX_K8S_CHUNK_STATS,
       "those given back are used before others are made: %u",
       (unsigned) table->nstats);

    ngx_k8s_writer_close(w);
    munmap(table, table->size);
}


static void
writer_damage(ngx_k8s_builder_t *b)
{
    uint32_t               i, slot, other;
    ngx_k8s_table_t       *table;
    ngx_k8s_writer_t      *w;
    ngx_k8s_certificate_t *cert;

    table = unit_table(1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    for (i = 0; i < 20; i++) {
        blob(w, b, i, 1, 100, 0);
    }

    ngx_k8s_writer_close(w);

    cert = blob_find(table, 3, &slot);
    cert->flags++;
    blob_find(table, 4, &slot);
    ngx_k8s_slot(table, slot)->record = 0xfffffff0;
    blob_find(table, 5, &slot);
    ngx_k8s_slot(table, slot)->next = slot;
    blob_find(table, 6, &slot);
    blob_find(table, 7, &other);
    ngx_k8s_slot(table, slot)->record = ngx_k8s_slot(table, other)->record;

    ok(blob_find(table, 4, NULL) == NULL && blob_find(table, 999, NULL) == NULL,
       "reading a damaged table ends");

    unit_log.log_level = NGX_LOG_CRIT;
    w = ngx_k8s_writer_open(table, -1, &unit_log);
    unit_log.log_level = NGX_LOG_WARN;

    ok(w != NULL, "a damaged table is taken over");
    ok(!blob_find(table, 3, NULL) && !blob_find(table, 4, NULL)
       && !blob_find(table, 6, NULL), "damaged records are dropped");

    for (i = 7; i < 20; i++) {
        if (blob_find(table, i, NULL) == NULL) {
            break;
        }
    }

    ok(i == 20 && blob_find(table, 5, NULL), "the others are there");
    ok(table->counts[NGX_K8S_INDEX_CERTIFICATE] == 17, "and counted");

    ngx_k8s_writer_close(w);

    table->slots[0] = 1;
    unit_log.log_level = NGX_LOG_EMERG;
    ok(ngx_k8s_writer_open(table, -1, &unit_log) == NULL,
       "a table without its slots is refused");
    unit_log.log_level = NGX_LOG_WARN;

    munmap(table, table->size);
}


/* taken over in slices; one that is given up half-way does no harm */

static void
writer_slices(ngx_k8s_builder_t *b)
{
    size_t             room;
    uint32_t           i, slot, whole;
    ngx_int_t          rc;
    ngx_uint_t         slices, round;
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;

    table = unit_table(4 * 1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    for (i = 0; i < 1000; i++) {
        blob(w, b, i, 1, 100 + i % 1000, 0);
    }

    for (i = 0; i < 1000; i += 3) {
        blob_find(table, i, &slot);
        ngx_k8s_writer_remove(w, slot);
    }

    (void) unit_service(w, b, "many", 3000, 7, 0);

    ngx_k8s_writer_publish(w);
    room = ngx_k8s_writer_room(w);
    ngx_k8s_writer_close(w);

    rc = NGX_ERROR;
    slices = 0;

    for (round = 0; round < 4; round++) {
        w = ngx_k8s_writer_begin(table, -1, &unit_log);
        slices = 0;

        do {
            rc = ngx_k8s_writer_continue(w, 8);
            slices++;
        } while (rc == NGX_AGAIN && (round == 3 || slices < 100 * round));

        if (round < 3) {
            ngx_k8s_writer_close(w);
        }
    }

    ok(rc == NGX_OK && slices > 200, "taken over in %u slices",
       (unsigned) slices);

    whole = 0;

    for (i = 0; i < 1000; i++) {
        if (blob_find(table, i, NULL)) {
            whole += blob_whole(blob_find(table, i, NULL), i);
        }
    }

    ok(whole == 666, "all records are there");
    ok(table->counts[NGX_K8S_INDEX_CERTIFICATE] == 666, "and counted");
    ok(ngx_k8s_writer_room(w) == room, "and no bytes lost");
    ok(ngx_k8s_writer_stat_get(w, ((uint64_t) 7 << 32) + 3000)
       < NGX_K8S_CHUNK_STATS * 6, "statistics are known");

    ngx_k8s_writer_close(w);
    munmap(table, table->size);
}


/* a record that is put in pieces is seen whole, and its room is never lost */

static void
writer_parts(ngx_k8s_builder_t *b)
{
    size_t                  used, room;
    uint32_t                slot;
    ngx_int_t               rc;
    ngx_uint_t              i, n, bad;
    ngx_k8s_table_t        *table;
    ngx_k8s_writer_t       *w;
    ngx_k8s_builder_t       p;
    ngx_k8s_certificate_t  *cert;

    table = unit_table(4 * 1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);
    ngx_k8s_builder_init(&p, &unit_log);

    for (i = 0; i < 200; i++) {
        (void) blob(w, b, i, 1, 500, NGX_K8S_WRITE_OBJECT);
    }

    ngx_k8s_writer_publish(w);
    used = table->used;
    room = ngx_k8s_writer_room(w);

    /* others come, go and change meanwhile */

    blob_build(&p, 1000, 1, 60000);
    (void) ngx_k8s_builder_sum(&p, p.len);

    for (n = 1, bad = 0; /* void */ ; n++) {
        rc = ngx_k8s_builder_place(&p, w, NGX_K8S_WRITE_OBJECT, 1000);

        if (rc != NGX_AGAIN) {
            break;
        }

        bad += (blob_find(table, 1000, NULL) != NULL);
        bad += (blob(w, b, n, 2, 300 + n, NGX_K8S_WRITE_OBJECT) == 0);

        ngx_k8s_writer_publish(w);
    }

    ok(rc == NGX_OK && n == 61 && bad == 0, "in %u pieces", (unsigned) n);

    slot = ngx_k8s_builder_put(&p, w, NGX_K8S_WRITE_OBJECT);
    cert = blob_find(table, 1000, NULL);
    ok(slot && cert && blob_whole(cert, 1000), "then it is there");

    for (i = 0, bad = 0; i < 200; i++) {
        cert = blob_find(table, i, NULL);
        bad += !(cert && blob_whole(cert, i));
    }

    ok(bad == 0, "and so is all else");

    ok(ngx_k8s_builder_place(&p, w, NGX_K8S_WRITE_OBJECT, 1000) == NGX_DECLINED
       && p.place == NULL
       && ngx_k8s_builder_put(&p, w, NGX_K8S_WRITE_OBJECT) == slot,
       "the same needs no place");

    /* a larger one, that is given up, */

    blob_build(&p, 1000, 2, 80000);
    (void) ngx_k8s_builder_place(&p, w, NGX_K8S_WRITE_OBJECT, 1000);
    ok(p.place && ngx_k8s_writer_room(w) < room, "another version");
    ngx_k8s_builder_unplace(&p, w);
    ngx_k8s_builder_unplace(&p, w);

    ngx_k8s_writer_remove(w, slot);

    for (i = 0; i < 200; i++) {
        (void) blob(w, b, i, 1, 500, NGX_K8S_WRITE_OBJECT);
    }

    ngx_k8s_writer_publish(w);
    ngx_k8s_writer_publish(w);
    ok(table->used == used && ngx_k8s_writer_room(w) == room,
       "what is given up takes no room");

    /* one that is too large, */

    blob_build(&p, 1000, 2, 400000);
    ok(ngx_k8s_builder_place(&p, w, NGX_K8S_WRITE_OBJECT, 1000) == NGX_DECLINED
       && ngx_k8s_builder_put(&p, w, NGX_K8S_WRITE_OBJECT) == 0,
       "one that is too large has no place");

    /* and one whose writer dies */

    blob_build(&p, 1000, 2, 60000);
    (void) ngx_k8s_builder_place(&p, w, NGX_K8S_WRITE_OBJECT, 1000);
    ngx_k8s_writer_close(w);

    w = ngx_k8s_writer_open(table, -1, &unit_log);
    ngx_k8s_writer_publish(w);
    ngx_k8s_writer_publish(w);
    ok(table->used == used && ngx_k8s_writer_room(w) == room,
       "the next writer has all room");

    p.place = NULL;
    ngx_k8s_builder_done(&p);
    ngx_k8s_writer_close(w);
    munmap(table, table->size);
}


/* writer and readers of the kill test */

typedef struct {
    ngx_atomic_t             torn;
    ngx_atomic_t             foreign;
    ngx_atomic_t             reads;
    ngx_atomic_t             writes;
    ngx_atomic_t             failed;
    ngx_atomic_t             stop;
} kill_t;


static void
kill_writer(ngx_k8s_table_t *table, ngx_fd_t fd, kill_t *k, unsigned seed)
{
    uint32_t            n, slot;
    ngx_uint_t          i;
    ngx_k8s_writer_t   *w;
    ngx_k8s_builder_t   b, p;

    ngx_pid = ngx_getpid();
    srandom(seed);

    if (ngx_k8s_right_take(fd, &unit_log) != NGX_OK) {
        k->failed++;
        _exit(1);
    }

    ngx_k8s_right_alive(fd, 0, &unit_log);

    w = ngx_k8s_writer_open(table, fd, &unit_log);

    if (w == NULL
        || ngx_k8s_builder_init(&b, &unit_log) != NGX_OK
        || ngx_k8s_builder_init(&p, &unit_log) != NGX_OK)
    {
        k->failed++;
        _exit(1);
    }

    for ( ;; ) {
        for (i = random() % 8; i; i--) {
            n = random() % ITEMS;

            if (random() % 4 == 0) {

                if (p.place == NULL) {
                    blob_build(&p, n, random(), random() % 9000);
                }

                if (ngx_k8s_builder_place(&p, w, NGX_K8S_WRITE_OBJECT, 1000)
                    == NGX_OK)
                {
                    (void) ngx_k8s_builder_put(&p, w, NGX_K8S_WRITE_OBJECT);
                }

            } else if (random() % 4 == 0 && blob_find(table, n, &slot)) {
                ngx_k8s_writer_remove(w, slot);

            } else {
                (void) blob(w, &b, n, random(), random() % 3000,
                            NGX_K8S_WRITE_OBJECT);
            }

            k->writes++;
        }

        ngx_k8s_writer_publish(w);
    }
}


static void
kill_reader(ngx_k8s_table_t *table, ngx_fd_t fd, kill_t *k, ngx_uint_t word)
{
    uint32_t                n;
    ngx_uint_t              i;
    ngx_k8s_view_t          view;
    ngx_k8s_certificate_t  *cert, *other;

    ngx_pid = ngx_getpid();
    srandom(word);

    ngx_k8s_right_alive(fd, word, &unit_log);
    ngx_k8s_view_init(&view, table, word);

    while (!k->stop) {
        ngx_k8s_view_pin(&view);

        for (i = 0; i < 4; i++) {
            n = random() % ITEMS;
            cert = blob_find(table, n, NULL);

            if (cert == NULL) {
                continue;
            }

            if (cert->key_type != n) {
                (void) ngx_atomic_fetch_add(&k->foreign, 1);

            } else if (!blob_whole(cert, n)) {
                (void) ngx_atomic_fetch_add(&k->torn, 1);
            }

            /* what is held stays whole while others come and go */

            other = blob_find(table, random() % ITEMS, NULL);

            if (other && !blob_whole(other, other->key_type)) {
                (void) ngx_atomic_fetch_add(&k->torn, 1);
            }

            if (!blob_whole(cert, n)) {
                (void) ngx_atomic_fetch_add(&k->torn, 1);
            }

            (void) ngx_atomic_fetch_add(&k->reads, 1);
        }

        ngx_k8s_view_unpin(&view);
    }

    _exit(0);
}


static void
writer_rewrite(ngx_k8s_table_t *table, ngx_fd_t fd, ngx_k8s_builder_t *b,
    const char *name, size_t *used)
{
    uint32_t           i, slot;
    ngx_uint_t         bad;
    ngx_k8s_writer_t  *w;

    w = ngx_k8s_writer_open(table, fd, &unit_log);
    bad = 0;

    for (i = 0; i < ITEMS; i++) {
        if (blob_find(table, i, &slot)) {
            ngx_k8s_writer_remove(w, slot);
        }
    }

    for (i = 0; i < ITEMS; i++) {
        bad += blob(w, b, i, 1, 500, NGX_K8S_WRITE_OBJECT) == 0;
    }

    ngx_k8s_writer_publish(w);

    ok(bad == 0 && ngx_k8s_writer_retired(w) == 0, "%s: all is written", name);

    *used = table->used;

    ngx_k8s_writer_close(w);
}


static void
writer_kill(ngx_k8s_builder_t *b)
{
    size_t            before, after;
    kill_t           *k;
    ngx_fd_t          fd;
    ngx_pid_t         pid, readers[2];
    ngx_uint_t        i, n, writes, kills;
    ngx_k8s_table_t  *table;

    kills = getenv("UNIT_KILLS") ? atoi(getenv("UNIT_KILLS")) : 300;

    table = unit_table(1024 * 1024);
    fd = ngx_k8s_right_create(&unit_log);
    k = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED, -1, 0);

    writer_rewrite(table, fd, b, "before", &before);

    for (i = 0; i < 2; i++) {
        readers[i] = fork();

        if (readers[i] == 0) {
            kill_reader(table, fd, k, 10 + i);
        }
    }

    for (i = 0; i < kills; i++) {
        pid = fork();

        if (pid == 0) {
            kill_writer(table, fd, k, i + 1);
        }

        /* every other one dies while it opens, or soon after */

        writes = k->writes;

        for (n = 0; (i & 1) && n < 10000 && k->writes == writes; n++) {
            usleep(200);
        }

        usleep(1000 + i * 7919 % 9000);

        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }

    k->stop = 1;

    for (i = 0; i < 2; i++) {
        waitpid(readers[i], NULL, 0);
    }

    printf("# %lu writes, %lu reads, %lu writers opened\n",
           (unsigned long) k->writes, (unsigned long) k->reads,
           (unsigned long) table->reloads);

    ok(k->writes > kills && k->reads > kills, "work was done");
    ok(k->failed == 0, "every new writer took over");
    ok(k->torn == 0, "no record was torn under a pin");
    ok(k->foreign == 0, "nor was one another's");

    writer_rewrite(table, fd, b, "after", &after);

    ok(before == after, "no bytes were lost: %u, %u", (unsigned) before,
       (unsigned) after);

    munmap(k, 4096);
    munmap(table, table->size);
    close(fd);
}


int
main(void)
{
    ngx_k8s_builder_t  b;

    unit_init();

    ngx_k8s_builder_init(&b, &unit_log);

    writer_full(&b);
    writer_compact(&b);
    writer_flat(&b);
    writer_right();
    writer_pins(&b);
    writer_stats(&b);
    writer_damage(&b);
    writer_slices(&b);
    writer_parts(&b);
    writer_kill(&b);

    ngx_k8s_builder_done(&b);

    return done();
}
