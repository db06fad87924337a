
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What records for policies hold of a Secret: users, sorted, and certificates
 * and lists of CAs in DER.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_certificate.h>
#include <ngx_k8s_compile_data.h>
#include <ngx_k8s_passwords.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>


#define NGX_K8S_DATA_USERS_MAX       4096
#define NGX_K8S_DATA_CERTIFICATES    8    /* read in one item of work */


typedef struct {
    ngx_str_t                name;
    ngx_str_t                realm;      /* of a digest, else without data */
    ngx_str_t                rest;       /* behind the last colon */
    ngx_uint_t               line;       /* of the text, from 1; 0: a key */
} ngx_k8s_data_user_t;


/* with what nobody gets in, and why: the first ones, and how many there are */

#define NGX_K8S_DATA_SAID            320
#define NGX_K8S_DATA_SAYS            4

typedef struct {
    u_char                   buf[NGX_K8S_DATA_SAID];
    u_char                  *last;
    ngx_uint_t               n;
} ngx_k8s_data_said_t;


static ngx_int_t ngx_k8s_data_user_file(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_str_t *text, ngx_uint_t digests);
static ngx_int_t ngx_k8s_data_user_keys(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_k8s_secret_t *secret, ngx_uint_t digests);
static ngx_int_t ngx_k8s_data_user(ngx_array_t *users, ngx_str_t *name,
    ngx_str_t *rest, ngx_uint_t line, ngx_uint_t digest);
static ngx_int_t ngx_k8s_data_user_lines(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_array_t *users, ngx_k8s_data_said_t *said,
    ngx_uint_t digests);
static void ngx_k8s_data_user_why(ngx_k8s_data_said_t *said,
    ngx_k8s_data_user_t *user, ngx_uint_t twice, ngx_uint_t digests);
static void ngx_k8s_data_user_say(ngx_k8s_data_said_t *said, ngx_uint_t line,
    ngx_str_t *name, u_char *why, size_t len);
static int ngx_libc_cdecl ngx_k8s_data_user_cmp(const void *one,
    const void *two);
static size_t ngx_k8s_data_line(u_char *p, u_char *last);
static ngx_int_t ngx_k8s_data_pem(ngx_k8s_compile_t *c,
    ngx_k8s_data_state_t *d, ngx_str_t *text, ngx_str_t *ca);
static void ngx_k8s_data_x509(ngx_k8s_data_state_t *d, X509 *x509);
static void ngx_k8s_data_crl(ngx_k8s_data_state_t *d, X509_CRL *list,
    ngx_str_t *ca);
static ngx_uint_t ngx_k8s_data_issued(X509_CRL *list, ngx_str_t *text);
static ngx_int_t ngx_k8s_data_der(ngx_k8s_data_state_t *d, BIO *bio,
    size_t max, ngx_str_t *ca);


/* lines of a user, a colon, and the rest; those of a "#" are comments */

ngx_int_t
ngx_k8s_compile_data_users(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_k8s_secret_t *secret, ngx_str_t *text)
{
    return ngx_k8s_data_user_file(c, d, text, 0);
}


/* the same with a realm between them */

ngx_int_t
ngx_k8s_compile_data_digests(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_k8s_secret_t *secret, ngx_str_t *text)
{
    return ngx_k8s_data_user_file(c, d, text, 1);
}


static ngx_int_t
ngx_k8s_data_user_file(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_str_t *text, ngx_uint_t digests)
{
    u_char               *p, *last, *colon;
    size_t                len;
    ngx_str_t             name, rest;
    ngx_uint_t            line;
    ngx_array_t           users;
    ngx_k8s_data_said_t   said;

    static u_char  none[] = "it has no colon";

    said.n = 0;
    said.last = said.buf;
    line = 1;

    if (ngx_array_init(&users, c->pool, 64, sizeof(ngx_k8s_data_user_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = text->data;
    last = p + text->len;

    for ( /* void */ ; p < last; p += len + 1) {

        len = ngx_k8s_data_line(p, last);
        line += (p > text->data && p[-1] == LF);

        if (len == 0 || *p == '#') {
            continue;
        }

        colon = ngx_strlchr(p, p + len, ':');

        if (colon == NULL) {
            ngx_k8s_data_user_say(&said, line, NULL, none, sizeof(none) - 1);
            continue;
        }

        if (users.nelts == NGX_K8S_DATA_USERS_MAX) {
            return ngx_k8s_compile_data_bad(c, d, "it has more than %d users",
                                            NGX_K8S_DATA_USERS_MAX);
        }

        name.data = p;
        name.len = colon - p;
        rest.data = colon + 1;
        rest.len = p + len - rest.data;

        if (ngx_k8s_data_user(&users, &name, &rest, line, digests)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_data_user_lines(c, d, &users, &said, digests);
}


/* a user is a key */

ngx_int_t
ngx_k8s_compile_data_user_map(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_k8s_secret_t *secret, ngx_str_t *text)
{
    return ngx_k8s_data_user_keys(c, d, secret, 0);
}


ngx_int_t
ngx_k8s_compile_data_digest_map(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_k8s_secret_t *secret, ngx_str_t *text)
{
    return ngx_k8s_data_user_keys(c, d, secret, 1);
}


static ngx_int_t
ngx_k8s_data_user_keys(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_k8s_secret_t *secret, ngx_uint_t digests)
{
    ngx_str_t             rest;
    ngx_uint_t            i, n;
    ngx_array_t           users;
    ngx_keyval_t         *kv;
    ngx_k8s_data_said_t   said;

    said.n = 0;
    said.last = said.buf;

    n = secret->data ? secret->data->nelts : 0;

    if (n > NGX_K8S_DATA_USERS_MAX) {
        return ngx_k8s_compile_data_bad(c, d, "it has more than %d users",
                                        NGX_K8S_DATA_USERS_MAX);
    }

    if (ngx_array_init(&users, c->pool, n + 1, sizeof(ngx_k8s_data_user_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        kv = secret->data->elts;

        rest.data = kv[i].value.data;
        rest.len = ngx_k8s_data_line(rest.data, rest.data + kv[i].value.len);

        if (ngx_k8s_data_user(&users, &kv[i].key, &rest, 0, digests)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_data_user_lines(c, d, &users, &said, digests);
}


/* one without the realm that it should have is a user whom nobody asks for */

static ngx_int_t
ngx_k8s_data_user(ngx_array_t *users, ngx_str_t *name, ngx_str_t *rest,
    ngx_uint_t line, ngx_uint_t digest)
{
    u_char               *colon;
    ngx_k8s_data_user_t  *user;

    user = ngx_array_push(users);
    if (user == NULL) {
        return NGX_ERROR;
    }

    user->name = *name;
    user->rest = *rest;
    user->line = line;
    ngx_str_null(&user->realm);

    if (!digest) {
        return NGX_OK;
    }

    colon = ngx_strlchr(rest->data, rest->data + rest->len, ':');

    if (colon) {
        user->realm.data = rest->data;
        user->realm.len = colon - rest->data;
        user->rest.data = colon + 1;
        user->rest.len = rest->data + rest->len - user->rest.data;

    } else {
        user->rest.len = 0;
    }

    return NGX_OK;
}


/* of a user who is there twice the first one holds */

static ngx_int_t
ngx_k8s_data_user_lines(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_array_t *users, ngx_k8s_data_said_t *said, ngx_uint_t digests)
{
    size_t                len;
    u_char               *p;
    ngx_uint_t            i;
    ngx_k8s_data_user_t  *user;

    user = users->elts;
    len = 0;

    for (i = 0; i < users->nelts; i++) {
        len += user[i].name.len + user[i].realm.len + user[i].rest.len + 3;
    }

    if (len > NGX_K8S_DATA_BYTES + 2 * users->nelts) {
        return ngx_k8s_compile_data_bad(c, d, "it has more than %d KB",
                                        NGX_K8S_DATA_BYTES / 1024);
    }

    ngx_qsort(user, users->nelts, sizeof(ngx_k8s_data_user_t),
              ngx_k8s_data_user_cmp);

    p = ngx_alloc(len + 1, c->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    d->made = p;

    for (i = 0; i < users->nelts; i++) {

        if (i && ngx_k8s_str_eq(&user[i].name, &user[i - 1].name)
            && ngx_k8s_str_eq(&user[i].realm, &user[i - 1].realm))
        {
            ngx_k8s_data_user_why(said, &user[i], 1, digests);
            continue;
        }

        ngx_k8s_data_user_why(said, &user[i], 0, digests);

        p = ngx_cpymem(p, user[i].name.data, user[i].name.len);

        if (user[i].realm.data) {
            *p++ = '\0';
            p = ngx_cpymem(p, user[i].realm.data, user[i].realm.len);
        }

        *p++ = ':';
        p = ngx_cpymem(p, user[i].rest.data, user[i].rest.len);
        *p++ = LF;
    }

    d->len = p - d->made;

    if (said->n == 0) {
        return NGX_OK;
    }

    if (said->n > NGX_K8S_DATA_SAYS) {
        said->last = ngx_slprintf(said->last, said->buf + NGX_K8S_DATA_SAID,
                                  "; and %ui more",
                                  said->n - NGX_K8S_DATA_SAYS);
    }

    return (ngx_k8s_compile_data_bad(c, d, "%*s, so nobody gets in with that",
                                     (size_t) (said->last - said->buf),
                                     said->buf)
            == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


static void
ngx_k8s_data_user_why(ngx_k8s_data_said_t *said, ngx_k8s_data_user_t *user,
    ngx_uint_t twice, ngx_uint_t digests)
{
    u_char      buf[80], hex[NGX_K8S_PASSWORD_MD5], *p;
    ngx_str_t   rest;

    rest = user->rest;
    p = NULL;

    if (twice) {
        p = ngx_slprintf(buf, buf + sizeof(buf),
                         "it is there twice, the first one holds");

    } else if (!digests) {
        (void) ngx_k8s_password_form(&rest);
        p = ngx_k8s_password_why(&rest, buf, buf + sizeof(buf));

    } else if (ngx_k8s_password_md5(&rest, hex) != NGX_OK) {
        p = ngx_slprintf(buf, buf + sizeof(buf),
                         "it has not both a realm and an MD5");
    }

    if (p) {
        ngx_k8s_data_user_say(said, user->line, &user->name, buf, p - buf);
    }
}


static void
ngx_k8s_data_user_say(ngx_k8s_data_said_t *said, ngx_uint_t line,
    ngx_str_t *name, u_char *why, size_t len)
{
    u_char  *p, *last;

    if (said->n++ >= NGX_K8S_DATA_SAYS) {
        return;
    }

    p = said->last;
    last = said->buf + NGX_K8S_DATA_SAID - sizeof("; and 65536 more");

    if (said->n > 1) {
        p = ngx_slprintf(p, last, "; ");
    }

    if (line) {
        p = ngx_slprintf(p, last, "line %ui%s", line, name ? ", " : "");
    }

    if (name) {
        p = ngx_slprintf(p, last, "user \"%*s\"", ngx_min(name->len, 24),
                         name->data);
    }

    said->last = ngx_slprintf(p, last, ": %*s", len, why);
}


static int ngx_libc_cdecl
ngx_k8s_data_user_cmp(const void *one, const void *two)
{
    ngx_int_t                   rc;
    const ngx_k8s_data_user_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_memn2cmp(a->name.data, b->name.data, a->name.len, b->name.len);

    if (rc == 0) {
        rc = ngx_memn2cmp(a->realm.data, b->realm.data, a->realm.len,
                          b->realm.len);
    }

    if (rc) {
        return (int) rc;
    }

    return (a->rest.data > b->rest.data) ? 1 : -1;
}


static size_t
ngx_k8s_data_line(u_char *p, u_char *last)
{
    u_char  *start;

    for (start = p; p < last && *p != CR && *p != LF; p++) { /* void */ }

    return p - start;
}


ngx_int_t
ngx_k8s_compile_data_ca(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_k8s_secret_t *secret, ngx_str_t *text)
{
    return ngx_k8s_data_pem(c, d, text, NULL);
}


ngx_int_t
ngx_k8s_compile_data_crl(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_k8s_secret_t *secret, ngx_str_t *text)
{
    ngx_str_t  ca;

    static ngx_str_t  key = ngx_string("ca.crt");

    ngx_k8s_compile_secret_data(secret, &key, &ca);

    return ngx_k8s_data_pem(c, d, text, &ca);
}


/* whether the list is of a CA of the text; of many CAs nothing is said */

static ngx_uint_t
ngx_k8s_data_issued(X509_CRL *list, ngx_str_t *text)
{
    BIO         *bio;
    X509        *x509;
    ngx_uint_t   n, found;

    bio = BIO_new_mem_buf(text->data, (int) text->len);
    if (bio == NULL) {
        return 1;
    }

    found = 0;

    for (n = 0; !found && n < NGX_K8S_DATA_CERTIFICATES; n++) {

        x509 = PEM_read_bio_X509(bio, NULL, NULL, (void *) "");
        if (x509 == NULL) {
            break;
        }

        found = (X509_NAME_cmp(X509_CRL_get_issuer(list),
                               X509_get_subject_name(x509))
                 == 0);

        X509_free(x509);
    }

    BIO_free(bio);
    ERR_clear_error();

    return found || n == NGX_K8S_DATA_CERTIFICATES;
}


/* from d->pos on; DER is shorter than its PEM; ca: what lists are of, NULL:
   certificates are read */

static ngx_int_t
ngx_k8s_data_pem(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    ngx_str_t *text, ngx_str_t *ca)
{
    BIO            *bio;
    ngx_int_t       rc;
    ngx_uint_t      n;
    unsigned long   error;

    if (d->made == NULL) {
        d->made = ngx_alloc(text->len + 1, c->log);
        if (d->made == NULL) {
            return NGX_ERROR;
        }

        d->len = 0;
        d->pos = 0;
        d->ends = 0;
        d->none = (text->len && (ca == NULL || ca->len));
        d->ended = 0;
    }

    if (text->len == 0) {
        return NGX_OK;
    }

    bio = BIO_new_mem_buf(text->data + d->pos, (int) (text->len - d->pos));
    if (bio == NULL) {
        return NGX_ERROR;
    }

    n = ca ? 1 : NGX_K8S_DATA_CERTIFICATES;

    do {
        rc = ngx_k8s_data_der(d, bio, text->len, ca);
    } while (rc == NGX_OK && --n);

    d->pos = text->len - BIO_pending(bio);

    BIO_free(bio);

    if (rc == NGX_OK) {
        return NGX_AGAIN;
    }

    error = ERR_peek_last_error();

    if (d->len && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
        rc = NGX_OK;

    } else if (ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
        rc = ngx_k8s_compile_data_bad(c, d, "it holds no PEM %s",
                                      ca ? "list" : "certificate");

    } else {
        rc = ngx_k8s_compile_data_bad(c, d, "one of its %s cannot be read: %s",
                                      ca ? "lists" : "certificates",
                                      ERR_reason_error_string(error));
    }

    ERR_clear_error();

    return rc;
}


static ngx_int_t
ngx_k8s_data_der(ngx_k8s_data_state_t *d, BIO *bio, size_t max, ngx_str_t *ca)
{
    int        len;
    X509      *x509;
    u_char    *p;
    uint32_t   n;
    X509_CRL  *list;

    x509 = NULL;
    list = NULL;

    if (ca) {
        list = PEM_read_bio_X509_CRL(bio, NULL, NULL, (void *) "");
        len = list ? i2d_X509_CRL(list, NULL) : -1;

    } else {
        x509 = PEM_read_bio_X509(bio, NULL, NULL, (void *) "");
        len = x509 ? i2d_X509(x509, NULL) : -1;
    }

    if (len > 0 && d->len + sizeof(uint32_t) + len <= max) {
        n = len;

        p = ngx_cpymem(d->made + d->len, &n, sizeof(uint32_t));
        len = ca ? i2d_X509_CRL(list, &p) : i2d_X509(x509, &p);

        d->len = p - d->made;

        if (ca) {
            ngx_k8s_data_crl(d, list, ca);

        } else {
            ngx_k8s_data_x509(d, x509);
        }

    } else {
        len = -1;
    }

    X509_free(x509);
    X509_CRL_free(list);

    return (len > 0) ? NGX_OK : NGX_DECLINED;
}


static void
ngx_k8s_data_x509(ngx_k8s_data_state_t *d, X509 *x509)
{
    if (!X509_check_ca(x509)) {
        return;
    }

    d->none = 0;
    d->ends = ngx_max(d->ends,
                      ngx_k8s_certificate_time(X509_get0_notAfter(x509)));
}


static void
ngx_k8s_data_crl(ngx_k8s_data_state_t *d, X509_CRL *list, ngx_str_t *ca)
{
    time_t  ends;

    if (d->none && ngx_k8s_data_issued(list, ca)) {
        d->none = 0;
    }

    ends = ngx_k8s_certificate_time(X509_CRL_get0_nextUpdate(list));

    if (ends && (d->ends == 0 || ends < d->ends)) {
        d->ends = ends;
    }
}


ngx_int_t ngx_cdecl
ngx_k8s_compile_data_bad(ngx_k8s_compile_t *c, ngx_k8s_data_state_t *d,
    const char *fmt, ...)
{
    u_char   buf[512], *p;
    va_list  args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    if (d->reason.data) {
        ngx_free(d->reason.data);
    }

    d->state = NGX_K8S_DATA_BAD;
    d->reason.len = p - buf;
    d->reason.data = ngx_alloc(d->reason.len, c->log);

    if (d->reason.data == NULL) {
        d->reason.len = 0;
        return NGX_ERROR;
    }

    ngx_memcpy(d->reason.data, buf, d->reason.len);

    return NGX_DECLINED;
}
