
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* names of objects, as Kubernetes has them */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


/* NGX_OK for a DNS label, as the names of namespaces are */

ngx_int_t
ngx_k8s_dns_label(ngx_str_t *s)
{
    u_char      c;
    ngx_uint_t  i;

    if (s->len == 0 || s->len > 63
        || s->data[0] == '-' || s->data[s->len - 1] == '-')
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* NGX_OK for DNS labels with dots between them, as the names of Secrets are */

ngx_int_t
ngx_k8s_dns_subdomain(ngx_str_t *s)
{
    u_char     *p, *dot, *last;
    ngx_str_t   label;

    if (s->len > 253) {
        return NGX_DECLINED;
    }

    p = s->data;
    last = s->data + s->len;

    for ( ;; ) {
        dot = ngx_strlchr(p, last, '.');

        label.data = p;
        label.len = (dot ? dot : last) - p;

        if (ngx_k8s_dns_label(&label) != NGX_OK) {
            return NGX_DECLINED;
        }

        if (dot == NULL) {
            return NGX_OK;
        }

        p = dot + 1;
    }
}
