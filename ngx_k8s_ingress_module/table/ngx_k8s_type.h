
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A row for each type of record: its name, where its strings, lists and
 * references are, and what holds for all its records.  Who checks, copies,
 * marks, sweeps, counts or shows records of any type runs from these rows.
 */


#ifndef _NGX_K8S_TYPE_H_INCLUDED_
#define _NGX_K8S_TYPE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_record.h>


/* what a field is; a list is in the fixed part only */

#define NGX_K8S_FIELD_STR            0   /* ngx_k8s_str_t */
#define NGX_K8S_FIELD_LIST           1   /* ngx_k8s_list_t of "element" */
#define NGX_K8S_FIELD_REFS           2   /* the same of ngx_k8s_slot_ref_t, goes
                                            without those that are lost */
#define NGX_K8S_FIELD_SLOT           3   /* uint32_t of index "arg" */
#define NGX_K8S_FIELD_REF            4   /* ngx_k8s_slot_ref_t, the same */
#define NGX_K8S_FIELD_ANY_REF        5   /* the same; uint16_t before it is the
                                            index; 0 when it is lost */
#define NGX_K8S_FIELD_SPAN           6   /* two uint32_t: first and number of
                                            elements of the list at "arg" */
#define NGX_K8S_FIELD_ITEM           7   /* uint32_t: one of these */
#define NGX_K8S_FIELD_ITEM_OR_NONE   8   /* or NGX_K8S_NONE */
#define NGX_K8S_FIELD_MAX8           9   /* uint8_t, at most "arg" */
#define NGX_K8S_FIELD_MAX16          10
#define NGX_K8S_FIELD_MAX32          11
#define NGX_K8S_FIELD_ADDRESS        12  /* ngx_k8s_str_t of 0, 4, 16 bytes */

typedef struct ngx_k8s_element_s  ngx_k8s_element_t;

typedef struct {
    uint32_t                   what;     /* NGX_K8S_FIELD_* */
    uint32_t                   offset;   /* in the record, or the element */
    uint32_t                   arg;
    const ngx_k8s_element_t   *element;  /* of a list */
} ngx_k8s_record_field_t;

struct ngx_k8s_element_s {
    size_t                         size;
    ngx_uint_t                     nfields;
    const ngx_k8s_record_field_t  *fields;
};


typedef struct {
    ngx_str_t                  name;     /* "host" */
    ngx_k8s_element_t          fixed;    /* its fixed part */

    /* what fields can't say, once all of them hold; 0: not sound */
    ngx_uint_t               (*check)(void *rec, size_t len);

    unsigned                   stage:3;  /* refers to lower ones only; see
                                            ngx_k8s_record_stage() */
    unsigned                   rare:4;   /* buckets: 1 / 2^n of a common
                                            type's */
    unsigned                   lasting:1; /* in snapshots */
} ngx_k8s_record_type_t;


extern const ngx_k8s_record_type_t  ngx_k8s_record_types[NGX_K8S_INDEXES];

#define NGX_K8S_RECORD_STAGES        7


/* when a record is put into an empty table: after all of lower stages */
ngx_uint_t ngx_k8s_record_stage(ngx_k8s_record_t *rec);

/*
 * Calls the handler with the address of each slot that a sound record refers
 * to; "generation" is what stands behind it, or NULL.  The handler may change
 * both.  Its NGX_DONE, for what is lost, takes one of NGX_K8S_FIELD_REFS off
 * its list and makes a policy's reference 0, so that what it asks for is
 * closed; else what is not NGX_OK ends the walk and is returned.
 */

typedef ngx_int_t (*ngx_k8s_record_refs_pt)(void *data, ngx_uint_t index,
    uint32_t *slot, uint32_t *generation);

ngx_int_t ngx_k8s_record_refs(ngx_k8s_record_t *rec,
    ngx_k8s_record_refs_pt handler, void *data);


#endif /* _NGX_K8S_TYPE_H_INCLUDED_ */
