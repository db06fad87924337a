
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_router.h>
#include <ngx_k8s_tls.h>

#include <openssl/sha.h>


static ngx_k8s_host_t *ngx_k8s_tls_host_of_set(ngx_k8s_table_t *table,
    uint32_t set, ngx_str_t *name);


ngx_k8s_host_t *
ngx_k8s_tls_host(ngx_k8s_table_t *table, uint32_t *sets, ngx_uint_t nsets,
    ngx_str_t *sni)
{
    u_char           buf[NGX_K8S_HOST_MAX];
    ngx_str_t        name;
    ngx_uint_t       i;
    ngx_k8s_host_t  *host, *best;

    if (ngx_k8s_route_host_name(buf, sni, &name) != NGX_OK || name.len == 0) {
        return NULL;
    }

    best = NULL;

    for (i = 0; i < nsets; i++) {
        host = ngx_k8s_tls_host_of_set(table, sets[i], &name);

        /* a wildcard host has the text from its dot on for a name */

        if (host && (best == NULL || host->name.len > best->name.len)) {
            best = host;
        }
    }

    return best;
}


static ngx_k8s_host_t *
ngx_k8s_tls_host_of_set(ngx_k8s_table_t *table, uint32_t set, ngx_str_t *name)
{
    u_char          *p, *last, key[NGX_K8S_KEY_MAX];
    size_t           len;
    ngx_str_t        parent;
    ngx_k8s_host_t  *host;

    host = ngx_k8s_route_host(table, set, name, NULL);

    if (host && host->certificates.n == 0
        && !(host->flags & NGX_K8S_HOST_WILDCARD))
    {
        last = name->data + name->len;

        p = ngx_strlchr(name->data, last, '.');
        if (p == NULL) {
            return NULL;
        }

        parent.data = p;
        parent.len = last - p;

        len = ngx_k8s_key_host(key, set, NGX_K8S_CLASS_HTTP, &parent);

        host = ngx_k8s_table_find(table, NGX_K8S_INDEX_HOST, key, len, NULL);
    }

    return (host && host->certificates.n) ? host : NULL;
}


ngx_k8s_certificate_t *
ngx_k8s_tls_certificate(ngx_k8s_table_t *table, ngx_k8s_host_t *host,
    ngx_uint_t i)
{
    ngx_k8s_slot_ref_t  *ref;

    ref = ngx_k8s_record_at(host, host->certificates.offset);

    return ngx_k8s_slot_record_gen(table, NGX_K8S_INDEX_CERTIFICATE,
                                   ref[i].slot, ref[i].generation);
}


ngx_k8s_certificate_t *
ngx_k8s_tls_default(ngx_k8s_table_t *table)
{
    size_t     len;
    u_char     key[NGX_K8S_KEY_MAX];
    ngx_str_t  empty, *names[2];

    ngx_str_null(&empty);
    names[0] = &empty;
    names[1] = &empty;

    len = ngx_k8s_key_names(key, 2, names);

    return ngx_k8s_table_find(table, NGX_K8S_INDEX_CERTIFICATE, key, len, NULL);
}


void
ngx_k8s_tls_session_id(u_char id[NGX_K8S_TLS_ID_LEN], ngx_str_t *sni,
    in_port_t port, ngx_str_t *scope)
{
    u_char     *p, *last, host[NGX_K8S_HOST_MAX], buf[NGX_MAX_CONF_ERRSTR];
    ngx_str_t   name;

    if (sni->len == 0 || ngx_k8s_route_host_name(host, sni, &name) != NGX_OK) {
        name = *sni;
    }

    last = buf + sizeof(buf);
    p = ngx_slprintf(buf, last, "%V %d %V", &name, (int) port, scope);

    SHA256(buf, p - buf, id);
}
