
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * k8s_ingress_admin: health, metrics and status of all blocks, from the table
 * alone, so that every worker answers alike, also while the watcher is dead.
 * Long answers are written in slices: a turn of the event loop ends after
 * about half a millisecond or 32 KB and the next one goes on under a new pin,
 * when the client has taken what there was.
 */


#ifndef _NGX_HTTP_K8S_ADMIN_H_INCLUDED_
#define _NGX_HTTP_K8S_ADMIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_block.h>
#include <ngx_k8s_problem.h>


#define NGX_HTTP_K8S_ADMIN_HEALTH    0x0002
#define NGX_HTTP_K8S_ADMIN_METRICS   0x0004
#define NGX_HTTP_K8S_ADMIN_STATUS    0x0008

#define NGX_HTTP_K8S_ADMIN_SLICE     32768  /* bytes of one turn, about */
#define NGX_HTTP_K8S_ADMIN_USEC      500    /* of one turn */
#define NGX_HTTP_K8S_ADMIN_TURN      1000   /* msec, until the next at most */

#define NGX_HTTP_K8S_ADMIN_NAME      512    /* "namespace/name" */


typedef struct ngx_http_k8s_admin_s  ngx_http_k8s_admin_t;

/*
 * Writes the next little piece of an answer: NGX_AGAIN when there is more,
 * NGX_OK at the end, NGX_ERROR.  Called many times in a turn.
 */
typedef ngx_int_t (*ngx_http_k8s_admin_step_pt)(ngx_http_k8s_admin_t *a);


typedef struct {
    ngx_array_t              places;     /* where the directive stands */
    ngx_str_t                pod;        /* POD_NAME, or the host's name */
    ngx_str_t                namespace;  /* POD_NAMESPACE, or empty */
} ngx_http_k8s_admin_main_conf_t;


/* one answer being written; in the request's pool */

struct ngx_http_k8s_admin_s {
    ngx_http_request_t       *request;
    ngx_http_k8s_admin_main_conf_t  *conf;
    ngx_http_k8s_admin_step_pt  step;

    ngx_event_t               event;     /* goes on in the next turn */
    ngx_chain_t              *out;
    ngx_chain_t             **last;
    ngx_chain_t              *free;
    ngx_chain_t              *busy;
    ngx_buf_t                *buf;
    size_t                    written;   /* in this turn */

    ngx_k8s_block_t         **blocks;
    ngx_uint_t                nblocks;

    /* where the answer has come to */
    ngx_uint_t                n;         /* block */
    ngx_k8s_table_t          *table;     /* its table, in this step */
    ngx_uint_t                section;
    ngx_uint_t                state;     /* within the section */
    ngx_uint_t                item;      /* within the record */
    ngx_uint_t                shard;     /* of the host, after its own paths */

    /* a walk over an index, ngx_http_k8s_walk() */
    uint64_t                  cursor;
    uint32_t                  slot;      /* of the record */
    void                     *record;    /* a copy: it outlives the pin */
    size_t                    size;      /* of the copy's memory */
    ngx_pool_t               *pool;      /* the sorted keys */
    ngx_rbtree_t              rbtree;
    ngx_rbtree_node_t         sentinel;
    ngx_rbtree_node_t        *node;
    ngx_array_t              *slots;     /* walked instead of the index */

    /* /status */
    ngx_str_t                 namespace; /* filters, empty: all */
    ngx_str_t                 host;
    ngx_str_t                 key;       /* host, as the table has it */
    ngx_array_t               services;  /* uint32_t slots, by a host filter */
    ngx_array_t               certificates;
    ngx_array_t               policies;
    uint64_t                  order;     /* ?canonical: of the next path */
    ngx_rbtree_t              ingresses; /* with a path of that host, by */
    ngx_rbtree_node_t         ingresses_sentinel;  /* "namespace/name" */
    u_char                    name[NGX_HTTP_K8S_ADMIN_NAME];

    /* /metrics */
    uint64_t                  counts[NGX_K8S_PROBLEMS];

    unsigned                  by_host:1;
    unsigned                  canonical:1;
    unsigned                  sorted:1;  /* the walk is by keys */
    unsigned                  problems:1;  /* no other section */
    unsigned                  comma:1;   /* an element came before */
    unsigned                  opened:1;  /* the record's head is written */
    unsigned                  listed:1;  /* one of its paths as well */
    unsigned                  failed:1;  /* no memory */
    unsigned                  done:1;
};


/*
 * Metrics: one table, from which /metrics and docs/metrics.md are made; ends
 * with an empty name.  "labels" is for the documentation.  The handler writes
 * the samples of one block (a->n), or with NGX_HTTP_K8S_METRIC_ONCE those of
 * the instance.
 */

typedef struct ngx_http_k8s_metric_s  ngx_http_k8s_metric_t;

struct ngx_http_k8s_metric_s {
    ngx_str_t                name;
    ngx_str_t                type;       /* "counter", "gauge", "histogram" */
    ngx_str_t                help;
    ngx_str_t                labels;
    ngx_int_t              (*handler)(ngx_http_k8s_admin_t *a,
                                ngx_http_k8s_metric_t *m);
    uintptr_t                data;
    ngx_uint_t               flags;
};

#define NGX_HTTP_K8S_METRIC_ONCE     0x0001

extern ngx_http_k8s_metric_t  ngx_http_k8s_metrics[];

ngx_int_t ngx_http_k8s_metrics_step(ngx_http_k8s_admin_t *a);


/* /status (ngx_http_k8s_status.c) */

ngx_int_t ngx_http_k8s_status_init(ngx_http_k8s_admin_t *a);
ngx_int_t ngx_http_k8s_status_step(ngx_http_k8s_admin_t *a);


/* /readyz: words into the answer; NGX_OK when ready, NGX_DECLINED when not */

ngx_int_t ngx_http_k8s_ready(ngx_http_k8s_admin_t *a);


/*
 * A walk over an index (ngx_http_k8s_walk.c), begun with walk_begin().
 * NGX_OK: a->record is a copy of the next record, NGX_AGAIN: call again (keys
 * are being sorted), NGX_DONE: none is left, NGX_ERROR: no memory.
 */

void ngx_http_k8s_walk_begin(ngx_http_k8s_admin_t *a, ngx_array_t *slots);
ngx_int_t ngx_http_k8s_walk(ngx_http_k8s_admin_t *a, ngx_uint_t index);
void ngx_http_k8s_walk_end(ngx_http_k8s_admin_t *a);


/* output (ngx_http_k8s_admin_out.c): on failure a->failed is set */

void ngx_http_k8s_out(ngx_http_k8s_admin_t *a, u_char *data, size_t len);
#define ngx_http_k8s_puts(a, s)                                               \
    ngx_http_k8s_out(a, (u_char *) s, sizeof(s) - 1)

/* formats as ngx_sprintf(), 512 bytes at most */
void ngx_http_k8s_printf(ngx_http_k8s_admin_t *a, const char *fmt, ...);

/* a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD */
void ngx_http_k8s_json(ngx_http_k8s_admin_t *a, ngx_str_t *s);

/* the value of a Prometheus label, without quotes */
void ngx_http_k8s_label(ngx_http_k8s_admin_t *a, ngx_str_t *s);

/* a string of a record */
ngx_str_t ngx_http_k8s_str(void *record, ngx_k8s_str_t *s);

#define ngx_http_k8s_str_eq(s1, s2)                                           \
    ((s1)->len == (s2)->len                                                   \
     && ngx_memcmp((s1)->data, (s2)->data, (s1)->len) == 0)


extern ngx_module_t  ngx_http_k8s_admin_module;


#endif /* _NGX_HTTP_K8S_ADMIN_H_INCLUDED_ */
