
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What can be had in snippets, and how its arguments are checked. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_snippet.h>


static char *ngx_k8s_check_off(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_plain(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_set_header(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_add_header(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_more(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_input(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_cidr(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_satisfy(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_if(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_location(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_set(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_map(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_rewrite(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_return(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_page(ngx_str_t *word, ngx_uint_t n);
static char *ngx_k8s_check_regex(ngx_str_t *pattern);
static char *ngx_k8s_check_names(ngx_str_t *word, ngx_uint_t n,
    ngx_str_t *refused);
static ngx_uint_t ngx_k8s_check_name(ngx_str_t *name, ngx_uint_t star);
static ngx_uint_t ngx_k8s_check_listed(ngx_str_t *list, ngx_str_t *name);
static ngx_uint_t ngx_k8s_word_is(ngx_str_t *word, char *text);


#define NGX_K8S_IN_LOCATION                                                   \
    (NGX_K8S_SNIPPET_LOCATION|NGX_K8S_SNIPPET_INNER)
#define NGX_K8S_IN_SERVER                                                     \
    (NGX_K8S_IN_LOCATION|NGX_K8S_SNIPPET_SERVER)
#define NGX_K8S_IN_EACH                                                       \
    (NGX_K8S_IN_SERVER|NGX_K8S_SNIPPET_EACH)
#define NGX_K8S_IN_PROXY                                                      \
    (NGX_K8S_IN_EACH|NGX_K8S_SNIPPET_AUTH)
#define NGX_K8S_IN_IF                                                         \
    (NGX_K8S_SNIPPET_LIF|NGX_K8S_SNIPPET_IIF)
#define NGX_K8S_IN_REWRITE                                                    \
    (NGX_K8S_IN_SERVER|NGX_K8S_IN_IF|NGX_K8S_SNIPPET_SIF)
#define NGX_K8S_IN_HEADERS           (NGX_K8S_IN_SERVER|NGX_K8S_IN_IF)

#define NGX_K8S_MANY                 (NGX_K8S_SNIPPET_WORDS - 1)


#define ngx_k8s_token(name, where, min, max, grammar, flags)                  \
    { ngx_string(name), NGX_K8S_SNIPPET_TOKEN, NGX_K8S_IN_##where, min, max,  \
      grammar, ngx_k8s_check_plain, flags }

#define ngx_k8s_flag_token(name, where)                                       \
    ngx_k8s_token(name, where, 1, 1, &ngx_k8s_grammar_switch, 0)
#define ngx_k8s_time_token(name, where)                                       \
    ngx_k8s_token(name, where, 1, 1, &ngx_k8s_grammar_time, 0)
#define ngx_k8s_size_token(name, where)                                       \
    ngx_k8s_token(name, where, 1, 1, &ngx_k8s_grammar_size, 0)
#define ngx_k8s_number_token(name, where)                                     \
    ngx_k8s_token(name, where, 1, 1, &ngx_k8s_grammar_number, 0)

#define ngx_k8s_effect(name, effect, where, min, max, check, flags)           \
    { ngx_string(name), NGX_K8S_SNIPPET_##effect, NGX_K8S_IN_##where, min,    \
      max, NULL, check, flags }

ngx_k8s_directive_t  ngx_k8s_directives_read[] = {

    /* headers of requests */

    ngx_k8s_effect("proxy_set_header", SET_HEADER, PROXY, 2, 2,
                   ngx_k8s_check_set_header,
                   NGX_K8S_SNIPPET_VARIABLES|NGX_K8S_SNIPPET_CONTROLS),
    ngx_k8s_effect("grpc_set_header", SET_HEADER, EACH, 2, 2,
                   ngx_k8s_check_set_header,
                   NGX_K8S_SNIPPET_VARIABLES|NGX_K8S_SNIPPET_CONTROLS),
    ngx_k8s_effect("more_set_input_headers", MORE_INPUT, HEADERS, 1,
                   NGX_K8S_MANY, ngx_k8s_check_input,
                   NGX_K8S_SNIPPET_VARIABLES),
    ngx_k8s_effect("more_clear_input_headers", MORE_DROP, HEADERS, 1,
                   NGX_K8S_MANY, ngx_k8s_check_input, 0),

    /* and of answers */

    ngx_k8s_effect("add_header", ADD_HEADER, HEADERS, 2, 3,
                   ngx_k8s_check_add_header, NGX_K8S_SNIPPET_VARIABLES),
    ngx_k8s_effect("more_set_headers", MORE_SET, HEADERS, 1, NGX_K8S_MANY,
                   ngx_k8s_check_more, NGX_K8S_SNIPPET_VARIABLES),
    ngx_k8s_effect("more_clear_headers", MORE_CLEAR, HEADERS, 1, NGX_K8S_MANY,
                   ngx_k8s_check_more, 0),
    ngx_k8s_token("proxy_hide_header", SERVER, 1, 1, NULL, 0),
    ngx_k8s_token("proxy_pass_header", SERVER, 1, 1, NULL, 0),
    ngx_k8s_token("proxy_ignore_headers", SERVER, 1, NGX_K8S_MANY, NULL, 0),
    ngx_k8s_token("proxy_cookie_flags", SERVER, 1, 4, NULL, 0),
    ngx_k8s_token("proxy_cookie_domain", EACH, 1, 2, NULL, 0),
    ngx_k8s_token("proxy_cookie_path", EACH, 1, 2, NULL, 0),
    ngx_k8s_token("proxy_redirect", EACH, 1, 2, NULL, 0),
    ngx_k8s_token("expires", SERVER, 1, 2, NULL, NGX_K8S_SNIPPET_VARIABLES),
    ngx_k8s_token("default_type", SERVER, 1, 1, NULL, 0),
    ngx_k8s_flag_token("etag", SERVER),
    ngx_k8s_token("if_modified_since", SERVER, 1, 1, NULL, 0),
    ngx_k8s_flag_token("absolute_redirect", SERVER),
    ngx_k8s_flag_token("port_in_redirect", EACH),

    /* who is let through, and where a request goes */

    ngx_k8s_effect("allow", ALLOW, SERVER, 1, 1, ngx_k8s_check_cidr,
                   NGX_K8S_SNIPPET_GUARDS),
    ngx_k8s_effect("deny", DENY, SERVER, 1, 1, ngx_k8s_check_cidr,
                   NGX_K8S_SNIPPET_GUARDS),
    { ngx_string("satisfy"), NGX_K8S_SNIPPET_SATISFY,
      NGX_K8S_IN_LOCATION, 1, 1, NULL, ngx_k8s_check_satisfy,
      NGX_K8S_SNIPPET_GUARDS },
    ngx_k8s_effect("if", IF, SERVER, 1, 4, ngx_k8s_check_if,
                   NGX_K8S_SNIPPET_VARIABLES|NGX_K8S_SNIPPET_CONTROLS),
    { ngx_string("location"), NGX_K8S_SNIPPET_IN, NGX_K8S_SNIPPET_SERVER, 1, 2,
      NULL, ngx_k8s_check_location, NGX_K8S_SNIPPET_CONTROLS },
    ngx_k8s_effect("set", SET, REWRITE, 2, 2, ngx_k8s_check_set,
                   NGX_K8S_SNIPPET_VARIABLES|NGX_K8S_SNIPPET_CONTROLS),
    ngx_k8s_effect("rewrite", REWRITE, REWRITE, 2, 3, ngx_k8s_check_rewrite,
                   NGX_K8S_SNIPPET_VARIABLES|NGX_K8S_SNIPPET_CONTROLS),
    ngx_k8s_effect("return", RETURN, REWRITE, 1, 2, ngx_k8s_check_return,
                   NGX_K8S_SNIPPET_VARIABLES|NGX_K8S_SNIPPET_CONTROLS),
    ngx_k8s_effect("break", BREAK, REWRITE, 0, 0, NULL,
                   NGX_K8S_SNIPPET_CONTROLS),
    ngx_k8s_effect("internal", INTERNAL, LOCATION, 0, 0, NULL,
                   NGX_K8S_SNIPPET_GUARDS),
    ngx_k8s_effect("error_page", ERROR_PAGE, SERVER, 2, NGX_K8S_MANY,
                   ngx_k8s_check_page, NGX_K8S_SNIPPET_VARIABLES),

    /* tables of variables */

    { ngx_string("map"), NGX_K8S_SNIPPET_MAP, NGX_K8S_SNIPPET_HTTP, 2, 2, NULL,
      ngx_k8s_check_map, NGX_K8S_SNIPPET_VARIABLES },
    { ngx_string("geo"), NGX_K8S_SNIPPET_GEO, NGX_K8S_SNIPPET_HTTP, 1, 2, NULL,
      ngx_k8s_check_map, NGX_K8S_SNIPPET_VARIABLES },

    /* the backend */

    ngx_k8s_time_token("proxy_connect_timeout", PROXY),
    ngx_k8s_time_token("proxy_send_timeout", PROXY),
    ngx_k8s_time_token("proxy_read_timeout", PROXY),
    ngx_k8s_time_token("grpc_connect_timeout", EACH),
    ngx_k8s_time_token("grpc_send_timeout", EACH),
    ngx_k8s_time_token("grpc_read_timeout", EACH),
    ngx_k8s_flag_token("proxy_buffering", PROXY),
    ngx_k8s_flag_token("proxy_request_buffering", EACH),
    ngx_k8s_size_token("proxy_buffer_size", PROXY),
    ngx_k8s_token("proxy_buffers", PROXY, 2, 2, NULL, 0),
    ngx_k8s_size_token("proxy_busy_buffers_size", PROXY),
    ngx_k8s_size_token("proxy_max_temp_file_size", EACH),
    ngx_k8s_size_token("proxy_temp_file_write_size", SERVER),
    ngx_k8s_token("proxy_http_version", EACH, 1, 1,
                  &ngx_k8s_grammar_http_version, 0),
    ngx_k8s_token("proxy_next_upstream", EACH, 1, NGX_K8S_MANY, NULL, 0),
    ngx_k8s_time_token("proxy_next_upstream_timeout", EACH),
    ngx_k8s_number_token("proxy_next_upstream_tries", EACH),
    ngx_k8s_flag_token("proxy_ignore_client_abort", SERVER),
    ngx_k8s_flag_token("proxy_intercept_errors", SERVER),
    ngx_k8s_flag_token("proxy_socket_keepalive", SERVER),
    ngx_k8s_size_token("proxy_limit_rate", SERVER),
    ngx_k8s_flag_token("proxy_force_ranges", SERVER),
    ngx_k8s_token("proxy_method", SERVER, 1, 1, NULL, 0),
    ngx_k8s_flag_token("proxy_pass_request_body", SERVER),
    ngx_k8s_flag_token("proxy_pass_request_headers", SERVER),
    ngx_k8s_effect("proxy_cache", TOKEN, SERVER, 1, 1, ngx_k8s_check_off, 0),

    /* and the client */

    ngx_k8s_size_token("client_max_body_size", EACH),
    ngx_k8s_size_token("client_body_buffer_size", EACH),
    ngx_k8s_time_token("client_body_timeout", SERVER),
    ngx_k8s_flag_token("client_body_in_single_buffer", SERVER),
    ngx_k8s_time_token("send_timeout", SERVER),
    ngx_k8s_token("keepalive_timeout", SERVER, 1, 2,
                  &ngx_k8s_grammar_time, 0),
    ngx_k8s_flag_token("reset_timedout_connection", SERVER),
    ngx_k8s_flag_token("chunked_transfer_encoding", SERVER),
    ngx_k8s_flag_token("tcp_nodelay", SERVER),
    ngx_k8s_token("limit_rate", SERVER, 1, 1, &ngx_k8s_grammar_size,
                  NGX_K8S_SNIPPET_VARIABLES),
    ngx_k8s_token("limit_rate_after", SERVER, 1, 1, &ngx_k8s_grammar_size,
                  NGX_K8S_SNIPPET_VARIABLES),
    ngx_k8s_flag_token("gzip", SERVER),
    ngx_k8s_token("gzip_types", SERVER, 1, NGX_K8S_MANY, NULL, 0),
    ngx_k8s_number_token("gzip_min_length", SERVER),
    ngx_k8s_number_token("gzip_comp_level", SERVER),
    ngx_k8s_token("gzip_proxied", SERVER, 1, NGX_K8S_MANY, NULL, 0),
    ngx_k8s_token("gzip_http_version", SERVER, 1, 1,
                  &ngx_k8s_grammar_http_version, 0),
    ngx_k8s_flag_token("gzip_vary", SERVER),
    ngx_k8s_flag_token("brotli", SERVER),
    ngx_k8s_token("brotli_types", SERVER, 1, NGX_K8S_MANY, NULL, 0),
    ngx_k8s_number_token("brotli_min_length", SERVER),
    ngx_k8s_number_token("brotli_comp_level", SERVER),
    ngx_k8s_token("sub_filter", SERVER, 2, 2, NULL,
                  NGX_K8S_SNIPPET_VARIABLES),
    ngx_k8s_flag_token("sub_filter_once", SERVER),
    ngx_k8s_flag_token("sub_filter_last_modified", SERVER),
    ngx_k8s_token("sub_filter_types", SERVER, 1, NGX_K8S_MANY, NULL, 0),

    /* the log */

    ngx_k8s_effect("access_log", TOKEN, SERVER, 1, 1, ngx_k8s_check_off, 0),
    ngx_k8s_effect("log_not_found", NOTHING, SERVER, 1, 1, NULL, 0),
    ngx_k8s_effect("rewrite_log", NOTHING, REWRITE, 1, 1, NULL, 0),
    ngx_k8s_effect("server_tokens", NOTHING, SERVER, 1, 1, ngx_k8s_check_off,
                   0),

    { ngx_null_string, 0, 0, 0, 0, NULL, NULL, 0 }
};


/* nginx and the other end would see another end of a message, or connection */

static ngx_str_t  ngx_k8s_check_framing[] = {
    ngx_string("Content-Length"),
    ngx_string("Transfer-Encoding"),
    ngx_string("Connection"),
    ngx_string("Upgrade"),
    ngx_string("Keep-Alive"),
    ngx_string("TE"),
    ngx_string("Trailer"),
    ngx_string("Host"),
    ngx_string("Expect"),
    ngx_null_string
};


static char *
ngx_k8s_check_off(ngx_str_t *word, ngx_uint_t n)
{
    return ngx_k8s_word_is(word, "off") ? NULL : "may only be \"off\"";
}


/* nginx has no limits for what it matches */

static char *
ngx_k8s_check_plain(ngx_str_t *word, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (word[i].len > 1 && word[i].data[0] == '~') {
            return "has a regular expression, which is not to be had there";
        }
    }

    return NULL;
}


static char *
ngx_k8s_check_set_header(ngx_str_t *word, ngx_uint_t n)
{
    if (!ngx_k8s_check_name(&word[0], 0)) {
        return "has no name of a header";
    }

    /* of those nginx writes its own */

    if (word[0].len == sizeof("Content-Length") - 1
        || word[0].len == sizeof("Transfer-Encoding") - 1)
    {
        if (ngx_k8s_check_listed(ngx_k8s_check_framing, &word[0])) {
            return "has a header that is for nginx alone to set";
        }
    }

    return NULL;
}


static char *
ngx_k8s_check_add_header(ngx_str_t *word, ngx_uint_t n)
{
    if (n == 3 && !ngx_k8s_word_is(&word[2], "always")) {
        return "has a third argument that is not \"always\"";
    }

    return ngx_k8s_check_names(word, 1, ngx_k8s_check_framing);
}


static char *
ngx_k8s_check_more(ngx_str_t *word, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n && word[i].len && word[i].data[0] == '-'; i++) {

        if (ngx_k8s_word_is(&word[i], "-a")) {
            continue;
        }

        if ((!ngx_k8s_word_is(&word[i], "-s")
             && !ngx_k8s_word_is(&word[i], "-t"))
            || ++i == n)
        {
            return "has an option that is not known";
        }
    }

    return ngx_k8s_check_names(&word[i], n - i, ngx_k8s_check_framing);
}


static char *
ngx_k8s_check_input(ngx_str_t *word, ngx_uint_t n)
{
    ngx_uint_t  i;

    i = ngx_k8s_word_is(&word[0], "-r");

    return ngx_k8s_check_names(&word[i], n - i, ngx_k8s_check_framing);
}


/* "Name", "Name: value" or "Name*" */

static char *
ngx_k8s_check_names(ngx_str_t *word, ngx_uint_t n, ngx_str_t *refused)
{
    ngx_str_t   name, value;
    ngx_uint_t  i;

    if (n == 0) {
        return "has no header";
    }

    for (i = 0; i < n; i++) {

        if (ngx_k8s_snippet_header(&word[i], &name, &value) != NGX_OK) {
            return "has an argument that is no header; is a \";\" missing?";
        }

        if (ngx_k8s_check_listed(refused, &name)) {
            return "has a header that is for nginx alone to set";
        }
    }

    return NULL;
}


ngx_int_t
ngx_k8s_snippet_header(ngx_str_t *word, ngx_str_t *name, ngx_str_t *value)
{
    u_char  *p, *last;

    last = word->data + word->len;
    p = ngx_strlchr(word->data, last, ':');

    name->data = word->data;
    name->len = (p ? p : last) - word->data;

    while (name->len && name->data[name->len - 1] == ' ') {
        name->len--;
    }

    p = p ? p + 1 : last;

    while (p < last && *p == ' ') {
        p++;
    }

    value->data = p;
    value->len = last - p;

    return ngx_k8s_check_name(name, value->len == 0) ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_k8s_check_name(ngx_str_t *name, ngx_uint_t star)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')
        {
            continue;
        }

        if (!(star && c == '*' && i && i == name->len - 1)) {
            return 0;
        }
    }

    return name->len != 0;
}


static ngx_uint_t
ngx_k8s_check_listed(ngx_str_t *list, ngx_str_t *name)
{
    size_t  len;

    len = name->len;

    /* with a star it means all that begin so */

    if (len && name->data[len - 1] == '*') {
        len--;
    }

    for ( /* void */ ; list->len; list++) {
        if ((len == name->len ? list->len == len : list->len >= len)
            && ngx_strncasecmp(list->data, name->data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static char *
ngx_k8s_check_cidr(ngx_str_t *word, ngx_uint_t n)
{
    ngx_cidr_t  cidr;

    return (ngx_k8s_snippet_cidr(word, &cidr) == NGX_OK)
           ? NULL : "has no address, range or \"all\"";
}


ngx_int_t
ngx_k8s_snippet_cidr(ngx_str_t *word, ngx_cidr_t *cidr)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    ngx_memzero(cidr, sizeof(ngx_cidr_t));

    if (ngx_k8s_word_is(word, "all")) {
        cidr->family = AF_UNSPEC;
        return NGX_OK;
    }

    text = *word;
    rc = ngx_ptocidr(&text, cidr);

    /* NGX_DONE: bits behind the mask are ignored, as nginx does */

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


static char *
ngx_k8s_check_satisfy(ngx_str_t *word, ngx_uint_t n)
{
    return ngx_k8s_word_is(word, "all") || ngx_k8s_word_is(word, "any")
           ? NULL : "is neither \"all\" nor \"any\"";
}


static char *
ngx_k8s_check_if(ngx_str_t *word, ngx_uint_t n)
{
    char                 *why;
    ngx_k8s_condition_t   condition;

    why = ngx_k8s_snippet_condition(word, n, &condition);

    if (why == NULL && condition.op == NGX_K8S_SNIPPET_MATCH) {
        why = ngx_k8s_check_regex(&condition.value);
    }

    return why;
}


char *
ngx_k8s_snippet_condition(ngx_str_t *word, ngx_uint_t n,
    ngx_k8s_condition_t *condition)
{
    size_t      i;
    ngx_str_t   first, last, *op;
    ngx_uint_t  k;

    static char  bad[] = "has a condition that is not read";

    ngx_memzero(condition, sizeof(ngx_k8s_condition_t));

    /* the parentheses are a part of the first and last word, or words */

    first = word[0];
    k = 0;

    if (first.len == 0 || first.data[0] != '(') {
        return bad;
    }

    first.data++;
    first.len--;

    if (n > 1 && first.len == 0) {
        first = word[1];
        k = 1;
    }

    if (word[n - 1].len == 1 && word[n - 1].data[0] == ')' && n - 1 > k) {
        n--;
        last = (n - 1 == k) ? first : word[n - 1];

    } else {
        last = (n - 1 == k) ? first : word[n - 1];

        if (last.len == 0 || last.data[last.len - 1] != ')') {
            return bad;
        }

        last.len--;
    }

    if (n - 1 == k) {
        first = last;
    }

    if (first.len < 2 || first.data[0] != '$') {
        return bad;
    }

    for (i = 1; i < first.len; i++) {
        u_char  c = first.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_'))
        {
            return bad;
        }
    }

    condition->variable = first;

    if (n - 1 == k) {
        return NULL;
    }

    if (n - 1 != k + 2) {
        return bad;
    }

    op = &word[k + 1];

    condition->value = last;
    condition->not = (op->len && op->data[0] == '!');

    if (ngx_k8s_word_is(op, "=") || ngx_k8s_word_is(op, "!=")) {
        condition->op = NGX_K8S_SNIPPET_EQUAL;
        return NULL;
    }

    condition->op = NGX_K8S_SNIPPET_MATCH;

    if (ngx_k8s_word_is(op, "~") || ngx_k8s_word_is(op, "!~")) {
        return NULL;
    }

    condition->caseless = 1;

    return ngx_k8s_word_is(op, "~*") || ngx_k8s_word_is(op, "!~*") ? NULL : bad;
}


/* "=", "^~", "~" or "~*", which may stand before the path itself */

static char *
ngx_k8s_check_location(ngx_str_t *word, ngx_uint_t n)
{
    ngx_uint_t  kind;
    ngx_str_t   path;

    if (ngx_k8s_snippet_place(word, n, &kind, &path) != NGX_OK) {
        return "has a path that is not read";
    }

    return (kind == NGX_K8S_SNIPPET_REGEX || kind == NGX_K8S_SNIPPET_REGEX_ANY)
           ? ngx_k8s_check_regex(&path) : NULL;
}


ngx_int_t
ngx_k8s_snippet_place(ngx_str_t *word, ngx_uint_t n, ngx_uint_t *kind,
    ngx_str_t *path)
{
    ngx_uint_t  i;

    static struct {
        ngx_str_t   sign;
        ngx_uint_t  kind;
    } kinds[] = {
        { ngx_string("="), NGX_K8S_SNIPPET_EXACT },
        { ngx_string("^~"), NGX_K8S_SNIPPET_FIRST },
        { ngx_string("~*"), NGX_K8S_SNIPPET_REGEX_ANY },
        { ngx_string("~"), NGX_K8S_SNIPPET_REGEX },
        { ngx_null_string, NGX_K8S_SNIPPET_PREFIX }
    };

    *path = word[n - 1];

    for (i = 0; kinds[i].sign.len; i++) {

        if (n == 2) {
            if (word[0].len == kinds[i].sign.len
                && ngx_memcmp(word[0].data, kinds[i].sign.data, word[0].len)
                   == 0)
            {
                break;
            }

        } else if (path->len > kinds[i].sign.len
                   && ngx_memcmp(path->data, kinds[i].sign.data,
                                 kinds[i].sign.len)
                      == 0)
        {
            path->data += kinds[i].sign.len;
            path->len -= kinds[i].sign.len;
            break;
        }
    }

    *kind = kinds[i].kind;

    if (n == 2 && *kind == NGX_K8S_SNIPPET_PREFIX) {
        return NGX_ERROR;
    }

    if (n == 1 && path->len > 1 && path->data[0] == '@') {
        *kind = NGX_K8S_SNIPPET_NAMED;
        return NGX_OK;
    }

    if (*kind == NGX_K8S_SNIPPET_REGEX || *kind == NGX_K8S_SNIPPET_REGEX_ANY) {
        return NGX_OK;
    }

    return (path->len && path->data[0] == '/') ? NGX_OK : NGX_ERROR;
}


static char *
ngx_k8s_check_set(ngx_str_t *word, ngx_uint_t n)
{
    u_char  c;
    size_t  i;

    if (word[0].len < 2 || word[0].data[0] != '$') {
        return "has no variable";
    }

    for (i = 1; i < word[0].len; i++) {
        c = word[0].data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9' && i > 1) || c == '_'))
        {
            return "has no variable that can be set";
        }
    }

    return (word[0].len > 5
            && ngx_strncasecmp(word[0].data, (u_char *) "$k8s_", 5) == 0)
           ? "has no variable that can be set" : NULL;
}


/* the last argument is the variable, the other one of geo is one, too */

static char *
ngx_k8s_check_map(ngx_str_t *word, ngx_uint_t n)
{
    return ngx_k8s_check_set(&word[n - 1], 1);
}


static char *
ngx_k8s_check_rewrite(ngx_str_t *word, ngx_uint_t n)
{
    if (n == 3
        && !ngx_k8s_word_is(&word[2], "last")
        && !ngx_k8s_word_is(&word[2], "break")
        && !ngx_k8s_word_is(&word[2], "redirect")
        && !ngx_k8s_word_is(&word[2], "permanent"))
    {
        return "has a flag that is not known";
    }

    return ngx_k8s_check_regex(&word[0]);
}


static char *
ngx_k8s_check_return(ngx_str_t *word, ngx_uint_t n)
{
    if (n == 1 && ngx_k8s_snippet_url(&word[0])) {
        return NULL;
    }

    return ngx_k8s_snippet_status(&word[0]) ? NULL : "has no status";
}


ngx_uint_t
ngx_k8s_snippet_url(ngx_str_t *word)
{
    return (word->len >= 7 && ngx_strncmp(word->data, "http://", 7) == 0)
           || (word->len >= 8 && ngx_strncmp(word->data, "https://", 8) == 0)
           || (word->len >= 7 && ngx_strncmp(word->data, "$scheme", 7) == 0);
}


ngx_uint_t
ngx_k8s_snippet_status(ngx_str_t *word)
{
    ngx_int_t  n;

    n = ngx_atoi(word->data, word->len);

    return (n >= 200 && n <= 599) ? n : 0;
}


static char *
ngx_k8s_check_page(ngx_str_t *word, ngx_uint_t words)
{
    ngx_int_t   over;
    ngx_uint_t  n;

    return (ngx_k8s_snippet_page(word, words, &n, &over) == NGX_OK)
           ? NULL : "has no statuses and URI that are read";
}


ngx_int_t
ngx_k8s_snippet_page(ngx_str_t *word, ngx_uint_t words, ngx_uint_t *n,
    ngx_int_t *over)
{
    ngx_int_t   status;
    ngx_str_t  *last;
    ngx_uint_t  i;

    *over = -1;
    *n = words - 1;

    last = &word[*n - 1];

    if (last->len && last->data[0] == '=') {

        *over = (last->len == 1) ? 0 : ngx_atoi(last->data + 1, last->len - 1);
        *n -= 1;

        if (*over == NGX_ERROR || *over > 999) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < *n; i++) {

        status = ngx_atoi(word[i].data, word[i].len);

        if (status < 300 || status > 599 || status == 499) {
            return NGX_ERROR;
        }
    }

    last = &word[words - 1];

    return (*n && last->len
            && (last->data[0] == '/'
                || (last->data[0] == '@' && last->len > 1)
                || ngx_k8s_snippet_url(last)))
           ? NGX_OK : NGX_ERROR;
}


/* "key value", and words that say how it is looked for */

char *
ngx_k8s_snippet_entry(ngx_uint_t geo, ngx_str_t *word, ngx_uint_t n)
{
    ngx_str_t    pattern;
    ngx_cidr_t   cidr;

    static char  bad[] = "has an entry that is not read";

    if (n == 1) {
        return (!geo && ngx_k8s_word_is(&word[0], "volatile")) ? NULL : bad;
    }

    if (n != 2 || ngx_k8s_word_is(&word[0], "include")) {
        return bad;
    }

    if (ngx_k8s_word_is(&word[0], "default")) {
        return NULL;
    }

    if (geo) {
        return (!ngx_k8s_word_is(&word[0], "all")
                && ngx_strlchr(word[1].data, word[1].data + word[1].len, '$')
                   == NULL
                && ngx_k8s_snippet_cidr(&word[0], &cidr) == NGX_OK)
               ? NULL : bad;
    }

    return ngx_k8s_snippet_pattern(&word[0], &pattern)
           ? ngx_k8s_check_regex(&pattern) : NULL;
}


ngx_uint_t
ngx_k8s_snippet_pattern(ngx_str_t *word, ngx_str_t *pattern)
{
    ngx_uint_t  kind;

    *pattern = *word;

    if (word->len == 0 || word->data[0] != '~') {

        /* what begins with a backslash is itself */

        if (word->len > 1 && word->data[0] == '\\') {
            pattern->data++;
            pattern->len--;
        }

        return 0;
    }

    kind = (word->len > 1 && word->data[1] == '*') ? 2 : 1;

    pattern->data += kind;
    pattern->len -= kind;

    return kind;
}


static char *
ngx_k8s_check_regex(ngx_str_t *pattern)
{
    if (pattern->len == 0) {
        return "has an empty regular expression";
    }

    if (pattern->len > NGX_K8S_SNIPPET_REGEX_MAX) {
        return "has a regular expression of more than "
               ngx_value(NGX_K8S_SNIPPET_REGEX_MAX) " bytes";
    }

    return (pattern->len > 1 && pattern->data[0] == '('
            && pattern->data[1] == '*')
           ? "has a regular expression with settings of PCRE" : NULL;
}


static ngx_uint_t
ngx_k8s_word_is(ngx_str_t *word, char *text)
{
    return word->len == ngx_strlen(text)
           && ngx_memcmp(word->data, text, word->len) == 0;
}
