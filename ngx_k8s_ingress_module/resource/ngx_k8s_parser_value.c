
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* The scalars of an object, and what they have instead where they are none. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_json_tree.h>
#include <ngx_k8s_parser.h>


/* one past the scalar at pos; NULL: it is broken, or too long, and of a tree
   what is too long is skipped then */

u_char *
ngx_k8s_parser_end(ngx_k8s_parser_t *p)
{
    u_char               *end, *limit;
    ngx_k8s_json_scan_t   scan;

    limit = p->pos + ngx_min(p->last - p->pos, NGX_K8S_PARSER_STRING);

    ngx_memzero(&scan, sizeof(ngx_k8s_json_scan_t));

    end = ngx_k8s_json_scan(&scan, p->pos, limit);

    if (end) {
        return end;
    }

    if (limit != p->last && !scan.broken && p->tree
        && p->state == NGX_K8S_PARSER_VALUE)
    {
        p->scan = scan;
        p->pos = limit;
        p->state = NGX_K8S_PARSER_DROP;

    } else if (limit != p->last && !scan.broken) {
        (void) ngx_k8s_parser_large(p, "the object has a value of more than "
                                    "%uz bytes",
                                    (size_t) NGX_K8S_PARSER_STRING);

    } else {
        (void) ngx_k8s_parser_broken(p, "a value is broken, or has no end");
    }

    return NULL;
}


/* the string from pos to last, both with their quotes */

json_t *
ngx_k8s_parser_string(ngx_k8s_parser_t *p, u_char *last)
{
    u_char  *s;
    json_t  *json;

    for (s = p->pos + 1; s < last - 1; s++) {
        if (*s == '\\' || *s < 0x20) {
            return ngx_k8s_parser_load(p, last);
        }
    }

    json = json_stringn((char *) p->pos + 1, last - p->pos - 2);

    /* it is not in UTF-8, or there is no memory */

    return json ? json : ngx_k8s_parser_load(p, last);
}


json_t *
ngx_k8s_parser_load(ngx_k8s_parser_t *p, u_char *last)
{
    json_t        *json;
    json_error_t   error;

    if (last - p->pos > NGX_K8S_PARSER_ESCAPED && p->tree) {
        return ngx_k8s_parser_overlong(p, 1);
    }

    if (last - p->pos > NGX_K8S_PARSER_ESCAPED) {
        (void) ngx_k8s_parser_large(p, "the object has a value with escapes of "
                                    "more than %uz bytes",
                                    (size_t) NGX_K8S_PARSER_ESCAPED);
        return NULL;
    }

    json = json_loadb((char *) p->pos, last - p->pos,
                      JSON_DECODE_ANY|JSON_ALLOW_NUL, &error);

    if (json == NULL) {

        if (ngx_k8s_json_no_memory(&error, p->pos, last - p->pos)) {
            p->failed = 1;

        } else {
            p->pos += p->tree ? ngx_min(error.position, last - p->pos) : 0;
            (void) ngx_k8s_parser_broken(p, error.text);
        }
    }

    return json;
}


/* in place of a string that is too long, with or without escapes */

json_t *
ngx_k8s_parser_overlong(ngx_k8s_parser_t *p, ngx_uint_t escapes)
{
    char    *s;
    size_t   len;
    json_t  *json;

    len = escapes ? NGX_K8S_PARSER_ESCAPED / 2 : NGX_K8S_PARSER_STRING;
    json = NULL;

    s = ngx_alloc(len, p->log);

    if (s) {
        ngx_memset(s, escapes ? LF : 'x', len);
        json = json_stringn_nocheck(s, len);
        ngx_free(s);
    }

    if (json == NULL) {
        p->failed = 1;
    }

    return json;
}


ngx_int_t
ngx_k8s_parser_broken(ngx_k8s_parser_t *p, char *why)
{
    ngx_str_set(&p->problem.field, "");

    p->problem.code = NGX_K8S_PROBLEM_INVALID_OBJECT;
    p->problem.message.data = p->message;

    if (p->tree) {
        p->problem.message.len = ngx_snprintf(p->message, sizeof(p->message),
                                              "%s", why)
                                 - p->message;
        return NGX_ERROR;
    }

    p->problem.message.len = ngx_snprintf(p->message, sizeof(p->message),
                                          "the object cannot be read at byte "
                                          "%O: %s", (off_t) (p->pos - p->text),
                                          why)
                             - p->message;
    return NGX_ERROR;
}
