
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Where the API server is, and what proves who is who: from the service
 * account of a Pod, or from a kubeconfig.
 */


#ifndef _NGX_K8S_CREDENTIALS_H_INCLUDED_
#define _NGX_K8S_CREDENTIALS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_source.h>
#include <ngx_k8s_transport.h>


/* of each pair of file and data one at most is set; data is decoded */

typedef struct {
    ngx_str_t                server;     /* "https://host:6443/prefix" */
    ngx_str_t                host;       /* without brackets */
    ngx_uint_t               port;
    ngx_str_t                prefix;     /* "" or "/prefix" */
    ngx_str_t                server_name; /* tls-server-name */
    ngx_str_t                ca;         /* certificates, PEM */
    ngx_str_t                ca_file;
    ngx_str_t                token;
    ngx_str_t                token_file;
    ngx_str_t                cert;
    ngx_str_t                cert_file;
    ngx_str_t                key;
    ngx_str_t                key_file;
    unsigned                 tls:1;
    unsigned                 insecure:1;
} ngx_k8s_cluster_t;


typedef struct {
    ngx_str_t                path;       /* terminated; empty: fixed */
    ngx_str_t                value;      /* malloc()ed, unless fixed */
    char                    *what;       /* for messages */
    unsigned                 failed:1;   /* said already */
} ngx_k8s_file_t;

typedef struct {
    ngx_k8s_cluster_t        cluster;
    ngx_log_t               *log;
    ngx_k8s_file_t           token;
    ngx_k8s_file_t           ca;
    ngx_k8s_file_t           cert;
    ngx_k8s_file_t           key;
    ngx_msec_t               token_read; /* ngx_current_msec */
    ngx_msec_t               files_read;
    unsigned                 read:1;
} ngx_k8s_credentials_t;


/*
 * Reads the text of a kubeconfig.  Relative file names are taken from "dir"
 * (with its slash).  NULL, or a sentence that says what is wrong (in pool).
 */
char *ngx_k8s_kubeconfig_parse(u_char *text, size_t len, ngx_str_t *context,
    ngx_str_t *dir, ngx_k8s_cluster_t *cluster, ngx_pool_t *pool);

/* takes the server's address apart; as above */
char *ngx_k8s_cluster_server(ngx_k8s_cluster_t *cluster, ngx_pool_t *pool);

/* cluster of a source: NULL, or a sentence that says what is wrong */
char *ngx_k8s_cluster_load(ngx_k8s_source_conf_t *conf,
    ngx_k8s_cluster_t *cluster, ngx_pool_t *pool);

/* whether the files of a cluster can be read; as above */
char *ngx_k8s_cluster_check(ngx_k8s_cluster_t *cluster, ngx_pool_t *pool);

/*
 * A whole small file, malloc()ed, without white space at its end: NGX_OK,
 * NGX_DECLINED when it is empty or too large, NGX_ERROR with ngx_errno.
 */
ngx_int_t ngx_k8s_file_read(u_char *path, ngx_str_t *value, ngx_log_t *log);


void ngx_k8s_credentials_init(ngx_k8s_credentials_t *cr, ngx_log_t *log);

/*
 * Reads the files again that are due, or all of them: what is empty or broken
 * leaves the old content in place.  Returns 1 when something has changed.
 */
ngx_uint_t ngx_k8s_credentials_refresh(ngx_k8s_credentials_t *cr,
    ngx_uint_t all);

/* sets a call's options */
ngx_int_t ngx_k8s_credentials_apply(ngx_k8s_credentials_t *cr,
    ngx_k8s_call_t *call);

void ngx_k8s_credentials_done(ngx_k8s_credentials_t *cr);


#endif /* _NGX_K8S_CREDENTIALS_H_INCLUDED_ */
