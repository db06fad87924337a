
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_router.h>
#include <ngx_k8s_path.h>


/* a host whose shards have gone is looked up again: it has new ones */
#define NGX_K8S_ROUTE_TRIES  4


/* a step of a search for hosts, from the most specific name on */

typedef struct {
    ngx_str_t                name;       /* of a wildcard: from a dot on */
    ngx_uint_t               cut;        /* labels before it, 0: no wildcard */
} ngx_k8s_route_step_t;


static ngx_int_t ngx_k8s_route_sets(ngx_k8s_table_t *table,
    ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);
static ngx_uint_t ngx_k8s_route_next(ngx_k8s_route_step_t *step);
static ngx_k8s_host_t *ngx_k8s_route_find(ngx_k8s_table_t *table,
    uint32_t route_set, ngx_uint_t class, ngx_k8s_route_step_t *step,
    uint32_t *slot);
static ngx_k8s_host_t *ngx_k8s_route_named(ngx_k8s_table_t *table,
    uint32_t route_set, ngx_k8s_route_step_t *step, ngx_k8s_route_key_t *key,
    ngx_k8s_host_t **named);
static ngx_k8s_host_t *ngx_k8s_route_pattern(ngx_k8s_table_t *table,
    uint32_t route_set, ngx_k8s_route_key_t *key, ngx_k8s_host_t **named);
static ngx_k8s_host_t *ngx_k8s_route_alias(ngx_k8s_table_t *table,
    ngx_k8s_host_t *host, uint32_t n);
static ngx_int_t ngx_k8s_route_paths(ngx_k8s_host_t *host,
    ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);
static ngx_int_t ngx_k8s_route_shards(ngx_k8s_table_t *table,
    ngx_k8s_host_t *host, ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);
static ngx_int_t ngx_k8s_route_linear(ngx_k8s_host_t *host, ngx_uint_t i,
    ngx_k8s_route_key_t *key, ngx_k8s_route_t *route);
static ngx_int_t ngx_k8s_route_regex(ngx_k8s_path_t *path, ngx_str_t *text,
    ngx_k8s_route_key_t *key);
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
    ngx_int_t   rc;
    ngx_uint_t  tries;

    tries = 0;

    do {
        rc = ngx_k8s_route_sets(table, key, route);
    } while (rc == NGX_AGAIN && ++tries < NGX_K8S_ROUTE_TRIES);

    return (rc == NGX_AGAIN) ? NGX_DECLINED : rc;
}


/* NGX_AGAIN: a shard has gone */

static ngx_int_t
ngx_k8s_route_sets(ngx_k8s_table_t *table, ngx_k8s_route_key_t *key,
    ngx_k8s_route_t *route)
{
    uint32_t               closed;
    ngx_int_t              rc;
    ngx_uint_t             i, n, left;
    ngx_k8s_host_t        *host, *named, *fallback, *fallback_named;
    ngx_k8s_route_step_t   step;

    ngx_memzero(route, sizeof(ngx_k8s_route_t));

    step.name = key->host;
    step.cut = 0;

    n = ngx_min(key->nsets, NGX_K8S_ROUTE_SETS_MAX);
    left = n;
    closed = 0;

    fallback = NULL;
    fallback_named = NULL;

    do {

        for (i = 0; i < n; i++) {

            if (closed & ((uint32_t) 1 << i)) {
                continue;
            }

            host = ngx_k8s_route_named(table, key->sets[i], &step, key,
                                       &named);
            if (host == NULL) {
                continue;
            }

            rc = host->shards.n
                 ? ngx_k8s_route_shards(table, host, key, route)
                 : ngx_k8s_route_paths(host, key, route);

            if (rc == NGX_OK) {
                route->host = host;
                route->named = named;

                return NGX_OK;
            }

            if (rc != NGX_DECLINED) {
                return rc;
            }

            if (route->host == NULL) {
                route->host = host;
                route->named = named;
            }

            if (fallback == NULL && host->fallback != NGX_K8S_NONE) {
                fallback = host;
                fallback_named = named;
            }

            if (!(host->flags & NGX_K8S_HOST_FALLTHROUGH)) {
                closed |= (uint32_t) 1 << i;
                left--;
            }
        }

    } while (left && ngx_k8s_route_next(&step));

    if (fallback == NULL) {
        return NGX_DECLINED;
    }

    route->host = fallback;
    route->named = fallback_named;

    ngx_k8s_route_set(fallback, fallback->fallback, route);

    return NGX_OK;
}


ngx_k8s_host_t *
ngx_k8s_route_host(ngx_k8s_table_t *table, uint32_t route_set,
    ngx_uint_t class, ngx_str_t *name, uint32_t *slot)
{
    ngx_k8s_host_t        *host;
    ngx_k8s_route_step_t   step;

    step.name = *name;
    step.cut = 0;

    do {
        host = ngx_k8s_route_find(table, route_set, class, &step, slot);
    } while (host == NULL && ngx_k8s_route_next(&step));

    return host;
}


ngx_k8s_host_t *
ngx_k8s_route_taken(ngx_k8s_table_t *table, uint32_t route_set,
    ngx_k8s_route_key_t *key, ngx_k8s_host_t **named)
{
    ngx_k8s_host_t        *host;
    ngx_k8s_route_step_t   step;

    step.name = key->host;
    step.cut = 0;

    do {
        host = ngx_k8s_route_named(table, route_set, &step, key, named);
    } while (host == NULL && ngx_k8s_route_next(&step));

    return host;
}


/* the next less specific name, 0: there is none; an empty label is none */

static ngx_uint_t
ngx_k8s_route_next(ngx_k8s_route_step_t *step)
{
    u_char  *p, *last;

    if (step->name.len == 0) {
        return 0;
    }

    p = step->name.data;
    last = p + step->name.len;

    p = (step->name.len > 1 && (step->cut || *p != '.'))
        ? ngx_strlchr(p + 1, last, '.') : NULL;

    step->name.data = p ? p : last;
    step->name.len = last - step->name.data;
    step->cut++;

    return 1;
}


/* the host of a step's name, if it takes as many labels */

static ngx_k8s_host_t *
ngx_k8s_route_find(ngx_k8s_table_t *table, uint32_t route_set,
    ngx_uint_t class, ngx_k8s_route_step_t *step, uint32_t *slot)
{
    size_t           n;
    u_char           key[NGX_K8S_HOST_MAX + sizeof(uint32_t)];
    ngx_uint_t       wildcard;
    ngx_k8s_host_t  *host;

    if (step->name.len > NGX_K8S_HOST_MAX) {
        return NULL;
    }

    n = ngx_k8s_key_host(key, route_set, class, &step->name);

    host = ngx_k8s_table_find(table, NGX_K8S_INDEX_HOST, key, n, slot);

    if (host == NULL || step->name.len == 0) {
        return host;
    }

    if (host->flags & NGX_K8S_HOST_PATTERNS) {
        return NULL;
    }

    wildcard = (host->flags & NGX_K8S_HOST_WILDCARD) != 0;

    if (wildcard != (step->cut != 0)
        || (step->cut > 1 && !(host->flags & NGX_K8S_HOST_ANY_DEPTH)))
    {
        return NULL;
    }

    return host;
}


/* the host of a step: of an alias the one that it stands for */

static ngx_k8s_host_t *
ngx_k8s_route_named(ngx_k8s_table_t *table, uint32_t route_set,
    ngx_k8s_route_step_t *step, ngx_k8s_route_key_t *key,
    ngx_k8s_host_t **named)
{
    ngx_k8s_host_t  *host;

    if (step->name.len == 0 && step->cut) {
        host = ngx_k8s_route_pattern(table, route_set, key, named);

        if (host) {
            return host;
        }
    }

    host = ngx_k8s_route_find(table, route_set, key->class, step, NULL);

    *named = host;

    if (host && (host->flags & NGX_K8S_HOST_ALIAS)) {
        return ngx_k8s_route_alias(table, host, host->fallback);
    }

    return host;
}


/* the first expression that takes the name; one that gives up does not */

static ngx_k8s_host_t *
ngx_k8s_route_pattern(ngx_k8s_table_t *table, uint32_t route_set,
    ngx_k8s_route_key_t *key, ngx_k8s_host_t **named)
{
    size_t           n;
    u_char           buf[NGX_K8S_HOST_MAX + sizeof(uint32_t)];
    uint32_t         i;
    ngx_str_t        text;
    ngx_k8s_host_t  *host, *patterns;
    ngx_k8s_path_t  *path;

    static ngx_str_t  name = ngx_string(NGX_K8S_HOST_PATTERNS_NAME);

    if (key->regex == NULL) {
        return NULL;
    }

    n = ngx_k8s_key_host(buf, route_set, key->class, &name);

    patterns = ngx_k8s_table_find(table, NGX_K8S_INDEX_HOST, buf, n, NULL);

    if (patterns == NULL || !(patterns->flags & NGX_K8S_HOST_PATTERNS)) {
        return NULL;
    }

    path = ngx_k8s_record_at(patterns, patterns->paths.offset);

    for (i = 0; i < patterns->paths.n; i++) {
        ngx_k8s_record_str(patterns, &path[i].text, &text);

        if (path[i].nmatches == 0
            || key->regex(key->data, NGX_K8S_PREDICATE_HOST, &text, &key->host)
               != NGX_OK)
        {
            continue;
        }

        host = ngx_k8s_route_alias(table, patterns, path[i].match);

        if (host) {
            *named = patterns;
            return host;
        }
    }

    return NULL;
}


/* what a match of an alias leads to; an alias of an alias is none */

static ngx_k8s_host_t *
ngx_k8s_route_alias(ngx_k8s_table_t *table, ngx_k8s_host_t *host, uint32_t n)
{
    size_t             len;
    u_char             key[NGX_K8S_HOST_MAX + sizeof(uint32_t)];
    ngx_str_t          name;
    ngx_k8s_match_t   *match;
    ngx_k8s_action_t  *action;

    if (n == NGX_K8S_NONE) {
        return NULL;
    }

    match = ngx_k8s_record_at(host, host->matches.offset);
    action = ngx_k8s_record_at(host, host->actions.offset);
    action += match[n].action;

    ngx_k8s_record_str(host, &action->host, &name);

    if (action->kind != NGX_K8S_ACTION_ALIAS || name.len > NGX_K8S_HOST_MAX) {
        return NULL;
    }

    len = ngx_k8s_key_host(key, host->route_set, host->class, &name);

    host = ngx_k8s_table_find(table, NGX_K8S_INDEX_HOST, key, len, NULL);

    return (host && !(host->flags & (NGX_K8S_HOST_ALIAS|NGX_K8S_HOST_PATTERNS)))
           ? host : NULL;
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
    ngx_int_t        rc;
    ngx_str_t        text;
    ngx_k8s_path_t  *path;

    path = ngx_k8s_record_at(host, host->paths.offset);

    for (path += i; i < host->paths.n; i++, path++) {
        ngx_k8s_record_str(host, &path->text, &text);

        if (path->type == NGX_K8S_PATH_REGEX) {

            rc = ngx_k8s_route_regex(path, &text, key);

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }

            if (rc != NGX_OK) {
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


static ngx_int_t
ngx_k8s_route_regex(ngx_k8s_path_t *path, ngx_str_t *text,
    ngx_k8s_route_key_t *key)
{
    if (path->literal > key->path.len
        || ngx_strncasecmp(text->data, key->path.data, path->literal) != 0)
    {
        return NGX_DECLINED;
    }

    if (path->literal == text->len) {
        return NGX_OK;
    }

    if (key->regex == NULL) {
        return NGX_DECLINED;
    }

    return key->regex(key->data, NGX_K8S_PREDICATE_PATH, text, &key->path);
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


/*
 * Without a list, which is sorted, it is on all listeners in the Ingress API's
 * set, else on none.
 */

static ngx_uint_t
ngx_k8s_route_listens(ngx_k8s_host_t *host, ngx_k8s_match_t *match,
    uint32_t listener)
{
    uint32_t  low, high, n, *slots;

    if (match->nlisteners == 0) {
        return host->route_set == 0;
    }

    slots = ngx_k8s_record_at(host, host->listeners.offset);

    low = match->listener;
    high = low + match->nlisteners;

    while (low < high) {
        n = low + (high - low) / 2;

        if (slots[n] == listener) {
            return 1;
        }

        if (slots[n] < listener) {
            low = n + 1;

        } else {
            high = n;
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

        return key->regex(key->data, predicate->what, &want, &value);
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
