
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
    ngx_uint_t      said;
    ngx_k8s_row_t  *row, *other;

    union {
        ngx_uint_t  n;
        ngx_str_t   s;
    } field;

    said = NGX_K8S_ROW_ANNOTATION|NGX_K8S_ROW_KEY;

    for (row = ngx_k8s_rows; row->note.data; row++) {

        ok(row->flags & (NGX_K8S_API_INGRESS|NGX_K8S_API_GATEWAY),
           "%s%s: an API", row->name.data, row->directive.data);

        if (row->name.len == 0) {
            ok(row->directive.len && row->grammar == NULL
               && row->offset == NGX_K8S_NO_FIELD,
               "%s: without a key", row->directive.data);
            continue;
        }

        ok(row->grammar
           && (row->value.len == 0
               || row->grammar->decode(row->grammar, &row->value, &field)
                  == NGX_OK),
           "%s: \"%s\" is %s", row->name.data, row->value.data,
           row->grammar->text);

        n = 0;

        for (other = ngx_k8s_rows; other->note.data; other++) {
            n += ((other->flags & row->flags & said)
                  && other->name.len == row->name.len
                  && ngx_memcmp(other->name.data, row->name.data, row->name.len)
                     == 0);
        }

        ok(n == 1, "%s: one row", row->name.data);

        ok(ngx_k8s_row(&row->name, row->flags & said) == row
           && (row->alias.len == 0
               || ngx_k8s_row(&row->alias, row->flags & said) == row),
           "%s: is found", row->name.data);

        ok(row->flags & (NGX_K8S_ROW_ANNOTATION|NGX_K8S_ROW_KEY),
           "%s: can be set", row->name.data);

        ok(row->needs.len == 0
           || ngx_k8s_row(&row->needs,
                          NGX_K8S_ROW_ANNOTATION|NGX_K8S_ROW_KEY),
           "%s: needs \"%s\"", row->name.data, row->needs.data);
    }
}


/* each has a bit of its own */

static void
policy_flags(void)
{
    ngx_uint_t  i, all;

    static ngx_uint_t  flags[] = {
        NGX_K8S_API_INGRESS, NGX_K8S_API_GATEWAY, NGX_K8S_ROW_ANNOTATION,
        NGX_K8S_ROW_KEY, NGX_K8S_ROW_LATER, NGX_K8S_ROW_KEY_LATER,
        NGX_K8S_ROW_COMPARED, NGX_K8S_ROW_NOTED, NGX_K8S_ROW_REFUSED,
        NGX_K8S_ROW_WATCHER, NGX_K8S_ROW_HANDSHAKE,
        NGX_K8S_ROW_CLOSES_ROUTE, NGX_K8S_ROW_CLOSES_HOST, NGX_K8S_ROW_SAID,
        NGX_K8S_ROW_ON, NGX_K8S_ROW_OFF, NGX_K8S_ROW_EACH,
        NGX_K8S_ROW_PROFILE, NGX_K8S_ROW_HEADERS,
        NGX_K8S_ROW_PARTS, NGX_K8S_ROW_REF, NGX_K8S_ROW_PAIR,
        NGX_K8S_ROW_SECRET, NGX_K8S_ROW_CLASS, NGX_K8S_ROW_CANARY,
        NGX_K8S_ROW_HOST, NGX_K8S_ROW_SERVICE, NGX_K8S_ROW_OBJECT,
        NGX_K8S_RISK_CRITICAL
    };

    all = 0;

    for (i = 0; i < sizeof(flags) / sizeof(ngx_uint_t); i++) {
        ok((all & flags[i]) == 0, "flag %lx is of one meaning",
           (long) flags[i]);
        all |= flags[i];
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
    ok(s.cors == 0 && policy_is(&s.cors_origins, "*")
       && policy_is(&s.cors_methods, "GET, PUT, POST, DELETE, PATCH, OPTIONS")
       && s.cors_headers.len > 100 && s.cors_expose.len == 0
       && s.cors_credentials == 1 && s.cors_max_age == 1728000, "origins");
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

    if (ngx_k8s_policy_tokens(pool, tokens, api, NULL) != NGX_OK) {
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
    ok(ingress("proxy_busy_buffers_size", "8192") == 1,
       "twice that of another row");
    ok(ingress("proxy_set_header", "") == 5, "empty arguments");
}


#define POLICY_16  "$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1"
#define POLICY_64  POLICY_16 POLICY_16 POLICY_16 POLICY_16

static void
policy_grammars(void)
{
    size_t       size;
    ngx_int_t    i;
    ngx_str_t    s;
    ngx_uint_t   n;
    ngx_bufs_t   bufs;
    ngx_msec_t   ms;

#define refused(grammar, text, field)                                         \
    s.data = (u_char *) text;                                                 \
    s.len = sizeof(text) - 1;                                                 \
    ok(ngx_k8s_grammar_##grammar.decode(&ngx_k8s_grammar_##grammar, &s,       \
                                        field)                                \
       == NGX_ERROR,                                                          \
       #grammar " \"%s\"", text)

    ngx_str_set(&s, ",404,,503,");
    ok(ngx_k8s_grammar_codes.decode(&ngx_k8s_grammar_codes, &s, &s) == NGX_OK,
       "empty statuses are left out");

    ngx_str_set(&s, "https://a.example,");
    ok(ngx_k8s_grammar_origins.decode(&ngx_k8s_grammar_origins, &s, &s)
       == NGX_OK, "empty origins are left out");

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
    refused(integer, "", &n);
    refused(integer, "-", &n);
    refused(integer, "--1", &n);
    refused(integer, "1.5", &n);
    refused(integer, "99999999999", &n);
    refused(methods, "GET;PUT", &s);
    refused(methods, "GET\r\nX: y", &s);
    refused(headers, "*", &s);
    refused(headers, "X-A\nX-B", &s);
    refused(headers, "X-A: $host", &s);
    refused(headers_any, "\"X-A\"", &s);
    refused(headers_any, "X-A\0", &s);
    refused(origins, "https://app.example/", &s);
    refused(origins, "app.example", &s);
    refused(origins, "https://", &s);
    refused(origins, "https://a.*.example", &s);
    refused(origins, ",", &s);
    refused(codes, ",,", &s);
    refused(cidrs, "10.0.0.0/8,", &s);
    refused(cidrs, "", &s);
    refused(cidrs, "10.0.0.0/8, 010.0.0.0/8", &s);
    refused(cidrs, "::ffff:10.0.0.01", &s);
    refused(cidrs, "10..0.0", &s);
    refused(origins, "https://a.example\0", &s);
    refused(origins, "https://a.example\nX: y", &s);
    refused(path_capture, "/$1\n", &s);
    refused(path_capture, POLICY_64 "$1", &s);
    s.len -= 2;
    ok(ngx_k8s_grammar_path_capture.decode(&ngx_k8s_grammar_path_capture, &s,
                                           &s)
       == NGX_OK, "64 captures are not too many");
    refused(buffer, "127", &size);
    refused(buffer, "2m", &size);
    refused(buffers, "4", &bufs);
    refused(buffers, "0 8k", &bufs);
    refused(buffers, "4 1000", &bufs);
    refused(buffers, "4 8k x", &bufs);
    refused(buffers, "65 8k", &bufs);
    refused(next_upstream, "error\0timeout", &n);
    refused(next_upstream, "error \0timeout", &n);
    refused(protocols, "", &n);
    refused(protocols, "TLSv1.2 SSLv3", &n);
    refused(protocols, "TLSv1.22", &n);

    ngx_str_set(&s, " TLSv1.1   TLSv1.3 ");
    ok(ngx_k8s_grammar_protocols.decode(&ngx_k8s_grammar_protocols, &s, &n)
       == NGX_OK
       && n == (NGX_SSL_TLSv1_1|NGX_SSL_TLSv1_3), "protocols");

    ngx_str_set(&s, "-1");
    ok(ngx_k8s_grammar_integer.decode(&ngx_k8s_grammar_integer, &s, &i)
       == NGX_OK
       && i == -1, "a number below zero");

    ngx_str_set(&s, "4  8k");
    ok(ngx_k8s_grammar_buffers.decode(&ngx_k8s_grammar_buffers, &s, &bufs)
       == NGX_OK
       && bufs.num == 4 && bufs.size == 8192, "buffers");

    ngx_str_set(&s, "2g");
    ok(ngx_k8s_grammar_size.decode(&ngx_k8s_grammar_size, &s, &size) == NGX_OK
       && size == (size_t) 2 * 1024 * 1024 * 1024, "size");
}


/* as many as ingress-nginx 1.15 documents, what it reads beside them, and
   limit-dry-run */

static void
policy_counts(void)
{
    ngx_uint_t      annotations, aliases, keys;
    ngx_k8s_row_t  *row;

    annotations = 0;
    aliases = 0;
    keys = 0;

    for (row = ngx_k8s_rows; row->note.data; row++) {

        if (row->flags & NGX_K8S_ROW_ANNOTATION) {
            annotations++;
            aliases += (row->alias.len
                        && !policy_is(&row->alias,
                                      "enable-owasp-modsecurity-crs"));
        }

        keys += (row->flags & NGX_K8S_ROW_KEY) ? 1 : 0;
    }

    ok(annotations == 136 + 1, "%d annotations", (int) annotations);
    ok(aliases == 2, "%d aliases", (int) aliases);
    ok(keys == 192 + 16 + 1, "%d keys", (int) keys);
}


typedef struct {
    char  text[4096];
} policy_said_t;


static ngx_int_t
policy_say(void *data, ngx_uint_t what, ngx_str_t *name, ngx_str_t *message,
    ngx_str_t *remedy)
{
    policy_said_t *said = data;

    size_t  len;

    len = ngx_strlen(said->text);

    (void) ngx_snprintf((u_char *) said->text + len,
                        sizeof(said->text) - len, "%ui %V: %V%s%V\n%Z", what,
                        name, message, remedy->len ? " | " : "", remedy);

    return NGX_OK;
}


typedef struct {
    char        *annotations;    /* "name=value;name=value" */
    char        *said;           /* has to be in it, after "!" must not; "":
                                    nothing */
    ngx_uint_t   values;
    ngx_uint_t   closed;         /* 1: the route, 2: the host; 3: the object
                                    is refused */
} policy_case_t;


#define OURS  "nginx.ingress.kubernetes.io/"
#define NONE  "\177is none"

static policy_case_t  policy_cases[] = {

    /* nothing to say */

    { OURS "enable-cors=false", "", 1, 0 },
    { OURS "backend-protocol=http", "", 1, 0 },
    { OURS "limit-rps=0", "", 1, 0 },
    { OURS "satisfy=all", "", 1, 0 },
    { OURS "whitelist-source-range=0.0.0.0/0,::/0", "", 1, 0 },
    { OURS "allowlist-source-range=10.0.0.0/8, ::/0 ,0.0.0.0/0", "", 1, 0 },
    { OURS "rewrite-target=", "", 0, 0 },
    { "kubernetes.io/ingress.class=nginx", "", 0, 0 },
    { "example.com/affinity=cookie", "", 0, 0 },

    /* names */

    { OURS "proxy-body-siz=1m", "Did you mean \"proxy-body-size\"?", 0, 0 },
    { OURS "rewrit-target=/", "Did you mean \"rewrite-target\"?", 0, 0 },
    { OURS "whitelist-source-rnage=::1",
      "Did you mean \"whitelist-source-range\"?", 0, 0 },
    { OURS "rate-limit-connections=1", "Use \"limit-connections\".\n", 0, 0 },
    { OURS "secure-verify-ca-secret=a", "Use \"proxy-ssl-secret\" and "
      "\"proxy-ssl-verify\".\n", 0, 0 },
    { OURS "enable-modsecurit=a", "Did you mean \"enable-modsecurity\"? It is "
      "not served yet: it closes the paths.\n", 0, 0 },
    { OURS "auth-tls-error-pag=a",
      "Did you mean \"auth-tls-error-page\"?", 0, 0 },
    { "haproxy.org/cookie-persistence=a", "Here it is \"affinity: cookie\".\n",
      0, 0 },
    { OURS "secure-backend=true", "Use \"backend-protocol: HTTPS\".", 0, 0 },
    { OURS "ip-whitelist=::1", "Use \"allowlist-source-range\".\n", 0, 0 },
    { OURS "cors-allowed-origins=*", "Use \"cors-allow-origin\".\n", 0, 0 },
    { OURS "body-size=1m", "Use \"proxy-body-size\".\n", 0, 0 },
    { OURS "client-max-body-size=1m", "Use \"proxy-body-size\".", 0, 0 },
    { OURS "secure-backends=true", "Use \"backend-protocol: HTTPS\".", 0, 0 },
    { OURS "session-cookie-hash=md5", "there is no such annotation | Remove",
      0, 0 },
    { OURS "enable-opentracing=true", "Use \"enable-opentelemetry\".", 0, 0 },
    { OURS "global-rate-limit-window=1m", "Use \"limit-rps\"", 0, 0 },
    { OURS "use-gzip=true", "it is a key of the ConfigMap", 0, 0 },
    { OURS "hsts-max-ag=1", "Did you mean \"hsts-max-age\"? It is a key of the "
      "ConfigMap.\n", 0, 0 },
    { OURS "hsts-for-all=1", "Set it in the controller's ConfigMap", 0, 0 },
    { OURS "whitelist=::1", "Use \"allowlist-source-range\".\n", 0, 0 },
    { OURS "allowlist=::1", "Use \"allowlist-source-range\".\n", 0, 0 },
    { OURS "denylist=::1", "Use \"denylist-source-range\".\n", 0, 0 },
    { OURS "rewrite=/", "Use \"rewrite-target\".\n", 0, 0 },
    { OURS "auth-tls-verify=on", "Use \"auth-tls-verify-client\".\n", 0, 0 },
    { OURS "enable-ssl-redirect=true", "Use \"ssl-redirect\".\n", 0, 0 },
    { OURS "cors-enable=true", "Use \"enable-cors\".\n", 0, 0 },
    { OURS "cors-enabled=true", "Use \"enable-cors\".\n", 0, 0 },
    { OURS "basic-auth=a", "Use \"auth-type: basic\" and \"auth-secret\".\n", 0,
      0 },
    { OURS "hello=1", "0 " OURS "hello: there is no such annotation\n", 0, 0 },
    { "ingress.kubernetes.io/rewrite-target=/",
      "only names that begin with \"nginx.ingress.kubernetes.io/\"", 0, 0 },
    { "ingress.kubernetes.io/rewrite-target=/",
      "| Use \"nginx.ingress.kubernetes.io/rewrite-target\".", 0, 0 },
    { "nginx.ingress.k8s.io/rewrite-target=/", "only names", 0, 0 },
    { "ngnix.ingress.kubernetes.io/rewrite-target=/",
      "| Use \"nginx.ingress.kubernetes.io/rewrite-target\".", 0, 0 },
    { "nginx.ingres.kubernetes.io/rewrite-target=/",
      "| Use \"nginx.ingress.kubernetes.io/rewrite-target\".", 0, 0 },
    { "nginx.kubernetes.io/auth-type=basic",
      "| Use \"nginx.ingress.kubernetes.io/auth-type\".\n", 0, 0 },
    { "nginx.kubernetes.io/other=/", "", 0, 0 },
    { "rewrite-target=/", "| Use \"nginx.ingress.kubernetes.io/rewrite-target"
      "\".\n", 0, 0 },
    { "nginx.ingress.kubernetes.io.rewrite-target=/", "| Use \"nginx.ingress."
      "kubernetes.io/rewrite-target\".\n", 0, 0 },
    { "kubernetes.io/ssl-redirect=false", "| Use \"nginx.ingress.kubernetes.io/"
      "ssl-redirect\".\n", 0, 0 },
    { "ingress.kubernetes.io/rewrite-target=/;rewrite-target=/;ssl-redirect=1",
      "0 ssl-redirect: only names", 0, 0 },
    { "kubernetes.io/tls-acme=true", "", 0, 0 },
    { "canary=true", "", 0, 0 },
    { OURS OURS "ssl-redirect=false", "Did you mean \"ssl-redirect\"?", 0, 0 },
    { OURS "/ssl-redirect=false", "Did you mean \"ssl-redirect\"?", 0, 0 },
    { OURS "Proxy-Body-Size=1m", "Did you mean \"proxy-body-size\"?", 0, 0 },
    { OURS "canary-header=X", "Use \"canary-by-header\".", 0, 0 },
    { OURS "custom-default-backend=a", "Use \"default-backend\".", 0, 0 },
    { OURS "enable-websockets=true", "WebSocket needs no", 0, 0 },
    { OURS "ingress.class=nginx", "Use \"spec.ingressClassName\".", 0, 0 },
    { OURS "from-to-www=true", "Use \"from-to-www-redirect\".", 0, 0 },
    { OURS "custom-response-headers=a", "Use \"custom-headers\".", 0, 0 },
    { OURS "gzip=on", "Set \"use-gzip\" in", 0, 0 },
    { OURS "proxy-pass-headers=a", "headers of backends are passed", 0, 0 },
    { "nginx.org/rewrites=x", "Here it is \"rewrite-target\".", 0, 0 },
    { "traefik.ingress.kubernetes.io/router.priority=1",
      "7 traefik.ingress.kubernetes.io/router.priority: another controller "
      "reads it\n", 0, 0 },
    { "haproxy-ingress.github.io/auth-secret=a", "0 haproxy-ingress.github.io/"
      "auth-secret: another controller reads it, so it protects nothing here "
      "| Here it is \"auth-secret\".\n", 0, 0 },
    { "haproxy-ingress.github.io/allowlist-source-range=::1", "0 haproxy-"
      "ingress.github.io/allowlist-source-range: another controller reads it, "
      "so it protects nothing here | Here it is \"allowlist-source-range\".\n",
      0, 0 },
    { "haproxy-ingress.github.io/rewrite-target=/", "7 haproxy-ingress.github."
      "io/rewrite-target: another controller reads it | Here it is "
      "\"rewrite-target\".\n", 0, 0 },
    { "haproxy-ingress.github.io/hsts=true", "7 haproxy-ingress.github.io/hsts:"
      " another controller reads it | Here \"hsts\" is a key of the ConfigMap."
      "\n", 0, 0 },
    { "haproxy-ingress.github.io/cors-enable=true", "7 haproxy-ingress.github."
      "io/cors-enable: another controller reads it | Use \"enable-cors\".\n", 0,
      0 },
    { "haproxy-ingress.github.io/waf-mode=on", "7 haproxy-ingress.github.io/"
      "waf-mode: another controller reads it\n", 0, 0 },
    { "nginx.org/basic-auth-secret=a", "0 nginx.org/basic-auth-secret: another "
      "controller reads it, so it protects nothing here | Here it is "
      "\"auth-secret\", with \"auth-type: basic\".\n", 0, 0 },
    { "nginx.org/limit-req-rate=a", "0 nginx.org/limit-req-rate: another "
      "controller reads it, so it protects nothing here | Here it is "
      "\"limit-rps\" or \"limit-rpm\".\n", 0, 0 },
    { "nginx.org/path-regex=a", "Here it is \"use-regex\".\n", 0, 0 },
    { "haproxy.org/auth-secret=a", "0 haproxy.org/auth-secret", 0, 0 },
    { "alb.ingress.kubernetes.io/inbound-cidrs=::1", "0 alb.ingress.kubernetes."
      "io/inbound-cidrs: another controller reads it, so it protects nothing "
      "here | Here it is \"allowlist-source-range\".\n", 0, 0 },
    { "alb.ingress.kubernetes.io/auth-type=oidc", "so it protects nothing here "
      "| Here it is \"auth-url\" and \"auth-signin\".\n", 0, 0 },
    { "appgw.ingress.kubernetes.io/backend-protocol=a",
      "| Here it is \"backend-protocol\".\n", 0, 0 },
    { "traefik.ingress.kubernetes.io/whitelist-source-range=::1", "so it "
      "protects nothing here | Here it is \"whitelist-source-range\".\n",
      0, 0 },
    { "higress.io/auth-type=basic", "| Here it is \"auth-type\".\n", 0, 0 },
    { "mse.ingress.kubernetes.io/denylist-source-range=::1",
      "| Here it is \"denylist-source-range\".\n", 0, 0 },
    { "custom.nginx.org/rate=1", "7 custom.nginx.org/rate: another controller "
      "reads it\n", 0, 0 },
    { "ingress.bluemix.net/rewrite-path=/", "7 ingress.bluemix.net/rewrite-path"
      ": another controller reads it | Use \"rewrite-target\".\n", 0, 0 },
    { "voyager.appscode.com/whitelist-source-range=::1",
      "| Here it is \"whitelist-source-range\".\n", 0, 0 },
    { "alb.ingress.kubernetes.io/ssl-redirect=443", "force-ssl-redirect", 0,
      0 },

    /* values */

    { OURS "enable-cors=maybe", "1 " OURS "enable-cors: \"maybe\" is not "
      "\"true\" or \"false\", so the default \"false\" holds", 0, 0 },
    { OURS "proxy-body-size=a", "so the key of the ConfigMap holds, or the "
      "default \"1m\" where there is none\n", 0, 0 },
    { OURS "custom-http-errors=a", "so the key of the ConfigMap holds, where "
      "there is one\n", 0, 0 },
    { OURS "app-root=/a b", "so it is not set", 0, 0 },
    { OURS "app-root=/a\nreturn 200;", "so it is not set", 0, 0 },
    { OURS "permanent-redirect=http://a$b", "\"http://a$b\" has a \"$\", but "
      "no variables, allowed are letters, digits and \"/-._~:,?&=\", unless "
      "nginx.conf has \"enable_annotation_validation off;\", so it is not set",
      0, 0 },
    { OURS "permanent-redirect=http://a/b%20c", "has a \"%\", allowed are", 0,
      0 },
    { OURS "app-root=/a?b=c", "\"/a?b=c\" has a \"?\", allowed are", 0, 0 },
    { OURS "proxy-body-size='0'", "'0' has quotes in it, and is not a size", 0,
      0 },
    { OURS "proxy-http-version=\"1.1\"", "\"1.1\" has quotes in it", 0, 0 },
    { OURS "whitelist-source-range=\"::1\"", "the item \"\"::1\"\" has quotes "
      "in it and is none of addresses", 0, 1 },
    { OURS "whitelist-source-range=a,::1,b", "the items \"a\" and \"b\" are "
      "none of addresses", 0, 1 },
    { OURS "whitelist-source-range=a,b,c,d,e", "the items \"a\", \"b\", \"c\" "
      "and 2 more are none of", 0, 1 },
    { OURS "app-root=a", "\"a\" is not a path that begins with a slash", 0, 0 },
    { OURS "app-root=/a\nb", "has a byte 0x0A, allowed", 0, 0 },
    { OURS "session-cookie-samesite=lax;" OURS "affinity=cookie",
      "1 " OURS "session-cookie-samesite", 1, 0 },
    { OURS "proxy-next-upstream=ERROR", "1 ", 0, 0 },
    { OURS "connection-proxy-header=upgrade", "so it is not set", 0, 0 },
    { OURS "proxy-redirect-from=http://a b", "or the default \"off\" where", 0,
      0 },

    { OURS "enable-cors=true;" OURS "cors-allow-origin=https://a.example/",
      "1 " OURS "cors-allow-origin: the item \"https://a.example/\" is "
      "none of \"*\", or "
      "origins as \"https://*.example.com\", separated by commas, so what is "
      "wrong is left out", 2, 0 },
    { OURS "enable-cors=true;" OURS "cors-allow-origin=",
      "1 " OURS "cors-allow-origin: \"\" is not", 2, 0 },
    { OURS "enable-cors=true;" OURS "cors-allow-headers=X-A\r\nX-B: c",
      "1 " OURS "cors-allow-headers", 1, 0 },

    /* what protects is closed */

    { OURS "enable-modsecurity=true", "2 " OURS "enable-modsecurity: it is not "
      "served yet, so the paths of the Ingress are closed", 1, 1 },
    { OURS "auth-url=https://$host:8443/a?b=$arg_b&c", "", 1, 0 },
    { OURS "auth-url=http://a", "", 1, 0 },
    { OURS "auth-url=http://[::1]/", "2 " OURS "auth-url: \"http://[::1]/\" "
      "has a \"[\"", 0, 1 },
    { OURS "auth-url=http://", "2 ", 0, 1 },
    { OURS "auth-url=http:///path", "2 ", 0, 1 },
    { OURS "auth-url=http://?a=b", "2 ", 0, 1 },
    { OURS "auth-url=http://:80/", "2 ", 0, 1 },
    { OURS "auth-url=http://a..b/", "2 ", 0, 1 },
    { OURS "auth-url=http://a,b/", "2 ", 0, 1 },
    { OURS "auth-url=//a/", "2 ", 0, 1 },
    { OURS "auth-url=ftp://a/", "2 ", 0, 1 },
    { OURS "auth-url=$scheme://a/", "2 ", 0, 1 },
    { OURS "auth-url=http://a/%20", "2 ", 0, 1 },
    { OURS "auth-url=http://a/;" OURS "auth-response-headers=A B", "2 ", 1,
      1 },
    { OURS "whitelist-source-range=0.0.0.0/0", "", 1, 0 },
    { OURS "allowlist-source-range=", "2 " OURS "allowlist-source-range: \"\" "
      "is not addresses", 0, 1 },
    { OURS "denylist-source-range=", "2 ", 0, 1 },
    { OURS "whitelist-source-range=0.0.0.0/0,::/0,x", "2 ", 0, 1 },
    { OURS "denylist-source-range=0.0.0.0/0,::/0", "", 1, 0 },
    { OURS "whitelist-source-range=10.0.0.0/99",
      "2 " OURS "whitelist-source-range: the item \"10.0.0.0/99\" is none of "
      "addresses",
      0, 1 },
    { OURS "limit-rps=ten", "2 ", 0, 1 },
    { OURS "satisfy=some", "2 ", 0, 1 },
    { OURS "auth-url=http://a/{", "2 ", 0, 1 },
    { OURS "auth-type=basic", "it needs \"auth-secret\", so the paths of the "
      "Ingress are closed", 1, 1 },
    { OURS "auth-type=none", "2 ", 0, 1 },
    { OURS "auth-type=digest;" OURS "auth-secret=b", "", 2, 0 },
    { OURS "auth-type=basic;" OURS "auth-secret=b", "", 2, 0 },
    { OURS "auth-type=basic;" OURS "auth-secret=a/b",
      "it names an object of another namespace, which allow-cross-namespace-"
      "resources does not allow, so the paths of the Ingress are closed: they "
      "answer 503 | Put the Secret into namespace default and name it alone, "
      "or set allow-cross-namespace-resources.\n", 1, 1 },
    { OURS "auth-type=basic;" OURS "auth-secret=b;" OURS
      "auth-secret-type=file", "2 ", 2, 1 },
    { OURS "auth-tls-secret=a/b", "| Put the Secret into namespace default and",
      0, 2 },
    { OURS "proxy-ssl-secret=a/b", "| Put the Secret into namespace default",
      0, 1 },
    { OURS "auth-url=http://a/;" OURS "auth-proxy-set-headers=a/b",
      "| Put the ConfigMap into namespace default and", 1, 1 },
    { OURS "auth-secret-type=auth-map", "6 ", 0, 0 },
    { OURS "auth-realm=x", "6 ", 0, 0 },
    { OURS "auth-tls-secret=a/b", "it names an object of another namespace, "
      "which allow-cross-namespace-resources does not allow, so the hosts of "
      "the Ingress are closed", 0, 2 },
    { OURS "auth-secret=default/b", "it does nothing without \"auth-type\"",
      0, 0 },
    { OURS "auth-secret=default/b/c", "2 ", 0, 1 },
    { OURS "custom-headers=a/b", "", 1, 0 },

    /* an object is refused */

    { OURS "configuration-snippet=deny all;",
      "2 " OURS "configuration-snippet: its risk is \"Critical\", and "
      "annotations-risk-level allows \"High\" at most, so the Ingress is not "
      "served: its paths answer 404\n", 0, 3 },
    { OURS "configuration-snippet=", "annotations-risk-level allows", 0, 3 },
    { OURS "auth-type=basic;" OURS "auth-secret=b;" OURS "auth-realm=secret",
      "!auth-type", 0, 3 },
    { OURS "auth-realm=a;" OURS "canary-weight=1;" OURS "app-root=/secret",
      "!does nothing", 0, 3 },
    { OURS "enable-cors=true;" OURS "cors-allow-origin=https://secret.example",
      "2 " OURS "cors-allow-origin: it has a word that "
      "annotation-value-word-blocklist forbids, so the Ingress is not served: "
      "its paths answer 404", 0, 3 },
    { OURS "auth-url=http://secret/", "forbids, so the Ingress", 0, 3 },
    { OURS "hello=one load_module", "forbids, so the Ingress", 0, 3 },
    { OURS "hello=LOAD_MODULE", "there is no such annotation", 0, 0 },
    { "example.com/hello=secret", "", 0, 0 },
    { OURS "canary=true;" OURS "canary-by-header=X;" OURS
      "canary-by-header-value=secret", "forbids, so the Ingress", 1, 3 },

    { OURS "canary=true;" OURS "canary-by-header=X;" OURS
      "canary-by-header-value=yes please", "", 3, 0 },
    { OURS "rewrite-target=/secret", "2 " OURS "rewrite-target: it has a word "
      "that annotation-value-word-blocklist forbids", 0, 3 },
    { OURS "backend-protocol=https", "", 1, 0 },
    { OURS "backend-protocol=auto_http", "", 1, 0 },
    { OURS "backend-protocol=GRPCS", "", 1, 0 },
    { OURS "backend-protocol=FCGI", "", 1, 0 },
    { OURS "backend-protocol=H2", "1 " OURS "backend-protocol: \"H2\" is not "
      "HTTP, HTTPS,", 0, 0 },

    /* no effect */

    { OURS "cors-allow-origin=https://a.example", "6 " OURS
      "cors-allow-origin: it does nothing without \"enable-cors\"", 0, 0 },
    { OURS "cors-max-age=5;" OURS "enable-cors=false", "6 ", 1, 0 },
    { OURS "session-cookie-name=a", "6 ", 0, 0 },
    { OURS "canary-weight=10", "6 ", 0, 0 },
    { OURS "canary-weight=10;" OURS "canary=false", "6 ", 1, 0 },
    { OURS "x-forwarded-prefix=/a", "6 ", 0, 0 },
    { OURS "auth-method=GET", "6 ", 0, 0 },
    { OURS "canary-weight=10;" OURS "canary=true", "", 2, 0 },

    /* what is there and bad is not missed */

    { OURS "auth-type=Basic;" OURS "auth-secret=b", "!does nothing", 0, 1 },
    { OURS "auth-url=nowhere;" OURS "auth-response-headers=X-A",
      "!does nothing", 0, 1 },
    { OURS "auth-url= ;" OURS "auth-response-headers=X-A",
      "it does nothing without \"auth-url\"", 0, 0 },
    { OURS "proxy-redirect-from=http://a/;" OURS "proxy-redirect-to=a b",
      "!does nothing", 1, 0 },
    { OURS "proxy-redirect-from=http://a b;" OURS "proxy-redirect-to=http://b/",
      "!does nothing", 1, 0 },
    { OURS "enable-cors=yes;" OURS "cors-max-age=5", "!does nothing", 0, 0 },

    /* what cannot be read: the byte and the reason */

    { OURS "canary=yes;" OURS "canary-weight=100;" OURS "limit-rps=5",
      "1 " OURS "canary: \"yes\" is not \"true\" or \"false\", so the Ingress "
      "is taken for a canary, and gets no requests\n", 1, 0 },
    { OURS "canary=" NONE, "1 " OURS "canary: it is none, so the Ingress is "
      "taken for a canary", 1, 0 },
    { OURS "canary=", "", 0, 0 },
    { OURS "allowlist-source-range=" NONE, "2 " OURS "allowlist-source-range: "
      "it is none, so the paths", 0, 1 },
    { OURS "auth-tls-secret=" NONE, "it is none, so the hosts", 0, 2 },
    { OURS "proxy-body-size=" NONE, "1 " OURS "proxy-body-size: it is none, so "
      "the key", 0, 0 },
    { OURS "proxy-bodies=" NONE, "0 " OURS "proxy-bodies", 0, 0 },
    { "prometheus.io/scrape=" NONE, "1 prometheus.io/scrape: it is none\n", 0,
      0 },
    { "=" NONE, "2 : it is none, so what protects is not known", 0, 2 },
    { OURS "limit-rps=;" OURS "auth-url= ", "6 " OURS "auth-url: it is empty",
      0, 0 },
    { OURS "proxy-body-size=", "", 0, 0 },
    { OURS "enable-modsecurity=true", "it is not served yet, so the paths of "
      "the Ingress are closed: they answer 503 | Take it out where it does not",
      1, 1 },
    { OURS "limit-rate=5", "5 " OURS "limit-rate: it does nothing unless the "
      "ConfigMap has \"proxy-buffering\" | Add it", 1, 0 },
    { OURS "limit-rate=5;" OURS "proxy-buffering=on", "", 2, 0 },
    { OURS "limit-rate-after=5", "has \"limit-rate\"", 1, 0 },
    { OURS "proxy-redirect-from=http://a/", "has \"proxy-redirect-to\"", 1, 0 },
    { OURS "proxy-redirect-from=default", "", 1, 0 },
    { OURS "proxy-redirect-from=http://a/;" OURS "proxy-redirect-to=http://b/",
      "", 2, 0 },
    { OURS "allowlist-source-range=::1;" OURS "whitelist-source-range=::2",
      "6 " OURS "whitelist-source-range: it does nothing beside \"" OURS
      "allowlist-source-range\"\n", 1, 0 },

    /* a name wins over its alias */

    { OURS "limit-whitelist=::1;" OURS "limit-allowlist=::2", "6 " OURS
      "limit-whitelist: it does nothing beside \"" OURS "limit-allowlist\"", 1,
      0 },
    { OURS "limit-rps=-1;" OURS "limit-connections=0", "", 2, 0 },
    { OURS "limit-rps=10r/s", "2 ", 0, 1 },
    { OURS "limit-allowlist=office", "2 ", 0, 1 },

    { OURS "http2-push-preload=true", "5 ", 0, 0 },
    { NULL, NULL, 0, 0 }
};


/* lists on several lines, and with empty items */

static struct {
    char  *name;
    char  *text;
    char  *value;       /* NULL: it is not set */
    char  *said;        /* "": nothing */
} policy_annotation_lists_cases[] = {
    { "whitelist-source-range", "10.0.0.0/8,\n\t::1\r\n", "10.0.0.0/8,  ::1",
      "" },
    { "whitelist-source-range", "10.0.0.0/8,", NULL, "2 " },
    { "denylist-source-range", "10.0.0.0/8\n::1", NULL,
      "the item \"10.0.0.0/8 ::1\" is none of" },
    { "server-alias", "a.example,\n  b.example,\n", "a.example,   b.example,",
      "" },
    { "proxy-cookie-path", "/a\n/b", "/a /b", "" },
    { "proxy-next-upstream", "error\nhttp_503\n", "error http_503", "" },
    { "custom-http-errors", "404,", "404,", "" },
    { "custom-http-errors", ",404,,\n 500", ",404,,  500", "" },
    { "custom-http-errors", ",,", NULL, "it has an empty item, so the key of" },
    { "custom-http-errors", "404,4", NULL, "the item \"4\"" },
    { "app-root", "/a\n", "/a", "" },

    /* the end of a line ends an item that may have blanks */

    { "server-alias", "a.example\n\tb.example\n", "a.example, b.example", "" },
    { "server-alias", "a.example\n ,\n b.example\r\n\r\nc.example",
      "a.example  ,  b.example,   c.example", "" },
    { "custom-http-errors", "404\n503", NULL, "the item \"404 503\"" }
};


/* without the validation of ingress-nginx */

static struct {
    char                    *name;
    char                    *value;
    ngx_uint_t               strict;     /* 1: it is taken in any case */
    ngx_uint_t               loose;
} policy_annotation_loose_cases[] = {

    { "permanent-redirect", "https://a.test/b", 1, 1 },
    { "permanent-redirect", "https://a.test/#/b%20c", 0, 1 },
    { "permanent-redirect", "https://a.test$request_uri", 0, 1 },
    { "permanent-redirect", "https://a.test/a b", 0, 0 },
    { "permanent-redirect", "https://a.test/\"a", 0, 0 },
    { "permanent-redirect", "https://a.test/\\a", 0, 0 },
    { "permanent-redirect", "https://a.test/\001a", 0, 0 },
    { "permanent-redirect", "https://a.test/\303\244", 0, 0 },
    { "temporal-redirect", "https://a.test/${uri};b", 0, 1 },
    { "temporal-redirect", "ftp://a.test/;", 0, 0 },
    { "auth-url", "https://a.test/?a=%20", 0, 1 },
    { "auth-url", "https://$host/?a=b", 1, 1 },
    { "auth-url", "https://${host}/", 0, 1 },
    { "auth-url", "https://user@a.test/", 0, 0 },
    { "auth-url", "https://[::1]/", 0, 0 },
    { "auth-url", "https://a.test%2f/", 0, 0 },
    { "auth-url", "https://a.test#/", 0, 0 },
    { "rewrite-target", "/a;", 0, 0 },
    { "app-root", "/a%20", 0, 0 },
    { "upstream-vhost", "a;b", 0, 0 }
};


static void
policy_annotation_loose(ngx_k8s_gate_t *gate, ngx_str_t *ns)
{
    u_char             name[256];
    ngx_uint_t         i, loose, taken;
    ngx_keyval_t      *kv;
    ngx_pool_t        *pool;
    policy_said_t      said;
    ngx_array_t       *array;
    ngx_k8s_values_t   values;

    for (i = 0;
         i < 2 * sizeof(policy_annotation_loose_cases)
             / sizeof(policy_annotation_loose_cases[0]);
         i++)
    {
        loose = i % 2;

        pool = ngx_create_pool(4096, &unit_log);
        array = ngx_array_create(pool, 1, sizeof(ngx_keyval_t));
        said.text[0] = '\0';

        kv = ngx_array_push(array);
        kv->key.data = name;
        kv->key.len = ngx_sprintf(name, OURS "%s",
                                  policy_annotation_loose_cases[i / 2].name)
                      - name;
        kv->value.data =
                      (u_char *) policy_annotation_loose_cases[i / 2].value;
        kv->value.len = strlen(policy_annotation_loose_cases[i / 2].value);

        gate->loose = loose;

        (void) ngx_k8s_annotations(&values, pool, ns, array, gate, policy_say,
                                   &said);

        taken = loose ? policy_annotation_loose_cases[i / 2].loose
                      : policy_annotation_loose_cases[i / 2].strict;

        ok((values.values.nelts == 1 && said.text[0] == '\0') == taken,
           "%s \"%s\" %s", policy_annotation_loose_cases[i / 2].name,
           policy_annotation_loose_cases[i / 2].value,
           loose ? "without validation" : "validated");

        ngx_destroy_pool(pool);
    }

    gate->loose = 0;
}


static void
policy_annotation_lists(ngx_k8s_gate_t *gate, ngx_str_t *ns)
{
    char              *is;
    u_char             name[64];
    ngx_uint_t         i;
    ngx_pool_t        *pool;
    ngx_array_t       *array;
    ngx_keyval_t      *kv;
    policy_said_t      said;
    ngx_k8s_value_t   *value;
    ngx_k8s_values_t   values;

    for (i = 0;
         i < sizeof(policy_annotation_lists_cases)
             / sizeof(policy_annotation_lists_cases[0]);
         i++)
    {
        pool = ngx_create_pool(4096, &unit_log);
        array = ngx_array_create(pool, 1, sizeof(ngx_keyval_t));
        said.text[0] = '\0';

        kv = ngx_array_push(array);
        kv->key.data = name;
        kv->key.len = ngx_sprintf(name, OURS "%s",
                                  policy_annotation_lists_cases[i].name)
                      - name;
        kv->value.data = (u_char *) policy_annotation_lists_cases[i].text;
        kv->value.len = strlen(policy_annotation_lists_cases[i].text);

        (void) ngx_k8s_annotations(&values, pool, ns, array, gate, policy_say,
                                   &said);

        value = values.values.elts;
        is = policy_annotation_lists_cases[i].value;

        ok(is ? values.values.nelts == 1 && policy_is(&value->value, is)
              : values.values.nelts == 0,
           "%s \"%s\" is \"%s\"", policy_annotation_lists_cases[i].name,
           policy_annotation_lists_cases[i].text, is ? is : "");

        is = policy_annotation_lists_cases[i].said;

        ok(is[0] ? strstr(said.text, is) != NULL : said.text[0] == '\0',
           "%s \"%s\": says %s", policy_annotation_lists_cases[i].name,
           policy_annotation_lists_cases[i].text, said.text);

        ngx_destroy_pool(pool);
    }
}


static void
policy_annotations(void)
{
    char              *p, *eq, *end;
    ngx_str_t          ns;
    ngx_pool_t        *pool;
    ngx_uint_t         closed;
    ngx_array_t       *array;
    ngx_keyval_t      *kv;
    policy_case_t     *c;
    policy_said_t      said;
    ngx_k8s_gate_t     gate;
    ngx_k8s_values_t   values;

    ngx_str_set(&ns, "default");
    ngx_memzero(&gate, sizeof(ngx_k8s_gate_t));
    ngx_str_set(&gate.prefix, "nginx.ingress.kubernetes.io");
    ngx_str_set(&gate.words, "load_module,, secret");
    gate.risk = NGX_K8S_RISK_HIGH;

    for (c = policy_cases; c->annotations; c++) {

        pool = ngx_create_pool(4096, &unit_log);
        array = ngx_array_create(pool, 4, sizeof(ngx_keyval_t));
        said.text[0] = '\0';

        for (p = c->annotations; *p; p = *end ? end + 1 : end) {

            end = p + strcspn(p, ";");
            eq = p + strcspn(p, "=");

            if (strstr(p, "snippet=")
                || (strchr(p, '\n') && strchr(p, ';') > strchr(p, '\n')))
            {
                end = p + strlen(p);
            }

            kv = ngx_array_push(array);
            kv->key.data = (u_char *) p;
            kv->key.len = eq - p;
            kv->value.data = (u_char *) eq + 1;
            kv->value.len = end - eq - 1;
        }

        ok(ngx_k8s_annotations(&values, pool, &ns, array, &gate, policy_say,
                               &said)
           == NGX_OK, "%s", c->annotations);

        closed = values.refused ? 3
                 : values.close_host ? 2 : values.close_route;

        ok(c->said[0] == '!' ? strstr(said.text, c->said + 1) == NULL
           : c->said[0] ? strstr(said.text, c->said) != NULL
                        : said.text[0] == '\0',
           "%s: says %s", c->annotations, said.text);
        ok(values.values.nelts == c->values && closed == c->closed,
           "%s: %d values, closed %d", c->annotations,
           (int) values.values.nelts, (int) closed);

        ngx_destroy_pool(pool);
    }

    policy_annotation_lists(&gate, &ns);
    policy_annotation_loose(&gate, &ns);

    ok(ngx_k8s_annotations(&values, NULL, &ns, NULL, &gate, policy_say, &said)
       == NGX_OK && values.values.nelts == 0, "none");
}


static policy_case_t  policy_keys_cases[] = {
    { "proxy-body-size=8m;hsts=true", "", 2, 0 },
    { "load-balance=round_robin", "", 1, 0 },
    { "no-tls-redirect-locations=;no-auth-locations= ", "", 2, 0 },
    { "proxy-body-siz=8m", "0 proxy-body-siz: there is no such key | Did you "
      "mean \"proxy-body-size\"?", 0, 0 },
    { "rewrite-target=/", "it is an annotation of Ingresses, not a key", 0, 0 },
    { "rewrite-targe=/", "Did you mean \"rewrite-target\"? It is an annotation "
      "of Ingresses.\n", 0, 0 },
    { "whitelist=::1", "Use \"allowlist-source-range\".\n", 0, 0 },
    { "basic-auth=a", "Use \"auth-type: basic\" and \"auth-secret\". It is an "
      "annotation of Ingresses.\n", 0, 0 },
    { "hsts-max-ag=1", "Did you mean \"hsts-max-age\"?\n", 0, 0 },
    { "hsts-include-subdomain=true", "\"hsts-include-subdomains\"?\n", 0, 0 },
    { "hsts-includesubdomains=true", "\"hsts-include-subdomains\"?\n", 0, 0 },
    { "proxy-body-size=much;hsts=false", "1 proxy-body-size: \"much\" is not "
      "a size, as \"8k\", so the default \"1m\" holds", 1, 0 },
    { "http-redirect-code=200", "is not 301, 302, 307 or 308", 0, 0 },
    { "app-root=/a", "5 app-root: it does nothing here", 0, 0 },
    { "load-balance=ewma", "", 1, 0 },
    { "load-balance=ip_hash", "1 load-balance: \"ip_hash\" is not", 0, 0 },
    { "enable-modsecurity=true", "2 enable-modsecurity: it is not served yet, "
      "so the paths of all Ingresses are closed", 0, 1 },
    { "global-auth-url=a/", "2 global-auth-url: \"a/\" is not a URL", 0, 1 },
    { "global-auth-url=http://a/;global-auth-method=get",
      "1 global-auth-method: ", 1, 0 },
    { "denylist-source-range=x", "2 denylist-source-range", 0, 1 },
    { OURS "proxy-body-size=8m", "Did you mean \"proxy-body-size\"?", 0, 0 },
    { "client_max_body_size=8m", "Use \"proxy-body-size\".\n", 0, 0 },
    { "worker-connections=8", "Write \"worker_connections\"", 0, 0 },
    { "real-ip-header=X-A", "Set \"forwarded-for-header\" in", 0, 0 },
    { "keepalive-timeout=5", "Set \"keep-alive\" in", 0, 0 },
    { "gzip-level=9", "6 gzip-level: it does nothing without \"use-gzip\"", 0,
      0 },
    { "jaeger-endpoint=x", "4 jaeger-endpoint", 0, 0 },
    { "lua-shared-dicts=a: 1", "5 lua-shared-dicts", 0, 0 },
    { "worker-processes=7", "8 worker-processes: only nginx.conf can say it | "
      "Write \"worker_processes 7;\" in nginx.conf.", 0, 0 },
    { "worker-processes=0", "1 worker-processes: \"0\" is not a number, or "
      "\"auto\", so what nginx.conf says holds", 0, 0 },
    { "enable-multi-accept=f", "\"multi_accept off;\"", 0, 0 },
    { "use-proxy-protocol=true", "\"listen ... proxy_protocol;\"", 1, 0 },
    { "use-proxy-protocol=false", "\"listen ...;\"", 1, 0 },
    { "use-proxy-protocol=yes", "1 use-proxy-protocol", 0, 0 },
    { "error-log-level=loud", "1 error-log-level", 0, 0 },
    { "annotations-risk-level=extreme", "1 annotations-risk-level: \"extreme\" "
      "is not Low, Medium, High or Critical, so \"Low\" holds", 0, 0 },
    { "annotations-risk-level=", "so \"Low\" holds", 0, 0 },
    { "annotations-risk-level=" NONE, "it is none, so \"Low\" holds", 0, 0 },
    { "hide-headers=" NONE, "1 hide-headers: it is none, so", 0, 0 },
    { "whitelist-source-range=" NONE, "it is none, so the paths of all", 0, 1 },
    { "whitelist-source-range=", "6 whitelist-source-range: it is empty, so it "
      "protects nothing", 0, 0 },
    { "worker-processes=" NONE, "it is none, so what nginx.conf says", 0, 0 },
    { "=" NONE, "2 : it is none, so what protects is not known: paths of all "
      "Ingresses are closed", 0, 1 },
    { "annotation-value-word-blocklist=,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"
      ",,,,,,,,,,,,,,,,,,,,,,,,,", "2 annotation-value-word-blocklist", 0, 1 },
    { NULL, NULL, 0, 0 }
};


static void
policy_keys(void)
{
    char              *p, *eq, *end;
    ngx_int_t          rc;
    ngx_pool_t        *pool;
    ngx_array_t       *array;
    ngx_keyval_t      *kv;
    policy_case_t     *c;
    policy_said_t      said;
    ngx_k8s_values_t   values;

    for (c = policy_keys_cases; c->annotations; c++) {

        pool = ngx_create_pool(4096, &unit_log);
        array = ngx_array_create(pool, 4, sizeof(ngx_keyval_t));
        said.text[0] = '\0';

        for (p = c->annotations; *p; p = *end ? end + 1 : end) {

            end = p + strcspn(p, ";");
            eq = p + strcspn(p, "=");

            kv = ngx_array_push(array);
            kv->key.data = (u_char *) p;
            kv->key.len = eq - p;
            kv->value.data = (u_char *) eq + 1;
            kv->value.len = end - eq - 1;
        }

        rc = ngx_k8s_keys(&values, pool, array, 0, NULL, policy_say, &said);

        ok(rc == NGX_OK && values.nserved == c->values
           && values.values.nelts == c->values
           && values.close_route == c->closed,
           "%s: %d values", c->annotations, (int) values.nserved);

        ok(c->said[0] ? strstr(said.text, c->said) != NULL
                      : said.text[0] == '\0',
           "%s: says %s", c->annotations, said.text);

        ngx_destroy_pool(pool);
    }
}


/* each key that does nothing says so, once */

static void
policy_noted(void)
{
    char              *end;
    ngx_pool_t        *pool;
    ngx_array_t       *array;
    ngx_keyval_t      *kv;
    policy_said_t      said;
    ngx_k8s_row_t     *row;
    ngx_k8s_values_t   values;

    for (row = ngx_k8s_rows; row->note.data; row++) {

        if (!(row->flags & NGX_K8S_ROW_KEY)
            || !(row->flags & (NGX_K8S_ROW_NOTED|NGX_K8S_ROW_REFUSED))
            || (row->flags & NGX_K8S_ROW_COMPARED))
        {
            continue;
        }

        pool = ngx_create_pool(4096, &unit_log);
        array = ngx_array_create(pool, 1, sizeof(ngx_keyval_t));
        said.text[0] = '\0';

        kv = ngx_array_push(array);
        kv->key = row->name;
        ngx_str_set(&kv->value, "x");

        (void) ngx_k8s_keys(&values, pool, array, 0, NULL, policy_say, &said);

        end = strchr(said.text, '\n');

        ok(values.values.nelts == 0 && end && end[1] == '\0'
           && said.text[0] == ((row->flags & NGX_K8S_ROW_NOTED) ? '5' : '4'),
           "%.*s: %s", (int) row->name.len, row->name.data, said.text);

        ngx_destroy_pool(pool);
    }
}


/* of lists what is good holds, as ingress-nginx takes them apart */

static struct {
    char  *key;
    char  *text;
    char  *value;       /* NULL: it is not set */
    char  *said;        /* "": nothing */
} policy_lists_cases[] = {
    { "proxy-real-ip-cidr", "10.0.0.0/8,\n192.168.0.0/16,\n",
      "10.0.0.0/8,192.168.0.0/16", "" },
    { "proxy-real-ip-cidr", "10.0.0.0/8  ::1", "10.0.0.0/8,::1", "" },
    { "proxy-real-ip-cidr", "10.0.0.0/8,10.0.0.0/99,::1,x", "10.0.0.0/8,::1",
      "1 proxy-real-ip-cidr: the items \"10.0.0.0/99\" and \"x\" are none "
      "of addresses and ranges, separated by commas, so what is wrong is "
      "left out" },
    { "proxy-real-ip-cidr", "everybody", "", "the item \"everybody\"" },
    { "proxy-real-ip-cidr", "", "", "" },
    { "hide-headers", "X-A,\nX-B,", "X-A,X-B", "" },
    { "hide-headers", "X-A,X(B", "X-A", "the item \"X(B\"" },
    { "hide-headers", ",", NULL, "" },
    { "custom-http-errors", "404,\n503,", "404,503", "" },
    { "custom-http-errors", "404,x,503", "404,503", "the item \"x\"" },
    { "custom-http-errors", "x", NULL, "so it is not set" },
    { "global-allowed-response-headers", "X-A,\nX-B", "X-A,X-B", "" },
    { "block-cidrs", ",", NULL, "2 block-cidrs: it has an empty item" },
    { "block-user-agents", "~*badbot,\n\tsqlmap,\r\n", "~*badbot,sqlmap", "" },
    { "block-user-agents", "\"~*badbot\",'sq l\\'map', a\"b",
      "~*badbot,sq l'map,a\"b", "" },
    { "block-referers", "~*\\\\d\\.", "~*\\d\\.", "" },
    { "block-user-agents", "a,\"~*b{1,3}\"", NULL,
      "2 block-user-agents: the item \"\"~*b{1\" is none of texts, separated "
      "by commas, each whole in quotes or without, so the paths of all" },
    { "block-user-agents", "\"\"", NULL, "2 block-user-agents: the item" },
    { "block-user-agents", "~.*a,b.*", "~.*a,b.*", "1 block-user-agents: the "
      "item \"b.*\" is compared as it stands, not as a regular expression | "
      "Write \"~*\" before" },
    { "block-user-agents", "Mozilla/5.0 (compatible; a/2.1; +http://a.b/c?d=e)",
      "Mozilla/5.0 (compatible; a/2.1; +http://a.b/c?d=e)", "" },
    { "block-referers", "a.example$", "a.example$", "1 block-referers" },
    { "no-tls-redirect-locations", "/a,\n\t/b\n", "/a,  /b", "" },
    { "proxy-next-upstream", "error\n timeout\thttp_502\n",
      "error  timeout http_502", "" },
    { "proxy-body-size", "8m\n", "8m", "" },
    { "block-cidrs", "10.0.0.0/8,\n::1", "10.0.0.0/8,::1", "" },

    /* without commas */

    { "block-cidrs", "10.0.0.0/8\n::1\n", "10.0.0.0/8,::1", "" },
    { "custom-http-errors", "404\n503", "404,503", "" },
    { "block-user-agents", "~*badbot\n~*other bot\r\ncurl/1\n",
      "~*badbot,~*other bot,curl/1", "" },
    { "block-referers", "a.example\n\n\"b \\\"c\"\n", "a.example,b \"c", "" },
    { "hide-headers", "X-A\nX-B\n", "X-A,X-B", "" },
    { "global-allowed-response-headers", "X-A\nX-B", "X-A,X-B", "" },
    { "no-auth-locations", "/a\n/b\n", "/a,/b", "" },
    { "annotation-value-word-blocklist", "evil\nlua\n", NULL, "" },
    { "gzip-types", "text/css\ntext/plain", NULL, "use-gzip" },
    { "ssl-protocols", "TLSv1.2\nTLSv1.3", "TLSv1.2 TLSv1.3", "" }
};


static void
policy_lists(void)
{
    char              *key, *is;
    ngx_uint_t         i;
    ngx_pool_t        *pool;
    ngx_array_t       *array;
    ngx_keyval_t      *kv;
    policy_said_t      said;
    ngx_k8s_value_t   *value;
    ngx_k8s_values_t   values;

    for (i = 0;
         i < sizeof(policy_lists_cases) / sizeof(policy_lists_cases[0]);
         i++)
    {
        key = policy_lists_cases[i].key;
        is = policy_lists_cases[i].value;

        pool = ngx_create_pool(4096, &unit_log);
        array = ngx_array_create(pool, 1, sizeof(ngx_keyval_t));
        said.text[0] = '\0';

        kv = ngx_array_push(array);
        kv->key.data = (u_char *) key;
        kv->key.len = strlen(key);
        kv->value.data = (u_char *) policy_lists_cases[i].text;
        kv->value.len = strlen(policy_lists_cases[i].text);

        (void) ngx_k8s_keys(&values, pool, array, 0, NULL, policy_say, &said);

        value = values.values.elts;

        ok(is ? values.nserved == 1 && policy_is(&value->value, is)
              : values.nserved == 0,
           "%s \"%s\" is \"%s\"", key, policy_lists_cases[i].text,
           is ? is : "");

        is = policy_lists_cases[i].said;

        ok(is[0] ? strstr(said.text, is) != NULL : said.text[0] == '\0',
           "%s \"%s\": says %s", key, policy_lists_cases[i].text, said.text);

        ngx_destroy_pool(pool);
    }
}


static void
policy_value(ngx_str_t *values, char *name, char *text)
{
    ngx_str_t  s, *value;

    s.data = (u_char *) name;
    s.len = strlen(name);

    value = &values[ngx_k8s_row(&s, NGX_K8S_ROW_KEY) - ngx_k8s_rows];
    value->data = (u_char *) text;
    value->len = strlen(text);
}


/* "directive arguments\n" of all tokens */

static char *
policy_text(ngx_array_t *tokens)
{
    u_char        *p;
    ngx_str_t     *arg;
    ngx_uint_t     i, n;
    ngx_array_t  **token;

    static u_char  text[16384];

    p = text;
    token = tokens->elts;

    for (i = 0; i < tokens->nelts; i++) {
        arg = token[i]->elts;

        for (n = 0; n < token[i]->nelts; n++) {
            p = ngx_sprintf(p, "%s%V", n ? " " : "", &arg[n]);
        }

        *p++ = '\n';
    }

    *p = '\0';
    tokens->nelts = 0;

    return (char *) text;
}


/* annotation, key, default */

static void
policy_order(void)
{
    char                *text;
    ngx_str_t           *one, *two;
    ngx_pool_t          *pool;
    ngx_array_t         *tokens;
    ngx_k8s_settings_t   s;

    pool = ngx_create_pool(16384, &unit_log);
    tokens = ngx_array_create(pool, 64, sizeof(ngx_array_t *));
    one = ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));
    two = ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));

    policy_value(one, "proxy-buffer-size", "16k");
    policy_value(one, "proxy-read-timeout", "7");
    policy_value(one, "server-tokens", "true");
    policy_value(one, "http-redirect-code", "301");

    ok(ngx_k8s_policy_tokens(pool, tokens, NGX_K8S_API_INGRESS, one) == NGX_OK,
       "a base of keys");

    text = policy_text(tokens);
    ok(strstr(text, "proxy_read_timeout 7s\n")
       && strstr(text, "proxy_send_timeout 60s\n")
       && strstr(text, "server_tokens on\n")
       && strstr(text, "proxy_buffers 4 16k\n")
       && strstr(text, "proxy_busy_buffers_size 32768\n"),
       "keys where there are, else defaults");

    policy_value(two, "proxy-buffers-number", "8");
    policy_value(two, "proxy-read-timeout", "8");

    (void) ngx_k8s_policy_delta(pool, tokens, NGX_K8S_API_INGRESS, two, one);

    text = policy_text(tokens);
    ok(strcmp(text, "proxy_read_timeout 8s\nproxy_buffers 8 16k\n") == 0,
       "annotations over keys: %s", text);

    (void) ngx_k8s_policy_base(&s, NGX_K8S_API_INGRESS);
    ngx_k8s_policy_settings(&s, NGX_K8S_API_INGRESS, one);
    ok(s.redirect_code == 301 && s.server_tokens == 1 && s.hsts == 1,
       "what code of ours reads");

    ngx_destroy_pool(pool);
}


/* a value that others take in is whole in them, however long it is */

static void
policy_long(void)
{
    char          value[2048];
    ngx_str_t    *values, *arg;
    ngx_pool_t   *pool;
    ngx_uint_t    i, found;
    ngx_array_t  *tokens, **token;

    pool = ngx_create_pool(16384, &unit_log);
    tokens = ngx_array_create(pool, 64, sizeof(ngx_array_t *));
    values = ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));

    memset(value, '0', sizeof(value));
    strcpy(value + sizeof(value) - 4, "16k");

    policy_value(values, "proxy-buffer-size", value);

    ok(ngx_k8s_policy_tokens(pool, tokens, NGX_K8S_API_INGRESS, values)
       == NGX_OK, "a size of 2,047 digits");

    found = 0;
    token = tokens->elts;

    for (i = 0; i < tokens->nelts; i++) {
        arg = token[i]->elts;

        found += (policy_is(&arg[0], "proxy_buffers")
                  && token[i]->nelts == 3 && policy_is(&arg[2], value));
    }

    ok(found == 1, "it is whole in another directive");

    ngx_destroy_pool(pool);
}


/* what keys say of the gate; the rest of it is what annotations meet */

static struct {
    char        *key;
    char        *value;
    ngx_uint_t   risk;
    char        *words;
    ngx_uint_t   snippets;
    ngx_uint_t   foreign;
} policy_gates[] = {
    { "hsts", "true", NGX_K8S_RISK_HIGH, "", 0, 0 },
    { "annotations-risk-level", "Critical", NGX_K8S_RISK_CRITICAL, "", 0, 0 },
    { "annotations-risk-level", "medium", NGX_K8S_RISK_MEDIUM, "", 0, 0 },
    { "annotations-risk-level", " low\n", NGX_K8S_RISK_LOW, "", 0, 0 },
    { "annotations-risk-level", "extreme", NGX_K8S_RISK_LOW, "", 0, 0 },
    { "annotations-risk-level", "", NGX_K8S_RISK_LOW, "", 0, 0 },
    { "annotation-value-word-blocklist", " a, b\n", NGX_K8S_RISK_HIGH, "a, b",
      0, 0 },
    { "annotation-value-word-blocklist", "evil\nload module\r\n,b\n",
      NGX_K8S_RISK_HIGH, "evil,load module  ,b", 0, 0 },
    { "allow-snippet-annotations", "true", NGX_K8S_RISK_HIGH, "", 1, 0 },
    { "allow-snippet-annotations", "yes", NGX_K8S_RISK_HIGH, "", 0, 0 },
    { "allow-cross-namespace-resources", "true", NGX_K8S_RISK_HIGH, "", 0, 1 },
    { "allow-cross-namespace-resources", "1 ", NGX_K8S_RISK_HIGH, "", 0, 1 },
    { "allow-cross-namespace-resources", "all", NGX_K8S_RISK_HIGH, "", 0, 0 }
};


static void
policy_gate(void)
{
    u_char           buf[256], *end;
    ngx_str_t        name, value, ns;
    ngx_uint_t       i;
    ngx_pool_t      *pool;
    ngx_array_t     *array;
    ngx_keyval_t    *kv;
    ngx_k8s_gate_t   gate;

    pool = ngx_create_pool(1024, &unit_log);

    ngx_memzero(&gate, sizeof(ngx_k8s_gate_t));
    ok(ngx_k8s_gate_keys(&gate, NULL, pool) == NGX_OK
       && gate.risk == NGX_K8S_RISK_HIGH && gate.words.len == 0, "no keys");

    for (i = 0; i < sizeof(policy_gates) / sizeof(policy_gates[0]); i++) {

        array = ngx_array_create(pool, 1, sizeof(ngx_keyval_t));
        kv = ngx_array_push(array);
        kv->key.data = (u_char *) policy_gates[i].key;
        kv->key.len = strlen(policy_gates[i].key);
        kv->value.data = (u_char *) policy_gates[i].value;
        kv->value.len = strlen(policy_gates[i].value);

        ok(ngx_k8s_gate_keys(&gate, array, pool) == NGX_OK
           && gate.risk == policy_gates[i].risk
           && gate.snippets == policy_gates[i].snippets
           && gate.foreign == policy_gates[i].foreign
           && gate.words.len == strlen(policy_gates[i].words)
           && memcmp(gate.words.data ? gate.words.data : (u_char *) "",
                     policy_gates[i].words, gate.words.len) == 0,
           "%s \"%s\"", policy_gates[i].key, policy_gates[i].value);
    }

    gate.risk = NGX_K8S_RISK_CRITICAL;
    gate.snippets = 0;
    ngx_str_set(&name, "server-snippet");
    ngx_str_set(&value, "deny all;");

    end = ngx_k8s_gate_why(buf, sizeof(buf), &gate,
                           ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION), &name,
                           &value);
    ok(end && strncmp((char *) buf, "allow-snippet-annotations", 25) == 0,
       "a snippet");

    gate.snippets = 1;
    end = ngx_k8s_gate_why(buf, sizeof(buf), &gate,
                           ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION), &name,
                           &value);
    ok(end == NULL, "is let through");

    gate.risk = NGX_K8S_RISK_LOW;
    ngx_str_set(&name, "auth-secret");

    end = ngx_k8s_gate_why(buf, sizeof(buf), &gate,
                           ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION), &name,
                           &value);
    ok(end && policy_is(&(ngx_str_t) { end - buf, buf }, "its risk is "
                        "\"Medium\", and annotations-risk-level allows "
                        "\"Low\" at most"), "risk and level");

    ngx_str_set(&name, "auth-secret");
    ngx_str_set(&value, "other/users");
    ngx_str_set(&ns, "d");

    gate.foreign = 0;
    ok(!ngx_k8s_gate_names(&gate, ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION),
                           &ns, &value), "a Secret of another namespace");

    gate.foreign = 1;
    ok(ngx_k8s_gate_names(&gate, ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION),
                          &ns, &value), "is let through");

    ngx_destroy_pool(pool);
}


static void
policy_variables(void)
{
    int            n;
    char          *p, got[64];
    ngx_str_t      text, name;
    ngx_uint_t     i;

    static struct {
        char  *text;
        char  *names;
    } cases[] = {
        { "", "" },
        { "$", "" },
        { "${", "" },
        { "${}", "" },
        { "${a", "" },
        { "${a-}$b", "b " },
        { "$1$12$9x$0", "0 " },
        { "x$a.${B_1}$$c$-$", "a B_1 c " }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        text.data = (u_char *) cases[i].text;
        text.len = strlen(cases[i].text);

        p = got;
        *p = '\0';

        while (ngx_k8s_variable_next(&text, &name) == NGX_OK) {
            n = sprintf(p, "%.*s ", (int) name.len, name.data);
            p += n;
        }

        ok(strcmp(got, cases[i].names) == 0, "variables of \"%s\" are "
           "\"%s\"", cases[i].text, got);
    }
}


/* headers that are sent anyway are not sent twice */

static struct {
    char  *name;
    char  *said;        /* "": nothing */
} policy_headers_cases[] = {
    { "X-One", "" },
    { "host", "\"host\" is sent already: the annotation upstream-vhost" },
    { "X-Forwarded-Proto", "\"X-Forwarded-Proto\" is sent already, and" },
    { "X-Forwarded", "" },
    { "X-Original-URI", "" },
    { "Proxy", "" },
    { "Content-Length", "is not for others to set" },
    { "content_length", "is not for others to set" }
};


static void
policy_headers(void)
{
    ngx_str_t       key, text;
    ngx_int_t       rc;
    ngx_uint_t      i;
    ngx_pool_t     *pool;
    ngx_array_t    *array;
    ngx_keyval_t   *kv;
    policy_said_t   said;

    ngx_str_set(&key, "proxy-set-headers");

    for (i = 0;
         i < sizeof(policy_headers_cases) / sizeof(policy_headers_cases[0]);
         i++)
    {
        pool = ngx_create_pool(32768, &unit_log);
        array = ngx_array_create(pool, 1, sizeof(ngx_keyval_t));
        said.text[0] = '\0';

        kv = ngx_array_push(array);
        kv->key.data = (u_char *) policy_headers_cases[i].name;
        kv->key.len = strlen(policy_headers_cases[i].name);
        ngx_str_set(&kv->value, "a\n");

        rc = ngx_k8s_headers(array, ngx_k8s_row(&key, NGX_K8S_ROW_KEY), pool,
                             &text, policy_say, &said);

        ok(policy_headers_cases[i].said[0]
           ? rc == NGX_DECLINED && text.len == 0
             && strstr(said.text, policy_headers_cases[i].said)
           : rc == NGX_OK && text.len == kv->key.len + 4,
           "%s: says %s", policy_headers_cases[i].name, said.text);

        ngx_destroy_pool(pool);
    }
}


int
main(void)
{
    unit_init();

    policy_rows();
    policy_flags();
    policy_bases();
    policy_profiles();
    policy_grammars();
    policy_counts();
    policy_noted();
    policy_annotations();
    policy_headers();
    policy_keys();
    policy_gate();
    policy_lists();
    policy_order();
    policy_long();
    policy_variables();

    return done();
}
