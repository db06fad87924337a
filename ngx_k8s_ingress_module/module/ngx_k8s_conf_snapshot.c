
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The snapshot directive, and what a snapshot must have been made of to be
 * taken.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_conf.h>
#include <ngx_k8s_saver.h>

#include <openssl/evp.h>


static ngx_int_t ngx_k8s_identity_str(EVP_MD_CTX *ctx, ngx_str_t *s);
static ngx_int_t ngx_k8s_identity_all(EVP_MD_CTX *ctx, ngx_k8s_block_t *block);


char *
ngx_k8s_conf_snapshot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t   *value, s;
    ngx_uint_t   i;

    if (kcf->snapshot.path.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs the name of a file";
    }

    kcf->snapshot.path = value[1];
    kcf->snapshot.max_age = NGX_K8S_SNAPSHOT_MAX_AGE;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "keys=on") == 0) {
            kcf->snapshot.keys = 1;
            continue;
        }

        if (ngx_strcmp(value[i].data, "keys=off") == 0) {
            kcf->snapshot.keys = 0;
            continue;
        }

        if (ngx_strncmp(value[i].data, "max_age=", 8) == 0) {
            s.data = value[i].data + 8;
            s.len = value[i].len - 8;

            kcf->snapshot.max_age = ngx_parse_time(&s, 1);

            if (kcf->snapshot.max_age > 0) {
                continue;
            }
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"snapshot\" "
                           "directive, write keys=on, keys=off or "
                           "max_age=TIME, above 0", &value[i]);
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, &kcf->snapshot.path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_k8s_conf_snapshot_once(ngx_conf_t *cf, ngx_k8s_block_t **blocks,
    ngx_uint_t n, ngx_k8s_block_t *block)
{
    ngx_str_t   *a, *b;
    ngx_uint_t   i;

    a = &block->conf->snapshot.path;

    for (i = 0; a->len && i < n; i++) {
        b = &blocks[i]->conf->snapshot.path;

        if (a->len == b->len && ngx_strncmp(a->data, b->data, a->len) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the k8s_ingress block in %s:%ui has the same "
                               "\"snapshot %V\", give each block a file of "
                               "its own", blocks[i]->conf->file,
                               blocks[i]->conf->line, a);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_k8s_snapshot_identity(ngx_k8s_block_t *block, ngx_k8s_snapshot_id_t *id)
{
    ngx_int_t    rc;
    ngx_uint_t   i;
    ngx_str_t   *name;
    EVP_MD_CTX  *ctx;

    ngx_crc32_init(id->tables);

    for (i = 0; i < NGX_K8S_PROBLEMS; i++) {
        name = &ngx_k8s_problem_codes[i].name;

        /* names are told apart by the zero byte at their end */

        ngx_crc32_update(&id->tables, name->data, name->len + 1);
    }

    for (i = 0; i < NGX_K8S_STATES; i++) {
        ngx_crc32_update(&id->tables, ngx_k8s_states[i].data,
                         ngx_k8s_states[i].len + 1);
    }

    /* policy records have numbers of rows */

    for (i = 0; i < ngx_k8s_nrows; i++) {
        ngx_crc32_update(&id->tables, ngx_k8s_rows[i].name.data,
                         ngx_k8s_rows[i].name.len + 1);
    }

    ngx_crc32_final(id->tables);

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    rc = (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1
          && ngx_k8s_identity_all(ctx, block) == NGX_OK
          && EVP_DigestFinal_ex(ctx, id->identity, NULL) == 1)
         ? NGX_OK : NGX_ERROR;

    EVP_MD_CTX_free(ctx);

    return rc;
}


static ngx_int_t
ngx_k8s_identity_str(EVP_MD_CTX *ctx, ngx_str_t *s)
{
    uint64_t  len;

    len = s->len;

    return (EVP_DigestUpdate(ctx, &len, sizeof(len)) == 1
            && EVP_DigestUpdate(ctx, s->data, s->len) == 1)
           ? NGX_OK : NGX_ERROR;
}


/* what chooses the objects, and what decides how they are read */

static ngx_int_t
ngx_k8s_identity_all(EVP_MD_CTX *ctx, ngx_k8s_block_t *block)
{
    uint32_t     numbers[7];
    ngx_str_t   *ns, s, *strs[14];
    ngx_uint_t   i;

    numbers[0] = block->conf->source.type;
    numbers[1] = block->conf->class.without_class;
    numbers[2] = block->conf->class.class_by_name;
    numbers[3] = block->route_set;
    numbers[4] = block->defaults;
    numbers[5] = block->conf->compile.no_names * 4
                 + block->conf->compile.ownership * 2
                 + block->conf->compile.acme;
    numbers[6] = block->conf->class.gate.loose;

    s.data = (u_char *) numbers;
    s.len = sizeof(numbers);

    strs[0] = &s;
    strs[1] = &block->conf->source.path;
    strs[2] = &block->conf->source.context;
    strs[3] = &block->conf->source.host;
    strs[4] = &block->conf->source.port;
    strs[5] = &block->conf->class.controller;
    strs[6] = &block->conf->class.class_name;
    strs[7] = &block->conf->compile.default_backend;
    strs[8] = &block->conf->compile.default_certificate;
    strs[9] = &block->conf->class.selector_text;
    strs[10] = &block->conf->source.server;
    strs[11] = &block->conf->compile.config_map;
    strs[12] = &block->conf->class.gate.prefix;
    strs[13] = &block->conf->compile.topology_zone;

    for (i = 0; i < sizeof(strs) / sizeof(strs[0]); i++) {
        if (ngx_k8s_identity_str(ctx, strs[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (block->conf->source.namespaces == NULL) {
        return NGX_OK;
    }

    ns = block->conf->source.namespaces->elts;

    for (i = 0; i < block->conf->source.namespaces->nelts; i++) {
        if (ngx_k8s_identity_str(ctx, &ns[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
