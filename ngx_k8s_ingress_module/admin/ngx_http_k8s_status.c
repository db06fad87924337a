
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * /status: all that is routed and all that is wrong, as JSON.
 *
 *   ?namespace=NS  what Ingresses of that namespace made
 *   ?host=HOST     that host record, behind that of an alias the host's, with
 *                  its services, certificates, policies and problems
 *   ?block=NAME    that block
 *   ?problems=1    problems alone
 *   ?canonical=1   sorted by key and without versions, counters and times, so
 *                  that two instances with the same objects answer alike
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_status.h>
#include <ngx_k8s_router.h>

#include <openssl/evp.h>
#include <openssl/sha.h>


typedef struct {
    ngx_str_t                name;       /* "hosts" */
    ngx_uint_t               index;
    /* writes a piece of a->record; NGX_AGAIN when there is more of it */
    ngx_int_t              (*emit)(ngx_http_k8s_admin_t *a);
} ngx_http_k8s_status_section_t;


static ngx_int_t ngx_http_k8s_status_arg(ngx_http_request_t *r, char *name,
    ngx_str_t *value);
static ngx_uint_t ngx_http_k8s_status_flag(ngx_http_request_t *r, char *name);
static ngx_int_t ngx_http_k8s_status_block(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_status_snapshot(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_status_states(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_status_writes(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_status_section(ngx_http_k8s_admin_t *a);
static ngx_array_t *ngx_http_k8s_status_hosts(ngx_http_k8s_admin_t *a);
static ngx_int_t ngx_http_k8s_status_regex(void *data, ngx_uint_t what,
    ngx_str_t *pattern, ngx_str_t *text);
static ngx_int_t ngx_http_k8s_status_sync(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_status_time(ngx_http_k8s_admin_t *a, time_t t);
static ngx_int_t ngx_http_k8s_status_service(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_status_spread(ngx_http_k8s_admin_t *a,
    ngx_k8s_service_rec_t *rec);
static void ngx_http_k8s_status_endpoint(ngx_http_k8s_admin_t *a,
    ngx_k8s_service_rec_t *rec, ngx_k8s_endpoint_rec_t *ep);
static ngx_int_t ngx_http_k8s_status_certificate(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_status_validity(ngx_http_k8s_admin_t *a,
    ngx_k8s_certificate_t *rec);
static ngx_int_t ngx_http_k8s_status_policy(ngx_http_k8s_admin_t *a);


static ngx_http_k8s_status_section_t  ngx_http_k8s_status_sections[] = {
    { ngx_string("sync"), NGX_K8S_INDEX_SYNC, ngx_http_k8s_status_sync },
    { ngx_string("hosts"), NGX_K8S_INDEX_HOST, ngx_http_k8s_status_host },
    { ngx_string("services"), NGX_K8S_INDEX_SERVICE,
      ngx_http_k8s_status_service },
    { ngx_string("certificates"), NGX_K8S_INDEX_CERTIFICATE,
      ngx_http_k8s_status_certificate },
    { ngx_string("policies"), NGX_K8S_INDEX_POLICY,
      ngx_http_k8s_status_policy },
    { ngx_string("problems"), NGX_K8S_INDEX_PROBLEM,
      ngx_http_k8s_status_problem },
    { ngx_null_string, 0, NULL }
};


/* states of a step: a->section is above the last one between two blocks */

#define NGX_HTTP_K8S_STATUS_START    0
#define NGX_HTTP_K8S_STATUS_BLOCK    1
#define NGX_HTTP_K8S_STATUS_WALK     2
#define NGX_HTTP_K8S_STATUS_RECORD   3


ngx_int_t
ngx_http_k8s_status_init(ngx_http_k8s_admin_t *a)
{
    u_char              *buf;
    ngx_str_t            name, host;
    ngx_int_t            named;
    ngx_uint_t           n;
    ngx_http_request_t  *r;

    r = a->request;

    named = ngx_http_k8s_status_arg(r, "block", &name);

    if (named == NGX_ERROR
        || ngx_http_k8s_status_arg(r, "namespace", &a->namespace) == NGX_ERROR
        || ngx_http_k8s_status_arg(r, "host", &a->host) == NGX_ERROR)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (named == NGX_OK) {

        for (n = 0; n < a->nblocks; n++) {
            if (ngx_http_k8s_str_eq(&a->blocks[n]->name, &name)) {
                break;
            }
        }

        a->blocks += n;
        a->nblocks = (n < a->nblocks) ? 1 : 0;
    }

    a->canonical = ngx_http_k8s_status_flag(r, "canonical");
    a->problems = ngx_http_k8s_status_flag(r, "problems");

    if (ngx_http_arg(r, (u_char *) "host", 4, &host) != NGX_OK) {
        return NGX_OK;
    }

    /* "" is the catch-all host, "*.example.com" a record of its own */

    a->by_host = 1;
    a->problems = 0;

    buf = ngx_pnalloc(r->pool, 256);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (a->host.len
        && ngx_k8s_route_host_name(buf, &a->host, &a->key) != NGX_OK)
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (a->key.len > 1 && a->key.data[0] == '*') {
        a->key.data++;
        a->key.len--;
    }

    if (ngx_array_init(&a->services, r->pool, 8, sizeof(uint32_t)) != NGX_OK
        || ngx_array_init(&a->certificates, r->pool, 4, sizeof(uint32_t))
           != NGX_OK
        || ngx_array_init(&a->policies, r->pool, 4, sizeof(uint32_t))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_status_arg(ngx_http_request_t *r, char *name, ngx_str_t *value)
{
    u_char     *dst, *src;
    ngx_str_t   raw;

    ngx_str_null(value);

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK) {
        return NGX_DECLINED;
    }

    dst = ngx_pnalloc(r->pool, raw.len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    value->data = dst;
    src = raw.data;

    ngx_unescape_uri(&dst, &src, raw.len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_status_flag(ngx_http_request_t *r, char *name)
{
    ngx_str_t  value;

    return ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value) == NGX_OK
           && value.len == 1 && value.data[0] == '1';
}


ngx_int_t
ngx_http_k8s_status_step(ngx_http_k8s_admin_t *a)
{
    ngx_int_t                       rc;
    ngx_http_k8s_status_section_t  *section;

    if (a->n == a->nblocks) {

        if (a->nblocks == 0) {
            ngx_http_k8s_puts(a, "{\"blocks\":[");
        }

        ngx_http_k8s_puts(a, "]}\n");
        return NGX_OK;
    }

    a->table = ngx_k8s_pin(a->blocks[a->n]);

    if (a->state == NGX_HTTP_K8S_STATUS_START) {
        return ngx_http_k8s_status_block(a);
    }

    section = &ngx_http_k8s_status_sections[a->section];

    if (section->name.len == 0 || a->table == NULL) {
        ngx_http_k8s_puts(a, "}");
        a->n++;
        a->state = NGX_HTTP_K8S_STATUS_START;
        return NGX_AGAIN;
    }

    if (a->state == NGX_HTTP_K8S_STATUS_BLOCK) {
        ngx_http_k8s_status_section(a);
        return NGX_AGAIN;
    }

    if (a->state == NGX_HTTP_K8S_STATUS_WALK) {
        rc = ngx_http_k8s_walk(a, section->index);

        if (rc == NGX_DONE) {
            ngx_http_k8s_puts(a, "\n]");
            ngx_http_k8s_walk_end(a);
            a->state = NGX_HTTP_K8S_STATUS_BLOCK;
            a->section++;
            return NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        a->state = NGX_HTTP_K8S_STATUS_RECORD;
    }

    rc = section->emit(a);

    if (rc == NGX_OK) {
        a->state = NGX_HTTP_K8S_STATUS_WALK;
    }

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_AGAIN;
}


static ngx_int_t
ngx_http_k8s_status_block(ngx_http_k8s_admin_t *a)
{
    ngx_k8s_table_t  *table;

    table = a->table;

    if (a->n) {
        ngx_http_k8s_puts(a, ",");

    } else {
        ngx_http_k8s_puts(a, "{\"blocks\":[");
    }

    ngx_http_k8s_puts(a, "\n{\"name\":");
    ngx_http_k8s_json(a, &a->blocks[a->n]->name);

    if (table) {
        ngx_http_k8s_printf(a, ",\"ready\":%s",
                            table->ready ? "true" : "false");
    }

    if (table && !a->canonical) {
        ngx_http_k8s_printf(a, ",\"version\":%uA,\"watcher_pid\":%uA"
                            ",\"watcher_starts\":%uA",
                            table->version, table->writer_pid,
                            table->reloads);
        ngx_http_k8s_printf(a, ",\"bytes\":{\"total\":%uL,\"used\":%uA"
                            ",\"unreclaimed\":%uA,\"largest_free\":%uA}",
                            table->size - table->heap, table->used,
                            table->unreclaimed, table->largest);
        ngx_http_k8s_status_snapshot(a);
        ngx_http_k8s_status_states(a);
    }

    if (table && !a->canonical) {
        ngx_http_k8s_status_writes(a);
    }

    if (table) {
        ngx_http_k8s_printf(a, ",\"problems_dropped\":%uA",
                            table->problems_dropped);
    }

    a->section = 0;
    a->state = NGX_HTTP_K8S_STATUS_BLOCK;

    if (a->problems) {
        while (ngx_http_k8s_status_sections[a->section].index
               != NGX_K8S_INDEX_PROBLEM)
        {
            a->section++;
        }
    }

    if (a->by_host) {
        a->services.nelts = 0;
        a->certificates.nelts = 0;
        a->policies.nelts = 0;
        ngx_rbtree_init(&a->ingresses, &a->ingresses_sentinel,
                        ngx_str_rbtree_insert_value);
    }

    return NGX_AGAIN;
}


/* seconds: how old routes of a snapshot are, and when one was last written */

static void
ngx_http_k8s_status_snapshot(ngx_http_k8s_admin_t *a)
{
    ngx_k8s_table_t  *table;

    table = a->table;

    ngx_http_k8s_puts(a, ",\"snapshot\":{\"age\":");

    if (table->restored) {
        ngx_http_k8s_printf(a, "%T", ngx_time() - (time_t) table->restored);

    } else {
        ngx_http_k8s_puts(a, "null");
    }

    ngx_http_k8s_puts(a, ",\"written\":");

    if (table->saved) {
        ngx_http_k8s_status_time(a, table->saved);

    } else {
        ngx_http_k8s_puts(a, "null");
    }

    ngx_http_k8s_printf(a, ",\"errors\":%uA}", table->save_errors);
}


/* how many Ingresses were read, and what has become of them */

static void
ngx_http_k8s_status_states(ngx_http_k8s_admin_t *a)
{
    uint64_t    read;
    ngx_uint_t  i;

    read = 0;

    for (i = 0; i < NGX_K8S_STATES; i++) {
        read += (i == NGX_K8S_STATE_UNREADABLE) ? 0 : a->table->states[i];
    }

    ngx_http_k8s_printf(a, ",\"ingresses\":{\"read\":%uL", read);

    for (i = 0; i < NGX_K8S_STATES; i++) {
        ngx_http_k8s_printf(a, ",\"%V\":%uA", &ngx_k8s_states[i],
                            a->table->states[i]);
    }

    ngx_http_k8s_puts(a, "}");
}


/*
 * The record with the name that is asked for, behind it the host that an alias
 * stands for; where there is none, the host that takes the name by a regular
 * expression.
 */

static ngx_array_t *
ngx_http_k8s_status_hosts(ngx_http_k8s_admin_t *a)
{
    size_t                len;
    u_char                buf[NGX_K8S_KEY_MAX];
    uint32_t              route_set, *slot;
    ngx_str_t             name;
    ngx_array_t          *slots;
    ngx_k8s_host_t       *rec, *host, *named;
    ngx_k8s_route_key_t   key;

    slots = ngx_array_create(a->request->pool, 2, sizeof(uint32_t));
    if (slots == NULL) {
        return NULL;
    }

    slot = slots->elts;
    route_set = a->blocks[a->n]->route_set;

    len = ngx_k8s_key_host(buf, route_set, NGX_K8S_CLASS_HTTP, &a->key);

    rec = ngx_k8s_table_find(a->table, NGX_K8S_INDEX_HOST, buf, len, slot);

    slots->nelts = (rec != NULL);

    if (a->key.len == 0 || (rec && !(rec->flags & NGX_K8S_HOST_ALIAS))) {
        return slots;
    }

    ngx_memzero(&key, sizeof(ngx_k8s_route_key_t));

    key.host = a->key;
    key.regex = ngx_http_k8s_status_regex;
    key.data = a->request->connection->log;

    host = ngx_k8s_route_taken(a->table, route_set, &key, &named);

    if (host && (rec || (named->flags & NGX_K8S_HOST_PATTERNS))) {

        ngx_k8s_record_str(host, &host->header.key, &name);

        if (ngx_k8s_table_find(a->table, NGX_K8S_INDEX_HOST, name.data,
                               name.len, &slot[slots->nelts]))
        {
            slots->nelts++;
        }
    }

    return slots;
}


static ngx_int_t
ngx_http_k8s_status_regex(void *data, ngx_uint_t what, ngx_str_t *pattern,
    ngx_str_t *text)
{
    int  captures[NGX_HTTP_K8S_REGEX_SIZE];

    return (ngx_http_k8s_regex(pattern, NGX_HTTP_K8S_REGEX_CASELESS, text,
                               captures, data)
            > 0)
           ? NGX_OK : NGX_DECLINED;
}


/* what is written to the API server, by whom */

static void
ngx_http_k8s_status_writes(ngx_http_k8s_admin_t *a)
{
    ngx_uint_t        i, n;
    ngx_k8s_table_t  *table;

    table = a->table;

    ngx_http_k8s_puts(a, ",\"writes\":{\"election_id\":");
    ngx_http_k8s_json(a, &a->blocks[a->n]->election);
    ngx_http_k8s_printf(a, ",\"leader\":%s,\"addresses\":%uA",
                        table->leader ? "true" : "false", table->addresses);

    for (i = 0; i < NGX_K8S_WROTE_WHAT; i++) {
        ngx_http_k8s_printf(a, ",\"%V\":{", &ngx_k8s_wrote_what[i]);

        for (n = 0; n < NGX_K8S_WROTE_RESULTS; n++) {
            ngx_http_k8s_printf(a, "%s\"%V\":%uA", n ? "," : "",
                                &ngx_k8s_wrote_results[n],
                                table->wrote[i][n]);
        }

        ngx_http_k8s_puts(a, "}");
    }

    ngx_http_k8s_puts(a, "}");
}


/* begins a section and its walk */

static void
ngx_http_k8s_status_section(ngx_http_k8s_admin_t *a)
{
    ngx_array_t                    *slots;
    ngx_http_k8s_status_section_t  *section;

    section = &ngx_http_k8s_status_sections[a->section];
    slots = NULL;

    if (a->by_host) {

        if (section->index == NGX_K8S_INDEX_HOST) {

            slots = ngx_http_k8s_status_hosts(a);

            if (slots == NULL) {
                a->failed = 1;
                return;
            }

        } else if (section->index == NGX_K8S_INDEX_SERVICE) {
            slots = &a->services;

        } else if (section->index == NGX_K8S_INDEX_CERTIFICATE) {
            slots = &a->certificates;

        } else if (section->index == NGX_K8S_INDEX_POLICY) {
            slots = &a->policies;
        }
    }

    /* by kind, namespace and name */

    a->sorted = (a->canonical || section->index == NGX_K8S_INDEX_PROBLEM);

    ngx_http_k8s_printf(a, ",\n\"%V\":[", &section->name);

    ngx_http_k8s_walk_begin(a, slots);

    a->comma = 0;
    a->state = NGX_HTTP_K8S_STATUS_WALK;
}


static ngx_int_t
ngx_http_k8s_status_sync(ngx_http_k8s_admin_t *a)
{
    ngx_k8s_sync_t  *rec;

    static char  *states[] = { "waiting", "listed", "refused" };

    rec = a->record;

    ngx_http_k8s_status_open(a);
    ngx_http_k8s_status_member(a, "{\"kind\":", rec, &rec->kind);
    ngx_http_k8s_printf(a, ",\"state\":\"%s\",\"required\":%s,"
                        "\"objects\":%uD",
                        states[ngx_min(rec->state, 2)],
                        rec->required ? "true" : "false", rec->objects);

    if (!a->canonical) {
        ngx_http_k8s_printf(a, ",\"connected\":%s,\"lists\":%uL,"
                            "\"watches\":%uL,\"errors\":%uL",
                            rec->connected ? "true" : "false", rec->lists,
                            rec->watches, rec->errors);
        ngx_http_k8s_status_member(a, ",\"reason\":", rec, &rec->reason);
    }

    ngx_http_k8s_puts(a, "}");

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_status_service(ngx_http_k8s_admin_t *a)
{
    ngx_str_t                ns;
    ngx_uint_t               n;
    ngx_k8s_service_rec_t   *rec;
    ngx_k8s_endpoint_rec_t  *ep;

    rec = a->record;
    ep = ngx_k8s_record_at(rec, rec->endpoints.offset);

    if (!a->opened) {
        ns = ngx_http_k8s_str(rec, &rec->namespace);

        if (a->namespace.len && !ngx_http_k8s_str_eq(&ns, &a->namespace)) {
            return NGX_OK;
        }

        ngx_http_k8s_status_open(a);
        ngx_http_k8s_status_member(a, "{\"namespace\":", rec,
                                   &rec->namespace);
        ngx_http_k8s_status_member(a, ",\"name\":", rec, &rec->name);
        ngx_http_k8s_status_member(a, ",\"port\":", rec, &rec->port);
        ngx_http_k8s_status_member(a, ",\"protocol\":", rec, &rec->protocol);
        ngx_http_k8s_status_member(a, ",\"app_protocol\":", rec,
                                   &rec->app_protocol);
        ngx_http_k8s_status_member(a, ",\"external\":", rec, &rec->external);
        ngx_http_k8s_printf(a, ",\"external_port\":%ud,\"number\":%ud"
                            ",\"missing\":%s,\"no_port\":%s,\"usable\":%uD",
                            (ngx_uint_t) rec->external_port,
                            (ngx_uint_t) rec->number,
                            (rec->flags & NGX_K8S_SERVICE_MISSING)
                            ? "true" : "false",
                            (rec->flags & NGX_K8S_SERVICE_NO_PORT)
                            ? "true" : "false",
                            rec->usable);
        ngx_http_k8s_status_spread(a, rec);
        ngx_http_k8s_puts(a, ",\"endpoints\":[");

        a->opened = 1;
    }

    for (n = 0; n < NGX_HTTP_K8S_STATUS_ITEMS; n++) {

        if (a->item == rec->endpoints.n) {
            ngx_http_k8s_puts(a, "]}");
            return NGX_OK;
        }

        if (a->item) {
            ngx_http_k8s_puts(a, ",");
        }

        ngx_http_k8s_status_endpoint(a, rec, &ep[a->item++]);
    }

    return NGX_AGAIN;
}


/* what is said of its endpoints by routes, if anything is */

static void
ngx_http_k8s_status_spread(ngx_http_k8s_admin_t *a, ngx_k8s_service_rec_t *rec)
{
    if (rec->affinity != NGX_K8S_AFFINITY_NONE) {
        ngx_http_k8s_printf(a, ",\"affinity\":\"%s\"",
                            (rec->affinity == NGX_K8S_AFFINITY_BALANCED)
                            ? "balanced" : "persistent");
        ngx_http_k8s_status_member(a, ",\"cookie\":", rec, &rec->cookie);
    }

    if (rec->hash_by.len) {
        ngx_http_k8s_status_member(a, ",\"hash_by\":", rec, &rec->hash_by);
        ngx_http_k8s_printf(a, ",\"subset\":%uD", rec->subset);
    }

    if (rec->balance != NGX_K8S_BALANCE_ANY) {
        ngx_http_k8s_printf(a, ",\"balance\":\"%s\"",
                            (rec->balance == NGX_K8S_BALANCE_EWMA)
                            ? "ewma" : "round_robin");
    }
}


static void
ngx_http_k8s_status_endpoint(ngx_http_k8s_admin_t *a,
    ngx_k8s_service_rec_t *rec, ngx_k8s_endpoint_rec_t *ep)
{
    size_t           len;
    u_char           addr[NGX_INET6_ADDRSTRLEN];
    ngx_k8s_stat_t  *stat;

    len = ngx_inet_ntop((ep->family == 6) ? AF_INET6 : AF_INET, ep->addr,
                        addr, NGX_INET6_ADDRSTRLEN);

    ngx_http_k8s_printf(a, "\n  {\"address\":\"%*s\",\"port\":%ud"
                        ",\"ready\":%s,\"serving\":%s,\"terminating\":%s",
                        len, addr, (ngx_uint_t) ep->port,
                        (ep->flags & NGX_K8S_ENDPOINT_READY)
                        ? "true" : "false",
                        (ep->flags & NGX_K8S_ENDPOINT_SERVING)
                        ? "true" : "false",
                        (ep->flags & NGX_K8S_ENDPOINT_TERMINATING)
                        ? "true" : "false");
    ngx_http_k8s_status_member(a, ",\"zone\":", rec, &ep->zone);
    ngx_http_k8s_status_member(a, ",\"hints\":", rec, &ep->hints);

    stat = a->canonical ? NULL : ngx_k8s_stat(a->table, ep->stat);

    if (stat) {
        ngx_http_k8s_printf(a, ",\"requests\":%uA,\"failures\":%uA",
                            stat->requests, stat->failures);
    }

    ngx_http_k8s_puts(a, "}");
}


static ngx_int_t
ngx_http_k8s_status_certificate(ngx_http_k8s_admin_t *a)
{
    ngx_str_t               ns;
    ngx_uint_t              i, generated;
    ngx_k8s_str_t          *name;
    ngx_k8s_certificate_t  *rec;

    rec = a->record;
    ns = ngx_http_k8s_str(rec, &rec->namespace);

    if (a->namespace.len && !ngx_http_k8s_str_eq(&ns, &a->namespace)) {
        return NGX_OK;
    }

    generated = rec->flags & NGX_K8S_CERTIFICATE_GENERATED;

    ngx_http_k8s_status_open(a);
    ngx_http_k8s_status_member(a, "{\"namespace\":", rec, &rec->namespace);
    ngx_http_k8s_status_member(a, ",\"name\":", rec, &rec->name);
    ngx_http_k8s_status_member(a, ",\"issuer\":", rec, &rec->issuer);

    ngx_http_k8s_printf(a, ",\"generated\":%s,\"key\":\"%s\",\"chain\":%uD"
                        ",\"names\":[", generated ? "true" : "false",
                        rec->key_type == EVP_PKEY_EC
                        ? "EC" : OBJ_nid2sn(rec->key_type),
                        rec->chain.n);

    name = ngx_k8s_record_at(rec, rec->names.offset);

    for (i = 0; i < rec->names.n; i++) {
        ngx_http_k8s_status_member(a, i ? "," : "", rec, &name[i]);
    }

    ngx_http_k8s_puts(a, "]");

    /* a generated one is another one in each instance */

    if (!(a->canonical && generated)) {
        ngx_http_k8s_status_validity(a, rec);
    }

    ngx_http_k8s_puts(a, "}");

    return NGX_OK;
}


static void
ngx_http_k8s_status_validity(ngx_http_k8s_admin_t *a,
    ngx_k8s_certificate_t *rec)
{
    u_char          md[SHA256_DIGEST_LENGTH];
    ngx_str_t       der;
    ngx_k8s_str_t  *chain;

    ngx_http_k8s_status_member(a, ",\"serial\":", rec, &rec->serial);
    ngx_http_k8s_puts(a, ",\"not_before\":");
    ngx_http_k8s_status_time(a, (time_t) rec->not_before);
    ngx_http_k8s_puts(a, ",\"not_after\":");
    ngx_http_k8s_status_time(a, (time_t) rec->not_after);

    if (rec->chain.n) {
        chain = ngx_k8s_record_at(rec, rec->chain.offset);
        der = ngx_http_k8s_str(rec, chain);

        SHA256(der.data, der.len, md);

        ngx_http_k8s_puts(a, ",\"fingerprint\":");
        ngx_http_k8s_status_hex(a, md, sizeof(md));
    }
}


static ngx_int_t
ngx_http_k8s_status_policy(ngx_http_k8s_admin_t *a)
{
    ngx_uint_t          i;
    ngx_k8s_policy_t   *rec;
    ngx_k8s_setting_t  *setting;

    rec = a->record;

    ngx_http_k8s_status_open(a);
    ngx_http_k8s_puts(a, "{\"policy\":");
    ngx_http_k8s_status_policy_key(a, rec);
    ngx_http_k8s_puts(a, ",\"settings\":{");

    setting = ngx_k8s_record_at(rec, rec->settings.offset);

    for (i = 0; i < rec->settings.n; i++) {
        ngx_http_k8s_printf(a, "%s\n  \"%V\":", i ? "," : "",
                            &ngx_k8s_rows[setting[i].row].name);

        if (setting[i].flags & NGX_K8S_SETTING_CLOSED) {
            ngx_http_k8s_puts(a, "null");

        } else {
            ngx_http_k8s_status_member(a, "", rec, &setting[i].value);
        }
    }

    ngx_http_k8s_puts(a, "}}");

    return NGX_OK;
}


static void
ngx_http_k8s_status_time(ngx_http_k8s_admin_t *a, time_t t)
{
    ngx_tm_t  tm;

    ngx_gmtime(t, &tm);

    ngx_http_k8s_printf(a, "\"%4d-%02d-%02dT%02d:%02d:%02dZ\"",
                        tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                        tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
}
