
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Other names of an object's hosts: server-alias, and from-to-www-redirect.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


static ngx_int_t ngx_k8s_from_alias(ngx_k8s_model_t *model, ngx_array_t *names,
    ngx_str_t *item);
static ngx_int_t ngx_k8s_from_alias_name(ngx_k8s_model_t *model,
    ngx_array_t *names, ngx_str_t *item);
static ngx_int_t ngx_k8s_from_alias_push(ngx_k8s_model_t *model,
    ngx_array_t *names, u_char *name, size_t len);
static ngx_int_t ngx_k8s_from_alias_pattern(ngx_k8s_model_t *model,
    ngx_str_t *item);
static ngx_int_t ngx_k8s_from_alias_tail(ngx_k8s_model_t *model,
    ngx_str_t *item);
static ngx_int_t ngx_k8s_from_alias_bad(ngx_k8s_model_t *model,
    ngx_str_t *item, char *what);
static int ngx_libc_cdecl ngx_k8s_alias_cmp(const void *one, const void *two);


static ngx_str_t  ngx_k8s_server_alias = ngx_string("server-alias");
static ngx_str_t  ngx_k8s_from_to_www = ngx_string("from-to-www-redirect");


ngx_int_t
ngx_k8s_from_aliases(ngx_k8s_model_t *model, ngx_k8s_gate_t *gate)
{
    ngx_str_t    list, item, *value, *name;
    ngx_uint_t   i, n;
    ngx_array_t  names;

    model->twins = ngx_k8s_values_on(&model->values, &ngx_k8s_from_to_www);

    value = ngx_k8s_values_get(&model->values, &ngx_k8s_server_alias);

    if (value == NULL) {
        return NGX_OK;
    }

    model->npatterns = 0;
    model->alias_field = ngx_k8s_from_annotation_field(model, gate,
                                                       &ngx_k8s_server_alias);
    if (model->alias_field == NULL
        || ngx_array_init(&names, model->pool, 4, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    list = *value;

    while (ngx_k8s_item(&list, &item) == NGX_OK) {
        if (item.len && ngx_k8s_from_alias(model, &names, &item) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    name = names.elts;

    ngx_qsort(name, names.nelts, sizeof(ngx_str_t), ngx_k8s_alias_cmp);

    for (i = 0, n = 0; i < names.nelts; i++) {
        if (n == 0 || ngx_k8s_str_cmp(&name[n - 1], &name[i]) != 0) {
            name[n++] = name[i];
        }
    }

    model->aliases = name;
    model->naliases = n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_from_alias(ngx_k8s_model_t *model, ngx_array_t *names,
    ngx_str_t *item)
{
    ngx_str_t  rest;

    if (item->data[0] == '~') {
        return ngx_k8s_from_alias_pattern(model, item);
    }

    if (item->len > 2 && item->data[item->len - 1] == '*'
        && item->data[item->len - 2] == '.')
    {
        return ngx_k8s_from_alias_tail(model, item);
    }

    if (item->data[0] != '.') {
        return ngx_k8s_from_alias_name(model, names, item);
    }

    /* as nginx has it: the name and all below it */

    rest.data = item->data + 1;
    rest.len = item->len - 1;

    if (rest.len && rest.data[0] != '*' && rest.data[0] != '~'
        && ngx_k8s_from_alias_name(model, names, &rest) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_from_alias_name(model, names, item);
}


static ngx_int_t
ngx_k8s_from_alias_name(ngx_k8s_model_t *model, ngx_array_t *names,
    ngx_str_t *item)
{
    u_char     buf[NGX_K8S_HOST_NAME_MAX + 2];
    u_char     text[NGX_K8S_HOST_NAME_MAX + 2];
    ngx_str_t  host, name;

    host = *item;

    if (host.len > NGX_K8S_HOST_NAME_MAX) {
        return ngx_k8s_from_alias_bad(model, item, "is not a host name");
    }

    if (host.data[0] == '.') {
        text[0] = '*';
        ngx_memcpy(text + 1, host.data, host.len);

        host.data = text;
        host.len++;
    }

    if (ngx_k8s_host_name(buf, &host, &name) != NGX_OK) {
        return ngx_k8s_from_alias_bad(model, item, "is not a host name");
    }

    if (names->nelts >= NGX_K8S_ALIASES) {
        return ngx_k8s_from_alias_bad(model, item, "is one too many, an "
                                      "Ingress may have 1024");
    }

    return ngx_k8s_from_alias_push(model, names, name.data, name.len);
}


/* before the name of a wildcard there is its asterisk */

static ngx_int_t
ngx_k8s_from_alias_push(ngx_k8s_model_t *model, ngx_array_t *names,
    u_char *name, size_t len)
{
    u_char     *p;
    ngx_str_t  *alias;

    alias = ngx_array_push(names);
    p = ngx_pnalloc(model->pool, len + 1);

    if (alias == NULL || p == NULL) {
        return NGX_ERROR;
    }

    *p++ = '*';
    ngx_memcpy(p, name, len);

    alias->data = p;
    alias->len = len;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_from_alias_pattern(ngx_k8s_model_t *model, ngx_str_t *item)
{
    ngx_k8s_model_pattern_t  *pattern;

    if (item->len == 1) {
        return ngx_k8s_from_alias_bad(model, item, "is no regular expression");
    }

    if (item->len - 1 > NGX_K8S_ALIAS_PATTERN_MAX) {
        return ngx_k8s_from_alias_bad(model, item, "is longer than 255 bytes");
    }

    if (model->npatterns == NGX_K8S_ALIAS_PATTERNS) {
        return ngx_k8s_from_alias_bad(model, item, "is one too many, an "
                                      "Ingress may have 16 regular "
                                      "expressions");
    }

    if (model->patterns == NULL) {
        model->patterns = ngx_palloc(model->pool,
                                     NGX_K8S_ALIAS_PATTERNS
                                     * sizeof(ngx_k8s_model_pattern_t));
        if (model->patterns == NULL) {
            return NGX_ERROR;
        }
    }

    pattern = &model->patterns[model->npatterns++];

    ngx_memzero(pattern, sizeof(ngx_k8s_model_pattern_t));

    pattern->text.data = item->data + 1;
    pattern->text.len = item->len - 1;

    return NGX_OK;
}


/* "name.*": all names that begin so, as an expression */

static ngx_int_t
ngx_k8s_from_alias_tail(ngx_k8s_model_t *model, ngx_str_t *item)
{
    u_char     *p, buf[NGX_K8S_HOST_NAME_MAX + 2];
    ngx_str_t   host, name, text;
    ngx_uint_t  i;

    host.data = item->data;
    host.len = item->len - 2;

    if (host.len > NGX_K8S_HOST_NAME_MAX
        || ngx_k8s_host_name(buf, &host, &name) != NGX_OK
        || name.len == 0 || name.data[0] == '.')
    {
        return ngx_k8s_from_alias_bad(model, item, "is not a host name");
    }

    text.data = ngx_pnalloc(model->pool,
                            sizeof("~^\\..") - 1 + 2 * name.len);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    p = text.data;
    *p++ = '~';
    *p++ = '^';

    for (i = 0; i < name.len; i++) {
        if (name.data[i] == '.') {
            *p++ = '\\';
        }

        *p++ = name.data[i];
    }

    p = ngx_cpymem(p, "\\..", 3);
    text.len = p - text.data;

    return ngx_k8s_from_alias_pattern(model, &text);
}


static ngx_int_t
ngx_k8s_from_alias_bad(ngx_k8s_model_t *model, ngx_str_t *item, char *what)
{
    ngx_str_t        shown;
    ngx_k8s_field_t  field;

    field.format = model->alias_field;

    shown = *item;
    shown.len = ngx_min(shown.len, NGX_K8S_HOST_NAME_MAX);

    return ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_ANNOTATION_INVALID,
                                 NULL, &field,
                                 "\"%V\" %s, so it is left out", &shown, what);
}


static int ngx_libc_cdecl
ngx_k8s_alias_cmp(const void *one, const void *two)
{
    return ngx_k8s_str_cmp((ngx_str_t *) one, (ngx_str_t *) two);
}


ngx_uint_t
ngx_k8s_model_alias(ngx_k8s_model_t *model, ngx_str_t *name)
{
    return model->naliases
           && bsearch(name, model->aliases, model->naliases, sizeof(ngx_str_t),
                      ngx_k8s_alias_cmp)
              != NULL;
}


ngx_int_t
ngx_k8s_host_twin(u_char *buf, ngx_str_t *host, ngx_str_t *twin)
{
    if (host->len == 0 || host->data[0] == '.') {
        return NGX_DECLINED;
    }

    if (host->len > 4 && ngx_strncmp(host->data, "www.", 4) == 0) {
        twin->data = host->data + 4;
        twin->len = host->len - 4;

        return NGX_OK;
    }

    if (host->len + 4 > NGX_K8S_HOST_NAME_MAX) {
        return NGX_DECLINED;
    }

    twin->data = buf;
    twin->len = host->len + 4;

    (void) ngx_sprintf(buf, "www.%V", host);

    return NGX_OK;
}
