
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_k8s_ranges.h>


static ngx_int_t ngx_http_k8s_forwarded_proxies(
    ngx_http_k8s_profile_t *profile, ngx_pool_t *pool);
static ngx_int_t ngx_http_k8s_forwarded_name(ngx_pool_t *pool,
    ngx_str_t *header, ngx_str_t *name);
static ngx_int_t ngx_http_k8s_forwarded_header(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *name);
static ngx_int_t ngx_http_k8s_forwarded(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *name);


/* nginx knows X-Forwarded-For by its name: it needs none */
static ngx_str_t  ngx_http_k8s_x_forwarded_for = ngx_null_string;
static ngx_str_t  ngx_http_k8s_x_forwarded_host =
                                           ngx_string("x_forwarded_host");
static ngx_str_t  ngx_http_k8s_x_forwarded_port =
                                           ngx_string("x_forwarded_port");
static ngx_str_t  ngx_http_k8s_x_forwarded_proto =
                                           ngx_string("x_forwarded_proto");


ngx_int_t
ngx_http_k8s_forwarded_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_settings_t *settings)
{
    ngx_str_t  list, item, *name;

    static ngx_str_t  header = ngx_string("real_ip_header");
    static ngx_str_t  recursive = ngx_string("real_ip_recursive");
    static ngx_str_t  from = ngx_string("set_real_ip_from");
    static ngx_str_t  on = ngx_string("on");
    static ngx_str_t  proxy_protocol = ngx_string("proxy_protocol");

    if (!ngx_http_k8s_forwarded_wanted(settings)) {
        return NGX_OK;
    }

    name = !settings->proxy_protocol ? &settings->forwarded_for
           : settings->forwarded ? &settings->forwarded_proxy
           : &proxy_protocol;

    if (ngx_k8s_tokens_add(pool, tokens, &header, name) != NGX_OK
        || ngx_k8s_tokens_add(pool, tokens, &recursive, &on) != NGX_OK)
    {
        return NGX_ERROR;
    }

    list = settings->real_ip_cidrs;

    while (ngx_k8s_item(&list, &item) == NGX_OK) {
        if (item.len
            && (ngx_k8s_cidr_text(pool, &item) != NGX_OK
                || ngx_k8s_tokens_add(pool, tokens, &from, &item) != NGX_OK))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_forwarded_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool)
{
    if (ngx_http_k8s_forwarded_proxies(profile, pool) != NGX_OK
        || ngx_http_k8s_forwarded_name(pool, &profile->settings->forwarded_for,
                                       &profile->forwarded_for)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_k8s_forwarded_name(pool,
                                       &profile->settings->forwarded_host,
                                       &profile->forwarded_host);
}


/* those whose PROXY protocol's address is one of a proxy again */

static ngx_int_t
ngx_http_k8s_forwarded_proxies(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool)
{
    ngx_str_t    list, item;
    ngx_cidr_t  *cidr;

    if (!profile->settings->forwarded || !profile->settings->proxy_protocol) {
        return NGX_OK;
    }

    profile->proxies = ngx_array_create(pool, 4, sizeof(ngx_cidr_t));
    if (profile->proxies == NULL) {
        return NGX_ERROR;
    }

    list = profile->settings->real_ip_cidrs;

    while (ngx_k8s_item(&list, &item) == NGX_OK) {

        cidr = ngx_array_push(profile->proxies);
        if (cidr == NULL) {
            return NGX_ERROR;
        }

        if (ngx_k8s_cidr(&item, cidr) != NGX_OK) {
            profile->proxies->nelts--;
        }
    }

    return NGX_OK;
}


/*
 * The realip module takes one header: it gets one of ours, with what the PROXY
 * protocol says; where that is a proxy, with what the other header says.  What
 * a client sent under this name is gone.
 */

ngx_int_t
ngx_http_k8s_forwarded_proxy(ngx_http_request_t *r,
    ngx_http_k8s_profile_t *base)
{
    ngx_str_t                   text, *name;
    ngx_addr_t                  addr;
    ngx_uint_t                  i, set;
    ngx_list_part_t            *part;
    ngx_table_elt_t            *h, **ph;
    ngx_http_header_t          *hh;
    ngx_proxy_protocol_t       *pp;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_variable_value_t   v;

    ngx_str_null(&text);

    pp = r->connection->proxy_protocol;

    if (pp) {
        text = pp->src_addr;
    }

    if (pp == NULL
        || (ngx_parse_addr(r->pool, &addr, text.data, text.len) == NGX_OK
            && ngx_cidr_match(addr.sockaddr, base->proxies) == NGX_OK))
    {
        ngx_memzero(&v, sizeof(ngx_http_variable_value_t));

        if (ngx_http_k8s_forwarded_header(r, &v, &base->forwarded_for)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (!v.not_found && v.len) {
            text.len = v.len;
            text.data = v.data;
        }
    }

    name = &base->settings->forwarded_proxy;
    part = &r->headers_in.headers.part;
    set = 0;

    for ( /* void */ ; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == name->len
                && ngx_strncasecmp(h[i].key.data, name->data, name->len) == 0)
            {
                h[i].value = text;
                set = 1;
            }
        }
    }

    if (set || text.len == 0) {
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->key = *name;
    h->value = text;

    h->lowcase_key = ngx_pnalloc(r->pool, name->len);
    if (h->lowcase_key == NULL) {
        return NGX_ERROR;
    }

    h->hash = ngx_hash_strlow(h->lowcase_key, name->data, name->len);

    /* the realip module looks for some where nginx has put them */

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    hh = ngx_hash_find(&cmcf->headers_in_hash, h->hash, h->lowcase_key,
                       h->key.len);
    if (hh) {
        ph = (ngx_table_elt_t **) ((char *) &r->headers_in + hh->offset);

        if (*ph == NULL) {
            *ph = h;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_forwarded_name(ngx_pool_t *pool, ngx_str_t *header,
    ngx_str_t *name)
{
    size_t  i;

    static ngx_str_t  known = ngx_string("X-Forwarded-For");

    ngx_str_null(name);

    if (header->len == known.len
        && ngx_strncasecmp(header->data, known.data, known.len) == 0)
    {
        return NGX_OK;
    }

    name->len = header->len;
    name->data = ngx_pnalloc(pool, header->len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < header->len; i++) {
        name->data[i] = (header->data[i] == '-') ? '_'
                                                 : ngx_tolower(header->data[i]);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_forwarded_proto(ngx_http_request_t *r,
    ngx_http_variable_value_t *v)
{
    return ngx_http_k8s_forwarded_trusted(ngx_http_k8s_ctx(r))
           ? ngx_http_k8s_forwarded(r, v, &ngx_http_k8s_x_forwarded_proto)
           : NGX_DECLINED;
}


ngx_int_t
ngx_http_k8s_forwarded_port(ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    return ngx_http_k8s_forwarded_trusted(ngx_http_k8s_ctx(r))
           ? ngx_http_k8s_forwarded(r, v, &ngx_http_k8s_x_forwarded_port)
           : NGX_DECLINED;
}


ngx_int_t
ngx_http_k8s_forwarded_host(ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    u_char     *p;
    ngx_int_t   rc;

    if (!ngx_http_k8s_forwarded_trusted(ngx_http_k8s_ctx(r))) {
        return NGX_DECLINED;
    }

    rc = ngx_http_k8s_forwarded(r, v, &ngx_http_k8s_x_forwarded_host);

    if (rc == NGX_OK) {
        p = ngx_strlchr(v->data, v->data + v->len, ',');

        if (p) {
            v->len = p - v->data;
        }
    }

    return rc;
}


ngx_uint_t
ngx_http_k8s_forwarded_http(ngx_http_request_t *r)
{
    ngx_http_variable_value_t  v;

    if (ngx_http_k8s_forwarded_proto(r, &v) == NGX_OK) {
        return v.len == sizeof("http") - 1
               && ngx_strncmp(v.data, "http", v.len) == 0;
    }

#if (NGX_HTTP_SSL)
    return r->connection->ssl == NULL;
#else
    return 1;
#endif
}


ngx_int_t
ngx_http_k8s_forwarded_for_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char              *p;
    ngx_str_t           *peer;
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx(r);
    peer = &r->connection->addr_text;
    v->len = 0;

    if (ngx_http_k8s_forwarded_trusted(ctx)
        && ctx->profile->settings->full_forwarded)
    {
        if (ctx->profile->settings->proxy_protocol
            && r->connection->proxy_protocol)
        {
            peer = &r->connection->proxy_protocol->src_addr;

        } else if (ctx->peer.len) {
            peer = &ctx->peer;
        }

        if (ngx_http_k8s_forwarded(r, v, &ngx_http_k8s_x_forwarded_for)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    if (v->len == 0) {
        v->len = peer->len;
        v->data = peer->data;

        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, v->len + sizeof(", ") - 1 + peer->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    data = ngx_sprintf(p, "%v, %V", v, peer) - p;

    v->len = data;
    v->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_forwarded_came_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_k8s_ctx_t      *ctx;
    ngx_http_k8s_profile_t  *base;

    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || ctx->profile == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    base = ctx->profile->base ? ctx->profile->base : ctx->profile;

    return ngx_http_k8s_forwarded_header(r, v,
                                         (ngx_str_t *) ((u_char *) base
                                                        + data));
}


/* a name with underscores, where they are let through, is the same */

static ngx_int_t
ngx_http_k8s_forwarded_header(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *name)
{
    ngx_http_variable_value_t  *value;
    ngx_http_k8s_main_conf_t   *kmcf;

    if (name->len == 0) {
        kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

        value = ngx_http_get_indexed_variable(r, kmcf->forwarded_for);
        if (value == NULL) {
            return NGX_ERROR;
        }

        *v = *value;

        return NGX_OK;
    }

    return ngx_http_variable_unknown_header(r, v, name,
                                            &r->headers_in.headers.part, 0);
}


static ngx_int_t
ngx_http_k8s_forwarded(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    ngx_str_t *name)
{
    v->not_found = 0;

    if (ngx_http_k8s_forwarded_header(r->main, v, name) != NGX_OK) {
        return NGX_ERROR;
    }

    return v->not_found ? NGX_DECLINED : NGX_OK;
}


void
ngx_http_k8s_forwarded_note(ngx_http_request_t *r, ngx_k8s_block_t *block)
{
    u_char                 addr[16];
    ngx_str_t             *text;
    ngx_uint_t             named;
    struct sockaddr       *sockaddr;
    ngx_table_elt_t       *header;
    ngx_proxy_protocol_t  *pp;

    static u_char  mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    sockaddr = r->connection->sockaddr;

    switch (sockaddr->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        ngx_memcpy(addr, &((struct sockaddr_in6 *) sockaddr)->sin6_addr, 16);
        break;
#endif

    case AF_INET:
        ngx_memcpy(addr, mapped, 12);
        ngx_memcpy(addr + 12, &((struct sockaddr_in *) sockaddr)->sin_addr, 4);
        break;

    default:
        return;
    }

    text = &r->connection->addr_text;
    header = r->headers_in.x_forwarded_for;
    pp = r->connection->proxy_protocol;

    named = (header == NULL && pp == NULL);

    if (header) {
        named = (ngx_strlcasestrn(header->value.data,
                                  header->value.data + header->value.len,
                                  text->data, text->len - 1)
                 != NULL);
    }

    if (pp) {
        named |= (pp->src_addr.len == text->len
                  && ngx_memcmp(pp->src_addr.data, text->data, text->len)
                     == 0);
    }

    ngx_k8s_clients_note(&block->view, addr, !named);
}
