
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_clock.h>
#include <ngx_http_k8s_admin.h>


typedef struct {
    ngx_uint_t                 parts;    /* NGX_HTTP_K8S_ADMIN_* */
} ngx_http_k8s_admin_loc_conf_t;


/* where the directive stands, for the warning about addresses */

typedef struct {
    ngx_http_core_srv_conf_t  *cscf;
    ngx_uint_t                 parts;
    u_char                    *file;
    ngx_uint_t                 line;
} ngx_http_k8s_admin_place_t;


static ngx_int_t ngx_http_k8s_admin_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_admin_healthz(ngx_http_request_t *r);
static ngx_http_k8s_admin_t *ngx_http_k8s_admin_create(ngx_http_request_t *r);
static void ngx_http_k8s_admin_cleanup(void *data);
static ngx_int_t ngx_http_k8s_admin_header(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *type, off_t length);
static void ngx_http_k8s_admin_run(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_admin_next(ngx_http_k8s_admin_t *a);
static ngx_int_t ngx_http_k8s_admin_slice(ngx_http_k8s_admin_t *a);
static ngx_int_t ngx_http_k8s_admin_flush(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_admin_write_handler(ngx_http_request_t *r);
static void ngx_http_k8s_admin_event_handler(ngx_event_t *ev);

static void *ngx_http_k8s_admin_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_k8s_admin_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_k8s_admin(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_k8s_admin_postconfiguration(ngx_conf_t *cf);
static void ngx_http_k8s_admin_addresses(ngx_conf_t *cf,
    ngx_http_k8s_admin_place_t *place);
static ngx_uint_t ngx_http_k8s_admin_loopback(struct sockaddr *sa);


static ngx_conf_bitmask_t  ngx_http_k8s_admin_parts[] = {
    { ngx_string("health"), NGX_HTTP_K8S_ADMIN_HEALTH },
    { ngx_string("metrics"), NGX_HTTP_K8S_ADMIN_METRICS },
    { ngx_string("status"), NGX_HTTP_K8S_ADMIN_STATUS },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_k8s_admin_commands[] = {

    { ngx_string("k8s_ingress_admin"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_k8s_admin,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_k8s_admin_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_k8s_admin_postconfiguration,  /* postconfiguration */

    ngx_http_k8s_admin_create_main_conf,   /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_k8s_admin_create_loc_conf,    /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_k8s_admin_module = {
    NGX_MODULE_V1,
    &ngx_http_k8s_admin_module_ctx,        /* module context */
    ngx_http_k8s_admin_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_str_t  ngx_http_k8s_admin_text = ngx_string("text/plain");
static ngx_str_t  ngx_http_k8s_admin_json = ngx_string("application/json");
static ngx_str_t  ngx_http_k8s_admin_prometheus =
    ngx_string("text/plain; version=0.0.4; charset=utf-8");


/* the part is named by the last element of the path */

static ngx_int_t
ngx_http_k8s_admin_handler(ngx_http_request_t *r)
{
    size_t                          len;
    u_char                         *p;
    ngx_int_t                       rc;
    ngx_uint_t                      parts;
    ngx_http_k8s_admin_t           *a;
    ngx_http_k8s_admin_loc_conf_t  *alcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_admin_module);
    parts = alcf->parts;

    for (p = r->uri.data + r->uri.len; p > r->uri.data; p--) {
        if (p[-1] == '/') {
            break;
        }
    }

    len = r->uri.data + r->uri.len - p;

#define ngx_http_k8s_admin_is(s)                                              \
    (len == sizeof(s) - 1 && ngx_strncmp(p, s, sizeof(s) - 1) == 0)

    if ((parts & NGX_HTTP_K8S_ADMIN_HEALTH)
        && ngx_http_k8s_admin_is("healthz"))
    {
        return ngx_http_k8s_admin_healthz(r);
    }

    a = ngx_http_k8s_admin_create(r);
    if (a == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if ((parts & NGX_HTTP_K8S_ADMIN_HEALTH) && ngx_http_k8s_admin_is("readyz"))
    {
        rc = ngx_http_k8s_ready(a);

        if (a->failed) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        a->done = 1;
        rc = ngx_http_k8s_admin_header(r, rc == NGX_OK
                                          ? NGX_HTTP_OK
                                          : NGX_HTTP_SERVICE_UNAVAILABLE,
                                       &ngx_http_k8s_admin_text, a->written);

    } else if ((parts & NGX_HTTP_K8S_ADMIN_METRICS)
               && ngx_http_k8s_admin_is("metrics"))
    {
        a->step = ngx_http_k8s_metrics_step;
        rc = ngx_http_k8s_admin_header(r, NGX_HTTP_OK,
                                       &ngx_http_k8s_admin_prometheus, -1);

    } else if ((parts & NGX_HTTP_K8S_ADMIN_STATUS)
               && ngx_http_k8s_admin_is("status"))
    {
        rc = ngx_http_k8s_status_init(a);
        if (rc != NGX_OK) {
            return rc;
        }

        a->step = ngx_http_k8s_status_step;
        rc = ngx_http_k8s_admin_header(r, NGX_HTTP_OK,
                                       &ngx_http_k8s_admin_json, -1);

    } else {
        return NGX_HTTP_NOT_FOUND;
    }

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    r->main->count++;
    ngx_http_k8s_admin_run(a);

    return NGX_DONE;
}


/* alive: whatever else holds */

static ngx_int_t
ngx_http_k8s_admin_healthz(ngx_http_request_t *r)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    b = ngx_create_temp_buf(r->pool, sizeof("ok") - 1);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->last = ngx_cpymem(b->last, "ok", sizeof("ok") - 1);
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    rc = ngx_http_k8s_admin_header(r, NGX_HTTP_OK, &ngx_http_k8s_admin_text,
                                   b->last - b->pos);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_http_k8s_admin_t *
ngx_http_k8s_admin_create(ngx_http_request_t *r)
{
    ngx_array_t           *blocks;
    ngx_pool_cleanup_t    *cln;
    ngx_http_k8s_admin_t  *a;

    a = ngx_pcalloc(r->pool, sizeof(ngx_http_k8s_admin_t));
    if (a == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_k8s_admin_cleanup;
    cln->data = a;

    blocks = ngx_k8s_blocks((ngx_cycle_t *) ngx_cycle);

    a->request = r;
    a->conf = ngx_http_get_module_main_conf(r, ngx_http_k8s_admin_module);
    a->blocks = blocks->elts;
    a->nblocks = blocks->nelts;
    a->last = &a->out;

    a->event.handler = ngx_http_k8s_admin_event_handler;
    a->event.data = a;
    a->event.log = r->connection->log;

    ngx_http_set_ctx(r, a, ngx_http_k8s_admin_module);

    return a;
}


static void
ngx_http_k8s_admin_cleanup(void *data)
{
    ngx_http_k8s_admin_t  *a = data;

    if (a->event.posted) {
        ngx_delete_posted_event(&a->event);
    }

    if (a->event.timer_set) {
        ngx_del_timer(&a->event);
    }

    ngx_http_k8s_walk_end(a);

    if (a->record) {
        ngx_free(a->record);
    }
}


static ngx_int_t
ngx_http_k8s_admin_header(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, off_t length)
{
    r->headers_out.status = status;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = length;

    if (length == -1) {
        ngx_http_clear_content_length(r);
    }

    return ngx_http_send_header(r);
}


/* one turn: a slice of the answer, then what has to come before the next */

static void
ngx_http_k8s_admin_run(ngx_http_k8s_admin_t *a)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = a->request;

    if (!a->done && ngx_http_k8s_admin_slice(a) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    rc = ngx_http_k8s_admin_flush(a);

    if (rc == NGX_ERROR || a->done) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    if (r->buffered || r->postponed || r->connection->buffered) {
        r->write_event_handler = ngx_http_k8s_admin_write_handler;
        ngx_http_k8s_admin_write_handler(r);
        return;
    }

    ngx_http_k8s_admin_next(a);
}


/*
 * the timer is to be seen by a worker that is shutting down: posted events
 * alone do not keep it from its end
 */

static void
ngx_http_k8s_admin_next(ngx_http_k8s_admin_t *a)
{
    ngx_post_event(&a->event, &ngx_posted_next_events);
    ngx_add_timer(&a->event, NGX_HTTP_K8S_ADMIN_TURN);
}


static ngx_int_t
ngx_http_k8s_admin_slice(ngx_http_k8s_admin_t *a)
{
    uint64_t   end;
    ngx_int_t  rc;

    a->written = 0;
    end = ngx_k8s_usec() + NGX_HTTP_K8S_ADMIN_USEC;

    do {
        rc = a->step(a);

        if (rc == NGX_ERROR || a->failed) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            a->done = 1;
            break;
        }

    } while (a->written < NGX_HTTP_K8S_ADMIN_SLICE
             && ngx_k8s_usec() < end);

    return NGX_OK;
}


/* hands what is written to the output filters */

static ngx_int_t
ngx_http_k8s_admin_flush(ngx_http_k8s_admin_t *a)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (a->done) {
        cl = ngx_chain_get_free_buf(a->request->pool, &a->free);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        b = cl->buf;

        b->pos = b->start;
        b->last = b->start;
        b->temporary = 0;
        b->last_buf = (a->request == a->request->main) ? 1 : 0;
        b->last_in_chain = 1;
        b->sync = b->last_buf ? 0 : 1;
        b->tag = (ngx_buf_tag_t) &ngx_http_k8s_admin_module;

        *a->last = cl;
    }

    if (a->out == NULL) {
        return NGX_OK;
    }

    rc = ngx_http_output_filter(a->request, a->out);

    ngx_chain_update_chains(a->request->pool, &a->free, &a->busy, &a->out,
                            (ngx_buf_tag_t) &ngx_http_k8s_admin_module);

    a->out = NULL;
    a->last = &a->out;
    a->buf = NULL;

    return rc;
}


/* waits until the client has taken all, then goes on */

static void
ngx_http_k8s_admin_write_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_k8s_admin_t      *a;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    wev = c->write;
    a = ngx_http_get_module_ctx(r, ngx_http_k8s_admin_module);

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {

        rc = ngx_http_output_filter(r, NULL);

        ngx_chain_update_chains(r->pool, &a->free, &a->busy, &a->out,
                                (ngx_buf_tag_t) &ngx_http_k8s_admin_module);

        if (rc == NGX_ERROR) {
            ngx_http_finalize_request(r, rc);
            return;
        }

        if (!r->buffered && !r->postponed && !c->buffered) {

            if (wev->timer_set) {
                ngx_del_timer(wev);
            }

            r->write_event_handler = ngx_http_request_empty_handler;
            ngx_http_k8s_admin_next(a);
            return;
        }

        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


static void
ngx_http_k8s_admin_event_handler(ngx_event_t *ev)
{
    ngx_connection_t      *c;
    ngx_http_k8s_admin_t  *a;

    a = ev->data;
    c = a->request->connection;

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_http_set_log_request(c->log, a->request);

    ngx_http_k8s_admin_run(a);

    ngx_http_run_posted_requests(c);
}


static void *
ngx_http_k8s_admin_create_main_conf(ngx_conf_t *cf)
{
    char                            *env;
    ngx_http_k8s_admin_main_conf_t  *amcf;

    amcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_admin_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&amcf->places, cf->pool, 2,
                       sizeof(ngx_http_k8s_admin_place_t))
        != NGX_OK)
    {
        return NULL;
    }

    /* workers do not have these variables */

    env = getenv("POD_NAME");
    amcf->pod = cf->cycle->hostname;

    if (env && *env) {
        amcf->pod.len = ngx_strlen(env);
        amcf->pod.data = ngx_pnalloc(cf->pool, amcf->pod.len);
        if (amcf->pod.data == NULL) {
            return NULL;
        }

        ngx_memcpy(amcf->pod.data, env, amcf->pod.len);
    }

    env = getenv("POD_NAMESPACE");

    if (env) {
        amcf->namespace.len = ngx_strlen(env);
        amcf->namespace.data = ngx_pnalloc(cf->pool, amcf->namespace.len + 1);
        if (amcf->namespace.data == NULL) {
            return NULL;
        }

        ngx_memcpy(amcf->namespace.data, env, amcf->namespace.len);
    }

    return amcf;
}


static void *
ngx_http_k8s_admin_create_loc_conf(ngx_conf_t *cf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->parts = 0;
     */

    return ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_admin_loc_conf_t));
}


static char *
ngx_http_k8s_admin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_k8s_admin_loc_conf_t *alcf = conf;

    ngx_str_t                       *value;
    ngx_uint_t                       i, m;
    ngx_conf_bitmask_t              *mask;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_http_k8s_admin_place_t      *place;
    ngx_http_k8s_admin_main_conf_t  *amcf;

    if (alcf->parts) {
        return "is duplicate";
    }

    value = cf->args->elts;
    mask = ngx_http_k8s_admin_parts;

    for (i = 1; i < cf->args->nelts; i++) {

        for (m = 0; mask[m].name.len; m++) {
            if (ngx_http_k8s_str_eq(&value[i], &mask[m].name)) {
                break;
            }
        }

        if (mask[m].name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown part \"%V\" in \"k8s_ingress_admin\": "
                               "write \"health\", \"metrics\" and \"status\", "
                               "as needed, or none for all of them",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        alcf->parts |= mask[m].mask;
    }

    if (cf->args->nelts == 1) {
        alcf->parts = NGX_HTTP_K8S_ADMIN_HEALTH|NGX_HTTP_K8S_ADMIN_METRICS
                      |NGX_HTTP_K8S_ADMIN_STATUS;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "cannot stand beside another handler of the same place";
    }

    clcf->handler = ngx_http_k8s_admin_handler;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_admin_module);

    place = ngx_array_push(&amcf->places);
    if (place == NULL) {
        return NGX_CONF_ERROR;
    }

    place->cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    place->parts = alcf->parts;
    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_k8s_admin_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                       i;
    ngx_http_k8s_admin_place_t      *place;
    ngx_http_k8s_admin_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_admin_module);

    place = amcf->places.elts;
    for (i = 0; i < amcf->places.nelts; i++) {
        if (place[i].parts & NGX_HTTP_K8S_ADMIN_STATUS) {
            ngx_http_k8s_admin_addresses(cf, &place[i]);
        }
    }

    return NGX_OK;
}


/* warns of each address where others than this machine can read the status */

static void
ngx_http_k8s_admin_addresses(ngx_conf_t *cf, ngx_http_k8s_admin_place_t *place)
{
    ngx_uint_t                   p, a, s;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return;
    }

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        addr = port[p].addrs.elts;
        for (a = 0; a < port[p].addrs.nelts; a++) {

            if (ngx_http_k8s_admin_loopback(addr[a].opt.sockaddr)) {
                continue;
            }

            cscfp = addr[a].servers.elts;
            for (s = 0; s < addr[a].servers.nelts; s++) {

                if (cscfp[s] != place->cscf) {
                    continue;
                }

                ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                              "\"k8s_ingress_admin\" in %s:%ui shows all "
                              "routes to whoever reaches %V: listen on "
                              "127.0.0.1, or write \"k8s_ingress_admin "
                              "health metrics\"",
                              place->file, place->line,
                              &addr[a].opt.addr_text);
            }
        }
    }
}


static ngx_uint_t
ngx_http_k8s_admin_loopback(struct sockaddr *sa)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sa->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;
        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        return (ntohl(sin->sin_addr.s_addr) >> 24) == 127;

    default: /* AF_UNIX */
        return 1;
    }
}
