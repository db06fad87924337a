
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_affinity.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_rewrite.h>


/* of a key in a cookie; a longer one is nobody's */
#define NGX_HTTP_K8S_AFFINITY_KEY    256


typedef struct {
    ngx_str_t                key;
    u_char                  *digest;     /* as hexadecimal digits, NULL: it has
                                            none */
} ngx_http_k8s_affinity_value_t;


static void ngx_http_k8s_affinity_name(ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_service_rec_t *service, ngx_str_t *name);
static ngx_int_t ngx_http_k8s_affinity_next(ngx_table_elt_t **h, size_t *pos,
    ngx_str_t *name, ngx_http_k8s_affinity_value_t *value);
static ngx_int_t ngx_http_k8s_affinity_pair(ngx_str_t *pair, ngx_str_t *name,
    ngx_http_k8s_affinity_value_t *value);
static ngx_uint_t ngx_http_k8s_affinity_of(
    ngx_http_k8s_affinity_value_t *value, u_char *digest);
static u_char *ngx_http_k8s_affinity_part(u_char *p, u_char *last,
    char *name, ngx_str_t *value);
static ngx_uint_t ngx_http_k8s_affinity_none_known(ngx_http_request_t *r);
static ngx_uint_t ngx_http_k8s_affinity_agent(ngx_str_t *agent, char *word);


static ngx_str_t  ngx_http_k8s_affinity_samesite[] = {
    ngx_null_string,
    ngx_string("None"),
    ngx_string("Lax"),
    ngx_string("Strict")
};


ngx_k8s_backend_rec_t *
ngx_http_k8s_affinity_backend(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, ngx_k8s_route_t *route)
{
    size_t                          pos;
    ngx_str_t                       name;
    ngx_uint_t                      i, n, status;
    ngx_table_elt_t                *h;
    ngx_k8s_backend_rec_t          *backend;
    ngx_k8s_service_rec_t          *service;
    ngx_http_k8s_affinity_value_t   value;

    h = r->headers_in.cookie;
    n = route->action->nbackends;

    backend = ngx_k8s_record_at(route->record, route->record->backends.offset);
    backend += route->action->backend;

    if (h == NULL || !(backend->flags & NGX_K8S_BACKEND_CANARY)) {
        return NULL;
    }

    service = ngx_k8s_route_service(table, &backend[n - 1], &status);

    if (service == NULL || service->affinity == NGX_K8S_AFFINITY_NONE) {
        return NULL;
    }

    ngx_http_k8s_affinity_name(ctx, service, &name);
    pos = 0;

    while (ngx_http_k8s_affinity_next(&h, &pos, &name, &value) == NGX_OK) {

        if (value.digest == NULL) {
            continue;
        }

        /* the primary is the last one, and goes before its canaries */

        for (i = n; i; i--) {
            service = ngx_k8s_route_service(table, &backend[i - 1], &status);

            if (service && service->affinity != NGX_K8S_AFFINITY_NONE
                && ngx_http_k8s_affinity_of(&value, service->digest))
            {
                return &backend[i - 1];
            }
        }
    }

    return NULL;
}


/* of several cookies that which the Service has given, or else the first */

void
ngx_http_k8s_affinity(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_service_rec_t *service)
{
    size_t                          pos;
    ngx_str_t                       name;
    ngx_table_elt_t                *h;
    ngx_k8s_settings_t             *settings;
    ngx_k8s_choice_key_t           *key;
    ngx_http_k8s_affinity_value_t   value, other;

    key = &ctx->hop.key;
    h = r->headers_in.cookie;
    settings = ngx_http_k8s_settings(ctx);

    key->change = (settings->affinity && settings->cookie_change);
    ngx_memcpy(ctx->digest, service->digest, sizeof(ctx->digest));

    if (h == NULL) {
        return;
    }

    ngx_http_k8s_affinity_name(ctx, service, &name);
    pos = 0;

    if (ngx_http_k8s_affinity_next(&h, &pos, &name, &value) != NGX_OK) {
        return;
    }

    other = value;

    while (ngx_http_k8s_affinity_next(&h, &pos, &name, &other) == NGX_OK) {

        if (ngx_http_k8s_affinity_of(&value, service->digest)) {
            break;
        }

        if (ngx_http_k8s_affinity_of(&other, service->digest)) {
            value = other;
            break;
        }
    }

    ngx_k8s_choice_cookie(key, service, &value.key);
}


ngx_int_t
ngx_http_k8s_affinity_hash(ngx_http_request_t *r, ngx_http_k8s_hop_t *hop)
{
    ngx_str_t                 text, value;
    ngx_k8s_table_t          *table;
    ngx_http_k8s_ctx_t       *ctx;
    ngx_k8s_service_rec_t    *service;
    ngx_http_k8s_captures_t   captures;
    ngx_http_k8s_template_t  *t, own;

    table = ngx_k8s_pin(hop->block);

    service = table ? ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_SERVICE,
                                              hop->service, hop->generation)
                    : NULL;

    if (service == NULL || service->hash_by.len == 0
        || service->affinity != NGX_K8S_AFFINITY_NONE)
    {
        return NGX_OK;
    }

    ctx = ngx_http_k8s_ctx(r);
    captures.n = 0;

    ngx_k8s_record_str(service, &service->hash_by, &text);

    t = ctx->profile->templates ? &ctx->profile->templates->hash : NULL;

    if (t == NULL || t->text.len != text.len
        || ngx_memcmp(t->text.data, text.data, text.len) != 0)
    {
        /* it is what another object says */

        t = &own;

        if (ngx_http_k8s_template_compile(r->pool, &text, t) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_k8s_template_run(r, t, &captures, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    hop->key.hash = ngx_k8s_ring_hash(value.data, value.len);

    return NGX_OK;
}


/* attributes of the cookie are those of the route, if it has any */

static void
ngx_http_k8s_affinity_name(ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_service_rec_t *service, ngx_str_t *name)
{
    ngx_k8s_settings_t  *settings;

    settings = ngx_http_k8s_settings(ctx);

    if (settings->affinity) {
        *name = settings->cookie_name;
        return;
    }

    ngx_k8s_record_str(service, &service->cookie, name);
}


/* NGX_DONE: there is no other cookie of the name with a key */

static ngx_int_t
ngx_http_k8s_affinity_next(ngx_table_elt_t **header, size_t *pos,
    ngx_str_t *name, ngx_http_k8s_affinity_value_t *value)
{
    u_char           *p, *last, *end;
    ngx_str_t         pair;
    ngx_table_elt_t  *h;

    for (h = *header; h; h = h->next) {

        p = h->value.data + *pos;
        last = h->value.data + h->value.len;

        while (p < last) {

            if (*p == ' ' || *p == ';') {
                p++;
                continue;
            }

            end = ngx_strlchr(p, last, ';');
            end = end ? end : last;

            pair.data = p;
            pair.len = end - p;
            p = end;

            if (ngx_http_k8s_affinity_pair(&pair, name, value) == NGX_OK) {
                *header = h;
                *pos = p - h->value.data;

                return NGX_OK;
            }
        }

        *pos = 0;
    }

    *header = NULL;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_k8s_affinity_pair(ngx_str_t *pair, ngx_str_t *name,
    ngx_http_k8s_affinity_value_t *value)
{
    u_char  *p, *last, *end;

    if (pair->len <= name->len + 1
        || pair->data[name->len] != '='
        || ngx_memcmp(pair->data, name->data, name->len) != 0)
    {
        return NGX_DECLINED;
    }

    p = pair->data + name->len + 1;
    last = pair->data + pair->len;

    end = ngx_strlchr(p, last, '|');

    value->digest = (end && last - end == 1 + NGX_K8S_MD5_LEN) ? end + 1 : NULL;

    value->key.data = p;
    value->key.len = (end ? end : last) - p;

    return (value->key.len && value->key.len <= NGX_HTTP_K8S_AFFINITY_KEY)
           ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
ngx_http_k8s_affinity_of(ngx_http_k8s_affinity_value_t *value, u_char *digest)
{
    u_char  hex[NGX_K8S_MD5_LEN];

    if (value->digest == NULL) {
        return 0;
    }

    ngx_hex_dump(hex, digest, 16);

    return ngx_memcmp(value->digest, hex, NGX_K8S_MD5_LEN) == 0;
}


ngx_int_t
ngx_http_k8s_affinity_cookie(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    u_char              *p, *last;
    size_t               len;
    ngx_int_t            n;
    ngx_str_t            path, *samesite;
    ngx_table_elt_t     *h;
    ngx_k8s_settings_t  *settings;

    settings = ngx_http_k8s_settings(ctx);

    if (!ctx->hop.key.fresh || !settings->affinity || ctx->names == NULL) {
        return NGX_OK;
    }

    path = settings->cookie_path;

    if (path.len == 0) {
        ngx_k8s_record_str(ctx->names, &ctx->names->path, &path);
    }

    samesite = &ngx_http_k8s_affinity_samesite[settings->cookie_samesite];

    if (settings->cookie_samesite == NGX_K8S_SAMESITE_NONE
        && settings->cookie_conditional
        && !ngx_http_k8s_affinity_none_known(r))
    {
        samesite = &ngx_http_k8s_affinity_samesite[0];
    }

    len = settings->cookie_name.len + settings->cookie_domain.len
          + settings->cookie_max_age.len + path.len
          + sizeof("=|; Expires=Thu, 31-Dec-2037 23:55:55 GMT; Max-Age="
                   "; Domain=; Path=; Secure; HttpOnly; SameSite=Strict")
          + 2 * NGX_K8S_MD5_LEN;

    p = ngx_pnalloc(r->pool, len);
    h = ngx_list_push(&r->headers_out.headers);

    if (p == NULL || h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->next = NULL;
    ngx_str_set(&h->key, "Set-Cookie");
    h->value.data = p;

    last = p + len;

    p = ngx_cpymem(p, settings->cookie_name.data, settings->cookie_name.len);
    *p++ = '=';
    p = ngx_cpymem(p, ctx->hop.key.text, NGX_K8S_MD5_LEN);
    *p++ = '|';
    p = ngx_hex_dump(p, ctx->digest, sizeof(ctx->digest));

    if (settings->cookie_expires.len) {
        n = 0;
        (void) ngx_k8s_grammar_integer.decode(&ngx_k8s_grammar_integer,
                                              &settings->cookie_expires, &n);

        p = ngx_cpymem(p, "; Expires=", sizeof("; Expires=") - 1);
        p = ngx_http_cookie_time(p, ngx_time() + n);
    }

    p = ngx_http_k8s_affinity_part(p, last, "; Max-Age=",
                                   &settings->cookie_max_age);
    p = ngx_http_k8s_affinity_part(p, last, "; Domain=",
                                   &settings->cookie_domain);
    p = ngx_http_k8s_affinity_part(p, last, "; Path=", &path);

    if (settings->cookie_secure
#if (NGX_HTTP_SSL)
        || r->connection->ssl
#endif
       )
    {
        p = ngx_cpymem(p, "; Secure", sizeof("; Secure") - 1);
    }

    p = ngx_cpymem(p, "; HttpOnly", sizeof("; HttpOnly") - 1);
    p = ngx_http_k8s_affinity_part(p, last, "; SameSite=", samesite);

    h->value.len = p - h->value.data;

    return NGX_OK;
}


/* what has a semicolon or a control character is left out */

static u_char *
ngx_http_k8s_affinity_part(u_char *p, u_char *last, char *name,
    ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] <= ' ' || value->data[i] == ';'
            || value->data[i] == 0x7f)
        {
            return p;
        }
    }

    return value->len ? ngx_slprintf(p, last, "%s%V", name, value) : p;
}


/* of some browsers who have the attribute refuse the cookie, or are stricter */

static ngx_uint_t
ngx_http_k8s_affinity_none_known(ngx_http_request_t *r)
{
    ngx_str_t   *agent;
    ngx_uint_t   i;

    static char  *refuse[] = {
        "Chrome/4", "Chrome/5", "Chrome/6", "CPU iPhone OS 12",
        "iPad; CPU OS 12"
    };

    if (r->headers_in.user_agent == NULL) {
        return 1;
    }

    agent = &r->headers_in.user_agent->value;

    for (i = 0; i < sizeof(refuse) / sizeof(refuse[0]); i++) {
        if (ngx_http_k8s_affinity_agent(agent, refuse[i])) {
            return 0;
        }
    }

    return !(ngx_http_k8s_affinity_agent(agent, "Macintosh")
             && ngx_http_k8s_affinity_agent(agent, "Intel Mac OS X 10_14")
             && ngx_http_k8s_affinity_agent(agent, "Safari")
             && !ngx_http_k8s_affinity_agent(agent, "Chrome"));
}


static ngx_uint_t
ngx_http_k8s_affinity_agent(ngx_str_t *agent, char *word)
{
    return ngx_strnstr(agent->data, word, agent->len) != NULL;
}
