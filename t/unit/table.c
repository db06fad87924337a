
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The table: its layout, every type of record, a copy at another address,
 * counters of several processes, records that are not sound.
 */


#include "unit_table.h"

#include <sys/wait.h>


static void
table_layout(void)
{
    void             *p;
    size_t            size;
    ngx_uint_t        i;
    ngx_k8s_table_t  *table;

    static size_t  sizes[] = {
        1024 * 1024, 1024 * 1024 + 4096, 64 * 1024 * 1024,
        (size_t) 4 * 1024 * 1024 * 1024
    };

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size = sizes[i];
        table = unit_table(size);

        ok(ngx_k8s_table_check(table, size) == NGX_OK
           && table->version == 1
           && ngx_k8s_table_overhead(size) == table->heap,
           "%lu bytes, %lu of them for all but records",
           (unsigned long) size, (unsigned long) table->heap);
        ok(table->heap < size / 6, "which is not much");

        munmap(table, size);
    }

    table = unit_table(1024 * 1024);

    ok(ngx_k8s_table_check(table, 1024) == NGX_ERROR, "wrong size");
    table->nbuckets[0] = 1 << 30;
    ok(ngx_k8s_table_check(table, table->size) == NGX_ERROR, "wrong buckets");
    table->nbuckets[0] = 1024;
    ok(ngx_k8s_table_check(table, table->size) == NGX_OK, "right again");
    table->layout++;
    ok(ngx_k8s_table_check(table, table->size) == NGX_ERROR, "wrong version");

    munmap(table, 1024 * 1024);

    p = aligned_alloc(4096, 64 * 1024);
    ok(ngx_k8s_table_init(p, 64 * 1024) == NGX_ERROR, "too small");
    free(p);
}


static void
table_huge(ngx_k8s_builder_t *b)
{
    size_t             size;
    uint32_t           n;
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;

    size = (size_t) 4 * 1024 * 1024 * 1024;
    table = unit_table(size);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    ok(w && ngx_k8s_writer_room(w) > size / 2, "a writer on 4 GB");

    n = unit_rule(w, b, "a.example", "/", NGX_K8S_WRITE_OBJECT);
    ok(n && ngx_k8s_slot_record(table, NGX_K8S_INDEX_RULE, n), "and a record");

    ngx_k8s_writer_close(w);
    munmap(table, size);
}


/* everything that Gateway API needs of a host, and one of every other type */

static uint32_t
table_gateway(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, uint32_t s1,
    uint32_t s2)
{
    size_t                  len;
    u_char                  buf[NGX_K8S_KEY_MAX];
    uint32_t                off;
    ngx_str_t               str;
    ngx_k8s_str_t           key, scheme, to, path, name;
    ngx_k8s_host_t         *host;
    ngx_k8s_path_t         *paths;
    ngx_k8s_match_t        *matches;
    ngx_k8s_action_t       *actions;
    ngx_k8s_backend_rec_t  *backends;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_HOST, sizeof(ngx_k8s_host_t));

    str = unit_str(".gw.example");
    len = ngx_k8s_key_host(buf, 3, NGX_K8S_CLASS_HTTP, &str);
    name = ngx_k8s_builder_str(b, &str);
    str.data = buf;
    str.len = len;
    key = ngx_k8s_builder_str(b, &str);

    scheme = unit_add(b, "https");
    to = unit_add(b, "elsewhere.example");
    path = unit_add(b, "/old");

    off = ngx_k8s_builder_alloc(b, 2 * sizeof(ngx_k8s_path_t));
    host = (ngx_k8s_host_t *) b->data;
    host->header.key = key;
    host->route_set = 3;
    host->name = name;
    host->flags = NGX_K8S_HOST_WILDCARD|NGX_K8S_HOST_ANY_DEPTH
                  |NGX_K8S_HOST_FALLTHROUGH;
    host->fallback = NGX_K8S_NONE;
    host->paths.offset = off;
    host->paths.n = 2;

    paths = ngx_k8s_builder_ptr(b, off);
    paths[0].type = NGX_K8S_PATH_PREFIX;
    paths[0].text = path;
    paths[0].match = 1;
    paths[0].nmatches = 1;
    paths[1].type = NGX_K8S_PATH_PREFIX;
    paths[1].match = 0;
    paths[1].nmatches = 1;

    off = ngx_k8s_builder_alloc(b, 2 * sizeof(ngx_k8s_match_t));
    host = (ngx_k8s_host_t *) b->data;
    host->matches.offset = off;
    host->matches.n = 2;
    matches = ngx_k8s_builder_ptr(b, off);
    matches[0].action = 0;
    matches[1].action = 1;

    off = ngx_k8s_builder_alloc(b, 2 * sizeof(ngx_k8s_action_t));
    host = (ngx_k8s_host_t *) b->data;
    host->actions.offset = off;
    host->actions.n = 2;
    actions = ngx_k8s_builder_ptr(b, off);
    actions[0].kind = NGX_K8S_ACTION_BACKENDS;
    actions[0].nbackends = 2;
    actions[0].weights = 10;
    actions[1].kind = NGX_K8S_ACTION_REDIRECT;
    actions[1].status = 302;
    actions[1].path_kind = NGX_K8S_REDIRECT_PATH_PREFIX;
    actions[1].port = 8443;
    actions[1].scheme = scheme;
    actions[1].host = to;
    actions[1].path = path;

    off = ngx_k8s_builder_alloc(b, 2 * sizeof(ngx_k8s_backend_rec_t));
    host = (ngx_k8s_host_t *) b->data;
    host->backends.offset = off;
    host->backends.n = 2;
    backends = ngx_k8s_builder_ptr(b, off);
    backends[0].service = s1;
    backends[0].generation = 1;
    backends[0].weight = 9;
    backends[1].service = s2;
    backends[1].generation = 1;
    backends[1].weight = 1;

    ngx_k8s_builder_paths(b);

    return ngx_k8s_builder_put(b, w, NGX_K8S_WRITE_OBJECT);
}


/* a record of "size" bytes that is all zero but for its key */

static void *
table_begin(ngx_k8s_builder_t *b, ngx_uint_t type, size_t size)
{
    char  *names[3];

    names[0] = "Ingress";
    names[1] = "default";
    names[2] = "web";

    ngx_k8s_builder_begin(b, type, size);
    unit_key(b, 3, names);

    return b->data;
}


static uint32_t
table_refused(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b)
{
    uint32_t  n;

    unit_log.log_level = NGX_LOG_EMERG;
    n = ngx_k8s_builder_put(b, w, 0);
    unit_log.log_level = NGX_LOG_WARN;

    return n == 0 && ngx_k8s_writer_missing(w) == 0;
}


/* one of each type that no host leads to, and what of it is refused */

static void
table_others(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b)
{
    uint32_t                 off, *sets;
    ngx_k8s_str_t            s;
    ngx_k8s_data_t          *data;
    ngx_k8s_set_t           *set;
    ngx_k8s_sync_t          *sync;
    ngx_k8s_problem_rec_t   *problem;
    ngx_k8s_address_rec_t   *address;
    ngx_k8s_problem_item_t  *item;

    (void) table_begin(b, NGX_K8S_INDEX_ADDRESS, sizeof(*address));
    s = unit_add(b, "\x7f\x01\x01\x01");
    off = ngx_k8s_builder_alloc(b, sizeof(uint32_t));
    sets = ngx_k8s_builder_ptr(b, off);
    *sets = 3;
    address = (ngx_k8s_address_rec_t *) b->data;
    address->family = 4;
    address->address = s;
    address->sets.offset = off;
    address->sets.n = 1;
    ok(ngx_k8s_builder_put(b, w, 0), "address");

    address->address.len = 3;
    ok(table_refused(w, b), "an address of three bytes is refused");
    address->address.len = 4;
    address->sets.n = 1000;
    ok(table_refused(w, b), "a list that ends outside is refused");

    set = table_begin(b, NGX_K8S_INDEX_SET, sizeof(*set));
    set->route_set = 3;
    ok(ngx_k8s_builder_put(b, w, 0), "set");
    set->route_set = NGX_K8S_ROUTE_SETS;
    ok(table_refused(w, b), "a number with a class in it is refused");

    (void) table_begin(b, NGX_K8S_INDEX_DATA, sizeof(*data));
    s = unit_add(b, "user:$apr1$");
    data = (ngx_k8s_data_t *) b->data;
    data->flags = NGX_K8S_DATA_SECRET;
    data->bytes = s;
    ok(ngx_k8s_builder_put(b, w, 0), "data");
    data->use = NGX_K8S_DATA_USES;
    ok(table_refused(w, b), "an unknown use is refused");
    data->use = 0;
    data->bytes.offset = b->len;
    ok(table_refused(w, b), "bytes that end outside are refused");

    (void) table_begin(b, NGX_K8S_INDEX_PROBLEM, sizeof(*problem));
    off = ngx_k8s_builder_alloc(b, sizeof(ngx_k8s_problem_item_t));
    s = unit_add(b, "no such Service");
    problem = (ngx_k8s_problem_rec_t *) b->data;
    problem->items.offset = off;
    problem->items.n = 1;
    item = ngx_k8s_builder_ptr(b, off);
    item->message = s;
    item->severity = NGX_K8S_PROBLEM_SEVERITY_MAX;
    ok(ngx_k8s_builder_put(b, w, 0), "problem");
    item->severity++;
    ok(table_refused(w, b), "an unknown severity is refused");

    sync = table_begin(b, NGX_K8S_INDEX_SYNC, sizeof(*sync));
    sync->objects = 5;
    ok(ngx_k8s_builder_put(b, w, 0), "sync");
}


static void
table_copy(ngx_k8s_builder_t *b)
{
    void              *rec;
    char               host[32];
    size_t             size;
    uint32_t           s1, s2, n;
    uint64_t           cursor;
    ngx_uint_t         i, k, bad;
    unit_route_t       r[3];
    ngx_k8s_view_t     view;
    ngx_k8s_route_t    route;
    ngx_k8s_table_t   *table, *copy;
    ngx_k8s_writer_t  *w;
    ngx_k8s_route_key_t      key;
    ngx_k8s_backend_rec_t   *backend;
    ngx_k8s_service_rec_t   *service;

    static uint32_t  set = 3;

    size = 4 * 1024 * 1024;
    table = unit_table(size);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    ngx_memzero(r, sizeof(r));
    r[0].type = NGX_K8S_PATH_PREFIX;
    r[0].path = "/";
    r[1].type = NGX_K8S_PATH_PREFIX;
    r[1].path = "/a/b";
    r[2].type = NGX_K8S_PATH_EXACT;
    r[2].path = "/a/b";

    for (i = 0; i < 500; i++) {
        sprintf(host, "h%u.example", (unsigned) i);

        for (k = 0; k < 3; k++) {
            r[k].status = 10 * i
                          + (r[k].type == NGX_K8S_PATH_EXACT ? 3
                             : r[k].path[1] ? 2 : 1);
        }

        unit_host(w, b, i & 1, host, 0, r, 3, 0, NGX_K8S_WRITE_OBJECT);
    }

    s1 = unit_service(w, b, "one", 3, 1, NGX_K8S_WRITE_OBJECT);
    s2 = unit_service(w, b, "two", 1, 2, NGX_K8S_WRITE_OBJECT);
    ok(table_gateway(w, b, s1, s2), "a host as Gateway API needs it");
    table_others(w, b);

    ngx_k8s_writer_publish(w);
    ngx_k8s_writer_close(w);

    copy = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANON|MAP_PRIVATE, -1, 0);
    ngx_memcpy(copy, table, size);
    mprotect(table, size, PROT_NONE);
    mprotect(copy, size, PROT_READ);

    ok(ngx_k8s_table_check(copy, size) == NGX_OK, "a copy is a table");

    view.table = copy;
    view.word = NULL;
    view.pinned = 0;
    ngx_k8s_view_pin(&view);
    ngx_k8s_count(&view, 1, 1, 0, 200, 0);

    bad = 0;

    for (i = 0; i < 500; i++) {
        sprintf(host, "h%u.example", (unsigned) i);

        bad += unit_ask(copy, i & 1, host, "/x") != 10 * i + 1;
        bad += unit_ask(copy, i & 1, host, "/a/b/c") != 10 * i + 2;
        bad += unit_ask(copy, i & 1, host, "/a/b") != 10 * i + 3;
        bad += unit_ask(copy, !(i & 1), host, "/a/b") != 0;
    }

    ok(bad == 0, "every route is read from a copy at another address");

    ngx_memzero(&key, sizeof(key));
    key.sets = &set;
    key.nsets = 1;
    key.host = unit_str("x.y.gw.example");
    key.path = unit_str("/new");

    ok(ngx_k8s_route(copy, &key, &route) == NGX_OK
       && route.action->kind == NGX_K8S_ACTION_BACKENDS
       && route.action->weights == 10, "weighted backends");

    backend = ngx_k8s_record_at(route.host, route.host->backends.offset);
    backend += route.action->backend;

    service = ngx_k8s_slot_record_gen(copy, NGX_K8S_INDEX_SERVICE,
                                      backend[1].service,
                                      backend[1].generation);
    ok(service && service->endpoints.n == 1, "lead to their Service");

    key.path = unit_str("/old/x");
    ok(ngx_k8s_route(copy, &key, &route) == NGX_OK
       && route.action->kind == NGX_K8S_ACTION_REDIRECT
       && route.action->port == 8443
       && ngx_strncmp(ngx_k8s_record_at(route.host, route.action->host.offset),
                      "elsewhere.example", route.action->host.len) == 0,
       "redirect");

    n = 0;

    for (i = 0; i < NGX_K8S_INDEXES; i++) {
        cursor = 0;

        while ((rec = ngx_k8s_table_next(copy, i, &cursor))) {
            n++;
            bad += ngx_k8s_record_verify(rec, size) != NGX_OK;
            bad += ((ngx_k8s_record_t *) rec)->type != i;
        }
    }

    ok(n == 508 && bad == 0, "a walk meets %u sound records", (unsigned) n);

    ngx_k8s_view_unpin(&view);

    munmap(copy, size);
    munmap(table, size);
}


/* of the key that was last asked for */

static uint64_t  table_answered;
static uint64_t  table_msec;


static uint64_t
table_counter(ngx_k8s_table_t *table, uint32_t rule, ngx_uint_t method,
    ngx_uint_t status, ngx_uint_t *keys)
{
    uint64_t           sum;
    ngx_uint_t         cursor;
    ngx_k8s_counted_t  c;

    cursor = 0;
    sum = 0;
    *keys = 0;
    table_answered = 0;
    table_msec = 0;

    while (ngx_k8s_count_next(table, &cursor, &c) == NGX_OK) {
        (*keys)++;

        if (ngx_k8s_cell_rule(c.key) == rule
            && ngx_k8s_cell_method(c.key) == method
            && ngx_k8s_cell_status(c.key) == status)
        {
            sum += c.count;
            table_answered += c.answered;
            table_msec += c.msec;
        }
    }

    return sum;
}


static void
table_counts(ngx_k8s_builder_t *b)
{
    int                status;
    uint32_t           one, two, generation;
    uint64_t           n;
    ngx_pid_t          pids[4];
    ngx_int_t          k;
    ngx_uint_t         i, keys, pass;
    ngx_k8s_view_t     view;
    ngx_k8s_table_t   *table;
    ngx_k8s_writer_t  *w;

    table = unit_table(1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);

    one = unit_rule(w, b, "a.example", "/", 0);
    two = unit_rule(w, b, "b.example", "/", 0);

    for (i = 0; i < 4; i++) {
        pids[i] = fork();

        if (pids[i] == 0) {
            ngx_k8s_view_init(&view, table, i);

            /* all at once */

            (void) ngx_atomic_fetch_add(&table->ready, 1);

            while (table->ready < 4) {
                ngx_cpu_pause();
            }

            for (k = 0; k < 200000; k++) {
                ngx_k8s_count(&view, one, 1, 1, 200, k % 4 - 1);
                ngx_k8s_count(&view, two, 1, 3, 200 + k % 100, -1);
            }

            _exit(0);
        }
    }

    for (i = 0; i < 4; i++) {
        waitpid(pids[i], &status, 0);
    }

    ok(table_counter(table, one, 1, 200, &keys) == 800000,
       "counters of four processes add up");
    ok(table_answered == 600000 && table_msec == 600000,
       "and what backends took, of those that they answered");
    ok(keys == 101, "each is met once");
    ok(table_counter(table, two, 3, 250, &keys) == 8000, "each for itself");

    /* a rule goes, while one is updated */

    ngx_k8s_view_init(&view, table, 1);

    ngx_k8s_writer_remove(w, two);
    ngx_k8s_writer_publish(w);
    ngx_k8s_writer_publish(w);

    ok(table_counter(table, two, 3, 250, &keys) == 0 && keys == 1,
       "counters go with their rule");

    ngx_k8s_count(&view, two, 1, 3, 250, 7);
    ok(table_counter(table, two, 3, 250, &keys) == 0 && view.word->dropped == 0,
       "and are not counted any more");
    ok(table_counter(table, one, 1, 200, &keys) == 800000, "the other stays");

    two = unit_rule(w, b, "c.example", "/", 0);
    generation = ngx_k8s_slot(table, two)->generation;
    ok(generation == 2 && table_counter(table, two, 3, 250, &keys) == 0,
       "who gets its slot starts at zero");
    ngx_k8s_count(&view, two, 1, 3, 250, 7);
    ok(table_counter(table, two, 3, 250, &keys) == 0, "for itself");

    /* full, and empty again */

    for (pass = 0; pass < 3; pass++) {
        n = view.word->dropped;

        for (k = 0; k < 4000; k++) {
            ngx_k8s_count(&view, two, generation, 1 + k / 1000, k % 1000,
                          0);
        }

        (void) table_counter(table, one, 1, 200, &keys);
        ok(keys > 1500 && keys <= table->ncells
           && view.word->dropped - n == 4000 - (keys - 1),
           "full at %u cells, %u counts are lost and told", (unsigned) keys,
           (unsigned) (view.word->dropped - n));

        ngx_k8s_writer_remove(w, two);
        ngx_k8s_writer_publish(w);

        two = unit_rule(w, b, "c.example", "/", 0);
        generation = ngx_k8s_slot(table, two)->generation;
    }

    /* a new writer knows which cells are free */

    ngx_k8s_count(&view, two, generation, 1, 200, 0);
    ngx_k8s_writer_remove(w, two);
    ngx_k8s_writer_close(w);
    w = ngx_k8s_writer_open(table, -1, &unit_log);
    ngx_k8s_writer_publish(w);

    keys = 0;

    for (i = 0; i < table->ncells; i++) {
        keys += ((ngx_k8s_cell_t *) ngx_k8s_at(table, table->cells))[i].key
                != 0;
    }

    ok(keys == 1 && table_counter(table, one, 1, 200, &keys) == 800000,
       "a new writer frees the cells of what is gone, and no other");

    ngx_k8s_writer_close(w);
    munmap(table, table->size);
}


static void
table_misc(void)
{
    u_char            one[NGX_K8S_KEY_MAX], two[NGX_K8S_KEY_MAX];
    u_char            text[2000];
    size_t            len;
    uint32_t          h, n;
    ngx_str_t         a, b, *names[2];
    ngx_k8s_table_t  *table;

    table = unit_table(1024 * 1024);

    ngx_k8s_turn(table, 100);
    ngx_k8s_turn(table, 101);
    ngx_k8s_turn(table, 700000);
    ok(table->turns[0] == 1 && table->turns[1] == 1
       && table->turns[NGX_K8S_TURN_BUCKETS - 1] == 1
       && table->turns_sum == 700201 && table->turns_max == 700000, "turns");

    munmap(table, table->size);

    ok(ngx_strcmp(ngx_k8s_methods[1].data, "GET") == 0
       && ngx_strcmp(ngx_k8s_methods[NGX_K8S_METHODS - 1].data, "TRACE") == 0,
       "methods");

    names[0] = &a;
    names[1] = &b;
    a = unit_str("ab");
    b = unit_str("c");
    len = ngx_k8s_key_names(one, 2, names);
    ok(len == 5 && ngx_memcmp(one, "ab\0c\0", 5) == 0, "key of names");

    ngx_memset(text, 'x', sizeof(text));
    a.data = text;
    a.len = 2000;
    len = ngx_k8s_key_names(one, 2, names);
    a.len--;
    ok(len == 20 && ngx_k8s_key_names(two, 2, names) == 20
       && ngx_memcmp(one, two, 20) != 0, "key of long names");

    h = NGX_K8S_HASH_START;

    for (n = 0; n < 1000; n++) {
        h = ngx_k8s_hash_step(h, n * 31);
    }

    while (n--) {
        h = ngx_k8s_hash_undo(h, n * 31);
    }

    ok(h == NGX_K8S_HASH_START, "a hash is taken back");
}


/* every byte of a host record changed in turn, its checksum set right */

static void
table_verify(ngx_k8s_builder_t *b)
{
    u_char             *p, save;
    size_t              i, size;
    uint32_t            slot, sound;
    ngx_uint_t          crc;
    ngx_k8s_table_t    *table;
    ngx_k8s_writer_t   *w;
    ngx_k8s_record_t   *rec;
    ngx_k8s_route_t     route;
    ngx_k8s_route_key_t key;

    static uint32_t  set = 3;

    table = unit_table(1024 * 1024);
    w = ngx_k8s_writer_open(table, -1, &unit_log);
    slot = table_gateway(w, b, 1, 2);

    rec = ngx_k8s_slot_record(table, NGX_K8S_INDEX_HOST, slot);
    size = rec->size;
    p = (u_char *) rec;

    ok(ngx_k8s_record_verify(rec, size) == NGX_OK, "sound");
    ok(ngx_k8s_record_verify(rec, size - 1) == NGX_ERROR, "cut");
    ok(ngx_k8s_record_verify((ngx_k8s_record_t *) (p + 1), size) == NGX_ERROR,
       "crooked");

    ngx_memzero(&key, sizeof(key));
    key.sets = &set;
    key.nsets = 1;
    key.host = unit_str("x.gw.example");
    key.path = unit_str("/old");

    crc = 0;
    sound = 0;

    for (i = 0; i < size * 8; i++) {
        save = p[i / 8];
        p[i / 8] ^= 1 << i % 8;

        crc += ngx_k8s_record_verify(rec, size) == NGX_OK;

        if (rec->size == size) {
            rec->crc = ngx_k8s_record_crc(rec, size, size);

            if (ngx_k8s_record_verify(rec, size) == NGX_OK) {
                sound++;
                (void) ngx_k8s_route(table, &key, &route);
            }
        }

        p[i / 8] = save;
        rec->crc = ngx_k8s_record_crc(rec, size, size);
    }

    ok(crc == 0, "every changed bit of %u bytes is seen", (unsigned) size);
    ok(sound > 0, "%u records with another content read without harm",
       (unsigned) sound);

    ngx_k8s_writer_close(w);
    munmap(table, table->size);
}


/* what processes note of clients */

static void
table_clients(void)
{
    size_t            size;
    u_char            one[16], two[16], addr[16];
    ngx_uint_t        i, n;
    ngx_k8s_view_t    a, b;
    ngx_k8s_table_t  *table;

    size = 1024 * 1024;
    table = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANON|MAP_PRIVATE, -1, 0);
    (void) ngx_k8s_table_init(table, size);

    ngx_k8s_view_init(&a, table, 1);
    ngx_k8s_view_init(&b, table, 2);
    ngx_memset(one, 1, 16);
    ngx_memset(two, 2, 16);

    ok(ngx_k8s_clients(table, addr, &n) == NGX_DONE && n == 0, "no request");

    for (i = 0; i < NGX_K8S_CLIENTS_MIN - 1; i++) {
        ngx_k8s_clients_note(i % 2 ? &a : &b, one, 1);
        ngx_k8s_clients_note(&b, one, 0);
    }

    ok(ngx_k8s_clients(table, addr, &n) == NGX_DONE
       && n == NGX_K8S_CLIENTS_MIN - 1, "too few name others");

    for (i = 0; i < NGX_K8S_CLIENTS_MIN; i++) {
        ngx_k8s_clients_note(i % 2 ? &a : &b, one, 1);
        ngx_k8s_clients_note(&b, one, 0);
    }

    ok(!ngx_k8s_clients_differ(&b), "all have one address");
    ok(ngx_k8s_clients(table, addr, &n) == NGX_OK && n == NGX_K8S_CLIENTS_MIN
       && ngx_memcmp(addr, one, 16) == 0, "of a proxy");
    ok(ngx_k8s_clients(table, addr, &n) == NGX_DONE, "it begins anew");

    ngx_k8s_clients_note(&a, two, 0);
    ok(ngx_k8s_clients(table, addr, &n) == NGX_DECLINED, "of no proxy");

    ngx_k8s_clients_note(&a, one, 1);
    ngx_k8s_clients_note(&b, two, 1);
    ok(ngx_k8s_clients(table, addr, &n) == NGX_DECLINED, "of two processes");

    ngx_k8s_clients_note(&a, one, 1);
    ngx_k8s_clients_note(&a, two, 1);
    ok(ngx_k8s_clients_differ(&a) && !ngx_k8s_clients_differ(&b),
       "two addresses in one process");
    ok(ngx_k8s_clients(table, addr, &n) == NGX_DECLINED
       && !ngx_k8s_clients_differ(&a), "which begins anew too");

    munmap(table, size);
}


int
main(void)
{
    ngx_k8s_builder_t  b;

    unit_init();

    ngx_k8s_builder_init(&b, &unit_log);

    table_layout();
    table_huge(&b);
    table_copy(&b);
    table_counts(&b);
    table_misc();
    table_clients();
    table_verify(&b);

    ngx_k8s_builder_done(&b);

    return done();
}
