
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Hosts, what objects claim of them, and the records of their paths in the
 * making: private memory of the watcher.
 */


#ifndef _NGX_K8S_COMPILE_HOST_H_INCLUDED_
#define _NGX_K8S_COMPILE_HOST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_policy.h>
#include <ngx_k8s_path.h>


#define NGX_K8S_KEY_TYPES            2     /* certificates of one host */


typedef struct ngx_k8s_host_state_s  ngx_k8s_host_state_t;
typedef struct ngx_k8s_left_s        ngx_k8s_left_t;


/* regular expressions of paths, and of canaries */

#define NGX_K8S_PATTERNS             64    /* of names, that are served */
#define NGX_K8S_EXPRS                (3840 - NGX_K8S_PATTERNS)
                                           /* others in all; a worker keeps
                                              twice of both */
#define NGX_K8S_REGEX_EXPRS          256   /* of a host, where it has shards of
                                              each */
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
    ngx_k8s_expr_t          *expr;       /* of the path, or of a canary; NULL:
                                            it has none */
    ngx_uint_t               fresh;      /* no record has it yet */
    ngx_k8s_spreader_t      *spreaders[NGX_K8S_SPREADS];  /* of ports[0]; NULL:
                                            none */
    ngx_k8s_port_t          *ports[1];   /* of targets, then of mirrors; NULL:
                                            closed */
} ngx_k8s_held_t;


#define ngx_k8s_held_policy(held)    ((held)->policy ? (held)->policy->slot : 0)


/* an object as one host sees it, over its versions */

typedef struct {
    ngx_rbtree_node_t        node;       /* state->claims, by age */
    ngx_rbtree_node_t        marked;     /* state->marked, by age */
    ngx_rbtree_node_t        redirects;  /* state->roots, by age, with "root" */
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
    ngx_uint_t               naside;     /* that are no expressions */
    ngx_uint_t               nwins;      /* that take their paths: without one
                                            its annotations say nothing of the
                                            host */

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
    unsigned                 aliases:1;  /* has some for the host, */
    unsigned                 named:1;    /* and they count: entry->aliased */
    unsigned                 twins:1;    /* redirects its twin, */
    unsigned                 regex:1;    /* makes its paths expressions, */
    unsigned                 root:1;     /* redirects "/", */
    unsigned                 leads:1;    /* may have what no path takes */

    ngx_rbtree_node_t        rank;       /* state->ranks, with "ranked" */
    ngx_k8s_model_t         *ranked;     /* its newest version, held; NULL */
    unsigned                 owns:1;     /* it may own the host */
    unsigned                 exempt:1;   /* served whoever owns it */
    unsigned                 apart:1;    /* its items are, behind others */
    unsigned                 refused:1;  /* the host is another namespace's */
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
    ngx_queue_t              told;       /* in state->told, with "telling", or
                                            in state->aside, with "aside" */
    unsigned                 slash:1;    /* is a twin */
    unsigned                 wins:1;     /* none that always matches goes
                                            before it */
    unsigned                 aside:1;    /* in no tree: it is no expression,
                                            though its object says so */
    unsigned                 canary:1;   /* behind all of its path that are
                                            none */
    unsigned                 telling:1;
    unsigned                 tried:1;    /* as a regular expression, */
    unsigned                 bad:1;      /* which it is not, */
    unsigned                 over:1;     /* or which is one too many; a canary
                                            that is, */
    unsigned                 pattern:1;  /* or whose expression is */
};


/* a record of paths: the part of the items with its range of hashes */

typedef struct {
    ngx_k8s_slot_ref_t       ref;        /* slot 0: not written */
    unsigned                 dirty:1;
    unsigned                 full:1;     /* did not fit */
    unsigned                 stale:1;    /* and leads to what has gone */
    unsigned                 again:1;    /* holds what it does not lead to */
    unsigned                 over:1;     /* has more expressions than there may
                                            be */
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
    ngx_queue_t              aside;      /* items that are in no tree */
    ngx_k8s_claim_t         *saying;     /* of all claims, of which something
                                            else is to be said; NULL: none */
    ngx_k8s_claim_t         *telling;    /* of the claims in "marked" */
    ngx_queue_t             *wanting;    /* of the links of those who would have
                                            the name, the same */
    ngx_queue_t             *seek;       /* of these links the next one that is
                                            looked at; NULL: none was yet */
    ngx_k8s_entry_t         *found;      /* the oldest before it that may have
                                            the name; NULL: none */
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

    ngx_k8s_claim_t         *first;      /* the oldest one that may have what
                                            no path takes */
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
    ngx_k8s_claim_t         *sought;     /* the next that may be the youngest
                                            one which is not served; NULL: none
                                            is looked for */
    size_t                   wanted;     /* with sought: free bytes to try it
                                            again */
    ngx_rbtree_t             outs;       /* ngx_k8s_left_t: objects with which
                                            it is too large for any zone */
    ngx_k8s_left_t          *fitting;    /* of these, to be tried again */
    ngx_uint_t               nclosing;   /* claims that close the host */
    ngx_uint_t               nregex;     /* those that make all its paths
                                            regular expressions */
    ngx_uint_t               nroot;      /* those that redirect "/" */
    ngx_rbtree_t             roots;      /* these */
    ngx_k8s_claim_t         *rooted;     /* that which does; NULL: not known */
    ngx_uint_t               nshaken;    /* claims with values for handshakes */
    ngx_uint_t               walks;      /* times that all paths were taken as
                                            such */
    ngx_uint_t               cut_claims; /* claims that had a place then, 0: all
                                            had, */
    ngx_uint_t               cut_items;  /* and items of the last one */
    ngx_queue_t              waits;      /* with over: in c->over */
    ngx_uint_t               nfreed;     /* with over: c->nfreed then */
    ngx_uint_t               written;    /* times that all was written, or at
                                            least all that has changed; not 0 */
    ngx_k8s_policy_state_t  *policy;     /* of its record, for handshakes;
                                            NULL: none */
    ngx_k8s_policy_state_t  *policy_next;  /* waits for what it names */
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
    ngx_rbtree_t             ranks;      /* all claims, those that may own it
                                            first, by age; empty where hosts
                                            have no owner */
    ngx_k8s_claim_t         *ruling;     /* of these, to be looked at anew */
    ngx_k8s_node_t          *domain;     /* the wildcard host above it, pinned;
                                            or NULL */
    ngx_queue_t              below;      /* states of which it is that */
    ngx_queue_t              beside;
    ngx_queue_t             *subject;    /* of "below", to be looked at anew */
    ngx_queue_t              lent;       /* with lends: in c->lent, or in
                                            c->relent */
    unsigned                 lends:1;    /* of another name: its TLS follows
                                            the default certificate */
    unsigned                 unruled:1;  /* its owner has changed */
    unsigned                 aliased:1;  /* somebody would have the name, where
                                            claims may be exempt */
    unsigned                 apart:1;    /* its record has nothing but claims
                                            that are apart: others go on */
    unsigned                 tls:1;
    unsigned                 attached:1; /* in the parent's children */
    unsigned                 head:1;     /* the host record is to be written */
    unsigned                 unseen:1;   /* what may protect it is not in it, so
                                            it is closed */
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
    unsigned                 later:1;    /* with sought: it was short of room
                                            only for now */
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
    ngx_k8s_canary_t        *canary;     /* whose value it is, or NULL */
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
    ngx_uint_t               nexprs;     /* with those of canaries */
    uint32_t                *action;     /* of each item */
    ngx_array_t              holds;      /* ngx_k8s_item_t *, with canaries */
    ngx_array_t              trials;     /* ngx_k8s_trial_t */
    uint32_t                *trial;      /* the first one of each item, and
                                            where those of the last one end */
    ngx_int_t                none;       /* where no path matches, or -1 */
    ngx_k8s_target_t        *fallback;
    ngx_k8s_held_t          *fallback_held;
    ngx_k8s_policy_state_t  *policy;     /* of the host record, or NULL */
    ngx_k8s_claim_t         *turns;      /* whose object makes its paths
                                            expressions, or NULL */
    ngx_k8s_slot_ref_t       certs[NGX_K8S_KEY_TYPES];
    ngx_uint_t               ncerts;
    ngx_uint_t               tls;
    unsigned                 head:1;     /* the host record */
    unsigned                 apart:1;    /* as in the state */
    unsigned                 fallback_rewrite:1;
    unsigned                 fallback_closed:1;
    unsigned                 rewrite:1;  /* the path that is written */
    unsigned                 regex:1;    /* an expression, as an object of
                                            the host asks for that */
    unsigned                 closed_all:1;  /* all listeners */
} ngx_k8s_making_t;


/* hosts of Ingresses, which have what its defaults say */

#define ngx_k8s_compile_ingress(node)                                         \
    ((node)->route_set == 0 && (node)->class == NGX_K8S_CLASS_HTTP)


/* hosts (ngx_k8s_compile_host.c); NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_compile_host(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
void ngx_k8s_compile_host_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);

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

/* objects of a host (ngx_k8s_compile_claim.c) */
/* takes over what has changed of them; NGX_AGAIN: there is more to do */
ngx_int_t ngx_k8s_compile_claims(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
/* the store's: the link ends */
void ngx_k8s_compile_unlink(ngx_k8s_link_t *link);
void ngx_k8s_claims_free(ngx_k8s_host_state_t *state);
void ngx_k8s_claims_init(ngx_k8s_host_state_t *state);
/* by age (ngx_k8s_compile_claims.c): puts it into state->claims, and into
   state->marked or out of it, as its model says; the next of either, and the
   one before of the first, or NULL */
void ngx_k8s_claim_place(ngx_k8s_claim_t *claim);
void ngx_k8s_claim_list(ngx_k8s_claim_t *claim);
ngx_k8s_claim_t *ngx_k8s_claim_after(ngx_k8s_claim_t *claim);
ngx_k8s_claim_t *ngx_k8s_claim_before(ngx_k8s_claim_t *claim);
ngx_k8s_claim_t *ngx_k8s_claim_next(ngx_k8s_claim_t *claim);
/* those of whom something else is to be said are marked, one by one */
void ngx_k8s_claims_told(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);
/* the oldest of state->marked, or NULL */
ngx_k8s_claim_t *ngx_k8s_claim_marked(ngx_k8s_host_state_t *state);
/* what an object says of its host, while it has a path of it: expressions, a
   redirect of "/" and of the twin, and what no path takes */
void ngx_k8s_claim_count(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_int_t *budget);
/* what is said of those in state->marked has changed */
void ngx_k8s_claim_tell(ngx_k8s_host_state_t *state);
/* nor is what is said of those who would have its name */
void ngx_k8s_claim_want(ngx_k8s_host_state_t *state);
/* whether others are still to be told of a change of the host */
#define ngx_k8s_heir_pass(state, child)                                       \
    (state)->heir = ngx_queue_next(&(child)->sibling);                        \
    if ((state)->heir == ngx_queue_sentinel(&(state)->children)) {            \
        (state)->heir = NULL;                                                 \
    }
#define ngx_k8s_host_telling(state)                                           \
    ((state)->saying || (state)->telling || (state)->wanting                  \
     || (state)->heir || (state)->ruling || (state)->subject                  \
     || (state)->fitting                                                      \
     || !ngx_queue_empty(&(state)->told))

/*
 * Whose a host is (ngx_k8s_compile_owner.c), where conf.ownership is set.
 * rank(): a claim has come, has another version or is gone; rule(): NGX_AGAIN:
 * the owner has changed, and those that this concerns are to be told();
 * forget(): a claim is freed.
 */
void ngx_k8s_owner_init(ngx_k8s_host_state_t *state);
void ngx_k8s_owner_rank(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim);
void ngx_k8s_owner_forget(ngx_k8s_claim_t *claim);
ngx_int_t ngx_k8s_owner_rule(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
void ngx_k8s_owner_told(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);
ngx_k8s_claim_t *ngx_k8s_owner_next(ngx_k8s_claim_t *claim);
/* whether a path is one of challenges of ACME, and no expression: 1 or 0 */
ngx_uint_t ngx_k8s_owner_challenge(ngx_str_t *path);
/* the oldest claim of a host, or of the wildcard above it; NULL: none */
ngx_k8s_claim_t *ngx_k8s_owner(ngx_k8s_host_state_t *state);
/* that of another namespace, for which a claim is not served; NULL: it is */
ngx_k8s_claim_t *ngx_k8s_owner_refuses(ngx_k8s_claim_t *claim);
/* the same of an object that would like to have the name for another host */
ngx_k8s_claim_t *ngx_k8s_owner_older(ngx_k8s_host_state_t *state,
    ngx_k8s_object_t *object);
/* the same of a name from which clients are redirected to a host */
ngx_k8s_claim_t *ngx_k8s_owner_twin(ngx_k8s_host_state_t *state,
    ngx_k8s_host_state_t *host);
/* the problem */
ngx_int_t ngx_k8s_owner_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_claim_t *owner, ngx_str_t *name, ngx_str_t *field);
#define ngx_k8s_owner_pass(state, child)                                      \
    (state)->subject = ngx_queue_next(&(child)->beside);                      \
    if ((state)->subject == ngx_queue_sentinel(&(state)->below)) {            \
        (state)->subject = NULL;                                              \
    }

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
/* of regular expressions: their keys are after those of all paths */
#define NGX_K8S_ITEM_REGEX  0x80000000
/* the order of the tree; of the paths alone, without those who want them */
ngx_int_t ngx_k8s_item_cmp(ngx_rbtree_node_t *x, ngx_rbtree_node_t *y);
ngx_int_t ngx_k8s_item_group_cmp(ngx_k8s_item_t *one, ngx_k8s_item_t *two);
/* the record that has it, or will have it, is written anew */
void ngx_k8s_item_dirty(ngx_k8s_item_t *item);
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
/* the next one of its path that has what it leads to; NULL: there is none */
ngx_k8s_item_t *ngx_k8s_held_behind(ngx_k8s_item_t *item);
ngx_rbtree_key_t ngx_k8s_item_key(ngx_k8s_host_state_t *state, ngx_uint_t head,
    ngx_uint_t n);
/* the first one of its path */
ngx_k8s_item_t *ngx_k8s_item_leader(ngx_k8s_item_t *item);
/* which of two objects of a host is older; < 0: the first; those that are
   apart are behind others, and canaries behind all */
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

/* records of paths (ngx_k8s_compile_record.c): the host record without number,
   NGX_DECLINED: no room */
ngx_int_t ngx_k8s_compile_head(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
ngx_int_t ngx_k8s_compile_shard(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_uint_t n);

/* writes the one in the making (ngx_k8s_compile_record_put.c): its slot, 0: no
   room; n: as above */
uint32_t ngx_k8s_record_put(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_uint_t n);
/* a list of the record in the making, zeroed */
ngx_k8s_list_t ngx_k8s_record_list(ngx_k8s_builder_t *b, ngx_uint_t n,
    size_t size);

#define NGX_K8S_CANARIES       16    /* of a path, the oldest ones */
#define NGX_K8S_CANARIES_MAX   1024  /* of all paths of a record, each of which
                                        has as many, one at least */

/* the record of another name in the making */

typedef struct {
    ngx_uint_t               flags;
    ngx_uint_t               action;     /* NGX_K8S_ACTION_* */
    ngx_k8s_slot_ref_t       certs[NGX_K8S_KEY_TYPES];
    ngx_uint_t               ncerts;
    ngx_uint_t               n;          /* expressions */
    ngx_k8s_model_pattern_t  **patterns;
    ngx_str_t               *targets;    /* one of each, or the only one */
} ngx_k8s_alias_t;

/* who has expressions, the oldest first */

typedef struct {
    ngx_k8s_entry_t         *entries[NGX_K8S_PATTERNS];
    ngx_uint_t               takes[NGX_K8S_PATTERNS];  /* how many of each */
    ngx_uint_t               n;
    unsigned                 again:1;    /* one was found to be none */
} ngx_k8s_patterns_t;

/*
 * Canaries (ngx_k8s_compile_canary.c).  holds(): all items of a record, or of
 * shard n, with their canaries, in m->holds; name(): "namespace-service-port"
 * in c->pool; trials(): what is tried before the match of item n, whose action
 * it may replace.  NGX_ERROR: no memory.
 */
/* whether the pattern is no regular expression, which is tried once; error as
   in c->conf.regex, or NULL */
ngx_uint_t ngx_k8s_canary_bad(ngx_k8s_compile_t *c, ngx_k8s_canary_t *canary,
    ngx_str_t *error);
/* whether they get the same requests; both may be NULL */
ngx_uint_t ngx_k8s_canary_equal(ngx_k8s_canary_t *one, ngx_k8s_canary_t *two);
/* whether it is one of the first NGX_K8S_CANARIES of its path */
ngx_uint_t ngx_k8s_canary_counts(ngx_k8s_item_t *canary);
/* the item whose requests a canary gets, NULL: there is none */
ngx_k8s_item_t *ngx_k8s_canary_primary(ngx_k8s_item_t *canary);
ngx_int_t ngx_k8s_canary_holds(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_uint_t n);
ngx_int_t ngx_k8s_canary_name(ngx_k8s_compile_t *c, ngx_k8s_item_t *canary,
    ngx_str_t *name);
ngx_int_t ngx_k8s_compile_canary_trials(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_uint_t n);

/* regular expressions (ngx_k8s_compile_regex.c): all places and items of a
   record; NGX_ERROR: no memory */
ngx_int_t ngx_k8s_compile_regexes(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
/* the oldest of those that make a host's paths regular expressions; NULL: many
   are older */
ngx_k8s_claim_t *ngx_k8s_compile_regex_claim(ngx_k8s_host_state_t *state);
/* of those that redirect "/" of a host, the one that does; there is one.  Of
   the oldest ones so many paths are compared */
#define NGX_K8S_ROOT_LOOK            4096
ngx_k8s_claim_t *ngx_k8s_compile_root(ngx_k8s_host_state_t *state);

/* values that a host has once (ngx_k8s_compile_scope.c) */

#define NGX_K8S_SCOPE_CLAIMS         512   /* the oldest ones, looked at to
                                              name one */
#define NGX_K8S_SCOPE_LOOK           16384 /* for values of handshakes; behind
                                              them a host is closed */

/* whether an object has some, beside app-root; NULL: it has none */
ngx_uint_t ngx_k8s_scope_wide(ngx_k8s_model_t *model);
/* whether some of them are known in the handshake */
ngx_uint_t ngx_k8s_scope_handshake(ngx_k8s_model_t *model);
/* a reference to the policy of these; NULL: there are none; NGX_AGAIN: later,
   NGX_DECLINED: no room, NGX_ERROR: no memory */
ngx_int_t ngx_k8s_scope_policy(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_k8s_policy_state_t **policy);
/* puts another one, or NULL, into its place, and gives back that from before */
void ngx_k8s_scope_use(ngx_k8s_compile_t *c, ngx_k8s_policy_state_t **place,
    ngx_k8s_policy_state_t *policy);
/* what is to be said of those of a claim that do not hold */
ngx_int_t ngx_k8s_scope_notes(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_array_t *a);
/* and of an item whose path another object redirects */
ngx_int_t ngx_k8s_scope_root_note(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_k8s_item_t *item);

/* how many there are (ngx_k8s_compile_expr.c) */
void ngx_k8s_exprs_init(ngx_k8s_compile_t *c);
void ngx_k8s_exprs_free(ngx_k8s_compile_t *c);
/* whether an item's path is no expression, which is tried once; error: what is
   wrong, as c->conf.regex has it, or NULL */
ngx_uint_t ngx_k8s_compile_regex_bad(ngx_k8s_compile_t *c,
    ngx_k8s_item_t *item, ngx_str_t *error);
/* whether an item has one; whether there may be that of an item */
ngx_uint_t ngx_k8s_expr_counts(ngx_k8s_item_t *item);
ngx_uint_t ngx_k8s_expr_room(ngx_k8s_compile_t *c, ngx_k8s_item_t *item);
/* item->held has it, if there is one */
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
 * end(): it is nobody's; real(): it is a host; claim(): a claim has changed,
 * returns things that it has looked at; twin_claim(): whether it redirects the
 * host's twin; counts(): whether it is the one whose
 * aliases a host has; tell(): certificates of a host have changed.
 */
ngx_int_t ngx_k8s_compile_alias(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
void ngx_k8s_compile_alias_end(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
void ngx_k8s_compile_alias_real(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
ngx_uint_t ngx_k8s_compile_alias_claim(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim);
void ngx_k8s_compile_twin_claim(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_uint_t twins);
void ngx_k8s_compile_alias_counts(ngx_k8s_claim_t *claim, ngx_uint_t counts);
void ngx_k8s_compile_alias_tell(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
/* the default certificate has changed; marks some of the names that have it,
   NGX_DONE: there is none left */
void ngx_k8s_compile_alias_relend(ngx_k8s_compile_t *c);
ngx_int_t ngx_k8s_compile_alias_lent(ngx_k8s_compile_t *c);
/* writes one (ngx_k8s_compile_alias_put.c), and sets how many expressions had
   room; NGX_DECLINED: there is no record, or it leads elsewhere */
ngx_int_t ngx_k8s_alias_put(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state,
    ngx_k8s_alias_t *alias);
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

/* what is kept of hosts (ngx_k8s_compile_parent.c): made when there is nothing,
   NULL: no memory; freed by drop(), and unpin(), when nobody needs it */
ngx_k8s_host_state_t *ngx_k8s_host_state(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
void ngx_k8s_host_drop(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);
/* ends a pin of a host's node */
void ngx_k8s_host_unpin(ngx_k8s_compile_t *c, ngx_k8s_node_t *node);
/* the wildcard host above it; NULL: it cannot have one */
ngx_int_t ngx_k8s_host_above(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state, ngx_k8s_host_state_t **above);
/* ends what a host, or another name, has of its parent */
void ngx_k8s_host_detach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);
/* the wildcard host that may own it */
ngx_int_t ngx_k8s_owner_attach(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
void ngx_k8s_owner_detach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state);

/* TLS of a host (ngx_k8s_compile_tls.c) */
/* whether a certificate is one for a name */
ngx_uint_t ngx_k8s_compile_names_cover(ngx_k8s_certificate_t *rec,
    ngx_str_t *host);
/* both NGX_AGAIN: there is more to do; notes: from tls entry c->saying.m on */
ngx_int_t ngx_k8s_compile_tls(ngx_k8s_compile_t *c, ngx_k8s_making_t *m);
ngx_int_t ngx_k8s_compile_tls_notes(ngx_k8s_compile_t *c,
    ngx_k8s_claim_t *claim, ngx_int_t *budget);


#endif /* _NGX_K8S_COMPILE_HOST_H_INCLUDED_ */
