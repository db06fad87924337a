
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What backends and auth servers are told of a client's certificate: headers in
 * the list of the request.  Locations leave all of these names out, so that
 * nothing of a client gets through; nginx looks them up by the name in lower
 * case, and those here have it in upper case.  So who is told nothing costs
 * nothing, where values of the locations would be looked at in each request.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_ssl.h>

#include <openssl/sha.h>


typedef struct {
    ngx_str_t                name;
    ngx_str_t                upper;
    ngx_int_t              (*get)(ngx_connection_t *c, ngx_pool_t *pool,
                                  ngx_str_t *s);
    ngx_str_t                none;       /* of a client who was not asked */
    unsigned                 whole:1;    /* the certificate itself */
} ngx_http_k8s_ssl_told_t;


static ngx_int_t ngx_http_k8s_ssl_client_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_k8s_ssl_told_t  ngx_http_k8s_ssl_told[] = {
    { ngx_string("ssl-client-cert"), ngx_string("SSL-CLIENT-CERT"),
      ngx_ssl_get_escaped_certificate, ngx_null_string, 1 },
    { ngx_string("ssl-client-verify"), ngx_string("SSL-CLIENT-VERIFY"),
      ngx_ssl_get_client_verify, ngx_string("NONE"), 0 },
    { ngx_string("ssl-client-subject-dn"), ngx_string("SSL-CLIENT-SUBJECT-DN"),
      ngx_ssl_get_subject_dn, ngx_null_string, 0 },
    { ngx_string("ssl-client-issuer-dn"), ngx_string("SSL-CLIENT-ISSUER-DN"),
      ngx_ssl_get_issuer_dn, ngx_null_string, 0 },
    { ngx_null_string, ngx_null_string, NULL, ngx_null_string, 0 }
};


ngx_int_t
ngx_http_k8s_ssl_client_tell(ngx_http_request_t *r, ngx_uint_t asked,
    ngx_uint_t whole)
{
    ngx_str_t                 value;
    ngx_uint_t                i;
    ngx_list_part_t          *part;
    ngx_table_elt_t           name, *h;
    ngx_connection_t         *c;
    ngx_http_k8s_ssl_told_t  *told;

    c = r->connection;

    ngx_memzero(&name, sizeof(ngx_table_elt_t));
    name.hash = 1;

    for (told = ngx_http_k8s_ssl_told; told->name.len; told++) {

        ngx_str_null(&value);

        if (c->ssl && !asked) {
            value = told->none;

        } else if (c->ssl
                   && (whole || !told->whole)
                   && told->get(c, r->pool, &value) != NGX_OK)
        {
            return NGX_ERROR;
        }

        part = &r->headers_in.headers.part;
        i = 0;

        while ((h = ngx_http_k8s_header_next(&part, &i, &told->name)) != NULL) {
            h->key = told->name;
            h->lowcase_key = told->upper.data;
        }

        name.key = told->name;
        name.lowcase_key = told->upper.data;

        if (ngx_http_k8s_header_sent(r, &name, &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_ssl_client_variables(ngx_conf_t *cf)
{
    u_char                   *p;
    size_t                    k;
    ngx_str_t                 name;
    ngx_http_variable_t      *var;
    ngx_http_k8s_ssl_told_t  *told;

    for (told = ngx_http_k8s_ssl_told; told->name.len; told++) {

        name.len = sizeof("k8s_") - 1 + told->name.len;
        name.data = ngx_pnalloc(cf->temp_pool, name.len);

        if (name.data == NULL) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(name.data, "k8s_", sizeof("k8s_") - 1);

        for (k = 0; k < told->name.len; k++) {
            p[k] = (told->name.data[k] == '-') ? '_' : told->name.data[k];
        }

        var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOHASH
                                               |NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_k8s_ssl_client_variable;
        var->data = (uintptr_t) told;
    }

    return NGX_OK;
}


/* what tell() has put there, and nothing of the client's */

static ngx_int_t
ngx_http_k8s_ssl_client_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t                i;
    ngx_list_part_t          *part;
    ngx_table_elt_t          *h;
    ngx_http_k8s_ssl_told_t  *told;

    told = (ngx_http_k8s_ssl_told_t *) data;

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = 0;
    v->data = (u_char *) "";

    part = &r->headers_in.headers.part;
    i = 0;

    while ((h = ngx_http_k8s_header_next(&part, &i, &told->name)) != NULL) {

        if (h->lowcase_key == told->upper.data) {
            v->len = h->value.len;
            v->data = h->value.data;
            break;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_ssl_client_digest(ngx_http_request_t *r, ngx_str_t *digest)
{
    X509          *cert;
    ngx_int_t      rc;
    unsigned int   len;

    ngx_str_null(digest);

    if (r->connection->ssl == NULL) {
        return NGX_OK;
    }

    cert = SSL_get_peer_certificate(r->connection->ssl->connection);
    if (cert == NULL) {
        return NGX_OK;
    }

    rc = NGX_ERROR;

    digest->data = ngx_pnalloc(r->pool, SHA256_DIGEST_LENGTH);

    if (digest->data
        && X509_digest(cert, EVP_sha256(), digest->data, &len) == 1)
    {
        digest->len = len;
        rc = NGX_OK;
    }

    X509_free(cert);

    return rc;
}
