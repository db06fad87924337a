
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The records of the route table: their layout in shared memory and, the same
 * bytes, in a snapshot.  Nothing here is a pointer: a reference inside a record
 * is a byte offset from the record's start, a reference to another record is
 * the number of the slot that holds it, so that a copy of the zone is readable
 * at any address and in any process.
 *
 * A record is written once, by the watcher, before a slot makes it visible,
 * and never changed after that; it is freed when no process can still read it
 * (ngx_k8s_table.h).  Numbers are in host byte order.
 */


#ifndef _NGX_K8S_RECORD_H_INCLUDED_
#define _NGX_K8S_RECORD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* raised with every change of a layout below; another version is not read */

#define NGX_K8S_LAYOUT_VERSION       9


/*
 * The indexes of the table, and the type of the records that each one holds.
 * ngx_k8s_record_types has a row for each, in this order.
 */

#define NGX_K8S_INDEX_HOST           0   /* ngx_k8s_host_t */
#define NGX_K8S_INDEX_SERVICE        1   /* ngx_k8s_service_rec_t */
#define NGX_K8S_INDEX_CERTIFICATE    2   /* ngx_k8s_certificate_t */
#define NGX_K8S_INDEX_POLICY         3   /* ngx_k8s_policy_t */
#define NGX_K8S_INDEX_RULE           4   /* ngx_k8s_rule_rec_t */
#define NGX_K8S_INDEX_LISTENER       5   /* ngx_k8s_listener_t */
#define NGX_K8S_INDEX_PROBLEM        6   /* ngx_k8s_problem_rec_t */
#define NGX_K8S_INDEX_SYNC           7   /* ngx_k8s_sync_t */
#define NGX_K8S_INDEX_ADDRESS        8   /* ngx_k8s_address_rec_t */
#define NGX_K8S_INDEX_SET            9   /* ngx_k8s_set_t */
#define NGX_K8S_INDEX_DATA           10  /* ngx_k8s_data_t */
#define NGX_K8S_INDEX_PATHS          11  /* ngx_k8s_host_t */

#define NGX_K8S_INDEXES              12


/* a string of a record: bytes at "offset" from the record's start */

typedef struct {
    uint32_t                 offset;
    uint32_t                 len;
} ngx_k8s_str_t;


/* an array of a record: "n" elements at "offset" from the record's start */

typedef struct {
    uint32_t                 offset;
    uint32_t                 n;
} ngx_k8s_list_t;


/* a record by its slot: none any more when the generation is another one */

typedef struct {
    uint32_t                 slot;       /* 0: none */
    uint32_t                 generation;
} ngx_k8s_slot_ref_t;


/*
 * What every record begins with.  The key identifies the record within its
 * index and is made by the ngx_k8s_key_*() functions.
 */

typedef struct {
    uint32_t                 size;       /* whole record, multiple of 16 */
    uint32_t                 crc;        /* ngx_crc32_long() of all after it */
    uint16_t                 type;       /* NGX_K8S_INDEX_* */
    uint16_t                 reserved;
    ngx_k8s_str_t            key;
} ngx_k8s_record_t;


#define ngx_k8s_record_at(rec, off)  ((void *) ((u_char *) (rec) + (off)))

#define ngx_k8s_record_str(rec, s, dst)                                       \
    (dst)->len = (s)->len;                                                    \
    (dst)->data = ngx_k8s_record_at(rec, (s)->offset)


/*
 * Host: all that is routed for one (route set, class, host).  Written by
 * compile/, read by the router and the choice of certificates.
 * Key: class << 24 | route set as 4 bytes, then the host in lower case without
 * port and trailing dot; "*.example.com" is kept as ".example.com", no host as
 * "".  A host of class PORT is "tcp:9310".
 *
 * A host with very many paths has them in shards: records of the same layout in
 * the index PATHS, whose key is the host's, a zero byte, then number and count
 * of shards as 2 bytes each.  A path is in the shard that ngx_k8s_path_shard()
 * of its hash says; regular expressions are in the host record itself.  A shard
 * has buckets in any case, and no certificates, policy, fallback and shards of
 * its own.  New shards are put before the host that leads to them, old ones are
 * removed after it: who finds one gone looks the host up again.
 *
 * An alias is a host without paths: what would take a request that none takes
 * leads to the host that it stands for, by name, in one step.  TLS is its own.
 * Expressions for names are the paths of a host that is called "~".
 */

#define NGX_K8S_CLASS_HTTP           0
#define NGX_K8S_CLASS_TLS            1   /* by SNI, passed through */
#define NGX_K8S_CLASS_PORT           2   /* TCP and UDP by local port */

#define NGX_K8S_ROUTE_SETS           0x1000000

#define NGX_K8S_HOST_WILDCARD        0x0001  /* name begins with a dot */
#define NGX_K8S_HOST_ANY_DEPTH       0x0002  /* the wildcard takes any number
                                                of labels, else just one */
#define NGX_K8S_HOST_FALLTHROUGH     0x0004  /* on a miss the next less
                                                specific host is tried */
#define NGX_K8S_HOST_TLS             0x0008  /* a tls section names it */
#define NGX_K8S_HOST_CLOSED          0x0010  /* all requests get 403 */
#define NGX_K8S_HOST_ALIAS           0x0020  /* of the host of its fallback's
                                                action */
#define NGX_K8S_HOST_PATTERNS        0x0040  /* no host: its paths are regular
                                                expressions for names that
                                                nobody has, with what each is
                                                an alias of */

#define NGX_K8S_HOST_PATTERNS_NAME   "~"

typedef struct {
    ngx_k8s_record_t         header;
    uint32_t                 route_set;  /* below NGX_K8S_ROUTE_SETS */
    uint32_t                 class;      /* NGX_K8S_CLASS_* */
    uint32_t                 flags;      /* NGX_K8S_HOST_* */
    uint32_t                 policy;     /* slot, 0: none */
    ngx_k8s_str_t            name;       /* as in the key */
    ngx_k8s_str_t            root;       /* path that "/" is redirected to, may
                                            have variables; empty: none */
    uint32_t                 fallback;   /* match when no path matches: index
                                            in matches, or NGX_K8S_NONE */
    uint32_t                 longest;    /* most path elements of any path */
    ngx_k8s_list_t           certificates; /* ngx_k8s_slot_ref_t, first choice
                                              first; one of each key type */
    ngx_k8s_list_t           shards;     /* ngx_k8s_slot_ref_t of PATHS, a
                                            power of two, or none */
    ngx_k8s_list_t           paths;      /* ngx_k8s_path_t, sorted as
                                            ngx_k8s_path_cmp() has it */
    ngx_k8s_list_t           buckets;    /* uint32_t, a power of two, or none:
                                            then paths are tried in order;
                                            index in paths + 1, 0 when empty */
    ngx_k8s_list_t           matches;    /* ngx_k8s_match_t */
    ngx_k8s_list_t           listeners;  /* uint32_t slots of LISTENER */
    ngx_k8s_list_t           predicates; /* ngx_k8s_predicate_t */
    ngx_k8s_list_t           actions;    /* ngx_k8s_action_t */
    ngx_k8s_list_t           backends;   /* ngx_k8s_backend_rec_t */
    ngx_k8s_list_t           mirrors;    /* ngx_k8s_mirror_rec_t */
} ngx_k8s_host_t;

#define NGX_K8S_NONE                 0xffffffff


/*
 * Paths are in the order in which they are tried: regular expressions last
 * (longest text first), before them Exact and Prefix by length, longest first,
 * Exact before Prefix of the same text.  A Prefix is kept without its trailing
 * slash ("/" is ""), so that element-wise comparison is a comparison of bytes
 * and a look at the next one.  A regular expression takes request paths that it
 * matches at their beginning, without regard to case.
 */

#define NGX_K8S_PATH_EXACT           0
#define NGX_K8S_PATH_PREFIX          1
#define NGX_K8S_PATH_REGEX           2

typedef struct {
    uint32_t                 type;       /* NGX_K8S_PATH_* */
    uint32_t                 hash;       /* ngx_k8s_hash() of text */
    ngx_k8s_str_t            text;
    uint32_t                 match;      /* first of its matches, tried in */
    uint32_t                 nmatches;   /* order; the first that fits wins */
    uint32_t                 next;       /* next in the bucket: index in paths
                                            + 1, 0 at the end */
    uint32_t                 literal;    /* of a regular expression: how many
                                            bytes stand for themselves, see
                                            ngx_k8s_path_literal() */
} ngx_k8s_path_t;


/*
 * A match: the predicates beside the path, and what then happens.  Those of a
 * path are sorted: higher order first, then older first.
 */

#define NGX_K8S_MATCH_DEFAULT        0x0001  /* of a default backend */
#define NGX_K8S_MATCH_REWRITE        0x0002  /* by the policy's target */
#define NGX_K8S_MATCH_REGEX          0x0004  /* its object makes all paths of
                                                the host regular expressions */
#define NGX_K8S_MATCH_TURNED         0x0008  /* its own does not, but another */

typedef struct {
    uint32_t                 flags;      /* NGX_K8S_MATCH_* */
    uint32_t                 predicate;  /* first of its predicates; all */
    uint32_t                 npredicates; /* of them have to hold */
    uint32_t                 listener;   /* first of its listeners; without
                                            any: all in the Ingress API's set,
                                            none in others */
    uint32_t                 nlisteners;
    uint32_t                 action;     /* index in actions */
    uint32_t                 policy;     /* slot, 0: the defaults */
    uint32_t                 rule;       /* slot of the rule record */
    uint32_t                 order;
} ngx_k8s_match_t;


#define NGX_K8S_PREDICATE_METHOD     0
#define NGX_K8S_PREDICATE_HEADER     1
#define NGX_K8S_PREDICATE_QUERY      2
#define NGX_K8S_PREDICATE_TAIL       3   /* of the path: its last bytes */
#define NGX_K8S_PREDICATE_COOKIE     4
#define NGX_K8S_PREDICATE_PATH       5   /* no predicate: the path itself */
#define NGX_K8S_PREDICATE_HOST       6   /* none either: the name of a host */

#define NGX_K8S_PREDICATE_EQUAL      0
#define NGX_K8S_PREDICATE_REGEX      1

typedef struct {
    uint16_t                 what;       /* METHOD, ..., COOKIE */
    uint16_t                 how;        /* EQUAL, REGEX */
    ngx_k8s_str_t            name;       /* header names in lower case */
    ngx_k8s_str_t            value;
} ngx_k8s_predicate_t;


#define NGX_K8S_ACTION_STATUS        0
#define NGX_K8S_ACTION_REDIRECT      1
#define NGX_K8S_ACTION_BACKENDS      2
#define NGX_K8S_ACTION_ADD_SLASH     3   /* 301 to the same URI with "/" */
#define NGX_K8S_ACTION_TWIN          4   /* to the same URI of "host" */
#define NGX_K8S_ACTION_ALIAS         5   /* as "host" has it, which is in the
                                            form of a key */

#define NGX_K8S_REDIRECT_PATH_KEEP   0
#define NGX_K8S_REDIRECT_PATH_FULL   1
#define NGX_K8S_REDIRECT_PATH_PREFIX 2

typedef struct {
    uint16_t                 kind;       /* NGX_K8S_ACTION_* */
    uint16_t                 status;     /* of STATUS and REDIRECT */
    uint32_t                 backend;    /* of BACKENDS: first one */
    uint32_t                 nbackends;
    uint32_t                 weights;    /* sum of their weights */
    uint32_t                 mirror;     /* first of its mirrors */
    uint32_t                 nmirrors;
    uint16_t                 path_kind;  /* of REDIRECT: REDIRECT_PATH_* */
    uint16_t                 port;       /* 0: none is written */
    ngx_k8s_str_t            scheme;     /* empty: as it came */
    ngx_k8s_str_t            host;       /* of REDIRECT, empty: as it came;
                                            of TWIN and ALIAS */
    ngx_k8s_str_t            path;
} ngx_k8s_action_t;


#define NGX_K8S_BACKEND_CANARY       0x0001  /* the last backend of the action
                                                is its primary: it has to have
                                                endpoints, and gets what this
                                                one cannot take */

typedef struct {
    uint32_t                 service;    /* slot */
    uint32_t                 generation; /* of the slot */
    uint32_t                 weight;
    uint32_t                 policy;     /* slot, 0: none of its own */
    uint16_t                 invalid;    /* status for its share of requests
                                            when there is no Service to send
                                            them to, 0: 503 */
    uint16_t                 flags;      /* NGX_K8S_BACKEND_* */
    uint32_t                 rule;       /* slot, of a canary: its requests are
                                            counted there; 0: as the match
                                            says */
} ngx_k8s_backend_rec_t;


/* who also gets a copy of the request, and of which share of them */

typedef struct {
    uint32_t                 service;    /* slot */
    uint32_t                 generation; /* of the slot */
    uint32_t                 policy;     /* slot, 0: none of its own */
    uint32_t                 reserved;
    uint64_t                 share;      /* of 1 << 32 */
} ngx_k8s_mirror_rec_t;


/*
 * Service: one port of a Service and its endpoints.
 * Key: namespace, name, port as the routes write it (number or name),
 * protocol ("TCP", "UDP"), and "cluster" for one whose endpoint is the address
 * of the Service, each followed by a zero byte.
 */

#define NGX_K8S_SERVICE_MISSING      0x0001  /* no such Service */
#define NGX_K8S_SERVICE_NO_PORT      0x0002  /* no such port in it */
#define NGX_K8S_SERVICE_EXTERNAL     0x0004  /* ExternalName: "external" */
#define NGX_K8S_SERVICE_CLUSTER      0x0008  /* "cluster" is in its key */
#define NGX_K8S_SERVICE_H2C          0x0010  /* appProtocol kubernetes.io/h2c */

typedef struct {
    ngx_k8s_record_t         header;
    ngx_k8s_str_t            namespace;
    ngx_k8s_str_t            name;
    ngx_k8s_str_t            port;       /* as in the key */
    ngx_k8s_str_t            protocol;
    ngx_k8s_str_t            app_protocol;
    ngx_k8s_str_t            external;   /* name to resolve */
    uint16_t                 external_port;
    uint16_t                 number;     /* the Service's port number */
    uint32_t                 flags;      /* NGX_K8S_SERVICE_* */
    uint32_t                 tls;        /* slot of a policy, 0: as routes say;
                                            TLS to its endpoints */
    uint16_t                 affinity;   /* NGX_K8S_AFFINITY_* */
    uint16_t                 balance;    /* NGX_K8S_BALANCE_*, ANY: as routes
                                            say */
    uint32_t                 subset;     /* with hash_by: endpoints of which one
                                            is drawn; 0: just one */
    ngx_k8s_str_t            cookie;     /* with affinity, its name */
    ngx_k8s_str_t            hash_by;    /* text with variables; empty: none */
    u_char                   digest[16]; /* with affinity, see
                                            ngx_k8s_service_digest() */
    uint32_t                 usable;     /* how many of the first endpoints
                                            take new requests */
    ngx_k8s_list_t           endpoints;  /* ngx_k8s_endpoint_rec_t: ready
                                            first, then serving and
                                            terminating; sorted by address */
    ngx_k8s_list_t           points;     /* ngx_k8s_point_t of those that are
                                            usable, sorted; none without
                                            affinity and hash_by */
} ngx_k8s_service_rec_t;

/* which requests of a client go to the same endpoint, by its cookie */

#define NGX_K8S_AFFINITY_NONE        0
#define NGX_K8S_AFFINITY_BALANCED    1   /* by a hash of its key */
#define NGX_K8S_AFFINITY_PERSISTENT  2   /* it names the endpoint */

#define NGX_K8S_BALANCE_ANY          0
#define NGX_K8S_BALANCE_ROUND_ROBIN  1
#define NGX_K8S_BALANCE_EWMA         2

typedef struct {
    uint32_t                 hash;
    uint32_t                 endpoint;   /* index */
} ngx_k8s_point_t;

#define NGX_K8S_ENDPOINT_READY       0x01
#define NGX_K8S_ENDPOINT_SERVING     0x02
#define NGX_K8S_ENDPOINT_TERMINATING 0x04

typedef struct {
    u_char                   addr[16];   /* IPv4 in the first four bytes */
    uint16_t                 port;       /* host byte order */
    uint8_t                  family;     /* 4 or 6 */
    uint8_t                  flags;      /* NGX_K8S_ENDPOINT_* */
    uint32_t                 stat;       /* ngx_k8s_stat_t number */
    ngx_k8s_str_t            zone;       /* topology, may be empty */
    ngx_k8s_str_t            hints;      /* zones, separated by commas */
} ngx_k8s_endpoint_rec_t;


/*
 * Certificate: one key pair of one Secret, as DER.
 * Key: namespace, zero byte, name, zero byte.
 * "" and "" is the default certificate, generated or named by a directive.
 */

#define NGX_K8S_CERTIFICATE_GENERATED  0x0001  /* nobody's Secret */

typedef struct {
    ngx_k8s_record_t         header;
    ngx_k8s_str_t            namespace;
    ngx_k8s_str_t            name;
    u_char                   sha256[32]; /* of chain and key */
    uint32_t                 key_type;   /* EVP_PKEY_id(): RSA, EC, ... */
    uint32_t                 flags;      /* NGX_K8S_CERTIFICATE_* */
    int64_t                  not_before; /* of the leaf, seconds */
    int64_t                  not_after;
    ngx_k8s_str_t            key;        /* private key, traditional DER */
    ngx_k8s_list_t           chain;      /* ngx_k8s_str_t DER, leaf first */
    ngx_k8s_list_t           names;      /* ngx_k8s_str_t, dNSName of the leaf,
                                            or its CN without any */
    ngx_k8s_str_t            serial;     /* hexadecimal digits */
    ngx_k8s_str_t            issuer;     /* one line */
} ngx_k8s_certificate_t;


/*
 * Policy: what objects say of a route, host or Service beyond where requests
 * go; defaults are not in it.  Written by compile/, shared by all that say the
 * same; workers keep decoded copies.
 * Key: SHA-256 of all but the references' slots; "global" for the one of the
 * ConfigMap.
 */

#define NGX_K8S_POLICY_ROUTE         0
#define NGX_K8S_POLICY_HOST          1
#define NGX_K8S_POLICY_SERVICE       2   /* refers to no Service */
#define NGX_K8S_POLICY_GLOBAL        3

#define NGX_K8S_POLICY_GLOBAL_KEY    "global"

#define NGX_K8S_SETTING_CLOSED       0x0001  /* its row is no value: a key that
                                                protects was not honoured */

typedef struct {
    uint16_t                 row;        /* in the table of rows */
    uint16_t                 flags;      /* NGX_K8S_SETTING_* */
    ngx_k8s_str_t            value;      /* normalised */
} ngx_k8s_setting_t;

typedef struct {
    uint16_t                 row;
    uint16_t                 index;      /* CERTIFICATE, DATA, SERVICE */
    ngx_k8s_slot_ref_t       ref;
} ngx_k8s_policy_ref_t;

typedef struct {
    ngx_k8s_record_t         header;
    uint32_t                 kind;       /* NGX_K8S_POLICY_* */
    u_char                   profile[16];  /* hash of the settings */
    u_char                   tls[16];    /* and of those of TLS */
    ngx_k8s_list_t           settings;   /* ngx_k8s_setting_t, sorted by row */
    ngx_k8s_list_t           refs;       /* ngx_k8s_policy_ref_t */
} ngx_k8s_policy_t;


/* of its profile, never 0; a change of the record is a change of this number */

static ngx_inline ngx_atomic_uint_t
ngx_k8s_policy_version(ngx_k8s_policy_t *policy)
{
    ngx_atomic_uint_t  version;

    ngx_memcpy(&version, policy->profile, sizeof(ngx_atomic_uint_t));

    return version ? version : 1;
}


/*
 * Rule: the labels under which requests are counted and logged.  Written by
 * compile/, read by variables and metrics.
 * Key: kind, namespace, name, rule, host, path and service, each followed by a
 * zero byte.
 */

typedef struct {
    ngx_k8s_record_t         header;
    ngx_k8s_str_t            kind;       /* "Ingress"; "": the controller's
                                            default backend */
    ngx_k8s_str_t            namespace;
    ngx_k8s_str_t            name;
    ngx_k8s_str_t            rule;       /* name or number; an Ingress' is told
                                            by host and path, and is the canary
                                            that gets the requests, as
                                            "namespace-service-port", or "" */
    ngx_k8s_str_t            host;
    ngx_k8s_str_t            path;
    ngx_k8s_str_t            service;
    ngx_k8s_str_t            port;       /* not in the key */
} ngx_k8s_rule_rec_t;


/*
 * Address: which route sets requests to a local address belong to.  Written by
 * compile/, read when a connection or its ClientHello comes in.
 * Key: family and port as 2 bytes each, address bytes (none: any of the port).
 */

#define NGX_K8S_ADDRESS_TLS_HOSTS    0x0001  /* hosts of class TLS use it */

typedef struct {
    ngx_k8s_record_t         header;
    uint16_t                 family;     /* 4, 6, or 0 for both */
    uint16_t                 port;       /* local */
    uint16_t                 outer_port; /* what clients connect to */
    uint16_t                 flags;      /* NGX_K8S_ADDRESS_* */
    ngx_k8s_str_t            address;    /* 0, 4 or 16 bytes */
    ngx_k8s_list_t           sets;       /* uint32_t route sets, in the order
                                            in which they are tried */
} ngx_k8s_address_rec_t;


/*
 * Listener: what one listener of a Gateway asks for; matches name it by its
 * slot.  Written by compile/, read by the router and the choice of TLS.
 * Key: route set as 4 bytes, outer port as 2, transport as 1, hostname.
 */

#define NGX_K8S_TRANSPORT_TCP        0
#define NGX_K8S_TRANSPORT_UDP        1

#define NGX_K8S_PROTOCOL_HTTP        0
#define NGX_K8S_PROTOCOL_HTTPS       1
#define NGX_K8S_PROTOCOL_TLS         2
#define NGX_K8S_PROTOCOL_TCP         3
#define NGX_K8S_PROTOCOL_UDP         4

#define NGX_K8S_TLS_NONE             0
#define NGX_K8S_TLS_TERMINATE        1
#define NGX_K8S_TLS_PASSTHROUGH      2

#define NGX_K8S_LISTENER_REJECT      0x0001  /* no handshake succeeds */

typedef struct {
    ngx_k8s_record_t         header;
    uint32_t                 route_set;
    uint16_t                 port;       /* outer */
    uint8_t                  transport;  /* NGX_K8S_TRANSPORT_* */
    uint8_t                  protocol;   /* NGX_K8S_PROTOCOL_* */
    uint16_t                 mode;       /* NGX_K8S_TLS_* */
    uint16_t                 flags;      /* NGX_K8S_LISTENER_* */
    uint32_t                 policy;     /* slot, 0: none; of clients'
                                            certificates */
    ngx_k8s_str_t            hostname;   /* as a host's name */
    ngx_k8s_str_t            name;       /* in its Gateway or ListenerSet */
    ngx_k8s_list_t           certificates; /* ngx_k8s_slot_ref_t */
} ngx_k8s_listener_t;


/*
 * Set: the number of a Gateway's route set, which stays as long as the Gateway;
 * 0 is the Ingress API's and has no record.  Written by compile/, read by it
 * after a change of watchers and by /status.
 * Key: kind, namespace, name, each followed by a zero byte.
 */

typedef struct {
    ngx_k8s_record_t         header;
    uint32_t                 route_set;
    uint32_t                 certificate; /* slot, 0: none; shown to
                                             backends */
    ngx_k8s_str_t            kind;       /* "Gateway" */
    ngx_k8s_str_t            namespace;
    ngx_k8s_str_t            name;
} ngx_k8s_set_t;


/*
 * Data: bytes that others refer to or that outlive a watcher; what they mean
 * says their use.  Written by the watcher.
 * Key: use as 4 bytes, then namespace, name and item, each followed by a zero
 * byte; where the content is shared, its SHA-256 instead of these.
 *
 * Those of Secrets that policies name are found by this key: without a record
 * what they protect is closed.  A use that a Secret may lack has a record
 * without bytes.
 */

#define NGX_K8S_DATA_USERS           0   /* lines of "auth", as of an htpasswd
                                            file: sorted by user, each once */
#define NGX_K8S_DATA_CA              1   /* DER certificates of "ca.crt", each
                                            behind its length as 4 bytes */
#define NGX_K8S_DATA_CRL             2   /* the same of lists of "ca.crl" */
#define NGX_K8S_DATA_RANGES          3   /* sorted ranges of addresses */
#define NGX_K8S_DATA_HEADERS         4
#define NGX_K8S_DATA_OBJECT          5   /* last good JSON of an object */
#define NGX_K8S_DATA_USER_MAP        6   /* as USERS, of all keys of a Secret */

#define NGX_K8S_DATA_DIGESTS         7   /* as USERS, of an htdigest file: a
                                            user, a zero byte and a realm */
#define NGX_K8S_DATA_DIGEST_MAP      8   /* the same of all keys of a Secret */

#define NGX_K8S_DATA_USES            9

#define NGX_K8S_DATA_SECRET          0x0001  /* in no snapshot without keys */
#define NGX_K8S_DATA_PAIR            0x0002  /* of a CA: its Secret has a
                                                certificate and a key, good or
                                                bad */

typedef struct {
    ngx_k8s_record_t         header;
    uint32_t                 use;        /* NGX_K8S_DATA_* */
    uint32_t                 flags;      /* NGX_K8S_DATA_SECRET, _PAIR */
    u_char                   sha256[32]; /* of the bytes, of a Secret's */
    ngx_k8s_str_t            namespace;  /* of the object it is of, or empty */
    ngx_k8s_str_t            name;
    ngx_k8s_str_t            item;       /* the kind of an OBJECT, or empty */
    ngx_k8s_str_t            bytes;
} ngx_k8s_data_t;


/* takes the next DER from the bytes of CA or CRL; NGX_DONE: there is none */

static ngx_inline ngx_int_t
ngx_k8s_data_next(ngx_str_t *bytes, ngx_str_t *der)
{
    uint32_t  len;

    if (bytes->len < sizeof(uint32_t)) {
        return NGX_DONE;
    }

    ngx_memcpy(&len, bytes->data, sizeof(uint32_t));

    if (len > bytes->len - sizeof(uint32_t)) {
        return NGX_DONE;
    }

    der->len = len;
    der->data = bytes->data + sizeof(uint32_t);

    bytes->data = der->data + len;
    bytes->len -= sizeof(uint32_t) + len;

    return NGX_OK;
}


/*
 * Problem: everything that is wrong with one object.  Written by compile/,
 * read by /status and metrics.
 * Key: kind, namespace, name, each followed by a zero byte; one zero byte more
 * for an object, or file, that could not be read and so is in no store.
 */

#define NGX_K8S_PROBLEM_SEVERITY_MAX 2

typedef struct {
    uint32_t                 code;       /* index in ngx_k8s_problem_codes */
    uint16_t                 severity;   /* these three by the numbers of */
    uint16_t                 condition;  /* that table: NGX_K8S_SEVERITY_*, */
    uint16_t                 reason;     /* NGX_K8S_CONDITION_*, _REASON_* */
    uint16_t                 parent;     /* number of the parent reference
                                            from 1, 0: the whole object */
    ngx_k8s_str_t            field;      /* "spec.rules[0].http.paths[1]" */
    ngx_k8s_str_t            message;    /* one sentence, what is wrong */
    ngx_k8s_str_t            remedy;     /* what to do */
    ngx_k8s_str_t            host;       /* the host it shows on, or empty */
} ngx_k8s_problem_item_t;

typedef struct {
    ngx_k8s_record_t         header;
    ngx_k8s_str_t            kind;       /* "Ingress" */
    ngx_k8s_str_t            namespace;
    ngx_k8s_str_t            name;
    ngx_k8s_list_t           items;      /* ngx_k8s_problem_item_t */
} ngx_k8s_problem_rec_t;


/*
 * Sync: how far one kind of object has been read.  Written by the watcher, read
 * by /readyz, /status and metrics.  Key: plural name.
 */

#define NGX_K8S_SYNC_WAITING         0   /* never listed */
#define NGX_K8S_SYNC_LISTED          1
#define NGX_K8S_SYNC_REFUSED         2   /* 403, 404 */

typedef struct {
    ngx_k8s_record_t         header;
    ngx_k8s_str_t            kind;       /* "ingresses" */
    uint32_t                 state;      /* NGX_K8S_SYNC_* */
    uint32_t                 connected;  /* a watch stands */
    uint32_t                 objects;
    uint32_t                 required;   /* not ready without it */
    uint64_t                 lists;      /* counted since start of the */
    uint64_t                 watches;    /* instance: kept over reload and */
    uint64_t                 errors;     /* a new watcher */
    ngx_k8s_str_t            reason;     /* last error in words, or empty */
} ngx_k8s_sync_t;


#endif /* _NGX_K8S_RECORD_H_INCLUDED_ */
