
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_credentials.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pwd.h>


#define NGX_K8S_FILE_MAX             1048576
#define NGX_K8S_TOKEN_INTERVAL       60000
#define NGX_K8S_FILES_INTERVAL       300000


static ngx_uint_t ngx_k8s_credentials_file(ngx_k8s_credentials_t *cr,
    ngx_k8s_file_t *file, ngx_str_t *value);
static void ngx_k8s_credentials_take(ngx_k8s_file_t *file, ngx_str_t *value);
static ngx_uint_t ngx_k8s_credentials_certificates(ngx_str_t *pem);
static ngx_uint_t ngx_k8s_credentials_pair(ngx_str_t *cert, ngx_str_t *key);
static int ngx_k8s_credentials_password(char *buf, int size, int rwflag,
    void *userdata);
static ngx_uint_t ngx_k8s_credentials_pem(ngx_k8s_credentials_t *cr);
static void ngx_k8s_credentials_free(ngx_str_t *value);
static ngx_int_t ngx_k8s_credentials_blob(CURL *easy, CURLoption option,
    ngx_str_t *value);


char *
ngx_k8s_cluster_load(ngx_k8s_source_conf_t *conf, ngx_k8s_cluster_t *cluster,
    ngx_pool_t *pool)
{
    char       *error;
    u_char     *p;
    size_t      len;
    ngx_str_t   text, dir;

    ngx_memzero(cluster, sizeof(ngx_k8s_cluster_t));

    if (conf->type == NGX_K8S_SOURCE_IN_CLUSTER) {

        if (conf->host.len == 0) {
            return "KUBERNETES_SERVICE_HOST is not set, so this is no Pod: "
                   "use \"source kubeconfig FILE\" or \"source manifests DIR\"";
        }

        len = sizeof("https://[]:65535") + conf->host.len + conf->port.len;

        p = ngx_pnalloc(pool, len);
        if (p == NULL) {
            return "there is not enough memory";
        }

        cluster->server.data = p;

        if (ngx_strlchr(conf->host.data, conf->host.data + conf->host.len, ':'))
        {
            p = ngx_sprintf(p, "https://[%V]", &conf->host);

        } else {
            p = ngx_sprintf(p, "https://%V", &conf->host);
        }

        if (conf->port.len) {
            p = ngx_sprintf(p, ":%V", &conf->port);
        }

        cluster->server.len = p - cluster->server.data;
        cluster->token_file = conf->token;
        cluster->ca_file = conf->ca;

        return ngx_k8s_cluster_server(cluster, pool);
    }

    switch (ngx_k8s_file_read(conf->path.data, &text, pool->log)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return "the kubeconfig is empty or too large: write one with "
               "\"kubectl config view --minify --flatten\"";

    default:
        p = ngx_pnalloc(pool, conf->path.len + NGX_MAX_ERROR_STR);
        if (p == NULL) {
            return "there is not enough memory";
        }

        *ngx_sprintf(p, "the kubeconfig \"%V\" cannot be read (%d: %s): "
                     "correct its name or its permissions",
                     &conf->path, ngx_errno, strerror(ngx_errno)) = '\0';

        return (char *) p;
    }

    dir = conf->path;

    while (dir.len && dir.data[dir.len - 1] != '/') {
        dir.len--;
    }

    error = ngx_k8s_kubeconfig_parse(text.data, text.len, &conf->context, &dir,
                                     cluster, pool);
    ngx_k8s_credentials_free(&text);

    return error;
}


char *
ngx_k8s_cluster_check(ngx_k8s_cluster_t *cluster, ngx_pool_t *pool)
{
    char        *what;
    u_char      *p;
    ngx_str_t    value, *file;
    ngx_int_t    rc;
    ngx_uint_t   i;

    static char  *names[] = { "token", "certificate authority",
                              "client certificate", "client key" };
    ngx_str_t    *files[] = { &cluster->token_file, &cluster->ca_file,
                              &cluster->cert_file, &cluster->key_file };

    for (i = 0; i < 4; i++) {
        file = files[i];
        what = names[i];

        if (file->len == 0) {
            continue;
        }

        rc = ngx_k8s_file_read(file->data, &value, pool->log);

        if (rc == NGX_OK && (i == 1 || i == 2)
            && !ngx_k8s_credentials_certificates(&value))
        {
            ngx_k8s_credentials_free(&value);
            rc = NGX_DECLINED;
        }

        if (rc == NGX_OK) {
            ngx_k8s_credentials_free(&value);
            continue;
        }

        p = ngx_pnalloc(pool, file->len + NGX_MAX_ERROR_STR);
        if (p == NULL) {
            return "there is not enough memory";
        }

        if (rc == NGX_DECLINED) {
            *ngx_sprintf(p, "the %s file \"%V\" is empty or holds something "
                         "else: put a %s into it", what, file, what) = '\0';

        } else {
            *ngx_sprintf(p, "the %s file \"%V\" cannot be read (%d: %s): "
                         "make it readable%s", what, file, ngx_errno,
                         strerror(ngx_errno),
                         i == 0 ? ", and for the user of the workers as well "
                                  "(in a Pod by automountServiceAccountToken "
                                  "and securityContext.fsGroup)" : "") = '\0';
        }

        return (char *) p;
    }

    return NULL;
}


ngx_int_t
ngx_k8s_file_read(u_char *path, ngx_str_t *value, ngx_log_t *log)
{
    off_t            size;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_err_t        err;
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    ngx_str_null(value);

    /* a pipe in place of a file does not block */

    fd = ngx_open_file(path, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK, NGX_FILE_OPEN,
                       0);
    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        goto done;
    }

    if (!ngx_is_file(&fi)) {
        ngx_set_errno(EISDIR);
        goto done;
    }

    size = ngx_file_size(&fi);

    if (size == 0 || size > NGX_K8S_FILE_MAX) {
        rc = NGX_DECLINED;
        goto done;
    }

    value->data = ngx_alloc((size_t) size + 1, log);
    if (value->data == NULL) {
        goto done;
    }

    while (value->len < (size_t) size) {
        n = read(fd, value->data + value->len, (size_t) size - value->len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n == -1) {
            goto done;
        }

        if (n == 0) {
            break;
        }

        value->len += n;
    }

    while (value->len && value->data[value->len - 1] <= ' ') {
        value->len--;
    }

    value->data[value->len] = '\0';

    rc = value->len ? NGX_OK : NGX_DECLINED;

done:

    err = ngx_errno;

    if (rc != NGX_OK && value->data) {
        ngx_free(value->data);
        ngx_str_null(value);
    }

    (void) ngx_close_file(fd);

    ngx_set_errno(err);

    return rc;
}


void
ngx_k8s_credentials_init(ngx_k8s_credentials_t *cr, ngx_log_t *log)
{
    ngx_k8s_cluster_t  *cluster;

    cluster = &cr->cluster;

    cr->log = log;

    cr->token.path = cluster->token_file;
    cr->token.value = cluster->token;
    cr->token.what = "token";

    cr->ca.path = cluster->ca_file;
    cr->ca.value = cluster->ca;
    cr->ca.what = "certificate authority";

    cr->cert.path = cluster->cert_file;
    cr->cert.value = cluster->cert;
    cr->cert.what = "client certificate";

    cr->key.path = cluster->key_file;
    cr->key.value = cluster->key;
    cr->key.what = "client key";
}


ngx_uint_t
ngx_k8s_credentials_refresh(ngx_k8s_credentials_t *cr, ngx_uint_t all)
{
    size_t      i;
    ngx_str_t   value;
    ngx_uint_t  changed;

    changed = 0;

    if (all || !cr->read
        || ngx_current_msec - cr->token_read >= NGX_K8S_TOKEN_INTERVAL)
    {
        cr->token_read = ngx_current_msec;

        if (ngx_k8s_credentials_file(cr, &cr->token, &value)) {

            /* it becomes a header's line */

            for (i = 0; i < value.len && value.data[i] > ' '; i++) {
                /* void */
            }

            if (i < value.len) {
                ngx_log_error(NGX_LOG_ERR, cr->log, 0,
                              "token file \"%V\" holds something else, "
                              "the last good one stays in use",
                              &cr->token.path);
                ngx_k8s_credentials_free(&value);

            } else {
                ngx_k8s_credentials_take(&cr->token, &value);
                changed = 1;
            }
        }
    }

    if (all || !cr->read
        || ngx_current_msec - cr->files_read >= NGX_K8S_FILES_INTERVAL)
    {
        cr->files_read = ngx_current_msec;
        changed |= ngx_k8s_credentials_pem(cr);
    }

    cr->read = 1;

    return changed;
}


static ngx_uint_t
ngx_k8s_credentials_pem(ngx_k8s_credentials_t *cr)
{
    ngx_str_t   ca, cert, key;
    ngx_uint_t  changed, new_cert, new_key;

    changed = 0;

    if (ngx_k8s_credentials_file(cr, &cr->ca, &ca)) {

        if (ngx_k8s_credentials_certificates(&ca)) {
            ngx_k8s_credentials_take(&cr->ca, &ca);
            changed = 1;

        } else {
            ngx_log_error(NGX_LOG_ERR, cr->log, 0,
                          "certificate authority file \"%V\" holds no "
                          "certificate, the last good one stays in use",
                          &cr->ca.path);
            ngx_k8s_credentials_free(&ca);
        }
    }

    /* the two files of a pair are not replaced at the same instant */

    new_cert = ngx_k8s_credentials_file(cr, &cr->cert, &cert);
    new_key = ngx_k8s_credentials_file(cr, &cr->key, &key);

    if (!new_cert && !new_key) {
        return changed;
    }

    if (ngx_k8s_credentials_pair(new_cert ? &cert : &cr->cert.value,
                                 new_key ? &key : &cr->key.value))
    {
        if (new_cert) {
            ngx_k8s_credentials_take(&cr->cert, &cert);
        }

        if (new_key) {
            ngx_k8s_credentials_take(&cr->key, &key);
        }

        return 1;
    }

    ngx_log_error(NGX_LOG_ERR, cr->log, 0,
                  "client certificate \"%V\" and key \"%V\" do not belong "
                  "together, the last good ones stay in use",
                  &cr->cert.path, &cr->key.path);

    if (new_cert) {
        ngx_k8s_credentials_free(&cert);
    }

    if (new_key) {
        ngx_k8s_credentials_free(&key);
    }

    return changed;
}


/* 1: the file has another content than the one in use */

static ngx_uint_t
ngx_k8s_credentials_file(ngx_k8s_credentials_t *cr, ngx_k8s_file_t *file,
    ngx_str_t *value)
{
    ngx_err_t       err;
    ngx_int_t       rc;
    struct passwd  *pw;

    if (file->path.len == 0) {
        return 0;
    }

    rc = ngx_k8s_file_read(file->path.data, value, cr->log);
    err = ngx_errno;

    if (rc == NGX_OK) {
        file->failed = 0;

        if (value->len == file->value.len
            && ngx_memcmp(value->data, file->value.data, value->len) == 0)
        {
            ngx_k8s_credentials_free(value);
            return 0;
        }

        return 1;
    }

    if (file->failed) {
        return 0;
    }

    file->failed = 1;

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, cr->log, 0,
                      "%s file \"%V\" is empty or too large, the last good "
                      "one stays in use", file->what, &file->path);

    } else if (err == NGX_EACCES) {
        pw = getpwuid(geteuid());

        ngx_log_error(NGX_LOG_ERR, cr->log, err,
                      "%s file \"%V\" cannot be read by the worker, which "
                      "runs as user \"%s\": let that user read it (in a Pod "
                      "by securityContext.fsGroup), or set another one by "
                      "the \"user\" directive",
                      file->what, &file->path, pw ? pw->pw_name : "?");

    } else {
        ngx_log_error(NGX_LOG_ERR, cr->log, err,
                      "%s file \"%V\" cannot be read", file->what,
                      &file->path);
    }

    return 0;
}


static void
ngx_k8s_credentials_take(ngx_k8s_file_t *file, ngx_str_t *value)
{
    ngx_k8s_credentials_free(&file->value);
    file->value = *value;
}


static void
ngx_k8s_credentials_free(ngx_str_t *value)
{
    if (value->data) {
        ngx_explicit_memzero(value->data, value->len);
        ngx_free(value->data);
    }

    ngx_str_null(value);
}


static ngx_uint_t
ngx_k8s_credentials_certificates(ngx_str_t *pem)
{
    BIO         *bio;
    X509        *x509;
    ngx_uint_t   n;

    bio = BIO_new_mem_buf(pem->data, (int) pem->len);
    if (bio == NULL) {
        return 0;
    }

    n = 0;

    while ((x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_free(x509);
        n++;
    }

    BIO_free(bio);
    ERR_clear_error();

    return n;
}


static ngx_uint_t
ngx_k8s_credentials_pair(ngx_str_t *cert, ngx_str_t *key)
{
    BIO         *bio;
    X509        *x509;
    EVP_PKEY    *pkey;
    ngx_uint_t   ok;

    x509 = NULL;
    pkey = NULL;

    bio = BIO_new_mem_buf(cert->data, (int) cert->len);

    if (bio) {
        x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
    }

    bio = BIO_new_mem_buf(key->data, (int) key->len);

    if (bio) {
        pkey = PEM_read_bio_PrivateKey(bio, NULL, ngx_k8s_credentials_password,
                                       NULL);
        BIO_free(bio);
    }

    ok = (x509 && pkey && X509_check_private_key(x509, pkey) == 1);

    X509_free(x509);
    EVP_PKEY_free(pkey);
    ERR_clear_error();

    return ok;
}


/* nobody is asked on a terminal */

static int
ngx_k8s_credentials_password(char *buf, int size, int rwflag, void *userdata)
{
    return 0;
}


ngx_int_t
ngx_k8s_credentials_apply(ngx_k8s_credentials_t *cr, ngx_k8s_call_t *call)
{
    u_char     *p;
    CURL       *easy;
    ngx_int_t   rc;

    easy = call->easy;

    if (cr->cluster.tls) {
        if (curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                             (long) CURL_SSLVERSION_TLSv1_2) != CURLE_OK
            || curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER,
                                cr->cluster.insecure ? 0L : 1L) != CURLE_OK
            || curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST,
                                cr->cluster.insecure ? 0L : 2L) != CURLE_OK
            || ngx_k8s_credentials_blob(easy, CURLOPT_CAINFO_BLOB,
                                        &cr->ca.value) != NGX_OK
            || ngx_k8s_credentials_blob(easy, CURLOPT_SSLCERT_BLOB,
                                        &cr->cert.value) != NGX_OK
            || ngx_k8s_credentials_blob(easy, CURLOPT_SSLKEY_BLOB,
                                        &cr->key.value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (cr->token.value.len == 0) {
        return NGX_OK;
    }

    p = ngx_alloc(sizeof("Authorization: Bearer ") + cr->token.value.len,
                  cr->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *ngx_sprintf(p, "Authorization: Bearer %V", &cr->token.value) = '\0';

    rc = ngx_k8s_call_header(call, (char *) p);

    ngx_explicit_memzero(p, ngx_strlen(p));
    ngx_free(p);

    return rc;
}


static ngx_int_t
ngx_k8s_credentials_blob(CURL *easy, CURLoption option, ngx_str_t *value)
{
    struct curl_blob  blob;

    if (value->len == 0) {
        return NGX_OK;
    }

    blob.data = value->data;
    blob.len = value->len;
    blob.flags = CURL_BLOB_COPY;

    if (curl_easy_setopt(easy, option, &blob) != CURLE_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_k8s_credentials_done(ngx_k8s_credentials_t *cr)
{
    ngx_uint_t       i;
    ngx_k8s_file_t  *files[] = { &cr->token, &cr->ca, &cr->cert, &cr->key };

    for (i = 0; i < 4; i++) {
        if (files[i]->path.len) {
            ngx_k8s_credentials_free(&files[i]->value);
        }
    }
}
