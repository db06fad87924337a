
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Secrets that policies name: what comes of their texts, when there is a
 * record and when there is none, and what a tenant can do with them.
 */


#include "k8s_secret.h"
#include <ngx_k8s_compile_data.h>


#define SECRET    "'nginx.ingress.kubernetes.io/auth-type':'basic',"           \
                  "'nginx.ingress.kubernetes.io/auth-secret':'"
#define DIGEST    "'nginx.ingress.kubernetes.io/auth-type':'digest',"          \
                  "'nginx.ingress.kubernetes.io/auth-secret':'"
#define MAP       ",'nginx.ingress.kubernetes.io/auth-secret-type':'auth-map'"
#define CLOSED    "so the paths of the Ingress are closed: they answer 503"


static ngx_msec_t   later_msec;
static ngx_uint_t   wants;


static void
want(void *data, ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t yes)
{
    if (kind == NGX_K8S_SECRET) {
        wants += yes ? 1 : -1;
    }
}


static void
later(void *data, ngx_msec_t msec)
{
    later_msec = msec;
}


static void
begin(k8s_t *k)
{
    ngx_current_msec = 1000;
    wants = 0;

    k8s_conf(k);
    k->conf.later = later;
    k->events.want = want;
    k8s_open(k);
}


static void
pass(k8s_t *k, ngx_msec_t msec)
{
    ngx_current_msec += msec;
    ngx_k8s_compile_due(k->compile);
}


static void
ingress(k8s_t *k, const char *name, const char *annotations, const char *path)
{
    u_char  text[2048];

    *ngx_sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                 "'Ingress','metadata':{'namespace':'d','name':'%s',"
                 "'annotations':{%s}},'spec':{'rules':[{'host':'a.test',"
                 "'http':{'paths':[{'path':'%s','pathType':'Prefix',"
                 "'backend':{'service':{'name':'s','port':{'number':80}}}}]"
                 "}}]}}", name, annotations, path) = '\0';

    k8s_put(k, (char *) text);
}


/* of "key=value;..." */

static void
secret_in(k8s_t *k, const char *ns, const char *name, const char *data)
{
    char        *text, *p;
    size_t       len;
    const char  *s, *eq, *end;

    text = malloc(2 * strlen(data) + 4096);
    p = text + sprintf(text, "{'apiVersion':'v1','kind':'Secret','metadata':{"
                       "'namespace':'%s','name':'%s'},'stringData':{", ns,
                       name);

    for (s = data; *s; s = *end ? end + 1 : end) {
        eq = strchr(s, '=');
        end = strchr(s, ';');
        end = end ? end : s + strlen(s);
        len = end - eq - 1;

        p += sprintf(p, "%s'%.*s':'", s == data ? "" : ",", (int) (eq - s), s);

        for (eq++; len; len--, eq++) {
            if (*eq == '\n' || *eq == '\r') {
                *p++ = '\\';
                *p++ = (*eq == '\n') ? 'n' : 'r';
                continue;
            }

            *p++ = *eq;
        }

        *p++ = '\'';
    }

    sprintf(p, "}}");
    k8s_put(k, text);
    free(text);
}

#define secret(k, name, data)  secret_in(k, "d", name, data)


static ngx_k8s_data_t *
record_of(k8s_t *k, ngx_uint_t use, const char *name)
{
    u_char     buf[NGX_K8S_KEY_MAX];
    size_t     len;
    ngx_str_t  ns, n, item;

    k8s_run(k);

    ns = k8s_str("d");
    n = k8s_str(name);
    ngx_str_null(&item);

    len = ngx_k8s_key_data(buf, use, &ns, &n, &item);

    return ngx_k8s_table_find(k->table, NGX_K8S_INDEX_DATA, buf, len, NULL);
}


/* the bytes, a zero as "|"; "-": there is no record */

static char *
text_of(k8s_t *k, ngx_uint_t use, const char *name)
{
    u_char          *p;
    ngx_str_t        s;
    ngx_uint_t       i;
    ngx_k8s_data_t  *rec;

    static char  text[1024];

    rec = record_of(k, use, name);

    if (rec == NULL) {
        return "-";
    }

    ngx_k8s_record_str(rec, &rec->bytes, &s);

    p = (u_char *) text;

    if (!(rec->flags & NGX_K8S_DATA_SECRET)) {
        p += sprintf(text, "not secret ");
    }

    for (i = 0; i < s.len && i < sizeof(text) - 32; i++) {
        *p++ = s.data[i] ? s.data[i] : '|';
    }

    *p = '\0';

    return text;
}

#define is(use, name, text)                                                   \
    ok(strcmp(text_of(&k, NGX_K8S_DATA_##use, name), text) == 0,              \
       "%s of %s: %s", #use, name, text_of(&k, NGX_K8S_DATA_##use, name))


static void
texts(void)
{
    k8s_t  k;

    begin(&k);
    ingress(&k, "i", SECRET "s'", "/a");
    ingress(&k, "m", SECRET "s'" MAP, "/m");

    secret(&k, "s", "auth=b:1");
    is(USERS, "s", "b:1\n");
    is(USER_MAP, "s", "auth:b:1\n");

    secret(&k, "s", "auth=b:1\na:2:more\r\n\n#c:3\nnone\nb:4\n:5\na.b:6");
    is(USERS, "s", ":5\na:2:more\na.b:6\nb:1\n");

    secret(&k, "s", "b=1;a=2\nc:3;auth=x:y\n");
    is(USERS, "s", "x:y\n");
    is(USER_MAP, "s", "a:2\nauth:x:y\nb:1\n");

    ok(k8s_has(&k, "Secret d/s: line 1, user \"x\": it is of no form that is "
               "taken, so nobody gets in with that"), "x has none");
    secret(&k, "s", "auth=x:{PLAIN}y\nz:");
    ok(k8s_has(&k, "line 2, user \"z\": nothing is stored, so"), "z has none");
    secret(&k, "s", "auth=#\r\nnone\r\nx:{PLAIN}y \nx:{PLAIN}z\n"
                    "b:$2y$14$x\ns:$6$rounds=200000$x$y\nd:$1$x$y \n");
    ok(k8s_has(&k, "line 2: it has no colon; "
               "line 5, user \"b\": bcrypt of cost 14, at most 12 is "
               "compared; line 7, user \"d\": a blank stands behind it; "
               "line 6, user \"s\": at most 100000 rounds are compared; "
               "and 1 more, so"), "each has its reason");
    secret(&k, "s", "auth=x:{PLAIN}y\nx:{PLAIN}z");
    ok(k8s_has(&k, "line 2, user \"x\": it is there twice, the first one "
                   "holds"), "the second one is said");
    secret(&k, "s", "auth=x:{PLAIN}y");
    ok(!k8s_has(&k, "as \"z\""), "all have one");

    secret(&k, "s", "auth=#none");
    is(USERS, "s", "");
    ok(k8s_has(&k, "Secret d/s has no user, so nobody is let through")
       && k8s_has(&k, "Correct it in the Secret."),
       "none of them is a problem");
    ok(!k8s_has(&k, "twice"), "of a Secret without users");
    secret(&k, "s", "auth=YTp7UExBSU59Yg==\n");
    ok(k8s_has(&k, "what it has is in base64 twice")
       && k8s_has(&k, "Encode it once"), "or in base64 twice, and what to do");

    secret(&k, "s", "b=1");
    is(USERS, "s", "-");
    is(USER_MAP, "s", "b:1\n");
    ok(k8s_has(&k, "Secret d/s has no \"auth\", " CLOSED)
       && k8s_has(&k, "Put the file of users into \"auth\" of the Secret"),
       "no such key, and what to do");

    secret(&k, "s", "auth=c:1");
    is(USERS, "s", "c:1\n");
    ok(!k8s_has(&k, "has no "), "all is well again");

    k8s_close(&k);
}


/* while it is asked for, and there */

#define HEX       "0123456789abcdef0123456789abcdef"

/* users of a digest are one in each realm */

static void
digests(void)
{
    k8s_t  k;

    begin(&k);
    ingress(&k, "i", DIGEST "s'", "/a");
    ingress(&k, "m", DIGEST "s'" MAP, "/m");

    secret(&k, "s", "auth=b:two:" HEX "\nb:one:" HEX "\na:one:" HEX "\n#\n"
           "b:one:again");
    is(DIGESTS, "s", "a|one:" HEX "\nb|one:" HEX "\nb|two:" HEX "\n");
    is(DIGEST_MAP, "s", "auth|b:two:" HEX "\n");
    is(USERS, "s", "-");
    is(USER_MAP, "s", "-");
    ok(k8s_has(&k, "line 5, user \"b\": it is there twice, the first one "),
       "one of a realm that is there twice");

    secret(&k, "s", "a=one:" HEX ";b=" HEX);
    is(DIGESTS, "s", "-");
    is(DIGEST_MAP, "s", "a|one:" HEX "\nb:\n");
    ok(k8s_has(&k, "user \"b\": it has not both a realm and an MD5"),
       "one without a realm");
    ok(k8s_has(&k, "Secret d/s has no \"auth\", " CLOSED), "no such key");

    secret(&k, "s", "auth=#");
    ok(k8s_has(&k, "Secret d/s has no user, so nobody is let through"),
       "none of them is a problem");

    ingress(&k, "i", SECRET "s'", "/a");
    secret(&k, "s", "auth=a:1");
    is(USERS, "s", "a:1\n");
    is(DIGESTS, "s", "-");

    k8s_close(&k);
}


static void
life(void)
{
    k8s_t  k;

    begin(&k);
    ingress(&k, "i", SECRET "d/s'", "/a");
    is(USERS, "s", "-");
    ok(k8s_has(&k, "prefix \"/a\""), "a new path is served, closed");
    ok(!k8s_has(&k, "has not come"), "nothing is said at once");

    pass(&k, 5000);
    ok(k8s_has(&k, "Secret d/s has not come, " CLOSED), "but later");

    secret(&k, "s", "auth=a:1");
    is(USERS, "s", "a:1\n");
    ok(!k8s_has(&k, "has not come"), "it has come");

    /* a version that names another one waits */

    ingress(&k, "i", SECRET "t'", "/two");
    ok(k8s_has(&k, "prefix \"/a\"") && !k8s_has(&k, "prefix \"/two\""),
       "the old version is served");
    is(USERS, "s", "a:1\n");

    secret(&k, "t", "auth=b:2");
    is(USERS, "t", "b:2\n");
    is(USERS, "s", "-");
    ok(k8s_has(&k, "prefix \"/two\""), "the new one when it has come");
    ok(wants == 1, "nothing else is wanted: %d", (int) wants);

    ingress(&k, "i", SECRET "u'", "/a");
    k8s_run(&k);
    pass(&k, 5000);
    ok(k8s_has(&k, "Secret d/u has not come, ") && !k8s_has(&k, "/two"),
       "or when that takes too long");
    is(USERS, "u", "-");

    ingress(&k, "i", SECRET "t'", "/a");
    secret(&k, "t", "auth=b:2");
    is(USERS, "t", "b:2\n");

    k8s_delete(&k, NGX_K8S_SECRET, "d", "t");
    is(USERS, "t", "-");
    ok(k8s_has(&k, "Secret d/t is not there, " CLOSED), "it goes");

    secret(&k, "t", "auth=c:3");
    is(USERS, "t", "c:3\n");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "i");
    is(USERS, "t", "-");
    ok(wants == 0, "nor is anything: %d", (int) wants);

    k8s_close(&k);
}


static void
successor(void)
{
    k8s_t  k;

    begin(&k);
    ingress(&k, "i", SECRET "s'", "/a");
    ingress(&k, "j", SECRET "t'", "/b");
    secret(&k, "s", "auth=a:1");
    secret(&k, "t", "auth=a:1");
    is(USERS, "s", "a:1\n");
    is(USERS, "t", "a:1\n");
    k8s_end(&k);

    k8s_open(&k);
    ngx_k8s_compile_synced(k.compile);
    ingress(&k, "i", SECRET "s'", "/a");
    is(USERS, "s", "a:1\n");
    is(USERS, "t", "-");

    pass(&k, 5000);
    ok(k8s_has(&k, "Secret d/s has not come, so what it said before holds"),
       "which is said");

    secret(&k, "s", "auth=a:2");
    is(USERS, "s", "a:2\n");
    ok(!k8s_has(&k, "has not come"), "and goes");

    k8s_close(&k);
}


/* of a Secret that cannot be read any more a new watcher has the name alone */

static void
kept(void)
{
    char              *names[] = { "s", "new" };
    k8s_t              k;
    ngx_uint_t         i;
    ngx_k8s_object_t  *object;

    begin(&k);
    ingress(&k, "i", SECRET "s'", "/a");
    ingress(&k, "m", SECRET "s'" MAP, "/m");
    secret(&k, "s", "auth=a:{PLAIN}1");
    is(USERS, "s", "a:{PLAIN}1\n");
    k8s_end(&k);

    k8s_open(&k);
    ingress(&k, "i", SECRET "s'", "/a");
    ingress(&k, "m", SECRET "s'" MAP, "/m");
    ingress(&k, "n", SECRET "new'", "/n");

    for (i = 0; i < 2; i++) {
        object = k8s_object("{'apiVersion':'v1','kind':'Secret','metadata':{"
                            "'namespace':'d','name':'x'}}");
        object->kept = 1;
        object->name = k8s_str(names[i]);
        ngx_str_set(&object->origin, "s.yaml");
        (void) ngx_k8s_store_put(k.store, object);
        k8s_work(&k);
    }

    is(USERS, "s", "a:{PLAIN}1\n");
    is(USER_MAP, "s", "auth:a:{PLAIN}1\n");
    ok(k8s_has(&k, "Secret d/s: \"s.yaml\" cannot be read any more, so what it "
                   "said before holds"), "which is said");
    is(USERS, "new", "-");
    ok(k8s_has(&k, "Secret d/new: \"s.yaml\" cannot be read any more, " CLOSED),
       "what nobody knows is closed");
    ok(!k8s_has(&k, "has no "), "nothing else is wrong");

    secret(&k, "s", "b=1");
    is(USERS, "s", "-");
    is(USER_MAP, "s", "b:1\n");
    ok(k8s_has(&k, "Secret d/s has no \"auth\", " CLOSED),
       "one that can be read holds");

    k8s_close(&k);
}


/* a value of another namespace is a bad one */

static void
foreign(void)
{
    k8s_t  k;

    begin(&k);
    ingress(&k, "i", SECRET "e/s'", "/a");
    secret_in(&k, "e", "s", "auth=a:1");
    ok(k8s_has(&k, "it names an object of another namespace")
       && record_of(&k, NGX_K8S_DATA_USERS, "s") == NULL, "not let through");
    ok(wants == 0, "it is not wanted");
    k8s_close(&k);

    begin(&k);
    k.class.gate.foreign = 1;
    k8s_end(&k);
    k8s_open(&k);
    ingress(&k, "i", SECRET "e/s'", "/a");
    secret_in(&k, "e", "s", "auth=a:1");
    ok(!k8s_has(&k, "another namespace") && wants == 1, "unless it is allowed");
    k8s_close(&k);
}


/* items of work until all is done */

static ngx_uint_t
steps(k8s_t *k)
{
    ngx_uint_t  n;

    ngx_k8s_compile_synced(k->compile);

    for (n = 0; ngx_k8s_compile_run(k->compile, 0) == NGX_AGAIN; n++) {
        ngx_k8s_writer_publish(k->writer);
    }

    return n;
}


static void
pems(void)
{
    BIO                     *bio;
    X509                    *x;
    char                    *pem, *all, *p;
    k8s_t                    k;
    EVP_PKEY                *key;
    ngx_str_t                ns, name, rest, der;
    ngx_uint_t               n, uses, count;
    X509_CRL                *crl;
    ngx_k8s_row_t            row;
    ngx_k8s_node_t          *node;
    ngx_k8s_data_t          *rec;
    ngx_k8s_values_t         values;

    key = EVP_EC_gen("P-256");

    x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_sign(x, key, EVP_sha256());
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    n = BIO_get_mem_data(bio, &pem);

    all = malloc(64 * 1024 + 300 * 1024);
    p = all + sprintf(all, "ca.crt=");

    for (count = 0; (count + 1) * n < 256 * 1024 && count < 100; count++) {
        p += sprintf(p, "%.*s", (int) n, pem);
    }

    BIO_free(bio);

    begin(&k);

    ngx_memzero(&row, sizeof(row));
    ngx_memzero(&values, sizeof(values));
    ngx_str_set(&row.name, "auth-tls-secret");
    ns = k8s_str("d");
    name = k8s_str("s");

    node = ngx_k8s_node_get(k.store, NGX_K8S_NODE_SECRET, &ns, &name);
    ngx_k8s_node_pin(k.store, node);
    ok(ngx_k8s_compile_data_ask(k.compile, node, &row, &values, &uses)
       == NGX_OK, "asked for");

    secret(&k, "s", all);
    (void) steps(&k);

    rec = record_of(&k, NGX_K8S_DATA_CA, "s");
    ok(rec != NULL, "a record");
    ngx_k8s_record_str(rec, &rec->bytes, &rest);

    for (n = 0; ngx_k8s_data_next(&rest, &der) == NGX_OK; n++) {
        if (der.len != (size_t) i2d_X509(x, NULL)) {
            break;
        }
    }

    ok(n == count && rest.len == 0, "with all %d certificates: %d",
       (int) count, (int) n);

    is(CRL, "s", "");

    /* in pieces, and once only */

    sprintf(p, "\n");
    secret(&k, "s", all);
    n = steps(&k);
    ok(n > count / 8, "in pieces: %d", (int) n);

    ngx_k8s_node_mark(k.store, node);
    ok(steps(&k) < 8, "not again without a change");

    /* another version in the midst of it */

    secret(&k, "s", all);
    k8s_put(&k, "{'apiVersion':'v1','kind':'Secret','metadata':{"
                "'namespace':'d','name':'s','labels':{'a':'b'}}}");
    (void) ngx_k8s_compile_run(k.compile, 0);
    (void) ngx_k8s_compile_run(k.compile, 0);
    is(CA, "s", "");
    secret(&k, "s", all);
    (void) ngx_k8s_compile_run(k.compile, 0);
    (void) ngx_k8s_compile_run(k.compile, 0);
    secret(&k, "s", "ca.crt=none");
    is(CA, "s", "-");

    p = strstr(all + 100, "-----BEGIN");
    p[40] = '!';
    secret(&k, "s", all);
    is(CA, "s", "-");

    crl = X509_CRL_new();
    X509_CRL_set_version(crl, 1);
    X509_gmtime_adj((ASN1_TIME *) X509_CRL_get0_lastUpdate(crl), 0);
    X509_CRL_set1_lastUpdate(crl, X509_get0_notBefore(x));
    X509_CRL_sign(crl, key, EVP_sha256());
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_CRL(bio, crl);
    n = BIO_get_mem_data(bio, &pem);
    sprintf(all, "ca.crl=%.*s", (int) n, pem);
    BIO_free(bio);

    secret(&k, "s", all);
    rec = record_of(&k, NGX_K8S_DATA_CRL, "s");
    ok(rec && rec->bytes.len == 4 + (size_t) i2d_X509_CRL(crl, NULL), "a list");
    is(CA, "s", "");

    X509_CRL_free(crl);
    X509_free(x);
    EVP_PKEY_free(key);
    free(all);

    k8s_close(&k);
}


/* of a Secret: "ca.crt" of a CA or not, and "ca.crl" of a CA, with days to go;
   no name: no list */

static void
vouches(k8s_t *k, int ca, int days, const char *crl_of, int crl_days)
{
    BIO              *bio;
    X509             *x;
    char             *pem, *text, *p;
    EVP_PKEY         *key;
    ngx_uint_t        n;
    ASN1_TIME        *time;
    X509_CRL         *crl;
    X509V3_CTX        ctx;
    X509_NAME        *name;
    X509_EXTENSION   *ext;

    key = EVP_EC_gen("P-256");
    x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -100 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x), days * 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (u_char *) "ca", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    X509V3_set_ctx_nodb(&ctx);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
                              ca ? "critical,CA:TRUE" : "CA:FALSE");
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    X509_sign(x, key, EVP_sha256());

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    n = BIO_get_mem_data(bio, &pem);
    text = malloc(8192);
    p = text + sprintf(text, "ca.crt=%.*s", (int) n, pem);
    BIO_free(bio);

    if (crl_of) {
        crl = X509_CRL_new();
        name = X509_NAME_new();
        X509_CRL_set_version(crl, 1);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (u_char *) crl_of,
                                   -1, -1, 0);
        X509_CRL_set_issuer_name(crl, name);
        X509_CRL_set1_lastUpdate(crl, X509_get0_notBefore(x));
        time = X509_gmtime_adj(NULL, crl_days * 86400);
        X509_CRL_set1_nextUpdate(crl, time);
        X509_CRL_sign(crl, key, EVP_sha256());
        bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509_CRL(bio, crl);
        n = BIO_get_mem_data(bio, &pem);
        sprintf(p, ";ca.crl=%.*s", (int) n, pem);
        BIO_free(bio);
        ASN1_TIME_free(time);
        X509_NAME_free(name);
        X509_CRL_free(crl);
    }

    X509_free(x);
    EVP_PKEY_free(key);

    secret(k, "s", text);
    free(text);
}


static void
ends(void)
{
    k8s_t  k;

    begin(&k);
    ingress(&k, "i", "'nginx.ingress.kubernetes.io/auth-tls-secret':'d/s'",
            "/a");

    vouches(&k, 1, 30, "ca", 30);
    ok(!k8s_has(&k, "nobody is verified"), "a CA and its list");
    vouches(&k, 0, 30, NULL, 0);
    ok(k8s_has(&k, "Secret d/s, \"ca.crt\": no certificate of it is one of a "
                   "CA (CA:FALSE), so nobody is verified by it"), "no CA");
    vouches(&k, 1, -1, NULL, 0);
    ok(k8s_has(&k, "Secret d/s, \"ca.crt\" ended at "), "one that has ended");
    vouches(&k, 1, 30, "ca", -1);
    ok(k8s_has(&k, "Secret d/s, \"ca.crl\" ended at "), "or its list");
    vouches(&k, 1, 30, "other", 30);
    ok(k8s_has(&k, "Secret d/s, \"ca.crl\": none of its lists is of a CA of "
                   "\"ca.crt\""), "a list of another one");
    vouches(&k, 1, 30, NULL, 0);
    ok(!k8s_has(&k, "nobody is verified"), "all is well again");

    ngx_k8s_compile_clock(k.compile, time(NULL) + 31 * 86400);
    ok(k8s_has(&k, "Secret d/s, \"ca.crt\" ended at "), "it ends");

    k8s_close(&k);
}


static ngx_uint_t
served(k8s_t *k)
{
    char        name[32];
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < 6; i++) {
        sprintf(name, "s%d", (int) i);
        n += (record_of(k, NGX_K8S_DATA_USERS, name) != NULL);
    }

    return n;
}


/* what is too large, too many, or has no room closes itself alone */

static void
hostile(void)
{
    char        *text, *p, path[64], name[32], annotation[128];
    k8s_t        k;
    ngx_uint_t   i;

    text = malloc(600 * 1024);

    begin(&k);
    ingress(&k, "i", SECRET "s'", "/a");
    ingress(&k, "j", SECRET "t'", "/b");
    secret(&k, "t", "auth=a:1");

    p = text + sprintf(text, "auth=a:");
    memset(p, 'x', 256 * 1024);
    p[256 * 1024 - 2] = '\0';
    secret(&k, "s", text);
    ok(record_of(&k, NGX_K8S_DATA_USERS, "s") != NULL, "256 KB");
    p[256 * 1024 - 2] = 'x';
    p[256 * 1024 - 1] = '\0';
    secret(&k, "s", text);
    is(USERS, "s", "-");
    ok(k8s_has(&k, "Secret d/s, \"auth\": it has more than 256 KB, " CLOSED),
       "more of it");
    is(USERS, "t", "a:1\n");

    p = text + sprintf(text, "auth=");

    for (i = 0; i < 4097; i++) {
        p += sprintf(p, "u%d:1\n", (int) i);
    }

    secret(&k, "s", text);
    is(USERS, "s", "-");
    ok(k8s_has(&k, "it has more than 4096 users"), "users");

    /* a share of the zone, of 8 MB */

    p = text + sprintf(text, "auth=a:");
    memset(p, 'x', 250 * 1024);
    p[250 * 1024] = '\0';

    for (i = 0; i < 6; i++) {
        sprintf(name, "s%d", (int) i);
        sprintf(annotation, SECRET "%s'", name);
        sprintf(path, "/%s", name);
        ingress(&k, name, annotation, path);
        secret(&k, name, text);
    }

    is(USERS, "t", "a:1\n");
    ok(served(&k) == 4, "four of six have room: %d", (int) served(&k));
    ok(k8s_has(&k, "there is no room for Secret d/s"), "which is said");

    for (i = 0; i < 2; i++) {
        sprintf(name, "s%d", (int) i);
        k8s_delete(&k, NGX_K8S_SECRET, "d", name);
    }

    ok(served(&k) == 4, "there is room again: %d", (int) served(&k));
    ok(!k8s_has(&k, "there is no room"), "which is not said any more");

    k8s_close(&k);

    /* ten thousand that are not there */

    begin(&k);

    for (i = 0; i < 10000; i++) {
        sprintf(name, "s%d", (int) i);
        sprintf(annotation, SECRET "%s'", name);
        ingress(&k, name, annotation, "/a");
    }

    ingress(&k, "j", SECRET "t'", "/b");
    secret(&k, "t", "auth=a:1");
    is(USERS, "t", "a:1\n");
    ok(wants == 10001, "all are wanted");

    k8s_close(&k);

    free(text);
}


int
main(void)
{
    unit_init();

    texts();
    digests();
    life();
    successor();
    kept();
    foreign();
    pems();
    ends();
    hostile();

    return done();
}
