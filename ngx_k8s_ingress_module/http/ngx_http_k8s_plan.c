
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Plans of requests to backends, made when a profile is: of the proxy module's
 * rows constant lines, variables, and names of headers that are not passed on.
 * ngx_http_proxy_init_headers() says which rows nginx adds by itself.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_request.h>


/* the first version of nginx that was not tested */
#define NGX_HTTP_K8S_PLAN_NGINX      1031000

/* names of headers: a slot has eight bits, and at least half are free */
#define NGX_HTTP_K8S_PLAN_NAMES      127


static ngx_int_t ngx_http_k8s_plan_wanted(ngx_conf_t *cf, void **loc_conf,
    ngx_array_t **source);
static void *ngx_http_k8s_plan_field(ngx_conf_t *cf, void **loc_conf,
    char *name);
static ngx_int_t ngx_http_k8s_plan_rows(ngx_conf_t *cf,
    ngx_http_k8s_plan_t *plan);
static ngx_uint_t ngx_http_k8s_plan_has(ngx_http_k8s_plan_t *plan,
    ngx_str_t *name);
static ngx_int_t ngx_http_k8s_plan_row(ngx_conf_t *cf,
    ngx_http_k8s_plan_t *plan, ngx_keyval_t *kv);
static ngx_int_t ngx_http_k8s_plan_constant(ngx_conf_t *cf,
    ngx_http_k8s_plan_t *plan, ngx_keyval_t *kv);
static ngx_int_t ngx_http_k8s_plan_variable(ngx_conf_t *cf, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_plan_names(ngx_conf_t *cf,
    ngx_http_k8s_plan_t *plan);
static ngx_int_t ngx_http_k8s_plan_name(ngx_pool_t *pool,
    ngx_http_k8s_plan_t *plan, ngx_str_t *name);


/* what nginx's defaults hide, where no row does */

static ngx_str_t  ngx_http_k8s_plan_hidden[] = {
    ngx_string("content-length"),
    ngx_string("transfer-encoding"),
    ngx_string("te"),
    ngx_string("keep-alive"),
    ngx_string("expect"),
    ngx_string("upgrade"),
    ngx_null_string
};


ngx_int_t
ngx_http_k8s_plan(ngx_conf_t *cf, void **parent, void **loc_conf)
{
    ngx_int_t                  rc;
    ngx_flag_t                *flag;
    ngx_array_t               *source;
    ngx_http_k8s_plan_t       *plan;
    ngx_http_k8s_loc_conf_t   *prev, *klcf;
    ngx_http_core_loc_conf_t  *clcf;

    prev = parent[ngx_http_k8s_module.ctx_index];
    klcf = loc_conf[ngx_http_k8s_module.ctx_index];
    clcf = loc_conf[ngx_http_core_module.ctx_index];

    klcf->builder = prev->block ? prev->block->request_builder
                                : prev->builder;

    if (!klcf->builder
        || ngx_http_k8s_plan_wanted(cf, loc_conf, &source) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    plan = prev->plan;

    if (plan == NULL || plan->source != source
        || plan->handler != clcf->handler)
    {
        plan = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_plan_t));
        if (plan == NULL) {
            return NGX_ERROR;
        }

        plan->handler = clcf->handler;
        plan->source = source;

        rc = ngx_http_k8s_plan_rows(cf, plan);

        if (rc == NGX_OK) {
            rc = ngx_http_k8s_plan_names(cf, plan);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    flag = ngx_http_k8s_plan_field(cf, loc_conf, "proxy_request_buffering");

    klcf->unbuffered = (flag == NULL || *flag != 1);
    klcf->plan = plan;
    clcf->handler = ngx_http_k8s_request_handler;

    return NGX_OK;
}


/*
 * The proxy module's configuration is private: its fields are found by its
 * directives.  An nginx newer than the tests know may have new ones.
 */

static ngx_int_t
ngx_http_k8s_plan_wanted(ngx_conf_t *cf, void **loc_conf, ngx_array_t **source)
{
#if (nginx_version < NGX_HTTP_K8S_PLAN_NGINX)

    void        **p;
    ngx_str_t    *s;
    ngx_uint_t   *version;
    ngx_flag_t   *flag;

    p = ngx_http_k8s_plan_field(cf, loc_conf, "proxy_method");
    if (p == NULL || *p != NULL) {
        return NGX_DECLINED;
    }

    s = ngx_http_k8s_plan_field(cf, loc_conf, "proxy_set_body");
    if (s == NULL || s->data != NULL) {
        return NGX_DECLINED;
    }

    version = ngx_http_k8s_plan_field(cf, loc_conf, "proxy_http_version");
    if (version == NULL || *version != NGX_HTTP_VERSION_11) {
        return NGX_DECLINED;
    }

    flag = ngx_http_k8s_plan_field(cf, loc_conf, "proxy_pass_request_headers");
    if (flag == NULL || *flag != 1) {
        return NGX_DECLINED;
    }

    flag = ngx_http_k8s_plan_field(cf, loc_conf, "proxy_pass_request_body");
    if (flag == NULL || *flag != 1) {
        return NGX_DECLINED;
    }

    p = ngx_http_k8s_plan_field(cf, loc_conf, "proxy_set_header");
    if (p == NULL || *p == NULL) {
        return NGX_DECLINED;
    }

    *source = *p;

    return NGX_OK;

#else

    return NGX_DECLINED;

#endif
}


/* NULL: there is no such directive */

static void *
ngx_http_k8s_plan_field(ngx_conf_t *cf, void **loc_conf, char *name)
{
    ngx_str_t       s;
    ngx_module_t   *module;
    ngx_command_t  *cmd;

    s.data = (u_char *) name;
    s.len = ngx_strlen(name);

    cmd = ngx_http_k8s_profile_command(cf->cycle, &s, &module);

    if (cmd == NULL || cmd->conf != NGX_HTTP_LOC_CONF_OFFSET) {
        return NULL;
    }

    return (u_char *) loc_conf[module->ctx_index] + cmd->offset;
}


static ngx_int_t
ngx_http_k8s_plan_rows(ngx_conf_t *cf, ngx_http_k8s_plan_t *plan)
{
    ngx_int_t      rc;
    ngx_uint_t     i, n;
    ngx_keyval_t  *kv;

    /* rows of nginx's own, which would be added else; they stand at the end */

    static ngx_str_t  needed[] = {
        ngx_string("Host"),
        ngx_string("Connection")
    };

    static ngx_str_t  unknown[] = {
        ngx_string("Content-Length"),
        ngx_string("Transfer-Encoding")
    };

    for (i = 0; i < 2; i++) {
        if (!ngx_http_k8s_plan_has(plan, &needed[i])
            || ngx_http_k8s_plan_has(plan, &unknown[i]))
        {
            return NGX_DECLINED;
        }
    }

    n = plan->source->nelts;

    if (n > NGX_HTTP_K8S_PLAN_VALUES
        || ngx_array_init(&plan->rows, cf->pool, n,
                          sizeof(ngx_http_k8s_plan_row_t))
           != NGX_OK)
    {
        return (n > NGX_HTTP_K8S_PLAN_VALUES) ? NGX_DECLINED : NGX_ERROR;
    }

    kv = plan->source->elts;

    for (i = 0; i < n; i++) {

        if (kv[i].value.len == 0) {
            continue;
        }

        rc = ngx_http_k8s_plan_row(cf, plan, &kv[i]);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    plan->len += sizeof("  HTTP/1.1" CRLF "Content-Length: " CRLF CRLF) - 1
                 + NGX_OFF_T_LEN;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_plan_has(ngx_http_k8s_plan_t *plan, ngx_str_t *name)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    kv = plan->source->elts;

    for (i = 0; i < plan->source->nelts; i++) {

        if (kv[i].key.len == name->len
            && ngx_strncasecmp(kv[i].key.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_k8s_plan_row(ngx_conf_t *cf, ngx_http_k8s_plan_t *plan,
    ngx_keyval_t *kv)
{
    u_char                            *p;
    ngx_http_k8s_plan_row_t           *row;
    ngx_http_compile_complex_value_t   ccv;

    if (ngx_strlchr(kv->value.data, kv->value.data + kv->value.len, '$')
        == NULL)
    {
        return ngx_http_k8s_plan_constant(cf, plan, kv);
    }

    row = ngx_array_push(&plan->rows);
    p = ngx_pnalloc(cf->pool, kv->key.len + 2);

    if (row == NULL || p == NULL) {
        return NGX_ERROR;
    }

    row->text.data = p;
    row->text.len = ngx_sprintf(p, "%V: ", &kv->key) - p;
    row->value = NULL;

    plan->len += row->text.len + sizeof(CRLF) - 1;

    row->index = ngx_http_k8s_plan_variable(cf, &kv->value);

    if (row->index != NGX_ERROR) {
        return NGX_OK;
    }

    row->value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (row->value == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &kv->value;
    ccv.complex_value = row->value;

    return ngx_http_compile_complex_value(&ccv);
}


/* constant lines that follow each other are one row */

static ngx_int_t
ngx_http_k8s_plan_constant(ngx_conf_t *cf, ngx_http_k8s_plan_t *plan,
    ngx_keyval_t *kv)
{
    u_char                   *p;
    size_t                    len;
    ngx_uint_t                n;
    ngx_http_k8s_plan_row_t  *row;

    row = plan->rows.elts;
    n = plan->rows.nelts;

    if (n && row[n - 1].index == NGX_ERROR && row[n - 1].value == NULL) {
        row += n - 1;

    } else {
        row = ngx_array_push(&plan->rows);
        if (row == NULL) {
            return NGX_ERROR;
        }

        ngx_str_null(&row->text);
        row->index = NGX_ERROR;
        row->value = NULL;
    }

    len = kv->key.len + sizeof(": " CRLF) - 1 + kv->value.len;

    p = ngx_pnalloc(cf->pool, row->text.len + len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(ngx_cpymem(p, row->text.data, row->text.len), "%V: %V" CRLF,
                &kv->key, &kv->value);

    row->text.data = p;
    row->text.len += len;

    plan->len += len;

    return NGX_OK;
}


/* NGX_ERROR: the value is more, or less, than one variable */

static ngx_int_t
ngx_http_k8s_plan_variable(ngx_conf_t *cf, ngx_str_t *value)
{
    size_t     i;
    u_char     ch;
    ngx_str_t  name;

    if (value->len < 2 || value->data[0] != '$') {
        return NGX_ERROR;
    }

    name.len = value->len - 1;
    name.data = value->data + 1;

    if (name.data[0] >= '0' && name.data[0] <= '9') {
        return NGX_ERROR;
    }

    for (i = 0; i < name.len; i++) {

        ch = name.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '_'))
        {
            return NGX_ERROR;
        }
    }

    /* the proxy module has it indexed */

    return ngx_http_get_variable_index(cf, &name);
}


static ngx_int_t
ngx_http_k8s_plan_names(ngx_conf_t *cf, ngx_http_k8s_plan_t *plan)
{
    size_t         size;
    ngx_str_t     *name;
    ngx_uint_t     i, n;
    ngx_keyval_t  *kv;

    kv = plan->source->elts;

    n = plan->source->nelts
        + sizeof(ngx_http_k8s_plan_hidden) / sizeof(ngx_str_t) - 1;

    if (n > NGX_HTTP_K8S_PLAN_NAMES) {
        return NGX_DECLINED;
    }

    for (size = 16; size < 4 * n; size *= 2) { /* void */ }

    plan->mask = size - 1;
    plan->slots = ngx_pcalloc(cf->pool, size);

    if (plan->slots == NULL
        || ngx_array_init(&plan->names, cf->pool, n, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < plan->source->nelts; i++) {
        if (ngx_http_k8s_plan_name(cf->pool, plan, &kv[i].key) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (name = ngx_http_k8s_plan_hidden; name->len; name++) {
        if (ngx_http_k8s_plan_name(cf->pool, plan, name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_plan_name(ngx_pool_t *pool, ngx_http_k8s_plan_t *plan,
    ngx_str_t *name)
{
    u_char      *low;
    ngx_str_t   *s;
    ngx_uint_t   i, hash;

    low = ngx_pnalloc(pool, name->len);
    if (low == NULL) {
        return NGX_ERROR;
    }

    hash = ngx_hash_strlow(low, name->data, name->len);

    for (i = hash & plan->mask; plan->slots[i]; i = (i + 1) & plan->mask) {

        s = plan->names.elts;
        s += plan->slots[i] - 1;

        if (s->len == name->len && ngx_memcmp(s->data, low, s->len) == 0) {
            return NGX_OK;
        }
    }

    s = ngx_array_push(&plan->names);
    if (s == NULL) {
        return NGX_ERROR;
    }

    s->len = name->len;
    s->data = low;

    plan->slots[i] = (u_char) plan->names.nelts;

    return NGX_OK;
}
