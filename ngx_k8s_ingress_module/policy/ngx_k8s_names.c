
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


#define NGX_K8S_NAME_MAX             64  /* of the longest name of a row */
#define NGX_K8S_NAME_DISTANCE        2


typedef struct {
    ngx_str_t                name;
    ngx_str_t                instead;    /* a sentence; empty: nothing */
} ngx_k8s_name_t;


static ngx_str_t *ngx_k8s_name_find(ngx_k8s_name_t *names, ngx_str_t *name,
    ngx_uint_t any);
static ngx_k8s_row_t *ngx_k8s_name_row(ngx_str_t *sentence);
static ngx_uint_t ngx_k8s_name_distance(ngx_str_t *one, ngx_str_t *two);


/* of older versions of ingress-nginx, and names that people expect; "*" at the
   end stands for anything */

static ngx_k8s_name_t  ngx_k8s_removed_names[] = {
    { ngx_string("add-base-url"),
      ngx_string("Let the application write its base URL.") },
    { ngx_string("base-url-scheme"),
      ngx_string("Let the application write its base URL.") },
    { ngx_string("allow-list"),
      ngx_string("Use \"allowlist-source-range\".") },
    { ngx_string("allowlist"),
      ngx_string("Use \"allowlist-source-range\".") },
    { ngx_string("auth-tls-verify"),
      ngx_string("Use \"auth-tls-verify-client\".") },
    { ngx_string("basic-auth"),
      ngx_string("Use \"auth-type: basic\" and \"auth-secret\".") },
    { ngx_string("basic-auth-secret"),
      ngx_string("Use \"auth-secret\" and \"auth-type: basic\".") },
    { ngx_string("blacklist"),
      ngx_string("Use \"denylist-source-range\".") },
    { ngx_string("blacklist-source-range"),
      ngx_string("Use \"denylist-source-range\".") },
    { ngx_string("block-list"),
      ngx_string("Use \"denylist-source-range\".") },
    { ngx_string("blocklist"),
      ngx_string("Use \"denylist-source-range\".") },
    { ngx_string("body-size"),
      ngx_string("Use \"proxy-body-size\".") },
    { ngx_string("cache-*"),
      ngx_string("Remove it: answers are not cached.") },
    { ngx_string("canary-header"),
      ngx_string("Use \"canary-by-header\".") },
    { ngx_string("canary-header-value"),
      ngx_string("Use \"canary-by-header-value\".") },
    { ngx_string("canary-cookie"),
      ngx_string("Use \"canary-by-cookie\".") },
    { ngx_string("client-max-body-size"),
      ngx_string("Use \"proxy-body-size\".") },
    { ngx_string("client_max_body_size"),
      ngx_string("Use \"proxy-body-size\".") },
    { ngx_string("cors-allowed-headers"),
      ngx_string("Use \"cors-allow-headers\".") },
    { ngx_string("cors-allowed-methods"),
      ngx_string("Use \"cors-allow-methods\".") },
    { ngx_string("cors-allowed-origin*"),
      ngx_string("Use \"cors-allow-origin\".") },
    { ngx_string("cors-enable"),
      ngx_string("Use \"enable-cors\".") },
    { ngx_string("cors-enabled"),
      ngx_string("Use \"enable-cors\".") },
    { ngx_string("custom-default-backend"),
      ngx_string("Use \"default-backend\".") },
    { ngx_string("custom-response-headers"),
      ngx_string("Use \"custom-headers\".") },
    { ngx_string("deny-list"),
      ngx_string("Use \"denylist-source-range\".") },
    { ngx_string("denylist"),
      ngx_string("Use \"denylist-source-range\".") },
    { ngx_string("enable-influxdb"),
      ngx_string("Use the metrics of the module.") },
    { ngx_string("influxdb-*"),
      ngx_string("Use the metrics of the module.") },
    { ngx_string("enable-basic-auth"),
      ngx_string("Use \"auth-type: basic\" and \"auth-secret\".") },
    { ngx_string("enable-force-ssl-redirect"),
      ngx_string("Use \"force-ssl-redirect\".") },
    { ngx_string("enable-opentracing"),
      ngx_string("Use \"enable-opentelemetry\".") },
    { ngx_string("opentracing-*"),
      ngx_string("Use \"enable-opentelemetry\".") },
    { ngx_string("enable-ssl-redirect"),
      ngx_string("Use \"ssl-redirect\".") },
    { ngx_string("enable-websocket*"),
      ngx_string("Remove it: WebSocket needs no configuration.") },
    { ngx_string("from-to-www"),
      ngx_string("Use \"from-to-www-redirect\".") },
    { ngx_string("global-rate-limit*"),
      ngx_string("Use \"limit-rps\" or \"limit-rpm\".") },
    { ngx_string("gzip"),
      ngx_string("Set \"use-gzip\" in the controller's ConfigMap.") },
    { ngx_string("grpc-backend"),
      ngx_string("Use \"backend-protocol: GRPC\".") },
    { ngx_string("hsts*"),
      ngx_string("Set it in the controller's ConfigMap, for all Ingresses.") },
    { ngx_string("ingress.class"),
      ngx_string("Use \"spec.ingressClassName\".") },
    { ngx_string("ip-blacklist"),
      ngx_string("Use \"denylist-source-range\".") },
    { ngx_string("ip-denylist"),
      ngx_string("Use \"denylist-source-range\".") },
    { ngx_string("ip-allowlist"),
      ngx_string("Use \"allowlist-source-range\".") },
    { ngx_string("ip-whitelist"),
      ngx_string("Use \"allowlist-source-range\".") },
    { ngx_string("keepalive-timeout"),
      ngx_string("Set \"keep-alive\" in the controller's ConfigMap.") },
    { ngx_string("lua-resty-waf*"),
      ngx_string("Use \"enable-modsecurity\".") },
    { ngx_string("mirror-uri"),
      ngx_string("Use \"mirror-target\".") },
    { ngx_string("proxy-buffers"),
      ngx_string("Use \"proxy-buffers-number\" and \"proxy-buffer-size\".") },
    { ngx_string("proxy-pass-headers"),
      ngx_string("Remove it: headers of backends are passed.") },
    { ngx_string("proxy-timeout"),
      ngx_string("Use \"proxy-read-timeout\" and \"proxy-send-timeout\".") },
    { ngx_string("rate-limit"),
      ngx_string("Use \"limit-rps\" or \"limit-rpm\".") },
    { ngx_string("rate-limit-connections"),
      ngx_string("Use \"limit-connections\".") },
    { ngx_string("rate-limit-rpm"),
      ngx_string("Use \"limit-rpm\".") },
    { ngx_string("rate-limit-rps"),
      ngx_string("Use \"limit-rps\".") },
    { ngx_string("real-ip-header"),
      ngx_string("Set \"forwarded-for-header\" in the controller's "
                 "ConfigMap.") },
    { ngx_string("redirect-to-https"),
      ngx_string("Use \"force-ssl-redirect\".") },
    { ngx_string("rewrite"),
      ngx_string("Use \"rewrite-target\".") },
    { ngx_string("rewrite-path"),
      ngx_string("Use \"rewrite-target\".") },
    { ngx_string("secure-backend"),
      ngx_string("Use \"backend-protocol: HTTPS\".") },
    { ngx_string("secure-backends"),
      ngx_string("Use \"backend-protocol: HTTPS\".") },
    { ngx_string("secure-verify-ca-secret"),
      ngx_string("Use \"proxy-ssl-secret\" and \"proxy-ssl-verify\".") },
    { ngx_string("session-cookie-hash"),
      ngx_string("Remove it: cookies have one form.") },
    { ngx_string("ssl-redirect-code"),
      ngx_string("Set \"http-redirect-code\" in the controller's ConfigMap.") },
    { ngx_string("upstream-fail-timeout"),
      ngx_string("Remove it: failed endpoints are tried last.") },
    { ngx_string("upstream-max-fails"),
      ngx_string("Remove it: failed endpoints are tried last.") },
    { ngx_string("websocket-services"),
      ngx_string("Remove it: WebSocket needs no configuration.") },
    { ngx_string("white-list"),
      ngx_string("Use \"allowlist-source-range\".") },
    { ngx_string("whitelist"),
      ngx_string("Use \"allowlist-source-range\".") },
    { ngx_string("worker-connections"),
      ngx_string("Write \"worker_connections\" in nginx.conf.") },
    { ngx_null_string, ngx_null_string }
};


/* other controllers' */

static ngx_k8s_name_t  ngx_k8s_foreign_names[] = {

    { ngx_string("nginx.org/basic-auth-secret"),
      ngx_string("Here it is \"auth-secret\", with \"auth-type: basic\".") },
    { ngx_string("nginx.org/basic-auth-realm"),
      ngx_string("Here it is \"auth-realm\".") },
    { ngx_string("nginx.org/client-max-body-size"),
      ngx_string("Here it is \"proxy-body-size\".") },
    { ngx_string("nginx.org/hsts*"),
      ngx_string("Here \"hsts\" is a key of the ConfigMap.") },
    { ngx_string("nginx.org/lb-method"),
      ngx_string("Here it is \"load-balance\" or \"upstream-hash-by\".") },
    { ngx_string("nginx.org/limit-req-rate"),
      ngx_string("Here it is \"limit-rps\" or \"limit-rpm\".") },
    { ngx_string("nginx.org/limit-req-key"),
      ngx_string("Here \"limit-conn-zone-variable\" is a key of the "
                 "ConfigMap.") },
    { ngx_string("nginx.org/location-snippets"),
      ngx_string("Here it is \"configuration-snippet\".") },
    { ngx_string("nginx.org/path-regex"),
      ngx_string("Here it is \"use-regex\".") },
    { ngx_string("nginx.org/proxy-set-headers"),
      ngx_string("Here \"proxy-set-headers\" is a key of the ConfigMap.") },
    { ngx_string("nginx.org/proxy-buffer-size"),
      ngx_string("Here it is \"proxy-buffer-size\".") },
    { ngx_string("nginx.org/proxy-buffering"),
      ngx_string("Here it is \"proxy-buffering\".") },
    { ngx_string("nginx.org/proxy-connect-timeout"),
      ngx_string("Here it is \"proxy-connect-timeout\", in seconds.") },
    { ngx_string("nginx.org/proxy-read-timeout"),
      ngx_string("Here it is \"proxy-read-timeout\", in seconds.") },
    { ngx_string("nginx.org/proxy-send-timeout"),
      ngx_string("Here it is \"proxy-send-timeout\", in seconds.") },
    { ngx_string("nginx.org/redirect-to-https"),
      ngx_string("Here it is \"force-ssl-redirect\".") },
    { ngx_string("nginx.org/rewrites"),
      ngx_string("Here it is \"rewrite-target\".") },
    { ngx_string("nginx.org/server-snippets"),
      ngx_string("Here it is \"server-snippet\".") },
    { ngx_string("nginx.org/ssl-services"),
      ngx_string("Here it is \"backend-protocol: HTTPS\".") },
    { ngx_string("nginx.org/grpc-services"),
      ngx_string("Here it is \"backend-protocol: GRPC\".") },
    { ngx_string("nginx.org/websocket-services"),
      ngx_string("Here WebSocket needs no configuration.") },
    { ngx_string("nginx.com/jwt-key"),
      ngx_string("Here it is \"auth-url\", of a server that reads tokens.") },
    { ngx_string("nginx.com/sticky-cookie-services"),
      ngx_string("Here it is \"affinity: cookie\".") },
    { ngx_string("nginx.org/*"), ngx_string("") },
    { ngx_string("nginx.com/*"), ngx_string("") },

    { ngx_string("traefik.ingress.kubernetes.io/router.middlewares"),
      ngx_string("Here what middlewares do are annotations of their own.") },
    { ngx_string("traefik.ingress.kubernetes.io/router.tls"),
      ngx_string("Here TLS follows from \"spec.tls\".") },
    { ngx_string("traefik.ingress.kubernetes.io/service.sticky.cookie*"),
      ngx_string("Here it is \"affinity: cookie\".") },
    { ngx_string("traefik.ingress.kubernetes.io/service.serversscheme"),
      ngx_string("Here it is \"backend-protocol\".") },
    { ngx_string("traefik.ingress.kubernetes.io/*"), ngx_string("") },

    { ngx_string("konghq.com/preserve-host"),
      ngx_string("Here the Host is kept; \"upstream-vhost\" sets another.") },
    { ngx_string("konghq.com/protocols"),
      ngx_string("Here it is \"ssl-redirect\".") },
    { ngx_string("konghq.com/https-redirect-status-code"),
      ngx_string("Here \"http-redirect-code\" is a key of the ConfigMap.") },
    { ngx_string("konghq.com/rewrite"),
      ngx_string("Here it is \"rewrite-target\".") },
    { ngx_string("konghq.com/strip-path"),
      ngx_string("Here it is \"rewrite-target\".") },
    { ngx_string("konghq.com/*"), ngx_string("") },

    { ngx_string("haproxy.org/allow-list"),
      ngx_string("Here it is \"allowlist-source-range\".") },
    { ngx_string("haproxy.org/whitelist"),
      ngx_string("Here it is \"allowlist-source-range\".") },
    { ngx_string("haproxy.org/deny-list"),
      ngx_string("Here it is \"denylist-source-range\".") },
    { ngx_string("haproxy.org/blacklist"),
      ngx_string("Here it is \"denylist-source-range\".") },
    { ngx_string("haproxy.org/client-ca"),
      ngx_string("Here it is \"auth-tls-secret\".") },
    { ngx_string("haproxy.org/cookie-persistence"),
      ngx_string("Here it is \"affinity: cookie\".") },
    { ngx_string("haproxy.org/cors-*"),
      ngx_string("Here it is \"enable-cors\" and \"cors-*\".") },
    { ngx_string("haproxy.org/path-rewrite"),
      ngx_string("Here it is \"rewrite-target\".") },
    { ngx_string("haproxy.org/rate-limit-requests"),
      ngx_string("Here it is \"limit-rps\" or \"limit-rpm\".") },
    { ngx_string("haproxy.org/server-ssl"),
      ngx_string("Here it is \"backend-protocol: HTTPS\".") },
    { ngx_string("haproxy.org/ssl-redirect"),
      ngx_string("Here it is \"ssl-redirect\".") },
    { ngx_string("haproxy.org/timeout-server"),
      ngx_string("Here it is \"proxy-read-timeout\", in seconds.") },
    { ngx_string("haproxy.org/*"), ngx_string("") },
    { ngx_string("haproxy-ingress.github.io/*"), ngx_string("") },

    { ngx_string("alb.ingress.kubernetes.io/ssl-redirect"),
      ngx_string("Here it is \"force-ssl-redirect\".") },
    { ngx_string("alb.ingress.kubernetes.io/backend-protocol"),
      ngx_string("Here it is \"backend-protocol\".") },
    { ngx_string("alb.ingress.kubernetes.io/auth-*"),
      ngx_string("Here it is \"auth-url\" and \"auth-signin\".") },
    { ngx_string("alb.ingress.kubernetes.io/inbound-cidrs"),
      ngx_string("Here it is \"allowlist-source-range\".") },
    { ngx_string("alb.ingress.kubernetes.io/mutual-authentication"),
      ngx_string("Here it is \"auth-tls-secret\".") },
    { ngx_string("alb.ingress.kubernetes.io/*"), ngx_string("") },

    { ngx_string("appgw.ingress.kubernetes.io/backend-path-prefix"),
      ngx_string("Here it is \"rewrite-target\".") },
    { ngx_string("appgw.ingress.kubernetes.io/backend-hostname"),
      ngx_string("Here it is \"upstream-vhost\".") },
    { ngx_string("appgw.ingress.kubernetes.io/cookie-based-affinity"),
      ngx_string("Here it is \"affinity: cookie\".") },
    { ngx_string("appgw.ingress.kubernetes.io/request-timeout"),
      ngx_string("Here it is \"proxy-read-timeout\", in seconds.") },
    { ngx_string("appgw.ingress.kubernetes.io/*"), ngx_string("") },
    { ngx_string("ingress.cilium.io/*"), ngx_string("") },
    { ngx_string("projectcontour.io/*"), ngx_string("") },
    { ngx_string("higress.io/*"), ngx_string("") },
    { ngx_string("mse.ingress.kubernetes.io/*"), ngx_string("") },
    { ngx_string("custom.nginx.org/*"), ngx_string("") },
    { ngx_string("ingress.bluemix.net/*"), ngx_string("") },
    { ngx_string("voyager.appscode.com/*"), ngx_string("") },

    { ngx_null_string, ngx_null_string }
};


/* those that end with "*" count where any is not 0 */

static ngx_str_t *
ngx_k8s_name_find(ngx_k8s_name_t *names, ngx_str_t *name, ngx_uint_t any)
{
    size_t  len;

    for ( /* void */ ; names->name.len; names++) {

        len = names->name.len;

        if (names->name.data[len - 1] == '*') {
            len--;

            if (!any || name->len < len) {
                continue;
            }

        } else if (name->len != len) {
            continue;
        }

        if (ngx_strncmp(names->name.data, name->data, len) == 0) {
            return &names->instead;
        }
    }

    return NULL;
}


ngx_str_t *
ngx_k8s_name_removed(ngx_str_t *name, ngx_uint_t any)
{
    return ngx_k8s_name_find(ngx_k8s_removed_names, name, any);
}


ngx_uint_t
ngx_k8s_name_foreign(ngx_str_t *annotation, u_char *buf, size_t size,
    ngx_str_t *remedy)
{
    u_char         *p;
    ngx_str_t       name, *instead;
    ngx_k8s_row_t  *row;

    instead = ngx_k8s_name_find(ngx_k8s_foreign_names, annotation, 1);

    if (instead == NULL) {
        return 0;
    }

    *remedy = *instead;

    p = ngx_strlchr(annotation->data, annotation->data + annotation->len, '/');

    if (instead->len || p == NULL) {
        return 1;
    }

    name.data = p + 1;
    name.len = annotation->data + annotation->len - name.data;

    row = ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION|NGX_K8S_ROW_KEY);

    if (row) {
        remedy->data = buf;
        remedy->len = ngx_snprintf(buf, size,
                                   (row->flags & NGX_K8S_ROW_ANNOTATION)
                                   ? "Here it is \"%V\"."
                                   : "Here \"%V\" is a key of the ConfigMap.",
                                   &name)
                      - buf;
        return 1;
    }

    instead = ngx_k8s_name_find(ngx_k8s_removed_names, &name, 0);

    if (instead) {
        *remedy = *instead;
    }

    return 1;
}


/* names of the controller's ConfigMap, and ends of them */

static ngx_str_t  ngx_k8s_config_names[] = {
    ngx_string("ingress-nginx-controller"),
    ngx_string("nginx-configuration"),
    ngx_string("nginx-ingress-controller"),
    ngx_string("nginx-load-balancer-conf"),
    ngx_null_string
};


ngx_str_t *
ngx_k8s_name_nearest(ngx_str_t *name, ngx_uint_t flags)
{
    ngx_str_t      *nearest, *candidate;
    ngx_uint_t      i, n, best;
    ngx_k8s_row_t  *row;

    nearest = NULL;
    best = NGX_K8S_NAME_DISTANCE + 1;

    for (row = ngx_k8s_rows; row->note.data; row++) {

        if (!(row->flags & flags)) {
            continue;
        }

        for (i = 0; i < 2; i++) {

            candidate = i ? &row->alias : &row->name;
            n = ngx_k8s_name_distance(candidate, name);

            if (n < best) {
                best = n;
                nearest = candidate;
            }
        }
    }

    return nearest;
}


/* the row of the first name in quotes, "name" or "name: value" */

static ngx_k8s_row_t *
ngx_k8s_name_row(ngx_str_t *sentence)
{
    u_char     *p, *last;
    ngx_str_t   name;

    last = sentence->data + sentence->len;
    p = sentence->len ? ngx_strlchr(sentence->data, last, '"') : NULL;

    if (p == NULL) {
        return NULL;
    }

    name.data = ++p;

    for (name.len = 0; p < last && *p != '"' && *p != ':'; p++) {

        name.len++;

        /* with its prefix */

        if (*p == '/') {
            name.data = p + 1;
            name.len = 0;
        }
    }

    return ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION|NGX_K8S_ROW_KEY);
}


ngx_uint_t
ngx_k8s_name_protects(ngx_str_t *sentence)
{
    ngx_k8s_row_t  *row;

    row = ngx_k8s_name_row(sentence);

    return row && (row->flags & (NGX_K8S_ROW_CLOSES_ROUTE
                                 |NGX_K8S_ROW_CLOSES_HOST));
}


u_char *
ngx_k8s_name_advice(u_char *buf, size_t size, ngx_str_t *sentence,
    ngx_uint_t rows)
{
    u_char         *end;
    ngx_k8s_row_t  *row;

    end = ngx_snprintf(buf, size, "%V", sentence);

    row = ngx_k8s_name_row(sentence);

    if (row == NULL) {
        return end;
    }

    if (rows == NGX_K8S_ROW_KEY && !(row->flags & rows)) {
        end = ngx_slprintf(end, buf + size, " It is an annotation of "
                           "Ingresses.");
    }

    if (!(row->flags & NGX_K8S_ROW_LATER)) {
        return end;
    }

    return ngx_slprintf(end, buf + size, " It is not served yet%s.",
                        row->flags & NGX_K8S_ROW_CLOSES_ROUTE
                        ? ": it closes the paths" : "");
}


ngx_uint_t
ngx_k8s_name_near(ngx_str_t *one, ngx_str_t *two)
{
    return ngx_k8s_name_distance(one, two) <= NGX_K8S_NAME_DISTANCE;
}


/*
 * Letters added, left out, replaced or swapped with the next one (optimal
 * string alignment), whatever their case; more than NGX_K8S_NAME_DISTANCE when
 * it is clear early.
 */

static ngx_uint_t
ngx_k8s_name_distance(ngx_str_t *one, ngx_str_t *two)
{
    u_char      rows[3][NGX_K8S_NAME_MAX + 1], *last, *row, *before, *next;
    size_t      i, j;
    ngx_uint_t  n, least;

    if (one->len == 0 || one->len > NGX_K8S_NAME_MAX
        || two->len > NGX_K8S_NAME_MAX
        || one->len > two->len + NGX_K8S_NAME_DISTANCE
        || two->len > one->len + NGX_K8S_NAME_DISTANCE)
    {
        return NGX_K8S_NAME_DISTANCE + 1;
    }

    before = rows[0];
    last = rows[1];
    row = rows[2];

    for (j = 0; j <= two->len; j++) {
        last[j] = j;
    }

    for (i = 1; i <= one->len; i++) {

        row[0] = i;
        least = i;

        for (j = 1; j <= two->len; j++) {

            n = last[j - 1] + (ngx_tolower(one->data[i - 1])
                               != ngx_tolower(two->data[j - 1]));
            n = ngx_min(n, (ngx_uint_t) last[j] + 1);
            n = ngx_min(n, (ngx_uint_t) row[j - 1] + 1);

            if (i > 1 && j > 1 && one->data[i - 1] == two->data[j - 2]
                && one->data[i - 2] == two->data[j - 1])
            {
                n = ngx_min(n, (ngx_uint_t) before[j - 2] + 1);
            }

            row[j] = n;
            least = ngx_min(least, n);
        }

        if (least > NGX_K8S_NAME_DISTANCE) {
            return least;
        }

        next = before;
        before = last;
        last = row;
        row = next;
    }

    return last[two->len];
}


ngx_uint_t
ngx_k8s_name_config(ngx_str_t *name)
{
    u_char     *end;
    ngx_str_t  *known;

    for (known = ngx_k8s_config_names; known->len; known++) {

        if (name->len < known->len) {
            continue;
        }

        end = name->data + name->len - known->len;

        if (ngx_memcmp(end, known->data, known->len) == 0
            && (end == name->data || end[-1] == '-'))
        {
            return 1;
        }
    }

    return 0;
}
