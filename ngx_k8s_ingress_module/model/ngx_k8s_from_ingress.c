
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The model of an Ingress: each of its paths is a rule with one match and one
 * target.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


#define NGX_K8S_INVALID_BACKEND  503
#define NGX_K8S_INVALID_CLIENT   403


/* a rule of the spec with its host in the table's form */

typedef struct {
    ngx_str_t                name;
    ngx_uint_t               index;      /* spec.rules[] */
} ngx_k8s_spec_rule_t;


/* a host of the model, and an entry of spec.tls[] that lists it */

typedef struct {
    ngx_k8s_model_host_t    *host;
    ngx_uint_t               tls;
} ngx_k8s_spec_listed_t;


typedef struct {
    ngx_k8s_model_t         *model;
    ngx_k8s_ingress_t       *ing;
    ngx_k8s_model_match_t   *matches;
    ngx_k8s_target_t        *targets;
    ngx_str_t               *wildcards;  /* what is above each host, sorted;
                                            malloc()ed, NULL: not needed yet */
    ngx_k8s_spec_listed_t   *listed;     /* malloc()ed */
    ngx_uint_t               nlisted;
} ngx_k8s_from_ingress_t;


static ngx_int_t ngx_k8s_from_ingress_hosts(ngx_k8s_from_ingress_t *f);
static int ngx_libc_cdecl ngx_k8s_from_ingress_cmp(const void *one,
    const void *two);
static ngx_int_t ngx_k8s_from_ingress_rule(ngx_k8s_from_ingress_t *f,
    ngx_str_t *host, ngx_uint_t n);
static ngx_int_t ngx_k8s_from_ingress_path(ngx_k8s_from_ingress_t *f,
    ngx_str_t *host, ngx_uint_t n, ngx_uint_t i);
static char *ngx_k8s_from_ingress_check(ngx_str_t *path, ngx_uint_t type);
static ngx_int_t ngx_k8s_from_ingress_target(ngx_k8s_from_ingress_t *f,
    ngx_k8s_backend_t *backend, ngx_k8s_target_t *target);
static ngx_int_t ngx_k8s_from_ingress_fallback(ngx_k8s_from_ingress_t *f);
static ngx_int_t ngx_k8s_from_ingress_tls(ngx_k8s_from_ingress_t *f);
static ngx_int_t ngx_k8s_from_ingress_tls_unused(ngx_k8s_from_ingress_t *f,
    ngx_uint_t i);
static ngx_int_t ngx_k8s_from_ingress_tls_host(ngx_k8s_from_ingress_t *f,
    ngx_uint_t i, ngx_uint_t n);
static ngx_int_t ngx_k8s_from_ingress_listed(ngx_k8s_from_ingress_t *f);
static ngx_k8s_model_host_t *ngx_k8s_from_ingress_find(
    ngx_k8s_model_t *model, ngx_str_t *name);
static ngx_int_t ngx_k8s_from_ingress_unmet(ngx_k8s_from_ingress_t *f,
    ngx_str_t *name, ngx_uint_t i, ngx_uint_t n);
static ngx_int_t ngx_k8s_from_ingress_met(ngx_k8s_from_ingress_t *f,
    ngx_str_t *name);
static ngx_str_t ngx_k8s_from_ingress_above(ngx_str_t *name);
static int ngx_libc_cdecl ngx_k8s_from_ingress_name_cmp(const void *one,
    const void *two);
static ngx_int_t ngx_k8s_from_ingress_name(ngx_pool_t *pool, ngx_str_t *host,
    ngx_str_t *name);


static ngx_str_t  ngx_k8s_root = ngx_string("/");
static ngx_str_t  ngx_k8s_tcp = ngx_string("TCP");
static ngx_str_t  ngx_k8s_canary = ngx_string("canary");
static ngx_str_t  ngx_k8s_any_host = ngx_string("");


ngx_k8s_model_t *
ngx_k8s_from_ingress(ngx_k8s_object_t *object, ngx_k8s_gate_t *gate)
{
    ngx_uint_t               i, n;
    ngx_k8s_model_t         *model;
    ngx_k8s_from_ingress_t   f;

    f.ing = (ngx_k8s_ingress_t *) object;
    n = 0;

    for (i = 0; i < f.ing->nrules; i++) {
        n += f.ing->rules[i].npaths;
    }

    model = ngx_pcalloc(object->pool, sizeof(ngx_k8s_model_t));
    if (model == NULL) {
        return NULL;
    }

    f.model = model;
    f.wildcards = NULL;
    f.listed = NULL;
    f.nlisted = 0;
    model->object = object;
    model->refs = 1;
    model->rules = ngx_pcalloc(object->pool, n * sizeof(ngx_k8s_model_rule_t));
    f.matches = ngx_pcalloc(object->pool, n * sizeof(ngx_k8s_model_match_t));
    f.targets = ngx_pcalloc(object->pool, n * sizeof(ngx_k8s_target_t));

    if (model->rules == NULL || f.matches == NULL || f.targets == NULL
        || ngx_k8s_from_annotations(model, gate) != NGX_OK)
    {
        return NULL;
    }

    /* its share of another one's requests is drawn there */

    if (ngx_k8s_values_on(&model->values, &ngx_k8s_canary)) {
        return model;
    }

    if (ngx_k8s_from_ingress_hosts(&f) != NGX_OK
        || ngx_k8s_from_ingress_fallback(&f) != NGX_OK
        || ngx_k8s_from_ingress_tls(&f) != NGX_OK)
    {
        model = NULL;
    }

    if (f.wildcards) {
        ngx_free(f.wildcards);
    }

    if (f.listed) {
        ngx_free(f.listed);
    }

    return model;
}


/* rules of one host stand together, in the order of the spec */

static ngx_int_t
ngx_k8s_from_ingress_hosts(ngx_k8s_from_ingress_t *f)
{
    ngx_int_t              rc;
    ngx_uint_t             i, n, sorted;
    ngx_pool_t            *pool;
    ngx_k8s_field_t        field;
    ngx_k8s_model_t       *model;
    ngx_k8s_ingress_t     *ing;
    ngx_k8s_spec_rule_t   *rules;
    ngx_k8s_model_host_t  *host;

    model = f->model;
    ing = f->ing;
    pool = model->object->pool;

    if (ing->nrules == 0) {
        return NGX_OK;
    }

    rules = ngx_alloc(ing->nrules * sizeof(ngx_k8s_spec_rule_t), pool->log);
    model->hosts = ngx_pcalloc(pool,
                               ing->nrules * sizeof(ngx_k8s_model_host_t));

    if (rules == NULL || model->hosts == NULL) {
        goto failed;
    }

    n = 0;
    sorted = 1;

    for (i = 0; i < ing->nrules; i++) {

        if (ing->rules[i].no_host) {
            continue;
        }

        rc = ngx_k8s_from_ingress_name(pool, &ing->rules[i].host,
                                       &rules[n].name);

        if (rc == NGX_OK) {
            rules[n].index = i;

            if (n && ngx_k8s_from_ingress_cmp(&rules[n - 1], &rules[n]) > 0) {
                sorted = 0;
            }

            n++;
            continue;
        }

        field.format = "spec.rules[%uD].host";
        field.index[0] = i;

        if (rc == NGX_ERROR
            || ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_HOST_INVALID,
                                     NULL, &field, "\"%V\" is not a host name",
                                     &ing->rules[i].host)
               != NGX_OK)
        {
            goto failed;
        }
    }

    if (!sorted) {
        ngx_qsort(rules, n, sizeof(ngx_k8s_spec_rule_t),
                  ngx_k8s_from_ingress_cmp);
    }

    for (i = 0; i < n; i++) {

        host = &model->hosts[model->nhosts];

        if (i == 0
            || rules[i].name.len != host[-1].name.len
            || ngx_memcmp(rules[i].name.data, host[-1].name.data,
                          rules[i].name.len)
               != 0)
        {
            host->name = rules[i].name;
            host->rule = model->nrules;
            model->nhosts++;

        } else {
            host--;
        }

        if (ngx_k8s_from_ingress_rule(f, &host->name, rules[i].index)
            != NGX_OK)
        {
            goto failed;
        }

        host->nrules = model->nrules - host->rule;
    }

    ngx_free(rules);

    return NGX_OK;

failed:

    ngx_free(rules);

    return NGX_ERROR;
}


static int ngx_libc_cdecl
ngx_k8s_from_ingress_cmp(const void *one, const void *two)
{
    ngx_int_t             rc;
    ngx_k8s_spec_rule_t  *a, *b;

    a = (ngx_k8s_spec_rule_t *) one;
    b = (ngx_k8s_spec_rule_t *) two;

    rc = ngx_memn2cmp(a->name.data, b->name.data, a->name.len, b->name.len);

    if (rc == 0) {
        rc = (a->index > b->index) - (a->index < b->index);
    }

    return rc;
}


static ngx_int_t
ngx_k8s_from_ingress_rule(ngx_k8s_from_ingress_t *f, ngx_str_t *host,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < f->ing->rules[n].npaths; i++) {
        if (ngx_k8s_from_ingress_path(f, host, n, i) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_from_ingress_path(ngx_k8s_from_ingress_t *f, ngx_str_t *host,
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

    model = f->model;
    path = &f->ing->rules[n].paths[i];

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

    text = ngx_k8s_from_ingress_check(&path->path, path->type);

    if (text) {
        field.format = "spec.rules[%uD].http.paths[%uD].path";
        shown = ngx_k8s_host_shown(host);

        return ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_PATH_INVALID,
                                     &shown, &field, "the path \"%V\" %s",
                                     &path->path, text);
    }

    rule = &model->rules[model->nrules];
    match = &f->matches[model->nrules];
    target = &f->targets[model->nrules];

    rule->matches = match;
    rule->nmatches = 1;
    rule->targets = target;
    rule->ntargets = 1;
    rule->seq = model->nrules++;

    field.format = "spec.rules[%uD].http.paths[%uD]";

    match->field = field;
    match->order = !path->no_path;
    match->path = path->path.len ? path->path : ngx_k8s_root;
    match->text = match->path;
    match->type = NGX_K8S_PATH_EXACT;
    match->slash = (match->path.len > 1
                    && match->path.data[match->path.len - 1] == '/');

    if (path->type != NGX_K8S_PATH_TYPE_EXACT) {
        match->type = NGX_K8S_PATH_PREFIX;
        ngx_k8s_path_prefix(&match->text);
    }

    target->ref.field = field;
    target->ref.field.format
                           = "spec.rules[%uD].http.paths[%uD].backend.service";

    return ngx_k8s_from_ingress_target(f, &path->backend, target);
}


/* what is wrong with a path, or NULL; as the API server sees it */

static char *
ngx_k8s_from_ingress_check(ngx_str_t *path, ngx_uint_t type)
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

        if (*p == '/' && p + 1 < last) {

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


static ngx_int_t
ngx_k8s_from_ingress_target(ngx_k8s_from_ingress_t *f,
    ngx_k8s_backend_t *backend, ngx_k8s_target_t *target)
{
    u_char            *p;
    ngx_k8s_object_t  *object;

    object = f->model->object;

    target->ref.kind = NGX_K8S_SERVICE;
    target->ref.namespace = object->namespace;
    target->protocol = ngx_k8s_tcp;
    target->weight = 1;
    target->invalid = NGX_K8S_INVALID_BACKEND;

    if (f->model->values.close_host) {
        target->invalid = NGX_K8S_INVALID_CLIENT;
        return NGX_OK;
    }

    if (backend->closed || f->model->values.close_route) {
        return NGX_OK;
    }

    target->ref.name = backend->service;
    target->port = backend->port_name;

    if (backend->port_name.len || backend->port == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(object->pool, sizeof("65535") - 1);
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
ngx_k8s_from_ingress_fallback(ngx_k8s_from_ingress_t *f)
{
    ngx_k8s_field_t     field;
    ngx_k8s_model_t    *model;
    ngx_k8s_backend_t  *backend;

    model = f->model;
    backend = f->ing->default_backend;

    if (backend == NULL) {
        return NGX_OK;
    }

    model->catchall = (f->ing->nrules == 0);

    field.format = "spec.defaultBackend";

    if (backend->resource
        && ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_BACKEND_RESOURCE,
                                 NULL, &field,
                                 "the default backend names no Service")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    model->fallback = ngx_pcalloc(model->object->pool,
                                  sizeof(ngx_k8s_target_t));
    if (model->fallback == NULL) {
        return NGX_ERROR;
    }

    model->fallback->ref.field.format = "spec.defaultBackend.service";

    return ngx_k8s_from_ingress_target(f, backend, model->fallback);
}


static ngx_int_t
ngx_k8s_from_ingress_tls(ngx_k8s_from_ingress_t *f)
{
    ngx_uint_t              i, n;
    ngx_k8s_model_t        *model;
    ngx_k8s_model_tls_t    *tls;
    ngx_k8s_ingress_tls_t  *spec;

    model = f->model;
    n = 0;

    if (f->ing->ntls == 0) {
        return NGX_OK;
    }

    tls = ngx_pcalloc(model->object->pool,
                      f->ing->ntls * sizeof(ngx_k8s_model_tls_t));
    if (tls == NULL) {
        return NGX_ERROR;
    }

    model->tls = tls;
    model->ntls = f->ing->ntls;

    for (i = 0; i < f->ing->ntls; i++) {
        spec = &f->ing->tls[i];
        n += spec->nhosts;

        tls[i].ref.kind = NGX_K8S_SECRET;
        tls[i].ref.namespace = model->object->namespace;
        tls[i].ref.name = spec->secret;
        tls[i].ref.field.format = "spec.tls[%uD].secretName";
        tls[i].ref.field.index[0] = i;

        if (ngx_k8s_from_ingress_tls_unused(f, i) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    f->listed = ngx_alloc((n + 1) * sizeof(ngx_k8s_spec_listed_t),
                          model->object->pool->log);
    if (f->listed == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < f->ing->ntls; i++) {
        for (n = 0; n < f->ing->tls[i].nhosts; n++) {
            if (ngx_k8s_from_ingress_tls_host(f, i, n) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return ngx_k8s_from_ingress_listed(f);
}


/* the certificate of an entry without hosts is for those of the rules */

static ngx_int_t
ngx_k8s_from_ingress_tls_unused(ngx_k8s_from_ingress_t *f, ngx_uint_t i)
{
    ngx_k8s_field_t         field;
    ngx_k8s_model_t        *model;
    ngx_k8s_ingress_tls_t  *spec;

    model = f->model;
    spec = &f->ing->tls[i];

    /* hosts are sorted, the one without a name is the first */

    if (spec->nhosts || spec->secret.len == 0
        || (model->nhosts && model->hosts[model->nhosts - 1].name.len))
    {
        return NGX_OK;
    }

    field.format = "spec.tls[%uD]";
    field.index[0] = i;

    return ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_TLS_HOST_UNUSED, NULL,
                                 &field, "no rule of this Ingress has a host, "
                                 "the certificate is used for none");
}


static ngx_int_t
ngx_k8s_from_ingress_tls_host(ngx_k8s_from_ingress_t *f, ngx_uint_t i,
    ngx_uint_t n)
{
    ngx_int_t              rc;
    ngx_str_t              name;
    ngx_k8s_model_host_t  *host;

    rc = ngx_k8s_from_ingress_name(f->model->object->pool,
                                   &f->ing->tls[i].hosts[n], &name);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    host = ngx_k8s_from_ingress_find(f->model, &name);

    if (host == NULL) {
        return ngx_k8s_from_ingress_unmet(f, &name, i, n);
    }

    host->ntls++;

    f->listed[f->nlisted].host = host;
    f->listed[f->nlisted++].tls = i;

    return NGX_OK;
}


/* the entries that list a host stand together, in their order, each once */

static ngx_int_t
ngx_k8s_from_ingress_listed(ngx_k8s_from_ingress_t *f)
{
    uint32_t              *p;
    ngx_uint_t             i;
    ngx_k8s_model_host_t  *host;

    p = ngx_palloc(f->model->object->pool, f->nlisted * sizeof(uint32_t));
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < f->model->nhosts; i++) {
        host = &f->model->hosts[i];

        host->tls = p;
        p += host->ntls;
        host->ntls = 0;
    }

    for (i = 0; i < f->nlisted; i++) {
        host = f->listed[i].host;

        if (host->ntls == 0
            || host->tls[host->ntls - 1] != f->listed[i].tls)
        {
            host->tls[host->ntls++] = f->listed[i].tls;
        }
    }

    return NGX_OK;
}


/* notes a host of a tls entry that no rule has */

static ngx_int_t
ngx_k8s_from_ingress_unmet(ngx_k8s_from_ingress_t *f, ngx_str_t *name,
    ngx_uint_t i, ngx_uint_t n)
{
    ngx_int_t               rc;
    ngx_k8s_model_t        *model;
    ngx_k8s_model_unmet_t  *unmet;

    model = f->model;

    if (name->len == 0 || model->nunmet == NGX_K8S_MODEL_UNMET) {
        return NGX_OK;
    }

    rc = ngx_k8s_from_ingress_met(f, name);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (model->unmet == NULL) {
        model->unmet = ngx_pcalloc(model->object->pool, NGX_K8S_MODEL_UNMET
                                              * sizeof(ngx_k8s_model_unmet_t));
        if (model->unmet == NULL) {
            return NGX_ERROR;
        }
    }

    unmet = &model->unmet[model->nunmet++];

    unmet->name = *name;
    unmet->field.format = "spec.tls[%uD].hosts[%uD]";
    unmet->field.index[0] = i;
    unmet->field.index[1] = n;

    return NGX_OK;
}


/* hosts are sorted, and begin with their names */

static ngx_k8s_model_host_t *
ngx_k8s_from_ingress_find(ngx_k8s_model_t *model, ngx_str_t *name)
{
    if (model->nhosts == 0) {
        return NULL;
    }

    return bsearch(name, model->hosts, model->nhosts,
                   sizeof(ngx_k8s_model_host_t),
                   ngx_k8s_from_ingress_name_cmp);
}


/* NGX_OK, NGX_DECLINED: no rule has it as a wildcard either; NGX_ERROR */

static ngx_int_t
ngx_k8s_from_ingress_met(ngx_k8s_from_ingress_t *f, ngx_str_t *name)
{
    ngx_str_t         above;
    ngx_uint_t        i;
    ngx_k8s_model_t  *model;

    model = f->model;
    above = ngx_k8s_from_ingress_above(name);

    if (model->nhosts == 0) {
        return NGX_DECLINED;
    }

    if (above.len && ngx_k8s_from_ingress_find(model, &above)) {
        return NGX_OK;
    }

    if (name->data[0] != '.') {
        return NGX_DECLINED;
    }

    if (f->wildcards == NULL) {
        f->wildcards = ngx_alloc(model->nhosts * sizeof(ngx_str_t),
                                 model->object->pool->log);
        if (f->wildcards == NULL) {
            return NGX_ERROR;
        }

        for (i = 0; i < model->nhosts; i++) {
            f->wildcards[i] = ngx_k8s_from_ingress_above(
                                                    &model->hosts[i].name);
        }

        ngx_qsort(f->wildcards, model->nhosts, sizeof(ngx_str_t),
                  ngx_k8s_from_ingress_name_cmp);
    }

    return bsearch(name, f->wildcards, model->nhosts, sizeof(ngx_str_t),
                   ngx_k8s_from_ingress_name_cmp)
           ? NGX_OK : NGX_DECLINED;
}


/* the wildcard that covers a host; empty: none does */

static ngx_str_t
ngx_k8s_from_ingress_above(ngx_str_t *name)
{
    u_char     *p, *last;
    ngx_str_t   above;

    ngx_str_null(&above);

    last = name->data + name->len;
    p = name->len ? ngx_strlchr(name->data, last, '.') : NULL;

    if (p && p != name->data) {
        above.data = p;
        above.len = last - p;
    }

    return above;
}


static int ngx_libc_cdecl
ngx_k8s_from_ingress_name_cmp(const void *one, const void *two)
{
    ngx_str_t  *a, *b;

    a = (ngx_str_t *) one;
    b = (ngx_str_t *) two;

    return ngx_memn2cmp(a->data, b->data, a->len, b->len);
}


/*
 * A host in the table's form, where it stands in the object if it can; before
 * the name of a wildcard there is its asterisk.  NGX_DECLINED: it is none.
 */

static ngx_int_t
ngx_k8s_from_ingress_name(ngx_pool_t *pool, ngx_str_t *host, ngx_str_t *name)
{
    u_char     *p, buf[NGX_K8S_HOST_NAME_MAX + 1];
    ngx_uint_t  wildcard;

    if (host->len == 0) {
        *name = ngx_k8s_any_host;
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
