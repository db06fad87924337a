
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Annotations of an object, or keys of a ConfigMap, while they are read.
 * Private to ngx_k8s_annotations*.c.
 */


#ifndef _NGX_K8S_ANNOTATIONS_CORE_H_INCLUDED_
#define _NGX_K8S_ANNOTATIONS_CORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


typedef struct {
    ngx_k8s_values_t        *values;
    ngx_str_t               *namespace;
    ngx_k8s_gate_t          *gate;       /* NULL: of keys */
    ngx_uint_t               class;      /* of those of a class */
    ngx_k8s_running_pt       running;    /* NULL: nothing is known */
    ngx_k8s_say_pt           say;
    void                    *data;
    ngx_uint_t               rows;       /* NGX_K8S_ROW_*: which are meant, */
    ngx_uint_t               later;      /* and not served yet */
    ngx_array_t             *texts;      /* ngx_keyval_t, all of them */
    ngx_uint_t               nearest;    /* unknown names that were compared */
    ngx_str_t                prefix;     /* a wrong one, which is said once */
} ngx_k8s_annotations_t;


/* all that return ngx_int_t return NGX_ERROR without memory, or where say()
   does */


/* a value (ngx_k8s_annotations_value.c) */

/* takes what the text, without blanks around it, says of the row, and says what
   is wrong with it */
ngx_int_t ngx_k8s_annotation_row(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text);

/* one of which it cannot be read whether it is a canary takes nobody's path */
ngx_int_t ngx_k8s_annotation_canary(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row);


/* messages (ngx_k8s_annotations_say.c) */

/* whether an annotation has our prefix, and its name without it; a key is its
   name */
ngx_uint_t ngx_k8s_annotation_ours(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_str_t *name);

/* a name that no row has */
ngx_int_t ngx_k8s_annotation_unknown(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_str_t *name);

/* a known name behind a prefix that looks like ours, or another controller's */
ngx_int_t ngx_k8s_annotation_other(ngx_k8s_annotations_t *a, ngx_keyval_t *kv);

/* none of them can be read: whatever protects may be there */
ngx_int_t ngx_k8s_annotation_all(ngx_k8s_annotations_t *a, ngx_str_t *why);

/* closes what the row protects; remedy as that of say() */
ngx_int_t ngx_k8s_annotation_close(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *why, ngx_str_t *remedy);

/* what is NGX_K8S_SAY_*; remedy may be NULL, but of names that are not ours */
ngx_int_t ngx_cdecl ngx_k8s_annotation_say(ngx_k8s_annotations_t *a,
    ngx_uint_t what, ngx_str_t *name, ngx_str_t *remedy, const char *fmt, ...);


#endif /* _NGX_K8S_ANNOTATIONS_CORE_H_INCLUDED_ */
