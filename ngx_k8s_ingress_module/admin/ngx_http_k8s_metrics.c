
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * /metrics: Prometheus text.  What ingress-nginx exports has its name and its
 * labels here; the rest begins with nginx_ingress_k8s_.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_metrics.h>
#include <ngx_k8s_type.h>


#define NGX_HTTP_K8S_CONTROLLER                                               \
    "controller_namespace, controller_class, controller_pod"


static ngx_int_t ngx_http_k8s_metric_table(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_stale(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_bytes(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_records(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_words(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_sync(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_degraded(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_problems(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_states(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_writes(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_limited(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_clients(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);
static ngx_int_t ngx_http_k8s_metric_turns(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m);


#define NGX_HTTP_K8S_SYNC_OBJECTS    0
#define NGX_HTTP_K8S_SYNC_SYNCED     1
#define NGX_HTTP_K8S_SYNC_REFUSALS   2
#define NGX_HTTP_K8S_SYNC_CONNECTED  3
#define NGX_HTTP_K8S_SYNC_LISTS      4
#define NGX_HTTP_K8S_SYNC_WATCHES    5
#define NGX_HTTP_K8S_SYNC_ERRORS     6

#define ngx_http_k8s_table_field(f)  offsetof(ngx_k8s_table_t, f)
#define ngx_http_k8s_word_field(f)   offsetof(ngx_k8s_word_t, f)


ngx_http_k8s_metric_t  ngx_http_k8s_metrics[] = {

    { ngx_string("nginx_ingress_controller_requests"),
      ngx_string("counter"),
      ngx_string("Requests of clients, by the rule that matched"),
      ngx_string(NGX_HTTP_K8S_CONTROLLER ", status, method, path, namespace, "
                 "ingress, service, canary, host"),
      ngx_http_k8s_metric_requests, 0, 0 },

    { ngx_string("nginx_ingress_controller_response_duration_seconds"),
      ngx_string("histogram"),
      ngx_string("Time of backends for these requests, of all tries; without "
                 "buckets"),
      ngx_string(NGX_HTTP_K8S_CONTROLLER ", status, method, path, namespace, "
                 "ingress, service, canary, host, le"),
      ngx_http_k8s_metric_durations, 0, 0 },

    { ngx_string("nginx_ingress_controller_ssl_expire_time_seconds"),
      ngx_string("gauge"),
      ngx_string("When the certificate of a host expires, seconds since 1970"),
      ngx_string(NGX_HTTP_K8S_CONTROLLER ", class, host, namespace, "
                 "secret_name, identifier"),
      ngx_http_k8s_metric_expire, 0, 0 },

    { ngx_string("nginx_ingress_controller_orphan_ingress"),
      ngx_string("gauge"),
      ngx_string("1 for an Ingress with a backend that does not exist "
                 "(no-service) or has no endpoint (no-endpoint)"),
      ngx_string(NGX_HTTP_K8S_CONTROLLER ", namespace, ingress, type"),
      ngx_http_k8s_metric_orphan, 0, 0 },

    { ngx_string("nginx_ingress_controller_leader_election_status"),
      ngx_string("gauge"),
      ngx_string("1 where this nginx writes statuses and Events, 0 where "
                 "another one does; name is that of the Lease"),
      ngx_string(NGX_HTTP_K8S_CONTROLLER ", name"),
      ngx_http_k8s_metric_leader, 0, 0 },

#if (NGX_STAT_STUB)

    { ngx_string("nginx_ingress_controller_nginx_process_connections"),
      ngx_string("gauge"),
      ngx_string("Client connections by state: active, reading, writing, "
                 "waiting"),
      ngx_string(NGX_HTTP_K8S_CONTROLLER ", state"),
      ngx_http_k8s_metric_stub, NGX_HTTP_K8S_STUB_STATES,
      NGX_HTTP_K8S_METRIC_ONCE },

    { ngx_string("nginx_ingress_controller_nginx_process_connections_total"),
      ngx_string("counter"),
      ngx_string("Client connections accepted, and handled, since the start"),
      ngx_string(NGX_HTTP_K8S_CONTROLLER ", state"),
      ngx_http_k8s_metric_stub, NGX_HTTP_K8S_STUB_TOTAL,
      NGX_HTTP_K8S_METRIC_ONCE },

    { ngx_string("nginx_ingress_controller_nginx_process_requests_total"),
      ngx_string("counter"),
      ngx_string("Requests of clients since the start, of all servers"),
      ngx_string(NGX_HTTP_K8S_CONTROLLER),
      ngx_http_k8s_metric_stub, NGX_HTTP_K8S_STUB_REQUESTS,
      NGX_HTTP_K8S_METRIC_ONCE },

#endif

    { ngx_string("nginx_ingress_k8s_ready"),
      ngx_string("gauge"),
      ngx_string("1 once all required kinds were listed and published"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(ready), 0 },

    { ngx_string("nginx_ingress_k8s_degraded"),
      ngx_string("gauge"),
      ngx_string("1 when the API server refuses a kind"),
      ngx_string("block"),
      ngx_http_k8s_metric_degraded, 0, 0 },

    { ngx_string("nginx_ingress_k8s_table_version"),
      ngx_string("gauge"),
      ngx_string("Version of the route table, raised by each publication"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(version), 0 },

    { ngx_string("nginx_ingress_k8s_table_changes_total"),
      ngx_string("counter"),
      ngx_string("Records of the table that were swapped"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(changes), 0 },

    { ngx_string("nginx_ingress_k8s_watcher_starts_total"),
      ngx_string("counter"),
      ngx_string("How often a worker became the watcher: the first time, and "
                 "after a reload or a crash"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(reloads), 0 },

    { ngx_string("nginx_ingress_k8s_table_bytes"),
      ngx_string("gauge"),
      ngx_string("Bytes of the zone that records may take, by state: used, "
                 "free, unreclaimed (replaced, perhaps still read)"),
      ngx_string("block, state"),
      ngx_http_k8s_metric_bytes, 0, 0 },

    { ngx_string("nginx_ingress_k8s_table_largest_free_bytes"),
      ngx_string("gauge"),
      ngx_string("The largest free extent of the zone"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(largest), 0 },

    { ngx_string("nginx_ingress_k8s_table_records"),
      ngx_string("gauge"),
      ngx_string("Records of the table by index"),
      ngx_string("block, index"),
      ngx_http_k8s_metric_records, 0, 0 },

    { ngx_string("nginx_ingress_k8s_pins_total"),
      ngx_string("counter"),
      ngx_string("How often processes pinned the table"),
      ngx_string("block"),
      ngx_http_k8s_metric_words, ngx_http_k8s_word_field(pins), 0 },

    { ngx_string("nginx_ingress_k8s_requests_uncounted_total"),
      ngx_string("counter"),
      ngx_string("Requests that found no free counter and are missing in "
                 "nginx_ingress_controller_requests"),
      ngx_string("block"),
      ngx_http_k8s_metric_words, ngx_http_k8s_word_field(dropped), 0 },

    { ngx_string("nginx_ingress_k8s_objects"),
      ngx_string("gauge"),
      ngx_string("Objects known, by kind"),
      ngx_string("block, kind"),
      ngx_http_k8s_metric_sync, NGX_HTTP_K8S_SYNC_OBJECTS, 0 },

    { ngx_string("nginx_ingress_k8s_synced"),
      ngx_string("gauge"),
      ngx_string("1 when a kind was listed whole"),
      ngx_string("block, kind"),
      ngx_http_k8s_metric_sync, NGX_HTTP_K8S_SYNC_SYNCED, 0 },

    { ngx_string("nginx_ingress_k8s_refused"),
      ngx_string("gauge"),
      ngx_string("1 when the API server refuses a kind (403, 404)"),
      ngx_string("block, kind"),
      ngx_http_k8s_metric_sync, NGX_HTTP_K8S_SYNC_REFUSALS, 0 },

    { ngx_string("nginx_ingress_k8s_watch_connected"),
      ngx_string("gauge"),
      ngx_string("1 when a watch of the kind stands"),
      ngx_string("block, kind"),
      ngx_http_k8s_metric_sync, NGX_HTTP_K8S_SYNC_CONNECTED, 0 },

    { ngx_string("nginx_ingress_k8s_lists_total"),
      ngx_string("counter"),
      ngx_string("Lists made of a kind"),
      ngx_string("block, kind"),
      ngx_http_k8s_metric_sync, NGX_HTTP_K8S_SYNC_LISTS, 0 },

    { ngx_string("nginx_ingress_k8s_watches_total"),
      ngx_string("counter"),
      ngx_string("Watches started of a kind"),
      ngx_string("block, kind"),
      ngx_http_k8s_metric_sync, NGX_HTTP_K8S_SYNC_WATCHES, 0 },

    { ngx_string("nginx_ingress_k8s_source_errors_total"),
      ngx_string("counter"),
      ngx_string("Lists and watches of a kind that failed"),
      ngx_string("block, kind"),
      ngx_http_k8s_metric_sync, NGX_HTTP_K8S_SYNC_ERRORS, 0 },

    { ngx_string("nginx_ingress_k8s_ingresses"),
      ngx_string("gauge"),
      ngx_string("Ingresses by state: served, and why others are not, as on "
                 "/status"),
      ngx_string("block, state"),
      ngx_http_k8s_metric_states, 0, 0 },

    { ngx_string("nginx_ingress_k8s_problems"),
      ngx_string("gauge"),
      ngx_string("Problems of objects, by code and its severity: error, "
                 "warning, note"),
      ngx_string("block, code, severity"),
      ngx_http_k8s_metric_problems, 0, 0 },

    { ngx_string("nginx_ingress_k8s_problems_dropped_total"),
      ngx_string("counter"),
      ngx_string("Problems that found no room in the table"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(problems_dropped),
      0 },

    { ngx_string("nginx_ingress_k8s_writes_total"),
      ngx_string("counter"),
      ngx_string("Requests that write to the API server, or ask for the Lease, "
                 "by what (lease, status, event) and result: written, conflict "
                 "(another one was quicker, or it has gone), refused (a right "
                 "is missing), failed"),
      ngx_string("block, what, result"),
      ngx_http_k8s_metric_writes, 0, 0 },

    { ngx_string("nginx_ingress_k8s_status_addresses"),
      ngx_string("gauge"),
      ngx_string("Addresses that are written into the status of Ingresses; 0 "
                 "where another one writes, or none is known"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(addresses), 0 },

    { ngx_string("nginx_ingress_k8s_snapshot_age_seconds"),
      ngx_string("gauge"),
      ngx_string("How old the routes are while they are those of a snapshot, "
                 "0 when they are those of the source"),
      ngx_string("block"),
      ngx_http_k8s_metric_stale, 0, 0 },

    { ngx_string("nginx_ingress_k8s_snapshot_written_time_seconds"),
      ngx_string("gauge"),
      ngx_string("When the snapshot file was last written, seconds since "
                 "1970, 0: not yet"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(saved), 0 },

    { ngx_string("nginx_ingress_k8s_snapshot_errors_total"),
      ngx_string("counter"),
      ngx_string("Times that the snapshot file could not be written"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(save_errors), 0 },

    { ngx_string("nginx_ingress_k8s_limited_requests_total"),
      ngx_string("counter"),
      ngx_string("Requests over a limit of an Ingress, by its annotation: "
                 "refused, or let through as a dry run"),
      ngx_string("block, limit, dry_run"),
      ngx_http_k8s_metric_limited, 0, 0 },

    { ngx_string("nginx_ingress_k8s_limit_clients"),
      ngx_string("gauge"),
      ngx_string("Rates of clients that the zone of limits remembers (used, "
                 "an estimate), and has room for (free)"),
      ngx_string("block, state"),
      ngx_http_k8s_metric_clients, 0, 0 },

    { ngx_string("nginx_ingress_k8s_watcher_turn_seconds"),
      ngx_string("histogram"),
      ngx_string("Turns of the watcher's event loop that had work, by length"),
      ngx_string("block, le"),
      ngx_http_k8s_metric_turns, 0, 0 },

    { ngx_string("nginx_ingress_k8s_watcher_turn_longest_microseconds"),
      ngx_string("gauge"),
      ngx_string("The longest turn of the watcher's event loop"),
      ngx_string("block"),
      ngx_http_k8s_metric_table, ngx_http_k8s_table_field(turns_max), 0 },

    { ngx_null_string, ngx_null_string, ngx_null_string, ngx_null_string,
      NULL, 0, 0 }
};


/* one piece of the metric a->section for the block a->n */

ngx_int_t
ngx_http_k8s_metrics_step(ngx_http_k8s_admin_t *a)
{
    ngx_int_t               rc;
    ngx_http_k8s_metric_t  *m;

    m = &ngx_http_k8s_metrics[a->section];

    if (m->name.len == 0) {
        return NGX_OK;
    }

    if (a->n == 0 && a->state == 0) {
        ngx_http_k8s_printf(a, "# HELP %V %V\n# TYPE %V %V\n", &m->name,
                            &m->help, &m->name, &m->type);
    }

    if (a->state == 0) {
        ngx_http_k8s_walk_begin(a, NULL);
        ngx_memzero(a->counts, sizeof(a->counts));
        a->item = 0;
        a->state = 1;
    }

    rc = NGX_OK;

    if (a->n < a->nblocks) {
        a->table = ngx_k8s_pin(a->blocks[a->n]);

        if (a->table || (m->flags & NGX_HTTP_K8S_METRIC_ONCE)) {
            rc = m->handler(a, m);
        }
    }

    if (rc != NGX_OK) {
        return rc;
    }

    a->state = 0;
    a->n++;

    if (a->n >= a->nblocks || (m->flags & NGX_HTTP_K8S_METRIC_ONCE)) {
        a->n = 0;
        a->section++;
    }

    return NGX_AGAIN;
}


/* a word of the table's head */

static ngx_int_t
ngx_http_k8s_metric_table(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_atomic_t  *value;

    value = (ngx_atomic_t *) ((u_char *) a->table + m->data);

    ngx_http_k8s_metric_head(a, m);
    ngx_http_k8s_metric_block(a);
    ngx_http_k8s_printf(a, "} %uA\n", *value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_stale(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    time_t  age;

    age = a->table->restored ? ngx_time() - (time_t) a->table->restored : 0;

    ngx_http_k8s_metric_head(a, m);
    ngx_http_k8s_metric_block(a);
    ngx_http_k8s_printf(a, "} %T\n", age);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_bytes(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    uint64_t    total, values[3];
    ngx_uint_t  i;

    static char  *states[] = { "used", "unreclaimed", "free" };

    total = a->table->size - a->table->heap;
    values[0] = a->table->used;
    values[1] = a->table->unreclaimed;
    values[2] = (values[0] + values[1] < total)
                ? total - values[0] - values[1] : 0;

    for (i = 0; i < 3; i++) {
        ngx_http_k8s_metric_head(a, m);
        ngx_http_k8s_printf(a, "state=\"%s\",", states[i]);
        ngx_http_k8s_metric_block(a);
        ngx_http_k8s_printf(a, "} %uL\n", values[i]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_records(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_INDEXES; i++) {
        ngx_http_k8s_metric_head(a, m);
        ngx_http_k8s_printf(a, "index=\"%V\",",
                            &ngx_k8s_record_types[i].name);
        ngx_http_k8s_metric_block(a);
        ngx_http_k8s_printf(a, "} %uD\n", a->table->counts[i]);
    }

    return NGX_OK;
}


/* a sum over all processes that there were */

static ngx_int_t
ngx_http_k8s_metric_words(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    uint64_t         sum;
    ngx_uint_t       i;
    ngx_k8s_word_t  *word;

    word = (ngx_k8s_word_t *) ((u_char *) a->table + a->table->words);
    sum = 0;

    for (i = 0; i < NGX_K8S_WORDS; i++) {
        sum += *(ngx_atomic_t *) ((u_char *) &word[i] + m->data);
    }

    ngx_http_k8s_metric_head(a, m);
    ngx_http_k8s_metric_block(a);
    ngx_http_k8s_printf(a, "} %uL\n", sum);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_sync(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    uint64_t         value;
    ngx_str_t        s;
    ngx_k8s_sync_t  *sync;

    for ( ;; ) {

        sync = ngx_k8s_table_next(a->table, NGX_K8S_INDEX_SYNC, &a->cursor);
        if (sync == NULL) {
            return NGX_OK;
        }

        switch (m->data) {

        case NGX_HTTP_K8S_SYNC_OBJECTS:
            value = sync->objects;
            break;

        case NGX_HTTP_K8S_SYNC_SYNCED:
            value = (sync->state == NGX_K8S_SYNC_LISTED);
            break;

        case NGX_HTTP_K8S_SYNC_REFUSALS:
            value = (sync->state == NGX_K8S_SYNC_REFUSED);
            break;

        case NGX_HTTP_K8S_SYNC_CONNECTED:
            value = (sync->connected != 0);
            break;

        case NGX_HTTP_K8S_SYNC_LISTS:
            value = sync->lists;
            break;

        case NGX_HTTP_K8S_SYNC_WATCHES:
            value = sync->watches;
            break;

        default: /* NGX_HTTP_K8S_SYNC_ERRORS */
            value = sync->errors;
        }

        s = ngx_http_k8s_str(sync, &sync->kind);

        ngx_http_k8s_metric_head(a, m);
        ngx_http_k8s_metric_label(a, "kind", &s);
        ngx_http_k8s_puts(a, ",");
        ngx_http_k8s_metric_block(a);
        ngx_http_k8s_printf(a, "} %uL\n", value);
    }
}


static ngx_int_t
ngx_http_k8s_metric_degraded(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_uint_t       refused;
    ngx_k8s_sync_t  *sync;

    refused = 0;

    for ( ;; ) {

        sync = ngx_k8s_table_next(a->table, NGX_K8S_INDEX_SYNC, &a->cursor);
        if (sync == NULL) {
            break;
        }

        if (sync->state == NGX_K8S_SYNC_REFUSED) {
            refused = 1;
        }
    }

    ngx_http_k8s_metric_head(a, m);
    ngx_http_k8s_metric_block(a);
    ngx_http_k8s_printf(a, "} %ui\n", refused);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_problems(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_k8s_problem_rec_t   *rec;
    ngx_k8s_problem_code_t  *code;
    ngx_k8s_problem_item_t  *item;

    rc = ngx_http_k8s_walk(a, NGX_K8S_INDEX_PROBLEM);

    if (rc == NGX_OK) {
        rec = a->record;
        item = ngx_k8s_record_at(rec, rec->items.offset);

        for (i = 0; i < rec->items.n; i++) {
            if (item[i].code < NGX_K8S_PROBLEMS) {
                a->counts[item[i].code]++;
            }
        }

        return NGX_AGAIN;
    }

    if (rc != NGX_DONE) {
        return rc;
    }

    for (i = 0; i < NGX_K8S_PROBLEMS; i++) {
        ngx_http_k8s_metric_head(a, m);
        code = &ngx_k8s_problem_codes[i];
        ngx_http_k8s_metric_label(a, "code", &code->name);
        ngx_http_k8s_puts(a, ",");
        ngx_http_k8s_metric_label(a, "severity",
                                  &ngx_k8s_severities[code->severity]);
        ngx_http_k8s_puts(a, ",");
        ngx_http_k8s_metric_block(a);
        ngx_http_k8s_printf(a, "} %uL\n", a->counts[i]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_states(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_STATES; i++) {
        ngx_http_k8s_metric_head(a, m);
        ngx_http_k8s_metric_label(a, "state", &ngx_k8s_states[i]);
        ngx_http_k8s_puts(a, ",");
        ngx_http_k8s_metric_block(a);
        ngx_http_k8s_printf(a, "} %uA\n", a->table->states[i]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_writes(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_uint_t  i, n;

    for (i = 0; i < NGX_K8S_WROTE_WHAT; i++) {
        for (n = 0; n < NGX_K8S_WROTE_RESULTS; n++) {
            ngx_http_k8s_metric_head(a, m);
            ngx_http_k8s_metric_label(a, "what", &ngx_k8s_wrote_what[i]);
            ngx_http_k8s_metric_label(a, ",result",
                                      &ngx_k8s_wrote_results[n]);
            ngx_http_k8s_puts(a, ",");
            ngx_http_k8s_metric_block(a);
            ngx_http_k8s_printf(a, "} %uA\n", a->table->wrote[i][n]);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_limited(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_uint_t         i;
    ngx_k8s_limits_t  *limits;

    limits = a->blocks[a->n]->limits;

    for (i = 0; i < 2 * NGX_K8S_LIMIT_KINDS; i++) {
        ngx_http_k8s_metric_head(a, m);
        ngx_http_k8s_printf(a, "limit=\"%V\",dry_run=\"%s\",",
                            &ngx_k8s_limit_names[i / 2],
                            i % 2 ? "true" : "false");
        ngx_http_k8s_metric_block(a);
        ngx_http_k8s_printf(a, "} %uA\n", limits->refused[i / 2][i % 2]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_clients(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_uint_t  used, total;

    total = ngx_k8s_limits_clients(a->blocks[a->n]->limits,
                                   (uint64_t) ngx_current_msec * 1000, &used);

    ngx_http_k8s_metric_head(a, m);
    ngx_http_k8s_printf(a, "state=\"used\",");
    ngx_http_k8s_metric_block(a);
    ngx_http_k8s_printf(a, "} %ui\n", used);

    ngx_http_k8s_metric_head(a, m);
    ngx_http_k8s_printf(a, "state=\"free\",");
    ngx_http_k8s_metric_block(a);
    ngx_http_k8s_printf(a, "} %ui\n", total - used);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metric_turns(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    uint64_t    sum;
    ngx_uint_t  i, bound;

    sum = 0;

    for (i = 0; i < NGX_K8S_TURN_BUCKETS; i++) {
        sum += a->table->turns[i];

        ngx_http_k8s_printf(a, "%V_bucket{", &m->name);
        ngx_http_k8s_metric_block(a);

        if (i < NGX_K8S_TURN_BUCKETS - 1) {
            bound = ngx_k8s_turn_bounds[i];
            ngx_http_k8s_printf(a, ",le=\"%ui.%06ui\"} %uL\n",
                                bound / 1000000, bound % 1000000, sum);

        } else {
            ngx_http_k8s_printf(a, ",le=\"+Inf\"} %uL\n", sum);
        }
    }

    ngx_http_k8s_printf(a, "%V_sum{", &m->name);
    ngx_http_k8s_metric_block(a);
    ngx_http_k8s_printf(a, "} %uA.%06uA\n", a->table->turns_sum / 1000000,
                        a->table->turns_sum % 1000000);

    ngx_http_k8s_printf(a, "%V_count{", &m->name);
    ngx_http_k8s_metric_block(a);
    ngx_http_k8s_printf(a, "} %uL\n", sum);

    return NGX_OK;
}
