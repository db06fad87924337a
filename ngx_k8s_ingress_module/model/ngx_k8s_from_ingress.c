
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The model of an Ingress, in pieces: each of its paths is a rule with one
 * match and one target.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


#define NGX_K8S_INVALID_BACKEND  503
#define NGX_K8S_INVALID_CLIENT   403
#define NGX_K8S_INVALID_OBJECT   404


/* a rule of the spec with its host in the table's form */

typedef struct {
    ngx_str_t                name;
    ngx_uint_t               index;      /* spec.rules[] */
} ngx_k8s_spec_rule_t;


typedef ngx_int_t (*ngx_k8s_from_ingress_pt)(ngx_k8s_maker_t *m);


static ngx_int_t ngx_k8s_from_ingress_count(ngx_k8s_maker_t *m);
static ngx_int_t ngx_k8s_from_ingress_begin(ngx_k8s_maker_t *m);
static ngx_int_t ngx_k8s_from_ingress_values(ngx_k8s_maker_t *m);
static void ngx_k8s_from_ingress_value(ngx_k8s_model_t *model,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_k8s_from_ingress_host(ngx_k8s_maker_t *m);
static ngx_int_t ngx_k8s_from_ingress_sort(ngx_k8s_maker_t *m);
static ngx_int_t ngx_k8s_from_ingress_rule(ngx_k8s_maker_t *m);
static ngx_int_t ngx_k8s_from_ingress_path(ngx_k8s_maker_t *m,
    ngx_str_t *host, ngx_uint_t n, ngx_uint_t i);
static char *ngx_k8s_from_ingress_check(ngx_str_t *path, ngx_uint_t type,
    ngx_uint_t regex);
static ngx_uint_t ngx_k8s_from_ingress_equal(ngx_str_t *one, ngx_str_t *two);
static ngx_int_t ngx_k8s_from_ingress_target(ngx_k8s_maker_t *m,
    ngx_k8s_backend_t *backend, ngx_k8s_target_t *target);
static ngx_int_t ngx_k8s_from_ingress_fallback(ngx_k8s_maker_t *m);


static ngx_str_t  ngx_k8s_root = ngx_string("/");
static ngx_str_t  ngx_k8s_tcp = ngx_string("TCP");
static ngx_str_t  ngx_k8s_canary = ngx_string("canary");
static ngx_str_t  ngx_k8s_use_regex = ngx_string("use-regex");
static ngx_str_t  ngx_k8s_rewrite_target = ngx_string("rewrite-target");
static ngx_str_t  ngx_k8s_service_upstream = ngx_string("service-upstream");
static ngx_str_t  ngx_k8s_app_root = ngx_string("app-root");


/* a step: NGX_AGAIN until its stage is over; NGX_ERROR: it is made once more */

static ngx_k8s_from_ingress_pt  ngx_k8s_from_ingress_stages[] = {
    ngx_k8s_from_ingress_count,
    ngx_k8s_from_ingress_begin,
    ngx_k8s_from_ingress_values,
    ngx_k8s_from_ingress_host,
    ngx_k8s_from_ingress_sort,
    ngx_k8s_from_ingress_rule,
    ngx_k8s_from_ingress_fallback,
    ngx_k8s_from_ingress_tls,
    ngx_k8s_from_ingress_places,
    ngx_k8s_from_ingress_listed,
    NULL
};

#define NGX_K8S_FROM_INGRESS_LAST                                             \
    (sizeof(ngx_k8s_from_ingress_stages) / sizeof(ngx_k8s_from_ingress_pt) - 2)


ngx_int_t
ngx_k8s_from_ingress(ngx_k8s_maker_t *m, ngx_uint_t *n)
{
    ngx_int_t   rc;
    ngx_uint_t  nproblems;

    while (ngx_k8s_from_ingress_stages[m->stage]) {

        if (*n == 0) {
            return NGX_AGAIN;
        }

        (*n)--;

        nproblems = m->model ? m->model->nproblems : 0;

        rc = ngx_k8s_from_ingress_stages[m->stage](m);

        if (rc == NGX_ERROR) {

            if (m->model) {
                m->model->nproblems = nproblems;
            }

            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            m->stage++;
            m->i = 0;
            m->j = 0;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_from_ingress_count(ngx_k8s_maker_t *m)
{
    ngx_k8s_ingress_t  *ing;

    ing = (ngx_k8s_ingress_t *) m->object;

    if (m->i < ing->nrules) {
        m->npaths += ing->rules[m->i++].npaths;
        return NGX_AGAIN;
    }

    if (m->j < ing->ntls) {
        m->nlisted += ing->tls[m->j++].nhosts;
        return NGX_AGAIN;
    }

    return NGX_OK;
}


/* what is large is zeroed when it is used */

static ngx_int_t
ngx_k8s_from_ingress_begin(ngx_k8s_maker_t *m)
{
    ngx_uint_t          n;
    ngx_pool_t         *pool;
    ngx_k8s_model_t    *model;
    ngx_k8s_ingress_t  *ing;

    ing = (ngx_k8s_ingress_t *) m->object;
    pool = m->pool;
    n = m->npaths;

    if (m->model == NULL) {
        m->model = ngx_pcalloc(pool, sizeof(ngx_k8s_model_t));
        if (m->model == NULL) {
            return NGX_ERROR;
        }

        m->model->object = m->object;
        m->model->pool = m->pool;
        m->model->refs = 1;
    }

    model = m->model;

    if (model->rules == NULL) {
        model->rules = ngx_palloc(pool, n * sizeof(ngx_k8s_model_rule_t));
    }

    if (model->hosts == NULL) {
        model->hosts = ngx_palloc(pool,
                                  ing->nrules * sizeof(ngx_k8s_model_host_t));
    }

    if (model->tls == NULL) {
        model->tls = ngx_palloc(pool, ing->ntls * sizeof(ngx_k8s_model_tls_t));
    }

    if (m->matches == NULL) {
        m->matches = ngx_palloc(pool, n * sizeof(ngx_k8s_model_match_t));
    }

    if (m->targets == NULL) {
        m->targets = ngx_palloc(pool, n * sizeof(ngx_k8s_target_t));
    }

    if (m->listed == NULL) {
        m->listed = ngx_alloc((m->nlisted + 1) * sizeof(ngx_k8s_listed_t),
                              pool->log);
    }

    if (model->rules == NULL || model->hosts == NULL || model->tls == NULL
        || m->matches == NULL || m->targets == NULL || m->listed == NULL
        || ngx_k8s_sort_init(&m->rules, ing->nrules,
                             sizeof(ngx_k8s_spec_rule_t), pool->log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    m->nlisted = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_from_ingress_values(ngx_k8s_maker_t *m)
{
    if (ngx_k8s_from_annotations(m->model, m->gate) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_k8s_values_on(&m->model->values, &ngx_k8s_canary)) {
        ngx_k8s_from_spread(m->model);
        return ngx_k8s_from_canary(m->model);
    }

    if (ngx_k8s_class_keys(&m->model->values, m->pool, &m->object->namespace,
                           m->keys)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* they may protect */

    if (m->unknown) {
        m->model->values.close_route = 1;
        m->model->values.unknown = 1;
    }

    ngx_k8s_from_spread(m->model);

    m->regex = ngx_k8s_values_on(&m->model->values, &ngx_k8s_use_regex);
    m->model->regex = m->regex;

    m->cluster = ngx_k8s_values_find(&m->model->values,
                                     &ngx_k8s_service_upstream)
                 ? ngx_k8s_values_on(&m->model->values,
                                     &ngx_k8s_service_upstream)
                 : m->gate->cluster;

    ngx_k8s_from_ingress_value(m->model, &ngx_k8s_rewrite_target,
                               &m->model->target);

    if (ngx_k8s_spread_regex(m->model) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a default backend alone has no host */

    if (((ngx_k8s_ingress_t *) m->object)->nrules == 0) {
        return NGX_OK;
    }

    ngx_k8s_from_ingress_value(m->model, &ngx_k8s_app_root, &m->model->root);

    return ngx_k8s_from_aliases(m->model, m->gate);
}


static void
ngx_k8s_from_ingress_value(ngx_k8s_model_t *model, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_str_t  *text;

    text = ngx_k8s_values_get(&model->values, name);

    if (text) {
        *value = *text;
    }
}


/* a host in the table's form */

static ngx_int_t
ngx_k8s_from_ingress_host(ngx_k8s_maker_t *m)
{
    ngx_int_t             rc;
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_k8s_field_t       field;
    ngx_k8s_ingress_t    *ing;
    ngx_k8s_spec_rule_t  *rule;

    ing = (ngx_k8s_ingress_t *) m->object;
    i = m->i;

    if (i == ing->nrules) {
        return NGX_OK;
    }

    if (ing->rules[i].no_host) {
        m->i++;
        return NGX_AGAIN;
    }

    if (ngx_k8s_ingress_meant_rule(m->model, i) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_k8s_host_name_pool(m->pool, &ing->rules[i].host, &name);

    if (rc == NGX_OK) {
        rule = ngx_k8s_sort_push(&m->rules, &name);
        rule->index = i;

        m->i++;

        return NGX_AGAIN;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    field.format = "spec.rules[%uD].host";
    field.index[0] = i;

    if (ngx_k8s_model_problem(m->model, NGX_K8S_PROBLEM_HOST_INVALID, NULL,
                              &field, "\"%V\" is not a host name",
                              &ing->rules[i].host)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    m->i++;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_k8s_from_ingress_sort(ngx_k8s_maker_t *m)
{
    return ngx_k8s_sort_step(&m->rules);
}


/*
 * One path.  Rules of one host stand together, in the order of the spec.
 */

static ngx_int_t
ngx_k8s_from_ingress_rule(ngx_k8s_maker_t *m)
{
    ngx_uint_t             n;
    ngx_k8s_model_t       *model;
    ngx_k8s_ingress_t     *ing;
    ngx_k8s_spec_rule_t   *rule;
    ngx_k8s_model_host_t  *host;

    ing = (ngx_k8s_ingress_t *) m->object;
    model = m->model;

    if (m->i == m->rules.nelts) {
        return NGX_OK;
    }

    rule = ngx_k8s_sort_elt(&m->rules, m->i);
    n = rule->index;

    host = &model->hosts[model->nhosts];

    if (m->j) {
        host--;

    } else if (model->nhosts == 0
               || rule->name.len != host[-1].name.len
               || ngx_memcmp(rule->name.data, host[-1].name.data,
                             rule->name.len)
                  != 0)
    {
        ngx_memzero(host, sizeof(ngx_k8s_model_host_t));

        host->name = rule->name;
        host->rule = model->nrules;
        model->nhosts++;

    } else {
        host--;
    }

    if (m->j < ing->rules[n].npaths
        && ngx_k8s_from_ingress_path(m, &host->name, n, m->j) != NGX_OK)
    {
        return NGX_ERROR;
    }

    host->nrules = model->nrules - host->rule;

    if (++m->j >= ing->rules[n].npaths) {
        m->i++;
        m->j = 0;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_k8s_from_ingress_path(ngx_k8s_maker_t *m, ngx_str_t *host,
    ngx_uint_t n, ngx_uint_t i)
{
    char                   *text;
    ngx_str_t               shown;
    ngx_k8s_field_t         field;
    ngx_k8s_model_t        *model;
    ngx_k8s_target_t       *target;
    ngx_k8s_http_path_t    *path;
    ngx_k8s_model_rule_t   *rule;
    ngx_k8s_model_match_t  *match;

    model = m->model;
    path = &((ngx_k8s_ingress_t *) m->object)->rules[n].paths[i];

    field.index[0] = n;
    field.index[1] = i;

    if (path->backend.resource) {
        field.format = "spec.rules[%uD].http.paths[%uD].backend";
        shown = ngx_k8s_host_shown(host);

        if (ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_BACKEND_RESOURCE,
                                  &shown, &field, "the backend of path \"%V\" "
                                  "names no Service", &path->path)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    text = ngx_k8s_from_ingress_check(&path->path, path->type,
                                      m->regex || model->target.len);

    if (text) {
        field.format = "spec.rules[%uD].http.paths[%uD].path";
        shown = ngx_k8s_host_shown(host);

        return ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_PATH_INVALID,
                                     &shown, &field, "the path \"%V\" %s",
                                     &path->path, text);
    }

    rule = &model->rules[model->nrules];
    match = &m->matches[model->nrules];
    target = &m->targets[model->nrules];

    ngx_memzero(rule, sizeof(ngx_k8s_model_rule_t));
    ngx_memzero(match, sizeof(ngx_k8s_model_match_t));
    ngx_memzero(target, sizeof(ngx_k8s_target_t));

    rule->matches = match;
    rule->nmatches = 1;
    rule->targets = target;
    rule->ntargets = 1;
    rule->seq = model->nrules;

    field.format = "spec.rules[%uD].http.paths[%uD]";

    match->field = field;
    match->order = !path->no_path;
    match->path = path->path.len ? path->path : ngx_k8s_root;
    match->text = match->path;
    match->type = NGX_K8S_PATH_EXACT;
    match->rewrite = (model->target.len
                      && !ngx_k8s_from_ingress_equal(&model->target,
                                                     &match->path));
    match->slash = (match->path.len > 1
                    && match->path.data[match->path.len - 1] == '/');

    if (path->type != NGX_K8S_PATH_TYPE_EXACT) {
        match->type = NGX_K8S_PATH_PREFIX;
        ngx_k8s_path_prefix(&match->text);

        match->elements = (path->type == NGX_K8S_PATH_TYPE_PREFIX
                           && match->path.len > 1 && !match->slash
                           && !match->rewrite && !m->regex);
    }

    if (match->rewrite || (match->elements && model->target.len)) {
        model->regex = 1;
    }

    target->ref.field = field;
    target->ref.field.format
                           = "spec.rules[%uD].http.paths[%uD].backend.service";

    if (ngx_k8s_from_ingress_target(m, &path->backend, target) != NGX_OK) {
        return NGX_ERROR;
    }

    model->nrules++;

    return NGX_OK;
}


/* what is wrong with a path, or NULL; as the API server sees it */

static char *
ngx_k8s_from_ingress_check(ngx_str_t *path, ngx_uint_t type, ngx_uint_t regex)
{
    u_char  *p, *last;

    p = path->data;
    last = p + path->len;

    if (path->len == 0) {
        return NULL;
    }

    if (*p != '/') {
        return "does not begin with a slash";
    }

    for ( /* void */ ; p < last; p++) {

        if (*p < 0x20 || *p == 0x7f) {
            return "holds a control character";
        }

        if (*p == '/' && p + 1 < last && !regex) {

            if (p[1] == '/') {
                return "holds \"//\", which no request path does";
            }

            if (p[1] == '.'
                && (p + 2 == last || p[2] == '/'
                    || (p[2] == '.' && (p + 3 == last || p[3] == '/'))))
            {
                return "holds \".\" or \"..\", which no request path does";
            }
        }

        if (*p == '%' && type != NGX_K8S_PATH_TYPE_IMPL && last - p > 2
            && p[1] == '2' && ngx_tolower(p[2]) == 'f')
        {
            return "holds an encoded slash";
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_k8s_from_ingress_equal(ngx_str_t *one, ngx_str_t *two)
{
    return one->len == two->len
           && ngx_memcmp(one->data, two->data, one->len) == 0;
}


static ngx_int_t
ngx_k8s_from_ingress_target(ngx_k8s_maker_t *m,
    ngx_k8s_backend_t *backend, ngx_k8s_target_t *target)
{
    u_char            *p;
    ngx_k8s_object_t  *object;

    object = m->object;

    target->ref.kind = NGX_K8S_SERVICE;
    target->ref.namespace = object->namespace;
    target->protocol = ngx_k8s_tcp;
    target->weight = 1;
    target->invalid = NGX_K8S_INVALID_BACKEND;

    if (m->model->values.refused) {
        target->invalid = NGX_K8S_INVALID_OBJECT;
        return NGX_OK;
    }

    if (m->model->values.close_host) {
        target->invalid = NGX_K8S_INVALID_CLIENT;
        return NGX_OK;
    }

    if (backend->closed || m->model->values.close_route) {
        return NGX_OK;
    }

    target->ref.name = backend->service;
    target->port = backend->port_name;
    target->cluster = m->cluster;

    if (backend->port_name.len || backend->port == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(m->pool, sizeof("65535") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    target->port.data = p;
    target->port.len = ngx_snprintf(p, sizeof("65535") - 1, "%ui",
                                    backend->port)
                       - p;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_from_ingress_fallback(ngx_k8s_maker_t *m)
{
    ngx_k8s_field_t     field;
    ngx_k8s_model_t    *model;
    ngx_k8s_ingress_t  *ing;
    ngx_k8s_backend_t  *backend;

    ing = (ngx_k8s_ingress_t *) m->object;
    model = m->model;
    backend = ing->default_backend;

    if (model->canary) {
        m->stage = NGX_K8S_FROM_INGRESS_LAST;
        return NGX_OK;
    }

    if (backend == NULL) {
        return NGX_OK;
    }

    model->catchall = (ing->nrules == 0);

    field.format = "spec.defaultBackend";

    if (backend->resource
        && ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_BACKEND_RESOURCE,
                                 NULL, &field,
                                 "the default backend names no Service")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (model->fallback == NULL) {
        model->fallback = ngx_pcalloc(model->pool,
                                      sizeof(ngx_k8s_target_t));
        if (model->fallback == NULL) {
            return NGX_ERROR;
        }
    }

    model->fallback->ref.field.format = "spec.defaultBackend.service";

    return ngx_k8s_from_ingress_target(m, backend, model->fallback);
}
