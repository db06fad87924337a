
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What holds for a route: one table of rows, from which all of it is read, and
 * docs/defaults.md is made.  A row feeds a directive of nginx (a token of the
 * profile, see http/), or a field of ngx_k8s_settings_t, which our own code
 * reads, or both.  Pure; any process.
 */


#ifndef _NGX_K8S_POLICY_H_INCLUDED_
#define _NGX_K8S_POLICY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The API that made a route: each has a base of its own, so that a default of
 * ingress-nginx's does not reach a route of the Gateway API.
 */

#define NGX_K8S_API_INGRESS          0x0001
#define NGX_K8S_API_GATEWAY          0x0002


/* how backends are asked; with auto as the client asks */
#define NGX_K8S_BACKEND_HTTP         0
#define NGX_K8S_BACKEND_HTTPS        1
#define NGX_K8S_BACKEND_AUTO         2
#define NGX_K8S_BACKEND_GRPC         3
#define NGX_K8S_BACKEND_GRPCS        4
#define NGX_K8S_BACKEND_FCGI         5
#define NGX_K8S_BACKEND_H2C          6   /* by appProtocol alone */

#define NGX_K8S_BACKENDS             7


/* of a cookie */
#define NGX_K8S_SAMESITE_NONE        1
#define NGX_K8S_SAMESITE_LAX         2
#define NGX_K8S_SAMESITE_STRICT      3


/* which passwords are asked for */
#define NGX_K8S_AUTH_NONE            0
#define NGX_K8S_AUTH_BASIC           1
#define NGX_K8S_AUTH_DIGEST          2


/* what code of ours reads; strings are the rows' or in the caller's pool */

typedef struct {
    ngx_str_t                temporal_redirect;  /* URL; empty: none */
    ngx_uint_t               temporal_code;
    ngx_str_t                permanent_redirect;
    ngx_uint_t               permanent_code;
    ngx_uint_t               closed;     /* 503: a key of the ConfigMap that
                                            protects cannot be honoured */
    ngx_uint_t               force_ssl_redirect; /* of all hosts */
    ngx_uint_t               keep_slash;    /* of redirects to https */
    ngx_str_t                upstream_vhost;  /* Host that is sent; empty: as
                                               it came */

    /* headers, see ngx_k8s_headers_next() */
    ngx_str_t                add_headers;   /* of all answers */
    ngx_str_t                custom_headers; /* of answers, without variables */
    ngx_str_t                allowed_headers; /* that these may be, with
                                               commas */
    ngx_str_t                set_headers;   /* of the request to the backend */

    ngx_str_t                custom_errors; /* statuses, with commas */
    ngx_uint_t               pass_errors;   /* of the backend, as they are */

    ngx_str_t                allowlist;     /* addresses, with commas */
    ngx_str_t                denylist;
    ngx_str_t                block_cidrs;
    ngx_str_t                block_agents;  /* values of User-Agent, with
                                               commas; patterns after "~" */
    ngx_str_t                block_referers;

    ngx_int_t                limit_rps;     /* of one client; below 1: none */
    ngx_int_t                limit_rpm;
    ngx_int_t                limit_connections;
    ngx_uint_t               limit_burst;   /* times the rate */
    ngx_str_t                limit_allowlist; /* addresses without limits */
    ngx_str_t                limit_key;     /* with variables: what is a
                                               client */
    ngx_uint_t               limit_req_status;
    ngx_uint_t               limit_conn_status;
    ngx_uint_t               limit_dry_run; /* who is over is let through */

    ngx_uint_t               backend_protocol;  /* NGX_K8S_BACKEND_* */
    ngx_uint_t               grpc_buffer;   /* kilobytes; 0: as in nginx.conf */
    ngx_str_t                fastcgi_params;  /* of a ConfigMap: a text as that
                                               of set_headers */

    ngx_str_t                proxy_ssl_secret;  /* "namespace/name"; empty: none
                                               of the following holds */
    ngx_uint_t               proxy_ssl_verify;
    ngx_uint_t               proxy_ssl_depth;
    ngx_str_t                proxy_ssl_ciphers;
    ngx_uint_t               proxy_ssl_protocols;  /* NGX_SSL_TLSv1_2, ... */
    ngx_str_t                proxy_ssl_name;    /* empty: that of the Service */
    ngx_uint_t               proxy_ssl_server_name;  /* it is sent */

    ngx_uint_t               auth_type;     /* NGX_K8S_AUTH_* */
    ngx_str_t                auth_secret;   /* "namespace/name" of users */
    ngx_uint_t               auth_map;      /* each key of it is one */
    ngx_str_t                auth_realm;
    ngx_uint_t               satisfy;       /* 0: list, password and auth
                                               server, 1: one of them */
    ngx_str_t                auth_url;      /* with variables; empty: none */
    ngx_uint_t               auth_method;   /* of ngx_k8s_grammar_method; 0:
                                               GET */
    ngx_str_t                auth_signin;   /* URL with variables; empty:
                                               401 */
    ngx_str_t                auth_signin_param;
    ngx_str_t                auth_headers;  /* of its answer, for the backend,
                                               with commas */
    ngx_str_t                auth_redirect; /* header for it; empty: the URI */
    ngx_str_t                auth_snippet;  /* see ngx_k8s_snippet() */
    ngx_uint_t               auth_always;   /* its cookies, with any status */
    ngx_uint_t               auth_keepalive;   /* idle connections to it */
    ngx_uint_t               auth_requests;    /* of one of them */
    ngx_uint_t               auth_idle;        /* seconds of one of them */
    ngx_str_t                auth_set_headers;  /* to it: a text as that of
                                               set_headers */
    ngx_str_t                auth_cache_key;  /* with variables: whom an answer
                                               is for; empty: it is not kept */
    ngx_str_t                auth_cache_duration;  /* see ngx_k8s_duration() */
    ngx_uint_t               auth_global;   /* the following hold without
                                               auth_url */
    ngx_str_t                global_auth_url;
    ngx_uint_t               global_auth_method;
    ngx_str_t                global_auth_signin;
    ngx_str_t                global_auth_signin_param;
    ngx_str_t                global_auth_headers;
    ngx_str_t                global_auth_redirect;
    ngx_str_t                global_auth_snippet;
    ngx_uint_t               global_auth_always;
    ngx_str_t                global_auth_cache_key;
    ngx_str_t                global_auth_cache_duration;
    ngx_str_t                no_auth;       /* prefixes of paths, with commas */

    ngx_str_t                snippet;       /* configuration-snippet, see
                                               ngx_k8s_snippet() */
    ngx_str_t                location_snippet;
    ngx_str_t                server_snippet;   /* of the host; */
    ngx_str_t                server_config;    /* and of the ConfigMap */
    ngx_str_t                http_snippet;
    ngx_uint_t               inner;      /* "snippet" is of a location in one
                                            of these two */
    ngx_str_t                default_type;  /* of texts that they return */

    ngx_uint_t               affinity;      /* answers set its cookie */
    ngx_str_t                cookie_name;
    ngx_str_t                cookie_path;   /* empty: that of the rule */
    ngx_str_t                cookie_domain; /* these four empty: none */
    ngx_str_t                cookie_expires;   /* seconds */
    ngx_str_t                cookie_max_age;
    ngx_uint_t               cookie_samesite;  /* NGX_K8S_SAMESITE_* */
    ngx_uint_t               cookie_conditional;  /* no None for browsers that
                                               do not know it */
    ngx_uint_t               cookie_secure; /* over http too */
    ngx_uint_t               cookie_change; /* when its endpoint fails */
    ngx_str_t                hash_by;       /* with variables; empty: none */
    ngx_uint_t               balance;       /* NGX_K8S_BALANCE_* */

    ngx_uint_t               log;           /* requests are logged */
    ngx_uint_t               log_off;       /* none is; */
    ngx_uint_t               log_http_off;  /* the same */
    ngx_uint_t               log_default;   /* those that no Ingress takes are,
                                               too */
    ngx_uint_t               log_auth;      /* those to auth servers are, too */
    ngx_str_t                log_format;    /* see ngx_k8s_log_next() */
    ngx_uint_t               log_json;      /* how values are escaped in it */
    ngx_uint_t               log_none;      /* they are not; counts before
                                               log_json */
    ngx_str_t                log_params;    /* see ngx_k8s_log_param_next() */
    ngx_str_t                log_skip;      /* URIs that are not logged, with
                                               commas */
    ngx_uint_t               rewrite_log;   /* rewrites are logged */

    ngx_str_t                mirror_target;   /* URL with variables; empty:
                                               none */
    ngx_str_t                mirror_host;   /* Host of its requests; empty:
                                               that of the URL */
    ngx_uint_t               mirror_body;   /* the body is sent, too */

    ngx_uint_t               connection;    /* header to the backend; 0: as it
                                               came, 1: keep-alive, 2: close */

    ngx_uint_t               cors;          /* answers of other origins */
    ngx_str_t                cors_origins;  /* with commas; those that cannot
                                               be read are none */
    ngx_str_t                cors_methods;
    ngx_str_t                cors_headers;
    ngx_str_t                cors_expose;   /* empty: none */
    ngx_uint_t               cors_credentials;
    ngx_int_t                cors_max_age;  /* seconds */

    ngx_uint_t               request_id;    /* made where none came */
    ngx_str_t                rewrite_target;  /* URI with captures and
                                               variables; empty: as it came */
    ngx_str_t                forwarded_prefix;  /* X-Forwarded-Prefix, likewise,
                                               where the URI is rewritten */
    ngx_uint_t               redirect_port; /* written in redirects to https */
    ngx_uint_t               forwarded;     /* X-Forwarded-* are trusted */
    ngx_uint_t               full_forwarded; /* X-Forwarded-For is added to */
    ngx_uint_t               real_ip;       /* the client's address alone is */
    ngx_str_t                real_ip_cidrs; /* of proxies, with commas */
    ngx_uint_t               proxy_protocol; /* the client's address by it */
    ngx_str_t                forwarded_proxy; /* name of the header that has
                                               it, with "forwarded" */
    ngx_str_t                forwarded_for; /* names of headers */
    ngx_str_t                forwarded_host;

    ngx_uint_t               ssl_redirect;  /* of hosts with a certificate */
    ngx_uint_t               redirect_code; /* to https */
    ngx_str_t                no_redirect;   /* prefixes of paths which are not
                                               redirected, with commas */
    ngx_uint_t               hsts;
    ngx_uint_t               hsts_max_age;  /* seconds */
    ngx_uint_t               hsts_subdomains;
    ngx_uint_t               hsts_preload;
    ngx_uint_t               server_tokens;

    ngx_uint_t               keepalive_connections;  /* of a worker */
    ngx_uint_t               keepalive_requests;
    ngx_msec_t               keepalive_timeout;
    ngx_msec_t               keepalive_time;

    ngx_uint_t               ssl_protocols; /* NGX_SSL_TLSv1_2, ... */
    ngx_str_t                ssl_ciphers;
    ngx_uint_t               ssl_prefer;    /* the server's order of them */
    ngx_uint_t               ssl_session_cache;
    size_t                   ssl_session_cache_size;
    ngx_msec_t               ssl_session_timeout;
    ngx_uint_t               ssl_session_tickets;
    size_t                   ssl_buffer_size;
    ngx_str_t                ssl_curves;    /* "auto": OpenSSL's */
    ngx_uint_t               ssl_reject;    /* names that no host has */
} ngx_k8s_settings_t;


/*
 * How a value is written.  decode() checks it and stores it in *field, of 16
 * bytes at most; strings are not copied.  NGX_ERROR: it is none.
 */

typedef struct ngx_k8s_grammar_s  ngx_k8s_grammar_t;

typedef struct {
    ngx_str_t                name;
    ngx_uint_t               value;
} ngx_k8s_word_value_t;

struct ngx_k8s_grammar_s {
    char                    *text;       /* "a number" */
    ngx_int_t              (*decode)(ngx_k8s_grammar_t *grammar,
                                ngx_str_t *value, void *field);
    ngx_k8s_word_value_t    *words;      /* which it chooses from */
    char                    *chars;      /* beside letters and digits; between
                                            words */
};

/* of one text: a worker takes it apart, and keeps the parts */
#define NGX_K8S_VARIABLES_MAX        64

extern ngx_k8s_grammar_t  ngx_k8s_grammar_flag;       /* ngx_uint_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_switch;     /* ngx_uint_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_number;     /* ngx_uint_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_integer;    /* ngx_int_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_seconds;    /* ngx_msec_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_time;       /* ngx_msec_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_size;       /* size_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_buffer;     /* size_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_workers;    /* ngx_uint_t, 0: auto */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_buffers;    /* ngx_bufs_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_status;     /* ngx_uint_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_redirect_code;  /* ngx_uint_t */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_permanent_code;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_temporal_code;

/* a word each: ngx_uint_t, its number */

extern ngx_k8s_grammar_t  ngx_k8s_grammar_affinity;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_affinity_canary;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_affinity_mode;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_auth_secret_type;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_auth_type;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_backend_protocol;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_balance;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_connection;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_http_version;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_log_level;  /* NGX_LOG_* */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_method;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_risk;       /* NGX_K8S_RISK_* */
extern ngx_k8s_grammar_t  ngx_k8s_grammar_samesite;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_satisfy;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_verify_client;

/* some words, separated by blanks or commas: ngx_uint_t, a mask */

extern ngx_k8s_grammar_t  ngx_k8s_grammar_next_upstream;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_protocols;

/* ngx_str_t, of certain characters or in a certain form */

extern ngx_k8s_grammar_t  ngx_k8s_grammar_absolute;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_auth_url;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_basic;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_blocked;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_blocklist;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_chars_space;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_cidrs;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_ciphers;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_codes;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_config_map;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_cookie_domain;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_cookie_path;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_curves;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_durations;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_extended;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_header;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_headers;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_headers_any;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_host_pattern;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_host_patterns;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_http_url;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_log_format;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_log_params;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_log_urls;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_match_cn;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_methods;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_object;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_origins;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_path_capture;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_redirect;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_regex;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_response_headers;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_service;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_signed;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_snippet;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_snippet_auth;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_snippet_http;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_snippet_location;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_snippet_server;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_text;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_text_variables;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_texts;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_ticket_key;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_url;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_url_variables;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_variables;
extern ngx_k8s_grammar_t  ngx_k8s_grammar_words;

/* of one that OpenSSL reads, with a final zero */
#define NGX_K8S_TLS_TEXT             4096

/* a key of session tickets, in bytes, as nginx has it in a file */
#define NGX_K8S_TICKET_SHORT         48
#define NGX_K8S_TICKET_LONG          80

/* of a blocklist */
#define NGX_K8S_BLOCKED_WORDS        64
#define NGX_K8S_BLOCKED_BYTES        4096

/*
 * Takes the first item from a list with commas, without the blanks around it;
 * NGX_DONE: there are no more.
 */
ngx_int_t ngx_k8s_item(ngx_str_t *list, ngx_str_t *item);

/* without the blanks and control characters around it */
void ngx_k8s_trim(ngx_str_t *value);

/* of a list as auth-cache-duration, for a status: milliseconds, 0: it has none;
   of items that have it the first one counts */
ngx_msec_t ngx_k8s_duration(ngx_str_t *list, ngx_uint_t status);

/* of a format of the access log, and of a list of URIs that are not logged */
#define NGX_K8S_LOG_FORMAT_MAX       8192
#define NGX_K8S_LOG_URLS             64

/*
 * Takes the next piece from a format of the access log: text as it is written
 * to the log, or the name of a variable.  NGX_DONE: there are no more;
 * NGX_ERROR: a "$" that no name follows.
 */
ngx_int_t ngx_k8s_log_next(ngx_str_t *format, ngx_str_t *text,
    ngx_uint_t *variable);
/* the next word of access-log-params; NGX_DONE: there are no more */
ngx_int_t ngx_k8s_log_param_next(ngx_str_t *params, ngx_str_t *word);

/* NGX_OK when it is one of cors-allow-origin */
ngx_int_t ngx_k8s_item_origin(ngx_str_t *item);


/* of a list (ngx_k8s_lists.c); 0: the value is none */

#define NGX_K8S_LIST                 0x0001
#define NGX_K8S_LIST_ITEMS           0x0002  /* with commas; each is checked */
#define NGX_K8S_LIST_BLANKS          0x0004  /* of a key, with blanks too */
#define NGX_K8S_LIST_WHOLE           0x0008  /* of an annotation, an empty item
                                                is a bad one */
#define NGX_K8S_LIST_QUOTED          0x0010  /* items may be in quotes */
#define NGX_K8S_LIST_LINES           0x0020  /* the end of a line is a comma,
                                                as items may have blanks */

ngx_uint_t ngx_k8s_list(ngx_k8s_grammar_t *grammar);


/* of a row: beside NGX_K8S_API_*, the APIs that it holds for */

#define NGX_K8S_ROW_BOTH             0x0008  /* with HANDSHAKE: is in the
                                                policies of routes, too, as
                                                what these say is read with
                                                it */

#define NGX_K8S_ROW_ANNOTATION       0x0010  /* is one of an Ingress */
#define NGX_K8S_ROW_KEY              0x0020  /* is a key of the ConfigMap */

#define NGX_K8S_ROW_COMPARED         0x0040  /* with nginx.conf, which alone can
                                                say it, or a part of it */

#define NGX_K8S_ROW_HANDSHAKE        0x0080  /* is in the policy of a host: it
                                                is known before a request */

#define NGX_K8S_ROW_LATER            0x0100  /* its default is served alone; */
#define NGX_K8S_ROW_KEY_LATER        0x0800  /* as the key, but not as the
                                                annotation */
#define NGX_K8S_ROW_NOTED            0x0200  /* nothing is to be done */
#define NGX_K8S_ROW_REFUSED          0x0400  /* never served */

#define NGX_K8S_ROW_WATCHER          0x8000  /* is in no policy record */

/* a bad or unserved value closes the route with 503, the host with 403;
   without either the default holds */
#define NGX_K8S_ROW_CLOSES_ROUTE     0x1000
#define NGX_K8S_ROW_CLOSES_HOST      0x2000

/* a token only where the row is said, or where a flag is on, or off; one for
   each item of a list with commas; and rows that make a profile in code of
   ours */
#define NGX_K8S_ROW_SAID             0x4000000
#define NGX_K8S_ROW_ON               0x80000
#define NGX_K8S_ROW_OFF              0x10000000
#define NGX_K8S_ROW_EACH             0x400000
#define NGX_K8S_ROW_PROFILE          0x800000

/* where a part of a value is bad, or it is empty, the rest of it holds */
#define NGX_K8S_ROW_PARTS            0x4000

/* one whose value is bad is on, and all else that the object says is not */
#define NGX_K8S_ROW_CANARY           0x80000000

/* it names another object of the namespace */
#define NGX_K8S_ROW_REF              0x1000000

/* it names a Secret, whose content is in records of its own; its value has the
   namespace */
#define NGX_K8S_ROW_SECRET           0x40000000

/* it names a ConfigMap, whose headers are its value in policy records */
#define NGX_K8S_ROW_HEADERS          0x8000000

/* its argument is the value alone where that is "off" or "default"; it is no
   token where the other row is "off" */
#define NGX_K8S_ROW_PAIR             0x2000000

/* a key that no annotation has, and routes differ in */
#define NGX_K8S_ROW_CLASS            0x20000000

/* who it is for beside a route */
#define NGX_K8S_ROW_HOST             0x10000
#define NGX_K8S_ROW_SERVICE          0x20000
#define NGX_K8S_ROW_OBJECT           0x40000

/* how much harm an annotation can do, ingress-nginx's levels */
#define NGX_K8S_RISK_LOW             0
#define NGX_K8S_RISK_MEDIUM          0x100000
#define NGX_K8S_RISK_HIGH            0x200000
#define NGX_K8S_RISK_CRITICAL        0x300000


typedef struct {
    ngx_str_t                name;       /* of annotation and key; empty: it
                                            cannot be set */
    ngx_str_t                alias;      /* a second one, empty: none */
    ngx_k8s_grammar_t       *grammar;    /* NULL without a name */
    ngx_str_t                value;      /* the default; empty: not set */
    ngx_uint_t               flags;      /* NGX_K8S_API_*, NGX_K8S_ROW_*,
                                            NGX_K8S_RISK_* */
    ngx_str_t                directive;  /* "proxy_connect_timeout"; empty: it
                                            is no token */
    ngx_str_t                argument;   /* separated by blanks; %V is the
                                            value, %S "on" or "off" for a flag,
                                            %!S the other one,
                                            ${key} the value of another row,
                                            %2${key} the value, where none is
                                            said twice the size of that row,
                                            %?${key} is nothing, with the word
                                            behind it where it is off; "" is an
                                            empty argument; of a compared row,
                                            see ngx_k8s_row_directive() */
    size_t                   offset;     /* in ngx_k8s_settings_t */
    ngx_str_t                needs;      /* annotation or key without which it
                                            does nothing, and is no token;
                                            empty: none */
    ngx_str_t                note;       /* for the documentation; of a refused
                                            row, what to use instead */
} ngx_k8s_row_t;

#define NGX_K8S_NO_FIELD             ((size_t) -1)

/* all of them; ends with a row whose note.data is NULL; those of one directive
   follow each other */
extern ngx_k8s_row_t  ngx_k8s_rows[];
extern ngx_uint_t     ngx_k8s_nrows;


/* their names and aliases, sorted, those of one name in the order of the rows;
   made by the first ngx_k8s_row() of a process, and constant then */

typedef struct {
    ngx_str_t                name;
    ngx_k8s_row_t           *row;
} ngx_k8s_row_name_t;

extern ngx_k8s_row_name_t  ngx_k8s_row_names[];
extern ngx_uint_t          ngx_k8s_nrow_names;


/*
 * The base of an API: sets all fields that rows of this API feed, zeroes the
 * others.  NGX_ERROR: a row has a default that its grammar does not know.
 */
ngx_int_t ngx_k8s_policy_base(ngx_k8s_settings_t *settings, ngx_uint_t api);

/*
 * Values below are arrays of ngx_k8s_nrows texts, by row; data is NULL where
 * nothing is said, and the array may be NULL.  settings() puts what they say
 * over settings; a text that its row does not know changes nothing.
 */
void ngx_k8s_policy_settings(ngx_k8s_settings_t *settings, ngx_uint_t api,
    ngx_str_t *values);

/* 1 when a row feeds the directive */
ngx_uint_t ngx_k8s_policy_directive(ngx_str_t *name);

/* the row of a name that has one of the flags; NULL: none */
ngx_k8s_row_t *ngx_k8s_row(ngx_str_t *name, ngx_uint_t flags);

/* whether nginx may refuse its value: a directive's, or one with variables */
ngx_uint_t ngx_k8s_row_built(ngx_k8s_row_t *row, ngx_str_t *value);

/* NGX_OK when the value is written as the row wants it */
ngx_int_t ngx_k8s_row_check(ngx_k8s_row_t *row, ngx_str_t *value);

/* whether such a value has a character which the validation of annotations in
   ingress-nginx refuses; 1 or 0 */
ngx_uint_t ngx_k8s_row_strange(ngx_k8s_row_t *row, ngx_str_t *value);

/* of a list without blanks around it: in one line, copied to the pool where it
   is not; NGX_ERROR: no memory */
ngx_int_t ngx_k8s_list_line(ngx_k8s_grammar_t *grammar, ngx_str_t *text,
    ngx_pool_t *pool);

/* items that are bad: how many, and the first of them */

#define NGX_K8S_BAD_ITEMS            3

typedef struct {
    ngx_uint_t               n;
    ngx_str_t                items[NGX_K8S_BAD_ITEMS];
} ngx_k8s_bad_t;

/* of an unknown name or a value, in a message */
#define NGX_K8S_SHOWN_MAX            128

/* writes what is wrong with a value, of a list with its bad items, or NULL;
   returns the end */
u_char *ngx_k8s_row_why(u_char *buf, size_t size, ngx_k8s_row_t *row,
    ngx_str_t *text, ngx_k8s_bad_t *bad);

/*
 * NGX_ERROR: items are bad, and stored in *bad, which is empty.  Of a key the
 * good ones alone are stored in *text, in the pool, without quotes and empty
 * ones, as ingress-nginx takes them; NGX_DONE: it has none.  NGX_ABORT: no
 * memory.
 */
ngx_int_t ngx_k8s_list_check(ngx_k8s_row_t *row, ngx_uint_t annotation,
    ngx_pool_t *pool, ngx_str_t *text, ngx_k8s_bad_t *bad);

/* whether an item, the first in *item, looks like a regular expression and is
   compared as it stands; 1 or 0 */
ngx_uint_t ngx_k8s_list_literal(ngx_k8s_row_t *row, ngx_str_t *text,
    ngx_str_t *item);

/*
 * Writes the directive of nginx.conf that says what a value of a compared row
 * does: in its argument %V is the value, %S "on" or "off" for a flag, and what
 * is in brackets is there where that is on.  Returns the end; what has no room
 * is left out.
 */
u_char *ngx_k8s_row_directive(u_char *buf, size_t size, ngx_k8s_row_t *row,
    ngx_str_t *value);


/*
 * In builds for debugging a part of a row's effect can be taken away, for tests
 * of tests: its value is read and not taken, the field or the directive has the
 * default.  NGX_DECLINED: there is no such row or part; NULL: all have effect.
 */

#define NGX_K8S_PART_VALUE           1
#define NGX_K8S_PART_FIELD           2
#define NGX_K8S_PART_TOKEN           4

#if (NGX_DEBUG)

ngx_int_t ngx_k8s_row_off(ngx_str_t *name, ngx_str_t *part);
ngx_uint_t ngx_k8s_row_is_off(ngx_str_t *name, ngx_uint_t part);

#else

#define ngx_k8s_row_is_off(name, part)  0

#endif


/*
 * Tokens: an array of ngx_array_t * of ngx_str_t, a directive and its arguments
 * each.  add() appends one, from a text with its arguments separated by blanks
 * ("" is an empty one); tokens() appends those of the base of an API, in which
 * values take the place of defaults; delta() those alone which values make
 * other ones than they are with "base".  All of it is copied to the pool, each
 * string with a final zero.  NGX_ERROR: no memory, or a bad row.
 */
ngx_int_t ngx_k8s_tokens_add(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_str_t *directive, ngx_str_t *arguments);
ngx_int_t ngx_k8s_policy_tokens(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t api, ngx_str_t *values);
ngx_int_t ngx_k8s_policy_delta(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_uint_t api, ngx_str_t *values, ngx_str_t *base);


/*
 * Annotations of an Ingress, and keys of a ConfigMap (ngx_k8s_annotations*.c).
 * A gate says which annotations are let through; say() hears what is wrong:
 * texts are the caller's for the time of the call, an empty remedy is that of
 * the kind of message.
 */

typedef struct {
    ngx_str_t                prefix;     /* "nginx.ingress.kubernetes.io" */
    ngx_uint_t               risk;       /* NGX_K8S_RISK_*, the highest one */
    ngx_str_t                words;      /* that no value has, with commas */
    ngx_uint_t               snippets;   /* may be said */
    ngx_uint_t               foreign;    /* objects of other namespaces may be
                                            named */
    ngx_uint_t               loose;      /* URLs may have what
                                            ngx_k8s_row_strange() is about */
    ngx_uint_t               cluster;    /* service-upstream, where none of
                                            them says */
    uint32_t                 stamp;      /* another one for each gate */
} ngx_k8s_gate_t;

/*
 * Sets what keys say of a gate, the data of a ConfigMap or NULL; prefix and
 * stamp stay, words are the data's or in the pool.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_gate_keys(ngx_k8s_gate_t *gate, ngx_array_t *data,
    ngx_pool_t *pool);

/* whether the same is let through */
ngx_uint_t ngx_k8s_gate_same(ngx_k8s_gate_t *one, ngx_k8s_gate_t *two);

/*
 * Writes why an object with such an annotation is not served; row is NULL where
 * the name is none.  Returns the end, NULL: it is served.
 */
u_char *ngx_k8s_gate_why(u_char *buf, size_t size, ngx_k8s_gate_t *gate,
    ngx_k8s_row_t *row, ngx_str_t *name, ngx_str_t *value);

/* whether an annotation of the namespace may name what its value does */
ngx_uint_t ngx_k8s_gate_names(ngx_k8s_gate_t *gate, ngx_k8s_row_t *row,
    ngx_str_t *namespace, ngx_str_t *value);

#define NGX_K8S_SAY_UNKNOWN          0   /* no such annotation */
#define NGX_K8S_SAY_INVALID          1   /* the default holds */
#define NGX_K8S_SAY_CLOSED           2   /* route or host is closed */
#define NGX_K8S_SAY_LATER            3   /* not served yet */
#define NGX_K8S_SAY_REFUSED          4   /* never served */
#define NGX_K8S_SAY_NOTED            5   /* has nothing to do here */
#define NGX_K8S_SAY_NO_EFFECT        6   /* something else is missing */
#define NGX_K8S_SAY_FOREIGN          7   /* another controller's */
#define NGX_K8S_SAY_NGINX            8   /* only nginx.conf can say it */

/*
 * A value that is none: this byte, which no grammar takes, and the reason.
 * With an empty name it is all of an object's: any of them may be there.
 */
#define NGX_K8S_UNREAD               0x7f

#define ngx_k8s_unread(text)                                                  \
    ((text)->len > 1 && (text)->data[0] == NGX_K8S_UNREAD)

/* an empty name is all of them */
typedef ngx_int_t (*ngx_k8s_say_pt)(void *data, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *message, ngx_str_t *remedy);

/* what an object says of a row; points into it */

typedef struct {
    ngx_k8s_row_t           *row;
    ngx_str_t                key;        /* as it stands in the object */
    ngx_str_t                value;      /* as the row wants it */
} ngx_k8s_value_t;

#define NGX_K8S_POLICY_DIGEST        32  /* SHA-256 */

typedef struct {
    ngx_array_t              values;     /* ngx_k8s_value_t, sorted by row */
    ngx_uint_t               nserved;    /* those that are */
    u_char                   digest[NGX_K8S_POLICY_DIGEST];  /* of them, and
                                            of the namespace where it counts */
    size_t                   size;       /* bytes of the served ones */
    unsigned                 close_route:1;
    unsigned                 close_host:1;
    unsigned                 handshake:1;  /* rows of the handshake count: of
                                            a host, and of keys */
    unsigned                 unknown:1;  /* keys of its class have not come */
    unsigned                 canary:1;   /* it cannot be read whether it is
                                            one: all that it says is that */
    unsigned                 refused:1;  /* the gate does not let the object
                                            through, all that it says is
                                            whether it is a canary */
} ngx_k8s_values_t;

/*
 * Reads annotations of an object of the namespace, an array of ngx_keyval_t or
 * NULL; values are of the pool.  NGX_ERROR: no memory, or say() returned it.
 */
ngx_int_t ngx_k8s_annotations(ngx_k8s_values_t *values, ngx_pool_t *pool,
    ngx_str_t *namespace, ngx_array_t *annotations, ngx_k8s_gate_t *gate,
    ngx_k8s_say_pt say, void *data);

/* whether nginx runs as the value of a row says which only nginx.conf can say:
   NGX_OK; NGX_DECLINED: it does not; NGX_DONE: it is not known */
typedef ngx_int_t (*ngx_k8s_running_pt)(void *data, ngx_k8s_row_t *row,
    ngx_str_t *value);

/* the same of the data of a ConfigMap, with class that of a class; values are
   those that are served; running may be NULL */
ngx_int_t ngx_k8s_keys(ngx_k8s_values_t *values, ngx_pool_t *pool,
    ngx_array_t *data, ngx_uint_t class, ngx_k8s_running_pt running,
    ngx_k8s_say_pt say, void *context);

/*
 * Of the ConfigMap of a class, the data or NULL: what annotations may say too,
 * and do not in values, is put there, copied to the pool.  NGX_ERROR: no
 * memory.
 */
ngx_int_t ngx_k8s_class_keys(ngx_k8s_values_t *values, ngx_pool_t *pool,
    ngx_str_t *namespace, ngx_array_t *data);

/* whether a key may be said there; others are for all routes */
ngx_uint_t ngx_k8s_class_row(ngx_k8s_row_t *row);

/* of ngx_k8s_value_t, for ngx_qsort() */
int ngx_libc_cdecl ngx_k8s_value_cmp(const void *one, const void *two);

/* counts the values that are served, and makes their digest; NGX_ERROR: it
   cannot be made */
ngx_int_t ngx_k8s_values_digest(ngx_k8s_values_t *values,
    ngx_str_t *namespace, ngx_log_t *log);

/* whether it is in a policy record */
#define ngx_k8s_value_served(v)                                               \
    (!((v)->row->flags & (NGX_K8S_ROW_LATER|NGX_K8S_ROW_WATCHER)))

/* and in that of these values */
#define ngx_k8s_value_recorded(values, v)                                     \
    (ngx_k8s_value_served(v)                                                  \
     && ((values)->handshake                                                  \
         || !((v)->row->flags & NGX_K8S_ROW_HANDSHAKE)                        \
         || ((v)->row->flags & NGX_K8S_ROW_BOTH)))

/* what they say of a name that is served; NULL: nothing */
ngx_str_t *ngx_k8s_values_get(ngx_k8s_values_t *values, ngx_str_t *name);

/* the same with its row, of those that are not served as well */
ngx_k8s_value_t *ngx_k8s_values_find(ngx_k8s_values_t *values,
    ngx_str_t *name);

/* whether a value is the default of its row, however that is written */
ngx_uint_t ngx_k8s_value_default(ngx_k8s_row_t *row, ngx_str_t *value);

/* whether they say "true" of a flag, or anything that its default is not */
ngx_uint_t ngx_k8s_values_on(ngx_k8s_values_t *values, ngx_str_t *name);


/*
 * ConfigMaps of headers (ngx_k8s_headers.c), which rows with
 * NGX_K8S_ROW_HEADERS name.
 */

#define NGX_K8S_HEADERS_MAX          64
#define NGX_K8S_HEADERS_VARIABLES    16   /* to the backend, with variables */

/* parameters of FastCGI: which variables they have is found when nginx takes
   them, as snippets may set some */
#define ngx_k8s_row_params(row)                                               \
    ((row)->offset == offsetof(ngx_k8s_settings_t, fastcgi_params))

/* headers of answers by annotation: in characters that are said, and in a list;
   there are no variables in them */
#define ngx_k8s_row_answer_headers(row)                                       \
    ((row)->offset == offsetof(ngx_k8s_settings_t, custom_headers))

/*
 * The text of what a ConfigMap says, sorted keys and values or NULL; of the
 * pool.  Of what is wrong say() hears, with the row's name; say may be NULL.
 * NGX_DECLINED: something is, the text is without it; NGX_ERROR: no memory, or
 * say() returned it.
 */
ngx_int_t ngx_k8s_headers(ngx_array_t *data, ngx_k8s_row_t *row,
    ngx_pool_t *pool, ngx_str_t *text, ngx_k8s_say_pt say, void *context);
/* takes the first header from a text; NGX_DONE: there are no more */
ngx_int_t ngx_k8s_headers_next(ngx_str_t *text, ngx_str_t *name,
    ngx_str_t *value);
/*
 * Variables in a text, as "$name" or "${name}".  next() takes the first one
 * from it, NGX_DONE: there are no more; captures are none.  variable(): that at
 * the "$" at *pos, which is moved behind it; 0: there is none.
 */
ngx_int_t ngx_k8s_variable_next(ngx_str_t *text, ngx_str_t *name);
ngx_uint_t ngx_k8s_variable(u_char **pos, u_char *last, ngx_str_t *name);
/* whether a list with commas has the name, in the same case */
ngx_uint_t ngx_k8s_header_listed(ngx_str_t *list, ngx_str_t *name);
/* "namespace/name", or a name alone: the namespace is empty */
void ngx_k8s_object_split(ngx_str_t *text, ngx_str_t *namespace,
    ngx_str_t *name);


/* names (ngx_k8s_names.c): what is meant by one that no row has */

/* of rows with one of the flags, the name that differs least, by two letters at
   most; NULL: none */
ngx_str_t *ngx_k8s_name_nearest(ngx_str_t *name, ngx_uint_t flags);

/* whether a ConfigMap of that name is likely to be a controller's */
ngx_uint_t ngx_k8s_name_config(ngx_str_t *name);

/*
 * Writes a sentence that says what to use instead, and of the first name in
 * quotes that it is not served, or is an annotation where rows is that of keys.
 * Returns the end.
 */
u_char *ngx_k8s_name_advice(u_char *buf, size_t size, ngx_str_t *sentence,
    ngx_uint_t rows);

/* as few letters apart; 1 or 0 */
ngx_uint_t ngx_k8s_name_near(ngx_str_t *one, ngx_str_t *two);

/*
 * What to use in place of an annotation of older versions of ingress-nginx, or
 * of a name that people expect; with any that of names which begin alike, too.
 * NULL: not known.
 */
ngx_str_t *ngx_k8s_name_removed(ngx_str_t *name, ngx_uint_t any);

/*
 * Whether an annotation with its prefix is one of another controller, 1 or 0:
 * the remedy is what to use instead, empty when there is nothing, in the buffer
 * or static.
 */
ngx_uint_t ngx_k8s_name_foreign(ngx_str_t *annotation, u_char *buf,
    size_t size, ngx_str_t *remedy);

/* whether the row of the first name in quotes in such a sentence protects */
ngx_uint_t ngx_k8s_name_protects(ngx_str_t *sentence);


#endif /* _NGX_K8S_POLICY_H_INCLUDED_ */
