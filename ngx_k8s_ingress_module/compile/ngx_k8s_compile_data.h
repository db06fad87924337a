
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Inside of compile/: what policies ask of Secrets */


#ifndef _NGX_K8S_COMPILE_DATA_H_INCLUDED_
#define _NGX_K8S_COMPILE_DATA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


/*
 * make: d->made and d->len of the text, that of all keys is empty.  NGX_AGAIN:
 * there is more to do; NGX_DECLINED: it is bad, d->reason is set
 */

typedef struct {
    ngx_uint_t               use;        /* NGX_K8S_DATA_* */
    ngx_str_t                key;        /* empty: all of them */
    ngx_uint_t               users;      /* it is of users */
    ngx_int_t              (*make)(ngx_k8s_compile_t *c,
                                ngx_k8s_data_state_t *d,
                                ngx_k8s_secret_t *secret, ngx_str_t *text);
} ngx_k8s_data_use_t;


/* what an annotation asks for, as bits of ngx_k8s_data_uses */

typedef struct {
    ngx_str_t                name;
    ngx_uint_t               needs;
    ngx_uint_t               may;        /* be empty */
    ngx_uint_t               pair;       /* its certificate and key are used */
} ngx_k8s_data_ask_t;


#define NGX_K8S_ASK_USERS            0x01
#define NGX_K8S_ASK_USER_MAP         0x02
#define NGX_K8S_ASK_CA               0x04
#define NGX_K8S_ASK_CRL              0x08
#define NGX_K8S_ASK_DIGESTS          0x10
#define NGX_K8S_ASK_DIGEST_MAP       0x20
#define NGX_K8S_ASK_VERIFY           0x40   /* no use: CA may not be empty, */
#define NGX_K8S_ASK_PLAIN            0x80   /* or nothing goes by TLS */

/* bits of ngx_k8s_compile_data_halves() */

#define NGX_K8S_DATA_CRT             0x01   /* it has "tls.crt" */
#define NGX_K8S_DATA_KEY             0x02   /* and "tls.key" */
#define NGX_K8S_DATA_BOTH            0x03


/* in the order of NGX_K8S_ASK_* */

#define NGX_K8S_SECRET_CA            2
#define NGX_K8S_SECRET_CRL           3

extern ngx_k8s_data_use_t  ngx_k8s_data_uses[NGX_K8S_SECRET_USES];


/*
 * What policies ask of Secrets (ngx_k8s_compile_data.c).  ask(): for what a
 * value of the row is for, beside the others of its object, in *uses, which is
 * given back with unask(); ready(): whether records of these are as they should
 * be, as far as it is known.  data(): makes and removes records of a node, with
 * its object, or NULL; NGX_AGAIN: there is more to do.  note(): what is wrong
 * with what a value names (ngx_k8s_compile_data_note.c).  NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_compile_data_ask(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_row_t *row, ngx_k8s_values_t *values, ngx_uint_t *uses);
void ngx_k8s_compile_data_unask(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_uint_t uses);
ngx_uint_t ngx_k8s_compile_data_ready(ngx_k8s_node_t *node, ngx_uint_t uses);
ngx_int_t ngx_k8s_compile_data(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_secret_t *secret);
ngx_int_t ngx_k8s_compile_data_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field);
/* notes which CAs and lists have ended: 1: another one */
ngx_uint_t ngx_k8s_compile_data_age(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state);
void ngx_k8s_compile_data_free(ngx_k8s_secret_state_t *state);
/* whether a record is one of those, or another's */
ngx_uint_t ngx_k8s_compile_data_known(ngx_k8s_compile_t *c, uint32_t slot,
    void *rec);

/*
 * The bytes of a record (ngx_k8s_compile_data_text.c), d->made and d->len, in
 * pieces.  NGX_AGAIN: there is more to do; NGX_DECLINED: it is bad, for which
 * bad() sets d->reason; NGX_ERROR: no memory.
 */

#define NGX_K8S_DATA_BYTES           (256 * 1024)

ngx_int_t ngx_k8s_compile_data_users(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_k8s_secret_t *secret, ngx_str_t *text);
ngx_int_t ngx_k8s_compile_data_user_map(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_k8s_secret_t *secret, ngx_str_t *text);
ngx_int_t ngx_k8s_compile_data_digests(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_k8s_secret_t *secret, ngx_str_t *text);
ngx_int_t ngx_k8s_compile_data_digest_map(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_k8s_secret_t *secret, ngx_str_t *text);
ngx_int_t ngx_k8s_compile_data_ca(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_k8s_secret_t *secret, ngx_str_t *text);
ngx_int_t ngx_k8s_compile_data_crl(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_k8s_secret_t *secret, ngx_str_t *text);
ngx_int_t ngx_cdecl ngx_k8s_compile_data_bad(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, const char *fmt, ...);

/* what the annotation asks for, static; which halves of a pair it has */
ngx_k8s_data_ask_t *ngx_k8s_compile_data_row(ngx_k8s_row_t *row);
ngx_uint_t ngx_k8s_compile_data_halves(ngx_k8s_secret_t *secret);


#endif /* _NGX_K8S_COMPILE_DATA_H_INCLUDED_ */
