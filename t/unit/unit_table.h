
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Tables and records for unit tests and fuzz targets.
 */


#ifndef _UNIT_TABLE_H_INCLUDED_
#define _UNIT_TABLE_H_INCLUDED_


#include "unit.h"
#include <ngx_k8s_writer.h>
#include <ngx_k8s_router.h>
#include <ngx_k8s_path.h>
#include <ngx_k8s_shm.h>

#include <sys/mman.h>


/* one match of a host; those of one path stand together.  status: the id */

typedef struct {
    ngx_uint_t               type;
    char                    *path;
    ngx_uint_t               status;
    ngx_uint_t               npredicates;
    struct {
        ngx_uint_t           what;
        ngx_uint_t           how;
        char                *name;
        char                *value;
    } predicates[3];
} unit_route_t;


/* the listener of each route of the next host, as sorted; 0, NULL: no list */

static uint32_t  *unit_listeners;


/* how many shards the next hosts have, a power of two; 0: none */

#define UNIT_SHARDS  16

static ngx_uint_t  unit_shards;
static uint32_t    unit_longest;         /* most elements of a path in them */


static ngx_inline ngx_k8s_table_t *
unit_table(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE,
             MAP_ANON|MAP_SHARED|MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED || ngx_k8s_table_init(p, size) != NGX_OK) {
        printf("Bail out! no table\n");
        exit(1);
    }

    return p;
}


static ngx_inline ngx_str_t
unit_str(char *s)
{
    ngx_str_t  str;

    str.len = ngx_strlen(s);
    str.data = (u_char *) s;

    return str;
}


static ngx_inline ngx_k8s_str_t
unit_add(ngx_k8s_builder_t *b, char *s)
{
    ngx_str_t  str;

    str = unit_str(s);

    return ngx_k8s_builder_str(b, &str);
}


static ngx_inline void
unit_key(ngx_k8s_builder_t *b, ngx_uint_t n, char *names[])
{
    size_t              len;
    u_char              key[NGX_K8S_KEY_MAX];
    ngx_str_t           strs[8], *list[8], str;
    ngx_uint_t          i;
    ngx_k8s_str_t       s;

    for (i = 0; i < n; i++) {
        strs[i] = unit_str(names[i]);
        list[i] = &strs[i];
    }

    len = ngx_k8s_key_names(key, n, list);

    str.len = len;
    str.data = key;
    s = ngx_k8s_builder_str(b, &str);

    ((ngx_k8s_record_t *) b->data)->key = s;
}


static ngx_inline uint32_t
unit_rule(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, char *host, char *path,
    ngx_uint_t kind)
{
    char           *texts[7];
    ngx_str_t       strs[7], *names[7];
    ngx_uint_t      i;
    ngx_k8s_str_t   port;

    texts[0] = "Ingress";
    texts[1] = "default";
    texts[2] = "ingress";
    texts[3] = "";
    texts[4] = host;
    texts[5] = path;
    texts[6] = "service";

    for (i = 0; i < 7; i++) {
        strs[i] = unit_str(texts[i]);
        names[i] = &strs[i];
    }

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_RULE, sizeof(ngx_k8s_rule_rec_t));
    ngx_k8s_builder_names(b, 7, names);

    port = unit_add(b, "80");
    ((ngx_k8s_rule_rec_t *) b->data)->port = port;

    return ngx_k8s_builder_put(b, w, kind);
}


/*
 * a certificate's record that tells from its content alone whether it is whole:
 * its key is "size" bytes of type + flags
 */

static ngx_inline void
unit_certificate_build(ngx_k8s_builder_t *b, char *name, uint32_t type,
    uint32_t flags, size_t size)
{
    char                   *names[2];
    uint32_t                key;
    ngx_k8s_str_t           ns, s;
    ngx_k8s_certificate_t  *cert;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_CERTIFICATE,
                          sizeof(ngx_k8s_certificate_t));

    names[0] = "default";
    names[1] = name;
    unit_key(b, 2, names);

    ns = unit_add(b, names[0]);
    s = unit_add(b, name);
    key = ngx_k8s_builder_alloc(b, size);

    if (b->failed) {
        return;
    }

    cert = (ngx_k8s_certificate_t *) b->data;
    cert->namespace = ns;
    cert->name = s;
    cert->key.offset = key;
    cert->key.len = size;
    cert->key_type = type;
    cert->flags = flags;

    ngx_memset(ngx_k8s_builder_ptr(b, key), (u_char) (type + flags), size);
}


static ngx_inline uint32_t
unit_certificate(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, char *name,
    uint32_t type, uint32_t flags, size_t size, ngx_uint_t kind)
{
    unit_certificate_build(b, name, type, flags, size);

    return ngx_k8s_builder_put(b, w, kind);
}


/* a service with n endpoints, the addresses tell "seed" */

static ngx_inline uint32_t
unit_service(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, char *name,
    ngx_uint_t n, uint32_t seed, ngx_uint_t kind)
{
    char                    *names[4];
    uint32_t                 list, stat;
    ngx_uint_t               i;
    ngx_k8s_service_rec_t    service;
    ngx_k8s_endpoint_rec_t  *endpoint;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_SERVICE,
                          sizeof(ngx_k8s_service_rec_t));

    names[0] = "default";
    names[1] = name;
    names[2] = "80";
    names[3] = "TCP";
    unit_key(b, 4, names);

    ngx_memzero(&service, sizeof(service));

    service.namespace = unit_add(b, "default");
    service.name = unit_add(b, name);
    service.port = unit_add(b, "80");
    service.protocol = unit_add(b, "TCP");
    service.number = 80;
    service.usable = n;

    list = ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_endpoint_rec_t));

    if (b->failed) {
        return 0;
    }

    service.endpoints.offset = list;
    service.endpoints.n = n;
    service.header = *(ngx_k8s_record_t *) b->data;
    ngx_memcpy(b->data, &service, sizeof(service));

    for (i = 0; i < n; i++) {
        stat = ngx_k8s_writer_stat_get(w, ((uint64_t) seed << 32) + i + 1);

        endpoint = ngx_k8s_builder_ptr(b, list);
        ngx_memcpy(endpoint[i].addr, &seed, sizeof(seed));
        endpoint[i].family = 4;
        endpoint[i].port = 8080;
        endpoint[i].flags = NGX_K8S_ENDPOINT_READY|NGX_K8S_ENDPOINT_SERVING;
        endpoint[i].stat = stat;
    }

    return ngx_k8s_builder_put(b, w, kind);
}


static ngx_inline void
unit_host_match(ngx_k8s_builder_t *b, unit_route_t *route, ngx_uint_t i,
    uint32_t matches, uint32_t actions, uint32_t predicates, ngx_uint_t *k)
{
    ngx_uint_t            n;
    ngx_k8s_str_t         name, value;
    ngx_k8s_match_t      *match;
    ngx_k8s_action_t     *action;
    ngx_k8s_predicate_t  *predicate;

    action = ngx_k8s_builder_ptr(b, actions);
    action[i].kind = NGX_K8S_ACTION_STATUS;
    action[i].status = route->status;

    match = ngx_k8s_builder_ptr(b, matches);
    match[i].action = i;
    match[i].predicate = *k;
    match[i].npredicates = route->npredicates;
    match[i].listener = i;
    match[i].nlisteners = (unit_listeners && unit_listeners[i]);

    for (n = 0; n < route->npredicates; n++) {
        name = unit_add(b, route->predicates[n].name);
        value = unit_add(b, route->predicates[n].value);

        predicate = ngx_k8s_builder_ptr(b, predicates);
        predicate[*k].what = route->predicates[n].what;
        predicate[*k].how = route->predicates[n].how;
        predicate[*k].name = name;
        predicate[*k].value = value;
        (*k)++;
    }
}


/* how two routes stand to each other; Prefix texts are cut */

static ngx_inline ngx_int_t
unit_route_cmp(unit_route_t *a, unit_route_t *b)
{
    ngx_str_t  x, y;

    x = unit_str(a->path);
    y = unit_str(b->path);

    if (a->type == NGX_K8S_PATH_PREFIX) {
        ngx_k8s_path_prefix(&x);
    }

    if (b->type == NGX_K8S_PATH_PREFIX) {
        ngx_k8s_path_prefix(&y);
    }

    return ngx_k8s_path_cmp(a->type, &x, b->type, &y);
}


/* a record of n sorted routes: a shard, or the host with the shards at refs */

static ngx_inline uint32_t
unit_host_record(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, ngx_int_t shard,
    ngx_k8s_slot_ref_t *refs, uint32_t set, char *name, ngx_uint_t flags,
    unit_route_t *routes, ngx_uint_t n, ngx_uint_t fallback, ngx_uint_t kind)
{
    u_char           buf[NGX_K8S_KEY_MAX];
    uint32_t         matches, actions, predicates, paths, *slots;
    ngx_str_t        str;
    ngx_uint_t       i, j, k, total;
    unit_route_t     route;
    ngx_k8s_str_t    s;
    ngx_k8s_host_t   host;
    ngx_k8s_path_t  *path;

    k = 0;

    for (i = 0; i < n; i++) {
        k += routes[i].npredicates;
    }

    ngx_k8s_builder_begin(b, shard < 0 ? NGX_K8S_INDEX_HOST
                                       : NGX_K8S_INDEX_PATHS,
                          sizeof(ngx_k8s_host_t));
    ngx_memzero(&host, sizeof(host));

    total = n + (fallback ? 1 : 0);

    matches = ngx_k8s_builder_alloc(b, total * sizeof(ngx_k8s_match_t));
    actions = ngx_k8s_builder_alloc(b, total * sizeof(ngx_k8s_action_t));
    predicates = ngx_k8s_builder_alloc(b, k * sizeof(ngx_k8s_predicate_t));
    paths = ngx_k8s_builder_alloc(b, n * sizeof(ngx_k8s_path_t));

    host.matches.offset = matches;
    host.matches.n = total;
    host.actions.offset = actions;
    host.actions.n = total;
    host.predicates.offset = predicates;
    host.predicates.n = k;
    host.paths.offset = paths;
    host.listeners.offset = ngx_k8s_builder_alloc(b, n * sizeof(uint32_t));
    host.listeners.n = n;
    slots = ngx_k8s_builder_ptr(b, host.listeners.offset);

    for (i = 0; i < n; i++) {
        slots[i] = unit_listeners ? unit_listeners[i] : 0;
    }

    k = 0;
    j = 0;

    for (i = 0; i < n; i++) {
        unit_host_match(b, &routes[i], i, matches, actions, predicates, &k);

        if (i == 0 || unit_route_cmp(&routes[i - 1], &routes[i]) != 0) {
            str = unit_str(routes[i].path);

            if (routes[i].type == NGX_K8S_PATH_PREFIX) {
                ngx_k8s_path_prefix(&str);
            }

            s = ngx_k8s_builder_str(b, &str);

            path = ngx_k8s_builder_ptr(b, paths);
            path[j].type = routes[i].type;
            path[j].text = s;
            path[j].match = i;
            j++;
        }

        path = ngx_k8s_builder_ptr(b, paths);
        path[j - 1].nmatches++;
    }

    host.paths.n = j;
    host.fallback = NGX_K8S_NONE;

    if (fallback) {
        ngx_memzero(&route, sizeof(route));
        route.status = fallback;
        unit_host_match(b, &route, n, matches, actions, predicates, &k);
        host.fallback = n;
    }

    if (refs) {
        host.shards.n = unit_shards;
        host.shards.offset = ngx_k8s_builder_alloc(b, unit_shards
                                                 * sizeof(ngx_k8s_slot_ref_t));
        ngx_memcpy(ngx_k8s_builder_ptr(b, host.shards.offset), refs,
                   unit_shards * sizeof(ngx_k8s_slot_ref_t));
    }

    str = unit_str(name);
    str.len = (shard < 0) ? ngx_k8s_key_host(buf, set, NGX_K8S_CLASS_HTTP, &str)
                          : ngx_k8s_key_shard(buf, set, NGX_K8S_CLASS_HTTP,
                                              &str, shard, unit_shards);
    str.data = buf;
    s = ngx_k8s_builder_str(b, &str);

    host.route_set = set;
    host.flags = flags | (name[0] == '.' ? NGX_K8S_HOST_WILDCARD : 0);
    host.name = unit_add(b, name);
    host.header = *(ngx_k8s_record_t *) b->data;
    host.header.key = s;
    ngx_memcpy(b->data, &host, sizeof(host));

    ngx_k8s_builder_paths(b);

    if (refs) {
        ((ngx_k8s_host_t *) b->data)->longest = unit_longest;
    }

    return ngx_k8s_builder_put(b, w, kind);
}


/* the shard of a route; UNIT_SHARDS: the host record has it */

static ngx_inline ngx_uint_t
unit_host_shard(unit_route_t *route)
{
    uint32_t    n;
    ngx_str_t   text;

    if (route->type == NGX_K8S_PATH_REGEX) {
        return UNIT_SHARDS;
    }

    text = unit_str(route->path);

    if (route->type == NGX_K8S_PATH_PREFIX) {
        ngx_k8s_path_prefix(&text);
    }

    n = ngx_k8s_path_elements(text.data, text.len);
    unit_longest = ngx_max(unit_longest, n);

    return ngx_k8s_path_shard(ngx_k8s_hash(text.data, text.len), unit_shards);
}


/* a host record of n routes, which get sorted; fallback: its status, or 0 */

static ngx_inline uint32_t
unit_host(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, uint32_t set, char *name,
    ngx_uint_t flags, unit_route_t *routes, ngx_uint_t n, ngx_uint_t fallback,
    ngx_uint_t kind)
{
    uint32_t             slot;
    ngx_uint_t           i, j, k;
    unit_route_t         route, *part;
    ngx_k8s_table_t     *table;
    ngx_k8s_slot_ref_t   refs[UNIT_SHARDS];

    for (i = 0; i < n; i++) {
        route = routes[i];

        for (j = i; j && unit_route_cmp(&routes[j - 1], &route) > 0; j--) {
            routes[j] = routes[j - 1];
        }

        routes[j] = route;
    }

    if (unit_shards == 0) {
        return unit_host_record(w, b, -1, NULL, set, name, flags, routes, n,
                                fallback, kind);
    }

    ngx_memzero(refs, sizeof(refs));

    part = malloc(n * sizeof(unit_route_t) + 1);
    table = ngx_k8s_writer_table(w);
    slot = 0;
    unit_longest = 0;

    /* the shards, then the host with the regular expressions */

    for (i = 0; i <= unit_shards; i++) {
        k = 0;

        for (j = 0; j < n; j++) {
            if (unit_host_shard(&routes[j])
                == (i < unit_shards ? i : UNIT_SHARDS))
            {
                part[k++] = routes[j];
            }
        }

        slot = unit_host_record(w, b, i < unit_shards ? (ngx_int_t) i : -1,
                                i < unit_shards ? NULL : refs, set, name,
                                i < unit_shards ? 0 : flags, part, k,
                                i < unit_shards ? 0 : fallback, kind);

        if (i < unit_shards && slot) {
            refs[i].slot = slot;
            refs[i].generation = ngx_k8s_slot(table, slot)->generation;
        }
    }

    free(part);

    return slot;
}


/* the key that a host's record is found by; 0: it has none */

static ngx_inline ngx_uint_t
unit_host_key(ngx_k8s_host_t *host, ngx_k8s_route_key_t *key)
{
    u_char  *p;

    static uint32_t  set;

    if (host->header.key.len < sizeof(uint32_t)
        || host->header.key.len > NGX_K8S_HOST_MAX)
    {
        return 0;
    }

    ngx_memzero(key, sizeof(ngx_k8s_route_key_t));

    p = ngx_k8s_record_at(host, host->header.key.offset);
    ngx_memcpy(&set, p, sizeof(uint32_t));

    key->class = set >> 24;
    key->sets = &set;
    key->nsets = 1;
    set &= NGX_K8S_ROUTE_SETS - 1;

    key->host.len = host->header.key.len - sizeof(uint32_t);
    key->host.data = p + sizeof(uint32_t);

    return 1;
}


/* status of the route that takes a request, 0: none */

static ngx_inline ngx_uint_t
unit_ask(ngx_k8s_table_t *table, uint32_t set, char *host, char *path)
{
    ngx_k8s_route_t      route;
    ngx_k8s_route_key_t  key;

    ngx_memzero(&key, sizeof(key));

    key.sets = &set;
    key.nsets = 1;
    key.host = unit_str(host);
    key.path = unit_str(path);
    key.method = unit_str("GET");

    if (ngx_k8s_route(table, &key, &route) != NGX_OK) {
        return 0;
    }

    return route.action->status;
}


#endif /* _UNIT_TABLE_H_INCLUDED_ */
