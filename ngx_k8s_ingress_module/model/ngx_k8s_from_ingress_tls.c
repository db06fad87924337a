
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The tls entries of an Ingress in its model, and hosts that they name and no
 * rule has.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


static ngx_int_t ngx_k8s_from_ingress_tls_unused(ngx_k8s_maker_t *m);
static ngx_int_t ngx_k8s_from_ingress_tls_host(ngx_k8s_maker_t *m);
static ngx_int_t ngx_k8s_from_ingress_unmet(ngx_k8s_maker_t *m,
    ngx_str_t *name);
static ngx_k8s_model_host_t *ngx_k8s_from_ingress_find(ngx_k8s_model_t *model,
    ngx_str_t *name);
static ngx_int_t ngx_k8s_from_ingress_met(ngx_k8s_maker_t *m, ngx_str_t *name);
static ngx_int_t ngx_k8s_from_ingress_wildcards(ngx_k8s_maker_t *m);
static ngx_str_t ngx_k8s_from_ingress_above(ngx_str_t *name);
static int ngx_libc_cdecl ngx_k8s_from_ingress_name_cmp(const void *one,
    const void *two);


/* one host of a tls entry */

ngx_int_t
ngx_k8s_from_ingress_tls(ngx_k8s_maker_t *m)
{
    ngx_int_t               rc;
    ngx_k8s_model_t        *model;
    ngx_k8s_ingress_t      *ing;
    ngx_k8s_model_tls_t    *tls;
    ngx_k8s_ingress_tls_t  *spec;

    ing = (ngx_k8s_ingress_t *) m->object;
    model = m->model;

    if (m->i == ing->ntls) {
        return NGX_OK;
    }

    spec = &ing->tls[m->i];
    tls = &model->tls[m->i];

    if (m->i == model->ntls) {
        ngx_memzero(tls, sizeof(ngx_k8s_model_tls_t));

        tls->ref.kind = NGX_K8S_SECRET;
        tls->ref.namespace = m->object->namespace;
        tls->ref.name = spec->secret;
        tls->ref.field.format = "spec.tls[%uD].secretName";
        tls->ref.field.index[0] = m->i;

        if (ngx_k8s_ingress_meant_tls(model, m->i) != NGX_OK
            || ngx_k8s_from_ingress_tls_unused(m) != NGX_OK)
        {
            return NGX_ERROR;
        }

        model->ntls++;
    }

    if (m->j < spec->nhosts) {
        rc = ngx_k8s_from_ingress_tls_host(m);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (++m->j >= spec->nhosts) {
        m->i++;
        m->j = 0;
    }

    return NGX_AGAIN;
}


/* the certificate of an entry without hosts is for those of the rules */

static ngx_int_t
ngx_k8s_from_ingress_tls_unused(ngx_k8s_maker_t *m)
{
    ngx_k8s_field_t         field;
    ngx_k8s_model_t        *model;
    ngx_k8s_ingress_tls_t  *spec;

    model = m->model;
    spec = &((ngx_k8s_ingress_t *) m->object)->tls[m->i];

    /* hosts are sorted, the one without a name is the first */

    if (spec->nhosts || spec->secret.len == 0
        || (model->nhosts && model->hosts[model->nhosts - 1].name.len))
    {
        return NGX_OK;
    }

    field.format = "spec.tls[%uD]";
    field.index[0] = m->i;

    return ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_TLS_HOST_UNUSED, NULL,
                                 &field, "no rule of this Ingress has a host, "
                                 "the certificate is used for none");
}


/* NGX_AGAIN: it has to be looked at once more */

static ngx_int_t
ngx_k8s_from_ingress_tls_host(ngx_k8s_maker_t *m)
{
    ngx_int_t              rc;
    ngx_str_t              name;
    ngx_k8s_ingress_t     *ing;
    ngx_k8s_model_host_t  *host;

    if (m->sorting) {
        rc = ngx_k8s_from_ingress_wildcards(m);

        if (rc != NGX_OK) {
            return rc;
        }

        m->sorting = 0;
    }

    ing = (ngx_k8s_ingress_t *) m->object;

    rc = ngx_k8s_host_name_pool(m->pool,
                                &ing->tls[m->i].hosts[m->j], &name);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    host = ngx_k8s_from_ingress_find(m->model, &name);

    if (host == NULL) {
        return ngx_k8s_from_ingress_unmet(m, &name);
    }

    host->ntls++;

    m->listed[m->nlisted].host = host;
    m->listed[m->nlisted++].tls = m->i;

    return NGX_OK;
}


/* room for the entries that list a host: those of one host stand together */

ngx_int_t
ngx_k8s_from_ingress_places(ngx_k8s_maker_t *m)
{
    ngx_k8s_model_host_t  *host;

    if (m->i == m->model->nhosts) {
        return NGX_OK;
    }

    if (m->i == 0) {
        m->places = ngx_palloc(m->pool,
                               m->nlisted * sizeof(uint32_t));
        if (m->places == NULL) {
            return NGX_ERROR;
        }
    }

    host = &m->model->hosts[m->i++];

    host->tls = m->places;
    m->places += host->ntls;
    host->ntls = 0;

    return NGX_AGAIN;
}


/* in their order, each once */

ngx_int_t
ngx_k8s_from_ingress_listed(ngx_k8s_maker_t *m)
{
    ngx_k8s_listed_t      *listed;
    ngx_k8s_model_host_t  *host;

    if (m->i == m->nlisted) {
        return NGX_OK;
    }

    listed = &m->listed[m->i++];
    host = listed->host;

    if (host->ntls == 0 || host->tls[host->ntls - 1] != listed->tls) {
        host->tls[host->ntls++] = listed->tls;
    }

    return NGX_AGAIN;
}


/* notes a host of a tls entry that no rule has */

static ngx_int_t
ngx_k8s_from_ingress_unmet(ngx_k8s_maker_t *m, ngx_str_t *name)
{
    ngx_int_t               rc;
    ngx_k8s_model_t        *model;
    ngx_k8s_model_unmet_t  *unmet;

    model = m->model;

    if (name->len == 0 || model->nunmet == NGX_K8S_MODEL_UNMET) {
        return NGX_OK;
    }

    rc = ngx_k8s_from_ingress_met(m, name);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (model->unmet == NULL) {
        model->unmet = ngx_pcalloc(model->pool, NGX_K8S_MODEL_UNMET
                                              * sizeof(ngx_k8s_model_unmet_t));
        if (model->unmet == NULL) {
            return NGX_ERROR;
        }
    }

    unmet = &model->unmet[model->nunmet++];

    unmet->name = *name;
    unmet->field.format = "spec.tls[%uD].hosts[%uD]";
    unmet->field.index[0] = m->i;
    unmet->field.index[1] = m->j;

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


/* NGX_OK, NGX_DECLINED: no rule has it as a wildcard either; NGX_AGAIN: the
   wildcards are not sorted yet; NGX_ERROR */

static ngx_int_t
ngx_k8s_from_ingress_met(ngx_k8s_maker_t *m, ngx_str_t *name)
{
    ngx_int_t         rc;
    ngx_str_t         above;
    ngx_k8s_model_t  *model;

    model = m->model;
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

    rc = ngx_k8s_from_ingress_wildcards(m);

    if (rc != NGX_OK) {
        m->sorting = 1;
        return rc;
    }

    return bsearch(name, m->wildcards.elts, model->nhosts, sizeof(ngx_str_t),
                   ngx_k8s_from_ingress_name_cmp)
           ? NGX_OK : NGX_DECLINED;
}


/* a step to what is above each host, sorted */

static ngx_int_t
ngx_k8s_from_ingress_wildcards(ngx_k8s_maker_t *m)
{
    ngx_str_t         above;
    ngx_k8s_sort_t   *sort;
    ngx_k8s_model_t  *model;

    sort = &m->wildcards;
    model = m->model;

    if (sort->elts == NULL) {
        return ngx_k8s_sort_init(sort, model->nhosts, sizeof(ngx_str_t),
                                 m->pool->log)
               == NGX_OK ? NGX_AGAIN : NGX_ERROR;
    }

    if (sort->nelts < model->nhosts) {
        above = ngx_k8s_from_ingress_above(&model->hosts[sort->nelts].name);
        (void) ngx_k8s_sort_push(sort, &above);

        return NGX_AGAIN;
    }

    return ngx_k8s_sort_step(sort);
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
