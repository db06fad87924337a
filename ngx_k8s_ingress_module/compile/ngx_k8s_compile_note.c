
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_TEXT_MAX  1024


ngx_str_t ngx_cdecl
ngx_k8s_compile_text(ngx_k8s_compile_t *c, const char *fmt, ...)
{
    u_char     buf[NGX_K8S_TEXT_MAX], *p;
    va_list    args;
    ngx_str_t  s;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + NGX_K8S_TEXT_MAX, fmt, args);
    va_end(args);

    s.len = p - buf;
    s.data = ngx_pnalloc(c->pool, s.len + 1);

    if (s.data == NULL) {
        s.len = 0;
        return s;
    }

    ngx_memcpy(s.data, buf, s.len);

    return s;
}


ngx_int_t ngx_cdecl
ngx_k8s_compile_note(ngx_k8s_compile_t *c, ngx_array_t *a, ngx_uint_t code,
    ngx_str_t *host, ngx_str_t *field, const char *fmt, ...)
{
    u_char     buf[NGX_K8S_TEXT_MAX];
    va_list    args;
    ngx_str_t  text;

    va_start(args, fmt);
    text.len = ngx_vslprintf(buf, buf + NGX_K8S_TEXT_MAX, fmt, args) - buf;
    va_end(args);

    text.data = buf;

    return ngx_k8s_compile_advise(a, code, host, field, &text, NULL);
}


ngx_int_t
ngx_k8s_compile_advise(ngx_array_t *a, ngx_uint_t code, ngx_str_t *host,
    ngx_str_t *field, ngx_str_t *text, ngx_str_t *remedy)
{
    ngx_k8s_problem_t  *pr;

    if (a->nelts >= NGX_K8S_PROBLEM_ITEMS) {
        return NGX_OK;
    }

    pr = ngx_array_push(a);
    if (pr == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(pr, sizeof(ngx_k8s_problem_t));

    pr->code = code;
    pr->field = *field;
    pr->message.len = text->len;
    pr->message.data = ngx_pnalloc(a->pool, text->len + 1);

    if (pr->message.data == NULL) {
        a->nelts--;
        return NGX_ERROR;
    }

    ngx_memcpy(pr->message.data, text->data, text->len);

    if (host) {
        pr->host = *host;
    }

    if (remedy) {
        pr->remedy = *remedy;
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_compile_advise_all(ngx_array_t *a, ngx_k8s_problem_t *own,
    ngx_uint_t n)
{
    ngx_k8s_problem_t  *pr;

    n = ngx_min(n, NGX_K8S_PROBLEM_ITEMS - a->nelts);

    if (n == 0) {
        return NGX_OK;
    }

    pr = ngx_array_push_n(a, n);
    if (pr == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(pr, own, n * sizeof(ngx_k8s_problem_t));

    return NGX_OK;
}


ngx_int_t
ngx_k8s_compile_value_field(ngx_array_t *a, ngx_k8s_value_t *value,
    ngx_str_t *field)
{
    field->data = ngx_pnalloc(a->pool, sizeof("metadata.annotations[]")
                                       + value->key.len);
    if (field->data == NULL) {
        return NGX_ERROR;
    }

    field->len = ngx_sprintf(field->data, "metadata.annotations[%V]",
                             &value->key)
                 - field->data;

    return NGX_OK;
}
