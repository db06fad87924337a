
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* The parts of the parser of an object; in the watcher. */


#ifndef _NGX_K8S_PARSER_H_INCLUDED_
#define _NGX_K8S_PARSER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


/*
 * What is converted in pieces (ngx_k8s_parser_piece.c).  endpoint(): one of an
 * EndpointSlice, which it releases; pieces(): what of a large object can be
 * read alone, NGX_OK, NGX_AGAIN.  NGX_ERROR: no memory, or p->failed.
 */
ngx_int_t ngx_k8s_parser_endpoint(ngx_k8s_parser_t *p, json_t *value);
ngx_int_t ngx_k8s_parser_pieces(ngx_k8s_parser_t *p, size_t *budget);

/* releases what was read (ngx_k8s_parser_free.c): in pieces, NGX_OK, NGX_AGAIN;
   at once; about what a value costs that has been read whole, in values */
ngx_int_t ngx_k8s_parser_freed(ngx_k8s_parser_t *p, size_t *budget);
void ngx_k8s_parser_free(ngx_k8s_parser_t *p);
ngx_uint_t ngx_k8s_parser_cost(json_t *json);


#endif /* _NGX_K8S_PARSER_H_INCLUDED_ */
