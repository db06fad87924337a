
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Documents of a YAML or JSON text, one after the other, as kubectl reads
 * them: YAML 1.1's plain scalars, merge keys, each key once.  Pure.  The text
 * is untrusted: bounded are nesting, the expansion of aliases, what merge keys
 * bring, the elements of a list, the keys of a mapping, and what libyaml reads
 * without a break: a value, or all comments between two.
 */


#ifndef _NGX_K8S_YAML_H_INCLUDED_
#define _NGX_K8S_YAML_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>


typedef struct ngx_k8s_yaml_s  ngx_k8s_yaml_t;


/* a text that is being decoded; pos and len are 0 at its begin */

typedef struct {
    u_char                  *text;       /* of UTF-16: what is made of it */
    size_t                   pos;        /* bytes that were read so far, */
    size_t                   len;        /* and that they became */
    unsigned                 utf16:1;
    unsigned                 big:1;
} ngx_k8s_yaml_decode_t;

/*
 * Makes UTF-8 of what a file holds, as kubectl does: UTF-16 is known by its
 * byte order mark; marks at the begin of a line, of files put together, are
 * taken away.  In pieces of "max" bytes: NGX_AGAIN; NGX_OK, when *text, which
 * is malloc()ed, may be another one; NGX_ERROR: no memory.  end() wipes and
 * frees what was made so far; it does no harm later.
 */
void ngx_k8s_yaml_decode_begin(ngx_k8s_yaml_decode_t *d, u_char *text,
    size_t len);
ngx_int_t ngx_k8s_yaml_decode_run(ngx_k8s_yaml_decode_t *d, u_char **text,
    size_t *len, size_t max, ngx_log_t *log);
void ngx_k8s_yaml_decode_end(ngx_k8s_yaml_decode_t *d);

/*
 * Makes a reader; the text has to stay until ngx_k8s_yaml_close().  Documents
 * that are JSON are read as such, one after the other or between lines "---";
 * with "json" there is nothing else.  What is not given out is added to the
 * array "trash", or freed where there is none.  NULL: no memory.
 */
ngx_k8s_yaml_t *ngx_k8s_yaml_open(u_char *text, size_t len, ngx_uint_t json,
    json_t *trash, ngx_log_t *log);
void ngx_k8s_yaml_close(ngx_k8s_yaml_t *y);

/*
 * Reads on for at most "budget" nodes, or some 16 KB of text and what the node
 * has that ends behind them.  NGX_OK: the next document, which is
 * not empty; the reference is the caller's.  NGX_AGAIN: the budget is used up.
 * NGX_DONE: no more.  NGX_DECLINED: broken, see below, for ever.  NGX_ERROR:
 * no memory.
 */
ngx_int_t ngx_k8s_yaml_next(ngx_k8s_yaml_t *y, ngx_uint_t budget,
    json_t **json);

/*
 * The line, from 1, where the document that was given out last begins; with
 * n > 0 that of element n (from 1) of its "items".
 */
ngx_uint_t ngx_k8s_yaml_line(ngx_k8s_yaml_t *y, ngx_uint_t n);

/* after NGX_DECLINED: "line 3, column 7: why"; lives as long as the reader */
ngx_str_t *ngx_k8s_yaml_error(ngx_k8s_yaml_t *y);


#endif /* _NGX_K8S_YAML_H_INCLUDED_ */
