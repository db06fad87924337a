
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A reader of YAML.  Private to ngx_k8s_yaml*.c.
 */


#ifndef _NGX_K8S_YAML_CORE_H_INCLUDED_
#define _NGX_K8S_YAML_CORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <yaml.h>
#include <ngx_k8s_resource.h>
#include <ngx_k8s_yaml.h>


#define NGX_K8S_YAML_DEPTH      64
#define NGX_K8S_YAML_ANCHORS    1024

/* keys of all that is merged into one mapping, and bytes of a key */
#define NGX_K8S_YAML_MERGED     1024
#define NGX_K8S_YAML_KEY        16384


typedef struct {
    json_t              *json;       /* owned until it is complete */
    json_t              *key;        /* of the value to come, owned */
    json_t              *merged;     /* what merge keys bring, owned */
    char                *anchor;     /* malloc()ed */
    size_t               weight;     /* y->weight before */
    size_t               nmerged;    /* keys that merge keys brought */
    unsigned             merge:1;    /* the value to come is merged */
} ngx_k8s_yaml_frame_t;


typedef struct {
    char                *name;       /* malloc()ed */
    json_t              *json;
    size_t               weight;
} ngx_k8s_yaml_anchor_t;


struct ngx_k8s_yaml_s {
    yaml_parser_t        parser;
    ngx_log_t           *log;
    u_char              *text;
    u_char              *pos;
    u_char              *last;
    json_t              *root;       /* of the document, when complete */
    json_t              *trash;
    uint32_t            *breaks;     /* lines before each piece of the text */
    u_char              *counted;    /* up to here */
    u_char              *asked;      /* the place whose line was asked for */
    ngx_uint_t           asked_line; /* last, from 0 */
    ngx_uint_t           base;       /* lines before the parser's first */
    ngx_uint_t           line;       /* of the document, from 0 */
    u_char              *start;      /* of it, when it is JSON, or NULL */
    ngx_k8s_parser_t     tree;       /* of a large one */
    u_char              *fed;        /* what the parser has got */
    size_t               taken;      /* of it since the last node, and what
                                        costs more than its bytes */
    ngx_uint_t           after;      /* the line of that node's end, from 0 */
    uint32_t            *lines;      /* of the elements of its "items"; of a
                                        large document of JSON: their places */
    ngx_uint_t           nlines;
    ngx_uint_t           nalloc;
    ngx_uint_t           depth;
    ngx_uint_t           nanchors;
    size_t               weight;     /* of the nodes of the document */
    size_t               expanded;   /* of it by aliases */
    ngx_str_t            error;
    unsigned             json:1;
    unsigned             started:1;
    unsigned             reading:1;  /* a large document of JSON */
    unsigned             large:1;    /* so was the last one */
    unsigned             overlong:1; /* the parser got no more */
    unsigned             done:1;
    unsigned             failed:1;   /* no memory */
    ngx_k8s_yaml_frame_t   frames[NGX_K8S_YAML_DEPTH];
    ngx_k8s_yaml_anchor_t  anchors[NGX_K8S_YAML_ANCHORS];
    char                 why[129];
    u_char               message[256];
};


/* takes an event: NGX_OK, or NGX_DECLINED with y->error or y->failed */
ngx_int_t ngx_k8s_yaml_event(ngx_k8s_yaml_t *y, yaml_event_t *e);
/* NGX_DECLINED, with y->error */
ngx_int_t ngx_k8s_yaml_failed(ngx_k8s_yaml_t *y, size_t line, size_t column,
    const char *why);


#endif /* _NGX_K8S_YAML_CORE_H_INCLUDED_ */
