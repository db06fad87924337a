
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


#define NGX_K8S_MODEL_TEXT  1024


ngx_int_t
ngx_k8s_str_cmp(ngx_str_t *one, ngx_str_t *two)
{
    size_t     len;
    ngx_int_t  rc;

    len = ngx_min(one->len, two->len);

    rc = len ? ngx_memcmp(one->data, two->data, len) : 0;

    if (rc != 0) {
        return rc;
    }

    return (one->len > two->len) - (one->len < two->len);
}


void
ngx_k8s_model_release(ngx_k8s_model_t *model)
{
    ngx_k8s_object_t  *object;

    if (--model->refs) {
        return;
    }

    object = model->object;

    if (model->pool != object->pool) {
        ngx_k8s_pool_release(model->pool, object->freed);
    }

    ngx_k8s_object_free(object);
}


ngx_str_t
ngx_k8s_field_text(ngx_k8s_field_t *field, ngx_pool_t *pool)
{
    u_char     buf[NGX_K8S_MODEL_TEXT], *p;
    ngx_str_t  text;

    p = ngx_snprintf(buf, NGX_K8S_MODEL_TEXT, field->format, field->index[0],
                     field->index[1], field->index[2]);

    text.len = p - buf;
    text.data = ngx_pnalloc(pool, text.len + 1);

    if (text.data == NULL) {
        text.len = 0;
        return text;
    }

    ngx_memcpy(text.data, buf, text.len);

    return text;
}


ngx_int_t ngx_cdecl
ngx_k8s_model_problem(ngx_k8s_model_t *model, ngx_uint_t code, ngx_str_t *host,
    ngx_k8s_field_t *field, const char *fmt, ...)
{
    u_char              buf[NGX_K8S_MODEL_TEXT], *p;
    va_list             args;
    ngx_pool_t         *pool;
    ngx_k8s_problem_t  *pr;

    if (model->nproblems == NGX_K8S_MODEL_PROBLEMS) {
        return NGX_OK;
    }

    pool = model->pool;

    if (model->problems == NULL) {
        model->problems = ngx_palloc(pool, NGX_K8S_MODEL_PROBLEMS
                                           * sizeof(ngx_k8s_problem_t));
        if (model->problems == NULL) {
            return NGX_ERROR;
        }
    }

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + NGX_K8S_MODEL_TEXT, fmt, args);
    va_end(args);

    pr = &model->problems[model->nproblems];
    ngx_memzero(pr, sizeof(ngx_k8s_problem_t));

    pr->code = code;
    pr->message.len = p - buf;
    pr->message.data = ngx_pnalloc(pool, pr->message.len + 1);
    pr->field = ngx_k8s_field_text(field, pool);

    if (pr->message.data == NULL || pr->field.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(pr->message.data, buf, pr->message.len);

    if (host) {
        pr->host = *host;
    }

    model->nproblems++;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_host_name(u_char *buf, ngx_str_t *host, ngx_str_t *name)
{
    u_char      *p, *last, *dst, c;
    ngx_uint_t   label;

    p = host->data;
    last = p + host->len;
    dst = buf;

    name->data = buf;
    name->len = 0;

    if (host->len == 0) {
        return NGX_OK;
    }

    if (host->len > 2 && p[0] == '*' && p[1] == '.') {
        *dst++ = '.';
        p += 2;
    }

    if (last - p > 1 && last[-1] == '.') {
        last--;
    }

    if (last - p > NGX_K8S_HOST_NAME_MAX - 1) {
        return NGX_DECLINED;
    }

    label = 0;

    while (p < last) {
        c = ngx_tolower(*p);
        p++;

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'
            || c == '_')
        {
            if (++label > 63) {
                return NGX_DECLINED;
            }

        } else if (c == '.' && label) {
            label = 0;

        } else {
            return NGX_DECLINED;
        }

        *dst++ = c;
    }

    if (label == 0) {
        return NGX_DECLINED;
    }

    name->len = dst - buf;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_host_name_pool(ngx_pool_t *pool, ngx_str_t *host, ngx_str_t *name)
{
    u_char     *p, buf[NGX_K8S_HOST_NAME_MAX + 1];
    ngx_uint_t  wildcard;

    if (host->len == 0) {
        ngx_str_set(name, "");
        return NGX_OK;
    }

    if (ngx_k8s_host_name(buf, host, name) != NGX_OK) {
        return NGX_DECLINED;
    }

    wildcard = (buf[0] == '.');

    if (ngx_memcmp(buf, host->data + wildcard, name->len) == 0) {
        name->data = host->data + wildcard;
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, name->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p++ = '*';
    ngx_memcpy(p, buf, name->len);
    name->data = p;

    return NGX_OK;
}


ngx_str_t
ngx_k8s_host_shown(ngx_str_t *name)
{
    ngx_str_t  shown;

    shown = *name;

    if (shown.len && shown.data[0] == '.') {
        shown.data--;
        shown.len++;
    }

    return shown;
}
