
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What nginx.conf says of what keys of the ConfigMap would say, where it can
 * be seen: configurations of modules that nginx's headers show.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


/* where a word stands */

#define NGX_HTTP_K8S_IN_MAIN         0
#define NGX_HTTP_K8S_IN_EVENTS       1
#define NGX_HTTP_K8S_IN_HTTP         2
#define NGX_HTTP_K8S_IN_SERVER       3
#define NGX_HTTP_K8S_IN_LOCATION     4
#define NGX_HTTP_K8S_IN_BLOCK        5   /* ours */

typedef struct {
    ngx_str_t                key;
    ngx_uint_t               in;
    char                    *module;
    size_t                   offset;
    /* "p" is where the word is; NULL: it is to be equal */
    ngx_uint_t             (*same)(void *p, ngx_uint_t value);
    unsigned                 any:1;      /* one of the passes does, or of their
                                            addresses */
} ngx_http_k8s_running_t;


static ngx_int_t ngx_http_k8s_running_params(ngx_str_t *value);
static ngx_int_t ngx_http_k8s_running_file(ngx_str_t *name);
static ngx_uint_t ngx_http_k8s_running_http2(ngx_k8s_block_t *block);
static ngx_uint_t ngx_http_k8s_running_same(ngx_http_k8s_running_t *running,
    ngx_http_k8s_loc_conf_t *klcf, ngx_uint_t value);
static void *ngx_http_k8s_running_conf(ngx_http_k8s_running_t *running,
    ngx_http_k8s_loc_conf_t *klcf);
static ngx_uint_t ngx_http_k8s_running_workers(void *p, ngx_uint_t value);
static ngx_uint_t ngx_http_k8s_running_limit(void *p, ngx_uint_t value);
static ngx_uint_t ngx_http_k8s_running_bucket(void *p, ngx_uint_t value);
static ngx_uint_t ngx_http_k8s_running_level(void *p, ngx_uint_t value);
#if (NGX_HTTP_SSL)
static ngx_uint_t ngx_http_k8s_running_sessions(void *p, ngx_uint_t value);
#endif
static ngx_uint_t ngx_http_k8s_running_proxy(void *p, ngx_uint_t value);
static ngx_uint_t ngx_http_k8s_running_reuseport(void *p, ngx_uint_t value);


#define ngx_http_k8s_in_main(field)                                           \
    NGX_HTTP_K8S_IN_MAIN, "ngx_core_module", offsetof(ngx_core_conf_t, field)
#define ngx_http_k8s_in_events(field)                                         \
    NGX_HTTP_K8S_IN_EVENTS, "ngx_event_core_module",                          \
    offsetof(ngx_event_conf_t, field)
#define ngx_http_k8s_in_http(field)                                           \
    NGX_HTTP_K8S_IN_HTTP, "ngx_http_core_module",                             \
    offsetof(ngx_http_core_main_conf_t, field)
#define ngx_http_k8s_in_location(field)                                       \
    NGX_HTTP_K8S_IN_LOCATION, "ngx_http_core_module",                         \
    offsetof(ngx_http_core_loc_conf_t, field)

static ngx_http_k8s_running_t  ngx_http_k8s_runnings[] = {

    { ngx_string("worker-processes"), ngx_http_k8s_in_main(worker_processes),
      ngx_http_k8s_running_workers, 0 },

    { ngx_string("worker-shutdown-timeout"),
      ngx_http_k8s_in_main(shutdown_timeout), NULL, 0 },

    { ngx_string("max-worker-open-files"), ngx_http_k8s_in_main(rlimit_nofile),
      ngx_http_k8s_running_limit, 0 },

    { ngx_string("max-worker-connections"),
      ngx_http_k8s_in_events(connections), ngx_http_k8s_running_limit, 0 },

    { ngx_string("enable-multi-accept"), ngx_http_k8s_in_events(multi_accept),
      NULL, 0 },

    { ngx_string("variables-hash-max-size"),
      ngx_http_k8s_in_http(variables_hash_max_size), NULL, 0 },

    { ngx_string("variables-hash-bucket-size"),
      ngx_http_k8s_in_http(variables_hash_bucket_size),
      ngx_http_k8s_running_bucket, 0 },

#if (NGX_HTTP_V2)
    { ngx_string("use-http2"), NGX_HTTP_K8S_IN_SERVER, "ngx_http_v2_module",
      offsetof(ngx_http_v2_srv_conf_t, enable), NULL, 1 },
#endif

#if (NGX_HTTP_SSL)
    { ngx_string("ssl-session-cache-size"), NGX_HTTP_K8S_IN_SERVER,
      "ngx_http_ssl_module", offsetof(ngx_http_ssl_srv_conf_t, shm_zone),
      ngx_http_k8s_running_sessions, 0 },
#endif

    { ngx_string("enable-aio-write"), ngx_http_k8s_in_location(aio_write),
      NULL, 0 },

    { ngx_string("error-log-level"), ngx_http_k8s_in_location(error_log),
      ngx_http_k8s_running_level, 0 },

    { ngx_string("use-proxy-protocol"), NGX_HTTP_K8S_IN_BLOCK, NULL,
      offsetof(ngx_k8s_block_t, listens), ngx_http_k8s_running_proxy, 1 },

    { ngx_string("reuse-port"), NGX_HTTP_K8S_IN_BLOCK, NULL,
      offsetof(ngx_k8s_block_t, listens), ngx_http_k8s_running_reuseport, 0 },

    { ngx_null_string, 0, NULL, 0, NULL, 0 }
};


/* keys that name the file of a log */

static ngx_str_t  ngx_http_k8s_running_logs[] = {
    ngx_string("access-log-path"),
    ngx_string("http-access-log-path"),
    ngx_string("error-log-path")
};


ngx_int_t
ngx_http_k8s_running(ngx_k8s_block_t *block, ngx_k8s_row_t *row,
    ngx_str_t *value)
{
    ngx_uint_t                 i, n, on, yes, word;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_k8s_running_t    *running;
    ngx_http_k8s_main_conf_t  *kmcf;

    if (row->offset == offsetof(ngx_k8s_settings_t, log_params)) {
        return ngx_http_k8s_running_params(value);
    }

    for (i = 0; i < sizeof(ngx_http_k8s_running_logs) / sizeof(ngx_str_t); i++)
    {
        if (ngx_http_k8s_running_logs[i].len == row->name.len
            && ngx_strncmp(ngx_http_k8s_running_logs[i].data, row->name.data,
                           row->name.len)
               == 0)
        {
            return ngx_http_k8s_running_file(value);
        }
    }

    for (running = ngx_http_k8s_runnings; running->key.len; running++) {
        if (running->key.len == row->name.len
            && ngx_strncmp(running->key.data, row->name.data, row->name.len)
               == 0)
        {
            break;
        }
    }

    if (running->key.len == 0
        || row->grammar->decode(row->grammar, value, &word) != NGX_OK)
    {
        return NGX_DONE;
    }

    kmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_k8s_module);

    pass = kmcf->passes.elts;
    n = 0;
    yes = 0;

    for (i = 0; i < kmcf->passes.nelts; i++) {
        if (pass[i].conf->block == block) {
            n++;
            yes += ngx_http_k8s_running_same(running, pass[i].conf, word);
        }
    }

    if (running->any) {
        on = ngx_http_k8s_running_http2(block) || (word ? yes : n - yes);

        return (on == word) ? NGX_OK : NGX_DECLINED;
    }

    return (yes == n) ? NGX_OK : NGX_DECLINED;
}


/* "if=" is not nginx.conf's */

static ngx_int_t
ngx_http_k8s_running_params(ngx_str_t *value)
{
    ngx_str_t  rest, word;

    rest = *value;

    while (ngx_k8s_log_param_next(&rest, &word) == NGX_OK) {
        if (word.len < 3 || ngx_strncmp(word.data, "if=", 3) != 0) {
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


/* whether nginx has a file of this name open, which is all that can be seen */

static ngx_int_t
ngx_http_k8s_running_file(ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_open_file_t  *file;

    for (part = (ngx_list_part_t *) &ngx_cycle->open_files.part; part;
         part = part->next)
    {
        file = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (file[i].name.len == name->len
                && ngx_strncmp(file[i].name.data, name->data, name->len) == 0)
            {
                return NGX_OK;
            }
        }
    }

    return NGX_DECLINED;
}


/* as a parameter of listen, older than the directive */

static ngx_uint_t
ngx_http_k8s_running_http2(ngx_k8s_block_t *block)
{
    ngx_uint_t         i;
    ngx_k8s_listen_t  *listen;

    listen = block->listens.elts;

    for (i = 0; i < block->listens.nelts; i++) {
        if (listen[i].http2) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_k8s_running_same(ngx_http_k8s_running_t *running,
    ngx_http_k8s_loc_conf_t *klcf, ngx_uint_t value)
{
    u_char  *p;

    p = ngx_http_k8s_running_conf(running, klcf);

    if (p == NULL) {
        return 0;
    }

    p += running->offset;

    return running->same ? running->same(p, value)
                         : *(ngx_uint_t *) p == value;
}


/* NULL: the module is not in this nginx */

static void *
ngx_http_k8s_running_conf(ngx_http_k8s_running_t *running,
    ngx_http_k8s_loc_conf_t *klcf)
{
    ngx_uint_t     i;
    ngx_module_t  *module;

    if (running->in == NGX_HTTP_K8S_IN_BLOCK) {
        return klcf->block;
    }

    for (i = 0; ngx_cycle->modules[i]; i++) {
        if (ngx_strcmp(ngx_cycle->modules[i]->name, running->module) == 0) {
            break;
        }
    }

    module = ngx_cycle->modules[i];

    if (module == NULL) {
        return NULL;
    }

    switch (running->in) {

    case NGX_HTTP_K8S_IN_MAIN:
        return ngx_get_conf(ngx_cycle->conf_ctx, (*module));

    case NGX_HTTP_K8S_IN_EVENTS:
        return ngx_event_get_conf(ngx_cycle->conf_ctx, (*module));

    case NGX_HTTP_K8S_IN_HTTP:
        return klcf->ctx.main_conf[module->ctx_index];

    case NGX_HTTP_K8S_IN_SERVER:
        return klcf->ctx.srv_conf[module->ctx_index];

    default: /* NGX_HTTP_K8S_IN_LOCATION */
        return klcf->ctx.loc_conf[module->ctx_index];
    }
}


static ngx_uint_t
ngx_http_k8s_running_workers(void *p, ngx_uint_t value)
{
    return *(ngx_uint_t *) p == (value ? value : (ngx_uint_t) ngx_ncpu);
}


/* 0 leaves it to the controller */

static ngx_uint_t
ngx_http_k8s_running_limit(void *p, ngx_uint_t value)
{
    return value == 0 || *(ngx_uint_t *) p == value;
}


static ngx_uint_t
ngx_http_k8s_running_bucket(void *p, ngx_uint_t value)
{
    return *(ngx_uint_t *) p == ngx_align(value, ngx_cacheline_size);
}


static ngx_uint_t
ngx_http_k8s_running_level(void *p, ngx_uint_t value)
{
    ngx_log_t   *log;
    ngx_uint_t   level;

    level = 0;

    for (log = *(ngx_log_t **) p; log; log = log->next) {
        level = ngx_max(level, log->log_level);
    }

    return ngx_min(level, NGX_LOG_DEBUG) == value;
}


#if (NGX_HTTP_SSL)

/* a server without TLS has none */

static ngx_uint_t
ngx_http_k8s_running_sessions(void *p, ngx_uint_t value)
{
    ngx_shm_zone_t           *shm_zone;
    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = (ngx_http_ssl_srv_conf_t *)
               ((u_char *) p - offsetof(ngx_http_ssl_srv_conf_t, shm_zone));

    shm_zone = sscf->shm_zone;

    return sscf->ssl.ctx == NULL
           || (shm_zone && shm_zone->shm.size == value);
}

#endif


/* one that has it does, beside others for clients that come directly */

static ngx_uint_t
ngx_http_k8s_running_proxy(void *p, ngx_uint_t value)
{
    ngx_array_t *listens = p;

    ngx_uint_t         i;
    ngx_k8s_listen_t  *listen;

    listen = listens->elts;

    for (i = 0; i < listens->nelts; i++) {
        if (!listen[i].udp && listen[i].proxy) {
            return value;
        }
    }

    return !value;
}


static ngx_uint_t
ngx_http_k8s_running_reuseport(void *p, ngx_uint_t value)
{
    ngx_array_t *listens = p;

    ngx_uint_t         i;
    ngx_k8s_listen_t  *listen;

    listen = listens->elts;

    for (i = 0; i < listens->nelts; i++) {
        if (!listen[i].udp && listen[i].reuseport != value) {
            return 0;
        }
    }

    return 1;
}
