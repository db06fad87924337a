
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_protocol.h>
#include <ngx_k8s_policy.h>


typedef struct {
    ngx_str_t                directive;
    char                    *scheme;
    ngx_uint_t               module;     /* NGX_HTTP_K8S_MODULE_* */
} ngx_http_k8s_protocol_t;


/* a module beside the proxy module */

typedef struct {
    ngx_str_t                prefix;     /* of its directives */
    ngx_str_t               *directives; /* that it has as well; NULL: all */
    ngx_str_t               *words;      /* arguments that it does not have */
} ngx_http_k8s_protocol_module_t;


static ngx_array_t *ngx_http_k8s_protocol_token(ngx_pool_t *pool,
    ngx_array_t *tokens, ngx_uint_t i, ngx_uint_t module);
static ngx_int_t ngx_http_k8s_protocol_param(ngx_pool_t *pool,
    ngx_array_t *tokens, ngx_uint_t i, ngx_array_t *token);
static ngx_uint_t ngx_http_k8s_protocol_said(ngx_array_t *tokens, ngx_uint_t i,
    ngx_str_t *name);
static ngx_uint_t ngx_http_k8s_protocol_listed(ngx_str_t *list,
    ngx_str_t *name);


/* by NGX_K8S_BACKEND_* */

static ngx_http_k8s_protocol_t  ngx_http_k8s_protocols[] = {
    { ngx_string("proxy_pass"), "http://", NGX_HTTP_K8S_MODULE_PROXY },
    { ngx_string("proxy_pass"), "https://", NGX_HTTP_K8S_MODULE_PROXY },
    { ngx_string("proxy_pass"), "$scheme://", NGX_HTTP_K8S_MODULE_PROXY },
    { ngx_string("grpc_pass"), "grpc://", NGX_HTTP_K8S_MODULE_GRPC },
    { ngx_string("grpc_pass"), "grpcs://", NGX_HTTP_K8S_MODULE_GRPC },
    { ngx_string("fastcgi_pass"), "", NGX_HTTP_K8S_MODULE_FASTCGI },
    { ngx_string("proxy_pass"), "http://", NGX_HTTP_K8S_MODULE_HTTP2 }
};


static ngx_str_t  ngx_http_k8s_proxy_prefix = ngx_string("proxy_");
static ngx_str_t  ngx_http_k8s_proxy_header = ngx_string("proxy_set_header");
static ngx_str_t  ngx_http_k8s_proxy_version =
                                            ngx_string("proxy_http_version");
static ngx_str_t  ngx_http_k8s_http2 = ngx_string("2");
static ngx_str_t  ngx_http_k8s_fastcgi_param = ngx_string("fastcgi_param");


/* of the proxy module, what others have as well */

static ngx_str_t  ngx_http_k8s_grpc_directives[] = {
    ngx_string("connect_timeout"),
    ngx_string("send_timeout"),
    ngx_string("read_timeout"),
    ngx_string("next_upstream"),
    ngx_string("next_upstream_timeout"),
    ngx_string("next_upstream_tries"),
    ngx_string("intercept_errors"),
    ngx_string("set_header"),
    ngx_string("hide_header"),
    ngx_string("pass_header"),
    ngx_string("ignore_headers"),
    ngx_null_string
};


static ngx_str_t  ngx_http_k8s_fastcgi_directives[] = {
    ngx_string("connect_timeout"),
    ngx_string("send_timeout"),
    ngx_string("read_timeout"),
    ngx_string("next_upstream"),
    ngx_string("next_upstream_timeout"),
    ngx_string("next_upstream_tries"),
    ngx_string("intercept_errors"),
    ngx_string("set_header"),
    ngx_string("hide_header"),
    ngx_string("pass_header"),
    ngx_string("ignore_headers"),
    ngx_string("buffering"),
    ngx_string("request_buffering"),
    ngx_string("buffer_size"),
    ngx_string("buffers"),
    ngx_string("busy_buffers_size"),
    ngx_string("max_temp_file_size"),
    ngx_string("limit_rate"),
    ngx_null_string
};


/* statuses of gateways: nginx does not ask another FastCGI server for them */

static ngx_str_t  ngx_http_k8s_fastcgi_words[] = {
    ngx_string("http_502"),
    ngx_string("http_504"),
    ngx_null_string
};


static ngx_str_t  ngx_http_k8s_no_words[] = {
    ngx_null_string
};


/* by NGX_HTTP_K8S_MODULE_* */

static ngx_http_k8s_protocol_module_t  ngx_http_k8s_protocol_modules[] = {
    { ngx_null_string, NULL, ngx_http_k8s_no_words },
    { ngx_string("grpc_"), ngx_http_k8s_grpc_directives,
      ngx_http_k8s_no_words },
    { ngx_string("fastcgi_"), ngx_http_k8s_fastcgi_directives,
      ngx_http_k8s_fastcgi_words },
    { ngx_string("proxy_"), NULL, ngx_http_k8s_no_words }
};


/* of connections, which HTTP/2 and FastCGI do not have */

static ngx_str_t  ngx_http_k8s_hop_headers[] = {
    ngx_string("Connection"),
    ngx_string("Upgrade"),
    ngx_null_string
};


/* what a backend is told of a client's certificate: the list of the request has
   it, and nginx finds a header of it in the names of parameters in any case */

static ngx_str_t  ngx_http_k8s_told_headers[] = {
    ngx_string("ssl-client-cert"),
    ngx_string("ssl-client-verify"),
    ngx_string("ssl-client-subject-dn"),
    ngx_string("ssl-client-issuer-dn"),
    ngx_null_string
};


/* those of nginx's file fastcgi_params */

static ngx_str_t  ngx_http_k8s_fastcgi_params[][2] = {
    { ngx_string("QUERY_STRING"), ngx_string("$query_string") },
    { ngx_string("REQUEST_METHOD"), ngx_string("$request_method") },
    { ngx_string("CONTENT_TYPE"), ngx_string("$content_type") },
    { ngx_string("CONTENT_LENGTH"), ngx_string("$content_length") },
    { ngx_string("SCRIPT_NAME"), ngx_string("$fastcgi_script_name") },
    { ngx_string("REQUEST_URI"), ngx_string("$request_uri") },
    { ngx_string("DOCUMENT_URI"), ngx_string("$document_uri") },
    { ngx_string("DOCUMENT_ROOT"), ngx_string("$document_root") },
    { ngx_string("SERVER_PROTOCOL"), ngx_string("$server_protocol") },
    { ngx_string("REQUEST_SCHEME"), ngx_string("$scheme") },
    { ngx_string("HTTPS"), ngx_string("$https if_not_empty") },
    { ngx_string("GATEWAY_INTERFACE"), ngx_string("CGI/1.1") },
    { ngx_string("SERVER_SOFTWARE"), ngx_string("nginx/$nginx_version") },
    { ngx_string("REMOTE_ADDR"), ngx_string("$remote_addr") },
    { ngx_string("REMOTE_PORT"), ngx_string("$remote_port") },
    { ngx_string("SERVER_ADDR"), ngx_string("$server_addr") },
    { ngx_string("SERVER_PORT"), ngx_string("$server_port") },
    { ngx_string("SERVER_NAME"), ngx_string("$k8s_host") },
    { ngx_string("REDIRECT_STATUS"), ngx_string("200") },
    { ngx_null_string, ngx_null_string }
};


ngx_int_t
ngx_http_k8s_protocol_urls(ngx_conf_t *cf, ngx_http_k8s_loc_conf_t *klcf,
    ngx_str_t *upstream)
{
    char        *scheme;
    ngx_str_t   *url;
    ngx_uint_t   i;

    for (i = 0; i < NGX_K8S_BACKENDS; i++) {

        scheme = ngx_http_k8s_protocols[i].scheme;
        url = &klcf->urls[i];

        url->len = ngx_strlen(scheme) + upstream->len;
        url->data = ngx_pnalloc(cf->pool, url->len);

        if (url->data == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_sprintf(url->data, "%s%V", scheme, upstream);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_protocol_pass(ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool,
    ngx_array_t *tokens, ngx_uint_t protocol)
{
    /* it is the first one, so connections of HTTP/2 have a key of their own */

    if (ngx_http_k8s_protocol_module(protocol) == NGX_HTTP_K8S_MODULE_HTTP2
        && ngx_k8s_tokens_add(pool, tokens, &ngx_http_k8s_proxy_version,
                              &ngx_http_k8s_http2)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_tokens_add(pool, tokens,
                              &ngx_http_k8s_protocols[protocol].directive,
                              &klcf->urls[protocol]);
}


ngx_int_t
ngx_http_k8s_protocol_params(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t protocol)
{
    u_char      buf[128];
    ngx_str_t   argument, *param;
    ngx_uint_t  i;

    if (ngx_http_k8s_protocol_module(protocol) != NGX_HTTP_K8S_MODULE_FASTCGI) {
        return NGX_OK;
    }

    argument.data = buf;

    for (i = 0; ngx_http_k8s_fastcgi_params[i][0].len; i++) {

        param = ngx_http_k8s_fastcgi_params[i];

        if (ngx_http_k8s_protocol_said(tokens, 0, &param[0])) {
            continue;
        }

        argument.len = ngx_sprintf(buf, "%V %V", &param[0], &param[1]) - buf;

        if (ngx_k8s_tokens_add(pool, tokens, &ngx_http_k8s_fastcgi_param,
                               &argument)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_protocol_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t protocol)
{
    ngx_str_t     *name, *prefix;
    ngx_uint_t     i, n, module;
    ngx_array_t  **args;

    module = ngx_http_k8s_protocol_module(protocol);

    if (module == NGX_HTTP_K8S_MODULE_PROXY) {
        return NGX_OK;
    }

    args = tokens->elts;
    prefix = &ngx_http_k8s_proxy_prefix;
    n = 0;

    for (i = 0; i < tokens->nelts; i++) {

        name = args[i]->elts;

        if (name->len <= prefix->len
            || ngx_strncmp(name->data, prefix->data, prefix->len) != 0)
        {
            args[n++] = args[i];
            continue;
        }

        args[n] = ngx_http_k8s_protocol_token(pool, tokens, i, module);

        if (args[n] == NULL) {
            return NGX_ERROR;
        }

        n += (args[n]->nelts != 0);
    }

    tokens->nelts = n;

    return NGX_OK;
}


/* an empty array: there is none; NULL: no memory */

static ngx_array_t *
ngx_http_k8s_protocol_token(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t i, ngx_uint_t module)
{
    u_char                          *p;
    ngx_str_t                       *arg, *name, suffix;
    ngx_uint_t                       n, header;
    ngx_array_t                    **args, *token;
    ngx_http_k8s_protocol_module_t  *m;

    m = &ngx_http_k8s_protocol_modules[module];

    args = (ngx_array_t **) tokens->elts + i;
    arg = args[0]->elts;

    /* a parameter has one element more than its header */

    token = ngx_array_create(pool, args[0]->nelts + 1, sizeof(ngx_str_t));
    if (token == NULL) {
        return NULL;
    }

    suffix.len = arg->len - ngx_http_k8s_proxy_prefix.len;
    suffix.data = arg->data + ngx_http_k8s_proxy_prefix.len;

    header = (arg->len == ngx_http_k8s_proxy_header.len
              && ngx_strncmp(arg->data, ngx_http_k8s_proxy_header.data,
                             arg->len)
                 == 0);

    /* that of connections to others */

    if (module == NGX_HTTP_K8S_MODULE_HTTP2
        && arg->len == ngx_http_k8s_proxy_version.len
        && ngx_strncmp(arg->data, ngx_http_k8s_proxy_version.data, arg->len)
           == 0
        && arg[1].data[0] != ngx_http_k8s_http2.data[0])
    {
        return token;
    }

    if ((m->directives
         && !ngx_http_k8s_protocol_listed(m->directives, &suffix))
        || (header
            && ngx_http_k8s_protocol_listed(ngx_http_k8s_hop_headers,
                                            &arg[1])))
    {
        return token;
    }

    if (header && module == NGX_HTTP_K8S_MODULE_FASTCGI) {
        return (ngx_http_k8s_protocol_param(pool, tokens, i, token) == NGX_OK)
               ? token : NULL;
    }

    p = ngx_pnalloc(pool, m->prefix.len + suffix.len + 1);
    if (p == NULL) {
        return NULL;
    }

    /* there is room for all of them */

    name = ngx_array_push(token);

    name->data = p;
    name->len = ngx_sprintf(p, "%V%V%Z", &m->prefix, &suffix) - p - 1;

    for (n = 1; n < args[0]->nelts; n++) {

        if (!ngx_http_k8s_protocol_listed(m->words, &arg[n])) {
            name = ngx_array_push(token);
            *name = arg[n];
        }
    }

    if (token->nelts == 1) {
        name = ngx_array_push(token);
        ngx_str_set(name, "off");
    }

    return token;
}


/*
 * A header, as a parameter that CGI has for it: so nothing that a client sends
 * by this name gets through.  What is said as a parameter by itself goes
 * before.
 */

static ngx_int_t
ngx_http_k8s_protocol_param(ngx_pool_t *pool, ngx_array_t *tokens, ngx_uint_t i,
    ngx_array_t *token)
{
    u_char      *p;
    size_t       k;
    ngx_str_t   *arg, *header, name, value;
    ngx_uint_t   told;

    header = ((ngx_array_t **) tokens->elts)[i]->elts;
    value = header[2];
    told = ngx_http_k8s_protocol_listed(ngx_http_k8s_told_headers, &header[1]);

    p = ngx_pnalloc(pool, 2 * (sizeof("$k8s_") + header[1].len));
    if (p == NULL) {
        return NGX_ERROR;
    }

    name.data = p;
    p = ngx_cpymem(p, "HTTP_", sizeof("HTTP_") - 1);

    for (k = 0; k < header[1].len; k++) {
        *p++ = (header[1].data[k] == '-') ? '_'
                                          : ngx_toupper(header[1].data[k]);
    }

    name.len = p - name.data;
    *p++ = '\0';

    if (ngx_http_k8s_protocol_said(tokens, i + 1, &name)) {
        return NGX_OK;
    }

    if (told) {
        value.data = p;
        p = ngx_cpymem(p, "$k8s_", sizeof("$k8s_") - 1);

        for (k = 0; k < header[1].len; k++) {
            *p++ = (header[1].data[k] == '-') ? '_' : header[1].data[k];
        }

        value.len = p - value.data;
        *p = '\0';
    }

    /* there is room for all of them */

    arg = ngx_array_push_n(token, 4);

    arg[0] = ngx_http_k8s_fastcgi_param;
    arg[1] = name;
    arg[2] = value;
    ngx_str_set(&arg[3], "if_not_empty");

    return NGX_OK;
}


/* whether a token from the given one on is a parameter of the name */

static ngx_uint_t
ngx_http_k8s_protocol_said(ngx_array_t *tokens, ngx_uint_t i, ngx_str_t *name)
{
    ngx_str_t     *arg;
    ngx_array_t  **args;

    args = tokens->elts;

    for ( /* void */ ; i < tokens->nelts; i++) {

        arg = args[i]->elts;

        if (arg->len == ngx_http_k8s_fastcgi_param.len
            && ngx_strncmp(arg->data, ngx_http_k8s_fastcgi_param.data,
                           arg->len)
               == 0
            && arg[1].len == name->len
            && ngx_strncmp(arg[1].data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_k8s_protocol_listed(ngx_str_t *list, ngx_str_t *name)
{
    for ( /* void */ ; list->len; list++) {

        if (list->len == name->len
            && ngx_strncasecmp(list->data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_k8s_protocol_directive(ngx_str_t *name)
{
    ngx_str_t                        suffix;
    ngx_uint_t                       i;
    ngx_http_k8s_protocol_module_t  *m;

    for (i = 1; i < NGX_HTTP_K8S_MODULES; i++) {

        m = &ngx_http_k8s_protocol_modules[i];

        if (m->directives == NULL
            || name->len <= m->prefix.len
            || ngx_strncmp(name->data, m->prefix.data, m->prefix.len) != 0)
        {
            continue;
        }

        suffix.len = name->len - m->prefix.len;
        suffix.data = name->data + m->prefix.len;

        return ngx_http_k8s_protocol_listed(m->directives, &suffix);
    }

    return 0;
}


ngx_uint_t
ngx_http_k8s_protocol_module(ngx_uint_t protocol)
{
    return ngx_http_k8s_protocols[protocol].module;
}
