
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The zones that all workers write to, of each block: in one clients are
 * counted (ngx_k8s_limits.h), in the other one answers of auth servers are kept
 * (ngx_k8s_answers.h).  A process that dies is noticed by the others within a
 * second; until then what it held counts.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_conf.h>
#include <ngx_k8s_module.h>
#include <sys/random.h>


static ngx_int_t ngx_k8s_limit_zone_named(ngx_conf_t *cf,
    ngx_k8s_block_t *block, char *prefix, size_t size,
    ngx_shm_zone_init_pt init);
static ngx_int_t ngx_k8s_limit_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_k8s_limit_zone_answers(ngx_shm_zone_t *shm_zone,
    void *data);
static u_char *ngx_k8s_limit_zone_all(ngx_shm_zone_t *shm_zone, size_t *size);
static ngx_int_t ngx_k8s_limit_zone_seed(uint64_t *seed, ngx_log_t *log);
static void ngx_k8s_limit_zone_take(ngx_k8s_block_t *block);
static void ngx_k8s_limit_zone_sweep(ngx_event_t *ev);


ngx_int_t
ngx_k8s_limit_zone_add(ngx_conf_t *cf, ngx_k8s_block_t *block)
{
    if (ngx_k8s_limit_zone_named(cf, block, "k8s_limits",
                                 block->conf->limits_size,
                                 ngx_k8s_limit_zone_init)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_limit_zone_named(cf, block, "k8s_auth_cache",
                                    block->conf->answers_size,
                                    ngx_k8s_limit_zone_answers);
}


static ngx_int_t
ngx_k8s_limit_zone_named(ngx_conf_t *cf, ngx_k8s_block_t *block, char *prefix,
    size_t size, ngx_shm_zone_init_pt init)
{
    ngx_str_t        name;
    ngx_shm_zone_t  *zone;

    name.len = ngx_strlen(prefix) + 1 + block->name.len;
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    name.len = ngx_sprintf(name.data, "%s%s%V", prefix,
                           block->name.len ? ":" : "", &block->name)
               - name.data;

    zone = ngx_shared_memory_add(cf, &name, size, &ngx_k8s_ingress_module);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = init;
    zone->data = block;

    return NGX_OK;
}


/* in the master */

static ngx_int_t
ngx_k8s_limit_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_k8s_block_t *old = data;

    u_char           *addr;
    size_t            size;
    uint64_t          seed[2];
    ngx_k8s_block_t  *block;

    block = shm_zone->data;

    if (old) {
        block->limits = old->limits;
        return NGX_OK;
    }

    addr = ngx_k8s_limit_zone_all(shm_zone, &size);

    if (addr == NULL
        || ngx_k8s_limit_zone_seed(seed, shm_zone->shm.log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    block->limits = ngx_k8s_limits_init(addr, size, seed);

    return NGX_OK;
}


/* likewise */

static ngx_int_t
ngx_k8s_limit_zone_answers(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_k8s_block_t *old = data;

    u_char           *addr;
    size_t            size;
    ngx_k8s_block_t  *block;

    block = shm_zone->data;

    if (old) {
        block->answers = old->answers;
        return NGX_OK;
    }

    addr = ngx_k8s_limit_zone_all(shm_zone, &size);
    if (addr == NULL) {
        return NGX_ERROR;
    }

    block->answers = ngx_k8s_answers_init(addr, size);

    return NGX_OK;
}


static u_char *
ngx_k8s_limit_zone_all(ngx_shm_zone_t *shm_zone, size_t *size)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    *size = shpool->pfree * ngx_pagesize;

    return ngx_slab_alloc(shpool, *size);
}


static ngx_int_t
ngx_k8s_limit_zone_seed(uint64_t *seed, ngx_log_t *log)
{
    if (getrandom(seed, 2 * sizeof(uint64_t), 0) != 2 * sizeof(uint64_t)) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "getrandom() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_k8s_limit_zone_open(ngx_k8s_block_t *block, ngx_cycle_t *cycle)
{
    ngx_event_t  *ev;

    ngx_k8s_limits_sweep(block->limits, ngx_pid, ngx_k8s_limit_zone_alive);

    ngx_k8s_limit_zone_take(block);

    if (block->limits_process == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "more than %d processes count connections, this one "
                      "lets none through where limit-connections says how "
                      "many, until others have ended",
                      NGX_K8S_LIMIT_PROCESSES);
    }

    ev = &block->limits_sweep;

    ev->handler = ngx_k8s_limit_zone_sweep;
    ev->data = block;
    ev->log = cycle->log;
    ev->cancelable = 1;
}


static void
ngx_k8s_limit_zone_take(ngx_k8s_block_t *block)
{
    block->limits_process = ngx_k8s_limits_open(block->limits, ngx_pid);

    if (block->limits_process != NGX_ERROR) {
        ngx_k8s_answers_open(block->answers, block->limits_process);
    }
}


void
ngx_k8s_limit_zone_close(ngx_k8s_block_t *block)
{
    if (block->limits && block->limits_process != NGX_ERROR) {
        ngx_k8s_limits_close(block->limits, block->limits_process);
        block->limits_process = NGX_ERROR;
    }
}


static void
ngx_k8s_limit_zone_sweep(ngx_event_t *ev)
{
    ngx_k8s_block_t *block = ev->data;

    ngx_k8s_limits_sweep(block->limits, ngx_pid, ngx_k8s_limit_zone_alive);

    if (block->limits_process == NGX_ERROR) {
        ngx_k8s_limit_zone_take(block);
    }

    if (block->limits_process == NGX_ERROR
        || block->limits->held[block->limits_process])
    {
        ngx_add_timer(ev, NGX_K8S_LIMIT_SWEEP);
    }
}


ngx_uint_t
ngx_k8s_limit_zone_alive(ngx_pid_t pid)
{
    return kill(pid, 0) == 0 || ngx_errno != ESRCH;
}
