
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Is a record sound?  Its bytes may come from anywhere: what passes here may
 * be read by all code without a further look at its references.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer.h>
#include <ngx_k8s_shm.h>
#include <ngx_k8s_type.h>


static ngx_uint_t ngx_k8s_verify_fields(void *rec, size_t len, u_char *p,
    const ngx_k8s_element_t *element);
static ngx_uint_t ngx_k8s_verify_field(void *rec, size_t len, u_char *p,
    const ngx_k8s_record_field_t *field);
static ngx_uint_t ngx_k8s_verify_str(ngx_k8s_str_t *s, size_t len);
static ngx_uint_t ngx_k8s_verify_list(void *rec, size_t len,
    ngx_k8s_list_t *list, const ngx_k8s_element_t *element);


ngx_int_t
ngx_k8s_record_verify(ngx_k8s_record_t *rec, size_t max)
{
    if ((uintptr_t) rec % sizeof(uint64_t)
        || max < sizeof(ngx_k8s_record_t)
        || rec->size > max
        || rec->size > NGX_K8S_RECORD_MAX
        || rec->size % NGX_K8S_GRANULE
        || rec->size < sizeof(ngx_k8s_record_t))
    {
        return NGX_ERROR;
    }

    if (ngx_k8s_record_inside(rec, rec->size) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_k8s_record_crc(rec, rec->size, rec->size) != rec->crc) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_record_inside(ngx_k8s_record_t *rec, size_t len)
{
    const ngx_k8s_record_type_t  *type;

    if (rec->type >= NGX_K8S_INDEXES) {
        return NGX_ERROR;
    }

    type = &ngx_k8s_record_types[rec->type];

    if (len < type->fixed.size
        || rec->key.len > NGX_K8S_KEY_MAX
        || (rec->key.len && rec->key.offset < sizeof(ngx_k8s_record_t))
        || !ngx_k8s_verify_str(&rec->key, len)
        || !ngx_k8s_verify_fields(rec, len, (u_char *) rec, &type->fixed)
        || (type->check && !type->check(rec, len)))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


uint32_t
ngx_k8s_record_crc(ngx_k8s_record_t *rec, size_t len, size_t size)
{
    u_char    *p;
    size_t     skip;
    uint32_t   crc;

    static u_char  zeroes[NGX_K8S_GRANULE];

    skip = offsetof(ngx_k8s_record_t, type);
    p = (u_char *) rec;

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, p + skip, len - skip);
    ngx_crc32_update(&crc, zeroes, size - len);
    ngx_crc32_final(crc);

    return crc;
}


/* one element, or the fixed part, at p */

static ngx_uint_t
ngx_k8s_verify_fields(void *rec, size_t len, u_char *p,
    const ngx_k8s_element_t *element)
{
    ngx_uint_t  i;

    for (i = 0; i < element->nfields; i++) {
        if (!ngx_k8s_verify_field(rec, len, p, &element->fields[i])) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_k8s_verify_field(void *rec, size_t len, u_char *p,
    const ngx_k8s_record_field_t *field)
{
    uint32_t        *n;
    ngx_k8s_str_t   *s;
    ngx_k8s_list_t  *list;

    p += field->offset;
    n = (uint32_t *) p;

    switch (field->what) {

    case NGX_K8S_FIELD_STR:
        return ngx_k8s_verify_str((ngx_k8s_str_t *) p, len);

    case NGX_K8S_FIELD_ADDRESS:
        s = (ngx_k8s_str_t *) p;
        return (s->len == 0 || s->len == 4 || s->len == 16)
               && ngx_k8s_verify_str(s, len);

    case NGX_K8S_FIELD_LIST:
    case NGX_K8S_FIELD_REFS:
        return ngx_k8s_verify_list(rec, len, (ngx_k8s_list_t *) p,
                                   field->element);

    case NGX_K8S_FIELD_SPAN:
        list = ngx_k8s_record_at(rec, field->arg);
        return (uint64_t) n[0] + n[1] <= list->n;

    case NGX_K8S_FIELD_ITEM:
        list = ngx_k8s_record_at(rec, field->arg);
        return *n < list->n;

    case NGX_K8S_FIELD_ITEM_OR_NONE:
        list = ngx_k8s_record_at(rec, field->arg);
        return *n == NGX_K8S_NONE || *n < list->n;

    case NGX_K8S_FIELD_MAX8:
        return *p <= field->arg;

    case NGX_K8S_FIELD_MAX16:
        return *(uint16_t *) p <= field->arg;

    case NGX_K8S_FIELD_MAX32:
        return *n <= field->arg;

    default: /* slots: what is in them is looked at when they are read */
        return 1;
    }
}


static ngx_uint_t
ngx_k8s_verify_str(ngx_k8s_str_t *s, size_t len)
{
    return (uint64_t) s->offset + s->len <= len;
}


static ngx_uint_t
ngx_k8s_verify_list(void *rec, size_t len, ngx_k8s_list_t *list,
    const ngx_k8s_element_t *element)
{
    u_char    *p;
    uint32_t   i;

    if (list->offset % sizeof(uint64_t)
        || (uint64_t) list->offset + (uint64_t) list->n * element->size > len)
    {
        return 0;
    }

    if (element->nfields == 0) {
        return 1;
    }

    p = ngx_k8s_record_at(rec, list->offset);

    for (i = 0; i < list->n; i++) {

        if (!ngx_k8s_verify_fields(rec, len, p, element)) {
            return 0;
        }

        p += element->size;
    }

    return 1;
}
