
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_md5.h>
#include <ngx_http_k8s_digest.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_k8s_limits.h>
#include <ngx_k8s_passwords.h>

#include <openssl/crypto.h>


#define NGX_HTTP_K8S_DIGEST_TIME     300     /* seconds that a nonce is good */
#define NGX_HTTP_K8S_DIGEST_MD5      16
#define NGX_HTTP_K8S_DIGEST_HEX      32
#define NGX_HTTP_K8S_DIGEST_SECOND   8       /* hexadecimal digits of a nonce:
                                                the time, with what is random,
                                                and all of them */
#define NGX_HTTP_K8S_DIGEST_SEED     16
#define NGX_HTTP_K8S_DIGEST_NONCE    32
#define NGX_HTTP_K8S_DIGEST_COUNT    8


/* what a client has sent; what it has not is empty */

typedef struct {
    ngx_str_t                username;
    ngx_str_t                realm;
    ngx_str_t                nonce;
    ngx_str_t                uri;
    ngx_str_t                qop;
    ngx_str_t                nc;
    ngx_str_t                cnonce;
    ngx_str_t                response;
    ngx_str_t                algorithm;
} ngx_http_k8s_digest_t;


typedef struct {
    ngx_str_t                name;
    size_t                   offset;     /* in ngx_http_k8s_digest_t */
} ngx_http_k8s_digest_field_t;


static ngx_int_t ngx_http_k8s_digest_parse(ngx_http_request_t *r,
    ngx_http_k8s_digest_t *d);
static u_char *ngx_http_k8s_digest_value(u_char *p, u_char *last,
    u_char **text, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_digest_form(ngx_http_request_t *r,
    ngx_http_k8s_digest_t *d, ngx_str_t *realm);
static ngx_int_t ngx_http_k8s_digest_right(ngx_http_request_t *r,
    ngx_http_k8s_digest_t *d, ngx_str_t *users);
static void ngx_http_k8s_digest_md5(u_char *hex, ngx_str_t *texts,
    ngx_uint_t n);
static void ngx_http_k8s_digest_nonce(ngx_http_k8s_ctx_t *ctx, u_char *nonce);
static ngx_int_t ngx_http_k8s_digest_fresh(ngx_http_k8s_ctx_t *ctx,
    ngx_http_k8s_digest_t *d);


#define ngx_http_k8s_digest_field(f)  offsetof(ngx_http_k8s_digest_t, f)

static ngx_http_k8s_digest_field_t  ngx_http_k8s_digest_fields[] = {
    { ngx_string("username"), ngx_http_k8s_digest_field(username) },
    { ngx_string("realm"), ngx_http_k8s_digest_field(realm) },
    { ngx_string("nonce"), ngx_http_k8s_digest_field(nonce) },
    { ngx_string("uri"), ngx_http_k8s_digest_field(uri) },
    { ngx_string("qop"), ngx_http_k8s_digest_field(qop) },
    { ngx_string("nc"), ngx_http_k8s_digest_field(nc) },
    { ngx_string("cnonce"), ngx_http_k8s_digest_field(cnonce) },
    { ngx_string("response"), ngx_http_k8s_digest_field(response) },
    { ngx_string("algorithm"), ngx_http_k8s_digest_field(algorithm) },
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_http_k8s_digest(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_str_t *users, ngx_uint_t *stale)
{
    ngx_int_t              rc;
    ngx_http_k8s_digest_t  d;

    rc = ngx_http_k8s_digest_parse(r, &d);

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_digest_form(r, &d,
                                 &ngx_http_k8s_settings(ctx)->auth_realm);
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "no user was provided for digest authentication");
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (ngx_http_k8s_digest_right(r, &d, users) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "user \"%V\": no such user, or another password",
                      &d.username);
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (ngx_http_k8s_digest_fresh(ctx, &d) != NGX_OK) {
        *stale = 1;
        return NGX_HTTP_UNAUTHORIZED;
    }

    return NGX_OK;
}


/* NGX_DECLINED: it is none, or broken */

static ngx_int_t
ngx_http_k8s_digest_parse(ngx_http_request_t *r, ngx_http_k8s_digest_t *d)
{
    u_char                       *p, *last, *name, *text;
    size_t                        len;
    ngx_str_t                    *header, *value, other;
    ngx_http_k8s_digest_field_t  *field;

    ngx_memzero(d, sizeof(ngx_http_k8s_digest_t));

    if (r->headers_in.authorization == NULL) {
        return NGX_DECLINED;
    }

    header = &r->headers_in.authorization->value;

    if (header->len < sizeof("Digest ") - 1
        || ngx_strncasecmp(header->data, (u_char *) "Digest ",
                           sizeof("Digest ") - 1)
           != 0)
    {
        return NGX_DECLINED;
    }

    text = ngx_pnalloc(r->pool, header->len);
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = header->data + sizeof("Digest ") - 1;
    last = header->data + header->len;

    for ( ;; ) {

        while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
            p++;
        }

        if (p == last) {
            return NGX_OK;
        }

        name = p;

        while (p < last && *p != '=' && *p != ' ' && *p != ',') {
            p++;
        }

        if (p == last || *p != '=') {
            return NGX_DECLINED;
        }

        len = p++ - name;
        value = &other;
        ngx_str_null(&other);

        for (field = ngx_http_k8s_digest_fields; field->name.len; field++) {

            if (field->name.len == len
                && ngx_strncasecmp(field->name.data, name, len) == 0)
            {
                value = (ngx_str_t *) ((u_char *) d + field->offset);
                break;
            }
        }

        if (value->data) {
            return NGX_DECLINED;
        }

        p = ngx_http_k8s_digest_value(p, last, &text, value);
        if (p == NULL) {
            return NGX_DECLINED;
        }
    }
}


/* a token, or a quoted string, copied to *text without quotes; NULL: it has no
   end */

static u_char *
ngx_http_k8s_digest_value(u_char *p, u_char *last, u_char **text,
    ngx_str_t *value)
{
    u_char  *start;

    start = *text;
    value->data = start;

    if (p < last && *p == '"') {

        for (p++; /* void */ ; p++) {

            if (p == last) {
                return NULL;
            }

            if (*p == '"') {
                p++;
                break;
            }

            if (*p == '\\' && ++p == last) {
                return NULL;
            }

            *(*text)++ = *p;
        }

    } else {

        while (p < last && *p != ',' && *p != ' ' && *p != '\t') {
            *(*text)++ = *p++;
        }
    }

    value->len = *text - start;

    return p;
}


static ngx_int_t
ngx_http_k8s_digest_form(ngx_http_request_t *r, ngx_http_k8s_digest_t *d,
    ngx_str_t *realm)
{
    return (d->username.len
            && d->nc.len == NGX_HTTP_K8S_DIGEST_COUNT
            && d->cnonce.len
            && d->response.len == NGX_HTTP_K8S_DIGEST_HEX
            && d->realm.len == realm->len
            && ngx_memcmp(d->realm.data, realm->data, realm->len) == 0
            && d->uri.len == r->unparsed_uri.len
            && ngx_memcmp(d->uri.data, r->unparsed_uri.data, d->uri.len) == 0
            && d->qop.len == 4
            && ngx_strncasecmp(d->qop.data, (u_char *) "auth", 4) == 0
            && (d->algorithm.len == 0
                || (d->algorithm.len == 3
                    && ngx_strncasecmp(d->algorithm.data, (u_char *) "MD5", 3)
                       == 0)))
           ? NGX_OK : NGX_DECLINED;
}


/* what is compared for an unknown user is right for nobody */

static ngx_int_t
ngx_http_k8s_digest_right(ngx_http_request_t *r, ngx_http_k8s_digest_t *d,
    ngx_str_t *users)
{
    u_char      *p, user_hex[NGX_HTTP_K8S_DIGEST_HEX],
                 request_hex[NGX_HTTP_K8S_DIGEST_HEX],
                 hex[NGX_HTTP_K8S_DIGEST_HEX];
    ngx_str_t    key, rest, texts[6];
    ngx_uint_t   known;

    key.len = d->username.len + 1 + d->realm.len;
    key.data = ngx_pnalloc(r->pool, key.len);
    if (key.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(key.data, d->username.data, d->username.len);
    *p++ = '\0';
    ngx_memcpy(p, d->realm.data, d->realm.len);

    ngx_memzero(user_hex, NGX_HTTP_K8S_DIGEST_HEX);

    known = (ngx_k8s_users_find(users, &key, &rest) == NGX_OK
             && ngx_k8s_password_md5(&rest, user_hex) == NGX_OK);

    texts[0] = r->method_name;
    texts[1] = d->uri;
    ngx_http_k8s_digest_md5(request_hex, texts, 2);

    texts[0].data = user_hex;
    texts[0].len = NGX_HTTP_K8S_DIGEST_HEX;
    texts[1] = d->nonce;
    texts[2] = d->nc;
    texts[3] = d->cnonce;
    texts[4] = d->qop;
    texts[5].data = request_hex;
    texts[5].len = NGX_HTTP_K8S_DIGEST_HEX;
    ngx_http_k8s_digest_md5(hex, texts, 6);

    ngx_strlow(d->response.data, d->response.data, d->response.len);

    return (CRYPTO_memcmp(hex, d->response.data, NGX_HTTP_K8S_DIGEST_HEX) == 0
            && known)
           ? NGX_OK : NGX_DECLINED;
}


/* of texts with colons between them, in hexadecimal digits */

static void
ngx_http_k8s_digest_md5(u_char *hex, ngx_str_t *texts, ngx_uint_t n)
{
    u_char      digest[NGX_HTTP_K8S_DIGEST_MD5];
    ngx_md5_t   md5;
    ngx_uint_t  i;

    ngx_md5_init(&md5);

    for (i = 0; i < n; i++) {

        if (i) {
            ngx_md5_update(&md5, ":", 1);
        }

        ngx_md5_update(&md5, texts[i].data, texts[i].len);
    }

    ngx_md5_final(digest, &md5);

    (void) ngx_hex_dump(hex, digest, NGX_HTTP_K8S_DIGEST_MD5);
}


/*
 * The second in which it was made, something random, and behind them a keyed
 * hash of both and of what it is for: nobody makes one that will be good later,
 * or is good elsewhere.
 */

static void
ngx_http_k8s_digest_nonce(ngx_http_k8s_ctx_t *ctx, u_char *nonce)
{
    ngx_str_t             texts[3];
    ngx_k8s_settings_t   *settings;

    settings = ngx_http_k8s_settings(ctx);

    ngx_str_set(&texts[0], "nonce");
    texts[1].data = nonce;
    texts[1].len = NGX_HTTP_K8S_DIGEST_SEED;
    texts[2] = settings->auth_secret;

    (void) ngx_sprintf(nonce + NGX_HTTP_K8S_DIGEST_SEED, "%016xL",
                       (uint64_t) ngx_k8s_limits_key(ctx->block->limits, texts,
                                                     3));
}


static ngx_int_t
ngx_http_k8s_digest_fresh(ngx_http_k8s_ctx_t *ctx, ngx_http_k8s_digest_t *d)
{
    u_char      nonce[NGX_HTTP_K8S_DIGEST_NONCE];
    time_t      now;
    ngx_int_t   time;
    ngx_str_t   texts[3];

    if (d->nonce.len != NGX_HTTP_K8S_DIGEST_NONCE) {
        return NGX_DECLINED;
    }

    now = ngx_time();
    time = ngx_hextoi(d->nonce.data, NGX_HTTP_K8S_DIGEST_SECOND);

    if (time == NGX_ERROR || time > now
        || now - time >= NGX_HTTP_K8S_DIGEST_TIME)
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(nonce, d->nonce.data, NGX_HTTP_K8S_DIGEST_SEED);
    ngx_http_k8s_digest_nonce(ctx, nonce);

    if (CRYPTO_memcmp(nonce, d->nonce.data, NGX_HTTP_K8S_DIGEST_NONCE) != 0) {
        return NGX_DECLINED;
    }

    ngx_str_set(&texts[0], "count");
    texts[1] = d->nonce;
    texts[2] = d->nc;

    return ngx_k8s_limits_once(ctx->block->limits, texts, 3,
                               (uint64_t) ngx_current_msec * 1000,
                               NGX_HTTP_K8S_DIGEST_TIME * 1000000ULL);
}


ngx_int_t
ngx_http_k8s_digest_challenge(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_uint_t stale, ngx_str_t *value)
{
    u_char      nonce[NGX_HTTP_K8S_DIGEST_NONCE];
    ngx_str_t  *realm;

    realm = &ngx_http_k8s_settings(ctx)->auth_realm;

    value->data = ngx_pnalloc(r->pool, sizeof("Digest realm=\"\", nonce=\"\", "
                                              "qop=\"auth\", algorithm=MD5, "
                                              "stale=true")
                                       + realm->len
                                       + NGX_HTTP_K8S_DIGEST_NONCE);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(nonce, "%08xD%08xD", (uint32_t) ngx_time(),
                       (uint32_t) ngx_random());
    ngx_http_k8s_digest_nonce(ctx, nonce);

    value->len = ngx_sprintf(value->data, "Digest realm=\"%V\", nonce=\"%*s\", "
                             "qop=\"auth\", algorithm=MD5%s", realm,
                             (size_t) NGX_HTTP_K8S_DIGEST_NONCE, nonce,
                             stale ? ", stale=true" : "")
                 - value->data;

    return NGX_OK;
}
