
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * How much of an object is read: what is converted in one piece, and what the
 * API server takes in all.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_parser.h>
#include <ngx_k8s_reader.h>


static ngx_uint_t ngx_k8s_parser_over(ngx_k8s_parser_t *p, ngx_uint_t role);


/* there is more than what is taken: the rest is counted, and not kept */

static ngx_uint_t
ngx_k8s_parser_over(ngx_k8s_parser_t *p, ngx_uint_t role)
{
    switch (role) {

    case NGX_K8S_ROLE_ANNOTATIONS:
        return p->annotations > NGX_K8S_PARSER_ANNOTATIONS;

    case NGX_K8S_ROLE_VALUES:
    case NGX_K8S_ROLE_ENCODED:
        return p->data > NGX_K8S_PARSER_DATA;

    default:
        return 0;
    }
}


void
ngx_k8s_parser_add(ngx_k8s_parser_t *p, ngx_k8s_parser_frame_t *f,
    json_t *value)
{
    size_t  len;

    len = json_string_length(value);

    switch (f->role) {

    case NGX_K8S_ROLE_ANNOTATIONS:
        p->annotations += json_string_length(f->key) + len;
        break;

    case NGX_K8S_ROLE_VALUES:
        p->data += len;
        break;

    case NGX_K8S_ROLE_ENCODED:
        p->data += len / 4 * 3;
        break;

    default:
        return;
    }

    if (ngx_k8s_parser_over(p, f->role) && json_is_string(value)) {

        if (ngx_k8s_kinds[p->kind].secret) {
            ngx_explicit_memzero((void *) json_string_value(value), len);
        }

        (void) json_string_setn_nocheck(value, "", 0);
    }
}


ngx_int_t
ngx_k8s_parser_sum(ngx_k8s_parser_t *p, ngx_uint_t role)
{
    if (!ngx_k8s_parser_over(p, role)) {
        return NGX_OK;
    }

    if (role != NGX_K8S_ROLE_ANNOTATIONS) {
        return ngx_k8s_parser_large(p, "the values have %uz bytes, %uz are "
                                    "read at most", p->data,
                                    (size_t) NGX_K8S_PARSER_DATA);
    }

    ngx_str_set(&p->problem.remedy,
                "Leave annotations out, or make them shorter.");

    return ngx_k8s_parser_large(p, "the annotations have %uz bytes with their "
                                "names, %uz are read at most", p->annotations,
                                (size_t) NGX_K8S_PARSER_ANNOTATIONS);
}


ngx_int_t
ngx_k8s_parser_charge(ngx_k8s_parser_t *p, ngx_uint_t cost)
{
    ngx_k8s_parser_frame_t  *f;

    if (p->tree) {
        return NGX_OK;
    }

    f = &p->frames[p->depth - 1];

    if (ngx_k8s_parser_elements(f->role)) {

        if (++f->cost > NGX_K8S_PARSER_ELEMENTS) {
            return ngx_k8s_parser_large(p, "the object has a list of more than "
                                        "%uz elements",
                                        (size_t) NGX_K8S_PARSER_ELEMENTS);
        }

        return NGX_OK;
    }

    if (ngx_k8s_parser_over(p, f->role)) {
        return NGX_OK;
    }

    f->cost += cost;

    if (f->cost > NGX_K8S_PARSER_VALUES) {
        return ngx_k8s_parser_large(p, "the object has more than %uz values in "
                                    "one place",
                                    (size_t) NGX_K8S_PARSER_VALUES);
    }

    return NGX_OK;
}


ngx_int_t ngx_cdecl
ngx_k8s_parser_large(ngx_k8s_parser_t *p, const char *fmt, ...)
{
    u_char      *last, *end;
    va_list      args;
    ngx_uint_t   i;

    last = p->field;
    end = last + sizeof(p->field);

    for (i = 0; i < p->depth; i++) {
        if (p->frames[i].key) {
            last = ngx_slprintf(last, end, "%s%s",
                                last == p->field ? "" : ".",
                                json_string_value(p->frames[i].key));
        }
    }

    p->problem.code = NGX_K8S_PROBLEM_OBJECT_TOO_LARGE;
    p->problem.field.data = p->field;
    p->problem.field.len = last - p->field;
    p->problem.message.data = p->message;

    va_start(args, fmt);
    last = ngx_vslprintf(p->message, p->message + sizeof(p->message), fmt,
                         args);
    va_end(args);

    p->problem.message.len = last - p->message;

    return NGX_ERROR;
}
