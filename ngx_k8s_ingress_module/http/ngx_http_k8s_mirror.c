
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_mirror.h>
#include <ngx_http_k8s_policy.h>


extern ngx_module_t  ngx_http_proxy_module;


static ngx_uint_t ngx_http_k8s_mirror_room(ngx_http_request_t *r,
    ngx_http_k8s_main_conf_t *kmcf);
static ngx_int_t ngx_http_k8s_mirror_make(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_mirrored_t *m);
static ngx_int_t ngx_http_k8s_mirror_to(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_mirrored_t *m);
static ngx_int_t ngx_http_k8s_mirror_head(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_mirrored_t *m);
static ngx_uint_t ngx_http_k8s_mirror_passed(ngx_table_elt_t *h);
static ngx_int_t ngx_http_k8s_mirror_body(ngx_http_request_t *r,
    ngx_http_k8s_mirrored_t *m);
static ngx_int_t ngx_http_k8s_mirror_memory(ngx_http_k8s_mirrored_t *m,
    ngx_buf_t *b);
static ngx_int_t ngx_http_k8s_mirror_file(ngx_http_k8s_mirrored_t *m,
    ngx_buf_t *b);
static void ngx_http_k8s_mirror_lost(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, char *why);
static u_char *ngx_http_k8s_mirror_log(ngx_log_t *log, u_char *buf, size_t len);


/* of a mirrored request: it is not mirrored again */
static ngx_str_t  ngx_http_k8s_mirror_mark = ngx_string("X-Mirrored-From");

/* of the connection, or that only we may say, beside "ssl-client-" */

static ngx_str_t  ngx_http_k8s_mirror_left[] = {
    ngx_string("Host"),
    ngx_string("Connection"),
    ngx_string("Content-Length"),
    ngx_string("Transfer-Encoding"),
    ngx_string("TE"),
    ngx_string("Keep-Alive"),
    ngx_string("Expect"),
    ngx_string("Upgrade"),
    ngx_string("X-Mirrored-From"),
    ngx_null_string
};


ngx_int_t
ngx_http_k8s_mirror_profile(ngx_http_k8s_profile_t *profile,
    ngx_http_k8s_loc_conf_t *klcf, ngx_pool_t *pool)
{
    ngx_k8s_settings_t        *settings;
    ngx_http_k8s_mirror_t     *mirror;
    ngx_http_upstream_conf_t  *u;

    static ngx_str_t  uri = ngx_string("$request_uri");

    settings = profile->settings;

    if (settings->mirror_target.len == 0) {
        return NGX_OK;
    }

    mirror = ngx_pcalloc(pool, sizeof(ngx_http_k8s_mirror_t));
    if (mirror == NULL) {
        return NGX_ERROR;
    }

    mirror->body = settings->mirror_body;

    if (ngx_http_k8s_url(pool, &settings->mirror_target, &uri, &mirror->url)
        != NGX_OK
        || ngx_http_k8s_template_compile(pool, &settings->mirror_host,
                                         &mirror->host)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

#if (NGX_HTTP_SSL)
    if (mirror->url.ssl) {
        mirror->conf = klcf->auth_conf[ngx_http_proxy_module.ctx_index];
    }
#endif

    profile->mirror = mirror;

    /* the first member of the proxy module's configuration: a body is sent when
       all of it is there */

    if (mirror->body) {
        u = profile->loc_conf[ngx_http_proxy_module.ctx_index];
        u->request_buffering = 1;
    }

    return NGX_OK;
}


void
ngx_http_k8s_mirror(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx)
{
    ngx_uint_t                 i;
    ngx_pool_t                *pool;
    ngx_list_part_t           *part;
    ngx_http_k8s_mirrored_t   *m;
    ngx_http_k8s_main_conf_t  *kmcf;

    if (ctx->mirrored
        || ctx->error
        || (ctx->profile->mirror->body && r->request_body_no_buffering)
        || ngx_strcmp(r->upstream->conf->module.data, "proxy") != 0)
    {
        return;
    }

    ctx->mirrored = 1;

    part = &r->headers_in.headers.part;
    i = 0;

    if (ngx_http_k8s_header_next(&part, &i, &ngx_http_k8s_mirror_mark)) {
        return;
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

    if (!ngx_http_k8s_mirror_room(r, kmcf)) {
        ngx_http_k8s_mirror_lost(r, ctx, "there are too many mirrored ones");
        return;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    m = ngx_pcalloc(pool, sizeof(ngx_http_k8s_mirrored_t));
    if (m == NULL) {
        ngx_destroy_pool(pool);
        return;
    }

    m->pool = pool;
    m->kmcf = kmcf;
    m->block = ctx->block;
    m->file.fd = NGX_INVALID_FILE;

    if (ngx_http_k8s_mirror_make(r, ctx, m) != NGX_OK) {

        if (m->file.fd != NGX_INVALID_FILE) {
            (void) ngx_close_file(m->file.fd);
        }

        ngx_destroy_pool(pool);
        return;
    }

    kmcf->mirrors++;
    kmcf->mirrors_memory += m->memory;
    kmcf->mirrors_files += m->size;

    ngx_http_k8s_mirror_send(m);
}


/* clients need connections, too */

static ngx_uint_t
ngx_http_k8s_mirror_room(ngx_http_request_t *r, ngx_http_k8s_main_conf_t *kmcf)
{
    ngx_uint_t  part;

    part = ngx_cycle->connection_n / NGX_HTTP_K8S_MIRRORS_PART;

    return kmcf->mirrors < ngx_min(part, NGX_HTTP_K8S_MIRRORS)
           && ngx_cycle->free_connection_n > part;
}


static ngx_int_t
ngx_http_k8s_mirror_make(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_mirrored_t *m)
{
    m->log = *ngx_cycle->log;
    m->log.handler = ngx_http_k8s_mirror_log;
    m->log.data = m;
    m->log.action = "mirroring a request";
    m->pool->log = &m->log;

    if (ngx_array_init(&m->pieces, m->pool, 4,
                       sizeof(ngx_http_k8s_mirror_piece_t))
        != NGX_OK
        || ngx_http_k8s_mirror_to(r, ctx, m) != NGX_OK
        || ngx_http_k8s_mirror_head(r, ctx, m) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->profile->mirror->body
        && ngx_http_k8s_mirror_body(r, m) != NGX_OK)
    {
        ngx_http_k8s_mirror_lost(r, ctx, "mirrored ones have too large bodies");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a copy of what the log and the connection need */

static ngx_int_t
ngx_http_k8s_mirror_to(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_mirrored_t *m)
{
    ngx_url_t               u;
    ngx_str_t               host, namespace, name;
    ngx_http_k8s_mirror_t  *mirror;

    mirror = ctx->profile->mirror;

    ngx_str_null(&namespace);
    ngx_str_null(&name);

    if (ctx->names) {
        ngx_k8s_record_str(ctx->names, &ctx->names->namespace, &namespace);
        ngx_k8s_record_str(ctx->names, &ctx->names->name, &name);
    }

    if (ngx_http_k8s_url_host(r, &mirror->url, &host) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_url_parse(r->pool, &mirror->url, &host, &u) != NGX_OK) {
        ngx_http_k8s_mirror_lost(r, ctx, "the host of its mirror-target is "
                                 "none");
        return NGX_ERROR;
    }

    m->namespace.len = namespace.len;
    m->namespace.data = ngx_pstrdup(m->pool, &namespace);
    m->name.len = name.len;
    m->name.data = ngx_pstrdup(m->pool, &name);
    m->port = u.port;
    m->host.len = u.host.len;

    /* with a final zero, for TLS */

    m->host.data = ngx_pnalloc(m->pool, u.host.len + 1);

    if (m->namespace.data == NULL || m->name.data == NULL
        || m->host.data == NULL)
    {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(m->host.data, u.host.data, u.host.len + 1);

    if (u.naddrs) {
        m->socklen = u.addrs[0].socklen;
        ngx_memcpy(&m->sockaddr, u.addrs[0].sockaddr, m->socklen);
    }

#if (NGX_HTTP_SSL)

    m->conf = mirror->conf;

    if (m->conf && m->conf->ssl == NULL) {
        return NGX_ERROR;
    }

#else

    if (mirror->url.ssl) {
        ngx_http_k8s_mirror_lost(r, ctx, "nginx has no TLS");
        return NGX_ERROR;
    }

#endif

    return NGX_OK;
}


/* as the proxy module writes it: headers as they came, but for those of the
   connection */

static ngx_int_t
ngx_http_k8s_mirror_head(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_mirrored_t *m)
{
    off_t                         length;
    size_t                        len;
    u_char                       *p;
    ngx_str_t                     uri, host;
    ngx_uint_t                    i;
    ngx_chain_t                  *cl;
    ngx_list_part_t              *part;
    ngx_table_elt_t              *h;
    ngx_http_k8s_mirror_t        *mirror;
    ngx_http_k8s_captures_t       captures;
    ngx_http_k8s_mirror_piece_t  *piece;

    mirror = ctx->profile->mirror;
    host = m->host;

    ngx_memzero(&captures, sizeof(ngx_http_k8s_captures_t));

    if (ngx_http_k8s_url_uri(r, &mirror->url, &uri) != NGX_OK
        || (mirror->host.text.len
            && ngx_http_k8s_template_run_header(r, &mirror->host, &captures,
                                                &host)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    length = -1;

    if (mirror->body
        && (r->headers_in.content_length_n >= 0 || r->headers_in.chunked))
    {
        length = 0;

        for (cl = r->request_body ? r->request_body->bufs : NULL; cl;
             cl = cl->next)
        {
            length += ngx_buf_size(cl->buf);
        }
    }

    len = r->method_name.len + 1 + uri.len + sizeof(" HTTP/1.1" CRLF) - 1
          + sizeof("Host: " CRLF) - 1 + host.len
          + sizeof("Connection: close" CRLF) - 1
          + sizeof("Content-Length: " CRLF) - 1 + NGX_OFF_T_LEN
          + ngx_http_k8s_mirror_mark.len + sizeof(": nginx-ingress" CRLF) - 1
          + sizeof(CRLF) - 1;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            len += h[i].key.len + sizeof(": " CRLF) - 1 + h[i].value.len;
        }
    }

    piece = ngx_array_push(&m->pieces);
    p = ngx_pnalloc(m->pool, len);

    if (piece == NULL || p == NULL) {
        return NGX_ERROR;
    }

    piece->text.data = p;

    p = ngx_sprintf(p, "%V %V HTTP/1.1" CRLF "Host: %V" CRLF
                    "Connection: close" CRLF "%V: nginx-ingress" CRLF,
                    &r->method_name, &uri, &host, &ngx_http_k8s_mirror_mark);

    if (length >= 0) {
        p = ngx_sprintf(p, "Content-Length: %O" CRLF, length);
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_k8s_mirror_passed(&h[i])) {
                p = ngx_sprintf(p, "%V: %V" CRLF, &h[i].key, &h[i].value);
            }
        }
    }

    p = ngx_cpymem(p, CRLF, sizeof(CRLF) - 1);

    piece->text.len = p - piece->text.data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_mirror_passed(ngx_table_elt_t *h)
{
    ngx_str_t  *name;

    static ngx_str_t  client = ngx_string("ssl-client-");

    if (h->hash == 0
        || (h->key.len >= client.len
            && ngx_strncasecmp(h->key.data, client.data, client.len) == 0))
    {
        return 0;
    }

    for (name = ngx_http_k8s_mirror_left; name->len; name++) {
        if (h->key.len == name->len
            && ngx_strncasecmp(h->key.data, name->data, name->len) == 0)
        {
            return 0;
        }
    }

    return 1;
}


/* NGX_DECLINED: there is no room for it */

static ngx_int_t
ngx_http_k8s_mirror_body(ngx_http_request_t *r, ngx_http_k8s_mirrored_t *m)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {

        b = cl->buf;

        if (ngx_buf_size(b) == 0) {
            continue;
        }

        rc = ngx_buf_in_memory(b) ? ngx_http_k8s_mirror_memory(m, b)
                                  : ngx_http_k8s_mirror_file(m, b);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_mirror_memory(ngx_http_k8s_mirrored_t *m, ngx_buf_t *b)
{
    ngx_str_t                     text;
    ngx_http_k8s_mirror_piece_t  *piece;

    text.len = b->last - b->pos;
    text.data = b->pos;

    m->memory += text.len;

    if (m->kmcf->mirrors_memory + m->memory > NGX_HTTP_K8S_MIRRORS_MEMORY) {
        return NGX_DECLINED;
    }

    piece = ngx_array_push(&m->pieces);
    if (piece == NULL) {
        return NGX_ERROR;
    }

    piece->text.len = text.len;
    piece->text.data = ngx_pstrdup(m->pool, &text);

    return piece->text.data ? NGX_OK : NGX_ERROR;
}


/* the file is deleted already: what is written to it stays while it is open */

static ngx_int_t
ngx_http_k8s_mirror_file(ngx_http_k8s_mirrored_t *m, ngx_buf_t *b)
{
    ngx_http_k8s_mirror_piece_t  *piece;

    m->size += b->file_last - b->file_pos;

    if (m->kmcf->mirrors_files + m->size > NGX_HTTP_K8S_MIRRORS_FILES) {
        return NGX_DECLINED;
    }

    if (m->file.fd == NGX_INVALID_FILE) {
        m->file.fd = fcntl(b->file->fd, F_DUPFD_CLOEXEC, 0);

        if (m->file.fd == NGX_INVALID_FILE) {
            return NGX_ERROR;
        }

        ngx_str_set(&m->file.name, "body of a mirrored request");
        m->file.log = &m->log;
    }

    piece = ngx_array_push(&m->pieces);
    if (piece == NULL) {
        return NGX_ERROR;
    }

    ngx_str_null(&piece->text);
    piece->offset = b->file_pos;
    piece->last = b->file_last;

    return NGX_OK;
}


static void
ngx_http_k8s_mirror_lost(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    char *why)
{
    ngx_str_t                  namespace, name;
    ngx_http_k8s_main_conf_t  *kmcf;

    ngx_str_null(&namespace);
    ngx_str_null(&name);

    if (ctx->names) {
        ngx_k8s_record_str(ctx->names, &ctx->names->namespace, &namespace);
        ngx_k8s_record_str(ctx->names, &ctx->names->name, &name);
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_module);

    ngx_http_k8s_mirror_failed(kmcf, r->connection->log, 0, &namespace, &name,
                               why);
}


static u_char *
ngx_http_k8s_mirror_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                   *p;
    ngx_http_k8s_mirrored_t  *m;

    m = log->data;
    p = buf;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    return ngx_snprintf(buf, len, " of Ingress \"%V/%V\", mirror: \"%V\"",
                        &m->namespace, &m->name, &m->host);
}
