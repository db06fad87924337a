
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The table of defaults: each row is whole, and the bases of the two APIs.
 */


#include "unit.h"
#include <ngx_k8s_policy.h>


static ngx_uint_t
policy_is(ngx_str_t *s, char *text)
{
    return s->len == ngx_strlen(text)
           && ngx_memcmp(s->data, text, s->len) == 0;
}


static void
policy_rows(void)
{
    size_t          n;
    ngx_k8s_row_t  *row, *other;

    union {
        ngx_uint_t  n;
        ngx_str_t   s;
    } field;

    for (row = ngx_k8s_rows; row->note.data; row++) {

        ok(row->apis && !(row->apis & ~(NGX_K8S_API_INGRESS
                                        |NGX_K8S_API_GATEWAY)),
           "%s%s: an API", row->key.data, row->directive.data);

        if (row->key.len == 0) {
            ok(row->directive.len && row->grammar == NULL
               && row->offset == NGX_K8S_NO_FIELD,
               "%s: without a key", row->directive.data);
            continue;
        }

        ok(row->grammar
           && row->grammar->decode(&row->value, &field) == NGX_OK,
           "%s: \"%s\" is %s", row->key.data, row->value.data,
           row->grammar->text);

        n = 0;

        for (other = ngx_k8s_rows; other->note.data; other++) {
            n += (other->key.len == row->key.len
                  && ngx_memcmp(other->key.data, row->key.data, row->key.len)
                     == 0);
        }

        ok(n == 1, "%s: one row", row->key.data);
    }
}


static void
policy_bases(void)
{
    ngx_k8s_settings_t  s;

    ngx_memset(&s, 0xff, sizeof(ngx_k8s_settings_t));

    ok(ngx_k8s_policy_base(&s, NGX_K8S_API_INGRESS) == NGX_OK, "Ingress");
    ok(s.ssl_redirect == 1 && s.redirect_code == 308
       && policy_is(&s.no_redirect, "/.well-known/acme-challenge"),
       "redirects");
    ok(s.hsts == 1 && s.hsts_max_age == 31536000 && s.hsts_subdomains == 1
       && s.hsts_preload == 0 && s.server_tokens == 0, "headers");
    ok(s.keepalive_connections == 320 && s.keepalive_requests == 10000
       && s.keepalive_timeout == 60000 && s.keepalive_time == 3600000,
       "idle connections");
    ok(s.ssl_protocols == (NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3)
       && s.ssl_ciphers.len > 100 && s.ssl_session_cache == 1
       && s.ssl_session_cache_size == 10 * 1024 * 1024
       && s.ssl_session_timeout == 600000 && s.ssl_session_tickets == 0
       && s.ssl_buffer_size == 4096, "TLS");

    ngx_memset(&s, 0xff, sizeof(ngx_k8s_settings_t));

    ok(ngx_k8s_policy_base(&s, NGX_K8S_API_GATEWAY) == NGX_OK, "Gateway");
    ok(s.ssl_redirect == 0 && s.redirect_code == 0 && s.no_redirect.len == 0
       && s.hsts == 0 && s.hsts_max_age == 0, "no redirects, no HSTS");
    ok(s.keepalive_connections == 320
       && s.ssl_protocols == (NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3),
       "connections and TLS are alike");
}


/* how often "directive argument" is among the tokens of an API */

static ngx_uint_t
policy_tokens(ngx_uint_t api, char *directive, char *argument)
{
    ngx_str_t     *arg;
    ngx_pool_t    *pool;
    ngx_uint_t     i, n;
    ngx_array_t   *tokens, **token;

    pool = ngx_create_pool(4096, &unit_log);
    tokens = ngx_array_create(pool, 64, sizeof(ngx_array_t *));
    n = 0;

    if (ngx_k8s_policy_tokens(pool, tokens, api) != NGX_OK) {
        return 100;
    }

    token = tokens->elts;

    for (i = 0; i < tokens->nelts; i++) {
        arg = token[i]->elts;

        n += (token[i]->nelts >= 2 && policy_is(&arg[0], directive)
              && policy_is(&arg[token[i]->nelts - 1], argument)
              && arg[0].data[arg[0].len] == '\0');
    }

    ngx_destroy_pool(pool);

    return n;
}


static void
policy_profiles(void)
{
#define ingress(directive, argument)                                          \
    policy_tokens(NGX_K8S_API_INGRESS, directive, argument)
#define gateway(directive, argument)                                          \
    policy_tokens(NGX_K8S_API_GATEWAY, directive, argument)

    ok(ingress("proxy_connect_timeout", "5s") == 1
       && gateway("proxy_connect_timeout", "5s") == 1, "time-outs");
    ok(ingress("client_max_body_size", "1m") == 1
       && ingress("client_max_body_size", "0") == 0, "size of a body");
    ok(gateway("client_max_body_size", "0") == 1
       && gateway("client_max_body_size", "1m") == 0, "no limit of Gateways");
    ok(ingress("proxy_next_upstream", "timeout") == 1
       && ingress("proxy_next_upstream_tries", "3") == 1, "retries");
    ok(gateway("proxy_next_upstream", "off") == 1
       && gateway("proxy_next_upstream_tries", "3") == 0,
       "Gateways have none");
    ok(ingress("proxy_buffers", "4k") == 1, "the value of another row");
    ok(ingress("proxy_set_header", "") == 5, "empty arguments");
}


static void
policy_grammars(void)
{
    size_t       size;
    ngx_str_t    s;
    ngx_uint_t   n;
    ngx_msec_t   ms;

#define refused(grammar, text, field)                                         \
    s.data = (u_char *) text;                                                 \
    s.len = sizeof(text) - 1;                                                 \
    ok(ngx_k8s_grammar_##grammar.decode(&s, field) == NGX_ERROR,              \
       #grammar " \"%s\"", text)

    refused(flag, "on", &n);
    refused(flag, "", &n);
    refused(switch, "true", &n);
    refused(number, "-1", &n);
    refused(number, "1s", &n);
    refused(number, "", &n);
    refused(seconds, "5s", &ms);
    refused(seconds, "9223372036854775807", &ms);
    refused(time, "ten", &ms);
    refused(size, "1x", &size);
    refused(size, "-1", &size);
    refused(protocols, "", &n);
    refused(protocols, "TLSv1.2 SSLv3", &n);
    refused(protocols, "TLSv1.22", &n);

    ngx_str_set(&s, " TLSv1.1   TLSv1.3 ");
    ok(ngx_k8s_grammar_protocols.decode(&s, &n) == NGX_OK
       && n == (NGX_SSL_TLSv1_1|NGX_SSL_TLSv1_3), "protocols");

    ngx_str_set(&s, "2g");
    ok(ngx_k8s_grammar_size.decode(&s, &size) == NGX_OK
       && size == (size_t) 2 * 1024 * 1024 * 1024, "size");
}


int
main(void)
{
    unit_init();

    policy_rows();
    policy_bases();
    policy_profiles();
    policy_grammars();

    return done();
}
