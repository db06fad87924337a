
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_regex.h>
#include <ngx_k8s_path.h>


#if (NGX_PCRE)

/* in a pool of its own */

typedef struct {
    ngx_str_node_t           sn;         /* the pattern; key: its hash, the
                                            flags mixed in */
    ngx_queue_t              queue;
    ngx_pool_t              *pool;
    ngx_regex_t             *regex;      /* NULL: it does not compile */
} ngx_http_k8s_regex_t;


static ngx_http_k8s_regex_t *ngx_http_k8s_regex_get(ngx_str_t *pattern,
    ngx_uint_t flags, ngx_log_t *log);
static ngx_int_t ngx_http_k8s_regex_compile(ngx_regex_compile_t *rc,
    ngx_str_t *pattern, ngx_uint_t flags, ngx_pool_t *pool);
static ngx_int_t ngx_http_k8s_regex_text(ngx_regex_compile_t *rc,
    ngx_str_t *pattern, char *before, char *behind);
static ngx_int_t ngx_http_k8s_regex_size(ngx_regex_compile_t *rc);


/* of this process */

static ngx_rbtree_t       ngx_http_k8s_regexes;
static ngx_rbtree_node_t  ngx_http_k8s_regexes_sentinel;
static ngx_queue_t        ngx_http_k8s_regexes_used;
static ngx_uint_t         ngx_http_k8s_nregexes;


ngx_int_t
ngx_http_k8s_regex(ngx_str_t *pattern, ngx_uint_t flags, ngx_str_t *text,
    int *captures, ngx_log_t *log)
{
    ngx_int_t              n;
    ngx_http_k8s_regex_t  *re;

    re = ngx_http_k8s_regex_get(pattern, flags, log);

    if (re == NULL) {
        return NGX_ERROR;
    }

    if (re->regex == NULL) {
        return 0;
    }

    n = ngx_regex_exec(re->regex, text, captures, NGX_HTTP_K8S_REGEX_SIZE);

    /* 0: there are more of them than there is room for */

    if (n >= 0) {
        return n ? ngx_min(n, NGX_HTTP_K8S_REGEX_SIZE / 3)
                 : NGX_HTTP_K8S_REGEX_SIZE / 3;
    }

    if (n == NGX_REGEX_NO_MATCHED) {
        return 0;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "regular expression \"%V\" gave up on \"%V\": %i", pattern,
                  text, n);

    return NGX_ERROR;
}


static ngx_http_k8s_regex_t *
ngx_http_k8s_regex_get(ngx_str_t *pattern, ngx_uint_t flags, ngx_log_t *log)
{
    u_char                 error[NGX_MAX_CONF_ERRSTR];
    uint32_t               hash;
    ngx_pool_t            *pool;
    ngx_queue_t           *q;
    ngx_regex_compile_t    rc;
    ngx_http_k8s_regex_t  *re;

    if (ngx_http_k8s_regexes.root == NULL) {
        ngx_rbtree_init(&ngx_http_k8s_regexes, &ngx_http_k8s_regexes_sentinel,
                        ngx_str_rbtree_insert_value);
        ngx_queue_init(&ngx_http_k8s_regexes_used);
    }

    hash = ngx_murmur_hash2(pattern->data, pattern->len) ^ (uint32_t) flags;

    re = (ngx_http_k8s_regex_t *) ngx_str_rbtree_lookup(&ngx_http_k8s_regexes,
                                                        pattern, hash);
    if (re) {
        ngx_queue_remove(&re->queue);
        ngx_queue_insert_head(&ngx_http_k8s_regexes_used, &re->queue);

        return re;
    }

    if (ngx_http_k8s_nregexes == NGX_HTTP_K8S_REGEXES) {
        q = ngx_queue_last(&ngx_http_k8s_regexes_used);
        re = ngx_queue_data(q, ngx_http_k8s_regex_t, queue);

        ngx_queue_remove(q);
        ngx_rbtree_delete(&ngx_http_k8s_regexes, &re->sn.node);
        ngx_destroy_pool(re->pool);

        ngx_http_k8s_nregexes--;
    }

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    re = ngx_pcalloc(pool, sizeof(ngx_http_k8s_regex_t));
    if (re == NULL) {
        goto failed;
    }

    re->pool = pool;
    re->sn.node.key = hash;
    re->sn.str.len = pattern->len;
    re->sn.str.data = ngx_pstrdup(pool, pattern);

    if (re->sn.str.data == NULL) {
        goto failed;
    }

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = error;

    switch (ngx_http_k8s_regex_compile(&rc, pattern, flags, pool)) {

    case NGX_OK:
        re->regex = rc.regex;
        break;

    case NGX_ERROR:
        goto failed;

    default: /* NGX_DECLINED */
        break;
    }

    ngx_rbtree_insert(&ngx_http_k8s_regexes, &re->sn.node);
    ngx_queue_insert_head(&ngx_http_k8s_regexes_used, &re->queue);

    ngx_http_k8s_nregexes++;

    return re;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


/*
 * The limits are a part of the text, as nginx has no call for them; PCRE takes
 * the lower one where a text names another.  They hold for one place in the
 * text that is matched, so what need not begin at the first one is preceded by
 * what skips a part of it, and then has to be good by itself as well.
 */

static ngx_int_t
ngx_http_k8s_regex_compile(ngx_regex_compile_t *rc, ngx_str_t *pattern,
    ngx_uint_t flags, ngx_pool_t *pool)
{
    ngx_uint_t  anchored;

    if (pattern->len > NGX_HTTP_K8S_REGEX_MAX) {
        rc->err.len = ngx_snprintf(rc->err.data, rc->err.len,
                                   "it is longer than %d bytes",
                                   NGX_HTTP_K8S_REGEX_MAX)
                      - rc->err.data;
        return NGX_DECLINED;
    }

    anchored = (flags & NGX_HTTP_K8S_REGEX_ANCHORED) ? 1 : 0;

    rc->pool = pool;

    if (flags & NGX_HTTP_K8S_REGEX_CASELESS) {
        rc->options = NGX_REGEX_CASELESS;
    }

    if (ngx_http_k8s_regex_text(rc, pattern, anchored ? "^" : "", "")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_regex_compile(rc) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (anchored && !ngx_k8s_path_alternatives(pattern)) {
        return ngx_http_k8s_regex_size(rc);
    }

    if (ngx_http_k8s_regex_text(rc, pattern, anchored ? "\\A(?s:.*?)(?:^"
                                                      : "\\A(?s:.*?)(?:", ")")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_regex_compile(rc) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_k8s_regex_size(rc);
}


static ngx_int_t
ngx_http_k8s_regex_text(ngx_regex_compile_t *rc, ngx_str_t *pattern,
    char *before, char *behind)
{
    u_char  *p;
    size_t   len;

#if (NGX_PCRE2)
    static char  limit[] = "(*LIMIT_MATCH="
                           ngx_value(NGX_HTTP_K8S_REGEX_TRIES) ")"
                           "(*LIMIT_HEAP="
                           ngx_value(NGX_HTTP_K8S_REGEX_HEAP) ")";
#else
    static char  limit[] = "(*LIMIT_MATCH="
                           ngx_value(NGX_HTTP_K8S_REGEX_TRIES) ")"
                           "(*LIMIT_RECURSION="
                           ngx_value(NGX_HTTP_K8S_REGEX_HEAP) ")";
#endif

    len = sizeof(limit) + ngx_strlen(before) + pattern->len
          + ngx_strlen(behind);

    p = ngx_pnalloc(rc->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    rc->pattern.data = p;
    rc->pattern.len = ngx_sprintf(p, "%s%s%V%s%Z", limit, before, pattern,
                                  behind)
                      - p - 1;

    return NGX_OK;
}


/* nested repetitions can make very much of a short text */

static ngx_int_t
ngx_http_k8s_regex_size(ngx_regex_compile_t *rc)
{
#if (NGX_PCRE2)

    size_t  size;

    if (pcre2_pattern_info(rc->regex, PCRE2_INFO_SIZE, &size) == 0
        && size > NGX_HTTP_K8S_REGEX_CODE)
    {
        rc->err.len = ngx_snprintf(rc->err.data, NGX_MAX_CONF_ERRSTR,
                                   "it compiles to more than %d bytes",
                                   NGX_HTTP_K8S_REGEX_CODE)
                      - rc->err.data;
        return NGX_DECLINED;
    }

#endif

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_regex_check(ngx_str_t *pattern, ngx_str_t *error,
    ngx_log_t *log)
{
    u_char               *p, *last;
    ngx_int_t             rv;
    ngx_pool_t           *pool;
    ngx_regex_compile_t   rc;

    pool = ngx_create_pool(1024, log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = error->data;

    rv = ngx_http_k8s_regex_compile(&rc, pattern,
                                    NGX_HTTP_K8S_REGEX_CASELESS
                                    |NGX_HTTP_K8S_REGEX_ANCHORED, pool);

    ngx_destroy_pool(pool);

    if (rv != NGX_DECLINED) {
        return rv;
    }

    /* without the call that failed, and the text that we made */

    last = rc.err.data + rc.err.len;
    p = ngx_strlcasestrn(rc.err.data, last, (u_char *) "failed: ", 8 - 1);

    if (p) {
        error->data = p + 8;
    }

    p = ngx_strlcasestrn(error->data, last, (u_char *) " in \"(*", 7 - 1);

    error->len = (p ? p : last) - error->data;

    return NGX_DECLINED;
}

#else

ngx_int_t
ngx_http_k8s_regex(ngx_str_t *pattern, ngx_uint_t flags, ngx_str_t *text,
    int *captures, ngx_log_t *log)
{
    return NGX_ERROR;
}


ngx_int_t
ngx_http_k8s_regex_check(ngx_str_t *pattern, ngx_str_t *error,
    ngx_log_t *log)
{
    error->len = ngx_snprintf(error->data, NGX_MAX_CONF_ERRSTR,
                              "this nginx was built without PCRE")
                 - error->data;

    return NGX_DECLINED;
}

#endif
