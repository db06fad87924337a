
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The context of a request, in the main request's pool; subrequests and
 * internal redirects find it through r->main.
 */


#ifndef _NGX_HTTP_K8S_CTX_H_INCLUDED_
#define _NGX_HTTP_K8S_CTX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s.h>
#include <ngx_k8s_peer.h>


/*
 * One way to a backend: all that the balancer knows of a request.  The main
 * request has one.
 */

typedef struct {
    ngx_k8s_block_t         *block;
    uint32_t                 service;    /* slot and generation; 0: none, the
                                            request is not proxied */
    uint32_t                 generation;
    ngx_k8s_copies_t         copies;
    ngx_k8s_choice_key_t     key;
    ngx_uint_t               hashed;     /* the Service has upstream-hash-by */
    ngx_uint_t               http2;      /* the proxy module's */
    uint64_t                 protocol;   /* see ngx_http_k8s_pool_key_t */

    /* nginx's own, see ngx_http_k8s_interim() */
    ngx_int_t              (*process_header)(ngx_http_request_t *r);
    ngx_int_t              (*reinit_request)(ngx_http_request_t *r);
    ngx_uint_t               interim;
} ngx_http_k8s_hop_t;


typedef struct ngx_http_k8s_auth_ctx_s  ngx_http_k8s_auth_ctx_t;
typedef struct ngx_http_k8s_password_ctx_s  ngx_http_k8s_password_ctx_t;
typedef struct ngx_http_k8s_run_s  ngx_http_k8s_run_t;


typedef struct {
    ngx_k8s_block_t         *block;
    ngx_http_k8s_loc_conf_t *conf;       /* the pass that routed it */
    ngx_http_k8s_profile_t  *profile;    /* of its policy, or the base; held;
                                            once it is routed */
    ngx_http_k8s_profile_t  *server;     /* whose server-snippet is that of its
                                            host; held; NULL: none is */
    ngx_http_k8s_hop_t       hop;
    uint32_t                 rule;       /* slot and generation of the rule */
    uint32_t                 rule_generation;
    ngx_str_t                peer;       /* address of the connection, before
                                            realip; empty: as it is */
    ngx_uint_t               status;     /* answered by us: 301, 308, 404, ...;
                                            0: proxied */
    ngx_uint_t               verdict;    /* status of the answer, once it is let
                                            through; 0: it is proxied */
    ngx_http_k8s_auth_ctx_t *auth;       /* NULL: no auth server was asked */
    ngx_http_k8s_password_ctx_t *password; /* NULL: none was asked for */
    ngx_http_k8s_run_t      *run;        /* of snippets; NULL: none */
    ngx_atomic_uint_t        limited;    /* key of limits that let it pass */
    ngx_str_t                uri;        /* the backend's, until it is that of
                                            the request; empty: it stays */
    ngx_str_t                prefix;     /* with it, X-Forwarded-Prefix; NULL:
                                            as it came */
    ngx_str_t                canary;     /* that got the request; empty: none */
    ngx_str_t                page;       /* the same of a default or error
                                            backend */
    ngx_k8s_rule_rec_t      *names;      /* a copy, for variables, or NULL */
    ngx_str_t               *origin;     /* that is allowed, NULL: none */
    ngx_uint_t               error;      /* status for which an error backend
                                            is asked; 0: none is */
    u_char                   digest[16]; /* with affinity, of the Service */
    u_char                  *free;       /* memory for ngx_http_k8s_alloc(), */
    u_char                  *end;        /* up to here */

    ngx_uint_t               built;      /* how the request to its backend was
                                            made: */
#define NGX_HTTP_K8S_BUILT_NGINX     0   /* by nginx: there is no plan, */
#define NGX_HTTP_K8S_BUILT_HEAD      1   /* it is HEAD, */
#define NGX_HTTP_K8S_BUILT_BODY      2   /* its body is not read yet */
#define NGX_HTTP_K8S_BUILT           3   /* by the plan of its profile */

    unsigned                 routed:1;
    unsigned                 gate:1;     /* waits to be let through */
    unsigned                 served:1;   /* a server-snippet has run */
    unsigned                 no_service:1; /* no rule, or none for it */
    unsigned                 unmatched:1; /* of a host, no path took it */
    unsigned                 untaken:1;  /* no Ingress is for its host, or for
                                            all hosts */
    unsigned                 unlocated:1; /* answered with "app-root", or with
                                            a slash behind the path */
    unsigned                 missing:1;  /* the verdict is that its Service has
                                            no endpoints */
    unsigned                 counted:1;
    unsigned                 health:1;   /* answered /healthz: not logged */
    unsigned                 asked:1;    /* a variable was, before routing */
    unsigned                 preflight:1; /* of a request of another origin */
    unsigned                 by_origin:1; /* the answer is for this one */
    unsigned                 mirrored:1;
    unsigned                 bare:1;     /* answered for the whole host, which
                                            says nothing of HSTS */
} ngx_http_k8s_ctx_t;


/* the making of a request's context, once a main request; the finding of one
   after contexts were reset, NULL: there is none */
ngx_http_k8s_ctx_t *ngx_http_k8s_ctx_create(ngx_http_request_t *r);
ngx_http_k8s_ctx_t *ngx_http_k8s_ctx_find(ngx_http_request_t *r);


/* the request's context, NULL before any */

static ngx_inline ngx_http_k8s_ctx_t *
ngx_http_k8s_ctx(ngx_http_request_t *r)
{
    ngx_http_k8s_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_k8s_module);

    return (ctx || !(r->internal || r->filter_finalize))
           ? ctx : ngx_http_k8s_ctx_find(r);
}


/*
 * Memory that lives as long as the main request, aligned, from what its context
 * has of it, or else from its pool.  NULL: there is none.
 */

static ngx_inline void *
ngx_http_k8s_alloc(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx, size_t size)
{
    u_char  *p;

    size = ngx_align(size, NGX_ALIGNMENT);

    if (size > (size_t) (ctx->end - ctx->free)) {
        return ngx_palloc(r->main->pool, size);
    }

    p = ctx->free;
    ctx->free = p + size;

    return p;
}


/* NULL when the request is not proxied by a route */
ngx_http_k8s_hop_t *ngx_http_k8s_hop(ngx_http_request_t *r);


#endif /* _NGX_HTTP_K8S_CTX_H_INCLUDED_ */
