
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Words by the rules of ngx_conf_read_token(). */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_snippet.h>


static ngx_int_t ngx_k8s_lexer_end(ngx_k8s_lexer_t *lexer, u_char c);
static ngx_int_t ngx_k8s_lexer_word(ngx_k8s_lexer_t *lexer);
static ngx_int_t ngx_k8s_lexer_quoted(ngx_k8s_lexer_t *lexer);
static ngx_int_t ngx_k8s_lexer_add(ngx_k8s_lexer_t *lexer, u_char *start);
static ngx_int_t ngx_k8s_lexer_failed(ngx_k8s_lexer_t *lexer, char *error);


#define ngx_k8s_lexer_blank(c)                                                \
    ((c) == ' ' || (c) == '\t' || (c) == CR || (c) == LF)


void
ngx_k8s_lexer_init(ngx_k8s_lexer_t *lexer, ngx_pool_t *pool, ngx_str_t *text)
{
    lexer->pos = text->data;
    lexer->last = text->data + text->len;
    lexer->lines = 1;
    lexer->pool = pool;
    lexer->line = 1;
    lexer->n = 0;
    lexer->error = NULL;
}


ngx_int_t
ngx_k8s_lexer_next(ngx_k8s_lexer_t *lexer)
{
    u_char     c;
    ngx_int_t  rc;

    lexer->n = 0;
    lexer->line = lexer->lines;

    while (lexer->pos < lexer->last) {

        c = *lexer->pos;

        if (ngx_k8s_lexer_blank(c)) {
            lexer->lines += (c == LF);
            lexer->pos++;
            continue;
        }

        if (c < ' ' || c == 0x7f) {
            return ngx_k8s_lexer_failed(lexer, "it has a control character");
        }

        if (c == '#') {
            while (lexer->pos < lexer->last && *lexer->pos != LF) {
                lexer->pos++;
            }

            continue;
        }

        if (c == ';' || c == '{' || c == '}') {
            return ngx_k8s_lexer_end(lexer, c);
        }

        if (lexer->n == 0) {
            lexer->line = lexer->lines;
        }

        rc = (c == '"' || c == '\'') ? ngx_k8s_lexer_quoted(lexer)
                                     : ngx_k8s_lexer_word(lexer);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return lexer->n ? ngx_k8s_lexer_failed(lexer, "\";\" is missing") : 0;
}


static ngx_int_t
ngx_k8s_lexer_end(ngx_k8s_lexer_t *lexer, u_char c)
{
    lexer->pos++;

    if (c == '}') {
        return lexer->n ? ngx_k8s_lexer_failed(lexer,
                                               "\";\" is missing before \"}\"")
                        : c;
    }

    return lexer->n ? c : ngx_k8s_lexer_failed(lexer, (c == ';')
                                               ? "unexpected \";\""
                                               : "unexpected \"{\"");
}


static ngx_int_t
ngx_k8s_lexer_word(ngx_k8s_lexer_t *lexer)
{
    u_char  c, *start;

    start = lexer->pos;

    while (lexer->pos < lexer->last) {

        c = *lexer->pos;

        if (ngx_k8s_lexer_blank(c) || c == ';') {
            break;
        }

        if (c == '{' && (lexer->pos == start || lexer->pos[-1] != '$')) {
            break;
        }

        if (c < ' ' || c == 0x7f) {
            return ngx_k8s_lexer_failed(lexer, "it has a control character");
        }

        /* the character behind it is one of the word, whatever it is */

        if (c == '\\' && lexer->pos + 1 < lexer->last) {
            lexer->pos++;
            lexer->lines += (*lexer->pos == LF);
        }

        lexer->pos++;
    }

    return ngx_k8s_lexer_add(lexer, start);
}


static ngx_int_t
ngx_k8s_lexer_quoted(ngx_k8s_lexer_t *lexer)
{
    u_char     c, quote, *start;
    ngx_int_t  rc;

    quote = *lexer->pos++;
    start = lexer->pos;

    for ( ;; ) {

        if (lexer->pos == lexer->last) {
            return ngx_k8s_lexer_failed(lexer, "a quote is not closed");
        }

        c = *lexer->pos;

        if (c == quote) {
            break;
        }

        if (c == '\\' && lexer->pos + 1 < lexer->last) {
            lexer->pos++;
        }

        lexer->lines += (*lexer->pos == LF);
        lexer->pos++;
    }

    rc = ngx_k8s_lexer_add(lexer, start);

    if (rc != NGX_OK) {
        return rc;
    }

    lexer->pos++;

    if (lexer->pos < lexer->last) {
        c = *lexer->pos;

        if (!ngx_k8s_lexer_blank(c) && c != ';' && c != '{' && c != ')') {
            return ngx_k8s_lexer_failed(lexer, "a blank is missing behind a "
                                               "quote");
        }
    }

    return NGX_OK;
}


/* from start to lexer->pos */

static ngx_int_t
ngx_k8s_lexer_add(ngx_k8s_lexer_t *lexer, u_char *start)
{
    u_char     *p, *dst;
    ngx_str_t  *word;

    if (lexer->n == NGX_K8S_SNIPPET_WORDS) {
        return ngx_k8s_lexer_failed(lexer, "it has more than "
                                    ngx_value(NGX_K8S_SNIPPET_WORDS) " words");
    }

    word = &lexer->words[lexer->n++];

    dst = ngx_pnalloc(lexer->pool, lexer->pos - start + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    word->data = dst;

    for (p = start; p < lexer->pos; p++) {

        if (*p == '\\' && p + 1 < lexer->pos) {

            switch (p[1]) {

            case '"':
            case '\'':
            case '\\':
                p++;
                break;

            case 't':
                *dst++ = '\t';
                p++;
                continue;

            case 'r':
                *dst++ = CR;
                p++;
                continue;

            case 'n':
                *dst++ = LF;
                p++;
                continue;

            default:
                break;
            }
        }

        *dst++ = *p;
    }

    *dst = '\0';
    word->len = dst - word->data;

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_lexer_failed(ngx_k8s_lexer_t *lexer, char *error)
{
    lexer->error = error;

    return NGX_DECLINED;
}
