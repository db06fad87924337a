
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


#define NGX_K8S_CUTTER_START     0
#define NGX_K8S_CUTTER_BODY      1       /* outside of items */
#define NGX_K8S_CUTTER_ITEMS     2       /* between elements */
#define NGX_K8S_CUTTER_ELEMENT   3
#define NGX_K8S_CUTTER_DONE      4

#define NGX_K8S_CUTTER_SIZE      1024
#define NGX_K8S_CUTTER_REST_MAX  (256 * 1024)


static ngx_int_t ngx_k8s_cutter_body(ngx_k8s_list_cutter_t *c, u_char **pos,
    u_char *last);
static void ngx_k8s_cutter_name(ngx_k8s_list_cutter_t *c, u_char ch);
static ngx_int_t ngx_k8s_cutter_items(ngx_k8s_list_cutter_t *c, u_char **pos,
    u_char *last);
static ngx_int_t ngx_k8s_cutter_element(ngx_k8s_list_cutter_t *c,
    u_char **pos, u_char *last);
static ngx_int_t ngx_k8s_cutter_add(u_char **buf, size_t *len, size_t *size,
    size_t max, u_char *p, size_t n);


void
ngx_k8s_list_cutter_init(ngx_k8s_list_cutter_t *c, size_t max)
{
    ngx_memzero(c, sizeof(ngx_k8s_list_cutter_t));

    c->max = max;
}


void
ngx_k8s_list_cutter_done(ngx_k8s_list_cutter_t *c)
{
    if (c->buf) {
        ngx_free(c->buf);
    }

    if (c->rest) {
        ngx_free(c->rest);
    }

    ngx_memzero(c, sizeof(ngx_k8s_list_cutter_t));
}


ngx_int_t
ngx_k8s_list_cutter_feed(ngx_k8s_list_cutter_t *c, u_char **p, u_char *last)
{
    ngx_int_t  rc;

    if (c->ready) {
        c->ready = 0;
        c->over = 0;
        c->len = 0;
    }

    if (c->buf == NULL) {
        c->size = 0;
    }

    for ( ;; ) {

        if (c->state == NGX_K8S_CUTTER_DONE) {
            return NGX_DONE;
        }

        if (*p == last) {
            return NGX_AGAIN;
        }

        switch (c->state) {

        case NGX_K8S_CUTTER_START:
        case NGX_K8S_CUTTER_BODY:
            rc = ngx_k8s_cutter_body(c, p, last);
            break;

        case NGX_K8S_CUTTER_ITEMS:
            rc = ngx_k8s_cutter_items(c, p, last);
            break;

        default: /* NGX_K8S_CUTTER_ELEMENT */
            rc = ngx_k8s_cutter_element(c, p, last);
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            c->ready = 1;
            c->state = NGX_K8S_CUTTER_ITEMS;

            return c->over ? NGX_DECLINED : NGX_OK;
        }

        /* rc == NGX_AGAIN: another state, or no more bytes */
    }
}


static ngx_int_t
ngx_k8s_cutter_body(ngx_k8s_list_cutter_t *c, u_char **pos, u_char *last)
{
    u_char  *p, *start, ch;

    start = *pos;

    for (p = start; p < last; p++) {
        ch = *p;

        if (c->state == NGX_K8S_CUTTER_START) {

            if (ch == ' ' || ch == CR || ch == LF || ch == '\t') {
                continue;
            }

            if (ch != '{') {
                return NGX_ERROR;
            }

            c->state = NGX_K8S_CUTTER_BODY;
            c->depth = 1;
            continue;
        }

        if (c->string) {
            if (c->name) {
                ngx_k8s_cutter_name(c, ch);
            }

            if (c->escape) {
                c->escape = 0;

            } else if (ch == '\\') {
                c->escape = 1;

            } else if (ch == '"') {
                c->string = 0;
            }

            continue;
        }

        switch (ch) {

        case '"':
            c->string = 1;
            c->name = (c->depth == 1 && !c->value);

            if (c->name) {
                c->key_len = 0;
            }

            break;

        case ':':
            if (c->depth == 1) {
                c->value = 1;
            }
            break;

        case ',':
            if (c->depth == 1) {
                c->value = 0;
            }
            break;

        case '[':
            if (c->depth == 1 && c->value && c->key_len == 6
                && ngx_memcmp(c->key, "items\"", 6) == 0)
            {
                c->state = NGX_K8S_CUTTER_ITEMS;
                p++;
                goto done;
            }

            /* fall through */

        case '{':
            c->depth++;
            break;

        case '}':
        case ']':
            if (--c->depth == 0) {
                c->state = NGX_K8S_CUTTER_DONE;
                p++;
                goto done;
            }

            break;
        }
    }

done:

    *pos = p;

    if (ngx_k8s_cutter_add(&c->rest, &c->rest_len, &c->rest_size,
                           NGX_K8S_CUTTER_REST_MAX, start, p - start)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* keeps a name with its closing quote; one that is too long is none */

static void
ngx_k8s_cutter_name(ngx_k8s_list_cutter_t *c, u_char ch)
{
    if (c->key_len < sizeof(c->key)) {
        c->key[c->key_len++] = ch;
    }
}


static ngx_int_t
ngx_k8s_cutter_items(ngx_k8s_list_cutter_t *c, u_char **pos, u_char *last)
{
    u_char  *p, ch;

    for (p = *pos; p < last; p++) {
        ch = *p;

        switch (ch) {

        case ' ':
        case ',':
        case '\t':
        case CR:
        case LF:
            break;

        case ']':
            c->state = NGX_K8S_CUTTER_BODY;
            c->key_len = 0;
            *pos = p + 1;

            return (ngx_k8s_cutter_add(&c->rest, &c->rest_len, &c->rest_size,
                                       NGX_K8S_CUTTER_REST_MAX, p, 1)
                    == NGX_OK) ? NGX_AGAIN : NGX_ERROR;

        case '}':
        case ':':
            return NGX_ERROR;

        default:
            ngx_memzero(&c->scan, sizeof(ngx_k8s_json_scan_t));
            ngx_k8s_json_names_init(&c->names, 0);
            c->state = NGX_K8S_CUTTER_ELEMENT;
            *pos = p;
            return NGX_AGAIN;
        }
    }

    *pos = p;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_k8s_cutter_element(ngx_k8s_list_cutter_t *c, u_char **pos, u_char *last)
{
    u_char     *p, *start;
    ngx_int_t   rc;

    start = *pos;
    rc = NGX_OK;

    p = ngx_k8s_json_scan(&c->scan, start, last);

    if (p == NULL) {

        if (c->scan.broken) {
            return NGX_ERROR;
        }

        p = last;
        rc = NGX_AGAIN;
    }

    *pos = p;

    ngx_k8s_json_names_feed(&c->names, start, p);

    if (c->len + (p - start) > c->max) {
        c->over = 1;
        p = start + (c->max - c->len);
    }

    if (ngx_k8s_cutter_add(&c->buf, &c->len, &c->size, c->max, start,
                           p - start)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return rc;
}


static ngx_int_t
ngx_k8s_cutter_add(u_char **buf, size_t *len, size_t *size, size_t max,
    u_char *p, size_t n)
{
    u_char  *data;
    size_t   need;

    if (n == 0) {
        return NGX_OK;
    }

    if (n > max || *len > max - n) {
        return NGX_ERROR;
    }

    need = *len + n;

    if (need > *size) {
        need = ngx_max(need, ngx_max(*size * 2, NGX_K8S_CUTTER_SIZE));

        data = realloc(*buf, need);
        if (data == NULL) {
            return NGX_ERROR;
        }

        *buf = data;
        *size = need;
    }

    ngx_memcpy(*buf + *len, p, n);
    *len += n;

    return NGX_OK;
}
