
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_AUTH_H_INCLUDED_
#define _NGX_HTTP_K8S_AUTH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_pool.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_template.h>
#include <ngx_http_k8s_url.h>
#include <ngx_k8s_answers.h>


/*
 * External authentication: auth-url and global-auth-url.  What holds for a
 * profile and what an answer does (ngx_http_k8s_auth.c), the asking
 * (ngx_http_k8s_auth_request.c), in locations of its own
 * (ngx_http_k8s_auth_location.c), by connections that are kept or not
 * (ngx_http_k8s_auth_peer.c), and answers that are kept
 * (ngx_http_k8s_auth_cache.c).  In any worker.
 *
 * A request that is not let through by an answer with a status of 2xx never
 * gets to its backend.
 */

struct ngx_http_k8s_auth_s {
    ngx_http_k8s_url_t       url;
    ngx_http_k8s_template_t  redirect;   /* a header; empty: the URI */
    ngx_http_k8s_template_t  signin;     /* URL instead of 401, or empty */
    ngx_str_t                param;      /* of signin, has the URL */
    ngx_http_k8s_template_t  key;        /* whom an answer is for; empty: none
                                            is kept */
    ngx_str_t                duration;   /* see ngx_k8s_duration() */
    ngx_str_t                settings;   /* all that says how it is asked, and
                                            what is kept */
    ngx_str_t                method;     /* empty: GET */
    ngx_array_t             *set_headers; /* to the server: values with
                                            variables, or NULL */
    ngx_array_t             *headers;    /* ngx_table_elt_t, without values: of
                                            the answer, for the backend */
    ngx_uint_t               keepalive;  /* idle connections of a worker */
    ngx_uint_t               requests;   /* of one of them */
    ngx_msec_t               timeout;    /* that one may be idle */
    unsigned                 once:1;     /* it may not be asked again */
    unsigned                 always:1;   /* cookies with any status */
};


typedef struct ngx_http_k8s_flight_s  ngx_http_k8s_flight_t;


/* of a request, in its pool */

struct ngx_http_k8s_auth_ctx_s {
    ngx_http_k8s_auth_t     *auth;       /* of ctx->profile */
    ngx_http_request_t      *main;
    ngx_http_request_t      *request;    /* to the server; NULL: none was */
    ngx_resolver_ctx_t      *resolve;    /* while its name is looked up */
    ngx_str_t                host;       /* without a port */
    in_port_t                port;       /* host byte order */
    ngx_k8s_address_t       *address;    /* NULL: the connection is not kept */
    ngx_str_t                uri;
    ngx_str_t                url;        /* with an address */
    ngx_uint_t               status;     /* of the answer; 0: there is none */
    ngx_uint_t               depth;      /* of requests to auth servers */
    ngx_list_t              *headers;    /* of the answer; NULL: there is
                                            none */
    ngx_k8s_block_t         *block;      /* where it may be kept, with its */
    ngx_k8s_answer_t         answer;     /* name and key */
    ngx_http_k8s_flight_t   *flight;     /* whose end it waits for, or NULL */
    ngx_queue_t              queue;      /* in it */
    ngx_event_t              wait;
    ngx_msec_t               until;      /* it waits; 0: it has not yet */
    void                   (*resume)(ngx_http_k8s_auth_ctx_t *a);
    unsigned                 named:1;    /* the answer has a name */
    unsigned                 asks:1;     /* others wait for it */
    unsigned                 waiting:1;
    unsigned                 signin:1;   /* the client is sent to it */
    unsigned                 async:1;    /* the main request is suspended */
};


/* at configuration time: the location of the builtin's requests */
ngx_int_t ngx_http_k8s_auth_init(ngx_conf_t *cf, ngx_http_k8s_pass_t *pass);

/*
 * What holds for a profile, whose settings are known: profile->auth, NULL where
 * nobody is asked; for a base also ->no_auth.
 */
ngx_int_t ngx_http_k8s_auth_profile(ngx_http_k8s_profile_t *profile,
    ngx_pool_t *pool);

/* whether a server is asked about a routed request: 1 or 0 */
ngx_uint_t ngx_http_k8s_auth_wanted(ngx_http_k8s_ctx_t *ctx);

/*
 * Asks, where it is wanted.  NGX_DECLINED: the request is let through;
 * NGX_DONE: it is suspended, and its phases run again with the answer; or the
 * status of the answer to the client.
 */
ngx_int_t ngx_http_k8s_auth(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx);

/* where it is wanted, and the request is let through otherwise; NGX_ERROR: no
   memory */
ngx_int_t ngx_http_k8s_auth_unasked(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);

/* begins to ask: NGX_OK, a->waiting says whether there is no answer yet;
   anything else is an error */
ngx_int_t ngx_http_k8s_auth_ask(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_auth_ctx_t *a);

/* the location for requests of a profile: profile->asking, or that of its base
   stays, or that of the cycle; without its headers the profile is denied */
ngx_int_t ngx_http_k8s_auth_location(ngx_http_k8s_profile_t *profile);

/* where the client is sent in place of 401: 302, or 401 */
ngx_int_t ngx_http_k8s_auth_signin(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx);

/* peer.init of its upstream, where the connection is kept; NGX_ERROR: no
   memory */
ngx_int_t ngx_http_k8s_auth_peer(ngx_http_request_t *r,
    ngx_http_k8s_auth_ctx_t *a, ngx_http_k8s_pool_t *pool);

/*
 * Before the server is asked, and again when a wait is over: NGX_OK, the answer
 * is there; NGX_AGAIN: another request asks for it, a->resume() is called
 * later; NGX_DECLINED: the server has to be asked.  An error is no answer.
 */
ngx_int_t ngx_http_k8s_auth_find(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_auth_ctx_t *a);

/* it was asked: keeps the answer, where it may be, and lets others go on;
   anyhow: there may be none */
void ngx_http_k8s_auth_keep(ngx_http_k8s_auth_ctx_t *a);

/* cookies of the answer, in the header filter */
ngx_int_t ngx_http_k8s_auth_cookies(ngx_http_request_t *r,
    ngx_http_k8s_auth_ctx_t *a);

/* variables of its location; data: NGX_HTTP_K8S_AUTH_* */
ngx_int_t ngx_http_k8s_auth_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

#define NGX_HTTP_K8S_AUTH_URL          0
#define NGX_HTTP_K8S_AUTH_HOST         1
#define NGX_HTTP_K8S_AUTH_METHOD       2
#define NGX_HTTP_K8S_AUTH_REDIRECT     3
#define NGX_HTTP_K8S_AUTH_URI          4
#define NGX_HTTP_K8S_AUTH_SCHEME       5
#define NGX_HTTP_K8S_AUTH_FROM         6


/* X-Sent-From by depth: a request with the last one is no longer asked about */

#define NGX_HTTP_K8S_AUTH_DEPTH        3

extern ngx_str_t  ngx_http_k8s_auth_from[NGX_HTTP_K8S_AUTH_DEPTH];


#endif /* _NGX_HTTP_K8S_AUTH_H_INCLUDED_ */
