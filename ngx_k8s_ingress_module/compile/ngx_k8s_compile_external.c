
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Names of ExternalName Services: which are looked up, while routes lead to
 * their Services.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_uint_t ngx_k8s_external_why(ngx_str_t *name);


ngx_uint_t
ngx_k8s_external(ngx_k8s_compile_t *c, ngx_k8s_service_state_t *state,
    ngx_k8s_service_t *svc)
{
    if (ngx_k8s_str_eq_c(&svc->type, "ExternalName")) {
        return 1;
    }

    /* a Service of manifests needs no type */

    return c->conf.loopback
           && svc->external_name.len
           && svc->nexternal_ips == 0
           && (svc->cluster_ip.len == 0
               || ngx_k8s_str_eq_c(&svc->cluster_ip, "None"))
           && ngx_queue_empty(&state->parts);
}


ngx_int_t
ngx_k8s_external_name(ngx_k8s_compile_t *c, ngx_k8s_service_state_t *state,
    ngx_k8s_service_t *svc, ngx_uint_t *why)
{
    ngx_str_t  *name;

    name = svc ? &svc->external_name : NULL;

    if (svc) {
        *why = ngx_k8s_external_why(name);

        if (*why) {
            name = NULL;
        }
    }

    if (state->name) {

        if (name && ngx_k8s_str_eq(&state->name->name, name)) {
            return NGX_OK;
        }

        c->conf.unresolve(c->conf.data, state->name);
        state->name = NULL;
    }

    if (name == NULL) {
        return NGX_DECLINED;
    }

    if (c->conf.resolve == NULL) {
        *why = NGX_K8S_WHY_NAME_UNKNOWN;
        return NGX_DECLINED;
    }

    state->name = c->conf.resolve(c->conf.data, &state->node->namespace, name);

    if (state->name == NULL) {
        return NGX_ERROR;
    }

    state->name->data = state->node;

    return NGX_OK;
}


/* why a name is not looked up, NGX_K8S_WHY_NONE: it is */

static ngx_uint_t
ngx_k8s_external_why(ngx_str_t *name)
{
    u_char     addr[16];
    ngx_str_t  text;

    text = *name;

    if (text.len == 0) {
        return NGX_K8S_WHY_NAME;
    }

    if (ngx_inet_addr(text.data, text.len) != INADDR_NONE
        || ngx_inet6_addr(text.data, text.len, addr) == NGX_OK
        || ngx_k8s_str_eq_c(&text, "localhost"))
    {
        return NGX_K8S_WHY_NAME_ADDRESS;
    }

    if (text.data[text.len - 1] == '.') {
        text.len--;
    }

    return (ngx_k8s_dns_subdomain(&text) == NGX_OK) ? NGX_K8S_WHY_NONE
                                                    : NGX_K8S_WHY_NAME;
}


void
ngx_k8s_compile_resolved(ngx_k8s_compile_t *c, ngx_k8s_name_t *name)
{
    ngx_k8s_node_mark(c->store, name->data);
}
