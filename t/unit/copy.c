
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A table on its way into another one: every reference of every type arrives,
 * and a writer that is at work meanwhile is seen between two of its changes.
 */


#include "unit_table.h"
#include <ngx_k8s_snapshot.h>
#include <ngx_k8s_type.h>

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>


#define SIZE  (1024 * 1024)


/* a record of this type with a key of its own, and nothing else in it */

static void *
record(ngx_k8s_builder_t *b, ngx_uint_t type, char *name)
{
    ngx_k8s_builder_begin(b, type, ngx_k8s_record_types[type].fixed.size);
    unit_key(b, 1, &name);

    return b->data;
}


static ngx_k8s_list_t
list(ngx_k8s_builder_t *b, void *elts, ngx_uint_t n, size_t size)
{
    ngx_k8s_list_t  l;

    l.offset = ngx_k8s_builder_alloc(b, n * size);
    l.n = n;

    ngx_memcpy(ngx_k8s_builder_ptr(b, l.offset), elts, n * size);

    return l;
}


static ngx_k8s_slot_ref_t
ref(ngx_k8s_writer_t *w, uint32_t slot)
{
    ngx_k8s_slot_ref_t  r;

    r.slot = slot;
    r.generation = ngx_k8s_slot(ngx_k8s_writer_table(w), slot)->generation;

    return r;
}


/* a record of each type that others refer to, by what it is for */

typedef struct {
    uint32_t                 balance;    /* policies */
    uint32_t                 route;
    uint32_t                 users;      /* data */
    uint32_t                 certificate;
    uint32_t                 service;
    uint32_t                 rule;
    uint32_t                 listener;
    uint32_t                 set;
    uint32_t                 shard;
    uint32_t                 host;
} slots_t;


static void
leaves(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, slots_t *s)
{
    ngx_k8s_list_t          l;
    ngx_k8s_data_t         *data;
    ngx_k8s_policy_t       *policy;
    ngx_k8s_slot_ref_t      r;
    ngx_k8s_policy_ref_t    refs[3];
    ngx_k8s_service_rec_t  *service;

    s->rule = unit_rule(w, b, "h.test", "/", 0);
    s->certificate = unit_certificate(w, b, "c", 1, 1, 100, 0);

    data = record(b, NGX_K8S_INDEX_DATA, "users");
    data->flags = NGX_K8S_DATA_SECRET;
    s->users = ngx_k8s_builder_put(b, w, 0);

    policy = record(b, NGX_K8S_INDEX_POLICY, "balance");
    policy->kind = NGX_K8S_POLICY_SERVICE;
    s->balance = ngx_k8s_builder_put(b, w, 0);

    service = record(b, NGX_K8S_INDEX_SERVICE, "service");
    service->tls = s->balance;
    s->service = ngx_k8s_builder_put(b, w, 0);

    ngx_memzero(refs, sizeof(refs));
    refs[0].index = NGX_K8S_INDEX_DATA;
    refs[0].ref = ref(w, s->users);
    refs[1].index = NGX_K8S_INDEX_SERVICE;
    refs[1].ref = ref(w, s->service);
    refs[2].index = NGX_K8S_INDEX_CERTIFICATE;
    refs[2].ref = ref(w, s->certificate);

    (void) record(b, NGX_K8S_INDEX_POLICY, "route");
    l = list(b, refs, 3, sizeof(ngx_k8s_policy_ref_t));
    ((ngx_k8s_policy_t *) b->data)->refs = l;
    s->route = ngx_k8s_builder_put(b, w, 0);

    (void) record(b, NGX_K8S_INDEX_LISTENER, "listener");
    r = ref(w, s->certificate);
    l = list(b, &r, 1, sizeof(r));
    ((ngx_k8s_listener_t *) b->data)->certificates = l;
    ((ngx_k8s_listener_t *) b->data)->policy = s->route;
    s->listener = ngx_k8s_builder_put(b, w, 0);

    ((ngx_k8s_set_t *) record(b, NGX_K8S_INDEX_SET, "set"))->certificate =
        s->certificate;
    s->set = ngx_k8s_builder_put(b, w, 0);
}


/* a host, or a shard of one, that leads to all of them */

static uint32_t
host(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, slots_t *s, ngx_uint_t type,
    ngx_uint_t class)
{
    uint32_t                slot;
    ngx_k8s_host_t          h;
    ngx_k8s_match_t         match;
    ngx_k8s_action_t        action;
    ngx_k8s_slot_ref_t      r;
    ngx_k8s_mirror_rec_t    mirror;
    ngx_k8s_backend_rec_t   backend;

    h = *(ngx_k8s_host_t *) record(b, type, "h.test");

    h.class = class;
    h.policy = s->route;
    h.fallback = NGX_K8S_NONE;

    r = ref(w, s->certificate);
    h.certificates = list(b, &r, 1, sizeof(r));

    if (s->shard) {
        r = ref(w, s->shard);
        h.shards = list(b, &r, 1, sizeof(r));

    } else {
        slot = 0;
        h.buckets = list(b, &slot, 1, sizeof(slot));
    }

    ngx_memzero(&match, sizeof(match));
    match.nlisteners = 1;
    match.policy = s->route;
    match.rule = s->rule;
    match.order = 5;
    h.matches = list(b, &match, 1, sizeof(match));
    h.listeners = list(b, &s->listener, 1, sizeof(uint32_t));

    ngx_memzero(&action, sizeof(action));
    action.kind = NGX_K8S_ACTION_BACKENDS;
    action.nbackends = 1;
    action.weights = 3;
    action.nmirrors = 1;
    h.actions = list(b, &action, 1, sizeof(action));

    ngx_memzero(&backend, sizeof(backend));
    r = ref(w, s->service);
    backend.service = r.slot;
    backend.generation = r.generation;
    backend.weight = 3;
    backend.policy = s->route;
    backend.invalid = 500;
    h.backends = list(b, &backend, 1, sizeof(backend));

    ngx_memzero(&mirror, sizeof(mirror));
    mirror.service = r.slot;
    mirror.generation = r.generation;
    mirror.policy = s->route;
    mirror.share = (uint64_t) 1 << 31;
    h.mirrors = list(b, &mirror, 1, sizeof(mirror));

    ngx_memcpy(b->data, &h, sizeof(h));

    slot = ngx_k8s_builder_put(b, w, 0);

    /* what has one of these wrong is not put */

    ((ngx_k8s_host_t *) b->data)->class = 3;
    unit_log.log_level = NGX_LOG_EMERG;
    ok(ngx_k8s_builder_put(b, w, 0) == 0, "a host of an unknown class");
    ((ngx_k8s_host_t *) b->data)->class = class;
    ((ngx_k8s_host_t *) b->data)->listeners.n = 0;
    ok(ngx_k8s_builder_put(b, w, 0) == 0, "a match with a listener too many");
    ((ngx_k8s_host_t *) b->data)->listeners.n = 1;
    ((ngx_k8s_host_t *) b->data)->mirrors.n = 0;
    ok(ngx_k8s_builder_put(b, w, 0) == 0, "an action with a mirror too many");
    unit_log.log_level = NGX_LOG_WARN;

    return slot;
}


/* the record that a slot of a copy leads to, if its key is this */

static ngx_uint_t
is(ngx_k8s_table_t *table, ngx_uint_t index, uint32_t slot, char *name)
{
    ngx_str_t          key;
    ngx_k8s_record_t  *rec;

    rec = ngx_k8s_slot_record(table, index, slot);

    if (rec == NULL) {
        return 0;
    }

    ngx_k8s_record_str(rec, &rec->key, &key);

    return key.len == strlen(name) + 1 && strcmp((char *) key.data, name) == 0;
}


static ngx_uint_t
is_ref(ngx_k8s_table_t *table, ngx_uint_t index, ngx_k8s_slot_ref_t *r,
    char *name)
{
    return is(table, index, r->slot, name)
           && ngx_k8s_slot(table, r->slot)->generation == r->generation;
}


static void
arrived(ngx_k8s_table_t *to, ngx_k8s_host_t *h)
{
    ngx_k8s_match_t         *match;
    ngx_k8s_slot_ref_t      *r, one;
    ngx_k8s_policy_t        *policy;
    ngx_k8s_listener_t      *listener;
    ngx_k8s_mirror_rec_t    *mirror;
    ngx_k8s_policy_ref_t    *refs;
    ngx_k8s_service_rec_t   *service;
    ngx_k8s_backend_rec_t   *backend;

    r = ngx_k8s_record_at(h, h->certificates.offset);
    ok(h->certificates.n == 1
       && ngx_k8s_slot_record_gen(to, NGX_K8S_INDEX_CERTIFICATE, r->slot,
                                  r->generation), "its certificate");

    match = ngx_k8s_record_at(h, h->matches.offset);
    ok(is(to, NGX_K8S_INDEX_POLICY, h->policy, "route")
       && is(to, NGX_K8S_INDEX_POLICY, match->policy, "route")
       && ngx_k8s_slot_record(to, NGX_K8S_INDEX_RULE, match->rule)
       && match->order == 5, "its policy, its match's policy and rule");

    listener = ngx_k8s_slot_record(to, NGX_K8S_INDEX_LISTENER,
                                   *(uint32_t *) ngx_k8s_record_at(h,
                                                        h->listeners.offset));
    ok(listener && is(to, NGX_K8S_INDEX_POLICY, listener->policy, "route")
       && listener->certificates.n == 1, "its listener");

    backend = ngx_k8s_record_at(h, h->backends.offset);
    one.slot = backend->service;
    one.generation = backend->generation;
    ok(is_ref(to, NGX_K8S_INDEX_SERVICE, &one, "service")
       && is(to, NGX_K8S_INDEX_POLICY, backend->policy, "route")
       && backend->invalid == 500, "its backend");

    mirror = ngx_k8s_record_at(h, h->mirrors.offset);
    one.slot = mirror->service;
    one.generation = mirror->generation;
    ok(is_ref(to, NGX_K8S_INDEX_SERVICE, &one, "service")
       && is(to, NGX_K8S_INDEX_POLICY, mirror->policy, "route")
       && mirror->share == (uint64_t) 1 << 31, "its mirror");

    service = ngx_k8s_slot_record(to, NGX_K8S_INDEX_SERVICE, mirror->service);
    ok(service && is(to, NGX_K8S_INDEX_POLICY, service->tls, "balance"),
       "its Service's policy");

    policy = ngx_k8s_slot_record(to, NGX_K8S_INDEX_POLICY, h->policy);
    refs = ngx_k8s_record_at(policy, policy->refs.offset);
    ok(is_ref(to, NGX_K8S_INDEX_SERVICE, &refs[1].ref, "service"),
       "its policy's references");
}


/* numbers in the copy are others, since slots before them have gone */

static void
references(ngx_k8s_builder_t *b)
{
    size_t             missing;
    slots_t            s;
    uint32_t           i, n;
    uint64_t           cursor;
    ngx_k8s_host_t    *h;
    ngx_k8s_view_t     view;
    ngx_k8s_table_t   *from, *to;
    ngx_k8s_writer_t  *w;
    ngx_k8s_slot_ref_t  *r;

    from = unit_table(SIZE);
    to = unit_table(2 * SIZE);
    w = ngx_k8s_writer_open(from, -1, &unit_log);

    for (i = 0; i < 10; i++) {
        n = unit_certificate(w, b, "goes", i, i, 100, 0);
        ngx_k8s_writer_remove(w, n);
    }

    ngx_memzero(&s, sizeof(s));
    leaves(w, b, &s);
    s.shard = host(w, b, &s, NGX_K8S_INDEX_PATHS, NGX_K8S_CLASS_TLS);
    s.host = host(w, b, &s, NGX_K8S_INDEX_HOST, NGX_K8S_CLASS_TLS);
    ngx_k8s_writer_publish(w);

    ok(s.shard && s.host && s.set && s.listener && s.rule > 10,
       "records that lead to each other");

    from->states[1] = 17;

    ngx_k8s_view_init(&view, from, 0);
    ok(ngx_k8s_table_copy(&view, to, &missing, &unit_log) == NGX_OK
       && to->states[1] == 17,
       "are copied");
    ok(ngx_memcmp(from->counts, to->counts, sizeof(from->counts)) == 0,
       "all of them");

    cursor = 0;
    h = ngx_k8s_table_next(to, NGX_K8S_INDEX_HOST, &cursor);
    ok(h && h->class == NGX_K8S_CLASS_TLS && (uint32_t) cursor != s.host,
       "the host");
    arrived(to, h);

    r = ngx_k8s_record_at(h, h->shards.offset);
    h = ngx_k8s_slot_record_gen(to, NGX_K8S_INDEX_PATHS, r->slot,
                                r->generation);
    ok(h != NULL, "the shard that it leads to");
    arrived(to, h);

    ngx_k8s_writer_close(w);
    munmap(from, SIZE);
    munmap(to, 2 * SIZE);
}


/* without keys a policy loses what it asks for, and stays */

static void
secrets(ngx_k8s_builder_t *b)
{
    size_t                  len, i;
    slots_t                 s;
    uint64_t                cursor;
    u_char                 *data;
    ngx_uint_t              keys;
    ngx_k8s_chunk_t        *chunk;
    ngx_k8s_table_t        *from, *to;
    ngx_k8s_policy_t       *policy;
    ngx_k8s_writer_t       *w, *v;
    ngx_k8s_loaded_t        loaded;
    ngx_k8s_capture_t      *c;
    ngx_k8s_policy_ref_t   *refs;
    ngx_k8s_snapshot_id_t   id;

    from = unit_table(SIZE);
    w = ngx_k8s_writer_open(from, -1, &unit_log);

    ngx_memzero(&s, sizeof(s));
    ngx_memzero(&id, sizeof(id));
    leaves(w, b, &s);

    for (keys = 0; keys < 2; keys++) {
        c = ngx_k8s_capture_begin(w, &id, keys ? NGX_K8S_SNAPSHOT_KEYS : 0,
                                  &unit_log);
        (void) ngx_k8s_capture_run(c, (size_t) -1);
        (void) ngx_k8s_capture_seal(c);

        data = aligned_alloc(16, ngx_align(c->size, 16));
        len = 0;

        for (chunk = c->chunks; chunk; chunk = chunk->next) {
            for (i = 0; i < chunk->len; i++) {
                data[len++] = chunk->data[i];
            }
        }

        ngx_k8s_capture_free(c);

        to = unit_table(SIZE);
        v = ngx_k8s_writer_open(to, -1, &unit_log);

        ok(ngx_k8s_snapshot_check(data, len, &id) == NULL
           && ngx_k8s_snapshot_load(v, data, len, &loaded, &unit_log)
              == NGX_OK,
           "a snapshot %s keys", keys ? "with" : "without");
        ok(to->counts[NGX_K8S_INDEX_DATA] == keys,
           "has secret data only with keys");

        cursor = 0;
        policy = NULL;

        do {
            policy = ngx_k8s_table_next(to, NGX_K8S_INDEX_POLICY, &cursor);
        } while (policy && policy->refs.n == 0);

        ok(policy != NULL, "and the policy that refers to it");

        refs = ngx_k8s_record_at(policy, policy->refs.offset);
        ok((refs[0].ref.slot != 0) == keys
           && is_ref(to, NGX_K8S_INDEX_SERVICE, &refs[1].ref, "service"),
           "which has lost that alone");

        ngx_k8s_writer_close(v);
        munmap(to, SIZE);
        free(data);
    }

    ngx_k8s_writer_close(w);
    munmap(from, SIZE);
}


/*
 * A child puts a host that no longer leads to a Service, and removes this.  It
 * is led by single steps: to where the host is about to be shown, and, when the
 * copy has looked at the host's slot, to where the Service is no more there.
 */

static pid_t               child;
static void               *page;
static ngx_k8s_slot_t     *gone;
static volatile ngx_uint_t faults;


static void
step(void)
{
    int  status;

    if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == -1
        || waitpid(child, &status, 0) == -1 || !WIFSTOPPED(status))
    {
        printf("Bail out! the child does not go by steps\n");
        _exit(1);
    }
}


static void
reached(int signo)
{
    faults++;

    mprotect(page, 4096, PROT_READ|PROT_WRITE);

    while (ngx_k8s_load(&gone->record)) {
        step();
    }
}


static void
straddle(ngx_k8s_builder_t *b)
{
    char               name[32];
    size_t             missing;
    uint32_t           old, i, n, h, s;
    ngx_int_t          rc;
    ngx_k8s_view_t     view;
    ngx_k8s_slot_t    *slot;
    struct sigaction   sa;
    ngx_k8s_table_t   *from, *to;
    ngx_k8s_writer_t  *w;
    ngx_k8s_slot_ref_t     r;
    ngx_k8s_host_t         head;
    ngx_k8s_action_t       action;
    ngx_k8s_backend_rec_t  backend;

    from = unit_table(SIZE);
    to = unit_table(2 * SIZE);
    w = ngx_k8s_writer_open(from, -1, &unit_log);

    /* the host's slot, a page of others, the Service's */

    n = unit_rule(w, b, "first.test", "/", 0);
    h = unit_host(w, b, 0, "h.test", 0, NULL, 0, 404, 0);

    for (i = 0; i < 300; i++) {
        sprintf(name, "r%u.test", (unsigned) i);
        (void) unit_rule(w, b, name, "/", 0);
    }

    s = unit_service(w, b, "service", 1, 1, 0);
    r = ref(w, s);

    slot = ngx_k8s_slot(from, h);
    gone = ngx_k8s_slot(from, s);
    page = (void *) ((uintptr_t) gone / 4096 * 4096);

    ok(n && (void *) slot < page, "two slots on two pages");

    /* the host leads to it */

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_HOST, sizeof(ngx_k8s_host_t));
    head = *(ngx_k8s_host_t *) b->data;
    head.header.key = unit_add(b, "\1\2\3\4h.test");
    ngx_memcpy(ngx_k8s_builder_ptr(b, head.header.key.offset), "\0\0\0\0", 4);
    head.name = unit_add(b, "h.test");
    head.fallback = NGX_K8S_NONE;
    ngx_memzero(&action, sizeof(action));
    action.nbackends = 1;
    head.actions = list(b, &action, 1, sizeof(action));
    ngx_memzero(&backend, sizeof(backend));
    backend.service = r.slot;
    backend.generation = r.generation;
    head.backends = list(b, &backend, 1, sizeof(backend));
    ngx_memcpy(b->data, &head, sizeof(head));
    ok(ngx_k8s_builder_put(b, w, 0) == h, "a host that leads to a Service");
    ngx_k8s_writer_publish(w);

    child = fork();

    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);

        (void) unit_host(w, b, 0, "h.test", 0, NULL, 0, 404, 0);
        ngx_k8s_writer_remove(w, s);

        _exit(0);
    }

    waitpid(child, NULL, 0);

    old = from->changes;

    while (from->changes == old) {
        step();
    }

    old = slot->record;
    mprotect(page, 4096, PROT_NONE);

    ngx_memzero(&sa, sizeof(sa));
    sa.sa_handler = reached;
    sigaction(SIGSEGV, &sa, NULL);

    ngx_k8s_view_init(&view, from, 0);
    rc = ngx_k8s_table_copy(&view, to, &missing, &unit_log);

    signal(SIGSEGV, SIG_DFL);

    ok(faults == 1 && slot->record != old && gone->record == 0,
       "the copy has met both changes");
    ok(rc == NGX_OK && missing == 0 && to->counts[NGX_K8S_INDEX_HOST] == 1,
       "and is whole");

    kill(child, SIGKILL);
    waitpid(child, NULL, 0);

    ngx_k8s_writer_close(w);
    munmap(from, SIZE);
    munmap(to, 2 * SIZE);
}


int
main(void)
{
    ngx_k8s_builder_t  b;

    unit_init();

    ngx_k8s_builder_init(&b, &unit_log);

    references(&b);
    secrets(&b);
    straddle(&b);

    ngx_k8s_builder_done(&b);

    return done();
}
