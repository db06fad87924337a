
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


/* buffers of headers */
#define NGX_K8S_BUFFER_MIN           128
#define NGX_K8S_BUFFER_MAX           (1024 * 1024)
#define NGX_K8S_BUFFERS_MIN          1024
#define NGX_K8S_BUFFERS_MAX          64


static ngx_int_t ngx_k8s_decode_number(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_workers(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_signed(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_integer(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_code(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_seconds(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_time(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_size(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_buffer(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_buffers(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_word(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_words(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);


/* as Go's ParseBool() reads them */

static ngx_k8s_word_value_t  ngx_k8s_flags[] = {
    { ngx_string("true"), 1 },
    { ngx_string("True"), 1 },
    { ngx_string("TRUE"), 1 },
    { ngx_string("t"), 1 },
    { ngx_string("T"), 1 },
    { ngx_string("1"), 1 },
    { ngx_string("false"), 0 },
    { ngx_string("False"), 0 },
    { ngx_string("FALSE"), 0 },
    { ngx_string("f"), 0 },
    { ngx_string("F"), 0 },
    { ngx_string("0"), 0 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_switches[] = {
    { ngx_string("on"), 1 },
    { ngx_string("off"), 0 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_redirect_codes[] = {
    { ngx_string("301"), 301 },
    { ngx_string("302"), 302 },
    { ngx_string("307"), 307 },
    { ngx_string("308"), 308 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_permanent_codes[] = {
    { ngx_string("300"), 300 },
    { ngx_string("301"), 301 },
    { ngx_string("302"), 302 },
    { ngx_string("303"), 303 },
    { ngx_string("304"), 304 },
    { ngx_string("305"), 305 },
    { ngx_string("306"), 306 },
    { ngx_string("307"), 307 },
    { ngx_string("308"), 308 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_temporal_codes[] = {
    { ngx_string("300"), 300 },
    { ngx_string("301"), 301 },
    { ngx_string("302"), 302 },
    { ngx_string("303"), 303 },
    { ngx_string("304"), 304 },
    { ngx_string("305"), 305 },
    { ngx_string("306"), 306 },
    { ngx_string("307"), 307 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_affinities[] = {
    { ngx_string("cookie"), 1 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_affinity_canaries[] = {
    { ngx_string("sticky"), 0 },
    { ngx_string("legacy"), 1 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_affinity_modes[] = {
    { ngx_string("balanced"), 0 },
    { ngx_string("persistent"), 1 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_auth_secret_types[] = {
    { ngx_string("auth-file"), 0 },
    { ngx_string("auth-map"), 1 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_auth_types[] = {
    { ngx_string("basic"), NGX_K8S_AUTH_BASIC },
    { ngx_string("digest"), NGX_K8S_AUTH_DIGEST },
    { ngx_null_string, 0 }
};


/* in any case of letters */

static ngx_k8s_word_value_t  ngx_k8s_backend_protocols[] = {
    { ngx_string("HTTP"), NGX_K8S_BACKEND_HTTP },
    { ngx_string("HTTPS"), NGX_K8S_BACKEND_HTTPS },
    { ngx_string("AUTO_HTTP"), NGX_K8S_BACKEND_AUTO },
    { ngx_string("GRPC"), NGX_K8S_BACKEND_GRPC },
    { ngx_string("GRPCS"), NGX_K8S_BACKEND_GRPCS },
    { ngx_string("FCGI"), NGX_K8S_BACKEND_FCGI },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_balances[] = {
    { ngx_string("round_robin"), 1 },
    { ngx_string("ewma"), 2 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_connections[] = {
    { ngx_string("keep-alive"), 1 },
    { ngx_string("close"), 2 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_http_versions[] = {
    { ngx_string("1.0"), 0 },
    { ngx_string("1.1"), 1 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_log_levels[] = {
    { ngx_string("debug"), NGX_LOG_DEBUG },
    { ngx_string("info"), NGX_LOG_INFO },
    { ngx_string("notice"), NGX_LOG_NOTICE },
    { ngx_string("warn"), NGX_LOG_WARN },
    { ngx_string("error"), NGX_LOG_ERR },
    { ngx_string("crit"), NGX_LOG_CRIT },
    { ngx_string("alert"), NGX_LOG_ALERT },
    { ngx_string("emerg"), NGX_LOG_EMERG },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_methods[] = {
    { ngx_string("GET"), 0x0001 },
    { ngx_string("HEAD"), 0x0002 },
    { ngx_string("POST"), 0x0004 },
    { ngx_string("PUT"), 0x0008 },
    { ngx_string("PATCH"), 0x0010 },
    { ngx_string("DELETE"), 0x0020 },
    { ngx_string("CONNECT"), 0x0040 },
    { ngx_string("OPTIONS"), 0x0080 },
    { ngx_string("TRACE"), 0x0100 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_next_upstreams[] = {
    { ngx_string("error"), 0x0001 },
    { ngx_string("timeout"), 0x0002 },
    { ngx_string("invalid_header"), 0x0004 },
    { ngx_string("http_500"), 0x0008 },
    { ngx_string("http_502"), 0x0010 },
    { ngx_string("http_503"), 0x0020 },
    { ngx_string("http_504"), 0x0040 },
    { ngx_string("http_403"), 0x0080 },
    { ngx_string("http_404"), 0x0100 },
    { ngx_string("http_429"), 0x0200 },
    { ngx_string("non_idempotent"), 0x0400 },
    { ngx_string("off"), 0x0800 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_protocols[] = {
    { ngx_string("TLSv1"), NGX_SSL_TLSv1 },
    { ngx_string("TLSv1.1"), NGX_SSL_TLSv1_1 },
    { ngx_string("TLSv1.2"), NGX_SSL_TLSv1_2 },
    { ngx_string("TLSv1.3"), NGX_SSL_TLSv1_3 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_risks[] = {
    { ngx_string("Low"), NGX_K8S_RISK_LOW },
    { ngx_string("Medium"), NGX_K8S_RISK_MEDIUM },
    { ngx_string("High"), NGX_K8S_RISK_HIGH },
    { ngx_string("Critical"), NGX_K8S_RISK_CRITICAL },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_samesites[] = {
    { ngx_string("None"), NGX_K8S_SAMESITE_NONE },
    { ngx_string("Lax"), NGX_K8S_SAMESITE_LAX },
    { ngx_string("Strict"), NGX_K8S_SAMESITE_STRICT },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_satisfies[] = {
    { ngx_string("all"), 0 },
    { ngx_string("any"), 1 },
    { ngx_null_string, 0 }
};


static ngx_k8s_word_value_t  ngx_k8s_verify_clients[] = {
    { ngx_string("on"), 1 },
    { ngx_string("off"), 0 },
    { ngx_string("optional"), 2 },
    { ngx_string("optional_no_ca"), 3 },
    { ngx_null_string, 0 }
};


ngx_k8s_grammar_t  ngx_k8s_grammar_number = {
    "a number", ngx_k8s_decode_number, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_workers = {
    "a number, or \"auto\"", ngx_k8s_decode_workers, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_signed = {
    "a whole number", ngx_k8s_decode_signed, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_integer = {
    "a whole number", ngx_k8s_decode_integer, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_buffer = {
    "a size from 128 to 1m, as \"1k\"", ngx_k8s_decode_buffer, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_buffers = {
    "a number and a size from 1k to 1m, as \"4 8k\"", ngx_k8s_decode_buffers,
    NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_status = {
    "a status from 400 to 599", ngx_k8s_decode_code, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_seconds = {
    "a number of seconds", ngx_k8s_decode_seconds, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_time = {
    "a time, as \"10m\"", ngx_k8s_decode_time, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_size = {
    "a size, as \"8k\"", ngx_k8s_decode_size, NULL, NULL
};


#define ngx_k8s_word_grammar(name, list, text)                                \
    ngx_k8s_grammar_t  ngx_k8s_grammar_##name = {                             \
        text, ngx_k8s_decode_word, list, NULL                                 \
    }

#define ngx_k8s_words_grammar(name, list, separators, text)                   \
    ngx_k8s_grammar_t  ngx_k8s_grammar_##name = {                             \
        text, ngx_k8s_decode_words, list, separators                          \
    }

ngx_k8s_word_grammar(flag, ngx_k8s_flags, "\"true\" or \"false\"");
ngx_k8s_word_grammar(switch, ngx_k8s_switches, "\"on\" or \"off\"");
ngx_k8s_word_grammar(redirect_code, ngx_k8s_redirect_codes,
    "301, 302, 307 or 308");
ngx_k8s_word_grammar(permanent_code, ngx_k8s_permanent_codes,
    "a status from 300 to 308");
ngx_k8s_word_grammar(temporal_code, ngx_k8s_temporal_codes,
    "a status from 300 to 307");
ngx_k8s_word_grammar(affinity, ngx_k8s_affinities, "\"cookie\"");
ngx_k8s_word_grammar(affinity_canary, ngx_k8s_affinity_canaries,
    "\"sticky\" or \"legacy\"");
ngx_k8s_word_grammar(affinity_mode, ngx_k8s_affinity_modes,
    "\"balanced\" or \"persistent\"");
ngx_k8s_word_grammar(auth_secret_type, ngx_k8s_auth_secret_types,
    "\"auth-file\" or \"auth-map\"");
ngx_k8s_word_grammar(auth_type, ngx_k8s_auth_types,
    "\"basic\" or \"digest\"");
ngx_k8s_word_grammar(backend_protocol, ngx_k8s_backend_protocols,
    "HTTP, HTTPS, AUTO_HTTP, GRPC, GRPCS or FCGI");
ngx_k8s_word_grammar(balance, ngx_k8s_balances,
    "\"round_robin\" or \"ewma\"");
ngx_k8s_word_grammar(connection, ngx_k8s_connections,
    "\"close\" or \"keep-alive\"");
ngx_k8s_word_grammar(http_version, ngx_k8s_http_versions,
    "\"1.0\" or \"1.1\"");
ngx_k8s_word_grammar(log_level, ngx_k8s_log_levels,
    "a level of error_log, as \"warn\"");
ngx_k8s_word_grammar(method, ngx_k8s_methods, "a method, as \"GET\"");
ngx_k8s_word_grammar(risk, ngx_k8s_risks, "Low, Medium, High or Critical");
ngx_k8s_word_grammar(samesite, ngx_k8s_samesites, "None, Lax or Strict");
ngx_k8s_word_grammar(satisfy, ngx_k8s_satisfies, "\"any\" or \"all\"");
ngx_k8s_word_grammar(verify_client, ngx_k8s_verify_clients,
    "\"on\", \"off\", \"optional\" or \"optional_no_ca\"");

ngx_k8s_words_grammar(next_upstream, ngx_k8s_next_upstreams, " ",
    "words of proxy_next_upstream, separated by blanks");
ngx_k8s_words_grammar(protocols, ngx_k8s_protocols, " ",
    "versions of TLS, separated by blanks");


static ngx_int_t
ngx_k8s_decode_number(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_uint_t *np = field;

    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);
    if (n == NGX_ERROR || n > NGX_MAX_INT32_VALUE) {
        return NGX_ERROR;
    }

    *np = n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_workers(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_uint_t *np = field;

    if (value->len == sizeof("auto") - 1
        && ngx_strncmp(value->data, "auto", value->len) == 0)
    {
        *np = 0;
        return NGX_OK;
    }

    if (ngx_k8s_decode_number(grammar, value, field) != NGX_OK || *np == 0) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_integer(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_int_t *np = field;

    ngx_int_t   n;
    ngx_str_t   digits;
    ngx_uint_t  minus;

    digits = *value;
    minus = (digits.len && digits.data[0] == '-');

    if (minus) {
        digits.data++;
        digits.len--;
    }

    n = ngx_atoi(digits.data, digits.len);
    if (n == NGX_ERROR || n > NGX_MAX_INT32_VALUE) {
        return NGX_ERROR;
    }

    *np = minus ? -n : n;

    return NGX_OK;
}


/* as it is written; empty is none */

static ngx_int_t
ngx_k8s_decode_signed(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    ngx_str_t *text = field;

    ngx_int_t  n;

    if (value->len > NGX_INT32_LEN - 1
        || (value->len
            && ngx_k8s_decode_integer(grammar, value, &n) != NGX_OK))
    {
        return NGX_ERROR;
    }

    *text = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_code(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    ngx_uint_t *np = field;

    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);
    if (n < 400 || n > 599) {
        return NGX_ERROR;
    }

    *np = n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_seconds(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_msec_t *msp = field;

    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);
    if (n == NGX_ERROR || n > NGX_MAX_INT32_VALUE / 1000) {
        return NGX_ERROR;
    }

    *msp = (ngx_msec_t) n * 1000;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_time(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
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
ngx_k8s_decode_size(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
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


/* one that a header is read into */

static ngx_int_t
ngx_k8s_decode_buffer(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    size_t *sp = field;

    ssize_t  n;

    n = ngx_parse_size(value);
    if (n < NGX_K8S_BUFFER_MIN || n > NGX_K8S_BUFFER_MAX) {
        return NGX_ERROR;
    }

    *sp = n;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_buffers(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_bufs_t *bufs = field;

    u_char     *p, *last;
    ssize_t     size;
    ngx_int_t   num;
    ngx_str_t   text;

    last = value->data + value->len;
    p = ngx_strlchr(value->data, last, ' ');

    if (p == NULL) {
        return NGX_ERROR;
    }

    num = ngx_atoi(value->data, p - value->data);

    while (p < last && *p == ' ') {
        p++;
    }

    text.data = p;
    text.len = last - p;

    size = ngx_parse_size(&text);

    /* nginx wants its connection_pool_size at least */

    if (num < 1 || num > NGX_K8S_BUFFERS_MAX || size < NGX_K8S_BUFFERS_MIN
        || size > NGX_K8S_BUFFER_MAX)
    {
        return NGX_ERROR;
    }

    bufs->num = num;
    bufs->size = size;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_word(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    ngx_uint_t *np = field;

    ngx_k8s_word_value_t  *word;

    for (word = grammar->words; word->name.len; word++) {

        if (word->name.len != value->len) {
            continue;
        }

        if (grammar->words == ngx_k8s_backend_protocols
            || grammar->words == ngx_k8s_risks
            ? ngx_strncasecmp(word->name.data, value->data, value->len) == 0
            : ngx_strncmp(word->name.data, value->data, value->len) == 0)
        {
            *np = word->value;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_k8s_decode_words(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    ngx_uint_t *np = field;

    u_char      *p, *last;
    ngx_str_t    word;
    ngx_uint_t   mask, bit;

    p = value->data;
    last = p + value->len;
    mask = 0;

    for ( ;; ) {

        while (p < last && *p && ngx_strchr(grammar->chars, *p)) {
            p++;
        }

        if (p == last) {
            break;
        }

        word.data = p;

        while (p < last && !(*p && ngx_strchr(grammar->chars, *p))) {
            p++;
        }

        word.len = p - word.data;

        if (ngx_k8s_decode_word(grammar, &word, &bit) != NGX_OK) {
            return NGX_ERROR;
        }

        mask |= bit;
    }

    if (mask == 0) {
        return NGX_ERROR;
    }

    *np = mask;

    return NGX_OK;
}
