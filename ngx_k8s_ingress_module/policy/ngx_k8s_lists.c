
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Lists among the values of annotations and keys.  They may stand on several
 * lines: all blanks around an item are as good as a space, and where items may
 * have blanks in them the end of a line ends an item as a comma does.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


typedef struct {
    ngx_k8s_grammar_t       *grammar;
    ngx_uint_t               flags;
} ngx_k8s_list_t;


static ngx_int_t ngx_k8s_list_annotation(ngx_k8s_row_t *row, ngx_uint_t flags,
    ngx_str_t *text, ngx_k8s_bad_t *bad);
static void ngx_k8s_list_bad(ngx_k8s_bad_t *bad, ngx_str_t *item);
static ngx_int_t ngx_k8s_item_unquote(u_char *dst, ngx_str_t *item);
static ngx_uint_t ngx_k8s_item_signs(ngx_str_t *item);


/* no address or status has a blank in it */

static ngx_k8s_list_t  ngx_k8s_lists[] = {

    { &ngx_k8s_grammar_cidrs,
      NGX_K8S_LIST|NGX_K8S_LIST_ITEMS|NGX_K8S_LIST_BLANKS|NGX_K8S_LIST_WHOLE },
    { &ngx_k8s_grammar_codes,
      NGX_K8S_LIST|NGX_K8S_LIST_ITEMS|NGX_K8S_LIST_BLANKS },
    { &ngx_k8s_grammar_headers,
      NGX_K8S_LIST|NGX_K8S_LIST_ITEMS|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_origins, NGX_K8S_LIST|NGX_K8S_LIST_ITEMS },
    { &ngx_k8s_grammar_response_headers,
      NGX_K8S_LIST|NGX_K8S_LIST_ITEMS|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_blocked,
      NGX_K8S_LIST|NGX_K8S_LIST_ITEMS|NGX_K8S_LIST_QUOTED
      |NGX_K8S_LIST_LINES },

    { &ngx_k8s_grammar_blocklist, NGX_K8S_LIST|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_durations, NGX_K8S_LIST|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_extended, NGX_K8S_LIST|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_headers_any, NGX_K8S_LIST|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_host_patterns, NGX_K8S_LIST|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_log_urls, NGX_K8S_LIST|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_methods, NGX_K8S_LIST|NGX_K8S_LIST_LINES },
    { &ngx_k8s_grammar_texts, NGX_K8S_LIST|NGX_K8S_LIST_LINES },

    { &ngx_k8s_grammar_buffers, NGX_K8S_LIST },
    { &ngx_k8s_grammar_cookie_domain, NGX_K8S_LIST },
    { &ngx_k8s_grammar_cookie_path, NGX_K8S_LIST },
    { &ngx_k8s_grammar_log_params, NGX_K8S_LIST },
    { &ngx_k8s_grammar_next_upstream, NGX_K8S_LIST },
    { &ngx_k8s_grammar_protocols, NGX_K8S_LIST },
    { &ngx_k8s_grammar_words, NGX_K8S_LIST },

    { NULL, 0 }
};


ngx_uint_t
ngx_k8s_list(ngx_k8s_grammar_t *grammar)
{
    ngx_k8s_list_t  *list;

    for (list = ngx_k8s_lists; list->grammar; list++) {
        if (list->grammar == grammar) {
            return list->flags;
        }
    }

    return 0;
}


ngx_int_t
ngx_k8s_list_line(ngx_k8s_grammar_t *grammar, ngx_str_t *text,
    ngx_pool_t *pool)
{
    size_t       i;
    u_char      *p, *end;
    ngx_uint_t   item, lines;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] >= '\t' && text->data[i] <= CR) {
            break;
        }
    }

    if (i == text->len) {
        return NGX_OK;
    }

    p = ngx_pstrdup(pool, text);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    lines = ngx_k8s_list(grammar) & NGX_K8S_LIST_LINES;
    item = 0;
    end = NULL;

    for (i = 0; i < text->len; i++) {

        if (p[i] == ' ' || p[i] == '\t') {
            p[i] = ' ';
            continue;
        }

        if (p[i] >= LF && p[i] <= CR) {
            p[i] = ' ';

            if (lines && item) {
                end = &p[i];
                *end = ',';
                item = 0;
            }

            continue;
        }

        item = (p[i] != ',');

        /* a line's end beside a comma ends nothing */

        if (!item && end) {
            *end = ' ';
        }

        end = NULL;
    }

    if (end) {
        *end = ' ';
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_list_check(ngx_k8s_row_t *row, ngx_uint_t annotation,
    ngx_pool_t *pool, ngx_str_t *text, ngx_k8s_bad_t *bad)
{
    u_char      *p, *last, *dst, *start;
    ngx_int_t    rc;
    ngx_str_t    item, list;
    ngx_uint_t   flags;

    flags = ngx_k8s_list(row->grammar);

    if (annotation) {
        return ngx_k8s_list_annotation(row, flags, text, bad);
    }

    list.data = ngx_pnalloc(pool, text->len + 1);
    if (list.data == NULL) {
        return NGX_ABORT;
    }

    rc = NGX_OK;
    dst = list.data;
    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        item.data = p;

        while (p < last && *p != ','
               && !((flags & NGX_K8S_LIST_BLANKS) && *p <= ' '))
        {
            p++;
        }

        item.len = p - item.data;
        ngx_k8s_trim(&item);

        if (item.len == 0) {
            continue;
        }

        start = dst + (dst > list.data);

        if (((flags & NGX_K8S_LIST_QUOTED)
             && ngx_k8s_item_unquote(start, &item) != NGX_OK)
            || ngx_k8s_row_check(row, &item) != NGX_OK)
        {
            ngx_k8s_list_bad(bad, &item);
            rc = NGX_ERROR;
            continue;
        }

        if (start > dst) {
            *dst = ',';
        }

        dst = ngx_movemem(start, item.data, item.len);
    }

    list.len = dst - list.data;

    if (rc == NGX_OK && list.len == 0
        && !(row->flags & NGX_K8S_ROW_PARTS))
    {
        return (row->flags & (NGX_K8S_ROW_CLOSES_ROUTE
                              |NGX_K8S_ROW_CLOSES_HOST))
               ? NGX_ERROR : NGX_DONE;
    }

    *text = list;

    return rc;
}


/* empty items are left out by those who read it */

static ngx_int_t
ngx_k8s_list_annotation(ngx_k8s_row_t *row, ngx_uint_t flags, ngx_str_t *text,
    ngx_k8s_bad_t *bad)
{
    ngx_str_t   item, list;
    ngx_uint_t  n;

    list = *text;
    n = 0;

    while (ngx_k8s_item(&list, &item) == NGX_OK) {

        if (item.len == 0 && !(flags & NGX_K8S_LIST_WHOLE)) {
            continue;
        }

        if (item.len == 0 || ngx_k8s_row_check(row, &item) != NGX_OK) {
            ngx_k8s_list_bad(bad, &item);
            continue;
        }

        n++;
    }

    return (n && bad->n == 0) ? NGX_OK : NGX_ERROR;
}


static void
ngx_k8s_list_bad(ngx_k8s_bad_t *bad, ngx_str_t *item)
{
    if (bad->n < NGX_K8S_BAD_ITEMS) {
        bad->items[bad->n] = *item;
    }

    bad->n++;
}


ngx_uint_t
ngx_k8s_list_literal(ngx_k8s_row_t *row, ngx_str_t *text, ngx_str_t *item)
{
    ngx_str_t  list;

    if (!(ngx_k8s_list(row->grammar) & NGX_K8S_LIST_QUOTED)) {
        return 0;
    }

    list = *text;

    while (ngx_k8s_item(&list, item) == NGX_OK) {
        if (item->len && item->data[0] != '~' && ngx_k8s_item_signs(item)) {
            return 1;
        }
    }

    return 0;
}


/*
 * As a word of nginx.conf, where ingress-nginx writes it: without the quotes,
 * and a quote or a backslash stands after a backslash.
 */

static ngx_int_t
ngx_k8s_item_unquote(u_char *dst, ngx_str_t *item)
{
    u_char  *p, *last, *end, quote;

    p = item->data;
    last = p + item->len;
    quote = 0;

    if (*p == '"' || *p == '\'') {
        quote = *p++;
    }

    for (end = dst; p < last && !(quote && *p == quote); p++) {

        if (*p == '\\' && last - p > 1
            && (p[1] == '"' || p[1] == '\'' || p[1] == '\\'))
        {
            p++;
        }

        *end++ = *p;
    }

    if ((quote && p != last - 1) || end == dst) {
        return NGX_ERROR;
    }

    item->data = dst;
    item->len = end - dst;

    return NGX_OK;
}


/* what no value of User-Agent or Referer has, but patterns have */

static ngx_uint_t
ngx_k8s_item_signs(ngx_str_t *item)
{
    u_char  *p, *last;

    p = item->data;
    last = p + item->len;

    if (p[0] == '^' || p[0] == '*' || last[-1] == '$' || last[-1] == '*') {
        return 1;
    }

    for ( /* void */ ; p < last; p++) {

        if (*p == '\\' || *p == '|') {
            return 1;
        }

        if (*p == '.' && last - p > 1 && (p[1] == '*' || p[1] == '+')) {
            return 1;
        }
    }

    return 0;
}
