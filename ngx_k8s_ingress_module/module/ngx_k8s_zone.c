
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The zone of a block: nginx's slab header, and behind it one extent with the
 * table.  Made and handed from cycle to cycle in the master.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_conf.h>
#include <ngx_k8s_snapshot.h>
#include <ngx_k8s_table_set.h>

#include <sys/mman.h>


/*
 * What the blocks of one zone share from cycle to cycle; private memory of the
 * master, counted by cycles; the last one closes the memfd.
 */

struct ngx_k8s_zone_s {
    ngx_k8s_table_t         *table;
    size_t                   size;
    ngx_fd_t                 right;
    ngx_uint_t               refs;
};


static ngx_int_t ngx_k8s_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_k8s_zone_make(ngx_k8s_block_t *block);
static ngx_k8s_block_t *ngx_k8s_zone_old(ngx_k8s_block_t *block);
static ngx_int_t ngx_k8s_zone_resize(ngx_k8s_block_t *block,
    ngx_k8s_block_t *old);
static void ngx_k8s_zone_cleanup(void *data);


/* asks for the zone of a block; at configuration time */

ngx_int_t
ngx_k8s_zone_add(ngx_conf_t *cf, ngx_k8s_block_t *block)
{
    u_char              *p;
    ngx_pool_cleanup_t  *cln;

    block->right = NGX_INVALID_FILE;

    block->zone_name.len = sizeof("k8s_ingress") - 1;

    if (block->name.len) {
        block->zone_name.len += 1 + block->name.len;
    }

    p = ngx_pnalloc(cf->pool, block->zone_name.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    block->zone_name.data = p;
    p = ngx_cpymem(p, "k8s_ingress", sizeof("k8s_ingress") - 1);

    if (block->name.len) {
        *p++ = ':';
        ngx_memcpy(p, block->name.data, block->name.len);
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_k8s_zone_cleanup;
    cln->data = block;

    block->zone = ngx_shared_memory_add(cf, &block->zone_name,
                                        block->conf->zone_size,
                                        &ngx_k8s_ingress_module);
    if (block->zone == NULL) {
        return NGX_ERROR;
    }

    block->zone->init = ngx_k8s_zone_init;
    block->zone->data = block;

    return NGX_OK;
}


/*
 * Runs in the master, also at "nginx -t" (on memory of its own) and for a new
 * configuration that is then given up: what exists is only referred to.
 */

static ngx_int_t
ngx_k8s_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_k8s_block_t  *old = data;

    ngx_k8s_block_t  *block;

    block = shm_zone->data;

    if (old) {

        if (ngx_k8s_table_check(old->shared->table, old->shared->size)
            != NGX_OK)
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "the route table in zone \"%V\" is damaged, nginx "
                          "has to be restarted", &block->zone_name);
            return NGX_ERROR;
        }

        block->shared = old->shared;
        block->shared->refs++;

    } else {

        if (ngx_k8s_zone_make(block) != NGX_OK) {
            return NGX_ERROR;
        }

        old = ngx_k8s_zone_old(block);

        if (old && ngx_k8s_zone_resize(block, old) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    block->table = block->shared->table;
    block->right = block->shared->right;
    block->told = old ? ngx_cycle->log->log_level : NGX_LOG_DEBUG;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_zone_make(ngx_k8s_block_t *block)
{
    void             *addr;
    size_t            size;
    ngx_shm_t        *shm;
    ngx_k8s_zone_t   *zone;
    ngx_slab_pool_t  *shpool;

    shm = &block->zone->shm;
    shpool = (ngx_slab_pool_t *) shm->addr;

    zone = ngx_calloc(sizeof(ngx_k8s_zone_t), shm->log);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->right = NGX_INVALID_FILE;
    zone->refs = 1;

    block->shared = zone;

    /* keys and certificates do not belong in a core file */

    if (madvise(shm->addr, shm->size, MADV_DONTDUMP) == -1) {
        ngx_log_error(NGX_LOG_WARN, shm->log, ngx_errno,
                      "madvise(MADV_DONTDUMP) failed");
    }

    size = shpool->pfree * ngx_pagesize;
    addr = ngx_slab_alloc(shpool, size);

    if (addr == NULL || ngx_k8s_table_init(addr, size) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm->log, 0,
                      "zone \"%V\" is too small for a route table",
                      &block->zone_name);
        return NGX_ERROR;
    }

    zone->table = addr;
    zone->size = size;

    block->table = addr;

    if (block->conf->snapshot.path.len) {
        ngx_k8s_table_set_restore(zone->table, NGX_K8S_RESTORE_WANTED);
    }

    zone->right = ngx_k8s_right_create(shm->log);

    if (zone->right == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the block of the running cycle with a zone of this name and another size */

static ngx_k8s_block_t *
ngx_k8s_zone_old(ngx_k8s_block_t *block)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_shm_zone_t   *zone;

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
    zone = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            zone = part->elts;
            i = 0;
        }

        if (zone[i].tag == (void *) &ngx_k8s_ingress_module
            && zone[i].shm.name.len == block->zone_name.len
            && ngx_strncmp(zone[i].shm.name.data, block->zone_name.data,
                           block->zone_name.len)
               == 0)
        {
            return zone[i].data;
        }
    }
}


void
ngx_k8s_zone_begin(ngx_k8s_block_t *block)
{
    ngx_k8s_block_t  *old;

    old = ngx_k8s_zone_old(block);

    ngx_k8s_table_set_cycle(block->table);

    if (old && old->shared && old->shared != block->shared) {
        ngx_k8s_table_set_cycle(old->shared->table);
    }
}


/* old workers go on with the old zone; new ones begin with all that it had */

static ngx_int_t
ngx_k8s_zone_resize(ngx_k8s_block_t *block, ngx_k8s_block_t *old)
{
    size_t           missing;
    ngx_int_t        rc;
    ngx_log_t       *log;
    ngx_k8s_view_t   view;

    log = block->zone->shm.log;

    if (old->shared == NULL || old->shared == block->shared) {
        return NGX_OK;
    }

    if (ngx_k8s_table_check(old->shared->table, old->shared->size) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "the route table in zone \"%V\" is damaged, nginx has to "
                      "be restarted", &block->zone_name);
        return NGX_ERROR;
    }

    /* the pin of a process that is not known to live does not count */

    if (ngx_k8s_right_alive(old->shared->right, NGX_K8S_WORD_MASTER, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_k8s_view_init(&view, old->shared->table, NGX_K8S_WORD_MASTER);

    rc = ngx_k8s_table_copy(&view, block->table, &missing, log);

    if (rc == NGX_OK) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "the size of zone \"%V\" changes from %uz to %uz, its "
                      "routes are copied", &block->zone_name,
                      old->zone->shm.size, block->zone->shm.size);
        return NGX_OK;
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "size %uz of zone \"%V\" is too small for what it holds, "
                      "%uz bytes are missing: leave it at %uz or more",
                      block->zone->shm.size, &block->zone_name, missing,
                      old->zone->shm.size);
    }

    return NGX_ERROR;
}


static void
ngx_k8s_zone_cleanup(void *data)
{
    ngx_k8s_block_t  *block = data;

    ngx_k8s_zone_t  *zone;

    zone = block->shared;

    if (zone == NULL) {
        return;
    }

    block->shared = NULL;

    if (--zone->refs) {
        return;
    }

    if (zone->right != NGX_INVALID_FILE) {
        (void) ngx_close_file(zone->right);
    }

    ngx_free(zone);
}
