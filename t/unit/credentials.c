
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Files of credentials that change while they are in use. */


#include <unit.h>
#include <ngx_k8s_credentials.h>
#include <openssl/pem.h>
#include <openssl/x509.h>


static char                    dir[] = "/tmp/credentialsXXXXXX";
static ngx_pool_t             *pool;
static ngx_k8s_credentials_t   cr;


static ngx_str_t
path(char *name)
{
    ngx_str_t  s;

    s.data = ngx_pnalloc(pool, 256);
    s.len = ngx_sprintf(s.data, "%s/%s%Z", dir, name) - s.data - 1;

    return s;
}


static void
put(char *name, char *text)
{
    FILE  *f;

    f = fopen((char *) path(name).data, "w");
    fputs(text, f);
    fclose(f);
}


/* a self-signed certificate and its key, into two files */

static void
make(char *cert, char *key)
{
    FILE      *f;
    X509      *x509;
    EVP_PKEY  *pkey;

    pkey = EVP_EC_gen("P-256");
    x509 = X509_new();

    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, pkey);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
                               MBSTRING_ASC, (u_char *) "test", -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_sign(x509, pkey, EVP_sha256());

    f = fopen((char *) path(cert).data, "w");
    PEM_write_X509(f, x509);
    fclose(f);

    f = fopen((char *) path(key).data, "w");
    PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL);
    fclose(f);

    X509_free(x509);
    EVP_PKEY_free(pkey);
}


static ngx_uint_t
is(ngx_str_t *s, char *text)
{
    return s->len == ngx_strlen(text)
           && ngx_strncmp(s->data, text, s->len) == 0;
}


static void
tokens(void)
{
    ok(is(&cr.token.value, "one"), "a token, without its line end");

    put("token", "two");
    ok(!ngx_k8s_credentials_refresh(&cr, 0) && is(&cr.token.value, "one"),
       "within a minute it is not read again");

    ok(ngx_k8s_credentials_refresh(&cr, 1) && is(&cr.token.value, "two"),
       "after a refusal it is");
    ok(!ngx_k8s_credentials_refresh(&cr, 1), "it is the same");

    put("token", "three");
    ngx_current_msec += 61000;
    ok(ngx_k8s_credentials_refresh(&cr, 0) && is(&cr.token.value, "three"),
       "after a minute it is, too");

    put("token", "");
    ok(!ngx_k8s_credentials_refresh(&cr, 1) && is(&cr.token.value, "three"),
       "an empty file keeps the old one");

    put("token", "a\r\nX-Evil: b\n");
    ok(!ngx_k8s_credentials_refresh(&cr, 1) && is(&cr.token.value, "three"),
       "so does one that would make two headers");

    unlink((char *) path("token").data);
    ok(!ngx_k8s_credentials_refresh(&cr, 1) && is(&cr.token.value, "three"),
       "so does a missing one");

    put("token", "four\n");
    ok(ngx_k8s_credentials_refresh(&cr, 1) && is(&cr.token.value, "four"),
       "it is back");
}


static void
authorities(void)
{
    size_t  len;

    len = cr.ca.value.len;
    ok(len > 100, "a certificate authority");

    put("ca", "");
    ok(!ngx_k8s_credentials_refresh(&cr, 1) && cr.ca.value.len == len,
       "an empty file keeps the old one");

    put("ca", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    ok(!ngx_k8s_credentials_refresh(&cr, 1) && cr.ca.value.len == len,
       "so does garbage");

    make("ca", "unused");
    ngx_current_msec += 61000;
    ok(!ngx_k8s_credentials_refresh(&cr, 0), "a new one, within 5 minutes");

    ngx_current_msec += 300000;
    ok(ngx_k8s_credentials_refresh(&cr, 0), "and after them");
}


static void
pairs(void)
{
    size_t      n;
    u_char     *old;
    ngx_str_t   was;

    was = cr.cert.value;
    old = malloc(was.len);
    memcpy(old, was.data, was.len);
    n = was.len;

    make("new.cert", "new.key");

    rename((char *) path("new.cert").data, (char *) path("cert").data);
    ok(!ngx_k8s_credentials_refresh(&cr, 1)
       && cr.cert.value.len == n && memcmp(cr.cert.value.data, old, n) == 0,
       "a certificate without its key yet: the old pair");

    rename((char *) path("new.key").data, (char *) path("key").data);
    ok(ngx_k8s_credentials_refresh(&cr, 1)
       && (cr.cert.value.len != n || memcmp(cr.cert.value.data, old, n) != 0),
       "with its key: the new pair");

    free(old);
}


static void
checks(void)
{
    char               *error;
    ngx_k8s_cluster_t   cluster;

    ngx_memzero(&cluster, sizeof(ngx_k8s_cluster_t));
    cluster.token_file = path("token");
    cluster.ca_file = path("ca");

    error = ngx_k8s_cluster_check(&cluster, pool);
    ok(error == NULL, "all files can be read (%s)", error ? error : "-");

    cluster.ca_file = path("token");
    error = ngx_k8s_cluster_check(&cluster, pool);
    ok(error && strstr(error, "certificate authority file"),
       "%s", error ? error : "no error");

    cluster.token_file = path("none");
    error = ngx_k8s_cluster_check(&cluster, pool);
    ok(error && strstr(error, "cannot be read") && strstr(error, "fsGroup"),
       "%s", error ? error : "no error");
}


int
main(void)
{
    char        *names[] = { "token", "ca", "cert", "key", "unused" };
    ngx_uint_t   i;

    unit_init();
    unit_log.log_level = NGX_LOG_EMERG;

    pool = ngx_create_pool(4096, &unit_log);

    if (mkdtemp(dir) == NULL) {
        return 1;
    }

    put("token", "one\n");
    make("ca", "unused");
    make("cert", "key");

    cr.cluster.token_file = path("token");
    cr.cluster.ca_file = path("ca");
    cr.cluster.cert_file = path("cert");
    cr.cluster.key_file = path("key");

    ngx_k8s_credentials_init(&cr, &unit_log);
    ok(ngx_k8s_credentials_refresh(&cr, 0), "the first reading");

    tokens();
    authorities();
    pairs();
    checks();

    ngx_k8s_credentials_done(&cr);

    for (i = 0; i < 5; i++) {
        unlink((char *) path(names[i]).data);
    }

    rmdir(dir);

    ngx_destroy_pool(pool);

    return done();
}
