
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Hosts and paths, in one record and in shards, against a naive matcher written
 * from the specification.
 * The input is lines: "h NAME FLAGS" begins a host, "e PATH" and "p PATH" are
 * its paths, "f" gives it a fallback, "? HOST PATH" asks.
 */


#include "unit_table.h"


#define HOSTS   8
#define PATHS   64


typedef struct {
    char                     name[64];
    ngx_uint_t               flags;
    ngx_uint_t               fallback;
    ngx_uint_t               n;
    unit_route_t             routes[PATHS];
} naive_host_t;


typedef struct {
    naive_host_t             hosts[HOSTS];
    ngx_uint_t               n;
} naive_t;


/* how specific a host is for a name; -1: it does not take it */

static long
naive_host(naive_host_t *host, char *name)
{
    char    *p;
    size_t   n, len;

    n = strlen(host->name);
    len = strlen(name);

    if (n == 0) {
        return 0;
    }

    if (host->name[0] != '.') {
        return strcmp(host->name, name) == 0 ? 1000 : -1;
    }

    if (len <= n || name[0] == '.' || strcmp(name + len - n, host->name) != 0) {
        return -1;
    }

    p = strchr(name, '.');

    if (p != name + len - n && !(host->flags & NGX_K8S_HOST_ANY_DEPTH)) {
        return -1;
    }

    return n;
}


static ngx_uint_t
naive_path(naive_host_t *host, char *path)
{
    long         best;
    char         text[128];
    size_t       n;
    ngx_uint_t   i, status;

    best = -1;
    status = 0;

    for (i = 0; i < host->n; i++) {
        snprintf(text, sizeof(text), "%s", host->routes[i].path);
        n = strlen(text);

        if (host->routes[i].type == NGX_K8S_PATH_EXACT) {
            if (strcmp(text, path) == 0) {
                return host->routes[i].status;
            }

            continue;
        }

        while (n && text[n - 1] == '/') {
            text[--n] = '\0';
        }

        if (strncmp(text, path, n) == 0 && (path[n] == '/' || path[n] == '\0')
            && (long) n > best)
        {
            best = n;
            status = host->routes[i].status;
        }
    }

    return status;
}


static ngx_uint_t
naive_ask(naive_t *naive, char *name, char *path)
{
    long           how, last, best;
    ngx_uint_t     i, status, fallback;
    naive_host_t  *host;

    last = 2000;
    fallback = 0;

    for ( ;; ) {
        host = NULL;
        best = -1;

        for (i = 0; i < naive->n; i++) {
            how = naive_host(&naive->hosts[i], name);

            if (how > best && how < last) {
                best = how;
                host = &naive->hosts[i];
            }
        }

        if (host == NULL) {
            return fallback;
        }

        last = best;
        status = naive_path(host, path);

        if (status) {
            return status;
        }

        if (fallback == 0) {
            fallback = host->fallback;
        }

        if (!(host->flags & NGX_K8S_HOST_FALLTHROUGH)) {
            return fallback;
        }
    }
}


static void
route_host(naive_t *naive, char *name, ngx_uint_t flags)
{
    ngx_uint_t  i;

    for (i = 0; i < naive->n; i++) {
        if (strncmp(naive->hosts[i].name, name, 63) == 0) {
            return;
        }
    }

    if (naive->n == HOSTS) {
        return;
    }

    snprintf(naive->hosts[naive->n].name, 64, "%s", name);
    naive->hosts[naive->n].flags = flags & (NGX_K8S_HOST_ANY_DEPTH
                                            |NGX_K8S_HOST_FALLTHROUGH);
    naive->n++;
}


static void
route_path(naive_t *naive, ngx_uint_t type, char *path)
{
    ngx_uint_t      i;
    naive_host_t   *host;
    unit_route_t    route;

    if (naive->n == 0 || path[0] != '/' || strlen(path) > 100) {
        return;
    }

    host = &naive->hosts[naive->n - 1];

    ngx_memzero(&route, sizeof(route));
    route.type = type;
    route.path = path;
    route.status = 100 * naive->n + host->n + 1;

    if (host->n == PATHS) {
        return;
    }

    for (i = 0; i < host->n; i++) {
        if (unit_route_cmp(&host->routes[i], &route) == 0) {
            return;
        }
    }

    host->routes[host->n++] = route;
}


/* the same in two route sets */

static void
route_put(ngx_k8s_writer_t *w, ngx_k8s_builder_t *b, naive_host_t *host)
{
    uint32_t  set;

    for (set = 0; set < 2; set++) {
        unit_shards = set ? 4 : 0;

        (void) unit_host(w, b, set, host->name, host->flags, host->routes,
                         host->n, host->fallback, 0);
    }
}


static void
route_ask(ngx_k8s_table_t *table, naive_t *naive, char *name, char *path)
{
    uint32_t    set;
    ngx_uint_t  is, should;

    should = naive_ask(naive, name, path);

    for (set = 0; set < 2; set++) {
        is = unit_ask(table, set, name, path);

        if (is != should) {
            printf("%s\"%s\" \"%s\": %u, should be %u\n",
                   set ? "in shards " : "", name, path, (unsigned) is,
                   (unsigned) should);
            abort();
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char               *text, *line, *next, *path;
    naive_t            *naive;
    uint64_t            cursor;
    ngx_uint_t          i, built;

    static ngx_k8s_table_t    *table;
    static ngx_k8s_writer_t   *w;
    static ngx_k8s_builder_t   b;

    if (table == NULL) {
        unit_init();
        unit_log.log_level = NGX_LOG_EMERG;
        table = unit_table(1024 * 1024);
        w = ngx_k8s_writer_open(table, -1, &unit_log);
        ngx_k8s_builder_init(&b, &unit_log);
    }

    text = malloc(size + 1);
    ngx_memcpy(text, data, size);
    text[size] = '\0';

    naive = calloc(1, sizeof(naive_t));
    built = 0;

    for (line = text; line; line = next) {
        next = strchr(line, '\n');

        if (next) {
            *next++ = '\0';
        }

        if (line[0] == '\0' || line[1] != ' ') {
            if (line[0] == 'f' && naive->n && !built) {
                naive->hosts[naive->n - 1].fallback = 90 + naive->n;
            }

            continue;
        }

        path = strchr(line + 2, ' ');

        if (line[0] != '?' && built) {
            continue;
        }

        switch (line[0]) {

        case 'h':
            if (path) {
                *path++ = '\0';
            }

            route_host(naive, line + 2, path ? atoi(path) : 0);
            break;

        case 'e':
            route_path(naive, NGX_K8S_PATH_EXACT, line + 2);
            break;

        case 'p':
            route_path(naive, NGX_K8S_PATH_PREFIX, line + 2);
            break;

        case '?':
            if (path == NULL) {
                break;
            }

            *path++ = '\0';

            if (!built) {
                built = 1;

                for (i = 0; i < naive->n; i++) {
                    route_put(w, &b, &naive->hosts[i]);
                }
            }

            route_ask(table, naive, line + 2, path);
        }
    }

    cursor = 0;

    while (ngx_k8s_table_next(table, NGX_K8S_INDEX_HOST, &cursor)) {
        ngx_k8s_writer_remove(w, cursor);
    }

    cursor = 0;

    while (ngx_k8s_table_next(table, NGX_K8S_INDEX_PATHS, &cursor)) {
        ngx_k8s_writer_remove(w, cursor);
    }

    ngx_k8s_writer_publish(w);

    free(naive);
    free(text);

    return 0;
}
