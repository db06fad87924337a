
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Addresses of Services and nodes, and the status that is made of them.
 */


#include <ngx_k8s_publish.h>


static ngx_int_t ngx_k8s_publish_balancer(json_t *service,
    ngx_array_t *addrs);
static ngx_int_t ngx_k8s_publish_list(json_t *list, ngx_array_t *addrs);
static ngx_int_t ngx_k8s_publish_string(json_t *json, ngx_array_t *addrs);
static const char *ngx_k8s_publish_typed(json_t *list, const char *type);
static ngx_uint_t ngx_k8s_publish_ip(ngx_str_t *addr);
static int ngx_libc_cdecl ngx_k8s_publish_cmp(const void *one,
    const void *two);


ngx_int_t
ngx_k8s_publish_service(json_t *service, ngx_array_t *addrs)
{
    json_t      *spec, *ips;
    ngx_uint_t   n;
    const char  *type;

    spec = json_object_get(service, "spec");
    ips = json_object_get(spec, "externalIPs");
    type = json_string_value(json_object_get(spec, "type"));
    n = addrs->nelts;

    if (type && ngx_strcmp(type, "ExternalName") == 0) {
        return ngx_k8s_publish_string(json_object_get(spec, "externalName"),
                                      addrs);
    }

    if (type && ngx_strcmp(type, "LoadBalancer") == 0) {

        if (ngx_k8s_publish_balancer(service, addrs) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_k8s_publish_list(ips, addrs);
    }

    if (type && ngx_strcmp(type, "NodePort") == 0) {

        if (ngx_k8s_publish_list(ips, addrs) != NGX_OK) {
            return NGX_ERROR;
        }

        if (addrs->nelts > n) {
            return NGX_OK;
        }
    }

    /* "None" is no address */

    return ngx_k8s_publish_string(json_object_get(spec, "clusterIP"), addrs);
}


static ngx_int_t
ngx_k8s_publish_balancer(json_t *service, ngx_array_t *addrs)
{
    size_t   i;
    json_t  *list, *entry, *addr;

    list = json_object_get(json_object_get(json_object_get(service, "status"),
                                           "loadBalancer"), "ingress");

    json_array_foreach(list, i, entry) {
        addr = json_object_get(entry, "ip");

        if (json_string_length(addr) == 0) {
            addr = json_object_get(entry, "hostname");
        }

        if (ngx_k8s_publish_string(addr, addrs) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_publish_node(json_t *node, ngx_uint_t internal, ngx_array_t *addrs)
{
    json_t      *list;
    ngx_str_t    addr;
    const char  *text;

    list = json_object_get(json_object_get(node, "status"), "addresses");

    text = internal ? NULL : ngx_k8s_publish_typed(list, "ExternalIP");

    if (text == NULL) {
        text = ngx_k8s_publish_typed(list, "InternalIP");
    }

    if (text == NULL) {
        return NGX_OK;
    }

    addr.data = (u_char *) text;
    addr.len = ngx_strlen(text);

    return ngx_k8s_publish_add(addrs, &addr);
}


static const char *
ngx_k8s_publish_typed(json_t *list, const char *type)
{
    size_t       i;
    json_t      *entry;
    const char  *s;

    json_array_foreach(list, i, entry) {
        s = json_string_value(json_object_get(entry, "type"));

        if (s == NULL || ngx_strcmp(s, type) != 0) {
            continue;
        }

        s = json_string_value(json_object_get(entry, "address"));

        if (s && *s) {
            return s;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_k8s_publish_list(json_t *list, ngx_array_t *addrs)
{
    size_t   i;
    json_t  *json;

    json_array_foreach(list, i, json) {
        if (ngx_k8s_publish_string(json, addrs) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_publish_string(json_t *json, ngx_array_t *addrs)
{
    ngx_str_t  addr;

    addr.data = (u_char *) json_string_value(json);

    if (addr.data == NULL) {
        return NGX_OK;
    }

    addr.len = json_string_length(json);

    return ngx_k8s_publish_add(addrs, &addr);
}


ngx_int_t
ngx_k8s_publish_add(ngx_array_t *addrs, ngx_str_t *addr)
{
    ngx_str_t   *s;
    ngx_uint_t   i;

    if (!ngx_k8s_publish_ip(addr) && ngx_k8s_dns_subdomain(addr) != NGX_OK) {
        return NGX_OK;
    }

    s = addrs->elts;

    for (i = 0; i < addrs->nelts; i++) {
        if (s[i].len == addr->len
            && ngx_memcmp(s[i].data, addr->data, addr->len) == 0)
        {
            return NGX_OK;
        }
    }

    s = ngx_array_push(addrs);
    if (s == NULL) {
        return NGX_ERROR;
    }

    s->len = addr->len;
    s->data = ngx_pstrdup(addrs->pool, addr);

    return s->data ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_k8s_publish_ip(ngx_str_t *addr)
{
    u_char  ip6[16];

    return ngx_inet_addr(addr->data, addr->len) != INADDR_NONE
           || ngx_inet6_addr(addr->data, addr->len, ip6) == NGX_OK;
}


ngx_int_t
ngx_k8s_publish_status(ngx_array_t *addrs, ngx_str_t *status, ngx_log_t *log)
{
    size_t       len;
    u_char      *p;
    ngx_str_t   *s;
    ngx_uint_t   i;

    s = addrs->elts;

    ngx_qsort(s, addrs->nelts, sizeof(ngx_str_t), ngx_k8s_publish_cmp);

    len = sizeof("{\"loadBalancer\":{\"ingress\":[]}}");

    for (i = 0; i < addrs->nelts; i++) {
        len += sizeof("{\"hostname\":\"\"},") + s[i].len;
    }

    p = ngx_alloc(len, log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    status->data = p;

    if (addrs->nelts == 0) {
        p = ngx_sprintf(p, "{\"loadBalancer\":{}}");
        status->len = p - status->data;
        return NGX_OK;
    }

    p = ngx_sprintf(p, "{\"loadBalancer\":{\"ingress\":[");

    for (i = 0; i < addrs->nelts; i++) {
        p = ngx_sprintf(p, "%s{\"%s\":\"%V\"}", i ? "," : "",
                        ngx_k8s_publish_ip(&s[i]) ? "ip" : "hostname", &s[i]);
    }

    p = ngx_sprintf(p, "]}}");

    status->len = p - status->data;

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_k8s_publish_cmp(const void *one, const void *two)
{
    ngx_int_t   a, b;
    ngx_str_t  *s, *t;

    s = (ngx_str_t *) one;
    t = (ngx_str_t *) two;

    a = ngx_k8s_publish_ip(s);
    b = ngx_k8s_publish_ip(t);

    if (a != b) {
        return b - a;
    }

    return (int) ngx_memn2cmp(s->data, t->data, s->len, t->len);
}
