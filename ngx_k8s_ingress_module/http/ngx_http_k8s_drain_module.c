
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * k8s_ingress_drain_file: as soon as the file exists, each worker ends
 * keep-alive with its clients: an answer over HTTP/1.1 says "Connection:
 * close", HTTP/2 and HTTP/3 clients get a GOAWAY with their next request.  So
 * clients leave in the graceful shutdown of a Pod while it still accepts new
 * connections, and no idle connection is closed under a request.  There is no
 * way back but a reload or a restart.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#define NGX_HTTP_K8S_DRAIN_INTERVAL  250


typedef struct {
    ngx_str_t                file;       /* empty: none */

    /* of one worker */
    ngx_uint_t               draining;   /* the file was seen */
    ngx_event_t              timer;
    ngx_connection_t         dummy;      /* what the timer's log asks for */
} ngx_http_k8s_drain_conf_t;


static void *ngx_http_k8s_drain_create_conf(ngx_conf_t *cf);
static char *ngx_http_k8s_drain_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_k8s_drain_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_k8s_drain_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_k8s_drain_header_filter(ngx_http_request_t *r);
static void ngx_http_k8s_drain_timer(ngx_event_t *ev);


static ngx_command_t  ngx_http_k8s_drain_commands[] = {

    { ngx_string("k8s_ingress_drain_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_k8s_drain_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_k8s_drain_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_k8s_drain_init,               /* postconfiguration */

    ngx_http_k8s_drain_create_conf,        /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_k8s_drain_module = {
    NGX_MODULE_V1,
    &ngx_http_k8s_drain_module_ctx,        /* module context */
    ngx_http_k8s_drain_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_k8s_drain_init_process,       /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


static void *
ngx_http_k8s_drain_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_drain_conf_t));
}


static char *
ngx_http_k8s_drain_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_k8s_drain_conf_t *kdcf = conf;

    ngx_str_t  *value;

    if (kdcf->file.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs the name of a file";
    }

    kdcf->file = value[1];

    if (ngx_conf_full_name(cf->cycle, &kdcf->file, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_k8s_drain_init(ngx_conf_t *cf)
{
    ngx_http_k8s_drain_conf_t  *kdcf;

    kdcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_drain_module);

    if (kdcf->file.len) {
        ngx_http_next_header_filter = ngx_http_top_header_filter;
        ngx_http_top_header_filter = ngx_http_k8s_drain_header_filter;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_drain_header_filter(ngx_http_request_t *r)
{
    ngx_http_k8s_drain_conf_t  *kdcf;

    kdcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_drain_module);

    if (kdcf->draining) {
        r->keepalive = 0;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_k8s_drain_init_process(ngx_cycle_t *cycle)
{
    ngx_http_k8s_drain_conf_t  *kdcf;

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    kdcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_k8s_drain_module);

    if (kdcf == NULL || kdcf->file.len == 0) {
        return NGX_OK;
    }

    kdcf->dummy.fd = (ngx_socket_t) -1;

    kdcf->timer.handler = ngx_http_k8s_drain_timer;
    kdcf->timer.data = &kdcf->dummy;
    kdcf->timer.log = cycle->log;
    kdcf->timer.cancelable = 1;

    kdcf->dummy.data = kdcf;

    ngx_add_timer(&kdcf->timer, 1);

    return NGX_OK;
}


/*
 * HTTP/2 and HTTP/3 look at the configuration of the server, of which a worker
 * has its own.  A connection is then too old for more than one request, but not
 * for being idle, as keepalive_timeout 0 would have it.
 */

static void
ngx_http_k8s_drain_timer(ngx_event_t *ev)
{
    ngx_uint_t                   i;
    ngx_connection_t            *c;
    ngx_file_info_t              fi;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_core_srv_conf_t   **cscf;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_k8s_drain_conf_t   *kdcf;

    c = ev->data;
    kdcf = c->data;

    if (ngx_file_info(kdcf->file.data, &fi) == NGX_FILE_ERROR) {
        ngx_add_timer(ev, NGX_HTTP_K8S_DRAIN_INTERVAL);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ev->log, 0,
                  "\"%V\" exists: connections of clients are closed after the "
                  "next answer", &kdcf->file);

    kdcf->draining = 1;

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_core_module);
    cscf = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        clcf = cscf[i]->ctx->loc_conf[ngx_http_core_module.ctx_index];
        clcf->keepalive_time = 0;
    }
}
