
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_credentials.h>
#include <yaml.h>


#define NGX_K8S_KUBECONFIG_PORT_TLS  443
#define NGX_K8S_KUBECONFIG_PORT      80


typedef struct {
    yaml_document_t          document;
    ngx_pool_t              *pool;
    ngx_str_t               *dir;
    char                    *error;
} ngx_k8s_kubeconfig_t;


static char *ngx_k8s_kubeconfig_read(ngx_k8s_kubeconfig_t *kc,
    ngx_str_t *context, ngx_k8s_cluster_t *cluster);
static yaml_node_t *ngx_k8s_kubeconfig_entry(ngx_k8s_kubeconfig_t *kc,
    char *list, char *item, ngx_str_t *name);
static yaml_node_t *ngx_k8s_kubeconfig_get(ngx_k8s_kubeconfig_t *kc,
    yaml_node_t *map, char *key);
static void ngx_k8s_kubeconfig_text(ngx_k8s_kubeconfig_t *kc, yaml_node_t *map,
    char *key, ngx_str_t *value);
static void ngx_k8s_kubeconfig_file(ngx_k8s_kubeconfig_t *kc, yaml_node_t *map,
    char *key, ngx_str_t *value);
static void ngx_k8s_kubeconfig_data(ngx_k8s_kubeconfig_t *kc, yaml_node_t *map,
    char *key, ngx_str_t *value);
static char *ngx_k8s_kubeconfig_user(ngx_k8s_kubeconfig_t *kc,
    yaml_node_t *user, ngx_k8s_cluster_t *cluster);
static char *ngx_cdecl ngx_k8s_kubeconfig_error(ngx_pool_t *pool,
    const char *fmt, ...);


char *
ngx_k8s_kubeconfig_parse(u_char *text, size_t len, ngx_str_t *context,
    ngx_str_t *dir, ngx_k8s_cluster_t *cluster, ngx_pool_t *pool)
{
    char                  *error;
    yaml_parser_t          parser;
    ngx_k8s_kubeconfig_t   kc;

    ngx_memzero(cluster, sizeof(ngx_k8s_cluster_t));
    ngx_memzero(&kc, sizeof(ngx_k8s_kubeconfig_t));

    kc.pool = pool;
    kc.dir = dir;

    if (!yaml_parser_initialize(&parser)) {
        return "there is not enough memory to read the kubeconfig";
    }

    yaml_parser_set_input_string(&parser, text, len);

    if (!yaml_parser_load(&parser, &kc.document)) {
        error = ngx_k8s_kubeconfig_error(pool, "the kubeconfig is not valid "
                                         "YAML: %s in line %uz",
                                         parser.problem ? parser.problem
                                                        : "unknown error",
                                         parser.problem_mark.line + 1);
        yaml_parser_delete(&parser);
        return error;
    }

    error = ngx_k8s_kubeconfig_read(&kc, context, cluster);

    yaml_document_delete(&kc.document);
    yaml_parser_delete(&parser);

    return error;
}


static char *
ngx_k8s_kubeconfig_read(ngx_k8s_kubeconfig_t *kc, ngx_str_t *context,
    ngx_k8s_cluster_t *cluster)
{
    char         *error;
    ngx_str_t     current, name, value;
    yaml_node_t  *root, *node;

    root = yaml_document_get_root_node(&kc->document);

    if (root == NULL || root->type != YAML_MAPPING_NODE) {
        return "the kubeconfig is empty: write one with \"kubectl config view "
               "--minify --flatten\"";
    }

    current = *context;

    if (current.len == 0) {
        ngx_k8s_kubeconfig_text(kc, root, "current-context", &current);

        if (current.len == 0) {
            return "the kubeconfig has no current-context: name the context "
                   "after the file's name in the \"source\" directive";
        }
    }

    node = ngx_k8s_kubeconfig_entry(kc, "contexts", "context", &current);
    if (node == NULL) {
        return ngx_k8s_kubeconfig_error(kc->pool, "the kubeconfig has no "
                   "context \"%V\": \"kubectl config get-contexts\" lists them",
                   &current);
    }

    ngx_k8s_kubeconfig_text(kc, node, "user", &value);
    ngx_k8s_kubeconfig_text(kc, node, "cluster", &name);

    node = ngx_k8s_kubeconfig_entry(kc, "clusters", "cluster", &name);
    if (node == NULL) {
        return ngx_k8s_kubeconfig_error(kc->pool, "the kubeconfig has no "
                   "cluster \"%V\", which the context \"%V\" names: add it "
                   "to \"clusters\"", &name, &current);
    }

    ngx_k8s_kubeconfig_text(kc, node, "server", &cluster->server);
    ngx_k8s_kubeconfig_text(kc, node, "tls-server-name", &cluster->server_name);
    ngx_k8s_kubeconfig_data(kc, node, "certificate-authority-data",
                            &cluster->ca);
    ngx_k8s_kubeconfig_file(kc, node, "certificate-authority",
                            &cluster->ca_file);

    if (cluster->ca.len) {
        cluster->ca_file.len = 0;
    }

    ngx_k8s_kubeconfig_text(kc, node, "proxy-url", &current);
    if (current.len) {
        return "the kubeconfig names a proxy-url, which is not supported: "
               "remove it and use an address that nginx can reach";
    }

    ngx_k8s_kubeconfig_text(kc, node, "insecure-skip-tls-verify", &current);
    cluster->insecure = (current.len == 4
                         && ngx_strncasecmp(current.data, (u_char *) "true", 4)
                            == 0);

    if (cluster->insecure && (cluster->ca.len || cluster->ca_file.len)) {
        return "the kubeconfig has both insecure-skip-tls-verify and a "
               "certificate authority for one cluster: remove the former";
    }

    if (value.len) {
        node = ngx_k8s_kubeconfig_entry(kc, "users", "user", &value);

        if (node == NULL) {
            return ngx_k8s_kubeconfig_error(kc->pool, "the kubeconfig has no "
                       "user \"%V\": add it to \"users\"", &value);
        }

        error = ngx_k8s_kubeconfig_user(kc, node, cluster);
        if (error) {
            return error;
        }
    }

    if (kc->error) {
        return kc->error;
    }

    return ngx_k8s_cluster_server(cluster, kc->pool);
}


static char *
ngx_k8s_kubeconfig_user(ngx_k8s_kubeconfig_t *kc, yaml_node_t *user,
    ngx_k8s_cluster_t *cluster)
{
    ngx_k8s_kubeconfig_text(kc, user, "token", &cluster->token);
    ngx_k8s_kubeconfig_file(kc, user, "tokenFile", &cluster->token_file);
    ngx_k8s_kubeconfig_data(kc, user, "client-certificate-data",
                            &cluster->cert);
    ngx_k8s_kubeconfig_file(kc, user, "client-certificate",
                            &cluster->cert_file);
    ngx_k8s_kubeconfig_data(kc, user, "client-key-data", &cluster->key);
    ngx_k8s_kubeconfig_file(kc, user, "client-key", &cluster->key_file);

    if (kc->error) {
        return kc->error;
    }

    /* as client-go does: a file goes before a token, data before a file */

    if (cluster->token_file.len) {
        cluster->token.len = 0;
    }

    if (cluster->cert.len) {
        cluster->cert_file.len = 0;
    }

    if (cluster->key.len) {
        cluster->key_file.len = 0;
    }

    if ((cluster->cert.len || cluster->cert_file.len)
        != (cluster->key.len || cluster->key_file.len))
    {
        return "the kubeconfig has a client certificate without its key, or a "
               "key without its certificate: give both for the user";
    }

    if (cluster->token.len || cluster->token_file.len || cluster->cert.len
        || cluster->cert_file.len)
    {
        return NULL;
    }

    if (ngx_k8s_kubeconfig_get(kc, user, "exec")) {
        return "the kubeconfig's user gets its credentials from a command "
               "(exec), which nginx does not run: use a service account's "
               "token or a client certificate";
    }

    if (ngx_k8s_kubeconfig_get(kc, user, "auth-provider")) {
        return "the kubeconfig's user has an auth-provider, which is not "
               "supported: use a service account's token or a client "
               "certificate";
    }

    if (ngx_k8s_kubeconfig_get(kc, user, "username")
        || ngx_k8s_kubeconfig_get(kc, user, "password"))
    {
        return "the kubeconfig's user has a password, which API servers do "
               "not take any more: use a service account's token or a client "
               "certificate";
    }

    return NULL;
}


/* value of "item" in the element of a list that has this name */

static yaml_node_t *
ngx_k8s_kubeconfig_entry(ngx_k8s_kubeconfig_t *kc, char *list, char *item,
    ngx_str_t *name)
{
    ngx_str_t          value;
    yaml_node_t       *node, *element;
    yaml_node_item_t  *i;

    node = ngx_k8s_kubeconfig_get(kc,
                                  yaml_document_get_root_node(&kc->document),
                                  list);

    if (node == NULL || node->type != YAML_SEQUENCE_NODE) {
        return NULL;
    }

    for (i = node->data.sequence.items.start;
         i < node->data.sequence.items.top;
         i++)
    {
        element = yaml_document_get_node(&kc->document, *i);

        if (element == NULL) {
            continue;
        }

        ngx_k8s_kubeconfig_text(kc, element, "name", &value);

        if (value.len != name->len
            || ngx_strncmp(value.data, name->data, name->len) != 0)
        {
            continue;
        }

        element = ngx_k8s_kubeconfig_get(kc, element, item);

        if (element && element->type == YAML_MAPPING_NODE) {
            return element;
        }
    }

    return NULL;
}


/* NULL as well for an empty value */

static yaml_node_t *
ngx_k8s_kubeconfig_get(ngx_k8s_kubeconfig_t *kc, yaml_node_t *map, char *key)
{
    size_t             len;
    yaml_node_t       *node;
    yaml_node_pair_t  *pair;

    if (map == NULL || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }

    len = ngx_strlen(key);

    for (pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top;
         pair++)
    {
        node = yaml_document_get_node(&kc->document, pair->key);

        if (node == NULL || node->type != YAML_SCALAR_NODE
            || node->data.scalar.length != len
            || ngx_memcmp(node->data.scalar.value, key, len) != 0)
        {
            continue;
        }

        node = yaml_document_get_node(&kc->document, pair->value);

        if (node && node->type == YAML_SCALAR_NODE
            && (node->data.scalar.length == 0
                || (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE
                    && (ngx_strcmp(node->data.scalar.value, "null") == 0
                        || ngx_strcmp(node->data.scalar.value, "~") == 0))))
        {
            return NULL;
        }

        return node;
    }

    return NULL;
}


static void
ngx_k8s_kubeconfig_text(ngx_k8s_kubeconfig_t *kc, yaml_node_t *map, char *key,
    ngx_str_t *value)
{
    size_t        i;
    yaml_node_t  *node;

    ngx_str_null(value);

    node = ngx_k8s_kubeconfig_get(kc, map, key);

    if (node == NULL || node->type != YAML_SCALAR_NODE) {
        return;
    }

    /* a header or an address is made of it */

    for (i = 0; i < node->data.scalar.length; i++) {
        if (node->data.scalar.value[i] < 0x20) {
            kc->error = ngx_k8s_kubeconfig_error(kc->pool, "the kubeconfig's "
                            "\"%s\" holds a control character: remove it",
                            key);
            return;
        }
    }

    value->len = node->data.scalar.length;

    value->data = ngx_pnalloc(kc->pool, value->len + 1);
    if (value->data == NULL) {
        value->len = 0;
        kc->error = "there is not enough memory to read the kubeconfig";
        return;
    }

    (void) ngx_cpystrn(value->data, node->data.scalar.value, value->len + 1);
}


static void
ngx_k8s_kubeconfig_file(ngx_k8s_kubeconfig_t *kc, yaml_node_t *map, char *key,
    ngx_str_t *value)
{
    u_char     *p;
    ngx_str_t   name;

    ngx_k8s_kubeconfig_text(kc, map, key, &name);

    *value = name;

    if (name.len == 0 || name.data[0] == '/') {
        return;
    }

    value->data = ngx_pnalloc(kc->pool, kc->dir->len + name.len + 1);
    if (value->data == NULL) {
        value->len = 0;
        kc->error = "there is not enough memory to read the kubeconfig";
        return;
    }

    p = ngx_cpymem(value->data, kc->dir->data, kc->dir->len);
    p = ngx_cpymem(p, name.data, name.len);
    *p = '\0';

    value->len = p - value->data;
}


static void
ngx_k8s_kubeconfig_data(ngx_k8s_kubeconfig_t *kc, yaml_node_t *map, char *key,
    ngx_str_t *value)
{
    size_t        i;
    u_char       *p;
    ngx_str_t     src;
    yaml_node_t  *node;

    ngx_str_null(value);

    node = ngx_k8s_kubeconfig_get(kc, map, key);

    if (node == NULL || node->type != YAML_SCALAR_NODE) {
        return;
    }

    /* block scalars have line ends */

    src.data = ngx_pnalloc(kc->pool, node->data.scalar.length);
    value->data = ngx_pnalloc(kc->pool,
                              ngx_base64_decoded_length(
                                  node->data.scalar.length) + 1);

    if (src.data == NULL || value->data == NULL) {
        kc->error = "there is not enough memory to read the kubeconfig";
        return;
    }

    p = src.data;

    for (i = 0; i < node->data.scalar.length; i++) {
        if (node->data.scalar.value[i] > ' ') {
            *p++ = node->data.scalar.value[i];
        }
    }

    src.len = p - src.data;

    if (ngx_decode_base64(value, &src) != NGX_OK || value->len == 0) {
        value->len = 0;
        kc->error = ngx_k8s_kubeconfig_error(kc->pool, "the kubeconfig's "
                        "\"%s\" is not base64: write it anew, or name a file "
                        "instead", key);
        return;
    }

    value->data[value->len] = '\0';
}


char *
ngx_k8s_cluster_server(ngx_k8s_cluster_t *cluster, ngx_pool_t *pool)
{
    u_char     *p, *last, *end;
    ngx_int_t   port;

    p = cluster->server.data;
    last = p + cluster->server.len;

    if (cluster->server.len > 8 && ngx_strncmp(p, "https://", 8) == 0) {
        cluster->tls = 1;
        p += 8;

    } else if (cluster->server.len > 7 && ngx_strncmp(p, "http://", 7) == 0) {
        cluster->tls = 0;
        p += 7;

    } else {
        return ngx_k8s_kubeconfig_error(pool, "the address \"%V\" of the API "
                   "server does not begin with \"https://\"",
                   &cluster->server);
    }

    cluster->port = cluster->tls ? NGX_K8S_KUBECONFIG_PORT_TLS
                                 : NGX_K8S_KUBECONFIG_PORT;

    if (*p == '[') {
        cluster->host.data = ++p;
        end = ngx_strlchr(p, last, ']');

    } else {
        cluster->host.data = p;

        for (end = p; end < last && *end != ':' && *end != '/'; end++) {
            if (*end <= ' ' || *end == '@' || *end == '?' || *end == '#'
                || *end == '%' || *end == 0x7f)
            {
                goto invalid;
            }
        }
    }

    if (end == NULL || end == p) {
        goto invalid;
    }

    cluster->host.len = end - p;
    p = (end < last && *end == ']') ? end + 1 : end;

    if (p < last && *p == ':') {
        end = ngx_strlchr(++p, last, '/');

        if (end == NULL) {
            end = last;
        }

        port = ngx_atoi(p, end - p);

        if (port < 1 || port > 65535) {
            goto invalid;
        }

        cluster->port = port;
        p = end;
    }

    if (p < last && *p != '/') {
        goto invalid;
    }

    while (last > p && last[-1] == '/') {
        last--;
    }

    for (end = p; end < last; end++) {
        if (*end <= ' ' || *end == '?' || *end == '#' || *end == 0x7f) {
            goto invalid;
        }
    }

    cluster->prefix.data = p;
    cluster->prefix.len = last - p;

    return NULL;

invalid:

    return ngx_k8s_kubeconfig_error(pool, "the address \"%V\" of the API "
               "server is not valid: write \"https://HOST:PORT\"",
               &cluster->server);
}


static char *ngx_cdecl
ngx_k8s_kubeconfig_error(ngx_pool_t *pool, const char *fmt, ...)
{
    u_char   *p, *last, buf[NGX_MAX_ERROR_STR];
    va_list   args;

    va_start(args, fmt);
    last = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    p = ngx_pnalloc(pool, last - buf + 1);
    if (p == NULL) {
        return "there is not enough memory";
    }

    *(u_char *) ngx_cpymem(p, buf, last - buf) = '\0';

    return (char *) p;
}
