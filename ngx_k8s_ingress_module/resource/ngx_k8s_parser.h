
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* The parts of the parser of an object; in the watcher. */


#ifndef _NGX_K8S_PARSER_H_INCLUDED_
#define _NGX_K8S_PARSER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


/* what a container that is open is */

#define NGX_K8S_ROLE_OTHER          0
#define NGX_K8S_ROLE_ROOT           1
#define NGX_K8S_ROLE_METADATA       2
#define NGX_K8S_ROLE_ANNOTATIONS    3
#define NGX_K8S_ROLE_ENDPOINTS      4
#define NGX_K8S_ROLE_DROPPED        5
#define NGX_K8S_ROLE_STATUS         6   /* dropped, but for its digest */
#define NGX_K8S_ROLE_SPEC           7
#define NGX_K8S_ROLE_RULES          8   /* read one by one, */
#define NGX_K8S_ROLE_RULE           9
#define NGX_K8S_ROLE_HTTP           10
#define NGX_K8S_ROLE_ELEMENTS       11  /* and so are these */
#define NGX_K8S_ROLE_VALUES         12  /* of a Secret or ConfigMap */
#define NGX_K8S_ROLE_ENCODED        13  /* the same in base64 */
#define NGX_K8S_ROLE_ITEMS          14  /* of a tree */


/* what comes next */

#define NGX_K8S_PARSER_START        0
#define NGX_K8S_PARSER_FIRST        1   /* after "{" or "[" */
#define NGX_K8S_PARSER_NEXT         2   /* after "," */
#define NGX_K8S_PARSER_VALUE        3
#define NGX_K8S_PARSER_DROP         4   /* within a value that is left out */
#define NGX_K8S_PARSER_AFTER        5   /* after a value */
#define NGX_K8S_PARSER_END          6
#define NGX_K8S_PARSER_FREE         7   /* what was read */
#define NGX_K8S_PARSER_COLON        8


#define ngx_k8s_parser_elements(role)                                         \
    ((role) == NGX_K8S_ROLE_RULES || (role) == NGX_K8S_ROLE_ELEMENTS          \
     || (role) == NGX_K8S_ROLE_ENDPOINTS)


/*
 * Limits (ngx_k8s_parser_limit.c).  charge(): a value that costs so much goes
 * to the container that is open, of which no more is converted in one piece;
 * add(): its bytes are added to those of annotations or of a Secret's values,
 * and it is emptied where there are too many; sum(): the end of such a
 * container.  large(): refuses the object for the value that is being read.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_k8s_parser_charge(ngx_k8s_parser_t *p, ngx_uint_t cost);
void ngx_k8s_parser_add(ngx_k8s_parser_t *p, ngx_k8s_parser_frame_t *f,
    json_t *value);
ngx_int_t ngx_k8s_parser_sum(ngx_k8s_parser_t *p, ngx_uint_t role);
ngx_int_t ngx_cdecl ngx_k8s_parser_large(ngx_k8s_parser_t *p,
    const char *fmt, ...);

/*
 * What is converted in pieces (ngx_k8s_parser_piece.c).  endpoint(): one of an
 * EndpointSlice, which it releases; endpoints(): all of them are the object's
 * from now on; pieces(): what of a large object can be read alone, NGX_OK,
 * NGX_AGAIN.  NGX_ERROR: no memory, or p->failed.
 */
ngx_int_t ngx_k8s_parser_endpoint(ngx_k8s_parser_t *p, json_t *value);
ngx_int_t ngx_k8s_parser_endpoints(ngx_k8s_parser_t *p);
ngx_int_t ngx_k8s_parser_pieces(ngx_k8s_parser_t *p, size_t *budget);

/*
 * Scalars (ngx_k8s_parser_value.c).  end(): one past the one at pos; NULL: it
 * is broken, or too long, and of a tree what is too long is dropped then.
 * string(), load(): the value from pos to last, a string with its quotes; NULL:
 * broken, or no memory.  overlong(): what is in place of a string that is too
 * long, with or without escapes.  broken(): NGX_ERROR, with a problem that says
 * where and why.
 */
u_char *ngx_k8s_parser_end(ngx_k8s_parser_t *p);
json_t *ngx_k8s_parser_string(ngx_k8s_parser_t *p, u_char *last);
json_t *ngx_k8s_parser_load(ngx_k8s_parser_t *p, u_char *last);
json_t *ngx_k8s_parser_overlong(ngx_k8s_parser_t *p, ngx_uint_t escapes);
ngx_int_t ngx_k8s_parser_broken(ngx_k8s_parser_t *p, char *why);

/* releases what was read (ngx_k8s_parser_free.c): in pieces, NGX_OK, NGX_AGAIN;
   at once */
ngx_int_t ngx_k8s_parser_freed(ngx_k8s_parser_t *p, size_t *budget);
void ngx_k8s_parser_free(ngx_k8s_parser_t *p);


#endif /* _NGX_K8S_PARSER_H_INCLUDED_ */
