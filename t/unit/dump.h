
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Canonical dump of a table: the same objects give the same bytes, whatever
 * the history of the table.  No slot numbers, statistics, sync state or key
 * material, and of the default certificate nothing.
 */


#ifndef _UNIT_DUMP_H_INCLUDED_
#define _UNIT_DUMP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_path.h>
#include <ngx_k8s_problem.h>
#include <ngx_k8s_table.h>


typedef struct {
    ngx_k8s_table_t         *table;
    ngx_pool_t              *pool;
    u_char                  *buf;        /* of the record being written */
    size_t                   len;
    size_t                   size;
    ngx_array_t              paths;      /* ngx_k8s_dump_path_t, of a host */
    unsigned                 failed:1;
} ngx_k8s_dump_t;


/* a path of a host record or of a shard */

typedef struct {
    ngx_k8s_host_t          *rec;
    ngx_k8s_path_t          *path;
    ngx_str_t                text;
} ngx_k8s_dump_path_t;


static void ngx_cdecl ngx_k8s_dump_add(ngx_k8s_dump_t *d, const char *fmt,
    ...);
static ngx_str_t ngx_k8s_dump_str(void *rec, ngx_k8s_str_t *s);
static void ngx_k8s_dump_record(ngx_k8s_dump_t *d, ngx_k8s_record_t *rec);
static void ngx_k8s_dump_host(ngx_k8s_dump_t *d, ngx_k8s_host_t *rec);
static ngx_uint_t ngx_k8s_dump_paths(ngx_k8s_dump_t *d, ngx_k8s_host_t *rec);
static int ngx_libc_cdecl ngx_k8s_dump_path_cmp(const void *one,
    const void *two);
static void ngx_k8s_dump_match(ngx_k8s_dump_t *d, ngx_k8s_host_t *rec,
    uint32_t n);
static void ngx_k8s_dump_action(ngx_k8s_dump_t *d, ngx_k8s_host_t *rec,
    ngx_k8s_action_t *action);
static void ngx_k8s_dump_ref(ngx_k8s_dump_t *d, char *what, uint32_t slot,
    uint32_t generation);
static void ngx_k8s_dump_service(ngx_k8s_dump_t *d,
    ngx_k8s_service_rec_t *rec);
static void ngx_k8s_dump_certificate(ngx_k8s_dump_t *d,
    ngx_k8s_certificate_t *rec);
static void ngx_k8s_dump_rule(ngx_k8s_dump_t *d, ngx_k8s_rule_rec_t *rec);
static void ngx_k8s_dump_problem(ngx_k8s_dump_t *d,
    ngx_k8s_problem_rec_t *rec);
static int ngx_libc_cdecl ngx_k8s_dump_cmp(const void *one, const void *two);


/*
 * Text lines in *out, from pool: a line for each record and, indented, for each
 * of its parts.  NGX_ERROR: no memory.
 */

static ngx_inline ngx_int_t
ngx_k8s_table_dump(ngx_k8s_table_t *table, ngx_pool_t *pool, ngx_str_t *out)
{
    size_t           len;
    void            *rec;
    u_char          *p;
    uint64_t         cursor;
    ngx_str_t       *line;
    ngx_uint_t       index, i;
    ngx_array_t      lines;
    ngx_k8s_dump_t   d;

    ngx_memzero(&d, sizeof(ngx_k8s_dump_t));
    d.table = table;
    d.pool = pool;

    if (ngx_array_init(&lines, pool, 64, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    len = 0;

    for (index = 0; index < NGX_K8S_INDEX_SYNC; index++) {
        cursor = 0;

        while ((rec = ngx_k8s_table_next(table, index, &cursor)) != NULL) {
            d.len = 0;
            ngx_k8s_dump_record(&d, rec);

            line = ngx_array_push(&lines);
            if (line == NULL || d.failed) {
                return NGX_ERROR;
            }

            line->len = d.len;
            line->data = ngx_pnalloc(pool, d.len + 1);
            if (line->data == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(line->data, d.buf, d.len);
            len += d.len;
        }
    }

    ngx_qsort(lines.elts, lines.nelts, sizeof(ngx_str_t), ngx_k8s_dump_cmp);

    out->len = len;
    out->data = ngx_pnalloc(pool, len + 1);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    p = out->data;
    line = lines.elts;

    for (i = 0; i < lines.nelts; i++) {
        p = ngx_cpymem(p, line[i].data, line[i].len);
    }

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_k8s_dump_cmp(const void *one, const void *two)
{
    size_t      n;
    ngx_int_t   rc;
    ngx_str_t  *a, *b;

    a = (ngx_str_t *) one;
    b = (ngx_str_t *) two;

    n = ngx_min(a->len, b->len);
    rc = n ? ngx_memcmp(a->data, b->data, n) : 0;

    return rc ? rc : (a->len > b->len) - (a->len < b->len);
}


static void ngx_cdecl
ngx_k8s_dump_add(ngx_k8s_dump_t *d, const char *fmt, ...)
{
    size_t    size;
    u_char   *p;
    va_list   args;

    for ( ;; ) {

        if (d->size - d->len > 1) {
            va_start(args, fmt);
            p = ngx_vslprintf(d->buf + d->len, d->buf + d->size, fmt, args);
            va_end(args);

            if (p < d->buf + d->size) {
                d->len = p - d->buf;
                return;
            }
        }

        size = d->size ? 2 * d->size : 4096;

        p = ngx_palloc(d->pool, size);
        if (p == NULL) {
            d->failed = 1;
            return;
        }

        if (d->len) {
            ngx_memcpy(p, d->buf, d->len);
        }

        d->buf = p;
        d->size = size;
    }
}


static ngx_str_t
ngx_k8s_dump_str(void *rec, ngx_k8s_str_t *s)
{
    ngx_str_t  str;

    ngx_k8s_record_str(rec, s, &str);

    return str;
}


static void
ngx_k8s_dump_record(ngx_k8s_dump_t *d, ngx_k8s_record_t *rec)
{
    switch (rec->type) {

    case NGX_K8S_INDEX_HOST:
        ngx_k8s_dump_host(d, (ngx_k8s_host_t *) rec);
        break;

    case NGX_K8S_INDEX_PATHS:
        break;

    case NGX_K8S_INDEX_SERVICE:
        ngx_k8s_dump_service(d, (ngx_k8s_service_rec_t *) rec);
        break;

    case NGX_K8S_INDEX_CERTIFICATE:
        ngx_k8s_dump_certificate(d, (ngx_k8s_certificate_t *) rec);
        break;

    case NGX_K8S_INDEX_RULE:
        ngx_k8s_dump_rule(d, (ngx_k8s_rule_rec_t *) rec);
        break;

    case NGX_K8S_INDEX_PROBLEM:
        ngx_k8s_dump_problem(d, (ngx_k8s_problem_rec_t *) rec);
        break;

    default:
        ngx_k8s_dump_add(d, "record type %ui\n", (ngx_uint_t) rec->type);
        break;
    }
}


/* with shards or without them, the same paths make the same text */

static void
ngx_k8s_dump_host(ngx_k8s_dump_t *d, ngx_k8s_host_t *rec)
{
    ngx_str_t               ns, name, root;
    ngx_uint_t              i, n;
    ngx_k8s_slot_ref_t     *ref;
    ngx_k8s_dump_path_t    *path;
    ngx_k8s_certificate_t  *cert;

    static char  *types[] = { "exact", "prefix", "regex" };
    static char  *classes[] = { "", " tls", " port" };

    n = ngx_k8s_dump_paths(d, rec);

    if (d->failed) {
        return;
    }

    name = ngx_k8s_dump_str(rec, &rec->name);

    root = ngx_k8s_dump_str(rec, &rec->root);

    ngx_k8s_dump_add(d, "host %uD \"%V\" flags %xD longest %ui%s%s%V\n",
                     rec->route_set, &name, rec->flags, n, classes[rec->class],
                     root.len ? " root " : "", &root);

    ref = ngx_k8s_record_at(rec, rec->certificates.offset);

    for (i = 0; i < rec->certificates.n; i++) {
        cert = ngx_k8s_slot_record_gen(d->table, NGX_K8S_INDEX_CERTIFICATE,
                                       ref[i].slot, ref[i].generation);
        if (cert == NULL) {
            ngx_k8s_dump_add(d, "  certificate gone\n");
            continue;
        }

        ns = ngx_k8s_dump_str(cert, &cert->namespace);
        name = ngx_k8s_dump_str(cert, &cert->name);
        ngx_k8s_dump_add(d, "  certificate %V/%V\n", &ns, &name);
    }

    path = d->paths.elts;

    for (i = 0; i < d->paths.nelts; i++) {
        ngx_k8s_dump_add(d, "  %s \"%V\"\n",
                         types[ngx_min(path[i].path->type, 2)], &path[i].text);

        for (n = 0; n < path[i].path->nmatches; n++) {
            ngx_k8s_dump_match(d, path[i].rec, path[i].path->match + n);
        }
    }

    if (rec->fallback != NGX_K8S_NONE) {
        ngx_k8s_dump_add(d, "  fallback\n");
        ngx_k8s_dump_match(d, rec, rec->fallback);
    }
}


/* sorted in d->paths; how many elements the longest one has */

static ngx_uint_t
ngx_k8s_dump_paths(ngx_k8s_dump_t *d, ngx_k8s_host_t *rec)
{
    ngx_uint_t           i, n, longest;
    ngx_k8s_path_t      *path;
    ngx_k8s_host_t      *part;
    ngx_k8s_slot_ref_t  *ref;
    ngx_k8s_dump_path_t *p;

    longest = rec->shards.n ? 0 : rec->longest;
    ref = ngx_k8s_record_at(rec, rec->shards.offset);

    if (ngx_array_init(&d->paths, d->pool, 64, sizeof(ngx_k8s_dump_path_t))
        != NGX_OK)
    {
        d->failed = 1;
        return 0;
    }

    for (n = 0; n <= rec->shards.n; n++) {
        part = rec;

        if (n) {
            part = ngx_k8s_slot_record_gen(d->table, NGX_K8S_INDEX_PATHS,
                                           ref[n - 1].slot,
                                           ref[n - 1].generation);
            if (part == NULL) {
                ngx_k8s_dump_add(d, "shard gone\n");
                continue;
            }

            longest = ngx_max(longest, part->longest);
        }

        path = ngx_k8s_record_at(part, part->paths.offset);

        for (i = 0; i < part->paths.n; i++) {
            p = ngx_array_push(&d->paths);
            if (p == NULL) {
                d->failed = 1;
                return 0;
            }

            p->rec = part;
            p->path = &path[i];
            p->text = ngx_k8s_dump_str(part, &path[i].text);
        }
    }

    ngx_qsort(d->paths.elts, d->paths.nelts, sizeof(ngx_k8s_dump_path_t),
              ngx_k8s_dump_path_cmp);

    return longest;
}


static int ngx_libc_cdecl
ngx_k8s_dump_path_cmp(const void *one, const void *two)
{
    ngx_k8s_dump_path_t  *a, *b;

    a = (ngx_k8s_dump_path_t *) one;
    b = (ngx_k8s_dump_path_t *) two;

    return ngx_k8s_path_cmp(a->path->type, &a->text, b->path->type, &b->text);
}


static void
ngx_k8s_dump_match(ngx_k8s_dump_t *d, ngx_k8s_host_t *rec, uint32_t n)
{
    uint32_t             *slots;
    ngx_str_t             ns, name;
    ngx_uint_t            i;
    ngx_k8s_match_t      *match;
    ngx_k8s_action_t     *action;
    ngx_k8s_rule_rec_t   *rule;
    ngx_k8s_predicate_t  *predicate;

    match = (ngx_k8s_match_t *) ngx_k8s_record_at(rec, rec->matches.offset)
            + n;

    ngx_k8s_dump_add(d, "    match flags %xD", match->flags);

    rule = ngx_k8s_slot_record(d->table, NGX_K8S_INDEX_RULE, match->rule);

    if (rule) {
        ns = ngx_k8s_dump_str(rule, &rule->namespace);
        name = ngx_k8s_dump_str(rule, &rule->name);
        ngx_k8s_dump_add(d, " of %V/%V", &ns, &name);
    }

    predicate = (ngx_k8s_predicate_t *)
                    ngx_k8s_record_at(rec, rec->predicates.offset);

    for (i = 0; i < match->npredicates; i++) {
        ns = ngx_k8s_dump_str(rec, &predicate[match->predicate + i].name);
        name = ngx_k8s_dump_str(rec, &predicate[match->predicate + i].value);
        ngx_k8s_dump_add(d, " if %ui \"%V\" %ui \"%V\"",
                         (ngx_uint_t) predicate[match->predicate + i].what,
                         &ns,
                         (ngx_uint_t) predicate[match->predicate + i].how,
                         &name);
    }

    if (match->order > 1) {
        ngx_k8s_dump_add(d, " order %uD", match->order);
    }

    slots = (uint32_t *) ngx_k8s_record_at(rec, rec->listeners.offset)
            + match->listener;

    for (i = 0; i < match->nlisteners; i++) {
        ngx_k8s_dump_add(d, " on %uD", slots[i]);
    }

    action = (ngx_k8s_action_t *) ngx_k8s_record_at(rec, rec->actions.offset)
             + match->action;

    ngx_k8s_dump_action(d, rec, action);
}


static void
ngx_k8s_dump_action(ngx_k8s_dump_t *d, ngx_k8s_host_t *rec,
    ngx_k8s_action_t *action)
{
    ngx_str_t               host;
    ngx_uint_t              i;
    ngx_k8s_mirror_rec_t   *mirror;
    ngx_k8s_backend_rec_t  *backend;

    host = ngx_k8s_dump_str(rec, &action->host);

    ngx_k8s_dump_add(d, " action %ui status %ui \"%V\"\n",
                     (ngx_uint_t) action->kind, (ngx_uint_t) action->status,
                     &host);

    backend = (ngx_k8s_backend_rec_t *)
                  ngx_k8s_record_at(rec, rec->backends.offset);

    for (i = action->backend; i < action->backend + action->nbackends; i++) {
        ngx_k8s_dump_ref(d, "service", backend[i].service,
                         backend[i].generation);
        ngx_k8s_dump_add(d, " weight %uD else %uD\n", backend[i].weight,
                         backend[i].invalid);
    }

    mirror = (ngx_k8s_mirror_rec_t *)
                 ngx_k8s_record_at(rec, rec->mirrors.offset);

    for (i = action->mirror; i < action->mirror + action->nmirrors; i++) {
        ngx_k8s_dump_ref(d, "mirror", mirror[i].service, mirror[i].generation);
        ngx_k8s_dump_add(d, " share %uL\n", mirror[i].share);
    }
}


static void
ngx_k8s_dump_ref(ngx_k8s_dump_t *d, char *what, uint32_t slot,
    uint32_t generation)
{
    ngx_str_t               ns, name, port;
    ngx_k8s_service_rec_t  *svc;

    svc = ngx_k8s_slot_record_gen(d->table, NGX_K8S_INDEX_SERVICE, slot,
                                  generation);
    if (svc == NULL) {
        ngx_k8s_dump_add(d, "      %s gone", what);
        return;
    }

    ns = ngx_k8s_dump_str(svc, &svc->namespace);
    name = ngx_k8s_dump_str(svc, &svc->name);
    port = ngx_k8s_dump_str(svc, &svc->port);

    ngx_k8s_dump_add(d, "      %s %V/%V:%V", what, &ns, &name, &port);
}


static void
ngx_k8s_dump_service(ngx_k8s_dump_t *d, ngx_k8s_service_rec_t *rec)
{
    u_char                   buf[NGX_INET6_ADDRSTRLEN];
    ngx_str_t                ns, name, port, external, zone, hints;
    ngx_uint_t               i;
    ngx_k8s_endpoint_rec_t  *ep;

    ns = ngx_k8s_dump_str(rec, &rec->namespace);
    name = ngx_k8s_dump_str(rec, &rec->name);
    port = ngx_k8s_dump_str(rec, &rec->port);
    external = ngx_k8s_dump_str(rec, &rec->external);

    ngx_k8s_dump_add(d, "service %V/%V:%V flags %xD number %ui usable %uD "
                     "external \"%V\":%ui\n", &ns, &name, &port, rec->flags,
                     (ngx_uint_t) rec->number, rec->usable, &external,
                     (ngx_uint_t) rec->external_port);

    if (rec->affinity || rec->hash_by.len || rec->balance) {
        name = ngx_k8s_dump_str(rec, &rec->cookie);
        external = ngx_k8s_dump_str(rec, &rec->hash_by);

        ngx_k8s_dump_add(d, "  affinity %ui \"%V\" hash \"%V\" %uD balance %ui "
                         "points %uD\n", (ngx_uint_t) rec->affinity, &name,
                         &external, rec->subset, (ngx_uint_t) rec->balance,
                         rec->points.n);
    }

    ep = ngx_k8s_record_at(rec, rec->endpoints.offset);

    for (i = 0; i < rec->endpoints.n; i++) {
        name.data = buf;
        name.len = ngx_inet_ntop(ep[i].family == 6 ? AF_INET6 : AF_INET,
                                 ep[i].addr, buf, NGX_INET6_ADDRSTRLEN);

        zone = ngx_k8s_dump_str(rec, &ep[i].zone);
        hints = ngx_k8s_dump_str(rec, &ep[i].hints);

        ngx_k8s_dump_add(d, "  endpoint %V %ui flags %xi zone \"%V\" hints "
                         "\"%V\"\n", &name, (ngx_uint_t) ep[i].port,
                         (ngx_int_t) ep[i].flags, &zone, &hints);
    }
}


static void
ngx_k8s_dump_certificate(ngx_k8s_dump_t *d, ngx_k8s_certificate_t *rec)
{
    u_char          hex[64], *last;
    ngx_str_t       ns, name;
    ngx_uint_t      i;
    ngx_k8s_str_t  *names;

    ns = ngx_k8s_dump_str(rec, &rec->namespace);
    name = ngx_k8s_dump_str(rec, &rec->name);

    if (ns.len == 0 && name.len == 0) {
        ngx_k8s_dump_add(d, "certificate default\n");
        return;
    }

    last = ngx_hex_dump(hex, rec->sha256, 32);

    ngx_k8s_dump_add(d, "certificate %V/%V %*s\n", &ns, &name,
                     (size_t) (last - hex), hex);

    names = ngx_k8s_record_at(rec, rec->names.offset);

    for (i = 0; i < rec->names.n; i++) {
        name = ngx_k8s_dump_str(rec, &names[i]);
        ngx_k8s_dump_add(d, "  name \"%V\"\n", &name);
    }
}


static void
ngx_k8s_dump_rule(ngx_k8s_dump_t *d, ngx_k8s_rule_rec_t *rec)
{
    ngx_str_t  host, path, ns, ingress, service, port;

    host = ngx_k8s_dump_str(rec, &rec->host);
    path = ngx_k8s_dump_str(rec, &rec->path);
    ns = ngx_k8s_dump_str(rec, &rec->namespace);
    ingress = ngx_k8s_dump_str(rec, &rec->name);
    service = ngx_k8s_dump_str(rec, &rec->service);
    port = ngx_k8s_dump_str(rec, &rec->port);

    ngx_k8s_dump_add(d, "rule \"%V\" \"%V\" of %V/%V to %V:%V\n", &host, &path,
                     &ns, &ingress, &service, &port);
}


static void
ngx_k8s_dump_problem(ngx_k8s_dump_t *d, ngx_k8s_problem_rec_t *rec)
{
    ngx_str_t                kind, ns, name, field, message, remedy, host;
    ngx_str_t               *usual;
    ngx_uint_t               i;
    ngx_k8s_problem_item_t  *item;

    kind = ngx_k8s_dump_str(rec, &rec->kind);
    ns = ngx_k8s_dump_str(rec, &rec->namespace);
    name = ngx_k8s_dump_str(rec, &rec->name);

    ngx_k8s_dump_add(d, "problem %V %V/%V\n", &kind, &ns, &name);

    item = ngx_k8s_record_at(rec, rec->items.offset);

    for (i = 0; i < rec->items.n; i++) {
        field = ngx_k8s_dump_str(rec, &item[i].field);
        message = ngx_k8s_dump_str(rec, &item[i].message);
        remedy = ngx_k8s_dump_str(rec, &item[i].remedy);
        host = ngx_k8s_dump_str(rec, &item[i].host);

        ngx_k8s_dump_add(d, "  code %uD field \"%V\" host \"%V\": %V\n",
                         item[i].code, &field, &host, &message);

        usual = &ngx_k8s_problem_codes[item[i].code].remedy;

        if (ngx_memn2cmp(remedy.data, usual->data, remedy.len, usual->len)
            != 0)
        {
            ngx_k8s_dump_add(d, "    remedy: %V\n", &remedy);
        }
    }
}


#endif /* _UNIT_DUMP_H_INCLUDED_ */
