
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Problems: what is wrong with an object, or with something else that has a
 * name, as a file.
 */


#ifndef _NGX_K8S_PROBLEM_H_INCLUDED_
#define _NGX_K8S_PROBLEM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Problem codes: one table, from which docs/problems.md is made as well.
 * NGX_K8S_PROBLEM_x are its indexes.
 */

enum {
    NGX_K8S_SEVERITY_ERROR = 0,          /* not served, or closed */
    NGX_K8S_SEVERITY_WARNING,            /* served, but not as written */
    NGX_K8S_SEVERITY_NOTE,               /* nothing that shows outside: it is
                                            on /status, and not logged */
    NGX_K8S_SEVERITIES
};

/* "error", "warning", "note" */
extern ngx_str_t  ngx_k8s_severities[NGX_K8S_SEVERITIES];

/* which condition of an object's status is False by it, where the kind has it,
   and for which reason, by the names of the Gateway API */

enum {
    NGX_K8S_CONDITION_NONE = 0,
    NGX_K8S_CONDITION_ACCEPTED,          /* Accepted */
    NGX_K8S_CONDITION_RESOLVED_REFS,     /* ResolvedRefs */
    NGX_K8S_CONDITION_PROGRAMMED,        /* Programmed */
    NGX_K8S_CONDITION_PARTIALLY_INVALID  /* PartiallyInvalid, which is True */
};

enum {
    NGX_K8S_REASON_NONE = 0,
    NGX_K8S_REASON_UNSUPPORTED_VALUE,    /* UnsupportedValue */
    NGX_K8S_REASON_INVALID_KIND,         /* InvalidKind */
    NGX_K8S_REASON_BACKEND_NOT_FOUND,    /* BackendNotFound */
    NGX_K8S_REASON_INVALID_CERTIFICATE_REF, /* InvalidCertificateRef */
    NGX_K8S_REASON_NO_RESOURCES          /* NoResources */
};

typedef struct {
    ngx_str_t                name;       /* "ServiceNotFound" */
    uint16_t                 severity;   /* NGX_K8S_SEVERITY_* */
    uint16_t                 condition;  /* NGX_K8S_CONDITION_* */
    uint16_t                 reason;     /* NGX_K8S_REASON_* */
    ngx_str_t                meaning;    /* for the documentation */
    ngx_str_t                remedy;     /* default remedy, one sentence */
} ngx_k8s_problem_code_t;

enum {
    NGX_K8S_PROBLEM_INVALID_OBJECT = 0,  /* cannot be read at all */
    NGX_K8S_PROBLEM_INVALID_FIELD,       /* and what it decides is closed */
    NGX_K8S_PROBLEM_OBJECT_TOO_LARGE,
    NGX_K8S_PROBLEM_FILE_INVALID,        /* manifests: last good one kept */
    NGX_K8S_PROBLEM_HOST_INVALID,
    NGX_K8S_PROBLEM_PATH_INVALID,
    NGX_K8S_PROBLEM_PATH_CONFLICT,       /* same host and path: older wins */
    NGX_K8S_PROBLEM_DEFAULT_CONFLICT,    /* host has a default backend */
    NGX_K8S_PROBLEM_BACKEND_RESOURCE,    /* backends of kind Resource */
    NGX_K8S_PROBLEM_SERVICE_NOT_FOUND,
    NGX_K8S_PROBLEM_PORT_NOT_FOUND,
    NGX_K8S_PROBLEM_NO_ENDPOINTS,
    NGX_K8S_PROBLEM_ADDRESS_REFUSED,     /* loopback, link-local, ... */
    NGX_K8S_PROBLEM_SECRET_NOT_FOUND,
    NGX_K8S_PROBLEM_SECRET_INVALID,      /* last good one kept */
    NGX_K8S_PROBLEM_CERTIFICATE_MISMATCH, /* host not covered: default used */
    NGX_K8S_PROBLEM_CERTIFICATE_EXPIRED,
    NGX_K8S_PROBLEM_CERTIFICATE_EXPIRES, /* within ten days */
    NGX_K8S_PROBLEM_CERTIFICATE_CONFLICT, /* host has one of an older object */
    NGX_K8S_PROBLEM_TABLE_FULL,
    NGX_K8S_PROBLEM_NAMESPACE_LIMIT,
    NGX_K8S_PROBLEM_UNSUPPORTED,
    NGX_K8S_PROBLEM_DUPLICATE_OBJECT,    /* manifests: the first one wins */
    NGX_K8S_PROBLEM_SNAPSHOT_REFUSED,    /* it is not loaded */
    NGX_K8S_PROBLEM_SNAPSHOT_UNWRITTEN,  /* tried again */
    NGX_K8S_PROBLEM_SNAPSHOT_INCOMPLETE, /* keys, or no room for all of it */
    NGX_K8S_PROBLEM_API_VERSION,         /* manifests: none that is read */
    NGX_K8S_PROBLEM_UNKNOWN_FIELD,       /* a known one is meant */
    NGX_K8S_PROBLEM_CLASS_NOT_FOUND,     /* no IngressClass has the name */
    NGX_K8S_PROBLEM_CLASS_MISSING,       /* none, beside a default class */
    NGX_K8S_PROBLEM_TLS_HOST_UNUSED,     /* no rule has it */
    NGX_K8S_PROBLEM_OBJECT_FORBIDDEN,    /* what is known of it is kept */
    NGX_K8S_PROBLEM_ANNOTATION_UNKNOWN,  /* there is none of the name */
    NGX_K8S_PROBLEM_ANNOTATION_INVALID,  /* the default holds */
    NGX_K8S_PROBLEM_ANNOTATION_CLOSED,   /* it protects: routes are closed */
    NGX_K8S_PROBLEM_ANNOTATION_UNSERVED, /* not yet */
    NGX_K8S_PROBLEM_ANNOTATION_REFUSED,  /* never */
    NGX_K8S_PROBLEM_ANNOTATION_NOTED,    /* has nothing to do here */
    NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT, /* another one is missing */
    NGX_K8S_PROBLEM_ANNOTATION_FOREIGN,  /* of another controller */
    NGX_K8S_PROBLEM_CONFIG_NOT_FOUND,    /* the ConfigMap of config_map */
    NGX_K8S_PROBLEM_KEY_UNKNOWN,         /* of a ConfigMap: as annotations */
    NGX_K8S_PROBLEM_KEY_INVALID,
    NGX_K8S_PROBLEM_KEY_CLOSED,          /* all routes are closed */
    NGX_K8S_PROBLEM_KEY_UNSERVED,
    NGX_K8S_PROBLEM_KEY_REFUSED,
    NGX_K8S_PROBLEM_KEY_NOTED,
    NGX_K8S_PROBLEM_KEY_NO_EFFECT,
    NGX_K8S_PROBLEM_PATH_REGEX,          /* by another object of the host */
    NGX_K8S_PROBLEM_ENTRY_SPLIT,         /* one dash too many */
    NGX_K8S_PROBLEM_PATH_LITERAL,        /* a pattern where none is read */
    NGX_K8S_PROBLEM_CANARY_ALONE,        /* its path is nobody's */
    NGX_K8S_PROBLEM_ALIAS_CONFLICT,      /* the name is somebody else's */
    NGX_K8S_PROBLEM_PATH_LIMIT,          /* of a host with expressions */
    NGX_K8S_PROBLEM_KEY_NGINX,           /* nginx.conf says something else */
    NGX_K8S_PROBLEM_HOST_OWNED,          /* by another namespace */
    NGX_K8S_PROBLEM_ONE_CLIENT,          /* all have the address of a proxy */
    NGX_K8S_PROBLEM_ANNOTATION_CONFLICT, /* the host has it of another object */
    NGX_K8S_PROBLEM_WRITE_REFUSED,       /* by the API server */
    NGX_K8S_PROBLEM_NO_ADDRESS,          /* for the status of Ingresses */
    NGX_K8S_PROBLEM_REDIRECT_LOOP,       /* to the URL that it is of */
    NGX_K8S_PROBLEM_HEADER_NAME,         /* one that backends may drop */
    NGX_K8S_PROBLEM_HOST_WIDE,           /* by another object of the host */
    NGX_K8S_PROBLEM_APP_PROTOCOL,        /* nginx is too old for it */
    NGX_K8S_PROBLEMS
};

extern ngx_k8s_problem_code_t  ngx_k8s_problem_codes[NGX_K8S_PROBLEMS];

typedef struct {
    ngx_uint_t               code;
    ngx_str_t                field;
    ngx_str_t                message;
    ngx_str_t                remedy;     /* empty: that of the code */
    ngx_str_t                host;
} ngx_k8s_problem_t;


/*
 * What has become of an Ingress.  Each that was read is of one state; one that
 * cannot be read any more is counted as unreadable, and beside that by the
 * state of its last good version, where there is one.
 */

enum {
    NGX_K8S_STATE_PENDING = 0,           /* is being compiled */
    NGX_K8S_STATE_SERVED,
    NGX_K8S_STATE_NO_ROUTE,              /* it has none, or others have all */
    NGX_K8S_STATE_NO_CLASS,              /* nor is there one by default */
    NGX_K8S_STATE_OTHER_CLASS,           /* that of another controller */
    NGX_K8S_STATE_UNKNOWN_CLASS,         /* no IngressClass has the name */
    NGX_K8S_STATE_INVALID_CLASS,         /* the field cannot be read */
    NGX_K8S_STATE_OTHER_NAMESPACE,       /* the selector does not meet it */
    NGX_K8S_STATE_NAMESPACE_LIMIT,
    NGX_K8S_STATE_TABLE_FULL,
    NGX_K8S_STATE_UNREADABLE,
    NGX_K8S_STATES
};

/* "served", ...; as /status and metrics say it */
extern ngx_str_t  ngx_k8s_states[NGX_K8S_STATES];


#endif /* _NGX_K8S_PROBLEM_H_INCLUDED_ */
