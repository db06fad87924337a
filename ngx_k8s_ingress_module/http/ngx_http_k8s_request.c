
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The request to a backend, made in one pass and without the script engine, by
 * a plan of its profile.  It is byte for byte that of nginx's proxy module,
 * ngx_http_proxy_create_request(), to which all is left that a plan does not
 * know.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_request.h>


static void ngx_http_k8s_request_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_request_start(ngx_http_request_t *r,
    ngx_http_k8s_plan_t *plan, ngx_uint_t counted);
static ngx_int_t ngx_http_k8s_request_create(ngx_http_request_t *r);
static size_t ngx_http_k8s_request_headers(ngx_http_request_t *r,
    ngx_http_k8s_plan_t *plan, uint64_t *hidden);
static ngx_int_t ngx_http_k8s_request_values(ngx_http_request_t *r,
    ngx_http_k8s_plan_t *plan, ngx_str_t *value, size_t *len);
static size_t ngx_http_k8s_request_uri_len(ngx_http_request_t *r,
    uintptr_t *escape);
static u_char *ngx_http_k8s_request_uri(ngx_http_request_t *r, u_char *p,
    uintptr_t escape);
static u_char *ngx_http_k8s_request_copy(ngx_http_request_t *r,
    ngx_http_k8s_plan_t *plan, u_char *p, uint64_t hidden);
static ngx_int_t ngx_http_k8s_request_send(ngx_http_request_t *r,
    ngx_chain_t *cl);


/* whether a header of the client is not passed on */

static ngx_inline ngx_uint_t
ngx_http_k8s_plan_hides(ngx_http_k8s_plan_t *plan, ngx_table_elt_t *header)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    for (i = header->hash & plan->mask;
         plan->slots[i];
         i = (i + 1) & plan->mask)
    {
        name = plan->names.elts;
        name += plan->slots[i] - 1;

        if (name->len == header->key.len
            && ngx_memcmp(name->data, header->lowcase_key, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_request_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_k8s_ctx_t       *ctx;
    ngx_http_k8s_plan_t      *plan;
    ngx_http_k8s_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);
    plan = klcf->plan;

    ctx = ngx_http_get_module_ctx(r, ngx_http_k8s_module);

    if (ctx == NULL || r != r->main) {
        return plan->handler(r);
    }

    /* the proxy module remembers that there is no body */

    if (r->method == NGX_HTTP_HEAD) {
        ctx->built = NGX_HTTP_K8S_BUILT_HEAD;
        return plan->handler(r);
    }

    if (r->request_body
        || (r->headers_in.content_length_n < 0 && !r->headers_in.chunked))
    {
        return ngx_http_k8s_request_start(r, plan, 0);
    }

    /* one that is passed on while it is read has chunks made anew */

    if (klcf->unbuffered) {
        ctx->built = NGX_HTTP_K8S_BUILT_BODY;
        return plan->handler(r);
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_k8s_request_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
ngx_http_k8s_request_body(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_k8s_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);

    rc = ngx_http_k8s_request_start(r, klcf->plan, 1);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/*
 * There is no body to wait for: the proxy module starts its upstream at once,
 * which does nothing as long as aio is set, and so it is started here.  With
 * "counted" the body was read here, and reading it once more counts again.
 */

static ngx_int_t
ngx_http_k8s_request_start(ngx_http_request_t *r, ngx_http_k8s_plan_t *plan,
    ngx_uint_t counted)
{
    ngx_int_t             rc;
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    c = r->connection;

    /* else it is added meanwhile, and a failure would end the request */

    if ((ngx_event_flags & NGX_USE_CLEAR_EVENT) && !c->write->active
#if (NGX_HTTP_V2)
        && r->stream == NULL
#endif
#if (NGX_HTTP_V3)
        && c->quic == NULL
#endif
       )
    {
        if (ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_CLEAR_EVENT)
            == NGX_ERROR)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    r->aio = 1;
    rc = plan->handler(r);
    r->aio = 0;

    if (rc != NGX_DONE) {
        return rc;
    }

    if (counted) {
        r->main->count--;
    }

    u = r->upstream;

    if (u->writer.pool) {

        /* it was started, by an nginx that does not heed aio there */

        return NGX_DONE;
    }

#if (NGX_HTTP_CACHE)
    if (u->conf->cache == 0)
#endif
    {
        u->create_request = ngx_http_k8s_request_create;
    }

    ngx_http_upstream_init(r);

    return NGX_DONE;
}


/* upstream's create_request */

static ngx_int_t
ngx_http_k8s_request_create(ngx_http_request_t *r)
{
    u_char                   *p;
    size_t                    len, uri_len;
    uint64_t                  hidden;
    uintptr_t                 escape;
    ngx_buf_t                *b;
    ngx_str_t                 values[NGX_HTTP_K8S_PLAN_VALUES], *value;
    ngx_uint_t                i;
    ngx_chain_t              *cl;
    ngx_http_k8s_ctx_t       *ctx;
    ngx_http_upstream_t      *u;
    ngx_http_k8s_plan_t      *plan;
    ngx_http_k8s_plan_row_t  *row;
    ngx_http_k8s_loc_conf_t  *klcf;

    u = r->upstream;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_module);
    plan = klcf->plan;

    ctx = ngx_http_get_module_ctx(r, ngx_http_k8s_module);
    ctx->built = NGX_HTTP_K8S_BUILT;

    uri_len = ngx_http_k8s_request_uri_len(r, &escape);

    if (uri_len == 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "zero length URI to proxy");
        return NGX_ERROR;
    }

    len = plan->len + r->method_name.len + uri_len;

    if (ngx_http_k8s_request_values(r, plan, values, &len) != NGX_OK) {
        return NGX_ERROR;
    }

    len += ngx_http_k8s_request_headers(r, plan, &hidden);

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->start = ngx_http_k8s_alloc(r, ctx, len);
    if (b->start == NULL) {
        return NGX_ERROR;
    }

    b->pos = b->start;
    b->last = b->start;
    b->end = b->start + len;
    b->temporary = 1;

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;

    p = ngx_cpymem(b->last, r->method_name.data, r->method_name.len);
    *p++ = ' ';

    u->uri.data = p;
    p = ngx_http_k8s_request_uri(r, p, escape);
    u->uri.len = p - u->uri.data;

    p = ngx_cpymem(p, " HTTP/1.1" CRLF, sizeof(" HTTP/1.1" CRLF) - 1);

    row = plan->rows.elts;
    value = values;

    for (i = 0; i < plan->rows.nelts; i++) {

        if (row[i].index == NGX_ERROR && row[i].value == NULL) {
            p = ngx_cpymem(p, row[i].text.data, row[i].text.len);
            continue;
        }

        if (value->len) {
            p = ngx_cpymem(p, row[i].text.data, row[i].text.len);
            p = ngx_cpymem(p, value->data, value->len);
            *p++ = CR; *p++ = LF;
        }

        value++;
    }

    if (r->headers_in.content_length_n >= 0) {
        p = ngx_sprintf(p, "Content-Length: %O" CRLF,
                        r->headers_in.content_length_n);
    }

    p = ngx_http_k8s_request_copy(r, plan, p, hidden);

    *p++ = CR; *p++ = LF;

    b->last = p;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "k8s ingress request:%N\"%*s\"",
                   (size_t) (b->last - b->pos), b->pos);

    return ngx_http_k8s_request_send(r, cl);
}


static ngx_int_t
ngx_http_k8s_request_values(ngx_http_request_t *r, ngx_http_k8s_plan_t *plan,
    ngx_str_t *value, size_t *len)
{
    ngx_uint_t                  i;
    ngx_http_k8s_plan_row_t    *row;
    ngx_http_variable_value_t  *v;

    row = plan->rows.elts;

    for (i = 0; i < plan->rows.nelts; i++) {

        if (row[i].index != NGX_ERROR) {

            v = ngx_http_get_flushed_variable(r, row[i].index);

            if (v == NULL || v->not_found) {
                value->len = 0;

            } else {
                value->len = v->len;
                value->data = v->data;
            }

        } else if (row[i].value) {

            if (ngx_http_complex_value(r, row[i].value, value) != NGX_OK) {
                return NGX_ERROR;
            }

        } else {
            continue;
        }

        *len += value->len;
        value++;
    }

    return NGX_OK;
}


/* length of what is passed on of the client's headers; the first ones that are
   not have their bits in *hidden */

static size_t
ngx_http_k8s_request_headers(ngx_http_request_t *r, ngx_http_k8s_plan_t *plan,
    uint64_t *hidden)
{
    size_t            len;
    uint64_t          bits, bit;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    len = 0;
    bits = 0;
    bit = 1;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        header = part->elts;

        for (i = 0; i < part->nelts; i++, bit <<= 1) {

            if (ngx_http_k8s_plan_hides(plan, &header[i])) {
                bits |= bit;
                continue;
            }

            len += header[i].key.len + sizeof(": ") - 1
                   + header[i].value.len + sizeof(CRLF) - 1;
        }
    }

    *hidden = bits;

    return len;
}


static u_char *
ngx_http_k8s_request_copy(ngx_http_request_t *r, ngx_http_k8s_plan_t *plan,
    u_char *p, uint64_t hidden)
{
    uint64_t          bit;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    bit = 1;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        header = part->elts;

        for (i = 0; i < part->nelts; i++, bit <<= 1) {

            /* there are more of them than bits */

            if (bit ? (hidden & bit) != 0
                    : ngx_http_k8s_plan_hides(plan, &header[i]))
            {
                continue;
            }

            p = ngx_cpymem(p, header[i].key.data, header[i].key.len);
            *p++ = ':'; *p++ = ' ';

            p = ngx_cpymem(p, header[i].value.data, header[i].value.len);
            *p++ = CR; *p++ = LF;
        }
    }

    return p;
}


static size_t
ngx_http_k8s_request_uri_len(ngx_http_request_t *r, uintptr_t *escape)
{
    *escape = 0;

    if (r->valid_unparsed_uri) {
        return r->unparsed_uri.len;
    }

    if (r->quoted_uri || r->internal) {
        *escape = 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len,
                                     NGX_ESCAPE_URI);
    }

    return r->uri.len + *escape + sizeof("?") - 1 + r->args.len;
}


static u_char *
ngx_http_k8s_request_uri(ngx_http_request_t *r, u_char *p, uintptr_t escape)
{
    if (r->valid_unparsed_uri) {
        return ngx_cpymem(p, r->unparsed_uri.data, r->unparsed_uri.len);
    }

    if (escape) {
        ngx_escape_uri(p, r->uri.data, r->uri.len, NGX_ESCAPE_URI);
        p += r->uri.len + escape;

    } else {
        p = ngx_cpymem(p, r->uri.data, r->uri.len);
    }

    if (r->args.len > 0) {
        *p++ = '?';
        p = ngx_cpymem(p, r->args.data, r->args.len);
    }

    return p;
}


/* before the body, whose buffers are kept for another try */

static ngx_int_t
ngx_http_k8s_request_send(ngx_http_request_t *r, ngx_chain_t *cl)
{
    ngx_buf_t            *b;
    ngx_chain_t          *body;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    body = u->request_bufs;
    u->request_bufs = cl;

    b = cl->buf;

    while (body) {

        b = ngx_alloc_buf(r->pool);
        if (b == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(b, body->buf, sizeof(ngx_buf_t));

        cl->next = ngx_alloc_chain_link(r->pool);
        if (cl->next == NULL) {
            return NGX_ERROR;
        }

        cl = cl->next;
        cl->buf = b;

        body = body->next;
    }

    b->flush = 1;
    cl->next = NULL;

    return NGX_OK;
}
