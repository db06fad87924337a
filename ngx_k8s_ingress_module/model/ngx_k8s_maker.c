
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What the makers of models share: what they hold until the end, and a merge
 * sort of which each step moves one element.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


static void ngx_k8s_sort_done(ngx_k8s_sort_t *sort);
static ngx_int_t ngx_k8s_sort_cmp(ngx_str_t *one, ngx_str_t *two);


void
ngx_k8s_maker_done(ngx_k8s_maker_t *m)
{
    ngx_k8s_sort_done(&m->rules);
    ngx_k8s_sort_done(&m->wildcards);

    if (m->listed) {
        ngx_free(m->listed);
        m->listed = NULL;
    }
}


ngx_int_t
ngx_k8s_sort_init(ngx_k8s_sort_t *sort, ngx_uint_t n, size_t size,
    ngx_log_t *log)
{
    sort->elts = ngx_alloc(ngx_max(n, 1) * size, log);
    sort->to = ngx_alloc(ngx_max(n, 1) * size, log);

    if (sort->elts == NULL || sort->to == NULL) {
        ngx_k8s_sort_done(sort);
        return NGX_ERROR;
    }

    sort->size = size;
    sort->width = 1;

    return NGX_OK;
}


void *
ngx_k8s_sort_push(ngx_k8s_sort_t *sort, ngx_str_t *name)
{
    ngx_str_t  *elt;

    elt = ngx_k8s_sort_elt(sort, sort->nelts);

    if (sort->nelts
        && ngx_k8s_sort_cmp(ngx_k8s_sort_elt(sort, sort->nelts - 1), name) > 0)
    {
        sort->unsorted = 1;
    }

    *elt = *name;
    sort->nelts++;

    return elt;
}


static ngx_int_t
ngx_k8s_sort_cmp(ngx_str_t *one, ngx_str_t *two)
{
    return ngx_memn2cmp(one->data, two->data, one->len, two->len);
}


ngx_int_t
ngx_k8s_sort_step(ngx_k8s_sort_t *sort)
{
    u_char      *elts;
    ngx_uint_t   first, middle, last, from;

    if (!sort->unsorted) {
        return NGX_OK;
    }

    if (sort->n == sort->nelts) {
        elts = sort->elts;
        sort->elts = sort->to;
        sort->to = elts;

        sort->n = 0;
        sort->width *= 2;
        sort->unsorted = (sort->width < sort->nelts);

        return NGX_AGAIN;
    }

    /* the pair of runs that is being merged */

    first = sort->n - sort->n % (2 * sort->width);
    middle = ngx_min(first + sort->width, sort->nelts);
    last = ngx_min(first + 2 * sort->width, sort->nelts);

    if (sort->n == first) {
        sort->one = first;
        sort->two = middle;
    }

    if (sort->two == last
        || (sort->one < middle
            && ngx_k8s_sort_cmp(ngx_k8s_sort_elt(sort, sort->one),
                                ngx_k8s_sort_elt(sort, sort->two))
               <= 0))
    {
        from = sort->one++;

    } else {
        from = sort->two++;
    }

    ngx_memcpy(sort->to + sort->n++ * sort->size, ngx_k8s_sort_elt(sort, from),
               sort->size);

    return NGX_AGAIN;
}


static void
ngx_k8s_sort_done(ngx_k8s_sort_t *sort)
{
    if (sort->elts) {
        ngx_free(sort->elts);
        sort->elts = NULL;
    }

    if (sort->to) {
        ngx_free(sort->to);
        sort->to = NULL;
    }
}
