
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Who holds a Lease, with a server and a clock of the test's own; and the
 * addresses of Services and nodes.
 */


#include <unit.h>
#include <ngx_event.h>
#include <ngx_k8s_lease.h>
#include <ngx_k8s_publish.h>


#define REPLICAS  2
#define RUSH      100   /* requests of one turn at most */


/* one replica: what it asks waits for an answer */

typedef struct {
    ngx_k8s_lease_t          lease;
    ngx_k8s_lease_conf_t     conf;
    ngx_k8s_lease_events_t   events;
    ngx_k8s_source_t         source;
    ngx_k8s_ask_t           *ask;
    char                     method[8];
    char                     path[512];
    char                     body[4096];
    ngx_uint_t               changes;
    ngx_uint_t               requests;
} replica_t;


static replica_t   replicas[REPLICAS];
static json_t     *stored;              /* the Lease, NULL: there is none */
static ngx_uint_t  version;
static ngx_uint_t  refused;             /* status of all answers, 0: none is */
static ngx_uint_t  unwritten;           /* of those to PUT, 0: none is */


static ngx_int_t
source_ask(ngx_k8s_source_t *s, ngx_k8s_request_t *req, ngx_msec_t time,
    ngx_k8s_ask_t *ask)
{
    replica_t  *r = s->data;

    r->ask = ask;
    r->requests++;
    ask->call = ask;

    snprintf(r->method, sizeof(r->method), "%s",
             req->method ? req->method : "GET");
    snprintf(r->path, sizeof(r->path), "%s", req->path);
    snprintf(r->body, sizeof(r->body), "%.*s", (int) req->body.len,
             (char *) req->body.data);

    return NGX_OK;
}


static void
source_unask(ngx_k8s_ask_t *ask)
{
    ngx_uint_t  i;

    ask->call = NULL;

    for (i = 0; i < REPLICAS; i++) {
        if (replicas[i].ask == ask) {
            replicas[i].ask = NULL;
        }
    }
}


static void
on_changed(void *data)
{
    replica_t  *r = data;

    r->changes++;
}


static void
on_turn(void *data)
{
}


static void
on_wrote(void *data, ngx_uint_t what)
{
}


/* as an API server does it */

static ngx_uint_t
served(replica_t *r)
{
    char         text[32];
    json_t      *json, *meta;
    const char  *has, *sent;

    if (refused) {
        return refused;
    }

    if (strcmp(r->method, "GET") == 0) {
        return stored ? 200 : 404;
    }

    json = json_loads(r->body, 0, NULL);
    meta = json_object_get(json, "metadata");

    if (strcmp(r->method, "POST") == 0) {

        if (stored) {
            json_decref(json);
            return 409;
        }

    } else {

        if (unwritten) {
            json_decref(json);
            return unwritten;
        }

        if (stored == NULL) {
            json_decref(json);
            return 404;
        }

        has = json_string_value(json_object_get(json_object_get(stored,
                                            "metadata"), "resourceVersion"));
        sent = json_string_value(json_object_get(meta, "resourceVersion"));

        if (sent == NULL || has == NULL || strcmp(has, sent) != 0) {
            json_decref(json);
            return 409;
        }
    }

    snprintf(text, sizeof(text), "%u", (unsigned) ++version);
    json_object_set_new(meta, "resourceVersion", json_string(text));

    json_decref(stored);
    stored = json;

    return r->method[1] == 'O' ? 201 : 200;
}


/* answers what waits, status 0: it was lost */

static void
answer(replica_t *r, ngx_uint_t lost)
{
    char           *text;
    ngx_k8s_ask_t  *ask;

    ask = r->ask;

    if (ask == NULL) {
        return;
    }

    r->ask = NULL;

    ask->call = NULL;
    ask->status = lost ? 0 : served(r);
    text = NULL;
    ngx_str_null(&ask->text);

    if (ask->status == 200 || ask->status == 201) {
        text = json_dumps(stored, JSON_COMPACT);
        ask->text.data = (u_char *) text;
        ask->text.len = strlen(text);

    } else if (ask->status >= 400) {
        ngx_str_set(&ask->text, "{\"kind\":\"Status\",\"message\":\"no\"}");
    }

    ask->done(ask);

    free(text);
}


static void
run(ngx_uint_t msec, ngx_uint_t alive)
{
    ngx_uint_t  i, n, busy, asked;

    for (n = 0; n < msec; n += 50) {
        ngx_current_msec += 50;
        ngx_event_expire_timers();

        asked = 0;

        do {
            busy = 0;

            for (i = 0; i < REPLICAS; i++) {
                if (replicas[i].ask && (alive & (1 << i))) {
                    answer(&replicas[i], 0);
                    busy |= (replicas[i].ask != NULL);
                }
            }
        } while (busy && ++asked < RUSH);
    }
}


static void
start(ngx_uint_t n, char *name)
{
    replica_t  *r;

    r = &replicas[n];
    ngx_memzero(r, sizeof(replica_t));

    ngx_str_set(&r->conf.namespace, "web");
    ngx_str_set(&r->conf.name, "leader");
    r->conf.identity.data = (u_char *) name;
    r->conf.identity.len = strlen(name);
    r->conf.duration = 30000;

    r->events.data = r;
    r->events.changed = on_changed;
    r->events.enter = on_turn;
    r->events.leave = on_turn;
    r->events.wrote = on_wrote;

    r->source.data = r;
    r->source.ask = source_ask;
    r->source.unask = source_unask;

    ngx_k8s_lease_start(&r->lease, &r->conf, &r->events, &r->source,
                        &unit_log);
}


static void
stop(ngx_uint_t n)
{
    ngx_k8s_lease_stop(&replicas[n].lease);
}


static json_t *
spec(char *name)
{
    return json_object_get(json_object_get(stored, "spec"), name);
}


#define held(n)  ngx_k8s_lease_held(&replicas[n].lease)
#define holder() (json_string_value(spec("holderIdentity")))


static void
elected(void)
{
    ngx_uint_t  i, both;
    const char *was;

    start(0, "one");
    run(100, 3);

    ok(held(0) && strcmp(holder(), "one") == 0, "the first one leads");
    ok(strcmp(replicas[0].path,
              "/apis/coordination.k8s.io/v1/namespaces/web/leases") == 0,
       "it has made the Lease: %s", replicas[0].path);
    ok(json_integer_value(spec("leaseDurationSeconds")) == 30
       && json_integer_value(spec("leaseTransitions")) == 0
       && json_string_length(spec("acquireTime")) == 27
       && strcmp(json_string_value(spec("acquireTime")),
                 json_string_value(spec("renewTime"))) == 0,
       "with all fields");

    start(1, "two");
    both = 0;

    for (i = 0; i < 120; i++) {
        run(1000, 3);
        both += held(1) || !held(0);
    }

    ok(both == 0, "the second one never does, in two minutes");
    ok(replicas[0].requests <= 2 + 17 && replicas[1].requests <= 17,
       "and neither asks more than each 7.5 s: %u %u",
       (unsigned) replicas[0].requests, (unsigned) replicas[1].requests);

    was = json_string_value(spec("acquireTime"));
    ok(was && strcmp(was, json_string_value(spec("renewTime"))) < 0,
       "what was acquired is renewed");

    /* the first one is cut off */

    for (i = 0; held(0); i++) {
        run(50, 2);
    }

    ok(i * 50 <= 15000, "cut off it ceases to write after %u ms",
       (unsigned) i * 50);

    for (both = 0; !held(1); i++) {
        run(50, 2);
        both += held(0);
    }

    ok(both == 0 && i * 50 > 15000 && i * 50 <= 46000,
       "and another one begins after %u ms", (unsigned) i * 50);
    ok(strcmp(holder(), "two") == 0
       && json_integer_value(spec("leaseTransitions")) == 1,
       "it has the Lease");

    /* its request that was under way is answered now */

    run(60000, 3);

    ok(!held(0) && held(1) && !replicas[0].lease.leader
       && replicas[0].lease.holder.len == 3,
       "back it finds that it has lost it");

    /* who goes leaves it, and one of its name goes on at once */

    stop(1);
    ok(!held(1), "who stops holds nothing");
    start(1, "two");
    run(200, 3);
    ok(held(1) && json_integer_value(spec("leaseTransitions")) == 1,
       "one of the same name goes on at once");
}


static void
written(void)
{
    /* somebody else writes it: who leads finds out by its next renewal */

    json_object_set_new(json_object_get(stored, "spec"), "holderIdentity",
                        json_string("three"));
    json_object_set_new(json_object_get(stored, "metadata"),
                        "resourceVersion", json_string("900"));
    json_object_set_new(json_object_get(stored, "metadata"),
                        "labels", json_pack("{s:s}", "a", "b"));
    version = 900;

    run(8000, 3);
    ok(!held(1) && !held(0), "a Lease that somebody else has taken");

    /* it is never renewed */

    run(60000, 3);
    ok(held(0) != held(1), "one of them has it when its time is over");
    ok(json_integer_value(spec("leaseTransitions")) == 2
       && json_object_size(json_object_get(json_object_get(stored, "metadata"),
                                           "labels")) == 1,
       "and leaves all else in it as it was");

    /* it is deleted */

    json_decref(stored);
    stored = NULL;
    run(30000, 3);
    ok(stored && held(0) != held(1), "a Lease that was deleted is made anew");

    /* the server refuses */

    refused = 403;
    run(16000, 3);
    ok(!held(0) && !held(1), "without the right nobody leads");
    replicas[0].requests = 0;
    run(120000, 3);
    ok(replicas[0].requests <= 5, "it is asked seldom: %u",
       (unsigned) replicas[0].requests);
    ok(replicas[0].lease.reason_len
       && ngx_strnstr(replicas[0].lease.reason, "Lease \"web/leader\"",
                      replicas[0].lease.reason_len),
       "and the reason is known");

    refused = 0;
    run(80000, 3);
    ok(held(0) != held(1) && replicas[0].lease.reason_len == 0,
       "given the right one of them leads");

    /* what is no Lease */

    json_decref(stored);
    stored = json_loads("[]", 0, NULL);
    run(60000, 3);
    ok(!held(0) && !held(1), "an answer that is no Lease");

    json_decref(stored);
    stored = json_loads("{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":7}",
                        0, NULL);
    run(80000, 3);
    ok(held(0) != held(1), "one without a spec is taken");

    stop(0);
    stop(1);

    start(0, "one");
    replicas[0].conf.name.len = 0;
    run(100, 3);
    ok(held(0) && replicas[0].requests == 0, "without a name nothing is asked");
    run(120000, 3);
    ok(held(0), "and it leads for ever");
    stop(0);
}


/* each read finds a Lease that is free, and no write is taken */

static void
unwritable(void)
{
    ngx_uint_t  i, status[] = { 409, 404 };

    for (i = 0; i < 2; i++) {
        json_decref(stored);
        stored = json_loads("{\"metadata\":{\"resourceVersion\":\"1\"}}", 0,
                            NULL);

        unwritten = status[i];

        start(0, "one");
        run(60000, 1);

        ok(!held(0), "a Lease that can be read, but not written (%u)",
           (unsigned) status[i]);
        ok(replicas[0].requests > 2 && replicas[0].requests <= 40,
           "is asked for by turns, not at once: %u",
           (unsigned) replicas[0].requests);

        unwritten = 0;
        run(60000, 1);

        ok(held(0), "it is had once it can be");
        stop(0);
    }
}


/* what others write in it */

static void
odd(void)
{
    start(0, "one");

    json_decref(stored);
    stored = json_loads("{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{"
                        "\"holderIdentity\":\"a\\nb\\u007f\","
                        "\"leaseDurationSeconds\":20,"
                        "\"leaseTransitions\":9223372036854775807}}", 0, NULL);

    run(1000, 1);

    ok(replicas[0].lease.holder.len == 4
       && ngx_memcmp(replicas[0].lease.holder.data, "a b ", 4) == 0,
       "no holder writes a line of the log");

    run(60000, 1);

    ok(held(0) && json_integer_value(spec("leaseTransitions")) == 1,
       "a number that has no next one begins anew");

    stop(0);
}


static void
service(char *text, char *want)
{
    json_t       *json;
    ngx_str_t     status;
    ngx_uint_t    same;
    ngx_pool_t   *pool;
    ngx_array_t   addrs;

    pool = ngx_create_pool(1024, &unit_log);
    (void) ngx_array_init(&addrs, pool, 1, sizeof(ngx_str_t));

    json = json_loads(text, JSON_ALLOW_NUL, NULL);

    (void) ngx_k8s_publish_service(json, &addrs);
    (void) ngx_k8s_publish_status(&addrs, &status, &unit_log);

    same = (status.len == strlen(want)
            && memcmp(status.data, want, status.len) == 0);

    ok(json && same, "%s", text);

    if (!same) {
        printf("# %.*s\n# %s\n", (int) status.len, status.data, want);
    }

    ngx_free(status.data);
    json_decref(json);
    ngx_destroy_pool(pool);
}


#define ONE(what, addr)                                                       \
    "{\"loadBalancer\":{\"ingress\":[{\"" what "\":\"" addr "\"}]}}"
#define TWO(what, addr, what2, addr2)                                         \
    "{\"loadBalancer\":{\"ingress\":[{\"" what "\":\"" addr "\"},"            \
    "{\"" what2 "\":\"" addr2 "\"}]}}"
#define NONE  "{\"loadBalancer\":{}}"


/* as ingress-nginx was seen to do it, but for what an API server refuses */

static void
services(void)
{
    service("{\"spec\":{\"type\":\"LoadBalancer\","
            "\"clusterIP\":\"10.96.0.1\"}}", NONE);
    service("{\"spec\":{\"type\":\"LoadBalancer\"},\"status\":{"
            "\"loadBalancer\":{\"ingress\":[{\"hostname\":\"lb.example.com\"},"
            "{\"ip\":\"192.0.2.10\",\"ipMode\":\"VIP\",\"ports\":[]}]}}}",
            TWO("ip", "192.0.2.10", "hostname", "lb.example.com"));
    service("{\"spec\":{\"type\":\"LoadBalancer\",\"externalIPs\":["
            "\"198.51.100.7\",\"192.0.2.10\"]},\"status\":{\"loadBalancer\":{"
            "\"ingress\":[{\"ip\":\"192.0.2.10\"}]}}}",
            TWO("ip", "192.0.2.10", "ip", "198.51.100.7"));
    service("{\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"10.96.49.24\","
            "\"externalIPs\":[\"198.51.100.7\"]}}", ONE("ip", "10.96.49.24"));
    service("{\"spec\":{\"clusterIP\":\"2001:db8::1\"}}",
            ONE("ip", "2001:db8::1"));
    service("{\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"None\"}}", NONE);
    service("{\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"10.96.26.162\"}}",
            ONE("ip", "10.96.26.162"));
    service("{\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"10.96.26.162\","
            "\"externalIPs\":[\"198.51.100.9\"]}}",
            ONE("ip", "198.51.100.9"));
    service("{\"spec\":{\"type\":\"ExternalName\","
            "\"externalName\":\"lb.example.net\"}}",
            ONE("hostname", "lb.example.net"));
    service("{\"spec\":{\"type\":\"ExternalName\","
            "\"externalName\":\"203.0.113.5\"}}", ONE("ip", "203.0.113.5"));

    /* nothing that is no address, however it is written */

    service("{\"spec\":{\"clusterIP\":7}}", NONE);
    service("{\"spec\":{\"clusterIP\":\"\"}}", NONE);
    service("{\"spec\":[]}", NONE);
    service("[]", NONE);
    service("{\"spec\":{\"type\":\"LoadBalancer\",\"externalIPs\":[{},7,null,"
            "\"a\\\"b\",\"\\u0000\",\"x y\",\"192.0.2.1\"]},\"status\":{"
            "\"loadBalancer\":{\"ingress\":[7,{\"ip\":7},{\"hostname\":[]}]}}}",
            ONE("ip", "192.0.2.1"));
}


int
main(void)
{
    unit_init();
    ngx_event_timer_init(&unit_log);
    unit_log.log_level = NGX_LOG_EMERG;
    ngx_current_msec = 1000;

    elected();
    written();
    unwritable();
    odd();
    services();

    json_decref(stored);

    return done();
}
