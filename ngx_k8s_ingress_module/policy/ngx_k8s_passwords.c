
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_passwords.h>


#define NGX_K8S_PASSWORD_BCRYPT      12      /* its cost at most, */
#define NGX_K8S_PASSWORD_ROUNDS      100000  /* and rounds of SHA-crypt */
#define NGX_K8S_PASSWORD_DES         13      /* length */
#define NGX_K8S_PASSWORD_LINE        512


/* takes: NULL: as it stands in the row */

typedef struct {
    ngx_str_t                prefix;
    ngx_uint_t               takes;
    ngx_uint_t             (*form)(u_char *p, u_char *last);
} ngx_k8s_password_row_t;


static ngx_uint_t ngx_k8s_password_bcrypt(u_char *p, u_char *last);
static ngx_uint_t ngx_k8s_password_rounds(u_char *p, u_char *last);


static ngx_k8s_password_row_t  ngx_k8s_password_rows[] = {
    { ngx_string("{PLAIN}"), NGX_K8S_PASSWORD_CHEAP, NULL },
    { ngx_string("{SHA}"), NGX_K8S_PASSWORD_CHEAP, NULL },
    { ngx_string("{SSHA}"), NGX_K8S_PASSWORD_CHEAP, NULL },
    { ngx_string("$apr1$"), NGX_K8S_PASSWORD_COSTLY, NULL },
    { ngx_string("$1$"), NGX_K8S_PASSWORD_COSTLY, NULL },
    { ngx_string("$5$"), 0, ngx_k8s_password_rounds },
    { ngx_string("$6$"), 0, ngx_k8s_password_rounds },
    { ngx_string("$2a$"), 0, ngx_k8s_password_bcrypt },
    { ngx_string("$2b$"), 0, ngx_k8s_password_bcrypt },
    { ngx_string("$2y$"), 0, ngx_k8s_password_bcrypt },
    { ngx_null_string, 0, NULL }
};


ngx_int_t
ngx_k8s_users_find(ngx_str_t *lines, ngx_str_t *user, ngx_str_t *rest)
{
    u_char     *p, *first, *last, *line, *end, *colon;
    ngx_int_t   rc;

    first = lines->data;
    last = first + lines->len;

    ngx_str_null(rest);

    /* lines between first and last may be it; both are where one begins */

    while (first < last) {

        line = first + (last - first) / 2;

        for (p = line; p > first && p[-1] != LF; p--) { /* void */ }

        line = p;

        end = ngx_strlchr(line, last, LF);

        if (end == NULL) {
            end = last;
        }

        colon = ngx_strlchr(line, end, ':');

        if (colon == NULL) {
            return NGX_DECLINED;
        }

        rest->data = colon + 1;
        rest->len = end - rest->data;

        rc = ngx_memn2cmp(user->data, line, user->len, colon - line);

        if (rc == 0) {
            return NGX_OK;
        }

        if (rc < 0) {
            last = line;

        } else {
            first = ngx_min(end + 1, last);
        }
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_k8s_password_form(ngx_str_t *rest)
{
    u_char                  *p, *last;
    ngx_k8s_password_row_t  *row;

    p = ngx_strlchr(rest->data, rest->data + rest->len, ':');

    if (p) {
        rest->len = p - rest->data;
    }

    p = rest->data;
    last = p + rest->len;

    if (rest->len > NGX_K8S_PASSWORD_LINE || memchr(p, '\0', rest->len)) {
        return NGX_K8S_PASSWORD_NEVER;
    }

    for (row = ngx_k8s_password_rows; row->prefix.len; row++) {

        if (rest->len > row->prefix.len
            && ngx_memcmp(p, row->prefix.data, row->prefix.len) == 0)
        {
            return row->form ? row->form(p + row->prefix.len, last)
                             : row->takes;
        }
    }

    if (rest->len != NGX_K8S_PASSWORD_DES) {
        return NGX_K8S_PASSWORD_NEVER;
    }

    for ( /* void */ ; p < last; p++) {
        if (!((*p >= '.' && *p <= '9') || (*p >= 'A' && *p <= 'Z')
              || (*p >= 'a' && *p <= 'z')))
        {
            return NGX_K8S_PASSWORD_NEVER;
        }
    }

    return NGX_K8S_PASSWORD_COSTLY;
}


u_char *
ngx_k8s_password_why(ngx_str_t *rest, u_char *buf, u_char *last)
{
    u_char                  *p, *end;
    ngx_int_t                n;
    ngx_k8s_password_row_t  *row;

    p = rest->data;
    end = p + rest->len;

    if (rest->len == 0) {
        return ngx_slprintf(buf, last, "nothing is stored");
    }

    if (p[0] != '{' && (end[-1] == ' ' || end[-1] == '\t')) {
        return ngx_slprintf(buf, last, "a blank stands behind it");
    }

    if (ngx_k8s_password_form(rest) != NGX_K8S_PASSWORD_NEVER) {
        return NULL;
    }

    if (rest->len > NGX_K8S_PASSWORD_LINE) {
        return ngx_slprintf(buf, last, "more than %d bytes",
                            NGX_K8S_PASSWORD_LINE);
    }

    for (row = ngx_k8s_password_rows; row->prefix.len; row++) {

        if (row->form == NULL || rest->len < row->prefix.len
            || ngx_memcmp(p, row->prefix.data, row->prefix.len) != 0)
        {
            continue;
        }

        p += row->prefix.len;

        if (row->form == ngx_k8s_password_bcrypt) {
            n = (end - p > 3 && p[2] == '$') ? ngx_atoi(p, 2) : NGX_ERROR;

            if (n > NGX_K8S_PASSWORD_BCRYPT) {
                return ngx_slprintf(buf, last, "bcrypt of cost %i, at most %d "
                                    "is compared", n, NGX_K8S_PASSWORD_BCRYPT);
            }

            break;
        }

        return ngx_slprintf(buf, last, "at most %d rounds are compared",
                            NGX_K8S_PASSWORD_ROUNDS);
    }

    return ngx_slprintf(buf, last, "it is of no form that is taken");
}


/* each step of the cost is twice the time */

static ngx_uint_t
ngx_k8s_password_bcrypt(u_char *p, u_char *last)
{
    ngx_int_t  cost;

    cost = (last - p > 3 && p[2] == '$') ? ngx_atoi(p, 2) : NGX_ERROR;

    return (cost >= 4 && cost <= NGX_K8S_PASSWORD_BCRYPT)
           ? NGX_K8S_PASSWORD_COSTLY : NGX_K8S_PASSWORD_NEVER;
}


static ngx_uint_t
ngx_k8s_password_rounds(u_char *p, u_char *last)
{
    u_char     *end;
    size_t      len;
    ngx_int_t   rounds;

    len = sizeof("rounds=") - 1;

    if ((size_t) (last - p) < len || ngx_memcmp(p, "rounds=", len) != 0) {
        return NGX_K8S_PASSWORD_COSTLY;
    }

    p += len;
    end = ngx_strlchr(p, last, '$');

    rounds = end ? ngx_atoi(p, end - p) : NGX_ERROR;

    return (rounds >= 0 && rounds <= NGX_K8S_PASSWORD_ROUNDS)
           ? NGX_K8S_PASSWORD_COSTLY : NGX_K8S_PASSWORD_NEVER;
}


ngx_int_t
ngx_k8s_password_md5(ngx_str_t *rest, u_char *hex)
{
    ngx_uint_t  i;

    if (rest->len != NGX_K8S_PASSWORD_MD5) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_K8S_PASSWORD_MD5; i++) {
        hex[i] = ngx_tolower(rest->data[i]);

        if (!((hex[i] >= '0' && hex[i] <= '9')
              || (hex[i] >= 'a' && hex[i] <= 'f')))
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}
