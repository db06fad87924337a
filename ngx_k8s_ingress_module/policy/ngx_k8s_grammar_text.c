
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Values that are texts: of the characters that ingress-nginx lets through, and
 * of a form where nginx or we need one.  No text has control characters, but
 * for snippets, which are read by a grammar of their own.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_ranges.h>


#define NGX_K8S_BASIC_CHARS          "/-._~:"
#define NGX_K8S_URL_CHARS            NGX_K8S_BASIC_CHARS ",?&="
#define NGX_K8S_REGEX_CHARS          NGX_K8S_BASIC_CHARS "^$[](){}*+?|&=\\"


/* what a URL may have beside these, in keys and where annotations are not
   validated */
#define NGX_K8S_LOOSE_CHARS          "$%#;!'()*+[]@|{}"


typedef ngx_int_t (*ngx_k8s_item_pt)(ngx_str_t *item);


static ngx_int_t ngx_k8s_decode_text(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_blocklist(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_snippet(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_chars(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_url(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_chars(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    char *loose, void *field);
static ngx_int_t ngx_k8s_decode_cidrs(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_codes(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_durations(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_origins(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_cookie(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_http_url(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_auth_url(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_absolute(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_match_cn(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_object(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_config_map(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_list(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_decode_service(ngx_k8s_grammar_t *grammar,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_k8s_items(ngx_str_t *value, ngx_k8s_item_pt check);
static ngx_int_t ngx_k8s_item_cidr(ngx_str_t *item);
static ngx_int_t ngx_k8s_item_code(ngx_str_t *item);
static ngx_int_t ngx_k8s_item_duration(ngx_str_t *item, ngx_uint_t status,
    ngx_msec_t *time);
static ngx_uint_t ngx_k8s_label(u_char *p, size_t len, size_t max);


ngx_k8s_grammar_t  ngx_k8s_grammar_text = {
    "a text of one line", ngx_k8s_decode_text, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_texts = {
    "texts, separated by commas", ngx_k8s_decode_text, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_words = {
    "words, separated by blanks", ngx_k8s_decode_text, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_blocked = {
    "texts, separated by commas, each whole in quotes or without",
    ngx_k8s_decode_text, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_blocklist = {
    "64 words at most, separated by commas, 4096 bytes in all",
    ngx_k8s_decode_blocklist, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_snippet = {
    "directives", ngx_k8s_decode_snippet, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_snippet_auth = {
    "directives for the request to the auth server", ngx_k8s_decode_snippet,
    NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_snippet_location = {
    "directives of a location", ngx_k8s_decode_snippet, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_snippet_server = {
    "directives of a server", ngx_k8s_decode_snippet, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_snippet_http = {
    "map and geo", ngx_k8s_decode_snippet, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_cidrs = {
    "addresses and ranges, separated by commas", ngx_k8s_decode_cidrs, NULL,
    NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_codes = {
    "statuses from 400 to 599, separated by commas", ngx_k8s_decode_codes,
    NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_durations = {
    "statuses or \"any\" and a time, as \"200 202 5m\", separated by commas",
    ngx_k8s_decode_durations, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_origins = {
    "\"*\", or origins as \"https://*.example.com\", separated by commas",
    ngx_k8s_decode_origins, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_cookie_domain = {
    "\"off\", or two words", ngx_k8s_decode_cookie, NULL,
    NGX_K8S_BASIC_CHARS " "
};

ngx_k8s_grammar_t  ngx_k8s_grammar_cookie_path = {
    "\"off\", or two paths", ngx_k8s_decode_cookie, NULL, NGX_K8S_URL_CHARS " "
};

ngx_k8s_grammar_t  ngx_k8s_grammar_http_url = {
    "a URL that begins with \"http\"", ngx_k8s_decode_http_url, NULL,
    NGX_K8S_URL_CHARS
};

ngx_k8s_grammar_t  ngx_k8s_grammar_auth_url = {
    "a URL that begins with \"http://\" or \"https://\", and may have "
    "variables",
    ngx_k8s_decode_auth_url, NULL, NGX_K8S_URL_CHARS "$"
};

ngx_k8s_grammar_t  ngx_k8s_grammar_absolute = {
    "a path that begins with a slash", ngx_k8s_decode_absolute, NULL,
    NGX_K8S_BASIC_CHARS "$"
};

ngx_k8s_grammar_t  ngx_k8s_grammar_match_cn = {
    "\"CN=\" and a regular expression", ngx_k8s_decode_match_cn, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_object = {
    "a name, or a namespace and a name with a slash between",
    ngx_k8s_decode_object, NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_config_map = {
    "a namespace and a name with a slash between", ngx_k8s_decode_config_map,
    NULL, NULL
};

ngx_k8s_grammar_t  ngx_k8s_grammar_response_headers = {
    "names of headers, separated by commas", ngx_k8s_decode_list, NULL, "-_, "
};

ngx_k8s_grammar_t  ngx_k8s_grammar_service = {
    "the name of a Service", ngx_k8s_decode_service, NULL, NULL
};


#define ngx_k8s_chars_grammar(name, chars, text)                              \
    ngx_k8s_grammar_t  ngx_k8s_grammar_##name = {                             \
        text, ngx_k8s_decode_chars, NULL, chars                               \
    }

#define ngx_k8s_url_grammar(name, chars, text)                                \
    ngx_k8s_grammar_t  ngx_k8s_grammar_##name = {                             \
        text, ngx_k8s_decode_url, NULL, chars                                 \
    }

ngx_k8s_chars_grammar(basic, NGX_K8S_BASIC_CHARS,
    "letters, digits and \"/-._~:\"");
ngx_k8s_chars_grammar(chars_space, NGX_K8S_BASIC_CHARS " ",
    "letters, digits, blanks and \"/-._~:\"");
ngx_k8s_chars_grammar(extended, NGX_K8S_BASIC_CHARS ", ",
    "letters, digits, blanks and \"/-._~:,\"");
ngx_k8s_chars_grammar(header, "-_", "the name of a header");
ngx_k8s_chars_grammar(headers, "-_, ",
    "names of headers, separated by commas");
ngx_k8s_chars_grammar(headers_any, "-_, *",
    "names of headers, separated by commas, or \"*\"");
ngx_k8s_chars_grammar(host_pattern, NGX_K8S_REGEX_CHARS, "a host name");
ngx_k8s_chars_grammar(host_patterns, NGX_K8S_REGEX_CHARS ", ",
    "host names, separated by commas");
ngx_k8s_chars_grammar(methods, ", ", "methods, separated by commas");
ngx_k8s_chars_grammar(path_capture, NGX_K8S_BASIC_CHARS "$",
    "a path, which may have $1 to $9, 64 in all");
ngx_k8s_chars_grammar(redirect, NGX_K8S_URL_CHARS, "\"off\", or a URL");
ngx_k8s_chars_grammar(regex, NGX_K8S_REGEX_CHARS, "a regular expression");
ngx_k8s_chars_grammar(text_variables, NGX_K8S_URL_CHARS "${}|@;%!#+ ",
    "text and variables, as \"$host\"");
ngx_k8s_url_grammar(url, NGX_K8S_URL_CHARS, "a URL");
ngx_k8s_url_grammar(url_variables, NGX_K8S_URL_CHARS "$ ",
    "a URL, which may have variables");
ngx_k8s_chars_grammar(variables, "-_${}", "text and variables, as \"$host\"");


static ngx_int_t
ngx_k8s_decode_text(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    ngx_str_t *sp = field;

    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < ' ' || value->data[i] == 0x7f) {
            return NGX_ERROR;
        }
    }

    *sp = *value;

    return NGX_OK;
}


/* each word is looked for in each annotation */

static ngx_int_t
ngx_k8s_decode_blocklist(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    ngx_str_t   list, word;
    ngx_uint_t  n;

    list = *value;

    for (n = 0; ngx_k8s_item(&list, &word) == NGX_OK; n++) {
        /* void */
    }

    /* a byte that no text has: of a value that was none */

    if (n > NGX_K8S_BLOCKED_WORDS || value->len > NGX_K8S_BLOCKED_BYTES
        || memchr(value->data, 0x7f, value->len))
    {
        return NGX_ERROR;
    }

    *sp = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_snippet(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    *sp = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_chars(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    return ngx_k8s_chars(grammar, value, "", field);
}


static ngx_int_t
ngx_k8s_decode_url(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    return ngx_k8s_chars(grammar, value, NGX_K8S_LOOSE_CHARS, field);
}


static ngx_int_t
ngx_k8s_chars(ngx_k8s_grammar_t *grammar, ngx_str_t *value, char *loose,
    void *field)
{
    ngx_str_t *sp = field;

    u_char      c;
    size_t      i;
    ngx_uint_t  variables;

    variables = 0;

    for (i = 0; i < value->len; i++) {

        c = value->data[i];

        if (c == '$' && ++variables > NGX_K8S_VARIABLES_MAX) {
            return NGX_ERROR;
        }

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9'))
        {
            continue;
        }

        if (c == '\0'
            || (ngx_strchr(grammar->chars, c) == NULL
                && ngx_strchr(loose, c) == NULL))
        {
            return NGX_ERROR;
        }
    }

    *sp = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_cidrs(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    ngx_str_t *sp = field;

    *sp = *value;

    return ngx_k8s_items(value, ngx_k8s_item_cidr);
}


static ngx_int_t
ngx_k8s_decode_codes(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    ngx_str_t *sp = field;

    *sp = *value;

    return ngx_k8s_items(value, ngx_k8s_item_code);
}


static ngx_int_t
ngx_k8s_decode_durations(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    ngx_str_t   rest, item;
    ngx_msec_t  time;

    rest = *value;

    while (ngx_k8s_item(&rest, &item) == NGX_OK) {
        if (item.len && ngx_k8s_item_duration(&item, 0, &time) == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    *sp = *value;

    return NGX_OK;
}


ngx_msec_t
ngx_k8s_duration(ngx_str_t *list, ngx_uint_t status)
{
    ngx_str_t   rest, item;
    ngx_msec_t  time;

    rest = *list;

    while (ngx_k8s_item(&rest, &item) == NGX_OK) {
        if (item.len
            && ngx_k8s_item_duration(&item, status, &time) == NGX_OK)
        {
            return time;
        }
    }

    return 0;
}


/* as proxy_cache_valid; NGX_DECLINED: it is not for the status */

static ngx_int_t
ngx_k8s_item_duration(ngx_str_t *item, ngx_uint_t status, ngx_msec_t *time)
{
    u_char      *p, *last;
    ngx_int_t    n, rc;
    ngx_str_t    word;
    ngx_uint_t   statuses;

    p = item->data;
    last = p + item->len;
    rc = NGX_DECLINED;
    statuses = 0;

    for ( ;; ) {

        while (p < last && *p == ' ') {
            p++;
        }

        word.data = p;

        while (p < last && *p != ' ') {
            p++;
        }

        word.len = p - word.data;

        if (p == last) {
            break;
        }

        statuses = 1;

        if (word.len == 3 && ngx_strncmp(word.data, "any", 3) == 0) {
            rc = NGX_OK;
            continue;
        }

        n = ngx_atoi(word.data, word.len);

        if (word.len != 3 || n < 100 || n > 599) {
            return NGX_ERROR;
        }

        if ((ngx_uint_t) n == status) {
            rc = NGX_OK;
        }
    }

    if (!statuses && (status == 200 || status == 301 || status == 302)) {
        rc = NGX_OK;
    }

    /* one number with a unit */

    for (p = word.data; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }

    n = (p > word.data && p < last && last - p <= 2)
        ? ngx_parse_time(&word, 0) : NGX_ERROR;

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    *time = n;

    return rc;
}


static ngx_int_t
ngx_k8s_decode_origins(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    *sp = *value;

    return ngx_k8s_items(value, ngx_k8s_item_origin);
}


/* nginx takes one word only when it is "off" */

static ngx_int_t
ngx_k8s_decode_cookie(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    size_t      i;
    ngx_uint_t  words;

    words = 0;

    for (i = 0; i < value->len; i++) {
        words += (value->data[i] != ' '
                  && (i == 0 || value->data[i - 1] == ' '));
    }

    if (words != 2
        && (value->len != 3 || ngx_strncmp(value->data, "off", 3) != 0))
    {
        return NGX_ERROR;
    }

    return ngx_k8s_decode_chars(grammar, value, field);
}


static ngx_int_t
ngx_k8s_decode_http_url(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    if ((value->len < 8 || ngx_strncmp(value->data, "http://", 7) != 0)
        && (value->len < 9 || ngx_strncmp(value->data, "https://", 8) != 0))
    {
        return NGX_ERROR;
    }

    return ngx_k8s_decode_url(grammar, value, field);
}


/* with a host, in which no label is empty: a name or an address, or a variable,
   and no user */

static ngx_int_t
ngx_k8s_decode_auth_url(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    u_char  *p, *last;

    if (ngx_k8s_decode_http_url(grammar, value, field) != NGX_OK) {
        return NGX_ERROR;
    }

    last = value->data + value->len;

    p = ngx_strlchr(value->data, last, ':') + 3;

    if (*p == '/' || *p == '?' || *p == ':') {
        return NGX_ERROR;
    }

    for ( /* void */ ; p < last && *p != '/' && *p != '?'; p++) {
        if (ngx_strchr(",&=%#;!'()*+[]@|", *p)
            || (*p == '.' && p + 1 < last && p[1] == '.'))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_decode_absolute(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    if (value->len == 0 || value->data[0] != '/') {
        return NGX_ERROR;
    }

    return ngx_k8s_decode_chars(grammar, value, field);
}


static ngx_int_t
ngx_k8s_decode_match_cn(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    if (value->len < 4 || ngx_strncmp(value->data, "CN=", 3) != 0) {
        return NGX_ERROR;
    }

    return ngx_k8s_decode_text(grammar, value, field);
}


static ngx_int_t
ngx_k8s_decode_object(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    u_char  *p, *last, *dot;

    p = value->data;
    last = p + value->len;

    *sp = *value;

    dot = ngx_strlchr(p, last, '/');

    if (dot) {

        if (!ngx_k8s_label(p, dot - p, 63)) {
            return NGX_ERROR;
        }

        p = dot + 1;
    }

    if (last - p > 253) {
        return NGX_ERROR;
    }

    for ( ;; ) {

        dot = ngx_strlchr(p, last, '.');

        if (!ngx_k8s_label(p, (dot ? dot : last) - p, 253)) {
            return NGX_ERROR;
        }

        if (dot == NULL) {
            return NGX_OK;
        }

        p = dot + 1;
    }
}


static ngx_int_t
ngx_k8s_decode_config_map(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    if (ngx_strlchr(value->data, value->data + value->len, '/') == NULL) {
        return NGX_ERROR;
    }

    return ngx_k8s_decode_object(grammar, value, field);
}


/* where a part of it is bad, the others hold */

static ngx_int_t
ngx_k8s_decode_list(ngx_k8s_grammar_t *grammar, ngx_str_t *value, void *field)
{
    ngx_str_t *sp = field;

    ngx_str_t  list, item;

    *sp = *value;
    list = *value;

    while (ngx_k8s_item(&list, &item) == NGX_OK) {
        if (ngx_strlchr(item.data, item.data + item.len, ' ')) {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_decode_chars(grammar, value, field);
}


static ngx_int_t
ngx_k8s_decode_service(ngx_k8s_grammar_t *grammar, ngx_str_t *value,
    void *field)
{
    ngx_str_t *sp = field;

    *sp = *value;

    return ngx_k8s_label(value->data, value->len, 63) ? NGX_OK : NGX_ERROR;
}


/* each of a list with commas; an empty one is none */

static ngx_int_t
ngx_k8s_items(ngx_str_t *value, ngx_k8s_item_pt check)
{
    ngx_str_t   list, item;
    ngx_uint_t  n;

    list = *value;
    n = 0;

    while (ngx_k8s_item(&list, &item) == NGX_OK) {

        /* as ngx_k8s_list_check() has it: no address is empty */

        if (item.len == 0 && check != ngx_k8s_item_cidr) {
            continue;
        }

        if (check(&item) != NGX_OK) {
            return NGX_ERROR;
        }

        n++;
    }

    return n ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_k8s_item(ngx_str_t *list, ngx_str_t *item)
{
    u_char  *last, *end;

    if (list->data == NULL) {
        return NGX_DONE;
    }

    last = list->data + list->len;
    end = ngx_strlchr(list->data, last, ',');

    item->data = list->data;
    item->len = (end ? end : last) - list->data;

    if (end) {
        list->data = end + 1;
        list->len = last - list->data;

    } else {
        list->data = NULL;
    }

    while (item->len && item->data[0] == ' ') {
        item->data++;
        item->len--;
    }

    while (item->len && item->data[item->len - 1] == ' ') {
        item->len--;
    }

    return NGX_OK;
}


void
ngx_k8s_trim(ngx_str_t *value)
{
    u_char  *p;

    while (value->len && value->data[0] <= ' ') {
        value->data++;
        value->len--;
    }

    for (p = value->data + value->len; value->len && p[-1] <= ' '; p--) {
        value->len--;
    }
}


static ngx_int_t
ngx_k8s_item_cidr(ngx_str_t *item)
{
    ngx_cidr_t  cidr;

    return ngx_k8s_cidr(item, &cidr);
}


static ngx_int_t
ngx_k8s_item_code(ngx_str_t *item)
{
    ngx_int_t  n;

    /* nginx ends a connection by 499 */

    n = ngx_atoi(item->data, item->len);

    return (n < 400 || n > 599 || n == 499) ? NGX_ERROR : NGX_OK;
}


/* "*", "null", or a scheme, "*." at most before a host, and a port */

ngx_int_t
ngx_k8s_item_origin(ngx_str_t *item)
{
    u_char  *p, *last;

    if ((item->len == 1 && item->data[0] == '*')
        || (item->len == 4 && ngx_strncmp(item->data, "null", 4) == 0))
    {
        return NGX_OK;
    }

    p = item->data;
    last = p + item->len;

    while (p < last && ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')) {
        p++;
    }

    if (p == item->data || last - p < 4 || ngx_strncmp(p, "://", 3) != 0) {
        return NGX_ERROR;
    }

    p += 3;

    if (last - p > 2 && p[0] == '*' && p[1] == '.') {
        p += 2;
    }

    for ( /* void */ ; p < last; p++) {

        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
            || (*p >= '0' && *p <= '9')
            || (*p && ngx_strchr("-._:[]", *p)))
        {
            continue;
        }

        return NGX_ERROR;
    }

    return NGX_OK;
}


/* RFC 1123 */

static ngx_uint_t
ngx_k8s_label(u_char *p, size_t len, size_t max)
{
    size_t  i;

    if (len == 0 || len > max || p[0] == '-' || p[len - 1] == '-') {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if ((p[i] < 'a' || p[i] > 'z') && (p[i] < '0' || p[i] > '9')
            && p[i] != '-')
        {
            return 0;
        }
    }

    return 1;
}


void
ngx_k8s_object_split(ngx_str_t *text, ngx_str_t *namespace, ngx_str_t *name)
{
    u_char  *last, *slash;

    last = text->data + text->len;
    slash = ngx_strlchr(text->data, last, '/');

    if (slash == NULL) {
        ngx_str_null(namespace);
        *name = *text;
        return;
    }

    namespace->data = text->data;
    namespace->len = slash - text->data;
    name->data = slash + 1;
    name->len = last - name->data;
}
