
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_PROFILE_H_INCLUDED_
#define _NGX_HTTP_K8S_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>


/*
 * Profiles (ngx_http_k8s_profile.c): a location configuration from tokens.
 * "tokens" are as ngx_k8s_tokens_add() makes them, parent is a merged server or
 * location configuration.  At configuration time; NULL on error, logged.
 */
void **ngx_http_k8s_profile(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    ngx_array_t *tokens);

/*
 * The key of connections to backends that tokens make: a hash of the first
 * one, which is the directive that passes, with its scheme.
 */
uint64_t ngx_http_k8s_profile_protocol(ngx_array_t *tokens);

/* a directive of locations and its module, NULL when there is none */
ngx_command_t *ngx_http_k8s_profile_command(ngx_conf_t *cf, ngx_str_t *name,
    ngx_module_t **module);

/*
 * Warns of what ingress-nginx's defaults shadow (ngx_http_k8s_shadow.c): parent
 * and profile are merged, file and line those of the pass.
 */
ngx_int_t ngx_http_k8s_shadow(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    void **profile, u_char *file, ngx_uint_t line);


#endif /* _NGX_HTTP_K8S_PROFILE_H_INCLUDED_ */
