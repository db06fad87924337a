
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * /readyz: for each block whether it is ready, and in words why not; a kind
 * that is refused leaves a block ready but degraded, and one that serves a
 * snapshot is ready and stale.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_admin.h>


static ngx_int_t ngx_http_k8s_ready_block(ngx_http_k8s_admin_t *a,
    ngx_k8s_block_t *block);
static ngx_uint_t ngx_http_k8s_ready_kinds(ngx_http_k8s_admin_t *a,
    ngx_k8s_table_t *table, ngx_uint_t ready);


ngx_int_t
ngx_http_k8s_ready(ngx_http_k8s_admin_t *a)
{
    ngx_int_t   rc;
    ngx_uint_t  n;

    rc = NGX_OK;

    for (n = 0; n < a->nblocks; n++) {
        if (ngx_http_k8s_ready_block(a, a->blocks[n]) != NGX_OK) {
            rc = NGX_DECLINED;
        }
    }

    if (a->nblocks == 0) {
        ngx_http_k8s_puts(a, "ready\n");
    }

    return rc;
}


static ngx_int_t
ngx_http_k8s_ready_block(ngx_http_k8s_admin_t *a, ngx_k8s_block_t *block)
{
    ngx_uint_t        ready, known;
    ngx_k8s_table_t  *table;

    table = ngx_k8s_pin(block);
    ready = (table && table->ready);

    if (block->name.len) {
        ngx_http_k8s_printf(a, "%V: ", &block->name);
    }

    if (ready) {
        ngx_http_k8s_puts(a, "ready\n");

    } else {
        ngx_http_k8s_puts(a, "not ready\n");
    }

    if (table == NULL) {
        ngx_http_k8s_puts(a, "  there is no table\n");
        return NGX_DECLINED;
    }

    if (table->restored) {
        ngx_http_k8s_printf(a, "  stale: the routes are those of a snapshot, "
                            "%T seconds old\n",
                            ngx_time() - (time_t) table->restored);
    }

    known = ngx_http_k8s_ready_kinds(a, table, ready);

    if (ready) {
        return NGX_OK;
    }

    if (known == 0) {
        ngx_http_k8s_puts(a, "  nothing is listed yet: the watcher has "
                             "not started\n");

    } else {
        ngx_http_k8s_puts(a, "  the routes are not published yet\n");
    }

    return NGX_DECLINED;
}


/* a line for each kind that is not in order; how many kinds are known */

static ngx_uint_t
ngx_http_k8s_ready_kinds(ngx_http_k8s_admin_t *a, ngx_k8s_table_t *table,
    ngx_uint_t ready)
{
    uint64_t         cursor;
    ngx_str_t        kind, reason;
    ngx_uint_t       known;
    ngx_k8s_sync_t  *sync;

    cursor = 0;
    known = 0;

    for ( ;; ) {
        sync = ngx_k8s_table_next(table, NGX_K8S_INDEX_SYNC, &cursor);

        if (sync == NULL) {
            return known;
        }

        known++;

        kind = ngx_http_k8s_str(sync, &sync->kind);
        reason = ngx_http_k8s_str(sync, &sync->reason);
        reason.len = ngx_min(reason.len, 256);

        if (sync->state == NGX_K8S_SYNC_LISTED) {
            continue;
        }

        if (sync->state == NGX_K8S_SYNC_REFUSED) {
            ngx_http_k8s_printf(a, "  %V are refused%s", &kind,
                                sync->required
                                ? (ready ? "" : ", and needed")
                                : ", degraded");

        } else {
            ngx_http_k8s_printf(a, "  %V are not listed yet", &kind);
        }

        if (reason.len) {
            ngx_http_k8s_printf(a, ": %V", &reason);
        }

        ngx_http_k8s_puts(a, "\n");
    }
}
