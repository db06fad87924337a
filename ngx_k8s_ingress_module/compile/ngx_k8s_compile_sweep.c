
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The sweep: when all was compiled once, what a predecessor has left and
 * nothing asks for any more is removed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_data.h>


#define NGX_K8S_SWEEP_RECORDS  64   /* in one item of work */


/*
 * known: something asks for the record; NULL: no object asks for one.
 * remove: what its slot goes with; NULL: that of any record
 */

typedef struct {
    ngx_uint_t    index;              /* NGX_K8S_INDEX_* */
    ngx_uint_t  (*known)(ngx_k8s_compile_t *c, uint32_t slot, void *rec);
    void        (*remove)(ngx_k8s_compile_t *c, uint32_t slot);
} ngx_k8s_compile_sweep_t;


static ngx_uint_t ngx_k8s_sweep_host(ngx_k8s_compile_t *c, uint32_t slot,
    void *rec);
static ngx_uint_t ngx_k8s_sweep_paths(ngx_k8s_compile_t *c, uint32_t slot,
    void *rec);
static ngx_k8s_node_t *ngx_k8s_sweep_node(ngx_k8s_compile_t *c,
    ngx_k8s_host_t *host);
static ngx_uint_t ngx_k8s_sweep_service(ngx_k8s_compile_t *c, uint32_t slot,
    void *rec);
static ngx_uint_t ngx_k8s_sweep_certificate(ngx_k8s_compile_t *c,
    uint32_t slot, void *rec);
static ngx_uint_t ngx_k8s_sweep_problem(ngx_k8s_compile_t *c, uint32_t slot,
    void *rec);


/* in the order of work; other types are another's */

static ngx_k8s_compile_sweep_t  ngx_k8s_compile_sweeps[] = {

    { NGX_K8S_INDEX_HOST, ngx_k8s_sweep_host, NULL },
    { NGX_K8S_INDEX_PATHS, ngx_k8s_sweep_paths, NULL },
    { NGX_K8S_INDEX_SERVICE, ngx_k8s_sweep_service,
      ngx_k8s_compile_service_remove },
    { NGX_K8S_INDEX_CERTIFICATE, ngx_k8s_sweep_certificate, NULL },
    { NGX_K8S_INDEX_RULE, ngx_k8s_compile_held, NULL },
    { NGX_K8S_INDEX_PROBLEM, ngx_k8s_sweep_problem, NULL },
    { NGX_K8S_INDEX_LISTENER, NULL, NULL },
    { NGX_K8S_INDEX_ADDRESS, NULL, NULL },
    { NGX_K8S_INDEX_SET, NULL, NULL },
    { NGX_K8S_INDEX_POLICY, ngx_k8s_compile_policy_known, NULL },
    { NGX_K8S_INDEX_DATA, ngx_k8s_compile_data_known, NULL }
};


ngx_int_t
ngx_k8s_compile_sweep(ngx_k8s_compile_t *c)
{
    void                     *rec;
    ngx_uint_t                n;
    ngx_k8s_compile_sweep_t  *sweep;

    sweep = &ngx_k8s_compile_sweeps[c->sweep];

    for (n = 0; n < NGX_K8S_SWEEP_RECORDS; n++) {

        rec = ngx_k8s_table_next(c->table, sweep->index, &c->cursor);

        if (rec == NULL) {
            c->cursor = 0;
            c->sweep++;
            c->swept = (c->sweep == sizeof(ngx_k8s_compile_sweeps)
                                    / sizeof(ngx_k8s_compile_sweep_t));

            return NGX_OK;
        }

        if (sweep->known && sweep->known(c, c->cursor, rec)) {
            continue;
        }

        if (sweep->remove) {
            sweep->remove(c, c->cursor);

        } else {
            ngx_k8s_writer_remove(c->writer, c->cursor);
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_k8s_sweep_host(ngx_k8s_compile_t *c, uint32_t slot, void *rec)
{
    ngx_k8s_node_t        *node;
    ngx_k8s_host_state_t  *state;

    node = ngx_k8s_sweep_node(c, rec);
    state = node ? node->data : NULL;

    return state && state->slot == slot;
}


static ngx_uint_t
ngx_k8s_sweep_paths(ngx_k8s_compile_t *c, uint32_t slot, void *rec)
{
    ngx_k8s_node_t  *node;

    node = ngx_k8s_sweep_node(c, rec);

    return node && node->data && ngx_k8s_compile_shard_find(node, slot);
}


static ngx_k8s_node_t *
ngx_k8s_sweep_node(ngx_k8s_compile_t *c, ngx_k8s_host_t *host)
{
    ngx_str_t  name;

    ngx_k8s_record_str(host, &host->name, &name);

    return ngx_k8s_node_host_find(c->store, host->route_set, host->class,
                                  &name);
}


static ngx_uint_t
ngx_k8s_sweep_service(ngx_k8s_compile_t *c, uint32_t slot, void *rec)
{
    ngx_str_t               ns, name, text, protocol;
    ngx_k8s_port_t         *port;
    ngx_k8s_service_rec_t  *service = rec;

    ngx_k8s_record_str(service, &service->namespace, &ns);
    ngx_k8s_record_str(service, &service->name, &name);
    ngx_k8s_record_str(service, &service->port, &text);
    ngx_k8s_record_str(service, &service->protocol, &protocol);

    port = ngx_k8s_compile_port_find(c, &ns, &name, &text, &protocol,
                                     (service->flags & NGX_K8S_SERVICE_CLUSTER)
                                     != 0);

    if (port) {
        ngx_k8s_spread_settle(c, port);
    }

    return port && port->slot == slot;
}


static ngx_uint_t
ngx_k8s_sweep_certificate(ngx_k8s_compile_t *c, uint32_t slot, void *rec)
{
    ngx_str_t                ns, name;
    ngx_k8s_node_t          *node;
    ngx_k8s_certificate_t   *cert = rec;
    ngx_k8s_secret_state_t  *state;

    ngx_k8s_record_str(cert, &cert->namespace, &ns);
    ngx_k8s_record_str(cert, &cert->name, &name);

    /* the default one */

    if (ns.len == 0 && name.len == 0) {
        return 1;
    }

    node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_SECRET, &ns, &name);
    state = node ? node->data : NULL;

    return state && state->slot == slot;
}


/* said of an object, or of what is none */

static ngx_uint_t
ngx_k8s_sweep_problem(ngx_k8s_compile_t *c, uint32_t slot, void *rec)
{
    ngx_str_t               kind, ns, name;
    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_k8s_entry_t        *entry;
    ngx_k8s_extra_t        *extra;
    ngx_k8s_problem_rec_t  *problem = rec;

    ngx_k8s_record_str(problem, &problem->kind, &kind);
    ngx_k8s_record_str(problem, &problem->namespace, &ns);
    ngx_k8s_record_str(problem, &problem->name, &name);

    for (n = 0; n < NGX_K8S_KINDS; n++) {

        if (!ngx_k8s_str_eq(&ngx_k8s_kinds[n].name, &kind)) {
            continue;
        }

        entry = ngx_k8s_entry_find(c->store, n, &ns, &name);

        if (entry && entry->problem == slot) {
            return 1;
        }
    }

    for (q = ngx_queue_head(&c->extras);
         q != ngx_queue_sentinel(&c->extras);
         q = ngx_queue_next(q))
    {
        extra = ngx_queue_data(q, ngx_k8s_extra_t, queue);

        if (extra->slot == slot) {
            return 1;
        }
    }

    return 0;
}
