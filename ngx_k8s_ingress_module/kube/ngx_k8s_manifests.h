
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The manifests source: a folder of YAML and JSON files, and what follows its
 * changes.  Private memory of the watcher; all of it hangs off
 * ngx_k8s_manifests_t and goes with it.
 *
 * The folder is walked (tree), files that changed are read (file) to claims,
 * one for each object that a document holds; of all claims to one object the
 * first by path and place holds it, and what differs from what was fed last
 * is fed (objects).  Each part works in small steps.
 */


#ifndef _NGX_K8S_MANIFESTS_H_INCLUDED_
#define _NGX_K8S_MANIFESTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_md5.h>
#include <ngx_k8s_json_tree.h>
#include <ngx_k8s_source.h>
#include <ngx_k8s_yaml.h>


/* bytes of one file */
#define NGX_K8S_MANIFEST_MAX         (16 * 1024 * 1024)

/* bytes that one step reads, or wipes; that it writes, or frees of a tree */
#define NGX_K8S_MANIFEST_BYTES       (64 * 1024)
#define NGX_K8S_MANIFEST_TREE        (16 * 1024)

/* documents and nodes of one step */
#define NGX_K8S_MANIFEST_NODES       100

/* objects that one step looks at, for a reason that most do not have */
#define NGX_K8S_MANIFEST_LOOKED      1000

/* lists in lists */
#define NGX_K8S_MANIFEST_LISTS       4

/* Endpoints are no kind of the store: they become EndpointSlices */
#define NGX_K8S_MANIFEST_ENDPOINTS   NGX_K8S_KINDS

/* behind their name */
#define NGX_K8S_MANIFEST_MIRRORED    ".mirrored.%ui"

/* of one file that are told */
#define NGX_K8S_MANIFEST_PROBLEMS    8

/* a file that is being written is left alone for so long */
#define NGX_K8S_MANIFEST_WRITING     1000


typedef struct ngx_k8s_manifest_s        ngx_k8s_manifest_t;
typedef struct ngx_k8s_manifest_ident_s  ngx_k8s_manifest_ident_t;


/* what one document of a file says about one object */

typedef struct {
    ngx_queue_t              queue;      /* of the file, in order */
    ngx_queue_t              rivals;     /* of the object, the first wins */
    ngx_k8s_manifest_t      *file;
    ngx_k8s_manifest_ident_t  *ident;
    ngx_uint_t               document;   /* from 1 */
    ngx_uint_t               place;      /* in the file, from 0 */
    size_t                   len;
    u_char                  *text;       /* JSON; wiped when freed; of
                                            Endpoints: a list of slices */
    size_t                   spec;       /* in the text, behind its "{" */
    u_char                   digest[16]; /* of the text */
    time_t                   created;    /* of an IngressClass */
    unsigned                 fallback:1; /* the default IngressClass */
    unsigned                 classless:1; /* Ingress: gets the default one */
    unsigned                 selector:1; /* Service: has one */
    unsigned                 kept:1;     /* the last good version */
} ngx_k8s_manifest_claim_t;


/* what is wrong in a file that can be parsed; one allocation */

typedef struct {
    ngx_queue_t              queue;
    ngx_uint_t               code;
    ngx_str_t                message;
} ngx_k8s_manifest_note_t;


/* a text that is no longer needed, at its begin; wiped from its end */

typedef struct {
    ngx_queue_t              queue;
    size_t                   len;
} ngx_k8s_manifest_waste_t;


/* a list that is being taken apart; references are owned */

typedef struct {
    json_t                  *items;
    size_t                   element;
    json_t                  *kind;       /* of elements, or NULL */
    json_t                  *version;
} ngx_k8s_manifest_list_t;


/* Endpoints that are being mirrored */

typedef struct {
    json_t                  *json;       /* they, borrowed */
    json_t                  *subsets;    /* of them; NULL: none is mirrored */
    json_t                  *slices;     /* so far */
    json_t                  *open;       /* the last one of each digest of ports
                                            and family */
    json_t                  *ports;      /* of the subset; NULL: between two */
    json_t                  *trash;      /* borrowed */
    size_t                   subset;
    ngx_uint_t               list;       /* of the subset, and in that: */
    size_t                   n;
    ngx_uint_t               addresses;  /* of the subset so far */
    ngx_md5_t                md5;
    u_char                   digest[16]; /* of its ports */
} ngx_k8s_mirror_t;


/* an object: kind, namespace and name, and who claims it */

struct ngx_k8s_manifest_ident_s {
    ngx_str_node_t           sn;         /* key: kind, namespace "/" name */
    ngx_queue_t              queue;      /* of changed ones */
    ngx_queue_t              claims;
    ngx_queue_t              kin;        /* in classes, ingresses, or owed */
    ngx_uint_t               slices;     /* Endpoints: fed last */
    ngx_uint_t               kind;
    ngx_str_t                ns;
    ngx_str_t                name;
    u_char                   digest[16]; /* of what was fed last */
    unsigned                 changed:1;
    unsigned                 fed:1;
    unsigned                 again:1;    /* to be fed though it is the same */
    unsigned                 owed:1;     /* a ConfigMap that is wanted, and may
                                            be where it cannot be read */
};


struct ngx_k8s_manifest_s {
    ngx_str_node_t           sn;         /* path below the folder */
    ngx_queue_t              queue;      /* of changed ones */
    ngx_queue_t              reports;    /* of those whose problems changed */
    ngx_queue_t              refeeds;    /* of those whose objects are fed
                                            anew */
    ngx_queue_t              claims;
    ngx_queue_t             *told;       /* the next of them whose rivals are
                                            told, NULL: all problems are */
    ngx_uint_t               ntold;      /* problems, so far */
    ngx_queue_t             *refeed;     /* the next of them, NULL: none */
    ngx_queue_t              notes;      /* the first ones */
    ngx_uint_t               nnotes;     /* of all */
    ngx_uint_t               unread;     /* Ingresses among them */
    ngx_uint_t               nmaps;      /* ConfigMaps without a good version */
    dev_t                    dev;
    ino_t                    ino;
    off_t                    size;
    struct timespec          mtime;
    struct timespec          ctime;
    u_char                   digest[16];
    ngx_uint_t               seen;       /* number of the walk */
    ngx_msec_t               writing;    /* since then, 0: not */
    u_char                  *error;      /* malloc()ed, or NULL */
    unsigned                 changed:1;
    unsigned                 force:1;    /* read it whatever stat() says */
    unsigned                 read:1;     /* digest is valid */
    unsigned                 report:1;
};


typedef struct {
    ngx_queue_t              queue;
    dev_t                    dev;
    ino_t                    ino;
    ngx_str_t                path;       /* with a last slash, or empty */
    ngx_uint_t               depth;
} ngx_k8s_manifest_dir_t;


/* a directory, or the target of a link, that inotify watches */

typedef struct {
    ngx_rbtree_node_t        node;       /* key: descriptor */
    ngx_str_t                path;       /* with a last slash, or empty */
    ngx_uint_t               seen;
    unsigned                 link:1;     /* a file */
    unsigned                 shared:1;   /* under several paths */
} ngx_k8s_manifest_watch_t;


typedef struct {
    ngx_k8s_source_t         source;     /* the head: this is its data */
    ngx_k8s_source_conf_t   *conf;
    ngx_k8s_sink_t          *sink;
    ngx_log_t               *log;
    ngx_str_t                root;       /* with a last slash */

    /* tree */
    ngx_connection_t        *connection; /* inotify; NULL: none */
    ngx_int_t                parent;     /* descriptor of the parent's watch */
    ngx_rbtree_t             watches;
    ngx_rbtree_node_t        watches_sentinel;
    ngx_uint_t               walk;       /* number of the present walk */
    ngx_queue_t              dirs;       /* to be walked, dir_t */
    ngx_queue_t              visited;
    DIR                     *dir;        /* being read */
    ngx_k8s_manifest_dir_t  *current;
    dev_t                    dev;        /* the folder's, when walked */
    ino_t                    ino;
    ngx_event_t              rescan;     /* timer, set when there is no work */

    /* files */
    ngx_rbtree_t             files;
    ngx_rbtree_node_t        files_sentinel;
    ngx_queue_t              changed;
    ngx_queue_t              reports;
    ngx_queue_t              refeeds;
    ngx_queue_t              gone;       /* files in no tree, by "queue" */
    ngx_k8s_manifest_t      *reading;    /* NULL: none */
    ngx_fd_t                 fd;         /* of it, until it is read */
    ngx_md5_t                md5;        /* so far */
    size_t                   size;       /* bytes it had when it was opened */
    ngx_k8s_yaml_decode_t    decode;     /* of its text, once it is read */
    ngx_k8s_yaml_t          *yaml;       /* NULL: it is still being decoded */
    u_char                  *text;
    size_t                   len;
    ngx_queue_t              waste;      /* ngx_k8s_manifest_waste_t */
    u_char                   digest[16];
    ngx_queue_t              pending;    /* claims of the file being read */
    ngx_queue_t             *held;       /* the next of them, "committing" */
    ngx_k8s_manifest_claim_t  *claim;    /* the last one, whose text is
                                            written; or NULL */
    json_t                  *object;     /* of that, and what is written: */
    json_t                  *written;    /* the same, or slices; references;
                                            NULL: Endpoints are mirrored */
    ngx_k8s_mirror_t         mirror;
    ngx_k8s_json_text_t      writing;
    json_t                  *trash;      /* an array of what is to be freed */
    ngx_queue_t              notes;      /* and notes */
    ngx_uint_t               nnotes;
    ngx_uint_t               unread;
    ngx_uint_t               documents;
    ngx_uint_t               item;       /* of the document, 0: none */
    ngx_uint_t               places;
    ngx_uint_t               nlists;
    ngx_k8s_manifest_list_t  lists[NGX_K8S_MANIFEST_LISTS];
    ngx_array_t              ignored;    /* kinds: ngx_str_t, malloc()ed */
    ngx_pool_t              *pool;

    /* objects */
    ngx_rbtree_t             idents;
    ngx_rbtree_node_t        idents_sentinel;
    ngx_queue_t              seeds;      /* ngx_k8s_seed_t */
    ngx_k8s_parser_t         seed;       /* of the first, with "seeding" */
    ngx_queue_t              owed;       /* idents without an answer */
    ngx_uint_t               nunread;    /* files, and ConfigMaps in others,
                                            that cannot be read */
    ngx_queue_t              objects;    /* changed idents */
    u_char                   feeding[16]; /* digest of the first one: of
                                            Endpoints that are being fed */
    size_t                   fed;        /* bytes of its text so far */
    ngx_uint_t               nfed;       /* slices */
    ngx_k8s_manifest_ident_t  *relist;   /* the next that is fed once more, or
                                            NULL */
    ngx_queue_t              classes;    /* idents of IngressClasses */
    ngx_queue_t             *class_next; /* of them, and NULL: */
    ngx_k8s_manifest_claim_t  *class_best; /* the default one so far */
    ngx_queue_t              ingresses;
    ngx_queue_t             *ingress_next; /* whose default class changed, or
                                            NULL */
    ngx_str_t                class;      /* the default one, or empty */
    u_char                   class_buf[256];

    ngx_event_t              work;       /* posted, or its timer set */
    unsigned                 seeding:1;
    unsigned                 committing:1; /* what the file says comes, */
    unsigned                 appending:1; /* and what it said has gone */
    unsigned                 want_walk:1;
    unsigned                 walking:1;
    unsigned                 missing:1;  /* the folder, said once */
    unsigned                 partial:1;  /* the walk met an error */
    unsigned                 links:1;    /* the walk met one */
    unsigned                 reclass:1;  /* the default class may change */
    unsigned                 again:1;    /* the timer has to walk once */
    unsigned                 unreadable:1; /* a folder in it, said once */
    unsigned                 begun:1;    /* the list has begun */
    unsigned                 synced:1;
    unsigned                 polling:1;  /* inotify's limit: timer instead */
} ngx_k8s_manifests_t;


/* lists; each part below uses those above it */

/* has the work done soon: at once, or after "delay" milliseconds */
void ngx_k8s_manifests_post(ngx_k8s_manifests_t *m, ngx_msec_t delay);

/* the row of a kind, of Endpoints too */
ngx_k8s_kind_t *ngx_k8s_manifest_kind(ngx_uint_t kind);

/* of this path; NULL: there is none, or with "create" no memory */
ngx_k8s_manifest_t *ngx_k8s_manifest_file(ngx_k8s_manifests_t *m,
    ngx_str_t *path, ngx_uint_t create);

/* says anew what is wrong with it, by report_step() */
void ngx_k8s_manifest_report(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);

/* of these names; NULL: there is none, or with "create" no memory */
ngx_k8s_manifest_ident_t *ngx_k8s_manifests_ident(ngx_k8s_manifests_t *m,
    ngx_uint_t kind, ngx_str_t *ns, ngx_str_t *name, ngx_uint_t create);

/* frees one that nothing claims */
void ngx_k8s_manifests_forget(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident);

/* the one that an object is taken from, NULL when it is gone */
ngx_k8s_manifest_claim_t *ngx_k8s_manifests_first(
    ngx_k8s_manifest_ident_t *ident);

/* looks at it again, and feeds what is not as it was fed last */
void ngx_k8s_manifests_touch(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_ident_t *ident);

/* has a tree freed in pieces, once nobody else holds it; takes the reference */
void ngx_k8s_manifests_discard(ngx_k8s_manifests_t *m, json_t *json);

/* frees one that is in no list; the text of a Secret is wiped */
void ngx_k8s_manifests_claim_free(ngx_k8s_manifest_claim_t *claim);


/* a document or one element of its list is left out: where it is, what it is,
   and why (as ngx_sprintf()); NGX_OK, or NGX_ERROR */
ngx_int_t ngx_k8s_manifests_note(ngx_k8s_manifests_t *m, ngx_uint_t code,
    json_t *json, const char *fmt, ...);


/* what controllers would do */

/* Endpoints to a list of EndpointSlices, so many ports and addresses at a time:
   NGX_OK, NGX_AGAIN, or NGX_ERROR; what is freed goes to the array "trash".
   end() frees all else and gives the list away, whose reference is the
   caller's; NULL: it was not begun */
ngx_int_t ngx_k8s_mirror_begin(ngx_k8s_mirror_t *mr, json_t *json,
    json_t *trash);
ngx_int_t ngx_k8s_mirror_run(ngx_k8s_mirror_t *mr, ngx_uint_t budget);
json_t *ngx_k8s_mirror_end(ngx_k8s_mirror_t *mr);

/* the name of the Endpoints that a slice was made of so; NULL: of none */
const char *ngx_k8s_manifests_mirrored(ngx_uint_t kind, json_t *json);

/* sets what others need to know of a claim */
void ngx_k8s_manifests_traits(ngx_k8s_manifest_claim_t *claim,
    ngx_uint_t kind, json_t *json);

/* a piece of the search for the default class, and of what follows */
void ngx_k8s_manifests_default_step(ngx_k8s_manifests_t *m);


/* objects */

/* makes one of an object, whose text is to be written then, or when it is not
   good (0) and has been so in this file of its last good version; NGX_OK, or
   NGX_ERROR */
ngx_int_t ngx_k8s_manifests_claim(ngx_k8s_manifests_t *m, ngx_uint_t kind,
    json_t *json, ngx_uint_t good);

/* a piece of the text of m->claim: NGX_OK, or NGX_ERROR; the end of that */
ngx_int_t ngx_k8s_manifests_write(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_write_end(ngx_k8s_manifests_t *m);

/* of the file that was read; frees all claims of a file, and has their objects
   looked at.  NGX_OK, or NGX_AGAIN */
ngx_int_t ngx_k8s_manifests_commit(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
ngx_int_t ngx_k8s_manifests_withdraw(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);

/* its objects are fed anew: whether it can be read has changed; a piece */
void ngx_k8s_manifests_refeed(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
void ngx_k8s_manifests_refeed_step(ngx_k8s_manifests_t *m);

/* a piece of a claim of the first seed */
void ngx_k8s_manifests_seed_step(ngx_k8s_manifests_t *m);

void ngx_k8s_manifests_object_step(ngx_k8s_manifests_t *m);

/* whether what no file has is not there, and is owed an answer; then one is
   given */
ngx_uint_t ngx_k8s_manifests_owes(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_owed_step(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_objects_done(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_want(ngx_k8s_source_t *s, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name, ngx_uint_t wanted);
void ngx_k8s_manifests_list(ngx_k8s_manifests_t *m, ngx_uint_t op);
/* all that is there is fed once more; a piece */
void ngx_k8s_manifests_again(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_again_step(ngx_k8s_manifests_t *m);


/* documents */

/* makes a claim or a note of a document, whose reference it takes, or with
   NULL of the next element of the list that is open; NGX_OK or NGX_ERROR */
ngx_int_t ngx_k8s_manifests_document(ngx_k8s_manifests_t *m, json_t *json);
void ngx_k8s_manifests_close(ngx_k8s_manifests_t *m);


/* files */

ngx_uint_t ngx_k8s_manifest_is(u_char *name, size_t len);
void ngx_k8s_manifest_changed(ngx_k8s_manifests_t *m,
    ngx_k8s_manifest_t *file);
ngx_uint_t ngx_k8s_manifest_same(ngx_k8s_manifest_t *file, struct stat *st);
void ngx_k8s_manifest_gone(ngx_k8s_manifests_t *m, ngx_k8s_manifest_t *file);
void ngx_k8s_manifest_gone_step(ngx_k8s_manifests_t *m);
void ngx_k8s_manifest_step(ngx_k8s_manifests_t *m);
/* wipes, and in the end frees, what stop() has left */
void ngx_k8s_manifest_waste_step(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_files_done(ngx_k8s_manifests_t *m);
void ngx_k8s_manifest_report_step(ngx_k8s_manifests_t *m);


/* tree: walks, and what inotify says.  NGX_OK: the walk is over */

ngx_int_t ngx_k8s_manifests_tree_init(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_tree_done(ngx_k8s_manifests_t *m);
/* whether the folder's path leads to another one than was walked */
ngx_uint_t ngx_k8s_manifests_moved(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_walk_begin(ngx_k8s_manifests_t *m);
ngx_int_t ngx_k8s_manifests_walk_step(ngx_k8s_manifests_t *m);

/* inotify: watches; NGX_DECLINED when it cannot */
void ngx_k8s_manifests_notify_init(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_notify_done(ngx_k8s_manifests_t *m);
void ngx_k8s_manifests_watch(ngx_k8s_manifests_t *m, u_char *full,
    ngx_str_t *path, ngx_uint_t link);
void ngx_k8s_manifests_watch_sweep(ngx_k8s_manifests_t *m);


#endif /* _NGX_K8S_MANIFESTS_H_INCLUDED_ */
