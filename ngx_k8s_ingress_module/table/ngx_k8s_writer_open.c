
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A writer begins with a recovery of the table, and ends.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>


#define NGX_K8S_OPEN_RECORDS         65536   /* of one slice */


ngx_k8s_writer_t *
ngx_k8s_writer_open(ngx_k8s_table_t *table, ngx_fd_t fd, ngx_log_t *log)
{
    ngx_int_t          rc;
    ngx_k8s_writer_t  *w;

    w = ngx_k8s_writer_begin(table, fd, log);
    if (w == NULL) {
        return NULL;
    }

    do {
        rc = ngx_k8s_writer_continue(w, NGX_K8S_OPEN_RECORDS);
    } while (rc == NGX_AGAIN);

    if (rc != NGX_OK) {
        ngx_k8s_writer_close(w);
        return NULL;
    }

    return w;
}


ngx_k8s_writer_t *
ngx_k8s_writer_begin(ngx_k8s_table_t *table, ngx_fd_t fd, ngx_log_t *log)
{
    ngx_k8s_writer_t  *w;

    w = ngx_calloc(sizeof(ngx_k8s_writer_t), log);
    if (w == NULL) {
        return NULL;
    }

    w->table = table;
    w->fd = fd;
    w->log = log;
    w->last = &w->retired;

    w->total = (table->size - table->heap) / NGX_K8S_GRANULE;
    w->reserve = w->total / 10;
    w->largest = ngx_min(w->reserve * 2 / 5,
                         NGX_K8S_RECORD_MAX / NGX_K8S_GRANULE);
    w->share = w->total / 32;

    w->stats.stats = 1;
    w->limbo_stats.stats = 1;
    w->lost_stats.stats = 1;

    ngx_rbtree_init(&w->refs, &w->sentinel, ngx_rbtree_insert_value);

    if (ngx_k8s_alloc_init(&w->alloc, log) != NGX_OK
        || ngx_k8s_recover_begin(w) != NGX_OK)
    {
        ngx_k8s_writer_close(w);
        return NULL;
    }

    return w;
}


ngx_int_t
ngx_k8s_writer_continue(ngx_k8s_writer_t *w, ngx_uint_t n)
{
    return w->recover ? ngx_k8s_recover_run(w, n) : NGX_OK;
}


void
ngx_k8s_writer_close(ngx_k8s_writer_t *w)
{
    ngx_k8s_recover_free(w);
    ngx_k8s_alloc_done(&w->alloc);

    ngx_free(w);
}


ngx_k8s_table_t *
ngx_k8s_writer_table(ngx_k8s_writer_t *w)
{
    return w->table;
}
