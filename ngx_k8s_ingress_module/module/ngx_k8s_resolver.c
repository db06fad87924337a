
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The resolver that a block uses where names have to be looked up: that of the
 * http block, else one made of the nameservers of /etc/resolv.conf.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_conf.h>


#define NGX_K8S_RESOLV_CONF          "/etc/resolv.conf"
#define NGX_K8S_RESOLV_CONF_MAX      16384
#define NGX_K8S_NAMESERVERS          3


static ssize_t ngx_k8s_resolver_read(u_char *buf, size_t size);
static u_char *ngx_k8s_resolver_line(u_char *p, u_char *last, ngx_str_t *s);
static ngx_int_t ngx_k8s_resolver_literal(ngx_conf_t *cf, ngx_str_t *s,
    ngx_str_t *name);


ngx_int_t
ngx_k8s_conf_resolver(ngx_conf_t *cf, ngx_resolver_t **resolver,
    ngx_msec_t *timeout)
{
    u_char                    *p, *last, *buf;
    ssize_t                    n;
    ngx_int_t                  rc;
    ngx_str_t                  s, names[NGX_K8S_NAMESERVERS];
    ngx_uint_t                 nnames;
    ngx_http_core_loc_conf_t  *clcf;

    *resolver = NULL;

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

    p = buf;
    last = buf + n;
    nnames = 0;

    while (p < last && nnames < NGX_K8S_NAMESERVERS) {
        p = ngx_k8s_resolver_line(p, last, &s);

        if (s.len == 0) {
            continue;
        }

        rc = ngx_k8s_resolver_literal(cf, &s, &names[nnames]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            nnames++;
        }
    }

    if (nnames == 0) {
        return NGX_OK;
    }

    *resolver = ngx_resolver_create(cf, names, nnames);

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


/* takes a line; *s is what stands after "nameserver", or empty */

static u_char *
ngx_k8s_resolver_line(u_char *p, u_char *last, ngx_str_t *s)
{
    u_char  *end, *next;

    end = ngx_strlchr(p, last, '\n');
    next = end ? end + 1 : last;

    if (end == NULL) {
        end = last;
    }

    s->len = 0;
    s->data = p;

    if (end - p < 11
        || ngx_strncmp(p, "nameserver", 10) != 0
        || (p[10] != ' ' && p[10] != '\t'))
    {
        return next;
    }

    p += 10;

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    s->data = p;

    while (p < end && *p != ' ' && *p != '\t' && *p != '\r' && *p != '#') {
        p++;
    }

    s->len = p - s->data;

    return next;
}


/* an address as ngx_resolver_create() takes it; NGX_DECLINED for others */

static ngx_int_t
ngx_k8s_resolver_literal(ngx_conf_t *cf, ngx_str_t *s, ngx_str_t *name)
{
    u_char  *p;
#if (NGX_HAVE_INET6)
    u_char   addr6[16];
#endif

    p = ngx_pnalloc(cf->pool, s->len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    name->data = p;

    if (ngx_inet_addr(s->data, s->len) != INADDR_NONE) {
        p = ngx_cpymem(p, s->data, s->len);
        name->len = p - name->data;
        return NGX_OK;
    }

#if (NGX_HAVE_INET6)

    if (ngx_inet6_addr(s->data, s->len, addr6) == NGX_OK) {
        *p++ = '[';
        p = ngx_cpymem(p, s->data, s->len);
        *p++ = ']';
        name->len = p - name->data;
        return NGX_OK;
    }

#endif

    return NGX_DECLINED;
}
