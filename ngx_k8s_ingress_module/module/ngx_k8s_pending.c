
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Weak stand-ins for functions of rooms that are still being built, so that
 * the module can be linked and loaded; each goes when its room comes.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_watcher.h>


#define weak  __attribute__((weak))


weak ngx_k8s_store_t *
ngx_k8s_store_create(ngx_k8s_class_conf_t *conf,
    ngx_k8s_store_events_t *events, ngx_log_t *log)
{
    return NULL;
}


weak void
ngx_k8s_store_destroy(ngx_k8s_store_t *store)
{
}


weak ngx_int_t
ngx_k8s_store_put(ngx_k8s_store_t *store, ngx_k8s_object_t *object)
{
    return NGX_ERROR;
}


weak void
ngx_k8s_store_delete(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_str_t *uid)
{
}


weak void
ngx_k8s_store_begin(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *scope)
{
}


weak ngx_int_t
ngx_k8s_store_end(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *scope, ngx_uint_t budget)
{
    return NGX_OK;
}


weak void
ngx_k8s_store_abort(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *scope)
{
}


weak void
ngx_k8s_store_refused(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_uint_t refused)
{
}


weak ngx_uint_t
ngx_k8s_store_count(ngx_k8s_store_t *store, ngx_uint_t kind)
{
    return 0;
}


weak ngx_k8s_compile_t *
ngx_k8s_compile_create(ngx_k8s_compile_conf_t *conf, ngx_k8s_store_t *store,
    ngx_k8s_writer_t *writer, ngx_log_t *log)
{
    return NULL;
}


weak void
ngx_k8s_compile_destroy(ngx_k8s_compile_t *c)
{
}


weak ngx_int_t
ngx_k8s_compile_run(ngx_k8s_compile_t *c, ngx_uint_t usec)
{
    return NGX_OK;
}


weak void
ngx_k8s_compile_synced(ngx_k8s_compile_t *c)
{
}


weak void
ngx_k8s_compile_clock(ngx_k8s_compile_t *c, time_t now)
{
}


weak void
ngx_k8s_compile_problems(ngx_k8s_compile_t *c, ngx_str_t *kind, ngx_str_t *ns,
    ngx_str_t *name, ngx_uint_t n, ngx_k8s_problem_t *problems)
{
}


weak ngx_k8s_source_t *
ngx_k8s_manifests_start(ngx_k8s_source_conf_t *conf, ngx_k8s_sink_t *sink,
    ngx_log_t *log)
{
    return NULL;
}


weak char *
ngx_k8s_manifests_check(ngx_k8s_source_conf_t *conf, ngx_pool_t *pool)
{
    return NULL;
}
