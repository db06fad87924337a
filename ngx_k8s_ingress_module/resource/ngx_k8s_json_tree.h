
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Large trees of JSON, in pieces; in the watcher.
 */


#ifndef _NGX_K8S_JSON_TREE_H_INCLUDED_
#define _NGX_K8S_JSON_TREE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


typedef struct {
    json_t                  *json;       /* the tree's */
    void                    *iter;       /* of an object, */
    size_t                   n;          /* and the next element */
} ngx_k8s_json_text_frame_t;


/* a tree that is written, what is deeper at once; the caller keeps it, and does
   not change it */

typedef struct {
    u_char                  *text;       /* malloc()ed, compact, with a final
                                            zero when it is whole; the caller
                                            frees it */
    size_t                   len;        /* without that */
    size_t                   size;
    size_t                   spec;       /* where the spec of an object begins,
                                            behind its "{"; 0: it has none */
    u_char                  *string;     /* what is left of one */
    size_t                   left;
    const char              *end;        /* and what follows it; NULL: none */
    ngx_uint_t               depth;
    unsigned                 is_spec:1;  /* the value to come */
    unsigned                 failed:1;   /* no memory */
    ngx_k8s_json_text_frame_t  frames[NGX_K8S_PARSER_TREE_DEPTH];
} ngx_k8s_json_text_t;


/* json is an object or an array */
void ngx_k8s_json_text_begin(ngx_k8s_json_text_t *t, json_t *json);
/* about "max" bytes of it: NGX_AGAIN, NGX_OK: it is whole, NGX_ERROR: there is
   no memory */
ngx_int_t ngx_k8s_json_text_run(ngx_k8s_json_text_t *t, size_t max);

/*
 * Releases what is in an array or object, as much as *budget allows, in bytes
 * of its text: NGX_OK: it is empty, NGX_AGAIN.  What others hold too is theirs.
 */
ngx_int_t ngx_k8s_json_freed(json_t *json, size_t *budget);

/* about what a value costs that has been read whole, in values */
ngx_uint_t ngx_k8s_json_cost(json_t *json);


#endif /* _NGX_K8S_JSON_TREE_H_INCLUDED_ */
