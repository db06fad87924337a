
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Kubeconfigs, good ones and what is refused, each with its sentence. */


#include <unit.h>
#include <ngx_k8s_credentials.h>


static ngx_pool_t         *pool;
static ngx_k8s_cluster_t   cluster;


static char *
parse(char *text, char *context)
{
    char       *copy, *error;
    size_t      len;
    ngx_str_t   name, dir;

    name.data = (u_char *) context;
    name.len = ngx_strlen(context);
    ngx_str_set(&dir, "/etc/kube/");

    /* the text is gone afterwards */

    len = ngx_strlen(text);
    copy = malloc(len ? len : 1);
    memcpy(copy, text, len);

    error = ngx_k8s_kubeconfig_parse((u_char *) copy, len, &name, &dir,
                                     &cluster, pool);
    free(copy);

    return error;
}


static ngx_uint_t
is(ngx_str_t *s, char *text)
{
    return s->len == ngx_strlen(text)
           && ngx_strncmp(s->data, text, s->len) == 0;
}


#define HEAD                                                                  \
    "apiVersion: v1\n"                                                        \
    "kind: Config\n"                                                          \
    "current-context: one\n"                                                  \
    "contexts:\n"                                                             \
    "- name: one\n"                                                           \
    "  context: {cluster: c1, user: u1}\n"                                    \
    "- name: two\n"                                                           \
    "  context:\n"                                                            \
    "    user: u2\n"                                                          \
    "    cluster: c2\n"                                                       \
    "    namespace: default\n"                                                \
    "- name: three\n"                                                         \
    "  context: {cluster: c3, user: u1}\n"                                    \
    "- name: four\n"                                                          \
    "  context: {cluster: c1, user: u4}\n"

#define CLUSTERS                                                              \
    "clusters:\n"                                                             \
    "- name: c1\n"                                                            \
    "  cluster: {server: 'https://10.0.0.1:6443', "                           \
    "certificate-authority: pki/ca.crt, tls-server-name: api.test}\n"         \
    "- name: c2\n"                                                            \
    "  cluster:\n"                                                            \
    "    server: https://[fd00::1]/base//\n"                                  \
    "    certificate-authority: /no/such\n"                                   \
    "    certificate-authority-data: |\n"                                     \
    "      Y2Et\n"                                                            \
    "      cGVt\n"

#define USERS                                                                 \
    "users:\n"                                                                \
    "- name: u1\n"                                                            \
    "  user: {token: static, tokenFile: /var/token}\n"                        \
    "- name: u2\n"                                                            \
    "  user:\n"                                                               \
    "    client-certificate-data: Y2VydA==\n"                                 \
    "    client-key: keys/a.key\n"


static void
good(void)
{
    char  *error;

    error = parse(HEAD CLUSTERS USERS, "");
    ok(error == NULL, "the current context (%s)", error ? error : "-");
    ok(is(&cluster.host, "10.0.0.1") && cluster.port == 6443 && cluster.tls
       && cluster.prefix.len == 0, "its server");
    ok(is(&cluster.server_name, "api.test"), "its tls-server-name");
    ok(is(&cluster.ca_file, "/etc/kube/pki/ca.crt") && cluster.ca.len == 0,
       "a relative file name");
    ok(is(&cluster.token_file, "/var/token") && cluster.token.len == 0,
       "the file goes before the token");
    ok(!cluster.insecure, "it is verified");

    error = parse(HEAD CLUSTERS USERS, "two");
    ok(error == NULL, "a context by name (%s)", error ? error : "-");
    ok(is(&cluster.host, "fd00::1") && cluster.port == 443
       && is(&cluster.prefix, "/base"), "an IPv6 address, and a path");
    ok(is(&cluster.ca, "ca-pem") && cluster.ca_file.len == 0,
       "data goes before a file, and may have line ends");
    ok(is(&cluster.cert, "cert") && is(&cluster.key_file,
                                       "/etc/kube/keys/a.key"),
       "a client certificate");

    error = parse("{\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\","
                  "\"context\":{\"cluster\":\"c\"}}],\"clusters\":[{\"name\":"
                  "\"c\",\"cluster\":{\"server\":\"http://localhost:8001\","
                  "\"insecure-skip-tls-verify\":true}}]}", "");
    ok(error == NULL, "JSON (%s)", error ? error : "-");
    ok(!cluster.tls && cluster.insecure && is(&cluster.host, "localhost")
       && cluster.port == 8001, "of a cluster without a user");

    error = parse(HEAD CLUSTERS "users:\n- name: u1\n  user:\n    token: abc\n"
                  "    exec: {command: x}\n    tokenFile: ''\n", "");
    ok(error == NULL && is(&cluster.token, "abc"), "a token beside a command");
}


static void
refused(char *text, char *context, char *want)
{
    char  *error;

    error = parse(text, context);

    ok(error && strstr(error, want), "\"%s\" in \"%s\"", want,
       error ? error : "no error");
}


#define CLUSTER(text)                                                         \
    HEAD USERS "clusters:\n- name: c1\n  cluster: " text "\n"

#define USER(text)                                                            \
    HEAD CLUSTERS "users:\n- name: u1\n  user: " text "\n"


static void
bad(void)
{
    size_t   n;
    char    *text, *part;

    refused("", "", "empty");
    refused("- a\n", "", "empty");
    refused("a: [b\n", "", "not valid YAML");
    refused("contexts: []\n", "", "no current-context");
    refused(HEAD CLUSTERS USERS, "none", "no context \"none\"");
    refused(HEAD CLUSTERS USERS, "three", "no cluster \"c3\"");
    refused(HEAD CLUSTERS USERS, "four", "no user \"u4\"");

    refused(USER("{exec: {command: aws}}"), "", "(exec)");
    refused(USER("{auth-provider: {name: gcp}}"), "", "auth-provider");
    refused(USER("{username: a, password: b}"), "", "password");
    refused(USER("{client-certificate: a}"), "", "without its key");
    refused(USER("{client-key-data: aaaa}"), "", "without its certificate");
    refused(USER("{token: \"a\\nX-Evil: b\"}"), "", "control character");
    refused(USER("{client-certificate-data: '*', client-key-data: aaaa}"), "",
            "not base64");

    refused(CLUSTER("{server: 'ftp://a'}"), "", "begin with");
    refused(CLUSTER("{}"), "", "begin with");
    refused(CLUSTER("{server: 'https://'}"), "", "begin with");
    refused(CLUSTER("{server: 'https://:1'}"), "", "not valid");
    refused(CLUSTER("{server: 'https://a:0'}"), "", "not valid");
    refused(CLUSTER("{server: 'https://a:65536'}"), "", "not valid");
    refused(CLUSTER("{server: 'https://u@a'}"), "", "not valid");
    refused(CLUSTER("{server: 'https://a?b'}"), "", "not valid");
    refused(CLUSTER("{server: 'https://[::1'}"), "", "not valid");
    refused(CLUSTER("{server: 'https://[::1]x'}"), "", "not valid");
    refused(CLUSTER("{server: 'https://a', proxy-url: 'http://p'}"), "",
            "proxy-url");
    refused(CLUSTER("{server: 'https://a', insecure-skip-tls-verify: true, "
                    "certificate-authority: x}"), "", "both");

    /* cut at each byte, it is only not to crash */

    text = HEAD CLUSTERS USERS;

    for (n = 0; n < ngx_strlen(text); n++) {
        part = strndup(text, n);
        (void) parse(part, "two");
        free(part);
    }

    ok(1, "cut at each byte");
}


static void
files(void)
{
    char        name[] = "/tmp/kubeconfigXXXXXX";
    int         fd;
    ngx_str_t   value;

    fd = mkstemp(name);

    ok(ngx_k8s_file_read((u_char *) name, &value, &unit_log) == NGX_DECLINED,
       "an empty file");

    if (write(fd, "abc \n\n", 6) == 6) {
        ok(ngx_k8s_file_read((u_char *) name, &value, &unit_log) == NGX_OK
           && is(&value, "abc"), "a file without the white space at its end");
        ngx_free(value.data);
    }

    close(fd);
    unlink(name);

    ok(ngx_k8s_file_read((u_char *) name, &value, &unit_log) == NGX_ERROR
       && ngx_errno == NGX_ENOENT, "no file");
    ok(ngx_k8s_file_read((u_char *) "/tmp", &value, &unit_log) == NGX_ERROR,
       "a folder");
    ok(ngx_k8s_file_read((u_char *) "/dev/null", &value, &unit_log)
       == NGX_ERROR, "a device");
}


int
main(void)
{
    unit_init();

    pool = ngx_create_pool(4096, &unit_log);

    good();
    bad();
    files();

    ngx_destroy_pool(pool);

    return done();
}
