
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What an object says of rows: values, sorted by row. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>
#include <openssl/evp.h>


static ngx_uint_t ngx_k8s_value_everybody(ngx_str_t *list,
    ngx_str_t *value);


ngx_str_t *
ngx_k8s_values_get(ngx_k8s_values_t *values, ngx_str_t *name)
{
    ngx_k8s_value_t  *value;

    value = ngx_k8s_values_find(values, name);

    return value && !(value->row->flags & NGX_K8S_ROW_LATER) ? &value->value
                                                             : NULL;
}


ngx_uint_t
ngx_k8s_values_on(ngx_k8s_values_t *values, ngx_str_t *name)
{
    ngx_k8s_value_t  *value;

    value = ngx_k8s_values_find(values, name);

    return value && !ngx_k8s_value_default(value->row, &value->value);
}


ngx_k8s_value_t *
ngx_k8s_values_find(ngx_k8s_values_t *values, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_k8s_value_t  *value;

    value = values->values.elts;

    for (i = 0; i < values->values.nelts; i++) {

        if (value[i].row->name.len == name->len
            && ngx_strncmp(value[i].row->name.data, name->data, name->len)
               == 0)
        {
            return &value[i];
        }
    }

    return NULL;
}


int ngx_libc_cdecl
ngx_k8s_value_cmp(const void *one, const void *two)
{
    const ngx_k8s_value_t  *a, *b;

    a = one;
    b = two;

    if (a->row != b->row) {
        return (a->row > b->row) ? 1 : -1;
    }

    /* names come before their aliases in the alphabet */

    return ngx_memn2cmp(a->key.data, b->key.data, a->key.len, b->key.len);
}


ngx_uint_t
ngx_k8s_value_default(ngx_k8s_row_t *row, ngx_str_t *value)
{
    ngx_uint_t  one[2], two[2];

    if (value->len == row->value.len
        && ngx_strncmp(value->data, row->value.data, value->len) == 0)
    {
        return 1;
    }

    if (row->grammar == &ngx_k8s_grammar_cidrs) {
        return ngx_k8s_value_everybody(&row->value, value);
    }

    return row->grammar->words
           && row->grammar->decode(row->grammar, &row->value, one) == NGX_OK
           && row->grammar->decode(row->grammar, value, two) == NGX_OK
           && one[0] == two[0];
}


/* all ranges of a default, which are all addresses, in any order */

static ngx_uint_t
ngx_k8s_value_everybody(ngx_str_t *list, ngx_str_t *value)
{
    ngx_str_t  left, range, rest, item;

    if (list->len == 0) {
        return 0;
    }

    left = *list;

    while (ngx_k8s_item(&left, &range) == NGX_OK) {

        rest = *value;

        do {
            if (ngx_k8s_item(&rest, &item) != NGX_OK) {
                return 0;
            }

        } while (item.len != range.len
                 || ngx_strncmp(item.data, range.data, item.len) != 0);
    }

    return 1;
}


ngx_int_t
ngx_k8s_values_digest(ngx_k8s_values_t *values, ngx_str_t *namespace,
    ngx_log_t *log)
{
    size_t            len;
    u_char           *data, *p;
    ngx_uint_t        i, refs;
    ngx_k8s_value_t  *value;

    value = values->values.elts;
    len = namespace->len + 1;
    refs = 0;

    values->nserved = 0;
    values->size = 0;

    for (i = 0; i < values->values.nelts; i++) {

        if (ngx_k8s_value_recorded(values, &value[i])) {
            values->nserved++;
            values->size += value[i].value.len;
            refs |= value[i].row->flags & NGX_K8S_ROW_REF;
            len += value[i].row->name.len + value[i].value.len
                   + 2 * NGX_INT_T_LEN + 2;
        }
    }

    if (values->nserved == 0) {
        return NGX_OK;
    }

    data = ngx_alloc(len, log);
    if (data == NULL) {
        return NGX_ERROR;
    }

    p = data;

    for (i = 0; i < values->values.nelts; i++) {

        if (ngx_k8s_value_recorded(values, &value[i])) {
            p = ngx_sprintf(p, "%V:%uz:%V", &value[i].row->name,
                            value[i].value.len, &value[i].value);
        }
    }

    /* what is said of a host alone is no policy of routes */

    if (values->handshake) {
        *p++ = 'h';
    }

    if (refs) {
        p = ngx_cpymem(p, namespace->data, namespace->len);
    }

    i = EVP_Digest(data, p - data, values->digest, NULL, EVP_sha256(), NULL);

    ngx_free(data);

    return i ? NGX_OK : NGX_ERROR;
}
