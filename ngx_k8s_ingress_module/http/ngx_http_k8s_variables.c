
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Variables resolve through the main request, so that subrequests and internal
 * redirects see the same, and never change once a request is routed: nginx
 * copies them in two passes.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_auth.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_forwarded.h>
#include <ngx_http_k8s_log.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_rewrite.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_http_k8s_variables.h>
#include <ngx_k8s_peer.h>


static ngx_int_t ngx_http_k8s_ctx_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_rule_name(ngx_http_request_t *r,
    ngx_k8s_rule_rec_t *names, ngx_str_t *s);
static ngx_int_t ngx_http_k8s_upstream_name(ngx_http_request_t *r,
    ngx_k8s_rule_rec_t *names, ngx_str_t *s);
static ngx_int_t ngx_http_k8s_error_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_builder_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_request_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_http_variable_value_t *ngx_http_k8s_request_id(
    ngx_http_request_t *r, ngx_http_k8s_main_conf_t *kmcf);
static ngx_int_t ngx_http_k8s_host_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_upstream_host_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_scheme_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_port_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_connection_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_real_ip_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_escaped_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* what is not one name of the rule; a name's offset is never so small */
#define NGX_HTTP_K8S_CANARY           0
#define NGX_HTTP_K8S_RULE            1
#define NGX_HTTP_K8S_UPSTREAM        2

#define ngx_http_k8s_ctx_row(name, data, flags, note)                         \
    { ngx_string(name), ngx_http_k8s_ctx_variable, data, flags,               \
      ngx_string(note) }

#define ngx_http_k8s_name_row(name, field, flags, note)                       \
    ngx_http_k8s_ctx_row(name, offsetof(ngx_k8s_rule_rec_t, field), flags,    \
                         note)

#define ngx_http_k8s_var_row(name, handler, flags, note)                      \
    { ngx_string(name), handler, 0, flags, ngx_string(note) }

#define ngx_http_k8s_auth_row(name, data, note)                               \
    { ngx_string(name), ngx_http_k8s_auth_variable, data, 0, ngx_string(note) }

/* ingress-nginx's names may be taken by a map or set of the administrator */
#define NGX_HTTP_K8S_ALIAS           NGX_HTTP_VAR_CHANGEABLE


ngx_http_k8s_variable_t  ngx_http_k8s_variables[] = {

    ngx_http_k8s_name_row("k8s_namespace", namespace, 0,
                          "namespace of the Ingress"),
    ngx_http_k8s_name_row("k8s_ingress_name", name, 0,
                          "name of the Ingress"),
    ngx_http_k8s_name_row("k8s_service_name", service, 0,
                          "name of the Service"),
    ngx_http_k8s_name_row("k8s_service_port", port, 0,
                          "port of the Service, as the Ingress writes it"),
    ngx_http_k8s_name_row("k8s_host", host, 0,
                          "host of the rule, empty without one"),
    ngx_http_k8s_name_row("k8s_path", path, 0, "path of the rule"),
    ngx_http_k8s_ctx_row("k8s_route_rule", NGX_HTTP_K8S_RULE, 0,
                         "the rule: namespace/ingress:host/path"),
    ngx_http_k8s_ctx_row("k8s_canary", NGX_HTTP_K8S_CANARY, 0,
                         "the canary that served the request: "
                         "namespace-service-port"),
    ngx_http_k8s_var_row("k8s_error_code", ngx_http_k8s_error_variable,
                         NGX_HTTP_VAR_NOCACHEABLE,
                         "status for which the error backend is asked"),
    ngx_http_k8s_var_row("k8s_request_builder",
                         ngx_http_k8s_builder_variable,
                         NGX_HTTP_VAR_NOCACHEABLE,
                         "who wrote the request to the backend: \"on\" for "
                         "request_builder, or why nginx did: \"head\", "
                         "\"body\" that was not read before, \"profile\" "
                         "with something else than plain headers"),
    ngx_http_k8s_var_row("k8s_req_id", ngx_http_k8s_request_id_variable, 0,
                         "X-Request-ID of the client, or $request_id"),
    ngx_http_k8s_var_row("k8s_best_http_host", ngx_http_k8s_host_variable, 0,
                         "Host header as it came, or the host of an absolute "
                         "URI, which stands for it"),
    ngx_http_k8s_var_row("k8s_upstream_host",
                         ngx_http_k8s_upstream_host_variable, 0,
                         "Host that the backend gets: upstream-vhost, or "
                         "$k8s_best_http_host"),
    ngx_http_k8s_var_row("k8s_pass_scheme", ngx_http_k8s_scheme_variable, 0,
                         "scheme in X-Forwarded-Proto"),
    ngx_http_k8s_var_row("k8s_pass_port", ngx_http_k8s_port_variable, 0,
                         "port in X-Forwarded-Port"),
    ngx_http_k8s_var_row("k8s_connection_upgrade",
                         ngx_http_k8s_connection_variable, 0,
                         "Connection that the backend gets: "
                         "connection-proxy-header, or \"upgrade\" where the "
                         "client asks for it, or \"close\" where connections "
                         "are not kept"),

    ngx_http_k8s_var_row("k8s_access_log", ngx_http_k8s_log_variable,
                         NGX_HTTP_VAR_NOCACHEABLE,
                         "line of the access log, as log-format-upstream has "
                         "it: the format \"k8s_ingress\" of access_log"),
    ngx_http_k8s_var_row("k8s_forwarded_for",
                         ngx_http_k8s_forwarded_for_variable, 0,
                         "X-Forwarded-For that the backend gets"),
    { ngx_string("k8s_original_forwarded_for"),
      ngx_http_k8s_forwarded_came_variable,
      offsetof(ngx_http_k8s_profile_t, forwarded_for), 0,
      ngx_string("what came as X-Forwarded-For, or as forwarded-for-header "
                 "names it") },
    { ngx_string("k8s_original_forwarded_host"),
      ngx_http_k8s_forwarded_came_variable,
      offsetof(ngx_http_k8s_profile_t, forwarded_host), 0,
      ngx_string("what came as X-Forwarded-Host, or as forwarded-host-header "
                 "names it") },

    ngx_http_k8s_auth_row("k8s_auth_url", NGX_HTTP_K8S_AUTH_URL,
                          "where the auth server is asked, with its address"),
    ngx_http_k8s_auth_row("k8s_auth_host", NGX_HTTP_K8S_AUTH_HOST,
                          "host of auth-url"),
    ngx_http_k8s_auth_row("k8s_auth_method", NGX_HTTP_K8S_AUTH_METHOD,
                          "auth-method, or \"GET\""),
    ngx_http_k8s_auth_row("k8s_auth_redirect", NGX_HTTP_K8S_AUTH_REDIRECT,
                          "X-Auth-Request-Redirect that the auth server gets"),
    ngx_http_k8s_auth_row("k8s_auth_uri", NGX_HTTP_K8S_AUTH_URI,
                          "X-Original-URI that it gets, with auth-method"),
    ngx_http_k8s_auth_row("k8s_auth_from", NGX_HTTP_K8S_AUTH_FROM,
                          "X-Sent-From that it gets"),
    ngx_http_k8s_auth_row("k8s_auth_scheme", NGX_HTTP_K8S_AUTH_SCHEME,
                          "X-Scheme that it gets, with auth-method"),

    ngx_http_k8s_ctx_row("proxy_upstream_name", NGX_HTTP_K8S_UPSTREAM,
                         NGX_HTTP_K8S_ALIAS, "namespace-service-port"),
    ngx_http_k8s_ctx_row("proxy_alternative_upstream_name", NGX_HTTP_K8S_CANARY,
                         NGX_HTTP_K8S_ALIAS, "the same of the canary"),
    ngx_http_k8s_name_row("namespace", namespace, NGX_HTTP_K8S_ALIAS,
                          "as $k8s_namespace"),
    ngx_http_k8s_name_row("ingress_name", name, NGX_HTTP_K8S_ALIAS,
                          "as $k8s_ingress_name"),
    ngx_http_k8s_name_row("service_name", service, NGX_HTTP_K8S_ALIAS,
                          "as $k8s_service_name"),
    ngx_http_k8s_name_row("service_port", port, NGX_HTTP_K8S_ALIAS,
                          "as $k8s_service_port"),
    ngx_http_k8s_name_row("location_path", path, NGX_HTTP_K8S_ALIAS,
                          "as $k8s_path"),
    ngx_http_k8s_var_row("req_id", ngx_http_k8s_request_id_variable,
                         NGX_HTTP_K8S_ALIAS, "as $k8s_req_id"),
    ngx_http_k8s_var_row("best_http_host", ngx_http_k8s_host_variable,
                         NGX_HTTP_K8S_ALIAS, "as $k8s_best_http_host"),
    ngx_http_k8s_var_row("pass_access_scheme", ngx_http_k8s_scheme_variable,
                         NGX_HTTP_K8S_ALIAS, "as $k8s_pass_scheme"),
    ngx_http_k8s_var_row("pass_server_port", ngx_http_k8s_port_variable,
                         NGX_HTTP_K8S_ALIAS, "as $k8s_pass_port"),
    ngx_http_k8s_var_row("pass_port", ngx_http_k8s_port_variable,
                         NGX_HTTP_K8S_ALIAS, "as $k8s_pass_port"),

    ngx_http_k8s_var_row("the_real_ip", ngx_http_k8s_real_ip_variable,
                         NGX_HTTP_K8S_ALIAS, "as $remote_addr"),
    ngx_http_k8s_var_row("escaped_request_uri", ngx_http_k8s_escaped_variable,
                         NGX_HTTP_K8S_ALIAS,
                         "$request_uri, escaped for an argument"),

    { ngx_null_string, NULL, 0, 0, ngx_null_string }
};


ngx_int_t
ngx_http_k8s_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t      *var;
    ngx_http_k8s_variable_t  *row;

    for (row = ngx_http_k8s_variables; row->name.len; row++) {

        var = ngx_http_add_variable(cf, &row->name, row->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = row->handler;
        var->data = row->data;
    }

#if (NGX_HTTP_SSL)

    if (ngx_http_k8s_ssl_client_variables(cf) != NGX_OK) {
        return NGX_ERROR;
    }

#endif

    return (ngx_http_k8s_set_headers_variables(cf) == NGX_OK)
           ? ngx_http_k8s_log_format(cf) : NGX_ERROR;
}


ngx_int_t
ngx_http_k8s_index_variables(ngx_conf_t *cf, ngx_http_k8s_main_conf_t *kmcf)
{
    ngx_str_t  name;

    ngx_str_set(&name, "http_x_request_id");

    kmcf->client_id = ngx_http_get_variable_index(cf, &name);
    if (kmcf->client_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_str_set(&name, "request_id");

    kmcf->request_id = ngx_http_get_variable_index(cf, &name);
    if (kmcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_str_set(&name, "http_x_forwarded_for");

    kmcf->forwarded_for = ngx_http_get_variable_index(cf, &name);
    if (kmcf->forwarded_for == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_str_set(&name, "remote_user");

    kmcf->remote_user = ngx_http_get_variable_index(cf, &name);
    if (kmcf->remote_user == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* of headers that keys bring, as nothing new can be indexed later */

    ngx_str_set(&name, "request_uri");

    if (ngx_http_get_variable_index(cf, &name) == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_http_k8s_template_init(cf);

    return (ngx_http_k8s_set_headers_index(cf) == NGX_OK)
           ? ngx_http_k8s_log_index(cf) : NGX_ERROR;
}


void
ngx_http_k8s_reset_variables(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (v[i].get_handler == ngx_http_k8s_ctx_variable
            && r->variables[i].not_found)
        {
            r->variables[i].not_found = 0;
        }
    }
}


static ngx_int_t
ngx_http_k8s_ctx_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            s;
    ngx_k8s_str_t       *name;
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || !ctx->routed) {

        if (ctx == NULL) {
            ctx = ngx_http_k8s_ctx_create(r);
            if (ctx == NULL) {
                return NGX_ERROR;
            }
        }

        ctx->asked = 1;
        v->not_found = 1;

        return NGX_OK;
    }

    ngx_str_null(&s);

    switch (data) {

    case NGX_HTTP_K8S_CANARY:
        s = ctx->canary;
        break;

    case NGX_HTTP_K8S_UPSTREAM:

        if (ctx->page.len) {
            s = ctx->page;

        } else if (ctx->no_service) {
            ngx_str_set(&s, "upstream-default-backend");

        } else if (ctx->names
                   && ngx_http_k8s_upstream_name(r, ctx->names, &s) != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    case NGX_HTTP_K8S_RULE:

        if (ctx->names
            && ngx_http_k8s_rule_name(r, ctx->names, &s) != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    default:

        if (ctx->names) {
            name = (ngx_k8s_str_t *) ((u_char *) ctx->names + data);
            ngx_k8s_record_str(ctx->names, name, &s);
        }
    }

    v->len = s.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = s.data;

    return NGX_OK;
}


/* "namespace/ingress:host/path" */

static ngx_int_t
ngx_http_k8s_rule_name(ngx_http_request_t *r, ngx_k8s_rule_rec_t *names,
    ngx_str_t *s)
{
    ngx_str_t  namespace, ingress, host, path;

    ngx_k8s_record_str(names, &names->namespace, &namespace);
    ngx_k8s_record_str(names, &names->name, &ingress);
    ngx_k8s_record_str(names, &names->host, &host);
    ngx_k8s_record_str(names, &names->path, &path);

    s->data = ngx_pnalloc(r->main->pool, namespace.len + 1 + ingress.len + 1
                                         + host.len + path.len);
    if (s->data == NULL) {
        return NGX_ERROR;
    }

    s->len = ngx_sprintf(s->data, "%V/%V:%V%V", &namespace, &ingress, &host,
                         &path)
             - s->data;

    return NGX_OK;
}


/* "namespace-service-port" */

static ngx_int_t
ngx_http_k8s_upstream_name(ngx_http_request_t *r, ngx_k8s_rule_rec_t *names,
    ngx_str_t *s)
{
    u_char     *p;
    ngx_str_t   namespace, service, port;

    ngx_k8s_record_str(names, &names->namespace, &namespace);
    ngx_k8s_record_str(names, &names->service, &service);
    ngx_k8s_record_str(names, &names->port, &port);

    s->len = namespace.len + 1 + service.len + 1 + port.len;
    s->data = ngx_pnalloc(r->main->pool, s->len);

    if (s->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(s->data, namespace.data, namespace.len);
    *p++ = '-';
    p = ngx_cpymem(p, service.data, service.len);
    *p++ = '-';
    ngx_memcpy(p, port.data, port.len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_error_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_k8s_ctx_t  *ctx;

    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || ctx->error == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(v->data, "%ui", ctx->error) - v->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_builder_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t           *s;
    ngx_http_k8s_ctx_t  *ctx;

    /* by NGX_HTTP_K8S_BUILT_* */

    static ngx_str_t  names[] = {
        ngx_string("profile"),
        ngx_string("head"),
        ngx_string("body"),
        ngx_string("on")
    };

    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || r->main->upstream == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    s = &names[ctx->built];

    v->len = s->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = s->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_request_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_k8s_ctx_t         *ctx;
    ngx_http_variable_value_t  *id;
    ngx_http_k8s_main_conf_t   *kmcf;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

    if (kmcf->passes.nelts == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    id = ngx_http_get_indexed_variable(r, kmcf->client_id);

    ctx = ngx_http_k8s_ctx(r);

    if ((id == NULL || id->not_found || id->len == 0)
        && (ctx == NULL || ctx->profile == NULL
            || ctx->profile->settings->request_id))
    {
        id = ngx_http_k8s_request_id(r, kmcf);
    }

    if (id == NULL || id->not_found) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = id->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = id->data;

    return NGX_OK;
}


/*
 * The value of $request_id, in all places.  nginx asks OpenSSL for 16 bytes
 * each time, which costs more than all of the request's other headers; here
 * they are of many at once, and wiped as they are used.
 */

static ngx_http_variable_value_t *
ngx_http_k8s_request_id(ngx_http_request_t *r, ngx_http_k8s_main_conf_t *kmcf)
{
#if (NGX_OPENSSL)

    u_char                     *p;
    ngx_http_k8s_ids_t         *ids;
    ngx_http_variable_value_t  *v;

    v = &r->variables[kmcf->request_id];

    if (v->valid || v->not_found) {
        return v;
    }

    ids = &kmcf->ids;

    if (ids->n == 0 || ids->pid != ngx_pid) {

        if (RAND_bytes(ids->bytes[0], sizeof(ids->bytes)) != 1) {
            ngx_ssl_error(NGX_LOG_ERR, r->connection->log, 0,
                          "RAND_bytes() failed");
            return ngx_http_get_indexed_variable(r, kmcf->request_id);
        }

        ids->n = NGX_HTTP_K8S_IDS;
        ids->pid = ngx_pid;
    }

    p = ngx_pnalloc(r->pool, 2 * NGX_HTTP_K8S_ID_LEN);
    if (p == NULL) {
        return NULL;
    }

    ids->n--;

    (void) ngx_hex_dump(p, ids->bytes[ids->n], NGX_HTTP_K8S_ID_LEN);
    ngx_memzero(ids->bytes[ids->n], NGX_HTTP_K8S_ID_LEN);

    v->len = 2 * NGX_HTTP_K8S_ID_LEN;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return v;

#else

    return ngx_http_get_indexed_variable(r, kmcf->request_id);

#endif
}


static ngx_int_t
ngx_http_k8s_host_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  *s;
    ngx_int_t   rc;

    r = r->main;

    rc = ngx_http_k8s_forwarded_host(r, v);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    s = r->headers_in.host ? &r->headers_in.host->value
                           : &r->headers_in.server;

    v->len = s->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = s->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_upstream_host_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                 host;
    ngx_http_k8s_ctx_t       *ctx;
    ngx_http_k8s_captures_t   captures;

    ctx = ngx_http_k8s_ctx(r);

    if (ctx == NULL || ctx->profile == NULL
        || ctx->profile->templates == NULL
        || ctx->profile->templates->vhost.text.len == 0)
    {
        return ngx_http_k8s_host_variable(r, v, data);
    }

    captures.n = 0;

    if (ngx_http_k8s_template_run_header(r, &ctx->profile->templates->vhost,
                                         &captures, &host)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    v->len = host.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = host.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_scheme_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_int_t  rc;

    rc = ngx_http_k8s_forwarded_proto(r, v);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

#if (NGX_HTTP_SSL)

    if (r->connection->ssl) {
        v->len = sizeof("https") - 1;
        v->data = (u_char *) "https";

        return NGX_OK;
    }

#endif

    v->len = sizeof("http") - 1;
    v->data = (u_char *) "http";

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_port_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                *p;
    in_port_t              port;
    ngx_int_t              rc;
    ngx_http_k8s_ctx_t    *ctx;
    ngx_proxy_protocol_t  *pp;

    rc = ngx_http_k8s_forwarded_port(r, v);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ngx_connection_local_sockaddr(r->connection, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    port = ngx_inet_get_port(r->connection->local_sockaddr);

    ctx = ngx_http_k8s_ctx(r);
    pp = r->connection->proxy_protocol;

    if (pp && ctx && ctx->profile && ctx->profile->settings->proxy_protocol) {
        port = pp->dst_port;
    }

    p = ngx_pnalloc(r->pool, sizeof("65535") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_k8s_port_text(p, port) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_connection_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t           *value;
    ngx_uint_t           connection;
    ngx_http_k8s_ctx_t  *ctx;

    /* by the setting, and that of an upgrade */

    static ngx_str_t  values[] = {
        ngx_string(""),
        ngx_string("keep-alive"),
        ngx_string("close"),
        ngx_string("upgrade")
    };

    ctx = ngx_http_k8s_ctx(r);

    connection = (ctx && ctx->profile) ? ctx->profile->settings->connection
                                       : 0;

    if (connection == 0 && r->headers_in.upgrade
        && r->headers_in.upgrade->value.len)
    {
        connection = 3;
    }

    if (connection == 0 && ctx && ctx->profile
        && ctx->profile->settings->keepalive_connections == 0)
    {
        connection = 2;
    }

    value = &values[connection];

    v->len = value->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_real_ip_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    v->len = r->connection->addr_text.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = r->connection->addr_text.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_escaped_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    size_t      len;
    ngx_str_t  *uri;

    uri = &r->main->unparsed_uri;

    len = uri->len + 2 * ngx_escape_uri(NULL, uri->data, uri->len,
                                        NGX_ESCAPE_URI_COMPONENT);

    v->data = ngx_pnalloc(r->pool, len);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_escape_uri(v->data, uri->data, uri->len,
                          NGX_ESCAPE_URI_COMPONENT);

    v->len = len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
