
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What an object routes, in words of no kind: links, hosts, limits and
 * problems are made of this alone.  A model is made for each version of an
 * object by the maker of its kind (ngx_k8s_from_*.c), in pieces, and never
 * changed; it holds its object, and points into it.  It lies in the pool of
 * the object; one that is made anew, as the gate is another one, has its own.
 * What no request can ask for is left out and is a problem of the model; what
 * cannot be read leads nowhere.
 * Pure; private memory of the watcher.
 */


#ifndef _NGX_K8S_MODEL_H_INCLUDED_
#define _NGX_K8S_MODEL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>
#include <ngx_k8s_path.h>
#include <ngx_k8s_policy.h>


#define NGX_K8S_MODEL_PROBLEMS       64  /* kept of one object */
#define NGX_K8S_MODEL_UNMET          32

#define NGX_K8S_HOST_NAME_MAX        253


/* the path of a field, written out only where something is said of it */

typedef struct {
    const char              *format;     /* "spec.rules[%uD].host" */
    uint32_t                 index[3];
} ngx_k8s_field_t;


/* a name of another object */

typedef struct {
    ngx_str_t                namespace;
    ngx_str_t                name;       /* empty: none */
    ngx_k8s_field_t          field;
    ngx_int_t                kind;       /* NGX_K8S_SERVICE, ... */
} ngx_k8s_ref_t;


/* what the object asks to be attached to: a Gateway, a ListenerSet */

typedef struct {
    ngx_k8s_ref_t            ref;
    ngx_str_t                section;    /* empty: all listeners */
    in_port_t                port;       /* 0: any */
} ngx_k8s_parent_t;


typedef struct {
    ngx_k8s_ref_t            ref;        /* Service; no name: it leads
                                            nowhere */
    ngx_str_t                port;       /* number or name; empty: the first */
    ngx_str_t                protocol;   /* "TCP", "UDP" */
    uint32_t                 weight;
    uint16_t                 invalid;    /* status where it leads nowhere */
    unsigned                 cluster:1;  /* to the address of the Service */
} ngx_k8s_target_t;


/* a copy of each request, or of "share" / 2^32 of them, goes to a target */

typedef struct {
    ngx_k8s_target_t         target;
    uint64_t                 share;
} ngx_k8s_mirror_t;


typedef struct {
    ngx_uint_t               what;       /* NGX_K8S_PREDICATE_* */
    ngx_uint_t               how;
    ngx_str_t                name;       /* header names in lower case */
    ngx_str_t                value;
} ngx_k8s_model_predicate_t;


typedef struct {
    ngx_str_t                path;       /* as written, "/" for none */
    ngx_str_t                text;       /* as the table keeps it */
    ngx_k8s_model_predicate_t *predicates;  /* all have to hold */
    uint32_t                 npredicates;
    uint32_t                 type;       /* NGX_K8S_PATH_* */
    uint32_t                 order;      /* of one path, higher is first; 0:
                                            the path could not be read, it
                                            takes what no other one does */
    unsigned                 slash:1;    /* 301 to it from its name without
                                            the slash at its end */
    unsigned                 elements:1; /* among regular expressions still a
                                            Prefix, without a slash at its
                                            end */
    unsigned                 rewrite:1;  /* to the target of the model */
    ngx_k8s_field_t          field;
} ngx_k8s_model_match_t;


typedef struct {
    ngx_str_t                name;       /* by which it is counted; empty: by
                                            host and path alone */
    ngx_k8s_model_match_t   *matches;    /* one of them has to hold */
    ngx_k8s_target_t        *targets;    /* drawn by weight */
    ngx_k8s_mirror_t        *mirrors;
    uint32_t                 nmatches;
    uint32_t                 ntargets;
    uint32_t                 nmirrors;
    uint32_t                 seq;        /* place in the object */
} ngx_k8s_model_rule_t;


/* a host, once, with its rules: a range, which hosts may share */

typedef struct {
    ngx_str_t                name;       /* as in the table's key; before a
                                            wildcard's there is its "*" */
    uint32_t                 rule;
    uint32_t                 nrules;
    uint32_t                *tls;        /* entries of model->tls that list
                                            it */
    uint32_t                 ntls;
} ngx_k8s_model_host_t;


/* which requests of the object's paths a canary gets; empty: by that none */

typedef struct {
    ngx_str_t                header;     /* lower case */
    ngx_str_t                value;      /* that it has to have, */
    ngx_str_t                pattern;    /* or to match; else "always" */
    ngx_str_t                cookie;     /* "always" */
    uint32_t                 weight;     /* of those which none of these */
    uint32_t                 total;      /* decides */
    ngx_uint_t               stamp;      /* compile's, as the flags: of the
                                            record in the making, */
    uint32_t                 offset;     /* and where that has what the header
                                            is compared with */
    ngx_uint_t               counted;    /* the same, which counts */
    unsigned                 tried:1;    /* the pattern, */
    unsigned                 bad:1;      /* which is none */
} ngx_k8s_canary_t;

#define NGX_K8S_CANARY_NAME          256   /* bytes of a name, and */
#define NGX_K8S_CANARY_VALUE         8192  /* of a value or a pattern */


/*
 * How requests are spread over the endpoints of its Services.  Affinity: number
 * is NGX_K8S_AFFINITY_*, text the name of the cookie; a hash: text is what is
 * hashed, number how many endpoints one is drawn of, 0: just one; balance:
 * number is NGX_K8S_BALANCE_*.  Both zero or empty: it says nothing.
 */

#define NGX_K8S_SPREAD_AFFINITY      0
#define NGX_K8S_SPREAD_HASH          1
#define NGX_K8S_SPREAD_BALANCE       2

#define NGX_K8S_SPREADS              3

typedef struct {
    uint32_t                 number;
    ngx_str_t                text;
} ngx_k8s_spread_t;


typedef struct {
    ngx_k8s_ref_t            ref;        /* Secret; no name: none is given */
} ngx_k8s_model_tls_t;


#define NGX_K8S_ALIASES              1024  /* names of one object */
#define NGX_K8S_ALIAS_PATTERNS       16    /* expressions of one object, */
#define NGX_K8S_ALIAS_PATTERN_MAX    255   /* bytes of one */

/* a regular expression for names, without its tilde; flags are compile's */

typedef struct {
    ngx_str_t                text;
    unsigned                 tried:1;
    unsigned                 bad:1;      /* it is none */
    unsigned                 served:1;
} ngx_k8s_model_pattern_t;


/* a host of a tls entry that no rule of the object has */

typedef struct {
    ngx_str_t                name;       /* as that of a host */
    ngx_k8s_field_t          field;
} ngx_k8s_model_unmet_t;


typedef struct {
    ngx_k8s_object_t        *object;     /* identity, age, generation */
    ngx_pool_t              *pool;       /* of all that is here */
    ngx_k8s_parent_t        *parents;
    ngx_k8s_model_host_t    *hosts;      /* sorted by name */
    ngx_k8s_model_rule_t    *rules;
    ngx_k8s_model_tls_t     *tls;
    ngx_k8s_model_unmet_t   *unmet;
    ngx_k8s_canary_t        *canary;     /* its targets get a share of what is
                                            another object's; NULL: they do
                                            not */
    ngx_k8s_target_t        *fallback;   /* where no rule takes a request */
    ngx_k8s_target_t        *error;      /* where a Service has no endpoints,
                                            and for error pages */
    ngx_k8s_values_t         values;     /* what it says of its routes */
    ngx_str_t               *aliases;    /* of its hosts: names as theirs,
                                            sorted by name */
    ngx_k8s_model_pattern_t *patterns;
    char                    *alias_field;
    ngx_str_t                target;     /* what paths are rewritten to; empty:
                                            they stay */
    ngx_str_t                root;       /* where / of its hosts is redirected
                                            to; empty: nowhere */
    ngx_k8s_spread_t         spreads[NGX_K8S_SPREADS];
    ngx_k8s_problem_t       *problems;
    uint32_t                 nparents;
    uint32_t                 nhosts;
    uint32_t                 nrules;
    uint32_t                 ntls;
    uint32_t                 nunmet;     /* NGX_K8S_MODEL_UNMET at most */
    uint32_t                 naliases;
    uint32_t                 npatterns;
    uint32_t                 nproblems;
    uint32_t                 refs;       /* who reads it; 1 when made */
    uint32_t                 gate;       /* stamp of that by which it is made */
    unsigned                 regex:1;    /* all paths of its hosts, whoever has
                                            them, are regular expressions */
    unsigned                 catchall:1; /* the fallback is that of all hosts
                                            which nothing else has */
    unsigned                 twins:1;    /* its hosts are also meant where they
                                            are called with, or without, www */
    unsigned                 legacy:1;   /* a canary without the affinity of its
                                            primary */
} ngx_k8s_model_t;


/*
 * A stable sort by name, a step at a time: elements of "size" bytes which begin
 * with their name, an ngx_str_t.  Zeroed at first; malloc()ed.
 */

typedef struct {
    u_char                  *elts;
    u_char                  *to;         /* the same size */
    size_t                   size;
    ngx_uint_t               nelts;
    ngx_uint_t               width;      /* of runs that are sorted */
    ngx_uint_t               n;          /* elements in "to" */
    ngx_uint_t               one;        /* the next of the left run */
    ngx_uint_t               two;        /* and of the right one */
    unsigned                 unsorted:1;
} ngx_k8s_sort_t;

/* room for n elements; NGX_ERROR: no memory */
ngx_int_t ngx_k8s_sort_init(ngx_k8s_sort_t *sort, ngx_uint_t n, size_t size,
    ngx_log_t *log);
/* the next one, of which only the name is set */
void *ngx_k8s_sort_push(ngx_k8s_sort_t *sort, ngx_str_t *name);
/* NGX_OK: they are in order, NGX_AGAIN */
ngx_int_t ngx_k8s_sort_step(ngx_k8s_sort_t *sort);

#define ngx_k8s_sort_elt(sort, i)                                             \
    ((void *) ((sort)->elts + (i) * (sort)->size))


/* a host of a model, and an entry of its tls that lists it */

typedef struct {
    ngx_k8s_model_host_t    *host;
    ngx_uint_t               tls;
} ngx_k8s_listed_t;


/* a model in the making; zeroed at first, but for object, pool and gate */

typedef struct {
    ngx_k8s_object_t        *object;
    ngx_pool_t              *pool;       /* of the model to be */
    ngx_k8s_gate_t          *gate;       /* of annotations */
    ngx_array_t             *keys;       /* of the class; may be another one at
                                            each call; NULL: none */
    ngx_k8s_model_t         *model;
    ngx_uint_t               stage;
    ngx_uint_t               i;          /* where the stage is */
    ngx_uint_t               j;
    ngx_uint_t               npaths;
    ngx_k8s_model_match_t   *matches;
    ngx_k8s_target_t        *targets;
    ngx_k8s_sort_t           rules;      /* of the spec, by host */
    ngx_k8s_sort_t           wildcards;  /* what is above each host */
    ngx_k8s_listed_t        *listed;     /* malloc()ed */
    ngx_uint_t               nlisted;
    uint32_t                *places;     /* for the entries of hosts */
    unsigned                 sorting:1;  /* these are being made */
    unsigned                 regex:1;    /* use-regex is said */
    unsigned                 cluster:1;  /* service-upstream holds */
    unsigned                 unknown:1;  /* what keys there are, as "keys" */
} ngx_k8s_maker_t;

/*
 * Makes a model in steps, at most *n of them, which is lowered.  NGX_OK:
 * m->model is there, NGX_AGAIN, or NGX_ERROR: no memory, the next call tries
 * that step again.  What was allocated of the pool ends with it; the rest at
 * done(), which is called at the end, or before it.
 */
ngx_int_t ngx_k8s_from_ingress(ngx_k8s_maker_t *m, ngx_uint_t *n);

/*
 * Its stages for tls entries (ngx_k8s_from_ingress_tls.c), each a step:
 * NGX_AGAIN until it is over; NGX_ERROR: no memory, it is made once more.
 */
ngx_int_t ngx_k8s_from_ingress_tls(ngx_k8s_maker_t *m);
ngx_int_t ngx_k8s_from_ingress_places(ngx_k8s_maker_t *m);
ngx_int_t ngx_k8s_from_ingress_listed(ngx_k8s_maker_t *m);

/*
 * Problems of what is valid, and seldom meant, in an Ingress
 * (ngx_k8s_ingress_meant.c): its i-th rule or tls entry together with the next
 * one.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_ingress_meant_rule(ngx_k8s_model_t *model, ngx_uint_t i);
ngx_int_t ngx_k8s_ingress_meant_tls(ngx_k8s_model_t *model, ngx_uint_t i);
/* whether others would take a path for a pattern: "/foo(/|$)(.*)" */
ngx_uint_t ngx_k8s_ingress_pattern(ngx_str_t *path);
/* how many groups it has as a regular expression, of those with a number */
ngx_uint_t ngx_k8s_ingress_groups(ngx_str_t *path);

void ngx_k8s_maker_done(ngx_k8s_maker_t *m);

/* makes it a canary, of what its annotations say; NGX_ERROR: no memory */
ngx_int_t ngx_k8s_from_canary(ngx_k8s_model_t *model);

/* how it has its requests spread (ngx_k8s_from_spread.c), and whether that of
   two models is the same */
void ngx_k8s_from_spread(ngx_k8s_model_t *model);
/* the problem of a cookie whose Path would be an expression; NGX_ERROR: no
   memory */
ngx_int_t ngx_k8s_spread_regex(ngx_k8s_model_t *model);
/* whether the name of an annotation, or a field, is of what a canary says for
   its own Service */
ngx_uint_t ngx_k8s_spread_own(ngx_str_t *field);
ngx_uint_t ngx_k8s_spreads_equal(ngx_k8s_model_t *one, ngx_k8s_model_t *two);
ngx_uint_t ngx_k8s_spread_equal(ngx_k8s_spread_t *one, ngx_k8s_spread_t *two);

/* its other names (ngx_k8s_from_alias.c); NGX_ERROR: no memory */
ngx_int_t ngx_k8s_from_aliases(ngx_k8s_model_t *model, ngx_k8s_gate_t *gate);
/* whether a name is one of its aliases */
ngx_uint_t ngx_k8s_model_alias(ngx_k8s_model_t *model, ngx_str_t *name);
/*
 * "www.example.com" of "example.com", and back; buf has NGX_K8S_HOST_NAME_MAX
 * bytes.  NGX_DECLINED: a wildcard, no name, or one that is too long.
 */
ngx_int_t ngx_k8s_host_twin(u_char *buf, ngx_str_t *host, ngx_str_t *twin);

/* reads the annotations that the gate lets through; NGX_ERROR: no memory */
ngx_int_t ngx_k8s_from_annotations(ngx_k8s_model_t *model,
    ngx_k8s_gate_t *gate);

/*
 * A host as an object has it to the table's form, in buf of
 * NGX_K8S_HOST_NAME_MAX + 1 bytes; NGX_DECLINED when it is none.
 */
ngx_int_t ngx_k8s_host_name(u_char *buf, ngx_str_t *host, ngx_str_t *name);

/*
 * The same where it stands in the object, or in the pool; before the name of a
 * wildcard there is its asterisk.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_host_name_pool(ngx_pool_t *pool, ngx_str_t *host,
    ngx_str_t *name);

#define ngx_k8s_model_ref(model)     ((model)->refs++)

/* the last one frees the model, and the last model the object */
void ngx_k8s_model_release(ngx_k8s_model_t *model);

/* < 0: the first one is less; bytes, then length */
ngx_int_t ngx_k8s_str_cmp(ngx_str_t *one, ngx_str_t *two);

/* the field of an annotation, as ngx_k8s_field_t has it; NULL: no memory */
char *ngx_k8s_from_annotation_field(ngx_k8s_model_t *model,
    ngx_k8s_gate_t *gate, ngx_str_t *name);

/* a ngx_k8s_say_pt: the problem of an annotation; data is the model */
ngx_int_t ngx_k8s_from_annotations_say(void *data, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *message, ngx_str_t *remedy);

/* the name of a host of a model, or of its node, as it is shown:
   "*.example.com" */
ngx_str_t ngx_k8s_host_shown(ngx_str_t *name);

/* a field's path in pool; its data is NULL without memory */
ngx_str_t ngx_k8s_field_text(ngx_k8s_field_t *field, ngx_pool_t *pool);

/* adds a problem; formats as ngx_sprintf(), strings are copied; those beyond
   NGX_K8S_MODEL_PROBLEMS are not kept.  NGX_ERROR: no memory */
ngx_int_t ngx_cdecl ngx_k8s_model_problem(ngx_k8s_model_t *model,
    ngx_uint_t code, ngx_str_t *host, ngx_k8s_field_t *field, const char *fmt,
    ...);


/*
 * The order of matches (ngx_k8s_order.c): negative when the first one comes
 * first.  A request is taken by the most specific host; there by the first path
 * that ngx_k8s_path_cmp() has; of this path by the first match as here: higher
 * order, older object, place in the object.  Records have paths and matches in
 * this order, the router tries them as they stand.
 */
ngx_int_t ngx_k8s_match_cmp(ngx_k8s_object_t *object,
    ngx_k8s_model_rule_t *rule, ngx_k8s_model_match_t *match,
    ngx_k8s_object_t *object2, ngx_k8s_model_rule_t *rule2,
    ngx_k8s_model_match_t *match2);

/* the older one, and where they are as old, by kind */
ngx_int_t ngx_k8s_object_cmp(ngx_k8s_object_t *one, ngx_k8s_object_t *two);

/* the older one */
ngx_int_t ngx_k8s_age_cmp(ngx_k8s_object_t *one, ngx_k8s_object_t *two);


#endif /* _NGX_K8S_MODEL_H_INCLUDED_ */
