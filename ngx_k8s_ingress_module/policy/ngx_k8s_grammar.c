
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


typedef struct {
    ngx_str_t                name;
    ngx_uint_t               value;
} ngx_k8s_word_value_t;


static ngx_int_t ngx_k8s_decode_flag(ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_switch(ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_number(ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_seconds(ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_time(ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_size(ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_text(ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_protocols(ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_word(ngx_k8s_word_value_t *words,
    ngx_str_t *value, void *field);


ngx_k8s_grammar_t  ngx_k8s_grammar_flag = {
    "\"true\" or \"false\"", ngx_k8s_decode_flag
};

ngx_k8s_grammar_t  ngx_k8s_grammar_switch = {
    "\"on\" or \"off\"", ngx_k8s_decode_switch
};

ngx_k8s_grammar_t  ngx_k8s_grammar_number = {
    "a number", ngx_k8s_decode_number
};

ngx_k8s_grammar_t  ngx_k8s_grammar_seconds = {
    "a number of seconds", ngx_k8s_decode_seconds
};

ngx_k8s_grammar_t  ngx_k8s_grammar_time = {
    "a time, as \"10m\"", ngx_k8s_decode_time
};

ngx_k8s_grammar_t  ngx_k8s_grammar_size = {
    "a size, as \"8k\"", ngx_k8s_decode_size
};

ngx_k8s_grammar_t  ngx_k8s_grammar_text = {
    "a text", ngx_k8s_decode_text
};

ngx_k8s_grammar_t  ngx_k8s_grammar_protocols = {
    "versions of TLS, separated by blanks", ngx_k8s_decode_protocols
};


static ngx_k8s_word_value_t  ngx_k8s_flags[] = {
    { ngx_string("true"), 1 },
    { ngx_string("false"), 0 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_switches[] = {
    { ngx_string("on"), 1 },
    { ngx_string("off"), 0 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_protocols[] = {
    { ngx_string("TLSv1"), NGX_SSL_TLSv1 },
    { ngx_string("TLSv1.1"), NGX_SSL_TLSv1_1 },
    { ngx_string("TLSv1.2"), NGX_SSL_TLSv1_2 },
    { ngx_string("TLSv1.3"), NGX_SSL_TLSv1_3 },
    { ngx_null_string, 0 }
};


static ngx_int_t
ngx_k8s_decode_flag(ngx_str_t *value, void *field)
{
    return ngx_k8s_decode_word(ngx_k8s_flags, value, field);
}


static ngx_int_t
ngx_k8s_decode_switch(ngx_str_t *value, void *field)
{
    return ngx_k8s_decode_word(ngx_k8s_switches, value, field);
}


static ngx_int_t
ngx_k8s_decode_number(ngx_str_t *value, void *field)
{
    ngx_uint_t *np = field;

    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    *np = n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_seconds(ngx_str_t *value, void *field)
{
    ngx_msec_t *msp = field;

    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);
    if (n == NGX_ERROR || n > NGX_MAX_INT_T_VALUE / 1000) {
        return NGX_ERROR;
    }

    *msp = (ngx_msec_t) n * 1000;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_time(ngx_str_t *value, void *field)
{
    ngx_msec_t *msp = field;

    ngx_int_t  n;

    n = ngx_parse_time(value, 0);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    *msp = n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_size(ngx_str_t *value, void *field)
{
    size_t *sp = field;

    off_t  n;

    n = ngx_parse_offset(value);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    *sp = n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_text(ngx_str_t *value, void *field)
{
    ngx_str_t *sp = field;

    *sp = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_protocols(ngx_str_t *value, void *field)
{
    ngx_uint_t *np = field;

    u_char      *p, *last;
    ngx_str_t    word;
    ngx_uint_t   mask, protocol;

    p = value->data;
    last = p + value->len;
    mask = 0;

    for ( ;; ) {

        while (p < last && *p == ' ') {
            p++;
        }

        if (p == last) {
            break;
        }

        word.data = p;

        while (p < last && *p != ' ') {
            p++;
        }

        word.len = p - word.data;

        if (ngx_k8s_decode_word(ngx_k8s_protocols, &word, &protocol)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        mask |= protocol;
    }

    if (mask == 0) {
        return NGX_ERROR;
    }

    *np = mask;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_word(ngx_k8s_word_value_t *words, ngx_str_t *value, void *field)
{
    ngx_uint_t *np = field;

    for ( /* void */ ; words->name.len; words++) {

        if (words->name.len == value->len
            && ngx_strncmp(words->name.data, value->data, value->len) == 0)
        {
            *np = words->value;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}
