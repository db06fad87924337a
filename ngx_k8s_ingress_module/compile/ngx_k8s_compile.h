
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * From objects to records.  Runs in the watcher; pure: it needs a store and a
 * writer and no running nginx.  It takes what the store has marked, a piece at
 * a time, and puts and removes records, so that the cost of a change follows
 * the change.
 */


#ifndef _NGX_K8S_COMPILE_H_INCLUDED_
#define _NGX_K8S_COMPILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_listen.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_store.h>
#include <ngx_k8s_writer.h>


typedef struct ngx_k8s_compile_s  ngx_k8s_compile_t;


/* an address of a name */

typedef struct {
    u_char                   addr[16];   /* IPv4 in the first four bytes */
    ngx_uint_t               family;     /* 4 or 6 */
} ngx_k8s_name_addr_t;


#define NGX_K8S_NAME_ADDRS           64  /* kept of one name */

/* how far a name is */

#define NGX_K8S_NAME_UNKNOWN         0   /* no lookup has ended: what is served
                                            of the Service stays */
#define NGX_K8S_NAME_FAILING         1   /* none was good so far: addresses that
                                            a predecessor had of it stay */
#define NGX_K8S_NAME_KNOWN           2   /* those of the last good answer */
#define NGX_K8S_NAME_FAILED          3   /* that is too long ago: none */

/*
 * The name of an ExternalName Service.  It belongs to who looks names up, from
 * conf.resolve() to conf.unresolve(), and is read in compile/ after each
 * ngx_k8s_compile_resolved().  In the watcher.
 */

typedef struct {
    ngx_str_t                name;       /* as the Service has it */
    ngx_uint_t               state;      /* NGX_K8S_NAME_* */
    ngx_uint_t               naddrs;     /* with KNOWN, else 0 */
    ngx_k8s_name_addr_t     *addrs;      /* in order, each once, not checked;
                                            NULL: none */
    char                    *error;      /* of the last lookup, static; NULL */
    void                    *data;       /* compile's */
} ngx_k8s_name_t;


typedef struct {
    ngx_str_t                default_backend;  /* "ns/name[:port]", or "" */
    ngx_str_t                default_certificate;  /* "ns/name", or "" */
    ngx_str_t                config_map;       /* "ns/name", or "" */
    ngx_str_t                topology_zone;    /* of the node, or "" */
    ngx_uint_t               limit_routes;     /* of one namespace, 0: none */
    size_t                   limit_bytes;      /* of one namespace, 0: none */
    ngx_uint_t               problems;         /* records kept at most */
    ngx_array_t             *listens;          /* ngx_k8s_listen_t, all of this
                                                  nginx; NULL: not known.  Its
                                                  own addresses are refused as
                                                  endpoints, but of manifests */
    /* problems of an object have come or gone; either may be NULL */
    void                   (*told)(void *data, ngx_k8s_problem_rec_t *old,
                                ngx_k8s_problem_rec_t *now);
    /* builds a profile of values by row: with "base" that of the ConfigMap,
       over which those that follow are, else one over it.  NGX_DECLINED: nginx
       refuses it, *error says why, in NGX_K8S_BUILD_ERROR bytes of the
       caller's; NGX_ERROR: no memory.  NULL: all are good */
    ngx_int_t              (*build)(void *data, ngx_uint_t base,
                                ngx_str_t *values, ngx_str_t *error);
    /* see ngx_k8s_running_pt; NULL: nothing is known */
    ngx_k8s_running_pt       running;
    /* compile_due() is to be called so many milliseconds later, or earlier;
       NULL: changes of the ConfigMap do not wait */
    void                   (*later)(void *data, ngx_msec_t msec);
    /* looks the name of a Service of namespace "ns" up, again and again, until
       unresolve(): both are copied, NULL: no memory.  NULL: none are */
    ngx_k8s_name_t        *(*resolve)(void *data, ngx_str_t *ns,
                                ngx_str_t *name);
    void                   (*unresolve)(void *data, ngx_k8s_name_t *name);
    void                    *data;
    /* compiles a regular expression, as workers do.  NGX_DECLINED and *error,
       whose data has NGX_MAX_CONF_ERRSTR bytes, or NGX_ERROR: no memory; NULL:
       all are taken for good */
    ngx_int_t              (*regex)(ngx_str_t *pattern, ngx_str_t *error,
                                ngx_log_t *log);
    /* whether nginx has a variable, in any case; NULL: it is not known */
    ngx_uint_t             (*variable)(ngx_str_t *name);
    ngx_uint_t               ownership;        /* a host is that of the
                                                  namespace of its oldest
                                                  object */
    unsigned                 acme:1;           /* with that: challenges may be
                                                  answered by any */
    unsigned                 no_names:1;       /* ExternalName Services have no
                                                  endpoints */
    unsigned                 http2:1;          /* nginx asks backends so */
    unsigned                 add_slash:1;      /* 301 from /dir to /dir/ */
    unsigned                 loopback:1;       /* manifests: 127.0.0.1, and
                                                  ClusterIP, externalIPs and
                                                  externalName as endpoints */
} ngx_k8s_compile_conf_t;


#define NGX_K8S_BUILD_ERROR          512


ngx_k8s_compile_t *ngx_k8s_compile_create(ngx_k8s_compile_conf_t *conf,
    ngx_k8s_store_t *store, ngx_k8s_writer_t *writer, ngx_log_t *log);
void ngx_k8s_compile_destroy(ngx_k8s_compile_t *c);

/*
 * Works on what is marked for about "usec" microseconds: NGX_OK when nothing
 * is left, NGX_AGAIN when there is more, NGX_ERROR when there is more, but no
 * memory, so that it is to be called later.  The caller then publishes.
 */
ngx_int_t ngx_k8s_compile_run(ngx_k8s_compile_t *c, ngx_uint_t usec);

/*
 * Until the first list of all kinds is complete nothing that a predecessor
 * has left in the table is removed; called once it is: what the store does
 * not have is then removed, by compile_run().
 */
void ngx_k8s_compile_synced(ngx_k8s_compile_t *c);

/* the time that conf.later() was told has passed */
void ngx_k8s_compile_due(ngx_k8s_compile_t *c);

/* a name, or what is known of it, is another one; later work takes it over */
void ngx_k8s_compile_resolved(ngx_k8s_compile_t *c, ngx_k8s_name_t *name);

/* tells that time has passed: certificates near their end; once an hour */
void ngx_k8s_compile_clock(ngx_k8s_compile_t *c, time_t now);

/* replaces the problems of something that is no object (a file); n 0: none */
void ngx_k8s_compile_problems(ngx_k8s_compile_t *c, ngx_str_t *kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t n, ngx_k8s_problem_t *problems);

/* of a kind's objects so many more, or less, cannot be read, beside those that
   have problems here */
void ngx_k8s_compile_unread(ngx_k8s_compile_t *c, ngx_uint_t kind,
    ngx_int_t n);


/*
 * A Secret's key pair, from PEM to the fields of a certificate record, built
 * in "b" (namespace and name in the key).  NGX_OK: b holds it and may be put.
 * NGX_DECLINED: *problem says what is wrong (strings in pool).  NGX_ERROR: no
 * memory.  About 0.7 ms for RSA-2048 with a chain of two.
 */
ngx_int_t ngx_k8s_certificate_build(ngx_k8s_builder_t *b, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *crt, ngx_str_t *key, ngx_pool_t *pool,
    ngx_k8s_problem_t *problem, ngx_log_t *log);

/* makes the default certificate ("", ""), as ingress-nginx's fake one is */
ngx_int_t ngx_k8s_certificate_generate(ngx_k8s_builder_t *b, ngx_log_t *log);

/* whether a certificate's name covers a host ("*.a" takes one label, and as
   well the wildcard host ".a"); both without trailing dot, any case */
ngx_uint_t ngx_k8s_certificate_covers(ngx_str_t *name, ngx_str_t *host);


#endif /* _NGX_K8S_COMPILE_H_INCLUDED_ */
