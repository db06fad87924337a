
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
#define NGX_K8S_SLICE                512
#define NGX_K8S_BUDGET               8     /* slices of endpoints */


/* why a port has no endpoint; of several reasons the last one here */

#define NGX_K8S_WHY_NONE             0
#define NGX_K8S_WHY_NO_SLICE         1
#define NGX_K8S_WHY_NO_ADDRESS       2   /* of a Service of manifests */
#define NGX_K8S_WHY_EMPTY            3
#define NGX_K8S_WHY_UNLABELLED       4
#define NGX_K8S_WHY_FQDN             5
#define NGX_K8S_WHY_PORT             6
#define NGX_K8S_WHY_UNREADY          7
#define NGX_K8S_WHY_REFUSED          8


/* one port of a Service that routes use: a service record */

typedef struct {
    ngx_rbtree_node_t        rbnode;     /* state->tree, by port and protocol */
    ngx_queue_t              queue;      /* in the node's service state */
    ngx_k8s_node_t          *node;
    ngx_str_t                port;       /* as the routes write it */
    ngx_str_t                protocol;   /* "TCP", "UDP" */
    uint32_t                 slot;
    ngx_uint_t               refs;       /* host records that lead here */
    ngx_uint_t               said;       /* c->saying.stamp */
    ngx_uint_t               stamp;      /* c->stamp, and with it: */
    ngx_uint_t               index;      /* action in the host record */
    uint32_t                 flags;      /* NGX_K8S_SERVICE_* */
    uint32_t                 usable;
    ngx_uint_t               why;        /* none is usable: NGX_K8S_WHY_* */
    ngx_uint_t               cut;        /* endpoints that did not fit */
    ngx_uint_t               nrefused;   /* addresses that may not be used */
    ngx_uint_t               refused_len;
    u_char                   refused[64];  /* the first of them */
    unsigned                 full:1;     /* an update did not fit */
} ngx_k8s_port_t;

typedef struct ngx_k8s_piece_s          ngx_k8s_piece_t;
typedef struct ngx_k8s_serving_s        ngx_k8s_serving_t;
typedef struct ngx_k8s_service_state_s  ngx_k8s_service_state_t;


/* an endpoint of an EndpointSlice that may be served */

typedef struct {
    ngx_rbtree_node_t        node;       /* state->candidates[], by address */
    ngx_k8s_piece_t         *part;
    ngx_k8s_slice_endpoint_t *source;    /* of the slice */
    u_char                   addr[16];
    uint8_t                  flags;      /* NGX_K8S_ENDPOINT_* */
    unsigned                 refused:1;  /* its address cannot be used */
} ngx_k8s_candidate_t;


/* an EndpointSlice; it lies in place as long as its link does */

struct ngx_k8s_piece_s {
    ngx_queue_t              queue;      /* state->parts, or state->gone */
    ngx_k8s_service_state_t *state;
    ngx_k8s_link_t          *link;
    ngx_k8s_endpoint_slice_t *slice;
    ngx_uint_t               family6;
    ngx_uint_t               number;     /* port of its endpoints, for the
                                            port in the making; 0: none */
    ngx_uint_t               next;       /* endpoint to be looked at */
    ngx_uint_t               n;          /* candidates */
    ngx_k8s_candidate_t      candidates[1];
};


/* while routes lead to a Service; private memory, freed in its turn when none
   does any more */

struct ngx_k8s_service_state_s {
    ngx_k8s_node_t          *node;
    ngx_queue_t              ports;      /* ngx_k8s_port_t */
    ngx_rbtree_t             tree;       /* the same */
    ngx_queue_t              parts;      /* ngx_k8s_piece_t */
    ngx_queue_t              gone;       /* those whose slice is gone */
    ngx_rbtree_t             candidates[2];  /* IPv4, IPv6 */
    ngx_rbtree_node_t        sentinel;
    ngx_k8s_piece_t         *fresh;      /* of which not all is in a tree */
    ngx_k8s_port_t          *port;       /* to be made next; NULL: none */
    ngx_k8s_serving_t       *serving;    /* its record in the making, or NULL */
    unsigned                 again:1;    /* all ports are to be made */
};


/* an endpoint of a record in the making */

typedef struct {
    ngx_k8s_endpoint_rec_t   rec;
    uint64_t                 identity;
} ngx_k8s_endpoint_t;


#define NGX_K8S_SERVING_PARTS        0   /* ports of the slices */
#define NGX_K8S_SERVING_WALK         1   /* over the candidates */
#define NGX_K8S_SERVING_OTHER        2   /* of the other family */
#define NGX_K8S_SERVING_ALLOC        3
#define NGX_K8S_SERVING_FILL         4   /* endpoints, with statistics */
#define NGX_K8S_SERVING_SUM          5   /* checksum */
#define NGX_K8S_SERVING_PUT          6

/* the service record of a port in the making, over several items of work */

struct ngx_k8s_serving_s {
    ngx_k8s_builder_t        builder;
    ngx_pool_t              *pool;       /* of the arrays */
    ngx_k8s_port_t          *port;
    ngx_k8s_port_t           now;        /* what it will be */
    ngx_k8s_service_port_t   sp;         /* its numbers, and its name */
    ngx_uint_t               stage;      /* NGX_K8S_SERVING_* */
    uint64_t                 identity;   /* of the Service, hashed */
    ngx_k8s_piece_t         *part;
    ngx_k8s_candidate_t     *next;
    ngx_uint_t               tree;       /* state->candidates[] */
    ngx_array_t              ready;      /* ngx_k8s_endpoint_t */
    ngx_array_t              others;
    ngx_array_t              got;        /* statistics that it has taken */
    ngx_array_t              left;       /* those of the old record that it
                                            does not take over */
    uint32_t                 list;       /* endpoints in the record */
    ngx_uint_t               n;          /* how many */
    ngx_uint_t               at;
    ngx_uint_t               old[2];     /* of the old record: next one that is
                                            ready, and next other one */
    u_char                   from[16];   /* with "seek": address of "next",
                                            which is gone */
    unsigned                 seek:1;
    unsigned                 bare:1;     /* without statistics: too large */
    unsigned                 put:1;
    unsigned                 cut:1;      /* to what the old record's place
                                            holds */
};


/* statistics to be given back */

typedef struct {
    ngx_queue_t              queue;
    ngx_uint_t               n;
    uint32_t                 stats[1];
} ngx_k8s_spent_t;


typedef struct ngx_k8s_host_state_s  ngx_k8s_host_state_t;


/* a policy record, by its key, with what its objects say; malloc()ed whole */

typedef struct {
    ngx_k8s_row_t           *row;
    ngx_str_t                value;
    u_char                  *refused;    /* what nginx says of it, malloc()ed,
                                            with a final zero; NULL: nothing */
    ngx_k8s_node_t          *named;      /* ConfigMap that it names, pinned; or
                                            NULL */
} ngx_k8s_policy_value_t;

#define NGX_K8S_POLICY_PORTS         2

typedef struct {
    ngx_str_node_t           sn;         /* c->policies, by digest */
    ngx_queue_t              queue;      /* c->checked */
    u_char                   digest[NGX_K8S_POLICY_DIGEST];
    ngx_str_t                key;        /* of its record: the digest, or that
                                            of keys */
    uint32_t                 slot;       /* 0: there is no record */
    ngx_uint_t               refs;       /* matches of host records */
    ngx_k8s_port_t          *ports[NGX_K8S_POLICY_PORTS];  /* of error pages,
                                            its own and the block's; or NULL */
    ngx_uint_t               stamp;      /* of the ConfigMap over which it was
                                            built last */
    ngx_k8s_node_t          *follows;    /* of a route: what it names; NULL */
    ngx_queue_t              names;      /* with "follows": those that do */
    ngx_uint_t               version;    /* of that in its record */
    ngx_uint_t               n;
    unsigned                 closed:1;   /* all routes are closed */
    unsigned                 stale:1;    /* its record is */
    ngx_k8s_policy_value_t   values[1];  /* by row */
} ngx_k8s_policy_state_t;


/* the keys of the controller's ConfigMap */

#define NGX_K8S_CONFIG_INTERVAL      100  /* milliseconds, between changes */

typedef struct {
    ngx_k8s_policy_state_t  *policy;     /* in force, NULL: not yet */
    ngx_k8s_policy_state_t  *next;       /* in the making, or NULL */
    ngx_pool_t              *pool;       /* of the problems */
    ngx_array_t              problems;   /* ngx_k8s_problem_t */
    u_char                   digest[NGX_K8S_DIGEST];  /* of the object that was
                                                         read, 0: none */
    ngx_uint_t               stamp;      /* raised by each change that policies
                                            are built over */
    ngx_msec_t               time;       /* of the last change */
    unsigned                 stale:1;    /* records of some policies are */
    unsigned                 again:1;    /* what it names has changed */
} ngx_k8s_config_state_t;


/* regular expressions of paths */

#define NGX_K8S_EXPRS                3840  /* in all, twice of which a worker
                                              keeps */
#define NGX_K8S_REGEX_EXPRS          256   /* of a host */
#define NGX_K8S_REGEX_PATHS          1000  /* with the other paths of it */
#define NGX_K8S_REGEX_LOOK           4096  /* looked at to find them */

typedef struct ngx_k8s_expr_s  ngx_k8s_expr_t;


/* the records that a match of a host record leads to */

typedef struct ngx_k8s_item_s  ngx_k8s_item_t;

typedef struct {
    ngx_rbtree_node_t        node;       /* state->helds, as the item's */
    ngx_k8s_item_t          *item;       /* NULL: it is not in there */
    ngx_uint_t               stamp;      /* c->stamp: of the record in the
                                            making */
    uint32_t                 rule;       /* slot */
    uint32_t                 nports;
    ngx_uint_t               epoch;      /* of the host, when it was made */
    ngx_k8s_policy_state_t  *policy;     /* NULL: none */
    ngx_k8s_expr_t          *expr;       /* of the path, NULL: it is none */
    ngx_uint_t               fresh;      /* no record has it yet */
    ngx_k8s_port_t          *ports[1];   /* of targets, then of mirrors; NULL:
                                            closed */
} ngx_k8s_held_t;


#define ngx_k8s_held_policy(held)    ((held)->policy ? (held)->policy->slot : 0)


/* an object as one host sees it, over its versions */

typedef struct {
    ngx_rbtree_node_t        node;       /* state->claims, by age */
    ngx_rbtree_node_t        marked;     /* state->marked, by age */
    ngx_queue_t              queue;      /* state->work */
    ngx_k8s_host_state_t    *state;
    ngx_k8s_entry_t         *entry;      /* while there is a link */
    ngx_k8s_link_t          *link;       /* NULL: the object is gone */
    ngx_k8s_model_t         *model;      /* of the items, NULL: none; held */
    ngx_k8s_model_host_t    *host;
    uint32_t                *listeners;  /* of the items, as in the link;
                                            malloc()ed, NULL: none */
    uint32_t                 nlisteners;
    uint32_t                 listener;   /* with c->stamp: where they are in */
    ngx_uint_t               stamp;      /* the record in the making */
    ngx_k8s_item_t         **items;      /* in the order of the model */
    ngx_uint_t               nitems;

    ngx_k8s_model_t         *next;       /* of a change that goes on; held */
    ngx_k8s_model_host_t    *next_host;
    ngx_k8s_item_t         **next_items;
    ngx_uint_t               nnext;
    ngx_uint_t               head;       /* items that both versions begin */
    ngx_uint_t               tail;       /* and end with */
    ngx_uint_t               done;       /* items that came and went */
    uint32_t                 rule;       /* place in the model: where the */
    uint32_t                 match;      /* change stands */
    ngx_uint_t               stage;
    ngx_uint_t               walked;     /* state->walks, when its items were
                                            taken as regular expressions, */
    ngx_uint_t               nwalked;    /* and how many were */
    ngx_uint_t               lost;       /* state->written when an item left it
                                            that a record had */
    unsigned                 queued:1;
    unsigned                 placed:1;   /* in state->claims */
    unsigned                 listed:1;   /* in state->marked */
    unsigned                 aliases:1;  /* has some for the host */
    unsigned                 twins:1;    /* redirects its twin */
} ngx_k8s_claim_t;


/* a match of an object, which competes for a path of a host */

struct ngx_k8s_item_s {
    ngx_rbtree_node_t        node;       /* state->items */
    ngx_k8s_claim_t         *claim;
    ngx_k8s_model_rule_t    *rule;
    ngx_k8s_model_match_t   *match;
    ngx_k8s_held_t          *held;       /* NULL: no record has it */
    ngx_k8s_item_t          *next;       /* in state->gone */
    ngx_k8s_item_t          *twin;       /* adds the slash at its end */
    ngx_queue_t              told;       /* in state->told, with "telling" */
    unsigned                 slash:1;    /* is a twin */
    unsigned                 canary:1;   /* behind all of its path that are
                                            none */
    unsigned                 telling:1;
    unsigned                 tried:1;    /* as a regular expression, */
    unsigned                 bad:1;      /* which it is not, */
    unsigned                 over:1;     /* or which is one too many */
};


/* a record of paths: the part of the items with its range of hashes */

typedef struct {
    ngx_k8s_slot_ref_t       ref;        /* slot 0: not written */
    unsigned                 dirty:1;
    unsigned                 full:1;     /* did not fit */
    unsigned                 stale:1;    /* and leads to what has gone */
    unsigned                 again:1;    /* holds what it does not lead to */
} ngx_k8s_shard_t;


/* shards that nothing leads to any more; both malloc()ed */

typedef struct {
    ngx_queue_t              queue;
    ngx_k8s_shard_t         *shards;
    ngx_uint_t               n;          /* that are still there */
} ngx_k8s_shed_t;


/* the choice of a host's certificates from the tls entries of an object */

#define NGX_K8S_TLS_BEGIN            0
#define NGX_K8S_TLS_LISTED           1   /* entries that list the host */
#define NGX_K8S_TLS_ANY              2   /* none does */
#define NGX_K8S_TLS_DONE             3

typedef struct {
    ngx_uint_t               stage;      /* NGX_K8S_TLS_* */
    ngx_uint_t               next;       /* entry to be looked at */
    ngx_uint_t               secrets;    /* c->secrets, when it began */
    uint32_t                 types[NGX_K8S_KEY_TYPES];
    ngx_k8s_slot_ref_t       certs[NGX_K8S_KEY_TYPES];
    ngx_uint_t               ncerts;
} ngx_k8s_tls_scan_t;


/* what a name of a host is */

#define NGX_K8S_NAME_NONE            0
#define NGX_K8S_NAME_HOST            1
#define NGX_K8S_NAME_ALIAS           2
#define NGX_K8S_NAME_TWIN            3   /* redirected to a host */
#define NGX_K8S_NAME_PATTERNS        4   /* no name */

struct ngx_k8s_host_state_s {
    ngx_k8s_node_t          *node;
    uint32_t                 slot;
    ngx_rbtree_t             claims;
    ngx_rbtree_t             marked;     /* those with tls, of the host ""
                                            those with its default backend */
    ngx_rbtree_t             items;
    ngx_rbtree_t             helds;      /* ngx_k8s_held_t: those of them that
                                            records have */
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              work;       /* claims that change */
    ngx_queue_t              told;       /* items of which something else is
                                            to be said, with all behind them
                                            that compete for their path */
    ngx_k8s_claim_t         *saying;     /* of all claims, of which something
                                            else is to be said; NULL: none */
    ngx_k8s_claim_t         *telling;    /* of the claims in "marked" */
    ngx_queue_t             *heir;       /* of the children, whose TLS may
                                            change; NULL: none */
    ngx_k8s_item_t          *gone;       /* not in the tree, perhaps still in
                                            a record */
    ngx_uint_t               npaths;     /* different ones in the tree */
    ngx_uint_t               longest;    /* most path elements ever seen */

    ngx_k8s_shard_t         *shards;
    ngx_k8s_shard_t         *old;        /* until the host record leads to */
    ngx_uint_t               nshards;    /* the new ones; 0: none, all is in */
    ngx_uint_t               nold;       /* the host record */
    ngx_uint_t               ndirty;
    ngx_uint_t               cursor;
    ngx_uint_t               epoch;      /* raised by each move, and its end
                                            where it is given up */
    ngx_rbtree_key_t         undo;       /* with undoing: of the item at which
                                            that goes on */

    ngx_k8s_claim_t         *fallback;   /* whose default backend is served */
    ngx_k8s_held_t          *fallback_held;
    ngx_k8s_held_t          *fallback_next;  /* waits for its record */
    ngx_k8s_claim_t         *tls_claim;  /* whose certificates are served */
    ngx_k8s_tls_scan_t       scan;       /* of them */
    ngx_k8s_slot_ref_t       certs[NGX_K8S_KEY_TYPES];
    ngx_uint_t               ncerts;
    ngx_k8s_claim_t         *blamed;     /* said that a change did not fit */
    size_t                   missing;
    size_t                   room;       /* before its work began */
    size_t                   need;       /* with partial: for all of it */
    ngx_uint_t               waited;     /* times in a row that it waited for
                                            room in one piece, or pins */
    ngx_k8s_claim_t         *youngest;   /* of which something was skipped, of
                                            the record in the making */
    ngx_k8s_claim_t         *grown;      /* by which it has grown */
    ngx_uint_t               nclosing;   /* claims that close the host */
    ngx_uint_t               nregex;     /* those that make all its paths
                                            regular expressions */
    ngx_uint_t               nroot;      /* those that redirect "/" */
    ngx_uint_t               walks;      /* times that all paths were taken as
                                            such */
    ngx_uint_t               cut_claims; /* claims that had a place then, 0: all
                                            had, */
    ngx_uint_t               cut_items;  /* and items of the last one */
    ngx_queue_t              waits;      /* with over: in c->over */
    ngx_uint_t               nfreed;     /* with over: c->nfreed then */
    ngx_uint_t               written;    /* times that all was written, or at
                                            least all that has changed; not 0 */
    ngx_k8s_node_t          *parent;     /* wildcard host, of another name the
                                            host that it leads to; pinned; NULL
                                            of a wildcard itself */
    ngx_queue_t              children;   /* siblings below a wildcard */
    ngx_queue_t              aliases;    /* siblings that lead to it */
    ngx_queue_t              sibling;
    ngx_uint_t               kind;       /* NGX_K8S_NAME_* */
    ngx_k8s_entry_t         *winner;     /* whose host or alias it is */
    ngx_k8s_claim_t         *alias_claim;  /* whose aliases count, the oldest
                                            one that has any */
    ngx_uint_t               ntwins;     /* claims that redirect its twin */
    unsigned                 tls:1;
    unsigned                 attached:1; /* in the parent's children */
    unsigned                 head:1;     /* the host record is to be written */
    unsigned                 moving:1;   /* to another number of shards */
    unsigned                 undoing:1;  /* what that has held is released */
    unsigned                 going:1;    /* its work is not at its end */
    unsigned                 full:1;     /* the host record did not fit */
    unsigned                 stale:1;    /* and leads to what has gone */
    unsigned                 stuck:1;    /* some record did not */
    unsigned                 partial:1;  /* the next one without what is new */
    unsigned                 skipped:1;  /* something was left out */
    unsigned                 over:1;     /* its expressions are more than its
                                            namespaces may have */
    unsigned                 large:1;    /* no zone of this size has one */
    unsigned                 oversize:1; /* an object was left out for that */
};


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
    ngx_int_t                slice;      /* things in one item of work, where
                                            they cost about the same */
    time_t                   now;

    ngx_rbtree_t             left;       /* ngx_k8s_left_t */
    ngx_rbtree_node_t        left_sentinel;
    ngx_k8s_left_t          *next;       /* to be looked at, NULL: none */
    size_t                   passed;     /* least need of those before it */
    ngx_queue_t              doomed;     /* certificates to be removed */
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
    ngx_k8s_config_state_t   keys;
    ngx_k8s_rule_ref_t      *rules;      /* rule records, by slot */
    ngx_uint_t               nrules;

    ngx_rbtree_t             exprs;      /* ngx_k8s_expr_t */
    ngx_rbtree_t             owners;     /* namespaces that have them */
    ngx_rbtree_node_t        exprs_sentinel;
    ngx_uint_t               nexprs;
    ngx_uint_t               nfreed;     /* those that were, and are no more */
    ngx_queue_t              over;       /* ngx_k8s_host_state_t */

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


/* a path of a record in the making, with its matches in the order of trial */

typedef struct {
    ngx_uint_t               type;       /* NGX_K8S_PATH_* */
    ngx_str_t                text;       /* as kept */
    ngx_uint_t               first;      /* in making->items */
    ngx_uint_t               n;
    ngx_uint_t               rewrite;    /* to the target of its model */
} ngx_k8s_place_t;

/* a match before that of an item, for requests that a canary gets, or not */

typedef struct {
    ngx_uint_t               what;       /* NGX_K8S_PREDICATE_* */
    ngx_uint_t               how;
    ngx_str_t                name;
    ngx_str_t                value;
    uint32_t                 action;
} ngx_k8s_trial_t;

/* a record of paths in the making */

typedef struct {
    ngx_k8s_host_state_t    *state;
    ngx_array_t              places;     /* ngx_k8s_place_t, sorted */
    ngx_array_t              items;      /* ngx_k8s_item_t * */
    ngx_array_t              stale;      /* ngx_k8s_item_t *, in it before */
    ngx_array_t              actions;    /* ngx_k8s_action_t */
    ngx_array_t              backends;   /* ngx_k8s_backend_rec_t */
    ngx_array_t              mirrors;    /* ngx_k8s_mirror_rec_t */
    ngx_array_t              listeners;  /* uint32_t, slots */
    ngx_array_t              closed;     /* uint32_t, sorted: those for which
                                            a path has no more matches */
    ngx_uint_t               npredicates;
    uint32_t                *action;     /* of each item */
    ngx_array_t              holds;      /* ngx_k8s_item_t *, with canaries */
    ngx_array_t              trials;     /* ngx_k8s_trial_t */
    uint32_t                *trial;      /* the first one of each item, and
                                            where those of the last one end */
    ngx_int_t                none;       /* where no path matches, or -1 */
    ngx_k8s_target_t        *fallback;
    ngx_k8s_held_t          *fallback_held;
    ngx_k8s_slot_ref_t       certs[NGX_K8S_KEY_TYPES];
    ngx_uint_t               ncerts;
    ngx_uint_t               tls;
    unsigned                 head:1;     /* the host record */
    unsigned                 fallback_rewrite:1;
    unsigned                 rewrite:1;  /* the path that is written */
    unsigned                 closed_all:1;  /* all listeners */
} ngx_k8s_making_t;


/* hosts of Ingresses, which have what its defaults say */

#define ngx_k8s_compile_ingress(node)                                         \
    ((node)->route_set == 0 && (node)->class == NGX_K8S_CLASS_HTTP)


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


/* the work on a node is not at its end, but the node is as it was */
void ngx_k8s_compile_resume(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);

/* hosts (ngx_k8s_compile_host.c); NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_compile_host(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_host_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);

/* removes some of what a predecessor left (ngx_k8s_compile_sweep.c), until
   c->swept */
ngx_int_t ngx_k8s_compile_sweep(ngx_k8s_compile_t *c);

/* shards (ngx_k8s_compile_shards.c) */
/* how many are wanted where there are n */
ngx_uint_t ngx_k8s_shards_wanted(ngx_k8s_host_state_t *state, ngx_uint_t n);
/* begins to write another number of them; the end of it; back to the old ones,
   as the new ones do not fit, or are not wanted any more */
ngx_int_t ngx_k8s_shards_move(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_uint_t n);
void ngx_k8s_shards_moved(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);
void ngx_k8s_shards_unmove(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);
void ngx_k8s_shards_remove(ngx_k8s_compile_t *c, ngx_k8s_shard_t *shards,
    ngx_uint_t n);
/* with state->undoing: releases some of what the new ones led to */
void ngx_k8s_shards_undo(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);
/* removes some shards that nothing leads to; NGX_DONE: there are none */
ngx_int_t ngx_k8s_compile_shed(ngx_k8s_compile_t *c);
/* records that did not fit are to be written */
void ngx_k8s_shards_again(ngx_k8s_host_state_t *state);
/* whether a slot is that of one of the host's shards */
ngx_uint_t ngx_k8s_compile_shard_find(ngx_k8s_node_t *node, uint32_t slot);

/* what does not fit (ngx_k8s_compile_full.c) */
/* NGX_OK: it waits, NGX_AGAIN: it may go on otherwise, NGX_ERROR */
ngx_int_t ngx_k8s_compile_refuse(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
/* a record is written: whether something of it waits for room */
ngx_uint_t ngx_k8s_compile_written(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
/* of whom it is said that a change of the host waits for room; NULL: of none */
void ngx_k8s_compile_blame(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_claim_t *claim);
/* whether a record is not as it should be, as there was no room; stale: one
   leads to what has gone */
ngx_uint_t ngx_k8s_compile_short(ngx_k8s_host_state_t *state,
    ngx_uint_t *stale);

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

/* objects of a host (ngx_k8s_compile_claim.c) */
/* takes over what has changed of them; NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_compile_claims(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
/* the store's: the link ends */
void ngx_k8s_compile_unlink(ngx_k8s_link_t *link);
void ngx_k8s_claims_free(ngx_k8s_host_state_t *state);
void ngx_k8s_claims_init(ngx_k8s_host_state_t *state);
/* the oldest of state->marked, or NULL */
ngx_k8s_claim_t *ngx_k8s_claim_marked(ngx_k8s_host_state_t *state);
/* what is said of those in state->marked has changed */
void ngx_k8s_claim_tell(ngx_k8s_host_state_t *state);
/* whether others are still to be told of a change of the host */
#define ngx_k8s_heir_pass(state, child)                                       \
    (state)->heir = ngx_queue_next(&(child)->sibling);                        \
    if ((state)->heir == ngx_queue_sentinel(&(state)->children)) {            \
        (state)->heir = NULL;                                                 \
    }
#define ngx_k8s_host_telling(state)                                           \
    ((state)->saying || (state)->telling || (state)->heir                     \
     || !ngx_queue_empty(&(state)->told))

/* their paths (ngx_k8s_compile_item.c) */
ngx_k8s_item_t *ngx_k8s_item_add(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_model_rule_t *rule, ngx_k8s_model_match_t *match);
void ngx_k8s_item_remove(ngx_k8s_item_t *item);
/* marks the object of the first of state->told, and goes on to the next */
void ngx_k8s_item_told(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);
void ngx_k8s_item_free(ngx_k8s_item_t *item);
/* whether the record in the making does without it, with state->partial: what
   is new waits for room, what takes the place of something does not */
ngx_uint_t ngx_k8s_item_skip(ngx_k8s_item_t *item);
void ngx_k8s_item_text(ngx_k8s_item_t *item, ngx_str_t *text);
/* the first item of shard n, or of the host record: of all without shards,
   else of the regular expressions; the next; whether an item is one of them */
ngx_k8s_item_t *ngx_k8s_item_first(ngx_k8s_host_state_t *state,
    ngx_uint_t head, ngx_uint_t n);
ngx_k8s_item_t *ngx_k8s_item_next(ngx_k8s_item_t *item);
ngx_k8s_item_t *ngx_k8s_item_prev(ngx_k8s_item_t *item);
/* the first canary of its path, or what stands there; the first item behind all
   of its path; NULL: there is none */
ngx_k8s_item_t *ngx_k8s_item_canary(ngx_k8s_item_t *item);
ngx_k8s_item_t *ngx_k8s_item_behind(ngx_k8s_item_t *item);
/* what an item leads to is in the tree of the host while it has it */
void ngx_k8s_item_hold(ngx_k8s_item_t *item, ngx_k8s_held_t *held);
/* not any more: it stays until the records that have it are written anew */
void ngx_k8s_item_unhold(ngx_k8s_item_t *item);
/* nor is it held (ngx_k8s_compile_hold.c) */
void ngx_k8s_item_release(ngx_k8s_compile_t *c, ngx_k8s_item_t *item);
/* the same as first(), within() and next() of what is held */
ngx_k8s_held_t *ngx_k8s_held_from(ngx_k8s_host_state_t *state,
    ngx_rbtree_key_t key);
ngx_k8s_held_t *ngx_k8s_held_next(ngx_k8s_held_t *held);
ngx_rbtree_key_t ngx_k8s_item_key(ngx_k8s_host_state_t *state, ngx_uint_t head,
    ngx_uint_t n);
/* the first one of its path */
ngx_k8s_item_t *ngx_k8s_item_leader(ngx_k8s_item_t *item);
/* which of two objects of a host is older; < 0: the first */
/* canaries are behind all others */
ngx_int_t ngx_k8s_claim_cmp(ngx_k8s_claim_t *one, ngx_k8s_claim_t *two);
ngx_uint_t ngx_k8s_item_within(ngx_k8s_item_t *item, ngx_uint_t head,
    ngx_uint_t n);
void ngx_k8s_items_init(ngx_k8s_host_state_t *state);
/* whether a match of a new version makes the same record */
ngx_uint_t ngx_k8s_item_equal(ngx_k8s_item_t *item,
    ngx_k8s_model_rule_t *rule, ngx_k8s_model_match_t *match);
/* whether two items compete for one path, each on its listeners */
ngx_uint_t ngx_k8s_item_same(ngx_k8s_item_t *one, ngx_k8s_item_t *two);
/* an item that keeps this one from being reached, or NULL */
ngx_k8s_item_t *ngx_k8s_item_shadow(ngx_k8s_item_t *item);
void ngx_k8s_shard_mark(ngx_k8s_host_state_t *state, ngx_uint_t n);
/* of two slots, for sorting */
int ngx_libc_cdecl ngx_k8s_listener_cmp(const void *one, const void *two);

/* what records lead to (ngx_k8s_compile_hold.c); NGX_DECLINED: no room;
   NGX_AGAIN: it is held, and a record of a Service is still in the making */
ngx_int_t ngx_k8s_compile_hold(ngx_k8s_compile_t *c, ngx_k8s_item_t *item);
/* its rule record has the port of the first item of the record in the making
   that leads to it */
ngx_int_t ngx_k8s_compile_hold_rule(ngx_k8s_compile_t *c,
    ngx_k8s_item_t *item);
ngx_int_t ngx_k8s_compile_hold_fallback(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *host, ngx_k8s_claim_t *claim, ngx_k8s_held_t **held);
void ngx_k8s_compile_release(ngx_k8s_compile_t *c, ngx_k8s_held_t **held);
/* whether something leads to a rule record */
ngx_uint_t ngx_k8s_compile_held(ngx_k8s_compile_t *c, uint32_t slot,
    void *rec);

/* policies (ngx_k8s_compile_policy.c) */
void ngx_k8s_compile_policies_init(ngx_k8s_compile_t *c);
void ngx_k8s_compile_policies_free(ngx_k8s_compile_t *c);
/* a reference to the record of what a model says, NULL where it says nothing;
   NGX_DECLINED: no room */
ngx_int_t ngx_k8s_compile_policy(ngx_k8s_compile_t *c, ngx_k8s_model_t *model,
    ngx_k8s_policy_state_t **policy);
void ngx_k8s_compile_policy_put(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
/* writes its record when the Services that it names have theirs; NGX_AGAIN: not
   yet, NGX_DECLINED: no room */
ngx_int_t ngx_k8s_compile_policy_ready(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
/* one of no object yet, with a copy of values; error: its own backend of error
   pages, or NULL.  NULL: no memory */
ngx_k8s_policy_state_t *ngx_k8s_compile_policy_make(ngx_k8s_compile_t *c,
    ngx_k8s_values_t *values, ngx_k8s_target_t *error);
void ngx_k8s_compile_policy_drop(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
/* the same at the end of the watcher, when no Services are held any more */
void ngx_k8s_compile_policy_free(ngx_k8s_policy_state_t *policy);
/*
 * Builds it, with "base" as that of the ConfigMap; what nginx refuses is told
 * value by value: NGX_DONE when that has changed, NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_k8s_compile_policy_build(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t base);
/* writes its record of the kind; NGX_DECLINED: no room */
ngx_int_t ngx_k8s_compile_policy_write(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_uint_t kind);
/* problems: what nginx refuses of it, the field is "%s%V%s" */
ngx_int_t ngx_k8s_compile_policy_notes(ngx_array_t *a,
    ngx_k8s_policy_state_t *policy, ngx_uint_t code, ngx_str_t *before,
    char *after);
/* of an Ingress */
ngx_int_t ngx_k8s_compile_policy_refused(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_values_t *values);
/* whether a record is one of those */
ngx_uint_t ngx_k8s_compile_policy_known(ngx_k8s_compile_t *c, uint32_t slot,
    void *rec);

/* records of paths (ngx_k8s_compile_record.c): the host record without number,
   NGX_DECLINED: no room */
ngx_int_t ngx_k8s_compile_head(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
ngx_int_t ngx_k8s_compile_shard(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_uint_t n);

/* a list of the record in the making, zeroed */
ngx_k8s_list_t ngx_k8s_record_list(ngx_k8s_builder_t *b, ngx_uint_t n,
    size_t size);

#define NGX_K8S_CANARIES       16    /* of a path, the oldest ones */

/*
 * Canaries (ngx_k8s_compile_canary.c).  holds(): all items of a record with
 * their canaries, in m->holds; name(): "namespace-service-port" in c->pool;
 * trials(): what is tried before the match of item n, whose action it may
 * replace.  NGX_ERROR: no memory.
 */
/* whether the pattern is no regular expression; error as in c->conf.regex, or
   NULL */
ngx_uint_t ngx_k8s_canary_bad(ngx_k8s_compile_t *c, ngx_k8s_canary_t *canary,
    ngx_str_t *error);
/* whether they get the same requests; both may be NULL */
ngx_uint_t ngx_k8s_canary_equal(ngx_k8s_canary_t *one, ngx_k8s_canary_t *two);
/* whether it is one of the first NGX_K8S_CANARIES of its path */
ngx_uint_t ngx_k8s_canary_counts(ngx_k8s_item_t *canary);
/* the item whose requests a canary gets, NULL: there is none */
ngx_k8s_item_t *ngx_k8s_canary_primary(ngx_k8s_item_t *canary);
ngx_int_t ngx_k8s_canary_holds(ngx_k8s_making_t *m);
ngx_int_t ngx_k8s_canary_name(ngx_k8s_compile_t *c, ngx_k8s_item_t *canary,
    ngx_str_t *name);
ngx_int_t ngx_k8s_compile_canary_trials(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_uint_t n);

/* regular expressions (ngx_k8s_compile_regex.c): all places and items of a
   record; NGX_ERROR: no memory */
ngx_int_t ngx_k8s_compile_regexes(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
/* whether an item's path is none; error: what is wrong, as c->conf.regex has
   it, or NULL */
ngx_uint_t ngx_k8s_compile_regex_bad(ngx_k8s_compile_t *c,
    ngx_k8s_item_t *item, ngx_str_t *error);
/* the oldest of those that make a host's paths regular expressions; there is
   one */
ngx_k8s_claim_t *ngx_k8s_compile_regex_claim(ngx_k8s_host_state_t *state);
/* of those that redirect "/" of a host, the one that does; there is one */
ngx_k8s_claim_t *ngx_k8s_compile_root(ngx_k8s_host_state_t *state);

/* how many there are (ngx_k8s_compile_expr.c) */
void ngx_k8s_exprs_init(ngx_k8s_compile_t *c);
void ngx_k8s_exprs_free(ngx_k8s_compile_t *c);
/* whether there may be that of an item */
ngx_uint_t ngx_k8s_expr_room(ngx_k8s_compile_t *c, ngx_k8s_item_t *item);
/* item->held has it, if its path is one */
void ngx_k8s_expr_take(ngx_k8s_compile_t *c, ngx_k8s_item_t *item);
void ngx_k8s_expr_put(ngx_k8s_compile_t *c, ngx_k8s_held_t *held);
/* a host is tried again when some are gone; over 0: it is not */
void ngx_k8s_expr_over(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_uint_t over);
/* marks one of those; NGX_DONE: there is none */
ngx_int_t ngx_k8s_compile_exprs(ngx_k8s_compile_t *c);

/* what they lead to (ngx_k8s_compile_action.c): the number of an action in the
   record in the making, or NGX_ERROR */
ngx_int_t ngx_k8s_compile_action(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_item_t *item);
/* to one Service; port NULL: the target leads nowhere; target NULL: that of the
   directive */
ngx_int_t ngx_k8s_compile_action_one(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_port_t *port, ngx_k8s_target_t *target);
ngx_int_t ngx_k8s_compile_action_status(ngx_k8s_making_t *m, ngx_uint_t kind,
    ngx_uint_t status);

/*
 * Other names of hosts (ngx_k8s_compile_alias.c).  The record of a name that is
 * none itself: NGX_OK, NGX_DECLINED: there is none, NGX_AGAIN, NGX_ERROR.
 * end(): it is nobody's; real(): it is a host; claim(): a claim has changed;
 * tell(): certificates of a host have.
 */
ngx_int_t ngx_k8s_compile_alias(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
void ngx_k8s_compile_alias_end(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
void ngx_k8s_compile_alias_real(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
void ngx_k8s_compile_alias_claim(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim);
void ngx_k8s_compile_alias_tell(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
/* whether a host has the aliases of an entry; whether a name is another one of
   a host */
ngx_uint_t ngx_k8s_compile_aliased(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry);
ngx_uint_t ngx_k8s_compile_named(ngx_k8s_node_t *node);
/* whether it is no regular expression; error as in c->conf.regex, or NULL */
ngx_uint_t ngx_k8s_compile_pattern_bad(ngx_k8s_compile_t *c,
    ngx_k8s_model_pattern_t *pattern, ngx_str_t *error);
/* what is to be said of the names of an entry, from c->saying.n on
   (ngx_k8s_compile_names.c) */
ngx_int_t ngx_k8s_compile_names_notes(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_int_t *budget);
/* ends what a host, or another name, has of its parent */
void ngx_k8s_host_detach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);

/* TLS of a host (ngx_k8s_compile_tls.c), and Secrets (_secret.c) */
/* whether a certificate is one for a name */
ngx_uint_t ngx_k8s_compile_names_cover(ngx_k8s_certificate_t *rec,
    ngx_str_t *host);
/* both NGX_AGAIN: there is more to do; notes: from tls entry c->saying.m on */
ngx_int_t ngx_k8s_compile_tls(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
ngx_int_t ngx_k8s_compile_tls_notes(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_int_t *budget);
ngx_int_t ngx_k8s_compile_secret(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_secret_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_secret_age(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
/* removes a certificate that nothing asks for; NGX_DONE: there is none */
ngx_int_t ngx_k8s_compile_doomed(ngx_k8s_compile_t *c);
ngx_int_t ngx_k8s_compile_default_certificate(ngx_k8s_compile_t *c);

/* ConfigMaps (ngx_k8s_compile_config.c) */
ngx_int_t ngx_k8s_compile_config(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_config_free(ngx_k8s_compile_t *c);
/* what is wrong with an entry of the kind */
ngx_int_t ngx_k8s_compile_config_notes(ngx_k8s_compile_t *c,
    ngx_k8s_entry_t *entry, ngx_array_t *a);

/*
 * ConfigMaps that are named (ngx_k8s_compile_named.c).  pin(): that of a value;
 * follow(): a policy of a route is written anew when it changes; known():
 * whether it is there; waits(): a new version of an object does, for a while,
 * its hosts are marked then; text(): what a value says in a record, in c->pool
 * or the table, NGX_DECLINED: not all of what it names; changed(): it has,
 * next() is a policy to be written, or NULL; key(): whether keys name it.
 * NGX_ERROR: no memory.
 */
void ngx_k8s_compile_named_changed(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
ngx_k8s_policy_state_t *ngx_k8s_compile_named_next(ngx_k8s_node_t *node);
ngx_uint_t ngx_k8s_compile_named_key(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
void ngx_k8s_compile_named_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
/* the headers that keys allow; policy may be NULL */
ngx_str_t ngx_k8s_compile_named_allow(ngx_k8s_policy_state_t *policy);
ngx_int_t ngx_k8s_compile_named_pin(ngx_k8s_compile_t *c,
    ngx_k8s_policy_value_t *value);
void ngx_k8s_compile_named_unpin(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
ngx_int_t ngx_k8s_compile_named_follow(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy);
ngx_uint_t ngx_k8s_compile_named_known(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
ngx_uint_t ngx_k8s_compile_named_waits(ngx_k8s_compile_t *c,
    ngx_k8s_values_t *values);
ngx_int_t ngx_k8s_compile_named_text(ngx_k8s_compile_t *c,
    ngx_k8s_policy_state_t *policy, ngx_k8s_policy_value_t *value,
    ngx_str_t *text);
/* time has passed for those that wait */
void ngx_k8s_compile_named_due(ngx_k8s_compile_t *c);
/* problems of what a policy names, the field is "%V%V%s" of before, the row's
   name and after */
ngx_int_t ngx_k8s_compile_named_notes(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_state_t *policy, ngx_uint_t code, ngx_str_t *before,
    char *after);

/* services (ngx_k8s_compile_service.c) */
ngx_int_t ngx_k8s_compile_service(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_service_free(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
/* one port, made when there is none; slot 0: its record is still in the making,
   or, when it is full, had no room; NULL without memory */
ngx_k8s_port_t *ngx_k8s_compile_port(ngx_k8s_compile_t *c, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *port, ngx_str_t *protocol);
ngx_k8s_port_t *ngx_k8s_compile_port_find(ngx_k8s_compile_t *c,
    ngx_str_t *ns, ngx_str_t *name, ngx_str_t *port, ngx_str_t *protocol);
void ngx_k8s_compile_port_put(ngx_k8s_compile_t *c, ngx_k8s_port_t *port);
/* records of ports (ngx_k8s_compile_serving.c) */
/* a part of the making of the record of a port: NGX_OK, NGX_AGAIN,
   NGX_DECLINED: no room for all of it, NGX_ERROR */
ngx_int_t ngx_k8s_compile_serving(ngx_k8s_compile_t *c, ngx_k8s_port_t *port);
/* ends what is in the making of a Service, if anything is */
void ngx_k8s_serving_abort(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state);
void ngx_k8s_serving_free(ngx_k8s_serving_t *s);

/* statistics (ngx_k8s_compile_stat.c) */
/* what makes an endpoint the same one: of its Service, then of itself; target:
   the object that it is, or empty.  Not 0 */
uint64_t ngx_k8s_identity_service(ngx_k8s_port_t *port,
    ngx_k8s_service_t *svc);
uint64_t ngx_k8s_identity(uint64_t h, ngx_k8s_endpoint_rec_t *ep,
    ngx_str_t *target);
/* n of them, at once where they are few, else in their turn */
void ngx_k8s_compile_spend(ngx_k8s_compile_t *c, uint32_t *stats,
    ngx_uint_t n);
/* gives a slot's record back, with the statistics of its endpoints */
void ngx_k8s_compile_service_remove(ngx_k8s_compile_t *c, uint32_t slot);
/* gives statistics back, some of them; NGX_DONE: there are none */
ngx_int_t ngx_k8s_compile_spent(ngx_k8s_compile_t *c);

/* endpoints (ngx_k8s_compile_endpoint.c) */
void ngx_k8s_parts_init(ngx_k8s_service_state_t *state);
/* takes over what has changed of the slices; NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_compile_parts(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state);
/* all of them go; NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_parts_drop(ngx_k8s_compile_t *c,
    ngx_k8s_service_state_t *state);
void ngx_k8s_parts_free(ngx_k8s_service_state_t *state);
void ngx_k8s_compile_part_unlink(ngx_k8s_link_t *link);
/* a part goes, or has been taken in: the making goes on behind it */
void ngx_k8s_serving_pass(ngx_k8s_service_state_t *state,
    ngx_k8s_piece_t *part);
/* the family of an address in a text, 0: it is none that may be used; family:
   which it has to be, or 0 */
ngx_uint_t ngx_k8s_endpoint_address(ngx_k8s_compile_t *c, ngx_str_t *text,
    ngx_uint_t family, u_char *addr);
/* whether this nginx listens there */
ngx_uint_t ngx_k8s_endpoint_own(ngx_k8s_compile_t *c, u_char *addr,
    ngx_uint_t family, ngx_uint_t port);
/*
 * The first port of its protocol whose number, targetPort or name is the one
 * that the route has; without any in the route the first one.  An ExternalName
 * needs no ports: there it is the number itself, in external.  NULL: none.
 */
ngx_k8s_service_port_t *ngx_k8s_compile_port_select(ngx_k8s_service_t *svc,
    ngx_k8s_port_t *port, ngx_k8s_service_port_t *external);

/* the port of a slice's endpoints, 0 when it does not have it */
ngx_uint_t ngx_k8s_compile_slice_port(ngx_k8s_endpoint_slice_t *slice,
    ngx_k8s_service_port_t *sp);

/* why there are none (ngx_k8s_compile_why.c): NGX_K8S_WHY_*, of a Service
   without slices, and of one of them; the greatest counts */
ngx_uint_t ngx_k8s_compile_why(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
ngx_uint_t ngx_k8s_compile_why_slice(ngx_k8s_endpoint_slice_t *slice,
    ngx_uint_t number);
ngx_int_t ngx_k8s_compile_why_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field);
/* that of a port which the Service does not have, with those that it has */
ngx_int_t ngx_k8s_compile_why_no_port(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_port_t *port, ngx_str_t *host, ngx_str_t *field);

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

/* problems (ngx_k8s_compile_problem.c) */
ngx_int_t ngx_k8s_compile_entry(ngx_k8s_compile_t *c, ngx_k8s_entry_t *entry);
/* what one host has to say of c->saying.entry, from path c->saying.n and tls
   entry c->saying.m on
   (ngx_k8s_compile_notes.c); NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_compile_notes(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget);

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
/* the record of a host has become smaller: those that made it too large for
   the zone are tried again; with "without" the younger ones only, as this one
   has been left out */
void ngx_k8s_compile_smaller(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_entry_t *without);
/* lets in the oldest for which there is room; NGX_DONE: none */
ngx_int_t ngx_k8s_compile_admit(ngx_k8s_compile_t *c);
void ngx_k8s_compile_left_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);


#endif /* _NGX_K8S_COMPILE_STATE_H_INCLUDED_ */
