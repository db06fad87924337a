
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
#include <ngx_k8s_compile_host.h>


#define NGX_K8S_PROBLEM_RECORDS      1000  /* where the block says none */
#define NGX_K8S_PROBLEM_ITEMS        64    /* of one object */
#define NGX_K8S_EXPIRES              (10 * 24 * 3600)


/*
 * What a use of a Secret has become: it is not there, or has no such key; there
 * is a record; that is empty, as the key may be missing; it cannot be read; it
 * has no room
 */

#define NGX_K8S_SECRET_USES          6

/* of the zone: Secrets of a namespace that policies name take a part of this */
#define NGX_K8S_DATA_SHARE           8

#define NGX_K8S_DATA_MISSING         0
#define NGX_K8S_DATA_GOOD            1
#define NGX_K8S_DATA_EMPTY           2
#define NGX_K8S_DATA_BAD             3
#define NGX_K8S_DATA_FULL            4

typedef struct {
    ngx_uint_t               refs;       /* values of policies that ask for it;
                                            0: it is to go */
    uint32_t                 slot;       /* 0: there is no record */
    ngx_uint_t               state;      /* NGX_K8S_DATA_* */
    size_t                   bytes;      /* of the record */
    u_char                   digest[NGX_K8S_DIGEST];  /* of the object in it */
    u_char                  *made;       /* in the making; malloc()ed, NULL:
                                            nothing is */
    size_t                   len;        /* of that */
    size_t                   pos;        /* of the text that was read for it */
    ngx_str_t                reason;     /* why it is bad; malloc()ed */
    time_t                   ends;       /* of CAs the last one, of lists the
                                            first one; 0: never */
    unsigned                 none:1;     /* it vouches for nobody: it has no CA,
                                            or no list of one */
    unsigned                 ended:1;    /* and "ends" has passed */
    unsigned                 known:1;    /* it was looked at */
    unsigned                 read:1;     /* "digest" is set */
} ngx_k8s_data_state_t;


#define NGX_K8S_SECRET_MISSING       0
#define NGX_K8S_SECRET_GOOD          1
#define NGX_K8S_SECRET_BAD           2   /* perhaps with a last good record */

typedef struct {
    ngx_k8s_node_t          *node;
    ngx_queue_t              doomed;     /* in c->doomed */
    uint32_t                 slot;
    uint32_t                 generation; /* of the slot */
    ngx_uint_t               state;      /* NGX_K8S_SECRET_* */
    ngx_uint_t               said;       /* c->saying.stamp */
    uint32_t                 sum;        /* of what hosts depend on */
    uint32_t                 key_type;
    time_t                   not_before;
    time_t                   not_after;
    ngx_uint_t               age;        /* problem code, or 0 */
    ngx_str_t                reason;     /* why it is bad; malloc()ed */
    ngx_str_t                field;
    ngx_str_t                remedy;     /* static */
    ngx_k8s_data_state_t    *data;       /* uses by policies, malloc()ed; NULL:
                                            there are none */
    unsigned                 queued:1;   /* in c->doomed */
    unsigned                 full:1;     /* it did not fit */
} ngx_k8s_secret_state_t;


/* an Ingress that is left out as there is no room, or that waits for its turn;
   private memory, freed when it is let in or gone */

struct ngx_k8s_left_s {
    ngx_rbtree_node_t        node;       /* in c->left, the oldest first */
    ngx_rbtree_node_t        out;        /* in host->outs, the same */
    ngx_k8s_host_state_t    *host;       /* NULL: it is in none */
    ngx_k8s_entry_t         *entry;
    ngx_k8s_object_t         age;        /* what ngx_k8s_age_cmp() reads */
    size_t                   need;       /* free bytes to try it again */
    size_t                   cost;       /* about what it takes at most */
    size_t                   missing;
};

#define NGX_K8S_NEVER                ((size_t) -1)


/* problems of something that is no object */

typedef struct {
    ngx_queue_t              queue;
    uint32_t                 slot;
    ngx_str_t                kind;
    ngx_str_t                namespace;
    ngx_str_t                name;
} ngx_k8s_extra_t;


/* what the problem records of a namespace take, and its Secrets that policies
   name */

typedef struct {
    ngx_str_node_t           sn;
    size_t                   bytes;
    ngx_uint_t               records;
    size_t                   data;
} ngx_k8s_share_t;


/* the problems of an entry in the making; n and m say how far a stage is */

typedef struct {
    ngx_k8s_entry_t         *entry;      /* NULL: none */
    ngx_pool_t              *pool;       /* of the problems and their texts */
    ngx_array_t              problems;   /* ngx_k8s_problem_t */
    ngx_uint_t               stamp;
    ngx_uint_t               stage;
    ngx_k8s_link_t          *link;
    ngx_uint_t               n;
    ngx_uint_t               m;
    unsigned                 routed:1;   /* something leads to it */
    unsigned                 captured:1; /* a group that no path has is said, */
    unsigned                 looped:1;   /* or a redirect to itself */
} ngx_k8s_saying_t;

#define ngx_k8s_saying_full(s)                                                \
    ((s)->problems.nelts >= NGX_K8S_PROBLEM_ITEMS)


/* who leads to a rule record; several paths may */

typedef struct {
    uint32_t                 refs;
    uint32_t                 stamp;      /* c->stamp of the record that has
                                            looked at it last */
} ngx_k8s_rule_ref_t;


struct ngx_k8s_compile_s {
    ngx_k8s_compile_conf_t   conf;
    ngx_k8s_store_t         *store;
    ngx_k8s_writer_t        *writer;
    ngx_k8s_table_t         *table;
    ngx_log_t               *log;
    ngx_pool_t              *pool;       /* of one item of work */
    ngx_k8s_builder_t        builder;
    ngx_k8s_saying_t         saying;
    ngx_uint_t               stamp;
    ngx_uint_t               secrets;    /* raised when hosts may have others */
    ngx_int_t                budget;     /* of this item of work, where things
                                            of several kinds take from it */
    ngx_int_t                builds;     /* of policies, the same */
    ngx_int_t                slice;      /* things in one item of work, where
                                            they cost about the same */
    time_t                   now;

    ngx_rbtree_t             left;       /* ngx_k8s_left_t */
    ngx_rbtree_node_t        left_sentinel;
    ngx_k8s_left_t          *next;       /* to be looked at, NULL: none */
    size_t                   passed;     /* least need of those before it */
    ngx_queue_t              doomed;     /* certificates to be removed */
    ngx_queue_t              lent;       /* ngx_k8s_host_state_t: names whose
                                            TLS is the default certificate's */
    ngx_queue_t              relent;     /* those that are to be marked */
    ngx_queue_t              asked;      /* nodes of which it is not known
                                            whether they are there, those that
                                            wait longest first */
    ngx_queue_t              told;       /* nodes whose users are marked */
    ngx_queue_t              marking;    /* entries whose hosts are marked */
    ngx_queue_t              spent;      /* ngx_k8s_spent_t */
    ngx_queue_t              shed;       /* ngx_k8s_shed_t */
    ngx_k8s_serving_t       *serving;    /* one that may be used, or NULL */
    ngx_queue_t              extras;
    ngx_rbtree_t             shares;     /* ngx_k8s_share_t */
    ngx_rbtree_node_t        sentinel;
    ngx_uint_t               nproblems;  /* records now */
    ngx_queue_t              unsaid;     /* entries that are silent */
    ngx_uint_t               nunsaid;

    ngx_k8s_node_t          *root;       /* host "", pinned */
    ngx_k8s_node_t          *secret;     /* default certificate's, or NULL */
    ngx_k8s_node_t          *config;     /* the controller's ConfigMap's */
    ngx_str_t                default_namespace;
    ngx_str_t                default_service;
    ngx_str_t                default_port;

    ngx_rbtree_t             policies;   /* ngx_k8s_policy_state_t */
    ngx_rbtree_node_t        policies_sentinel;
    ngx_queue_t              checked;    /* the same, built last: at the end */
    ngx_queue_t              refusing;   /* those of which a class' key is
                                            refused */
    ngx_k8s_config_state_t   keys;
    ngx_k8s_rule_ref_t      *rules;      /* rule records, by slot */
    ngx_uint_t               nrules;

    ngx_rbtree_t             exprs;      /* ngx_k8s_expr_t */
    ngx_rbtree_t             owners;     /* namespaces that have them */
    ngx_rbtree_node_t        exprs_sentinel;
    ngx_uint_t               nexprs;
    ngx_uint_t               nfreed;     /* those that were, and are no more */
    ngx_queue_t              over;       /* ngx_k8s_host_state_t */
    ngx_k8s_patterns_t       patterns;   /* of names, in the making */

    size_t                   stuck_room; /* free bytes that may help */
    ngx_queue_t              roomless;   /* nodes that wait for room */
    ngx_queue_t              tried;      /* of these, with unsticking, those
                                            that are still to be looked at */
    size_t                   unstick_room;  /* for them, and how */
    ngx_int_t                unstick_rc; /* ngx_k8s_writer_seek() has ended */
    ngx_uint_t               sweep;      /* its row, and where it is */
    uint64_t                 cursor;
    uint64_t                 age;        /* with aging: key of the next Secret
                                            whose dates are looked at */
    unsigned                 aging:1;    /* time has passed */
    unsigned                 synced:1;
    unsigned                 certified:1;  /* default certificate made */
    unsigned                 walking:1;  /* store->walk goes on */
    unsigned                 started:1;
    unsigned                 swept:1;
    unsigned                 stuck:1;    /* some update did not fit */
    unsigned                 later:1;    /* one had room, but not in one piece,
                                            or still pinned */
    unsigned                 unsticking:1;  /* goes on */
    unsigned                 retry:1;    /* the next may be said */
};


/* the Ingresses of a namespace with a limit, the oldest first */

typedef struct ngx_k8s_member_s  ngx_k8s_member_t;

typedef struct {
    ngx_k8s_node_t          *node;
    ngx_rbtree_t             tree;       /* ngx_k8s_member_t */
    ngx_rbtree_node_t        sentinel;
    ngx_k8s_member_t        *next;       /* of a walk, NULL: none goes on */
    ngx_uint_t               routes;     /* of those before it */
    size_t                   bytes;
    unsigned                 again:1;    /* some came or went meanwhile */
} ngx_k8s_members_t;

struct ngx_k8s_member_s {
    ngx_rbtree_node_t        node;
    ngx_k8s_members_t       *members;
    ngx_k8s_entry_t         *entry;
};


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


/* whether it is known of a node if its object is there */

static ngx_inline ngx_uint_t
ngx_k8s_compile_named_known(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    return node->answered || c->conf.later == NULL;
}


/* the work on a node is not at its end, but the node is as it was */
void ngx_k8s_compile_resume(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);

/* removes some of what a predecessor left (ngx_k8s_compile_sweep.c), until
   c->swept */
ngx_int_t ngx_k8s_compile_sweep(ngx_k8s_compile_t *c);

/* marks (ngx_k8s_compile_mark.c) */
/* the object is left out, or is not any more */
void ngx_k8s_compile_claim_mark(ngx_k8s_claim_t *claim);
/* those that use a node, as their problems may change; hosts: theirs as well;
   told: the end of it */
void ngx_k8s_compile_tell(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_uint_t hosts);
void ngx_k8s_compile_told(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
/* an object, and its hosts; claims: what it claims of them may change */
void ngx_k8s_compile_mark_hosts(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_uint_t claims);
/* a piece of both; NGX_DONE: there is none */
ngx_int_t ngx_k8s_compile_marks(ngx_k8s_compile_t *c);

/*
 * How requests are spread over the endpoints of a port
 * (ngx_k8s_compile_spread.c): model() notes what is said for held->ports[0],
 * canary() what the primary says, sticky() is whether it has affinity by that;
 * NGX_ERROR: no memory.
 */
void ngx_k8s_spread_init(ngx_k8s_port_t *port);
ngx_int_t ngx_k8s_spread_model(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_k8s_model_t *model);
ngx_int_t ngx_k8s_spread_canary(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_k8s_item_t *canary, ngx_k8s_item_t *primary);
ngx_uint_t ngx_k8s_spread_sticky(ngx_k8s_item_t *item,
    ngx_k8s_item_t *canary);
void ngx_k8s_spread_release(ngx_k8s_compile_t *c, ngx_k8s_held_t *held);
/* at the end of all */
void ngx_k8s_spread_free(ngx_k8s_port_t *port);
/* what holds for a port, NULL: nothing is said */
ngx_k8s_spread_t *ngx_k8s_port_spread(ngx_k8s_port_t *port, ngx_uint_t n);
/* the same of all, for a record in the place of an old one, or NULL; texts are
   the port's or the record's */
void ngx_k8s_spread_fixed(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_rec_t *old, ngx_k8s_spread_t *spreads);
/* says of a model, whose backend a port is, where older ones have it spread in
   another way; as ngx_k8s_compile_note() */
ngx_int_t ngx_k8s_spread_notes(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_model_t *model, ngx_k8s_port_t *port, ngx_str_t *host);
/* all is compiled once */
void ngx_k8s_spread_settle(ngx_k8s_compile_t *c, ngx_k8s_port_t *port);

/* Secrets (ngx_k8s_compile_secret.c) */
ngx_int_t ngx_k8s_compile_secret(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_secret_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_secret_age(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
/* removes a certificate that nothing asks for; NGX_DONE: there is none */
ngx_int_t ngx_k8s_compile_doomed(ngx_k8s_compile_t *c);
ngx_int_t ngx_k8s_compile_default_certificate(ngx_k8s_compile_t *c);

/* the node's (ngx_k8s_compile_secret_state.c), made where there is none; NULL:
   no memory */
ngx_k8s_secret_state_t *ngx_k8s_compile_secret_state(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
/* a value of the Secret; data is NULL: it has no such key */
void ngx_k8s_compile_secret_data(ngx_k8s_secret_t *secret, ngx_str_t *name,
    ngx_str_t *value);
/* whether it cannot be read any more, and nothing but its name is known; that
   in words, in c->pool, and what to do */
ngx_uint_t ngx_k8s_compile_secret_lost(ngx_k8s_secret_t *secret);
ngx_str_t ngx_k8s_compile_secret_unread(ngx_k8s_compile_t *c,
    ngx_k8s_secret_t *secret);
extern ngx_str_t  ngx_k8s_compile_secret_mend;

/* texts (ngx_k8s_compile_note.c), in the pool of the array, or c->pool */
ngx_int_t ngx_cdecl ngx_k8s_compile_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_uint_t code, ngx_str_t *host, ngx_str_t *field, const char *fmt, ...);
/* the same of a text, which is copied, and a static remedy; NULL or empty:
   that of the code */
ngx_int_t ngx_k8s_compile_advise(ngx_array_t *a, ngx_uint_t code,
    ngx_str_t *host, ngx_str_t *field, ngx_str_t *text, ngx_str_t *remedy);
/* problems that are there, not copied: what reading an object has found */
ngx_int_t ngx_k8s_compile_advise_all(ngx_array_t *a, ngx_k8s_problem_t *own,
    ngx_uint_t n);
ngx_str_t ngx_cdecl ngx_k8s_compile_text(ngx_k8s_compile_t *c,
    const char *fmt, ...);
/* the field of an annotation */
ngx_int_t ngx_k8s_compile_value_field(ngx_array_t *a, ngx_k8s_value_t *value,
    ngx_str_t *field);

/* problems (ngx_k8s_compile_problem.c) */
ngx_int_t ngx_k8s_compile_entry(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
/* what one host has to say of c->saying.entry, from path c->saying.n and tls
   entry c->saying.m on
   (ngx_k8s_compile_notes.c); NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_compile_notes(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget);

/*
 * What is seldom meant (ngx_k8s_compile_hint.c).  object(): annotations of one
 * that is taken; captures(): of the path of an item that is served; keys(): of
 * the controller's ConfigMap; config(): a ConfigMap that looks like that;
 * headers(): the text of those that a value names.
 */
ngx_int_t ngx_k8s_hint_object(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a);
ngx_int_t ngx_k8s_hint_captures(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item);
/* redirects that lead to themselves (ngx_k8s_compile_loop.c): of an item, and
   whether the text of app-root is one */
ngx_int_t ngx_k8s_hint_loop(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item);
ngx_uint_t ngx_k8s_hint_loop_root(ngx_str_t *root);
ngx_int_t ngx_k8s_hint_keys(ngx_k8s_compile_t *c, ngx_k8s_policy_state_t *keys,
    ngx_array_t *a);
ngx_int_t ngx_k8s_hint_config(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_array_t *a);
ngx_int_t ngx_k8s_hint_headers(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_uint_t code, ngx_str_t *field, ngx_k8s_policy_value_t *value,
    ngx_str_t *text);

/* problem records (ngx_k8s_compile_say.c) */
/* what is in no store, whose records have keys of their own: what cannot be
   read, which is logged where that is met, and directives */

#define NGX_K8S_EXTRA_REFUSED        1
#define NGX_K8S_EXTRA_DIRECTIVE      2

/* one record in *slot (0: none), removed with n == 0; extra: 0, or one of the
   above; NGX_DECLINED: not all of them had room */
ngx_int_t ngx_k8s_compile_say(ngx_k8s_compile_t *c, uint32_t *slot,
    ngx_uint_t extra, ngx_str_t *kind, ngx_str_t *ns, ngx_str_t *name,
    ngx_uint_t n, ngx_k8s_problem_t *problems);
void ngx_k8s_compile_unsay(ngx_k8s_compile_t *c, uint32_t *slot,
    ngx_uint_t extra);
/* the problem of what a directive of the block says; NULL: it has none */
void ngx_k8s_compile_directive(ngx_k8s_compile_t *c, ngx_str_t *name,
    ngx_k8s_problem_t *problem);
/* notes whether all problems of an object are said */
void ngx_k8s_compile_silent(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    ngx_uint_t silent);
/* tries the one that has waited longest; NGX_DONE: no room has appeared */
ngx_int_t ngx_k8s_compile_unsaid(ngx_k8s_compile_t *c);
void ngx_k8s_compile_shares_free(ngx_k8s_compile_t *c);
/* Secrets of a namespace take so many bytes in place of others: NGX_OK;
   NGX_DECLINED, more than its share, nothing has changed; NGX_ERROR: no memory.
   Less is always taken */
ngx_int_t ngx_k8s_compile_share_data(ngx_k8s_compile_t *c, ngx_str_t *ns,
    size_t bytes, size_t was);

/* limits (ngx_k8s_compile_limit.c) */
ngx_int_t ngx_k8s_compile_namespace(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
void ngx_k8s_compile_namespace_free(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
/* the store's: the link of an Ingress to its namespace ends */
void ngx_k8s_compile_member_unlink(ngx_k8s_link_t *link);
/* puts the record in the making with "spare" bytes more; keep: where room is
   short, or "old" is small, it is not made smaller; its slot, 0: no room */
uint32_t ngx_k8s_compile_put_spare(ngx_k8s_compile_t *c,
    ngx_k8s_builder_t *b, ngx_k8s_record_t *old, size_t spare,
    ngx_uint_t keep);
/* about the bytes that an Ingress takes: as if it shared nothing, and alone
   for its paths */
void ngx_k8s_compile_cost(ngx_k8s_model_t *model, ngx_uint_t *routes,
    size_t *most, size_t *least);
/* an update did not fit; tried again when "need" bytes are free, or, where the
   last put was refused only for now, when there is room for that; 0: then */
void ngx_k8s_compile_stuck(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    size_t need);
/* NGX_OK when updates are to be tried again, some at a time; NGX_DONE */
ngx_int_t ngx_k8s_compile_unstick(ngx_k8s_compile_t *c);

/* what is left out (ngx_k8s_compile_left.c) */
/* NGX_OK when the host of a link may take it, NGX_DECLINED: not now */
ngx_int_t ngx_k8s_compile_ask(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
ngx_int_t ngx_k8s_compile_leave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry,
    size_t need, size_t missing);
void ngx_k8s_compile_unleave(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
/* what is left out makes a record of the host too large for any zone */
void ngx_k8s_compile_oversize(ngx_k8s_host_state_t *state,
    ngx_k8s_left_t *left);
/* one of these is smaller now: they are tried again, those behind "without",
   which has been left out, or all */
void ngx_k8s_compile_smaller(ngx_k8s_host_state_t *state,
    ngx_k8s_left_t *without);
/* with state->fitting: one of them */
void ngx_k8s_compile_fitting(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
void ngx_k8s_compile_outs_init(ngx_k8s_host_state_t *state);
/* the state of the host is freed */
void ngx_k8s_compile_outs_free(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
/* lets in the oldest for which there is room; NGX_DONE: none */
ngx_int_t ngx_k8s_compile_admit(ngx_k8s_compile_t *c);
void ngx_k8s_compile_left_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);


#endif /* _NGX_K8S_COMPILE_STATE_H_INCLUDED_ */
