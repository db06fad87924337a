
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Rows without their effect, in builds for debugging alone: the test of a row
 * has to fail then (t/mutation/rows.t).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


#if (NGX_DEBUG)

static ngx_uint_t ngx_k8s_row_has(ngx_str_t *name, ngx_uint_t part);
static ngx_uint_t ngx_k8s_row_argument(ngx_k8s_row_t *row, ngx_str_t *name);


static ngx_str_t   ngx_k8s_row_off_name;
static ngx_uint_t  ngx_k8s_row_off_parts;


ngx_int_t
ngx_k8s_row_off(ngx_str_t *name, ngx_str_t *part)
{
    ngx_uint_t             i;
    ngx_k8s_word_value_t  *parts;

    static ngx_k8s_word_value_t  ngx_k8s_row_off_words[] = {
        { ngx_string("value"), NGX_K8S_PART_VALUE },
        { ngx_string("field"), NGX_K8S_PART_FIELD },
        { ngx_string("token"), NGX_K8S_PART_TOKEN },
        { ngx_null_string, 0 }
    };

    ngx_k8s_row_off_parts = 0;

    if (name == NULL) {
        return NGX_OK;
    }

    parts = ngx_k8s_row_off_words;

    for (i = 0; parts[i].name.len; i++) {

        if (part->len == parts[i].name.len
            && ngx_strncmp(part->data, parts[i].name.data, part->len) == 0
            && ngx_k8s_row_has(name, parts[i].value))
        {
            ngx_k8s_row_off_name = *name;
            ngx_k8s_row_off_parts = parts[i].value;

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_k8s_row_is_off(ngx_str_t *name, ngx_uint_t part)
{
    return (ngx_k8s_row_off_parts & part)
           && name->len == ngx_k8s_row_off_name.len
           && ngx_strncmp(name->data, ngx_k8s_row_off_name.data, name->len)
              == 0;
}


/* whether the value makes a difference to it */

static ngx_uint_t
ngx_k8s_row_has(ngx_str_t *name, ngx_uint_t part)
{
    ngx_uint_t      same;
    ngx_k8s_row_t  *row;

    for (row = ngx_k8s_rows; row->note.data; row++) {

        same = (row->name.len == name->len
                && ngx_strncmp(row->name.data, name->data, name->len) == 0);

        switch (part) {

        case NGX_K8S_PART_VALUE:
            break;

        case NGX_K8S_PART_FIELD:
            same = (same && row->offset != NGX_K8S_NO_FIELD);
            break;

        default: /* NGX_K8S_PART_TOKEN */

            same = (row->directive.len
                    && ((same
                         && (ngx_strlchr(row->argument.data,
                                         row->argument.data
                                         + row->argument.len, '%')
                             || (row->flags & (NGX_K8S_ROW_SAID
                                               |NGX_K8S_ROW_ON|NGX_K8S_ROW_OFF
                                               |NGX_K8S_ROW_EACH))))
                        || ngx_k8s_row_argument(row, name)));
        }

        if (same) {
            return 1;
        }
    }

    return 0;
}


/* whether an argument has the value of the row of a name */

static ngx_uint_t
ngx_k8s_row_argument(ngx_k8s_row_t *row, ngx_str_t *name)
{
    u_char  *p, *last;

    p = row->argument.data;
    last = p + row->argument.len;

    for ( ;; ) {
        p = ngx_strnstr(p, "${", last - p);

        if (p == NULL) {
            return 0;
        }

        p += 2;

        if ((size_t) (last - p) > name->len && p[name->len] == '}'
            && ngx_strncmp(p, name->data, name->len) == 0)
        {
            return 1;
        }
    }
}

#endif
