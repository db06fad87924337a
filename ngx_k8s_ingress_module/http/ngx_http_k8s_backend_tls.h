
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_BACKEND_TLS_H_INCLUDED_
#define _NGX_HTTP_K8S_BACKEND_TLS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>


#if (NGX_HTTP_SSL)

/*
 * SSL contexts for backends (ngx_http_k8s_backend_tls.c), as proxy-ssl-* say
 * them: of one worker and block, by what they are made of, the content of the
 * Secret included, so that profiles share them and another Secret is another
 * context.  The last used ones are kept; a request holds its own.
 */

#define NGX_HTTP_K8S_CONTEXTS        256

typedef struct {
    ngx_queue_t              queue;      /* the last used one is first */
    ngx_uint_t               n;
} ngx_http_k8s_contexts_t;

void ngx_http_k8s_contexts_init(ngx_http_k8s_contexts_t *contexts);
void ngx_http_k8s_contexts_done(ngx_http_k8s_contexts_t *contexts);

/*
 * In peer.init of a request by TLS: gives its upstream the context and the name
 * that its profile asks for, and makes both a part of the key of its
 * connections.  NGX_ERROR, logged: it cannot be had, nothing is sent.
 */
ngx_int_t ngx_http_k8s_backend_tls(ngx_http_k8s_contexts_t *contexts,
    ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx, uint64_t *protocol);

#endif

/* whether the Secret that a profile names for it is not there, or is of no use:
   it has neither CAs nor a pair, a bad one, or no CA to verify by */
ngx_uint_t ngx_http_k8s_backend_tls_closed(ngx_k8s_block_t *block,
    ngx_k8s_settings_t *settings);


#endif /* _NGX_HTTP_K8S_BACKEND_TLS_H_INCLUDED_ */
