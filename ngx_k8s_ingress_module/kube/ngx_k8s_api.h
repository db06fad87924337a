
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The wire format of the Kubernetes API: addresses of lists, watches and
 * objects, events of a watch, Status objects, resource versions.  Pure.
 */


#ifndef _NGX_K8S_API_H_INCLUDED_
#define _NGX_K8S_API_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


#define NGX_K8S_VERSION_MAX          64
#define NGX_K8S_API_MESSAGE          256


/* what is asked of a collection; zeros and empty strings are left out */

typedef struct {
    ngx_str_t                version;    /* resourceVersion */
    ngx_str_t                token;      /* continue */
    ngx_str_t                fields;     /* fieldSelector */
    ngx_uint_t               limit;
    ngx_uint_t               timeout;    /* timeoutSeconds */
    unsigned                 watch:1;    /* with bookmarks */
    unsigned                 initial:1;  /* sendInitialEvents */
    unsigned                 not_older:1; /* resourceVersionMatch */
} ngx_k8s_query_t;


/* one request to the API; what is zero, NULL or empty is left out */

typedef struct {
    char                    *method;     /* NULL: GET */
    char                    *path;       /* of the server, in place of all
                                            that names an object or query */
    ngx_uint_t               kind;
    ngx_str_t                namespace;
    ngx_str_t                name;       /* empty: the collection */
    ngx_str_t                subresource; /* "status" */
    ngx_k8s_query_t          query;
    char                    *accept;     /* header lines, whole */
    char                    *type;
    ngx_str_t                body;       /* copied by the call */
} ngx_k8s_request_t;


#define NGX_K8S_EVENT_ADDED          0
#define NGX_K8S_EVENT_MODIFIED       1
#define NGX_K8S_EVENT_DELETED        2
#define NGX_K8S_EVENT_BOOKMARK       3
#define NGX_K8S_EVENT_ERROR          4

/* one line of a watch; strings may be empty, object is when it was not kept */

typedef struct {
    ngx_uint_t               type;
    ngx_str_t                object;     /* JSON */
    ngx_str_t                namespace;
    ngx_str_t                name;
    ngx_str_t                version;
} ngx_k8s_event_t;


/* a Status object; zeros when it can't be read */

typedef struct {
    ngx_uint_t               code;
    ngx_uint_t               retry_after;  /* seconds */
    unsigned                 expired:1;
    unsigned                 too_large:1;  /* resource version */
    size_t                   len;
    u_char                   message[NGX_K8S_API_MESSAGE];
} ngx_k8s_status_t;


/*
 * Address of what is asked for; terminated, the caller frees it by ngx_free().
 * NULL: no memory, or a name that can't be part of an address.  "base" has no
 * slash at its end.
 */
char *ngx_k8s_api_url(ngx_str_t *base, ngx_k8s_request_t *req,
    ngx_log_t *log);

/*
 * Takes an event apart without parsing the object.  names: what its line has
 * been fed to, *event points there; p: the line, or NULL when it was not kept.
 * NGX_OK, NGX_DECLINED when its type is not known, or NGX_ERROR when it cannot
 * be read.
 */
ngx_int_t ngx_k8s_api_event(ngx_k8s_json_names_t *names, u_char *p,
    u_char *last, ngx_k8s_event_t *event);

/* the strings of *event, without type and object */
void ngx_k8s_api_names(ngx_k8s_json_names_t *names, ngx_k8s_event_t *event);
/* the same of metadata of an object that is there */
void ngx_k8s_api_metadata(u_char *p, u_char *last, ngx_k8s_event_t *event);

/* whether a bookmark ends the initial events of a streaming list */
ngx_uint_t ngx_k8s_api_initial_end(ngx_str_t *object);

void ngx_k8s_api_status(u_char *p, size_t len, ngx_k8s_status_t *status);

/* whether version a is lower than b; no when one is not a decimal number */
ngx_uint_t ngx_k8s_api_older(ngx_str_t *a, ngx_str_t *b);


#endif /* _NGX_K8S_API_H_INCLUDED_ */
