
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Whether a balancer before nginx is taken for all of its clients.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_watcher.h>


#define NGX_K8S_CLIENTS_MESSAGE      256


static size_t ngx_k8s_clients_text(u_char *addr, u_char *text);


/* before the writer has its memory, after a reload, nothing can be said */

void
ngx_k8s_watcher_clients_handler(ngx_event_t *ev)
{
    u_char              addr[16], text[NGX_INET6_ADDRSTRLEN];
    u_char              buf[NGX_K8S_CLIENTS_MESSAGE];
    size_t              len;
    ngx_int_t           rc;
    ngx_uint_t          requests;
    ngx_msec_t          interval;
    ngx_k8s_problem_t   problem;
    ngx_k8s_watcher_t  *w;

    static ngx_str_t  kind = ngx_string("Directive"),
                      name = ngx_string("k8s_ingress_pass"),
                      none = ngx_null_string;

    w = ngx_k8s_watcher_of(ev);
    interval = w->block->conf->client_check;

    ngx_add_timer(ev, interval);

    if (!w->settled) {
        return;
    }

    rc = ngx_k8s_clients(w->block->table, addr, &requests);

    if (rc == NGX_OK) {

        len = ngx_k8s_clients_text(addr, text);

        ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));

        problem.code = NGX_K8S_PROBLEM_ONE_CLIENT;
        problem.message.data = buf;
        problem.message.len = ngx_snprintf(buf, sizeof(buf),
                                  "all requests of %M s came from %*s, and %ui "
                                  "of them name other clients",
                                  interval / 1000, len, text, requests)
                              - buf;

        ngx_k8s_compile_problems(w->compile, &kind, &none, &name, 1, &problem);

    } else if (rc == NGX_DECLINED) {
        ngx_k8s_compile_problems(w->compile, &kind, &none, &name, 0, NULL);
    }

    ngx_k8s_watcher_post(w);
}


/* IPv4 is mapped */

static size_t
ngx_k8s_clients_text(u_char *addr, u_char *text)
{
#if (NGX_HAVE_INET6)
    if (!IN6_IS_ADDR_V4MAPPED((struct in6_addr *) addr)) {
        return ngx_inet6_ntop(addr, text, NGX_INET6_ADDRSTRLEN);
    }
#endif

    addr += 12;

    return ngx_sprintf(text, "%ud.%ud.%ud.%ud", addr[0], addr[1], addr[2],
                       addr[3])
           - text;
}
