
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The resolver that a block uses where names have to be looked up: that of the
 * http block, else one made of the nameservers of /etc/resolv.conf, with its
 * search list.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_conf.h>


#define NGX_K8S_RESOLV_CONF          "/etc/resolv.conf"
#define NGX_K8S_RESOLV_CONF_MAX      16384


#define ngx_k8s_resolver_is(s, text)                                          \
    ((s)->len == sizeof(text) - 1                                             \
     && ngx_strncmp((s)->data, text, sizeof(text) - 1) == 0)


static ssize_t ngx_k8s_resolver_read(u_char *buf, size_t size);
static ngx_int_t ngx_k8s_resolver_line(ngx_pool_t *pool,
    ngx_k8s_resolv_conf_t *conf, u_char *p, u_char *last);
static ngx_uint_t ngx_k8s_resolver_word(u_char **p, u_char *last,
    ngx_str_t *word);
static ngx_int_t ngx_k8s_resolver_search(ngx_pool_t *pool,
    ngx_k8s_resolv_conf_t *conf, ngx_str_t *word);
static void ngx_k8s_resolver_option(ngx_k8s_resolv_conf_t *conf,
    ngx_str_t *word);
static ngx_int_t ngx_k8s_resolver_literal(ngx_pool_t *pool,
    ngx_k8s_resolv_conf_t *conf, ngx_str_t *s);


ngx_int_t
ngx_k8s_conf_resolver(ngx_conf_t *cf, ngx_resolver_t **resolver,
    ngx_msec_t *timeout, ngx_k8s_resolv_conf_t *conf)
{
    u_char                    *buf;
    ssize_t                    n;
    ngx_http_core_loc_conf_t  *clcf;

    *resolver = NULL;
    ngx_memzero(conf, sizeof(ngx_k8s_resolv_conf_t));

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    *timeout = clcf->resolver_timeout;
    ngx_conf_init_msec_value(*timeout, 30000);

    if (clcf->resolver && clcf->resolver->connections.nelts) {
        *resolver = clcf->resolver;
        return NGX_OK;
    }

    buf = ngx_palloc(cf->temp_pool, NGX_K8S_RESOLV_CONF_MAX);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    n = ngx_k8s_resolver_read(buf, NGX_K8S_RESOLV_CONF_MAX);

    if (ngx_k8s_resolv_conf(cf->pool, conf, buf, buf + n) != NGX_OK) {
        return NGX_ERROR;
    }

    if (conf->nnames == 0) {
        return NGX_OK;
    }

    *resolver = ngx_resolver_create(cf, conf->names, conf->nnames);

    return (*resolver == NULL) ? NGX_ERROR : NGX_OK;
}


/* bytes of the file's beginning; 0 also when it cannot be read */

static ssize_t
ngx_k8s_resolver_read(u_char *buf, size_t size)
{
    ssize_t   n;
    ngx_fd_t  fd;

    fd = ngx_open_file(NGX_K8S_RESOLV_CONF, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return 0;
    }

    n = ngx_read_fd(fd, buf, size);

    (void) ngx_close_file(fd);

    return (n < 0) ? 0 : n;
}


ngx_int_t
ngx_k8s_resolv_conf(ngx_pool_t *pool, ngx_k8s_resolv_conf_t *conf, u_char *p,
    u_char *last)
{
    u_char  *end;

    ngx_memzero(conf, sizeof(ngx_k8s_resolv_conf_t));

    conf->ndots = 1;

    while (p < last) {
        end = ngx_strlchr(p, last, '\n');

        if (end == NULL) {
            end = last;
        }

        if (ngx_k8s_resolver_line(pool, conf, p, end) != NGX_OK) {
            return NGX_ERROR;
        }

        p = end + 1;
    }

    return NGX_OK;
}


/* of several lines with a search list the last one counts */

static ngx_int_t
ngx_k8s_resolver_line(ngx_pool_t *pool, ngx_k8s_resolv_conf_t *conf, u_char *p,
    u_char *last)
{
    ngx_str_t   key, word;
    ngx_uint_t  search;

    if (p == last || *p == ' ' || *p == '\t'
        || !ngx_k8s_resolver_word(&p, last, &key))
    {
        return NGX_OK;
    }

    search = ngx_k8s_resolver_is(&key, "search")
             || ngx_k8s_resolver_is(&key, "domain");

    if (search) {
        conf->nsearch = 0;
    }

    while (ngx_k8s_resolver_word(&p, last, &word)) {

        if (search) {
            if (ngx_k8s_resolver_search(pool, conf, &word) != NGX_OK) {
                return NGX_ERROR;
            }

        } else if (ngx_k8s_resolver_is(&key, "options")) {
            ngx_k8s_resolver_option(conf, &word);

        } else if (ngx_k8s_resolver_is(&key, "nameserver")) {
            return ngx_k8s_resolver_literal(pool, conf, &word);
        }
    }

    return NGX_OK;
}


/* the next word of a line; 0: there is none */

static ngx_uint_t
ngx_k8s_resolver_word(u_char **pp, u_char *last, ngx_str_t *word)
{
    u_char  *p;

    p = *pp;

    while (p < last && (*p == ' ' || *p == '\t' || *p == '\r')) {
        p++;
    }

    word->data = p;

    while (p < last && *p != ' ' && *p != '\t' && *p != '\r' && *p != '#'
           && *p != ';')
    {
        p++;
    }

    word->len = p - word->data;
    *pp = p;

    return word->len != 0;
}


/* what is no name of a domain is left out, as "." is */

static ngx_int_t
ngx_k8s_resolver_search(ngx_pool_t *pool, ngx_k8s_resolv_conf_t *conf,
    ngx_str_t *word)
{
    u_char     *p;
    ngx_str_t  *name;

    if (word->data[word->len - 1] == '.') {
        word->len--;
    }

    if (conf->nsearch == NGX_K8S_SEARCH || word->len == 0
        || word->len > 253)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, word->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(p, word->data, word->len);

    name = &conf->search[conf->nsearch];
    name->len = word->len;
    name->data = p;

    if (ngx_k8s_dns_subdomain(name) == NGX_OK) {
        conf->nsearch++;
    }

    return NGX_OK;
}


static void
ngx_k8s_resolver_option(ngx_k8s_resolv_conf_t *conf, ngx_str_t *word)
{
    size_t     len;
    ngx_int_t  n;

    len = sizeof("ndots:") - 1;

    if (word->len <= len || ngx_strncmp(word->data, "ndots:", len) != 0) {
        return;
    }

    n = ngx_atoi(word->data + len, word->len - len);

    if (n != NGX_ERROR) {
        conf->ndots = ngx_min(n, NGX_K8S_NDOTS_MAX);
    }
}


/* an address as ngx_resolver_create() takes it; what is none is left out */

static ngx_int_t
ngx_k8s_resolver_literal(ngx_pool_t *pool, ngx_k8s_resolv_conf_t *conf,
    ngx_str_t *s)
{
    u_char     *p;
    ngx_str_t  *name;
#if (NGX_HAVE_INET6)
    u_char      addr6[16];
#endif

    if (conf->nnames == NGX_K8S_NAMESERVERS) {
        return NGX_OK;
    }

    name = &conf->names[conf->nnames];

    p = ngx_pnalloc(pool, s->len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    name->data = p;

    if (ngx_inet_addr(s->data, s->len) != INADDR_NONE) {
        p = ngx_cpymem(p, s->data, s->len);
        name->len = p - name->data;
        conf->nnames++;
        return NGX_OK;
    }

#if (NGX_HAVE_INET6)

    if (ngx_inet6_addr(s->data, s->len, addr6) == NGX_OK) {
        *p++ = '[';
        p = ngx_cpymem(p, s->data, s->len);
        *p++ = ']';
        name->len = p - name->data;
        conf->nnames++;
    }

#endif

    return NGX_OK;
}
