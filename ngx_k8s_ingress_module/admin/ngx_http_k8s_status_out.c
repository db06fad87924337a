
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_status.h>


void
ngx_http_k8s_status_open(ngx_http_k8s_admin_t *a)
{
    if (a->comma) {
        ngx_http_k8s_puts(a, ",\n");

    } else {
        ngx_http_k8s_puts(a, "\n");
        a->comma = 1;
    }
}


void
ngx_http_k8s_status_member(ngx_http_k8s_admin_t *a, char *name, void *rec,
    ngx_k8s_str_t *s)
{
    ngx_str_t  value;

    ngx_http_k8s_out(a, (u_char *) name, ngx_strlen(name));

    value = ngx_http_k8s_str(rec, s);
    ngx_http_k8s_json(a, &value);
}


void
ngx_http_k8s_status_hex(ngx_http_k8s_admin_t *a, u_char *data, size_t len)
{
    u_char  buf[2 * SHA256_DIGEST_LENGTH];

    len = ngx_min(len, SHA256_DIGEST_LENGTH);

    ngx_http_k8s_puts(a, "\"");
    ngx_http_k8s_out(a, buf, ngx_hex_dump(buf, data, len) - buf);
    ngx_http_k8s_puts(a, "\"");
}


void
ngx_http_k8s_status_policy_key(ngx_http_k8s_admin_t *a, ngx_k8s_policy_t *rec)
{
    ngx_str_t  key;

    key = ngx_http_k8s_str(rec, &rec->header.key);

    if (rec->kind == NGX_K8S_POLICY_GLOBAL) {
        ngx_http_k8s_json(a, &key);
        return;
    }

    ngx_http_k8s_status_hex(a, key.data, key.len);
}
