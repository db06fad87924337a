
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


static u_char *ngx_k8s_json_space(u_char *p, u_char *last);


#define ngx_k8s_json_is_space(ch)                                             \
    ((ch) == ' ' || (ch) == '\n' || (ch) == '\r' || (ch) == '\t')


u_char *
ngx_k8s_json_scan(ngx_k8s_json_scan_t *scan, u_char *p, u_char *last)
{
    u_char  ch;

    if (!scan->started) {

        p = ngx_k8s_json_space(p, last);

        if (p == last) {
            return NULL;
        }

        scan->started = 1;
        ch = *p;

        if (ch == '{' || ch == '[') {
            scan->depth = 1;
            p++;

        } else if (ch == '"') {
            scan->string = 1;
            p++;

        } else if (ch == '-' || (ch >= '0' && ch <= '9')
                   || (ch >= 'a' && ch <= 'z'))
        {
            scan->scalar = 1;

        } else {
            scan->broken = 1;
            return NULL;
        }
    }

    if (scan->scalar) {

        for ( /* void */ ; p < last; p++) {
            ch = *p;

            if (ch == ',' || ch == ']' || ch == '}' || ch == ':'
                || ngx_k8s_json_is_space(ch))
            {
                return p;
            }
        }

        return NULL;
    }

    while (p < last) {

        if (scan->string) {

            if (scan->escape) {
                scan->escape = 0;
                p++;
                continue;
            }

            while (p < last && *p != '"' && *p != '\\') {
                p++;
            }

            if (p == last) {
                return NULL;
            }

            if (*p++ == '\\') {
                scan->escape = 1;
                continue;
            }

            scan->string = 0;

            if (scan->depth == 0) {
                return p;
            }

            continue;
        }

        switch (*p++) {

        case '"':
            scan->string = 1;
            break;

        case '{':
        case '[':
            scan->depth++;
            break;

        case '}':
        case ']':
            if (--scan->depth == 0) {
                return p;
            }
            break;
        }
    }

    return NULL;
}


u_char *
ngx_k8s_json_skip(u_char *p, u_char *last)
{
    u_char               *end;
    ngx_k8s_json_scan_t   scan;

    ngx_memzero(&scan, sizeof(ngx_k8s_json_scan_t));

    end = ngx_k8s_json_scan(&scan, p, last);

    /* only the end of the text ends a number there */

    return (end == NULL && scan.scalar) ? last : end;
}


ngx_int_t
ngx_k8s_json_member(u_char *p, u_char *last, char *name, ngx_str_t *value)
{
    ngx_int_t  rc;

    rc = ngx_k8s_json_value(p, last, name, &value->data);

    if (rc != NGX_OK) {
        return rc;
    }

    p = ngx_k8s_json_skip(value->data, last);

    if (p == NULL) {
        return NGX_ERROR;
    }

    value->len = p - value->data;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_json_value(u_char *p, u_char *last, char *name, u_char **value)
{
    u_char  *key, *end;
    size_t   len;

    len = ngx_strlen(name);

    p = ngx_k8s_json_space(p, last);

    if (p == last || *p++ != '{') {
        return NGX_ERROR;
    }

    p = ngx_k8s_json_space(p, last);

    if (p < last && *p == '}') {
        return NGX_DECLINED;
    }

    for ( ;; ) {

        if (p == last || *p != '"') {
            return NGX_ERROR;
        }

        key = p;

        end = ngx_k8s_json_skip(p, last);
        if (end == NULL) {
            return NGX_ERROR;
        }

        p = ngx_k8s_json_space(end, last);

        if (p == last || *p++ != ':') {
            return NGX_ERROR;
        }

        p = ngx_k8s_json_space(p, last);

        if ((size_t) (end - key) == len + 2
            && ngx_memcmp(key + 1, name, len) == 0)
        {
            *value = p;
            return NGX_OK;
        }

        p = ngx_k8s_json_skip(p, last);
        if (p == NULL) {
            return NGX_ERROR;
        }

        p = ngx_k8s_json_space(p, last);

        if (p == last || (*p != ',' && *p != '}')) {
            return NGX_ERROR;
        }

        if (*p++ == '}') {
            return NGX_DECLINED;
        }

        p = ngx_k8s_json_space(p, last);
    }
}


/* often jansson says so by saying nothing, and of a string "invalid token" */

ngx_uint_t
ngx_k8s_json_no_memory(json_error_t *error, u_char *text, size_t len)
{
    json_t  *json;

    if (error->text[0] == '\0'
        || json_error_code(error) == json_error_out_of_memory)
    {
        return 1;
    }

    json = json_stringn_nocheck((char *) text,
                                ngx_min(len, NGX_K8S_PARSER_STRING));
    json_decref(json);

    return json == NULL;
}


static u_char *
ngx_k8s_json_space(u_char *p, u_char *last)
{
    while (p < last && ngx_k8s_json_is_space(*p)) {
        p++;
    }

    return p;
}
