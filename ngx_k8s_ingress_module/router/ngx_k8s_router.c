
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_router.h>
#include <ngx_k8s_path.h>


/* a host whose shards have gone is looked up again: it has new ones */
#define NGX_K8S_ROUTE_TRIES  4


/* where a search for hosts stands, from the most specific one on */

typedef struct {
    uint32_t                 route_set;
    ngx_str_t                name;
    size_t                   cut;        /* labels before here are cut */
    unsigned                 exact:1;    /* tried */
    unsigned                 none:1;     /* tried */
} ngx_k8s_host_search_t;


static ngx_k8s_host_t *ngx_k8s_route_next_host(ngx_k8s_table_t *table,
    ngx_k8s_host_search_t *search, uint32_t *slot);
static ngx_k8s_host_t *ngx_k8s_route_find_host(ngx_k8s_table_t *table,
    uint32_t route_set, u_char *data, size_t len, uint32_t *slot);
static ngx_int_t ngx_k8s_route_paths(ngx_k8s_host_t *host,
    ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);
static ngx_int_t ngx_k8s_route_shards(ngx_k8s_table_t *table,
    ngx_k8s_host_t *host, ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);
static ngx_int_t ngx_k8s_route_linear(ngx_k8s_host_t *host, ngx_uint_t i,
    ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);
static ngx_int_t ngx_k8s_route_bucket(ngx_k8s_host_t *host, ngx_uint_t type,
    uint32_t hash, size_t len, ngx_k8s_route_key_t *key,
    ngx_k8s_route_t *route);
static ngx_int_t ngx_k8s_route_match(ngx_k8s_host_t *host,
    ngx_k8s_path_t *path, ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);
static ngx_uint_t ngx_k8s_route_listens(ngx_k8s_host_t *host,
    ngx_k8s_match_t *match, uint32_t listener);
static ngx_int_t ngx_k8s_route_predicate(ngx_k8s_host_t *host,
    ngx_k8s_predicate_t *predicate, ngx_k8s_route_key_t *key);
static void ngx_k8s_route_set(ngx_k8s_host_t *host, uint32_t match,
    ngx_k8s_route_t *route);


ngx_int_t
ngx_k8s_route(ngx_k8s_table_t *table, ngx_k8s_route_key_t *key,
    ngx_k8s_route_t *route)
{
    uint32_t                slot, fallback_slot;
    ngx_int_t               rc;
    ngx_uint_t              tries;
    ngx_k8s_host_t         *host, *fallback;
    ngx_k8s_host_search_t   search;

    tries = 0;

again:

    ngx_memzero(route, sizeof(ngx_k8s_route_t));
    ngx_memzero(&search, sizeof(ngx_k8s_host_search_t));

    search.route_set = key->route_set;
    search.name = key->host;

    fallback = NULL;
    fallback_slot = 0;

    do {
        host = ngx_k8s_route_next_host(table, &search, &slot);

        if (host == NULL) {
            break;
        }

        if (host->shards.n == 0) {
            rc = ngx_k8s_route_paths(host, key, route);

        } else {
            rc = ngx_k8s_route_shards(table, host, key, route);

            if (rc == NGX_AGAIN && ++tries < NGX_K8S_ROUTE_TRIES) {
                goto again;
            }
        }

        if (rc == NGX_OK) {
            route->host = host;
            route->host_slot = slot;
            return NGX_OK;
        }

        if (route->host == NULL) {
            route->host = host;
            route->host_slot = slot;
        }

        if (fallback == NULL && host->fallback != NGX_K8S_NONE) {
            fallback = host;
            fallback_slot = slot;
        }

    } while (host->flags & NGX_K8S_HOST_FALLTHROUGH);

    if (fallback == NULL) {
        return NGX_DECLINED;
    }

    route->host = fallback;
    route->host_slot = fallback_slot;

    ngx_k8s_route_set(fallback, fallback->fallback, route);

    return NGX_OK;
}


ngx_k8s_host_t *
ngx_k8s_route_host(ngx_k8s_table_t *table, uint32_t route_set, ngx_str_t *name,
    uint32_t *slot)
{
    ngx_k8s_host_search_t  search;

    ngx_memzero(&search, sizeof(ngx_k8s_host_search_t));

    search.route_set = route_set;
    search.name = *name;

    return ngx_k8s_route_next_host(table, &search, slot);
}


static ngx_k8s_host_t *
ngx_k8s_route_next_host(ngx_k8s_table_t *table, ngx_k8s_host_search_t *search,
    uint32_t *slot)
{
    u_char          *p, *last;
    ngx_str_t       *name;
    ngx_uint_t       first;
    ngx_k8s_host_t  *host;

    name = &search->name;

    if (!search->exact && name->len) {
        search->exact = 1;

        host = ngx_k8s_route_find_host(table, search->route_set, name->data,
                                       name->len, slot);

        if (host && !(host->flags & NGX_K8S_HOST_WILDCARD)) {
            return host;
        }
    }

    last = name->data + name->len;

    /* an empty label is none */

    while (search->cut + 1 < name->len && name->data[0] != '.') {
        first = (search->cut == 0);
        p = ngx_strlchr(name->data + search->cut + 1, last, '.');

        if (p == NULL) {
            break;
        }

        search->cut = p - name->data;

        host = ngx_k8s_route_find_host(table, search->route_set, p, last - p,
                                       slot);

        if (host
            && (host->flags & NGX_K8S_HOST_WILDCARD)
            && (first || (host->flags & NGX_K8S_HOST_ANY_DEPTH)))
        {
            return host;
        }
    }

    search->cut = name->len;

    if (search->none) {
        return NULL;
    }

    search->none = 1;

    return ngx_k8s_route_find_host(table, search->route_set, last, 0, slot);
}


static ngx_k8s_host_t *
ngx_k8s_route_find_host(ngx_k8s_table_t *table, uint32_t route_set,
    u_char *data, size_t len, uint32_t *slot)
{
    size_t     n;
    ngx_str_t  name;
    u_char     key[NGX_K8S_HOST_MAX + sizeof(uint32_t)];

    if (len > NGX_K8S_HOST_MAX) {
        return NULL;
    }

    name.len = len;
    name.data = data;

    n = ngx_k8s_key_host(key, route_set, NGX_K8S_CLASS_HTTP, &name);

    return ngx_k8s_table_find(table, NGX_K8S_INDEX_HOST, key, n, slot);
}


static ngx_int_t
ngx_k8s_route_paths(ngx_k8s_host_t *host, ngx_k8s_route_key_t *key,
    ngx_k8s_route_t *route)
{
    size_t           i;
    uint32_t         hash;
    ngx_uint_t       n, elements;
    ngx_k8s_path_t  *paths;

    if (host->buckets.n == 0) {
        return ngx_k8s_route_linear(host, 0, key, route);
    }

    hash = NGX_K8S_HASH_START;
    elements = 0;

    for (i = 0; i < key->path.len; i++) {
        hash = ngx_k8s_hash_step(hash, key->path.data[i]);
        elements += (key->path.data[i] == '/');
    }

    if (elements <= host->longest
        && ngx_k8s_route_bucket(host, NGX_K8S_PATH_EXACT,
                                ngx_k8s_hash_end(hash), i, key, route)
           == NGX_OK)
    {
        return NGX_OK;
    }

    /* the longest Prefix first: back over the path, element by element */

    for ( ;; ) {

        if ((i == key->path.len || key->path.data[i] == '/')
            && elements <= host->longest
            && ngx_k8s_route_bucket(host, NGX_K8S_PATH_PREFIX,
                                    ngx_k8s_hash_end(hash), i, key, route)
               == NGX_OK)
        {
            return NGX_OK;
        }

        if (i == 0) {
            break;
        }

        i--;

        hash = ngx_k8s_hash_undo(hash, key->path.data[i]);
        elements -= (key->path.data[i] == '/');
    }

    /* regular expressions are last */

    paths = ngx_k8s_record_at(host, host->paths.offset);

    for (n = host->paths.n; n; n--) {
        if (paths[n - 1].type != NGX_K8S_PATH_REGEX) {
            break;
        }
    }

    return ngx_k8s_route_linear(host, n, key, route);
}


/* NGX_AGAIN: a shard has gone */

static ngx_int_t
ngx_k8s_route_shards(ngx_k8s_table_t *table, ngx_k8s_host_t *host,
    ngx_k8s_route_key_t *key, ngx_k8s_route_t *route)
{
    size_t               i;
    uint32_t             hash, end;
    ngx_uint_t           elements;
    ngx_k8s_host_t      *shard;
    ngx_k8s_slot_ref_t  *ref;

    hash = NGX_K8S_HASH_START;
    elements = 0;

    for (i = 0; i < key->path.len; i++) {
        hash = ngx_k8s_hash_step(hash, key->path.data[i]);
        elements += (key->path.data[i] == '/');
    }

    for ( ;; ) {

        if ((i == key->path.len || key->path.data[i] == '/')
            && elements <= host->longest)
        {
            end = ngx_k8s_hash_end(hash);

            ref = ngx_k8s_record_at(host, host->shards.offset);
            ref += ngx_k8s_path_shard(end, host->shards.n);

            shard = ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_PATHS,
                                            ref->slot, ref->generation);
            if (shard == NULL) {
                return NGX_AGAIN;
            }

            if ((i == key->path.len
                 && ngx_k8s_route_bucket(shard, NGX_K8S_PATH_EXACT, end, i,
                                         key, route)
                    == NGX_OK)
                || ngx_k8s_route_bucket(shard, NGX_K8S_PATH_PREFIX, end, i,
                                        key, route)
                   == NGX_OK)
            {
                return NGX_OK;
            }
        }

        if (i == 0) {
            break;
        }

        i--;

        hash = ngx_k8s_hash_undo(hash, key->path.data[i]);
        elements -= (key->path.data[i] == '/');
    }

    /* the host record itself has the regular expressions */

    return ngx_k8s_route_linear(host, 0, key, route);
}


static ngx_int_t
ngx_k8s_route_linear(ngx_k8s_host_t *host, ngx_uint_t i,
    ngx_k8s_route_key_t *key, ngx_k8s_route_t *route)
{
    ngx_str_t        text;
    ngx_k8s_path_t  *path;

    path = ngx_k8s_record_at(host, host->paths.offset);

    for (path += i; i < host->paths.n; i++, path++) {
        ngx_k8s_record_str(host, &path->text, &text);

        if (path->type == NGX_K8S_PATH_REGEX) {

            if (key->regex == NULL
                || key->regex(key->data, &text, &key->path) != NGX_OK)
            {
                continue;
            }

        } else {

            if (text.len > key->path.len
                || ngx_memcmp(text.data, key->path.data, text.len) != 0)
            {
                continue;
            }

            if (text.len < key->path.len
                && (path->type == NGX_K8S_PATH_EXACT
                    || key->path.data[text.len] != '/'))
            {
                continue;
            }
        }

        if (ngx_k8s_route_match(host, path, key, route) == NGX_OK) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* the path of this type whose text is the first len bytes of the request's */

static ngx_int_t
ngx_k8s_route_bucket(ngx_k8s_host_t *host, ngx_uint_t type, uint32_t hash,
    size_t len, ngx_k8s_route_key_t *key, ngx_k8s_route_t *route)
{
    uint32_t         n, *buckets;
    ngx_k8s_path_t  *paths, *path;

    buckets = ngx_k8s_record_at(host, host->buckets.offset);
    paths = ngx_k8s_record_at(host, host->paths.offset);

    n = buckets[hash & (host->buckets.n - 1)];

    for ( /* void */ ; n; n = path->next) {
        path = &paths[n - 1];

        if (path->hash == hash
            && path->type == type
            && path->text.len == len
            && ngx_memcmp(ngx_k8s_record_at(host, path->text.offset),
                          key->path.data, len)
               == 0
            && ngx_k8s_route_match(host, path, key, route) == NGX_OK)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_k8s_route_match(ngx_k8s_host_t *host, ngx_k8s_path_t *path,
    ngx_k8s_route_key_t *key, ngx_k8s_route_t *route)
{
    uint32_t              i, n;
    ngx_k8s_match_t      *match;
    ngx_k8s_predicate_t  *predicate;

    match = ngx_k8s_record_at(host, host->matches.offset);
    predicate = ngx_k8s_record_at(host, host->predicates.offset);

    for (n = path->match; n < path->match + path->nmatches; n++) {

        if (key->listener
            && !ngx_k8s_route_listens(host, &match[n], key->listener))
        {
            continue;
        }

        for (i = 0; i < match[n].npredicates; i++) {
            if (ngx_k8s_route_predicate(host,
                                        &predicate[match[n].predicate + i], key)
                != NGX_OK)
            {
                break;
            }
        }

        if (i == match[n].npredicates) {
            route->path = path;
            ngx_k8s_route_set(host, n, route);

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* without a list it is on all listeners in the Ingress API's set, else none */

static ngx_uint_t
ngx_k8s_route_listens(ngx_k8s_host_t *host, ngx_k8s_match_t *match,
    uint32_t listener)
{
    uint32_t  i, *slots;

    if (match->nlisteners == 0) {
        return host->route_set == 0;
    }

    slots = ngx_k8s_record_at(host, host->listeners.offset);

    for (i = match->listener; i < match->listener + match->nlisteners; i++) {
        if (slots[i] == listener) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_k8s_route_predicate(ngx_k8s_host_t *host, ngx_k8s_predicate_t *predicate,
    ngx_k8s_route_key_t *key)
{
    ngx_str_t  name, want, value;

    ngx_k8s_record_str(host, &predicate->name, &name);
    ngx_k8s_record_str(host, &predicate->value, &want);

    if (predicate->what == NGX_K8S_PREDICATE_METHOD) {
        value = key->method;

    } else if (predicate->what == NGX_K8S_PREDICATE_TAIL) {
        value = key->path;

        if (predicate->how == NGX_K8S_PREDICATE_EQUAL
            && value.len > want.len)
        {
            value.data += value.len - want.len;
            value.len = want.len;
        }

    } else if (key->value == NULL
               || key->value(key->data, predicate->what, &name, &value)
                  != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (predicate->how == NGX_K8S_PREDICATE_REGEX) {

        if (key->regex == NULL) {
            return NGX_DECLINED;
        }

        return key->regex(key->data, &want, &value);
    }

    if (value.len != want.len
        || ngx_memcmp(value.data, want.data, want.len) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_k8s_route_set(ngx_k8s_host_t *host, uint32_t match, ngx_k8s_route_t *route)
{
    ngx_k8s_match_t   *matches;
    ngx_k8s_action_t  *actions;

    matches = ngx_k8s_record_at(host, host->matches.offset);
    actions = ngx_k8s_record_at(host, host->actions.offset);

    route->record = host;
    route->match = &matches[match];
    route->action = &actions[route->match->action];
}


ngx_int_t
ngx_k8s_route_host_name(u_char *buf, ngx_str_t *sent, ngx_str_t *name)
{
    u_char  *p, *last, *colon;
    size_t   len;

    p = sent->data;
    last = p + sent->len;
    colon = NULL;

    if (p < last && *p == '[') {
        colon = ngx_strlchr(p, last, ']');
    }

    colon = ngx_strlchr(colon ? colon : p, last, ':');

    len = (colon ? colon : last) - p;

    if (len && p[len - 1] == '.') {
        len--;
    }

    if (len > NGX_K8S_HOST_MAX) {
        return NGX_DECLINED;
    }

    ngx_strlow(buf, p, len);

    name->data = buf;
    name->len = len;

    return NGX_OK;
}
