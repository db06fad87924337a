
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What keys say of the access log.  ingress-nginx writes a format between
 * single quotes into nginx.conf, so it is read as nginx reads what stands
 * there: with "\n" and the like.  A quote is itself here.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


static ngx_int_t ngx_k8s_decode_log_format(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_log_params(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_log_urls(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_log_param(ngx_str_t *word);


ngx_k8s_grammar_t  ngx_k8s_grammar_log_format = {
    "a text with variables, as \"$status\", 64 at most, 8192 bytes in all",
    ngx_k8s_decode_log_format, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_log_params = {
    "\"buffer=\" and a size, \"flush=\" and a time, \"gzip\", \"if=\" and a "
    "text with variables, separated by blanks",
    ngx_k8s_decode_log_params, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_log_urls = {
    "64 URIs, or regular expressions after \"~\", at most, separated by "
    "commas", ngx_k8s_decode_log_urls, NULL, NULL
};


static struct {
    u_char                   escape;
    ngx_str_t                text;
} ngx_k8s_log_escapes[] = {
    { '"', ngx_string("\"") },
    { '\'', ngx_string("'") },
    { '\\', ngx_string("\\") },
    { 'n', ngx_string("\n") },
    { 'r', ngx_string("\r") },
    { 't', ngx_string("\t") },
    { '\0', ngx_null_string }
};


ngx_int_t
ngx_k8s_log_next(ngx_str_t *format, ngx_str_t *text, ngx_uint_t *variable)
{
    u_char      *p, *last;
    ngx_uint_t   i;

    p = format->data;
    last = p + format->len;

    if (p == last) {
        return NGX_DONE;
    }

    *variable = (*p == '$');

    if (*variable) {

        if (!ngx_k8s_variable(&p, last, text)) {
            return NGX_ERROR;
        }

        goto done;
    }

    if (*p == '\\' && p + 1 < last) {

        for (i = 0; ngx_k8s_log_escapes[i].escape; i++) {
            if (p[1] == ngx_k8s_log_escapes[i].escape) {
                *text = ngx_k8s_log_escapes[i].text;
                p += 2;

                goto done;
            }
        }
    }

    text->data = p++;

    while (p < last && *p != '$' && *p != '\\') {
        p++;
    }

    text->len = p - text->data;

done:

    format->data = p;
    format->len = last - p;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_log_param_next(ngx_str_t *params, ngx_str_t *word)
{
    u_char  *p, *last;

    p = params->data;
    last = p + params->len;

    while (p < last && *p == ' ') {
        p++;
    }

    if (p == last) {
        return NGX_DONE;
    }

    word->data = p;

    while (p < last && *p != ' ') {
        p++;
    }

    word->len = p - word->data;

    params->data = p;
    params->len = last - p;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_log_format(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    u_char      c;
    size_t      i;
    ngx_int_t   rc;
    ngx_str_t   rest, text;
    ngx_uint_t  n, variable;

    if (value->len > NGX_K8S_LOG_FORMAT_MAX) {
        return NGX_ERROR;
    }

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if ((c < ' ' && c != LF && c != CR && c != '\t') || c == 0x7f) {
            return NGX_ERROR;
        }
    }

    rest = *value;
    n = 0;

    for ( ;; ) {
        rc = ngx_k8s_log_next(&rest, &text, &variable);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc == NGX_ERROR
            || (variable && ++n > NGX_K8S_VARIABLES_MAX))
        {
            return NGX_ERROR;
        }
    }

    *sp = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_log_params(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    ngx_str_t   rest, word;
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] < ' ' || value->data[i] == 0x7f) {
            return NGX_ERROR;
        }

        n += (value->data[i] == '$');
    }

    if (n > NGX_K8S_VARIABLES_MAX) {
        return NGX_ERROR;
    }

    rest = *value;

    while (ngx_k8s_log_param_next(&rest, &word) == NGX_OK) {
        if (ngx_k8s_log_param(&word) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    *sp = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_log_param(ngx_str_t *word)
{
    ngx_int_t  level;
    ngx_str_t  arg;

    if (word->len > 7 && ngx_strncmp(word->data, "buffer=", 7) == 0) {
        arg.data = word->data + 7;
        arg.len = word->len - 7;

        return (ngx_parse_size(&arg) > 0) ? NGX_OK : NGX_ERROR;
    }

    if (word->len > 6 && ngx_strncmp(word->data, "flush=", 6) == 0) {
        arg.data = word->data + 6;
        arg.len = word->len - 6;

        return (ngx_parse_time(&arg, 0) > 0) ? NGX_OK : NGX_ERROR;
    }

    if (word->len == 4 && ngx_strncmp(word->data, "gzip", 4) == 0) {
        return NGX_OK;
    }

    if (word->len > 5 && ngx_strncmp(word->data, "gzip=", 5) == 0) {
        level = ngx_atoi(word->data + 5, word->len - 5);

        return (level >= 1 && level <= 9) ? NGX_OK : NGX_ERROR;
    }

    return (word->len > 3 && ngx_strncmp(word->data, "if=", 3) == 0)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_k8s_decode_log_urls(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    size_t      i;
    ngx_str_t   rest, item;
    ngx_uint_t  n;

    if (value->len > NGX_K8S_LOG_FORMAT_MAX) {
        return NGX_ERROR;
    }

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < ' ' || value->data[i] == 0x7f) {
            return NGX_ERROR;
        }
    }

    rest = *value;

    for (n = 0; ngx_k8s_item(&rest, &item) == NGX_OK; n++) {
        /* void */
    }

    if (n > NGX_K8S_LOG_URLS) {
        return NGX_ERROR;
    }

    *sp = *value;

    return NGX_OK;
}
