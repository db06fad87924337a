
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Kubernetes objects as small typed structures.  Pure: no running nginx, no
 * sockets.  Each object lives in a pool of its own, which holds all of it and
 * is destroyed by ngx_k8s_object_free(); strings are copies, not terminated.
 *
 * Objects are untrusted: a field of a wrong type or value is left at its
 * default and noted in object->problems.  Where it decides where requests go,
 * what it belongs to is closed as well, so that they go nowhere.  Only an
 * object without a usable name, or over NGX_K8S_OBJECT_MAX bytes, is refused
 * as a whole.
 */


#ifndef _NGX_K8S_RESOURCE_H_INCLUDED_
#define _NGX_K8S_RESOURCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_problem.h>
#include <jansson.h>


#define NGX_K8S_INGRESS              0
#define NGX_K8S_INGRESS_CLASS        1
#define NGX_K8S_SERVICE              2
#define NGX_K8S_ENDPOINT_SLICE       3
#define NGX_K8S_SECRET               4
#define NGX_K8S_NAMESPACE            5
#define NGX_K8S_CONFIG_MAP           6

#define NGX_K8S_KINDS                7

#define NGX_K8S_OBJECT_MAX           (4 * 1024 * 1024)

#define NGX_K8S_DIGEST               20  /* bytes of it that are kept */

#define NGX_K8S_CLASS_ANNOTATION     "kubernetes.io/ingress.class"
#define NGX_K8S_DEFAULT_ANNOTATION                                            \
    "ingressclass.kubernetes.io/is-default-class"


typedef struct ngx_k8s_reader_s  ngx_k8s_reader_t;
typedef struct ngx_k8s_digest_s  ngx_k8s_digest_t;


/* what is known of a kind, in one table (ngx_k8s_kinds[kind]) */

typedef struct {
    ngx_str_t                name;       /* "Ingress" */
    ngx_str_t                plural;     /* "ingresses" */
    ngx_str_t                group;      /* "networking.k8s.io", core: "" */
    ngx_str_t                version;    /* "v1" */
    unsigned                 namespaced:1;
    unsigned                 required:1; /* not ready when refused */
    unsigned                 labels:1;   /* labels are kept */
    unsigned                 annotations:1;  /* annotations are read and kept */
    unsigned                 body:1;     /* what is beside metadata is read */
    unsigned                 wanted:1;   /* of those alone that are named: of
                                            the others name and version are
                                            known, at most */
    unsigned                 secret:1;   /* its values are wiped, and copied
                                            nowhere */
    unsigned                 status:1;   /* the digest of its status is kept */
    size_t                   size;       /* of its structure */
    const char              *list;       /* a list whose elements are read one
                                            by one, NULL: none */
    /* what is beside metadata; NULL: nothing is read */
    void                   (*read)(ngx_k8s_reader_t *r, json_t *json);
    /* of a large object the next element of its lists, which it takes out of
       the JSON: NGX_OK, NGX_DONE when none is left, NGX_ERROR; NULL: none */
    ngx_int_t              (*piece)(ngx_k8s_reader_t *r, json_t *json,
                                ngx_k8s_digest_t *digest);
} ngx_k8s_kind_t;

extern ngx_k8s_kind_t  ngx_k8s_kinds[NGX_K8S_KINDS];


/* the head of every object */

typedef struct ngx_k8s_object_s  ngx_k8s_object_t;

struct ngx_k8s_object_s {
    ngx_uint_t               kind;       /* NGX_K8S_INGRESS, ... */
    ngx_pool_t              *pool;
    ngx_uint_t               refs;       /* who holds it, but for one */
    ngx_str_t                namespace;  /* empty for cluster-wide kinds */
    ngx_str_t                name;
    ngx_str_t                uid;
    ngx_str_t                version;    /* resourceVersion */
    time_t                   created;    /* creationTimestamp, 0 without */
    ngx_str_t                origin;     /* manifests: "dir/file.yaml", else
                                            empty */
    ngx_uint_t               document;   /* manifests: number in that file */
    ngx_array_t             *labels;     /* ngx_keyval_t, NULL for none; */
    ngx_array_t             *annotations; /* of kinds that keep them */
    ngx_array_t             *problems;   /* ngx_k8s_problem_t, NULL for none */
    ngx_queue_t             *freed;      /* where it goes when it is freed and
                                            large; NULL: nowhere */
    u_char                   digest[NGX_K8S_DIGEST];
    u_char                   status[NGX_K8S_DIGEST]; /* of the text of its
                                            status; 0: it has none */
    unsigned                 kept:1;     /* a Secret that cannot be read any
                                            more: its name, or as it was */
};


typedef struct {
    ngx_str_t                service;    /* empty: none given */
    ngx_str_t                port_name;  /* empty: by number */
    ngx_uint_t               port;
    unsigned                 resource:1; /* a backend of kind Resource */
    unsigned                 closed:1;   /* 503: it, or the type of its path,
                                            is missing or cannot be read */
} ngx_k8s_backend_t;

typedef struct {
    ngx_str_t                path;       /* as written, may be empty */
    ngx_uint_t               type;       /* NGX_K8S_PATH_TYPE_* */
    ngx_k8s_backend_t        backend;
    unsigned                 no_path:1;  /* cannot be read: it takes what no
                                            other path of the host does */
} ngx_k8s_http_path_t;

#define NGX_K8S_PATH_TYPE_EXACT      0
#define NGX_K8S_PATH_TYPE_PREFIX     1
#define NGX_K8S_PATH_TYPE_IMPL       2   /* ImplementationSpecific, or none */

typedef struct {
    ngx_str_t                host;       /* as written, may be empty */
    ngx_uint_t               npaths;
    ngx_k8s_http_path_t     *paths;
    unsigned                 no_host:1;  /* cannot be read: of no host */
} ngx_k8s_ingress_rule_t;

typedef struct {
    ngx_uint_t               nhosts;
    ngx_str_t               *hosts;
    ngx_str_t                secret;     /* empty: none given */
} ngx_k8s_ingress_tls_t;

typedef struct {
    ngx_k8s_object_t         object;
    ngx_str_t                class_name; /* data == NULL: not set */
    ngx_k8s_backend_t       *default_backend;  /* NULL: none */
    ngx_uint_t               nrules;
    ngx_k8s_ingress_rule_t  *rules;
    ngx_uint_t               ntls;
    ngx_k8s_ingress_tls_t   *tls;
    unsigned                 no_class:1; /* cannot be read: of no class */
} ngx_k8s_ingress_t;


typedef struct {
    ngx_k8s_object_t         object;
    ngx_str_t                controller;
    ngx_str_t                config_namespace;  /* of the ConfigMap that its */
    ngx_str_t                config;     /* parameters name; empty: none */
    unsigned                 is_default:1;
    unsigned                 other_config:1;  /* parameters name no ConfigMap */
    unsigned                 near_config:1;   /* and mean one */
    unsigned                 unread:1;   /* it cannot be read which one */
} ngx_k8s_ingress_class_t;


typedef struct {
    ngx_str_t                name;
    ngx_uint_t               port;
    ngx_uint_t               target_port;  /* 0: by name, or as port */
    ngx_str_t                target_name;
    ngx_str_t                protocol;     /* "TCP" when not given */
    ngx_str_t                app_protocol;
    unsigned                 closed:1;     /* some of it cannot be read */
} ngx_k8s_service_port_t;

typedef struct {
    ngx_k8s_object_t         object;
    ngx_str_t                type;         /* "ClusterIP", ... */
    ngx_str_t                cluster_ip;   /* "None": headless */
    ngx_str_t                external_name;
    ngx_uint_t               nexternal_ips;
    ngx_str_t               *external_ips;
    ngx_uint_t               family;       /* of ipFamilies[0]: 4, 6, 0 */
    ngx_uint_t               nports;
    ngx_k8s_service_port_t  *ports;
    unsigned                 no_ports:1;   /* it gives none, not even a bad
                                              one */
} ngx_k8s_service_t;


typedef struct {
    ngx_str_t                name;         /* empty: unnamed */
    ngx_uint_t               port;         /* 0: none */
    ngx_str_t                protocol;
    ngx_str_t                app_protocol;
    unsigned                 closed:1;     /* some of it cannot be read */
} ngx_k8s_slice_port_t;

typedef struct {
    ngx_str_t                address;      /* the first of its addresses */
    ngx_str_t                zone;
    ngx_str_t                hints;        /* forZones names, by commas */
    ngx_str_t                node;
    ngx_str_t                target;       /* targetRef.uid */
    unsigned                 ready:1;      /* absent counts as true */
    unsigned                 serving:1;    /* absent: as ready */
    unsigned                 terminating:1;
} ngx_k8s_slice_endpoint_t;

typedef struct {
    ngx_k8s_object_t         object;
    ngx_str_t                service;      /* kubernetes.io/service-name */
    ngx_uint_t               family;       /* 4, 6; 0: FQDN, not used */
    ngx_uint_t               nports;
    ngx_k8s_slice_port_t    *ports;
    ngx_array_t              endpoints;    /* ngx_k8s_slice_endpoint_t */
} ngx_k8s_endpoint_slice_t;


/* a large object of which only some has been read */

typedef union {
    ngx_k8s_object_t         object;
    ngx_k8s_ingress_t        ingress;
    ngx_k8s_endpoint_slice_t slice;
} ngx_k8s_part_t;


/* a digest in the making, of JSON piece by piece */

struct ngx_k8s_digest_s {
    void                    *ctx;          /* EVP_MD_CTX */
    ngx_uint_t               cost;         /* of what was added: values, and
                                              bytes of strings */
    size_t                   len;
    u_char                   buf[512];
    unsigned                 failed:1;
};


/* a Secret: its keys decoded from base64; wiped when freed */

typedef struct {
    ngx_k8s_object_t         object;
    ngx_str_t                type;
    ngx_array_t             *data;         /* ngx_keyval_t */
} ngx_k8s_secret_t;


/* a ConfigMap: what is in binaryData is decoded; one with more keys cannot be
   read, nor can a longer value */

#define NGX_K8S_CONFIG_KEYS          1024
#define NGX_K8S_CONFIG_VALUE         65536   /* bytes */

typedef struct {
    ngx_k8s_object_t         object;
    ngx_array_t             *data;         /* ngx_keyval_t, by key, or NULL */
} ngx_k8s_config_map_t;

/* the value of a key, NULL when it has none; lives as long as the object */
ngx_str_t *ngx_k8s_config_map_value(ngx_k8s_config_map_t *map, ngx_str_t *key);


/*
 * Kind of a JSON object by its apiVersion and kind, NGX_ERROR for others.
 */
ngx_int_t ngx_k8s_kind_of(json_t *json);

/*
 * Makes an object of a whole JSON document; "json" stays the caller's.  NULL:
 * refused, and *problem says why (its strings are static or in "pool"); an
 * empty message: there was no memory.
 */
ngx_k8s_object_t *ngx_k8s_object_from_json(ngx_uint_t kind, json_t *json,
    ngx_pool_t *pool, ngx_k8s_problem_t *problem, ngx_log_t *log);

/* of one of those who hold it; the last one frees it */
void ngx_k8s_object_free(ngx_k8s_object_t *object);

/* destroys a pool; a large one goes to the queue, for objects_free(), where
   there is one */
void ngx_k8s_pool_release(ngx_pool_t *pool, ngx_queue_t *queue);

/* pieces of memory: of a large object */
#define NGX_K8S_FREE_PIECES          32

/* frees n pieces of memory of large objects: NGX_AGAIN: there are more */
ngx_int_t ngx_k8s_objects_free(ngx_queue_t *freed, ngx_uint_t n);

/*
 * JSON from which the object is read again, to its last field, but for its
 * resourceVersion and problems; of a Secret its name alone.  NULL: no memory;
 * the caller calls free().
 */
u_char *ngx_k8s_object_write(ngx_k8s_object_t *object);

/* why an object of a kind would be refused, a static string, or NULL */
char *ngx_k8s_object_check(ngx_k8s_kind_t *k, json_t *json);

/* whether an object in a namespace can have these names */
ngx_uint_t ngx_k8s_object_named(ngx_str_t *ns, ngx_str_t *name);

/* seconds since the epoch of an RFC 3339 time, NGX_ERROR when it is none */
time_t ngx_k8s_time(ngx_str_t *s);

/* NGX_OK or NGX_DECLINED: a DNS label; labels with dots between them, at most
   253 bytes.  Lower case, no dot at the end */
ngx_int_t ngx_k8s_dns_label(ngx_str_t *s);
ngx_int_t ngx_k8s_dns_subdomain(ngx_str_t *s);

/*
 * Overwrites the values of a Secret's JSON, where they stand; not those that
 * other JSON has as well, by an alias.
 */
void ngx_k8s_secret_wipe(json_t *json);

/* adds a problem to an object; formats as ngx_sprintf(); strings are copied */
void ngx_cdecl ngx_k8s_object_problem(ngx_k8s_object_t *object,
    ngx_uint_t code, char *field, const char *fmt, ...);


/*
 * Parses the text of one object in slices: jansson reads whole documents, so
 * a scanner cuts the text into values that it reads one by one.  Nothing is
 * made of metadata.managedFields and the like, and no tree of a large
 * EndpointSlice's "endpoints": each is read and converted alone.  Rules and
 * paths of a large Ingress are converted one by one as well.  What is converted
 * in one piece has a limit, as have such lists: an object over it is refused
 * like one that is too large.
 *
 *   rc = ngx_k8s_parser_init(&p, kind, text, len, log);
 *   while (rc == NGX_OK or NGX_AGAIN) { rc = ngx_k8s_parser_run(&p, budget); }
 *
 * "budget" is in bytes of text for one call.  NGX_OK: p.object is the
 * caller's.  NGX_DECLINED, of both: refused, p.problem says why; its strings
 * are static or in p.  NGX_ERROR: no memory.  The text has to stay until the
 * end or ngx_k8s_parser_cancel(), which does no harm after the end.
 */

#define NGX_K8S_PARSER_DEPTH         16
#define NGX_K8S_PARSER_TREE_DEPTH    64

/* elements of a list, and members of a map, of any document: such arrays and
   hashes grow by a copy of all that is in them */

#define NGX_K8S_PARSER_TREE_LIST     262144
#define NGX_K8S_PARSER_TREE_MAP      32768

/* values that are converted in one piece, of which each 256 bytes of a string
   count as one more; elements of a list that is converted one by one; bytes of
   a string, and of one with escapes, which is decoded by jansson */

#define NGX_K8S_PARSER_VALUES        8192
#define NGX_K8S_PARSER_ELEMENTS      65536
#define NGX_K8S_PARSER_STRING        (1024 * 1024)
#define NGX_K8S_PARSER_ESCAPED       (256 * 1024)

/* bytes of all annotations, names and values, but for what kubectl has applied;
   of all values of a Secret or ConfigMap, decoded: as the API server has it */

#define NGX_K8S_PARSER_ANNOTATIONS   (256 * 1024)
#define NGX_K8S_PARSER_DATA          (1024 * 1024)

typedef struct {
    json_t                  *json;         /* the container, owned */
    json_t                  *key;          /* of the member being read, owned */
    ngx_uint_t               role;
    ngx_uint_t               cost;         /* of what is in it so far */
} ngx_k8s_parser_frame_t;

/* state of a scan that can be interrupted anywhere; zeroed at first */

typedef struct {
    ngx_uint_t               depth;
    unsigned                 started:1;
    unsigned                 scalar:1;
    unsigned                 string:1;
    unsigned                 escape:1;
    unsigned                 broken:1;
} ngx_k8s_json_scan_t;

typedef struct {
    ngx_uint_t               kind;
    u_char                  *text;
    u_char                  *pos;
    u_char                  *last;
    ngx_log_t               *log;
    ngx_k8s_object_t        *object;
    ngx_k8s_problem_t        problem;
    ngx_uint_t               state;
    ngx_int_t                rc;           /* when what was read is freed */
    ngx_uint_t               depth;        /* frames in use */
    ngx_k8s_parser_frame_t   frames[NGX_K8S_PARSER_TREE_DEPTH];
    ngx_k8s_json_scan_t      scan;
    json_t                  *root;         /* once complete, owned */
    ngx_pool_t              *pool;         /* of an object to be, or NULL */
    ngx_k8s_part_t           part;         /* of it, with the problems so far */
    ngx_array_t              endpoints;    /* so far; malloc()ed */
    ngx_k8s_digest_t         digest;       /* of them; begun with the pool */
    ngx_k8s_digest_t         status;       /* in the making */
    u_char                   status_digest[NGX_K8S_DIGEST];
    ngx_uint_t               elements;     /* endpoints seen */
    uint32_t                *places;       /* of a tree: where elements of */
    ngx_uint_t               nplaces;      /* "items" begin; malloc()ed, the */
    ngx_uint_t               nalloc;       /* caller's if he takes them */
    size_t                   annotations;  /* bytes of them so far */
    size_t                   data;         /* and of values */
    ngx_str_t                namespace;    /* when it is declined, of both or */
    ngx_str_t                name;         /* neither; empty: not known yet */
    u_char                   names[320];
    unsigned                 failed:1;     /* no memory */
    unsigned                 tree:1;       /* any value: no object is made */
    u_char                   field[256];   /* of the problem */
    u_char                   message[128];
} ngx_k8s_parser_t;

ngx_int_t ngx_k8s_parser_init(ngx_k8s_parser_t *p, ngx_uint_t kind,
    u_char *text, size_t len, ngx_log_t *log);

/*
 * The same for any JSON object or array that the text begins with, whatever its
 * kind: NGX_OK: p.root is the caller's, p.pos is behind it.  NGX_DECLINED:
 * p.pos is where it is broken, the message says why.  A string that is too long
 * for an object is one that no object may have.
 */
void ngx_k8s_parser_tree(ngx_k8s_parser_t *p, u_char *text, size_t len,
    ngx_log_t *log);

ngx_int_t ngx_k8s_parser_run(ngx_k8s_parser_t *p, size_t budget);
void ngx_k8s_parser_cancel(ngx_k8s_parser_t *p);


/*
 * Scanner: end of the JSON value that starts at p (white space before it is
 * skipped), without parsing it: one past its last byte; NULL when it is not
 * complete within len, or broken.
 */
u_char *ngx_k8s_json_skip(u_char *p, u_char *last);

/*
 * The same in pieces: NULL and not scan->broken: all up to last is taken, go
 * on from there.
 */
u_char *ngx_k8s_json_scan(ngx_k8s_json_scan_t *scan, u_char *p, u_char *last);

/* whether it was for lack of memory that jansson has not read this text */
ngx_uint_t ngx_k8s_json_no_memory(json_error_t *error, u_char *text,
    size_t len);

/*
 * Finds a member of the JSON object that starts at p, without parsing it:
 * NGX_OK and the raw value in *value (strings with their quotes), NGX_DECLINED
 * when there is none, NGX_ERROR when the text is broken.
 */
ngx_int_t ngx_k8s_json_member(u_char *p, u_char *last, char *name,
    ngx_str_t *value);

/* the same of a value that may have no end: where it begins */
ngx_int_t ngx_k8s_json_value(u_char *p, u_char *last, char *name,
    u_char **value);

/*
 * What names an object, wherever it stands in metadata, of a text that comes in
 * pieces and need not be kept: that of an object, or a line of a watch, which
 * has a type and the object.  Nothing is read any more when all is known.
 */

#define NGX_K8S_JSON_NAMES_WORD           256

typedef struct ngx_k8s_json_member_s  ngx_k8s_json_member_t;

typedef struct {
    ngx_str_t                type;         /* in buffer, as the others; empty
                                              where there is none, no string, or
                                              one with an escape or of more than
                                              NGX_K8S_JSON_NAMES_WORD bytes */
    ngx_str_t                name;
    ngx_str_t                namespace;
    ngx_str_t                version;
    ngx_uint_t               depth;        /* containers that are open */
    ngx_uint_t               way;          /* of them, those on the way */
    ngx_uint_t               above;        /* that are not there */
    ngx_k8s_json_member_t   *member;       /* whose value comes, or NULL */
    size_t                   len;          /* of word */
    size_t                   used;         /* of buffer */
    unsigned                 event:1;
    unsigned                 string:1;
    unsigned                 escape:1;
    unsigned                 take:1;       /* the string goes to word */
    unsigned                 value:1;      /* after a colon */
    unsigned                 over:1;       /* metadata have ended */
    unsigned                 done:1;       /* nothing is missing */
    u_char                   buffer[4 * NGX_K8S_JSON_NAMES_WORD];
    u_char                   word[NGX_K8S_JSON_NAMES_WORD];
} ngx_k8s_json_names_t;

/* event: it is a line of a watch.  Strings live until the next init() */
void ngx_k8s_json_names_init(ngx_k8s_json_names_t *n, ngx_uint_t event);
void ngx_k8s_json_names_feed(ngx_k8s_json_names_t *n, u_char *p, u_char *last);

/*
 * Incremental cutter of a list's items: fed any pieces of a List document, it
 * hands out each element of "items" as it becomes complete, and at the end
 * the document's other members (metadata.resourceVersion, .continue).
 */

typedef struct {
    ngx_uint_t               state;
    ngx_uint_t               depth;
    unsigned                 string:1;
    unsigned                 escape:1;
    unsigned                 name:1;       /* the string is a member's name */
    unsigned                 value:1;      /* after a colon */
    unsigned                 ready:1;      /* buf was handed out */
    unsigned                 over:1;       /* the element is over max */
    u_char                  *buf;          /* malloc()ed: current element */
    size_t                   len;
    size_t                   size;
    u_char                  *rest;         /* malloc()ed: all else */
    size_t                   rest_len;
    size_t                   rest_size;
    size_t                   max;          /* of one element, bytes */
    ngx_k8s_json_scan_t      scan;         /* of it */
    ngx_k8s_json_names_t     names;        /* of it */
    u_char                   key[16];
    ngx_uint_t               key_len;
} ngx_k8s_list_cutter_t;

void ngx_k8s_list_cutter_init(ngx_k8s_list_cutter_t *c, size_t max);

/*
 * Takes bytes from *p up to last, advancing *p.  NGX_OK: an element is
 * complete in c->buf, c->len (valid until the next call, or taken over by
 * setting c->buf to NULL); call again.  NGX_AGAIN: all bytes taken.  NGX_DONE:
 * the document has ended, c->rest holds it with "items":[].  NGX_DECLINED: an
 * element over max was left out, call again.  With both c->names is what names
 * the element.  NGX_ERROR: broken, or no memory.
 */
ngx_int_t ngx_k8s_list_cutter_feed(ngx_k8s_list_cutter_t *c, u_char **p,
    u_char *last);
void ngx_k8s_list_cutter_done(ngx_k8s_list_cutter_t *c);


#endif /* _NGX_K8S_RESOURCE_H_INCLUDED_ */
