
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What is known of the listens of nginx.conf.
 */


#include "unit_nginx.h"
#include <ngx_k8s_watcher.h>


#define LISTEN_PORTS  5


/* ports that nobody has at this moment */

static void
listen_ports(int *ports)
{
    int                 fds[LISTEN_PORTS], i;
    socklen_t           len;
    struct sockaddr_in  sin;

    for (i = 0; i < LISTEN_PORTS; i++) {
        ngx_memzero(&sin, sizeof(sin));
        sin.sin_family = AF_INET;
        len = sizeof(sin);

        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        (void) bind(fds[i], (struct sockaddr *) &sin, len);
        (void) getsockname(fds[i], (struct sockaddr *) &sin, &len);
        ports[i] = ntohs(sin.sin_port);
    }

    for (i = 0; i < LISTEN_PORTS; i++) {
        close(fds[i]);
    }
}


static ngx_k8s_listen_t *
listen_find(ngx_array_t *listens, char *addr, int port, ngx_uint_t udp)
{
    in_addr_t          a;
    ngx_uint_t         i;
    ngx_k8s_listen_t  *l;

    a = inet_addr(addr);
    l = listens->elts;

    for (i = 0; i < listens->nelts; i++) {
        if (l[i].family == 4 && l[i].port == (ngx_uint_t) port
            && l[i].udp == udp && ngx_memcmp(l[i].addr, &a, 4) == 0)
        {
            return &l[i];
        }
    }

    return NULL;
}


static void
listen_block(ngx_cycle_t *cycle, ngx_pool_t *pool, char *name, int *ports)
{
    ngx_str_t          s;
    ngx_uint_t         first;
    ngx_array_t       *listens;
    ngx_k8s_block_t   *block;
    ngx_k8s_listen_t  *l;

    s.data = (u_char *) name;
    s.len = ngx_strlen(name);

    block = ngx_k8s_block(NULL, &s);
    listens = ngx_k8s_listens(block, cycle, pool);
    first = (s.len == 0);

    l = listen_find(listens, "127.0.0.1", ports[0], 0);
    ok(l && l->http && !l->ssl && !l->any && l->ours == first,
       "block \"%s\": an address", name);

    l = listen_find(listens, "127.0.0.2", ports[0], 0);
    ok(l && l->http && l->ssl && l->ours == first,
       "with ssl, of a location's pass");

    l = listen_find(listens, "0.0.0.0", ports[1], 0);
    ok(l && l->http && l->any && l->ours == !first, "a wildcard");

    l = listen_find(listens, "127.0.0.1", ports[1], 0);
    ok(l && l->http && !l->any && l->ours == !first,
       "and the interfaces' addresses");

    l = listen_find(listens, "127.0.0.1", ports[2], 0);
    ok(l && l->http && !l->ours, "a server without a pass");

    l = listen_find(listens, "127.0.0.1", ports[3], 0);
    ok(l && !l->http && !l->ours, "a stream");

    l = listen_find(listens, "127.0.0.1", ports[3], 1);
    ok(l && !l->http && !l->ours, "one of datagrams");

    ok(listen_find(listens, "127.0.0.1", ports[4], 0) == NULL,
       "a port that nobody listens on");
}


int
main(int argc, char **argv)
{
    int           p[LISTEN_PORTS];
    char          text[2048], *dir;
    ngx_pool_t   *pool;
    ngx_cycle_t  *cycle;

    unit_init();

    dir = unit_nginx_folder();
    listen_ports(p);

    snprintf(text, sizeof(text), UNIT_NGINX_HTTP
             "k8s_ingress { source manifests %1$s; zone 1m; }\n"
             "k8s_ingress two { source manifests %1$s; zone 1m; }\n"
             "server { listen 127.0.0.1:%2$d; listen unix:%1$s/s;\n"
             "         k8s_ingress_pass; }\n"
             "server { listen 127.0.0.2:%2$d ssl;\n"
             "         location /a { k8s_ingress_pass; } }\n"
             "server { listen %3$d; k8s_ingress_pass two; }\n"
             "server { listen 127.0.0.1:%4$d; } }\n"
             "stream { server { listen 127.0.0.1:%5$d; return x; }\n"
             "         server { listen 127.0.0.1:%5$d udp; return x; } }\n",
             dir, p[0], p[1], p[2], p[3]);

    cycle = unit_nginx(text, argv);
    pool = ngx_create_pool(4096, &unit_log);

    listen_block(cycle, pool, "", p);
    listen_block(cycle, pool, "two", p);

    ngx_destroy_pool(pool);
    unit_nginx_done();

    return done();
}
