
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The inside of compile/: what it keeps on the store's nodes, and its parts.
 * Private memory of the watcher.
 */


#ifndef _NGX_K8S_COMPILE_STATE_H_INCLUDED_
#define _NGX_K8S_COMPILE_STATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile.h>
#include <ngx_k8s_index.h>
#include <ngx_k8s_path.h>
#include <ngx_k8s_policy.h>


#define NGX_K8S_PROBLEM_RECORDS      1000  /* where the block says none */
#define NGX_K8S_PROBLEM_ITEMS        64    /* of one object */
#define NGX_K8S_EXPIRES              (10 * 24 * 3600)
#define NGX_K8S_KEY_TYPES            2     /* certificates of one host */


/* one port of a Service that routes use: a service record */

typedef struct {
    ngx_queue_t              queue;      /* in the node's service state */
    ngx_k8s_node_t          *node;
    ngx_str_t                port;       /* as the routes write it */
    uint32_t                 slot;
    ngx_uint_t               refs;       /* host records that lead here */
    ngx_uint_t               stamp;      /* c->stamp, and with it: */
    ngx_uint_t               index;      /* action in the host record */
    uint32_t                 flags;      /* NGX_K8S_SERVICE_* */
    uint32_t                 usable;
    ngx_uint_t               cut;        /* endpoints that did not fit */
    ngx_uint_t               nrefused;   /* addresses that may not be used */
    ngx_uint_t               refused_len;
    u_char                   refused[64];  /* the first of them */
    unsigned                 full:1;     /* an update did not fit */
} ngx_k8s_port_t;

typedef struct {
    ngx_queue_t              ports;      /* ngx_k8s_port_t */
} ngx_k8s_service_state_t;


typedef struct {
    ngx_k8s_node_t          *node;
    uint32_t                 slot;
    ngx_k8s_port_t         **ports;      /* referenced by the record; one
                                            block with the rules */
    ngx_uint_t               nports;
    uint32_t                *rules;      /* slots of its rule records */
    ngx_uint_t               nrules;
    ngx_k8s_slot_ref_t            certs[NGX_K8S_KEY_TYPES];
    ngx_uint_t               ncerts;
    ngx_k8s_node_t          *parent;     /* wildcard host, pinned; NULL when
                                            this is one itself */
    ngx_queue_t              children;   /* siblings below a wildcard */
    ngx_queue_t              sibling;
    unsigned                 tls:1;
    unsigned                 attached:1; /* in the parent's children */
    unsigned                 stuck:1;    /* an update did not fit */
} ngx_k8s_host_state_t;


#define NGX_K8S_SECRET_MISSING       0
#define NGX_K8S_SECRET_GOOD          1
#define NGX_K8S_SECRET_BAD           2   /* perhaps with a last good record */

typedef struct {
    ngx_k8s_node_t          *node;
    ngx_queue_t              doomed;     /* in c->doomed */
    uint32_t                 slot;
    uint32_t                 generation; /* of the slot */
    ngx_uint_t               state;      /* NGX_K8S_SECRET_* */
    ngx_uint_t               stamp;
    uint32_t                 sum;        /* of what hosts depend on */
    uint32_t                 key_type;
    time_t                   not_before;
    time_t                   not_after;
    ngx_uint_t               age;        /* problem code, or 0 */
    ngx_str_t                reason;     /* why it is bad; malloc()ed */
    ngx_str_t                field;
    unsigned                 queued:1;   /* in c->doomed */
    unsigned                 full:1;     /* it did not fit */
} ngx_k8s_secret_state_t;


/* an Ingress that is left out as there is no room, or that waits for its turn;
   private memory, freed when it is let in or gone */

typedef struct {
    ngx_rbtree_node_t        node;       /* in c->left, the oldest first */
    ngx_k8s_entry_t         *entry;
    ngx_k8s_object_t         age;        /* what ngx_k8s_age_cmp() reads */
    size_t                   need;       /* free bytes to try it again */
    size_t                   cost;       /* about what it takes at most */
    size_t                   missing;
} ngx_k8s_left_t;

#define NGX_K8S_NEVER                ((size_t) -1)


/* problems of something that is no object */

typedef struct {
    ngx_queue_t              queue;
    uint32_t                 slot;
    ngx_str_t                kind;
    ngx_str_t                namespace;
    ngx_str_t                name;
} ngx_k8s_extra_t;


/* what the problem records of a namespace take */

typedef struct {
    ngx_str_node_t           sn;
    size_t                   bytes;
    ngx_uint_t               records;
} ngx_k8s_share_t;


/* notes on a link: what compiling the host said of the Ingress */

typedef struct {
    ngx_uint_t               n;
    ngx_k8s_problem_t        problems[1];
} ngx_k8s_notes_t;


struct ngx_k8s_compile_s {
    ngx_k8s_compile_conf_t   conf;
    ngx_k8s_settings_t       base;       /* of routes of Ingresses */
    ngx_k8s_store_t         *store;
    ngx_k8s_writer_t        *writer;
    ngx_k8s_table_t         *table;
    ngx_log_t               *log;
    ngx_pool_t              *pool;       /* of one item of work */
    ngx_k8s_builder_t        builder;
    ngx_uint_t               stamp;
    time_t                   now;

    ngx_rbtree_t             left;       /* ngx_k8s_left_t */
    ngx_rbtree_node_t        left_sentinel;
    ngx_k8s_left_t          *next;       /* to be looked at, NULL: none */
    size_t                   passed;     /* least need of those before it */
    ngx_queue_t              doomed;     /* certificates to be removed */
    ngx_queue_t              extras;
    ngx_rbtree_t             shares;     /* ngx_k8s_share_t */
    ngx_rbtree_node_t        sentinel;
    ngx_uint_t               nproblems;  /* records now */
    ngx_queue_t              unsaid;     /* entries that are silent */
    ngx_uint_t               nunsaid;

    ngx_k8s_node_t          *root;       /* host "", pinned */
    ngx_k8s_node_t          *secret;     /* default certificate's, or NULL */
    ngx_str_t                default_namespace;
    ngx_str_t                default_service;
    ngx_str_t                default_port;
    ngx_k8s_port_t          *default_ref;

    size_t                   stuck_room; /* free bytes that may help */
    ngx_uint_t               index;      /* of the sweep */
    uint32_t                 cursor;

    unsigned                 synced:1;
    unsigned                 certified:1;  /* default certificate made */
    unsigned                 started:1;
    unsigned                 swept:1;
    unsigned                 stuck:1;    /* some update did not fit */
    unsigned                 retry:1;    /* the next may be said */
};


/* an Ingress as one host sees it */

typedef struct {
    ngx_k8s_link_t          *link;
    ngx_k8s_entry_t         *entry;
    ngx_k8s_model_t         *model;
    ngx_array_t              notes;      /* ngx_k8s_problem_t */
} ngx_k8s_user_t;

/* one path of a host record in the making */

typedef struct {
    ngx_uint_t               type;       /* NGX_K8S_PATH_* */
    ngx_str_t                text;       /* as kept */
    ngx_str_t                path;       /* as written, "/" for none */
    ngx_uint_t               seq;
    ngx_k8s_user_t          *user;
    ngx_k8s_model_match_t   *match;
    ngx_k8s_target_t        *target;
    ngx_k8s_port_t          *port;       /* NULL: it leads nowhere */
    uint32_t                 slot;       /* of the rule record */
    unsigned                 slash:1;    /* written with a slash at its end */
    unsigned                 redirect:1; /* is there to add a slash */
} ngx_k8s_item_t;

/* a host record in the making */

typedef struct {
    ngx_k8s_node_t          *node;
    ngx_k8s_host_state_t    *state;
    ngx_str_t                host;       /* "*.example.com" */
    ngx_array_t              users;      /* ngx_k8s_user_t, oldest first */
    ngx_array_t              items;      /* ngx_k8s_item_t, sorted */
    ngx_array_t              ports;      /* ngx_k8s_port_t *, by action */
    ngx_array_t              rules;      /* uint32_t */
    ngx_uint_t              *seen;       /* hash of items with a rule */
    ngx_uint_t               mask;
    ngx_k8s_target_t        *fallback;   /* NULL: none, or the controller's */
    ngx_k8s_user_t          *fallback_user;
    ngx_k8s_port_t          *fallback_port;
    uint32_t                 fallback_rule;
    uint32_t                 slash;      /* actions beside those of services */
    uint32_t                 closed;
    uint32_t                 none;
    ngx_k8s_slot_ref_t       certs[NGX_K8S_KEY_TYPES];
    ngx_uint_t               ncerts;
    ngx_uint_t               tls;
    size_t                   taken;      /* by the writer, at its begin */
    size_t                   size;       /* of the record that is replaced */
    ngx_uint_t               large;      /* no zone of this size has it */
} ngx_k8s_making_t;


/* sets a string of the record in the making; the record may move */

#define ngx_k8s_builder_set(b, type, field, s)                                \
    do {                                                                      \
        ngx_k8s_str_t  str_ = ngx_k8s_builder_str(b, s);                      \
        if (!(b)->failed) {                                                   \
            ((type *) ngx_k8s_builder_ptr(b, 0))->field = str_;               \
        }                                                                     \
    } while (0)

#define ngx_k8s_str_eq_c(s, text)                                             \
    ((s)->len == sizeof(text) - 1                                             \
     && ngx_strncmp((s)->data, text, sizeof(text) - 1) == 0)


/* hosts (ngx_k8s_compile_host.c) */
ngx_int_t ngx_k8s_compile_host(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_host_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);

/* the record (ngx_k8s_compile_record.c); its slot, 0: no room */
uint32_t ngx_k8s_compile_host_record(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);

/* paths of a host (ngx_k8s_compile_path.c) */
ngx_int_t ngx_k8s_compile_paths(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);

/* TLS of a host, and Secrets (ngx_k8s_compile_tls.c) */
ngx_int_t ngx_k8s_compile_tls(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
ngx_int_t ngx_k8s_compile_secret(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_secret_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_secret_age(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
/* removes a certificate that nothing asks for; NGX_DONE: there is none */
ngx_int_t ngx_k8s_compile_doomed(ngx_k8s_compile_t *c);
ngx_int_t ngx_k8s_compile_default_certificate(ngx_k8s_compile_t *c);

/* services (ngx_k8s_compile_service.c) */
ngx_int_t ngx_k8s_compile_service(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_service_free(ngx_k8s_node_t *node);
/* the record of one port, made when there is none: NULL without room */
ngx_k8s_port_t *ngx_k8s_compile_port(ngx_k8s_compile_t *c, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *port);
ngx_k8s_port_t *ngx_k8s_compile_port_find(ngx_k8s_compile_t *c,
    ngx_str_t *ns, ngx_str_t *name, ngx_str_t *port);
void ngx_k8s_compile_port_put(ngx_k8s_compile_t *c, ngx_k8s_port_t *port);
/* gives a slot's record back, with the statistics of its endpoints */
void ngx_k8s_compile_service_remove(ngx_k8s_compile_t *c, uint32_t slot);
/* endpoints of one port (ngx_k8s_compile_endpoint.c) */

typedef struct {
    u_char                   addr[16];
    ngx_uint_t               family;
    ngx_uint_t               port;
    ngx_uint_t               flags;
    ngx_uint_t               seq;
    ngx_str_t               *target;
    ngx_str_t               *zone;
    ngx_str_t               *hints;
} ngx_k8s_endpoint_t;

ngx_int_t ngx_k8s_compile_endpoints(ngx_k8s_compile_t *c,
    ngx_k8s_port_t *port, ngx_k8s_service_t *svc, ngx_k8s_service_port_t *sp,
    ngx_array_t *endpoints, ngx_uint_t *usable);

/* problems (ngx_k8s_compile_problem.c) */
ngx_int_t ngx_k8s_compile_entry(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
ngx_int_t ngx_cdecl ngx_k8s_compile_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_uint_t code, ngx_str_t *host, ngx_str_t *field, const char *fmt, ...);
ngx_str_t ngx_cdecl ngx_k8s_compile_text(ngx_k8s_compile_t *c,
    const char *fmt, ...);
/* keeps an Ingress' notes of one host on its link */
ngx_int_t ngx_k8s_compile_keep(ngx_k8s_compile_t *c, ngx_k8s_user_t *user);

/* problem records (ngx_k8s_compile_say.c) */
/* one record in *slot (0: none), removed with n == 0; extra: of what is in no
   store, with a key of its own; NGX_DECLINED: not all of them had room */
ngx_int_t ngx_k8s_compile_say(ngx_k8s_compile_t *c, uint32_t *slot,
    ngx_uint_t extra, ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t n, ngx_k8s_problem_t *problems);
void ngx_k8s_compile_unsay(ngx_k8s_compile_t *c, uint32_t *slot,
    ngx_uint_t extra);
/* notes whether all problems of an object are said */
void ngx_k8s_compile_silent(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_uint_t silent);
/* tries the one that has waited longest; NGX_DONE: no room has appeared */
ngx_int_t ngx_k8s_compile_unsaid(ngx_k8s_compile_t *c);
void ngx_k8s_compile_shares_free(ngx_k8s_compile_t *c);

/* limits (ngx_k8s_compile_limit.c) */
ngx_int_t ngx_k8s_compile_namespace(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
/* puts the record in the making with "spare" bytes more; keep: where room is
   short it is not made smaller than "old"; its slot, 0: no room */
uint32_t ngx_k8s_compile_put_spare(ngx_k8s_compile_t *c,
    ngx_k8s_record_t *old, size_t spare, ngx_uint_t keep);
/* about the bytes that an Ingress takes: as if it shared nothing, and alone
   for its paths */
void ngx_k8s_compile_cost(ngx_k8s_model_t *model, ngx_uint_t *routes,
    size_t *most, size_t *least);
/* an update did not fit; tried again when "need" bytes are free */
void ngx_k8s_compile_stuck(ngx_k8s_compile_t *c, size_t need);
/* NGX_OK when updates are to be tried again, NGX_DONE */
ngx_int_t ngx_k8s_compile_unstick(ngx_k8s_compile_t *c);

/* what is left out (ngx_k8s_compile_left.c) */
/* NGX_OK when the host of a link may take it, NGX_DECLINED: not now */
ngx_int_t ngx_k8s_compile_ask(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
ngx_int_t ngx_k8s_compile_leave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    size_t need, size_t missing);
void ngx_k8s_compile_unleave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
/* the record of a host has become smaller: those that made it too large for
   the zone are tried again; with "without" the younger ones only, as this one
   has been left out */
void ngx_k8s_compile_smaller(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_entry_t *without);
/* lets in the oldest for which there is room; NGX_DONE: none */
ngx_int_t ngx_k8s_compile_admit(ngx_k8s_compile_t *c);
void ngx_k8s_compile_mark_hosts(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
void ngx_k8s_compile_left_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
int ngx_libc_cdecl ngx_k8s_compile_user_cmp(const void *one,
    const void *two);


#endif /* _NGX_K8S_COMPILE_STATE_H_INCLUDED_ */
