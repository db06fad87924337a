
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * How the kinds read JSON: members by name, with the path to where the reader
 * stands, for problems.  Private to this folder.
 *
 * An object is read twice.  The first pass measures: structures go to a
 * scratch pool, strings stay where they are, and "bytes" becomes what the
 * object's own pool has to hold, so that this has no slack.
 */


#ifndef _NGX_K8S_READER_H_INCLUDED_
#define _NGX_K8S_READER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


#define NGX_K8S_FIELD_MAX            256

#define NGX_K8S_LAST_APPLIED                                                  \
    "kubectl.kubernetes.io/last-applied-configuration"

/* bytes of a string cost as much as a value */
#define NGX_K8S_COST_BYTES           256

/* bytes of text up to which an object is parsed in one piece */
#define NGX_K8S_PARSER_WHOLE         (16 * 1024)


struct ngx_k8s_reader_s {
    ngx_k8s_object_t        *object;
    ngx_pool_t              *pool;       /* the object's, or the scratch one */
    size_t                   bytes;
    u_char                  *last;       /* end of the path in field */
    unsigned                 measure:1;
    unsigned                 failed:1;   /* no memory */
    u_char                   field[NGX_K8S_FIELD_MAX];
};


/* path: push gives what pop wants back */
u_char *ngx_k8s_reader_push(ngx_k8s_reader_t *r, const char *name);
u_char *ngx_k8s_reader_index(ngx_k8s_reader_t *r, size_t n);
#define ngx_k8s_reader_pop(r, mark)  (r)->last = mark

/* a problem at the path, or at a member of it (name may be NULL) */
void ngx_k8s_reader_problem(ngx_k8s_reader_t *r, const char *name,
    char *message);

/* zeroed memory; NULL, and r->failed, without */
void *ngx_k8s_reader_alloc(ngx_k8s_reader_t *r, size_t size);
ngx_array_t *ngx_k8s_reader_array(ngx_k8s_reader_t *r, ngx_uint_t n,
    size_t size);


/* copies bytes; NGX_OK or NGX_ERROR, and r->failed */
ngx_int_t ngx_k8s_reader_copy(ngx_k8s_reader_t *r, const char *data,
    size_t len, ngx_str_t *value);

/* members: NULL and no problem when absent or null, NULL and a problem when
   of another type; names of strings may be used without their being set */
json_t *ngx_k8s_reader_object(ngx_k8s_reader_t *r, json_t *json,
    const char *name);
json_t *ngx_k8s_reader_list(ngx_k8s_reader_t *r, json_t *json,
    const char *name);

/* how many elements to make room for, and the list: what is no list is one
   element, with a problem, and the list is NULL */
size_t ngx_k8s_reader_elements(ngx_k8s_reader_t *r, json_t *json,
    const char *name, json_t **list);

/* whether a member is there and not null */
ngx_uint_t ngx_k8s_reader_has(json_t *json, const char *name);

/*
 * A member that is not there: a problem at one that seems to be meant for it,
 * if there is any; the second says otherwise that it is missing.  Nothing
 * where the member is there, as one that cannot be read has its problem.
 */
ngx_uint_t ngx_k8s_reader_meant(ngx_k8s_reader_t *r, json_t *json,
    const char *name);
void ngx_k8s_reader_missing(ngx_k8s_reader_t *r, json_t *json,
    const char *name);

/* element n, NULL and a problem when it is no object */
json_t *ngx_k8s_reader_element(ngx_k8s_reader_t *r, json_t *list, size_t n);

/* NGX_OK: *value is set; else it is left as it is: NGX_DECLINED: absent or
   null; NGX_ABORT: it cannot be read, and a problem says so */
ngx_int_t ngx_k8s_reader_string(ngx_k8s_reader_t *r, json_t *json,
    const char *name, ngx_str_t *value);
ngx_int_t ngx_k8s_reader_bool(ngx_k8s_reader_t *r, json_t *json,
    const char *name, ngx_uint_t *value);

/* a port's number (1 to 65535), or where "text" is not NULL its name */
ngx_int_t ngx_k8s_reader_port(ngx_k8s_reader_t *r, json_t *json,
    const char *name, ngx_uint_t *number, ngx_str_t *text);

/* a member "protocol", one of Kubernetes' */
ngx_int_t ngx_k8s_reader_protocol(ngx_k8s_reader_t *r, json_t *json,
    ngx_str_t *value);

/* a list of strings; NULL in *values without */
ngx_uint_t ngx_k8s_reader_strings(ngx_k8s_reader_t *r, json_t *json,
    const char *name, ngx_str_t **values);

/*
 * Maps of strings.  What protects and cannot be read is not as if it was not
 * there: this byte and the reason stand for a value that is none, which no
 * grammar takes, so what closes where its value is bad does; and for a map that
 * is none, with an empty key.  A null is an empty string, as to an API server.
 */
#define NGX_K8S_READER_UNREAD        "\177"

#define NGX_K8S_READER_SAID          0   /* the reader says what is wrong */
#define NGX_K8S_READER_SILENT        1   /* who uses the values says it */

/* a map of strings to strings as ngx_keyval_t; NULL without */
ngx_array_t *ngx_k8s_reader_map(ngx_k8s_reader_t *r, json_t *json,
    const char *name, ngx_uint_t silent);

/* one that cannot be read at all, for the reason; NULL: no memory */
ngx_array_t *ngx_k8s_reader_unread(ngx_k8s_reader_t *r, const char *why);

/* whether a member is neither an object nor absent nor null */
ngx_uint_t ngx_k8s_reader_other(json_t *json, const char *name);

/*
 * Adds the strings of "map", the member of that name, to an array of
 * ngx_keyval_t, as many as it has room for; but for those that the map "over"
 * has as well; those of more than "max" bytes of text cannot be read.  Encoded
 * ones are in base64.
 */
void ngx_k8s_reader_values(ngx_k8s_reader_t *r, json_t *map, const char *name,
    json_t *over, ngx_uint_t encoded, size_t max, ngx_uint_t silent,
    ngx_array_t *values);


/*
 * As ngx_k8s_object_from_json(), in "pool", which already holds the part that
 * was read before and its problems, with their digest.  All NULL: a pool is
 * made, of the right size.
 */
ngx_k8s_object_t *ngx_k8s_object_make(ngx_uint_t kind, json_t *json,
    ngx_pool_t *pool, ngx_k8s_part_t *part,
    ngx_k8s_digest_t *digest, ngx_k8s_problem_t *problem, ngx_log_t *log);

/*
 * A digest: init, then JSON in any number of pieces ("skip" names members of
 * the outermost object that are left out, the last one is NULL), then final,
 * which gives NGX_K8S_DIGEST bytes, or cancel.  NGX_ERROR: no memory.  add()
 * takes text as it is.
 */
void ngx_k8s_digest_init(ngx_k8s_digest_t *d);
void ngx_k8s_digest_add(ngx_k8s_digest_t *d, const void *data, size_t len);
void ngx_k8s_digest_json(ngx_k8s_digest_t *d, json_t *json, const char **skip);
ngx_int_t ngx_k8s_digest_final(ngx_k8s_digest_t *d, u_char *digest);
void ngx_k8s_digest_cancel(ngx_k8s_digest_t *d);

/* one element of an EndpointSlice's endpoints; NGX_DECLINED: of no use */
ngx_int_t ngx_k8s_endpoint_read(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_slice_endpoint_t *endpoint, ngx_k8s_slice_endpoint_t *before);


/* what the kinds read beside metadata */
void ngx_k8s_ingress_read(ngx_k8s_reader_t *r, json_t *json);
ngx_int_t ngx_k8s_ingress_piece(ngx_k8s_reader_t *r, json_t *json,
    ngx_k8s_digest_t *digest);
void ngx_k8s_ingress_class_read(ngx_k8s_reader_t *r, json_t *json);
void ngx_k8s_service_read(ngx_k8s_reader_t *r, json_t *json);
void ngx_k8s_slice_read(ngx_k8s_reader_t *r, json_t *json);
void ngx_k8s_secret_read(ngx_k8s_reader_t *r, json_t *json);
void ngx_k8s_config_map_read(ngx_k8s_reader_t *r, json_t *json);


#endif /* _NGX_K8S_READER_H_INCLUDED_ */
