
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * An object written as JSON in pieces; in the watcher.
 */


#ifndef _NGX_K8S_WRITE_H_INCLUDED_
#define _NGX_K8S_WRITE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


typedef struct {
    ngx_k8s_object_t        *object;     /* the caller keeps it; NULL: none is
                                            written */
    u_char                  *text;       /* malloc()ed, with a final zero when
                                            it is whole */
    size_t                   len;        /* without that */
    size_t                   size;
    ngx_uint_t               list;       /* the list that is written, */
    ngx_uint_t               n;          /* its element, */
    ngx_uint_t               m;          /* and the place in that */
    unsigned                 spec:1;     /* it is in the spec */
    unsigned                 failed:1;   /* no memory */
} ngx_k8s_write_t;


/* as ngx_k8s_object_write() has it */
void ngx_k8s_write_begin(ngx_k8s_write_t *w, ngx_k8s_object_t *object);
/* about n elements: NGX_AGAIN, NGX_OK: the text is whole, NGX_ERROR: there is
   no memory, and nothing to be freed */
ngx_int_t ngx_k8s_write_run(ngx_k8s_write_t *w, ngx_uint_t n);
/* frees the text */
void ngx_k8s_write_end(ngx_k8s_write_t *w);


#endif /* _NGX_K8S_WRITE_H_INCLUDED_ */
