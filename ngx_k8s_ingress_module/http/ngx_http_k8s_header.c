
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


static ngx_int_t ngx_http_k8s_header_drop(ngx_http_request_t *r,
    ngx_table_elt_t *name, ngx_uint_t keep, ngx_uint_t begins);
static void ngx_http_k8s_header_known(ngx_http_request_t *r, ngx_str_t *name,
    ngx_uint_t begins);
static void ngx_http_k8s_header_moved(ngx_http_request_t *r,
    ngx_table_elt_t *from, ngx_table_elt_t *to);


ngx_table_elt_t *
ngx_http_k8s_header_next(ngx_list_part_t **part, ngx_uint_t *i, ngx_str_t *name)
{
    ngx_table_elt_t  *h;

    for ( /* void */ ; *part; *part = (*part)->next, *i = 0) {

        h = (*part)->elts;

        while (*i < (*part)->nelts) {

            if (h[*i].hash
                && h[*i].key.len == name->len
                && ngx_strncasecmp(h[*i].key.data, name->data, name->len) == 0)
            {
                return &h[(*i)++];
            }

            (*i)++;
        }
    }

    return NULL;
}


ngx_table_elt_t *
ngx_http_k8s_header_set(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_out.headers.part;
    i = 0;

    while ((h = ngx_http_k8s_header_next(&part, &i, name)) != NULL) {
        h->hash = 0;
    }

    return ngx_http_k8s_header_add(r, name, value);
}


ngx_table_elt_t *
ngx_http_k8s_header_add(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->next = NULL;
    h->key = *name;
    h->value = *value;

    return h;
}


ngx_int_t
ngx_http_k8s_header_sent(ngx_http_request_t *r, ngx_table_elt_t *name,
    ngx_str_t *value)
{
    ngx_uint_t        i, found;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    i = 0;
    found = 0;

    while ((h = ngx_http_k8s_header_next(&part, &i, &name->key)) != NULL) {

        if (ngx_memcmp(h->lowcase_key, name->lowcase_key, name->key.len) != 0) {

            /* one of ours, see ngx_http_k8s_ssl_client_tell() */

            continue;
        }

        if (found++ == 0) {
            h->value = *value;
        }
    }

    if (found == 1 && value->len) {
        return NGX_OK;
    }

    if (found) {
        return ngx_http_k8s_header_drop(r, name, value->len ? 1 : 0, 0);
    }

    if (value->len == 0) {
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = *name;
    h->value = *value;
    h->next = NULL;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_header_input(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value, ngx_uint_t replace)
{
    u_char           *p;
    ngx_str_t         copy;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t   elt;

    part = &r->headers_in.headers.part;
    i = 0;

    if (replace && ngx_http_k8s_header_next(&part, &i, name) == NULL) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, 2 * name->len + value->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&elt, sizeof(ngx_table_elt_t));

    elt.key.len = name->len;
    elt.key.data = p;
    elt.lowcase_key = p + name->len;

    ngx_memcpy(elt.key.data, name->data, name->len);
    elt.hash = ngx_hash_strlow(elt.lowcase_key, name->data, name->len);

    if (value->len) {
        copy.len = value->len;
        copy.data = elt.lowcase_key + name->len;
        *ngx_cpymem(copy.data, value->data, value->len) = '\0';

        i = 0;

        if (ngx_http_k8s_header_sent(r, &elt, &copy) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        i = (name->data[name->len - 1] == '*');
        elt.key.len -= i;

        if (ngx_http_k8s_header_drop(r, &elt, 0, i) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_k8s_header_known(r, &elt.key, i);

    return NGX_OK;
}


/* variables of nginx read what the list has of the name, or of all that begin
   with it */

static void
ngx_http_k8s_header_known(ngx_http_request_t *r, ngx_str_t *name,
    ngx_uint_t begins)
{
    ngx_uint_t           i;
    ngx_list_part_t     *part;
    ngx_table_elt_t     *h, **known;
    ngx_http_header_t   *header;

    for (header = ngx_http_headers_in; header->name.len; header++) {

        if (header->offset == 0
            || (begins ? header->name.len < name->len
                       : header->name.len != name->len)
            || ngx_strncasecmp(header->name.data, name->data, name->len) != 0)
        {
            continue;
        }

        part = &r->headers_in.headers.part;
        i = 0;

        h = ngx_http_k8s_header_next(&part, &i, &header->name);

        if (h) {
            h->next = NULL;
        }

        known = (ngx_table_elt_t **) ((u_char *) &r->headers_in
                                      + header->offset);
        *known = h;
    }
}


/*
 * Makes the list anew without those of the name, or that begin with it, but for
 * the first so many.
 */

static ngx_int_t
ngx_http_k8s_header_drop(ngx_http_request_t *r, ngx_table_elt_t *name,
    ngx_uint_t keep, ngx_uint_t begins)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part, first;
    ngx_table_elt_t  *h, *copy;

    first = r->headers_in.headers.part;

    if (ngx_list_init(&r->headers_in.headers, r->pool, 20,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (part = &first; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if ((begins ? h[i].key.len >= name->key.len
                        : h[i].key.len == name->key.len)
                && ngx_memcmp(h[i].lowcase_key, name->lowcase_key,
                              name->key.len)
                   == 0)
            {
                if (keep == 0) {
                    continue;
                }

                keep--;
            }

            copy = ngx_list_push(&r->headers_in.headers);
            if (copy == NULL) {
                return NGX_ERROR;
            }

            *copy = h[i];

            ngx_http_k8s_header_moved(r, &h[i], copy);
        }
    }

    return NGX_OK;
}


/* what nginx knows it by */

static void
ngx_http_k8s_header_moved(ngx_http_request_t *r, ngx_table_elt_t *from,
    ngx_table_elt_t *to)
{
    ngx_table_elt_t    **known;
    ngx_http_header_t   *header;

    for (header = ngx_http_headers_in; header->name.len; header++) {

        known = (ngx_table_elt_t **) ((u_char *) &r->headers_in
                                      + header->offset);

        if (header->offset && *known == from) {
            *known = to;
        }
    }
}
