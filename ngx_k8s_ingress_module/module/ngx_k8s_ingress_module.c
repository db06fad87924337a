
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_conf.h>
#include <ngx_k8s_saver.h>


static void *ngx_k8s_ingress_create_main_conf(ngx_conf_t *cf);
static char *ngx_k8s_ingress(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_k8s_ingress_name(ngx_conf_t *cf, ngx_k8s_main_conf_t *kmcf,
    ngx_str_t *name);
static ngx_int_t ngx_k8s_ingress_postconfiguration(ngx_conf_t *cf);
static char *ngx_k8s_ingress_check(ngx_conf_t *cf, ngx_k8s_block_t *block);
static ngx_int_t ngx_k8s_ingress_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_k8s_ingress_init_process(ngx_cycle_t *cycle);
static void ngx_k8s_ingress_exit_process(ngx_cycle_t *cycle);
static void ngx_k8s_unpin_handler(ngx_event_t *ev);


static ngx_command_t  ngx_k8s_ingress_commands[] = {

    { ngx_string("k8s_ingress"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_k8s_ingress,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("k8s_ingress_core_backported"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_k8s_main_conf_t, backported),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_k8s_ingress_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_k8s_ingress_postconfiguration,     /* postconfiguration */

    ngx_k8s_ingress_create_main_conf,      /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_k8s_ingress_module = {
    NGX_MODULE_V1,
    &ngx_k8s_ingress_module_ctx,           /* module context */
    ngx_k8s_ingress_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_k8s_ingress_init_module,           /* init module */
    ngx_k8s_ingress_init_process,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_k8s_ingress_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_k8s_ingress_create_main_conf(ngx_conf_t *cf)
{
    ngx_k8s_main_conf_t  *kmcf;

    kmcf = ngx_pcalloc(cf->pool, sizeof(ngx_k8s_main_conf_t));
    if (kmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&kmcf->blocks, cf->pool, 2, sizeof(ngx_k8s_block_t *))
        != NGX_OK)
    {
        return NULL;
    }

    kmcf->backported = NGX_CONF_UNSET;

    return kmcf;
}


static char *
ngx_k8s_ingress(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_main_conf_t *kmcf = conf;

    char              *rv;
    ngx_str_t         *value;
    ngx_k8s_block_t   *block, **blockp;

    block = ngx_pcalloc(cf->pool, sizeof(ngx_k8s_block_t));
    if (block == NULL) {
        return NGX_CONF_ERROR;
    }

    block->conf = ngx_pcalloc(cf->pool, sizeof(ngx_k8s_block_conf_t));
    if (block->conf == NULL
        || ngx_array_init(&block->listens, cf->pool, 4,
                          sizeof(ngx_k8s_listen_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2) {
        value = cf->args->elts;
        block->name = value[1];

        rv = ngx_k8s_ingress_name(cf, kmcf, &block->name);

    } else {
        ngx_str_set(&block->name, "");
        rv = ngx_k8s_ingress_name(cf, kmcf, NULL);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    block->n = kmcf->blocks.nelts;
    block->conf->file = cf->conf_file->file.name.data;
    block->conf->line = cf->conf_file->line;

    rv = ngx_k8s_conf_block(cf, block);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_k8s_conf_snapshot_once(cf, kmcf->blocks.elts, block->n, block);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_k8s_zone_add(cf, block) != NGX_OK
        || ngx_k8s_limit_zone_add(cf, block) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    blockp = ngx_array_push(&kmcf->blocks);
    if (blockp == NULL) {
        return NGX_CONF_ERROR;
    }

    *blockp = block;

    return NGX_CONF_OK;
}


/* refuses a name that is not one, or not new; NULL: the unnamed block */

static char *
ngx_k8s_ingress_name(ngx_conf_t *cf, ngx_k8s_main_conf_t *kmcf,
    ngx_str_t *name)
{
    u_char            c;
    ngx_str_t         empty;
    ngx_uint_t        i;
    ngx_k8s_block_t  *block;

    if (name == NULL) {
        ngx_str_null(&empty);
        name = &empty;

    } else if (name->len == 0 || name->len > 63) {
        return "needs a name of 1 to 63 characters, or none";
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_' || c == '-'))
        {
            return "needs a name of letters, digits, \"_\" and \"-\"";
        }
    }

    block = ngx_k8s_block(cf, name);

    if (block) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"k8s_ingress\" block \"%V\", the first "
                           "one stands in %s:%ui: give this one another name, "
                           "as in \"k8s_ingress internal { ... }\"",
                           name, block->conf->file, block->conf->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_k8s_ingress_postconfiguration(ngx_conf_t *cf)
{
    char                  *err;
    ngx_uint_t             i;
    ngx_msec_t             timeout;
    ngx_resolver_t        *resolver;
    ngx_k8s_block_t      **blocks;
    ngx_k8s_main_conf_t   *kmcf;
    ngx_k8s_resolv_conf_t  *resolv;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_k8s_ingress_module);

    if (kmcf->blocks.nelts == 0) {
        return NGX_OK;
    }

    resolv = ngx_palloc(cf->pool, sizeof(ngx_k8s_resolv_conf_t));
    if (resolv == NULL) {
        return NGX_ERROR;
    }

    if (ngx_k8s_conf_resolver(cf, &resolver, &timeout, resolv) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_k8s_accept_conf(cf, kmcf);

    blocks = kmcf->blocks.elts;

    for (i = 0; i < kmcf->blocks.nelts; i++) {
        blocks[i]->conf->source.resolver = resolver;
        blocks[i]->conf->source.resolver_timeout = timeout;
        blocks[i]->conf->resolv = resolv;
        blocks[i]->resolver = resolver;
        blocks[i]->resolver_timeout = timeout;
        blocks[i]->loopback = blocks[i]->conf->compile.loopback;

        err = ngx_k8s_ingress_check(cf, blocks[i]);

        if (err) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%s in %s:%ui", err,
                          blocks[i]->conf->file, blocks[i]->conf->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* NULL, or a sentence: what is wrong with the source, and what to do */

static char *
ngx_k8s_ingress_check(ngx_conf_t *cf, ngx_k8s_block_t *block)
{
    u_char           *p;
    size_t            len;
    ngx_str_t        *path;
    ngx_file_info_t   fi;

    if (block->conf->source.type == NGX_K8S_SOURCE_MANIFESTS) {
        path = &block->conf->source.path;

        if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR
            && ngx_errno == NGX_ENOENT)
        {
            len = path->len + sizeof("the folder \"\" of \"source manifests\" "
                                     "is not there, make it or correct its "
                                     "name");

            p = ngx_pnalloc(cf->pool, len);
            if (p == NULL) {
                return "no memory";
            }

            (void) ngx_sprintf(p, "the folder \"%V\" of \"source manifests\" "
                               "is not there, make it or correct its name%Z",
                               path);

            return (char *) p;
        }

        return ngx_k8s_manifests_check(&block->conf->source, cf->pool);
    }

    return ngx_k8s_client_check(&block->conf->source, cf->pool);
}


/* the warning comes at the first start; the module only loads into the version
   it is built for */

static ngx_int_t
ngx_k8s_ingress_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t             i;
    ngx_k8s_block_t      **blocks;
    ngx_k8s_main_conf_t   *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_k8s_ingress_module);

    if (kmcf == NULL) {
        return NGX_OK;
    }

    blocks = kmcf->blocks.elts;

    for (i = 0; i < kmcf->blocks.nelts; i++) {
        ngx_k8s_zone_begin(blocks[i]);
    }

#if (nginx_version < 1030004                                                  \
     || (nginx_version >= 1031000 && nginx_version < 1031003))

    if (kmcf->blocks.nelts == 0 || kmcf->backported == 1
        || ngx_test_config || !ngx_is_init_cycle(cycle->old_cycle))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                  "k8s_ingress: " NGINX_VER " lacks security fixes of nginx "
                  "1.30.4 and 1.31.3 (CVE-2026-42533, CVE-2026-60005) unless "
                  "its distributor has added them: use a newer nginx, or "
                  "write \"k8s_ingress_core_backported on;\" if they are in");

#endif

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_ingress_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t             i;
    ngx_k8s_block_t       *block, **blocks;
    ngx_k8s_main_conf_t   *kmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_k8s_ingress_module);

    if (kmcf == NULL) {
        return NGX_OK;
    }

    blocks = kmcf->blocks.elts;

    for (i = 0; i < kmcf->blocks.nelts; i++) {
        block = blocks[i];

        /*
         * The word is bound after its byte is locked: the watcher takes a
         * word without a lock for that of a dead process.
         */

        if (ngx_k8s_right_alive(block->right, ngx_process_slot, cycle->log)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_k8s_view_init(&block->view, block->table, ngx_process_slot);

        block->unpin.handler = ngx_k8s_unpin_handler;
        block->unpin.data = block;
        block->unpin.log = cycle->log;

        /* ends a pin of other modules' init_process, in the first turn */

        ngx_post_event(&block->unpin, &ngx_posted_next_events);

        ngx_k8s_limit_zone_open(block, cycle);

        if (ngx_worker == 0 || ngx_process == NGX_PROCESS_SINGLE) {

            if (ngx_k8s_saver_create(block, cycle->log) != NGX_OK
                || ngx_k8s_watcher_start(block, cycle) != NGX_OK)
            {
                return NGX_ERROR;
            }

            ngx_k8s_restore(block->watcher);

        } else {
            ngx_k8s_restore_wait(block);
        }
    }

    return ngx_k8s_accept_init(kmcf, cycle);
}


static void
ngx_k8s_ingress_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t             i;
    ngx_k8s_block_t      **blocks;
    ngx_k8s_main_conf_t   *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_k8s_ingress_module);

    if (kmcf == NULL) {
        return;
    }

    blocks = kmcf->blocks.elts;

    for (i = 0; i < kmcf->blocks.nelts; i++) {
        ngx_k8s_watcher_stop(blocks[i]);
        ngx_k8s_limit_zone_close(blocks[i]);
    }

    for (i = 0; i < kmcf->blocks.nelts; i++) {
        ngx_k8s_saver_destroy(blocks[i]);
    }
}


static void
ngx_k8s_unpin_handler(ngx_event_t *ev)
{
    ngx_k8s_block_t  *block = ev->data;

    ngx_k8s_view_unpin(&block->view);
}


void
ngx_k8s_pin_turn(ngx_k8s_block_t *block)
{
    ngx_k8s_view_pin(&block->view);
    ngx_post_event(&block->unpin, &ngx_posted_events);
}


ngx_array_t *
ngx_k8s_blocks(ngx_cycle_t *cycle)
{
    ngx_k8s_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_k8s_ingress_module);

    return kmcf ? &kmcf->blocks : NULL;
}


ngx_k8s_block_t *
ngx_k8s_block(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_k8s_block_t      **blocks;
    ngx_k8s_main_conf_t   *kmcf;

    kmcf = cf ? ngx_http_conf_get_module_main_conf(cf, ngx_k8s_ingress_module)
              : ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                                    ngx_k8s_ingress_module);

    if (kmcf == NULL) {
        return NULL;
    }

    blocks = kmcf->blocks.elts;

    for (i = 0; i < kmcf->blocks.nelts; i++) {

        if (blocks[i]->name.len == name->len
            && ngx_strncmp(blocks[i]->name.data, name->data, name->len) == 0)
        {
            return blocks[i];
        }
    }

    return NULL;
}
