
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_tables.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_http_k8s_snippet.h>
#include <ngx_http_k8s_template.h>


#define NGX_HTTP_K8S_TABLES_DEPTH       8   /* of tables that ask one another */
#define NGX_HTTP_K8S_TABLES_LOOKUPS     256 /* for one value */


typedef struct {
    ngx_str_node_t           sn;         /* of a key of map, in lower case */
    ngx_str_t                pattern;    /* of an expression, or empty */
    ngx_uint_t               flags;      /* NGX_HTTP_K8S_REGEX_* */
    ngx_cidr_t               cidr;       /* of geo */
    ngx_http_k8s_template_t  value;
} ngx_http_k8s_map_entry_t;

typedef struct {
    ngx_str_t                name;       /* in lower case */
    ngx_uint_t               geo;
    ngx_http_k8s_template_t  source;     /* of geo empty: the client's */
    ngx_http_k8s_map_entry_t *fallback;  /* "default"; NULL: an empty value */
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_array_t              others;     /* ngx_http_k8s_map_entry_t *:
                                            expressions, or ranges */
} ngx_http_k8s_map_t;


static ngx_int_t ngx_http_k8s_tables_create(ngx_http_k8s_map_t *map,
    ngx_pool_t *pool, ngx_k8s_statement_t *st);
static ngx_int_t ngx_http_k8s_tables_entry(ngx_http_k8s_map_t *map,
    ngx_pool_t *pool, ngx_k8s_statement_t *st);
static ngx_int_t ngx_http_k8s_tables_find(ngx_http_request_t *r,
    ngx_http_k8s_map_t *map, ngx_str_t *text, ngx_http_k8s_captures_t *captures,
    ngx_http_k8s_map_entry_t **found);
static ngx_http_k8s_map_entry_t *ngx_http_k8s_tables_geo(ngx_http_request_t *r,
    ngx_http_k8s_map_t *map, ngx_str_t *text);
static ngx_uint_t ngx_http_k8s_tables_within(ngx_cidr_t *cidr,
    struct sockaddr *sockaddr, ngx_uint_t *bits);


/* of the request that is looked at, as tables may ask one another */
static ngx_uint_t  ngx_http_k8s_tables_depth;
static ngx_uint_t  ngx_http_k8s_tables_lookups;


ngx_int_t
ngx_http_k8s_tables_profile(ngx_http_k8s_profile_t *profile, ngx_pool_t *pool)
{
    ngx_uint_t            i, k;
    ngx_k8s_snippet_t     s;
    ngx_http_k8s_map_t   *map;
    ngx_k8s_statement_t  *st;

    if (profile->settings->http_snippet.len == 0) {
        return NGX_OK;
    }

    if (ngx_k8s_snippet(&s, pool, NGX_K8S_SNIPPET_HTTP,
                        &profile->settings->http_snippet)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    profile->lookup = ngx_http_k8s_tables_get;

    profile->maps = ngx_array_create(pool, 4, sizeof(ngx_http_k8s_map_t));
    if (profile->maps == NULL) {
        return NGX_ERROR;
    }

    /* trees do not move: there is room for all of them */

    st = s.statements.elts;

    for (i = 0, k = 0; i < s.statements.nelts; i = st[i].end) {
        k++;
    }

    map = ngx_array_push_n(profile->maps, k);
    if (map == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < s.statements.nelts; i = st[i].end) {

        if (ngx_http_k8s_tables_create(map, pool, &st[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        for (k = i + 1; k < st[i].end; k++) {
            if (ngx_http_k8s_tables_entry(map, pool, &st[k]) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        map++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_tables_create(ngx_http_k8s_map_t *map, ngx_pool_t *pool,
    ngx_k8s_statement_t *st)
{
    ngx_str_t  source;

    ngx_memzero(map, sizeof(ngx_http_k8s_map_t));

    map->geo = (st->directive->effect == NGX_K8S_SNIPPET_GEO);

    map->name.len = st->words[st->n - 1].len - 1;
    map->name.data = st->words[st->n - 1].data + 1;
    ngx_strlow(map->name.data, map->name.data, map->name.len);

    ngx_rbtree_init(&map->tree, &map->sentinel, ngx_str_rbtree_insert_value);

    ngx_str_set(&source, "");

    if (st->n == 2) {
        source = st->words[0];
    }

    if (ngx_http_k8s_template_own(pool, &source, &map->source) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_array_init(&map->others, pool, 4,
                          sizeof(ngx_http_k8s_map_entry_t *));
}


static ngx_int_t
ngx_http_k8s_tables_entry(ngx_http_k8s_map_t *map, ngx_pool_t *pool,
    ngx_k8s_statement_t *st)
{
    ngx_str_t                  pattern;
    ngx_uint_t                 kind;
    ngx_http_k8s_map_entry_t  *entry, **other;

    static ngx_str_t  fallback = ngx_string("default");

    if (st->n == 1) {

        /* "volatile", as all of them are */

        return NGX_OK;
    }

    entry = ngx_pcalloc(pool, sizeof(ngx_http_k8s_map_entry_t));

    if (entry == NULL
        || ngx_http_k8s_template_own(pool, &st->words[1], &entry->value)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (st->words[0].len == fallback.len
        && ngx_memcmp(st->words[0].data, fallback.data, fallback.len) == 0)
    {
        map->fallback = entry;
        return NGX_OK;
    }

    if (!map->geo) {
        kind = ngx_k8s_snippet_pattern(&st->words[0], &pattern);

        if (kind == 0) {
            ngx_strlow(pattern.data, pattern.data, pattern.len);

            entry->sn.str = pattern;
            entry->sn.node.key = ngx_crc32_long(pattern.data, pattern.len);

            ngx_rbtree_insert(&map->tree, &entry->sn.node);

            return NGX_OK;
        }

        entry->pattern = pattern;
        entry->flags = (kind == 2) ? NGX_HTTP_K8S_REGEX_CASELESS : 0;

    } else if (ngx_k8s_snippet_cidr(&st->words[0], &entry->cidr) != NGX_OK) {
        return NGX_ERROR;
    }

    other = ngx_array_push(&map->others);
    if (other == NULL) {
        return NGX_ERROR;
    }

    *other = entry;

    return NGX_OK;
}


ngx_uint_t
ngx_http_k8s_tables_has(ngx_array_t *maps, ngx_str_t *name)
{
    ngx_uint_t           i;
    ngx_http_k8s_map_t  *map;

    map = maps ? maps->elts : NULL;

    for (i = 0; maps && i < maps->nelts; i++) {
        if (map[i].name.len == name->len
            && ngx_memcmp(map[i].name.data, name->data, name->len) == 0)
        {
            return i + 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_k8s_tables_known(ngx_k8s_block_t *block, ngx_str_t *name)
{
    ngx_uint_t                 i;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_k8s_loc_conf_t   *klcf;
    ngx_http_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_k8s_module);
    pass = kmcf->passes.elts;

    for (i = 0; i < kmcf->passes.nelts; i++) {

        klcf = pass[i].conf;

        if (klcf->block == block && klcf->trial
            && ngx_http_k8s_tables_has(klcf->trial->maps, name))
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_tables_get(ngx_http_request_t *r, ngx_array_t *maps,
    ngx_str_t *name, ngx_str_t *value)
{
    int                        matched[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_int_t                  rc;
    ngx_str_t                  text;
    ngx_uint_t                 n;
    ngx_http_k8s_map_t        *map;
    ngx_http_k8s_captures_t    captures;
    ngx_http_k8s_map_entry_t  *entry;

    n = ngx_http_k8s_tables_has(maps, name);

    if (ngx_http_k8s_tables_depth == 0) {
        ngx_http_k8s_tables_lookups = 0;
    }

    if (n == 0
        || ngx_http_k8s_tables_depth == NGX_HTTP_K8S_TABLES_DEPTH
        || ngx_http_k8s_tables_lookups == NGX_HTTP_K8S_TABLES_LOOKUPS)
    {
        return NGX_DECLINED;
    }

    map = (ngx_http_k8s_map_t *) maps->elts + n - 1;
    entry = NULL;

    ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

    captures.text = &text;
    captures.captures = matched;

    ngx_http_k8s_tables_depth++;
    ngx_http_k8s_tables_lookups++;

    rc = ngx_http_k8s_template_run(r, &map->source, &captures, &text);

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_tables_find(r, map, &text, &captures, &entry);
    }

    if (rc == NGX_OK && entry) {
        rc = ngx_http_k8s_template_run(r, &entry->value, &captures, value);

    } else if (rc == NGX_OK) {
        ngx_str_set(value, "");
    }

    ngx_http_k8s_tables_depth--;

    return rc;
}


static ngx_int_t
ngx_http_k8s_tables_find(ngx_http_request_t *r, ngx_http_k8s_map_t *map,
    ngx_str_t *text, ngx_http_k8s_captures_t *captures,
    ngx_http_k8s_map_entry_t **found)
{
    ngx_int_t                   n;
    ngx_str_t                   low;
    ngx_uint_t                  i;
    ngx_http_k8s_map_entry_t  **other;

    if (map->geo) {
        *found = ngx_http_k8s_tables_geo(r, map, text);
        return NGX_OK;
    }

    low.len = text->len;
    low.data = ngx_pnalloc(r->pool, text->len + 1);
    if (low.data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(low.data, text->data, text->len);

    *found = (ngx_http_k8s_map_entry_t *)
                 ngx_str_rbtree_lookup(&map->tree, &low,
                                       ngx_crc32_long(low.data, low.len));
    if (*found) {
        return NGX_OK;
    }

    other = map->others.elts;

    for (i = 0; i < map->others.nelts; i++) {

        n = ngx_http_k8s_regex(&other[i]->pattern, other[i]->flags, text,
                               captures->captures, r->connection->log);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n) {
            captures->n = n;
            *found = other[i];

            return NGX_OK;
        }
    }

    *found = map->fallback;

    return NGX_OK;
}


/* the smallest range that has the address */

static ngx_http_k8s_map_entry_t *
ngx_http_k8s_tables_geo(ngx_http_request_t *r, ngx_http_k8s_map_t *map,
    ngx_str_t *text)
{
    ngx_addr_t                  addr;
    ngx_uint_t                  i, bits, most;
    struct sockaddr            *sockaddr;
    ngx_http_k8s_map_entry_t   *found, **other;

    sockaddr = r->connection->sockaddr;

    if (map->source.text.len) {

        if (ngx_parse_addr(r->pool, &addr, text->data, text->len) != NGX_OK) {
            return map->fallback;
        }

        sockaddr = addr.sockaddr;
    }

    found = map->fallback;
    most = 0;

    other = map->others.elts;

    for (i = 0; i < map->others.nelts; i++) {

        if (ngx_http_k8s_tables_within(&other[i]->cidr, sockaddr, &bits)
            && bits >= most)
        {
            most = bits;
            found = other[i];
        }
    }

    return found;
}


static ngx_uint_t
ngx_http_k8s_tables_within(ngx_cidr_t *cidr, struct sockaddr *sockaddr,
    ngx_uint_t *bits)
{
    size_t       i, len;
    u_char      *mask, b;
    ngx_array_t  cidrs;

    cidrs.elts = cidr;
    cidrs.nelts = 1;

    if (ngx_cidr_match(sockaddr, &cidrs) != NGX_OK) {
        return 0;
    }

    mask = (u_char *) &cidr->u.in.mask;
    len = 4;

#if (NGX_HAVE_INET6)
    if (cidr->family == AF_INET6) {
        mask = cidr->u.in6.mask.s6_addr;
        len = 16;
    }
#endif

    *bits = 0;

    for (i = 0; i < len; i++) {
        for (b = mask[i]; b; b <<= 1) {
            *bits += 1;
        }
    }

    return 1;
}
