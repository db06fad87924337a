
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_K8S_PASSWORDS_H_INCLUDED_
#define _NGX_K8S_PASSWORDS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Users and their passwords, as DATA records have them (ngx_k8s_passwords.c):
 * lines "user:rest", sorted by user.  They are a tenant's, or a snapshot's:
 * whatever they are, nothing is read beyond them.  Pure; any process.
 */


/*
 * Looks for a user.  *rest is what stands behind the colon of the line;
 * NGX_DECLINED: there is no such user, it is that of another one, empty where
 * there is none.
 */
ngx_int_t ngx_k8s_users_find(ngx_str_t *lines, ngx_str_t *user,
    ngx_str_t *rest);


/* what it takes to compare a password with a stored one */

#define NGX_K8S_PASSWORD_NEVER       0   /* of no known form, or too costly:
                                            it is that of nobody */
#define NGX_K8S_PASSWORD_CHEAP       1   /* microseconds */
#define NGX_K8S_PASSWORD_COSTLY      2   /* up to some 300 ms */

/* longest one that a client may send */
#define NGX_K8S_PASSWORD_MAX         512

/* the part of a rest that is compared, up to a colon; returns what it takes */
ngx_uint_t ngx_k8s_password_form(ngx_str_t *rest);

/* why nobody gets in by such a part, in words, behind which the place in the
   buffer is returned; NULL: somebody may */
u_char *ngx_k8s_password_why(ngx_str_t *rest, u_char *buf, u_char *last);


/* what an htdigest file has of a password, MD5 as 32 hexadecimal digits: copied
   in lower case; NGX_DECLINED: it is another form */

#define NGX_K8S_PASSWORD_MD5         32

ngx_int_t ngx_k8s_password_md5(ngx_str_t *rest, u_char *hex);


#endif /* _NGX_K8S_PASSWORDS_H_INCLUDED_ */
