
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The inside of the store, for store/ and compile/ only: entries (one for each
 * object), nodes (one for each host, Service, Secret, class and namespace that
 * something names) and the links between them.
 *
 * An entry outlives the versions of its object; a link belongs to one version.
 * A node lives while something links it, pins it, or compile/ keeps data on
 * it.  Private memory of the watcher.
 */


#ifndef _NGX_K8S_INDEX_H_INCLUDED_
#define _NGX_K8S_INDEX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_store.h>
#include <ngx_k8s_model.h>


#define NGX_K8S_NODE_HOST            0   /* by route set, class and name, all as
                                            in the table's key */
#define NGX_K8S_NODE_SERVICE         1
#define NGX_K8S_NODE_SECRET          2
#define NGX_K8S_NODE_CLASS           3
#define NGX_K8S_NODE_NAMESPACE       4   /* of Ingresses that are taken */
#define NGX_K8S_NODE_LABELS          5   /* a namespace, of all Ingresses */
#define NGX_K8S_NODE_CONFIG          6   /* a ConfigMap */

#define NGX_K8S_NODES                7


/* what a link means to the node: the object names it, or is a part of it, as
   an EndpointSlice is of a Service, or seems to be meant for it, as the
   host of a tls entry without a rule is; or another name of a host of it may
   lead to it: an alias, or that with or without www; what has expressions for
   names is linked to "~" */

#define NGX_K8S_ROLE_USER            0
#define NGX_K8S_ROLE_PART            1
#define NGX_K8S_ROLE_HINT            2
#define NGX_K8S_ROLE_ALIAS           3

#define NGX_K8S_ROLES                4


typedef struct ngx_k8s_node_s   ngx_k8s_node_t;
typedef struct ngx_k8s_link_s   ngx_k8s_link_t;
typedef struct ngx_k8s_entry_s  ngx_k8s_entry_t;
typedef struct ngx_k8s_sweep_s  ngx_k8s_sweep_t;


/* where a host of a model is served */

typedef struct {
    uint32_t                 route_set;
    uint32_t                 class;      /* NGX_K8S_CLASS_* */
    ngx_str_t                name;       /* as in the table's key */
    ngx_k8s_model_host_t    *host;       /* whose rules are served there */
    uint32_t                *listeners;  /* slots of LISTENER, ascending */
    uint32_t                 nlisteners;
} ngx_k8s_attached_t;


/* what comes of class rules, selectors, parents */

typedef struct {
    ngx_uint_t               taken;      /* it is routed */
    ngx_uint_t               state;      /* if not: NGX_K8S_STATE_* */
    ngx_uint_t               why;        /* if not: code of the problem that
                                            says so; 0: another controller may
                                            have it */
    ngx_k8s_model_t         *model;      /* of the object; NULL: not made yet */
    ngx_array_t             *hosts;      /* ngx_k8s_attached_t; NULL: none */
    ngx_uint_t               own;        /* instead of them all hosts of the
                                            model, in the Ingress API's set and
                                            on all listeners; a matter of the
                                            object alone */
} ngx_k8s_attach_t;


struct ngx_k8s_node_s {
    ngx_rbtree_node_t        node;       /* in store->nodes[type] */
    ngx_queue_t              dirty;      /* in store->dirty[type] */
    ngx_queue_t              links[NGX_K8S_ROLES];
    ngx_queue_t              cursor;     /* among its users, while it is dirty
                                            and they are attached anew, or
                                            with "telling" */
    ngx_queue_t              told;       /* compile's, with "telling" */
    ngx_queue_t              wait;       /* compile's, with "waits" */
    ngx_queue_t              ask;        /* compile's, with "asked", unless
                                            "late" */
    ngx_uint_t               type;       /* NGX_K8S_NODE_* */
    uint32_t                 route_set;  /* of a host, else 0 */
    uint32_t                 class;      /* NGX_K8S_CLASS_*, the same */
    ngx_str_t                namespace;
    ngx_str_t                name;
    ngx_uint_t               nusers;
    ngx_uint_t               pins;       /* references of compile/ */
    ngx_uint_t               held;       /* links that are not placed yet */
    ngx_uint_t               stamp;      /* of the object linked last */
    void                    *data;       /* compile's, it frees it */
    ngx_msec_t               since;      /* compile's, with "asked" */
    size_t                   need;       /* compile's: free bytes to try what
                                            did not fit, 0: it did */
    unsigned                 later:1;    /* and it has room, but not now */
    unsigned                 waits:1;    /* for that, or did */
    unsigned                 queued:1;   /* is dirty */
    unsigned                 marked:1;   /* has been marked: compile's to clear
                                            when it works on it */
    unsigned                 gone:1;     /* an object left it: compile's */
    unsigned                 ordered:1;  /* compile's: is dirty in the order of
                                            its oldest object */
    unsigned                 telling:1;  /* compile's: its users are marked */
    unsigned                 hosts:1;    /* and their hosts, */
    unsigned                 claims:1;   /* and what these claim of them */
    unsigned                 answered:1; /* it is known whether its object,
                                            which is fetched, is there */
    unsigned                 asked:1;    /* compile's: it waits for that */
    unsigned                 late:1;     /* compile's: and has ceased to */
};


struct ngx_k8s_link_s {
    ngx_queue_t              queue;      /* node->links[role] */
    ngx_k8s_link_t          *next;       /* of the same entry */
    ngx_k8s_node_t          *node;
    ngx_k8s_entry_t         *entry;
    ngx_k8s_model_host_t    *host;       /* of a host node, NULL: without
                                            rules */
    uint32_t                *listeners;  /* of a host node: slots of LISTENER,
                                            ascending; in entry->attached */
    uint32_t                 nlisteners; /* 0: all of the Ingress API's set */
    void                    *data;       /* compile's, told of the end */
    unsigned                 role:2;     /* NGX_K8S_ROLE_* */
};


struct ngx_k8s_entry_s {
    ngx_rbtree_node_t        node;       /* in store->objects[kind] */
    ngx_rbtree_node_t        age;        /* in store->ages */
    ngx_queue_t              queue;      /* in store->all[kind] */
    ngx_queue_t              dirty;      /* in store->changed */
    ngx_queue_t              unsaid;     /* compile's, with "silent" */
    ngx_queue_t              hosts;      /* compile's, with "marking" */
    ngx_k8s_object_t        *object;     /* NULL: gone */
    ngx_k8s_model_t         *model;      /* of the object; NULL: not made */
    ngx_array_t             *attached;   /* where its hosts are, as attach()
                                            gave it, with its pool; or NULL */
    ngx_k8s_link_t          *links;      /* hints and aliases first */
    ngx_k8s_link_t          *next;       /* compile's, with "marking": the
                                            first of them after a change */
    uint32_t                 mark;       /* generation of the last put */
    uint32_t                 problem;    /* compile's: slot of its record */
    ngx_queue_t              report;     /* in store->reported, or parked */
    ngx_msec_t               written;    /* when its status was, the last */
    ngx_uint_t               stamp;      /* of what was written then; 0: nothing
                                            was */
    void                    *left;       /* compile's, with "full" */
    size_t                   tried;      /* compile's: its last need */
    ngx_uint_t               aliased;    /* compile's: hosts that have its
                                            aliases */
    unsigned                 kind:8;
    unsigned                 why:8;      /* not taken: problem code, or 0 */
    unsigned                 state:8;    /* NGX_K8S_STATE_*, counted where its
                                            kind routes */
    unsigned                 taken:1;    /* Ingress of our class */
    unsigned                 queued:1;   /* in changed */
    unsigned                 making:1;   /* compile's: its problems are in the
                                            making, of this version */
    unsigned                 again:1;    /* marked meanwhile */
    unsigned                 marking:1;  /* compile's: its hosts are marked */
    unsigned                 claims:1;   /* and what it claims of them */
    unsigned                 full:1;     /* left out: the table is full */
    unsigned                 edited:1;   /* since it was left out */
    unsigned                 asked:1;    /* let in when room was short */
    unsigned                 limited:1;  /* left out: namespace limit */
    unsigned                 served:1;   /* has been published whole */
    unsigned                 fresh:1;    /* its first version has no links
                                            yet */
    unsigned                 silent:1;   /* not all of its problems had room
                                            in a record */
    unsigned                 reported:1; /* its status is to be looked at */
    unsigned                 sent:1;     /* it is being written, or was, over
                                            this version */
};


/* a list that is going on */

struct ngx_k8s_sweep_s {
    ngx_k8s_entry_t          cursor;     /* its place in store->all[kind];
                                            object is NULL */
    ngx_queue_t              queue;      /* in store->sweeps */
    ngx_uint_t               kind;
    ngx_str_t                scope;
    uint32_t                 mark;
    unsigned                 placed:1;   /* the cursor is in the queue */
};


/* links in the making */

typedef struct {
    ngx_k8s_store_t         *store;
    ngx_k8s_entry_t         *entry;
    ngx_k8s_object_t        *object;
    ngx_k8s_attach_t        *attach;
    ngx_k8s_link_t          *made;       /* each holds its node */
    ngx_k8s_link_t         **last;
    ngx_k8s_link_t          *placed;     /* in the queues of their nodes */
    ngx_uint_t               stage;
    ngx_uint_t               i;          /* where the stage is */
} ngx_k8s_links_t;


/*
 * A change of what an entry links: another version of its object comes, the
 * same one is attached or left, or it goes.  One at a time, in pieces.  Until
 * its links are placed nobody sees any of it, and it can be given up; from then
 * on it needs no memory, and settle() lets nothing be compiled before its end.
 */

typedef struct {
    ngx_k8s_entry_t         *entry;      /* NULL: there is none */
    ngx_k8s_object_t        *object;     /* NULL: it goes */
    ngx_k8s_attach_t         attach;
    ngx_k8s_maker_t          maker;
    ngx_k8s_links_t          links;
    ngx_uint_t               stage;      /* NGX_K8S_CHANGE_* */
    uint32_t                 gate;       /* stamp, when the model is begun */
    unsigned                 same:1;     /* its links are as they are to be */
} ngx_k8s_change_t;

#define NGX_K8S_CHANGE_ATTACH        0
#define NGX_K8S_CHANGE_MODEL         1
#define NGX_K8S_CHANGE_LINKS         2
#define NGX_K8S_CHANGE_PLACE         3
#define NGX_K8S_CHANGE_DROP          4
#define NGX_K8S_CHANGE_END           5

/* links, paths and the like of one piece */
#define NGX_K8S_CHANGE_PIECE         64


/* all nodes of a type, some at a time */

typedef struct {
    uint64_t                 key;        /* of the next one */
    unsigned                 ask:1;      /* are said to be wanted once more */
    unsigned                 turn:1;     /* their users are attached anew */
} ngx_k8s_walk_t;


struct ngx_k8s_store_s {
    ngx_k8s_class_conf_t     conf;
    ngx_k8s_store_events_t   events;
    ngx_log_t               *log;

    ngx_rbtree_t             objects[NGX_K8S_KINDS];
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              all[NGX_K8S_KINDS];
    ngx_rbtree_t             ages;       /* objects with a model, oldest
                                            first */
    ngx_k8s_walk_t           walks[NGX_K8S_NODES];
    ngx_k8s_entry_t         *walk;       /* of a walk over them, NULL: none */
    ngx_uint_t               counts[NGX_K8S_KINDS];
    uint64_t                 states[NGX_K8S_STATES];  /* entries of each, of
                                            kinds that route; compile's of what
                                            is unreadable */
    ngx_queue_t              sweeps;
    uint32_t                 mark;       /* raised by each begin */

    ngx_rbtree_t             nodes[NGX_K8S_NODES];
    ngx_queue_t              dirty[NGX_K8S_NODES];
    ngx_queue_t              changed;    /* entries: problems, gone */
    ngx_uint_t               stamp;      /* of the last change */
    ngx_k8s_change_t         change;
    ngx_queue_t              freed;      /* objects, of which some is left */

    /* a link with data ends; that of a new version has been made before */
    void                   (*unlink)(ngx_k8s_link_t *link);

    /* the object of a node that nothing names any more: is deleted */
    void                   (*unwanted)(ngx_k8s_store_t *store, ngx_uint_t kind,
                                ngx_str_t *ns, ngx_str_t *name);

    u_char                  *words;      /* of conf.gate */

    ngx_queue_t              reported;   /* entries whose status is to be looked
                                            at */
    ngx_queue_t              parked;     /* the same, in order of "written": not
                                            before some time has passed */
    ngx_k8s_entry_t          reporter;   /* place of a walk over Ingresses;
                                            object is NULL */
    unsigned                 reports:1;  /* who writes statuses is there */
    unsigned                 reporting:1; /* the walk goes on */
    unsigned                 no_classes:1;  /* IngressClass is refused */
};


/* what is known of a type of node: ngx_k8s_node_rows[type] */

typedef struct {
    ngx_int_t                kind;       /* whose objects have such nodes by
                                            their namespace and name; or -1 */
    unsigned                 work:1;     /* compile/ works on marked ones */
    unsigned                 parts:1;    /* users that come and go don't mark
                                            it, its parts do */
    unsigned                 attach:1;   /* its users are attached anew when its
                                            object changes; those of the empty
                                            name when any object does */
    unsigned                 want:1;     /* its object is fetched, and kept,
                                            while something names it */
} ngx_k8s_node_row_t;

extern ngx_k8s_node_row_t  ngx_k8s_node_rows[NGX_K8S_NODES];


/*
 * What is known of a kind in here: ngx_k8s_kind_rows[kind], the continuation of
 * ngx_k8s_kinds[].  What is NULL does not exist for the kind.
 */

typedef struct {
    /* links that the object makes by itself; NGX_ERROR: no memory */
    ngx_int_t              (*links)(ngx_k8s_links_t *l,
                                ngx_k8s_object_t *object);
    /* whether it is routed, and where, as of now; NGX_AGAIN: that needs its
       model; NGX_ERROR: no memory */
    ngx_int_t              (*attach)(ngx_k8s_store_t *store,
                                ngx_k8s_object_t *object,
                                ngx_k8s_attach_t *attach);
    /* what it routes, in pieces; once attached, its references and hosts are
       linked */
    ngx_int_t              (*model)(ngx_k8s_maker_t *m, ngx_uint_t *n);
} ngx_k8s_kind_row_t;

extern ngx_k8s_kind_row_t  ngx_k8s_kind_rows[NGX_K8S_KINDS];


/* the trees and queues of nodes, and of entries, of a new store */
void ngx_k8s_nodes_init(ngx_k8s_store_t *store);
void ngx_k8s_entries_init(ngx_k8s_store_t *store);

/* nodes: find gives NULL; get makes one, NULL without memory */
ngx_k8s_node_t *ngx_k8s_node_find(ngx_k8s_store_t *store, ngx_uint_t type,
    ngx_str_t *ns, ngx_str_t *name);
ngx_k8s_node_t *ngx_k8s_node_get(ngx_k8s_store_t *store, ngx_uint_t type,
    ngx_str_t *ns, ngx_str_t *name);
/* the same of hosts */
ngx_k8s_node_t *ngx_k8s_node_host_find(ngx_k8s_store_t *store,
    uint32_t route_set, ngx_uint_t class, ngx_str_t *name);
ngx_k8s_node_t *ngx_k8s_node_host_get(ngx_k8s_store_t *store,
    uint32_t route_set, ngx_uint_t class, ngx_str_t *name);
/* the first of a type whose key is not less, NULL: none; for walks in slices,
   in which nodes come and go */
ngx_k8s_node_t *ngx_k8s_node_from(ngx_k8s_store_t *store, ngx_uint_t type,
    uint64_t key);
void ngx_k8s_node_mark(ngx_k8s_store_t *store, ngx_k8s_node_t *node);
/* users of a node whose row says so are attached anew, by settle() */
void ngx_k8s_node_turn(ngx_k8s_store_t *store, ngx_k8s_node_t *node);

/* the type of the node that the value of a row names; -1: none */
ngx_int_t ngx_k8s_node_named(ngx_k8s_row_t *row);

/* frees a node that nothing holds any more */
void ngx_k8s_node_check(ngx_k8s_store_t *store, ngx_k8s_node_t *node);

/* a node stays, and its object is wanted, while it is pinned */
void ngx_k8s_node_pin(ngx_k8s_store_t *store, ngx_k8s_node_t *node);
void ngx_k8s_node_unpin(ngx_k8s_store_t *store, ngx_k8s_node_t *node);

/* a walk begins; what is asked of one that is under way is asked of it too */
void ngx_k8s_nodes_turn(ngx_k8s_store_t *store, ngx_uint_t type);
/* a piece of a walk: NGX_AGAIN, or NGX_OK: there is none */
ngx_int_t ngx_k8s_nodes_walk(ngx_k8s_store_t *store);
ngx_uint_t ngx_k8s_nodes_walking(ngx_k8s_store_t *store);

/* what is said of those meant for a node depends on whether it has users, or is
   another name of a host: it has changed */
void ngx_k8s_node_hint(ngx_k8s_store_t *store, ngx_k8s_node_t *node);
/* an object begins, or ceases, to be named by anything */
void ngx_k8s_node_want(ngx_k8s_store_t *store, ngx_k8s_node_t *node,
    ngx_uint_t wanted);
/* the source has said something of an object, perhaps that it is not there;
   returns the node of which that was not known, or NULL */
ngx_k8s_node_t *ngx_k8s_node_answer(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);

/*
 * Links of an object and, when it is taken, of its model and of the hosts it is
 * attached to: made, then placed; drop takes them away.  At most *n in a call,
 * which is lowered: NGX_OK, NGX_AGAIN; make: NGX_ERROR, no memory.  cancel:
 * none is placed yet.
 */
void ngx_k8s_links_begin(ngx_k8s_links_t *l, ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry, ngx_k8s_object_t *object, ngx_k8s_attach_t *attach);
ngx_int_t ngx_k8s_links_make(ngx_k8s_links_t *l, ngx_uint_t *n);
ngx_int_t ngx_k8s_links_place(ngx_k8s_links_t *l, ngx_uint_t *n);
ngx_int_t ngx_k8s_links_drop(ngx_k8s_store_t *store, ngx_k8s_link_t **links,
    ngx_uint_t *n);
void ngx_k8s_links_cancel(ngx_k8s_links_t *l);

/*
 * A change of an entry begins; there must be none.  "object": another version,
 * the same one (it may be attached otherwise), or NULL.
 */
void ngx_k8s_change_begin(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_object_t *object);
/* goes on, at most *n steps, which is lowered, or a piece: NGX_OK: the end,
   NGX_AGAIN, NGX_ERROR: no memory, it may be tried again */
ngx_int_t ngx_k8s_change_step(ngx_k8s_store_t *store, ngx_uint_t *n);
ngx_int_t ngx_k8s_change_piece(ngx_k8s_store_t *store);
/* gives it up, before anything is placed; a version that has not come is
   freed, and its entry when it has no other */
void ngx_k8s_change_cancel(ngx_k8s_store_t *store);
/* whether something of it can be seen, or is to be seen before anything else */
ngx_uint_t ngx_k8s_change_shown(ngx_k8s_store_t *store);

/* removes an entry without links, and frees it when nothing else has it */
void ngx_k8s_entry_gone(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry);

ngx_k8s_entry_t *ngx_k8s_entry_find(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);

/* the oldest of store->ages, or the one after an entry; NULL: there is none */
ngx_k8s_entry_t *ngx_k8s_entry_oldest(ngx_k8s_store_t *store);
ngx_k8s_entry_t *ngx_k8s_entry_younger(ngx_k8s_store_t *store,
    ngx_k8s_entry_t *entry);

/* before the object of an entry gets another age, or goes */
void ngx_k8s_entry_age_delete(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry);

/* gives an entry another state, and counts it there */
void ngx_k8s_entry_state(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_uint_t state);
/* the same of what its attach() has said; one that stays taken keeps its own */
void ngx_k8s_entry_attached(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry,
    ngx_k8s_attach_t *attach);

/* puts an entry in store->changed */
void ngx_k8s_entry_mark(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry);
/* the queues of reported entries, of a new store */
void ngx_k8s_reported_init(ngx_k8s_store_t *store);
/* the status of an entry is to be looked at, if it is an Ingress */
void ngx_k8s_entry_report(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry);
/* on: statuses are written from now on, those of all Ingresses are looked at;
   walk() reports at most n of these: NGX_AGAIN, there are more */
void ngx_k8s_reported_on(ngx_k8s_store_t *store, ngx_uint_t on);
ngx_int_t ngx_k8s_reported_walk(ngx_k8s_store_t *store, ngx_uint_t n);
/* takes the next one, NULL: there is none */
ngx_k8s_entry_t *ngx_k8s_reported_next(ngx_k8s_store_t *store);
/* one that is not reported is looked at later; the one that waits longest */
void ngx_k8s_reported_park(ngx_k8s_store_t *store, ngx_k8s_entry_t *entry);
ngx_k8s_entry_t *ngx_k8s_reported_parked(ngx_k8s_store_t *store);
void ngx_k8s_reported_gone(ngx_k8s_entry_t *entry);
void ngx_k8s_reported_unplace(ngx_k8s_store_t *store);

/* frees an entry that has no object, and is in no queue of compile's */
void ngx_k8s_entry_free(ngx_k8s_entry_t *entry);

/*
 * Whether and where an object is served; "attach" is zeroed, but for its model.
 * NGX_OK: the caller owns attach->hosts; NGX_AGAIN: attach->model is needed;
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_attach(ngx_k8s_store_t *store, ngx_k8s_object_t *object,
    ngx_k8s_attach_t *attach);
/* for attach(): one more host, once for each set, class and name; name and
   listeners are copied.  NGX_ERROR: no memory */
ngx_int_t ngx_k8s_attach_host(ngx_k8s_attach_t *attach,
    ngx_k8s_attached_t *host, ngx_log_t *log);
/* whether hosts are attached to the same, in the same order */
ngx_uint_t ngx_k8s_attach_same(ngx_array_t *one, ngx_array_t *two);
void ngx_k8s_attach_free(ngx_array_t *hosts);

/* class rules and namespace selector */
ngx_int_t ngx_k8s_attach_ingress(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object, ngx_k8s_attach_t *attach);
/* the class that an Ingress names, by field or annotation; NULL: none */
ngx_str_t *ngx_k8s_class_named(ngx_k8s_store_t *store, ngx_k8s_ingress_t *ing,
    ngx_uint_t *annotation);

/* the data of the ConfigMap that the class of an Ingress names; NULL: none, or
   it is unknown */
ngx_array_t *ngx_k8s_class_config(ngx_k8s_store_t *store,
    ngx_k8s_object_t *object, ngx_uint_t *unknown);
/* a class has come, is another one or has gone: its models are made anew */
void ngx_k8s_class_changed(ngx_k8s_store_t *store,
    ngx_k8s_ingress_class_t *class);
/* whether it is the ConfigMap of the controller */
ngx_uint_t ngx_k8s_store_config(ngx_k8s_store_t *store, ngx_str_t *ns,
    ngx_str_t *name);
/* whether it is a ConfigMap of the controller, or of a class */
ngx_uint_t ngx_k8s_store_guards(ngx_k8s_store_t *store, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name);
/* the next of these, behind last or the first one, of which it is not known
   whether it is there; NULL: none */
ngx_k8s_node_t *ngx_k8s_store_unknown(ngx_k8s_store_t *store,
    ngx_k8s_node_t *last);
/* models of classes that name the ConfigMap of a node are made anew */
void ngx_k8s_classes_turn(ngx_k8s_store_t *store, ngx_k8s_node_t *node);

/* whether two versions of an object ask for the same */
#define ngx_k8s_object_same(one, two)                                         \
    (ngx_memcmp((one)->digest, (two)->digest, NGX_K8S_DIGEST) == 0            \
     && (one)->document == (two)->document                                    \
     && (one)->kept == (two)->kept                                            \
     && ngx_k8s_str_eq(&(one)->origin, &(two)->origin))

/* order and hash of what a namespace and a name stand for */
ngx_int_t ngx_k8s_name_cmp(ngx_str_t *ns, ngx_str_t *name, ngx_str_t *ns2,
    ngx_str_t *name2);
uint32_t ngx_k8s_name_hash(ngx_str_t *ns, ngx_str_t *name);

#define ngx_k8s_str_eq(one, two)                                              \
    ((one)->len == (two)->len                                                 \
     && ((one)->len == 0                                                      \
         || ngx_memcmp((one)->data, (two)->data, (one)->len) == 0))


#endif /* _NGX_K8S_INDEX_H_INCLUDED_ */
