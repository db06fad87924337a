
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
 * "settings" is an array of ngx_array_t * of ngx_str_t (directive, arguments),
 * parent is a merged server or location configuration.  At configuration time;
 * NULL on error, logged.
 */
void **ngx_http_k8s_profile(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    ngx_array_t *settings);

/*
 * The key of connections to backends that settings make: a hash of the first
 * one, which is the directive that passes, with its scheme.
 */
uint64_t ngx_http_k8s_profile_protocol(ngx_array_t *settings);

/* a directive of locations and its module, NULL when there is none */
ngx_command_t *ngx_http_k8s_profile_command(ngx_conf_t *cf, ngx_str_t *name,
    ngx_module_t **module);

/*
 * Warns of what ingress-nginx's defaults shadow (ngx_http_k8s_shadow.c): parent
 * and profile are merged, file and line those of the pass.
 */
ngx_int_t ngx_http_k8s_shadow(ngx_conf_t *cf, ngx_http_conf_ctx_t *parent,
    void **profile, u_char *file, ngx_uint_t line);


/*
 * Defaults (ngx_http_k8s_defaults.c): one row for each ConfigMap key with a
 * default of ingress-nginx and what it feeds; docs/defaults.md is made of it.
 */

typedef struct {
    ngx_str_t                key;        /* "proxy-connect-timeout"; empty: not
                                            settable there */
    ngx_str_t                value;      /* ingress-nginx's default, "5" */
    ngx_str_t                directive;  /* "proxy_connect_timeout", or empty:
                                            read by our code */
    ngx_str_t                argument;   /* separated by blanks; %V is the
                                            value, ${key} that of another row,
                                            "" an empty argument */
    ngx_str_t                note;
} ngx_http_k8s_default_t;

extern ngx_http_k8s_default_t  ngx_http_k8s_defaults[];

/* value of a key; its number, and whether it is "true" */
ngx_str_t *ngx_http_k8s_default(char *key);
ngx_int_t ngx_http_k8s_default_number(char *key);
ngx_uint_t ngx_http_k8s_default_flag(char *key);

/* settings of the built-in profile; NULL on error */
ngx_array_t *ngx_http_k8s_settings(ngx_conf_t *cf, ngx_k8s_block_t *block,
    ngx_str_t *upstream);

/* adds one setting, its arguments separated by blanks, "" is an empty one */
ngx_int_t ngx_http_k8s_settings_add(ngx_conf_t *cf, ngx_array_t *settings,
    ngx_str_t *directive, ngx_str_t *arguments);


#endif /* _NGX_HTTP_K8S_PROFILE_H_INCLUDED_ */
