
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What is wrong with a value, in words. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


static u_char *ngx_k8s_row_why_items(u_char *buf, u_char *last,
    ngx_k8s_row_t *row, ngx_k8s_bad_t *bad);
static ngx_uint_t ngx_k8s_row_quoted(ngx_str_t *text);
static ngx_uint_t ngx_k8s_row_char(ngx_k8s_grammar_t *grammar,
    ngx_str_t *text, int *c);


u_char *
ngx_k8s_row_why(u_char *buf, size_t size, ngx_k8s_row_t *row, ngx_str_t *text,
    ngx_k8s_bad_t *bad)
{
    int          c;
    size_t       shown;
    const char  *more;

    if (ngx_k8s_unread(text)) {
        return ngx_snprintf(buf, size, "it %*s",
                            ngx_min(text->len - 1, NGX_K8S_SHOWN_MAX),
                            text->data + 1);
    }

    if (bad && (ngx_k8s_list(row->grammar) & NGX_K8S_LIST_ITEMS)
        && (text->len || (bad->n && bad->items[0].len)))
    {
        return ngx_k8s_row_why_items(buf, buf + size, row, bad);
    }

    shown = ngx_min(text->len, NGX_K8S_SHOWN_MAX);
    more = (text->len > shown) ? "..." : "";

    if (ngx_k8s_row_quoted(text)) {
        return ngx_snprintf(buf, size, "%*s%s has quotes in it, and is not %s",
                            shown, text->data, more, row->grammar->text);
    }

    if (ngx_k8s_row_char(row->grammar, text, &c)) {
        return ngx_snprintf(buf, size, c > ' ' && c < 0x7f
                            ? "\"%*s\"%s has a \"%c\"%s, allowed are "
                              "letters, digits and \"%s\""
                            : "\"%*s\"%s has a byte 0x%02Xd%s, allowed are "
                              "letters, digits and \"%s\"",
                            shown, text->data, more, c,
                            c == '$' ? ", but no variables" : "",
                            row->grammar->chars);
    }

    return ngx_snprintf(buf, size, "\"%*s\"%s is not %s", shown, text->data,
                        more, row->grammar->text);
}


static u_char *
ngx_k8s_row_why_items(u_char *buf, u_char *last, ngx_k8s_row_t *row,
    ngx_k8s_bad_t *bad)
{
    u_char      *p;
    size_t       shown;
    ngx_str_t   *item;
    ngx_uint_t   i, n;

    n = ngx_min(bad->n, NGX_K8S_BAD_ITEMS);

    if (n == 0 || bad->items[0].len == 0) {
        return ngx_slprintf(buf, last, "it has an empty item");
    }

    p = ngx_slprintf(buf, last, bad->n > 1 ? "the items " : "the item ");

    for (i = 0; i < n; i++) {
        item = &bad->items[i];
        shown = ngx_min(item->len, NGX_K8S_SHOWN_MAX);

        p = ngx_slprintf(p, last, "%s\"%*s\"%s",
                         i == 0 ? "" : (i + 1 == bad->n) ? " and " : ", ",
                         shown, item->data, item->len > shown ? "..." : "");
    }

    if (bad->n > n) {
        p = ngx_slprintf(p, last, " and %ui more", bad->n - n);
    }

    return ngx_slprintf(p, last, "%s %s none of %s",
                        ngx_k8s_row_quoted(&bad->items[0])
                        ? bad->n > 1 ? " have quotes in them and"
                                     : " has quotes in it and" : "",
                        bad->n > 1 ? "are" : "is", row->grammar->text);
}


/* as YAML's, which another level of quoting has kept */

static ngx_uint_t
ngx_k8s_row_quoted(ngx_str_t *text)
{
    return text->len > 1
           && (text->data[0] == '"' || text->data[0] == '\'')
           && text->data[text->len - 1] == text->data[0];
}


/* whether it has a character that is none of the grammar's, the first in *c */

static ngx_uint_t
ngx_k8s_row_char(ngx_k8s_grammar_t *grammar, ngx_str_t *text, int *c)
{
    size_t  i;

    if (grammar->chars == NULL || grammar->words) {
        return 0;
    }

    for (i = 0; i < text->len; i++) {

        *c = text->data[i];

        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')
            || (*c >= '0' && *c <= '9'))
        {
            continue;
        }

        if (*c == '\0' || ngx_strchr(grammar->chars, *c) == NULL) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_k8s_row_strange(ngx_k8s_row_t *row, ngx_str_t *value)
{
    int  c;

    return ngx_k8s_row_char(row->grammar, value, &c);
}
